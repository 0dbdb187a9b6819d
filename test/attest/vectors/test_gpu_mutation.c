/* Genuine evidence with one byte changed or missing: refused, or the same in
 * all that it says. */
#include "core/cleanup.h"
#include "test/attest/vectors/gpu_vectors.h"
#include "test/test.h"

#define NO_VECTORS "the vectors are not here"
#define REQUEST_AND_HEADER 52 /* up to the first measurement's value */

/* Signature checks are the cost: some bytes of the many whose change can only
 * show there are tried with all of it, each of them without. */
static size_t stride(size_t n)
{
	return test_is_sanitized() ? 8 * n : n;
}

static bool verified(const struct gpu_vector *v, struct gpu_rim_cache *cache)
{
	struct gpu_case c = gpu_vectors_case(v);
	auto_trace struct trace t = { 0 };
	struct gpu_claims claims;
	struct err err;

	c.cache = cache;
	return gpu_verify(&c, &t, &claims, &err) == OK;
}

/* Parsed, and the changed byte is neither signed nor the signature. */
static bool is_blind_to(struct slice raw, size_t at)
{
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	struct err err;

	return gpu_report_parse(raw, r, &err) == OK &&
	       at >= r->signed_part.len + r->signature.len;
}

static void mutate_report(struct gpu_vector *v)
{
	auto_gpu_rim_cache struct gpu_rim_cache cache = { 0 };
	uint8_t *p = v->report.mem + v->report.head;
	size_t from_end = v->report.len - GPU_SIGNATURE_LEN;

	if (!EXPECT(verified(v, &cache)))
		return;
	for (size_t i = 0; i < v->report.len; i++) {
		bool all = i % stride(i >= from_end ? 8 : 401) == 0;

		p[i] ^= (uint8_t)(1u << i % 8);
		EXPECT(!is_blind_to(buf_slice(&v->report), i));
		EXPECT(!all || !verified(v, &cache));
		p[i] ^= (uint8_t)(1u << i % 8);
	}
	for (size_t i = 0; i < 8 * REQUEST_AND_HEADER; i += stride(1)) {
		auto_mem struct gpu_report *r = mem_must(sizeof(*r));
		struct err err;

		p[i / 8] ^= (uint8_t)(1u << i % 8);
		/* What the parser takes is a nonce, index or type: signed. */
		if (gpu_report_parse(buf_slice(&v->report), r, &err) == OK)
			EXPECT((i % stride(32)) != 0 || !verified(v, &cache));
		p[i / 8] ^= (uint8_t)(1u << i % 8);
	}
	EXPECT(verified(v, &cache));
}

static void truncate_report(struct gpu_vector *v)
{
	struct slice raw = buf_slice(&v->report);
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	struct err err;

	for (size_t len = 0; len < raw.len; len++)
		EXPECT(gpu_report_parse(slice_sub(raw, 0, len), r, &err) != OK);
}

static const char *const good[] = { "h100-drv545.00-full-match",
				    "ls10-switch-full-match" };

TEST(gpu_reports_with_one_byte_changed_or_missing_are_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	for (size_t i = 0; i < countof(good); i++) {
		auto_gpu_vector struct gpu_vector v;

		CHECK(gpu_vectors_load(good[i], &v));
		mutate_report(&v);
		truncate_report(&v);
	}
}

/* ---- Chains ---- */

static bool same_chain(const struct gpu_chain *a, const struct gpu_chain *b)
{
	for (size_t i = 0; i < GPU_CHAIN_LEN; i++)
		if (!slice_eq(x509_der(a->cert[i]), x509_der(b->cert[i])))
			return false;
	return true;
}

static void mutate_chain(struct gpu_vector *v)
{
	auto_gpu_chain struct gpu_chain whole = { 0 };
	auto_gpu_rim_cache struct gpu_rim_cache cache = { 0 };
	uint8_t *p = v->chain.mem + v->chain.head;
	struct err err;

	if (!EXPECT(gpu_chain_parse(buf_slice(&v->chain), &whole, &err) == OK))
		return;
	for (size_t i = 0; i < v->chain.len; i += stride(3)) {
		auto_gpu_chain struct gpu_chain c = { 0 };

		p[i] ^= 1;
		if (gpu_chain_parse(buf_slice(&v->chain), &c, &err) == OK &&
		    !same_chain(&whole, &c) && i % stride(3 * 60) == 0)
			EXPECT(!verified(v, &cache));
		p[i] ^= 1;
	}
}

TEST(gpu_chains_with_one_byte_changed_are_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	for (size_t i = 0; i < countof(good); i++) {
		auto_gpu_vector struct gpu_vector v;

		CHECK(gpu_vectors_load(good[i], &v));
		mutate_chain(&v);
	}
}

/* ---- Manifests ---- */

/* Whether what could be read is believed: signed by this very text. */
static bool believed(struct gpu_rim *r)
{
	if (memcmp(r->digest, r->signed_digest, sizeof(r->digest)) != 0)
		return false;
	gpu_rim_judge(r);
	return r->signature.code == OK && r->chain.code == OK;
}

/* The same text, certificates and values: only how they are written down
 * differs, in white space that no signature is over. */
static bool same_rim(const struct gpu_rim *a, const struct gpu_rim *b)
{
	bool same =
		memcmp(a->digest, b->digest, sizeof(a->digest)) == 0 &&
		slice_eq(buf_slice(&a->signed_info),
			 buf_slice(&b->signed_info)) &&
		slice_eq(buf_slice(&a->signed_by), buf_slice(&b->signed_by));

	for (size_t i = 0; i < GPU_RIM_CERTS; i++)
		same &= slice_eq(x509_der(a->cert[i]), x509_der(b->cert[i]));
	return same;
}

static void mutate_rim(struct buf *xml)
{
	auto_gpu_rim struct gpu_rim *whole = NULL;
	size_t signature = slice_search(buf_slice(xml), S("<ds:Signature "));
	uint8_t *p = xml->mem + xml->head;
	struct err err;

	if (!EXPECT(gpu_rim_parse(buf_slice(xml), &whole, &err) == OK))
		return;
	for (size_t i = 0; i < xml->len; i += stride(test_stride(7))) {
		auto_gpu_rim struct gpu_rim *r = NULL;

		p[i] ^= (uint8_t)(i % 2 == 0 ? 1 : 4);
		/* Signatures are made sure of for some, the digest for all. */
		if (gpu_rim_parse(buf_slice(xml), &r, &err) == OK &&
		    !same_rim(whole, r) &&
		    (i < signature || i % stride(test_stride(105)) == 0))
			EXPECT(!believed(r));
		p[i] ^= (uint8_t)(i % 2 == 0 ? 1 : 4);
	}
}

TEST(manifests_with_one_byte_changed_are_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;

	CHECK(gpu_vectors_load(good[0], &v));
	mutate_rim(&v.driver_rim);
}

TEST(manifests_that_are_cut_are_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;
	struct err err;

	CHECK(gpu_vectors_load(good[1], &v));
	for (size_t len = 0; len + 1 < v.vbios_rim.len; len += stride(5)) {
		struct gpu_rim *r = NULL;

		CHECK(gpu_rim_parse(slice_sub(buf_slice(&v.vbios_rim), 0, len),
				    &r, &err) != OK);
	}
}
