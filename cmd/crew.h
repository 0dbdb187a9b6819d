/* A daemon's processes: the roles that its parent starts and watches.  One
 * ends when it was not told to: all end, and so does the daemon, with an
 * error. */
#ifndef CONFD_CMD_CREW_H
#define CONFD_CMD_CREW_H

#include "core/io/loop.h"
#include "core/io/proc.h"
#include "core/opts.h"

#define CREW_MAX 4
#define CREW_ARGS_MAX 24

/* clang-format off */
/* Options that daemons have in common; type has the members drain (seconds),
 * ready_file and role. */
#define CREW_DRAIN_ROW(type)                                                \
	{ .name = "drain", .arg = "SECONDS",                                \
	  .help = "how long to finish answers when told to stop",           \
	  .fallback = "30", .kind = OPT_U64, .max = 3600,                   \
	  OPT_AT(type, drain) }
#define CREW_READY_FILE_ROW(type)                                           \
	{ .name = "ready-file", .arg = "FILE",                              \
	  .help = "write pid and address here when it serves",              \
	  .kind = OPT_STR, OPT_AT(type, ready_file) }
#define CREW_ROLE_ROW(type)                                                 \
	{ .name = "role", .arg = "ROLE",                                    \
	  .help = "which of its own processes to be", .kind = OPT_STR,      \
	  .flags = OPT_HIDDEN | OPT_NO_ENV, OPT_AT(type, role) }
/* clang-format on */

struct crew;

/* name: of the daemon, such as "as".  stopped(ctx) when all have ended. */
enum status crew_new(struct loop *l, const char *name,
		     void (*stopped)(void *ctx), void *ctx, struct crew **out,
		     struct err *err);

/* Start a role: `confd NAME --role ROLE ARGS...` with these descriptors at 3,
 * 4, ...; they stay the caller's.  args is NULL-terminated.  With privilege a
 * role runs as an unprivileged user unless keep_user is set, and in an empty
 * network namespace when no_network is.  E_LIMIT beyond the caps above. */
struct crew_role {
	const char *role;
	const char *const *args;
	const int *fds;
	size_t n_fds;
	bool keep_user;
	bool no_network;
};
enum status crew_start(struct crew *c, const struct crew_role *r,
		       struct err *err);

/* Tell the first role started to end; the others follow when it has, after
 * ms at the latest. */
void crew_stop(struct crew *c, int64_t ms);

/* OK, or why the crew ended by itself: with the outcome that the first role's
 * exit status tells of, so that the daemon ends with the same one. */
const struct err *crew_end(const struct crew *c);
void crew_free(struct crew *c); /* kills who is left */

/* Write the --ready-file (NULL: none) and tell systemd. */
enum status crew_ready(const char *path, const char *what, const char *address,
		       struct err *err);
/* Remove it. */
void crew_not_ready(const char *path);

/* As many descriptors as are allowed: a request takes two.  Where it fails
 * there are fewer. */
void crew_raise_files(void);

#endif
