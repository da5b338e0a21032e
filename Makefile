# `make demo` and `make test` need Python 3.11 or newer and make; everything else they install into .venv.
PYTHON    ?= python3
TOOLCHAIN ?= zig
VENV      := .venv
BIN       := $(VENV)/bin
READY     := $(VENV)/.ready
BUILD     := build

# Where bytecode is not kept, each of the hundred processes that tests start compiles all that it imports.
export PYTHONDONTWRITEBYTECODE :=

# Tests: `test` is quick, `test-long` the rest, each under a minute; CI runs both. `test-all` is both, more random
# programs of the kinds that they have, and examples drawn anew. docs/architecture.md says which test belongs where.
.PHONY: demo test test-long test-all lint check bench bench-kernels bench-against docs kernels libraries sanitized wheels clean

# What one call costs, and the main job: every training method side by side on handwritten digits.
demo: $(READY) kernels
	$(BIN)/m0sim call $(BUILD)/examples/dot.elf dot_s8 @examples/a.bin @examples/b.bin 1000
	$(BIN)/m0sim compare --output out

test: $(READY) kernels
	$(BIN)/python -m pytest -n auto -m "not long" --slowest-files 15

test-long: $(READY) kernels
	$(BIN)/python -m pytest -n auto -m "long and not exhaustive" --hypothesis-profile long --slowest-files 15

test-all: $(READY) kernels
	$(BIN)/python -m pytest -n auto --hypothesis-profile random

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

# The bundled kernels against their baseline. After a wanted change: m0sim check --update kernels/m0sim.toml
check: $(READY) kernels
	$(BIN)/m0sim check --strict --no-build kernels/m0sim.toml

# The site, from docs/ and the code, into build/site: any warning is an error. NO_MKDOCS_2_WARNING is the theme's word
# about its successor.
docs: $(VENV)/.docs kernels
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --quiet --strict

$(VENV)/.docs: pyproject.toml | $(READY)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[docs]'
	@touch $@

bench: $(READY) libraries
	$(BIN)/python tests/bench_speed.py

# Writes docs/kernels.md. The columns of GNU are there where arm-none-eabi-gcc is.
bench-kernels: $(READY)
	$(BIN)/python tests/bench_kernels.py

# The kernels beside those of another commit, on the same operands and on those at the ends: make bench-against REV=...
bench-against: $(READY)
	$(BIN)/python tests/bench_against.py $(REV)

BOOTROM        := m0sim/chip/bootrom
KERNEL_SOURCES := $(sort $(wildcard kernels/*.S))

BOARD          := m0sim/board/runtime

kernels: libraries $(BOOTROM)/rp2040.elf $(BOARD)/rp2040.elf $(BUILD)/examples/dot.elf $(BUILD)/kernels/m0k.elf

# The two libraries for this machine, where a checkout loads them from. Never older than their sources.
CORE      := m0sim/chip/native
DEMANGLER := m0sim/image/demangle
COMPILE   := $(BIN)/python -m m0sim.build_libraries
COMPILER  := m0sim/build_libraries.py m0sim/libraries.py

libraries: $(CORE)/.built $(DEMANGLER)/.built

$(CORE)/.built: $(wildcard $(CORE)/*.c $(CORE)/*.h) $(COMPILER) | $(READY)
	$(COMPILE) core
	@touch $@

$(DEMANGLER)/.built: $(DEMANGLER)/demangle.c $(COMPILER) | $(READY)
	$(COMPILE) demangler
	@touch $@

# The boot ROM of the RP2040, where a checkout loads it from.
$(BOOTROM)/rp2040.elf: $(wildcard $(BOOTROM)/*.S $(BOOTROM)/*.c $(BOOTROM)/*.h $(BOOTROM)/*.inc) $(BOOTROM)/bootrom.ld $(BOOTROM)/build.py m0sim/toolchain.py | $(READY)
	$(BIN)/python -m m0sim.chip.bootrom.build

# What measures calls on a board, where a checkout loads it from.
$(BOARD)/rp2040.elf: $(wildcard $(BOARD)/*.S $(BOARD)/*.c $(BOARD)/*.ld $(BOARD)/build.py) m0sim/toolchain.py | $(READY)
	$(BIN)/python -m m0sim.board.runtime.build

# The core with the compiler's own checks, for M0SIM_CORE=FILE m0sim ... In the one for addresses, preload libasan.
sanitized: $(BUILD)/sanitized/undefined.so $(BUILD)/sanitized/address.so

$(BUILD)/sanitized/%.so: $(wildcard $(CORE)/*.c $(CORE)/*.h) $(COMPILER) | $(READY)
	$(COMPILE) core --sanitize $* -o $@

# A wheel for every platform, all of them from this machine.
TARGETS := $(shell sed -n 's/^    "\([a-z0-9_-]*\)": Target.*/\1/p' m0sim/build_libraries.py)

wheels: $(TARGETS:%=wheel-%)

wheel-%: | $(READY)
	M0SIM_TARGET=$* $(BIN)/python -m hatchling build -t wheel -d dist

$(BUILD)/kernels/m0k.elf: $(KERNEL_SOURCES) $(sort $(wildcard kernels/*.inc) kernels/m0k.inc) kernels/m0sim.ld kernels/build.py m0sim/toolchain.py | $(READY)
	$(BIN)/python kernels/build.py --movable --toolchain $(TOOLCHAIN) $@ $(KERNEL_SOURCES)

kernels/m0k.inc: kernels/m0k.h kernels/make_offsets.py m0sim/study/learn/blocks.py | $(READY)
	$(BIN)/python kernels/make_offsets.py

$(BUILD)/examples/dot.elf: examples/dot.c examples/dot_fast.S kernels/m0sim.ld kernels/build.py m0sim/toolchain.py | $(READY)
	$(BIN)/python kernels/build.py --toolchain $(TOOLCHAIN) $@ examples/dot.c examples/dot_fast.S

$(READY): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "m0sim needs Python 3.11 or newer: make PYTHON=/path/to/python3.11"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable '.[dev]'
	@touch $@

clean:
	rm -rf $(BUILD) dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find . -name __pycache__ -not -path './$(VENV)/*' -prune -exec rm -rf {} +
