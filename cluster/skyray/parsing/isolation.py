"""Which bundle's modules this process sees: ``with bundle_modules(root, digest): …``.

Python has one ``sys.modules`` for a process, yet a worker runs tasks of many bundles, and of many versions of one.
While a bundle is in use its root is on ``sys.path`` and its modules are in ``sys.modules``; when another one is
entered they are put aside, and put back when it is used again. Not here: importing DAG files (loader.py). Called by
loader.py and by execution around a task, so that an import made inside a running task sees the right bundle, too.
"""

from __future__ import annotations

import os
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import ModuleType
from typing import Any

from skyray.errors import ConflictError

_KEPT_ASIDE_MAX = 8  # bundles whose modules stay in memory while another bundle is in use


@dataclass
class LoadedBundle:
    """One bundle as this process knows it. ``memo`` is the loader's: whatever was made from its modules."""

    root: str
    digest: str
    modules: dict[str, ModuleType] = field(default_factory=dict)
    attributes: list[tuple[ModuleType, str, Any]] = field(default_factory=list)  # set on packages that stay
    memo: dict[str, Any] = field(default_factory=dict)


class BundleModules:
    """The process-wide switch. Leaving a bundle changes nothing; entering another one swaps: so that using the same
    bundle again, which is the usual case, costs a comparison."""

    def __init__(self, kept_aside_max: int = _KEPT_ASIDE_MAX) -> None:
        self._lock = threading.RLock()
        self._current: LoadedBundle | None = None
        self._uses = 0
        self._aside: OrderedDict[tuple[str, str], LoadedBundle] = OrderedDict()
        self._kept_aside_max = kept_aside_max
        self._foreign_path: list[tuple[int, str]] = []

    @contextmanager
    def use(self, root: Path | str, digest: str) -> Iterator[LoadedBundle]:
        """See only this bundle's modules. Reentrant, and threads may share a bundle.

        Raises ``ConflictError`` while another bundle is in use: one process cannot show two of them at a time.
        """
        loaded = self._enter(str(root), digest)
        try:
            yield loaded
        finally:
            with self._lock:
                self._uses -= 1

    def modules(self) -> dict[str, ModuleType]:
        """The modules of the current bundle that are loaded now, by name."""
        with self._lock:
            return {} if self._current is None else _modules_under(self._current.root)

    def forget(self) -> None:
        """Leave the current bundle, and drop what is kept of all of them. Raises ``ConflictError`` during a use."""
        with self._lock:
            if self._uses:
                raise ConflictError("a bundle is in use")
            self._swap_out()
            self._aside.clear()

    def _enter(self, root: str, digest: str) -> LoadedBundle:
        with self._lock:
            current = self._current
            if current is None or current.digest != digest or current.root != root:
                if self._uses:
                    assert current is not None, "a bundle in use is the current one"
                    raise ConflictError(
                        f"bundle {digest[:12]} cannot be entered while {current.digest[:12]} is in use in this process"
                    )
                self._swap_out()
                current = self._swap_in(root, digest)
            self._uses += 1
            return current

    def _swap_out(self) -> None:
        current, self._current = self._current, None
        if current is None:
            return
        modules = _modules_under(current.root)
        for name in modules:
            del sys.modules[name]
        current.modules = modules
        current.attributes = _detach(modules)
        self._leave_path(current.root)
        self._aside[current.root, current.digest] = current
        while len(self._aside) > self._kept_aside_max:
            self._aside.popitem(last=False)

    def _swap_in(self, root: str, digest: str) -> LoadedBundle:
        loaded = self._aside.pop((root, digest), None) or LoadedBundle(root, digest)
        self._enter_path(root)
        sys.modules.update(loaded.modules)
        for package, name, value in loaded.attributes:
            setattr(package, name, value)
        loaded.modules, loaded.attributes = {}, []
        self._current = loaded
        return loaded

    def _enter_path(self, root: str) -> None:
        """Append the root, as Airflow does (a DAG file named like a library does not hide the library), and take out
        the entries that are there by accident of how the process was started: they could hold modules of any name."""
        accidental = _accidental_entries()
        self._foreign_path = [(at, entry) for at, entry in enumerate(sys.path) if entry in accidental]
        for at, _ in reversed(self._foreign_path):
            del sys.path[at]
        sys.path_importer_cache.pop(root, None)
        sys.path.append(root)

    def _leave_path(self, root: str) -> None:
        while root in sys.path:
            sys.path.remove(root)
        for at, entry in self._foreign_path:
            sys.path.insert(at, entry)
        self._foreign_path = []
        for entry in [entry for entry in sys.path_importer_cache if _is_under(entry, root)]:
            del sys.path_importer_cache[entry]


def _accidental_entries() -> set[str]:
    """The working directory and the script's folder, unless PYTHONPATH names them (Ray's ``working_dir`` does) or this
    package itself comes from there."""
    own = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
    entries = {"", "."}
    with suppress(FileNotFoundError):
        entries.add(os.getcwd())
    if own in entries:
        return set()
    main_file = getattr(sys.modules.get("__main__"), "__file__", None)
    if isinstance(main_file, str):
        entries.add(os.path.dirname(os.path.abspath(main_file)))
    return entries - {own, *os.environ.get("PYTHONPATH", "").split(os.pathsep)}


def _is_under(path: object, root: str) -> bool:
    return isinstance(path, str) and (path == root or path.startswith(root + os.sep))


def _modules_under(root: str) -> dict[str, ModuleType]:
    return {name: module for name, module in list(sys.modules.items()) if _lives_under(module, root)}


def _lives_under(module: Any, root: str) -> bool:
    """Whether a module was loaded from the bundle: by its file, or, for a namespace package, by its whole path."""
    try:
        file = getattr(module, "__file__", None)
        if file is not None:
            return _is_under(file, root)
        path = list(getattr(module, "__path__", ()))
    except Exception:  # noqa: BLE001 - sys.modules holds anything, also objects whose attributes raise
        return False
    return bool(path) and all(_is_under(entry, root) for entry in path)


def _detach(modules: dict[str, ModuleType]) -> list[tuple[ModuleType, str, Any]]:
    """A submodule is an attribute of its package. Where the package stays (a namespace that other folders share),
    take the attribute away, or ``from package import name`` would still find it."""
    taken: list[tuple[ModuleType, str, Any]] = []
    for full_name, module in modules.items():
        parent_name, _, name = full_name.rpartition(".")
        parent = sys.modules.get(parent_name)
        if parent is not None and vars(parent).get(name) is module:
            delattr(parent, name)
            taken.append((parent, name, module))
    return taken


BUNDLES = BundleModules()
bundle_modules = BUNDLES.use
