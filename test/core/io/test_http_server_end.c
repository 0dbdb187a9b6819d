#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "test/core/io/site.h"

static bool all_there(const struct peer *p)
{
	return p->r->gones == 1 && p->n > SITE_MANY;
}

/* ---- the peer leaves ------------------------------------------------------------------ */

TEST(notices_a_client_that_leaves_while_it_waits)
{
	static const char *const requests[] = {
		GET("/wait"),
		POST("/wait", "Content-Length: 3\r\n") "abc",
		POST("/wait", "Content-Length: 9\r\n") "abc",
		POST("/wait", "Transfer-Encoding: chunked\r\n") "3\r\nabc",
		POST("/pause", "Content-Length: 3\r\n") "abc",
		POST("/pause", "Content-Length: 9\r\n") "abc",
		POST("/paused", "Content-Length: 3\r\n") "abc",
		GET("/wait") GET("/hi"),
	};

	for (size_t i = 0; i < 2 * countof(requests); i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, requests[i / 2]));
		peer_run(&p, 20);
		CHECK(r.calls == 1 && r.gones == 0);
		if (i % 2 == 0)
			peer_crash(&p);
		else
			peer_shut(&p);
		CHECK(peer_run_until(&p, peer_gone, SOON));
		CHECK(r.why == E_IO && r.calls == 1 && r.gones == 1);
		CHECK(http_server_conns(r.srv) == 0);
	}
}

TEST(notices_a_client_that_leaves_in_the_middle_of_an_answer)
{
	for (unsigned i = 0; i < 2; i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, GET("/big")));
		CHECK(peer_hear(&p, "200 OK"));
		if (i == 0)
			peer_crash(&p);
		else
			peer_shut(&p);
		CHECK(peer_run_until(&p, peer_gone, SOON));
		CHECK(r.why == E_IO && r.gones == 1);
	}
}

TEST(breaks_the_connection_when_an_answer_is_aborted)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/echo", "Content-Length: 9\r\n") "abc"));
	CHECK(peer_hear(&p, "3\r\nabc\r\n"));
	http_call_abort(r.call);
	CHECK(r.gones == 0);
	http_call_abort(r.call);
	http_call_body(r.call, S("more"));
	http_call_end(r.call);
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(p.reset && peer_heard(&p, "0\r\n\r\n") == 0 &&
	      peer_heard(&p, "more") == 0);
	CHECK(r.gones == 1 && r.why == E_IO);
	CHECK(http_server_conns(r.srv) == 0);
}

/* ---- messages that two servers could read in two ways ----------------------------------- */

TEST(executes_nothing_behind_a_request_that_it_refused)
{
	static const struct {
		const char *request;
		unsigned status;
	} cases[] = {
		{ POST("/hi", "Content-Length: 4\r\n"
			      "Transfer-Encoding: chunked\r\n") "0\r\n\r\n",
		  400 },
		{ POST("/hi",
		       "Content-Length: 4\r\nContent-Length: 4\r\n") "abcd",
		  400 },
		{ POST("/hi", "Content-Length: +4\r\n") "abcd", 400 },
		{ POST("/hi", "Transfer-Encoding: xchunked\r\n") "0\r\n\r\n",
		  501 },
		{ POST("/hi",
		       "Transfer-Encoding: gzip, chunked\r\n") "0\r\n\r\n",
		  501 },
		{ POST("/hi", "Content-Length : 4\r\n") "abcd", 400 },
		{ POST("/hi", "X: a\r\n b\r\n"), 400 },
		{ "GET /hi HTTP/1.1\nHost: a\n\n", 400 },
		{ "GET /hi HTTP/1.1\r\n\r\n", 400 },
		{ "GET http://a/hi HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n", 400 },
		{ "GET /hi HTTP/2.0\r\nHost: a\r\n\r\n", 505 },
		{ POST("/hi", "Expect: a\r\n"), 417 },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		char line[40];
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		(void)snprintf(line, sizeof(line), "HTTP/1.1 %u ",
			       cases[i].status);
		CHECK(peer_say(&p, cases[i].request));
		CHECK(peer_say(&p, GET("/hidden")));
		CHECK(peer_run_until(&p, peer_ended, SOON) && !p.reset);
		CHECK(peer_heard(&p, line) == 1 &&
		      peer_heard(&p, "HTTP/1.1") == 1);
		CHECK(peer_heard(&p, "Connection: close\r\n") == 1);
		CHECK_EQ_U64(r.calls, 0);
	}
}

TEST(ends_a_call_whose_body_turns_out_bad)
{
	static const char *const bad[] = { "+3\r\nabc\r\n", "3;a=b\r\nabc\r\n",
					   "3\nabc\r\n", "3\r\nabcd\r\n" };

	for (size_t i = 0; i < 2 * countof(bad); i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		/* The second time around an answer was begun. */
		CHECK(peer_say(
			&p, i % 2 == 0
				    ? POST("/read",
					   "Transfer-Encoding: chunked\r\n")
				    : POST("/echo",
					   "Transfer-Encoding: chunked\r\n")));
		CHECK(peer_say(&p, bad[i / 2]));
		CHECK(peer_say(&p, "0\r\n\r\n" GET("/hidden")));
		CHECK(peer_run_until(&p, peer_ended, SOON));
		CHECK(p.reset == (i % 2 == 1));
		CHECK(i % 2 == 1 || peer_heard(&p, "error 400") == 1);
		CHECK(peer_heard(&p, "0\r\n\r\n") == 0);
		CHECK(r.calls == 1 && r.gones == 1 && r.why == E_PARSE);
	}
}

/* ---- time ------------------------------------------------------------------------------- */

static const struct http_limits quick = { .head_ms = 80,
					  .idle_ms = 80,
					  .keep_ms = 80 };

TEST(answers_408_to_a_head_that_does_not_come)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);
	int64_t begin = clock_mono_ms();

	/* A byte now and then gives it no more time. */
	for (unsigned i = 0; i < 100 && p.n == 0; i++) {
		CHECK(peer_say(&p, i == 0 ? "GET /hi HTTP/1.1\r\nX: " : "a"));
		peer_run(&p, 10);
	}
	CHECK(peer_hear(&p, "error 408") && clock_mono_ms() - begin < SOON);
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(r.calls == 0);
}

TEST(gives_the_next_head_no_more_time_either)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/hi") "G"));
	CHECK(peer_hear(&p, "hello"));
	CHECK(peer_hear(&p, "error 408"));
}

TEST(closes_silently_when_no_request_comes)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer fresh = far_open(&r);
	auto_peer struct peer used = far_open(&r);

	CHECK(peer_say(&used, GET("/hi")));
	CHECK(peer_hear(&used, "hello"));
	CHECK(peer_run_until(&fresh, peer_ended, SOON) && fresh.n == 0 &&
	      !fresh.reset);
	CHECK(peer_run_until(&used, peer_ended, SOON) && !used.reset);
	CHECK(peer_heard(&used, "HTTP/1.1") == 1);
}

TEST(answers_408_to_a_body_that_does_not_come)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/read", "Content-Length: 9\r\n") "abc"));
	CHECK(peer_hear(&p, "error 408"));
	CHECK(r.gones == 1 && r.why == E_IO);
}

TEST(answers_503_when_its_owner_does_not)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/wait")));
	CHECK(peer_hear(&p, "error 503"));
	CHECK(r.gones == 1 && r.why == E_IO);
}

TEST(breaks_an_answer_that_does_not_go_on)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/echo", "Content-Length: 9\r\n") "abc"));
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(p.reset && r.gones == 1 && r.why == E_IO);
}

TEST(breaks_an_answer_that_is_not_read)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);
	int64_t end = clock_mono_ms() + LONG;

	CHECK(peer_say(&p, GET("/big")));
	while (r.gones == 0 && clock_mono_ms() < end)
		loop_run_once(r.l, 5);
	CHECK(r.gones == 1 && r.why == E_IO && r.left > 0);
}

TEST(gives_a_slow_reader_the_time_that_it_needs)
{
	static uint8_t bytes[65536];
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	p.keep = false;
	CHECK(peer_say(&p, GET("/big")));
	/* Twenty sips, in more time than a peer may be idle. */
	for (unsigned i = 0; i < 20; i++) {
		for (unsigned k = 0; k < 16; k++) {
			ssize_t n =
				recv(p.fd, bytes, sizeof(bytes), MSG_DONTWAIT);
			p.n += n > 0 ? (uint64_t)n : 0;
		}
		for (unsigned k = 0; k < 5; k++)
			loop_run_once(r.l, 2);
	}
	CHECK(r.gones == 0 || r.why == OK);
	CHECK(peer_run_until(&p, all_there, LONG) && r.why == OK);
}

TEST(lets_a_paused_owner_take_its_time)
{
	auto_site struct site r;
	CHECK(site_open(&r, &quick));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/paused", "Content-Length: 3\r\n") "abc"));
	peer_run(&p, 300);
	CHECK(r.call != NULL && r.gones == 0);
	site_reply(r.call, 200, "late");
	CHECK(peer_hear(&p, "late"));
}

/* ---- draining and freeing ------------------------------------------------------------------ */

static void note_drained(void *ctx)
{
	struct site *r = ctx;

	EXPECT(!r->drained);
	r->drained = true;
}

TEST(drains_after_the_answers_that_are_under_way)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer idle = far_open(&r);
	auto_peer struct peer busy = far_open(&r);

	CHECK(peer_say(&idle, GET("/hi")));
	CHECK(peer_hear(&idle, "hello"));
	CHECK(peer_say(&busy, GET("/wait")));
	peer_run(&busy, 20);
	CHECK(r.call != NULL);
	http_server_drain(r.srv, note_drained, &r);
	CHECK(peer_run_until(&idle, peer_ended, SOON) && !idle.reset);
	CHECK(!busy.ended && !r.drained);
	site_reply(r.call, 200, "last");
	CHECK(peer_hear(&busy, "last") &&
	      peer_heard(&busy, "Connection: close") == 1);
	CHECK(peer_run_until(&busy, peer_ended, SOON) && !busy.reset);
	peer_shut(&idle);
	peer_shut(&busy);
	for (unsigned i = 0; i < 500 && !r.drained; i++)
		loop_run_once(r.l, 2);
	CHECK(r.drained && http_server_conns(r.srv) == 0);
}

TEST(tells_a_drain_without_connections_from_the_loop)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));

	http_server_drain(r.srv, note_drained, &r);
	CHECK(!r.drained);
	loop_run_once(r.l, 10);
	loop_run_once(r.l, 10);
	CHECK(r.drained);
}

TEST(tells_each_call_when_it_is_freed)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer a = far_open(&r);
	auto_peer struct peer b = far_open(&r);

	CHECK(peer_say(&a, GET("/wait")));
	CHECK(peer_say(&b, POST("/echo", "Content-Length: 9\r\n") "abc"));
	peer_run(&a, 30);
	CHECK(r.calls == 2 && r.gones == 0);
	http_server_free(take(r.srv));
	CHECK(r.gones == 2 && r.why == E_IO);
	for (unsigned i = 0; i < 10; i++)
		loop_run_once(r.l, 2);
	CHECK(r.gones == 2);
	listener_close(take(r.ls));
}

TEST(may_be_freed_by_its_own_callbacks)
{
	for (unsigned i = 0; i < 2; i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);
		auto_peer struct peer other = far_open(&r);

		r.free_in_call = i == 0;
		r.free_in_gone = i == 1;
		CHECK(peer_say(&other, "GET /hi"));
		peer_run(&other, 10);
		CHECK(peer_say(&p, GET("/hi") GET("/hi")));
		CHECK(peer_run_until(&p, peer_gone, SOON));
		CHECK(r.calls == 1 && r.gones == 1);
		CHECK(peer_run_until(&p, peer_ended, SOON));
		listener_close(take(r.ls));
	}
}
