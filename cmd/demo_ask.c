#include "cmd/demo_ask.h"

#include <stdio.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/io/http_client.h"
#include "core/json.h"

#define ANSWER_MAX (16u << 20)
#define WAIT_MS 120000

struct exchange {
	struct err err;
	unsigned status;
	struct buf body;
	bool done;
};

static void on_answer(void *ctx, const struct err *err, unsigned status,
		      struct slice body)
{
	struct exchange *x = ctx;

	x->err = *err;
	x->status = status;
	buf_put(&x->body, body);
	x->done = true;
}

/* One request, to its end; the answer must be 200 and JSON. */
static enum status fetch(struct loop *l, struct http_client *c,
			 const char *method, const char *target,
			 struct slice body, struct json **out, struct err *err)
{
	struct exchange x = { .body = buf_make(ANSWER_MAX) };
	enum status st;

	http_client_call(c, method, slice_str(target),
			 body.len > 0 ? "application/json" : NULL, body,
			 ANSWER_MAX, on_answer, &x);
	while (!x.done)
		loop_run_once(l, -1);
	if (x.err.code != OK) {
		*err = x.err;
		st = err->code;
	} else if (x.status != 200)
		st = err_set(err, E_UNAVAIL, "%s: status %u", target, x.status);
	else
		st = json_parse(buf_slice(&x.body), out, err);
	buf_done(&x.body);
	return st;
}

/* The member path of an answer that has it, for "data" and "choices". */
static enum status first_of(const struct json *root, const char *list,
			    const struct json **out, struct err *err)
{
	const struct json *array;

	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_member(root, list, JSON_ARRAY, &array, err));
	*out = json_first(array);
	if (*out == NULL)
		return err_set(err, E_NOTFOUND, "'%s' is empty", list);
	return json_want(*out, JSON_OBJECT, err);
}

static enum status put_question(struct loop *l, struct http_client *c,
				const char *text, struct buf *body,
				struct err *err)
{
	auto_json struct json *models = NULL;
	const struct json *model;
	struct json_out w = { .buf = body };
	struct slice id;

	TRY(fetch(l, c, "GET", "/v1/models", S(""), &models, err));
	TRY(first_of(models, "data", &model, err));
	TRY(json_want_str(model, "id", &id, err));
	json_open_object(&w, NULL);
	json_put_str(&w, "model", id);
	json_open_array(&w, "messages");
	json_open_object(&w, NULL);
	json_put_cstr(&w, "role", "user");
	json_put_cstr(&w, "content", text);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(body, "question", err);
}

static enum status converse(struct loop *l, struct http_client *c,
			    const char *text, struct err *err)
{
	auto_buf struct buf body = buf_make(ANSWER_MAX);
	auto_json struct json *answer = NULL;
	const struct json *choice, *message;
	struct slice content;

	TRY(put_question(l, c, text, &body, err));
	TRY(fetch(l, c, "POST", "/v1/chat/completions", buf_slice(&body),
		  &answer, err));
	TRY(first_of(answer, "choices", &choice, err));
	TRY(json_want_member(choice, "message", JSON_OBJECT, &message, err));
	TRY(json_want_str(message, "content", &content, err));
	printf("%.*s\n", SLICE_FMT(content));
	return OK;
}

enum status demo_ask(struct loop *l, const char *endpoint, const char *text,
		     struct err *err)
{
	struct http_client_settings set = { .head_ms = WAIT_MS,
					    .idle_ms = WAIT_MS };
	struct http_client *c;

	TRY(addr_parse(endpoint, 80, &set.to, err));
	TRY(http_client_new(l, &set, &c, err));
	enum status st = converse(l, c, text, err);
	http_client_free(c);
	return st;
}
