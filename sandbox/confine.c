#include "sandbox/confine.h"

#include <sys/prctl.h>

#include "core/secret.h"
#include "sandbox/seccomp.h"

/* Entry points of run-times that make system calls of their own: there when
 * this build has them. */
extern void __asan_init(void) __attribute__((weak));
extern void __gcov_init(void *info) __attribute__((weak));

bool confine_has_filter(void)
{
	return __asan_init == NULL && __gcov_init == NULL;
}

static enum status limit_paths(const struct profile *p,
			       const struct landlock_path *paths, size_t n,
			       struct err *err)
{
	if (!p->no_files && !p->landlock)
		return OK;
	/* Coverage is written to files at the end. */
	if (__gcov_init != NULL)
		return OK;
	return landlock_restrict(paths, p->no_files ? 0 : n, err);
}

enum status confine(enum profile_id id, const struct landlock_path *paths,
		    size_t n, struct err *err)
{
	const struct profile *p = profile_get(id);

	TRY(secret_harden_process(err));
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "no_new_privs");
	if (limit_paths(p, paths, n, err) != OK ||
	    (confine_has_filter() && seccomp_apply(p, err) != OK))
		return err_wrap(err, "confine %s", p->name);
	return OK;
}
