#include "core/cleanup.h"
#include "core/json.h"
#include "proxy/adapter/adapter.h"
#include "test/test.h"

static bool error_is(unsigned status, const char *message, const char *code,
		     const char *want)
{
	auto_buf struct buf b = buf_make(1000);
	struct err err;

	adapter_openai.put_error(&b, status, message, code);
	return EXPECT(json_check(buf_slice(&b), 0, &err) == OK) &&
	       test_str_eq(__FILE__, __LINE__, "error", buf_cstr(&b), want);
}

TEST(errors_have_the_shape_of_the_api)
{
	CHECK(error_is(404, "no such route", NULL,
		       "{\"error\":{\"message\":\"no such route\","
		       "\"type\":\"not_found_error\",\"param\":null,"
		       "\"code\":null}}"));
	CHECK(error_is(503, "busy", "overloaded",
		       "{\"error\":{\"message\":\"busy\","
		       "\"type\":\"server_error\",\"param\":null,"
		       "\"code\":\"overloaded\"}}"));
}

TEST(messages_are_escaped)
{
	CHECK(error_is(400, "a \"b\"\n", NULL,
		       "{\"error\":{\"message\":\"a \\\"b\\\"\\n\","
		       "\"type\":\"invalid_request_error\",\"param\":null,"
		       "\"code\":null}}"));
}

TEST(the_type_follows_from_the_status)
{
	static const struct {
		unsigned status;
		const char *type;
	} rows[] = {
		{ 400, "invalid_request_error" },
		{ 401, "authentication_error" },
		{ 403, "permission_error" },
		{ 404, "not_found_error" },
		{ 409, "conflict_error" },
		{ 413, "invalid_request_error" },
		{ 422, "invalid_request_error" },
		{ 429, "rate_limit_error" },
		{ 500, "server_error" },
		{ 502, "server_error" },
		{ 504, "server_error" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = buf_make(1000);
		char want[60];

		adapter_openai.put_error(&b, rows[i].status, "m", NULL);
		(void)snprintf(want, sizeof(want), "\"type\":\"%s\"",
			       rows[i].type);
		CHECK(strstr(buf_cstr(&b), want) != NULL);
	}
}

TEST(an_error_within_a_stream_is_one_event)
{
	auto_buf struct buf b = buf_make(1000);

	adapter_openai.put_error_event(&b, 502, "the model left\n\n", NULL);
	CHECK_STR_EQ(buf_cstr(&b),
		     "data: {\"error\":{\"message\":\"the model left\\n\\n\","
		     "\"type\":\"server_error\",\"param\":null,"
		     "\"code\":null}}\n\n");
}
