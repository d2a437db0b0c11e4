"""Engines that share the partitions, under load from HTTP and from a foreign producer, while they, PostgreSQL and Kafka die.

`procession chaos --kafka --rounds 50 --seed 7` runs more of it.
"""

from pathlib import Path

import pytest

from infra.chaos.distributed import VICTIMS, DistributedSite
from infra.chaos.run import Chaos, Round

ROUNDS = 12
SEED = 1
"""The same in every run; `procession chaos --kafka` draws another one each time."""
SECONDS_MAX = 900
"""Seventy seconds on two cores of its own; CI shares them with other tests."""

pytestmark = [
    pytest.mark.kafka,
    pytest.mark.chaos,
    pytest.mark.xdist_group("kafka"),
    pytest.mark.timeout(SECONDS_MAX),
]


async def test_whatever_dies_nothing_is_lost_nothing_acts_twice_and_the_topic_is_the_table(tmp_path: Path) -> None:
    site = DistributedSite(tmp_path)

    seen = await survive(site, ROUNDS, tmp_path)

    assert {each.victim for each in seen} == set(VICTIMS), "expected everything to die once at least"


async def test_engines_on_three_brokers_go_on_without_one_of_them(tmp_path: Path) -> None:
    # The broker that dies stays away until the next strike: all partitions have to answer without it.
    victims = ("broker", "engine", "active controller")
    site = DistributedSite(tmp_path, brokers=3, victims=victims)

    seen = await survive(site, 4, tmp_path)

    assert {each.victim for each in seen} == set(victims)


async def survive(site: DistributedSite, rounds: int, folder: Path) -> list[Round]:
    print(f"`procession chaos --kafka --seed {SEED}` asks for the same; the data are in {folder}")
    seen: list[Round] = []

    outcome = await Chaos(site, SEED).run(rounds, seen.append)

    print(f"{site.repeated} records of the events topic came twice")
    assert outcome.findings == []
    assert len(seen) == rounds
    assert len(outcome.ledger.told) > 2 * rounds, "expected a load worth killing"
    assert site.records_acknowledged > 0, "expected commands through the topic"
    return seen
