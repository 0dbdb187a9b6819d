/* Certificate revocation lists (RFC 5280 s5): parsed, verified by the issuer's
 * certificate, asked for serial numbers.  Complete lists of one issuer only:
 * deltas and indirect lists are refused. */
#ifndef CONFD_CORE_X509_CRL_H
#define CONFD_CORE_X509_CRL_H

#include "core/x509.h"

struct x509_crl; /* a parsed list; owns its bytes */

#define X509_CRL_MAX (1u << 20) /* bytes of DER */

/* Parse one list, DER with nothing behind it, or PEM ("X509 CRL") with
 * exactly one block and only white space around it.
 *
 * E_PARSE	not of the form, a critical extension (all that change what a
 *		list means are), no nextUpdate, or one before thisUpdate.
 * E_CRYPTO	signed by an algorithm that is not believed here.
 * E_LIMIT	more than X509_CRL_MAX bytes. */
enum status x509_crl_parse(struct slice in, struct x509_crl **out,
			   struct err *err);
void x509_crl_free(struct x509_crl *c);
static inline void x509_crl_freep(struct x509_crl **c)
{
	x509_crl_free(*c);
}
#define auto_x509_crl __attribute__((cleanup(x509_crl_freep)))

/* What it says; slices live as long as c.  Nothing of it is verified. */
struct slice x509_crl_der(const struct x509_crl *c);
struct slice x509_crl_issuer(const struct x509_crl *c); /* DER Name */
const struct x509_alg *x509_crl_alg(const struct x509_crl *c);
int64_t x509_crl_this_update(const struct x509_crl *c); /* unix seconds */
int64_t x509_crl_next_update(const struct x509_crl *c);
size_t x509_crl_count(const struct x509_crl *c); /* of revoked serials */

/* E_CRYPTO unless c is signed by the key of issuer, names it as its issuer
 * (the same bytes), and issuer may sign CRLs.  Not: whether issuer is to be
 * trusted, nor whether c is current. */
enum status x509_crl_verify(const struct x509_crl *c, const struct x509 *issuer,
			    struct err *err);

/* E_STALE unless thisUpdate <= at <= nextUpdate (unix seconds). */
enum status x509_crl_current(const struct x509_crl *c, int64_t at,
			     struct err *err);

/* Whether it lists this certificate, by serial number; the caller knows that
 * both are of the same issuer. */
bool x509_crl_revokes(const struct x509_crl *c, const struct x509 *cert);

/* DER to PEM ("X509 CRL"), appended. */
void x509_crl_pem(struct slice der, struct buf *out);

#endif
