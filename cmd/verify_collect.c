/* confd verify collect: evidence of the machine that it runs on. */
#include "attest/tee/tee.h"
#include "cmd/verify.h"
#include "cmd/verify_input.h"
#include "core/cleanup.h"
#include "core/json.h"

#define NONCE_LEN 32
#define DATA_LEN 64

static void warn(const struct tee *tee)
{
	if (tee->warning != NULL)
		(void)fprintf(stderr, "confd verify: warning: %s\n",
			      tee->warning);
}

static enum status open_device(const struct verify_opts *o,
			       struct tee_device **out, struct err *err)
{
	const struct tee_settings settings = { .sim_root = o->sim_root,
					       .tsm_root = o->tsm_root,
					       .collateral = o->collateral,
					       .gpu_helper = o->gpu_helper };

	TRY(tee_device_open(&settings, o->tee, out, err));
	warn(tee_device_tee(*out));
	return OK;
}

/* A whole bundle, for `verify bundle --purpose user-data`: bound to a nonce,
 * and to no connection or key. */
static enum status collect_bundle(const struct verify_opts *o, struct err *err)
{
	auto_tee_device struct tee_device *d = NULL;
	auto_buf struct buf out = buf_make(EVIDENCE_MAX);
	struct statement s = { .purpose = PURPOSE_USER_DATA };
	size_t len = 0;

	TRY(verify_input_hex("nonce", o->nonce, s.nonce, NONCE_LEN, &len, err));
	if (len != NONCE_LEN)
		return err_set(err, E_USAGE,
			       "--nonce: expected %d hex digits, found %zu",
			       2 * NONCE_LEN, 2 * len);
	TRY(open_device(o, &d, err));
	TRY(tee_device_attest(d, &s, &out, err));
	printf("%s\n", buf_cstr(&out));
	return OK;
}

static void print_report(const struct evidence *e,
			 const uint8_t data[static DATA_LEN])
{
	auto_buf struct buf text = buf_make(2 * EVIDENCE_MAX);
	struct json_out w = { .buf = &text };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "tee", e->tee);
	json_put_hex(&w, "report_data", slice_make(data, DATA_LEN));
	json_put_base64(&w, "report", buf_slice(&e->report));
	json_open_object(&w, "collateral");
	for (size_t i = 0; i < e->collateral.n; i++)
		json_put_str(&w, e->collateral.item[i].name,
			     buf_slice(&e->collateral.item[i].text));
	json_close_object(&w);
	if (e->n_logs > 0)
		json_put_base64(&w, "event_log", buf_slice(&e->log[0]));
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

/* The report alone, of data that are the caller's. */
static enum status collect_report(const struct verify_opts *o, struct err *err)
{
	auto_tee_device struct tee_device *d = NULL;
	auto_evidence struct evidence e;
	uint8_t data[DATA_LEN];
	size_t len = 0;

	evidence_init(&e);
	TRY(verify_input_hex("report-data", o->report_data, data, DATA_LEN,
			     &len, err));
	if (o->gpu_helper != NULL)
		return err_set(err, E_USAGE,
			       "--gpu-helper: GPUs are part of a whole bundle: "
			       "give --nonce in place of --report-data");
	TRY(open_device(o, &d, err));
	TRY(tee_device_issue(d, data, &e, err));
	print_report(&e, data);
	return OK;
}

enum status verify_collect_run(void *opts, const struct opt_args *args,
			       struct err *err)
{
	const struct verify_opts *o = opts;

	(void)args;
	if ((o->nonce != NULL) == (o->report_data != NULL))
		return err_set(err, E_USAGE,
			       "expected --nonce (a whole bundle) or "
			       "--report-data (the report alone)");
	return o->nonce != NULL ? collect_bundle(o, err)
				: collect_report(o, err);
}
