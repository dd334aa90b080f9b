"""Scenarios by a counter-based generator: path k is the same whatever the threads, the batch or the device.

`philox.py` integers; `tables.py` and `quantiles.py` inversion; `cpu.py` paths; `reference.py` slow and obvious.
"""
