"""Function calls on Unicorn: one chip in the emulator, and runs on it until the call returns or goes wrong.

All that touches Unicorn is here, but for `output`, which listens to the program's `_write`. `run` is the way in.
"""
