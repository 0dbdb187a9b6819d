/* What an operator asks a worker to run: as JSON (POST /v1/workloads) between
 * operator and worker, and as fields (core/buf) between the worker's two
 * processes.  Form: confd-worker(8), WORKER API. */
#ifndef CONFD_CMD_WORKLOAD_REQUEST_H
#define CONFD_CMD_WORKLOAD_REQUEST_H

#include "core/buf.h"
#include "core/io/addr.h"

#define WORKLOAD_WORDS_MAX 128
#define WORKLOAD_TEXT_MAX (64u << 10) /* bytes of all texts together */
#define WORKLOAD_PORT 8443	      /* where a proxy listens by default */

/* NULL-terminated. */
struct workload_words {
	size_t n;
	char *word[WORKLOAD_WORDS_MAX + 1];
};

enum workload_logs {
	WORKLOAD_LOGS_ALLOWED, /* whatever the manifest lets */
	WORKLOAD_LOGS_OFF,
	WORKLOAD_LOGS_PLAIN,
};

struct workload_request {
	char *name;
	char *root;	/* NULL: the worker's own programs */
	char *listen;	/* URL of the proxy; NULL: https, port 8443 */
	char *upstream; /* URL; NULL: the command, in a sandbox */
	enum workload_logs logs;
	uint16_t port;	     /* where the command listens */
	uint64_t memory_mib; /* 0: the default */
	uint64_t pids;	     /* the same */
	struct workload_words command;
	struct workload_words env; /* "NAME=value" */
	struct workload_words adapters;
};

void workload_request_done(struct workload_request *r);
#define auto_workload_request __attribute__((cleanup(workload_request_done)))

/* Append a copy of s.  E_LIMIT when there are too many. */
enum status workload_request_add(struct workload_words *w, struct slice s,
				 const char *what, struct err *err);

/* Whether the parts fit together, each in its form: exactly one of command
 * and upstream, a port and absolute paths for a command, an address to listen
 * at, adapters (none: openai is put there).  E_PARSE names the member. */
enum status workload_request_check(struct workload_request *r, struct err *err);

/* The address to listen at; its tls says whether the proxy serves TLS. */
enum status workload_request_listen(const struct workload_request *r,
				    struct addr *out, struct err *err);

/* From JSON; known members only.  in is untrusted.  out, which must be zeroed
 * or done, is written only on OK and then the caller's to done.  Checked. */
enum status workload_request_parse(struct slice in,
				   struct workload_request *out,
				   struct err *err);

/* Append as JSON. */
void workload_request_write(const struct workload_request *r, struct buf *out);

/* Append as fields, and read these; as workload_request_parse. */
void workload_request_pack(const struct workload_request *r, struct buf *out);
enum status workload_request_unpack(struct slice in,
				    struct workload_request *out,
				    struct err *err);

#endif
