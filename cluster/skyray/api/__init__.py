"""gRPC servers and the Python client: the only place that knows both protobuf and core types."""

import os

# gRPC's fork handlers crash about every third child that a process starts with another user id (subprocess then forks)
# while a server or channel is open. Nothing here uses gRPC in a forked child, so they are not needed.
os.environ.setdefault("GRPC_ENABLE_FORK_SUPPORT", "0")
