#include "proxy/tunnel.h"

#include "core/cleanup.h"

struct tunnel {
	struct trip_env env;
	struct adapter_set adapters;
	struct http_server *server;
};

static const struct refusal_api no_route = {
	.status = 404,
	.code = "not_found",
	.message = "This method and path are not passed on: they are not part "
		   "of the API. Nothing was sent.",
};
static const struct refusal_api no_keys = {
	.status = 503,
	.code = "keys_missing",
	.message = "The attestation service could not be verified again in "
		   "time, so there is no key to encrypt to. Nothing was sent.",
	.retry = "5",
};

static const struct refusal_api foreign = {
	.status = 403,
	.code = "origin_not_allowed",
	.message = "The request comes from a web page of another machine, so "
		   "it was not passed on. Nothing was sent.",
};

/* ---- web pages -------------------------------------------------------------------- */

/* host[:port] of this machine? */
static bool is_local(struct slice host)
{
	static const char *const names[] = { "localhost", "127.0.0.1",
					     "[::1]" };

	for (size_t i = 0; i < countof(names); i++) {
		struct slice name = slice_str(names[i]);
		struct slice rest = slice_from(host, name.len);

		if (slice_eq_nocase(slice_sub(host, 0, name.len), name) &&
		    (rest.len == 0 || rest.p[0] == ':'))
			return true;
	}
	return false;
}

/* A page in the user's browser can reach this server, also under a name of
 * its own that it points here.  Browsers then tell where it comes from. */
static bool is_foreign(const struct http_head *head)
{
	static const char *const schemes[] = { "http://", "https://" };
	struct slice origin = http_head_get(head, "origin");

	if (origin.p == NULL)
		return false;
	for (size_t i = 0; i < countof(schemes); i++) {
		struct slice scheme = slice_str(schemes[i]);

		if (slice_starts(origin, scheme))
			return !is_local(slice_from(origin, scheme.len));
	}
	return true;
}

/* ---- routes ------------------------------------------------------------------- */

/* GET /healthz, GET /readyz; false for anything else. */
static bool serve_health(const struct tunnel *t, struct http_call *call,
			 const struct http_head *head)
{
	bool well = slice_eq_str(head->target, "/healthz");
	bool ready = slice_eq_str(head->target, "/readyz");

	if ((!well && !ready) || (!slice_eq_str(head->method, "GET") &&
				  !slice_eq_str(head->method, "HEAD")))
		return false;
	if (ready && !t->env.has_key)
		refusal_reply_api(call, t->adapters.a[0], &no_keys);
	else
		http_call_reply(call, 200, "text/plain", S("ok\n"), NULL, 0);
	return true;
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct tunnel *t = ctx;
	struct adapter_match m =
		adapter_find(&t->adapters, head->method, head->target);

	if (m.route == NULL && serve_health(t, call, head))
		return;
	if (m.route == NULL)
		refusal_reply_api(call, m.adapter, &no_route);
	else if (is_foreign(head))
		refusal_reply_api(call, m.adapter, &foreign);
	else if (!t->env.has_key)
		refusal_reply_api(call, m.adapter, &no_keys);
	else
		trip_begin(&t->env, call, head, m);
}

static void on_error(void *ctx, unsigned status, const char *reason,
		     const char **content_type, struct buf *body)
{
	const struct tunnel *t = ctx;

	t->adapters.a[0]->put_error(body, status, reason, "bad_request");
	*content_type = t->adapters.a[0]->error_type;
}

static const struct http_server_events server_callbacks = {
	.on_call = on_call,
	.on_error = on_error,
};

/* ---- keys ----------------------------------------------------------------------- */

enum status tunnel_keys(struct tunnel *t, struct slice configs, struct err *err)
{
	struct ohttp_config list[OHTTP_CONFIGS_MAX];
	const struct ohttp_config *best;
	uint16_t aead;
	size_t n;

	TRY(ohttp_keys_parse(configs, list, countof(list), &n, err));
	TRY(ohttp_keys_choose(list, n, &best, &aead, err));
	if (!t->env.has_key || best->id != t->env.config.id ||
	    memcmp(best->pub, t->env.config.pub, sizeof(best->pub)) != 0)
		t->env.serial++;
	t->env.config = *best;
	t->env.aead = aead;
	t->env.has_key = true;
	trip_keys(&t->env);
	return OK;
}

void tunnel_no_keys(struct tunnel *t)
{
	trip_no_keys(&t->env);
}

void tunnel_forget(struct tunnel *t)
{
	t->env.has_key = false;
	explicit_bzero(&t->env.config, sizeof(t->env.config));
}

/* ---- life ------------------------------------------------------------------------- */

static inline void tunnel_freep(struct tunnel **t)
{
	tunnel_free(*t);
}
#define auto_tunnel __attribute__((cleanup(tunnel_freep)))

enum status tunnel_new(const struct tunnel_settings *s, struct tunnel **out,
		       struct err *err)
{
	auto_tunnel struct tunnel *t = mem_must(sizeof(*t));

	t->adapters = *s->adapters;
	t->env = (struct trip_env){
		.loop = s->loop,
		.endpoint = s->endpoint,
		.want_keys = s->want_keys,
		.done = s->done,
		.ctx = s->ctx,
	};
	TRY(http_server_new(s->loop, &s->http, &server_callbacks, t, &t->server,
			    err));
	*out = take(t);
	return OK;
}

void tunnel_free(struct tunnel *t)
{
	if (t == NULL)
		return;
	http_server_free(t->server);
	mem_free(t);
}

void tunnel_accept(void *tunnel, struct conn *c)
{
	struct tunnel *t = tunnel;

	http_server_accept(t->server, c);
}

void tunnel_drain(struct tunnel *t, void (*done)(void *ctx), void *ctx)
{
	http_server_drain(t->server, done, ctx);
}
