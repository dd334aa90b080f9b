/* Turns callgrind's counting on and off from Python, through ctypes: `benchmarks/instructions.py`. */
#include <valgrind/callgrind.h>

void counting_start(void) {
    CALLGRIND_START_INSTRUMENTATION;
    CALLGRIND_ZERO_STATS;
}

void counting_stop(void) {
    CALLGRIND_DUMP_STATS;
    CALLGRIND_STOP_INSTRUMENTATION;
}
