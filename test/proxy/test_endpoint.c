#include <arpa/inet.h>
#include <sys/socket.h>

#include "proxy/date.h"
#include "test/proxy/visit.h"
#include "test/proxy/world.h"

/* ---- what is not sealed ------------------------------------------------------ */

TEST(health_is_told_to_everybody)
{
	struct world w;
	struct visit v;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	(void)visit_run(&v, "GET", "/healthz", NULL, S(""), 200);
	(void)EXPECT(visit_says(&v, "ok\n"));
	(void)visit_run(&v, "HEAD", "/readyz", NULL, S(""), 200);
	(void)visit_run(&v, "GET", "/readyz", NULL, S(""), 200);
	(void)visit_run(&v, "POST", "/readyz", NULL, S(""), 405);
	endpoint_lease(w.endpoint, 0);
	(void)visit_run(&v, "GET", "/healthz", NULL, S(""), 200);
	(void)visit_run(&v, "GET", "/readyz", NULL, S(""), 503);
	(void)EXPECT(visit_says(&v, "urn:confd:error:no-keys"));
	(void)EXPECT(visit_head_says(&v, "retry-after: 5\n"));
	visit_done(&v);
	world_stop(&w);
}

TEST(a_route_of_the_api_takes_nothing_in_clear)
{
	static const struct {
		const char *method, *path;
	} asks[] = {
		{ "POST", "/v1/chat/completions" },
		{ "POST", "/v1/embeddings" },
		{ "GET", "/v1/models" },
	};
	struct world w;
	struct visit v;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	for (size_t i = 0; i < countof(asks); i++) {
		(void)visit_run(&v, asks[i].method, asks[i].path, VISIT_JSON,
				VISIT_PLAIN, 400);
		(void)EXPECT(
			visit_says(&v, "\"code\":\"encryption_required\""));
		(void)EXPECT(visit_says(&v, "{\"error\":{\"message\":\""));
	}
	(void)EXPECT(w.fake.conns == 0);
	visit_done(&v);
	world_stop(&w);
}

TEST(what_is_no_route_is_not_found)
{
	static const struct {
		const char *method, *path, *says;
	} asks[] = {
		{ "GET", "/metrics", "\"code\":\"not_found\"" },
		{ "GET", "/", "\"code\":\"not_found\"" },
		{ "GET", "/v1/chat/completions", "\"code\":\"not_found\"" },
		{ "POST", "/v1/../metrics", "\"code\":\"not_found\"" },
		{ "GET", "/confd/v3", "urn:confd:error:not-found" },
		{ "POST", "/confd/v2/", "urn:confd:error:not-found" },
		{ "POST", "/confd/v2?x", "urn:confd:error:not-found" },
		{ "POST", "/healthz/", "\"code\":\"not_found\"" },
	};
	struct world w;
	struct visit v;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	for (size_t i = 0; i < countof(asks); i++) {
		(void)visit_run(&v, asks[i].method, asks[i].path, NULL, S(""),
				404);
		(void)EXPECT(visit_says(&v, asks[i].says));
	}
	(void)EXPECT(w.fake.conns == 0);
	visit_done(&v);
	world_stop(&w);
}

TEST(a_connection_outlives_refusals)
{
	struct world w;
	struct visit v;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	(void)visit_run(&v, "GET", "/metrics", NULL, S(""), 404);
	(void)visit_run(&v, "POST", VISIT_CHAT, VISIT_JSON, VISIT_PLAIN, 400);
	(void)visit_run(&v, "PUT", ENDPOINT_PATH, NULL, S("x"), 405);
	(void)visit_run(&v, "POST", ENDPOINT_PATH, NULL, S("x"), 415);
	(void)visit_run(&v, "POST", ENDPOINT_PATH,
			"content-type: " OHTTP_TYPE_CHUNKED_REQ, S("x"), 400);
	(void)visit_run(&v, "GET", "/healthz", NULL, S(""), 200);
	(void)EXPECT(http_client_reusable(v.client));
	(void)EXPECT(endpoint_conns(w.endpoint) == 1);
	visit_done(&v);
	world_stop(&w);
}

/* ---- sealed, or so it says ----------------------------------------------------- */

TEST(other_media_types_are_refused)
{
	static const char *const bad[] = {
		NULL,
		"content-type: application/json",
		"content-type: message/ohttp-res",
		"content-type: message/ohttp-req\ncontent-type: text/plain",
		"content-type: message/ohttp-req\ncontent-encoding: gzip",
		"content-type: message/ohttp-reqq",
		"content-type: ",
	};
	struct world w;
	struct visit v;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	for (size_t i = 0; i < countof(bad); i++) {
		(void)visit_run(&v, "POST", ENDPOINT_PATH, bad[i], S("x"), 415);
		(void)EXPECT(visit_says(&v, "urn:confd:error:media-type"));
	}
	/* Parameters are no matter. */
	(void)visit_run(&v, "POST", ENDPOINT_PATH,
			"content-type: Message/OHTTP-Req ; a=b", S("x"), 400);
	visit_done(&v);
	world_stop(&w);
}

TEST(an_unknown_key_is_told_by_the_problem_of_the_rfc)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, NULL));
	w.config.id = WORLD_KEY_ID + 1;
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 422);
	(void)EXPECT(buf_has(&a.body, "\"type\":\"" REFUSAL_OHTTP_KEY "\""));
	(void)EXPECT(slice_eq_str(slice_str(a.type), REFUSAL_TYPE));
	(void)EXPECT(http_client_reusable(a.client));
	(void)EXPECT(w.fake.conns == 0);
	asker_done(&a);
	world_stop(&w);
}

/* Ask once; the status outside. */
static unsigned ask_once(struct world *w)
{
	struct ask ask = ask_chat(NULL);
	struct asker a;

	asker_init(&a, w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	unsigned status = asker_wait(&a) && !a.failed ? a.status : 0;
	asker_done(&a);
	return status;
}

TEST(there_are_answers_only_with_keys_and_a_lease)
{
	struct world w;
	struct err err;

	CHECK(world_start(&w, NULL));
	(void)EXPECT(ask_once(&w) == 200);
	endpoint_lease(w.endpoint, 0);
	(void)EXPECT(!endpoint_ready(w.endpoint) && ask_once(&w) == 503);
	/* A lease alone is not enough: the keys were wiped. */
	endpoint_lease(w.endpoint, clock_wall() + 60);
	(void)EXPECT(!endpoint_ready(w.endpoint) && ask_once(&w) == 503);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&w.keybox), &err) ==
		     OK);
	(void)EXPECT(endpoint_ready(w.endpoint) && ask_once(&w) == 200);
	/* Nor are keys. */
	endpoint_lease(w.endpoint, 1);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&w.keybox), &err) ==
		     OK);
	(void)EXPECT(!endpoint_ready(w.endpoint) && ask_once(&w) == 503);
	(void)EXPECT(w.fake.requests == 2);
	world_stop(&w);
}

TEST(a_lease_ends_by_the_clock)
{
	struct world w;
	int64_t now = clock_wall();

	clock_set_wall_for_tests(now);
	CHECK(world_start(&w, NULL));
	endpoint_lease(w.endpoint, now + 10);
	(void)EXPECT(ask_once(&w) == 200);
	clock_set_wall_for_tests(now + 10);
	(void)EXPECT(ask_once(&w) == 503);
	world_run(&w, 1050);
	/* The keys have gone with it, whatever the clock says then. */
	clock_set_wall_for_tests(now);
	endpoint_lease(w.endpoint, now + 10);
	(void)EXPECT(ask_once(&w) == 503);
	clock_set_wall_for_tests(-1);
	world_stop(&w);
}

TEST(a_key_ends_by_the_clock)
{
	struct world w;
	int64_t now = clock_wall();

	clock_set_wall_for_tests(now);
	CHECK(world_start(&w, NULL));
	clock_set_wall_for_tests(now + 3599);
	(void)EXPECT(ask_once(&w) == 200);
	clock_set_wall_for_tests(now + 3600);
	(void)EXPECT(!endpoint_ready(w.endpoint) && ask_once(&w) == 503);
	clock_set_wall_for_tests(-1);
	world_stop(&w);
}

TEST(keys_are_replaced_and_never_by_older_ones)
{
	auto_buf struct buf next = buf_make(4096);
	struct ohttp_config config;
	struct world w;
	struct err err;

	CHECK(world_start(&w, NULL));
	world_put_keys(&next, 3, WORLD_KEY_ID + 1, 2, &config);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&next), &err) == OK);
	(void)EXPECT(ask_once(&w) == 422);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&w.keybox), &err) ==
		     E_CONFLICT);
	(void)EXPECT(endpoint_keys(w.endpoint, S("junk"), &err) == E_PARSE);
	(void)EXPECT(ask_once(&w) == 422);
	w.config = config;
	(void)EXPECT(ask_once(&w) == 200);
	world_stop(&w);
}

TEST(a_stream_that_has_begun_outlives_the_lease)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_stream("x-fake-events: 8\nx-fake-delay: 20");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)WORLD_UNTIL(&w, a.body.len > 0);
	endpoint_lease(w.endpoint, 0);
	(void)EXPECT(asker_wait(&a) && !a.failed);
	asker_open(&a, true);
	(void)EXPECT(a.whole && buf_has(&a.content, "[DONE]"));
	asker_done(&a);
	world_stop(&w);
}

/* The head of a request is held back until its key, and so the memory of what
 * came under it, has ended. */
TEST(who_waits_for_the_end_of_a_key_has_nothing_served_again)
{
	struct world w;
	struct asker a, again;
	struct ask ask = ask_chat(NULL);
	struct err err;

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	(void)EXPECT(asker_run(&a, &ask));
	struct slice all = buf_slice(&a.sealed);
	asker_init(&again, &w, OHTTP_CHUNKED);
	buf_put(&again.sealed, slice_sub(all, 0, OHTTP_HEADER_LEN));
	asker_begin(&again);
	world_run(&w, 50);
	endpoint_lease(w.endpoint, 0);
	endpoint_lease(w.endpoint, INT64_MAX);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&w.keybox), &err) ==
		     OK);
	http_client_body(again.client, slice_from(all, OHTTP_HEADER_LEN));
	http_client_body_end(again.client);
	(void)EXPECT(asker_wait(&again) && again.status == 422);
	(void)EXPECT(w.fake.requests == 1);
	asker_done(&again);
	asker_done(&a);
	world_stop(&w);
}

TEST(what_was_dated_before_a_lease_ended_is_not_served_after_it)
{
	char headers[DATE_SIZE + 6] = "date: ";
	int64_t now = clock_wall();
	struct world w;
	struct asker a, again;
	struct err err;

	clock_set_wall_for_tests(now);
	CHECK(world_start(&w, NULL));
	date_format(headers + 6, now);
	struct ask ask = ask_chat(headers);
	asker_init(&a, &w, OHTTP_CHUNKED);
	(void)EXPECT(asker_run(&a, &ask) && a.inner == 200);
	clock_set_wall_for_tests(now + 10);
	endpoint_lease(w.endpoint, 0);
	endpoint_lease(w.endpoint, INT64_MAX);
	(void)EXPECT(endpoint_keys(w.endpoint, buf_slice(&w.keybox), &err) ==
		     OK);
	asker_init(&again, &w, OHTTP_CHUNKED);
	buf_put(&again.sealed, buf_slice(&a.sealed));
	asker_send(&again);
	(void)EXPECT(asker_wait(&again) && again.status == 200);
	/* What it says inside is for the first sender to open. */
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 2) && w.line.status == 400);
	(void)EXPECT(w.fake.requests == 1);
	clock_set_wall_for_tests(-1);
	asker_done(&again);
	asker_done(&a);
	world_stop(&w);
}

/* ---- limits ------------------------------------------------------------------------ */

TEST(a_body_beyond_the_limit_is_refused)
{
	auto_buf struct buf plain = buf_make(4096);
	struct ask ask = ask_chat(NULL);
	struct world w;
	struct asker a;
	struct visit v;
	const char *type = "content-type: " OHTTP_TYPE_CHUNKED_REQ;

	CHECK(world_start(&w, NULL));
	visit_init(&v, w.loop, &w.at);
	/* Announced: before a byte of it is taken. */
	visit_begin(&v, "POST", ENDPOINT_PATH, type, 8u << 20);
	(void)EXPECT(visit_wait(&v) && v.status == 413);
	(void)EXPECT(visit_says(&v, "urn:confd:error:too-large"));
	(void)EXPECT(w.fake.conns == 0);
	/* And not: by its framing, which is the most of it here. */
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_put_head(&plain, &ask);
	asker_seal(&a, buf_slice(&plain), false);
	for (unsigned i = 0; i < 80000; i++)
		asker_seal(&a, S("\1x"), false);
	asker_begin(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 413);
	(void)EXPECT(buf_has(&a.body, "urn:confd:error:too-large"));
	world_run(&w, 30);
	(void)EXPECT(w.fake.requests == 0);
	asker_done(&a);
	(void)EXPECT(ask_once(&w) == 200);
	visit_done(&v);
	world_stop(&w);
}

static void hasty(struct world *w)
{
	w->set.http.head_ms = 150;
	w->set.http.idle_ms = 150;
}

static void on_raw_data(struct buf *out, int fd)
{
	uint8_t part[4096];
	ssize_t n = recv(fd, part, sizeof(part), MSG_DONTWAIT);

	if (n > 0)
		buf_put(out, slice_make(part, (size_t)n));
}

/* Connect, say this much, and keep what is answered in 600 ms. */
static void linger(struct world *w, const char *text, struct buf *out)
{
	struct sockaddr_in sin = { .sin_family = AF_INET,
				   .sin_port = htons(w->at.port),
				   .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	auto_fd int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	buf_clear(out);
	if (!EXPECT(connect(fd, (const struct sockaddr *)&sin, sizeof(sin)) ==
		    0) ||
	    !EXPECT(send(fd, text, strlen(text), MSG_NOSIGNAL) ==
		    (ssize_t)strlen(text)))
		return;
	for (unsigned i = 0; i < 30 && out->len == 0; i++) {
		world_run(w, 20);
		on_raw_data(out, fd);
	}
}

TEST(who_is_slow_is_told_and_let_go)
{
	auto_buf struct buf got = buf_make(8192);
	struct world w;

	CHECK(world_start(&w, hasty));
	linger(&w, "POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-", &got);
	(void)EXPECT(slice_starts(buf_slice(&got), S("HTTP/1.1 408 ")));
	(void)EXPECT(buf_has(&got, "urn:confd:error:slow"));
	linger(&w,
	       "POST /confd/v2 HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n"
	       "Content-Type: message/ohttp-chunked-req\r\n\r\nabc",
	       &got);
	(void)EXPECT(slice_starts(buf_slice(&got), S("HTTP/1.1 408 ")));
	(void)EXPECT(WORLD_UNTIL(&w, endpoint_conns(w.endpoint) == 0));
	world_stop(&w);
}

TEST(a_model_that_takes_its_time_is_waited_for)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: silent");

	CHECK(world_start(&w, hasty));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	world_run(&w, 350);
	/* Neither refused as slow nor taken for gone. */
	(void)EXPECT(!a.done && w.fake.aborts == 0);
	asker_done(&a);
	world_stop(&w);
}

static void forgetful(struct world *w)
{
	w->set.max_replay = 2;
}

TEST(what_cannot_be_remembered_is_not_served)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, forgetful));
	(void)EXPECT(ask_once(&w) == 200);
	(void)EXPECT(ask_once(&w) == 200);
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 503);
	(void)EXPECT(buf_has(&a.body, "urn:confd:error:busy"));
	(void)EXPECT(slice_eq_str(slice_str(a.retry), "60"));
	(void)EXPECT(w.fake.requests == 2);
	asker_done(&a);
	world_stop(&w);
}

/* Half of a whole message, of which there may be eight at once. */
static void hold(struct world *w, struct asker *a, size_t n)
{
	asker_init(a, w, OHTTP_WHOLE);
	asker_seal(a, slice_of("x"), true);
	buf_cut(&a->sealed, OHTTP_HEADER_LEN);
	uint8_t *room = buf_room(&a->sealed, n);
	memset(room, 'x', n);
	buf_grow(&a->sealed, n);
	asker_begin(a);
}

TEST(whole_messages_share_their_memory)
{
	struct asker a[9], last;
	struct world w;
	struct ask ask = ask_chat(NULL);
	size_t refused = 0;

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(a); i++)
		hold(&w, &a[i], 500000);
	for (unsigned n = 0; n < 300 && refused == 0; n++) {
		world_run(&w, 10);
		for (size_t i = 0; i < countof(a); i++)
			refused += a[i].status == 503;
	}
	(void)EXPECT(refused == 1);
	/* The other form is served all the while. */
	(void)EXPECT(ask_once(&w) == 200);
	for (size_t i = 0; i < countof(a); i++)
		asker_done(&a[i]);
	world_run(&w, 50);
	asker_init(&last, &w, OHTTP_WHOLE);
	(void)EXPECT(asker_run(&last, &ask) && last.inner == 200);
	asker_done(&last);
	world_stop(&w);
}

/* ---- stopping ---------------------------------------------------------------------- */

static void on_done(void *ctx)
{
	bool *done = ctx;

	*done = true;
}

TEST(draining_ends_streams_and_takes_nothing_new)
{
	struct world w;
	struct asker a;
	struct visit idle, late;
	struct ask ask = ask_stream("x-fake-events: 6\nx-fake-delay: 30");
	bool done = false;

	CHECK(world_start(&w, NULL));
	visit_init(&idle, w.loop, &w.at);
	(void)visit_run(&idle, "GET", "/healthz", NULL, S(""), 200);
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)WORLD_UNTIL(&w, a.body.len > 0);
	endpoint_drain(w.endpoint, on_done, &done);
	(void)WORLD_UNTIL(&w, !http_client_reusable(idle.client));
	(void)EXPECT(!done && !a.done);
	visit_init(&late, w.loop, &w.at);
	visit_begin(&late, "GET", "/healthz", NULL, 0);
	(void)EXPECT(visit_wait(&late) && late.failed);
	(void)EXPECT(asker_wait(&a) && !a.failed);
	asker_open(&a, true);
	(void)EXPECT(a.whole);
	(void)EXPECT(WORLD_UNTIL(&w, done));
	visit_done(&late);
	visit_done(&idle);
	asker_done(&a);
	world_stop(&w);
}
