"""The reference tells people what there is. It must not lag behind."""

import re
from pathlib import Path

import pytest

from domain.feel import limits
from domain.feel.builtins import BUILTINS

REFERENCE = (Path(__file__).resolve().parents[2] / "docs" / "reference" / "feel.md").read_text()


@pytest.mark.parametrize("name", sorted(BUILTINS))
def test_every_built_in_is_in_the_reference(name: str) -> None:
    assert re.search(rf"`{re.escape(name)}[(`]", REFERENCE)


@pytest.mark.parametrize(
    "name", sorted(name for name in vars(limits) if name.endswith("_MAX") and "INSTRUCTIONS" not in name)
)
def test_every_limit_is_in_the_reference(name: str) -> None:
    assert f"{getattr(limits, name):,}" in REFERENCE
