"""Likelihoods of returns with Poisson jumps, and realised measures of a day."""
