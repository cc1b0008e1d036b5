"""actors/api.py without Ray: which actor is asked what, and what becomes of those that do not answer."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from skyray.actors.api import ActorControlPlane, Api, BundleCache
from skyray.actors.ray_port import ActorUnreachableError
from skyray.core.parsed import ParseError
from skyray.errors import InvalidInputError, NotFoundError
from skyray.settings import Settings

Answer = Callable[..., Any]
DONE = {"command_id": 7, "result": {"run_id": "r"}, "code": "", "message": ""}
NOT_LEADER = {"command_id": 7, "result": None, "code": "not_leader", "message": ""}


class _Method:
    def __init__(self, port: FakePort, name: str, method: str) -> None:
        self._port, self._name, self._method = port, name, method

    def remote(self, *arguments: Any) -> Any:
        self._port.calls.append((self._name, self._method, arguments))
        return self._port.actors[self._name].get(self._method), arguments


class _Handle:
    def __init__(self, port: FakePort, name: str) -> None:
        self._port, self._name = port, name

    def __getattr__(self, method: str) -> _Method:
        return _Method(self._port, self._name, method)


class FakePort:
    """``RayPort`` over a dictionary: actor -> method -> what it answers (an exception is raised)."""

    def __init__(self, **actors: dict[str, Any]) -> None:
        self.actors = {name.replace("_", "-"): methods for name, methods in actors.items()}
        self.calls: list[tuple[str, str, tuple[Any, ...]]] = []

    async def find_actor_async(self, name: str, namespace: str) -> _Handle:
        if name not in self.actors:
            raise ActorUnreachableError(f"there is no actor {name} in Ray namespace {namespace}")
        return _Handle(self, name)

    async def reply(self, ref: Any, deadline_seconds: float) -> Any:
        answer, _arguments = ref
        if isinstance(answer, Exception):
            raise answer
        return answer

    def node_id(self) -> str:
        return "n1"


def _plane(port: FakePort) -> ActorControlPlane:
    return ActorControlPlane(Settings(schedulers=2, executors=2), port)  # type: ignore[arg-type]


def test_a_command_goes_to_whoever_leads_and_then_straight_to_it() -> None:
    port = FakePort(scheduler_0={"run_command": NOT_LEADER}, scheduler_1={"run_command": DONE})
    plane = _plane(port)
    result = asyncio.run(plane.run_command(0, 7))
    assert result is not None
    assert result.result == {"run_id": "r"}
    port.calls.clear()
    asyncio.run(plane.run_command(0, 7))
    assert [name for name, _, _ in port.calls] == ["scheduler-1"]


def test_after_a_failover_the_new_leader_is_found() -> None:
    port = FakePort(scheduler_0={"run_command": DONE}, scheduler_1={"run_command": NOT_LEADER})
    plane = _plane(port)
    asyncio.run(plane.run_command(0, 7))
    port.actors = {"scheduler-1": {"run_command": DONE}, "scheduler-0": {"run_command": ActorUnreachableError("gone")}}
    assert asyncio.run(plane.run_command(0, 7)) is not None


@pytest.mark.parametrize("answer", [NOT_LEADER, {**NOT_LEADER, "code": "pending"}, ActorUnreachableError("dead")])
def test_no_answer_is_not_an_error(answer: Any) -> None:
    port = FakePort(scheduler_0={"run_command": answer})
    assert asyncio.run(_plane(port).run_command(0, 7)) is None


def test_actors_that_do_not_answer_are_listed_too() -> None:
    info = {"name": "x", "role": "scheduler", "node_id": "n1", "pid": 5, "state": "running", "leads": [0]}
    port = FakePort(
        scheduler_0={"info": info},
        scheduler_1={"info": ActorUnreachableError("ActorUnavailableError: …")},
        executor_0={"info": ActorUnreachableError("ActorDiedError: …")},
        executor_1={"info": ActorUnreachableError("no answer within 2 s")},
    )
    actors = {actor.name: actor for actor in asyncio.run(_plane(port).actors())}
    assert actors["scheduler-0"].leads == (0,)
    assert {name: actor.state for name, actor in actors.items()} == {
        "scheduler-0": "running",
        "scheduler-1": "restarting",
        "executor-0": "dead",
        "executor-1": "unresponsive",
        "pools": "dead",
        "dag-processor": "dead",
        "api": "dead",
    }
    assert actors["dag-processor"].role == "dag_processor"


def test_a_log_is_read_from_the_executor_that_has_it() -> None:
    port = FakePort(executor_0={"read_log": (b"", None, True)}, executor_1={"read_log": (b"abc", 3, True)})
    plane = _plane(port)
    assert asyncio.run(plane.read_log("executor-1", "p", 0, 10)) == b"abc"
    assert [name for name, _, _ in port.calls] == ["executor-1"]
    assert asyncio.run(plane.read_log(None, "p", 0, 10)) == b"abc"
    assert asyncio.run(plane.read_log("executor-0", "p", 0, 10)) == b""


def test_a_bundle_is_the_dag_processors() -> None:
    error = {"path": "a.py", "dag_id": None, "line": 3, "message": "m", "traceback": ""}
    report = {"digest": "d", "dags": [{"dag_id": "a", "version": 1}], "retired": ["b"], "errors": [error]}
    port = FakePort(dag_processor={"submit": report})
    found = asyncio.run(_plane(port).submit_bundle("name", b"zip", "id"))
    assert (found.bundle_digest, found.dag_ids, found.retired_dag_ids) == ("d", ("a",), ("b",))
    assert found.errors == (ParseError(**error),)
    port = FakePort(dag_processor={"submit": InvalidInputError("no zip")})
    with pytest.raises(InvalidInputError, match="no zip"):
        asyncio.run(_plane(port).submit_bundle("name", b"zip", "id"))


def test_a_pools_actor_that_is_away_looks_by_itself_later() -> None:
    asyncio.run(_plane(FakePort()).pools_changed())


class _Catalog:
    def __init__(self) -> None:
        self.reads = 0

    def get_bundle(self, digest: str) -> bytes:
        self.reads += 1
        if digest == "none":
            raise NotFoundError("no bundle none")
        return b"x" * (30 << 20)


def test_many_workers_that_want_a_bundle_cause_one_read_and_few_are_kept() -> None:
    catalog = _Catalog()

    async def play() -> None:
        cache = BundleCache(catalog)  # type: ignore[arg-type]
        await asyncio.gather(*(cache.get("a") for _ in range(20)))
        assert catalog.reads == 1
        for digest in ("b", "c", "b", "c"):
            await cache.get(digest)
        assert catalog.reads == 3
        await cache.get("a")
        assert catalog.reads == 4
        with pytest.raises(NotFoundError):
            await cache.get("none")

    asyncio.run(play())


def test_the_actor_serves_and_answers_workers(url: str, tmp_path: Path) -> None:
    async def play() -> None:
        settings = Settings(home=str(tmp_path), database_url=url, api_address="127.0.0.1:0", token="t")
        api = Api(settings, port=FakePort())  # type: ignore[arg-type]
        try:
            address = await api.address()
            assert address.startswith("127.0.0.1:")
            assert (await api.info())["state"] == "running"
            assert await api.read_xcom("d", "r", "t", "return_value", None) == []
            with pytest.raises(NotFoundError):
                await api.fetch_bundle("none")
        finally:
            await api.stop()
        again = Api(settings, port=FakePort())  # type: ignore[arg-type]
        try:
            assert await again.address() == address, "clients find the restarted actor where it was"
        finally:
            await again.stop()

    asyncio.run(play())


def test_an_actor_that_cannot_listen_says_so(url: str, tmp_path: Path) -> None:
    async def play() -> None:
        settings = Settings(home=str(tmp_path), database_url=url, api_address="0.0.0.0:0")
        api = Api(settings, port=FakePort())  # type: ignore[arg-type]
        with pytest.raises(InvalidInputError, match="token"):
            await api.address()

    asyncio.run(play())
