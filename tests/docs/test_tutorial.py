"""Every command of the five minutes is run against a real engine, and what the text promises comes true."""

import json
from pathlib import Path
from typing import Any

import httpx

from tests.docs.pages import ROOT, blocks
from tests.docs.running import run, running

TUTORIAL = ROOT / "docs" / "tutorials" / "five-minutes.md"
LAST_BLOCK = 1
"""The block that looks back."""


def documents(text: str) -> list[Any]:
    """The JSON documents in what curl printed, which adds no line break between them."""
    decoder, found, at = json.JSONDecoder(), [], 0
    while (at := text.find("{", at)) >= 0:
        document, at = decoder.raw_decode(text, at)
        found.append(document)
    return found


def test_the_five_minutes_end_with_a_complete_instance_that_outlives_a_kill(tmp_path: Path) -> None:
    commands = blocks(TUTORIAL, "bash")
    looking_back = commands[-LAST_BLOCK:]
    with running(tmp_path / "data") as engine:
        printed = run(commands, engine.address)
        instance = printed.split("instance ")[1].split()[0]
        before = documents(run(looking_back, engine.address, INSTANCE=instance))
        engine.kill()
    with running(tmp_path / "data") as engine:
        after = documents(run(looking_back, engine.address, INSTANCE=instance))

    deployed = documents(printed)[0]
    assert deployed["deployments"][0]["processDefinition"]["processDefinitionId"] == "order"
    assert printed.count("HTTP/1.1 204") == 4, "three jobs and a user task were completed"
    complete, history, variables = before
    assert complete["state"] == "COMPLETED"
    assert {"reserve", "approve", "pack", "bill"} <= {element["elementId"] for element in history["items"]}
    assert {"orderId", "amount", "shelf", "approved"} <= {variable["name"] for variable in variables["items"]}
    assert after == before


def test_what_the_readme_shows_works(tmp_path: Path) -> None:
    commands = blocks(ROOT / "README.md", "bash")
    with running(tmp_path / "data") as engine:
        printed = run(commands, engine.address)

        search = httpx.post(
            f"{engine.address}/v2/process-instances/search", json={"filter": {"state": "ACTIVE"}}, timeout=60
        ).json()

    assert commands
    assert '"processDefinitionId":"order"' in printed
    assert [item["processDefinitionId"] for item in search["items"]] == ["order"]
