"""The node-local cache of unpacked bundles: ``cache_dir/bundles/<digest>``, fetched once for all workers of a node.

Not here: what a bundle is, unpacking and verifying it (parsing.bundle), importing from it (parsing.loader). Called by
attempt.py.
"""

from __future__ import annotations

import fcntl
from collections.abc import Callable
from pathlib import Path

from skyray.errors import InvalidInputError

_known: set[tuple[Path, str]] = set()  # folders that this process has seen complete


def bundle_root(digest: str, cache_dir: Path, fetch: Callable[[str], bytes], *, max_bytes: int) -> Path:
    """The absolute folder of the bundle, fetched, verified and unpacked if this node has not got it.

    Several processes may ask at once: one fetches, the others wait for it. Raises what ``fetch`` raises, and
    ``InvalidInputError`` where the content is not that of ``digest`` or unpacks to more than ``max_bytes``.
    """
    root = cache_dir / "bundles" / digest
    if (cache_dir, digest) in _known:
        return root
    if not digest.isalnum():
        raise InvalidInputError(f"{digest!r} is not a bundle digest")
    if not root.is_dir():
        from skyray.parsing.bundle import unpack

        root.parent.mkdir(parents=True, exist_ok=True)
        with open(root.parent / f".{digest}.lock", "w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not root.is_dir():
                unpack(fetch(digest), root, digest=digest, max_bytes=max_bytes)
    _known.add((cache_dir, digest))
    return root
