/* One workload over its life: what it would run is found out and held against
 * the manifest, then it is started behind its proxy, runs, and ends.
 *
 * The sandbox and the proxy end together.  Neither is started again by
 * itself. */
#ifndef CONFD_CMD_WORKLOAD_LIFE_H
#define CONFD_CMD_WORKLOAD_LIFE_H

#include "attest/manifest.h"
#include "cmd/workload_request.h"
#include "core/io/loop.h"
#include "core/json.h"
#include "core/secret.h"
#include "sandbox/runtime.h"

/* What all workloads of a worker have in common; it outlives them. */
struct workload_world {
	struct loop *loop;
	const char *program; /* executed as the proxy; NULL: our own */
	struct runtime_settings runtime; /* id_base: of slot 0 */
	uint64_t drain; /* seconds that a proxy has to finish streams */

	/* The lease: NULL without one. */
	const struct manifest_worker *by;
	struct secret *keys; /* body of MSG_KEYS */
	struct secret *tls;  /* body of MSG_TLS */
	int64_t expires;     /* unix seconds */
};

enum workload_state {
	WORKLOAD_STARTING,
	WORKLOAD_RUNNING,
	WORKLOAD_STOPPING,
	WORKLOAD_STOPPED,
	WORKLOAD_FAILED,
};
const char *workload_state_name(enum workload_state s);

struct workload_life;

/* Begin to start.  r becomes the workload's; it has been checked.  slot: a
 * small number that no other workload of this world has.
 *
 * settled(ctx) is called each time that it has become running, stopped or
 * failed, from the loop or from workload_life_stop(); it may free the
 * workload. */
struct workload_life *workload_life_new(const struct workload_world *w,
					struct workload_request *r,
					unsigned slot,
					void (*settled)(void *ctx), void *ctx);

/* Kills what still runs. */
void workload_life_free(struct workload_life *l);

const char *workload_life_name(const struct workload_life *l);
unsigned workload_life_slot(const struct workload_life *l);
enum workload_state workload_life_state(const struct workload_life *l);

/* Why it could not be started; OK when it could. */
const struct err *workload_life_error(const struct workload_life *l);

/* From stopped or failed; and from running, or (at once, as failed) from
 * starting.  In any other state nothing. */
void workload_life_start(struct workload_life *l);
void workload_life_stop(struct workload_life *l);

/* The world's keys, or that there are none any more, to the proxy. */
void workload_life_send(struct workload_life *l);

/* The manifest has changed: stop what it does not allow any more. */
void workload_life_judge(struct workload_life *l);

/* As the worker API shows it: one object. */
void workload_life_write(const struct workload_life *l, struct json_out *w);

/* What it printed, as far as it is kept and behind the first `from` bytes; the
 * number of its first byte. */
uint64_t workload_life_logs(const struct workload_life *l, uint64_t from,
			    struct buf *out);

#endif
