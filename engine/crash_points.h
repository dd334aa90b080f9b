/* Crash points of the core's cycle, only in the checked build: the process kills itself, as an outside kill -9 would,
 * when the given input reaches the given step. In the ordinary build they are nothing. */
#ifndef BOT4_CRASH_POINTS_H
#define BOT4_CRASH_POINTS_H
#include <signal.h>
#include <unistd.h>

static long long bot4_crash_input = -1;
static int bot4_crash_step = -1;

#if BOT4_CHECKED
#define BOT4_CRASH_POINT(input, step) \
    do { if ((input) == bot4_crash_input && (step) == bot4_crash_step) kill(getpid(), SIGKILL); } while (0)
#else
#define BOT4_CRASH_POINT(input, step) do { } while (0)
#endif

#endif
