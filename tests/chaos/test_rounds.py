from pathlib import Path
from random import SystemRandom

import pytest

from infra.chaos.embedded import EmbeddedSite
from infra.chaos.run import Chaos, Round

ROUNDS = 20
SECONDS_MAX = 400
"""A hundred seconds on two cores of its own; CI shares them with other tests."""

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(SECONDS_MAX)]


async def test_whatever_is_killed_at_whatever_instant_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    seed = SystemRandom().randrange(1_000_000)
    print(
        f"seed {seed}; `procession chaos --rounds {ROUNDS} --seed {seed}` asks for the same; the data are in {tmp_path}"
    )
    seen: list[Round] = []

    outcome = await Chaos(EmbeddedSite(tmp_path), seed).run(ROUNDS, seen.append)

    assert outcome.findings == []
    assert len(seen) == ROUNDS
    assert outcome.ledger.in_doubt.total() > 0, "expected the kills to leave somebody without an answer"
    assert len(outcome.ledger.told) > 10 * ROUNDS, "expected a load worth killing"
