#include "attest/pending.h"

#include "attest/problem.h"
#include "core/cleanup.h"

#define TURNS_OF_ONE 64 /* that wait, of one address */
#define FROM_SIZE 64	/* a numeric address without its port */

struct pending_call {
	struct pending_call *next;
	uint32_t id;
	size_t bytes;		/* of the question */
	struct http_call *call; /* NULL when the client has left */
	pending_answer *answer;
	enum { AT_ONCE, WAITS, HAS_TURN } turn;
	uint32_t type;	      /* of one that waits; as the rest */
	struct buf question;  /* as it goes over the channel */
	char from[FROM_SIZE]; /* also of one that has its turn */
};

static void on_gone(void *ctx, const struct err *why)
{
	struct pending_call *c = ctx;

	(void)why;
	c->call = NULL;
}

static const struct http_call_events waiting = { .gone = on_gone };

/* Of a call that is being answered: it may outlive what waited for it. */
static const struct http_call_events answered = { 0 };

static struct pending_call *add(struct pending *p, struct http_call *call,
				struct slice body, pending_answer *answer)
{
	struct pending_call *c = mem_must(sizeof(*c));

	c->id = ++p->next_id;
	c->bytes = body.len;
	c->call = call;
	c->answer = answer;
	c->question = buf_make(sizeof(uint32_t) + body.len);
	buf_put_u32be(&c->question, c->id);
	buf_put(&c->question, body);
	c->next = p->first;
	p->first = c;
	p->n++;
	p->bytes += c->bytes;
	http_call_own(call, &waiting, c);
	return c;
}

static void send(const struct pending *p, struct pending_call *c, uint32_t type)
{
	chan_send(p->chan, type, buf_slice(&c->question), -1);
	buf_done(&c->question);
}

static bool is_full(const struct pending *p, struct slice body)
{
	return p->n == p->max || body.len > p->max_bytes - p->bytes;
}

static void refuse(struct http_call *call)
{
	problem_refuse(call, E_UNAVAIL, "busy; try again in a second");
}

void pending_ask(struct pending *p, struct http_call *call, uint32_t type,
		 struct slice body, pending_answer *answer)
{
	if (is_full(p, body))
		refuse(call);
	else
		send(p, add(p, call, body, answer), type);
}

static struct pending_call *take_call(struct pending *p, uint32_t id)
{
	for (struct pending_call **at = &p->first; *at != NULL;
	     at = &(*at)->next) {
		struct pending_call *c = *at;

		if (c->id == id) {
			*at = c->next;
			p->n--;
			p->bytes -= c->bytes;
			return c;
		}
	}
	return NULL;
}

static void call_free(struct pending_call *c)
{
	buf_done(&c->question);
	mem_free(c);
}

/* ---- Turns ---- */

/* Of those that wait the one that came first: from another address than who
 * had the last turn, where there is one. */
static struct pending_call *next_turn(const struct pending *p)
{
	struct pending_call *first = NULL, *other = NULL;

	/* The latest stands in front. */
	for (struct pending_call *c = p->first; c != NULL; c = c->next) {
		if (c->turn != WAITS)
			continue;
		first = c;
		if (strcmp(c->from, p->last) != 0)
			other = c;
	}
	return other != NULL ? other : first;
}

static void take_turns(struct pending *p)
{
	struct pending_call *c;

	while (!p->turn_taken && (c = next_turn(p)) != NULL) {
		if (c->call == NULL) {
			call_free(take_call(p, c->id));
			continue;
		}
		memcpy(p->last, c->from, sizeof(c->from));
		c->turn = HAS_TURN;
		p->turn_taken = true;
		send(p, c, c->type);
	}
}

static bool is_too_many(const struct pending *p, const char *from)
{
	size_t all = 0, same = 0;

	for (const struct pending_call *c = p->first; c != NULL; c = c->next) {
		all += c->turn == WAITS;
		same += c->turn == WAITS && strcmp(c->from, from) == 0;
	}
	return all >= p->max / 2 || same >= TURNS_OF_ONE;
}

/* The address alone: each connection has a port of its own. */
static void peer_of(struct http_call *call, char from[static FROM_SIZE])
{
	const char *text = conn_peer_text(http_call_conn(call));
	const char *port = strrchr(text, ':');
	int len = port == NULL ? FROM_SIZE : (int)(port - text);

	(void)snprintf(from, FROM_SIZE, "%.*s", len, text);
}

void pending_ask_in_turn(struct pending *p, struct http_call *call,
			 uint32_t type, struct slice body,
			 pending_answer *answer)
{
	char from[FROM_SIZE];

	peer_of(call, from);
	if (is_full(p, body) || is_too_many(p, from)) {
		refuse(call);
		return;
	}
	struct pending_call *c = add(p, call, body, answer);
	c->turn = WAITS;
	c->type = type;
	memcpy(c->from, from, sizeof(from));
	take_turns(p);
}

/* ---- Replies ---- */

static void settle(const struct pending *p, const struct pending_call *c,
		   enum status code, struct cursor *payload)
{
	http_call_own(c->call, &answered, NULL);
	if (code == OK) {
		c->answer(p->ctx, c->call, payload);
		return;
	}
	struct slice text = cursor_field(payload);
	struct err err;
	if (p->hide_faults && problem_status(code) == 500)
		text = S("it failed here; our log says why");
	(void)err_set(&err, code, "%.*s", SLICE_FMT(text));
	problem_reply(c->call, &err);
}

void pending_reply(struct pending *p, struct slice message)
{
	struct cursor in = cursor_make(message);
	uint32_t id = cursor_u32be(&in);
	enum status code = (enum status)cursor_u8(&in);
	struct pending_call *c = take_call(p, id);

	if (c == NULL)
		return;
	if (c->call != NULL)
		settle(p, c, code, &in);
	if (c->turn == HAS_TURN)
		p->turn_taken = false;
	call_free(c);
	take_turns(p);
}

void pending_done(struct pending *p)
{
	while (p->first != NULL)
		call_free(take_call(p, p->first->id));
}
