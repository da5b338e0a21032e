"""How flash waits, written a second time, from docs/profiles.md ("How flash waits"). It imports nothing of m0sim."""

from __future__ import annotations


class Oracle:
    """Lists of words, the newest last."""

    def __init__(self, waits: int, word_bytes: int, prefetch: str, lines: int, ways: int, holds: str) -> None:
        self.waits, self.word_bytes, self.prefetch, self.ways, self.holds = waits, word_bytes, prefetch, ways, holds
        self.sets: list[list[int]] = [[] for _ in range(lines // ways)]
        self.buffer: int | None = None
        self.prefetched: int | None = None

    def access(self, address: int, is_code: bool) -> int:
        """Cycles of waiting."""
        word = address // self.word_bytes
        return 0 if self._is_there(word, is_code) else self.waits

    def _is_there(self, word: int, is_code: bool) -> bool:
        if not is_code:
            return self.holds == "all" and self._look_up(word)
        held = [self.prefetched]
        if self.holds == "code":
            held.append(self.buffer)
        self.buffer = word
        self.prefetched = word + 1 if self.prefetch == "next" else None
        return word in held or self._look_up(word)

    def _look_up(self, word: int) -> bool:
        if not self.sets:
            return False
        kept = self.sets[word % len(self.sets)]
        found = word in kept
        if found:
            kept.remove(word)
        kept.append(word)
        del kept[: -self.ways]
        return found
