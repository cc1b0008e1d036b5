"""``@task_group``: calling a function puts the tasks that it makes into a TaskGroup."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping
from typing import Any, NoReturn, overload

from skyray.sdk.task_group import TaskGroup
from skyray.sdk.unsupported import refuse


class TaskGroupFunction:
    """A function decorated with ``@task_group``. Calling it makes a group."""

    def __init__(self, function: Callable[..., Any], kwargs: Mapping[str, Any]) -> None:
        if not callable(function):
            raise TypeError(f"@task_group decorates a function, not {type(function).__name__}: {function!r}")
        self.function = function
        self.kwargs = dict(kwargs)
        functools.update_wrapper(self, function)

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Make the group and call the function inside it. Returns what the function returns; else the group."""
        options = {"group_id": self.function.__name__, "add_suffix_on_collision": True, **self.kwargs}
        if not options.get("tooltip") and self.function.__doc__:
            options["tooltip"] = inspect.cleandoc(self.function.__doc__)
        with TaskGroup(**options) as group:
            result = self.function(*args, **kwargs)
        return group if result is None else result

    def override(self, **kwargs: Any) -> TaskGroupFunction:
        """The same function with other arguments for its group."""
        _check_arguments(kwargs)
        return TaskGroupFunction(self.function, {**self.kwargs, **kwargs})

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
        return f"<@task_group function {self.function.__name__}>"


@overload
def task_group(group_id: Callable[..., Any]) -> TaskGroupFunction: ...
@overload
def task_group(group_id: str | None = None, **kwargs: Any) -> Callable[[Callable[..., Any]], TaskGroupFunction]: ...
def task_group(group_id: str | Callable[..., Any] | None = None, **kwargs: Any) -> Any:
    """Make a TaskGroup of a function. Takes ``TaskGroup``'s arguments; the id is the function's name unless given.

    >>> @task_group
    ... def load(x):
    ...     store(clean(x))
    """
    if callable(group_id):
        return TaskGroupFunction(group_id, {})
    if group_id is not None:
        kwargs["group_id"] = group_id
    _check_arguments(kwargs)
    return lambda function: TaskGroupFunction(function, kwargs)


def _check_arguments(kwargs: Mapping[str, Any]) -> None:
    unknown = sorted(kwargs.keys() - inspect.signature(TaskGroup.__init__).parameters.keys())
    if unknown:
        raise TypeError(f"@task_group got unexpected keyword arguments: {', '.join(unknown)}")
