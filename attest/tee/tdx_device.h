/* This machine's TDX: quotes through configfs-tsm.  The device /dev/tdx_guest
 * alone gives only what the same machine can check. */
#ifndef CONFD_ATTEST_TEE_TDX_DEVICE_H
#define CONFD_ATTEST_TEE_TDX_DEVICE_H

#include "attest/evidence.h"

#define TDX_DEVICE_PATH "/dev/tdx_guest"
#define TDX_DEVICE_LOG "/sys/firmware/acpi/tables/data/CCEL"

/* Where to look; all zero: where Linux has them. */
struct tdx_device_settings {
	const char *tsm_root; /* NULL: TSM_ROOT of tsm.h */
	const char *path;     /* NULL: TDX_DEVICE_PATH; only looked for */
	const char *log;      /* NULL: TDX_DEVICE_LOG */
};

struct tdx_device;

/* OK when this machine has it, E_NOTFOUND when not; keeps nothing open. */
enum status tdx_device_detect(const struct tdx_device_settings *s,
			      struct err *err);

/* Open.  E_NOTFOUND, with what to do, when this is no TDX guest or its kernel
 * has no report interface. */
enum status tdx_device_open(const struct tdx_device_settings *s,
			    struct tdx_device **out, struct err *err);
void tdx_device_close(struct tdx_device *d);
static inline void tdx_device_closep(struct tdx_device **d)
{
	tdx_device_close(*d);
}
#define auto_tdx_device __attribute__((cleanup(tdx_device_closep)))

/* The folder in which issue makes and removes entries, which a confinement has
 * to leave writable. */
const char *tdx_device_folder(const struct tdx_device *d);

/* Have report_data signed.  out's report is set: the quote, without the zeros
 * that hosts put behind it.  Intel's collateral is not the device's to give.
 *
 * Firmware's event log, as it was at the opening, is added without its fill,
 * where it leads to the quote's registers.  Else it is left out, as is one
 * that is not there, malformed or larger than a bundle takes: nobody has to
 * have one, and one that does not fit would cost the evidence its worth.
 *
 * E_PARSE	what came is no quote that is known here.
 * E_CONFLICT	it is of other data.
 * E_UNAVAIL	busy, again and again. */
enum status tdx_device_issue(struct tdx_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err);

/* E_NOTFOUND: TDX has no sealing key. */
enum status tdx_device_seal_key(struct tdx_device *d, uint8_t out[static 32],
				struct err *err);

#endif
