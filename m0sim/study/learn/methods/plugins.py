"""Methods from outside of m0sim: a file that somebody names, or the entry points of installed packages.

Both are loaded when they are asked for and not before. What cannot be loaded is one line that names it.
"""

from __future__ import annotations

import hashlib
import inspect
import re
import sys
from dataclasses import dataclass
from functools import cache
from importlib.metadata import EntryPoint
from pathlib import Path
from types import ModuleType
from typing import Any, NoReturn

from m0sim import files
from m0sim.errors import M0simError, UsageError, did_you_mean
from m0sim.plugins import METHODS, installed, packages
from m0sim.study.learn.methods.base import Method
from m0sim.study.learn.methods.options import check_declared
from m0sim.study.learn.step import DeviceForm

_SPEC = re.compile(r"(?P<path>.*\.py)(?::(?P<name>[^:/\\]*))?", re.DOTALL)
_NAME = re.compile(r"[a-z][a-z0-9]*(?:[-_.][a-z0-9]+)*")
_NAME_LENGTH = 40
_FILE_LIMIT = 4 << 20


@dataclass(frozen=True)
class Plugin:
    """A method from outside."""

    method: Method
    spec: str
    """What another process finds it by: a file's absolute path and the class, or the name of an entry point."""
    code: str
    """A hash of the file that it is written in, and of its kernels' sources."""


def is_file(text: str) -> bool:
    """Whether it names a file, not a method: ``mine.py`` or ``mine.py:Mine``."""
    return _SPEC.fullmatch(text) is not None


def from_file(text: str, folder: Path) -> Plugin:
    """The method of ``FILE.py:CLASS``, a relative path being from `folder`; without a class, the file's only one.

    Raises UsageError for what is not there, cannot be run, or is no method.
    """
    found = _SPEC.fullmatch(text)
    assert found is not None
    path = (folder / found["path"]).resolve()
    module = _run(path, files.read(path, _FILE_LIMIT, "the method"))
    name = found["name"] or _only_method(module, path)
    if not hasattr(module, name):
        raise UsageError(f"{path}: has no {name!r}{did_you_mean(name, _methods_in(module))}")
    method = _checked(getattr(module, name), f"{path}:{name}")
    return Plugin(method, f"{path}:{name}", _hash(method, f"{path}:{name}"))


def _run(path: Path, source: bytes) -> ModuleType:
    module = ModuleType(f"m0sim_method_{hashlib.sha256(str(path).encode() + source).hexdigest()[:16]}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # data classes look their module up, and inspect its file
    try:
        exec(compile(source, str(path), "exec"), vars(module))
    except Exception as error:
        del sys.modules[module.__name__]
        _refuse(f"{path}{_line_of(error, path)}", error)
    return module


def _line_of(error: Exception, path: Path) -> str:
    """The last line of the file that took part in an error."""
    if isinstance(error, SyntaxError) and error.filename == str(path):
        return f":{error.lineno}"
    lines = []
    trace = error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == str(path):
            lines.append(trace.tb_lineno)
        trace = trace.tb_next
    return f":{lines[-1]}" if lines else ""


def _refuse(where: str, error: Exception) -> NoReturn:
    said = " ".join(str(error.msg if isinstance(error, SyntaxError) else error).split())
    raise UsageError(f"{where}: cannot be loaded as a method: {type(error).__name__}: {said}") from error


def _methods_in(module: ModuleType) -> list[str]:
    return [
        name
        for name, value in vars(module).items()
        if inspect.isclass(value) and issubclass(value, Method) and value.__module__ == module.__name__
    ]


def _only_method(module: ModuleType, path: Path) -> str:
    names = _methods_in(module)
    if len(names) != 1:
        have = f"has {', '.join(names)}" if names else "has no class that is a Method"
        raise UsageError(f"{path}: {have}: name the class, as in {path.name}:{names[0] if names else 'Mine'}")
    return names[0]


def from_entry_point(points: tuple[EntryPoint, ...]) -> Plugin:
    """The method of the entry points of one name. Raises UsageError as `from_file` does, and for a clash."""
    point, *others = points
    if others:
        raise UsageError(f"method {point.name!r} is of {packages(points)}: remove one of these packages")
    where = f"method {point.name!r} of {packages(points)}"
    try:
        value = point.load()
    except Exception as error:
        _refuse(where, error)
    method = _checked(value, where)
    if method.name != point.name:
        raise UsageError(f"{where}: calls itself {method.name!r}: its entry point must have the same name")
    return Plugin(method, point.name, _hash(method, where))


def _checked(value: Any, where: str) -> Method:
    """A method, made where `value` is its class. Raises UsageError for what is none."""
    if inspect.isclass(value) and issubclass(value, Method):
        try:
            value = value()
        except Exception as error:
            _refuse(where, error)
    if not isinstance(value, Method):
        raise UsageError(f"{where}: is no Method: write a class on top of m0sim.study.methods.IntegerMethod")
    try:
        _check(value)
    except UsageError as error:
        raise UsageError(f"{where}: {error}") from error
    except Exception as error:
        _refuse(where, error)
    return value


def _check(method: Method) -> None:
    name = getattr(method, "name", None)
    if not isinstance(name, str) or len(name) > _NAME_LENGTH or not _NAME.fullmatch(name):
        raise UsageError(f"its name must be small letters and digits, such as 'sign-descent', not {name!r}")
    if getattr(method, "learns", None) not in ("weights", "scores"):
        raise UsageError("learns must be 'weights' or 'scores'")
    if not isinstance(getattr(method, "source", None), str):
        raise UsageError("source must say where it is from")
    if not isinstance(method.device, DeviceForm):
        raise UsageError(f"device must be the method's form on the device, not {method.device!r}")
    check_declared(method.options)
    for option in method.tuned.options:
        if option not in method.options:
            raise UsageError(f"tuned has {option!r}, which is none of its options")


def _hash(method: Method, where: str) -> str:
    found = hashlib.sha256()
    own = Path(inspect.getfile(type(method)))
    try:
        for path in (own, *method.device.source_files()):
            found.update(path.name.encode() + b"\0" + files.read(path, _FILE_LIMIT, "the method"))
    except M0simError as error:
        raise UsageError(f"{where}: {error}") from error
    return found.hexdigest()[:16]


@cache
def installed_once() -> dict[str, tuple[EntryPoint, ...]]:
    """The methods of installed packages, asked for once a process."""
    return installed(METHODS)
