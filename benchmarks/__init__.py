"""Benchmarks: what Skyray costs, measured from outside, beside what the Ray below it can do at most.

``python -m benchmarks`` runs all of them on a deployment of its own. See README.md.
"""
