"""Which DAGs a file made: collected while it is imported. And where an author's line is.

The loader (parsing/) wraps the import in ``collect_dags`` and then asks ``dags_of_module``.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from types import ModuleType
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG

_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep
_FOUND: ContextVar[list[DAG] | None] = ContextVar("skyray_found_dags", default=None)


@contextmanager
def collect_dags() -> Iterator[list[DAG]]:
    """Collect the DAGs used in a ``with`` statement or made by a ``@dag`` call, unless ``auto_register=False``."""
    found: list[DAG] = []
    token = _FOUND.set(found)
    try:
        yield found
    finally:
        _FOUND.reset(token)


def register(dag: DAG) -> None:
    """Note a DAG whose ``with`` block ended well. Does nothing outside of ``collect_dags``."""
    found = _FOUND.get()
    if found is not None and dag.auto_register and not any(other is dag for other in found):
        found.append(dag)


def dags_of_module(module: ModuleType, found: Sequence[DAG]) -> list[DAG]:
    """The DAGs of a file: those collected, and those that are globals of ``module``, each once, in order of creation.

    Two different DAG objects with one dag_id are both returned: which is an error, and the parser's to report.
    """
    from skyray.sdk.dag import DAG  # the DAG registers itself here, so its module cannot be imported first

    dags: dict[int, DAG] = {id(dag): dag for dag in found}
    for value in list(vars(module).values()):
        if isinstance(value, DAG):
            dags.setdefault(id(value), value)
    return sorted(dags.values(), key=lambda dag: dag.sequence)


class Location(NamedTuple):
    """A place in a source file."""

    path: str
    line: int


def author_location() -> Location:
    """The innermost line on the stack that is not Skyray's own: the author's."""
    frame = sys._getframe(1)
    outermost = frame
    while frame is not None:
        outermost = frame
        if not frame.f_code.co_filename.startswith(_PACKAGE) and not frame.f_code.co_filename.startswith("<"):
            return Location(frame.f_code.co_filename, frame.f_lineno)
        frame = frame.f_back  # type: ignore[assignment]
    return Location(outermost.f_code.co_filename, outermost.f_lineno)
