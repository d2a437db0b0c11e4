"""Jars are fetched once, whole, whatever broke before: by others at the same time, or in the middle of a download."""

import threading
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from infra import maven_jars
from infra.maven_jars import JarsUnavailable, fetch

pytestmark = pytest.mark.usefixtures("cache")


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr("infra.maven_jars.PAUSE_SECONDS", 0)
    return tmp_path / "cache"


def program(folder: Path, *, whole: bool = True) -> Path:
    """Make a folder as jgo makes it."""
    (folder / "jars").mkdir(parents=True, exist_ok=True)
    jar = folder / "jars" / "a.jar"
    with zipfile.ZipFile(jar, "w") as written:
        written.writestr("A.class", b"\0" * 1_000)
    if not whole:
        jar.write_bytes(jar.read_bytes()[:-30])
    return maven_jars._whole(folder)


def giving(folder: Path, *, whole: bool = True) -> Callable[[str], Path]:
    def give(coordinates: str) -> Path:
        return program(folder, whole=whole)

    return give


def into_kept(coordinates: str, kept: Path) -> Path:
    return program(kept)


def test_what_a_broken_download_left_is_not_used(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(maven_jars, "_as_jgo_has_it", giving(tmp_path / "jgo", whole=False))
    monkeypatch.setattr(maven_jars, "_anew", into_kept)
    found = fetch("a:b:1")

    assert zipfile.is_zipfile(found / "jars" / "a.jar")
    monkeypatch.setattr(maven_jars, "_anew", None)
    assert fetch("a:b:1") == found, "what is kept is not fetched again"


def test_a_network_that_fails_now_and_then_is_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tries: list[str] = []

    def breaks(*_: object) -> Path:
        tries.append("try")
        if len(tries) < 3:
            raise ConnectionError("reset by peer")
        return program(tmp_path / "found")

    monkeypatch.setattr(maven_jars, "_as_jgo_has_it", breaks)
    monkeypatch.setattr(maven_jars, "_anew", breaks)

    assert fetch("a:b:1") == tmp_path / "found"


def test_what_cannot_be_had_is_said_with_its_reason(monkeypatch: pytest.MonkeyPatch) -> None:
    def breaks(*_: object) -> Path:
        raise ConnectionError("reset by peer")

    monkeypatch.setattr(maven_jars, "_as_jgo_has_it", breaks)
    monkeypatch.setattr(maven_jars, "_anew", breaks)

    with pytest.raises(JarsUnavailable, match="ConnectionError: reset by peer"):
        fetch("a:b:1")


def test_only_one_fetches_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    inside: list[int] = []
    most: list[int] = []

    def fetches(_: str) -> Path:
        inside.append(1)
        most.append(len(inside))
        found = program(tmp_path / "jgo")
        inside.pop()
        return found

    monkeypatch.setattr(maven_jars, "_as_jgo_has_it", fetches)
    threads = [threading.Thread(target=fetch, args=("a:b:1",)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert most == [1] * 8


def test_a_home_that_cannot_be_written_is_no_obstacle(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    monkeypatch.setattr("sys.prefix", str(tmp_path / "environment"))
    monkeypatch.setattr(maven_jars, "_as_jgo_has_it", giving(tmp_path / "jgo"))

    assert fetch("a:b:1") == tmp_path / "jgo"
    assert (tmp_path / "environment" / "procession-cache" / "lock").exists()
