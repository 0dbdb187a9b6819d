#include "test/proxy/world.h"

#include "core/keybox.h"
#include "proxy/bhttp.h"

static void on_line(void *ctx, const struct outcome *line)
{
	struct world *w = ctx;

	w->line = *line;
	w->lines++;
}

void world_put_keys(struct buf *out, uint64_t revision, uint8_t id,
		    uint8_t seed, struct ohttp_config *config)
{
	struct keybox *box;
	uint8_t ikm[32];
	struct err err;

	memset(ikm, seed, sizeof(ikm));
	if (!EXPECT(keybox_new(&box, &err) == OK))
		return;
	box->revision = revision;
	box->n_keys = 1;
	box->keys[0].id = id;
	box->keys[0].not_before = clock_wall() - 3600;
	box->keys[0].not_after = clock_wall() + 3600;
	*config = (struct ohttp_config){ .id = id, .n_suites = 1 };
	config->suites[0].kdf = HPKE_KDF_SHA256;
	config->suites[0].aead = HPKE_AEAD_AES256;
	ohttp_key_from_ikm(ikm, box->keys[0].priv, config->pub);
	keybox_write(box, out);
	keybox_free(box);
}

static bool make_endpoint(struct world *w, void (*set_up)(struct world *w),
			  struct err *err)
{
	struct addr any;

	w->set = (struct endpoint_settings){
		.loop = w->loop,
		.adapters = &w->adapters,
		.workload = { .loop = w->loop,
			      .at = w->fake.at,
			      .connect_ms = 1000,
			      .head_ms = 2000,
			      .idle_ms = 2000 },
		.max_request = 1u << 20,
		.max_response = 4u << 20,
		.max_whole = 512u << 10,
		.done = on_line,
		.ctx = w,
	};
	if (set_up != NULL)
		set_up(w);
	return EXPECT(endpoint_new(&w->set, &w->endpoint, err) == OK) &&
	       EXPECT(addr_parse("127.0.0.1:0", 0, &any, err) == OK) &&
	       EXPECT(listener_open(w->loop, &any, NULL, NULL, endpoint_accept,
				    w->endpoint, &w->listener, err) == OK);
}

bool world_start(struct world *w, void (*set_up)(struct world *w))
{
	struct addr any;
	struct err err;

	*w = (struct world){ .keybox = buf_make(4096) };
	if (!EXPECT(crypto_setup(&err) == OK) ||
	    !EXPECT(loop_new(&w->loop, &err) == OK) ||
	    !EXPECT(addr_parse("127.0.0.1:0", 0, &any, &err) == OK) ||
	    !EXPECT(fake_start(&w->fake, w->loop, &any, &err) == OK) ||
	    !EXPECT(adapter_enable(&w->adapters, S("openai"), &err) == OK) ||
	    !make_endpoint(w, set_up, &err))
		return false;
	listener_addr(w->listener, &w->at);
	world_put_keys(&w->keybox, 1, WORLD_KEY_ID, 1, &w->config);
	endpoint_lease(w->endpoint, INT64_MAX);
	return EXPECT(endpoint_keys(w->endpoint, buf_slice(&w->keybox), &err) ==
		      OK);
}

void world_stop(struct world *w)
{
	if (w->listener != NULL)
		listener_close(w->listener);
	endpoint_free(w->endpoint);
	fake_stop(&w->fake);
	buf_done(&w->keybox);
	loop_free(w->loop);
}

void world_run(struct world *w, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;

	while (clock_mono_ms() < until)
		loop_run_once(w->loop, 5);
}

uint64_t world_stalled(struct world *w)
{
	uint64_t sent = UINT64_MAX;

	for (unsigned i = 0; i < 50 && sent != w->fake.sent; i++) {
		sent = w->fake.sent;
		world_run(w, 100);
	}
	(void)EXPECT(sent == w->fake.sent);
	return sent;
}

/* ---- asking -------------------------------------------------------------------- */

void asker_init(struct asker *a, struct world *w, enum ohttp_form form)
{
	struct err err;

	*a = (struct asker){ .w = w, .form = form };
	a->sealed = buf_make(WORLD_ANSWER_MAX);
	a->body = buf_make(WORLD_ANSWER_MAX);
	a->head = buf_make(64u << 10);
	a->content = buf_make(WORLD_ANSWER_MAX);
	(void)EXPECT(ohttp_client_new(&w->config, HPKE_AEAD_AES256, form, NULL,
				      NULL, &a->seal, &err) == OK);
}

void asker_done(struct asker *a)
{
	http_client_free(a->client);
	ohttp_client_free(a->seal);
	buf_done(&a->sealed);
	buf_done(&a->body);
	buf_done(&a->head);
	buf_done(&a->content);
}

void asker_seal(struct asker *a, struct slice plain, bool final)
{
	struct err err;

	(void)EXPECT(ohttp_client_seal(a->seal, plain, final, &a->sealed,
				       &err) == OK);
}

void asker_put_head(struct buf *out, const struct ask *ask)
{
	struct http_header h[HTTP_MAX_HEADERS];
	struct bhttp_head b = { .method = slice_str(ask->method),
				.scheme = S("https"),
				.path = slice_str(ask->path),
				.h = h };
	struct slice rest = slice_str(ask->headers), line, name;
	struct err err;

	if (ask->type != NULL)
		h[b.n++] = (struct http_header){ S("content-type"),
						 slice_str(ask->type) };
	while (slice_split(&rest, '\n', &line)) {
		(void)slice_split(&line, ':', &name);
		h[b.n++] = (struct http_header){ name, slice_trim(line) };
	}
	(void)EXPECT(bhttp_put_head(out, &b, true, &err) == OK);
}

void asker_seal_ask(struct asker *a, const struct ask *ask)
{
	auto_buf struct buf plain = buf_make(WORLD_ANSWER_MAX);

	asker_put_head(&plain, ask);
	bhttp_put_content(&plain, ask->content);
	bhttp_put_end(&plain, 0);
	asker_seal(a, buf_slice(&plain), true);
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct asker *a = ctx;

	a->status = head->status;
	(void)snprintf(a->type, sizeof(a->type), "%.*s",
		       SLICE_FMT(http_head_get(head, "content-type")));
	(void)snprintf(a->retry, sizeof(a->retry), "%.*s",
		       SLICE_FMT(http_head_get(head, "retry-after")));
}

static void on_body(void *ctx, struct slice part)
{
	struct asker *a = ctx;

	buf_put(&a->body, part);
	if (a->body_max != 0 && a->body.len >= a->body_max)
		http_client_pause(a->client);
}

static void on_end(void *ctx)
{
	struct asker *a = ctx;

	a->done = true;
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct asker *a = ctx;

	(void)sent;
	a->done = true;
	a->failed = true;
	a->why = *why;
}

static const struct http_client_events client_callbacks = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

static void begin(struct asker *a, uint64_t length)
{
	const struct http_header h[] = {
		{ S("Content-Type"), a->form == OHTTP_CHUNKED
					     ? S(OHTTP_TYPE_CHUNKED_REQ)
					     : S(OHTTP_TYPE_REQ) },
	};
	const struct http_client_settings set = { .to = a->w->at,
						  .max_body = UINT64_MAX };
	struct err err;

	if (!EXPECT(http_client_new(a->w->loop, &set, &a->client, &err) == OK))
		return;
	(void)EXPECT(http_client_begin(a->client, "POST", S(ENDPOINT_PATH), h,
				       1, length, &client_callbacks, a,
				       &err) == OK);
	http_client_body(a->client, buf_slice(&a->sealed));
}

void asker_send(struct asker *a)
{
	begin(a, a->sealed.len);
	http_client_body_end(a->client);
}

void asker_begin(struct asker *a)
{
	begin(a, UINT64_MAX);
	buf_clear(&a->sealed);
}

bool asker_wait(struct asker *a)
{
	return WORLD_UNTIL(a->w, a->done);
}

/* ---- opening --------------------------------------------------------------------- */

static void keep_head(struct asker *a, const struct bhttp_head *head)
{
	a->inner = head->status;
	for (size_t i = 0; i < head->n; i++)
		buf_putf(&a->head, "%.*s: %.*s\n", SLICE_FMT(head->h[i].name),
			 SLICE_FMT(head->h[i].value));
}

static bool read_plain(struct asker *a, struct bhttp_reader *r,
		       struct slice plain, bool last)
{
	struct bhttp_event ev = { .kind = BHTTP_DATA };
	struct err err;
	size_t used;

	while (ev.kind != BHTTP_MORE && ev.kind != BHTTP_END) {
		a->opened = bhttp_next(r, plain, last, &used, &ev, &err);
		if (a->opened != OK)
			return false;
		plain = slice_from(plain, used);
		if (ev.kind == BHTTP_HEAD)
			keep_head(a, ev.head);
		if (ev.kind == BHTTP_DATA) {
			buf_put(&a->content, ev.data);
			a->pieces++;
		}
	}
	a->whole = ev.kind == BHTTP_END;
	return true;
}

void asker_open(struct asker *a, bool last)
{
	auto_bhttp_reader struct bhttp_reader r;
	struct ohttp_event ev = { .kind = OHTTP_DATA };
	struct slice in = buf_slice(&a->body);
	struct err err;
	size_t used;

	bhttp_init_response(&r, UINT64_MAX);
	while (ev.kind == OHTTP_DATA) {
		a->opened =
			ohttp_client_open(a->seal, in, last, &used, &ev, &err);
		if (a->opened != OK)
			return;
		in = slice_from(in, used);
		if (ev.kind != OHTTP_MORE &&
		    !read_plain(a, &r, ev.plain, ev.kind == OHTTP_END))
			return;
	}
}

bool asker_run(struct asker *a, const struct ask *ask)
{
	asker_seal_ask(a, ask);
	asker_send(a);
	if (!asker_wait(a) || !EXPECT(!a->failed) || !EXPECT(a->status == 200))
		return false;
	asker_open(a, true);
	return EXPECT(a->opened == OK) && EXPECT(a->whole);
}

struct ask ask_chat(const char *headers)
{
	return (struct ask){ .method = "POST",
			     .path = "/v1/chat/completions",
			     .type = "application/json",
			     .headers = headers,
			     .content = S("{\"model\":\"m\"}") };
}

struct ask ask_stream(const char *headers)
{
	struct ask ask = ask_chat(headers);

	ask.content = S("{\"model\":\"m\",\"stream\":true}");
	return ask;
}

bool buf_has(const struct buf *b, const char *text)
{
	return slice_search(buf_slice(b), slice_str(text)) < b->len;
}

void world_large(struct world *w)
{
	w->set.max_request = 256u << 20;
	w->set.max_response = 256u << 20;
	w->set.workload.idle_ms = 60000;
}

bool asker_inside(struct asker *a, struct world *w, struct ask ask,
		  unsigned status)
{
	asker_init(a, w, OHTTP_CHUNKED);
	return asker_run(a, &ask) && EXPECT(a->inner == status);
}
