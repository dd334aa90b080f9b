"""Who trades on the exchange, and what they own: balances in atoms of 1e-8."""

from dataclasses import dataclass, field
from typing import Any

from engine.exchange.market import Market, atoms_text


@dataclass
class Account:
    name: str
    owner: int  # of its orders in the matching engines; never 0
    free: dict[str, int] = field(default_factory=dict)
    locked: dict[str, int] = field(default_factory=dict)

    # -- QUERIES --

    def balances(self) -> list[dict[str, Any]]:
        return [
            {"asset": asset, "free": atoms_text(self.free[asset]), "locked": atoms_text(self.locked.get(asset, 0))}
            for asset in sorted(self.free)
        ]

    def can_lock(self, asset: str, atoms: int) -> bool:
        return self.free.get(asset, 0) >= atoms

    # -- COMMANDS --

    def lock(self, asset: str, atoms: int) -> None:
        """Sets aside for an open order; a negative number gives back."""
        self.free[asset] = self.free.get(asset, 0) - atoms
        self.locked[asset] = self.locked.get(asset, 0) + atoms

    def settle_trade(self, market: Market, buys: bool, price_ticks: int, lots: int, fee_atoms: int) -> None:
        """Moves base and quote; the fee is paid in the quote currency."""
        value, base = market.value_atoms(price_ticks, lots), market.base_atoms(lots)
        quote_asset, base_asset = market.settings.quote_asset, market.settings.base_asset
        sign = 1 if buys else -1
        self.free[base_asset] = self.free.get(base_asset, 0) + sign * base
        self.free[quote_asset] = self.free.get(quote_asset, 0) - sign * value - fee_atoms
