"""A folder of hostile DAG files beside a good one: the good one goes on running, and every hostile file is told about.

What each kind of hostility leads to is tests/parsing's matter; here it is that nobody else notices.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support import Skyray, wait_for

HOSTILE = Path(__file__).parents[1] / "hostile_dags"
#: Files that kill, hang or starve the process that imports them: none of them can end without an import error.
MUST_FAIL = ("allocates", "allocates_slowly", "exits", "hangs", "hangs_deaf", "segfaults", "sys_exits", "recurses")
GOOD = """
from skyray import dag, task

@dag(schedule=None)
def good():
    @task
    def greet():
        return "hi"

    @task
    def answer(text):
        return text + "!"

    answer(greet())

good()
"""
MANY = """
from skyray import DAG
from skyray.operators import EmptyOperator

for number in range(1000):
    with DAG(f"many_{number:04d}", schedule=None):
        EmptyOperator(task_id="only")
"""


def test_hostile_files_harm_nobody_else(new_home: Skyray, tmp_path: Path) -> None:
    folder = tmp_path / "dags"
    folder.mkdir()
    (folder / "good.py").write_text(GOOD)
    new_home.environment |= {"SKYRAY_PARSE_TIMEOUT_SECONDS": "3", "SKYRAY_PARSE_MEMORY_BYTES": str(1 << 30)}
    new_home.up(str(folder), "--num-cpus", "2")
    wait_for(lambda: [dag["dag_id"] for dag in new_home.json("dags", "list")] == ["good"], "the good DAG is live")
    before = {actor["name"]: actor["pid"] for actor in new_home.json("cluster", "actors")}

    for path in HOSTILE.glob("*.py"):
        shutil.copy(path, folder)
    (folder / "many.py").write_text(MANY)

    def failing() -> set[str]:
        return {Path(error["path"]).stem for error in new_home.json("dags", "errors")}

    runs = 0
    while not set(MUST_FAIL) <= failing() and runs < 60:
        new_home.run("dags", "trigger", "good", "--wait", "--timeout", "20")
        runs += 1
    assert set(MUST_FAIL) <= failing()
    assert runs, "good runs went on meanwhile"
    assert "good" not in failing()
    wait_for(lambda: len(new_home.json("dags", "list")) > 1000, "a file with 1,000 DAGs is live", 60)
    new_home.run("dags", "trigger", "good", "many_0999", "--wait", "--timeout", "20")
    after = {actor["name"]: actor["pid"] for actor in new_home.json("cluster", "actors")}
    assert after == before, "no control plane actor was restarted"
