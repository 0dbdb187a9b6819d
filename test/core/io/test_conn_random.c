#include "core/cleanup.h"
#include "core/io/conn.h"
#include "test/core/io/pair.h"

/* Both ends do whatever comes to their minds, and what must always hold is
 * looked at: nothing is altered, lost before a clean end, or said after the
 * end.  The sanitizers see the rest. */

#define ROUNDS 40 /* a kind */
#define STEPS 60

struct player {
	struct conn *c;
	struct player *other;
	uint64_t *random;
	size_t sent, got; /* bytes; the byte at n is n * 7 + n / 251 */
	bool ended;	  /* sends no more */
	bool eof, closed, wrong;
	struct err why;
};

static uint64_t draw(uint64_t *state, uint64_t below)
{
	*state = *state * 6364136223846793005u + 1442695040888963407u;
	return (*state >> 33) % below;
}

static uint8_t byte_at(size_t n)
{
	return (uint8_t)(n * 7 + n / 251);
}

static size_t on_data(void *ctx, struct slice in)
{
	struct player *p = ctx;
	size_t n =
		draw(p->random, 3) == 0 ? draw(p->random, in.len + 1) : in.len;

	p->wrong |= p->closed || p->eof;
	for (size_t i = 0; i < n; i++)
		p->wrong |= in.p[i] != byte_at(p->got + i);
	p->got += n;
	if (n < in.len) /* else it would stay there for ever */
		conn_resume(p->c);
	if (draw(p->random, 20) == 0)
		conn_pause(p->c);
	return n;
}

static void on_eof(void *ctx)
{
	struct player *p = ctx;

	p->wrong |= p->closed || p->eof || !p->other->ended;
	p->wrong |= p->got > p->other->sent;
	p->eof = true;
}

static void on_closed(void *ctx, const struct err *why)
{
	struct player *p = ctx;

	p->wrong |= p->closed;
	p->closed = true;
	p->why = *why;
	if (draw(p->random, 2) == 0)
		conn_free(take(p->c));
}

static const struct conn_events events = {
	.data = on_data,
	.eof = on_eof,
	.closed = on_closed,
};

static void write_some(struct player *p)
{
	static uint8_t block[70000];
	size_t n = 1 + draw(p->random, draw(p->random, 2) ? 500 : 70000);

	if (p->ended || conn_full(p->c))
		return;
	for (size_t i = 0; i < n; i++)
		block[i] = byte_at(p->sent + i);
	conn_write(p->c, slice_make(block, n));
	p->sent += n;
}

static void end_one(struct player *p)
{
	static void (*const ways[])(
		struct conn *) = { conn_shutdown, conn_shutdown, conn_close };

	p->ended = true;
	ways[draw(p->random, countof(ways))](p->c);
}

static void drop(struct player *p)
{
	/* Over a unix socket that looks like an end. */
	p->ended |= strcmp(conn_peer_text(p->c), "unix") == 0;
	conn_free(take(p->c));
}

static void move(struct player *p)
{
	uint64_t what = draw(p->random, 40);

	if (p->c == NULL)
		return;
	if (what < 20)
		write_some(p);
	else if (what < 25)
		conn_pause(p->c);
	else if (what < 38)
		conn_resume(p->c);
	else if (what == 38)
		end_one(p);
	else if (draw(p->random, 10) == 0)
		drop(p);
}

static void adopt(struct end *e, struct player *p, struct player *other,
		  uint64_t *random)
{
	*p = (struct player){ .other = other, .random = random };
	p->c = take(e->c);
	conn_handlers(p->c, &events, p);
}

static bool play(enum kind kind, uint64_t seed)
{
	struct player a, b;
	struct pair pair;
	uint64_t random = seed;

	if (!pair_open(&pair, kind))
		return false;
	adopt(&pair.a, &a, &b, &random);
	adopt(&pair.b, &b, &a, &random);
	for (unsigned i = 0; i < STEPS && (a.c != NULL || b.c != NULL); i++) {
		move(draw(&random, 2) ? &a : &b);
		if (draw(&random, 2))
			loop_run_once(pair.loop, 0);
	}
	bool ok = EXPECT(!a.wrong && !b.wrong);
	conn_free(a.c);
	conn_free(b.c);
	pair_done(&pair);
	return ok;
}

TEST(random_play_alters_and_loses_nothing)
{
	for (enum kind k = TCP; k < KINDS; k++)
		for (uint64_t seed = 0; seed < ROUNDS; seed++)
			if (!play(k, seed * 1000 + k)) {
				printf("kind %d, seed %llu\n", k,
				       (unsigned long long)seed);
				return;
			}
}

/* Two ends that end well lose nothing at all. */
/* Both write, end and go on reading until the other has ended, too. */
static void play_to_the_end(enum kind k, uint64_t seed)
{
	struct player a, b;
	struct pair pair;
	uint64_t random = seed;

	CHECK(pair_open(&pair, k));
	adopt(&pair.a, &a, &b, &random);
	adopt(&pair.b, &b, &a, &random);
	for (unsigned i = 0; i < 30; i++) {
		write_some(draw(&random, 2) ? &a : &b);
		if (draw(&random, 3) == 0)
			loop_run_once(pair.loop, 0);
	}
	a.ended = b.ended = true;
	conn_shutdown(a.c);
	conn_shutdown(b.c);
	for (unsigned i = 0; i < 3000 && !(a.eof && b.eof); i++) {
		conn_resume(a.c);
		conn_resume(b.c);
		loop_run_once(pair.loop, 1);
	}
	CHECK(a.eof && b.eof && !a.wrong && !b.wrong);
	CHECK_EQ_U64(a.got, b.sent);
	CHECK_EQ_U64(b.got, a.sent);
	conn_free(a.c);
	conn_free(b.c);
	pair_done(&pair);
}

TEST(everything_arrives_before_a_clean_end)
{
	for (enum kind k = TCP; k < KINDS; k++)
		for (uint64_t seed = 1; seed < 15; seed++)
			play_to_the_end(k, seed);
}
