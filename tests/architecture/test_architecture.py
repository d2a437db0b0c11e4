"""What the folders may know of each other, how large a file may grow, and that our names are ours.

The order of the folders is written once, as import-linter's contracts in pyproject.toml.
"""

import ast
import subprocess
import sys
import tomllib
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
FOLDERS = ("domain", "eventstore", "projections", "api", "streams", "migrations", "infra")
FILE_LINES_MAX = 600

IMPURE = {
    "asyncio",
    "os",
    "random",
    "socket",
    "subprocess",
    "threading",
    "time",
    "uuid",
    "pathlib",
    "logging",
    "secrets",
}
THIRD_PARTY = {"msgspec", "lxml", "isodate"}
"""What the domain may use beside the standard library and itself."""


def files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def imported(path: Path) -> set[str]:
    """The top-level names that a file imports, at its head or inside a function."""
    names = set[str]()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}:{node.lineno}: imports are absolute"
            names.add((node.module or "").partition(".")[0])
    return names


def test_the_domain_imports_no_clock_no_chance_and_no_io() -> None:
    for path in files("domain"):
        foreign = imported(path) - set(sys.stdlib_module_names) - THIRD_PARTY - {"domain"}

        assert not imported(path) & IMPURE, f"{path.relative_to(ROOT)} imports {imported(path) & IMPURE}"
        assert not foreign, f"{path.relative_to(ROOT)} imports {foreign}"


def test_the_domain_asks_no_clock() -> None:
    for path in files("domain"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Attribute) and node.attr in {"now", "utcnow", "today"}:
                asked = ast.unparse(node.value).rpartition(".")[2]

                assert asked not in {"datetime", "date"}, f"{path.relative_to(ROOT)}:{node.lineno} asks the clock"


def test_no_file_grows_past_its_limit() -> None:
    grown = {
        str(path.relative_to(ROOT)): lines
        for path in files(*FOLDERS, "tests")
        if (lines := len(path.read_text().splitlines())) >= FILE_LINES_MAX
    }

    assert grown == {}


def test_every_package_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT)) for path in files(*FOLDERS) if not ast.get_docstring(ast.parse(path.read_text()))
    ]

    assert silent == []
    assert [folder for folder in FOLDERS if not (ROOT / folder / "__init__.py").exists()] == []


def test_nobody_else_owns_our_names() -> None:
    owners = packages_distributions()

    assert {folder: owners.get(folder, ["procession"]) for folder in FOLDERS} == {
        folder: ["procession"] for folder in FOLDERS
    }


def test_the_wheel_holds_exactly_our_folders() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())

    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == list(FOLDERS)
    assert project["tool"]["importlinter"]["root_packages"] == list(FOLDERS)


def test_imports_point_inward_only() -> None:
    program = Path(sys.executable).with_name("lint-imports")

    done = subprocess.run([program, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout
