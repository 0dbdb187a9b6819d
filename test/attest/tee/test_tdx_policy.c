#include "attest/tee/tdx_policy.h"

#include "core/cleanup.h"
#include "test/test.h"

/* Claims that the strictest policy takes. */
static struct tdx_claims good(void)
{
	return (struct tdx_claims){
		.version = 4,
		.body = TDX_BODY_10,
		.td = { .attributes = TDX_ATTR_SEPT_VE_DISABLE, .xfam = 0xe7 },
		.status = TDX_UP_TO_DATE,
		.evaluation = 17,
	};
}

/* The step that fails, "" for none, or "more". */
static const char *judge(const struct tdx_policy *p, const struct tdx_claims *c)
{
	static char name[64];
	auto_trace struct trace t = { 0 };
	size_t n = 0;

	bool ok = tdx_policy_check(p, c, &t);
	name[0] = '\0';
	for (size_t i = 0; i < t.n; i++)
		if (t.step[i].outcome != TRACE_OK) {
			(void)snprintf(name, sizeof(name), "%s",
				       t.step[i].rule->step);
			n++;
		}
	EXPECT(ok == (n == 0));
	return n > 1 ? "more" : name;
}

TEST(a_policy_of_zeros_is_the_strictest)
{
	struct tdx_policy p = { 0 };
	struct tdx_claims c = good();

	CHECK_STR_EQ(judge(&p, &c), "");
}

TEST(every_bit_of_attributes_is_judged)
{
	struct tdx_policy p = { 0 };

	for (unsigned bit = 0; bit < 64; bit++) {
		struct tdx_claims c = good();
		const char *expected = "policy.attributes";

		c.td.attributes ^= UINT64_C(1) << bit;
		if (bit == 0)
			expected = "policy.debug";
		if (bit == 28)
			expected = "policy.sept_ve_disable";
		if (bit == 29)
			expected = "policy.migratable";
		if (bit == 30 || bit == 31 || bit == 63)
			expected = "";
		CHECK_STR_EQ(judge(&p, &c), expected);
	}
}

TEST(every_bit_of_xfam_is_judged)
{
	struct tdx_policy p = { 0 };

	for (unsigned bit = 0; bit < 64; bit++) {
		struct tdx_claims c = good();
		bool known = (TDX_XFAM_KNOWN >> bit & 1) != 0;

		c.td.xfam |= UINT64_C(1) << bit;
		CHECK_STR_EQ(judge(&p, &c), known ? "" : "policy.xfam");
		c.td.xfam = 0xe7 & ~(UINT64_C(1) << bit);
		CHECK_STR_EQ(judge(&p, &c), bit < 2 ? "policy.xfam.fixed" : "");
	}
	struct tdx_claims c = good();
	p.has_xfam = true;
	p.xfam = 0x7;
	CHECK_STR_EQ(judge(&p, &c), "policy.xfam");
	p.xfam = UINT64_MAX; /* what is not known stays refused */
	c.td.xfam = UINT64_MAX;
	CHECK_STR_EQ(judge(&p, &c), "policy.xfam");
}

TEST(what_is_tolerated_is_tolerated_alone)
{
	struct tdx_policy p = { .debug = true };
	struct tdx_claims c = good();

	c.td.attributes |= TDX_ATTR_DEBUG;
	CHECK_STR_EQ(judge(&p, &c), "");
	c.td.attributes |= TDX_ATTR_MIGRATABLE;
	CHECK_STR_EQ(judge(&p, &c), "policy.migratable");
	p.migratable = true;
	CHECK_STR_EQ(judge(&p, &c), "");
	c.td.attributes &= ~TDX_ATTR_SEPT_VE_DISABLE;
	p.sept_ve = true;
	CHECK_STR_EQ(judge(&p, &c), "");
	c.td.attributes |= TDX_ATTR_PERFMON;
	p.perfmon_refused = true;
	CHECK_STR_EQ(judge(&p, &c), "policy.perfmon");
}

TEST(a_status_is_accepted_only_where_it_is_listed_and_never_when_bad)
{
	char *all[10];
	struct manifest_strings list = { 0, all };
	struct tdx_policy p = { 0 };
	struct tdx_claims c = good();

	for (unsigned s = 0; s < 12; s++) {
		c.status = (enum tdx_status)s;
		CHECK_STR_EQ(judge(&p, &c),
			     s == TDX_UP_TO_DATE ? "" : "policy.tcb_status");
	}
	p.tcb_status = &list; /* none is any */
	c.status = TDX_UP_TO_DATE;
	CHECK_STR_EQ(judge(&p, &c), "policy.tcb_status");
	for (unsigned s = 0; s < 10; s++) {
		const char *name = tdx_status_name((enum tdx_status)s);

		all[list.n++] = mem_strdup(name, strlen(name));
	}
	for (unsigned s = 0; s < 12; s++) {
		bool never = s == TDX_STATUS_NONE || s == TDX_OUT_OF_DATE ||
			     s == TDX_OUT_OF_DATE_CONFIGURATION_NEEDED ||
			     s == TDX_REVOKED || s >= 10;

		c.status = (enum tdx_status)s;
		EXPECT(strcmp(judge(&p, &c),
			      never ? "policy.tcb_status" : "") == 0);
	}
	for (size_t i = 0; i < list.n; i++)
		mem_free(all[i]);
}

TEST(every_advisory_has_to_be_tolerated)
{
	char one[] = "INTEL-SA-00837";
	char *items[] = { one };
	const struct manifest_strings list = { 1, items };
	struct tdx_policy p = { 0 };
	struct tdx_claims c = good();

	c.advisories.n = 1;
	memcpy(c.advisories.id[0], one, sizeof(one));
	CHECK_STR_EQ(judge(&p, &c), "policy.advisories");
	p.advisories = &list;
	CHECK_STR_EQ(judge(&p, &c), "");
	c.advisories.n = 2;
	memcpy(c.advisories.id[1], "INTEL-SA-00838", 15);
	CHECK_STR_EQ(judge(&p, &c), "policy.advisories");
}

TEST(advisories_are_told_only_of_a_platform_that_is_up_to_date)
{
	const struct manifest_strings none = { 0 };
	char hardening[] = "SWHardeningNeeded";
	char *items[] = { hardening };
	const struct manifest_strings listed = { 1, items };
	struct tdx_policy p = { .told_advisories = true };
	struct tdx_claims c = good();

	c.advisories.n = 1;
	memcpy(c.advisories.id[0], "INTEL-SA-00837", 15);
	CHECK_STR_EQ(judge(&p, &c), "");
	p.advisories = &none; /* a list counts */
	CHECK_STR_EQ(judge(&p, &c), "policy.advisories");
	p.advisories = NULL;
	p.tcb_status = &listed;
	c.status = TDX_SW_HARDENING_NEEDED;
	CHECK_STR_EQ(judge(&p, &c), "policy.advisories");
}

/* Each list has its own claim, and nothing in an empty one. */
TEST(each_list_is_asked_of_its_own_claim)
{
	struct tdx_claims c = good();
	const struct {
		size_t list;
		uint8_t *at;
		uint8_t len;
		const char *step;
	} lists[] = {
#define LIST(m) offsetof(struct tdx_policy, m)
		{ LIST(mrtd), c.td.mrtd, 48, "policy.mrtd" },
		{ LIST(rtmr[0]), c.td.rtmr[0], 48, "policy.rtmr0" },
		{ LIST(rtmr[1]), c.td.rtmr[1], 48, "policy.rtmr1" },
		{ LIST(rtmr[2]), c.td.rtmr[2], 48, "policy.rtmr2" },
		{ LIST(rtmr[3]), c.td.rtmr[3], 48, "policy.rtmr3" },
		{ LIST(mrconfigid), c.td.mrconfigid, 48, "policy.mrconfigid" },
		{ LIST(mrowner), c.td.mrowner, 48, "policy.mrowner" },
		{ LIST(mrownerconfig), c.td.mrownerconfig, 48,
		  "policy.mrownerconfig" },
		{ LIST(mrseam), c.td.mrseam, 48, "policy.mrseam" },
		{ LIST(mrsignerseam), c.td.mrsignerseam, 48,
		  "policy.mrsignerseam" },
		{ LIST(mrservicetd), c.td.mrservicetd, 48,
		  "policy.mrservicetd" },
		{ LIST(fmspcs), c.pck.fmspc, 6, "policy.fmspc" },
		{ LIST(instances), c.pck.instance, 16, "policy.instance" },
		{ LIST(ppids), c.pck.ppid, 16, "policy.ppid" },
#undef LIST
	};

	c.body = TDX_BODY_15;
	c.pck.has_instance = true;
	for (size_t i = 0; i < countof(lists); i++) {
		struct manifest_digest item = { .len = lists[i].len };
		struct manifest_digests list = { 1, &item };
		const struct manifest_digests *borrowed = &list;
		struct tdx_policy p = { 0 };

		item.value[0] = (uint8_t)(i + 1);
		memcpy((uint8_t *)&p + lists[i].list, &borrowed,
		       sizeof(borrowed));
		CHECK_STR_EQ(judge(&p, &c), lists[i].step);
		*lists[i].at = (uint8_t)(i + 1);
		CHECK_STR_EQ(judge(&p, &c), "");
		list.n = 0;
		CHECK_STR_EQ(judge(&p, &c), lists[i].step);
		*lists[i].at = 0;
	}
}

TEST(what_a_quote_does_not_have_no_list_has)
{
	struct manifest_digest zero48 = { .len = 48 }, zero16 = { .len = 16 };
	struct manifest_digests l48 = { 1, &zero48 }, l16 = { 1, &zero16 };
	struct tdx_policy p = { .mrservicetd = &l48 };
	struct tdx_claims c = good();

	CHECK_STR_EQ(judge(&p, &c), "policy.mrservicetd");
	c.body = TDX_BODY_15;
	CHECK_STR_EQ(judge(&p, &c), "");
	p = (struct tdx_policy){ .instances = &l16 };
	CHECK_STR_EQ(judge(&p, &c), "policy.instance");
	c.pck.has_instance = true;
	CHECK_STR_EQ(judge(&p, &c), "");
}

TEST(minima_are_minima)
{
	struct tdx_policy p = { .min_evaluation = 17 };
	struct tdx_claims c = good();

	CHECK_STR_EQ(judge(&p, &c), "");
	p.min_evaluation = 18;
	CHECK_STR_EQ(judge(&p, &c), "policy.evaluation");
	p.min_evaluation = 0;
	p.min_tcb_date = 1000;
	c.tcb_date = 999;
	CHECK_STR_EQ(judge(&p, &c), "policy.tcb_date");
	c.tcb_date = 1000;
	CHECK_STR_EQ(judge(&p, &c), "");
	for (size_t i = 0; i < 16; i++) {
		p.min_tee_tcb_svn[i] = 5;
		c.td.tee_tcb_svn[i] = 4;
		CHECK_STR_EQ(judge(&p, &c), "policy.tee_tcb_svn");
		c.td.tee_tcb_svn[i] = 5;
		CHECK_STR_EQ(judge(&p, &c), "");
	}
}
