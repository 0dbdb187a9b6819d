#include "core/x509_crl.h"

#include "core/cleanup.h"
#include "core/text.h"

#define PEM_BEGIN S("-----BEGIN X509 CRL-----")
#define PEM_END S("-----END X509 CRL-----")
#define VERSION_2 1 /* written so: the number of the version less one */

struct x509_crl {
	uint8_t *der;
	size_t der_len;
	struct slice signed_part, signature; /* in der, as the rest */
	struct slice issuer;
	struct slice revoked; /* SEQUENCE OF, its content; may be empty */
	size_t n_revoked;
	struct x509_alg alg;
	int64_t this_update, next_update;
};

void x509_crl_free(struct x509_crl *c)
{
	if (c == NULL)
		return;
	mem_free(c->der);
	mem_free(c);
}

/* ---- Reading ---- */

/* Extensions are allowed to inform, not to change what the list means. */
static void read_extensions(struct der *d)
{
	struct der list = der_enter(d, DER_SEQUENCE);

	if (list.rest.len == 0)
		list.bad = true;
	while (der_more(&list)) {
		struct der e = der_enter(&list, DER_SEQUENCE);

		(void)der_oid(&e);
		if (der_is(&e, DER_BOOLEAN) && der_boolean(&e))
			e.bad = true;
		(void)der_get(&e, DER_OCTET_STRING);
		der_leave(&list, &e);
	}
	der_leave(d, &list);
}

static int64_t read_time(struct der *d, bool *there)
{
	*there = der_is(d, DER_UTC_TIME) || der_is(d, DER_GENERALIZED_TIME);
	return *there ? der_time(d) : 0;
}

/* One revoked certificate: its serial number. */
static struct slice read_entry(struct der *list)
{
	struct der e = der_enter(list, DER_SEQUENCE);
	struct slice serial = der_get(&e, DER_INTEGER);

	if (serial.len == 0)
		e.bad = true;
	(void)der_time(&e);
	if (der_more(&e))
		read_extensions(&e);
	der_leave(list, &e);
	return serial;
}

static void read_revoked(struct der *d, struct x509_crl *c)
{
	struct der list = der_enter(d, DER_SEQUENCE);

	c->revoked = list.rest;
	if (list.rest.len == 0)
		list.bad = true; /* RFC 5280 s5.1.2.6: absent, not empty */
	for (; der_more(&list); c->n_revoked++)
		(void)read_entry(&list);
	der_leave(d, &list);
}

/* TBSCertList; alg is what it names, which has to be what stands behind it. */
static void read_signed_part(struct der *d, struct x509_crl *c,
			     struct slice *alg)
{
	struct der t = der_enter(d, DER_SEQUENCE);
	bool there;

	if (der_u64(&t, UINT8_MAX) != VERSION_2)
		t.bad = true;
	*alg = der_whole(&t, DER_SEQUENCE);
	c->issuer = der_whole(&t, DER_SEQUENCE);
	c->this_update = der_time(&t);
	c->next_update = read_time(&t, &there);
	if (!there || c->next_update < c->this_update)
		t.bad = true;
	if (der_is(&t, DER_SEQUENCE))
		read_revoked(&t, c);
	if (der_is(&t, DER_CONSTRUCTED | 0)) {
		struct der e = der_enter(&t, DER_CONSTRUCTED | 0);

		read_extensions(&e);
		der_leave(&t, &e);
	}
	der_leave(d, &t);
}

static enum status read_list(struct x509_crl *c, struct err *err)
{
	struct der whole = der_make(slice_make(c->der, c->der_len));
	struct der list = der_enter(&whole, DER_SEQUENCE);
	struct der peek = list;
	struct slice inner;

	c->signed_part = der_whole(&peek, DER_SEQUENCE);
	read_signed_part(&list, c, &inner);
	struct slice alg = der_whole(&list, DER_SEQUENCE);
	c->signature = der_bits(&list);
	if (!slice_eq(inner, alg))
		list.bad = true;
	der_leave(&whole, &list);
	TRY(der_end(&whole, "CRL", err));
	if (x509_alg_parse(alg, &c->alg, err) != OK)
		return err_wrap(err, "CRL");
	return OK;
}

static enum status parse_der(struct slice in, struct x509_crl **out,
			     struct err *err)
{
	if (in.len > X509_CRL_MAX)
		return err_set(err, E_LIMIT, "CRL: %zu bytes, want at most %u",
			       in.len, X509_CRL_MAX);
	auto_x509_crl struct x509_crl *c = mem_must(sizeof(*c));
	c->der = mem_alloc(in.len);
	if (c->der == NULL)
		return err_set(err, E_NOMEM, "CRL: no memory");
	c->der_len = in.len;
	memcpy(c->der, in.p, in.len);
	TRY(read_list(c, err));
	*out = take(c);
	return OK;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r' || byte == '\n';
}

static bool all_space(struct slice s)
{
	size_t i = 0;

	while (i < s.len && is_space(s.p[i]))
		i++;
	return i == s.len;
}

static enum status parse_pem(struct slice in, struct x509_crl **out,
			     struct err *err)
{
	size_t begin = slice_search(in, PEM_BEGIN);
	struct slice body = slice_from(in, begin + PEM_BEGIN.len);
	size_t end = slice_search(body, PEM_END);

	if (begin == in.len || end == body.len ||
	    !all_space(slice_sub(in, 0, begin)) ||
	    !all_space(slice_from(body, end + PEM_END.len)))
		return err_set(err, E_PARSE,
			       "CRL: expected DER, or PEM with one block "
			       "\"X509 CRL\" and nothing else");
	if (end > (size_t)2 * X509_CRL_MAX)
		return err_set(err, E_LIMIT, "CRL: PEM of %zu characters", end);
	auto_buf struct buf base64 = buf_make(end);
	auto_buf struct buf der = buf_make(X509_CRL_MAX);

	for (size_t i = 0; i < end; i++)
		if (!is_space(body.p[i]))
			buf_put_u8(&base64, body.p[i]);
	TRY(text_unbase64(buf_slice(&base64), &der, "PEM CRL", err));
	return parse_der(buf_slice(&der), out, err);
}

enum status x509_crl_parse(struct slice in, struct x509_crl **out,
			   struct err *err)
{
	if (in.len > 0 && in.p[0] == DER_SEQUENCE)
		return parse_der(in, out, err);
	return parse_pem(in, out, err);
}

/* ---- What it says ---- */

struct slice x509_crl_der(const struct x509_crl *c)
{
	return slice_make(c->der, c->der_len);
}

struct slice x509_crl_issuer(const struct x509_crl *c)
{
	return c->issuer;
}

const struct x509_alg *x509_crl_alg(const struct x509_crl *c)
{
	return &c->alg;
}

int64_t x509_crl_this_update(const struct x509_crl *c)
{
	return c->this_update;
}

int64_t x509_crl_next_update(const struct x509_crl *c)
{
	return c->next_update;
}

size_t x509_crl_count(const struct x509_crl *c)
{
	return c->n_revoked;
}

/* ---- Judging ---- */

enum status x509_crl_verify(const struct x509_crl *c, const struct x509 *issuer,
			    struct err *err)
{
	if (!slice_eq(c->issuer, x509_subject(issuer)))
		return err_set(
			err, E_CRYPTO, "CRL: of another issuer than \"%.*s\"",
			SLICE_FMT(slice_sub(x509_common_name(issuer), 0, 64)));
	TRY(x509_check_crl_signer(issuer, err));
	if (x509_verify_bytes(issuer, &c->alg, c->signed_part, c->signature,
			      err) != OK)
		return err_wrap(err, "CRL");
	return OK;
}

enum status x509_crl_current(const struct x509_crl *c, int64_t at,
			     struct err *err)
{
	bool early = at < c->this_update;
	char now[TEXT_TIME_SIZE], bound[TEXT_TIME_SIZE];

	if (!early && at <= c->next_update)
		return OK;
	text_time(now, at);
	text_time(bound, early ? c->this_update : c->next_update);
	return err_set(err, E_STALE, "CRL: not valid %s %s; judged at %s",
		       early ? "before" : "after", bound, now);
}

/* Without the zeros in front, so that no writing of a number hides it. */
static struct slice number(struct slice s)
{
	while (s.len > 0 && s.p[0] == 0)
		s = slice_from(s, 1);
	return s;
}

bool x509_crl_revokes(const struct x509_crl *c, const struct x509 *cert)
{
	struct slice serial = number(x509_serial(cert));
	struct der list = der_make(c->revoked);
	bool found = false;

	while (der_more(&list))
		found |= slice_eq(number(read_entry(&list)), serial);
	return found;
}

void x509_crl_pem(struct slice der, struct buf *out)
{
	auto_buf struct buf base64 = buf_make(der.len * 2 + 4);

	text_base64(&base64, der);
	out->bad |= base64.bad;
	struct slice text = buf_slice(&base64);
	buf_put(out, PEM_BEGIN);
	buf_put_u8(out, '\n');
	for (size_t at = 0; at < text.len; at += 64) {
		buf_put(out, slice_sub(text, at, 64));
		buf_put_u8(out, '\n');
	}
	buf_put(out, PEM_END);
	buf_put_u8(out, '\n');
}
