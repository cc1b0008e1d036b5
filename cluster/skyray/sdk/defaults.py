"""What a deployment decides for authors who say nothing: retries, time zone. Set by whoever parses DAG files.

The SDK reads no environment and no file, so that a DAG file gives the same DAG wherever it is parsed with the same
defaults.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Defaults:
    """The deployment's defaults; see the settings ``default_task_retries`` and ``default_timezone``."""

    retries: int = 0
    timezone: str = "UTC"


_PLAIN = Defaults()
_DEFAULTS: ContextVar[Defaults] = ContextVar("skyray_defaults", default=_PLAIN)


def current_defaults() -> Defaults:
    """The defaults that apply here."""
    return _DEFAULTS.get()


@contextmanager
def use_defaults(defaults: Defaults) -> Iterator[None]:
    """Apply ``defaults`` to the DAGs and tasks that are made inside."""
    token = _DEFAULTS.set(defaults)
    try:
        yield
    finally:
        _DEFAULTS.reset(token)
