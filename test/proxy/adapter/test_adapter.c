#include "proxy/adapter/adapter.h"

#include "core/cleanup.h"
#include "test/test.h"

static struct adapter_set openai(void)
{
	return (struct adapter_set){ .a = { &adapter_openai }, .n = 1 };
}

/* The path pattern of the route taken, or "". */
static const char *route(const char *method, const char *target)
{
	const struct adapter_set set = openai();
	struct adapter_match m =
		adapter_find(&set, slice_str(method), slice_str(target));

	EXPECT(m.adapter == &adapter_openai);
	return m.route == NULL ? "" : m.route->path;
}

TEST(adapters_are_enabled_by_name_and_once)
{
	struct adapter_set set = { .n = 0 };
	struct err err;

	CHECK(adapter_enable(&set, S("openai"), &err) == OK);
	CHECK(set.n == 1 && set.a[0] == &adapter_openai);
	CHECK(adapter_enable(&set, S("openai"), &err) == E_CONFLICT);
	CHECK(adapter_enable(&set, S("OpenAI"), &err) == E_NOTFOUND);
	CHECK(adapter_enable(&set, S(""), &err) == E_NOTFOUND);
	CHECK(adapter_enable(&set, S("evil"), &err) == E_NOTFOUND);
	CHECK(strstr(err.text, "openai") != NULL);
	CHECK(set.n == 1);
}

TEST(the_routes_of_the_openai_api_are_found)
{
	static const struct {
		const char *method, *target, *want;
	} rows[] = {
		{ "POST", "/v1/chat/completions", "/v1/chat/completions" },
		{ "POST", "/v1/completions", "/v1/completions" },
		{ "POST", "/v1/embeddings", "/v1/embeddings" },
		{ "POST", "/v1/rerank", "/v1/rerank" },
		{ "POST", "/v1/score", "/v1/score" },
		{ "POST", "/v1/responses", "/v1/responses" },
		{ "GET", "/v1/responses/resp_1", "/v1/responses/{id}" },
		{ "GET", "/v1/responses/a?stream=true&x[]=%20",
		  "/v1/responses/{id}" },
		{ "DELETE", "/v1/responses/a", "/v1/responses/{id}" },
		{ "POST", "/v1/responses/a/cancel",
		  "/v1/responses/{id}/cancel" },
		{ "GET", "/v1/responses/a/input_items?limit=2",
		  "/v1/responses/{id}/input_items" },
		{ "POST", "/v1/audio/transcriptions",
		  "/v1/audio/transcriptions" },
		{ "POST", "/v1/audio/translations", "/v1/audio/translations" },
		{ "POST", "/v1/audio/speech", "/v1/audio/speech" },
		{ "GET", "/v1/models", "/v1/models" },
		{ "GET", "/v1/models/gpt", "/v1/models/{rest}" },
		{ "GET", "/v1/models/meta-llama/Llama-3.1-8B",
		  "/v1/models/{rest}" },
		{ "GET", "/v1/models/meta-llama%2FLlama", "/v1/models/{rest}" },
		{ "GET", "/v1/models/ft:x:y%2fz/1", "/v1/models/{rest}" },
	};

	for (size_t i = 0; i < countof(rows); i++)
		CHECK_STR_EQ(route(rows[i].method, rows[i].target),
			     rows[i].want);
}

TEST(what_is_in_no_table_is_not_forwarded)
{
	static const char *const targets[] = {
		"/",
		"/v1",
		"/v1/",
		"/metrics",
		"/slots",
		"/health",
		"/v1/load_lora_adapter",
		"/v1/unload_lora_adapter",
		"/v2/repository/index",
		"/v1/files",
		"/v1/batches",
		"/tokenize",
		"/invocations",
		"/v1/chat",
		"/v1/chat/",
		"/rerank",
		"/sleep",
		"/collective_rpc",
		"/server_info",
	};

	for (size_t i = 0; i < countof(targets); i++) {
		CHECK_STR_EQ(route("POST", targets[i]), "");
		CHECK_STR_EQ(route("GET", targets[i]), "");
	}
}

TEST(methods_are_exact)
{
	CHECK_STR_EQ(route("GET", "/v1/chat/completions"), "");
	CHECK_STR_EQ(route("post", "/v1/chat/completions"), "");
	CHECK_STR_EQ(route("", "/v1/chat/completions"), "");
	CHECK_STR_EQ(route("HEAD", "/v1/models"), "");
	CHECK_STR_EQ(route("OPTIONS", "/v1/models"), "");
	CHECK_STR_EQ(route("POST", "/v1/responses/a"), "");
	CHECK_STR_EQ(route("GET", "/v1/responses/a/cancel"), "");
}

TEST(paths_are_exact)
{
	static const char *const posts[] = {
		"/v1/chat/completions/",	"//v1/chat/completions",
		"/v1//chat/completions",	"/v1/chat//completions",
		"/v1/./chat/completions",	"/v1/../v1/chat/completions",
		"/V1/chat/completions",		"/v1/chat/Completions",
		"/v1/chat%2fcompletions",	"/v1/%63hat/completions",
		"/v1/chat/completions%00",	"/v1/chat/completions;a=b",
		"/v1/chat/completions?",	"/v1/chat/completions?x=y",
		"/v1/chat/completions#x",	"/v1/chat\\completions",
		"v1/chat/completions",		"/v1/chat/completionsx",
		"/v1/chat/completion",		"/v1/chat/completions/x",
		"http://a/v1/chat/completions", " /v1/chat/completions",
	};

	for (size_t i = 0; i < countof(posts); i++)
		CHECK_STR_EQ(route("POST", posts[i]), "");
}

TEST(ids_are_one_plain_segment)
{
	static const char *const bad[] = {
		"/v1/responses/",
		"/v1/responses/.",
		"/v1/responses/..",
		"/v1/responses/../models",
		"/v1/responses/a/",
		"/v1/responses/a%2fb",
		"/v1/responses/%2e%2e",
		"/v1/responses/a b",
		"/v1/responses/a;b",
		"/v1/responses//input_items",
		"/v1/responses/../input_items",
		"/v1/responses/a/input_items/",
		"/v1/responses/a/b/input_items",
		"/v1/responses/\xc3\xa9",
	};
	char path[200] = "/v1/responses/";

	for (size_t i = 0; i < countof(bad); i++)
		CHECK_STR_EQ(route("GET", bad[i]), "");
	memset(path + 14, 'a', 128);
	CHECK_STR_EQ(route("GET", path), "/v1/responses/{id}");
	path[14 + 128] = 'a';
	CHECK_STR_EQ(route("GET", path), "");
}

TEST(the_rest_of_a_path_has_no_tricks)
{
	static const char *const bad[] = {
		"/v1/models/",
		"/v1/models//a",
		"/v1/models/a/",
		"/v1/models/a//b",
		"/v1/models/..",
		"/v1/models/../metrics",
		"/v1/models/a/../../metrics",
		"/v1/models/a/.",
		"/v1/models/%2e%2e/x",
		"/v1/models/a%2F",
		"/v1/models/%2Fa",
		"/v1/models/a%2F..%2Fb",
		"/v1/models/a%2F%2Fb",
		"/v1/models/a%252Fb",
		"/v1/models/a%5Cb",
		"/v1/models/a%00",
		"/v1/models/a%2",
		"/v1/models/a%",
		"/v1/models/a\\b",
		"/v1/models/a?x=y",
		"/v1/models?x=y",
		"/v1/models/a%20b",
	};

	for (size_t i = 0; i < countof(bad); i++)
		CHECK_STR_EQ(route("GET", bad[i]), "");
}

TEST(the_shape_of_an_error_is_that_of_the_api_asked_for)
{
	static const struct route routes[] = { { .method = "POST",
						 .path = "/v2/x/y" } };
	static const struct adapter other = { .name = "other",
					      .routes = routes,
					      .n_routes = 1 };
	const struct adapter_set set = { .a = { &other, &adapter_openai },
					 .n = 2 };
	const struct adapter_set none = { .n = 0 };

	CHECK(adapter_find(&set, S("GET"), S("/v1/chat/nope")).adapter ==
	      &adapter_openai);
	CHECK(adapter_find(&set, S("GET"), S("/v2/x/nope")).adapter == &other);
	CHECK(adapter_find(&set, S("GET"), S("/nope")).adapter == &other);
	CHECK(adapter_find(&set, S("GET"), S("")).adapter == &other);
	CHECK(adapter_find(&set, S("POST"), S("/v2/x/y")).route == routes);
	CHECK(adapter_find(&none, S("GET"), S("/v1/models")).adapter == NULL);
	CHECK(adapter_find(&none, S("GET"), S("/v1/models")).route == NULL);
}

/* Every table keeps to the rules that adapter.h gives. */
TEST(the_tables_are_well_formed)
{
	for (size_t i = 0; i < adapter_openai.n_routes; i++) {
		const struct route *r = &adapter_openai.routes[i];

		CHECK(r->path[0] == '/' && strstr(r->path, "//") == NULL);
		CHECK((r->body == ROUTE_NONE) ==
		      (strcmp(r->method, "POST") != 0 ||
		       strstr(r->path, "/cancel") != NULL));
		CHECK((r->flags & ROUTE_GENERATE) == 0 ||
		      r->plain_request != NULL);
		for (size_t k = 0; k < i; k++)
			CHECK(strcmp(adapter_openai.routes[k].path, r->path) !=
				      0 ||
			      strcmp(adapter_openai.routes[k].method,
				     r->method) != 0);
	}
}

static enum adapter_header request(const char *name)
{
	return adapter_request_header(slice_str(name), S("x"));
}

TEST(request_headers_pass_unless_they_must_not)
{
	static const char *const pass[] = {
		"accept",     "Authorization",	     "content-type",
		"user-agent", "openai-organization", "x-request-id",
		"api-key",    "idempotency-key",     "x-forward"
	};
	static const char *const drop[] = {
		"Connection",
		"keep-alive",
		"proxy-connection",
		"TE",
		"Transfer-Encoding",
		"trailer",
		"Host",
		"Content-Length",
		"Expect",
		"forwarded",
		"X-Forwarded-For",
		"x-forwarded-",
		"via",
		"cookie",
		"confd-model",
		"Privatemode-Secret-ID",
		"proxy-authorization",
		"if-none-match",
		"range",
	};
	static const char *const refuse[] = {
		"Upgrade",	 "X-HTTP-Method-Override", "x-original-url",
		"x-rewrite-url", "Content-Encoding",
	};

	for (size_t i = 0; i < countof(pass); i++)
		CHECK(request(pass[i]) == HEADER_PASS);
	for (size_t i = 0; i < countof(drop); i++)
		CHECK(request(drop[i]) == HEADER_DROP);
	for (size_t i = 0; i < countof(refuse); i++)
		CHECK(request(refuse[i]) == HEADER_REFUSE);
	CHECK(adapter_request_header(S("content-encoding"), S("identity")) ==
	      HEADER_DROP);
}

TEST(answer_headers_pass_only_when_they_are_listed)
{
	static const char *const pass[] = {
		"Content-Type",		"cache-control",
		"retry-after",		"x-request-id",
		"OpenAI-Processing-Ms", "x-ratelimit-remaining-tokens",
	};
	static const char *const drop[] = {
		"set-cookie",
		"server",
		"location",
		"connection",
		"link",
		"transfer-encoding",
		"content-length",
		"trailer",
		"upgrade",
		"x-anything",
		"",
		"openai",
		"x-ratelimit",
		"alt-svc",
		"www-authenticate",
		"access-control-allow-origin",
		"date",
		"confd-receipt-id",
		"strict-transport-security",
	};

	for (size_t i = 0; i < countof(pass); i++)
		CHECK(adapter_response_header(slice_str(pass[i])) ==
		      HEADER_PASS);
	for (size_t i = 0; i < countof(drop); i++)
		CHECK(adapter_response_header(slice_str(drop[i])) ==
		      HEADER_DROP);
}
