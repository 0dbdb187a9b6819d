#include "core/merkle.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "test/core/hex.h"
#include "test/test.h"

#define LEAVES 40

static uint8_t leaves[LEAVES][MERKLE_LEN];
static uint8_t roots[LEAVES + 1][MERKLE_LEN];

/* Leaf i is the byte i; roots[n] is of the first n. */
static void make(void)
{
	struct merkle m = { 0 };

	merkle_root(&m, roots[0]);
	for (uint8_t i = 0; i < LEAVES; i++) {
		merkle_leaf(slice_make(&i, 1), leaves[i]);
		merkle_append(&m, leaves[i]);
		merkle_root(&m, roots[i + 1]);
	}
}

/* The definition of RFC 6962 s2.1, written the plain way. */
static void defined_root(uint64_t from, uint64_t n, uint8_t *out)
{
	uint8_t both[1 + 2 * MERKLE_LEN] = { 1 };
	uint64_t k = 1;

	if (n == 1) {
		memcpy(out, leaves[from], MERKLE_LEN);
		return;
	}
	while (2 * k < n)
		k *= 2;
	defined_root(from, k, both + 1);
	defined_root(from + k, n - k, both + 1 + MERKLE_LEN);
	sha256(slice_of(both), out);
}

/* The reference tree of Certificate Transparency's own tests. */
static const char *const ct_leaves[] = {
	"",
	"00",
	"10",
	"2021",
	"3031",
	"40414243",
	"5051525354555657",
	"606162636465666768696a6b6c6d6e6f",
};
static const char *const ct_roots[] = {
	"e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
	"6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
	"fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
	"aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
	"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
	"4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
	"76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
	"ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
	"5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
};

static void make_ct(uint8_t (*out)[MERKLE_LEN])
{
	for (size_t i = 0; i < countof(ct_leaves); i++) {
		struct hex h = hex(ct_leaves[i]);
		merkle_leaf(hex_slice(&h), out[i]);
	}
}

TEST(roots_are_those_of_certificate_transparency)
{
	uint8_t ct[8][MERKLE_LEN], root[MERKLE_LEN];
	struct merkle m = { 0 };

	make_ct(ct);
	for (size_t n = 0; n <= 8; n++) {
		merkle_root(&m, root);
		CHECK(m.size == n);
		CHECK(hex_is(root, sizeof(root), ct_roots[n]));
		if (n < 8)
			merkle_append(&m, ct[n]);
	}
}

TEST(proofs_are_those_of_certificate_transparency)
{
	static const char *const in_8[] = {
		"bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d885"
		"99e6b",
		"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975"
		"a0ae0",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209"
		"614b7",
	};
	static const char *const from_6[] = {
		"0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc55"
		"8ef6a",
		"ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975"
		"a0ae0",
		"d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209"
		"614b7",
	};
	uint8_t ct[8][MERKLE_LEN], path[64][MERKLE_LEN];
	size_t n;

	make_ct(ct);
	merkle_inclusion(ct, 8, 5, path, &n);
	CHECK_EQ_U64(n, 3);
	for (size_t i = 0; i < n; i++)
		CHECK(hex_is(path[i], MERKLE_LEN, in_8[i]));
	merkle_consistency(ct, 8, 6, path, &n);
	CHECK_EQ_U64(n, 3);
	for (size_t i = 0; i < n; i++)
		CHECK(hex_is(path[i], MERKLE_LEN, from_6[i]));
}

TEST(appended_roots_are_the_defined_ones)
{
	uint8_t want[MERKLE_LEN];

	make();
	for (uint64_t n = 1; n <= LEAVES; n++) {
		defined_root(0, n, want);
		CHECK(memcmp(roots[n], want, sizeof(want)) == 0);
	}
}

static bool included(uint64_t index, uint64_t size, uint8_t (*path)[MERKLE_LEN],
		     size_t n)
{
	struct err err;

	return merkle_check_inclusion(leaves[index], index, size,
				      (const uint8_t(*)[MERKLE_LEN])path, n,
				      roots[size], &err) == OK;
}

static bool consistent(uint64_t old_size, uint64_t size,
		       uint8_t (*path)[MERKLE_LEN], size_t n)
{
	struct err err;

	return merkle_check_consistency(old_size, roots[old_size], size,
					roots[size],
					(const uint8_t(*)[MERKLE_LEN])path, n,
					&err) == OK;
}

/* Bits of the proof flipped, a hash less, and one more: how many held?
 * Every bit for some, every 29th of the others, to stay quick. */
static unsigned int broken_that_hold(
	bool (*check)(uint64_t, uint64_t, uint8_t (*)[MERKLE_LEN], size_t),
	uint64_t a, uint64_t b, uint8_t (*path)[MERKLE_LEN], size_t n)
{
	size_t step = (a + 3 * b) % 16 == 0 ? 1 : 29;
	unsigned int held = 0;

	for (size_t bit = 0; bit < n * MERKLE_LEN * 8; bit += step) {
		path[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
		held += check(a, b, path, n);
		path[bit / 256][bit / 8 % 32] ^= (uint8_t)(1 << bit % 8);
	}
	if (n > 0) {
		held += check(a, b, path, n - 1);
		held += check(a, b, path + 1, n - 1);
	}
	memset(path[n], 0, MERKLE_LEN);
	held += check(a, b, path, n + 1);
	if (n > 0)
		memcpy(path[n], path[n - 1], MERKLE_LEN);
	return held + check(a, b, path, n + 1);
}

TEST(every_inclusion_proof_holds_and_no_broken_one)
{
	uint8_t path[65][MERKLE_LEN];
	size_t n;

	make();
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t i = 0; i < size; i++) {
			merkle_inclusion(leaves, size, i, path, &n);
			CHECK(n <= 6);
			CHECK(included(i, size, path, n));
			CHECK_EQ_U64(broken_that_hold(included, i, size, path,
						      n),
				     0);
		}
}

TEST(an_inclusion_proof_is_for_one_place_only)
{
	uint8_t path[65][MERKLE_LEN];
	struct err err;
	size_t n;

	make();
	for (uint64_t size = 1; size <= 17; size++)
		for (uint64_t i = 0; i < size; i++) {
			merkle_inclusion(leaves, size, i, path, &n);
			const uint8_t(*p)[MERKLE_LEN] =
				(const uint8_t(*)[MERKLE_LEN])path;
			for (uint64_t k = 0; k < 2 * size; k++)
				CHECK(k == i ||
				      merkle_check_inclusion(leaves[i], k, size,
							     p, n, roots[size],
							     &err) == E_CRYPTO);
			CHECK(merkle_check_inclusion(leaves[i], i, size, p, n,
						     roots[size + 1],
						     &err) == E_CRYPTO);
		}
}

TEST(inclusion_refuses_an_index_outside)
{
	uint8_t path[1][MERKLE_LEN] = { 0 };
	struct err err;

	make();
	const uint8_t(*p)[MERKLE_LEN] = (const uint8_t(*)[MERKLE_LEN])path;
	CHECK(merkle_check_inclusion(leaves[0], 0, 1, p, 0, roots[1], &err) ==
	      OK);
	CHECK(merkle_check_inclusion(leaves[0], 1, 1, p, 0, roots[1], &err) ==
	      E_CRYPTO);
	CHECK(merkle_check_inclusion(leaves[0], 0, 0, p, 0, roots[0], &err) ==
	      E_CRYPTO);
	CHECK(merkle_check_inclusion(leaves[0], UINT64_MAX, 0, p, 0, roots[0],
				     &err) == E_CRYPTO);
	CHECK(merkle_check_inclusion(leaves[0], UINT64_MAX - 1, UINT64_MAX, p,
				     1, roots[1], &err) == E_CRYPTO);
	CHECK(strstr(err.text, "18446744073709551614") != NULL);
}

TEST(every_consistency_proof_holds_and_no_broken_one)
{
	uint8_t path[66][MERKLE_LEN];
	size_t n;

	make();
	for (uint64_t size = 0; size <= LEAVES; size++)
		for (uint64_t old = 0; old <= size; old++) {
			merkle_consistency(leaves, size, old, path, &n);
			CHECK(n <= 7);
			CHECK(consistent(old, size, path, n));
			CHECK_EQ_U64(broken_that_hold(consistent, old, size,
						      path, n),
				     0);
		}
}

TEST(consistency_refuses_another_past_or_present)
{
	uint8_t path[66][MERKLE_LEN], wrong[MERKLE_LEN];
	struct err err;
	size_t n;

	make();
	const uint8_t(*p)[MERKLE_LEN] = (const uint8_t(*)[MERKLE_LEN])path;
	for (uint64_t size = 1; size <= LEAVES; size++)
		for (uint64_t old = 0; old <= size; old++) {
			merkle_consistency(leaves, size, old, path, &n);
			memcpy(wrong, roots[old], sizeof(wrong));
			wrong[31] ^= 1;
			CHECK(merkle_check_consistency(old, wrong, size,
						       roots[size], p, n,
						       &err) == E_CRYPTO);
			if (old == 0)
				continue; /* anything continues nothing */
			memcpy(wrong, roots[size], sizeof(wrong));
			wrong[0] ^= 0x80;
			CHECK(merkle_check_consistency(old, roots[old], size,
						       wrong, p, n,
						       &err) == E_CRYPTO);
		}
}

TEST(consistency_refuses_a_shorter_log)
{
	uint8_t path[66][MERKLE_LEN];
	size_t n;

	make();
	for (uint64_t size = 1; size < LEAVES; size++) {
		merkle_consistency(leaves, size + 1, size, path, &n);
		CHECK(consistent(size, size + 1, path, n));
		CHECK(!consistent(size + 1, size, path, n));
		CHECK(!consistent(size + 1, size, path, 0));
	}
}

/* A proof cannot tell every wrong size, but one that ends too early. */
TEST(consistency_refuses_a_proof_that_stops_below_the_root)
{
	uint8_t path[66][MERKLE_LEN];
	struct err err;
	size_t n;

	make();
	merkle_consistency(leaves, 8, 4, path, &n);
	const uint8_t(*p)[MERKLE_LEN] = (const uint8_t(*)[MERKLE_LEN])path;
	CHECK(merkle_check_consistency(4, roots[4], 8, roots[8], p, n, &err) ==
	      OK);
	for (uint64_t size = 9; size < 100; size++)
		CHECK(merkle_check_consistency(4, roots[4], size, roots[8], p,
					       n, &err) == E_CRYPTO);
}

TEST(a_fork_is_not_consistent)
{
	uint8_t fork[8][MERKLE_LEN], root[MERKLE_LEN], path[66][MERKLE_LEN];
	struct merkle m = { 0 };
	struct err err;
	size_t n;

	make();
	memcpy(fork, leaves, sizeof(fork));
	fork[2][0] ^= 1; /* an entry of the past was changed */
	for (size_t i = 0; i < 8; i++)
		merkle_append(&m, fork[i]);
	merkle_root(&m, root);
	merkle_consistency((const uint8_t(*)[MERKLE_LEN])fork, 8, 5, path, &n);
	CHECK(merkle_check_consistency(5, roots[5], 8, root,
				       (const uint8_t(*)[MERKLE_LEN])path, n,
				       &err) == E_CRYPTO);
}
