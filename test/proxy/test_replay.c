#include "proxy/replay.h"

#include "core/cleanup.h"
#include "test/test.h"

static struct replay *cache(size_t max)
{
	struct replay *r;
	struct err err;

	return EXPECT(replay_new(max, &r, &err) == OK) ? r : NULL;
}

/* Add the nonce that is this number, as 32 bytes. */
static enum status add(struct replay *r, uint64_t key, uint64_t nonce)
{
	uint8_t bytes[32] = { 0 };
	struct err err;

	memcpy(bytes + 24, &nonce, sizeof(nonce));
	enum status got = replay_check_and_add(r, key, slice_of(bytes), &err);
	EXPECT(got == OK || (err.code == got && err.text[0] != '\0'));
	return got;
}

TEST(what_was_used_once_is_refused_for_ever)
{
	auto_replay struct replay *r = cache(0);

	CHECK(add(r, 1, 5) == OK);
	for (int i = 0; i < 3; i++)
		CHECK(add(r, 1, 5) == E_CONFLICT);
	CHECK(add(r, 1, 6) == OK);
	CHECK(add(r, 1, 5) == E_CONFLICT);
	CHECK_EQ_U64(replay_count(r), 2);
}

TEST(keys_are_apart)
{
	auto_replay struct replay *r = cache(0);

	CHECK(add(r, 1, 5) == OK);
	CHECK(add(r, 2, 5) == OK);
	CHECK(add(r, 0, 5) == OK);
	CHECK(add(r, UINT64_MAX, 5) == OK);
	CHECK(add(r, 2, 5) == E_CONFLICT);
	CHECK_EQ_U64(replay_count(r), 4);
}

TEST(many_nonces_are_all_remembered)
{
	auto_replay struct replay *r = cache(0);

	for (uint64_t i = 0; i < 20000; i++)
		CHECK(add(r, i % 3, i) == OK);
	CHECK_EQ_U64(replay_count(r), 20000);
	for (uint64_t i = 0; i < 20000; i++)
		CHECK(add(r, i % 3, i) == E_CONFLICT);
	CHECK_EQ_U64(replay_count(r), 20000);
}

TEST(a_key_is_forgotten_at_once_and_alone)
{
	auto_replay struct replay *r = cache(0);

	for (uint64_t i = 0; i < 1000; i++)
		CHECK(add(r, 1, i) == OK && add(r, 2, i) == OK);
	replay_forget(r, 1);
	CHECK_EQ_U64(replay_count(r), 1000);
	CHECK(add(r, 2, 7) == E_CONFLICT);
	CHECK(add(r, 1, 7) == OK);
	replay_forget(r, 99);
	CHECK_EQ_U64(replay_count(r), 1001);
}

TEST(a_full_cache_refuses_and_forgets_nothing)
{
	auto_replay struct replay *r = cache(100);

	for (uint64_t i = 0; i < 100; i++)
		CHECK(add(r, i % 2, i) == OK);
	for (uint64_t i = 0; i < 100; i++) {
		CHECK(add(r, 1, 1000 + i) == E_LIMIT);
		CHECK(add(r, i % 2, i) == E_CONFLICT);
	}
	CHECK_EQ_U64(replay_count(r), 100);
	replay_forget(r, 0);
	CHECK(add(r, 1, 1000) == OK);
	CHECK(add(r, 1, 1) == E_CONFLICT);
}

TEST(the_number_of_keys_is_limited)
{
	auto_replay struct replay *r = cache(0);

	for (uint64_t i = 0; i < REPLAY_KEYS_MAX; i++)
		CHECK(add(r, i, 1) == OK);
	CHECK(add(r, REPLAY_KEYS_MAX, 1) == E_LIMIT);
	CHECK(add(r, 0, 2) == OK);
	replay_forget(r, 3);
	CHECK(add(r, REPLAY_KEYS_MAX, 1) == OK);
	CHECK(add(r, 4, 1) == E_CONFLICT);
}

TEST(a_refused_nonce_takes_no_place)
{
	auto_replay struct replay *r = cache(1);

	CHECK(add(r, 1, 1) == OK);
	CHECK(add(r, 2, 1) == E_LIMIT);
	replay_forget(r, 1);
	CHECK(add(r, 2, 1) == OK);
}

TEST(nonces_of_any_length_differ)
{
	auto_replay struct replay *r = cache(0);
	uint8_t zeros[64] = { 0 };
	struct err err;

	for (size_t n = 0; n <= sizeof(zeros); n++)
		CHECK(replay_check_and_add(r, 1, slice_make(zeros, n), &err) ==
		      OK);
}
