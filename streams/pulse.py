"""Does this process run, or did it stand still: stopped, suspended, or kept busy by one call? Then the world went on without it."""

import asyncio
import time
from typing import Final

BEAT_SECONDS: Final = 0.1
STANDSTILL_SECONDS: Final = 0.5
"""Shorter than any session, so that nobody has taken anything from us unnoticed."""


class Pulse:
    """One per process. Whoever looks, and `run`, are signs of life; a long time without any is a standstill."""

    def __init__(self) -> None:
        self._last = time.monotonic()
        self._standstills = 0

    async def run(self) -> None:
        """Beat until cancelled."""
        while True:
            self.look()
            await asyncio.sleep(BEAT_SECONDS)

    def look(self) -> int:
        """Return how often the process has stood still so far, this very moment included."""
        now = time.monotonic()
        if now - self._last > STANDSTILL_SECONDS:
            self._standstills += 1
        self._last = now
        return self._standstills
