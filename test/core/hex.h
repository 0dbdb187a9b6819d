/* Published vectors as they are printed: hexadecimal text. */
#ifndef CONFD_TEST_CORE_HEX_H
#define CONFD_TEST_CORE_HEX_H

#include <stdio.h>
#include <string.h>

#include "core/slice.h"

#define HEX_MAX 1024 /* bytes of one value */

struct hex {
	uint8_t b[HEX_MAX];
	size_t len;
};

/* Digits in pairs; anything else ends the value. */
static inline struct hex hex(const char *text)
{
	struct hex h = { .len = 0 };
	unsigned int v;

	for (; h.len < HEX_MAX && sscanf(text, "%2x", &v) == 1; text += 2)
		h.b[h.len++] = (uint8_t)v;
	return h;
}

static inline struct slice hex_slice(const struct hex *h)
{
	return slice_make(h->b, h->len);
}

/* Are these the bytes that are printed so? */
static inline bool hex_is(const void *p, size_t len, const char *text)
{
	struct hex h = hex(text);

	return 2 * len == strlen(text) && memcmp(p, h.b, len) == 0;
}

#endif
