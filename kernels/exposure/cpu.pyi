from numpy.typing import ArrayLike

VERDICTS: tuple[str, ...]

class ExposureBook:
    """A book and what may still fill. Values in quote atoms, below 0 short.

    losses: of one unit of value held long, shape (instruments, scenarios), scenarios a multiple of 8.
    reference_atoms: values held, (instruments,). level: of the CVaR, below 1. Raises ValueError.
    """

    def __init__(self, losses: ArrayLike, reference_atoms: ArrayLike, level: float) -> None: ...
    def box(self, index: int) -> tuple[float, float]:
        """(least, most) that may be held of an instrument."""

    def bounds(self) -> tuple[float, float]:
        """(lower, upper) bound of the largest CVaR over all fills, whole atoms."""

    def worst(self) -> float:
        """CVaR of the scenario-wise worst fills: an upper bound over the stored scenarios."""

    def place(self, index: int, low_atoms: float, high_atoms: float) -> None:
        """What may be held of an instrument from now on."""

    def judge(
        self, index: int, added_atoms: float, limit_atoms: float, exactly: bool = True, reduces: bool = False
    ) -> tuple[str, float]:
        """(verdict, CVaR that decided): one of VERDICTS for an order that may add so much value (below 0: sold)."""
