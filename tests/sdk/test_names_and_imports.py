"""Every name of airflow.sdk can be imported, importing is cheap, and what is not supported says so when used."""

from __future__ import annotations

import subprocess
import sys

import pytest

import skyray
import skyray.exceptions
import skyray.operators
import skyray.sensors
from skyray.errors import UnsupportedFeatureError
from skyray.sdk.unsupported import UNSUPPORTED_NAMES

# The public names of airflow.sdk 3.3, from ../shared/reference/airflow-semantics.md §1.1.
SUPPORTED = [
    "DAG",
    "dag",
    "task",
    "task_group",
    "TaskGroup",
    "BaseOperator",
    "BaseBranchOperator",
    "BranchMixIn",
    "SkipMixin",
    "XComArg",
    "chain",
    "chain_linear",
    "cross_downstream",
    "Label",
    "EdgeModifier",
    "literal",
    "TriggerRule",
    "WeightRule",
    "Context",
    "get_current_context",
    "get_parsing_context",
    "TaskInstance",
    "TaskInstanceState",
    "DagRunState",
    "Param",
    "ParamsDict",
    "CronTriggerTimetable",
    "CronDataIntervalTimetable",
    "DeltaTriggerTimetable",
    "DeltaDataIntervalTimetable",
]
REFUSED = [
    "setup",
    "teardown",
    "result",
    "BaseAsyncOperator",
    "BaseSensorOperator",
    "PokeReturnValue",
    "ResumableJobMixin",
    "Variable",
    "Connection",
    "BaseHook",
    "BaseXCom",
    "macros",
    "conf",
    "ObjectStoragePath",
    "lineage",
    "NEVER_EXPIRE",
    "RetryPolicy",
    "ExceptionRetryPolicy",
    "RetryRule",
    "RetryAction",
    "RetryDecision",
    "Asset",
    "AssetAlias",
    "AssetAll",
    "AssetAny",
    "AssetWatcher",
    "AssetAccessControl",
    "asset",
    "Metadata",
    "MultipleCronTriggerTimetable",
    "EventsTimetable",
    "AssetOrTimeSchedule",
    "CronPartitionTimetable",
    "PartitionedAssetTimetable",
    "PartitionedAtRuntime",
    "PartitionMapper",
    "IdentityMapper",
    "AllowedKeyMapper",
    "FixedKeyMapper",
    "ChainMapper",
    "ProductMapper",
    "FanOutMapper",
    "RollupMapper",
    "StartOfHourMapper",
    "StartOfDayMapper",
    "StartOfWeekMapper",
    "StartOfMonthMapper",
    "StartOfQuarterMapper",
    "StartOfYearMapper",
    "Window",
    "HourWindow",
    "DayWindow",
    "WeekWindow",
    "MonthWindow",
    "QuarterWindow",
    "YearWindow",
    "SegmentWindow",
    "WaitForAll",
    "MinimumCount",
    "DeadlineAlert",
    "DeadlineReference",
    "BaseDeadlineReference",
    "deadline_reference",
    "AsyncCallback",
    "SyncCallback",
    "BaseNotifier",
    "BaseOperatorLink",
]
EXCEPTIONS = [
    "AirflowException",
    "AirflowSkipException",
    "AirflowFailException",
    "AirflowSensorTimeout",
    "AirflowTaskTimeout",
    "AirflowRescheduleException",
    "TaskDeferred",
    "TaskAwaitingInput",
    "DownstreamTasksSkipped",
    "DagRunTriggerException",
    "XComNotFound",
    "ParamValidationError",
    "DuplicateTaskIdFound",
    "TaskNotFound",
    "AirflowNotFoundException",
    "AirflowDagCycleException",
]


def test_names_are_exactly_those_of_airflow_sdk() -> None:
    assert set(skyray.__all__) == {*SUPPORTED, *REFUSED, "__version__"}
    assert set(UNSUPPORTED_NAMES) == set(REFUSED)
    assert set(skyray.__all__) <= set(dir(skyray))


@pytest.mark.parametrize("name", SUPPORTED)
def test_supported_name_is_real(name: str) -> None:
    assert getattr(skyray, name).__module__.startswith("skyray.sdk.")


@pytest.mark.parametrize("name", REFUSED)
def test_refused_name_can_be_imported_and_annotated_but_not_used(name: str) -> None:
    thing = getattr(skyray, name)
    assert not isinstance(1, thing)
    assert (thing | None) is not None
    with pytest.raises(UnsupportedFeatureError, match=name):
        thing("x")
    with pytest.raises(UnsupportedFeatureError, match=rf"{name}\.get"):
        thing.get("x")
    with pytest.raises(UnsupportedFeatureError, match=name):
        type("Mine", (thing,), {})


@pytest.mark.parametrize("name", EXCEPTIONS)
def test_exception_exists(name: str) -> None:
    assert issubclass(getattr(skyray.exceptions, name), BaseException)
    assert name in skyray.exceptions.__all__


def test_exceptions_that_pass_through_except_exception() -> None:
    for name in ("AirflowTaskTimeout", "AirflowTaskTerminated", "TaskDeferred", "TaskAwaitingInput"):
        assert not issubclass(getattr(skyray.exceptions, name), Exception)


@pytest.mark.parametrize("package", [skyray.operators, skyray.sensors])
def test_every_name_of_operators_and_sensors_can_be_imported(package: object) -> None:
    for name in package.__all__:  # type: ignore[attr-defined]
        assert getattr(package, name) is not None
    assert set(dir(package)) == set(package.__all__)  # type: ignore[attr-defined]


@pytest.mark.parametrize("name", skyray.sensors.__all__)
def test_sensors_are_refused_at_use(name: str) -> None:
    with pytest.raises(UnsupportedFeatureError, match=rf"{name} \(sensors\) is not supported yet"):
        getattr(skyray.sensors, name)(task_id="x")


def test_unknown_name_is_an_attribute_error() -> None:
    for module in (skyray, skyray.operators, skyray.sensors):
        with pytest.raises(AttributeError, match="Nonsense"):
            _ = module.Nonsense


def _modules_after(code: str) -> set[str]:
    program = f"import sys; before = set(sys.modules); {code}; print(*sorted(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


def test_import_skyray_loads_next_to_nothing() -> None:
    ours = {name for name in _modules_after("import skyray") if name.startswith("skyray")}
    assert ours == {"skyray"}


@pytest.mark.parametrize(
    "code",
    [
        "from skyray import DAG, task, TaskGroup, Param, chain, Asset",
        "from skyray import DAG, task; d = DAG('d', schedule=None, params={'x': 1}); d.validate()",
        "import skyray.exceptions, skyray.operators.bash, skyray.operators.python, skyray.sdk.serialize",
        "from skyray import *",
    ],
)
def test_authoring_loads_standard_library_and_skyray_only(code: str) -> None:
    loaded = {name.partition(".")[0] for name in _modules_after(code)}
    foreign = {name for name in loaded if not name.startswith("_")} - set(sys.stdlib_module_names) - {"skyray"}
    assert foreign == set()


def test_import_skyray_takes_less_than_50_ms() -> None:
    program = "import time; t = time.process_time(); import skyray; print(time.process_time() - t)"
    times = [
        float(subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout)
        for _ in range(3)
    ]
    assert min(times) < 0.05
