/* Client and server against each other, without and with TLS. */
#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/io/http_client.h"
#include "core/io/http_server.h"
#include "test/core/io/pair.h"

#define MANY (8u << 20) /* bytes of a large body */
#define SOON 1000	/* ms within which an end must be noticed */

struct both {
	struct loop *l;
	struct pair_identity id;
	struct tls *tls_c, *tls_s;
	struct http_server *srv;
	struct listener *ls;
	struct http_client *c;
	struct http_client_settings set;

	/* The server's side: it echoes, as fast as that is read. */
	struct http_call *call;
	unsigned gones;
	enum status gone;
	uint64_t seen;
	bool mute; /* it does not end its answers */

	/* The client's side. */
	unsigned ends, fails;
	enum status failed;
	struct buf got;
	bool slow; /* it pauses after each part */
};

static void srv_body(void *ctx, struct slice part)
{
	struct both *b = ctx;

	b->seen += part.len;
	http_call_body(b->call, part);
	if (http_call_full(b->call))
		http_call_pause(b->call);
}

static void srv_body_end(void *ctx)
{
	struct both *b = ctx;

	if (!b->mute)
		http_call_end(b->call);
}

static void srv_drained(void *ctx)
{
	struct both *b = ctx;

	http_call_resume(b->call);
}

static void srv_gone(void *ctx, const struct err *why)
{
	struct both *b = ctx;

	b->gones++;
	b->gone = why->code;
	b->call = NULL;
}

static void srv_call(void *ctx, struct http_call *c,
		     const struct http_head *head)
{
	static const struct http_call_events ev = { .body = srv_body,
						    .body_end = srv_body_end,
						    .drained = srv_drained,
						    .gone = srv_gone };
	struct both *b = ctx;
	struct err err;

	(void)head;
	b->call = c;
	http_call_own(c, &ev, b);
	EXPECT(http_call_head(c, 200, NULL, 0, UINT64_MAX, &err) == OK);
}

static const struct http_server_events srv_events = { .on_call = srv_call };

static void on_body(void *ctx, struct slice part)
{
	struct both *b = ctx;

	buf_put(&b->got, part);
	if (b->slow)
		http_client_pause(b->c);
}

static void on_end(void *ctx)
{
	struct both *b = ctx;

	b->ends++;
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct both *b = ctx;

	b->fails++;
	b->failed = why->code;
	EXPECT(sent);
}

static const struct http_client_events events = { .body = on_body,
						  .end = on_end,
						  .failed = on_failed };

static bool both_open(struct both *b, bool tls)
{
	struct addr at = { .host = "127.0.0.1" };
	struct err err;

	*b = (struct both){ .got = buf_make(MANY) };
	if (tls) {
		pair_identity_make(&b->id, "localhost", NULL);
		b->tls_s = pair_identity_server(&b->id, false);
		b->tls_c = pair_identity_client(&b->id, &b->id, true);
	}
	if (!EXPECT(loop_new(&b->l, &err) == OK) ||
	    !EXPECT(http_server_new(b->l, NULL, &srv_events, b, &b->srv,
				    &err) == OK) ||
	    !EXPECT(listener_open(b->l, &at, b->tls_s, NULL, http_server_accept,
				  b->srv, &b->ls, &err) == OK))
		return false;
	listener_addr(b->ls, &b->set.to);
	b->set.to.tls = tls;
	b->set.tls = b->tls_c;
	return EXPECT(http_client_new(b->l, &b->set, &b->c, &err) == OK);
}

static void both_close(struct both *b)
{
	http_client_free(take(b->c));
	listener_close(b->ls);
	http_server_free(b->srv);
	loop_free(b->l);
	tls_unref(b->tls_c);
	tls_unref(b->tls_s);
	if (b->id.key != NULL)
		pair_identity_done(&b->id);
	buf_done(&b->got);
}
#define auto_both __attribute__((cleanup(both_close)))

static bool post(struct both *b, uint64_t length)
{
	struct err err;

	return EXPECT(http_client_begin(b->c, "POST", S("/"), NULL, 0, length,
					&events, b, &err) == OK);
}

TEST(http_client_and_server_keep_a_connection)
{
	for (unsigned tls = 0; tls < 2; tls++) {
		auto_both struct both b;
		CHECK(both_open(&b, tls == 1));

		for (unsigned i = 1; i <= 3; i++) {
			CHECK(post(&b, 3));
			http_client_body(b.c, S("abc"));
			http_client_body_end(b.c);
			CHECK(RUN_UNTIL(b.l, b.ends == i && b.gones == i));
			CHECK(b.got.len == 3 * i && b.gone == OK);
			CHECK(http_client_reusable(b.c));
		}
		CHECK(http_server_conns(b.srv) == 1);
		CHECK(conn_is_tls(http_client_conn(b.c)) == (tls == 1));
	}
}

/* Write what may be written; now and then do not read for a while. */
static void push(struct both *b, struct slice *left, unsigned turn)
{
	while (left->len > 0 && !http_client_full(b->c)) {
		struct slice part = slice_sub(*left, 0, 60000);

		http_client_body(b->c, part);
		*left = slice_from(*left, part.len);
	}
	if (left->len == 0)
		http_client_body_end(b->c);
	if (turn % 64 == 5)
		http_client_pause(b->c);
	if (turn % 64 == 15)
		http_client_resume(b->c);
}

TEST(http_client_and_server_echo_megabytes_in_bounded_memory)
{
	for (unsigned tls = 0; tls < 2; tls++) {
		auto_buf struct buf body = buf_make(MANY);
		auto_both struct both b;
		CHECK(both_open(&b, tls == 1));
		size_t most = 0;

		end_pattern(&body, MANY);
		struct slice left = buf_slice(&body);
		CHECK(post(&b, MANY));
		for (unsigned i = 0; b.ends + b.fails == 0 && i < 100000; i++) {
			push(&b, &left, i);
			loop_run_once(b.l, 1);
			if (b.call == NULL)
				continue;
			size_t n = conn_pending(http_call_conn(b.call));
			most = n > most ? n : most;
		}
		CHECK(b.ends == 1 && b.seen == MANY);
		CHECK(slice_eq(buf_slice(&b.got), buf_slice(&body)));
		CHECK(most <= CONN_OUT_HIGH + 2 * CONN_IN_MAX);
		run_for(b.l, 10);
		CHECK(b.gones == 1 && b.gone == OK);
		/* The server could not know that the request would be read. */
		CHECK(!http_client_reusable(b.c));
	}
}

TEST(an_http_abort_on_either_side_reaches_the_other)
{
	for (unsigned i = 0; i < 4; i++) {
		auto_both struct both b;
		CHECK(both_open(&b, i / 2 == 1));

		b.mute = true;
		CHECK(post(&b, 3));
		http_client_body(b.c, S("abc"));
		http_client_body_end(b.c);
		CHECK(RUN_UNTIL(b.l, b.got.len == 3 && b.call != NULL));
		int64_t begin = clock_mono_ms();
		if (i % 2 == 0)
			http_client_free(take(b.c));
		else
			http_call_abort(b.call);
		CHECK(RUN_UNTIL(b.l, b.gones == 1 && b.fails == i % 2));
		CHECK(clock_mono_ms() - begin < SOON);
		CHECK(b.gone == E_IO && b.ends == 0);
		CHECK(b.fails == 0 || b.failed == E_IO);
	}
}

/* ---- a body that ends with the TLS stream ---------------------------------- */

/* A server that answers at once. */
struct bare {
	struct conn *c;
	bool closed;
};

static size_t bare_data(void *ctx, struct slice in)
{
	struct bare *s = ctx;

	conn_write(s->c, S("HTTP/1.1 200 OK\r\n\r\nabc"));
	return in.len;
}

static void bare_closed(void *ctx, const struct err *why)
{
	struct bare *s = ctx;

	(void)why;
	s->closed = true;
}

TEST(http_body_until_close_needs_the_close_notify_of_tls)
{
	static const struct conn_events ev = { .data = bare_data,
					       .closed = bare_closed };

	for (unsigned i = 0; i < 2; i++) {
		struct bare s = { 0 };
		struct err err;
		int fds[2];
		auto_both struct both b;
		CHECK(both_open(&b, true));

		http_client_free(take(b.c));
		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
		auto_fd int spare = dup(fds[0]);
		CHECK(conn_adopt(b.l, fds[0], b.tls_s, 0, &ev, &s, &s.c,
				 &err) == OK);
		CHECK(http_client_adopt(b.l, fds[1], &b.set, &b.c, &err) == OK);
		CHECK(post(&b, 0));
		CHECK(RUN_UNTIL(b.l, b.got.len == 3));
		if (i == 0)
			conn_close(s.c);
		else
			(void)shutdown(spare, SHUT_WR);
		CHECK(RUN_UNTIL(b.l, b.ends + b.fails == 1));
		CHECK(b.ends == (i == 0) && !http_client_reusable(b.c));
		CHECK(b.fails == 0 || b.failed == E_IO);
		conn_free(s.c);
	}
}
