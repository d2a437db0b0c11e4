"""The way to owners in other processes: straight through a link where there is one, and through the command log else."""

from collections.abc import Callable
from typing import Final

from domain.commands import AnyCommand
from domain.results import Rejected
from streams.links import Links
from streams.log import CommandRecord, Log, TooLarge
from streams.replies import LocalReplies
from streams.work import Overloaded, Reply, Unavailable

WAITING_MAX: Final = 10_000
"""Commands of this process that wait for owners elsewhere; past it callers are turned away."""
LAG_MAX: Final = 10_000
"""Records that wait in the topic of a partition; past it callers whose command would wait behind them are turned away."""


class Elsewhere:
    """One per process."""

    def __init__(
        self,
        log_of_commands: Log,
        replies: LocalReplies,
        links: Links | None = None,
        lag: Callable[[int], int] = lambda _: 0,
    ) -> None:
        self._log = log_of_commands
        self._replies = replies
        self._links = links
        self._lag = lag
        self._waiting = 0

    async def submit(self, partition: int, command: AnyCommand) -> Reply:
        """Return once the command's events are committed. Raise `Overloaded` if it was not taken, `Unavailable` if that is unknown."""
        if self._waiting >= WAITING_MAX:
            raise Overloaded(f"expected at most {WAITING_MAX} commands waiting for other processes")
        self._waiting += 1
        try:
            if self._links is not None and (reply := await self._links.submit(partition, command)) is not None:
                return reply
            return await self._through_log(partition, command)
        except TooLarge as error:
            return Reply(partition, 0, Rejected("INVALID_ARGUMENT", str(error)))
        finally:
            self._waiting -= 1

    async def _through_log(self, partition: int, command: AnyCommand) -> Reply:
        if (lag := self._lag(partition)) > LAG_MAX:
            raise Overloaded(
                f"expected at most {LAG_MAX} commands waiting for partition {partition}, but there are {lag}"
            )
        reply_to, answer = self._replies.expect()
        try:
            try:
                await self._log.publish([CommandRecord(partition, command, reply_to)])
            except TooLarge:
                raise
            except Exception as error:
                raise Unavailable(
                    "the command log takes no commands just now; whether it took this one is unknown"
                ) from error
            return await answer
        finally:
            answer.cancel()
