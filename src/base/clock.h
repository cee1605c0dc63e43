/* Time that only goes forward, for durations and deadlines: seconds since some moment before
 * the process began. */
#ifndef MN_BASE_CLOCK_H
#define MN_BASE_CLOCK_H

#include <time.h>

static inline double mn_clock_s(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

#endif
