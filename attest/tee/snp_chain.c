#include "attest/tee/snp_chain.h"

#include "attest/tee/snp_certs_key.h"
#include "core/cleanup.h"
#include "core/text.h"

#define KDS "AMD 57230, VCEK Certificate and KDS Interface"
#define RFC5280 "RFC 5280, section 6.1"
#define RSA_BITS 4096

/* clang-format off */
/* SHA-256 of the SubjectPublicKeyInfo of ARK-Milan, ARK-Genoa, ARK-Turin, as
 * AMD's Key Distribution Service gives them (/vcek/v1/PRODUCT/cert_chain). */
static const uint8_t pins[SNP_PRODUCTS][32] = {
	[SNP_MILAN] = {
		0x9f, 0x05, 0x6b, 0xee, 0x44, 0x37, 0x7e, 0x29,
		0x30, 0x8c, 0xb5, 0xff, 0xa8, 0x95, 0xbd, 0xfb,
		0x62, 0xd1, 0x88, 0x81, 0xfa, 0x6b, 0xed, 0x8d,
		0x6f, 0x07, 0x5b, 0x02, 0x04, 0x08, 0x9c, 0xb9 },
	[SNP_GENOA] = {
		0x42, 0x9a, 0x69, 0xc9, 0x42, 0x2a, 0xa2, 0x58,
		0xee, 0x4d, 0x8d, 0xb5, 0xfc, 0xda, 0x9c, 0x64,
		0x70, 0xef, 0x15, 0xf8, 0xcd, 0x5a, 0x9c, 0xeb,
		0xd6, 0xcb, 0xc7, 0xd9, 0x0b, 0x86, 0x38, 0x31 },
	[SNP_TURIN] = {
		0x4f, 0x12, 0x54, 0x10, 0x56, 0x3a, 0x2a, 0xb9,
		0xa5, 0x03, 0x56, 0xf9, 0x24, 0x3f, 0x6f, 0xe0,
		0xb6, 0xf7, 0x3d, 0xe9, 0x86, 0x03, 0xf5, 0x3f,
		0x90, 0x33, 0x9c, 0x70, 0xe9, 0xd7, 0xad, 0x08 },
};

static const struct trace_rule
rule_has_signer = { "snp.certs.signer", E_CRYPTO,
	"the certificate above is not of the kind of key that signed", KDS },
rule_has_root = { "snp.certs.root", E_STALE,
	"the root's certificate is missing", KDS },
rule_root = { "snp.chain.root", E_CRYPTO,
	"the root key is not one of AMD's, nor one that was named", KDS },
rule_names = { "snp.chain.product", E_CRYPTO,
	"the certificates are not all of the report's product", KDS },
rule_alg = { "snp.chain.algorithm", E_CRYPTO,
	"a certificate is not signed in the way that AMD signs", KDS },
rule_ark = { "snp.chain.ark", E_CRYPTO,
	"the root is not signed by itself", RFC5280 },
rule_signer = { "snp.chain.signer", E_CRYPTO,
	"the ASK or ASVK is not signed by the root", RFC5280 },
rule_leaf = { "snp.chain.leaf", E_CRYPTO,
	"the VCEK or VLEK is not signed by the ASK or ASVK", RFC5280 },
rule_time = { "snp.chain.time", E_STALE,
	"a certificate is out of its time", RFC5280 },
rule_crl = { "snp.crl.signature", E_CRYPTO,
	"the revocation list is not signed by the root", RFC5280 },
rule_revoked = { "snp.crl.revoked", E_CRYPTO,
	"AMD has revoked the ASK or ASVK", RFC5280 },
rule_crl_time = { "snp.crl.time", E_STALE,
	"the revocation list is out of its time", RFC5280 };
/* clang-format on */

static const char *const signer_kinds[SNP_KEYS] = {
	[SNP_KEY_VCEK] = "ASK",
	[SNP_KEY_VLEK] = "ASVK",
};

const uint8_t *snp_chain_pin(enum snp_product p)
{
	return pins[p];
}

static const struct x509 *signer_of(const struct snp_chain *c)
{
	return c->certs->signer[c->key];
}

/* ---- What is there ---- */

/* Of the other kind: refused.  None at all: not judged. */
static bool has_signer(const struct snp_chain *c, struct trace *t)
{
	const char *kind = signer_kinds[c->key];

	trace_expect(t, "the %s's certificate", kind);
	if (signer_of(c) != NULL) {
		trace_find(t, "the same");
		return trace_step(t, &rule_has_signer, true);
	}
	if (c->certs->signer[1 - c->key] != NULL) {
		trace_find(t, "the %s's", signer_kinds[1 - c->key]);
		return trace_step(t, &rule_has_signer, false);
	}
	trace_find(t, "no %s was given", kind);
	trace_step_unchecked(t, &rule_has_signer);
	return false;
}

static bool has_root(const struct snp_chain *c, struct trace *t)
{
	trace_expect(t, "the ARK's certificate");
	if (c->certs->ark != NULL) {
		trace_find(t, "the same");
		return trace_step(t, &rule_has_root, true);
	}
	trace_find(t, "no ARK was given");
	trace_step_unchecked(t, &rule_has_root);
	return false;
}

bool snp_chain_complete(const struct snp_chain *c, struct trace *t)
{
	bool signer = has_signer(c, t), root = has_root(c, t);

	return signer && root;
}

/* ---- Root and names ---- */

static bool is_named_root(const struct snp_chain *c, const uint8_t key[32])
{
	bool named = false;

	for (size_t i = 0; i < c->n_roots; i++)
		named |= memcmp(c->roots[i], key, 32) == 0;
	return named;
}

/* The product whose root is called so. */
static bool product_of_name(struct slice name, enum snp_product *out)
{
	for (size_t i = 0; i < SNP_PRODUCTS; i++) {
		const char *product =
			snp_report_product_name((enum snp_product)i);

		if (!slice_starts(name, S("ARK-")) ||
		    !slice_eq_str(slice_from(name, 4), product))
			continue;
		*out = (enum snp_product)i;
		return true;
	}
	return false;
}

/* A pin belongs to one product, so the name is bound to the key. */
static bool check_root(const struct snp_chain *c, enum snp_product *product,
		       struct trace *t)
{
	struct slice name = x509_common_name(c->certs->ark);
	uint8_t key[32];
	bool trusted = false;

	x509_spki_sha256(c->certs->ark, key);
	trace_expect(t, "the key of ARK-Milan, ARK-Genoa or ARK-Turin");
	if (c->n_roots > 0)
		trace_expect(t, ", or one of %zu others", c->n_roots);
	trace_find(t, "%.*s, key ", SLICE_FMT(slice_sub(name, 0, 64)));
	trace_find_bytes(t, slice_of(key));
	if (product_of_name(name, product))
		trusted = memcmp(key, pins[*product], sizeof(key)) == 0 ||
			  is_named_root(c, key);
	return trace_step(t, &rule_root, trusted);
}

static bool check_names(const struct snp_chain *c,
			const enum snp_product *reported,
			enum snp_product product, struct trace *t)
{
	struct slice signer = x509_common_name(signer_of(c));
	struct slice leaf = x509_common_name(c->leaf);
	const char *name = snp_report_product_name(product);
	const char *prefix = c->key == SNP_KEY_VLEK ? "SEV-VLEK-" : "SEV-";
	char want[32];
	enum snp_key kind;

	(void)snprintf(want, sizeof(want), "%s%s", prefix, name);
	trace_expect(t, "ARK-%s, %s, SEV-%s", name, want,
		     snp_report_key_name(c->key));
	if (reported != NULL)
		trace_expect(t, " for a report of %s",
			     snp_report_product_name(*reported));
	trace_find(t, "ARK-%s, %.*s, %.*s", name,
		   SLICE_FMT(slice_sub(signer, 0, 64)),
		   SLICE_FMT(slice_sub(leaf, 0, 64)));
	return trace_step(t, &rule_names,
			  slice_eq_str(signer, want) &&
				  snp_certs_key_kind(c->leaf, &kind) &&
				  kind == c->key &&
				  (reported == NULL || *reported == product));
}

/* ---- Signatures ---- */

static bool is_amd_alg(const struct x509_alg *a)
{
	return a->kind == X509_ALG_RSA_PSS && a->hash == HASH_SHA384 &&
	       a->mgf_hash == HASH_SHA384 && a->salt_len == 48;
}

/* Signed so, and by a key of the right kind. */
static bool check_alg(const struct x509 *cert, const struct x509 *issuer,
		      struct trace *t)
{
	char text[X509_ALG_TEXT] = "an algorithm that is not known";
	struct x509_alg a;
	struct err err;
	size_t bits;
	bool good = x509_key(issuer, &bits) == X509_KEY_RSA && bits == RSA_BITS;

	if (x509_signature_alg(cert, &a, &err) == OK) {
		x509_alg_text(&a, text);
		good &= is_amd_alg(&a);
	} else {
		good = false;
	}
	trace_find(t, "%s%.*s: %s, key of %zu bits", cert == issuer ? "" : "; ",
		   SLICE_FMT(slice_sub(x509_common_name(cert), 0, 32)), text,
		   bits);
	return good;
}

static bool check_algs(const struct snp_chain *c, struct trace *t)
{
	const struct x509 *ark = c->certs->ark, *signer = signer_of(c);
	bool good = check_alg(ark, ark, t);

	trace_expect(t,
		     "RSA-PSS, SHA-384, MGF1 SHA-384, salt 48, key of %d "
		     "bits, of each",
		     RSA_BITS);
	good &= check_alg(signer, ark, t);
	good &= check_alg(c->leaf, signer, t);
	return trace_step(t, &rule_alg, good);
}

/* The signature of one certificate, which is looked at once. */
static bool check_signed(const struct snp_chain *c, const struct x509 *cert,
			 const struct x509 *issuer,
			 const struct trace_rule *rule, bool *known,
			 struct trace *t)
{
	struct err err;

	trace_expect(t, "a signature by %.*s, which may sign certificates",
		     SLICE_FMT(slice_sub(x509_common_name(issuer), 0, 64)));
	if (!*known) {
		enum status status = x509_verify(cert, issuer, c->now, &err);

		if (status != OK && status != E_STALE) {
			trace_step_err(t, rule, &err);
			return false;
		}
		*known = true; /* but for the times: a step of their own */
	}
	trace_find(t, "the same");
	return trace_step(t, rule, true);
}

bool snp_chain_verify(const struct snp_chain *c,
		      const enum snp_product *reported,
		      enum snp_product *product, struct trace *t)
{
	struct snp_certs *s = c->certs;
	bool leaf_known = false;

	return check_root(c, product, t) &&
	       check_names(c, reported, *product, t) && check_algs(c, t) &&
	       check_signed(c, s->ark, s->ark, &rule_ark, &s->ark_signed, t) &&
	       check_signed(c, signer_of(c), s->ark, &rule_signer,
			    &s->signer_signed[c->key], t) &&
	       check_signed(c, c->leaf, signer_of(c), &rule_leaf, &leaf_known,
			    t);
}

/* ---- Revocation ---- */

static bool check_crl_signature(const struct snp_chain *c, struct trace *t)
{
	const struct x509_crl *crl = c->certs->crl;
	char text[X509_ALG_TEXT];
	struct err err;

	trace_expect(
		t, "RSA-PSS, SHA-384, MGF1 SHA-384, salt 48, by %.*s",
		SLICE_FMT(slice_sub(x509_common_name(c->certs->ark), 0, 64)));
	x509_alg_text(x509_crl_alg(crl), text);
	if (!is_amd_alg(x509_crl_alg(crl))) {
		trace_find(t, "%s", text);
		return trace_step(t, &rule_crl, false);
	}
	if (!c->certs->crl_signed &&
	    x509_crl_verify(crl, c->certs->ark, &err) != OK) {
		trace_step_err(t, &rule_crl, &err);
		return false;
	}
	c->certs->crl_signed = true;
	trace_find(t, "the same");
	return trace_step(t, &rule_crl, true);
}

bool snp_chain_check_revoked(const struct snp_chain *c, struct trace *t)
{
	const struct x509_crl *crl = c->certs->crl;

	if (!check_crl_signature(c, t))
		return false;
	bool signer = x509_crl_revokes(crl, signer_of(c));
	bool root = x509_crl_revokes(crl, c->certs->ark);

	trace_expect(t, "the %s's serial number not among those listed",
		     signer_kinds[c->key]);
	trace_find(t, "%s%zu listed, this one is%s",
		   root ? "the root's own is listed; " : "",
		   x509_crl_count(crl), signer ? "" : " not");
	return trace_step(t, &rule_revoked, !signer && !root);
}

/* ---- Times ---- */

static void say_time(struct trace *t, int64_t from, int64_t to, int64_t now)
{
	char text[TEXT_TIME_SIZE];

	text_time(text, from);
	trace_expect(t, "a time from %s", text);
	text_time(text, to);
	trace_expect(t, " to %s", text);
	text_time(text, now);
	trace_find(t, "%s", text);
}

static bool check_crl_time(const struct snp_chain *c, struct trace *t,
			   int64_t *valid_until)
{
	const struct x509_crl *crl = c->certs->crl;
	int64_t from = x509_crl_this_update(crl);
	int64_t to = x509_crl_next_update(crl);

	say_time(t, from, to, c->now);
	if (to < *valid_until)
		*valid_until = to;
	return trace_step(t, &rule_crl_time, from <= c->now && c->now <= to);
}

bool snp_chain_check_times(const struct snp_chain *c, struct trace *t,
			   int64_t *valid_until)
{
	const struct x509 *all[] = { c->leaf, signer_of(c), c->certs->ark };
	int64_t from = INT64_MIN, to = INT64_MAX;

	for (size_t i = 0; i < countof(all); i++) {
		int64_t not_before = x509_not_before(all[i]);
		int64_t not_after = x509_not_after(all[i]);

		from = not_before > from ? not_before : from;
		to = not_after < to ? not_after : to;
	}
	*valid_until = to;
	say_time(t, from, to, c->now);
	bool good = trace_step(t, &rule_time, from <= c->now && c->now <= to);
	if (c->certs->crl != NULL)
		good &= check_crl_time(c, t, valid_until);
	return good;
}
