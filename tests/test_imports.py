"""What importing costs, and which way imports point."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
HEAVY = ("ray", "sqlalchemy", "psycopg2", "grpc", "google.protobuf", "pendulum", "jinja2", "croniter", "alembic")
IMPORT_SECONDS_MAX = 0.05


def loaded_by(statement: str) -> set[str]:
    """The modules in a fresh interpreter after a statement."""
    script = f"import sys; {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.parametrize(
    "statement",
    [
        "import skyray",
        "import skyray.errors, skyray.settings, skyray.exceptions",
        "import skyray.core.world",
        "from skyray.cli.main import cli",
    ],
)
def test_imports_load_nothing_heavy(statement: str) -> None:
    allowed = {"pendulum", "croniter"} if "core" in statement else set()
    assert loaded_by(statement) & set(HEAVY) - allowed == set()


@pytest.mark.parametrize("statement", ["from skyray import DAG, dag, task, chain, Param, TaskGroup"])
def test_authors_import_loads_no_server_side_module(statement: str) -> None:
    heavy = {"ray", "sqlalchemy", "psycopg2", "grpc", "google.protobuf", "alembic"}
    assert loaded_by(statement) & heavy == set()


def test_import_skyray_is_quick() -> None:
    script = "import time; t = time.perf_counter(); import skyray; print(time.perf_counter() - t)"
    seconds = min(
        float(subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    )
    assert seconds < IMPORT_SECONDS_MAX


def test_client_commands_import_neither_ray_nor_sqlalchemy() -> None:
    modules = "dags, runs, tasks, pools, cluster, status"
    assert loaded_by(f"from skyray.cli import {modules}") & {"ray", "sqlalchemy", "psycopg2", "grpc"} == set()
    assert loaded_by("import skyray.api.client") & {"ray", "sqlalchemy", "psycopg2"} == set()


def test_imports_point_down_and_the_core_is_pure() -> None:
    """The contracts of [tool.importlinter] in pyproject.toml."""
    code = "from importlinter.cli import lint_imports_command; lint_imports_command()"
    done = subprocess.run(
        [sys.executable, "-c", code, "--no-cache"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr[-2000:]


def allowed_places(package: str, *places: str) -> list[str]:
    """Files of the package that import ``package`` without being in one of the places."""
    found = []
    source = ROOT / "cluster" / "skyray"
    for path in [*source.rglob("*.py"), *(ROOT / "actors").rglob("*.py")]:
        base, prefix = (ROOT, "") if path.is_relative_to(ROOT / "actors") else (source, "")
        where = prefix + str(path.relative_to(base))
        lines = path.read_text(encoding="utf-8").splitlines()
        imports = [line for line in lines if line.strip().startswith((f"import {package}", f"from {package}"))]
        matching = [line for line in imports if line.split()[1].split(".")[0].rstrip(",") == package]
        if matching and not where.startswith(places):
            found.append(f"{where}: {matching[0].strip()}")
    return found


@pytest.mark.parametrize(
    ("package", "places"),
    [
        ("ray", ("actors/",)),
        ("sqlalchemy", ("store/",)),
        ("alembic", ("store/",)),
        ("psycopg2", ("store/",)),
        ("grpc", ("api/", "admin/")),
    ],
)
def test_packages_are_imported_only_where_they_belong(package: str, places: tuple[str, ...]) -> None:
    assert allowed_places(package, *places) == []
