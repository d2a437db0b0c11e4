"""A migration that was released is never edited: databases that have it would differ from new ones unseen."""

import hashlib

from infra.migrate import folder


def test_released_migrations_are_as_they_were() -> None:
    lines = (folder() / "SHA256SUMS").read_text().splitlines()

    for released in filter(None, lines):
        digest, name = released.split()
        found = hashlib.sha256((folder() / name).read_bytes()).hexdigest()
        assert found == digest, f"{name} was released and has been edited; write a new migration instead"


def test_migrations_are_numbered_without_holes() -> None:
    numbers = [int(path.name[:4]) for path in sorted(folder().glob("*.sql"))]

    assert numbers == list(range(1, len(numbers) + 1))
