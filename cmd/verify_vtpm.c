/* confd verify vtpm: a quote of Azure's vTPM, and what leads from it to the
 * CPU: HCL report, SNP report or TD quote, collateral. */
#include "attest/tee/snp_policy.h"
#include "attest/tee/tdx_policy.h"
#include "attest/tee/vtpm.h"
#include "cmd/verify_default.h"
#include "cmd/verify_input.h"
#include "cmd/verify_session.h"
#include "core/cleanup.h"
#include "core/text.h"

#define PCRS_FILE_MAX (64u << 10) /* bytes */

struct files {
	struct buf quote, signature, pcrs;
	struct buf vcek, chain, crl; /* of SNP */
	struct buf td_quote;	     /* of TDX */
	struct verify_tdx_files intel;
	uint8_t nonce[VTPM_NONCE_MAX];
	size_t nonce_len;
};

static void files_done(struct files *f)
{
	struct buf *const all[] = { &f->quote,	 &f->signature, &f->pcrs,
				    &f->vcek,	 &f->chain,	&f->crl,
				    &f->td_quote };

	for (size_t i = 0; i < countof(all); i++)
		buf_done(all[i]);
	verify_tdx_files_done(&f->intel);
}

/* ---- One CPU or the other ---- */

/* What was verified of the CPU's own report. */
struct cpu_claims {
	struct snp_claims snp;
	struct tdx_claims tdx;
};

struct cpu {
	const struct verify_claims *table;
	bool (*allowed)(const struct manifest_policy *p);
	const char *const *mandatory;
	const size_t *n_mandatory;
	bool (*genuine)(struct verify *v, struct slice report,
			const struct files *f, struct cpu_claims *out);
	void (*judge)(struct verify *v, const struct cpu_claims *c);
	const void *(*claims)(const struct cpu_claims *c);
};

/* As of its verb, but that the report data are the runtime data's. */
static bool is_snp(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP;
}

static bool snp_genuine(struct verify *v, struct slice report,
			const struct files *f, struct cpu_claims *out)
{
	struct err err;
	const struct snp_case c = {
		.report = report,
		.collateral = { .leaf = buf_slice(&f->vcek),
				.chain = buf_slice(&f->chain),
				.crl = buf_slice(&f->crl) },
		.roots = (const uint8_t(*)[32])v->roots.spki,
		.n_roots = v->roots.n,
		.now = v->now,
	};

	return snp_verify(&c, &v->trace, &out->snp, &err) == OK;
}

static void snp_judge(struct verify *v, const struct cpu_claims *c)
{
	struct snp_policy p;

	if (v->policy == NULL) {
		verify_snp_default(&v->expects, &c->snp, &v->trace);
	} else {
		snp_policy_from_manifest(&v->policy->snp, &p);
		(void)snp_policy_holds(&p, &c->snp, &v->trace);
	}
	if (!c->snp.root_pinned)
		verify_unproven(v, "any protection by hardware: the root is "
				   "one that was named here, not AMD's");
	verify_snp_unproven(&v->expects, v->policy != NULL, &c->snp,
			    &v->unproven);
}

static const void *snp_claims(const struct cpu_claims *c)
{
	return &c->snp;
}

static bool is_tdx(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_TDX;
}

/* The TDREPORT of the HCL report proves nothing elsewhere: the quote counts. */
static bool tdx_genuine(struct verify *v, struct slice report,
			const struct files *f, struct cpu_claims *out)
{
	struct err err;
	const struct tdx_case c = {
		.quote = buf_slice(&f->td_quote),
		.input = f->intel.in,
		.roots = (const uint8_t(*)[32])v->roots.spki,
		.n_roots = v->roots.n,
		.now = v->now,
	};

	(void)report;
	if (c.quote.len == 0)
		return false; /* there is a step that says so */
	return tdx_verify(&c, &v->trace, &out->tdx, &err) == OK;
}

static void tdx_judge(struct verify *v, const struct cpu_claims *c)
{
	struct tdx_policy p = { 0 };

	if (v->policy == NULL) {
		verify_tdx_default(&v->expects, &c->tdx, &v->trace);
	} else {
		tdx_policy_from_manifest(&v->policy->tdx, &p);
		(void)tdx_policy_check(&p, &c->tdx, &v->trace);
	}
	for (size_t i = 0; i < v->roots.n; i++)
		if (memcmp(v->roots.spki[i], c->tdx.root, 32) == 0)
			verify_unproven(v, "any protection by hardware: the "
					   "root is one that was named here, "
					   "not Intel's");
	verify_tdx_unproven(&v->expects, v->policy != NULL, &c->tdx,
			    &v->unproven);
}

static const void *tdx_claims(const struct cpu_claims *c)
{
	return &c->tdx;
}

static const struct cpu cpu_snp = {
	.table = &verify_snp_claims,
	.allowed = is_snp,
	.mandatory = snp_verify_mandatory,
	.n_mandatory = &snp_verify_n_mandatory,
	.genuine = snp_genuine,
	.judge = snp_judge,
	.claims = snp_claims,
};

static const struct cpu cpu_tdx = {
	.table = &verify_tdx_claims,
	.allowed = is_tdx,
	.mandatory = tdx_verify_mandatory,
	.n_mandatory = &tdx_verify_n_mandatory,
	.genuine = tdx_genuine,
	.judge = tdx_judge,
	.claims = tdx_claims,
};

/* An option of the other CPU would be left unread: say so.  Of a report that
 * is no HCL report the options tell what was meant. */
static enum status pick_cpu(const struct verify_opts *o,
			    const struct vtpm_hcl *hcl, const struct cpu **out,
			    struct err *err)
{
	bool snp = o->vcek != NULL || o->chain != NULL || o->crl != NULL;
	bool tdx = o->td_quote != NULL || o->collateral != NULL;
	bool is = hcl != NULL ? hcl->cpu == VTPM_TDX : tdx;

	if (is ? snp : tdx)
		return err_set(err, E_USAGE,
			       is ? "the HCL report is of TDX: expected "
				    "--td-quote and --collateral, no --vcek, "
				    "--chain or --crl"
				  : "the HCL report is of SNP: expected --vcek "
				    "and --chain, no --td-quote or "
				    "--collateral");
	*out = is ? &cpu_tdx : &cpu_snp;
	return OK;
}

/* ---- Files ---- */

static enum status read_files(const struct verify_opts *o, struct files *f,
			      struct err *err)
{
	const struct {
		const char *path;
		enum verify_form form;
		struct buf *to;
	} rows[] = {
		{ o->quote, VERIFY_BYTES, &f->quote },
		{ o->signature, VERIFY_BYTES, &f->signature },
		{ o->vcek, VERIFY_CERTS, &f->vcek },
		{ o->chain, VERIFY_CERTS, &f->chain },
		{ o->crl, VERIFY_CERTS, &f->crl },
		{ o->td_quote, VERIFY_BYTES, &f->td_quote },
	};

	for (size_t i = 0; i < countof(rows); i++)
		TRY(verify_input_collateral(rows[i].path, rows[i].form,
					    rows[i].to, err));
	f->pcrs = buf_make(PCRS_FILE_MAX);
	if (o->pcrs != NULL)
		TRY(verify_input_raw(o->pcrs, &f->pcrs, err));
	return verify_input_tdx(o->collateral, &f->intel, err);
}

/* ---- The verb ---- */

static void print_pcrs(const struct vtpm_claims *c)
{
	for (unsigned i = 0; i < VTPM_PCRS; i++) {
		char hex[2 * 32 + 1];

		if ((c->selected >> i & 1) == 0)
			continue;
		text_hex_into(hex, sizeof(hex), slice_of(c->pcr[i]));
		printf("pcr          %u: %s\n", i, hex);
	}
}

static void say_unproven(struct verify *v, const struct files *f)
{
	if (f->nonce_len == 0)
		verify_unproven(v, "that the TPM's quote was made now, for "
				   "you: its nonce was not compared (--nonce "
				   "HEX)");
	verify_unproven(v, "which software runs: the PCRs are quoted, and "
			   "compared with nothing");
	verify_unproven(v, "that the CPU's report is newer than the machine's "
			   "last boot: it is of this boot only, and says "
			   "nothing of the nonce");
}

static enum status run(const struct verify_opts *o, struct slice raw,
		       const struct cpu *cpu, const struct vtpm_hcl *hcl,
		       struct err *err)
{
	auto_verify struct verify v;
	__attribute__((cleanup(files_done))) struct files f = { 0 };
	struct cpu_claims cpu_claims;
	struct vtpm_claims claims;

	TRY(verify_begin(&v, o, cpu->table, cpu->allowed, err));
	if (o->nonce != NULL)
		TRY(verify_input_hex("nonce", o->nonce, f.nonce,
				     sizeof(f.nonce), &f.nonce_len, err));
	if (read_files(o, &f, err) != OK)
		return verify_unread(o, cpu->table->tee, err);
	const struct vtpm_case c = {
		.hcl = raw,
		.quote = buf_slice(&f.quote),
		.signature = buf_slice(&f.signature),
		.pcrs = buf_slice(&f.pcrs),
		.td_quote = buf_slice(&f.td_quote),
		.nonce = slice_make(f.nonce, f.nonce_len),
	};
	bool genuine = vtpm_verify(&c, &v.trace, &claims, err) == OK &&
		       trace_ok(&v.trace, vtpm_verify_mandatory,
				vtpm_verify_n_mandatory);
	if (genuine && o->common.verbose && !o->json)
		print_pcrs(&claims);
	if (hcl != NULL)
		genuine &= cpu->genuine(&v, hcl->report, &f, &cpu_claims);
	if (!genuine || hcl == NULL) {
		(void)trace_error(&v.trace, err);
		return verify_conclude(&v, cpu->table, NULL, cpu->mandatory,
				       *cpu->n_mandatory, err);
	}
	cpu->judge(&v, &cpu_claims);
	say_unproven(&v, &f);
	return verify_conclude(&v, cpu->table, cpu->claims(&cpu_claims),
			       cpu->mandatory, *cpu->n_mandatory, err);
}

enum status verify_vtpm_run(void *opts, const struct opt_args *args,
			    struct err *err)
{
	const struct verify_opts *o = opts;
	auto_buf struct buf raw = { 0 };
	const struct cpu *cpu;
	struct vtpm_hcl hcl;
	struct err why;

	if (verify_input_read(args->operands[0], VERIFY_BYTES, &raw, err) != OK)
		return verify_unread(o, NULL, err);
	bool formed = vtpm_parse_hcl(buf_slice(&raw), &hcl, &why) == OK;
	TRY(pick_cpu(o, formed ? &hcl : NULL, &cpu, err));
	return run(o, buf_slice(&raw), cpu, formed ? &hcl : NULL, err);
}
