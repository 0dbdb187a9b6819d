#include "attest/releaselog.h"

#include "core/cleanup.h"

void releaselog_add(struct releaselog *l, const char *kind,
		    const uint8_t digest[static 32])
{
	auto_buf struct buf data = buf_make(256);
	uint8_t leaf[MERKLE_LEN];

	buf_put_str(&data, kind);
	buf_put_u8(&data, 0);
	buf_put(&data, slice_make(digest, 32));
	merkle_leaf(buf_slice(&data), leaf);
	merkle_append(&l->tree, leaf);
}

uint64_t releaselog_size(const struct releaselog *l)
{
	return l->tree.size;
}

void releaselog_root(const struct releaselog *l, uint8_t out[static 32])
{
	merkle_root(&l->tree, out);
}

void releaselog_pack(const struct releaselog *l, struct buf *out)
{
	buf_put_u64be(out, l->tree.size);
	buf_put(out, slice_of(l->tree.peak));
}

void releaselog_unpack(struct releaselog *l, struct cursor *c)
{
	l->tree.size = cursor_u64be(c);
	struct slice peaks = cursor_bytes(c, sizeof(l->tree.peak));

	if (!c->bad)
		memcpy(l->tree.peak, peaks.p, sizeof(l->tree.peak));
}
