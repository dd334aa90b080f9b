"""A batch of results as messages: what engine/risk/results.pxd takes, whole or not at all."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ipc.instruments import Contract
from ipc.messages import MESSAGE, VECTOR_DETAIL, Flag, Kind, RiskMethod, RiskRow, RiskValue
from kernels.exposure.reference import cvar, marginal_cvar, value_at_risk

Array = NDArray[np.float64]

PER_RECORD = 8
PER_MESSAGE = 128  # scenarios: what the core takes at once


@dataclass(frozen=True)
class Estimate:
    """What the market is believed to be like. n instruments, S scenarios.

    losses: (n, S), share of the value that one unit held long loses, positive is a loss; rounded to float32, because
    that is what the core stores: base, marginal and stand-alone figures are of exactly these numbers.
    volatility: (n,), of the log return over one second. correlation: (n, n). newest_time_ns: of the data behind it.
    """

    method: RiskMethod
    newest_time_ns: int
    losses: Array
    volatility: Array
    correlation: Array
    regime: int = 0
    volatility_ratio: float = 1.0
    quality: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "losses", self.losses.astype(np.float32).astype(np.float64))


@dataclass(frozen=True)
class Holdings:
    """Reference positions: lots and mids (in half ticks, bid plus ask) of each instrument, shape (n,)."""

    lots: NDArray[np.int64]
    half_ticks: NDArray[np.int64]

    def atoms(self, instruments: NDArray[Any]) -> Array:
        """Values in quote atoms, below 0 where short; 0 for inverse contracts, which are not traded."""
        unit = instruments["atoms_numerator"] / (2.0 * np.maximum(instruments["atoms_denominator"], 1))
        linear = instruments["contract"] != Contract.INVERSE
        values: Array = np.where(linear, self.lots.astype(np.float64) * self.half_ticks * unit, 0.0)
        return values


def records_of_batch(instruments: int, scenarios: int) -> int:
    """Records of one batch: its begin and end, values, rows, and scenarios with the heads of their messages."""
    vectors = -(-scenarios // PER_MESSAGE) + scenarios // PER_RECORD
    return 2 + len(RiskValue) + instruments * (len(RiskRow) + vectors)


def batch(
    version: int, estimate: Estimate, holdings: Holdings, instruments: NDArray[Any], level: float, now_ns: int
) -> NDArray[np.void]:
    """The records of one batch, MESSAGE. level: of VaR and CVaR. Raises ValueError when shapes do not fit."""
    count, scenarios = estimate.losses.shape
    if count != len(instruments) or scenarios % PER_RECORD:
        raise ValueError(
            f"losses are {estimate.losses.shape}: ({len(instruments)}, a multiple of {PER_RECORD}) is asked"
        )
    records = np.zeros(records_of_batch(count, scenarios), dtype=MESSAGE)
    records["event_time_ns"], records["receive_time_ns"] = estimate.newest_time_ns, now_ns
    for record in (records[0], records[-1]):
        record["kind"], record["order_id"], record["quantity_lots"] = Kind.RISK_BATCH, version, len(records)
        record["price_ticks"], record["extra"] = scenarios, estimate.method
    records["flags"][-1] = Flag.LAST
    held = holdings.atoms(instruments)
    at = 1 + fill_values(records[1:], portfolio_values(estimate, held, level))
    at += fill_rows(records[at:], estimate, holdings, held, level)
    for index in range(count):
        at += fill_scenarios(records[at:], index, estimate.losses[index])
    return records


def portfolio_values(estimate: Estimate, held: Array, level: float) -> dict[RiskValue, float]:
    """Every RiskValue. held: values in atoms, (n,)."""
    losses, pairs = held @ estimate.losses, estimate.correlation[np.triu_indices(len(held), 1)]
    return {
        RiskValue.REGIME: float(estimate.regime),
        RiskValue.VAR: value_at_risk(losses, level),
        RiskValue.CVAR: cvar(losses, level),
        RiskValue.CORRELATION_MEAN: float(pairs.mean()) if len(pairs) else 0.0,
        RiskValue.CORRELATION_LARGEST: float(pairs[np.argmax(np.abs(pairs))]) if len(pairs) else 0.0,
        RiskValue.VOLATILITY_RATIO: estimate.volatility_ratio,
        RiskValue.QUALITY: estimate.quality,
    }


def correlation_with_rest(losses: Array, held: Array) -> Array:
    """Of each instrument's return with the profit of all else that is held, (n,); 0 where that does not move."""
    found = np.zeros(len(held))
    for index in range(len(held)):
        rest = held @ losses - held[index] * losses[index]
        spread = rest.std() * losses[index].std()
        if spread > 0.0:
            mean = ((rest - rest.mean()) * (losses[index] - losses[index].mean())).mean()
            found[index] = min(1.0, max(-1.0, mean / spread))
    return found


def fill_values(records: NDArray[np.void], values: dict[RiskValue, float]) -> int:
    rows = records[: len(values)]
    rows["kind"] = Kind.RISK_VALUE
    rows["order_id"] = list(values)
    rows["extra"] = np.array(list(values.values())).view(np.int64)
    return len(values)


def fill_rows(records: NDArray[np.void], estimate: Estimate, holdings: Holdings, held: Array, level: float) -> int:
    values = {
        RiskRow.VOLATILITY: estimate.volatility,
        RiskRow.MARGINAL_CVAR: marginal_cvar(estimate.losses, held, level),
        RiskRow.CVAR_LONG: np.array([cvar(row, level) for row in estimate.losses]),
        RiskRow.CVAR_SHORT: np.array([cvar(-row, level) for row in estimate.losses]),
        RiskRow.CORRELATION: correlation_with_rest(estimate.losses, held),
    }
    count = len(held)
    rows = records[: count * len(values)]
    rows["kind"] = Kind.RISK_ROW
    rows["instrument"] = np.repeat(np.arange(count), len(values))
    rows["order_id"] = np.tile(list(values), count)
    rows["extra"] = np.array(list(values.values())).T.ravel().view(np.int64)
    rows["quantity_lots"] = np.repeat(holdings.lots, len(values))
    rows["price_ticks"] = np.repeat(holdings.half_ticks, len(values))
    return len(rows)


def fill_scenarios(records: NDArray[np.void], index: int, losses: Array) -> int:
    """Messages of a head and up to PER_MESSAGE / PER_RECORD continuations."""
    at = 0
    for first in range(0, len(losses), PER_MESSAGE):
        part = losses[first : first + PER_MESSAGE]
        size = 1 + len(part) // PER_RECORD
        message = records[at : at + size]
        message["instrument"] = index
        message["flags"][:-1] = Flag.MORE
        head, vectors = message[0], message[1:].view(VECTOR_DETAIL)
        head["kind"], head["order_id"], head["quantity_lots"] = Kind.RISK_SCENARIOS, first, len(part)
        vectors["kind"] = Kind.DETAIL
        vectors["values"] = part.reshape(-1, PER_RECORD)
        at += size
    return at
