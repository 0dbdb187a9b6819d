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

/* A ring: the oldest is overwritten first. */
struct nonces {
	struct nonce {
		uint8_t bytes[32];
		int64_t until; /* ms; 0: unused or used up */
	} ring[NONCES_MAX];
	size_t next;
};

struct nonces *nonces_new(void)
{
	return mem_must(sizeof(struct nonces));
}

void nonces_free(struct nonces *n)
{
	mem_free(n);
}

void nonces_issue(struct nonces *n, int64_t now_ms, uint8_t out[static 32])
{
	struct nonce *slot = &n->ring[n->next];

	n->next = (n->next + 1) % NONCES_MAX;
	crypto_random(slot->bytes, sizeof(slot->bytes));
	slot->until = now_ms + NONCE_SECONDS * 1000;
	memcpy(out, slot->bytes, sizeof(slot->bytes));
}

bool nonces_use(struct nonces *n, int64_t now_ms,
		const uint8_t nonce[static 32])
{
	for (size_t i = 0; i < NONCES_MAX; i++) {
		struct nonce *slot = &n->ring[i];

		if (slot->until == 0 || memcmp(slot->bytes, nonce, 32) != 0)
			continue;
		bool fresh = slot->until > now_ms;
		slot->until = 0;
		return fresh;
	}
	return false;
}
