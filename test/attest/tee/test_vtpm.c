#include "attest/tee/vtpm.h"

#include "core/cleanup.h"
#include "core/x509.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/attest/tee/vtpm_forge.h"
#include "test/attest/tee/vtpm_forge_key.h"
#include "test/test.h"

#define NOW INT64_C(1771000000)
#define NONCE_AT 14 /* in the quote: its length is before it */
#define SAFE_AT (NONCE_AT + 9 + 16)
#define SELECT_AT (SAFE_AT + 9) /* count, algorithm, size, mask */
#define DIGEST_AT (SELECT_AT + 10)

static const struct vtpm_claims untouched = { .selected = 77 };

/* Ends with that code, by that step and no other; claims are written only
 * when it is OK. */
static bool ends(const struct vtpm_case *c, enum status code, const char *step)
{
	auto_trace struct trace t;
	struct vtpm_claims claims = untouched;
	struct err err = { 0 };

	trace_init(&t);
	bool good = EXPECT(vtpm_verify(c, &t, &claims, &err) == code) &&
		    EXPECT((code == OK) == (claims.selected != 77));
	if (code == OK)
		return EXPECT(trace_ok(&t, vtpm_verify_mandatory,
				       vtpm_verify_n_mandatory)) &&
		       good;
	const struct trace_step *first = trace_first_failure(&t);
	good &= EXPECT(first != NULL) && EXPECT(err.code == code) &&
		test_str_eq(__FILE__, __LINE__, "step", first->rule->step,
			    step);
	for (size_t i = 0; i < t.n; i++)
		good &= EXPECT(t.step[i].outcome == TRACE_OK ||
			       &t.step[i] == first);
	return good;
}

static bool forged_ends(const struct vtpm_forge *f, enum status code,
			const char *step)
{
	const struct vtpm_case c = vtpm_forge_case(f);

	return ends(&c, code, step);
}

static void make(struct vtpm_forge *f)
{
	vtpm_forge_init(f);
	vtpm_forge_make(f);
}

TEST(good_evidence_says_what_was_quoted)
{
	auto_vtpm_forge struct vtpm_forge f;
	auto_trace struct trace t;
	struct vtpm_claims claims;
	struct err err;

	trace_init(&t);
	make(&f);
	struct vtpm_case c = vtpm_forge_case(&f);
	c.nonce = S("challenge");
	CHECK(vtpm_verify(&c, &t, &claims, &err) == OK);
	CHECK(trace_has(&t, "vtpm.quote.nonce"));
	CHECK(claims.cpu == VTPM_SNP && claims.selected == 0x00800181);
	CHECK(slice_eq(slice_make(claims.nonce, claims.nonce_len), c.nonce));
	CHECK(claims.clock == 5000 && claims.resets == 3);
	CHECK(claims.restarts == 1);
	CHECK(claims.report.p == c.hcl.p + 32 && claims.report.len == 1184);
	CHECK(claims.pcr[7][0] == 8 && claims.pcr[23][31] == 24);
	CHECK(memcmp(claims.runtime, claims.report.p + 0x50, 32) == 0);
}

/* Nobody vouches for them: neither refused nor passed on. */
TEST(pcr_values_that_are_not_quoted_are_dropped)
{
	auto_vtpm_forge struct vtpm_forge f;
	auto_trace struct trace t;
	struct vtpm_claims claims;
	struct err err;

	trace_init(&t);
	make(&f);
	const struct vtpm_case c = vtpm_forge_case(&f);
	CHECK(vtpm_verify(&c, &t, &claims, &err) == OK);
	for (unsigned i = 0; i < VTPM_PCRS; i++)
		CHECK(all_zero(claims.pcr[i], 32) ==
		      ((f.selected >> i & 1) == 0));
	CHECK(strstr(t.step[t.n - 1].found, "1-6,9-22") != NULL);
}

/* ---- The HCL report ---- */

TEST(an_hcl_report_of_another_form_is_refused)
{
	static const struct {
		size_t at;
		uint8_t to;
	} changes[] = {
		{ 0, 'h' },  { 3, 'B' },     { 4, 0 },	     { 4, 3 },
		{ 7, 1 },    { 8, 0 },	     { 11, 1 },	     { 12, 1 },
		{ 16, 1 },   { 20, 1 },	     { 31, 1 },	     { 1216, 0 },
		{ 1219, 1 }, { 1220, 2 },    { 1224, 0 },    { 1224, 3 },
		{ 1228, 2 }, { 1232, 0xff }, { 1235, 0xff },
	};
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	for (size_t i = 0; i < countof(changes); i++) {
		uint8_t *p = vtpm_forge_at(&f.hcl, changes[i].at);
		uint8_t before = *p;

		*p = changes[i].to;
		if (!forged_ends(&f, E_PARSE, "vtpm.hcl.form"))
			printf("byte %zu\n", changes[i].at);
		*p = before;
	}
	*vtpm_forge_at(&f.hcl, f.hcl.len - 1) = 1;
	CHECK(forged_ends(&f, E_PARSE, "vtpm.hcl.form"));
}

TEST(an_hcl_report_is_refused_unless_whole)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	struct vtpm_case c = vtpm_forge_case(&f);
	size_t whole = f.hcl.len - 16;
	for (size_t len = 0; len < whole; len += len < 1300 ? 1 : 7) {
		c.hcl.len = len;
		CHECK(ends(&c, E_PARSE, "vtpm.hcl.form"));
	}
	c.hcl.len = whole;
	CHECK(ends(&c, OK, NULL));
	while (f.hcl.len < VTPM_HCL_MAX)
		buf_put_u8(&f.hcl, 0);
	CHECK(forged_ends(&f, OK, NULL));
	buf_put_u8(&f.hcl, 0);
	CHECK(forged_ends(&f, E_PARSE, "vtpm.hcl.form"));
}

TEST(report_data_have_the_hash_and_zeros)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	*vtpm_forge_at(&f.hcl, 32 + 0x50) ^= 1;
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.binding"));
	*vtpm_forge_at(&f.hcl, 32 + 0x50) ^= 1;
	CHECK(forged_ends(&f, OK, NULL));
	*vtpm_forge_at(&f.hcl, 32 + 0x50 + 63) = 1;
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.binding"));
}

TEST(runtime_data_that_were_edited_are_of_no_cpu)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	*vtpm_forge_at(&f.hcl, f.hcl.len - 16 - 3) = '1'; /* user-data */
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.binding"));
}

/* ---- TDX ---- */

static void make_tdx(struct vtpm_forge *f, struct tdx_forge *td)
{
	vtpm_forge_init(f);
	f->cpu = VTPM_TDX;
	vtpm_forge_make(f);
	tdx_forge_init(td, NOW);
	memcpy(td->o.td.report_data, vtpm_forge_at(&f->hcl, 32 + 128), 64);
	tdx_forge_make(td);
}

TEST(a_td_quote_is_about_the_same_runtime_data)
{
	auto_vtpm_forge struct vtpm_forge f;
	auto_tdx_forge struct tdx_forge td;

	make_tdx(&f, &td);
	struct vtpm_case c = vtpm_forge_case(&f);
	CHECK(ends(&c, E_STALE, "vtpm.binding.quote"));
	c.td_quote = buf_slice(&td.quote);
	CHECK(ends(&c, OK, NULL));
	c.td_quote.len -= 1;
	CHECK(ends(&c, E_CRYPTO, "vtpm.binding.quote"));
	c.td_quote.len += 1;
	for (size_t at = 568; at < 632; at += 21) { /* report data */
		*vtpm_forge_at(&td.quote, at) ^= 0x10;
		CHECK(ends(&c, E_CRYPTO, "vtpm.binding.quote"));
		*vtpm_forge_at(&td.quote, at) ^= 0x10;
	}
	*vtpm_forge_at(&f.hcl, 32 + 128) ^= 1;
	CHECK(ends(&c, E_CRYPTO, "vtpm.binding"));
}

TEST(what_is_behind_a_tdreport_is_zero)
{
	auto_vtpm_forge struct vtpm_forge f;
	auto_tdx_forge struct tdx_forge td;

	make_tdx(&f, &td);
	struct vtpm_case c = vtpm_forge_case(&f);
	c.td_quote = buf_slice(&td.quote);
	*vtpm_forge_at(&f.hcl, 32 + 1024) = 1;
	CHECK(ends(&c, E_PARSE, "vtpm.hcl.form"));
}

/* ---- The attestation key ---- */

#define AK_HEAD "{\"keys\":[{\"kid\":\"HCLAkPub\",\"kty\":\"RSA\","

TEST(runtime_data_name_one_attestation_key)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{}",
		"{\"keys\":{}}",
		"{\"keys\":[]}",
		"{\"keys\":[1]}",
		"{\"keys\":[{\"kty\":\"RSA\"}]}",
		"{\"keys\":[{\"kid\":1}]}",
		"{\"keys\":[{\"kid\":\"HCLEkPub\"}]}",
		"{\"keys\":[{\"kid\":\"HCLAkPub\"},{\"kid\":\"HCLAkPub\"}]}",
		AK_HEAD "\"e\":\"AQAB\"}]}",
		AK_HEAD "\"n\":\"AAAA\"}]}",
		AK_HEAD "\"e\":\"AQAB\",\"n\":\"AAAA\"}]}",
		AK_HEAD "\"e\":\"AQAB\",\"n\":\"AA==\"}]}",
		AK_HEAD "\"e\":\"AQAB\",\"e\":\"AQAB\",\"n\":\"AAAA\"}]}",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		auto_vtpm_forge struct vtpm_forge f;

		vtpm_forge_init(&f);
		f.runtime = bad[i];
		vtpm_forge_make(&f);
		if (!forged_ends(&f, E_PARSE, "vtpm.ak"))
			printf("%s\n", bad[i]);
	}
}

/* The good one with a word of it replaced by another of the same length. */
static bool ak_ends(const char *from, const char *to, enum status code)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	size_t at = slice_search(buf_slice(&f.hcl), slice_str(from));
	if (!EXPECT(at < f.hcl.len) || !EXPECT(strlen(from) == strlen(to)))
		return false;
	memcpy(vtpm_forge_at(&f.hcl, at), to, strlen(to));
	vtpm_forge_bind(&f);
	return forged_ends(&f, code, "vtpm.ak");
}

TEST(the_attestation_key_is_rsa_of_2048_bits)
{
	CHECK(ak_ends("\"RSA\",\"e\"", "\"EC2\",\"e\"", E_PARSE));
	CHECK(ak_ends("AQAB", "AQAC", E_PARSE));
	CHECK(ak_ends("\"kty\":\"RSA\",\"e\"", "\"kid\":\"RSA\",\"e\"",
		      E_PARSE));
	CHECK(ak_ends("HCLEkPub", "HCLAkPub", E_PARSE));
	CHECK(ak_ends("\"n\":\"", "\"n\":\"", OK));
	CHECK(ak_ends("user-data", "what-ever", OK));
}

/* n with its first byte zero is of fewer bits. */
TEST(a_key_with_zeros_in_front_is_refused)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	size_t at = slice_search(buf_slice(&f.hcl), S("\"n\":\""));
	memcpy(vtpm_forge_at(&f.hcl, at + 5), "AA", 2);
	vtpm_forge_bind(&f);
	CHECK(forged_ends(&f, E_PARSE, "vtpm.ak"));
}

/* ---- The quote ---- */

TEST(a_quote_of_another_form_is_refused_however_signed)
{
	static const struct {
		size_t at;
		uint8_t to;
	} changes[] = {
		{ 0, 0xfe },
		{ 3, 0 },
		{ 4, 0 },
		{ 5, 0x17 }, /* a certify */
		{ 7, 5 },    /* name's length */
		{ 13, 8 },
		{ 13, 200 },
		{ SAFE_AT, 2 },
		{ SELECT_AT + 3, 0 },
		{ SELECT_AT + 3, 2 },
		{ SELECT_AT + 5, 0x04 }, /* SHA-1 */
		{ SELECT_AT + 6, 2 },
		{ SELECT_AT + 6, 4 },
		{ DIGEST_AT + 1, 31 },
		{ DIGEST_AT + 1, 33 },
	};
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	CHECK_EQ_U64(f.quote.len, DIGEST_AT + 2 + 32);
	for (size_t i = 0; i < countof(changes); i++) {
		uint8_t *p = vtpm_forge_at(&f.quote, changes[i].at);
		uint8_t before = *p;

		*p = changes[i].to;
		vtpm_forge_sign(&f);
		if (!forged_ends(&f, E_PARSE, "vtpm.quote.form"))
			printf("byte %zu\n", changes[i].at);
		*p = before;
	}
}

TEST(a_quote_longer_or_of_no_pcr_is_refused)
{
	static const uint8_t long_nonce[VTPM_NONCE_MAX + 1] = { 1 };
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	buf_put_u8(&f.quote, 0);
	vtpm_forge_sign(&f);
	CHECK(forged_ends(&f, E_PARSE, "vtpm.quote.form"));
	f.selected = 0;
	vtpm_forge_make(&f);
	CHECK(forged_ends(&f, E_PARSE, "vtpm.quote.form"));
	f.selected = 1;
	f.nonce = slice_of(long_nonce);
	vtpm_forge_make(&f);
	CHECK(forged_ends(&f, E_PARSE, "vtpm.quote.form"));
	f.nonce.len = VTPM_NONCE_MAX;
	vtpm_forge_make(&f);
	CHECK(forged_ends(&f, OK, NULL));
	f.nonce.len = 0;
	vtpm_forge_make(&f);
	CHECK(forged_ends(&f, OK, NULL));
}

TEST(a_quote_is_signed_by_the_attestation_key)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	*vtpm_forge_at(&f.quote, 8) ^= 1; /* the name */
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.quote.signature"));
	*vtpm_forge_at(&f.quote, 8) ^= 1;
	CHECK(forged_ends(&f, OK, NULL));
	*vtpm_forge_at(&f.signature, 255) ^= 1;
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.quote.signature"));
	*vtpm_forge_at(&f.signature, 255) ^= 1;
	buf_put_u8(&f.signature, 0);
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.quote.signature"));
	buf_cut(&f.signature, 255);
	CHECK(forged_ends(&f, E_CRYPTO, "vtpm.quote.signature"));
}

TEST(a_nonce_that_is_asked_for_must_be_quoted)
{
	static const char *const others[] = { "Challenge", "challeng",
					      "challenges", "x" };
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	struct vtpm_case c = vtpm_forge_case(&f);
	for (size_t i = 0; i < countof(others); i++) {
		c.nonce = slice_str(others[i]);
		CHECK(ends(&c, E_CRYPTO, "vtpm.quote.nonce"));
	}
	f.nonce = (struct slice){ 0 };
	vtpm_forge_make(&f);
	c = vtpm_forge_case(&f);
	c.nonce = S("challenge");
	CHECK(ends(&c, E_CRYPTO, "vtpm.quote.nonce"));
}

/* ---- The PCR values ---- */

static bool pcrs_end(const char *json, enum status code, const char *step)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	struct vtpm_case c = vtpm_forge_case(&f);
	c.pcrs = slice_str(json);
	return ends(&c, code, step);
}

TEST(pcr_values_of_another_form_are_refused)
{
	static const char *const bad[] = {
		"x",
		"[]",
		"{\"pcrs\":[]}",
		"{\"bank\":\"sha1\",\"pcrs\":[]}",
		"{\"bank\":\"sha256\"}",
		"{\"bank\":\"sha256\",\"pcrs\":{}}",
		"{\"bank\":\"sha256\",\"pcrs\":[1]}",
		"{\"bank\":\"sha256\",\"pcrs\":[\"00\"]}",
		"{\"bank\":\"sha256\",\"pcrs\":[],\"pcrs\":[]}",
		"{\"bank\":\"sha256\",\"pcrs\":[null,null,null,null,null,null,"
		"null,null,null,null,null,null,null,null,null,null,null,null,"
		"null,null,null,null,null,null,null]}",
	};

	for (size_t i = 0; i < countof(bad); i++)
		if (!pcrs_end(bad[i], E_PARSE, "vtpm.pcrs.form"))
			printf("%s\n", bad[i]);
	CHECK(pcrs_end("{\"bank\":\"sha256\",\"pcrs\":[]}", E_STALE,
		       "vtpm.quote.pcrs"));
	CHECK(pcrs_end("{\"bank\":\"sha256\",\"pcrs\":[null]}", E_STALE,
		       "vtpm.quote.pcrs"));
}

TEST(pcr_values_are_those_that_were_quoted)
{
	auto_vtpm_forge struct vtpm_forge f;

	make(&f);
	size_t first = slice_find(buf_slice(&f.pcrs), '[') + 2;
	for (unsigned i = 0; i < VTPM_PCRS; i++) {
		bool selected = (f.selected >> i & 1) != 0;
		uint8_t *p = vtpm_forge_at(&f.pcrs, first + i * 67);
		uint8_t before = *p;

		*p = 'f';
		CHECK(forged_ends(&f, selected ? E_CRYPTO : OK,
				  "vtpm.quote.pcrs"));
		*p = before;
	}
}

/* ---- Parts that are missing ---- */

/* Nothing is refused for it, and nothing is ok. */
TEST(what_is_missing_is_not_checked)
{
	auto_vtpm_forge struct vtpm_forge f;
	auto_trace struct trace t;
	struct vtpm_claims claims;
	struct err err;

	trace_init(&t);
	make(&f);
	struct vtpm_case c = vtpm_forge_case(&f);
	c.signature.len = 0;
	CHECK(ends(&c, E_STALE, "vtpm.quote.signature"));
	c = vtpm_forge_case(&f);
	c.pcrs.len = 0;
	CHECK(ends(&c, E_STALE, "vtpm.pcrs.form"));
	c = vtpm_forge_case(&f);
	c.quote.len = 0;
	c.nonce = S("challenge");
	CHECK(vtpm_verify(&c, &t, &claims, &err) == E_STALE);
	CHECK(!trace_ok(&t, NULL, 0));
}

TEST(rsa_keys_of_other_sizes_are_refused)
{
	static const uint8_t e[] = { 1, 0, 1 }, even[] = { 2 }, one[] = { 1 };
	static const uint8_t big[513] = { 0xff };
	auto_vtpm_forge struct vtpm_forge f;
	const struct slice n = slice_of(vtpm_forge_key.n);
	struct err err;

	make(&f);
	const struct {
		struct slice n, e;
		enum status code;
	} rows[] = {
		{ n, slice_of(e), OK },
		{ n, slice_of(even), E_CRYPTO },
		{ n, slice_of(one), E_CRYPTO },
		{ n, { 0 }, E_CRYPTO },
		{ n, slice_make(big, 5), E_CRYPTO },
		{ { 0 }, slice_of(e), E_CRYPTO },
		{ slice_sub(n, 0, 255), slice_of(e), E_CRYPTO },
		{ slice_of(big), slice_of(e), E_CRYPTO },
		{ slice_make(big, 256), slice_of(e), E_CRYPTO },
	};
	for (size_t i = 0; i < countof(rows); i++)
		CHECK(x509_verify_rsa(rows[i].n, rows[i].e, HASH_SHA256,
				      buf_slice(&f.quote),
				      buf_slice(&f.signature),
				      &err) == rows[i].code);
	CHECK(x509_verify_rsa(n, slice_of(e), HASH_SHA384, buf_slice(&f.quote),
			      buf_slice(&f.signature), &err) == E_CRYPTO);
}
