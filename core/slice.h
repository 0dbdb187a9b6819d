/* Borrowed bytes, and a cursor that reads them within bounds.
 *
 * A slice never owns.  Who gives one away says how long it lives. */
#ifndef CONFD_CORE_SLICE_H
#define CONFD_CORE_SLICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "core/banned.h"
#include "core/status.h"

struct slice {
	const uint8_t *p; /* may be NULL when len is 0 */
	size_t len;
};

/* A slice of a string literal, without its NUL. */
#define S(lit) ((struct slice){ (const uint8_t *)("" lit), sizeof(lit) - 1 })

/* The same as the initialiser of something static. */
#define S_INIT(lit)                                                    \
	{                                                              \
		.p = (const uint8_t *)("" lit), .len = sizeof(lit) - 1 \
	}

/* A slice of an array. */
#define slice_of(array) \
	((struct slice){ (const uint8_t *)(array), sizeof(array) })

/* For printf("%.*s", SLICE_FMT(s)).  Evaluates s twice: never cursor_*(). */
#define SLICE_FMT(s) (int)((s).len), (const char *)((s).p)

static inline struct slice slice_make(const void *p, size_t len)
{
	return (struct slice){ (const uint8_t *)p, len };
}

/* Of a NUL-terminated string, without the NUL; NULL gives an empty slice. */
struct slice slice_str(const char *s);

bool slice_eq(struct slice a, struct slice b);
bool slice_eq_str(struct slice a, const char *s);

/* ASCII letters compare without case. */
bool slice_eq_nocase(struct slice a, struct slice b);

/* Takes the same time wherever the bytes differ; lengths are not hidden. */
bool slice_eq_ct(struct slice a, struct slice b);

bool slice_starts(struct slice s, struct slice prefix);

/* Bytes from to (from + len), clamped to what is there. */
struct slice slice_sub(struct slice s, size_t from, size_t len);

/* Everything from `from` on, clamped. */
struct slice slice_from(struct slice s, size_t from);

/* Index of the first byte c, or s.len. */
size_t slice_find(struct slice s, uint8_t c);

/* Index of the first occurrence of needle, or s.len; an empty needle is at 0. */
size_t slice_search(struct slice s, struct slice needle);

/* How many bytes at the front are among those of set. */
size_t slice_span(struct slice s, struct slice set);

/* Without spaces and tabs at both ends. */
struct slice slice_trim(struct slice s);

/* Take the part before the next `sep` off the front of *rest, and the
 * separator with it; false when *rest was exhausted before. */
bool slice_split(struct slice *rest, uint8_t sep, struct slice *part);

bool all_zero(const void *p, size_t len);

/* Parse decimal digits only: no sign, no space, no leading "+", at most
 * 20 digits, no overflow. */
bool slice_u64(struct slice s, uint64_t *out);

/* A cursor with a sticky fault: reading past the end yields zeros and sets
 * bad, and cursor_end() reports it once at the end. */
struct cursor {
	struct slice rest;
	bool bad;
};

static inline struct cursor cursor_make(struct slice s)
{
	return (struct cursor){ s, false };
}

uint8_t cursor_u8(struct cursor *c);
uint16_t cursor_u16be(struct cursor *c);
uint32_t cursor_u32be(struct cursor *c);
uint64_t cursor_u64be(struct cursor *c);
uint16_t cursor_u16le(struct cursor *c);
uint32_t cursor_u32le(struct cursor *c);
uint64_t cursor_u64le(struct cursor *c);

/* RFC 9000 section 16 variable-length integer, any of its encodings. */
uint64_t cursor_varint(struct cursor *c);

/* The next n bytes, borrowed from the source. */
struct slice cursor_bytes(struct cursor *c, size_t n);

/* A u32be length and that many bytes: what buf_put_field wrote. */
struct slice cursor_field(struct cursor *c);

/* OK when nothing was read past the end and nothing is left over;
 * otherwise E_PARSE, with what in the text. */
enum status cursor_end(const struct cursor *c, const char *what,
		       struct err *err);

#endif
