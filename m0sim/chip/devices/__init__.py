"""Peripherals of microcontrollers: a bus, and blocks of registers on it, one file a block.

They are served by a host (`host.Host`): the machine that runs the code. Nothing here knows an emulator.
"""
