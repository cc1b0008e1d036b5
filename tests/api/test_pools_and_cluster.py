"""PoolService and ClusterService over TCP."""

from __future__ import annotations

import pytest
from tests.api.deployment import ControlPlane, a_dag

from skyray.api.client import Client
from skyray.api.display import to_dict
from skyray.errors import ConflictError, InvalidInputError, NotFoundError


def test_pools_are_made_changed_and_deleted(control_plane: ControlPlane, client: Client) -> None:
    assert [pool.name for pool in client.list_pools()] == ["default_pool"]
    made = to_dict(client.set_pool("db", 3, description="connections"))
    assert (made["name"], made["slots"], made["description"], made["occupied_slots"]) == ("db", 3, "connections", 0)
    changed = client.set_pool("db", -1)
    assert (changed.slots, changed.description) == (-1, "connections")
    assert client.get_pool("db").slots == -1
    client.delete_pool("db")
    assert control_plane.pool_changes == 3
    with pytest.raises(NotFoundError, match="db"):
        client.get_pool("db")
    with pytest.raises(NotFoundError, match="db"):
        client.delete_pool("db")


def test_the_default_pool_stays(client: Client) -> None:
    with pytest.raises(ConflictError, match="default_pool"):
        client.delete_pool("default_pool")
    with pytest.raises(InvalidInputError, match="slots"):
        client.set_pool("default_pool", -2)


def test_a_pool_says_how_full_it_is(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl")
    pool = client.get_pool("default_pool")
    assert (pool.slots, pool.occupied_slots, pool.queued_slots, pool.running_slots) == (128, 1, 1, 0)


def test_the_cluster_says_what_it_is_made_of(client: Client) -> None:
    (node,) = client.list_nodes()
    assert (node.node_id, node.state, node.is_head, dict(node.labels)) == ("n1", "alive", True, {"zone": "a"})
    actors = {actor.name: list(actor.leads) for actor in client.list_actors()}
    assert actors == {"executor-0": [], "scheduler-0": [0]}
    (leader,) = [to_dict(leader) for leader in client.list_leaders()]
    assert (leader["partition"], leader["holder"], leader["epoch"]) == (0, "scheduler-0", 1)
    assert leader["since"].endswith("+00:00")


def test_status_is_all_of_it(control_plane: ControlPlane, client: Client) -> None:
    control_plane.publish(a_dag())
    client.trigger_dag("etl")
    status = to_dict(client.get_status())
    assert status["version"]
    assert [len(status[name]) for name in ("leaders", "actors", "nodes", "pools")] == [1, 2, 1, 1]
    assert status["runs"] == {"running": 1}
    assert status["task_instances"] == {"none": 1, "queued": 1}
    assert status["command_lag_seconds"] is None
