/* Every byte of genuine TDX quotes, changed, and every length of them: nothing
 * of a quote can be another and be believed.  (White space between its
 * certificates is under no signature; no single bit makes other white space of
 * it.) */
#include <stdlib.h>

#include "attest/tee/tdx_verify.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

#define FILE_MAX (1u << 20)

enum { QUOTE, TCB, TCB_CHAIN, QE, QE_CHAIN, ROOT_CRL, PCK_CRL, CHAIN, FILES };

/* A case, with its collateral read. */
struct vector {
	struct buf file[FILES];
	uint8_t *quote; /* to be changed */
	size_t len;
	struct tdx_collateral *collateral;
	struct tdx_case c;
};

static void vector_done(struct vector *v)
{
	for (size_t i = 0; i < FILES; i++)
		buf_done(&v->file[i]);
	mem_free(v->quote);
	tdx_collateral_free(v->collateral);
}
#define auto_vector __attribute__((cleanup(vector_done)))

static void read_collateral(struct vector *v)
{
	struct slice end = S("-----END CERTIFICATE-----\n");
	struct slice chain = buf_slice(&v->file[CHAIN]);
	const struct tdx_collateral_input in = {
		.tcb_info = buf_slice(&v->file[TCB]),
		.tcb_info_chain = buf_slice(&v->file[TCB_CHAIN]),
		.qe_identity = buf_slice(&v->file[QE]),
		.qe_identity_chain = buf_slice(&v->file[QE_CHAIN]),
		.root_ca_crl = buf_slice(&v->file[ROOT_CRL]),
		.pck_crl = buf_slice(&v->file[PCK_CRL]),
		.pck_crl_chain =
			slice_from(chain, slice_search(chain, end) + end.len),
	};

	v->collateral = tdx_collateral_new(&in);
	v->c.collateral = v->collateral;
}

static bool load(struct vector *v, const char *name, const char *at)
{
	static const char *const names[FILES] = {
		"quote.bin",
		"tcb_info.json",
		"tcb_info_issuer_chain.pem",
		"qe_identity.json",
		"qe_identity_issuer_chain.pem",
		"root_ca_crl.der",
		"pck_crl.der",
		"pck_chain.pem",
	};
	const char *top = getenv("CONFD_VECTORS");
	char path[512];
	struct err err;

	*v = (struct vector){ 0 };
	for (size_t i = 0; i < FILES; i++) {
		v->file[i] = buf_make(FILE_MAX);
		(void)snprintf(path, sizeof(path), "%s/tdx/%s/%s",
			       top != NULL ? top : "../shared/vectors", name,
			       names[i]);
		if (file_read(path, &v->file[i], &err) != OK)
			return false;
	}
	v->len = v->file[QUOTE].len;
	v->quote = mem_must(v->len);
	memcpy(v->quote, buf_slice(&v->file[QUOTE]).p, v->len);
	v->c.quote = slice_make(v->quote, v->len);
	read_collateral(v);
	return text_untime(slice_str(at), &v->c.now, &err) == OK;
}

static enum status judge(struct vector *v)
{
	auto_trace struct trace t = { 0 };
	struct tdx_claims claims;
	struct err err;

	return tdx_verify(&v->c, &t, &claims, &err);
}

/* Bytes from to (to - 1), each step-th: one bit of each, another each time, or
 * all of them. */
static void flip(struct vector *v, size_t from, size_t to, size_t step,
		 bool all_bits)
{
	for (size_t i = from; i < to && i < v->len; i += step)
		for (unsigned bit = 0; bit < 8; bit++) {
			if (!all_bits && bit != i / step % 8)
				continue;
			v->quote[i] ^= (uint8_t)(1u << bit);
			if (!EXPECT(judge(v) != OK))
				printf("  byte %zu, bit %u\n", i, bit);
			v->quote[i] ^= (uint8_t)(1u << bit);
		}
}

#define V4 "v4-90c06f00-openpcc-e560b5c9"
#define V5 "v5-90c06f00-go-tdx-guest-cf77a6e9"
#define AT "2026-02-18T16:58:51Z"

TEST(no_bit_of_the_header_can_be_changed)
{
	auto_vector struct vector v;

	if (!load(&v, V4, AT))
		SKIP("no vectors");
	CHECK(judge(&v) == OK);
	flip(&v, 0, 48, 1, true);
}

TEST(no_byte_of_a_version_4_can_be_changed)
{
	auto_vector struct vector v;

	if (!load(&v, V4, AT))
		SKIP("no vectors");
	CHECK(judge(&v) == OK);
	flip(&v, 48, 1258, test_stride(5), false);
}

TEST(no_byte_of_its_certificates_can_be_changed)
{
	auto_vector struct vector v;

	if (!load(&v, V4, AT))
		SKIP("no vectors");
	CHECK(judge(&v) == OK);
	flip(&v, 1258, v.len, test_stride(5), false);
	CHECK(judge(&v) == OK);
}

/* Of what is the same in both versions, a sample. */
TEST(no_byte_of_a_version_5_can_be_changed)
{
	auto_vector struct vector v;

	if (!load(&v, V5, AT))
		SKIP("no vectors");
	CHECK(judge(&v) == OK);
	flip(&v, 48, 54, 1, true);
	flip(&v, 54, v.len, 29, false);
}

TEST(cut_anywhere_they_are_malformed)
{
	static const char *const names[] = { V4, V5 };

	for (size_t i = 0; i < countof(names); i++) {
		auto_vector struct vector v;

		if (!load(&v, names[i], AT))
			SKIP("no vectors");
		for (size_t n = 0; n < v.len; n++) {
			v.c.quote.len = n;
			CHECK(judge(&v) == E_PARSE);
		}
	}
}

/* And collateral: a bit of each byte of the two documents. */
TEST(no_byte_of_a_document_can_be_changed)
{
	static const size_t documents[] = { TCB, QE };
	auto_vector struct vector v;

	if (!load(&v, V4, AT))
		SKIP("no vectors");
	for (size_t d = 0; d < countof(documents); d++) {
		struct slice text = buf_slice(&v.file[documents[d]]);
		auto_mem uint8_t *copy = mem_must(text.len);
		struct tdx_collateral_input in = { 0 };

		memcpy(copy, text.p, text.len);
		if (d == 0)
			in.tcb_info_chain = buf_slice(&v.file[TCB_CHAIN]);
		else
			in.qe_identity_chain = buf_slice(&v.file[QE_CHAIN]);
		for (size_t i = 0; i < text.len; i += test_stride(59)) {
			uint8_t bit = (uint8_t)(1u << i % 8);
			struct slice *to =
				d == 0 ? &in.tcb_info : &in.qe_identity;

			copy[i] ^= bit;
			*to = slice_make(copy, text.len);
			auto_tdx_collateral struct tdx_collateral *c =
				tdx_collateral_new(&in);
			size_t form = d == 0 ? TDX_TCB_INFO_FORM
					     : TDX_QE_IDENTITY_FORM;
			size_t sig = d == 0 ? TDX_TCB_INFO_SIGNATURE
					    : TDX_QE_IDENTITY_SIGNATURE;
			if (!EXPECT(c->check[form].found != TDX_HELD ||
				    c->check[sig].found != TDX_HELD))
				printf("  byte %zu\n", i);
			copy[i] ^= bit;
		}
	}
}
