"""Pages hold together: links lead somewhere, and what follows from the code is what the code says now."""

import re
from pathlib import Path

import pytest

from api.app import OPERATIONS
from api.openapi import document
from infra.scripts import generate_docs
from infra.settings import Settings, describe
from tests.docs.pages import PAGES, ROOT, anchors, links

NAMES = [str(page.relative_to(ROOT)) for page in PAGES]


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_every_relative_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        if link.startswith(("http:", "https:", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page

        assert target.exists(), f"{link} leads nowhere"
        assert target.is_relative_to(ROOT), f"{link} leads out of the project"
        assert not anchor or anchor in anchors(target), f"{link}: {target.name} has no such heading"


@pytest.mark.parametrize("name", generate_docs.PAGES)
def test_generated_pages_are_current(name: str) -> None:
    page = ROOT / "docs" / "reference" / f"{name}.md"

    assert page.read_text() == generate_docs.PAGES[name](), "run infra/scripts/generate_docs.py"


def test_every_page_can_be_found_from_the_readme() -> None:
    found, ahead = {ROOT / "README.md"}, [ROOT / "README.md"]
    while ahead:
        page = ahead.pop()
        for link in links(page):
            target = (page.parent / link.partition("#")[0]).resolve()
            if target.suffix == ".md" and target.exists() and target not in found:
                found.add(target)
                ahead.append(target)

    assert set(PAGES) <= found, f"no link leads to {set(PAGES) - found}"


@pytest.mark.parametrize("page", PAGES, ids=NAMES)
def test_what_a_page_names_exists(page: Path) -> None:
    text = page.read_text()
    reference = (ROOT / "docs" / "reference" / "metrics.md").read_text()
    metrics = set(re.findall(r"procession_\w+", reference))
    settings = {setting.variable for setting in describe(Settings.model_construct())}
    paths = {
        (method.upper(), bare(path)) for path, methods in document(OPERATIONS)["paths"].items() for method in methods
    }

    assert set(re.findall(r"`(procession_\w+)", text)) <= metrics
    assert set(re.findall(r"PROCESSION_[A-Z][A-Z_]*[A-Z]", text)) <= settings
    assert {(method, bare(path)) for method, path in re.findall(r"\b([A-Z]{3,6}) (/v2/[\w\-{}/]+)", text)} <= paths


def bare(path: str) -> str:
    """A path whatever its parameter is called."""
    return re.sub(r"\{\w+\}", "{}", path)
