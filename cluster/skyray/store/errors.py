"""What can go wrong with the database, as Skyray's own errors. Not here: wrong requests (NotFoundError and friends).

SkyrayError
├── ClusterUnreachableError
│   └── StoreUnavailableError   no connection, or it broke: whoever wrote must read again what became of it
└── ConflictError
    └── StoreConflictError      a row exists already that the writer took for new
"""

from __future__ import annotations

from skyray.errors import ClusterUnreachableError, ConflictError


class StoreUnavailableError(ClusterUnreachableError):
    """Postgres was not reached, refused the connection or broke it off. What was being written may or may not be."""


class StoreConflictError(ConflictError):
    """A unique key was taken. ``constraint`` names it as in the schema."""

    def __init__(self, message: str, *, constraint: str = "", hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.constraint = constraint
