/* Good reports and certificates, changed in every place: nothing is accepted
 * that AMD did not sign. */
#include "test/attest/vectors/snp_vectors.h"

#include "core/cleanup.h"
#include "test/test.h"

#define NO_FOLDER "the vectors are not there (CONFD_VECTORS)"
#define R_AT 0x2a0
#define S_AT 0x2e8
#define HEAD 0x50 /* bytes before the report data */

/* One of each version, product and key. */
static const char *const good[] = {
	"milan-v2-vcek-oak-071c9784",
	"milan-v3-vlek-cvm-reverse-pr-0216f1ce",
	"milan-v5-vcek-teekit-bcc3fbc5",
	"genoa-v3-vcek-openpcc-a9e9196c",
	"turin-v5-vcek-tee-attestatio-85da705e",
};

/* The issuers are read once, and their signatures verified once. */
static struct snp_certs *issuers_of(const struct snp_vector *v)
{
	auto_buf struct buf chain = buf_make(2 * SNP_VECTOR_FILE_MAX);
	struct snp_certs *c = NULL;
	struct err err;

	buf_put(&chain, buf_slice(&v->ask));
	buf_put(&chain, buf_slice(&v->ark));
	struct snp_collateral in = { .chain = buf_slice(&chain) };
	EXPECT(snp_certs_new(&in, &c, &err) == OK);
	return c;
}

static enum status verify(const struct snp_vector *v, struct snp_certs *issuers)
{
	auto_trace struct trace t;

	trace_init(&t);
	return snp_vectors_verify(v, 0, issuers, &t, NULL);
}

/* Change one byte of b by these bits, and put it back. */
static bool accepts(struct snp_vector *v, struct buf *b, size_t at,
		    uint8_t bits, struct snp_certs *issuers)
{
	b->mem[b->head + at] ^= bits;
	bool accepted = verify(v, issuers) == OK;
	b->mem[b->head + at] ^= bits;
	return accepted;
}

/* More of the first, and of the last, whose form differs most. */
static size_t stride_of(size_t i)
{
	return test_stride(i == 0 || i == countof(good) - 1 ? 3 : 13);
}

/* Every bit of the head of the first, else a bit of a byte. */
static void flip_report(struct snp_vector *v, size_t i,
			struct snp_certs *issuers)
{
	for (size_t at = 0; at < v->report.len;
	     at += at < HEAD ? 1 : stride_of(i)) {
		unsigned step = i == 0 && at < HEAD ? 1 : 8;

		for (unsigned bit = (unsigned)(at % step); bit < 8; bit += step)
			if (!EXPECT(!accepts(v, &v->report, at,
					     (uint8_t)(1u << bit), issuers)))
				printf("%s: byte %#zx bit %u\n", v->name, at,
				       bit);
	}
}

static void flip_reports(size_t from, size_t to)
{
	for (size_t i = from; i < to; i++) {
		auto_vector struct snp_vector v = { 0 };

		if (!EXPECT(snp_vectors_load("snp", good[i], &v)))
			return;
		auto_snp_certs struct snp_certs *issuers = issuers_of(&v);
		EXPECT(verify(&v, issuers) == OK);
		flip_report(&v, i, issuers);
		EXPECT(verify(&v, issuers) == OK);
	}
}

TEST(no_bit_of_a_report_can_be_changed)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	flip_reports(0, 1);
}

TEST(no_byte_of_a_report_of_another_kind_can_be_changed)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	flip_reports(1, countof(good));
}

TEST(no_byte_of_a_vcek_can_be_changed)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	for (size_t i = 0; i < countof(good); i++) {
		auto_vector struct snp_vector v = { 0 };

		CHECK(snp_vectors_load("snp", good[i], &v));
		auto_snp_certs struct snp_certs *issuers = issuers_of(&v);
		for (size_t at = 0; at < v.leaf.len; at += stride_of(i))
			if (!EXPECT(!accepts(&v, &v.leaf, at,
					     (uint8_t)(1u << at % 8), issuers)))
				printf("%s: byte %zu\n", v.name, at);
	}
}

TEST(a_report_cut_anywhere_or_longer_is_refused)
{
	auto_vector struct snp_vector v = { 0 };

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_load("snp", good[0], &v));
	auto_snp_certs struct snp_certs *issuers = issuers_of(&v);
	buf_put_u8(&v.report, 0);
	CHECK(verify(&v, issuers) == E_PARSE);
	for (size_t len = v.report.len - 2; len > 0; len--) {
		buf_cut(&v.report, len);
		CHECK(verify(&v, issuers) == E_PARSE);
	}
}

TEST(a_vcek_cut_anywhere_or_longer_is_refused)
{
	auto_vector struct snp_vector v = { 0 };

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_load("snp", good[0], &v));
	auto_snp_certs struct snp_certs *issuers = issuers_of(&v);
	buf_put_u8(&v.leaf, 0);
	CHECK(verify(&v, issuers) == E_PARSE);
	for (size_t len = v.leaf.len - 2; len > 0; len--) {
		buf_cut(&v.leaf, len);
		CHECK(verify(&v, issuers) == E_PARSE);
	}
	buf_clear(&v.leaf);
	CHECK(verify(&v, issuers) == E_STALE);
}

static enum status verify_table(const struct snp_vector *v)
{
	auto_trace struct trace t;
	struct snp_claims claims;
	struct err err;
	const struct snp_case c = {
		.report = buf_slice(&v->report),
		.collateral = { .table = buf_slice(&v->table) },
		.now = v->now,
	};

	trace_init(&t);
	return snp_verify(&c, &t, &claims, &err);
}

/* Three entries, all of them needed, and the one that closes them. */
TEST(no_byte_of_a_tables_head_can_be_changed)
{
	auto_vector struct snp_vector v = { 0 };

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_load("snp", "genoa-v2-vcek-oak-a95b044f", &v));
	CHECK(verify_table(&v) == OK);
	for (size_t at = 0; at < 4 * 24; at++) {
		v.table.mem[v.table.head + at] ^= 0x40;
		if (!EXPECT(verify_table(&v) != OK))
			printf("byte %zu\n", at);
		v.table.mem[v.table.head + at] ^= 0x40;
	}
}

/* Order of P-384, big-endian (FIPS 186-4 D.1.2.4). */
static const uint8_t order[48] = {
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
	0xc7, 0x63, 0x4d, 0x81, 0xf4, 0x37, 0x2d, 0xdf, 0x58, 0x1a, 0x0d, 0xb2,
	0x48, 0xb0, 0xa7, 0x7a, 0xec, 0xec, 0x19, 0x6a, 0xcc, 0xc5, 0x29, 0x73,
};

/* n - s signs as well as s does: so a signature is no name for a report, and
 * the digest in the claims leaves it out. */
TEST(the_twin_of_a_signature_is_as_good_and_changes_no_claim)
{
	auto_vector struct snp_vector v = { 0 };
	auto_trace struct trace t, u;
	struct snp_claims one, two;
	int borrow = 0;

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	trace_init(&t);
	trace_init(&u);
	CHECK(snp_vectors_load("snp", good[0], &v));
	CHECK(snp_vectors_verify(&v, 0, NULL, &t, &one) == OK);
	uint8_t *s = v.report.mem + v.report.head + S_AT;
	for (size_t i = 0; i < sizeof(order); i++) {
		int d = order[sizeof(order) - 1 - i] - s[i] - borrow;

		borrow = d < 0;
		s[i] = (uint8_t)(d + 256 * borrow);
	}
	CHECK(snp_vectors_verify(&v, 0, NULL, &u, &two) == OK);
	CHECK(memcmp(one.report.sig_s, two.report.sig_s, 48) != 0);
	CHECK(memcmp(one.digest, two.digest, sizeof(one.digest)) == 0);
}

TEST(issuers_that_are_kept_give_the_same_verdicts)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	for (size_t i = 0; i < countof(good); i++) {
		auto_vector struct snp_vector v = { 0 };

		CHECK(snp_vectors_load("snp", good[i], &v));
		auto_snp_certs struct snp_certs *issuers = issuers_of(&v);
		CHECK(verify(&v, issuers) == OK);
		CHECK(issuers->ark_signed);
		CHECK(verify(&v, issuers) == OK);
		/* What is kept is of signatures, not of times or trust. */
		int64_t now = v.now;
		v.now = 0;
		CHECK(verify(&v, issuers) == E_STALE);
		v.now = now;
		CHECK(accepts(&v, &v.report, R_AT, 1, issuers) == false);
		CHECK(verify(&v, issuers) == OK);
	}
}
