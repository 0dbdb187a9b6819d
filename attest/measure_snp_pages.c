/* The pages that a VMM makes for an SEV-SNP guest: the first state of a
 * processor, and the hashes of what -kernel, -initrd and -append give. */
#include "attest/measure_snp.h"
#include "core/cleanup.h"

/* clang-format off */
/* GUIDs as they lie in memory (QEMU, target/i386/sev.c). */
static const uint8_t guid_table[16] = { /* 9438d606-4f22-4cc9-... */
	0x06, 0xd6, 0x38, 0x94, 0x22, 0x4f, 0xc9, 0x4c,
	0xb4, 0x79, 0xa7, 0x93, 0xd4, 0x11, 0xfd, 0x21 };
static const uint8_t guid_cmdline[16] = { /* 97d02dd8-bd20-4c94-... */
	0xd8, 0x2d, 0xd0, 0x97, 0x20, 0xbd, 0x94, 0x4c,
	0xaa, 0x78, 0xe7, 0x71, 0x4d, 0x36, 0xab, 0x2a };
static const uint8_t guid_initrd[16] = { /* 44baf731-3a2f-4bd7-... */
	0x31, 0xf7, 0xba, 0x44, 0x2f, 0x3a, 0xd7, 0x4b,
	0x9a, 0xf1, 0x41, 0xe2, 0x91, 0x69, 0x78, 0x1d };
static const uint8_t guid_kernel[16] = { /* 4de79437-abd2-427f-... */
	0x37, 0x94, 0xe7, 0x4d, 0xd2, 0xab, 0x7f, 0x42,
	0xb8, 0x35, 0xd5, 0xb1, 0x72, 0xd2, 0x04, 0x5b };

/* What VMMs set otherwise in a VMSA. */
struct vmm {
	const char *name;
	uint16_t cs, ss, tr; /* attributes of segments */
	uint16_t boot_cs;    /* of the first processor */
	uint64_t pat;
	uint32_t mxcsr;
	uint16_t fcw;
	uint32_t rdx; /* 0: the processor's signature */
};

static const struct vmm vmms[] = {
	[MEASURE_SNP_QEMU] = { "qemu", 0x9b, 0x93, 0x8b, 0x9b,
			       0x0007040600070406, 0x1f80, 0x37f, 0 },
	[MEASURE_SNP_EC2] = { "ec2", 0x9b, 0x92, 0x83, 0x9a,
			      0x0007040600070406, 0, 0, 0x600 },
	[MEASURE_SNP_GCE] = { "gce", 0x9b, 0x93, 0x8b, 0x9b,
			      0x00070106, 0, 0, 0x600 },
};

/* QEMU's processor types (target/i386/cpu.c): family, model, stepping.
 * Versions of a type share them. */
static const struct vcpu {
	const char *name;
	uint8_t versions; /* name-v1 to name-vN */
	uint32_t family, model, stepping;
} vcpus[] = {
	{ "EPYC", 5, 23, 1, 2 },
	{ "EPYC-IBPB", 0, 23, 1, 2 },
	{ "EPYC-Rome", 5, 23, 49, 0 },
	{ "EPYC-Milan", 3, 25, 1, 1 },
	{ "EPYC-Genoa", 2, 25, 17, 0 },
	{ "EPYC-Turin", 1, 26, 0, 0 },
};
/* clang-format on */

bool measure_snp_vmm(const char *name, enum measure_snp_vmm *out)
{
	for (size_t i = 0; i < countof(vmms); i++) {
		if (strcmp(vmms[i].name, name) != 0)
			continue;
		*out = (enum measure_snp_vmm)i;
		return true;
	}
	return false;
}

/* "-v3", of at most that many versions. */
static bool is_version(struct slice s, uint8_t versions)
{
	uint64_t v = 0;

	return slice_starts(s, S("-v")) && slice_u64(slice_from(s, 2), &v) &&
	       v >= 1 && v <= versions && s.p[2] != '0';
}

bool measure_snp_vcpu(const char *name, uint32_t *signature)
{
	for (size_t i = 0; i < countof(vcpus); i++) {
		const struct vcpu *v = &vcpus[i];
		struct slice given = slice_str(name);
		struct slice type = slice_str(v->name);

		if (!slice_starts(given, type))
			continue;
		struct slice rest = slice_from(given, type.len);
		if (rest.len != 0 && !is_version(rest, v->versions))
			continue;
		*signature =
			measure_snp_signature(v->family, v->model, v->stepping);
		return true;
	}
	return false;
}

const char *measure_snp_vcpu_name(size_t i)
{
	return i < countof(vcpus) ? vcpus[i].name : NULL;
}

uint32_t measure_snp_signature(uint32_t family, uint32_t model,
			       uint32_t stepping)
{
	uint32_t base = family > 0xf ? 0xf : family;

	return (family - base) << 20 | (model >> 4 & 0xf) << 16 | base << 8 |
	       (model & 0xf) << 4 | (stepping & 0xf);
}

static void put_le(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

static size_t put_entry(uint8_t *p, const uint8_t guid[static 16],
			const uint8_t hash[static 32])
{
	const size_t len = 16 + 2 + 32;

	memcpy(p, guid, 16);
	put_le(p + 16, len, 2);
	memcpy(p + 18, hash, 32);
	return len;
}

void measure_snp_hashes_page(const struct measure_snp_case *in, size_t at,
			     uint8_t page[static MEASURE_PAGE])
{
	const size_t len = 18 + 3 * 50; /* without padding */
	uint8_t *p = page + at;

	if (at > MEASURE_PAGE - MEASURE_SNP_TABLE)
		abort();
	memset(page, 0, MEASURE_PAGE);
	memcpy(p, guid_table, 16);
	put_le(p + 16, len, 2);
	p += 18;
	p += put_entry(p, guid_cmdline, in->cmdline);
	p += put_entry(p, guid_initrd, in->initrd);
	(void)put_entry(p, guid_kernel, in->kernel);
}

/* struct vmcb_seg: selector, attributes, limit, base. */
static void put_segment(uint8_t *p, uint16_t selector, uint16_t attributes,
			uint32_t limit, uint64_t base)
{
	put_le(p, selector, 2);
	put_le(p + 2, attributes, 2);
	put_le(p + 4, limit, 4);
	put_le(p + 8, base, 8);
}

/* Segments as they are after a reset, at the place where the VMSA has them. */
static void put_segments(const struct vmm *vmm, uint32_t eip, uint8_t *page)
{
	uint16_t cs = eip == 0xfffffff0 ? vmm->boot_cs : vmm->cs;

	put_segment(page + 0x000, 0, 0x93, 0xffff, 0); /* es */
	put_segment(page + 0x010, 0xf000, cs, 0xffff, eip & 0xffff0000);
	put_segment(page + 0x020, 0, vmm->ss, 0xffff, 0);
	put_segment(page + 0x030, 0, 0x93, 0xffff, 0); /* ds */
	put_segment(page + 0x040, 0, 0x93, 0xffff, 0); /* fs */
	put_segment(page + 0x050, 0, 0x93, 0xffff, 0); /* gs */
	put_segment(page + 0x060, 0, 0, 0xffff, 0);    /* gdtr */
	put_segment(page + 0x070, 0, 0x82, 0xffff, 0); /* ldtr */
	put_segment(page + 0x080, 0, 0, 0xffff, 0);    /* idtr */
	put_segment(page + 0x090, 0, vmm->tr, 0xffff, 0);
}

void measure_snp_vmsa(const struct measure_snp_case *in, uint32_t eip,
		      uint8_t page[static MEASURE_PAGE])
{
	const struct vmm *vmm = &vmms[in->vmm];
	uint32_t rdx = vmm->rdx != 0 ? vmm->rdx : in->vcpu_signature;
	/* Registers that are not zero (APM volume 2, table B-4). */
	const struct {
		uint16_t at, len;
		uint64_t value;
	} registers[] = {
		{ 0x0d0, 8, 0x1000 },	    /* efer: KVM sets SVME */
		{ 0x148, 8, 0x40 },	    /* cr4: KVM sets MCE */
		{ 0x158, 8, 0x10 },	    /* cr0 */
		{ 0x160, 8, 0x400 },	    /* dr7 */
		{ 0x168, 8, 0xffff0ff0 },   /* dr6 */
		{ 0x170, 8, 0x2 },	    /* rflags */
		{ 0x178, 8, eip & 0xffff }, /* rip */
		{ 0x268, 8, vmm->pat },	    /* g_pat */
		{ 0x310, 8, rdx },	    /* rdx */
		{ 0x3b0, 8, in->features }, /* sev_features */
		{ 0x3e8, 8, 1 },	    /* xcr0 */
		{ 0x408, 4, vmm->mxcsr },   /* mxcsr */
		{ 0x410, 2, vmm->fcw },	    /* x87 control word */
	};

	memset(page, 0, MEASURE_PAGE);
	put_segments(vmm, eip, page);
	for (size_t i = 0; i < countof(registers); i++)
		put_le(page + registers[i].at, registers[i].value,
		       registers[i].len);
}
