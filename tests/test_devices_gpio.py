"""The RP2040's pins: functions, pads, overrides, and interrupts on levels and edges against a model pin by pin."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st
from test_devices_rp2040 import CLR, RESETS, SET, Chip

IO, PADS = 0x4001_4000, 0x4001_C000
INTR, INTE, INTF, INTS = IO + 0xF0, IO + 0x100, IO + 0x110, IO + 0x120
OUT, OUT_XOR, OE_SET, IN = 0x10, 0x1C, 0x24, 0x04
LEVEL_LOW, LEVEL_HIGH, EDGE_LOW, EDGE_HIGH = 1, 2, 4, 8
LINE = 13


def chip(*sio_pins: int) -> Chip:
    """Out of reset, with some pins of the I/O port."""
    made = Chip()
    made.store(RESETS + CLR, 1 << 5 | 1 << 8)
    for pin in sio_pins:
        made.store(IO + 8 * pin + 4, 5)
    return made


def sio(made: Chip, offset: int, value: int) -> None:
    made.host.store_sio(made.board.bus, offset, value)


def level(made: Chip, pin: int) -> int:
    return made.host.sio.load(IN) >> pin & 1


def drive(made: Chip, pin: int, to: int | None) -> None:
    assert made.board.pins is not None
    made.board.pins.drive(pin, to)


def test_a_pin_is_driven_when_its_function_is_the_port() -> None:
    made = chip()
    sio(made, OE_SET, 1 << 25)
    sio(made, OUT, 1 << 25)
    assert level(made, 25) == 0
    made.store(IO + 8 * 25 + 4, 5)
    assert level(made, 25) == 1
    assert made.host.pins.driven == 1 << 25
    assert made.load(IO + 8 * 25) == 1 << 8 | 1 << 9 | 1 << 12 | 1 << 13 | 1 << 17 | 1 << 19 | 1 << 24 | 1 << 26
    made.store(PADS + SET + 4 + 4 * 25, 1 << 7)  # output disable
    assert level(made, 25) == 0
    assert made.load(IO + 8 * 25) & (1 << 12 | 1 << 13) == 1 << 12
    made.store(PADS + CLR + 4 + 4 * 25, 1 << 7 | 1 << 6)
    assert made.host.pins.level >> 25 & 1 == 1
    assert level(made, 25) == 0  # the input is off


def test_pulls_and_the_world_outside() -> None:
    made = chip(3)
    assert level(made, 3) == 0
    made.store(PADS + 4 + 4 * 3, 0x4A)
    assert level(made, 3) == 1
    drive(made, 3, 0)
    assert level(made, 3) == 0
    drive(made, 3, None)
    assert level(made, 3) == 1


def test_overrides() -> None:
    made = chip(7)
    sio(made, OE_SET, 1 << 7)
    for out_over, levels in ((0, (0, 1)), (1, (1, 0)), (2, (0, 0)), (3, (1, 1))):
        for in_over in range(4):
            made.store(IO + 8 * 7 + 4, 5 | out_over << 8 | in_over << 16)
            for out, expected in zip((0, 1), levels, strict=True):
                sio(made, OUT, out << 7)
                assert made.host.pins.level >> 7 & 1 == expected
                assert level(made, 7) == (expected, expected ^ 1, 0, 1)[in_over]
    made.store(IO + 8 * 7 + 4, 5 | 2 << 12)
    assert made.host.pins.driven == 0


_STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("out"), st.sampled_from([0, 1, 7]), st.just(0)),
        st.tuples(st.just("outside"), st.integers(8, 9), st.integers(0, 1)),
        st.tuples(st.just("enable"), st.sampled_from([0, 1, 7, 8, 9]), st.integers(0, 15)),
        st.tuples(st.just("force"), st.sampled_from([0, 1, 7, 8, 9]), st.integers(0, 15)),
        st.tuples(st.just("clear"), st.sampled_from([0, 1, 7, 8, 9]), st.integers(0, 15)),
        st.tuples(st.just("invert"), st.sampled_from([0, 9]), st.integers(0, 1)),
    ),
    min_size=10,
    max_size=25,
)


@given(_STEPS)
@settings(max_examples=80, deadline=None)
def test_interrupts(steps: list[tuple[str, int, int]]) -> None:
    """Pins 0 to 7 are driven by the port, 8 and 9 from outside; changes of level are seen at once where enabled."""
    made = chip(*range(8))
    sio(made, OE_SET, 0xFF)
    pins = dict.fromkeys(range(10), 0)
    edges, enabled, forced, inverted = (dict.fromkeys(range(10), 0) for _ in range(4))

    def put(pin: int, to: int) -> None:
        if pins[pin] != to:
            edges[pin] |= EDGE_HIGH if to ^ inverted[pin] else EDGE_LOW
        pins[pin] = to

    for what, pin, value in steps:
        register, shift = 4 * (pin // 8), 4 * (pin % 8)
        if what == "out":
            sio(made, OUT_XOR, 1 << pin)
            put(pin, pins[pin] ^ 1)
        elif what == "outside":
            drive(made, pin, value)
            put(pin, value)
        elif what == "enable":
            made.store(INTE + register + CLR, 0xF << shift)
            made.store(INTE + register + SET, value << shift)
            enabled[pin] = value
        elif what == "force":
            made.store(INTF + register + CLR, 0xF << shift)
            made.store(INTF + register + SET, value << shift)
            forced[pin] = value
        elif what == "clear":
            made.store(INTR + register, value << shift)
            edges[pin] &= ~value
        else:
            made.load(INTR)  # what happened before is by the old rule
            made.store(IO + 8 * pin + 4, (5 if pin < 8 else 31) | value << 28)
            inverted[pin] = value
        status = {}
        for p in pins:
            raw = edges[p] | (LEVEL_HIGH if pins[p] ^ inverted[p] else LEVEL_LOW)
            status[p] = raw & enabled[p] | forced[p]
        if what != "invert":  # there the line follows the next change only
            assert made.host.lines[LINE] == any(status.values())
        for p in pins:
            assert made.load(INTS + 4 * (p // 8)) >> 4 * (p % 8) & 0xF == status[p]
            raw = edges[p] | (LEVEL_HIGH if pins[p] ^ inverted[p] else LEVEL_LOW)
            assert made.load(INTR + 4 * (p // 8)) >> 4 * (p % 8) & 0xF == raw


def test_edges_of_an_inverted_interrupt() -> None:
    made = chip(4)
    made.store(IO + 8 * 4 + 4, 5 | 1 << 28)
    sio(made, OE_SET, 1 << 4)
    sio(made, OUT, 1 << 4)
    assert made.load(INTR) >> 16 & 0xF == EDGE_LOW | LEVEL_LOW
    sio(made, OUT, 0)
    assert made.load(INTR) >> 16 & 0xF == EDGE_LOW | EDGE_HIGH | LEVEL_HIGH


def test_functions_that_are_not_modelled_are_named() -> None:
    made = chip()
    made.store(IO + 8 * 2 + 4, 3)
    assert [n.what for n in made.board.bus.notes.values()] == ["I2C as the pin's function: its waveform is not drawn"]
