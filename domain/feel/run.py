"""One evaluation: what it reads, what it may cost, and what it reports. It never knows the expression."""

from collections.abc import Mapping
from datetime import datetime
from hashlib import sha256
from typing import Any

import msgspec

from domain.feel.errors import LimitExceeded
from domain.feel.limits import STEPS_MAX, STRING_BLOCK_SIZE, STRING_LENGTH_MAX


class Moment(msgspec.Struct, frozen=True):
    """What an evaluation takes from the world: the time, and chance as a number for `uuid()` and `random number()`."""

    now: datetime
    chance: int = 0


class Warning(msgspec.Struct, frozen=True):  # noqa: A001  # Camunda's word for it
    """Why something became null."""

    type: str
    message: str


WARNINGS_MAX = 100
"""Warnings that are kept of one evaluation."""


class Run(msgspec.Struct):
    """The state of one evaluation. `warnings` is None where nobody will read them."""

    variables: Mapping[str, Any]
    at: Moment
    warnings: list[Warning] | None = None
    steps: int = 0
    depth: int = 0
    drawn: int = 0

    def warn(self, kind: str, message: str) -> None:
        if self.warnings is not None and len(self.warnings) < WARNINGS_MAX:
            self.warnings.append(Warning(kind, message))

    def spend(self, steps: int) -> None:
        """Pay for iterations or items."""
        self.steps += steps
        if self.steps > STEPS_MAX:
            raise LimitExceeded(f"the evaluation took more than {STEPS_MAX} steps")

    def made(self, text: str) -> str:
        """Pay for a string that was made."""
        if len(text) > STRING_BLOCK_SIZE:
            if len(text) > STRING_LENGTH_MAX:
                raise LimitExceeded(f"a string became longer than {STRING_LENGTH_MAX} characters")
            self.spend(len(text) // STRING_BLOCK_SIZE)
        return text

    def draw(self) -> int:
        """Return 128 bits of chance, others each time; the same run draws the same."""
        self.drawn += 1
        seed = f"{self.at.chance}|{self.at.now.isoformat()}|{self.drawn}"
        return int.from_bytes(sha256(seed.encode()).digest()[:16])
