/* The launch digest of an SEV-SNP guest: MEASUREMENT of its reports, computed
 * from what it is started with.
 *
 * The digest is a chain over pages: the firmware image, the sections that the
 * image lists, and the first register state (VMSA) of each processor.  The
 * VMSA is made by the VMM and the host kernel, so a VMM has a row here, and
 * the processor's type and features are inputs.
 *
 * Sources: AMD 56860, 8.17 (SNP_LAUNCH_UPDATE, PAGE_INFO); AMD 24593 (APM
 * volume 2), table B-4 (the VMSA), 14.1.3 (state after INIT); QEMU, for the
 * order of pages and the table of hashes. */
#ifndef CONFD_ATTEST_MEASURE_SNP_H
#define CONFD_ATTEST_MEASURE_SNP_H

#include "attest/measure_ovmf.h"

#define MEASURE_SNP_LEN 48
#define MEASURE_SNP_VCPUS 4096		 /* the most we take */
#define MEASURE_SNP_FEATURES UINT64_C(1) /* SNP is on: no others */

enum measure_snp_vmm {
	MEASURE_SNP_QEMU,
	MEASURE_SNP_EC2, /* Amazon's */
	MEASURE_SNP_GCE, /* Google's */
};

/* "qemu", "ec2", "gce"; false for another name. */
bool measure_snp_vmm(const char *name, enum measure_snp_vmm *out);

/* CPUID 1 EAX of a processor type of QEMU: "EPYC-Milan", "EPYC-v4", ...;
 * false for a name that is not known here. */
bool measure_snp_vcpu(const char *name, uint32_t *signature);

/* Names of those types, for messages; NULL behind the last. */
const char *measure_snp_vcpu_name(size_t i);

/* CPUID 1 EAX from family, model and stepping (AMD 25481). */
uint32_t measure_snp_signature(uint32_t family, uint32_t model,
			       uint32_t stepping);

/* What a guest is started with. */
struct measure_snp_case {
	struct slice ovmf;
	enum measure_snp_vmm vmm;
	uint32_t vcpus;		 /* 1 to MEASURE_SNP_VCPUS */
	uint32_t vcpu_signature; /* QEMU puts it in rdx */
	uint64_t features;	 /* SEV_FEATURES of the VMSA */
	bool has_kernel;	 /* -kernel with kernel-hashes=on */
	uint8_t kernel[32];	 /* SHA-256 of the file */
	uint8_t initrd[32];	 /* of the file, or of nothing */
	uint8_t cmdline[32];	 /* with the NUL that ends it */
};

/* Compute the digest.
 *
 * E_PARSE	the image is not one for SEV-SNP, or cannot do what is asked:
 *		more than one processor without a reset block, a kernel
 *		without a place for the hashes.
 * E_USAGE	no processor, or too many. */
enum status measure_snp_digest(const struct measure_snp_case *in,
			       uint8_t out[static MEASURE_SNP_LEN],
			       struct err *err);

/* The page with the table of hashes, for tests: the table lies at `at` of it,
 * which must leave room. */
void measure_snp_hashes_page(const struct measure_snp_case *in, size_t at,
			     uint8_t page[static MEASURE_PAGE]);

/* Bytes of the table of hashes with its padding. */
#define MEASURE_SNP_TABLE 176

/* The VMSA page of a processor that starts at eip. */
void measure_snp_vmsa(const struct measure_snp_case *in, uint32_t eip,
		      uint8_t page[static MEASURE_PAGE]);

#endif
