/* SHA-256 of a program, or of a whole tree of files: how a manifest names
 * what may run ("command:HEX", "dir:HEX").  In steps, since the tree of an
 * image can be large and the caller has others to serve.
 *
 * Form of a tree's digest: confd-workload(1), DIGESTS. */
#ifndef CONFD_CMD_DIGEST_H
#define CONFD_CMD_DIGEST_H

#include "core/slice.h"

#define DIGEST_DEPTH_MAX 128	     /* directories in one another */
#define DIGEST_NAMES_MAX (32u << 20) /* bytes of names waiting at a time */

struct digest;

/* Of one file: path as a process sees it whose root directory is root, so
 * that no link leads out of it; root NULL: as this process sees it.  The open
 * file is what is read.
 *
 * E_NOTFOUND	there is none.
 * E_CONF	not a regular file. */
enum status digest_file_new(const char *root, const char *path,
			    struct digest **out, struct err *err);

/* Of the program that this process runs. */
enum status digest_self_new(struct digest **out, struct err *err);

/* Of the tree below a directory, but for its entries proc, sys, dev, tmp and
 * .confd, in whose place a sandbox has its own. */
enum status digest_tree_new(const char *root, struct digest **out,
			    struct err *err);
void digest_free(struct digest *d);
static inline void digest_freep(struct digest **d)
{
	digest_free(*d);
}
#define auto_digest __attribute__((cleanup(digest_freep)))

/* Read about so many bytes.  OK: out is the digest.  E_AGAIN: not yet, call
 * again.
 *
 * E_CONF	the tree holds what is neither file, directory nor link.
 * E_LIMIT	it is deeper or wider than the limits above.
 * E_IO ...	a file cannot be read, or changed its length meanwhile. */
enum status digest_step(struct digest *d, size_t bytes, uint8_t out[static 32],
			struct err *err);

/* All at once. */
enum status digest_finish(struct digest *d, uint8_t out[static 32],
			  struct err *err);

/* Whether a file of digest_file_new, all links followed, lies in one of those
 * entries of root (NULL: /): the same path leads elsewhere in a sandbox. */
enum status digest_is_replaced(const struct digest *d, const char *root,
			       bool *out, struct err *err);

/* Whether a file of digest_file_new is an ELF program that names no
 * interpreter: its bytes alone are what is executed. */
enum status digest_is_static(const struct digest *d, bool *out,
			     struct err *err);

#endif
