/* The manifest: who may do what, in one JSON file that admins sign.
 *
 * Read strictly, whole, into this struct; what is not there is not allowed.
 * Grammar: confd-manifest(5).  The chain of all manifests ever set is in
 * confd-attest(7), MANIFEST CHAIN. */
#ifndef CONFD_ATTEST_MANIFEST_H
#define CONFD_ATTEST_MANIFEST_H

#include "core/buf.h"

#define MANIFEST_MAX (512u << 10) /* bytes of the file */
#define MANIFEST_LIST_MAX 1024	  /* entries of one list or object */

/* A list of texts. */
struct manifest_strings {
	size_t n;
	char **item;
};

/* A list of digests or ids. */
struct manifest_digest {
	uint8_t len; /* bytes */
	uint8_t value[64];
};
struct manifest_digests {
	size_t n;
	struct manifest_digest *item;
};

/* Bits of a word: those that have to be one, and zero; others may be either. */
struct manifest_bits {
	uint64_t set, clear;
};

/* AMD SEV-SNP.  A list without anything in it is not asked for, but for the
 * first two, which always have something. */
struct manifest_snp {
	struct manifest_strings products;
	struct manifest_digests measurements; /* 48 bytes each */
	uint8_t min_bootloader, min_tee, min_snp, min_microcode;
	uint8_t min_fmc;	       /* Turin */
	bool debug, migrate, smt, cxl; /* true: tolerated */
	struct manifest_bits guest;    /* of the guest's policy, others */
	struct manifest_bits platform; /* of the platform's description */
	uint8_t min_abi_major, min_abi_minor;
	uint8_t min_firmware_major, min_firmware_minor, min_firmware_build;
	uint32_t min_report_version, min_guest_svn;
	uint8_t vmpl;
	struct manifest_digests id_key_digests;	       /* 48 */
	struct manifest_digests author_key_digests;    /* 48 */
	struct manifest_digests host_data;	       /* 32 */
	struct manifest_digests family_ids, image_ids; /* 16 */
	struct manifest_digests chip_ids;	       /* 64 or 8 */
	struct manifest_digests denied_chip_ids;       /* 64 or 8 */
	struct manifest_strings csp_ids; /* whose VLEK may sign; none: none's */
	uint64_t launch_mitigations, current_mitigations; /* all these bits */
	bool provisional, masked_chip_id;		  /* true: tolerated */
	bool crl; /* AMD's revocation list is asked for */
};

/* Intel TDX.  A list without anything in it is not asked for, but for mrtd,
 * rtmr and tcb_status, which always have something, and advisories. */
struct manifest_tdx {
	struct manifest_digests mrtd; /* 48 bytes each, to mrsignerseam */
	struct manifest_digests rtmr[4];
	struct manifest_digests mrconfigid, mrowner, mrownerconfig;
	struct manifest_digests mrservicetd, mrseam, mrsignerseam;
	struct manifest_strings tcb_status;
	struct manifest_strings advisories;   /* none: none tolerated */
	struct manifest_digests fmspcs;	      /* 6 */
	struct manifest_digests platform_ids; /* 16 */
	struct manifest_digests ppids;	      /* 16 */
	uint32_t min_evaluation;
	int64_t min_tcb_date; /* unix seconds */
	uint8_t min_tee_tcb_svn[16];
	bool debug, migratable, sept_ve; /* true: tolerated */
	bool no_perfmon;		 /* true: not tolerated */
	bool has_xfam;
	uint64_t xfam; /* these features at most, where has_xfam */
};

/* The software TEE. */
struct manifest_sim {
	uint8_t root[32]; /* SHA-256 of the root's SubjectPublicKeyInfo */
	struct manifest_digests measurements; /* 48 bytes each */
	uint32_t min_svn;
	bool debug; /* true: tolerated */
};

/* NVIDIA GPUs beside a CPU's TEE. */
struct manifest_gpus {
	struct manifest_strings arch, drivers, vbios;
	uint32_t count;
	bool ocsp_unknown;	     /* true: tolerated */
	uint32_t ocsp_revoked_grace; /* hours */
};

enum manifest_tee { MANIFEST_SNP, MANIFEST_TDX, MANIFEST_SIM };

struct manifest_policy {
	char *name;
	enum manifest_tee tee;
	struct manifest_snp snp; /* the one of tee is filled in */
	struct manifest_tdx tdx;
	struct manifest_sim sim;
	bool has_gpus;
	struct manifest_gpus gpus;
};

enum manifest_logs {
	MANIFEST_LOGS_OFF,
	MANIFEST_LOGS_PLAIN,
	MANIFEST_LOGS_SEALED
};
enum manifest_salt {
	MANIFEST_SALT_OFF,
	MANIFEST_SALT_KEY,
	MANIFEST_SALT_REQUEST
};

/* What may run: "sha256:HEX" (OCI manifest), "command:HEX" (SHA-256 of one
 * executable file), "dir:HEX" (digest of a tree). */
struct manifest_worker {
	char *name; /* of the group */
	struct manifest_strings policies;
	struct manifest_strings models;
	struct manifest_strings images;	  /* none: nothing may run */
	bool images_any;		  /* the one entry "any" stood there */
	struct manifest_strings adapters; /* openai anthropic triton tgi raw */
	char *runtime; /* "native", "gvisor" or an absolute path */
	enum manifest_logs logs;
	enum manifest_salt cache_salt;
};

struct manifest_model {
	char *name;
	uint8_t verity_root[32];
	char *hash; /* "sha256" */
	char *key;  /* "model/NAME", or NULL: not encrypted */
};

/* A person's or program's key: an admin's or operator's by the SHA-256 of its
 * SubjectPublicKeyInfo, a recovery key as the X25519 public key itself. */
struct manifest_key {
	char *name;
	uint8_t value[32];
};
struct manifest_keys {
	size_t n;
	struct manifest_key *item;
	uint32_t threshold; /* 1 to n; 0 where the section has none */
};

struct manifest {
	struct buf text;    /* the exact bytes */
	uint8_t digest[32]; /* their SHA-256 */
	char *name;
	uint64_t generation; /* from 1 */
	size_t n_policies;
	struct manifest_policy *policy;
	struct manifest_strings as_policies; /* attestation_service.policies */
	size_t n_workers;
	struct manifest_worker *worker;
	size_t n_models;
	struct manifest_model *model;
	struct manifest_keys admins;	/* none: it can never be updated */
	struct manifest_keys operators; /* threshold 0 */
	struct manifest_keys recovery;	/* none: a sealed AS stays sealed */
	struct manifest_strings static_secrets;
	bool client_exchange;
	uint32_t client_exchange_ttl; /* seconds */
	uint32_t lease_worker;	      /* seconds */
	uint32_t lease_certificate;   /* seconds, at least lease_worker */
};

/* Read a manifest: the whole grammar, and that every name in it refers to
 * something in it.  file is what errors call it: "FILE:LINE: member.path:
 * expected ..., found ...".  text is copied.  E_CONF for all that is wrong
 * with it.  On OK the caller owns *out. */
enum status manifest_parse(struct slice text, const char *file,
			   struct manifest **out, struct err *err);
void manifest_free(struct manifest *m);
static inline void manifest_freep(struct manifest **m)
{
	manifest_free(*m);
}
#define auto_manifest __attribute__((cleanup(manifest_freep)))

/* Whether this build can judge by it: E_CONF when a policy that is in use or
 * not names a TEE that it cannot judge.  Whoever is to put a
 * manifest into force, or to trust by one, calls this after parsing. */
enum status manifest_check(const struct manifest *m, struct err *err);

/* What is allowed but worth a second look: one sentence a line, each ended by
 * a newline; nothing appended when there is nothing. */
void manifest_warnings(const struct manifest *m, struct buf *out);

/* E_CONF unless next may replace now: the same name, generation one higher.
 * Signatures are the service's to check. */
enum status manifest_follows(const struct manifest *now,
			     const struct manifest *next, struct err *err);

/* Look up by name; NULL when there is none. */
const struct manifest_policy *manifest_find_policy(const struct manifest *m,
						   struct slice name);
const struct manifest_worker *manifest_find_worker(const struct manifest *m,
						   struct slice name);
const struct manifest_model *manifest_find_model(const struct manifest *m,
						 struct slice name);

/* The entry with that value; NULL when there is none. */
const struct manifest_key *manifest_find_key(const struct manifest_keys *keys,
					     const uint8_t value[static 32]);

bool manifest_strings_have(const struct manifest_strings *l, struct slice s);
bool manifest_digests_have(const struct manifest_digests *l, struct slice s);

/* "snp", "tdx", "sim": also the name in the table of tee.h. */
const char *manifest_tee_name(enum manifest_tee tee);
const char *manifest_logs_name(enum manifest_logs logs);
const char *manifest_salt_name(enum manifest_salt salt);

/* SHA-256 of the exact bytes. */
void manifest_digest(struct slice text, uint8_t out[static 32]);

/* The chain of manifests: head_0 = SHA-256(tag 0x00 digest_0), head_n =
 * SHA-256(tag 0x00 head_(n-1) digest_n), tag "confd-manifest-chain-v1". */
struct manifest_chain {
	uint64_t length; /* manifests so far; 0: head is all zero */
	uint8_t head[32];
};
void manifest_chain_add(struct manifest_chain *c,
			const uint8_t digest[static 32]);

#endif
