#include "core/cleanup.h"
#include "proxy/ohttp.h"
#include "test/core/hex.h"
#include "test/test.h"

#define PUB "31e1f05a740102115220e9af918f738674aec95f54db6e04eb705aae8e798155"

/* RFC 9458 appendix A: AES-128-GCM and ChaCha20-Poly1305. */
#define RFC                                                          \
	"01002031e1f05a740102115220e9af918f738674aec95f54db6e04eb70" \
	"5aae8e79815500080001000100010003"

static enum status parse(const char *text, struct ohttp_config *out, size_t *n)
{
	struct hex h = hex(text);
	struct err err;

	return ohttp_keys_parse(hex_slice(&h), out, OHTTP_CONFIGS_MAX, n, &err);
}

/* The verdict on a list that must not be taken; nothing is written. */
static enum status refused(const char *text)
{
	struct ohttp_config c[OHTTP_CONFIGS_MAX] = { { .id = 77 } };
	size_t n = 99;
	enum status got = parse(text, c, &n);

	EXPECT(n == 99 && c[0].id == 77);
	return got;
}

TEST(the_configuration_of_the_rfc_is_read)
{
	struct ohttp_config c[OHTTP_CONFIGS_MAX];
	size_t n;

	CHECK(parse("002d" RFC, c, &n) == OK);
	CHECK(n == 1 && c[0].id == 1);
	CHECK(hex_is(c[0].pub, 32, PUB));
	CHECK(c[0].n_suites == 1);
	CHECK(c[0].suites[0].kdf == 1 && c[0].suites[0].aead == 1);
}

TEST(what_is_put_is_read_back)
{
	struct ohttp_config c[OHTTP_CONFIGS_MAX];
	auto_buf struct buf b = buf_make(1000);
	struct err err;
	size_t n;

	ohttp_keys_put(&b, 3, hex(PUB).b);
	ohttp_keys_put(&b, 255, hex(PUB).b);
	CHECK(hex_is(b.mem, b.len / 2,
		     "002d030020" PUB "00080001000200010001"));
	CHECK(ohttp_keys_parse(buf_slice(&b), c, countof(c), &n, &err) == OK);
	CHECK(n == 2 && c[0].id == 3 && c[1].id == 255);
	for (size_t i = 0; i < 2; i++)
		CHECK(c[i].n_suites == 2 &&
		      c[i].suites[0].aead == HPKE_AEAD_AES256 &&
		      c[i].suites[1].aead == HPKE_AEAD_AES128);
}

TEST(entries_of_other_kinds_are_skipped)
{
	struct ohttp_config c[OHTTP_CONFIGS_MAX];
	size_t n = 99;

	/* P-256; an unknown one of three bytes; ours with no suite of ours. */
	CHECK(parse("0005010010aabb"
		    "0003020099"
		    "0029030020" PUB "000400010003",
		    c, &n) == OK);
	CHECK(n == 0);
	CHECK(parse("0005010010aabb"
		    "002d" RFC,
		    c, &n) == OK);
	CHECK(n == 1 && c[0].id == 1);
	/* Ours, with the KDF SHA-512, and AES-256 twice. */
	CHECK(parse("0031070020" PUB "000c"
		    "00030002"
		    "00010002"
		    "00010002",
		    c, &n) == OK);
	CHECK(n == 1 && c[0].n_suites == 1);
}

TEST(lists_that_are_not_whole_are_refused)
{
	CHECK(refused("") == E_PARSE);
	CHECK(refused("00") == E_PARSE);
	CHECK(refused("0000") == E_PARSE);
	CHECK(refused("0002" RFC) == E_PARSE);
	CHECK(refused("002e" RFC) == E_PARSE);
	CHECK(refused("002c" RFC) == E_PARSE);
	CHECK(refused("002e" RFC "00") == E_PARSE);
	CHECK(refused("002d" RFC "00") == E_PARSE);
	CHECK(refused("002d" RFC "0001aa") == E_PARSE);
	CHECK(refused(RFC) == E_PARSE);
	/* No suites; a suite cut in half; more than there are. */
	CHECK(refused("0025070020" PUB "0000") == E_PARSE);
	CHECK(refused("0027070020" PUB "00020001") == E_PARSE);
	CHECK(refused("0029070020" PUB "000800010002") == E_PARSE);
}

TEST(every_cut_of_a_list_is_refused)
{
	struct hex h = hex("002d" RFC "002d02"
			   "0020" PUB "00080001000200010001");

	for (size_t len = 0; len < h.len; len++) {
		struct ohttp_config c[OHTTP_CONFIGS_MAX];
		struct err err;
		size_t n;

		CHECK(ohttp_keys_parse(slice_make(h.b, len), c, countof(c), &n,
				       &err) == (len == 47 ? OK : E_PARSE));
	}
}

TEST(one_id_names_one_key)
{
	CHECK(refused("002d" RFC "002d" RFC) == E_PARSE);
}

TEST(lists_are_limited)
{
	auto_buf struct buf b = buf_make(10000);
	struct ohttp_config c[3];
	struct err err;
	size_t n;

	for (uint8_t i = 0; i < 4; i++)
		ohttp_keys_put(&b, i, hex(PUB).b);
	CHECK(ohttp_keys_parse(buf_slice(&b), c, 3, &n, &err) == E_LIMIT);
	CHECK(ohttp_keys_parse(slice_sub(buf_slice(&b), 0, 3 * 47), c, 3, &n,
			       &err) == OK);
	CHECK(n == 3);
	while (b.len <= OHTTP_KEYS_MAX)
		buf_put(&b, S("\0\3\0\0\x99"));
	CHECK(ohttp_keys_parse(buf_slice(&b), c, 3, &n, &err) == E_LIMIT);
}

TEST(aes_256_is_preferred_whatever_the_order)
{
	struct ohttp_config c[] = {
		{ .id = 1, .suites = { { 1, 1 } }, .n_suites = 1 },
		{ .id = 2, .suites = { { 1, 1 }, { 1, 2 } }, .n_suites = 2 },
		{ .id = 3, .suites = { { 1, 2 } }, .n_suites = 1 },
	};
	const struct ohttp_config *got = NULL;
	struct err err;
	uint16_t aead = 99;

	CHECK(ohttp_keys_choose(c, 3, &got, &aead, &err) == OK);
	CHECK(got == &c[1] && aead == HPKE_AEAD_AES256);
	CHECK(ohttp_keys_choose(c, 1, &got, &aead, &err) == OK);
	CHECK(got == &c[0] && aead == HPKE_AEAD_AES128);
	CHECK(ohttp_keys_choose(c, 0, &got, &aead, &err) == E_NOTFOUND);
}

/* Compared with the Rust crate "ohttp" 0.8.0, KeyConfig::derive. */
TEST(keys_follow_from_their_material)
{
	uint8_t ikm[32] = { [31] = 7 }, priv[32], pub[32];

	ohttp_key_from_ikm(ikm, priv, pub);
	CHECK(hex_is(pub, 32,
		     "5c08c3fd6224cec52887d9535c13cd319be2c69e144ddb3084fb698e"
		     "7f06d45b"));
	CHECK(ohttp_key_id(0) == 0 && ohttp_key_id(0x1fe) == 0xfe);
}
