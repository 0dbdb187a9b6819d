#include "attest/vault.h"

#include "core/cleanup.h"
#include "core/hpke.h"
#include "core/json.h"
#include "core/keybox.h"
#include "proxy/ohttp.h"
#include "test/attest/as_world.h"

/* An hour's begin. */
#define HOUR (INT64_C(497000) * VAULT_EPOCH)

struct bench {
	struct as_world w;
	struct vault *v;
	uint8_t statement[32];
	struct err err;
};

static void bench_done(struct bench *b)
{
	vault_free(b->v);
	as_world_done(&b->w);
}
#define auto_bench __attribute__((cleanup(bench_done)))

static void bench_new(struct bench *b)
{
	*b = (struct bench){ .statement = { 9 } };
	as_world_init(&b->w);
	EXPECT(vault_new(&as_world_groups, &b->v, &b->err) == OK);
}

/* The key to which admins seal. */
static void hpke_of(struct vault *v, uint8_t out[static 32])
{
	auto_buf struct buf text = buf_make(KEYSET_MAX);
	auto_keyset_as struct keyset_as k;
	struct err err;

	keyset_as_init(&k);
	EXPECT(vault_keyset(v, HOUR, &text, &err) == OK);
	EXPECT(keyset_as_parse(buf_slice(&text), &k, &err) == OK);
	memcpy(out, k.hpke, 32);
}

/* vault_init with these secrets as JSON, sealed as they should be. */
static enum status set(struct bench *b, const char *json)
{
	auto_buf struct buf sealed = buf_make(65536);
	uint8_t pub[32];

	hpke_of(b->v, pub);
	as_world_seal(pub, b->w.manifest->digest, json, &sealed);
	return vault_init(b->v, buf_slice(&b->w.manifest_text),
			  buf_slice(&sealed), HOUR, &b->err);
}

/* "team-a": AS_SECRET in base64. */
#define GOOD "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=\"}"

static enum status release(struct bench *b, const struct verdict *v,
			   const char *group, int64_t now, struct buf *out)
{
	return vault_release(b->v, v, slice_str(group), buf_slice(&b->w.keys),
			     b->statement, now, out, &b->err);
}

/* Release to a good worker, and open what it gets. */
static struct keybox *released(struct bench *b, int64_t now)
{
	auto_verdict struct verdict *v = as_world_verdict(
		&b->w, PURPOSE_WORKER, buf_slice(&b->w.keys), "llama");
	auto_buf struct buf sealed = buf_make(128u << 10);
	auto_secret struct secret *plain = NULL;
	struct keybox *box = NULL;

	EXPECT(release(b, v, "llama", now, &sealed) == OK);
	EXPECT(hpke_open_from(b->w.priv, S(VAULT_SECRETS_INFO),
			      slice_of(b->statement), buf_slice(&sealed),
			      &plain, &b->err) == OK);
	EXPECT(keybox_new(&box, &b->err) == OK);
	if (plain != NULL)
		EXPECT(keybox_read(secret_slice(plain), box, &b->err) == OK);
	return box;
}

/* ---- initialising ------------------------------------------------------- */

TEST(a_new_vault_has_a_key_and_nothing_else)
{
	auto_bench struct bench b;
	auto_buf struct buf text = buf_make(KEYSET_MAX);
	auto_keyset_as struct keyset_as k;
	static const uint8_t zero[32];

	bench_new(&b);
	keyset_as_init(&k);
	CHECK(vault_manifest(b.v) == NULL);
	CHECK(vault_keyset(b.v, HOUR, &text, &b.err) == OK);
	CHECK(keyset_as_parse(buf_slice(&text), &k, &b.err) == OK);
	CHECK(memcmp(k.hpke, zero, 32) != 0);
	CHECK(k.mesh_ca.len == 0 && k.n_groups == 0);
}

TEST(it_is_initialized_once)
{
	auto_bench struct bench b;

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	CHECK(memcmp(vault_manifest(b.v)->digest, b.w.manifest->digest, 32) ==
	      0);
	CHECK(set(&b, GOOD) == E_CONFLICT);
	CHECK(vault_manifest(b.v) != NULL);
}

TEST(secrets_are_exactly_those_of_the_manifest)
{
	static const struct {
		const char *json;
		enum status code;
	} bad[] = {
		{ "{}", E_CONF },
		{ "{\"team-b\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}", E_CONF },
		{ "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZg==\","
		  "\"team-b\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}",
		  E_CONF },
		{ "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2Rl\"}", E_CONF }, /* 15 */
		{ "{\"team-a\":\"\"}", E_CONF },
		{ "{\"team-a\":7}", E_PARSE },
		{ "{\"team-a\":\"no base64\"}", E_PARSE },
		{ "[]", E_PARSE },
		{ "garbage", E_PARSE },
		{ "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZg==\","
		  "\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}",
		  E_PARSE },
	};
	auto_bench struct bench b;

	bench_new(&b);
	for (size_t i = 0; i < countof(bad); i++) {
		CHECK_EQ_U64(set(&b, bad[i].json), bad[i].code);
		CHECK(vault_manifest(b.v) == NULL);
		CHECK(strstr(b.err.text, "MDEy") == NULL);
	}
	CHECK(set(&b, GOOD) == OK); /* nothing of the failures stayed */
}

TEST(a_secret_of_65_bytes_is_refused)
{
	auto_bench struct bench b;
	auto_buf struct buf json = buf_make(4096);
	struct json_out w = { .buf = &json };
	uint8_t value[KEYBOX_VALUE_MAX + 1] = { 1 };

	bench_new(&b);
	json_open_object(&w, NULL);
	json_put_base64(&w, "team-a", slice_of(value));
	json_close_object(&w);
	CHECK(set(&b, buf_cstr(&json)) != OK);
	CHECK(vault_manifest(b.v) == NULL);
}

TEST(no_secrets_where_the_manifest_wants_some_are_refused)
{
	auto_bench struct bench b;

	bench_new(&b);
	CHECK(vault_init(b.v, buf_slice(&b.w.manifest_text), S(""), HOUR,
			 &b.err) == E_CONF);
	CHECK(vault_manifest(b.v) == NULL);
}

TEST(secrets_for_another_manifest_or_key_or_cut_do_not_open)
{
	auto_bench struct bench b;
	auto_buf struct buf sealed = buf_make(65536);
	uint8_t pub[32], digest[32];
	struct slice m;

	bench_new(&b);
	m = buf_slice(&b.w.manifest_text);
	hpke_of(b.v, pub);
	memcpy(digest, b.w.manifest->digest, 32);
	digest[0] ^= 1;
	as_world_seal(pub, digest, GOOD, &sealed);
	CHECK(vault_init(b.v, m, buf_slice(&sealed), HOUR, &b.err) == E_CRYPTO);

	struct keyset_worker k;
	keyset_worker_init(&k);
	CHECK(keyset_worker_parse(buf_slice(&b.w.keys), &k, &b.err) == OK);
	buf_clear(&sealed);
	as_world_seal(k.hpke, b.w.manifest->digest, GOOD, &sealed);
	keyset_worker_done(&k);
	CHECK(vault_init(b.v, m, buf_slice(&sealed), HOUR, &b.err) == E_CRYPTO);

	buf_clear(&sealed);
	as_world_seal(pub, b.w.manifest->digest, GOOD, &sealed);
	for (size_t n = 1; n < sealed.len; n += 13)
		CHECK(vault_init(b.v, m, slice_sub(buf_slice(&sealed), 0, n),
				 HOUR, &b.err) == E_CRYPTO);
	CHECK(vault_manifest(b.v) == NULL);
}

TEST(a_manifest_that_is_none_is_refused)
{
	auto_bench struct bench b;

	bench_new(&b);
	CHECK(vault_init(b.v, S(""), S(""), HOUR, &b.err) == E_CONF);
	CHECK(vault_init(b.v, S("{}"), S(""), HOUR, &b.err) == E_CONF);
	CHECK(vault_manifest(b.v) == NULL);
}

TEST(reset_leaves_nothing_and_it_can_begin_anew)
{
	auto_bench struct bench b;
	auto_buf struct buf out = buf_make(128u << 10);
	auto_verdict struct verdict *v = NULL;

	bench_new(&b);
	v = as_world_verdict(&b.w, PURPOSE_WORKER, buf_slice(&b.w.keys),
			     "llama");
	CHECK(set(&b, GOOD) == OK);
	vault_reset(b.v);
	CHECK(vault_manifest(b.v) == NULL);
	CHECK(release(&b, v, "llama", HOUR, &out) == E_POLICY);
	CHECK(out.len == 0);
	vault_reset(b.v);
	CHECK(set(&b, GOOD) == OK);
	CHECK(release(&b, v, "llama", HOUR, &out) == OK);
}

/* ---- publishing --------------------------------------------------------- */

static size_t configs(struct vault *v, const char *group, int64_t now,
		      struct ohttp_config out[4])
{
	auto_buf struct buf text = buf_make(KEYSET_MAX);
	auto_keyset_as struct keyset_as k;
	size_t n = 0;
	struct err err;

	keyset_as_init(&k);
	EXPECT(vault_keyset(v, now, &text, &err) == OK);
	EXPECT(keyset_as_parse(buf_slice(&text), &k, &err) == OK);
	EXPECT(k.mesh_ca.len > 0 && k.n_groups == 2);
	EXPECT(ohttp_keys_parse(keyset_as_ohttp(&k, slice_str(group)), out, 4,
				&n, &err) == OK);
	return n;
}

TEST(the_next_key_is_published_ten_minutes_early)
{
	auto_bench struct bench b;
	struct ohttp_config now[4], early[4], next[4];

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	CHECK(configs(b.v, "llama", HOUR, now) == 1);
	CHECK(configs(b.v, "llama", HOUR + 3600 - 601, early) == 1);
	CHECK(early[0].id == now[0].id);
	CHECK(configs(b.v, "llama", HOUR + 3600 - 600, early) == 2);
	CHECK(early[0].id == now[0].id);
	CHECK(configs(b.v, "llama", HOUR + 3600, next) == 1);
	CHECK(next[0].id == early[1].id && next[0].id != now[0].id);
	CHECK(memcmp(next[0].pub, early[1].pub, 32) == 0);
	CHECK(memcmp(next[0].pub, now[0].pub, 32) != 0);
}

TEST(the_key_set_changes_when_it_says_so_and_not_before)
{
	auto_bench struct bench b;
	int64_t now = HOUR + 17;

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	for (int i = 0; i < 5; i++) {
		auto_buf struct buf a = buf_make(KEYSET_MAX);
		auto_buf struct buf last = buf_make(KEYSET_MAX);
		auto_buf struct buf then = buf_make(KEYSET_MAX);
		int64_t until = vault_keyset_until(now);

		CHECK(until > now);
		CHECK(vault_keyset(b.v, now, &a, &b.err) == OK);
		CHECK(vault_keyset(b.v, until - 1, &last, &b.err) == OK);
		CHECK(vault_keyset(b.v, until, &then, &b.err) == OK);
		CHECK(slice_eq(buf_slice(&a), buf_slice(&last)));
		CHECK(!slice_eq(buf_slice(&a), buf_slice(&then)));
		now = until;
	}
}

TEST(groups_have_different_keys)
{
	auto_bench struct bench b;
	struct ohttp_config a[4], c[4];

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	CHECK(configs(b.v, "llama", HOUR, a) == 1);
	CHECK(configs(b.v, "other", HOUR, c) == 1);
	CHECK(memcmp(a[0].pub, c[0].pub, 32) != 0);
}

/* ---- releasing ---------------------------------------------------------- */

TEST(a_release_has_three_hours_of_keys_and_the_static_secrets)
{
	auto_bench struct bench b;
	auto_keybox struct keybox *box = NULL;
	struct ohttp_config pub[4];
	uint8_t priv_pub[32], exp[32];

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	box = released(&b, HOUR + 5);
	CHECK(box->n_keys == 3 && box->n_statics == 1);
	for (size_t i = 0; i < 3; i++) {
		int64_t from = HOUR + ((int64_t)i - 1) * VAULT_EPOCH;

		CHECK(box->keys[i].not_before == from - VAULT_EARLY);
		CHECK(box->keys[i].not_after == from + 2 * VAULT_EPOCH);
	}
	CHECK_STR_EQ(box->statics[0].name, "team-a");
	CHECK(slice_eq_str(slice_make(box->statics[0].value,
				      box->statics[0].len),
			   AS_SECRET));

	/* What is published and what is released are one pair. */
	CHECK(configs(b.v, "llama", HOUR, pub) == 1);
	CHECK(box->keys[1].id == pub[0].id);
	struct hpke *sender = NULL, *receiver = NULL;
	CHECK(hpke_sender(pub[0].pub, HPKE_AEAD_EXPORT, S(""), NULL, priv_pub,
			  &sender, &b.err) == OK);
	enum status st = hpke_receiver(box->keys[1].priv, HPKE_AEAD_EXPORT,
				       S(""), priv_pub, &receiver, &b.err);
	uint8_t got[32] = { 0 };
	hpke_export(sender, S("x"), exp, 32);
	if (st == OK)
		hpke_export(receiver, S("x"), got, 32);
	hpke_free(sender);
	hpke_free(receiver);
	CHECK(st == OK && memcmp(exp, got, 32) == 0);
}

TEST(revisions_only_rise)
{
	auto_bench struct bench b;
	uint64_t last = 0;

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	for (int i = 0; i < 4; i++) {
		/* Also when the clock goes back. */
		auto_keybox struct keybox *box =
			released(&b, HOUR - i * VAULT_EPOCH);

		CHECK(box->revision > last);
		last = box->revision;
	}
}

/* Nothing but a refusal comes of it. */
static void refused(struct bench *b, const struct verdict *v, const char *group,
		    struct slice keys)
{
	auto_buf struct buf out = buf_make(128u << 10);

	EXPECT(vault_release(b->v, v, slice_str(group), keys, b->statement,
			     HOUR, &out, &b->err) == E_POLICY);
	EXPECT(out.len == 0);
}

TEST(nothing_is_released_without_the_very_verdict)
{
	auto_bench struct bench b;
	auto_verdict struct verdict *good = NULL;
	auto_verdict struct verdict *other_purpose = NULL;
	auto_verdict struct verdict *other_keys = NULL;
	struct slice keys;

	bench_new(&b);
	keys = buf_slice(&b.w.keys);
	CHECK(set(&b, GOOD) == OK);
	good = as_world_verdict(&b.w, PURPOSE_WORKER, keys, "llama");
	other_purpose = as_world_verdict(&b.w, PURPOSE_AS, keys, "llama");
	other_keys = as_world_verdict(&b.w, PURPOSE_WORKER, S("{}"), "llama");
	refused(&b, NULL, "llama", keys);
	refused(&b, other_purpose, "llama", keys);
	refused(&b, other_keys, "llama", keys);
	refused(&b, good, "llama", S("{}"));
	refused(&b, good, "other", keys); /* its policy did not accept */
	refused(&b, good, "nope", keys);
	refused(&b, good, "", keys);
}

TEST(a_verdict_under_another_manifest_releases_nothing)
{
	auto_bench struct bench b;
	auto_verdict struct verdict *v = NULL;
	auto_buf struct buf certs = buf_make(32u << 10);

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);

	/* One byte of white space makes it another. */
	buf_put_str(&b.w.manifest_text, "\n");
	manifest_free(take(b.w.manifest));
	CHECK(manifest_parse(buf_slice(&b.w.manifest_text), "m", &b.w.manifest,
			     &b.err) == OK);
	v = as_world_verdict(&b.w, PURPOSE_WORKER, buf_slice(&b.w.keys),
			     "llama");
	refused(&b, v, "llama", buf_slice(&b.w.keys));
	CHECK(vault_certify(b.v, v, buf_slice(&b.w.keys), "x", HOUR, &certs,
			    &b.err) == E_POLICY);
	CHECK(certs.len == 0);
}

TEST(what_is_sealed_opens_only_with_its_statement)
{
	auto_bench struct bench b;
	auto_buf struct buf sealed = buf_make(128u << 10);
	auto_verdict struct verdict *v = NULL;
	struct secret *plain = NULL;
	uint8_t other[32] = { 8 };

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	v = as_world_verdict(&b.w, PURPOSE_WORKER, buf_slice(&b.w.keys),
			     "llama");
	CHECK(release(&b, v, "llama", HOUR, &sealed) == OK);
	CHECK(hpke_open_from(b.w.priv, S(VAULT_SECRETS_INFO), slice_of(other),
			     buf_slice(&sealed), &plain, &b.err) == E_CRYPTO);
	CHECK(hpke_open_from(b.w.priv, S(VAULT_INIT_INFO),
			     slice_of(b.statement), buf_slice(&sealed), &plain,
			     &b.err) == E_CRYPTO);
	CHECK(plain == NULL);
}

TEST(a_certificate_chains_to_the_mesh_ca_and_carries_name_and_key)
{
	auto_bench struct bench b;
	auto_buf struct buf pem = buf_make(32u << 10);
	auto_buf struct buf text = buf_make(KEYSET_MAX);
	auto_verdict struct verdict *v = NULL;
	auto_keyset_as struct keyset_as k;
	struct x509 *chain[3] = { 0 };
	size_t n = 0;

	bench_new(&b);
	keyset_as_init(&k);
	CHECK(set(&b, GOOD) == OK);
	v = as_world_verdict(&b.w, PURPOSE_WORKER, buf_slice(&b.w.keys),
			     "llama");
	CHECK(vault_certify(b.v, v, buf_slice(&b.w.keys), "worker-1", HOUR,
			    &pem, &b.err) == OK);
	CHECK(x509_parse_chain(buf_slice(&pem), chain, 3, &n, &b.err) == OK);
	CHECK(n == 2);
	EXPECT(x509_verify(chain[0], chain[1], HOUR, &b.err) == OK);
	EXPECT(x509_verify(chain[0], chain[1], HOUR + 61, &b.err) == E_STALE);
	EXPECT(x509_verify_self(chain[1], HOUR, &b.err) == OK);
	EXPECT(slice_eq_str(x509_common_name(chain[0]), "worker-1"));
	EXPECT(slice_eq(x509_spki(chain[0]), x509_spki(b.w.me.cert)));
	EXPECT(vault_keyset(b.v, HOUR, &text, &b.err) == OK);
	EXPECT(keyset_as_parse(buf_slice(&text), &k, &b.err) == OK);
	EXPECT(slice_eq(buf_slice(&k.mesh_ca), x509_der(chain[1])));
	x509_free(chain[0]);
	x509_free(chain[1]);
}

/* ---- surviving ---------------------------------------------------------- */

TEST(packed_and_unpacked_it_has_the_same_keys_and_ca_but_another_seal)
{
	auto_bench struct bench b;
	auto_buf struct buf packed = buf_make(VAULT_STATE_MAX);
	auto_keybox struct keybox *one = NULL;
	auto_keybox struct keybox *two = NULL;
	uint8_t before[32], after[32];

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	hpke_of(b.v, before);
	one = released(&b, HOUR);
	CHECK(vault_pack(b.v, &packed, &b.err) == OK);
	vault_free(take(b.v));
	CHECK(vault_new(&as_world_groups, &b.v, &b.err) == OK);
	CHECK(vault_unpack(b.v, buf_slice(&packed), &b.err) == OK);
	two = released(&b, HOUR);
	CHECK(memcmp(one->keys, two->keys, sizeof(one->keys)) == 0);
	CHECK(memcmp(one->statics, two->statics, sizeof(one->statics)) == 0);
	hpke_of(b.v, after);
	CHECK(memcmp(before, after, 32) != 0);
	CHECK(set(&b, GOOD) == E_CONFLICT);
}

TEST(two_vaults_share_nothing)
{
	auto_bench struct bench b;
	auto_keybox struct keybox *one = NULL;
	auto_keybox struct keybox *two = NULL;

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	one = released(&b, HOUR);
	vault_reset(b.v);
	CHECK(set(&b, GOOD) == OK);
	two = released(&b, HOUR);
	for (size_t i = 0; i < 3; i++)
		CHECK(memcmp(one->keys[i].priv, two->keys[i].priv, 32) != 0);
}

TEST(a_state_that_is_cut_or_of_another_version_leaves_the_vault_empty)
{
	auto_bench struct bench b;
	auto_buf struct buf packed = buf_make(VAULT_STATE_MAX);
	struct slice all;

	bench_new(&b);
	CHECK(set(&b, GOOD) == OK);
	CHECK(vault_pack(b.v, &packed, &b.err) == OK);
	all = buf_slice(&packed);
	vault_reset(b.v);
	for (size_t n = 0; n < all.len; n += 97) {
		CHECK(vault_unpack(b.v, slice_sub(all, 0, n), &b.err) != OK);
		CHECK(vault_manifest(b.v) == NULL);
	}
	buf_put_u8(&packed, 0);
	CHECK(vault_unpack(b.v, buf_slice(&packed), &b.err) == E_PARSE);
	packed.mem[packed.head] = 2;
	CHECK(vault_unpack(b.v, slice_sub(buf_slice(&packed), 0, all.len),
			   &b.err) == E_PARSE);
	packed.mem[packed.head] = 1;
	CHECK(vault_unpack(b.v, slice_sub(buf_slice(&packed), 0, all.len),
			   &b.err) == OK);
}
