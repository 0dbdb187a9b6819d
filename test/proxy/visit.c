#include "test/proxy/visit.h"

#include "core/cleanup.h"
#include "test/proxy/world.h"

#define BODY_MAX (64u << 20)

void visit_init(struct visit *v, struct loop *l, const struct addr *to)
{
	*v = (struct visit){ .loop = l, .to = *to };
	v->head = buf_make(64u << 10);
	v->body = buf_make(BODY_MAX);
}

void visit_leave(struct visit *v)
{
	http_client_free(take(v->client));
}

void visit_done(struct visit *v)
{
	visit_leave(v);
	buf_done(&v->head);
	buf_done(&v->body);
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct visit *v = ctx;

	v->status = head->status;
	for (size_t i = 0; i < head->n; i++) {
		for (size_t k = 0; k < head->h[i].name.len; k++) {
			uint8_t c = head->h[i].name.p[k];

			buf_put_u8(&v->head, c >= 'A' && c <= 'Z' ? c | 32 : c);
		}
		buf_putf(&v->head, ": %.*s\n", SLICE_FMT(head->h[i].value));
	}
}

static void on_body(void *ctx, struct slice part)
{
	struct visit *v = ctx;

	buf_put(&v->body, part);
	v->parts++;
	if (v->body_max != 0 && v->body.len >= v->body_max)
		http_client_pause(v->client);
}

static void on_end(void *ctx)
{
	struct visit *v = ctx;

	v->done = true;
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct visit *v = ctx;

	(void)why;
	(void)sent;
	v->done = true;
	v->failed = true;
}

static const struct http_client_events client_callbacks = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

void visit_begin(struct visit *v, const char *method, const char *path,
		 const char *headers, uint64_t length)
{
	const struct http_client_settings set = { .to = v->to,
						  .max_body = UINT64_MAX };
	struct http_header h[HTTP_MAX_HEADERS];
	struct slice rest = slice_str(headers), line, name;
	struct err err;
	size_t n = 0;

	while (slice_split(&rest, '\n', &line)) {
		if (line.len == 0)
			continue;
		(void)slice_split(&line, ':', &name);
		h[n++] = (struct http_header){ name, slice_trim(line) };
	}
	v->done = false;
	v->failed = false;
	v->status = 0;
	v->parts = 0;
	buf_clear(&v->head);
	buf_clear(&v->body);
	if (v->client != NULL && !http_client_reusable(v->client))
		visit_leave(v);
	if (v->client == NULL &&
	    !EXPECT(http_client_new(v->loop, &set, &v->client, &err) == OK))
		return;
	(void)EXPECT(http_client_begin(v->client, method, slice_str(path), h, n,
				       length, &client_callbacks, v,
				       &err) == OK);
}

bool visit_wait(struct visit *v)
{
	return WORLD_UNTIL(v, v->done);
}

bool visit_run(struct visit *v, const char *method, const char *path,
	       const char *headers, struct slice body, unsigned status)
{
	visit_begin(v, method, path, headers, body.len);
	http_client_body(v->client, body);
	http_client_body_end(v->client);
	if (!visit_wait(v) || !EXPECT(!v->failed))
		return false;
	if (v->status != status)
		printf("%s %s: %u instead of %u: %.*s\n", method, path,
		       v->status, status, SLICE_FMT(buf_slice(&v->body)));
	return EXPECT(v->status == status);
}

bool visit_says(const struct visit *v, const char *text)
{
	return buf_has(&v->body, text);
}

bool visit_head_says(const struct visit *v, const char *text)
{
	return buf_has(&v->head, text);
}
