"""Model files: what a model is, that it is the one it says it is, and its arrays for `kernels/`."""
