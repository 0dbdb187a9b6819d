#include "test/core/io/pair.h"

#include "core/cleanup.h"

void end_init(struct end *e)
{
	*e = (struct end){ .take = SIZE_MAX, .got = buf_make(64u << 20) };
}

void end_done(struct end *e)
{
	conn_free(e->c);
	e->c = NULL;
	buf_done(&e->got);
}

static bool frees(struct end *e, enum spot here)
{
	if (e->frees != here)
		return false;
	conn_free(e->c);
	e->c = NULL;
	return true;
}

static void on_ready(void *ctx)
{
	struct end *e = ctx;

	e->readies++;
	(void)frees(e, IN_READY);
}

static size_t on_data(void *ctx, struct slice in)
{
	struct end *e = ctx;
	size_t n = in.len < e->take ? in.len : e->take;

	e->calls++;
	e->offered = in.len;
	if (e->hold)
		return 0;
	buf_put(&e->got, slice_sub(in, 0, n));
	if (e->echo)
		conn_write(e->c, slice_sub(in, 0, n));
	if (frees(e, IN_DATA)) /* the input is ours until we return */
		(void)EXPECT(in.p[in.len - 1] == in.p[in.len - 1]);
	return n;
}

static void on_drained(void *ctx)
{
	struct end *e = ctx;

	e->drains++;
	(void)frees(e, IN_DRAINED);
}

static void on_eof(void *ctx)
{
	struct end *e = ctx;

	e->eofs++;
	(void)frees(e, IN_EOF);
}

static void on_closed(void *ctx, const struct err *why)
{
	struct end *e = ctx;

	e->closes++;
	e->why = *why;
	(void)frees(e, IN_CLOSED);
}

const struct conn_events end_events = {
	.ready = on_ready,
	.data = on_data,
	.drained = on_drained,
	.eof = on_eof,
	.closed = on_closed,
};

bool end_pump(struct end *e, size_t *left)
{
	static const uint8_t block[16000];

	while (*left > 0 && !conn_full(e->c)) {
		size_t n = *left < sizeof(block) ? *left : sizeof(block);

		conn_write(e->c, slice_make(block, n));
		*left -= n;
	}
	return *left == 0;
}

void end_pattern(struct buf *b, size_t n)
{
	uint8_t *p = buf_room(b, n);

	for (size_t i = 0; i < n; i++)
		p[i] = (uint8_t)(i * 31 + (i >> 8) * 7 + (i >> 16));
	buf_grow(b, n);
}

/* Identities. */

void pair_identity_make(struct pair_identity *id, const char *name,
			const struct pair_identity *issuer)
{
	const char *dns[] = { name };
	const uint8_t ip[][4] = { { 127, 0, 0, 1 } };
	struct x509_template t = { .common_name = name,
				   .not_before = clock_wall() - 3600,
				   .not_after = clock_wall() + 3600,
				   .ca = issuer == NULL,
				   .server = true,
				   .client = true,
				   .dns = dns,
				   .n_dns = 1,
				   .ip = ip,
				   .n_ip = 1 };
	auto_buf struct buf spki = buf_make(1024);
	auto_x509 struct x509 *ca = NULL;
	struct err err = { 0 };

	*id = (struct pair_identity){ .der = buf_make(8192) };
	bool ok = keypair_new(KEY_P256, &id->key, &err) == OK &&
		  keypair_spki(id->key, &spki, &err) == OK &&
		  (issuer == NULL ||
		   x509_parse(buf_slice(&issuer->der), &ca, &err) == OK) &&
		  x509_sign(&t, buf_slice(&spki), ca,
			    issuer == NULL ? id->key : issuer->key, &id->der,
			    &err) == OK;
	if (!EXPECT(ok))
		printf("%s\n", err.text);
}

void pair_identity_done(struct pair_identity *id)
{
	keypair_free(id->key);
	id->key = NULL;
	buf_done(&id->der);
}

struct tls *pair_identity_server(const struct pair_identity *id,
				 bool ask_client)
{
	struct tls_settings s = { .server = true,
				  .chain = { buf_slice(&id->der) },
				  .n_chain = 1,
				  .key = id->key,
				  .ask_client = ask_client };
	struct tls *t = NULL;
	struct err err = { 0 };

	if (!EXPECT(tls_new(&s, &t, &err) == OK))
		printf("%s\n", err.text);
	return t;
}

struct tls *pair_identity_client(const struct pair_identity *id,
				 const struct pair_identity *root,
				 bool any_name)
{
	struct tls_settings s = { .any_name = any_name };
	struct tls *t = NULL;
	struct err err = { 0 };

	if (id != NULL) {
		s.chain[0] = buf_slice(&id->der);
		s.n_chain = 1;
		s.key = id->key;
	}
	if (root != NULL) {
		s.roots[0] = buf_slice(&root->der);
		s.n_roots = 1;
	}
	if (!EXPECT(tls_new(&s, &t, &err) == OK))
		printf("%s\n", err.text);
	return t;
}

/* Pairs. */

static void on_accepted(void *ctx, struct conn *c)
{
	struct pair *p = ctx;

	p->accepted++;
	conn_free(p->b.c);
	p->b.c = c;
	conn_handlers(c, &end_events, &p->b);
}

bool pair_listen(struct pair *p, enum kind kind,
		 const struct listener_settings *set)
{
	struct err err = { 0 };

	*p = (struct pair){ .at = { .host = "0.0.0.0" } };
	end_init(&p->a);
	end_init(&p->b);
	if (kind == UNIX) {
		p->at.is_unix = true;
		(void)snprintf(p->at.host, sizeof(p->at.host), "%s/socket",
			       test_dir());
	}
	if (kind == TLS) {
		pair_identity_make(&p->id, "server.example", NULL);
		p->tls_b = pair_identity_server(&p->id, false);
		p->tls_a = pair_identity_client(NULL, NULL, false);
	}
	if (!EXPECT(loop_new(&p->loop, &err) == OK) ||
	    !EXPECT(listener_open(p->loop, &p->at, p->tls_b, set, on_accepted,
				  p, &p->ls, &err) == OK)) {
		printf("%s\n", err.text);
		return false;
	}
	listener_addr(p->ls, &p->at);
	if (kind != UNIX)
		(void)snprintf(p->at.host, sizeof(p->at.host), "127.0.0.1");
	return true;
}

bool pair_connect(struct pair *p)
{
	struct err err = { 0 };

	return EXPECT(conn_connect(p->loop, &p->at, p->tls_a, 3000, &end_events,
				   &p->a, &p->a.c, &err) == OK);
}

bool pair_open(struct pair *p, enum kind kind)
{
	return pair_listen(p, kind, NULL) && pair_connect(p) &&
	       RUN_UNTIL(p->loop, p->a.readies > 0 && p->b.readies > 0);
}

void pair_done(struct pair *p)
{
	end_done(&p->a);
	end_done(&p->b);
	listener_close(p->ls);
	tls_unref(p->tls_a);
	tls_unref(p->tls_b);
	pair_identity_done(&p->id);
	loop_free(p->loop);
}

void run_for(struct loop *l, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until)
		loop_run_once(l, until - clock_mono_ms());
}
