"""``TaskGroup``: tasks that belong together: a common prefix, common defaults, one thing to depend on.

Groups exist for authors and for display; the scheduler knows only tasks.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from skyray.exceptions import AirflowException, DuplicateTaskIdFound, TaskAlreadyInTaskGroup
from skyray.sdk import arguments, current
from skyray.sdk.edges import DependencyMixin, EdgeModifier, Relative, connect
from skyray.sdk.ids import unique_id, validate_group_key
from skyray.sdk.operator import BaseOperator

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG


class TaskGroup(DependencyMixin):
    """A group of tasks and groups. ``with TaskGroup("load") as load:`` puts what is made inside into it.

    A child's id is ``group_id.child`` unless ``prefix_group_id=False``. ``group >> x`` makes x wait for the group's
    last tasks. ``add_suffix_on_collision`` calls a second group of the same id ``load__1``.
    """

    is_mapped = False

    def __init__(
        self,
        group_id: str | None,
        prefix_group_id: bool = True,
        parent_group: TaskGroup | None = None,
        dag: DAG | None = None,
        default_args: dict[str, Any] | None = None,
        tooltip: str = "",
        doc_md: str | None = None,
        ui_color: str = "CornflowerBlue",
        ui_fgcolor: str = "#000",
        add_suffix_on_collision: bool = False,
        group_display_name: str = "",
    ) -> None:
        self.prefix_group_id = arguments.flag("prefix_group_id", prefix_group_id)
        own_defaults = arguments.of_type("default_args", default_args, dict) or {}
        self.tooltip: str = arguments.of_type("tooltip", tooltip, str)
        self.doc_md: str | None = arguments.of_type("doc_md", doc_md, str)
        self.ui_color = ui_color
        self.ui_fgcolor = ui_fgcolor
        self.group_display_name: str = arguments.of_type("group_display_name", group_display_name, str)
        self.add_suffix_on_collision = arguments.flag("add_suffix_on_collision", add_suffix_on_collision)
        self.children: dict[str, BaseOperator | TaskGroup] = {}
        self.upstream_group_ids: set[str | None] = set()
        self.downstream_group_ids: set[str | None] = set()
        self.upstream_task_ids: set[str] = set()
        self.downstream_task_ids: set[str] = set()
        self.parent_group: TaskGroup | None = None
        self._group_id = group_id
        if group_id is None:  # the root group, made by its DAG
            if parent_group is not None:
                raise ValueError("a TaskGroup without a group_id is a DAG's root group and has no parent_group")
            if dag is None:
                raise RuntimeError("a root TaskGroup needs a DAG")
            self.dag: DAG = dag
            self.default_args = dict(own_defaults)
            return
        validate_group_key(group_id)
        dag = dag or (parent_group.dag if parent_group is not None else current.current_dag())
        if dag is None:
            raise RuntimeError(f"TaskGroup {group_id!r} can only be used inside a DAG")
        self.dag = dag
        parent = parent_group or current.current_group(dag)
        assert parent is not None, "a DAG has a root group"
        self.default_args = {**parent.default_args, **own_defaults}
        if parent.default_args.get("params") and own_defaults.get("params"):
            self.default_args["params"] = {**parent.default_args["params"], **own_defaults["params"]}
        if add_suffix_on_collision:
            self._group_id = unique_id(group_id, dag.used_ids, parent.child_id(""))
        parent.add(self)

    @classmethod
    def create_root(cls, dag: DAG) -> TaskGroup:
        """The group that all tasks of ``dag`` are in, directly or not."""
        return cls(group_id=None, dag=dag)

    # ------------------------------------------------------------------------------------------------ names
    @property
    def is_root(self) -> bool:
        """Whether this is its DAG's root group."""
        return self._group_id is None

    @property
    def group_id(self) -> str | None:
        """The full id, with the prefix of the groups around it. None for the root group."""
        if self._group_id is not None and self.parent_group is not None:
            return self.parent_group.child_id(self._group_id)
        return self._group_id

    @property
    def node_id(self) -> str | None:
        """The group's id, as its parent knows it."""
        return self.group_id

    @property
    def label(self) -> str | None:
        """The id without prefix."""
        return self.group_display_name or self._group_id

    @property
    def adds_prefix(self) -> bool:
        """Whether children's ids begin with this group's."""
        return self.prefix_group_id and not self.is_root

    def child_id(self, label: str) -> str:
        """The full id of a child called ``label``."""
        return f"{self.group_id}.{label}" if self.adds_prefix else label

    def __repr__(self) -> str:
        return f"<TaskGroup: {self.group_id or 'root of ' + self.dag.dag_id}>"

    # ------------------------------------------------------------------------------------------------ children
    def add(self, child: BaseOperator | TaskGroup) -> None:
        """Put a task or a group into this one."""
        if isinstance(child, TaskGroup):
            if child.dag is not self.dag:
                raise AirflowException(
                    f"TaskGroup {child.group_id!r} of DAG {child.dag.dag_id!r} cannot be put into one of "
                    f"{self.dag.dag_id!r}"
                )
            if child.children:
                raise AirflowException(f"cannot add the TaskGroup {child.group_id!r}, which has children already")
            child.parent_group = self
        else:
            if child.task_group is not None and child.task_group is not self:
                if not child.task_group.is_root:
                    raise TaskAlreadyInTaskGroup(child.task_id, child.task_group.group_id, self.group_id)
                child.task_group.children.pop(child.task_id, None)
            child.task_group = self
        node_id = child.node_id
        assert node_id is not None, "only the root group has no id, and it has no parent"
        if self.children.get(node_id) is child:
            return
        if node_id in self.dag.used_ids and self.dag.task_dict.get(node_id) is not child:
            kind = "task" if node_id in self.dag.task_dict else "TaskGroup"
            raise DuplicateTaskIdFound(
                f"the id {node_id!r} is already that of a {kind} of DAG {self.dag.dag_id!r}",
                path=getattr(child, "fileloc", None),
                line=getattr(child, "lineno", None),
            )
        self.children[node_id] = child
        if isinstance(child, TaskGroup):
            self.dag.used_ids.add(node_id)

    def __iter__(self) -> Iterator[BaseOperator]:
        return self.iter_tasks()

    def iter_tasks(self) -> Iterator[BaseOperator]:
        """Every task in this group and in the groups inside it."""
        for child in self.children.values():
            if isinstance(child, TaskGroup):
                yield from child.iter_tasks()
            else:
                yield child

    def iter_groups(self) -> Iterator[TaskGroup]:
        """This group and every group inside it, outer before inner."""
        yield self
        for child in self.children.values():
            if isinstance(child, TaskGroup):
                yield from child.iter_groups()

    def has_task(self, task: BaseOperator) -> bool:
        """Whether the task is in this group or a group inside it."""
        return any(task is other for other in self.iter_tasks())

    def get_child_by_label(self, label: str) -> BaseOperator | TaskGroup:
        """The child of that name. Raises ``KeyError``."""
        return self.children[self.child_id(label)]

    def get_task_group_dict(self) -> dict[str | None, TaskGroup]:
        """group_id -> group, for this group and all inside it."""
        return {group.group_id: group for group in self.iter_groups()}

    # ------------------------------------------------------------------------------------------------ dependencies
    @property
    def roots(self) -> Sequence[BaseOperator]:
        return list(self.get_roots())

    @property
    def leaves(self) -> Sequence[BaseOperator]:
        return list(self.get_leaves())

    def get_roots(self) -> Iterator[BaseOperator]:
        """The tasks that no other task of the group comes before."""
        tasks = list(self.iter_tasks())
        ids = {task.task_id for task in tasks}
        return (task for task in tasks if task.upstream_task_ids.isdisjoint(ids))

    def get_leaves(self) -> Iterator[BaseOperator]:
        """The tasks that no other task of the group comes after."""
        tasks = list(self.iter_tasks())
        ids = {task.task_id for task in tasks}
        return (task for task in tasks if task.downstream_task_ids.isdisjoint(ids))

    def set_upstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """``other`` runs before every task of the group."""
        connect(self, other, upstream=True, label=edge_modifier)

    def set_downstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """``other`` runs after every task of the group."""
        connect(self, other, upstream=False, label=edge_modifier)

    def update_relative(
        self, other: DependencyMixin, upstream: bool = True, edge_modifier: EdgeModifier | None = None
    ) -> None:
        """Note which groups and tasks are directly before or after the group: for display."""
        if isinstance(other, TaskGroup):
            (self.upstream_group_ids if upstream else self.downstream_group_ids).add(other.group_id)
        else:
            tasks = other.leaves if upstream else other.roots
            (self.upstream_task_ids if upstream else self.downstream_task_ids).update(t.task_id for t in tasks)

    # ------------------------------------------------------------------------------------------------ with
    def __enter__(self) -> TaskGroup:
        current.enter(self.dag, self)
        return self

    def __exit__(self, *_: object) -> None:
        current.leave()
