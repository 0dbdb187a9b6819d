#include "attest/tee/tee_cache.h"

#include <assert.h>

#include "core/cleanup.h"

/* ---- Things of one kind ---- */

/* Over texts in a fixed order, each behind its length. */
static void id_of(const struct slice *text, size_t n, uint8_t id[static 32])
{
	struct hash *h = hash_new(HASH_SHA256);

	for (size_t i = 0; i < n; i++) {
		const uint64_t len = text[i].len;

		hash_add(h, slice_make(&len, sizeof(len)));
		hash_add(h, text[i]);
	}
	hash_finish(h, id);
	hash_free(h);
}

/* Move item i to the front. */
static void *use(struct tee_cache_items *s, size_t i)
{
	struct tee_cache_items was = *s;

	memmove(&s->item[1], &was.item[0], i * sizeof(s->item[0]));
	s->item[0] = was.item[i];
	return s->item[0].thing;
}

static void *find(struct tee_cache_items *s, const uint8_t id[static 32])
{
	for (size_t i = 0; i < s->n; i++)
		if (memcmp(s->item[i].id, id, 32) == 0)
			return use(s, i);
	return NULL;
}

/* Puts it in front; what then has no room, for the caller to free, or NULL. */
static void *keep(struct tee_cache_items *s, const uint8_t id[static 32],
		  void *thing)
{
	void *out = NULL;

	if (s->n == TEE_CACHE_MAX)
		out = s->item[--s->n].thing;
	memcpy(s->item[s->n].id, id, 32);
	s->item[s->n].thing = thing;
	(void)use(s, s->n++);
	return out;
}

void tee_cache_done(struct tee_cache *c)
{
	while (c->snp.n > 0)
		snp_certs_free(c->snp.item[--c->snp.n].thing);
	while (c->tdx.n > 0)
		tdx_collateral_free(c->tdx.item[--c->tdx.n].thing);
	gpu_rim_cache_done(&c->rims);
}

/* ---- AMD's ---- */

/* Whether what stands above the leaf is all in chain and crl. */
static bool snp_id(const struct snp_collateral *in, uint8_t id[static 32])
{
	const struct slice texts[] = { in->chain, in->crl };

	id_of(texts, countof(texts), id);
	return in->leaf.len > 0 && in->chain.len > 0 && in->table.len == 0;
}

struct snp_certs *tee_cache_find_snp(struct tee_cache *c,
				     const struct snp_collateral *in)
{
	uint8_t id[32];

	if (c == NULL || !snp_id(in, id))
		return NULL;
	return find(&c->snp, id);
}

void tee_cache_keep_snp(struct tee_cache *c, const struct snp_collateral *in)
{
	const struct snp_collateral above = { .chain = in->chain,
					      .crl = in->crl };
	auto_snp_certs struct snp_certs *certs = NULL;
	struct err err;
	uint8_t id[32];

	if (c == NULL || !snp_id(in, id) || find(&c->snp, id) != NULL ||
	    snp_certs_new(&above, &certs, &err) != OK)
		return;
	/* A leaf in the chain is compared with the one beside it. */
	for (size_t i = 0; i < SNP_KEYS; i++)
		if (certs->leaf[i] != NULL)
			return;
	snp_certs_free(keep(&c->snp, id, take(certs)));
}

/* ---- Intel's ---- */

static void tdx_id(const struct tdx_collateral_input *in, uint8_t id[static 32])
{
	const struct slice texts[] = {
		in->tcb_info,	       in->tcb_info_chain, in->qe_identity,
		in->qe_identity_chain, in->root_ca_crl,	   in->pck_crl,
		in->pck_crl_chain,
	};

	static_assert(sizeof(texts) == sizeof(*in), "each of its texts");
	id_of(texts, countof(texts), id);
}

const struct tdx_collateral *tee_cache_find_tdx(
	struct tee_cache *c, const struct tdx_collateral_input *in)
{
	uint8_t id[32];

	if (c == NULL)
		return NULL;
	tdx_id(in, id);
	return find(&c->tdx, id);
}

void tee_cache_keep_tdx(struct tee_cache *c,
			const struct tdx_collateral_input *in)
{
	uint8_t id[32];

	if (c == NULL)
		return;
	tdx_id(in, id);
	if (find(&c->tdx, id) != NULL)
		return;
	auto_tdx_collateral struct tdx_collateral *made =
		tdx_collateral_new(in);
	/* All of it held a moment ago; now memory may have been short. */
	for (size_t i = 0; i < TDX_COLLATERAL_CHECKS; i++)
		if (made->check[i].found != TDX_HELD)
			return;
	tdx_collateral_free(keep(&c->tdx, id, take(made)));
}
