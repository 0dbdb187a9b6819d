#include "attest/verifier.h"

#include <assert.h>

#include "attest/evidence.h"
#include "attest/tee/gpu.h"
#include "attest/tee/tee.h"
#include "core/cleanup.h"

#define SOURCE "confd-attest(7), VERIFICATION"
#define STATEMENT "confd-attest(7), STATEMENT"

/* clang-format off */
static const struct trace_rule
rule_bundle = { "bundle", E_PARSE,
	"the bundle is not of the form that we know",
	"confd-attest(7), EVIDENCE BUNDLE" },
rule_bundle_size = { "bundle", E_LIMIT, "the bundle is larger than we take",
	"confd-attest(7), EVIDENCE BUNDLE" },
rule_tee = { "tee", E_POLICY, "this build knows no such TEE", SOURCE },
rule_extra = { "bundle.extra", E_POLICY,
	"the bundle has parts that nobody would check", SOURCE },
rule_verify = { "report", E_CRYPTO, "the report is not genuine", SOURCE },
rule_data = { "report.data", E_CRYPTO,
	"the report was not made for this statement", STATEMENT },
rule_statement = { "statement", E_PARSE,
	"the statement is not of the canonical form", STATEMENT },
rule_unbound = { "statement", E_POLICY,
	"the statement is not bound to a connection", STATEMENT },
rule_purpose = { "statement.purpose", E_CRYPTO,
	"the evidence is for another purpose", STATEMENT };

/* The members that are compared with what we expected. */
static const struct {
	struct trace_rule rule;
	size_t expect; /* in struct verifier_case */
	size_t at, has; /* in struct statement; has 0: it is never "none" */
} bindings[] = {
#define BIND(m, has, code, says)                                            \
	{ { "statement." #m, code, says, STATEMENT },                       \
	  offsetof(struct verifier_case, m), offsetof(struct statement, m), \
	  has }
	BIND(nonce, 0, E_CRYPTO,
	     "the evidence is not an answer to our question"),
	BIND(exporter, offsetof(struct statement, has_exporter), E_CRYPTO,
	     "the evidence was made for another connection"),
	BIND(spki, 0, E_CRYPTO, "the evidence is for another TLS key"),
	BIND(keys, 0, E_CRYPTO, "the evidence is for another key set"),
	BIND(manifest, offsetof(struct statement, has_manifest), E_POLICY,
	     "the other side goes by another manifest"),
#undef BIND
};
static_assert(offsetof(struct statement, has_exporter) > 0 &&
	      offsetof(struct statement, has_manifest) > 0, "0: never none");
/* clang-format on */

static bool read_bundle(struct slice bundle, struct evidence *e,
			struct trace *t)
{
	struct err err;

	trace_expect(t, "at most %u bytes of known members", EVIDENCE_MAX);
	enum status status = evidence_parse(bundle, e, &err);
	if (status == OK) {
		trace_find(t, "%zu bytes", bundle.len);
		return trace_step(t, &rule_bundle, true);
	}
	trace_step_err(t, status == E_LIMIT ? &rule_bundle_size : &rule_bundle,
		       &err);
	return false;
}

/* A TEE that we know and can judge. */
static const struct tee *know_tee(const char *name, struct trace *t)
{
	const struct tee *tee = tee_find(slice_str(name));
	struct err err;

	trace_expect(t, "a TEE that this build can judge");
	if (tee_check(name, &err) != OK) {
		trace_step_err(t, &rule_tee, &err);
		return NULL;
	}
	trace_find(t, "%s", name);
	return trace_step(t, &rule_tee, true) ? tee : NULL;
}

/* Policies that apply: none where nobody gave a manifest. */
static size_t n_policies(const struct verifier_case *c)
{
	return c->by == NULL ? 0 : c->policies->n;
}

/* The roots that they name for the software TEE. */
static size_t gather_roots(const struct verifier_case *c, uint8_t (*roots)[32])
{
	size_t n = 0;

	for (size_t i = 0; i < n_policies(c); i++) {
		const struct manifest_policy *p = manifest_find_policy(
			c->by, slice_str(c->policies->item[i]));

		if (p != NULL && p->tee == MANIFEST_SIM)
			memcpy(roots[n++], p->sim.root, 32);
	}
	return n;
}

/* What a TEE is given; it lives as long as roots. */
static struct tee_case make_case(const struct verifier_case *c,
				 const struct evidence *e, uint8_t (*roots)[32])
{
	return (struct tee_case){
		.evidence = e,
		.roots = (const uint8_t(*)[32])roots,
		.n_roots = gather_roots(c, roots),
		.trust_roots = c->trust_roots,
		.n_trust_roots =
			tee_test_roots_allowed() ? c->n_trust_roots : 0,
		.now = c->now,
		.cache = c->cache,
	};
}

/* Whether a check was passed; leaves a failed step when not. */
static bool passed(enum status status, const struct err *err, struct trace *t)
{
	if (trace_first_failure(t) == NULL && status != OK)
		trace_step_err(t, &rule_verify, err);
	return trace_first_failure(t) == NULL;
}

/* Whether GPUs will be judged: one of the policies for this TEE asks for them,
 * or there are no policies, and the caller judges. */
static bool wants_gpus(const struct verifier_case *c, const char *tee)
{
	if (c->by == NULL)
		return true;
	for (size_t i = 0; i < n_policies(c); i++) {
		const struct manifest_policy *p = manifest_find_policy(
			c->by, slice_str(c->policies->item[i]));

		if (p != NULL && p->has_gpus &&
		    strcmp(manifest_tee_name(p->tee), tee) == 0)
			return true;
	}
	return false;
}

/* Parts of a bundle that nothing here reads, or no policy asks for, must not
 * look as if they counted. */
static bool check_extra(const struct verifier_case *c, const struct evidence *e,
			const struct tee *tee, struct trace *t)
{
	bool gpus = wants_gpus(c, e->tee);

	trace_expect(t, "%s, and %s",
		     tee->event_log ? "an event log or none"
				    : "no event log, since this TEE has no "
				      "registers for one",
		     gpus ? "GPUs"
			  : "no GPUs, which no policy that applies "
			    "asks for");
	trace_find(t, "%zu logs, %zu GPUs", e->n_logs, e->n_gpus);
	return trace_step(t, &rule_extra,
			  (e->n_logs == 0 || tee->event_log) &&
				  (gpus || e->n_gpus == 0));
}

/* The bytes as received, before anything in them is read. */
static bool check_data(const struct evidence *e, const struct claims *claims,
		       struct trace *t)
{
	uint8_t want[STATEMENT_REPORT_DATA_LEN];

	statement_report_data(buf_slice(&e->statement), want);
	return trace_step_bytes(t, &rule_data, slice_of(want),
				slice_of(claims->report_data));
}

static bool read_statement(const struct evidence *e, struct statement *s,
			   struct trace *t)
{
	struct err err;

	trace_expect(t, "the canonical form");
	enum status status = statement_parse(buf_slice(&e->statement), s, &err);
	if (status == OK) {
		trace_find(t, "the same");
		return trace_step(t, &rule_statement, true);
	}
	trace_step_err(t, status == E_POLICY ? &rule_unbound : &rule_statement,
		       &err);
	return false;
}

static void check_binding(const struct verifier_case *c,
			  const struct statement *s, size_t i, struct trace *t)
{
	const uint8_t *in_case = (const uint8_t *)c + bindings[i].expect;
	const struct expect *e = (const struct expect *)(const void *)in_case;
	const uint8_t *base = (const uint8_t *)s;
	bool has =
		bindings[i].has == 0 || *(const bool *)(base + bindings[i].has);
	struct slice found = slice_make(base + bindings[i].at, has ? 32 : 0);

	if (has)
		trace_find_bytes(t, found);
	else
		trace_find(t, "none");

	if (e->kind == EXPECT_UNCHECKED) {
		trace_find(t, ", and nothing was given to compare it with");
		trace_step_unchecked(t, &bindings[i].rule);
	} else if (e->kind == EXPECT_NONE) {
		trace_expect(t, "none");
		(void)trace_step(t, &bindings[i].rule, !has);
	} else {
		trace_expect_bytes(t, slice_of(e->bytes));
		(void)trace_step(t, &bindings[i].rule,
				 slice_eq_ct(slice_of(e->bytes), found));
	}
}

static void check_bindings(const struct verifier_case *c,
			   const struct statement *s, struct trace *t)
{
	trace_expect(t, "%s", statement_purpose_name(c->purpose));
	trace_find(t, "%s", statement_purpose_name(s->purpose));
	(void)trace_step(t, &rule_purpose, c->purpose == s->purpose);
	for (size_t i = 0; i < countof(bindings); i++)
		check_binding(c, s, i, t);
}

/* The CPU's report, whom it was made for, and only then the devices beside,
 * which signed a hash of that report. */
static bool check_reports(const struct verifier_case *c,
			  const struct evidence *e, const struct tee *tee,
			  struct trace *t, struct claims *claims)
{
	auto_mem uint8_t(*roots)[32] = mem_must(32 * (n_policies(c) + 1));
	const struct tee_case tc = make_case(c, e, roots);
	struct err err = { 0 };

	return passed(tee->verify(&tc, t, claims, &err), &err, t) &&
	       check_data(e, claims, t) &&
	       passed(gpu_verify_all(&tc, t, claims, &err), &err, t);
}

/* Up to what is genuine and says what it says: the rest is comparing. */
static bool establish(const struct verifier_case *c, struct trace *t,
		      struct claims *claims, struct statement *s)
{
	auto_evidence struct evidence e;
	struct err err; /* what it says is in the trace */

	evidence_init(&e);
	if (!read_bundle(c->bundle, &e, t))
		return false;
	const struct tee *tee = know_tee(e.tee, t);
	if (tee == NULL)
		return false;
	if (c->by != NULL &&
	    policy_admit(c->by, c->policies, tee->name, t, &err) != OK)
		return false;
	return check_extra(c, &e, tee, t) &&
	       check_reports(c, &e, tee, t, claims) && read_statement(&e, s, t);
}

enum status verifier_establish(const struct verifier_case *c,
			       struct trace *trace, struct claims *claims,
			       struct err *err)
{
	struct verifier_case alone = *c;
	auto_mem struct claims *found = mem_must(sizeof(*found)); /* large */
	struct statement s;

	alone.by = NULL;
	trace_done(trace); /* no step of another evidence counts here */
	if (!establish(&alone, trace, found, &s))
		return trace_error(trace, err);
	check_bindings(&alone, &s, trace);
	*claims = *found;
	return OK;
}

enum status verifier_judge(const struct verifier_case *c, struct trace *trace,
			   struct claims *claims, struct verdict **verdict,
			   struct err *err)
{
	auto_mem struct claims *found = mem_must(sizeof(*found)); /* large */
	struct statement s;

	assert(c->by != NULL && c->policies != NULL);
	trace_done(trace);
	if (!establish(c, trace, found, &s))
		return trace_error(trace, err);
	check_bindings(c, &s, trace);
	const struct policy_case pc = {
		.manifest = c->by,
		.policies = c->policies,
		.statement = &s,
		.claims = found,
		.now = c->now,
	};
	TRY(policy_match(&pc, trace, verdict, err));
	*claims = *found;
	return OK;
}
