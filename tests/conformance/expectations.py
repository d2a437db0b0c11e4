"""What a scenario says of the engine's state, read through the REST API and compared."""

import json
from collections import Counter
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from tests.conformance.world import Item, World


async def check(world: World, expected: Mapping[str, Any]) -> None:
    """Compare all that is expected at this point."""
    seen = await look(world)
    unknown = set(expected) - set(CHECKS) - set(ASKED) - {"trace_types"}
    assert not unknown, f"the runner does not know {unknown}"
    for name, value in expected.items():
        if name in CHECKS:
            CHECKS[name](seen, value)
        elif name in ASKED:
            await ASKED[name](world, seen, value)
        else:
            assert name == "trace_types", name


class Seen:
    """The state of the engine as the API shows it."""

    def __init__(self, world: World, **found: list[Item]) -> None:
        self.instances = found["instances"]
        self.elements = found["elements"]
        self.incidents = found["incidents"]
        self.jobs = found["jobs"]
        self.open_jobs = found["open_jobs"]
        self.variables = found["variables"]
        self.tasks = found["tasks"]
        self.key = world.instance
        self.completed = [item for item in self.elements if item["state"] == "COMPLETED"]

    @property
    def instance(self) -> Item:
        """The current instance."""
        return next(item for item in self.instances if item["processInstanceKey"] == self.key)

    def elements_in(self, state: str) -> set[str]:
        """Return the ids of the elements with an instance in this state."""
        return {item["elementId"] for item in self.elements if item["state"] == state}

    def count(self, state: str) -> Counter[str]:
        """Count element instances by element; of multi-instance activities the inner ones."""
        return Counter(
            item["elementId"]
            for item in self.elements
            if item["state"] == state and item["type"] != "MULTI_INSTANCE_BODY"
        )


async def look(world: World) -> Seen:
    """Read everything."""
    instance = world.instance or "0"
    return Seen(
        world,
        instances=await world.search("process-instances"),
        elements=await world.search("element-instances", [{"field": "endDate"}, {"field": "elementInstanceKey"}]),
        incidents=await world.search("incidents", state="ACTIVE"),
        jobs=await world.search("jobs"),
        open_jobs=await world.open_jobs(),
        variables=await world.search("variables", scopeKey=instance),
        tasks=await world.search("user-tasks", state="CREATED"),
    )


# --- of the whole state ---------------------------------------------------------------------------------------------------


def _completed(seen: Seen, expected: bool) -> None:
    state = seen.instance["state"]
    assert (state == "COMPLETED") == expected, f"the instance is {state}; active: {seen.elements_in('ACTIVE')}"


def _state(seen: Seen, expected: str) -> None:
    assert seen.instance["state"] == expected


def _passed_elements(seen: Seen, expected: list[str]) -> None:
    """Each completed after the one before it, or in the same step (the history does not order what one step completes)."""
    ends = [(item["elementId"], item["endDate"]) for item in seen.completed]
    at = ""
    remaining = Counter(expected)
    for element in expected:
        later = [end for name, end in ends if name == element and end >= at]
        assert later, f"{element} did not complete after those before it in {expected}; completed were {ends}"
        at = later[0]
    counted = Counter(name for name, _ in ends)
    short = {name: count for name, count in remaining.items() if counted[name] < count}
    assert not short, f"expected {remaining}, but completed were {counted}"


def _passed(seen: Seen, expected: list[str]) -> None:
    missing = set(expected) - seen.elements_in("COMPLETED")
    assert not missing, f"not completed: {missing}; completed were {seen.elements_in('COMPLETED')}"


def _not_passed(seen: Seen, expected: list[str]) -> None:
    found = set(expected) & seen.elements_in("COMPLETED")
    assert not found, f"completed, but should not have been: {found}"


def _terminated(seen: Seen, expected: list[str]) -> None:
    missing = set(expected) - seen.elements_in("TERMINATED")
    assert not missing, f"not terminated: {missing}; terminated were {seen.elements_in('TERMINATED')}"


def _active(seen: Seen, expected: list[str]) -> None:
    missing = set(expected) - seen.elements_in("ACTIVE")
    assert not missing, f"not active: {missing}; active are {seen.elements_in('ACTIVE')}"


def _completed_counts(seen: Seen, expected: Mapping[str, int]) -> None:
    found = seen.count("COMPLETED")
    assert {name: found[name] for name in expected} == expected


def _terminated_counts(seen: Seen, expected: Mapping[str, int]) -> None:
    found = seen.count("TERMINATED")
    assert {name: found[name] for name in expected} == expected


def _exactly_one_passed(seen: Seen, expected: list[str]) -> None:
    found = [element for element in expected if element in seen.elements_in("COMPLETED")]
    assert len(found) == 1, f"expected one of {expected} to be completed, but found {found}"


def _variables(seen: Seen, expected: Mapping[str, Any]) -> None:
    found = {item["name"]: json.loads(item["value"], parse_float=Decimal) for item in seen.variables}
    for name, value in expected.items():
        assert name in found, f"there is no variable {name}, only {found}"
        assert found[name] == value, f"{name} is {found[name]}"


def _absent_variables(seen: Seen, expected: list[str]) -> None:
    found = {item["name"] for item in seen.variables} & set(expected)
    assert not found, f"there are variables {found}"


def _incidents(seen: Seen, expected: list[Item]) -> None:
    found = [(item["elementId"], item["errorType"], item["errorMessage"]) for item in seen.incidents]
    assert len(found) == len(expected), f"open incidents: {found}"
    for one in expected:
        assert any(
            one["element"] == element and one.get("type", kind) == kind and one.get("message_contains", "") in message
            for element, kind, message in found
        ), f"expected {one}, but open incidents are {found}"


def _instances(seen: Seen, expected: Mapping[str, int]) -> None:
    found = Counter(item["processDefinitionId"] for item in seen.instances)
    assert {name: found[name] for name in expected} == expected


def _instances_completed(seen: Seen, expected: Mapping[str, int]) -> None:
    found = Counter(item["processDefinitionId"] for item in seen.instances if item["state"] == "COMPLETED")
    assert {name: found[name] for name in expected} == expected


def _all_instances_completed(seen: Seen, expected: bool) -> None:
    assert all(item["state"] == "COMPLETED" for item in seen.instances) == expected


def _user_tasks(seen: Seen, expected: list[Item]) -> None:
    for one in expected:
        tasks = [task for task in seen.tasks if task["elementId"] == one["element"]]
        assert tasks, f"there is no open user task {one['element']}"
        fields = {"assignee": "assignee", "candidate_groups": "candidateGroups", "candidate_users": "candidateUsers"}
        for name, field in fields.items():
            if name in one:
                assert tasks[0][field] == one[name]


def _job_trace(seen: Seen, expected: Any) -> None:
    found = Counter(job["type"] for job in seen.jobs if job["state"] == "COMPLETED")
    wanted = Counter(expected)
    assert {name: found[name] for name in wanted} == dict(wanted)


CHECKS: Mapping[str, Callable[[Seen, Any], None]] = {
    "completed": _completed,
    "state": _state,
    "passed_elements": _passed_elements,
    "passed": _passed,
    "not_passed": _not_passed,
    "terminated": _terminated,
    "active": _active,
    "completed_counts": _completed_counts,
    "terminated_counts": _terminated_counts,
    "exactly_one_passed": _exactly_one_passed,
    "variables": _variables,
    "absent_variables": _absent_variables,
    "incidents": _incidents,
    "instances": _instances,
    "instances_completed": _instances_completed,
    "all_instances_completed": _all_instances_completed,
    "user_tasks": _user_tasks,
    "job_trace": _job_trace,
}


# --- of what workers see --------------------------------------------------------------------------------------------------


async def _jobs(world: World, seen: Seen, expected: list[Item]) -> None:
    for one in expected:
        jobs = [job for job in seen.open_jobs if job["type"] == one["type"]]
        if "count" in one:
            assert len(jobs) == one["count"], f"{len(jobs)} open jobs of type {one['type']}"
        for name, field in (("retries", "retries"), ("headers", "customHeaders")):
            if name in one:
                assert all(job[field] == one[name] for job in jobs), jobs
        if {"variables", "each", "activatable"} & set(one):
            offered = await world.seen_by_workers(one["type"])
            _offered(one, offered)


def _offered(expected: Item, offered: list[Item]) -> None:
    if "activatable" in expected:
        wanted = expected["activatable"]
        assert (len(offered) == wanted) if type(wanted) is int else (bool(offered) == wanted)
    for job in offered if "variables" in expected else ():
        assert expected["variables"].items() <= job["variables"].items(), job["variables"]
    for each in expected.get("each", ()):
        wanted = each.get("variables", {})
        assert any(wanted.items() <= job["variables"].items() for job in offered), (wanted, offered)


async def _job_variables(world: World, seen: Seen, expected: Mapping[str, Item]) -> None:
    for job_type, wanted in expected.items():
        (job,) = await world.seen_by_workers(job_type)
        assert wanted.items() <= job["variables"].items(), job["variables"]


async def _job_variables_exact(world: World, seen: Seen, expected: Mapping[str, Item]) -> None:
    for job_type, wanted in expected.items():
        (job,) = await world.seen_by_workers(job_type)
        assert wanted == job["variables"]


ASKED: Mapping[str, Callable[[World, Seen, Any], Any]] = {
    "jobs": _jobs,
    "job_variables": _job_variables,
    "job_variables_exact": _job_variables_exact,
}
