"""How tasks that go on for ever are ended, whatever their libraries do with a cancellation."""

import asyncio
from collections.abc import Iterable
from typing import Any, Final

AGAIN_SECONDS: Final = 0.1
"""Between two cancellations of the same task."""


async def end(tasks: "Iterable[asyncio.Task[Any]]") -> None:
    """Return when the tasks have ended; how they ended is nobody's concern any more.

    A cancellation may get lost: when a connection breaks in the same moment, asyncpg's pool raises another error in its place,
    and a loop that comes back after errors goes on. So it is asked for again.
    """
    pending = {task for task in tasks if not task.done()}
    while pending:
        for task in pending:
            task.cancel()
        done, pending = await asyncio.wait(pending, timeout=AGAIN_SECONDS)
        for task in done:
            if not task.cancelled():
                task.exception()  # seen, so that asyncio does not complain of it
