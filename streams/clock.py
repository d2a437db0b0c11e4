"""The port to the engine's clock: the only time that the moving parts act by. Adapters: `infra.clock`."""

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Tells the time of the engine, and wakes those who wait for it to move."""

    def now(self) -> datetime:
        """Return the time: aware, UTC, whole milliseconds."""
        ...

    async def wait_until(self, due: datetime | None) -> None:
        """Return when the time has come or the clock was set, at times earlier. Without a time, only when it was set."""
        ...
