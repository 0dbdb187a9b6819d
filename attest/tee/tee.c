#include "attest/tee/tee.h"

#include "attest/tee/collateral.h"
#include "attest/tee/gpu_device.h"
#include "attest/tee/gpu_verify.h"
#include "attest/tee/sim.h"
#include "attest/tee/snp.h"
#include "attest/tee/tdx.h"
#include "core/cleanup.h"
#include "core/x509.h"

/* In the order in which a machine looks for its own. */
static const struct tee *const tees[] = {
	&tee_snp,
	&tee_tdx,
	&tee_sim,
};

const char tee_roots_warning[] =
	"roots for tests are trusted (--trust-root): evidence under them "
	"proves nothing of any machine";

struct tee_device {
	const struct tee *tee;
	void *device; /* of its open */
	const char *collateral;
	struct gpu_device_settings gpus;
};

const struct tee *tee_at(size_t i)
{
	return i < countof(tees) ? tees[i] : NULL;
}

const struct tee *tee_find(struct slice name)
{
	for (size_t i = 0; i < countof(tees); i++)
		if (slice_eq_str(name, tees[i]->name))
			return tees[i];
	return NULL;
}

enum status tee_check(const char *name, struct err *err)
{
	const struct tee *t = tee_find(slice_str(name));

	if (t == NULL)
		return err_set(err, E_CONF,
			       "this build cannot judge %s evidence yet: use "
			       "a build that can, or take the policy out",
			       name);
	if (t->missing != NULL)
		return err_set(err, E_CONF, "%s", t->missing);
	return OK;
}

bool tee_test_roots_allowed(void)
{
	return sim_available();
}

static void free_all(struct x509 *const *cert, size_t n)
{
	for (size_t i = 0; i < n; i++)
		x509_free(cert[i]);
}

enum status tee_roots_parse(struct slice pem, struct tee_roots *out,
			    struct err *err)
{
	struct x509 *cert[TEE_ROOTS_MAX];
	size_t n;

	if (!tee_test_roots_allowed())
		return err_set(
			err, E_CONF,
			"this build trusts no roots but the makers' own "
			"(it was made with SIM=0): leave the option out, "
			"or use another build");
	if (x509_parse_chain(pem, cert, countof(cert), &n, err) != OK) {
		err->code = E_CONF;
		return err_wrap(err, "roots for tests");
	}
	out->n = n;
	for (size_t i = 0; i < n; i++)
		x509_spki_sha256(cert[i], out->spki[i]);
	free_all(cert, n);
	return OK;
}

/* The TEE to open; *out untouched when there is none. */
static enum status choose(const struct tee_settings *s, const char *name,
			  const struct tee **out, struct err *err)
{
	if (name != NULL) {
		TRY(tee_check(name, err));
		*out = tee_find(slice_str(name));
		return OK;
	}
	for (size_t i = 0; i < countof(tees); i++) {
		if (tees[i]->missing != NULL || tees[i]->detect(s, err) != OK)
			continue;
		*out = tees[i];
		return OK;
	}
	return err_set(err, E_NOTFOUND,
		       "this machine has no TEE that this build can use: run "
		       "it inside a confidential VM, or give --sim-root FILE "
		       "to try it with the software TEE");
}

/* What would fail at every attestation fails at the start. */
static enum status check_settings(const struct tee_settings *s, struct err *err)
{
	const struct gpu_device_settings gpus = { .helper = s->gpu_helper };

	if (s->tsm_root != NULL && !tee_test_roots_allowed())
		return err_set(err, E_CONF,
			       "this build looks for configfs-tsm at its own "
			       "place alone (it was made with SIM=0): leave "
			       "the option out, or use another build");
	if (s->collateral != NULL)
		TRY(collateral_check(s->collateral, err));
	if (s->gpu_helper != NULL)
		TRY(gpu_device_check(&gpus, err));
	return OK;
}

enum status tee_device_open(const struct tee_settings *s, const char *name,
			    struct tee_device **out, struct err *err)
{
	const struct tee *t = NULL;
	void *device = NULL;

	TRY(check_settings(s, err));
	TRY(choose(s, name, &t, err));
	TRY(t->open(s, &device, err));
	struct tee_device *d = mem_must(sizeof(*d));
	*d = (struct tee_device){ .tee = t,
				  .device = device,
				  .collateral = s->collateral,
				  .gpus = { .helper = s->gpu_helper } };
	*out = d;
	return OK;
}

void tee_device_close(struct tee_device *d)
{
	if (d == NULL)
		return;
	d->tee->close(d->device);
	mem_free(d);
}

const struct tee *tee_device_tee(const struct tee_device *d)
{
	return d->tee;
}

const char *tee_device_folder(const struct tee_device *d)
{
	return d->tee->folder == NULL ? NULL : d->tee->folder(d->device);
}

enum status tee_device_seal_key(struct tee_device *d, uint8_t out[static 32],
				struct err *err)
{
	if (d->tee->seal_key == NULL)
		return err_set(err, E_NOTFOUND, "%s has no sealing key",
			       d->tee->title);
	return d->tee->seal_key(d->device, out, err);
}

static enum status issue_gpus(const struct tee_device *d, struct evidence *e,
			      struct err *err)
{
	uint8_t nonce[GPU_DEVICE_NONCE_LEN];

	if (d->gpus.helper == NULL)
		return OK;
	gpu_verify_nonce(buf_slice(&e->report), nonce);
	return gpu_device_issue(&d->gpus, nonce, e, err);
}

enum status tee_device_issue(struct tee_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err)
{
	TRY(evidence_set_tee(out, d->tee->name, err));
	TRY(d->tee->issue(d->device, report_data, out, err));
	TRY(issue_gpus(d, out, err));
	return d->collateral == NULL ? OK
				     : collateral_add(d->collateral, out, err);
}

enum status tee_device_attest(struct tee_device *d, const struct statement *s,
			      struct buf *out, struct err *err)
{
	auto_evidence struct evidence e;
	uint8_t report_data[STATEMENT_REPORT_DATA_LEN];

	evidence_init(&e);
	TRY(statement_write(s, &e.statement, err));
	statement_report_data(buf_slice(&e.statement), report_data);
	TRY(tee_device_issue(d, report_data, &e, err));
	return evidence_write(&e, out, err);
}
