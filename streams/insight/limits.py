"""The rules of service levels: how long a process or an element may take. Read from JSON; it knows no file."""

from collections.abc import Iterable
from datetime import timedelta
from typing import Final

import isodate
import msgspec

from streams.insight.windows import Key

RULES_MAX: Final = 1_000


class BadLimits(Exception):  # noqa: N818 - it names what they are
    """Something that is no list of rules; the sentence says which rule and why."""


class Rule(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Instances of the process, or of one of its elements, take no longer than `limit`, an ISO 8601 duration."""

    process: str
    limit: str
    element: str | None = None


class Limits:
    """Rules by what they are about. One rule holds for every version of a process."""

    def __init__(self, rules: Iterable[Rule] = ()) -> None:
        self._limits: dict[tuple[str, str], int] = {}
        for rule in rules:
            about = (rule.process, rule.element or "")
            name = f"process {rule.process!r}" + (f", element {rule.element!r}" if rule.element else "")
            if about in self._limits:
                raise BadLimits(f"expected one limit for {name}, but found two")
            self._limits[about] = _milliseconds(name, rule.limit)

    @classmethod
    def read(cls, text: bytes) -> "Limits":
        """Return the rules in a JSON text. Raise `BadLimits`."""
        try:
            rules = msgspec.json.decode(text, type=list[Rule])
        except (msgspec.MsgspecError, UnicodeDecodeError) as error:
            raise BadLimits(
                'expected a list as [{"process": "order", "element": "ship", "limit": "PT1H"}], element left out for the '
                f"whole process, but: {error}"
            ) from error
        if len(rules) > RULES_MAX:
            raise BadLimits(f"expected at most {RULES_MAX} rules, but found {len(rules)}")
        return cls(rules)

    def of(self, key: Key) -> int | None:
        """Return the limit in milliseconds."""
        return self._limits.get((key.process, key.element))


def _milliseconds(name: str, text: str) -> int:
    try:
        duration = isodate.parse_duration(text)
    except (isodate.ISO8601Error, OverflowError, ValueError) as error:
        raise BadLimits(f"expected the limit of {name} as an ISO 8601 duration, as PT1H, but found {text!r}") from error
    if not isinstance(duration, timedelta):
        raise BadLimits(
            f"expected the limit of {name} in days, hours, minutes and seconds, but {text!r} depends on the calendar"
        )
    if duration <= timedelta():
        raise BadLimits(f"expected the limit of {name} to be longer than nothing, but found {text!r}")
    return duration // timedelta(milliseconds=1)
