from decimal import Decimal
from typing import Any

import pytest

from domain import events as e
from eventstore.codec import EventCodec, UnknownEvent


def test_numbers_stay_exact() -> None:
    codec = EventCodec()
    event = e.VariablesSet(scope=1, variables={"x": Decimal("1.10"), "y": Decimal("1E-30"), "z": 3})
    back = codec.decode("variables-set", 1, codec.encode(event))

    assert back == event
    assert isinstance(back, e.VariablesSet)
    assert str(back.variables["x"]) == "1.10"


def test_an_unknown_type_stops_the_reader_with_a_sentence() -> None:
    with pytest.raises(UnknownEvent, match=r"expected one of the \d+ event types .* but found 'instance-dreamt'"):
        EventCodec().decode("instance-dreamt", 1, b"{}")


def test_a_version_from_the_future_stops_the_reader() -> None:
    with pytest.raises(UnknownEvent, match="expected version 1 to 1 of event type 'flow-taken', but found version 2"):
        EventCodec().decode("flow-taken", 2, b'{"type":"flow-taken","flow":"f","scope":1}')


def test_a_body_that_does_not_fit_stops_the_reader() -> None:
    with pytest.raises(UnknownEvent, match="does not fit"):
        EventCodec().decode("flow-taken", 1, b'{"type":"flow-taken"}')


def test_older_versions_are_raised_step_by_step() -> None:
    codec = EventCodec()

    @codec.upcast("flow-taken", since=1)
    def renamed(old: dict[str, Any]) -> dict[str, Any]:
        return {"type": old["type"], "flow": old["sequence"]}

    @codec.upcast("flow-taken", since=2)
    def scoped(old: dict[str, Any]) -> dict[str, Any]:
        return {**old, "scope": 7}

    assert [renamed, scoped]
    assert codec.version("flow-taken") == 3
    assert codec.decode("flow-taken", 1, b'{"type":"flow-taken","sequence":"f"}') == e.FlowTaken(flow="f", scope=7)
    assert codec.decode("flow-taken", 2, b'{"type":"flow-taken","flow":"f"}') == e.FlowTaken(flow="f", scope=7)


def test_an_upcast_out_of_order_is_refused() -> None:
    with pytest.raises(AssertionError, match="expected an upcast of 'flow-taken' since version 1, but it says 2"):
        EventCodec().upcast("flow-taken", since=2)
