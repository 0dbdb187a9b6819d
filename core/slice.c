#include "core/slice.h"

struct slice slice_str(const char *s)
{
	return slice_make(s, s == NULL ? 0 : strlen(s));
}

bool slice_eq(struct slice a, struct slice b)
{
	return a.len == b.len && (a.len == 0 || memcmp(a.p, b.p, a.len) == 0);
}

bool slice_eq_str(struct slice a, const char *s)
{
	return slice_eq(a, slice_str(s));
}

static uint8_t lower(uint8_t c)
{
	return c >= 'A' && c <= 'Z' ? (uint8_t)(c + ('a' - 'A')) : c;
}

bool slice_eq_nocase(struct slice a, struct slice b)
{
	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		if (lower(a.p[i]) != lower(b.p[i]))
			return false;
	return true;
}

bool slice_eq_ct(struct slice a, struct slice b)
{
	volatile uint8_t differs = 0; /* no early end made by the optimiser */

	if (a.len != b.len)
		return false;
	for (size_t i = 0; i < a.len; i++)
		differs = (uint8_t)(differs | (a.p[i] ^ b.p[i]));
	return differs == 0;
}

bool slice_starts(struct slice s, struct slice prefix)
{
	return s.len >= prefix.len &&
	       slice_eq(slice_sub(s, 0, prefix.len), prefix);
}

struct slice slice_sub(struct slice s, size_t from, size_t len)
{
	struct slice rest = slice_from(s, from);

	if (len < rest.len)
		rest.len = len;
	return rest;
}

struct slice slice_from(struct slice s, size_t from)
{
	if (from >= s.len)
		from = s.len;
	/* NULL + 0 is not defined in C */
	return slice_make(from == 0 ? s.p : s.p + from, s.len - from);
}

size_t slice_find(struct slice s, uint8_t c)
{
	const uint8_t *at = s.len == 0 ? NULL : memchr(s.p, c, s.len);

	return at == NULL ? s.len : (size_t)(at - s.p);
}

size_t slice_search(struct slice s, struct slice needle)
{
	if (needle.len == 0)
		return 0;
	if (s.len < needle.len)
		return s.len;
	const uint8_t *at = memmem(s.p, s.len, needle.p, needle.len);
	return at == NULL ? s.len : (size_t)(at - s.p);
}

static bool is_in(struct slice set, uint8_t c)
{
	return slice_find(set, c) < set.len;
}

size_t slice_span(struct slice s, struct slice set)
{
	size_t n = 0;

	while (n < s.len && is_in(set, s.p[n]))
		n++;
	return n;
}

struct slice slice_trim(struct slice s)
{
	struct slice blank = S(" \t");

	s = slice_from(s, slice_span(s, blank));
	while (s.len > 0 && is_in(blank, s.p[s.len - 1]))
		s.len--;
	return s;
}

bool slice_split(struct slice *rest, uint8_t sep, struct slice *part)
{
	if (rest->len == 0)
		return false;
	size_t at = slice_find(*rest, sep);
	*part = slice_sub(*rest, 0, at);
	*rest = slice_from(*rest, at + 1); /* clamped: the last has no sep */
	return true;
}

bool all_zero(const void *p, size_t len)
{
	const uint8_t *byte = p;
	uint8_t seen = 0;

	for (size_t i = 0; i < len; i++)
		seen |= byte[i];
	return seen == 0;
}

bool slice_u64(struct slice s, uint64_t *out)
{
	uint64_t v = 0;

	if (s.len < 1 || s.len > 20)
		return false;
	for (size_t i = 0; i < s.len; i++) {
		if (s.p[i] < '0' || s.p[i] > '9')
			return false;
		if (__builtin_mul_overflow(v, 10, &v) ||
		    __builtin_add_overflow(v, (uint64_t)(s.p[i] - '0'), &v))
			return false;
	}
	*out = v;
	return true;
}

/* The only place that takes bytes.  After a fault nothing is left to take. */
struct slice cursor_bytes(struct cursor *c, size_t n)
{
	if (c->bad || n > c->rest.len) {
		c->bad = true;
		c->rest = slice_from(c->rest, c->rest.len);
		return slice_make(NULL, 0);
	}
	struct slice got = slice_sub(c->rest, 0, n);
	c->rest = slice_from(c->rest, n);
	return got;
}

static uint64_t take_be(struct cursor *c, size_t n)
{
	struct slice s = cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = 0; i < s.len; i++)
		v = v << 8 | s.p[i];
	return v;
}

static uint64_t take_le(struct cursor *c, size_t n)
{
	struct slice s = cursor_bytes(c, n);
	uint64_t v = 0;

	for (size_t i = s.len; i > 0; i--)
		v = v << 8 | s.p[i - 1];
	return v;
}

uint8_t cursor_u8(struct cursor *c)
{
	return (uint8_t)take_be(c, 1);
}

uint16_t cursor_u16be(struct cursor *c)
{
	return (uint16_t)take_be(c, 2);
}

uint32_t cursor_u32be(struct cursor *c)
{
	return (uint32_t)take_be(c, 4);
}

uint64_t cursor_u64be(struct cursor *c)
{
	return take_be(c, 8);
}

uint16_t cursor_u16le(struct cursor *c)
{
	return (uint16_t)take_le(c, 2);
}

uint32_t cursor_u32le(struct cursor *c)
{
	return (uint32_t)take_le(c, 4);
}

uint64_t cursor_u64le(struct cursor *c)
{
	return take_le(c, 8);
}

/* The two upper bits of the first byte are log2 of the length. */
uint64_t cursor_varint(struct cursor *c)
{
	uint8_t first = c->rest.len > 0 ? c->rest.p[0] : 0;
	size_t n = (size_t)1 << (first >> 6);

	return take_be(c, n) & ~((uint64_t)3 << (8 * n - 2));
}

struct slice cursor_field(struct cursor *c)
{
	return cursor_bytes(c, cursor_u32be(c));
}

enum status cursor_end(const struct cursor *c, const char *what,
		       struct err *err)
{
	if (c->bad)
		return err_set(err, E_PARSE, "%s: ends too early", what);
	if (c->rest.len > 0)
		return err_set(err, E_PARSE, "%s: %zu bytes too many", what,
			       c->rest.len);
	return OK;
}
