/* The genuine TDX quotes with Intel's collateral, and the synthetic ones, each
 * case and each of its evaluations; with tables of what came of them. */
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/attest/vectors/tdx_vector.h"
#include "test/test.h"

#define FILE_MAX TDX_VECTOR_FILE_MAX

/* ---- Evaluations ---- */

static bool same_advisories(const struct tdx_claims *c, const struct json *list)
{
	size_t n = 0;

	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j), n++)
		if (n >= c->advisories.n ||
		    !slice_eq_str(json_str(j), c->advisories.id[n]))
			return false;
	return n == c->advisories.n;
}

static bool same_claims(const struct tdx_claims *c, const struct json *e)
{
	const struct json *detail = json_get(e, "detail");
	const struct json *module = json_get(detail, "tdx_module");
	struct slice status = tdx_vector_str(e, "tcb_status");
	struct slice module_status = module == NULL
					     ? S("UpToDate")
					     : tdx_vector_str(module, "status");
	uint64_t number = 0;
	struct err err;

	const struct json *numbers = json_get(e, "tcb_evaluation_data_numbers");
	if (numbers != NULL)
		(void)json_u64(json_first(numbers), 0, 999, &number, &err);
	return slice_eq_str(status, tdx_status_name(c->status)) &&
	       slice_eq_str(module_status, tdx_status_name(c->module_status)) &&
	       same_advisories(c, json_get(detail, "advisories")) &&
	       c->evaluation == number;
}

static void run_evaluation(struct tdx_vector *v, const struct json *e,
			   const struct tdx_collateral *collateral)
{
	struct tdx_case c = tdx_vector_case(v, tdx_vector_time(e, "at"));
	struct tdx_claims claims;
	struct err err;
	auto_trace struct trace t = { 0 };
	auto_trace struct trace again = { 0 };
	const struct json *reasons = json_get(e, "reasons");

	enum status status = tdx_verify(&c, &t, &claims, &tdx_vector_err);
	bool right =
		slice_eq_str(tdx_vector_str(e, "expect"), "status")
			? status == OK && same_claims(&claims, e)
			: status != OK && tdx_vector_same_reasons(&t, reasons);
	/* Collateral that was read before gives the same. */
	c.collateral = collateral;
	right &= tdx_verify(&c, &again, &claims, &err) == status &&
		 again.n == t.n &&
		 tdx_vector_n_failed(&again) == tdx_vector_n_failed(&t);
	tdx_vector_count(EVALUATION, status, right, v, "evaluation");
}

static void run_shift(struct tdx_vector *v, const struct json *shift,
		      const struct tdx_collateral *collateral)
{
	struct tdx_case c = tdx_vector_case(v, tdx_vector_time(shift, "at"));
	struct tdx_claims claims;
	auto_trace struct trace t = { 0 };
	const struct json *reasons = json_get(shift, "reasons");

	c.collateral = collateral;
	enum status status = tdx_verify(&c, &t, &claims, &tdx_vector_err);
	tdx_vector_count(SHIFT, status,
			 status != OK && tdx_vector_same_reasons(&t, reasons),
			 v, "time shift");
}

static void run_alone(struct tdx_vector *v)
{
	const struct json *alone = json_get(v->json, "signature_only");
	struct tdx_claims claims;
	auto_trace struct trace t = { 0 };

	if (alone == NULL)
		return;
	struct tdx_case c = tdx_vector_case(v, tdx_vector_time(alone, "at"));
	c.input = (struct tdx_collateral_input){ 0 };
	enum status status = tdx_verify(&c, &t, &claims, &tdx_vector_err);
	const struct json *expect = json_get(alone, "expect");
	bool right = json_kind(expect) == JSON_STRING
			     ? status == E_STALE && tdx_vector_n_failed(&t) == 0
			     : status == E_CRYPTO &&
				       tdx_vector_same_reasons(&t, expect);
	tdx_vector_count(ALONE, status, right, v, "without collateral");
}

static void run_padded(struct tdx_vector *v)
{
	auto_buf struct buf padded = buf_make(FILE_MAX);
	struct tdx_quote a, b;
	struct err err;

	if (!tdx_vector_file(v->kind, v->name, "quote_padded.bin", &padded))
		return;
	enum status status = tdx_quote_parse(buf_slice(&padded), &b, &err);
	bool right =
		status == OK &&
		tdx_quote_parse(buf_slice(&v->file[QUOTE]), &a, &err) == OK &&
		slice_eq(a.whole, b.whole);
	tdx_vector_count(PADDED, status, right, v, "padded");
}

/* What the reader of quotes finds is what the case says. */
static void run_fields(struct tdx_vector *v)
{
	static const struct {
		const char *name;
		size_t at, len;
	} fields[] = {
#define FIELD(name, m) \
	{ name, offsetof(struct tdx_td, m), sizeof(((struct tdx_td *)0)->m) }
		FIELD("tee_tcb_svn", tee_tcb_svn),
		FIELD("mr_seam", mrseam),
		FIELD("mr_signer_seam", mrsignerseam),
		FIELD("seam_attributes", seam_attributes),
		FIELD("td_attributes", attributes),
		FIELD("xfam", xfam),
		FIELD("mr_td", mrtd),
		FIELD("mr_config_id", mrconfigid),
		FIELD("mr_owner", mrowner),
		FIELD("mr_owner_config", mrownerconfig),
		FIELD("rtmr0", rtmr[0]),
		FIELD("rtmr1", rtmr[1]),
		FIELD("rtmr2", rtmr[2]),
		FIELD("rtmr3", rtmr[3]),
		FIELD("report_data", report_data),
		FIELD("tee_tcb_svn2", tee_tcb_svn2),
		FIELD("mr_service_td", mrservicetd),
#undef FIELD
	};
	const struct json *expected = json_get(v->json, "fields");
	struct tdx_quote q;
	struct err err;
	char hex[2 * 64 + 1];

	if (!EXPECT(tdx_quote_parse(buf_slice(&v->file[QUOTE]), &q, &err) ==
		    OK))
		return;
	for (size_t i = 0; i < countof(fields); i++) {
		struct slice e = tdx_vector_str(expected, fields[i].name);

		text_hex_into(hex, sizeof(hex),
			      slice_make((const uint8_t *)&q.td + fields[i].at,
					 fields[i].len));
		EXPECT(e.len == 0 || slice_eq_str(e, hex));
	}
}

/* Each flag of the case is a step of the policy that fails, and no other. */
static void run_flags(struct tdx_vector *v, const struct json *flags,
		      int64_t now, size_t row)
{
	struct tdx_case c = tdx_vector_case(v, now);
	/* The synthetic cases leave the bit clear without a flag for it. */
	struct tdx_policy policy = { .sept_ve = v->n_roots > 0 };
	struct tdx_claims claims;
	struct err err;
	size_t n = 0;
	auto_trace struct trace t = { 0 };
	auto_trace struct trace p = { 0 };

	if (tdx_verify(&c, &t, &claims, &err) != OK)
		return;
	bool ok = tdx_policy_check(&policy, &claims, &p);
	bool right = true;
	for (const struct json *j = json_first(flags); j != NULL;
	     j = json_next(j)) {
		/* The statement's to judge: it says what has to be there. */
		if (slice_eq_str(json_str(j), "REPORT_DATA_ALL_ZERO"))
			continue;
		right &= tdx_vector_failed_for(&p, json_str(j));
		n++;
	}
	n += claims.status != TDX_UP_TO_DATE;
	n += claims.advisories.n > 0;
	right &= tdx_vector_n_failed(&p) == n && ok == (n == 0);
	tdx_vector_count(row, ok ? OK : E_POLICY, right, v, "policy");
}

static void run_case(struct tdx_vector *v)
{
	const struct json *list = json_get(v->json, "evaluations");

	run_fields(v);
	run_alone(v);
	run_padded(v);
	for (const struct json *e = list == NULL ? NULL : json_first(list);
	     e != NULL; e = json_next(e)) {
		tdx_vector_collateral(v, tdx_vector_str(e, "collateral"));
		struct tdx_case c = tdx_vector_case(v, 0);
		auto_tdx_collateral struct tdx_collateral *collateral =
			tdx_collateral_new(&c.input);

		run_evaluation(v, e, collateral);
		run_flags(v, json_get(v->json, "policy_flags"),
			  tdx_vector_time(e, "at"), FLAGS);
		const struct json *shifts = json_get(e, "time_shifts");
		for (const struct json *s = shifts == NULL ? NULL
							   : json_first(shifts);
		     s != NULL; s = json_next(s))
			run_shift(v, s, collateral);
	}
}

TEST(every_genuine_case_is_judged_as_it_says)
{
	if (!tdx_vector_there("tdx"))
		SKIP("no vectors");
	CHECK(tdx_vector_each("tdx", run_case) >= 26);
	tdx_vector_print(EVALUATION, SPOILT);
	for (size_t i = EVALUATION; i <= PADDED; i++)
		CHECK(tdx_table[i].wrong == 0);
}

/* ---- Synthetic ---- */

static void run_synth(struct tdx_vector *v)
{
	const struct json *expect = json_get(v->json, "expect");
	const struct json *reasons = json_get(expect, "reasons");
	struct tdx_claims claims;
	struct err err;
	auto_trace struct trace t = { 0 };
	auto_trace struct trace intel = { 0 };
	int64_t now = tdx_vector_time(v->json, "verification_time");
	struct tdx_case c = tdx_vector_case(v, now);

	enum status status = tdx_verify(&c, &t, &claims, &tdx_vector_err);
	if (reasons == NULL) { /* the sample with DER in place of PEM */
		tdx_vector_count(SYNTH, status, status == E_PARSE, v, "form");
		return;
	}
	bool right =
		status == OK
			? json_count(reasons) == 0 &&
				  slice_eq_str(tdx_vector_str(expect,
							      "tcb_status"),
					       tdx_status_name(claims.status))
			: json_count(reasons) > 0;
	for (const struct json *j = json_first(reasons); j != NULL && right;
	     j = json_next(j))
		right = tdx_vector_failed_for(&t, json_str(j)) ||
			tdx_vector_listed(reasons, "TCB_INFO_CHAIN");
	tdx_vector_count(SYNTH, status, right, v, "synthetic");
	/* Nobody's root but the one that is named. */
	c.n_roots = 0;
	status = tdx_verify(&c, &intel, &claims, &err);
	tdx_vector_count(SYNTH, status,
			 status == E_CRYPTO &&
				 tdx_vector_failed(&intel, "tdx.chain.root"),
			 v, "under Intel's root");
	run_flags(v, json_get(expect, "policy_flags"), now, FLAGS);
}

TEST(every_synthetic_case_is_judged_as_it_says)
{
	if (!tdx_vector_there("tdx_synth"))
		SKIP("no vectors");
	CHECK(tdx_vector_each("tdx_synth", run_synth) >= 15);
	tdx_vector_print(SYNTH, TDX_ROWS);
	CHECK(tdx_table[SYNTH].wrong == 0);
	CHECK(tdx_table[FLAGS].wrong == 0);
}

TEST(collateral_of_an_old_evaluation_is_refused)
{
	auto_tdx_vector struct tdx_vector v = { 0 };
	struct tdx_policy policy = { .min_evaluation = 18, .sept_ve = true };
	struct tdx_claims claims;
	struct err err;
	auto_trace struct trace t = { 0 };
	auto_trace struct trace p = { 0 };

	if (!tdx_vector_there("tdx_synth"))
		SKIP("no vectors");
	CHECK(tdx_vector_load(&v, "tdx_synth",
			      "346-tcb-eval-data-number-too-low"));
	struct tdx_case c = tdx_vector_case(
		&v, tdx_vector_time(v.json, "verification_time"));
	CHECK(tdx_verify(&c, &t, &claims, &err) == OK);
	CHECK(!tdx_policy_check(&policy, &claims, &p));
	CHECK(tdx_vector_failed(&p, "policy.evaluation") &&
	      tdx_vector_n_failed(&p) == 1);
}
