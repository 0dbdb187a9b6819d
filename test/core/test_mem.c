#include "core/mem.h"

#include <malloc.h>
#include <signal.h>
#include <stdint.h>
#include <string.h>

#include "core/cleanup.h"
#include "core/slice.h"
#include "test/test.h"

TEST(new_memory_is_zero)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 100, 4096, 1 << 20 };

	/* Twice, so that the second round gets used blocks. */
	for (size_t round = 0; round < 2; round++)
		for (size_t i = 0; i < countof(sizes); i++) {
			auto_mem uint8_t *p = mem_alloc(sizes[i]);

			CHECK(p != NULL);
			CHECK(all_zero(p, sizes[i]));
			memset(p, 0xa5, sizes[i]);
		}
}

TEST(nothing_gives_unique_pointers)
{
	auto_mem void *a = mem_alloc(0);
	auto_mem void *b = mem_calloc(0, 8);
	auto_mem void *c = mem_calloc(8, 0);

	CHECK(a != NULL && b != NULL && c != NULL);
	CHECK(a != b && b != c && a != c);
}

TEST(sizes_that_cannot_be_are_refused)
{
	CHECK(mem_alloc(SIZE_MAX) == NULL);
	CHECK(mem_alloc(SIZE_MAX / 2) == NULL);
	CHECK(mem_alloc((size_t)1 << 37) == NULL);
	CHECK(mem_calloc(SIZE_MAX, 2) == NULL);
	CHECK(mem_calloc(SIZE_MAX / 2 + 1, 2) == NULL); /* would wrap to 0 */
	CHECK(mem_calloc((size_t)1 << 32, (size_t)1 << 32) == NULL);
	CHECK(mem_strdup("", SIZE_MAX) == NULL);
}

TEST(calloc_multiplies)
{
	auto_mem uint8_t *p = mem_calloc(7, 9);

	CHECK(p != NULL && malloc_usable_size(p) >= 63);
	CHECK(all_zero(p, 63));
}

TEST(realloc_keeps_what_was_there)
{
	uint8_t *p = mem_realloc(NULL, 3);

	CHECK(p != NULL);
	for (size_t i = 0; i < 3; i++)
		p[i] = (uint8_t)(i + 1);
	for (size_t n = 4; n < 70000; n = n * 3 / 2 + 1) {
		p = mem_realloc(p, n);
		CHECK(p != NULL);
		CHECK(p[0] == 1 && p[1] == 2 && p[2] == 3);
	}
	mem_free(p);
}

TEST(realloc_that_fails_leaves_the_block)
{
	auto_mem uint8_t *p = mem_alloc(16);

	memset(p, 7, 16);
	CHECK(mem_realloc(p, SIZE_MAX) == NULL);
	for (size_t i = 0; i < 16; i++)
		CHECK(p[i] == 7);
}

TEST(shrinking_stays_and_wipes_the_rest)
{
	uint8_t *p = mem_alloc(1000);

	memset(p, 0x5a, 1000);
	uint8_t *q = mem_realloc(p, 10);
	CHECK(q == p);
	for (size_t i = 0; i < 10; i++)
		CHECK(q[i] == 0x5a);
	CHECK(all_zero(q + 10, malloc_usable_size(q) - 10));
	CHECK(mem_realloc(q, 0) == q);
	CHECK(all_zero(q, 10));
	mem_free(q);
}

TEST(growing_within_the_block_does_not_move)
{
	uint8_t *p = mem_alloc(1);

	CHECK(mem_realloc(p, malloc_usable_size(p)) == p);
	mem_free(p);
}

TEST(strdup_copies_bytes_and_ends_them)
{
	auto_mem char *a = mem_strdup("abc\0def", 7);
	auto_mem char *b = mem_strdup(NULL, 0);

	CHECK(a != NULL && memcmp(a, "abc\0def", 8) == 0);
	CHECK_STR_EQ(b, "");
}

TEST(free_ignores_null)
{
	mem_free(NULL);
	CHECK(true);
}

static void must_too_much(void *arg)
{
	(void)mem_must(*(size_t *)arg);
}

TEST(must_aborts_when_there_is_none)
{
	size_t too_much = SIZE_MAX, enough = 8;

	CHECK(test_signal_of(must_too_much, &too_much) == SIGABRT);
	auto_mem uint8_t *p = mem_must(enough);
	CHECK(all_zero(p, 8));
}
