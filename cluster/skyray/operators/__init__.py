"""Ready-made tasks, under the names of Airflow's standard provider. Each module is named as there; all names are here.

Names are loaded when they are first used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyray.operators.bash import BashOperator as BashOperator
    from skyray.operators.branch import BaseBranchOperator as BaseBranchOperator
    from skyray.operators.branch import BranchMixIn as BranchMixIn
    from skyray.operators.branch import SkipMixin as SkipMixin
    from skyray.operators.empty import EmptyOperator as EmptyOperator
    from skyray.operators.python import BranchPythonOperator as BranchPythonOperator
    from skyray.operators.python import PythonOperator as PythonOperator
    from skyray.operators.python import ShortCircuitOperator as ShortCircuitOperator
    from skyray.operators.python import get_current_context as get_current_context

_MODULES = {
    "BashOperator": "bash",
    "BaseBranchOperator": "branch",
    "BranchMixIn": "branch",
    "SkipMixin": "branch",
    "EmptyOperator": "empty",
    "BranchPythonOperator": "python",
    "PythonOperator": "python",
    "ShortCircuitOperator": "python",
    "get_current_context": "python",
    # Can be imported, not used:
    "BranchExternalPythonOperator": "python",
    "BranchPythonVirtualenvOperator": "python",
    "ExternalPythonOperator": "python",
    "PythonVirtualenvOperator": "python",
    "BranchDateTimeOperator": "datetime",
    "BranchDayOfWeekOperator": "weekday",
    "ApprovalOperator": "hitl",
    "HITLBranchOperator": "hitl",
    "HITLEntryOperator": "hitl",
    "HITLOperator": "hitl",
    "LatestOnlyOperator": "latest_only",
    "SmoothOperator": "smooth",
    "TriggerDagRunOperator": "trigger_dagrun",
}

__all__ = list(_MODULES)


def __getattr__(name: str) -> Any:
    module = _MODULES.get(name)
    if module is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{module}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted(__all__)
