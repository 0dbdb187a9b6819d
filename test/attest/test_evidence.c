#include "attest/evidence.h"

#include "core/cleanup.h"
#include "test/test.h"

#define GOOD                                                      \
	"{\"v\":1,\"statement\":\"s \\\"x\\\"\",\"tee\":\"sim\"," \
	"\"report\":\"cmVwb3J0\",\"collateral\":{\"chain\":\"c\\n\"}"
#define LOG "\"bG9n\""
#define GPU \
	"{\"arch\":\"hopper\",\"report\":\"Zw==\",\"chain\":\"p\",\"rims\":{}}"
#define GPU_OCSP                                                             \
	"{\"arch\":\"hopper\",\"report\":\"Zw==\",\"chain\":\"p\",\"rims\":" \
	"{\"driver\":\"d\"},\"ocsp\":[\"Zw==\",\"Zg==\"]}"
#define FULL GOOD ",\"event_log\":[" LOG "],\"gpus\":[" GPU "," GPU_OCSP "]}"

static enum status parse(const char *text)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	return evidence_parse(slice_str(text), &e, &err);
}

TEST(reads_every_part)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	CHECK(evidence_parse(S(FULL), &e, &err) == OK);
	CHECK(slice_eq(buf_slice(&e.statement), S("s \"x\"")));
	CHECK_STR_EQ(e.tee, "sim");
	CHECK(slice_eq(buf_slice(&e.report), S("report")));
	CHECK(slice_eq(evidence_text(&e.collateral, "chain"), S("c\n")));
	CHECK(evidence_text(&e.collateral, "other").len == 0);
	CHECK(e.n_logs == 1 && slice_eq(buf_slice(&e.log[0]), S("log")));
	CHECK(e.n_gpus == 2 && e.gpu[0].n_ocsp == 0 && e.gpu[1].n_ocsp == 2);
	CHECK(slice_eq(buf_slice(&e.gpu[1].ocsp[1]), S("f")));
	CHECK_STR_EQ(e.gpu[0].arch, "hopper");
	CHECK(slice_eq(buf_slice(&e.gpu[0].report), S("g")));
	CHECK(slice_eq(buf_slice(&e.gpu[0].chain), S("p")));
}

TEST(writes_what_it_read)
{
	auto_evidence struct evidence e;
	auto_buf struct buf out = buf_make(EVIDENCE_MAX);
	struct err err;

	evidence_init(&e);
	CHECK(evidence_parse(S(FULL), &e, &err) == OK);
	CHECK(evidence_write(&e, &out, &err) == OK);
	CHECK_STR_EQ(buf_cstr(&out), FULL);
}

TEST(the_optional_parts_may_be_absent)
{
	CHECK(parse(GOOD "}") == OK);
	CHECK(parse(GOOD ",\"gpus\":[" GPU "]}") == OK);
}

TEST(refuses_every_shorter_text)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	for (size_t n = 0; n < sizeof(FULL) - 1; n++)
		CHECK(evidence_parse(slice_make(FULL, n), &e, &err) == E_PARSE);
	CHECK(e.tee == NULL && e.n_gpus == 0);
}

/* clang-format off */
#define B(v, s, t, r, c) "{\"v\":" v ",\"statement\":" s ",\"tee\":" t \
	",\"report\":" r ",\"collateral\":" c "}"
static const char *const bad[] = {
	"", "{}", "[]", "1", FULL "x", FULL "{}",
	B("2", "\"s\"", "\"sim\"", "\"cg==\"", "{}"),
	B("\"1\"", "\"s\"", "\"sim\"", "\"cg==\"", "{}"),
	B("1", "{}", "\"sim\"", "\"cg==\"", "{}"),
	B("1", "\"s\"", "\"SIM\"", "\"cg==\"", "{}"),
	B("1", "\"s\"", "\"\"", "\"cg==\"", "{}"),
	B("1", "\"s\"", "1", "\"cg==\"", "{}"),
	B("1", "\"s\"", "\"a b\"", "\"cg==\"", "{}"),
	B("1", "\"s\"", "\"sim\"", "\"\"", "{}"),
	B("1", "\"s\"", "\"sim\"", "\"cg=\"", "{}"),
	B("1", "\"s\"", "\"sim\"", "\"c-_=\"", "{}"),
	B("1", "\"s\"", "\"sim\"", "\"cg==\"", "[]"),
	B("1", "\"s\"", "\"sim\"", "\"cg==\"", "{\"chain\":1}"),
	B("1", "\"s\"", "\"sim\"", "\"cg==\"", "{\"CHAIN\":\"\"}"),
	B("1", "\"s\"", "\"sim\"", "\"cg==\"", "{\"a\":\"\",\"a\":\"\"}"),
	B("1", "\"s\"", "\"sim\"", "\"cg==\"", "{\"a\":\"\",\"\\u0061\":\"\"}"),
	GOOD ",\"more\":1}",
	GOOD ",\"Gpus\":[]}",
	GOOD ",\"gpus\":[]}",
	GOOD ",\"gpus\":{}}",
	GOOD ",\"gpus\":[1]}",
#define OCSP(list) GOOD ",\"gpus\":[{\"arch\":\"hopper\",\"report\":\"Zw==\"," \
	"\"chain\":\"p\",\"rims\":{},\"ocsp\":" list "}]}"
	OCSP("[]"), OCSP("{}"), OCSP("\"Zw==\""), OCSP("[1]"), OCSP("[\"\"]"),
	OCSP("[\"Zw\"]"), OCSP("[\"Zw==\",null]"),
	GOOD ",\"gpus\":[{\"arch\":\"hopper\",\"report\":\"Zw==\","
	"\"chain\":\"p\"}]}",
	GOOD ",\"gpus\":[{\"arch\":\"hopper\",\"report\":\"Zw==\","
	"\"chain\":\"p\",\"rims\":{},\"x\":1}]}",
	GOOD ",\"event_log\":[]}",
	GOOD ",\"event_log\":" LOG "}",
	GOOD ",\"event_log\":[{}]}",
	GOOD ",\"event_log\":[\"\"]}",
	GOOD ",\"event_log\":[\"bG9n=\"]}",
	GOOD ",\"event_log\":[{\"mr\":1,\"type\":1,"
	"\"digest\":\"\",\"data\":\"\"}]}",
	GOOD ",\"event_log\":[" LOG "],\"event_log\":[" LOG "]}",
};
/* clang-format on */

TEST(refuses_every_other_form)
{
	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(parse(bad[i]) == E_PARSE))
			printf("\t%s\n", bad[i]);
}

/* GOOD with a list of n same elements in the member. */
static enum status parse_many(const char *member, const char *element, size_t n)
{
	auto_buf struct buf text = buf_make(2 * EVIDENCE_MAX);

	buf_putf(&text, GOOD ",\"%s\":[", member);
	for (size_t i = 0; i < n; i++)
		buf_putf(&text, "%s%s", i == 0 ? "" : ",", element);
	buf_put_str(&text, "]}");
	return parse(buf_cstr(&text));
}

TEST(lists_are_limited)
{
	CHECK(parse_many("gpus", GPU, EVIDENCE_GPUS_MAX) == OK);
	CHECK(parse_many("gpus", GPU, EVIDENCE_GPUS_MAX + 1) == E_LIMIT);
	CHECK(parse_many("event_log", LOG, EVIDENCE_LOGS_MAX) == OK);
	CHECK(parse_many("event_log", LOG, EVIDENCE_LOGS_MAX + 1) == E_LIMIT);
}

TEST(what_is_added_keeps_the_limits_and_can_be_read)
{
	static const uint8_t large[EVIDENCE_LOG_MAX + 1];
	auto_evidence struct evidence e, back;
	auto_buf struct buf out = buf_make(EVIDENCE_MAX);
	struct err err;

	evidence_init(&e);
	evidence_init(&back);
	CHECK(evidence_parse(S(GOOD ",\"gpus\":[" GPU "]}"), &e, &err) == OK);
	CHECK(evidence_add_log(&e, slice_of(large), &err) == E_LIMIT);
	CHECK(evidence_add_log(&e, S(""), &err) == E_PARSE);
	CHECK(e.n_logs == 0);
	CHECK(evidence_add_log(&e, slice_make(large, EVIDENCE_LOG_MAX), &err) ==
	      OK);
	CHECK(evidence_add_log(&e, S("more"), &err) == E_LIMIT);
	CHECK(evidence_add_ocsp(&e.gpu[0], slice_of(large), &err) == E_LIMIT);
	for (size_t i = 0; i < EVIDENCE_OCSP_MAX; i++)
		CHECK(evidence_add_ocsp(&e.gpu[0], S("r"), &err) == OK);
	CHECK(evidence_add_ocsp(&e.gpu[0], S("r"), &err) == E_LIMIT);
	CHECK(evidence_write(&e, &out, &err) == OK);
	CHECK(evidence_parse(buf_slice(&out), &back, &err) == OK);
	CHECK(back.n_logs == 1 && back.log[0].len == EVIDENCE_LOG_MAX);
	CHECK(back.gpu[0].n_ocsp == EVIDENCE_OCSP_MAX);
}

TEST(responses_about_revocation_are_limited)
{
	auto_buf struct buf text = buf_make(EVIDENCE_MAX);

	for (size_t n = EVIDENCE_OCSP_MAX; n <= EVIDENCE_OCSP_MAX + 1; n++) {
		buf_clear(&text);
		buf_put_str(&text, GOOD ",\"gpus\":[{\"arch\":\"a\",\"report\":"
					"\"Zw==\",\"chain\":\"p\",\"rims\":{},"
					"\"ocsp\":[");
		for (size_t i = 0; i < n; i++)
			buf_putf(&text, "%s\"Zw==\"", i == 0 ? "" : ",");
		buf_put_str(&text, "]}]}");
		CHECK(parse(buf_cstr(&text)) ==
		      (n == EVIDENCE_OCSP_MAX ? OK : E_LIMIT));
	}
}

TEST(a_text_gets_another_name_unless_that_is_taken)
{
	static const char *const names[] = { "chain", "b" };
	auto_evidence struct evidence e;
	struct evidence_texts *t = &e.collateral;
	struct err err;

	evidence_init(&e);
	CHECK(evidence_add_text(t, S("a"), S("1"), &err) == OK);
	CHECK(evidence_add_text(t, S("chain"), S("2"), &err) == OK);
	CHECK_STR_EQ(evidence_text_other(t, names, 2), "a");
	CHECK(evidence_rename_text(t, "a", "chain", &err) == E_CONFLICT);
	CHECK(evidence_rename_text(t, "c", "d", &err) == OK); /* nothing */
	CHECK(evidence_rename_text(t, "a", "b", &err) == OK);
	CHECK(slice_eq(evidence_text(t, "b"), S("1")));
	CHECK(evidence_text(t, "a").len == 0);
	CHECK(evidence_text_other(t, names, 2) == NULL);
	CHECK_STR_EQ(evidence_text_other(t, names, 1), "b");
}

TEST(texts_are_limited)
{
	struct evidence_texts t = { 0 };
	auto_evidence struct evidence e;
	char name[16];
	struct err err;

	evidence_init(&e);
	for (int i = 0; i < EVIDENCE_COLLATERAL_MAX; i++) {
		(void)snprintf(name, sizeof(name), "t%d", i);
		CHECK(evidence_add_text(&e.collateral, slice_str(name), S("x"),
					&err) == OK);
	}
	CHECK(evidence_add_text(&e.collateral, S("more"), S("x"), &err) ==
	      E_LIMIT);
	CHECK(evidence_add_text(&e.collateral, S("t0"), S("x"), &err) ==
	      E_CONFLICT);
	CHECK(e.collateral.n == EVIDENCE_COLLATERAL_MAX);
	CHECK(evidence_add_text(&t, S("Bad"), S("x"), &err) == E_PARSE);
	CHECK(evidence_add_text(&t, S("a"), S("\xff"), &err) == E_PARSE);
	CHECK(evidence_add_text(&t, S("a"), S("a\0b"), &err) == E_PARSE);
	CHECK(t.n == 0);
}

TEST(a_text_longer_than_its_cap_is_refused)
{
	auto_buf struct buf text = buf_make(EVIDENCE_MAX);

	buf_put_str(&text, "{\"v\":1,\"statement\":\"");
	for (size_t i = 0; i < STATEMENT_MAX + 1; i++)
		buf_put_u8(&text, 's');
	buf_put_str(&text, "\",\"tee\":\"sim\",\"report\":\"cg==\","
			   "\"collateral\":{}}");
	CHECK(parse(buf_cstr(&text)) == E_LIMIT);
}

TEST(writing_needs_a_statement_a_tee_and_a_report)
{
	auto_evidence struct evidence e;
	auto_buf struct buf out = buf_make(EVIDENCE_MAX);
	struct err err;

	evidence_init(&e);
	CHECK(evidence_write(&e, &out, &err) == E_PARSE);
	buf_put_str(&e.statement, "s");
	buf_put_str(&e.report, "r");
	CHECK(evidence_write(&e, &out, &err) == E_PARSE);
	CHECK(evidence_set_tee(&e, "Not A Name", &err) == E_PARSE);
	CHECK(evidence_set_tee(&e, "sim", &err) == OK);
	CHECK(evidence_write(&e, &out, &err) == OK);
}

TEST(a_full_buffer_is_left_as_it_was)
{
	auto_evidence struct evidence e;
	auto_buf struct buf out = buf_make(40);
	struct err err;

	evidence_init(&e);
	CHECK(evidence_parse(S(FULL), &e, &err) == OK);
	buf_put_str(&out, "before");
	CHECK(evidence_write(&e, &out, &err) == E_LIMIT);
	CHECK_STR_EQ(buf_cstr(&out), "before");
}
