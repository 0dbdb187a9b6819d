#include "attest/tee/tdx_policy.h"

#include "core/cleanup.h"
#include "core/text.h"

#define SOURCE "confd-manifest(5), POLICIES"
#define ABI "Intel TDX Module ABI"

/* ---- Lists of digests ---- */

/* clang-format off */
#define LIST(m) offsetof(struct tdx_policy, m)
#define CLAIM(m) offsetof(struct tdx_claims, m), \
		 sizeof(((struct tdx_claims *)0)->m)
#define RULE(name, sentence) { "policy." name, E_POLICY, sentence, SOURCE }

/* One rule a row: the list, and the claim that it has to have. */
static const struct {
	struct trace_rule rule;
	size_t list, at, len;
} digests[] = {
	{ RULE("mrtd", "the policy does not list this TD"),
	  LIST(mrtd), CLAIM(td.mrtd) },
	{ RULE("rtmr0", "the policy does not list what RTMR0 measured"),
	  LIST(rtmr[0]), CLAIM(td.rtmr[0]) },
	{ RULE("rtmr1", "the policy does not list what RTMR1 measured"),
	  LIST(rtmr[1]), CLAIM(td.rtmr[1]) },
	{ RULE("rtmr2", "the policy does not list what RTMR2 measured"),
	  LIST(rtmr[2]), CLAIM(td.rtmr[2]) },
	{ RULE("rtmr3", "the policy does not list what RTMR3 measured"),
	  LIST(rtmr[3]), CLAIM(td.rtmr[3]) },
	{ RULE("mrconfigid", "the policy does not list this configuration"),
	  LIST(mrconfigid), CLAIM(td.mrconfigid) },
	{ RULE("mrowner", "the policy does not list this owner"),
	  LIST(mrowner), CLAIM(td.mrowner) },
	{ RULE("mrownerconfig",
	       "the policy does not list this owner's configuration"),
	  LIST(mrownerconfig), CLAIM(td.mrownerconfig) },
	{ RULE("mrseam", "the policy does not list this TDX module"),
	  LIST(mrseam), CLAIM(td.mrseam) },
	{ RULE("mrsignerseam",
	       "the policy does not list the TDX module's signer"),
	  LIST(mrsignerseam), CLAIM(td.mrsignerseam) },
	{ RULE("fmspc", "the policy does not list this family of platforms"),
	  LIST(fmspcs), CLAIM(pck.fmspc) },
	{ RULE("ppid", "the policy does not list this processor"),
	  LIST(ppids), CLAIM(pck.ppid) },
};
/* clang-format on */

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

static bool check_digest(const struct manifest_digests *list,
			 struct slice value, const struct trace_rule *rule,
			 struct trace *t)
{
	expect_listed(t, list);
	trace_find_bytes(t, value);
	return trace_step(t, rule, manifest_digests_have(list, value));
}

static bool check_digests(const struct tdx_policy *p,
			  const struct tdx_claims *c, struct trace *t)
{
	bool ok = true;

	for (size_t i = 0; i < countof(digests); i++) {
		const struct manifest_digests *list;
		struct slice value = slice_make(
			(const uint8_t *)c + digests[i].at, digests[i].len);

		memcpy(&list, (const uint8_t *)p + digests[i].list,
		       sizeof(list));
		if (list != NULL)
			ok &= check_digest(list, value, &digests[i].rule, t);
	}
	return ok;
}

/* ---- The rest ---- */

/* A rule says what it expects and finds, and whether it holds. */
typedef bool rule_check(const struct tdx_policy *p, const struct tdx_claims *c,
			struct trace *t);

/* A bit of ATTRIBUTES that has to be `on`, unless that is tolerated. */
static bool check_bit(const struct tdx_claims *c, uint64_t bit, bool on,
		      bool tolerated, struct trace *t)
{
	bool found = (c->td.attributes & bit) != 0;

	trace_expect(t, tolerated ? "on or off" : on ? "on" : "off");
	trace_find(t, found ? "on" : "off");
	return tolerated || found == on;
}

static bool check_debug(const struct tdx_policy *p, const struct tdx_claims *c,
			struct trace *t)
{
	return check_bit(c, TDX_ATTR_DEBUG, false, p->debug, t);
}

static bool check_migratable(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	return check_bit(c, TDX_ATTR_MIGRATABLE, false, p->migratable, t);
}

static bool check_sept_ve(const struct tdx_policy *p,
			  const struct tdx_claims *c, struct trace *t)
{
	return check_bit(c, TDX_ATTR_SEPT_VE_DISABLE, true, p->sept_ve, t);
}

static bool check_perfmon(const struct tdx_policy *p,
			  const struct tdx_claims *c, struct trace *t)
{
	return check_bit(c, TDX_ATTR_PERFMON, false, !p->perfmon_refused, t);
}

static bool check_no_others(uint64_t bits, uint64_t allowed, struct trace *t)
{
	trace_expect(t, "no bit but of %#llx", (unsigned long long)allowed);
	trace_find(t, "%#llx", (unsigned long long)bits);
	return (bits & ~allowed) == 0;
}

static bool check_attributes(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	(void)p;
	return check_no_others(c->td.attributes, TDX_ATTR_KNOWN, t);
}

static bool check_xfam_known(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	return check_no_others(
		c->td.xfam,
		p->has_xfam ? p->xfam & TDX_XFAM_KNOWN : TDX_XFAM_KNOWN, t);
}

static bool check_xfam_fixed(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	(void)p;
	trace_expect(t, "%#llx on", (unsigned long long)TDX_XFAM_FIXED1);
	trace_find(t, "%#llx", (unsigned long long)c->td.xfam);
	return (c->td.xfam & TDX_XFAM_FIXED1) == TDX_XFAM_FIXED1;
}

/* "UpToDate" as the one entry of a list. */
static void expect_strings(struct trace *t, const struct manifest_strings *l,
			   const char *otherwise)
{
	if (l == NULL || l->n == 0)
		trace_expect(t, "%s", l == NULL ? otherwise : "nothing");
	for (size_t i = 0; l != NULL && i < l->n; i++)
		trace_expect(t, "%s%s", i == 0 ? "" : " or ", l->item[i]);
}

static bool check_status(const struct tdx_policy *p, const struct tdx_claims *c,
			 struct trace *t)
{
	/* What Intel knows to be attackable; a list cannot make it good. */
	static const bool never[] = {
		[TDX_STATUS_NONE] = true,
		[TDX_OUT_OF_DATE] = true,
		[TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = true,
		[TDX_REVOKED] = true,
		[TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] = false,
	};
	const char *name = tdx_status_name(c->status);

	expect_strings(t, p->tcb_status, tdx_status_name(TDX_UP_TO_DATE));
	trace_find(t, "%s", name);
	if ((size_t)c->status >= countof(never) || never[c->status]) {
		trace_expect(t, ", and none that is out of date or revoked");
		return false;
	}
	if (p->tcb_status == NULL)
		return c->status == TDX_UP_TO_DATE;
	return manifest_strings_have(p->tcb_status, slice_str(name));
}

static bool check_advisories(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	bool ok = true;
	bool any = p->told_advisories && p->advisories == NULL &&
		   c->status == TDX_UP_TO_DATE;

	trace_expect(t, any ? "any: the platform is up to date" : "none but ");
	if (!any)
		expect_strings(t, p->advisories, "nothing");
	for (size_t i = 0; i < c->advisories.n; i++) {
		const char *id = c->advisories.id[i];

		ok &= any ||
		      (p->advisories != NULL &&
		       manifest_strings_have(p->advisories, slice_str(id)));
		trace_find(t, "%s%s", i == 0 ? "" : ", ", id);
	}
	if (c->advisories.n == 0)
		trace_find(t, "none");
	return ok;
}

static bool check_evaluation(const struct tdx_policy *p,
			     const struct tdx_claims *c, struct trace *t)
{
	if (p->min_evaluation == 0)
		trace_expect(t, "any");
	else
		trace_expect(t, "at least %u", p->min_evaluation);
	trace_find(t, "%u", c->evaluation);
	return c->evaluation >= p->min_evaluation;
}

static bool check_tcb_date(const struct tdx_policy *p,
			   const struct tdx_claims *c, struct trace *t)
{
	char least[TEXT_TIME_SIZE], found[TEXT_TIME_SIZE];

	text_time(least, p->min_tcb_date);
	text_time(found, c->tcb_date);
	if (p->min_tcb_date == 0)
		trace_expect(t, "any");
	else
		trace_expect(t, "at least %s", least);
	trace_find(t, "%s", found);
	return c->tcb_date >= p->min_tcb_date;
}

static bool check_svn(const struct tdx_policy *p, const struct tdx_claims *c,
		      struct trace *t)
{
	bool ok = true;
	bool asked = !all_zero(p->min_tee_tcb_svn, sizeof(p->min_tee_tcb_svn));

	trace_expect(t, asked ? "at least, byte by byte, " : "any");
	if (asked)
		trace_expect_bytes(t, slice_of(p->min_tee_tcb_svn));
	trace_find_bytes(t, slice_of(c->td.tee_tcb_svn));
	for (size_t i = 0; i < sizeof(p->min_tee_tcb_svn); i++)
		ok &= c->td.tee_tcb_svn[i] >= p->min_tee_tcb_svn[i];
	return ok;
}

/* clang-format off */
static const struct {
	struct trace_rule rule;
	rule_check *check;
} rules[] = {
	{ RULE("debug", "its memory can be read from outside (debug)"),
	  check_debug },
	{ RULE("migratable", "the host can move it elsewhere"),
	  check_migratable },
	{ RULE("sept_ve_disable",
	       "the host can make its pages fault as it runs"),
	  check_sept_ve },
	{ RULE("perfmon", "its performance counters are on"),
	  check_perfmon },
	{ { "policy.attributes", E_POLICY,
	    "an attribute is on whose meaning is not known", ABI },
	  check_attributes },
	{ { "policy.xfam.fixed", E_POLICY,
	    "a feature is off that every TD has", ABI }, check_xfam_fixed },
	{ { "policy.xfam", E_POLICY,
	    "a feature is on that is not known or not allowed", ABI },
	  check_xfam_known },
	{ RULE("tcb_status", "the platform's status is not accepted"),
	  check_status },
	{ RULE("advisories", "an advisory applies that is not tolerated"),
	  check_advisories },
	{ RULE("evaluation", "the collateral is of an older evaluation than "
	       "the policy asks for"), check_evaluation },
	{ RULE("tcb_date", "the platform is older than the policy asks for"),
	  check_tcb_date },
	{ RULE("tee_tcb_svn", "the TDX module is older than the policy asks "
	       "for"), check_svn },
};

static const struct trace_rule
rule_instance = RULE("instance", "the policy does not list this platform"),
rule_mrservicetd = RULE("mrservicetd",
	"the policy does not list this service TD");
/* clang-format on */

/* Those that not every quote has: without one, no list has it. */
static bool check_optional(const struct tdx_policy *p,
			   const struct tdx_claims *c, struct trace *t)
{
	struct slice none = { 0 };
	bool ok = true;

	if (p->instances != NULL)
		ok &= check_digest(
			p->instances,
			c->pck.has_instance ? slice_of(c->pck.instance) : none,
			&rule_instance, t);
	if (p->mrservicetd != NULL)
		ok &= check_digest(p->mrservicetd,
				   c->body == TDX_BODY_15
					   ? slice_of(c->td.mrservicetd)
					   : none,
				   &rule_mrservicetd, t);
	return ok;
}

bool tdx_policy_check(const struct tdx_policy *p, const struct tdx_claims *c,
		      struct trace *trace)
{
	bool ok = check_digests(p, c, trace);

	ok &= check_optional(p, c, trace);
	for (size_t i = 0; i < countof(rules); i++)
		ok &= trace_step(trace, &rules[i].rule,
				 rules[i].check(p, c, trace));
	return ok && !trace->bad;
}

/* A list that a manifest leaves out is empty there. */
static const struct manifest_digests *unless_empty(
	const struct manifest_digests *l)
{
	return l->n == 0 ? NULL : l;
}

static void lists_from_manifest(const struct manifest_tdx *m,
				struct tdx_policy *p)
{
	p->mrtd = &m->mrtd;
	for (size_t i = 0; i < countof(p->rtmr); i++)
		p->rtmr[i] = &m->rtmr[i];
	p->mrconfigid = unless_empty(&m->mrconfigid);
	p->mrowner = unless_empty(&m->mrowner);
	p->mrownerconfig = unless_empty(&m->mrownerconfig);
	p->mrservicetd = unless_empty(&m->mrservicetd);
	p->mrseam = unless_empty(&m->mrseam);
	p->mrsignerseam = unless_empty(&m->mrsignerseam);
	p->fmspcs = unless_empty(&m->fmspcs);
	p->instances = unless_empty(&m->platform_ids);
	p->ppids = unless_empty(&m->ppids);
	p->tcb_status = &m->tcb_status;
	p->advisories = &m->advisories;
}

void tdx_policy_from_manifest(const struct manifest_tdx *m,
			      struct tdx_policy *p)
{
	*p = (struct tdx_policy){
		.min_evaluation = m->min_evaluation,
		.min_tcb_date = m->min_tcb_date,
		.debug = m->debug,
		.migratable = m->migratable,
		.sept_ve = m->sept_ve,
		.perfmon_refused = m->no_perfmon,
		.has_xfam = m->has_xfam,
		.xfam = m->xfam,
	};
	memcpy(p->min_tee_tcb_svn, m->min_tee_tcb_svn,
	       sizeof(p->min_tee_tcb_svn));
	lists_from_manifest(m, p);
}
