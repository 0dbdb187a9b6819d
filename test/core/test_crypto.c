#include "core/crypto.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "test/core/hex.h"
#include "test/test.h"

/* ---- Randomness ---- */

TEST(random_bytes_never_repeat)
{
	/* More than a block, in pieces that do not divide it. */
	static uint8_t drawn[1000][13];

	crypto_random(drawn, 0);
	for (size_t i = 0; i < countof(drawn); i++)
		crypto_random(drawn[i], sizeof(drawn[i]));
	for (size_t i = 0; i < countof(drawn); i++)
		for (size_t k = 0; k < i; k++)
			CHECK(memcmp(drawn[i], drawn[k], 13) != 0);
}

TEST(random_bytes_fill_exactly_what_was_asked)
{
	static uint8_t out[3 * 4096 + 100];
	size_t zeros = 0;

	crypto_random(out + 1, sizeof(out) - 2);
	CHECK(out[0] == 0 && out[sizeof(out) - 1] == 0);
	for (size_t i = 1; i < sizeof(out) - 1; i++)
		zeros += out[i] == 0;
	CHECK(zeros < sizeof(out) / 100); /* 48 are expected */
	CHECK(!all_zero(out + 1, 16));
	CHECK(!all_zero(out + sizeof(out) - 17, 16));
}

TEST(a_forked_child_draws_other_numbers)
{
	uint8_t first[16], ours[64], theirs[64];
	int fds[2];

	crypto_random(first, sizeof(first)); /* the block is begun */
	CHECK(pipe(fds) == 0);
	pid_t child = fork();
	if (child == 0) {
		crypto_random(theirs, sizeof(theirs));
		_exit(write(fds[1], theirs, sizeof(theirs)) != 64);
	}
	crypto_random(ours, sizeof(ours));
	CHECK(read(fds[0], theirs, sizeof(theirs)) == 64);
	CHECK(waitpid(child, NULL, 0) == child);
	(void)close(fds[0]);
	(void)close(fds[1]);
	for (size_t i = 0; i + 16 <= 64; i++)
		CHECK(memcmp(ours, theirs + i, 16) != 0);
}

TEST(setup_may_be_called_again)
{
	struct err err;

	CHECK(crypto_setup(&err) == OK);
	CHECK(crypto_setup(&err) == OK);
	CHECK(strncmp(crypto_library(), "Mbed TLS ", 9) == 0);
}

TEST(failures_of_the_library_become_errors)
{
	struct err err;

	CHECK(crypto_fail(&err, E_PARSE, -0x3D00, "key") == E_PARSE);
	CHECK_STR_EQ(err.text, "key: PK - Invalid key tag or value");
	CHECK(crypto_fail(&err, E_PARSE, -0x2880, "x") == E_NOMEM);
	CHECK(crypto_fail(&err, E_PARSE, -0x3F80, "x") == E_NOMEM);
	CHECK(crypto_fail(&err, E_PARSE, -0x0010, "x") == E_NOMEM);
}

/* ---- Hashes (FIPS 180-4 examples) ---- */

static const struct {
	enum hash_alg alg;
	size_t len;
	const char *abc, *empty, *million_a;
} hashes[] = {
	{ HASH_SHA256, 32,
	  "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
	  "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	  "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0" },
	{ HASH_SHA384, 48,
	  "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
	  "8086072ba1e7cc2358baeca134c825a7",
	  "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
	  "274edebfe76f65fbd51ad2f14898b95b",
	  "9d0e1809716474cb086e834e310a4a1ced149e9c00f248527972cec5704c2a5b"
	  "07b8b3dc38ecc4ebae97ddd87f3d8985" },
	{ HASH_SHA512, 64,
	  "ddaf35a193617abacc417349ae20413112e6fa4e89a97ea20a9eeee64b55d39a"
	  "2192992a274fc1a836ba3c23a3feebbd454d4423643ce80e2a9ac94fa54ca49f",
	  "cf83e1357eefb8bdf1542850d66d8007d620e4050b5715dc83f4a921d36ce9ce"
	  "47d0d13c5d85f2b0ff8318d2877eec2f63b931bd47417a81a538327af927da3e",
	  "e718483d0ce769644e2e42c7bc15b4638e1f98b13b2044285632a803afa973eb"
	  "de0ff244877ea60a4cb0432ce577c31beb009c5c2c49aa2e4eadb217ad8cc09b" },
};

TEST(hashes_give_the_published_values)
{
	uint8_t out[HASH_MAX];

	for (size_t i = 0; i < countof(hashes); i++) {
		const struct slice parts[] = {
			S("a"), S(""), S("bc"), { NULL, 0 }
		};
		CHECK_EQ_U64(hash_len(hashes[i].alg), hashes[i].len);
		hash_parts(hashes[i].alg, parts, countof(parts), out);
		CHECK(hex_is(out, hashes[i].len, hashes[i].abc));
		hash_parts(hashes[i].alg, parts, 0, out);
		CHECK(hex_is(out, hashes[i].len, hashes[i].empty));
	}
}

TEST(hashing_in_pieces_is_hashing)
{
	uint8_t a[997], out[HASH_MAX];

	memset(a, 'a', sizeof(a));
	for (size_t i = 0; i < countof(hashes); i++) {
		struct hash *h = hash_new(hashes[i].alg);
		for (size_t left = 1000000; left > 0;) {
			size_t n = left < sizeof(a) ? left : sizeof(a);
			hash_add(h, slice_make(a, n));
			hash_add(h, (struct slice){ NULL, 0 });
			left -= n;
		}
		hash_finish(h, out);
		hash_free(h);
		CHECK(hex_is(out, hashes[i].len, hashes[i].million_a));
	}
	hash_free(NULL);
}

/* ---- HMAC (RFC 4231) and HKDF (RFC 5869) ---- */

static const struct {
	const char *key, *data, *mac;
} hmacs[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "4869205468657265",
	  "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7" },
	{ "4a656665",
	  "7768617420646f2079612077616e7420666f72206e6f7468696e673f",
	  "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843" },
	/* A key longer than a block. */
	{ "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	  "aaaaaa",
	  "54657374205573696e67204c6172676572205468616e20426c6f636b2d53697a"
	  "65204b6579202d2048617368204b6579204669727374",
	  "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54" },
};

TEST(hmac_gives_the_published_values)
{
	uint8_t out[32];

	for (size_t i = 0; i < countof(hmacs); i++) {
		struct hex key = hex(hmacs[i].key), data = hex(hmacs[i].data);
		hmac_sha256(hex_slice(&key), hex_slice(&data), out);
		CHECK(hex_is(out, sizeof(out), hmacs[i].mac));

		const struct slice parts[] = {
			slice_make(data.b, 3),
			slice_from(hex_slice(&data), 3),
		};
		memset(out, 0, sizeof(out));
		hmac_parts(hex_slice(&key), parts, countof(parts), out);
		CHECK(hex_is(out, sizeof(out), hmacs[i].mac));
	}
}

static const struct {
	const char *ikm, *salt, *info, *prk, *okm;
} hkdfs[] = {
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b",
	  "000102030405060708090a0b0c", "f0f1f2f3f4f5f6f7f8f9",
	  "077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5",
	  "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
	  "34007208d5b887185865" },
	{ "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"
	  "202122232425262728292a2b2c2d2e2f303132333435363738393a3b3c3d3e3f"
	  "404142434445464748494a4b4c4d4e4f",
	  "606162636465666768696a6b6c6d6e6f707172737475767778797a7b7c7d7e7f"
	  "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f"
	  "a0a1a2a3a4a5a6a7a8a9aaabacadaeaf",
	  "b0b1b2b3b4b5b6b7b8b9babbbcbdbebfc0c1c2c3c4c5c6c7c8c9cacbcccdcecf"
	  "d0d1d2d3d4d5d6d7d8d9dadbdcdddedfe0e1e2e3e4e5e6e7e8e9eaebecedeeef"
	  "f0f1f2f3f4f5f6f7f8f9fafbfcfdfeff",
	  "06a6b88c5853361a06104c9ceb35b45cef760014904671014a193f40c15fc244",
	  "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c"
	  "59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71"
	  "cc30c58179ec3e87c14c01d5c1f3434f1d87" },
	{ "0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b0b", "", "",
	  "19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04",
	  "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"
	  "9d201395faa4b61a96c8" },
};

TEST(hkdf_gives_the_published_values)
{
	uint8_t prk[32], okm[128];

	for (size_t i = 0; i < countof(hkdfs); i++) {
		struct hex ikm = hex(hkdfs[i].ikm), salt = hex(hkdfs[i].salt),
			   info = hex(hkdfs[i].info);
		size_t len = strlen(hkdfs[i].okm) / 2;
		hkdf_extract(hex_slice(&salt), hex_slice(&ikm), prk);
		CHECK(hex_is(prk, sizeof(prk), hkdfs[i].prk));
		memset(okm, 0x55, sizeof(okm));
		hkdf_expand(slice_of(prk), hex_slice(&info), okm, len);
		CHECK(hex_is(okm, len, hkdfs[i].okm));
		CHECK(okm[len] == 0x55);
	}
}

static void expand_too_far(void *unused)
{
	static uint8_t out[255 * 32 + 1];

	(void)unused;
	hkdf_expand(S("prk"), S(""), out, sizeof(out));
}

TEST(hkdf_gives_at_most_255_blocks)
{
	static uint8_t whole[255 * 32], part[32];

	hkdf_expand(S("prk"), S("i"), whole, sizeof(whole));
	hkdf_expand(S("prk"), S("i"), part, 0);
	CHECK(all_zero(part, sizeof(part)));
	hkdf_expand(S("prk"), S("i"), part, sizeof(part));
	CHECK(memcmp(whole, part, sizeof(part)) == 0);
	CHECK(!all_zero(whole + sizeof(whole) - 32, 32));
	CHECK_EQ_U64(test_signal_of(expand_too_far, NULL), SIGABRT);
}

/* ---- AES-GCM (McGrew and Viega, test cases 4, 13 to 16) ---- */

#define GCM_KEY_128 "feffe9928665731c6d6a8f9467308308"
#define GCM_PLAIN                                                          \
	"d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72" \
	"1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39"
#define GCM_AAD "feedfacedeadbeeffeedfacedeadbeefabaddad2"
#define GCM_IV "cafebabefacedbaddecaf888"
#define ZEROS_12 "000000000000000000000000"
#define ZEROS_16 "00000000000000000000000000000000"

static const struct {
	const char *key, *iv, *aad, *plain, *sealed;
} gcms[] = {
	{ GCM_KEY_128, GCM_IV, GCM_AAD, GCM_PLAIN,
	  "42831ec2217774244b7221b784d0d49ce3aa212f2c02a4e035c17e2329aca12e"
	  "21d514b25466931c7d8f6a5aac84aa051ba30b396a0aac973d58e091"
	  "5bc94fbc3221a5db94fae95ae7121a47" },
	{ ZEROS_16 ZEROS_16, ZEROS_12, "", "",
	  "530f8afbc74536b9a963b4f1c4cb738b" },
	{ ZEROS_16 ZEROS_16, ZEROS_12, "", ZEROS_16,
	  "cea7403d4d606b6e074ec5d3baf39d18"
	  "d0d1c8a799996bf0265b98b5d48ab919" },
	{ GCM_KEY_128 GCM_KEY_128, GCM_IV, "", GCM_PLAIN "1aafd255",
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662898015ad"
	  "b094dac5d93471bdec1a502270e3cc6c" },
	{ GCM_KEY_128 GCM_KEY_128, GCM_IV, GCM_AAD, GCM_PLAIN,
	  "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
	  "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
	  "76fc6ece0f4e1768cddf8853bb2d551b" },
};

TEST(gcm_gives_the_published_values_in_place_or_not)
{
	struct err err;

	for (size_t i = 0; i < countof(gcms); i++) {
		struct hex key = hex(gcms[i].key), iv = hex(gcms[i].iv),
			   aad = hex(gcms[i].aad), plain = hex(gcms[i].plain);
		size_t n = plain.len;
		uint8_t out[128];
		struct gcm *made;
		CHECK(gcm_new(hex_slice(&key), &made, &err) == OK);
		auto_gcm struct gcm *g = made;

		for (int round = 0; round < 2; round++) {
			gcm_seal(g, iv.b, hex_slice(&aad), hex_slice(&plain),
				 out);
			CHECK(hex_is(out, n + 16, gcms[i].sealed));
		}
		CHECK(gcm_open(g, iv.b, hex_slice(&aad),
			       slice_make(out, n + 16), out, &err) == OK);
		CHECK(hex_is(out, n, gcms[i].plain));
		gcm_seal(g, iv.b, hex_slice(&aad), slice_make(out, n), out);
		CHECK(hex_is(out, n + 16, gcms[i].sealed));
	}
}

TEST(gcm_refuses_every_flipped_bit_and_wipes)
{
	struct hex key = hex(GCM_KEY_128), iv = hex(GCM_IV), aad = hex(GCM_AAD),
		   plain = hex(GCM_PLAIN);
	uint8_t sealed[76], out[60], ours[60];
	struct gcm *made;
	struct err err;

	CHECK(gcm_new(hex_slice(&key), &made, &err) == OK);
	auto_gcm struct gcm *g = made;
	gcm_seal(g, iv.b, hex_slice(&aad), hex_slice(&plain), sealed);
	for (size_t bit = 0; bit < sizeof(sealed) * 8; bit++) {
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
		memset(out, 0x55, sizeof(out));
		CHECK(gcm_open(g, iv.b, hex_slice(&aad), slice_of(sealed), out,
			       &err) == E_CRYPTO);
		CHECK(all_zero(out, sizeof(out)));
		sealed[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t bit = 0; bit < aad.len * 8; bit++) {
		aad.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(gcm_open(g, iv.b, hex_slice(&aad), slice_of(sealed), out,
			       &err) == E_CRYPTO);
		aad.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	iv.b[11] ^= 1;
	CHECK(gcm_open(g, iv.b, hex_slice(&aad), slice_of(sealed), ours,
		       &err) == E_CRYPTO);
	iv.b[11] ^= 1;
	CHECK(gcm_open(g, iv.b, hex_slice(&aad), slice_of(sealed), ours,
		       &err) == OK);
	CHECK(memcmp(ours, plain.b, sizeof(ours)) == 0);
}

TEST(gcm_refuses_every_other_length)
{
	struct hex key = hex(GCM_KEY_128), iv = hex(GCM_IV);
	uint8_t sealed[32 + 1] = { 0 }, out[32];
	struct gcm *made = NULL;
	struct err err;

	for (size_t len = 0; len <= 64; len++)
		if (len != 16 && len != 32)
			CHECK(gcm_new(slice_make(key.b, len), &made, &err) ==
			      E_CRYPTO);
	CHECK(made == NULL);

	CHECK(gcm_new(hex_slice(&key), &made, &err) == OK);
	auto_gcm struct gcm *g = made;
	gcm_seal(g, iv.b, S(""), S("sixteen bytes..."), sealed);
	for (size_t len = 0; len <= sizeof(sealed); len++)
		CHECK(gcm_open(g, iv.b, S(""), slice_make(sealed, len), out,
			       &err) == (len == 32 ? OK : E_CRYPTO));
	CHECK(gcm_open(g, iv.b, S(""), (struct slice){ NULL, 0 }, NULL, &err) ==
	      E_CRYPTO);
}

/* Sizes round the blocks, so that a faster GCM is measured by this too. */
TEST(gcm_opens_what_it_sealed_at_every_size)
{
	static uint8_t plain[700], sealed[716], out[700];
	uint8_t iv[12] = { 1 };
	struct gcm *made;
	struct err err;

	crypto_random(plain, sizeof(plain));
	CHECK(gcm_new(slice_make(plain, 32), &made, &err) == OK);
	auto_gcm struct gcm *g = made;
	for (size_t n = 0; n <= sizeof(plain); n++) {
		iv[11] = (uint8_t)n;
		struct slice aad = slice_make(plain, n % 67);
		gcm_seal(g, iv, aad, slice_make(plain, n), sealed);
		CHECK(gcm_open(g, iv, aad, slice_make(sealed, n + 16), out,
			       &err) == OK);
		CHECK(memcmp(out, plain, n) == 0);
		sealed[n] ^= 0x80;
		CHECK(gcm_open(g, iv, aad, slice_make(sealed, n + 16), out,
			       &err) == E_CRYPTO);
	}
}

/* ---- X25519 (RFC 7748 s5.2) ---- */

TEST(x25519_gives_the_published_values)
{
	static const struct {
		const char *scalar, *point, *out;
	} cases[] = {
		{ "a546e36bf0527c9d3b16154b82465edd62144c0ac1fc5a18506a2244ba4"
		  "49ac4",
		  "e6db6867583030db3594c1a424b15f7c726624ec26b3353b10a903a6d0a"
		  "b1c4c",
		  "c3da55379de9c6908e94ea4df28d084f32eccf03491c71f754b4075577a"
		  "28552" },
		/* The point has its top bit set, which is ignored. */
		{ "4b66e9d4d1b4673c5ad22691957d6af5c11b6421e0ea01d42ca4169e791"
		  "8ba0d",
		  "e5210f12786811d3f4b7959d0538ae2c31dbe7106fc03c3efc4cd549c71"
		  "5a493",
		  "95cbde9476e8907d7aade45cb4b873f88b595a68799fa152e6f8f7647aa"
		  "c7957" },
	};
	uint8_t out[32];
	struct err err;

	for (size_t i = 0; i < countof(cases); i++) {
		struct hex k = hex(cases[i].scalar), u = hex(cases[i].point);
		CHECK(x25519_shared(k.b, u.b, out, &err) == OK);
		CHECK(hex_is(out, sizeof(out), cases[i].out));
	}
}

TEST(x25519_iterated_a_thousand_times)
{
	uint8_t k[32] = { 9 }, u[32] = { 9 }, next[32];
	struct err err;

	x25519_public(k, next);
	CHECK(hex_is(next, 32,
		     "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e803"
		     "11ae3079"));
	for (int i = 0; i < 1000; i++) {
		CHECK(x25519_shared(k, u, next, &err) == OK);
		memcpy(u, k, sizeof(u));
		memcpy(k, next, sizeof(k));
	}
	CHECK(hex_is(k, 32,
		     "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d"
		     "99532c51"));
}

TEST(x25519_refuses_points_of_low_order)
{
	/* All of them, and those not reduced modulo 2^255 - 19. */
	static const char *const points[] = {
		ZEROS_16 ZEROS_16,
		"01000000000000000000000000000000" ZEROS_16,
		"e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b"
		"800",
		"5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1"
		"157",
		"ecfffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"f7f",
		"edfffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"f7f",
		"eefffffffffffffffffffffffffffffffffffffffffffffffffffffffffff"
		"f7f",
	};
	uint8_t priv[32], out[32];
	struct err err;

	crypto_random(priv, sizeof(priv));
	for (size_t i = 0; i < countof(points); i++)
		for (unsigned int top = 0; top < 2; top++) {
			struct hex u = hex(points[i]);
			u.b[31] |= (uint8_t)(top << 7);
			memset(out, 0x55, sizeof(out));
			CHECK_EQ_U64(u.len, 32);
			CHECK(x25519_shared(priv, u.b, out, &err) == E_CRYPTO);
			CHECK(out[0] == 0x55 && out[31] == 0x55);
		}
}

TEST(x25519_shares_a_secret)
{
	uint8_t a[32], b[32], pub_a[32], pub_b[32], ab[32], ba[32];
	struct err err;

	crypto_random(a, sizeof(a));
	crypto_random(b, sizeof(b));
	x25519_public(a, pub_a);
	x25519_public(b, pub_b);
	CHECK(x25519_shared(a, pub_b, ab, &err) == OK);
	CHECK(x25519_shared(b, pub_a, ba, &err) == OK);
	CHECK(memcmp(ab, ba, 32) == 0);
	CHECK(x25519_shared(a, pub_b, pub_b, &err) == OK); /* in place */
	CHECK(memcmp(ab, pub_b, 32) == 0);
}

/* ---- Key pairs ---- */

/* SEC1 of the private keys of RFC 6979 A.2.5 and A.2.6. */
#define P256_SEC1                                                          \
	"30310201010420"                                                   \
	"c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b127b8a622b120f6721" \
	"a00a06082a8648ce3d030107"
#define P384_SEC1                                                          \
	"303e0201010430"                                                   \
	"6b9d3dad2e1b8c1c05b19875b6659f4de23c3b667bf297ba9aa47740787137d8" \
	"96d5724e4c70a825f872c9ea60d2edf5"                                 \
	"a00706052b81040022"

static const struct {
	const char *sec1, *spki, *signature; /* over "sample" */
} keys[] = {
	{ P256_SEC1,
	  "3059301306072a8648ce3d020106082a8648ce3d03010703420004"
	  "60fed4ba255a9d31c961eb74c6356d68c049b8923b61fa6ce669622e60f29fb6"
	  "7903fe1008b8bc99a41ae9e95628bc64f2f1b20c2d7e9f5177a3c294d4462299",
	  "3046022100"
	  "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
	  "022100"
	  "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8" },
	{ P384_SEC1,
	  "3076301006072a8648ce3d020106052b8104002203620004"
	  "ec3a4e415b4e19a4568618029f427fa5da9a8bc4ae92e02e06aae5286b300c64"
	  "def8f0ea9055866064a254515480bc13"
	  "8015d9b72d7d57244ea8ef9ac0c621896708a59367f9dfb9f54ca84b3f1c9db1"
	  "288b231c3ae0d4fe7344fd2533264720",
	  "3066023100"
	  "94edbb92a5ecb8aad4736e56c691916b3f88140666ce9fa73d64c4ea95ad133c"
	  "81a648152e44acf96e36dd1e80fabe46"
	  "023100"
	  "99ef4aeb15f178cea1fe40db2603138f130e740a19624526203b6351d0a3a94f"
	  "a329c145786e679e7b82c71a38628ac8" },
};

static bool parse_hex(const char *text, struct keypair **out)
{
	struct hex der = hex(text);
	struct err err;

	return keypair_parse(hex_slice(&der), out, &err) == OK;
}

TEST(signatures_are_the_published_ones)
{
	struct err err;

	for (size_t i = 0; i < countof(keys); i++) {
		auto_keypair struct keypair *k = NULL;
		auto_buf struct buf spki = buf_make(200), sig = buf_make(200);
		CHECK(parse_hex(keys[i].sec1, &k));
		CHECK(keypair_spki(k, &spki, &err) == OK);
		CHECK(hex_is(buf_slice(&spki).p, spki.len, keys[i].spki));
		CHECK(keypair_sign(k, S("sample"), &sig, &err) == OK);
		CHECK(hex_is(buf_slice(&sig).p, sig.len, keys[i].signature));
		CHECK(spki_verify(buf_slice(&spki), S("sample"),
				  buf_slice(&sig), &err) == OK);
		CHECK(spki_verify(buf_slice(&spki), S("simple"),
				  buf_slice(&sig), &err) == E_CRYPTO);
	}
}

TEST(verifying_refuses_what_is_not_the_signature)
{
	struct hex spki = hex(keys[0].spki), other = hex(keys[1].spki),
		   sig = hex(keys[0].signature);
	struct slice msg = S("sample");
	struct err err;

	for (size_t bit = 0; bit < sig.len * 8; bit += 5) {
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(spki_verify(hex_slice(&spki), msg, hex_slice(&sig),
				  &err) == E_CRYPTO);
		sig.b[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	for (size_t len = 0; len <= sig.len + 1; len++)
		CHECK(spki_verify(hex_slice(&spki), msg, slice_make(sig.b, len),
				  &err) == (len == sig.len ? OK : E_CRYPTO));
	CHECK(spki_verify(hex_slice(&other), msg, hex_slice(&sig), &err) ==
	      E_CRYPTO);

	/* r and s of zero. */
	CHECK(spki_verify(hex_slice(&spki), msg,
			  S("\x30\x06\x02\x01\x00\x02\x01\x00"),
			  &err) == E_CRYPTO);
}

TEST(verifying_refuses_what_is_not_a_key)
{
	static const char *const refused[] = {
		"",
		"30",
		"3000",
		/* X25519 */
		"302a300506032b656e032100" ZEROS_16 ZEROS_16,
		/* secp256k1 */
		"3056301006072a8648ce3d020106052b8104000a034200"
		"0479be667ef9dcbbac55a06295ce870b07029bfcdb2dce28d959f2815b16f8"
		"1798483ada7726a3c4655da4fbfc0e1108a8fd17b448a68554199c47d08ffb"
		"10d4b8",
		/* P-256, but not a point of it */
		"3059301306072a8648ce3d020106082a8648ce3d03010703420004" ZEROS_16
			ZEROS_16 ZEROS_16 ZEROS_16,
	};
	struct hex good = hex(keys[0].spki), sig = hex(keys[0].signature);
	struct err err;

	for (size_t i = 0; i < countof(refused); i++) {
		struct hex h = hex(refused[i]);
		CHECK(spki_verify(hex_slice(&h), S("sample"), hex_slice(&sig),
				  &err) == E_CRYPTO);
		CHECK(strstr(err.text, "SubjectPublicKeyInfo") != NULL);
	}
	for (size_t len = 0; len <= good.len + 1; len++)
		CHECK(spki_verify(slice_make(good.b, len), S("sample"),
				  hex_slice(&sig),
				  &err) == (len == good.len ? OK : E_CRYPTO));
}

static bool same_spki(const struct keypair *a, const struct keypair *b)
{
	auto_buf struct buf x = buf_make(200), y = buf_make(200);
	struct err err;

	return keypair_spki(a, &x, &err) == OK &&
	       keypair_spki(b, &y, &err) == OK &&
	       slice_eq(buf_slice(&x), buf_slice(&y));
}

TEST(new_key_pairs_differ_sign_and_survive_pem)
{
	static const enum key_curve both[] = { KEY_P256, KEY_P384 };
	struct err err;

	for (size_t i = 0; i < countof(both); i++) {
		auto_keypair struct keypair *a = NULL, *b = NULL, *c = NULL;
		auto_buf struct buf pem = buf_make(2000);
		auto_buf struct buf spki = buf_make(200), sig = buf_make(200);
		CHECK(keypair_new(both[i], &a, &err) == OK);
		CHECK(keypair_new(both[i], &b, &err) == OK);
		CHECK(!same_spki(a, b));

		CHECK(keypair_pem(a, &pem, &err) == OK);
		CHECK(slice_starts(buf_slice(&pem), S("-----BEGIN ")));
		CHECK(keypair_parse(buf_slice(&pem), &c, &err) == OK);
		CHECK(same_spki(a, c));

		CHECK(keypair_sign(c, S("x"), &sig, &err) == OK);
		CHECK(keypair_spki(a, &spki, &err) == OK);
		CHECK(spki_verify(buf_slice(&spki), S("x"), buf_slice(&sig),
				  &err) == OK);
	}
}

/* Computed from the definition with another program (HKDF and integers of
 * Python): seed is the bytes 0 to 31. */
TEST(key_pairs_follow_from_seeds)
{
	static const struct {
		enum key_curve curve;
		const char *spki;
	} cases[] = {
		{ KEY_P256,
		  "3059301306072a8648ce3d020106082a8648ce3d030107034200043d50b"
		  "4698870c367c01e21a85cc0f93045db2072f9caa5b6cf783fc4ce6684e1"
		  "d451020c183f1af819f1083ef76c4afc5bd162fe9d2344c50e7455f911a"
		  "a8d74" },
		{ KEY_P384,
		  "3076301006072a8648ce3d020106052b8104002203620004f17a13b9f54"
		  "a8c7631e8bfdd79908466188b78b2ad78e74a275aeb19ffffcccc00da35"
		  "e64b76d265b67746bab62e3bcfb65c303b6a7278e710df82feedd131d02"
		  "7bc0d7cb5910ace453e60433dcbd4e1035dae1b7e7f969f3e0a8ebc04ee"
		  "e442" },
	};
	uint8_t seed[33];
	struct err err;

	for (uint8_t i = 0; i < sizeof(seed); i++)
		seed[i] = i;
	for (size_t i = 0; i < countof(cases); i++) {
		auto_keypair struct keypair *a = NULL, *b = NULL;
		auto_buf struct buf spki = buf_make(200);
		CHECK(keypair_from_seed(cases[i].curve, slice_make(seed, 32),
					&a, &err) == OK);
		CHECK(keypair_spki(a, &spki, &err) == OK);
		CHECK(hex_is(buf_slice(&spki).p, spki.len, cases[i].spki));
		CHECK(keypair_from_seed(cases[i].curve, slice_make(seed, 33),
					&b, &err) == OK);
		CHECK(!same_spki(a, b));
		b = (keypair_free(b), NULL);
		CHECK(keypair_from_seed(cases[i].curve, slice_make(seed, 31),
					&b, &err) == E_CRYPTO);
		CHECK(b == NULL);
	}
}

TEST(parsing_refuses_what_is_not_a_key_of_ours)
{
	static const char *const refused[] = {
		"",
		"30",
		"3000",
		"00",
		/* X25519, RFC 8410 */
		"302e020100300506032b656e04220420" ZEROS_16 ZEROS_16,
		/* P-256 with a private key of zero, and of the order */
		"30310201010420" ZEROS_16 ZEROS_16 "a00a06082a8648ce3d030107",
		"30310201010420ffffffff00000000ffffffffffffffffbce6faada7179e84"
		"f3b9cac2fc632551a00a06082a8648ce3d030107",
		/* Somebody else's public half */
		"30770201010420c9afa9d845ba75166b5c215767b1d6934e50c3db36e89b12"
		"7b8a622b120f6721a00a06082a8648ce3d030107a144034200046b17d1f2e1"
		"2c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c2964fe342e2"
		"fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
		/* Something behind it */
		P256_SEC1 "00",
	};
	struct keypair *k = NULL;
	struct err err;

	for (size_t i = 0; i < countof(refused); i++) {
		struct hex h = hex(refused[i]);
		CHECK(keypair_parse(hex_slice(&h), &k, &err) == E_PARSE);
		CHECK(k == NULL);
	}
	CHECK(keypair_parse(S("-----BEGIN PRIVATE KEY-----\nMAA=\n"
			      "-----END PRIVATE KEY-----\n"),
			    &k, &err) == E_PARSE);
	CHECK(strstr(err.text, "want one on P-256 or P-384") != NULL);

	auto_mem uint8_t *large = mem_must(65537);
	CHECK(keypair_parse(slice_make(large, 65537), &k, &err) == E_LIMIT);
	CHECK(keypair_parse(slice_make(large, 65536), &k, &err) == E_PARSE);
	CHECK(k == NULL);
}

TEST(every_cut_of_a_key_is_refused)
{
	struct hex der = hex(P384_SEC1);
	struct keypair *k = NULL;
	struct err err;

	for (size_t len = 0; len < der.len; len++)
		CHECK(keypair_parse(slice_make(der.b, len), &k, &err) ==
		      E_PARSE);
	CHECK(k == NULL);
}

TEST(output_that_does_not_fit_is_an_error)
{
	auto_keypair struct keypair *k = NULL;
	struct err err;

	CHECK(parse_hex(P256_SEC1, &k));
	auto_buf struct buf a = buf_make(20), b = buf_make(20),
			    c = buf_make(20);
	CHECK(keypair_pem(k, &a, &err) == E_LIMIT);
	CHECK(keypair_spki(k, &b, &err) == E_LIMIT);
	CHECK(keypair_sign(k, S("x"), &c, &err) == E_LIMIT);
	CHECK(a.len == 0 && b.len == 0 && c.len == 0);
	keypair_free(NULL);
	gcm_free(NULL);
}
