/* The strict checker behind core/json.h: looks at every byte of a text and
 * builds nothing.  For core/json*.c alone; others call json_check(). */
#ifndef CONFD_CORE_JSON_CHECK_H
#define CONFD_CORE_JSON_CHECK_H

#include "core/json.h"

/* Where each value begins, in document order (a container before what is in
 * it). */
struct json_places {
	uint32_t *at; /* offsets in the text; mem_free */
	size_t n;
};

/* json_check(), and on OK also where the values are.  The caller frees
 * places->at whatever the outcome. */
enum status json_check_places(struct slice text, size_t max_depth,
			      struct json_places *places, struct err *err);

/* Line of the byte at this offset, from 1. */
size_t json_check_line(struct slice text, size_t offset);

/* Bytes of the well-formed UTF-8 sequence at the front of s (which is not
 * empty): 1 to 4, or 0 when there is none. */
size_t json_check_utf8(struct slice s);

#endif
