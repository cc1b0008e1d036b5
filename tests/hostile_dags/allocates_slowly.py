"""A dag file of skyray that takes ever more memory, and does not care about errors."""

memory = []
while True:
    memory.append(bytearray(1 << 20))
