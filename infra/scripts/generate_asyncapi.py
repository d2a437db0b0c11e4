"""Writes `docs/reference/asyncapi.json`, and this version's schemas to `tests/schemas/`: `python infra/scripts/generate_asyncapi.py`."""

import json
from pathlib import Path
from typing import Final

from api import asyncapi

ROOT: Final = Path(__file__).parents[2]


def main() -> None:
    """Write both. The schemas of a version that was released are never written again: additions go to the next one's."""
    document = asyncapi.document()
    (ROOT / "docs" / "reference" / "asyncapi.json").write_text(json.dumps(document, indent=1) + "\n")
    golden = ROOT / "tests" / "schemas" / f"{document['info']['version']}.json"
    if not golden.exists():
        golden.write_text(json.dumps(asyncapi.schemas(), indent=1) + "\n")


if __name__ == "__main__":
    main()
