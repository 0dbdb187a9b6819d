/* What a new sandbox process does with itself before it executes the shim:
 * every wall, in the order that each needs. */
#ifndef CONFD_SANDBOX_INSIDE_H
#define CONFD_SANDBOX_INSIDE_H

#include "sandbox/spec.h"

struct inside {
	const struct sandbox_spec *spec;
	const char *shim;   /* NULL: our own program */
	bool has_root;	    /* the starter is root */
	int sync;	    /* SEQPACKET, to the starter */
	int link;	    /* becomes 3 */
	int out_fd, err_fd; /* -1: /dev/null */
};

/* What goes over sync, one byte a message, or a struct err. */
#define INSIDE_HELLO 'h' /* from inside: map my ids, put me into a cgroup */
#define INSIDE_GO 'g'	 /* to inside: done */
#define INSIDE_READY \
	'r' /* from inside: walls stand; then the end of file
			  * means that the shim runs */

/* In the child of namespace_fork(). */
void inside_run(const struct inside *in) __attribute__((noreturn));

#endif
