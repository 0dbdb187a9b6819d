#include "attest/peer.h"

#include "attest/answer.h"
#include "attest/evidence.h"
#include "attest/statement.h"
#include "attest/verifier.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

#define TIMEOUT_MS 10000
#define DETAIL_MAX 400 /* bytes of a refusal that are shown */

struct peer {
	struct http_client *client;
	enum peer_expect expect;
	struct manifest *manifest; /* what judges; NULL until it was served */
	struct tee_roots trust;
	int64_t at; /* 0: now */
	uint8_t nonce[32];
	void (*verified)(void *ctx, const struct err *err);
	void *ctx;

	/* Until verified: bounds all of it together, however slowly bytes
	 * drip in. */
	struct loop_timer *deadline;
	int64_t timeout_ms;

	struct answer answer;
	struct keyset_as keys;
	struct trace trace;
	struct claims claims;
};

/* The last that is done with p: the owner may free it. */
static void tell(struct peer *p, const struct err *err)
{
	loop_timer_disarm(p->deadline);
	p->verified(p->ctx, err);
}

static void on_deadline(void *ctx)
{
	struct peer *p = ctx;
	struct err err;

	http_client_free(take(p->client));
	(void)err_set(&err, E_UNAVAIL,
		      "the attestation service did not answer whole within "
		      "%lld ms",
		      (long long)p->timeout_ms);
	tell(p, &err);
}

/* A sealed service has a state, and nobody can set another beside it. */
static enum status say_sealed(enum status code, struct err *err)
{
	return err_set(err, code,
		       "the attestation service has a stored state that it "
		       "cannot open (state sealed): its log says why; start it "
		       "with the program and on the machine that stored it, or "
		       "with an empty --store to begin anew");
}

/* Which manifest must be in force, before anything is judged. */
static enum status check_manifest(const struct peer *p, struct err *err)
{
	bool sealed = strcmp(p->answer.state, "sealed") == 0;
	char want[65], found[65];

	if (p->expect == PEER_UNINITIALIZED) {
		if (!p->answer.has_manifest &&
		    strcmp(p->answer.state, "uninitialized") == 0)
			return OK;
		if (sealed)
			return say_sealed(E_CONFLICT, err);
		return err_set(err, E_CONFLICT,
			       "the attestation service is initialized already "
			       "(state %s), and its manifest cannot be "
			       "replaced: 'confd manifest get' shows it",
			       p->answer.state);
	}
	if (sealed)
		return say_sealed(E_UNAVAIL, err);
	if (!p->answer.has_manifest)
		return err_set(err, E_UNAVAIL,
			       "the attestation service has no manifest (state "
			       "%s); run 'confd init'",
			       p->answer.state);
	if (memcmp(p->answer.digest, p->manifest->digest, 32) == 0)
		return OK;
	text_hex_into(want, sizeof(want), slice_of(p->manifest->digest));
	text_hex_into(found, sizeof(found), slice_of(p->answer.digest));
	return err_set(err, E_POLICY,
		       "the manifest in force is not the pinned one: expected "
		       "digest %s, found %s; if an update was announced, get "
		       "and check it with 'confd manifest get'",
		       want, found);
}

static enum status connection_facts(struct peer *p, struct verifier_case *c,
				    struct err *err)
{
	struct conn *conn = http_client_conn(p->client);
	uint8_t exporter[32], spki[32];

	TRY(conn_exporter(conn, STATEMENT_EXPORTER_LABEL, slice_of(p->nonce),
			  exporter, sizeof(exporter), err));
	if (!conn_peer_spki(conn, spki))
		return err_set(err, E_CRYPTO,
			       "the attestation service showed no certificate");
	c->exporter = expect_bytes(exporter);
	c->spki = expect_bytes(spki);
	return OK;
}

static enum status judge(struct peer *p, struct err *err)
{
	struct verifier_case c = {
		.bundle = buf_slice(&p->answer.bundle),
		.purpose = PURPOSE_AS,
		.nonce = expect_bytes(p->nonce),
		.by = p->manifest,
		.policies = &p->manifest->as_policies,
		.trust_roots = (const uint8_t(*)[32])p->trust.spki,
		.n_trust_roots = p->trust.n,
		.now = p->at == 0 ? clock_wall() : p->at,
	};
	uint8_t keys[32];
	struct verdict *verdict = NULL;

	TRY(check_manifest(p, err));
	TRY(manifest_check(p->manifest, err));
	TRY(connection_facts(p, &c, err));
	keyset_digest(buf_slice(&p->answer.keys), keys);
	c.keys = expect_bytes(keys);
	c.manifest = p->answer.has_manifest ? expect_bytes(p->answer.digest)
					    : expect_none();
	TRY(verifier_judge(&c, &p->trace, &p->claims, &verdict, err));
	verdict_free(verdict);
	return keyset_as_parse(buf_slice(&p->answer.keys), &p->keys, err);
}

static void finish(struct peer *p)
{
	struct err err = { 0 };

	if (judge(p, &err) != OK)
		(void)err_wrap(&err, "attestation service refused");
	tell(p, &err);
}

/* PEER_SERVED: the manifest that is to judge, named by its digest. */
static enum status take_served(struct peer *p, struct slice body,
			       struct err *err)
{
	TRY(manifest_parse(body, "manifest of the service", &p->manifest, err));
	if (memcmp(p->manifest->digest, p->answer.digest, 32) != 0)
		return err_set(err, E_CRYPTO,
			       "the manifest that was served is not the one "
			       "that was attested");
	return OK;
}

static void on_served(void *ctx, const struct err *why, unsigned status,
		      struct slice body)
{
	struct peer *p = ctx;
	struct err err = *why;

	if (err.code == OK &&
	    peer_refusal("manifest", status, body, &err) == OK)
		(void)take_served(p, body, &err);
	if (err.code != OK)
		tell(p, &err);
	else
		finish(p);
}

static void on_attested(void *ctx, const struct err *why, unsigned status,
			struct slice body)
{
	struct peer *p = ctx;
	struct err err = *why;

	if (err.code == OK &&
	    peer_refusal("attest", status, body, &err) == OK &&
	    answer_parse(body, &p->answer, &err) != OK)
		(void)err_wrap(&err, "attestation service's answer");
	if (err.code != OK) {
		tell(p, &err);
		return;
	}
	if (p->expect == PEER_SERVED && p->answer.has_manifest)
		http_client_call(p->client, "GET", S("/v1/manifest"), NULL,
				 S(""), MANIFEST_MAX, on_served, p);
	else if (p->expect == PEER_SERVED) {
		(void)check_manifest(p, &err);
		tell(p, &err);
	} else
		finish(p);
}

static void begin_attest(struct peer *p)
{
	auto_buf struct buf body = buf_make(256);
	struct json_out w = { .buf = &body };

	crypto_random(p->nonce, sizeof(p->nonce));
	json_open_object(&w, NULL);
	json_put_hex(&w, "nonce", slice_of(p->nonce));
	json_close_object(&w);
	http_client_call(p->client, "POST", S("/v1/attest"), "application/json",
			 buf_slice(&body), ANSWER_MAX, on_attested, p);
}

static enum status make_tls(const struct peer_settings *s, struct tls **out,
			    struct err *err)
{
	struct tls_settings t = { .any_name = true };

	if (s->cert != NULL) {
		t.chain[0] = x509_der(s->cert);
		t.n_chain = 1;
		t.key = s->key;
	}
	return tls_new(&t, out, err);
}

static enum status connect_to(struct loop *l, const struct peer_settings *s,
			      int64_t ms, struct http_client **out,
			      struct err *err)
{
	/* Until it is verified the deadline speaks first. */
	struct http_client_settings set = {
		.to = s->to,
		.connect_ms = ms + 1000,
		.idle_ms = ms + 1000,
		.head_ms = ms + 1000,
		.max_body = ANSWER_MAX,
	};

	set.to.tls = true;
	TRY(make_tls(s, &set.tls, err));
	enum status st = http_client_new(l, &set, out, err);
	tls_unref(set.tls);
	return st;
}

/* The manifest that judges is given, unless the one that is served does. */
static enum status copy_manifest(const struct peer_settings *s, struct peer *p,
				 struct err *err)
{
	if (s->expect == PEER_SERVED)
		return OK;
	if (s->manifest == NULL)
		return err_set(err, E_USAGE,
			       "no manifest to judge the attestation service "
			       "by");
	return manifest_parse(buf_slice(&s->manifest->text), "manifest",
			      &p->manifest, err);
}

enum status peer_open(struct loop *l, const struct peer_settings *s,
		      void (*verified)(void *ctx, const struct err *err),
		      void *ctx, struct peer **out, struct err *err)
{
	struct peer *p = mem_must(sizeof(*p));

	p->expect = s->expect;
	p->at = s->at;
	if (s->trust != NULL)
		p->trust = *s->trust;
	p->verified = verified;
	p->ctx = ctx;
	p->timeout_ms = s->timeout_ms != 0 ? s->timeout_ms : TIMEOUT_MS;
	p->deadline = loop_timer_new(l, on_deadline, p);
	answer_init(&p->answer);
	keyset_as_init(&p->keys);
	trace_init(&p->trace);
	enum status st = copy_manifest(s, p, err);
	if (st == OK)
		st = connect_to(l, s, p->timeout_ms, &p->client, err);
	if (st != OK) {
		peer_free(p);
		return st;
	}
	loop_timer_arm(p->deadline, p->timeout_ms);
	begin_attest(p);
	*out = p;
	return OK;
}

void peer_free(struct peer *p)
{
	if (p == NULL)
		return;
	http_client_free(p->client);
	manifest_free(p->manifest);
	loop_timer_free(p->deadline);
	answer_done(&p->answer);
	keyset_as_done(&p->keys);
	trace_done(&p->trace);
	mem_free(p);
}

void peer_call(struct peer *p, const char *method, const char *target,
	       const char *content_type, struct slice body, size_t max_body,
	       void (*done)(void *ctx, const struct err *err, unsigned status,
			    struct slice body),
	       void *ctx)
{
	http_client_call(p->client, method, slice_str(target), content_type,
			 body, max_body, done, ctx);
}

enum status peer_exporter(struct peer *p, const uint8_t nonce[static 32],
			  uint8_t out[static 32], struct err *err)
{
	return conn_exporter(http_client_conn(p->client),
			     STATEMENT_EXPORTER_LABEL, slice_make(nonce, 32),
			     out, 32, err);
}

const struct keyset_as *peer_keys(const struct peer *p)
{
	return &p->keys;
}

const struct manifest *peer_manifest(const struct peer *p)
{
	return p->manifest;
}

const struct claims *peer_claims(const struct peer *p)
{
	return &p->claims;
}

const char *peer_state(const struct peer *p)
{
	return p->answer.state;
}

uint64_t peer_log_size(const struct peer *p)
{
	return p->answer.log_size;
}

const uint8_t *peer_log_root(const struct peer *p)
{
	return p->answer.log_root;
}

const uint8_t *peer_chain_head(const struct peer *p)
{
	return p->answer.head;
}

const struct trace *peer_trace(const struct peer *p)
{
	return &p->trace;
}

struct slice peer_bundle(const struct peer *p)
{
	return buf_slice(&p->answer.bundle);
}

/* The member "detail" of a problem document, or nothing. */
static void detail_of(struct slice body, struct buf *out)
{
	auto_json struct json *root = NULL;
	struct err ignored;

	if (json_parse(body, &root, &ignored) != OK)
		return;
	const struct json *detail = json_get(root, "detail");
	if (detail == NULL || json_kind(detail) != JSON_STRING)
		return;
	struct slice text = json_str(detail);
	if (text.len > DETAIL_MAX)
		text = slice_sub(text, 0, DETAIL_MAX);
	text_escape(out, text);
}

enum status peer_refusal(const char *what, unsigned status, struct slice body,
			 struct err *err)
{
	static const struct {
		unsigned status;
		enum status code;
	} codes[] = {
		{ 401, E_PERM },     { 403, E_PERM },  { 404, E_NOTFOUND },
		{ 409, E_CONFLICT }, { 413, E_LIMIT }, { 429, E_UNAVAIL },
	};
	auto_buf struct buf detail = buf_make(4 * DETAIL_MAX);
	enum status code = status >= 500 ? E_UNAVAIL : E_PARSE;

	if (status >= 200 && status < 300)
		return OK;
	for (size_t i = 0; i < countof(codes); i++)
		if (codes[i].status == status)
			code = codes[i].code;
	detail_of(body, &detail);
	return err_set(err, code, "%s: refused with status %u%s%s", what,
		       status, detail.len > 0 ? ": " : "",
		       detail.len > 0 ? buf_cstr(&detail) : "");
}
