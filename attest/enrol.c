#include "attest/enrol.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"

#define ANSWER_MAX (2u << 20)
#define BODY_MAX (1u << 20)
#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS 30000
#define EVIDENCE_MS 60000 /* as long as a nonce lives */

/* A release has the keys of this hour and the next (attest/vault.h), and the
 * one after is published ten minutes early: 50 minutes from any moment. */
#define RENEW_MAX_MS (30 * 60 * 1000)

struct enrol {
	struct loop *loop;
	struct enrol_settings set;
	struct peer *peer;
	struct loop_timer *timer; /* next attempt */
	uint8_t nonce[32];
	bool leased;  /* renew rather than register */
	bool wanting; /* evidence was asked for, of this attempt */
	int64_t retry_ms;
};

static void fail(struct enrol *e, const struct err *why)
{
	struct err kept = *why; /* it may live in the peer */
	int64_t ms = e->retry_ms;

	peer_free(take(e->peer));
	e->wanting = false;
	e->retry_ms = ms * 2 > RETRY_MAX_MS ? RETRY_MAX_MS : ms * 2;
	loop_timer_arm(e->timer, ms);
	e->set.events->failed(e->set.ctx, &kept, ms);
}

/* ---- the answer --------------------------------------------------------- */

static enum status read_lease(const struct json *root, struct enrol_lease *l,
			      struct err *err)
{
	static const char *const names[] = { "expires", "id", "seconds" };
	const struct json *lease;
	uint64_t expires;

	TRY(json_want_member(root, "lease", JSON_OBJECT, &lease, err));
	TRY(json_only(lease, names, countof(names), err));
	TRY(json_want_str(lease, "id", &l->id, err));
	TRY(json_want_u64(lease, "expires", 1, 1ull << 53, &expires, err));
	TRY(json_want_u64(lease, "seconds", 1, 86400, &l->seconds, err));
	l->expires = (int64_t)expires;
	return OK;
}

static enum status read_answer(struct slice body, struct buf *secrets,
			       struct json **root, struct enrol_lease *l,
			       struct err *err)
{
	static const char *const names[] = { "certificate", "lease", "manifest",
					     "secrets" };

	TRY(json_parse(body, root, err));
	TRY(json_want(*root, JSON_OBJECT, err));
	TRY(json_only(*root, names, countof(names), err));
	TRY(read_lease(*root, l, err));
	TRY(json_want_str(*root, "certificate", &l->certificate, err));
	TRY(json_want_base64(*root, "secrets", secrets, err));
	l->secrets = buf_slice(secrets);
	return OK;
}

/* When to renew: at half of the lease, and before the last of the group keys
 * that came with it is the one in use. */
static int64_t renew_ms(uint64_t seconds)
{
	int64_t half = (int64_t)seconds * 1000 / 2;

	return half < RENEW_MAX_MS ? half : RENEW_MAX_MS;
}

static enum status take_lease(struct enrol *e, struct slice body,
			      struct err *err)
{
	auto_json struct json *root = NULL;
	auto_buf struct buf secrets = buf_make(ANSWER_MAX);
	struct enrol_lease l = { .manifest = peer_manifest(e->peer) };

	TRY(read_answer(body, &secrets, &root, &l, err));
	e->leased = true;
	e->retry_ms = RETRY_FIRST_MS;
	loop_timer_arm(e->timer, renew_ms(l.seconds));

	/* The owner may free us: only what is ours alone is touched after. */
	struct peer *p = take(e->peer);
	e->set.events->leased(e->set.ctx, &l);
	peer_free(p);
	return OK;
}

static void on_answer(void *ctx, const struct err *why, unsigned status,
		      struct slice body)
{
	struct enrol *e = ctx;
	struct err err = *why;

	if (err.code == OK &&
	    peer_refusal("registration", status, body, &err) == OK &&
	    take_lease(e, body, &err) == OK)
		return;
	if (err.code == E_NOTFOUND)
		e->leased = false; /* nothing to renew: register */
	fail(e, &err);
}

/* ---- asking ------------------------------------------------------------- */

void enrol_evidence(struct enrol *e, struct slice bundle, struct slice keys)
{
	auto_buf struct buf body = buf_make(BODY_MAX);
	struct json_out w = { .buf = &body };
	struct err err;

	if (!e->wanting)
		return; /* the attempt has failed since */
	e->wanting = false;
	loop_timer_disarm(e->timer);
	json_open_object(&w, NULL);
	json_put_cstr(&w, "group", e->set.group);
	json_put_cstr(&w, "name", e->set.name);
	json_put_hex(&w, "nonce", slice_of(e->nonce));
	json_put_str(&w, "keys", keys);
	json_put_raw(&w, "bundle", bundle);
	json_close_object(&w);
	if (buf_check(&body, "registration", &err) != OK) {
		fail(e, &err);
		return;
	}
	peer_call(e->peer, "POST",
		  e->leased ? "/v1/workers/renew" : "/v1/workers",
		  "application/json", buf_slice(&body), ANSWER_MAX, on_answer,
		  e);
}

void enrol_no_evidence(struct enrol *e, const struct err *why)
{
	if (e->wanting)
		fail(e, why);
}

static enum status read_nonce(struct enrol *e, struct slice body,
			      struct err *err)
{
	auto_json struct json *root = NULL;

	TRY(json_parse(body, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	return json_want_hex(root, "nonce", e->nonce, sizeof(e->nonce), err);
}

static enum status fill_statement(struct enrol *e, struct statement *s,
				  struct err *err)
{
	s->purpose = PURPOSE_WORKER;
	s->has_exporter = true;
	s->has_manifest = true;
	memcpy(s->nonce, e->nonce, sizeof(s->nonce));
	memcpy(s->manifest, peer_manifest(e->peer)->digest, 32);
	x509_spki_sha256(e->set.cert, s->spki);
	return peer_exporter(e->peer, e->nonce, s->exporter, err);
}

static void on_nonce(void *ctx, const struct err *why, unsigned status,
		     struct slice body)
{
	struct enrol *e = ctx;
	struct err err = *why;
	struct statement s = { 0 };

	if (err.code == OK && peer_refusal("nonce", status, body, &err) == OK &&
	    read_nonce(e, body, &err) == OK)
		(void)fill_statement(e, &s, &err);
	if (err.code != OK)
		fail(e, &err);
	else {
		e->wanting = true;
		/* Begin anew should it never come: the nonce is dead then. */
		loop_timer_arm(e->timer, EVIDENCE_MS);
		e->set.events->want_evidence(e->set.ctx, &s);
	}
}

static void on_verified(void *ctx, const struct err *why)
{
	struct enrol *e = ctx;

	if (why->code != OK)
		fail(e, why);
	else
		peer_call(e->peer, "GET", "/v1/nonce", NULL, S(""), 4096,
			  on_nonce, e);
}

static void attempt(void *ctx)
{
	struct enrol *e = ctx;
	struct peer_settings s = {
		.to = e->set.as,
		.expect = e->set.pin != NULL ? PEER_PINNED : PEER_SERVED,
		.manifest = e->set.pin,
		.cert = e->set.cert,
		.key = e->set.key,
		.trust = e->set.trust,
	};
	struct err err;

	e->wanting = false;
	peer_free(take(e->peer));
	if (peer_open(e->loop, &s, on_verified, e, &e->peer, &err) != OK)
		fail(e, &err);
}

enum status enrol_new(struct loop *l, const struct enrol_settings *s,
		      struct enrol **out, struct err *err)
{
	(void)err;
	struct enrol *e = mem_must(sizeof(*e));

	e->loop = l;
	e->set = *s;
	e->retry_ms = RETRY_FIRST_MS;
	e->timer = loop_timer_new(l, attempt, e);
	loop_timer_arm(e->timer, 0);
	*out = e;
	return OK;
}

void enrol_free(struct enrol *e)
{
	if (e == NULL)
		return;
	peer_free(e->peer);
	loop_timer_free(e->timer);
	mem_free(e);
}
