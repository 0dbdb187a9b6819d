/* Whole bundles of machines with GPUs, under roots of our own. */
#include "core/cleanup.h"
#include "test/attest/hw_world.h"
#include "test/test.h"

static void machine(struct hw_world *w, size_t n)
{
	hw_tdx(w);
	hw_gpus(w, n);
}

TEST(a_machine_with_gpus_is_accepted)
{
	auto_hw struct hw_world w;

	machine(&w, 2);
	CHECK(hw_judge(&w) == OK);
	CHECK(verdict_valid(w.verdict));
	CHECK(w.claims.n_gpus == 2);
	CHECK_STR_EQ(w.claims.gpu[1].driver, GPU_FORGE_DRIVER);
	CHECK(!w.claims.gpu[0].root_pinned);
	CHECK(memcmp(w.claims.gpu[0].id.device, w.claims.gpu[1].id.device,
		     32) != 0);
	CHECK(w.claims.valid_until <= w.claims.gpu[0].valid_until);
	CHECK(trace_has(&w.trace, "gpu") && trace_has(&w.trace, "gpu.arch"));
}

TEST(gpus_count_beside_sev_snp_as_well)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_TURIN, SNP_KEY_VCEK, 5);
	hw_gpus(&w, 1);
	CHECK(hw_judge(&w) == OK);
	CHECK(w.claims.n_gpus == 1);
}

TEST(roots_of_gpus_are_trusted_only_when_they_are_named)
{
	static const char *const steps[] = { "tdx.chain.root", "gpu.chain.root",
					     "gpu.driver_rim.chain" };
	auto_hw struct hw_world w;

	machine(&w, 1);
	for (size_t i = 0; i < countof(steps); i++) {
		w.vc.n_trust_roots = i;
		CHECK(hw_judge(&w) == E_CRYPTO);
		CHECK(hw_refused(&w, E_CRYPTO, steps[i]));
	}
}

/* Evidence of a GPU beside another report of the same CPU is a replay. */
TEST(a_gpu_that_signed_for_another_report_is_refused)
{
	auto_hw struct hw_world w;
	struct evidence old;
	struct err err;

	machine(&w, 1);
	evidence_init(&old);
	CHECK(evidence_parse(buf_slice(&w.bundle), &old, &err) == OK);
	w.statement.nonce[0] ^= 1;
	w.vc.nonce = expect_bytes(w.statement.nonce);
	hw_attest(&w);
	CHECK(hw_judge(&w) == OK);
	buf_clear(&w.evidence.gpu[0].report);
	buf_put(&w.evidence.gpu[0].report, buf_slice(&old.gpu[0].report));
	evidence_done(&old);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "gpu.report.nonce"));
}

TEST(one_device_twice_is_refused)
{
	auto_hw struct hw_world w;
	struct evidence_gpu *g;

	machine(&w, 2);
	g = w.evidence.gpu;
	buf_clear(&g[1].report);
	buf_clear(&g[1].chain);
	buf_put(&g[1].report, buf_slice(&g[0].report));
	buf_put(&g[1].chain, buf_slice(&g[0].chain));
	for (size_t i = 0; i < g[1].n_ocsp; i++) {
		buf_clear(&g[1].ocsp[i]);
		buf_put(&g[1].ocsp[i], buf_slice(&g[0].ocsp[i]));
	}
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "gpu.policy.distinct"));
}

TEST(a_device_of_another_architecture_than_the_bundle_says_is_refused)
{
	auto_hw struct hw_world w;

	machine(&w, 2);
	mem_free(w.evidence.gpu[1].arch);
	w.evidence.gpu[1].arch = mem_strdup("blackwell", 9);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "gpu.arch"));
}

TEST(a_text_about_a_device_that_nobody_knows_is_refused)
{
	auto_hw struct hw_world w;
	struct err err;

	machine(&w, 1);
	CHECK(evidence_add_text(&w.evidence.gpu[0].rims, S("switch"), S("x"),
				&err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "gpu"));
}

TEST(missing_reference_values_are_not_judged)
{
	auto_hw struct hw_world w;

	machine(&w, 1);
	buf_clear(&w.evidence.gpu[0].rims.item[0].text);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_STALE);
	CHECK(w.verdict == NULL);
}

/* Nothing speaks against it, and nobody says that nothing does. */
TEST(missing_revocation_is_not_judged_unless_it_is_tolerated)
{
	auto_hw struct hw_world w;

	machine(&w, 1);
	w.ocsp = false;
	hw_attest(&w);
	CHECK(hw_judge(&w) == E_STALE);
	CHECK(hw_refused(&w, E_STALE, "gpu.policy.revocation"));
	hw_policy(&w, ",\"gpus\":{\"arch\":[\"hopper\"],\"count\":1,"
		      "\"drivers\":[\"" GPU_FORGE_DRIVER "\"],"
		      "\"vbios\":[\"" GPU_FORGE_VBIOS "\"],"
		      "\"ocsp\":{\"unknown\":true}}");
	CHECK(hw_judge(&w) == OK);
}

TEST(a_revoked_device_is_refused)
{
	auto_hw struct hw_world w;
	struct pki_ocsp revoked = pki_ocsp_good();
	struct buf *first;

	machine(&w, 1);
	revoked.status = OCSP_REVOKED;
	revoked.revoked_at = HW_NOW - 3600;
	first = &w.evidence.gpu[0].ocsp[0];
	buf_clear(first);
	pki_ocsp(&revoked, &w.device[0].device, &w.vendor.provisioner, first);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "gpu.policy.revocation"));
}

/* clang-format off */
#define GPUS(arch, count, driver, vbios) ",\"gpus\":{\"arch\":[\"" arch \
	"\"],\"count\":" count ",\"drivers\":[\"" driver "\"]," \
	"\"vbios\":[\"" vbios "\"]}"
static const struct { const char *more, *step; } members[] = {
	{ GPUS("hopper", "2", GPU_FORGE_DRIVER, GPU_FORGE_VBIOS), NULL },
	{ GPUS("hopper", "1", GPU_FORGE_DRIVER, GPU_FORGE_VBIOS),
	  "gpu.policy.count" },
	{ GPUS("hopper", "3", GPU_FORGE_DRIVER, GPU_FORGE_VBIOS),
	  "gpu.policy.count" },
	{ GPUS("blackwell", "2", GPU_FORGE_DRIVER, GPU_FORGE_VBIOS),
	  "gpu.policy.arch" },
	{ GPUS("hopper", "2", "1.2", GPU_FORGE_VBIOS), "gpu.policy.drivers" },
	{ GPUS("hopper", "2", GPU_FORGE_DRIVER, "1.2"), "gpu.policy.vbios" },
};
/* clang-format on */

TEST(every_member_of_a_policy_is_judged)
{
	auto_hw struct hw_world w;

	machine(&w, 2);
	for (size_t i = 0; i < countof(members); i++) {
		const char *step = members[i].step;

		hw_policy(&w, members[i].more);
		(void)hw_judge(&w);
		if (!(step == NULL ? EXPECT(w.err.code == OK)
				   : hw_refused(&w, E_POLICY, step)))
			printf("\t%s: %s\n", members[i].more, w.err.text);
	}
}

TEST(a_machine_without_the_gpus_that_the_policy_asks_for_is_refused)
{
	auto_hw struct hw_world w;

	machine(&w, 1);
	for (size_t i = 0; i < w.n_gpus; i++)
		gpu_forge_device_done(&w.device[i]);
	w.n_gpus = 0;
	hw_attest(&w);
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "gpu.policy.count"));
}

TEST(a_changed_report_of_any_gpu_is_refused)
{
	auto_hw struct hw_world w;

	machine(&w, 2);
	for (size_t i = 0; i < 2; i++) {
		struct buf *report = &w.evidence.gpu[i].report;
		uint8_t last = buf_slice(report).p[report->len - 1];

		buf_cut(report, report->len - 1);
		buf_put_u8(report, last ^ 1);
		hw_rewrite(&w);
		CHECK(hw_judge(&w) == E_CRYPTO);
		CHECK(hw_refused(&w, E_CRYPTO, "gpu.report.signature"));
		buf_cut(report, report->len - 1);
		buf_put_u8(report, last);
	}
}
