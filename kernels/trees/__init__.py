"""One row through an ensemble of regression trees."""
