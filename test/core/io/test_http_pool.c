#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/io/http_client.h"
#include "test/core/io/probe.h"

/* ---- the pool ------------------------------------------------------------------------------ */

static void pool_freep(struct http_pool **p)
{
	http_pool_free(*p);
}
#define auto_pool __attribute__((cleanup(pool_freep)))

static struct http_pool *pool_open(struct probe *r, size_t max, int64_t keep_ms)
{
	struct http_pool *p = NULL;
	struct err err;

	EXPECT(http_pool_new(r->l, &r->set, max, keep_ms, &p, &err) == OK);
	return p;
}

/* Take one, make an exchange, give it back. */
static struct http_client *use(struct probe *r, struct http_pool *p)
{
	struct http_client *c;
	struct err err;

	if (!EXPECT(http_pool_take(p, &r->c, &err) == OK))
		return NULL;
	c = r->c;
	EXPECT(probe_exchange(
		r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi"));
	EXPECT(probe_end(r));
	http_pool_give(p, take(r->c));
	return c;
}

static void drop_server_end(struct probe *r)
{
	cleanup_fd(&r->fd);
	r->fd = -1;
	r->fin = r->reset = false;
}

TEST(pool_gives_the_same_connection_again)
{
	auto_probe struct probe r;
	CHECK(probe_open(&r));
	auto_pool struct http_pool *p = pool_open(&r, 2, 10000);

	struct http_client *c = use(&r, p);
	probe_run(&r, 20);
	CHECK(use(&r, p) == c && use(&r, p) == c);
	CHECK(r.ends == 3 && !r.fin && !r.reset);
}

TEST(pool_drops_a_connection_that_ended_or_spoke)
{
	for (unsigned i = 0; i < 2; i++) {
		auto_probe struct probe r;
		CHECK(probe_open(&r));
		auto_pool struct http_pool *p = pool_open(&r, 2, 10000);

		CHECK(use(&r, p) != NULL);
		if (i == 0)
			(void)shutdown(r.fd, SHUT_WR);
		else
			CHECK(probe_say(&r, "HTTP/1.1 408 Late\r\n\r\n"));
		probe_run(&r, 20);
		CHECK(r.fin || r.reset); /* it did not wait for the next use */
		drop_server_end(&r);
		CHECK(use(&r, p) != NULL && r.ends == 2 && r.fails == 0);
	}
}

TEST(pool_drops_a_connection_that_was_kept_too_long)
{
	auto_probe struct probe r;
	CHECK(probe_open(&r));
	auto_pool struct http_pool *p = pool_open(&r, 2, 50);

	CHECK(use(&r, p) != NULL);
	probe_run(&r, 10);
	CHECK(!r.fin && !r.reset);
	probe_run(&r, 100);
	CHECK(r.fin || r.reset);
}

TEST(pool_keeps_no_more_than_it_may)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_open(&r));
	auto_pool struct http_pool *none = pool_open(&r, 0, 10000);
	auto_pool struct http_pool *one = pool_open(&r, 1, 10000);
	struct http_client *other;

	CHECK(use(&r, none) != NULL);
	probe_run(&r, 20);
	CHECK(r.fin || r.reset);
	drop_server_end(&r);

	CHECK(http_pool_take(one, &other, &err) == OK);
	probe_run(&r, 20);
	drop_server_end(&r);
	(void)use(&r, one);
	http_pool_give(one, other); /* its server has left */
	CHECK(use(&r, one) != NULL && r.fails == 0 && r.ends == 3);
}

TEST(pool_does_not_keep_what_is_in_use)
{
	auto_probe struct probe r;
	CHECK(probe_open(&r));
	auto_pool struct http_pool *p = pool_open(&r, 2, 10000);
	struct err err;

	CHECK(http_pool_take(p, &r.c, &err) == OK);
	CHECK(probe_exchange(&r,
			     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nh"));
	probe_run(&r, 20);
	http_pool_give(p, take(r.c));
	probe_run(&r, 20);
	CHECK((r.fin || r.reset) && r.ends == 0 && r.fails == 0);
	http_pool_give(p, NULL);
}
