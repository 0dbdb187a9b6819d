#include "test/attest/tee/vtpm_forge.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/attest/tee/vtpm_forge_key.h"

#define LEN 256 /* bytes of every number */
#define LIMBS (LEN / 8)
#define AREA_LEN 1184

__extension__ typedef unsigned __int128 wide;

/* ---- RSA (RFC 8017), by Montgomery's products ---- */

/* Least significant limb first. */
struct number {
	uint64_t v[LIMBS];
};

static struct number number_of(const uint8_t in[static LEN])
{
	struct number n = { 0 };

	for (size_t i = 0; i < LEN; i++)
		n.v[i / 8] |= (uint64_t)in[LEN - 1 - i] << 8 * (i % 8);
	return n;
}

/* a - n where a, with the bit above it, is not below n. */
static void reduce(struct number *a, uint64_t top, const struct number *n)
{
	struct number less;
	uint64_t borrow = 0;

	for (size_t i = 0; i < LIMBS; i++) {
		wide d = (wide)a->v[i] - n->v[i] - borrow;

		less.v[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
	if (top >= borrow)
		*a = less;
}

/* a * b / 2^2048 modulo n. */
static struct number times(const struct number *a, const struct number *b,
			   const struct number *n, uint64_t inv)
{
	uint64_t t[LIMBS + 2] = { 0 };
	struct number out;

	for (size_t i = 0; i < LIMBS; i++) {
		wide sum = 0;

		for (size_t j = 0; j < LIMBS; j++) {
			sum = (wide)a->v[j] * b->v[i] + t[j] +
			      (uint64_t)(sum >> 64);
			t[j] = (uint64_t)sum;
		}
		sum = (wide)t[LIMBS] + (uint64_t)(sum >> 64);
		t[LIMBS] = (uint64_t)sum;
		t[LIMBS + 1] = (uint64_t)(sum >> 64);

		uint64_t m = t[0] * inv;
		sum = (wide)m * n->v[0] + t[0];
		for (size_t j = 1; j < LIMBS; j++) {
			sum = (wide)m * n->v[j] + t[j] + (uint64_t)(sum >> 64);
			t[j - 1] = (uint64_t)sum;
		}
		sum = (wide)t[LIMBS] + (uint64_t)(sum >> 64);
		t[LIMBS - 1] = (uint64_t)sum;
		t[LIMBS] = t[LIMBS + 1] + (uint64_t)(sum >> 64);
	}
	memcpy(out.v, t, sizeof(out.v));
	reduce(&out, t[LIMBS], n);
	return out;
}

/* 2^bits modulo n, in at most 4096 doublings. */
static struct number power_of_two(size_t bits, const struct number *n)
{
	struct number a = { { 1 } };

	for (size_t i = 0; i < bits; i++) {
		uint64_t carry = 0;

		for (size_t j = 0; j < LIMBS; j++) {
			uint64_t next = a.v[j] >> 63;

			a.v[j] = a.v[j] << 1 | carry;
			carry = next;
		}
		reduce(&a, carry, n);
	}
	return a;
}

/* message^d modulo n. */
static void private_power(const uint8_t in[static LEN], uint8_t out[static LEN])
{
	const struct number n = number_of(vtpm_forge_key.n);
	const struct number one = { { 1 } };
	struct number square = power_of_two(4096, &n);
	struct number r = power_of_two(2048, &n);
	struct number m = number_of(in);
	uint64_t inv = 1;

	for (int i = 0; i < 6; i++) /* Newton: twice the bits each time */
		inv *= 2 - n.v[0] * inv;
	inv = 0 - inv;
	m = times(&m, &square, &n, inv);
	for (size_t i = 0; i < 8 * LEN; i++) {
		r = times(&r, &r, &n, inv);
		if ((vtpm_forge_key.d[i / 8] >> (7 - i % 8) & 1) != 0)
			r = times(&r, &m, &n, inv);
	}
	r = times(&r, &one, &n, inv);
	for (size_t i = 0; i < LEN; i++)
		out[LEN - 1 - i] = (uint8_t)(r.v[i / 8] >> 8 * (i % 8));
}

/* RFC 8017 s9.2: EMSA-PKCS1-v1_5 with SHA-256. */
void vtpm_forge_sign(struct vtpm_forge *f)
{
	static const uint8_t info[] = { 0x30, 0x31, 0x30, 0x0d, 0x06,
					0x09, 0x60, 0x86, 0x48, 0x01,
					0x65, 0x03, 0x04, 0x02, 0x01,
					0x05, 0x00, 0x04, 0x20 };
	uint8_t padded[LEN], signature[LEN];

	memset(padded, 0xff, sizeof(padded));
	padded[0] = 0;
	padded[1] = 1;
	padded[LEN - 32 - sizeof(info) - 1] = 0;
	memcpy(padded + LEN - 32 - sizeof(info), info, sizeof(info));
	sha256(buf_slice(&f->quote), padded + LEN - 32);
	private_power(padded, signature);
	buf_clear(&f->signature);
	buf_put(&f->signature, slice_of(signature));
}

/* ---- The evidence ---- */

void vtpm_forge_init(struct vtpm_forge *f)
{
	*f = (struct vtpm_forge){
		.cpu = VTPM_SNP,
		.selected = 0x00800181, /* 0, 7, 8, 23 */
		.nonce = S("challenge"),
		.hcl = buf_make(2 * VTPM_HCL_MAX),
		.quote = buf_make(1024),
		.signature = buf_make(1024),
		.pcrs = buf_make(4096),
	};
	for (size_t i = 0; i < VTPM_PCRS; i++)
		memset(f->pcr[i], (int)i + 1, sizeof(f->pcr[i]));
}

void vtpm_forge_done(struct vtpm_forge *f)
{
	buf_done(&f->hcl);
	buf_done(&f->quote);
	buf_done(&f->signature);
	buf_done(&f->pcrs);
}

static void put_u32le(struct buf *b, uint32_t v)
{
	for (unsigned i = 0; i < 4; i++)
		buf_put_u8(b, (uint8_t)(v >> 8 * i));
}

void vtpm_forge_runtime(struct buf *out)
{
	buf_put_str(out, "{\"keys\":[{\"kid\":\"HCLEkPub\",\"kty\":\"RSA\"},"
			 "{\"kid\":\"HCLAkPub\",\"key_ops\":[\"sign\"],"
			 "\"kty\":\"RSA\",\"e\":\"AQAB\",\"n\":\"");
	text_base64url(out, slice_of(vtpm_forge_key.n));
	buf_put_str(out, "\"}],\"user-data\":\"00\"}");
}

void vtpm_forge_bind(struct vtpm_forge *f)
{
	size_t at = 32 + (f->cpu == VTPM_SNP ? 0x50 : 128);

	sha256(slice_sub(buf_slice(&f->hcl), VTPM_FORGE_RUNTIME_AT,
			 f->hcl.len - VTPM_FORGE_RUNTIME_AT - 16),
	       vtpm_forge_at(&f->hcl, at));
}

static void make_hcl(struct vtpm_forge *f)
{
	static const uint8_t zeros[AREA_LEN] = { 0 };
	auto_buf struct buf runtime = buf_make(4096);

	if (f->runtime != NULL)
		buf_put_str(&runtime, f->runtime);
	else
		vtpm_forge_runtime(&runtime);
	uint32_t len = (uint32_t)runtime.len;
	const uint32_t head[] = { 1, 32 + AREA_LEN + 20 + len, 2, 0 };
	const uint32_t data[] = { 20 + len, 1, f->cpu, 1, len };

	buf_clear(&f->hcl);
	buf_put_str(&f->hcl, "HCLA");
	for (size_t i = 0; i < countof(head); i++)
		put_u32le(&f->hcl, head[i]);
	buf_put(&f->hcl, slice_make(zeros, 12));
	buf_put(&f->hcl, slice_make(zeros, AREA_LEN));
	for (size_t i = 0; i < countof(data); i++)
		put_u32le(&f->hcl, data[i]);
	buf_put(&f->hcl, buf_slice(&runtime));
	buf_put(&f->hcl, slice_make(zeros, 16));
	vtpm_forge_bind(f);
}

static void make_quote(struct vtpm_forge *f)
{
	struct slice part[VTPM_PCRS];
	uint8_t digest[32];
	size_t n = 0;

	for (size_t i = 0; i < VTPM_PCRS; i++)
		if ((f->selected >> i & 1) != 0)
			part[n++] = slice_of(f->pcr[i]);
	hash_parts(HASH_SHA256, part, n, digest);
	buf_clear(&f->quote);
	buf_put_u32be(&f->quote, 0xff544347);
	buf_put_u16be(&f->quote, 0x8018);
	buf_put_u16be(&f->quote, 4);
	buf_put_str(&f->quote, "name");
	buf_put_u16be(&f->quote, (uint16_t)f->nonce.len);
	buf_put(&f->quote, f->nonce);
	buf_put_u32be(&f->quote, 0);
	buf_put_u32be(&f->quote, 5000); /* clock */
	buf_put_u32be(&f->quote, 3);
	buf_put_u32be(&f->quote, 1);
	buf_put_u8(&f->quote, 1);
	buf_put_u32be(&f->quote, 0x20200312); /* firmware */
	buf_put_u32be(&f->quote, 0x00120003);
	buf_put_u32be(&f->quote, 1);
	buf_put_u16be(&f->quote, 0x000b);
	buf_put_u8(&f->quote, 3);
	for (unsigned i = 0; i < 3; i++)
		buf_put_u8(&f->quote, (uint8_t)(f->selected >> 8 * i));
	buf_put_u16be(&f->quote, 32);
	buf_put(&f->quote, slice_of(digest));
}

static void make_pcrs(struct vtpm_forge *f)
{
	struct json_out w = { .buf = &f->pcrs };

	buf_clear(&f->pcrs);
	json_open_object(&w, NULL);
	json_put_cstr(&w, "bank", "sha256");
	json_open_array(&w, "pcrs");
	for (size_t i = 0; i < VTPM_PCRS; i++)
		json_put_hex(&w, NULL, slice_of(f->pcr[i]));
	json_close_array(&w);
	json_close_object(&w);
}

void vtpm_forge_make(struct vtpm_forge *f)
{
	make_hcl(f);
	make_quote(f);
	make_pcrs(f);
	vtpm_forge_sign(f);
}

struct vtpm_case vtpm_forge_case(const struct vtpm_forge *f)
{
	return (struct vtpm_case){
		.hcl = buf_slice(&f->hcl),
		.quote = buf_slice(&f->quote),
		.signature = buf_slice(&f->signature),
		.pcrs = buf_slice(&f->pcrs),
	};
}
