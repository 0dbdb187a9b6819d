#include "core/buf.h"

#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/mem.h"

/* Bytes outside [0, head + len) are zero or were never valid: whatever leaves
 * that range is wiped at once. */

#define FIRST_CAP 64 /* bytes */

void buf_done(struct buf *b)
{
	mem_free(b->mem);
	*b = buf_make(b->max);
}

/* Move the valid bytes to the front. */
static void compact(struct buf *b)
{
	size_t end = b->head + b->len;

	if (b->head == 0)
		return;
	memmove(b->mem, b->mem + b->head, b->len);
	explicit_bzero(b->mem + b->len, end - b->len);
	b->head = 0;
}

static size_t twice(size_t n)
{
	return n > SIZE_MAX / 2 ? SIZE_MAX : 2 * n;
}

/* Twice what there was, and at least need.  A queue (head > 0) may take twice
 * max, so that moving its bytes always frees more than it costs. */
static size_t next_cap(const struct buf *b, size_t need)
{
	size_t cap = b->cap < FIRST_CAP / 2 ? FIRST_CAP : twice(b->cap);
	size_t most = b->head == 0 ? b->max : twice(b->max);

	if (cap > most)
		cap = most;
	return cap < need ? need : cap;
}

/* Room for n bytes behind the valid ones, whatever max says. */
static bool reserve(struct buf *b, size_t n)
{
	size_t need;

	if (__builtin_add_overflow(b->len, n, &need))
		return false;
	if (n <= b->cap - b->head - b->len)
		return true;
	/* Moving costs len and frees head: worth it only if that is more. */
	if (need <= b->cap && b->head >= b->len) {
		compact(b);
		return true;
	}

	size_t cap = next_cap(b, need);
	uint8_t *mem = mem_alloc(cap);
	if (mem == NULL)
		return false;
	if (b->len > 0)
		memcpy(mem, b->mem + b->head, b->len);
	mem_free(b->mem);
	b->mem = mem;
	b->cap = cap;
	b->head = 0;
	return true;
}

uint8_t *buf_room(struct buf *b, size_t n)
{
	if (b->bad || b->len > b->max || n > b->max - b->len ||
	    !reserve(b, n == 0 ? 1 : n)) {
		b->bad = true;
		return NULL;
	}
	return b->mem + b->head + b->len;
}

void buf_grow(struct buf *b, size_t n)
{
	if (n > b->cap - b->head - b->len || n > b->max - b->len)
		abort(); /* written beyond the room: too late to repair */
	b->len += n;
}

void buf_put(struct buf *b, struct slice s)
{
	uint8_t *to = buf_room(b, s.len);

	if (to == NULL || s.len == 0)
		return;
	memcpy(to, s.p, s.len);
	buf_grow(b, s.len);
}

void buf_put_str(struct buf *b, const char *s)
{
	buf_put(b, slice_str(s));
}

static void put_be(struct buf *b, uint64_t v, size_t n)
{
	uint8_t bytes[8];

	for (size_t i = n; i > 0; i--, v >>= 8)
		bytes[i - 1] = (uint8_t)v;
	buf_put(b, slice_make(bytes, n));
}

void buf_put_u8(struct buf *b, uint8_t v)
{
	put_be(b, v, 1);
}

void buf_put_u16be(struct buf *b, uint16_t v)
{
	put_be(b, v, 2);
}

void buf_put_u32be(struct buf *b, uint32_t v)
{
	put_be(b, v, 4);
}

void buf_put_u64be(struct buf *b, uint64_t v)
{
	put_be(b, v, 8);
}

void buf_put_varint(struct buf *b, uint64_t v)
{
	uint64_t log = 0; /* of the length; the two upper bits */

	while (log < 4 && v >> ((8u << log) - 2) != 0)
		log++;
	if (log == 4) {
		b->bad = true;
		return;
	}
	size_t n = (size_t)1 << log;
	put_be(b, v | log << (8 * n - 2), n);
}

void buf_put_field(struct buf *b, struct slice s)
{
	if (s.len > UINT32_MAX || b->max - b->len < 4 ||
	    s.len > b->max - b->len - 4) {
		b->bad = true; /* all of it or nothing */
		return;
	}
	buf_put_u32be(b, (uint32_t)s.len);
	buf_put(b, s);
}

void buf_putf(struct buf *b, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	int n = vsnprintf(NULL, 0, fmt, ap);
	va_end(ap);
	if (n < 0 || buf_room(b, (size_t)n) == NULL ||
	    !reserve(b, (size_t)n + 1)) {
		b->bad = true;
		return;
	}
	va_start(ap, fmt);
	n = vsnprintf((char *)b->mem + b->head + b->len, (size_t)n + 1, fmt,
		      ap);
	va_end(ap);
	buf_grow(b, (size_t)n);
}

void buf_consume(struct buf *b, size_t n)
{
	if (n > b->len)
		abort(); /* the caller counts bytes that are not there */
	b->head += n;
	b->len -= n;
	if (b->len == 0 && b->head > 0)
		compact(b);
}

void buf_cut(struct buf *b, size_t len)
{
	if (len < b->len) {
		explicit_bzero(b->mem + b->head + len, b->len - len);
		b->len = len;
	}
	b->bad = false;
}

void buf_clear(struct buf *b)
{
	buf_cut(b, 0);
	compact(b);
}

enum status buf_check(const struct buf *b, const char *what, struct err *err)
{
	if (!b->bad)
		return OK;
	return err_set(err, E_LIMIT, "%s: more than %zu bytes", what, b->max);
}

const char *buf_cstr(struct buf *b)
{
	if (b->bad || !reserve(b, 1)) {
		b->bad = true;
		return NULL;
	}
	b->mem[b->head + b->len] = '\0';
	return (const char *)b->mem + b->head;
}
