/* The AMD SEV-SNP attestation report: bytes in, fields out.
 *
 * Source: AMD 56860, "SEV Secure Nested Paging Firmware ABI Specification",
 * table ATTESTATION_REPORT, versions 2 to 5.  Integers are little-endian.
 * This module only reads; whether to believe what it read is decided in
 * snp_verify.h. */
#ifndef CONFD_ATTEST_TEE_SNP_REPORT_H
#define CONFD_ATTEST_TEE_SNP_REPORT_H

#include "core/slice.h"

#define SNP_REPORT_LEN 0x4a0 /* bytes */
#define SNP_SIGNED_LEN 0x2a0 /* bytes, from the start, under the signature */
#define SNP_NUMBER_LEN 48    /* bytes of r and s that may be other than zero */

/* Families of processors, each with its own root. */
enum snp_product {
	SNP_MILAN,
	SNP_GENOA, /* Bergamo and Siena too */
	SNP_TURIN,
};
#define SNP_PRODUCTS 3

/* "Milan", "Genoa", "Turin". */
const char *snp_report_product_name(enum snp_product p);

/* The key that signed, as the report says it: key info, bits 4:2. */
enum snp_key {
	SNP_KEY_VCEK = 0, /* of this chip and TCB */
	SNP_KEY_VLEK = 1, /* of a cloud provider and TCB */
};
#define SNP_KEYS 2
#define SNP_KEY_NONE 7 /* not signed */

/* "VCEK", "VLEK". */
const char *snp_report_key_name(enum snp_key k);

/* Bits of the guest's policy. */
#define SNP_POLICY_SMT (UINT64_C(1) << 16)
#define SNP_POLICY_ONE (UINT64_C(1) << 17) /* reserved, must be one */
#define SNP_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define SNP_POLICY_DEBUG (UINT64_C(1) << 19)
#define SNP_POLICY_SINGLE_SOCKET (UINT64_C(1) << 20)
#define SNP_POLICY_CXL_ALLOW (UINT64_C(1) << 21)
#define SNP_POLICY_MEM_AES_256_XTS (UINT64_C(1) << 22)
#define SNP_POLICY_RAPL_DIS (UINT64_C(1) << 23)
#define SNP_POLICY_CIPHERTEXT_HIDING (UINT64_C(1) << 24)
#define SNP_POLICY_PAGE_SWAP_DISABLE (UINT64_C(1) << 25)
#define SNP_POLICY_RESERVED (~((UINT64_C(1) << 26) - 1)) /* must be zero */

/* Bits of the platform's description.  Bit 6 is set on genuine Turin reports
 * without a public meaning. */
#define SNP_PLATFORM_SMT (UINT64_C(1) << 0)
#define SNP_PLATFORM_TSME (UINT64_C(1) << 1)
#define SNP_PLATFORM_ECC (UINT64_C(1) << 2)
#define SNP_PLATFORM_RAPL_DIS (UINT64_C(1) << 3)
#define SNP_PLATFORM_CIPHERTEXT_HIDING (UINT64_C(1) << 4)
#define SNP_PLATFORM_ALIAS_CHECK (UINT64_C(1) << 5)
#define SNP_PLATFORM_TIO (UINT64_C(1) << 7)
#define SNP_PLATFORM_RESERVED (~((UINT64_C(1) << 8) - 1))

#define SNP_VMPL_HOST UINT32_MAX /* the host asked, not the guest */

/* Firmware's version, in the order in which it lies there. */
struct snp_firmware {
	uint8_t build, minor, major;
};

struct snp_report {
	uint32_t version;   /* 2 to 5 */
	uint32_t guest_svn; /* from the ID block */
	uint64_t policy;    /* SNP_POLICY_*; 7:0 ABI minor, 15:8 ABI major */
	uint8_t family_id[16], image_id[16]; /* from the ID block */
	uint32_t vmpl;			     /* 0 to 3, or SNP_VMPL_HOST */
	uint32_t signature_algo;	     /* 1: ECDSA P-384 with SHA-384 */
	uint8_t current_tcb[8];		     /* packed: see snp_report_tcb */
	uint64_t platform_info;		     /* SNP_PLATFORM_* */
	uint32_t key_info;		     /* see below */
	uint8_t report_data[64];	     /* chosen by the guest */
	uint8_t measurement[48];	     /* SHA-384 of the launched image */
	uint8_t host_data[32];		     /* chosen by the host at launch */
	uint8_t id_key_digest[48], author_key_digest[48]; /* SHA-384 */
	uint8_t report_id[32];	  /* of this guest, as long as it runs */
	uint8_t report_id_ma[32]; /* of its migration agent; none: all 0xff */
	uint8_t reported_tcb[8];  /* the signing key is derived from it */
	uint8_t cpuid[3];	  /* family, model, stepping; version 2: 0 */
	uint8_t chip_id[64];	  /* all zero: masked */
	uint8_t committed_tcb[8]; /* the host cannot go below it */
	struct snp_firmware current, committed;
	uint8_t launch_tcb[8];	    /* when the guest was launched */
	uint64_t launch_mit_vector; /* mitigations then; before 5: 0 */
	uint64_t current_mit_vector;
	uint8_t sig_r[72], sig_s[72]; /* little-endian, the top 24 zero */
};

/* Parse one report.
 *
 * raw	untrusted, any length; not referred to after the return.
 * out	written only on OK.
 *
 * E_PARSE	not SNP_REPORT_LEN bytes, another version, a reserved byte or
 *		bit that is not as the version wants it, a VMPL or signature
 *		algorithm that does not exist. */
enum status snp_report_parse(struct slice raw, struct snp_report *out,
			     struct err *err);

/* Members of key_info. */
bool snp_report_author_key_en(const struct snp_report *r);
bool snp_report_mask_chip_key(const struct snp_report *r);
uint32_t snp_report_signing_key(const struct snp_report *r); /* 0 to 7 */

/* Whether the guest's policy allows migration by an agent, and so on. */
static inline bool snp_report_has_policy(const struct snp_report *r,
					 uint64_t bits)
{
	return (r->policy & bits) == bits;
}

/* The product by the processor's family and model.  False where the report
 * does not say them (version 2), or says ones that are not known here. */
bool snp_report_product(const struct snp_report *r, enum snp_product *out);

/* Versions of the platform's firmware, as security patch levels. */
struct snp_tcb {
	uint8_t fmc; /* Turin; others: 0 */
	uint8_t bootloader, tee, snp, microcode;
};

/* Unpack one: where the parts lie depends on the product (AMD 56860,
 * TCB_VERSION).  E_PARSE when a reserved byte is set. */
enum status snp_report_tcb(const uint8_t raw[static 8], enum snp_product p,
			   struct snp_tcb *out, struct err *err);

/* Whether every part of a is at most that of b.  Never compare them as
 * numbers. */
bool snp_report_tcb_at_most(const struct snp_tcb *a, const struct snp_tcb *b);
bool snp_report_tcb_eq(const struct snp_tcb *a, const struct snp_tcb *b);

/* "bootloader 4, tee 0, snp 24, microcode 219", with "fmc 1, " in front for
 * Turin. */
#define SNP_TCB_TEXT 80
void snp_report_tcb_text(const struct snp_tcb *t, enum snp_product p,
			 char out[static SNP_TCB_TEXT]);

#endif
