/* Revocation lists, DER or PEM, as a peer or a file gives them. */
#include "core/x509_crl.h"

#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

/* What was parsed says the same after being written and parsed again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_x509_crl struct x509_crl *c = NULL, *again = NULL;
	auto_buf struct buf pem = buf_make((size_t)2 * X509_CRL_MAX);
	struct err err;

	if (x509_crl_parse(slice_make(data, size), &c, &err) != OK)
		return 0;
	x509_crl_pem(x509_crl_der(c), &pem);
	require(x509_crl_parse(buf_slice(&pem), &again, &err) == OK);
	require(slice_eq(x509_crl_der(c), x509_crl_der(again)));
	require(x509_crl_count(c) == x509_crl_count(again));
	require(x509_crl_this_update(c) <= x509_crl_next_update(c));
	require(x509_crl_current(c, x509_crl_next_update(c), &err) == OK);
	return 0;
}
