#include "core/io/conn.h"

#include <sys/socket.h>

#include "core/cleanup.h"
#include "test/core/io/pair.h"

TEST(both_ends_become_ready_and_bytes_come_back)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_open(&p, k));
		p.b.echo = true;
		conn_write(p.a.c, S("hello"));
		RUN_UNTIL(p.loop, p.a.got.len == 5);
		CHECK(slice_eq(buf_slice(&p.a.got), S("hello")));
		CHECK_EQ_U64(p.a.readies, 1);
		CHECK_EQ_U64(p.b.readies, 1);
		CHECK(conn_is_tls(p.a.c) == (k == TLS));
		pair_done(&p);
	}
}

TEST(many_sizes_arrive_unchanged)
{
	static const size_t sizes[] = { 1,     100,   8191,  8192,  8193,
					16383, 16384, 65536, 65537, 400000 };

	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;
		auto_buf struct buf sent = buf_make(2u << 20);

		CHECK(pair_open(&p, k));
		for (size_t i = 0; i < countof(sizes); i++)
			end_pattern(&sent, sizes[i]);
		for (size_t i = 0, at = 0; i < countof(sizes); i++) {
			conn_write(p.a.c,
				   slice_sub(buf_slice(&sent), at, sizes[i]));
			at += sizes[i];
		}
		RUN_UNTIL(p.loop, p.b.got.len >= sent.len);
		CHECK(slice_eq(buf_slice(&p.b.got), buf_slice(&sent)));
		pair_done(&p);
	}
}

TEST(what_is_written_before_ready_is_sent_then)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_listen(&p, k, NULL) && pair_connect(&p));
		conn_write(p.a.c, S("early "));
		conn_write(p.a.c, S("bird"));
		CHECK_EQ_U64(conn_pending(p.a.c), 10);
		RUN_UNTIL(p.loop, p.b.got.len == 10);
		CHECK(slice_eq(buf_slice(&p.b.got), S("early bird")));
		pair_done(&p);
	}
}

TEST(no_callback_comes_from_inside_a_call)
{
	struct pair p;

	CHECK(pair_listen(&p, TCP, NULL) && pair_connect(&p));
	CHECK_EQ_U64(p.a.readies + p.a.closes, 0);
	RUN_UNTIL(p.loop, p.a.readies == 1 && p.b.readies == 1);
	p.b.hold = true;
	conn_write(p.a.c, S("x"));
	RUN_UNTIL(p.loop, p.b.calls == 1);
	conn_resume(p.b.c);
	CHECK_EQ_U64(p.b.calls, 1);
	conn_close(p.a.c);
	CHECK_EQ_U64(p.a.closes, 0);
	pair_done(&p);
}

TEST(input_not_taken_is_offered_again_with_more)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_open(&p, k));
		p.b.take = 2;
		conn_write(p.a.c, S("abcd"));
		RUN_UNTIL(p.loop, p.b.calls == 1);
		CHECK_EQ_U64(p.b.offered, 4);
		run_for(p.loop, 20);
		CHECK_EQ_U64(p.b.calls, 1); /* not before there is more */

		conn_write(p.a.c, S("ef"));
		RUN_UNTIL(p.loop, p.b.calls == 2);
		CHECK_EQ_U64(p.b.offered, 4);
		conn_resume(p.b.c);
		RUN_UNTIL(p.loop, p.b.calls == 3);
		CHECK_EQ_U64(p.b.offered, 2);
		CHECK(slice_eq(buf_slice(&p.b.got), S("abcdef")));
		pair_done(&p);
	}
}

TEST(a_reader_that_takes_nothing_stops_the_writer)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;
		size_t left = 64u << 20;
		size_t before;

		CHECK(pair_open(&p, k));
		p.b.hold = true;
		do { /* until nothing moves any more */
			before = left;
			CHECK(!end_pump(&p.a, &left));
			run_for(p.loop, 10);
		} while (left < before);
		CHECK(conn_full(p.a.c));
		CHECK(conn_pending(p.a.c) < 2 * CONN_OUT_HIGH);
		CHECK_EQ_U64(p.b.offered, CONN_IN_MAX);
		CHECK((64u << 20) - left < 40u << 20); /* the kernel's part */
		pair_done(&p);
	}
}

TEST(a_big_transfer_survives_pauses)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		const size_t all = 6u << 20;
		struct pair p;
		size_t left = all;
		unsigned pauses = 0;

		CHECK(pair_open(&p, k));
		p.b.take = 50000;
		for (unsigned turn = 0; p.b.got.len < all && turn < 20000;
		     turn++) {
			size_t had = p.b.got.len;

			(void)end_pump(&p.a, &left);
			loop_run_once(p.loop, 5);
			if (turn % 16 == 0) {
				conn_pause(p.b.c);
				had = p.b.got.len;
				loop_run_once(p.loop, 1);
				loop_run_once(p.loop, 1);
				CHECK_EQ_U64(p.b.got.len, had);
				pauses++;
			}
			conn_resume(p.b.c);
		}
		CHECK_EQ_U64(p.b.got.len, all);
		CHECK(pauses > 3);
		CHECK(p.a.drains > 0);
		pair_done(&p);
	}
}

TEST(drained_comes_once_after_full_and_not_without)
{
	struct pair p;
	size_t left = 64u << 20;

	CHECK(pair_open(&p, TCP));
	conn_write(p.a.c, S("little"));
	RUN_UNTIL(p.loop, p.b.got.len == 6);
	CHECK_EQ_U64(p.a.drains, 0);

	conn_pause(p.b.c);
	while (!conn_full(p.a.c) || p.a.drains > 0) {
		(void)end_pump(&p.a, &left);
		p.a.drains = 0;
		loop_run_once(p.loop, 0);
	}
	CHECK_EQ_U64(p.a.drains, 0);
	conn_resume(p.b.c);
	RUN_UNTIL(p.loop, conn_pending(p.a.c) == 0);
	run_for(p.loop, 10);
	CHECK_EQ_U64(p.a.drains, 1);
	pair_done(&p);
}

TEST(a_writer_that_does_not_stop_is_broken)
{
	auto_buf struct buf block = buf_make(1u << 20);

	end_pattern(&block, 1u << 20);
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_open(&p, k));
		conn_pause(p.b.c);
		for (size_t i = 0; i < 64; i++)
			conn_write(p.a.c, buf_slice(&block));
		CHECK(conn_pending(p.a.c) <= 5u << 20);
		RUN_UNTIL(p.loop, p.a.closes == 1);
		CHECK(p.a.why.code == E_LIMIT);
		pair_done(&p);
	}
}

TEST(connecting_to_nobody_is_told_later_and_names_the_address)
{
	struct pair p;
	char text[ADDR_TEXT_SIZE];

	CHECK(pair_listen(&p, TCP, NULL));
	addr_text(&p.at, text);
	listener_close(p.ls);
	p.ls = NULL;
	CHECK(pair_connect(&p));
	CHECK_EQ_U64(p.a.closes, 0);
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == E_UNAVAIL);
	CHECK(strstr(p.a.why.text, text) != NULL);
	CHECK(strstr(p.a.why.text, "refused") != NULL);
	CHECK_EQ_U64(p.a.readies, 0);
	pair_done(&p);
}

TEST(a_tls_address_needs_tls)
{
	struct pair p;
	struct err err;
	struct conn *c = NULL;

	CHECK(pair_listen(&p, TCP, NULL));
	p.at.tls = true;
	CHECK(conn_connect(p.loop, &p.at, NULL, 1000, &end_events, &p.a, &c,
			   &err) == E_USAGE);
	CHECK(c == NULL);
	pair_done(&p);
}

TEST(a_silent_peer_times_out)
{
	struct pair p;
	struct err err;

	CHECK(pair_listen(&p, TCP, NULL)); /* never says a word of TLS */
	p.tls_a = pair_identity_client(NULL, NULL, false);
	CHECK(conn_connect(p.loop, &p.at, p.tls_a, 80, &end_events, &p.a,
			   &p.a.c, &err) == OK);
	p.b.hold = true;
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == E_IO);
	CHECK(strstr(p.a.why.text, "80 ms") != NULL);
	CHECK_EQ_U64(p.a.readies, 0);
	pair_done(&p);
}

TEST(a_silent_client_times_out)
{
	struct pair p;
	struct listener_settings set = { .handshake_ms = 60 };
	struct tls *none = NULL;

	CHECK(pair_listen(&p, TLS, &set));
	none = take(p.tls_a);
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(p.b.why.code == E_IO);
	CHECK(strstr(p.b.why.text, "60 ms") != NULL);
	tls_unref(none);
	pair_done(&p);
}

TEST(idle_connections_are_ended_and_busy_ones_are_not)
{
	for (enum kind k = TCP; k < KINDS; k += 2) {
		struct pair p;

		CHECK(pair_open(&p, k));
		conn_idle_limit(p.b.c, 90);
		for (size_t i = 0; i < 4; i++) {
			conn_write(p.a.c, S("x"));
			run_for(p.loop, 30);
		}
		CHECK_EQ_U64(p.b.closes, 0);
		RUN_UNTIL(p.loop, p.b.closes == 1);
		CHECK(p.b.why.code == E_IO);
		CHECK(strstr(p.b.why.text, "idle") != NULL);
		pair_done(&p);
	}
}

TEST(an_idle_limit_can_be_taken_back)
{
	struct pair p;

	CHECK(pair_open(&p, TCP));
	conn_idle_limit(p.b.c, 20);
	conn_idle_limit(p.b.c, 0);
	run_for(p.loop, 60);
	CHECK_EQ_U64(p.b.closes, 0);
	pair_done(&p);
}

TEST(new_handlers_get_what_the_old_ones_left)
{
	struct pair p;
	struct end other;

	CHECK(pair_open(&p, TCP));
	end_init(&other);
	p.b.take = 3;
	conn_write(p.a.c, S("GETrest"));
	conn_shutdown(p.a.c);
	RUN_UNTIL(p.loop, p.b.eofs == 1);
	conn_handlers(p.b.c, &end_events, &other);
	CHECK_EQ_U64(other.calls, 0);
	RUN_UNTIL(p.loop, other.eofs == 1);
	CHECK(slice_eq(buf_slice(&other.got), S("rest")));
	CHECK_EQ_U64(other.readies, 0);
	CHECK_EQ_U64(p.b.calls, 1);
	end_done(&other);
	pair_done(&p);
}

TEST(an_adopted_socket_is_a_connection)
{
	struct pair p;
	struct err err;
	int fd[2];

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	CHECK(conn_adopt(p.loop, fd[0], NULL, 0, &end_events, &p.a, &p.a.c,
			 &err) == OK);
	CHECK(conn_adopt(p.loop, fd[1], NULL, 0, &end_events, &p.b, &p.b.c,
			 &err) == OK);
	CHECK_STR_EQ(conn_peer_text(p.a.c), "unix");
	conn_write(p.a.c, S("through"));
	RUN_UNTIL(p.loop, p.b.got.len == 7);
	CHECK(p.a.readies == 1 && p.b.readies == 1);
	pair_done(&p);
}

TEST(a_broken_descriptor_is_not_adopted)
{
	struct pair p;
	struct err err;

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(conn_adopt(p.loop, -1, NULL, 0, &end_events, &p.a, &p.a.c,
			 &err) == E_IO);
	CHECK(p.a.c == NULL);
	pair_done(&p);
}

TEST(the_peer_has_a_text)
{
	struct pair p;

	CHECK(pair_open(&p, TCP));
	char text[ADDR_TEXT_SIZE];
	addr_text(&p.at, text);
	CHECK_STR_EQ(conn_peer_text(p.a.c), text);
	CHECK(strstr(conn_peer_text(p.b.c), "127.0.0.1:") != NULL);
	pair_done(&p);
}
