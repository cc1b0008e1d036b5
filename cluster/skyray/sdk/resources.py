"""What a task asks of Ray, in Ray's own words and with Ray's own limits: checked at the author's line.

The result is core's ``ResourceSpec``; only actors/ hands it to Ray.
"""

from __future__ import annotations

import json
import re
from typing import Any

from skyray.core.model import ResourceSpec
from skyray.sdk.unsupported import refuse_arguments

_SMALLEST_QUANTITY = 0.0001
_LABEL = r"[a-zA-Z0-9](?:[a-zA-Z0-9_.-]{0,61}[a-zA-Z0-9])?"
_LABEL_KEY = re.compile(rf"(?:[a-zA-Z0-9][a-zA-Z0-9_.-]{{0,252}}/)?{_LABEL}")
_LABEL_SELECTOR = re.compile(rf"!?in\({_LABEL}(?:, ?{_LABEL})*\)|!?{_LABEL}|")


def resource_spec(
    *,
    num_cpus: float | None = None,
    num_gpus: float | None = None,
    memory: int | None = None,
    resources: dict[str, float] | None = None,
    label_selector: dict[str, str] | None = None,
    accelerator_type: str | None = None,
    runtime_env: dict[str, Any] | None = None,
    scheduling_strategy: Any = None,
    placement_group: Any = None,
    detached: bool = False,
    owner: str = "task",
) -> ResourceSpec:
    """A checked ``ResourceSpec``. Raises ``TypeError`` or ``ValueError`` naming the argument and its value."""
    refuse_arguments(
        owner,
        {
            "scheduling_strategy": (scheduling_strategy, None),
            "placement_group": (placement_group, None),
            "detached": (detached, False),
        },
        {"scheduling_strategy": "use label_selector or resources to say where the task may run"},
    )
    bytes_wanted = _quantity("memory", memory)
    if bytes_wanted is not None and bytes_wanted != int(bytes_wanted):
        raise ValueError(f"memory is a number of bytes, which is whole; got {memory!r}")
    gpus = _quantity("num_gpus", num_gpus)
    if gpus is not None and gpus > 1 and gpus != int(gpus):
        raise ValueError(f"num_gpus above 1 must be whole; got {num_gpus!r}")
    if accelerator_type is not None and not isinstance(accelerator_type, str):
        raise TypeError(f"accelerator_type must be a string, not {type(accelerator_type).__name__}")
    return ResourceSpec(
        num_cpus=_quantity("num_cpus", num_cpus),
        num_gpus=gpus,
        memory=None if bytes_wanted is None else int(bytes_wanted),
        resources=_custom(resources),
        label_selector=_labels(label_selector),
        accelerator_type=accelerator_type,
        runtime_env_json=_environment(runtime_env),
    )


def _quantity(name: str, value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise TypeError(f"{name} must be a number, not {type(value).__name__}: {value!r}")
    if not 0 <= value < float("inf"):  # not a number fails as well
        raise ValueError(f"{name} must be a finite number that is not negative; got {value!r}")
    if 0 < value < _SMALLEST_QUANTITY:
        raise ValueError(f"{name} cannot be finer than {_SMALLEST_QUANTITY}; got {value!r}")
    return float(value)


def _custom(resources: object) -> tuple[tuple[str, float], ...]:
    if resources is None:
        return ()
    pairs = []
    for name, value in _dictionary("resources", resources).items():
        if name in ("CPU", "GPU", "memory"):
            own = {"CPU": "num_cpus", "GPU": "num_gpus", "memory": "memory"}[name]
            raise ValueError(f"use the argument {own} instead of {name!r} in resources")
        quantity = _quantity(f"resources[{name!r}]", value)
        if quantity is None:
            raise TypeError(f"resources[{name!r}] must be a number, not None")
        pairs.append((name, quantity))
    return tuple(sorted(pairs))


def _labels(selector: object) -> tuple[tuple[str, str], ...]:
    if selector is None:
        return ()
    pairs = _dictionary("label_selector", selector)
    for key, value in pairs.items():
        if not _LABEL_KEY.fullmatch(key):
            raise ValueError(f"label_selector: {key!r} cannot be a label's key")
        if not isinstance(value, str):
            raise TypeError(f"label_selector[{key!r}] must be a string, not {type(value).__name__}: {value!r}")
        if not _LABEL_SELECTOR.fullmatch(value):
            raise ValueError(
                f"label_selector[{key!r}] must be a value, !value, in(value, …) or !in(value, …); got {value!r}"
            )
    return tuple(sorted(pairs.items()))


def _environment(runtime_env: object) -> str | None:
    if runtime_env is None:
        return None
    environment = _dictionary("runtime_env", runtime_env)
    try:
        return json.dumps(environment, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise TypeError(f"runtime_env must be made of plain JSON values: {error}") from None


def _dictionary(name: str, value: object) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise TypeError(f"{name} must be a dictionary, not {type(value).__name__}: {value!r}")
    for key in value:
        if not isinstance(key, str):
            raise TypeError(f"{name}: its keys must be strings; got {key!r}")
    return value
