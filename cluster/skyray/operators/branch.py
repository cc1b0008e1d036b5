"""The base of operators that choose what runs after them."""

from __future__ import annotations

from skyray.sdk.branching import BaseBranchOperator, BranchMixIn, SkipMixin

__all__ = ["BaseBranchOperator", "BranchMixIn", "SkipMixin"]
