/* The allocator that wipes.  Every block is overwritten with zeros before it
 * is given back, so plaintext does not stay behind in freed memory.  It is
 * installed into libevent (core/io/loop), cJSON (core/json) and Mbed TLS
 * (core/crypto), and used for everything of our own. */
#ifndef CONFD_CORE_MEM_H
#define CONFD_CORE_MEM_H

#include <stddef.h>

/* n bytes, zeroed; NULL when there is no memory.  n of 0 gives a valid,
 * unique pointer. */
void *mem_alloc(size_t n);

/* count * size bytes, zeroed; NULL when that overflows or memory is out. */
void *mem_calloc(size_t count, size_t size);

/* Change the size; the old block is wiped when it moves.  On NULL the old
 * block is untouched. */
void *mem_realloc(void *p, size_t n);

/* Wipe and release; NULL is ignored. */
void mem_free(void *p);

/* A copy of len bytes with a NUL behind them; NULL when memory is out. */
char *mem_strdup(const char *s, size_t len);

/* For sizes that we chose ourselves: never NULL, aborts when memory is out. */
void *mem_must(size_t n);

#endif
