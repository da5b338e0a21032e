"""Peripherals of TI's MSPM0G3507 and MSPM0C1104."""
