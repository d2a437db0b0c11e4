from datetime import UTC, datetime

import pytest

from domain import events as e
from domain.keys import make_key
from domain.streams import instance_stream
from eventstore.codec import CODEC, event_type
from streams.decider import INDEX_MAX
from streams.recollection import NUMBERS_PASSED_OVER, Recollection
from streams.rows import EventRow
from streams.topic_restore import CannotRestore, check_whole
from streams.work import decode_result

NOW = datetime(2026, 1, 31, 8, 0, tzinfo=UTC)
ONE, TWO = make_key(1, 5), make_key(2, 9)


def recollect(partition: int, *events: tuple[str, str, e.Event]) -> Recollection:
    """Of two partitions, one with these events: cause, stream, fact."""
    found = Recollection(partition, 2)
    for position, (cause, stream, fact) in enumerate(events, 1):
        kind = event_type(fact)
        found.take(EventRow(position, stream, kind, CODEC.version(kind), NOW, cause, "", CODEC.encode(fact)))
    found.end()
    return found


def call(child: int) -> e.ChildCalled:
    return e.ChildCalled(element_key=ONE + 1, child_key=child, definition_key=1, root_key=ONE, parent_key=ONE)


def created(key: int) -> e.InstanceCreated:
    return e.InstanceCreated(key=key, definition_key=1, process_id="p", version=1, root_key=key)


def refused(code: str) -> e.CommandRejected:
    return e.CommandRejected(command="complete-job", code=code, reason="no", key=make_key(1, 1 << 30))


def test_reactions_that_left_no_event_are_asked_for_again() -> None:
    asking = recollect(1, ("a", instance_stream(ONE), call(TWO)), ("b", instance_stream(ONE), call(TWO + (1 << 14))))
    nobody, first = recollect(2), recollect(2, ("~1-1-0", instance_stream(TWO), created(TWO)))
    both = recollect(2, ("~1-1-0", instance_stream(TWO), created(TWO)), ("~1-2-0", instance_stream(TWO), created(TWO)))

    assert asking.row({1: {}, 2: nobody.marks}, 0).reactions_published == 0
    assert asking.row({1: {}, 2: first.marks}, 0).reactions_published == 0, "the position of the mark may have more"
    assert asking.row({1: {}, 2: both.marks}, 0).reactions_published == 2
    assert first.row({2: {}, 1: {}}, 0).marks == {1: (1, 0), 2: (1, INDEX_MAX)}


def test_reactions_of_the_own_partition_are_taken_up_where_they_left_off() -> None:
    child = make_key(1, 6)
    waiting = recollect(1, ("a", instance_stream(ONE), created(ONE)), ("b", instance_stream(ONE), call(child)))
    taken = recollect(1, ("b", instance_stream(ONE), call(child)), ("~1-1-0", instance_stream(child), created(child)))

    assert waiting.row({1: waiting.marks}, 0).marks == {1: (1, INDEX_MAX)}
    assert taken.row({1: taken.marks}, 0).marks == {1: (2, INDEX_MAX)}


def test_an_event_without_the_one_that_it_follows_from_shows_that_the_topic_is_not_whole() -> None:
    effect = recollect(2, ("~1-3-0", instance_stream(TWO), created(TWO)))

    with pytest.raises(CannotRestore, match=r"expected position 3 of partition 1, .* but the topic ends at 0"):
        check_whole({1: recollect(1), 2: effect})


def test_what_became_of_a_command_follows_from_its_events() -> None:
    stream = instance_stream(ONE)
    found = recollect(
        1,
        ("mine", stream, created(ONE)),
        ("mine", stream, e.ElementEntered(key=ONE + 1, element="start", scope=ONE)),
        ("mine", stream, refused("ALREADY_EXISTS")),
        ("~edge-1", stream, e.InstanceSuspended(key=ONE)),
        ("late", stream, refused("NOT_FOUND")),
        ("broken", stream, refused("PROCESSING_ERROR")),
        ("held", stream, e.InstanceQuarantined(key=ONE, incident_key=ONE + 2, reason="no")),
    )

    assert [(each.command_id, each.position) for each in found.outcomes] == [("mine", 2), ("mine", 3), ("late", 5)]
    answers = [decode_result(each.answer) for each in found.outcomes]
    assert isinstance(answers[0], dict)
    assert answers[0]["processInstanceKey"] == str(ONE)
    assert (answers[2].code, answers[2].reason) == ("NOT_FOUND", "no")  # type: ignore[union-attr]  # it is Rejected


def test_numbers_go_on_after_every_key_that_was_given() -> None:
    stream = instance_stream(ONE)
    taken = e.KeyBlockTaken(key=ONE, block=make_key(1, 8))
    found = recollect(1, ("a", stream, created(ONE)), ("a", stream, taken), ("b", stream, refused("NOT_FOUND")))

    assert found.row({1: {}}, 7).last_number == 8 + NUMBERS_PASSED_OVER
    assert found.row({1: {}}, 7).command_offset == 7
    assert found.blocks == {make_key(1, 8): ONE}
