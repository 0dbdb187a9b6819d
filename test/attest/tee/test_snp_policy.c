#include "attest/tee/snp_policy.h"

#include "core/cleanup.h"
#include "test/attest/tee/snp_forge.h"
#include "test/test.h"

static const struct snp_forge *forge_of(enum snp_key key)
{
	static struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, key, 5);
	return &f;
}

/* What a genuine report of this kind claims. */
static struct snp_claims claims_of(enum snp_key key)
{
	auto_trace struct trace t;
	auto_forged struct snp_forged made;
	struct snp_claims claims = { 0 };
	struct err err;

	trace_init(&t);
	snp_forge_make(forge_of(key), &made);
	const struct snp_case c = snp_forge_case(&made);
	EXPECT(snp_verify(&c, &t, &claims, &err) == OK);
	return claims;
}

/* Judge: NULL when all holds, or the first rule that does not. */
static const char *judge(const struct snp_policy *p, const struct snp_claims *c)
{
	auto_trace struct trace t;

	trace_init(&t);
	bool held = snp_policy_holds(p, c, &t);
	const struct trace_step *failed = trace_first_failure(&t);
	EXPECT(held == (failed == NULL));
	EXPECT(failed == NULL || failed->rule->code == E_POLICY);
	return failed == NULL ? NULL : failed->rule->step;
}

static bool is(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		return a == b;
	return strcmp(a, b) == 0;
}

static struct manifest_digests list_of(struct manifest_digest *d,
				       struct slice value)
{
	d->len = (uint8_t)value.len;
	memcpy(d->value, value.p, value.len);
	return (struct manifest_digests){ 1, d };
}

TEST(the_defaults_take_a_plain_report)
{
	const struct snp_claims vcek = claims_of(SNP_KEY_VCEK);
	const struct snp_claims vlek = claims_of(SNP_KEY_VLEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	CHECK(judge(&p, &vcek) == NULL);
	CHECK(judge(&p, &vlek) == NULL);
}

TEST(the_defaults_refuse_what_opens_a_guest)
{
	const struct snp_claims good = claims_of(SNP_KEY_VCEK);
	struct snp_policy p;
	struct snp_claims c;

	snp_policy_defaults(&p);
	c = good;
	c.report.policy |= SNP_POLICY_DEBUG;
	CHECK(is(judge(&p, &c), "policy.debug"));
	c = good;
	c.report.policy |= SNP_POLICY_MIGRATE_MA;
	CHECK(is(judge(&p, &c), "policy.migrate"));
	c = good;
	c.report.report_id_ma[31] = 0xfe;
	CHECK(is(judge(&p, &c), "policy.migration_agent"));
	c = good;
	c.report.vmpl = 1;
	CHECK(is(judge(&p, &c), "policy.vmpl"));
	c.report.vmpl = SNP_VMPL_HOST;
	CHECK(is(judge(&p, &c), "policy.vmpl"));
	c = good;
	c.chip_masked = true;
	CHECK(is(judge(&p, &c), "policy.masked_chip"));
	for (size_t bit = 0; bit < 64; bit++) {
		c = good;
		c.report.platform_info |= UINT64_C(1) << bit;
		CHECK(is(judge(&p, &c),
			 bit < 8 ? NULL : "policy.platform.reserved"));
	}
}

TEST(a_report_that_the_host_asked_for_never_holds)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	c.report.vmpl = p.vmpl = SNP_VMPL_HOST;
	CHECK(is(judge(&p, &c), "policy.vmpl"));
	c.report.vmpl = p.vmpl = 3;
	CHECK(judge(&p, &c) == NULL);
}

/* Each bit: asked on, asked off, not asked. */
TEST(every_bit_can_be_asked_on_and_off)
{
	static const struct {
		uint64_t bit;
		const char *step;
		bool platform;
	} rows[] = {
		{ SNP_POLICY_DEBUG, "policy.debug", false },
		{ SNP_POLICY_MIGRATE_MA, "policy.migrate", false },
		{ SNP_POLICY_SMT, "policy.smt", false },
		{ SNP_POLICY_SINGLE_SOCKET, "policy.single_socket", false },
		{ SNP_POLICY_CXL_ALLOW, "policy.cxl", false },
		{ SNP_POLICY_MEM_AES_256_XTS, "policy.aes_xts", false },
		{ SNP_POLICY_RAPL_DIS, "policy.rapl", false },
		{ SNP_POLICY_CIPHERTEXT_HIDING, "policy.ciphertext_hiding",
		  false },
		{ SNP_POLICY_PAGE_SWAP_DISABLE, "policy.page_swap", false },
		{ SNP_PLATFORM_SMT, "policy.platform.smt", true },
		{ SNP_PLATFORM_TSME, "policy.platform.tsme", true },
		{ SNP_PLATFORM_ECC, "policy.platform.ecc", true },
		{ SNP_PLATFORM_RAPL_DIS, "policy.platform.rapl", true },
		{ SNP_PLATFORM_CIPHERTEXT_HIDING,
		  "policy.platform.ciphertext_hiding", true },
		{ SNP_PLATFORM_ALIAS_CHECK, "policy.platform.alias_check",
		  true },
		{ SNP_PLATFORM_TIO, "policy.platform.tio", true },
	};
	const struct snp_claims good = claims_of(SNP_KEY_VCEK);

	for (size_t i = 0; i < countof(rows); i++) {
		struct snp_claims c = good;
		uint64_t *word = rows[i].platform ? &c.report.platform_info
						  : &c.report.policy;

		for (int on = 0; on < 2; on++) {
			struct snp_policy p;

			*word = (*word & ~rows[i].bit) | (on ? rows[i].bit : 0);
			snp_policy_defaults(&p);
			p.policy_clear = 0;
			CHECK(judge(&p, &c) == NULL);
			*(rows[i].platform ? &p.platform_set : &p.policy_set) =
				rows[i].bit;
			CHECK(is(judge(&p, &c), on ? NULL : rows[i].step));
			p.platform_set = p.policy_set = 0;
			*(rows[i].platform ? &p.platform_clear
					   : &p.policy_clear) = rows[i].bit;
			CHECK(is(judge(&p, &c), on ? rows[i].step : NULL));
		}
	}
}

TEST(lists_name_what_is_allowed)
{
	const struct snp_claims c = claims_of(SNP_KEY_VCEK);
	const struct {
		size_t list;
		struct slice value;
		const char *step;
	} rows[] = {
		{ offsetof(struct snp_policy, measurements),
		  slice_of(c.report.measurement), "policy.measurement" },
		{ offsetof(struct snp_policy, host_data),
		  slice_of(c.report.host_data), "policy.host_data" },
		{ offsetof(struct snp_policy, family_ids),
		  slice_of(c.report.family_id), "policy.family_id" },
		{ offsetof(struct snp_policy, image_ids),
		  slice_of(c.report.image_id), "policy.image_id" },
		{ offsetof(struct snp_policy, chips), slice_of(c.key.hwid),
		  "policy.chip" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct manifest_digest d;
		struct manifest_digests l = list_of(&d, rows[i].value);
		const struct manifest_digests *at = &l;
		struct snp_policy p;

		snp_policy_defaults(&p);
		memcpy((uint8_t *)&p + rows[i].list, &at, sizeof(at));
		CHECK(judge(&p, &c) == NULL);
		d.value[d.len - 1] ^= 1;
		CHECK(is(judge(&p, &c), rows[i].step));
		d.value[d.len - 1] ^= 1;
		l.n = 0; /* an empty list allows nothing */
		CHECK(is(judge(&p, &c), rows[i].step));
	}
}

TEST(keys_of_the_id_block_must_have_signed)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct manifest_digest d;
	struct manifest_digests l =
		list_of(&d, slice_of(c.report.id_key_digest)); /* zeros */
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.id_keys = &l;
	CHECK(is(judge(&p, &c), "policy.id_key"));
	d.value[0] = c.report.id_key_digest[0] = 7;
	CHECK(judge(&p, &c) == NULL);
	p.author_keys = &l;
	CHECK(is(judge(&p, &c), "policy.author_key"));
	c.report.author_key_digest[0] = 7; /* there, but not in use */
	CHECK(is(judge(&p, &c), "policy.author_key"));
	c.report.key_info |= 1;
	CHECK(judge(&p, &c) == NULL);
}

TEST(report_data_is_compared_whole)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	uint8_t want[64];
	struct snp_policy p;

	snp_policy_defaults(&p);
	memcpy(want, c.report.report_data, sizeof(want));
	p.report_data = want;
	CHECK(judge(&p, &c) == NULL);
	want[63] ^= 1;
	CHECK(is(judge(&p, &c), "policy.report_data"));
}

TEST(chips_are_told_by_the_key_that_signed)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct manifest_digest d;
	struct manifest_digests l = list_of(&d, slice_of(c.key.hwid));
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.masked_chip = true;
	p.chips = &l;
	memset(c.report.chip_id, 0, sizeof(c.report.chip_id));
	c.chip_masked = true;
	CHECK(judge(&p, &c) == NULL); /* masked, but the key tells */
	memset(d.value, 0, sizeof(d.value));
	CHECK(is(judge(&p, &c), "policy.chip")); /* zeros are no chip */
	memset(c.key.hwid, 0, sizeof(c.key.hwid));
	CHECK(is(judge(&p, &c), "policy.chip"));
}

TEST(short_chip_ids_are_turins)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct manifest_digest d;
	struct manifest_digests l = list_of(&d, slice_make(c.key.hwid, 8));
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.chips = &l;
	CHECK(is(judge(&p, &c), "policy.chip")); /* a prefix is not enough */
	memset(c.key.hwid + 8, 0, 56);
	CHECK(judge(&p, &c) == NULL);
	l = list_of(&d, slice_of(c.key.hwid));
	CHECK(judge(&p, &c) == NULL);
}

TEST(chips_can_be_denied_and_unknown_ones_are)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct manifest_digest d;
	struct manifest_digests l = list_of(&d, slice_of(c.key.hwid));
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.denied_chips = &l;
	CHECK(is(judge(&p, &c), "policy.denied_chip"));
	d.value[0] ^= 1;
	CHECK(judge(&p, &c) == NULL);
	c = claims_of(SNP_KEY_VLEK); /* masked: it could be any */
	CHECK(is(judge(&p, &c), "policy.denied_chip"));
	p.denied_chips = NULL;
	p.chips = &l;
	CHECK(is(judge(&p, &c), "policy.chip"));
	memcpy(c.report.chip_id, d.value, 64);
	c.chip_masked = false;
	CHECK(judge(&p, &c) == NULL);
}

TEST(a_vlek_is_for_whom_the_policy_names)
{
	static char mine[] = "CN=cc-forged.example", other[] = "CN=other";
	char *list[] = { other, mine };
	struct manifest_strings l = { 1, list };
	const struct snp_claims vcek = claims_of(SNP_KEY_VCEK);
	const struct snp_claims vlek = claims_of(SNP_KEY_VLEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.csp_ids = &l;
	CHECK(is(judge(&p, &vlek), "policy.csp_id"));
	CHECK(judge(&p, &vcek) == NULL);
	l.n = 2;
	CHECK(judge(&p, &vlek) == NULL);
	p.vlek = false;
	CHECK(is(judge(&p, &vlek), "policy.key"));
	CHECK(judge(&p, &vcek) == NULL);
}

TEST(every_tcb_has_every_part_at_least)
{
	const struct snp_claims good = claims_of(SNP_KEY_VCEK);

	for (size_t part = 0; part < sizeof(struct snp_tcb); part++) {
		struct snp_claims c = good;
		struct snp_policy p;

		c.product = SNP_TURIN;
		snp_policy_defaults(&p);
		p.min_tcb = good.reported_tcb;
		CHECK(judge(&p, &c) == NULL);
		((uint8_t *)&p.min_tcb)[part]++;
		CHECK(is(judge(&p, &c), "policy.tcb.reported"));
		((uint8_t *)&c.reported_tcb)[part]++;
		CHECK(is(judge(&p, &c), "policy.tcb.committed"));
		((uint8_t *)&c.committed_tcb)[part]++;
		CHECK(is(judge(&p, &c), "policy.tcb.launch"));
		((uint8_t *)&c.launch_tcb)[part]++;
		CHECK(judge(&p, &c) == NULL);
	}
}

TEST(fmc_counts_on_turin_alone)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.min_tcb.fmc = 1;
	CHECK(judge(&p, &c) == NULL);
	c.product = SNP_TURIN;
	CHECK(is(judge(&p, &c), "policy.tcb.reported"));
}

TEST(provisional_firmware_is_told_by_tcb_and_version)
{
	const struct snp_claims good = claims_of(SNP_KEY_VCEK);
	struct snp_claims c = good;
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.provisional = false;
	CHECK(judge(&p, &c) == NULL);
	c.current_tcb.microcode++;
	CHECK(is(judge(&p, &c), "policy.provisional"));
	c = good;
	c.report.current.build++;
	CHECK(is(judge(&p, &c), "policy.provisional"));
	p.provisional = true;
	CHECK(judge(&p, &c) == NULL);
}

TEST(versions_are_at_least_what_is_asked)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.min_firmware = c.report.committed;
	p.min_version = 5;
	p.min_guest_svn = c.report.guest_svn = 3;
	p.min_abi_minor = 0x1f;
	CHECK(judge(&p, &c) == NULL);
	p.min_firmware.build++;
	CHECK(is(judge(&p, &c), "policy.firmware"));
	c.report.committed.minor++; /* counts more than the build */
	c.report.committed.build = 0;
	CHECK(judge(&p, &c) == NULL);
	p.min_version = 6;
	CHECK(is(judge(&p, &c), "policy.version"));
	p.min_version = 2;
	p.min_guest_svn = 4;
	CHECK(is(judge(&p, &c), "policy.guest_svn"));
	p.min_guest_svn = 0;
	p.min_abi_minor = 0x20;
	CHECK(is(judge(&p, &c), "policy.abi"));
	c.report.policy |= 0x100; /* major 1 */
	CHECK(judge(&p, &c) == NULL);
}

TEST(mitigations_are_all_that_are_asked)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK); /* both 0x0b */
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.launch_mit = p.current_mit = 0x0a;
	CHECK(judge(&p, &c) == NULL);
	p.launch_mit = 0x0f;
	CHECK(is(judge(&p, &c), "policy.launch_mit"));
	p.launch_mit = 0;
	p.current_mit = 0x10;
	CHECK(is(judge(&p, &c), "policy.current_mit"));
	c.report.current_mit_vector = 0; /* as before version 5 */
	CHECK(is(judge(&p, &c), "policy.current_mit"));
}

TEST(a_revocation_list_is_there_when_asked_for)
{
	struct snp_claims c = claims_of(SNP_KEY_VCEK);
	struct snp_policy p;

	snp_policy_defaults(&p);
	p.crl = true;
	CHECK(is(judge(&p, &c), "policy.revocation"));
	c.crl = true;
	CHECK(judge(&p, &c) == NULL);
}

TEST(a_manifests_members_are_all_judged)
{
	const struct snp_claims vcek = claims_of(SNP_KEY_VCEK);
	const struct snp_claims vlek = claims_of(SNP_KEY_VLEK);
	static char genoa[] = "Genoa", milan[] = "Milan";
	char *products[] = { genoa };
	struct manifest_digest measurement;
	struct manifest_snp m = {
		.products = { 1, products },
		.measurements = list_of(&measurement,
					slice_of(vcek.report.measurement)),
		.min_snp = 23,
		.smt = true,
	};
	struct snp_policy p;
	struct snp_claims c = vcek;

	snp_policy_from_manifest(&m, &p);
	CHECK(judge(&p, &vcek) == NULL);
	CHECK(is(judge(&p, &vlek), "policy.key"));
	products[0] = milan;
	CHECK(is(judge(&p, &vcek), "policy.product"));
	products[0] = genoa;
	m.measurements.n = 0;
	CHECK(is(judge(&p, &vcek), "policy.measurement"));
	m.measurements.n = 1;
	m.min_snp = 24;
	snp_policy_from_manifest(&m, &p);
	CHECK(is(judge(&p, &vcek), "policy.tcb.reported"));
	m.min_snp = 0;
	m.smt = false;
	snp_policy_from_manifest(&m, &p);
	CHECK(is(judge(&p, &vcek), "policy.smt"));
	m.smt = m.debug = m.migrate = true;
	m.vmpl = 2;
	c.report.policy |= SNP_POLICY_DEBUG | SNP_POLICY_MIGRATE_MA;
	snp_policy_from_manifest(&m, &p);
	CHECK(is(judge(&p, &c), "policy.vmpl"));
	c.report.vmpl = 2;
	CHECK(judge(&p, &c) == NULL);
	c.current_tcb.snp++;
	CHECK(is(judge(&p, &c), "policy.provisional"));
}
