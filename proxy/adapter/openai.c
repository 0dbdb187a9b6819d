/* The OpenAI API as inference servers implement it. */
#include "core/cleanup.h"
#include "core/json.h"
#include "proxy/adapter/adapter.h"

#define LIST(...)                 \
	(const char *const[])     \
	{                         \
		__VA_ARGS__, NULL \
	}

#define ANSWER LIST("id", "usage")
#define CHAT                                                         \
	LIST("model", "stream", "stream_options", "n", "max_tokens", \
	     "max_completion_tokens")
#define MODEL LIST("model")
#define AUDIO                                           \
	LIST("model", "stream", "stream_include_usage", \
	     "stream_continuous_usage_stats")
#define AUDIO_ANSWER LIST("duration", "usage")
#define RESPONSES LIST("model", "stream", "stream_options", "max_output_tokens")

/* clang-format off */
static const struct route routes[] = {
	{ "POST", "/v1/chat/completions", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_STREAM | ROUTE_MEDIA, CHAT, ANSWER },
	{ "POST", "/v1/completions", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_STREAM, CHAT, ANSWER },
	{ "POST", "/v1/embeddings", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_MEDIA, MODEL, ANSWER },
	{ "POST", "/v1/rerank", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_MEDIA, MODEL, ANSWER },
	{ "POST", "/v1/score", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_MEDIA, MODEL, ANSWER },
	{ "POST", "/v1/responses", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_STREAM | ROUTE_MEDIA, RESPONSES, ANSWER },
	{ "GET", "/v1/responses/{id}", ROUTE_NONE,
	  ROUTE_STREAM | ROUTE_QUERY, NULL, ANSWER },
	{ "DELETE", "/v1/responses/{id}", ROUTE_NONE, 0, NULL, ANSWER },
	{ "POST", "/v1/responses/{id}/cancel", ROUTE_NONE, 0, NULL, ANSWER },
	{ "GET", "/v1/responses/{id}/input_items", ROUTE_NONE,
	  ROUTE_QUERY, NULL, ANSWER },
	{ "POST", "/v1/audio/transcriptions", ROUTE_MULTIPART,
	  ROUTE_GENERATE | ROUTE_STREAM, AUDIO, AUDIO_ANSWER },
	{ "POST", "/v1/audio/translations", ROUTE_MULTIPART,
	  ROUTE_GENERATE | ROUTE_STREAM, AUDIO, AUDIO_ANSWER },
	{ "POST", "/v1/audio/speech", ROUTE_JSON,
	  ROUTE_GENERATE | ROUTE_STREAM | ROUTE_V2_ONLY, MODEL, NULL },
	{ "GET", "/v1/models", ROUTE_NONE, ROUTE_PLAIN, NULL, NULL },
	{ "GET", "/v1/models/{rest}", ROUTE_NONE, ROUTE_PLAIN, NULL, NULL },
};

static const struct {
	unsigned status;
	const char *type;
} types[] = {
	{ 401, "authentication_error" },
	{ 403, "permission_error" },
	{ 404, "not_found_error" },
	{ 408, "timeout_error" },
	{ 409, "conflict_error" },
	{ 429, "rate_limit_error" },
};
/* clang-format on */

static const char *error_type(unsigned status)
{
	for (size_t i = 0; i < countof(types); i++)
		if (types[i].status == status)
			return types[i].type;
	return status < 500 ? "invalid_request_error" : "server_error";
}

static void put_error(struct buf *out, unsigned status, const char *message,
		      const char *code)
{
	struct json_out w = { .buf = out };

	json_open_object(&w, NULL);
	json_open_object(&w, "error");
	json_put_cstr(&w, "message", message);
	json_put_cstr(&w, "type", error_type(status));
	json_put_null(&w, "param");
	if (code != NULL)
		json_put_cstr(&w, "code", code);
	else
		json_put_null(&w, "code");
	json_close_object(&w);
	json_close_object(&w);
}

static void put_error_event(struct buf *out, unsigned status,
			    const char *message, const char *code)
{
	buf_put_str(out, "data: ");
	put_error(out, status, message, code);
	buf_put_str(out, "\n\n");
}

const struct adapter adapter_openai = {
	.name = "openai",
	.routes = routes,
	.n_routes = countof(routes),
	.error_type = "application/json",
	.put_error = put_error,
	.put_error_event = put_error_event,
};
