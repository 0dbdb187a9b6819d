#include "test/core/pki_forge.h"

#include <stdlib.h>
#include <time.h>

#include "core/cleanup.h"
#include "test/test.h"

#define MAX 16384
#define OID_CN "2.5.4.3"
#define OID_ECDSA_SHA384 "1.2.840.10045.4.3.3"
#define OID_ECDSA_SHA256 "1.2.840.10045.4.3.2"

/* ---- DER ---- */

void pki_put(struct buf *out, uint8_t tag, struct slice content)
{
	buf_put_u8(out, tag);
	if (content.len >= 0x100) {
		buf_put_u8(out, 0x82);
		buf_put_u16be(out, (uint16_t)content.len);
	} else {
		if (content.len >= 0x80)
			buf_put_u8(out, 0x81);
		buf_put_u8(out, (uint8_t)content.len);
	}
	buf_put(out, content);
}

static void put_arc(struct buf *out, unsigned long arc)
{
	for (int shift = 28; shift > 0; shift -= 7)
		if (arc >> shift != 0)
			buf_put_u8(out,
				   (uint8_t)(0x80 | (arc >> shift & 0x7f)));
	buf_put_u8(out, arc & 0x7f);
}

void pki_put_oid(struct buf *out, const char *dotted)
{
	auto_buf struct buf content = buf_make(MAX);
	char *at;
	unsigned long first = strtoul(dotted, &at, 10);

	put_arc(&content, 40 * first + strtoul(at + 1, &at, 10));
	while (*at == '.')
		put_arc(&content, strtoul(at + 1, &at, 10));
	pki_put(out, DER_OID, buf_slice(&content));
}

void pki_put_time(struct buf *out, int64_t unix_seconds)
{
	time_t at = unix_seconds;
	struct tm tm;
	char text[32];

	(void)gmtime_r(&at, &tm);
	(void)strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm);
	pki_put(out, DER_GENERALIZED_TIME, slice_str(text));
}

/* Wrap what is in b by a tag. */
static void wrap(struct buf *b, uint8_t tag)
{
	auto_buf struct buf whole = buf_make(MAX);

	pki_put(&whole, tag, buf_slice(b));
	buf_clear(b);
	buf_put(b, buf_slice(&whole));
}

static void put_sequence(struct buf *out, struct buf *content)
{
	pki_put(out, DER_SEQUENCE, buf_slice(content));
	buf_clear(content);
}

/* ---- Certificates ---- */

void pki_done(struct pki_cert *c)
{
	keypair_free(c->key);
	buf_done(&c->der);
}

static void put_name(struct buf *out, const char *common_name)
{
	auto_buf struct buf b = buf_make(MAX);

	pki_put_oid(&b, OID_CN);
	pki_put(&b, DER_UTF8_STRING, slice_str(common_name));
	wrap(&b, DER_SEQUENCE);
	wrap(&b, DER_SET);
	put_sequence(out, &b);
}

static void put_alg(struct buf *out, bool p256)
{
	auto_buf struct buf b = buf_make(MAX);

	pki_put_oid(&b, p256 ? OID_ECDSA_SHA256 : OID_ECDSA_SHA384);
	put_sequence(out, &b);
}

static void put_extension(struct buf *out, const char *oid, struct slice value)
{
	auto_buf struct buf b = buf_make(MAX);

	pki_put_oid(&b, oid);
	pki_put(&b, DER_OCTET_STRING, value);
	put_sequence(out, &b);
}

static void put_extensions(struct buf *out, const struct pki_spec *s)
{
	const uint8_t ca[] = { 0x30, 3, 1, 1, 0xff };
	const uint8_t usage[] = { 3, 2, 0, s->usage };
	auto_buf struct buf b = buf_make(MAX), purpose = buf_make(MAX);

	if (s->ca)
		put_extension(&b, "2.5.29.19", slice_of(ca));
	if (s->usage != 0)
		put_extension(&b, "2.5.29.15", slice_of(usage));
	if (s->purpose != NULL) {
		pki_put_oid(&purpose, s->purpose);
		wrap(&purpose, DER_SEQUENCE);
		put_extension(&b, "2.5.29.37", buf_slice(&purpose));
	}
	if (s->extension != NULL)
		put_extension(&b, s->extension, s->ext_value);
	if (b.len == 0)
		return;
	wrap(&b, DER_SEQUENCE);
	pki_put(out, DER_CONSTRUCTED | 3, buf_slice(&b));
}

/* 0x00 in front: no bits unused. */
static void put_bits(struct buf *out, struct slice bits)
{
	auto_buf struct buf b = buf_make(MAX);

	buf_put_u8(&b, 0);
	buf_put(&b, bits);
	pki_put(out, DER_BIT_STRING, buf_slice(&b));
}

static bool is_p256(const struct keypair *k)
{
	auto_buf struct buf spki = buf_make(MAX);
	struct err err;

	EXPECT(keypair_spki(k, &spki, &err) == OK);
	return spki.len < 100;
}

/* Sign tbs, whole, and put SEQUENCE(tbs, alg, signature, more). */
static void put_signed(struct buf *out, const struct keypair *key,
		       struct slice tbs, struct slice more)
{
	auto_buf struct buf b = buf_make(MAX), sig = buf_make(MAX);
	struct err err;

	EXPECT(keypair_sign(key, tbs, &sig, &err) == OK);
	buf_put(&b, tbs);
	put_alg(&b, is_p256(key));
	put_bits(&b, buf_slice(&sig));
	buf_put(&b, more);
	put_sequence(out, &b);
}

void pki_make(const struct pki_spec *s, const struct pki_cert *issuer,
	      struct pki_cert *out)
{
	static const uint8_t version[] = { 2, 1, 2 };
	auto_buf struct buf b = buf_make(MAX), times = buf_make(MAX);
	struct err err;

	*out = (struct pki_cert){ .der = buf_make(MAX) };
	(void)snprintf(out->name, sizeof(out->name), "%s", s->name);
	EXPECT(keypair_new(s->p256 ? KEY_P256 : KEY_P384, &out->key, &err) ==
	       OK);
	const struct pki_cert *by = issuer == NULL ? out : issuer;
	pki_put(&b, DER_CONSTRUCTED | 0, slice_of(version));
	pki_put(&b, DER_INTEGER, s->serial.len > 0 ? s->serial : S("\1\2"));
	put_alg(&b, is_p256(by->key));
	put_name(&b, by->name);
	pki_put_time(&times, s->from == 0 ? PKI_2020 : s->from);
	pki_put_time(&times, s->to == 0 ? PKI_2040 : s->to);
	put_sequence(&b, &times);
	put_name(&b, s->name);
	EXPECT(keypair_spki(out->key, &b, &err) == OK);
	put_extensions(&b, s);
	wrap(&b, DER_SEQUENCE);
	put_signed(&out->der, by->key, buf_slice(&b), S(""));
}

struct x509 *pki_x509(const struct pki_cert *c)
{
	struct x509 *x = NULL;
	struct err err;

	if (!EXPECT(x509_parse(buf_slice(&c->der), &x, &err) == OK))
		printf("%s\n", err.text);
	return x;
}

/* ---- OCSP ---- */

struct pki_ocsp pki_ocsp_good(void)
{
	const int64_t year = (int64_t)365 * 24 * 3600;

	return (struct pki_ocsp){
		.status = OCSP_GOOD,
		.produced = PKI_2030 - year,
		.this_update = PKI_2030 - year,
		.next_update = PKI_2030 + year,
		.reason = OCSP_NO_REASON,
		.hash = HASH_SHA384,
	};
}

static void put_hash(struct buf *out, enum hash_alg alg, struct slice in)
{
	uint8_t hash[HASH_MAX];

	hash_parts(alg, &in, 1, hash);
	pki_put(out, DER_OCTET_STRING, slice_make(hash, hash_len(alg)));
}

/* The BIT STRING's bytes in a SubjectPublicKeyInfo. */
static struct slice key_of(struct slice spki)
{
	struct der d = der_make(spki);
	struct der s = der_enter(&d, DER_SEQUENCE);

	(void)der_get(&s, DER_SEQUENCE);
	return der_bits(&s);
}

static void put_cert_id(struct buf *out, const struct pki_ocsp *o,
			const struct x509 *cert, const struct x509 *issuer)
{
	static const char *const oids[] = {
		[HASH_SHA256] = "2.16.840.1.101.3.4.2.1",
		[HASH_SHA384] = "2.16.840.1.101.3.4.2.2",
		[HASH_SHA512] = "2.16.840.1.101.3.4.2.3",
	};
	auto_buf struct buf b = buf_make(MAX), alg = buf_make(MAX);

	pki_put_oid(&alg, oids[o->hash]);
	put_sequence(&b, &alg);
	put_hash(&b, o->hash, x509_subject(issuer));
	put_hash(&b, o->hash, key_of(x509_spki(issuer)));
	pki_put(&b, DER_INTEGER, x509_serial(cert));
	put_sequence(out, &b);
}

static void put_status(struct buf *out, const struct pki_ocsp *o)
{
	auto_buf struct buf b = buf_make(MAX);
	const uint8_t reason[] = { DER_ENUMERATED, 1, o->reason };

	if (o->status != OCSP_REVOKED) {
		pki_put(out, DER_CONTEXT | (o->status == OCSP_GOOD ? 0 : 2),
			S(""));
		return;
	}
	pki_put_time(&b, o->revoked_at);
	if (o->reason != OCSP_NO_REASON)
		pki_put(&b, DER_CONSTRUCTED | 0, slice_of(reason));
	pki_put(out, DER_CONSTRUCTED | 1, buf_slice(&b));
}

static void put_answer(struct buf *out, const struct pki_ocsp *o,
		       const struct x509 *cert, const struct x509 *issuer)
{
	auto_buf struct buf b = buf_make(MAX), next = buf_make(MAX);

	put_cert_id(&b, o, cert, issuer);
	put_status(&b, o);
	pki_put_time(&b, o->this_update);
	if (o->next_update != 0) {
		pki_put_time(&next, o->next_update);
		pki_put(&b, DER_CONSTRUCTED | 0, buf_slice(&next));
	}
	put_sequence(out, &b);
}

static void put_response_extensions(struct buf *out, const struct pki_ocsp *o)
{
	static const uint8_t critical[] = { 0x30, 0x0a, 6, 3,	 0x2a, 3,
					    4,	  1,	1, 0xff, 4,    0 };
	auto_buf struct buf b = buf_make(MAX), nonce = buf_make(MAX);

	if (o->nonce.len > 0) {
		pki_put(&nonce, DER_OCTET_STRING, o->nonce);
		put_extension(&b, "1.3.6.1.5.5.7.48.1.2", buf_slice(&nonce));
	}
	if (o->critical)
		buf_put(&b, slice_of(critical));
	if (b.len == 0)
		return;
	wrap(&b, DER_SEQUENCE);
	pki_put(out, DER_CONSTRUCTED | 1, buf_slice(&b));
}

/* ResponseData, whole. */
static void put_data(struct buf *out, const struct pki_ocsp *o,
		     const struct pki_cert *signer, const struct x509 *cert,
		     const struct x509 *issuer)
{
	auto_buf struct buf b = buf_make(MAX), part = buf_make(MAX);

	if (o->by_name)
		put_name(&part, signer->name);
	else
		pki_put(&part, DER_OCTET_STRING, S("01234567890123456789"));
	pki_put(&b, DER_CONSTRUCTED | (o->by_name ? 1 : 2), buf_slice(&part));
	buf_clear(&part);
	pki_put_time(&b, o->produced);
	for (int left = o->twice ? 2 : 1; left > 0; left--)
		put_answer(&part, o, cert, issuer);
	put_sequence(&b, &part);
	put_response_extensions(&b, o);
	put_sequence(out, &b);
}

void pki_ocsp(const struct pki_ocsp *o, const struct pki_cert *cert,
	      const struct pki_cert *issuer, struct buf *out)
{
	static const uint8_t successful[] = { DER_ENUMERATED, 1, 0 };
	const struct pki_cert *signer = o->signer == NULL ? issuer : o->signer;
	auto_x509 struct x509 *c = pki_x509(cert), *i = pki_x509(issuer);
	auto_buf struct buf data = buf_make(MAX), certs = buf_make(MAX);
	auto_buf struct buf basic = buf_make(MAX), b = buf_make(MAX);

	put_data(&data, o, signer, c, i);
	if (o->carry) {
		buf_put(&certs, buf_slice(&signer->der));
		wrap(&certs, DER_SEQUENCE);
		wrap(&certs, DER_CONSTRUCTED | 0);
	}
	put_signed(&basic, signer->key, buf_slice(&data), buf_slice(&certs));
	pki_put_oid(&b, "1.3.6.1.5.5.7.48.1.1");
	pki_put(&b, DER_OCTET_STRING, buf_slice(&basic));
	wrap(&b, DER_SEQUENCE);
	wrap(&b, DER_CONSTRUCTED | 0);
	buf_clear(&data);
	buf_put(&data, slice_of(successful));
	buf_put(&data, buf_slice(&b));
	put_sequence(out, &data);
}
