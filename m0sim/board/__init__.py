"""Calls that measure themselves on a real board: the image that does, and the log that comes back."""
