/* Typed messages, with a descriptor now and then, between our own processes,
 * over an AF_UNIX SOCK_STREAM socketpair.
 *
 * Frame: u32be type, u32be length, bytes.  At most CHAN_MAX bytes.  The
 * receiving process names the types it takes in a table, with their size
 * bounds; anything else ends the channel: a compromised peer gets no parser
 * to play with.  Queued bytes are wiped. */
#ifndef CONFD_CORE_IO_CHAN_H
#define CONFD_CORE_IO_CHAN_H

#include "core/buf.h"
#include "core/io/loop.h"

#define CHAN_MAX (4u << 20)

struct chan;

/* One row a message that we take.  fd is -1 when none came; a row without
 * wants_fd never sees one (it is closed, and the channel ends).  The fd is
 * the handler's. */
struct chan_row {
	uint32_t type;
	size_t min, max; /* length of the body */
	bool wants_fd;
	void (*handle)(void *ctx, struct slice body, int fd);
};

/* fd becomes the channel's.  gone(ctx, why) when the peer is gone or broke
 * the rules; then free it.  rows must outlive the channel. */
enum status chan_new(struct loop *l, int fd, const struct chan_row *rows,
		     size_t n_rows,
		     void (*gone)(void *ctx, const struct err *why), void *ctx,
		     struct chan **out, struct err *err);
void chan_free(struct chan *c);

/* Queue a message; pass_fd of -1: none, else it is duplicated and stays the
 * caller's.  Never blocks; the queue is capped at 64 MiB, then the channel
 * ends. */
void chan_send(struct chan *c, uint32_t type, struct slice body, int pass_fd);

/* For start-up, before there is a loop: one message, blocking up to ms. */
enum status chan_send_now(int fd, uint32_t type, struct slice body, int pass_fd,
			  struct err *err);
enum status chan_recv_now(int fd, int64_t ms, uint32_t type, struct buf *body,
			  int *pass_fd, struct err *err);

/* A connected pair; both close-on-exec. */
enum status chan_pair(int fds[static 2], struct err *err);

#endif
