"""The counting hooks' compiled code is cached; it must not outlive a change in any file that is compiled into it."""

import re
from pathlib import Path

import pytest

import m0sim
from m0sim.chip.native import compiled
from m0sim.chip.native.compiled import stamp

MODULES = Path(m0sim.__file__).parent / "chip"


@pytest.fixture
def copy(tmp_path: Path) -> Path:
    for name in ("state.py", "blocks.py"):
        (tmp_path / name).write_bytes((MODULES / "native" / name).read_bytes())
    return tmp_path


def test_a_change_in_any_file_changes_the_stamp(copy: Path) -> None:
    before = stamp(copy, MODULES / "isa.py")
    assert before == stamp(copy, MODULES / "isa.py") != stamp(copy)
    state = copy / "state.py"
    state.write_text(state.read_text().replace("PENDING = 0 ", "PENDING = 79 "))
    changed = stamp(copy, MODULES / "isa.py")
    assert changed != before
    (copy / "blocks.py").rename(copy / "block.py")
    (copy / "block.py").write_text("")
    assert stamp(copy, MODULES / "isa.py") not in (before, changed)


def test_all_compiled_code_has_the_stamp() -> None:
    """Numba's own decorators would compile as well, and keep code that a change in another file has made wrong."""
    importing = re.compile(r"^\s*(?:import numba|from numba import .*\b(?:c?func|n?jit|vectorize)\b)", re.MULTILINE)
    found = {
        path.relative_to(MODULES).as_posix() for path in MODULES.rglob("*.py") if importing.search(path.read_text())
    }
    assert found == {"native/compiled.py"}


def test_a_machine_that_keeps_no_files_is_told_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    """Such as a container whose user owns neither the packages nor a home."""

    def no_locator(**_: object) -> object:
        raise RuntimeError("cannot cache function: no locator available")

    assert compiled._can_be_kept()
    monkeypatch.setattr(compiled.numba, "njit", no_locator)
    with pytest.warns(UserWarning, match="set NUMBA_CACHE_DIR to a folder"):
        assert not compiled._can_be_kept()
