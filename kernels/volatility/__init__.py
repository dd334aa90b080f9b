"""Conditional variance: recursions, likelihoods with analytic gradients, batched fits and O(1) steps, in numba.

Codes of processes, error densities, means and start-variance conventions; numba takes them as constants.
"""

GARCH, GJR, EGARCH, APARCH = 0, 1, 2, 3
NORMAL, STUDENT, SKEWED = 0, 1, 2
ZERO, CONSTANT, REGRESSORS = 0, 1, 2
BENCHMARK, BACKCAST, UNCONDITIONAL, OLS = 0, 1, 2, 3
PROCESS_PARAMETERS = (3, 4, 4, 5)  # omega alpha beta; omega alpha gamma beta (twice); omega alpha gamma beta delta
SHAPE_PARAMETERS = (0, 1, 2)  # none; nu; nu lambda
