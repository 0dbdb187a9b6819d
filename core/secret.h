/* Keys and plaintext secrets: bytes on pages of their own, between guard
 * pages, locked in memory, left out of core dumps, wiped in children made by
 * fork, and wiped on release. */
#ifndef CONFD_CORE_SECRET_H
#define CONFD_CORE_SECRET_H

#include "core/slice.h"

struct secret; /* opaque; its length is fixed when it is made */

/* n zero bytes, 1 to 1 MiB.  E_NOMEM when memory cannot be had or locked
 * (the text names RLIMIT_MEMLOCK). */
enum status secret_new(size_t n, struct secret **out, struct err *err);

/* A copy of s. */
enum status secret_copy(struct slice s, struct secret **out, struct err *err);

/* n random bytes. */
enum status secret_random(size_t n, struct secret **out, struct err *err);

void secret_free(struct secret *s);
static inline void secret_freep(struct secret **s)
{
	secret_free(*s);
}
#define auto_secret __attribute__((cleanup(secret_freep)))

/* Borrow the bytes, until secret_free. */
struct slice secret_slice(const struct secret *s);
uint8_t *secret_bytes(struct secret *s);

/* Settings of the whole process, made once at start: no core dumps, not
 * dumpable (so nobody attaches), no ptrace by siblings, memlock limit raised
 * as far as allowed. */
enum status secret_harden_process(struct err *err);

#endif
