"""Task groups, and what happens after a failure: one branch of the work fails, and the DAG deals with it.

Shows: ``@task_group`` (its tasks get its name as a prefix), nested groups, ``chain``, and the trigger rules
``one_failed`` (an alarm), ``all_done`` (cleaning up, whatever happened) and ``all_success`` (skips nothing, waits
for all: the default). ``check.bad_source`` fails on purpose; the run succeeds, since its last task does.

    skyray dags submit examples/groups_and_rules.py
    skyray dags trigger groups_and_rules --wait
    skyray tasks list groups_and_rules RUN_ID
"""

from skyray import chain, dag, task, task_group


@dag(schedule=None, tags=["example"])
def groups_and_rules():
    @task
    def start() -> None:
        print("let's go")

    @task_group
    def check():
        @task
        def good_source() -> None:
            print("this one answers")

        @task
        def bad_source() -> None:
            raise ConnectionError("this source is down, on purpose")

        @task_group
        def details():
            @task
            def sizes() -> None:
                print("sizes look right")

            sizes()

        good_source() >> details()
        bad_source()

    @task(trigger_rule="one_failed")
    def alarm() -> None:
        print("something failed: somebody should look")

    @task
    def celebrate() -> None:
        print("never printed: not all of it succeeded")

    @task(trigger_rule="all_done")
    def clean_up() -> None:
        print("whatever happened, temporary files are gone")

    chain(start(), check(), [alarm(), celebrate()], clean_up())


groups_and_rules()
