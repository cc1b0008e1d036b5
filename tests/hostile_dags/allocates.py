"""A dag file of skyray that wants 10 GB."""

memory = bytearray(10 << 30)
