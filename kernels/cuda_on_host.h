// Runs a CUDA kernel's own source on the host, one thread after the other: what is tested is what the GPU compiles.
//
// A test includes this, then the .cu file, then ON_HOST(kernel) for each kernel, and compiles with a C++ compiler with
// -ffp-contract=off, as nvcc has --fmad=false. name_on_host(blocks, threads, arguments) then runs the whole grid;
// arguments is what cuLaunchKernel takes: pointers to the arguments, in order. For kernels whose threads do not meet:
// shared memory and __syncthreads() are not declared, so a kernel that uses them does not compile.
#pragma once

#include <cmath>
#include <cstring>
#include <tuple>
#include <utility>

#define __global__
#define __device__
#define __constant__
#define __forceinline__ inline
#define __launch_bounds__(...)

struct Place {
    unsigned int x, y, z;
};
static thread_local Place threadIdx{0, 0, 0}, blockIdx{0, 0, 0}, blockDim{1, 1, 1}, gridDim{1, 1, 1};

using std::fabs;
using std::fma;
using std::sqrt;

static inline long long __double_as_longlong(double value) {
    long long bits;
    std::memcpy(&bits, &value, sizeof bits);
    return bits;
}

static inline double __longlong_as_double(long long bits) {
    double value;
    std::memcpy(&value, &bits, sizeof value);
    return value;
}

template <class... Arguments, std::size_t... places>
static void run_thread(void (*kernel)(Arguments...), void **arguments, std::index_sequence<places...>) {
    kernel(*static_cast<Arguments *>(arguments[places])...);
}

template <class... Arguments>
static void run_grid(void (*kernel)(Arguments...), unsigned int blocks, unsigned int threads, void **arguments) {
    gridDim.x = blocks;
    blockDim.x = threads;
    for (blockIdx.x = 0; blockIdx.x < blocks; ++blockIdx.x)
        for (threadIdx.x = 0; threadIdx.x < threads; ++threadIdx.x)
            run_thread(kernel, arguments, std::index_sequence_for<Arguments...>{});
}

#define ON_HOST(kernel)                                                                                 \
    extern "C" void kernel##_on_host(unsigned int blocks, unsigned int threads, void **arguments) {      \
        run_grid(kernel, blocks, threads, arguments);                                                   \
    }
