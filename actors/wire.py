"""What the actors say to each other, beyond core/messages.py: envelopes, answers, and the one error among them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from skyray.core.messages import Lost, Started
from skyray.core.model import Pool, ResourceSpec
from skyray.core.pool_ledger import LeaseView
from skyray.errors import SkyrayError


class Invitation(NamedTuple):
    """What a runner or a leader is given over Ray: where the executor listens, and how each knows the other."""

    guest_id: int
    host: str
    port: int
    secret: bytes
    proof: bytes


class StaleSessionError(SkyrayError):
    """A message of a session that a newer ``attach`` (or ``register``) ended. The sender attaches again."""

    code = "stale_session"


class Assignment(NamedTuple):
    """One attempt as it travels from leader to executor. The executor never opens ``payload`` (a pickled AttemptSpec):
    it goes on to the worker as it is, which saves both of them the work."""

    attempt_id: int
    name: str
    log_path: str
    execution_timeout_seconds: float | None
    resources: ResourceSpec
    payload: bytes


class WorkerReply(NamedTuple):
    """A worker's answer. ``outcome`` is a pickled Outcome, or Lost where it waited in vain for the deployment; only the
    leader opens it. ``kind`` is how the code ended."""

    kind: str
    outcome: bytes
    log_offset: int
    log: bytes


#: What a worker said of an end comes pickled, as it made it; the leader opens it.
WireReport = Started | Lost | bytes


@dataclass(frozen=True, slots=True)
class Attached:
    """The answer to ``Executor.attach``: who is here, and which attempts of the partition it knows, ended or not.

    ``line``: where it listens for this session's messages; None: they are calls of the actor.
    """

    incarnation: str
    session: int
    node_id: str
    pid: int
    held: tuple[int, ...]
    line: Invitation | None = None


@dataclass(frozen=True, slots=True)
class PoolsAnswer:
    """The Pools actor's answer to everything: the asker's view of the books, and the definitions."""

    incarnation: str
    view: LeaseView
    pools: tuple[Pool, ...]
