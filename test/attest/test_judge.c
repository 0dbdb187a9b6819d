#include "attest/judge.h"

#include <sys/socket.h>
#include <unistd.h>

#include "attest/messages.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/chan.h"
#include "test/attest/as_world.h"
#include "test/attest/hw_world.h"

#define WAIT_MS 8000

/* The judge in its own process, and a case that it accepts. */
struct court {
	struct as_world w;
	int fd; /* the keeper's end */
	struct statement s;
	struct buf bundle;
	struct buf manifest; /* as sent */
	const char *group;
	int64_t now;
	uint8_t keys[32];
	struct slice roots; /* for tests */

	/* The verdict. */
	uint32_t id;
	enum status code;
	struct buf text, packed;
};

static void court_done(struct court *c)
{
	cleanup_fd(&c->fd);
	buf_done(&c->bundle);
	buf_done(&c->manifest);
	buf_done(&c->text);
	buf_done(&c->packed);
	as_world_done(&c->w);
}
#define auto_court __attribute__((cleanup(court_done)))

static void court_init(struct court *c)
{
	int fds[2] = { -1, -1 };
	struct err err;

	*c = (struct court){ .bundle = buf_make(EVIDENCE_MAX),
			     .manifest = buf_make(MANIFEST_MAX),
			     .text = buf_make(ERR_TEXT_MAX),
			     .packed = buf_make(64u << 10),
			     .group = "llama",
			     .now = clock_wall() };
	as_world_init(&c->w);
	EXPECT(chan_pair(fds, &err) == OK);
	c->w.proc[0] = as_world_role(&c->w, "judge", "-", &fds[1], 1);
	(void)close(fds[1]);
	c->fd = fds[0];
	buf_put(&c->manifest, buf_slice(&c->w.manifest_text));

	struct attempt a = { .options = c->w.options,
			     .root = buf_slice(&c->w.root) };
	a.statement = (struct statement){ .purpose = PURPOSE_WORKER,
					  .has_exporter = true,
					  .has_manifest = true,
					  .nonce = { 1 },
					  .exporter = { 2 },
					  .spki = { 3 } };
	memcpy(a.statement.manifest, c->w.manifest->digest, 32);
	keyset_digest(buf_slice(&c->w.keys), a.statement.keys);
	as_world_bundle(&a, &c->bundle);
	c->s = a.statement;
	memcpy(c->keys, c->s.keys, 32);
}

static void put_case(const struct court *c, uint32_t id, struct buf *out)
{
	buf_put_u32be(out, id);
	buf_put(out, slice_of(c->s.nonce));
	buf_put(out, slice_of(c->s.exporter));
	buf_put(out, slice_of(c->s.spki));
	buf_put(out, slice_of(c->keys));
	buf_put_u64be(out, (uint64_t)c->now);
	buf_put_field(out, c->roots);
	buf_put_field(out, buf_slice(&c->manifest));
	buf_put_field(out, slice_str(c->group));
	buf_put_field(out, buf_slice(&c->bundle));
}

static bool hear(struct court *c)
{
	auto_buf struct buf in = buf_make(MSG_BODY_MAX);
	struct err err;

	if (!EXPECT(chan_recv_now(c->fd, WAIT_MS, MSG_VERDICT, &in, NULL,
				  &err) == OK))
		return false;
	struct cursor r = cursor_make(buf_slice(&in));
	buf_clear(&c->text);
	buf_clear(&c->packed);
	c->id = cursor_u32be(&r);
	c->code = (enum status)cursor_u8(&r);
	buf_put(&c->text, cursor_field(&r));
	buf_put(&c->packed, cursor_field(&r));
	(void)cursor_bytes(&r, 32);
	return EXPECT(cursor_end(&r, "verdict", &err) == OK);
}

static enum status judged(struct court *c)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	static uint32_t id = 40;
	struct err err;

	put_case(c, ++id, &out);
	if (!EXPECT(chan_send_now(c->fd, MSG_CASE, buf_slice(&out), -1, &err) ==
		    OK) ||
	    !hear(c))
		return E_IO;
	EXPECT(c->id == id);
	/* A refusal says why, and nothing else is in it. */
	EXPECT((c->code == OK) == (c->packed.len > 0));
	EXPECT((c->code == OK) == (c->text.len == 0));
	return c->code;
}

TEST(a_good_case_gives_a_verdict_for_it)
{
	auto_court struct court c;
	auto_verdict struct verdict *v = NULL;
	struct err err;

	court_init(&c);
	CHECK(judged(&c) == OK);
	CHECK(verdict_unpack(buf_slice(&c.packed), &v, &err) == OK);
	CHECK(verdict_valid(v) && verdict_purpose(v) == PURPOSE_WORKER);
	CHECK_STR_EQ(verdict_policy(v), "p");
	CHECK(memcmp(verdict_nonce(v), c.s.nonce, 32) == 0);
	CHECK(memcmp(verdict_spki(v), c.s.spki, 32) == 0);
	CHECK(memcmp(verdict_keys(v), c.s.keys, 32) == 0);
	CHECK(memcmp(verdict_manifest(v), c.w.manifest->digest, 32) == 0);
}

TEST(each_fact_that_differs_is_a_refusal)
{
	auto_court struct court c;

	court_init(&c);
	uint8_t *const facts[] = { c.s.nonce, c.s.exporter, c.s.spki, c.keys };
	for (size_t i = 0; i < countof(facts); i++) {
		for (size_t at = 0; at < 32; at += 31) {
			facts[i][at] ^= 1;
			CHECK(judged(&c) == E_CRYPTO);
			facts[i][at] ^= 1;
		}
	}
	c.now += 7200; /* the device's certificate has ended */
	CHECK(judged(&c) == E_STALE);
	c.now = 0;
	CHECK(judged(&c) == E_STALE);
	c.now = clock_wall();
	CHECK(judged(&c) == OK);
}

TEST(another_group_or_manifest_is_a_refusal)
{
	auto_court struct court c;

	court_init(&c);
	c.group = "other";
	CHECK(judged(&c) == E_POLICY);
	c.group = "nope";
	CHECK(judged(&c) == E_POLICY);
	c.group = "";
	CHECK(judged(&c) == E_POLICY);
	c.group = "llama";
	buf_put_str(&c.manifest, " ");
	CHECK(judged(&c) == E_POLICY);
	buf_clear(&c.manifest);
	buf_put_str(&c.manifest, "{}");
	CHECK(judged(&c) == E_CONF);
	buf_clear(&c.manifest);
	CHECK(judged(&c) != OK);
}

TEST(bundles_cut_or_changed_anywhere_are_refusals_and_it_goes_on)
{
	auto_court struct court c;
	auto_buf struct buf good = buf_make(EVIDENCE_MAX);

	court_init(&c);
	buf_put(&good, buf_slice(&c.bundle));
	for (size_t n = 0; n < good.len; n += 61) {
		buf_clear(&c.bundle);
		buf_put(&c.bundle, slice_sub(buf_slice(&good), 0, n));
		CHECK(judged(&c) != OK);
	}
	for (size_t n = 0; n < good.len; n += 61) {
		buf_clear(&c.bundle);
		buf_put(&c.bundle, buf_slice(&good));
		c.bundle.mem[c.bundle.head + n] ^= 4;
		CHECK(judged(&c) != OK);
	}
	buf_clear(&c.bundle);
	buf_put(&c.bundle, buf_slice(&good));
	CHECK(judged(&c) == OK);
}

/* ---- Hardware ---- */

/* A case about a machine of forged hardware. */
static void put_machine(struct court *c, struct hw_world *w)
{
	memcpy(w->statement.manifest, w->manifest->digest, 32);
	hw_attest(w);
	c->s = w->statement;
	c->now = w->vc.now;
	memcpy(c->keys, c->s.keys, 32);
	buf_clear(&c->manifest);
	buf_put(&c->manifest, buf_slice(&w->manifest_text));
	buf_clear(&c->bundle);
	buf_put(&c->bundle, buf_slice(&w->bundle));
	c->roots = slice_make(w->roots[0], 32 * w->vc.n_trust_roots);
}

TEST(machines_of_hardware_are_judged_under_the_keeper_s_roots_alone)
{
	auto_court struct court c;
	auto_hw struct hw_world snp, tdx;
	struct hw_world *const worlds[] = { &snp, &tdx };

	court_init(&c);
	hw_snp(&snp, SNP_GENOA, SNP_KEY_VCEK, 3);
	hw_tdx(&tdx);
	hw_gpus(&tdx, 1);
	for (size_t i = 0; i < countof(worlds); i++) {
		put_machine(&c, worlds[i]);
		CHECK(judged(&c) == OK);
		c.roots = S("");
		CHECK(judged(&c) == E_CRYPTO);
	}
	CHECK(strstr(buf_cstr(&c.text), "tdx.chain.root") != NULL);
}

TEST(roots_of_another_form_are_refused)
{
	auto_court struct court c;
	uint8_t roots[32 * (TEE_ROOTS_MAX + 1)] = { 0 };
	static const size_t bad[] = { 1, 31, 33, sizeof(roots) };

	court_init(&c);
	for (size_t i = 0; i < countof(bad); i++) {
		c.roots = slice_make(roots, bad[i]);
		CHECK(judged(&c) == E_PARSE);
	}
	c.roots = slice_make(roots, 32 * TEE_ROOTS_MAX);
	CHECK(judged(&c) == OK);
}

/* The judge speaks with the keeper alone: what breaks the rules of their
 * channel is no bad evidence, and ends it. */
TEST(a_message_of_another_kind_ends_it)
{
	static const struct {
		uint32_t type;
		size_t len;
	} bad[] = { { MSG_VERDICT, 200 }, { MSG_CASE, 155 }, { 0, 0 } };

	for (size_t i = 0; i < countof(bad); i++) {
		auto_court struct court c;
		uint8_t zero[256] = { 0 };
		char byte;
		struct err err;

		court_init(&c);
		CHECK(chan_send_now(c.fd, bad[i].type,
				    slice_make(zero, bad[i].len), -1,
				    &err) == OK);
		CHECK(recv(c.fd, &byte, 1, 0) <= 0);
	}
}

TEST(a_case_whose_lengths_lie_is_refused)
{
	auto_court struct court c;
	auto_buf struct buf out = buf_make(MSG_BODY_MAX);
	struct err err;

	court_init(&c);
	put_case(&c, 7, &out);
	for (size_t n = 156; n < out.len; n += 997) {
		CHECK(chan_send_now(c.fd, MSG_CASE,
				    slice_sub(buf_slice(&out), 0, n), -1,
				    &err) == OK);
		CHECK(hear(&c) && c.id == 7 && c.code == E_PARSE);
	}
	buf_put_u8(&out, 0);
	CHECK(chan_send_now(c.fd, MSG_CASE, buf_slice(&out), -1, &err) == OK);
	CHECK(hear(&c) && c.code == E_PARSE && c.packed.len == 0);
}
