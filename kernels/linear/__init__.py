"""One row through a linear or logistic model."""
