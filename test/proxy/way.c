#include "test/proxy/way.h"

static void want_keys(void *ctx)
{
	struct way *w = ctx;

	w->wanted++;
}

static void on_line(void *ctx, const struct outcome *line)
{
	struct way *w = ctx;

	w->line = *line;
	w->lines++;
}

enum status way_keys(struct way *w, const struct ohttp_config *c)
{
	auto_buf struct buf list = buf_make(OHTTP_KEYS_MAX);
	struct err err;

	ohttp_keys_put(&list, c->id, c->pub);
	return tunnel_keys(w->tunnel, buf_slice(&list), &err);
}

bool way_open(struct way *w, const struct addr *at)
{
	struct addr any, here;
	struct err err;

	w->loop = w->far.loop;
	w->set = (struct tunnel_settings){
		.loop = w->loop,
		.adapters = &w->far.adapters,
		.endpoint = { .loop = w->loop,
			      .at = at != NULL ? *at : w->far.at,
			      .connect_ms = 500,
			      .head_ms = 400,
			      .idle_ms = 2000 },
		.want_keys = want_keys,
		.done = on_line,
		.ctx = w,
	};
	if (!EXPECT(tunnel_new(&w->set, &w->tunnel, &err) == OK) ||
	    !EXPECT(addr_parse("127.0.0.1:0", 0, &any, &err) == OK) ||
	    !EXPECT(listener_open(w->loop, &any, NULL, NULL, tunnel_accept,
				  w->tunnel, &w->listener, &err) == OK))
		return false;
	listener_addr(w->listener, &here);
	visit_init(&w->v, w->loop, &here);
	return EXPECT(way_keys(w, &w->far.config) == OK);
}

bool way_start(struct way *w)
{
	*w = (struct way){ .loop = NULL };
	return world_start(&w->far, world_large) && way_open(w, NULL);
}

bool way_start_liar(struct way *w)
{
	*w = (struct way){ .loop = NULL };
	return world_start(&w->far, world_large) &&
	       way_open(w, &w->far.fake.at);
}

void way_stop(struct way *w)
{
	visit_done(&w->v);
	listener_close(w->listener);
	tunnel_free(w->tunnel);
	world_stop(&w->far);
}

bool way_chat(struct way *w, const char *headers, struct slice body,
	      unsigned status)
{
	char all[256];

	(void)snprintf(all, sizeof(all), "%s%s", VISIT_JSON,
		       headers != NULL ? headers : "");
	return visit_run(&w->v, "POST", VISIT_CHAT, all, body, status);
}

void way_chat_begin(struct way *w, const char *headers, struct slice body)
{
	char all[256];

	(void)snprintf(all, sizeof(all), "%s%s", VISIT_JSON, headers);
	visit_begin(&w->v, "POST", VISIT_CHAT, all, body.len);
	http_client_body(w->v.client, body);
	http_client_body_end(w->v.client);
}
