/* What verified evidence says about a machine: fields, no judgement.
 *
 * First what TEEs share; what one does not have stays empty (length or count
 * 0), which no rule of a policy takes for "anything".  Then all that one kind
 * says, which its own rules judge.
 *
 * Only a TEE's verify fills it, and only from bytes under a signature that it
 * checked.  It holds no pointers to what it was made from. */
#ifndef CONFD_ATTEST_CLAIMS_H
#define CONFD_ATTEST_CLAIMS_H

#include "attest/tee/gpu_verify.h"
#include "attest/tee/snp_verify.h"
#include "attest/tee/tdx_verify.h"
#include "core/buf.h"
#include "core/json.h"

#define CLAIMS_DIGEST_MAX 64	   /* bytes of one measurement or id */
#define CLAIMS_MEASUREMENTS_MAX 12 /* TDX has mrtd and four rtmrs */
#define CLAIMS_TCB_MAX 24	   /* parts of a version of the platform */
#define CLAIMS_GPUS_MAX 16	   /* GPUs and switches of one machine */

/* A measurement, identity or digest. */
struct claims_digest {
	const char *name; /* a literal: "measurement", "mrtd", "rtmr0" */
	size_t len;	  /* bytes that are valid */
	uint8_t value[CLAIMS_DIGEST_MAX];
};

/* One part of the platform's version: a firmware, microcode, or all of it. */
struct claims_tcb {
	const char *name; /* a literal: "svn", "bootloader", "microcode" */
	uint64_t value;
};

struct claims {
	const char *tee; /* a literal: its name in the table of tee.h */
	size_t n_measurements;
	struct claims_digest measurement[CLAIMS_MEASUREMENTS_MAX];
	size_t n_tcb;
	struct claims_tcb tcb[CLAIMS_TCB_MAX];
	uint8_t report_data[64]; /* what the machine had signed for us */
	bool debug;		 /* the host can read the memory */
	bool migrate;		 /* the host can move it elsewhere */
	bool smt;		 /* sibling threads may run on its cores */
	uint32_t vmpl;		 /* 0 is the most privileged; 0 without */
	size_t chip_id_len;
	uint8_t chip_id[CLAIMS_DIGEST_MAX];
	uint8_t root[32];    /* SHA-256 of the root's SubjectPublicKeyInfo */
	uint8_t report[32];  /* SHA-256 of the report */
	int64_t valid_until; /* unix seconds: first end of a certificate used */
	bool root_pinned;    /* the maker's, compiled in; false: a root that a
			   * policy or a test named */

	struct snp_claims snp; /* of the TEE "snp" only */
	struct tdx_claims tdx; /* of "tdx" only */
	size_t n_gpus;	       /* devices beside the CPU */
	struct gpu_claims gpu[CLAIMS_GPUS_MAX];
};

/* The measurement of that name, or NULL. */
const struct claims_digest *claims_measurement(const struct claims *c,
					       const char *name);

/* The part of that name of the platform's version, or NULL. */
const struct claims_tcb *claims_tcb(const struct claims *c, const char *name);

/* Add one; value of at most CLAIMS_DIGEST_MAX bytes.  More than fit, or a
 * longer value, is a bug of the caller and aborts. */
void claims_add_measurement(struct claims *c, const char *name,
			    struct slice value);
void claims_add_tcb(struct claims *c, const char *name, uint64_t value);

#endif
