from pathlib import Path

import pytest

from infra.chaos.embedded import EmbeddedSite
from infra.chaos.run import Chaos, Round

ROUNDS = 20
SEED = 1
"""The same in every run; `procession chaos` draws another one each time."""
SECONDS_MAX = 900
"""A hundred seconds on two cores of its own; CI shares them with other tests."""

pytestmark = [pytest.mark.chaos, pytest.mark.xdist_group("chaos"), pytest.mark.timeout(SECONDS_MAX)]


async def test_whatever_is_killed_at_whatever_instant_nothing_is_lost_and_nothing_is_done_twice(tmp_path: Path) -> None:
    print(f"`procession chaos --rounds {ROUNDS} --seed {SEED}` asks for the same; the data are in {tmp_path}")
    seen: list[Round] = []

    outcome = await Chaos(EmbeddedSite(tmp_path), SEED).run(ROUNDS, seen.append)

    assert outcome.findings == []
    assert len(seen) == ROUNDS
    assert outcome.ledger.in_doubt.total() > 0, "expected the kills to leave somebody without an answer"
    assert len(outcome.ledger.told) > 2 * ROUNDS, "expected a load worth killing"
