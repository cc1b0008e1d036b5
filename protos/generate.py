"""Generates cluster/skyray/admin/v1 from the .proto files: ``python protos/generate.py`` (``--check``: only compare).

What protoc and the gRPC plugin write is changed in one way: the lines that refuse other versions of protobuf and grpcio
at import go. They would tie users to the protobuf release that we happened to generate with; we call nothing newer than
the lower bounds in pyproject.toml, and the generated code's format has been the same since.
"""

from __future__ import annotations

import re
import sys
import tempfile
from collections.abc import Iterable
from importlib.metadata import version
from importlib.resources import files
from pathlib import Path

from google.protobuf import descriptor_pb2
from grpc_tools import protoc

PROTOS = Path(__file__).parent
PACKAGE = Path("skyray/admin/v1")
COMMITTED = PROTOS.parent / "cluster" / PACKAGE

_VALIDATION = [
    r"^from google\.protobuf import runtime_version as _runtime_version\n",
    r"^_runtime_version\.ValidateProtobufRuntimeVersion\((?:.|\n)*?^\)\n",
    r"^# Protobuf Python Version: .*\n",
    r"^import warnings\n",
    r"^GRPC_GENERATED_VERSION = (?:.|\n)*?^    \)\n",
]


def _without_version_checks(text: str) -> str:
    for pattern in _VALIDATION:
        text = re.sub(pattern, "", text, flags=re.MULTILINE)
    assert "GENERATED_VERSION" not in text, "the gRPC plugin writes its version check in a new way"
    assert "runtime_version" not in text, "protoc writes its version check in a new way"
    return text


def _protoc(*arguments: str) -> None:
    sources = sorted(str(path.relative_to(PROTOS)) for path in PROTOS.glob("skyray/**/*.proto"))
    well_known = str(files("grpc_tools") / "_proto")
    if protoc.main(["protoc", f"-I{PROTOS}", f"-I{well_known}", *arguments, *sources]):
        raise SystemExit("protoc failed")


def generate(into: Path) -> dict[str, str]:
    """Run protoc with its output below ``into``. Returns file name -> text, as it is to be committed."""
    _protoc(f"--python_out={into}", f"--pyi_out={into}", f"--grpc_python_out={into}")
    written = sorted((into / PACKAGE).iterdir())
    head = f"# Generated from protos/ by grpcio-tools {version('grpcio-tools')}: change those, then `make protos`.\n"
    return {path.name: head + _without_version_checks(path.read_text(encoding="utf-8")) for path in written}


def descriptors() -> dict[str, descriptor_pb2.FileDescriptorProto]:
    """Each .proto file (its path below protos/) as protoc understands it, whatever protoc's version."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "set"
        _protoc(f"--descriptor_set_out={output}")
        found = descriptor_pb2.FileDescriptorSet.FromString(output.read_bytes())
    for file in found.file:
        _clear_json_names(file.message_type)
    return {file.name: file for file in found.file}


def _clear_json_names(messages: Iterable[descriptor_pb2.DescriptorProto]) -> None:
    """Drop what protoc adds in a descriptor set but not in generated code."""
    for message in messages:
        _clear_json_names(message.nested_type)
        for field in message.field:
            field.ClearField("json_name")


def stale() -> list[str]:
    """The names of committed files that generating now would change. Meant for the very version that made them."""
    with tempfile.TemporaryDirectory() as folder:
        fresh = generate(Path(folder))
    committed = {path.name: path.read_text(encoding="utf-8") for path in COMMITTED.glob("*_pb2*.py*")}
    return sorted(name for name in fresh.keys() | committed.keys() if fresh.get(name) != committed.get(name))


def main() -> None:
    """Write the files, or with ``--check`` say which are stale and exit 1."""
    if "--check" in sys.argv[1:]:
        names = stale()
        if names:
            raise SystemExit(f"stale in {COMMITTED}: {', '.join(names)}; run `make protos`")
        return
    with tempfile.TemporaryDirectory() as folder:
        for path in COMMITTED.glob("*_pb2*.py*"):
            path.unlink()
        for name, text in generate(Path(folder)).items():
            (COMMITTED / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
