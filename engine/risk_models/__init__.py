"""What the risk process works with: bars, estimates, and the batch that the core takes.

`bars.py` closes of the books in core time; `estimate.py` volatility, scenarios, regime of them; `batch.py` messages.
"""
