"""What parsing a DAG file came to, as plain data: made by parsing/, stored by store/catalog.py, shown by the API.

Not here: how files are parsed, or what is done about an error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from skyray.core.model import DagSpec


@dataclass(frozen=True, slots=True)
class ParseError:
    """Why a file, or one DAG of it, could not be taken over.

    ``path`` is relative to its bundle. ``dag_id`` is None where the whole file failed. ``line`` is the innermost line
    of that file which led to the error. ``message`` is one line, ``"ValueError: text"``; ``traceback`` may be empty.
    """

    path: str
    dag_id: str | None
    line: int | None
    message: str
    traceback: str


@dataclass(frozen=True, slots=True)
class ParsedDag:
    """One good DAG. ``source_hash`` changes with whatever can change its tasks' behaviour, but not with its neighbours:
    a new DagVersion is due when it, or the spec, differs from the live version's. ``pool_lines`` says for each pool
    where the file first names it, as far as that is known."""

    spec: DagSpec
    source_hash: str
    pool_lines: Mapping[str, int] = field(default_factory=dict, compare=False)


@dataclass(frozen=True, slots=True)
class ParsedFile:
    """One DAG file's result. A file with errors may have good DAGs as well.

    A file that failed as a whole has an error with ``dag_id`` None and no DAGs; what it defined before stays as it is.
    So does it, and what is said of it, where the file ``is_pending``: its import takes long, and is still under way.
    """

    path: str
    dags: tuple[ParsedDag, ...]
    errors: tuple[ParseError, ...]
    duration_seconds: float
    is_pending: bool = False


@dataclass(frozen=True, slots=True)
class Bundle:
    """A folder of DAG files (or one file) as it was at one moment, packed. Equal files have an equal ``digest``.

    ``content`` is a zip archive; ``files`` are (path, sha256 of its bytes), sorted. Made by parsing/bundle.py.
    """

    name: str
    digest: str
    content: bytes = field(repr=False)
    files: tuple[tuple[str, str], ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class PublishedDag:
    """A DAG that a bundle defines now. ``is_new``: this publication made or replaced its version."""

    dag_id: str
    version: int
    is_new: bool


@dataclass(frozen=True, slots=True)
class PublishReport:
    """What publishing a bundle changed. ``errors``: the import errors that are shown now, those that storing it found
    (a dag_id that belongs to another bundle) among them. ``partitions``: whose leaders have something to look into."""

    dags: tuple[PublishedDag, ...] = ()
    retired: tuple[str, ...] = ()
    errors: tuple[ParseError, ...] = ()
    partitions: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class BundleHead:
    """The newest bundle of a name. ``kind`` is ``folder`` (the watched one) or ``submitted``."""

    name: str
    digest: str
    kind: str
