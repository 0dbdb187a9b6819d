#include "attest/tee/snp_certs.h"

#include "attest/tee/snp_certs_key.h"
#include "core/cleanup.h"
#include "test/attest/tee/snp_forge.h"
#include "test/test.h"

/* ---- Sorting what comes along ---- */

static enum status read_all(const struct snp_collateral *c, struct err *err)
{
	struct snp_certs *certs = NULL;
	enum status status = snp_certs_new(c, &certs, err);

	EXPECT((certs != NULL) == (status == OK));
	snp_certs_free(certs);
	return status;
}

static void forge(struct snp_forged *made)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	f.crl = true;
	snp_forge_make(&f, made);
}

TEST(certificates_are_sorted_by_what_they_are)
{
	auto_forged struct snp_forged f;
	auto_buf struct buf all = buf_make(100000), pem = buf_make(100000);
	struct err err;

	forge(&f);
	buf_put(&all, buf_slice(&f.ark));
	buf_put(&all, buf_slice(&f.leaf));
	buf_put(&all, buf_slice(&f.signer));
	x509_pem(buf_slice(&f.leaf), &pem);
	buf_put(&pem, buf_slice(&f.chain));
	const struct snp_collateral rows[] = {
		{ .leaf = buf_slice(&f.leaf), .chain = buf_slice(&f.chain) },
		{ .chain = buf_slice(&all) }, /* DER, in another order */
		{ .chain = buf_slice(&pem) },
		{ .table = buf_slice(&f.table) },
		{ .leaf = buf_slice(&f.leaf), .table = buf_slice(&f.table) },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct snp_certs *c = NULL;

		CHECK(snp_certs_new(&rows[i], &c, &err) == OK);
		auto_snp_certs struct snp_certs *certs = c;
		CHECK(slice_eq(x509_der(certs->ark), buf_slice(&f.ark)));
		CHECK(slice_eq(x509_der(certs->signer[SNP_KEY_VCEK]),
			       buf_slice(&f.signer)));
		CHECK(slice_eq(x509_der(certs->leaf[SNP_KEY_VCEK]),
			       buf_slice(&f.leaf)));
		CHECK(certs->leaf[SNP_KEY_VLEK] == NULL);
		CHECK(certs->signer[SNP_KEY_VLEK] == NULL);
		CHECK((certs->crl != NULL) == (rows[i].table.len > 0));
	}
}

TEST(collateral_that_is_malformed_is_refused)
{
	auto_forged struct snp_forged f;
	auto_buf struct buf two = buf_make(100000), junk = buf_make(100000);
	auto_buf struct buf many = buf_make(100000);
	struct err err;

	forge(&f);
	buf_put(&two, buf_slice(&f.leaf));
	buf_put(&two, buf_slice(&f.ark));
	buf_put(&junk, buf_slice(&f.ark));
	buf_put_u8(&junk, 0);
	for (int i = 0; i <= SNP_CHAIN_MAX; i++)
		buf_put(&many, buf_slice(&f.ark));
	const struct {
		struct snp_collateral c;
		enum status want;
		const char *text;
	} rows[] = {
		{ { .leaf = buf_slice(&f.ark) }, E_PARSE, "leaf certificate" },
		{ { .leaf = buf_slice(&two) }, E_PARSE, "leaf certificate" },
		{ { .leaf = S("0") }, E_PARSE, "leaf certificate" },
		{ { .chain = S("junk") }, E_PARSE, "chain" },
		{ { .chain = buf_slice(&junk) }, E_PARSE, "chain" },
		{ { .chain = buf_slice(&many) }, E_LIMIT, "chain" },
		{ { .crl = S("junk") }, E_PARSE, "revocation list" },
		{ { .crl = buf_slice(&f.ark) }, E_PARSE, "revocation list" },
		{ { .table = S("junk") }, E_PARSE, "certificate table" },
		{ { .table = { 0 } }, OK, "" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		err.text[0] = '\0';
		CHECK_EQ_U64(read_all(&rows[i].c, &err), rows[i].want);
		CHECK(strstr(err.text, rows[i].text) != NULL);
	}
}

TEST(two_certificates_of_a_kind_must_be_the_same)
{
	auto_forged struct snp_forged f, other;
	auto_buf struct buf same = buf_make(100000), differ = buf_make(100000);
	struct snp_forge milan;
	struct err err;

	forge(&f);
	snp_forge_init(&milan, SNP_MILAN, SNP_KEY_VCEK, 3);
	snp_forge_make(&milan, &other);
	buf_put(&same, buf_slice(&f.chain));
	buf_put(&same, buf_slice(&f.chain));
	buf_put(&differ, buf_slice(&f.chain));
	x509_pem(buf_slice(&other.ark), &differ);
	CHECK(read_all(&(struct snp_collateral){ .chain = buf_slice(&same) },
		       &err) == OK);
	CHECK(read_all(&(struct snp_collateral){ .chain = buf_slice(&differ) },
		       &err) == E_PARSE);
	CHECK(strstr(err.text, "two that differ") != NULL);
}

/* What the host hands over does not go before what was chosen. */
TEST(what_is_given_goes_before_the_table)
{
	auto_forged struct snp_forged f, other;
	struct snp_forge milan;
	struct snp_certs *c = NULL;
	struct err err;

	forge(&f);
	snp_forge_init(&milan, SNP_MILAN, SNP_KEY_VCEK, 3);
	milan.crl = true;
	snp_forge_make(&milan, &other);
	const struct snp_collateral in = { .leaf = buf_slice(&f.leaf),
					   .chain = buf_slice(&f.chain),
					   .crl = buf_slice(&f.crl),
					   .table = buf_slice(&other.table) };
	CHECK(snp_certs_new(&in, &c, &err) == OK);
	auto_snp_certs struct snp_certs *certs = c;
	CHECK(slice_eq(x509_der(certs->leaf[SNP_KEY_VCEK]),
		       buf_slice(&f.leaf)));
	CHECK(slice_eq(x509_der(certs->ark), buf_slice(&f.ark)));
	CHECK(slice_eq(x509_crl_der(certs->crl), buf_slice(&f.crl)));
}

/* ---- What the leaf says ---- */

static enum status parse_key(const struct snp_forge *f,
			     struct snp_certs_key *out)
{
	auto_forged struct snp_forged made;
	struct x509 *c = NULL;
	struct err err;

	snp_forge_make(f, &made);
	if (!EXPECT(x509_parse(buf_slice(&made.leaf), &c, &err) == OK))
		return E_IO;
	auto_x509 struct x509 *cert = c;
	return snp_certs_key_parse(cert, out, &err);
}

TEST(a_vcek_and_a_vlek_say_what_they_are)
{
	struct snp_forge f;
	struct snp_certs_key k;

	snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 5);
	CHECK(parse_key(&f, &k) == OK);
	CHECK(k.kind == SNP_KEY_VCEK && k.struct_version == 1);
	CHECK(k.hwid_len == 8 && k.hwid[0] == 0xc5 && k.hwid[8] == 0);
	CHECK(k.tcb.fmc == 1 && k.tcb.microcode == 130 && k.csp_id[0] == 0);
	CHECK(snp_certs_key_is_of(&k, SNP_TURIN));
	CHECK(!snp_certs_key_is_of(&k, SNP_GENOA));

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VLEK, 2);
	CHECK(parse_key(&f, &k) == OK);
	CHECK(k.kind == SNP_KEY_VLEK && k.hwid_len == 0 && k.tcb.fmc == 0);
	CHECK_STR_EQ(k.csp_id, "CN=cc-forged.example");
	CHECK(snp_certs_key_is_of(&k, SNP_MILAN));
}

TEST(a_leaf_without_what_it_must_say_is_refused)
{
	static const char *const must[] = { "1",   "2",	  "3.1", "3.2",
					    "3.3", "3.8", "3.9" };
	struct snp_certs_key k = { .struct_version = 9 };
	struct snp_forge f;

	for (size_t i = 0; i < countof(must); i++) {
		snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 5);
		f.without = must[i];
		CHECK(parse_key(&f, &k) == E_PARSE);
	}
	f.without = "3.5"; /* reserved: may be left out */
	CHECK(parse_key(&f, &k) == OK);
}

TEST(a_leaf_that_says_what_it_must_not_is_refused)
{
	struct snp_certs_key k = { .struct_version = 9 };
	struct snp_forge base, f;

	snp_forge_init(&base, SNP_MILAN, SNP_KEY_VCEK, 3);
	f = base;
	f.beside = "3.4"; /* reserved, and not zero */
	CHECK(parse_key(&f, &k) == E_PARSE);
	f.beside = "3.9"; /* Turin's */
	CHECK(parse_key(&f, &k) == E_PARSE);
	f.beside = "3.1"; /* there twice */
	CHECK(parse_key(&f, &k) == E_PARSE);
	f = base;
	f.key.struct_version = 2;
	CHECK(parse_key(&f, &k) == E_PARSE);
	f = base;
	f.key.hwid_len = 32;
	CHECK(parse_key(&f, &k) == E_PARSE);
	f.key.hwid_len = 0;
	CHECK(parse_key(&f, &k) == E_PARSE);
	f = base;
	(void)snprintf(f.key.csp_id, sizeof(f.key.csp_id), "CN=other");
	CHECK(parse_key(&f, &k) == E_PARSE);
	f = base;
	f.leaf_name = "SEV-VLEK"; /* with a chip, without a provider */
	CHECK(parse_key(&f, &k) == E_PARSE);
	f.leaf_name = "SEV-VCEK2";
	CHECK(parse_key(&f, &k) == E_PARSE);
	f = base;
	memcpy(f.key.product, "Mil\nan", 7);
	CHECK(parse_key(&f, &k) == E_PARSE);
	CHECK(k.struct_version == 9); /* untouched on failure */
}

TEST(a_leaf_on_another_curve_is_refused)
{
	const struct x509_template t = { .common_name = "SEV-VCEK",
					 .not_before = 1,
					 .not_after = 2 };
	auto_keypair struct keypair *key = NULL;
	auto_buf struct buf spki = buf_make(500), der = buf_make(4096);
	auto_x509 struct x509 *c = NULL;
	struct snp_certs_key k;
	struct err err;

	CHECK(keypair_new(KEY_P256, &key, &err) == OK);
	CHECK(keypair_spki(key, &spki, &err) == OK);
	CHECK(x509_sign(&t, buf_slice(&spki), NULL, key, &der, &err) == OK);
	CHECK(x509_parse(buf_slice(&der), &c, &err) == OK);
	CHECK(snp_certs_key_parse(c, &k, &err) == E_PARSE);
	CHECK(strstr(err.text, "P-384") != NULL);
}

TEST(products_have_names_with_and_without_stepping)
{
	static const struct {
		const char *name;
		bool milan, genoa;
	} rows[] = {
		{ "Milan", true, false },    { "Milan-B0", true, false },
		{ "MilanX", false, false },  { "Mila", false, false },
		{ "Genoa", false, true },    { "Genoa-B1", false, true },
		{ "Bergamo", false, true },  { "Siena", false, true },
		{ "Siena-A1", false, true }, { "milan", false, false },
		{ "", false, false },	     { "-", false, false },
		{ "Turin", false, false },   { "Venice", false, false },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct snp_certs_key k = { .kind = SNP_KEY_VCEK,
					   .hwid_len = 64 };

		(void)snprintf(k.product, sizeof(k.product), "%s",
			       rows[i].name);
		CHECK(snp_certs_key_is_of(&k, SNP_MILAN) == rows[i].milan);
		CHECK(snp_certs_key_is_of(&k, SNP_GENOA) == rows[i].genoa);
		k.hwid_len = 8;
		CHECK(!snp_certs_key_is_of(&k, SNP_MILAN));
	}
}
