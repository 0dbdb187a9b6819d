/* What the measuring programs share: clocks, loops to repeat a thing in, and
 * sockets.  They answer to nobody but test/bench/run, so they end with a
 * sentence on the first failure. */
#ifndef CONFD_TEST_BENCH_BENCH_H
#define CONFD_TEST_BENCH_BENCH_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include "core/slice.h"

#define BENCH_EPOLL_MAX 256 /* events taken at once */
#define BENCH_STAMP_LEN 20  /* digits of a time in an event, after the mark */

_Noreturn static inline void bench_die(const char *what)
{
	(void)fprintf(stderr, "bench: %s: %s\n", what, strerror(errno));
	exit(1);
}

/* For calls of ours that cannot fail with what they are given here. */
static inline void bench_must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "bench: %s\n", err->text);
	exit(1);
}

static inline uint64_t bench_clock(clockid_t clock)
{
	struct timespec t;

	if (clock_gettime(clock, &t) < 0)
		bench_die("clock");
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline uint64_t bench_now(void) /* ns */
{
	return bench_clock(CLOCK_MONOTONIC);
}

/* ---- repeating ---------------------------------------------------------- */

/* One thing to measure: do it n times. */
struct bench_row {
	const char *name;
	void (*run)(size_t n);
	size_t bytes; /* each time, for MB/s; 0: times a second */
};

#define BENCH_RUN_NS 60000000u /* of CPU time, for one of three tries */

/* Nanoseconds of this thread's CPU that one takes: the best of three tries,
 * since whatever disturbs makes it slower. */
static inline double bench_cost(void (*run)(size_t n))
{
	size_t n = 1;
	double best = 1e18;

	for (unsigned tries = 0; tries < 3;) {
		uint64_t from = bench_clock(CLOCK_THREAD_CPUTIME_ID);
		run(n);
		uint64_t took = bench_clock(CLOCK_THREAD_CPUTIME_ID) - from;
		if (took < BENCH_RUN_NS) {
			n *= took < BENCH_RUN_NS / 10 ? 10 : 2;
			continue;
		}
		tries++;
		if ((double)took / (double)n < best)
			best = (double)took / (double)n;
	}
	return best;
}

/* Measure each row, and print "NAME VALUE UNIT NS" a line. */
static inline void bench_table(const struct bench_row *rows, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		double ns = bench_cost(rows[i].run);
		if (rows[i].bytes > 0)
			printf("%-26s %10.1f MB/s %12.0f ns\n", rows[i].name,
			       (double)rows[i].bytes * 1e3 / ns, ns);
		else
			printf("%-26s %10.0f /s   %12.0f ns\n", rows[i].name,
			       1e9 / ns, ns);
		(void)fflush(stdout);
	}
}

/* ---- sockets ------------------------------------------------------------ */

/* "HOST:PORT" with a number as host. */
static inline struct sockaddr_in bench_address(const char *text)
{
	struct sockaddr_in at = { .sin_family = AF_INET };
	const char *colon = strrchr(text, ':');
	char host[64] = "";

	if (colon != NULL && (size_t)(colon - text) < sizeof(host))
		memcpy(host, text, (size_t)(colon - text));
	uint64_t port;
	if (colon == NULL || inet_pton(AF_INET, host, &at.sin_addr) != 1 ||
	    !slice_u64(slice_str(colon + 1), &port) || port > 65535) {
		errno = EINVAL;
		bench_die(text);
	}
	at.sin_port = htons((uint16_t)port);
	return at;
}

static inline int bench_socket(void)
{
	int one = 1;
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd < 0)
		bench_die("socket");
	/* TCP_NODELAY: a chunk leaves when it is written. */
	if (setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) < 0)
		bench_die("TCP_NODELAY");
	return fd;
}

static inline void bench_watch(int epoll, int how, int fd, uint32_t what,
			       void *who)
{
	struct epoll_event ev = { .events = what, .data = { .ptr = who } };

	if (epoll_ctl(epoll, how, fd, &ev) < 0)
		bench_die("epoll_ctl");
}

#endif
