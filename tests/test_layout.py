"""The house stands as it was laid out: the link to actors/, and a wheel that has everything in it."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]


def test_actors_is_a_committed_link_into_the_package() -> None:
    link = ROOT / "cluster" / "skyray" / "actors"
    assert link.is_symlink(), "cluster/skyray/actors must be a symbolic link; git config core.symlinks true"
    assert link.resolve() == ROOT / "actors"


def test_top_level_has_nothing_that_was_not_planned() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=False)
    if tracked.returncode:
        pytest.skip("not a git checkout")
    planned = {
        *("pyproject.toml", "README.md", "cluster", "actors", "protos", "tests", "benchmarks", "examples", "docs"),
        *("Makefile", ".ci", "CHANGELOG.md", "CONTRIBUTING.md", "LICENSE"),
    }
    found = {line.split("/")[0] for line in tracked.stdout.splitlines()}
    assert {name for name in found - planned if not name.startswith(".")} == set()


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> zipfile.ZipFile:
    """A wheel, built from the working tree by the build backend that is installed here (no network)."""
    pytest.importorskip("setuptools", minversion="77", reason="the build backend is not installed here")
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md", "LICENSE", "cluster", "actors"):
        # A copy, so that building leaves nothing behind in the working tree; the link stays a link.
        subprocess.run(["cp", "-a", str(ROOT / name), str(source / name)], check=True)
    done = subprocess.run(
        [sys.executable, "-m", "pip", "wheel", ".", "--no-deps", "--no-build-isolation", "-q", "-w", str(folder)],
        cwd=source,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    return zipfile.ZipFile(next(folder.glob("skyray-*.whl")))


def test_wheel_contains_the_actors(wheel: zipfile.ZipFile) -> None:
    assert "skyray/actors/launch.py" in wheel.namelist()
    assert not [name for name in wheel.namelist() if name.split("/")[0] not in ("skyray",) and ".dist-info" not in name]


def test_wheel_contains_every_file_of_the_package(wheel: zipfile.ZipFile) -> None:
    package = ROOT / "cluster" / "skyray"
    sources = [path for path in package.rglob("*") if path.is_file()]
    sources += [package / "actors" / path.relative_to(ROOT / "actors") for path in (ROOT / "actors").rglob("*.py")]
    wanted = {
        f"skyray/{path.relative_to(package)}"
        for path in sources
        if "__pycache__" not in path.parts and not path.name.startswith(".") and path.suffix not in (".md", ".pyc")
    }
    assert wanted - set(wheel.namelist()) == set()
