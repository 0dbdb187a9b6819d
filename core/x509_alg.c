#include "core/x509_alg.h"

#include "core/cleanup.h"

#define OID_RSA_PSS "1.2.840.113549.1.1.10"
#define OID_MGF1 "1.2.840.113549.1.1.8"
#define SALT_MAX 512 /* bytes: as long as the largest key's signature */

/* clang-format off */
/* RFC 5758 s3.2 and RFC 8017 appendix A.2.4. */
static const struct {
	const char *oid;
	enum x509_alg_kind kind;
	enum hash_alg hash;
} algs[] = {
	{ "1.2.840.10045.4.3.2", X509_ALG_ECDSA, HASH_SHA256 },
	{ "1.2.840.10045.4.3.3", X509_ALG_ECDSA, HASH_SHA384 },
	{ "1.2.840.10045.4.3.4", X509_ALG_ECDSA, HASH_SHA512 },
	{ "1.2.840.113549.1.1.11", X509_ALG_RSA, HASH_SHA256 },
	{ "1.2.840.113549.1.1.12", X509_ALG_RSA, HASH_SHA384 },
	{ "1.2.840.113549.1.1.13", X509_ALG_RSA, HASH_SHA512 },
};

/* NIST's arc of hash algorithms. */
static const struct {
	const char *oid;
	enum hash_alg hash;
} hashes[] = {
	{ "2.16.840.1.101.3.4.2.1", HASH_SHA256 },
	{ "2.16.840.1.101.3.4.2.2", HASH_SHA384 },
	{ "2.16.840.1.101.3.4.2.3", HASH_SHA512 },
};
/* clang-format on */

static const char *const kind_names[] = {
	[X509_ALG_ECDSA] = "ECDSA",
	[X509_ALG_RSA] = "RSA",
	[X509_ALG_RSA_PSS] = "RSA-PSS",
};

static const char *const hash_names[] = {
	[HASH_SHA256] = "SHA-256",
	[HASH_SHA384] = "SHA-384",
	[HASH_SHA512] = "SHA-512",
};

static bool find_hash(struct slice oid, enum hash_alg *out)
{
	for (size_t i = 0; i < countof(hashes); i++) {
		if (!der_oid_is(oid, hashes[i].oid))
			continue;
		*out = hashes[i].hash;
		return true;
	}
	return false;
}

bool x509_alg_hash(struct der *d, enum hash_alg *out)
{
	struct der id = der_enter(d, DER_SEQUENCE);
	bool known = find_hash(der_oid(&id), out);

	if (der_more(&id))
		der_null(&id);
	der_leave(d, &id);
	return known;
}

static bool read_mgf(struct der *d, enum hash_alg *out)
{
	struct der id = der_enter(d, DER_SEQUENCE);
	bool known = der_oid_is(der_oid(&id), OID_MGF1);

	known &= x509_alg_hash(&id, out);
	der_leave(d, &id);
	return known;
}

/* RSASSA-PSS-params.  The defaults are SHA-1's, so what is believed here names
 * digest and mask; the trailer's only value is its default, left out. */
static bool read_pss(struct der *d, struct x509_alg *a)
{
	struct der p = der_enter(d, DER_SEQUENCE);
	struct der hash = der_enter(&p, DER_CONSTRUCTED | 0);
	bool known = x509_alg_hash(&hash, &a->hash);

	der_leave(&p, &hash);
	struct der mgf = der_enter(&p, DER_CONSTRUCTED | 1);
	known &= read_mgf(&mgf, &a->mgf_hash);
	der_leave(&p, &mgf);
	a->salt_len = 20;
	if (der_is(&p, DER_CONSTRUCTED | 2)) {
		struct der salt = der_enter(&p, DER_CONSTRUCTED | 2);

		a->salt_len = (uint32_t)der_u64(&salt, SALT_MAX);
		der_leave(&p, &salt);
	}
	if (der_is(&p, DER_CONSTRUCTED | 3)) {
		struct der trailer = der_enter(&p, DER_CONSTRUCTED | 3);

		known &= der_u64(&trailer, UINT8_MAX) == 1;
		der_leave(&p, &trailer);
	}
	der_leave(d, &p);
	a->kind = X509_ALG_RSA_PSS;
	return known;
}

/* By its identifier, with the parameters that belong to it. */
static bool read_alg(struct der *d, struct x509_alg *a)
{
	struct slice oid = der_oid(d);

	if (der_oid_is(oid, OID_RSA_PSS))
		return read_pss(d, a);
	for (size_t i = 0; i < countof(algs); i++) {
		if (!der_oid_is(oid, algs[i].oid))
			continue;
		a->kind = algs[i].kind;
		a->hash = a->mgf_hash = algs[i].hash;
		if (a->kind == X509_ALG_RSA)
			der_null(d);
		return true;
	}
	return false;
}

enum status x509_alg_parse(struct slice in, struct x509_alg *out,
			   struct err *err)
{
	struct der whole = der_make(in);
	struct der id = der_enter(&whole, DER_SEQUENCE);
	struct x509_alg a = { 0 };
	char oid[DER_OID_TEXT];
	struct der peek = id;

	der_oid_text(der_oid(&peek), oid);
	bool known = read_alg(&id, &a);
	if (!known && !id.bad)
		return err_set(err, E_CRYPTO,
			       "signature algorithm: expected ECDSA, RSA or "
			       "RSA-PSS with SHA-256, SHA-384 or SHA-512, "
			       "found %s",
			       oid[0] == '\0' ? "none" : oid);
	der_leave(&whole, &id);
	TRY(der_end(&whole, "signature algorithm", err));
	*out = a;
	return OK;
}

void x509_alg_text(const struct x509_alg *a, char out[static X509_ALG_TEXT])
{
	int n = snprintf(out, X509_ALG_TEXT, "%s, %s", kind_names[a->kind],
			 hash_names[a->hash]);

	if (a->kind == X509_ALG_RSA_PSS)
		(void)snprintf(out + n, X509_ALG_TEXT - (size_t)n,
			       ", MGF1 %s, salt %u", hash_names[a->mgf_hash],
			       a->salt_len);
}
