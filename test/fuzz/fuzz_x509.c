/* Certificates, public keys and private keys, as a peer or a file gives
 * them: DER or PEM. */
#include "core/x509.h"

#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

#define CHAIN_MAX 4
#define IN_2030 1893456000

FUZZ_WITH_CRYPTO

/* What was parsed says the same after being written and parsed again. */
static void read_again(const struct x509 *c)
{
	auto_buf struct buf pem = buf_make((size_t)2 * X509_DER_MAX);
	auto_x509 struct x509 *der_again = NULL, *pem_again = NULL;
	struct err err;

	require(x509_parse(x509_der(c), &der_again, &err) == OK);
	x509_pem(x509_der(c), &pem);
	require(x509_parse(buf_slice(&pem), &pem_again, &err) == OK);
	require(slice_eq(x509_der(pem_again), x509_der(c)));
	require(slice_eq(x509_spki(der_again), x509_spki(c)));
	require(x509_not_after(der_again) == x509_not_after(c));
	require(slice_eq(x509_common_name(pem_again), x509_common_name(c)));
}

static void use(struct x509 **chain, size_t n)
{
	struct err err;

	for (size_t i = 0; i < n; i++) {
		struct x509 *issuer = chain[i + 1 < n ? i + 1 : i];
		(void)x509_verify(chain[i], issuer, IN_2030, &err);
		(void)spki_verify(x509_spki(chain[i]), S("m"),
				  x509_der(chain[i]), &err);
		read_again(chain[i]);
		x509_free(chain[i]);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	struct x509 *chain[CHAIN_MAX] = { 0 };
	struct keypair *key = NULL;
	struct err err;
	size_t n = 0;

	if (x509_parse(in, &chain[0], &err) == OK)
		use(chain, 1);
	chain[0] = NULL;
	if (x509_parse_chain(in, chain, CHAIN_MAX, &n, &err) == OK)
		use(chain, n);
	else
		require(n == 0 && chain[0] == NULL);
	(void)spki_verify(in, S("m"), in, &err);
	if (keypair_parse(in, &key, &err) == OK)
		keypair_free(key);
	return 0;
}
