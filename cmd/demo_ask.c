#include "cmd/demo_ask.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/io/http_client.h"
#include "core/json.h"

#define ANSWER_MAX (16u << 20)
#define WAIT_MS 120000
#define TURN_MS 200 /* between looks at halt, at most */

struct asker {
	struct loop *loop;
	struct http_client *client;
	const bool *halt;
};

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

/* The "message" of an error in OpenAI's shape, or nothing. */
static void put_message(struct slice body, struct buf *out)
{
	auto_json struct json *root = NULL;
	const struct json *error;
	struct slice message;
	struct err ignored; /* it is an addition to the status */

	if (json_parse(body, &root, &ignored) != OK ||
	    json_kind(root) != JSON_OBJECT ||
	    json_want_member(root, "error", JSON_OBJECT, &error, &ignored) !=
		    OK ||
	    json_want_str(error, "message", &message, &ignored) != OK)
		return;
	buf_put_str(out, ": ");
	buf_put(out, slice_sub(message, 0, 200));
}

static enum status judge(const struct exchange *x, const char *target,
			 struct json **out, struct err *err)
{
	auto_buf struct buf message = buf_make(256);

	if (x->err.code != OK) {
		*err = x->err;
		return err->code;
	}
	if (x->status == 200)
		return json_parse(buf_slice(&x->body), out, err);
	put_message(buf_slice(&x->body), &message);
	return err_set(err, E_UNAVAIL, "%s: status %u%.*s", target, x->status,
		       (int)message.len, buf_cstr(&message));
}

/* One request, to its end; the answer must be 200 and JSON.  When it is
 * halted the exchange is still under way: the client has to be freed. */
static enum status fetch(const struct asker *a, const char *method,
			 const char *target, struct slice body,
			 struct json **out, struct err *err)
{
	struct exchange x = { .body = buf_make(ANSWER_MAX) };
	enum status st;

	http_client_call(a->client, method, slice_str(target),
			 body.len > 0 ? "application/json" : NULL, body,
			 ANSWER_MAX, on_answer, &x);
	while (!x.done && !*a->halt)
		loop_run_once(a->loop, TURN_MS);
	st = x.done ? judge(&x, target, out, err)
		    : err_set(err, E_AGAIN, "interrupted");
	buf_done(&x.body);
	return st;
}

/* The first element of a list in an answer: of "data", of "choices". */
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

static enum status fetch_model(const struct asker *a, struct buf *out,
			       struct err *err)
{
	auto_json struct json *models = NULL;
	const struct json *model;
	struct slice id;

	TRY(fetch(a, "GET", "/v1/models", S(""), &models, err));
	TRY(first_of(models, "data", &model, err));
	TRY(json_want_str(model, "id", &id, err));
	buf_put(out, id);
	return buf_check(out, "name of the model", err);
}

static enum status put_question(const struct asker *a, const char *text,
				struct buf *body, struct err *err)
{
	auto_buf struct buf model = buf_make(4096);
	struct json_out w = { .buf = body };

	TRY(fetch_model(a, &model, err));
	json_open_object(&w, NULL);
	json_put_str(&w, "model", buf_slice(&model));
	json_open_array(&w, "messages");
	json_open_object(&w, NULL);
	json_put_cstr(&w, "role", "user");
	json_put_cstr(&w, "content", text);
	json_close_object(&w);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(body, "question", err);
}

static enum status converse(const struct asker *a, const char *text,
			    struct err *err)
{
	auto_buf struct buf body = buf_make(ANSWER_MAX);
	auto_json struct json *answer = NULL;
	const struct json *choice, *message;
	struct slice content;

	TRY(put_question(a, text, &body, err));
	TRY(fetch(a, "POST", "/v1/chat/completions", buf_slice(&body), &answer,
		  err));
	TRY(first_of(answer, "choices", &choice, err));
	TRY(json_want_member(choice, "message", JSON_OBJECT, &message, err));
	TRY(json_want_str(message, "content", &content, err));
	printf("%.*s\n", SLICE_FMT(content));
	return OK;
}

static enum status dial(struct loop *l, const char *endpoint, const bool *halt,
			struct asker *out, struct err *err)
{
	struct http_client_settings set = { .head_ms = WAIT_MS,
					    .idle_ms = WAIT_MS };

	TRY(addr_parse(endpoint, 80, &set.to, err));
	out->loop = l;
	out->halt = halt;
	return http_client_new(l, &set, &out->client, err);
}

enum status demo_ask(struct loop *l, const char *endpoint, const char *text,
		     const bool *halt, struct err *err)
{
	struct asker a = { 0 };

	TRY(dial(l, endpoint, halt, &a, err));
	enum status st = converse(&a, text, err);
	http_client_free(a.client);
	return st;
}

enum status demo_ask_model(struct loop *l, const char *endpoint,
			   const bool *halt, struct buf *out, struct err *err)
{
	struct asker a = { 0 };

	TRY(dial(l, endpoint, halt, &a, err));
	enum status st = fetch_model(&a, out, err);
	http_client_free(a.client);
	return st;
}
