"""How tries end: every kind of exception, exits, limits of time; and what a retry does and does not."""

import contextlib
import os
import signal
import sys
import time
from datetime import timedelta

from skyray import DAG, get_current_context, task
from skyray.exceptions import (
    AirflowException,
    AirflowFailException,
    AirflowSensorTimeout,
    AirflowSkipException,
    AirflowTaskTimeout,
)
from skyray.operators import BashOperator, EmptyOperator

AGAIN = {"retries": 1, "retry_delay": timedelta(milliseconds=10)}
RAISED = {
    "value_error": (ValueError("no"), "failed", 2),
    "airflow_exception": (AirflowException("no"), "failed", 2),
    "fail": (AirflowFailException("no"), "failed", 1),
    "sensor_timeout": (AirflowSensorTimeout("no"), "failed", 1),
    "task_timeout": (AirflowTaskTimeout("no"), "failed", 2),
    "skip": (AirflowSkipException("no"), "skipped", 1),
    "exit_0": (SystemExit(0), "failed", 2),
    "exit_none": (SystemExit(), "failed", 2),
    "exit_3": (SystemExit(3), "failed", 2),
    "interrupt": (KeyboardInterrupt(), "failed", 2),
    "base": (BaseException("no"), "failed", 2),
    "generator_exit": (GeneratorExit(), "failed", 2),
    "stop": (StopIteration(), "failed", 2),
    "unprintable": (ValueError("\udc80 \x00 \n\n tail"), "failed", 2),
}

EXPECTED = {}

with DAG("endings", default_args=AGAIN):
    for name, (_error, _, _) in RAISED.items():

        @task(task_id=name)
        def end(name: str = name):
            raise RAISED[name][0]

        end()

EXPECTED["endings"] = {
    "run": "failed",
    "tasks": {name: (state, tries) for name, (_, state, tries) in RAISED.items()},
    "only_cluster": True,  # a KeyboardInterrupt ends a local run
}

with DAG("retries"):

    @task(retries=2, retry_delay=timedelta(milliseconds=10))
    def third_time():
        ti = get_current_context()["ti"]
        before = ti.xcom_pull(key="mark", task_ids="third_time")
        print(f"try {ti.try_number} of {ti.max_tries + 1}, before: {before}")
        ti.xcom_push("mark", ti.try_number)
        if ti.try_number < 3:
            raise ValueError("not yet")
        return ti.try_number

    @task
    def after(number):
        assert number == 3, number

    @task(retries=1, retry_delay=0.01, execution_timeout=timedelta(seconds=0.3))
    def sleeps():
        time.sleep(60)

    @task(execution_timeout=timedelta(seconds=0.3))
    def swallows():
        with contextlib.suppress(Exception):  # AirflowTaskTimeout is a BaseException: this does not stop it
            time.sleep(60)

    @task(execution_timeout=timedelta(seconds=30))
    def in_time():
        time.sleep(0.01)

    @task(retries=1, retry_delay=0.01)
    def sys_exits():
        sys.exit("bye")

    after(third_time())
    sleeps() >> EmptyOperator(task_id="below_sleeps")
    swallows()
    in_time()
    sys_exits()
    BashOperator(
        task_id="bash_timeout",
        bash_command="sleep 60",
        execution_timeout=timedelta(seconds=0.3),
        retries=1,
        retry_delay=timedelta(milliseconds=1),
    )

EXPECTED["retries"] = {
    "run": "failed",
    "tasks": {
        "third_time": ("success", 3),
        "after": ("success", 1),
        "sleeps": ("failed", 2),
        "below_sleeps": ("upstream_failed", 0),
        "swallows": ("failed", 1),
        "in_time": ("success", 1),
        "sys_exits": ("failed", 2),
        "bash_timeout": ("failed", 2),
    },
    "log": {
        ("third_time", 3): ["try 3 of 3, before: None"],
        ("third_time", 1): ["try 1 of 3, before: None", "not yet"],
    },
}

with DAG("leaf_masks_failure"):

    @task
    def fails():
        raise ValueError

    fails() >> EmptyOperator(task_id="leaf", trigger_rule="all_done")

EXPECTED["leaf_masks_failure"] = {"run": "success", "tasks": {"fails": "failed", "leaf": "success"}}

with DAG("leaves"):

    @task(retries=1, retry_delay=0.01)
    def leaves():
        """Ends its process on purpose: a failure of its own, which takes a retry."""
        os._exit(3)

    leaves()

EXPECTED["leaves"] = {"run": "failed", "tasks": {"leaves": ("failed", 2)}}

with DAG("dies"):

    @task(retries=1, retry_delay=0.01)
    def is_killed_once(ti):
        """Its process is killed: a lost worker, so it runs again without taking a retry."""
        marker = f"/tmp/skyray-test-{ti.dag_run.conf['marker']}"
        if not os.path.exists(marker):
            with open(marker, "w"):
                os.kill(os.getpid(), signal.SIGKILL)
        os.unlink(marker)

    is_killed_once()

EXPECTED["dies"] = {
    "run": "success",
    "tasks": {"is_killed_once": ("success", 1)},
    "conf": {"marker": str(time.time_ns())},
    "only_cluster": True,
}
