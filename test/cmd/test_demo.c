/* The demo's one chat, against servers that answer well and badly.  The demo
 * as a whole: test/e2e/test_demo.py. */
#include "cmd/demo_ask.h"

#include "core/cleanup.h"
#include "core/io/conn.h"
#include "core/io/http_server.h"
#include "test/test.h"

#define MODELS "{\"data\":[{\"id\":\"m/1\"},{\"id\":\"m/2\"}]}"

/* A server that says the same to everybody. */
struct bench {
	struct loop *loop;
	struct http_server *server;
	struct listener *listener;
	char address[ADDR_TEXT_SIZE];

	unsigned status;
	const char *models, *chat;
	bool silent; /* to a chat */
	bool halt;
	struct buf asked; /* bodies */
};

static void on_chat(void *ctx, struct http_call *call, struct slice body)
{
	struct bench *b = ctx;

	buf_put(&b->asked, body);
	http_call_reply(call, b->status, "application/json", slice_str(b->chat),
			NULL, 0);
}

static void on_gone(void *ctx, const struct err *why)
{
	(void)ctx;
	(void)why;
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	static const struct http_call_events events = { .gone = on_gone };
	struct bench *b = ctx;

	if (slice_eq_str(head->target, "/v1/models"))
		http_call_reply(call, b->status, "application/json",
				slice_str(b->models), NULL, 0);
	else if (b->silent) {
		http_call_own(call, &events, b);
		b->halt = true;
	} else
		http_call_collect(call, 1u << 16, on_chat, b);
}

static void bench_open(struct bench *b)
{
	static const struct http_server_events events = { .on_call = on_call };
	const struct listener_settings set = { 0 };
	struct addr at = { .host = "127.0.0.1" };
	struct err err;
	int fd;

	*b = (struct bench){ .status = 200,
			     .models = MODELS,
			     .chat = "{}",
			     .asked = buf_make(1u << 16) };
	EXPECT(loop_new(&b->loop, &err) == OK);
	EXPECT(http_server_new(b->loop, NULL, &events, b, &b->server, &err) ==
	       OK);
	EXPECT(listener_bind(&at, &set, &fd, &err) == OK);
	EXPECT(listener_bound(fd, &at, &err) == OK);
	EXPECT(listener_adopt(b->loop, fd, NULL, &set, http_server_accept,
			      b->server, &b->listener, &err) == OK);
	addr_text(&at, b->address);
}

static void bench_close(struct bench *b)
{
	listener_close(b->listener);
	http_server_free(b->server);
	loop_free(b->loop);
	buf_done(&b->asked);
}
#define auto_bench __attribute__((cleanup(bench_close)))

static enum status ask(struct bench *b, struct err *err)
{
	return demo_ask(b->loop, b->address, "say \"x\"", &b->halt, err);
}

TEST(the_first_model_is_asked)
{
	auto_bench struct bench b;
	auto_buf struct buf name = buf_make(64);
	struct err err;

	bench_open(&b);
	b.chat = "{\"choices\":[{\"message\":{\"content\":\"answer\"}}]}";
	CHECK(ask(&b, &err) == OK);
	CHECK(slice_eq_str(
		buf_slice(&b.asked),
		"{\"model\":\"m/1\",\"messages\":[{\"role\":\"user\","
		"\"content\":\"say \\\"x\\\"\"}]}"));
	CHECK(demo_ask_model(b.loop, b.address, &b.halt, &name, &err) == OK);
	CHECK(slice_eq_str(buf_slice(&name), "m/1"));
}

TEST(answers_that_are_none_are_errors)
{
	static const char *const bad[] = {
		"",
		"{}",
		"[]",
		"{\"choices\":[]}",
		"{\"choices\":[1]}",
		"{\"choices\":[{}]}",
		"{\"choices\":[{\"message\":{}}]}",
		"{\"choices\":[{\"message\":{\"content\":null}}]}",
	};
	auto_bench struct bench b;
	struct err err;

	bench_open(&b);
	for (size_t i = 0; i < countof(bad); i++) {
		b.chat = bad[i];
		CHECK(ask(&b, &err) != OK);
		CHECK(err.text[0] != '\0');
	}
	b.models = "{\"data\":[]}";
	CHECK(ask(&b, &err) == E_NOTFOUND);
}

TEST(a_name_that_is_too_long_is_refused)
{
	auto_bench struct bench b;
	auto_buf struct buf name = buf_make(2);
	struct err err;

	bench_open(&b);
	CHECK(demo_ask_model(b.loop, b.address, &b.halt, &name, &err) ==
	      E_LIMIT);
}

TEST(a_refusal_is_told_with_its_message)
{
	auto_bench struct bench b;
	struct err err;

	bench_open(&b);
	b.status = 502;
	b.models = "{\"error\":{\"message\":\"not there\"}}";
	CHECK(ask(&b, &err) == E_UNAVAIL);
	CHECK_STR_EQ(err.text, "/v1/models: status 502: not there");
	b.models = "no JSON";
	CHECK(ask(&b, &err) == E_UNAVAIL);
	CHECK_STR_EQ(err.text, "/v1/models: status 502");
}

TEST(nobody_there_is_an_error)
{
	auto_bench struct bench b;
	struct err err;

	bench_open(&b);
	CHECK(demo_ask(b.loop, "127.0.0.1:1", "x", &b.halt, &err) != OK);
}

TEST(it_stops_waiting_when_it_is_halted)
{
	auto_bench struct bench b;
	struct err err;

	bench_open(&b);
	b.silent = true;
	CHECK(ask(&b, &err) == E_AGAIN);
	CHECK_STR_EQ(err.text, "interrupted");
}
