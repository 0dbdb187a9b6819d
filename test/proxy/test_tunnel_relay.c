/* Somebody sits between tunnel and endpoint. */
#include "test/proxy/way.h"

/* A relay that passes answers on up to some byte, and then does something. */
struct relay {
	struct loop *loop;
	struct listener *listener;
	struct addr at, to;
	struct conn *near, *far;
	size_t passed;	  /* bytes of the answer */
	size_t flip;	  /* the byte that is altered; 0: none */
	size_t cut;	  /* where it ends; 0: nowhere */
	const char *tail; /* what then comes instead */
	bool over;
};

static size_t relay_near_data(void *ctx, struct slice in)
{
	struct relay *r = ctx;

	conn_write(r->far, in);
	return in.len;
}

static void relay_end(struct relay *r)
{
	r->over = true;
	if (r->tail != NULL)
		conn_write(r->near, slice_str(r->tail));
	conn_close(r->near);
}

static size_t relay_far_data(void *ctx, struct slice in)
{
	struct relay *r = ctx;
	uint8_t copy[CONN_IN_MAX];
	size_t n = in.len;

	if (r->over || r->near == NULL)
		return n;
	memcpy(copy, in.p, n);
	if (r->flip > r->passed && r->flip <= r->passed + n)
		copy[r->flip - r->passed - 1] ^= 1;
	if (r->cut != 0 && r->cut < r->passed + n)
		n = r->cut - r->passed;
	r->passed += n;
	conn_write(r->near, slice_make(copy, n));
	if (r->cut != 0 && r->passed >= r->cut)
		relay_end(r);
	return in.len;
}

static void relay_gone(struct relay *r)
{
	conn_free(take(r->near));
	conn_free(take(r->far));
}

static void relay_eof(void *ctx)
{
	(void)ctx; /* whoever ends it will close */
}

static void relay_closed(void *ctx, const struct err *why)
{
	(void)why;
	relay_gone(ctx);
}

static const struct conn_events near_callbacks = { .data = relay_near_data,
						   .eof = relay_eof,
						   .closed = relay_closed };
static const struct conn_events far_callbacks = { .data = relay_far_data,
						  .eof = relay_eof,
						  .closed = relay_closed };

static void relay_accept(void *ctx, struct conn *c)
{
	struct relay *r = ctx;
	struct err err;

	relay_gone(r);
	r->near = c;
	r->passed = 0;
	r->over = false;
	conn_handlers(c, &near_callbacks, r);
	(void)EXPECT(conn_connect(r->loop, &r->to, NULL, 1000, &far_callbacks,
				  r, &r->far, &err) == OK);
}

/* The whole way with a relay in it. */
static bool relayed_start(struct way *w, struct relay *r)
{
	struct addr any;
	struct err err;

	*w = (struct way){ .loop = NULL };
	*r = (struct relay){ .flip = 0 };
	if (!world_start(&w->far, world_large) ||
	    !EXPECT(addr_parse("127.0.0.1:0", 0, &any, &err) == OK) ||
	    !EXPECT(listener_open(w->far.loop, &any, NULL, NULL, relay_accept,
				  r, &r->listener, &err) == OK))
		return false;
	r->loop = w->far.loop;
	r->to = w->far.at;
	listener_addr(r->listener, &r->at);
	return way_open(w, &r->at);
}

static void relayed_stop(struct way *w, struct relay *r)
{
	relay_gone(r);
	listener_close(r->listener);
	way_stop(w);
}

TEST(a_relay_that_does_nothing_is_not_noticed)
{
	struct relay r;
	struct way w;

	CHECK(relayed_start(&w, &r));
	(void)way_chat(&w, NULL, VISIT_STREAM, 200);
	(void)EXPECT(visit_says(&w.v, "[DONE]"));
	relayed_stop(&w, &r);
}

/* Any altered byte: what came before it may have been passed on, nothing ends
 * well behind it. Some bytes of the outer head mean nothing. */
TEST(no_altered_answer_ends_well)
{
	struct relay r;
	struct way w;
	size_t whole;

	CHECK(relayed_start(&w, &r));
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	auto_buf struct buf good = buf_make(4096);
	buf_put(&good, buf_slice(&w.v.body));
	whole = r.passed;
	for (size_t i = 1; i <= whole; i += i < 300 ? 31 : 3) {
		r.flip = i;
		way_chat_begin(&w, "", VISIT_PLAIN);
		(void)visit_wait(&w.v);
		bool same = !w.v.failed && w.v.status == 200 &&
			    slice_eq(buf_slice(&w.v.body), buf_slice(&good));
		bool seen = w.v.failed || w.v.status >= 400;
		if (!EXPECT(seen || (i < 300 && same)))
			printf("byte %zu of %zu\n", i, whole);
	}
	relayed_stop(&w, &r);
}

TEST(no_answer_that_is_cut_off_ends_well)
{
	struct relay r;
	struct way w;
	size_t whole;

	CHECK(relayed_start(&w, &r));
	(void)way_chat(&w, NULL, VISIT_STREAM, 200);
	whole = r.passed;
	for (unsigned tail = 0; tail < 2; tail++) {
		/* An end of HTTP makes it no better. */
		r.tail = tail == 1 ? "\r\n0\r\n\r\n" : NULL;
		for (size_t i = 1; i < whole; i += 23) {
			r.cut = i;
			way_chat_begin(&w, "", VISIT_STREAM);
			(void)visit_wait(&w.v);
			(void)EXPECT(w.v.failed || w.v.status >= 500);
			/* The last event may be there before the end is. */
			(void)EXPECT(whole - i < 60 ||
				     !visit_says(&w.v, "[DONE]"));
		}
	}
	relayed_stop(&w, &r);
}
