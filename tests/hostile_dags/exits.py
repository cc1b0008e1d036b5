"""A dag file of skyray that ends its process the hard way."""

import os

os._exit(3)
