/* What `confd verify` makes of files in any form and of --expect. */
#include "attest/tee/snp_policy.h"
#include "cmd/verify_claims.h"
#include "cmd/verify_default.h"
#include "cmd/verify_input.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "test/test.h"

/* ---- Files ---- */

/* What becomes of a file of this text. */
static bool decodes(enum verify_form form, const char *text, struct slice to)
{
	auto_buf struct buf b = buf_make(4096);

	buf_put_str(&b, text);
	verify_input_decode(form, &b);
	return slice_eq(buf_slice(&b), to);
}

TEST(evidence_is_read_in_every_form)
{
	static const struct {
		const char *text;
	} same[] = {
		{ "00ff10ab" },
		{ "00FF10AB\n" },
		{ "0x00ff10ab" },
		{ " 00ff\r\n\t10ab \n" },
		{ "AP8Qqw==" },
		{ "AP8Q\nqw==\n" },
		{ "-----BEGIN X-----\nAP8Qqw==\n-----END X-----\n" },
		{ "some words\n-----BEGIN X-----\nAP8Qqw==\n-----END X-----\n" },
	};
	const struct slice bytes = S("\x00\xff\x10\xab");

	for (size_t i = 0; i < countof(same); i++)
		if (!EXPECT(decodes(VERIFY_BYTES, same[i].text, bytes)))
			printf("%s\n", same[i].text);
	CHECK(decodes(VERIFY_BYTES, "-_-_", S("\xfb\xff\xbf")));
}

TEST(what_is_of_no_form_stays_as_it_is)
{
	static const char *const texts[] = {
		"",
		"0x",
		"00f",
		"00f_g",
		"AP8Qqw=q",
		"AP8Qqx==",
		"AP8Q qw==x",
		"{\"a\":1}",
		"<a>00</a>",
		"\x30\x82",
		"-----BEGIN X-----\n!\n-----END X-----\n",
		"\x01-----BEGIN X-----\nAP8Qqw==\n-----END X-----\n",
	};

	for (size_t i = 0; i < countof(texts); i++)
		if (!EXPECT(decodes(VERIFY_BYTES, texts[i],
				    slice_str(texts[i]))))
			printf("%s\n", texts[i]);
}

TEST(certificates_stay_pem)
{
	const char *pem = "-----BEGIN X-----\nAP8Qqw==\n-----END X-----\n"
			  "-----BEGIN X-----\nAP8Qqw==\n-----END X-----\n";

	CHECK(decodes(VERIFY_CERTS, pem, slice_str(pem)));
	CHECK(decodes(VERIFY_CERTS, "00ff10ab", S("\x00\xff\x10\xab")));
}

TEST(hex_of_options_is_padded_and_bounded)
{
	uint8_t out[4] = { 9, 9, 9, 9 };
	size_t len = 7;
	struct err err;

	CHECK(verify_input_hex("x", "0xAb", out, 4, &len, &err) == OK);
	CHECK(len == 1 && memcmp(out, "\xab\0\0\0", 4) == 0);
	CHECK(verify_input_hex("x", "0011223344", out, 4, &len, &err) ==
	      E_USAGE);
	CHECK(verify_input_hex("x", "", out, 4, &len, &err) == E_USAGE);
	CHECK(verify_input_hex("x", "abc", out, 4, &len, &err) == E_USAGE);
	CHECK(strstr(err.text, "--x") != NULL);
	CHECK(len == 1 && out[0] == 0xab);
}

TEST(an_empty_file_of_collateral_is_not_taken_for_checked)
{
	char path[] = "/tmp/test_verify.XXXXXX";
	auto_buf struct buf b = { 0 };
	auto_fd int fd = mkstemp(path);
	struct err err;

	CHECK(fd >= 0);
	enum status empty =
		verify_input_collateral(path, VERIFY_CERTS, &b, &err);
	enum status report = verify_input_read(path, VERIFY_BYTES, &b, &err);
	(void)unlink(path);
	CHECK(empty == E_STALE && report == OK && b.len == 0);
	CHECK(verify_input_collateral(NULL, VERIFY_CERTS, &b, &err) == OK);
	CHECK(b.len == 0);
}

/* ---- Expectations ---- */

/* A table of ours, with a row of every kind. */
struct sample {
	uint8_t id[2];
	uint8_t small;
	uint32_t large;
	uint64_t word;
	bool flag;
	int64_t when;
	const char *text, *list;
	bool has;
};

static void put_text(const void *claims, struct buf *out)
{
	buf_put_str(out, ((const struct sample *)claims)->text);
}

static void put_list(const void *claims, struct buf *out)
{
	buf_put_str(out, ((const struct sample *)claims)->list);
}

static bool has(const void *claims)
{
	return ((const struct sample *)claims)->has;
}

/* clang-format off */
#define IN(n, k, m) { CLAIM_ROW(n, k), CLAIM_AT(struct sample, m) }
static const struct verify_claim rows[] = {
	IN("id", CLAIM_BYTES, id),
	IN("in.small", CLAIM_UINT, small),
	IN("in.large", CLAIM_UINT, large),
	IN("word", CLAIM_MASK, word),
	{ CLAIM_ROW("bit", CLAIM_BIT), CLAIM_AT(struct sample, word),
	  .bit = 2 },
	IN("flag", CLAIM_FLAG, flag),
	IN("when", CLAIM_TIME, when),
	{ CLAIM_ROW("text", CLAIM_TEXT), .text = put_text, .open = "unknown" },
	{ CLAIM_ROW("list", CLAIM_LIST), .text = put_list },
	{ CLAIM_ROW("at.times", CLAIM_UINT), CLAIM_AT(struct sample, small),
	  .has = has },
};
/* clang-format on */
static const struct verify_claims table = { "sample", rows, countof(rows) };
static const struct sample sample = {
	.id = { 0xab, 0x01 },
	.small = 7,
	.large = 70000,
	.word = 0x30002,
	.when = 1,
	.text = "Genoa",
	.list = "a,b",
};

/* What comes of one --expect; -1 when it cannot be said. */
static int outcome_of(const char *arg, const struct sample *claims)
{
	struct verify_expects e = { 0 };
	auto_trace struct trace t = { 0 };
	struct err err;

	if (verify_claims_expect(&table, arg, &e, &err) != OK)
		return -1;
	verify_claims_check(&e, claims, &t);
	return t.n == 1 ? (int)t.step[0].outcome : -2;
}

TEST(expectations_hold_in_every_form_of_a_value)
{
	static const char *const good[] = {
		"id=ab01",	  "id=AB01",
		"in.small=7",	  "in.small=0x7",
		"in.large=70000", "word=0x30002",
		"word=196610",	  "bit=true",
		"flag=false",	  "when=1970-01-01T00:00:01Z",
		"text=Genoa",	  "text=genoa",
		"list=a,b",	  "list=b,a",
	};

	for (size_t i = 0; i < countof(good); i++)
		if (!EXPECT(outcome_of(good[i], &sample) == TRACE_OK))
			printf("%s\n", good[i]);
}

TEST(expectations_that_do_not_hold_fail)
{
	static const char *const bad[] = {
		"id=ab02",     "in.small=8", "word=0x30000",
		"bit=false",   "flag=true",  "when=1970-01-01T00:00:02Z",
		"text=Genoa ", "text=",	     "list=a",
		"list=a,b,c",  "list=",	     "at.times=7",
	};

	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(outcome_of(bad[i], &sample) == TRACE_FAILED))
			printf("%s\n", bad[i]);
}

TEST(expectations_that_say_nothing_are_usage)
{
	static const char *const wrong[] = {
		"id",
		"=",
		"id=",
		"id=ab",
		"id=ab0g",
		"id=ab0102",
		"nope=1",
		"in.small=-1",
		"in.small=",
		"in.small=x",
		"word=0x",
		"word=0x-1",
		"word=0x11111111111111111",
		"bit=1",
		"flag=yes",
		"when=now",
		"",
	};

	for (size_t i = 0; i < countof(wrong); i++)
		if (!EXPECT(outcome_of(wrong[i], &sample) == -1))
			printf("%s\n", wrong[i]);
}

TEST(what_is_not_known_or_not_verified_is_not_checked)
{
	struct sample open = sample;

	open.text = "unknown";
	CHECK(outcome_of("text=good", &open) == TRACE_NOT_CHECKED);
	CHECK(outcome_of("text=unknown", &open) == TRACE_OK);
	CHECK(outcome_of("id=ab01", NULL) == TRACE_NOT_CHECKED);
}

TEST(a_claim_is_expected_once)
{
	struct verify_expects e = { 0 };
	struct err err;

	CHECK(verify_claims_expect(&table, "id=AB01", &e, &err) == OK);
	CHECK(verify_claims_expects(&e, "id", "ab01"));
	CHECK(!verify_claims_expects(&e, "word", "ab01"));
	CHECK(verify_claims_expect(&table, "id=ab02", &e, &err) == E_USAGE);
	CHECK(verify_claims_expect(&table, "wrod=1", &e, &err) == E_USAGE);
	CHECK(strstr(err.text, "'word'") != NULL);
	CHECK(e.n == 1 && verify_claims_expects(&e, "id", "ab01"));
}

TEST(claims_are_written_with_objects_for_dots)
{
	auto_buf struct buf out = buf_make(4096);
	struct json_out w = { .buf = &out };
	struct sample s = sample;

	json_open_object(&w, NULL);
	verify_claims_write(&table, &s, &w);
	json_close_object(&w);
	CHECK_STR_EQ(buf_cstr(&out),
		     "{\"id\":\"ab01\",\"in\":{\"small\":7,\"large\":70000},"
		     "\"word\":\"0x0000000000030002\",\"bit\":true,"
		     "\"flag\":false,\"when\":\"1970-01-01T00:00:01Z\","
		     "\"text\":\"Genoa\",\"list\":[\"a\",\"b\"],\"at\":{}}");
}

/* ---- The tables of the verbs ---- */

static void check_names(const struct verify_claims *t)
{
	for (size_t i = 0; i < t->n; i++) {
		const struct verify_claim *r = &t->rows[i];
		bool computed = r->kind == CLAIM_TEXT || r->kind == CLAIM_LIST;

		EXPECT((r->text != NULL) == computed);
		EXPECT(computed || r->len > 0);
		EXPECT(strncmp(r->rule.step, "expect.", 7) == 0 &&
		       strcmp(r->rule.step + 7, r->name) == 0);
		for (size_t k = 0; k < i; k++)
			if (!EXPECT(strcmp(r->name, t->rows[k].name) != 0))
				printf("%s %s twice\n", t->tee, r->name);
	}
}

TEST(every_claim_has_one_name)
{
	check_names(&verify_snp_claims);
	check_names(&verify_tdx_claims);
	check_names(&verify_gpu_claims);
}

/* ---- The defaults ---- */

static struct snp_claims plain_snp(void)
{
	struct snp_claims c = { .report = { .version = 3,
					    .policy = SNP_POLICY_ONE } };

	memset(c.report.report_id_ma, 0xff, sizeof(c.report.report_id_ma));
	memset(c.report.chip_id, 1, sizeof(c.report.chip_id));
	return c;
}

/* Whether the defaults, with this --expect, let it pass. */
static bool snp_passes(const struct snp_claims *c, const char *expect)
{
	struct verify_expects e = { 0 };
	auto_trace struct trace t = { 0 };
	struct err err;

	if (expect != NULL)
		EXPECT(verify_claims_expect(&verify_snp_claims, expect, &e,
					    &err) == OK);
	verify_snp_default(&e, c, &t);
	return trace_first_failure(&t) == NULL;
}

TEST(the_defaults_give_way_to_what_is_expected_and_to_nothing_else)
{
	struct snp_claims c = plain_snp();

	CHECK(snp_passes(&c, NULL));
	CHECK(!snp_passes(&c, "vmpl=1"));
	c.report.vmpl = 1;
	CHECK(!snp_passes(&c, NULL));
	CHECK(!snp_passes(&c, "debug=true"));
	CHECK(snp_passes(&c, "vmpl=1"));
	c = plain_snp();
	c.report.policy |= SNP_POLICY_DEBUG;
	CHECK(!snp_passes(&c, NULL));
	CHECK(!snp_passes(&c, "debug=false"));
	CHECK(snp_passes(&c, "debug=true"));
	c.report.policy |= SNP_POLICY_MIGRATE_MA;
	CHECK(!snp_passes(&c, "debug=true"));
}

TEST(a_tdx_platform_that_is_out_of_date_is_never_accepted)
{
	struct verify_expects e = { 0 };
	struct tdx_claims c = { .status = TDX_OUT_OF_DATE };
	auto_trace struct trace t = { 0 };
	auto_trace struct trace again = { 0 };
	struct err err;

	c.td.attributes = TDX_ATTR_SEPT_VE_DISABLE;
	c.td.xfam = TDX_XFAM_FIXED1;
	CHECK(verify_claims_expect(&verify_tdx_claims, "tcb_status=OutOfDate",
				   &e, &err) == OK);
	verify_tdx_default(&e, &c, &t);
	CHECK(trace_first_failure(&t) != NULL);
	e.n = 0;
	c.status = TDX_SW_HARDENING_NEEDED;
	CHECK(verify_claims_expect(&verify_tdx_claims,
				   "tcb_status=SWHardeningNeeded", &e,
				   &err) == OK);
	verify_tdx_default(&e, &c, &again);
	CHECK(trace_first_failure(&again) == NULL);
}

TEST(a_bundle_that_is_none_is_refused_without_claims)
{
	auto_mem struct claims *claims = mem_must(sizeof(*claims));
	struct verifier_case c = { .bundle = S("{}") };
	struct verify_expects e = { 0 };
	auto_trace struct trace t = { 0 };
	bool genuine = true;
	struct err err;

	CHECK(verify_default_judge(&c, &e, &t, claims, &genuine, &err) ==
	      E_PARSE);
	CHECK(!genuine && t.n == 1);
}
