"""Every trigger rule below one and two upstreams in every state, two of them ended in both orders.

What is expected is not written here but taken from ../trigger_rules.md.
"""

from skyray import DAG, TriggerRule, task
from skyray.exceptions import AirflowException, AirflowSkipException
from skyray.operators import EmptyOperator

RULES = [rule.value for rule in TriggerRule if rule.value != "all_done_setup_success"]
STATES = "SFKU"


def end(state: str) -> None:
    if state == "F":
        raise AirflowException("on purpose")
    if state == "K":
        raise AirflowSkipException("on purpose")


def ending(name: str, state: str, after: object = None) -> object:
    """A task that ends in a state, once another has ended."""
    first = "F" if state == "U" else state
    source = task(task_id=f"{name}_source" if state == "U" else name, trigger_rule="all_done")(end)(first)
    if after is not None:
        after >> source
    return source >> EmptyOperator(task_id=name) if state == "U" else source


with DAG("trigger_rules", max_active_tasks=1000):
    for one in STATES:
        single = ending(f"up_{one}", one)
        for rule in RULES:
            single >> EmptyOperator(task_id=f"{one}-{rule}", trigger_rule=rule)
        for two in STATES:
            first = ending(f"up_{one}{two}_1", one)
            second = ending(f"up_{one}{two}_2", two, after=first)
            for rule in RULES:
                [first, second] >> EmptyOperator(task_id=f"{one}{two}-{rule}", trigger_rule=rule)
