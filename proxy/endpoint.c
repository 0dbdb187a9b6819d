#include "proxy/endpoint.h"

#include "core/cleanup.h"
#include "core/clock.h"

#define LOOK_MS 1000 /* how soon an end of keys or lease is seen */

/* What sealing may add to a request: a sixteenth, and a head. */
#define OVERHEAD(n) ((n) / 16 + (256u << 10))

#define WHOLES 8 /* unchunked messages of full size that are held at once */

struct endpoint {
	struct exchange_env env;
	struct adapter_set adapters;
	struct http_server *server;
	struct loop_timer *timer;
	int64_t lease; /* unix seconds; 0: none */
};

static const struct refusal no_keys = {
	503, "urn:confd:error:no-keys",
	"This proxy has no keys: its worker has not been verified yet, or not "
	"again in time.",
	"5"
};
static const struct refusal not_here = {
	404, "urn:confd:error:not-found",
	"There is nothing here. Sealed requests go to POST " ENDPOINT_PATH ".",
	NULL
};
static const struct refusal bad_method = {
	405, "urn:confd:error:method", "The method is not one of this path.",
	NULL
};
static const struct refusal bad_media = {
	415, "urn:confd:error:media-type",
	"Expected Content-Type " OHTTP_TYPE_CHUNKED_REQ " or " OHTTP_TYPE_REQ
	", without Content-Encoding.",
	NULL
};
static const struct refusal_api not_sealed = {
	.status = 400,
	.code = "encryption_required",
	.message = "This server takes encrypted requests only, and has not "
		   "passed this one on. Send it through 'confd client'.",
};
static const struct refusal_api no_route = {
	.status = 404,
	.code = "not_found",
	.message = "This method and path are not served here.",
};

/* ---- routes ------------------------------------------------------------------ */

static void reply_ok(struct http_call *call)
{
	static const struct http_header h = { S_INIT("Cache-Control"),
					      S_INIT("no-store") };

	http_call_reply(call, 200, "text/plain", S("ok\n"), &h, 1);
}

static void serve_healthz(struct endpoint *e, struct http_call *call,
			  const struct http_head *head)
{
	(void)e;
	(void)head;
	reply_ok(call);
}

static void serve_readyz(struct endpoint *e, struct http_call *call,
			 const struct http_head *head)
{
	(void)head;
	if (endpoint_ready(e))
		reply_ok(call);
	else
		refusal_reply(call, &no_keys);
}

static const struct {
	const char *type;
	enum ohttp_form form;
} media[] = {
	{ OHTTP_TYPE_CHUNKED_REQ, OHTTP_CHUNKED },
	{ OHTTP_TYPE_REQ, OHTTP_WHOLE },
};

static bool find_form(const struct http_head *head, enum ohttp_form *out)
{
	struct slice type = http_head_get(head, "content-type");

	if (http_head_count(head, "content-type") != 1 ||
	    http_head_count(head, "content-encoding") != 0)
		return false;
	type = slice_trim(slice_sub(type, 0, slice_find(type, ';')));
	for (size_t i = 0; i < countof(media); i++) {
		if (slice_eq_nocase(type, slice_str(media[i].type))) {
			*out = media[i].form;
			return true;
		}
	}
	return false;
}

static void serve_sealed(struct endpoint *e, struct http_call *call,
			 const struct http_head *head)
{
	enum ohttp_form form;

	if (!find_form(head, &form))
		refusal_reply(call, &bad_media);
	else if (!endpoint_ready(e))
		refusal_reply(call, &no_keys);
	else
		exchange_begin(&e->env, form, call);
}

static const struct {
	const char *path;
	const char *methods[2];
	void (*serve)(struct endpoint *e, struct http_call *call,
		      const struct http_head *head);
} routes[] = {
	{ ENDPOINT_PATH, { "POST", NULL }, serve_sealed },
	{ "/healthz", { "GET", "HEAD" }, serve_healthz },
	{ "/readyz", { "GET", "HEAD" }, serve_readyz },
};

static bool has_method(const char *const methods[2], struct slice method)
{
	return slice_eq_str(method, methods[0]) ||
	       (methods[1] != NULL && slice_eq_str(method, methods[1]));
}

/* Whoever calls an API here speaks to us in clear. */
static void serve_others(const struct endpoint *e, struct http_call *call,
			 const struct http_head *head)
{
	struct adapter_match m =
		adapter_find(&e->adapters, head->method, head->target);

	if (m.route != NULL)
		refusal_reply_api(call, m.adapter, &not_sealed);
	else if (slice_starts(head->target, S("/confd/")) || m.adapter == NULL)
		refusal_reply(call, &not_here);
	else
		refusal_reply_api(call, m.adapter, &no_route);
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct endpoint *e = ctx;

	for (size_t i = 0; i < countof(routes); i++) {
		if (!slice_eq_str(head->target, routes[i].path))
			continue;
		if (has_method(routes[i].methods, head->method))
			routes[i].serve(e, call, head);
		else
			refusal_reply(call, &bad_method);
		return;
	}
	serve_others(e, call, head);
}

static const struct http_server_events server_callbacks = {
	.on_call = on_call,
	.on_error = refusal_on_error,
};

/* ---- keys and lease ------------------------------------------------------------ */

static void on_key_gone(void *ctx, uint64_t serial)
{
	struct endpoint *e = ctx;

	replay_forget(e->env.replay, serial);
}

/* What was taken until now is forgotten with the keys, so that from now on
 * only younger requests are fresh. */
static void end_lease(struct endpoint *e)
{
	e->lease = 0;
	keyring_wipe(e->env.keys);
	e->env.started = clock_wall();
}

static void on_timer(void *ctx)
{
	struct endpoint *e = ctx;
	int64_t now = clock_wall();

	if (e->lease != 0 && e->lease <= now)
		end_lease(e);
	(void)keyring_expire(e->env.keys, now);
	loop_timer_arm(e->timer, LOOK_MS);
}

enum status endpoint_keys(struct endpoint *e, struct slice message,
			  struct err *err)
{
	return keyring_load(e->env.keys, message, err);
}

void endpoint_lease(struct endpoint *e, int64_t until)
{
	if (until <= clock_wall())
		end_lease(e);
	else
		e->lease = until;
}

bool endpoint_ready(const struct endpoint *e)
{
	int64_t now = clock_wall();
	auto_buf struct buf configs = buf_make(OHTTP_KEYS_MAX);
	struct err err;

	return e->lease > now &&
	       keyring_configs(e->env.keys, now, &configs, &err) == OK;
}

/* ---- life ------------------------------------------------------------------------ */

static inline void endpoint_freep(struct endpoint **e)
{
	endpoint_free(*e);
}
#define auto_endpoint __attribute__((cleanup(endpoint_freep)))

static uint64_t body_limit(const struct endpoint_settings *s)
{
	uint64_t n;

	if (__builtin_add_overflow(s->max_request, OVERHEAD(s->max_request),
				   &n))
		return UINT64_MAX - 1;
	return n;
}

enum status endpoint_new(const struct endpoint_settings *s,
			 struct endpoint **out, struct err *err)
{
	auto_endpoint struct endpoint *e = mem_must(sizeof(*e));
	struct http_limits limits = s->http;

	e->adapters = *s->adapters;
	e->env = (struct exchange_env){
		.loop = s->loop,
		.adapters = &e->adapters,
		.workload = s->workload,
		.started = clock_wall(),
		.max_request = s->max_request,
		.max_response = s->max_response,
		.max_whole = s->max_whole,
		.max_wholes = WHOLES * s->max_whole,
		.done = s->done,
		.ctx = s->ctx,
	};
	limits.body = body_limit(s);
	e->timer = loop_timer_new(s->loop, on_timer, e);
	TRY(replay_new(s->max_replay, &e->env.replay, err));
	TRY(keyring_new(on_key_gone, e, &e->env.keys, err));
	TRY(http_server_new(s->loop, &limits, &server_callbacks, e, &e->server,
			    err));
	loop_timer_arm(e->timer, LOOK_MS);
	*out = take(e);
	return OK;
}

void endpoint_free(struct endpoint *e)
{
	if (e == NULL)
		return;
	http_server_free(e->server);
	keyring_free(e->env.keys);
	replay_free(e->env.replay);
	loop_timer_free(e->timer);
	mem_free(e);
}

void endpoint_accept(void *endpoint, struct conn *c)
{
	struct endpoint *e = endpoint;

	http_server_accept(e->server, c);
}

void endpoint_drain(struct endpoint *e, void (*done)(void *ctx), void *ctx)
{
	http_server_drain(e->server, done, ctx);
}

size_t endpoint_conns(const struct endpoint *e)
{
	return http_server_conns(e->server);
}
