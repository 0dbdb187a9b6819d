/* confd verify snp: an AMD SEV-SNP report, with what came along. */
#include "attest/tee/snp_policy.h"
#include "cmd/verify_default.h"
#include "cmd/verify_input.h"
#include "cmd/verify_session.h"
#include "core/cleanup.h"
#include "core/text.h"

/* ---- Claims ---- */

static void put_product(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	buf_put_str(out, snp_report_product_name(c->product));
}

static void put_key(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	buf_put_str(out, snp_report_key_name(c->key.kind));
}

static void put_csp(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	text_escape(out, slice_str(c->key.csp_id));
}

static void put_hwid(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	text_hex(out, slice_make(c->key.hwid, c->key.hwid_len));
}

static void put_abi(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	buf_putf(out, "%u.%u", (unsigned)(c->report.policy >> 8 & 0xff),
		 (unsigned)(c->report.policy & 0xff));
}

static void put_firmware(const struct snp_firmware *f, struct buf *out)
{
	buf_putf(out, "%u.%u.%u", f->major, f->minor, f->build);
}

static void put_current(const void *claims, struct buf *out)
{
	put_firmware(&((const struct snp_claims *)claims)->report.current, out);
}

static void put_committed(const void *claims, struct buf *out)
{
	put_firmware(&((const struct snp_claims *)claims)->report.committed,
		     out);
}

static void put_author(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	buf_put_str(out,
		    snp_report_author_key_en(&c->report) ? "used" : "none");
}

static void put_revocation(const void *claims, struct buf *out)
{
	const struct snp_claims *c = claims;

	buf_put_str(out, c->crl ? "good" : "unchecked");
}

static bool has_list(const void *claims)
{
	return ((const struct snp_claims *)claims)->crl;
}

static bool is_vlek(const void *claims)
{
	return ((const struct snp_claims *)claims)->key.kind == SNP_KEY_VLEK;
}

static bool is_vcek(const void *claims)
{
	return !is_vlek(claims);
}

static bool has_fmc(const void *claims)
{
	return ((const struct snp_claims *)claims)->product == SNP_TURIN;
}

/* clang-format off */
#define IN(n, k, m) \
	{ CLAIM_ROW(n, k), CLAIM_AT(struct snp_claims, m) }
#define BIT(n, m, b) \
	{ CLAIM_ROW(n, CLAIM_BIT), CLAIM_AT(struct snp_claims, m), .bit = b }
#define SAID(n, f) { CLAIM_ROW(n, CLAIM_TEXT), .text = f }
#define TCB(n, m) \
	{ CLAIM_ROW(n ".fmc", CLAIM_UINT), \
	  CLAIM_AT(struct snp_claims, m.fmc), .has = has_fmc }, \
	IN(n ".bootloader", CLAIM_UINT, m.bootloader), \
	IN(n ".tee", CLAIM_UINT, m.tee), \
	IN(n ".snp", CLAIM_UINT, m.snp), \
	IN(n ".microcode", CLAIM_UINT, m.microcode)

static const struct verify_claim rows[] = {
	IN("version", CLAIM_UINT, report.version),
	SAID("product", put_product),
	SAID("key", put_key),
	{ CLAIM_ROW("csp_id", CLAIM_TEXT), .text = put_csp, .has = is_vlek },
	IN("measurement", CLAIM_BYTES, report.measurement),
	IN("report_data", CLAIM_BYTES, report.report_data),
	IN("host_data", CLAIM_BYTES, report.host_data),
	IN("vmpl", CLAIM_UINT, report.vmpl),
	IN("guest_svn", CLAIM_UINT, report.guest_svn),
	IN("family_id", CLAIM_BYTES, report.family_id),
	IN("image_id", CLAIM_BYTES, report.image_id),
	IN("id_key_digest", CLAIM_BYTES, report.id_key_digest),
	IN("author_key_digest", CLAIM_BYTES, report.author_key_digest),
	SAID("author_key", put_author),
	IN("report_id", CLAIM_BYTES, report.report_id),
	IN("report_id_ma", CLAIM_BYTES, report.report_id_ma),
	IN("policy", CLAIM_MASK, report.policy),
	SAID("abi", put_abi),
	BIT("smt", report.policy, SNP_POLICY_SMT),
	BIT("migrate", report.policy, SNP_POLICY_MIGRATE_MA),
	BIT("debug", report.policy, SNP_POLICY_DEBUG),
	BIT("single_socket", report.policy, SNP_POLICY_SINGLE_SOCKET),
	BIT("cxl", report.policy, SNP_POLICY_CXL_ALLOW),
	BIT("aes_xts", report.policy, SNP_POLICY_MEM_AES_256_XTS),
	BIT("rapl_disabled", report.policy, SNP_POLICY_RAPL_DIS),
	BIT("ciphertext_hiding", report.policy, SNP_POLICY_CIPHERTEXT_HIDING),
	BIT("page_swap_disabled", report.policy, SNP_POLICY_PAGE_SWAP_DISABLE),
	IN("platform.info", CLAIM_MASK, report.platform_info),
	BIT("platform.smt", report.platform_info, SNP_PLATFORM_SMT),
	BIT("platform.tsme", report.platform_info, SNP_PLATFORM_TSME),
	BIT("platform.ecc", report.platform_info, SNP_PLATFORM_ECC),
	BIT("platform.rapl_disabled", report.platform_info,
	    SNP_PLATFORM_RAPL_DIS),
	BIT("platform.ciphertext_hiding", report.platform_info,
	    SNP_PLATFORM_CIPHERTEXT_HIDING),
	BIT("platform.alias_check", report.platform_info,
	    SNP_PLATFORM_ALIAS_CHECK),
	BIT("platform.tio", report.platform_info, SNP_PLATFORM_TIO),
	IN("chip_id", CLAIM_BYTES, report.chip_id),
	IN("chip_masked", CLAIM_FLAG, chip_masked),
	{ CLAIM_ROW("hwid", CLAIM_TEXT), .text = put_hwid, .has = is_vcek },
	TCB("reported_tcb", reported_tcb),
	TCB("committed_tcb", committed_tcb),
	TCB("current_tcb", current_tcb),
	TCB("launch_tcb", launch_tcb),
	SAID("current_firmware", put_current),
	SAID("committed_firmware", put_committed),
	IN("launch_mit_vector", CLAIM_MASK, report.launch_mit_vector),
	IN("current_mit_vector", CLAIM_MASK, report.current_mit_vector),
	{ CLAIM_ROW("revocation", CLAIM_TEXT), .text = put_revocation,
	  .open = "unchecked" },
	{ CLAIM_ROW("crl_next_update", CLAIM_TIME),
	  CLAIM_AT(struct snp_claims, crl_next_update), .has = has_list },
	IN("root", CLAIM_BYTES, root),
	IN("root_pinned", CLAIM_FLAG, root_pinned),
	IN("report", CLAIM_BYTES, digest),
	IN("valid_until", CLAIM_TIME, valid_until),
};
/* clang-format on */

const struct verify_claims verify_snp_claims = { "snp", rows, countof(rows) };

/* ---- Policy ---- */

static bool is_snp(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP;
}

void verify_snp_default(const struct verify_expects *e,
			const struct snp_claims *c, struct trace *t)
{
	const char *vmpl = verify_claims_expected(e, "vmpl");
	struct snp_policy p;
	uint64_t level = 0;

	snp_policy_defaults(&p);
	if (vmpl != NULL && slice_u64(slice_str(vmpl), &level))
		p.vmpl = (uint32_t)level;
	if (verify_claims_expects(e, "debug", "true"))
		p.policy_clear &= ~SNP_POLICY_DEBUG;
	if (verify_claims_expects(e, "migrate", "true"))
		p.policy_clear &= ~SNP_POLICY_MIGRATE_MA;
	(void)snp_policy_holds(&p, c, t);
}

void verify_snp_unproven(const struct verify_expects *e, bool by_policy,
			 const struct snp_claims *c, struct buf *out)
{
	if (!by_policy && verify_claims_expected(e, "measurement") == NULL)
		buf_put_str(out, "which program runs: any image is accepted "
				 "here (--expect measurement=HEX, or "
				 "--manifest)\n");
	if (!c->crl)
		buf_put_str(out, "that AMD did not revoke the signer of the "
				 "certificate: there was no list (--crl)\n");
	if (is_vlek(c))
		buf_putf(out,
			 "which chip it is: a key of the provider's (%s) "
			 "signed, not the chip's\n",
			 c->key.csp_id);
	if (!by_policy)
		buf_put_str(out, "that the firmware is recent: no least TCB is "
				 "asked for here (--manifest)\n");
}

static void say_unproven(struct verify *v, const struct snp_claims *c)
{
	if (!c->root_pinned)
		verify_unproven(v, "any protection by hardware: the root is "
				   "one that was named here, not AMD's");
	if (!verify_asked(v, "report_data"))
		verify_unproven(v,
				"that the report was made now, or for you: "
				"its report data were not compared (--expect "
				"report_data=HEX)");
	verify_snp_unproven(&v->expects, v->policy != NULL, c, &v->unproven);
}

static void judge(struct verify *v, const struct snp_claims *c)
{
	struct snp_policy p;

	if (v->policy == NULL)
		verify_snp_default(&v->expects, c, &v->trace);
	else {
		snp_policy_from_manifest(&v->policy->snp, &p);
		(void)snp_policy_holds(&p, c, &v->trace);
	}
	say_unproven(v, c);
}

/* ---- The verb ---- */

struct files {
	struct buf report, vcek, chain, table, crl;
};

static void files_done(struct files *f)
{
	buf_done(&f->report);
	buf_done(&f->vcek);
	buf_done(&f->chain);
	buf_done(&f->table);
	buf_done(&f->crl);
}

static enum status read_files(const struct verify_opts *o, const char *report,
			      struct files *f, struct err *err)
{
	TRY(verify_input_read(report, VERIFY_BYTES, &f->report, err));
	TRY(verify_input_collateral(o->vcek, VERIFY_CERTS, &f->vcek, err));
	TRY(verify_input_collateral(o->chain, VERIFY_CERTS, &f->chain, err));
	TRY(verify_input_read(o->certs_table, VERIFY_BYTES, &f->table, err));
	return verify_input_collateral(o->crl, VERIFY_CERTS, &f->crl, err);
}

enum status verify_snp_run(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct verify_opts *o = opts;
	auto_verify struct verify v;
	__attribute__((cleanup(files_done))) struct files f = { 0 };
	struct snp_claims claims;

	TRY(verify_begin(&v, o, &verify_snp_claims, is_snp, err));
	if (read_files(o, args->operands[0], &f, err) != OK)
		return verify_unread(o, verify_snp_claims.tee, err);
	const struct snp_case c = {
		.report = buf_slice(&f.report),
		.collateral = { .leaf = buf_slice(&f.vcek),
				.chain = buf_slice(&f.chain),
				.table = buf_slice(&f.table),
				.crl = buf_slice(&f.crl) },
		.roots = (const uint8_t(*)[32])v.roots.spki,
		.n_roots = v.roots.n,
		.now = v.now,
	};
	bool genuine = snp_verify(&c, &v.trace, &claims, err) == OK;
	if (genuine)
		judge(&v, &claims);
	return verify_conclude(&v, &verify_snp_claims, genuine ? &claims : NULL,
			       snp_verify_mandatory, snp_verify_n_mandatory,
			       err);
}
