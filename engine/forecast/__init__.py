"""Forecasts: a model evaluated on the feature row, in the core or by the inference process."""
