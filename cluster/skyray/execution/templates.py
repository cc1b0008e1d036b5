"""Rendering an operator's template fields: XComs put in the place of XComArgs, Jinja text made text.

    render_fields(operator, context, fetch=…, folder=…)      # changes ``operator``: a copy, never the DAG's own

What a task returned is data: it is never rendered as a template. Jinja is imported when a string asks for it. Called by
attempt.py before the task's code runs.
"""

from __future__ import annotations

import copy
from collections import ChainMap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from weakref import WeakKeyDictionary

from skyray.sdk.xcom_arg import LiteralValue, XComArg

if TYPE_CHECKING:
    import jinja2

_TEMPLATES_KEPT_MAX = 512


def render_fields(operator: Any, context: Any, *, fetch: Callable[[str, str], Any], folder: Path) -> None:
    """Replace each template field of ``operator`` by its rendered value.

    ``fetch(task_id, key)`` gives an upstream's XCom, ``folder`` is where template files are looked for first. Raises
    what Jinja raises: an undefined name is an error unless the DAG says otherwise.
    """
    rendering = _Rendering(operator, context, fetch, folder)
    own = vars(operator)
    for name in operator.template_fields:
        try:
            value = getattr(operator, name)
        except AttributeError:
            raise AttributeError(
                f"{type(operator).__name__} names {name!r} in template_fields but has no such attribute; "
                "set self.<field> in __init__"
            ) from None
        if value is not None and value != () and value != {} and value != []:
            rendered = rendering.value(value)
            if name in own:  # past __setattr__, which would search the value for XComArgs
                own[name] = rendered
            else:
                setattr(operator, name, rendered)


def render_text(text: str, operator: Any, context: Any, *, folder: Path) -> Any:
    """``text``, which never names a file, rendered as a template field of ``operator`` would be."""
    return _templates_of(operator, folder).render(text, context, is_file=False)


class _Rendering:
    """One attempt's rendering: walks values, and makes the Jinja environment only once it is needed."""

    def __init__(self, operator: Any, context: Any, fetch: Callable[[str, str], Any], folder: Path) -> None:
        self._operator = operator
        self._context = context
        self._fetch = fetch
        self._folder = folder
        self._extensions: tuple[str, ...] = tuple(operator.template_ext)
        self._templates: _Templates | None = None

    def value(self, value: Any) -> Any:
        """``value`` rendered. Containers are made anew, so that tasks cannot change the DAG's."""
        kind = type(value)
        if kind is str:
            return self._text(value)
        if kind is dict:
            return {name: self.value(item) for name, item in value.items()}
        if kind is list or kind is tuple or kind is set or kind is frozenset:
            return kind(self.value(item) for item in value)
        if isinstance(value, XComArg):
            return self._fetch(value.operator.task_id, value.key)
        if isinstance(value, LiteralValue):
            return value.value
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return kind(*(self.value(item) for item in value))
        if isinstance(getattr(kind, "template_fields", None), (list, tuple)):
            return self._object(value)
        return value

    def _object(self, value: Any) -> Any:
        rendered = copy.copy(value)
        for name in value.template_fields:
            setattr(rendered, name, self.value(getattr(value, name)))
        return rendered

    def _text(self, text: str) -> Any:
        is_file = bool(self._extensions) and text.endswith(self._extensions)
        if not is_file and "{{" not in text and "{%" not in text and "{#" not in text:
            return text
        if self._templates is None:
            self._templates = _templates_of(self._operator, self._folder)
        return self._templates.render(text, self._context, is_file=is_file)


class _Templates:
    """A Jinja environment with the templates compiled in it."""

    def __init__(self, environment: jinja2.Environment, *, is_native: bool) -> None:
        self._environment = environment
        self._is_native = is_native
        self._compiled: dict[str, jinja2.Template] = {}

    def render(self, text: str, context: Mapping[str, Any], *, is_file: bool) -> Any:
        template = self._environment.get_template(text) if is_file else self._compile(text)
        # Not template.render(): that copies the context, and would make every value of it.
        scope: Any = ChainMap(context, template.globals)  # type: ignore[arg-type]
        context_class = self._environment.context_class
        nodes = template.root_render_func(
            context_class(self._environment, scope, template.name, template.blocks, globals=template.globals)
        )
        if self._is_native:
            from jinja2.nativetypes import native_concat

            return native_concat(nodes)
        return "".join(nodes)

    def _compile(self, text: str) -> jinja2.Template:
        template = self._compiled.get(text)
        if template is None:
            if len(self._compiled) >= _TEMPLATES_KEPT_MAX:
                self._compiled.clear()
            template = self._compiled[text] = self._environment.from_string(text)
        return template


_made: WeakKeyDictionary[Any, dict[bool, _Templates]] = WeakKeyDictionary()


def _templates_of(operator: Any, folder: Path) -> _Templates:
    """The environment of the operator's DAG, made once for it and for native or text results."""
    dag = operator.dag
    is_native = getattr(operator, "render_template_as_native_obj", None)
    if is_native is None:
        is_native = bool(getattr(dag, "render_template_as_native_obj", False))
    of_dag = _made.setdefault(dag, {})
    if is_native not in of_dag:
        of_dag[is_native] = _Templates(_environment(dag, folder, is_native=is_native), is_native=is_native)
    return of_dag[is_native]


def _environment(dag: Any, folder: Path, *, is_native: bool) -> jinja2.Environment:
    import jinja2

    from skyray.execution.sandbox import NativeSandbox, TextSandbox

    more = getattr(dag, "template_searchpath", None) or ()
    options: dict[str, Any] = {
        "loader": jinja2.FileSystemLoader([str(folder), *([more] if isinstance(more, str) else map(str, more))]),
        "undefined": getattr(dag, "template_undefined", None) or jinja2.StrictUndefined,
        "extensions": ["jinja2.ext.do"],
    }
    options.update(getattr(dag, "jinja_environment_kwargs", None) or {})
    environment = (NativeSandbox if is_native else TextSandbox)(**options)
    environment.filters.update(_filters())
    environment.globals.update(getattr(dag, "user_defined_macros", None) or {})
    environment.filters.update(getattr(dag, "user_defined_filters", None) or {})
    return environment


def _filters() -> dict[str, Callable[[Any], Any]]:
    from skyray.execution import context

    def of_none(filter: Callable[[Any], str]) -> Callable[[Any], str | None]:
        return lambda date: None if date is None else filter(date)

    functions: Sequence[Callable[[Any], str]] = (
        *(context.ds, context.ds_nodash, context.ts, context.ts_nodash),
        context.ts_nodash_with_tz,
    )
    return {function.__name__: of_none(function) for function in functions}
