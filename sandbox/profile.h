/* Which system calls a role may make: rows, so that a reviewer can read the
 * policy without knowing BPF. */
#ifndef CONFD_SANDBOX_PROFILE_H
#define CONFD_SANDBOX_PROFILE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum profile_id {
	PROFILE_WORKLOAD,      /* foreign code in a sandbox, and its shim */
	PROFILE_AS_NET,	       /* TLS and HTTP towards the world */
	PROFILE_AS_KEEPER,     /* keys and the store; no sockets of its own */
	PROFILE_AS_JUDGE,      /* parses evidence: no files, no sockets */
	PROFILE_WORKER_NET,    /* TLS and HTTP, and connects to the AS */
	PROFILE_WORKER_KEEPER, /* starts sandboxes: what they need, it has */
	PROFILE_PROXY,	       /* like AS_NET, and connects upstream */
	PROFILE_CLIENT,	       /* connects, resolves, reads its state */
	PROFILE_COUNT,
};

/* A row belongs to groups; a profile is a set of groups. */
#define PROFILE_BASE (1u << 0)	 /* memory, time, waiting, own threads */
#define PROFILE_STREAM (1u << 1) /* read and write what is open */
#define PROFILE_ACCEPT (1u << 2) /* take connections */
#define PROFILE_DIAL (1u << 3)	 /* make sockets and connect them */
#define PROFILE_PASS (1u << 4)	 /* socket pairs, to pass descriptors */
#define PROFILE_READ (1u << 5)	 /* open files for reading */
#define PROFILE_STORE (1u << 6)	 /* change files */
#define PROFILE_SPAWN (1u << 7)	 /* start and watch processes */
#define PROFILE_GUEST (1u << 8)	 /* only foreign code wants it */
#define PROFILE_TEE (1u << 9)	 /* ask the TEE's device for evidence */

/* What becomes of a call that no row allows. */
enum profile_refusal {
	PROFILE_EPERM, /* fails; KILL rows kill */
	PROFILE_ALLOW, /* allowed; only KILL rows are refused, with EPERM: for
			* what starts sandboxes, since they inherit it */
};

struct profile {
	const char *name; /* "as-net" */
	uint32_t groups;
	enum profile_refusal other;
	bool kill;     /* calls that only an intruder makes end the process */
	bool no_files; /* no path may be opened at all */
	bool landlock; /* paths are limited to those that confine() is told */
};

/* One condition on an argument: (argument & mask) == value, or, where it
 * differs, argument != value. */
struct profile_test {
	uint8_t arg; /* 1 + index; 0: none */
	bool differs;
	uint64_t mask, value;
};

struct profile_row {
	const char *calls; /* names, a space between two */
	uint32_t groups;
	bool ignored;		     /* not made, and answered as a success */
	struct profile_test test[3]; /* all must hold */
};

/* Never NULL. */
const struct profile *profile_get(enum profile_id id);

/* All rows that allow, or ignore, of all groups; several rows of a call are
 * alternatives. */
const struct profile_row *profile_rows(size_t *n);

/* Names of calls that nobody but an intruder makes, a space between two. */
const char *profile_intruders(void);

#endif
