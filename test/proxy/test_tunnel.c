#include "proxy/tunnel.h"

#include "test/proxy/way.h"

/* ---- what goes well ------------------------------------------------------------- */

TEST(a_chat_goes_the_whole_way_and_back)
{
	struct way w;

	CHECK(way_start(&w));
	(void)way_chat(&w,
		       "authorization: Bearer sk-1\nx-custom: kept\n"
		       "connection: close\n",
		       VISIT_PLAIN, 200);
	(void)EXPECT(visit_says(&w.v, "hello from the fake"));
	(void)EXPECT(visit_head_says(&w.v, "content-type: application/json\n"));
	(void)EXPECT(visit_head_says(&w.v, "x-request-id: fake-1\n"));
	(void)EXPECT(!visit_head_says(&w.v, "confd"));
	(void)EXPECT(buf_has(&w.far.fake.last, "authorization: Bearer sk-1\n"));
	(void)EXPECT(buf_has(&w.far.fake.last, "x-custom: kept\n"));
	(void)EXPECT(buf_has(&w.far.fake.last, "Content-Length: 13\n"));
	(void)EXPECT(!buf_has(&w.far.fake.last, "date"));
	(void)EXPECT(!buf_has(&w.far.fake.last, "close"));
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1));
	(void)EXPECT(w.line.sealed && w.line.complete && !w.line.again &&
		     w.line.status == 200);
	way_stop(&w);
}

TEST(a_connection_serves_one_request_after_the_other)
{
	struct way w;

	CHECK(way_start(&w));
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	(void)visit_run(&w.v, "GET", "/metrics", NULL, S(""), 404);
	(void)visit_run(&w.v, "GET", "/v1/models", NULL, S(""), 200);
	(void)way_chat(&w, "x-fake: status\nx-fake-size: 400\n", VISIT_PLAIN,
		       400);
	(void)EXPECT(slice_eq_str(buf_slice(&w.v.body), "{}"));
	(void)EXPECT(!visit_head_says(&w.v, "confd"));
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	(void)EXPECT(http_client_reusable(w.v.client));
	way_stop(&w);
}

TEST(each_event_arrives_at_once)
{
	struct way w;

	CHECK(way_start(&w));
	way_chat_begin(&w, "x-fake-events: 3\nx-fake-delay: 150\n",
		       VISIT_STREAM);
	(void)WORLD_UNTIL(&w, w.v.status == 200);
	for (unsigned i = 1; i <= 3; i++) {
		uint64_t before = w.far.fake.sent;

		(void)WORLD_UNTIL(&w, w.far.fake.sent > before);
		uint64_t sent = w.far.fake.sent;
		(void)EXPECT(WORLD_UNTIL(&w, w.v.parts >= i));
		(void)EXPECT(w.far.fake.sent == sent);
	}
	(void)EXPECT(!w.v.done);
	(void)EXPECT(visit_wait(&w.v) && !w.v.failed);
	(void)EXPECT(visit_says(&w.v, "data: [DONE]\n\n"));
	way_stop(&w);
}

TEST(what_is_no_route_does_not_leave_the_machine)
{
	static const char *const paths[] = {
		"/metrics",
		"/",
		"/v1/chat/completions?x=1",
		"/v1/chat/completions/",
		"/v1/%63hat/completions",
		"/confd/v2",
	};
	struct way w;

	CHECK(way_start(&w));
	for (size_t i = 0; i < countof(paths); i++) {
		(void)visit_run(&w.v, "POST", paths[i], VISIT_JSON, VISIT_PLAIN,
				404);
		(void)EXPECT(visit_says(&w.v, "\"code\":\"not_found\""));
	}
	(void)visit_run(&w.v, "GET", "/healthz", NULL, S(""), 200);
	(void)visit_run(&w.v, "GET", "/readyz", NULL, S(""), 200);
	world_run(&w.far, 20);
	(void)EXPECT(endpoint_conns(w.far.endpoint) == 0);
	way_stop(&w);
}

TEST(pages_of_other_machines_are_not_served)
{
	static const struct {
		const char *origin;
		unsigned status;
	} asks[] = {
		{ "origin: https://evil.example\n", 403 },
		{ "origin: http://localhost.evil.example\n", 403 },
		{ "origin: http://127.0.0.1.evil.example\n", 403 },
		{ "origin: null\n", 403 },
		{ "origin: file://\n", 403 },
		{ "origin: http://localhost:3000\n", 200 },
		{ "origin: https://LOCALHOST\n", 200 },
		{ "origin: http://127.0.0.1:8080\n", 200 },
		{ "origin: http://[::1]:8080\n", 200 },
	};
	struct way w;

	CHECK(way_start(&w));
	for (size_t i = 0; i < countof(asks); i++)
		(void)way_chat(&w, asks[i].origin, VISIT_PLAIN, asks[i].status);
	(void)EXPECT(w.far.fake.requests == 4);
	way_stop(&w);
}

/* ---- leaving and dying ---------------------------------------------------------- */

static void leaves(const char *headers, struct slice body, size_t after)
{
	struct way w;

	if (!way_start(&w))
		return;
	way_chat_begin(&w, headers, body);
	(void)WORLD_UNTIL(&w,
			  w.far.fake.requests == 1 && w.v.body.len >= after);
	int64_t left = clock_mono_ms();
	visit_leave(&w.v);
	(void)EXPECT(WORLD_UNTIL(&w, w.far.fake.aborts == 1));
	(void)EXPECT(clock_mono_ms() - left < 1000);
	(void)EXPECT(w.lines == 1 && !w.line.complete);
	(void)EXPECT(way_chat(&w, NULL, VISIT_PLAIN, 200));
	way_stop(&w);
}

TEST(a_program_that_leaves_stops_the_model)
{
	leaves("x-fake: silent\n", VISIT_PLAIN, 0);
	leaves("x-fake-delay: 20\nx-fake-events: 1000\n", VISIT_STREAM, 500);
}

/* An answer that breaks off never ends cleanly. */
static void dies(const char *headers, struct slice body)
{
	struct way w;

	if (!way_start(&w))
		return;
	way_chat_begin(&w, headers, body);
	(void)EXPECT(visit_wait(&w.v) && w.v.failed && w.v.status == 200);
	(void)EXPECT(!visit_says(&w.v, "[DONE]"));
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1) && !w.line.complete);
	way_stop(&w);
}

TEST(a_model_that_dies_is_an_error_at_the_program)
{
	dies("x-fake: die\n", VISIT_STREAM);
	dies("x-fake: die\n", VISIT_PLAIN);
	dies("x-fake: cut-event\n", VISIT_STREAM);
	dies("x-fake: shrink\n", VISIT_PLAIN);
}

TEST(an_error_event_tells_a_stream_before_it_breaks)
{
	struct way w;

	CHECK(way_start(&w));
	way_chat_begin(&w, "x-fake: die\n", VISIT_STREAM);
	(void)EXPECT(visit_wait(&w.v) && w.v.failed);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"upstream_closed\""));
	way_stop(&w);
}

TEST(an_error_of_the_proxy_comes_under_seal)
{
	struct way w;

	CHECK(way_start(&w));
	listener_close(take(w.far.fake.listener));
	(void)way_chat(&w, NULL, VISIT_PLAIN, 502);
	(void)EXPECT(visit_says(&w.v, "upstream_unreachable"));
	(void)EXPECT(!visit_head_says(&w.v, "confd-authenticated"));
	(void)EXPECT(!visit_head_says(&w.v, "x-should-retry"));
	way_stop(&w);
}

/* ---- back-pressure ----------------------------------------------------------------- */

#define SLACK (32u << 20) /* what sockets of the loopback may hold */

TEST(a_program_that_does_not_read_stops_the_model)
{
	struct way w;

	CHECK(way_start(&w));
	w.v.body_max = 1;
	way_chat_begin(&w, "x-fake: huge\nx-fake-size: 200000000\n",
		       VISIT_PLAIN);
	(void)WORLD_UNTIL(&w, w.v.body.len > 0);
	(void)EXPECT(world_stalled(&w.far) < SLACK && !w.v.done);
	/* It waits, and goes on when there is room again. */
	(void)EXPECT(w.far.fake.aborts == 0 && w.lines == 0);
	w.v.body_max = w.v.body.len + (6u << 20);
	http_client_resume(w.v.client);
	(void)EXPECT(WORLD_UNTIL(&w, w.v.body.len >= w.v.body_max));
	visit_leave(&w.v);
	(void)EXPECT(WORLD_UNTIL(&w, w.far.fake.aborts == 1));
	way_stop(&w);
}

TEST(large_requests_and_answers_come_through)
{
	auto_buf struct buf body = buf_make(8u << 20);
	struct way w;

	CHECK(way_start(&w));
	uint8_t *room = buf_room(&body, 5000000);
	memset(room, 'x', 5000000);
	buf_grow(&body, 5000000);
	(void)way_chat(&w, "x-fake: huge\nx-fake-size: 9000000\n",
		       buf_slice(&body), 200);
	(void)EXPECT(w.far.fake.bytes == 5000000);
	(void)EXPECT(w.v.body.len == 9000000);
	(void)EXPECT(visit_head_says(&w.v, "content-length: 9000000\n"));
	way_stop(&w);
}

TEST(a_request_may_trickle)
{
	struct way w;

	CHECK(way_start(&w));
	visit_begin(&w.v, "POST", VISIT_CHAT, VISIT_JSON, UINT64_MAX);
	for (size_t i = 0; i < VISIT_PLAIN.len; i++) {
		http_client_body(w.v.client, slice_sub(VISIT_PLAIN, i, 1));
		world_run(&w.far, 6);
	}
	http_client_body_end(w.v.client);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 200);
	(void)EXPECT(slice_eq(buf_slice(&w.far.fake.body), VISIT_PLAIN));
	way_stop(&w);
}

/* ---- endpoints that lie --------------------------------------------------------------- */

TEST(what_is_not_sealed_is_not_passed_on)
{
	static const struct {
		const char *mode;
		unsigned size, status;
		const char *code;
	} bad[] = {
		{ "chat", 0, 502, "answer_not_encrypted" },
		{ "huge", 9000000, 502, "answer_not_encrypted" },
		{ "status", 202, 502, "answer_not_encrypted" },
		{ "redirect", 0, 502, "answer_not_encrypted" },
		{ "cookie", 0, 502, "answer_not_encrypted" },
		{ "sealed", 0, 502, "answer_altered" },
		{ "garbage", 0, 502, "endpoint_invalid" },
		{ "switch", 0, 502, "endpoint_invalid" },
		{ "many-interim", 0, 502, "endpoint_invalid" },
		{ "long-head", 100000, 502, "endpoint_invalid" },
		{ "silent", 0, 504, "endpoint_timeout" },
	};
	struct way w;

	CHECK(way_start_liar(&w));
	for (size_t i = 0; i < countof(bad); i++) {
		w.far.fake.mode = bad[i].mode;
		w.far.fake.size = bad[i].size;
		if (!way_chat(&w, NULL, VISIT_PLAIN, bad[i].status) ||
		    !EXPECT(visit_says(&w.v, bad[i].code)))
			printf("mode %s\n", bad[i].mode);
		/* It may have been accepted: no library tries again. */
		(void)EXPECT(visit_head_says(&w.v, "x-should-retry: false\n"));
		(void)EXPECT(!visit_says(&w.v, "hello"));
		(void)EXPECT(!visit_head_says(&w.v, "cookie"));
		(void)EXPECT(!w.line.sealed && !w.line.again);
	}
	(void)EXPECT(w.wanted == 0);
	(void)EXPECT(w.far.fake.heads == countof(bad));
	way_stop(&w);
}

TEST(an_error_in_clear_is_marked_and_its_text_left_out)
{
	static const unsigned statuses[] = { 400, 401, 403, 404, 429,
					     500, 502, 503, 599 };
	struct way w;

	CHECK(way_start_liar(&w));
	w.far.fake.mode = "status";
	for (size_t i = 0; i < countof(statuses); i++) {
		w.far.fake.size = statuses[i];
		(void)way_chat(&w, NULL, VISIT_PLAIN, statuses[i]);
		(void)EXPECT(
			visit_head_says(&w.v, "confd-authenticated: no\n"));
		(void)EXPECT(visit_says(&w.v, "\"code\":\"endpoint_error\""));
	}
	way_stop(&w);
}

TEST(refusals_of_the_proxy_are_told_and_marked)
{
	struct way w;

	CHECK(way_start(&w));
	endpoint_lease(w.far.endpoint, 0);
	(void)way_chat(&w, NULL, VISIT_PLAIN, 503);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"endpoint_not_ready\""));
	(void)EXPECT(visit_head_says(&w.v, "confd-authenticated: no\n"));
	(void)EXPECT(visit_head_says(&w.v, "retry-after: 5\n"));
	way_stop(&w);
}

TEST(nobody_there_is_an_error)
{
	struct way w;

	CHECK(way_start(&w));
	listener_close(take(w.far.listener));
	(void)way_chat(&w, NULL, VISIT_PLAIN, 502);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"endpoint_unreachable\""));
	(void)EXPECT(!visit_head_says(&w.v, "x-should-retry"));
	way_stop(&w);
}

/* ---- keys --------------------------------------------------------------------------------- */

TEST(without_keys_nothing_is_sent)
{
	struct way w;

	CHECK(way_start(&w));
	tunnel_forget(w.tunnel);
	(void)way_chat(&w, NULL, VISIT_PLAIN, 503);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"keys_missing\""));
	(void)EXPECT(visit_head_says(&w.v, "retry-after: 5\n"));
	(void)visit_run(&w.v, "GET", "/readyz", NULL, S(""), 503);
	(void)visit_run(&w.v, "GET", "/healthz", NULL, S(""), 200);
	(void)EXPECT(w.far.fake.conns == 0);
	(void)EXPECT(way_keys(&w, &w.far.config) == OK);
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	way_stop(&w);
}

TEST(keys_that_cannot_be_used_change_nothing)
{
	struct ohttp_config low = { .id = 1 };
	struct way w;
	struct err err;

	CHECK(way_start(&w));
	(void)EXPECT(tunnel_keys(w.tunnel, S(""), &err) != OK);
	(void)EXPECT(tunnel_keys(w.tunnel, S("junk"), &err) == E_PARSE);
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	/* A point that makes every secret known. */
	(void)EXPECT(way_keys(&w, &low) == OK);
	(void)way_chat(&w, NULL, VISIT_PLAIN, 500);
	(void)EXPECT(w.far.fake.requests == 1);
	way_stop(&w);
}

/* The proxy gets other keys than the tunnel has. */
static void change_keys(struct way *w, struct ohttp_config *config)
{
	auto_buf struct buf next = buf_make(4096);
	struct err err;

	world_put_keys(&next, 2, WORLD_KEY_ID + 1, 2, config);
	(void)EXPECT(endpoint_keys(w->far.endpoint, buf_slice(&next), &err) ==
		     OK);
}

TEST(an_unknown_key_is_asked_for_and_the_request_sent_again_once)
{
	struct ohttp_config config;
	struct way w;

	CHECK(way_start(&w));
	change_keys(&w, &config);
	way_chat_begin(&w, "", VISIT_PLAIN);
	(void)EXPECT(WORLD_UNTIL(&w, w.wanted == 1) && !w.v.done);
	(void)EXPECT(w.far.fake.conns == 0);
	(void)EXPECT(way_keys(&w, &config) == OK);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 200);
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1) && w.line.again);
	(void)EXPECT(w.far.fake.requests == 1);
	(void)EXPECT(slice_eq(buf_slice(&w.far.fake.body), VISIT_PLAIN));
	/* From now on it is known. */
	(void)way_chat(&w, NULL, VISIT_PLAIN, 200);
	(void)EXPECT(w.wanted == 1);
	way_stop(&w);
}

TEST(many_that_wait_for_keys_ask_once)
{
	struct ohttp_config config;
	struct visit more[5];
	struct way w;

	CHECK(way_start(&w));
	change_keys(&w, &config);
	for (size_t i = 0; i < countof(more); i++) {
		visit_init(&more[i], w.loop, &w.v.to);
		visit_begin(&more[i], "POST", VISIT_CHAT, VISIT_JSON,
			    VISIT_PLAIN.len);
		http_client_body(more[i].client, VISIT_PLAIN);
		http_client_body_end(more[i].client);
	}
	world_run(&w.far, 100);
	(void)EXPECT(w.wanted == 1);
	/* One of them leaves meanwhile. */
	visit_leave(&more[2]);
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1));
	(void)EXPECT(way_keys(&w, &config) == OK);
	for (size_t i = 0; i < countof(more); i++) {
		if (i != 2)
			(void)EXPECT(visit_wait(&more[i]) &&
				     more[i].status == 200);
		visit_done(&more[i]);
	}
	(void)EXPECT(w.far.fake.requests == countof(more) - 1);
	way_stop(&w);
}

TEST(without_other_keys_nothing_is_sent_again)
{
	struct ohttp_config config;
	struct way w;

	CHECK(way_start(&w));
	change_keys(&w, &config);
	way_chat_begin(&w, "", VISIT_PLAIN);
	(void)WORLD_UNTIL(&w, w.wanted == 1);
	/* The same ones: whoever said that may have lied. */
	(void)EXPECT(way_keys(&w, &w.far.config) == OK);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 503);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"keys_changed\""));
	(void)EXPECT(!w.line.again);
	way_chat_begin(&w, "", VISIT_PLAIN);
	(void)WORLD_UNTIL(&w, w.wanted == 2);
	tunnel_no_keys(w.tunnel);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 503);
	(void)EXPECT(w.far.fake.conns == 0);
	way_stop(&w);
}

TEST(a_relay_that_denies_every_key_gets_two_tries_at_most)
{
	struct ohttp_config config = { .id = 99 };
	struct way w;

	CHECK(way_start_liar(&w));
	w.far.fake.mode = "unknown-key";
	memcpy(config.pub, w.far.config.pub, sizeof(config.pub));
	way_chat_begin(&w, "", VISIT_PLAIN);
	(void)WORLD_UNTIL(&w, w.wanted == 1);
	(void)EXPECT(way_keys(&w, &config) == OK);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 503);
	(void)EXPECT(w.far.fake.heads == 2);
	way_stop(&w);
}

TEST(a_request_too_large_to_be_kept_is_not_sent_again)
{
	auto_buf struct buf body = buf_make(8u << 20);
	struct way w;

	CHECK(way_start_liar(&w));
	w.far.fake.mode = "unknown-key";
	uint8_t *room = buf_room(&body, 3000000);
	memset(room, 'x', 3000000);
	buf_grow(&body, 3000000);
	(void)way_chat(&w, NULL, buf_slice(&body), 503);
	(void)EXPECT(visit_says(&w.v, "\"code\":\"keys_changed\""));
	(void)EXPECT(w.far.fake.heads == 1 && w.wanted == 1);
	way_stop(&w);
}

TEST(a_clock_that_is_off_is_taken_into_account)
{
	int64_t now = clock_wall();
	struct way w;

	clock_set_wall_for_tests(now);
	CHECK(way_start(&w));
	/* The request is begun now, and sealed half an hour later. */
	visit_begin(&w.v, "POST", VISIT_CHAT, VISIT_JSON, UINT64_MAX);
	world_run(&w.far, 50);
	clock_set_wall_for_tests(now + 1800);
	http_client_body(w.v.client, VISIT_PLAIN);
	http_client_body_end(w.v.client);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 200);
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1) && w.line.again);
	(void)EXPECT(w.far.fake.requests == 1 && w.wanted == 0);
	(void)EXPECT(w.far.lines == 2);
	clock_set_wall_for_tests(-1);
	way_stop(&w);
}

/* ---- bad programs, and the end ------------------------------------------------------------ */

TEST(errors_of_the_server_have_the_shape_of_the_api)
{
	struct way w;

	CHECK(way_start(&w));
	visit_begin(&w.v, "POST", VISIT_CHAT, VISIT_JSON, 200u << 20);
	(void)EXPECT(visit_wait(&w.v) && w.v.status == 413);
	(void)EXPECT(visit_says(&w.v, "{\"error\":{\"message\":\""));
	(void)EXPECT(visit_says(&w.v, "\"code\":\"bad_request\""));
	way_stop(&w);
}

static void on_done(void *ctx)
{
	bool *done = ctx;

	*done = true;
}

TEST(draining_lets_streams_end)
{
	struct way w;
	bool done = false;

	CHECK(way_start(&w));
	way_chat_begin(&w, "x-fake-events: 5\nx-fake-delay: 30\n",
		       VISIT_STREAM);
	(void)WORLD_UNTIL(&w, w.v.parts > 0);
	tunnel_drain(w.tunnel, on_done, &done);
	(void)EXPECT(visit_wait(&w.v) && !w.v.failed);
	(void)EXPECT(visit_says(&w.v, "[DONE]"));
	(void)EXPECT(WORLD_UNTIL(&w, done));
	way_stop(&w);
}
