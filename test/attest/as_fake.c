#include "test/attest/as_fake.h"

#include <stdlib.h>

#include "attest/evidence.h"
#include "core/cleanup.h"
#include "core/io/conn.h"
#include "core/json.h"

#define BODY_MAX (1u << 20)

static void must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "as_fake: %s\n", err->text);
	abort();
}

static void on_gone(void *ctx, const struct err *why)
{
	(void)ctx;
	(void)why;
}

static const struct http_call_events ignored = { .gone = on_gone };

/* ---- the fake ----------------------------------------------------------- */

static void put_bundle(const struct as_shown *s, struct json_out *out)
{
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	const struct attempt a = { .statement = s->statement,
				   .options = s->options,
				   .root = s->root };

	if (s->raw_bundle != NULL) {
		json_put_raw(out, "bundle", slice_str(s->raw_bundle));
		return;
	}
	as_world_bundle(&a, &bundle);
	json_put_raw(out, "bundle", buf_slice(&bundle));
}

static void put_answer(const struct as_shown *s, struct json_out *out)
{
	static const uint8_t root[32];

	json_open_object(out, NULL);
	put_bundle(s, out);
	json_put_str(out, "keys", buf_slice(&s->keys));
	if (s->has_manifest) {
		json_open_object(out, "manifest");
		json_put_hex(out, "digest", slice_of(s->digest));
		json_put_u64(out, "generation", 1);
		json_put_hex(out, "head", slice_of(s->head));
		json_close_object(out);
	} else
		json_put_null(out, "manifest");
	json_open_object(out, "log");
	json_put_u64(out, "size", 0);
	json_put_hex(out, "root", slice_of(root));
	json_close_object(out);
	json_put_cstr(out, "state", s->state);
	json_close_object(out);
}

static void put_keys(struct buf *out)
{
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	memset(k.hpke, 9, sizeof(k.hpke));
	must(keyset_as_write(&k, out, &err), &err);
}

/* All as it should be, for this connection and nonce. */
static void fill(struct as_fake *f, struct http_call *call,
		 const uint8_t nonce[static 32], struct as_shown *s)
{
	struct statement *st = &s->statement;
	struct err err;

	*s = (struct as_shown){ .options = f->w->options,
				.root = buf_slice(&f->w->root),
				.keys = buf_make(KEYSET_MAX),
				.state = f->serving ? "serving"
						    : "uninitialized",
				.has_manifest = f->serving };
	put_keys(&s->keys);
	st->purpose = PURPOSE_AS;
	st->has_exporter = true;
	st->has_manifest = f->serving;
	memcpy(st->nonce, nonce, 32);
	must(conn_exporter(http_call_conn(call), STATEMENT_EXPORTER_LABEL,
			   slice_make(nonce, 32), st->exporter, 32, &err),
	     &err);
	x509_spki_sha256(f->id.cert, st->spki);
	keyset_digest(buf_slice(&s->keys), st->keys);
	memcpy(st->manifest, f->w->manifest->digest, 32);
	memcpy(s->digest, f->w->manifest->digest, 32);
}

static void on_attest(void *ctx, struct http_call *call, struct slice body)
{
	struct as_fake *f = ctx;
	auto_json struct json *root = NULL;
	auto_buf struct buf text = buf_make(4u << 20);
	struct json_out out = { .buf = &text };
	struct as_shown s;
	uint8_t nonce[32];
	struct err err;

	f->attested++;
	must(json_parse(body, &root, &err), &err);
	must(json_want_hex(root, "nonce", nonce, 32, &err), &err);
	fill(f, call, nonce, &s);
	if (f->spoil != NULL)
		f->spoil(&s);
	if (s.raw_answer != NULL)
		buf_put_str(&text, s.raw_answer);
	else
		put_answer(&s, &out);
	buf_done(&s.keys);
	http_call_reply(call, 200, "application/json", buf_slice(&text), NULL,
			0);
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct as_fake *f = ctx;

	http_call_own(call, &ignored, NULL);
	if (f->silent)
		return;
	if (slice_eq_str(head->target, "/v1/attest")) {
		http_call_collect(call, BODY_MAX, on_attest, f);
		return;
	}
	f->others++;
	http_call_reply(call, 200, "application/json", buf_slice(&f->manifest),
			NULL, 0);
}

static void listen_as(struct as_fake *f,
		      void (*accepted)(void *ctx, struct conn *c), void *ctx)
{
	struct tls_settings t = { .server = true, .ask_client = true };
	struct addr any = { .host = "127.0.0.1" };
	struct err err;

	must(identity_new("fake", 1, &f->id, &err), &err);
	t.chain[0] = x509_der(f->id.cert);
	t.n_chain = 1;
	t.key = f->id.key;
	must(tls_new(&t, &f->tls, &err), &err);
	must(listener_open(f->w->loop, &any, f->tls, NULL, accepted, ctx,
			   &f->listener, &err),
	     &err);
	listener_addr(f->listener, &f->at);
}

void as_fake_init(struct as_fake *f, struct as_world *w)
{
	static const struct http_server_events events = { .on_call = on_call };
	struct err err;

	*f = (struct as_fake){ .w = w, .manifest = buf_make(MANIFEST_MAX) };
	buf_put(&f->manifest, buf_slice(&w->manifest_text));
	must(http_server_new(w->loop, NULL, &events, f, &f->server, &err),
	     &err);
	listen_as(f, http_server_accept, f->server);
}

/* ---- the relay ---------------------------------------------------------- */

/* Two connections; each one's bytes go to the other. */
struct relay {
	struct relay *next;
	struct side {
		struct relay *relay;
		struct conn *own, *other;
	} in, out;
};

static size_t on_data(void *ctx, struct slice in)
{
	struct side *s = ctx;

	conn_write(s->other, in);
	return in.len;
}

static void on_closed(void *ctx, const struct err *why)
{
	struct side *s = ctx;

	(void)why;
	conn_close(s->other);
}

static const struct conn_events passing = { .data = on_data,
					    .closed = on_closed };

static void on_relayed(void *ctx, struct conn *c)
{
	struct as_fake *f = ctx;
	struct relay *r = mem_must(sizeof(*r));
	struct tls_settings t = { .any_name = true };
	struct addr to = f->w->at;
	struct tls *tls = NULL;
	struct err err;

	to.tls = true;
	t.chain[0] = x509_der(f->w->me.cert);
	t.n_chain = 1;
	t.key = f->w->me.key;
	must(tls_new(&t, &tls, &err), &err);
	r->in = (struct side){ r, c, NULL };
	r->out = (struct side){ r, NULL, c };
	must(conn_connect(f->w->loop, &to, tls, 0, &passing, &r->out,
			  &r->out.own, &err),
	     &err);
	tls_unref(tls);
	r->in.other = r->out.own;
	conn_handlers(c, &passing, &r->in);
	r->next = f->relays;
	f->relays = r;
	f->attested++;
}

void as_fake_relay(struct as_fake *f, struct as_world *w)
{
	*f = (struct as_fake){ .w = w };
	listen_as(f, on_relayed, f);
}

void as_fake_done(struct as_fake *f)
{
	while (f->relays != NULL) {
		struct relay *r = f->relays;

		f->relays = r->next;
		conn_free(r->in.own);
		conn_free(r->out.own);
		mem_free(r);
	}
	listener_close(f->listener);
	if (f->server != NULL)
		http_server_free(f->server);
	tls_unref(f->tls);
	identity_done(&f->id);
	buf_done(&f->manifest);
}
