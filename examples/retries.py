"""A task that fails twice and succeeds at its third try, with a longer pause each time.

Shows: ``retries``, ``retry_delay``, ``retry_exponential_backoff``, ``max_retry_delay``, ``execution_timeout``, and
that each try has its own log. A try that is lost with its machine takes none of these retries.

    skyray dags submit examples/retries.py
    skyray dags trigger retries --wait
    skyray tasks logs retries RUN_ID flaky --try 1
"""

from datetime import timedelta

from skyray import dag, get_current_context, task


@dag(schedule=None, tags=["example"])
def retries():
    @task(
        retries=3,
        retry_delay=timedelta(seconds=0.5),
        retry_exponential_backoff=True,
        max_retry_delay=timedelta(seconds=2),
        execution_timeout=timedelta(minutes=1),
    )
    def flaky() -> int:
        try_number = get_current_context()["ti"].try_number
        print(f"try {try_number}")
        if try_number < 3:
            raise ConnectionError(f"the service is not there yet (try {try_number})")
        return try_number

    @task
    def celebrate(tries: int) -> None:
        print(f"it took {tries} tries")

    celebrate(flaky())


retries()
