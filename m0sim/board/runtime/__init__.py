"""What runs on the board: start-up, clocks, a measured call, and a printer. Built by `build.py`."""
