#include "test/attest/tee/snp_forge_rsa.h"

#include "core/cleanup.h"
#include "core/crypto.h"

#define LEN SNP_FORGE_SIGNATURE_LEN /* bytes of every number */
#define HALF (LEN / 2) /* of the primes, with all that is modulo them */
#define LIMBS (HALF / 8)
#define HASH_LEN 48
#define SALT_MAX 64
#define DB_LEN (LEN - HASH_LEN - 1)

__extension__ typedef unsigned __int128 wide;

/* Least significant limb first. */
struct number {
	uint64_t v[LIMBS];
};

/* A prime, whose top bit is set, and what Montgomery's products want. */
struct prime {
	struct number p;
	uint64_t inv;	      /* -1 / p modulo 2^64 */
	struct number one;    /* 2^2048 modulo p: 1 in Montgomery's form */
	struct number square; /* 2^4096 modulo p */
};

static struct number number_of(const uint8_t in[static HALF])
{
	struct number n = { 0 };

	for (size_t i = 0; i < HALF; i++)
		n.v[i / 8] |= (uint64_t)in[HALF - 1 - i] << 8 * (i % 8);
	return n;
}

/* a -= b, and whether it went below zero. */
static bool subtract(struct number *a, const struct number *b)
{
	uint64_t borrow = 0;

	for (size_t i = 0; i < LIMBS; i++) {
		wide d = (wide)a->v[i] - b->v[i] - borrow;

		a->v[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
	return borrow != 0;
}

/* a += b, and what did not fit. */
static bool add(struct number *a, const struct number *b)
{
	uint64_t carry = 0;

	for (size_t i = 0; i < LIMBS; i++) {
		wide s = (wide)a->v[i] + b->v[i] + carry;

		a->v[i] = (uint64_t)s;
		carry = (uint64_t)(s >> 64);
	}
	return carry != 0;
}

/* Less than 2 * p, with what did not fit above it: modulo p. */
static void reduce(struct number *a, bool carry, const struct number *p)
{
	struct number less = *a;

	if (!subtract(&less, p) || carry)
		*a = less;
}

/* a * b / 2^2048 modulo p: Montgomery's product, a limb of b at a time. */
static struct number product(const struct number *a, const struct number *b,
			     const struct prime *p)
{
	uint64_t t[LIMBS + 2] = { 0 };
	struct number r;

	for (size_t i = 0; i < LIMBS; i++) {
		wide c = 0;

		for (size_t j = 0; j < LIMBS; j++) {
			c += (wide)a->v[j] * b->v[i] + t[j];
			t[j] = (uint64_t)c;
			c >>= 64;
		}
		c += t[LIMBS];
		t[LIMBS] = (uint64_t)c;
		t[LIMBS + 1] = (uint64_t)(c >> 64);

		uint64_t m = t[0] * p->inv;
		c = ((wide)m * p->p.v[0] + t[0]) >> 64;
		for (size_t j = 1; j < LIMBS; j++) {
			c += (wide)m * p->p.v[j] + t[j];
			t[j - 1] = (uint64_t)c;
			c >>= 64;
		}
		c += t[LIMBS];
		t[LIMBS - 1] = (uint64_t)c;
		t[LIMBS] = t[LIMBS + 1] + (uint64_t)(c >> 64);
	}
	memcpy(r.v, t, sizeof(r.v));
	reduce(&r, t[LIMBS] != 0, &p->p);
	return r;
}

static struct number twice(const struct number *a, const struct number *p)
{
	struct number r = *a;
	bool carry = add(&r, a);

	reduce(&r, carry, p);
	return r;
}

static struct prime prime_of(const uint8_t in[static HALF])
{
	struct prime p = { .p = number_of(in), .one = { { 1 } } };

	p.inv = p.p.v[0]; /* right in three bits; Newton's method */
	for (int i = 0; i < 6; i++)
		p.inv *= 2 - p.p.v[0] * p.inv;
	p.inv = 0 - p.inv;
	for (size_t i = 0; i < (size_t)8 * HALF; i++)
		p.one = twice(&p.one, &p.p);
	p.square = p.one;
	for (size_t i = 0; i < (size_t)8 * HALF; i++)
		p.square = twice(&p.square, &p.p);
	return p;
}

/* (high * 2^2048 + low)^d modulo p. */
static struct number power(const struct number *high, const struct number *low,
			   const struct number *d, const struct prime *p)
{
	struct number x = *low, r = p->one, one = { { 1 } };
	struct number top = product(high, &p->square, p);

	reduce(&x, false, &p->p);
	bool carry = add(&x, &top);
	reduce(&x, carry, &p->p);
	x = product(&x, &p->square, p);
	for (size_t i = (size_t)8 * HALF; i-- > 0;) {
		r = product(&r, &r, p);
		if ((d->v[i / 64] >> i % 64 & 1) != 0)
			r = product(&r, &x, p);
	}
	return product(&r, &one, p);
}

/* a * b + c, big-endian. */
static void write_sum(const struct number *a, const struct number *b,
		      const struct number *c, uint8_t out[static LEN])
{
	uint64_t t[2 * LIMBS] = { 0 };

	memcpy(t, c->v, sizeof(c->v));
	for (size_t i = 0; i < LIMBS; i++) {
		wide carry = 0;

		for (size_t j = 0; j < LIMBS; j++) {
			carry += (wide)a->v[j] * b->v[i] + t[i + j];
			t[i + j] = (uint64_t)carry;
			carry >>= 64;
		}
		t[i + LIMBS] = (uint64_t)carry;
	}
	for (size_t i = 0; i < LEN; i++)
		out[LEN - 1 - i] = (uint8_t)(t[i / 8] >> 8 * (i % 8));
}

/* RSASP1 (RFC 8017 s5.2.1) by the primes. */
static void sign_number(const struct snp_forge_key *key,
			const uint8_t em[static LEN], uint8_t out[static LEN])
{
	struct number high = number_of(em), low = number_of(em + HALF);
	struct number dp = number_of(key->dp), dq = number_of(key->dq);
	struct number qinv = number_of(key->qinv);
	struct prime p = prime_of(key->p), q = prime_of(key->q);
	struct number h = power(&high, &low, &dp, &p);
	struct number s2 = power(&high, &low, &dq, &q), m = s2;

	reduce(&m, false, &p.p);
	if (subtract(&h, &m))
		(void)add(&h, &p.p);
	h = product(&h, &qinv, &p);
	h = product(&h, &p.square, &p);
	write_sum(&h, &q.p, &s2, out);
}

/* RFC 8017, B.2.1, exclusive-or'ed onto out. */
static void mask(const uint8_t seed[static HASH_LEN], uint8_t *out, size_t len)
{
	for (size_t at = 0; at < len; at += HASH_LEN) {
		uint8_t counter[4] = { 0, 0, 0, (uint8_t)(at / HASH_LEN) };
		struct slice parts[] = { slice_make(seed, HASH_LEN),
					 slice_of(counter) };
		uint8_t block[HASH_LEN];

		hash_parts(HASH_SHA384, parts, 2, block);
		for (size_t i = 0; i < HASH_LEN && at + i < len; i++)
			out[at + i] ^= block[i];
	}
}

/* RFC 8017, 9.1.1. */
static void encode(struct slice message, size_t salt_len,
		   uint8_t em[static LEN])
{
	static const uint8_t zeros[8], salt[SALT_MAX] = "salt of a forger";
	uint8_t hashed[HASH_LEN];

	sha384(message, hashed);
	struct slice parts[] = { slice_of(zeros), slice_of(hashed),
				 slice_make(salt, salt_len) };
	memset(em, 0, LEN);
	hash_parts(HASH_SHA384, parts, 3, em + DB_LEN);
	em[DB_LEN - salt_len - 1] = 1;
	memcpy(em + DB_LEN - salt_len, salt, salt_len);
	mask(em + DB_LEN, em, DB_LEN);
	em[0] &= 0x7f;
	em[LEN - 1] = 0xbc;
}

/* A signature takes a while, and tests want the same ones over
 * and over: the last ones are kept. */
static struct kept {
	uint8_t em[LEN];
	const struct snp_forge_key *key;
	uint8_t signature[LEN];
} kept[64];
static size_t next_kept;

static const struct kept *find_kept(const struct snp_forge_key *key,
				    const uint8_t em[static LEN])
{
	for (size_t i = 0; i < countof(kept); i++)
		if (kept[i].key == key && memcmp(kept[i].em, em, LEN) == 0)
			return &kept[i];
	return NULL;
}

void snp_forge_rsa_sign(const struct snp_forge_key *key, struct slice message,
			size_t salt_len,
			uint8_t out[static SNP_FORGE_SIGNATURE_LEN])
{
	uint8_t em[LEN];

	encode(message, salt_len, em);
	const struct kept *had = find_kept(key, em);
	if (had == NULL) {
		struct kept *k = &kept[next_kept++ % countof(kept)];
		memcpy(k->em, em, LEN);
		k->key = key;
		sign_number(key, em, k->signature);
		had = k;
	}
	memcpy(out, had->signature, LEN);
}
