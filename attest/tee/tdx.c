#include "attest/tee/tdx.h"

#include "attest/tee/eventlog.h"
#include "attest/tee/tdx_device.h"
#include "core/cleanup.h"

#define SOURCE "confd-attest(7), TDX"

/* clang-format off */
static const struct trace_rule
rule_names = { "tdx.collateral", E_PARSE,
	"the collateral has a text that nobody knows", SOURCE },
rule_log = { "eventlog.form", E_PARSE,
	"the event log is not of the form that we know",
	"confd-attest(7), EVENT LOGS" };

static const char *const texts[] = {
	"tcb_info", "tcb_info_chain", "qe_identity", "qe_identity_chain",
	"pck_crl", "pck_crl_chain", "root_ca_crl",
};
/* clang-format on */

static bool read_collateral(const struct evidence_texts *in,
			    struct tdx_collateral_input *out, struct trace *t)
{
	const char *other = evidence_text_other(in, texts, countof(texts));

	trace_expect(t, "documents, their chains, and revocation lists");
	if (other != NULL) {
		trace_find(t, "%s", other);
		return trace_step(t, &rule_names, false);
	}
	*out = (struct tdx_collateral_input){
		.tcb_info = evidence_text(in, "tcb_info"),
		.tcb_info_chain = evidence_text(in, "tcb_info_chain"),
		.qe_identity = evidence_text(in, "qe_identity"),
		.qe_identity_chain = evidence_text(in, "qe_identity_chain"),
		.pck_crl = evidence_text(in, "pck_crl"),
		.pck_crl_chain = evidence_text(in, "pck_crl_chain"),
		.root_ca_crl = evidence_text(in, "root_ca_crl"),
	};
	trace_find(t, "%zu texts", in->n);
	return trace_step(t, &rule_names, true);
}

static void fill_measurements(const struct tdx_claims *f, struct claims *out)
{
	const struct tdx_td *td = &f->td;

	claims_add_measurement(out, "mrtd", slice_of(td->mrtd));
	claims_add_measurement(out, "rtmr0", slice_of(td->rtmr[0]));
	claims_add_measurement(out, "rtmr1", slice_of(td->rtmr[1]));
	claims_add_measurement(out, "rtmr2", slice_of(td->rtmr[2]));
	claims_add_measurement(out, "rtmr3", slice_of(td->rtmr[3]));
	claims_add_measurement(out, "mrconfigid", slice_of(td->mrconfigid));
	claims_add_measurement(out, "mrowner", slice_of(td->mrowner));
	claims_add_measurement(out, "mrownerconfig",
			       slice_of(td->mrownerconfig));
	claims_add_measurement(out, "mrseam", slice_of(td->mrseam));
	claims_add_measurement(out, "mrsignerseam", slice_of(td->mrsignerseam));
	if (f->body == TDX_BODY_15)
		claims_add_measurement(out, "mrservicetd",
				       slice_of(td->mrservicetd));
}

/* The platform, where it was registered as one; else the processor. */
static void fill_chip(const struct tdx_pck *pck, struct claims *out)
{
	const uint8_t *id = pck->has_instance ? pck->instance : pck->ppid;

	out->chip_id_len = sizeof(pck->ppid);
	memcpy(out->chip_id, id, sizeof(pck->ppid));
}

/* Whether the root is one that only the case named. */
static bool is_test_root(const struct tee_case *c, const uint8_t *root)
{
	for (size_t i = 0; i < c->n_trust_roots; i++)
		if (memcmp(c->trust_roots[i], root, 32) == 0)
			return true;
	return false;
}

/* What all TEEs have, from what this one says. */
static void fill_claims(const struct tee_case *c, const struct tdx_claims *f,
			struct claims *out)
{
	const struct tdx_td *td = &f->td;

	out->tee = tee_tdx.name;
	fill_measurements(f, out);
	claims_add_tcb(out, "module_svn", td->tee_tcb_svn[0]);
	claims_add_tcb(out, "module_version", td->tee_tcb_svn[1]);
	claims_add_tcb(out, "pce_svn", f->pck.pce_svn);
	claims_add_tcb(out, "qe_svn", f->qe.isv_svn);
	memcpy(out->report_data, td->report_data, sizeof(out->report_data));
	out->debug = (td->attributes & TDX_ATTR_DEBUG) != 0;
	out->migrate = (td->attributes & TDX_ATTR_MIGRATABLE) != 0;
	out->smt = f->pck.has_configuration && f->pck.smt;
	fill_chip(&f->pck, out);
	memcpy(out->root, f->root, sizeof(out->root));
	memcpy(out->report, f->report, sizeof(out->report));
	out->valid_until = f->valid_until;
	out->root_pinned = !is_test_root(c, f->root);
	out->tdx = *f;
}

/* The log leads to the registers, which are genuine by now. */
static enum status check_log(const struct evidence *e,
			     const struct tdx_claims *f, struct trace *t,
			     struct err *err)
{
	auto_eventlog struct eventlog log = { 0 };
	struct err why;

	if (e->n_logs == 0)
		return OK;
	trace_expect(t, "a CC event log");
	if (eventlog_parse(buf_slice(&e->log[0]), EVENTLOG_CC, &log, &why) !=
	    OK) {
		trace_step_err(t, &rule_log, &why);
		return trace_error(t, err);
	}
	trace_find(t, "%zu events", log.n);
	(void)trace_step(t, &rule_log, true);
	return eventlog_verify_rtmrs(&log, f->td.rtmr,
				     eventlog_told(&log, f->td.rtmr), t, err);
}

static enum status verify(const struct tee_case *c, struct trace *trace,
			  struct claims *claims, struct err *err)
{
	struct tdx_case tc = {
		.quote = buf_slice(&c->evidence->report),
		.roots = c->trust_roots,
		.n_roots = c->n_trust_roots,
		.now = c->now,
	};
	struct claims found = { 0 };
	struct tdx_claims tdx;

	if (!read_collateral(&c->evidence->collateral, &tc.input, trace))
		return trace_error(trace, err);
	tc.collateral = tee_cache_find_tdx(c->cache, &tc.input);
	TRY(tdx_verify(&tc, trace, &tdx, err));
	if (tc.collateral == NULL)
		tee_cache_keep_tdx(c->cache, &tc.input);
	TRY(check_log(c->evidence, &tdx, trace, err));
	fill_claims(c, &tdx, &found);
	*claims = found;
	return OK;
}

/* ---- The device ---- */

static struct tdx_device_settings settings(const struct tee_settings *s)
{
	return (struct tdx_device_settings){ .tsm_root = s->tsm_root };
}

static enum status detect(const struct tee_settings *s, struct err *err)
{
	const struct tdx_device_settings set = settings(s);

	return tdx_device_detect(&set, err);
}

static enum status open_device(const struct tee_settings *s, void **device,
			       struct err *err)
{
	const struct tdx_device_settings set = settings(s);
	struct tdx_device *d = NULL;

	TRY(tdx_device_open(&set, &d, err));
	*device = d;
	return OK;
}

static void close_device(void *device)
{
	tdx_device_close(device);
}

static enum status issue(void *device, const uint8_t report_data[static 64],
			 struct evidence *out, struct err *err)
{
	return tdx_device_issue(device, report_data, out, err);
}

static const char *folder(const void *device)
{
	return tdx_device_folder(device);
}

static enum status seal_key(void *device, uint8_t out[static 32],
			    struct err *err)
{
	return tdx_device_seal_key(device, out, err);
}

const struct tee tee_tdx = {
	.name = "tdx",
	.title = "Intel TDX",
	.event_log = true,
	.mandatory = tdx_verify_mandatory,
	.n_mandatory = &tdx_verify_n_mandatory,
	.detect = detect,
	.open = open_device,
	.close = close_device,
	.issue = issue,
	.folder = folder,
	.seal_key = seal_key,
	.verify = verify,
};
