#include "cmd/verify_default.h"

#include "attest/evidence.h"
#include "attest/tee/gpu.h"
#include "attest/tee/gpu_policy.h"
#include "attest/tee/tee.h"
#include "core/cleanup.h"

#define SOURCE "confd-attest(7), VERIFICATION"

/* clang-format off */
static const struct trace_rule
rule_bundle = { "bundle", E_PARSE, "this is no evidence bundle", SOURCE },
rule_tee = { "tee", E_POLICY, "this build cannot judge this TEE", SOURCE },
rule_extra = { "bundle.extra", E_POLICY,
	"a part of the bundle would not be checked", SOURCE },
rule_verify = { "tee.verify", E_CRYPTO, "the report is not genuine", SOURCE },
rule_data = { "report.data", E_CRYPTO,
	"the report was not made for this statement", SOURCE },
rule_statement = { "statement", E_PARSE,
	"the statement is not of its form", SOURCE },
rule_purpose = { "statement.purpose", E_CRYPTO,
	"the evidence was made for another purpose", SOURCE },
rule_sim = { "policy.root", E_POLICY,
	"the software TEE counts only where a manifest names its root",
	"confd-manifest(5), POLICIES" };

static const struct {
	struct trace_rule rule;
	size_t want, is; /* in verifier_case, in statement */
	size_t has;	 /* in statement; 0: always */
} bindings[] = {
#define BINDING(n, sentence) \
	{ { "statement." #n, E_CRYPTO, sentence, SOURCE }, \
	  offsetof(struct verifier_case, n), offsetof(struct statement, n), 0 }
#define OPTIONAL(n, sentence) \
	{ { "statement." #n, E_CRYPTO, sentence, SOURCE }, \
	  offsetof(struct verifier_case, n), offsetof(struct statement, n), \
	  offsetof(struct statement, has_##n) }
	BINDING(nonce, "the evidence is not fresh"),
	OPTIONAL(exporter, "the evidence is of another connection"),
	BINDING(spki, "the evidence is of another TLS key"),
	BINDING(keys, "the evidence is of other keys"),
	OPTIONAL(manifest, "another manifest is in force"),
#undef BINDING
#undef OPTIONAL
};
/* clang-format on */

static void check_binding(const struct verifier_case *c,
			  const struct statement *s, size_t i, struct trace *t)
{
	const uint8_t *is = (const uint8_t *)s + bindings[i].is;
	struct expect want;
	bool has = true;

	memcpy(&want, (const uint8_t *)c + bindings[i].want, sizeof(want));
	if (bindings[i].has != 0)
		memcpy(&has, (const uint8_t *)s + bindings[i].has, sizeof(has));
	if (has)
		trace_find_bytes(t, slice_make(is, 32));
	else
		trace_find(t, "none");
	switch (want.kind) {
	case EXPECT_NONE:
		trace_expect(t, "none");
		(void)trace_step(t, &bindings[i].rule, !has);
		return;
	case EXPECT_BYTES:
		trace_expect_bytes(t, slice_of(want.bytes));
		(void)trace_step(t, &bindings[i].rule,
				 has && slice_eq_ct(slice_of(want.bytes),
						    slice_make(is, 32)));
		return;
	default:
		trace_find(t, "; nothing was given to compare it with");
		trace_step_unchecked(t, &bindings[i].rule);
	}
}

static void check_statement(const struct verifier_case *c,
			    const struct evidence *e, struct trace *t)
{
	struct statement s;
	struct err err;

	if (statement_parse(buf_slice(&e->statement), &s, &err) != OK) {
		trace_step_err(t, &rule_statement, &err);
		return;
	}
	(void)trace_step(t, &rule_statement, true);
	trace_expect(t, "%s", statement_purpose_name(c->purpose));
	trace_find(t, "%s", statement_purpose_name(s.purpose));
	(void)trace_step(t, &rule_purpose, c->purpose == s.purpose);
	for (size_t i = 0; i < countof(bindings); i++)
		check_binding(c, &s, i, t);
}

static void judge(const struct verify_expects *e, const struct claims *c,
		  struct trace *t)
{
	struct gpu_policy gpus;

	if (strcmp(c->tee, "snp") == 0)
		verify_snp_default(e, &c->snp, t);
	else if (strcmp(c->tee, "tdx") == 0)
		verify_tdx_default(e, &c->tdx, t);
	else
		(void)trace_step(t, &rule_sim, false);
	if (c->n_gpus == 0)
		return;
	gpu_policy_defaults(&gpus);
	(void)gpu_policy_holds(&gpus, c->gpu, c->n_gpus, t);
}

/* ---- What is genuine ---- */

static const struct tee *read_bundle(const struct verifier_case *c,
				     struct evidence *e, struct trace *t)
{
	struct err err;

	if (evidence_parse(c->bundle, e, &err) != OK) {
		trace_step_err(t, &rule_bundle, &err);
		return NULL;
	}
	(void)trace_step(t, &rule_bundle, true);
	trace_find(t, "%s", e->tee);
	if (tee_check(e->tee, &err) != OK) {
		(void)trace_step(t, &rule_tee, false);
		return NULL;
	}
	(void)trace_step(t, &rule_tee, true);
	const struct tee *tee = tee_find(slice_str(e->tee));
	trace_expect(t, "%s",
		     tee->event_log ? "an event log or none" : "no event log");
	trace_find(t, "%zu logs", e->n_logs);
	return trace_step(t, &rule_extra, e->n_logs == 0 || tee->event_log)
		       ? tee
		       : NULL;
}

static bool passed(enum status status, const struct err *err, struct trace *t)
{
	if (trace_first_failure(t) == NULL && status != OK)
		trace_step_err(t, &rule_verify, err);
	return trace_first_failure(t) == NULL;
}

static bool check_reports(const struct verifier_case *c,
			  const struct evidence *e, const struct tee *tee,
			  struct trace *t, struct claims *claims)
{
	const struct tee_case tc = {
		.evidence = e,
		.trust_roots = c->trust_roots,
		.n_trust_roots =
			tee_test_roots_allowed() ? c->n_trust_roots : 0,
		.now = c->now,
	};
	uint8_t data[STATEMENT_REPORT_DATA_LEN];
	struct err err = { 0 };

	if (!passed(tee->verify(&tc, t, claims, &err), &err, t) ||
	    !trace_ok(t, tee->mandatory, *tee->n_mandatory))
		return false;
	statement_report_data(buf_slice(&e->statement), data);
	return trace_step_bytes(t, &rule_data, slice_of(data),
				slice_of(claims->report_data)) &&
	       passed(gpu_verify_all(&tc, t, claims, &err), &err, t);
}

enum status verify_default_judge(const struct verifier_case *c,
				 const struct verify_expects *e,
				 struct trace *t, struct claims *claims,
				 bool *genuine, struct err *err)
{
	auto_evidence struct evidence evidence;

	evidence_init(&evidence);
	*genuine = false;
	const struct tee *tee = read_bundle(c, &evidence, t);
	if (tee == NULL || !check_reports(c, &evidence, tee, t, claims))
		return trace_error(t, err);
	check_statement(c, &evidence, t);
	judge(e, claims, t);
	*genuine = true;
	return trace_ok(t, gpu_mandatory,
			claims->n_gpus > 0 ? gpu_n_mandatory : 0)
		       ? OK
		       : trace_error(t, err);
}
