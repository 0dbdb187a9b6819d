/* Time.  Wall time for what leaves the machine, monotonic for waiting. */
#ifndef CONFD_CORE_CLOCK_H
#define CONFD_CORE_CLOCK_H

#include <stdint.h>

/* Seconds since 1970 (CLOCK_REALTIME). */
int64_t clock_wall(void);

/* Milliseconds and nanoseconds of CLOCK_MONOTONIC. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);

/* Tests only: clock_wall() answers this from now on; -1 ends that. */
void clock_set_wall_for_tests(int64_t unix_seconds);

#endif
