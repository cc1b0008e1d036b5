"""Generated from protos/skyray/admin/v1; see protos/README.md."""
