"""Settings of the published regimes."""

from typing import Literal

import msgspec

from models.regimes.detection import CusumSettings
from models.regimes.hidden_markov import MOST_STATES, observations_needed


class RegimeSettings(msgspec.Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    """When and on what a regime model is fitted. Counts are observations (bars) of the series."""

    kind: Literal["hmm", "mixture"] = "hmm"
    states: int = 2
    refit: int = 20  # a new fit after so many observations
    window: int = 1_000  # fitted on the last so many; 0: on all so far
    minimum: int = 250  # nothing is published before so many
    seed: int = 0
    starts: int = 3  # beside the previous fit
    errors: bool = False  # standard errors with every fit
    refit_on_change: bool = False  # also when a CUSUM on the scores says that the model no longer fits
    change_spacing: int = 5  # observations between a fit and the next one that a change asks for, at least
    cusum: CusumSettings = CusumSettings()

    def __post_init__(self) -> None:
        if not 1 <= self.states <= MOST_STATES:
            raise ValueError(f"states is {self.states}: 1 to {MOST_STATES}")
        if self.refit < 1:
            raise ValueError(f"refit is {self.refit}: at least 1 observation")
        needed = observations_needed(self.states)
        if self.window and self.window < needed:
            raise ValueError(f"window is {self.window}: {self.states} states need {needed} observations")
        if self.minimum < needed:
            raise ValueError(f"minimum is {self.minimum}: {self.states} states need {needed} observations")
        if self.window and self.window < self.minimum:
            raise ValueError(f"window is {self.window}: at least minimum ({self.minimum}), or 0 for all so far")
        if self.change_spacing < 1:
            raise ValueError(f"change_spacing is {self.change_spacing}: at least 1 observation")
        if self.starts < 1:
            raise ValueError(f"starts is {self.starts}: at least 1")
