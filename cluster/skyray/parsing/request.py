"""What the pool and its children agree on: the request, and the bounds of what crosses between them.

Imports nothing of the SDK: the pool's process has no use for it.
"""

from __future__ import annotations

from dataclasses import dataclass

MESSAGE_MAX_BYTES = 64 << 10  # of the pool's and the nursery's messages to each other
RESULT_MAX_BYTES = 64 << 20  # of a file's serialized DAGs and errors


@dataclass(frozen=True, slots=True)
class ParseRequest:
    """What a child is told. ``root`` is the unpacked bundle; ``result`` the file to write, in a private folder."""

    root: str
    path: str
    digest: str
    result: str
    memory_bytes: int
    default_retries: int
    default_timezone: str
