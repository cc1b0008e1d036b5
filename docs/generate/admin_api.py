"""reference/admin-api.md, from the comments and declarations of protos/."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from docs.generate.markdown import code, notice, page, table

_PROTOS = Path(__file__).parents[2] / "protos" / "skyray" / "admin" / "v1"
_ORDER = ("dags", "runs", "tasks", "pools", "cluster")
_RPC = re.compile(r"rpc (\w+)\((stream )?(\w+)\) returns \((stream )?(\w+)\);")
_FIELD = re.compile(r"(repeated |optional )?(map<[\w, .]+>|[\w.]+) (\w+) = \d+;")

_INTRODUCTION = """
gRPC, package `skyray.admin.v1`, on the address that `skyray up` prints (`api_address`). The command line and
`skyray.api.client.Client` are thin layers over it. Standard server reflection and the standard health service
(`grpc.health.v1.Health`) are on, so `grpcurl` and load balancers find their way without these files:

```
grpcurl -plaintext -H "authorization: Bearer $(cat ~/.skyray/token)" 127.0.0.1:50051 list
```

- **Who may.** Every call carries the deployment's token as metadata `authorization: Bearer TOKEN`; without it, or with
  a wrong one, the answer is `UNAUTHENTICATED`. Only the health service asks for none. There is no encryption yet: the
  API listens on loopback unless it is told otherwise, and elsewhere it belongs behind something that terminates TLS.
- **Lists** are paged by `page_size` and `page_token`; an empty `next_page_token` ends them.
- **Mutations** carry a `request_id` that the client makes up. Sent again under the same id, a request has the effect of
  once and the same answer: a client may send it again whenever it does not know what became of it.
- **Errors** are `google.rpc.Status` with details: an `ErrorInfo` of domain `skyray` whose `reason` is `INVALID`,
  `NOT_FOUND`, `CONFLICT`, `NOT_ALLOWED`, `UNAUTHENTICATED`, `UNREACHABLE`, `FENCED` or `INTERNAL` (a hint may
  be in its metadata, under `hint`); a `BadRequest` where one field is at fault; a `ResourceInfo` where something was
  not found.
- **Streams** (`WatchRuns`, `StreamLogs`) begin with what is and go on with what changes. After an interruption a client
  opens them anew, `StreamLogs` at the last `next_offset`.
- A mutation that a scheduler has to apply (trigger, pause, cancel …) is a durable row first, and answered when the
  leader has applied it. If the leader changes meanwhile, the next one applies it.
"""


@dataclass
class _Block:
    """A service or a message: its name, what the comment above says, and its lines (declaration, comment)."""

    kind: str
    name: str
    comment: str
    lines: list[tuple[str, str]] = field(default_factory=list)


def render() -> str:
    """The page."""
    blocks = [block for name in _ORDER for block in _blocks((_PROTOS / f"{name}.proto").read_text(encoding="utf-8"))]
    messages = {block.name: block for block in blocks if block.kind == "message"}
    parts = [notice("admin_api"), "# Admin API", _INTRODUCTION, "## Services"]
    for service in (block for block in blocks if block.kind == "service"):
        parts += [f"### {service.name}", service.comment, _rpcs(service, messages)]
    parts.append("## Resources")
    for block in messages.values():
        if not block.name.endswith(("Request", "Response")):
            parts += [f"### {block.name}", block.comment, _fields(block)]
    return page(*parts)


def _rpcs(service: _Block, messages: dict[str, _Block]) -> str:
    rows = []
    for declaration, comment in service.lines:
        found = _RPC.fullmatch(declaration)
        assert found, declaration
        name, sends_stream, request, gets_stream, response = found.groups()
        takes, gives = _signature(messages[request], sends_stream), _signature(messages[response], gets_stream)
        rows.append((code(name), takes, gives, comment))
    return table(("call", "takes", "gives", "what it does"), rows)


def _signature(message: _Block, is_stream: str | None) -> str:
    names = [code(found[3]) for declaration, _ in message.lines if (found := _FIELD.fullmatch(declaration))]
    return ("a stream of: " if is_stream else "") + (", ".join(names) or "nothing")


def _fields(message: _Block) -> str:
    rows = []
    for declaration, comment in message.lines:
        found = _FIELD.fullmatch(declaration)
        if found:
            label, kind, name = found.groups()
            kind = kind.removeprefix("google.protobuf.").lower() if "google" in kind else kind
            rows.append((code(name), f"{(label or '').strip()} {kind}".strip(), comment))
    return table(("field", "type", "what it is"), rows)


def _blocks(text: str) -> Iterator[_Block]:
    block: _Block | None = None
    comment: list[str] = []
    for raw in text.splitlines():
        line = raw.strip()
        if line.startswith("//"):
            comment.append(line.removeprefix("//").strip())
            continue
        if found := re.match(r"(service|message) (\w+) \{(\})?", line):
            block = _Block(found[1], found[2], " ".join(comment))
            if found[3]:
                yield block
                block = None
        elif block is not None and raw == "}":
            yield block
            block = None
        elif block is not None and line.endswith(";"):
            block.lines.append((line, " ".join(comment)))
        elif line.startswith("oneof") or line == "}":
            pass
        comment = []
