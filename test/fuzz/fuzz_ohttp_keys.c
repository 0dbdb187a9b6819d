#include <stdlib.h>

#include "core/cleanup.h"
#include "proxy/ohttp.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Of a list that is accepted every entry can be chosen, and written and read
 * again. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct ohttp_config c[OHTTP_CONFIGS_MAX], again[OHTTP_CONFIGS_MAX];
	const struct ohttp_config *chosen;
	auto_buf struct buf out = buf_make(OHTTP_KEYS_MAX);
	struct err err;
	uint16_t aead;
	size_t n, m;

	if (ohttp_keys_parse(slice_make(data, size), c, countof(c), &n, &err) !=
	    OK)
		return 0;
	if ((ohttp_keys_choose(c, n, &chosen, &aead, &err) == OK) != (n > 0))
		abort();
	if (n == 0)
		return 0;
	if (chosen < c || chosen >= c + n || (aead != 1 && aead != 2))
		abort();
	for (size_t i = 0; i < n; i++) {
		if (c[i].n_suites < 1 || c[i].n_suites > OHTTP_SUITES_MAX)
			abort();
		ohttp_keys_put(&out, c[i].id, c[i].pub);
	}
	if (ohttp_keys_parse(buf_slice(&out), again, n, &m, &err) != OK ||
	    m != n)
		abort();
	for (size_t i = 0; i < n; i++)
		if (again[i].id != c[i].id ||
		    memcmp(again[i].pub, c[i].pub, sizeof(c[i].pub)) != 0)
			abort();
	return 0;
}
