"""Replay equals live, whatever the process and whatever happens to it: random processes, random steps, several instances."""

import os
from datetime import timedelta
from random import Random

import pytest

from domain import commands as c
from domain.results import Rejected
from tests.simulation.processes import random_processes
from tests.support.world import World

PROCESSES = int(os.environ.get("PROCESSION_SIMULATIONS", "5000"))
SHARES = 10
STEPS_MAX = 30


@pytest.mark.parametrize("share", range(SHARES))
def test_replay_equals_live_after_every_step(share: int) -> None:
    for seed in range(share, PROCESSES, SHARES):
        try:
            simulate(seed)
        except Exception as error:
            error.add_note(f"seed {seed}: simulate({seed}) shows it again")
            raise


def simulate(seed: int) -> World:
    """Run one random world to a random point; check it after every step."""
    random = Random(seed)
    world = World(partitions=random.choice([1, 3]))
    answer = world.deploy(*(xml for _, xml in random_processes(random)))
    assert not isinstance(answer, Rejected), answer.reason
    for step in range(random.randint(1, STEPS_MAX)):
        if step == 0 or random.random() < 0.1:
            variables = {"key": f"k{step}", "items": list(range(random.randint(0, 4))), "n": random.randint(0, 3)}
            world.submit(c.CreateInstance, process_id="main", variables=variables)
        else:
            act(world, random)
        world.check()
    world.check_snapshots()
    return world


def act(world: World, random: Random) -> None:
    """Do one random thing that somebody might do."""
    instances = [instance for instance in world.instances() if instance.running]
    if not instances:
        return
    instance = random.choice(instances)
    kind = random.choices(
        ["work", "fail", "error", "message", "signal", "time", "variables", "resolve", "suspend", "cancel"],
        [30, 5, 6, 8, 6, 6, 3, 8, 3, 1],
    )[0]
    jobs, tasks = sorted(instance.jobs), sorted(instance.user_tasks)
    match kind:
        case "work" if jobs or tasks:
            work = random.choice(jobs + tasks)
            command = c.CompleteJob if work in instance.jobs else c.CompleteUserTask
            world.submit(command, key=work, variables=random.choice([{}, {"n": random.randint(0, 5)}]))
        case "fail" if jobs:
            world.submit(c.FailJob, key=random.choice(jobs), retries=random.choice([0, 1]), variables={"why": "x"})
        case "error" if jobs:
            world.submit(c.ThrowJobError, key=random.choice(jobs), code=random.choice(codes(world)))
        case "message":
            names = [wait.name for wait in instance.messages.values()] or ["none"]
            keys = [wait.correlation_key for wait in instance.messages.values()] or ["none"]
            live = random.choice([0, 5_000])
            world.submit(
                c.PublishMessage, name=random.choice(names), correlation_key=random.choice(keys), time_to_live=live,
                variables={"m": 1},
            )  # fmt: skip
        case "signal":
            names = [wait.name for wait in instance.signals.values()] or ["none"]
            world.submit(c.BroadcastSignal, name=random.choice(names), variables={"s": 1})
        case "time":
            world.advance(timedelta(seconds=random.choice([1, 5, 20])))
        case "variables":
            key = random.choice(sorted(instance.elements))
            world.submit(c.SetVariables, key=key, variables={"n": random.randint(0, 9)}, local=random.random() < 0.5)
        case "resolve" if instance.incidents:
            incident = random.choice(sorted(instance.incidents))
            job = instance.incidents[incident].job_key
            if job is not None:
                world.submit(c.UpdateJob, key=job, retries=2)
            world.submit(c.ResolveIncident, key=incident)
        case "suspend":
            world.submit(c.ResumeInstance if instance.suspended else c.SuspendInstance, key=instance.key)
        case "cancel":
            world.submit(c.CancelInstance, key=instance.key)
        case _:
            pass


def codes(world: World) -> list[str]:
    """Return error codes that models of this world catch, and one that none does."""
    found = [f"error{number}" for number in range(1, 40)]
    return ["unknown", *found]


def test_nothing_is_left_of_a_random_process_but_surplus_tokens_at_joins() -> None:
    """With all work done, all messages published and all time passed, only a token that came twice to a join rests there."""
    for seed in range(300):
        random = Random(seed)
        world = World(partitions=2)
        world.deploy(*(xml for _, xml in random_processes(random)))
        world.submit(c.CreateInstance, process_id="main", variables={"key": "k", "items": [1, 2], "n": 1})
        finish(world)
        for instance in world.instances():
            stuck = [
                element
                for element in instance.elements.values()
                if not (element.children or element.tokens or element.child)
            ]
            assert not stuck, f"seed {seed}: {stuck}"


def finish(world: World, rounds_max: int = 60) -> None:
    """Do all open work, until none is left."""
    for _ in range(rounds_max):
        running = [instance for instance in world.instances() if instance.running]
        if not running:
            return
        for instance in running:
            for key in sorted(instance.jobs):
                world.submit(c.CompleteJob, key=key)
            for key in sorted(instance.user_tasks):
                world.submit(c.CompleteUserTask, key=key)
            for wait in list(instance.messages.values()):
                world.submit(c.PublishMessage, name=wait.name, correlation_key=wait.correlation_key)
            for signal in list(instance.signals.values()):
                world.submit(c.BroadcastSignal, name=signal.name)
        world.advance(timedelta(seconds=10))
        world.check()
