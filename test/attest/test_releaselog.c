#include "attest/releaselog.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "test/test.h"

static const uint8_t one[32] = { 1 }, two[32] = { 2 };

static bool same(const struct releaselog *a, const struct releaselog *b)
{
	uint8_t x[32], y[32];

	releaselog_root(a, x);
	releaselog_root(b, y);
	return releaselog_size(a) == releaselog_size(b) &&
	       memcmp(x, y, sizeof(x)) == 0;
}

TEST(a_leaf_is_kind_nul_digest)
{
	struct releaselog l = { 0 };
	uint8_t root[32], leaf[32];
	uint8_t data[] = "release\0xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx";

	memcpy(data + 8, one, 32);
	merkle_leaf(slice_make(data, 40), leaf);
	releaselog_add(&l, "release", one);
	releaselog_root(&l, root);
	CHECK(memcmp(root, leaf, 32) == 0); /* a tree of one */
	CHECK(releaselog_size(&l) == 1);
}

TEST(kind_digest_and_order_all_count)
{
	struct releaselog a = { 0 }, b = { 0 }, c = { 0 }, d = { 0 };

	releaselog_add(&a, "verdict", one);
	releaselog_add(&a, "release", two);
	releaselog_add(&b, "release", two);
	releaselog_add(&b, "verdict", one);
	releaselog_add(&c, "verdict", one);
	releaselog_add(&c, "verdict", two);
	releaselog_add(&d, "verdict", one);
	releaselog_add(&d, "release", one);
	CHECK(!same(&a, &b) && !same(&a, &c) && !same(&a, &d));
}

TEST(packing_keeps_it_and_it_goes_on_alike)
{
	auto_buf struct buf packed = buf_make(4096);
	struct releaselog a = { 0 }, b = { 0 };

	for (int i = 0; i < 13; i++)
		releaselog_add(&a, "release", i % 2 ? one : two);
	releaselog_pack(&a, &packed);
	struct cursor c = cursor_make(buf_slice(&packed));
	releaselog_unpack(&b, &c);
	CHECK(!c.bad && c.rest.len == 0);
	CHECK(same(&a, &b));
	releaselog_add(&a, "manifest", one);
	releaselog_add(&b, "manifest", one);
	CHECK(same(&a, &b) && releaselog_size(&b) == 14);
}

TEST(a_cut_log_is_not_unpacked)
{
	auto_buf struct buf packed = buf_make(4096);
	struct releaselog a = { 0 };

	releaselog_add(&a, "release", one);
	releaselog_pack(&a, &packed);
	for (size_t n = 0; n < packed.len; n += 7) {
		struct releaselog b = { 0 };
		struct cursor c =
			cursor_make(slice_sub(buf_slice(&packed), 0, n));

		releaselog_unpack(&b, &c);
		CHECK(c.bad);
	}
}
