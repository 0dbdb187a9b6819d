#include "core/x509.h"

#include <assert.h>

#include <mbedtls/oid.h>
#include <mbedtls/pk.h>
#include <mbedtls/rsa.h>
#include <mbedtls/x509_crt.h>

#include "core/cleanup.h"
#include "core/pem.h"
#include "core/text.h"

struct x509 {
	mbedtls_x509_crt *crt; /* one; its next is NULL */
};

/* ---- Reading ---- */

#define PEM_LABEL "CERTIFICATE"

static struct x509 *make(void)
{
	struct x509 *c = mem_must(sizeof(*c));

	c->crt = mem_must(sizeof(*c->crt));
	mbedtls_x509_crt_init(c->crt);
	return c;
}

void x509_free(struct x509 *c)
{
	if (c == NULL)
		return;
	mbedtls_x509_crt_free(c->crt);
	mem_free(c->crt);
	mem_free(c);
}

static enum status parse_der(struct slice in, struct x509 **out,
			     struct err *err)
{
	if (in.len > X509_DER_MAX)
		return err_set(err, E_LIMIT,
			       "certificate: %zu bytes, want at most %d",
			       in.len, X509_DER_MAX);

	auto_x509 struct x509 *c = make();
	int rc = mbedtls_x509_crt_parse_der(c->crt, in.p, in.len);
	if (rc != 0)
		return crypto_fail(err, E_PARSE, rc, "certificate");
	if (c->crt->raw.len != in.len)
		return err_set(err, E_PARSE,
			       "certificate: %zu bytes behind its end",
			       in.len - c->crt->raw.len);
	*out = take(c);
	return OK;
}

static enum status parse_blocks(struct slice pem, struct x509 **out, size_t max,
				size_t *n, struct err *err)
{
	for (;;) {
		auto_buf struct buf der = buf_make(X509_DER_MAX);
		struct err why;
		enum status status = pem_next(&pem, PEM_LABEL, &der, &why);

		if (status == E_NOTFOUND && *n > 0)
			return OK;
		if (status == E_NOTFOUND)
			return err_set(err, E_PARSE,
				       "PEM: no certificate found");
		if (status != OK) {
			*err = why;
			return status;
		}
		if (*n == max)
			return err_set(err, E_LIMIT,
				       "PEM: more than %zu certificates", max);
		TRY(parse_der(buf_slice(&der), &out[*n], err));
		++*n;
	}
}

enum status x509_parse_chain(struct slice pem, struct x509 **out, size_t max,
			     size_t *n, struct err *err)
{
	*n = 0;
	enum status status = parse_blocks(pem, out, max, n, err);
	while (status != OK && *n > 0) {
		--*n;
		x509_free(take(out[*n]));
	}
	return status;
}

enum status x509_parse(struct slice in, struct x509 **out, struct err *err)
{
	struct x509 *one;
	size_t n;

	/* DER begins with the tag of a SEQUENCE, 0x30; so does PEM whose
	 * first line is text beginning with "0", which we do not take. */
	if (in.len == 0 || in.p[0] == 0x30)
		return parse_der(in, out, err);
	TRY(x509_parse_chain(in, &one, 1, &n, err));
	*out = one;
	return OK;
}

/* ---- What it says ---- */

static struct slice raw(const mbedtls_x509_buf *b)
{
	return slice_make(b->p, b->len);
}

struct slice x509_der(const struct x509 *c)
{
	return raw(&c->crt->raw);
}

struct slice x509_spki(const struct x509 *c)
{
	return raw(&c->crt->pk_raw);
}

void x509_spki_sha256(const struct x509 *c, uint8_t out[static 32])
{
	sha256(x509_spki(c), out);
}

struct slice x509_common_name(const struct x509 *c)
{
	struct slice found = { 0 };

	for (const mbedtls_x509_name *at = &c->crt->subject; at != NULL;
	     at = at->next) {
		if (MBEDTLS_OID_CMP(MBEDTLS_OID_AT_CN, &at->oid) != 0)
			continue;
		if (found.p != NULL)
			return (struct slice){ 0 };
		found = raw(&at->val);
	}
	return found;
}

static int64_t unix_time(const mbedtls_x509_time *t)
{
	struct tm tm = {
		.tm_year = t->year - 1900,
		.tm_mon = t->mon - 1,
		.tm_mday = t->day,
		.tm_hour = t->hour,
		.tm_min = t->min,
		.tm_sec = t->sec,
	};

	return timegm(&tm);
}

int64_t x509_not_before(const struct x509 *c)
{
	return unix_time(&c->crt->valid_from);
}

int64_t x509_not_after(const struct x509 *c)
{
	return unix_time(&c->crt->valid_to);
}

struct slice x509_subject(const struct x509 *c)
{
	return raw(&c->crt->subject_raw);
}

struct slice x509_serial(const struct x509 *c)
{
	return raw(&c->crt->serial);
}

static struct slice without_zeros(struct slice number)
{
	return slice_from(number, slice_span(number, S("\0")));
}

bool x509_is_serial(const struct x509 *c, struct slice serial)
{
	return slice_eq(without_zeros(x509_serial(c)), without_zeros(serial));
}

enum status x509_signature_alg(const struct x509 *c, struct x509_alg *out,
			       struct err *err)
{
	struct der whole = der_make(x509_der(c));
	struct der cert = der_enter(&whole, DER_SEQUENCE);

	(void)der_get(&cert, DER_SEQUENCE); /* what is signed */
	return x509_alg_parse(der_whole(&cert, DER_SEQUENCE), out, err);
}

enum x509_key x509_key(const struct x509 *c, size_t *bits)
{
	mbedtls_pk_type_t type = mbedtls_pk_get_type(&c->crt->pk);

	*bits = mbedtls_pk_get_bitlen(&c->crt->pk);
	if (type == MBEDTLS_PK_RSA)
		return X509_KEY_RSA;
	return type == MBEDTLS_PK_ECKEY ? X509_KEY_EC : X509_KEY_OTHER;
}

enum status x509_extension(const struct x509 *c, const char *oid,
			   struct slice *out, struct err *err)
{
	struct der all = der_make(raw(&c->crt->v3_ext));
	struct slice found = { 0 };
	size_t n = 0;

	if (all.rest.len == 0)
		return err_set(err, E_NOTFOUND,
			       "certificate: has no extensions");
	struct der list = der_enter(&all, DER_SEQUENCE);
	while (der_more(&list)) {
		struct der e = der_enter(&list, DER_SEQUENCE);
		bool same = der_oid_is(der_oid(&e), oid);

		if (der_is(&e, DER_BOOLEAN))
			(void)der_boolean(&e); /* whether critical */
		struct slice value = der_get(&e, DER_OCTET_STRING);
		der_leave(&list, &e);
		if (same && n++ == 0)
			found = value;
	}
	der_leave(&all, &list);
	TRY(der_end(&all, "certificate: extensions", err));
	if (n > 1)
		return err_set(err, E_PARSE,
			       "certificate: extension %s is there %zu times",
			       oid, n);
	if (n == 0)
		return err_set(err, E_NOTFOUND,
			       "certificate: has no extension %s", oid);
	*out = found;
	return OK;
}

void *x509_crt(const struct x509 *c)
{
	return c->crt;
}

/* ---- Judging ---- */

/* A certificate for error texts: the common name, of bounded length. */
#define WHO_FMT "certificate \"%.*s\""
#define WHO_SIZE 80
#define WHO(c) SLICE_FMT(slice_sub(x509_common_name(c), 0, 64))

/* Digests under a signature that we believe; MD5 and SHA-1 are not. */
static const struct {
	mbedtls_md_type_t md;
	enum hash_alg hash;
} digests[] = {
	{ MBEDTLS_MD_SHA256, HASH_SHA256 },
	{ MBEDTLS_MD_SHA384, HASH_SHA384 },
	{ MBEDTLS_MD_SHA512, HASH_SHA512 },
};

/* All of enum hash_alg are in the table. */
static mbedtls_md_type_t md_of(enum hash_alg hash)
{
	size_t i = 0;

	while (digests[i].hash != hash)
		i++;
	return digests[i].md;
}

static bool is_ca(const struct x509 *c)
{
	return c->crt->version == 3 &&
	       mbedtls_x509_crt_get_ca_istrue(c->crt) == 1;
}

/* May the holder of issuer's key say what child says? */
static enum status check_role(const struct x509 *child,
			      const struct x509 *issuer, struct err *err)
{
	const mbedtls_x509_crt *ca = issuer->crt;

	if (!slice_eq(raw(&child->crt->issuer_raw), raw(&ca->subject_raw)) ||
	    ca->subject.oid.len == 0)
		return err_set(err, E_CRYPTO,
			       WHO_FMT " does not name \"%.*s\" as its issuer",
			       WHO(child), WHO(issuer));
	if (!is_ca(issuer))
		return err_set(err, E_CRYPTO, WHO_FMT ": is not a CA",
			       WHO(issuer));
	if (mbedtls_x509_crt_check_key_usage(
		    ca, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": its key may not sign certificates",
			       WHO(issuer));
	/* Kept one higher than it is written, so that 0 means none. */
	if (ca->MBEDTLS_PRIVATE(max_pathlen) == 1 && child != issuer &&
	    is_ca(child))
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": may not have a CA below itself",
			       WHO(issuer));
	return OK;
}

/* Strong enough, and not made to cost us time: an exponent as long as the
 * modulus is a hundred times slower. */
static bool key_is_good(mbedtls_pk_context *pk)
{
	size_t bits = mbedtls_pk_get_bitlen(pk);
	unsigned char exponent[4];

	if (mbedtls_pk_get_type(pk) == MBEDTLS_PK_ECKEY)
		return bits == 256 || bits == 384;
	return mbedtls_pk_get_type(pk) == MBEDTLS_PK_RSA && bits >= 2048 &&
	       bits <= 4096 &&
	       mbedtls_rsa_export_raw(mbedtls_pk_rsa(*pk), NULL, 0, NULL, 0,
				      NULL, 0, NULL, 0, exponent,
				      sizeof(exponent)) == 0;
}

static enum status check_signature(const struct x509 *child,
				   const struct x509 *issuer, struct err *err)
{
	const mbedtls_x509_crt *crt = child->crt;
	mbedtls_md_type_t md = crt->MBEDTLS_PRIVATE(sig_md);
	mbedtls_pk_type_t kind = crt->MBEDTLS_PRIVATE(sig_pk);
	struct slice sig = raw(&crt->MBEDTLS_PRIVATE(sig));
	struct slice tbs = raw(&crt->tbs);
	uint8_t hash[HASH_MAX];
	size_t i = 0;

	while (i < countof(digests) && digests[i].md != md)
		i++;
	if (i == countof(digests))
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": signed over a digest too weak",
			       WHO(child));
	if (!key_is_good(&issuer->crt->pk))
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": its key is of a kind or size that "
				       "is not accepted",
			       WHO(issuer));
	hash_parts(digests[i].hash, &tbs, 1, hash);
	if (mbedtls_pk_verify_ext(
		    kind, crt->MBEDTLS_PRIVATE(sig_opts), &issuer->crt->pk, md,
		    hash, hash_len(digests[i].hash), sig.p, sig.len) != 0)
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": not signed by \"%.*s\"", WHO(child),
			       WHO(issuer));
	return OK;
}

enum status x509_check_period(const char *what, int64_t from, int64_t to,
			      int64_t at, struct err *err)
{
	char now[TEXT_TIME_SIZE], bound[TEXT_TIME_SIZE];

	if (from <= at && at <= to)
		return OK;
	text_time(now, at);
	text_time(bound, at < from ? from : to);
	return err_set(err, E_STALE, "%s: not valid %s %s; judged at %s", what,
		       at < from ? "before" : "after", bound, now);
}

static enum status check_times(const struct x509 *c, int64_t at,
			       struct err *err)
{
	char who[WHO_SIZE];

	(void)snprintf(who, sizeof(who), WHO_FMT, WHO(c));
	return x509_check_period(who, x509_not_before(c), x509_not_after(c), at,
				 err);
}

enum status x509_verify(const struct x509 *child, const struct x509 *issuer,
			int64_t at, struct err *err)
{
	TRY(check_role(child, issuer, err));
	TRY(check_signature(child, issuer, err));
	TRY(check_times(issuer, at, err));
	return check_times(child, at, err);
}

enum status x509_verify_bytes(const struct x509 *issuer,
			      const struct x509_alg *alg, struct slice message,
			      struct slice signature, struct err *err)
{
	static const mbedtls_pk_type_t kinds[] = {
		[X509_ALG_ECDSA] = MBEDTLS_PK_ECDSA,
		[X509_ALG_RSA] = MBEDTLS_PK_RSA,
		[X509_ALG_RSA_PSS] = MBEDTLS_PK_RSASSA_PSS,
	};
	const mbedtls_pk_rsassa_pss_options pss = {
		.mgf1_hash_id = md_of(alg->mgf_hash),
		.expected_salt_len = (int)alg->salt_len,
	};
	uint8_t hash[HASH_MAX];

	if (!key_is_good(&issuer->crt->pk))
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": its key is of a kind or size that "
				       "is not accepted",
			       WHO(issuer));
	hash_parts(alg->hash, &message, 1, hash);
	if (mbedtls_pk_verify_ext(kinds[alg->kind],
				  alg->kind == X509_ALG_RSA_PSS ? &pss : NULL,
				  &issuer->crt->pk, md_of(alg->hash), hash,
				  hash_len(alg->hash), signature.p,
				  signature.len) != 0)
		return err_set(err, E_CRYPTO, "not signed by \"%.*s\"",
			       WHO(issuer));
	return OK;
}

enum status x509_verify_rsa(struct slice n, struct slice e, enum hash_alg hash,
			    struct slice message, struct slice signature,
			    struct err *err)
{
	__attribute__((cleanup(mbedtls_rsa_free))) mbedtls_rsa_context rsa;
	uint8_t digest[HASH_MAX];

	mbedtls_rsa_init(&rsa);
	if (n.len < 256 || n.len > 512 || n.p[0] < 0x80 || e.len > 4 ||
	    mbedtls_rsa_import_raw(&rsa, n.p, n.len, NULL, 0, NULL, 0, NULL, 0,
				   e.p, e.len) != 0 ||
	    mbedtls_rsa_complete(&rsa) != 0 ||
	    mbedtls_rsa_check_pubkey(&rsa) != 0)
		return err_set(err, E_CRYPTO,
			       "RSA: the key is of a size or form that is not "
			       "accepted");
	hash_parts(hash, &message, 1, digest);
	if (signature.len != n.len ||
	    mbedtls_rsa_pkcs1_verify(&rsa, md_of(hash),
				     (unsigned)hash_len(hash), digest,
				     signature.p) != 0)
		return err_set(err, E_CRYPTO,
			       "RSA: the signature does not match");
	return OK;
}

enum status x509_check_crl_signer(const struct x509 *c, struct err *err)
{
	if (is_ca(c) && mbedtls_x509_crt_check_key_usage(
				c->crt, MBEDTLS_X509_KU_CRL_SIGN) == 0)
		return OK;
	return err_set(err, E_CRYPTO, WHO_FMT ": its key may not sign CRLs",
		       WHO(c));
}

enum status x509_verify_self(const struct x509 *root, int64_t at,
			     struct err *err)
{
	return x509_verify(root, root, at, err);
}

/* ---- Making ---- */

#define NAME_MAX_LEN 64	      /* RFC 5280: ub-common-name */
#define SERIAL_LEN 16	      /* bytes, random */
#define TIME_MAX 253402300799 /* 9999-12-31T23:59:59Z */
#define DER_ROOM 24576 /* X509_NAMES_MAX names of 253 bytes, and the rest */
#define TIME_SIZE 15   /* YYYYMMDDhhmmss and NUL */

#define auto_writer __attribute__((cleanup(mbedtls_x509write_crt_free)))
#define auto_pk __attribute__((cleanup(mbedtls_pk_free)))

static bool is_alnum(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
	       (c >= '0' && c <= '9');
}

/* Characters that need no quoting in any notation of names. */
static bool is_common_name(struct slice s)
{
	if (s.len < 1 || s.len > NAME_MAX_LEN || s.p[0] == ' ' ||
	    s.p[s.len - 1] == ' ')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum((char)s.p[i]) &&
		    memchr("._- ", s.p[i], 4) == NULL)
			return false;
	return true;
}

static bool is_label(struct slice s)
{
	if (s.len < 1 || s.len > 63 || s.p[0] == '-' || s.p[s.len - 1] == '-')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum((char)s.p[i]) && s.p[i] != '-' && s.p[i] != '_')
			return false;
	return true;
}

static bool is_dns_name(struct slice s)
{
	struct slice label;

	if (s.len < 1 || s.len > 253 || s.p[s.len - 1] == '.')
		return false;
	while (slice_split(&s, '.', &label))
		if (!is_label(label))
			return false;
	return true;
}

static enum status check_template(const struct x509_template *t,
				  struct err *err)
{
	if (!is_common_name(slice_str(t->common_name)))
		return err_set(err, E_PARSE,
			       "common name of a certificate: "
			       "want 1 to 64 of letters, digits and \"._- \"");
	if (t->not_before < 0 || t->not_after > TIME_MAX ||
	    t->not_before > t->not_after)
		return err_set(err, E_LIMIT,
			       "validity of a certificate: "
			       "want a time from 1970 on, then a later one "
			       "up to 9999");
	if (t->n_dns > X509_NAMES_MAX || t->n_ip > X509_NAMES_MAX - t->n_dns)
		return err_set(err, E_LIMIT,
			       "certificate: want at most %d names and "
			       "addresses",
			       X509_NAMES_MAX);
	for (size_t i = 0; i < t->n_dns; i++)
		if (!is_dns_name(slice_str(t->dns[i])))
			return err_set(err, E_PARSE,
				       "\"%.*s\": not a DNS name for a "
				       "certificate",
				       SLICE_FMT(slice_str(t->dns[i])));
	return OK;
}

/* Are these the ones that belong together? */
static enum status check_keys(struct slice spki, const struct x509 *issuer,
			      const struct keypair *key, struct err *err)
{
	auto_buf struct buf own = buf_make(1024);
	struct slice want = issuer == NULL ? spki : x509_spki(issuer);

	TRY(keypair_spki(key, &own, err));
	if (!slice_eq(buf_slice(&own), want))
		return err_set(err, E_CRYPTO,
			       "certificate: the signing key is not that of "
			       "the %s",
			       issuer == NULL ? "subject" : "issuer");
	if (issuer == NULL)
		return OK;
	if (!is_ca(issuer) ||
	    mbedtls_x509_crt_check_key_usage(
		    issuer->crt, MBEDTLS_X509_KU_KEY_CERT_SIGN) != 0)
		return err_set(err, E_CRYPTO,
			       WHO_FMT ": may not sign certificates",
			       WHO(issuer));
	if (!is_common_name(x509_common_name(issuer)))
		return err_set(err, E_CRYPTO,
			       WHO_FMT
			       ": its common name is "
			       "not of the form that certificates made here "
			       "have",
			       WHO(issuer));
	return OK;
}

static int set_names(mbedtls_x509write_cert *w, struct slice subject,
		     struct slice issuer)
{
	char name[sizeof("CN=") + NAME_MAX_LEN];

	(void)snprintf(name, sizeof(name), "CN=%.*s", SLICE_FMT(subject));
	int rc = mbedtls_x509write_crt_set_subject_name(w, name);
	if (rc != 0)
		return rc;
	(void)snprintf(name, sizeof(name), "CN=%.*s", SLICE_FMT(issuer));
	return mbedtls_x509write_crt_set_issuer_name(w, name);
}

static void write_time(char out[static TIME_SIZE], int64_t unix_seconds)
{
	time_t at = unix_seconds;
	struct tm tm;

	/* Cannot fail: the template's times were checked. */
	(void)gmtime_r(&at, &tm);
	(void)strftime(out, TIME_SIZE, "%Y%m%d%H%M%S", &tm);
}

static int set_serial_and_times(mbedtls_x509write_cert *w,
				const struct x509_template *t)
{
	uint8_t serial[SERIAL_LEN];
	char from[TIME_SIZE], to[TIME_SIZE];

	/* Positive, and always of the same length. */
	crypto_random(serial, sizeof(serial));
	serial[0] = (serial[0] & 0x7f) | 0x40;
	write_time(from, t->not_before);
	write_time(to, t->not_after);
	int rc =
		mbedtls_x509write_crt_set_serial_raw(w, serial, sizeof(serial));
	return rc != 0 ? rc : mbedtls_x509write_crt_set_validity(w, from, to);
}

static int set_key_usage(mbedtls_x509write_cert *w,
			 const struct x509_template *t)
{
	unsigned int usage = 0;

	if (t->ca)
		usage |= MBEDTLS_X509_KU_KEY_CERT_SIGN |
			 MBEDTLS_X509_KU_CRL_SIGN;
	if (!t->ca || t->server || t->client)
		usage |= MBEDTLS_X509_KU_DIGITAL_SIGNATURE;
	return mbedtls_x509write_crt_set_key_usage(w, usage);
}

/* By hand, since the library marks it critical, which some verifiers refuse
 * (CA/Browser Forum Baseline Requirements 7.1.2.7). */
static int set_purposes(mbedtls_x509write_cert *w,
			const struct x509_template *t)
{
	/* clang-format off */
	static const uint8_t purposes[2][10] = { /* RFC 5280 s4.2.1.12 */
		{ 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 1 }, /* serverAuth */
		{ 0x06, 8, 0x2b, 6, 1, 5, 5, 7, 3, 2 }, /* clientAuth */
	};
	/* clang-format on */
	const bool wanted[] = { t->server, t->client };
	uint8_t der[2 + sizeof(purposes)] = { 0x30 }; /* SEQUENCE */
	uint8_t len = 0;

	for (size_t i = 0; i < countof(wanted); i++) {
		if (!wanted[i])
			continue;
		memcpy(der + 2 + len, purposes[i], sizeof(purposes[i]));
		len += sizeof(purposes[i]);
	}
	der[1] = len;
	if (len == 0)
		return 0;
	return mbedtls_x509write_crt_set_extension(
		w, MBEDTLS_OID_EXTENDED_KEY_USAGE,
		MBEDTLS_OID_SIZE(MBEDTLS_OID_EXTENDED_KEY_USAGE), 0, der,
		(size_t)len + 2);
}

/* One alternative name; the writer only reads what p points to. */
static void set_san(mbedtls_x509_san_list *at, int type, const void *p,
		    size_t len)
{
	at->node.type = type;
	at->node.san.unstructured_name.p = (unsigned char *)(uintptr_t)p;
	at->node.san.unstructured_name.len = len;
}

static int set_sans(mbedtls_x509write_cert *w, const struct x509_template *t)
{
	size_t n = t->n_dns + t->n_ip;

	if (n == 0)
		return 0;
	auto_mem mbedtls_x509_san_list *list = mem_must(n * sizeof(*list));
	for (size_t i = 0; i < n; i++)
		list[i].next = i + 1 < n ? &list[i + 1] : NULL;
	for (size_t i = 0; i < t->n_dns; i++)
		set_san(&list[i], MBEDTLS_X509_SAN_DNS_NAME, t->dns[i],
			strlen(t->dns[i]));
	for (size_t i = 0; i < t->n_ip; i++)
		set_san(&list[t->n_dns + i], MBEDTLS_X509_SAN_IP_ADDRESS,
			t->ip[i], sizeof(t->ip[i]));
	return mbedtls_x509write_crt_set_subject_alternative_name(w, list);
}

/* No path length: who may be below a CA of ours is decided by its key. */
static int set_extensions(mbedtls_x509write_cert *w,
			  const struct x509_template *t)
{
	int rc = mbedtls_x509write_crt_set_basic_constraints(w, t->ca, -1);

	if (rc == 0)
		rc = set_key_usage(w, t);
	if (rc == 0)
		rc = set_purposes(w, t);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_subject_key_identifier(w);
	if (rc == 0)
		rc = mbedtls_x509write_crt_set_authority_key_identifier(w);
	return rc != 0 ? rc : set_sans(w, t);
}

/* Fill in w and write it to the end of der; its length, or a failure. */
static int write_der(mbedtls_x509write_cert *w, const struct x509_template *t,
		     const struct x509 *issuer, uint8_t *der)
{
	struct slice subject = slice_str(t->common_name);
	int rc = set_names(w, subject,
			   issuer == NULL ? subject : x509_common_name(issuer));

	if (rc == 0)
		rc = set_serial_and_times(w, t);
	if (rc == 0)
		rc = set_extensions(w, t);
	return rc != 0 ? rc
		       : mbedtls_x509write_crt_der(w, der, DER_ROOM, crypto_rng,
						   NULL);
}

/* The library writes names in one way only; an issuer named in another
 * would not be recognised as the issuer. */
static enum status check_made(struct slice der, const struct x509 *issuer,
			      struct err *err)
{
	struct x509 *parsed;

	TRY(parse_der(der, &parsed, err));
	auto_x509 struct x509 *made = parsed;
	if (issuer != NULL && !slice_eq(raw(&made->crt->issuer_raw),
					raw(&issuer->crt->subject_raw)))
		return err_set(err, E_CRYPTO,
			       WHO_FMT
			       ": its name is not of "
			       "the form that certificates made here have",
			       WHO(issuer));
	return OK;
}

enum status x509_sign(const struct x509_template *t, struct slice spki,
		      const struct x509 *issuer, const struct keypair *key,
		      struct buf *out, struct err *err)
{
	TRY(check_template(t, err));
	TRY(check_keys(spki, issuer, key, err));

	auto_pk mbedtls_pk_context subject;
	mbedtls_pk_init(&subject);
	TRY(spki_load(spki, &subject, err));

	auto_writer mbedtls_x509write_cert w;
	mbedtls_x509write_crt_init(&w);
	mbedtls_pk_context *signer = keypair_pk(key);
	mbedtls_x509write_crt_set_subject_key(&w, &subject);
	mbedtls_x509write_crt_set_issuer_key(&w, signer);
	mbedtls_x509write_crt_set_md_alg(
		&w, mbedtls_pk_get_bitlen(signer) == 384 ? MBEDTLS_MD_SHA384
							 : MBEDTLS_MD_SHA256);

	auto_mem uint8_t *der = mem_must(DER_ROOM);
	int n = write_der(&w, t, issuer, der);
	if (n < 0)
		return crypto_fail(err, E_CRYPTO, n, "making a certificate");
	struct slice made = slice_make(der + DER_ROOM - n, (size_t)n);
	TRY(check_made(made, issuer, err));
	buf_put(out, made);
	return buf_check(out, "certificate", err);
}

void x509_pem(struct slice der, struct buf *out)
{
	pem_put(out, PEM_LABEL, der);
}
