#include "attest/measure_snp.h"

#include "core/cleanup.h"
#include "core/crypto.h"

#define PAGE_INFO_LEN 0x70
#define VMSA_GPA UINT64_C(0xfffffffff000) /* where the RMP has each VMSA */
#define BOOT_EIP 0xfffffff0u		  /* the reset vector */

/* Types of pages (AMD 56860, SNP_LAUNCH_UPDATE). */
enum page_type {
	PAGE_NORMAL = 1,
	PAGE_VMSA = 2,
	PAGE_ZERO = 3,
	PAGE_UNMEASURED = 4,
	PAGE_SECRETS = 5,
	PAGE_CPUID = 6,
};

/* The digest so far. */
struct chain {
	uint8_t ld[MEASURE_SNP_LEN];
};

static void put_le(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* Extend by one page: PAGE_INFO is the digest so far, the page's digest (zero
 * for pages whose contents do not count), length, type, no permissions for
 * higher VMPLs, address. */
static void extend(struct chain *c, enum page_type type, uint64_t gpa,
		   const uint8_t digest[static 48])
{
	uint8_t info[PAGE_INFO_LEN] = { 0 };

	memcpy(info, c->ld, sizeof(c->ld));
	memcpy(info + 48, digest, 48);
	put_le(info + 96, PAGE_INFO_LEN, 2);
	info[98] = (uint8_t)type;
	put_le(info + 104, gpa, 8);
	sha384(slice_of(info), c->ld);
}

static void extend_data(struct chain *c, enum page_type type, uint64_t gpa,
			struct slice data)
{
	uint8_t digest[48];

	for (size_t at = 0; at < data.len; at += MEASURE_PAGE) {
		uint64_t to = type == PAGE_VMSA ? gpa : gpa + at;

		sha384(slice_sub(data, at, MEASURE_PAGE), digest);
		extend(c, type, to, digest);
	}
}

static void extend_blank(struct chain *c, enum page_type type,
			 const struct measure_sev_section *s)
{
	static const uint8_t zero[48];

	for (uint32_t at = 0; at < s->size; at += MEASURE_PAGE)
		extend(c, type, (uint64_t)s->gpa + at, zero);
}

/* The page in which the firmware looks for the hashes. */
static enum status check_hashes(const struct measure_ovmf *o,
				const struct measure_sev_section *s,
				struct err *err)
{
	uint32_t at = o->hashes_gpa % MEASURE_PAGE;

	if (!o->has_hashes || s->size != MEASURE_PAGE ||
	    o->hashes_gpa - at != s->gpa ||
	    at > MEASURE_PAGE - MEASURE_SNP_TABLE ||
	    o->hashes_size < MEASURE_SNP_TABLE)
		return err_set(err, E_PARSE,
			       "firmware image: expected a place for the "
			       "hashes of kernel, initrd and command line in "
			       "their page, found none");
	return OK;
}

static enum status extend_hashes(struct chain *c,
				 const struct measure_snp_case *in,
				 const struct measure_ovmf *o,
				 const struct measure_sev_section *s,
				 struct err *err)
{
	uint8_t page[MEASURE_PAGE];

	if (!in->has_kernel) {
		extend_blank(c, PAGE_ZERO, s);
		return OK;
	}
	TRY(check_hashes(o, s, err));
	measure_snp_hashes_page(in, o->hashes_gpa % MEASURE_PAGE, page);
	extend_data(c, PAGE_NORMAL, s->gpa, slice_of(page));
	return OK;
}

static enum status extend_section(struct chain *c,
				  const struct measure_snp_case *in,
				  const struct measure_ovmf *o,
				  const struct measure_sev_section *s,
				  struct err *err)
{
	switch ((enum measure_sev_type)s->type) {
	case MEASURE_SEV_MEMORY:
		extend_blank(c,
			     in->vmm == MEASURE_SNP_GCE ? PAGE_UNMEASURED
							: PAGE_ZERO,
			     s);
		return OK;
	case MEASURE_SEV_CAA:
		extend_blank(c, PAGE_ZERO, s);
		return OK;
	case MEASURE_SEV_SECRETS:
		extend_blank(c, PAGE_SECRETS, s);
		return OK;
	case MEASURE_SEV_CPUID:
		extend_blank(c, PAGE_CPUID, s);
		return OK;
	case MEASURE_SEV_HASHES:
		return extend_hashes(c, in, o, s, err);
	}
	return err_set(err, E_PARSE, "firmware image: section of type %u",
		       s->type);
}

/* In the order of the metadata; EC2 adds the CPUID page last. */
static enum status extend_sections(struct chain *c,
				   const struct measure_snp_case *in,
				   const struct measure_ovmf *o,
				   struct err *err)
{
	bool put_off = in->vmm == MEASURE_SNP_EC2;
	bool hashes = false;

	for (unsigned pass = 0; pass < 2; pass++)
		for (size_t i = 0; i < o->n_sections; i++) {
			const struct measure_sev_section *s = &o->section[i];
			bool late = put_off && s->type == MEASURE_SEV_CPUID;

			hashes |= s->type == MEASURE_SEV_HASHES;
			if (late == (pass == 1))
				TRY(extend_section(c, in, o, s, err));
		}
	if (in->has_kernel && !hashes)
		return err_set(err, E_PARSE,
			       "firmware image: expected a page for the hashes "
			       "of kernel, initrd and command line, found "
			       "none: use an image made for it, such as "
			       "OVMF.amdsev.fd");
	return OK;
}

static enum status extend_vcpus(struct chain *c,
				const struct measure_snp_case *in,
				const struct measure_ovmf *o, struct err *err)
{
	uint8_t page[MEASURE_PAGE];
	uint8_t digest[48];

	if (in->vcpus == 0 || in->vcpus > MEASURE_SNP_VCPUS)
		return err_set(err, E_USAGE, "expected 1 to %d processors",
			       MEASURE_SNP_VCPUS);
	if (in->vcpus > 1 && !o->has_reset)
		return err_set(err, E_PARSE,
			       "firmware image: expected a reset block for "
			       "further processors, found none");
	measure_snp_vmsa(in, BOOT_EIP, page);
	extend_data(c, PAGE_VMSA, VMSA_GPA, slice_of(page));
	if (in->vcpus == 1)
		return OK;
	measure_snp_vmsa(in, o->reset_eip, page);
	sha384(slice_of(page), digest);
	for (uint32_t i = 1; i < in->vcpus; i++)
		extend(c, PAGE_VMSA, VMSA_GPA, digest);
	return OK;
}

enum status measure_snp_digest(const struct measure_snp_case *in,
			       uint8_t out[static MEASURE_SNP_LEN],
			       struct err *err)
{
	struct measure_ovmf o;
	struct chain c = { 0 };

	TRY(measure_ovmf_parse(in->ovmf, &o, err));
	if (!o.has_sev)
		return err_set(err, E_PARSE,
			       "firmware image: expected metadata for SEV-SNP, "
			       "found none");
	extend_data(&c, PAGE_NORMAL, o.gpa, o.image);
	TRY(extend_sections(&c, in, &o, err));
	TRY(extend_vcpus(&c, in, &o, err));
	memcpy(out, c.ld, sizeof(c.ld));
	return OK;
}
