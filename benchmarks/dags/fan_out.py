"""One task, then many at once, then one: the widest that a run can be. ``fan_out_WIDTH``, for each width."""

from stamps import nothing

from skyray import DAG, task

WIDTHS = (20, 1000)

for width in WIDTHS:
    with DAG(f"fan_out_{width}", schedule=None, max_active_tasks=width + 2, default_args={"pool": "benchmarks"}):
        root = task(task_id="root")(nothing)()
        parts = [task(task_id=f"part_{index}")(nothing)() for index in range(width)]
        root >> parts >> task(task_id="join")(nothing)()
