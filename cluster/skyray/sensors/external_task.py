"""Waiting for a task of another DAG: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["ExternalTaskMarker", "ExternalTaskSensor"]

ExternalTaskMarker = unsupported("ExternalTaskMarker", "sensors")
ExternalTaskSensor = unsupported("ExternalTaskSensor", "sensors")
