"""A small perceptron trained by Adam (Kingma and Ba 2015) in numpy, its scaling folded into the first layer."""

from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

Layers = list[NDArray[np.float64]]

WIDTHS = (64, 64)
LEARNING_RATE = 1e-3
DECAY = 1e-4  # decoupled weight decay (Loshchilov and Hutter 2019)
BATCH_ROWS = 512
MAXIMUM_EPOCHS = 30
PATIENCE = 4
VALIDATION_SHARE = 0.2
SEED = 1


def _forward(x: NDArray[np.float64], weights: Layers, biases: Layers) -> Layers:
    """Every layer's output, the input first."""
    outputs = [x]
    for number, (w, b) in enumerate(zip(weights, biases, strict=True)):
        total = outputs[-1] @ w + b
        outputs.append(np.maximum(total, 0.0) if number < len(weights) - 1 else total)
    return outputs


def _gradients(x: NDArray[np.float64], y: NDArray[np.float64], weights: Layers, biases: Layers) -> Layers:
    """Of the mean squared error, weights first, then biases."""
    outputs = _forward(x, weights, biases)
    error = 2.0 * (outputs[-1] - y) / len(x)
    by_weight: Layers = []
    by_bias: Layers = []
    for number in range(len(weights) - 1, -1, -1):
        by_weight.insert(0, outputs[number].T @ error)
        by_bias.insert(0, error.sum(axis=0))
        error = (error @ weights[number].T) * (outputs[number] > 0.0)
    return by_weight + by_bias


def _adam_step(parameters: Layers, gradients: Layers, first: Layers, second: Layers, step: int) -> None:
    for k, g in enumerate(gradients):
        first[k] += 0.1 * (g - first[k])
        second[k] += 0.001 * (g * g - second[k])
        corrected = (first[k] / (1.0 - 0.9**step)) / (np.sqrt(second[k] / (1.0 - 0.999**step)) + 1e-8)
        parameters[k] -= LEARNING_RATE * (corrected + (DECAY * parameters[k] if parameters[k].ndim == 2 else 0.0))


def _train(x: NDArray[np.float64], y: NDArray[np.float64], cut: int) -> tuple[Layers, int]:
    """The parameters that were best on the rows from `cut` on, and after how many epochs."""
    rng = np.random.default_rng(SEED)
    sizes = (x.shape[1], *WIDTHS, y.shape[1])
    shapes = list(pairwise(sizes))
    parameters: Layers = [rng.normal(size=shape) * np.sqrt(2.0 / shape[0]) for shape in shapes]
    parameters[-1] = parameters[-1] * 0.1
    parameters += [np.zeros(size) for size in sizes[1:]]
    layers = len(shapes)
    first, second = [np.zeros_like(p) for p in parameters], [np.zeros_like(p) for p in parameters]
    best, best_parameters, best_epoch, step = np.inf, [p.copy() for p in parameters], 0, 0
    for epoch in range(1, MAXIMUM_EPOCHS + 1):
        order = rng.permutation(cut)
        for start in range(0, cut, BATCH_ROWS):
            rows = order[start : start + BATCH_ROWS]
            step += 1
            gradients = _gradients(x[rows], y[rows], parameters[:layers], parameters[layers:])
            _adam_step(parameters, gradients, first, second, step)
        error = float(((_forward(x[cut:], parameters[:layers], parameters[layers:])[-1] - y[cut:]) ** 2).mean())
        if error < best:
            best, best_parameters, best_epoch = error, [p.copy() for p in parameters], epoch
        elif epoch - best_epoch >= PATIENCE:
            break
    return best_parameters, best_epoch


def fit_perceptron(
    values_nf: NDArray[np.float64], returns_nh: NDArray[np.float64]
) -> tuple[list[NDArray[np.float32]], list[NDArray[np.float32]], int]:
    """Weights (in, out) and biases of each layer, and the epochs: stopped by the last fifth of the training rows.

    values_nf: (row, feature), finite, in the order of time. returns_nh: (row, horizon).
    """
    mean_f, scale_f = values_nf.mean(axis=0), values_nf.std(axis=0)
    scale_f = np.where(scale_f > 1e-12 * (1.0 + np.abs(mean_f)), scale_f, np.inf)
    scale_h = np.maximum(returns_nh.std(axis=0), 1e-12)
    cut = int(len(values_nf) * (1.0 - VALIDATION_SHARE))
    parameters, epochs = _train((values_nf - mean_f) / scale_f, returns_nh / scale_h, cut)
    layers = len(parameters) // 2
    weights, biases = parameters[:layers], parameters[layers:]
    weights[0] = weights[0] / scale_f[:, None]
    biases[0] = biases[0] - mean_f @ weights[0]
    weights[-1], biases[-1] = weights[-1] * scale_h, biases[-1] * scale_h
    return [w.astype(np.float32) for w in weights], [b.astype(np.float32) for b in biases], epochs
