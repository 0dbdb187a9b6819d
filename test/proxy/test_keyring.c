#include "proxy/keyring.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "proxy/ohttp.h"
#include "test/test.h"

/* The serials that were told to be gone. */
struct gone {
	uint64_t serial[100];
	size_t n;
};

static void on_gone(void *ctx, uint64_t serial)
{
	struct gone *g = ctx;

	if (EXPECT(g->n < countof(g->serial)))
		g->serial[g->n++] = serial;
}

static bool was_told(const struct gone *g, uint64_t serial)
{
	for (size_t i = 0; i < g->n; i++)
		if (g->serial[i] == serial)
			return true;
	return false;
}

static struct keyring *ring(struct gone *g)
{
	struct keyring *k;
	struct err err;

	g->n = 0;
	return EXPECT(keyring_new(on_gone, g, &k, &err) == OK) ? k : NULL;
}

/* A key with this id: private key of bytes seed, valid [from, until). */
struct row {
	uint8_t id, seed;
	int64_t from, until;
};

static enum status load(struct keyring *k, uint64_t revision,
			const struct row *rows, size_t n)
{
	auto_keybox struct keybox *box = NULL;
	auto_buf struct buf message = buf_make(10000);
	struct err err;

	TRY(keybox_new(&box, &err));
	box->revision = revision;
	for (; box->n_keys < n; box->n_keys++) {
		struct keybox_key *key = &box->keys[box->n_keys];
		const struct row *row = &rows[box->n_keys];

		key->id = row->id;
		key->not_before = row->from;
		key->not_after = row->until;
		memset(key->priv, row->seed, sizeof(key->priv));
	}
	(void)snprintf(box->statics[0].name, sizeof(box->statics[0].name),
		       "team-a");
	memset(box->statics[0].value, 7, 32);
	box->statics[0].len = 32;
	box->n_statics = 1;
	keybox_write(box, &message);
	return keyring_load(k, buf_slice(&message), &err);
}
#define LOAD(k, revision, ...)                                     \
	load((k), (revision), (const struct row[]){ __VA_ARGS__ }, \
	     sizeof((const struct row[]){ __VA_ARGS__ }) / sizeof(struct row))

TEST(a_key_is_found_by_its_id_while_it_is_valid)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);
	uint8_t want[32], pub[32];

	CHECK(keyring_find(k, 5, 100) == NULL);
	CHECK(LOAD(k, 1, { 5, 1, 100, 200 }, { 6, 2, 150, 250 }) == OK);
	CHECK(keyring_find(k, 5, 99) == NULL);
	CHECK(keyring_find(k, 5, 100) != NULL);
	CHECK(keyring_find(k, 5, 199) != NULL);
	CHECK(keyring_find(k, 5, 200) == NULL);
	CHECK(keyring_find(k, 6, 149) == NULL);
	CHECK(keyring_find(k, 7, 150) == NULL);

	const struct keyring_key *key = keyring_find(k, 6, 150);
	memset(want, 2, sizeof(want));
	x25519_public(want, pub);
	CHECK(key->id == 6 && memcmp(key->priv, want, 32) == 0);
	CHECK(memcmp(key->pub, pub, 32) == 0);
	CHECK(key->serial != keyring_find(k, 5, 150)->serial);
}

TEST(a_key_that_stays_keeps_its_serial)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);

	CHECK(LOAD(k, 1, { 5, 1, 0, 200 }, { 6, 2, 0, 250 }) == OK);
	uint64_t five = keyring_find(k, 5, 1)->serial;
	uint64_t six = keyring_find(k, 6, 1)->serial;

	CHECK(LOAD(k, 2, { 7, 3, 0, 300 }, { 6, 2, 0, 250 }) == OK);
	CHECK(keyring_find(k, 5, 1) == NULL);
	CHECK(keyring_find(k, 6, 1)->serial == six);
	uint64_t seven = keyring_find(k, 7, 1)->serial;
	CHECK(seven != five && seven != six);
	CHECK(g.n == 1 && was_told(&g, five));
}

TEST(another_key_of_the_same_id_is_another_key)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);

	CHECK(LOAD(k, 1, { 5, 1, 0, 200 }) == OK);
	uint64_t before = keyring_find(k, 5, 1)->serial;
	CHECK(LOAD(k, 2, { 5, 2, 0, 200 }) == OK);
	CHECK(keyring_find(k, 5, 1)->serial != before);
	CHECK(g.n == 1 && was_told(&g, before));
	/* And when the first comes back it is not known any more. */
	CHECK(LOAD(k, 3, { 5, 1, 0, 200 }) == OK);
	CHECK(keyring_find(k, 5, 1)->serial != before);
}

TEST(keys_end_by_the_clock_and_are_wiped)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);

	CHECK(LOAD(k, 1, { 5, 1, 0, 200 }, { 6, 2, 100, 250 },
		   { 7, 3, 300, 400 }) == OK);
	const struct keyring_key *key = keyring_find(k, 5, 1);
	const uint8_t *priv = key->priv;
	uint64_t serial = key->serial;

	CHECK(keyring_expire(k, 199) == 3);
	CHECK(g.n == 0);
	CHECK(keyring_expire(k, 200) == 2);
	CHECK(g.n == 1 && g.serial[0] == serial);
	CHECK(all_zero(priv, 32));
	CHECK(keyring_find(k, 5, 1) == NULL);
	CHECK(keyring_find(k, 6, 200) != NULL);
	CHECK(keyring_expire(k, 200) == 2 && g.n == 1);
	CHECK(keyring_expire(k, 1000) == 0 && g.n == 3);
}

TEST(a_message_that_is_refused_changes_nothing)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);
	struct err err;

	CHECK(LOAD(k, 5, { 5, 1, 0, 200 }) == OK);
	const struct keyring_key *key = keyring_find(k, 5, 1);

	CHECK(keyring_load(k, S(""), &err) == E_PARSE);
	CHECK(keyring_load(k, S("\1\0\0\0\0\0\0\0\7\0\1"), &err) == E_PARSE);
	CHECK(LOAD(k, 6, { 5, 2, 200, 200 }) == E_PARSE);
	CHECK(LOAD(k, 6, { 5, 2, 0, 200 }, { 5, 3, 0, 200 }) == E_PARSE);
	CHECK(LOAD(k, 4, { 5, 2, 0, 200 }) == E_CONFLICT);
	CHECK(keyring_find(k, 5, 1) == key && g.n == 0);
	CHECK(keyring_revision(k) == 5);
	CHECK(slice_eq(keyring_static(k, S("team-a")),
		       S("\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7"
			 "\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7\7")));
}

TEST(the_same_revision_may_come_again_and_an_older_one_not)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);

	CHECK(keyring_revision(k) == 0);
	CHECK(LOAD(k, 5, { 5, 1, 0, 200 }) == OK);
	CHECK(LOAD(k, 5, { 5, 1, 0, 200 }) == OK);
	CHECK(g.n == 0);
	keyring_wipe(k);
	CHECK(LOAD(k, 4, { 5, 1, 0, 200 }) == E_CONFLICT);
	CHECK(keyring_find(k, 5, 1) == NULL);
	CHECK(LOAD(k, 5, { 5, 1, 0, 200 }) == OK);
}

TEST(a_wiped_ring_has_nothing)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);
	auto_buf struct buf out = buf_make(1000);
	struct err err;

	CHECK(LOAD(k, 1, { 5, 1, 0, 200 }, { 6, 2, 0, 200 }) == OK);
	CHECK(keyring_static(k, S("team-a")).p != NULL);
	keyring_wipe(k);
	CHECK(g.n == 2);
	CHECK(keyring_find(k, 5, 1) == NULL && keyring_find(k, 6, 1) == NULL);
	CHECK(keyring_static(k, S("team-a")).p == NULL);
	CHECK(keyring_configs(k, 1, &out, &err) == E_NOTFOUND);
	CHECK(keyring_expire(k, 1) == 0 && g.n == 2);
	keyring_wipe(k);
	CHECK(g.n == 2);
}

TEST(static_secrets_are_found_by_their_whole_name)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);

	CHECK(LOAD(k, 1, { 5, 1, 0, 200 }) == OK);
	CHECK(keyring_static(k, S("team-a")).len == 32);
	CHECK(keyring_static(k, S("team-")).p == NULL);
	CHECK(keyring_static(k, S("team-a ")).p == NULL);
	CHECK(keyring_static(k, S("")).p == NULL);
}

TEST(configurations_are_of_valid_keys_the_one_that_ends_last_first)
{
	struct gone g;
	auto_keyring struct keyring *k = ring(&g);
	auto_buf struct buf out = buf_make(1000);
	struct ohttp_config c[8];
	struct err err;
	size_t n;

	CHECK(LOAD(k, 1, { 1, 1, 0, 200 }, { 2, 2, 0, 300 }, { 3, 3, 0, 100 },
		   { 4, 4, 150, 400 }, { 5, 5, 0, 300 }) == OK);
	CHECK(keyring_configs(k, 100, &out, &err) == OK);
	CHECK(ohttp_keys_parse(buf_slice(&out), c, 8, &n, &err) == OK);
	CHECK(n == 3 && c[0].id == 2 && c[1].id == 5 && c[2].id == 1);
	CHECK(memcmp(c[0].pub, keyring_find(k, 2, 100)->pub, 32) == 0);
	CHECK(c[0].n_suites == 2);
	buf_clear(&out);
	CHECK(keyring_configs(k, 400, &out, &err) == E_NOTFOUND);
	CHECK(out.len == 0);
}

TEST(nobody_needs_to_be_told)
{
	auto_keyring struct keyring *k = NULL;
	struct err err;

	CHECK(keyring_new(NULL, NULL, &k, &err) == OK);
	CHECK(LOAD(k, 1, { 1, 1, 0, 200 }) == OK);
	CHECK(keyring_expire(k, 200) == 0);
	keyring_wipe(k);
}
