/* The release log: an append-only Merkle log (core/merkle) of every manifest,
 * verdict and key release, as digests.
 *
 * A leaf is kind || 0x00 || SHA-256 of what happened. */
#ifndef CONFD_ATTEST_RELEASELOG_H
#define CONFD_ATTEST_RELEASELOG_H

#include "core/buf.h"
#include "core/merkle.h"

struct releaselog {
	struct merkle tree;
};

/* kind: "manifest", "verdict", "release". */
void releaselog_add(struct releaselog *l, const char *kind,
		    const uint8_t digest[static 32]);

uint64_t releaselog_size(const struct releaselog *l);
void releaselog_root(const struct releaselog *l, uint8_t out[static 32]);

/* For the sealed state: u64 size and all peaks, fixed length. */
void releaselog_pack(const struct releaselog *l, struct buf *out);
void releaselog_unpack(struct releaselog *l, struct cursor *c);

#endif
