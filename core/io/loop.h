/* The event loop: one a process.  Everything that waits, waits here.
 * Callbacks never run from inside the call that armed them. */
#ifndef CONFD_CORE_IO_LOOP_H
#define CONFD_CORE_IO_LOOP_H

#include <stdbool.h>
#include <stdint.h>

#include "core/status.h"

struct loop;
struct loop_timer;
struct loop_fd;
struct loop_signal;

/* From here on the process ignores SIGPIPE, also of what is no socket of ours:
 * who reads our output may leave. */
enum status loop_new(struct loop **out, struct err *err);
void loop_free(struct loop *l); /* frees nothing that was made on it */
static inline void loop_freep(struct loop **l)
{
	loop_free(*l);
}
#define auto_loop __attribute__((cleanup(loop_freep)))

/* Run until loop_stop; loop_run_once waits at most ms (-1: for ever) and
 * handles what is there.  A loop_stop that comes while neither runs ends the
 * next of them at once.  Not to be called from callbacks. */
void loop_run(struct loop *l);
void loop_run_once(struct loop *l, int64_t ms);
void loop_stop(struct loop *l);

/* A timer, not armed; armed it fires once. Free it any time, also inside
 * its own callback. */
struct loop_timer *loop_timer_new(struct loop *l, void (*fire)(void *ctx),
				  void *ctx);
void loop_timer_arm(struct loop_timer *t, int64_t ms);
void loop_timer_disarm(struct loop_timer *t);
void loop_timer_free(struct loop_timer *t);

/* Watch a descriptor, which stays the caller's; free the watch before the
 * descriptor is closed.  An error on the descriptor counts as all that is
 * wanted. */
#define LOOP_READ 1u
#define LOOP_WRITE 2u
struct loop_fd *loop_fd_new(struct loop *l, int fd,
			    void (*ready)(void *ctx, unsigned what), void *ctx);
void loop_fd_want(struct loop_fd *f, unsigned what); /* level-triggered */
void loop_fd_free(struct loop_fd *f);

/* Run callback for a signal, outside of signal context. */
struct loop_signal *loop_signal_new(struct loop *l, int signo,
				    void (*fire)(void *ctx), void *ctx);
void loop_signal_free(struct loop_signal *s);

/* Work that must not be done right here: it runs once, from the loop, as
 * soon as the callback that is running now has returned.  The task lies in
 * the object that it works on: set run and ctx, and leave the rest zero. */
struct loop_task {
	void (*run)(void *ctx);
	void *ctx;
	struct loop_task *next, *prev; /* private; NULL: not waiting */
};
void loop_task_post(struct loop *l, struct loop_task *t); /* again: no-op */
void loop_task_drop(struct loop_task *t);

/* Counts how often the loop has looked for events: work that is worth a
 * millisecond is rationed by it. */
uint64_t loop_turn(const struct loop *l);

/* Only within core/io: the event_base, and one object of the resolver that is
 * released by done() with the loop. */
void *loop_base(struct loop *l);
void loop_keep(struct loop *l, void *obj, void (*done)(void *obj));
void *loop_kept(const struct loop *l);

/* Version of libevent, for --version. */
const char *loop_library(void);

#endif
