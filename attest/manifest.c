#include "attest/manifest.h"

#include "attest/manifest_read.h"
#include "attest/tee/tee.h"
#include "core/cleanup.h"
#include "core/crypto.h"

#define CHAIN_TAG "confd-manifest-chain-v1" /* with its NUL: the 0x00 */

static void keys_done(struct manifest_keys *k)
{
	for (size_t i = 0; i < k->n; i++)
		mem_free(k->item[i].name);
	mem_free(k->item);
}

static void worker_done(struct manifest_worker *w)
{
	mem_free(w->name);
	mem_free(w->runtime);
	manifest_strings_done(&w->policies);
	manifest_strings_done(&w->models);
	manifest_strings_done(&w->images);
	manifest_strings_done(&w->adapters);
}

static void model_done(struct manifest_model *m)
{
	mem_free(m->name);
	mem_free(m->hash);
	mem_free(m->key);
}

/* Also of one that was read half. */
void manifest_free(struct manifest *m)
{
	if (m == NULL)
		return;
	for (size_t i = 0; i < m->n_policies; i++)
		manifest_policy_done(&m->policy[i]);
	for (size_t i = 0; i < m->n_workers; i++)
		worker_done(&m->worker[i]);
	for (size_t i = 0; i < m->n_models; i++)
		model_done(&m->model[i]);
	mem_free(m->policy);
	mem_free(m->worker);
	mem_free(m->model);
	mem_free(m->name);
	manifest_strings_done(&m->as_policies);
	manifest_strings_done(&m->static_secrets);
	keys_done(&m->admins);
	keys_done(&m->operators);
	keys_done(&m->recovery);
	buf_done(&m->text);
	mem_free(m);
}

const struct manifest_policy *manifest_find_policy(const struct manifest *m,
						   struct slice name)
{
	for (size_t i = 0; i < m->n_policies; i++)
		if (slice_eq_str(name, m->policy[i].name))
			return &m->policy[i];
	return NULL;
}

const struct manifest_worker *manifest_find_worker(const struct manifest *m,
						   struct slice name)
{
	for (size_t i = 0; i < m->n_workers; i++)
		if (slice_eq_str(name, m->worker[i].name))
			return &m->worker[i];
	return NULL;
}

const struct manifest_model *manifest_find_model(const struct manifest *m,
						 struct slice name)
{
	for (size_t i = 0; i < m->n_models; i++)
		if (slice_eq_str(name, m->model[i].name))
			return &m->model[i];
	return NULL;
}

const struct manifest_key *manifest_find_key(const struct manifest_keys *keys,
					     const uint8_t value[static 32])
{
	for (size_t i = 0; i < keys->n; i++)
		if (memcmp(keys->item[i].value, value, 32) == 0)
			return &keys->item[i];
	return NULL;
}

enum status manifest_check(const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < m->n_policies; i++) {
		const struct manifest_policy *p = &m->policy[i];

		if (tee_check(manifest_tee_name(p->tee), err) != OK)
			return err_wrap(err, "policies.%s.tee", p->name);
	}
	return OK;
}

enum status manifest_follows(const struct manifest *now,
			     const struct manifest *next, struct err *err)
{
	if (strcmp(now->name, next->name) != 0)
		return err_set(err, E_CONF,
			       "name: expected \"%s\", as in the manifest in "
			       "force, found \"%s\"",
			       now->name, next->name);
	if (next->generation != now->generation + 1)
		return err_set(err, E_CONF,
			       "generation: expected %llu, one more than in "
			       "the manifest in force, found %llu",
			       (unsigned long long)now->generation + 1,
			       (unsigned long long)next->generation);
	return OK;
}

void manifest_digest(struct slice text, uint8_t out[static 32])
{
	sha256(text, out);
}

void manifest_chain_add(struct manifest_chain *c,
			const uint8_t digest[static 32])
{
	const struct slice parts[] = {
		slice_make(CHAIN_TAG, sizeof(CHAIN_TAG)),
		slice_make(c->head, c->length == 0 ? 0 : sizeof(c->head)),
		slice_make(digest, 32),
	};
	uint8_t head[32];

	hash_parts(HASH_SHA256, parts, countof(parts), head);
	memcpy(c->head, head, sizeof(head));
	c->length++;
}
