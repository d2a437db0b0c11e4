"""Where the conformance data lies: named by `PROCESSION_CONFORMANCE`, else in `shared/` beside this checkout."""

import json
import os
from pathlib import Path
from typing import Any


def conformance() -> Path:
    """Return the folder with the conformance data. A missing folder is an error: a skip would look like a pass."""
    named = os.environ.get("PROCESSION_CONFORMANCE")
    if named:
        return Path(named)
    for folder in Path(__file__).resolve().parents:
        found = folder.parent / "shared" / "conformance"
        if found.is_dir():
            return found
    raise FileNotFoundError("expected shared/conformance beside the checkout, or its folder in PROCESSION_CONFORMANCE")


def index(folder: Path) -> list[dict[str, Any]]:
    """Return what the folder's index says about its files."""
    found: list[dict[str, Any]] = json.loads((folder / "index.json").read_text())
    return found
