"""What keeps PRIOT's accuracy steady: the exploration behind docs/study/stability.md, as `python -m` this package."""
