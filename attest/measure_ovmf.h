/* What an OVMF image says of itself: the table of GUIDs that ends 32 bytes
 * before its end, and the metadata for SEV-SNP and for TDX that it points to.
 *
 * The image is mapped so that it ends at 4 GiB.  Everything it says is checked
 * against it: a section that overlaps another, is not of whole pages, or lies
 * outside what it must lie in is refused, since a VMM would fail on it too.
 *
 * Sources: edk2, OvmfPkg/ResetVector (the table, OvmfSevMetadata.asm);
 * Intel TDX Virtual Firmware Design Guide, 11 (TDVF descriptor); td-shim,
 * doc/tdshim_spec.md (its further sections). */
#ifndef CONFD_ATTEST_MEASURE_OVMF_H
#define CONFD_ATTEST_MEASURE_OVMF_H

#include "core/slice.h"

#define MEASURE_OVMF_MAX (16u << 20) /* bytes of an image; the least is 4096 */
#define MEASURE_OVMF_SECTIONS 64
#define MEASURE_PAGE 4096u

/* Types of sections for SEV. */
enum measure_sev_type {
	MEASURE_SEV_MEMORY = 1,	 /* zeroed before the start */
	MEASURE_SEV_SECRETS = 2, /* filled by the firmware */
	MEASURE_SEV_CPUID = 3,	 /* filled by the VMM, checked by firmware */
	MEASURE_SEV_CAA = 4,	 /* calling area of an SVSM */
	MEASURE_SEV_HASHES = 16, /* of kernel, initrd and command line */
};

struct measure_sev_section {
	uint32_t gpa, size; /* bytes, whole pages */
	uint32_t type;
};

struct measure_ovmf {
	struct slice image;
	uint64_t gpa;	     /* where it begins in the guest */
	bool has_reset;	     /* the reset block for further processors */
	uint32_t reset_eip;  /* where those start */
	bool has_hashes;     /* it checks what -kernel gives it */
	uint32_t hashes_gpa; /* of the table of hashes */
	uint32_t hashes_size;
	bool has_sev; /* it is made for SEV-SNP */
	size_t n_sections;
	struct measure_sev_section section[MEASURE_OVMF_SECTIONS];
	bool has_tdvf;	/* it is made for TDX */
	size_t tdvf_at; /* offset of the TDVF descriptor */
};

/* Read an image.  It must live as long as *out, which is written only on OK.
 * E_PARSE, E_LIMIT. */
enum status measure_ovmf_parse(struct slice image, struct measure_ovmf *out,
			       struct err *err);

/* Types of sections for TDX. */
enum measure_tdvf_type {
	MEASURE_TDVF_BFV = 0, /* code */
	MEASURE_TDVF_CFV = 1, /* variables */
	MEASURE_TDVF_HOB = 2, /* what memory there is, from the VMM */
	MEASURE_TDVF_TEMP_MEM = 3,
	MEASURE_TDVF_PERM_MEM = 4,
	MEASURE_TDVF_PAYLOAD = 5,
	MEASURE_TDVF_PAYLOAD_PARAM = 6,
	MEASURE_TDVF_TD_INFO = 7,
};

#define MEASURE_TDVF_MR_EXTEND 1u /* its contents go into MRTD */
#define MEASURE_TDVF_PAGE_AUG 2u  /* it is added later, not to MRTD */

struct measure_tdvf_section {
	struct slice data; /* in the image; shorter than size: zeros follow */
	uint64_t gpa, size;
	uint32_t type, attributes;
};

struct measure_tdvf {
	size_t n_sections;
	struct measure_tdvf_section section[MEASURE_OVMF_SECTIONS];
};

/* Read the TDVF descriptor of an image of OVMF or td-shim (which may have no
 * table, but an offset 32 bytes before its end). */
enum status measure_tdvf_parse(struct slice image, struct measure_tdvf *out,
			       struct err *err);

/* The one section of a type, or NULL when there is none or more than one. */
const struct measure_tdvf_section *measure_tdvf_find(
	const struct measure_tdvf *t, uint32_t type);

#endif
