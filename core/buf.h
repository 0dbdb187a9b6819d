/* Owned bytes that grow up to a cap.
 *
 * Appending has a sticky fault: beyond max (or without memory) nothing is
 * added any more and bad is set; buf_check() reports it once at the end.
 * The contents are wiped when they move and when the buffer is done. */
#ifndef CONFD_CORE_BUF_H
#define CONFD_CORE_BUF_H

#include "core/slice.h"

struct buf {
	uint8_t *mem; /* private */
	size_t head;  /* private: first valid byte */
	size_t len;   /* valid bytes; read only */
	size_t cap;   /* private */
	size_t max;   /* never more than this many valid bytes */
	bool bad;     /* an append did not fit */
};

/* An empty buffer; allocates nothing. */
static inline struct buf buf_make(size_t max)
{
	return (struct buf){ .max = max };
}

/* Wipe and release; the buffer is empty and usable afterwards. */
void buf_done(struct buf *b);
#define auto_buf __attribute__((cleanup(buf_done)))

/* The valid bytes, until the next change of the buffer. */
static inline struct slice buf_slice(const struct buf *b)
{
	return (struct slice){ b->mem == NULL ? NULL : b->mem + b->head,
			       b->len };
}

void buf_put(struct buf *b, struct slice s);
void buf_put_str(struct buf *b, const char *s);
void buf_put_u8(struct buf *b, uint8_t v);
void buf_put_u16be(struct buf *b, uint16_t v);
void buf_put_u32be(struct buf *b, uint32_t v);
void buf_put_u64be(struct buf *b, uint64_t v);
void buf_put_varint(struct buf *b, uint64_t v);	   /* RFC 9000 s16, shortest */
void buf_put_field(struct buf *b, struct slice s); /* u32be length, bytes */
void buf_putf(struct buf *b, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Make room for n more bytes and return where they go, to be made valid by
 * buf_grow(); NULL and bad when they do not fit. */
uint8_t *buf_room(struct buf *b, size_t n);
void buf_grow(struct buf *b, size_t n);

/* Forget the first n bytes, n <= len (wiped when the rest moves, when nothing
 * is left, or with the buffer). */
void buf_consume(struct buf *b, size_t n);

/* Keep the first len bytes: the rest is forgotten and wiped now, and bad is
 * cleared.  For taking back an append that failed half-way. */
void buf_cut(struct buf *b, size_t len);

/* Forget everything, wiped now, and clear bad; keeps the memory. */
void buf_clear(struct buf *b);

/* OK, or E_LIMIT naming what and max when an append did not fit. */
enum status buf_check(const struct buf *b, const char *what, struct err *err);

/* NUL-terminate in place (the NUL is not counted) and return the text;
 * NULL when bad. */
const char *buf_cstr(struct buf *b);

#endif
