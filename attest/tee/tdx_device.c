#include "attest/tee/tdx_device.h"

#include "attest/tee/eventlog.h"
#include "attest/tee/tdx_quote.h"
#include "attest/tee/tsm.h"
#include "core/cleanup.h"
#include "core/file.h"

#define PROVIDER "tdx_guest"

struct tdx_device {
	struct tsm *tsm;
	struct buf raw_log;
	struct eventlog log; /* n 0: there is none */
};

static bool has_device(const struct tdx_device_settings *s)
{
	const char *path = s->path != NULL ? s->path : TDX_DEVICE_PATH;

	return access(path, F_OK) == 0;
}

enum status tdx_device_detect(const struct tdx_device_settings *s,
			      struct err *err)
{
	auto_tsm struct tsm *t = NULL;

	if (has_device(s) || tsm_open(s->tsm_root, PROVIDER, &t, err) == OK)
		return OK;
	return err_set(err, E_NOTFOUND, "this machine is no TDX guest");
}

/* Read once, before a confinement takes the place away; it does not change
 * after the boot. */
static void read_log(struct tdx_device *d, const char *path)
{
	struct err unused;

	d->raw_log = buf_make(EVENTLOG_MAX);
	if (file_read(path, &d->raw_log, &unused) == OK)
		(void)eventlog_parse(buf_slice(&d->raw_log), EVENTLOG_CC,
				     &d->log, &unused);
}

enum status tdx_device_open(const struct tdx_device_settings *s,
			    struct tdx_device **out, struct err *err)
{
	auto_tdx_device struct tdx_device *d = mem_must(sizeof(*d));

	enum status status = tsm_open(s->tsm_root, PROVIDER, &d->tsm, err);
	if (status == E_NOTFOUND && has_device(s))
		return err_wrap(err, "TDX quotes need configfs mounted on "
				     "/sys/kernel/config, and Linux 6.7 or "
				     "newer");
	if (status != OK)
		return err_wrap(err, "TDX");
	read_log(d, s->log != NULL ? s->log : TDX_DEVICE_LOG);
	*out = take(d);
	return OK;
}

void tdx_device_close(struct tdx_device *d)
{
	if (d == NULL)
		return;
	tsm_close(d->tsm);
	eventlog_done(&d->log);
	buf_done(&d->raw_log);
	mem_free(d);
}

const char *tdx_device_folder(const struct tdx_device *d)
{
	return tsm_root(d->tsm);
}

static enum status add_log(const struct tdx_device *d, const struct tdx_td *td,
			   struct evidence *out, struct err *err)
{
	auto_trace struct trace unused;
	struct err why;

	trace_init(&unused);
	if (d->log.n == 0 || d->log.end > EVIDENCE_LOG_MAX ||
	    eventlog_verify_rtmrs(&d->log, td->rtmr,
				  eventlog_told(&d->log, td->rtmr), &unused,
				  &why) != OK)
		return OK;
	return evidence_add_log(
		out, slice_sub(buf_slice(&d->raw_log), 0, d->log.end), err);
}

enum status tdx_device_issue(struct tdx_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err)
{
	auto_buf struct buf raw = buf_make(TDX_QUOTE_MAX);
	struct tdx_quote q;

	TRY(tsm_report(d->tsm, report_data, &raw, NULL, err));
	if (tdx_quote_parse(buf_slice(&raw), &q, err) != OK)
		return err_wrap(err, "from this machine");
	if (memcmp(q.td.report_data, report_data, 64) != 0)
		return err_set(err, E_CONFLICT,
			       "TDX quote: expected our report data in it, "
			       "found other");
	buf_clear(&out->report);
	buf_put(&out->report, q.whole);
	TRY(buf_check(&out->report, "TDX quote", err));
	return add_log(d, &q.td, out, err);
}

enum status tdx_device_seal_key(struct tdx_device *d, uint8_t out[static 32],
				struct err *err)
{
	(void)d;
	(void)out;
	return err_set(err, E_NOTFOUND, "TDX has no sealing key");
}
