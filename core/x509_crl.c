#include "core/x509_crl.h"

#include "core/cleanup.h"
#include "core/pem.h"

#define PEM_LABEL "X509 CRL"
#define VERSION_2 1 /* written so: the number of the version less one */

struct x509_crl {
	struct buf der;
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
	buf_done(&c->der);
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
	struct der whole = der_make(buf_slice(&c->der));
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

enum status x509_crl_parse(struct slice in, struct x509_crl **out,
			   struct err *err)
{
	auto_x509_crl struct x509_crl *c = mem_must(sizeof(*c));

	c->der = buf_make(X509_CRL_MAX);
	if (pem_parse(in, PEM_LABEL, &c->der, err) != OK)
		return err_wrap(err, "CRL");
	TRY(read_list(c, err));
	*out = take(c);
	return OK;
}

/* ---- What it says ---- */

struct slice x509_crl_der(const struct x509_crl *c)
{
	return buf_slice(&c->der);
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
	return x509_check_period("CRL", c->this_update, c->next_update, at,
				 err);
}

bool x509_crl_revokes(const struct x509_crl *c, const struct x509 *cert)
{
	struct der list = der_make(c->revoked);
	bool found = false;

	while (der_more(&list))
		found |= x509_is_serial(cert, read_entry(&list));
	return found;
}

void x509_crl_pem(struct slice der, struct buf *out)
{
	pem_put(out, PEM_LABEL, der);
}
