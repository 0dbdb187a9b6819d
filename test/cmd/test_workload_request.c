#include "cmd/workload_request.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "test/test.h"

#define COMMAND "\"name\":\"m\",\"port\":8000,\"command\":[\"/bin/m\"]"

static enum status parse(const char *json, struct workload_request *out,
			 struct err *err)
{
	return workload_request_parse(slice_str(json), out, err);
}

/* The outcome alone; *out must stay as it was on failure. */
static enum status outcome(const char *json)
{
	struct workload_request r = { .port = 77 };
	struct err err;
	enum status s = parse(json, &r, &err);

	if (s != OK)
		EXPECT(r.port == 77 && r.name == NULL);
	else
		workload_request_done(&r);
	return s;
}

TEST(reads_every_member)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;

	CHECK(parse("{\"name\":\"llama\",\"command\":[\"/bin/m\",\"--x\",\"\"],"
		    "\"root\":\"/srv/root\",\"env\":{\"A\":\"b=c\"},"
		    "\"port\":8000,\"adapters\":[\"openai\",\"tgi\"],"
		    "\"listen\":\"http://127.0.0.1:0\",\"logs\":\"plain\","
		    "\"limits\":{\"memory_mib\":512,\"pids\":9}}",
		    &r, &err) == OK);
	CHECK_STR_EQ(r.name, "llama");
	CHECK_STR_EQ(r.root, "/srv/root");
	CHECK_STR_EQ(r.listen, "http://127.0.0.1:0");
	CHECK(r.upstream == NULL);
	CHECK(r.command.n == 3 && r.command.word[3] == NULL);
	CHECK_STR_EQ(r.command.word[1], "--x");
	CHECK_STR_EQ(r.command.word[2], "");
	CHECK(r.env.n == 1);
	CHECK_STR_EQ(r.env.word[0], "A=b=c");
	CHECK(r.adapters.n == 2);
	CHECK_STR_EQ(r.adapters.word[1], "tgi");
	CHECK(r.logs == WORKLOAD_LOGS_PLAIN);
	CHECK(r.port == 8000 && r.memory_mib == 512 && r.pids == 9);
}

TEST(without_adapters_it_is_openai)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;

	CHECK(parse("{" COMMAND "}", &r, &err) == OK);
	CHECK(r.adapters.n == 1);
	CHECK_STR_EQ(r.adapters.word[0], "openai");
	CHECK(r.logs == WORKLOAD_LOGS_ALLOWED);
}

TEST(refuses_what_is_not_of_the_form)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{" COMMAND ",\"more\":1}",
		"{" COMMAND ",\"name\":\"n\"}",
		"{\"name\":\"M\",\"port\":1,\"command\":[\"/m\"]}",
		"{\"name\":\"\",\"port\":1,\"command\":[\"/m\"]}",
		"{\"name\":\"m\",\"port\":0,\"command\":[\"/m\"]}",
		"{\"name\":\"m\",\"port\":65536,\"command\":[\"/m\"]}",
		"{\"name\":\"m\",\"port\":\"1\",\"command\":[\"/m\"]}",
		"{\"name\":\"m\",\"port\":1,\"command\":[]}",
		"{\"name\":\"m\",\"port\":1,\"command\":\"/m\"}",
		"{\"name\":\"m\",\"port\":1,\"command\":[1]}",
		"{\"name\":\"m\",\"command\":[\"/m\"]}",
		"{\"name\":\"m\",\"port\":1,\"command\":[\"m\"]}",
		"{\"name\":\"m\",\"port\":1,\"command\":[\"\"]}",
		"{" COMMAND ",\"root\":\"r\"}",
		"{" COMMAND ",\"root\":\"\"}",
		"{" COMMAND ",\"env\":[\"A=b\"]}",
		"{" COMMAND ",\"env\":{\"A=\":\"b\"}}",
		"{" COMMAND ",\"env\":{\"A\":1}}",
		"{" COMMAND ",\"env\":{\"A\":\"1\",\"A\":\"2\"}}",
		"{" COMMAND ",\"limits\":{\"memory\":1}}",
		"{" COMMAND ",\"limits\":{\"pids\":0}}",
		"{" COMMAND ",\"limits\":{\"memory_mib\":-1}}",
		"{" COMMAND ",\"logs\":\"\"}",
		"{" COMMAND ",\"logs\":\"sealed\"}",
		"{" COMMAND ",\"adapters\":[\"openai\",\"openai\"]}",
		"{" COMMAND ",\"adapters\":[\"--plain\"]}",
		"{" COMMAND ",\"root\":\"a\\u0000b\"}",
		"{" COMMAND "}x",
	};

	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(outcome(bad[i]) == E_PARSE))
			(void)fprintf(stderr, "  %s\n", bad[i]);
}

TEST(a_proxy_listens_at_an_address_with_http_or_https)
{
	static const char *const good[] = { "https://:8443", "https://[::1]:1",
					    "http://127.0.0.1:0",
					    "https://127.0.0.1" };
	static const char *const bad[] = { "",
					   "127.0.0.1:1",
					   "https://",
					   "unix:/tmp/x",
					   "https://unix:/tmp/x",
					   "ftp://a:1",
					   "https://a:1/x",
					   "https://a:70000" };
	char json[256];

	for (size_t i = 0; i < countof(good); i++) {
		(void)snprintf(json, sizeof(json), "{%s,\"listen\":\"%s\"}",
			       COMMAND, good[i]);
		EXPECT(outcome(json) == OK);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		(void)snprintf(json, sizeof(json), "{%s,\"listen\":\"%s\"}",
			       COMMAND, bad[i]);
		if (!EXPECT(outcome(json) == E_PARSE))
			(void)fprintf(stderr, "  %s\n", bad[i]);
	}
}

TEST(the_default_is_https_at_8443)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;
	struct addr a;

	CHECK(parse("{" COMMAND "}", &r, &err) == OK);
	CHECK(workload_request_listen(&r, &a, &err) == OK);
	CHECK(a.tls && a.port == 8443 && a.host[0] == '\0');
}

TEST(an_upstream_is_a_plain_address)
{
	static const char *const good[] = { "http://127.0.0.1:9",
					    "unix:/run/m" };
	static const char *const bad[] = {
		"https://a:1", "127.0.0.1:9", "http://a/x", "unix:x", "",
		"http://"
	};
	char json[256];

	for (size_t i = 0; i < countof(good); i++) {
		(void)snprintf(json, sizeof(json),
			       "{\"name\":\"m\",\"upstream\":\"%s\"}", good[i]);
		EXPECT(outcome(json) == OK);
	}
	for (size_t i = 0; i < countof(bad); i++) {
		(void)snprintf(json, sizeof(json),
			       "{\"name\":\"m\",\"upstream\":\"%s\"}", bad[i]);
		if (!EXPECT(outcome(json) == E_PARSE))
			(void)fprintf(stderr, "  %s\n", bad[i]);
	}
}

TEST(with_an_upstream_there_is_no_sandbox)
{
	static const char *const members[] = {
		"\"command\":[\"/m\"]",	 "\"root\":\"/r\"",
		"\"env\":{\"A\":\"b\"}", "\"port\":1",
		"\"logs\":\"off\"",	 "\"limits\":{\"pids\":9}",
	};
	char json[256];

	for (size_t i = 0; i < countof(members); i++) {
		(void)snprintf(json, sizeof(json),
			       "{\"name\":\"m\",\"upstream\":\"unix:/m\",%s}",
			       members[i]);
		EXPECT(outcome(json) == E_PARSE);
	}
}

TEST(too_many_words_and_too_much_text_are_refused)
{
	auto_buf struct buf b = buf_make(1u << 20);

	buf_put_str(&b, "{\"name\":\"m\",\"port\":1,\"command\":[\"/m\"");
	for (unsigned i = 0; i < WORKLOAD_WORDS_MAX; i++)
		buf_put_str(&b, ",\"a\"");
	buf_put_str(&b, "]}");
	CHECK(outcome(buf_cstr(&b)) == E_LIMIT);

	buf_clear(&b);
	buf_put_str(&b, "{\"name\":\"m\",\"port\":1,\"command\":[\"/m\",\"");
	for (unsigned i = 0; i < WORKLOAD_TEXT_MAX; i++)
		buf_put_u8(&b, 'a');
	buf_put_str(&b, "\"]}");
	CHECK(outcome(buf_cstr(&b)) == E_LIMIT);
}

/* A request with everything, in each of its forms. */
static const char whole[] =
	"{\"name\":\"m\",\"root\":\"/r\",\"listen\":\"http://:1\","
	"\"command\":[\"/m\",\"\"],\"env\":{\"A\":\"b=\",\"C\":\"\"},"
	"\"adapters\":[\"openai\",\"raw\"],\"port\":8000,\"logs\":\"off\","
	"\"limits\":{\"memory_mib\":16,\"pids\":8}}";

TEST(what_is_written_is_read_again)
{
	auto_workload_request struct workload_request r = { 0 };
	auto_buf struct buf json = buf_make(4096);
	struct err err;

	CHECK(parse(whole, &r, &err) == OK);
	workload_request_write(&r, &json);
	CHECK_STR_EQ(buf_cstr(&json), whole);
}

TEST(what_is_packed_is_unpacked_again)
{
	auto_workload_request struct workload_request r = { 0 }, same = { 0 };
	auto_buf struct buf packed = buf_make(4096);
	auto_buf struct buf json = buf_make(4096);
	struct err err;

	CHECK(parse(whole, &r, &err) == OK);
	workload_request_pack(&r, &packed);
	CHECK(workload_request_unpack(buf_slice(&packed), &same, &err) == OK);
	workload_request_write(&same, &json);
	CHECK_STR_EQ(buf_cstr(&json), whole);
}

TEST(packed_bytes_cut_anywhere_are_refused)
{
	auto_workload_request struct workload_request r = { 0 };
	auto_buf struct buf packed = buf_make(4096);
	struct err err;

	CHECK(parse(whole, &r, &err) == OK);
	workload_request_pack(&r, &packed);
	for (size_t n = 0; n < packed.len; n++) {
		struct workload_request out = { 0 };

		CHECK(workload_request_unpack(slice_sub(buf_slice(&packed), 0,
							n),
					      &out, &err) != OK);
		CHECK(out.name == NULL);
	}
	buf_put_u8(&packed, 0);
	struct workload_request out = { 0 };
	CHECK(workload_request_unpack(buf_slice(&packed), &out, &err) ==
	      E_PARSE);
}

/* The keeper does not believe that net has checked. */
TEST(packed_nonsense_is_refused)
{
	auto_workload_request struct workload_request r = { 0 }, out = { 0 };
	auto_buf struct buf packed = buf_make(4096);
	struct err err;

	CHECK(parse(whole, &r, &err) == OK);
	r.name[0] = '/';
	workload_request_pack(&r, &packed);
	CHECK(workload_request_unpack(buf_slice(&packed), &out, &err) ==
	      E_PARSE);
	r.name[0] = 'm';
	r.port = 0;
	buf_clear(&packed);
	workload_request_pack(&r, &packed);
	CHECK(workload_request_unpack(buf_slice(&packed), &out, &err) ==
	      E_PARSE);
	CHECK(out.name == NULL);
}
