#include "core/ocsp.h"

#include "core/cleanup.h"
#include "core/pem.h"
#include "core/text.h"
#include "core/x509_usage.h"

#define PEM_LABEL "OCSP RESPONSE"
#define OID_BASIC "1.3.6.1.5.5.7.48.1.1"
#define OID_NONCE "1.3.6.1.5.5.7.48.1.2"
#define OID_SIGNING "1.3.6.1.5.5.7.3.9"
#define NONCE_MAX 128 /* bytes: RFC 9654 s2.1 */

struct entry {
	bool known; /* the hash of the names below is one of ours */
	enum hash_alg hash;
	struct slice issuer_name, issuer_key, serial;
	struct ocsp_answer answer;
};

struct ocsp {
	struct buf der;
	struct slice signed_part, signature; /* in der, as the rest */
	struct slice responder;		     /* a Name; empty: by key */
	struct slice nonce;
	struct x509_alg alg;
	int64_t produced_at;
	size_t n;
	struct entry entry[OCSP_ANSWERS_MAX];
	size_t n_certs;
	struct x509 *cert[OCSP_CERTS_MAX];
};

/* clang-format off */
/* OCSPResponseStatus, RFC 6960 s4.2.1; 4 is not used. */
static const char *const refusals[] = {
	NULL, "malformedRequest", "internalError", "tryLater", NULL,
	"sigRequired", "unauthorized",
};
/* clang-format on */

void ocsp_free(struct ocsp *o)
{
	if (o == NULL)
		return;
	for (size_t i = 0; i < o->n_certs; i++)
		x509_free(o->cert[i]);
	buf_done(&o->der);
	mem_free(o);
}

/* ---- Reading ---- */

/* Only this form: UTCTime has no place in a response. */
static int64_t read_time(struct der *d)
{
	if (!der_is(d, DER_GENERALIZED_TIME))
		d->bad = true;
	return der_time(d);
}

/* Extensions may inform, not change what an answer means.  The nonce is the
 * one that is kept, where wanted. */
static void read_extensions(struct der *d, struct slice *nonce)
{
	struct der list = der_enter(d, DER_SEQUENCE);

	if (list.rest.len == 0)
		list.bad = true;
	while (der_more(&list)) {
		struct der e = der_enter(&list, DER_SEQUENCE);
		bool is_nonce = der_oid_is(der_oid(&e), OID_NONCE);

		if (der_is(&e, DER_BOOLEAN) && der_boolean(&e))
			e.bad = true;
		struct der value = der_enter(&e, DER_OCTET_STRING);
		if (is_nonce && nonce != NULL) {
			e.bad |= nonce->len != 0;
			*nonce = der_get(&value, DER_OCTET_STRING);
			e.bad |= nonce->len == 0 || nonce->len > NONCE_MAX;
			der_leave(&e, &value);
		}
		der_leave(&list, &e);
	}
	der_leave(d, &list);
}

static void read_tagged_extensions(struct der *d, uint8_t n,
				   struct slice *nonce)
{
	if (!der_is(d, DER_CONSTRUCTED | n))
		return;
	struct der e = der_enter(d, DER_CONSTRUCTED | n);
	read_extensions(&e, nonce);
	der_leave(d, &e);
}

/* CertID. */
static void read_id(struct der *d, struct entry *e)
{
	struct der id = der_enter(d, DER_SEQUENCE);

	e->known = x509_alg_hash(&id, &e->hash);
	e->issuer_name = der_get(&id, DER_OCTET_STRING);
	e->issuer_key = der_get(&id, DER_OCTET_STRING);
	e->serial = der_get(&id, DER_INTEGER);
	if (e->serial.len == 0)
		id.bad = true;
	der_leave(d, &id);
}

static void read_revoked(struct der *d, struct ocsp_answer *a)
{
	struct der r = der_enter(d, DER_CONSTRUCTED | 1);

	a->status = OCSP_REVOKED;
	a->revoked_at = read_time(&r);
	if (der_is(&r, DER_CONSTRUCTED | 0)) {
		struct der reason = der_enter(&r, DER_CONSTRUCTED | 0);

		a->reason = der_enumerated(&reason);
		der_leave(&r, &reason);
	}
	der_leave(d, &r);
}

static void read_status(struct der *d, struct ocsp_answer *a)
{
	a->reason = OCSP_NO_REASON;
	if (der_is(d, DER_CONSTRUCTED | 1)) {
		read_revoked(d, a);
		return;
	}
	bool good = der_is(d, DER_CONTEXT | 0);
	a->status = good ? OCSP_GOOD : OCSP_UNKNOWN;
	if (der_get(d, good ? DER_CONTEXT | 0 : DER_CONTEXT | 2).len != 0)
		d->bad = true; /* a NULL, by another tag */
}

/* SingleResponse. */
static void read_entry(struct der *d, struct entry *e)
{
	struct der s = der_enter(d, DER_SEQUENCE);
	struct ocsp_answer *a = &e->answer;

	read_id(&s, e);
	read_status(&s, a);
	a->this_update = read_time(&s);
	a->has_next_update = der_is(&s, DER_CONSTRUCTED | 0);
	if (a->has_next_update) {
		struct der next = der_enter(&s, DER_CONSTRUCTED | 0);

		a->next_update = read_time(&next);
		next.bad |= a->next_update < a->this_update;
		der_leave(&s, &next);
	}
	read_tagged_extensions(&s, 1, NULL);
	der_leave(d, &s);
}

static enum status read_entries(struct der *d, struct ocsp *o, struct err *err)
{
	struct der list = der_enter(d, DER_SEQUENCE);

	if (list.rest.len == 0)
		list.bad = true;
	for (; der_more(&list) && o->n < OCSP_ANSWERS_MAX; o->n++)
		read_entry(&list, &o->entry[o->n]);
	if (der_more(&list))
		return err_set(err, E_LIMIT,
			       "OCSP response: about more than %d certificates",
			       OCSP_ANSWERS_MAX);
	der_leave(d, &list);
	return OK;
}

/* ResponseData of version 1, which is not written. */
static enum status read_data(struct der *d, struct ocsp *o, struct err *err)
{
	struct der t = der_enter(d, DER_SEQUENCE);

	if (der_is(&t, DER_CONSTRUCTED | 1)) {
		struct der name = der_enter(&t, DER_CONSTRUCTED | 1);

		o->responder = der_whole(&name, DER_SEQUENCE);
		der_leave(&t, &name);
	} else {
		struct der key = der_enter(&t, DER_CONSTRUCTED | 2);

		(void)der_get(&key, DER_OCTET_STRING);
		der_leave(&t, &key);
	}
	o->produced_at = read_time(&t);
	TRY(read_entries(&t, o, err));
	read_tagged_extensions(&t, 1, &o->nonce);
	der_leave(d, &t);
	return OK;
}

static enum status read_certs(struct der *d, struct ocsp *o, struct err *err)
{
	if (!der_is(d, DER_CONSTRUCTED | 0))
		return OK;
	struct der tagged = der_enter(d, DER_CONSTRUCTED | 0);
	struct der list = der_enter(&tagged, DER_SEQUENCE);
	while (der_more(&list)) {
		struct slice one = der_whole(&list, DER_SEQUENCE);

		if (o->n_certs == OCSP_CERTS_MAX)
			return err_set(err, E_LIMIT,
				       "OCSP response: more than %d "
				       "certificates in it",
				       OCSP_CERTS_MAX);
		if (x509_parse(one, &o->cert[o->n_certs], err) != OK)
			return err_wrap(err, "OCSP response");
		o->n_certs++;
	}
	der_leave(&tagged, &list);
	der_leave(d, &tagged);
	return OK;
}

/* BasicOCSPResponse. */
static enum status read_basic(struct slice in, struct ocsp *o, struct err *err)
{
	struct der whole = der_make(in);
	struct der basic = der_enter(&whole, DER_SEQUENCE);
	struct der peek = basic;

	o->signed_part = der_whole(&peek, DER_SEQUENCE);
	TRY(read_data(&basic, o, err));
	struct slice alg = der_whole(&basic, DER_SEQUENCE);
	o->signature = der_bits(&basic);
	TRY(read_certs(&basic, o, err));
	der_leave(&whole, &basic);
	TRY(der_end(&whole, "OCSP response", err));
	if (x509_alg_parse(alg, &o->alg, err) != OK)
		return err_wrap(err, "OCSP response");
	return OK;
}

static enum status read_response(struct ocsp *o, struct err *err)
{
	struct der whole = der_make(buf_slice(&o->der));
	struct der response = der_enter(&whole, DER_SEQUENCE);
	uint8_t status = der_enumerated(&response);

	if (!response.bad && status != 0 && status < countof(refusals) &&
	    refusals[status] != NULL && !der_more(&response))
		return err_set(err, E_STALE,
			       "OCSP response: the responder has no answer: %s",
			       refusals[status]);
	if (status != 0)
		response.bad = true;
	struct der tagged = der_enter(&response, DER_CONSTRUCTED | 0);
	struct der bytes = der_enter(&tagged, DER_SEQUENCE);
	if (!der_oid_is(der_oid(&bytes), OID_BASIC))
		bytes.bad = true;
	struct slice basic = der_get(&bytes, DER_OCTET_STRING);
	der_leave(&tagged, &bytes);
	der_leave(&response, &tagged);
	der_leave(&whole, &response);
	TRY(der_end(&whole, "OCSP response", err));
	return read_basic(basic, o, err);
}

enum status ocsp_parse(struct slice in, struct ocsp **out, struct err *err)
{
	auto_ocsp struct ocsp *o = mem_must(sizeof(*o));

	o->der = buf_make(OCSP_MAX);
	if (pem_parse(in, PEM_LABEL, &o->der, err) != OK)
		return err_wrap(err, "OCSP response");
	TRY(read_response(o, err));
	*out = take(o);
	return OK;
}

/* ---- What it says ---- */

struct slice ocsp_der(const struct ocsp *o)
{
	return buf_slice(&o->der);
}

int64_t ocsp_produced_at(const struct ocsp *o)
{
	return o->produced_at;
}

size_t ocsp_count(const struct ocsp *o)
{
	return o->n;
}

struct slice ocsp_nonce(const struct ocsp *o)
{
	return o->nonce;
}

/* The key itself in a SubjectPublicKeyInfo: what CertID has the hash of. */
static struct slice key_bits(struct slice spki)
{
	struct der whole = der_make(spki);
	struct der info = der_enter(&whole, DER_SEQUENCE);

	(void)der_get(&info, DER_SEQUENCE);
	return der_bits(&info);
}

static bool is_about(const struct entry *e, const struct x509 *cert,
		     const struct x509 *issuer)
{
	struct slice name = x509_subject(issuer);
	struct slice key = key_bits(x509_spki(issuer));
	uint8_t hash[HASH_MAX];

	if (!e->known || !x509_is_serial(cert, e->serial))
		return false;
	hash_parts(e->hash, &name, 1, hash);
	if (!slice_eq(e->issuer_name, slice_make(hash, hash_len(e->hash))))
		return false;
	hash_parts(e->hash, &key, 1, hash);
	return slice_eq(e->issuer_key, slice_make(hash, hash_len(e->hash)));
}

/* Append one value, of at most 255 bytes. */
static void put_value(struct buf *out, uint8_t tag, struct slice content)
{
	buf_put_u8(out, tag);
	if (content.len > 0x7f)
		buf_put_u8(out, 0x81);
	out->bad |= content.len > 0xff;
	buf_put_u8(out, (uint8_t)content.len);
	buf_put(out, content);
}

static void put_hash(struct buf *out, struct slice of)
{
	uint8_t hash[48];

	sha384(of, hash);
	put_value(out, DER_OCTET_STRING, slice_of(hash));
}

/* RFC 6960, section 4.1.1, from within: CertID, Request, requestList,
 * TBSRequest, OCSPRequest. */
#define REQUEST_LAYERS 5

enum status ocsp_request(const struct x509 *cert, const struct x509 *issuer,
			 struct buf *out, struct err *err)
{
	/* AlgorithmIdentifier of SHA-384, without parameters. */
	static const uint8_t alg[] = { 0x30, 0x0b, 0x06, 0x09, 0x60, 0x86, 0x48,
				       0x01, 0x65, 0x03, 0x04, 0x02, 0x02 };
	auto_buf struct buf a = buf_make(512);
	auto_buf struct buf b = buf_make(512);
	struct buf *in = &a, *around = &b;

	buf_put(in, slice_of(alg));
	put_hash(in, x509_subject(issuer));
	put_hash(in, key_bits(x509_spki(issuer)));
	put_value(in, DER_INTEGER, x509_serial(cert));
	for (size_t i = 0; i < REQUEST_LAYERS; i++) {
		struct buf *done = in;

		TRY(buf_check(in, "OCSP request", err));
		buf_clear(around);
		put_value(around, DER_SEQUENCE, buf_slice(in));
		in = around;
		around = done;
	}
	TRY(buf_check(in, "OCSP request", err));
	buf_put(out, buf_slice(in));
	return OK;
}

enum status ocsp_find(const struct ocsp *o, const struct x509 *cert,
		      const struct x509 *issuer, struct ocsp_answer *out,
		      struct err *err)
{
	const struct entry *found = NULL;
	size_t n = 0;

	for (size_t i = 0; i < o->n; i++) {
		if (!is_about(&o->entry[i], cert, issuer))
			continue;
		found = &o->entry[i];
		n++;
	}
	if (n == 0)
		return err_set(
			err, E_NOTFOUND,
			"OCSP response: says nothing of \"%.*s\"",
			SLICE_FMT(slice_sub(x509_common_name(cert), 0, 64)));
	if (n > 1)
		return err_set(err, E_CRYPTO,
			       "OCSP response: speaks %zu times of one "
			       "certificate",
			       n);
	*out = found->answer;
	return OK;
}

/* ---- Judging ---- */

static bool is_named(const struct ocsp *o, const struct x509 *c)
{
	return o->responder.len == 0 || slice_eq(o->responder, x509_subject(c));
}

static enum status check_signed_by(const struct ocsp *o, const struct x509 *c,
				   struct err *err)
{
	return x509_verify_bytes(c, &o->alg, o->signed_part, o->signature, err);
}

/* RFC 6960 s4.2.2.2: certified directly by the issuer, for this purpose. */
static enum status check_delegate(const struct ocsp *o, const struct x509 *c,
				  const struct x509 *issuer, int64_t at,
				  struct err *err)
{
	TRY(x509_usage_purpose(c, OID_SIGNING, err));
	TRY(x509_usage_signs(c, err));
	enum status times = x509_verify(c, issuer, at, err);
	if (times != OK && times != E_STALE)
		return times;
	if (times == OK)
		return check_signed_by(o, c, err);
	struct err other;
	return check_signed_by(o, c, &other) == OK
		       ? E_STALE
		       : err_set(err, E_CRYPTO, "%s", other.text);
}

static enum status check_signer(const struct ocsp *o, const struct x509 *issuer,
				int64_t at, struct err *err)
{
	if (is_named(o, issuer) && check_signed_by(o, issuer, err) == OK)
		return OK;
	(void)err_set(err, E_CRYPTO,
		      "not signed by \"%.*s\", nor by a responder of its",
		      SLICE_FMT(slice_sub(x509_common_name(issuer), 0, 64)));
	for (size_t i = 0; i < o->n_certs; i++) {
		if (!is_named(o, o->cert[i]))
			continue;
		enum status status =
			check_delegate(o, o->cert[i], issuer, at, err);
		if (status == OK || status == E_STALE)
			return status;
	}
	return err->code;
}

enum status ocsp_verify(const struct ocsp *o, const struct x509 *issuer,
			int64_t at, struct err *err)
{
	char now[TEXT_TIME_SIZE], made[TEXT_TIME_SIZE];

	if (check_signer(o, issuer, at, err) != OK)
		return err_wrap(err, "OCSP response");
	if (o->produced_at <= at)
		return OK;
	text_time(now, at);
	text_time(made, o->produced_at);
	return err_set(err, E_STALE,
		       "OCSP response: produced at %s; judged at %s", made,
		       now);
}

enum status ocsp_check_nonce(const struct ocsp *o, struct slice nonce,
			     struct err *err)
{
	if (nonce.len > 0 && slice_eq_ct(o->nonce, nonce))
		return OK;
	return err_set(err, E_CRYPTO, "OCSP response: expected %s, found %s",
		       "the nonce that was asked with",
		       o->nonce.len == 0 ? "none" : "another");
}

enum status ocsp_current(const struct ocsp_answer *a, int64_t at,
			 struct err *err)
{
	int64_t end = a->has_next_update ? a->next_update : a->this_update;

	return x509_check_period("OCSP response", a->this_update, end, at, err);
}

void ocsp_pem(struct slice der, struct buf *out)
{
	pem_put(out, PEM_LABEL, der);
}
