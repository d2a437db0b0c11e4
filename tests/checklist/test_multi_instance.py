"""Multi-instance activities (ZC-116 to ZC-141)."""

from typing import Any

import pytest

from domain import commands as c
from domain import events as e
from tests.checklist.telling import (
    all_of,
    deployed,
    entered,
    first,
    last,
    place,
    raised,
    resolve,
    seen_at,
    set_variables,
)
from tests.support.amend import Model
from tests.support.given import Run, given

GATHER = {"inputElement": "item", "outputCollection": "results", "outputElement": "=result"}


def _pack(condition: str = "", items: str = "=items", *, sequential: bool = False, **more: str) -> Model:
    return Model("o start -> pack -> after -> O end").each(
        "pack", items, condition=condition, sequential=sequential, loop=more or GATHER
    )


def test_a_body_holds_one_inner_instance_per_item_and_alone_takes_the_flow() -> None:
    """ZC-116."""
    run = deployed(_pack()).create(items=[1, 2])

    run.active("pack", "pack", "pack").complete("pack").complete("pack").active("after")
    assert sum(fact.flow.startswith("pack-after") for fact in all_of(run, e.FlowTaken)) == 1


def test_inner_instances_begin_at_once_or_one_after_the_other() -> None:
    """ZC-117."""
    assert len(deployed(_pack()).create(items=[1, 2, 3]).instance.jobs) == 3
    run = deployed(_pack(sequential=True)).create(items=[1, 2, 3])
    for number in (1, 2, 3):
        assert [seen_at(run, "pack", 1)["item"], len(run.instance.jobs)] == [number, 1]
        run.complete("pack")
    run.active("after")


@pytest.mark.parametrize("sequential", [True, False])
def test_an_empty_collection_is_done_at_once_with_an_empty_result(sequential: bool) -> None:
    """ZC-118."""
    run = deployed(_pack(sequential=sequential)).create(items=[]).active("after")

    assert run.variables() == {"items": [], "results": []}


def test_item_and_counter_are_local_and_the_counter_starts_at_1() -> None:
    """ZC-119, ZC-122."""
    run = deployed(_pack()).create(items=["a", "b"])

    assert [(seen_at(run, "pack", each)["item"], seen_at(run, "pack", each)["loopCounter"]) for each in (1, 2)] == [
        ("a", 1),
        ("b", 2),
    ]
    run.complete("pack", item="x").complete("pack").active("after")
    assert set(run.variables()) == {"items", "results"}


def test_without_an_input_element_there_is_no_such_variable() -> None:
    """ZC-120."""
    run = deployed(Model("o start -> pack -> O end").each("pack")).create(items=["a"])

    assert seen_at(run, "pack", 1) == {"items": ["a"], "loopCounter": 1}


def test_the_collection_may_be_any_expression() -> None:
    """ZC-121."""
    run = deployed(_pack(items="=order.lines[amount > 1]")).create(order={"lines": [{"amount": 1}, {"amount": 2}]})

    assert seen_at(run, "pack", 1)["item"] == {"amount": 2}
    assert len(run.instance.jobs) == 1


def test_results_stand_where_their_items_stand_and_stay_with_the_body_until_it_is_complete() -> None:
    """ZC-123, ZC-124."""
    run = deployed(_pack()).create(items=["a", "b", "c"])
    assert place(run, "pack").variables == {"results": [None, None, None]}

    run.when(c.CompleteJob, key=max(run.instance.jobs), variables={"result": 3})
    assert place(run, "pack").variables == {"results": [None, None, 3]}
    assert set(run.variables()) == {"items"}
    run.complete("pack", result=1).complete("pack").active("after")
    assert run.variables()["results"] == [1, None, 3]


def test_a_variable_that_is_the_output_element_begins_as_null_in_each_inner_instance() -> None:
    """ZC-125."""
    run = deployed(_pack()).create(items=[1], result="of the process")
    assert place(run, "pack", 1).variables == {"item": 1, "loopCounter": 1, "result": None}

    run.complete("pack", result=5).active("after")
    assert run.variables()["result"] == "of the process"


@pytest.mark.parametrize(("name", "expected"), [("item", [7, 8]), ("loopCounter", [1, 2])])
def test_the_input_element_or_the_counter_as_output_element_keeps_its_value(name: str, expected: list[int]) -> None:
    """ZC-125."""
    process = _pack(inputElement="item", outputCollection="results", outputElement=f"={name}")
    run = deployed(process).create(items=[7, 8]).complete("pack").complete("pack").active("after")

    assert run.variables()["results"] == expected


def test_the_output_element_may_be_an_expression_over_local_variables() -> None:
    """ZC-126."""
    process = _pack(inputElement="item", outputCollection="results", outputElement="={n: item + loopCounter}")
    run = deployed(process).create(items=[10, 20]).complete("pack").complete("pack")

    assert run.variables()["results"] == [{"n": 11}, {"n": 22}]


def test_mappings_are_of_each_inner_instance_and_targets_go_to_the_scope_around_the_body() -> None:
    """ZC-127."""
    process = _pack().map("pack", {"twice": "=item * 2"}, {"result": "=twice + 1", "seen": "=item"})
    run = deployed(process).create(items=[1, 2])
    assert [seen_at(run, "pack", each)["twice"] for each in (1, 2)] == [2, 4]

    run.complete("pack").complete("pack").active("after")
    assert run.variables()["seen"] == 2


def test_a_true_completion_condition_ends_the_rest() -> None:
    """ZC-128, ZC-130."""
    run = deployed(_pack("= result = 2")).create(items=[1, 2, 3])

    run.complete("pack", result=1).active("pack", "pack", "pack")
    run.complete("pack", result=2).then("job-canceled", "element-terminated pack", "element-completed pack")
    run.active("after")
    assert run.variables()["results"] == [1, 2, None]


def test_a_true_completion_condition_ends_a_sequence() -> None:
    """ZC-128."""
    run = (
        deployed(_pack("= loopCounter = 2", sequential=True)).create(items=[1, 2, 3]).complete("pack").complete("pack")
    )

    run.active("after")
    assert entered(run, "pack") == 3


@pytest.mark.parametrize(
    "condition",
    [
        "numberOfCompletedInstances = 2",
        "numberOfActiveInstances = 1",
        "numberOfInstances - numberOfTerminatedInstances = 3",
    ],
)
def test_the_completion_condition_can_count(condition: str) -> None:
    """ZC-129."""
    run = deployed(_pack(f"= {condition}")).create(items=[1, 2, 3])
    if "Terminated" in condition:
        run.complete("pack").active("after")
        return

    run.complete("pack").active("pack", "pack", "pack").complete("pack").active("after")


def test_cancelling_ends_all_inner_instances_and_their_jobs() -> None:
    """ZC-131."""
    run = deployed(_pack()).create(items=[1, 2])

    run.when(c.CancelInstance, key=run.instance.key)
    run.then(
        "job-canceled", "element-terminated pack", "job-canceled", "element-terminated pack", "element-terminated pack"
    )


def test_boundary_events_are_of_the_body() -> None:
    """ZC-132."""
    shape = "o start -> pack -> O end; at pack {} message m stop -> after -> O e2"
    run = deployed(Model(shape.format("")).each("pack")).create(items=[1, 2], key="k")
    assert len(run.instance.messages) == 1
    run.publish("stop", "k").then("job-canceled", "job-canceled", "element-entered m").active("after")

    run = deployed(Model(shape.format("~")).each("pack")).create(items=[1, 2], key="k")
    run.publish("stop", "k").publish("stop", "k").active("pack", "pack", "pack", "after", "after")


def _sub_each() -> Model:
    process = Model("o start -> sub s { o i -> message m go -> work -> O j } -> after -> O end")
    process.handler("on timer hs =wait -> hold -> O he", inside="s")
    return process.each("s", loop={"inputElement": "item"}).map("s", {"key": "=item.key", "wait": "=item.wait"})


def test_each_inner_sub_process_has_waits_and_event_sub_processes_of_its_own() -> None:
    """ZC-133."""
    items = [{"key": "k1", "wait": "PT1H"}, {"key": "k2", "wait": "PT2H"}]
    run = deployed(_sub_each()).create(items=items).active("s", "s", "s", "m", "m")

    run.publish("go", "k2").active("s", "s", "s", "m", "work")
    run.advance(3600).active("s", "s", "s", "handler", "hold", "work")
    run.complete("hold").active("s", "s", "work")
    run.complete("work").active("after")


def test_one_child_is_called_per_item_and_gives_its_result() -> None:
    """ZC-134."""
    process = Model("o start -> call c q -> after -> O end").each("c", loop=GATHER)
    run = deployed(process, Model("o cs -> script t result = item * 10 -> O ce", "q")).create(items=[1, 2, 3])

    assert len(list(run.world.instances())) == 4
    assert first(run).root.variables == {"items": [1, 2, 3], "results": [10, 20, 30]}


def test_one_message_is_subscribed_to_per_item() -> None:
    """ZC-135."""
    process = Model("o start -> receive r paid -> after -> O end").each("r", loop={"inputElement": "key"})
    run = deployed(process).create(items=["a", "b", "c"])
    assert [wait.correlation_key for wait in run.instance.messages.values()] == ["a", "b", "c"]

    run.publish("paid", "b").active("r", "r", "r")
    run.when(c.CancelInstance, key=run.instance.key).then("message-unsubscribed", "message-unsubscribed")


@pytest.mark.parametrize("variables", [{}, {"items": "text"}, {"items": {"a": 1}}])
def test_a_collection_that_is_missing_or_no_array_is_an_incident_of_the_body(variables: dict[str, Any]) -> None:
    """ZC-136."""
    run = deployed(_pack()).create("p", **variables)

    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    assert place(run, "pack").index == 0
    set_variables(run, items=[1])
    resolve(run).active("pack", "pack")


def test_a_failing_output_element_is_an_incident_of_the_inner_instance_other_results_stay() -> None:
    """ZC-137."""
    process = _pack(inputElement="item", outputCollection="results", outputElement="=assert(x, x != null)")
    run = deployed(process).create(items=[1, 2], x=5).complete("pack")
    set_variables(run, x=None)
    run.complete("pack")

    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    assert place(run, "pack", 1).index == 2
    set_variables(run, x=6)
    resolve(run).active("after")
    assert run.variables()["results"] == [5, 6]


def test_a_completion_condition_without_a_boolean_is_an_incident() -> None:
    """ZC-138."""
    run = deployed(_pack("= enough")).create(items=[1, 2], enough="no").complete("pack", result=1)

    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    set_variables(run, enough=True)
    resolve(run).active("after")
    assert run.variables()["results"] == [1, None]


@pytest.mark.parametrize("wrong", ["text", [None], None])
def test_an_output_collection_of_another_kind_or_size_is_an_incident(wrong: Any) -> None:
    """ZC-139."""
    run = deployed(_pack()).create(items=[1, 2])
    set_variables(run, "pack", local=True, results=wrong)

    run.when(c.CompleteJob, key=max(run.instance.jobs), variables={"result": 2})
    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    set_variables(run, "pack", local=True, results=[None, None])
    resolve(run).complete("pack", result=1).active("after")
    assert run.variables()["results"] == [1, 2]


def test_loop_variables_stay_after_an_incident_at_the_beginning() -> None:
    """ZC-140."""
    run = deployed(_pack().map("pack", {"x": "=assert(y, y != null)"})).create(items=["a", "b"])
    assert raised(run) == [("pack", "IO_MAPPING_ERROR")] * 2

    set_variables(run, y=1)
    resolve(resolve(run))
    assert [(seen_at(run, "pack", each)["item"], seen_at(run, "pack", each)["loopCounter"]) for each in (1, 2)] == [
        ("a", 1),
        ("b", 2),
    ]


def test_a_collection_that_shrinks_during_a_sequence_is_an_incident() -> None:
    """ZC-141."""
    run = deployed(_pack(sequential=True)).create(items=[1, 2]).complete("pack", items=[1])

    assert raised(run) == [("pack", "EXTRACT_VALUE_ERROR")]
    set_variables(run, items=[1, 5])
    resolve(run)
    assert seen_at(run, "pack", 1)["item"] == 5


def test_the_last_result_is_not_lost_when_inner_instances_end_at_once() -> None:
    """ZC-116, ZC-123: also when none of them waits."""
    process = Model("o start -> script s result = item + 1 -> after -> O end").each("s", loop=GATHER)

    assert deployed(process).create(items=[1, 2]).active("after").variables()["results"] == [2, 3]


def test_an_inner_instance_is_told_from_its_body_by_its_place() -> None:
    """ZC-116."""
    run: Run = given("o start -> each items pack -> O end").create(items=[1])

    assert [last(run, e.ElementEntered).loop, place(run, "pack").index] == [1, 0]
