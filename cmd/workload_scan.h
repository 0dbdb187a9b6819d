/* Finding out which program a request would run: digests of files, made in
 * steps as in digest.h.
 *
 * What is read is what lies there at that time.  Who can write to the files
 * afterwards can change what runs: on a worker these are its own image's
 * files, or a disk that verifies itself (dm-verity). */
#ifndef CONFD_CMD_WORKLOAD_SCAN_H
#define CONFD_CMD_WORKLOAD_SCAN_H

#include "cmd/workload_request.h"

struct workload_facts {
	bool has_command;
	uint8_t command[32]; /* SHA-256 of argv[0] */
	bool alone; /* of root nothing else is executed with it: there is no
		     * root, or it is linked statically */
	bool has_tree;
	uint8_t tree[32]; /* of root, digest.h */
};

/* What to find out; a tree only where the request has a root.  Errors as
 * digest_file_new and digest_tree_new. */
struct workload_scan;
enum status workload_scan_new(const struct workload_request *r,
			      bool want_command, bool want_tree,
			      struct workload_scan **out, struct err *err);

/* OK: out is filled in.  E_AGAIN: call again. */
enum status workload_scan_step(struct workload_scan *s, size_t bytes,
			       struct workload_facts *out, struct err *err);
void workload_scan_free(struct workload_scan *s);
static inline void workload_scan_freep(struct workload_scan **s)
{
	workload_scan_free(*s);
}
#define auto_workload_scan __attribute__((cleanup(workload_scan_freep)))

#endif
