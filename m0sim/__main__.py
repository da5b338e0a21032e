"""Start of the command line, also ``python -m m0sim``. Small, so that Ctrl-C is quiet from the first moment."""

from __future__ import annotations

import sys


def main() -> None:
    """Import the command line and run it."""
    try:
        from m0sim.cli import main as run
    except KeyboardInterrupt:
        sys.stderr.write("m0sim: interrupted\n")
        sys.exit(1)
    run()


if __name__ == "__main__":
    main()
