#include "proxy/refusal.h"

#include "core/cleanup.h"
#include "core/io/http_write.h"
#include "core/json.h"

#define BODY_MAX (16u << 10) /* bytes */

void refusal_put(struct buf *out, const struct refusal *r)
{
	struct json_out w = { .buf = out };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "type", r->type);
	json_put_cstr(&w, "title", http_write_reason(r->status));
	json_put_u64(&w, "status", r->status);
	json_put_cstr(&w, "detail", r->detail);
	json_close_object(&w);
}

void refusal_reply(struct http_call *call, const struct refusal *r)
{
	const struct http_header extra[] = {
		{ S("Cache-Control"), S("no-store") },
		{ S("Retry-After"), slice_str(r->retry) },
	};
	auto_buf struct buf body = buf_make(BODY_MAX);

	refusal_put(&body, r);
	http_call_reply(call, r->status, REFUSAL_TYPE, buf_slice(&body), extra,
			r->retry != NULL ? 2 : 1);
}

void refusal_reply_api(struct http_call *call, const struct adapter *a,
		       const struct refusal_api *r)
{
	struct http_header extra[4] = {
		{ S("Cache-Control"), S("no-store") },
	};
	size_t n = 1;
	auto_buf struct buf body = buf_make(BODY_MAX);

	if (r->retry != NULL)
		extra[n++] = (struct http_header){ S("Retry-After"),
						   slice_str(r->retry) };
	if (r->unauthentic)
		extra[n++] = (struct http_header){ S("Confd-Authenticated"),
						   S("no") };
	if (r->final)
		extra[n++] =
			(struct http_header){ S("X-Should-Retry"), S("false") };
	a->put_error(&body, r->status, r->message, r->code);
	http_call_reply(call, r->status, a->error_type, buf_slice(&body), extra,
			n);
}

/* What the reasons of the server come down to, by status. */
static const struct {
	unsigned status;
	const char *type;
} kinds[] = {
	{ 408, "urn:confd:error:slow" },
	{ 413, "urn:confd:error:too-large" },
	{ 414, "urn:confd:error:malformed" },
	{ 431, "urn:confd:error:too-large" },
	{ 500, "urn:confd:error:internal" },
	{ 503, "urn:confd:error:unavailable" },
};

void refusal_on_error(void *ctx, unsigned status, const char *reason,
		      const char **content_type, struct buf *body)
{
	struct refusal r = { .status = status,
			     .type = "urn:confd:error:malformed",
			     .detail = reason };

	(void)ctx;
	for (size_t i = 0; i < countof(kinds); i++)
		if (kinds[i].status == status)
			r.type = kinds[i].type;
	refusal_put(body, &r);
	*content_type = REFUSAL_TYPE;
}
