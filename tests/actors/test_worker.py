"""What a worker does when the deployment does not answer: it waits, and in the end says that the attempt is lost."""

from __future__ import annotations

import pickle
from typing import Any

import pytest

from skyray.actors import worker
from skyray.actors.ray_port import ActorUnreachableError
from skyray.actors.worker import ActorServices, Deployment
from skyray.core.messages import Lost, Outcome, OutcomeKind
from skyray.errors import NotFoundError, SkyrayError
from skyray.execution.attempt import AttemptLimits, WorkerResult
from skyray.store.errors import StoreUnavailableError


class Port:
    """Answers with what is in ``answers``, in turn: raised if it is an error. The last one is repeated."""

    def __init__(self, *answers: Any) -> None:
        self.answers = list(answers)
        self.lookups = 0

    def node_id(self) -> str:
        return "node-1"

    def find_actor(self, name: str, namespace: str) -> Any:
        self.lookups += 1
        return self

    def reply_blocking(self, ref: Any, deadline_seconds: float) -> Any:
        answer = self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]
        if isinstance(answer, SkyrayError):
            raise answer
        return answer

    def __getattr__(self, name: str) -> Any:
        return self  # .fetch_bundle

    def remote(self, *arguments: Any) -> Any:
        return arguments


DEPLOYMENT = Deployment("n", "executor-0", ("api",), "/cache", AttemptLimits())


@pytest.fixture(autouse=True)
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(worker, "_PAUSES_SECONDS", (0.0,))
    monkeypatch.setattr(worker, "OUTAGE_SECONDS", 0.05)


def services(port: Port) -> ActorServices:
    return ActorServices(DEPLOYMENT, port)  # type: ignore[arg-type]


def gone() -> ActorUnreachableError:
    error = ActorUnreachableError("dead")
    error.is_final = True
    return error


def test_an_api_that_restarts_and_a_database_that_is_away_are_waited_for() -> None:
    asked = services(Port(ActorUnreachableError("restarting"), StoreUnavailableError("away"), b"content"))
    assert asked.fetch_bundle("d") == b"content"
    assert asked.gave_up is None


def test_an_actor_that_is_gone_for_good_is_looked_up_again() -> None:
    port = Port(ActorUnreachableError("restarting"), gone(), b"content")
    services(port).fetch_bundle("d")
    assert port.lookups == 2


def test_what_the_api_refuses_is_not_asked_again() -> None:
    with pytest.raises(NotFoundError):
        services(Port(NotFoundError("no such bundle"), b"content")).fetch_bundle("d")


@pytest.mark.parametrize("kind", [OutcomeKind.FAILED, OutcomeKind.SUCCESS])
def test_an_attempt_that_failed_since_nobody_answered_is_lost(
    kind: OutcomeKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run_attempt(spec: Any, *, services: ActorServices, **_: Any) -> WorkerResult:
        with pytest.raises(StoreUnavailableError):
            services.fetch_bundle("d")
        return WorkerResult(Outcome(7, kind, 1.0, 2.0), 0, b"log")

    class Spec:
        attempt_id = 7
        resources = type("R", (), {"num_gpus": None, "runtime_env_json": None})

    monkeypatch.setattr(worker, "RayPort", lambda: Port(StoreUnavailableError("away")))
    monkeypatch.setattr(worker, "run_attempt", run_attempt)
    monkeypatch.setattr(pickle, "loads", lambda _: Spec)
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    reply = worker._AttemptRunner(DEPLOYMENT)(b"")
    monkeypatch.undo()
    report = pickle.loads(reply.outcome)
    assert reply.log == b"log"
    if kind is OutcomeKind.SUCCESS:
        assert isinstance(report, Outcome), "the author's code went on without"
    else:
        assert isinstance(report, Lost)
        assert "away" in report.reason
