/* One workload over its life: started, running, ended; and the last of what
 * it printed, when its spec allows that.  It is never started again by
 * itself: a crash would be a signal that the workload can send at will. */
#ifndef CONFD_SANDBOX_SUPERVISE_H
#define CONFD_SANDBOX_SUPERVISE_H

#include "core/buf.h"
#include "sandbox/runtime.h"

#define SUPERVISE_LOG_MAX (256u << 10) /* bytes kept; older ones go */

enum supervise_state {
	SUPERVISE_RUNNING,
	SUPERVISE_STOPPED, /* it ended well, or we stopped it */
	SUPERVISE_FAILED,  /* it ended by itself, and not well */
};

/* "running", "stopped", "failed". */
const char *supervise_state_name(enum supervise_state state);

struct supervise;

/* Start (see runtime_start for set, spec, link and failures).  changed()
 * comes once, from the loop, when it is no longer running; NULL: nobody
 * wants to know. */
enum status supervise_start(struct loop *l, const struct runtime_settings *set,
			    const struct sandbox_spec *spec, int link,
			    void (*changed)(void *ctx), void *ctx,
			    struct supervise **out, struct err *err);

enum supervise_state supervise_get_state(const struct supervise *s);

/* How it ended; only meaningful when it is not running. */
enum runtime_end supervise_get_end(const struct supervise *s);

/* Which limits hold. */
struct cgroup_state supervise_get_limits(const struct supervise *s);

/* Append what is kept of stdout and stderr, as printed and in the order in
 * which it came: untrusted bytes, escape them for a terminal (core/text.h).
 * Returns how many bytes were dropped before. */
uint64_t supervise_logs(const struct supervise *s, struct buf *out);

/* Ask it to end, kill it after ms; changed() tells when. */
void supervise_stop(struct supervise *s, int64_t ms);

/* Kill what runs, wipe the log, release.  NULL is ignored. */
void supervise_free(struct supervise *s);

#endif
