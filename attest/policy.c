#include "attest/policy.h"

#include <stdlib.h>

#include "attest/tee/gpu.h"
#include "attest/tee/gpu_policy.h"
#include "attest/tee/snp_policy.h"
#include "attest/tee/tdx_policy.h"
#include "attest/tee/tee.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"

#define SOURCE "confd-manifest(5), POLICIES"
#define VERIFIER "confd-attest(7), VERIFICATION"

/* What has to be in the trace of any evidence before a policy is believed. */
static const char *const mandatory[] = {
	"bundle",
	"tee",
	"bundle.extra",
	"report.data",
	"statement",
	"statement.purpose",
	"statement.nonce",
	"statement.exporter",
	"statement.spki",
	"statement.keys",
	"statement.manifest",
};

/* clang-format off */
static const struct trace_rule
rule_admit = { "tee.policy", E_POLICY,
	"no policy that applies here is for this kind of TEE", VERIFIER },
rule_accept = { "policy", E_POLICY,
	"no policy that applies here accepts it", VERIFIER },
rule_tee = { "policy.tee", E_POLICY,
	"the evidence is of another kind of TEE", SOURCE },
rule_gpus = { "policy.gpus", E_POLICY,
	"the policy says nothing of GPUs, and the machine has some",
	SOURCE ", gpus" },
rule_missing = { "policy.known", E_POLICY,
	"the manifest has no policy of that name", SOURCE };
/* clang-format on */

/* ---- Rules ---- */

/* A rule says what it expects and finds, and whether it holds. */
typedef bool rule_check(const struct manifest_policy *p, const struct claims *c,
			struct trace *t);

static bool sim_root(const struct manifest_policy *p, const struct claims *c,
		     struct trace *t)
{
	trace_expect_bytes(t, slice_of(p->sim.root));
	trace_find_bytes(t, slice_of(c->root));
	return memcmp(p->sim.root, c->root, sizeof(c->root)) == 0;
}

/* The list as text: its first, and how many more. */
static void expect_listed(struct trace *t, const struct manifest_digests *l)
{
	if (l->n == 0) {
		trace_expect(t, "nothing");
		return;
	}
	trace_expect_bytes(t, slice_make(l->item[0].value, l->item[0].len));
	if (l->n > 1)
		trace_expect(t, " or %zu others", l->n - 1);
}

static bool sim_measurement(const struct manifest_policy *p,
			    const struct claims *c, struct trace *t)
{
	const struct claims_digest *m = claims_measurement(c, "measurement");

	expect_listed(t, &p->sim.measurements);
	if (m == NULL) {
		trace_find(t, "none");
		return false;
	}
	struct slice value = slice_make(m->value, m->len);
	trace_find_bytes(t, value);
	return manifest_digests_have(&p->sim.measurements, value);
}

static bool sim_svn(const struct manifest_policy *p, const struct claims *c,
		    struct trace *t)
{
	const struct claims_tcb *svn = claims_tcb(c, "svn");

	trace_expect(t, "at least %u", p->sim.min_svn);
	if (svn == NULL) {
		trace_find(t, "none");
		return false;
	}
	trace_find(t, "%llu", (unsigned long long)svn->value);
	return svn->value >= p->sim.min_svn;
}

static bool sim_debug(const struct manifest_policy *p, const struct claims *c,
		      struct trace *t)
{
	trace_expect(t, p->sim.debug ? "on or off" : "off");
	trace_find(t, c->debug ? "on" : "off");
	return p->sim.debug || !c->debug;
}

/* clang-format off */
/* The software TEE's rules, one a row. */
static const struct {
	struct trace_rule rule;
	rule_check *check;
} sim_rules[] = {
	{ { "policy.root", E_POLICY,
	    "the root key is not the one that the policy names", SOURCE },
	  sim_root },
	{ { "policy.measurement", E_POLICY,
	    "the policy does not list this program", SOURCE },
	  sim_measurement },
	{ { "policy.svn", E_POLICY,
	    "the platform is older than the policy asks for", SOURCE },
	  sim_svn },
	{ { "policy.debug", E_POLICY,
	    "its memory can be read from outside (debug)", SOURCE },
	  sim_debug },
};
/* clang-format on */

/* All rules of a TEE: each leaves a step, whose outcome is what counts. */
typedef void judge_tee(const struct manifest_policy *p, const struct claims *c,
		       struct trace *t);

static void judge_sim(const struct manifest_policy *p, const struct claims *c,
		      struct trace *t)
{
	for (size_t i = 0; i < countof(sim_rules); i++)
		(void)trace_step(t, &sim_rules[i].rule,
				 sim_rules[i].check(p, c, t));
}

static void judge_snp(const struct manifest_policy *p, const struct claims *c,
		      struct trace *t)
{
	struct snp_policy policy;

	snp_policy_from_manifest(&p->snp, &policy);
	(void)snp_policy_holds(&policy, &c->snp, t);
}

static void judge_tdx(const struct manifest_policy *p, const struct claims *c,
		      struct trace *t)
{
	struct tdx_policy policy;

	tdx_policy_from_manifest(&p->tdx, &policy);
	(void)tdx_policy_check(&policy, &c->tdx, t);
}

static judge_tee *const judges[] = {
	[MANIFEST_SNP] = judge_snp,
	[MANIFEST_TDX] = judge_tdx,
	[MANIFEST_SIM] = judge_sim,
};

/* The devices beside the CPU: those that the policy asks for, or none. */
static void judge_gpus(const struct manifest_policy *p, const struct claims *c,
		       struct trace *t)
{
	struct gpu_policy policy;

	if (p->has_gpus) {
		gpu_policy_from_manifest(&p->gpus, &policy);
		(void)gpu_policy_holds(&policy, c->gpu, c->n_gpus, t);
		return;
	}
	trace_expect(t, "no GPUs");
	trace_find(t, "%zu", c->n_gpus);
	(void)trace_step(t, &rule_gpus, c->n_gpus == 0);
}

/* All steps of one policy, labelled with its name; whether it accepts. */
static bool try_policy(const struct policy_case *c, const char *name,
		       struct trace *t)
{
	const struct manifest_policy *p =
		manifest_find_policy(c->manifest, slice_str(name));

	trace_policy(t, name);
	if (p == NULL) {
		(void)trace_step(t, &rule_missing, false);
	} else {
		const char *tee = manifest_tee_name(p->tee);

		trace_expect(t, "%s", tee);
		trace_find(t, "%s", c->claims->tee);
		if (trace_step(t, &rule_tee,
			       strcmp(tee, c->claims->tee) == 0)) {
			judges[p->tee](p, c->claims, t);
			judge_gpus(p, c->claims, t);
		}
	}
	trace_policy(t, NULL);
	return trace_policy_ok(t, name);
}

/* ---- The verdict ---- */

/* Mixed with its own address, so that a copy or a zeroed one is not valid. */
#define MARK UINT64_C(0x636f6e6664766572)
#define PACKED_MAX 1024 /* bytes */

struct verdict {
	uint64_t mark;
	enum purpose purpose;
	char tee[65], policy[65];
	uint64_t generation;
	int64_t time;
	uint8_t manifest[32], spki[32], keys[32], nonce[32], report[32];
};

static uint64_t mark_of(const struct verdict *v)
{
	return MARK ^ (uint64_t)(uintptr_t)v;
}

/* The only place where one comes into being. */
static struct verdict *verdict_new(void)
{
	struct verdict *v = mem_must(sizeof(*v));

	v->mark = mark_of(v);
	return v;
}

void verdict_free(struct verdict *v)
{
	mem_free(v);
}

bool verdict_valid(const struct verdict *v)
{
	return v != NULL && v->mark == mark_of(v);
}

static const struct verdict *sure(const struct verdict *v)
{
	if (!verdict_valid(v))
		abort();
	return v;
}

enum purpose verdict_purpose(const struct verdict *v)
{
	return sure(v)->purpose;
}

const char *verdict_tee(const struct verdict *v)
{
	return sure(v)->tee;
}

const char *verdict_policy(const struct verdict *v)
{
	return sure(v)->policy;
}

const uint8_t *verdict_manifest(const struct verdict *v)
{
	return sure(v)->manifest;
}

uint64_t verdict_generation(const struct verdict *v)
{
	return sure(v)->generation;
}

const uint8_t *verdict_spki(const struct verdict *v)
{
	return sure(v)->spki;
}

const uint8_t *verdict_keys(const struct verdict *v)
{
	return sure(v)->keys;
}

const uint8_t *verdict_nonce(const struct verdict *v)
{
	return sure(v)->nonce;
}

const uint8_t *verdict_report(const struct verdict *v)
{
	return sure(v)->report;
}

int64_t verdict_time(const struct verdict *v)
{
	return sure(v)->time;
}

/* clang-format off */
/* The digests of a verdict, in the order in which they are packed. */
static const size_t digests[] = {
	offsetof(struct verdict, manifest), offsetof(struct verdict, spki),
	offsetof(struct verdict, keys),     offsetof(struct verdict, nonce),
	offsetof(struct verdict, report),
};
/* clang-format on */

void verdict_pack(const struct verdict *v, struct buf *out)
{
	const uint8_t *base = (const uint8_t *)sure(v);

	buf_put_field(out, slice_str(statement_purpose_name(v->purpose)));
	buf_put_field(out, slice_str(v->tee));
	buf_put_field(out, slice_str(v->policy));
	buf_put_u64be(out, v->generation);
	buf_put_u64be(out, (uint64_t)v->time);
	for (size_t i = 0; i < countof(digests); i++)
		buf_put(out, slice_make(base + digests[i], 32));
}

static void unpack_name(struct cursor *c, char to[static 65])
{
	struct slice name = cursor_field(c);

	if (!text_is_name(name) || name.len > 64) {
		c->bad = true;
		return;
	}
	memcpy(to, name.p, name.len);
	to[name.len] = '\0';
}

enum status verdict_unpack(struct slice in, struct verdict **out,
			   struct err *err)
{
	auto_verdict struct verdict *v = verdict_new();
	struct cursor c = cursor_make(in);

	if (!statement_purpose_find(cursor_field(&c), &v->purpose))
		return err_set(err, E_PARSE, "verdict: no such purpose");
	unpack_name(&c, v->tee);
	unpack_name(&c, v->policy);
	v->generation = cursor_u64be(&c);
	v->time = (int64_t)cursor_u64be(&c);
	for (size_t i = 0; i < countof(digests); i++) {
		struct slice digest = cursor_bytes(&c, 32);

		if (digest.len == 32)
			memcpy((uint8_t *)v + digests[i], digest.p, 32);
	}
	TRY(cursor_end(&c, "verdict", err));
	*out = take(v);
	return OK;
}

void verdict_digest(const struct verdict *v, uint8_t out[static 32])
{
	auto_buf struct buf packed = buf_make(PACKED_MAX);

	verdict_pack(v, &packed);
	sha256(buf_slice(&packed), out);
}

/* ---- Judging ---- */

enum status policy_admit(const struct manifest *m,
			 const struct manifest_strings *policies,
			 const char *tee, struct trace *trace, struct err *err)
{
	bool admitted = false;

	trace_expect(trace, policies->n == 0 ? "a policy" : "");
	for (size_t i = 0; i < policies->n; i++) {
		const struct manifest_policy *p =
			manifest_find_policy(m, slice_str(policies->item[i]));
		const char *name =
			p == NULL ? "nothing" : manifest_tee_name(p->tee);

		trace_expect(trace, "%s%s (policy %s)", i == 0 ? "" : " or ",
			     name, policies->item[i]);
		admitted |= strcmp(name, tee) == 0;
	}
	trace_find(trace, "%s", tee);
	if (trace_step(trace, &rule_admit, admitted))
		return OK;
	return trace_error(trace, err);
}

/* The same of the devices, where there are any. */
static bool complete_gpus(const struct trace *t, const struct claims *c)
{
	return c->n_gpus == 0 ||
	       (trace_ok(t, gpu_mandatory, gpu_n_mandatory) &&
		trace_ok(t, gpu_verify_mandatory, gpu_verify_n_mandatory));
}

bool policy_complete(const struct trace *t, const struct claims *c)
{
	const struct tee *row = tee_find(slice_str(c->tee));

	return complete_gpus(t, c) && row != NULL && row->missing == NULL &&
	       row->n_mandatory != NULL &&
	       trace_ok(t, mandatory, countof(mandatory)) &&
	       trace_ok(t, row->mandatory, *row->n_mandatory);
}

static struct verdict *make_verdict(const struct policy_case *c,
				    const char *policy)
{
	struct verdict *v = verdict_new();

	v->purpose = c->statement->purpose;
	v->generation = c->manifest->generation;
	v->time = c->now;
	(void)snprintf(v->tee, sizeof(v->tee), "%s", c->claims->tee);
	(void)snprintf(v->policy, sizeof(v->policy), "%s", policy);
	memcpy(v->manifest, c->manifest->digest, 32);
	memcpy(v->spki, c->statement->spki, 32);
	memcpy(v->keys, c->statement->keys, 32);
	memcpy(v->nonce, c->statement->nonce, 32);
	memcpy(v->report, c->claims->report, 32);
	return v;
}

/* Why a policy does not accept: what failed, or else what was not checked. */
static const struct trace_step *objection(const struct trace *t,
					  const char *policy)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->step[i].policy != NULL &&
		    strcmp(t->step[i].policy, policy) == 0 &&
		    t->step[i].outcome == TRACE_FAILED)
			return &t->step[i];
	return trace_policy_failure(t, policy);
}

/* Who was asked, and who accepts or why each does not. */
static void say_result(const struct policy_case *c, const char *accepted,
		       struct trace *t)
{
	trace_expect(t, c->policies->n == 0 ? "a policy" : "");
	if (accepted != NULL)
		trace_find(t, "%s accepts it", accepted);
	else if (c->policies->n == 0)
		trace_find(t, "none");
	for (size_t i = 0; i < c->policies->n; i++) {
		const char *name = c->policies->item[i];
		const struct trace_step *s = objection(t, name);

		trace_expect(t, "%s%s", i == 0 ? "" : " or ", name);
		if (accepted == NULL && s != NULL)
			trace_find(t, "%s%s: %s: %s: expected %s, found %s",
				   i == 0 ? "" : "; ", name, s->rule->step,
				   s->rule->refusal, s->expected, s->found);
	}
	trace_expect(t, " to accept it");
}

/* Whether nothing speaks against one of the policies, but something of it
 * could not be checked: more evidence could make it accept. */
static bool only_unchecked(const struct policy_case *c, const struct trace *t)
{
	for (size_t i = 0; i < c->policies->n; i++) {
		const struct trace_step *s = objection(t, c->policies->item[i]);

		if (s != NULL && s->outcome == TRACE_NOT_CHECKED)
			return true;
	}
	return false;
}

enum status policy_match(const struct policy_case *c, struct trace *trace,
			 struct verdict **out, struct err *err)
{
	const char *accepted = NULL;

	for (size_t i = 0; i < c->policies->n; i++) {
		const char *name = c->policies->item[i];

		if (try_policy(c, name, trace) && accepted == NULL)
			accepted = name;
	}
	say_result(c, accepted, trace);
	if (accepted == NULL && only_unchecked(c, trace))
		trace_step_unchecked(trace, &rule_accept);
	else
		(void)trace_step(trace, &rule_accept, accepted != NULL);
	if (accepted == NULL || !trace_has(trace, "tee.policy") ||
	    !policy_complete(trace, c->claims))
		return trace_error(trace, err);
	*out = make_verdict(c, accepted);
	return OK;
}
