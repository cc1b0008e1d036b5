"""The committed code of skyray.admin.v1 is what protos/ says, and does not tie users to one protobuf release."""

from __future__ import annotations

import importlib
import importlib.util
import re
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

import pytest
from google.protobuf import descriptor_pb2

ROOT = Path(__file__).parents[2]
GENERATED = ROOT / "cluster/skyray/admin/v1"
FILES = sorted(path.stem for path in (ROOT / "protos/skyray/admin/v1").glob("*.proto"))


@pytest.fixture(scope="module")
def generator() -> ModuleType:
    spec = importlib.util.spec_from_file_location("protos_generate", ROOT / "protos/generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_messages_are_those_of_the_proto_files(generator: ModuleType) -> None:
    wanted = generator.descriptors()
    assert len(wanted) == len(FILES)
    for name in FILES:
        module = importlib.import_module(f"skyray.admin.v1.{name}_pb2")
        committed = descriptor_pb2.FileDescriptorProto.FromString(module.DESCRIPTOR.serialized_pb)
        assert committed == wanted[f"skyray/admin/v1/{name}.proto"], f"{name}: run `make protos`"


def test_the_committed_text_is_what_the_generator_writes(generator: ModuleType) -> None:
    made_by = re.search(r"grpcio-tools (\S+):", (GENERATED / "dags_pb2.py").read_text())
    assert made_by is not None
    if made_by.group(1) != version("grpcio-tools"):
        pytest.skip(f"generated with grpcio-tools {made_by.group(1)}; only the messages can be compared")
    assert generator.stale() == []


def test_every_method_of_the_proto_files_has_a_stub() -> None:
    for name in FILES:
        messages = importlib.import_module(f"skyray.admin.v1.{name}_pb2")
        stubs = importlib.import_module(f"skyray.admin.v1.{name}_pb2_grpc")
        for service in messages.DESCRIPTOR.services_by_name.values():
            servicer = getattr(stubs, f"{service.name}Servicer")
            assert all(hasattr(servicer, method.name) for method in service.methods)


def test_requests_and_responses_have_standard_names_of_their_own() -> None:
    for name in FILES:
        messages = importlib.import_module(f"skyray.admin.v1.{name}_pb2")
        for service in messages.DESCRIPTOR.services_by_name.values():
            for method in service.methods:
                assert method.input_type.name == f"{method.name}Request"
                assert method.output_type.name == f"{method.name}Response"


def test_no_version_of_protobuf_or_grpc_is_refused_at_import() -> None:
    for path in GENERATED.glob("*_pb2*.py"):
        assert "ValidateProtobufRuntimeVersion" not in path.read_text()
        assert "GENERATED_VERSION" not in path.read_text()
