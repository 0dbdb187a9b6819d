#include "attest/tee/snp_verify.h"

#include "attest/tee/snp_chain.h"
#include "core/cleanup.h"

#define ABI "AMD 56860, ATTESTATION_REPORT"
#define ABI_TCB "AMD 56860, TCB_VERSION"
#define KDS "AMD 57230, VCEK Certificate and KDS Interface"
#define SIGNATURE_MAX 128 /* bytes in DER */

/* clang-format off */
static const struct trace_rule
rule_form = { "snp.report.form", E_PARSE,
	"the report is not of a form that we know", ABI },
rule_key = { "snp.report.key", E_CRYPTO,
	"the report is not signed by a VCEK or VLEK", ABI },
rule_cpu = { "snp.report.product", E_CRYPTO,
	"the report names a processor that we do not know", KDS },
rule_certs = { "snp.certs.form", E_PARSE,
	"a certificate or list is malformed", KDS },
rule_has_leaf = { "snp.certs.leaf", E_CRYPTO,
	"the certificate is not of the kind of key that signed", KDS },
rule_key_form = { "snp.key.form", E_PARSE,
	"the VCEK or VLEK is not of the form that AMD gives it", KDS },
rule_key_product = { "snp.key.product", E_CRYPTO,
	"the VCEK or VLEK is of another product than its chain", KDS },
rule_key_tcb = { "snp.key.tcb", E_CRYPTO,
	"the VCEK or VLEK is of another TCB than the report", KDS },
rule_key_chip = { "snp.key.chip", E_CRYPTO,
	"the VCEK is of another chip than the report", KDS },
rule_signature = { "snp.report.signature", E_CRYPTO,
	"the report is not signed by the key of the certificate", ABI },
rule_tcb_form = { "snp.tcb.form", E_PARSE,
	"a TCB version is not of the form that the product has", ABI_TCB },
rule_tcb_order = { "snp.tcb.order", E_CRYPTO,
	"the TCB versions are not in the order that firmware keeps", ABI_TCB };

const char *const snp_verify_mandatory[] = {
	"snp.report.form", "snp.report.key", "snp.certs.form",
	"snp.certs.leaf", "snp.certs.signer", "snp.certs.root",
	"snp.chain.root", "snp.chain.product", "snp.chain.algorithm",
	"snp.chain.ark", "snp.chain.signer", "snp.chain.leaf", "snp.key.form", "snp.key.product", "snp.key.tcb",
	"snp.key.chip", "snp.report.signature", "snp.tcb.form",
	"snp.tcb.order", "snp.chain.time",
};
/* clang-format on */
const size_t snp_verify_n_mandatory = countof(snp_verify_mandatory);

/* ---- The report ---- */

static bool read_report(const struct snp_case *c, struct snp_report *r,
			struct trace *t)
{
	struct err err;

	trace_expect(t,
		     "a report of %d bytes, version 2 to 5, reserved bits "
		     "as they must be",
		     SNP_REPORT_LEN);
	if (snp_report_parse(c->report, r, &err) != OK) {
		trace_step_err(t, &rule_form, &err);
		return false;
	}
	trace_find(t, "version %u", r->version);
	return trace_step(t, &rule_form, true);
}

/* With the chip's key masked there is no signature (AMD 56860, MaskChipKey). */
static bool check_key(const struct snp_report *r, struct trace *t)
{
	uint32_t key = snp_report_signing_key(r);
	bool masked = snp_report_mask_chip_key(r);

	trace_expect(t, "signing key 0 (VCEK) or 1 (VLEK), key not masked");
	trace_find(t, "signing key %u%s%s", key,
		   key == SNP_KEY_NONE ? " (none)" : "",
		   masked ? ", key masked" : "");
	return trace_step(t, &rule_key, key < SNP_KEYS && !masked);
}

/* Reports of version 2 do not name it: then the chain does. */
static bool check_cpu(const struct snp_report *r, enum snp_product *product,
		      const enum snp_product **reported, struct trace *t)
{
	*reported = NULL;
	if (r->version < 3)
		return true;
	bool known = snp_report_product(r, product);

	trace_expect(t, "a processor of Milan, Genoa or Turin");
	trace_find(t, "family %#x, model %#x, stepping %u%s%s", r->cpuid[0],
		   r->cpuid[1], r->cpuid[2], known ? ": " : "",
		   known ? snp_report_product_name(*product) : "");
	*reported = product;
	return trace_step(t, &rule_cpu, known);
}

/* ---- What came with it ---- */

static bool read_certs(const struct snp_case *c, struct snp_certs **out,
		       struct trace *t)
{
	struct snp_collateral wanted = c->collateral;
	struct err err;

	if (c->issuers != NULL)
		wanted.chain = wanted.crl = (struct slice){ 0 };
	trace_expect(t, "certificates and lists that are well formed");
	if (snp_certs_new(&wanted, out, &err) != OK) {
		trace_step_err(t, &rule_certs, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_certs, true);
}

/* Of another kind: refused.  None at all: not judged. */
static bool find_leaf(const struct snp_certs *certs, enum snp_key key,
		      struct trace *t)
{
	const struct x509 *other = certs->leaf[1 - key];

	trace_expect(t, "a %s", snp_report_key_name(key));
	if (certs->leaf[key] == NULL && other == NULL) {
		trace_find(t, "no VCEK and no VLEK was given");
		trace_step_unchecked(t, &rule_has_leaf);
		return false;
	}
	trace_find(t, "a %s",
		   snp_report_key_name(certs->leaf[key] == NULL ? 1 - key
								: key));
	return trace_step(t, &rule_has_leaf, certs->leaf[key] != NULL);
}

/* ---- The key that signed ---- */

static bool read_key(const struct x509 *leaf, struct snp_certs_key *key,
		     struct trace *t)
{
	struct err err;

	trace_expect(t, "a key on P-384 and AMD's extensions");
	if (snp_certs_key_parse(leaf, key, &err) != OK) {
		trace_step_err(t, &rule_key_form, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_key_form, true);
}

static bool check_key_product(const struct snp_claims *f, struct trace *t)
{
	trace_expect(t, "%s", snp_report_product_name(f->product));
	trace_find(t, "%s, structure version %u", f->key.product,
		   f->key.struct_version);
	return trace_step(t, &rule_key_product,
			  snp_certs_key_is_of(&f->key, f->product));
}

static bool read_tcbs(struct snp_claims *f, struct trace *t)
{
	const struct {
		const char *name;
		const uint8_t *raw;
		struct snp_tcb *to;
	} rows[] = {
		{ "current", f->report.current_tcb, &f->current_tcb },
		{ "reported", f->report.reported_tcb, &f->reported_tcb },
		{ "committed", f->report.committed_tcb, &f->committed_tcb },
		{ "launch", f->report.launch_tcb, &f->launch_tcb },
	};
	struct err err;

	trace_expect(t, "four of %s, reserved bytes zero",
		     snp_report_product_name(f->product));
	for (size_t i = 0; i < countof(rows); i++) {
		if (snp_report_tcb(rows[i].raw, f->product, rows[i].to, &err) ==
		    OK)
			continue;
		trace_find(t, "%s TCB: ", rows[i].name);
		trace_step_err(t, &rule_tcb_form, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_tcb_form, true);
}

static bool check_key_tcb(const struct snp_claims *f, struct trace *t)
{
	char text[SNP_TCB_TEXT];

	snp_report_tcb_text(&f->reported_tcb, f->product, text);
	trace_expect(t, "%s", text);
	snp_report_tcb_text(&f->key.tcb, f->product, text);
	trace_find(t, "%s", text);
	return trace_step(t, &rule_key_tcb,
			  snp_report_tcb_eq(&f->reported_tcb, &f->key.tcb));
}

/* A VLEK is of no chip.  A chip id of zeros is masked, which says nothing of
 * the chip: the VCEK still does. */
static bool check_key_chip(struct snp_claims *f, struct trace *t)
{
	const uint8_t *id = f->report.chip_id;

	f->chip_masked = all_zero(id, sizeof(f->report.chip_id));
	if (f->key.kind == SNP_KEY_VLEK) {
		trace_expect(t, "any: a VLEK is of no chip");
		trace_find(t, "provider %s", f->key.csp_id);
		return trace_step(t, &rule_key_chip, true);
	}
	trace_expect_bytes(t, slice_of(f->key.hwid));
	if (f->chip_masked)
		trace_find(t, "masked: all zero");
	else
		trace_find_bytes(t, slice_of(f->report.chip_id));
	return trace_step(t, &rule_key_chip,
			  f->chip_masked || memcmp(id, f->key.hwid,
						   sizeof(f->key.hwid)) == 0);
}

/* Little-endian to big-endian. */
static void turn(const uint8_t *in, uint8_t out[static SNP_NUMBER_LEN])
{
	for (size_t i = 0; i < SNP_NUMBER_LEN; i++)
		out[i] = in[SNP_NUMBER_LEN - 1 - i];
}

/* Over the bytes as they were received. */
static bool check_signature(const struct snp_case *c, const struct x509 *leaf,
			    const struct snp_report *r, struct trace *t)
{
	auto_buf struct buf sig = buf_make(SIGNATURE_MAX);
	uint8_t big_r[SNP_NUMBER_LEN], big_s[SNP_NUMBER_LEN];
	struct err err;

	turn(r->sig_r, big_r);
	turn(r->sig_s, big_s);
	der_put_ecdsa(&sig, slice_of(big_r), slice_of(big_s));
	trace_expect(
		t, "ECDSA P-384 with SHA-384 over %d bytes by the %s",
		SNP_SIGNED_LEN,
		snp_report_key_name((enum snp_key)snp_report_signing_key(r)));
	if (sig.bad || spki_verify(x509_spki(leaf),
				   slice_sub(c->report, 0, SNP_SIGNED_LEN),
				   buf_slice(&sig), &err) != OK) {
		trace_find(t, "another signature");
		return trace_step(t, &rule_signature, false);
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_signature, true);
}

static bool check_order(const struct snp_claims *f, struct trace *t)
{
	const struct {
		const char *name;
		const struct snp_tcb *tcb;
	} rows[] = {
		{ "reported", &f->reported_tcb },
		{ "committed", &f->committed_tcb },
		{ "current", &f->current_tcb },
	};
	bool good = true;

	trace_expect(t, "reported at most committed at most current");
	for (size_t i = 0; i < countof(rows); i++) {
		char text[SNP_TCB_TEXT];

		snp_report_tcb_text(rows[i].tcb, f->product, text);
		trace_find(t, "%s%s: %s", i == 0 ? "" : "; ", rows[i].name,
			   text);
		good &= i == 0 ||
			snp_report_tcb_at_most(rows[i - 1].tcb, rows[i].tcb);
	}
	return trace_step(t, &rule_tcb_order, good);
}

/* Everything that binds report and certificate; all of it is looked at, so
 * that a person sees all that is wrong. */
static bool check_binding(const struct snp_case *c, const struct x509 *leaf,
			  struct snp_claims *f, struct trace *t)
{
	if (!read_key(leaf, &f->key, t) || !read_tcbs(f, t))
		return false;
	bool good = check_key_product(f, t);
	good &= check_key_tcb(f, t);
	good &= check_key_chip(f, t);
	good &= check_order(f, t);
	good &= check_signature(c, leaf, &f->report, t);
	return good;
}

/* ---- All of it ---- */

static void fill_claims(const struct snp_case *c, const struct snp_chain *chain,
			struct snp_claims *f)
{
	x509_spki_sha256(chain->certs->ark, f->root);
	f->root_pinned = memcmp(f->root, snp_chain_pin(f->product),
				sizeof(f->root)) == 0;
	sha256(slice_sub(c->report, 0, SNP_SIGNED_LEN), f->digest);
	f->crl = chain->certs->crl != NULL;
	f->crl_next_update =
		f->crl ? x509_crl_next_update(chain->certs->crl) : 0;
}

/* What speaks against it comes first; what is only out of date, last. */
static bool verify(const struct snp_case *c, const struct snp_certs *certs,
		   struct snp_chain *chain, const enum snp_product *reported,
		   struct snp_claims *f, struct trace *t)
{
	enum snp_product product;

	if (!find_leaf(certs, chain->key, t) || !snp_chain_complete(chain, t))
		return false;
	chain->leaf = certs->leaf[chain->key];
	if (!snp_chain_verify(chain, reported, &product, t))
		return false;
	f->product = product;
	if (!check_binding(c, chain->leaf, f, t))
		return false;
	if (chain->certs->crl != NULL && !snp_chain_check_revoked(chain, t))
		return false;
	if (!snp_chain_check_times(chain, t, &f->valid_until))
		return false;
	fill_claims(c, chain, f);
	return true;
}

enum status snp_verify(const struct snp_case *c, struct trace *trace,
		       struct snp_claims *out, struct err *err)
{
	struct snp_claims found = { 0 };
	struct snp_certs *read = NULL;
	enum snp_product product;
	const enum snp_product *reported;

	if (!read_report(c, &found.report, trace) ||
	    !check_key(&found.report, trace) ||
	    !check_cpu(&found.report, &product, &reported, trace) ||
	    !read_certs(c, &read, trace))
		return trace_error(trace, err);
	auto_snp_certs struct snp_certs *certs = read;
	struct snp_chain chain = {
		.certs = c->issuers != NULL ? c->issuers : certs,
		.key = (enum snp_key)snp_report_signing_key(&found.report),
		.roots = c->roots,
		.n_roots = c->n_roots,
		.now = c->now,
	};
	if (!verify(c, certs, &chain, reported, &found, trace))
		return trace_error(trace, err);
	*out = found;
	return OK;
}

struct slice snp_verify_chip(const struct snp_claims *c)
{
	if (c->key.kind == SNP_KEY_VCEK)
		return slice_of(c->key.hwid);
	if (c->chip_masked)
		return (struct slice){ 0 };
	return slice_of(c->report.chip_id);
}
