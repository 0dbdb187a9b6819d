/* Where the attestation service keeps its state: keys to opaque values with
 * revisions.  The store is not trusted: it may lose or withhold; values are
 * sealed by the caller, bound to key name and revision.
 *
 * dir:PATH is one file a key, written atomically; one process at a time. */
#ifndef CONFD_CORE_IO_STORE_H
#define CONFD_CORE_IO_STORE_H

#include "core/buf.h"

#define STORE_VALUE_MAX (4u << 20)

struct store;

/* url: dir:PATH (made with mode 0700 when it is not there, and its parents
 * with 0755; refused when others can enter it).
 *
 * E_USAGE	another scheme.
 * E_PERM	others can enter it, or it is not ours.
 * E_CONFLICT	another process, or store of this one, has it open. */
enum status store_open(const char *url, struct store **out, struct err *err);
void store_free(struct store *s);

/* key: path-like, parts of text_is_name() joined by '/', at most 8.
 * E_NOTFOUND when there is none.  out->max of at least STORE_VALUE_MAX. */
enum status store_get(struct store *s, const char *key, struct buf *out,
		      struct err *err);

/* Durable when it returns OK; on failure the old value is still there. */
enum status store_put(struct store *s, const char *key, struct slice value,
		      struct err *err);
enum status store_delete(struct store *s, const char *key, struct err *err);

#endif
