"""gRPC servers and the Python client: the only place that knows both protobuf and core types."""
