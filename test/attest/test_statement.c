#include "attest/statement.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/test.h"

#define N64 "0101010101010101010101010101010101010101010101010101010101010101"
#define E64 "0202020202020202020202020202020202020202020202020202020202020202"
#define S64 "0303030303030303030303030303030303030303030303030303030303030303"
#define K64 "0404040404040404040404040404040404040404040404040404040404040404"
#define M64 "0505050505050505050505050505050505050505050505050505050505050505"
#define GOOD                                                                 \
	"{\"exporter\":\"" E64 "\",\"keys\":\"" K64 "\",\"manifest\":\"" M64 \
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64    \
	"\",\"v\":\"1\"}"

static struct statement make(void)
{
	struct statement s = { .purpose = PURPOSE_WORKER,
			       .has_exporter = true,
			       .has_manifest = true };

	memset(s.nonce, 1, 32);
	memset(s.exporter, 2, 32);
	memset(s.spki, 3, 32);
	memset(s.keys, 4, 32);
	memset(s.manifest, 5, 32);
	return s;
}

static enum status parse(const char *text, struct statement *out)
{
	struct err err;

	return statement_parse(slice_str(text), out, &err);
}

TEST(writes_the_canonical_form)
{
	auto_buf struct buf out = buf_make(STATEMENT_MAX);
	struct statement s = make();
	struct err err;

	CHECK(statement_write(&s, &out, &err) == OK);
	CHECK_STR_EQ(buf_cstr(&out), GOOD);
}

TEST(reads_what_it_writes_for_every_purpose)
{
	for (int p = 0; p < PURPOSE_COUNT; p++) {
		auto_buf struct buf out = buf_make(STATEMENT_MAX);
		struct statement s = make(), back;
		enum purpose found;
		struct err err;

		s.purpose = (enum purpose)p;
		CHECK(statement_write(&s, &out, &err) == OK);
		CHECK(statement_parse(buf_slice(&out), &back, &err) == OK);
		CHECK(back.purpose == s.purpose);
		CHECK(memcmp(back.nonce, s.nonce, 32) == 0);
		CHECK(memcmp(back.exporter, s.exporter, 32) == 0);
		CHECK(memcmp(back.spki, s.spki, 32) == 0);
		CHECK(memcmp(back.keys, s.keys, 32) == 0);
		CHECK(memcmp(back.manifest, s.manifest, 32) == 0);
		CHECK(statement_purpose_find(
			slice_str(statement_purpose_name(s.purpose)), &found));
		CHECK(found == s.purpose);
	}
}

TEST(a_manifest_of_none_is_read_back_as_none)
{
	auto_buf struct buf out = buf_make(STATEMENT_MAX);
	struct statement s = make(), back;
	struct err err;

	s.has_manifest = false;
	CHECK(statement_write(&s, &out, &err) == OK);
	CHECK(statement_parse(buf_slice(&out), &back, &err) == OK);
	CHECK(!back.has_manifest && back.has_exporter);
}

TEST(an_exporter_of_none_is_only_for_purposes_without_a_connection)
{
	static const bool optional[PURPOSE_COUNT] = {
		[PURPOSE_RECEIPT] = true,
		[PURPOSE_USER_DATA] = true,
	};

	for (int p = 0; p < PURPOSE_COUNT; p++) {
		auto_buf struct buf out = buf_make(STATEMENT_MAX);
		struct statement s = make();
		struct err err;

		s.purpose = (enum purpose)p;
		s.has_exporter = false;
		enum status status = statement_write(&s, &out, &err);
		CHECK(status == (optional[p] ? OK : E_POLICY));
		CHECK((out.len == 0) == !optional[p]);
	}
	CHECK(parse("{\"exporter\":\"none\",\"keys\":\"" K64
		    "\",\"manifest\":\"" M64 "\",\"nonce\":\"" N64
		    "\",\"purpose\":\"as\",\"spki\":\"" S64 "\",\"v\":\"1\"}",
		    &(struct statement){ 0 }) == E_POLICY);
	CHECK(parse("{\"exporter\":\"none\",\"keys\":\"" K64
		    "\",\"manifest\":\"" M64 "\",\"nonce\":\"" N64
		    "\",\"purpose\":\"receipt\",\"spki\":\"" S64
		    "\",\"v\":\"1\"}",
		    &(struct statement){ 0 }) == OK);
}

TEST(refuses_a_change_of_any_byte_or_reads_another_value)
{
	char text[sizeof(GOOD)];
	struct statement s, good = make();

	CHECK(parse(GOOD, &s) == OK);
	for (size_t i = 0; i < sizeof(text) - 1; i++) {
		memcpy(text, GOOD, sizeof(text));
		text[i] ^= 0x20; /* also flips the case of letters */
		if (parse(text, &s) == OK)
			CHECK(memcmp(&s, &good, sizeof(s)) != 0);
		memcpy(text, GOOD, sizeof(text));
		text[i] ^= 1;
		if (parse(text, &s) == OK)
			CHECK(memcmp(&s, &good, sizeof(s)) != 0);
	}
}

TEST(refuses_every_shorter_and_a_longer_text)
{
	struct statement s = { .purpose = PURPOSE_DISK };
	struct err err;

	for (size_t n = 0; n < sizeof(GOOD) - 1; n++)
		CHECK(statement_parse(slice_make(GOOD, n), &s, &err) ==
		      E_PARSE);
	CHECK(parse(GOOD " ", &s) == E_PARSE);
	CHECK(parse(GOOD "\n", &s) == E_PARSE);
	CHECK(s.purpose == PURPOSE_DISK); /* untouched on failure */
}

/* clang-format off */
#define MEMBERS(e, k, m, n, p, s, v)                                         \
	"{\"exporter\":\"" e "\",\"keys\":\"" k "\",\"manifest\":\"" m       \
	"\",\"nonce\":\"" n "\",\"purpose\":\"" p "\",\"spki\":\"" s         \
	"\",\"v\":\"" v "\"}"
/* Values of another form, and text that JSON takes for the same. */
static const char *const others[] = {
	MEMBERS("", K64, M64, N64, "worker", S64, "1"),
	MEMBERS("NONE", K64, M64, N64, "worker", S64, "1"),
	MEMBERS(E64, "none", M64, N64, "worker", S64, "1"),
	MEMBERS(E64, K64, M64, "none", "worker", S64, "1"),
	MEMBERS(E64, K64, M64, "", "worker", S64, "1"),
	MEMBERS(E64, K64, M64, N64 "01", "worker", S64, "1"),
	MEMBERS(E64, K64, M64, "01", "worker", S64, "1"),
	MEMBERS(E64, K64, M64, "AB" N64, "worker", S64, "1"),
	MEMBERS(E64, K64, M64, N64, "Worker", S64, "1"),
	MEMBERS(E64, K64, M64, N64, "", S64, "1"),
	MEMBERS(E64, K64, M64, N64, "worker ", S64, "1"),
	MEMBERS(E64, K64, M64, N64, "\\u0077orker", S64, "1"),
	MEMBERS(E64, K64, M64, N64, "worker", "none", "1"),
	MEMBERS(E64, K64, M64, N64, "worker", S64, "2"),
	MEMBERS(E64, K64, M64, N64, "worker", S64, "01"),
	"{\"keys\":\"" K64 "\",\"exporter\":\"" E64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64
	"\",\"v\":\"1\"}",
	"{\"exporter\":\"" E64 "\",\"keys\":\"" K64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64
	"\",\"v\":1}",
	"{\"exporter\":\"" E64 "\",\"keys\":\"" K64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"nonce\":\"" N64
	"\",\"purpose\":\"worker\",\"spki\":\"" S64 "\",\"v\":\"1\"}",
	"{\"exporter\":\"" E64 "\",\"keys\":\"" K64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64
	"\",\"v\":\"1\",\"w\":\"1\"}",
	"{\"exporter\":\"" E64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64
	"\",\"v\":\"1\"}",
	"{\"exporter\": \"" E64 "\",\"keys\":\"" K64 "\",\"manifest\":\"" M64
	"\",\"nonce\":\"" N64 "\",\"purpose\":\"worker\",\"spki\":\"" S64
	"\",\"v\":\"1\"}",
	"[]", "{}", "null", "\"worker\"", "",
};
/* clang-format on */

TEST(refuses_every_other_form)
{
	struct statement s;

	for (size_t i = 0; i < countof(others); i++)
		CHECK(parse(others[i], &s) == E_PARSE);
}

TEST(report_data_is_the_tagged_hash_of_the_bytes)
{
	uint8_t got[64], want[64], other[64];

	statement_report_data(S("abc"), got);
	sha512(S("confd-statement-v1\0abc"), want);
	CHECK(memcmp(got, want, 64) == 0);
	statement_report_data(S("abd"), other);
	CHECK(memcmp(got, other, 64) != 0);
}

TEST(a_full_buffer_is_left_as_it_was)
{
	auto_buf struct buf out = buf_make(100);
	struct statement s = make();
	struct err err;

	buf_put_str(&out, "before");
	CHECK(statement_write(&s, &out, &err) == E_LIMIT);
	CHECK_STR_EQ(buf_cstr(&out), "before");
}
