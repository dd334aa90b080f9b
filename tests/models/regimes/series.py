"""Simulated returns with regimes that are known."""

import numpy as np


def switching(
    seed: int, n: int, volatilities: tuple[float, ...] = (0.008, 0.025), stay: float = 0.98
) -> tuple[np.ndarray, np.ndarray]:
    """(returns, true states): each state lasts 1 / (1 - stay) on average, then any other follows."""
    random = np.random.default_rng(seed)
    states = np.zeros(n, dtype=np.int64)
    for t in range(1, n):
        move = random.integers(1, len(volatilities)) if len(volatilities) > 1 else 0
        states[t] = states[t - 1] if random.random() < stay else (states[t - 1] + move) % len(volatilities)
    return random.normal(size=n) * np.array(volatilities)[states], states
