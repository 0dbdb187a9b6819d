#include "core/json.h"

#include <stdio.h>
#include <string.h>

#include "core/cleanup.h"
#include "test/test.h"

/* The verdict of both ways of reading; they must agree. */
static enum status verdict(struct slice text, struct err *err)
{
	auto_json struct json *root = NULL;
	enum status checked = json_check(text, 0, err);
	enum status parsed = json_parse(text, &root, err);

	EXPECT(checked == parsed);
	EXPECT((parsed == OK) == (root != NULL));
	return parsed;
}

static bool accepted(struct slice text)
{
	struct err err;

	return verdict(text, &err) == OK;
}

static bool refused(struct slice text)
{
	struct err err;

	return verdict(text, &err) == E_PARSE;
}

/* A tree of a text that is right; the test fails when it is not. */
static struct json *tree(const char *text)
{
	struct json *root = NULL;
	struct err err;

	if (json_parse(slice_str(text), &root, &err) != OK)
		printf("%s\n", err.text);
	EXPECT(root != NULL);
	return root;
}

/* S() for tables. */
#define N S_INIT

/* Each pair: what is taken, and its nearest neighbour that is not. */
/* clang-format off */
static const struct {
	struct slice good, bad;
} neighbours[] = {
	{ N("{}"), N("{") },
	{ N("[]"), N("[}") },
	{ N("{}"), N("{]") },
	{ N(" \t\r\n{} \t\r\n"), N("\f{}") },
	{ N("{}"), N("\xef\xbb\xbf{}") },
	{ N("null"), N("nul") },
	{ N("true"), N("True") },
	{ N("false"), N("falsey") },
	{ N("[null]"), N("[NaN]") },
	{ N("[1]"), N("[Infinity]") },
	{ N("[1]"), N("[1] x") },
	{ N("{}"), N("{}{}") },
	{ N("[1]"), N("[1,]") },
	{ N("[1,2]"), N("[1 2]") },
	{ N("[1,2]"), N("[,2]") },
	{ N("{\"a\":1}"), N("{\"a\":1,}") },
	{ N("{\"a\":1}"), N("{\"a\" 1}") },
	{ N("{\"a\":1}"), N("{\"a\":}") },
	{ N("{\"a\":1}"), N("{a:1}") },
	{ N("{\"a\":1}"), N("{'a':1}") },
	{ N("{\"a\":1}"), N("{xa\":1}") },
	{ N("{\"a\":1}"), N("{1:1}") },
	{ N("{\"a\":1}"), N("{\"a\":1]") },
	{ N("{\"\":1}"), N("{:1}") },
	{ N("[1]"), N("[1}") },
	{ N("[1]"), N("// c\n[1]") },
	{ N("[1]"), N("[1/**/]") },
	{ N("0"), N("00") },
	{ N("-0"), N("-") },
	{ N("10"), N("010") },
	{ N("1"), N("+1") },
	{ N("0.5"), N(".5") },
	{ N("1.0"), N("1.") },
	{ N("1e5"), N("1e") },
	{ N("1E+5"), N("1E+") },
	{ N("1e-05"), N("1e-") },
	{ N("1e400"), N("1e4.0") },
	{ N("16"), N("0x10") },
	{ N("1"), N("1\0") },
	{ N("\"\""), N("\"") },
	{ N("\"a\""), N("\"a") },
	{ N("\"\\\\\""), N("\"\\\"") },
	{ N("\"\\n\""), N("\"\n\"") },
	{ N("\"\\t\""), N("\"\t\"") },
	{ N("\"\x7f\""), N("\"\x1f\"") },
	{ N("\"x\\u0001y\""), N("\"x\\u0000y\"") },
	{ N("\"x\""), N("\"x\0\"") },
	{ N("\"\\/\\b\\f\\r\""), N("\"\\a\"") },
	{ N("\"\\u00e9\""), N("\"\\u00g9\"") },
	{ N("\"\\u00e9\""), N("\"\\u00e\"") },
	{ N("\"\\u00E9\""), N("\"\\U00E9\"") },
	{ N("\"\\uffff\""), N("\"\\ud800\"") },
	{ N("\"\\ud83d\\ude00\""), N("\"\\ude00\"") },
	{ N("\"\\ud83d\\ude00\""), N("\"\\ud83d\\ud83d\"") },
	{ N("\"\\ud83d\\ude00\""), N("\"\\ud83d \\ude00\"") },
	{ N("\"\\ud83d\\ude00\""), N("\"\\ud83d\\u0041\"") },
	{ N("\"\\ud83d\\ude00\""), N("\"\\ud83d\"") },
	{ N("\"\xc3\xa9\""), N("\"\xc3\"") },
	{ N("\"\xc2\x80\""), N("\"\xc1\x80\"") },
	{ N("\"\xe0\xa0\x80\""), N("\"\xe0\x9f\x80\"") },
	{ N("\"\xed\x9f\xbf\""), N("\"\xed\xa0\x80\"") },
	{ N("\"\xf0\x90\x80\x80\""), N("\"\xf0\x8f\x80\x80\"") },
	{ N("\"\xf4\x8f\xbf\xbf\""), N("\"\xf4\x90\x80\x80\"") },
	{ N("\"\xf0\x9f\x98\x80\""), N("\"\xf0\x9f\x98\"") },
	{ N("\"\xe2\x82\xac\""), N("\"\xe2\x82\x28\"") },
	{ N("\"\xe2\x82\xac\""), N("\"\xe2\x82\xc0\"") },
	{ N("\"\xf0\x9f\x98\x80\""), N("\"\xf0\x9f\x28\x80\"") },
	{ N("\"\xf0\x9f\x98\x80\""), N("\"\xf0\x9f\x98\x28\"") },
	{ N("\"a\""), N("\"\xff\"") },
	{ N("\"a\""), N("\"\x80\"") },
	{ N("\"12345678\""), N("\"1234567\x80\"") },
	{ N("\"12345678\""), N("\"1234567\x01\"") },
	{ N("\"1234567\x7f\""), N("\"12345678\xc3\"") },
	{ N("{\"a\":1,\"A\":2}"), N("{\"a\":1,\"a\":2}") },
	{ N("{\"a\":{\"a\":1}}"), N("{\"a\":{\"b\":1,\"b\":1}}") },
	{ N("[{\"a\":1},{\"a\":1}]"), N("[{\"a\":1,\"a\":1}]") },
	{ N("{\"a\":1,\"ab\":2}"), N("{\"model\":1,\"\\u006dodel\":2}") },
	{ N("{\"\\\\\":1,\"\\\"\":2}"), N("{\"/\":1,\"\\/\":2}") },
	{ N("{\"\xc3\xa9\":1,\"e\":2}"), N("{\"\xc3\xa9\":1,\"\\u00E9\":2}") },
	{ N("{\"\\ud83d\\ude00\":1,\"\\ud83d\\ude01\":2}"),
	  N("{\"\\ud83d\\ude00\":1,\"\xf0\x9f\x98\x80\":2}") },
	{ N("{\"\\u0001\":1,\"\\u0002\":2}"), N("{\"\":1,\"\":2}") },
};
/* clang-format on */

TEST(takes_what_the_grammar_has_and_refuses_what_is_next_to_it)
{
	for (size_t i = 0; i < countof(neighbours); i++) {
		if (!EXPECT(accepted(neighbours[i].good)))
			printf("row %zu: good\n", i);
		if (!EXPECT(refused(neighbours[i].bad)))
			printf("row %zu: bad\n", i);
	}
}

TEST(refuses_every_proper_prefix_of_a_text)
{
	static const char text[] =
		"{\"a\":[1,-2.5e+3,\"x\\u00e9\\ud83d\\ude00\xc3\xa9\"],"
		"\"b\":{\"c\":true,\"d\":false,\"e\":null}}";

	for (size_t len = 0; len < sizeof(text) - 1; len++) {
		/* exactly as long, so that a sanitizer sees a read too many */
		auto_mem char *copy = mem_must(len);
		memcpy(copy, text, len);
		if (!EXPECT(refused(slice_make(copy, len))))
			printf("length %zu\n", len);
	}
	CHECK(accepted(slice_str(text)));
	CHECK(refused(slice_make(NULL, 0)));
}

TEST(refuses_every_control_byte_outside_and_inside_a_string)
{
	for (unsigned c = 0; c < 0x20; c++) {
		uint8_t in[] = { '"', 'a', (uint8_t)c, '"' };
		uint8_t out[] = { '[', (uint8_t)c, ']' };
		bool space = c == '\t' || c == '\n' || c == '\r';

		CHECK(refused(slice_of(in)));
		CHECK(accepted(slice_of(out)) == space);
	}
}

static void nest(struct buf *b, size_t depth, const char *open,
		 const char *inner, const char *close)
{
	for (size_t i = 0; i < depth; i++)
		buf_put_str(b, open);
	buf_put_str(b, inner);
	for (size_t i = 0; i < depth; i++)
		buf_put_str(b, close);
}

TEST(takes_32_levels_and_no_more)
{
	struct err err;
	auto_buf struct buf good = buf_make(1 << 20);
	auto_buf struct buf bad = buf_make(1 << 20);
	auto_buf struct buf objects = buf_make(1 << 20);

	nest(&good, JSON_MAX_DEPTH, "[", "1", "]");
	CHECK(verdict(buf_slice(&good), &err) == OK);
	nest(&bad, JSON_MAX_DEPTH + 1, "[", "", "]");
	CHECK(verdict(buf_slice(&bad), &err) == E_LIMIT);
	nest(&objects, JSON_MAX_DEPTH + 1, "{\"a\":", "1", "}");
	CHECK(verdict(buf_slice(&objects), &err) == E_LIMIT);
}

TEST(depth_asked_for_is_kept_up_to_the_ceiling)
{
	struct err err;
	auto_buf struct buf b = buf_make(1 << 20);

	nest(&b, 64, "[", "", "]");
	CHECK(json_check(buf_slice(&b), 64, &err) == OK);
	CHECK(json_check(buf_slice(&b), 63, &err) == E_LIMIT);
	buf_clear(&b);
	nest(&b, 100000, "[", "", "]");
	CHECK(json_check(buf_slice(&b), SIZE_MAX, &err) == E_LIMIT);
	CHECK(json_check(S("[]"), 1, &err) == OK);
	CHECK(json_check(S("[[]]"), 1, &err) == E_LIMIT);
}

TEST(refuses_texts_that_are_too_large)
{
	struct err err;
	auto_mem char *text = mem_must(JSON_MAX_SIZE + 1);

	memset(text, 'x', JSON_MAX_SIZE + 1);
	text[0] = text[JSON_MAX_SIZE - 1] = '"';
	CHECK(verdict(slice_make(text, JSON_MAX_SIZE), &err) == OK);
	text[JSON_MAX_SIZE - 1] = 'x';
	text[JSON_MAX_SIZE] = '"';
	CHECK(verdict(slice_make(text, JSON_MAX_SIZE + 1), &err) == E_LIMIT);
}

TEST(refuses_more_values_than_the_cap)
{
	struct err err;
	auto_buf struct buf b = buf_make(JSON_MAX_SIZE);

	buf_put_str(&b, "[0");
	for (size_t i = 2; i < JSON_MAX_VALUES; i++)
		buf_put_str(&b, ",0");
	size_t len = b.len;
	buf_put_str(&b, "]");
	CHECK(json_check(buf_slice(&b), 0, &err) == OK);
	auto_buf struct buf more = buf_make(JSON_MAX_SIZE);
	buf_put(&more, slice_sub(buf_slice(&b), 0, len));
	buf_put_str(&more, ",0]");
	CHECK(verdict(buf_slice(&more), &err) == E_LIMIT);
}

TEST(refuses_numbers_that_the_parser_would_cut)
{
	char text[80];
	struct err err;

	memset(text, '1', sizeof(text));
	CHECK(verdict(slice_make(text, JSON_MAX_NUMBER), &err) == OK);
	CHECK(verdict(slice_make(text, JSON_MAX_NUMBER + 1), &err) == E_LIMIT);
}

TEST(finds_a_double_name_wherever_it_is_in_a_large_object)
{
	struct err err;

	for (size_t n = 2; n < 400; n += 13) {
		auto_buf struct buf b = buf_make(1 << 20);

		buf_put_str(&b, "{");
		for (size_t i = 0; i < n; i++)
			buf_putf(&b, "\"m%zu\":{\"m%zu\":0},", i, i);
		size_t len = b.len;
		buf_put_str(&b, "\"\\u006d\":0}");
		CHECK(verdict(buf_slice(&b), &err) == OK);
		auto_buf struct buf twice = buf_make(1 << 20);
		buf_put(&twice, slice_sub(buf_slice(&b), 0, len));
		buf_putf(&twice, "\"\\u006d%zu\":0}", n / 2);
		CHECK(verdict(buf_slice(&twice), &err) == E_PARSE);
	}
}

TEST(a_huge_object_is_checked_in_time)
{
	struct err err;
	auto_buf struct buf b = buf_make(JSON_MAX_SIZE);

	buf_put_str(&b, "{\"x\":0");
	for (unsigned i = 0; i < 200000; i++)
		buf_putf(&b, ",\"%x\":0", i);
	buf_put_str(&b, "}");
	CHECK(json_check(buf_slice(&b), 0, &err) == OK);
}

TEST(says_line_and_column_but_not_what_stands_there)
{
	struct err err;

	CHECK(json_check(S("{\n \"a\": secret\n}"), 0, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "line 2, column 7: expected a value");
	CHECK(json_check(S("{\"\xc3\xa9\":1 \"x\"}"), 0, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "line 1, column 8: expected a comma or }");
	CHECK(json_check(S("[\"a\n\"]"), 0, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "line 1, column 4: a control byte in a "
			       "string: escape it");
	CHECK(json_check(S("{\"a\":1,\n\"b\":2,\n\"a\":3}"), 0, &err) ==
	      E_PARSE);
	CHECK_STR_EQ(err.text, "line 3, column 1: a member name that was "
			       "there before");
	CHECK(json_check(S("[1,"), 0, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "line 1, column 4: the text ends in the "
			       "middle");
}

TEST(writes_the_out_parameter_only_on_success)
{
	struct err err;
	struct json *root = (struct json *)&err;

	CHECK(json_parse(S("[1"), &root, &err) == E_PARSE);
	CHECK(root == (struct json *)&err);
}

static const char manifest[] =
	"{\"version\": 1,\n"
	" \"policies\": {\n"
	"  \"as\": {\"vmpl\": 0, \"debug\": false, \"tee\": \"snp\"}},\n"
	" \"workers\": {\"llama\": {\"images\": [\"a\", \"b\",\n"
	"   \"c\"]}},\n"
	" \"odd name\": [[],\n"
	"  {\"x\":\n"
	"   null}]}\n";

static const struct json *at(const struct json *j, const char *a, const char *b,
			     const char *c)
{
	j = json_get(j, a);
	j = j == NULL || b == NULL ? j : json_get(j, b);
	return j == NULL || c == NULL ? j : json_get(j, c);
}

TEST(walks_in_document_order_with_paths)
{
	auto_json struct json *root = tree(manifest);
	static const char *const names[] = { "version", "policies", "workers",
					     "odd name" };
	size_t n = 0;

	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j))
		CHECK(slice_eq_str(json_name(j), names[n++]));
	CHECK(n == 4 && json_count(root) == 4);
	CHECK_STR_EQ(json_path(root), "");

	const struct json *images = at(root, "workers", "llama", "images");
	CHECK(images != NULL && json_count(images) == 3);
	const struct json *last = json_next(json_next(json_first(images)));
	CHECK(slice_eq_str(json_str(last), "c"));
	CHECK_STR_EQ(json_path(last), "workers.llama.images[2]");
	CHECK(json_path(last) == json_path(last));
	CHECK(json_next(last) == NULL && json_first(last) == NULL);
	CHECK(json_name(last).len == 0);

	const struct json *odd = json_get(root, "odd name");
	const struct json *x = json_get(json_next(json_first(odd)), "x");
	CHECK_STR_EQ(json_path(x), "[\"odd name\"][1].x");
	CHECK(json_first(json_first(odd)) == NULL);
}

TEST(a_path_leads_to_its_line)
{
	struct slice text = S("");

	text = slice_str(manifest);
	CHECK_EQ_U64(json_line_of(text, ""), 1);
	CHECK_EQ_U64(json_line_of(text, "version"), 1);
	CHECK_EQ_U64(json_line_of(text, "policies"), 2);
	CHECK_EQ_U64(json_line_of(text, "policies.as.vmpl"), 3);
	CHECK_EQ_U64(json_line_of(text, "workers.llama.images[1]"), 4);
	CHECK_EQ_U64(json_line_of(text, "workers.llama.images[2]"), 5);
	CHECK_EQ_U64(json_line_of(text, "[\"odd name\"][1].x"), 7);
	CHECK_EQ_U64(json_line_of(text, "policies.as.vmp"), 0);
	CHECK_EQ_U64(json_line_of(text, "policies.as.vmpl.x"), 0);
	CHECK_EQ_U64(json_line_of(text, "workers.llama.images[3]"), 0);
	CHECK_EQ_U64(json_line_of(text, "nothing"), 0);
	CHECK_EQ_U64(json_line_of(S("{"), "a"), 0);
}

TEST(every_path_leads_back_to_its_node)
{
	auto_json struct json *root =
		tree("{\"a\":{\"b\":1},\n\"a.b\":2,\n\"a[0]\":3,\n"
		     "\"\":4,\n\"\xc3\xa9\":5,\n\"]\\\"\":[6,\n7]}");
	static const size_t lines[] = { 1, 2, 3, 4, 5, 6 };
	struct slice text = S("{\"a\":{\"b\":1},\n\"a.b\":2,\n\"a[0]\":3,\n"
			      "\"\":4,\n\"\xc3\xa9\":5,\n\"]\\\"\":[6,\n7]}");
	size_t i = 0;

	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j))
		CHECK_EQ_U64(json_line_of(text, json_path(j)), lines[i++]);
	CHECK(i == 6);
}

TEST(names_are_case_sensitive_and_whole)
{
	auto_json struct json *root =
		tree("{\"Model\":1,\"mode\":2,\"m\\u006fdel\":3}");
	uint64_t v;
	struct err err;

	CHECK(json_get(root, "MODEL") == NULL);
	CHECK(json_want_u64(root, "model", 0, 9, &v, &err) == OK && v == 3);
	CHECK(json_get(json_get(root, "model"), "x") == NULL);
	auto_json struct json *array = tree("[{\"x\":1}]");
	CHECK(json_get(array, "x") == NULL);
}

TEST(strings_come_without_their_escapes)
{
	auto_json struct json *root =
		tree("[\"a\\n\\\"\\\\\\/\\u00e9\\ud83d\\ude00\xc3\xa9\",\"\"]");
	const struct json *s = json_first(root);

	CHECK(slice_eq(json_str(s),
		       S("a\n\"\\/\xc3\xa9\xf0\x9f\x98\x80\xc3\xa9")));
	CHECK(json_str(json_next(s)).len == 0);
	CHECK(json_str(root).len == 0 && !json_bool(s));
}

TEST(integers_are_exact_and_plain)
{
	static const struct {
		const char *text;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "0", true, 0 },
		{ "9007199254740993", true, UINT64_C(9007199254740993) },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "-1", false, 0 },
		{ "-0", false, 0 },
		{ "1.0", false, 0 },
		{ "1e2", false, 0 },
		{ "1e400", false, 0 },
		{ "\"1\"", false, 0 },
		{ "true", false, 0 },
	};
	struct err err;

	for (size_t i = 0; i < countof(rows); i++) {
		auto_json struct json *root = tree(rows[i].text);
		uint64_t v = 77;

		CHECK((json_u64(root, 0, UINT64_MAX, &v, &err) == OK) ==
		      rows[i].ok);
		CHECK_EQ_U64(v, rows[i].ok ? rows[i].value : 77);
	}
}

TEST(bounds_of_integers_are_inclusive_and_named)
{
	auto_json struct json *root = tree("{\"a\":{\"port\":443}}");
	const struct json *a = json_get(root, "a");
	struct err err;
	uint64_t v = 0;

	CHECK(json_want_u64(a, "port", 443, 443, &v, &err) == OK && v == 443);
	CHECK(json_want_u64(a, "port", 444, 500, &v, &err) == E_PARSE);
	CHECK_STR_EQ(err.text,
		     "a.port: expected a number from 444 to 500, found 443");
	CHECK(json_want_u64(a, "port", 1, 442, &v, &err) == E_PARSE);
	CHECK_EQ_U64(v, 443);
}

TEST(errors_say_where_what_was_expected_and_what_was_found)
{
	auto_json struct json *root = tree(manifest);
	const struct json *as = at(root, "policies", "as", NULL);
	const struct json *j = root;
	struct slice s = S("old");
	struct err err;

	CHECK(json_want_str(as, "vmpl", &s, &err) == E_PARSE);
	CHECK_STR_EQ(err.text,
		     "policies.as.vmpl: expected a string, found a number");
	CHECK(json_want_str(as, "products", &s, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "policies.as.products: missing, expected a "
			       "string");
	CHECK(json_want_member(root, "x", JSON_ARRAY, &j, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "x: missing, expected an array");
	CHECK(json_want(root, JSON_ARRAY, &err) == E_PARSE);
	CHECK_STR_EQ(err.text,
		     "the whole text: expected an array, found an object");
	CHECK(json_want_str(json_get(as, "vmpl"), "x", &s, &err) == E_PARSE);
	CHECK_STR_EQ(err.text,
		     "policies.as.vmpl: expected an object, found a number");
	CHECK(json_want(NULL, JSON_ARRAY, &err) == E_PARSE);
	CHECK(slice_eq(s, S("old")) && j == root);
	CHECK(json_want_str(as, "tee", &s, &err) == OK);
	CHECK(slice_eq(s, S("snp")));
}

TEST(booleans_are_true_or_false_only)
{
	auto_json struct json *root = tree("{\"t\":true,\"f\":false,\"n\":1}");
	struct err err;
	bool v = true;

	CHECK(json_want_bool(root, "f", &v, &err) == OK && !v);
	CHECK(json_want_bool(root, "t", &v, &err) == OK && v);
	CHECK(json_want_bool(root, "n", &v, &err) == E_PARSE && v);
}

TEST(unknown_members_are_refused_with_a_near_name)
{
	static const char *const names[] = { "version", "policies", "workers",
					     "odd name" };
	auto_json struct json *root = tree(manifest);
	auto_json struct json *typo = tree("{\"a\":{\"polices\":1}}");
	auto_json struct json *far = tree("{\"zebra\":1}");
	struct err err;

	CHECK(json_only(root, names, 4, &err) == OK);
	CHECK(json_only(root, names, 3, &err) == E_PARSE);
	CHECK(json_only(json_get(typo, "a"), names, 4, &err) == E_PARSE);
	CHECK_STR_EQ(err.text,
		     "a.polices: no such member; did you mean policies?");
	CHECK(json_only(far, names, 4, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "zebra: no such member");
	CHECK(json_only(json_get(far, "zebra"), names, 4, &err) == E_PARSE);
}

TEST(hex_and_base64_members_are_decoded)
{
	auto_json struct json *root =
		tree("{\"h\":\"00ff\",\"b\":\"AAEC\",\"n\":1,\"bad\":\"0g\"}");
	uint8_t bytes[2] = { 7, 7 };
	auto_buf struct buf out = buf_make(64);
	struct err err;

	CHECK(json_want_hex(root, "bad", bytes, 1, &err) == E_PARSE);
	CHECK(strncmp(err.text, "bad", 3) == 0);
	CHECK(json_want_hex(root, "h", bytes, 1, &err) == E_PARSE);
	CHECK(json_want_hex(root, "n", bytes, 2, &err) == E_PARSE);
	CHECK(json_want_hex(root, "h", bytes, 2, &err) == OK);
	CHECK(bytes[0] == 0x00 && bytes[1] == 0xff);
	CHECK(json_want_base64(root, "b", &out, &err) == OK);
	CHECK(slice_eq(buf_slice(&out), S("\x00\x01\x02")));
	CHECK(json_want_base64(root, "bad", &out, &err) == E_PARSE);
}

TEST(kinds_have_names)
{
	auto_json struct json *root = tree("[null,true,1,\"\",[],{}]");
	enum json_kind want = JSON_NULL;

	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j)) {
		CHECK(json_kind(j) == want);
		want++;
	}
	CHECK_STR_EQ(json_kind_name(JSON_STRING), "a string");
	CHECK_STR_EQ(json_kind_name(JSON_OBJECT), "an object");
}

TEST(writes_commas_where_they_belong)
{
	auto_buf struct buf b = buf_make(1024);
	struct json_out w = { .buf = &b };

	json_open_object(&w, NULL);
	json_put_u64(&w, "u", UINT64_MAX);
	json_put_i64(&w, "i", INT64_MIN);
	json_open_array(&w, "a");
	json_put_bool(&w, NULL, true);
	json_put_null(&w, NULL);
	json_open_object(&w, NULL);
	json_close_object(&w);
	json_open_array(&w, NULL);
	json_close_array(&w);
	json_close_array(&w);
	json_put_hex(&w, "h", S("\x01\xff"));
	json_put_base64(&w, "b", S("\x00"));
	json_put_raw(&w, "r", S("{\"x\": 1}"));
	json_put_cstr(&w, "s", "t");
	json_close_object(&w);
	CHECK(slice_eq(buf_slice(&b),
		       S("{\"u\":18446744073709551615,"
			 "\"i\":-9223372036854775808,"
			 "\"a\":[true,null,{},[]],\"h\":\"01ff\","
			 "\"b\":\"AA==\",\"r\":{\"x\": 1},\"s\":\"t\"}")));
	CHECK(accepted(buf_slice(&b)));
}

TEST(a_full_buffer_is_bad_and_not_half_right)
{
	auto_buf struct buf b = buf_make(10);
	struct json_out w = { .buf = &b };
	struct err err;

	json_put_str(&w, NULL, S("0123456789\n\n\n"));
	CHECK(buf_check(&b, "answer", &err) == E_LIMIT);
}

TEST(written_strings_escape_what_must_be_and_are_utf8)
{
	auto_buf struct buf b = buf_make(1024);
	struct json_out w = { .buf = &b };

	json_put_str(&w, NULL,
		     S("a\"\\\b\f\n\r\t\x01\x1f\x7f/\xc3\xa9\xff\xed\xa0\x80"
		       "\xf0\x9f\x98"));
	CHECK(slice_eq(buf_slice(&b),
		       S("\"a\\\"\\\\\\b\\f\\n\\r\\t\\u0001\\u001f\x7f/"
			 "\xc3\xa9\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"
			 "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf"
			 "\xbd\"")));
}

TEST(every_byte_that_is_written_reads_back)
{
	struct err err;

	for (unsigned c = 1; c < 0x80; c++) {
		uint8_t in[] = { 'x', (uint8_t)c, 'y' };
		auto_buf struct buf b = buf_make(1024);
		struct json_out w = { .buf = &b };
		auto_json struct json *root = NULL;
		struct slice got;

		json_open_object(&w, NULL);
		json_put_str(&w, "k", slice_of(in));
		json_close_object(&w);
		CHECK(json_parse(buf_slice(&b), &root, &err) == OK);
		CHECK(json_want_str(root, "k", &got, &err) == OK);
		CHECK(slice_eq(got, slice_of(in)));
	}
}

TEST(the_span_of_a_container_is_its_text)
{
	static const struct slice text = S_INIT(
		"{\"a\": {\"x\":\"}\\\"]\", \"y\":[ 1,{ }]} , \"b\":[]}");
	auto_json struct json *root = NULL;
	struct err err;

	CHECK(json_parse(text, &root, &err) == OK);
	CHECK(slice_eq(json_span(text, root), text));
	CHECK(slice_eq(json_span(text, json_get(root, "a")),
		       S("{\"x\":\"}\\\"]\", \"y\":[ 1,{ }]}")));
	CHECK(slice_eq(json_span(text, json_get(root, "b")), S("[]")));
	CHECK(json_span(text, json_get(json_get(root, "a"), "x")).len == 0);
}

TEST(indenting_changes_white_space_only)
{
	auto_buf struct buf out = buf_make(4096);

	json_indent(S("{\"a\":[1, {\"b\":\"x,{\\\"}\"}],\"c\":{},\"d\":[]}"),
		    &out);
	CHECK(slice_eq(buf_slice(&out),
		       S("{\n\t\"a\": [\n\t\t1,\n\t\t{\n\t\t\t\"b\": "
			 "\"x,{\\\"}\"\n\t\t}\n\t],\n\t\"c\": {},\n\t\"d\": "
			 "[]\n}\n")));
}
