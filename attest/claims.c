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

static void write_measurements(const struct claims *c, struct json_out *out)
{
	json_open_object(out, "measurements");
	for (size_t i = 0; i < c->n_measurements; i++)
		json_put_hex(out, c->measurement[i].name,
			     slice_make(c->measurement[i].value,
					c->measurement[i].len));
	json_close_object(out);
}

static void write_tcb(const struct claims *c, struct json_out *out)
{
	json_open_object(out, "tcb");
	for (size_t i = 0; i < c->n_tcb; i++)
		json_put_u64(out, c->tcb[i].name, c->tcb[i].value);
	json_close_object(out);
}

void claims_write_shared(const struct claims *c, struct json_out *out)
{
	json_put_cstr(out, "tee", c->tee);
	write_measurements(c, out);
	write_tcb(c, out);
	json_put_hex(out, "report_data", slice_of(c->report_data));
	json_put_bool(out, "debug", c->debug);
	json_put_bool(out, "migrate", c->migrate);
	json_put_bool(out, "smt", c->smt);
	json_put_u64(out, "vmpl", c->vmpl);
	json_put_hex(out, "chip_id", slice_make(c->chip_id, c->chip_id_len));
	json_put_hex(out, "root", slice_of(c->root));
	json_put_bool(out, "root_pinned", c->root_pinned);
	json_put_hex(out, "report", slice_of(c->report));
	json_put_i64(out, "valid_until", c->valid_until);
}

void claims_write(const struct claims *c, const char *name,
		  struct json_out *out)
{
	json_open_object(out, name);
	claims_write_shared(c, out);
	json_close_object(out);
}
