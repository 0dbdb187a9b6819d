/* How the manifest is read: an object is a table of rows, each a member with
 * what it must be and where it goes.  The tables are the grammar.
 *
 * Only for manifest_*.c.  Every error says "member.path: expected ..., found
 * ..." with code E_CONF (E_NOMEM without memory). */
#ifndef CONFD_ATTEST_MANIFEST_READ_H
#define CONFD_ATTEST_MANIFEST_READ_H

#include "attest/manifest.h"
#include "core/json.h"

struct manifest_row;

/* Read node j, of the kind that row describes, into *to. */
typedef enum status manifest_reader(const struct json *j,
				    const struct manifest_row *row, void *to,
				    struct err *err);

struct manifest_row {
	const char *name;
	bool required;
	manifest_reader *read;
	size_t at;	  /* offset of *to in the struct of the object */
	const char *what; /* what is expected, in words */
	const void *arg;  /* of the reader */
};

/* Rows of an object. */
struct manifest_shape {
	size_t n;
	const struct manifest_row *row;
};

/* clang-format off */
#define MANIFEST_SHAPE(rows) { countof(rows), rows }

/* A member that must or may be there, read by manifest_read_HOW. */
#define MUST(name, how, at, what, arg) \
	{ name, true, manifest_read_##how, at, what, arg }
#define MAY(name, how, at, what, arg) \
	{ name, false, manifest_read_##how, at, what, arg }
/* clang-format on */

/* An object: known members only, one at least, required ones there, each read
 * into base. */
enum status manifest_read_object(const struct json *j,
				 const struct manifest_shape *shape, void *base,
				 struct err *err);

/* "PATH: expected WHAT, found ...": j as found. */
enum status manifest_expected(const struct json *j, const char *what,
			      struct err *err);

/* A copy of s, over what *to was. */
enum status manifest_copy(struct slice s, char **to, struct err *err);

/* ---- Readers.  In brackets: what arg and *to are. ---- */

/* [-, bool] */
manifest_reader manifest_read_bool;

/* [struct manifest_range, uint8_t, uint32_t, uint64_t] */
struct manifest_range {
	uint64_t min, max;
};
manifest_reader manifest_read_u8, manifest_read_u32, manifest_read_u64;

/* A string that arg, a manifest_test, accepts. [manifest_test, char *] */
struct manifest_test {
	bool (*accepts)(struct slice s);
};
manifest_reader manifest_read_text;

/* One of some words, kept as its index. [struct manifest_words, enum] */
struct manifest_words {
	size_t n;
	const char *const *word;
};
manifest_reader manifest_read_word;

/* So many bytes as hex. [-, uint8_t[]] */
manifest_reader manifest_read_hex32, manifest_read_hex16;

/* A word of 64 bits as 16 hex digits, the highest bits first. [-, uint64_t] */
manifest_reader manifest_read_word64;

/* Whether a bit has to be one or zero. [uint64_t: the bit, manifest_bits] */
manifest_reader manifest_read_bit;

/* A time, "2026-11-21T09:00:00Z". [-, int64_t: unix seconds] */
manifest_reader manifest_read_time;

/* An object of the shape arg, into the same struct: rows of an inner object
 * have their offsets from there. [struct manifest_shape, the struct] */
manifest_reader manifest_read_inner;

/* A list of different strings. [struct manifest_list, manifest_strings] */
struct manifest_list {
	bool may_be_empty;
	bool (*accepts)(struct slice s);
	const char *what; /* of an element */
};
manifest_reader manifest_read_strings;

/* A list of different hex strings of one of two lengths, in bytes.
 * [struct manifest_lengths, manifest_digests] */
struct manifest_lengths {
	size_t len, or_len; /* or_len 0: none other */
	const char *what;   /* of an element */
};
manifest_reader manifest_read_digests;

/* Zeroed elements for a list or object of 1 to MANIFEST_LIST_MAX things; what
 * says what it should hold.  *n and *items are set together. */
enum status manifest_alloc(const struct json *j, const char *what,
			   enum json_kind kind, size_t size, size_t *n,
			   void **items, struct err *err);

/* Checks for manifest_test and manifest_list. */
bool manifest_is_name(struct slice s);

/* Release what the readers made. */
void manifest_strings_done(struct manifest_strings *l);
void manifest_digests_done(struct manifest_digests *l);

/* Read the object of policies into m. */
enum status manifest_read_policies(const struct json *j, struct manifest *m,
				   struct err *err);
void manifest_policy_done(struct manifest_policy *p);

#endif
