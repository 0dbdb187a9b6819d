/* OCSP responses (RFC 6960): what a certificate's issuer said of it at some
 * time, carried along as evidence.  Parsed, verified by the issuer's
 * certificate or by a responder that the issuer itself certified, and asked
 * for certificates.  Nothing here asks a responder; what to
 * ask it is.
 *
 * Certificates are named by SHA-256, SHA-384 or SHA-512 in CertID: who asks
 * a responder has to ask with one of these, not with SHA-1. */
#ifndef CONFD_CORE_OCSP_H
#define CONFD_CORE_OCSP_H

#include "core/x509.h"

struct ocsp; /* a parsed response; owns its bytes */

/* Append a request for cert, which issuer issued, to put to a responder: DER,
 * CertID by SHA-384, without a nonce, so that responses may come from a cache.
 * E_LIMIT when the serial number has more than 100 bytes or so. */
enum status ocsp_request(const struct x509 *cert, const struct x509 *issuer,
			 struct buf *out, struct err *err);

#define OCSP_MAX (64u << 10) /* bytes of DER */
#define OCSP_ANSWERS_MAX 64  /* certificates that one response is about */
#define OCSP_CERTS_MAX 4     /* certificates that come with it */

enum ocsp_status { OCSP_GOOD, OCSP_REVOKED, OCSP_UNKNOWN };

#define OCSP_NO_REASON 0xff

/* What is said of one certificate; times are unix seconds. */
struct ocsp_answer {
	enum ocsp_status status;
	int64_t this_update;
	bool has_next_update;
	int64_t next_update;
	int64_t revoked_at; /* of a revoked one */
	uint8_t reason;	    /* CRLReason (RFC 5280 s5.3.1) or OCSP_NO_REASON */
};

/* Parse one response, DER with nothing behind it, or PEM ("OCSP RESPONSE")
 * with exactly one block and only white space around it.
 *
 * E_STALE	well formed, but the responder says that it has no answer
 *		(tryLater and so on).
 * E_PARSE	not of the form, of another type than id-pkix-ocsp-basic, a
 *		critical extension, or times the wrong way round.
 * E_CRYPTO	signed by an algorithm that is not believed here.
 * E_LIMIT	more of something than the caps above. */
enum status ocsp_parse(struct slice in, struct ocsp **out, struct err *err);
void ocsp_free(struct ocsp *o);
static inline void ocsp_freep(struct ocsp **o)
{
	ocsp_free(*o);
}
#define auto_ocsp __attribute__((cleanup(ocsp_freep)))

/* What it says; slices live as long as o.  Nothing of it is verified. */
struct slice ocsp_der(const struct ocsp *o);
int64_t ocsp_produced_at(const struct ocsp *o); /* unix seconds */
size_t ocsp_count(const struct ocsp *o);	/* of certificates, 1 or more */
struct slice ocsp_nonce(const struct ocsp *o);	/* empty: none */

/* What it says of cert, which the caller knows to be issued by issuer.
 *
 * out	written only on OK.
 *
 * E_NOTFOUND	nothing.
 * E_CRYPTO	more than once. */
enum status ocsp_find(const struct ocsp *o, const struct x509 *cert,
		      const struct x509 *issuer, struct ocsp_answer *out,
		      struct err *err);

/* E_CRYPTO unless it is signed by issuer, or by a certificate in it that
 * issuer signed for that purpose (id-kp-OCSPSigning) and that may sign data;
 * E_STALE when only the times of that certificate do not hold `at` (unix
 * seconds), or it was produced after it.  Not: whether issuer is to be
 * trusted, nor whether an answer is current. */
enum status ocsp_verify(const struct ocsp *o, const struct x509 *issuer,
			int64_t at, struct err *err);

/* E_CRYPTO unless it carries exactly this nonce (RFC 8954). */
enum status ocsp_check_nonce(const struct ocsp *o, struct slice nonce,
			     struct err *err);

/* E_STALE unless thisUpdate <= at <= nextUpdate (unix seconds).  An answer
 * without nextUpdate was only good for the moment when it was given. */
enum status ocsp_current(const struct ocsp_answer *a, int64_t at,
			 struct err *err);

/* DER to PEM ("OCSP RESPONSE"), appended. */
void ocsp_pem(struct slice der, struct buf *out);

#endif
