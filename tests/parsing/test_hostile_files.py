"""Whatever a file does while it is imported: one clear error, no other file harmed, no process left, no long wait."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from skyray.parsing.pool import FileResult, ParserPool

HOSTILE = Path(__file__).resolve().parents[1] / "hostile_dags"
GOOD = "from skyray import DAG\ndag = DAG('good')\n"
TIMEOUT_SECONDS = 2.0


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """Every hostile file, and a good one among them."""
    folder = tmp_path / "bundle"
    shutil.copytree(HOSTILE, folder, ignore=shutil.ignore_patterns("__pycache__"))
    (folder / "good.py").write_text(GOOD)
    return folder


def parse(root: Path, *paths: str, timeout: float = 30.0, memory: int = 1 << 29) -> list[FileResult]:
    async def run() -> list[FileResult]:
        pool = ParserPool(folder=root.parent / "results", processes=2, timeout_seconds=timeout, memory_bytes=memory)
        try:
            await pool.start()
            return await asyncio.gather(*(pool.parse(root, path, "d" * 64) for path in paths))
        finally:
            await pool.close()

    return asyncio.run(run())


def wait_for(condition: Callable[[], bool], seconds: float = 5.0) -> bool:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        os.sched_yield()
    return True


def is_alive(pid: int) -> bool:
    try:
        return "\nState:\tZ" not in Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return False


ERRORS = {
    "exits": (r"exited with status 3 while importing", None),
    "exits_quietly": (r"exited with status 0 while importing", None),
    "hangs": (r"did not finish importing within 2 s \(parse_timeout_seconds\)", (3, 4)),
    "hangs_deaf": (r"did not finish importing within 2 s", None),
    "segfaults": (r"killed by signal 11 \(SIGSEGV\) while importing", (5,)),
    "allocates": (r"MemoryError: importing may take at most 536870912 bytes \(parse_memory_bytes\)", (3,)),
    "allocates_slowly": (r"MemoryError: importing may take at most", (5,)),
    "sys_exits": (r"SystemExit: the file ended Python with exit code 4 while it was imported", (5,)),
    "raises_base_exception": (r"Escape: \(its text could not be made\)", (9,)),
    "forks_many": (r"did not finish importing within 2 s", None),
    "kills_its_parent": (r"killed or stopped the parser's own process while importing", None),
    "recurses": (r"RecursionError: maximum recursion depth exceeded", (5,)),
    "reads_input": (r"EOFError: EOF when reading a line", (3,)),
}


@pytest.mark.parametrize("name", ERRORS)
def test_the_error_says_what_happened_and_the_next_file_is_parsed(root: Path, name: str) -> None:
    message, lines = ERRORS[name]
    timeout = TIMEOUT_SECONDS if "did not finish" in message else 30.0
    bad, good = parse(root, f"{name}.py", "good.py", timeout=timeout)
    (error,) = bad.errors
    assert re.match(message, error.message), error
    assert "\n" not in error.message
    assert (error.path, error.dag_id, bad.specs) == (f"{name}.py", None, ())
    if lines is not None:
        assert error.line in lines, error
    assert ([spec.dag_id for spec in good.specs], good.errors) == (["good"], ())


@pytest.mark.parametrize(
    "name",
    [
        "writes_garbage",
        "closes_everything",
        "prints_a_lot",
        "empties_sys_modules",
        "replaces_builtins",
        "leaves_threads",
    ],
)
def test_what_does_no_harm_to_the_result_is_let_pass(root: Path, name: str) -> None:
    began = time.monotonic()
    (found,) = parse(root, f"{name}.py", timeout=20.0)
    assert ([spec.dag_id for spec in found.specs], found.errors) == ([name], ())
    assert time.monotonic() - began < 15


def test_processes_that_a_file_left_are_ended_and_not_waited_for(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noted = tmp_path / "pids"
    monkeypatch.setenv("HOSTILE_PIDS", str(noted))
    (found,) = parse(root, "leaves_grandchildren.py", timeout=20.0)
    assert [spec.dag_id for spec in found.specs] == ["leaves_grandchildren"]
    pids = [int(line) for line in noted.read_text().split()]
    assert len(pids) == 2
    assert wait_for(lambda: not any(map(is_alive, pids))), "processes that the file started are still there"


def test_no_child_survives_the_pool(root: Path) -> None:
    async def run() -> None:
        pool = ParserPool(folder=root.parent / "results", processes=1, timeout_seconds=100.0, memory_bytes=1 << 30)
        await pool.start()
        nursery = pool._shared._process
        assert nursery is not None
        parsing = asyncio.ensure_future(pool.parse(root, "hangs.py", "d" * 64))
        children = Path(f"/proc/{nursery.pid}/task/{nursery.pid}/children")
        while not children.read_text():
            await asyncio.sleep(0)
        (child,) = map(int, children.read_text().split())
        parsing.cancel()
        await asyncio.gather(parsing, return_exceptions=True)
        assert wait_for(lambda: not is_alive(child)), "a cancelled parse still runs"
        await pool.close()
        assert not is_alive(nursery.pid)

    asyncio.run(run())


def test_secrets_are_not_in_the_environment(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    secrets = ["SKYRAY_TOKEN", "SKYRAY_DATABASE_URL", "RAY_AUTH_TOKEN", "RAY_AUTH_TOKEN_PATH", "PGPASSWORD"]
    for name in secrets:
        monkeypatch.setenv(name, "hidden")
    monkeypatch.setenv("COMPANY_SETTING", "seen")
    (found,) = parse(root, "reads_secrets.py")
    words = found.errors[0].message.split()
    assert "COMPANY_SETTING" in words
    assert not set(secrets) & set(words)


def test_where_a_file_hung_is_shown(root: Path) -> None:
    (found,) = parse(root, "hangs.py", timeout=TIMEOUT_SECONDS)
    assert found.errors[0].traceback.splitlines()[-1] in (
        '  File "hangs.py", line 3 in <module>',
        '  File "hangs.py", line 4 in <module>',
    )


def test_a_traceback_shows_the_authors_lines_only(root: Path) -> None:
    (found,) = parse(root, "sys_exits.py")
    assert found.errors[0].traceback.splitlines()[:3] == [
        "Traceback (most recent call last):",
        '  File "sys_exits.py", line 5, in <module>',
        "    sys.exit(4)",
    ]
    assert "skyray/parsing" not in found.errors[0].traceback
    assert str(root) not in found.errors[0].traceback
