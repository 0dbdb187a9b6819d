#include "attest/pending.h"

#include "attest/problem.h"
#include "core/cleanup.h"

struct pending_call {
	struct pending_call *next;
	uint32_t id;
	size_t bytes;		/* of the question */
	struct http_call *call; /* NULL when the client has left */
	pending_answer *answer;
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

void pending_ask(struct pending *p, struct http_call *call, uint32_t type,
		 struct slice body, pending_answer *answer)
{
	auto_buf struct buf out = buf_make(sizeof(uint32_t) + body.len);

	if (p->n == p->max || body.len > p->max_bytes - p->bytes) {
		problem_refuse(call, E_UNAVAIL, "busy; try again in a second");
		return;
	}
	struct pending_call *c = mem_must(sizeof(*c));
	c->id = ++p->next_id;
	c->bytes = body.len;
	c->call = call;
	c->answer = answer;
	c->next = p->first;
	p->first = c;
	p->n++;
	p->bytes += c->bytes;
	http_call_own(call, &waiting, c);
	buf_put_u32be(&out, c->id);
	buf_put(&out, body);
	chan_send(p->chan, type, buf_slice(&out), -1);
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
	auto_mem struct pending_call *c = take_call(p, id);

	if (c != NULL && c->call != NULL)
		settle(p, c, code, &in);
}

void pending_done(struct pending *p)
{
	while (p->first != NULL)
		mem_free(take_call(p, p->first->id));
}
