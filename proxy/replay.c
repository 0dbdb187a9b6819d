#include "proxy/replay.h"

#include "core/cleanup.h"
#include "core/crypto.h"

#define DIGEST_LEN 16
#define SECRET_LEN 16
#define MAX_DEFAULT ((size_t)1 << 20) /* entries */
#define FIRST_SLOTS 64

/* An empty slot is all zeros, which no digest is. */
struct slot {
	uint8_t digest[DIGEST_LEN];
};

/* The nonces of one key: open addressing, never more than three quarters
 * full. */
struct table {
	bool used;
	uint64_t key;
	struct slot *slots;
	size_t n_slots; /* 0 or a power of two */
	size_t n;
};

struct replay {
	/* Digests are keyed, so that nobody can choose nonces that fall into
	 * one place, nor learn any from a copy of the tables. */
	uint8_t secret[SECRET_LEN];
	size_t max;
	size_t n; /* over all tables */
	struct table tables[REPLAY_KEYS_MAX];
};

enum status replay_new(size_t max, struct replay **out, struct err *err)
{
	struct replay *r = mem_must(sizeof(*r));

	(void)err; /* nothing fails today */
	crypto_random(r->secret, sizeof(r->secret));
	r->max = max == 0 ? MAX_DEFAULT : max;
	*out = r;
	return OK;
}

static void table_done(struct table *t)
{
	mem_free(t->slots);
	*t = (struct table){ .used = false };
}

void replay_free(struct replay *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < REPLAY_KEYS_MAX; i++)
		table_done(&r->tables[i]);
	mem_free(r);
}

static struct slot digest(const struct replay *r, struct slice nonce)
{
	const struct slice parts[] = { slice_of(r->secret), nonce };
	uint8_t full[32];
	struct slot s;

	hash_parts(HASH_SHA256, parts, countof(parts), full);
	memcpy(s.digest, full, sizeof(s.digest));
	if (all_zero(s.digest, sizeof(s.digest)))
		s.digest[0] = 1;
	return s;
}

/* Where s is, or where it belongs. */
static struct slot *place(const struct table *t, const struct slot *s)
{
	uint64_t at;

	memcpy(&at, s->digest, sizeof(at));
	for (;; at++) {
		struct slot *here = &t->slots[at & (t->n_slots - 1)];

		if (all_zero(here, sizeof(*here)) ||
		    memcmp(here, s, sizeof(*s)) == 0)
			return here;
	}
}

/* Room for one more; false without memory. */
static bool reserve(struct table *t)
{
	struct table next = *t;

	if (t->n + 1 <= t->n_slots / 4 * 3)
		return true;
	next.n_slots = t->n_slots == 0 ? FIRST_SLOTS : 2 * t->n_slots;
	next.slots = mem_calloc(next.n_slots, sizeof(struct slot));
	if (next.slots == NULL)
		return false;
	for (size_t i = 0; i < t->n_slots; i++)
		if (!all_zero(&t->slots[i], sizeof(struct slot)))
			*place(&next, &t->slots[i]) = t->slots[i];
	mem_free(t->slots);
	*t = next;
	return true;
}

/* The table of key; a fresh one, not yet used, when there is none; NULL when
 * there is no room for one. */
static struct table *find(struct replay *r, uint64_t key)
{
	struct table *fresh = NULL;

	for (size_t i = 0; i < REPLAY_KEYS_MAX; i++) {
		struct table *t = &r->tables[i];

		if (t->used && t->key == key)
			return t;
		if (!t->used && fresh == NULL)
			fresh = t;
	}
	return fresh;
}

enum status replay_check_and_add(struct replay *r, uint64_t key,
				 struct slice nonce, struct err *err)
{
	const struct slot s = digest(r, nonce);
	struct table *t = find(r, key);

	if (t == NULL)
		return err_set(err, E_LIMIT,
			       "replay cache: it has all the %d keys that it "
			       "takes",
			       REPLAY_KEYS_MAX);
	if (t->n > 0 && memcmp(place(t, &s), &s, sizeof(s)) == 0)
		return err_set(err, E_CONFLICT,
			       "this message was received before");
	if (r->n >= r->max)
		return err_set(err, E_LIMIT,
			       "replay cache: it has all the %zu messages "
			       "that it takes",
			       r->max);
	if (!reserve(t))
		return err_set(err, E_LIMIT, "replay cache: no memory");
	*place(t, &s) = s;
	t->used = true;
	t->key = key;
	t->n++;
	r->n++;
	return OK;
}

void replay_forget(struct replay *r, uint64_t key)
{
	struct table *t = find(r, key);

	if (t == NULL || !t->used)
		return;
	r->n -= t->n;
	table_done(t);
}

size_t replay_count(const struct replay *r)
{
	return r->n;
}
