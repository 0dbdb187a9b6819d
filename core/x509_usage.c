#include "core/x509_usage.h"

#define KEY_USAGE "2.5.29.15"
#define EXTENDED_KEY_USAGE "2.5.29.37"
#define BASIC_CONSTRAINTS "2.5.29.19"
#define DIGITAL_SIGNATURE 0x80 /* bit 0: the first of the first byte */

static enum status missing(enum status status, const char *what,
			   struct err *err)
{
	if (status != E_NOTFOUND)
		return status;
	return err_set(err, E_CRYPTO, "certificate: has no %s", what);
}

enum status x509_usage_signs(const struct x509 *c, struct err *err)
{
	struct slice value;
	enum status status = x509_extension(c, KEY_USAGE, &value, err);

	if (status != OK)
		return missing(status, "key usage", err);
	struct der d = der_make(value);
	/* The first byte counts bits at the end that are not used. */
	struct slice bits = der_get(&d, DER_BIT_STRING);
	TRY(der_end(&d, "certificate: key usage", err));
	if (bits.len < 2 || bits.p[0] > 7)
		return err_set(err, E_PARSE,
			       "certificate: key usage is malformed");
	if ((bits.p[1] & DIGITAL_SIGNATURE) == 0)
		return err_set(err, E_CRYPTO,
			       "certificate: its key may not sign data");
	return OK;
}

enum status x509_usage_purpose(const struct x509 *c, const char *oid,
			       struct err *err)
{
	struct slice value;
	bool found = false;
	enum status status = x509_extension(c, EXTENDED_KEY_USAGE, &value, err);

	if (status != OK)
		return missing(status, "extended key usage", err);
	struct der d = der_make(value);
	struct der list = der_enter(&d, DER_SEQUENCE);
	while (der_more(&list))
		found |= der_oid_is(der_oid(&list), oid);
	der_leave(&d, &list);
	TRY(der_end(&d, "certificate: extended key usage", err));
	if (!found)
		return err_set(err, E_CRYPTO,
			       "certificate: its key is not for purpose %s",
			       oid);
	return OK;
}

bool x509_usage_is_ca(const struct x509 *c)
{
	struct slice value;
	struct err err;
	enum status status = x509_extension(c, BASIC_CONSTRAINTS, &value, &err);

	if (status == E_NOTFOUND)
		return false;
	struct der d = der_make(value);
	struct der b = der_enter(&d, DER_SEQUENCE);
	bool ca = der_is(&b, DER_BOOLEAN) && der_boolean(&b);
	return status != OK || b.bad || ca;
}
