#include "attest/peer.h"

#include <string.h>

#include "attest/answer.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"
#include "test/attest/as_fake.h"

static void peer_freep(struct peer **p)
{
	peer_free(*p);
}
#define auto_peer __attribute__((cleanup(peer_freep)))

static void verified(void *ctx, const struct err *err)
{
	struct as_world *w = ctx;

	w->err = *err;
	w->done = true;
}

/* Open and wait; p is the caller's. */
static enum status open_at(struct as_world *w, const struct addr *at,
			   enum peer_expect expect, struct peer **p)
{
	const struct peer_settings s = { .to = *at,
					 .expect = expect,
					 .manifest = w->manifest,
					 .cert = w->me.cert,
					 .key = w->me.key,
					 .timeout_ms = 4000 };

	w->done = false;
	peer_free(take(*p));
	if (peer_open(w->loop, &s, verified, w, p, &w->err) != OK)
		return w->err.code;
	as_world_wait(w);
	return w->err.code;
}

/* ---- the genuine one ---------------------------------------------------- */

TEST(a_genuine_service_is_verified_in_each_way_that_fits_its_state)
{
	auto_as_world struct as_world w;
	auto_peer struct peer *p = NULL;
	struct http_client *c;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	CHECK(open_at(&w, &w.at, PEER_UNINITIALIZED, &p) == OK);
	CHECK_STR_EQ(peer_state(p), "uninitialized");
	CHECK(open_at(&w, &w.at, PEER_PINNED, &p) == E_UNAVAIL);
	CHECK(open_at(&w, &w.at, PEER_SERVED, &p) == E_UNAVAIL);

	c = as_world_connect(&w, true);
	EXPECT(as_world_set(&w, c) == 200);
	http_client_free(c);
	CHECK(open_at(&w, &w.at, PEER_UNINITIALIZED, &p) == E_CONFLICT);
	CHECK(open_at(&w, &w.at, PEER_SERVED, &p) == OK);
	CHECK(memcmp(peer_manifest(p)->digest, w.manifest->digest, 32) == 0);
	CHECK(open_at(&w, &w.at, PEER_PINNED, &p) == OK);
	CHECK_STR_EQ(peer_claims(p)->tee, "sim");
	CHECK(peer_keys(p)->n_groups == 2 && peer_log_size(p) == 1);
	CHECK(peer_trace(p)->n > 10 && peer_bundle(p).len > 0);
}

TEST(a_relay_with_its_own_key_is_refused_though_its_evidence_is_genuine)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake relay;
	auto_peer struct peer *p = NULL;
	struct http_client *c;

	as_world_init(&w);
	as_fake_relay(&relay, &w);
	CHECK(as_world_start(&w, "memory"));
	CHECK(open_at(&w, &relay.at, PEER_UNINITIALIZED, &p) == E_CRYPTO);
	CHECK(strstr(w.err.text, "exporter") != NULL);
	c = as_world_connect(&w, true);
	EXPECT(as_world_set(&w, c) == 200);
	http_client_free(c);
	CHECK(open_at(&w, &relay.at, PEER_PINNED, &p) == E_CRYPTO);
	CHECK(open_at(&w, &relay.at, PEER_SERVED, &p) == E_CRYPTO);
	CHECK(relay.attested == 3);
	CHECK(open_at(&w, &w.at, PEER_PINNED, &p) == OK);
}

/* ---- one thing wrong ---------------------------------------------------- */

static void nothing(struct as_shown *s)
{
	(void)s;
}
static void stale_nonce(struct as_shown *s)
{
	s->statement.nonce[0] ^= 1;
}
static void other_connection(struct as_shown *s)
{
	s->statement.exporter[0] ^= 1;
}
static void no_exporter(struct as_shown *s)
{
	s->raw_bundle = "{\"v\":1,\"statement\":\"{}\",\"tee\":\"sim\","
			"\"report\":\"\",\"collateral\":{}}";
}
static void other_tls_key(struct as_shown *s)
{
	s->statement.spki[31] ^= 1;
}
static void worker_purpose(struct as_shown *s)
{
	s->statement.purpose = PURPOSE_WORKER;
}
static void peer_purpose(struct as_shown *s)
{
	s->statement.purpose = PURPOSE_AS_PEER;
}
static void other_keys_attested(struct as_shown *s)
{
	s->statement.keys[0] ^= 1;
}
static void other_keys_shown(struct as_shown *s)
{
	s->keys.mem[s->keys.head + 10] ^= 1; /* a digit of hpke */
}
static void other_manifest_attested(struct as_shown *s)
{
	s->statement.has_manifest = true;
	s->statement.manifest[0] ^= 1;
}
static void other_manifest_claimed(struct as_shown *s)
{
	s->digest[0] ^= 1;
}
static void other_manifest_both(struct as_shown *s)
{
	s->statement.manifest[0] ^= 1;
	s->digest[0] ^= 1;
}
static void attests_none(struct as_shown *s)
{
	s->statement.has_manifest = false;
}
static void other_measurement(struct as_shown *s)
{
	s->options.measurement[0] ^= 1;
}
static void other_svn(struct as_shown *s)
{
	s->options.svn = 0;
}
static void debugged(struct as_shown *s)
{
	s->options.debug = true;
}
static void ended(struct as_shown *s)
{
	s->options.not_after = s->options.not_before + 1;
}
static void claims_sealed(struct as_shown *s)
{
	s->state = "sealed";
	s->has_manifest = false;
}
static void garbage(struct as_shown *s)
{
	s->raw_answer = "garbage";
}
static void empty_object(struct as_shown *s)
{
	s->raw_answer = "{}";
}
static void empty_bundle(struct as_shown *s)
{
	s->raw_bundle = "{}";
}
static void deep_bundle(struct as_shown *s)
{
	s->raw_bundle = "{\"v\":[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[["
			"]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]}";
}

struct bad {
	void (*spoil)(struct as_shown *s);
	enum status code;
	const char *word; /* in the text */
};

/* Before a manifest is set, as `confd init` meets it. */
static const struct bad fresh[] = {
	{ nothing, OK, "" },
	{ stale_nonce, E_CRYPTO, "nonce" },
	{ other_connection, E_CRYPTO, "exporter" },
	{ no_exporter, E_PARSE, "" },
	{ other_tls_key, E_CRYPTO, "spki" },
	{ worker_purpose, E_CRYPTO, "purpose" },
	{ peer_purpose, E_CRYPTO, "purpose" },
	{ other_keys_attested, E_CRYPTO, "keys" },
	{ other_keys_shown, E_CRYPTO, "keys" },
	{ other_manifest_attested, E_POLICY, "manifest" },
	{ other_measurement, E_POLICY, "measurement" },
	{ debugged, E_POLICY, "debug" },
	{ ended, E_STALE, "" },
	{ claims_sealed, E_CONFLICT, "sealed" },
	{ garbage, E_PARSE, "" },
	{ empty_object, E_PARSE, "" },
	{ empty_bundle, E_PARSE, "" },
	{ deep_bundle, E_LIMIT, "deeply" },
};

/* With one in force, as everybody else meets it. */
static const struct bad serving[] = {
	{ nothing, OK, "" },
	{ stale_nonce, E_CRYPTO, "nonce" },
	{ other_connection, E_CRYPTO, "exporter" },
	{ other_manifest_claimed, E_POLICY, "pinned" },
	{ other_manifest_both, E_POLICY, "pinned" },
	{ other_manifest_attested, E_POLICY, "manifest" },
	{ attests_none, E_POLICY, "manifest" },
	{ other_measurement, E_POLICY, "measurement" },
	{ claims_sealed, E_UNAVAIL, "sealed" },
	{ garbage, E_PARSE, "" },
};

static void try_all(struct as_world *w, struct as_fake *f,
		    enum peer_expect expect, const struct bad *rows, size_t n)
{
	auto_peer struct peer *p = NULL;

	for (size_t i = 0; i < n; i++) {
		f->spoil = rows[i].spoil;
		if (!EXPECT(open_at(w, &f->at, expect, &p) == rows[i].code) ||
		    !EXPECT(rows[i].code == OK ||
			    strstr(w->err.text, rows[i].word) != NULL))
			printf("row %zu: %s\n", i, w->err.text);
	}
	EXPECT(f->attested == n && f->others == 0);
}

TEST(a_new_service_with_one_thing_wrong_is_refused)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake f;

	as_world_init(&w);
	as_fake_init(&f, &w);
	try_all(&w, &f, PEER_UNINITIALIZED, fresh, countof(fresh));
}

TEST(a_serving_service_with_one_thing_wrong_is_refused)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake f;

	as_world_init(&w);
	as_fake_init(&f, &w);
	f.serving = true;
	try_all(&w, &f, PEER_PINNED, serving, countof(serving));
}

TEST(a_platform_older_than_the_policy_wants_or_of_another_root_is_refused)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake f;
	auto_peer struct peer *p = NULL;
	auto_buf struct buf text = buf_make(MANIFEST_MAX);
	auto_buf struct buf root = buf_make(16384);
	const char *m;

	as_world_init(&w);
	as_fake_init(&f, &w);
	m = strstr(buf_cstr(&w.manifest_text), "\"measurements\"");
	CHECK(m != NULL);
	size_t at = (size_t)(m - buf_cstr(&w.manifest_text));
	buf_put(&text, slice_sub(buf_slice(&w.manifest_text), 0, at));
	buf_put_str(&text, "\"min_svn\":1,");
	buf_put(&text, slice_from(buf_slice(&w.manifest_text), at));
	manifest_free(take(w.manifest));
	CHECK(manifest_parse(buf_slice(&text), "m", &w.manifest, &w.err) == OK);
	CHECK(open_at(&w, &f.at, PEER_UNINITIALIZED, &p) == OK);
	f.spoil = other_svn;
	CHECK(open_at(&w, &f.at, PEER_UNINITIALIZED, &p) == E_POLICY);
	CHECK(strstr(w.err.text, "svn") != NULL);

	f.spoil = NULL;
	CHECK(sim_root_new(w.options.not_before, &root, &w.err) == OK);
	buf_clear(&w.root);
	buf_put(&w.root, buf_slice(&root));
	CHECK(open_at(&w, &f.at, PEER_UNINITIALIZED, &p) == E_CRYPTO);
	CHECK(f.others == 0);
}

TEST(a_served_manifest_must_be_the_one_that_was_attested)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake f;
	auto_peer struct peer *p = NULL;

	as_world_init(&w);
	as_fake_init(&f, &w);
	f.serving = true;
	CHECK(open_at(&w, &f.at, PEER_SERVED, &p) == OK);
	buf_put_str(&f.manifest, "\n");
	CHECK(open_at(&w, &f.at, PEER_SERVED, &p) == E_CRYPTO);
	buf_clear(&f.manifest);
	buf_put_str(&f.manifest, "{}");
	CHECK(open_at(&w, &f.at, PEER_SERVED, &p) != OK);
}

/* ---- who does not answer ------------------------------------------------ */

TEST(who_is_silent_or_not_there_is_told_in_time)
{
	auto_as_world struct as_world w;
	auto_as_fake struct as_fake f;
	auto_peer struct peer *p = NULL;
	struct addr nobody = { .host = "127.0.0.1", .port = 1 };
	struct peer_settings s;
	int64_t began;

	as_world_init(&w);
	as_fake_init(&f, &w);
	f.silent = true;
	s = (struct peer_settings){ .to = f.at,
				    .expect = PEER_UNINITIALIZED,
				    .manifest = w.manifest,
				    .timeout_ms = 300 };
	w.done = false;
	began = clock_mono_ms();
	CHECK(peer_open(w.loop, &s, verified, &w, &p, &w.err) == OK);
	as_world_wait(&w);
	CHECK(w.err.code == E_UNAVAIL || w.err.code == E_IO);
	CHECK(clock_mono_ms() - began < 3000);
	CHECK(open_at(&w, &nobody, PEER_UNINITIALIZED, &p) == E_UNAVAIL);
	s.manifest = NULL;
	peer_free(take(p));
	CHECK(peer_open(w.loop, &s, verified, &w, &p, &w.err) == E_USAGE);
}

TEST(a_refusal_says_what_and_why_in_one_line)
{
	static const struct {
		unsigned status;
		enum status code;
	} rows[] = { { 200, OK },	  { 204, OK },
		     { 301, E_PARSE },	  { 400, E_PARSE },
		     { 401, E_PERM },	  { 403, E_PERM },
		     { 404, E_NOTFOUND }, { 409, E_CONFLICT },
		     { 413, E_LIMIT },	  { 429, E_UNAVAIL },
		     { 500, E_UNAVAIL },  { 503, E_UNAVAIL } };
	struct err err;

	for (size_t i = 0; i < countof(rows); i++)
		CHECK(peer_refusal("x", rows[i].status, S("no json"), &err) ==
		      rows[i].code);
	CHECK(peer_refusal("nonce", 403, S("{\"detail\":\"a\\n\\u001b[31mb\"}"),
			   &err) == E_PERM);
	CHECK(strstr(err.text, "nonce: refused with status 403: a") != NULL);
	CHECK(strchr(err.text, '\n') == NULL &&
	      strchr(err.text, '\033') == NULL);
	CHECK(peer_refusal("x", 403, S("{\"detail\":7}"), &err) == E_PERM);
	CHECK(peer_refusal("x", 403, S("[]"), &err) == E_PERM);
}
