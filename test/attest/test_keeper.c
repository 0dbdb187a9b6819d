#include "attest/keeper.h"

#include <signal.h>
#include <sys/socket.h>
#include <unistd.h>

#include "attest/messages.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/chan.h"
#include "core/json.h"
#include "test/attest/as_world.h"

#define WAIT_MS 8000

/* The keeper in its own process; the test is both net and judge. */
struct bench {
	struct as_world w;
	int net, judge;
	uint32_t id;

	/* The last MSG_PUBLIC, and the last MSG_REPLY. */
	uint8_t state;
	uint64_t log_size;
	uint8_t hpke[32];
	enum status code;
	struct buf rest; /* of the reply */
	struct err err;
};

static void bench_done(struct bench *b)
{
	cleanup_fd(&b->net);
	cleanup_fd(&b->judge);
	buf_done(&b->rest);
	as_world_done(&b->w);
}
#define auto_bench __attribute__((cleanup(bench_done)))

static bool hear_public(struct bench *b)
{
	auto_buf struct buf in = buf_make(MSG_BODY_MAX);
	auto_keyset_as struct keyset_as k;

	keyset_as_init(&k);
	if (!EXPECT(chan_recv_now(b->net, WAIT_MS, MSG_PUBLIC, &in, NULL,
				  &b->err) == OK))
		return false;
	struct cursor c = cursor_make(buf_slice(&in));
	b->state = cursor_u8(&c);
	(void)cursor_bytes(&c, 32);
	b->log_size = cursor_u64be(&c);
	(void)cursor_bytes(&c, 32);
	(void)cursor_field(&c);
	struct slice keys = cursor_field(&c);
	if (!EXPECT(cursor_end(&c, "public", &b->err) == OK) ||
	    !EXPECT(keyset_as_parse(keys, &k, &b->err) == OK))
		return false;
	memcpy(b->hpke, k.hpke, 32);
	return true;
}

static void bench_new(struct bench *b)
{
	int net[2] = { -1, -1 }, judge[2] = { -1, -1 };

	*b = (struct bench){ .rest = buf_make(MSG_BODY_MAX) };
	as_world_init(&b->w);
	EXPECT(chan_pair(net, &b->err) == OK);
	EXPECT(chan_pair(judge, &b->err) == OK);
	const int fds[] = { net[1], judge[1] };
	b->w.proc[0] = as_world_role(&b->w, "keeper", "memory", fds, 2);
	(void)close(net[1]);
	(void)close(judge[1]);
	b->net = net[0];
	b->judge = judge[0];
	EXPECT(hear_public(b) && b->state == STATE_UNINITIALIZED);
}

static void ask(struct bench *b, uint32_t type, struct slice body)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);

	buf_put_u32be(&out, ++b->id);
	buf_put(&out, body);
	EXPECT(chan_send_now(b->net, type, buf_slice(&out), -1, &b->err) == OK);
}

static enum status reply(struct bench *b, uint32_t id)
{
	auto_buf struct buf in = buf_make(MSG_BODY_MAX);

	if (!EXPECT(chan_recv_now(b->net, WAIT_MS, MSG_REPLY, &in, NULL,
				  &b->err) == OK))
		return E_IO;
	struct cursor c = cursor_make(buf_slice(&in));
	EXPECT(cursor_u32be(&c) == id);
	b->code = (enum status)cursor_u8(&c);
	buf_clear(&b->rest);
	buf_put(&b->rest, c.rest);
	return b->code;
}

static bool initialize(struct bench *b)
{
	auto_buf struct buf sealed = buf_make(65536);
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);

	as_world_seal(b->hpke, b->w.manifest->digest,
		      "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}", &sealed);
	buf_put_field(&out, buf_slice(&b->w.manifest_text));
	buf_put_field(&out, buf_slice(&sealed));
	ask(b, MSG_INIT, buf_slice(&out));
	return hear_public(b) && EXPECT(b->state == STATE_SERVING) &&
	       EXPECT(reply(b, b->id) == OK);
}

static void nonce(struct bench *b, uint8_t out[32])
{
	ask(b, MSG_NONCE, S(""));
	EXPECT(reply(b, b->id) == OK && b->rest.len == 32);
	memcpy(out, buf_slice(&b->rest).p, 32);
}

/* Register with whatever bundle; the judge is us. */
static void put_registration(struct bench *b, const uint8_t n[32],
			     struct buf *out)
{
	static const uint8_t exporter[32];

	buf_put_u8(out, 0);
	buf_put(out, slice_make(n, 32));
	buf_put(out, slice_of(exporter));
	buf_put(out, slice_of(b->w.spki));
	buf_put_field(out, S("llama"));
	buf_put_field(out, S("worker-1"));
	buf_put_field(out, buf_slice(&b->w.keys));
	buf_put_field(out, S("{}"));
}

static void register_it(struct bench *b, const uint8_t n[32])
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);

	put_registration(b, n, &out);
	ask(b, MSG_REGISTER, buf_slice(&out));
}

/* As the judge: the id of the next case. */
static uint32_t hear_case(struct bench *b)
{
	auto_buf struct buf in = buf_make(MSG_BODY_MAX);

	if (!EXPECT(chan_recv_now(b->judge, WAIT_MS, MSG_CASE, &in, NULL,
				  &b->err) == OK))
		return 0;
	struct cursor c = cursor_make(buf_slice(&in));
	return cursor_u32be(&c);
}

static void say(struct bench *b, uint32_t id, enum status code,
		struct slice text, struct slice packed)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	static const uint8_t statement[32] = { 5 };

	buf_put_u32be(&out, id);
	buf_put_u8(&out, (uint8_t)code);
	buf_put_field(&out, text);
	buf_put_field(&out, packed);
	buf_put(&out, slice_of(statement));
	EXPECT(chan_send_now(b->judge, MSG_VERDICT, buf_slice(&out), -1,
			     &b->err) == OK);
}

/* Its end of the channel has closed. */
static bool ended(struct bench *b)
{
	char byte;
	int64_t until = clock_mono_ms() + WAIT_MS;
	ssize_t n;

	do
		n = recv(b->net, &byte, 1, 0);
	while (n > 0 && clock_mono_ms() < until);
	return n <= 0;
}

TEST(a_worker_gets_what_the_verdict_allows_and_nothing_else)
{
	auto_bench struct bench b;
	auto_verdict struct verdict *v = NULL;
	auto_buf struct buf packed = buf_make(65536);
	uint8_t n[32];

	bench_new(&b);
	CHECK(initialize(&b));
	CHECK(b.log_size == 1);

	/* The judge refuses. */
	nonce(&b, n);
	register_it(&b, n);
	say(&b, hear_case(&b), E_POLICY, S("not that one"), S(""));
	CHECK(reply(&b, b.id) == E_POLICY);
	CHECK(memmem(buf_slice(&b.rest).p, b.rest.len, "not that one", 12) !=
	      NULL);

	/* It says yes, but has no verdict; or one for another connection: this
	 * one is genuine, of the nonce 0. */
	nonce(&b, n);
	register_it(&b, n);
	say(&b, hear_case(&b), OK, S(""), S(""));
	CHECK(reply(&b, b.id) != OK);
	v = as_world_verdict(&b.w, PURPOSE_WORKER, buf_slice(&b.w.keys),
			     "llama");
	verdict_pack(v, &packed);
	nonce(&b, n);
	register_it(&b, n);
	say(&b, hear_case(&b), OK, S(""), buf_slice(&packed));
	CHECK(reply(&b, b.id) == E_POLICY);

	/* An answer that nobody asked for is nobody's. */
	say(&b, 4711, OK, S(""), buf_slice(&packed));
	ask(&b, MSG_WORKERS, S(""));
	CHECK(reply(&b, b.id) == OK);
	CHECK(slice_eq(buf_slice(&b.rest), S("[]")));
}

TEST(before_the_judge_is_asked_state_and_nonce_are_looked_at)
{
	auto_bench struct bench b;
	uint8_t n[32] = { 0 };

	bench_new(&b);
	register_it(&b, n);
	CHECK(reply(&b, b.id) == E_UNAVAIL);
	CHECK(initialize(&b));
	register_it(&b, n);
	CHECK(reply(&b, b.id) == E_CRYPTO);
	nonce(&b, n);
	register_it(&b, n);
	uint32_t id = hear_case(&b);
	register_it(&b, n); /* a second time, while the first is judged */
	CHECK(reply(&b, b.id) == E_CRYPTO);
	say(&b, id, E_STALE, S("x"), S(""));
	CHECK(reply(&b, b.id - 1) == E_STALE);
}

TEST(a_rush_of_registrations_is_refused_and_breaks_nothing)
{
	auto_bench struct bench b;
	uint32_t ids[256];
	uint8_t n[32];

	bench_new(&b);
	CHECK(initialize(&b));
	for (size_t i = 0; i < countof(ids); i++) {
		nonce(&b, n);
		register_it(&b, n);
		ids[i] = hear_case(&b);
	}
	nonce(&b, n);
	register_it(&b, n);
	CHECK(reply(&b, b.id) == E_UNAVAIL);
	say(&b, ids[3], E_POLICY, S(""), S(""));
	CHECK(reply(&b, b.id - 2 * (256 - 3)) == E_POLICY);
	nonce(&b, n);
	register_it(&b, n);
	CHECK(hear_case(&b) != 0);
}

TEST(the_end_of_the_judge_is_its_end)
{
	auto_bench struct bench b;

	bench_new(&b);
	cleanup_fd(&b.judge);
	CHECK(ended(&b));
}

TEST(a_judge_that_breaks_the_rules_is_its_end)
{
	static const struct {
		uint32_t type;
		size_t len;
	} bad[] = { { MSG_VERDICT, 46 }, { MSG_VERDICT, 44 }, { MSG_CASE, 9 } };

	for (size_t i = 0; i < countof(bad); i++) {
		auto_bench struct bench b;
		uint8_t junk[64];

		memset(junk, 0xff, sizeof(junk));
		bench_new(&b);
		CHECK(chan_send_now(b.judge, bad[i].type,
				    slice_make(junk, bad[i].len), -1,
				    &b.err) == OK);
		CHECK(ended(&b));
	}
}

TEST(a_net_that_breaks_the_rules_is_cut_off)
{
	static const struct {
		uint32_t type;
		size_t len;
	} bad[] = { { MSG_PUBLIC, 100 }, { MSG_ATTEST, 99 },
		    { MSG_ATTEST, 101 }, { MSG_NONCE, 5 },
		    { MSG_VERDICT, 64 }, { 99, 4 } };

	for (size_t i = 0; i < countof(bad); i++) {
		auto_bench struct bench b;
		uint8_t junk[128] = { 0 };

		bench_new(&b);
		CHECK(chan_send_now(b.net, bad[i].type,
				    slice_make(junk, bad[i].len), -1,
				    &b.err) == OK);
		CHECK(ended(&b));
	}
}

TEST(lengths_that_lie_are_refused_and_it_goes_on)
{
	auto_bench struct bench b;
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	uint8_t n[32];

	bench_new(&b);
	ask(&b, MSG_INIT, S("\0\0\xff\xff\0\0\0\0"));
	CHECK(reply(&b, b.id) == E_PARSE);
	CHECK(initialize(&b));
	nonce(&b, n);
	put_registration(&b, n, &out);
	for (size_t len = 113; len < out.len; len += 7) {
		ask(&b, MSG_REGISTER, slice_sub(buf_slice(&out), 0, len));
		CHECK(reply(&b, b.id) == E_PARSE);
	}
	register_it(&b, n); /* and the nonce is still good */
	CHECK(hear_case(&b) != 0);
}

TEST(evidence_is_bound_to_what_net_tells_of_the_connection)
{
	auto_bench struct bench b;
	auto_evidence struct evidence e;
	uint8_t facts[96];

	evidence_init(&e);
	bench_new(&b);
	memset(facts, 1, 32);
	memset(facts + 32, 2, 32);
	memset(facts + 64, 3, 32);
	ask(&b, MSG_ATTEST, slice_of(facts));
	CHECK(reply(&b, b.id) == OK);
	struct cursor c = cursor_make(buf_slice(&b.rest));
	struct slice bundle = cursor_field(&c);
	struct slice keys = cursor_field(&c);
	struct statement s;
	uint8_t digest[32];

	CHECK(cursor_end(&c, "attestation", &b.err) == OK);
	CHECK(evidence_parse(bundle, &e, &b.err) == OK);
	CHECK(statement_parse(buf_slice(&e.statement), &s, &b.err) == OK);
	CHECK(s.purpose == PURPOSE_AS && !s.has_manifest && s.has_exporter);
	CHECK(memcmp(s.nonce, facts, 32) == 0);
	CHECK(memcmp(s.exporter, facts + 32, 32) == 0);
	CHECK(memcmp(s.spki, facts + 64, 32) == 0);
	keyset_digest(keys, digest);
	CHECK(memcmp(s.keys, digest, 32) == 0);
}
