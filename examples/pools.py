"""Six tasks that want the same database, of which only two may have it at a time.

Shows: ``pool`` and ``pool_slots``, for limits that Ray cannot know (connections, licences), and ``priority_weight``,
which says who goes first. The last task checks that there were never more than two at once. The pool has to exist
before:

    skyray pools set warehouse 2
    skyray dags submit examples/pools.py
    skyray dags trigger pools --wait
"""

import time

from skyray import dag, task

SLOTS = 2


@dag(schedule=None, tags=["example"])
def pools():
    @task(pool="warehouse", num_cpus=0.1)
    def query(number: int, slots: int) -> tuple[float, float, int]:
        began = time.time()
        time.sleep(0.3)
        print(f"query {number} took {slots} of {SLOTS} connections")
        return began, time.time(), slots

    @task
    def check(*spans: tuple[float, float, int]) -> int:
        """The most slots that were in use at any one moment."""
        moments = [began for began, _, _ in spans]
        most = max(sum(slots for began, ended, slots in spans if began <= moment < ended) for moment in moments)
        print(f"at most {most} slots were in use at once")
        assert most <= SLOTS, f"{most} slots of {SLOTS} in use"
        return most

    light = [query.override(task_id=f"light_{number}")(number, 1) for number in range(4)]
    # Takes both slots: it runs alone. Its weight puts it before the light ones.
    heavy = [
        query.override(task_id=f"heavy_{number}", pool_slots=2, priority_weight=10)(number, 2) for number in range(2)
    ]
    check(*heavy, *light)


pools()
