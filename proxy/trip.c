#include "proxy/trip.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "proxy/bhttp.h"
#include "proxy/date.h"
#include "proxy/endpoint.h"

#define PART_MAX (128u << 10)	/* bytes of plaintext that one event adds */
#define PROBLEM_MAX (16u << 10) /* bytes of an unencrypted answer looked at */
#define AHEAD_MAX (10 * 86400)	/* seconds that our clock may be wrong */
#define RETRY_SECONDS_MAX 86400 /* of a Retry-After in clear */

/* What the endpoint's answer is. */
enum outer {
	NOT_YET,
	SEALED,
	CLEAR, /* an error, or so it says */
};

struct trip {
	struct trip_env *env;
	struct trip *next, *prev; /* of those waiting */
	struct http_call *call;
	struct adapter_match match;
	int64_t began; /* clock_mono_ms */
	struct outcome line;

	/* The request. */
	struct buf text; /* the message inside: all of it, or what is left */
	size_t sent;	 /* of it */
	bool kept;	 /* text begins where the message does */
	size_t date_at;	 /* where its Date is, if so */
	bool all;	 /* the program has given all of it */
	uint64_t serial; /* of the key it is sealed to */
	struct ohttp_client *sealed;
	struct forward *forward; /* NULL: none now */
	struct buf wire;
	struct loop_task flush;
	bool waiting; /* for keys */

	/* The answer. */
	enum outer outer;
	unsigned outer_status;
	struct buf problem;
	char retry[8]; /* Retry-After in clear, or empty */
	struct bhttp_reader answer;
	bool again; /* it is to be sent once more */
	bool ended; /* the program has its answer, or never will */
};

struct problem {
	unsigned status;
	const char *code;
	const char *message;
	const char *retry;
	bool final; /* it may have been accepted: no other try */
};

static const struct problem no_keys = {
	503, "keys_changed",
	"The endpoint's keys have changed and could not be verified anew yet. "
	"The endpoint says that it did nothing; try again.",
	"2", false
};
static const struct problem clock_off = {
	503, "clock_off",
	"The clock of this machine is off, which is now taken into account. "
	"Nothing was done; try again.",
	"1", false
};
static const struct problem cannot_seal = { 500, "internal_error",
					    "The request could not be sealed.",
					    NULL, true };
static const struct problem too_many_headers = {
	431, "headers_too_large",
	"The request has too many or too long headers.", NULL, true
};
static const struct problem not_sealed = {
	502, "answer_not_encrypted",
	"The endpoint's answer was not encrypted, so it was not passed on.",
	NULL, true
};
static const struct problem altered = {
	502, "answer_altered",
	"The endpoint's answer was altered or cut off, so it was not passed "
	"on.",
	NULL, true
};
static const struct problem failures[] = {
	[FORWARD_REFUSED] = { 502, "endpoint_unreachable",
			      "The endpoint cannot be reached.", "2", false },
	[FORWARD_LATE] = { 504, "endpoint_timeout",
			   "The endpoint did not answer in time.", NULL, true },
	[FORWARD_BROKEN] = { 502, "endpoint_closed",
			     "The endpoint ended the connection before its "
			     "answer was complete.",
			     NULL, true },
	[FORWARD_GARBAGE] = { 502, "endpoint_invalid",
			      "The endpoint's answer is not valid HTTP.", NULL,
			      true },
};

/* ---- ends -------------------------------------------------------------------- */

static void drop_forward(struct trip *x)
{
	forward_free(take(x->forward));
}

static void stop_waiting(struct trip *x)
{
	if (!x->waiting)
		return;
	if (x->prev != NULL)
		x->prev->next = x->next;
	else
		x->env->waiting = x->next;
	if (x->next != NULL)
		x->next->prev = x->prev;
	x->next = NULL;
	x->prev = NULL;
	x->waiting = false;
}

static void end(struct trip *x)
{
	x->ended = true;
	drop_forward(x);
	stop_waiting(x);
	loop_task_drop(&x->flush);
	buf_done(&x->text);
}

/* Answer the program with an error, or break its connection when it has a
 * part of an answer. */
static void fail(struct trip *x, const struct problem *p)
{
	if (x->ended)
		return;
	end(x);
	if (http_call_answered(x->call)) {
		http_call_abort(x->call);
		return;
	}
	x->line.status = p->status;
	refusal_reply_api(x->call, x->match.adapter,
			  &(struct refusal_api){ .status = p->status,
						 .message = p->message,
						 .code = p->code,
						 .retry = p->retry,
						 .final = p->final });
}

/* The same, with what a log may say of it. */
static void fail_with(struct trip *x, const struct problem *p,
		      const struct err *err)
{
	(void)snprintf(x->line.error, sizeof(x->line.error), "%.159s",
		       err->text);
	fail(x, p);
}

/* ---- the request --------------------------------------------------------------- */

static enum status open_exchange(struct trip *x, struct err *err)
{
	ohttp_client_free(take(x->sealed));
	bhttp_done(&x->answer);
	bhttp_init_response(&x->answer, UINT64_MAX);
	buf_clear(&x->problem);
	x->retry[0] = '\0';
	x->outer = NOT_YET;
	x->sent = 0;
	x->serial = x->env->serial;
	return ohttp_client_new(&x->env->config, x->env->aead, OHTTP_CHUNKED,
				NULL, NULL, &x->sealed, err);
}

static const struct forward_events forward_callbacks;

/* length: of all that is sealed, or UINT64_MAX when more will come. */
static enum status begin_forward(struct trip *x, uint64_t length,
				 struct err *err)
{
	const struct http_header h[] = {
		{ S("Content-Type"), S(OHTTP_TYPE_CHUNKED_REQ) },
	};

	return forward_begin(&x->env->endpoint, "POST", S(ENDPOINT_PATH), h,
			     countof(h), length, &forward_callbacks, x,
			     &x->forward, err);
}

static enum status seal(struct trip *x, struct err *err)
{
	struct slice part = slice_from(buf_slice(&x->text), x->sent);

	buf_clear(&x->wire);
	TRY(buf_check(&x->text, "request", err));
	TRY(ohttp_client_seal(x->sealed, part, x->all, &x->wire, err));
	x->sent = x->text.len;
	if (x->text.len > TRIP_KEEP_MAX)
		x->kept = false;
	if (!x->kept) {
		buf_clear(&x->text);
		x->sent = 0;
	}
	return OK;
}

/* Send what is there. */
static void flush(struct trip *x)
{
	struct err err;

	loop_task_drop(&x->flush);
	if (x->ended || x->waiting || x->again)
		return;
	if (seal(x, &err) != OK) {
		fail(x, &cannot_seal);
		return;
	}
	if (x->forward == NULL &&
	    begin_forward(x, x->all ? x->wire.len : UINT64_MAX, &err) != OK) {
		fail_with(x, &failures[FORWARD_REFUSED], &err);
		return;
	}
	x->line.bytes_out += x->wire.len;
	forward_body(x->forward, buf_slice(&x->wire));
	buf_clear(&x->wire);
	if (x->all)
		forward_body_end(x->forward);
	/* With all of it here the answer may take any time: then it is not
	 * for the server to find it late. */
	if (x->all || forward_full(x->forward))
		http_call_pause(x->call);
}

static void on_flush(void *ctx)
{
	flush(ctx);
}

/* Put the time into the text, which is where it was the first time. */
static void set_date(struct trip *x)
{
	char now[DATE_SIZE];
	struct buf fresh = buf_make(x->text.max);
	struct slice old = buf_slice(&x->text);

	date_format(now, clock_wall() + x->env->ahead);
	buf_put(&fresh, slice_sub(old, 0, x->date_at));
	buf_put(&fresh, slice_make(now, DATE_LEN));
	buf_put(&fresh, slice_from(old, x->date_at + DATE_LEN));
	buf_done(&x->text);
	x->text = fresh;
}

/* From the beginning, under the key of now. */
static void send_again(struct trip *x)
{
	struct err err;

	drop_forward(x);
	x->again = false;
	if (!x->env->has_key) {
		fail(x, &no_keys);
		return;
	}
	x->line.again = true;
	set_date(x);
	if (open_exchange(x, &err) != OK) {
		fail(x, &cannot_seal);
		return;
	}
	http_call_resume(x->call);
	flush(x);
}

static bool may_send_again(const struct trip *x)
{
	return x->kept && !x->line.again && !http_call_answered(x->call);
}

void trip_keys(struct trip_env *env)
{
	env->asked = false;
	while (env->waiting != NULL) {
		struct trip *x = env->waiting;

		stop_waiting(x);
		if (x->serial != env->serial)
			send_again(x);
		else
			fail(x, &no_keys);
	}
}

void trip_no_keys(struct trip_env *env)
{
	env->asked = false;
	while (env->waiting != NULL)
		fail(env->waiting, &no_keys);
}

/* The proxy knows our key not (any more): get the present ones, unless they
 * are there by now. */
static void wait_for_keys(struct trip *x)
{
	struct trip_env *env = x->env;

	drop_forward(x);
	if (!may_send_again(x)) {
		fail(x, &no_keys);
	} else if (env->serial != x->serial) {
		send_again(x);
		return;
	} else {
		x->waiting = true;
		x->next = env->waiting;
		if (x->next != NULL)
			x->next->prev = x;
		env->waiting = x;
		/* What still comes is kept until it is too much. */
		http_call_resume(x->call);
	}
	if (!env->asked) {
		env->asked = true;
		env->want_keys(env->ctx);
	}
}

/* ---- answers in clear -------------------------------------------------------------- */

/* What refusals of proxies, and of what is in between, are told as.  Nothing
 * of their text is passed on: anybody may have written it. */
static const struct clear {
	const char *type;
	const char *code;
	const char *message;
} clears[] = {
	{ "urn:confd:error:no-keys", "endpoint_not_ready",
	  "The endpoint says, without proof, that it has no keys at the "
	  "moment." },
	{ "urn:confd:error:replay", "endpoint_replay",
	  "The endpoint says, without proof, that it received this sealed "
	  "request before; somebody may have repeated it." },
	{ "urn:confd:error:undecryptable", "endpoint_undecryptable",
	  "The endpoint says, without proof, that it could not decrypt the "
	  "request; it may have been altered on its way." },
	{ "urn:confd:error:too-large", "request_too_large",
	  "The endpoint says, without proof, that the request is too large." },
	{ "urn:confd:error:busy", "endpoint_busy",
	  "The endpoint says, without proof, that it is too busy." },
	{ "", "endpoint_error",
	  "The endpoint, or something in front of it, refused the request "
	  "without encryption; what it said is not passed on." },
};

static bool says(const struct trip *x, const char *type)
{
	struct slice body = buf_slice(&x->problem);

	return slice_search(body, slice_str(type)) < body.len ||
	       type[0] == '\0';
}

/* Only these say that nobody began with the request.  A gateway that gave up
 * waiting (502, 504) may well have passed it on, and then the model works. */
static bool did_nothing(const struct trip *x)
{
	return x->outer_status == 429 || x->outer_status == 503;
}

static void judge_clear(struct trip *x)
{
	const struct clear *c = clears;

	if (x->outer_status == 422 && says(x, REFUSAL_OHTTP_KEY)) {
		wait_for_keys(x);
		return;
	}
	while (!says(x, c->type))
		c++;
	end(x);
	x->line.status = x->outer_status;
	refusal_reply_api(x->call, x->match.adapter,
			  &(struct refusal_api){ .status = x->outer_status,
						 .message = c->message,
						 .code = c->code,
						 .retry = x->retry[0] != '\0'
								  ? x->retry
								  : NULL,
						 .final = !did_nothing(x),
						 .unauthentic = true });
}

static void keep_retry(struct trip *x, struct slice value)
{
	uint64_t seconds;

	if (slice_u64(value, &seconds) && seconds <= RETRY_SECONDS_MAX)
		(void)snprintf(x->retry, sizeof(x->retry), "%u",
			       (unsigned)seconds);
}

/* ---- sealed answers ----------------------------------------------------------------- */

/* The Date was too far off, and this is the time there. */
static void take_time(struct trip *x, const struct bhttp_head *head)
{
	struct err err;
	int64_t there, off;

	x->again = true;
	if (date_parse(bhttp_get(head, "date"), &there, &err) != OK)
		return;
	off = there - clock_wall();
	if (off > -AHEAD_MAX && off < AHEAD_MAX)
		x->env->ahead = off;
}

static void on_inner_head(struct trip *x, const struct bhttp_head *head)
{
	struct http_header h[HTTP_MAX_HEADERS];
	uint64_t length =
		head->length == BHTTP_NO_LENGTH ? UINT64_MAX : head->length;
	struct err err;
	size_t n = 0;

	if (slice_eq_str(bhttp_get(head, "confd-refused"), "date")) {
		take_time(x, head);
		return;
	}
	x->kept = false;
	if (x->all)
		buf_done(&x->text);
	x->line.status = head->status;
	x->line.sealed = true;
	for (size_t i = 0; i < head->n; i++)
		if (!slice_eq_str(head->h[i].name, "content-length"))
			h[n++] = head->h[i];
	if (http_call_head(x->call, head->status, h, n, length, &err) != OK)
		fail(x, &altered);
}

/* Read what was opened, to its end if it is the last. */
static void read_inner(struct trip *x, struct slice plain, bool last)
{
	struct bhttp_event ev = { .kind = BHTTP_DATA };
	struct err err;
	size_t used;

	while (!x->ended && ev.kind != BHTTP_MORE && ev.kind != BHTTP_END) {
		if (bhttp_next(&x->answer, plain, last, &used, &ev, &err) !=
		    OK) {
			fail(x, &altered);
			return;
		}
		plain = slice_from(plain, used);
		if (ev.kind == BHTTP_HEAD)
			on_inner_head(x, ev.head);
		else if (ev.kind == BHTTP_DATA && !x->again)
			http_call_body(x->call, ev.data);
	}
}

/* Open what came, to the end of the answer if it is the last. */
static void open_answer(struct trip *x, struct slice in, bool last)
{
	struct ohttp_event ev = { .kind = OHTTP_DATA };
	struct err err;
	size_t used;

	while (!x->ended && ev.kind == OHTTP_DATA) {
		if (ohttp_client_open(x->sealed, in, last, &used, &ev, &err) !=
		    OK) {
			fail(x, &altered);
			return;
		}
		in = slice_from(in, used);
		if (ev.kind != OHTTP_MORE)
			read_inner(x, ev.plain, ev.kind == OHTTP_END);
	}
}

/* ---- events of the endpoint ------------------------------------------------------------ */

static bool is_sealed(const struct http_head *head)
{
	struct slice type = http_head_get(head, "content-type");

	type = slice_trim(slice_sub(type, 0, slice_find(type, ';')));
	return head->status == 200 &&
	       slice_eq_nocase(type, S(OHTTP_TYPE_CHUNKED_RES));
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct trip *x = ctx;

	x->outer_status = head->status;
	if (is_sealed(head)) {
		x->outer = SEALED;
	} else if (head->status >= 400) {
		x->outer = CLEAR;
		keep_retry(x, http_head_get(head, "retry-after"));
	} else {
		fail(x, &not_sealed);
	}
}

static void keep_problem(struct trip *x, struct slice part)
{
	buf_put(&x->problem, slice_sub(part, 0, PROBLEM_MAX - x->problem.len));
	if (x->problem.len == PROBLEM_MAX)
		judge_clear(x); /* the rest is not worth the wait */
}

static void on_body(void *ctx, struct slice part)
{
	struct trip *x = ctx;

	x->line.bytes_in += part.len;
	if (x->outer == SEALED)
		open_answer(x, part, false);
	else
		keep_problem(x, part);
	if (x->forward != NULL && http_call_full(x->call))
		forward_pause(x->forward);
}

static void on_end(void *ctx)
{
	struct trip *x = ctx;

	if (x->outer == CLEAR) {
		judge_clear(x);
		return;
	}
	open_answer(x, (struct slice){ 0 }, true);
	if (x->ended)
		return;
	if (!x->again) {
		end(x);
		http_call_end(x->call);
	} else if (may_send_again(x)) {
		send_again(x);
	} else {
		fail(x, &clock_off);
	}
}

static void on_failed(void *ctx, enum forward_why why, const struct err *err)
{
	fail_with(ctx, &failures[why], err);
}

static void on_drained(void *ctx)
{
	struct trip *x = ctx;

	http_call_resume(x->call);
}

static const struct forward_events forward_callbacks = {
	.drained = on_drained,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

/* ---- the program's side ------------------------------------------------------------------ */

static void on_call_body(void *ctx, struct slice part)
{
	struct trip *x = ctx;

	if (x->ended)
		return;
	bhttp_put_content(&x->text, part);
	if ((x->waiting || x->again) && x->text.len > TRIP_KEEP_MAX)
		fail(x, x->again ? &clock_off : &no_keys);
	else if (x->text.len - x->sent >= OHTTP_CHUNK)
		flush(x);
	else
		loop_task_post(x->env->loop, &x->flush);
}

static void on_call_body_end(void *ctx)
{
	struct trip *x = ctx;

	if (x->ended)
		return;
	bhttp_put_end(&x->text, 0);
	x->all = true;
	flush(x);
}

static void on_call_drained(void *ctx)
{
	struct trip *x = ctx;

	if (x->forward != NULL)
		forward_resume(x->forward);
}

static void on_call_gone(void *ctx, const struct err *why)
{
	struct trip *x = ctx;

	end(x);
	x->line.complete = why->code == OK;
	x->line.ms = clock_mono_ms() - x->began;
	if (x->env->done != NULL)
		x->env->done(x->env->ctx, &x->line);
	ohttp_client_free(x->sealed);
	bhttp_done(&x->answer);
	buf_done(&x->wire);
	buf_done(&x->problem);
	mem_free(x);
}

static const struct http_call_events call_callbacks = {
	.body = on_call_body,
	.body_end = on_call_body_end,
	.drained = on_call_drained,
	.gone = on_call_gone,
};

/* ---- the head inside ------------------------------------------------------------------------ */

/* Of this connection, or written anew; everything else goes inside. */
static const char *const own[] = {
	"connection",
	"date",
	"expect",
	"host",
	"keep-alive",
	"te",
	"trailer",
	"transfer-encoding",
	"upgrade",
	"http2-settings",
	"proxy-authenticate",
	"proxy-authorization",
	"proxy-connection",
};

static bool stays(const struct http_head *head, struct slice name)
{
	auto_buf struct buf text = buf_make(HTTP_MAX_HEAD);

	for (size_t i = 0; i < countof(own); i++)
		if (slice_eq_nocase(name, slice_str(own[i])))
			return true;
	buf_put(&text, name);
	return http_head_count(head, "connection") > 0 &&
	       http_head_list_has(head, "connection", buf_cstr(&text));
}

static enum status put_head(struct trip *x, const struct http_head *head,
			    struct err *err)
{
	struct http_header h[HTTP_MAX_HEADERS + 1];
	char now[DATE_SIZE];
	struct bhttp_head b = { .method = head->method,
				.scheme = S("https"),
				.path = head->target,
				.h = h };

	date_format(now, clock_wall() + x->env->ahead);
	h[b.n++] = (struct http_header){ S("date"), slice_str(now) };
	for (size_t i = 0; i < head->n; i++)
		if (!stays(head, head->h[i].name))
			h[b.n++] = head->h[i];
	TRY(bhttp_put_head(&x->text, &b, true, err));
	/* Lengths stand before strings; a path has no control bytes. */
	x->date_at = slice_search(buf_slice(&x->text), S("\4date\35")) + 6;
	return OK;
}

void trip_begin(struct trip_env *env, struct http_call *call,
		const struct http_head *head, struct adapter_match match)
{
	struct trip *x = mem_must(sizeof(*x));
	struct err err;

	x->env = env;
	x->call = call;
	x->match = match;
	x->line.route = match.route->path;
	x->began = clock_mono_ms();
	x->kept = true;
	x->text = buf_make(TRIP_KEEP_MAX + PART_MAX);
	x->wire = buf_make(2 * (TRIP_KEEP_MAX + PART_MAX));
	x->problem = buf_make(PROBLEM_MAX);
	x->flush = (struct loop_task){ .run = on_flush, .ctx = x };
	http_call_own(call, &call_callbacks, x);
	if (put_head(x, head, &err) != OK)
		fail(x, &too_many_headers);
	else if (open_exchange(x, &err) != OK)
		fail(x, &cannot_seal);
}
