#include "core/io/http_client.h"

#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"
#include "test/core/io/probe.h"

/* ---- exchanges ------------------------------------------------------------------ */

TEST(makes_several_exchanges_on_one_connection)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(!http_client_reusable(r.c) && http_client_conn(r.c) == NULL);
	for (unsigned i = 1; i <= 3; i++) {
		CHECK(probe_exchange(&r,
				     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
				     "\r\nhi"));
		CHECK(!http_client_reusable(r.c));
		CHECK(probe_end(&r));
		CHECK(r.ends == i && r.heads == i && r.status == 200);
		CHECK(probe_body_is(&r, "hi") && http_client_reusable(r.c));
	}
	CHECK(http_client_conn(r.c) != NULL);
}

TEST(may_begin_the_next_exchange_when_one_ends)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	r.again_in_end = true;
	CHECK(probe_get(&r));
	for (unsigned i = 1; i <= 3; i++) {
		CHECK(probe_hear(&r, "GET /x"));
		buf_clear(&r.in);
		CHECK(probe_say(&r, "HTTP/1.1 204 No\r\n\r\n"));
		CHECK(probe_end(&r) && r.ends == i);
	}
	CHECK(http_client_reusable(r.c));
}

TEST(writes_the_request_that_was_asked_for)
{
	const struct http_header h[] = { { S("X-A"), S("b") },
					 { S("Connection"), S("close") } };
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));
	char want[200];

	CHECK(http_client_begin(r.c, "POST", S("/a?b"), h, 2, 4, &probe_events,
				&r, &err) == OK);
	CHECK(http_client_begin(r.c, "GET", S("/"), NULL, 0, 0, &probe_events,
				&r, &err) == E_CONFLICT);
	http_client_body(r.c, S("ab"));
	http_client_body(r.c, S("cd"));
	http_client_body_end(r.c);
	http_client_body(r.c, S("ignored"));
	CHECK(probe_hear(&r, "abcd"));
	(void)snprintf(want, sizeof(want),
		       "POST /a?b HTTP/1.1\r\nHost: 127.0.0.1:%u\r\n"
		       "X-A: b\r\nConnection: close\r\n"
		       "Content-Length: 4\r\n\r\nabcd",
		       r.set.to.port);
	CHECK(slice_eq_str(buf_slice(&r.in), want));
	CHECK(probe_say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
	CHECK(probe_end(&r) && r.ends == 1 && !http_client_reusable(r.c));
}

TEST(sends_chunks_when_the_length_is_not_known)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(http_client_begin(r.c, "POST", S("/"), NULL, 0, UINT64_MAX,
				&probe_events, &r, &err) == OK);
	http_client_body(r.c, S("abc"));
	http_client_body(r.c, S(""));
	CHECK(probe_hear(&r, "Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n"));
	http_client_body_end(r.c);
	CHECK(probe_hear(&r, "\r\n3\r\nabc\r\n0\r\n\r\n"));
	CHECK(!probe_asked(&r, "Content-Length"));
}

TEST(names_the_host_as_its_origin_does)
{
	static const struct {
		struct addr to;
		const char *line;
	} cases[] = {
		{ { .host = "a.example", .port = 80 },
		  "\r\nHost: a.example\r\n" },
		{ { .host = "a.example", .port = 443, .tls = true },
		  "\r\nHost: a.example\r\n" },
		{ { .host = "a.example", .port = 443 },
		  "\r\nHost: a.example:443\r\n" },
		{ { .host = "::1", .port = 80 }, "\r\nHost: [::1]\r\n" },
		{ { .host = "/run/x:80", .is_unix = true },
		  "\r\nHost: localhost\r\n" },
		{ { .host = "" }, "\r\nHost: localhost\r\n" },
	};
	const struct http_header own = { S("host"), S("b") };

	for (size_t i = 0; i < countof(cases); i++) {
		struct err err;
		int fds[2];
		auto_probe struct probe r;
		CHECK(probe_open(&r));

		CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fds) == 0);
		r.set.to = cases[i].to;
		r.fd = fds[0];
		probe_nonblocking(r.fd);
		CHECK(http_client_adopt(r.l, fds[1], &r.set, &r.c, &err) == OK);
		CHECK(probe_get(&r) && probe_hear(&r, cases[i].line));
		CHECK(probe_say(&r, "HTTP/1.1 204 No\r\n\r\n") &&
		      probe_end(&r));
		buf_clear(&r.in);
		CHECK(http_client_begin(r.c, "GET", S("/"), &own, 1, 0,
					&probe_events, &r, &err) == OK);
		CHECK(probe_hear(&r, "host: b\r\n\r\n") &&
		      !probe_asked(&r, "Host"));
	}
}

TEST(sends_nothing_that_would_add_a_line)
{
	const struct http_header bad[] = {
		{ S("X"), S("a\r\nY: b") },
		{ S("X\nY"), S("a") },
		{ S("Content-Length"), S("1") },
		{ S("Transfer-Encoding"), S("chunked") },
		{ S("Connection"), S("upgrade") },
	};
	const struct http_header hosts[] = { { S("Host"), S("a") },
					     { S("Host"), S("b") } };
	static const struct {
		const char *method, *target;
	} lines[] = { { "GET", "/ HTTP/1.1\r\nX: y" },
		      { "GET", "x" },
		      { "GET", "" },
		      { "get", "/" },
		      { "CONNECT", "/" },
		      { "G T", "/" } };
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	probe_run(&r, 20);
	for (size_t i = 0; i < countof(bad); i++)
		CHECK(http_client_begin(r.c, "GET", S("/"), &bad[i], 1, 0,
					&probe_events, &r, &err) == E_PARSE);
	CHECK(http_client_begin(r.c, "GET", S("/"), hosts, 2, 0, &probe_events,
				&r, &err) == E_PARSE);
	for (size_t i = 0; i < countof(lines); i++)
		CHECK(http_client_begin(r.c, lines[i].method,
					slice_str(lines[i].target), NULL, 0, 0,
					&probe_events, &r, &err) == E_PARSE);
	probe_run(&r, 20);
	CHECK(r.in.len == 0 && http_client_reusable(r.c));
}

TEST(breaks_a_request_that_differs_from_its_length)
{
	for (unsigned i = 0; i < 2; i++) {
		struct err err;
		auto_probe struct probe r;
		CHECK(probe_connect(&r));

		CHECK(http_client_begin(r.c, "POST", S("/"), NULL, 0, 4,
					&probe_events, &r, &err) == OK);
		CHECK(probe_hear(&r, "\r\n\r\n"));
		http_client_body(r.c, i == 0 ? S("abc") : S("abcde"));
		http_client_body_end(r.c);
		CHECK(r.fails == 0); /* not from within the call */
		CHECK(probe_end(&r) && r.fails == 1 && r.sent);
		CHECK(r.why.code == E_IO && !probe_asked(&r, "abcde"));
		probe_run(&r, 20);
		CHECK(r.reset && !http_client_reusable(r.c));
	}
}

/* ---- answers ----------------------------------------------------------------------- */

TEST(reads_every_form_of_body)
{
	static const struct {
		const char *answer, *body;
		unsigned status;
		bool reusable;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", 200,
		  true },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\na\r\n2\r\nbc\r\n0\r\n\r\n",
		  "abc", 200, true },
		{ "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nX: y\r\n"
		  "\r\nHTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n",
		  "", 404, true },
		{ "HTTP/1.1 204 None\r\n\r\n", "", 204, true },
		{ "HTTP/1.1 304 Same\r\nContent-Length: 9\r\n\r\n", "", 304,
		  true },
		{ "HTTP/1.1 200 OK\r\nConnection: close\r\n"
		  "Content-Length: 3\r\n\r\nabc",
		  "abc", 200, false },
		{ "HTTP/1.0 200 OK\r\nContent-Length: 3\r\n\r\nabc", "abc", 200,
		  false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabcH", "abc",
		  200, false },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"
		  "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nevil",
		  "abc", 200, false },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		auto_probe struct probe r;
		CHECK(probe_connect(&r));

		CHECK(probe_exchange(&r, cases[i].answer));
		CHECK(probe_end(&r) && r.ends == 1 && r.heads == 1);
		CHECK(probe_body_is(&r, cases[i].body));
		CHECK_EQ_U64(r.status, cases[i].status);
		CHECK(http_client_reusable(r.c) == cases[i].reusable);
		probe_run(&r, 10);
		CHECK(r.ends == 1 && r.fails == 0);
	}
}

TEST(reads_an_answer_however_it_is_cut)
{
	static const char text[] =
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n"
		"Transfer-Encoding: chunked\r\n\r\n"
		"4\r\nabcd\r\n1\r\ne\r\n0\r\nX-T: y\r\n\r\n";
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	for (size_t step = 1; step < sizeof(text) - 1; step += step / 8 + 1) {
		struct slice left = slice_str(text);
		unsigned ends = r.ends;

		CHECK(probe_exchange(&r, ""));
		while (left.len > 0) {
			struct slice part = slice_sub(left, 0, step);

			CHECK(send(r.fd, part.p, part.len, 0) ==
			      (ssize_t)part.len);
			left = slice_from(left, part.len);
			loop_run_once(r.l, 0);
		}
		CHECK(r.fails == 0);
		for (unsigned i = 0; i < 500 && r.ends == ends; i++)
			loop_run_once(r.l, 2);
		CHECK(probe_body_is(&r, "abcde"));
		CHECK(http_client_reusable(r.c));
	}
}

TEST(reads_a_body_that_lasts_until_the_connection_ends)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(probe_exchange(&r, "HTTP/1.1 200 OK\r\n\r\nabc"));
	probe_run(&r, 20);
	CHECK(r.ends == 0 && probe_body_is(&r, "abc"));
	CHECK(probe_say(&r, "def"));
	(void)shutdown(r.fd, SHUT_WR);
	CHECK(probe_end(&r) && r.ends == 1 && probe_body_is(&r, "abcdef"));
	CHECK(!http_client_reusable(r.c));
}

TEST(reads_no_body_in_answer_to_head)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(http_client_begin(r.c, "HEAD", S("/"), NULL, 0, 0, &probe_events,
				&r, &err) == OK);
	CHECK(probe_hear(&r, "HEAD / HTTP/1.1") &&
	      !probe_asked(&r, "Content-Length"));
	CHECK(probe_say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n"));
	CHECK(probe_end(&r) && r.ends == 1 && http_client_reusable(r.c));
	CHECK(probe_exchange(
		&r, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"));
	CHECK(probe_end(&r) && r.ends == 2 && probe_body_is(&r, "abc"));
}

TEST(fails_on_an_answer_that_is_cut_short)
{
	static const struct {
		const char *answer;
		unsigned heads;
	} cases[] = {
		{ "", 0 },
		{ "HTTP/1.1 200 OK\r\nConte", 0 },
		{ "HTTP/1.1 100 Continue\r\n\r\n", 0 },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", 1 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\na\r\n",
		  1 },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "1\r\na\r\n0\r\n",
		  1 },
	};
	struct linger now = { .l_onoff = 1 };

	for (size_t i = 0; i < 2 * countof(cases); i++) {
		auto_probe struct probe r;
		CHECK(probe_connect(&r));

		CHECK(probe_exchange(&r, cases[i / 2].answer));
		probe_run(&r, 10);
		if (i % 2 == 0)
			CHECK(setsockopt(r.fd, SOL_SOCKET, SO_LINGER, &now,
					 sizeof(now)) == 0);
		(void)close(take_fd(&r.fd));
		CHECK(probe_end(&r) && r.fails == 1 && r.ends == 0);
		CHECK(r.why.code == E_IO && r.sent);
		CHECK_EQ_U64(r.heads, cases[i / 2].heads);
		CHECK(!http_client_reusable(r.c));
	}
}

TEST(fails_on_an_answer_that_breaks_the_rules)
{
	static const struct {
		const char *answer;
		enum status code;
	} cases[] = {
		{ "SSH-2.0-x\r\n\r\n", E_PARSE },
		{ "HTTP/1.1 200 OK\nContent-Length: 0\n\n", E_PARSE },
		{ "HTTP/1.1 101 Switch\r\n\r\n", E_PARSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		  "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
		  E_PARSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 1\r\n"
		  "Content-Length: 1\r\n\r\na",
		  E_PARSE },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "+1\r\na\r\n",
		  E_PARSE },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 101\r\n\r\n", E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n65\r\n",
		  E_LIMIT },
		{ "HTTP/1.1 200 OK\r\nX: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		  E_LIMIT },
	};

	for (size_t i = 0; i < countof(cases); i++) {
		auto_probe struct probe r;
		CHECK(probe_open(&r));

		r.set.max_body = 100;
		r.set.max_head = 100;
		CHECK(probe_again(&r));
		CHECK(probe_exchange(&r, cases[i].answer));
		CHECK(probe_end(&r) && r.fails == 1 && r.ends == 0);
		CHECK_EQ_U64(r.why.code, cases[i].code);
		probe_run(&r, 20);
		CHECK(r.sent && !http_client_reusable(r.c) && r.reset);
	}
}

TEST(delivers_a_refusal_that_comes_before_the_request_is_whole)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(http_client_begin(r.c, "POST", S("/"), NULL, 0, 1000,
				&probe_events, &r, &err) == OK);
	http_client_body(r.c, S("first"));
	CHECK(probe_hear(&r, "first"));
	CHECK(probe_say(&r, "HTTP/1.1 413 No\r\nContent-Length: 6\r\n\r\nlar"));
	probe_run(&r, 20);
	CHECK(r.heads == 1 && r.ends == 0);
	http_client_body(r.c, S("second"));
	CHECK(!http_client_full(r.c));
	CHECK(probe_say(&r, "ge!"));
	CHECK(probe_end(&r) && r.ends == 1 && probe_body_is(&r, "large!"));
	probe_run(&r, 20);
	CHECK(!http_client_reusable(r.c) && !probe_asked(&r, "second"));
}

TEST(goes_on_sending_under_an_early_answer_that_agrees)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(http_client_begin(r.c, "POST", S("/"), NULL, 0, 11, &probe_events,
				&r, &err) == OK);
	http_client_body(r.c, S("first"));
	CHECK(probe_hear(&r, "first"));
	CHECK(probe_say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\na"));
	probe_run(&r, 20);
	http_client_body(r.c, S("second"));
	http_client_body_end(r.c);
	CHECK(probe_hear(&r, "second"));
	CHECK(probe_say(&r, "b"));
	CHECK(probe_end(&r) && r.ends == 1 && http_client_reusable(r.c));
}

/* ---- back-pressure -------------------------------------------------------------------- */

TEST(does_not_read_while_paused)
{
	static uint8_t zeros[65536];
	uint64_t sent = 0;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	r.pause_head = true;
	CHECK(probe_exchange(&r,
			     "HTTP/1.1 200 OK\r\nContent-Length: 20971520\r\n"
			     "\r\n"));
	for (unsigned i = 0; i < 200; i++) {
		ssize_t n = send(r.fd, zeros, sizeof(zeros), 0);
		sent += n > 0 ? (uint64_t)n : 0;
		loop_run_once(r.l, 0);
	}
	CHECK(sent < PROBE_MANY && r.body_len == 0);
	http_client_resume(r.c);
	for (unsigned i = 0; sent < PROBE_MANY && i < 100000; i++) {
		size_t n = PROBE_MANY - sent < sizeof(zeros) ? PROBE_MANY - sent
							     : sizeof(zeros);
		ssize_t took = send(r.fd, zeros, n, 0);
		sent += took > 0 ? (uint64_t)took : 0;
		loop_run_once(r.l, 0);
	}
	CHECK(probe_end(&r) && r.ends == 1 && r.body_len == PROBE_MANY);
}

TEST(tells_the_end_of_an_answer_only_after_resume)
{
	static const char *const answers[] = {
		"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc",
		("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		 "3\r\nabc\r\n0\r\n\r\n"),
		"HTTP/1.1 200 OK\r\n\r\nabc",
	};

	for (size_t i = 0; i < 2 * countof(answers); i++) {
		bool close_early = i % 2 == 1 || i / 2 == 2;
		auto_probe struct probe r;
		CHECK(probe_connect(&r));

		r.pause_body = true;
		CHECK(probe_exchange(&r, answers[i / 2]));
		if (close_early)
			(void)close(take_fd(&r.fd));
		probe_run(&r, 30);
		CHECK(probe_body_is(&r, "abc") && r.ends == 0 && r.fails == 0);
		http_client_resume(r.c);
		CHECK(r.ends == 0); /* not from within the call */
		CHECK(probe_end(&r) && r.ends == 1);
		probe_run(&r, 20);
		CHECK(http_client_reusable(r.c) == !close_early);
	}
}

TEST(sends_a_large_request_in_bounded_memory)
{
	static uint8_t zeros[50000];
	struct err err;
	uint64_t left = 5000000;
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	CHECK(http_client_begin(r.c, "POST", S("/"), NULL, 0, left,
				&probe_events, &r, &err) == OK);
	for (unsigned i = 0; left > 0 && i < 100000; i++) {
		while (left > 0 && !http_client_full(r.c)) {
			http_client_body(r.c, slice_of(zeros));
			left -= sizeof(zeros);
		}
		if (http_client_conn(r.c) != NULL)
			CHECK(conn_pending(http_client_conn(r.c)) <
			      CONN_OUT_HIGH + sizeof(zeros) + 1000);
		loop_run_once(r.l, 2);
		buf_clear(&r.in);
		if (i > 5)
			probe_serve(&r);
	}
	CHECK(left == 0 && r.drains > 0);
	http_client_body_end(r.c);
	probe_run(&r, 20);
	CHECK(probe_say(&r, "HTTP/1.1 204 No\r\n\r\n") && probe_end(&r));
	CHECK(http_client_reusable(r.c));
}

/* ---- failing ---------------------------------------------------------------------------- */

TEST(tells_that_nothing_was_sent_when_nobody_listens)
{
	struct err err;
	auto_probe struct probe r;
	CHECK(probe_open(&r));

	(void)close(take_fd(&r.listener));
	CHECK(probe_again(&r));
	CHECK(probe_get(&r) && r.fails == 0);
	CHECK(probe_end(&r) && r.fails == 1 && !r.sent);
	CHECK_EQ_U64(r.why.code, E_UNAVAIL);
	CHECK(http_client_begin(r.c, "GET", S("/"), NULL, 0, 0, &probe_events,
				&r, &err) == E_UNAVAIL);
}

TEST(takes_no_answer_to_what_was_not_asked)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));

	/* Before the request; and in front of its turn in the loop. */
	for (unsigned i = 0; i < 2; i++) {
		struct err err;

		CHECK(probe_again(&r));
		probe_run(&r, 20);
		CHECK(r.fd >= 0 && http_client_reusable(r.c));
		CHECK(probe_say(
			&r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
		if (i == 0) {
			probe_run(&r, 20);
			CHECK(!http_client_reusable(r.c));
			CHECK(http_client_begin(r.c, "GET", S("/"), NULL, 0, 0,
						&probe_events, &r,
						&err) == E_PARSE);
			continue;
		}
		CHECK(probe_get(&r) && probe_end(&r));
		CHECK(r.ends == 0 || probe_asked(&r, "GET"));
	}
}

TEST(gives_up_when_no_answer_begins_in_time)
{
	int64_t begin = clock_mono_ms();
	auto_probe struct probe r;
	CHECK(probe_open(&r));

	r.set.head_ms = 60;
	CHECK(probe_again(&r));
	CHECK(probe_exchange(&r, "HTTP/1.1 200 OK\r\n"));
	CHECK(probe_end(&r) && r.fails == 1 && r.why.code == E_IO && r.sent);
	CHECK(clock_mono_ms() - begin < SOON);

	/* But a body may take longer. */
	CHECK(probe_again(&r));
	CHECK(probe_exchange(&r,
			     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"));
	probe_run(&r, 150);
	CHECK(probe_say(&r, "ab") && probe_end(&r) && r.ends == 1);
}

TEST(gives_up_when_nothing_moves)
{
	auto_probe struct probe r;
	CHECK(probe_open(&r));

	r.set.idle_ms = 60;
	CHECK(probe_again(&r));
	CHECK(probe_exchange(
		&r, "HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"));
	CHECK(probe_end(&r) && r.fails == 1 && r.why.code == E_IO);

	/* Unless it is our own doing; nor does it count between exchanges. */
	CHECK(probe_again(&r));
	r.pause_body = true;
	CHECK(probe_exchange(&r,
			     "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab"));
	probe_run(&r, 200);
	CHECK(r.fails == 0);
	r.pause_body = false;
	http_client_resume(r.c);
	CHECK(probe_say(&r, "c") && probe_end(&r) && r.ends == 1);
	probe_run(&r, 200);
	CHECK(http_client_reusable(r.c));
}

TEST(shows_the_server_that_an_exchange_was_given_up)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));
	int64_t begin = clock_mono_ms();

	CHECK(probe_exchange(&r, "HTTP/1.1 200 OK\r\n\r\nabc"));
	probe_run(&r, 20);
	http_client_free(take(r.c));
	while (!r.fin && !r.reset && clock_mono_ms() < begin + SOON)
		probe_run(&r, 2);
	CHECK(r.fin || r.reset);
	CHECK(r.ends == 0 && r.fails == 0);
}

TEST(may_be_freed_by_its_own_callbacks)
{
	for (unsigned i = 0; i < 2; i++) {
		auto_probe struct probe r;
		CHECK(probe_connect(&r));

		r.free_in_head = i == 0;
		r.free_in_end = i == 1;
		CHECK(probe_exchange(&r,
				     "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
				     "\r\nhi"));
		probe_run(&r, 50);
		CHECK(r.c == NULL && r.heads == 1 && r.ends == i);
		CHECK(r.fails == 0 && (r.fin || r.reset));
	}
}

/* ---- whole exchanges -------------------------------------------------------------------- */

struct done {
	struct probe *r;
	unsigned times;
	enum status code;
	unsigned status;
	char body[32];
	bool free_client;
};

static void on_done(void *ctx, const struct err *err, unsigned status,
		    struct slice body)
{
	struct done *d = ctx;

	d->times++;
	d->code = err->code;
	d->status = status;
	(void)snprintf(d->body, sizeof(d->body), "%.*s", SLICE_FMT(body));
	if (d->free_client)
		http_client_free(take(d->r->c));
}

static bool run_done(struct done *d)
{
	int64_t end = clock_mono_ms() + LONG;

	while (d->times == 0 && clock_mono_ms() < end) {
		loop_run_once(d->r->l, 2);
		probe_serve(d->r);
	}
	return d->times == 1;
}

TEST(makes_a_whole_exchange_in_one_call)
{
	static const struct {
		const char *answer;
		enum status code;
		unsigned status;
		const char *body;
	} cases[] = {
		{ "HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n{ok}", OK, 200,
		  "{ok}" },
		{ "HTTP/1.1 500 Bad\r\nContent-Length: 4\r\n\r\noops", OK, 500,
		  "oops" },
		{ "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n{ok}!", E_LIMIT,
		  0, "" },
		{ "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
		  "4\r\n{ok}\r\n1\r\n!\r\n0\r\n\r\n",
		  E_LIMIT, 0, "" },
		{ "HTTP/1.1 200\r\n", E_PARSE, 0, "" },
	};

	for (size_t i = 0; i < 2 * countof(cases); i++) {
		auto_probe struct probe r;
		CHECK(probe_connect(&r));
		struct done d = { .r = &r, .free_client = i % 2 == 1 };

		http_client_call(r.c, "POST", S("/v"), "application/json",
				 S("{\"a\":1}"), 4, on_done, &d);
		CHECK(probe_hear(&r, "Content-Type: application/json\r\n"
				     "Content-Length: 7\r\n\r\n{\"a\":1}"));
		CHECK(probe_say(&r, cases[i / 2].answer));
		CHECK(run_done(&d));
		CHECK_EQ_U64(d.code, cases[i / 2].code);
		CHECK_EQ_U64(d.status, cases[i / 2].status);
		CHECK_STR_EQ(d.body, cases[i / 2].body);
		probe_run(&r, 10);
		CHECK(d.times == 1);
	}
}

TEST(tells_from_the_loop_that_a_call_cannot_be_made)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));
	struct done a = { .r = &r }, b = { .r = &r }, c = { .r = &r };

	http_client_call(r.c, "GET", S("/ x"), NULL, S(""), 4, on_done, &a);
	CHECK(a.times == 0);
	CHECK(run_done(&a) && a.code == E_PARSE);

	http_client_call(r.c, "GET", S("/"), NULL, S(""), 4, on_done, &b);
	http_client_call(r.c, "GET", S("/"), NULL, S(""), 4, on_done, &c);
	CHECK(run_done(&c) && c.code == E_CONFLICT && b.times == 0);
	CHECK(probe_hear(&r, "GET / HTTP/1.1"));
	CHECK(probe_say(&r, "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"));
	CHECK(run_done(&b) && b.code == OK && b.status == 200);
}

TEST(tells_nothing_of_a_call_after_it_was_freed)
{
	auto_probe struct probe r;
	CHECK(probe_connect(&r));
	struct done a = { .r = &r }, b = { .r = &r };

	http_client_call(r.c, "GET", S("/"), NULL, S(""), 4, on_done, &a);
	http_client_call(r.c, "GET", S("/"), NULL, S(""), 4, on_done, &b);
	http_client_free(take(r.c));
	probe_run(&r, 30);
	CHECK(a.times == 0 && b.times == 0);
}
