"""Pages for people, as tests read them: their blocks of code, their links, their headings."""

import re
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGES = (ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md")))

ADDRESS = "http://127.0.0.1:8080"
"""Where pages say that the engine is."""

_BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_CODE = re.compile(r"^```.*?^```$|`[^`\n]*`", re.MULTILINE | re.DOTALL)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)


def blocks(page: Path, language: str) -> list[str]:
    """The fenced blocks of a language, in order."""
    return [body for found, body in _BLOCK.findall(page.read_text()) if found == language]


def links(page: Path) -> Iterator[str]:
    """Every target of a link or a picture."""
    return (match[1] for match in _LINK.finditer(_CODE.sub("", page.read_text())))


def anchors(page: Path) -> set[str]:
    """The anchors that the headings of a page get where Markdown is shown: on GitHub and its like."""
    headings = _HEADING.findall(re.sub(r"^```.*?^```$", "", page.read_text(), flags=re.MULTILINE | re.DOTALL))
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
