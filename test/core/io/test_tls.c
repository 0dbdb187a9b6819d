#include "core/io/tls.h"

#include "core/cleanup.h"
#include "test/core/io/pair.h"

/* Two sessions over memory that is full now and then, so that every call is
 * interrupted in the middle. */
struct wire {
	struct buf bytes;
	size_t room;	 /* bytes that a send takes at most; 0: full */
	unsigned starve; /* every so many calls there is nothing */
	unsigned calls;
	bool closed;
};

struct side {
	struct wire *out, *in;
};

static bool starved(struct wire *w)
{
	return w->starve > 0 && w->calls++ % w->starve != 0;
}

static long side_send(void *ctx, const uint8_t *p, size_t n)
{
	struct wire *w = ((struct side *)ctx)->out;

	if (w->closed)
		return TLS_FAIL;
	if (starved(w) || w->room == 0)
		return TLS_AGAIN;
	if (n > w->room)
		n = w->room;
	buf_put(&w->bytes, slice_make(p, n));
	return (long)n;
}

static long side_recv(void *ctx, uint8_t *p, size_t n)
{
	struct wire *w = ((struct side *)ctx)->in;

	if (w->bytes.len == 0)
		return w->closed ? 0 : TLS_AGAIN;
	if (starved(w))
		return TLS_AGAIN;
	if (n > w->bytes.len)
		n = w->bytes.len;
	memcpy(p, buf_slice(&w->bytes).p, n);
	buf_consume(&w->bytes, n);
	return (long)n;
}

struct both {
	struct wire to_b, to_a;
	struct side a, b;
	struct tls *tls_a, *tls_b;
	struct tls_session *sa, *sb;
	struct pair_identity id;
};

static void both_make(struct both *t, size_t room, unsigned starve)
{
	struct err err;

	*t = (struct both){ .to_b = { .bytes = buf_make(1u << 24),
				      .room = room,
				      .starve = starve },
			    .to_a = { .bytes = buf_make(1u << 24),
				      .room = room,
				      .starve = starve } };
	t->a = (struct side){ &t->to_b, &t->to_a };
	t->b = (struct side){ &t->to_a, &t->to_b };
	pair_identity_make(&t->id, "server.example", NULL);
	t->tls_a = pair_identity_client(NULL, NULL, false);
	t->tls_b = pair_identity_server(&t->id, false);
	struct tls_transport ta = { side_send, side_recv, &t->a };
	struct tls_transport tb = { side_send, side_recv, &t->b };
	(void)EXPECT(tls_session_new(t->tls_a, "server.example", ta, &t->sa,
				     &err) == OK);
	(void)EXPECT(tls_session_new(t->tls_b, NULL, tb, &t->sb, &err) == OK);
}

static void both_done(struct both *t)
{
	tls_session_free(t->sa);
	tls_session_free(t->sb);
	tls_unref(t->tls_a);
	tls_unref(t->tls_b);
	pair_identity_done(&t->id);
	buf_done(&t->to_a.bytes);
	buf_done(&t->to_b.bytes);
}

static bool both_handshake(struct both *t)
{
	enum status a = E_AGAIN;
	enum status b = E_AGAIN;
	struct err err;

	for (unsigned i = 0; i < 100000 && (a == E_AGAIN || b == E_AGAIN);
	     i++) {
		if (a == E_AGAIN)
			a = tls_session_handshake(t->sa, &err);
		if (b == E_AGAIN)
			b = tls_session_handshake(t->sb, &err);
	}
	return a == OK && b == OK;
}

TEST(a_handshake_survives_a_transport_of_single_bytes)
{
	struct both t;

	both_make(&t, 1, 3);
	CHECK(both_handshake(&t));
	CHECK(slice_eq(tls_session_peer(t.sa), buf_slice(&t.id.der)));
	CHECK_EQ_U64(tls_session_peer(t.sb).len, 0);
	both_done(&t);
}

TEST(it_tells_which_direction_it_waits_for)
{
	struct both t;
	struct err err;

	both_make(&t, 0, 0);
	CHECK(tls_session_handshake(t.sa, &err) == E_AGAIN);
	CHECK(tls_session_wants_write(t.sa));
	CHECK(tls_session_handshake(t.sb, &err) == E_AGAIN);
	CHECK(!tls_session_wants_write(t.sb));
	both_done(&t);
}

TEST(data_survives_a_transport_that_is_often_full)
{
	const size_t all = 100000;
	struct both t;
	struct err err;
	size_t sent = 0;
	size_t n;
	auto_buf struct buf in = buf_make(all);
	auto_buf struct buf out = buf_make(all);
	uint8_t part[777];

	both_make(&t, 1000, 2);
	CHECK(both_handshake(&t));
	end_pattern(&in, all);
	for (unsigned i = 0; i < 100000 && out.len < all; i++) {
		if (tls_session_write(t.sa, slice_from(buf_slice(&in), sent),
				      &n, &err) == OK)
			sent += n;
		while (tls_session_read(t.sb, part, sizeof(part), &n, &err) ==
		       OK)
			buf_put(&out, slice_make(part, n));
	}
	CHECK(slice_eq(buf_slice(&in), buf_slice(&out)));
	both_done(&t);
}

TEST(close_notify_is_an_end_and_nothing_else_is)
{
	struct both t;
	struct err err;
	uint8_t p[10];
	size_t n = 99;

	both_make(&t, 1u << 20, 0);
	CHECK(both_handshake(&t));
	CHECK(tls_session_close_notify(t.sa, &err) == OK);
	CHECK(tls_session_read(t.sb, p, sizeof(p), &n, &err) == OK);
	CHECK_EQ_U64(n, 0);

	/* The other direction is still good. */
	CHECK(tls_session_write(t.sb, S("bye"), &n, &err) == OK && n == 3);
	CHECK(tls_session_read(t.sa, p, sizeof(p), &n, &err) == OK && n == 3);

	n = 99;
	t.to_a.closed = true;
	CHECK(tls_session_read(t.sa, p, sizeof(p), &n, &err) == E_IO);
	CHECK_EQ_U64(n, 99);
	both_done(&t);
}

TEST(an_altered_record_is_refused)
{
	struct both t;
	struct err err;
	uint8_t p[100];
	size_t n = 99;

	both_make(&t, 1u << 20, 0);
	CHECK(both_handshake(&t));
	CHECK(tls_session_write(t.sa, S("attack at dawn"), &n, &err) == OK);
	uint8_t *bytes = t.to_b.bytes.mem + t.to_b.bytes.head;
	bytes[t.to_b.bytes.len - 1] ^= 1;
	n = 99;
	CHECK(tls_session_read(t.sb, p, sizeof(p), &n, &err) == E_CRYPTO);
	CHECK_EQ_U64(n, 99);
	both_done(&t);
}

TEST(a_broken_transport_is_an_io_error)
{
	struct both t;
	struct err err;

	both_make(&t, 1u << 20, 0);
	t.to_b.closed = true;
	CHECK(tls_session_handshake(t.sa, &err) == E_IO);
	both_done(&t);
}

TEST(an_empty_write_makes_no_record)
{
	struct both t;
	struct err err;
	size_t n = 99;

	both_make(&t, 1u << 20, 0);
	CHECK(both_handshake(&t));
	CHECK(tls_session_write(t.sa, (struct slice){ 0 }, &n, &err) == OK);
	CHECK_EQ_U64(n, 0);
	CHECK_EQ_U64(t.to_b.bytes.len, 0);
	both_done(&t);
}

TEST(exporters_need_a_finished_handshake)
{
	struct both t;
	struct err err;
	uint8_t a[32], b[32];

	both_make(&t, 1u << 20, 0);
	CHECK(tls_session_exporter(t.sa, "EXPORTER-x", S("c"), a, 32, &err) ==
	      E_CRYPTO);
	CHECK(both_handshake(&t));
	CHECK(tls_session_exporter(t.sa, "EXPORTER-x", S("c"), a, 32, &err) ==
	      OK);
	CHECK(tls_session_exporter(t.sb, "EXPORTER-x", S("c"), b, 32, &err) ==
	      OK);
	CHECK(memcmp(a, b, 32) == 0);
	CHECK(tls_session_exporter(t.sb, "EXPORTER-y", S("c"), b, 32, &err) ==
	      OK);
	CHECK(memcmp(a, b, 32) != 0);
	CHECK(tls_session_exporter(t.sb, "EXPORTER-x", S("d"), b, 32, &err) ==
	      OK);
	CHECK(memcmp(a, b, 32) != 0);
	both_done(&t);
}

TEST(settings_outlive_their_owner_in_sessions)
{
	struct both t;

	both_make(&t, 1u << 20, 0);
	tls_unref(t.tls_a);
	tls_unref(t.tls_b);
	t.tls_a = t.tls_b = NULL;
	CHECK(both_handshake(&t));
	both_done(&t);
}

static enum status make(const struct tls_settings *s, struct err *err)
{
	struct tls *t = NULL;
	enum status st = tls_new(s, &t, err);

	(void)EXPECT((st == OK) == (t != NULL));
	tls_unref(t);
	return st;
}

TEST(settings_that_make_no_sense_are_refused)
{
	struct pair_identity id, other;
	struct err err;

	pair_identity_make(&id, "a.example", NULL);
	pair_identity_make(&other, "b.example", NULL);
	struct tls_settings good = { .server = true,
				     .chain = { buf_slice(&id.der) },
				     .n_chain = 1,
				     .key = id.key };
	struct tls_settings s = good;
	CHECK(make(&s, &err) == OK);

	s.key = other.key;
	CHECK(make(&s, &err) == E_CONF);
	s.key = NULL;
	CHECK(make(&s, &err) == E_CONF);
	s.n_chain = 0;
	CHECK(make(&s, &err) == E_CONF);
	s.key = id.key;
	CHECK(make(&s, &err) == E_CONF);

	s = good;
	s.n_chain = 5;
	CHECK(make(&s, &err) == E_LIMIT);
	s = good;
	s.chain[0] = S("not a certificate");
	CHECK(make(&s, &err) == E_PARSE);
	s = good;
	s.roots[0] = slice_sub(buf_slice(&id.der), 0, id.der.len - 1);
	s.n_roots = 1;
	CHECK(make(&s, &err) == E_PARSE);
	s.n_roots = TLS_ROOTS_MAX + 1;
	CHECK(make(&s, &err) == E_LIMIT);
	pair_identity_done(&id);
	pair_identity_done(&other);
}

TEST(roots_without_a_name_to_check_are_refused)
{
	struct pair_identity id;
	struct err err;
	struct wire w = { .bytes = buf_make(100) };
	struct side side = { &w, &w };
	struct tls_transport io = { side_send, side_recv, &side };
	struct tls_session *s = NULL;

	pair_identity_make(&id, "a.example", NULL);
	struct tls *t = pair_identity_client(NULL, &id, false);
	CHECK(tls_session_new(t, NULL, io, &s, &err) == E_CONF);
	CHECK(s == NULL);
	tls_unref(t);
	t = pair_identity_client(NULL, &id, true);
	CHECK(tls_session_new(t, NULL, io, &s, &err) == OK);
	tls_session_free(s);
	tls_unref(t);
	pair_identity_done(&id);
}
