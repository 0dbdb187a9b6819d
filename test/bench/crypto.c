/* What our primitives cost, in CPU time of this thread: "NAME RATE UNIT TIME"
 * a line. */
#include "attest/tee/sim.h"
#include "attest/verifier.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/hpke.h"
#include "core/identity.h"
#include "core/io/tls.h"
#include "core/mem.h"
#include "core/text.h"
#include "proxy/ohttp.h"
#include "test/bench/bench.h"

#define SMALL 256
#define CHAT 1024
#define LARGE 16384
#define HUGE 65536

static uint8_t bytes[HUGE + GCM_TAG_LEN], sealed[HUGE + GCM_TAG_LEN];
static uint8_t iv[GCM_IV_LEN];
static struct gcm *gcm;
static struct err err;

/* ---- ciphers and hashes -------------------------------------------------- */

static void seal(size_t n, size_t len)
{
	for (size_t i = 0; i < n; i++)
		gcm_seal(gcm, iv, S("aad"), slice_make(bytes, len), sealed);
}

static void open_sealed(size_t n, size_t len)
{
	seal(1, len);
	for (size_t i = 0; i < n; i++)
		bench_must(gcm_open(gcm, iv, S("aad"),
				    slice_make(sealed, len + GCM_TAG_LEN),
				    bytes, &err),
			   &err);
}

static void seal_small(size_t n)
{
	seal(n, SMALL);
}

static void seal_chat(size_t n)
{
	seal(n, CHAT);
}

static void seal_large(size_t n)
{
	seal(n, LARGE);
}

static void seal_huge(size_t n)
{
	seal(n, HUGE);
}

static void open_small(size_t n)
{
	open_sealed(n, SMALL);
}

static void open_chat(size_t n)
{
	open_sealed(n, CHAT);
}

static void open_large(size_t n)
{
	open_sealed(n, LARGE);
}

static void open_huge(size_t n)
{
	open_sealed(n, HUGE);
}

static void set_key(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		gcm_free(gcm);
		bench_must(gcm_new(slice_make(bytes, 32), &gcm, &err), &err);
	}
}

static void hash_large(size_t n)
{
	for (size_t i = 0; i < n; i++)
		sha256(slice_make(bytes, LARGE), sealed);
}

static void hash384_large(size_t n)
{
	for (size_t i = 0; i < n; i++)
		sha384(slice_make(bytes, LARGE), sealed);
}

static void hmac_small(size_t n)
{
	for (size_t i = 0; i < n; i++)
		hmac_sha256(slice_make(bytes, 32), slice_make(bytes, 64),
			    sealed);
}

static void draw(size_t n)
{
	for (size_t i = 0; i < n; i++)
		crypto_random(sealed, 32);
}

static void allocate_large(size_t n)
{
	for (size_t i = 0; i < n; i++)
		mem_free(mem_must(LARGE));
}

/* ---- key agreement and sealed exchanges ---------------------------------- */

static uint8_t priv[32], pub[32], enc[32];

static void x25519_times(size_t n)
{
	for (size_t i = 0; i < n; i++)
		bench_must(x25519_shared(priv, pub, sealed, &err), &err);
}

static void x25519_key(size_t n)
{
	for (size_t i = 0; i < n; i++)
		x25519_public(priv, sealed);
}

static void hpke_to(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_hpke struct hpke *h = NULL;
		bench_must(hpke_sender(pub, HPKE_AEAD_AES256, S("info"), NULL,
				       enc, &h, &err),
			   &err);
	}
}

static void hpke_from(size_t n)
{
	hpke_to(1);
	for (size_t i = 0; i < n; i++) {
		auto_hpke struct hpke *h = NULL;
		bench_must(hpke_receiver_known(priv, pub, HPKE_AEAD_AES256,
					       S("info"), enc, &h, &err),
			   &err);
	}
}

static enum status find_key(void *ctx, const struct ohttp_header *header,
			    struct ohttp_key *key, struct err *e)
{
	(void)ctx;
	(void)header;
	(void)e;
	*key = (struct ohttp_key){ priv, pub };
	return OK;
}

/* The other side of s. */
static void answer(struct ohttp_server *s, struct slice in, struct buf *out)
{
	struct ohttp_event ev = { .kind = OHTTP_MORE };

	for (size_t used; ev.kind != OHTTP_END; in = slice_from(in, used))
		bench_must(ohttp_server_open(s, in, true, &used, &ev, &err),
			   &err);
	bench_must(ohttp_server_seal(s, slice_make(bytes, 1024), true, out,
				     &err),
		   &err);
}

static void read_answer(struct ohttp_client *c, struct slice in)
{
	struct ohttp_event ev = { .kind = OHTTP_MORE };

	for (size_t used; ev.kind != OHTTP_END; in = slice_from(in, used))
		bench_must(ohttp_client_open(c, in, true, &used, &ev, &err),
			   &err);
}

/* Both sides of an exchange of 1 KB each way. */
static void exchange(size_t n)
{
	const struct ohttp_server_keys keys = { .find = find_key };
	auto_buf struct buf list = buf_make(OHTTP_KEYS_MAX);
	struct ohttp_config config;
	size_t found;

	ohttp_keys_put(&list, 1, pub);
	bench_must(ohttp_keys_parse(buf_slice(&list), &config, 1, &found, &err),
		   &err);
	for (size_t i = 0; i < n; i++) {
		auto_ohttp_client struct ohttp_client *c = NULL;
		auto_ohttp_server struct ohttp_server *s = NULL;
		auto_buf struct buf there = buf_make(LARGE);
		auto_buf struct buf back = buf_make(LARGE);
		bench_must(ohttp_client_new(&config, HPKE_AEAD_AES256,
					    OHTTP_CHUNKED, NULL, NULL, &c,
					    &err),
			   &err);
		bench_must(ohttp_server_new(OHTTP_CHUNKED, &keys, NULL, &s,
					    &err),
			   &err);
		bench_must(ohttp_client_seal(c, slice_make(bytes, 1024), true,
					     &there, &err),
			   &err);
		answer(s, buf_slice(&there), &back);
		read_answer(c, buf_slice(&back));
	}
}

/* ---- signatures ---------------------------------------------------------- */

static struct keypair *p256, *p384;

static void sign_with(const struct keypair *k, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_buf struct buf sig = buf_make(256);
		bench_must(keypair_sign(k, S("message"), &sig, &err), &err);
	}
}

static void verify_with(const struct keypair *k, size_t n)
{
	auto_buf struct buf spki = buf_make(256);
	auto_buf struct buf sig = buf_make(256);

	bench_must(keypair_spki(k, &spki, &err), &err);
	bench_must(keypair_sign(k, S("message"), &sig, &err), &err);
	for (size_t i = 0; i < n; i++)
		bench_must(spki_verify(buf_slice(&spki), S("message"),
				       buf_slice(&sig), &err),
			   &err);
}

static void sign_p256(size_t n)
{
	sign_with(p256, n);
}

static void verify_p256(size_t n)
{
	verify_with(p256, n);
}

static void sign_p384(size_t n)
{
	sign_with(p384, n);
}

static void verify_p384(size_t n)
{
	verify_with(p384, n);
}

/* ---- TLS ----------------------------------------------------------------- */

/* One direction between two sessions. */
struct pipe {
	uint8_t bytes[LARGE];
	size_t len, at;
};

struct side {
	struct pipe *in, *out;
};

static struct tls *server, *client;

static long side_send(void *ctx, const uint8_t *p, size_t n)
{
	const struct side *s = ctx;

	if (n > sizeof(s->out->bytes) - s->out->len)
		return TLS_FAIL;
	memcpy(s->out->bytes + s->out->len, p, n);
	s->out->len += n;
	return (long)n;
}

static long side_recv(void *ctx, uint8_t *p, size_t n)
{
	const struct side *s = ctx;
	struct pipe *in = s->in;
	size_t part = n < in->len - in->at ? n : in->len - in->at;

	if (part == 0)
		return TLS_AGAIN;
	memcpy(p, in->bytes + in->at, part);
	in->at += part;
	return (long)part;
}

static struct tls_session *new_session(struct tls *t, struct side *s)
{
	const struct tls_transport io = { side_send, side_recv, s };
	struct tls_session *session = NULL;

	bench_must(tls_session_new(t, NULL, io, &session, &err), &err);
	return session;
}

/* Both sides of a handshake, in turns. */
static void shake_hands(size_t n)
{
	static struct pipe there, back;
	struct side left = { .in = &back, .out = &there };
	struct side right = { .in = &there, .out = &back };

	for (size_t i = 0; i < n; i++) {
		there.len = there.at = back.len = back.at = 0;
		struct tls_session *c = new_session(client, &left);
		struct tls_session *s = new_session(server, &right);
		enum status cst = E_AGAIN, sst = E_AGAIN;
		while (cst == E_AGAIN || sst == E_AGAIN) {
			if (cst == E_AGAIN)
				cst = tls_session_handshake(c, &err);
			if (sst == E_AGAIN)
				sst = tls_session_handshake(s, &err);
		}
		bench_must(cst, &err);
		bench_must(sst, &err);
		tls_session_free(c);
		tls_session_free(s);
	}
}

static void make_tls(void)
{
	static const struct tls_settings set = { .server = false };
	struct tls_settings own = { .server = true, .n_chain = 1 };
	struct identity id = { 0 };

	bench_must(identity_new("bench", 1, &id, &err), &err);
	own.chain[0] = x509_der(id.cert);
	own.key = id.key;
	bench_must(tls_new(&own, &server, &err), &err);
	bench_must(tls_new(&set, &client, &err), &err);
	identity_done(&id);
}

/* ---- attestation --------------------------------------------------------- */

static struct verifier_case attested;

/* A manifest that allows devices under this root with this measurement. */
static struct manifest *make_manifest(struct slice root,
				      const uint8_t measured[static 48])
{
	auto_buf struct buf text = buf_make(MANIFEST_MAX);
	struct manifest *m = NULL;
	uint8_t digest[32];

	bench_must(sim_root_digest(root, digest, &err), &err);
	buf_put_str(&text, "{\"version\":1,\"name\":\"bench\",\"generation\":1,"
			   "\"policies\":{\"p\":{\"tee\":\"sim\",\"root\":\"");
	text_hex(&text, slice_of(digest));
	buf_put_str(&text, "\",\"measurements\":[\"");
	text_hex(&text, slice_make(measured, 48));
	buf_put_str(&text, "\"]}},\"attestation_service\":"
			   "{\"policies\":[\"p\"]}}");
	bench_must(manifest_parse(buf_slice(&text), "bench", &m, &err), &err);
	return m;
}

/* Evidence of the software TEE for statement s. */
static void make_bundle(const struct statement *s, struct slice root,
			const struct sim_options *o, struct buf *out)
{
	auto_sim_device struct sim_device *device = NULL;
	auto_evidence struct evidence e;
	uint8_t data[STATEMENT_REPORT_DATA_LEN];

	evidence_init(&e);
	bench_must(sim_device_new(root, o, &device, &err), &err);
	e.statement = buf_make(STATEMENT_MAX);
	bench_must(statement_write(s, &e.statement, &err), &err);
	statement_report_data(buf_slice(&e.statement), data);
	bench_must(sim_device_issue(device, data, &e, &err), &err);
	bench_must(evidence_write(&e, out, &err), &err);
}

static void make_case(void)
{
	static struct buf root, bundle;
	static struct manifest *m;
	int64_t now = clock_wall();
	const struct statement s = { .purpose = PURPOSE_WORKER,
				     .has_exporter = true,
				     .has_manifest = true };
	const struct sim_options o = { .svn = 1,
				       .not_before = now - 3600,
				       .not_after = now + 3600 };
	const uint8_t zeros[32] = { 0 };

	root = buf_make(LARGE);
	bundle = buf_make(EVIDENCE_MAX);
	bench_must(sim_root_new(now, &root, &err), &err);
	m = make_manifest(buf_slice(&root), o.measurement);
	make_bundle(&s, buf_slice(&root), &o, &bundle);
	attested = (struct verifier_case){ .bundle = buf_slice(&bundle),
					   .purpose = s.purpose,
					   .nonce = expect_bytes(zeros),
					   .exporter = expect_bytes(zeros),
					   .spki = expect_bytes(zeros),
					   .keys = expect_bytes(zeros),
					   .manifest = expect_bytes(zeros),
					   .by = m,
					   .policies = &m->as_policies,
					   .now = now };
}

static void judge(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_verdict struct verdict *v = NULL;
		struct claims claims;
		struct trace trace;
		trace_init(&trace);
		bench_must(verifier_judge(&attested, &trace, &claims, &v, &err),
			   &err);
		trace_done(&trace);
	}
}

/* clang-format off */
static const struct bench_row rows[] = {
	{ "aes256gcm_seal_256", seal_small, SMALL },
	{ "aes256gcm_open_256", open_small, SMALL },
	{ "aes256gcm_seal_1k", seal_chat, CHAT },
	{ "aes256gcm_open_1k", open_chat, CHAT },
	{ "aes256gcm_seal_16k", seal_large, LARGE },
	{ "aes256gcm_open_16k", open_large, LARGE },
	{ "aes256gcm_seal_64k", seal_huge, HUGE },
	{ "aes256gcm_open_64k", open_huge, HUGE },
	{ "aes256gcm_key", set_key, 0 },
	{ "sha256_16k", hash_large, LARGE },
	{ "sha384_16k", hash384_large, LARGE },
	{ "hmac_sha256_64", hmac_small, 0 },
	{ "random_32", draw, 0 },
	{ "allocate_free_16k", allocate_large, 0 },
	{ "x25519_public", x25519_key, 0 },
	{ "x25519_shared", x25519_times, 0 },
	{ "hpke_sender", hpke_to, 0 },
	{ "hpke_receiver", hpke_from, 0 },
	{ "ohttp_exchange_1k", exchange, 0 },
	{ "p256_sign", sign_p256, 0 },
	{ "p256_verify", verify_p256, 0 },
	{ "p384_sign", sign_p384, 0 },
	{ "p384_verify", verify_p384, 0 },
	{ "tls13_handshake_both", shake_hands, 0 },
	{ "sim_verification", judge, 0 },
};
/* clang-format on */

int main(void)
{
	bench_must(crypto_setup(&err), &err);
	crypto_random(bytes, sizeof(bytes));
	hpke_derive_keypair(slice_make(bytes, 32), priv, pub);
	bench_must(gcm_new(slice_make(bytes, 32), &gcm, &err), &err);
	bench_must(keypair_new(KEY_P256, &p256, &err), &err);
	bench_must(keypair_new(KEY_P384, &p384, &err), &err);
	make_tls();
	if (sim_available())
		make_case();
	bench_table(rows, sim_available() ? countof(rows) : countof(rows) - 1);
	return 0;
}
