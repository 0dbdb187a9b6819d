#include "core/x509_crl.h"

#include "core/cleanup.h"
#include "core/file.h"
#include "test/test.h"

/* Lists and certificates made with OpenSSL, or its signature over DER written
 * by hand ("hand-"), valid from 2020 to 2120 unless their names say otherwise;
 * the keys were thrown away.  They are also what the fuzzer starts from. */
#define MADE "test/fuzz/corpus/x509_crl/"
#define IN_2030 1893456000
#define START_2020 1577836800
#define START_2021 1609459200

static bool read_made(const char *name, struct buf *raw)
{
	char path[256];
	struct err err;

	(void)snprintf(path, sizeof(path), MADE "%s", name);
	return EXPECT(file_read(path, raw, &err) == OK);
}

static struct x509 *cert(const char *name)
{
	auto_buf struct buf raw = buf_make(X509_DER_MAX);
	struct x509 *c = NULL;
	struct err err;

	if (read_made(name, &raw))
		EXPECT(x509_parse(buf_slice(&raw), &c, &err) == OK);
	return c;
}

static enum status parse(const char *name, struct x509_crl **out,
			 struct err *err)
{
	auto_buf struct buf raw = buf_make(X509_CRL_MAX);

	if (!read_made(name, &raw))
		return err_set(err, E_IO, "no file");
	return x509_crl_parse(buf_slice(&raw), out, err);
}

/* ---- Reading ---- */

TEST(crl_forms_are_read_or_refused)
{
	static const struct {
		const char *name;
		enum status want;
		size_t count;
	} rows[] = {
		{ "good.der", OK, 3 },
		{ "good.pem", OK, 3 },
		{ "reasons.der", OK, 3 },
		{ "empty.der", OK, 0 },
		{ "expired.der", OK, 3 },
		{ "sha384.der", OK, 3 },
		{ "pss.der", OK, 3 },
		{ "rsa.der", OK, 3 },
		{ "hand-good.der", OK, 1 },
		{ "hand-paddedserial.der", OK, 1 },
		{ "delta.der", E_PARSE, 0 },
		{ "indirect.der", E_PARSE, 0 },
		{ "hand-v1.der", E_PARSE, 0 },
		{ "hand-v3.der", E_PARSE, 0 },
		{ "hand-nonext.der", E_PARSE, 0 },
		{ "hand-order.der", E_PARSE, 0 },
		{ "hand-emptylist.der", E_PARSE, 0 },
		{ "hand-emptyext.der", E_PARSE, 0 },
		{ "hand-noserial.der", E_PARSE, 0 },
		{ "hand-criticalentry.der", E_PARSE, 0 },
		{ "hand-algs.der", E_PARSE, 0 },
		{ "hand-behind.der", E_PARSE, 0 },
		{ "hand-sha1.der", E_CRYPTO, 0 },
		{ "root.der", E_PARSE, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_x509_crl struct x509_crl *c = NULL;
		struct err err;
		enum status status = parse(rows[i].name, &c, &err);

		if (status != rows[i].want)
			printf("%s: %s\n", rows[i].name, err.text);
		CHECK_EQ_U64(status, rows[i].want);
		CHECK((c == NULL) == (rows[i].want != OK));
		if (c != NULL)
			CHECK_EQ_U64(x509_crl_count(c), rows[i].count);
	}
}

TEST(a_crl_says_its_times_and_issuer)
{
	auto_x509_crl struct x509_crl *c = NULL;
	auto_x509 struct x509 *root = cert("root.der");
	struct err err;

	CHECK(parse("expired.der", &c, &err) == OK);
	CHECK(x509_crl_this_update(c) == START_2020);
	CHECK(x509_crl_next_update(c) == START_2021);
	CHECK(slice_eq(x509_crl_issuer(c), x509_subject(root)));
	CHECK(x509_crl_alg(c)->kind == X509_ALG_ECDSA);
	CHECK(x509_crl_alg(c)->hash == HASH_SHA256);
}

TEST(a_crl_cut_anywhere_or_longer_is_refused)
{
	auto_buf struct buf raw = buf_make(X509_CRL_MAX);
	struct x509_crl *c = NULL;
	struct err err;

	CHECK(read_made("good.der", &raw));
	for (size_t len = 0; len < raw.len; len++)
		CHECK(x509_crl_parse(slice_sub(buf_slice(&raw), 0, len), &c,
				     &err) == E_PARSE);
	buf_put_u8(&raw, 0);
	CHECK(x509_crl_parse(buf_slice(&raw), &c, &err) == E_PARSE);
	CHECK(c == NULL);
}

TEST(a_pem_crl_is_one_block_with_nothing_around_it)
{
	static const struct {
		const char *front, *behind;
		enum status want;
	} rows[] = {
		{ "", "", OK },
		{ "\n \t", "\r\n\n", OK },
		{ "x", "", E_PARSE },
		{ "", "x", E_PARSE },
		{ "-----BEGIN X509 CRL-----\n", "", E_PARSE },
		{ "", "-----END X509 CRL-----\n", E_PARSE },
	};
	auto_buf struct buf pem = buf_make(10000);

	CHECK(read_made("good.pem", &pem));
	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf all = buf_make(20000);
		auto_x509_crl struct x509_crl *c = NULL;
		struct err err;

		buf_put_str(&all, rows[i].front);
		buf_put(&all, buf_slice(&pem));
		buf_put_str(&all, rows[i].behind);
		CHECK_EQ_U64(x509_crl_parse(buf_slice(&all), &c, &err),
			     rows[i].want);
	}
}

TEST(a_crl_survives_being_written_as_pem)
{
	auto_x509_crl struct x509_crl *c = NULL, *again = NULL;
	auto_buf struct buf pem = buf_make(10000);
	struct err err;

	CHECK(parse("good.der", &c, &err) == OK);
	x509_crl_pem(x509_crl_der(c), &pem);
	CHECK(x509_crl_parse(buf_slice(&pem), &again, &err) == OK);
	CHECK(slice_eq(x509_crl_der(c), x509_crl_der(again)));
}

TEST(a_crl_that_is_too_long_is_refused)
{
	auto_mem uint8_t *big = mem_must(X509_CRL_MAX + 1);
	auto_buf struct buf pem = buf_make(4 * X509_CRL_MAX);
	struct x509_crl *c = NULL;
	struct err err;

	big[0] = DER_SEQUENCE;
	CHECK(x509_crl_parse(slice_make(big, X509_CRL_MAX + 1), &c, &err) ==
	      E_LIMIT);
	buf_put_str(&pem, "-----BEGIN X509 CRL-----");
	for (size_t i = 0; i <= 2 * X509_CRL_MAX; i += 4)
		buf_put_str(&pem, "AAAA");
	buf_put_str(&pem, "-----END X509 CRL-----");
	CHECK(x509_crl_parse(buf_slice(&pem), &c, &err) == E_LIMIT);
	CHECK(c == NULL);
}

/* ---- Judging ---- */

TEST(a_crl_is_verified_by_its_issuer_alone)
{
	static const struct {
		const char *crl, *issuer;
		enum status want;
		const char *text; /* in the error */
	} rows[] = {
		{ "good.der", "root.der", OK, "" },
		{ "sha384.der", "root.der", OK, "" },
		{ "pss.der", "root-rsa.der", OK, "" },
		{ "rsa.der", "root-rsa.der", OK, "" },
		{ "hand-good.der", "root.der", OK, "" },
		{ "impostor.der", "root.der", E_CRYPTO, "not signed by" },
		{ "good.der", "root-rsa.der", E_CRYPTO, "not signed by" },
		{ "pss.der", "root.der", E_CRYPTO, "not signed by" },
		{ "other.der", "root.der", E_CRYPTO, "another issuer" },
		{ "good.der", "root-other.der", E_CRYPTO, "another issuer" },
		{ "good.der", "root-nocrl.der", E_CRYPTO, "may not sign" },
		{ "good.der", "root-noca.der", E_CRYPTO, "may not sign" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_x509_crl struct x509_crl *c = NULL;
		auto_x509 struct x509 *issuer = cert(rows[i].issuer);
		struct err err = { 0 };

		CHECK(parse(rows[i].crl, &c, &err) == OK);
		CHECK_EQ_U64(x509_crl_verify(c, issuer, &err), rows[i].want);
		CHECK(strstr(err.text, rows[i].text) != NULL);
	}
}

TEST(no_byte_of_a_crl_can_be_changed)
{
	auto_buf struct buf raw = buf_make(X509_CRL_MAX);
	auto_x509 struct x509 *root = cert("root.der");
	struct err err;

	CHECK(read_made("good.der", &raw));
	auto_mem uint8_t *copy = mem_must(raw.len);
	for (size_t i = 0; i < raw.len; i++) {
		auto_x509_crl struct x509_crl *c = NULL;

		memcpy(copy, buf_slice(&raw).p, raw.len);
		copy[i] ^= 0x01;
		CHECK(x509_crl_parse(slice_make(copy, raw.len), &c, &err) !=
			      OK ||
		      x509_crl_verify(c, root, &err) == E_CRYPTO);
	}
}

TEST(a_crl_is_current_between_its_times_both_included)
{
	auto_x509_crl struct x509_crl *c = NULL;
	struct err err;

	CHECK(parse("expired.der", &c, &err) == OK);
	CHECK(x509_crl_current(c, START_2020 - 1, &err) == E_STALE);
	CHECK(strstr(err.text, "before 2020-01-01T00:00:00Z") != NULL);
	CHECK(x509_crl_current(c, START_2020, &err) == OK);
	CHECK(x509_crl_current(c, START_2021, &err) == OK);
	CHECK(x509_crl_current(c, START_2021 + 1, &err) == E_STALE);
	CHECK(strstr(err.text, "after 2021-01-01T00:00:00Z") != NULL);
}

TEST(a_crl_names_serials_however_they_are_written)
{
	static const struct {
		const char *crl, *cert;
		bool want;
	} rows[] = {
		{ "good.der", "leaf-5.der", true },
		{ "good.der", "leaf-200.der", true }, /* 00 c8 */
		{ "good.der", "leaf-6.der", false },
		{ "good.der", "root.der", false },
		{ "reasons.der", "leaf-200.der", true },
		{ "empty.der", "leaf-5.der", false },
		{ "hand-good.der", "leaf-5.der", true },
		{ "hand-good.der", "leaf-200.der", false },
		{ "hand-paddedserial.der", "leaf-5.der", true },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_x509_crl struct x509_crl *c = NULL;
		auto_x509 struct x509 *leaf = cert(rows[i].cert);
		struct err err;

		CHECK(parse(rows[i].crl, &c, &err) == OK);
		CHECK(x509_crl_revokes(c, leaf) == rows[i].want);
	}
}
