"""How answers find callers whose commands went through the Log: in memory within a process, else through its adapter.

A caller is named `<process>/<number>`; processes have names that no other process ever had.
"""

import asyncio
import itertools
from collections.abc import Sequence

from streams.work import Answered, Reply, Unavailable


class LocalReplies:
    """Callers of this process. On its own it serves an engine that is one process."""

    def __init__(self, process: str) -> None:
        self.process = process
        self._callers: dict[int, asyncio.Future[Reply]] = {}
        self._numbers = itertools.count(1)

    def expect(self) -> tuple[str, "asyncio.Future[Reply]"]:
        """Return a name for `reply_to`, and the answer to come."""
        number = next(self._numbers)
        future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
        self._callers[number] = future
        future.add_done_callback(lambda _: self._callers.pop(number, None))
        return f"{self.process}/{number}", future

    def may_have_missed(self) -> None:
        """Answers may be lost: whoever waits for one tries again now, not when the time is over."""
        for future in list(self._callers.values()):
            if not future.done():
                future.set_exception(Unavailable("the answer may be lost; whether the command acted is unknown"))

    def send(self, replies: Sequence[Answered]) -> None:
        """See `streams.processor.Replies`."""
        for work, reply in replies:
            process, _, caller = work.reply_to.rpartition("/")
            if process == self.process:
                self.deliver(int(caller), reply)

    def deliver(self, caller: int, reply: Reply) -> None:
        """Answer a caller of this process, if it still waits."""
        future = self._callers.get(caller)
        if future is not None and not future.done():
            future.set_result(reply)
