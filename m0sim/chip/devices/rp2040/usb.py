"""USBCTRL as a device: its registers, and what it does for each transaction of a host. RP2040 datasheet, section 4.1.

Its memory, in which buffers and what controls them are, is in usb_memory.py; the host is devices/usb_host.py.
"""

from __future__ import annotations

from collections.abc import Iterator
from fractions import Fraction

from m0sim.chip.devices.block import WORD, Block, Register
from m0sim.chip.devices.clock import Source
from m0sim.chip.devices.interrupts import Interrupts
from m0sim.chip.devices.rp2040.usb_memory import Buffer, UsbMemory
from m0sim.chip.devices.usb_host import Handshake, Reply, UsbHost

_LINE = 5  # USBCTRL_IRQ
_CONTROLLER_EN, _TO_PHY = 1, 1
_TRANSCEIVER_PD, _PULLUP_EN, _PULLDOWN_EN = 1 << 18, 1 << 16, 1 << 15
_EP0_INT_1BUF, _EP0_INT_STALL, _EP0_INT_NAK = 1 << 29, 1 << 31, 1 << 27
_DATA_SEQ_ERROR, _ACK_REC = 1 << 31, 1 << 30
_BUS_RESET, _TRANS_COMPLETE, _SETUP_REC, _CONNECTED = 1 << 19, 1 << 18, 1 << 17, 1 << 16
_LINE_STATE_J, _VBUS_DETECTED = 1 << 2, 1
_CLEARED_BY_ONE = _DATA_SEQ_ERROR | 0x7F00_0000 | _BUS_RESET | _TRANS_COMPLETE | _SETUP_REC | 1 << 11
_INT_STALL_NAK, _INT_SOF, _INT_SETUP, _INT_CONN = 1 << 19, 1 << 17, 1 << 16, 1 << 13
_INT_RESET, _INT_SEQ, _INT_BUFF, _INT_COMPLETE = 1 << 12, 1 << 5, 1 << 4, 1 << 3
_INTERRUPTS = (1 << 20) - 1
_OVERRIDE_EN, _DETECT = 1 << 3, 1 << 2
_HZ, _MOST_OFF = 48_000_000, Fraction(1, 400)  # section 4.1.1; USB 2.0, 7.1.11
_HOST_BITS = 1 << 13 | 1 << 11 | 1 << 10 | 1 << 9 | 1 << 8 | 1 << 4 | 0xF
"""Of SIE_CTRL: what only a host does."""


class Usb(Block):
    """The controller as a full-speed device, plugged into a host as soon as it pulls its line up.

    Not modelled: the controller as a host, isochronous endpoints, suspending, and the line's states bit by bit.
    """

    ADDR_ENDP, MAIN_CTRL, SOF_RD, SIE_CTRL, SIE_STATUS = 0x00, 0x40, 0x48, 0x4C, 0x50
    BUFF_STATUS, SHOULD_HANDLE, EP_ABORT, EP_ABORT_DONE = 0x58, 0x5C, 0x60, 0x64
    EP_STALL_ARM, NAK_POLL, STALL_NAK, MUXING, PWR = 0x68, 0x6C, 0x70, 0x74, 0x78
    INTR, INTE, INTF, INTS = 0x8C, 0x90, 0x94, 0x98

    def __init__(self, memory: UsbMemory, host: UsbHost, clock: Source) -> None:
        super().__init__(
            "USBCTRL",
            0x5011_0000,
            (
                Register(self.ADDR_ENDP, "ADDR_ENDP", writable=0xF_007F),
                *(Register(4 * i, f"ADDR_ENDP{i}", effect=False) for i in range(1, 16)),
                Register(self.MAIN_CTRL, "MAIN_CTRL", writable=0x8000_0003),
                Register(0x44, "SOF_WR", effect=False),
                Register(self.SOF_RD, "SOF_RD", writable=0),
                Register(self.SIE_CTRL, "SIE_CTRL"),
                Register(self.SIE_STATUS, "SIE_STATUS", writable=0, clears=_CLEARED_BY_ONE | _CONNECTED),
                Register(0x54, "INT_EP_CTRL", effect=False),
                Register(self.BUFF_STATUS, "BUFF_STATUS", writable=0, clears=WORD),
                Register(self.SHOULD_HANDLE, "BUFF_CPU_SHOULD_HANDLE", writable=0),
                Register(self.EP_ABORT, "EP_ABORT"),
                Register(self.EP_ABORT_DONE, "EP_ABORT_DONE", writable=0, clears=WORD),
                Register(self.EP_STALL_ARM, "EP_STALL_ARM", writable=3),
                Register(self.NAK_POLL, "NAK_POLL", 0x0010_0010),
                Register(self.STALL_NAK, "EP_STATUS_STALL_NAK", writable=0, clears=WORD),
                Register(self.MUXING, "USB_MUXING", writable=0xF),
                Register(self.PWR, "USB_PWR", writable=0x3F),
                *(Register(0x7C + 4 * i, name) for i, name in enumerate(("USBPHY_DIRECT", "USBPHY_DIRECT_OVERRIDE"))),
                Register(0x84, "USBPHY_TRIM", 0x1F1F),
                Register(self.INTR, "INTR", writable=0),
                Register(self.INTE, "INTE", writable=_INTERRUPTS),
                Register(self.INTF, "INTF", writable=_INTERRUPTS),
                Register(self.INTS, "INTS", writable=0),
            ),
        )
        self._memory, self._host, self._clock = memory, host, clock
        clock.watch(self._clock_changed)
        self._life: Iterator[Fraction] | None = None
        self._connection_changed = self._has_frame = self._has_clock = False
        self.loads = {
            self.SOF_RD: self._read_frame,
            self.SIE_STATUS: self._status,
            self.EP_ABORT_DONE: lambda: self.words[self.EP_ABORT],  # nothing is ever under way between two transactions
        }
        self.stores = {
            self.MAIN_CTRL: self._control,
            self.SIE_CTRL: self._control,
            self.SIE_STATUS: self._clear_status,
            self.BUFF_STATUS: self._clear_buffers,
            self.STALL_NAK: self._clear_stall_nak,
            self.MUXING: self._control,
            self.PWR: self._control,
        }
        self.volatile = {self.SOF_RD}
        self._interrupts = Interrupts(self, (_LINE,), (self.INTR, self.INTE, self.INTF, self.INTS), self._raw)

    # -- registers

    def reset(self) -> None:
        """Unplugged."""
        super().reset()
        self._life = None
        self._connection_changed = self._has_frame = False
        self._interrupts.tell()

    def store(self, offset: int, value: int) -> None:
        """The same; pico-sdk powers it down while it is held in reset, which hardware forgets without a word."""
        is_off = offset == self.SIE_CTRL and not value & ~(_PULLDOWN_EN | _TRANSCEIVER_PD)
        if not (self.in_reset and is_off):
            super().store(offset, value)

    def _raw(self) -> int:
        words = self.words
        status = words[self.SIE_STATUS]
        return (
            (_INT_STALL_NAK if words[self.STALL_NAK] else 0)
            | (_INT_SOF if self._has_frame else 0)
            | (_INT_SETUP if status & _SETUP_REC else 0)
            | (_INT_CONN if self._connection_changed else 0)
            | (_INT_RESET if status & _BUS_RESET else 0)
            | (_INT_SEQ if status & _DATA_SEQ_ERROR else 0)
            | (_INT_BUFF if words[self.BUFF_STATUS] else 0)
            | (_INT_COMPLETE if status & _TRANS_COMPLETE else 0)
        )

    def _control(self, _: int) -> None:
        """Something that says whether it is on the bus."""
        sie = self.words[self.SIE_CTRL]
        if self.words[self.MAIN_CTRL] & 2 or (sie & _HOST_BITS and sie & _PULLDOWN_EN):
            self.bus.unmodelled(self, self.MAIN_CTRL, self.words[self.MAIN_CTRL], "as a host")
        if self._is_pulled_up() and not self._has_clock:
            self.bus.unmodelled(
                self, self.SIE_CTRL, sie, f"with clk_usb at {float(self._clock.hz):g} Hz: no host hears that"
            )
        is_heard = self._is_pulled_up() and self._has_clock
        if is_heard and self._life is None:
            self._life = self._host.life(self)
            self._go_on()
        elif not is_heard and self._life is not None:
            self._life = None
            self.schedule(None)
            self._host.unplug()
            self._set_status(0, _CONNECTED)
            self._connection_changed = True
        self._tell()

    def _clock_changed(self) -> None:
        """Back, it is plugged in again; gone, the host will see, if no reset of the chip comes first."""
        self._has_clock = abs(self._clock.hz - _HZ) <= _HZ * _MOST_OFF
        if self._has_clock:
            self._control(0)

    def _is_pulled_up(self) -> bool:
        words = self.words
        is_on = words[self.MAIN_CTRL] & _CONTROLLER_EN and words[self.MUXING] & _TO_PHY
        return bool(is_on and words[self.SIE_CTRL] & _PULLUP_EN and self._has_vbus())

    def _has_vbus(self) -> bool:
        """The board has VBUS at the detection pin of no package: firmware overrides it (section 4.1.2.9)."""
        return self.words[self.PWR] & (_OVERRIDE_EN | _DETECT) == _OVERRIDE_EN | _DETECT

    def _status(self) -> int:
        status = self.words[self.SIE_STATUS] | (_VBUS_DETECTED if self._has_vbus() else 0)
        return status | (_LINE_STATE_J if self._life is not None else 0)

    def _clear_status(self, value: int) -> None:
        self.words[self.SIE_STATUS] &= ~(value & _CLEARED_BY_ONE)
        if value & _CONNECTED:
            self._connection_changed = False
        self._tell()

    def _clear_buffers(self, value: int) -> None:
        self.words[self.BUFF_STATUS] &= ~value
        self._tell()

    def _clear_stall_nak(self, value: int) -> None:
        self.words[self.STALL_NAK] &= ~value
        self._tell()

    def _read_frame(self) -> int:
        self._has_frame = False
        self._tell()
        return self.words[self.SOF_RD]

    def _set_status(self, on: int, off: int = 0) -> None:
        self.words[self.SIE_STATUS] = self.words[self.SIE_STATUS] & ~off | on

    def _tell(self) -> None:
        self.bus.changed(self)
        self._interrupts.tell()

    # -- time

    def at(self) -> None:
        """A transaction of the host's ends."""
        self._go_on()

    def _go_on(self) -> None:
        if not self._has_clock:
            self._control(0)
        if self._life is None:
            return
        wait = next(self._life, None)
        if wait is not None and self._life is not None:
            self.schedule_in(wait)

    # -- what the host sees

    @property
    def address(self) -> int:
        """That it answers to."""
        return self.words[self.ADDR_ENDP] & 0x7F

    def give_up(self, why: str) -> None:
        """The host wants no more of it."""
        self.bus.unmodelled(self, self.ADDR_ENDP, None, why)

    def show(self, data: bytes) -> None:
        """What came over its serial port."""
        self.bus.host.output(data, "USB")

    def connect(self) -> None:
        """The host has seen it."""
        self._set_status(_CONNECTED)
        self._connection_changed = True
        self._tell()

    def bus_reset(self) -> None:
        """The host resets the bus (USB 2.0, 7.1.7.5)."""
        self._set_status(_BUS_RESET)
        self._memory.choose_first_buffers()
        self._tell()

    def frame(self, number: int) -> None:
        """A frame begins."""
        self.words[self.SOF_RD] = number & 0x7FF
        self._has_frame = True
        self._tell()

    def setup(self, packet: bytes) -> None:
        """A SETUP packet, which is always taken (section 4.1.2.5.3)."""
        self._memory.set_setup(packet)
        self.words[self.EP_STALL_ARM] = 0
        self._set_status(_SETUP_REC)
        self._tell()

    def send(self, endpoint: int) -> Reply:
        """IN: what an endpoint sends, and the host acknowledges."""
        buffer = self._buffer(endpoint, is_in=True)
        if isinstance(buffer, Handshake):
            return Reply(buffer)
        data = buffer.sent()
        self._done(endpoint, buffer)
        self._set_status(_ACK_REC)
        self._tell()
        return Reply(Handshake.ACK, data, buffer.toggle)

    def receive(self, endpoint: int, data: bytes, toggle: int) -> Handshake:
        """OUT: data for an endpoint."""
        buffer = self._buffer(endpoint, is_in=False)
        if isinstance(buffer, Handshake):
            return buffer
        if buffer.toggle != toggle:  # it has had that before: acknowledged, and thrown away (USB 2.0, 8.6.3)
            self._set_status(_DATA_SEQ_ERROR)
            self._tell()
            return Handshake.ACK
        buffer.take(data)
        self._done(endpoint, buffer)
        self._tell()
        return Handshake.ACK

    def _buffer(self, endpoint: int, *, is_in: bool) -> Buffer | Handshake:
        """The buffer that an endpoint uses next; or why there is none."""
        if endpoint and not self._memory.is_enabled(endpoint, is_in):
            return Handshake.NONE
        bit = 1 << 2 * endpoint + (not is_in)
        is_armed = endpoint or self.words[self.EP_STALL_ARM] & (1 if is_in else 2)
        if self._memory.is_stalled(endpoint, is_in) and is_armed:
            if endpoint or self.words[self.SIE_CTRL] & _EP0_INT_STALL:
                self._note_stall_nak(endpoint, is_in, bit, 17)
            return Handshake.STALL
        buffer = self._memory.next_buffer(endpoint, is_in)
        if self.words[self.EP_ABORT] & bit or not buffer.is_available or buffer.is_full != is_in:
            if endpoint or self.words[self.SIE_CTRL] & _EP0_INT_NAK:
                self._note_stall_nak(endpoint, is_in, bit, 16)
            return Handshake.NAK
        return buffer

    def _note_stall_nak(self, endpoint: int, is_in: bool, bit: int, enable: int) -> None:
        if not endpoint or self._memory.control(endpoint, is_in) >> enable & 1:
            self.words[self.STALL_NAK] |= bit
            self._tell()

    def _done(self, endpoint: int, buffer: Buffer) -> None:
        """A buffer is done with: the firmware has it back."""
        if buffer.is_last:
            self._set_status(_TRANS_COMPLETE)
        tells = self._memory.tells_of(buffer) if endpoint else self.words[self.SIE_CTRL] & _EP0_INT_1BUF
        if tells:
            bit = 1 << 2 * endpoint + (not buffer.is_in)
            self.words[self.BUFF_STATUS] |= bit
            handled = self.words[self.SHOULD_HANDLE]
            self.words[self.SHOULD_HANDLE] = handled | bit if buffer.number else handled & ~bit
        self._memory.finish(buffer)
