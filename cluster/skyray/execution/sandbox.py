"""The Jinja environments of templates, sandboxed as in Airflow: what is named ``_private`` may be read, what leads into
the interpreter (``__class__`` and the like) may not. In a file of its own because importing it imports Jinja.
"""

from __future__ import annotations

from typing import Any

from jinja2.nativetypes import NativeEnvironment
from jinja2.sandbox import SandboxedEnvironment, is_internal_attribute


class TextSandbox(SandboxedEnvironment):
    """Renders to text."""

    def is_safe_attribute(self, obj: Any, attr: str, value: Any) -> bool:
        """Everything but the interpreter's internals."""
        return not is_internal_attribute(obj, attr)


class NativeSandbox(TextSandbox, NativeEnvironment):
    """Renders to Python values (``render_template_as_native_obj=True``)."""
