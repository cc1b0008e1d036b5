"""``@task``: a function becomes a task, by calling it in a DAG. And ``@task.branch``, ``.short_circuit``, ``.bash``.

Calling a decorated function runs nothing: it makes an operator and returns its output, to be passed on to others.
"""

from __future__ import annotations

import functools
import inspect
import typing
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, overload

from skyray.operators.python import BranchPythonOperator, PythonOperator, ShortCircuitOperator
from skyray.sdk.context import KNOWN_CONTEXT_KEYS
from skyray.sdk.current import current_dag, current_group
from skyray.sdk.ids import unique_id
from skyray.sdk.operator import BaseOperator
from skyray.sdk.unsupported import refuse
from skyray.sdk.xcom_arg import XComArg

_REFUSED_DECORATORS = frozenset(
    {
        *("virtualenv", "external_python", "branch_virtualenv", "branch_external_python", "sensor", "stub"),
        *("run_if", "skip_if", "docker", "kubernetes", "kubernetes_cmd", "pyspark", "snowpark", "llm", "llm_branch"),
        *("agent", "setup", "teardown"),
    }
)


class _PythonTask(PythonOperator):
    custom_operator_name = "@task"


class _BranchTask(BranchPythonOperator):
    custom_operator_name = "@task.branch"


class _ShortCircuitTask(ShortCircuitOperator):
    custom_operator_name = "@task.short_circuit"


class TaskFunction:
    """A function decorated with ``@task``. Calling it in a DAG makes a task; ``.function`` is the plain function."""

    def __init__(self, function: Callable[..., Any], operator: type[BaseOperator], kwargs: Mapping[str, Any]) -> None:
        if not callable(function):
            raise TypeError(f"@task decorates a function, not {type(function).__name__}: {function!r}")
        self.function = function
        self.operator = operator
        self.kwargs = dict(kwargs)
        self._signature = inspect.signature(function)
        _check_signature(function, self._signature)
        _check_arguments(operator, self.kwargs)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> XComArg:
        """Make a task that will call the function with these arguments. Returns the task's output."""
        self._check_call(args, kwargs)
        options = dict(self.kwargs)
        group = options.get("task_group")
        dag = options.get("dag") or (group.dag if group is not None else current_dag())
        group = group or current_group(dag)
        task_id = options.pop("task_id", None) or self.function.__name__
        if dag is not None and isinstance(task_id, str):
            task_id = unique_id(task_id, dag.used_ids, group.child_id("") if group else "")
        if options.get("multiple_outputs") is None:
            options["multiple_outputs"] = returns_mapping(self.function)
        if self.function.__doc__ and not any(
            options.get(f"doc{kind}") for kind in ("", "_md", "_json", "_yaml", "_rst")
        ):
            options["doc_md"] = inspect.cleandoc(self.function.__doc__)
        task = self.operator(task_id=task_id, python_callable=self.function, op_args=args, op_kwargs=kwargs, **options)
        return XComArg(task)

    def override(self, **kwargs: Any) -> TaskFunction:
        """The same function with other arguments for its task: ``f.override(task_id="again", retries=3)(x)``."""
        return TaskFunction(self.function, self.operator, {**self.kwargs, **kwargs})

    def partial(self, **_: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse(f"{self.function.__name__}.partial(): dynamic task mapping")

    def expand(self, **_: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse(f"{self.function.__name__}.expand(): dynamic task mapping")

    def expand_kwargs(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse(f"{self.function.__name__}.expand_kwargs(): dynamic task mapping")

    def __repr__(self) -> str:
        return f"<@task function {self.function.__name__}>"

    def _check_call(self, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        """Raise now, at the author's line, what calling the function in the worker would raise."""
        name = self.function.__name__
        try:
            bound = self._signature.bind_partial(*args, **kwargs)
        except TypeError as error:
            raise TypeError(f"{name}{self._signature}: {error}") from None
        missing = [
            repr(parameter.name)
            for parameter in self._signature.parameters.values()
            if parameter.name not in bound.arguments
            and parameter.name not in KNOWN_CONTEXT_KEYS
            and parameter.default is parameter.empty
            and parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
        ]
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise TypeError(f"{name}{self._signature}: missing argument{plural} {', '.join(missing)}")


def _check_signature(function: Callable[..., Any], signature: inspect.Signature) -> None:
    if "self" in signature.parameters:
        raise TypeError(f"@task does not support methods; {function!r} has a parameter `self`")
    for parameter in signature.parameters.values():
        if parameter.name in KNOWN_CONTEXT_KEYS and parameter.default not in (None, parameter.empty):
            raise ValueError(
                f"the parameter {parameter.name!r} is filled from the context and can have no default but None; "
                f"got {parameter.default!r}"
            )


def _check_arguments(operator: type[BaseOperator], kwargs: Mapping[str, Any]) -> None:
    known: set[str] = set()
    for kind in operator.__mro__:
        init = vars(kind).get("__init__")
        if init is not None and kind is not object:
            known.update(inspect.signature(init).parameters)
    known -= {"self", "kwargs", "python_callable", "op_args", "op_kwargs", "bash_command"}
    unknown = sorted(kwargs.keys() - known)
    if unknown:
        raise TypeError(f"{operator.custom_operator_name} got unexpected keyword arguments: {', '.join(unknown)}")


def returns_mapping(function: Callable[..., Any]) -> bool:
    """Whether a function's return annotation is a mapping (dict, Mapping, a TypedDict, …)."""
    plain = inspect.unwrap(function)
    annotation = getattr(plain, "__annotations__", {}).get("return")
    if isinstance(annotation, str):
        # Only this annotation is evaluated: the others may name what only a type checker knows.
        holder = type("_Holder", (), {"__annotations__": {"result": annotation}})
        try:
            annotation = typing.get_type_hints(holder, getattr(plain, "__globals__", {})).get("result")
        except Exception:  # noqa: BLE001 - evaluating an author's text can raise anything; he may say multiple_outputs
            return False
    kind = typing.get_origin(annotation) or annotation
    return isinstance(kind, type) and issubclass(kind, Mapping)


class TaskDecorators:
    """``task``: the decorator ``@task`` (= ``@task.python``) and its relatives as attributes."""

    def __init__(self, kwargs: Mapping[str, Any] | None = None) -> None:
        self._kwargs = dict(kwargs or {})

    @overload
    def __call__(self, python_callable: Callable[..., Any], /) -> TaskFunction: ...
    @overload
    def __call__(
        self, python_callable: None = None, /, **kwargs: Any
    ) -> Callable[[Callable[..., Any]], TaskFunction]: ...
    def __call__(self, python_callable: Callable[..., Any] | None = None, /, **kwargs: Any) -> Any:
        """Make a task of a function. Takes ``multiple_outputs`` and every argument of ``BaseOperator``.

        >>> @task(retries=2)
        ... def double(x: int) -> int:
        ...     return 2 * x
        """
        return self._decorate(_PythonTask, python_callable, kwargs)

    python = __call__

    def branch(self, python_callable: Callable[..., Any] | None = None, /, **kwargs: Any) -> Any:
        """Make a task of a function that returns the id, or ids, of the tasks or groups to follow."""
        return self._decorate(_BranchTask, python_callable, kwargs)

    def short_circuit(self, python_callable: Callable[..., Any] | None = None, /, **kwargs: Any) -> Any:
        """Make a task of a function that decides whether anything downstream runs."""
        return self._decorate(_ShortCircuitTask, python_callable, kwargs)

    def bash(self, python_callable: Callable[..., Any] | None = None, /, **kwargs: Any) -> Any:
        """Make a task of a function that returns a bash command."""
        from skyray.operators.bash_task import BashTask  # a process is started by few: its imports need not cost all

        return self._decorate(BashTask, python_callable, kwargs)

    def __getattr__(self, name: str) -> NoReturn:
        if name in _REFUSED_DECORATORS:
            refuse(f"@task.{name}")
        raise AttributeError(f"there is no @task.{name}; there are python, branch, short_circuit and bash")

    def _decorate(self, operator: type[BaseOperator], function: Any, kwargs: Mapping[str, Any]) -> Any:
        options = {**self._kwargs, **kwargs}
        if "python_callable" in options:
            function = options.pop("python_callable")
        if function is not None:
            return TaskFunction(function, operator, options)
        _check_arguments(operator, options)
        return lambda decorated: TaskFunction(decorated, operator, options)


task = TaskDecorators()
