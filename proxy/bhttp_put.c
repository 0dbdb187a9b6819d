#include "core/cleanup.h"
#include "proxy/bhttp.h"
#include "proxy/bhttp_rules.h"

/* Writing Binary HTTP; the contract is in proxy/bhttp.h. */

static void put_string(struct buf *out, struct slice s)
{
	buf_put_varint(out, s.len);
	buf_put(out, s);
}

static void put_lower(struct buf *out, struct slice s)
{
	buf_put_varint(out, s.len);
	uint8_t *to = buf_room(out, s.len);
	if (to == NULL)
		return;
	for (size_t i = 0; i < s.len; i++)
		to[i] = s.p[i] >= 'A' && s.p[i] <= 'Z' ? s.p[i] | 0x20 : s.p[i];
	buf_grow(out, s.len);
}

static enum status check_size(const char *what, size_t len, size_t max,
			      struct err *err)
{
	if (len <= max)
		return OK;
	return err_set(err, E_LIMIT,
		       "binary http: %s of %zu bytes, want at most %zu", what,
		       len, max);
}

static enum status put_fields(struct buf *out, const struct bhttp_head *head,
			      struct err *err)
{
	size_t at = out->len;

	if (head->n > HTTP_MAX_HEADERS)
		return err_set(err, E_LIMIT,
			       "binary http: %zu fields, want "
			       "at most %d",
			       head->n, HTTP_MAX_HEADERS);
	for (size_t i = 0; i < head->n; i++) {
		struct slice value = slice_trim(head->h[i].value);

		TRY(bhttp_rules_field(head->h[i].name, value, err));
		put_lower(out, head->h[i].name);
		put_string(out, value);
	}
	return check_size("fields", out->len - at, BHTTP_MAX_FIELDS, err);
}

static enum status put_control(struct buf *out, const struct bhttp_head *head,
			       struct err *err)
{
	size_t at = out->len;

	if (head->method.len == 0) {
		buf_put_varint(out, head->status);
		return OK;
	}
	put_string(out, head->method);
	put_string(out, head->scheme);
	put_string(out, head->authority);
	put_string(out, head->path);
	return check_size("control data", out->len - at, BHTTP_MAX_CONTROL,
			  err);
}

static enum status check(const struct bhttp_head *head, uint64_t *length,
			 struct err *err)
{
	struct http_header trimmed[HTTP_MAX_HEADERS];
	struct bhttp_head h = *head;

	if (head->n > HTTP_MAX_HEADERS)
		return err_set(err, E_LIMIT,
			       "binary http: %zu fields, want "
			       "at most %d",
			       head->n, HTTP_MAX_HEADERS);
	for (size_t i = 0; i < head->n; i++)
		trimmed[i] =
			(struct http_header){ head->h[i].name,
					      slice_trim(head->h[i].value) };
	h.h = trimmed;
	return bhttp_rules_head(&h, head->method.len == 0, length, err);
}

/* What was put since at stays only when all of it is right and fits. */
static enum status whole_or_not(struct buf *out, size_t at, enum status status,
				struct err *err)
{
	if (status == OK)
		status = buf_check(out, "binary http", err);
	if (status != OK)
		buf_cut(out, at);
	return status;
}

static enum status put_head(struct buf *out, const struct bhttp_head *head,
			    bool first, struct err *err)
{
	uint64_t length;

	TRY(check(head, &length, err));
	if (first)
		buf_put_varint(out, head->method.len > 0 ? 2 : 3);
	TRY(put_control(out, head, err));
	TRY(put_fields(out, head, err));
	buf_put_u8(out, 0);
	return OK;
}

enum status bhttp_put_head(struct buf *out, const struct bhttp_head *head,
			   bool first, struct err *err)
{
	size_t at = out->len;

	return whole_or_not(out, at, put_head(out, head, first, err), err);
}

void bhttp_put_content_size(struct buf *out, size_t len)
{
	buf_put_varint(out, len);
}

void bhttp_put_content(struct buf *out, struct slice data)
{
	if (data.len > 0)
		put_string(out, data);
}

void bhttp_put_end(struct buf *out, size_t pad)
{
	/* The content's end, the trailers' end and padding are all zeros. */
	size_t n = pad + 2;
	uint8_t *room = n < pad ? NULL : buf_room(out, n);

	if (room == NULL) {
		out->bad = true;
		return;
	}
	memset(room, 0, n);
	buf_grow(out, n);
}

static enum status put_whole(struct buf *out, const struct bhttp_head *head,
			     struct slice content, struct err *err)
{
	auto_buf struct buf fields = buf_make(BHTTP_MAX_FIELDS + 1);
	bool response = head->method.len == 0;
	uint64_t length;

	TRY(check(head, &length, err));
	if (response && head->status < 200)
		return err_set(err, E_PARSE,
			       "binary http: status %u, want "
			       "a final one",
			       head->status);
	if (length != BHTTP_NO_LENGTH && length != content.len &&
	    !(response && content.len == 0))
		return err_set(err, E_PARSE,
			       "binary http: content-length is "
			       "not the length");
	TRY(put_fields(&fields, head, err));
	TRY(buf_check(&fields, "binary http: fields", err));
	buf_put_varint(out, response ? 1 : 0);
	TRY(put_control(out, head, err));
	put_string(out, buf_slice(&fields));
	put_string(out, content);
	buf_put_u8(out, 0);
	return OK;
}

enum status bhttp_put_whole(struct buf *out, const struct bhttp_head *head,
			    struct slice content, struct err *err)
{
	size_t at = out->len;

	return whole_or_not(out, at, put_whole(out, head, content, err), err);
}
