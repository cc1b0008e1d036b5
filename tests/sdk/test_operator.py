"""BaseOperator: default_args, every argument, what is refused, Ray's own arguments, hooks, the pool of attributes."""

from __future__ import annotations

import copy
from datetime import datetime, timedelta, timezone
from typing import Any

import pytest

from skyray import DAG, BaseOperator, Param, TaskGroup, TriggerRule, WeightRule
from skyray.core.model import ResourceSpec
from skyray.errors import UnsupportedFeatureError
from skyray.exceptions import AirflowException
from skyray.operators import BashOperator, EmptyOperator, PythonOperator
from skyray.sdk.defaults import Defaults, use_defaults


class Copy(BaseOperator):
    template_fields = ("source", "target")

    def __init__(self, *, source: str, target: str, chunk: int = 10, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.source = source
        self.target = target
        self.chunk = chunk


class CopyTwice(Copy):
    def __init__(self, *, second: str, **kwargs: Any) -> None:
        kwargs.setdefault("owner", "twice")
        super().__init__(**kwargs)
        self.second = second


class Inherits(Copy):
    pass


def test_defaults_are_airflows() -> None:
    task = EmptyOperator(task_id="a")
    found = {
        name: getattr(task, name)
        for name in (
            *("owner", "retries", "retry_delay", "retry_exponential_backoff", "max_retry_delay", "start_date"),
            *("end_date", "priority_weight", "weight_rule", "queue", "pool", "pool_slots", "execution_timeout"),
            *("trigger_rule", "max_active_tis_per_dag", "max_active_tis_per_dagrun", "do_xcom_push"),
            *("multiple_outputs", "render_template_as_native_obj", "inlets", "outlets", "executor_config"),
        )
    }
    assert found == {
        "owner": "airflow",
        "retries": 0,
        "retry_delay": timedelta(seconds=300),
        "retry_exponential_backoff": 0,
        "max_retry_delay": None,
        "start_date": None,
        "end_date": None,
        "priority_weight": 1,
        "weight_rule": "downstream",
        "queue": "default",
        "pool": "default_pool",
        "pool_slots": 1,
        "execution_timeout": None,
        "trigger_rule": "all_success",
        "max_active_tis_per_dag": None,
        "max_active_tis_per_dagrun": None,
        "do_xcom_push": True,
        "multiple_outputs": False,
        "render_template_as_native_obj": None,
        "inlets": [],
        "outlets": [],
        "executor_config": {},
    }
    assert task.resource_spec == ResourceSpec()


# ------------------------------------------------------------------------------------------------ default_args
def test_default_args_precedence() -> None:
    """The call's arguments, over the task's default_args, over inner and outer group's, over the DAG's."""
    with DAG("d", default_args={"owner": "dag", "retries": 1, "pool": "dag", "source": "dag", "target": "dag"}):
        with (
            TaskGroup("outer", default_args={"owner": "outer", "retries": 2, "pool": "outer"}),
            TaskGroup("inner", default_args={"retries": 3, "source": "inner"}),
        ):
            plain = Copy(task_id="plain")
            own = Copy(task_id="own", default_args={"retries": 4, "target": "own"})
            call = Copy(task_id="call", default_args={"retries": 4}, retries=5, source="call")
        outside = Copy(task_id="outside")
    found = [(t.owner, t.retries, t.pool, t.source, t.target) for t in (plain, own, call, outside)]
    assert found == [
        ("outer", 3, "outer", "inner", "dag"),
        ("outer", 4, "outer", "inner", "own"),
        ("outer", 5, "outer", "call", "dag"),
        ("dag", 1, "dag", "dag", "dag"),
    ]


def test_default_args_reach_every_class_of_the_hierarchy() -> None:
    with DAG("d", default_args={"source": "s", "target": "t", "second": "2", "chunk": 7, "retries": 9, "owner": "o"}):
        task = CopyTwice(task_id="a")
        inherited = Inherits(task_id="b")
    # A value that the subclass passes on is the call's own.
    assert (task.source, task.second, task.chunk, task.retries, task.owner) == ("s", "2", 7, 9, "twice")
    assert (inherited.chunk, inherited.owner) == (7, "o")


def test_default_args_apply_to_tasks_given_a_dag_or_group() -> None:
    dag = DAG("d", default_args={"owner": "dag"})
    group = TaskGroup("g", dag=dag, default_args={"retries": 3})
    assert EmptyOperator(task_id="a", dag=dag).owner == "dag"
    task = EmptyOperator(task_id="b", task_group=group)
    assert (task.task_id, task.owner, task.retries, task.dag) == ("g.b", "dag", 3, dag)


def test_default_args_that_an_operator_does_not_know_are_left_out() -> None:
    with DAG("d", default_args={"bash_command": "x", "nonsense": 1}):
        EmptyOperator(task_id="a")
        assert BashOperator(task_id="b").bash_command == "x"


def test_params_of_all_levels_are_joined() -> None:
    with DAG("d"), TaskGroup("g", default_args={"params": {"a": 1, "b": 1}}):
        task = EmptyOperator(task_id="a", default_args={"params": {"b": 2, "c": 2}}, params={"c": Param(3)})
    assert dict(task.params) == {"a": 1, "b": 2, "c": 3}


def test_refused_default_arg_is_refused() -> None:
    with (
        DAG("d", default_args={"depends_on_past": True}),
        pytest.raises(UnsupportedFeatureError, match="task 'a': the argument depends_on_past=True"),
    ):
        EmptyOperator(task_id="a")


def test_deployments_default_retries() -> None:
    with use_defaults(Defaults(retries=4)):
        assert EmptyOperator(task_id="a").retries == 4
        assert EmptyOperator(task_id="a", retries=1).retries == 1


# ------------------------------------------------------------------------------------------------ arguments
@pytest.mark.parametrize(
    ("arguments", "error", "words"),
    [
        ({}, TypeError, "missing keyword argument 'task_id'"),
        ({"task_id": 1}, TypeError, "string"),
        ({"task_id": "a b"}, ValueError, "'a b'"),
        ({"task_id": "x" * 251}, ValueError, "251"),
        ({"task_id": "a", "nonsense": 1}, TypeError, r"EmptyOperator \(task_id: a\): invalid arguments.*nonsense"),
        ({"task_id": "a", "trigger_rule": "all_good"}, ValueError, "one of all_done, .*one_success; got 'all_good'"),
        ({"task_id": "a", "trigger_rule": "all_done_setup_success"}, UnsupportedFeatureError, "teardown"),
        ({"task_id": "a", "weight_rule": "heavy"}, ValueError, "absolute, downstream, upstream; got 'heavy'"),
        ({"task_id": "a", "weight_rule": object()}, UnsupportedFeatureError, "custom priority weight strategy"),
        ({"task_id": "a", "weight_rule": 3}, TypeError, "weight_rule"),
        ({"task_id": "a", "priority_weight": 1.5}, TypeError, "priority_weight"),
        ({"task_id": "a", "pool_slots": 0}, ValueError, "pool_slots must be at least 1; got 0"),
        ({"task_id": "a", "pool": 3}, TypeError, "pool"),
        ({"task_id": "a", "retries": -1}, ValueError, "retries"),
        ({"task_id": "a", "retries": "3"}, TypeError, "retries"),
        ({"task_id": "a", "retries": True}, TypeError, "retries"),
        ({"task_id": "a", "retry_delay": "5m"}, TypeError, "retry_delay"),
        ({"task_id": "a", "retry_delay": -5}, ValueError, "retry_delay"),
        ({"task_id": "a", "retry_exponential_backoff": -1}, ValueError, "retry_exponential_backoff"),
        ({"task_id": "a", "max_retry_delay": "1h"}, TypeError, "max_retry_delay"),
        ({"task_id": "a", "execution_timeout": 30}, TypeError, "execution_timeout must be a timedelta"),
        ({"task_id": "a", "start_date": "now"}, TypeError, "start_date"),
        ({"task_id": "a", "max_active_tis_per_dag": 0}, ValueError, "max_active_tis_per_dag"),
        ({"task_id": "a", "do_xcom_push": "no"}, TypeError, "do_xcom_push"),
        ({"task_id": "a", "doc_md": 3}, TypeError, "doc_md"),
        ({"task_id": "a", "pre_execute": 3}, TypeError, "pre_execute must be callable"),
        ({"task_id": "a", "default_args": 3}, TypeError, "default_args"),
        ({"task_id": "a", "num_cpus": -1}, ValueError, "num_cpus"),
        ({"task_id": "a", "num_cpus": "2"}, TypeError, "num_cpus"),
        ({"task_id": "a", "num_cpus": True}, TypeError, "num_cpus"),
        ({"task_id": "a", "num_cpus": float("nan")}, ValueError, "num_cpus"),
        ({"task_id": "a", "num_cpus": float("inf")}, ValueError, "num_cpus"),
        ({"task_id": "a", "num_cpus": 0.00001}, ValueError, "0.0001"),
        ({"task_id": "a", "num_gpus": 1.5}, ValueError, "num_gpus above 1 must be whole"),
        ({"task_id": "a", "memory": 1.5}, ValueError, "memory"),
        ({"task_id": "a", "memory": "1GiB"}, TypeError, "memory"),
        ({"task_id": "a", "resources": ["x"]}, TypeError, "resources"),
        ({"task_id": "a", "resources": {"x": "1"}}, TypeError, r"resources\['x'\]"),
        ({"task_id": "a", "resources": {"x": None}}, TypeError, r"resources\['x'\]"),
        ({"task_id": "a", "resources": {"x": -1}}, ValueError, r"resources\['x'\]"),
        ({"task_id": "a", "resources": {1: 1}}, TypeError, "keys must be strings"),
        ({"task_id": "a", "resources": {"CPU": 1}}, ValueError, "num_cpus instead of 'CPU'"),
        ({"task_id": "a", "resources": {"GPU": 1}}, ValueError, "num_gpus instead of 'GPU'"),
        ({"task_id": "a", "resources": {"memory": 1}}, ValueError, "memory"),
        ({"task_id": "a", "label_selector": {"a b": "c"}}, ValueError, "'a b'"),
        ({"task_id": "a", "label_selector": {"a": "in()"}}, ValueError, r"label_selector\['a'\]"),
        ({"task_id": "a", "label_selector": {"a": 1}}, TypeError, r"label_selector\['a'\]"),
        ({"task_id": "a", "accelerator_type": 4}, TypeError, "accelerator_type"),
        ({"task_id": "a", "runtime_env": "env"}, TypeError, "runtime_env"),
        ({"task_id": "a", "runtime_env": {"pip": {1, 2}}}, TypeError, "runtime_env must be made of plain JSON"),
    ],
)
def test_wrong_argument_raises_with_its_value(arguments: dict[str, Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        EmptyOperator(**arguments)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("retry_policy", object()),
        ("depends_on_past", True),
        ("ignore_first_depends_on_past", True),
        ("wait_for_past_depends_before_skipping", True),
        ("wait_for_downstream", True),
        ("queue", "gpu"),
        ("sla", timedelta(hours=1)),
        ("on_execute_callback", print),
        ("on_failure_callback", print),
        ("on_success_callback", [print]),
        ("on_retry_callback", print),
        ("on_skipped_callback", print),
        ("run_as_user", "root"),
        ("map_index_template", "{{ x }}"),
        ("executor", "KubernetesExecutor"),
        ("executor_config", {"pod_override": 1}),
        ("inlets", ["x"]),
        ("outlets", "x"),
        ("allow_nested_operators", False),
        ("email", "a@example.org"),
        ("scheduling_strategy", "SPREAD"),
        ("placement_group", object()),
        ("detached", True),
    ],
)
def test_unsupported_argument_is_refused_by_name(name: str, value: Any) -> None:
    with pytest.raises(UnsupportedFeatureError, match=rf"task 'a': the argument {name}="):
        EmptyOperator(task_id="a", **{name: value})


@pytest.mark.parametrize(
    "arguments",
    [
        {"depends_on_past": False, "wait_for_downstream": False},
        {"on_failure_callback": None, "on_success_callback": []},
        {"queue": "default", "executor_config": {}, "inlets": [], "outlets": None},
        {"email": "a@example.org", "email_on_failure": False, "email_on_retry": False},
        {"email_on_failure": True},
    ],
)
def test_unsupported_argument_that_asks_for_nothing_is_accepted(arguments: dict[str, Any]) -> None:
    EmptyOperator(task_id="a", **arguments)


def test_positional_arguments_are_refused() -> None:
    with pytest.raises(TypeError, match="keyword arguments"):
        EmptyOperator("a")  # type: ignore[misc]


def test_missing_arguments_of_an_operator_are_named() -> None:
    with pytest.raises(TypeError, match="Copy: missing keyword arguments 'source', 'target'"):
        Copy(task_id="a")
    with pytest.raises(TypeError, match="BashOperator: missing keyword argument 'bash_command'"):
        BashOperator(task_id="a")


@pytest.mark.parametrize("rule", [rule for rule in TriggerRule if rule is not TriggerRule.ALL_DONE_SETUP_SUCCESS])
def test_every_trigger_rule_is_accepted_as_text_and_as_enum(rule: TriggerRule) -> None:
    assert EmptyOperator(task_id="a", trigger_rule=rule).trigger_rule is rule
    assert EmptyOperator(task_id="a", trigger_rule=rule.value).trigger_rule is rule
    assert f"{rule}" == str(rule) == rule.value


def test_there_are_13_trigger_rules() -> None:
    assert len(TriggerRule.all_triggers()) == 13
    assert TriggerRule.is_valid("none_failed")
    assert not TriggerRule.is_valid("dummy")
    assert WeightRule.all_weight_rules() == {"downstream", "upstream", "absolute"}


@pytest.mark.parametrize(
    ("name", "given", "kept"),
    [
        ("priority_weight", 2**40, 2**31 - 1),
        ("priority_weight", -(2**40), -(2**31)),
        ("priority_weight", -5, -5),
        ("retry_delay", 30, timedelta(seconds=30)),
        ("retry_delay", 0, timedelta(0)),
        ("retry_delay", timedelta(minutes=1), timedelta(minutes=1)),
        ("max_retry_delay", 90.5, timedelta(seconds=90.5)),
        ("retry_exponential_backoff", True, 2.0),
        ("retry_exponential_backoff", False, 0.0),
        ("retry_exponential_backoff", 1.5, 1.5),
        ("pool", None, "default_pool"),
        ("pool", "gpu", "gpu"),
        ("weight_rule", "upstream", WeightRule.UPSTREAM),
        ("start_date", datetime(2026, 1, 1), datetime(2026, 1, 1, tzinfo=timezone.utc)),
        ("retries", None, 0),
    ],
)
def test_argument_is_converted(name: str, given: Any, kept: Any) -> None:
    assert getattr(EmptyOperator(task_id="a", **{name: given}), name) == kept


def test_rays_arguments_become_a_resource_spec() -> None:
    task = EmptyOperator(
        task_id="a",
        num_cpus=0,
        num_gpus=0.5,
        memory=2**30,
        resources={"special": 1, "license": 0.25},
        label_selector={"ray.io/market-type": "!spot", "zone": "in(a, b)"},
        accelerator_type="H200",
        runtime_env={"pip": ["polars"], "env_vars": {"A": "b"}},
    )
    assert task.resource_spec == ResourceSpec(
        num_cpus=0.0,
        num_gpus=0.5,
        memory=2**30,
        resources=(("license", 0.25), ("special", 1.0)),
        label_selector=(("ray.io/market-type", "!spot"), ("zone", "in(a, b)")),
        accelerator_type="H200",
        runtime_env_json='{"env_vars": {"A": "b"}, "pip": ["polars"]}',
    )


def test_rays_arguments_work_in_default_args() -> None:
    with DAG("d", default_args={"num_cpus": 0.1}):
        assert PythonOperator(task_id="a", python_callable=print).resource_spec.num_cpus == 0.1


# ------------------------------------------------------------------------------------------------ the class
def test_names() -> None:
    with DAG("d"), TaskGroup("g"):
        task = Inherits(task_id="a", source="s", target="t", task_display_name=None)
        shown = EmptyOperator(task_id="b", task_display_name="The b")
    assert (task.task_id, task.label, task.task_type, task.operator_name, task.dag_id) == (
        *("g.a", "a", "Inherits", "Inherits", "d"),
    )
    assert (task.task_display_name, shown.task_display_name) == ("a", "The b")
    assert repr(task) == "<Task(Inherits): g.a>"
    assert task.log.name.startswith("airflow.task.operators.")


def test_task_belongs_to_one_dag() -> None:
    task = EmptyOperator(task_id="a")
    assert not task.has_dag()
    assert task.get_dag() is None
    with pytest.raises(RuntimeError, match="not been assigned to a DAG"):
        _ = task.dag
    first, second = DAG("first"), DAG("second")
    task.dag = first
    assert task.has_dag()
    assert first.task_dict == {"a": task}
    task.dag = first
    with pytest.raises(AirflowException, match="'first' and cannot be moved to 'second'"):
        task.dag = second


def test_template_fields_must_not_be_one_string() -> None:
    class Comma(BaseOperator):
        template_fields = "source"

    with pytest.raises(TypeError, match="is a comma missing"):
        Comma(task_id="a")


def test_forgotten_super_call_is_named() -> None:
    class Forgets(BaseOperator):
        def __init__(self, **kwargs: Any) -> None:
            pass

    with pytest.raises(TypeError, match=r"Forgets\.__init__ did not call super"):
        Forgets(task_id="a")


def test_hooks_run_before_the_methods_also_of_a_copy() -> None:
    calls: list[Any] = []

    class Work(BaseOperator):
        def pre_execute(self, context: Any) -> None:
            calls.append(("method", self.owner, context))

    task = Work(
        task_id="a",
        owner="original",
        pre_execute=lambda context: calls.append(("hook", context)),
        post_execute=lambda context, result: calls.append(("after", context, result)),
    )
    copied = copy.copy(task)
    copied.owner = "copy"
    copied.pre_execute({})
    copied.post_execute({}, 5)
    assert calls == [("hook", {}), ("method", "copy", {}), ("after", {}, 5)]
    assert task.owner == "original"


@pytest.mark.parametrize(
    ("use", "words"),
    [
        (lambda task: task.defer(trigger=1, method_name="x"), r"defer\(\)"),
        (lambda task: type(task).partial(task_id="x"), r"partial\(\): dynamic task mapping"),
        (lambda task: task.expand(x=[1]), r"expand\(\): dynamic task mapping"),
        (lambda task: task.as_setup(), r"as_setup\(\)"),
        (lambda task: task.as_teardown(setups=task), r"as_teardown\(\)"),
        (lambda task: task.__enter__(), "setup and teardown scopes"),
        (lambda task: task.output.map(str), r"map\(\) \(dynamic task mapping\)"),
        (lambda task: task.output.zip(task.output), r"zip\(\)"),
        (lambda task: task.output.concat(task.output), r"concat\(\)"),
    ],
)
def test_unsupported_method_is_refused(use: Any, words: str) -> None:
    with pytest.raises(UnsupportedFeatureError, match=words):
        use(EmptyOperator(task_id="a"))


def test_execute_must_be_written() -> None:
    with pytest.raises(NotImplementedError, match="Copy has no execute"):
        Copy(task_id="a", source="s", target="t").execute({})
