"""Independent instances commute: in whatever order their commands come, each ends up the same."""

from random import Random

from domain import commands as c
from tests.simulation.processes import Writer
from tests.support.world import World

INSTANCES = 3
STEPS = 40


class _Alone(Writer):
    """Processes that share nothing with other instances: no calls, messages or signals, which take numbers of the partition."""

    def event(self) -> str:
        return "<timerEventDefinition><timeDuration>PT5S</timeDuration></timerEventDefinition>"

    def receive(self, depth: int) -> tuple[str, str, str]:
        return self.job(depth)


def test_the_order_of_commands_to_different_instances_does_not_matter() -> None:
    for seed in range(150):
        model = _Alone(Random(seed), "main", ()).xml()
        turns = [number % INSTANCES for number in range(STEPS * INSTANCES)]
        shuffled = turns.copy()
        Random(seed).shuffle(shuffled)

        assert _played(model, turns) == _played(model, shuffled) == _played(model, sorted(turns)), f"seed {seed}"


def _played(model: bytes, turns: list[int]) -> list[object]:
    """Give each instance its turns, in each of which it does its oldest open work; return what the instances came to."""
    world = World(partitions=1)
    world.deploy(model)
    for number in range(INSTANCES):
        world.submit(c.CreateInstance, process_id="main", variables={"items": [1, 2], "n": number, "key": "k"})
    instances = list(world.instances())
    for turn in turns:
        instance = instances[turn]
        jobs, tasks = sorted(instance.jobs), sorted(instance.user_tasks)
        if jobs:
            world.submit(c.CompleteJob, key=jobs[0], variables={"n": jobs[0] % 7})
        elif tasks:
            world.submit(c.CompleteUserTask, key=tasks[0])
    return [*instances]
