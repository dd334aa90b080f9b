"""Learning a forecast of the mid price from recorded feature rows, and scoring it honestly."""
