#include <stdint.h>
#include <stdlib.h>

#include "attest/manifest.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Every name in what is accepted refers to something, and no list that grants
 * is empty. */
static void check(const struct manifest *m)
{
	if (m->n_policies == 0 || m->as_policies.n == 0 || m->generation == 0)
		abort();
	for (size_t i = 0; i < m->as_policies.n; i++) {
		const char *name = m->as_policies.item[i];

		if (manifest_find_policy(m, slice_str(name)) == NULL)
			abort();
	}
	for (size_t i = 0; i < m->n_workers; i++) {
		const struct manifest_worker *w = &m->worker[i];

		if (w->policies.n == 0 || w->adapters.n == 0 ||
		    w->runtime == NULL)
			abort();
		for (size_t k = 0; k < w->models.n; k++)
			if (manifest_find_model(
				    m, slice_str(w->models.item[k])) == NULL)
				abort();
	}
	if (m->admins.threshold > m->admins.n ||
	    m->lease_certificate < m->lease_worker)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf warnings = buf_make(1u << 20);
	struct err err;

	if (manifest_parse(slice_make(data, size), "fuzz", &m, &err) != OK)
		return 0;
	check(m);
	manifest_warnings(m, &warnings);
	(void)!manifest_check(m, &err);
	return 0;
}
