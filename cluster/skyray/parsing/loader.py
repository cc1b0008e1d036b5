"""Import a DAG file of an unpacked bundle and give its DAG objects.

Runs the author's code: call it only in parser children, in task workers and for ``dags test``; never in an actor.
Module isolation between bundles is isolation.py's; limits on time and memory are pool.py's.
"""

from __future__ import annotations

import hashlib
import importlib.util
import re
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from skyray.errors import NotFoundError
from skyray.parsing.isolation import BUNDLES, LoadedBundle, bundle_modules

if TYPE_CHECKING:
    from skyray.sdk.dag import DAG

__all__ = ["bundle_modules", "cached_dags", "load_dags", "module_name"]


def load_dags(root: Path, relative_path: str, *, digest: str) -> list[DAG]:
    """Import ``root/relative_path`` anew and return its DAGs in the order in which they were made.

    ``root`` is the absolute folder that the bundle ``digest`` was unpacked into. Whatever the file raises is passed on.
    The module stays in ``sys.modules`` (pickling and dataclasses look it up there) under ``module_name(…)``.
    """
    with bundle_modules(root, digest) as loaded:
        return _import_dags(loaded, relative_path)


def cached_dags(root: Path, relative_path: str, digest: str) -> list[DAG]:
    """As ``load_dags``, importing the file only the first time in this process: for workers, which run many tasks of
    one file. The cache goes together with the modules that isolation.py keeps, so it is bounded."""
    with bundle_modules(root, digest) as loaded:
        dags: list[DAG] | None = loaded.memo.get(relative_path)
        if dags is None:
            dags = loaded.memo[relative_path] = _import_dags(loaded, relative_path)
        return dags


def module_name(relative_path: str, digest: str) -> str:
    """The name under which a DAG file is imported: unique for a file and version, so that a pickle of one version is
    never read with another's code. Not the natural name: ``json.py`` may define a DAG without becoming ``json``."""
    stem = re.sub(r"\W", "_", Path(relative_path).stem)
    return f"skyray_dag_{hashlib.sha256(f'{digest}:{relative_path}'.encode()).hexdigest()[:16]}_{stem}"


def _import_dags(loaded: LoadedBundle, relative_path: str) -> list[DAG]:
    from skyray.sdk.registry import collect_dags, dags_of_module

    file = Path(loaded.root, relative_path)
    if not file.is_file():
        raise NotFoundError(f"bundle {loaded.digest[:12]} has no file {relative_path}")
    name = module_name(relative_path, loaded.digest)
    spec = importlib.util.spec_from_file_location(name, file)
    assert spec is not None, f"{relative_path} is not a Python file"
    assert spec.loader is not None, f"{relative_path} is not a Python file"
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    before = dict(sys.modules)
    try:
        with collect_dags() as found:
            spec.loader.exec_module(module)
    except BaseException:
        sys.modules.pop(name, None)
        raise
    finally:
        # A file that deletes modules must not have them imported a second time: DAG would be another class then.
        for missing in before.keys() - sys.modules.keys() - {name}:
            sys.modules[missing] = before[missing]
    sys.modules.setdefault(name, module)
    _pickle_by_value()
    return dags_of_module(module, found)


def _pickle_by_value() -> None:
    """Let a task hand the bundle's functions to other Ray workers (ray.remote, ray.data): those have no such module,
    so cloudpickle must send the code instead of the name."""
    for pickler in ("ray.cloudpickle", "cloudpickle"):
        register = getattr(sys.modules.get(pickler), "register_pickle_by_value", None)
        if register is not None:
            for name, module in BUNDLES.modules().items():
                if module.__name__ == name:
                    register(module)
