/* This machine's SEV-SNP: reports through configfs-tsm, else through the
 * guest's own device; a sealing key through that device alone.
 *
 * Sources: Linux, Documentation/virt/coco/sev-guest.rst; AMD 56860, MSG_REPORT
 * and MSG_KEY requests; AMD 56421, SNP Extended Guest Request. */
#ifndef CONFD_ATTEST_TEE_SNP_DEVICE_H
#define CONFD_ATTEST_TEE_SNP_DEVICE_H

#include "attest/evidence.h"

#define SNP_DEVICE_PATH "/dev/sev-guest"

/* Where to look; all zero: where Linux has them. */
struct snp_device_settings {
	const char *tsm_root; /* NULL: TSM_ROOT of tsm.h */
	const char *path;     /* NULL: SNP_DEVICE_PATH */

	/* NULL: ioctl(2).  Tests put a fake here. */
	int (*control)(int fd, unsigned long request, void *arg);
};

struct snp_device;

/* OK when this machine has it, E_NOTFOUND when not; keeps nothing open. */
enum status snp_device_detect(const struct snp_device_settings *s,
			      struct err *err);

/* Open what there is.  E_NOTFOUND when neither is there. */
enum status snp_device_open(const struct snp_device_settings *s,
			    struct snp_device **out, struct err *err);
void snp_device_close(struct snp_device *d);
static inline void snp_device_closep(struct snp_device **d)
{
	snp_device_close(*d);
}
#define auto_snp_device __attribute__((cleanup(snp_device_closep)))

/* The folder in which issue makes and removes entries, which a confinement has
 * to leave writable; NULL: none.  The device itself stays open. */
const char *snp_device_folder(const struct snp_device *d);

/* Have report_data signed.  out's report is set; to its collateral is added
 * what the host handed over beside it, in PEM:
 *
 * leaf		the VCEK or VLEK, whichever the report says that signed it.
 * chain	the ASK or ASVK, and the ARK.
 * crl		AMD's list.
 *
 * Each may be missing: a verifier may have them from elsewhere.
 *
 * E_PARSE	what the host handed over is malformed.
 * E_CONFLICT	the report is of other data.
 * E_UNAVAIL	the firmware or host is busy, again and again. */
enum status snp_device_issue(struct snp_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err);

/* The key that this program in this guest has on this chip, a secret; again
 * the same after a restart.
 *
 * The firmware derives it from the chip's key for attestation, of this guest's
 * launch measurement and guest policy: another image, and a guest that may be
 * debugged or migrated, gets another.  The versions of firmware (TCB) are not
 * chosen to be mixed in, nor what the host sets at launch (HOST_DATA, GUEST_SVN,
 * family and image id); so an update of the guest's machine need not cost the
 * key, and an older firmware that the platform did not commit past gets it,
 * too.  The chip's key is itself of a reported TCB: where an update changes
 * it, the sealed state has to be recovered.  Where a VLEK is loaded, the key
 * is of the provider's VLEK, not of one chip.
 *
 * E_NOTFOUND	there is no device for it.
 * E_CRYPTO	the firmware gave none that can be used. */
enum status snp_device_seal_key(struct snp_device *d, uint8_t out[static 32],
				struct err *err);

#endif
