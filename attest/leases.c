#include "attest/leases.h"

#include "attest/messages.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"

struct leases {
	size_t n, cap;
	struct lease *item;
};

struct leases *leases_new(void)
{
	return mem_must(sizeof(struct leases));
}

void leases_free(struct leases *l)
{
	if (l == NULL)
		return;
	mem_free(l->item);
	mem_free(l);
}

/* Drop those that have ended. */
static void sweep(struct leases *l, int64_t now)
{
	size_t kept = 0;

	for (size_t i = 0; i < l->n; i++)
		if (l->item[i].expires > now)
			l->item[kept++] = l->item[i];
	l->n = kept;
}

static struct lease *find(struct leases *l, const uint8_t spki[static 32],
			  struct slice group)
{
	for (size_t i = 0; i < l->n; i++)
		if (memcmp(l->item[i].spki, spki, 32) == 0 &&
		    slice_eq_str(group, l->item[i].group))
			return &l->item[i];
	return NULL;
}

const struct lease *leases_find(struct leases *l, const uint8_t spki[static 32],
				struct slice group, int64_t now)
{
	const struct lease *found = find(l, spki, group);

	return found != NULL && found->expires > now ? found : NULL;
}

/* Room for one more. */
static enum status grow(struct leases *l, struct err *err)
{
	if (l->n == LEASES_MAX)
		return err_set(err, E_UNAVAIL,
			       "%d workers hold leases already; try again when "
			       "some have ended",
			       LEASES_MAX);
	if (l->n < l->cap)
		return OK;
	size_t cap = l->cap == 0 ? 16 : 2 * l->cap;
	struct lease *item = mem_realloc(l->item, cap * sizeof(*item));
	if (item == NULL)
		return err_set(err, E_NOMEM, "no memory for a lease");
	l->item = item;
	l->cap = cap;
	return OK;
}

enum status leases_grant(struct leases *l, const struct lease *grant,
			 int64_t now, const struct lease **out, struct err *err)
{
	struct lease *slot = find(l, grant->spki, slice_str(grant->group));
	uint8_t id[16];
	char text[33];

	if (slot == NULL) {
		sweep(l, now);
		TRY(grow(l, err));
		slot = &l->item[l->n++];
		crypto_random(id, sizeof(id));
		text_hex_into(text, sizeof(text), slice_of(id));
	} else
		memcpy(text, slot->id, sizeof(text));
	*slot = *grant;
	memcpy(slot->id, text, sizeof(text));
	*out = slot;
	return OK;
}

void leases_write(struct leases *l, int64_t now, struct json_out *w)
{
	sweep(l, now);
	json_open_array(w, NULL);
	for (size_t i = 0; i < l->n; i++) {
		const struct lease *x = &l->item[i];

		json_open_object(w, NULL);
		json_put_cstr(w, "name", x->name);
		json_put_cstr(w, "group", x->group);
		json_put_cstr(w, "policy", x->policy);
		json_put_cstr(w, "tee", x->tee);
		json_put_i64(w, "expires", x->expires);
		json_put_cstr(w, "lease", x->id);
		json_close_object(w);
	}
	json_close_array(w);
}

/* A nonce is its time in ms, 8 random bytes, and 16 bytes of an HMAC over
 * both.  So those who only ask for nonces fill no table, and push out nobody's;
 * what is kept are those that were used, which takes a registration each. */
#define NONCE_TAG 16 /* where the HMAC begins */

struct nonces {
	uint8_t key[32];
	uint8_t used[NONCES_MAX][32]; /* a ring: the oldest makes room */
	size_t n_used, next;
};

struct nonces *nonces_new(void)
{
	struct nonces *n = mem_must(sizeof(*n));

	crypto_random(n->key, sizeof(n->key));
	return n;
}

void nonces_free(struct nonces *n)
{
	mem_free(n);
}

static void put_tag(const struct nonces *n, uint8_t nonce[static 32])
{
	uint8_t mac[32];

	hmac_sha256(slice_of(n->key), slice_make(nonce, NONCE_TAG), mac);
	memcpy(nonce + NONCE_TAG, mac, 32 - NONCE_TAG);
}

void nonces_issue(struct nonces *n, int64_t now_ms, uint8_t out[static 32])
{
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)((uint64_t)now_ms >> (56 - 8 * i));
	crypto_random(out + 8, NONCE_TAG - 8);
	put_tag(n, out);
}

static bool is_ours(const struct nonces *n, const uint8_t nonce[static 32])
{
	uint8_t own[32];

	memcpy(own, nonce, NONCE_TAG);
	put_tag(n, own);
	return slice_eq_ct(slice_make(own, 32), slice_make(nonce, 32));
}

bool nonces_use(struct nonces *n, int64_t now_ms,
		const uint8_t nonce[static 32])
{
	struct cursor in = cursor_make(slice_make(nonce, 32));
	int64_t age = now_ms - (int64_t)cursor_u64be(&in);

	if (!is_ours(n, nonce) || age < 0 || age >= NONCE_SECONDS * 1000)
		return false;
	for (size_t i = 0; i < n->n_used; i++)
		if (memcmp(n->used[i], nonce, 32) == 0)
			return false;
	memcpy(n->used[n->next], nonce, 32);
	n->next = (n->next + 1) % NONCES_MAX;
	if (n->n_used < NONCES_MAX)
		n->n_used++;
	return true;
}
