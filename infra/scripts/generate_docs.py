"""Writes the pages of `docs/reference/` that follow from the code: `python infra/scripts/generate_docs.py [page …]`."""

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Final

from infra.settings import Settings, describe

FOLDER: Final = Path(__file__).parents[2] / "docs" / "reference"


def settings() -> str:
    """The page of settings. It shows defaults only, never this machine's values."""
    rows = [
        f"| `{setting.name}` | `{setting.variable}` | {f'`{setting.default}`' if setting.default else ''} | {setting.meaning} |"
        for setting in describe(Settings.model_construct())
    ]
    return "\n".join(
        [
            "# Settings",
            "",
            "*Generated from `infra/settings.py` by `infra/scripts/generate_docs.py`; do not edit.*",
            "",
            "Each setting is an environment variable. `procession config` shows the values of the place where it is run.",
            "Options of a command (`--host`, `--port`, `--data-dir`) go before the environment.",
            "",
            "| setting | variable | default | meaning |",
            "|---|---|---|---|",
            *rows,
            "",
        ]
    )


PAGES: Final[dict[str, Callable[[], str]]] = {"settings": settings}


def main(names: list[str]) -> None:
    """Write the named pages, or all."""
    FOLDER.mkdir(parents=True, exist_ok=True)
    for name in names or PAGES:
        (FOLDER / f"{name}.md").write_text(PAGES[name]())
        print(f"wrote {FOLDER / name}.md")


if __name__ == "__main__":
    main(sys.argv[1:])
