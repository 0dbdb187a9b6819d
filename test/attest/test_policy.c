#include "attest/policy.h"

#include "core/cleanup.h"
#include "test/attest/sim_world.h"
#include "test/test.h"

/* A world that was judged, and its claims, to be judged again by hand; w is
 * zeroed or of the last call. */
static void judge(struct world *w, struct policy_case *c)
{
	world_done(w);
	world_init(w);
	EXPECT(world_judge(w) == OK);
	*c = (struct policy_case){ .manifest = w->manifest,
				   .policies = w->vc.policies,
				   .statement = &w->statement,
				   .claims = &w->claims,
				   .now = WORLD_NOW };
	verdict_free(w->verdict);
	w->verdict = NULL;
}

TEST(claims_without_a_verification_get_no_verdict)
{
	auto_world struct world w = { 0 };
	auto_trace struct trace t;
	struct policy_case c;

	judge(&w, &c);
	trace_init(&t);
	CHECK(policy_match(&c, &t, &w.verdict, &w.err) == E_CRYPTO);
	CHECK(w.verdict == NULL);
}

/* Each mandatory step, left out of an otherwise whole trace. */
TEST(a_verification_without_one_of_its_steps_gets_no_verdict)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	size_t steps = 0;
	for (size_t out = 0; out < w.trace.n; out++) {
		auto_trace struct trace t;
		const char *left = w.trace.step[out].rule->step;

		if (w.trace.step[out].policy != NULL ||
		    strcmp(left, "policy") == 0)
			continue;
		trace_init(&t);
		for (size_t i = 0; i < w.trace.n; i++)
			if (i != out && w.trace.step[i].policy == NULL)
				trace_step(&t, w.trace.step[i].rule, true);
		CHECK(policy_match(&c, &t, &w.verdict, &w.err) == E_CRYPTO);
		CHECK(w.verdict == NULL);
		steps++;
	}
	CHECK(steps == 12 + *tee_sim.n_mandatory);
}

TEST(a_failed_step_before_gets_no_verdict)
{
	static const struct trace_rule more = { "more", E_STALE, "x", "y" };
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	trace_step(&w.trace, &more, false);
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_STALE);
	CHECK(w.verdict == NULL);
}

TEST(claims_without_what_a_rule_asks_for_are_refused)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.claims.n_measurements = 0;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.measurement") != NULL);

	judge(&w, &c);
	w.claims.n_tcb = 0;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.svn") != NULL);

	judge(&w, &c);
	w.claims.root[0] ^= 1;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.root") != NULL);
	CHECK(w.verdict == NULL);
}

TEST(a_measurement_of_another_length_does_not_match_its_beginning)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.claims.measurement[0].len = 47;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	w.claims.measurement[0].len = 0;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
}

TEST(claims_of_another_tee_are_refused)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.claims.tee = "snp";
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.tee: the evidence is of another kind "
				 "of TEE: expected sim, found snp"));
}

/* Claims of nothing: what a policy asks for is never taken for granted. */
TEST(a_policy_of_hardware_refuses_claims_that_are_empty)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.manifest->policy[0].tee = MANIFEST_SNP;
	w.claims.tee = "snp";
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.measurement") != NULL);
	w.manifest->policy[0].tee = MANIFEST_TDX;
	w.claims.tee = "tdx";
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(w.verdict == NULL);
}

TEST(a_policy_that_asks_for_gpus_refuses_a_machine_without_them)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.manifest->policy[0].has_gpus = true;
	w.manifest->policy[0].gpus.count = 1;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "gpu.policy.count") != NULL);
	CHECK(w.verdict == NULL);
}

TEST(a_policy_without_gpus_refuses_a_machine_with_them)
{
	auto_world struct world w = { 0 };
	struct policy_case c;

	judge(&w, &c);
	w.claims.n_gpus = 1;
	CHECK(policy_match(&c, &w.trace, &w.verdict, &w.err) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.gpus") != NULL);
	CHECK(w.verdict == NULL);
}

/* ---- The verdict ---- */

TEST(a_verdict_survives_our_own_channel)
{
	auto_world struct world w;
	auto_verdict struct verdict *back = NULL;
	auto_buf struct buf packed = buf_make(4096);
	uint8_t a[32], b[32];
	struct err err;

	world_init(&w);
	CHECK(world_judge(&w) == OK);
	verdict_pack(w.verdict, &packed);
	CHECK(verdict_unpack(buf_slice(&packed), &back, &err) == OK);
	CHECK(verdict_valid(back));
	CHECK(verdict_purpose(back) == PURPOSE_WORKER);
	CHECK_STR_EQ(verdict_policy(back), "p");
	CHECK_STR_EQ(verdict_tee(back), "sim");
	CHECK(verdict_generation(back) == 1);
	CHECK(verdict_time(back) == WORLD_NOW);
	CHECK(memcmp(verdict_report(back), verdict_report(w.verdict), 32) == 0);
	verdict_digest(w.verdict, a);
	verdict_digest(back, b);
	CHECK(memcmp(a, b, 32) == 0);
}

TEST(a_packed_verdict_of_another_length_or_form_is_refused)
{
	auto_world struct world w;
	auto_verdict struct verdict *back = NULL;
	auto_buf struct buf packed = buf_make(4096);
	struct err err;

	world_init(&w);
	CHECK(world_judge(&w) == OK);
	verdict_pack(w.verdict, &packed);
	for (size_t n = 0; n < packed.len; n++)
		CHECK(verdict_unpack(slice_sub(buf_slice(&packed), 0, n), &back,
				     &err) == E_PARSE);
	buf_put_u8(&packed, 0);
	CHECK(verdict_unpack(buf_slice(&packed), &back, &err) == E_PARSE);
	CHECK(back == NULL);
}

TEST(nothing_and_memory_of_others_is_no_verdict)
{
	uint64_t zeros[64] = { 0 };
	void *p = zeros;

	CHECK(!verdict_valid(NULL));
	CHECK(!verdict_valid(p));
}

static void ask(void *v)
{
	(void)verdict_purpose(v);
}

TEST(asking_what_is_no_verdict_ends_the_process)
{
	uint64_t zeros[64] = { 0 };

	CHECK(test_signal_of(ask, zeros) != 0);
	CHECK(test_signal_of(ask, NULL) != 0);
}
