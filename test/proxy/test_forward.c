#include "proxy/forward.h"

#include <sys/socket.h>

#include "core/io/fdpass.h"
#include "test/proxy/world.h"

/* A fake model server and one exchange with it. */
struct way {
	struct loop *loop;
	struct fake fake;
	struct forward_to to;
	struct forward *f;
	struct http_pool *pool;
	int link[2];
	struct loop_fd *watch;

	unsigned drains, heads, ends, fails;
	unsigned status;
	struct buf body;
	enum forward_why why;
	struct err err;
	bool free_in_head;
};

static void on_drained(void *ctx)
{
	struct way *w = ctx;

	w->drains++;
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct way *w = ctx;

	w->heads++;
	w->status = head->status;
	if (w->free_in_head)
		forward_free(take(w->f));
}

static void on_body(void *ctx, struct slice part)
{
	struct way *w = ctx;

	buf_put(&w->body, part);
}

static void on_end(void *ctx)
{
	struct way *w = ctx;

	w->ends++;
}

static void on_failed(void *ctx, enum forward_why why, const struct err *err)
{
	struct way *w = ctx;

	w->fails++;
	w->why = why;
	w->err = *err;
}

static const struct forward_events callbacks = {
	.drained = on_drained,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

static bool way_start(struct way *w)
{
	struct addr any;
	struct err err;

	*w = (struct way){ .link = { -1, -1 }, .body = buf_make(16u << 20) };
	if (!EXPECT(loop_new(&w->loop, &err) == OK) ||
	    !EXPECT(addr_parse("127.0.0.1:0", 0, &any, &err) == OK) ||
	    !EXPECT(fake_start(&w->fake, w->loop, &any, &err) == OK))
		return false;
	w->to = (struct forward_to){ .loop = w->loop,
				     .at = w->fake.at,
				     .connect_ms = 500,
				     .head_ms = 100,
				     .idle_ms = 100 };
	return true;
}

static void way_stop(struct way *w)
{
	forward_free(w->f);
	http_pool_free(w->pool);
	loop_fd_free(w->watch);
	fake_stop(&w->fake);
	cleanup_fd(&w->link[0]);
	cleanup_fd(&w->link[1]);
	buf_done(&w->body);
	loop_free(w->loop);
}

static enum status way_begin(struct way *w, uint64_t length)
{
	const struct http_header h[] = { { S("Content-Type"),
					   S("application/json") } };
	struct err err;

	forward_free(take(w->f));
	w->drains = w->heads = w->ends = w->fails = w->status = 0;
	buf_clear(&w->body);
	return forward_begin(&w->to, "POST", S("/v1/x"), h, 1, length,
			     &callbacks, w, &w->f, &err);
}

/* A whole request in this mode. */
static void way_ask(struct way *w, const char *mode, struct slice body)
{
	w->fake.mode = mode;
	if (!EXPECT(way_begin(w, body.len) == OK))
		return;
	forward_body(w->f, body);
	forward_body_end(w->f);
	(void)WORLD_UNTIL(w, w->ends + w->fails > 0);
}

TEST(an_exchange_ends_once_and_whole)
{
	struct way w;

	CHECK(way_start(&w));
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.ends == 1 && w.fails == 0 && w.status == 200);
	(void)EXPECT(buf_has(&w.body, "hello from the fake"));
	/* Each has its own connection, and none is left open. */
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.fake.conns == 2);
	forward_free(take(w.f));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.first == NULL));
	way_stop(&w);
}

TEST(each_failure_has_its_reason)
{
	static const struct {
		const char *mode;
		enum forward_why why;
		unsigned heads;
	} bad[] = {
		{ "silent", FORWARD_LATE, 0 },
		{ "die", FORWARD_BROKEN, 1 },
		{ "shrink", FORWARD_BROKEN, 1 },
		{ "garbage", FORWARD_GARBAGE, 0 },
		{ "switch", FORWARD_GARBAGE, 0 },
		{ "many-interim", FORWARD_GARBAGE, 0 },
	};
	struct way w;

	CHECK(way_start(&w));
	for (size_t i = 0; i < countof(bad); i++) {
		way_ask(&w, bad[i].mode, S("{}"));
		(void)EXPECT(w.fails == 1 && w.ends == 0);
		if (!EXPECT(w.why == bad[i].why && w.heads == bad[i].heads))
			printf("mode %s: %s\n", bad[i].mode, w.err.text);
	}
	way_stop(&w);
}

TEST(a_head_that_is_too_long_is_garbage)
{
	struct way w;

	CHECK(way_start(&w));
	w.fake.size = 100000;
	way_ask(&w, "long-head", S("{}"));
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_GARBAGE);
	w.fake.size = 60000;
	way_ask(&w, "long-head", S("{}"));
	(void)EXPECT(w.ends == 1);
	way_stop(&w);
}

TEST(old_servers_are_understood)
{
	struct way w;

	CHECK(way_start(&w));
	way_ask(&w, "old", S("{}"));
	(void)EXPECT(w.ends == 1 && slice_eq_str(buf_slice(&w.body), "{}"));
	way_ask(&w, "interim", S("{}"));
	(void)EXPECT(w.ends == 1 && w.heads == 1 && w.status == 200);
	way_stop(&w);
}

TEST(nobody_there_is_refused_at_once)
{
	struct way w;

	CHECK(way_start(&w));
	listener_close(take(w.fake.listener));
	int64_t began = clock_mono_ms();
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_REFUSED);
	(void)EXPECT(clock_mono_ms() - began < 400);
	way_stop(&w);
}

TEST(who_takes_no_connection_is_late)
{
	struct way w;
	struct err err;

	CHECK(way_start(&w));
	/* The documentation's own addresses: packets to them get lost, or are
	 * refused where there is no way. */
	CHECK(addr_parse("192.0.2.1:9", 0, &w.to.at, &err) == OK);
	w.to.connect_ms = 150;
	int64_t began = clock_mono_ms();
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.fails == 1 &&
		     (w.why == FORWARD_LATE || w.why == FORWARD_REFUSED));
	(void)EXPECT(clock_mono_ms() - began < 1000);
	way_stop(&w);
}

TEST(an_answer_may_take_its_time_between_signs_of_life)
{
	struct way w;

	CHECK(way_start(&w));
	w.fake.delay = 60;
	w.fake.events = 5;
	way_ask(&w, "chat", S("{\"stream\":true}"));
	(void)EXPECT(w.ends == 1 && w.fails == 0);
	w.fake.delay = 300;
	way_ask(&w, "chat", S("{\"stream\":true}"));
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_LATE && w.heads == 1);
	way_stop(&w);
}

TEST(no_time_counts_while_it_is_we_who_do_not_read)
{
	struct way w;

	CHECK(way_start(&w));
	w.fake.size = 8u << 20;
	w.fake.mode = "huge";
	CHECK(way_begin(&w, 2) == OK);
	forward_body(w.f, S("{}"));
	forward_body_end(w.f);
	(void)WORLD_UNTIL(&w, w.body.len > 0);
	forward_pause(w.f);
	size_t had = w.body.len;
	int64_t until = clock_mono_ms() + 250;
	while (clock_mono_ms() < until)
		loop_run_once(w.loop, 10);
	(void)EXPECT(w.fails == 0 && w.ends == 0 && w.body.len == had);
	forward_resume(w.f);
	(void)EXPECT(WORLD_UNTIL(&w, w.ends == 1));
	(void)EXPECT(w.body.len == 8u << 20);
	way_stop(&w);
}

TEST(a_request_that_is_not_taken_is_late)
{
	static const uint8_t zeros[65536];
	struct way w;

	CHECK(way_start(&w));
	w.fake.mode = "deaf";
	CHECK(way_begin(&w, UINT64_MAX) == OK);
	for (unsigned i = 0; i < 2000 && w.fails == 0; i++) {
		while (!forward_full(w.f) && i < 1500)
			forward_body(w.f, slice_of(zeros));
		loop_run_once(w.loop, 5);
	}
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_LATE);
	way_stop(&w);
}

TEST(a_slow_request_is_not_the_far_side_s_fault)
{
	struct way w;

	CHECK(way_start(&w));
	CHECK(way_begin(&w, UINT64_MAX) == OK);
	for (unsigned i = 0; i < 3; i++) {
		int64_t until = clock_mono_ms() + 120;

		forward_body(w.f, S("{"));
		while (clock_mono_ms() < until)
			loop_run_once(w.loop, 10);
	}
	(void)EXPECT(w.fails == 0);
	forward_body_end(w.f);
	(void)EXPECT(WORLD_UNTIL(&w, w.ends == 1));
	way_stop(&w);
}

TEST(freeing_breaks_what_is_not_complete)
{
	struct way w;

	CHECK(way_start(&w));
	w.fake.mode = "silent";
	CHECK(way_begin(&w, 2) == OK);
	forward_body(w.f, S("{}"));
	forward_body_end(w.f);
	(void)WORLD_UNTIL(&w, w.fake.requests == 1);
	forward_free(take(w.f));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	/* Also from within. */
	w.free_in_head = true;
	w.fake.mode = "chat";
	CHECK(way_begin(&w, 2) == OK);
	forward_body(w.f, S("{}"));
	forward_body_end(w.f);
	(void)EXPECT(WORLD_UNTIL(&w, w.heads == 1));
	(void)EXPECT(w.ends == 0 && w.fails == 0);
	forward_free(NULL);
	way_stop(&w);
}

TEST(a_pool_gives_connections_back_only_when_whole)
{
	struct http_client_settings set = { 0 };
	struct way w;
	struct err err;

	CHECK(way_start(&w));
	set.to = w.fake.at;
	CHECK(http_pool_new(w.loop, &set, 4, 5000, &w.pool, &err) == OK);
	w.to.pool = w.pool;
	way_ask(&w, "chat", S("{}"));
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.ends == 1 && w.fake.conns == 1);
	way_ask(&w, "die", S("{}"));
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_BROKEN);
	way_ask(&w, "chat", S("{}"));
	(void)EXPECT(w.ends == 1 && w.fake.conns == 2);
	way_stop(&w);
}

/* ---- over a link --------------------------------------------------------------- */

/* The shim's part: serve each descriptor that comes. */
static void on_link(void *ctx, unsigned what)
{
	static const struct conn_events none = { 0 };
	struct way *w = ctx;
	struct conn *c;
	struct err err;
	int fd;

	(void)what;
	if (fdpass_recv(w->link[1], &fd, &err) != OK) {
		loop_fd_want(w->watch, 0);
		return;
	}
	if (EXPECT(conn_adopt(w->loop, fd, NULL, 0, &none, NULL, &c, &err) ==
		   OK))
		fake_accept(&w->fake, c);
}

static bool link_start(struct way *w)
{
	if (!way_start(w) ||
	    !EXPECT(socketpair(AF_UNIX,
			       SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
			       w->link) == 0))
		return false;
	w->to.by_link = true;
	w->to.link = w->link[0];
	w->to.at = (struct addr){ .port = 0 };
	w->watch = loop_fd_new(w->loop, w->link[1], on_link, w);
	loop_fd_want(w->watch, LOOP_READ);
	return true;
}

TEST(a_link_carries_a_connection_for_each_request)
{
	struct way w;

	CHECK(link_start(&w));
	for (unsigned i = 1; i <= 3; i++) {
		way_ask(&w, "chat", S("{}"));
		(void)EXPECT(w.ends == 1 && w.fake.conns == i);
	}
	(void)EXPECT(buf_has(&w.fake.last, "Host: localhost\n"));
	way_ask(&w, "die", S("{\"stream\":true}"));
	(void)EXPECT(w.fails == 1 && w.why == FORWARD_BROKEN);
	way_stop(&w);
}

TEST(a_link_that_is_gone_or_full_is_no_connection)
{
	struct forward *many[600];
	size_t n = 0;
	struct way w;
	struct err err;

	CHECK(link_start(&w));
	/* Nobody takes them: at some time there is no more room. */
	loop_fd_want(w.watch, 0);
	while (n < countof(many) &&
	       forward_begin(&w.to, "GET", S("/"), NULL, 0, 0, &callbacks, &w,
			     &many[n], &err) == OK)
		n++;
	(void)EXPECT(n > 0 && n < countof(many) && err.code == E_UNAVAIL);
	while (n > 0)
		forward_free(many[--n]);
	loop_fd_free(take(w.watch));
	cleanup_fd(&w.link[1]);
	w.link[1] = -1;
	(void)EXPECT(way_begin(&w, 0) == E_UNAVAIL && w.f == NULL);
	way_stop(&w);
}
