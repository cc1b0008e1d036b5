"""Skyray: Airflow's architecture on Ray. ``from skyray import DAG, task`` is how a DAG file begins.

Names, arguments, defaults and meaning are those of ``airflow.sdk``. Names are loaded when they are first used, so that
``import skyray`` costs next to nothing. What this version does not support can be imported and is refused, by name, at
the line that uses it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from skyray.sdk.branching import BaseBranchOperator as BaseBranchOperator
    from skyray.sdk.branching import BranchMixIn as BranchMixIn
    from skyray.sdk.branching import SkipMixin as SkipMixin
    from skyray.sdk.context import Context as Context
    from skyray.sdk.context import get_current_context as get_current_context
    from skyray.sdk.context import get_parsing_context as get_parsing_context
    from skyray.sdk.dag import DAG as DAG
    from skyray.sdk.dag import dag as dag
    from skyray.sdk.edges import EdgeModifier as EdgeModifier
    from skyray.sdk.edges import Label as Label
    from skyray.sdk.edges import chain as chain
    from skyray.sdk.edges import chain_linear as chain_linear
    from skyray.sdk.edges import cross_downstream as cross_downstream
    from skyray.sdk.enums import DagRunState as DagRunState
    from skyray.sdk.enums import TaskInstanceState as TaskInstanceState
    from skyray.sdk.enums import TriggerRule as TriggerRule
    from skyray.sdk.enums import WeightRule as WeightRule
    from skyray.sdk.operator import BaseOperator as BaseOperator
    from skyray.sdk.param import Param as Param
    from skyray.sdk.param import ParamsDict as ParamsDict
    from skyray.sdk.schedule import CronDataIntervalTimetable as CronDataIntervalTimetable
    from skyray.sdk.schedule import CronTriggerTimetable as CronTriggerTimetable
    from skyray.sdk.schedule import DeltaDataIntervalTimetable as DeltaDataIntervalTimetable
    from skyray.sdk.schedule import DeltaTriggerTimetable as DeltaTriggerTimetable
    from skyray.sdk.task import task as task
    from skyray.sdk.task_group import TaskGroup as TaskGroup
    from skyray.sdk.task_group_function import task_group as task_group
    from skyray.sdk.task_instance import TaskInstance as TaskInstance
    from skyray.sdk.xcom_arg import XComArg as XComArg
    from skyray.sdk.xcom_arg import literal as literal

__version__ = "0.1.0"

_MODULES: dict[str, tuple[str, ...]] = {
    "branching": ("BaseBranchOperator", "BranchMixIn", "SkipMixin"),
    "context": ("Context", "get_current_context", "get_parsing_context"),
    "dag": ("DAG", "dag"),
    "edges": ("EdgeModifier", "Label", "chain", "chain_linear", "cross_downstream"),
    "enums": ("DagRunState", "TaskInstanceState", "TriggerRule", "WeightRule"),
    "operator": ("BaseOperator",),
    "param": ("Param", "ParamsDict"),
    "schedule": (
        *("CronDataIntervalTimetable", "CronTriggerTimetable"),
        *("DeltaDataIntervalTimetable", "DeltaTriggerTimetable"),
    ),
    "task": ("task",),
    "task_group": ("TaskGroup",),
    "task_group_function": ("task_group",),
    "task_instance": ("TaskInstance",),
    "xcom_arg": ("XComArg", "literal"),
}
_SOURCES = {name: module for module, names in _MODULES.items() for name in names}
_SUBPACKAGES = frozenset({"exceptions", "operators", "sensors", "sdk"})
# As in skyray.sdk.unsupported.UNSUPPORTED_NAMES, whose module need not be loaded to say what there is. A test compares.
_UNSUPPORTED = (
    *("setup", "teardown", "result", "BaseAsyncOperator", "BaseSensorOperator", "PokeReturnValue"),
    *("ResumableJobMixin", "Variable", "Connection", "BaseHook", "BaseXCom", "conf", "ObjectStoragePath"),
    *("lineage", "NEVER_EXPIRE", "macros", "RetryPolicy", "ExceptionRetryPolicy", "RetryRule", "RetryAction"),
    *("RetryDecision", "Asset", "AssetAlias", "AssetAll", "AssetAny", "AssetWatcher", "AssetAccessControl"),
    *("asset", "Metadata", "AssetOrTimeSchedule", "PartitionedAssetTimetable", "MultipleCronTriggerTimetable"),
    *("EventsTimetable", "CronPartitionTimetable", "PartitionedAtRuntime", "PartitionMapper", "IdentityMapper"),
    *("AllowedKeyMapper", "FixedKeyMapper", "ChainMapper", "ProductMapper", "FanOutMapper", "RollupMapper"),
    *("StartOfHourMapper", "StartOfDayMapper", "StartOfWeekMapper", "StartOfMonthMapper"),
    *("StartOfQuarterMapper", "StartOfYearMapper", "Window", "HourWindow", "DayWindow", "WeekWindow"),
    *("MonthWindow", "QuarterWindow", "YearWindow", "SegmentWindow", "WaitForAll", "MinimumCount"),
    *("DeadlineAlert", "DeadlineReference", "BaseDeadlineReference", "deadline_reference", "AsyncCallback"),
    *("SyncCallback", "BaseNotifier", "BaseOperatorLink"),
)

__all__ = ["__version__", *_SOURCES, *_UNSUPPORTED]


def __getattr__(name: str) -> Any:
    if name in _SOURCES:
        value = getattr(importlib.import_module(f"skyray.sdk.{_SOURCES[name]}"), name)
    elif name in _UNSUPPORTED:
        from skyray.sdk.unsupported import UNSUPPORTED_NAMES, unsupported

        value = unsupported(name, UNSUPPORTED_NAMES[name])
    elif name in _SUBPACKAGES:
        return importlib.import_module(f"skyray.{name}")
    else:
        raise AttributeError(f"module 'skyray' has no attribute {name!r}")
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*__all__, *_SUBPACKAGES])
