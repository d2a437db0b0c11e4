"""What all events share: frozen structs whose tag is the event type on every wire."""

from typing import Any, TypeAlias

import msgspec

Json: TypeAlias = Any
"""A JSON value: None, bool, int, Decimal (never float), str, list or dict with text keys."""

Variables: TypeAlias = dict[str, Any]
"""Variable names and their JSON values."""


class Event(msgspec.Struct, frozen=True, omit_defaults=True, tag_field="type"):
    """Base of all events. The tag, in kebab case, is the event type on every wire."""


class CommandRejected(Event, frozen=True, tag="command-rejected"):
    """Somebody wanted something and was refused."""

    command: str
    code: str
    """NOT_FOUND, INVALID_STATE, INVALID_ARGUMENT, ALREADY_EXISTS or PROCESSING_ERROR."""
    reason: str
    key: int | None = None
    """What the command addressed, if it named a key."""
