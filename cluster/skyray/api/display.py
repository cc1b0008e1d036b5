"""Admin API messages as plain dictionaries, as the command line shows them: snake_case keys, RFC 3339 times.

Not protobuf's own JSON mapping: that writes 64-bit integers as text, drops fields at their default, and knows nothing
of JSON that travels as text.
"""

from __future__ import annotations

import json
from collections.abc import MutableMapping, MutableSequence
from datetime import datetime, timezone
from typing import Any

from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

#: Fields whose text is JSON, by the full name of the field.
_JSON_FIELDS = frozenset({"skyray.admin.v1.DagRun.conf", "skyray.admin.v1.Dag.params"})


def moment_of(stamp: Timestamp) -> datetime:
    """A timestamp as an aware datetime in UTC, to the microsecond."""
    return stamp.ToDatetime(tzinfo=timezone.utc)


def rfc3339(moment: datetime) -> str:
    """``2026-01-02T03:04:05.678901+00:00``; without the fraction where that is zero."""
    return moment.isoformat()


def _shown(field_name: str, value: Any) -> Any:
    if isinstance(value, Timestamp):
        return rfc3339(moment_of(value))
    if isinstance(value, Message):
        return to_dict(value)
    if field_name in _JSON_FIELDS:
        return json.loads(value) if value else {}
    return value


def to_dict(message: Message) -> dict[str, Any]:
    """Every field of ``message`` in the order of its definition; None for what is absent."""
    out: dict[str, Any] = {}
    for field in message.DESCRIPTOR.fields:
        value = getattr(message, field.name)
        if isinstance(value, MutableMapping):
            out[field.name] = dict(sorted(value.items()))
        elif isinstance(value, MutableSequence):
            out[field.name] = [_shown(field.full_name, item) for item in value]
        elif field.has_presence and not message.HasField(field.name):
            out[field.name] = None
        else:
            out[field.name] = _shown(field.full_name, value)
    return out
