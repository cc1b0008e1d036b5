"""Writes those pages of ``docs/reference`` that say what the code says: ``python -m docs.generate``.

Each module here makes one page from its source: settings, commands, protos. A test fails where a page is stale.
"""
