/* confd shim: first process in a sandbox.  It is called by the sandbox's
 * runtime as `confd shim --port N -- COMMAND...`; what follows "--" is the
 * workload's own command line, which is why it is not parsed by a table. */
#include "sandbox/shim.h"

#include <stdlib.h>
#include <unistd.h>

#include "cmd/applet.h"
#include "core/cleanup.h"

struct shim_opts {
	struct common_opts common;
	uint64_t port;
};

static const struct opt rows[] = {
	{ .name = "port",
	  .arg = "PORT",
	  .help = "where the workload listens on 127.0.0.1",
	  .kind = OPT_U64,
	  .flags = OPT_REQUIRED | OPT_NO_ENV,
	  .min = 1,
	  .max = 65535,
	  OPT_AT(struct shim_opts, port) },
};

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct shim_opts *o = opts;
	char *argv[OPT_LIST_MAX + 1] = { NULL };

	(void)err;
	for (size_t i = 0; i < args->n; i++)
		argv[i] = (char *)(uintptr_t)args->operands[i];
	_exit(shim_main((uint16_t)o->port, argv, environ));
}

static const struct verb verbs[] = {
	{ .operands = "-- COMMAND [ARG...]",
	  OPTS(rows),
	  .opts_size = sizeof(struct shim_opts),
	  .min_operands = 1,
	  .max_operands = OPT_LIST_MAX,
	  .run = run },
};

const struct applet applet_shim = {
	.name = "shim",
	.summary = "first process in a sandbox: relays passed connections",
	.needs = IS_INTERNAL,
	VERBS(verbs),
};
