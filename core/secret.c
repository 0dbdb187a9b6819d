#include "core/secret.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/random.h>
#include <sys/resource.h>
#include <unistd.h>

#include "core/cleanup.h"

/* The bytes end where the upper guard page begins, so that reading or writing
 * one too many faults:
 *
 *	map: | guard | ........bytes | guard | */
struct secret {
	uint8_t *bytes;
	size_t len;
	uint8_t *map;
	size_t map_len; /* with the guard pages */
};

#define SECRET_MAX ((size_t)1 << 20)

/* Some kernels (gVisor) do not know how to wipe in the child; then the child
 * does not get the pages at all. */
static int keep_from_children(void *pages, size_t len)
{
	if (madvise(pages, len, MADV_WIPEONFORK) == 0)
		return 0;
	return madvise(pages, len, MADV_DONTFORK);
}

static enum status protect(void *pages, size_t len, struct err *err)
{
	if (mprotect(pages, len, PROT_READ | PROT_WRITE) < 0 ||
	    madvise(pages, len, MADV_DONTDUMP) < 0 ||
	    keep_from_children(pages, len) < 0)
		return err_set(err, E_NOMEM,
			       "no memory for a secret of %zu pages: %s",
			       len / (size_t)getpagesize(), strerror(errno));
	if (mlock(pages, len) < 0)
		return err_set(err, E_NOMEM,
			       "cannot lock memory for a secret: %s; raise "
			       "RLIMIT_MEMLOCK (ulimit -l, LimitMEMLOCK=)",
			       strerror(errno));
	return OK;
}

enum status secret_new(size_t n, struct secret **out, struct err *err)
{
	size_t page = (size_t)getpagesize();

	if (n < 1 || n > SECRET_MAX)
		return err_set(err, E_NOMEM,
			       "a secret of %zu bytes: want 1 to %zu", n,
			       SECRET_MAX);
	size_t pages = (n + page - 1) / page * page;

	auto_secret struct secret *s = mem_must(sizeof(*s));
	s->map = mmap(NULL, pages + 2 * page, PROT_NONE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (s->map == MAP_FAILED) {
		s->map = NULL;
		return err_set(err, E_NOMEM, "no memory for a secret: %s",
			       strerror(errno));
	}
	s->map_len = pages + 2 * page;
	TRY(protect(s->map + page, pages, err));
	s->len = n;
	s->bytes = s->map + page + pages - n;

	*out = take(s);
	return OK;
}

enum status secret_copy(struct slice from, struct secret **out, struct err *err)
{
	struct secret *s = NULL;

	TRY(secret_new(from.len, &s, err));
	memcpy(s->bytes, from.p, from.len);
	*out = s;
	return OK;
}

enum status secret_random(size_t n, struct secret **out, struct err *err)
{
	struct secret *s = NULL;

	TRY(secret_new(n, &s, err));
	for (size_t got = 0; got < n;) {
		ssize_t more = getrandom(s->bytes + got, n - got, 0);

		if (more > 0)
			got += (size_t)more;
		else if (errno != EINTR)
			abort(); /* nothing safe can follow */
	}
	*out = s;
	return OK;
}

void secret_free(struct secret *s)
{
	if (s == NULL)
		return;
	if (s->bytes != NULL)
		explicit_bzero(s->bytes, s->len);
	if (s->map != NULL)
		(void)munmap(s->map, s->map_len); /* unlocks, too */
	mem_free(s);
}

struct slice secret_slice(const struct secret *s)
{
	return slice_make(s->bytes, s->len);
}

uint8_t *secret_bytes(struct secret *s)
{
	return s->bytes;
}

enum status secret_harden_process(struct err *err)
{
	struct rlimit core, lock;

	/* With 0 the kernel still feeds a core_pattern that is a program; with
	 * 1 byte it does not, see core(5).  A limit of 0 that we were given
	 * cannot be raised. */
	if (getrlimit(RLIMIT_CORE, &core) < 0)
		return err_errno(err, "cannot read RLIMIT_CORE");
	core.rlim_max = core.rlim_max == 0 ? 0 : 1;
	core.rlim_cur = core.rlim_max;
	if (setrlimit(RLIMIT_CORE, &core) < 0)
		return err_errno(err, "cannot turn core dumps off");
	/* Also refuses ptrace and /proc/PID/mem to others of our user. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, "cannot become undumpable");
	if (getrlimit(RLIMIT_MEMLOCK, &lock) < 0)
		return err_errno(err, "cannot read RLIMIT_MEMLOCK");
	lock.rlim_cur = lock.rlim_max;
	if (setrlimit(RLIMIT_MEMLOCK, &lock) < 0)
		return err_errno(err, "cannot raise RLIMIT_MEMLOCK");
	return OK;
}
