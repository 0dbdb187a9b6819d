#include "core/merkle.h"

#include "core/crypto.h"

/* ---- Hashing ---- */

void merkle_leaf(struct slice data, uint8_t out[static MERKLE_LEN])
{
	const struct slice parts[] = { S("\x00"), data };

	hash_parts(HASH_SHA256, parts, 2, out);
}

/* out may be left or right. */
static void node(const uint8_t *left, const uint8_t *right, uint8_t *out)
{
	const struct slice parts[] = {
		S("\x01"),
		slice_make(left, MERKLE_LEN),
		slice_make(right, MERKLE_LEN),
	};

	hash_parts(HASH_SHA256, parts, 3, out);
}

/* Like a binary counter: equal subtrees join as bits carry. */
void merkle_append(struct merkle *m, const uint8_t leaf[static MERKLE_LEN])
{
	uint8_t hash[MERKLE_LEN];
	unsigned int level = 0;

	memcpy(hash, leaf, sizeof(hash));
	for (; (m->size >> level & 1) != 0; level++)
		node(m->peak[level], hash, hash);
	memcpy(m->peak[level], hash, sizeof(hash));
	m->size++;
}

void merkle_root(const struct merkle *m, uint8_t out[static MERKLE_LEN])
{
	bool any = false;

	sha256(S(""), out); /* the root of no leaves */
	for (unsigned int level = 0; level < 64; level++) {
		if ((m->size >> level & 1) == 0)
			continue;
		if (any)
			node(m->peak[level], out, out);
		else
			memcpy(out, m->peak[level], MERKLE_LEN);
		any = true;
	}
}

/* ---- Making proofs ---- */

/* A run of leaves, while descending from the root. */
struct range {
	const uint8_t (*leaves)[MERKLE_LEN];
	uint64_t size;
};

static void range_root(struct range r, uint8_t out[static MERKLE_LEN])
{
	struct merkle m = { 0 };

	for (uint64_t i = 0; i < r.size; i++)
		merkle_append(&m, r.leaves[i]);
	merkle_root(&m, out);
}

/* The largest power of two below n; n of 2 or more. */
static uint64_t split_of(uint64_t n)
{
	return (uint64_t)1 << (63 - __builtin_clzll(n - 1));
}

/* Narrow r to its half with leaf *index, which becomes relative to it; the
 * other half's root goes to sibling.  True when it went right. */
static bool descend(struct range *r, uint64_t *index, uint8_t *sibling)
{
	uint64_t k = split_of(r->size);
	struct range left = { r->leaves, k };
	struct range right = { r->leaves + k, r->size - k };
	bool went_right = *index >= k;

	range_root(went_right ? left : right, sibling);
	*r = went_right ? right : left;
	if (went_right)
		*index -= k;
	return went_right;
}

/* Proofs are listed from the leaves up, but found from the root down. */
static void reverse(uint8_t (*path)[MERKLE_LEN], size_t n)
{
	uint8_t t[MERKLE_LEN];

	for (size_t i = 0; i < n / 2; i++) {
		memcpy(t, path[i], sizeof(t));
		memcpy(path[i], path[n - 1 - i], sizeof(t));
		memcpy(path[n - 1 - i], t, sizeof(t));
	}
}

void merkle_inclusion(const uint8_t (*leaves)[MERKLE_LEN], uint64_t size,
		      uint64_t index, uint8_t (*path)[MERKLE_LEN],
		      size_t *n_path)
{
	struct range r = { leaves, size };
	size_t n = 0;

	while (r.size > 1)
		(void)descend(&r, &index, path[n++]);
	reverse(path, n);
	*n_path = n;
}

/* RFC 6962 s2.1.2: down to where the old tree is a complete subtree, whose
 * root the verifier knows already when it is the whole old tree. */
void merkle_consistency(const uint8_t (*leaves)[MERKLE_LEN], uint64_t size,
			uint64_t old_size, uint8_t (*path)[MERKLE_LEN],
			size_t *n_path)
{
	struct range r = { leaves, size };
	bool whole = true;
	size_t n = 0;

	*n_path = 0;
	if (old_size == 0 || old_size >= size)
		return;
	uint64_t last = old_size - 1; /* relative to r */
	while (last + 1 < r.size)
		if (descend(&r, &last, path[n++]))
			whole = false;
	if (!whole)
		range_root(r, path[n++]);
	reverse(path, n);
	*n_path = n;
}

/* ---- Checking proofs, RFC 9162 s2.1.3.2 and s2.1.4.2 ---- */

/* A node's place in its level, and that of the level's last node. */
struct place {
	uint64_t at, last;
};

static void up(struct place *p)
{
	p->at >>= 1;
	p->last >>= 1;
}

/* Is the next hash of the path the left neighbour?  Then levels where this
 * node has no right neighbour are passed over. */
static bool step(struct place *p)
{
	bool left = (p->at & 1) != 0 || p->at == p->last;

	while (left && (p->at & 1) == 0 && p->at != 0)
		up(p);
	up(p);
	return left;
}

static bool same(const uint8_t *a, const uint8_t *b)
{
	return memcmp(a, b, MERKLE_LEN) == 0;
}

static bool inclusion_holds(struct place p, const uint8_t *leaf,
			    const uint8_t (*path)[MERKLE_LEN], size_t n_path,
			    const uint8_t *root)
{
	uint8_t hash[MERKLE_LEN];

	memcpy(hash, leaf, sizeof(hash));
	for (size_t i = 0; i < n_path; i++) {
		if (p.last == 0)
			return false;
		if (step(&p))
			node(path[i], hash, hash);
		else
			node(hash, path[i], hash);
	}
	return p.last == 0 && same(hash, root);
}

enum status merkle_check_inclusion(const uint8_t leaf[static MERKLE_LEN],
				   uint64_t index, uint64_t size,
				   const uint8_t (*path)[MERKLE_LEN],
				   size_t n_path,
				   const uint8_t root[static MERKLE_LEN],
				   struct err *err)
{
	struct place p = { index, size - 1 };

	if (index < size && inclusion_holds(p, leaf, path, n_path, root))
		return OK;
	return err_set(err, E_CRYPTO,
		       "log: entry %llu is not proven to be among its %llu",
		       (unsigned long long)index, (unsigned long long)size);
}

/* From the old tree's last complete subtree up, to both roots at once. */
static bool climb_holds(struct place p, const uint8_t *start,
			const uint8_t *old_root, const uint8_t *root,
			const uint8_t (*path)[MERKLE_LEN], size_t n_path)
{
	uint8_t old_hash[MERKLE_LEN], hash[MERKLE_LEN];

	memcpy(old_hash, start, sizeof(old_hash));
	memcpy(hash, start, sizeof(hash));
	for (size_t i = 0; i < n_path; i++) {
		if (p.last == 0)
			return false;
		if (step(&p)) {
			node(path[i], old_hash, old_hash);
			node(path[i], hash, hash);
		} else {
			node(hash, path[i], hash);
		}
	}
	return p.last == 0 && same(old_hash, old_root) && same(hash, root);
}

static bool consistency_holds(uint64_t old_size, const uint8_t *old_root,
			      uint64_t size, const uint8_t *root,
			      const uint8_t (*path)[MERKLE_LEN], size_t n_path)
{
	struct place p = { old_size - 1, size - 1 };
	uint8_t empty[MERKLE_LEN];

	if (old_size == size)
		return n_path == 0 && same(old_root, root);
	if (old_size == 0) {
		sha256(S(""), empty);
		return n_path == 0 && same(old_root, empty);
	}
	if (old_size > size)
		return false;

	while ((p.at & 1) != 0)
		up(&p);
	if (p.at == 0) /* the old tree is complete, and its root the start */
		return climb_holds(p, old_root, old_root, root, path, n_path);
	return n_path > 0 &&
	       climb_holds(p, path[0], old_root, root, path + 1, n_path - 1);
}

enum status merkle_check_consistency(uint64_t old_size,
				     const uint8_t old_root[static MERKLE_LEN],
				     uint64_t size,
				     const uint8_t root[static MERKLE_LEN],
				     const uint8_t (*path)[MERKLE_LEN],
				     size_t n_path, struct err *err)
{
	if (consistency_holds(old_size, old_root, size, root, path, n_path))
		return OK;
	return err_set(err, E_CRYPTO,
		       "log: its state of %llu entries is not proven to "
		       "continue that of %llu",
		       (unsigned long long)size, (unsigned long long)old_size);
}
