"""What tests/actors/test_on_ray.py runs. Each run's conf names a folder: tasks make and await files there."""

import contextlib
import datetime
import os
import signal
import time
from pathlib import Path

from skyray import DAG, get_current_context, task


def folder() -> Path:
    return Path(get_current_context()["dag_run"].conf["folder"])


def wait_for_file(name: str) -> None:
    while not (folder() / name).exists():
        time.sleep(0.02)


with DAG("pair", schedule=None):

    @task
    def first():
        print("to the log")
        return {"answer": 42}

    @task
    def second(given):
        assert given == {"answer": 42}
        return "x" * 200_000

    @task
    def third(given):
        assert len(given) == 200_000

    third(second(first()))

with DAG("gate", schedule=None):

    @task
    def wait():
        with (folder() / "began").open("a") as file:
            file.write(f"{os.getpid()}\n")
        print("waiting", flush=True)
        wait_for_file("release")

    @task
    def after(_):
        return 1

    after(wait())

with DAG("crash", schedule=None):

    @task(retries=0)
    def crash_once():
        mark = folder() / "crashed"
        if not mark.exists():
            mark.touch()
            os.kill(os.getpid(), signal.SIGKILL)

    crash_once()

with DAG("stubborn", schedule=None):

    @task
    def never_ends():
        (folder() / "began").write_text(str(os.getpid()))
        while True:
            with contextlib.suppress(BaseException):
                time.sleep(60)

    never_ends()

with DAG("bad_env", schedule=None):

    @task(runtime_env={"working_dir": "file:///there/is/no/such.zip"})
    def unreachable():
        return 1

    unreachable()

with DAG("env", schedule=None):

    @task(runtime_env={"env_vars": {"COLOUR": "green"}}, num_cpus=0.5)
    def colour():
        return os.environ["COLOUR"]

    colour()

with DAG("gpus", schedule=None):

    def visible():
        return [os.environ.get("CUDA_VISIBLE_DEVICES"), os.getpid()]

    before = task(task_id="before")(visible)()
    with_gpu = task(task_id="with_gpu", num_gpus=1)(visible)()
    afterwards = task(task_id="afterwards")(visible)()
    before >> with_gpu >> afterwards

with DAG("broad", schedule=None, max_active_tasks=1000):

    @task
    def leaf():
        with (folder() / get_current_context()["ti"].task_id).open("a") as file:
            file.write("x")

    for number in range(60):
        leaf.override(task_id=f"leaf{number}")()

with DAG("crowd", schedule=None, max_active_tasks=1000):

    @task
    def member():
        own = folder() / get_current_context()["ti"].task_id
        with own.open("a") as file:
            file.write("x")
        if own.name in ("member13", "member21") and own.stat().st_size == 1:
            os.kill(os.getpid(), signal.SIGSEGV if own.name == "member13" else signal.SIGKILL)
        if own.name == "member30":
            time.sleep(60)

    for number in range(40):
        limit = datetime.timedelta(seconds=0.3) if number == 30 else None
        member.override(task_id=f"member{number}", execution_timeout=limit)()

with DAG("sleepers", schedule=None, max_active_tasks=1000):

    @task
    def short():
        return 1

    @task
    def sleeper():
        (folder() / "began").touch()
        try:
            time.sleep(60)
        finally:
            (folder() / "interrupted").touch()

    first = short.override(task_id="first")()
    first >> sleeper()
    for number in range(20):
        first >> short.override(task_id=f"short{number}")()

with DAG("narrow", schedule=None, max_active_tasks=1000):

    @task
    def narrow():
        time.sleep(0.005)

    for number in range(400):
        narrow.override(task_id=f"narrow{number}")()

with DAG("whole_machine", schedule=None):

    @task(num_cpus=2)
    def whole():
        return 1

    whole()
