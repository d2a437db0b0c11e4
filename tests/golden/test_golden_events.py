"""What was stored stays readable: every line ever written here decodes, and today's events are written as the lines say."""

import json
from pathlib import Path

from eventstore.codec import CODEC, event_type
from tests.golden.samples import samples

GOLDEN = Path(__file__).parent / "events.jsonl"


def test_every_event_type_has_a_golden_line_in_its_current_version() -> None:
    known = {(line["type"], line["schema"]) for line in map(json.loads, GOLDEN.read_text().splitlines())}
    missing = [
        json.dumps(
            {"type": kind, "schema": CODEC.version(kind), "body": CODEC.encode(event).decode()}, ensure_ascii=False
        )
        for event in samples()
        if ((kind := event_type(event)), CODEC.version(event_type(event))) not in known
    ]

    assert not missing, "add these lines to tests/golden/events.jsonl, and edit none:\n" + "\n".join(missing)


def test_every_golden_line_decodes() -> None:
    for line in map(json.loads, GOLDEN.read_text().splitlines()):
        event = CODEC.decode(line["type"], line["schema"], line["body"].encode())

        assert event_type(event) == line["type"]
        if line["schema"] == CODEC.version(line["type"]):
            assert CODEC.encode(event).decode() == line["body"], f"{line['type']} is written in another way than it was"
