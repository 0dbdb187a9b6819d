#include "attest/claims.h"

#include <stdlib.h>

#include "core/cleanup.h"

const struct claims_digest *claims_measurement(const struct claims *c,
					       const char *name)
{
	for (size_t i = 0; i < c->n_measurements; i++)
		if (strcmp(c->measurement[i].name, name) == 0)
			return &c->measurement[i];
	return NULL;
}

const struct claims_tcb *claims_tcb(const struct claims *c, const char *name)
{
	for (size_t i = 0; i < c->n_tcb; i++)
		if (strcmp(c->tcb[i].name, name) == 0)
			return &c->tcb[i];
	return NULL;
}

void claims_add_measurement(struct claims *c, const char *name,
			    struct slice value)
{
	if (c->n_measurements == countof(c->measurement) ||
	    value.len > CLAIMS_DIGEST_MAX)
		abort();
	struct claims_digest *d = &c->measurement[c->n_measurements++];
	d->name = name;
	d->len = value.len;
	memcpy(d->value, value.p, value.len);
}

void claims_add_tcb(struct claims *c, const char *name, uint64_t value)
{
	if (c->n_tcb == countof(c->tcb))
		abort();
	c->tcb[c->n_tcb++] = (struct claims_tcb){ name, value };
}
