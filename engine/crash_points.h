/* Crash points of the core's cycle, only in the checked build: the process kills itself, as an outside kill -9 would, when
 * an input with this number or a later one, which said at least so many orders, reaches the given step. In the ordinary
 * build they are nothing. */
#ifndef BOT4_CRASH_POINTS_H
#define BOT4_CRASH_POINTS_H
#include <signal.h>
#include <unistd.h>

static long long bot4_crash_input = -1; /* -1: never */
static int bot4_crash_step = -1;
static int bot4_crash_orders = 0;

#if BOT4_CHECKED
#define BOT4_CRASH_POINTS 1
#define BOT4_CRASH_POINT(input, step, orders) \
    do { \
        if (bot4_crash_input >= 0 && (input) >= bot4_crash_input && (step) == bot4_crash_step \
            && (orders) >= bot4_crash_orders) \
            kill(getpid(), SIGKILL); \
    } while (0)
#else
#define BOT4_CRASH_POINTS 0
#define BOT4_CRASH_POINT(input, step, orders) do { } while (0)
#endif

#endif
