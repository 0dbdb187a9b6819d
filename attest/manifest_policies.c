/* The policies of a manifest: one table of rows for each TEE. */
#include "attest/manifest_read.h"
#include "attest/tee/snp_report.h"
#include "core/cleanup.h"
#include "core/text.h"

static const char *const tee_names[] = {
	[MANIFEST_SNP] = "snp",
	[MANIFEST_TDX] = "tdx",
	[MANIFEST_SIM] = "sim",
};

const char *manifest_tee_name(enum manifest_tee tee)
{
	return (size_t)tee < countof(tee_names) ? tee_names[tee] : "unknown";
}

/* ---- What texts may be ---- */

static bool is_one_of(struct slice s, const char *const *words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq_str(s, words[i]))
			return true;
	return false;
}

static bool is_product(struct slice s)
{
	static const char *const words[] = { "Milan", "Genoa", "Turin" };

	return is_one_of(s, words, countof(words));
}

/* Not those that say the platform is known to be broken. */
static bool is_tcb_status(struct slice s)
{
	static const char *const words[] = {
		"UpToDate",
		"SWHardeningNeeded",
		"ConfigurationNeeded",
		"ConfigurationAndSWHardeningNeeded",
		"TDRelaunchAdvised",
		"TDRelaunchAdvisedConfigurationNeeded",
	};

	return is_one_of(s, words, countof(words));
}

static bool is_advisory(struct slice s)
{
	struct slice prefix = S("INTEL-SA-");
	uint64_t number;

	return slice_starts(s, prefix) && s.len <= prefix.len + 8 &&
	       slice_u64(slice_from(s, prefix.len), &number);
}

static bool is_arch(struct slice s)
{
	static const char *const words[] = { "hopper", "blackwell" };

	return is_one_of(s, words, countof(words));
}

/* Digits and capital letters with dots: "570.86.15", "96.00.74.00.1A". */
static bool is_version(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ.", s.p[i]) ==
		    NULL)
			return false;
	return s.len > 0 && s.len <= 32;
}

/* As the VLEK's certificate has it: "CN=cc-us-east-2.amazonaws.com". */
static bool is_csp_id(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] < ' ' || s.p[i] > '~')
			return false;
	return s.len > 0 && s.len <= 127;
}

/* ---- The tables ---- */

/* clang-format off */
#define AT(m) offsetof(struct manifest_policy, m)
#define D48 "a list of digests, each 96 lower-case hex digits"
#define D32 "a list of digests, each 64 lower-case hex digits"
#define D16 "a list of values, each 32 lower-case hex digits"
#define TOLERATE "true or false (true: tolerated)"
#define EITHER "true or false (true: on, false: off)"
#define MASK "16 lower-case hex digits, the highest bits first"
#define PART "a number from 0 to 255"

static const struct manifest_range byte = { 0, 255 };
static const struct manifest_range vmpl = { 0, 3 };
static const struct manifest_range svn = { 0, UINT32_MAX };
static const struct manifest_range report_version = { 2, 5 };
static const struct manifest_range gpu_count = { 1, 16 };
static const struct manifest_range grace = { 0, 720 };
static const struct manifest_lengths digest48 = {
	48, 0, "96 lower-case hex digits" };
static const struct manifest_lengths digest32 = {
	32, 0, "64 lower-case hex digits" };
static const struct manifest_lengths digest16 = {
	16, 0, "32 lower-case hex digits" };
static const struct manifest_lengths digest6 = {
	6, 0, "12 lower-case hex digits" };
static const struct manifest_lengths chip = {
	64, 8, "128 lower-case hex digits (16 for Turin)" };
static const struct manifest_list products = {
	false, is_product, "Milan, Genoa or Turin" };
static const struct manifest_list tcb_status = { false, is_tcb_status,
	"UpToDate, SWHardeningNeeded, ConfigurationNeeded, "
	"ConfigurationAndSWHardeningNeeded, TDRelaunchAdvised or "
	"TDRelaunchAdvisedConfigurationNeeded" };
static const struct manifest_list advisories = {
	true, is_advisory, "an advisory such as INTEL-SA-00837" };
static const struct manifest_list archs = {
	false, is_arch, "hopper or blackwell" };
static const struct manifest_list versions = {
	false, is_version, "a version such as 570.86.15 or 96.00.74.00.1A" };
static const struct manifest_list csp_ids = { false, is_csp_id,
	"a provider as its certificates name it, such as "
	"CN=cc-us-east-2.amazonaws.com" };
static const struct manifest_words tees = { countof(tee_names), tee_names };

#define ROW_TEE MUST("tee", word, AT(tee), "snp, tdx or sim", &tees)

static const struct manifest_row ocsp_rows[] = {
	MAY("unknown", bool, AT(gpus.ocsp_unknown), TOLERATE, NULL),
	MAY("revoked_grace_hours", u32, AT(gpus.ocsp_revoked_grace),
	    "hours from 0 to 720", &grace),
};
static const struct manifest_shape ocsp = MANIFEST_SHAPE(ocsp_rows);

static const struct manifest_row gpu_rows[] = {
	MUST("arch", strings, AT(gpus.arch), "a list of architectures", &archs),
	MUST("count", u32, AT(gpus.count), "a number from 1 to 16", &gpu_count),
	MUST("drivers", strings, AT(gpus.drivers), "a list of driver versions",
	     &versions),
	MUST("vbios", strings, AT(gpus.vbios), "a list of VBIOS versions",
	     &versions),
	MAY("ocsp", inner, 0, "an object", &ocsp),
};
static const struct manifest_shape gpus = MANIFEST_SHAPE(gpu_rows);

/* "gpus" also sets that it is there. */
static manifest_reader read_gpus;
#define ROW_GPUS { "gpus", false, read_gpus, 0, "an object", &gpus }

static const struct manifest_row min_tcb_rows[] = {
	MUST("bootloader", u8, AT(snp.min_bootloader), PART, &byte),
	MUST("tee", u8, AT(snp.min_tee), PART, &byte),
	MUST("snp", u8, AT(snp.min_snp), PART, &byte),
	MUST("microcode", u8, AT(snp.min_microcode), PART, &byte),
	MAY("fmc", u8, AT(snp.min_fmc), PART, &byte),
};
static const struct manifest_shape min_tcb = MANIFEST_SHAPE(min_tcb_rows);

static const struct manifest_row abi_rows[] = {
	MUST("major", u8, AT(snp.min_abi_major), PART, &byte),
	MUST("minor", u8, AT(snp.min_abi_minor), PART, &byte),
};
static const struct manifest_shape min_abi = MANIFEST_SHAPE(abi_rows);

static const struct manifest_row firmware_rows[] = {
	MUST("major", u8, AT(snp.min_firmware_major), PART, &byte),
	MUST("minor", u8, AT(snp.min_firmware_minor), PART, &byte),
	MUST("build", u8, AT(snp.min_firmware_build), PART, &byte),
};
static const struct manifest_shape min_firmware =
	MANIFEST_SHAPE(firmware_rows);

#define BIT(name, member, bits) \
	MAY(name, bit, AT(member), EITHER, &(const uint64_t){ bits })
static const struct manifest_row guest_rows[] = {
	MAY("debug", bool, AT(snp.debug), TOLERATE, NULL),
	MAY("migrate", bool, AT(snp.migrate), TOLERATE, NULL),
	MAY("smt", bool, AT(snp.smt), TOLERATE, NULL),
	MAY("cxl", bool, AT(snp.cxl), TOLERATE, NULL),
	BIT("single_socket", snp.guest, SNP_POLICY_SINGLE_SOCKET),
	BIT("aes_256_xts", snp.guest, SNP_POLICY_MEM_AES_256_XTS),
	BIT("rapl_disabled", snp.guest, SNP_POLICY_RAPL_DIS),
	BIT("ciphertext_hiding", snp.guest, SNP_POLICY_CIPHERTEXT_HIDING),
	BIT("page_swap_disabled", snp.guest, SNP_POLICY_PAGE_SWAP_DISABLE),
	MAY("min_abi", inner, 0, "an object", &min_abi),
};
static const struct manifest_shape guest_policy = MANIFEST_SHAPE(guest_rows);

static const struct manifest_row platform_rows[] = {
	BIT("smt", snp.platform, SNP_PLATFORM_SMT),
	BIT("tsme", snp.platform, SNP_PLATFORM_TSME),
	BIT("ecc", snp.platform, SNP_PLATFORM_ECC),
	BIT("rapl_disabled", snp.platform, SNP_PLATFORM_RAPL_DIS),
	BIT("ciphertext_hiding", snp.platform, SNP_PLATFORM_CIPHERTEXT_HIDING),
	BIT("alias_check", snp.platform, SNP_PLATFORM_ALIAS_CHECK),
	BIT("tio", snp.platform, SNP_PLATFORM_TIO),
};
static const struct manifest_shape platform = MANIFEST_SHAPE(platform_rows);

static const struct manifest_row mitigation_rows[] = {
	MAY("launch", word64, AT(snp.launch_mitigations), MASK, NULL),
	MAY("current", word64, AT(snp.current_mitigations), MASK, NULL),
};
static const struct manifest_shape mitigations =
	MANIFEST_SHAPE(mitigation_rows);

static const struct manifest_row snp_rows[] = {
	ROW_TEE,
	MUST("products", strings, AT(snp.products), "a list of products",
	     &products),
	MUST("measurements", digests, AT(snp.measurements), D48, &digest48),
	MUST("min_tcb", inner, 0, "an object of the lowest versions", &min_tcb),
	MAY("guest_policy", inner, 0, "an object", &guest_policy),
	MAY("platform", inner, 0, "an object", &platform),
	MAY("vmpl", u8, AT(snp.vmpl), "a number from 0 to 3", &vmpl),
	MAY("id_key_digests", digests, AT(snp.id_key_digests), D48, &digest48),
	MAY("author_key_digests", digests, AT(snp.author_key_digests), D48,
	    &digest48),
	MAY("host_data", digests, AT(snp.host_data), D32, &digest32),
	MAY("family_ids", digests, AT(snp.family_ids), D16, &digest16),
	MAY("image_ids", digests, AT(snp.image_ids), D16, &digest16),
	MAY("chip_ids", digests, AT(snp.chip_ids), "a list of chip ids", &chip),
	MAY("denied_chip_ids", digests, AT(snp.denied_chip_ids),
	    "a list of chip ids", &chip),
	MAY("csp_ids", strings, AT(snp.csp_ids), "a list of providers",
	    &csp_ids),
	MAY("masked_chip_id", bool, AT(snp.masked_chip_id), TOLERATE, NULL),
	MAY("provisional", bool, AT(snp.provisional), TOLERATE, NULL),
	MAY("crl", bool, AT(snp.crl), "true or false (true: required)", NULL),
	MAY("mitigations", inner, 0, "an object", &mitigations),
	MAY("min_firmware", inner, 0, "an object", &min_firmware),
	MAY("min_guest_svn", u32, AT(snp.min_guest_svn),
	    "a number from 0 to 4294967295", &svn),
	MAY("min_report_version", u32, AT(snp.min_report_version),
	    "a number from 2 to 5", &report_version),
	ROW_GPUS,
};

static const struct manifest_row rtmr_rows[] = {
	MUST("0", digests, AT(tdx.rtmr[0]), D48, &digest48),
	MUST("1", digests, AT(tdx.rtmr[1]), D48, &digest48),
	MUST("2", digests, AT(tdx.rtmr[2]), D48, &digest48),
	MUST("3", digests, AT(tdx.rtmr[3]), D48, &digest48),
};
static const struct manifest_shape rtmrs = MANIFEST_SHAPE(rtmr_rows);

/* "xfam" also sets that it is there; of "perfmon" false is kept. */
static manifest_reader read_xfam, read_perfmon;

static const struct manifest_row attribute_rows[] = {
	MAY("debug", bool, AT(tdx.debug), TOLERATE, NULL),
	MAY("migratable", bool, AT(tdx.migratable), TOLERATE, NULL),
	MAY("sept_ve", bool, AT(tdx.sept_ve), TOLERATE, NULL),
	{ "perfmon", false, read_perfmon, AT(tdx.no_perfmon), TOLERATE, NULL },
};
static const struct manifest_shape attributes = MANIFEST_SHAPE(attribute_rows);

static const struct manifest_row tdx_rows[] = {
	ROW_TEE,
	MUST("mrtd", digests, AT(tdx.mrtd), D48, &digest48),
	MUST("rtmrs", inner, 0, "an object of the registers 0 to 3", &rtmrs),
	MAY("mrconfigid", digests, AT(tdx.mrconfigid), D48, &digest48),
	MAY("mrowner", digests, AT(tdx.mrowner), D48, &digest48),
	MAY("mrownerconfig", digests, AT(tdx.mrownerconfig), D48, &digest48),
	MAY("mrservicetd", digests, AT(tdx.mrservicetd), D48, &digest48),
	MAY("mrseam", digests, AT(tdx.mrseam), D48, &digest48),
	MAY("mrsignerseam", digests, AT(tdx.mrsignerseam), D48, &digest48),
	MAY("attributes", inner, 0, "an object", &attributes),
	{ "xfam", false, read_xfam, 0, MASK, NULL },
	MUST("tcb_status", strings, AT(tdx.tcb_status),
	     "a list of TCB statuses", &tcb_status),
	MAY("advisories", strings, AT(tdx.advisories), "a list of advisories",
	    &advisories),
	MAY("min_evaluation", u32, AT(tdx.min_evaluation),
	    "a number from 0 to 4294967295", &svn),
	MAY("min_tcb_date", time, AT(tdx.min_tcb_date),
	    "a time such as 2026-11-21T09:00:00Z", NULL),
	MAY("min_tee_tcb_svn", hex16, AT(tdx.min_tee_tcb_svn),
	    "32 lower-case hex digits", NULL),
	MAY("fmspcs", digests, AT(tdx.fmspcs),
	    "a list of families, each 12 lower-case hex digits", &digest6),
	MAY("platform_ids", digests, AT(tdx.platform_ids), D16, &digest16),
	MAY("ppids", digests, AT(tdx.ppids), D16, &digest16),
	ROW_GPUS,
};

static const struct manifest_row sim_rows[] = {
	ROW_TEE,
	MUST("root", hex32, AT(sim.root),
	     "64 lower-case hex digits, the SHA-256 of the root's public key",
	     NULL),
	MUST("measurements", digests, AT(sim.measurements), D48, &digest48),
	MAY("min_svn", u32, AT(sim.min_svn), "a number from 0 to 4294967295",
	    &svn),
	MAY("debug", bool, AT(sim.debug), TOLERATE, NULL),
};

static const struct manifest_shape shapes[] = {
	[MANIFEST_SNP] = MANIFEST_SHAPE(snp_rows),
	[MANIFEST_TDX] = MANIFEST_SHAPE(tdx_rows),
	[MANIFEST_SIM] = MANIFEST_SHAPE(sim_rows),
};
/* clang-format on */

static enum status read_gpus(const struct json *j,
			     const struct manifest_row *row, void *to,
			     struct err *err)
{
	struct manifest_policy *p = to; /* the row's offset is 0 */

	p->has_gpus = true;
	return manifest_read_inner(j, row, to, err);
}

static enum status read_xfam(const struct json *j,
			     const struct manifest_row *row, void *to,
			     struct err *err)
{
	struct manifest_policy *p = to; /* the row's offset is 0 */

	p->tdx.has_xfam = true;
	return manifest_read_word64(j, row, &p->tdx.xfam, err);
}

static enum status read_perfmon(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	bool tolerated;

	TRY(manifest_read_bool(j, row, &tolerated, err));
	*(bool *)to = !tolerated;
	return OK;
}

/* The member "tee" first: it says which table the others are in. */
static enum status read_policy(const struct json *j, struct manifest_policy *p,
			       struct err *err)
{
	static const struct manifest_row row_tee = ROW_TEE;

	if (!text_is_name(json_name(j)))
		return manifest_expected(
			j, "a name (1 to 64 of a-z 0-9 . _ -) for the policy",
			err);
	TRY(manifest_copy(json_name(j), &p->name, err));
	if (json_kind(j) != JSON_OBJECT)
		return manifest_expected(j, "a policy, an object", err);
	const struct json *tee = json_get(j, "tee");
	if (tee == NULL)
		return err_set(err, E_CONF,
			       "%s.tee: expected %s, found nothing",
			       json_path(j), row_tee.what);
	TRY(manifest_read_word(tee, &row_tee, &p->tee, err));
	return manifest_read_object(j, &shapes[p->tee], p, err);
}

enum status manifest_read_policies(const struct json *j, struct manifest *m,
				   struct err *err)
{
	void *items;
	size_t i = 0;

	TRY(manifest_alloc(j, "an object of policies", JSON_OBJECT,
			   sizeof(*m->policy), &m->n_policies, &items, err));
	m->policy = items;
	for (const struct json *p = json_first(j); p != NULL; p = json_next(p))
		TRY(read_policy(p, &m->policy[i++], err));
	return OK;
}

static void snp_done(struct manifest_snp *p)
{
	manifest_strings_done(&p->products);
	manifest_digests_done(&p->measurements);
	manifest_digests_done(&p->id_key_digests);
	manifest_digests_done(&p->author_key_digests);
	manifest_digests_done(&p->host_data);
	manifest_digests_done(&p->family_ids);
	manifest_digests_done(&p->image_ids);
	manifest_digests_done(&p->chip_ids);
	manifest_digests_done(&p->denied_chip_ids);
	manifest_strings_done(&p->csp_ids);
}

static void tdx_done(struct manifest_tdx *p)
{
	manifest_digests_done(&p->mrtd);
	for (size_t i = 0; i < countof(p->rtmr); i++)
		manifest_digests_done(&p->rtmr[i]);
	manifest_digests_done(&p->mrconfigid);
	manifest_digests_done(&p->mrowner);
	manifest_digests_done(&p->mrownerconfig);
	manifest_digests_done(&p->mrservicetd);
	manifest_digests_done(&p->mrseam);
	manifest_digests_done(&p->mrsignerseam);
	manifest_strings_done(&p->tcb_status);
	manifest_strings_done(&p->advisories);
	manifest_digests_done(&p->fmspcs);
	manifest_digests_done(&p->platform_ids);
	manifest_digests_done(&p->ppids);
}

void manifest_policy_done(struct manifest_policy *p)
{
	mem_free(p->name);
	snp_done(&p->snp);
	tdx_done(&p->tdx);
	manifest_digests_done(&p->sim.measurements);
	manifest_strings_done(&p->gpus.arch);
	manifest_strings_done(&p->gpus.drivers);
	manifest_strings_done(&p->gpus.vbios);
}
