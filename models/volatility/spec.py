"""What is fitted: the process of the variance, the density of the errors, the mean, the start of the recursion."""

from typing import Literal, get_args

import msgspec

from models.faults import Fault

Process = Literal["garch", "gjr", "egarch", "aparch"]
Errors = Literal["normal", "t", "skewt"]
Mean = Literal["zero", "constant", "var1", "regressors"]
StartVariance = Literal["benchmark", "backcast", "unconditional", "ols"]

PROCESSES: tuple[str, ...] = get_args(Process)
ERRORS: tuple[str, ...] = get_args(Errors)
MEANS: tuple[str, ...] = get_args(Mean)
START_VARIANCES: tuple[str, ...] = get_args(StartVariance)
PROCESS_NAMES = {
    "garch": ("omega", "alpha", "beta"),
    "gjr": ("omega", "alpha", "gamma", "beta"),
    "egarch": ("omega", "alpha", "gamma", "beta"),
    "aparch": ("omega", "alpha", "gamma", "beta", "delta"),
}
SHAPE_NAMES = {"normal": (), "t": ("nu",), "skewt": ("nu", "lambda")}


class Spec(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """One model of one series. Raises Fault when a word is not one of those above.

    process: garch (Bollerslev 1986), gjr (Glosten-Jagannathan-Runkle 1993), egarch (Nelson 1991), aparch (Ding-Granger-
    Engle 1993), all of order (1, 1). errors: densities of unit variance; skewt is that of Hansen (1994).
    mean: `regressors` takes a matrix and adds no constant; `var1` without a matrix is the series' own lag, no constant.
    start_variance, the variance and squared residual before the first return: `benchmark`, the mean square of the
    residuals at the current mean (Fiorentini, Calzolari and Panattoni 1996; EGARCH as TSP); `backcast`, arch's weighted
    mean of the first 75 squares; `unconditional`, the level at which the recursion rests; `ols`, the mean square around
    the least-squares mean, held fixed.
    """

    process: Process = "garch"
    errors: Errors = "normal"
    mean: Mean = "constant"
    start_variance: StartVariance = "backcast"

    def __post_init__(self) -> None:
        for field, words in (
            ("process", PROCESSES),
            ("errors", ERRORS),
            ("mean", MEANS),
            ("start_variance", START_VARIANCES),
        ):
            if getattr(self, field) not in words:
                raise Fault(f"{field} must be one of {', '.join(words)}, not {getattr(self, field)!r}")

    def names(self, regressors: tuple[str, ...] = ()) -> tuple[str, ...]:
        """Parameter names in the order of the kernels; `regressors` names the coefficients of the mean."""
        mean = ("mu",) if self.mean == "constant" else regressors
        return (*mean, *PROCESS_NAMES[self.process], *SHAPE_NAMES[self.errors])

    def codes(self, mean_parameters: int) -> tuple[int, int, int, int, int]:
        """Numbers the kernels know: mean coefficients, mean, process, errors, start variance."""
        mean = 2 if self.mean in ("var1", "regressors") else MEANS.index(self.mean)
        return (
            mean_parameters,
            mean,
            PROCESSES.index(self.process),
            ERRORS.index(self.errors),
            START_VARIANCES.index(self.start_variance),
        )
