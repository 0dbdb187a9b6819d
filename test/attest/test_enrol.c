#include "attest/enrol.h"

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/hpke.h"
#include "core/keybox.h"
#include "test/attest/as_fake.h"

/* A worker whose keeper is the test. */
struct bench {
	struct as_world w;
	struct enrol *e;
	void (*spoil)(struct attempt *a); /* of the evidence */
	const char *group;
	bool mute;			 /* never give evidence */
	unsigned wanted, leased, failed; /* events */
	struct statement last;
	struct err why;
	struct buf sealed;
	uint64_t seconds;
};

static void bench_done(struct bench *b)
{
	enrol_free(b->e);
	buf_done(&b->sealed);
	as_world_done(&b->w);
}
#define auto_bench __attribute__((cleanup(bench_done)))

static void bench_new(struct bench *b)
{
	*b = (struct bench){ .group = "llama", .sealed = buf_make(128u << 10) };
	as_world_init(&b->w);
}

/* Start the service and set its manifest. */
static bool serve(struct bench *b)
{
	struct http_client *c;

	if (!as_world_start(&b->w, "memory"))
		return false;
	c = as_world_connect(&b->w, true);
	bool set = as_world_set(&b->w, c) == 200;
	http_client_free(c);
	return EXPECT(set);
}

static void want_evidence(void *ctx, const struct statement *s)
{
	struct bench *b = ctx;
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	struct attempt a = { .statement = *s,
			     .options = b->w.options,
			     .root = buf_slice(&b->w.root) };

	b->wanted++;
	b->last = *s;
	if (b->mute)
		return;
	keyset_digest(buf_slice(&b->w.keys), a.statement.keys);
	if (b->spoil != NULL)
		b->spoil(&a);
	b->last = a.statement;
	as_world_bundle(&a, &bundle);
	enrol_evidence(b->e, buf_slice(&bundle), buf_slice(&b->w.keys));
}

static void leased(void *ctx, const struct enrol_lease *l)
{
	struct bench *b = ctx;

	b->leased++;
	b->seconds = l->seconds;
	buf_clear(&b->sealed);
	buf_put(&b->sealed, l->secrets);
	EXPECT(l->id.len == 32 && l->certificate.len > 0);
	EXPECT(memcmp(l->manifest->digest, b->w.manifest->digest, 32) == 0);
	b->w.done = true;
}

static void failed(void *ctx, const struct err *why, int64_t retry_ms)
{
	struct bench *b = ctx;

	EXPECT(retry_ms > 0);
	b->failed++;
	b->why = *why;
	b->w.done = true;
}

static const struct enrol_events events = { .want_evidence = want_evidence,
					    .leased = leased,
					    .failed = failed };

/* One attempt at this address. */
static void try_at(struct bench *b, struct addr at, const struct manifest *pin)
{
	const struct enrol_settings s = { .as = at,
					  .pin = pin,
					  .group = b->group,
					  .name = "worker-1",
					  .cert = b->w.me.cert,
					  .key = b->w.me.key,
					  .events = &events,
					  .ctx = b };

	enrol_free(take(b->e));
	b->w.done = false;
	b->wanted = b->leased = b->failed = 0;
	buf_clear(&b->sealed);
	EXPECT(enrol_new(b->w.loop, &s, &b->e, &b->w.err) == OK);
	as_world_wait(&b->w);
}

TEST(a_good_worker_gets_a_lease_and_what_only_it_can_open)
{
	auto_bench struct bench b;
	auto_buf struct buf text = buf_make(STATEMENT_MAX);
	auto_secret struct secret *plain = NULL;
	uint8_t aad[32];

	bench_new(&b);
	CHECK(serve(&b));
	for (int pinned = 0; pinned < 2; pinned++) {
		try_at(&b, b.w.at, pinned ? b.w.manifest : NULL);
		CHECK(b.leased == 1 && b.failed == 0 && b.seconds == 10);
	}
	CHECK(statement_write(&b.last, &text, &b.why) == OK);
	sha256(buf_slice(&text), aad);
	CHECK(hpke_open_from(b.w.priv, S(VAULT_SECRETS_INFO), slice_of(aad),
			     buf_slice(&b.sealed), &plain, &b.why) == OK);
}

static void measurement(struct attempt *a)
{
	a->options.measurement[0] ^= 1;
}
static void exporter(struct attempt *a)
{
	a->statement.exporter[0] ^= 1;
}
static void purpose(struct attempt *a)
{
	a->statement.purpose = PURPOSE_RECEIPT;
}
static void keys(struct attempt *a)
{
	a->statement.keys[0] ^= 1;
}

TEST(a_worker_that_is_refused_gets_nothing_and_is_told_the_rule)
{
	static const struct {
		void (*spoil)(struct attempt *a);
		const char *word;
	} bad[] = { { measurement, "measurement" },
		    { exporter, "exporter" },
		    { purpose, "purpose" },
		    { keys, "keys" } };
	auto_bench struct bench b;

	bench_new(&b);
	CHECK(serve(&b));
	for (size_t i = 0; i < countof(bad); i++) {
		b.spoil = bad[i].spoil;
		try_at(&b, b.w.at, NULL);
		CHECK(b.leased == 0 && b.failed == 1 && b.sealed.len == 0);
		CHECK(b.why.code == E_PERM);
		CHECK(strstr(b.why.text, bad[i].word) != NULL);
	}
	b.spoil = NULL;
	b.group = "other"; /* it meets another policy than that group's */
	try_at(&b, b.w.at, NULL);
	CHECK(b.leased == 0 && b.failed == 1 && b.why.code == E_PERM);
}

static void as_measurement(struct as_shown *s)
{
	s->options.measurement[0] ^= 1;
}

TEST(who_is_no_genuine_service_is_never_given_evidence)
{
	auto_bench struct bench b;
	auto_as_fake struct as_fake f, relay;

	bench_new(&b);
	as_fake_init(&f, &b.w);
	as_fake_relay(&relay, &b.w);
	CHECK(serve(&b));
	f.serving = true;
	f.spoil = as_measurement;
	for (int pinned = 0; pinned < 2; pinned++) {
		const struct manifest *pin = pinned ? b.w.manifest : NULL;

		try_at(&b, f.at, pin);
		CHECK(b.wanted == 0 && b.leased == 0 && b.failed == 1);
		CHECK(b.why.code == E_POLICY);
		try_at(&b, relay.at, pin);
		CHECK(b.wanted == 0 && b.leased == 0 && b.failed == 1);
		CHECK(b.why.code == E_CRYPTO);
	}
	CHECK(relay.attested == 2);
}

TEST(another_manifest_than_the_pinned_one_gets_no_evidence)
{
	auto_bench struct bench b;
	auto_manifest struct manifest *other = NULL;

	bench_new(&b);
	CHECK(serve(&b));
	buf_put_str(&b.w.manifest_text, "\n");
	CHECK(manifest_parse(buf_slice(&b.w.manifest_text), "m", &other,
			     &b.why) == OK);
	try_at(&b, b.w.at, other);
	CHECK(b.wanted == 0 && b.failed == 1 && b.why.code == E_POLICY);
}

TEST(before_a_manifest_is_set_it_waits_and_then_registers)
{
	auto_bench struct bench b;
	struct http_client *c;

	bench_new(&b);
	CHECK(as_world_start(&b.w, "memory"));
	try_at(&b, b.w.at, NULL);
	CHECK(b.failed == 1 && b.why.code == E_UNAVAIL && b.wanted == 0);
	c = as_world_connect(&b.w, true);
	EXPECT(as_world_set(&b.w, c) == 200);
	http_client_free(c);
	b.w.done = false;
	as_world_wait(&b.w);
	CHECK(b.leased == 1);
}

TEST(evidence_that_comes_late_or_twice_goes_nowhere)
{
	auto_bench struct bench b;
	struct err err = { .code = E_IO, .text = "x" };
	int64_t until;

	bench_new(&b);
	CHECK(serve(&b));
	b.mute = true;
	const struct enrol_settings s = { .as = b.w.at,
					  .group = "llama",
					  .name = "worker-1",
					  .cert = b.w.me.cert,
					  .key = b.w.me.key,
					  .events = &events,
					  .ctx = &b };
	CHECK(enrol_new(b.w.loop, &s, &b.e, &err) == OK);
	/* Not asked for yet, and nobody is verified. */
	enrol_evidence(b.e, S("{}"), S("{}"));
	enrol_no_evidence(b.e, &err);
	until = clock_mono_ms() + 4000;
	while (b.wanted == 0 && clock_mono_ms() < until)
		loop_run_once(b.w.loop, 20);
	CHECK(b.wanted == 1 && b.failed == 0);
	(void)err_set(&err, E_IO, "no device");
	enrol_no_evidence(b.e, &err);
	enrol_no_evidence(b.e, &err);
	CHECK(b.failed == 1 && b.leased == 0);
	CHECK_STR_EQ(b.why.text, "no device");
	enrol_evidence(b.e, S("{}"), S("{}"));
	CHECK(b.failed == 1);
}
