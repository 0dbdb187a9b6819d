/* What a certificate's key may be used for (RFC 5280 s4.2.1.3, s4.2.1.12),
 * beyond signing certificates and lists. */
#ifndef CONFD_CORE_X509_USAGE_H
#define CONFD_CORE_X509_USAGE_H

#include "core/x509.h"

/* E_CRYPTO unless its key usage is there and says digitalSignature; E_PARSE
 * when that extension is malformed. */
enum status x509_usage_signs(const struct x509 *c, struct err *err);

/* E_CRYPTO unless its extended key usage is there and has that purpose,
 * dotted ("1.3.6.1.5.5.7.3.9"): "any purpose" does not count.  E_PARSE when
 * that extension is malformed. */
enum status x509_usage_purpose(const struct x509 *c, const char *oid,
			       struct err *err);

/* Whether its basic constraints say CA; also when they cannot be read, so
 * that what must not be a CA is refused. */
bool x509_usage_is_ca(const struct x509 *c);

#endif
