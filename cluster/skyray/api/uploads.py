"""Receiving a bundle in pieces: bounded, checked against its header, never on disk."""

from __future__ import annotations

import hashlib
import re
from collections.abc import AsyncIterator

from skyray.admin.v1 import dags_pb2
from skyray.api.errors import FieldError
from skyray.api.validate import request_id

_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,249}")
_CHUNK_BYTES_MAX = 1 << 20


async def receive_bundle(
    requests: AsyncIterator[dags_pb2.SubmitBundleRequest], max_bytes: int
) -> tuple[dags_pb2.BundleHeader, bytes]:
    """The header and the whole content. Raises a FieldError as soon as something is wrong."""
    header: dags_pb2.BundleHeader | None = None
    content = bytearray()
    async for request in requests:
        if header is None:
            header = _checked(request, max_bytes)
            continue
        if request.WhichOneof("part") != "chunk":
            raise FieldError("header", "only the first message of the stream is the header")
        if len(request.chunk) > _CHUNK_BYTES_MAX:
            raise FieldError(
                "chunk", f"a chunk has {len(request.chunk)} bytes; at most {_CHUNK_BYTES_MAX} are possible"
            )
        content += request.chunk
        if len(content) > header.size_bytes:
            raise FieldError("chunk", f"the content is longer than the header's size_bytes, {header.size_bytes}")
    if header is None:
        raise FieldError("header", "the stream is empty; its first message is the header")
    if len(content) != header.size_bytes:
        raise FieldError("chunk", f"{len(content)} of {header.size_bytes} bytes arrived")
    whole = bytes(content)
    if hashlib.sha256(whole).hexdigest() != header.sha256.lower():
        raise FieldError("header.sha256", "the content does not have the header's SHA-256")
    return header, whole


def _checked(request: dags_pb2.SubmitBundleRequest, max_bytes: int) -> dags_pb2.BundleHeader:
    if request.WhichOneof("part") != "header":
        raise FieldError("header", "the first message of the stream must be the header")
    header = request.header
    if not _NAME.fullmatch(header.name):
        raise FieldError(
            "header.name",
            f"bundle name {header.name!r} may only have letters, digits and _ . - (at most 250 characters)",
        )
    if not 0 < header.size_bytes <= max_bytes:
        raise FieldError(
            "header.size_bytes",
            f"the bundle has {header.size_bytes} bytes; 1 to {max_bytes} are possible",
            hint="leave data out of the DAG folder (.skyrayignore), or raise bundle_max_bytes",
        )
    request_id(header.request_id)
    return header
