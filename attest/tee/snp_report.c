#include "attest/tee/snp_report.h"

#include <assert.h>

#include "core/cleanup.h"

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "fields are copied as they lie");

#define VERSION_MIN 2
#define VERSION_MAX 5
#define VERSION_CPUID 3 /* the first that names the processor */
#define VERSION_MIT 5	/* the first with mitigation vectors */
#define ALGO_P384_SHA384 1
#define KEY_INFO_RESERVED (~UINT32_C(0x1f))
#define AUTHOR_KEY_EN UINT32_C(1)
#define MASK_CHIP_KEY UINT32_C(2)

/* clang-format off */
/* One row a field: where it lies in the report, and where we keep it. */
#define FIELD(at, m) \
	{ at, sizeof(((struct snp_report *)0)->m), offsetof(struct snp_report, m) }
static const struct { uint16_t at, len, to; } fields[] = {
	FIELD(0x000, version),
	FIELD(0x004, guest_svn),
	FIELD(0x008, policy),
	FIELD(0x010, family_id),
	FIELD(0x020, image_id),
	FIELD(0x030, vmpl),
	FIELD(0x034, signature_algo),
	FIELD(0x038, current_tcb),
	FIELD(0x040, platform_info),
	FIELD(0x048, key_info),
	FIELD(0x050, report_data),
	FIELD(0x090, measurement),
	FIELD(0x0c0, host_data),
	FIELD(0x0e0, id_key_digest),
	FIELD(0x110, author_key_digest),
	FIELD(0x140, report_id),
	FIELD(0x160, report_id_ma),
	FIELD(0x180, reported_tcb),
	FIELD(0x188, cpuid),
	FIELD(0x1a0, chip_id),
	FIELD(0x1e0, committed_tcb),
	FIELD(0x1e8, current),
	FIELD(0x1ec, committed),
	FIELD(0x1f0, launch_tcb),
	FIELD(0x1f8, launch_mit_vector),
	FIELD(0x200, current_mit_vector),
	FIELD(0x2a0, sig_r),
	FIELD(0x2e8, sig_s),
};

/* Must be zero in versions below `before`: a set bit would be a statement
 * that we do not know.  The last three are not even under the signature. */
#define ALWAYS UINT32_MAX
static const struct { uint16_t from, to; uint32_t before; } reserved[] = {
	{ 0x04c, 0x050, ALWAYS },
	{ 0x188, 0x18b, VERSION_CPUID },
	{ 0x18b, 0x1a0, ALWAYS },
	{ 0x1eb, 0x1ec, ALWAYS },
	{ 0x1ef, 0x1f0, ALWAYS },
	{ 0x1f8, 0x208, VERSION_MIT },
	{ 0x208, 0x2a0, ALWAYS },
	{ 0x2a0 + SNP_NUMBER_LEN, 0x2e8, ALWAYS },
	{ 0x2e8 + SNP_NUMBER_LEN, 0x330, ALWAYS },
	{ 0x330, SNP_REPORT_LEN, ALWAYS },
};

/* AMD 57230, "Determining the product name": extended families and models. */
static const struct { uint8_t family, from, to; enum snp_product product; }
cpus[] = {
	{ 0x19, 0x00, 0x0f, SNP_MILAN },
	{ 0x19, 0x10, 0x1f, SNP_GENOA },
	{ 0x19, 0xa0, 0xaf, SNP_GENOA }, /* Bergamo, Siena */
	{ 0x1a, 0x00, 0x11, SNP_TURIN },
};

#define TCB_PART(m) offsetof(struct snp_tcb, m)
#define TCB_ZERO UINT8_MAX /* a reserved byte */
/* Which part each byte of a packed TCB is. */
static const uint8_t tcb_old[8] = {
	TCB_PART(bootloader), TCB_PART(tee), TCB_ZERO, TCB_ZERO,
	TCB_ZERO, TCB_ZERO, TCB_PART(snp), TCB_PART(microcode) };
static const uint8_t tcb_turin[8] = {
	TCB_PART(fmc), TCB_PART(bootloader), TCB_PART(tee), TCB_PART(snp),
	TCB_ZERO, TCB_ZERO, TCB_ZERO, TCB_PART(microcode) };
static const uint8_t *const tcb_layouts[SNP_PRODUCTS] = {
	[SNP_MILAN] = tcb_old, [SNP_GENOA] = tcb_old, [SNP_TURIN] = tcb_turin };
/* clang-format on */

static const char *const product_names[SNP_PRODUCTS] = {
	[SNP_MILAN] = "Milan",
	[SNP_GENOA] = "Genoa",
	[SNP_TURIN] = "Turin",
};

static const char *const key_names[SNP_KEYS] = {
	[SNP_KEY_VCEK] = "VCEK",
	[SNP_KEY_VLEK] = "VLEK",
};

const char *snp_report_product_name(enum snp_product p)
{
	return product_names[p];
}

const char *snp_report_key_name(enum snp_key k)
{
	return key_names[k];
}

/* ---- Parsing ---- */

static enum status check_reserved(struct slice raw, uint32_t version,
				  struct err *err)
{
	for (size_t i = 0; i < countof(reserved); i++) {
		size_t from = reserved[i].from, to = reserved[i].to;

		if (version < reserved[i].before &&
		    !all_zero(raw.p + from, to - from))
			return err_set(err, E_PARSE,
				       "snp report: expected zero in the "
				       "reserved bytes %#zx to %#zx of "
				       "version %u, found others",
				       from, to - 1, version);
	}
	return OK;
}

static enum status check_values(const struct snp_report *r, struct err *err)
{
	if ((r->policy & SNP_POLICY_RESERVED) != 0 ||
	    (r->policy & SNP_POLICY_ONE) == 0)
		return err_set(err, E_PARSE,
			       "snp report: policy: expected bit 17 set and "
			       "bits 63 to 26 clear, found %#llx",
			       (unsigned long long)r->policy);
	if ((r->key_info & KEY_INFO_RESERVED) != 0)
		return err_set(err, E_PARSE,
			       "snp report: key information: expected bits 31 "
			       "to 5 clear, found %#x",
			       r->key_info);
	if (r->vmpl > 3 && r->vmpl != SNP_VMPL_HOST)
		return err_set(err, E_PARSE,
			       "snp report: VMPL: expected 0 to 3, or "
			       "0xffffffff for the host, found %u",
			       r->vmpl);
	if (r->signature_algo != ALGO_P384_SHA384)
		return err_set(err, E_PARSE,
			       "snp report: signature algorithm: expected %d "
			       "(ECDSA P-384 with SHA-384), found %u",
			       ALGO_P384_SHA384, r->signature_algo);
	return OK;
}

enum status snp_report_parse(struct slice raw, struct snp_report *out,
			     struct err *err)
{
	struct snp_report r = { 0 };

	if (raw.len != SNP_REPORT_LEN)
		return err_set(err, E_PARSE,
			       "snp report: expected %d bytes, found %zu",
			       SNP_REPORT_LEN, raw.len);

	for (size_t i = 0; i < countof(fields); i++)
		memcpy((uint8_t *)&r + fields[i].to, raw.p + fields[i].at,
		       fields[i].len);

	if (r.version < VERSION_MIN || r.version > VERSION_MAX)
		return err_set(err, E_PARSE,
			       "snp report: expected version %d to %d, "
			       "found %u",
			       VERSION_MIN, VERSION_MAX, r.version);
	TRY(check_reserved(raw, r.version, err));
	TRY(check_values(&r, err));
	*out = r;
	return OK;
}

/* ---- What it says ---- */

bool snp_report_author_key_en(const struct snp_report *r)
{
	return (r->key_info & AUTHOR_KEY_EN) != 0;
}

bool snp_report_mask_chip_key(const struct snp_report *r)
{
	return (r->key_info & MASK_CHIP_KEY) != 0;
}

uint32_t snp_report_signing_key(const struct snp_report *r)
{
	return r->key_info >> 2 & 7;
}

bool snp_report_product(const struct snp_report *r, enum snp_product *out)
{
	if (r->version < VERSION_CPUID)
		return false;
	for (size_t i = 0; i < countof(cpus); i++) {
		if (r->cpuid[0] != cpus[i].family ||
		    r->cpuid[1] < cpus[i].from || r->cpuid[1] > cpus[i].to)
			continue;
		*out = cpus[i].product;
		return true;
	}
	return false;
}

/* ---- TCB ---- */

enum status snp_report_tcb(const uint8_t raw[static 8], enum snp_product p,
			   struct snp_tcb *out, struct err *err)
{
	const uint8_t *layout = tcb_layouts[p];
	struct snp_tcb t = { 0 };

	for (size_t i = 0; i < 8; i++) {
		if (layout[i] != TCB_ZERO)
			((uint8_t *)&t)[layout[i]] = raw[i];
		else if (raw[i] != 0)
			return err_set(err, E_PARSE,
				       "snp tcb: byte %zu: expected 0 on %s, "
				       "found %u",
				       i, product_names[p], raw[i]);
	}
	*out = t;
	return OK;
}

bool snp_report_tcb_at_most(const struct snp_tcb *a, const struct snp_tcb *b)
{
	return a->fmc <= b->fmc && a->bootloader <= b->bootloader &&
	       a->tee <= b->tee && a->snp <= b->snp &&
	       a->microcode <= b->microcode;
}

bool snp_report_tcb_eq(const struct snp_tcb *a, const struct snp_tcb *b)
{
	return snp_report_tcb_at_most(a, b) && snp_report_tcb_at_most(b, a);
}

void snp_report_tcb_text(const struct snp_tcb *t, enum snp_product p,
			 char out[static SNP_TCB_TEXT])
{
	char fmc[16] = "";

	if (p == SNP_TURIN)
		(void)snprintf(fmc, sizeof(fmc), "fmc %u, ", t->fmc);
	(void)snprintf(out, SNP_TCB_TEXT,
		       "%sbootloader %u, tee %u, snp %u, microcode %u", fmc,
		       t->bootloader, t->tee, t->snp, t->microcode);
}
