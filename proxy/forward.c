#include "proxy/forward.h"

#include <sys/socket.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/fdpass.h"

#define CONNECT_SLACK_MS 5000 /* so that it is our limit that is met */
#define CONNECT_LOOK_MS 1000  /* how soon it is seen that it is connected */

struct forward {
	const struct forward_to *to;
	struct http_client *client;
	const struct forward_events *ev;
	void *ctx;
	struct loop_timer *timer;
	int64_t stamp; /* clock_mono_ms of the last progress */
	bool sent;     /* the request was given whole */
	bool answered; /* the head of the answer has come */
	bool paused;
};

/* ---- time ------------------------------------------------------------------- */

/* How long the far side may take for what it does now; 0: as it likes. */
static int64_t allowed(const struct forward *f)
{
	if (http_client_conn(f->client) == NULL)
		return f->to->connect_ms;
	if (f->answered)
		return f->paused ? 0 : f->to->idle_ms;
	if (f->sent)
		return f->to->head_ms;
	return http_client_full(f->client) ? f->to->idle_ms : 0;
}

static void arm(struct forward *f, int64_t now)
{
	bool connected = http_client_conn(f->client) != NULL;
	int64_t ms = allowed(f);

	if (ms == 0 && connected) {
		loop_timer_disarm(f->timer);
		return;
	}
	ms = ms == 0 ? CONNECT_LOOK_MS : ms - (now - f->stamp);
	if (!connected && ms > CONNECT_LOOK_MS)
		ms = CONNECT_LOOK_MS;
	loop_timer_arm(f->timer, ms > 1 ? ms : 1);
}

/* The turn went to somebody else, or something came or went. */
static void progress(struct forward *f)
{
	f->stamp = clock_mono_ms();
	arm(f, f->stamp);
}

static void on_timer(void *ctx)
{
	struct forward *f = ctx;
	int64_t now = clock_mono_ms();
	int64_t ms = allowed(f);
	struct err err;

	if (ms == 0 || now - f->stamp < ms) {
		arm(f, now);
		return;
	}
	(void)err_set(&err, E_IO, "nothing came or went for %lld ms",
		      (long long)ms);
	f->ev->failed(f->ctx, FORWARD_LATE, &err);
}

/* ---- events of the client --------------------------------------------------- */

static void on_drained(void *ctx)
{
	struct forward *f = ctx;

	progress(f);
	if (f->ev->drained != NULL)
		f->ev->drained(f->ctx);
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct forward *f = ctx;

	f->answered = true;
	progress(f);
	f->ev->head(f->ctx, head);
}

static void on_body(void *ctx, struct slice part)
{
	struct forward *f = ctx;

	/* The timer fires too early, and looks again. */
	f->stamp = clock_mono_ms();
	f->ev->body(f->ctx, part);
}

static void on_end(void *ctx)
{
	struct forward *f = ctx;

	loop_timer_disarm(f->timer);
	f->ev->end(f->ctx);
}

static enum forward_why why_of(enum status code)
{
	if (code == E_UNAVAIL || code == E_CRYPTO)
		return FORWARD_REFUSED;
	return code == E_PARSE || code == E_LIMIT ? FORWARD_GARBAGE
						  : FORWARD_BROKEN;
}

static void on_failed(void *ctx, const struct err *err, bool sent)
{
	struct forward *f = ctx;

	(void)sent;
	loop_timer_disarm(f->timer);
	f->ev->failed(f->ctx, why_of(err->code), err);
}

static const struct http_client_events client_callbacks = {
	.drained = on_drained,
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

/* ---- connections ------------------------------------------------------------- */

static struct http_client_settings client_settings(const struct forward_to *to)
{
	return (struct http_client_settings){
		.to = to->at,
		.connect_ms = to->connect_ms == 0
				      ? 0
				      : to->connect_ms + CONNECT_SLACK_MS,
		.max_body = UINT64_MAX, /* the owner counts */
	};
}

/* One end of a new pair for us, the other for the shim. */
static enum status take_link(const struct forward_to *to,
			     struct http_client **out, struct err *err)
{
	const struct http_client_settings set = client_settings(to);
	int pair[2];

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0,
		       pair) < 0)
		return err_errno(err, "socketpair");
	auto_fd int ours = pair[0];
	auto_fd int theirs = pair[1];

	if (fdpass_send(to->link, theirs, err) != OK) {
		(void)err_wrap(err, "the sandbox takes no connection");
		err->code = E_UNAVAIL;
		return E_UNAVAIL;
	}
	TRY(http_client_adopt(to->loop, ours, &set, out, err));
	(void)take_fd(&ours);
	return OK;
}

static enum status take_client(const struct forward_to *to,
			       struct http_client **out, struct err *err)
{
	if (to->pool != NULL)
		return http_pool_take(to->pool, out, err);
	if (to->by_link)
		return take_link(to, out, err);

	const struct http_client_settings set = client_settings(to);
	return http_client_new(to->loop, &set, out, err);
}

/* ---- life --------------------------------------------------------------------- */

static inline void forward_freep(struct forward **f)
{
	forward_free(*f);
}
#define auto_forward __attribute__((cleanup(forward_freep)))

enum status forward_begin(const struct forward_to *to, const char *method,
			  struct slice target, const struct http_header *h,
			  size_t n, uint64_t length,
			  const struct forward_events *ev, void *ctx,
			  struct forward **out, struct err *err)
{
	auto_forward struct forward *f = mem_must(sizeof(*f));

	f->to = to;
	f->ev = ev;
	f->ctx = ctx;
	f->timer = loop_timer_new(to->loop, on_timer, f);
	f->sent = length == 0;
	TRY(take_client(to, &f->client, err));
	TRY(http_client_begin(f->client, method, target, h, n, length,
			      &client_callbacks, f, err));
	progress(f);
	*out = take(f);
	return OK;
}

void forward_free(struct forward *f)
{
	if (f == NULL)
		return;
	loop_timer_free(f->timer);
	if (f->to->pool != NULL)
		http_pool_give(f->to->pool, f->client);
	else
		http_client_free(f->client);
	mem_free(f);
}

void forward_body(struct forward *f, struct slice part)
{
	bool was_full = http_client_full(f->client);

	http_client_body(f->client, part);
	if (!was_full && http_client_full(f->client))
		progress(f);
}

bool forward_full(const struct forward *f)
{
	return http_client_full(f->client);
}

void forward_body_end(struct forward *f)
{
	http_client_body_end(f->client);
	f->sent = true;
	progress(f);
}

void forward_pause(struct forward *f)
{
	http_client_pause(f->client);
	f->paused = true;
	progress(f);
}

void forward_resume(struct forward *f)
{
	http_client_resume(f->client);
	f->paused = false;
	progress(f);
}
