/* The kernel's report interface for confidential guests, configfs-tsm: one for
 * the TEEs of all makers.
 *
 * An entry is a directory that is made for one request and removed after it:
 * what is to be signed goes into its inblob, the report comes out of its
 * outblob.  Its generation counts the writes, so that a report is known to be
 * of our bytes and not of somebody's who wrote between.
 *
 * Source: Linux, Documentation/ABI/testing/configfs-tsm-report (6.7 and
 * later). */
#ifndef CONFD_ATTEST_TEE_TSM_H
#define CONFD_ATTEST_TEE_TSM_H

#include "core/buf.h"

#define TSM_ROOT "/sys/kernel/config/tsm/report"
#define TSM_DATA_LEN 64		  /* bytes that are signed along */
#define TSM_BLOB_MAX (128u << 10) /* bytes that any blob may have */
#define TSM_LEVEL_MAX 3		  /* privilege levels are 0 to this */

struct tsm;

/* Open the interface and see whose it is: an entry is made and removed.
 *
 * root		where the interface lies; NULL: TSM_ROOT.
 * provider	who has to be behind it: "sev_guest", "tdx_guest".
 *
 * E_NOTFOUND	it is not there, or is another provider's.
 * E_PERM	we may not use it. */
enum status tsm_open(const char *root, const char *provider, struct tsm **out,
		     struct err *err);
void tsm_close(struct tsm *t);
static inline void tsm_closep(struct tsm **t)
{
	tsm_close(*t);
}
#define auto_tsm __attribute__((cleanup(tsm_closep)))

/* Where it lies: entries are made and removed below it at every report, so a
 * confinement has to leave it writable. */
const char *tsm_root(const struct tsm *t);

/* The most privileged level that this guest may ask a report for (its VMPL);
 * 0 where the provider has no levels. */
unsigned int tsm_floor(const struct tsm *t);

/* Have data signed, for the level tsm_floor.  Waits where the TEE is busy or
 * somebody wrote between, half a second in all; the entry is gone afterwards in
 * every case.
 *
 * report, aux	what was in them is forgotten; their caps hold, and
 *		TSM_BLOB_MAX.  aux is what came beside the report, empty where
 *		the provider has no such thing; NULL: not wanted.
 *
 * E_UNAVAIL	busy, again and again.
 * E_CONFLICT	somebody wrote between, again and again.
 * E_LIMIT	more bytes than wanted.
 * E_PARSE	an empty report, or a generation that is no number. */
enum status tsm_report(struct tsm *t, const uint8_t data[static TSM_DATA_LEN],
		       struct buf *report, struct buf *aux, struct err *err);

/* Whether a system call that failed with this errno is worth another try. */
bool tsm_is_busy(int error);

/* Wait before try number *n, counted from 1, and count; false, without a wait,
 * when there have been enough. */
bool tsm_again(unsigned int *n);

#endif
