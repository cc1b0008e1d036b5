"""@task and its relatives, as authors use them: ids, arguments, context, outputs, options, and what they run."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, TypedDict

import pytest

from skyray import DAG, TaskGroup, XComArg, task
from skyray.errors import UnsupportedFeatureError
from skyray.operators import EmptyOperator, PythonOperator
from skyray.sdk.task import returns_mapping

if TYPE_CHECKING:
    from decimal import Decimal as OnlyForTheChecker


class Row(TypedDict):
    a: int


def run(output: XComArg, **context: Any) -> Any:
    return output.operator.execute(context)  # type: ignore[arg-type]


def test_calling_makes_a_task() -> None:
    @task
    def add(a: int, b: int = 2) -> int:
        """Adds.

        Two numbers.
        """
        return a + b

    with DAG("d") as dag:
        output = add(1, b=5)
    made = dag.get_task("add")
    assert output == XComArg(made)
    assert (made.operator_name, made.doc_md, made.multiple_outputs) == ("@task", "Adds.\n\nTwo numbers.", False)
    assert run(output) == 6
    assert add.function(1) == 3
    assert (add.__name__, add.__wrapped__) == ("add", add.function)  # type: ignore[attr-defined]


def test_ids_get_a_number_when_used_again() -> None:
    @task
    def f() -> None: ...

    with DAG("d") as dag:
        for _ in range(3):
            f()
        with TaskGroup("g"):
            f()
            f()
        f.override(task_id="f__1")()
        f.override(task_id="own")()
    assert dag.task_ids == ["f", "f__1", "f__2", "g.f", "g.f__1", "f__3", "own"]


def test_options_go_to_the_operator() -> None:
    @task(retries=3, pool="p", num_cpus=0.5, task_id="named", trigger_rule="all_done")
    def f() -> None: ...

    with DAG("d"):
        made = f().operator
        other = f.override(retries=1)().operator
    assert (made.task_id, made.retries, made.pool, made.resource_spec.num_cpus) == ("named", 3, "p", 0.5)
    assert (other.task_id, other.retries, other.trigger_rule) == ("named__1", 1, "all_done")


@pytest.mark.parametrize(
    ("decorate", "error", "words"),
    [
        (lambda: task(nonsense=1), TypeError, "@task got unexpected keyword arguments: nonsense"),
        (lambda: task.branch(env={}), TypeError, "@task.branch got unexpected keyword arguments: env"),
        (lambda: task.bash(bash_command="x"), TypeError, "bash_command"),
        (lambda: task(op_args=[]), TypeError, "op_args"),
        (lambda: task("name"), TypeError, "decorates a function"),
        (lambda: task(lambda self: 1), TypeError, "does not support methods"),
        (lambda: task(lambda ti=3: 1), ValueError, "'ti' is filled from the context"),
    ],
)
def test_wrong_decoration_raises(decorate: Callable[[], Any], error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        decorate()


@pytest.mark.parametrize(
    ("args", "kwargs", "words"),
    [
        ((), {}, "missing argument 'a'"),
        ((1, 2, 3, 4), {}, "too many positional"),
        ((1,), {"zzz": 1}, "zzz"),
        ((1,), {"a": 1}, "multiple values"),
    ],
)
def test_wrong_call_raises_at_parse_time(args: tuple[Any, ...], kwargs: dict[str, Any], words: str) -> None:
    @task
    def f(a: int, b: int = 1, ti: Any = None) -> None: ...

    with DAG("d") as dag, pytest.raises(TypeError, match=words):
        f(*args, **kwargs)
    assert dag.tasks == []


@pytest.mark.parametrize(
    "name",
    [
        *("virtualenv", "external_python", "branch_virtualenv", "branch_external_python", "sensor", "docker"),
        *("kubernetes", "pyspark", "run_if", "skip_if", "stub", "setup", "teardown"),
    ],
)
def test_unsupported_decorator_is_refused_by_name(name: str) -> None:
    with pytest.raises(UnsupportedFeatureError, match=rf"@task\.{name} is not supported yet"):
        getattr(task, name)
    with pytest.raises(AttributeError, match=r"there is no @task\.nonsense"):
        _ = task.nonsense


@pytest.mark.parametrize("method", ["expand", "partial", "expand_kwargs"])
def test_mapping_is_refused_by_name(method: str) -> None:
    @task
    def f(x: int) -> None: ...

    with pytest.raises(UnsupportedFeatureError, match=rf"f\.{method}\(\): dynamic task mapping is not supported yet"):
        getattr(f, method)()


# ------------------------------------------------------------------------------------------------ outputs
def _quoted() -> dict[str, OnlyForTheChecker]: ...  # type: ignore[empty-body]
def _mapping() -> Mapping[str, int]: ...  # type: ignore[empty-body]
def _dict(x: OnlyForTheChecker) -> dict: ...  # type: ignore[type-arg, empty-body]
def _typed() -> Row: ...  # type: ignore[empty-body]
def _list() -> list[int]: ...  # type: ignore[empty-body]
def _maybe() -> dict[str, int] | None: ...
def _nothing(): ...  # type: ignore[no-untyped-def]
def _any() -> Any: ...


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (_mapping, True),
        (_dict, True),
        (_typed, True),
        (_list, False),
        (_maybe, False),
        (_nothing, False),
        (_any, False),
        (_quoted, False),  # cannot be evaluated
    ],
)
def test_multiple_outputs_is_inferred_from_the_annotation(function: Callable[..., Any], expected: bool) -> None:
    assert returns_mapping(function) is expected
    with DAG("d"):
        made = task(function).override(task_id="t")(*([1] if function is _dict else [])).operator
        told = task(
            function,
        ).override(task_id="u", multiple_outputs=not expected)
    assert made.multiple_outputs is expected
    assert told.kwargs["multiple_outputs"] is not expected


def test_one_output_of_several() -> None:
    @task
    def make() -> dict[str, int]:
        return {"a": 1}

    @task
    def use(x: int, y: list[int]) -> None: ...

    with DAG("d"):
        made = make()
        used = use(made["a"], [made]).operator
    assert used.upstream_task_ids == {"make"}


# ------------------------------------------------------------------------------------------------ the context
def test_function_gets_what_it_names_of_the_context() -> None:
    @task
    def f(a: int, ds: str, ti: Any = None, *, params: Any = None, run_id: str | None = None) -> Any:
        return a, ds, ti, params, run_id

    with DAG("d"):
        output = f(1)
    assert run(output, ds="2026", ti="TI", params={}, run_id="r", dag_run=1) == (1, "2026", "TI", {}, "r")


def test_argument_of_the_author_wins_over_the_context() -> None:
    @task
    def f(ds: str, ti: Any = None) -> Any:
        return ds, ti

    with DAG("d"):
        assert run(f("mine"), ds="context", ti=1) == ("mine", 1)
        assert run(f(ds="mine"), ds="context", ti=1) == ("mine", 1)


def test_function_with_wildcard_gets_all() -> None:
    @task
    def f(a: int, **context: Any) -> Any:
        return a, sorted(context)

    with DAG("d"):
        assert run(f(1), ds="x", run_id="r") == (1, ["ds", "run_id", "templates_dict"])


def test_only_what_is_named_is_looked_up() -> None:
    class Costly(dict[str, Any]):
        def __getitem__(self, key: str) -> Any:
            assert key == "ds", f"{key} was not asked for"
            return super().__getitem__(key)

    @task
    def f(ds: str) -> str:
        return ds

    with DAG("d"):
        assert f().operator.execute(Costly(ds=1, ti=2, params=3)) == 1  # type: ignore[arg-type]


def test_missing_context_key_is_named() -> None:
    @task
    def f(ds: str, ts: str | None = None) -> str:
        return ds

    with DAG("d"):
        output = f()
    with pytest.raises(KeyError, match="ds"):
        run(output, run_id="manual run without a date")


def test_async_function() -> None:
    @task
    async def f(x: int) -> int:
        await asyncio.sleep(0)
        return x + 1

    with DAG("d"):
        assert run(f(1)) == 2


def test_python_operator_gets_arguments_templates_and_context() -> None:
    made = PythonOperator(
        task_id="a",
        python_callable=lambda x, y, templates_dict, ds: (x, y, templates_dict, ds),
        op_args=[1],
        op_kwargs={"y": 2, "unknown": 3},
        templates_dict={"t": "v"},
        templates_exts=[".sql"],
    )
    assert made.execute({"ds": "2026"}) == (1, 2, {"t": "v"}, "2026")
    assert made.op_kwargs == {"y": 2, "unknown": 3}
    assert made.template_ext == (".sql",)
    assert PythonOperator(task_id="a", python_callable=max, op_args=[1, 2]).execute({}) == 2
    with pytest.raises(TypeError, match="python_callable must be callable"):
        PythonOperator(task_id="a", python_callable=3)  # type: ignore[arg-type]


# ------------------------------------------------------------------------------------------------ relatives
def test_task_python_is_task() -> None:
    @task.python(retries=1)
    def f() -> int:
        return 1

    with DAG("d"):
        assert f().operator.operator_name == "@task"


def test_bash_task_runs_what_the_function_returns() -> None:
    @task.bash(env={"WHO": "you"}, append_env=True)
    def greet(word: str) -> str:
        return f"echo one; echo {word} $WHO"

    with DAG("d"):
        output = greet("hello")
    assert (output.operator.operator_name, output.operator.task_id) == ("@task.bash", "greet")
    assert run(output) == "hello you"


@pytest.mark.parametrize("returned", [None, "", "  ", 3])
def test_bash_task_must_return_a_command(returned: Any) -> None:
    @task.bash
    def f() -> str:
        return returned  # type: ignore[no-any-return]

    with DAG("d"):
        output = f()
    with pytest.raises(TypeError, match="must return a command"):
        run(output)


def test_template_in_a_returned_command_is_not_left_as_it_is() -> None:
    @task.bash
    def f() -> str:
        return "echo {{ ds }}"

    class Instance:
        def render_text(self, text: str) -> str:
            return text.replace("{{ ds }}", "2026")

    with DAG("d"):
        output = f()
    with pytest.raises(UnsupportedFeatureError, match="template"):
        run(output)
    assert run(output, ti=Instance()) == "2026"


def test_dag_task_puts_tasks_into_its_dag() -> None:
    dag = DAG("d", default_args={"owner": "me"})

    @dag.task
    def f() -> None: ...

    @dag.task(retries=2)
    def g() -> None: ...

    f() >> g()
    assert dag.task_ids == ["f", "g"]
    assert (dag.get_task("g").owner, dag.get_task("g").retries) == ("me", 2)
    with DAG("other"):
        assert f().operator.dag is dag
    assert EmptyOperator(task_id="x").get_dag() is None
