"""A dag file of skyray that ends Python."""

import sys

sys.exit(4)
