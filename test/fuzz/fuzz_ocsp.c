/* OCSP responses, DER or PEM. */
#include "core/ocsp.h"

#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

#define IN_2030 1893456000

FUZZ_WITH_CRYPTO

/* A certificate of nobody's, to ask for. */
static struct x509 *make_cert(void)
{
	const struct x509_template t = { .common_name = "CA",
					 .not_after = IN_2030 + 1,
					 .ca = true };
	auto_keypair struct keypair *key = NULL;
	auto_buf struct buf spki = buf_make(1024), der = buf_make(4096);
	struct x509 *c = NULL;
	struct err err;

	require(keypair_new(KEY_P256, &key, &err) == OK);
	require(keypair_spki(key, &spki, &err) == OK);
	require(x509_sign(&t, buf_slice(&spki), NULL, key, &der, &err) == OK);
	require(x509_parse(buf_slice(&der), &c, &err) == OK);
	return c;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct x509 *cert;
	auto_ocsp struct ocsp *o = NULL, *again = NULL;
	auto_buf struct buf pem = buf_make((size_t)2 * OCSP_MAX);
	struct ocsp_answer a;
	struct err err;

	if (cert == NULL)
		cert = make_cert();
	if (ocsp_parse(slice_make(data, size), &o, &err) != OK)
		return 0;
	require(ocsp_count(o) > 0 && ocsp_count(o) <= OCSP_ANSWERS_MAX);
	require(ocsp_find(o, cert, cert, &a, &err) != OK);
	require(ocsp_verify(o, cert, IN_2030, &err) != OK);
	ocsp_pem(ocsp_der(o), &pem);
	require(ocsp_parse(buf_slice(&pem), &again, &err) == OK);
	require(slice_eq(ocsp_der(o), ocsp_der(again)));
	return 0;
}
