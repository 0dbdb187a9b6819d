#include "core/clock.h"

#include <time.h>

#include "test/test.h"

TEST(wall_time_is_that_of_the_system)
{
	int64_t before = time(NULL), got = clock_wall(), after = time(NULL);

	/* time() may lag by a tick of the kernel's coarse clock. */
	CHECK(got >= before && got <= after + 1);
}

TEST(wall_time_can_be_pretended)
{
	clock_set_wall_for_tests(1234567890);
	CHECK(clock_wall() == 1234567890);
	CHECK(clock_wall() == 1234567890);
	clock_set_wall_for_tests(0);
	CHECK(clock_wall() == 0);
	clock_set_wall_for_tests(-1);
	CHECK(clock_wall() > 1600000000);
}

TEST(monotonic_time_passes_and_its_units_agree)
{
	struct timespec pause = { .tv_nsec = 3000000 };
	int64_t ns = clock_mono_ns(), ms = clock_mono_ms();

	CHECK(ms >= ns / 1000000 && ms <= ns / 1000000 + 1000);
	(void)nanosleep(&pause, NULL);
	CHECK(clock_mono_ns() - ns >= 3000000);
	CHECK(clock_mono_ms() - ms >= 2);
}

TEST(monotonic_time_ignores_the_pretended_wall_time)
{
	int64_t before = clock_mono_ms();

	clock_set_wall_for_tests(5);
	int64_t after = clock_mono_ms();
	clock_set_wall_for_tests(-1);
	CHECK(after >= before && after - before < 5000);
}
