#include "core/secret.h"

#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "test/test.h"

TEST(a_new_secret_is_zero_and_of_its_length)
{
	static const size_t sizes[] = { 1, 16, 32, 4095, 4096, 4097, 1 << 20 };
	struct err err;

	for (size_t i = 0; i < countof(sizes); i++) {
		auto_secret struct secret *s = NULL;

		CHECK(secret_new(sizes[i], &s, &err) == OK);
		CHECK_EQ_U64(secret_slice(s).len, sizes[i]);
		CHECK(secret_slice(s).p == secret_bytes(s));
		CHECK(all_zero(secret_bytes(s), sizes[i]));
		memset(secret_bytes(s), 0xff, sizes[i]); /* all is writable */
	}
}

TEST(sizes_out_of_range_are_refused)
{
	static const size_t sizes[] = { 0, ((size_t)1 << 20) + 1, SIZE_MAX,
					SIZE_MAX - 4096 };
	struct secret *s = NULL;
	struct err err;

	for (size_t i = 0; i < countof(sizes); i++)
		CHECK(secret_new(sizes[i], &s, &err) == E_NOMEM);
	CHECK(secret_copy(S(""), &s, &err) == E_NOMEM);
	CHECK(secret_random(0, &s, &err) == E_NOMEM);
	CHECK(s == NULL);
}

TEST(a_copy_holds_the_same)
{
	auto_secret struct secret *s = NULL;
	struct err err;

	CHECK(secret_copy(S("hunter2"), &s, &err) == OK);
	CHECK(slice_eq_str(secret_slice(s), "hunter2"));
}

TEST(random_secrets_differ)
{
	auto_secret struct secret *a = NULL, *b = NULL, *big = NULL;
	struct err err;

	CHECK(secret_random(32, &a, &err) == OK);
	CHECK(secret_random(32, &b, &err) == OK);
	CHECK(!slice_eq(secret_slice(a), secret_slice(b)));
	/* More than one call of getrandom gives at once. */
	CHECK(secret_random(100000, &big, &err) == OK);
	CHECK(!all_zero(secret_bytes(big) + 100000 - 32, 32));
}

static void touch(void *arg)
{
	*(volatile uint8_t *)arg = 1;
}

TEST(one_byte_too_many_faults)
{
	static const size_t sizes[] = { 1, 7, 32, 4096 };
	struct err err;

	for (size_t i = 0; i < countof(sizes); i++) {
		auto_secret struct secret *s = NULL;

		CHECK(secret_new(sizes[i], &s, &err) == OK);
		uint8_t *p = secret_bytes(s);
		CHECK(test_signal_of(touch, p + sizes[i]) == SIGSEGV);
		CHECK(test_signal_of(touch, p + sizes[i] - 1) == 0);
	}
}

TEST(a_page_before_faults)
{
	auto_secret struct secret *s = NULL;
	struct err err;

	CHECK(secret_new((size_t)getpagesize(), &s, &err) == OK);
	CHECK(test_signal_of(touch, secret_bytes(s) - 1) == SIGSEGV);
}

static void still_readable(void *arg)
{
	volatile uint8_t byte = *(volatile uint8_t *)arg;

	(void)byte;
}

TEST(a_freed_secret_is_gone)
{
	struct secret *s = NULL;
	struct err err;

	CHECK(secret_copy(S("x"), &s, &err) == OK);
	uint8_t *p = secret_bytes(s);
	CHECK(test_signal_of(still_readable, p) == 0);
	secret_free(s);
	CHECK(test_signal_of(still_readable, p) == SIGSEGV);
	secret_free(NULL);
}

static void abort_unless_zero(void *arg)
{
	struct slice s = secret_slice(arg);

	/* Wiped, or on kernels without that, not there at all. */
	if (!all_zero(s.p, s.len))
		(void)raise(SIGABRT);
}

TEST(children_do_not_inherit_the_bytes)
{
	auto_secret struct secret *s = NULL;
	struct err err;

	CHECK(secret_copy(S("a secret of some length"), &s, &err) == OK);
	CHECK(test_signal_of(abort_unless_zero, s) != SIGABRT);
	CHECK(slice_eq_str(secret_slice(s), "a secret of some length"));
}

/* Whether the mapping of p has this flag in /proc/self/smaps. */
static bool has_flag(const void *p, const char *flag)
{
	auto_file FILE *f = fopen("/proc/self/smaps", "re");
	char line[512];
	bool here = false;
	unsigned long from, to;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2)
			here = (uintptr_t)p >= from && (uintptr_t)p < to;
		if (here && strncmp(line, "VmFlags:", 8) == 0)
			return strstr(line, flag) != NULL;
	}
	return false;
}

TEST(pages_are_locked_and_left_out_of_dumps)
{
	auto_secret struct secret *s = NULL;
	struct err err;

	if (test_is_sanitized())
		SKIP("ASan makes mlock do nothing");
	if (!has_flag(&err, " rd"))
		SKIP("no VmFlags in /proc/self/smaps");
	CHECK(secret_new(32, &s, &err) == OK);
	CHECK(has_flag(secret_bytes(s), " lo"));
	CHECK(has_flag(secret_bytes(s), " dd"));
}

/* 0 when a secret is refused without memory to lock, as it should be. */
static void exhaust_locked_memory(void *arg)
{
	struct rlimit none = { 0, 0 };
	struct secret *s = NULL;
	struct err err;

	(void)arg;
	if (setrlimit(RLIMIT_MEMLOCK, &none) < 0 || setgid(65534) < 0 ||
	    setuid(65534) < 0)
		_exit(2);
	if (secret_new(32, &s, &err) != E_NOMEM || s != NULL ||
	    strstr(err.text, "RLIMIT_MEMLOCK") == NULL)
		(void)raise(SIGABRT);
}

TEST(memory_that_cannot_be_locked_is_no_secret)
{
	if (test_is_sanitized())
		SKIP("ASan makes mlock do nothing");
	int sig = test_signal_of(exhaust_locked_memory, NULL);
	if (sig < 0)
		SKIP("cannot change the user: root locks without limit");
	CHECK(sig == 0);
}

static void harden(void *arg)
{
	struct rlimit core = { 9, 9 }, lock;
	struct err err;

	(void)arg;
	if (secret_harden_process(&err) != OK || prctl(PR_GET_DUMPABLE) != 0 ||
	    getrlimit(RLIMIT_CORE, &core) < 0 || core.rlim_cur > 1 ||
	    core.rlim_max > 1 || getrlimit(RLIMIT_MEMLOCK, &lock) < 0 ||
	    lock.rlim_cur != lock.rlim_max)
		(void)raise(SIGABRT);
	if (secret_harden_process(&err) != OK) /* again is allowed */
		(void)raise(SIGABRT);
}

TEST(a_hardened_process_leaves_no_dumps)
{
	CHECK(test_signal_of(harden, NULL) == 0);
	CHECK(prctl(PR_GET_DUMPABLE) != 0); /* it was a child */
}
