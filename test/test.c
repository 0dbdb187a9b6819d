/* The runner: test [-l] [-v] [-p PART/OF] [filter...]
 *
 *	-l	list the tests
 *	-v	a line for each test that passed, too
 *	-p	of "OF" parts (up to 9) this one, from 1: to run them at once
 *	filter	run only tests whose "file:name" contains one of these
 *
 * Exit status 1 when any failed. */
#include "test/test.h"

#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/status.h"

#define TEST_SECONDS 90 /* before a test counts as hung */

/* Defined by core/crypto.c, when a test needs it. */
enum status crypto_setup(struct err *err) __attribute__((weak));

/* Of the sanitizers' library, and of gcov's. */
void __asan_init(void) __attribute__((weak));
void __gcov_init(void *info) __attribute__((weak));

static struct test *first_test;
static struct test **last_link = &first_test;

static struct {
	struct test *test; /* the one that runs */
	bool failed;
	const char *skipped; /* the reason */
	char dir[PATH_MAX];  /* empty: not made */
	char label[256];     /* for the signal handler */
	size_t label_len;
} now;

void test_register(struct test *t)
{
	*last_link = t;
	last_link = &t->next;
}

static void fail_begin(const char *file, int line)
{
	now.failed = true;
	printf("%s:%d: ", file, line);
}

bool test_true(const char *file, int line, const char *expr, bool held)
{
	if (held)
		return true;
	fail_begin(file, line);
	printf("%s\n", expr);
	return false;
}

bool test_u64_eq(const char *file, int line, const char *expr, uint64_t a,
		 uint64_t b)
{
	if (a == b)
		return true;
	fail_begin(file, line);
	printf("%s (%llu, %llu)\n", expr, (unsigned long long)a,
	       (unsigned long long)b);
	return false;
}

bool test_str_eq(const char *file, int line, const char *expr, const char *a,
		 const char *b)
{
	if (a == b || (a != NULL && b != NULL && strcmp(a, b) == 0))
		return true;
	fail_begin(file, line);
	printf("%s\n\t%s\n\t%s\n", expr, a == NULL ? "NULL" : a,
	       b == NULL ? "NULL" : b);
	return false;
}

void test_skip(const char *reason)
{
	now.skipped = reason;
}

const char *test_dir(void)
{
	const char *tmp = getenv("TMPDIR");

	if (now.dir[0] != '\0')
		return now.dir;
	(void)snprintf(now.dir, sizeof(now.dir), "%s/confd-test-XXXXXX",
		       tmp == NULL ? "/tmp" : tmp);
	if (mkdtemp(now.dir) == NULL) {
		perror(now.dir);
		exit(1);
	}
	return now.dir;
}

size_t test_stride(size_t n)
{
	return getenv("CONFD_TEST_ALL") != NULL ? 1 : n;
}

bool test_is_sanitized(void)
{
	return __asan_init != NULL;
}

bool test_is_counted(void)
{
	return __gcov_init != NULL;
}

static int remove_one(const char *path, const struct stat *st, int kind,
		      struct FTW *where)
{
	(void)st;
	(void)kind;
	(void)where;
	return remove(path);
}

static void remove_dir(void)
{
	if (now.dir[0] != '\0')
		(void)nftw(now.dir, remove_one, 16, FTW_DEPTH | FTW_PHYS);
	now.dir[0] = '\0';
}

int test_signal_of(void (*fn)(void *arg), void *arg)
{
	static const int ours[] = { SIGALRM, SIGSEGV, SIGBUS, SIGABRT };
	int status = 0;

	pid_t child = fork();
	if (child < 0) {
		perror("fork");
		exit(1);
	}
	if (child == 0) {
		for (size_t i = 0; i < sizeof(ours) / sizeof(ours[0]); i++)
			(void)signal(ours[i], SIG_DFL);
		(void)alarm(TEST_SECONDS);
		(void)close(STDERR_FILENO);
		fn(arg);
		_exit(0);
	}
	while (waitpid(child, &status, 0) < 0)
		;
	if (WIFSIGNALED(status))
		return WTERMSIG(status);
	return WEXITSTATUS(status) == 0 ? 0 : -1;
}

/* Say which test hung or crashed, with async-signal-safe calls only. */
static void report_signal(int sig)
{
	const char *what = sig == SIGALRM ? "HUNG " : "CRASHED ";
	ssize_t n = write(STDOUT_FILENO, what, strlen(what));

	n = write(STDOUT_FILENO, now.label, now.label_len);
	(void)n; /* nothing left to do about it */
	if (sig == SIGALRM)
		_exit(1);
	(void)signal(sig, SIG_DFL);
	(void)raise(sig);
}

/* Crashes are reported only where no sanitizer does it better. */
static void catch_signals(void)
{
	static const int crashes[] = { SIGSEGV, SIGBUS, SIGABRT, SIGILL,
				       SIGFPE };
	struct sigaction act = { .sa_handler = report_signal }, old;

	(void)sigaction(SIGALRM, &act, NULL);
	for (size_t i = 0; i < sizeof(crashes) / sizeof(crashes[0]); i++) {
		(void)sigaction(crashes[i], NULL, &old);
		if (old.sa_handler == SIG_DFL)
			(void)sigaction(crashes[i], &act, NULL);
	}
}

static void run_one(struct test *t)
{
	now.test = t;
	now.failed = false;
	now.skipped = NULL;
	int n = snprintf(now.label, sizeof(now.label), "%s:%s\n", t->file,
			 t->name);
	now.label_len = (size_t)n < sizeof(now.label) ? (size_t)n
						      : sizeof(now.label) - 1;
	(void)alarm(TEST_SECONDS);
	t->run();
	(void)alarm(0);
	remove_dir();
}

static unsigned part, of = 1;

static bool wanted(const struct test *t, char *const *filters)
{
	static unsigned turn;
	char label[256];

	if (turn++ % of != part)
		return false;
	if (filters[0] == NULL)
		return true;
	(void)snprintf(label, sizeof(label), "%s:%s", t->file, t->name);
	for (; *filters != NULL; filters++)
		if (strstr(label, *filters) != NULL)
			return true;
	return false;
}

static int run_all(char *const *filters, bool verbose)
{
	unsigned passed = 0, failed = 0, skipped = 0;

	for (struct test *t = first_test; t != NULL; t = t->next) {
		if (!wanted(t, filters))
			continue;
		run_one(t);
		failed += now.failed;
		skipped += !now.failed && now.skipped != NULL;
		passed += !now.failed && now.skipped == NULL;
		if (now.failed)
			printf("FAIL %s:%s\n", t->file, t->name);
		else if (now.skipped != NULL)
			printf("skip %s:%s: %s\n", t->file, t->name,
			       now.skipped);
		else if (verbose)
			printf("ok   %s:%s\n", t->file, t->name);
	}
	printf("%u passed, %u failed", passed, failed);
	if (skipped > 0)
		printf(", %u skipped", skipped);
	printf("\n");
	return failed > 0;
}

static int list_all(char *const *filters)
{
	for (const struct test *t = first_test; t != NULL; t = t->next)
		if (wanted(t, filters))
			printf("%s:%s\n", t->file, t->name);
	return 0;
}

static bool read_part(const char *arg)
{
	if (strlen(arg) != 3 || arg[0] < '1' || arg[1] != '/' ||
	    arg[2] < arg[0] || arg[2] > '9')
		return false;
	part = (unsigned)(arg[0] - '1');
	of = (unsigned)(arg[2] - '0');
	return true;
}

int main(int argc, char **argv)
{
	struct err err;
	bool list = false, verbose = false;
	int opt;

	while ((opt = getopt(argc, argv, "lvp:")) != -1) {
		list |= opt == 'l';
		verbose |= opt == 'v';
		if (opt == '?' || (opt == 'p' && !read_part(optarg)))
			return 64;
	}
	if (list)
		return list_all(argv + optind);

	/* Whole lines, so that a child of a test repeats none of them. */
	(void)setvbuf(stdout, NULL, _IOLBF, 0);
	if (crypto_setup != NULL && crypto_setup(&err) != OK) {
		printf("crypto_setup: %s\n", err.text);
		return 1;
	}
	catch_signals();
	return run_all(argv + optind, verbose);
}
