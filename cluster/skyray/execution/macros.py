"""What templates find under ``macros``: the names of ``airflow.sdk.macros``.

    {{ macros.ds_add(ds, 7) }}   {{ macros.datetime_diff_for_humans(dag_run.start_date) }}

Modules that cost time are imported when they are named.
"""

from __future__ import annotations

import importlib
import json
import time
import uuid
from datetime import datetime, timedelta
from random import random
from typing import Any

from skyray.errors import UnsupportedFeatureError

__all__ = ["datetime", "datetime_diff_for_humans", "ds_add", "ds_format", "json", "random", "time", "timedelta", "uuid"]


def ds_add(ds: str, days: int) -> str:
    """A date ``days`` later.

    >>> ds_add("2015-01-06", -5)
    '2015-01-01'
    """
    return (_parse(str(ds), "%Y-%m-%d") + timedelta(days)).strftime("%Y-%m-%d") if days else str(ds)


def ds_format(ds: str, input_format: str, output_format: str) -> str:
    """A date in another ``strftime`` format.

    >>> ds_format("1/5/2015", "%m/%d/%Y", "%Y-%m-%d")
    '2015-01-05'
    """
    return _parse(str(ds), input_format).strftime(output_format)


def datetime_diff_for_humans(dt: Any, since: Any = None) -> str:
    """How long ago ``dt`` was, or how far from ``since``, in words: ``3 hours ago``."""
    import pendulum

    moment = pendulum.instance(dt)
    return str(moment.diff_for_humans() if since is None else moment.diff_for_humans(pendulum.instance(since)))


def _parse(text: str, format: str) -> datetime:
    return datetime.strptime(text, format)  # noqa: DTZ007 - a calendar day has no zone


def __getattr__(name: str) -> Any:
    if name in ("dateutil", "yaml"):
        module = importlib.import_module(name)
        if name == "dateutil":
            for part in ("parser", "relativedelta", "rrule", "tz"):
                importlib.import_module(f"dateutil.{part}")
        return module
    if name == "ds_format_locale":
        raise UnsupportedFeatureError("macros.ds_format_locale is not supported yet", hint="use macros.ds_format")
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
