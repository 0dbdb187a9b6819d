#include "core/clock.h"

#include <stdlib.h>
#include <time.h>

static int64_t pretended = -1;

static struct timespec read_clock(clockid_t id)
{
	struct timespec ts;

	if (clock_gettime(id, &ts) < 0)
		abort(); /* these two clocks exist on every Linux */
	return ts;
}

int64_t clock_wall(void)
{
	return pretended >= 0 ? pretended : read_clock(CLOCK_REALTIME).tv_sec;
}

int64_t clock_mono_ms(void)
{
	return clock_mono_ns() / 1000000;
}

int64_t clock_mono_ns(void)
{
	struct timespec ts = read_clock(CLOCK_MONOTONIC);

	return ts.tv_sec * 1000000000 + ts.tv_nsec;
}

void clock_set_wall_for_tests(int64_t unix_seconds)
{
	pretended = unix_seconds;
}
