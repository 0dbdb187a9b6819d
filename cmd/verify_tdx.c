/* confd verify tdx: an Intel TDX quote, with Intel's collateral and the event
 * log that leads to its registers. */
#include "attest/tee/eventlog.h"
#include "attest/tee/tdx_policy.h"
#include "cmd/verify_default.h"
#include "cmd/verify_input.h"
#include "cmd/verify_session.h"
#include "core/cleanup.h"
#include "core/file.h"

/* ---- Claims ---- */

static const struct tdx_claims *of(const void *claims)
{
	return claims;
}

static void put_body(const void *claims, struct buf *out)
{
	buf_put_str(out, of(claims)->body == TDX_BODY_15 ? "1.5" : "1.0");
}

static void put_ca(const void *claims, struct buf *out)
{
	buf_put_str(out, of(claims)->processor_ca ? "processor" : "platform");
}

static void put_status(const void *claims, struct buf *out)
{
	buf_put_str(out, tdx_status_name(of(claims)->status));
}

static void put_module_status(const void *claims, struct buf *out)
{
	buf_put_str(out, tdx_status_name(of(claims)->module_status));
}

static void put_qe_status(const void *claims, struct buf *out)
{
	buf_put_str(out, tdx_status_name(of(claims)->qe_status));
}

static void put_level_status(const void *claims, struct buf *out)
{
	buf_put_str(out, tdx_status_name(of(claims)->level_status));
}

static void put_advisories(const void *claims, struct buf *out)
{
	const struct tdx_advisories *a = &of(claims)->advisories;

	for (size_t i = 0; i < a->n; i++)
		buf_putf(out, "%s%s", i == 0 ? "" : ",", a->id[i]);
}

static bool is_15(const void *claims)
{
	return of(claims)->body == TDX_BODY_15;
}

static bool has_instance(const void *claims)
{
	return of(claims)->pck.has_instance;
}

/* clang-format off */
#define IN(n, k, m) \
	{ CLAIM_ROW(n, k), CLAIM_AT(struct tdx_claims, m) }
#define BIT(n, b) \
	{ CLAIM_ROW(n, CLAIM_BIT), \
	  CLAIM_AT(struct tdx_claims, td.attributes), .bit = b }
#define SAID(n, f) { CLAIM_ROW(n, CLAIM_TEXT), .text = f }

static const struct verify_claim rows[] = {
	IN("version", CLAIM_UINT, version),
	SAID("body", put_body),
	IN("mrtd", CLAIM_BYTES, td.mrtd),
	IN("rtmr0", CLAIM_BYTES, td.rtmr[0]),
	IN("rtmr1", CLAIM_BYTES, td.rtmr[1]),
	IN("rtmr2", CLAIM_BYTES, td.rtmr[2]),
	IN("rtmr3", CLAIM_BYTES, td.rtmr[3]),
	IN("report_data", CLAIM_BYTES, td.report_data),
	IN("mrconfigid", CLAIM_BYTES, td.mrconfigid),
	IN("mrowner", CLAIM_BYTES, td.mrowner),
	IN("mrownerconfig", CLAIM_BYTES, td.mrownerconfig),
	{ CLAIM_ROW("mrservicetd", CLAIM_BYTES),
	  CLAIM_AT(struct tdx_claims, td.mrservicetd), .has = is_15 },
	IN("mrseam", CLAIM_BYTES, td.mrseam),
	IN("mrsignerseam", CLAIM_BYTES, td.mrsignerseam),
	IN("seam_attributes", CLAIM_MASK, td.seam_attributes),
	IN("tee_tcb_svn", CLAIM_BYTES, td.tee_tcb_svn),
	{ CLAIM_ROW("tee_tcb_svn2", CLAIM_BYTES),
	  CLAIM_AT(struct tdx_claims, td.tee_tcb_svn2), .has = is_15 },
	IN("attributes", CLAIM_MASK, td.attributes),
	BIT("debug", TDX_ATTR_DEBUG),
	BIT("migratable", TDX_ATTR_MIGRATABLE),
	BIT("sept_ve_disable", TDX_ATTR_SEPT_VE_DISABLE),
	BIT("pks", TDX_ATTR_PKS),
	BIT("kl", TDX_ATTR_KL),
	BIT("perfmon", TDX_ATTR_PERFMON),
	IN("xfam", CLAIM_MASK, td.xfam),
	SAID("tcb_status", put_status),
	SAID("level_status", put_level_status),
	SAID("module_status", put_module_status),
	SAID("qe_status", put_qe_status),
	IN("tcb_date", CLAIM_TIME, tcb_date),
	IN("evaluation", CLAIM_UINT, evaluation),
	{ CLAIM_ROW("advisories", CLAIM_LIST), .text = put_advisories },
	IN("fmspc", CLAIM_BYTES, pck.fmspc),
	IN("ppid", CLAIM_BYTES, pck.ppid),
	IN("pce_id", CLAIM_BYTES, pck.pce_id),
	IN("pce_svn", CLAIM_UINT, pck.pce_svn),
	IN("cpu_svn", CLAIM_BYTES, pck.cpu_svn),
	{ CLAIM_ROW("platform_id", CLAIM_BYTES),
	  CLAIM_AT(struct tdx_claims, pck.instance), .has = has_instance },
	SAID("ca", put_ca),
	IN("qe.mrenclave", CLAIM_BYTES, qe.mrenclave),
	IN("qe.mrsigner", CLAIM_BYTES, qe.mrsigner),
	IN("qe.isv_prod_id", CLAIM_UINT, qe.isv_prod_id),
	IN("qe.isv_svn", CLAIM_UINT, qe.isv_svn),
	IN("root", CLAIM_BYTES, root),
	IN("report", CLAIM_BYTES, report),
	IN("valid_until", CLAIM_TIME, valid_until),
};
/* clang-format on */

const struct verify_claims verify_tdx_claims = { "tdx", rows, countof(rows) };

/* ---- Policy ---- */

static bool is_tdx(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_TDX;
}

/* What --expect says of one claim, as a list of texts. */
struct texts {
	char text[VERIFY_EXPECT_MAX];
	char *item[TDX_ADVISORIES_MAX];
	struct manifest_strings list;
};

static const struct manifest_strings *texts_of(const struct verify_expects *e,
					       const char *claim,
					       struct texts *t)
{
	const char *value = verify_claims_expected(e, claim);

	if (value == NULL)
		return NULL;
	(void)snprintf(t->text, sizeof(t->text), "%s", value);
	t->list = (struct manifest_strings){ 0, t->item };
	for (char *at = t->text; at != NULL && *at != '\0';) {
		if (t->list.n == countof(t->item))
			break;
		t->item[t->list.n++] = at;
		at = strchr(at, ',');
		if (at != NULL)
			*at++ = '\0';
	}
	return &t->list;
}

void verify_tdx_default(const struct verify_expects *e,
			const struct tdx_claims *c, struct trace *t)
{
	struct texts status, advisories;
	const struct tdx_policy p = {
		.debug = verify_claims_expects(e, "debug", "true"),
		.migratable = verify_claims_expects(e, "migratable", "true"),
		.sept_ve = true, /* not among the defaults: told instead */
		.told_advisories = true,
		.tcb_status = texts_of(e, "tcb_status", &status),
		.advisories = texts_of(e, "advisories", &advisories),
	};

	(void)tdx_policy_check(&p, c, t);
}

/* The image is what MRTD and the RTMRs say together. */
static void say_image(const struct verify_expects *e, struct buf *out)
{
	static const char *const claims[] = { "mrtd", "rtmr0", "rtmr1", "rtmr2",
					      "rtmr3" };
	auto_buf struct buf open = buf_make(64);
	size_t n = 0;

	for (size_t i = 0; i < countof(claims); i++) {
		if (verify_claims_expected(e, claims[i]) != NULL)
			continue;
		buf_putf(&open, "%s%s", n++ == 0 ? "" : ", ", claims[i]);
	}
	if (n == countof(claims))
		buf_put_str(out,
			    "which program runs: any image is accepted here "
			    "(--expect mrtd=HEX and the RTMRs, or "
			    "--manifest)\n");
	else if (n > 0)
		buf_putf(out,
			 "all of which program runs: any %s is accepted here\n",
			 buf_cstr(&open));
}

void verify_tdx_unproven(const struct verify_expects *e, bool by_policy,
			 const struct tdx_claims *c, struct buf *out)
{
	if (!by_policy)
		say_image(e, out);
	if ((c->td.attributes & TDX_ATTR_SEPT_VE_DISABLE) == 0)
		buf_put_str(out, "that the host cannot make its pages fault as "
				 "it runs: SEPT_VE_DISABLE is off\n");
	if (c->advisories.n == 0)
		return;
	buf_put_str(out, "that Intel's advisories about the platform (");
	put_advisories(c, out);
	buf_put_str(out, ") do not matter here\n");
}

static void say_unproven(struct verify *v, const struct tdx_claims *c)
{
	if (v->roots.n > 0 && trace_has(&v->trace, "tdx.chain.root"))
		for (size_t i = 0; i < v->roots.n; i++)
			if (memcmp(v->roots.spki[i], c->root, 32) == 0)
				verify_unproven(v, "any protection by "
						   "hardware: the root is one "
						   "that was named here, not "
						   "Intel's");
	if (!verify_asked(v, "report_data"))
		verify_unproven(v,
				"that the quote was made now, or for you: "
				"its report data were not compared (--expect "
				"report_data=HEX)");
	verify_tdx_unproven(&v->expects, v->policy != NULL, c, &v->unproven);
}

static void judge(struct verify *v, const struct tdx_claims *c)
{
	struct tdx_policy p = { 0 };

	if (v->policy == NULL)
		verify_tdx_default(&v->expects, c, &v->trace);
	else {
		tdx_policy_from_manifest(&v->policy->tdx, &p);
		(void)tdx_policy_check(&p, c, &v->trace);
	}
	say_unproven(v, c);
}

/* ---- The event log ---- */

static const struct trace_rule rule_log = {
	"eventlog.form", E_PARSE, "the event log is not of a form that we know",
	"TCG PC Client Platform Firmware Profile 1.06, 10.2"
};

static enum status parse_log(struct slice raw, struct eventlog *log,
			     struct err *err)
{
	struct slice text = slice_from(raw, slice_span(raw, S(" \t\r\n")));

	if (slice_starts(text, S("[")))
		return eventlog_parse_json(raw, log, err);
	return eventlog_parse(raw, EVENTLOG_CC, log, err);
}

static bool extends(const struct eventlog *log, uint32_t mr)
{
	for (size_t i = 0; i < log->n; i++)
		if (log->event[i].mr == mr &&
		    log->event[i].type != EVENTLOG_NO_ACTION)
			return true;
	return false;
}

/* Firmware's log ends where the system begins, which extends RTMR3 and keeps
 * a log of its own: then nothing is said of that register. */
static unsigned registers_of(struct verify *v, const struct eventlog *log,
			     const struct tdx_claims *c)
{
	if (log->kind != EVENTLOG_CC || extends(log, EVENTLOG_RTMRS) ||
	    all_zero(c->td.rtmr[3], sizeof(c->td.rtmr[3])))
		return 0xf;
	verify_unproven(v, "how RTMR3 came to be: the event log has nothing of "
			   "it");
	return 0x7;
}

static void print_events(const struct eventlog *log)
{
	for (size_t i = 0; i < log->n; i++) {
		const struct eventlog_event *e = &log->event[i];
		const char *type = eventlog_type_name(e->type);
		bool proven =
			eventlog_event_proven(log, e, HASH_SHA384).len > 0;

		if (e->mr == 0)
			printf("event        MRTD: ");
		else
			printf("event        RTMR%u: ", e->mr - 1);
		printf("%s%s\n", type == NULL ? "unknown type" : type,
		       proven ? ", its data are proven" : "");
	}
}

static void judge_log(struct verify *v, struct slice raw,
		      const struct tdx_claims *c)
{
	auto_eventlog struct eventlog log = { 0 };
	struct err err;

	if (v->o->event_log == NULL)
		return;
	trace_expect(&v->trace, "a CC event log, or one in JSON");
	if (c == NULL) {
		trace_find(&v->trace, "a quote that is not verified");
		trace_step_unchecked(&v->trace, &rule_log);
		return;
	}
	if (parse_log(raw, &log, &err) != OK) {
		trace_step_err(&v->trace, &rule_log, &err);
		return;
	}
	trace_find(&v->trace, "%zu events", log.n);
	(void)trace_step(&v->trace, &rule_log, true);
	(void)eventlog_verify_rtmrs(&log, c->td.rtmr, registers_of(v, &log, c),
				    &v->trace, &err);
	if (v->o->common.verbose && !v->o->json)
		print_events(&log);
}

/* ---- The verb ---- */

static enum status read_files(const struct verify_opts *o, const char *path,
			      struct buf *quote, struct buf *log,
			      struct verify_tdx_files *col, struct err *err)
{
	TRY(verify_input_read(path, VERIFY_BYTES, quote, err));
	TRY(verify_input_tdx(o->collateral, col, err));
	if (o->event_log == NULL)
		return OK;
	return verify_input_raw(o->event_log, log, err);
}

enum status verify_tdx_run(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct verify_opts *o = opts;
	auto_verify struct verify v;
	auto_buf struct buf quote = { 0 };
	auto_buf struct buf log = buf_make(EVENTLOG_MAX);
	auto_verify_tdx_files struct verify_tdx_files col = { 0 };
	struct tdx_claims claims;

	TRY(verify_begin(&v, o, &verify_tdx_claims, is_tdx, err));
	if (read_files(o, args->operands[0], &quote, &log, &col, err) != OK)
		return verify_unread(o, verify_tdx_claims.tee, err);
	const struct tdx_case c = {
		.quote = buf_slice(&quote),
		.input = col.in,
		.roots = (const uint8_t(*)[32])v.roots.spki,
		.n_roots = v.roots.n,
		.now = v.now,
	};
	bool genuine = tdx_verify(&c, &v.trace, &claims, err) == OK;
	if (genuine)
		judge(&v, &claims);
	judge_log(&v, buf_slice(&log), genuine ? &claims : NULL);
	return verify_conclude(&v, &verify_tdx_claims, genuine ? &claims : NULL,
			       tdx_verify_mandatory, tdx_verify_n_mandatory,
			       err);
}
