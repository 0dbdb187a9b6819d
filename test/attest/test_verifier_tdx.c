/* Whole bundles of TDX machines, under a root of our own. */
#include "core/cleanup.h"
#include "test/attest/hw_world.h"
#include "test/attest/tee/log_forge.h"
#include "test/test.h"

TEST(a_machine_is_accepted)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	CHECK(hw_judge(&w) == OK);
	CHECK(verdict_valid(w.verdict));
	CHECK_STR_EQ(verdict_tee(w.verdict), "tdx");
	CHECK(memcmp(verdict_report(w.verdict), w.claims.tdx.report, 32) == 0);
	CHECK(claims_measurement(&w.claims, "mrtd")->value[0] == 1);
	CHECK(claims_measurement(&w.claims, "rtmr3")->value[0] == 5);
	CHECK(claims_measurement(&w.claims, "mrservicetd") == NULL);
	CHECK(claims_tcb(&w.claims, "module_svn")->value == 5);
	CHECK(w.claims.tdx.status == TDX_UP_TO_DATE);
	CHECK(w.claims.chip_id_len == 16 && w.claims.chip_id[0] == 9);
	CHECK(!w.claims.debug && !w.claims.migrate && !w.claims.root_pinned);
}

TEST(machines_of_tdx_1_5_and_of_the_newer_quote_are_accepted)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	w.tdx.o.version = 5;
	w.tdx.o.body = TDX_BODY_15;
	w.tdx.o.td.mrservicetd[0] = 6;
	memcpy(w.tdx.o.td.tee_tcb_svn2, w.tdx.o.td.tee_tcb_svn, 16);
	hw_attest(&w);
	CHECK(hw_judge(&w) == OK);
	CHECK(claims_measurement(&w.claims, "mrservicetd")->value[0] == 6);
}

TEST(a_root_that_the_case_does_not_name_is_refused)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	w.vc.n_trust_roots = 0;
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "tdx.chain.root"));
}

TEST(a_statement_that_the_quote_was_not_made_for_is_refused)
{
	auto_hw struct hw_world w;
	struct err err;

	hw_tdx(&w);
	w.statement.spki[0] ^= 1;
	w.vc.spki = expect_bytes(w.statement.spki);
	buf_clear(&w.evidence.statement);
	CHECK(statement_write(&w.statement, &w.evidence.statement, &err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "report.data"));
}

TEST(a_text_that_nobody_knows_is_refused)
{
	auto_hw struct hw_world w;
	struct err err;

	hw_tdx(&w);
	CHECK(evidence_add_text(&w.evidence.collateral, S("pck_chain"), S("x"),
				&err) == OK);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_PARSE);
	CHECK(hw_refused(&w, E_PARSE, "tdx.collateral"));
}

/* Each text alone, but for the chain of the PCK's list, which the quote has. */
TEST(without_one_of_the_texts_it_is_not_judged)
{
	auto_hw struct hw_world w;
	struct evidence_texts *t = &w.evidence.collateral;

	hw_tdx(&w);
	for (size_t i = 0; i < t->n; i++) {
		bool spare = strcmp(t->item[i].name, "pck_crl_chain") == 0;
		struct buf was = t->item[i].text;

		t->item[i].text = buf_make(EVIDENCE_TEXT_MAX);
		hw_rewrite(&w);
		CHECK(hw_judge(&w) == (spare ? OK : E_STALE));
		buf_done(&t->item[i].text);
		t->item[i].text = was;
	}
}

TEST(documents_out_of_their_time_are_not_judged)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	w.vc.now = HW_NOW + 60 * 86400;
	CHECK(hw_judge(&w) == E_STALE);
	CHECK(w.verdict == NULL);
}

/* ---- The policy ---- */

/* clang-format off */
#define F16 "ffffffffffffffffffffffffffffffff"
#define F48 F16 F16 F16
#define Z15 "000000000000000000000000000000"
#define Z48 "00" Z15 "00" Z15 "00" Z15
#define RTMR(n, v) "\"" n "\":[\"" v Z15 "00" Z15 "00" Z15 "\"]"
#define RTMRS(a, b, c, d) ",\"rtmrs\":{" RTMR("0", a) "," RTMR("1", b) "," \
	RTMR("2", c) "," RTMR("3", d) "}"
#define ATTRIBUTES(more) ",\"attributes\":{" more "}"

/* A member that the machine does not meet, and the rule that says so; NULL: it
 * does. */
static const struct { const char *more, *step; } members[] = {
	{ RTMRS("02", "03", "04", "05"), NULL },
	{ RTMRS("ff", "03", "04", "05"), "policy.rtmr0" },
	{ RTMRS("02", "ff", "04", "05"), "policy.rtmr1" },
	{ RTMRS("02", "03", "ff", "05"), "policy.rtmr2" },
	{ RTMRS("02", "03", "04", "ff"), "policy.rtmr3" },
	{ ",\"mrconfigid\":[\"" F48 "\"]", "policy.mrconfigid" },
	{ ",\"mrconfigid\":[\"" F48 "\",\"" Z48 "\"]", NULL },
	{ ",\"mrowner\":[\"" F48 "\"]", "policy.mrowner" },
	{ ",\"mrownerconfig\":[\"" F48 "\"]", "policy.mrownerconfig" },
	{ ",\"mrservicetd\":[\"" F48 "\"]", "policy.mrservicetd" },
	{ ",\"mrservicetd\":[\"" Z48 "\"]", "policy.mrservicetd" },
	{ ",\"mrseam\":[\"" F48 "\"]", "policy.mrseam" },
	{ ",\"mrsignerseam\":[\"" F48 "\"]", "policy.mrsignerseam" },
	{ ",\"fmspcs\":[\"ffffffffffff\"]", "policy.fmspc" },
	{ ",\"fmspcs\":[\"90c06f000000\"]", NULL },
	{ ",\"platform_ids\":[\"" F16 "\"]", "policy.instance" },
	{ ",\"platform_ids\":[\"09" Z15 "\"]", NULL },
	{ ",\"ppids\":[\"" F16 "\"]", "policy.ppid" },
	{ ",\"ppids\":[\"07" Z15 "\"]", NULL },
	{ ",\"tcb_status\":[\"SWHardeningNeeded\"]", "policy.tcb_status" },
	{ ",\"min_evaluation\":19", "policy.evaluation" },
	{ ",\"min_evaluation\":18", NULL },
	{ ",\"min_tcb_date\":\"2099-01-01T00:00:00Z\"", "policy.tcb_date" },
	{ ",\"min_tcb_date\":\"2001-01-01T00:00:00Z\"", NULL },
	{ ",\"min_tee_tcb_svn\":\"06" Z15 "\"", "policy.tee_tcb_svn" },
	{ ",\"min_tee_tcb_svn\":\"05" Z15 "\"", NULL },
	{ ",\"xfam\":\"00000000000000e7\"", NULL },
	{ ",\"xfam\":\"0000000000000003\"", "policy.xfam" },
	{ ATTRIBUTES("\"perfmon\":false"), NULL },
};
/* clang-format on */

TEST(every_member_of_a_policy_is_judged)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	for (size_t i = 0; i < countof(members); i++) {
		const char *step = members[i].step;

		hw_policy(&w, members[i].more);
		(void)hw_judge(&w);
		if (!(step == NULL ? EXPECT(w.err.code == OK)
				   : hw_refused(&w, E_POLICY, step)))
			printf("\t%s: %s\n", members[i].more, w.err.text);
	}
}

static void other_td(struct hw_world *w)
{
	w->tdx.o.td.mrtd[47] = 1;
}

static void debug(struct hw_world *w)
{
	w->tdx.o.td.attributes |= TDX_ATTR_DEBUG;
}

static void migratable(struct hw_world *w)
{
	w->tdx.o.td.attributes |= TDX_ATTR_MIGRATABLE;
}

static void sept_ve(struct hw_world *w)
{
	w->tdx.o.td.attributes = 0;
}

static void perfmon(struct hw_world *w)
{
	w->tdx.o.td.attributes |= TDX_ATTR_PERFMON;
}

static void unknown_attribute(struct hw_world *w)
{
	w->tdx.o.td.attributes |= UINT64_C(1) << 40;
}

static void hardening(struct hw_world *w)
{
	w->tdx.o.level[0].status = "SWHardeningNeeded";
	w->tdx.o.level[0].advisories = "[\"INTEL-SA-00837\"]";
}

static void out_of_date(struct hw_world *w)
{
	w->tdx.o.pck.cpu_svn[0] = 2;
}

#define WEAK ",\"tcb_status\":[\"UpToDate\",\"SWHardeningNeeded\"]"

/* A machine that the policy's good members refuse, and the member that
 * tolerates it; NULL: none does. */
static const struct {
	void (*spoil)(struct hw_world *w);
	const char *asking; /* members of the policy before */
	const char *step;
	const char *tolerating;
} machines[] = {
	{ debug, "", "policy.debug", ATTRIBUTES("\"debug\":true") },
	{ migratable, "", "policy.migratable",
	  ATTRIBUTES("\"migratable\":true") },
	{ sept_ve, "", "policy.sept_ve_disable",
	  ATTRIBUTES("\"sept_ve\":true") },
	{ perfmon, ATTRIBUTES("\"perfmon\":false"), "policy.perfmon", "" },
	{ unknown_attribute, "", "policy.attributes", NULL },
	{ hardening, "", "policy.tcb_status", NULL },
	{ hardening, WEAK, "policy.advisories",
	  WEAK ",\"advisories\":[\"INTEL-SA-00837\"]" },
	{ out_of_date, WEAK, "policy.tcb_status", NULL },
};

TEST(what_opens_a_machine_is_refused_unless_it_is_tolerated)
{
	for (size_t i = 0; i < countof(machines); i++) {
		auto_hw struct hw_world w;

		hw_tdx(&w);
		machines[i].spoil(&w);
		hw_attest(&w);
		hw_policy(&w, machines[i].asking);
		(void)hw_judge(&w);
		if (!hw_refused(&w, E_POLICY, machines[i].step))
			printf("\t%s\n", w.err.text);
		if (machines[i].tolerating == NULL)
			continue;
		hw_policy(&w, machines[i].tolerating);
		if (!EXPECT(hw_judge(&w) == OK))
			printf("\t%s: %s\n", machines[i].tolerating,
			       w.err.text);
	}
}

TEST(another_td_is_refused)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	other_td(&w);
	hw_attest(&w); /* the policy is of the one before */
	CHECK(hw_judge(&w) == E_POLICY);
	CHECK(hw_refused(&w, E_POLICY, "policy.mrtd"));
	CHECK(strstr(w.err.text, "the policy does not list this TD") != NULL);
}

/* ---- The event log ---- */

/* A machine whose log, less the last `cut` bytes, is in the bundle. */
static void with_log(struct hw_world *w, size_t cut)
{
	auto_buf struct buf log = buf_make(EVIDENCE_LOG_MAX);
	struct err err;

	log_forge(&log);
	buf_cut(&log, log.len - cut);
	hw_attest(w);
	CHECK(evidence_add_log(&w->evidence, buf_slice(&log), &err) == OK);
	hw_rewrite(w);
}

/* One whose registers come from its log. */
static void hw_logged(struct hw_world *w)
{
	hw_tdx(w);
	log_forge_registers(w->tdx.o.td.rtmr);
	hw_policy(w, "");
	with_log(w, 0);
}

TEST(a_log_that_leads_to_the_registers_is_judged_and_accepted)
{
	auto_hw struct hw_world w;

	hw_logged(&w);
	CHECK(hw_judge(&w) == OK);
	CHECK(trace_has(&w.trace, "eventlog.form"));
	CHECK(trace_has(&w.trace, "eventlog.data"));
	CHECK(trace_has(&w.trace, "eventlog.rtmr0"));
	CHECK(trace_has(&w.trace, "eventlog.rtmr3"));
}

TEST(what_the_system_extends_later_need_not_be_in_firmwares_log)
{
	auto_hw struct hw_world w;

	hw_logged(&w);
	w.tdx.o.td.rtmr[3][7] = 1;
	hw_policy(&w, "");
	with_log(&w, 0);
	CHECK(hw_judge(&w) == OK);
	CHECK(trace_has(&w.trace, "eventlog.rtmr2"));
	CHECK(!trace_has(&w.trace, "eventlog.rtmr3"));
}

TEST(a_log_that_leads_elsewhere_is_refused)
{
	static const char *const steps[] = { "eventlog.rtmr0", "eventlog.rtmr1",
					     "eventlog.rtmr2" };

	for (size_t i = 0; i < countof(steps); i++) {
		auto_hw struct hw_world w;

		hw_logged(&w);
		w.tdx.o.td.rtmr[i][47] ^= 1;
		hw_policy(&w, "");
		with_log(&w, 0);
		CHECK(hw_judge(&w) == E_CRYPTO);
		CHECK(hw_refused(&w, E_CRYPTO, steps[i]));
	}
}

TEST(a_log_whose_data_were_changed_is_refused)
{
	auto_hw struct hw_world w;

	hw_logged(&w);
	struct buf *log = &w.evidence.log[0];
	uint8_t last = buf_slice(log).p[log->len - 1];
	buf_cut(log, log->len - 1);
	buf_put_u8(log, last ^ 1);
	hw_rewrite(&w);
	CHECK(hw_judge(&w) == E_CRYPTO);
	CHECK(hw_refused(&w, E_CRYPTO, "eventlog.data"));
}

TEST(a_log_that_is_cut_off_is_refused)
{
	for (size_t cut = 1; cut < 70; cut += 17) {
		auto_hw struct hw_world w;

		hw_logged(&w);
		with_log(&w, cut);
		CHECK(hw_judge(&w) == E_PARSE);
		CHECK(hw_refused(&w, E_PARSE, "eventlog.form"));
	}
}
