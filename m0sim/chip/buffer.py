"""Arrays in the simulated memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from m0sim.chip.banks import Bytes
from m0sim.chip.memory import AddressSpace
from m0sim.chip.room import Allocation
from m0sim.errors import UsageError


@dataclass(frozen=True, eq=False, slots=True)
class Buffer:
    """An array in the simulated SRAM. Its contents survive from call to call.

    NumPy takes one for an array and reads it: ``np.array_equal(buffer, expected)``.
    """

    address: int
    size: int
    """Bytes."""
    dtype: np.dtype[Any]
    shape: tuple[int, ...]
    name: str
    _space: AddressSpace = field(repr=False)
    _place: Allocation = field(repr=False)

    @property
    def is_freed(self) -> bool:
        """True after `free`, and after the machine's `reset`."""
        return not self._space.holds(self._place)

    def read(self) -> npt.NDArray[Any]:
        """A copy of the contents, in the shape and dtype that it was allocated with."""
        return self._bytes().copy().view(self.dtype).reshape(self.shape)

    def write(self, values: npt.ArrayLike) -> None:
        """Replace the contents.

        Raises UsageError unless `values` has as many bytes as the buffer and each of them is a value of its dtype:
        nothing wraps or loses its fraction. Floats may be rounded to shorter floats. An array of another kind (floats
        for integers, signed for unsigned) is refused even so. To wrap or cut on purpose, pass
        ``values.astype(buffer.dtype)``.
        """
        given = _as_array(values, self.dtype)
        self._check_values(given)
        if not np.can_cast(given.dtype, self.dtype, "same_kind") and isinstance(values, np.ndarray):
            raise UsageError(f"{self.name} holds {self.dtype}: convert the {given.dtype} array to that first")
        array = given.astype(self.dtype)
        if array.nbytes != self.size:
            raise UsageError(f"{self.name} has {self.size} bytes, not {array.nbytes}")
        self._bytes()[:] = np.ascontiguousarray(array).reshape(-1).view(np.uint8)

    def address_in(self, space: AddressSpace) -> int:
        """Its address, to be passed to code in that memory. Raises `UsageError` for another, and once it is freed."""
        if self._space is not space:
            raise UsageError(f"{self.name} belongs to another machine")
        if self.is_freed:
            raise UsageError(f"{self.name} was freed: allocate another buffer")
        return self.address

    def free(self) -> None:
        """Give its room back to `Machine.alloc`. From then on, reading, writing or passing it is a UsageError."""
        self._bytes()
        self._space.free(self._place)

    def __array__(self, dtype: npt.DTypeLike | None = None, copy: bool | None = None) -> npt.NDArray[Any]:
        if copy is False:
            raise ValueError("an array of a buffer is always a copy")
        array = self.read()
        return array if dtype is None else array.astype(dtype)

    def _bytes(self) -> Bytes:
        view = self._space.view(self.address, self.size)
        if self.is_freed or view is None:
            raise UsageError(f"{self.name} was freed: allocate another buffer")
        return view

    def _check_values(self, given: npt.NDArray[Any]) -> None:
        bad = np.flatnonzero(_unfit(given, self.dtype))
        if not bad.size:
            return
        place = np.unravel_index(bad[0], given.shape)
        index = ", ".join(str(int(i)) for i in place)
        where = f" at index {index}" if place else ""
        raise UsageError(
            f"{self.name} holds {_described(self.dtype)}: {given[place]}{where} is not one; "
            "to wrap or cut on purpose, convert with .astype first"
        )


def allocate(space: AddressSpace, content: npt.ArrayLike | int, *, align: int = 8, name: str = "") -> Buffer:
    """A new buffer, as `Machine.alloc` has it. Raises `UsageError`."""
    if isinstance(content, int):
        if not 0 <= content < 1 << 32:
            raise UsageError(f"cannot allocate {content} bytes")
        content = np.zeros(content, np.uint8)
    array = np.ascontiguousarray(content)
    array = array.astype(array.dtype.newbyteorder("<"), copy=False)
    if array.dtype.hasobject:
        raise UsageError(f"cannot put an array of {array.dtype} into the simulated memory")
    if align < 1 or align & (align - 1):
        raise UsageError(f"an alignment is a power of two, not {align}")
    place = space.allocate(array.nbytes, max(4, align), name)
    buffer = Buffer(place.address, place.size, array.dtype, array.shape, place.name, space, place)
    buffer.write(array)
    return buffer


def _as_array(values: npt.ArrayLike, dtype: np.dtype[Any]) -> npt.NDArray[Any]:
    """`values` as an array in which none was rounded: NumPy makes floats of a list such as [2**64 - 1, 1]."""
    array = np.asarray(values)
    if not isinstance(values, np.ndarray) and array.dtype.kind == "f" and dtype.kind in "iu" and dtype.itemsize == 8:
        return np.asarray(values, object)
    return array


def _described(dtype: np.dtype[Any]) -> str:
    if dtype.kind not in "iu":
        return f"values of {dtype}"
    return f"values of {dtype} ({np.iinfo(dtype).min} to {np.iinfo(dtype).max})"


def _unfit(given: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    """``bool`` in the shape of `given`: the values that `dtype` does not have."""
    if given.dtype == dtype or given.dtype.kind == "b":
        return np.zeros(given.shape, np.bool_)
    if given.dtype.kind not in "iufO" or dtype.kind not in "biuf":
        return np.full(given.shape, not np.can_cast(given.dtype, dtype, "same_kind"))
    if given.dtype.kind == "O":  # Python integers of more than 64 bits among them, or no numbers at all
        each = [not _is_number(value) or _unfit(np.asarray(value), dtype).item() for value in given.flat]
        return np.array(each, np.bool_).reshape(given.shape)
    if dtype.kind == "f":
        return _unfit_for_float(given, dtype)
    least, most = (0, 1) if dtype.kind == "b" else (int(np.iinfo(dtype).min), int(np.iinfo(dtype).max))
    if given.dtype.kind == "f":  # most + 1 is a power of two, so exact as a float where `most` may not be
        return np.asarray(~((given >= least) & (given < float(most + 1)) & (given == np.trunc(given))))
    return np.asarray((given < least) | (given > most))


def _is_number(value: object) -> bool:
    return isinstance(value, float) or (isinstance(value, int) and -(1 << 63) <= value < 1 << 64)


def _unfit_for_float(given: npt.NDArray[Any], dtype: np.dtype[Any]) -> npt.NDArray[np.bool_]:
    with np.errstate(all="ignore"):
        converted = given.astype(dtype)
        if given.dtype.kind == "f":
            return np.asarray(np.isfinite(given) & ~np.isfinite(converted))
        return np.asarray(converted.astype(np.float64).astype(given.dtype) != given)
