"""Reads that are never behind: a read waits until the tables hold what it must see, for a bounded time.

What it must see is what any process has acknowledged, and what the caller names in `?after=`. Knows no table.
"""

import asyncio
import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Final

from api.problems import invalid, too_late
from domain.keys import FIRST_PARTITION, partition_of

if TYPE_CHECKING:
    from api.engine import Projectors
    from api.operations import Call

READ_WAIT_SECONDS_MAX: Final = 10.0
"""How long a read is held; the tables are normally some milliseconds behind."""
POSITION: Final = re.compile(r"([0-9]{1,6})-([0-9]{1,18})")


class Acknowledged:
    """The last position of each partition that this process has told a caller of."""

    __slots__ = ("positions",)

    def __init__(self) -> None:
        self.positions: dict[int, int] = {}

    def note(self, partition: int, position: int) -> None:
        """Remember that a caller knows of this position."""
        if position > self.positions.get(partition, 0):
            self.positions[partition] = position


async def current(call: "Call", key: int | None = None) -> None:
    """Return when the tables are current enough for this read; `key`: it asks for one thing, of that key's partition.

    Raises `Problem`, 504, when that takes too long.
    """
    projectors = call.api.engine.projectors
    known = call.api.acknowledged.positions
    if key is None:
        wanted = dict(known)
        elsewhere = await projectors.told_elsewhere(None)
    else:
        partition = partition_of(key)
        wanted = {partition: known[partition]} if partition in known else {}
        elsewhere = await projectors.told_elsewhere(partition)
    for positions in (elsewhere, _asked_for(call)):
        for partition, position in positions.items():
            wanted[partition] = max(position, wanted.get(partition, 0))
    late = {partition: position for partition, position in wanted.items() if projectors.position(partition) < position}
    if late:
        await _reach(projectors, late)


async def _reach(projectors: "Projectors", wanted: Mapping[int, int]) -> None:
    try:
        async with asyncio.timeout(READ_WAIT_SECONDS_MAX):
            for partition, position in wanted.items():
                await projectors.reached(partition, position)
    except TimeoutError:
        behind = ", ".join(f"{partition}-{projectors.position(partition)}" for partition in wanted)
        places = ", ".join(f"{partition}-{position}" for partition, position in wanted.items())
        raise too_late(
            f"expected reads to get to position {places} within {READ_WAIT_SECONDS_MAX:g} s, but they are at {behind}"
        ) from None


def _asked_for(call: "Call") -> Mapping[int, int]:
    text = call.query("after")
    if text is None:
        return {}
    found: dict[int, int] = {}
    for part in text.split(","):
        match = POSITION.fullmatch(part.strip())
        if match is None or not FIRST_PARTITION <= int(match[1]) <= call.api.engine.partitions:
            raise invalid(
                "expected after to be positions as an answer's header Procession-Position has them,"
                f" <partition>-<position> with a partition from 1 to {call.api.engine.partitions}, separated by commas,"
                f" but found {part[:100]!r}"
            )
        found[int(match[1])] = max(int(match[2]), found.get(int(match[1]), 0))
    return found
