/* Times of many things, kept in few bytes: counted in buckets that are never
 * wider than 1/64 of the time itself. */
#ifndef CONFD_TEST_BENCH_TIMES_H
#define CONFD_TEST_BENCH_TIMES_H

#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TIMES_BUCKETS (64 * 58 + 128)

struct times {
	uint64_t n, max; /* ns */
	uint64_t count[TIMES_BUCKETS];
};

static inline unsigned times_bucket(uint64_t ns)
{
	if (ns < 128)
		return (unsigned)ns;
	unsigned shift = 57 - (unsigned)__builtin_clzll(ns);

	return shift * 64 + (unsigned)(ns >> shift);
}

static inline void times_add(struct times *t, uint64_t ns)
{
	t->n++;
	t->count[times_bucket(ns)]++;
	if (ns > t->max)
		t->max = ns;
}

/* Microseconds that this part of the times is not above. */
static inline double times_at(const struct times *t, double part)
{
	uint64_t want = (uint64_t)((double)t->n * part);
	uint64_t seen = 0;

	for (size_t i = 0; i < TIMES_BUCKETS; i++) {
		seen += t->count[i];
		if (seen <= want)
			continue;
		size_t shift = i < 128 ? 0 : i / 64 - 1;
		uint64_t low = i < 128 ? i : (i - shift * 64) << shift;
		return (double)(low + ((uint64_t)1 << shift) / 2) / 1e3;
	}
	return (double)t->max / 1e3;
}

/* Members of a JSON object. */
static inline void times_print(const struct times *t)
{
	printf("\"p50\":%.1f,\"p90\":%.1f,\"p99\":%.1f,\"max\":%.1f",
	       times_at(t, 0.5), times_at(t, 0.9), times_at(t, 0.99),
	       (double)t->max / 1e3);
}

#endif
