#include "attest/verifier.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/attest/sim_world.h"
#include "test/test.h"

TEST(accepts_evidence_that_is_as_expected)
{
	auto_world struct world w;

	world_init(&w);
	CHECK(world_judge(&w) == OK);
	CHECK(verdict_valid(w.verdict));
	CHECK(verdict_purpose(w.verdict) == PURPOSE_WORKER);
	CHECK_STR_EQ(verdict_policy(w.verdict), "p");
	CHECK_STR_EQ(verdict_tee(w.verdict), "sim");
	CHECK(memcmp(verdict_manifest(w.verdict), w.manifest->digest, 32) == 0);
	CHECK(memcmp(verdict_spki(w.verdict), w.statement.spki, 32) == 0);
	CHECK(memcmp(verdict_keys(w.verdict), w.statement.keys, 32) == 0);
	CHECK(memcmp(verdict_nonce(w.verdict), w.statement.nonce, 32) == 0);
	CHECK(verdict_time(w.verdict) == WORLD_NOW);
	CHECK_STR_EQ(w.claims.tee, "sim");
	CHECK(w.claims.valid_until == WORLD_NOW + 60);
	CHECK(memcmp(w.claims.root, w.root_digest, 32) == 0);
}

/* ---- Bindings ---- */

TEST(evidence_for_every_other_purpose_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	for (int p = 0; p < PURPOSE_COUNT; p++) {
		w.vc.purpose = (enum purpose)p;
		if (w.vc.purpose == w.statement.purpose)
			continue;
		CHECK(world_judge(&w) == E_CRYPTO);
		CHECK(world_refused(&w, E_CRYPTO, "statement.purpose"));
	}
}

/* clang-format off */
static const struct { const char *step; size_t at; enum status code; }
bindings[] = {
	{ "statement.nonce", offsetof(struct verifier_case, nonce),
	  E_CRYPTO },
	{ "statement.exporter", offsetof(struct verifier_case, exporter),
	  E_CRYPTO },
	{ "statement.spki", offsetof(struct verifier_case, spki),
	  E_CRYPTO },
	{ "statement.keys", offsetof(struct verifier_case, keys),
	  E_CRYPTO },
	{ "statement.manifest", offsetof(struct verifier_case, manifest),
	  E_POLICY },
};
/* clang-format on */

TEST(every_binding_that_differs_in_one_bit_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	for (size_t i = 0; i < countof(bindings); i++) {
		void *at = (uint8_t *)&w.vc + bindings[i].at;
		struct expect *e = at, good = *e;

		e->bytes[0] ^= 1;
		CHECK(world_judge(&w) != OK);
		CHECK(world_refused(&w, bindings[i].code, bindings[i].step));
		*e = good;
		e->bytes[31] ^= 0x80;
		CHECK(world_judge(&w) != OK);
		CHECK(world_refused(&w, bindings[i].code, bindings[i].step));
		*e = good;
	}
}

TEST(a_binding_that_nobody_gave_is_not_checked_and_gives_no_verdict)
{
	auto_world struct world w;

	world_init(&w);
	for (size_t i = 0; i < countof(bindings); i++) {
		void *at = (uint8_t *)&w.vc + bindings[i].at;
		struct expect *e = at, good = *e;

		*e = (struct expect){ 0 };
		CHECK(world_judge(&w) == E_STALE);
		CHECK(world_refused(&w, E_STALE, bindings[i].step));
		*e = good;
	}
}

TEST(something_where_none_is_expected_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	for (size_t i = 0; i < countof(bindings); i++) {
		void *at = (uint8_t *)&w.vc + bindings[i].at;
		struct expect *e = at, good = *e;

		*e = expect_none();
		CHECK(world_judge(&w) != OK);
		CHECK(world_refused(&w, bindings[i].code, bindings[i].step));
		*e = good;
	}
}

TEST(none_where_something_is_expected_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	w.statement.has_manifest = false;
	w.statement.has_exporter = false;
	w.statement.purpose = w.vc.purpose = PURPOSE_RECEIPT;
	world_attest(&w);
	w.vc.manifest = expect_none();
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "statement.exporter"));
	w.vc.exporter = expect_none();
	CHECK(world_judge(&w) == OK);

	/* Not even when zeros are expected: none is no value. */
	w.vc.manifest = expect_bytes((const uint8_t[32]){ 0 });
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "statement.manifest"));
}

TEST(a_missing_exporter_is_refused_even_by_who_expects_none)
{
	auto_world struct world w;
	struct evidence *e = &w.evidence;
	struct err err;

	/* A receipt's statement, and only the word changed: what a TEE that
	 * breaks the rules could sign. */
	world_init(&w);
	w.statement.has_exporter = false;
	w.statement.purpose = PURPOSE_RECEIPT;
	auto_buf struct buf receipt = buf_make(STATEMENT_MAX);
	CHECK(statement_write(&w.statement, &receipt, &err) == OK);
	struct slice s = buf_slice(&receipt);
	size_t at = slice_search(s, S("receipt"));
	auto_buf struct buf bytes = buf_make(STATEMENT_MAX);
	buf_put(&bytes, slice_sub(s, 0, at));
	buf_put_str(&bytes, "worker");
	buf_put(&bytes, slice_from(s, at + 7));

	auto_sim_device struct sim_device *d = NULL;
	uint8_t data[64];
	CHECK(sim_device_new(buf_slice(&w.root), &w.options, &d, &err) == OK);
	evidence_done(e);
	buf_put(&e->statement, buf_slice(&bytes));
	statement_report_data(buf_slice(&bytes), data);
	CHECK(sim_device_issue(d, data, e, &err) == OK);
	world_rewrite(&w);
	w.vc.exporter = expect_none();
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "statement"));
}

/* ---- Statement and report ---- */

TEST(a_statement_that_the_report_was_not_made_for_is_refused)
{
	auto_world struct world w;
	struct err err;

	world_init(&w);
	w.statement.nonce[0] ^= 1;
	w.vc.nonce = expect_bytes(w.statement.nonce);
	buf_clear(&w.evidence.statement);
	CHECK(statement_write(&w.statement, &w.evidence.statement, &err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "report.data"));
}

TEST(a_signed_statement_of_another_form_is_refused)
{
	auto_world struct world w;
	auto_sim_device struct sim_device *d = NULL;
	uint8_t data[64];
	struct err err;

	world_init(&w);
	CHECK(sim_device_new(buf_slice(&w.root), &w.options, &d, &err) == OK);
	evidence_done(&w.evidence);
	buf_put_str(&w.evidence.statement, "{}");
	statement_report_data(S("{}"), data);
	CHECK(sim_device_issue(d, data, &w.evidence, &err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "statement"));
}

TEST(the_hash_without_the_tag_is_not_the_report_data)
{
	auto_world struct world w;
	auto_sim_device struct sim_device *d = NULL;
	uint8_t data[64];
	struct err err;

	world_init(&w);
	auto_buf struct buf statement = buf_make(STATEMENT_MAX);
	CHECK(statement_write(&w.statement, &statement, &err) == OK);
	sha512(buf_slice(&statement), data);
	CHECK(sim_device_new(buf_slice(&w.root), &w.options, &d, &err) == OK);
	evidence_done(&w.evidence);
	buf_put(&w.evidence.statement, buf_slice(&statement));
	CHECK(sim_device_issue(d, data, &w.evidence, &err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "report.data"));
}

/* ---- The bundle ---- */

TEST(a_bundle_cut_at_any_length_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	struct slice whole = buf_slice(&w.bundle);
	for (size_t n = 0; n < whole.len; n++) {
		w.vc.bundle = slice_sub(whole, 0, n);
		CHECK(world_judge(&w) == E_PARSE);
		CHECK(world_refused(&w, E_PARSE, "bundle"));
	}
}

TEST(a_bundle_with_bytes_behind_it_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	buf_put_str(&w.bundle, "{}");
	w.vc.bundle = buf_slice(&w.bundle);
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "bundle"));
}

TEST(a_bundle_beyond_the_cap_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	auto_buf struct buf huge = buf_make(EVIDENCE_MAX + 1);
	uint8_t *to = buf_room(&huge, EVIDENCE_MAX + 1);
	memset(to, ' ', EVIDENCE_MAX + 1);
	buf_grow(&huge, EVIDENCE_MAX + 1);
	w.vc.bundle = buf_slice(&huge);
	CHECK(world_judge(&w) == E_LIMIT);
	CHECK(world_refused(&w, E_LIMIT, "bundle"));
}

TEST(a_bundle_with_any_byte_changed_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	uint8_t *bytes = mem_must(w.bundle.len);
	memcpy(bytes, buf_slice(&w.bundle).p, w.bundle.len);
	w.vc.bundle = slice_make(bytes, w.bundle.len);
	/* Every 7th, for time. */
	for (size_t i = 0; i < w.bundle.len; i += 7) {
		uint8_t bit = (uint8_t)(1u << i % 8);

		bytes[i] ^= bit;
		bool refused = EXPECT(world_judge(&w) != OK);
		bytes[i] ^= bit;
		if (!refused)
			break;
	}
	CHECK(world_judge(&w) == OK);
	mem_free(bytes);
}

TEST(a_tee_that_nobody_knows_is_refused)
{
	static const char *const names[] = { "sgx", "snp",  "tdx",
					     "si",  "simm", "sample" };
	auto_world struct world w;
	struct err err;

	world_init(&w);
	for (size_t i = 0; i < countof(names); i++) {
		CHECK(evidence_set_tee(&w.evidence, names[i], &err) == OK);
		world_rewrite(&w);
		CHECK(world_judge(&w) == E_POLICY);
		CHECK(EXPECT(w.verdict == NULL));
	}
	CHECK(evidence_set_tee(&w.evidence, "sgx", &err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "tee"));
}

TEST(parts_that_nobody_checks_are_refused)
{
	auto_world struct world w;

	struct err err;

	world_init(&w);
	CHECK(evidence_add_log(&w.evidence, S("log"), &err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "bundle.extra"));
	CHECK(strstr(w.err.text, "no registers for one") != NULL);
}

/* ---- Policies ---- */

TEST(evidence_of_a_tee_that_no_policy_is_for_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	world_policy(&w, "{\"tee\":\"snp\",\"products\":[\"Genoa\"],"
			 "\"measurements\":[\"5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
			 "5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a5a"
			 "5a5a5a5a5a5a5a5a\"],\"min_tcb\":{\"bootloader\":0,"
			 "\"tee\":0,\"snp\":0,\"microcode\":0}}");
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "tee.policy"));
}

TEST(an_empty_list_of_policies_allows_nothing)
{
	static const struct manifest_strings none = { 0 };
	auto_world struct world w;

	world_init(&w);
	w.vc.policies = &none;
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "tee.policy"));
}

TEST(a_policy_that_the_manifest_does_not_have_allows_nothing)
{
	char *names[] = { mem_strdup("q", 1) };
	const struct manifest_strings list = { 1, names };
	auto_world struct world w;

	world_init(&w);
	w.vc.policies = &list;
	enum status status = world_judge(&w);
	mem_free(names[0]);
	CHECK(status == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "tee.policy"));
}

TEST(a_root_that_no_policy_names_is_not_genuine)
{
	auto_world struct world w;
	struct err err;

	world_init(&w);
	buf_clear(&w.root);
	CHECK(sim_root_new(WORLD_NOW, &w.root, &err) == OK);
	world_attest(&w);
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "sim.root"));
}

TEST(debug_is_refused_unless_the_policy_tolerates_it)
{
	auto_world struct world w;
	auto_buf struct buf policy = buf_make(1024);

	world_init(&w);
	w.options.debug = true;
	world_attest(&w);
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "policy"));
	CHECK(strstr(w.err.text, "policy.debug: its memory can be read "
				 "from outside (debug): expected off, "
				 "found on"));

	world_good_policy(&w, &policy);
	buf_cut(&policy, policy.len - 1);
	buf_put_str(&policy, ",\"debug\":true}");
	world_policy(&w, buf_cstr(&policy));
	CHECK(world_judge(&w) == OK);
	CHECK(w.claims.debug);
}

TEST(a_program_that_is_not_listed_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	w.options.measurement[47] ^= 1;
	world_attest(&w);
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "policy"));
	CHECK(strstr(w.err.text, "policy.measurement"));
	CHECK(strstr(w.err.text, "5a5a5b")); /* what was found */
}

TEST(a_platform_that_is_too_old_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	w.options.svn = 2;
	world_attest(&w);
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(strstr(w.err.text, "policy.svn: the platform is older than "
				 "the policy asks for: expected at least 3, "
				 "found 2"));
}

/* A manifest with a policy "bad" that lists another program beside "p". */
static void two_policies(struct world *w, const char *list)
{
	auto_buf struct buf p = buf_make(1024), text = buf_make(4096);
	struct err err;

	world_good_policy(w, &p);
	buf_put_str(&text, "{\"version\":1,\"name\":\"test\","
			   "\"generation\":1,\"policies\":{\"bad\":");
	w->options.measurement[0] ^= 1;
	world_good_policy(w, &text);
	w->options.measurement[0] ^= 1;
	buf_putf(&text, ",\"p\":%s},\"attestation_service\":{\"policies\":%s}}",
		 buf_cstr(&p), list);
	manifest_free(w->manifest);
	w->manifest = NULL;
	EXPECT(manifest_parse(buf_slice(&text), "t", &w->manifest, &err) == OK);
	w->vc.by = w->manifest;
	w->vc.policies = &w->manifest->as_policies;
}

TEST(one_policy_that_accepts_is_enough_and_the_trace_shows_all)
{
	auto_world struct world w;

	world_init(&w);
	two_policies(&w, "[\"bad\",\"p\"]");
	CHECK(world_judge(&w) == OK);
	CHECK_STR_EQ(verdict_policy(w.verdict), "p");
	CHECK(trace_policy_ok(&w.trace, "p"));
	CHECK(!trace_policy_ok(&w.trace, "bad"));
	CHECK(trace_policy_failure(&w.trace, "bad") != NULL);
}

TEST(a_policy_of_the_manifest_that_was_not_asked_for_does_not_count)
{
	auto_world struct world w;

	world_init(&w);
	two_policies(&w, "[\"bad\"]");
	CHECK(world_judge(&w) == E_POLICY);
	CHECK(world_refused(&w, E_POLICY, "policy"));
}

/* ---- Time ---- */

TEST(a_device_certificate_out_of_its_time_is_not_judged)
{
	static const int64_t times[] = { WORLD_NOW - 61, WORLD_NOW + 61,
					 WORLD_NOW + 20 * INT64_C(31536000),
					 0 };
	auto_world struct world w;

	world_init(&w);
	for (size_t i = 0; i < countof(times); i++) {
		w.vc.now = times[i];
		CHECK(world_judge(&w) == E_STALE);
		CHECK(world_refused(&w, E_STALE, "sim.validity"));
	}
	w.vc.now = WORLD_NOW + 60;
	CHECK(world_judge(&w) == OK);
	w.vc.now = WORLD_NOW - 60;
	CHECK(world_judge(&w) == OK);
}

/* ---- The trace ---- */

TEST(a_trace_of_earlier_evidence_lends_nothing)
{
	auto_world struct world w;

	world_init(&w);
	CHECK(world_judge(&w) == OK);
	w.vc.bundle = S("{}");
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(w.trace.n == 1);
}

TEST(the_trace_of_bound_evidence_shows_every_failure)
{
	auto_world struct world w;

	world_init(&w);
	w.vc.spki.bytes[0] ^= 1;
	w.vc.keys.bytes[0] ^= 1;
	w.options.svn = 1;
	world_attest(&w);
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "statement.spki"));
	CHECK(!trace_has(&w.trace, "statement.keys"));
	CHECK(trace_has(&w.trace, "statement.nonce"));
	CHECK(trace_policy_failure(&w.trace, "p") != NULL);
}

TEST(a_refusal_outranks_what_was_not_checked)
{
	auto_world struct world w;

	world_init(&w);
	w.vc.nonce = (struct expect){ 0 };
	w.vc.spki.bytes[0] ^= 1;
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "statement.spki"));
}
