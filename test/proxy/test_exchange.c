#include "proxy/bhttp.h"
#include "test/proxy/world.h"

/* ---- what goes well ------------------------------------------------------------- */

static void passes(enum ohttp_form form)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	if (!world_start(&w, NULL))
		return;
	asker_init(&a, &w, form);
	(void)EXPECT(asker_run(&a, &ask));
	(void)EXPECT(a.inner == 200);
	(void)EXPECT(buf_has(&a.content, "hello from the fake"));
	(void)EXPECT(buf_has(&a.head, "content-type: application/json\n"));
	(void)EXPECT(buf_has(&a.head, "x-request-id: fake-1\n"));
	(void)EXPECT(w.fake.requests == 1 && w.fake.aborts == 0);
	(void)EXPECT(slice_eq_str(slice_str(a.type),
				  form == OHTTP_CHUNKED ? OHTTP_TYPE_CHUNKED_RES
							: OHTTP_TYPE_RES));
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1));
	(void)EXPECT(w.line.status == 200 && w.line.sealed && w.line.complete);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_chunked_request_is_answered_in_chunks)
{
	passes(OHTTP_CHUNKED);
}

TEST(a_whole_request_is_answered_whole)
{
	passes(OHTTP_WHOLE);
}

TEST(the_workload_sees_the_request_and_no_more)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("authorization: Bearer sk-1\n"
				  "x-custom: kept\n"
				  "cookie: c=1\n"
				  "x-forwarded-for: 10.0.0.1\n"
				  "confd-x: 1\n"
				  "content-length: 13\n");

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask, 200);
	(void)EXPECT(buf_has(&w.fake.last, "POST /v1/chat/completions\n"));
	(void)EXPECT(buf_has(&w.fake.last, "authorization: Bearer sk-1\n"));
	(void)EXPECT(buf_has(&w.fake.last, "x-custom: kept\n"));
	(void)EXPECT(buf_has(&w.fake.last, "Content-Length: 13\n"));
	(void)EXPECT(buf_has(&w.fake.last, "Host: 127.0.0.1"));
	(void)EXPECT(!buf_has(&w.fake.last, "cookie"));
	(void)EXPECT(!buf_has(&w.fake.last, "forwarded"));
	(void)EXPECT(!buf_has(&w.fake.last, "confd"));
	(void)EXPECT(!buf_has(&w.fake.last, "chunked"));
	(void)EXPECT(
		slice_eq_str(buf_slice(&w.fake.body), "{\"model\":\"m\"}"));
	asker_done(&a);
	world_stop(&w);
}

TEST(a_body_of_unknown_length_goes_on_in_chunks)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask_chat(NULL), 200);
	(void)EXPECT(buf_has(&w.fake.last, "Transfer-Encoding: chunked\n"));
	(void)EXPECT(!buf_has(&w.fake.last, "Content-Length"));
	(void)EXPECT(w.fake.bytes == 13);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_route_without_a_body_is_asked_without_one)
{
	struct world w;
	struct asker a;
	struct ask ask = { .method = "GET",
			   .path = "/v1/models",
			   .headers = "x-fake: echo" };

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask, 200);
	(void)EXPECT(buf_has(&a.content, "GET /v1/models\n"));
	(void)EXPECT(!buf_has(&a.content, "chunked"));
	(void)EXPECT(!buf_has(&a.content, "Content-Length"));
	asker_done(&a);
	world_stop(&w);
}

TEST(only_listed_headers_of_the_answer_pass)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask_chat("x-fake: cookie"), 200);
	(void)EXPECT(buf_has(&a.head, "x-request-id: r-1\n"));
	(void)EXPECT(buf_has(&a.head, "content-length: 2\n"));
	(void)EXPECT(!buf_has(&a.head, "cookie"));
	(void)EXPECT(!buf_has(&a.head, "server"));
	(void)EXPECT(!buf_has(&a.head, "location"));
	asker_done(&a);
	world_stop(&w);
}

TEST(interim_answers_and_trailers_are_dropped)
{
	static const char *const modes[] = { "x-fake: interim",
					     "x-fake: trailers" };
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(modes); i++) {
		(void)asker_inside(&a, &w, ask_chat(modes[i]), 200);
		(void)EXPECT(slice_eq_str(buf_slice(&a.content), "{}"));
		(void)EXPECT(!buf_has(&a.head, "link"));
		(void)EXPECT(!buf_has(&a.body, "trailer"));
		asker_done(&a);
	}
	world_stop(&w);
}

TEST(errors_of_the_workload_pass_as_they_are)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask_chat("x-fake: status\nx-fake-size: 429"),
			   429);
	(void)EXPECT(slice_eq_str(buf_slice(&a.content), "{}"));
	asker_done(&a);
	world_stop(&w);
}

/* ---- refusals inside --------------------------------------------------------------- */

TEST(what_is_no_route_is_refused_inside)
{
	static const struct ask asks[] = {
		{ "GET", "/v1/chat/completions", NULL, NULL, { 0 } },
		{ "POST", "/metrics", "application/json", NULL, S_INIT("{}") },
		{ "POST", "/v1/chat/completions?x=1", "application/json", NULL,
		  S_INIT("{}") },
		{ "POST", "/v1//chat/completions", "application/json", NULL,
		  S_INIT("{}") },
		{ "POST", "/v1/%63hat/completions", "application/json", NULL,
		  S_INIT("{}") },
		{ "POST", "/v1/load_lora_adapter", "application/json", NULL,
		  S_INIT("{}") },
		{ "POST", "/confd/v2", "application/json", NULL, S_INIT("{}") },
	};
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(asks); i++) {
		(void)asker_inside(&a, &w, asks[i], 404);
		(void)EXPECT(buf_has(&a.content, "\"code\":\"not_found\""));
		asker_done(&a);
	}
	(void)EXPECT(w.fake.conns == 0);
	world_stop(&w);
}

TEST(what_a_route_does_not_take_is_refused_inside)
{
	static const struct {
		struct ask ask;
		const char *code;
	} bad[] = {
		{ { "POST", "/v1/chat/completions", "text/plain", NULL,
		    S_INIT("{}") },
		  "unsupported_media_type" },
		{ { "POST", "/v1/chat/completions", NULL, NULL, S_INIT("{}") },
		  "unsupported_media_type" },
		{ { "POST", "/v1/audio/transcriptions", "application/json",
		    NULL, S_INIT("{}") },
		  "unsupported_media_type" },
		{ { "POST", "/v1/audio/transcriptions", "multipart/form-data",
		    NULL, S_INIT("{}") },
		  "unsupported_media_type" },
		{ { "POST",
		    "/v1/chat/completions",
		    "application/json",
		    NULL,
		    { 0 } },
		  "body_missing" },
		{ { "GET", "/v1/models", NULL, NULL, S_INIT("{}") },
		  "body_not_allowed" },
		{ { "POST", "/v1/chat/completions", "application/json",
		    "x-http-method-override: DELETE", S_INIT("{}") },
		  "header_not_allowed" },
		{ { "POST", "/v1/chat/completions", "application/json",
		    "content-encoding: gzip", S_INIT("{}") },
		  "header_not_allowed" },
	};
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(bad); i++) {
		(void)asker_inside(&a, &w, bad[i].ask, 400);
		(void)EXPECT(buf_has(&a.content, bad[i].code));
		asker_done(&a);
	}
	(void)EXPECT(w.fake.conns == 0);
	world_stop(&w);
}

/* Seal bytes as they are, and look at the status inside. */
static void inside_raw(struct slice plain, unsigned status)
{
	struct world w;
	struct asker a;

	if (!world_start(&w, NULL))
		return;
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal(&a, plain, true);
	asker_send(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 200);
	asker_open(&a, true);
	(void)EXPECT(a.opened == OK && a.whole && a.inner == status);
	(void)EXPECT(w.fake.requests == 0);
	asker_done(&a);
	world_stop(&w);
}

TEST(what_is_no_binary_http_is_refused_inside)
{
	inside_raw(S("GET / HTTP/1.1\r\n\r\n"), 400);
	inside_raw(S(""), 400);
	inside_raw(S("\2\4POST\5https\0\11/v1"), 400);
}

TEST(a_message_inside_that_ends_early_never_ends_at_the_workload)
{
	auto_buf struct buf plain = buf_make(4096);
	struct ask ask = ask_chat("content-length: 100");

	asker_put_head(&plain, &ask);
	bhttp_put_content(&plain, S("{\"model\":"));
	inside_raw(buf_slice(&plain), 400);
}

TEST(more_content_than_allowed_is_refused_inside)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("content-length: 2000000");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	auto_buf struct buf plain = buf_make(4u << 20);
	asker_put_head(&plain, &ask);
	asker_seal(&a, buf_slice(&plain), false);
	asker_begin(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 200);
	asker_open(&a, true);
	(void)EXPECT(a.inner == 413 && w.fake.conns == 0);
	asker_done(&a);

	/* Not announced: seen when it is too much. */
	ask.headers = NULL;
	uint8_t *room = buf_room(&plain, 1100000);
	memset(room, 'x', 1100000);
	ask.content = slice_make(room, 1100000);
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 200);
	asker_open(&a, true);
	(void)EXPECT(a.inner == 413 && w.fake.requests == 0);
	(void)EXPECT(buf_has(&a.content, "request_too_large"));
	asker_done(&a);
	world_stop(&w);
}

/* ---- bad workloads -------------------------------------------------------------------- */

static void impatient(struct world *w)
{
	w->set.workload.connect_ms = 100;
	w->set.workload.head_ms = 100;
	w->set.workload.idle_ms = 100;
}

TEST(bad_answers_become_errors_inside)
{
	static const struct {
		const char *headers;
		unsigned status;
		const char *code;
	} bad[] = {
		{ "x-fake: garbage", 502, "upstream_invalid" },
		{ "x-fake: redirect", 502, "upstream_invalid" },
		{ "x-fake: switch", 502, "upstream_invalid" },
		{ "x-fake: close", 502, "upstream_invalid" },
		{ "x-fake: status\nx-fake-size: 304", 502, "upstream_invalid" },
		{ "x-fake: huge\nx-fake-size: 5000000", 502,
		  "upstream_too_large" },
		{ "x-fake: silent", 504, "upstream_timeout" },
	};
	struct world w;
	struct asker a;

	CHECK(world_start(&w, impatient));
	for (size_t i = 0; i < countof(bad); i++) {
		(void)asker_inside(&a, &w, ask_chat(bad[i].headers),
				   bad[i].status);
		(void)EXPECT(buf_has(&a.content, bad[i].code));
		(void)EXPECT(!buf_has(&a.head, "169.254"));
		asker_done(&a);
	}
	world_stop(&w);
}

TEST(a_workload_that_is_not_there_is_an_error_inside)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	fake_stop(&w.fake);
	(void)asker_inside(&a, &w, ask_chat(NULL), 502);
	(void)EXPECT(buf_has(&a.content, "upstream_unreachable"));
	(void)EXPECT(WORLD_UNTIL(&w, w.lines == 1) && w.line.error[0] != '\0');
	asker_done(&a);
	world_stop(&w);
}

/* ---- streams ------------------------------------------------------------------------------ */

TEST(each_event_is_a_piece_of_its_own)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	(void)asker_inside(&a, &w, ask_stream("x-fake-events: 9"), 200);
	(void)EXPECT(a.pieces == 10);
	(void)EXPECT(buf_has(&a.content, "token9 "));
	(void)EXPECT(buf_has(&a.content, "token1 "));
	(void)EXPECT(buf_has(&a.content, "data: [DONE]\n\n"));
	asker_done(&a);
	world_stop(&w);
}

TEST(an_event_leaves_at_once)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_stream("x-fake-events: 3\nx-fake-delay: 150");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	/* The first one is there before the second one is made. */
	(void)WORLD_UNTIL(&w, w.fake.sent > 200);
	uint64_t sent = w.fake.sent;
	size_t head = a.body.len;
	(void)WORLD_UNTIL(&w, a.body.len > head + 50);
	(void)EXPECT(w.fake.sent == sent && !a.done);
	(void)EXPECT(asker_wait(&a) && !a.failed);
	asker_done(&a);
	world_stop(&w);
}

/* A stream that the workload breaks off. */
static void broken(struct world *w, struct asker *a, const char *headers)
{
	struct ask ask = ask_stream(headers);

	asker_init(a, w, OHTTP_CHUNKED);
	asker_seal_ask(a, &ask);
	asker_send(a);
	(void)EXPECT(asker_wait(a) && a->failed && a->status == 200);
	asker_open(a, true);
	(void)EXPECT(a->opened == E_IO && a->inner == 200 && !a->whole);
	(void)EXPECT(WORLD_UNTIL(w, w->lines == 1) && !w->line.complete);
}

TEST(a_stream_that_dies_is_never_seen_to_end)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	broken(&w, &a, "x-fake: die");
	(void)EXPECT(buf_has(&a.content, "token4 "));
	(void)EXPECT(buf_has(&a.content, "upstream_closed"));
	(void)EXPECT(!buf_has(&a.content, "[DONE]"));
	asker_done(&a);
	world_stop(&w);
}

/* A short one waits for its end, and so was not begun for the reader. */
TEST(half_an_event_gets_no_error_event_behind_it)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	broken(&w, &a, "x-fake: cut-event");
	(void)EXPECT(buf_has(&a.content, "token4 "));
	(void)EXPECT(!buf_has(&a.content, "\"cut\""));
	(void)EXPECT(buf_has(&a.content, "upstream_closed"));
	asker_done(&a);
	w.lines = 0;
	broken(&w, &a, "x-fake: cut-long");
	(void)EXPECT(buf_has(&a.content, "\"cut\":01234567890"));
	(void)EXPECT(!buf_has(&a.content, "upstream_closed"));
	asker_done(&a);
	world_stop(&w);
}

TEST(a_body_that_dies_is_never_seen_to_end)
{
	static const char *const modes[] = { "x-fake: die", "x-fake: shrink" };
	struct world w;
	struct asker a;

	CHECK(world_start(&w, NULL));
	for (size_t i = 0; i < countof(modes); i++) {
		struct ask ask = ask_chat(modes[i]);

		asker_init(&a, &w, OHTTP_CHUNKED);
		asker_seal_ask(&a, &ask);
		asker_send(&a);
		(void)EXPECT(asker_wait(&a) && a.failed);
		asker_open(&a, false);
		(void)EXPECT(!a.whole);
		asker_done(&a);

		/* Whole: nothing has been said yet, so it can be told. */
		asker_init(&a, &w, OHTTP_WHOLE);
		(void)EXPECT(asker_run(&a, &ask) && a.inner == 502);
		asker_done(&a);
	}
	world_stop(&w);
}

TEST(a_stream_that_falls_silent_is_broken_off)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, impatient));
	broken(&w, &a, "x-fake-delay: 5000");
	(void)EXPECT(buf_has(&a.content, "upstream_timeout"));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	asker_done(&a);
	world_stop(&w);
}

/* ---- leaving ---------------------------------------------------------------------------------------- */

TEST(a_client_that_leaves_while_the_workload_is_silent_is_noticed)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: silent");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.requests == 1));
	int64_t left = clock_mono_ms();
	http_client_free(take(a.client));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	(void)EXPECT(clock_mono_ms() - left < 1000);
	(void)EXPECT(w.lines == 1 && !w.line.complete);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_client_that_leaves_in_a_stream_is_noticed)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_stream("x-fake-delay: 20\nx-fake-events: 1000");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(WORLD_UNTIL(&w, a.body.len > 1000));
	int64_t left = clock_mono_ms();
	http_client_free(take(a.client));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	(void)EXPECT(clock_mono_ms() - left < 1000);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_client_that_leaves_in_its_request_is_noticed)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);
	auto_buf struct buf plain = buf_make(4096);

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_put_head(&plain, &ask);
	bhttp_put_content(&plain, S("{\"model\":"));
	asker_seal(&a, buf_slice(&plain), false);
	asker_begin(&a);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.heads == 1));
	http_client_free(take(a.client));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	(void)EXPECT(w.fake.requests == 0);
	asker_done(&a);
	world_stop(&w);
}

/* ---- back-pressure ------------------------------------------------------------------------------------ */

/* What sockets of the loopback may hold besides ours. */
#define SLACK (24u << 20)

TEST(a_client_that_does_not_read_stops_the_workload)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: huge\nx-fake-size: 60000000");

	CHECK(world_start(&w, world_large));
	asker_init(&a, &w, OHTTP_CHUNKED);
	a.body_max = 1;
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(WORLD_UNTIL(&w, a.body.len > 0));
	(void)EXPECT(world_stalled(&w) < SLACK);
	/* It waits, and goes on when there is room again. */
	(void)EXPECT(w.fake.aborts == 0 && w.lines == 0);
	a.body_max = a.body.len + (6u << 20);
	http_client_resume(a.client);
	(void)EXPECT(WORLD_UNTIL(&w, a.body.len >= a.body_max));
	asker_done(&a);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	world_stop(&w);
}

TEST(a_workload_that_does_not_read_stops_the_client)
{
	static uint8_t zeros[16384];
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: deaf");
	auto_buf struct buf plain = buf_make(4096);
	uint64_t sent = 0;

	CHECK(world_start(&w, world_large));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_put_head(&plain, &ask);
	asker_seal(&a, buf_slice(&plain), false);
	asker_begin(&a);
	for (unsigned idle = 0; idle < 20 && sent < 2 * SLACK;) {
		loop_run_once(w.loop, 5);
		idle = http_client_full(a.client) ? idle + 1 : 0;
		while (!http_client_full(a.client)) {
			buf_clear(&plain);
			bhttp_put_content(&plain, slice_of(zeros));
			asker_seal(&a, buf_slice(&plain), false);
			http_client_body(a.client, buf_slice(&a.sealed));
			sent += a.sealed.len;
			buf_clear(&a.sealed);
		}
	}
	(void)EXPECT(sent < SLACK && w.fake.heads == 1);
	asker_done(&a);
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	world_stop(&w);
}

TEST(a_large_answer_comes_through)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, world_large));
	(void)asker_inside(&a, &w,
			   ask_chat("x-fake: huge\nx-fake-size: 6000000"), 200);
	(void)EXPECT(a.content.len == 6000000);
	(void)EXPECT(buf_has(&a.head, "content-length: 6000000\n"));
	asker_done(&a);
	world_stop(&w);
}

TEST(a_large_request_comes_through)
{
	auto_buf struct buf body = buf_make(8u << 20);
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, world_large));
	uint8_t *room = buf_room(&body, 5000000);
	memset(room, 'x', 5000000);
	ask.content = slice_make(room, 5000000);
	(void)asker_inside(&a, &w, ask, 200);
	(void)EXPECT(w.fake.bytes == 5000000);
	asker_done(&a);
	world_stop(&w);
}

TEST(a_whole_request_is_fed_as_fast_as_it_is_taken)
{
	auto_buf struct buf body = buf_make(8u << 20);
	struct world w;
	struct asker a;
	struct ask ask = ask_chat(NULL);

	CHECK(world_start(&w, NULL));
	uint8_t *room = buf_room(&body, 500000);
	memset(room, 'x', 500000);
	ask.content = slice_make(room, 500000);
	asker_init(&a, &w, OHTTP_WHOLE);
	(void)EXPECT(asker_run(&a, &ask) && a.inner == 200);
	(void)EXPECT(w.fake.bytes == 500000);
	asker_done(&a);

	/* Larger than that form may be. */
	ask.content = slice_make(room, 500000);
	asker_init(&a, &w, OHTTP_WHOLE);
	ask.headers = "x-fake: huge\nx-fake-size: 600000";
	(void)EXPECT(asker_run(&a, &ask) && a.inner == 502);
	(void)EXPECT(buf_has(&a.content, "upstream_too_large"));
	asker_done(&a);
	room = buf_room(&body, 600000);
	asker_init(&a, &w, OHTTP_WHOLE);
	ask.content = slice_make(room, 600000);
	asker_seal_ask(&a, &ask);
	asker_send(&a);
	(void)EXPECT(asker_wait(&a) && a.status == 413);
	asker_done(&a);
	world_stop(&w);
}

TEST(an_early_refusal_of_the_workload_passes)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_chat("x-fake: early");
	auto_buf struct buf plain = buf_make(4096);

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_CHUNKED);
	asker_put_head(&plain, &ask);
	bhttp_put_content(&plain, S("{\"model\":"));
	asker_seal(&a, buf_slice(&plain), false);
	asker_begin(&a);
	(void)EXPECT(asker_wait(&a) && !a.failed);
	asker_open(&a, true);
	(void)EXPECT(a.inner == 413 && a.whole);
	asker_done(&a);
	world_stop(&w);
}

/* ---- what is told of failures ------------------------------------------------ */

TEST(only_what_was_not_begun_may_be_tried_again)
{
	struct world w;
	struct asker a;

	CHECK(world_start(&w, impatient));
	(void)asker_inside(&a, &w, ask_chat("x-fake: garbage"), 502);
	(void)EXPECT(buf_has(&a.head, "x-should-retry: false\n"));
	asker_done(&a);
	(void)asker_inside(&a, &w, ask_chat("date: yesterday"), 400);
	(void)EXPECT(!buf_has(&a.head, "x-should-retry"));
	asker_done(&a);
	fake_stop(&w.fake);
	(void)asker_inside(&a, &w, ask_chat(NULL), 502);
	(void)EXPECT(!buf_has(&a.head, "x-should-retry"));
	asker_done(&a);
	world_stop(&w);
}

TEST(a_whole_answer_without_an_end_is_given_up_when_it_is_too_large)
{
	struct world w;
	struct asker a;
	struct ask ask = ask_stream("x-fake-events: 100000");

	CHECK(world_start(&w, NULL));
	asker_init(&a, &w, OHTTP_WHOLE);
	(void)EXPECT(asker_run(&a, &ask) && a.inner == 502);
	(void)EXPECT(buf_has(&a.content, "upstream_too_large"));
	(void)EXPECT(WORLD_UNTIL(&w, w.fake.aborts == 1));
	asker_done(&a);
	world_stop(&w);
}
