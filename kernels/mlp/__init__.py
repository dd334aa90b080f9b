"""One row through a small multilayer perceptron."""
