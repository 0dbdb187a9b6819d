#include "attest/tee/snp.h"

#include "attest/tee/snp_device.h"
#include "core/cleanup.h"
#include "core/text.h"

#define SOURCE "confd-attest(7), SNP"

/* clang-format off */
static const struct trace_rule
rule_names = { "snp.collateral", E_PARSE,
	"the collateral is not of the form that we know", SOURCE },
rule_kind = { "snp.collateral.key", E_PARSE,
	"the certificate stands under the name of another kind of key",
	SOURCE };

static const char *const texts[] = {
	"vcek", "vlek", "chain", "crl", "table",
};
static const char *const leaf_names[SNP_KEYS] = {
	[SNP_KEY_VCEK] = "vcek",
	[SNP_KEY_VLEK] = "vlek",
};
/* clang-format on */

/* Names that we know, not both kinds of key, and a table that is base64. */
static bool read_collateral(const struct evidence_texts *in,
			    struct snp_collateral *out, struct buf *table,
			    struct trace *t)
{
	const char *other = evidence_text_other(in, texts, countof(texts));
	struct slice vcek = evidence_text(in, "vcek");
	struct slice vlek = evidence_text(in, "vlek");
	struct err err;

	trace_expect(t, "vcek or vlek, chain, crl, table");
	if (other != NULL || (vcek.len > 0 && vlek.len > 0)) {
		trace_find(t, "%s", other != NULL ? other : "vcek and vlek");
		return trace_step(t, &rule_names, false);
	}
	if (text_unbase64(evidence_text(in, "table"), table, "table", &err) !=
	    OK) {
		trace_step_err(t, &rule_names, &err);
		return false;
	}
	*out = (struct snp_collateral){
		.leaf = vcek.len > 0 ? vcek : vlek,
		.chain = evidence_text(in, "chain"),
		.crl = evidence_text(in, "crl"),
		.table = buf_slice(table),
	};
	trace_find(t, "%zu texts", in->n);
	return trace_step(t, &rule_names, true);
}

/* A text is what its name says; else a reader of the bundle is deceived. */
static bool check_kind(const struct evidence_texts *in,
		       const struct snp_claims *f, struct trace *t)
{
	const char *other = leaf_names[1 - f->key.kind];

	if (evidence_text(in, other).len == 0)
		return true;
	trace_expect(t, "%s", leaf_names[f->key.kind]);
	trace_find(t, "%s", other);
	return trace_step(t, &rule_kind, false);
}

static void fill_tcb(const struct snp_claims *f, struct claims *out)
{
	const struct snp_tcb *tcb = &f->reported_tcb;

	if (f->product == SNP_TURIN)
		claims_add_tcb(out, "fmc", tcb->fmc);
	claims_add_tcb(out, "bootloader", tcb->bootloader);
	claims_add_tcb(out, "tee", tcb->tee);
	claims_add_tcb(out, "snp", tcb->snp);
	claims_add_tcb(out, "microcode", tcb->microcode);
}

/* What all TEEs have, from what this one says. */
static void fill_claims(const struct snp_claims *f, struct claims *out)
{
	const struct snp_report *r = &f->report;
	struct slice chip = snp_verify_chip(f);

	out->tee = tee_snp.name;
	claims_add_measurement(out, "measurement", slice_of(r->measurement));
	fill_tcb(f, out);
	memcpy(out->report_data, r->report_data, sizeof(out->report_data));
	out->debug = snp_report_has_policy(r, SNP_POLICY_DEBUG);
	out->migrate = snp_report_has_policy(r, SNP_POLICY_MIGRATE_MA);
	out->smt = snp_report_has_policy(r, SNP_POLICY_SMT);
	out->vmpl = r->vmpl;
	out->chip_id_len = chip.len;
	if (chip.len > 0)
		memcpy(out->chip_id, chip.p, chip.len);
	memcpy(out->root, f->root, sizeof(out->root));
	memcpy(out->report, f->digest, sizeof(out->report));
	out->valid_until = f->valid_until;
	out->root_pinned = f->root_pinned;
	out->snp = *f;
}

static enum status verify(const struct tee_case *c, struct trace *trace,
			  struct claims *claims, struct err *err)
{
	const struct evidence_texts *in = &c->evidence->collateral;
	auto_buf struct buf table = buf_make(EVIDENCE_TEXT_MAX);
	struct snp_case sc = {
		.report = buf_slice(&c->evidence->report),
		.roots = c->trust_roots,
		.n_roots = c->n_trust_roots,
		.now = c->now,
	};
	struct claims found = { 0 };
	struct snp_claims snp;

	if (!read_collateral(in, &sc.collateral, &table, trace))
		return trace_error(trace, err);
	sc.issuers = tee_cache_find_snp(c->cache, &sc.collateral);
	TRY(snp_verify(&sc, trace, &snp, err));
	if (sc.issuers == NULL)
		tee_cache_keep_snp(c->cache, &sc.collateral);
	if (!check_kind(in, &snp, trace))
		return trace_error(trace, err);
	fill_claims(&snp, &found);
	*claims = found;
	return OK;
}

/* ---- The device ---- */

static struct snp_device_settings settings(const struct tee_settings *s)
{
	return (struct snp_device_settings){ .tsm_root = s->tsm_root };
}

static enum status detect(const struct tee_settings *s, struct err *err)
{
	const struct snp_device_settings set = settings(s);

	return snp_device_detect(&set, err);
}

static enum status open_device(const struct tee_settings *s, void **device,
			       struct err *err)
{
	const struct snp_device_settings set = settings(s);
	struct snp_device *d = NULL;

	TRY(snp_device_open(&set, &d, err));
	*device = d;
	return OK;
}

static void close_device(void *device)
{
	snp_device_close(device);
}

/* The device calls the certificate "leaf", whichever it is. */
static enum status issue(void *device, const uint8_t report_data[static 64],
			 struct evidence *out, struct err *err)
{
	struct snp_report r;

	TRY(snp_device_issue(device, report_data, out, err));
	TRY(snp_report_parse(buf_slice(&out->report), &r, err));
	uint32_t key = snp_report_signing_key(&r);
	if (key >= SNP_KEYS)
		return err_set(err, E_CRYPTO,
			       "the firmware gave a report without a "
			       "signature (signing key %u)",
			       key);
	return evidence_rename_text(&out->collateral, "leaf", leaf_names[key],
				    err);
}

static const char *folder(const void *device)
{
	return snp_device_folder(device);
}

static enum status seal_key(void *device, uint8_t out[static 32],
			    struct err *err)
{
	return snp_device_seal_key(device, out, err);
}

const struct tee tee_snp = {
	.name = "snp",
	.title = "AMD SEV-SNP",
	.mandatory = snp_verify_mandatory,
	.n_mandatory = &snp_verify_n_mandatory,
	.detect = detect,
	.open = open_device,
	.close = close_device,
	.issue = issue,
	.folder = folder,
	.seal_key = seal_key,
	.verify = verify,
};
