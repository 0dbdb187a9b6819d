/* What an applet says of itself.  Dispatch, usage, `confd help`, the
 * symlinks, shell completion and the man-page test all read these tables. */
#ifndef CONFD_CMD_APPLET_H
#define CONFD_CMD_APPLET_H

#include "core/opts.h"

/* Every options struct begins with these. */
struct common_opts {
	bool verbose;
	bool quiet;
	const char *log; /* text, json */
	const char *config;
};

enum applet_needs {
	NEEDS_CRYPTO = 1,  /* crypto_setup() before it runs */
	NEEDS_SECRETS = 2, /* no core dumps, nobody may attach */
	IS_DAEMON = 4,	   /* runs until it is told to stop */
	IS_INTERNAL = 8,   /* started by confd itself */
};

/* One thing that an applet can do: all of it, or one verb. */
struct verb {
	const char *name;     /* NULL where the applet has no verbs */
	const char *operands; /* for the usage line, such as "FILE..." */
	const char *summary;  /* one line; NULL where name is */
	struct opt_table opts;
	size_t opts_size; /* of its options struct */
	size_t min_operands, max_operands;
	enum status (*run)(void *opts, const struct opt_args *args,
			   struct err *err);
};

struct applet {
	const char *name;
	const char *summary; /* one line, for `confd help` */
	unsigned needs;
	const struct verb *verbs;
	size_t n_verbs; /* 1 with a nameless verb: the applet has no verbs */
};

#define VERBS(array) .verbs = (array), .n_verbs = countof(array)
#define OPTS(array) .opts = { (array), countof(array) }

/* The table, in the order of `confd help`. */
extern const struct applet *const applets[];
extern const size_t n_applets;

/* The options that all applets share; they write into common_opts. */
extern const struct opt_table applet_common;

/* By name, with or without the prefix "confd-"; NULL when there is none. */
const struct applet *applet_find(const char *name);

/* The near name, or NULL. */
const char *applet_near(const char *name);

/* Run argv[0] = applet name, and the rest.  Prints usage and errors; returns
 * the exit code. */
int applet_run(const struct applet *a, int argc, char *const *argv);

/* Append the usage text of an applet. */
struct buf;
void applet_usage(const struct applet *a, struct buf *out);

#endif
