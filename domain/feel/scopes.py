"""Where names are looked up: a dict that asks the one around it."""

from collections.abc import Mapping
from typing import Any


class Scope(dict[str, Any]):
    """Names bound inside an expression; what it lacks, the outer mapping has."""

    __slots__ = ("outer",)

    def __init__(self, outer: Mapping[str, Any]) -> None:
        self.outer = outer

    def __missing__(self, name: str) -> Any:
        return self.outer[name]


INPUT = "?"
"""The name under which a unary test finds its input. No variable can have it."""
