/* The workloads of a worker: all of them, by name. */
#ifndef CONFD_CMD_WORKLOADS_H
#define CONFD_CMD_WORKLOADS_H

#include "cmd/worker_messages.h"
#include "cmd/workload_life.h"

#define WORKLOADS_MAX 32

struct workloads;

struct workloads_settings {
	const char *program; /* executed as proxies; NULL: our own */
	struct runtime_settings runtime;
	uint64_t drain; /* seconds */

	/* The outcome of an operation, once for each, from the loop or from
	 * within the call; answer as in worker_messages.h, borrowed. */
	void (*reply)(void *ctx, uint32_t id, const struct err *err,
		      struct slice answer);
	void *ctx;
};

struct workloads *workloads_new(struct loop *l,
				const struct workloads_settings *s);

/* Kills what still runs, and wipes. */
void workloads_free(struct workloads *w);

/* A lease: by is borrowed until the next call of this, or of
 * workloads_lapse; it must be another struct than the last one or stay as it
 * was.  keys and tls are bodies of proxy/messages.h, copied; expires is in
 * unix seconds.  Workloads that are no longer allowed are stopped. */
enum status workloads_lease(struct workloads *w,
			    const struct manifest_worker *by, struct slice keys,
			    struct slice tls, int64_t expires, struct err *err);

/* It has ended: wipe the keys, here and in the proxies. */
void workloads_lapse(struct workloads *w);

/* Create and start; request as fields.  When it cannot be started nothing of
 * it stays.
 *
 * E_CONFLICT	one of that name exists.
 * E_POLICY	the manifest does not allow it.
 * E_UNAVAIL	no lease, or the worker is ending; or there are WORKLOADS_MAX.
 * ...		as the sandbox, the listening socket and the proxy fail. */
void workloads_run(struct workloads *w, uint32_t id, struct slice request);

/* E_NOTFOUND; E_CONFLICT when another operation on it is under way.  To stop
 * what is stopped, and to start what runs, is OK. */
void workloads_do(struct workloads *w, uint32_t id, enum worker_op op,
		  struct slice name, uint64_t from);

/* Take nothing new, stop all; stopped(ctx) from the loop when none runs. */
void workloads_stop(struct workloads *w, void (*stopped)(void *ctx), void *ctx);

#endif
