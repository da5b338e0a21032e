"""From arrays to a `Cost`: pure functions of what the core counted, the image and the device.

`counts` is what they are given. Nothing here knows the emulator, and nothing changes what it is given.
"""
