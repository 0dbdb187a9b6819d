/* What to run in a sandbox, and within which bounds. */
#ifndef CONFD_SANDBOX_SPEC_H
#define CONFD_SANDBOX_SPEC_H

#include <stdint.h>

#include "core/slice.h"

#define SPEC_ARGS_MAX 60 /* words of a command */
#define SPEC_ENV_MAX 128 /* variables */
#define SPEC_MOUNTS_MAX 32
#define SPEC_TEXT_MAX (64u << 10) /* bytes of argv and env together */

/* What becomes of the workload's stdout and stderr. */
enum spec_logs {
	SPEC_LOGS_OFF,	 /* nowhere */
	SPEC_LOGS_PLAIN, /* a ring in memory, capped; never on disk */
};

/* A directory or file of the host, seen inside read-only, without devices
 * and set-uid bits.  Submounts come along. */
struct sandbox_mount {
	const char *from; /* absolute, on the host */
	const char *to;	  /* absolute, inside; below a top directory that the
			   * root file system does not have, or over a file
			   * or directory that is there */
	bool programs;	  /* what is in it may be executed; not for models */
};

/* 0 takes the value in brackets. */
struct sandbox_limits {
	uint64_t memory_mib; /* of all processes and tmpfs [half of the host] */
	uint64_t pids;	     /* processes and threads [1024] */
	uint64_t tmpfs_mib;  /* of /tmp and of /dev/shm, each [64] */
	uint64_t nofile;     /* descriptors of a process [4096] */
};

/* Everything is borrowed: it must outlive the call that takes the spec. */
struct sandbox_spec {
	const char *name;	 /* core/text.h text_is_name */
	const char *const *argv; /* NULL-terminated; argv[0] absolute */
	const char *const *env;	 /* NULL-terminated "NAME=value", or NULL;
				  * PATH and HOME=/tmp are there anyway */
	const char *root;	 /* an unpacked root file system, absolute;
				  * NULL: the host's programs and libraries,
				  * and the file argv[0]: for development */
	const char *cwd;	 /* absolute, inside; NULL: / */
	uint16_t port;		 /* where the workload listens, inside */
	struct sandbox_limits limits;
	enum spec_logs logs;
	struct sandbox_mount mounts[SPEC_MOUNTS_MAX];
	size_t n_mounts;
};

/* E_CONF when a member is not of the form above; the text names it and what
 * was expected.  Touches no file. */
enum status spec_check(const struct sandbox_spec *spec, struct err *err);

/* The limits with every 0 replaced. */
struct sandbox_limits spec_limits(const struct sandbox_spec *spec);

/* An absolute path without "." and ".." and empty parts, printable, shorter
 * than PATH_MAX. "/" is one. */
bool spec_is_path(const char *path);

#endif
