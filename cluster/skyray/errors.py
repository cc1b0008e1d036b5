"""Every operating error that Skyray raises on purpose, drawn as a tree. Not for programmer errors: those assert.

    SkyrayError
    ├── DagDefinitionError          a DAG file says something that cannot be (code "invalid")
    │   └── UnsupportedFeatureError   … something that this version does not do yet
    ├── InvalidInputError           a request that can never succeed as given     (code "invalid")
    ├── NotFoundError               the thing named does not exist                (code "not_found")
    ├── ConflictError               it exists already, or its state forbids it    (code "conflict")
    ├── PermissionDeniedError       the caller may not                            (code "not_allowed")
    ├── ClusterUnreachableError     no control plane answered                     (code "unreachable")
    ├── DatabaseVersionError        the schema is behind or ahead of this code    (code "conflict")
    ├── LeadershipLostError         a newer epoch leads the partition             (code "fenced")
    ├── CommandCrashedError         applying one command failed as it never should (a bug: names the command)
    └── IllegalMoveError            a transition that states.TASK_MOVES does not have (a bug: carries its story)

``code`` is what crosses process borders: the API maps it to a gRPC status, the command line to an exit code.
"""

from __future__ import annotations


class SkyrayError(Exception):
    """An expected error. ``str(error)`` is one line for people; ``hint`` (may be empty) says what to do next."""

    code = "internal"

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


class DagDefinitionError(SkyrayError):
    """A DAG file defines something impossible. Raised while the file is parsed; the message names value and cause.

    ``path`` and ``line`` say where, for what is found only when the whole DAG is known (a cycle); otherwise they are
    None and the traceback says it.
    """

    code = "invalid"

    def __init__(self, message: str, *, hint: str = "", path: str | None = None, line: int | None = None) -> None:
        super().__init__(message, hint=hint)
        self.path = path
        self.line = line


class UnsupportedFeatureError(DagDefinitionError):
    """An Airflow feature that this version refuses by name instead of ignoring it."""


class InvalidInputError(SkyrayError):
    """A request that can never succeed as given."""

    code = "invalid"


class NotFoundError(SkyrayError):
    """The resource named in a request does not exist."""

    code = "not_found"


class ConflictError(SkyrayError):
    """The resource exists already, or is in a state that forbids the request."""

    code = "conflict"


class PermissionDeniedError(SkyrayError):
    """The caller presented no token, a wrong one, or one without the right."""

    code = "not_allowed"


class ClusterUnreachableError(SkyrayError):
    """No Skyray control plane, Ray cluster or database answered at the address given."""

    code = "unreachable"


class DatabaseVersionError(SkyrayError):
    """The database's schema is older or newer than this code knows."""

    code = "conflict"


class LeadershipLostError(SkyrayError):
    """A leader tried to write under an epoch that is no longer the newest of its partition."""

    code = "fenced"


class IllegalMoveError(SkyrayError):
    """A task instance was asked to make a transition that the state table does not have."""

    code = "internal"


class CommandCrashedError(SkyrayError):
    """Applying a command raised something that nobody foresaw. The World is void, the command is to be answered.

    Without this, the command would crash every later leader as well: it stays in the inbox until it is answered.
    """

    code = "internal"

    def __init__(self, command_id: int, kind: str, cause: BaseException) -> None:
        super().__init__(f"command {kind} failed inside the scheduler: {type(cause).__name__}: {cause}")
        self.command_id = command_id
