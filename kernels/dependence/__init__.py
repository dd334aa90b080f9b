"""Covariance, dynamic correlation and rank dependence of many series: `reference.py` the truth, the rest compiled."""
