#include "core/crypto.h"

#include <assert.h>
#include <errno.h>
#include <sys/mman.h>
#include <sys/random.h>

#include <mbedtls/asn1.h>
#include <mbedtls/ctr_drbg.h>
#include <mbedtls/ecp.h>
#include <mbedtls/error.h>
#include <mbedtls/gcm.h>
#include <mbedtls/pk.h>
#include <mbedtls/platform.h>
#include <mbedtls/sha256.h>
#include <mbedtls/sha512.h>
#include <mbedtls/version.h>
#include <psa/crypto.h>

#include <everest/x25519.h> /* needs mbedtls/ecp.h */

#include "core/cleanup.h"
#include "core/clock.h"

/* ---- Start and failures ---- */

/* For failures that leave nothing safe to do; none can be caused by input. */
_Noreturn static void die(const char *why)
{
	(void)fprintf(stderr, "confd: %s\n", why);
	abort();
}

/* Calls that fail only for wrong parameters of ours. */
static void must(int rc)
{
	if (rc != 0)
		die("a cryptographic primitive failed");
}

enum status crypto_fail(struct err *err, enum status code, int rc,
			const char *what)
{
	char text[128];

	mbedtls_strerror(rc, text, sizeof(text));
	if (strstr(text, "llocat") != NULL) /* each module has its own code */
		code = E_NOMEM;
	return err_set(err, code, "%s: %s", what, text);
}

const char *crypto_library(void)
{
	return MBEDTLS_VERSION_STRING_FULL;
}

static mbedtls_time_t wall_time(mbedtls_time_t *out)
{
	mbedtls_time_t now = clock_wall();

	if (out != NULL)
		*out = now;
	return now;
}

/* ---- Randomness ---- */

#define POOL_BLOCK 4096

/* On pages that a child made by fork sees as zeros: there it is not live. */
struct pool {
	bool live;
	pid_t owner; /* 0 where the kernel wipes for us */
	size_t used; /* bytes of block that were given out, and wiped */
	uint8_t block[POOL_BLOCK];
	mbedtls_ctr_drbg_context drbg; /* refers to nothing outside */
};

static struct pool *pool;

static int kernel_entropy(void *unused, unsigned char *out, size_t n)
{
	(void)unused;
	while (n > 0) {
		ssize_t got = getrandom(out, n, 0);
		if (got < 0 && errno == EINTR)
			continue;
		if (got <= 0)
			return MBEDTLS_ERR_CTR_DRBG_ENTROPY_SOURCE_FAILED;
		out += got;
		n -= (size_t)got;
	}
	return 0;
}

static enum status pool_map(struct err *err)
{
	void *mem = mmap(NULL, sizeof(struct pool), PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (mem == MAP_FAILED)
		return err_errno(err, "memory for random numbers");

	/* Both are a second line of defence, so failing is not fatal. */
	(void)madvise(mem, sizeof(struct pool), MADV_DONTDUMP);
	(void)mlock(mem, sizeof(struct pool));
	pool = mem;
	return OK;
}

/* The pool, ready to draw from: mapped, and seeded by this process. */
static enum status pool_open(struct err *err)
{
	if (pool == NULL)
		TRY(pool_map(err));
	if (pool->live && (pool->owner == 0 || pool->owner == getpid()))
		return OK;

	explicit_bzero(pool, sizeof(*pool));
	mbedtls_ctr_drbg_init(&pool->drbg);
	int rc = mbedtls_ctr_drbg_seed(&pool->drbg, kernel_entropy, NULL,
				       (const unsigned char *)"confd", 5);
	if (rc != 0)
		return crypto_fail(err, E_IO, rc, "random numbers");

	pool->used = POOL_BLOCK;
	/* gVisor does not know this advice; then the process is compared. */
	if (madvise(pool, sizeof(*pool), MADV_WIPEONFORK) != 0)
		pool->owner = getpid();
	pool->live = true;
	return OK;
}

static void pool_fill(void)
{
	const size_t step = MBEDTLS_CTR_DRBG_MAX_REQUEST;

	static_assert(POOL_BLOCK % MBEDTLS_CTR_DRBG_MAX_REQUEST == 0,
		      "a block is a whole number of requests");
	for (size_t at = 0; at < POOL_BLOCK; at += step)
		if (mbedtls_ctr_drbg_random(&pool->drbg, pool->block + at,
					    step) != 0)
			die("the kernel gives no random numbers");
	pool->used = 0;
}

void crypto_random(void *out, size_t n)
{
	uint8_t *to = out;
	struct err err;

	if (pool_open(&err) != OK)
		die(err.text);
	while (n > 0) {
		if (pool->used == POOL_BLOCK)
			pool_fill();
		size_t part = POOL_BLOCK - pool->used;
		if (part > n)
			part = n;
		memcpy(to, pool->block + pool->used, part);
		explicit_bzero(pool->block + pool->used, part);
		pool->used += part;
		to += part;
		n -= part;
	}
}

int crypto_rng(void *unused, unsigned char *out, size_t n)
{
	(void)unused;
	crypto_random(out, n);
	return 0;
}

enum status crypto_setup(struct err *err)
{
	static bool done;

	if (done)
		return OK;
	must(mbedtls_platform_set_calloc_free(mem_calloc, mem_free));
	must(mbedtls_platform_set_time(wall_time));
	TRY(pool_open(err));
	psa_status_t rc = psa_crypto_init();
	if (rc != PSA_SUCCESS)
		return err_set(err, E_IO, "psa_crypto_init: %d", (int)rc);
	done = true;
	return OK;
}

/* ---- Hashes ---- */

struct hash {
	enum hash_alg alg;
	union {
		mbedtls_sha256_context s256;
		mbedtls_sha512_context s512; /* also SHA-384 */
	};
};

size_t hash_len(enum hash_alg alg)
{
	static const size_t lens[] = {
		[HASH_SHA256] = 32,
		[HASH_SHA384] = 48,
		[HASH_SHA512] = 64,
	};

	return lens[alg];
}

static void hash_start(struct hash *h, enum hash_alg alg)
{
	h->alg = alg;
	if (alg == HASH_SHA256) {
		mbedtls_sha256_init(&h->s256);
		must(mbedtls_sha256_starts(&h->s256, 0));
		return;
	}
	mbedtls_sha512_init(&h->s512);
	must(mbedtls_sha512_starts(&h->s512, alg == HASH_SHA384));
}

void hash_add(struct hash *h, struct slice in)
{
	if (in.len == 0)
		return;
	must(h->alg == HASH_SHA256
		     ? mbedtls_sha256_update(&h->s256, in.p, in.len)
		     : mbedtls_sha512_update(&h->s512, in.p, in.len));
}

void hash_finish(struct hash *h, uint8_t *out)
{
	must(h->alg == HASH_SHA256 ? mbedtls_sha256_finish(&h->s256, out)
				   : mbedtls_sha512_finish(&h->s512, out));
}

void hash_parts(enum hash_alg alg, const struct slice *parts, size_t n,
		uint8_t *out)
{
	struct hash h;

	hash_start(&h, alg);
	for (size_t i = 0; i < n; i++)
		hash_add(&h, parts[i]);
	hash_finish(&h, out);
	explicit_bzero(&h, sizeof(h));
}

struct hash *hash_new(enum hash_alg alg)
{
	struct hash *h = mem_must(sizeof(*h));

	hash_start(h, alg);
	return h;
}

void hash_free(struct hash *h)
{
	mem_free(h); /* wipes; the contexts refer to nothing outside */
}

/* ---- HMAC and HKDF ---- */

#define SHA256_LEN 32
#define SHA256_BLOCK 64

struct hmac {
	struct hash inner, outer;
};

static void hmac_pad(struct hash *h, const uint8_t key[static SHA256_BLOCK],
		     uint8_t pad)
{
	uint8_t block[SHA256_BLOCK];

	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = key[i] ^ pad;
	hash_start(h, HASH_SHA256);
	hash_add(h, slice_of(block));
	explicit_bzero(block, sizeof(block));
}

static void hmac_start(struct hmac *m, struct slice key)
{
	uint8_t block[SHA256_BLOCK] = { 0 };

	if (key.len > sizeof(block))
		sha256(key, block);
	else if (key.len > 0)
		memcpy(block, key.p, key.len);
	hmac_pad(&m->inner, block, 0x36);
	hmac_pad(&m->outer, block, 0x5c);
	explicit_bzero(block, sizeof(block));
}

/* Also wipes the key. */
static void hmac_finish(struct hmac *m, uint8_t out[static SHA256_LEN])
{
	uint8_t inner[SHA256_LEN];

	hash_finish(&m->inner, inner);
	hash_add(&m->outer, slice_of(inner));
	hash_finish(&m->outer, out);
	explicit_bzero(inner, sizeof(inner));
	explicit_bzero(m, sizeof(*m));
}

void hmac_parts(struct slice key, const struct slice *parts, size_t n,
		uint8_t out[static 32])
{
	struct hmac m;

	hmac_start(&m, key);
	for (size_t i = 0; i < n; i++)
		hash_add(&m.inner, parts[i]);
	hmac_finish(&m, out);
}

void hkdf_extract(struct slice salt, struct slice ikm, uint8_t prk[static 32])
{
	hmac_sha256(salt, ikm, prk);
}

void hkdf_expand_parts(struct slice prk, const struct slice *info, size_t n,
		       uint8_t *out, size_t out_len)
{
	uint8_t t[SHA256_LEN];
	size_t t_len = 0; /* T(0) is empty */

	if (out_len > (size_t)255 * SHA256_LEN)
		die("HKDF cannot give that much");
	for (uint8_t i = 1; out_len > 0; i++) {
		struct hmac m;
		hmac_start(&m, prk);
		hash_add(&m.inner, slice_make(t, t_len));
		for (size_t k = 0; k < n; k++)
			hash_add(&m.inner, info[k]);
		hash_add(&m.inner, slice_make(&i, 1));
		hmac_finish(&m, t);
		t_len = sizeof(t);

		size_t part = out_len < t_len ? out_len : t_len;
		memcpy(out, t, part);
		out += part;
		out_len -= part;
	}
	explicit_bzero(t, sizeof(t));
}

/* ---- AES-GCM ---- */

struct gcm {
	mbedtls_gcm_context ctx;
};

static_assert(_Alignof(struct gcm) <= _Alignof(max_align_t),
	      "mem_alloc aligns enough");

enum status gcm_new(struct slice key, struct gcm **out, struct err *err)
{
	if (key.len != 16 && key.len != 32)
		return err_set(err, E_CRYPTO,
			       "AES-GCM key: %zu bytes, want 16 or 32",
			       key.len);

	auto_gcm struct gcm *g = mem_must(sizeof(*g));
	mbedtls_gcm_init(&g->ctx);
	int rc = mbedtls_gcm_setkey(&g->ctx, MBEDTLS_CIPHER_ID_AES, key.p,
				    (unsigned int)key.len * 8);
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "AES-GCM key");
	*out = take(g);
	return OK;
}

void gcm_free(struct gcm *g)
{
	if (g == NULL)
		return;
	mbedtls_gcm_free(&g->ctx);
	mem_free(g);
}

void gcm_seal(struct gcm *g, const uint8_t iv[static 12], struct slice aad,
	      struct slice in, uint8_t *out)
{
	must(mbedtls_gcm_crypt_and_tag(&g->ctx, MBEDTLS_GCM_ENCRYPT, in.len, iv,
				       GCM_IV_LEN, aad.p, aad.len, in.p, out,
				       GCM_TAG_LEN, out + in.len));
}

enum status gcm_open(struct gcm *g, const uint8_t iv[static 12],
		     struct slice aad, struct slice in, uint8_t *out,
		     struct err *err)
{
	if (in.len < GCM_TAG_LEN)
		return err_set(err, E_CRYPTO,
			       "AES-GCM: %zu bytes, shorter than a tag",
			       in.len);

	size_t len = in.len - GCM_TAG_LEN;
	int rc = mbedtls_gcm_auth_decrypt(&g->ctx, len, iv, GCM_IV_LEN, aad.p,
					  aad.len, in.p + len, GCM_TAG_LEN,
					  in.p, out);
	if (rc == 0)
		return OK;
	if (len > 0)
		explicit_bzero(out, len);
	return err_set(err, E_CRYPTO,
		       "AES-GCM: the authentication tag is wrong");
}

/* ---- X25519 ---- */

/* Everest's constant-time multiplication; false when the result is zero. */
static bool x25519(const uint8_t priv[static 32],
		   const uint8_t point[static 32], uint8_t out[static 32])
{
	mbedtls_x25519_context ctx;
	size_t len;

	mbedtls_x25519_init(&ctx);
	memcpy(ctx.our_secret, priv, 32);
	memcpy(ctx.peer_point, point, 32);
	int rc = mbedtls_x25519_calc_secret(&ctx, &len, out, 32, NULL, NULL);
	mbedtls_x25519_free(&ctx);
	return rc == 0;
}

void x25519_public(const uint8_t priv[static 32], uint8_t pub[static 32])
{
	static const uint8_t base[32] = { 9 };

	/* Clamped scalars are no multiple of the base point's prime order. */
	must(x25519(priv, base, pub) ? 0 : -1);
}

enum status x25519_shared(const uint8_t priv[static 32],
			  const uint8_t pub[static 32],
			  uint8_t shared[static 32], struct err *err)
{
	uint8_t secret[32];

	if (!x25519(priv, pub, secret))
		return err_set(err, E_CRYPTO,
			       "X25519: the peer's public key is of low order");
	memcpy(shared, secret, sizeof(secret));
	explicit_bzero(secret, sizeof(secret));
	return OK;
}

/* ---- Key pairs ---- */

struct keypair {
	mbedtls_pk_context *pk;
	enum key_curve curve;
};

struct curve {
	const char *name;
	mbedtls_ecp_group_id group;
	size_t size; /* bytes of a scalar */
	mbedtls_md_type_t md;
	enum hash_alg hash;
};

/* clang-format off */
static const struct curve curves[] = {
	[KEY_P256] = { "P-256", MBEDTLS_ECP_DP_SECP256R1, 32,
		       MBEDTLS_MD_SHA256, HASH_SHA256 },
	[KEY_P384] = { "P-384", MBEDTLS_ECP_DP_SECP384R1, 48,
		       MBEDTLS_MD_SHA384, HASH_SHA384 },
};
/* clang-format on */
#define SCALAR_MAX 48
#define SCALAR_EXTRA 8 /* FIPS 186-5 A.2.1: 64 bits beyond the order's */

#define KEY_FILE_MAX 65536

#define auto_mpi __attribute__((cleanup(mbedtls_mpi_free)))
#define auto_group __attribute__((cleanup(mbedtls_ecp_group_free)))
#define auto_pk __attribute__((cleanup(mbedtls_pk_free)))

/* The row of an elliptic key on one of our curves, or NULL. */
static const struct curve *curve_of(const mbedtls_pk_context *pk)
{
	if (mbedtls_pk_get_type(pk) != MBEDTLS_PK_ECKEY)
		return NULL;
	mbedtls_ecp_group_id id =
		mbedtls_ecp_keypair_get_group_id(mbedtls_pk_ec(*pk));
	for (size_t i = 0; i < countof(curves); i++)
		if (curves[i].group == id)
			return &curves[i];
	return NULL;
}

static struct keypair *keypair_make(enum key_curve curve)
{
	struct keypair *k = mem_must(sizeof(*k));

	k->curve = curve;
	k->pk = mem_must(sizeof(*k->pk));
	mbedtls_pk_init(k->pk);
	return k;
}

void keypair_free(struct keypair *k)
{
	if (k == NULL)
		return;
	mbedtls_pk_free(k->pk);
	mem_free(k->pk);
	mem_free(k);
}

void *keypair_pk(const struct keypair *k)
{
	return k->pk;
}

static enum status set_elliptic(struct keypair *k, struct err *err)
{
	int rc = mbedtls_pk_setup(k->pk,
				  mbedtls_pk_info_from_type(MBEDTLS_PK_ECKEY));

	return rc == 0 ? OK : crypto_fail(err, E_CRYPTO, rc, "key pair");
}

enum status keypair_new(enum key_curve curve, struct keypair **out,
			struct err *err)
{
	auto_keypair struct keypair *k = keypair_make(curve);

	TRY(set_elliptic(k, err));
	int rc = mbedtls_ecp_gen_key(curves[curve].group, mbedtls_pk_ec(*k->pk),
				     crypto_rng, NULL);
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "key pair");
	*out = take(k);
	return OK;
}

/* (c mod (n - 1)) + 1 for the number c in wide.  The reduction takes a time
 * that depends a little on c; it happens once for a seed, at start. */
static int reduce(const struct curve *c, struct slice wide,
		  uint8_t d[static SCALAR_MAX])
{
	auto_group mbedtls_ecp_group group;
	auto_mpi mbedtls_mpi x;
	auto_mpi mbedtls_mpi n1;

	mbedtls_ecp_group_init(&group);
	mbedtls_mpi_init(&x);
	mbedtls_mpi_init(&n1);
	bool ok = mbedtls_ecp_group_load(&group, c->group) == 0 &&
		  mbedtls_mpi_sub_int(&n1, &group.N, 1) == 0 &&
		  mbedtls_mpi_read_binary(&x, wide.p, wide.len) == 0 &&
		  mbedtls_mpi_mod_mpi(&x, &x, &n1) == 0 &&
		  mbedtls_mpi_add_int(&x, &x, 1) == 0 &&
		  mbedtls_mpi_write_binary(&x, d, c->size) == 0;
	return ok ? 0 : MBEDTLS_ERR_MPI_ALLOC_FAILED;
}

/* Give k the private key d, and the public one that follows. */
static int set_private(struct keypair *k, const uint8_t *d)
{
	const struct curve *c = &curves[k->curve];
	mbedtls_ecp_keypair *ec = mbedtls_pk_ec(*k->pk);
	int rc = mbedtls_ecp_read_key(c->group, ec, d, c->size);

	return rc != 0 ? rc
		       : mbedtls_ecp_keypair_calc_public(ec, crypto_rng, NULL);
}

enum status keypair_from_seed(enum key_curve curve, struct slice seed,
			      struct keypair **out, struct err *err)
{
	const struct curve *c = &curves[curve];
	uint8_t prk[SHA256_LEN];
	uint8_t wide[SCALAR_MAX + SCALAR_EXTRA];
	uint8_t d[SCALAR_MAX];
	const struct slice info[] = { S("ECDSA "), slice_str(c->name) };

	if (seed.len < 32)
		return err_set(err, E_CRYPTO,
			       "seed of a key pair: %zu bytes, want 32 or more",
			       seed.len);
	auto_keypair struct keypair *k = keypair_make(curve);
	TRY(set_elliptic(k, err));

	hkdf_extract(S("confd-keypair-v1"), seed, prk);
	hkdf_expand_parts(slice_of(prk), info, countof(info), wide,
			  c->size + SCALAR_EXTRA);
	int rc = reduce(c, slice_make(wide, c->size + SCALAR_EXTRA), d);
	if (rc == 0)
		rc = set_private(k, d);
	explicit_bzero(prk, sizeof(prk));
	explicit_bzero(wide, sizeof(wide));
	explicit_bzero(d, sizeof(d));
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "key pair of a seed");
	*out = take(k);
	return OK;
}

/* For parsers that move their argument, but write nothing through it. */
static unsigned char *unconst(const uint8_t *p)
{
	return (unsigned char *)(uintptr_t)p;
}

/* True for one DER SEQUENCE with nothing behind it. */
static bool is_one_sequence(struct slice in)
{
	unsigned char *at = unconst(in.p);
	const unsigned char *end = in.p + in.len;
	size_t body;

	return mbedtls_asn1_get_tag(&at, end, &body,
				    MBEDTLS_ASN1_CONSTRUCTED |
					    MBEDTLS_ASN1_SEQUENCE) == 0 &&
	       (size_t)(end - at) == body;
}

enum status keypair_parse(struct slice in, struct keypair **out,
			  struct err *err)
{
	static const char want[] =
		"private key: want one on P-256 or P-384, as PEM or DER, "
		"not encrypted";

	if (in.len > KEY_FILE_MAX)
		return err_set(err, E_LIMIT,
			       "private key: %zu bytes, "
			       "want at most %d",
			       in.len, KEY_FILE_MAX);
	bool der = in.len > 0 && in.p[0] == 0x30; /* a SEQUENCE; no PEM */
	if (in.len == 0 || (der && !is_one_sequence(in)))
		return err_set(err, E_PARSE, "%s", want);

	/* PEM is read as a string, its NUL counted. */
	auto_mem char *text = mem_strdup((const char *)in.p, in.len);
	if (text == NULL)
		return err_set(err, E_NOMEM, "private key: no memory");
	auto_keypair struct keypair *k = keypair_make(KEY_P256);
	if (mbedtls_pk_parse_key(k->pk, (unsigned char *)text,
				 der ? in.len : in.len + 1, NULL, 0, crypto_rng,
				 NULL) != 0)
		return err_set(err, E_PARSE, "%s", want);

	const struct curve *c = curve_of(k->pk);
	if (c == NULL)
		return err_set(err, E_PARSE, "%s; found a key of another kind",
			       want);
	if (mbedtls_pk_check_pair(k->pk, k->pk, crypto_rng, NULL) != 0)
		return err_set(err, E_PARSE,
			       "private key: its public half does not match");
	k->curve = (enum key_curve)(c - curves);
	*out = take(k);
	return OK;
}

enum status keypair_pem(const struct keypair *k, struct buf *out,
			struct err *err)
{
	unsigned char pem[1024];
	int rc = mbedtls_pk_write_key_pem(k->pk, pem, sizeof(pem));

	if (rc == 0)
		buf_put_str(out, (const char *)pem);
	explicit_bzero(pem, sizeof(pem));
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "private key as PEM");
	return buf_check(out, "private key", err);
}

enum status keypair_spki(const struct keypair *k, struct buf *out,
			 struct err *err)
{
	unsigned char der[256];
	int rc = mbedtls_pk_write_pubkey_der(k->pk, der, sizeof(der));

	if (rc < 0)
		return crypto_fail(err, E_CRYPTO, rc, "public key as DER");
	/* Written to the end of the array. */
	buf_put(out, slice_make(der + sizeof(der) - rc, (size_t)rc));
	return buf_check(out, "public key", err);
}

enum status keypair_sign(const struct keypair *k, struct slice msg,
			 struct buf *sig, struct err *err)
{
	const struct curve *c = &curves[k->curve];
	uint8_t hash[HASH_MAX];
	uint8_t der[MBEDTLS_PK_SIGNATURE_MAX_SIZE];
	size_t len = 0;

	hash_parts(c->hash, &msg, 1, hash);
	int rc = mbedtls_pk_sign(k->pk, c->md, hash, hash_len(c->hash), der,
				 sizeof(der), &len, crypto_rng, NULL);
	if (rc != 0)
		return crypto_fail(err, E_CRYPTO, rc, "signature");
	buf_put(sig, slice_make(der, len));
	return buf_check(sig, "signature", err);
}

enum status spki_load(struct slice spki, void *pk, struct err *err)
{
	unsigned char *at = unconst(spki.p);
	const unsigned char *end = spki.p + spki.len;

	if (spki.len == 0 || mbedtls_pk_parse_subpubkey(&at, end, pk) != 0 ||
	    at != end || curve_of(pk) == NULL)
		return err_set(err, E_CRYPTO,
			       "public key: want a DER "
			       "SubjectPublicKeyInfo on P-256 or P-384");
	return OK;
}

enum status spki_verify(struct slice spki, struct slice msg, struct slice sig,
			struct err *err)
{
	auto_pk mbedtls_pk_context pk;
	uint8_t hash[HASH_MAX];

	mbedtls_pk_init(&pk);
	TRY(spki_load(spki, &pk, err));
	const struct curve *c = curve_of(&pk);
	hash_parts(c->hash, &msg, 1, hash);
	if (mbedtls_pk_verify(&pk, c->md, hash, hash_len(c->hash), sig.p,
			      sig.len) != 0)
		return err_set(err, E_CRYPTO,
			       "ECDSA: the signature does not match");
	return OK;
}
