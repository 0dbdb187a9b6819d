#include "cmd/demo_model.h"

#include <signal.h>
#include <stdio.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/http_server.h"
#include "core/json.h"

#define BODY_MAX (16u << 20)
#define ANSWER_MAX (64u << 20)
#define BEGIN_MAX 200 /* bytes of the prompt that are repeated */
#define WORD_MS 15    /* between two events of a stream: as a model would */

struct model {
	struct loop *loop;
	struct listener *listener;
	struct http_server *server;
	uint64_t answers;
};

/* One streamed answer under way. */
struct stream {
	struct model *model;
	struct http_call *call;
	struct loop_timer *timer;
	struct buf answer;
	size_t said; /* bytes of answer that went out */
	uint64_t id;
	bool usage; /* wanted at the end */
	size_t prompt_words;
	size_t words;
};

static size_t count_words(struct slice s)
{
	size_t n = 0;
	bool in = false;

	for (size_t i = 0; i < s.len; i++) {
		bool space = s.p[i] == ' ' || s.p[i] == '\n' || s.p[i] == '\t';

		n += !space && !in;
		in = !space;
	}
	return n;
}

/* The text of a message: a string, or the first text part of a list. */
static struct slice content_of(const struct json *message)
{
	const struct json *content = json_get(message, "content");

	if (content == NULL)
		return S("");
	if (json_kind(content) == JSON_STRING)
		return json_str(content);
	for (const struct json *part = json_first(content); part != NULL;
	     part = json_next(part)) {
		const struct json *text = json_kind(part) == JSON_OBJECT
						  ? json_get(part, "text")
						  : NULL;
		if (text != NULL && json_kind(text) == JSON_STRING)
			return json_str(text);
	}
	return S("");
}

static struct slice last_prompt(const struct json *root)
{
	const struct json *messages = json_get(root, "messages");
	struct slice prompt = S("");

	if (messages == NULL || json_kind(messages) != JSON_ARRAY)
		return prompt;
	for (const struct json *m = json_first(messages); m != NULL;
	     m = json_next(m))
		if (json_kind(m) == JSON_OBJECT)
			prompt = content_of(m);
	return prompt;
}

/* The first n bytes at most, without the half of a character. */
static struct slice begin_of(struct slice s, size_t n)
{
	if (s.len <= n)
		return s;
	while (n > 0 && (s.p[n] & 0xc0) == 0x80)
		n--;
	return slice_sub(s, 0, n);
}

/* What it has to say: the same for the same prompt. */
static void compose(struct slice prompt, struct buf *out)
{
	struct slice begin = begin_of(prompt, BEGIN_MAX);

	buf_putf(out,
		 "I am confd's demo model, not an AI: I only count. Your "
		 "prompt has %zu words and %zu bytes and begins: ",
		 count_words(prompt), prompt.len);
	buf_put(out, begin);
}

static void put_usage(struct json_out *w, size_t prompt, size_t words)
{
	json_open_object(w, "usage");
	json_put_u64(w, "prompt_tokens", prompt);
	json_put_u64(w, "completion_tokens", words);
	json_put_u64(w, "total_tokens", prompt + words);
	json_close_object(w);
}

static void open_completion(struct json_out *w, const char *object, uint64_t id)
{
	char text[40];

	(void)snprintf(text, sizeof(text), "chatcmpl-demo-%llu",
		       (unsigned long long)id);
	json_open_object(w, NULL);
	json_put_cstr(w, "id", text);
	json_put_cstr(w, "object", object);
	json_put_i64(w, "created", clock_wall());
	json_put_cstr(w, "model", DEMO_MODEL_NAME);
}

static void reply_json(struct http_call *call, unsigned status,
		       const struct buf *body)
{
	http_call_reply(call, status, "application/json", buf_slice(body), NULL,
			0);
}

static void reply_error(struct http_call *call, unsigned status,
			const char *message)
{
	auto_buf struct buf body = buf_make(4096);
	struct json_out w = { .buf = &body };

	json_open_object(&w, NULL);
	json_open_object(&w, "error");
	json_put_cstr(&w, "message", message);
	json_put_cstr(&w, "type", "invalid_request_error");
	json_put_null(&w, "param");
	json_put_null(&w, "code");
	json_close_object(&w);
	json_close_object(&w);
	reply_json(call, status, &body);
}

static void reply_models(struct http_call *call)
{
	auto_buf struct buf body = buf_make(4096);
	struct json_out w = { .buf = &body };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "object", "list");
	json_open_array(&w, "data");
	json_open_object(&w, NULL);
	json_put_cstr(&w, "id", DEMO_MODEL_NAME);
	json_put_cstr(&w, "object", "model");
	json_put_u64(&w, "created", 0);
	json_put_cstr(&w, "owned_by", "confd demo");
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	reply_json(call, 200, &body);
}

static void reply_whole(struct model *m, struct http_call *call,
			struct slice prompt)
{
	auto_buf struct buf body = buf_make(ANSWER_MAX);
	auto_buf struct buf text = buf_make(ANSWER_MAX);
	struct json_out w = { .buf = &body };

	compose(prompt, &text);
	open_completion(&w, "chat.completion", ++m->answers);
	json_open_array(&w, "choices");
	json_open_object(&w, NULL);
	json_put_u64(&w, "index", 0);
	json_open_object(&w, "message");
	json_put_cstr(&w, "role", "assistant");
	json_put_str(&w, "content", buf_slice(&text));
	json_close_object(&w);
	json_put_cstr(&w, "finish_reason", "stop");
	json_close_object(&w);
	json_close_array(&w);
	put_usage(&w, count_words(prompt), count_words(buf_slice(&text)));
	json_close_object(&w);
	reply_json(call, 200, &body);
}

/* ---- streaming ---------------------------------------------------------- */

static void send_event(struct stream *s, struct slice json)
{
	auto_buf struct buf event = buf_make(json.len + 16);

	buf_put_str(&event, "data: ");
	buf_put(&event, json);
	buf_put_str(&event, "\n\n");
	http_call_body(s->call, buf_slice(&event));
}

/* One chunk: a piece of text, or the end. */
static void send_piece(struct stream *s, struct slice piece, const char *finish)
{
	auto_buf struct buf body = buf_make(ANSWER_MAX);
	struct json_out w = { .buf = &body };

	open_completion(&w, "chat.completion.chunk", s->id);
	json_open_array(&w, "choices");
	json_open_object(&w, NULL);
	json_put_u64(&w, "index", 0);
	json_open_object(&w, "delta");
	if (s->said == 0)
		json_put_cstr(&w, "role", "assistant");
	if (finish == NULL)
		json_put_str(&w, "content", piece);
	json_close_object(&w);
	if (finish != NULL)
		json_put_cstr(&w, "finish_reason", finish);
	else
		json_put_null(&w, "finish_reason");
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	send_event(s, buf_slice(&body));
}

static void send_usage(struct stream *s)
{
	auto_buf struct buf body = buf_make(4096);
	struct json_out w = { .buf = &body };

	open_completion(&w, "chat.completion.chunk", s->id);
	json_open_array(&w, "choices");
	json_close_array(&w);
	put_usage(&w, s->prompt_words, s->words);
	json_close_object(&w);
	send_event(s, buf_slice(&body));
}

/* Up to and with the next space. */
static struct slice next_word(const struct stream *s)
{
	struct slice rest = slice_from(buf_slice(&s->answer), s->said);
	size_t n = slice_find(rest, ' ');

	return slice_sub(rest, 0, n + 1);
}

static void say_next(void *ctx)
{
	struct stream *s = ctx;
	struct slice word = next_word(s);

	if (word.len > 0) {
		send_piece(s, word, NULL);
		s->said += word.len;
		s->words++;
		loop_timer_arm(s->timer, WORD_MS);
		return;
	}
	send_piece(s, S(""), "stop");
	if (s->usage)
		send_usage(s);
	send_event(s, S("[DONE]"));
	http_call_end(s->call);
}

static void stream_gone(void *ctx, const struct err *why)
{
	struct stream *s = ctx;

	(void)why;
	loop_timer_free(s->timer);
	buf_done(&s->answer);
	mem_free(s);
}

static bool wants_usage(const struct json *root)
{
	const struct json *o = json_get(root, "stream_options");
	const struct json *u = o != NULL && json_kind(o) == JSON_OBJECT
				       ? json_get(o, "include_usage")
				       : NULL;

	return u != NULL && json_bool(u);
}

static void begin_stream(struct model *m, struct http_call *call,
			 const struct json *root)
{
	static const struct http_call_events events = { .gone = stream_gone };
	const struct http_header type = { S("content-type"),
					  S("text/event-stream") };
	struct stream *s = mem_must(sizeof(*s));
	struct err err;

	s->model = m;
	s->call = call;
	s->timer = loop_timer_new(m->loop, say_next, s);
	s->answer = buf_make(ANSWER_MAX);
	s->id = ++m->answers;
	s->usage = wants_usage(root);
	s->prompt_words = count_words(last_prompt(root));
	compose(last_prompt(root), &s->answer);
	http_call_own(call, &events, s);
	if (http_call_head(call, 200, &type, 1, UINT64_MAX, &err) != OK) {
		http_call_abort(call);
		return;
	}
	loop_timer_arm(s->timer, 0);
}

static void on_chat(void *ctx, struct http_call *call, struct slice body)
{
	struct model *m = ctx;
	auto_json struct json *root = NULL;
	struct err err;

	if (json_parse(body, &root, &err) != OK ||
	    json_kind(root) != JSON_OBJECT) {
		reply_error(call, 400, "the body is not a JSON object");
		return;
	}
	if (json_get(root, "messages") == NULL) {
		reply_error(call, 400, "you must provide 'messages'");
		return;
	}
	const struct json *stream = json_get(root, "stream");
	if (stream != NULL && json_bool(stream))
		begin_stream(m, call, root);
	else
		reply_whole(m, call, last_prompt(root));
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	if (slice_eq(head->target, S("/v1/models")) &&
	    slice_eq(head->method, S("GET")))
		reply_models(call);
	else if (slice_eq(head->target, S("/v1/chat/completions")) &&
		 slice_eq(head->method, S("POST")))
		http_call_collect(call, BODY_MAX, on_chat, ctx);
	else
		reply_error(call, 404,
			    "the demo model serves /v1/models and "
			    "/v1/chat/completions");
}

static void on_signal(void *ctx)
{
	loop_stop(ctx);
}

static enum status serve(struct model *m, uint16_t port, struct err *err)
{
	static const struct http_server_events events = { .on_call = on_call };
	const struct http_limits limits = { .body = BODY_MAX };
	const struct listener_settings set = { 0 };
	struct addr at = { .host = "127.0.0.1", .port = port };

	TRY(loop_new(&m->loop, err));
	TRY(http_server_new(m->loop, &limits, &events, m, &m->server, err));
	return listener_open(m->loop, &at, NULL, &set, http_server_accept,
			     m->server, &m->listener, err);
}

enum status demo_model_run(uint16_t port, struct err *err)
{
	struct model m = { 0 };

	TRY(serve(&m, port, err));
	struct loop_signal *term =
		loop_signal_new(m.loop, SIGTERM, on_signal, m.loop);
	loop_run(m.loop);
	loop_signal_free(term);
	listener_close(m.listener);
	http_server_free(m.server);
	loop_free(m.loop);
	return OK;
}
