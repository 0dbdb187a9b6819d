#include "proxy/keyring.h"

#include "core/cleanup.h"
#include "proxy/ohttp.h"

struct keyring {
	void (*gone)(void *ctx, uint64_t serial);
	void *ctx;
	struct keybox *box; /* NULL: nothing is in the ring */
	uint64_t revision;
	uint64_t serials; /* given out so far */
	/* In the order of box->keys; serial 0 is one that was wiped. */
	struct keyring_key keys[KEYBOX_KEYS_MAX];
	size_t n;
};

enum status keyring_new(void (*gone)(void *ctx, uint64_t serial), void *ctx,
			struct keyring **out, struct err *err)
{
	struct keyring *k = mem_must(sizeof(*k));

	(void)err; /* nothing fails today */
	k->gone = gone;
	k->ctx = ctx;
	*out = k;
	return OK;
}

void keyring_free(struct keyring *k)
{
	if (k == NULL)
		return;
	keybox_free(k->box);
	mem_free(k);
}

static void tell_gone(const struct keyring *k, uint64_t serial)
{
	if (k->gone != NULL && serial != 0)
		k->gone(k->ctx, serial);
}

/* The key in the ring that new is, or NULL. */
static const struct keyring_key *same(const struct keyring *k,
				      const struct keybox_key *new)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->keys[i].serial != 0 && k->keys[i].id == new->id &&
		    slice_eq_ct(slice_make(k->keys[i].priv, 32),
				slice_of(new->priv)))
			return &k->keys[i];
	return NULL;
}

static void add(struct keyring *next, const struct keyring *old,
		const struct keybox_key *key)
{
	const struct keyring_key *before = same(old, key);
	struct keyring_key *to = &next->keys[next->n++];

	*to = (struct keyring_key){ .id = key->id,
				    .not_before = key->not_before,
				    .not_after = key->not_after,
				    .priv = key->priv };
	if (before != NULL) {
		to->serial = before->serial;
		memcpy(to->pub, before->pub, sizeof(to->pub));
		return;
	}
	to->serial = ++next->serials;
	x25519_public(key->priv, to->pub);
}

static bool has_serial(const struct keyring *k, uint64_t serial)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->keys[i].serial == serial)
			return true;
	return false;
}

enum status keyring_load(struct keyring *k, struct slice message,
			 struct err *err)
{
	auto_keybox struct keybox *box = NULL;
	const struct keyring old = *k;
	struct keyring next = *k;

	TRY(keybox_new(&box, err));
	TRY(keybox_read(message, box, err));
	if (box->revision < k->revision)
		return err_set(err, E_CONFLICT,
			       "keys of revision %llu, but %llu are in use",
			       (unsigned long long)box->revision,
			       (unsigned long long)k->revision);
	next.n = 0;
	next.revision = box->revision;
	for (size_t i = 0; i < box->n_keys; i++)
		add(&next, &old, &box->keys[i]);
	next.box = take(box);
	*k = next;
	for (size_t i = 0; i < old.n; i++)
		if (!has_serial(k, old.keys[i].serial))
			tell_gone(k, old.keys[i].serial);
	keybox_free(old.box);
	return OK;
}

static bool valid(const struct keyring_key *key, int64_t now)
{
	return key->serial != 0 && key->not_before <= now &&
	       now < key->not_after;
}

const struct keyring_key *keyring_find(const struct keyring *k, uint8_t id,
				       int64_t now)
{
	for (size_t i = 0; i < k->n; i++)
		if (k->keys[i].id == id && valid(&k->keys[i], now))
			return &k->keys[i];
	return NULL;
}

struct slice keyring_static(const struct keyring *k, struct slice name)
{
	for (size_t i = 0; k->box != NULL && i < k->box->n_statics; i++) {
		const struct keybox_static *s = &k->box->statics[i];

		if (slice_eq_str(name, s->name))
			return slice_make(s->value, s->len);
	}
	return (struct slice){ NULL, 0 };
}

/* The valid key that comes after prev when they are sorted by their end, the
 * last end first; the first of all for NULL. */
static const struct keyring_key *latest(const struct keyring *k, int64_t now,
					const struct keyring_key *prev)
{
	const struct keyring_key *best = NULL;

	for (size_t i = 0; i < k->n; i++) {
		const struct keyring_key *key = &k->keys[i];

		if (!valid(key, now) ||
		    (prev != NULL &&
		     (key->not_after > prev->not_after ||
		      (key->not_after == prev->not_after && key <= prev))))
			continue;
		if (best == NULL || key->not_after > best->not_after)
			best = key;
	}
	return best;
}

enum status keyring_configs(const struct keyring *k, int64_t now,
			    struct buf *out, struct err *err)
{
	const struct keyring_key *key = latest(k, now, NULL);

	if (key == NULL)
		return err_set(err, E_NOTFOUND,
			       "no key of the group is valid now; the worker "
			       "has to renew its lease");
	for (; key != NULL; key = latest(k, now, key))
		ohttp_keys_put(out, key->id, key->pub);
	return buf_check(out, "key configurations", err);
}

size_t keyring_expire(struct keyring *k, int64_t now)
{
	size_t left = 0;

	for (size_t i = 0; i < k->n; i++) {
		struct keyring_key *key = &k->keys[i];
		uint64_t serial = key->serial;

		if (serial == 0)
			continue;
		if (now < key->not_after) {
			left++;
			continue;
		}
		explicit_bzero(&k->box->keys[i], sizeof(k->box->keys[i]));
		*key = (struct keyring_key){ .serial = 0 };
		tell_gone(k, serial);
	}
	return left;
}

void keyring_wipe(struct keyring *k)
{
	const struct keyring old = *k;

	keybox_free(k->box);
	k->box = NULL;
	k->n = 0;
	memset(k->keys, 0, sizeof(k->keys));
	for (size_t i = 0; i < old.n; i++)
		tell_gone(k, old.keys[i].serial);
}

uint64_t keyring_revision(const struct keyring *k)
{
	return k->revision;
}
