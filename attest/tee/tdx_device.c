#include "attest/tee/tdx_device.h"

#include "attest/tee/tdx_quote.h"
#include "attest/tee/tsm.h"
#include "core/cleanup.h"

#define PROVIDER "tdx_guest"

struct tdx_device {
	struct tsm *tsm;
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
	*out = take(d);
	return OK;
}

void tdx_device_close(struct tdx_device *d)
{
	if (d == NULL)
		return;
	tsm_close(d->tsm);
	mem_free(d);
}

const char *tdx_device_folder(const struct tdx_device *d)
{
	return tsm_root(d->tsm);
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
	return buf_check(&out->report, "TDX quote", err);
}

enum status tdx_device_seal_key(struct tdx_device *d, uint8_t out[static 32],
				struct err *err)
{
	(void)d;
	(void)out;
	return err_set(err, E_NOTFOUND, "TDX has no sealing key");
}
