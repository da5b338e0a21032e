"""A plugin of pytest, for runs with libasan: it refuses libraries that are loaded as capstone loads its own."""

import os

if hasattr(os, "RTLD_DEEPBIND"):
    os.RTLD_DEEPBIND = 0
