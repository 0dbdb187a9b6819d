#include "core/cleanup.h"
#include "core/io/conn.h"
#include "test/core/io/pair.h"

TEST(either_direction_ends_alone)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_open(&p, k));
		conn_write(p.a.c, S("question"));
		conn_shutdown(p.a.c);
		conn_write(p.a.c, S("ignored"));
		RUN_UNTIL(p.loop, p.b.eofs == 1);
		CHECK(slice_eq(buf_slice(&p.b.got), S("question")));
		CHECK_EQ_U64(p.a.eofs + p.a.closes + p.b.closes, 0);

		conn_write(p.b.c, S("answer"));
		conn_shutdown(p.b.c);
		RUN_UNTIL(p.loop, p.a.eofs == 1);
		CHECK(slice_eq(buf_slice(&p.a.got), S("answer")));
		run_for(p.loop, 20);
		CHECK_EQ_U64(p.a.eofs + p.b.eofs, 2);
		CHECK_EQ_U64(p.a.closes + p.b.closes, 0);
		pair_done(&p);
	}
}

TEST(eof_waits_for_a_paused_reader_and_its_input)
{
	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;

		CHECK(pair_open(&p, k));
		conn_pause(p.b.c);
		conn_write(p.a.c, S("last words"));
		conn_shutdown(p.a.c);
		run_for(p.loop, 30);
		CHECK_EQ_U64(p.b.eofs + p.b.calls, 0);
		conn_resume(p.b.c);
		RUN_UNTIL(p.loop, p.b.eofs == 1);
		CHECK(slice_eq(buf_slice(&p.b.got), S("last words")));
		pair_done(&p);
	}
}

TEST(eof_comes_over_input_that_will_never_be_complete)
{
	struct pair p;

	CHECK(pair_open(&p, TCP));
	p.b.hold = true;
	conn_write(p.a.c, S("GET / HT"));
	conn_shutdown(p.a.c);
	RUN_UNTIL(p.loop, p.b.eofs == 1);
	CHECK_EQ_U64(p.b.calls, 1);
	pair_done(&p);
}

TEST(close_sends_everything_first)
{
	const size_t all = 2u << 20;

	for (enum kind k = TCP; k < KINDS; k++) {
		struct pair p;
		auto_buf struct buf sent = buf_make(all);

		CHECK(pair_open(&p, k));
		end_pattern(&sent, all);
		conn_write(p.a.c, buf_slice(&sent));
		conn_close(p.a.c);
		conn_write(p.a.c, S("ignored"));
		RUN_UNTIL(p.loop, p.b.eofs == 1);
		CHECK(slice_eq(buf_slice(&p.b.got), buf_slice(&sent)));
		CHECK_EQ_U64(p.b.closes, 0);
		conn_close(p.b.c);
		RUN_UNTIL(p.loop, p.a.closes == 1 && p.b.closes == 1);
		CHECK(p.a.why.code == OK && p.b.why.code == OK);
		pair_done(&p);
	}
}

TEST(close_does_not_wait_long_for_a_peer_that_stays)
{
	struct pair p;
	int64_t start = clock_mono_ms();

	CHECK(pair_open(&p, TCP));
	conn_close(p.a.c);
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == OK);
	CHECK(clock_mono_ms() - start < 2500);
	CHECK_EQ_U64(p.b.eofs, 1);
	pair_done(&p);
}

TEST(close_over_unread_input_does_not_reset)
{
	struct pair p;

	CHECK(pair_open(&p, TCP));
	conn_pause(p.b.c);
	conn_write(p.a.c, S("a long request that is refused unread"));
	run_for(p.loop, 20);
	conn_write(p.b.c, S("413"));
	conn_close(p.b.c);
	RUN_UNTIL(p.loop, p.a.eofs == 1);
	CHECK(slice_eq(buf_slice(&p.a.got), S("413")));
	conn_write(p.a.c, S("and more of it"));
	conn_close(p.a.c);
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(p.b.why.code == OK);
	pair_done(&p);
}

TEST(close_before_anything_is_there_is_fine)
{
	struct pair p;

	CHECK(pair_listen(&p, TCP, NULL) && pair_connect(&p));
	conn_close(p.a.c);
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == OK);
	CHECK_EQ_U64(p.a.readies, 0);
	conn_close(p.a.c); /* nothing more happens */
	conn_shutdown(p.a.c);
	conn_write(p.a.c, S("x"));
	run_for(p.loop, 10);
	CHECK_EQ_U64(p.a.closes, 1);
	pair_done(&p);
}

TEST(an_abort_is_an_error_to_the_peer)
{
	static const enum kind kinds[] = { TCP, TLS };

	for (size_t i = 0; i < countof(kinds); i++) {
		struct pair p;

		CHECK(pair_open(&p, kinds[i]));
		conn_write(p.a.c, S("half a mess"));
		RUN_UNTIL(p.loop, p.b.got.len > 0);
		conn_abort(p.a.c);
		RUN_UNTIL(p.loop, p.b.closes == 1);
		CHECK(p.b.why.code == E_IO);
		CHECK_EQ_U64(p.b.eofs, 0);
		run_for(p.loop, 10);
		CHECK_EQ_U64(p.a.closes, 0);
		pair_done(&p);
	}
}

TEST(free_of_an_open_connection_is_an_abort)
{
	struct pair p;

	CHECK(pair_open(&p, TCP));
	conn_free(p.a.c);
	p.a.c = NULL;
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(p.b.why.code == E_IO);
	CHECK_EQ_U64(p.b.eofs, 0);
	pair_done(&p);
}

TEST(a_reset_is_seen_while_paused)
{
	struct pair p;
	int64_t start = clock_mono_ms();

	CHECK(pair_open(&p, TCP));
	conn_pause(p.b.c);
	run_for(p.loop, 10);
	conn_abort(p.a.c);
	RUN_UNTIL(p.loop, p.b.closes == 1);
	CHECK(p.b.why.code == E_IO);
	CHECK(clock_mono_ms() - start < 1000);
	pair_done(&p);
}

TEST(an_answer_before_a_reset_is_read)
{
	static const uint8_t rest[20000];
	struct pair p;

	CHECK(pair_open(&p, TCP));
	conn_pause(p.a.c);
	conn_write(p.b.c, S("413 too large"));
	RUN_UNTIL(p.loop, conn_pending(p.b.c) == 0);
	conn_abort(p.b.c);
	conn_resume(p.a.c);
	conn_write(p.a.c, slice_of(rest)); /* fails at once */
	CHECK_EQ_U64(p.a.calls + p.a.closes, 0);
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(slice_eq(buf_slice(&p.a.got), S("413 too large")));
	CHECK(p.a.why.code == E_IO);
	CHECK_EQ_U64(p.a.eofs, 0);
	pair_done(&p);
}

/* The connection is freed in one callback after the other; what must not
 * happen is seen by the sanitizers. */
static bool exercise(struct pair *p, size_t *left)
{
	conn_write(p->b.c, S("hello"));
	RUN_UNTIL(p->loop, p->a.got.len == 5 || p->a.c == NULL);
	conn_pause(p->b.c);
	while (p->a.c != NULL && !conn_full(p->a.c)) {
		(void)end_pump(&p->a, left);
		loop_run_once(p->loop, 0);
	}
	conn_resume(p->b.c);
	RUN_UNTIL(p->loop, p->a.c == NULL || p->a.drains > 0);
	if (p->a.c != NULL && p->a.frees == IN_CLOSED)
		conn_abort(p->b.c);
	else
		conn_shutdown(p->b.c);
	return RUN_UNTIL(p->loop, p->a.c == NULL);
}

TEST(it_may_be_freed_in_each_callback)
{
	for (enum kind k = TCP; k < KINDS; k++)
		for (enum spot s = IN_READY; s <= IN_CLOSED; s++) {
			struct pair p;
			size_t left = 64u << 20;

			if (s == IN_CLOSED && k == UNIX)
				continue; /* knows no reset */
			CHECK(pair_listen(&p, k, NULL));
			p.a.frees = s;
			CHECK(pair_connect(&p));
			RUN_UNTIL(p.loop, p.b.readies > 0 || p.b.closes > 0);
			if (s != IN_READY)
				CHECK(exercise(&p, &left));
			CHECK(RUN_UNTIL(p.loop, p.a.c == NULL));
			run_for(p.loop, 5);
			pair_done(&p);
		}
}
