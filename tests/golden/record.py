"""Record logs of random worlds with the states they fold to. Run once per release, with its version:

python -m tests.golden.record 0.1.0
"""

import json
import sys
from pathlib import Path

from domain.decide import fold, initial
from eventstore.codec import CODEC, encode_state, event_type
from tests.simulation.test_replay_equals_live import simulate

LOGS = Path(__file__).parent / "logs"
SEEDS = (7, 11, 42, 99, 153, 2152)
"""Worlds of some variety; two of them once showed a bug."""


def record(version: str) -> None:
    """Write one file per seed: a line for each event, then one for each stream's state."""
    folder = LOGS / version
    folder.mkdir(parents=True)
    for seed in SEEDS:
        world = simulate(seed)
        streams = dict.fromkeys((record.partition, record.stream) for record in world.log)
        lines: list[dict[str, object]] = []
        for stored in world.log:
            kind = event_type(stored.event)
            lines.append(
                {
                    "partition": stored.partition,
                    "stream": stored.stream,
                    "type": kind,
                    "schema": CODEC.version(kind),
                    "body": stored.body.decode(),
                }
            )
        for partition, stream in streams:
            state = initial(stream)
            events = [stored.event for stored in world.log if (stored.partition, stored.stream) == (partition, stream)]
            list(fold(state, events))
            lines.append({"partition": partition, "stream": stream, "state": encode_state(state).decode()})
        (folder / f"{seed}.jsonl").write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines))


if __name__ == "__main__":
    record(sys.argv[1])
