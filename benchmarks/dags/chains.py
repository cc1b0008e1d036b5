"""Tasks one after another. ``chain``: ten that do nothing, for many runs at once. ``hops_LENGTH``: they say when they
ran, for the time between the end of one and the start of the next. ``single``: one that says when it ran."""

from stamps import nothing, stamp

from skyray import DAG, chain, task

LENGTHS = (8, 50)

with DAG("chain", schedule=None, max_active_runs=1000, default_args={"pool": "benchmarks"}):
    chain(*[task(task_id=f"link_{index}")(nothing)() for index in range(10)])

for length in LENGTHS:
    with DAG(f"hops_{length}", schedule=None, default_args={"pool": "benchmarks"}):
        chain(*[task(task_id=f"hop_{index:02}")(stamp)() for index in range(length)])

with DAG("single", schedule=None, default_args={"pool": "benchmarks"}):
    task(task_id="only")(stamp)()
