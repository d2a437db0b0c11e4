"""When a process is told to stop."""

import asyncio
import contextlib
import signal
from collections.abc import Generator


@contextlib.contextmanager
def told_to_stop() -> Generator[asyncio.Event, None, None]:
    """Give the event that is set by SIGTERM or SIGINT. A second one is as harmless as the first: stopping is bounded."""
    told = asyncio.Event()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, told.set)
    try:
        yield told
    finally:
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.remove_signal_handler(number)
