"""Logs of every released version still fold to the states that were recorded with them."""

import json
from pathlib import Path
from typing import Any

import pytest

from domain.decide import State, fold, initial
from eventstore.codec import CODEC, decode_state

LOGS = sorted((Path(__file__).parent / "logs").glob("*/*.jsonl"))


@pytest.mark.parametrize("log", LOGS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_a_recorded_log_folds_to_its_recorded_states(log: Path) -> None:
    lines: list[dict[str, Any]] = [json.loads(line) for line in log.read_text().splitlines()]
    states: dict[tuple[int, str], State] = {}
    for line in lines:
        at = (line["partition"], line["stream"])
        if "state" not in line:
            state = states.setdefault(at, initial(line["stream"]))
            list(fold(state, (CODEC.decode(line["type"], line["schema"], line["body"].encode()),)))
        else:
            recorded = decode_state(line["state"].encode(), type(states[at]))
            assert states[at] == recorded, f"{log.name}: {line['stream']} folds to another state than it did"


def test_there_are_recorded_logs() -> None:
    assert LOGS
