/* Bundles that are judged without a manifest, from forged hardware. */
#include "cmd/verify_default.h"
#include "core/cleanup.h"
#include "test/attest/hw_world.h"
#include "test/test.h"

/* Judge the bundle of w; *genuine is what was found of it. */
static enum status judge(const struct hw_world *w, const char *expect,
			 struct trace *t, bool *genuine)
{
	auto_mem struct claims *claims = mem_must(sizeof(*claims));
	struct verify_expects e = { 0 };
	struct err err;

	if (expect != NULL)
		EXPECT(verify_claims_expect(w->is_tdx ? &verify_tdx_claims
						      : &verify_snp_claims,
					    expect, &e, &err) == OK);
	trace_done(t);
	return verify_default_judge(&w->vc, &e, t, claims, genuine, &err);
}

/* Whether it is refused (or left open) with this code, at this step. */
static bool refused(const struct hw_world *w, enum status code,
		    const char *step, bool genuine)
{
	auto_trace struct trace t = { 0 };
	bool found = !genuine;

	return EXPECT(judge(w, NULL, &t, &found) == code) &&
	       EXPECT(found == genuine) &&
	       EXPECT(strcmp(trace_first_failure(&t)->rule->step, step) == 0);
}

TEST(genuine_bundles_hold_without_a_manifest)
{
	auto_hw struct hw_world snp;
	auto_hw struct hw_world tdx;
	auto_trace struct trace t = { 0 };
	bool genuine = false;

	hw_snp(&snp, SNP_GENOA, SNP_KEY_VCEK, 3);
	CHECK(judge(&snp, NULL, &t, &genuine) == OK && genuine);
	CHECK(trace_has(&t, "report.data") && trace_has(&t, "policy.debug"));
	hw_tdx(&tdx);
	CHECK(judge(&tdx, NULL, &t, &genuine) == OK && genuine);
	CHECK(trace_has(&t, "report.data") && trace_has(&t, "policy.debug"));
}

TEST(every_binding_is_compared_without_a_manifest)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_MILAN, SNP_KEY_VCEK, 3);
	w.vc.nonce.bytes[0] ^= 1;
	CHECK(refused(&w, E_CRYPTO, "statement.nonce", true));
	w.vc.nonce = (struct expect){ 0 };
	CHECK(refused(&w, E_STALE, "statement.nonce", true));
	w.vc.nonce = expect_none();
	CHECK(refused(&w, E_CRYPTO, "statement.nonce", true));
	w.vc.nonce = expect_bytes(w.statement.nonce);
	w.vc.exporter.bytes[3] ^= 1;
	CHECK(refused(&w, E_CRYPTO, "statement.exporter", true));
	w.vc.exporter = expect_bytes(w.statement.exporter);
	w.vc.spki.bytes[3] ^= 1;
	CHECK(refused(&w, E_CRYPTO, "statement.spki", true));
	w.vc.spki = expect_bytes(w.statement.spki);
	w.vc.keys.bytes[3] ^= 1;
	CHECK(refused(&w, E_CRYPTO, "statement.keys", true));
	w.vc.keys = expect_bytes(w.statement.keys);
	w.vc.purpose = PURPOSE_DISK;
	CHECK(refused(&w, E_CRYPTO, "statement.purpose", true));
}

TEST(what_is_not_genuine_has_no_claims)
{
	auto_hw struct hw_world w;
	struct err err;

	hw_snp(&w, SNP_TURIN, SNP_KEY_VCEK, 5);
	w.vc.n_trust_roots = 0;
	CHECK(refused(&w, E_CRYPTO, "snp.chain.root", false));
	w.vc.n_trust_roots = 1;
	w.statement.nonce[0] ^= 1;
	buf_clear(&w.evidence.statement);
	CHECK(statement_write(&w.statement, &w.evidence.statement, &err) == OK);
	hw_rewrite(&w);
	CHECK(refused(&w, E_CRYPTO, "report.data", false));
}

TEST(the_defaults_refuse_a_machine_that_can_be_debugged)
{
	auto_hw struct hw_world w;
	auto_trace struct trace t = { 0 };
	bool genuine = false;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	w.snp.report.policy |= SNP_POLICY_DEBUG;
	hw_attest(&w);
	CHECK(refused(&w, E_POLICY, "policy.debug", true));
	CHECK(judge(&w, "debug=true", &t, &genuine) == OK && genuine);
}

TEST(gpus_of_a_bundle_have_to_be_known_not_to_be_revoked)
{
	auto_hw struct hw_world w;
	auto_trace struct trace t = { 0 };
	bool genuine = false;

	hw_tdx(&w);
	hw_gpus(&w, 1);
	CHECK(judge(&w, NULL, &t, &genuine) == (w.ocsp ? OK : E_STALE));
	CHECK(genuine && trace_has(&t, "gpu.report.signature"));
	w.ocsp = false;
	hw_attest(&w);
	CHECK(refused(&w, E_STALE, "gpu.policy.revocation", true));
	w.evidence.gpu[0].report.mem[w.evidence.gpu[0].report.head + 4] ^= 1;
	hw_rewrite(&w);
	CHECK(judge(&w, NULL, &t, &genuine) == E_CRYPTO && !genuine);
}
