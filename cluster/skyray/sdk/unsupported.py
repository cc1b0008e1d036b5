"""Refusing by name what this version does not do: arguments, and whole names of ``airflow.sdk``.

Nothing is accepted and then ignored. A name can always be imported (and used in an annotation), so that a DAG file
fails at the line that uses the feature, not at its import line.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

from skyray.errors import UnsupportedFeatureError


def refuse(feature: str, *, hint: str = "") -> NoReturn:
    """Raise ``UnsupportedFeatureError`` that names ``feature``."""
    raise UnsupportedFeatureError(f"{feature} is not supported yet", hint=hint)


def refuse_arguments(owner: str, given: Mapping[str, tuple[Any, Any]], hints: Mapping[str, str] | None = None) -> None:
    """Refuse every argument of ``given`` whose value is not its default.

    ``given`` maps a name to (value, default). An empty collection counts as the default where that is None or empty.
    """
    for name, (value, default) in given.items():
        if (
            value is default
            or value is None
            or (not default and isinstance(value, (list, tuple, set, dict)) and not value)
        ):
            continue
        if type(value) is type(default) and value == default:
            continue
        if isinstance(default, bool) and isinstance(value, int) and bool(value) is default:
            continue
        shown = repr(value)
        if len(shown) > 60:
            shown = shown[:57] + "..."
        raise UnsupportedFeatureError(
            f"{owner}: the argument {name}={shown} is not supported yet", hint=(hints or {}).get(name, "")
        )


class _Unsupported(type):
    """The type of names that can be imported but not used."""

    feature: str
    hint: str

    def __new__(cls, name: str, bases: tuple[type, ...], namespace: dict[str, Any], **options: Any) -> _Unsupported:
        for base in bases:
            if isinstance(base, _Unsupported):
                base._refuse()
        return super().__new__(cls, name, bases, namespace)

    def __call__(cls, *_: Any, **__: Any) -> NoReturn:
        cls._refuse()

    def __getattr__(cls, name: str) -> NoReturn:
        if name.startswith("__") or name in ("_refuse",):
            raise AttributeError(name)
        cls._refuse(f".{name}")

    def _refuse(cls, suffix: str = "") -> NoReturn:
        feature = f" ({cls.feature})" if cls.feature else ""
        raise UnsupportedFeatureError(f"{cls.__name__}{suffix}{feature} is not supported yet", hint=cls.hint)


def unsupported(name: str, feature: str = "", *, hint: str = "") -> Any:
    """A stand-in for the public name ``name``: importable, usable in annotations and ``isinstance``, else refused.

    >>> Asset = unsupported("Asset", "assets")
    >>> Asset("s3://a/b")
    Traceback (most recent call last):
    ...
    skyray.errors.UnsupportedFeatureError: Asset (assets) is not supported yet
    """
    return _Unsupported(name, (), {"feature": feature, "hint": hint, "__module__": "skyray"})


_FEATURES: dict[str, tuple[str, ...]] = {
    "setup and teardown tasks": ("setup", "teardown"),
    "a result of a DAG run": ("result",),
    "deferrable operators": ("BaseAsyncOperator",),
    "sensors": ("BaseSensorOperator", "PokeReturnValue"),
    "resumable jobs": ("ResumableJobMixin",),
    "variables": ("Variable",),
    "connections": ("Connection", "BaseHook"),
    "custom XCom backends": ("BaseXCom",),
    "reading Airflow's configuration": ("conf",),
    "object storage paths": ("ObjectStoragePath",),
    "lineage": ("lineage",),
    "macros outside of templates": ("macros",),
    "the task state store": ("NEVER_EXPIRE",),
    "retry policies": ("RetryPolicy", "ExceptionRetryPolicy", "RetryRule", "RetryAction", "RetryDecision"),
    "assets": (
        *("Asset", "AssetAlias", "AssetAll", "AssetAny", "AssetWatcher", "AssetAccessControl", "asset", "Metadata"),
        *("AssetOrTimeSchedule", "PartitionedAssetTimetable"),
    ),
    "this timetable": ("MultipleCronTriggerTimetable", "EventsTimetable"),
    "partitioned runs": (
        *("CronPartitionTimetable", "PartitionedAtRuntime", "PartitionMapper", "IdentityMapper", "AllowedKeyMapper"),
        *("FixedKeyMapper", "ChainMapper", "ProductMapper", "FanOutMapper", "RollupMapper", "StartOfHourMapper"),
        *("StartOfDayMapper", "StartOfWeekMapper", "StartOfMonthMapper", "StartOfQuarterMapper", "StartOfYearMapper"),
        *("Window", "HourWindow", "DayWindow", "WeekWindow", "MonthWindow", "QuarterWindow", "YearWindow"),
        *("SegmentWindow", "WaitForAll", "MinimumCount"),
    ),
    "deadlines": (
        *("DeadlineAlert", "DeadlineReference", "BaseDeadlineReference", "deadline_reference"),
        *("AsyncCallback", "SyncCallback"),
    ),
    "notifiers": ("BaseNotifier",),
    "operator links": ("BaseOperatorLink",),
}

#: Public name -> what it belongs to, for every name of ``airflow.sdk`` that this version has not.
UNSUPPORTED_NAMES: dict[str, str] = {name: feature for feature, names in _FEATURES.items() for name in names}
