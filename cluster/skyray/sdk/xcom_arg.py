"""A task's output, as other tasks' arguments: ``XComArg``. Finding them in a value, and replacing them by values.

At parse time an XComArg in an argument makes a dependency. In a worker, execution/ calls ``resolve`` with a function
that gives XCom values.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any, NoReturn

from skyray.sdk.edges import DependencyMixin, EdgeModifier, Relative
from skyray.sdk.unsupported import refuse

if TYPE_CHECKING:
    from skyray.sdk.operator import BaseOperator

#: The key of what a task returns.
XCOM_RETURN_KEY = "return_value"


class XComArg(DependencyMixin):
    """The XCom that ``operator`` pushes under ``key``. Made by ``operator.output`` and by calling a task function."""

    def __init__(self, operator: BaseOperator, key: str = XCOM_RETURN_KEY) -> None:
        self.operator = operator
        self.key = key

    def __getitem__(self, item: str) -> XComArg:
        """``x["key"]``: what the task pushed under another key (for instance with ``multiple_outputs``)."""
        if not isinstance(item, str):
            raise ValueError(f"an XComArg is indexed by a key, which is a string; got {item!r}")
        return XComArg(self.operator, item)

    def __iter__(self) -> Iterator[Any]:
        # Without this, Python would call __getitem__(0) and so on.
        raise TypeError("an XComArg is not iterable: its value is not known before the task has run")

    def __bool__(self) -> bool:
        return True

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, XComArg):
            return NotImplemented
        return self.operator is other.operator and self.key == other.key

    def __hash__(self) -> int:
        return hash((id(self.operator), self.key))

    def __repr__(self) -> str:
        suffix = "" if self.key == XCOM_RETURN_KEY else f"[{self.key!r}]"
        return f"XComArg({self.operator.task_id!r}){suffix}"

    def __str__(self) -> str:
        """A template that gives the value: for f-strings. Makes no dependency."""
        pull = f"task_ids={self.operator.task_id!r}, dag_id={self.operator.dag_id!r}, key={self.key!r}"
        return "{{ task_instance.xcom_pull(" + pull + ") }}"

    @property
    def roots(self) -> Sequence[BaseOperator]:
        return [self.operator]

    @property
    def leaves(self) -> Sequence[BaseOperator]:
        return [self.operator]

    def set_upstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        self.operator.set_upstream(other, edge_modifier)

    def set_downstream(self, other: Relative, edge_modifier: EdgeModifier | None = None) -> None:
        self.operator.set_downstream(other, edge_modifier)

    def map(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse("XComArg.map() (dynamic task mapping)")

    def zip(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse("XComArg.zip() (dynamic task mapping)")

    def concat(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: dynamic task mapping is not supported yet."""
        refuse("XComArg.concat() (dynamic task mapping)")


class LiteralValue:
    """A value that is passed on as it is: no template in it is rendered. Made by ``literal``."""

    __slots__ = ("value",)

    def __init__(self, value: Any) -> None:
        self.value = value

    def __repr__(self) -> str:
        return f"literal({self.value!r})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, LiteralValue) and self.value == other.value

    __hash__ = None  # type: ignore[assignment]


def literal(value: Any) -> LiteralValue:
    """Protect ``value`` (for instance text with ``{{``) from being rendered as a template."""
    return LiteralValue(value)


def iter_xcom_args(value: Any) -> Iterator[XComArg]:
    """Every XComArg in ``value``: itself, in lists, tuples, sets and dictionary values, and in the template fields of
    an operator or any other object that has ``template_fields``."""
    if isinstance(value, XComArg):
        yield value
    elif isinstance(value, (list, tuple, set, frozenset)):
        for item in value:
            yield from iter_xcom_args(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from iter_xcom_args(item)
    elif not isinstance(value, (str, bytes, type)) and isinstance(
        fields := getattr(type(value), "template_fields", None), (list, tuple)
    ):
        for name in fields:
            yield from iter_xcom_args(getattr(value, name, None))


def resolve(value: Any, fetch: Callable[[str, str], Any], *, render: Callable[[str], Any] | None = None) -> Any:
    """``value`` with every XComArg in it replaced by ``fetch(task_id, key)``, and ``literal`` values by what they hold.

    ``render`` is applied to the author's own strings, and not to fetched ones: what a task returned is data, never a
    template. Lists, tuples, sets and dictionaries are rebuilt where something in them changes; other objects are
    passed on.

    >>> resolve(["{{ x }}", literal("{{ x }}")], fetch=lambda task_id, key: None, render=str.upper)
    ['{{ X }}', '{{ x }}']
    """
    if isinstance(value, XComArg):
        return fetch(value.operator.task_id, value.key)
    if isinstance(value, LiteralValue):
        return value.value
    if isinstance(value, str):
        return value if render is None else render(value)
    if isinstance(value, dict):
        return {name: resolve(item, fetch, render=render) for name, item in value.items()}
    if isinstance(value, tuple):
        items = [resolve(item, fetch, render=render) for item in value]
        return type(value)(*items) if hasattr(value, "_fields") else tuple(items)
    if isinstance(value, (list, set, frozenset)):
        kind = list if isinstance(value, list) else set if isinstance(value, set) else frozenset
        return kind(resolve(item, fetch, render=render) for item in value)
    return value
