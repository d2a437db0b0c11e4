"""What can be said of the container files without a container engine: they parse, hold no secret, and name what exists."""

import re
from pathlib import Path
from typing import Any

import yaml

from infra.settings import Settings

ROOT = Path(__file__).parents[2]
COMPOSE: dict[str, Any] = yaml.safe_load((ROOT / "docker-compose.yaml").read_text())
DOCKERFILE = (ROOT / "infra" / "Dockerfile").read_text()


def test_no_secret_stands_in_the_compose_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service["environment"].items():
            if "PASSWORD" in name or "_URL" in name:
                assert "${POSTGRES_PASSWORD:?" in value, f"{name} holds a secret, or runs without one"


def test_every_setting_of_the_engine_that_is_named_exists() -> None:
    known = {f"PROCESSION_{name.upper()}" for name in Settings.model_fields}
    named = set(re.findall(r"\bPROCESSION_[A-Z_]+", DOCKERFILE)) | set(COMPOSE["services"]["engine"]["environment"])

    assert named <= known


def test_every_service_tells_whether_it_is_well() -> None:
    assert "healthcheck" in COMPOSE["services"]["postgres"]
    assert "healthcheck" in COMPOSE["services"]["kafka"]
    assert "HEALTHCHECK" in DOCKERFILE


def test_the_image_copies_what_the_project_is_made_of() -> None:
    copied = set(re.findall(r"^COPY (\w+) \1$", DOCKERFILE, re.MULTILINE))
    let_in = set(re.findall(r"^!(\w+)$", (ROOT / ".dockerignore").read_text(), re.MULTILINE))

    assert copied == let_in - {"LICENSE"}
    assert all((ROOT / folder).is_dir() for folder in copied)
