"""``DAG``: tasks, their order, and when they run, as an author writes them; and the ``@dag`` decorator.

Not here: the form that is scheduled (serialize.py makes it), and running (execution/).
"""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from datetime import datetime, timedelta
from itertools import count, pairwise
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn, overload

from skyray.core.graph import find_cycle, topological_order
from skyray.exceptions import (
    AirflowDagCycleException,
    AirflowException,
    DagDefinitionError,
    DuplicateTaskIdFound,
    ParamValidationError,
    TaskNotFound,
)
from skyray.sdk import arguments, current
from skyray.sdk.defaults import current_defaults
from skyray.sdk.ids import validate_key
from skyray.sdk.operator import BaseOperator
from skyray.sdk.param import ParamsDict
from skyray.sdk.registry import Location, author_location, register
from skyray.sdk.schedule import BaseTimetable, timetable_of
from skyray.sdk.task_group import TaskGroup
from skyray.sdk.unsupported import refuse, refuse_arguments

if TYPE_CHECKING:
    from skyray.sdk.task import TaskDecorators

_TAG_MAX_LENGTH = 100
_sequence = count()


class DAG:
    """A directed acyclic graph of tasks. Arguments, defaults and meaning are Airflow's.

    >>> with DAG("hello", schedule="@daily", start_date=datetime(2026, 1, 1)) as dag:   # doctest: +SKIP
    ...     BashOperator(task_id="greet", bash_command="echo hello")
    """

    def __init__(
        self,
        dag_id: str,
        *,
        description: str | None = None,
        default_args: dict[str, Any] | None = None,
        start_date: datetime | None = None,
        end_date: datetime | None = None,
        schedule: Any = None,
        catchup: bool = False,
        template_searchpath: str | Iterable[str] | None = None,
        template_undefined: Any = None,
        user_defined_macros: Mapping[str, Any] | None = None,
        user_defined_filters: Mapping[str, Callable[..., Any]] | None = None,
        jinja_environment_kwargs: Mapping[str, Any] | None = None,
        render_template_as_native_obj: bool = False,
        max_active_tasks: int = 16,
        max_active_runs: int = 16,
        max_consecutive_failed_dag_runs: int = 0,
        dagrun_timeout: timedelta | None = None,
        deadline: Any = None,
        sla_miss_callback: Any = None,
        on_success_callback: Any = None,
        on_failure_callback: Any = None,
        doc_md: str | None = None,
        params: Mapping[str, Any] | None = None,
        access_control: Any = None,
        is_paused_upon_creation: bool | None = None,
        tags: Collection[str] | None = None,
        owner_links: Mapping[str, str] | None = None,
        auto_register: bool = True,
        fail_fast: bool = False,
        dag_display_name: str | None = None,
        allowed_run_types: Any = None,
        disable_bundle_versioning: bool = False,
        rerun_with_latest_version: bool | None = None,
    ) -> None:
        place = author_location()
        self.fileloc: str = place.path
        self.lineno: int = place.line
        self.sequence = next(_sequence)  # DAGs of a file are given in the order in which they were made
        self.dag_id: str = validate_key(dag_id)
        label = f"DAG {dag_id!r}"
        refuse_arguments(
            label,
            {
                "max_consecutive_failed_dag_runs": (max_consecutive_failed_dag_runs, 0),
                "deadline": (deadline, None),
                "sla_miss_callback": (sla_miss_callback, None),
                "on_success_callback": (on_success_callback, None),
                "on_failure_callback": (on_failure_callback, None),
                "access_control": (access_control, None),
                "owner_links": (owner_links, None),
                "fail_fast": (fail_fast, False),
                "allowed_run_types": (allowed_run_types, None),
                "disable_bundle_versioning": (disable_bundle_versioning, False),
                "rerun_with_latest_version": (rerun_with_latest_version, False),
            },
        )
        # ------------------------------------------------------------------------------------------ for people
        self.description: str | None = arguments.of_type("description", description, str)
        self._doc_md: str | None = arguments.of_type("doc_md", doc_md, str)
        self.dag_display_name: str = arguments.of_type("dag_display_name", dag_display_name, str) or dag_id
        self.tags: set[str] = _tags(tags)
        # ------------------------------------------------------------------------------------------ for its tasks
        self.default_args: dict[str, Any] = dict(arguments.of_type("default_args", default_args, dict) or {})
        self.params = ParamsDict({**(self.default_args.pop("params", None) or {}), **_params_of(params)})
        self.template_searchpath: list[str] = (
            [template_searchpath]
            if isinstance(template_searchpath, str)
            else list(arguments.strings("template_searchpath", template_searchpath))
        )
        self.template_undefined = template_undefined  # None: jinja2.StrictUndefined
        self.user_defined_macros = dict(user_defined_macros or {})
        self.user_defined_filters = dict(user_defined_filters or {})
        self.jinja_environment_kwargs = dict(jinja_environment_kwargs or {})
        self.render_template_as_native_obj = arguments.flag(
            "render_template_as_native_obj", render_template_as_native_obj
        )
        # ------------------------------------------------------------------------------------------ when it runs
        self.start_date = arguments.moment("start_date", start_date or self.default_args.get("start_date"))
        self.end_date = arguments.moment("end_date", end_date or self.default_args.get("end_date"))
        self.timezone: str = (
            current_defaults().timezone if self.start_date is None else arguments.zone_name(self.start_date)
        )
        self.schedule = schedule
        self.timetable: BaseTimetable = timetable_of(schedule, self.timezone)
        self.catchup: bool = arguments.flag("catchup", catchup)
        if self.catchup and self.timetable.can_be_scheduled and self.start_date is None:
            raise ValueError(f"{label}: catchup=True needs a start_date to catch up from")
        self.max_active_tasks = arguments.whole_number("max_active_tasks", max_active_tasks, at_least=1)
        self.max_active_runs = arguments.whole_number("max_active_runs", max_active_runs, at_least=1)
        limit = self.timetable.active_runs_limit
        if limit is not None and self.max_active_runs > limit:
            raise ValueError(f"{label}: schedule={schedule!r} requires max_active_runs <= {limit}")
        self.dagrun_timeout = arguments.duration("dagrun_timeout", dagrun_timeout, numbers=False)
        self.is_paused_upon_creation: bool | None = arguments.of_type(
            "is_paused_upon_creation", is_paused_upon_creation, bool
        )
        self.auto_register: bool = arguments.flag("auto_register", auto_register)
        # ------------------------------------------------------------------------------------------ what is in it
        self.task_dict: dict[str, BaseOperator] = {}
        self.used_ids: set[str] = set()  # of tasks and groups
        self.edge_info: dict[str, dict[str, dict[str, Any]]] = {}
        self.edge_places: dict[tuple[str, str], Location] = {}  # where each edge was first set, oldest first
        self._task_group = TaskGroup.create_root(self)

    def __repr__(self) -> str:
        return f"<DAG: {self.dag_id}>"

    def __enter__(self) -> DAG:
        current.enter(self, self._task_group)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        current.leave()
        if kind is None:
            register(self)

    # ------------------------------------------------------------------------------------------------ tasks
    @property
    def task_group(self) -> TaskGroup:
        """The root group: all tasks are in it, directly or not."""
        return self._task_group

    @property
    def tasks(self) -> list[BaseOperator]:
        """The tasks, in the order in which they were made."""
        return list(self.task_dict.values())

    @property
    def task_ids(self) -> list[str]:
        """The ids of the tasks, in the order in which they were made."""
        return list(self.task_dict)

    @property
    def roots(self) -> list[BaseOperator]:
        """The tasks that nothing comes before."""
        return [task for task in self.tasks if not task.upstream_task_ids]

    @property
    def leaves(self) -> list[BaseOperator]:
        """The tasks that nothing comes after."""
        return [task for task in self.tasks if not task.downstream_task_ids]

    @property
    def task_group_dict(self) -> dict[str, TaskGroup]:
        """group_id -> group, without the root group."""
        return {group_id: group for group_id, group in self._task_group.get_task_group_dict().items() if group_id}

    @property
    def task(self) -> TaskDecorators:
        """``@dag.task``: as ``@task``, for this DAG also outside of its ``with``."""
        from skyray.sdk.task import TaskDecorators  # task functions make operators, and those know DAGs

        return TaskDecorators({"dag": self})

    def add_task(self, task: BaseOperator) -> None:
        """Put a task into the DAG. Its start and end date are brought inside the DAG's."""
        if task.task_group is not None and task.task_group.dag is not self:
            raise AirflowException(
                f"task {task.task_id!r} is in a TaskGroup of DAG {task.task_group.dag.dag_id!r}, not {self.dag_id!r}"
            )
        if self.task_dict.get(task.task_id) is task:
            return
        if task.task_id in self.used_ids:
            raise DuplicateTaskIdFound(
                f"the id {task.task_id!r} is used twice in DAG {self.dag_id!r}", path=task.fileloc, line=task.lineno
            )
        if task.task_group is None:
            self._task_group.add(task)
        self.task_dict[task.task_id] = task
        self.used_ids.add(task.task_id)
        task._dag = self
        task.start_date = max(filter(None, (task.start_date, self.start_date)), default=None)
        task.end_date = min(filter(None, (task.end_date, self.end_date)), default=None)

    def add_tasks(self, tasks: Iterable[BaseOperator]) -> None:
        """``add_task`` for each."""
        for task in tasks:
            self.add_task(task)

    def has_task(self, task_id: str) -> bool:
        """Whether there is a task of that id."""
        return task_id in self.task_dict

    def has_task_group(self, task_group_id: str) -> bool:
        """Whether there is a group of that id."""
        return task_group_id in self.task_group_dict

    def get_task(self, task_id: str, include_subdags: bool = False) -> BaseOperator:
        """The task of that id. Raises ``TaskNotFound``."""
        try:
            return self.task_dict[task_id]
        except KeyError:
            raise TaskNotFound(f"DAG {self.dag_id!r} has no task {task_id!r}") from None

    def __getitem__(self, node_id: str) -> BaseOperator | TaskGroup:
        """``dag["task_or_group"]``. Raises ``KeyError``."""
        if node_id in self.task_dict:
            return self.task_dict[node_id]
        groups = self.task_group_dict
        if node_id in groups:
            return groups[node_id]
        raise KeyError(f"DAG {self.dag_id!r} has no task or group {node_id!r}")

    def __contains__(self, node_id: object) -> bool:
        return node_id in self.used_ids

    def topological_sort(self) -> list[BaseOperator]:
        """The tasks, each after all that it depends on; otherwise as they were made."""
        return [self.task_dict[task_id] for task_id in topological_order(self._edges())]

    def _edges(self) -> dict[str, list[str]]:
        return {task_id: sorted(task.downstream_task_ids) for task_id, task in self.task_dict.items()}

    # ------------------------------------------------------------------------------------------------ edges
    def set_edge_info(self, upstream_task_id: str, downstream_task_id: str, info: dict[str, Any]) -> None:
        """Keep a note (a label) on one edge."""
        self.edge_info.setdefault(upstream_task_id, {})[downstream_task_id] = info

    def get_edge_info(self, upstream_task_id: str, downstream_task_id: str) -> dict[str, Any]:
        """The note on one edge; empty if there is none."""
        return self.edge_info.get(upstream_task_id, {}).get(downstream_task_id, {})

    # ------------------------------------------------------------------------------------------------ documentation
    @property
    def doc_md(self) -> str | None:
        """The documentation. Where the author named a ``*.md`` file that exists, its text."""
        text = self._doc_md
        if text is None or not text.strip().endswith(".md") or "\n" in text.strip():
            return text
        file = Path(self.fileloc).parent / text.strip()
        return file.read_text(encoding="utf-8") if file.is_file() else text

    @doc_md.setter
    def doc_md(self, text: str | None) -> None:
        self._doc_md = arguments.of_type("doc_md", text, str)

    @property
    def owner(self) -> str:
        """The owners of its tasks, joined."""
        return ", ".join(sorted({task.owner for task in self.tasks}))

    # ------------------------------------------------------------------------------------------------ checks
    def validate(self) -> None:
        """What can only be checked when the DAG is complete. Raises ``DagDefinitionError`` with file and line."""
        self._check_cycle()
        self._check_template_fields()
        self._check_params()

    def _check_cycle(self) -> None:
        cycle = find_cycle(self._edges())
        if cycle is not None:
            edges = set(pairwise(cycle))
            closing = next(place for edge, place in reversed(self.edge_places.items()) if edge in edges)
            raise AirflowDagCycleException(
                f"DAG {self.dag_id!r} has a cycle: {' -> '.join(cycle)}", path=closing.path, line=closing.line
            )

    def _check_template_fields(self) -> None:
        for task in self.tasks:
            for name in task.template_fields:
                if not hasattr(task, name):
                    raise DagDefinitionError(
                        f"task {task.task_id!r}: {name!r} is a template field of {task.task_type}, which has no "
                        "attribute of that name",
                        path=task.fileloc,
                        line=task.lineno,
                    )

    def _check_params(self) -> None:
        if not self.timetable.can_be_scheduled:
            return
        try:
            self.params.validate()
        except ParamValidationError as error:
            raise DagDefinitionError(
                f"DAG {self.dag_id!r} has a schedule, so that every param needs a valid default: {error}",
                path=self.fileloc,
                line=self.lineno,
            ) from None

    # ------------------------------------------------------------------------------------------------ refused
    def test(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a DAG is tried out from the command line."""
        refuse("dag.test()", hint="run `skyray dags test FILE`")

    def cli(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: a DAG is tried out from the command line."""
        refuse("dag.cli()", hint="run `skyray dags test FILE`")

    def param(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: ``{{ params.name }}`` in a template, or ``params`` as a parameter of a task function, does it."""
        refuse("dag.param()", hint="use {{ params.name }} in a template, or a parameter `params` of a task function")

    def add_result(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: results of DAG runs are not supported yet."""
        refuse("dag.add_result() (a result of a DAG run)")

    def partial_subset(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: not supported yet."""
        refuse("dag.partial_subset()")


def _tags(tags: Collection[str] | None) -> set[str]:
    for tag in arguments.strings("tags", tags):
        if len(tag) > _TAG_MAX_LENGTH:
            raise ValueError(f"a tag cannot be longer than {_TAG_MAX_LENGTH} characters; got {tag!r}")
    return set(tags or ())


def _params_of(params: Mapping[str, Any] | None) -> dict[str, Any]:
    checked = ParamsDict(params)
    return {name: checked.get_param(name) for name in checked}


DagFunction = Callable[..., Any]
DagFactory = Callable[..., DAG]


@overload
def dag(dag_id: DagFunction) -> DagFactory: ...
@overload
def dag(dag_id: str = "", **kwargs: Any) -> Callable[[DagFunction], DagFactory]: ...
def dag(dag_id: str | DagFunction = "", **kwargs: Any) -> Any:
    """Make a DAG of a function: its tasks are those that the function makes. Takes ``DAG``'s arguments.

    The DAG is made when the decorated function is called. Its id is the function's name and its ``doc_md`` the
    docstring, unless given. What the function returns is not used: a result of a DAG run is not supported yet.

    >>> @dag(schedule=None)
    ... def pipeline():
    ...     load(extract())
    >>> pipeline()      # doctest: +SKIP
    """
    if callable(dag_id):
        return dag()(dag_id)
    unknown = sorted(kwargs.keys() - inspect.signature(DAG.__init__).parameters.keys())
    if unknown:
        raise TypeError(f"@dag got unexpected keyword arguments: {', '.join(unknown)}")

    def decorate(function: DagFunction) -> DagFactory:
        if not callable(function):
            raise TypeError(f"@dag decorates a function, not {type(function).__name__}: {function!r}")
        if inspect.signature(function).parameters:
            refuse(
                f"a parameter of a @dag function, as in {function.__name__}"
                f"({', '.join(inspect.signature(function).parameters)}),",
                hint="use the argument params of @dag, and {{ params.name }} or a task function's parameter `params`",
            )

        @functools.wraps(function)
        def make() -> DAG:
            with DAG(dag_id or function.__name__, **kwargs) as made:
                made.fileloc = function.__code__.co_filename
                made.lineno = function.__code__.co_firstlineno
                if made.doc_md is None and function.__doc__:
                    made.doc_md = inspect.cleandoc(function.__doc__)
                function()
            return made

        return make

    return decorate
