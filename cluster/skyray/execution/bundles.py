"""The node-local cache of unpacked bundles: ``cache_dir/bundles/<digest>``, fetched once for all workers of a node.

Not here: what a bundle is, unpacking and verifying it (parsing.bundle), importing from it (parsing.loader). Called by
attempt.py.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from skyray.errors import InvalidInputError

_known: dict[tuple[Path, str], Path] = {}  # folders that this process has seen complete


def bundle_root(digest: str, cache_dir: Path, fetch: Callable[[str], bytes], *, max_bytes: int) -> Path:
    """The absolute folder of the bundle, fetched, verified and unpacked if this node has not got it.

    Several processes may ask at once: one fetches, the others wait for it. Raises what ``fetch`` raises, and
    ``InvalidInputError`` where the content is not that of ``digest`` or unpacks to more than ``max_bytes``.
    """
    known = _known.get((cache_dir, digest))
    if known is not None:
        return known
    if not digest.isalnum():
        raise InvalidInputError(f"{digest!r} is not a bundle digest")
    root = (cache_dir / "bundles" / digest).absolute()
    if not root.is_dir():
        from skyray.parsing.bundle import unpack

        root.parent.mkdir(parents=True, exist_ok=True)
        with open(root.parent / f".{digest}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not root.is_dir():
                unpack(fetch(digest), root, digest=digest, max_bytes=max_bytes)
    _known[cache_dir, digest] = root
    return root
