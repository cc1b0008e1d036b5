"""Tasks that call a Python function: ``PythonOperator``, and the two that decide what runs after them."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any, ClassVar

from skyray.sdk.branching import BaseBranchOperator, SkipMixin
from skyray.sdk.context import KNOWN_CONTEXT_KEYS, Context, get_current_context
from skyray.sdk.operator import BaseOperator
from skyray.sdk.unsupported import unsupported

__all__ = [
    "BranchExternalPythonOperator",
    "BranchPythonOperator",
    "BranchPythonVirtualenvOperator",
    "ExternalPythonOperator",
    "PythonOperator",
    "PythonVirtualenvOperator",
    "ShortCircuitOperator",
    "get_current_context",
]

_HINT = "use Ray's runtime_env={'pip': [...]} to give a task its own packages"
PythonVirtualenvOperator = unsupported("PythonVirtualenvOperator", hint=_HINT)
ExternalPythonOperator = unsupported("ExternalPythonOperator", hint=_HINT)
BranchPythonVirtualenvOperator = unsupported("BranchPythonVirtualenvOperator", hint=_HINT)
BranchExternalPythonOperator = unsupported("BranchExternalPythonOperator", hint=_HINT)


class PythonOperator(BaseOperator):
    """Calls ``python_callable(*op_args, **op_kwargs)``. What it returns is pushed as an XCom.

    The callable also gets those parts of the context that it names as parameters (``ti``, ``ds``, ``params``, …), and
    the whole context if it takes ``**kwargs``. It may be ``async def``.

    >>> PythonOperator(task_id="add", python_callable=lambda a, b: a + b, op_args=[1, 2]).task_type
    'PythonOperator'
    """

    template_fields: Sequence[str] = ("templates_dict", "op_args", "op_kwargs")
    template_fields_renderers: ClassVar[dict[str, str]] = {"templates_dict": "json", "op_args": "py", "op_kwargs": "py"}
    ui_color = "#ffefeb"
    shallow_copy_attrs: Sequence[str] = ("python_callable", "op_kwargs")

    def __init__(
        self,
        *,
        python_callable: Callable[..., Any],
        op_args: Collection[Any] | None = None,
        op_kwargs: Mapping[str, Any] | None = None,
        templates_dict: dict[str, Any] | None = None,
        templates_exts: Sequence[str] | None = None,
        show_return_value_in_logs: bool = True,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(python_callable):
            raise TypeError(f"python_callable must be callable, not {type(python_callable).__name__}")
        self.python_callable = python_callable
        self.op_args: Collection[Any] = op_args if op_args is not None else ()
        self.op_kwargs: Mapping[str, Any] = op_kwargs if op_kwargs is not None else {}
        self.templates_dict = templates_dict
        if templates_exts:
            self.template_ext = tuple(templates_exts)
        self.show_return_value_in_logs = show_return_value_in_logs

    def execute(self, context: Context) -> Any:
        result = self.call(context)
        if self.show_return_value_in_logs:
            self.log.info("Done. Returned value was: %s", result)
        else:
            self.log.info("Done. Returned value not shown")
        return result

    def call(self, context: Context) -> Any:
        """Call the function with its arguments and with what it wants of the context."""
        given = self.op_kwargs
        self.op_kwargs = self.determine_kwargs(context)
        try:
            return self.execute_callable()
        finally:
            self.op_kwargs = given

    def determine_kwargs(self, context: Mapping[str, Any]) -> Mapping[str, Any]:
        """The keyword arguments of the call: of ``op_kwargs`` and the context, those that the function takes.

        Only what is named is looked up in the context: some of it is costly to make.
        """
        try:
            parameters = list(inspect.signature(self.python_callable).parameters.values())
        except (TypeError, ValueError):  # some callables of C have no signature
            return self.op_kwargs
        taken = _positional(parameters, len(self.op_args))
        if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
            everything = {**context, "templates_dict": self.templates_dict}
            return {**{name: value for name, value in everything.items() if name not in taken}, **self.op_kwargs}
        wanted: dict[str, Any] = {}
        for parameter in parameters:
            name = parameter.name
            if parameter.kind not in (parameter.POSITIONAL_OR_KEYWORD, parameter.KEYWORD_ONLY):
                continue
            if name in self.op_kwargs:
                wanted[name] = self.op_kwargs[name]
            elif name in taken:
                continue
            elif name == "templates_dict":
                wanted[name] = self.templates_dict
            elif name in context or (name in KNOWN_CONTEXT_KEYS and parameter.default is parameter.empty):
                wanted[name] = context[name]  # where it is missing, the context says why
        return wanted

    def execute_callable(self) -> Any:
        """Call the function with ``op_args`` and ``op_kwargs``; see a coroutine through to its end."""
        result = self.python_callable(*self.op_args, **self.op_kwargs)
        if inspect.iscoroutine(result):
            import asyncio  # a third of what importing this module would cost

            return asyncio.run(result)
        return result


def _positional(parameters: Sequence[inspect.Parameter], number: int) -> set[str]:
    """Names of the parameters that the first ``number`` positional arguments go to."""
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return {parameter.name for parameter in [each for each in parameters if each.kind in kinds][:number]}


class BranchPythonOperator(PythonOperator, BaseBranchOperator):
    """Calls a function that returns the id, or ids, of the tasks or groups to follow; the others directly after this
    task are skipped. A task that the followed ones lead to is not skipped. None skips all directly after."""

    inherits_from_skipmixin = True

    def choose_branch(self, context: Context) -> Any:
        return self.call(context)

    def execute(self, context: Context) -> Any:
        chosen = self.choose_branch(context)
        self.log.info("Branch callable returned %s", chosen)
        return self.do_branch(context, chosen)


class ShortCircuitOperator(PythonOperator, SkipMixin):
    """Calls a function; if what it returns is falsy, skips what comes after.

    ``ignore_downstream_trigger_rules=True`` skips everything downstream, whatever its trigger rule. False skips only
    the tasks directly after and lets trigger rules decide about the rest.
    """

    inherits_from_skipmixin = True

    def __init__(self, *, ignore_downstream_trigger_rules: bool = True, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.ignore_downstream_trigger_rules = ignore_downstream_trigger_rules

    def execute(self, context: Context) -> Any:
        condition = self.call(context)
        self.log.info("Condition result is %s", condition)
        if not condition:
            if self.ignore_downstream_trigger_rules:
                skipped = self.get_flat_relative_ids(upstream=False)
            else:
                skipped = self.get_direct_relative_ids(upstream=False)
            self.skip(context["ti"], skipped)
        return condition
