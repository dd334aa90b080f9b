"""exp and log of `elementary.pxd` for Python, element by element; what they are is told in elementary_reference.py."""

cimport kernels.elementary as elementary

import numpy as np


def exp(x):
    """e**x of each element within 1 ulp: float64 of the shape of x."""
    flat = np.array(x, dtype=np.float64, order="C").reshape(-1)
    cdef double[::1] values = flat
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        values[i] = elementary.exp(values[i])
    return flat.reshape(np.shape(x))


def log(x):
    """Natural logarithm of each element within 1 ulp: float64 of the shape of x; NaN below 0."""
    flat = np.array(x, dtype=np.float64, order="C").reshape(-1)
    cdef double[::1] values = flat
    cdef Py_ssize_t i
    for i in range(values.shape[0]):
        values[i] = elementary.log(values[i])
    return flat.reshape(np.shape(x))
