#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "test/core/io/site.h"

/* ---- requests and answers ------------------------------------------------------ */

TEST(answers_several_requests_on_one_connection)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	for (unsigned i = 1; i <= 3; i++) {
		CHECK(peer_say(&p, GET("/hi")));
		CHECK(peer_hear_times(&p, "\r\n\r\nhello", i));
	}
	CHECK_EQ_U64(peer_heard(&p, "HTTP/1.1 200 OK\r\n"), 3);
	CHECK_EQ_U64(peer_heard(&p, "Content-Length: 5\r\n"), 3);
	CHECK_EQ_U64(peer_heard(&p, "Connection:"), 0);
	CHECK_EQ_U64(http_server_conns(r.srv), 1);
	CHECK(r.gones == 3 && r.why == OK);
}

TEST(writes_the_date)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	clock_set_wall_for_tests(784111777);
	CHECK(peer_say(&p, GET("/hi")));
	bool came = peer_hear(&p, "Date: Sun, 06 Nov 1994 08:49:37 GMT\r\n");
	clock_set_wall_for_tests(1709164800);
	CHECK(peer_say(&p, GET("/hi")));
	bool later = peer_hear(&p, "Date: Thu, 29 Feb 2024 00:00:00 GMT\r\n");
	clock_set_wall_for_tests(-1);
	CHECK(came && later);
}

TEST(answers_pipelined_requests_in_order)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p,
		       POST("/echo", "Content-Length: 3\r\n") "abc" GET("/hi")
			       POST("/count", "Content-Length: 4\r\n") "wxyz"));
	CHECK(peer_hear(&p, "4 bytes"));
	struct slice s = buf_slice(&p.in);
	CHECK(slice_search(s, S("3\r\nabc\r\n0\r\n\r\nHTTP/1.1 200")) < s.len);
	CHECK(slice_search(s, S("hello")) < slice_search(s, S("4 bytes")));
	CHECK_EQ_U64(r.calls, 3);
}

TEST(reads_requests_however_they_are_cut)
{
	static const char text[] =
		GET("/hi") POST("/count", "Content-Length: 3\r\n") "abc" POST(
			"/echo",
			"Transfer-Encoding: chunked\r\n") "2\r\nde\r\n1\r\nf\r\n0\r\n\r\n";

	for (size_t step = 1; step < sizeof(text) - 1; step += step / 8 + 1) {
		struct slice left = slice_str(text);
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		while (left.len > 0) {
			CHECK(peer_send(&p, slice_sub(left, 0, step)));
			left = slice_from(left, step);
			loop_run_once(r.l, 0);
		}
		CHECK(peer_hear(&p, "\r\n0\r\n\r\n"));
		CHECK(peer_heard(&p, "hello") == 1);
		CHECK(peer_heard(&p, "3 bytes") == 1);
		CHECK(slice_eq_str(buf_slice(&r.got), "def"));
		CHECK_EQ_U64(r.calls, 3);
	}
}

TEST(begins_a_pipelined_request_only_after_the_answer_before)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/wait") GET("/hi")));
	peer_run(&p, 50);
	CHECK(r.calls == 1 && r.call != NULL && p.n == 0);
	site_reply(r.call, 200, "first");
	CHECK(r.call != NULL); /* gone() never comes out of the call */
	CHECK(peer_hear(&p, "hello"));
	peer_run(&p, 10);
	CHECK(peer_heard(&p, "first") == 1 && r.calls == 2 && r.gones == 2);
}

TEST(echoes_a_chunked_body)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/echo",
				"Transfer-Encoding: chunked\r\n") "3\r\nab"));
	CHECK(peer_hear(&p, "2\r\nab\r\n")); /* at once, not when it is whole */
	CHECK(peer_heard(&p, "Transfer-Encoding: chunked\r\n") == 1);
	CHECK(peer_say(&p, "c\r\n1f\r\n0123456789012345678901234567890\r\n"));
	CHECK(peer_hear(&p, "1f\r\n0123456789012345678901234567890\r\n"));
	CHECK(peer_say(&p, "0\r\n\r\n"));
	CHECK(peer_hear(&p, "\r\n0\r\n\r\n"));
	CHECK(r.why == OK && r.got_len == 34);
}

TEST(answers_head_without_a_body)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, "HEAD /hi HTTP/1.1\r\nHost: a\r\n\r\n"));
	CHECK(peer_say(&p, "HEAD /none HTTP/1.1\r\nHost: a\r\n\r\n"));
	CHECK(peer_hear(&p, "500 Internal"));
	CHECK(peer_run_until(&p, peer_ended, LONG));
	CHECK(peer_heard(&p, "Content-Length: 5\r\n") == 1);
	CHECK(peer_heard(&p, "hello") == 0 && peer_heard(&p, "error 500") == 0);
}

TEST(answers_204_without_a_body_or_a_length)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/empty") GET("/hi")));
	CHECK(peer_hear(&p, "hello"));
	CHECK(peer_heard(&p, "HTTP/1.1 204 No Content\r\n") == 1);
	CHECK(peer_heard(&p, "Content-Length") == 1 &&
	      peer_heard(&p, "dropped") == 0);
}

TEST(closes_after_answering_http_1_0)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, "POST /echo HTTP/1.0\r\nConnection: keep-alive\r\n"
			   "Content-Length: 3\r\n\r\nabc"));
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(!p.reset && peer_heard(&p, "Connection: close\r\n") == 1);
	CHECK(peer_heard(&p, "Transfer-Encoding") == 0);
	CHECK(peer_heard(&p, "\r\n\r\nabc") == 1 && r.why == OK);
}

TEST(closes_when_the_client_asks_for_it)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(
		&p,
		"GET /hi HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" GET(
			"/hi")));
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(!p.reset && peer_heard(&p, "hello") == 1 && r.calls == 1);
	CHECK(peer_heard(&p, "Connection: close\r\n") == 1);
}

TEST(answers_500_when_nobody_takes_the_call)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/none")));
	CHECK(peer_hear(&p, "error 500") &&
	      peer_heard(&p, "application/x-error") == 1);
	CHECK(peer_run_until(&p, peer_ended, SOON));
}

TEST(sends_no_header_that_would_add_a_line)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, GET("/bad")));
	CHECK(peer_hear(&p, "\r\n\r\nok"));
	CHECK(peer_heard(&p, "HTTP/1.1") == 1 && peer_heard(&p, "X-") == 0);
	CHECK(r.why == OK);
	CHECK(peer_say(&p, GET("/replybad")));
	CHECK(peer_hear(&p, "error 500"));
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(peer_heard(&p, "X-") == 0 && peer_heard(&p, "hello") == 0);
	CHECK(r.gones == 2);
}

TEST(breaks_an_answer_that_differs_from_its_length)
{
	for (unsigned i = 0; i < 4; i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, GET("/wait")));
		peer_run(&p, 20);
		CHECK(r.call != NULL);
		if (i < 3)
			site_begin(r.call, 200, 4);
		if (i == 0)
			http_call_body(r.call, S("12345"));
		if (i == 1)
			http_call_body(r.call, S("123"));
		if (i == 2)
			site_reply(r.call, 200, "another");
		if (i != 2)
			http_call_end(r.call);
		CHECK(r.call != NULL && r.gones == 0);
		CHECK(peer_run_until(&p, peer_ended, SOON));
		CHECK(p.reset && r.gones == 1 && r.why == E_IO);
		CHECK(peer_heard(&p, "12345") == 0 &&
		      peer_heard(&p, "another") == 0);
	}
}

/* ---- bodies and back-pressure ---------------------------------------------------- */

TEST(collects_a_body_up_to_a_limit)
{
	static const char *const large[] = {
		POST("/count", "Content-Length: 1001\r\n"),
		POST("/count", "Transfer-Encoding: chunked\r\n") "3e9\r\n",
	};
	char body[1001];

	memset(body, 'x', sizeof(body) - 1);
	body[1000] = '\0';
	for (size_t i = 0; i < countof(large); i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, POST("/count", "Content-Length: 1000\r\n")));
		CHECK(peer_say(&p, body));
		CHECK(peer_hear(&p, "1000 bytes"));
		CHECK(peer_say(&p, POST("/count", "Content-Length: 0\r\n")));
		CHECK(peer_hear(&p, "\r\n0 bytes"));
		CHECK(peer_say(&p, large[i]));
		CHECK(peer_say(&p, body));
		CHECK(peer_hear(&p, "error 413"));
		CHECK(peer_run_until(&p, peer_ended, SOON) && !p.reset);
	}
}

TEST(refuses_what_is_larger_than_its_limits)
{
	static const struct http_limits small = { .head = 300, .body = 100 };
	static const struct {
		const char *request, *answer;
	} cases[] = {
		{ POST("/read", "Content-Length: 101\r\n"), "error 413" },
		{ POST("/read", "Transfer-Encoding: chunked\r\n") "65\r\n",
		  "error 413" },
		{ POST("/read",
		       "X: "
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		       "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"),
		  "error 431" },
	};
	char zeros[102];

	memset(zeros, '0', sizeof(zeros) - 1);
	zeros[101] = '\0';
	for (size_t i = 0; i < countof(cases); i++) {
		auto_site struct site r;
		CHECK(site_open(&r, &small));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, cases[i].request));
		CHECK(peer_say(&p, zeros));
		CHECK(peer_hear(&p, cases[i].answer));
		CHECK(peer_heard(&p, "Connection: close\r\n") == 1);
		CHECK(peer_run_until(&p, peer_ended, SOON) && !p.reset);
		CHECK(r.gones == 0 || r.why == E_LIMIT);
		CHECK_EQ_U64(r.gones, r.calls);
	}
}

static bool all_there(const struct peer *p)
{
	return p->r->gones == 1 && p->n > SITE_MANY;
}

TEST(sends_20_megabytes_to_a_slow_reader_in_bounded_memory)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	p.keep = false;
	CHECK(peer_say(&p, GET("/big")));
	for (unsigned i = 0; i < 30; i++)
		loop_run_once(r.l, 2); /* it reads nothing */
	CHECK(r.left > SITE_MANY / 2 && http_call_full(r.call));
	CHECK(peer_run_until(&p, all_there, LONG));
	CHECK(r.why == OK && r.drains > 0 && !p.ended);
	CHECK(r.most <= CONN_OUT_HIGH + 51000);
}

TEST(echoes_20_megabytes_in_bounded_memory)
{
	static uint8_t zeros[65536];
	static const char end[] = "\r\n0\r\n\r\n";
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);
	uint64_t sent = 0;
	size_t at = 0;

	p.keep = false;
	CHECK(peer_say(&p,
		       POST("/echo",
			    "Transfer-Encoding: chunked\r\n") "1400000\r\n"));
	for (unsigned stuck = 0; stuck < 10 && sent < SITE_MANY;) {
		ssize_t n = send(p.fd, zeros, sizeof(zeros), MSG_DONTWAIT);
		sent += n > 0 ? (uint64_t)n : 0;
		stuck = n > 0 ? 0 : stuck + 1;
		loop_run_once(r.l, 2); /* nothing is read */
	}
	CHECK(sent < SITE_MANY && http_call_full(r.call));
	while (sent < SITE_MANY) {
		size_t n = SITE_MANY - sent < sizeof(zeros) ? SITE_MANY - sent
							    : sizeof(zeros);
		ssize_t took = send(p.fd, zeros, n, MSG_DONTWAIT);

		CHECK(took > 0 || errno == EAGAIN);
		sent += took > 0 ? (uint64_t)took : 0;
		loop_run_once(r.l, 0);
		peer_read(&p);
		CHECK(++at < 1000000);
	}
	CHECK(peer_say(&p, end));
	CHECK(peer_run_until(&p, all_there, LONG));
	CHECK(r.why == OK && r.got_len == SITE_MANY && r.drains > 0);
	CHECK(r.most <= CONN_OUT_HIGH + CONN_IN_MAX + 100);
}

TEST(does_not_read_the_body_while_paused)
{
	static uint8_t zeros[65536];
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);
	uint64_t sent = 0;

	CHECK(peer_say(&p, POST("/held", "Content-Length: 20971520\r\n")));
	for (unsigned i = 0; i < 200; i++) {
		ssize_t n = send(p.fd, zeros, sizeof(zeros), MSG_DONTWAIT);
		sent += n > 0 ? (uint64_t)n : 0;
		loop_run_once(r.l, 0);
	}
	CHECK(r.got_len == 0 && sent < SITE_MANY);
	http_call_resume(r.call);
	peer_run(&p, 30);
	CHECK(r.got_len > 0);
}

TEST(tells_the_end_of_a_body_only_after_resume)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/pause",
				"Content-Length: 3\r\n") "abc" GET("/hi")));
	peer_run(&p, 50);
	CHECK(r.got_len == 3 && r.ends == 0 && r.call != NULL);
	http_call_resume(r.call);
	CHECK(r.ends == 0);
	CHECK(peer_hear(&p, "hello"));
	CHECK(peer_heard(&p, "\r\n\r\nread") == 1 && r.gones == 2);
}

TEST(resumes_a_chunked_body_where_it_paused)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(
		&p,
		POST("/pause",
		     "Transfer-Encoding: chunked\r\n") "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n"));
	peer_run(&p, 30);
	CHECK(r.got_len == 3);
	http_call_resume(r.call);
	peer_run(&p, 30);
	CHECK(r.got_len == 5 && r.ends == 0);
	http_call_resume(r.call);
	CHECK(peer_hear(&p, "\r\n\r\nread"));
	CHECK(slice_eq_str(buf_slice(&r.got), "abcde"));
}

/* ---- Expect and early answers ------------------------------------------------------ */

TEST(asks_for_the_body_that_a_client_holds_back)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/count", "Content-Length: 3\r\n"
					  "Expect: 100-continue\r\n")));
	CHECK(peer_hear(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
	CHECK(peer_say(&p, "abc"));
	CHECK(peer_hear(&p, "3 bytes"));
	CHECK(peer_heard(&p, "Connection: close") == 0);
}

TEST(asks_for_the_body_only_after_resume)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/paused", "Content-Length: 3\r\n"
					   "Expect: 100-continue\r\n")));
	peer_run(&p, 30);
	CHECK(p.n == 0 && r.call != NULL);
	http_call_resume(r.call);
	CHECK(peer_hear(&p, "HTTP/1.1 100 Continue\r\n\r\n"));
}

TEST(does_not_ask_for_a_body_that_it_refused)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/early", "Content-Length: 3\r\n"
					  "Expect: 100-continue\r\n")));
	CHECK(peer_run_until(&p, peer_ended, SOON));
	CHECK(peer_heard(&p, "100 Continue") == 0 &&
	      peer_heard(&p, "403") == 1);
	CHECK(peer_heard(&p, "Connection: close\r\n") == 1);
}

TEST(drops_the_rest_of_a_small_body_after_an_early_answer)
{
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);

	CHECK(peer_say(&p, POST("/early", "Content-Length: 20\r\n") "GET"));
	CHECK(peer_hear(&p, "403 Forbidden"));
	CHECK(peer_say(&p, " /hi HTTP/1.1\r\n\r\n"));
	CHECK(peer_say(&p, GET("/hi")));
	CHECK(peer_hear(&p, "hello"));
	CHECK(r.calls == 2 && r.got_len == 0 && !p.ended);
}

/* The client goes on sending; it must still see the answer, not a reset. */
TEST(closes_after_an_early_answer_to_a_large_body)
{
	static const char *const heads[] = {
		POST("/early", "Content-Length: 20971520\r\n"),
		POST("/early", "Transfer-Encoding: chunked\r\n") "1400000\r\n",
	};
	static uint8_t zeros[65536];

	for (size_t i = 0; i < countof(heads); i++) {
		auto_site struct site r;
		CHECK(site_open(&r, NULL));
		auto_peer struct peer p = far_open(&r);

		CHECK(peer_say(&p, heads[i]));
		for (unsigned k = 0; k < 20; k++)
			CHECK(peer_send(&p, slice_of(zeros)));
		CHECK(peer_run_until(&p, peer_ended, SOON));
		CHECK(!p.reset && peer_heard(&p, "403 Forbidden") == 1);
		CHECK(peer_heard(&p, "Connection: close\r\n") == 1);
		CHECK(r.gones == 1 && r.why == OK);
	}
}

TEST(stops_reading_a_body_that_nobody_wants_in_the_end)
{
	static uint8_t zeros[65536];
	auto_site struct site r;
	CHECK(site_open(&r, NULL));
	auto_peer struct peer p = far_open(&r);
	int64_t begin = clock_mono_ms();
	bool open = true;

	CHECK(peer_say(&p, POST("/early", "Content-Length: 130000000\r\n")));
	while (open && clock_mono_ms() < begin + LONG) {
		open = send(p.fd, zeros, sizeof(zeros),
			    MSG_DONTWAIT | MSG_NOSIGNAL) > 0 ||
		       errno == EAGAIN;
		loop_run_once(r.l, 1);
	}
	CHECK(!open && http_server_conns(r.srv) == 0);
}
