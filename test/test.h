/* Unit tests.  A test is one function that registers itself:
 *
 *	TEST(refuses_every_other_length)
 *	{
 *		CHECK(parse(raw, 3) == E_PARSE);
 *	}
 *
 * The runner's options are in test.c. */
#ifndef CONFD_TEST_TEST_H
#define CONFD_TEST_TEST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct test {
	const char *file; /* test/core/test_x.c */
	const char *name;
	void (*run)(void);
	struct test *next;
};

void test_register(struct test *t);

/* clang-format off */
#define TEST(name_)                                                     \
	static void test_run_##name_(void);                             \
	__attribute__((constructor)) static void test_add_##name_(void) \
	{                                                               \
		static struct test test_entry_ = { __FILE__, #name_,    \
						   test_run_##name_, NULL }; \
		test_register(&test_entry_);                            \
	}                                                               \
	static void test_run_##name_(void)

/* These three leave the test at the first failure: only in a TEST itself. */
#define CHECK(expr)                                              \
	do {                                                     \
		if (!test_true(__FILE__, __LINE__, #expr, (expr))) \
			return;                                  \
	} while (0)
#define CHECK_EQ_U64(a, b)                                          \
	do {                                                        \
		if (!test_u64_eq(__FILE__, __LINE__, #a " == " #b,  \
				 (uint64_t)(a), (uint64_t)(b)))     \
			return;                                     \
	} while (0)
#define CHECK_STR_EQ(a, b)                                          \
	do {                                                        \
		if (!test_str_eq(__FILE__, __LINE__, #a " == " #b,  \
				 (a), (b)))                         \
			return;                                     \
	} while (0)

/* Marks the test failed and goes on: for helpers; yields whether it held. */
#define EXPECT(expr) test_true(__FILE__, __LINE__, #expr, (expr))

/* Leave the test, counted as skipped unless it failed before. */
#define SKIP(reason)               \
	do {                       \
		test_skip(reason); \
		return;            \
	} while (0)
/* clang-format on */

/* Behind the macros: record and print a failure; yield whether it held. */
bool test_true(const char *file, int line, const char *expr, bool held);
bool test_u64_eq(const char *file, int line, const char *expr, uint64_t a,
		 uint64_t b);
bool test_str_eq(const char *file, int line, const char *expr, const char *a,
		 const char *b);
void test_skip(const char *reason);

/* An empty directory of this test alone, made at the first call and removed,
 * with all below, after the test. */
const char *test_dir(void);

/* Run fn(arg) in a child with its stderr closed; the signal that ended the
 * child, or 0 when it returned, or -1 when it exited by itself. */
int test_signal_of(void (*fn)(void *arg), void *arg);

/* n, or 1 where CONFD_TEST_ALL is set: every how manieth of many changes to
 * something is tried, each with more work than a plain run has time for. */
size_t test_stride(size_t n);

/* Whether a sanitizer is linked in; ASan makes mlock(2) do nothing. */
bool test_is_sanitized(void);

/* Whether lines are counted: such a build is not confined, since it writes its
 * counts to files. */
bool test_is_counted(void);

#endif
