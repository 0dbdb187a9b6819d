/* Whole bundles of SEV-SNP machines, under a root of our own. */
#include "core/cleanup.h"
#include "core/text.h"
#include "test/attest/hw_world.h"
#include "test/test.h"

TEST(a_machine_of_every_product_and_key_is_accepted)
{
	for (int product = 0; product < SNP_PRODUCTS; product++)
		for (int key = 0; key < SNP_KEYS; key++)
			for (uint32_t v = 3; v <= 5; v++) {
				auto_hw struct hw_world w;

				hw_snp(&w, (enum snp_product)product,
				       (enum snp_key)key, v);
				CHECK(hw_judge(&w) == OK);
				CHECK(verdict_valid(w.verdict));
				CHECK_STR_EQ(verdict_tee(w.verdict), "snp");
				CHECK((int)w.claims.snp.product == product);
				CHECK(w.claims.snp.crl);
				CHECK(!w.claims.root_pinned);
			}
}

TEST(the_verdict_is_about_the_signed_part_of_the_report)
{
	auto_hw struct hw_world w;
	uint8_t digest[32];

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	CHECK(hw_judge(&w) == OK);
	sha256(slice_make(w.snp_made.report, SNP_SIGNED_LEN), digest);
	CHECK(memcmp(verdict_report(w.verdict), digest, 32) == 0);
	CHECK(claims_measurement(&w.claims, "measurement")->value[0] == 0x11);
	CHECK(claims_tcb(&w.claims, "microcode")->value == 130);
	CHECK(w.claims.chip_id_len == 64 && w.claims.chip_id[0] == 0xc5);
	CHECK(w.claims.smt && !w.claims.debug && !w.claims.migrate);
}

/* What is compiled in does not depend on anybody's options. */
TEST(a_root_that_the_case_does_not_name_is_refused)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_MILAN, SNP_KEY_VCEK, 3);
	w.vc.n_trust_roots = 0;
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "snp.chain.root"));
	w.vc.n_trust_roots = 1;
	w.roots[0][31] ^= 1;
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "snp.chain.root"));
}

TEST(a_statement_that_the_report_was_not_made_for_is_refused)
{
	auto_hw struct hw_world w;
	struct err err;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	w.statement.nonce[0] ^= 1;
	w.vc.nonce = expect_bytes(w.statement.nonce);
	buf_clear(&w.evidence.statement);
	CHECK(statement_write(&w.statement, &w.evidence.statement, &err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "report.data"));
}

TEST(a_statement_of_another_connection_is_refused)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	w.vc.exporter.bytes[0] ^= 1;
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "statement.exporter"));
}

/* ---- Collateral ---- */

static void rename_text(struct hw_world *w, const char *from, const char *to)
{
	struct err err;

	EXPECT(evidence_rename_text(&w->evidence.collateral, from, to, &err) ==
	       OK);
	hw_rewrite(w);
}

TEST(a_text_that_nobody_knows_is_refused)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	rename_text(&w, "crl", "leaf");
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "snp.collateral"));
	rename_text(&w, "leaf", "vlek"); /* two keys */
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "snp.collateral"));
}

TEST(a_key_under_the_name_of_the_other_kind_is_refused)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	rename_text(&w, "vcek", "vlek");
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "snp.collateral.key"));
}

/* Missing is not the same as wrong: nothing passes, but another bundle may. */
TEST(missing_certificates_are_not_judged)
{
	static const struct {
		const char *without, *step;
	} rows[] = {
		{ "vcek", "snp.certs.leaf" },
		{ "chain", "snp.certs.signer" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_hw struct hw_world w;
		struct evidence_texts *t = &w.evidence.collateral;

		hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
		for (size_t k = 0; k < t->n; k++)
			if (strcmp(t->item[k].name, rows[i].without) == 0)
				buf_clear(&t->item[k].text);
		hw_rewrite(&w);
		CHECK(hw_judge(&w) == E_STALE);
		CHECK(hw_refused(&w, E_STALE, rows[i].step));
	}
}

TEST(the_host_s_table_stands_for_all_of_it)
{
	auto_hw struct hw_world w;
	auto_buf struct buf text = buf_make(EVIDENCE_TEXT_MAX);
	struct evidence_texts *t = &w.evidence.collateral;
	struct err err;

	hw_snp(&w, SNP_TURIN, SNP_KEY_VCEK, 5);
	for (size_t i = 0; i < t->n; i++)
		buf_clear(&t->item[i].text);
	text_base64(&text, buf_slice(&w.snp_made.table));
	CHECK(evidence_add_text(t, S("table"), buf_slice(&text), &err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == OK);

	buf_put_str(&t->item[t->n - 1].text, "=");
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "snp.collateral"));
}

TEST(a_time_out_of_the_certificates_is_not_judged)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	w.vc.now = HW_NOW + 40LL * 365 * 86400;
	CHECK(hw_judge(&w) == E_STALE);
}

TEST(evidence_of_the_other_tee_is_refused_before_it_is_read)
{
	auto_hw struct hw_world w;
	struct err err;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	CHECK(evidence_set_tee(&w.evidence, "tdx", &err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "tee.policy"));
}

/* ---- The policy ---- */

/* clang-format off */
#define F8 "ffffffffffffffff"
#define F16 F8 F8
#define F32 F16 F16
#define F48 F32 F16
#define F64 F32 F32
#define Z16 "00000000000000000000000000000000"
#define Z48 Z16 Z16 Z16
#define C5 "c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5c5"
#define C64 C5 C5 C5 C5
#define TCB(b, t, s, m) ",\"min_tcb\":{\"bootloader\":" b ",\"tee\":" t \
	",\"snp\":" s ",\"microcode\":" m "}"
#define GUEST(more) ",\"guest_policy\":{\"smt\":true," more "}"
#define PLATFORM(more) ",\"platform\":{" more "}"

/* A member that the machine does not meet, and the rule that says so; NULL: it
 * does. */
static const struct { const char *more, *step; } members[] = {
	{ ",\"measurements\":[\"" F48 "\"]", "policy.measurement" },
	{ ",\"products\":[\"Milan\",\"Turin\"]", "policy.product" },
	{ TCB("10", "1", "23", "130"), "policy.tcb.reported" },
	{ TCB("9", "2", "23", "130"), "policy.tcb.reported" },
	{ TCB("9", "1", "24", "130"), "policy.tcb.reported" },
	{ TCB("9", "1", "23", "131"), "policy.tcb.reported" },
	{ TCB("0", "0", "0", "0"), NULL },
	{ ",\"guest_policy\":{\"smt\":false}", "policy.smt" },
	{ GUEST("\"single_socket\":true"), "policy.single_socket" },
	{ GUEST("\"single_socket\":false"), NULL },
	{ GUEST("\"aes_256_xts\":true"), "policy.aes_xts" },
	{ GUEST("\"rapl_disabled\":true"), "policy.rapl" },
	{ GUEST("\"ciphertext_hiding\":true"), "policy.ciphertext_hiding" },
	{ GUEST("\"page_swap_disabled\":true"), "policy.page_swap" },
	{ GUEST("\"min_abi\":{\"major\":0,\"minor\":32}"), "policy.abi" },
	{ GUEST("\"min_abi\":{\"major\":0,\"minor\":31}"), NULL },
	{ PLATFORM("\"smt\":false"), "policy.platform.smt" },
	{ PLATFORM("\"tsme\":true"), "policy.platform.tsme" },
	{ PLATFORM("\"ecc\":false"), "policy.platform.ecc" },
	{ PLATFORM("\"rapl_disabled\":true"), "policy.platform.rapl" },
	{ PLATFORM("\"ciphertext_hiding\":true"),
	  "policy.platform.ciphertext_hiding" },
	{ PLATFORM("\"alias_check\":false"), "policy.platform.alias_check" },
	{ PLATFORM("\"tio\":true"), "policy.platform.tio" },
	{ PLATFORM("\"ecc\":true,\"alias_check\":true"), NULL },
	{ ",\"vmpl\":1", "policy.vmpl" },
	{ ",\"id_key_digests\":[\"" F48 "\"]", "policy.id_key" },
	{ ",\"id_key_digests\":[\"" Z48 "\"]", "policy.id_key" },
	{ ",\"author_key_digests\":[\"" F48 "\"]", "policy.author_key" },
	{ ",\"author_key_digests\":[\"" Z48 "\"]", "policy.author_key" },
	{ ",\"host_data\":[\"" F32 "\"]", "policy.host_data" },
	{ ",\"family_ids\":[\"" F16 "\"]", "policy.family_id" },
	{ ",\"family_ids\":[\"" F16 "\",\"" Z16 "\"]", NULL },
	{ ",\"image_ids\":[\"" F16 "\"]", "policy.image_id" },
	{ ",\"chip_ids\":[\"" F64 "\"]", "policy.chip" },
	{ ",\"chip_ids\":[\"" F64 "\",\"" C64 "\"]", NULL },
	{ ",\"denied_chip_ids\":[\"" C64 "\"]", "policy.denied_chip" },
	{ ",\"denied_chip_ids\":[\"" F64 "\"]", NULL },
	{ ",\"csp_ids\":[\"CN=cc-forged.example\"]", NULL },
	{ ",\"crl\":true", NULL },
	{ ",\"mitigations\":{\"launch\":\"0000000000000004\"}",
	  "policy.launch_mit" },
	{ ",\"mitigations\":{\"current\":\"8000000000000000\"}",
	  "policy.current_mit" },
	{ ",\"mitigations\":{\"launch\":\"0000000000000003\","
	  "\"current\":\"000000000000000b\"}", NULL },
	{ ",\"min_firmware\":{\"major\":1,\"minor\":55,\"build\":41}",
	  "policy.firmware" },
	{ ",\"min_firmware\":{\"major\":1,\"minor\":55,\"build\":40}", NULL },
	{ ",\"min_guest_svn\":1", "policy.guest_svn" },
	{ ",\"min_report_version\":5", NULL },
};
/* clang-format on */

TEST(every_member_of_a_policy_is_judged)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 5);
	for (size_t i = 0; i < countof(members); i++) {
		const char *step = members[i].step;

		hw_policy(&w, members[i].more);
		(void)hw_judge(&w);
		if (!(step == NULL ? EXPECT(w.err.code == OK)
				   : hw_refused(&w, E_POLICY, step)))
			printf("\t%s: %s\n", members[i].more, w.err.text);
	}
}

static void debug(struct hw_world *w)
{
	w->snp.report.policy |= SNP_POLICY_DEBUG;
}

static void migrate(struct hw_world *w)
{
	w->snp.report.policy |= SNP_POLICY_MIGRATE_MA;
}

static void agent(struct hw_world *w)
{
	w->snp.report.report_id_ma[0] = 0;
}

static void cxl(struct hw_world *w)
{
	w->snp.report.policy |= SNP_POLICY_CXL_ALLOW;
}

static void vmpl(struct hw_world *w)
{
	w->snp.report.vmpl = 2;
}

static void by_host(struct hw_world *w)
{
	w->snp.report.vmpl = SNP_VMPL_HOST;
}

static void masked(struct hw_world *w)
{
	memset(w->snp.report.chip_id, 0, 64);
}

static void provisional(struct hw_world *w)
{
	w->snp.report.current.build++;
}

static void old_launch(struct hw_world *w)
{
	struct snp_tcb tcb = w->snp.key.tcb;

	tcb.snp--;
	snp_forge_tcb(&tcb, w->snp.product, w->snp.report.launch_tcb);
}

static void no_crl(struct hw_world *w)
{
	w->snp.crl = false;
}

static void unknown_bit(struct hw_world *w)
{
	w->snp.report.platform_info |= UINT64_C(1) << 9;
}

/* A machine that the defaults refuse, and the member that tolerates it; NULL:
 * none does. */
static const struct {
	void (*spoil)(struct hw_world *w);
	const char *asking; /* members of the policy before */
	const char *step;
	const char *tolerating;
} machines[] = {
	{ debug, "", "policy.debug", GUEST("\"debug\":true") },
	{ migrate, "", "policy.migrate", GUEST("\"migrate\":true") },
	{ agent, "", "policy.migration_agent", GUEST("\"migrate\":true") },
	{ cxl, "", "policy.cxl", GUEST("\"cxl\":true") },
	{ vmpl, "", "policy.vmpl", ",\"vmpl\":2" },
	{ by_host, "", "policy.vmpl", NULL },
	{ masked, "", "policy.masked_chip", ",\"masked_chip_id\":true" },
	{ provisional, "", "policy.provisional", ",\"provisional\":true" },
	{ old_launch, "", "policy.tcb.launch", TCB("9", "1", "22", "130") },
	{ no_crl, ",\"crl\":true", "policy.revocation", "" },
	{ unknown_bit, "", "policy.platform.reserved", NULL },
};

TEST(what_opens_a_machine_is_refused_unless_it_is_tolerated)
{
	for (size_t i = 0; i < countof(machines); i++) {
		auto_hw struct hw_world w;

		hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 5);
		machines[i].spoil(&w);
		hw_attest(&w);
		hw_policy(&w, machines[i].asking);
		(void)hw_judge(&w);
		CHECK(hw_refused(&w, E_POLICY, machines[i].step));
		if (machines[i].tolerating == NULL)
			continue;
		hw_policy(&w, machines[i].tolerating);
		if (!EXPECT(hw_judge(&w) == OK))
			printf("\t%s: %s\n", machines[i].tolerating,
			       w.err.text);
	}
}

TEST(a_provider_s_key_is_refused_unless_it_is_named)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_MILAN, SNP_KEY_VLEK, 3);
	CHECK(hw_judge(&w) == OK);
	hw_policy(&w, ",\"csp_ids\":[\"CN=cc-other.example\"]");
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "policy.csp_id"));
	w.snp.key.kind = SNP_KEY_VCEK; /* what the members are made for */
	hw_policy(&w, "");
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "policy.key"));
}

TEST(gpus_that_no_policy_asks_for_are_refused)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	hw_gpus(&w, 1);
	CHECK(hw_judge(&w) == OK);
	for (size_t i = 0; i < w.manifest->n_policies; i++)
		w.manifest->policy[i].has_gpus = false;
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "bundle.extra"));
}
