"""Saying what runs before what: ``>>``, ``<<``, lists, labels, ``chain``, ``chain_linear``, ``cross_downstream``.

``DependencyMixin`` is what tasks, TaskGroups, XComArgs and labels have in common: each stands for some first tasks
(``roots``) and some last ones (``leaves``). Between which tasks an edge really is, is kept by the operators.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any, TypeAlias

from skyray.sdk.unsupported import refuse

if TYPE_CHECKING:
    from skyray.sdk.operator import BaseOperator

Relative: TypeAlias = "DependencyMixin | Sequence[DependencyMixin]"


class DependencyMixin(ABC):
    """Something that can stand on either side of ``>>``."""

    @property
    @abstractmethod
    def roots(self) -> Sequence[BaseOperator]:
        """The tasks that have to wait when this is downstream of something."""

    @property
    @abstractmethod
    def leaves(self) -> Sequence[BaseOperator]:
        """The tasks that are waited for when this is upstream of something."""

    @abstractmethod
    def set_upstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """Make ``other`` run before this."""

    @abstractmethod
    def set_downstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        """Make ``other`` run after this."""

    def update_relative(  # noqa: B027 - most have nothing to note
        self, other: DependencyMixin, upstream: bool = True, edge_modifier: EdgeModifier | None = None
    ) -> None:
        """Called when ``other`` was set upstream (or downstream) of this; groups and labels take note."""

    def as_setup(self) -> Any:
        """Refused: setup tasks are not supported yet."""
        refuse("as_setup() (setup and teardown tasks)")

    def as_teardown(self, *_: Any, **__: Any) -> Any:
        """Refused: teardown tasks are not supported yet."""
        refuse("as_teardown() (setup and teardown tasks)")

    def __rshift__(self, other: Any) -> Any:
        """``self >> other``."""
        self.set_downstream(other)
        return other

    def __lshift__(self, other: Any) -> Any:
        """``self << other``."""
        self.set_upstream(other)
        return other

    def __rrshift__(self, other: Any) -> Any:
        """``[a, b] >> self``: lists have no ``>>`` of their own."""
        self.set_upstream(other)
        return self

    def __rlshift__(self, other: Any) -> Any:
        """``[a, b] << self``."""
        self.set_downstream(other)
        return self


def as_dependencies(value: Any) -> list[DependencyMixin]:
    """One or several things that tasks can depend on, as a list. Raises ``TypeError`` for anything else."""
    items = list(value) if isinstance(value, (list, tuple, set, frozenset)) else [value]
    for item in items:
        if not isinstance(item, DependencyMixin):
            raise TypeError(
                f"relationships can only be set between tasks and groups; got {type(item).__name__}: {item!r}"
            )
    return items


class EdgeModifier(DependencyMixin):
    """A label on its way into an edge: it collects what is on its two sides and connects them.

    >>> a >> Label("when full") >> b      # doctest: +SKIP
    """

    def __init__(self, label: str | None = None) -> None:
        self.label = label
        self._before: list[DependencyMixin] = []
        self._after: list[DependencyMixin] = []

    @property
    def roots(self) -> Sequence[BaseOperator]:
        return [root for item in self._before for root in item.roots]

    @property
    def leaves(self) -> Sequence[BaseOperator]:
        return [leaf for item in self._after for leaf in item.leaves]

    def set_upstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        self._take(self._before, as_dependencies(other))

    def set_downstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        self._take(self._after, as_dependencies(other))

    def _take(self, side: list[DependencyMixin], items: Iterable[DependencyMixin]) -> None:
        for item in items:
            if isinstance(item, EdgeModifier):
                raise TypeError("a Label cannot be next to another Label")
            if not any(item is known for known in side):
                side.append(item)
        for before in self._before:
            for after in self._after:
                before.set_downstream(after, edge_modifier=self)

    def add_edge_info(self, dag: Any, upstream_id: str, downstream_id: str) -> None:
        """Keep the label for one edge of ``dag``."""
        dag.set_edge_info(upstream_id, downstream_id, {"label": self.label})


def Label(label: str) -> EdgeModifier:
    """A text for the edge between what is left and right of it."""
    return EdgeModifier(label)


def connect(this: DependencyMixin, other: Relative, *, upstream: bool, label: EdgeModifier | None) -> None:
    """Set ``other`` before (``upstream``) or after ``this``, whatever the two stand for."""
    for item in as_dependencies(other):
        if isinstance(item, EdgeModifier):
            if upstream:
                item.set_downstream(this)
            else:
                item.set_upstream(this)
            continue
        before, after = (item, this) if upstream else (this, item)
        this.update_relative(item, upstream, label)
        item.update_relative(this, not upstream, label)
        firsts, seconds = list(before.leaves), list(after.roots)  # of a group, they change with every edge
        for first in firsts:
            for second in seconds:
                first.connect_to(second, label)


def chain(*tasks: Relative) -> None:
    """Each argument runs after the one before it. Two lists next to each other must be equally long: they pair up.

    >>> chain(a, [b, c], [d, e], f)       # doctest: +SKIP
    a >> b >> d >> f and a >> c >> e >> f
    """
    for before, after in pairwise(tasks):
        if isinstance(before, DependencyMixin):
            before.set_downstream(after)
            continue
        if isinstance(after, DependencyMixin):
            after.set_upstream(before)
            continue
        if not isinstance(before, Sequence) or not isinstance(after, Sequence):
            raise TypeError(f"chain is not supported between {type(before).__name__} and {type(after).__name__}")
        if len(before) != len(after):
            raise ValueError(
                f"chain needs lists of the same length next to each other; got {len(before)}, {len(after)}"
            )
        for one, other in zip(before, after, strict=True):
            one.set_downstream(other)


def chain_linear(*elements: Relative) -> None:
    """Each argument runs after *all* of the one before it, lists included. Empty lists are left out."""
    if not elements:
        raise ValueError("no tasks were given; nothing to do")
    previous: list[DependencyMixin] | None = None
    connected = False
    for element in elements:
        if isinstance(element, EdgeModifier):
            raise ValueError("labels are not supported by chain_linear")
        items = as_dependencies(element)
        if not items:
            continue
        for before in previous or ():
            before.set_downstream(items)
            connected = True
        previous = items
    if not connected:
        raise ValueError("no dependencies were set. Did you forget to expand a list with `*`?")


def cross_downstream(
    from_tasks: Sequence[DependencyMixin], to_tasks: DependencyMixin | Sequence[DependencyMixin]
) -> None:
    """Every one of ``from_tasks`` runs before every one of ``to_tasks``."""
    for task in as_dependencies(from_tasks):
        task.set_downstream(to_tasks)
