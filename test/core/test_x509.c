#include "core/x509.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

/* Certificates that x509_sign() would not make, made with OpenSSL 3.0 and
 * valid from 2020 to 2120 unless their names say otherwise; the keys were
 * thrown away.  They are also what the fuzzer starts from. */
#define MADE "test/fuzz/corpus/x509/"
#define IN_2030 1893456000

static struct x509 *load_from(const char *dir, const char *name)
{
	auto_buf struct buf raw = buf_make(100000);
	char path[512];
	struct x509 *c = NULL;
	struct err err;

	(void)snprintf(path, sizeof(path), "%s%s", dir, name);
	if (file_read(path, &raw, &err) != OK ||
	    x509_parse(buf_slice(&raw), &c, &err) != OK)
		printf("%s\n", err.text);
	return c;
}

static struct x509 *load(const char *name)
{
	return load_from(MADE, name);
}

/* ---- Verifying ---- */

static const struct {
	const char *child, *issuer;
	enum status want;
	const char *text; /* of the error; in it */
} pairs[] = {
	{ "root.der", "root.der", OK, NULL },
	{ "inter.der", "root.der", OK, NULL },
	{ "leaf.der", "inter.der", OK, NULL },
	{ "below-nousage.der", "nousage.der", OK, NULL },
	{ "below-rsa2048.der", "rsa2048.der", OK, NULL },
	{ "pss.der", "rsa2048.der", OK, NULL },
	{ "uncritical.der", "root.der", OK, NULL },
	{ "nocn.der", "root.der", OK, NULL },
	{ "leaf.der", "root.der", E_CRYPTO, "does not name \"test root\"" },
	{ "root.der", "inter.der", E_CRYPTO, "does not name" },
	{ "inter.der", "impostor.der", E_CRYPTO, "not signed by" },
	{ "root.der", "impostor.der", E_CRYPTO, "not signed by" },
	{ "subca.der", "inter.der", E_CRYPTO, "may not have a CA below" },
	{ "below-noca.der", "noca.der", E_CRYPTO, "is not a CA" },
	{ "below-nobasic.der", "nobasic.der", E_CRYPTO, "is not a CA" },
	{ "below-v1.der", "v1.der", E_CRYPTO, "is not a CA" },
	{ "v1.der", "v1.der", E_CRYPTO, "is not a CA" },
	{ "below-nosign.der", "nosign.der", E_CRYPTO, "may not sign" },
	{ "sha1.der", "root.der", E_CRYPTO, "a digest too weak" },
	{ "pss-sha1.der", "rsa2048.der", E_CRYPTO, "a digest too weak" },
	{ "below-rsa1024.der", "rsa1024.der", E_CRYPTO, "kind or size" },
	{ "below-rsalonge.der", "rsalonge.der", E_CRYPTO, "kind or size" },
	{ "expired.der", "root.der", E_STALE,
	  "\"test expired\": not valid after 2000-01-01T00:00:00Z" },
	/* Of several faults the times are the last that is told. */
	{ "expired.der", "impostor.der", E_CRYPTO, "not signed by" },
};

TEST(certificates_are_judged_as_they_deserve)
{
	for (size_t i = 0; i < countof(pairs); i++) {
		auto_x509 struct x509 *child = load(pairs[i].child);
		auto_x509 struct x509 *issuer = load(pairs[i].issuer);
		struct err err = { 0 };
		CHECK(child != NULL && issuer != NULL);
		CHECK_EQ_U64(x509_verify(child, issuer, IN_2030, &err),
			     pairs[i].want);
		CHECK(pairs[i].text == NULL ||
		      strstr(err.text, pairs[i].text) != NULL);
	}
}

TEST(a_root_is_its_own_issuer)
{
	auto_x509 struct x509 *root = load("root.der");
	auto_x509 struct x509 *inter = load("inter.der");
	struct err err;

	CHECK(root != NULL && inter != NULL);
	CHECK(x509_verify_self(root, IN_2030, &err) == OK);
	CHECK(x509_verify_self(inter, IN_2030, &err) == E_CRYPTO);
}

TEST(times_are_inclusive_and_of_both)
{
	auto_x509 struct x509 *root = load("root.der");
	auto_x509 struct x509 *inter = load("inter.der");
	auto_x509 struct x509 *expired = load("expired.der");
	struct err err;

	CHECK(root != NULL && inter != NULL && expired != NULL);
	int64_t from = x509_not_before(inter), to = x509_not_after(inter);
	CHECK(from == 1577836800 && to == 4733510400);
	CHECK(x509_verify(inter, root, from, &err) == OK);
	CHECK(x509_verify(inter, root, to, &err) == OK);
	CHECK(x509_verify(inter, root, from - 1, &err) == E_STALE);
	CHECK(strstr(err.text, "before 2020-01-01T00:00:00Z; judged at "
			       "2019-12-31T23:59:59Z") != NULL);
	CHECK(x509_verify(inter, root, to + 1, &err) == E_STALE);
	CHECK(x509_verify(inter, root, INT64_MAX, &err) == E_STALE);
	CHECK(x509_verify(inter, root, INT64_MIN, &err) == E_STALE);

	/* In time itself, but its issuer was not there yet. */
	CHECK(x509_verify(expired, root, x509_not_after(expired), &err) ==
	      E_STALE);
	CHECK(strstr(err.text, "\"test root\": not valid before") != NULL);
}

TEST(no_bit_of_a_certificate_can_change)
{
	auto_x509 struct x509 *inter = load("inter.der");
	auto_x509 struct x509 *leaf = load("leaf.der");
	uint8_t der[1024];
	struct err err;

	CHECK(inter != NULL && leaf != NULL);
	struct slice whole = x509_der(leaf);
	memcpy(der, whole.p, whole.len);
	for (size_t i = 0; i < whole.len; i++) {
		auto_x509 struct x509 *c = NULL;
		der[i] ^= (uint8_t)(1 << i % 8);
		if (x509_parse(slice_make(der, whole.len), &c, &err) == OK)
			CHECK(x509_verify(c, inter, IN_2030, &err) == E_CRYPTO);
		der[i] ^= (uint8_t)(1 << i % 8);
	}
}

/* ---- Parsing ---- */

TEST(every_cut_of_a_certificate_is_refused)
{
	auto_x509 struct x509 *leaf = load("leaf.der");
	struct x509 *c = NULL;
	uint8_t der[1024];
	struct err err;

	CHECK(leaf != NULL);
	struct slice whole = x509_der(leaf);
	for (size_t len = 0; len < whole.len; len++)
		CHECK(x509_parse(slice_make(whole.p, len), &c, &err) ==
		      E_PARSE);
	memcpy(der, whole.p, whole.len);
	der[whole.len] = 0;
	CHECK(x509_parse(slice_make(der, whole.len + 1), &c, &err) == E_PARSE);
	CHECK(strstr(err.text, "1 bytes behind its end") != NULL);
	CHECK(c == NULL);
}

TEST(parsing_refuses_what_is_no_certificate_for_us)
{
	static const char *const names[] = { "critical.der", "ed25519.der" };
	auto_mem uint8_t *large = mem_must(X509_DER_MAX + 1);
	struct x509 *c = NULL;
	struct err err;

	for (size_t i = 0; i < countof(names); i++) {
		auto_buf struct buf raw = buf_make(10000);
		char path[100];
		(void)snprintf(path, sizeof(path), MADE "%s", names[i]);
		CHECK(file_read(path, &raw, &err) == OK);
		CHECK(x509_parse(buf_slice(&raw), &c, &err) == E_PARSE);
	}
	large[0] = 0x30;
	CHECK(x509_parse(slice_make(large, X509_DER_MAX + 1), &c, &err) ==
	      E_LIMIT);
	CHECK(x509_parse(slice_make(large, X509_DER_MAX), &c, &err) == E_PARSE);
	CHECK(x509_parse(S(""), &c, &err) == E_PARSE);
	CHECK(x509_parse(S("hello"), &c, &err) == E_PARSE);
	CHECK_STR_EQ(err.text, "PEM: no certificate found");
	CHECK(c == NULL);
}

TEST(fields_are_read)
{
	auto_x509 struct x509 *root = load("root.der");
	auto_x509 struct x509 *two = load("twocn.der");
	auto_x509 struct x509 *none = load("nocn.der");
	uint8_t a[32], b[32];

	CHECK(root != NULL && two != NULL && none != NULL);
	CHECK(slice_eq_str(x509_common_name(root), "test root"));
	CHECK(x509_common_name(two).len == 0);
	CHECK(x509_common_name(none).len == 0);
	/* The key on P-256 is the certificate's last part but extensions. */
	CHECK_EQ_U64(x509_spki(root).len, 91);
	CHECK(slice_starts(x509_spki(root), S("\x30\x59\x30\x13")));
	x509_spki_sha256(root, a);
	sha256(x509_spki(root), b);
	CHECK(memcmp(a, b, sizeof(a)) == 0);
	CHECK(x509_crt(root) != NULL);
	x509_free(NULL);
}

static bool read_chain(struct buf *out)
{
	struct err err;

	return file_read(MADE "chain.pem", out, &err) == OK;
}

TEST(a_chain_is_parsed_in_order)
{
	static const char *const names[] = { "leaf.der", "inter.der",
					     "root.der" };
	auto_buf struct buf pem = buf_make(100000);
	struct x509 *out[4] = { 0 };
	struct err err;
	size_t n = 0;

	CHECK(read_chain(&pem));
	CHECK(x509_parse_chain(buf_slice(&pem), out, 4, &n, &err) == OK);
	EXPECT(n == 3);
	for (size_t i = 0; i < n; i++) {
		auto_x509 struct x509 *want = load(names[i]);
		EXPECT(slice_eq(x509_der(out[i]), x509_der(want)));
		x509_free(out[i]);
	}
}

TEST(a_chain_that_fails_leaves_nothing)
{
	auto_buf struct buf pem = buf_make(100000);
	struct x509 *out[3] = { 0 }, *one = NULL;
	struct err err;
	size_t n = 7;

	CHECK(read_chain(&pem));
	CHECK(x509_parse_chain(buf_slice(&pem), out, 2, &n, &err) == E_LIMIT);
	CHECK(n == 0 && out[0] == NULL && out[1] == NULL);
	CHECK(strstr(err.text, "more than 2") != NULL);
	CHECK(x509_parse(buf_slice(&pem), &one, &err) == E_LIMIT);
	CHECK(one == NULL);

	/* The last block is cut. */
	struct slice cut = slice_sub(buf_slice(&pem), 0, pem.len - 40);
	CHECK(x509_parse_chain(cut, out, 3, &n, &err) == E_PARSE);
	CHECK(n == 0 && out[0] == NULL && out[1] == NULL);
	CHECK(x509_parse_chain(S(""), out, 3, &n, &err) == E_PARSE);
	CHECK(n == 0);
}

TEST(pem_is_strict)
{
	static const char *const refused[] = {
		"-----BEGIN CERTIFICATE-----",
		"-----BEGIN CERTIFICATE----------END CERTIFICATE-----",
		"-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n",
		"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----",
		("-----BEGIN CERTIFICATE-----\nDEK-Info: AES-128-CBC,0\n\nMAA=\n"
		 "-----END CERTIFICATE-----\n"),
		"-----BEGIN CERTIFICATE-----\nMAA\n-----END CERTIFICATE-----",
		"-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----",
		"-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICAT-----",
	};
	struct x509 *c = NULL;
	struct err err;

	for (size_t i = 0; i < countof(refused); i++) {
		CHECK(x509_parse(slice_str(refused[i]), &c, &err) == E_PARSE);
		CHECK(c == NULL);
	}
	/* A key beside the certificate does not belong in this file. */
	auto_buf struct buf pem = buf_make(100000);
	auto_x509 struct x509 *leaf = load("leaf.der");
	CHECK(leaf != NULL);
	x509_pem(x509_der(leaf), &pem);
	buf_put_str(&pem, "-----BEGIN PRIVATE KEY-----\nMAA=\n"
			  "-----END PRIVATE KEY-----\n");
	CHECK(x509_parse(buf_slice(&pem), &c, &err) == E_PARSE);
	CHECK(c == NULL);
}

TEST(pem_that_we_write_is_read_and_lined)
{
	auto_x509 struct x509 *leaf = load("leaf.der"), *back = NULL;
	auto_buf struct buf pem = buf_make(100000), small = buf_make(100);
	struct slice line, rest;
	struct err err;

	CHECK(leaf != NULL);
	x509_pem(x509_der(leaf), &pem);
	CHECK(x509_parse(buf_slice(&pem), &back, &err) == OK);
	CHECK(slice_eq(x509_der(leaf), x509_der(back)));
	rest = buf_slice(&pem);
	CHECK(slice_split(&rest, '\n', &line));
	CHECK(slice_eq_str(line, "-----BEGIN CERTIFICATE-----"));
	while (slice_split(&rest, '\n', &line))
		CHECK(line.len <= 64);

	x509_pem(x509_der(leaf), &small);
	CHECK(small.bad);
}

/* ---- Making ---- */

struct made {
	struct keypair *key;
	struct x509 *cert;
};

static void made_done(struct made *m)
{
	keypair_free(m->key);
	x509_free(m->cert);
}
#define auto_made __attribute__((cleanup(made_done)))

static const struct x509_template ca = {
	.common_name = "Test CA_1.2-3",
	.not_before = 1000000000,
	.not_after = 4000000000,
	.ca = true,
};

static const char *const dns[] = { "as.example.org", "localhost" };
static const uint8_t ip[][4] = { { 127, 0, 0, 1 }, { 10, 20, 30, 40 } };

static const struct x509_template leaf = {
	.common_name = "worker",
	.not_before = 1000000000,
	.not_after = 4000000000,
	.server = true,
	.client = true,
	.dns = dns,
	.n_dns = 2,
	.ip = ip,
	.n_ip = 2,
};

/* Sign spki by issuer's key, or by itself, and parse what came out. */
static enum status sign(const struct x509_template *t, struct slice spki,
			const struct made *issuer, struct x509 **out,
			struct err *err)
{
	auto_buf struct buf der = buf_make(X509_DER_MAX);

	TRY(x509_sign(t, spki, issuer->cert, issuer->key, &der, err));
	return x509_parse(buf_slice(&der), out, err);
}

/* A key of its own, signed by issuer, or by itself where that is NULL. */
static bool make(const struct x509_template *t, enum key_curve curve,
		 const struct made *issuer, struct made *out)
{
	auto_buf struct buf spki = buf_make(200);
	struct err err;

	if (keypair_new(curve, &out->key, &err) == OK &&
	    keypair_spki(out->key, &spki, &err) == OK &&
	    sign(t, buf_slice(&spki), issuer == NULL ? out : issuer, &out->cert,
		 &err) == OK)
		return true;
	printf("%s\n", err.text);
	return false;
}

static bool contains(const struct x509 *c, struct slice bytes)
{
	struct slice der = x509_der(c);

	return slice_search(der, bytes) < der.len;
}

TEST(what_we_sign_verifies)
{
	static const enum key_curve both[] = { KEY_P256, KEY_P384 };
	struct err err;

	for (size_t i = 0; i < 4; i++) {
		auto_made struct made root = { 0 }, mesh = { 0 }, end = { 0 };
		struct x509_template below = ca;
		below.common_name = "mesh";
		CHECK(make(&ca, both[i % 2], NULL, &root));
		CHECK(make(&below, both[i / 2], &root, &mesh));
		CHECK(make(&leaf, both[i % 2], &mesh, &end));

		CHECK(x509_verify_self(root.cert, IN_2030, &err) == OK);
		CHECK(x509_verify(mesh.cert, root.cert, IN_2030, &err) == OK);
		CHECK(x509_verify(end.cert, mesh.cert, IN_2030, &err) == OK);
		CHECK(x509_verify(end.cert, root.cert, IN_2030, &err) ==
		      E_CRYPTO);
		CHECK(x509_verify_self(end.cert, IN_2030, &err) == E_CRYPTO);
		CHECK(x509_verify(end.cert, mesh.cert, 4000000001, &err) ==
		      E_STALE);
	}
}

TEST(what_we_sign_says_what_was_asked)
{
	auto_made struct made root = { 0 }, end = { 0 };
	auto_buf struct buf spki = buf_make(200);
	struct err err;

	CHECK(make(&ca, KEY_P256, NULL, &root));
	CHECK(make(&leaf, KEY_P384, &root, &end));
	CHECK(keypair_spki(end.key, &spki, &err) == OK);
	CHECK(slice_eq(x509_spki(end.cert), buf_slice(&spki)));
	CHECK(slice_eq_str(x509_common_name(root.cert), "Test CA_1.2-3"));
	CHECK(slice_eq_str(x509_common_name(end.cert), "worker"));
	CHECK(x509_not_before(end.cert) == leaf.not_before);
	CHECK(x509_not_after(end.cert) == leaf.not_after);

	/* GeneralName [2] and [7]; EKU serverAuth and clientAuth, not
	 * critical; critical key usages: digitalSignature for the one,
	 * keyCertSign and cRLSign for the other. */
	CHECK(contains(end.cert, S("\x82\x0e"
				   "as.example.org")));
	CHECK(contains(end.cert, S("\x82\x09localhost")));
	CHECK(contains(end.cert, S("\x87\x04\x7f\x00\x00\x01")));
	CHECK(contains(end.cert, S("\x87\x04\x0a\x14\x1e\x28")));
	CHECK(contains(end.cert, S("\x55\x1d\x25\x04\x16\x30\x14"
				   "\x06\x08\x2b\x06\x01\x05\x05\x07\x03\x01"
				   "\x06\x08\x2b\x06\x01\x05\x05\x07\x03"
				   "\x02")));
	CHECK(contains(end.cert, S("\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02"
				   "\x07\x80")));
	CHECK(contains(root.cert, S("\x55\x1d\x0f\x01\x01\xff\x04\x04\x03\x02"
				    "\x01\x06")));
	CHECK(!contains(root.cert, S("\x55\x1d\x11"))); /* no SAN */
	CHECK(!contains(root.cert, S("\x55\x1d\x25"))); /* no EKU */
	/* A CA says so critically, with no path length. */
	CHECK(contains(root.cert, S("\x55\x1d\x13\x01\x01\xff\x04\x05\x30\x03"
				    "\x01\x01\xff")));
}

TEST(each_purpose_stands_alone_too)
{
	struct x509_template t = leaf;
	auto_made struct made server = { 0 }, client = { 0 };

	t.client = false;
	CHECK(make(&t, KEY_P256, NULL, &server));
	CHECK(contains(server.cert, S("\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08"
				      "\x2b\x06\x01\x05\x05\x07\x03\x01")));
	t.client = true;
	t.server = false;
	CHECK(make(&t, KEY_P256, NULL, &client));
	CHECK(contains(client.cert, S("\x55\x1d\x25\x04\x0c\x30\x0a\x06\x08"
				      "\x2b\x06\x01\x05\x05\x07\x03\x02")));
}

TEST(serial_numbers_are_random_positive_and_16_bytes)
{
	auto_made struct made root = { 0 }, other = { 0 };
	auto_buf struct buf spki = buf_make(200);
	struct err err;

	CHECK(make(&ca, KEY_P256, NULL, &root));
	CHECK(keypair_spki(root.key, &spki, &err) == OK);
	struct made self = { root.key, NULL };
	CHECK(sign(&ca, buf_slice(&spki), &self, &other.cert, &err) == OK);

	/* After the version, [0] { 2 }, an INTEGER. */
	struct slice mark = S("\xa0\x03\x02\x01\x02\x02\x10");
	struct slice a = x509_der(root.cert), b = x509_der(other.cert);
	a = slice_sub(a, slice_search(a, mark) + mark.len, 16);
	b = slice_sub(b, slice_search(b, mark) + mark.len, 16);
	CHECK(a.len == 16 && b.len == 16);
	CHECK((a.p[0] & 0xc0) == 0x40 && (b.p[0] & 0xc0) == 0x40);
	CHECK(!slice_eq(a, b));
}

TEST(times_survive_from_1970_to_9999)
{
	static const int64_t times[] = { 0, 946684799, 2524607999, 2524608000,
					 253402300799 };
	struct x509_template t = ca;

	for (size_t i = 0; i < countof(times); i++) {
		auto_made struct made m = { 0 };
		t.not_before = t.not_after = times[i];
		CHECK(make(&t, KEY_P256, NULL, &m));
		CHECK(x509_not_before(m.cert) == times[i]);
		CHECK(x509_not_after(m.cert) == times[i]);
	}
}

/* What signing t by itself says; nothing may come out when it fails. */
static enum status try(const struct x509_template *t, struct err *err)
{
	auto_keypair struct keypair *key = NULL;
	auto_buf struct buf spki = buf_make(200), der = buf_make(100000);

	TRY(keypair_from_seed(KEY_P256, S("0123456789abcdef0123456789abcdef"),
			      &key, err));
	TRY(keypair_spki(key, &spki, err));
	enum status status =
		x509_sign(t, buf_slice(&spki), NULL, key, &der, err);
	EXPECT((status == OK) == (der.len > 0));
	return status;
}

TEST(common_names_are_restricted)
{
	static const struct {
		const char *name;
		enum status want;
	} cases[] = {
		{ "a", OK },
		{ "0123456789012345678901234567890123456789012345678901234567"
		  "890123",
		  OK },
		{ "0123456789012345678901234567890123456789012345678901234567"
		  "8901234",
		  E_PARSE },
		{ "", E_PARSE },
		{ NULL, E_PARSE },
		{ " a", E_PARSE },
		{ "a ", E_PARSE },
		{ "a,O=b", E_PARSE },
		{ "a+b", E_PARSE },
		{ "a=b", E_PARSE },
		{ "a\\b", E_PARSE },
		{ "#0403", E_PARSE },
		{ "a\nb", E_PARSE },
		{ "caf\xc3\xa9", E_PARSE },
	};
	struct x509_template t = ca;
	struct err err;

	for (size_t i = 0; i < countof(cases); i++) {
		t.common_name = cases[i].name;
		CHECK_EQ_U64(try(&t, &err), cases[i].want);
	}
}

TEST(dns_names_are_restricted)
{
	static const struct {
		const char *name;
		enum status want;
	} cases[] = {
		{ "a", OK },
		{ "a-b.C_d.9", OK },
		{ "012345678901234567890123456789012345678901234567890123456"
		  "789012",
		  OK },
		{ "012345678901234567890123456789012345678901234567890123456"
		  "7890123",
		  E_PARSE },
		{ "", E_PARSE },
		{ ".", E_PARSE },
		{ "a.", E_PARSE },
		{ ".a", E_PARSE },
		{ "a..b", E_PARSE },
		{ "-a", E_PARSE },
		{ "a-", E_PARSE },
		{ "*.a", E_PARSE },
		{ "a b", E_PARSE },
		{ "a/b", E_PARSE },
		{ NULL, E_PARSE },
	};
	struct x509_template t = ca;
	struct err err;

	for (size_t i = 0; i < countof(cases); i++) {
		t.dns = &cases[i].name;
		t.n_dns = 1;
		CHECK_EQ_U64(try(&t, &err), cases[i].want);
	}
}

TEST(times_and_counts_are_bounded)
{
	static const char *many[X509_NAMES_MAX + 1];
	char longest[254];
	struct x509_template t = ca;
	struct err err;

	t.not_before = -1;
	CHECK(try(&t, &err) == E_LIMIT);
	t.not_before = t.not_after + 1;
	CHECK(try(&t, &err) == E_LIMIT);
	t.not_before = 0;
	t.not_after = 253402300800;
	CHECK(try(&t, &err) == E_LIMIT);

	/* The most and longest names still fit. */
	t = ca;
	for (size_t i = 0; i < 253; i++)
		longest[i] = i % 64 == 63 ? '.' : 'a';
	longest[253] = '\0';
	for (size_t i = 0; i < countof(many); i++)
		many[i] = longest;
	t.dns = many;
	t.n_dns = X509_NAMES_MAX;
	CHECK(try(&t, &err) == OK);
	t.ip = ip;
	t.n_ip = 1;
	CHECK(try(&t, &err) == E_LIMIT);
	t.n_ip = SIZE_MAX;
	CHECK(try(&t, &err) == E_LIMIT);
	t.n_ip = 0;
	t.n_dns = X509_NAMES_MAX + 1;
	CHECK(try(&t, &err) == E_LIMIT);
}

TEST(signing_needs_the_keys_that_belong_together)
{
	auto_made struct made root = { 0 }, other = { 0 }, end = { 0 };
	struct x509 *c = NULL;
	struct err err;

	CHECK(make(&ca, KEY_P256, NULL, &root));
	CHECK(make(&ca, KEY_P256, NULL, &other));
	CHECK(make(&leaf, KEY_P256, &root, &end));
	struct slice spki = x509_spki(end.cert);
	const struct made wrong_key = { other.key, root.cert };
	CHECK(sign(&leaf, spki, &wrong_key, &c, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "not that of the issuer") != NULL);
	const struct made not_self = { other.key, NULL };
	CHECK(sign(&leaf, spki, &not_self, &c, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "not that of the subject") != NULL);
	const struct made no_ca = { end.key, end.cert };
	CHECK(sign(&leaf, spki, &no_ca, &c, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "may not sign certificates") != NULL);
	CHECK(sign(&leaf, S("junk"), &root, &c, &err) == E_CRYPTO);
	CHECK(sign(&leaf, S(""), &root, &c, &err) == E_CRYPTO);
	CHECK(c == NULL);
	CHECK(sign(&leaf, spki, &root, &c, &err) == OK);
	x509_free(c);
}

TEST(a_certificate_that_does_not_fit_is_an_error)
{
	auto_made struct made root = { 0 };
	auto_buf struct buf spki = buf_make(200), der = buf_make(100);
	struct err err;

	CHECK(make(&ca, KEY_P256, NULL, &root));
	CHECK(keypair_spki(root.key, &spki, &err) == OK);
	CHECK(x509_sign(&ca, buf_slice(&spki), NULL, root.key, &der, &err) ==
	      E_LIMIT);
	CHECK(der.len == 0);
}

/* ---- Genuine ones of vendors, where the vectors are at hand ---- */

static bool vectors_in(const char *kind, char *dir, size_t size)
{
	const char *top = getenv("CONFD_VECTORS");
	int n = snprintf(dir, size, "%s/%s/",
			 top == NULL ? "../shared/vectors" : top, kind);

	return n > 0 && (size_t)n < size && access(dir, R_OK) == 0;
}

TEST(genuine_vendor_chains_verify)
{
	static const struct {
		const char *child, *issuer;
	} chains[] = {
		/* RSA-4096 with PSS, SHA-384 */
		{ "amd_ark_milan.pem", "amd_ark_milan.pem" },
		{ "amd_ask_milan.pem", "amd_ark_milan.pem" },
		{ "amd_asvk_milan.pem", "amd_ark_milan.pem" },
		{ "amd_ark_genoa.pem", "amd_ark_genoa.pem" },
		{ "amd_ask_genoa.pem", "amd_ark_genoa.pem" },
		{ "amd_ark_turin.pem", "amd_ark_turin.pem" },
		{ "amd_ask_turin.pem", "amd_ark_turin.pem" },
		/* P-256 */
		{ "intel_sgx_root_ca.pem", "intel_sgx_root_ca.pem" },
		{ "intel_pck_platform_ca.pem", "intel_sgx_root_ca.pem" },
		{ "intel_tcb_signing_2025.pem", "intel_sgx_root_ca.pem" },
		/* P-384 */
		{ "nvidia_device_identity_root.pem",
		  "nvidia_device_identity_root.pem" },
		{ "nvidia_gh100_identity.pem",
		  "nvidia_device_identity_root.pem" },
	};
	char dir[400];
	struct err err;

	if (!vectors_in("roots", dir, sizeof(dir)))
		SKIP("no vectors (CONFD_VECTORS)");
	for (size_t i = 0; i < countof(chains); i++) {
		auto_x509 struct x509 *c = load_from(dir, chains[i].child);
		auto_x509 struct x509 *up = load_from(dir, chains[i].issuer);
		CHECK(c != NULL && up != NULL);
		int64_t at = x509_not_before(c) + 86400;
		CHECK(x509_verify(c, up, at, &err) == OK);
		CHECK(x509_verify(c, up, x509_not_after(c) + 1, &err) ==
		      E_STALE);
	}
}

TEST(genuine_chip_certificates_verify_under_their_own_product_only)
{
	static const struct {
		const char *dir, *ask;
	} cases[] = {
		{ "milan-v2-vcek-go-sev-guest-377e6241/", "amd_ask_milan.pem" },
		{ "genoa-v3-vcek-openpcc-a9e9196c/", "amd_ask_genoa.pem" },
	};
	char snp[400], roots[400], path[500];
	struct err err;

	if (!vectors_in("snp", snp, sizeof(snp)) ||
	    !vectors_in("roots", roots, sizeof(roots)))
		SKIP("no vectors (CONFD_VECTORS)");
	for (size_t i = 0; i < countof(cases); i++) {
		(void)snprintf(path, sizeof(path), "%s%s", snp, cases[i].dir);
		auto_x509 struct x509 *vcek = load_from(path, "vcek.der");
		auto_x509 struct x509 *own = load_from(roots, cases[i].ask);
		auto_x509 struct x509 *other =
			load_from(roots, cases[1 - i].ask);
		CHECK(vcek != NULL && own != NULL && other != NULL);
		int64_t at = x509_not_before(vcek) + 86400;
		CHECK(slice_eq_str(x509_common_name(vcek), "SEV-VCEK"));
		CHECK(x509_verify(vcek, own, at, &err) == OK);
		CHECK(x509_verify(vcek, other, at, &err) == E_CRYPTO);
	}
}
