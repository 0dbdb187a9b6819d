#include "core/hpke.h"

#include "core/cleanup.h"
#include "test/core/hex.h"
#include "test/test.h"

#define PLAIN S("Beauty is truth, truth beauty")
#define INFO S("Ode on a Grecian Urn")
#define SEALED_LEN (29 + GCM_TAG_LEN)

/* clang-format off */
/* RFC 9180 A.1.1 and A.7.1 (export only), and the AES-256-GCM case of the
 * vectors that the RFC points to: DHKEM(X25519, HKDF-SHA256), HKDF-SHA256,
 * base mode.  Exporter contexts: "", 00, "TestContext". */
static const struct vector {
	uint16_t aead;
	const char *ikm_e, *ikm_r, *priv_r, *pub_r, *enc;
	struct {
		unsigned int seq;
		const char *ct;
	} sealed[6]; /* with aad "Count-<seq>" */
	const char *exported[3];
} vectors[] = {
	{
		.aead = HPKE_AEAD_AES128,
		.ikm_e = "7268600d403fce431561aef583ee1613527cff655c1343f29812e66706df"
			"3234",
		.ikm_r = "6db9df30aa07dd42ee5e8181afdb977e538f5e1fec8a06223f33f7013e52"
			"5037",
		.priv_r = "4612c550263fc8ad58375df3f557aac531d26850903e55a9f23f21d8534e"
			"8ac8",
		.pub_r = "3948cfe0ad1ddb695d780e59077195da6c56506b027329794ab02bca8081"
			"5c4d",
		.enc = "37fda3567bdbd628e88668c3c8d7e97d1d1253b6d4ea6d44c150f741f1bf"
			"4431",
		.sealed = {
			{ 0,
			  "f938558b5d72f1a23810b4be2ab4f84331acc02fc97babc53a52ae8218a3"
			  "55a96d8770ac83d07bea87e13c512a" },
			{ 1,
			  "af2d7e9ac9ae7e270f46ba1f975be53c09f8d875bdc8535458c2494e8a6e"
			  "ab251c03d0c22a56b8ca42c2063b84" },
			{ 2,
			  "498dfcabd92e8acedc281e85af1cb4e3e31c7dc394a1ca20e173cb725164"
			  "91588d96a19ad4a683518973dcc180" },
			{ 4,
			  "583bd32bc67a5994bb8ceaca813d369bca7b2a42408cddef5e22f880b631"
			  "215a09fc0012bc69fccaa251c0246d" },
			{ 255,
			  "7175db9717964058640a3a11fb9007941a5d1757fda1a6935c805c21af32"
			  "505bf106deefec4a49ac38d71c9e0a" },
			{ 256,
			  "957f9800542b0b8891badb026d79cc54597cb2d225b54c00c5238c25d05c"
			  "30e3fbeda97d2e0e1aba483a2df9f2" },
		},
		.exported = {
			"3853fe2b4035195a573ffc53856e77058e15d9ea064de3e59f4961d00952"
			"50ee",
			"2e8f0b54673c7029649d4eb9d5e33bf1872cf76d623ff164ac185da9e88c"
			"21a5",
			"e9e43065102c3836401bed8c3c3c75ae46be1639869391d62c61f1ec7af5"
			"4931",
		},
	},
	{
		.aead = HPKE_AEAD_AES256,
		.ikm_e = "2cd7c601cefb3d42a62b04b7a9041494c06c7843818e0ce28a8f704ae7ab"
			"20f9",
		.ikm_r = "dac33b0e9db1b59dbbea58d59a14e7b5896e9bdf98fad6891e99d1686492"
			"b9ee",
		.priv_r = "497b4502664cfea5d5af0b39934dac72242a74f8480451e1aee7d6a53320"
			"333d",
		.pub_r = "430f4b9859665145a6b1ba274024487bd66f03a2dd577d7753c68d7d7d00"
			"c00c",
		.enc = "6c93e09869df3402d7bf231bf540fadd35cd56be14f97178f0954db94b7f"
			"c256",
		.sealed = {
			{ 0,
			  "e5d84cd531cfb583096e7cfa9641bd3079cf3a91cda813c52deb5f512be9"
			  "931980a41de125a925cdad859d5b7a" },
			{ 1,
			  "2c43aff25343fdbff864506f0818b9d87df84ea01b1a2144d23b4d40c26b"
			  "f655fdf197fe40297a8aebeed5cc2d" },
			{ 2,
			  "e0a8f2cf92ff61215edbb8c55dc31fe9e2eb42a5685867bb685421154209"
			  "9f9e940c4b41c192bc390835b1a5f7" },
			{ 4,
			  "448a8892f261cbb6bf5b7b64a4fae8a2c86492494b069c10525895d871c2"
			  "7c2f12cd17e0588fedaba9f7b0cd4c" },
			{ 255,
			  "f6ad1823eb0b932d04b6e23010eea64f1fe5edd0583dae5ba27ca6363f4e"
			  "a104bd217331460ef4208040423641" },
			{ 256,
			  "53624f4f9f173453b14e633b45390ff54cacaa4428d44baee1bff8133fab"
			  "1ab3afe60f88e4634b525c54e92eda" },
		},
		.exported = {
			"ded6cffafaea6b812cbf3e241e88332adbc077aca81512914213810ee291"
			"770a",
			"04d3cb6cc116b28ffd22ad5bc276c60d31fec71ceb87ae24db811c64b750"
			"7339",
			"7c5ded445732c14fe09727d29b4251c0fd38455fe8440571e687f0886aac"
			"94d2",
		},
	},
	{
		.aead = HPKE_AEAD_EXPORT,
		.ikm_e = "55bc245ee4efda25d38f2d54d5bb6665291b99f8108a8c4b686c2b14893e"
			"a5d9",
		.ikm_r = "683ae0da1d22181e74ed2e503ebf82840deb1d5e872cade20f4b458d9978"
			"3e31",
		.priv_r = "33d196c830a12f9ac65d6e565a590d80f04ee9b19c83c87f2c170d972a81"
			"2848",
		.pub_r = "194141ca6c3c3beb4792cd97ba0ea1faff09d98435012345766ee33aae2d"
			"7664",
		.enc = "e5e8f9bfff6c2f29791fc351d2c25ce1299aa5eaca78a757c0b4fb4bcd83"
			"0918",
		.exported = {
			"7a36221bd56d50fb51ee65edfd98d06a23c4dc87085aa5866cb7087244bd"
			"2a36",
			"d5535b87099c6c3ce80dc112a2671c6ec8e811a2f284f948cec6dd1708ee"
			"33f0",
			"ffaabc85a776136ca0c378e5d084c9140ab552b78f039d2e8775f26efff4"
			"c70e",
		},
	},
};
/* clang-format on */

static bool sender_of(const struct vector *v, uint8_t enc[static 32],
		      struct hpke **out)
{
	struct hex ikm = hex(v->ikm_e), pub = hex(v->pub_r);
	struct slice ephemeral = hex_slice(&ikm);
	struct err err;

	return hpke_sender(pub.b, v->aead, INFO, &ephemeral, enc, out, &err) ==
	       OK;
}

static bool receiver_of(const struct vector *v, struct hpke **out)
{
	struct hex priv = hex(v->priv_r), enc = hex(v->enc);
	struct err err;

	return hpke_receiver(priv.b, v->aead, INFO, enc.b, out, &err) == OK;
}

/* The published ciphertext of seq; NULL when that one was not printed. */
static const char *published(const struct vector *v, unsigned int seq)
{
	for (size_t i = 0; i < countof(v->sealed); i++)
		if (v->sealed[i].ct != NULL && v->sealed[i].seq == seq)
			return v->sealed[i].ct;
	return NULL;
}

TEST(key_pairs_are_derived_as_published)
{
	uint8_t priv[32], pub[32];

	for (size_t i = 0; i < countof(vectors); i++) {
		struct hex ikm_e = hex(vectors[i].ikm_e),
			   ikm_r = hex(vectors[i].ikm_r);
		hpke_derive_keypair(hex_slice(&ikm_r), priv, pub);
		CHECK(hex_is(priv, 32, vectors[i].priv_r));
		CHECK(hex_is(pub, 32, vectors[i].pub_r));
		hpke_derive_keypair(hex_slice(&ikm_e), priv, pub);
		CHECK(hex_is(pub, 32, vectors[i].enc));
	}
}

TEST(sealing_and_opening_give_the_published_values)
{
	struct err err;

	for (size_t i = 0; i < 2; i++) {
		const struct vector *v = &vectors[i];
		auto_hpke struct hpke *s = NULL, *r = NULL;
		uint8_t enc[32], out[SEALED_LEN], back[29];
		unsigned int seen = 0;
		CHECK(sender_of(v, enc, &s));
		CHECK(hex_is(enc, 32, v->enc));
		CHECK(receiver_of(v, &r));
		for (unsigned int seq = 0; seq <= 256; seq++) {
			char aad[16];
			(void)snprintf(aad, sizeof(aad), "Count-%u", seq);
			CHECK(hpke_seal(s, slice_str(aad), PLAIN, out, &err) ==
			      OK);
			const char *ct = published(v, seq);
			CHECK(ct == NULL || hex_is(out, sizeof(out), ct));
			seen += ct != NULL;
			CHECK(hpke_open(r, slice_str(aad), slice_of(out), back,
					&err) == OK);
			CHECK(slice_eq(slice_of(back), PLAIN));
		}
		CHECK_EQ_U64(seen, 6);
	}
}

TEST(exports_are_the_published_ones_on_both_sides)
{
	static const struct slice contexts[] = {
		{ (const uint8_t *)"", 0 },
		{ (const uint8_t *)"\0", 1 },
		{ (const uint8_t *)"TestContext", 11 },
	};

	for (size_t i = 0; i < countof(vectors); i++) {
		auto_hpke struct hpke *s = NULL, *r = NULL;
		uint8_t enc[32], out[33] = { 0 };
		CHECK(sender_of(&vectors[i], enc, &s));
		CHECK(receiver_of(&vectors[i], &r));
		for (size_t k = 0; k < countof(contexts); k++) {
			hpke_export(s, contexts[k], out, 32);
			CHECK(hex_is(out, 32, vectors[i].exported[k]));
			memset(out, 0, sizeof(out));
			hpke_export(r, contexts[k], out, 32);
			CHECK(hex_is(out, 32, vectors[i].exported[k]));
			CHECK(out[32] == 0);
		}
	}
}

TEST(export_only_neither_seals_nor_opens)
{
	auto_hpke struct hpke *s = NULL, *r = NULL;
	uint8_t enc[32], out[32] = { 0 };
	struct err err;

	CHECK(sender_of(&vectors[2], enc, &s));
	CHECK(hex_is(enc, 32, vectors[2].enc));
	CHECK(receiver_of(&vectors[2], &r));
	CHECK(hpke_seal(s, S(""), S("x"), out, &err) == E_CRYPTO);
	CHECK(hpke_open(r, S(""), slice_of(out), out, &err) == E_CRYPTO);
	CHECK(all_zero(out, sizeof(out)));
}

TEST(a_failed_open_leaves_the_sequence_as_it_was)
{
	auto_hpke struct hpke *s = NULL, *r = NULL;
	uint8_t enc[32], first[SEALED_LEN], second[SEALED_LEN], out[29];
	struct err err;

	CHECK(sender_of(&vectors[1], enc, &s));
	CHECK(receiver_of(&vectors[1], &r));
	CHECK(hpke_seal(s, S("a"), PLAIN, first, &err) == OK);
	CHECK(hpke_seal(s, S("a"), PLAIN, second, &err) == OK);
	CHECK(memcmp(first, second, sizeof(first)) != 0);

	/* Out of order, cut, of other data, flipped. */
	CHECK(hpke_open(r, S("a"), slice_of(second), out, &err) == E_CRYPTO);
	CHECK(hpke_open(r, S("a"), slice_make(first, 15), out, &err) ==
	      E_CRYPTO);
	CHECK(hpke_open(r, S("b"), slice_of(first), out, &err) == E_CRYPTO);
	first[3] ^= 4;
	CHECK(hpke_open(r, S("a"), slice_of(first), out, &err) == E_CRYPTO);
	CHECK(all_zero(out, sizeof(out)));
	first[3] ^= 4;
	CHECK(hpke_open(r, S("a"), slice_of(first), out, &err) == OK);
	CHECK(hpke_open(r, S("a"), slice_of(first), out, &err) == E_CRYPTO);
	CHECK(hpke_open(r, S("a"), slice_of(second), out, &err) == OK);
	CHECK(slice_eq(slice_of(out), PLAIN));
}

TEST(info_and_aead_must_be_the_same_on_both_sides)
{
	const struct vector *v = &vectors[1];
	struct hex priv = hex(v->priv_r), enc_r = hex(v->enc);
	uint8_t enc[32], ct[SEALED_LEN], out[29];
	struct err err;

	auto_hpke struct hpke *s = NULL, *other = NULL, *weak = NULL;
	CHECK(sender_of(v, enc, &s));
	CHECK(hpke_seal(s, S(""), PLAIN, ct, &err) == OK);
	CHECK(hpke_receiver(priv.b, v->aead, S("Ode"), enc_r.b, &other, &err) ==
	      OK);
	CHECK(hpke_open(other, S(""), slice_of(ct), out, &err) == E_CRYPTO);
	CHECK(hpke_receiver(priv.b, HPKE_AEAD_AES128, INFO, enc_r.b, &weak,
			    &err) == OK);
	CHECK(hpke_open(weak, S(""), slice_of(ct), out, &err) == E_CRYPTO);
}

TEST(a_known_public_key_must_be_the_right_one)
{
	const struct vector *v = &vectors[1];
	struct hex priv = hex(v->priv_r), pub = hex(v->pub_r);
	uint8_t enc[32], ct[SEALED_LEN], out[29];
	auto_hpke struct hpke *s = NULL, *right = NULL, *wrong = NULL;
	struct err err;

	CHECK(sender_of(v, enc, &s));
	CHECK(hpke_seal(s, S(""), PLAIN, ct, &err) == OK);
	CHECK(hpke_receiver_known(priv.b, enc, v->aead, INFO, enc, &wrong,
				  &err) == OK);
	CHECK(hpke_open(wrong, S(""), slice_of(ct), out, &err) == E_CRYPTO);
	CHECK(hpke_receiver_known(priv.b, pub.b, v->aead, INFO, enc, &right,
				  &err) == OK);
	CHECK(hpke_open(right, S(""), slice_of(ct), out, &err) == OK);
	CHECK(slice_eq(slice_of(out), PLAIN));
}

TEST(setup_refuses_unknown_aeads_and_low_order_points)
{
	static const uint16_t unknown[] = { 0, 3, 4, 0xfffe };
	static const uint8_t zero[32], one[32] = { 1 };
	uint8_t priv[32], pub[32], enc[32] = { 0x55 };
	struct hpke *h = NULL;
	struct err err;

	hpke_derive_keypair(S("0123456789abcdef0123456789abcdef"), priv, pub);
	for (size_t i = 0; i < countof(unknown); i++) {
		CHECK(hpke_sender(pub, unknown[i], INFO, NULL, enc, &h, &err) ==
		      E_CRYPTO);
		CHECK(hpke_receiver(priv, unknown[i], INFO, pub, &h, &err) ==
		      E_CRYPTO);
	}
	CHECK(hpke_sender(zero, HPKE_AEAD_AES256, INFO, NULL, enc, &h, &err) ==
	      E_CRYPTO);
	CHECK(hpke_receiver(priv, HPKE_AEAD_AES256, INFO, one, &h, &err) ==
	      E_CRYPTO);
	CHECK(h == NULL && enc[0] == 0x55);
	hpke_free(NULL);
}

TEST(senders_are_random_without_an_ephemeral_seed)
{
	uint8_t priv[32], pub[32], a[32], b[32];
	auto_hpke struct hpke *x = NULL, *y = NULL;
	struct err err;

	hpke_derive_keypair(S("0123456789abcdef0123456789abcdef"), priv, pub);
	CHECK(hpke_sender(pub, HPKE_AEAD_AES128, INFO, NULL, a, &x, &err) ==
	      OK);
	CHECK(hpke_sender(pub, HPKE_AEAD_AES128, INFO, NULL, b, &y, &err) ==
	      OK);
	CHECK(memcmp(a, b, 32) != 0);
}

TEST(a_sealed_message_opens_only_whole_and_in_its_place)
{
	uint8_t priv[32], pub[32], other[32];
	auto_buf struct buf out = buf_make(200);
	struct secret *plain = NULL;
	struct err err;

	hpke_derive_keypair(S("0123456789abcdef0123456789abcdef"), priv, pub);
	buf_put_str(&out, "head");
	CHECK(hpke_seal_to(pub, S("info"), S("aad"), PLAIN, &out, &err) == OK);
	CHECK_EQ_U64(out.len, 4 + 32 + 29 + 16);
	struct slice sealed = slice_from(buf_slice(&out), 4);

	for (size_t len = 0; len < sealed.len; len++)
		CHECK(hpke_open_from(priv, S("info"), S("aad"),
				     slice_sub(sealed, 0, len), &plain,
				     &err) != OK);
	CHECK(hpke_open_from(priv, S("Info"), S("aad"), sealed, &plain, &err) ==
	      E_CRYPTO);
	CHECK(hpke_open_from(priv, S("info"), S("aae"), sealed, &plain, &err) ==
	      E_CRYPTO);
	crypto_random(other, sizeof(other));
	CHECK(hpke_open_from(other, S("info"), S("aad"), sealed, &plain,
			     &err) == E_CRYPTO);
	CHECK(plain == NULL);

	CHECK(hpke_open_from(priv, S("info"), S("aad"), sealed, &plain, &err) ==
	      OK);
	auto_secret struct secret *owned = plain;
	CHECK(slice_eq(secret_slice(owned), PLAIN));
}

TEST(every_flipped_bit_of_a_sealed_message_is_refused)
{
	uint8_t priv[32], pub[32], copy[32 + 5 + 16];
	auto_buf struct buf out = buf_make(200);
	struct secret *plain = NULL;
	struct err err;

	hpke_derive_keypair(S("0123456789abcdef0123456789abcdef"), priv, pub);
	CHECK(hpke_seal_to(pub, S(""), S(""), S("hello"), &out, &err) == OK);
	CHECK_EQ_U64(out.len, sizeof(copy));
	memcpy(copy, buf_slice(&out).p, sizeof(copy));
	for (size_t bit = 0; bit < sizeof(copy) * 8; bit++) {
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
		CHECK(hpke_open_from(priv, S(""), S(""), slice_of(copy), &plain,
				     &err) == E_CRYPTO);
		copy[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
	CHECK(plain == NULL);
}

TEST(sealed_messages_have_bounds)
{
	static uint8_t large[(1 << 20) + 1];
	uint8_t priv[32], pub[32];
	auto_buf struct buf out = buf_make(4096);
	struct err err;

	hpke_derive_keypair(S("0123456789abcdef0123456789abcdef"), priv, pub);
	CHECK(hpke_seal_to(pub, S(""), S(""), S(""), &out, &err) == E_LIMIT);
	CHECK(hpke_seal_to(pub, S(""), S(""), slice_of(large), &out, &err) ==
	      E_LIMIT);
	CHECK(out.len == 0 && !out.bad);
	CHECK(hpke_seal_to(pub, S(""), S(""), slice_make(large, 4096), &out,
			   &err) == E_LIMIT);
	CHECK(out.len == 0);
}
