"""Bundles: a folder of DAG files, or one file, packed into a zip archive that is named by its content.

Used by ``skyray dags submit``, by the DagProcessor (pack) and by parser children's and workers' caches (unpack).
Standard library only. Not here: where bundles are kept (store/catalog.py), what is in their files (loader.py).

    >>> bundle = pack(Path("dags"), max_bytes=256 << 20)
    >>> unpack(bundle.content, cache / bundle.digest, digest=bundle.digest, max_bytes=256 << 20)
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import io
import os
import re
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from skyray.core.parsed import Bundle
from skyray.errors import InvalidInputError, NotFoundError
from skyray.parsing.ignore import IgnoreRules, any_ignores, read_rules

__all__ = ["Bundle", "bundle_name", "open_bundle", "pack", "signature", "unpack"]

IGNORE_FILE = ".skyrayignore"
FILES_MAX = 100_000
_IGNORED_FOLDERS = frozenset({"__pycache__", "node_modules"})
_IGNORED_FILES = re.compile(r".*\.py[co]|.*~|\..*\.sw[a-z]|\.#.*|#.*#|\.DS_Store")
_EPOCH = (1980, 1, 1, 0, 0, 0)  # a zip archive's earliest time: equal files make an equal archive
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,249}")


@dataclass(frozen=True)
class _File:
    path: str
    data: bytes
    is_executable: bool

    @cached_property
    def sha256(self) -> str:
        return hashlib.sha256(self.data).hexdigest()


def pack(path: Path, *, max_bytes: int, name: str | None = None) -> Bundle:
    """Pack a folder, or a single ``.py`` file, as it is now. ``name`` defaults to the folder's or file's own.

    Left out: ``__pycache__``, compiled files, editors' temporary files, hidden folders, virtual environments (by their
    ``pyvenv.cfg``), sockets and pipes, and what ``.skyrayignore`` names (gitignore's syntax, one in any folder).
    A link inside the folder is packed as what it points to.

    Raises ``NotFoundError`` for a path that does not exist, and ``InvalidInputError`` for a link that leaves the folder
    and for files that are larger than ``max_bytes`` together.
    """
    path = Path(path)
    if not path.exists():
        raise NotFoundError(f"{path} does not exist")
    name = _checked_name(name) if name else bundle_name(path)
    if path.is_dir():
        files = sorted(_walk(path.resolve(), max_bytes), key=lambda each: each.path)
    elif path.suffix == ".py":
        _check_size([(path.name, path.stat().st_size)], max_bytes)
        files = [_File(path.name, path.read_bytes(), is_executable=False)]
    else:
        raise InvalidInputError(f"{path} is neither a folder nor a .py file")
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w", zipfile.ZIP_DEFLATED, compresslevel=1) as archive:
        for each in files:
            entry = zipfile.ZipInfo(each.path, _EPOCH)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entry.create_system = 3
            entry.external_attr = (stat.S_IFREG | (0o755 if each.is_executable else 0o644)) << 16
            archive.writestr(entry, each.data)
    return Bundle(name, _digest(files), content.getvalue(), tuple((each.path, each.sha256) for each in files))


def signature(path: Path) -> str:
    """Changes with whatever ``pack`` would pack, as far as sizes and times tell; reads no file's content."""
    path = Path(path)
    if not path.exists():
        raise NotFoundError(f"{path} does not exist")
    seen = hashlib.sha256()
    root = path.resolve()
    for relative, real in _find(root, root, "", [], (root,)) if path.is_dir() else [(path.name, path)]:
        with contextlib.suppress(FileNotFoundError):
            state = real.stat()
            seen.update(f"{relative}\n{state.st_ino} {state.st_size} {state.st_mtime_ns} {state.st_mode}\n".encode())
    return seen.hexdigest()


def open_bundle(name: str, content: bytes, *, max_bytes: int) -> Bundle:
    """The bundle that ``content`` is, with its digest computed from what is really in it.

    Raises ``InvalidInputError`` for bytes that are no bundle, or one that is unsafe or too large to unpack.
    """
    files = sorted(_read(content, max_bytes), key=lambda each: each.path)
    if not files:
        raise InvalidInputError("the bundle holds no files")
    return Bundle(_checked_name(name), _digest(files), content, tuple((each.path, each.sha256) for each in files))


def unpack(content: bytes, into: Path, *, max_bytes: int, digest: str | None = None) -> None:
    """Unpack into the folder ``into``, which appears complete or not at all; where it exists already, do nothing.

    Raises ``InvalidInputError`` for an archive whose paths leave the folder, that unpacks to more than ``max_bytes``,
    or whose content does not have the ``digest`` given.
    """
    if into.is_dir():
        return
    into.parent.mkdir(parents=True, exist_ok=True)
    beside = Path(tempfile.mkdtemp(prefix=f".{into.name[:40]}-", dir=into.parent))
    try:
        files = list(_read(content, max_bytes))
        if digest is not None and (actual := _digest(files)) != digest:
            raise InvalidInputError(f"the bundle's content has digest {actual}, not {digest}: it is damaged")
        for each in files:
            target = beside / each.path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(each.data)
            target.chmod(0o755 if each.is_executable else 0o644)
        beside.chmod(0o755)
        os.rename(beside, into)
    except OSError as error:
        # Somebody else unpacked the same bundle in the meantime: theirs is as good as ours.
        if error.errno not in (errno.ENOTEMPTY, errno.EEXIST) or not into.is_dir():
            raise
    finally:
        shutil.rmtree(beside, ignore_errors=True)


def bundle_name(path: Path) -> str:
    """The name of a bundle of this folder or file, where none is given."""
    path = Path(path).absolute()
    return re.sub(r"[^A-Za-z0-9_.-]", "_", path.stem if path.suffix == ".py" else path.name).lstrip(".-") or "bundle"


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise InvalidInputError(
            f"{name!r} cannot be a bundle's name",
            hint="letters, digits, '_', '.' and '-', at most 250, beginning with a letter, a digit or '_'",
        )
    return name


def _digest(files: Iterable[_File]) -> str:
    """SHA-256 of the sorted listing of paths, contents and executable bits: not of the archive, whose bytes depend on
    the zlib that made it."""
    listing = hashlib.sha256(b"skyray-bundle-1\n")
    for each in sorted(files, key=lambda each: each.path):
        listing.update(f"{len(each.path.encode())} {each.path} {each.sha256} {int(each.is_executable)}\n".encode())
    return listing.hexdigest()


# ------------------------------------------------------------------------------------------------------------- packing
def _walk(root: Path, max_bytes: int) -> Iterator[_File]:
    found = list(_find(root, root, "", [], (root,)))
    sizes = []
    for relative, real in found:
        try:
            sizes.append((relative, real.stat().st_size))
        except FileNotFoundError:
            continue
    _check_size(sizes, max_bytes)
    for relative, real in found:
        try:
            with real.open("rb") as stream:
                yield _File(relative, stream.read(), bool(os.fstat(stream.fileno()).st_mode & stat.S_IXUSR))
        except FileNotFoundError:  # deleted since it was listed
            continue


def _find(
    root: Path, folder: Path, prefix: str, rules: list[IgnoreRules], trail: tuple[Path, ...]
) -> Iterator[tuple[str, Path]]:
    """Files below ``folder`` as (path in the bundle, real path). ``trail``: the real folders on the way here."""
    rules = [*rules, *read_rules(folder / IGNORE_FILE, prefix)]
    try:
        entries = sorted(os.scandir(folder), key=lambda entry: entry.name)
    except FileNotFoundError:
        return
    if any(entry.name == "pyvenv.cfg" for entry in entries):
        return
    for entry in entries:
        relative = prefix + entry.name
        is_folder = entry.is_dir()
        if is_folder and (entry.name.startswith(".") or entry.name in _IGNORED_FOLDERS):
            continue
        if _IGNORED_FILES.fullmatch(entry.name) or any_ignores(rules, relative, is_folder=is_folder):
            continue
        real = _real(entry, root, relative)
        if real is None:
            continue
        if not is_folder:
            yield relative, real
        elif real in trail:
            raise InvalidInputError(f"{relative} is a link to a folder that holds it: the bundle would be endless")
        else:
            yield from _find(root, real, relative + "/", rules, (*trail, real))


def _real(entry: os.DirEntry[str], root: Path, relative: str) -> Path | None:
    """The real path of an entry; None for what is neither file nor folder, and for a link that leads nowhere."""
    if not entry.is_dir() and not entry.is_file():
        return None
    if not entry.is_symlink():
        return Path(entry.path)
    real = Path(entry.path).resolve()
    if not real.is_relative_to(root):
        raise InvalidInputError(
            f"{relative} is a link to {real}, outside of the folder {root}",
            hint=f"copy the file into the folder, or name it in {IGNORE_FILE}",
        )
    return real


def _check_size(sizes: list[tuple[str, int]], max_bytes: int) -> None:
    total = sum(size for _, size in sizes)
    if len(sizes) > FILES_MAX:
        raise InvalidInputError(
            f"the bundle has {len(sizes)} files; at most {FILES_MAX} are accepted", hint=f"see {IGNORE_FILE}"
        )
    if total > max_bytes:
        largest = sorted(sizes, key=lambda item: -item[1])[:3]
        raise InvalidInputError(
            f"the bundle's files have {total} bytes; at most {max_bytes} are accepted (bundle_max_bytes); "
            f"the largest: {', '.join(f'{path} ({size})' for path, size in largest)}",
            hint=f"name what tasks do not need in {IGNORE_FILE}",
        )


# ----------------------------------------------------------------------------------------------------------- unpacking
def _read(content: bytes, max_bytes: int) -> Iterator[_File]:
    """The files of an archive, checked one by one: sizes that the archive declares are not believed."""
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            entries = archive.infolist()
            if len(entries) > FILES_MAX:
                raise InvalidInputError(f"the bundle has {len(entries)} files; at most {FILES_MAX} are accepted")
            left, seen = max_bytes, set[str]()
            for entry in entries:
                if entry.is_dir():
                    continue
                _check_path(entry, seen)
                with archive.open(entry) as stream:
                    data = stream.read(left + 1)
                left -= len(data)
                if left < 0:
                    raise InvalidInputError(f"the bundle unpacks to more than {max_bytes} bytes (bundle_max_bytes)")
                yield _File(entry.filename, data, bool(entry.external_attr >> 16 & stat.S_IXUSR))
    except (zipfile.BadZipFile, EOFError, zlib.error, NotImplementedError, RuntimeError, ValueError, OSError) as error:
        raise InvalidInputError(f"the bundle is not a zip archive that can be read: {error}") from None


def _check_path(entry: zipfile.ZipInfo, seen: set[str]) -> None:
    name = entry.filename
    kind = stat.S_IFMT(entry.external_attr >> 16)
    parts = PurePosixPath(name).parts
    if (
        name in seen
        or not parts
        or name.startswith("/")
        or "\\" in name
        or str(PurePosixPath(name)) != name
        or ".." in parts
        or kind not in (0, stat.S_IFREG)
    ):
        raise InvalidInputError(f"the bundle has an entry that is not accepted: {name!r}")
    seen.add(name)
