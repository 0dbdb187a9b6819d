#include "attest/tee/tdx_verify.h"

#include "core/cleanup.h"
#include "core/text.h"

#define QUOTE_API "Intel TDX DCAP Quoting Library API, A.3 and A.4"
#define PCK_PROFILE "Intel SGX PCK Certificate and CRL Profile, 1.3"
#define PCS "Intel PCS API v4"
#define QVL "Intel DCAP Quote Verification Library, 4.1.2.4"
#define CONFD "confd-attest(7), TDX"

/* SHA-256 of the SubjectPublicKeyInfo of "Intel SGX Root CA". */
static const uint8_t intel_root[32] = {
	0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
	0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
	0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e,
};

/* clang-format off */
static const struct trace_rule
rule_quote = { "tdx.quote", E_PARSE,
	"the quote is not of the form that we know", QUOTE_API },
rule_chain_form = { "tdx.chain.form", E_PARSE,
	"the quote has no PCK certificate chain", PCK_PROFILE },
rule_chain_names = { "tdx.chain.names", E_CRYPTO,
	"a certificate of the quote is for something else", PCK_PROFILE },
rule_root = { "tdx.chain.root", E_CRYPTO,
	"the root key is not Intel's", CONFD },
rule_chain = { "tdx.chain", E_CRYPTO,
	"the PCK certificate is not signed by the root", PCK_PROFILE },
rule_chain_time = { "tdx.chain.time", E_CRYPTO,
	"a certificate of the quote is out of its time", PCK_PROFILE },
rule_pck = { "tdx.pck", E_PARSE,
	"the PCK certificate does not describe a platform", PCK_PROFILE },
rule_qe_signature = { "tdx.qe.signature", E_CRYPTO,
	"the quoting enclave's report is not signed by the platform",
	QVL ".12" },
rule_qe_binding = { "tdx.qe.binding", E_CRYPTO,
	"the quoting enclave did not vouch for the attestation key",
	QVL ".13" },
rule_signature = { "tdx.signature", E_CRYPTO,
	"the quote is not signed by the attestation key", QVL ".16" },
rule_collateral_root = { "tdx.collateral.root", E_CRYPTO,
	"the collateral is under another root than the quote", CONFD },
rule_root_crl = { "tdx.root_crl.signature", E_CRYPTO,
	"the root's revocation list is not signed by the root", PCK_PROFILE },
rule_pck_crl = { "tdx.pck_crl.signature", E_CRYPTO,
	"the revocation list is not of the CA of the PCK certificate",
	QVL ".6" },
rule_ca_revoked = { "tdx.root_crl.ca", E_CRYPTO,
	"the CA of the PCK certificate is revoked", PCK_PROFILE },
rule_signers_revoked = { "tdx.root_crl.signers", E_CRYPTO,
	"a signer of the collateral is revoked", PCS },
rule_pck_revoked = { "tdx.pck_crl.pck", E_CRYPTO,
	"the PCK certificate is revoked", QVL ".7" },
rule_fmspc = { "tdx.tcb_info.fmspc", E_CRYPTO,
	"the TCB info is of another family of platforms", QVL ".10" },
rule_pce_id = { "tdx.tcb_info.pce_id", E_CRYPTO,
	"the TCB info is of another provisioning enclave", QVL ".10" },
rule_module = { "tdx.module", E_CRYPTO,
	"the TDX module is none that Intel knows", QVL ".11" },
rule_level = { "tdx.level", E_CRYPTO,
	"Intel says nothing of a platform of these versions", QVL ".17" },
rule_qe = { "tdx.qe.identity", E_CRYPTO,
	"the quoting enclave is not Intel's", QVL ".15" },
rule_qe_level = { "tdx.qe.level", E_CRYPTO,
	"Intel says nothing of a quoting enclave of this version",
	QVL ".15" },
rule_status = { "tdx.status", E_CRYPTO,
	"the platform's status cannot be told", QVL ".17" },
rule_tcb_time = { "tdx.tcb_info.time", E_STALE,
	"the TCB info is out of its time", PCS },
rule_qe_time = { "tdx.qe_identity.time", E_STALE,
	"the QE identity is out of its time", PCS },
rule_signers_time = { "tdx.signers.time", E_STALE,
	"a certificate of the collateral is out of its time", PCS },
rule_root_crl_time = { "tdx.root_crl.time", E_STALE,
	"the root's revocation list is out of its time", PCK_PROFILE },
rule_pck_crl_time = { "tdx.pck_crl.time", E_STALE,
	"the PCK revocation list is out of its time", PCK_PROFILE };

/* What was found out when the collateral was read. */
static const struct {
	struct trace_rule rule;
	const char *expected;
} checks[TDX_COLLATERAL_CHECKS] = {
	[TDX_TCB_INFO_FORM] = { { "tdx.tcb_info.form", E_PARSE,
		"the TCB info is not of the form that we know", PCS },
		"TDX TCB info, version 3" },
	[TDX_TCB_INFO_CHAIN] = { { "tdx.tcb_info.chain", E_CRYPTO,
		"the signer of the TCB info is not signed by its root", PCS },
		"Intel SGX TCB Signing, signed by the root" },
	[TDX_TCB_INFO_SIGNATURE] = { { "tdx.tcb_info.signature", E_CRYPTO,
		"the TCB info is not as Intel signed it", PCS },
		"a signature over the bytes as served" },
	[TDX_QE_IDENTITY_FORM] = { { "tdx.qe_identity.form", E_PARSE,
		"the QE identity is not of the form that we know", PCS },
		"TD QE identity, version 2" },
	[TDX_QE_IDENTITY_CHAIN] = { { "tdx.qe_identity.chain", E_CRYPTO,
		"the signer of the QE identity is not signed by its root",
		PCS },
		"Intel SGX TCB Signing, signed by the root" },
	[TDX_QE_IDENTITY_SIGNATURE] = { { "tdx.qe_identity.signature",
		E_CRYPTO, "the QE identity is not as Intel signed it", PCS },
		"a signature over the bytes as served" },
	[TDX_ROOT_CRL_FORM] = { { "tdx.root_crl.form", E_PARSE,
		"the root's revocation list is malformed", PCK_PROFILE },
		"a CRL" },
	[TDX_PCK_CRL_FORM] = { { "tdx.pck_crl.form", E_PARSE,
		"the PCK revocation list is malformed", PCK_PROFILE },
		"a CRL" },
	[TDX_PCK_CRL_CHAIN] = { { "tdx.pck_crl.chain", E_CRYPTO,
		"the signer of the PCK revocation list is not signed by its "
		"root", PCS },
		"a PCK CA signed by the root, or none" },
};

const char *const tdx_verify_mandatory[] = {
	"tdx.quote", "tdx.chain.form", "tdx.chain.names", "tdx.chain.root",
	"tdx.chain", "tdx.chain.time", "tdx.pck", "tdx.qe.signature",
	"tdx.qe.binding", "tdx.signature", "tdx.tcb_info.form",
	"tdx.tcb_info.chain", "tdx.tcb_info.signature",
	"tdx.qe_identity.form", "tdx.qe_identity.chain",
	"tdx.qe_identity.signature", "tdx.root_crl.form",
	"tdx.pck_crl.form", "tdx.pck_crl.chain", "tdx.collateral.root",
	"tdx.root_crl.signature", "tdx.pck_crl.signature", "tdx.root_crl.ca",
	"tdx.root_crl.signers", "tdx.pck_crl.pck", "tdx.tcb_info.fmspc",
	"tdx.tcb_info.pce_id", "tdx.module", "tdx.level", "tdx.qe.identity",
	"tdx.qe.level", "tdx.status", "tdx.tcb_info.time",
	"tdx.qe_identity.time", "tdx.signers.time", "tdx.root_crl.time",
	"tdx.pck_crl.time",
};
/* clang-format on */

const size_t tdx_verify_n_mandatory = countof(tdx_verify_mandatory);

enum { PCK, CA, ROOT, CHAIN_LEN };

/* One verification. */
struct run {
	const struct tdx_case *c;
	const struct tdx_collateral *col;
	struct trace *t;
	bool ok; /* every step so far held */
	struct tdx_quote quote;
	struct x509 *cert[CHAIN_LEN];
	size_t n_certs;
	struct tdx_verified
		verified; /* signatures, that each is checked once */
	struct tdx_match match;
	struct tdx_claims claims;
};

static void run_done(struct run *r)
{
	for (size_t i = 0; i < r->n_certs; i++)
		x509_free(r->cert[i]);
}
#define auto_run __attribute__((cleanup(run_done)))

/* ---- Steps ---- */

static bool step(struct run *r, const struct trace_rule *rule, bool held)
{
	r->ok &= held;
	return trace_step(r->t, rule, held);
}

/* A step whose failure is told by err; else found says what is the case. */
static bool step_status(struct run *r, const struct trace_rule *rule,
			enum status status, const struct err *err,
			const char *found)
{
	if (status == OK) {
		trace_find(r->t, "%s", found);
		return step(r, rule, true);
	}
	r->ok = false;
	trace_step_err(r->t, rule, err);
	return false;
}

static void step_unchecked(struct run *r, const struct trace_rule *rule,
			   const char *why)
{
	r->ok = false;
	trace_find(r->t, "%s", why);
	trace_step_unchecked(r->t, rule);
}

/* A time that must be now; narrows how long all of it is valid. */
static void step_time(struct run *r, const struct trace_rule *rule,
		      int64_t from, int64_t to)
{
	char first[TEXT_TIME_SIZE], last[TEXT_TIME_SIZE], now[TEXT_TIME_SIZE];

	text_time(first, from);
	text_time(last, to);
	text_time(now, r->c->now);
	trace_expect(r->t, "a time from %s to %s", first, last);
	trace_find(r->t, "%s", now);
	(void)step(r, rule, from <= r->c->now && r->c->now <= to);
	if (to < r->claims.valid_until)
		r->claims.valid_until = to;
}

/* ---- The quote and its certificates ---- */

static bool check_quote(struct run *r)
{
	struct err err;
	enum status status = tdx_quote_parse(r->c->quote, &r->quote, &err);

	trace_expect(r->t, "a TDX quote of version 4 or 5, ECDSA P-256");
	return step_status(r, &rule_quote, status, &err, "the same");
}

/* The next byte that is not white space, of which none is above ' '; -1 at the
 * end. */
static int next_byte(struct slice *s)
{
	if (s->len > 0 && s->p[0] <= ' ')
		*s = slice_from(*s, slice_span(*s, TEXT_SPACE));
	if (s->len == 0)
		return -1;
	s->len--;
	return *s->p++;
}

/* Whether the text is the certificates, white space apart, and no more: these
 * bytes are under no signature. */
static bool is_only(struct slice text, struct x509 *const *cert, size_t n)
{
	auto_buf struct buf pem = buf_make(2 * TDX_QUOTE_MAX);
	int found, expected;

	for (size_t i = 0; i < n; i++)
		x509_pem(x509_der(cert[i]), &pem);
	struct slice again = buf_slice(&pem);
	do {
		found = next_byte(&text);
		expected = next_byte(&again);
	} while (found == expected && found >= 0);
	return !pem.bad && found == expected;
}

static bool check_chain_form(struct run *r)
{
	struct err err;
	enum status status = x509_parse_chain(r->quote.pem, r->cert, CHAIN_LEN,
					      &r->n_certs, &err);

	trace_expect(r->t, "three certificates");
	if (status == OK && r->n_certs != CHAIN_LEN)
		status = err_set(&err, E_PARSE, "%zu of them", r->n_certs);
	if (status == OK && !is_only(r->quote.pem, r->cert, CHAIN_LEN))
		status = err_set(&err, E_PARSE, "other text among them");
	return step_status(r, &rule_chain_form, status, &err, "the same");
}

static bool is_named(const struct x509 *cert, const char *name)
{
	return slice_eq_str(x509_common_name(cert), name);
}

static void check_names(struct run *r)
{
	struct x509 *const *cert = r->cert;

	r->claims.processor_ca = is_named(cert[CA], "Intel SGX PCK Processor "
						    "CA");
	trace_expect(r->t, "Intel SGX PCK Certificate, Intel SGX PCK Platform "
			   "CA or Processor CA, Intel SGX Root CA");
	for (size_t i = 0; i < CHAIN_LEN; i++)
		trace_find(
			r->t, "%s%.*s", i == 0 ? "" : ", ",
			SLICE_FMT(slice_sub(x509_common_name(cert[i]), 0, 64)));
	(void)step(r, &rule_chain_names,
		   is_named(cert[PCK], "Intel SGX PCK Certificate") &&
			   (r->claims.processor_ca ||
			    is_named(cert[CA], "Intel SGX PCK Platform CA")) &&
			   is_named(cert[ROOT], "Intel SGX Root CA"));
}

/* By its key: other roots have the same name. */
static void check_root(struct run *r)
{
	const uint8_t *found = r->claims.root;
	bool known = memcmp(intel_root, found, sizeof(intel_root)) == 0;

	trace_expect_bytes(r->t, slice_of(intel_root));
	for (size_t i = 0; i < r->c->n_roots; i++) {
		trace_expect(r->t, " or ");
		trace_expect_bytes(r->t, slice_of(r->c->roots[i]));
		known |= memcmp(r->c->roots[i], found, 32) == 0;
	}
	trace_find_bytes(r->t, slice_make(found, 32));
	(void)step(r, &rule_root, known);
}

static bool check_chain(struct run *r)
{
	struct x509 *const *cert = r->cert;
	struct err err;
	enum status status = tdx_collateral_verify(&r->verified, cert[ROOT],
						   cert[ROOT], &err);

	for (size_t i = ROOT; i > PCK && status == OK; i--)
		status = tdx_collateral_verify(&r->verified, cert[i - 1],
					       cert[i], &err);
	trace_expect(r->t, "each certificate signed by the next");
	return step_status(r, &rule_chain, status, &err, "the same");
}

/* The time that all of these certificates share. */
static void shared_time(struct x509 *const *cert, size_t n, int64_t *from,
			int64_t *to)
{
	for (size_t i = 0; i < n; i++) {
		if (x509_not_before(cert[i]) > *from)
			*from = x509_not_before(cert[i]);
		if (x509_not_after(cert[i]) < *to)
			*to = x509_not_after(cert[i]);
	}
}

static void check_chain_time(struct run *r)
{
	int64_t from = INT64_MIN, to = INT64_MAX;

	shared_time(r->cert, CHAIN_LEN, &from, &to);
	step_time(r, &rule_chain_time, from, to);
}

static bool check_pck(struct run *r)
{
	struct slice extension;
	struct err err;
	enum status status = x509_extension(r->cert[PCK], TDX_PCK_EXTENSION,
					    &extension, &err);

	if (status == OK)
		status = tdx_pck_parse(extension, &r->claims.pck, &err);
	trace_expect(r->t, "an SGX extension");
	return step_status(r, &rule_pck, status, &err, "the same");
}

/* ---- The quoting enclave and the signature ---- */

/* All 64 bytes: the upper half is zero. */
static bool check_qe_binding(struct run *r)
{
	const struct slice parts[] = { r->quote.key, r->quote.auth };
	uint8_t expected[64] = { 0 };

	hash_parts(HASH_SHA256, parts, countof(parts), expected);
	bool held = trace_step_bytes(r->t, &rule_qe_binding, slice_of(expected),
				     slice_of(r->quote.qe.report_data));
	r->ok &= held;
	return held;
}

static bool check_qe_signature(struct run *r)
{
	struct slice key;
	struct err err;
	enum status status = tdx_collateral_key(r->cert[PCK], &key, &err);

	if (status == OK)
		status = tdx_collateral_verify_raw(key, r->quote.qe_report,
						   r->quote.qe_signature, &err);
	trace_expect(r->t, "ECDSA P-256 by the PCK certificate's key");
	return step_status(r, &rule_qe_signature, status, &err, "the same");
}

static void check_signature(struct run *r)
{
	struct err err;
	enum status status = tdx_collateral_verify_raw(
		r->quote.key, r->quote.signed_part, r->quote.signature, &err);

	trace_expect(r->t, "ECDSA P-256 by the attestation key");
	(void)step_status(r, &rule_signature, status, &err, "the same");
}

/* From the root to the quote, link by link.  What a key says that is not
 * vouched for means nothing, and is not worth the time to look at. */
static void check_links(struct run *r)
{
	bool chain = check_chain(r);
	bool binding = check_qe_binding(r);
	bool qe = false;

	if (chain && binding)
		qe = check_qe_signature(r);
	else
		step_unchecked(r, &rule_qe_signature,
			       "a key that nothing vouches for");
	if (qe)
		check_signature(r);
	else
		step_unchecked(r, &rule_signature,
			       "a key that nothing vouches for");
}

/* ---- Collateral ---- */

static void check_read(struct run *r)
{
	for (size_t i = 0; i < countof(checks); i++) {
		enum tdx_found found = r->col->check[i].found;
		const struct err *err = &r->col->check[i].err;

		trace_expect(r->t, "%s", checks[i].expected);
		if (found == TDX_MISSING)
			step_unchecked(r, &checks[i].rule, "none");
		else
			(void)step_status(r, &checks[i].rule,
					  found == TDX_HELD ? OK : err->code,
					  err, "the same");
	}
}

static bool is_same_root(const struct run *r, const struct tdx_signer *s)
{
	uint8_t root[32];

	if (s->root == NULL)
		return true; /* nothing was signed under it */
	x509_spki_sha256(s->root, root);
	return memcmp(root, r->claims.root, sizeof(root)) == 0;
}

static void check_collateral_root(struct run *r)
{
	const struct tdx_collateral *c = r->col;

	trace_expect(r->t, "the same root key in all chains");
	if (c->tcb_signer.root == NULL || c->qe_signer.root == NULL) {
		step_unchecked(r, &rule_collateral_root, "no chain");
		return;
	}
	bool same = is_same_root(r, &c->tcb_signer) &&
		    is_same_root(r, &c->qe_signer) &&
		    is_same_root(r, &c->pck_ca);
	trace_find(r->t, same ? "the same" : "another");
	(void)step(r, &rule_collateral_root, same);
}

/* A step about a CRL; whether there is one and issuer signed it. */
static bool check_crl(struct run *r, const struct x509_crl *crl,
		      const struct x509 *issuer, const struct trace_rule *rule)
{
	struct err err;

	trace_expect(r->t, "a CRL signed by \"%.*s\"",
		     SLICE_FMT(slice_sub(x509_common_name(issuer), 0, 64)));
	if (crl == NULL) {
		step_unchecked(r, rule, "none");
		return false;
	}
	enum status status =
		tdx_collateral_verify_crl(&r->verified, crl, issuer, &err);
	return step_status(r, rule, status, &err, "the same");
}

/* A step that this CRL, of which `good` says that it is believed, lists none
 * of these; certificates of another issuer it cannot list. */
static void check_revoked(struct run *r, const struct x509_crl *crl, bool good,
			  const struct x509 *a, const struct x509 *b,
			  const struct trace_rule *rule)
{
	trace_expect(r->t, "not listed");
	if (!good || a == NULL || b == NULL) {
		step_unchecked(r, rule, good ? "no certificate" : "no CRL");
		return;
	}
	bool listed = x509_crl_revokes(crl, a) || x509_crl_revokes(crl, b);
	trace_find(r->t, listed ? "listed" : "not listed");
	(void)step(r, rule, !listed);
}

static void check_crls(struct run *r)
{
	const struct tdx_collateral *c = r->col;
	const struct x509 *pck = r->cert[PCK], *ca = r->cert[CA];
	bool root_good =
		check_crl(r, c->root_crl, r->cert[ROOT], &rule_root_crl);
	bool pck_good = check_crl(r, c->pck_crl, ca, &rule_pck_crl);

	check_revoked(r, c->root_crl, root_good, ca, ca, &rule_ca_revoked);
	check_revoked(r, c->root_crl, root_good, c->tcb_signer.cert,
		      c->qe_signer.cert, &rule_signers_revoked);
	check_revoked(r, c->pck_crl, pck_good, pck, pck, &rule_pck_revoked);
}

static void check_crl_time(struct run *r, const struct x509_crl *crl,
			   const struct trace_rule *rule)
{
	if (crl == NULL)
		step_unchecked(r, rule, "no CRL");
	else
		step_time(r, rule, x509_crl_this_update(crl),
			  x509_crl_next_update(crl));
}

static void check_signers_time(struct run *r)
{
	const struct tdx_collateral *c = r->col;
	int64_t from = INT64_MIN, to = INT64_MAX;
	struct x509 *cert[] = { c->tcb_signer.cert, c->tcb_signer.root,
				c->qe_signer.cert,  c->qe_signer.root,
				c->pck_ca.cert,	    c->pck_ca.root };
	size_t n = c->pck_ca.cert == NULL ? 4 : countof(cert);

	if (c->tcb_signer.cert == NULL || c->qe_signer.cert == NULL) {
		step_unchecked(r, &rule_signers_time, "no chain");
		return;
	}
	shared_time(cert, n, &from, &to);
	step_time(r, &rule_signers_time, from, to);
}

static void check_times(struct run *r)
{
	const struct tdx_collateral *c = r->col;

	if (c->tcb == NULL)
		step_unchecked(r, &rule_tcb_time, "no TCB info");
	else
		step_time(r, &rule_tcb_time, c->tcb->issued, c->tcb->next);
	if (c->qe == NULL)
		step_unchecked(r, &rule_qe_time, "no QE identity");
	else
		step_time(r, &rule_qe_time, c->qe->issued, c->qe->next);
	check_signers_time(r);
	check_crl_time(r, c->root_crl, &rule_root_crl_time);
	check_crl_time(r, c->pck_crl, &rule_pck_crl_time);
}

/* ---- Versions ---- */

/* Whether the document may be asked: it is there, and its signer signed it. */
static bool is_authentic(const struct run *r, enum tdx_collateral_check form,
			 enum tdx_collateral_check chain,
			 enum tdx_collateral_check signature)
{
	return r->col->check[form].found == TDX_HELD &&
	       r->col->check[chain].found == TDX_HELD &&
	       r->col->check[signature].found == TDX_HELD;
}

static bool unchecked_all(struct run *r, const struct trace_rule *const *rules,
			  size_t n, const char *why)
{
	for (size_t i = 0; i < n; i++)
		step_unchecked(r, rules[i], why);
	return false;
}

static bool check_module(struct run *r)
{
	struct err err;
	enum status status =
		tdx_match_module(r->col->tcb, &r->quote.td, &r->match, &err);

	trace_expect(r->t, "a TDX module that Intel knows");
	if (status == OK)
		trace_find(r->t, "one that is ");
	return step_status(r, &rule_module, status, &err,
			   tdx_status_name(r->match.module_status));
}

static bool check_level(struct run *r)
{
	struct err err;
	enum status status = tdx_match_levels(r->col->tcb, &r->claims.pck,
					      &r->quote.td, &r->match, &err);

	trace_expect(r->t, "a level that the platform reaches");
	if (status == OK)
		trace_find(r->t, "one that is ");
	return step_status(r, &rule_level, status, &err,
			   status == OK ? tdx_status_name(r->match.tdx->status)
					: "none");
}

/* Whether module and level of the TCB info were found. */
static bool check_tcb_info(struct run *r, bool have_pck)
{
	static const struct trace_rule *const rules[] = {
		&rule_fmspc, &rule_pce_id, &rule_module, &rule_level
	};
	const struct tdx_tcb_info *tcb = r->col->tcb;
	const struct tdx_pck *pck = &r->claims.pck;

	if (!have_pck)
		return unchecked_all(r, rules, countof(rules),
				     "the platform is not known");
	if (!is_authentic(r, TDX_TCB_INFO_FORM, TDX_TCB_INFO_CHAIN,
			  TDX_TCB_INFO_SIGNATURE))
		return unchecked_all(r, rules, countof(rules),
				     "no TCB info that is signed");
	r->ok &= trace_step_bytes(r->t, &rule_fmspc, slice_of(pck->fmspc),
				  slice_of(tcb->fmspc));
	r->ok &= trace_step_bytes(r->t, &rule_pce_id, slice_of(pck->pce_id),
				  slice_of(tcb->pce_id));
	bool module = check_module(r);
	return check_level(r) && module;
}

static bool check_qe_level(struct run *r)
{
	struct err err;
	enum status status =
		tdx_match_qe_level(r->col->qe, &r->quote.qe, &r->match, &err);

	trace_expect(r->t, "a level that the quoting enclave reaches");
	if (status == OK)
		trace_find(r->t, "one that is ");
	return step_status(
		r, &rule_qe_level, status, &err,
		status == OK ? tdx_status_name(r->match.qe_level->status) : "");
}

static bool check_qe_identity(struct run *r)
{
	static const struct trace_rule *const rules[] = { &rule_qe,
							  &rule_qe_level };
	struct err err;

	if (!is_authentic(r, TDX_QE_IDENTITY_FORM, TDX_QE_IDENTITY_CHAIN,
			  TDX_QE_IDENTITY_SIGNATURE))
		return unchecked_all(r, rules, countof(rules),
				     "no QE identity that is signed");
	trace_expect(r->t, "Intel's TD quoting enclave");
	enum status status = tdx_match_qe(r->col->qe, &r->quote.qe, &err);
	(void)step_status(r, &rule_qe, status, &err, "the same");
	return check_qe_level(r);
}

/* ---- The answer ---- */

static bool has_advisory(const struct tdx_advisories *a, struct slice id)
{
	for (size_t i = 0; i < a->n; i++)
		if (slice_eq_str(id, a->id[i]))
			return true;
	return false;
}

/* Add those that are not there yet; false when they are too many. */
static bool add_advisories(struct tdx_advisories *to, const struct json *list)
{
	if (list == NULL)
		return true;
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j)) {
		struct slice id = json_str(j);

		if (has_advisory(to, id))
			continue;
		if (to->n == TDX_ADVISORIES_MAX || id.len >= TDX_ADVISORY_SIZE)
			return false;
		memcpy(to->id[to->n], id.p, id.len);
		to->n++;
	}
	return true;
}

static bool collect_advisories(struct run *r)
{
	struct tdx_advisories *to = &r->claims.advisories;
	const struct tdx_isv_level *module = r->match.module_level;

	return add_advisories(to, r->match.tdx->advisories) &&
	       add_advisories(to, module == NULL ? NULL : module->advisories) &&
	       add_advisories(to, r->match.qe_level->advisories);
}

static void check_status(struct run *r)
{
	struct err err;
	enum status status = tdx_match_status(r->col->tcb, r->quote.body,
					      &r->quote.td, &r->match, &err);

	if (status == OK && !collect_advisories(r))
		status = err_set(&err, E_LIMIT, "more than %d advisories",
				 TDX_ADVISORIES_MAX);
	trace_expect(r->t, "what Intel says of it all");
	(void)step_status(r, &rule_status, status, &err,
			  tdx_status_name(r->match.status));
}

static void fill_claims(struct run *r)
{
	struct tdx_claims *c = &r->claims;
	const struct tdx_collateral *col = r->col;

	c->version = r->quote.version;
	c->body = r->quote.body;
	c->td = r->quote.td;
	c->qe = r->quote.qe;
	c->status = r->match.status;
	c->module_status = r->match.module_status;
	c->qe_status = r->match.qe_level->status;
	c->level_status = r->match.tdx->status;
	c->tcb_date = r->match.tdx->date;
	c->evaluation = col->tcb->evaluation < col->qe->evaluation
				? col->tcb->evaluation
				: col->qe->evaluation;
	sha256(r->quote.whole, c->report);
}

static void check_collateral(struct run *r, bool have_pck)
{
	check_read(r);
	check_collateral_root(r);
	check_crls(r);
	bool tcb = check_tcb_info(r, have_pck);
	bool qe = check_qe_identity(r);
	if (tcb && qe)
		check_status(r);
	else
		step_unchecked(r, &rule_status, "a level is missing");
	/* Last: that something is out of its time is said only of evidence
	 * that is not refused anyway. */
	check_times(r);
}

enum status tdx_verify(const struct tdx_case *c, struct trace *trace,
		       struct tdx_claims *claims, struct err *err)
{
	auto_tdx_collateral struct tdx_collateral *own = NULL;
	auto_run struct run r = { .c = c, .t = trace, .ok = true };

	r.claims.valid_until = INT64_MAX;
	if (!check_quote(&r) || !check_chain_form(&r))
		return trace_error(trace, err);
	if (c->collateral == NULL)
		own = tdx_collateral_new(&c->input);
	r.col = own == NULL ? c->collateral : own;
	r.verified = r.col->verified;
	x509_spki_sha256(r.cert[ROOT], r.claims.root);
	check_names(&r);
	check_root(&r);
	check_chain_time(&r);
	check_links(&r);
	bool have_pck = check_pck(&r);
	check_collateral(&r, have_pck);
	if (!r.ok || trace->bad)
		return trace_error(trace, err);
	fill_claims(&r);
	*claims = r.claims;
	return OK;
}
