"""A dag file of skyray that never ends."""

while True:
    pass
