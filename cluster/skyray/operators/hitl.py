"""Tasks that wait for a person: not supported yet. The names can be imported; using one is refused."""

from __future__ import annotations

from skyray.sdk.unsupported import unsupported

__all__ = ["ApprovalOperator", "HITLBranchOperator", "HITLEntryOperator", "HITLOperator"]

ApprovalOperator = unsupported("ApprovalOperator", "tasks that wait for a person")
HITLBranchOperator = unsupported("HITLBranchOperator", "tasks that wait for a person")
HITLEntryOperator = unsupported("HITLEntryOperator", "tasks that wait for a person")
HITLOperator = unsupported("HITLOperator", "tasks that wait for a person")
