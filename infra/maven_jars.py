"""Java programs as folders of jars: resolved from Maven's coordinates, fetched once, whole, and by one process at a time.

jgo does the resolving, but two of it at once disturb each other, and what a broken download left it takes for whole ever after.
It never knows what the jars are for.
"""

import contextlib
import fcntl
import hashlib
import logging
import os
import shutil
import sys
import tempfile
import time
import zipfile
from collections.abc import Generator
from pathlib import Path
from typing import Final

TRIES_MAX: Final = 4
PAUSE_SECONDS: Final = 2.0
"""After the first try that failed; twice as long after each further one."""
ANSWER_SECONDS_MAX: Final = 60
"""How long a repository may take to answer."""

log = logging.getLogger(__name__)


class JarsUnavailable(Exception):  # noqa: N818  # it names what happened
    """The jars cannot be had; the sentence says why."""


def fetch(coordinates: str) -> Path:
    """Return the folder that holds a program's jars in `jars` and `modules`. Raise `JarsUnavailable`.

    What jgo has in its cache already is good enough, if it is whole. Anything else is fetched anew beside, and kept once complete.
    """
    folder = _cache()
    kept = folder / hashlib.sha256(coordinates.encode()).hexdigest()[:16]
    with _alone(folder):
        if kept.is_dir():
            return kept
        for attempt in range(1, TRIES_MAX + 1):
            try:
                return _as_jgo_has_it(coordinates) if attempt == 1 else _anew(coordinates, kept)
            except Exception as error:
                if attempt == TRIES_MAX:
                    raise JarsUnavailable(f"{type(error).__name__}: {error}") from error
                log.warning("%s could not be fetched (%s: %s); trying again", coordinates, type(error).__name__, error)
                time.sleep(PAUSE_SECONDS * 2 ** (attempt - 1))
    raise AssertionError("the last try returns or raises")


def _cache() -> Path:
    """Return a folder of ours that lasts: in the user's cache, or beside the interpreter where that cannot be written."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
    for folder in (home / "procession", Path(sys.prefix) / "procession-cache"):
        with contextlib.suppress(OSError):
            folder.mkdir(parents=True, exist_ok=True)
            if os.access(folder, os.W_OK):
                return folder
    raise JarsUnavailable(f"neither {home} nor {sys.prefix} can be written by user {os.geteuid()}")


@contextlib.contextmanager
def _alone(folder: Path) -> Generator[None]:
    """Keep other processes out. The lock ends with us, however we die."""
    with (folder / "lock").open("wb") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _as_jgo_has_it(coordinates: str) -> Path:
    import jgo  # noqa: PLC0415  # an extra

    return _whole(Path(jgo.build(coordinates).path))


def _anew(coordinates: str, kept: Path) -> Path:
    """Fetch into folders that nobody has written to before; what is there afterwards is whole."""
    from jgo.env import EnvironmentBuilder, LinkStrategy  # noqa: PLC0415  # an extra
    from jgo.maven import MavenContext  # noqa: PLC0415  # an extra

    with tempfile.TemporaryDirectory(dir=kept.parent) as name:
        context = MavenContext(repo_cache=Path(name) / "repository", timeout=ANSWER_SECONDS_MAX)
        builder = EnvironmentBuilder(context, cache_dir=Path(name) / "environments", link_strategy=LinkStrategy.COPY)
        shutil.move(_whole(Path(builder.from_endpoint(coordinates).path)), kept)
    return kept


def _whole(folder: Path) -> Path:
    """Return the folder if every jar in it can be read to its end. Raise `JarsUnavailable`."""
    jars = [*folder.glob("jars/*.jar"), *folder.glob("modules/*.jar")]
    broken = [jar.name for jar in jars if not zipfile.is_zipfile(jar)]
    if broken or not jars:
        raise JarsUnavailable(f"expected whole jars in {folder}, but found {', '.join(broken) or 'none'}")
    return folder
