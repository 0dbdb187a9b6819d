#include "attest/problem.h"

#include "core/cleanup.h"
#include "core/json.h"

static const struct row {
	enum status code;
	unsigned status;
	const char *title;
} rows[] = {
	{ E_PARSE, 400, "The request is malformed" },
	{ E_CONF, 400, "The manifest is not valid" },
	{ E_LIMIT, 413, "Too large" },
	{ E_CRYPTO, 403, "The evidence is not genuine or not bound" },
	{ E_POLICY, 403, "Not allowed by the manifest" },
	{ E_STALE, 403, "The evidence could not be judged" },
	{ E_PERM, 403, "You may not do this" },
	{ E_NOTFOUND, 404, "No such thing here" },
	{ E_CONFLICT, 409, "It is not in the state for this" },
	{ E_UNAVAIL, 503, "Not now" },
};

static const struct row *row_of(enum status code)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].code == code)
			return &rows[i];
	return NULL;
}

unsigned problem_status(enum status code)
{
	const struct row *r = row_of(code);

	return r != NULL ? r->status : 500;
}

static void put_document(struct buf *out, const char *name, const char *title,
			 unsigned status, const char *detail)
{
	struct json_out w = { .buf = out };
	auto_buf struct buf type = buf_make(64);

	buf_putf(&type, "urn:confd:error:%s", name);
	json_open_object(&w, NULL);
	json_put_str(&w, "type", buf_slice(&type));
	json_put_cstr(&w, "title", title);
	json_put_u64(&w, "status", status);
	json_put_cstr(&w, "detail", detail);
	json_close_object(&w);
}

void problem_write(struct buf *out, unsigned status, enum status code,
		   const char *detail)
{
	const struct row *r = row_of(code);

	put_document(out, r != NULL ? status_name(code) : "internal",
		     r != NULL ? r->title : "It failed here", status, detail);
}

void problem_reply_method(struct http_call *call, struct slice allow)
{
	const struct http_header header = { S("Allow"), allow };
	auto_buf struct buf detail = buf_make(256);
	auto_buf struct buf body = buf_make(4096);

	buf_putf(&detail, "expected one of: %.*s", SLICE_FMT(allow));
	put_document(&body, "method", "Not the method of this path", 405,
		     detail.bad ? "" : buf_cstr(&detail));
	http_call_reply(call, 405, PROBLEM_TYPE, buf_slice(&body), &header, 1);
}

bool problem_refuse_type(struct http_call *call, const struct http_head *head)
{
	auto_buf struct buf body = buf_make(4096);
	struct slice rest = http_head_get(head, "content-type");
	struct slice type = { 0 };

	(void)slice_split(&rest, ';', &type);
	if (http_head_count(head, "content-type") == 1 &&
	    slice_eq_nocase(slice_trim(type), S("application/json")))
		return false;
	put_document(&body, "media-type", "Not the type of body taken here",
		     415, "expected Content-Type: application/json");
	http_call_reply(call, 415, PROBLEM_TYPE, buf_slice(&body), NULL, 0);
	return true;
}

void problem_reply(struct http_call *call, const struct err *err)
{
	auto_buf struct buf body = buf_make(4096);
	unsigned status = problem_status(err->code);

	problem_write(&body, status, err->code, err->text);
	http_call_reply(call, status, PROBLEM_TYPE, buf_slice(&body), NULL, 0);
}

void problem_refuse(struct http_call *call, enum status code, const char *text)
{
	struct err err;

	(void)err_set(&err, code, "%s", text);
	problem_reply(call, &err);
}

void problem_on_error(void *ctx, unsigned status, const char *reason,
		      const char **content_type, struct buf *body)
{
	(void)ctx;
	*content_type = PROBLEM_TYPE;
	problem_write(body, status,
		      status == 413   ? E_LIMIT
		      : status >= 500 ? E_UNAVAIL
				      : E_PARSE,
		      reason);
}
