#include "proxy/exchange.h"

#include <stdio.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/sse.h"
#include "proxy/bhttp.h"
#include "proxy/date.h"
#include "proxy/vet.h"

#define PIECE (64u << 10)      /* bytes of a whole request taken at a time */
#define EVENT_HOLD (16u << 10) /* bytes of an event waited for its end */
#define OUT_MAX (1u << 20)     /* bytes; what one event of the loop can give */
#define ERROR_MAX (16u << 10)  /* bytes of an error body */
#define BREAK_MS 100 /* for an error event to leave before the break */

struct exchange {
	struct exchange_env *env;
	struct http_call *call;
	enum ohttp_form form;
	int64_t began; /* clock_mono_ms */
	struct outcome line;

	/* The request. */
	struct ohttp_server *sealed;
	struct bhttp_reader request;
	const struct bhttp_head *head; /* NULL: not yet */
	struct adapter_match match;
	uint64_t serial;	       /* of the key */
	const struct refusal *refusal; /* what a callback of ohttp found */
	bool reading;		       /* more of it is wanted */
	struct slice in;	       /* sealed, not opened yet */
	bool in_last;		       /* and nothing behind it */
	struct slice plain;	       /* opened, not read yet */
	bool plain_last;

	/* The answer. */
	struct forward *forward; /* NULL: not yet, or not any more */
	bool begun;		 /* bytes of it are on their way */
	bool ended;		 /* nothing more can be said */
	bool is_sse;
	bool mid_event; /* a part of an event was passed on */
	struct sse_scan scan;
	struct buf event; /* a part of an event, waiting for the rest */
	struct buf out;	  /* to be sealed */
	struct buf wire;  /* sealed */
	uint64_t content; /* bytes of the answer's content */
	struct loop_timer *breaker;
	size_t charged; /* of env->wholes */
};

/* ---- what can go wrong ------------------------------------------------------ */

static const struct refusal no_key = {
	422, REFUSAL_OHTTP_KEY,
	"The request is sealed to a key that is not in use here (any more). Get "
	"the present key configuration, after verifying it, and seal it anew.",
	NULL
};
static const struct refusal replayed = {
	409, "urn:confd:error:replay",
	"This sealed request was received before. Nothing was done.", NULL
};
static const struct refusal busy = {
	503, "urn:confd:error:busy",
	"No further requests can be remembered under this key; new keys come "
	"every hour.",
	"60"
};
static const struct refusal crowded = {
	503, "urn:confd:error:busy",
	"Too much is under way in " OHTTP_TYPE_REQ
	"; try again, or send " OHTTP_TYPE_CHUNKED_REQ ".",
	"1"
};
/* The same for all that an attacker could try, so that it tells nothing. */
static const struct refusal undecryptable = {
	400, "urn:confd:error:undecryptable",
	"The request could not be decrypted: it was altered, cut off, or is "
	"not of the form of its media type.",
	NULL
};
static const struct refusal too_large = {
	413, "urn:confd:error:too-large",
	"The sealed message, or one chunk of it, is larger than is taken here.",
	NULL
};

static const struct vet_problem malformed = {
	400, "malformed_request",
	"The message inside the sealed request is not valid binary HTTP."
};
static const struct vet_problem large = {
	413, "request_too_large", "The request is larger than is taken here."
};
static const struct vet_problem no_body = {
	400, "body_missing", "This route needs a request body; it was empty."
};
static const struct vet_problem has_body = {
	400, "body_not_allowed", "This route takes no request body."
};
static const struct vet_problem answer_crowded = {
	503, "server_busy", "Too many answers of this form are under way."
};
static const struct vet_problem failures[] = {
	[FORWARD_REFUSED] = { 502, "upstream_unreachable",
			      "The model server cannot be reached." },
	[FORWARD_LATE] = { 504, "upstream_timeout",
			   "The model server did not answer in time." },
	[FORWARD_BROKEN] = { 502, "upstream_closed",
			     "The model server ended the connection before its "
			     "answer was complete." },
	[FORWARD_GARBAGE] = { 502, "upstream_invalid",
			      "The model server's answer is not valid HTTP." },
};

/* Memory of whole messages is rationed over all exchanges, since anybody can
 * send them; false when there is no more. */
static bool charge(struct exchange *x, size_t n)
{
	struct exchange_env *env = x->env;

	if (x->form != OHTTP_WHOLE)
		return true;
	if (n > env->max_wholes - env->wholes)
		return false;
	env->wholes += n;
	x->charged += n;
	return true;
}

/* ---- sealing ------------------------------------------------------------------ */

static void drop_forward(struct exchange *x)
{
	forward_free(take(x->forward));
}

/* Nothing more can be said: break the connection, so that it is seen. */
static void break_off(struct exchange *x)
{
	drop_forward(x);
	x->reading = false;
	x->ended = true;
	http_call_abort(x->call);
}

static enum status begin_answer(struct exchange *x, uint64_t length,
				struct err *err)
{
	const struct http_header h[] = {
		{ S("Content-Type"), x->form == OHTTP_CHUNKED
					     ? S(OHTTP_TYPE_CHUNKED_RES)
					     : S(OHTTP_TYPE_RES) },
		{ S("Cache-Control"), S("no-store, no-transform") },
		/* Load balancers of that make then pass each event on. */
		{ S("X-Accel-Buffering"), S("no") },
	};

	x->begun = true;
	return http_call_head(x->call, 200, h, countof(h), length, err);
}

static enum status seal_now(struct exchange *x, bool final, struct err *err)
{
	TRY(buf_check(&x->out, "answer", err));
	TRY(ohttp_server_seal(x->sealed, buf_slice(&x->out), final, &x->wire,
			      err));
	if (!x->begun)
		TRY(begin_answer(
			x, x->form == OHTTP_WHOLE ? x->wire.len : UINT64_MAX,
			err));
	return OK;
}

/* Seal what is in out, and send it at once.  In OHTTP_WHOLE it waits for the
 * last part, and until then can still be taken back. */
static void seal(struct exchange *x, bool final)
{
	struct err err;

	if (x->ended || (x->form == OHTTP_WHOLE && !final))
		return;
	if (seal_now(x, final, &err) != OK) {
		break_off(x);
		return;
	}
	x->line.bytes_out += x->wire.len;
	http_call_body(x->call, buf_slice(&x->wire));
	buf_clear(&x->out);
	buf_clear(&x->wire);
	if (final) {
		x->ended = true;
		http_call_end(x->call);
	}
}

/* ---- refusing ------------------------------------------------------------------- */

/* In clear: nothing could be opened. */
static void refuse(struct exchange *x, const struct refusal *r)
{
	drop_forward(x);
	x->reading = false;
	x->ended = true;
	if (!x->begun)
		x->line.status = r->status;
	refusal_reply(x->call, r);
}

/* A whole answer of our own, sealed. */
static void answer(struct exchange *x, unsigned status,
		   const struct http_header *h, size_t n, struct slice body)
{
	const struct bhttp_head head = { .status = status, .h = h, .n = n };
	struct err err;

	drop_forward(x);
	x->reading = false;
	x->line.status = status;
	x->line.sealed = true;
	buf_clear(&x->out);
	if (bhttp_put_head(&x->out, &head, true, &err) != OK) {
		break_off(x);
		return;
	}
	bhttp_put_content(&x->out, body);
	bhttp_put_end(&x->out, 0);
	seal(x, true);
}

static const struct adapter *shape(const struct exchange *x)
{
	return x->match.adapter != NULL ? x->match.adapter
					: x->env->adapters->a[0];
}

static void on_breaker(void *ctx)
{
	struct exchange *x = ctx;

	http_call_abort(x->call);
}

/* The answer has begun and cannot be completed: tell a reader of events, if
 * it can be told, then break. */
static void cut_off(struct exchange *x, const struct vet_problem *p)
{
	auto_buf struct buf event = buf_make(ERROR_MAX);

	if (!x->is_sse || x->mid_event || x->ended) {
		break_off(x);
		return;
	}
	shape(x)->put_error_event(&event, p->status, p->message, p->code);
	bhttp_put_content(&x->out, buf_slice(&event));
	seal(x, false);
	if (x->ended)
		return;
	drop_forward(x);
	x->reading = false;
	x->ended = true;
	x->breaker = loop_timer_new(x->env->loop, on_breaker, x);
	loop_timer_arm(x->breaker, BREAK_MS);
}

/* Only one that was not reached is sure to have done nothing. */
static bool is_final(const struct vet_problem *p)
{
	return p->status >= 500 && p != &failures[FORWARD_REFUSED];
}

/* Answer with an error inside, in the shape of the API. */
static void fail(struct exchange *x, const struct vet_problem *p)
{
	auto_buf struct buf body = buf_make(ERROR_MAX);

	if (x->begun || x->ended) {
		cut_off(x, p);
		return;
	}
	shape(x)->put_error(&body, p->status, p->message, p->code);
	const struct http_header h[] = {
		{ S("content-type"), slice_str(shape(x)->error_type) },
		{ S("cache-control"), S("no-store") },
		/* What client libraries obey, which else try 5xx again. */
		{ S("x-should-retry"), S("false") },
	};
	answer(x, p->status, h, is_final(p) ? 3 : 2, buf_slice(&body));
}

/* RFC 9458 section 6.5.2: with our time, so that the client can try again. */
static void refuse_date(struct exchange *x)
{
	static const struct refusal r = {
		400, REFUSAL_DATE,
		"The Date of the request is too far from the time here, or "
		"from before this proxy began.",
		NULL
	};
	auto_buf struct buf body = buf_make(ERROR_MAX);
	char now[DATE_SIZE];

	date_format(now, clock_wall());
	refusal_put(&body, &r);
	const struct http_header h[] = {
		{ S("content-type"), S(REFUSAL_TYPE) },
		{ S("date"), slice_str(now) },
		{ S(EXCHANGE_REFUSED), S("date") },
	};
	answer(x, r.status, h, countof(h), buf_slice(&body));
}

/* For a log. */
static void note(struct exchange *x, const struct err *err)
{
	(void)snprintf(x->line.error, sizeof(x->line.error), "%.159s",
		       err->text);
}

/* ---- the answer ------------------------------------------------------------------ */

/* Those of the workload's headers that pass, and the length. */
static enum status put_answer_head(struct exchange *x,
				   const struct http_head *head,
				   struct err *err)
{
	struct http_header h[HTTP_MAX_HEADERS + 1];
	struct bhttp_head b = { .status = head->status, .h = h };
	char length[24];

	for (size_t i = 0; i < head->n; i++)
		if (adapter_response_header(head->h[i].name) == HEADER_PASS)
			h[b.n++] = head->h[i];
	(void)snprintf(length, sizeof(length), "%llu",
		       (unsigned long long)head->length);
	if (head->body == HTTP_LENGTH && b.n < HTTP_MAX_HEADERS)
		h[b.n++] = (struct http_header){ S("content-length"),
						 slice_str(length) };
	return bhttp_put_head(&x->out, &b, true, err);
}

static void on_answer_head(void *ctx, const struct http_head *head)
{
	struct exchange *x = ctx;
	const struct vet_problem *bad = vet_answer(head, x->env->max_response);
	struct err err;

	x->is_sse = vet_is_events(head);
	if (bad != NULL) {
		fail(x, bad);
		return;
	}
	if (put_answer_head(x, head, &err) != OK) {
		fail(x, &vet_answer_bad);
		return;
	}
	x->line.status = head->status;
	x->line.sealed = true;
	seal(x, false);
}

/* Pass on what is there of an event. */
static void put_event(struct exchange *x, struct slice part, bool complete)
{
	size_t n = x->event.len + part.len;

	if (n == 0)
		return;
	bhttp_put_content_size(&x->out, n);
	buf_put(&x->out, buf_slice(&x->event));
	buf_put(&x->out, part);
	buf_clear(&x->event);
	x->mid_event = !complete;
	seal(x, false);
}

/* Each event is one chunk, unless it is very long. */
static void take_events(struct exchange *x, struct slice part)
{
	struct err err;
	size_t used;
	bool end;

	while (part.len > 0 && !x->ended) {
		if (sse_scan_next(&x->scan, part, &used, &end, &err) != OK) {
			x->mid_event = true;
			cut_off(x, &vet_answer_bad);
			return;
		}
		struct slice event = slice_sub(part, 0, used);
		if (end || x->event.len + used > EVENT_HOLD)
			put_event(x, event, end);
		else
			buf_put(&x->event, event);
		part = slice_from(part, used);
	}
}

static void on_answer_body(void *ctx, struct slice part)
{
	struct exchange *x = ctx;

	x->content += part.len;
	if (!charge(x, part.len)) {
		fail(x, &answer_crowded);
	} else if (x->is_sse) {
		take_events(x, part);
	} else if (x->content > x->env->max_response) {
		fail(x, &vet_answer_large);
	} else {
		bhttp_put_content(&x->out, part);
		seal(x, false);
	}
	/* A whole answer that waits for its end can still be taken back. */
	if (x->out.bad && !x->begun)
		fail(x, &vet_answer_large);
	if (x->forward != NULL && http_call_full(x->call))
		forward_pause(x->forward);
}

static void on_answer_end(void *ctx)
{
	struct exchange *x = ctx;

	drop_forward(x);
	x->reading = false;
	put_event(x, (struct slice){ 0 }, false);
	bhttp_put_end(&x->out, 0);
	if (x->out.bad && !x->begun)
		fail(x, &vet_answer_large);
	else
		seal(x, true);
}

static void on_answer_failed(void *ctx, enum forward_why why,
			     const struct err *err)
{
	struct exchange *x = ctx;

	note(x, err);
	fail(x, &failures[why]);
}

static void pump(struct exchange *x);

/* The workload takes more of the request. */
static void on_forward_drained(void *ctx)
{
	struct exchange *x = ctx;

	if (!x->reading)
		return;
	if (x->in_last)
		pump(x);
	else
		http_call_resume(x->call);
}

static const struct forward_events forward_callbacks = {
	.drained = on_forward_drained,
	.head = on_answer_head,
	.body = on_answer_body,
	.end = on_answer_end,
	.failed = on_answer_failed,
};

/* ---- the request inside ------------------------------------------------------------ */

/* Was it sealed by somebody whose clock is right, and since we are here?  The
 * replay cache knows what this process took; this keeps out what others did.
 * RFC 9458 section 6.5 leaves the Date to the client, and so do we. */
static bool date_fits(const struct exchange *x, struct slice date)
{
	int64_t now = clock_wall();
	struct err err;
	int64_t at;

	if (date.p == NULL)
		return true;
	if (date_parse(date, &at, &err) != OK)
		return false;
	return at >= x->env->started && at >= now - EXCHANGE_DATE_WINDOW &&
	       at <= now + EXCHANGE_DATE_WINDOW;
}

static void on_head(struct exchange *x, const struct bhttp_head *head)
{
	const struct vet_problem *bad;

	x->head = head;
	x->match = adapter_find(x->env->adapters, head->method, head->path);
	if (x->match.route != NULL)
		x->line.route = x->match.route->path;
	bad = vet_request(head, x->match.route);
	if (!date_fits(x, bhttp_get(head, "date")))
		refuse_date(x);
	else if (bad != NULL)
		fail(x, bad);
}

static enum status begin_forward(struct exchange *x, uint64_t length,
				 struct err *err)
{
	const struct bhttp_head *head = x->head;
	struct http_header h[HTTP_MAX_HEADERS];
	size_t n = 0;

	for (size_t i = 0; i < head->n; i++)
		if (adapter_request_header(head->h[i].name, head->h[i].value) ==
		    HEADER_PASS)
			h[n++] = head->h[i];
	return forward_begin(&x->env->workload, x->match.route->method,
			     head->path, h, n, length, &forward_callbacks, x,
			     &x->forward, err);
}

/* False when it failed, and that was answered. */
static bool begin(struct exchange *x, uint64_t length)
{
	struct err err;
	enum status st = begin_forward(x, length, &err);

	if (st == OK)
		return true;
	note(x, &err);
	fail(x, st == E_PARSE ? &malformed : &failures[FORWARD_REFUSED]);
	return false;
}

static void on_data(struct exchange *x, struct slice data)
{
	if (x->match.route->body == ROUTE_NONE) {
		fail(x, &has_body);
		return;
	}
	if (x->forward == NULL && !begin(x, x->head->length))
		return;
	forward_body(x->forward, data);
}

/* The whole request is here.  From now on it is the workload's turn, and it
 * is not for the server to find the answer late. */
static void on_end(struct exchange *x)
{
	x->reading = false;
	http_call_pause(x->call);
	if (x->forward != NULL)
		forward_body_end(x->forward);
	else if (x->match.route->body != ROUTE_NONE)
		fail(x, &no_body);
	else
		(void)begin(x, 0);
}

/* ---- opening ------------------------------------------------------------------------- */

static enum status find_key(void *ctx, const struct ohttp_header *header,
			    struct ohttp_key *out, struct err *err)
{
	struct exchange *x = ctx;
	const struct keyring_key *key =
		keyring_find(x->env->keys, header->key_id, clock_wall());

	if (key == NULL) {
		x->refusal = &no_key;
		return err_set(err, E_NOTFOUND, "no key of this id");
	}
	x->serial = key->serial;
	*out = (struct ohttp_key){ .priv = key->priv, .pub = key->pub };
	return OK;
}

/* The key may have ended since its id came, and then with it what was
 * remembered: who waits in between could have a request served again. */
static enum status check_fresh(void *ctx, const struct ohttp_header *header,
			       struct err *err)
{
	struct exchange *x = ctx;
	const struct keyring_key *key =
		keyring_find(x->env->keys, header->key_id, clock_wall());
	enum status st;

	if (key == NULL || key->serial != x->serial) {
		x->refusal = &no_key;
		return err_set(err, E_NOTFOUND, "the key has ended");
	}
	st = replay_check_and_add(x->env->replay, x->serial,
				  slice_of(header->enc), err);
	if (st != OK)
		x->refusal = st == E_CONFLICT ? &replayed : &busy;
	return st;
}

static void refuse_sealed(struct exchange *x, enum status code)
{
	if (x->refusal == NULL)
		x->refusal = code == E_LIMIT ? &too_large : &undecryptable;
	refuse(x, x->refusal);
}

/* Open the next piece; false when there is none. */
static bool step_sealed(struct exchange *x)
{
	struct ohttp_event ev;
	struct err err;
	size_t used;

	if (ohttp_server_open(x->sealed, x->in, x->in_last, &used, &ev, &err) !=
	    OK) {
		refuse_sealed(x, err.code);
		return false;
	}
	x->in = slice_from(x->in, used);
	x->plain = ev.plain;
	x->plain_last = ev.kind == OHTTP_END;
	return ev.kind != OHTTP_MORE;
}

/* Read the next piece of what was opened; false when it must wait. */
static bool step_plain(struct exchange *x)
{
	struct slice piece = slice_sub(x->plain, 0, PIECE);
	bool last = x->plain_last && piece.len == x->plain.len;
	struct bhttp_event ev;
	struct err err;
	size_t used;

	/* A whole request is opened at once but need not be sent at once. */
	if (x->form == OHTTP_WHOLE && x->forward != NULL &&
	    forward_full(x->forward))
		return false;
	if (bhttp_next(&x->request, piece, last, &used, &ev, &err) != OK) {
		fail(x, err.code == E_LIMIT ? &large : &malformed);
		return false;
	}
	x->plain = slice_from(x->plain, used);
	if (ev.kind == BHTTP_HEAD)
		on_head(x, ev.head);
	else if (ev.kind == BHTTP_DATA)
		on_data(x, ev.data);
	else if (ev.kind == BHTTP_END)
		on_end(x);
	return true;
}

static void pump(struct exchange *x)
{
	bool more = true;

	while (x->reading && more)
		more = x->plain.len > 0 || x->plain_last ? step_plain(x)
							 : step_sealed(x);
}

/* ---- the call -------------------------------------------------------------------------- */

static void on_call_body(void *ctx, struct slice part)
{
	struct exchange *x = ctx;

	x->line.bytes_in += part.len;
	if (!x->reading)
		return;
	if (!charge(x, part.len)) {
		refuse(x, &crowded);
		return;
	}
	x->in = part;
	pump(x);
	x->in = (struct slice){ 0 };
	if (x->reading && x->forward != NULL && forward_full(x->forward))
		http_call_pause(x->call);
}

static void on_call_body_end(void *ctx)
{
	struct exchange *x = ctx;

	x->in_last = true;
	pump(x);
}

static void on_call_drained(void *ctx)
{
	struct exchange *x = ctx;

	if (x->forward != NULL)
		forward_resume(x->forward);
}

static void on_call_gone(void *ctx, const struct err *why)
{
	struct exchange *x = ctx;

	x->line.complete = why->code == OK;
	x->line.ms = clock_mono_ms() - x->began;
	if (x->env->done != NULL)
		x->env->done(x->env->ctx, &x->line);
	x->env->wholes -= x->charged;
	drop_forward(x);
	loop_timer_free(x->breaker);
	ohttp_server_free(x->sealed);
	bhttp_done(&x->request);
	buf_done(&x->event);
	buf_done(&x->out);
	buf_done(&x->wire);
	mem_free(x);
}

static const struct http_call_events call_callbacks = {
	.body = on_call_body,
	.body_end = on_call_body_end,
	.drained = on_call_drained,
	.gone = on_call_gone,
};

void exchange_begin(struct exchange_env *env, enum ohttp_form form,
		    struct http_call *call)
{
	struct exchange *x = mem_must(sizeof(*x));
	const struct ohttp_limits limits = { .message = env->max_whole };
	const struct ohttp_server_keys keys = { .find = find_key,
						.fresh = check_fresh,
						.ctx = x };
	size_t room = form == OHTTP_WHOLE ? env->max_whole : OUT_MAX;
	struct err err;

	x->env = env;
	x->call = call;
	x->form = form;
	x->began = clock_mono_ms();
	x->reading = true;
	x->scan = sse_scan_make(EXCHANGE_EVENT_MAX);
	x->event = buf_make(EVENT_HOLD);
	x->out = buf_make(room);
	x->wire = buf_make(room + OUT_MAX);
	bhttp_init_request(&x->request, env->max_request);
	http_call_own(call, &call_callbacks, x);
	if (ohttp_server_new(form, &keys, &limits, &x->sealed, &err) != OK)
		break_off(x);
}
