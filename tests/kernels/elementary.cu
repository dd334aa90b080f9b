// A kernel for the test of elementary.cuh: every function of every x into a row of `found` (7, count).
#include "../../kernels/elementary.cuh"

extern "C" __global__ void tabulate(int count, const double *x, double *found) {
    const int i = blockIdx.x * blockDim.x + threadIdx.x;
    if (i >= count) return;
    const Angle angle = angle_of(x[i]);
    const LogGamma gamma = log_gamma(x[i] > 0.0 ? x[i] : 1.0);
    const double values[7] = {
        exp_of(x[i]), log_of(x[i]), angle.sine, angle.cosine, arcsine(x[i]), gamma.value, gamma.slope,
    };
    for (int row = 0; row < 7; ++row) found[row * count + i] = values[row];
}
