"""Branching by date and time: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["BranchDateTimeOperator"]

BranchDateTimeOperator = unsupported("BranchDateTimeOperator")
