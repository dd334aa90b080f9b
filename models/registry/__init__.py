"""Model files: what a model is, that it is the one it says it is, and its arrays as the evaluators of `kernels/` want them."""
