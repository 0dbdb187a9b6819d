/* What comes along with a report, whichever it is handed over as; and what a
 * VCEK or VLEK in it says. */
#include "attest/tee/snp_certs.h"
#include "attest/tee/snp_certs_key.h"
#include "core/cleanup.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

static void check_leaf(const struct x509 *leaf, enum snp_key kind)
{
	struct snp_certs_key k;
	struct err err;

	if (leaf == NULL || snp_certs_key_parse(leaf, &k, &err) != OK)
		return;
	if (k.kind != kind || (k.hwid_len > 0) != (kind == SNP_KEY_VCEK) ||
	    (k.csp_id[0] != '\0') != (kind == SNP_KEY_VLEK))
		abort();
	for (size_t p = 0; p < SNP_PRODUCTS; p++)
		(void)snp_certs_key_is_of(&k, (enum snp_product)p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	const struct snp_collateral ways[] = {
		{ .leaf = in }, { .chain = in }, { .table = in }, { .crl = in }
	};

	for (size_t i = 0; i < countof(ways); i++) {
		auto_snp_certs struct snp_certs *c = NULL;
		struct err err;

		if (snp_certs_new(&ways[i], &c, &err) != OK)
			continue;
		for (size_t k = 0; k < SNP_KEYS; k++)
			check_leaf(c->leaf[k], (enum snp_key)k);
	}
	return 0;
}
