"""``BaseOperator``: a task of a DAG. How it gets its arguments (default_args), its place (group) and its dependencies.

An author subclasses it and writes ``execute``. Not here: running it (execution/), and what its states mean (core/).
"""

from __future__ import annotations

import functools
import inspect
import logging
from abc import ABCMeta
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, ClassVar, NoReturn

from skyray.core.model import DEFAULT_POOL, ResourceSpec
from skyray.exceptions import AirflowException
from skyray.sdk import arguments
from skyray.sdk.context import Context
from skyray.sdk.current import current_dag, current_group
from skyray.sdk.edges import DependencyMixin, EdgeModifier, Relative, connect
from skyray.sdk.enums import TriggerRule, WeightRule
from skyray.sdk.ids import validate_key
from skyray.sdk.param import ParamsDict
from skyray.sdk.registry import author_location
from skyray.sdk.resources import resource_spec
from skyray.sdk.unsupported import refuse, refuse_arguments
from skyray.sdk.xcom_arg import XComArg, iter_xcom_args

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG
    from skyray.sdk.task_group import TaskGroup

Hook = Callable[..., Any]


class OperatorMeta(ABCMeta):
    """Wraps every operator class's ``__init__`` so that ``default_args`` reach its parameters."""

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> Any:
        new = super().__new__(cls, name, bases, namespace, **options)
        if "__init__" in namespace:
            new.__init__ = _with_defaults(namespace["__init__"])  # type: ignore[misc]
        return new

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        operator = super().__call__(*args, **kwargs)
        operator._finish()
        return operator


def _with_defaults(init: Callable[..., None]) -> Callable[..., None]:
    """``init``, called with keyword arguments only, those missing taken from the defaults that apply to the task."""
    parameters = [
        parameter
        for parameter in list(inspect.signature(init).parameters.values())[1:]
        if parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    ]

    @functools.wraps(init)
    def wrapped(self: BaseOperator, *args: Any, **kwargs: Any) -> None:
        if args:
            raise TypeError(f"use keyword arguments when making a {type(self).__name__}; got {args!r}")
        defaults = self.__dict__.get("_defaults")
        if defaults is None:  # the outermost __init__ of this object
            defaults = self.__dict__["_defaults"] = _applicable_defaults(kwargs)
        missing = []
        for parameter in parameters:
            if parameter.name not in kwargs:
                if parameter.name in defaults:
                    kwargs[parameter.name] = defaults[parameter.name]
                elif parameter.default is parameter.empty:
                    missing.append(repr(parameter.name))
        if missing:
            plural = "s" if len(missing) > 1 else ""
            raise TypeError(f"{type(self).__name__}: missing keyword argument{plural} {', '.join(missing)}")
        init(self, **kwargs)

    return wrapped


def _applicable_defaults(kwargs: dict[str, Any]) -> dict[str, Any]:
    """default_args that apply to a new task: the task's own over its groups' over its DAG's."""
    group = kwargs.get("task_group")
    dag = kwargs.get("dag") or (group.dag if group is not None else current_dag())
    group = group or current_group(dag)
    own = arguments.of_type("default_args", kwargs.get("default_args"), dict) or {}
    merged: dict[str, Any] = {}
    params: dict[str, Any] = {}
    for source in (dag.default_args if dag else {}, group.default_args if group else {}, own):
        merged.update(source)
        params.update(source.get("params") or {})
    merged.pop("default_args", None)
    if params:
        merged["params"] = params
        if kwargs.get("params"):
            kwargs["params"] = {**params, **kwargs["params"]}
    return merged


class BaseOperator(DependencyMixin, metaclass=OperatorMeta):
    """One task of a DAG. Arguments, defaults and meaning are Airflow's; those after ``render_template_as_native_obj``
    are Ray's: what the task needs of the machine it runs on.

    >>> class Greet(BaseOperator):
    ...     template_fields = ("name",)
    ...     def __init__(self, *, name: str, **kwargs):
    ...         super().__init__(**kwargs)
    ...         self.name = name
    ...     def execute(self, context):
    ...         return f"Hello {self.name}"
    >>> Greet(task_id="greet", name="{{ params.who }}").task_id
    'greet'
    """

    template_fields: Sequence[str] = ()
    template_ext: Sequence[str] = ()
    template_fields_renderers: ClassVar[dict[str, str]] = {}
    ui_color: str = "#fff"
    ui_fgcolor: str = "#000"
    operator_extra_links: Collection[Any] = ()
    start_from_trigger: bool = False
    start_trigger_args: Any = None
    overwrite_rtif_after_execution: bool = False
    shallow_copy_attrs: Sequence[str] = ()
    custom_operator_name: str | None = None
    is_setup = False
    is_teardown = False
    #: Whether the scheduler may mark the task as succeeded without running anything.
    inherits_from_empty_operator = False

    _is_finished = False

    def __init__(
        self,
        *,
        task_id: str,
        owner: str = "airflow",
        email: str | Iterable[str] | None = None,
        email_on_retry: bool = True,
        email_on_failure: bool = True,
        retries: int | None = None,
        retry_delay: timedelta | float = timedelta(seconds=300),
        retry_exponential_backoff: float = 0,
        max_retry_delay: timedelta | float | None = None,
        retry_policy: Any = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        depends_on_past: bool = False,
        ignore_first_depends_on_past: bool = False,
        wait_for_past_depends_before_skipping: bool = False,
        wait_for_downstream: bool = False,
        dag: DAG | None = None,
        params: Mapping[str, Any] | None = None,
        default_args: dict[str, Any] | None = None,
        priority_weight: int = 1,
        weight_rule: WeightRule | str = WeightRule.DOWNSTREAM,
        queue: str = "default",
        pool: str | None = None,
        pool_slots: int = 1,
        sla: Any = None,
        execution_timeout: timedelta | None = None,
        on_execute_callback: Any = None,
        on_failure_callback: Any = None,
        on_success_callback: Any = None,
        on_retry_callback: Any = None,
        on_skipped_callback: Any = None,
        pre_execute: Hook | None = None,
        post_execute: Hook | None = None,
        trigger_rule: TriggerRule | str = TriggerRule.ALL_SUCCESS,
        resources: dict[str, float] | None = None,
        run_as_user: str | None = None,
        map_index_template: str | None = None,
        max_active_tis_per_dag: int | None = None,
        max_active_tis_per_dagrun: int | None = None,
        executor: str | None = None,
        executor_config: dict[str, Any] | None = None,
        do_xcom_push: bool = True,
        multiple_outputs: bool = False,
        inlets: Any = None,
        outlets: Any = None,
        task_group: TaskGroup | None = None,
        doc: str | None = None,
        doc_md: str | None = None,
        doc_json: str | None = None,
        doc_yaml: str | None = None,
        doc_rst: str | None = None,
        task_display_name: str | None = None,
        logger_name: str | None = None,
        allow_nested_operators: bool = True,
        render_template_as_native_obj: bool | None = None,
        num_cpus: float | None = None,
        num_gpus: float | None = None,
        memory: int | None = None,
        label_selector: dict[str, str] | None = None,
        accelerator_type: str | None = None,
        runtime_env: dict[str, Any] | None = None,
        scheduling_strategy: Any = None,
        placement_group: Any = None,
        detached: bool = False,
        **kwargs: Any,
    ) -> None:
        if kwargs:
            names = ", ".join(sorted(kwargs))
            raise TypeError(f"{type(self).__name__} (task_id: {task_id}): invalid arguments were passed: {names}")
        place = author_location()
        self.fileloc: str = place.path
        self.lineno: int = place.line
        validate_key(task_id)
        label = f"task {task_id!r}"
        refuse_arguments(
            label,
            {
                "retry_policy": (retry_policy, None),
                "depends_on_past": (depends_on_past, False),
                "ignore_first_depends_on_past": (ignore_first_depends_on_past, False),
                "wait_for_past_depends_before_skipping": (wait_for_past_depends_before_skipping, False),
                "wait_for_downstream": (wait_for_downstream, False),
                "queue": (queue, "default"),
                "sla": (sla, None),
                "on_execute_callback": (on_execute_callback, None),
                "on_failure_callback": (on_failure_callback, None),
                "on_success_callback": (on_success_callback, None),
                "on_retry_callback": (on_retry_callback, None),
                "on_skipped_callback": (on_skipped_callback, None),
                "run_as_user": (run_as_user, None),
                "map_index_template": (map_index_template, None),
                "executor": (executor, None),
                "executor_config": (executor_config, None),
                "inlets": (inlets, None),
                "outlets": (outlets, None),
                "allow_nested_operators": (allow_nested_operators, True),
                "email": (email if email_on_failure or email_on_retry else None, None),
            },
            {
                "queue": "Ray has no queues; say where the task may run with resources or label_selector",
                "executor_config": "Ray's arguments are arguments of the task: num_cpus, memory, runtime_env, …",
                "run_as_user": "tasks run as the user of the Ray worker",
            },
        )
        # ------------------------------------------------------------------------------------------ what it is called
        dag = dag or (task_group.dag if task_group is not None else current_dag())
        task_group = task_group or current_group(dag)
        self.task_id: str = validate_key(task_group.child_id(task_id) if task_group else task_id)
        self.task_group: TaskGroup | None = None
        self._dag: DAG | None = None
        self.owner: str = arguments.of_type("owner", owner, str)
        self._task_display_name = arguments.of_type("task_display_name", task_display_name, str)
        self.doc = arguments.of_type("doc", doc, str)
        self.doc_md = arguments.of_type("doc_md", doc_md, str)
        self.doc_json = arguments.of_type("doc_json", doc_json, str)
        self.doc_yaml = arguments.of_type("doc_yaml", doc_yaml, str)
        self.doc_rst = arguments.of_type("doc_rst", doc_rst, str)
        # ------------------------------------------------------------------------------------------ when it runs
        self.trigger_rule: TriggerRule = arguments.trigger_rule(trigger_rule)
        self.start_date: datetime | None = arguments.moment("start_date", start_date)
        self.end_date: datetime | None = arguments.moment("end_date", end_date)
        self.pool: str = arguments.of_type("pool", pool, str) or DEFAULT_POOL
        self.pool_slots: int = arguments.whole_number("pool_slots", pool_slots, at_least=1)
        self.priority_weight: int = arguments.priority_weight(priority_weight)
        self.weight_rule: WeightRule = arguments.weight_rule(weight_rule)
        self.max_active_tis_per_dag = _limit("max_active_tis_per_dag", max_active_tis_per_dag)
        self.max_active_tis_per_dagrun = _limit("max_active_tis_per_dagrun", max_active_tis_per_dagrun)
        # ------------------------------------------------------------------------------------------ and again
        self.retries: int = arguments.retries(retries)
        self.retry_delay: timedelta = arguments.duration("retry_delay", retry_delay) or timedelta(0)
        self.retry_exponential_backoff: float = arguments.backoff(retry_exponential_backoff)
        self.max_retry_delay = arguments.duration("max_retry_delay", max_retry_delay)
        self.execution_timeout = arguments.duration("execution_timeout", execution_timeout, numbers=False)
        # ------------------------------------------------------------------------------------------ how it runs
        self.params = ParamsDict(params)
        self.do_xcom_push: bool = arguments.flag("do_xcom_push", do_xcom_push)
        self.multiple_outputs: bool = arguments.flag("multiple_outputs", multiple_outputs)
        self.render_template_as_native_obj: bool | None = arguments.of_type(
            "render_template_as_native_obj", render_template_as_native_obj, bool
        )
        self.queue = queue
        self.depends_on_past = self.wait_for_downstream = False
        self.inlets: list[Any] = []
        self.outlets: list[Any] = []
        self.executor_config: dict[str, Any] = {}
        self._logger_name = arguments.of_type("logger_name", logger_name, str)
        self._pre_execute_hook = _callable("pre_execute", pre_execute)
        self._post_execute_hook = _callable("post_execute", post_execute)
        self._bind_hooks()
        self.resource_spec: ResourceSpec = resource_spec(
            num_cpus=num_cpus,
            num_gpus=num_gpus,
            memory=memory,
            resources=resources,
            label_selector=label_selector,
            accelerator_type=accelerator_type,
            runtime_env=runtime_env,
            scheduling_strategy=scheduling_strategy,
            placement_group=placement_group,
            detached=detached,
            owner=label,
        )
        # ------------------------------------------------------------------------------------------ where it belongs
        self.upstream_task_ids: set[str] = set()
        self.downstream_task_ids: set[str] = set()
        if task_group is not None:
            task_group.add(self)
        if dag is not None:
            self.dag = dag

    def _bind_hooks(self) -> None:
        """Run the author's hooks before the methods of their names, without subclasses having to call super()."""
        for name, hook in (("pre_execute", self._pre_execute_hook), ("post_execute", self._post_execute_hook)):
            if hook is not None:
                self.__dict__[name] = functools.partial(_both, hook, getattr(type(self), name).__get__(self))

    def __copy__(self) -> BaseOperator:
        """A copy with the same dependencies, of which a worker may change the attributes."""
        copied: BaseOperator = object.__new__(type(self))
        copied.__dict__.update(self.__dict__)
        copied.__dict__["_is_finished"] = False  # what it is given now are values, and no dependencies
        copied._bind_hooks()
        return copied

    def _finish(self) -> None:
        """After the outermost ``__init__``: take note of the XComArgs in templated arguments."""
        if isinstance(self.template_fields, str):
            raise TypeError(
                f"{type(self).__name__}.template_fields must be a sequence of names, not the string "
                f"{self.template_fields!r} (is a comma missing?)"
            )
        if "upstream_task_ids" not in self.__dict__:
            raise TypeError(f"{type(self).__name__}.__init__ did not call super().__init__()")
        if self.start_from_trigger:
            refuse(f"{type(self).__name__}.start_from_trigger (deferrable operators)")
        self.__dict__.pop("_defaults", None)
        self._is_finished = True
        for name in self.template_fields:
            self._depend_on_xcoms(getattr(self, name, None))

    def _depend_on_xcoms(self, value: Any) -> None:
        for argument in iter_xcom_args(value):
            if argument.operator is not self:
                self.set_upstream(argument.operator)

    def __setattr__(self, name: str, value: Any) -> None:
        super().__setattr__(name, value)
        if self._is_finished and name in self.template_fields:
            self._depend_on_xcoms(value)

    # ------------------------------------------------------------------------------------------------ the DAG
    @property
    def dag(self) -> DAG:
        """The DAG that the task is in. Raises ``RuntimeError`` if it is in none yet."""
        if self._dag is None:
            raise RuntimeError(f"task {self.task_id!r} has not been assigned to a DAG yet")
        return self._dag

    @dag.setter
    def dag(self, dag: DAG) -> None:
        if self._dag is dag:
            return
        if self._dag is not None:
            raise AirflowException(
                f"task {self.task_id!r} is in DAG {self._dag.dag_id!r} and cannot be moved to {dag.dag_id!r}"
            )
        dag.add_task(self)

    def has_dag(self) -> bool:
        """Whether the task is in a DAG."""
        return self._dag is not None

    def get_dag(self) -> DAG | None:
        """The DAG that the task is in, or None."""
        return self._dag

    @property
    def dag_id(self) -> str:
        """The id of its DAG."""
        return self._dag.dag_id if self._dag is not None else f"adhoc_{self.owner}"

    # ------------------------------------------------------------------------------------------------ names
    @property
    def node_id(self) -> str:
        """The task's id, as its group knows it."""
        return self.task_id

    @property
    def label(self) -> str:
        """The task's id without the prefix of its group."""
        prefix = f"{self.task_group.group_id}." if self.task_group and self.task_group.adds_prefix else ""
        return self.task_id[len(prefix) :] if prefix and self.task_id.startswith(prefix) else self.task_id

    @property
    def task_display_name(self) -> str:
        """What people are shown as its name."""
        return self._task_display_name or self.label

    @property
    def task_type(self) -> str:
        """The name of the operator's class."""
        return type(self).__name__

    @property
    def operator_name(self) -> str:
        """What people are shown as its kind: ``@task`` or the class's name."""
        return self.custom_operator_name or self.task_type

    @property
    def log(self) -> logging.Logger:
        """Where the task's code logs to; captured with its output."""
        name = f"{type(self).__module__}.{type(self).__qualname__}"
        return logging.getLogger(f"airflow.task.operators.{self._logger_name or name}")

    def __repr__(self) -> str:
        return f"<Task({self.operator_name}): {self.__dict__.get('task_id', '?')}>"

    # ------------------------------------------------------------------------------------------------ dependencies
    @property
    def roots(self) -> Sequence[BaseOperator]:
        return [self]

    @property
    def leaves(self) -> Sequence[BaseOperator]:
        return [self]

    @property
    def output(self) -> XComArg:
        """What the task returns, to be passed as an argument of another one."""
        return XComArg(self)

    def set_upstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """``other`` runs before this task."""
        connect(self, other, upstream=True, label=edge_modifier)

    def set_downstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """``other`` runs after this task."""
        connect(self, other, upstream=False, label=edge_modifier)

    def connect_to(self, other: BaseOperator, label: EdgeModifier | None = None) -> None:
        """Make the one edge from this task to ``other``; a task without a DAG joins the other's."""
        dag = self._dag or other._dag
        if dag is None:
            raise RuntimeError(
                f"{self.task_id!r} and {other.task_id!r} are in no DAG yet: put them into one before relating them"
            )
        for task in (self, other):
            if task._dag is None:
                dag.add_task(task)
            elif task._dag is not dag:
                raise RuntimeError(
                    f"{self.task_id!r} and {other.task_id!r} are in two DAGs, {dag.dag_id!r} and {task._dag.dag_id!r}"
                )
        dag.edge_places.setdefault((self.task_id, other.task_id), author_location())
        self.downstream_task_ids.add(other.task_id)
        other.upstream_task_ids.add(self.task_id)
        if label is not None:
            label.add_edge_info(dag, self.task_id, other.task_id)

    @property
    def upstream_list(self) -> list[BaseOperator]:
        """The tasks directly before this one."""
        return self._tasks(self.upstream_task_ids)

    @property
    def downstream_list(self) -> list[BaseOperator]:
        """The tasks directly after this one."""
        return self._tasks(self.downstream_task_ids)

    def _tasks(self, task_ids: Iterable[str]) -> list[BaseOperator]:
        return [self.dag.get_task(task_id) for task_id in sorted(task_ids)]

    def get_direct_relative_ids(self, upstream: bool = False) -> set[str]:
        """Ids of the tasks directly before (``upstream``) or after this one."""
        return self.upstream_task_ids if upstream else self.downstream_task_ids

    def get_direct_relatives(self, upstream: bool = False) -> list[BaseOperator]:
        """The tasks directly before (``upstream``) or after this one."""
        return self.upstream_list if upstream else self.downstream_list

    def get_flat_relative_ids(self, *, upstream: bool = False) -> set[str]:
        """Ids of all tasks before (``upstream``) or after this one, however far."""
        found: set[str] = set()
        pending = list(self.get_direct_relative_ids(upstream))
        while pending:
            task_id = pending.pop()
            if task_id not in found:
                found.add(task_id)
                pending.extend(self.dag.get_task(task_id).get_direct_relative_ids(upstream))
        return found

    def get_flat_relatives(self, upstream: bool = False) -> list[BaseOperator]:
        """All tasks before (``upstream``) or after this one, however far."""
        return self._tasks(self.get_flat_relative_ids(upstream=upstream))

    # ------------------------------------------------------------------------------------------------ running
    def pre_execute(self, context: Context) -> None:
        """Called just before ``execute``."""

    def execute(self, context: Context) -> Any:
        """The task's work. What it returns is pushed as an XCom. To be written by subclasses."""
        raise NotImplementedError(f"{type(self).__name__} has no execute()")

    def post_execute(self, context: Context, result: Any = None) -> None:
        """Called just after ``execute`` with what it returned."""

    def on_kill(self) -> None:
        """Called when the task is cancelled: end what it started."""

    def defer(self, **_: Any) -> NoReturn:
        """Refused: deferrable operators are not supported yet."""
        refuse(f"{type(self).__name__}.defer() (deferrable operators)")

    @classmethod
    def partial(cls, **_: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse(f"{cls.__name__}.partial(): dynamic task mapping")

    @classmethod
    def expand(cls, **_: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse(f"{cls.__name__}.expand(): dynamic task mapping")

    def __enter__(self) -> NoReturn:
        refuse("`with` a task (setup and teardown scopes)")

    def __exit__(self, *_: object) -> None:
        """Never reached."""


def _both(hook: Hook, method: Hook, *args: Any) -> Any:
    hook(*args)
    return method(*args)


def _callable(name: str, hook: Hook | None) -> Hook | None:
    if hook is not None and not callable(hook):
        raise TypeError(f"{name} must be callable, not {type(hook).__name__}: {hook!r}")
    return hook


def _limit(name: str, value: Any) -> int | None:
    return None if value is None else arguments.whole_number(name, value, at_least=1)
