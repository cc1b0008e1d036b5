"""What the actors of a deployment are called within its Ray namespace."""

from __future__ import annotations

from skyray.settings import Settings

POOLS = "pools"
DAG_PROCESSOR = "dag-processor"
API = "api"


def scheduler_name(index: int) -> str:
    """``scheduler-0`` …"""
    return f"scheduler-{index}"


def executor_name(index: int) -> str:
    """``executor-0`` …"""
    return f"executor-{index}"


def scheduler_names(settings: Settings) -> tuple[str, ...]:
    """All Scheduler actors."""
    return tuple(scheduler_name(index) for index in range(settings.schedulers))


def executor_names(settings: Settings) -> tuple[str, ...]:
    """All Executor actors."""
    return tuple(executor_name(index) for index in range(settings.executors))


def api_names() -> tuple[str, ...]:
    """All Api actors."""
    return (API,)


def all_names(settings: Settings) -> tuple[str, ...]:
    """Every actor of a deployment, in the order in which they are of use at start."""
    return (POOLS, *scheduler_names(settings), *executor_names(settings), *api_names(), DAG_PROCESSOR)
