"""What tasks hand to each other: return values, named values, several upstreams at once.

Shows: ``xcom_push`` and ``xcom_pull`` beside plain return values, pulling from a list of tasks, and a value that is
too large to travel with the message (a worker fetches it when it is needed).

    skyray dags submit examples/xcom.py
    skyray dags trigger xcom --wait
"""

from skyray import dag, get_current_context, task


@dag(schedule=None, tags=["example"])
def xcom():
    @task
    def measure(station: str) -> float:
        ti = get_current_context()["ti"]
        ti.xcom_push(key="unit", value="°C")  # beside the return value, under a name of its own
        return {"north": 11.5, "south": 18.25}[station]

    @task
    def large() -> list[int]:
        return list(range(50_000))  # a few hundred kilobytes as JSON

    @task
    def combine(numbers: list[int]) -> float:
        ti = get_current_context()["ti"]
        north, south = ti.xcom_pull(task_ids=["north", "south"])
        unit = ti.xcom_pull(task_ids="north", key="unit")
        print(f"mean temperature {(north + south) / 2} {unit}, and {len(numbers)} numbers")
        assert (north, south, unit, sum(numbers)) == (11.5, 18.25, "°C", 1_249_975_000)
        return (north + south) / 2

    stations = [measure.override(task_id=name)(name) for name in ("north", "south")]
    stations >> combine(large())


xcom()
