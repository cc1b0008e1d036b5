"""A dag file of skyray that shows its environment."""

import os

raise RuntimeError(" ".join(sorted(os.environ)))
