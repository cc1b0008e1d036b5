"""What publishing a bundle changes, worked out from what is stored and what was parsed. Pure: catalog.py does it.

The rules: a dag_id belongs to the bundle and file that defined it first, until its DAG is retired. What a broken file
(or a broken DAG, or a file that is still being imported) defined before stays as it is. What no file defines any more
is retired, and comes back as it was.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from skyray.core.model import DagSpec, Json
from skyray.core.parsed import ParsedDag, ParsedFile, ParseError
from skyray.store.rows import as_json


@dataclass(frozen=True, slots=True)
class KnownDag:
    """A DAG as stored, with what its live version was made of."""

    dag_id: str
    partition: int
    bundle_name: str
    relative_path: str
    version: int
    is_retired: bool
    header: Json
    spec_hash: str
    source_hash: str


@dataclass(frozen=True, slots=True)
class Candidate:
    """A DAG that the bundle defines and may have, as it would be stored."""

    dag_id: str
    path: str
    parsed: ParsedDag
    spec_json: str
    header: Json
    spec_hash: str
    known: KnownDag | None

    @property
    def needs_version(self) -> bool:
        """True if its tasks or their code differ from the live version's."""
        known = self.known
        return known is None or (known.spec_hash, known.source_hash) != (self.spec_hash, self.parsed.source_hash)

    @property
    def is_different(self) -> bool:
        """True if anything of it is to be written."""
        known = self.known
        return known is None or self.needs_version or self.changes_ownership or known.header != self.header

    @property
    def changes_ownership(self) -> bool:
        """True if it comes back, or from another bundle or file."""
        return self.known is not None and (self.known.is_retired or self.known.relative_path != self.path)


@dataclass(slots=True)
class Plan:
    """What publishing comes to."""

    candidates: list[Candidate] = field(default_factory=list)
    retired: list[KnownDag] = field(default_factory=list)
    errors: list[ParseError] = field(default_factory=list)


def plan(bundle_name: str, files: Sequence[ParsedFile], known: Mapping[str, KnownDag]) -> Plan:
    """Decide. ``files`` are all DAG files of the bundle; ``known`` its DAGs and others under the wanted ids."""
    made = Plan(errors=[error for file in files for error in file.errors])
    wanted: dict[str, list[tuple[str, ParsedDag]]] = {}
    for file in sorted(files, key=lambda each: each.path):
        for parsed in file.dags:
            wanted.setdefault(parsed.spec.dag_id, []).append((file.path, parsed))
    for dag_id, definitions in sorted(wanted.items()):
        owner = known.get(dag_id)
        if owner is not None and not owner.is_retired and owner.bundle_name != bundle_name:
            place = f"bundle {owner.bundle_name!r} ({owner.relative_path})"
            made.errors += [_taken(path, parsed.spec, place) for path, parsed in definitions]
            continue
        # The file that has it keeps it, if it still defines it.
        keepers = [each for each in definitions if owner is not None and each[0] == owner.relative_path]
        first = (keepers or definitions)[0]
        made.errors += [_taken(each[0], each[1].spec, first[0]) for each in definitions if each is not first]
        try:
            made.candidates.append(_candidate(*first, owner))
        except ValueError as error:
            message = f"ValueError: DAG {dag_id!r} cannot be stored as JSON: {error}"
            made.errors.append(ParseError(first[0], dag_id, first[1].spec.line, message, ""))
    made.errors.sort(key=lambda error: (error.path, error.dag_id or "", error.line or 0))
    kept = {each.dag_id for each in made.candidates} | {error.dag_id for error in made.errors}
    broken = {error.path for error in made.errors if error.dag_id is None}
    broken |= {file.path for file in files if file.is_pending}
    made.retired = [
        each
        for each in sorted(known.values(), key=lambda each: each.dag_id)
        if each.bundle_name == bundle_name
        and not each.is_retired
        and each.dag_id not in kept
        and each.relative_path not in broken
    ]
    return made


def _candidate(path: str, parsed: ParsedDag, known: KnownDag | None) -> Candidate:
    # Where in its file a DAG begins changes with its neighbours, and changes nothing about it.
    fingerprint = replace(parsed.spec, line=None).canonical()
    header = replace(parsed.spec, tasks=(), groups=()).to_json()
    return Candidate(
        dag_id=parsed.spec.dag_id,
        path=path,
        parsed=parsed,
        spec_json=as_json(parsed.spec.to_json()),
        header=json.loads(as_json(header)),
        spec_hash=hashlib.sha256(fingerprint.encode("utf-8", "surrogatepass")).hexdigest(),
        known=known,
    )


def _taken(path: str, spec: DagSpec, place: str) -> ParseError:
    message = f"DuplicateDagError: DAG {spec.dag_id!r} is defined already, in {place}"
    return ParseError(path, spec.dag_id, spec.line, message, "")
