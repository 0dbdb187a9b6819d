#include "attest/keeper.h"

#include "attest/keeper_state.h"
#include "attest/leases.h"
#include "attest/messages.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/io/chan.h"
#include "core/log.h"
#include "core/text.h"

/* Together less than a channel queues (core/io/chan), so that a rush of
 * registrations is refused and breaks nothing. */
#define WAITING_MAX 256
#define WAITING_BYTES_MAX (32u << 20)

/* It has no reason to think for longer about one case. */
#define JUDGE_MS 30000

/* A registration that the judge has. */
struct waiting {
	bool used;
	uint32_t id;	    /* ours, to the judge */
	uint32_t reply;	    /* net's */
	struct buf message; /* MSG_REGISTER as it came */
	size_t bytes;	    /* that it takes in our queues */
};

struct keeper {
	struct loop *loop;
	struct chan *net, *judge;
	struct tee_device *tee;
	struct tee_roots trust;
	struct keeper_state state;
	struct leases *leases;
	struct nonces *nonces;
	struct waiting waiting[WAITING_MAX];
	size_t n_waiting, waiting_bytes;
	uint32_t next_id;
	struct loop_timer *rotate;   /* the key set changes by itself */
	struct loop_timer *judgment; /* is due: the judge hangs */
	struct err end;
};

/* MSG_REGISTER, borrowed. */
struct registration {
	uint32_t id;
	bool renew;
	struct slice nonce, exporter, spki, group, name, keys, bundle;
};

/* It cannot go on: fail closed, and nothing more is said to anybody. */
static void give_up(struct keeper *k, const struct err *why)
{
	if (k->end.code == OK)
		k->end = *why;
	loop_stop(k->loop);
}

/* outcome: what became of it; err's text counts only where it is not OK, since
 * something may have been tried in vain before it went well. */
static void reply(struct keeper *k, uint32_t id, enum status outcome,
		  const struct err *err, struct slice payload)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);

	if (k->end.code != OK)
		return;
	buf_put_u32be(&out, id);
	buf_put_u8(&out, (uint8_t)outcome);
	if (outcome == OK)
		buf_put(&out, payload);
	else
		buf_put_field(&out, slice_str(err->text));
	chan_send(k->net, MSG_REPLY, buf_slice(&out), -1);
}

/* Tell net what anybody may know; again when the key set changes. */
static void publish(struct keeper *k)
{
	const struct manifest *m = vault_manifest(k->state.vault);
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	auto_buf struct buf keys = buf_make(KEYSET_MAX);
	uint8_t root[32];
	int64_t now = clock_wall();
	struct err err = { 0 };

	if (vault_keyset(k->state.vault, now, &keys, &err) != OK) {
		log_error("key-set", LOG_ERR(&err));
		give_up(k, &err);
		return;
	}
	releaselog_root(&k->state.log, root);
	buf_put_u8(&out, (uint8_t)keeper_state_name(&k->state));
	buf_put(&out, slice_of(k->state.chain.head));
	buf_put_u64be(&out, releaselog_size(&k->state.log));
	buf_put(&out, slice_of(root));
	buf_put_field(&out, m != NULL ? buf_slice(&m->text) : S(""));
	buf_put_field(&out, buf_slice(&keys));
	chan_send(k->net, MSG_PUBLIC, buf_slice(&out), -1);
	loop_timer_arm(k->rotate, (vault_keyset_until(now) - now) * 1000);
}

static void on_rotate(void *ctx)
{
	publish(ctx);
}

/* ---- attest, init, nonce, workers --------------------------------------- */

static enum status attest(struct keeper *k, struct cursor *in, struct buf *out,
			  struct err *err)
{
	const struct manifest *m = vault_manifest(k->state.vault);
	struct slice nonce = cursor_bytes(in, 32);
	struct slice exporter = cursor_bytes(in, 32);
	struct slice spki = cursor_bytes(in, 32);
	struct statement s = { .purpose = PURPOSE_AS,
			       .has_exporter = true,
			       .has_manifest = m != NULL };
	auto_buf struct buf keys = buf_make(KEYSET_MAX);
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);

	TRY(cursor_end(in, "attest", err));
	TRY(vault_keyset(k->state.vault, clock_wall(), &keys, err));
	memcpy(s.nonce, nonce.p, 32);
	memcpy(s.exporter, exporter.p, 32);
	memcpy(s.spki, spki.p, 32);
	if (m != NULL)
		memcpy(s.manifest, m->digest, 32);
	keyset_digest(buf_slice(&keys), s.keys);
	TRY(tee_device_attest(k->tee, &s, &bundle, err));
	buf_put_field(out, buf_slice(&bundle));
	buf_put_field(out, buf_slice(&keys));
	return buf_check(out, "attestation", err);
}

static enum status init(struct keeper *k, struct cursor *in, struct err *err)
{
	struct slice manifest = cursor_field(in);
	struct slice secrets = cursor_field(in);
	struct manifest_chain chain = k->state.chain;
	struct releaselog log = k->state.log;

	TRY(cursor_end(in, "init", err));
	if (k->state.sealed)
		return err_set(err, E_CONFLICT,
			       "this attestation service is sealed: its store "
			       "has a state of another program or machine");
	TRY(vault_init(k->state.vault, manifest, secrets, clock_wall(), err));
	const struct manifest *m = vault_manifest(k->state.vault);
	manifest_chain_add(&k->state.chain, m->digest);
	releaselog_add(&k->state.log, "manifest", m->digest);
	if (keeper_state_save(&k->state, err) != OK) {
		/* Atomic: what could not be stored did not happen. */
		keeper_state_forget(&k->state);
		vault_reset(k->state.vault);
		k->state.chain = chain;
		k->state.log = log;
		return err->code;
	}
	log_info("initialized", LOG_CSTR("manifest", m->name),
		 LOG_U64("generation", m->generation));
	publish(k);
	return OK;
}

static void on_attest(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	struct err err = { 0 };

	(void)fd;
	enum status s = attest(k, &in, &out, &err);
	if (s != OK) {
		log_error("attest", LOG_ERR(&err));
		/* Files and devices here are no stranger's business. */
		s = err_set(&err, E_UNAVAIL,
			    "it cannot give evidence now; its log says why");
	}
	reply(k, id, s, &err, buf_slice(&out));
}

static void on_init(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);
	struct err err = { 0 };

	(void)fd;
	enum status s = init(k, &in, &err);
	if (s != OK)
		log_warn("init-refused", LOG_ERR(&err));
	reply(k, id, s, &err, S(""));
}

static void on_nonce(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);
	struct err err = { 0 };
	uint8_t nonce[32];

	(void)fd;
	nonces_issue(k->nonces, clock_mono_ms(), nonce);
	reply(k, id, OK, &err, slice_of(nonce));
}

static void on_workers(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct cursor in = cursor_make(body);
	uint32_t id = cursor_u32be(&in);
	auto_buf struct buf out = buf_make(MSG_BODY_MAX - 64);
	struct json_out w = { .buf = &out };
	struct err err = { 0 };

	(void)fd;
	leases_write(k->leases, clock_wall(), &w);
	enum status s = buf_check(&out, "list of workers", &err);
	reply(k, id, s, &err, buf_slice(&out));
}

/* ---- register ----------------------------------------------------------- */

static enum status read_registration(struct slice body, struct registration *r,
				     struct err *err)
{
	struct cursor in = cursor_make(body);

	r->id = cursor_u32be(&in);
	r->renew = cursor_u8(&in) != 0;
	r->nonce = cursor_bytes(&in, 32);
	r->exporter = cursor_bytes(&in, 32);
	r->spki = cursor_bytes(&in, 32);
	r->group = cursor_field(&in);
	r->name = cursor_field(&in);
	r->keys = cursor_field(&in);
	r->bundle = cursor_field(&in);
	TRY(cursor_end(&in, "registration", err));
	if (!text_is_name(r->name) || !text_is_name(r->group))
		return err_set(err, E_PARSE,
			       "name and group: expected 1 to 64 of a-z 0-9 . "
			       "_ -");
	return OK;
}

/* What can be said before the judge is asked. */
static enum status admit(struct keeper *k, const struct registration *r,
			 struct err *err)
{
	const struct manifest *m = vault_manifest(k->state.vault);

	if (m == NULL)
		return err_set(err, E_UNAVAIL,
			       "this attestation service has no manifest yet");
	if (!nonces_use(k->nonces, clock_mono_ms(), r->nonce.p))
		return err_set(err, E_CRYPTO,
			       "nonce: not one of ours, used already, or older "
			       "than %d s",
			       NONCE_SECONDS);
	if (manifest_find_worker(m, r->group) == NULL)
		return err_set(err, E_POLICY,
			       "group '%.*s': not in the manifest",
			       SLICE_FMT(r->group));
	if (r->renew &&
	    leases_find(k->leases, r->spki.p, r->group, clock_wall()) == NULL)
		return err_set(err, E_NOTFOUND,
			       "no lease to renew; register again");
	return OK;
}

/* A slot for a case of so many bytes, or NULL. */
static struct waiting *take_slot(struct keeper *k, size_t bytes)
{
	if (bytes > WAITING_BYTES_MAX - k->waiting_bytes)
		return NULL;
	for (size_t i = 0; i < WAITING_MAX; i++) {
		struct waiting *w = &k->waiting[i];

		if (w->used)
			continue;
		w->used = true;
		w->bytes = bytes;
		k->waiting_bytes += bytes;
		if (k->n_waiting++ == 0)
			loop_timer_arm(k->judgment, JUDGE_MS);
		return w;
	}
	return NULL;
}

static void free_slot(struct keeper *k, struct waiting *w)
{
	buf_done(&w->message);
	w->used = false;
	k->waiting_bytes -= w->bytes;
	if (--k->n_waiting > 0)
		loop_timer_arm(k->judgment, JUDGE_MS);
	else
		loop_timer_disarm(k->judgment);
}

static void put_case(const struct keeper *k, const struct registration *r,
		     uint32_t id, struct buf *out)
{
	const struct manifest *m = vault_manifest(k->state.vault);
	uint8_t keys[32];

	keyset_digest(r->keys, keys);
	buf_put_u32be(out, id);
	buf_put(out, r->nonce);
	buf_put(out, r->exporter);
	buf_put(out, r->spki);
	buf_put(out, slice_of(keys));
	buf_put_u64be(out, (uint64_t)clock_wall());
	buf_put_field(out, slice_make(k->trust.spki[0], 32 * k->trust.n));
	buf_put_field(out, buf_slice(&m->text));
	buf_put_field(out, r->group);
	buf_put_field(out, r->bundle);
}

static enum status ask_judge(struct keeper *k, const struct registration *r,
			     struct slice body, struct err *err)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	uint32_t id = ++k->next_id;

	put_case(k, r, id, &out);
	TRY(buf_check(&out, "case", err));
	struct waiting *w = take_slot(k, out.len + body.len);
	if (w == NULL)
		return err_set(err, E_UNAVAIL,
			       "%zu registrations are being judged; try again "
			       "in a second",
			       k->n_waiting);
	w->id = id;
	w->reply = r->id;
	w->message = buf_make(MSG_BODY_MAX);
	buf_put(&w->message, body);
	chan_send(k->judge, MSG_CASE, buf_slice(&out), -1);
	return OK;
}

static void on_register(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct registration r = { 0 };
	struct err err = { 0 };

	(void)fd;
	enum status s = read_registration(body, &r, &err);
	if (s == OK)
		s = admit(k, &r, &err);
	if (s == OK)
		s = ask_judge(k, &r, body, &err);
	if (s != OK) {
		log_warn("worker-refused", LOG_STR("group", r.group),
			 LOG_STR("name", r.name), LOG_ERR(&err));
		reply(k, r.id, s, &err, S(""));
	}
}

/* ---- release ------------------------------------------------------------ */

static enum status grant(struct keeper *k, const struct registration *r,
			 const struct verdict *v, int64_t now,
			 const struct lease **out, struct err *err)
{
	struct lease l = {
		.expires = now + vault_manifest(k->state.vault)->lease_worker
	};

	(void)snprintf(l.name, sizeof(l.name), "%.*s", SLICE_FMT(r->name));
	(void)snprintf(l.group, sizeof(l.group), "%.*s", SLICE_FMT(r->group));
	(void)snprintf(l.policy, sizeof(l.policy), "%s", verdict_policy(v));
	(void)snprintf(l.tee, sizeof(l.tee), "%s", verdict_tee(v));
	memcpy(l.spki, r->spki.p, 32);
	return leases_grant(k->leases, &l, now, out, err);
}

static void log_release(struct keeper *k, const struct verdict *v,
			struct slice sealed)
{
	uint8_t digest[32];

	verdict_digest(v, digest);
	releaselog_add(&k->state.log, "verdict", digest);
	sha256(sealed, digest);
	releaselog_add(&k->state.log, "release", digest);
}

static enum status release(struct keeper *k, const struct registration *r,
			   const struct verdict *v,
			   const uint8_t statement[static 32], struct buf *out,
			   struct err *err)
{
	auto_buf struct buf sealed = buf_make(128u << 10);
	auto_buf struct buf certs = buf_make(32u << 10);
	auto_buf struct buf name = buf_make(128);
	const struct lease *lease;
	int64_t now = clock_wall();

	if (memcmp(verdict_spki(v), r->spki.p, 32) != 0 ||
	    memcmp(verdict_nonce(v), r->nonce.p, 32) != 0)
		return err_set(err, E_POLICY, "the verdict is for another");
	buf_put(&name, r->name);
	TRY(vault_release(k->state.vault, v, r->group, r->keys, statement, now,
			  &sealed, err));
	TRY(vault_certify(k->state.vault, v, r->keys, buf_cstr(&name), now,
			  &certs, err));

	/* What is not in the log, and stored, is not released. */
	struct releaselog before = k->state.log;
	log_release(k, v, buf_slice(&sealed));
	if (keeper_state_save(&k->state, err) != OK) {
		k->state.log = before;
		return err->code;
	}
	TRY(grant(k, r, v, now, &lease, err));
	buf_put_field(out, slice_str(lease->id));
	buf_put_u64be(out, (uint64_t)lease->expires);
	buf_put_u64be(out, (uint64_t)(lease->expires - now));
	buf_put_field(out, buf_slice(&certs));
	buf_put_field(out, buf_slice(&sealed));
	log_info("worker-leased", LOG_BOOL("renewed", r->renew),
		 LOG_STR("group", r->group), LOG_STR("name", r->name),
		 LOG_CSTR("policy", verdict_policy(v)),
		 LOG_CSTR("lease", lease->id));
	return buf_check(out, "release", err);
}

/* MSG_VERDICT, borrowed. */
struct judgement {
	uint32_t id;
	enum status code;
	struct slice text, packed, statement;
};

static enum status read_judgement(struct slice body, struct judgement *j,
				  struct err *err)
{
	struct cursor in = cursor_make(body);

	j->id = cursor_u32be(&in);
	j->code = (enum status)cursor_u8(&in);
	j->text = cursor_field(&in);
	j->packed = cursor_field(&in);
	j->statement = cursor_bytes(&in, 32);
	return cursor_end(&in, "verdict", err);
}

static enum status settle(struct keeper *k, const struct registration *r,
			  const struct judgement *j, struct buf *out,
			  struct err *err)
{
	auto_verdict struct verdict *v = NULL;

	if (j->code != OK)
		return err_set(err, j->code, "%.*s", SLICE_FMT(j->text));
	TRY(verdict_unpack(j->packed, &v, err));
	return release(k, r, v, j->statement.p, out, err);
}

static struct waiting *find_waiting(struct keeper *k, uint32_t id)
{
	for (size_t i = 0; i < WAITING_MAX; i++)
		if (k->waiting[i].used && k->waiting[i].id == id)
			return &k->waiting[i];
	return NULL;
}

/* Answer the registration that a judgement is about. */
static void conclude(struct keeper *k, const struct waiting *w,
		     const struct judgement *j)
{
	struct registration r = { 0 };
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	struct err err = { 0 };

	enum status s = read_registration(buf_slice(&w->message), &r, &err);
	if (s == OK)
		s = settle(k, &r, j, &out, &err);
	if (s != OK)
		log_warn("worker-refused", LOG_STR("group", r.group),
			 LOG_STR("name", r.name), LOG_ERR(&err));
	else
		publish(k); /* the log has grown */
	reply(k, w->reply, s, &err, buf_slice(&out));
}

static void on_verdict(void *ctx, struct slice body, int fd)
{
	struct keeper *k = ctx;
	struct judgement j = { 0 };
	struct err err = { 0 };

	(void)fd;
	if (read_judgement(body, &j, &err) != OK) {
		give_up(k, &err);
		return;
	}
	struct waiting *w = find_waiting(k, j.id);
	if (w == NULL)
		return; /* nobody waits for it */
	conclude(k, w, &j);
	free_slot(k, w);
}

/* ---- running ------------------------------------------------------------ */

static void on_net_gone(void *ctx, const struct err *why)
{
	struct keeper *k = ctx;

	(void)why;
	loop_stop(k->loop);
}

static void on_judge_gone(void *ctx, const struct err *why)
{
	struct err err;

	(void)err_set(&err, E_IO, "the judge is gone: %s", why->text);
	give_up(ctx, &err);
}

static void on_judge_late(void *ctx)
{
	struct err err;

	(void)err_set(&err, E_IO, "the judge has said nothing for %d s",
		      JUDGE_MS / 1000);
	give_up(ctx, &err);
}

static const struct chan_row net_rows[] = {
	{ MSG_ATTEST, 100, 100, false, on_attest },
	{ MSG_INIT, 12, MSG_BODY_MAX, false, on_init },
	{ MSG_NONCE, 4, 4, false, on_nonce },
	{ MSG_REGISTER, 117, MSG_BODY_MAX, false, on_register },
	{ MSG_WORKERS, 4, 4, false, on_workers },
};

static const struct chan_row judge_rows[] = {
	{ MSG_VERDICT, 45, MSG_BODY_MAX, false, on_verdict },
};

static enum status open_all(struct keeper *k, const struct keeper_settings *s,
			    struct err *err)
{
	if (s->trust != NULL)
		k->trust = *s->trust;
	TRY(loop_new(&k->loop, err));
	TRY(tee_device_open(&s->tee, s->tee_name, &k->tee, err));
	TRY(vault_new(&s->groups, &k->state.vault, err));
	TRY(keeper_state_open(&k->state, s->store, k->tee, err));
	TRY(s->confine(s, tee_device_folder(k->tee), err));
	TRY(chan_new(k->loop, s->judge, judge_rows, countof(judge_rows),
		     on_judge_gone, k, &k->judge, err));
	TRY(chan_new(k->loop, s->net, net_rows, countof(net_rows), on_net_gone,
		     k, &k->net, err));
	k->leases = leases_new();
	k->nonces = nonces_new();
	k->rotate = loop_timer_new(k->loop, on_rotate, k);
	k->judgment = loop_timer_new(k->loop, on_judge_late, k);
	return OK;
}

static void close_all(struct keeper *k)
{
	loop_timer_free(k->rotate);
	loop_timer_free(k->judgment);
	chan_free(k->net);
	chan_free(k->judge);
	for (size_t i = 0; i < WAITING_MAX; i++)
		buf_done(&k->waiting[i].message);
	leases_free(k->leases);
	nonces_free(k->nonces);
	keeper_state_done(&k->state);
	tee_device_close(k->tee);
	loop_free(k->loop);
	mem_free(k);
}

static void greet(const struct keeper *k)
{
	const struct tee *tee = tee_device_tee(k->tee);

	if (tee->warning != NULL)
		log_warn("tee", LOG_CSTR("name", tee->name),
			 LOG_CSTR("warning", tee->warning));
	if (k->state.sealed)
		log_warn("sealed", LOG_ERR(&k->state.why_sealed),
			 LOG_CSTR("hint", "the stored state is damaged, or was "
					  "sealed by another program or "
					  "machine; it has to be recovered"));
	if (k->state.store != NULL && k->state.sealing == NULL)
		log_warn("not-kept",
			 LOG_CSTR("hint", "this TEE has no sealing key: "
					  "the state ends with the "
					  "process"));
}

enum status keeper_run(const struct keeper_settings *s, struct err *err)
{
	struct keeper *k = mem_must(sizeof(*k));
	enum status st = open_all(k, s, err);

	if (st == OK) {
		greet(k);
		publish(k);
		loop_run(k->loop);
		*err = k->end;
		st = err->code;
	}
	close_all(k);
	return st;
}
