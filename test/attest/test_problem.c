#include "attest/problem.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "test/test.h"

TEST(each_outcome_has_its_status)
{
	static const struct {
		enum status code;
		unsigned status;
	} want[] = {
		{ E_PARSE, 400 },   { E_CONF, 400 },	 { E_LIMIT, 413 },
		{ E_CRYPTO, 403 },  { E_POLICY, 403 },	 { E_STALE, 403 },
		{ E_PERM, 403 },    { E_NOTFOUND, 404 }, { E_CONFLICT, 409 },
		{ E_UNAVAIL, 503 }, { E_IO, 500 },	 { E_NOMEM, 500 },
		{ E_AGAIN, 500 },   { E_USAGE, 500 },
	};

	for (size_t i = 0; i < countof(want); i++)
		CHECK_EQ_U64(problem_status(want[i].code), want[i].status);
	CHECK_EQ_U64(problem_status((enum status)200), 500);
}

static void check_document(const struct buf *b, const char *type,
			   uint64_t status, const char *detail)
{
	auto_json struct json *root = NULL;
	struct slice s;
	uint64_t n;
	struct err err;

	EXPECT(json_parse(buf_slice(b), &root, &err) == OK);
	EXPECT(json_want_str(root, "type", &s, &err) == OK);
	EXPECT(slice_eq_str(s, type));
	EXPECT(json_want_str(root, "title", &s, &err) == OK && s.len > 0);
	EXPECT(json_want_u64(root, "status", status, status, &n, &err) == OK);
	EXPECT(json_want_str(root, "detail", &s, &err) == OK);
	EXPECT(slice_eq_str(s, detail));
}

TEST(a_document_is_json_whatever_the_text)
{
	auto_buf struct buf b = buf_make(4096);

	problem_write(&b, 403, E_POLICY, "a \"quoted\" \\ and <b>");
	check_document(&b, "urn:confd:error:policy", 403,
		       "a \"quoted\" \\ and <b>");
	buf_clear(&b);
	problem_write(&b, 500, E_IO, "x");
	check_document(&b, "urn:confd:error:internal", 500, "x");
}

TEST(the_longest_text_fits)
{
	auto_buf struct buf b = buf_make(4096);
	struct err err;
	char text[ERR_TEXT_MAX];

	memset(text, '"', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	CHECK(err_set(&err, E_CRYPTO, "%s", text) == E_CRYPTO);
	problem_write(&b, 403, E_CRYPTO, err.text);
	check_document(&b, "urn:confd:error:crypto", 403, err.text);
}

TEST(what_the_server_refuses_itself_is_a_problem_too)
{
	static const struct {
		unsigned status;
		const char *type;
	} want[] = {
		{ 400, "urn:confd:error:parse" },
		{ 408, "urn:confd:error:parse" },
		{ 413, "urn:confd:error:limit" },
		{ 431, "urn:confd:error:parse" },
		{ 503, "urn:confd:error:unavail" },
	};

	for (size_t i = 0; i < countof(want); i++) {
		auto_buf struct buf b = buf_make(4096);
		const char *type = NULL;

		problem_on_error(NULL, want[i].status, "why", &type, &b);
		CHECK_STR_EQ(type, "application/problem+json");
		check_document(&b, want[i].type, want[i].status, "why");
	}
}
