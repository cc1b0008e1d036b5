"""The params of an attempt: the DAG's, under the task's, under the conf of the run. Called by context.py, and
before a run is made by local.py."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from skyray.errors import InvalidInputError


def merged_params(dag: Any, task: Any, conf: Any) -> Any:
    """Validated values by name. A run's conf overrides a param, and adds what the DAG does not name (Airflow's
    ``dag_run_conf_overrides_params``). Raises ``ParamValidationError`` for a value that does not fit its schema."""
    from skyray.sdk.param import ParamsDict

    params = ParamsDict(dag.params)
    for name in task.params:
        params[name] = task.params.get_param(name)
    if isinstance(conf, Mapping):
        params.update(conf)
    return params.validate()


def check_conf(dag: Any, conf: Mapping[str, Any]) -> None:
    """Raise ``InvalidInputError`` for a conf with which the DAG makes no run: the admin API refuses it as well."""
    from skyray.exceptions import ParamValidationError
    from skyray.sdk.param import ParamsDict

    params = ParamsDict(dag.params)
    try:
        params.update(conf)
        params.validate()
    except ParamValidationError as error:
        raise InvalidInputError(f"DAG {dag.dag_id!r}: {error}", hint="--conf gives values of params") from None
