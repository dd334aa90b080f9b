"""Files for the market risk verbs: prices of four instruments with changing volatility, and portfolios."""

from pathlib import Path

import numpy as np

NAMES = ("AAA", "BBB", "CCC", "DDD")
ROWS = 700


def simulated(rows: int = ROWS, seed: int = 1) -> np.ndarray:
    """Simple returns (rows, 4): one common factor, GARCH volatility, fat tails."""
    random = np.random.default_rng(seed)
    variance, found = 1e-4, np.empty((rows, 4))
    for t in range(rows):
        common = np.sqrt(variance) * random.standard_t(6)
        found[t] = common * np.array([1.0, 0.8, 0.5, -0.3]) + 0.006 * random.standard_normal(4)
        variance = 4e-6 + 0.08 * common**2 + 0.85 * variance
    return np.clip(found, -0.2, 0.2)


def prices(folder: Path, rows: int = ROWS, *, late: int = 0) -> Path:
    """A dated CSV; DDD begins `late` rows after the others."""
    levels = 100.0 * np.cumprod(1.0 + np.vstack([np.zeros(4), simulated(rows)]), axis=0)
    dates = np.datetime64("2015-01-01") + np.arange(rows + 1)
    lines = ["date," + ",".join(NAMES)]
    for t, (date, row) in enumerate(zip(dates, levels.tolist(), strict=True)):
        cells = [repr(value) for value in row]
        if t < late:
            cells[3] = ""
        lines.append(f"{date}," + ",".join(cells))
    path = folder / "prices.csv"
    path.write_text("\n".join(lines) + "\n")
    return path


def portfolio(folder: Path, text: str = "instrument,weight\nAAA,0.5\nBBB,0.4\nCCC,0.3\nDDD,-0.2\n") -> Path:
    path = folder / "portfolio.csv"
    path.write_text(text)
    return path
