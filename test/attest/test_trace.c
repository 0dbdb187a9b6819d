#include "attest/trace.h"

#include "core/cleanup.h"
#include "test/test.h"

/* clang-format off */
static const struct trace_rule
	a = { "a", E_CRYPTO, "a is wrong", "here(7)" },
	b = { "b", E_POLICY, "b is wrong", "there(7)" };
static const char *const both[] = { "a", "b" };
/* clang-format on */

TEST(an_empty_trace_is_not_ok)
{
	auto_trace struct trace t;
	struct err err;

	trace_init(&t);
	CHECK(!trace_ok(&t, NULL, 0));
	CHECK(trace_error(&t, &err) != OK);
}

TEST(is_ok_when_every_step_is_and_all_mandatory_ones_are_there)
{
	auto_trace struct trace t;

	trace_init(&t);
	CHECK(trace_step(&t, &a, true));
	CHECK(trace_ok(&t, both, 1));
	CHECK(!trace_ok(&t, both, 2)); /* b is missing */
	CHECK(trace_step(&t, &b, true));
	CHECK(trace_ok(&t, both, 2));
}

TEST(one_failed_step_spoils_it_even_if_not_mandatory)
{
	auto_trace struct trace t;
	struct err err;

	trace_init(&t);
	trace_step(&t, &a, true);
	trace_expect(&t, "%d", 1);
	trace_find(&t, "%d", 2);
	CHECK(!trace_step(&t, &b, false));
	CHECK(!trace_ok(&t, both, 1));
	CHECK(trace_error(&t, &err) == E_POLICY);
	CHECK_STR_EQ(err.text, "b: b is wrong: expected 1, found 2");
}

TEST(a_step_that_was_not_checked_is_not_ok)
{
	auto_trace struct trace t;
	struct err err;

	trace_init(&t);
	trace_step(&t, &a, true);
	trace_find(&t, "nothing given");
	trace_step_unchecked(&t, &b);
	CHECK(!trace_ok(&t, both, 1));
	CHECK(!trace_ok(&t, both, 2));
	CHECK(!trace_has(&t, "b"));
	CHECK(trace_error(&t, &err) == E_STALE);
	CHECK_STR_EQ(err.text, "b: not checked: nothing given");
}

TEST(a_mandatory_step_among_the_alternatives_does_not_count)
{
	auto_trace struct trace t;

	trace_init(&t);
	trace_policy(&t, "p");
	trace_step(&t, &a, true);
	trace_policy(&t, NULL);
	trace_step(&t, &b, true);
	CHECK(!trace_has(&t, "a"));
	CHECK(!trace_ok(&t, both, 1));
	CHECK(trace_policy_ok(&t, "p"));
	CHECK(!trace_policy_ok(&t, "q")); /* no step: not ok */
}

TEST(a_failed_alternative_spoils_only_itself)
{
	auto_trace struct trace t;

	trace_init(&t);
	trace_policy(&t, "p");
	trace_step(&t, &a, false);
	trace_policy(&t, "q");
	trace_step(&t, &a, true);
	trace_policy(&t, NULL);
	trace_step(&t, &b, true);
	CHECK(trace_ok(&t, both + 1, 1));
	CHECK(!trace_policy_ok(&t, "p"));
	CHECK(trace_policy_ok(&t, "q"));
	CHECK(trace_first_failure(&t) == NULL);
	CHECK(trace_policy_failure(&t, "p") == &t.step[0]);
}

TEST(never_grows_past_its_cap_and_is_not_ok_then)
{
	auto_trace struct trace t;
	struct err err;

	trace_init(&t);
	for (int i = 0; i < TRACE_STEPS_MAX; i++)
		trace_step(&t, &a, true);
	CHECK(trace_ok(&t, both, 1));
	trace_step(&t, &a, true);
	CHECK(t.n == TRACE_STEPS_MAX);
	CHECK(!trace_ok(&t, both, 1));
	CHECK(trace_error(&t, &err) == E_LIMIT);
}

TEST(texts_are_cut_and_escaped)
{
	auto_trace struct trace t;
	char longer[3 * TRACE_TEXT_MAX];

	trace_init(&t);
	memset(longer, 'x', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	trace_expect(&t, "%s", longer);
	trace_find(&t, "a\nb\033[2J\xff");
	trace_step(&t, &a, false);
	CHECK(strlen(t.step[0].expected) == TRACE_TEXT_MAX);
	CHECK(strcmp(t.step[0].expected + TRACE_TEXT_MAX - 4, "x...") == 0);
	CHECK_STR_EQ(t.step[0].found, "a\\x0ab\\x1b[2J\\xff");
	trace_find(&t, "\"%s\"", "a\"\\b\x7f");
	trace_step(&t, &a, false);
	CHECK_STR_EQ(t.step[1].found, "\"a\"\\x5cb\\x7f\"");
}

/* Escaping makes text longer: it may not end behind the cap. */
TEST(text_that_grows_by_escaping_is_cut_too)
{
	auto_trace struct trace t;
	char newlines[TRACE_TEXT_MAX + 1];

	trace_init(&t);
	memset(newlines, '\n', TRACE_TEXT_MAX);
	newlines[TRACE_TEXT_MAX] = '\0';
	trace_find(&t, "%s", newlines);
	trace_find(&t, "%s", newlines);
	trace_step(&t, &a, false);
	CHECK(strlen(t.step[0].found) == TRACE_TEXT_MAX);
}

TEST(texts_add_up_and_belong_to_one_step)
{
	auto_trace struct trace t;

	trace_init(&t);
	trace_expect(&t, "%s", "x");
	trace_expect_bytes(&t, S("\x01\xab"));
	trace_step(&t, &a, true);
	trace_step(&t, &b, true);
	CHECK_STR_EQ(t.step[0].expected, "x01ab");
	CHECK_STR_EQ(t.step[1].expected, "");
}

TEST(long_bytes_are_cut)
{
	static const uint8_t bytes[TRACE_TEXT_MAX] = { 0 };
	auto_trace struct trace t;

	trace_init(&t);
	CHECK(trace_step_bytes(&t, &a, slice_of(bytes), slice_of(bytes)));
	CHECK(strlen(t.step[0].found) == TRACE_TEXT_MAX);
	CHECK(strcmp(t.step[0].found + TRACE_TEXT_MAX - 4, "0...") == 0);
}

TEST(bytes_of_different_length_differ)
{
	auto_trace struct trace t;

	trace_init(&t);
	CHECK(!trace_step_bytes(&t, &a, S("ab"), S("abc")));
	CHECK(!trace_step_bytes(&t, &a, S(""), S("abc")));
	CHECK(!trace_step_bytes(&t, &a, S("abd"), S("abc")));
	CHECK(trace_step_bytes(&t, &a, S("abc"), S("abc")));
}

TEST(writes_json_and_lines)
{
	auto_buf struct buf out = buf_make(4096);
	struct json_out w = { .buf = &out };
	auto_trace struct trace t;

	trace_init(&t);
	trace_expect(&t, "1");
	trace_find(&t, "1");
	trace_step(&t, &a, true);
	trace_policy(&t, "p");
	trace_expect(&t, "on");
	trace_find(&t, "off");
	trace_step(&t, &b, false);
	trace_policy(&t, NULL);
	trace_write(&t, NULL, &w);
	CHECK_STR_EQ(
		buf_cstr(&out),
		"[{\"step\":\"a\",\"ok\":true,\"outcome\":\"ok\","
		"\"expected\":\"1\",\"found\":\"1\",\"source\":\"here(7)\"},"
		"{\"step\":\"b\",\"ok\":false,"
		"\"outcome\":\"failed\",\"expected\":\"on\",\"found\":\"off\","
		"\"source\":\"there(7)\",\"policy\":\"p\","
		"\"refusal\":\"b is wrong\"}]");
	buf_clear(&out);
	trace_print(&t, &out);
	CHECK_STR_EQ(buf_cstr(&out),
		     "ok           a: as expected, 1 (here(7))\n"
		     "failed       b [policy p]: b is wrong: expected on, "
		     "found off (there(7))\n");
}
