#include "attest/tee/tdx_tcb.h"

#include "attest/tee/tdx_match.h"
#include "core/cleanup.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/test.h"

#define NOW INT64_C(1771000000)

/* A document with the first `from` replaced by `to`; its signature no longer
 * holds, which is not asked here. */
static struct slice edit(struct slice text, const char *from, const char *to,
			 struct buf *out)
{
	size_t at = slice_search(text, slice_str(from));

	EXPECT(at < text.len);
	*out = buf_make(1 << 20);
	buf_put(out, slice_sub(text, 0, at));
	buf_put_str(out, to);
	buf_put(out, slice_from(text, at + strlen(from)));
	return buf_slice(out);
}

static enum status parse_tcb(struct slice text)
{
	auto_tdx_tcb_info struct tdx_tcb_info *t = NULL;
	struct tdx_signed over;
	struct err err;

	return tdx_tcb_info_parse(text, &t, &over, &err);
}

static enum status parse_qe(struct slice text)
{
	auto_tdx_qe_identity struct tdx_qe_identity *q = NULL;
	struct tdx_signed over;
	struct err err;

	return tdx_qe_identity_parse(text, &q, &over, &err);
}

TEST(reads_every_member_of_the_tcb_info)
{
	auto_tdx_forge struct tdx_forge f;
	auto_tdx_tcb_info struct tdx_tcb_info *t = NULL;
	struct tdx_signed over;
	struct err err;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	struct slice text = buf_slice(&f.tcb_info);
	CHECK(tdx_tcb_info_parse(text, &t, &over, &err) == OK);
	CHECK(t->issued == f.o.issued && t->next == f.o.next);
	CHECK(t->evaluation == 18 && t->fmspc[2] == 0x6f);
	CHECK(t->n_modules == 1 && t->identity[0].version == 1);
	CHECK(t->identity[0].levels.n == 2);
	CHECK(t->identity[0].levels.level[1].status == TDX_OUT_OF_DATE);
	CHECK(t->n_levels == 2 && t->level[0].sgx[0] == 3);
	CHECK(t->level[0].tdx[2] == 3 && t->level[0].pce_svn == 13);
	CHECK(t->level[0].advisories == NULL);
	CHECK(json_count(t->level[1].advisories) == 1);
	/* Exactly the bytes between the name and the comma behind. */
	CHECK(over.bytes.p == text.p + strlen("{\"tcbInfo\":"));
	CHECK(over.bytes.p[over.bytes.len - 1] == '}' &&
	      over.bytes.p[over.bytes.len] == ',');
}

/* What is not what is documented, each in turn. */
static const struct {
	const char *from, *to;
} bad_tcb[] = {
	{ "\"id\":\"TDX\"", "\"id\":\"SGX\"" },
	{ "\"id\":\"TDX\"", "\"id\":\"tdx\"" },
	{ "\"version\":3", "\"version\":2" },
	{ "\"version\":3", "\"version\":\"3\"" },
	{ "\"version\":3", "\"version\":3,\"version\":3" },
	{ "\"tcbType\":0", "\"tcbType\":1" },
	{ "\"tcbType\":0,", "" },
	{ "\"fmspc\":\"90", "\"fmspc\":\"9" },
	{ "\"fmspc\":\"90", "\"fmspc\":\"9g" },
	{ "\"fmspc\"", "\"FMSPC\"" },
	{ "\"pceId\":\"0000\"", "\"pceId\":\"000000\"" },
	{ "\"tdxModule\"", "\"tdxmodule\"" },
	{ "\"mrsigner\":\"00", "\"mrsigner\":\"" },
	{ "\"id\":\"TDX_01\"", "\"id\":\"TDX_0x\"" },
	{ "\"id\":\"TDX_01\"", "\"id\":\"TDX_001\"" },
	{ "\"tcbEvaluationDataNumber\":18", "\"tcbEvaluationDataNumber\":-18" },
	{ "\"tcbEvaluationDataNumber\":18",
	  "\"tcbEvaluationDataNumber\":18.0" },
	{ "\"tcbEvaluationDataNumber\":18,", "" },
	{ "\"isvsvn\":5", "\"isvsvn\":65536" },
	{ "\"pcesvn\":13", "\"pcesvn\":65536" },
	{ "{\"svn\":3}", "{\"svn\":256}" },
	{ "{\"svn\":3},", "" },
	{ "{\"svn\":3},", "{\"svn\":3},{\"svn\":3}," },
	{ "\"tcbDate\":\"2024-03-13T00:00:00Z\"",
	  "\"tcbDate\":\"2024-03-13\"" },
	{ "\"issueDate\":\"2026", "\"issueDate\":\"2027" },
	{ "\"advisoryIDs\":[", "\"advisoryIDs\":[5," },
	{ "\"advisoryIDs\":[", "\"advisoryIDs\":[\"\"," },
	{ "\"advisoryIDs\":[\"", "\"advisoryIDs\":[\"INTEL-SA-00837-TOO-LONG" },
	{ "\"signature\":\"", "\"signature\":\"00" },
	{ ",\"signature\":\"", ",\"x\":1,\"signature\":\"" },
	{ "{\"tcbInfo\":", "[{\"tcbInfo\":" },
	{ "{\"tcbInfo\":", "{\"tcbInfo\":{},\"tcbInfo\":" },
};

TEST(refuses_what_is_not_documented)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	struct slice text = buf_slice(&f.tcb_info);
	CHECK(parse_tcb(text) == OK);
	for (size_t i = 0; i < countof(bad_tcb); i++) {
		auto_buf struct buf changed = { 0 };

		if (!EXPECT(parse_tcb(edit(text, bad_tcb[i].from, bad_tcb[i].to,
					   &changed)) == E_PARSE))
			CHECK_STR_EQ(bad_tcb[i].to, "to be refused");
	}
	CHECK(parse_tcb(buf_slice(&f.qe_identity)) == E_PARSE);
	CHECK(parse_qe(text) == E_PARSE);
	for (size_t n = 0; n < text.len; n++)
		CHECK(parse_tcb(slice_sub(text, 0, n)) == E_PARSE);
}

TEST(what_intel_may_add_or_write_otherwise_is_taken)
{
	static const struct {
		const char *from, *to;
	} fine[] = {
		{ "\"version\":3", "\"version\":3,\"more\":[1,{}]" },
		{ "\"version\":3", " \"version\" : 3 " },
		{ "\"fmspc\":\"90c06f", "\"fmspc\":\"90C06f" },
		{ "\"id\":\"TDX_01\"", "\"id\":\"tdx_0a\"" },
		{ "\"tdxModuleIdentities\"", "\"tdxModuleIdentities2\"" },
		{ "{\"svn\":3}", "{\"svn\":3,\"category\":\"BIOS\"}" },
	};
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	for (size_t i = 0; i < countof(fine); i++) {
		auto_buf struct buf changed = { 0 };

		CHECK(parse_tcb(edit(buf_slice(&f.tcb_info), fine[i].from,
				     fine[i].to, &changed)) == OK);
	}
}

TEST(an_identity_twice_is_refused)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf one = { 0 };
	auto_buf struct buf two = { 0 };

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	struct slice text = buf_slice(&f.tcb_info);
	struct slice from =
		slice_from(text, slice_search(text, S("{\"id\":\"TDX_01\"")));
	one = buf_make(1 << 16);
	buf_put(&one,
		slice_sub(from, 0, slice_search(from, S("],\"tcbLevels\""))));
	buf_put_str(&one, ",{\"id\":\"tdx_01\"");
	CHECK(parse_tcb(edit(text, "{\"id\":\"TDX_01\"", buf_cstr(&one),
			     &two)) == E_PARSE);
}

TEST(too_many_of_anything_is_a_limit)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf list = buf_make(1 << 20);
	auto_buf struct buf changed = { 0 };
	static uint8_t large[TDX_TCB_JSON_MAX + 1];

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	buf_put_str(&list, "\"tcbLevels\":[");
	for (size_t i = 0; i < TDX_TCB_ISV_LEVELS_MAX; i++)
		buf_put_str(&list, "{\"tcb\":{\"isvsvn\":5},\"tcbDate\":"
				   "\"2024-03-13T00:00:00Z\","
				   "\"tcbStatus\":\"UpToDate\"},");
	CHECK(parse_qe(edit(buf_slice(&f.qe_identity), "\"tcbLevels\":[",
			    buf_cstr(&list), &changed)) == E_LIMIT);
	buf_clear(&list);
	buf_put_str(&list, "\"advisoryIDs\":[");
	for (size_t i = 0; i < TDX_ADVISORIES_MAX; i++)
		buf_putf(&list, "\"INTEL-SA-%zu\",", i);
	buf_done(&changed);
	CHECK(parse_qe(edit(buf_slice(&f.qe_identity), "\"advisoryIDs\":[",
			    buf_cstr(&list), &changed)) == E_LIMIT);
	CHECK(parse_qe(slice_of(large)) == E_LIMIT);
	CHECK(parse_tcb(slice_of(large)) == E_LIMIT);
}

TEST(refuses_another_enclaves_identity)
{
	static const struct {
		const char *from, *to;
	} bad[] = {
		{ "\"id\":\"TD_QE\"", "\"id\":\"QE\"" },
		{ "\"id\":\"TD_QE\"", "\"id\":\"TD_QE\",\"id\":\"TD_QE\"" },
		{ "\"version\":2", "\"version\":1" },
		{ "\"miscselect\":\"00", "\"miscselect\":\"" },
		{ "\"miscselectMask\"", "\"miscselectmask\"" },
		{ "\"attributesMask\":\"FB", "\"attributesMask\":\"" },
		{ "\"mrsigner\":\"DC", "\"mrsigner\":\"" },
		{ "\"isvprodid\":2", "\"isvprodid\":65536" },
		{ "\"tcbLevels\"", "\"levels\"" },
	};
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	CHECK(parse_qe(buf_slice(&f.qe_identity)) == OK);
	for (size_t i = 0; i < countof(bad); i++) {
		auto_buf struct buf changed = { 0 };

		CHECK(parse_qe(edit(buf_slice(&f.qe_identity), bad[i].from,
				    bad[i].to, &changed)) == E_PARSE);
	}
}

TEST(a_part_never_makes_the_platform_better)
{
	enum {
		GOOD = TDX_UP_TO_DATE,
		SW = TDX_SW_HARDENING_NEEDED,
		CONF = TDX_CONFIGURATION_NEEDED,
		BOTH = TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED,
		OLD = TDX_OUT_OF_DATE,
		OLD_CONF = TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
		GONE = TDX_REVOKED,
	};
	/* Columns: the part is UpToDate, OutOfDate, Revoked. */
	static const int want[][3] = {
		[GOOD] = { GOOD, OLD, GONE },
		[SW] = { SW, OLD, GONE },
		[CONF] = { CONF, OLD_CONF, GONE },
		[BOTH] = { BOTH, OLD_CONF, GONE },
		[OLD] = { OLD, OLD, GONE },
		[OLD_CONF] = { OLD_CONF, OLD_CONF, GONE },
		[GONE] = { GONE, GONE, GONE },
	};

	for (unsigned s = TDX_UP_TO_DATE; s < countof(want); s++) {
		enum tdx_status p = (enum tdx_status)s;

		CHECK((int)tdx_match_merge(p, TDX_UP_TO_DATE) == want[s][0]);
		CHECK((int)tdx_match_merge(p, TDX_OUT_OF_DATE) == want[s][1]);
		CHECK((int)tdx_match_merge(p, TDX_REVOKED) == want[s][2]);
	}
}
