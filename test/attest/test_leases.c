#include "attest/leases.h"

#include "attest/messages.h"
#include "core/cleanup.h"
#include "test/test.h"

#define NOW INT64_C(1790000000)

static struct lease make(uint32_t n, const char *group, int64_t expires)
{
	struct lease l = { .name = "worker",
			   .policy = "p",
			   .tee = "sim",
			   .expires = expires };

	(void)snprintf(l.group, sizeof(l.group), "%s", group);
	memcpy(l.spki, &n, sizeof(n));
	return l;
}

static enum status give(struct leases *l, uint32_t n, const char *group,
			int64_t now, const struct lease **out)
{
	struct lease grant = make(n, group, now + 60);
	struct err err;

	return leases_grant(l, &grant, now, out, &err);
}

static size_t listed(struct leases *l, int64_t now)
{
	auto_buf struct buf text = buf_make(JSON_MAX_SIZE);
	auto_json struct json *root = NULL;
	struct json_out w = { .buf = &text };
	struct err err;

	leases_write(l, now, &w);
	EXPECT(json_parse(buf_slice(&text), &root, &err) == OK);
	return root == NULL ? SIZE_MAX : json_count(root);
}

TEST(a_lease_is_found_by_key_and_group_until_it_ends)
{
	struct leases *l = leases_new();
	struct lease g = make(1, "llama", NOW + 60), other = make(2, "", 0);
	const struct lease *got;

	EXPECT(give(l, 1, "llama", NOW, &got) == OK);
	EXPECT(strlen(got->id) == 32);
	EXPECT(leases_find(l, g.spki, S("llama"), NOW) != NULL);
	EXPECT(leases_find(l, g.spki, S("llama"), NOW + 59) != NULL);
	EXPECT(leases_find(l, g.spki, S("llama"), NOW + 60) == NULL);
	EXPECT(leases_find(l, g.spki, S("llam"), NOW) == NULL);
	EXPECT(leases_find(l, g.spki, S("llama2"), NOW) == NULL);
	EXPECT(leases_find(l, other.spki, S("llama"), NOW) == NULL);
	leases_free(l);
}

TEST(a_renewal_replaces_and_keeps_the_id)
{
	struct leases *l = leases_new();
	const struct lease *got;
	char id[33];

	EXPECT(give(l, 1, "a", NOW, &got) == OK);
	memcpy(id, got->id, sizeof(id));
	EXPECT(give(l, 1, "a", NOW + 30, &got) == OK);
	EXPECT(test_str_eq(__FILE__, __LINE__, "id", got->id, id));
	EXPECT(got->expires == NOW + 90);
	EXPECT(listed(l, NOW) == 1);

	/* Another group, or another key, is another lease. */
	EXPECT(give(l, 1, "b", NOW, &got) == OK);
	EXPECT(strcmp(got->id, id) != 0);
	EXPECT(give(l, 2, "a", NOW, &got) == OK);
	EXPECT(listed(l, NOW) == 3);
	leases_free(l);
}

TEST(ended_leases_are_not_listed)
{
	struct leases *l = leases_new();
	const struct lease *got;

	EXPECT(listed(l, NOW) == 0);
	EXPECT(give(l, 1, "a", NOW, &got) == OK);
	EXPECT(give(l, 2, "a", NOW + 30, &got) == OK);
	EXPECT(listed(l, NOW + 60) == 1);
	EXPECT(listed(l, NOW + 90) == 0);
	leases_free(l);
}

/* Names as long as they may be. */
static void fill(struct leases *l, int64_t now)
{
	struct lease g = make(0, "", now + 60);
	const struct lease *got;
	struct err err;

	memset(g.name, 'n', 64);
	memset(g.group, 'g', 64);
	memset(g.policy, 'p', 64);
	memset(g.tee, 't', 15);
	for (uint32_t i = 0; i < LEASES_MAX; i++) {
		memcpy(g.spki, &i, sizeof(i));
		if (!EXPECT(leases_grant(l, &g, now, &got, &err) == OK))
			return;
	}
}

TEST(live_leases_are_never_dropped_for_new_ones_and_their_list_fits)
{
	auto_buf struct buf text = buf_make(MSG_BODY_MAX - 64);
	struct leases *l = leases_new();
	struct json_out w = { .buf = &text };
	const struct lease *got = NULL;

	fill(l, NOW);
	EXPECT(give(l, 1u << 30, "a", NOW + 59, &got) == E_UNAVAIL);
	EXPECT(got == NULL);
	EXPECT(listed(l, NOW) == LEASES_MAX);
	leases_write(l, NOW, &w);
	EXPECT(!text.bad);

	/* There is room again when they have ended. */
	EXPECT(give(l, 1u << 30, "a", NOW + 60, &got) == OK);
	EXPECT(listed(l, NOW + 60) == 1);
	leases_free(l);
}

TEST(a_nonce_is_good_once)
{
	struct nonces *n = nonces_new();
	uint8_t a[32], b[32];

	nonces_issue(n, 1000, a);
	nonces_issue(n, 1000, b);
	EXPECT(memcmp(a, b, 32) != 0);
	EXPECT(nonces_use(n, 1000, a));
	EXPECT(!nonces_use(n, 1000, a));
	EXPECT(nonces_use(n, 1000 + NONCE_SECONDS * 1000 - 1, b));
	nonces_free(n);
}

TEST(a_nonce_that_is_too_old_or_of_the_future_is_refused)
{
	struct nonces *n = nonces_new();
	uint8_t a[32];

	nonces_issue(n, 1000, a);
	EXPECT(!nonces_use(n, 1000 + NONCE_SECONDS * 1000, a));
	EXPECT(!nonces_use(n, 999, a));
	EXPECT(nonces_use(n, 1000, a));
	nonces_free(n);
}

TEST(what_was_never_issued_is_no_nonce)
{
	static const uint8_t zero[32];
	struct nonces *n = nonces_new();
	uint8_t a[32];

	EXPECT(!nonces_use(n, 0, zero)); /* what unused slots hold */
	nonces_issue(n, 0, a);
	for (size_t i = 0; i < sizeof(a); i++) {
		a[i] ^= 1;
		EXPECT(!nonces_use(n, 0, a));
		a[i] ^= 1;
	}
	EXPECT(nonces_use(n, 0, a));
	nonces_free(n);
}

TEST(the_nonce_of_another_service_is_none)
{
	struct nonces *n = nonces_new(), *other = nonces_new();
	uint8_t a[32];

	nonces_issue(other, 0, a);
	EXPECT(!nonces_use(n, 0, a));
	EXPECT(nonces_use(other, 0, a));
	nonces_free(n);
	nonces_free(other);
}

TEST(whoever_asks_for_many_nonces_pushes_out_nobodys)
{
	struct nonces *n = nonces_new();
	uint8_t first[32], other[32];

	nonces_issue(n, 0, first);
	for (size_t i = 0; i < 3 * NONCES_MAX; i++)
		nonces_issue(n, 0, other);
	EXPECT(nonces_use(n, 0, first));
	EXPECT(!nonces_use(n, 0, first));
	EXPECT(nonces_use(n, 0, other));
	nonces_free(n);
}
