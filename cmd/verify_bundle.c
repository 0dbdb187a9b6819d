/* confd verify bundle and confd verify service: evidence of this project's own
 * kind, from a file or over a connection. */
#include "attest/evidence.h"
#include "attest/verifier.h"
#include "cmd/ask.h"
#include "cmd/verify_default.h"
#include "cmd/verify_input.h"
#include "cmd/verify_session.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"

/* ---- Claims ---- */

static void put_sim_measurement(const void *claims, struct buf *out)
{
	const struct claims_digest *d =
		claims_measurement(claims, "measurement");

	if (d != NULL)
		text_hex(out, slice_make(d->value, d->len));
}

static void put_sim_svn(const void *claims, struct buf *out)
{
	const struct claims_tcb *svn = claims_tcb(claims, "svn");

	if (svn != NULL)
		buf_putf(out, "%llu", (unsigned long long)svn->value);
}

/* clang-format off */
#define IN(n, k, m) { CLAIM_ROW(n, k), CLAIM_AT(struct claims, m) }

/* Of the software TEE, in struct claims. */
static const struct verify_claim sim_rows[] = {
	{ CLAIM_ROW("measurement", CLAIM_TEXT), .text = put_sim_measurement },
	{ CLAIM_ROW("svn", CLAIM_TEXT), .text = put_sim_svn },
	IN("report_data", CLAIM_BYTES, report_data),
	IN("debug", CLAIM_FLAG, debug),
	IN("root", CLAIM_BYTES, root),
	IN("report", CLAIM_BYTES, report),
	IN("valid_until", CLAIM_TIME, valid_until),
};
/* clang-format on */

static const struct verify_claims sim_claims = { "sim", sim_rows,
						 countof(sim_rows) };

/* The table for a TEE's evidence, and where in claims it is about; NULL: none
 * (then the claims have no names). */
static const struct verify_claims *table_of(const char *tee,
					    const struct claims *c,
					    const void **claims)
{
	const struct {
		const struct verify_claims *table;
		const void *claims;
	} tables[] = {
		{ &verify_snp_claims, c == NULL ? NULL : &c->snp },
		{ &verify_tdx_claims, c == NULL ? NULL : &c->tdx },
		{ &sim_claims, c },
	};

	for (size_t i = 0; tee != NULL && i < countof(tables); i++)
		if (strcmp(tables[i].table->tee, tee) == 0) {
			*claims = tables[i].claims;
			return tables[i].table;
		}
	*claims = NULL;
	return NULL;
}

static void write_gpus(const struct claims *c, struct json_out *w)
{
	json_open_array(w, "gpus");
	for (size_t i = 0; i < c->n_gpus; i++) {
		json_open_object(w, NULL);
		verify_claims_write(&verify_gpu_claims, &c->gpu[i], w);
		json_close_object(w);
	}
	json_close_array(w);
}

static void write_claims(const void *ctx, struct json_out *w)
{
	const struct claims *c = ctx;
	const void *claims = NULL;
	const struct verify_claims *table = table_of(c->tee, c, &claims);

	json_open_object(w, "claims");
	if (table != NULL)
		verify_claims_write(table, claims, w);
	if (c->n_gpus > 0)
		write_gpus(c, w);
	json_close_object(w);
}

static void print_claims(const void *ctx, struct buf *out)
{
	const struct claims *c = ctx;
	const void *claims = NULL;
	const struct verify_claims *table = table_of(c->tee, c, &claims);

	if (table != NULL)
		verify_claims_print(table, claims, out);
	for (size_t i = 0; i < c->n_gpus; i++)
		verify_claims_print(&verify_gpu_claims, &c->gpu[i], out);
}

/* ---- What is expected ---- */

/* Members of the statement that can be given with --expect. */
static struct expect *member_of(struct verifier_case *c, struct slice name)
{
	const struct {
		const char *name;
		struct expect *to;
	} members[] = {
		{ "nonce", &c->nonce },	      { "exporter", &c->exporter },
		{ "spki", &c->spki },	      { "keys", &c->keys },
		{ "manifest", &c->manifest },
	};

	for (size_t i = 0; i < countof(members); i++)
		if (slice_eq_str(name, members[i].name))
			return members[i].to;
	return NULL;
}

/* NAME=HEX or NAME=none into the case, where NAME is a member's; others are
 * claims, which are named when the evidence is known. */
static enum status take_member(const char *arg, struct verifier_case *c,
			       bool *is_claim, struct err *err)
{
	struct slice rest = slice_str(arg);
	struct slice name = { 0 };
	uint8_t bytes[32];

	(void)slice_split(&rest, '=', &name);
	struct expect *to = member_of(c, name);
	*is_claim = to == NULL;
	if (to == NULL && rest.p != NULL)
		return OK;
	if (to != NULL && slice_eq_str(rest, "none")) {
		*to = expect_none();
		return OK;
	}
	if (to == NULL || text_unhex(rest, bytes, sizeof(bytes), "", err) != OK)
		return err_set(err, E_USAGE,
			       "--expect '%s': expected a claim and its value; "
			       "or nonce, exporter, spki, keys or manifest, "
			       "then '=' and 64 hex digits or 'none'",
			       arg);
	*to = expect_bytes(bytes);
	return OK;
}

static enum status take_claims(const struct verify_opts *o, const char *tee,
			       struct verify_expects *out, struct err *err)
{
	struct verifier_case unused = { 0 };
	const void *claims = NULL;
	const struct verify_claims *table = table_of(tee, NULL, &claims);
	bool is_claim = false;

	for (size_t i = 0; table != NULL && i < o->expect.n; i++) {
		TRY(take_member(o->expect.v[i], &unused, &is_claim, err));
		if (is_claim)
			TRY(verify_claims_expect(table, o->expect.v[i], out,
						 err));
	}
	return OK;
}

static enum status fill_case(const struct verify_opts *o,
			     struct verifier_case *c, struct err *err)
{
	bool is_claim = false;

	TRY(verify_time(o, &c->now, err));
	if (!statement_purpose_find(slice_str(o->purpose), &c->purpose))
		return err_set(err, E_USAGE,
			       "--purpose '%s': expected as, worker, as-peer, "
			       "receipt, disk or user-data",
			       o->purpose);
	for (size_t i = 0; i < o->expect.n; i++)
		TRY(take_member(o->expect.v[i], c, &is_claim, err));
	return OK;
}

static enum status pick_policies(const struct verify_opts *o,
				 const struct manifest *m,
				 struct verifier_case *c,
				 struct manifest_strings *one, struct err *err)
{
	c->by = m;
	c->policies = &m->as_policies;
	if (o->group != NULL) {
		const struct manifest_worker *w =
			manifest_find_worker(m, slice_str(o->group));

		if (w == NULL)
			return err_set(err, E_USAGE,
				       "--group '%s': not in the manifest",
				       o->group);
		c->policies = &w->policies;
	}
	if (o->policy == NULL)
		return OK;
	const struct manifest_policy *p =
		manifest_find_policy(m, slice_str(o->policy));
	if (p == NULL)
		return err_set(err, E_USAGE,
			       "--policy '%s': not in the manifest", o->policy);
	one->item[0] = p->name;
	one->n = 1;
	c->policies = one;
	return OK;
}

/* ---- What an ok means ---- */

static void put_line(struct buf *out, const char *text)
{
	buf_putf(out, "%s\n", text);
}

/* What is particular to a TEE. */
static void say_of_tee(const struct verify_expects *e, bool by_policy,
		       const struct claims *c, struct buf *out)
{
	if (strcmp(c->tee, "snp") == 0)
		verify_snp_unproven(e, by_policy, &c->snp, out);
	else if (strcmp(c->tee, "tdx") == 0)
		verify_tdx_unproven(e, by_policy, &c->tdx, out);
}

static void say_unproven(const struct verify_opts *o, const struct claims *c,
			 bool pinned, struct buf *out)
{
	if (!pinned)
		put_line(out, "that this is the manifest you want. It is the "
			      "one that the service itself serves; compare its "
			      "digest, or give --manifest");
	if (strcmp(c->tee, "sim") == 0)
		put_line(out, "any protection by hardware. This is the "
			      "software TEE; whoever holds its root key or the "
			      "machine can do as they like");
	else if (!c->root_pinned)
		put_line(out, "any protection by hardware: the root is one "
			      "that was named here, not the maker's");
	if (o->at != NULL)
		buf_putf(out, "that this holds now: it was judged as of %s\n",
			 o->at);
	put_line(out, "what the measured program does; that follows from "
		      "building it from source and comparing the measurement");
}

/* Compare the claims, decide, print.  err is what was found so far. */
static enum status conclude(const struct verify_opts *o, struct trace *t,
			    const struct claims *c, const char *tee,
			    bool pinned, struct err *err)
{
	struct verify_expects expects = { 0 };
	auto_buf struct buf unproven = buf_make(16u << 10);
	const void *claims = NULL;
	struct err usage = { 0 };

	(void)table_of(tee, c, &claims);
	if (take_claims(o, tee, &expects, &usage) != OK) {
		*err = usage;
		return err->code;
	}
	verify_claims_check(&expects, claims, t);
	if (err->code == OK && trace_first_failure(t) != NULL)
		(void)trace_error(t, err);
	if (c != NULL) {
		say_of_tee(&expects, !pinned || o->manifest != NULL, c,
			   &unproven);
		say_unproven(o, c, pinned, &unproven);
	}
	const struct verify_report r = {
		.o = o,
		.tee = tee,
		.trace = t,
		.unproven = buf_slice(&unproven),
		.write_claims = write_claims,
		.print_claims = print_claims,
		.ctx = c,
	};
	return verify_print(&r, err);
}

/* ---- service ---- */

static const struct trace_rule rule_named = {
	"policy.named", E_POLICY, "another policy than --policy's accepted it",
	"confd-verify(1)"
};

/* --policy: that one accepted it, whatever others there are. */
static void check_named(const struct verify_opts *o, struct trace *t)
{
	if (o->policy == NULL)
		return;
	bool held = trace_policy_ok(t, o->policy);

	trace_expect(t, "%s to accept it", o->policy);
	trace_find(t, held ? "the same" : "that it does not");
	(void)trace_step(t, &rule_named, held);
}

enum status verify_service_run(void *opts, const struct opt_args *args,
			       struct err *err)
{
	const struct verify_opts *o = opts;
	struct tee_roots roots;
	struct ask_opts ask = { .as = args->operands[0],
				.manifest = o->manifest,
				.roots = &roots };
	auto_ask struct ask a = { 0 };
	auto_trace struct trace t;
	bool pinned = o->manifest != NULL;

	trace_init(&t);
	if (o->policy != NULL && !pinned)
		return err_set(err, E_USAGE,
			       "--policy: expected --manifest too, which has "
			       "it");
	TRY(verify_input_roots(&o->trust_root, &roots, err));
	TRY(verify_time(o, &ask.at, err));
	(void)ask_open(&ask, pinned ? PEER_PINNED : PEER_SERVED, &a, err);
	if (a.peer == NULL || err->code == E_UNAVAIL || err->code == E_IO)
		return err->code; /* nothing was judged */
	trace_append(&t, peer_trace(a.peer));
	if (err->code != OK)
		return conclude(o, &t, NULL, NULL, pinned, err);
	*err = (struct err){ 0 };
	check_named(o, &t);
	const struct claims *c = peer_claims(a.peer);
	return conclude(o, &t, c, c->tee, pinned, err);
}

/* ---- bundle ---- */

static enum status judge_by_manifest(const struct verify_opts *o,
				     struct verifier_case *c, struct trace *t,
				     struct claims *claims, bool *genuine,
				     struct err *err)
{
	auto_manifest struct manifest *m = NULL;
	auto_verdict struct verdict *verdict = NULL;
	char *name[1];
	struct manifest_strings one = { 0, name };

	TRY(ask_load_manifest(o->manifest, &m, err));
	TRY(manifest_check(m, err));
	TRY(pick_policies(o, m, c, &one, err));
	*err = (struct err){ 0 };
	*genuine = verifier_judge(c, t, claims, &verdict, err) == OK;
	return err->code;
}

/* The name of its TEE, where it can be read; a literal, or NULL. */
static const char *tee_of(struct slice bundle)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	if (evidence_parse(bundle, &e, &err) != OK)
		return NULL;
	const struct tee *tee = tee_find(slice_str(e.tee));
	return tee == NULL ? NULL : tee->name;
}

enum status verify_bundle_run(void *opts, const struct opt_args *args,
			      struct err *err)
{
	const struct verify_opts *o = opts;
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	auto_trace struct trace t;
	auto_mem struct claims *claims = mem_must(sizeof(*claims));
	struct verify_expects expects = { 0 };
	struct tee_roots roots;
	struct verifier_case c = { 0 };
	bool genuine = false;

	trace_init(&t);
	TRY(fill_case(o, &c, err));
	TRY(verify_input_roots(&o->trust_root, &roots, err));
	if (o->manifest == NULL && (o->policy != NULL || o->group != NULL))
		return err_set(err, E_USAGE,
			       "--policy, --group: expected --manifest too");
	if (verify_input_raw(args->operands[0], &bundle, err) != OK)
		return verify_unread(o, NULL, err);
	c.bundle = buf_slice(&bundle);
	c.trust_roots = (const uint8_t(*)[32])roots.spki;
	c.n_trust_roots = roots.n;
	const char *tee = tee_of(c.bundle);
	TRY(take_claims(o, tee, &expects, err)); /* before anything is shown */
	*err = (struct err){ 0 };
	if (o->manifest == NULL)
		(void)verify_default_judge(&c, &expects, &t, claims, &genuine,
					   err);
	else
		(void)judge_by_manifest(o, &c, &t, claims, &genuine, err);
	if (t.n == 0)
		return err->code; /* nothing was judged */
	return conclude(o, &t, genuine ? claims : NULL, tee, true, err);
}
