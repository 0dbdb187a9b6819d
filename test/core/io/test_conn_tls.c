#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/io/conn.h"
#include "core/io/dial.h"
#include "core/io/resolve.h"
#include "test/core/io/pair.h"

TEST(exporters_agree_and_differ_by_connection)
{
	uint8_t a[2][32], b[2][32];
	struct err err;

	for (size_t i = 0; i < 2; i++) {
		struct pair p;

		CHECK(pair_open(&p, TLS));
		CHECK(conn_exporter(p.a.c, "EXPORTER-confd-attest", S("nonce"),
				    a[i], 32, &err) == OK);
		CHECK(conn_exporter(p.b.c, "EXPORTER-confd-attest", S("nonce"),
				    b[i], 32, &err) == OK);
		pair_done(&p);
	}
	CHECK(memcmp(a[0], b[0], 32) == 0 && memcmp(a[1], b[1], 32) == 0);
	CHECK(memcmp(a[0], a[1], 32) != 0);
}

TEST(a_plain_connection_has_no_certificate_and_no_exporter)
{
	struct pair p;
	uint8_t out[32];
	struct err err;

	CHECK(pair_open(&p, TCP));
	CHECK_EQ_U64(conn_peer_cert(p.a.c).len, 0);
	CHECK(!conn_peer_spki(p.a.c, out));
	CHECK(conn_exporter(p.a.c, "x", S("y"), out, 32, &err) == E_USAGE);
	pair_done(&p);
}

static bool spki_is(struct conn *c, const struct pair_identity *id)
{
	auto_buf struct buf spki = buf_make(1024);
	struct err err;
	uint8_t want[32], found[32];

	if (keypair_spki(id->key, &spki, &err) != OK)
		return false;
	sha256(buf_slice(&spki), want);
	return conn_peer_spki(c, found) && memcmp(want, found, 32) == 0;
}

TEST(each_side_sees_the_key_of_the_other)
{
	struct pair p;
	struct pair_identity client;
	uint8_t none[32];

	pair_identity_make(&client, "client.example", NULL);
	CHECK(pair_listen(&p, TLS, NULL));
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.b.readies > 0);
	CHECK(!conn_peer_spki(p.b.c, none)); /* it was not asked */
	CHECK(spki_is(p.a.c, &p.id));

	struct tls *asking = pair_identity_server(&p.id, true);
	listener_set_tls(p.ls, asking);
	tls_unref(asking);
	end_done(&p.a);
	end_done(&p.b);
	p.b.readies = p.a.readies = 0;
	tls_unref(p.tls_a);
	p.tls_a = pair_identity_client(&client, NULL, false);
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.b.readies > 0);
	CHECK(spki_is(p.b.c, &client));
	CHECK(slice_eq(conn_peer_cert(p.b.c), buf_slice(&client.der)));
	pair_identity_done(&client);
	pair_done(&p);
}

TEST(a_client_may_decline_to_show_a_certificate)
{
	struct pair p;
	uint8_t none[32];

	CHECK(pair_listen(&p, TLS, NULL));
	struct tls *asking = pair_identity_server(&p.id, true);
	listener_set_tls(p.ls, asking);
	tls_unref(asking);
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.b.readies > 0);
	CHECK(!conn_peer_spki(p.b.c, none));
	pair_done(&p);
}

/* One attempt to connect to a server with that certificate. */
struct attempt {
	const char *cert_name;
	const char *host; /* connected to; NULL: the number */
	bool other_root;
	bool any_name;
	int64_t later; /* s that the clock is wrong by */
	bool good;
};

static void try_roots(const struct attempt *a)
{
	struct pair_identity root, other;
	struct pair p;

	pair_identity_make(&root, "root", NULL);
	pair_identity_make(&other, "root", NULL);
	if (!pair_listen(&p, TLS, NULL))
		return;
	pair_identity_done(&p.id);
	pair_identity_make(&p.id, a->cert_name, &root);
	struct tls *server = pair_identity_server(&p.id, false);
	listener_set_tls(p.ls, server);
	tls_unref(server);
	tls_unref(p.tls_a);
	p.tls_a = pair_identity_client(NULL, a->other_root ? &other : &root,
				       a->any_name);
	if (a->host != NULL)
		(void)snprintf(p.at.host, sizeof(p.at.host), "%s", a->host);
	clock_set_wall_for_tests(clock_wall() + a->later);
	(void)pair_connect(&p);
	RUN_UNTIL(p.loop, p.a.readies + p.a.closes > 0);
	clock_set_wall_for_tests(-1);
	if (!EXPECT(p.a.readies == (a->good ? 1 : 0)) ||
	    (!a->good && !EXPECT(p.a.why.code == E_CRYPTO)))
		printf("%s, to %s: %s\n", a->cert_name, a->host, p.a.why.text);
	if (!a->good)
		RUN_UNTIL(p.loop, p.b.closes == 1 && p.b.readies == 0);
	pair_identity_done(&root);
	pair_identity_done(&other);
	pair_done(&p);
}

TEST(roots_and_names_decide_whom_a_client_believes)
{
	static const struct attempt attempts[] = {
		{ "localhost", "localhost", false, false, 0, true },
		{ "localhost", "localhost", true, false, 0, false },
		{ "localhost", "localhost", true, true, 0, false },
		{ "other.example", "localhost", false, false, 0, false },
		{ "other.example", "localhost", false, true, 0, true },
		{ "localhost", NULL, false, false, 0, true }, /* 127.0.0.1 */
		{ "localhost", "127.0.0.2", false, false, 0, false },
		{ "localhost", "127.0.0.2", false, true, 0, true },
		{ "localhost", "localhost", false, false, 7200, false },
	};

	for (size_t i = 0; i < countof(attempts); i++)
		try_roots(&attempts[i]);
}

TEST(a_server_with_roots_refuses_strangers_only)
{
	struct pair_identity root, friend, stranger;
	struct err err;

	pair_identity_make(&root, "root", NULL);
	pair_identity_make(&friend, "friend", &root);
	pair_identity_make(&stranger, "stranger", NULL);
	const struct pair_identity *clients[] = { &friend, &stranger, NULL };
	for (size_t i = 0; i < countof(clients); i++) {
		struct pair p;
		struct tls *server;

		CHECK(pair_listen(&p, TLS, NULL));
		struct tls_settings s = { .server = true,
					  .chain = { buf_slice(&p.id.der) },
					  .n_chain = 1,
					  .key = p.id.key,
					  .ask_client = true,
					  .roots = { buf_slice(&root.der) },
					  .n_roots = 1 };
		CHECK(tls_new(&s, &server, &err) == OK);
		listener_set_tls(p.ls, server);
		tls_unref(server);
		tls_unref(p.tls_a);
		p.tls_a = pair_identity_client(clients[i], NULL, false);
		CHECK(pair_connect(&p));
		if (clients[i] == &stranger) {
			RUN_UNTIL(p.loop, p.b.closes == 1 && p.a.closes == 1);
			CHECK(p.b.why.code == E_CRYPTO);
			CHECK_EQ_U64(p.b.readies, 0);
		} else {
			RUN_UNTIL(p.loop, p.b.readies == 1);
		}
		pair_done(&p);
	}
	pair_identity_done(&root);
	pair_identity_done(&friend);
	pair_identity_done(&stranger);
}

/* clang-format off */
/* A ClientHello of TLS 1.2 alone: version, random, no session, two suites, no
 * compression, no extensions. */
static const uint8_t hello12[] = {
	0x16, 3, 1, 0, 47, 1, 0, 0, 43, 3, 3,
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16,
	0, 0, 4, 0xc0, 0x2f, 0xc0, 0x2b, 1, 0,
};
static const uint8_t sslv2[] = { 0x80, 0x2e, 1, 0, 2, 0, 0x15, 0, 0, 0, 0x10 };
static const uint8_t endless[] = { 0x16, 3, 1, 0xff, 0xff, 1, 0, 0xff, 0xff };
static const uint8_t data_first[] = { 0x17, 3, 3, 0, 2, 'h', 'i' };
static const uint8_t alert_first[] = { 0x15, 3, 3, 0, 2, 2, 40 };
static const uint8_t half[] = { 0x16, 3, 1, 0, 200, 1, 0, 0, 196, 3, 3 };
/* clang-format on */

TEST(what_is_not_tls13_is_refused)
{
	const struct slice garbage[] = {
		S("GET / HTTP/1.1\r\nHost: x\r\n\r\n"),
		slice_of(hello12),
		slice_of(sslv2),
		slice_of(endless),
		slice_of(data_first),
		slice_of(alert_first),
		slice_of(half),
	};

	for (size_t i = 0; i < countof(garbage); i++) {
		struct pair p;
		struct tls *none;

		CHECK(pair_listen(&p, TLS, NULL));
		none = take(p.tls_a);
		CHECK(pair_connect(&p));
		conn_write(p.a.c, garbage[i]);
		conn_shutdown(p.a.c);
		RUN_UNTIL(p.loop, p.b.closes == 1);
		CHECK(p.b.why.code == E_CRYPTO || p.b.why.code == E_IO);
		CHECK_EQ_U64(p.b.readies + p.b.calls, 0);
		tls_unref(none);
		pair_done(&p);
	}
}

TEST(a_plain_server_is_no_tls_server)
{
	struct pair p;

	CHECK(pair_listen(&p, TCP, NULL));
	p.tls_a = pair_identity_client(NULL, NULL, false);
	p.b.echo = true;
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == E_CRYPTO);
	CHECK_EQ_U64(p.a.readies, 0);
	pair_done(&p);
}

/* A third party between a and b, who sees ciphertext. */
struct relay {
	struct pair *p;
	struct end to_a, to_b;
	struct listener *ls;
	size_t flip; /* alters this byte towards b, from 1 */
	size_t seen;
};

static size_t relay_up(void *ctx, struct slice in)
{
	struct relay *r = ctx;
	auto_buf struct buf copy = buf_make(CONN_IN_MAX);

	buf_put(&copy, in);
	if (r->flip > r->seen && r->flip <= r->seen + in.len)
		copy.mem[r->flip - r->seen - 1] ^= 0x20;
	r->seen += in.len;
	conn_write(r->to_b.c, buf_slice(&copy));
	return in.len;
}

static size_t relay_down(void *ctx, struct slice in)
{
	conn_write(((struct relay *)ctx)->to_a.c, in);
	return in.len;
}

static void relay_accepted(void *ctx, struct conn *c)
{
	static const struct conn_events up = { .data = relay_up };
	static const struct conn_events down = { .data = relay_down };
	struct relay *r = ctx;
	struct err err;

	r->to_a.c = c;
	conn_handlers(c, &up, r);
	(void)EXPECT(conn_connect(r->p->loop, &r->p->at, NULL, 1000, &down, r,
				  &r->to_b.c, &err) == OK);
}

static bool relay_open(struct relay *r, struct pair *p)
{
	struct addr here = { .host = "127.0.0.1" };
	struct addr there;
	struct err err;

	*r = (struct relay){ .p = p };
	if (!pair_listen(p, TLS, NULL) ||
	    !EXPECT(listener_open(p->loop, &here, NULL, NULL, relay_accepted, r,
				  &r->ls, &err) == OK))
		return false;
	listener_addr(r->ls, &there);
	return EXPECT(conn_connect(p->loop, &there, p->tls_a, 1000, &end_events,
				   &p->a, &p->a.c, &err) == OK) &&
	       RUN_UNTIL(p->loop, p->a.readies > 0 && p->b.readies > 0);
}

static void relay_done(struct relay *r)
{
	conn_free(r->to_a.c);
	conn_free(r->to_b.c);
	listener_close(r->ls);
	pair_done(r->p);
}

TEST(an_end_without_close_notify_is_truncation)
{
	struct pair p;
	struct relay r;

	CHECK(relay_open(&r, &p));
	conn_write(p.a.c, S("pay 100"));
	RUN_UNTIL(p.loop, p.b.got.len == 7);
	conn_close(r.to_b.c); /* a clean FIN */
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(p.b.why.code == E_IO);
	CHECK_EQ_U64(p.b.eofs, 0);
	relay_done(&r);
}

TEST(input_before_a_truncation_is_still_delivered)
{
	struct pair p;
	struct relay r;

	CHECK(relay_open(&r, &p));
	size_t before = r.seen;
	conn_pause(p.b.c);
	conn_write(p.a.c, S("first part"));
	RUN_UNTIL(p.loop, r.seen > before + 20);
	run_for(p.loop, 10);
	conn_close(r.to_b.c);
	run_for(p.loop, 10);
	conn_resume(p.b.c);
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(slice_eq(buf_slice(&p.b.got), S("first part")));
	CHECK(p.b.why.code == E_IO);
	CHECK_EQ_U64(p.b.eofs, 0);
	relay_done(&r);
}

TEST(an_altered_byte_ends_the_connection)
{
	struct pair p;
	struct relay r;

	CHECK(relay_open(&r, &p));
	r.flip = r.seen + 20;
	conn_write(p.a.c, S("pay 100 to alice"));
	RUN_UNTIL(p.loop, p.b.closes == 1 && p.a.closes == 1);
	CHECK(p.b.why.code == E_CRYPTO);
	CHECK(p.a.why.code == E_CRYPTO); /* an alert said so */
	CHECK_EQ_U64(p.b.calls, 0);
	relay_done(&r);
}

#define MANY 40

struct crowd {
	struct end ends[MANY];
	struct end served[MANY];
	size_t n;
};

static void crowd_accepted(void *ctx, struct conn *c)
{
	struct crowd *crowd = ctx;
	struct end *e = &crowd->served[crowd->n++];

	e->c = c;
	conn_handlers(c, &end_events, e);
}

static size_t ready_in(const struct end *ends)
{
	size_t n = 0;

	for (size_t i = 0; i < MANY; i++)
		n += ends[i].readies;
	return n;
}

TEST(a_rush_of_handshakes_is_served)
{
	static struct crowd crowd;
	struct pair p;
	struct listener *ls = NULL;
	struct addr at = { .host = "127.0.0.1" };
	struct err err;

	CHECK(pair_listen(&p, TLS, NULL));
	crowd.n = 0;
	CHECK(listener_open(p.loop, &at, p.tls_b, NULL, crowd_accepted, &crowd,
			    &ls, &err) == OK);
	listener_addr(ls, &at);
	for (size_t i = 0; i < MANY; i++) {
		end_init(&crowd.ends[i]);
		end_init(&crowd.served[i]);
		CHECK(conn_connect(p.loop, &at, p.tls_a, 5000, &end_events,
				   &crowd.ends[i], &crowd.ends[i].c,
				   &err) == OK);
	}
	RUN_UNTIL(p.loop, ready_in(crowd.served) == MANY);
	CHECK_EQ_U64(ready_in(crowd.ends), MANY);
	for (size_t i = 0; i < MANY; i++) {
		end_done(&crowd.ends[i]);
		end_done(&crowd.served[i]);
	}
	listener_close(ls);
	pair_done(&p);
}
