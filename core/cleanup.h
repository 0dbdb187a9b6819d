/* Ownership that ends with the scope, and leaves it only by take(). */
#ifndef CONFD_CORE_CLEANUP_H
#define CONFD_CORE_CLEANUP_H

#include <stdio.h>
#include <unistd.h>

#include "core/mem.h"

#define countof(a) (sizeof(a) / sizeof((a)[0]))

/* Move a pointer out of its variable: take(p) yields p and leaves NULL. */
#define take(p)                          \
	__extension__({                  \
		typeof(p) *at_ = &(p);   \
		typeof(p) taken_ = *at_; \
		*at_ = NULL;             \
		taken_;                  \
	})

/* The same for a descriptor, which leaves -1. */
static inline int take_fd(int *fd)
{
	int taken = *fd;

	*fd = -1;
	return taken;
}

static inline void cleanup_fd(int *fd)
{
	if (*fd >= 0)
		(void)close(*fd);
}

static inline void cleanup_file(FILE **f)
{
	if (*f != NULL)
		(void)fclose(*f);
}

static inline void cleanup_mem(void *p)
{
	mem_free(*(void **)p);
}

#define auto_fd __attribute__((cleanup(cleanup_fd)))
#define auto_file __attribute__((cleanup(cleanup_file)))
#define auto_mem __attribute__((cleanup(cleanup_mem))) /* of mem_alloc */

#endif
