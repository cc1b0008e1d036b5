"""``TaskInstance``: what a task finds as ``ti`` in its context. For annotations; execution/ has the real one."""

from __future__ import annotations

from typing import Any, Protocol

from skyray.sdk.operator import BaseOperator
from skyray.sdk.xcom_arg import XCOM_RETURN_KEY


class TaskInstance(Protocol):
    """The running task instance."""

    task: BaseOperator
    task_id: str
    dag_id: str
    run_id: str
    try_number: int
    max_tries: int
    map_index: int

    def xcom_push(self, key: str, value: Any) -> None:
        """Push a value under ``key``, for other tasks."""

    def xcom_pull(
        self,
        task_ids: str | list[str] | None = None,
        dag_id: str | None = None,
        key: str = XCOM_RETURN_KEY,
        include_prior_dates: bool = False,
        *,
        map_indexes: Any = None,
        default: Any = None,
        run_id: str | None = None,
    ) -> Any:
        """What another task pushed."""
