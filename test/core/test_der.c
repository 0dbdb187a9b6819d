#include "core/der.h"

#include "core/cleanup.h"
#include "core/x509_alg.h"
#include "test/core/hex.h"
#include "test/test.h"

/* ---- Tag and length ---- */

TEST(der_lengths_have_one_form)
{
	static const struct {
		const char *in;
		bool ok;
		size_t len;
	} rows[] = {
		{ "0400", true, 0 },
		{ "0401aa", true, 1 },
		{ "04", false, 0 },
		{ "0402aa", false, 0 },
		{ "0480", false, 0 },	    /* indefinite */
		{ "048101aa", false, 0 },   /* fits the short form */
		{ "04820001aa", false, 0 }, /* a zero in front */
		{ "0485000000010000000000", false, 0 },
		{ "04ff", false, 0 },
		{ "04847fffffff", false, 0 },
		{ "0484ffffffff", false, 0 },
		{ "1f0100", false, 0 }, /* a tag of more bytes */
		{ "", false, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct hex in = hex(rows[i].in);
		struct der d = der_make(hex_slice(&in));
		uint8_t tag;
		struct slice v = der_any(&d, &tag);

		CHECK(d.bad == !rows[i].ok);
		CHECK(v.len == rows[i].len);
		CHECK(tag == (rows[i].ok ? 0x04 : 0));
	}
}

TEST(der_long_lengths_are_read_in_their_shortest_form)
{
	static const struct {
		uint8_t head[6];
		size_t head_len, len;
		bool ok;
	} rows[] = {
		{ { 4, 0x7f }, 2, 127, true },
		{ { 4, 0x81, 0x80 }, 3, 128, true },
		{ { 4, 0x81, 0xff }, 3, 255, true },
		{ { 4, 0x82, 0x01, 0x00 }, 4, 256, true },
		{ { 4, 0x82, 0x00, 0xff }, 4, 255, false },
		{ { 4, 0x81, 0x7f }, 3, 127, false },
		{ { 4, 0x83, 0x00, 0x01, 0x00 }, 5, 256, false },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		uint8_t in[300] = { 0 };

		memcpy(in, rows[i].head, rows[i].head_len);
		struct der d = der_make(
			slice_make(in, rows[i].head_len + rows[i].len));
		struct slice v = der_get(&d, DER_OCTET_STRING);
		struct err err;
		CHECK((der_end(&d, "x", &err) == OK) == rows[i].ok);
		CHECK(v.len == (rows[i].ok ? rows[i].len : 0));
	}
}

TEST(der_gives_values_one_after_another_and_their_ends)
{
	struct hex in = hex("3008020105"
			    "0403aabbcc"
			    "0500");
	struct der d = der_make(hex_slice(&in));
	struct err err;

	in.b[1] = 3; /* of the first */
	CHECK(der_is(&d, DER_SEQUENCE) && !der_is(&d, DER_SET));
	CHECK(der_end(&d, "text", &err) == E_PARSE);
	CHECK(strstr(err.text, "text: 12 bytes behind") != NULL);
	struct der seq = der_enter(&d, DER_SEQUENCE);
	CHECK(der_more(&seq) && der_u64(&seq, 5) == 5 && !der_more(&seq));
	der_leave(&d, &seq);
	struct der again = d;
	CHECK(der_whole(&again, DER_OCTET_STRING).len == 5);
	CHECK(hex_is(der_get(&d, DER_OCTET_STRING).p, 3, "aabbcc"));
	der_null(&d);
	CHECK(der_end(&d, "text", &err) == OK);
	CHECK(!der_more(&d) && !der_is(&d, 0));
}

TEST(der_faults_stick)
{
	struct hex in = hex("020105020106");
	struct der d = der_make(hex_slice(&in));
	struct err err;

	CHECK(der_get(&d, DER_OCTET_STRING).len == 0 && d.bad);
	CHECK(der_u64(&d, 100) == 0);
	CHECK(der_whole(&d, DER_INTEGER).len == 0);
	CHECK(!der_more(&d) && !der_is(&d, DER_INTEGER));
	CHECK(der_enter(&d, DER_INTEGER).bad);
	CHECK(der_end(&d, "x", &err) == E_PARSE);
}

TEST(der_leave_asks_that_all_was_read)
{
	struct hex in = hex("3006020105020106");
	struct der d = der_make(hex_slice(&in));
	struct der seq = der_enter(&d, DER_SEQUENCE);

	(void)der_u64(&seq, 5);
	der_leave(&d, &seq);
	CHECK(d.bad);

	d = der_make(hex_slice(&in));
	seq = der_enter(&d, DER_SEQUENCE);
	(void)der_u64(&seq, 4); /* less than it is */
	(void)der_u64(&seq, 6);
	der_leave(&d, &seq);
	CHECK(d.bad);
}

/* ---- Values ---- */

TEST(der_integers_are_not_negative_and_shortest)
{
	static const struct {
		const char *in;
		bool ok;
		uint64_t value;
	} rows[] = {
		{ "020100", true, 0 },
		{ "02017f", true, 127 },
		{ "02020080", true, 128 },
		{ "020200ff", true, 255 },
		{ "02080102030405060708", true, 0x0102030405060708 },
		{ "020900ffffffffffffffff", true, UINT64_MAX },
		{ "0209010000000000000000", false, 0 },
		{ "0200", false, 0 },
		{ "020180", false, 0 },
		{ "0202ff7f", false, 0 },
		{ "0202007f", false, 0 },
		{ "02020000", false, 0 },
		{ "0a0101", false, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct hex in = hex(rows[i].in);
		struct der d = der_make(hex_slice(&in));

		CHECK_EQ_U64(der_u64(&d, UINT64_MAX), rows[i].value);
		CHECK(d.bad == !rows[i].ok);
	}
}

TEST(der_integers_keep_to_their_maximum)
{
	struct hex in = hex("020200ff");
	struct der d = der_make(hex_slice(&in));

	CHECK(der_u64(&d, 255) == 255 && !d.bad);
	d = der_make(hex_slice(&in));
	CHECK(der_u64(&d, 254) == 0 && d.bad);
	d = der_make(hex_slice(&in));
	CHECK(hex_is(der_integer(&d).p, 1, "ff"));
}

/* Read one value of each kind; whether it was good. */
static bool reads(const char *text, uint8_t tag)
{
	struct hex in = hex(text);
	struct der d = der_make(hex_slice(&in));

	switch (tag) {
	case DER_BOOLEAN:
		(void)der_boolean(&d);
		break;
	case DER_ENUMERATED:
		(void)der_enumerated(&d);
		break;
	case DER_BIT_STRING:
		(void)der_bits(&d);
		break;
	case DER_OID:
		(void)der_oid(&d);
		break;
	default:
		der_null(&d);
	}
	return !d.bad && !der_more(&d);
}

TEST(der_values_have_one_form)
{
	static const struct {
		uint8_t tag;
		const char *in;
		bool ok;
	} rows[] = {
		{ DER_BOOLEAN, "0101ff", true },
		{ DER_BOOLEAN, "010100", true },
		{ DER_BOOLEAN, "010101", false },
		{ DER_BOOLEAN, "0102ffff", false },
		{ DER_BOOLEAN, "0100", false },
		{ DER_ENUMERATED, "0a017f", true },
		{ DER_ENUMERATED, "0a0180", false },
		{ DER_ENUMERATED, "0a020001", false },
		{ DER_ENUMERATED, "0a00", false },
		{ DER_ENUMERATED, "020101", false },
		{ DER_BIT_STRING, "030100", true },
		{ DER_BIT_STRING, "030200ff", true },
		{ DER_BIT_STRING, "030201fe", false },
		{ DER_BIT_STRING, "0300", false },
		{ DER_OID, "06032a8648", true },
		{ DER_OID, "0600", false },
		{ DER_OID, "06022a86", false },
		{ DER_OID, "06032a8001", false },
		{ DER_OID, "06018001", false },
		{ DER_NULL, "0500", true },
		{ DER_NULL, "050100", false },
	};

	for (size_t i = 0; i < countof(rows); i++)
		if (!EXPECT(reads(rows[i].in, rows[i].tag) == rows[i].ok))
			printf("\t%s\n", rows[i].in);
}

TEST(der_reads_true_false_and_enumerations)
{
	struct hex in = hex("0101ff"
			    "010100"
			    "0a0107");
	struct der d = der_make(hex_slice(&in));

	CHECK(der_boolean(&d) && !der_boolean(&d) && !d.bad);
	CHECK(der_enumerated(&d) == 7 && !d.bad && !der_more(&d));
}

/* ---- Times ---- */

TEST(der_times_are_those_of_the_profile)
{
	static const struct {
		uint8_t tag;
		const char *text;
		bool ok;
		int64_t at;
	} rows[] = {
		{ DER_UTC_TIME, "700101000000Z", true, 0 },
		{ DER_UTC_TIME, "491231235959Z", true, 2524607999 },
		{ DER_UTC_TIME, "500101000000Z", true, -631152000 },
		{ DER_UTC_TIME, "260205010433Z", true, 1770253473 },
		{ DER_UTC_TIME, "240229000000Z", true, 1709164800 },
		{ DER_UTC_TIME, "230229000000Z", false, 0 },
		{ DER_UTC_TIME, "000229000000Z", true, 951782400 },
		{ DER_UTC_TIME, "2602050104Z", false, 0 },
		{ DER_UTC_TIME, "260205010433", false, 0 },
		{ DER_UTC_TIME, "260205010433+0000", false, 0 },
		{ DER_UTC_TIME, "260205010433z", false, 0 },
		{ DER_UTC_TIME, "2602050104 3Z", false, 0 },
		{ DER_UTC_TIME, "26020501043:Z", false, 0 },
		{ DER_UTC_TIME, "260005010433Z", false, 0 },
		{ DER_UTC_TIME, "261305010433Z", false, 0 },
		{ DER_UTC_TIME, "260200010433Z", false, 0 },
		{ DER_UTC_TIME, "260431010433Z", false, 0 },
		{ DER_UTC_TIME, "260205240433Z", false, 0 },
		{ DER_UTC_TIME, "260205016033Z", false, 0 },
		{ DER_UTC_TIME, "260205010460Z", false, 0 },
		{ DER_UTC_TIME, "", false, 0 },
		{ DER_GENERALIZED_TIME, "99991231235959Z", true, 253402300799 },
		{ DER_GENERALIZED_TIME, "19700101000000Z", true, 0 },
		{ DER_GENERALIZED_TIME, "21000229000000Z", false, 0 },
		{ DER_GENERALIZED_TIME, "260205010433Z", false, 0 },
		{ DER_GENERALIZED_TIME, "19700101000000.0Z", false, 0 },
		{ DER_OCTET_STRING, "700101000000Z", false, 0 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		uint8_t in[40] = { rows[i].tag, (uint8_t)strlen(rows[i].text) };

		memcpy(in + 2, rows[i].text, in[1]);
		struct der d = der_make(slice_make(in, (size_t)in[1] + 2));
		CHECK_EQ_U64(der_time(&d), rows[i].at);
		if (!EXPECT(d.bad == !rows[i].ok))
			printf("\t%s\n", rows[i].text);
	}
}

/* ---- Object identifiers ---- */

TEST(der_oids_compare_with_dotted_text)
{
	struct hex amd = hex("2b060104019c78010309");
	struct hex intel = hex("2a864886f84d010d0102");
	struct hex joint = hex("883703");
	char text[DER_OID_TEXT];

	CHECK(der_oid_is(hex_slice(&amd), "1.3.6.1.4.1.3704.1.3.9"));
	CHECK(!der_oid_is(hex_slice(&amd), "1.3.6.1.4.1.3704.1.3"));
	CHECK(!der_oid_is(hex_slice(&amd), "1.3.6.1.4.1.3704.1.3.90"));
	CHECK(der_oid_is(hex_slice(&intel), "1.2.840.113741.1.13.1.2"));
	CHECK(der_oid_is(hex_slice(&joint), "2.999.3"));
	CHECK(!der_oid_is((struct slice){ 0 }, ""));
	CHECK(!der_oid_is(slice_sub(hex_slice(&amd), 0, 6), "1.3.6.1.4.1"));
	der_oid_text(hex_slice(&joint), text);
	CHECK_STR_EQ(text, "2.999.3");
}

TEST(der_oids_too_large_to_write_equal_none)
{
	struct hex number = hex("2affffffffffffffffff7f");
	uint8_t many[60];
	char text[DER_OID_TEXT];

	CHECK(!der_oid_is(hex_slice(&number), "1.2"));
	memset(many, 0x7f, sizeof(many));
	der_oid_text(slice_of(many), text);
	CHECK(strlen(text) == DER_OID_TEXT - 1);
	CHECK(!der_oid_is(slice_of(many), text));
}

/* ---- Writing ---- */

TEST(der_signatures_are_written_with_the_shortest_numbers)
{
	static const struct {
		const char *r, *s, *want;
	} rows[] = {
		{ "01", "02", "3006020101020102" },
		{ "0000007f", "80", "300702017f02020080" },
		{ "", "0000", "3006020100020100" },
		{ "00ff01", "7f00", "3009020300ff0102027f00" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf out = buf_make(100);
		struct hex r = hex(rows[i].r), s = hex(rows[i].s);

		der_put_ecdsa(&out, hex_slice(&r), hex_slice(&s));
		CHECK(hex_is(buf_slice(&out).p, out.len, rows[i].want));
	}
}

TEST(der_signatures_of_long_numbers_get_a_long_length)
{
	auto_buf struct buf out = buf_make(300);
	uint8_t n[101];

	memset(n, 0xff, sizeof(n));
	der_put_ecdsa(&out, slice_make(n, 99), slice_make(n, 99));
	struct der d = der_make(buf_slice(&out));
	struct der seq = der_enter(&d, DER_SEQUENCE);
	CHECK(der_integer(&seq).len == 99 && der_integer(&seq).len == 99);
	der_leave(&d, &seq);
	CHECK(!d.bad && !der_more(&d) && !out.bad);
	der_put_ecdsa(&out, slice_make(n, 100), slice_make(n, 99));
	CHECK(out.bad);
}

/* ---- Algorithms ---- */

#define H384 "300d06096086480165030402020500"
#define H384_ABSENT "300b0609608648016503040202"
#define H256 "300d06096086480165030402010500"
#define PSS_OID "06092a864886f70d01010a"
#define MGF_OID "06092a864886f70d010108"
#define MGF384 "301a" MGF_OID H384

TEST(signature_algorithms_are_known_or_refused)
{
	static const struct {
		const char *in;
		enum status want;
		const char *text;
	} rows[] = {
		{ "300a06082a8648ce3d040302", OK, "ECDSA, SHA-256" },
		{ "300a06082a8648ce3d040303", OK, "ECDSA, SHA-384" },
		{ "300a06082a8648ce3d040304", OK, "ECDSA, SHA-512" },
		{ "300c06082a8648ce3d0403030500", E_PARSE, "" },
		{ "300906072a8648ce3d0401", E_CRYPTO, "" }, /* SHA-1 */
		{ "300d06092a864886f70d01010b0500", OK, "RSA, SHA-256" },
		{ "300d06092a864886f70d01010c0500", OK, "RSA, SHA-384" },
		{ "300d06092a864886f70d01010d0500", OK, "RSA, SHA-512" },
		{ "300b06092a864886f70d01010b", E_PARSE, "" },
		{ "300d06092a864886f70d0101050500", E_CRYPTO, "" },
		{ "3041" PSS_OID "3034a00f" H384 "a11c" MGF384 "a203020130", OK,
		  "RSA-PSS, SHA-384, MGF1 SHA-384, salt 48" },
		{ "3046" PSS_OID "3039a00f" H384 "a11c" MGF384
		  "a203020130a303020101",
		  OK, "RSA-PSS, SHA-384, MGF1 SHA-384, salt 48" },
		{ "3046" PSS_OID "3039a00f" H384 "a11c" MGF384
		  "a203020130a303020102",
		  E_CRYPTO, "" },
		{ "303d" PSS_OID "3030a00d" H384_ABSENT
		  "a11a3018" MGF_OID H384_ABSENT "a203020120",
		  OK, "RSA-PSS, SHA-384, MGF1 SHA-384, salt 32" },
		{ "303c" PSS_OID "302fa00f" H384 "a11c" MGF384, OK,
		  "RSA-PSS, SHA-384, MGF1 SHA-384, salt 20" },
		{ "3041" PSS_OID "3034a00f" H256 "a11c" MGF384 "a203020130", OK,
		  "RSA-PSS, SHA-256, MGF1 SHA-384, salt 48" },
		{ "300d" PSS_OID "3000", E_PARSE, "" }, /* SHA-1's defaults */
		{ "3042" PSS_OID "3035a00f" H384 "a11c" MGF384 "a20402020201",
		  E_PARSE, "" },
		{ "3043" PSS_OID "3034a00f" H384 "a11c" MGF384 "a203020130"
		  "0500",
		  E_PARSE, "" },
		{ "", E_PARSE, "" },
		{ "3000", E_PARSE, "" },
		{ "0500", E_PARSE, "" },
		{ "300a06082a8648ce3d04030200", E_PARSE, "" },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		struct hex in = hex(rows[i].in);
		struct x509_alg a = { .salt_len = 77 };
		char text[X509_ALG_TEXT];
		struct err err;
		enum status status = x509_alg_parse(hex_slice(&in), &a, &err);

		if (!EXPECT(status == rows[i].want))
			printf("\t%s: %u\n", rows[i].in, status);
		if (status != OK) {
			CHECK(a.salt_len == 77);
			continue;
		}
		x509_alg_text(&a, text);
		CHECK_STR_EQ(text, rows[i].text);
	}
}
