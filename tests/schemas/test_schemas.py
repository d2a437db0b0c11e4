"""The schemas of commands and events: released ones stay usable, and the document that describes the topics is right."""

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any, get_args

import jsonschema
import pytest

from api import asyncapi
from domain.commands import AnyCommand, Reaction
from domain.events import AnyEvent
from eventstore.codec import CODEC
from tests.api.fakes import FakeEngine, client_of
from tests.golden.samples import samples

GOLDEN = Path(__file__).parent
DOCUMENT = Path(__file__).parents[2] / "docs" / "reference" / "asyncapi.json"


@pytest.mark.parametrize("released", sorted(GOLDEN.glob("*.json")), ids=lambda path: path.stem)
def test_what_fits_a_released_schema_still_does(released: Path) -> None:
    assert asyncapi.breaks(json.loads(released.read_text()), asyncapi.schemas()) == []


def test_this_versions_schemas_are_kept() -> None:
    current = asyncapi.document()["info"]["version"]

    assert (GOLDEN / f"{current}.json").exists(), f"write asyncapi.schemas() to tests/schemas/{current}.json"


def test_the_document_in_docs_is_the_one_that_is_served() -> None:
    assert json.loads(DOCUMENT.read_text()) == json.loads(json.dumps(asyncapi.document())), (
        "python infra/scripts/generate_asyncapi.py writes docs/reference/asyncapi.json"
    )


def test_every_command_and_event_is_described_and_every_reference_leads_somewhere() -> None:
    document = asyncapi.document()
    text = json.dumps(document)
    external = [each for each in get_args(AnyCommand) if not issubclass(each, Reaction)]

    assert set(document["channels"]["commands"]["messages"]) == {each.__name__ for each in external}
    assert set(document["channels"]["events"]["messages"]) == {each.__name__ for each in get_args(AnyEvent)}
    for reference in {part.split('"')[0] for part in text.split('"$ref": "#/')[1:]}:
        found: Any = document
        for step in reference.split("/"):
            found = found[step]


def test_events_as_they_are_stored_fit_their_schemas() -> None:
    known = asyncapi.schemas()
    root = {"components": {"schemas": known}}
    for event in samples():
        body = json.loads(CODEC.encode(event), parse_float=Decimal)
        jsonschema.validate(body, {**root, "$ref": f"#/components/schemas/{type(event).__name__}"})


BREAKING: tuple[tuple[str, list[str], Any, str], ...] = (
    ("JobCreated", ["properties", "retries"], None, "JobCreated.retries: expected the field to stay"),
    ("JobCreated", ["properties", "retries"], {"type": "string"}, "JobCreated.retries: expected {'type': 'integer'}"),
    ("JobCreated", ["required"], ["type"], "JobCreated.key: expected a field that is always there"),
    ("CancelInstance", ["required"], ["type", "by"], "CancelInstance.by: expected a field that may be left out"),
)


@pytest.mark.parametrize(("name", "path", "value", "sentence"), BREAKING)
def test_a_change_that_breaks_somebody_is_refused(name: str, path: list[str], value: Any, sentence: str) -> None:
    changed = copy.deepcopy(asyncapi.schemas())
    at = changed[name]
    for step in path[:-1]:
        at = at[step]
    if value is None:
        del at[path[-1]]
    else:
        at[path[-1]] = value

    assert any(each.startswith(sentence) for each in asyncapi.breaks(asyncapi.schemas(), changed))


def test_a_type_that_is_gone_is_refused() -> None:
    changed = asyncapi.schemas()
    del changed["JobCreated"]

    assert asyncapi.breaks(asyncapi.schemas(), changed) == ["JobCreated: expected it to stay, but it is gone"]


def test_additions_break_nobody() -> None:
    changed = copy.deepcopy(asyncapi.schemas())
    changed["JobCreated"]["properties"]["color"] = {"type": "string", "default": ""}
    changed["MadeUp"] = {"type": "object"}
    changed["JobCreated"]["properties"]["key"] = {"anyOf": [{"type": "integer"}, {"type": "null"}]}

    assert asyncapi.breaks(asyncapi.schemas(), changed) == []


async def test_the_document_is_served() -> None:
    async with client_of(FakeEngine()) as client:
        answer = await client.get("/asyncapi")

    assert answer.json()["asyncapi"] == "3.0.0"
    assert answer.json()["channels"]["events"]["address"] == "procession.events"
