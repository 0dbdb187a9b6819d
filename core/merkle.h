/* The Merkle tree of an append-only log: hashing and proofs of RFC 6962
 * section 2.1 (SHA-256; leaf prefix 0x00, node prefix 0x01). */
#ifndef CONFD_CORE_MERKLE_H
#define CONFD_CORE_MERKLE_H

#include "core/slice.h"

#define MERKLE_LEN 32

/* A growing tree that keeps only the roots of its complete subtrees: enough
 * to append and to know the root. */
struct merkle {
	uint64_t size;		      /* leaves */
	uint8_t peak[64][MERKLE_LEN]; /* by level; valid where size has a bit */
};

void merkle_leaf(struct slice data, uint8_t out[static MERKLE_LEN]);
void merkle_append(struct merkle *m, const uint8_t leaf[static MERKLE_LEN]);
void merkle_root(const struct merkle *m, uint8_t out[static MERKLE_LEN]);

/* From all the leaf hashes, for proofs.  Proof hashes are appended to path;
 * *n_path of at most 64.  index < size. */
void merkle_inclusion(const uint8_t (*leaves)[MERKLE_LEN], uint64_t size,
		      uint64_t index, uint8_t (*path)[MERKLE_LEN],
		      size_t *n_path);
void merkle_consistency(const uint8_t (*leaves)[MERKLE_LEN], uint64_t size,
			uint64_t old_size, uint8_t (*path)[MERKLE_LEN],
			size_t *n_path);

/* E_CRYPTO unless the proof holds. */
enum status merkle_check_inclusion(const uint8_t leaf[static MERKLE_LEN],
				   uint64_t index, uint64_t size,
				   const uint8_t (*path)[MERKLE_LEN],
				   size_t n_path,
				   const uint8_t root[static MERKLE_LEN],
				   struct err *err);
enum status merkle_check_consistency(uint64_t old_size,
				     const uint8_t old_root[static MERKLE_LEN],
				     uint64_t size,
				     const uint8_t root[static MERKLE_LEN],
				     const uint8_t (*path)[MERKLE_LEN],
				     size_t n_path, struct err *err);

#endif
