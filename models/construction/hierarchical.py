"""Hierarchical risk parity: Lopez de Prado (2016). Clusters by correlation, then risk split from the top down."""

import time
from typing import Any

import numpy as np
from scipy.cluster.hierarchy import leaves_list, linkage
from scipy.spatial.distance import squareform

from models.construction.constraints import Array
from models.construction.feasible import FeasibleSet
from models.construction.markowitz import Found, exact_by, in_time
from models.construction.programme import quadratic_programme

SECONDS_PER_PAIR = 2e-7  # of clustering and splitting, measured with room


def hierarchical_risk_parity(covariance: Array, inside: FeasibleSet, start: Array, deadline: float) -> Found:
    """Weights; value is the portfolio's variance. Bounds are met in each split, other rows by the nearest portfolio.

    Single linkage on the distances sqrt((1 - correlation) / 2) themselves, as PyPortfolioOpt and skfolio do (the paper
    compares columns of that matrix). No optimality is claimed, so the gap is None.
    """
    n = len(covariance)
    if n * n * SECONDS_PER_PAIR > deadline - time.perf_counter():
        note = ("BEST_SO_FAR: too many names to cluster before the time limit; a feasible portfolio is given",)
        return Found(start, float(start @ covariance @ start), None, "time_limit", note)
    order = cluster_order(covariance)
    low, high = inside.constraints.lower, inside.constraints.upper
    total = inside.constraints.budget if inside.constraints.budget is not None else 1.0
    weights = bisect(covariance, order, low, high, total)
    tidy = inside.tidy(weights)
    if tidy is not None:
        return Found(tidy, float(tidy @ covariance @ tidy), None, "optimal")
    moved = None
    if in_time(n, inside, deadline):
        near = quadratic_programme(covariance, -covariance @ weights, inside.shape, exact_by(deadline))
        moved = None if near.x is None else inside.tidy(near.x[:n])
    if moved is None:
        note = ("BEST_SO_FAR: the nearest portfolio within the rows was not found in time; one on the way is given",)
        between = inside.toward(start, weights)
        return Found(between, float(between @ covariance @ between), None, "time_limit", note)
    note = ("MOVED_INTO_ROWS: the hierarchical portfolio broke a row; the feasible one nearest in risk is given",)
    return Found(moved, float(moved @ covariance @ moved), None, "optimal", note)


def cluster_order(covariance: Array) -> Array:
    """The names, neighbours in the tree side by side (quasi-diagonalisation)."""
    if len(covariance) < 2:
        return np.arange(len(covariance), dtype=np.float64)
    deviations = np.sqrt(np.diag(covariance))
    correlations = np.clip(covariance / np.outer(deviations, deviations), -1.0, 1.0)
    distances = np.sqrt(np.maximum(0.5 * (1.0 - correlations), 0.0))
    np.fill_diagonal(distances, 0.0)
    found: Array = leaves_list(linkage(squareform(distances, checks=False), method="single"))
    return found


def bisect(covariance: Array, order: Any, lower: Array, upper: Array, total: float) -> Array:
    """Splits `total` between the halves of the order by inverse variance, within what the bounds of a half can hold."""
    weights = np.zeros(len(covariance))
    pending = [(np.asarray(order, dtype=np.intp), total)]
    while pending:
        members, amount = pending.pop()
        if len(members) == 1:
            weights[members] = amount
            continue
        left, right = members[: len(members) // 2], members[len(members) // 2 :]
        variance_left, variance_right = cluster_variance(covariance, left), cluster_variance(covariance, right)
        share = amount * (1.0 - variance_left / (variance_left + variance_right))
        least = max(float(lower[left].sum()), amount - float(upper[right].sum()))
        most = min(float(upper[left].sum()), amount - float(lower[right].sum()))
        share = min(max(share, least), most)
        pending += [(left, share), (right, amount - share)]
    return weights


def cluster_variance(covariance: Array, members: Any) -> float:
    """Variance of the members' inverse-variance portfolio."""
    block = covariance[np.ix_(members, members)]
    inverse = 1.0 / np.diag(block)
    share = inverse / inverse.sum()
    return float(share @ block @ share)
