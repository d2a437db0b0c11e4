"""How events and states become bytes and come back, for ever: schema versions, upcasting, exact decimals.

It knows no table and no topic. An event that it cannot read stops the reader; nothing is skipped.
"""

from collections.abc import Callable
from decimal import Decimal
from typing import Any, TypeVar, get_args

import msgspec

from domain.events import AnyEvent, Event

Upcast = Callable[[dict[str, Any]], dict[str, Any]]
"""Turns the body of one schema version into that of the next."""

_U = TypeVar("_U", bound=Upcast)
_S = TypeVar("_S")


class UnknownEvent(Exception):  # noqa: N818 - it names what was found
    """An event type or version that this program does not know: the partition must stop here."""


def event_type(event: Event) -> str:
    """Return the type of an event as it stands on every wire."""
    tag = event.__struct_config__.tag
    assert isinstance(tag, str), f"{type(event).__name__} has no tag"
    return tag


class EventCodec:
    """Encodes and decodes events. Its register of upcasts says which schema version each type is at."""

    def __init__(self) -> None:
        self._known = {str(member.__struct_config__.tag): member for member in get_args(AnyEvent)}
        self._upcasts: dict[tuple[str, int], Upcast] = {}
        self._versions: dict[str, int] = {}
        self._encoder = msgspec.json.Encoder(decimal_format="number")
        self._decoder = msgspec.json.Decoder(AnyEvent, float_hook=Decimal)
        self._plain = msgspec.json.Decoder(dict[str, Any], float_hook=Decimal)

    def upcast(self, event_type: str, *, since: int) -> Callable[[_U], _U]:
        """Register a function that turns version `since` of the type into version `since` + 1, the current one."""
        assert since == self.version(event_type), (
            f"expected an upcast of {event_type!r} since version {self.version(event_type)}, but it says {since}"
        )

        def register(function: _U) -> _U:
            self._upcasts[event_type, since] = function
            self._versions[event_type] = since + 1
            return function

        return register

    def version(self, event_type: str) -> int:
        """Return the schema version in which events of the type are written, from 1."""
        return self._versions.get(event_type, 1)

    def encode(self, event: Event) -> bytes:
        """Return the body of an event, JSON with its type in it. Raise what msgspec raises for values JSON has not."""
        return self._encoder.encode(event)

    def decode(self, event_type: str, schema: int, body: bytes) -> AnyEvent:
        """Return the event. Raise `UnknownEvent` if its type or version is not known, or its body does not fit."""
        if event_type not in self._known:
            raise UnknownEvent(
                f"expected one of the {len(self._known)} event types that this version knows, but found "
                f"{event_type!r}: it was written by a newer version of the engine"
            )
        version = self.version(event_type)
        if not 1 <= schema <= version:
            raise UnknownEvent(
                f"expected version 1 to {version} of event type {event_type!r}, but found version {schema}: it was "
                "written by a newer version of the engine"
            )
        try:
            if schema == version:
                current: AnyEvent = self._decoder.decode(body)
                return current
            return self._raise_version(event_type, schema, version, body)
        except msgspec.MsgspecError as error:
            raise UnknownEvent(
                f"expected a body of event type {event_type!r} version {schema}, but it does not fit: {error}"
            ) from error

    def _raise_version(self, event_type: str, schema: int, version: int, body: bytes) -> AnyEvent:
        old = self._plain.decode(body)
        for since in range(schema, version):
            old = self._upcasts[event_type, since](old)
        raised: AnyEvent = msgspec.convert(old, AnyEvent, builtin_types=(Decimal,))
        return raised


CODEC = EventCodec()
"""The codec of everything stored. Its upcasts are registered below, in the open; additions only."""

upcast = CODEC.upcast
"""Decorator for upcasts, see `EventCodec.upcast`."""


_json = msgspec.json.Encoder(decimal_format="number")
_decoders: dict[type[Any], msgspec.json.Decoder[Any]] = {}


def encode_state(state: msgspec.Struct) -> bytes:
    """Return a state, or anything else made of structs and JSON values, as JSON with exact numbers."""
    return _json.encode(state)


def decode_state(body: bytes, kind: type[_S]) -> _S:
    """Return the state of type `kind` that `encode_state` wrote. Raise `msgspec.MsgspecError` if it does not fit."""
    decoder = _decoders.get(kind)
    if decoder is None:
        decoder = _decoders[kind] = msgspec.json.Decoder(kind, float_hook=Decimal)
    state: _S = decoder.decode(body)
    return state
