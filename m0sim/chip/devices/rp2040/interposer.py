"""What lies between the bus and blocks without aliases of their own: RP2040 datasheet, section 2.1.2."""

INTERPOSER_CYCLES = 2
"""More that a store through an alias takes there: it becomes a load and a store. I2C, UART, SPI and SSI have it."""
