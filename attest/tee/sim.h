/* The software TEE: the same path as hardware, and none of its protection.
 * For tests, demos and development; a manifest has to name its root key.
 *
 * A root key (P-384, self-signed CA) certifies a key that each device makes
 * when it is opened; the device signs reports.  Form of the report:
 * confd-attest(7), SIM REPORT; integers are big-endian. */
#ifndef CONFD_ATTEST_TEE_SIM_H
#define CONFD_ATTEST_TEE_SIM_H

#include "attest/tee/tee.h"
#include "core/crypto.h"

#define SIM_REPORT_LEN 304    /* bytes */
#define SIM_SIGNED_LEN 192    /* bytes, from the start, under the signature */
#define SIM_SIGNATURE_MAX 104 /* bytes of ASN.1 DER; the rest is zero */
#define SIM_MEASUREMENT_LEN 48
#define SIM_FLAG_DEBUG 1u
#define SIM_SVN 1 /* what this build's devices report */

/* The row of tee.c's table. */
extern const struct tee tee_sim;

/* Whether this build has it (SIM=1). */
bool sim_available(void);

struct sim_report {
	bool debug;
	uint32_t svn; /* version of the platform: its TCB */
	uint8_t measurement[SIM_MEASUREMENT_LEN]; /* SHA-384 of the program */
	uint8_t report_data[64];
	uint8_t chip_id[32]; /* SHA-256 of the device key's SPKI */
	size_t sig_len;
	uint8_t sig[SIM_SIGNATURE_MAX]; /* ECDSA P-384, DER */
};

/* Parse one report.  raw is untrusted, any length; out is written only on OK.
 * E_PARSE	not SIM_REPORT_LEN bytes, another magic or version, an unknown
 *		flag, or a reserved byte that is not zero. */
enum status sim_report_parse(struct slice raw, struct sim_report *out,
			     struct err *err);

/* Write the signed part; sig is not looked at. */
void sim_report_write(const struct sim_report *r,
		      uint8_t out[static SIM_SIGNED_LEN]);

/* Make a root: a new key and its certificate, both PEM, one after the other,
 * appended to out, which is a secret and belongs into a file of mode 0600.
 * now: unix seconds, from which it is valid for ten years. */
enum status sim_root_new(int64_t now, struct buf *out, struct err *err);

/* What a manifest calls this root: SHA-256 of its SubjectPublicKeyInfo.  pem
 * is what sim_root_new made, or its certificate alone. */
enum status sim_root_digest(struct slice pem, uint8_t out[static 32],
			    struct err *err);

/* SHA-384 of the running program's file. */
enum status sim_measure_self(uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err);

/* SHA-384 of some program's file, for manifests. */
enum status sim_measure_file(const char *path,
			     uint8_t out[static SIM_MEASUREMENT_LEN],
			     struct err *err);

/* What a device reports and for how long; tests vary it. */
struct sim_options {
	bool debug;
	uint32_t svn;
	uint8_t measurement[SIM_MEASUREMENT_LEN];
	int64_t not_before, not_after; /* of its certificate, unix seconds */
};

struct sim_device;

/* Make a device under the root in pem (both parts).  sim_device_free. */
enum status sim_device_new(struct slice pem, const struct sim_options *o,
			   struct sim_device **out, struct err *err);

/* Its sealing key: follows from the root key, the measurement and debug, so
 * it is the same after a restart and of no worth to another program; who has
 * the root's file has it too.  out is a secret. */
void sim_device_seal_key(const struct sim_device *d, uint8_t out[static 32]);

void sim_device_free(struct sim_device *d);
static inline void sim_device_freep(struct sim_device **d)
{
	sim_device_free(*d);
}
#define auto_sim_device __attribute__((cleanup(sim_device_freep)))

/* Fill in tee, report and collateral of out. */
enum status sim_device_issue(struct sim_device *d,
			     const uint8_t report_data[static 64],
			     struct evidence *out, struct err *err);

#endif
