#include "attest/service.h"

#include "attest/answer.h"
#include "attest/messages.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/hpke.h"
#include "core/json.h"
#include "core/keybox.h"
#include "proxy/ohttp.h"
#include "test/attest/as_world.h"

static void client_done(struct http_client **c)
{
	http_client_free(*c);
}
#define auto_client __attribute__((cleanup(client_done)))

#define NONCE         \
	"{\"nonce\":" \
	"\"0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef\"}"

static bool read_answer(struct as_world *w, struct answer *a)
{
	struct err err;

	if (answer_parse(buf_slice(&w->body), a, &err) == OK)
		return true;
	printf("%s\n", err.text);
	return EXPECT(false);
}

/* ---- before a manifest -------------------------------------------------- */

TEST(without_a_manifest_only_attest_init_and_healthz_answer)
{
	static const char *const not_yet[][2] = {
		{ "GET", "/v1/manifest" },
		{ "GET", "/v1/manifests" },
		{ "GET", "/v1/nonce" },
		{ "POST", "/v1/workers" },
		{ "POST", "/v1/workers/renew" },
		{ "GET", "/v1/workers" },
		{ "GET", "/v1/ohttp-keys/llama" },
		{ "GET", "/v1/log" },
		{ "GET", "/readyz" },
	};
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_answer struct answer a;

	answer_init(&a);
	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, false);
	for (size_t i = 0; i < countof(not_yet); i++) {
		struct slice body =
			strcmp(not_yet[i][0], "POST") == 0 ? S("{}") : S("");

		(void)as_world_ask(&w, c, not_yet[i][0], not_yet[i][1], body);
		CHECK(as_world_refused(&w, 503, "unavail"));
		CHECK_STR_EQ(w.type, "application/problem+json");
	}
	CHECK(as_world_ask(&w, c, "GET", "/healthz", S("")) == 200);
	CHECK(as_world_ask(&w, c, "POST", "/v1/attest", S(NONCE)) == 200);
	CHECK(read_answer(&w, &a));
	CHECK_STR_EQ(a.state, "uninitialized");
	CHECK(!a.has_manifest && a.log_size == 0);
}

TEST(a_nonce_is_64_lower_case_hex_digits_and_nothing_stands_beside_it)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"",
		"null",
		"{\"nonce\":\"\"}",
		"{\"nonce\":7}",
		"{\"nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcd\"}",
		"{\"nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcdef00\"}",
		"{\"nonce\":\"0123456789ABCDEF0123456789abcdef0123456789abcdef"
		"0123456789abcdef\"}",
		"{\"nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcdef\",\"x\":1}",
		"{\"nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcdef\",\"nonce\":\"0123456789abcdef0123456789abcd"
		"ef0123456789abcdef0123456789abcdef\"}",
		"{\"Nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef"
		"0123456789abcdef\"}",
		NONCE "x",
	};
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, true);
	for (size_t i = 0; i < countof(bad); i++) {
		(void)as_world_ask_as(&w, c, "POST", "/v1/attest",
				      "application/json", slice_str(bad[i]));
		CHECK(as_world_refused(&w, 400, "parse"));
	}
	CHECK(as_world_ask(&w, c, "POST", "/v1/attest", S(NONCE)) == 200);
}

TEST(wrong_methods_and_paths_are_told_apart)
{
	static const struct {
		const char *method, *path, *allow;
	} methods[] = {
		{ "GET", "/v1/attest", "POST" },
		{ "DELETE", "/v1/init", "POST" },
		{ "PUT", "/v1/workers", "POST, GET" },
		{ "HEAD", "/healthz", "GET" },
		{ "POST", "/v1/manifest", "GET" },
		{ "POST", "/v1/ohttp-keys/x", "GET" },
		{ "GET", "/v1/workers/renew", "POST" },
	};
	static const char *const absent[] = { "/",
					      "/v1",
					      "/v1/",
					      "/v1/attest/",
					      "/v1/attest?x",
					      "/v1//attest",
					      "/V1/attest",
					      "/v1/ohttp-keys/",
					      "/v1/ohttp-keys",
					      "/metrics" };
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, true);
	for (size_t i = 0; i < countof(methods); i++) {
		bool head = strcmp(methods[i].method, "HEAD") == 0;

		(void)as_world_ask(&w, c, methods[i].method, methods[i].path,
				   S(""));
		CHECK(w.status == 405);
		CHECK(head || as_world_refused(&w, 405, "method"));
		CHECK_STR_EQ(w.allow, methods[i].allow);
	}
	for (size_t i = 0; i < countof(absent); i++) {
		(void)as_world_ask(&w, c, "GET", absent[i], S(""));
		CHECK(as_world_refused(&w, 404, "notfound"));
	}
}

TEST(only_json_of_a_bounded_size_is_taken)
{
	static const char *const types[] = { NULL, "text/plain", "",
					     "application/json2",
					     "application/x-www-form-"
					     "urlencoded" };
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_buf struct buf big = buf_make(2u << 20);

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, true);
	for (size_t i = 0; i < countof(types); i++) {
		(void)as_world_ask_as(&w, c, "POST", "/v1/attest", types[i],
				      S(NONCE));
		CHECK(as_world_refused(&w, 415, "media-type"));
	}
	CHECK(as_world_ask_as(&w, c, "POST", "/v1/attest",
			      "Application/JSON; charset=utf-8",
			      S(NONCE)) == 200);

	while (big.len < SERVICE_BODY_MAX + 1)
		buf_put_u8(&big, ' ');
	(void)as_world_ask(&w, c, "POST", "/v1/attest",
			   slice_sub(buf_slice(&big), 0, 4097));
	CHECK(as_world_refused(&w, 413, "limit"));
	http_client_free(take(c));
	c = as_world_connect(&w, true);
	(void)as_world_ask(&w, c, "POST", "/v1/init", buf_slice(&big));
	CHECK(as_world_refused(&w, 413, "limit"));
	http_client_free(take(c));
	c = as_world_connect(&w, true);
	CHECK(as_world_ask(&w, c, "GET", "/healthz", S("")) == 200);
}

/* ---- init --------------------------------------------------------------- */

static unsigned init_raw(struct as_world *w, struct http_client *c,
			 struct slice manifest, struct slice secrets)
{
	auto_buf struct buf body = buf_make(1u << 20);
	struct json_out out = { .buf = &body };

	json_open_object(&out, NULL);
	json_put_base64(&out, "manifest", manifest);
	if (secrets.len > 0)
		json_put_base64(&out, "secrets", secrets);
	json_close_object(&out);
	return as_world_ask(w, c, "POST", "/v1/init", buf_slice(&body));
}

TEST(an_init_that_is_refused_changes_nothing)
{
	static const char *const forms[] = {
		"{}",
		"{\"manifest\":7}",
		"{\"manifest\":\"no base64\"}",
		"{\"manifest\":\"e30=\",\"surplus\":1}",
		"{\"manifest\":\"e30=\",\"manifest\":\"e30=\"}",
	};
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_buf struct buf sealed = buf_make(65536);
	struct slice m;
	uint8_t pub[32];

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, true);
	for (size_t i = 0; i < countof(forms); i++) {
		(void)as_world_ask(&w, c, "POST", "/v1/init",
				   slice_str(forms[i]));
		CHECK(as_world_refused(&w, 400, "parse"));
	}
	(void)init_raw(&w, c, S("{}"), S(""));
	CHECK(as_world_refused(&w, 400, "conf"));
	m = buf_slice(&w.manifest_text);
	(void)init_raw(&w, c, m, S("")); /* it names a secret */
	CHECK(as_world_refused(&w, 400, "conf"));
	(void)init_raw(&w, c, m, S("not sealed to anybody, but long enough"));
	CHECK(as_world_refused(&w, 403, "crypto"));

	/* Sealed, but to a key that is not the service's. */
	CHECK(as_world_hpke(&w, c, pub));
	pub[5] ^= 1;
	as_world_seal(pub, w.manifest->digest, "{}", &sealed);
	(void)init_raw(&w, c, m, buf_slice(&sealed));
	CHECK(as_world_refused(&w, 403, "crypto"));

	(void)as_world_ask(&w, c, "GET", "/v1/manifest", S(""));
	CHECK(as_world_refused(&w, 503, "unavail"));
	CHECK(as_world_set(&w, c) == 200);
}

TEST(it_is_initialized_once_and_serves_what_it_was_given)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_client struct http_client *late = NULL;
	auto_answer struct answer a;
	struct ohttp_config config[4];
	size_t n = 0;

	answer_init(&a);
	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, true);
	CHECK(as_world_set(&w, c) == 200);
	(void)as_world_ask(&w, c, "POST", "/v1/init", S("{}"));
	CHECK(as_world_refused(&w, 409, "conflict"));
	late = as_world_connect(&w, true);
	(void)as_world_set(&w, late);
	CHECK(as_world_refused(&w, 409, "conflict"));

	CHECK(as_world_ask(&w, c, "GET", "/v1/manifest", S("")) == 200);
	CHECK(slice_eq(buf_slice(&w.body), buf_slice(&w.manifest_text)));
	CHECK(as_world_ask(&w, c, "GET", "/v1/manifests", S("")) == 200);
	CHECK(slice_starts(buf_slice(&w.body), S("{\"manifests\":[\"")));
	CHECK(as_world_ask(&w, c, "GET", "/readyz", S("")) == 200);
	CHECK(as_world_ask(&w, c, "GET", "/v1/log", S("")) == 200);
	CHECK(slice_starts(buf_slice(&w.body), S("{\"size\":1,")));
	CHECK(as_world_ask(&w, c, "GET", "/v1/ohttp-keys/llama", S("")) == 200);
	CHECK_STR_EQ(w.type, "application/ohttp-keys");
	CHECK(ohttp_keys_parse(buf_slice(&w.body), config, 4, &n, &w.err) ==
	      OK);
	(void)as_world_ask(&w, c, "GET", "/v1/ohttp-keys/nope", S(""));
	CHECK(as_world_refused(&w, 404, "notfound"));

	CHECK(as_world_ask(&w, c, "POST", "/v1/attest", S(NONCE)) == 200);
	CHECK(read_answer(&w, &a));
	CHECK_STR_EQ(a.state, "serving");
	CHECK(memcmp(a.digest, w.manifest->digest, 32) == 0);
	CHECK(a.log_size == 1 && a.generation == 1);
}

TEST(of_two_inits_at_once_one_wins)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *first = NULL;
	auto_client struct http_client *second = NULL;
	auto_buf struct buf sealed = buf_make(65536);
	auto_buf struct buf body = buf_make(1u << 20);
	struct json_out out = { .buf = &body };
	struct as_world two[2];
	uint8_t pub[32];

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	first = as_world_connect(&w, true);
	second = as_world_connect(&w, true);
	CHECK(as_world_ask(&w, second, "GET", "/healthz", S("")) == 200);
	CHECK(as_world_hpke(&w, first, pub));
	as_world_seal(pub, w.manifest->digest,
		      "{\"team-a\":\"MDEyMzQ1Njc4OWFiY2RlZg==\"}", &sealed);
	json_open_object(&out, NULL);
	json_put_base64(&out, "manifest", buf_slice(&w.manifest_text));
	json_put_base64(&out, "secrets", buf_slice(&sealed));
	json_close_object(&out);

	/* Each answer goes to a world of its own. */
	for (int i = 0; i < 2; i++) {
		two[i] = (struct as_world){ .loop = w.loop,
					    .body = buf_make(65536) };
		as_world_begin(&two[i], i == 0 ? first : second, "POST",
			       "/v1/init", buf_slice(&body));
	}
	as_world_wait(&two[0]);
	as_world_wait(&two[1]);
	EXPECT(two[0].status + two[1].status == 200 + 409);
	EXPECT(as_world_refused(&two[two[0].status == 200], 409, "conflict"));
	buf_done(&two[0].body);
	buf_done(&two[1].body);
}

/* ---- workers ------------------------------------------------------------ */

TEST(leases_are_for_admins_and_operators_only)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *nobody = NULL;
	auto_client struct http_client *stranger = NULL;
	auto_client struct http_client *ops = NULL;
	struct identity me;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	ops = as_world_connect(&w, false);
	CHECK(as_world_set(&w, ops) == 200);
	CHECK(as_world_ask(&w, ops, "GET", "/v1/workers", S("")) == 200);
	CHECK(slice_eq(buf_slice(&w.body), S("[]")));

	nobody = as_world_connect(&w, true);
	(void)as_world_ask(&w, nobody, "GET", "/v1/workers", S(""));
	CHECK(as_world_refused(&w, 403, "perm"));

	/* A certificate of the operator's name, but of another key. */
	me = w.me;
	w.me = (struct identity){ 0 };
	EXPECT(identity_new("worker", 1, &w.me, &w.err) == OK);
	stranger = as_world_connect(&w, false);
	(void)as_world_ask(&w, stranger, "GET", "/v1/workers", S(""));
	EXPECT(as_world_refused(&w, 403, "perm"));
	identity_done(&w.me);
	w.me = me;
}

/* What the worker got, opened as it opens it. */
static bool opens(struct as_world *w, const struct attempt *a)
{
	auto_json struct json *root = NULL;
	auto_buf struct buf sealed = buf_make(128u << 10);
	auto_buf struct buf text = buf_make(STATEMENT_MAX);
	auto_secret struct secret *plain = NULL;
	auto_keybox struct keybox *box = NULL;
	uint8_t aad[32];
	struct err err;

	if (!EXPECT(json_parse(buf_slice(&w->body), &root, &err) == OK) ||
	    !EXPECT(json_want_base64(root, "secrets", &sealed, &err) == OK) ||
	    !EXPECT(statement_write(&a->statement, &text, &err) == OK))
		return false;
	sha256(buf_slice(&text), aad);
	return EXPECT(hpke_open_from(w->priv, S(VAULT_SECRETS_INFO),
				     slice_of(aad), buf_slice(&sealed), &plain,
				     &err) == OK) &&
	       EXPECT(keybox_new(&box, &err) == OK) &&
	       EXPECT(keybox_read(secret_slice(plain), box, &err) == OK) &&
	       EXPECT(box->n_keys == 3 && box->n_statics == 1) &&
	       EXPECT(slice_eq_str(slice_make(box->statics[0].value,
					      box->statics[0].len),
				   AS_SECRET));
}

TEST(a_good_worker_gets_a_lease_and_secrets_and_renews_them)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	struct attempt a;
	char id[33] = "";

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);

	CHECK(as_world_attempt(&w, c, &a));
	a.renew = true;
	(void)as_world_send(&w, c, &a);
	CHECK(as_world_refused(&w, 404, "notfound")); /* nothing to renew */

	CHECK(as_world_attempt(&w, c, &a));
	CHECK(as_world_send(&w, c, &a) == 200);
	CHECK(opens(&w, &a));
	const char *lease = strstr(buf_cstr(&w.body), "\"id\":\"");
	CHECK(lease != NULL);
	memcpy(id, lease + 6, 32);

	CHECK(as_world_attempt(&w, c, &a));
	a.renew = true;
	CHECK(as_world_send(&w, c, &a) == 200);
	CHECK(opens(&w, &a));
	CHECK(strstr(buf_cstr(&w.body), id) != NULL);

	CHECK(as_world_ask(&w, c, "GET", "/v1/workers", S("")) == 200);
	CHECK(strstr(buf_cstr(&w.body), id) != NULL);
	CHECK(strstr(buf_cstr(&w.body), "\"policy\":\"p\"") != NULL);
	CHECK(as_world_ask(&w, c, "GET", "/v1/log", S("")) == 200);
	CHECK(slice_starts(buf_slice(&w.body), S("{\"size\":5,")));
}

/* One thing is wrong with a worker. */
static void measurement(struct attempt *a)
{
	a->options.measurement[47] ^= 1;
}
static void debug(struct attempt *a)
{
	a->options.debug = true;
}
static void expired(struct attempt *a)
{
	a->options.not_after = a->options.not_before + 1;
}
static void nonce_in_statement(struct attempt *a)
{
	a->statement.nonce[0] ^= 1;
}
static void nonce_never_issued(struct attempt *a)
{
	a->nonce[0] ^= 1;
	a->statement.nonce[0] ^= 1;
}
static void exporter(struct attempt *a)
{
	a->statement.exporter[31] ^= 1;
}
static void spki(struct attempt *a)
{
	a->statement.spki[0] ^= 1;
}
static void purpose_as(struct attempt *a)
{
	a->statement.purpose = PURPOSE_AS;
}
static void purpose_disk(struct attempt *a)
{
	a->statement.purpose = PURPOSE_DISK;
}
static void key_set(struct attempt *a)
{
	a->statement.keys[0] ^= 1;
}
static void manifest(struct attempt *a)
{
	a->statement.manifest[0] ^= 1;
}
static void no_manifest(struct attempt *a)
{
	a->statement.has_manifest = false;
}
static void group_of_others(struct attempt *a)
{
	a->group = "other";
}
static void group_unknown(struct attempt *a)
{
	a->group = "nope";
}
static void group_no_name(struct attempt *a)
{
	a->group = "../llama";
}
static void name_no_name(struct attempt *a)
{
	a->name = "a b";
}

static const struct {
	const char *what;
	void (*spoil)(struct attempt *a);
	unsigned status;
	const char *name;
} bad_workers[] = {
	{ "measurement", measurement, 403, "policy" },
	{ "debug", debug, 403, "policy" },
	{ "expired", expired, 403, "stale" },
	{ "nonce in statement", nonce_in_statement, 403, "crypto" },
	{ "nonce never issued", nonce_never_issued, 403, "crypto" },
	{ "exporter", exporter, 403, "crypto" },
	{ "spki", spki, 403, "crypto" },
	{ "purpose as", purpose_as, 403, "crypto" },
	{ "purpose disk", purpose_disk, 403, "crypto" },
	{ "key set", key_set, 403, "crypto" },
	{ "manifest", manifest, 403, "policy" },
	{ "no manifest", no_manifest, 403, "policy" },
	{ "group of others", group_of_others, 403, "policy" },
	{ "group unknown", group_unknown, 403, "policy" },
	{ "group no name", group_no_name, 400, "parse" },
	{ "name no name", name_no_name, 400, "parse" },
};

TEST(a_worker_with_one_thing_wrong_gets_nothing)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_buf struct buf root = buf_make(16384);
	struct attempt a;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	for (size_t i = 0; i < countof(bad_workers); i++) {
		CHECK(as_world_attempt(&w, c, &a));
		bad_workers[i].spoil(&a);
		(void)as_world_send(&w, c, &a);
		if (!EXPECT(as_world_refused(&w, bad_workers[i].status,
					     bad_workers[i].name)))
			printf("%s: %s\n", bad_workers[i].what,
			       buf_cstr(&w.body));
		CHECK(strstr(buf_cstr(&w.body), "secrets") == NULL);
	}
	CHECK(sim_root_new(w.options.not_before, &root, &w.err) == OK);
	CHECK(as_world_attempt(&w, c, &a));
	a.root = buf_slice(&root);
	(void)as_world_send(&w, c, &a);
	CHECK(as_world_refused(&w, 403, "crypto"));

	CHECK(as_world_ask(&w, c, "GET", "/v1/workers", S("")) == 200);
	CHECK(slice_eq(buf_slice(&w.body), S("[]")));
	CHECK(as_world_ask(&w, c, "GET", "/v1/log", S("")) == 200);
	CHECK(slice_starts(buf_slice(&w.body), S("{\"size\":1,")));
}

TEST(a_nonce_serves_once_and_evidence_on_its_own_connection_only)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_client struct http_client *other = NULL;
	auto_client struct http_client *nobody = NULL;
	struct attempt a, b;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, false);
	other = as_world_connect(&w, false);
	nobody = as_world_connect(&w, true);
	CHECK(as_world_set(&w, c) == 200);

	/* Genuine evidence, sent over another connection of the same key. */
	CHECK(as_world_ask(&w, other, "GET", "/healthz", S("")) == 200);
	CHECK(as_world_attempt(&w, c, &a));
	(void)as_world_send(&w, other, &a);
	CHECK(as_world_refused(&w, 403, "crypto"));
	(void)as_world_send(&w, c, &a); /* and now its nonce is gone */
	CHECK(as_world_refused(&w, 403, "crypto"));

	CHECK(as_world_attempt(&w, c, &a));
	CHECK(as_world_attempt(&w, c, &b));
	CHECK(as_world_send(&w, c, &a) == 200);
	(void)as_world_send(&w, c, &a);
	CHECK(as_world_refused(&w, 403, "crypto"));
	CHECK(as_world_send(&w, c, &b) == 200);

	/* Without a certificate there is no key to bind to. */
	CHECK(as_world_attempt(&w, nobody, &a));
	(void)as_world_send(&w, nobody, &a);
	CHECK(as_world_refused(&w, 403, "perm"));
}

TEST(a_registration_has_its_five_members_and_no_other)
{
	static const char *const bad[] = {
		"{}",
		"[]",
		"{\"bundle\":{},\"group\":\"llama\",\"keys\":\"\",\"name\":\"a\""
		",\"nonce\":\"00\"}",
		"{\"bundle\":\"{}\",\"group\":\"llama\",\"keys\":\"\",\"name\":"
		"\"a\",\"nonce\":\"0123456789abcdef0123456789abcdef0123456789ab"
		"cdef0123456789abcdef\"}",
		"{\"bundle\":{},\"group\":\"llama\",\"keys\":\"\",\"name\":\"a\""
		",\"nonce\":\"0123456789abcdef0123456789abcdef0123456789abcdef0"
		"123456789abcdef\",\"measurement\":\"\"}",
	};
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;

	as_world_init(&w);
	CHECK(as_world_start(&w, "memory"));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	for (size_t i = 0; i < countof(bad); i++) {
		(void)as_world_ask(&w, c, "POST", "/v1/workers",
				   slice_str(bad[i]));
		CHECK(as_world_refused(&w, 400, "parse"));
		(void)as_world_ask(&w, c, "POST", "/v1/workers/renew",
				   slice_str(bad[i]));
		CHECK(as_world_refused(&w, 400, "parse"));
	}
}

/* ---- restart ------------------------------------------------------------ */

static void stop(struct as_world *w)
{
	for (size_t i = 0; i < countof(w->proc); i++)
		proc_free(take(w->proc[i]));
}

TEST(a_restart_serves_on_and_another_machine_finds_it_sealed)
{
	auto_as_world struct as_world w;
	auto_client struct http_client *c = NULL;
	auto_buf struct buf root = buf_make(16384);
	auto_answer struct answer a;
	struct attempt t;
	char url[4300];

	answer_init(&a);
	as_world_init(&w);
	(void)snprintf(url, sizeof(url), "dir:%s/store", test_dir());
	CHECK(as_world_start(&w, url));
	c = as_world_connect(&w, false);
	CHECK(as_world_set(&w, c) == 200);
	http_client_free(take(c));
	stop(&w);

	CHECK(as_world_start(&w, url));
	c = as_world_connect(&w, false);
	CHECK(as_world_ask(&w, c, "GET", "/v1/manifest", S("")) == 200);
	CHECK(slice_eq(buf_slice(&w.body), buf_slice(&w.manifest_text)));
	CHECK(as_world_attempt(&w, c, &t));
	CHECK(as_world_send(&w, c, &t) == 200);
	http_client_free(take(c));
	stop(&w);

	CHECK(sim_root_new(w.options.not_before, &root, &w.err) == OK);
	CHECK(file_write(w.root_path, buf_slice(&root), 0600, &w.err) == OK);
	CHECK(as_world_start(&w, url));
	c = as_world_connect(&w, false);
	CHECK(as_world_ask(&w, c, "POST", "/v1/attest", S(NONCE)) == 200);
	CHECK(read_answer(&w, &a));
	CHECK_STR_EQ(a.state, "sealed");
	(void)as_world_ask(&w, c, "GET", "/v1/nonce", S(""));
	CHECK(as_world_refused(&w, 503, "unavail"));
	(void)as_world_ask(&w, c, "POST", "/v1/init", S("{}"));
	CHECK(as_world_refused(&w, 409, "conflict"));
	CHECK(as_world_ask(&w, c, "GET", "/healthz", S("")) == 200);
	(void)as_world_ask(&w, c, "GET", "/readyz", S(""));
	CHECK(as_world_refused(&w, 503, "unavail"));
}
