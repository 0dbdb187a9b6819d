#include "attest/judge.h"

#include "attest/evidence.h"
#include "attest/messages.h"
#include "attest/tee/tee.h"
#include "attest/verifier.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/io/chan.h"

struct judge {
	struct loop *loop;
	struct chan *keeper;
	struct tee_cache cache; /* workers of one cloud have much in common */
};

/* A case as it came, borrowed from the message. */
struct request {
	uint32_t id;
	struct verifier_case c;
	struct tee_roots trust;
	struct slice manifest, group;
};

static enum status read_roots(struct slice in, struct tee_roots *out,
			      struct err *err)
{
	if (in.len % 32 != 0 || in.len > sizeof(out->spki))
		return err_set(err, E_PARSE,
			       "case: expected at most %d roots of 32 bytes, "
			       "found %zu bytes",
			       TEE_ROOTS_MAX, in.len);
	out->n = in.len / 32;
	if (in.len > 0)
		memcpy(out->spki, in.p, in.len);
	return OK;
}

static enum status read_request(struct slice body, struct request *r,
				struct err *err)
{
	struct cursor in = cursor_make(body);

	r->id = cursor_u32be(&in);
	struct slice nonce = cursor_bytes(&in, 32);
	struct slice exporter = cursor_bytes(&in, 32);
	struct slice spki = cursor_bytes(&in, 32);
	struct slice keys = cursor_bytes(&in, 32);
	uint64_t now = cursor_u64be(&in);
	struct slice roots = cursor_field(&in);
	r->manifest = cursor_field(&in);
	r->group = cursor_field(&in);
	r->c.bundle = cursor_field(&in);
	TRY(cursor_end(&in, "case", err));
	TRY(read_roots(roots, &r->trust, err));

	r->c.purpose = PURPOSE_WORKER;
	r->c.nonce = expect_bytes(nonce.p);
	r->c.exporter = expect_bytes(exporter.p);
	r->c.spki = expect_bytes(spki.p);
	r->c.keys = expect_bytes(keys.p);
	r->c.now = (int64_t)now;
	r->c.trust_roots = (const uint8_t(*)[32])r->trust.spki;
	r->c.n_trust_roots = r->trust.n;
	return OK;
}

static enum status statement_digest(struct slice bundle, uint8_t out[static 32],
				    struct err *err)
{
	auto_evidence struct evidence e;

	evidence_init(&e);
	TRY(evidence_parse(bundle, &e, err));
	sha256(buf_slice(&e.statement), out);
	return OK;
}

/* Judge a worker's evidence by the policies of its group. */
static enum status judge(struct request *r, struct buf *verdict,
			 uint8_t statement[static 32], struct err *err)
{
	auto_manifest struct manifest *m = NULL;
	auto_trace struct trace trace;
	auto_verdict struct verdict *v = NULL;
	struct claims claims;

	trace_init(&trace);
	TRY(manifest_parse(r->manifest, "manifest", &m, err));
	const struct manifest_worker *w = manifest_find_worker(m, r->group);
	if (w == NULL)
		return err_set(err, E_POLICY,
			       "group '%.*s': not in the manifest",
			       SLICE_FMT(r->group));
	r->c.by = m;
	r->c.policies = &w->policies;
	r->c.manifest = expect_bytes(m->digest);
	TRY(verifier_judge(&r->c, &trace, &claims, &v, err));
	verdict_pack(v, verdict);
	return statement_digest(r->c.bundle, statement, err);
}

static void on_case(void *ctx, struct slice body, int fd)
{
	struct judge *j = ctx;
	struct request r = { 0 };
	auto_buf struct buf verdict = buf_make(64u << 10);
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	uint8_t statement[32] = { 0 };
	struct err err = { 0 };

	(void)fd;
	enum status s = read_request(body, &r, &err);
	r.c.cache = &j->cache;
	if (s == OK)
		s = judge(&r, &verdict, statement, &err);
	if (s != OK)
		buf_clear(&verdict);
	buf_put_u32be(&out, r.id);
	buf_put_u8(&out, (uint8_t)s);
	buf_put_field(&out, slice_str(err.text));
	buf_put_field(&out, buf_slice(&verdict));
	buf_put(&out, slice_of(statement));
	chan_send(j->keeper, MSG_VERDICT, buf_slice(&out), -1);
}

static void on_gone(void *ctx, const struct err *why)
{
	struct judge *j = ctx;

	(void)why;
	loop_stop(j->loop);
}

enum status judge_run(int fd, struct err *err)
{
	static const struct chan_row rows[] = {
		{ MSG_CASE, 156, MSG_BODY_MAX, false, on_case },
	};
	auto_loop struct loop *loop = NULL;
	struct judge j = { 0 };

	TRY(loop_new(&loop, err));
	j.loop = loop;
	TRY(chan_new(loop, fd, rows, countof(rows), on_gone, &j, &j.keeper,
		     err));
	loop_run(loop);
	chan_free(j.keeper);
	tee_cache_done(&j.cache);
	return OK;
}
