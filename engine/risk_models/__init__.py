"""What the risk process works with: bars, estimates, and the batch that the core takes.

bars.py         closes of the books in core time; remembered.py those that outlive the process; window.py the last ones
estimate.py     everything that is believed, stepped with each bar: the seam
refitter.py     refits on a thread of their own; refit.py one of them: margins.py, dependence.py, regime.py, changes.py
scenarios.py    shocks of one bar; variance.py and correlation.py what needs no fit
batch.py        messages
"""
