/* Command-line options from one table: parsing, environment, configuration
 * file, usage text, completion and the man-page test all read it.
 *
 * Precedence: command line, then CONFD_NAME in the environment, then the
 * JSON file given with --config (an object whose members are option names),
 * then the table's default.  Long options only: --name VALUE, --name=VALUE,
 * --flag, --no-flag; "--" ends options.  Operands may stand between
 * options.
 *
 * In the environment a flag is true, false, 1 or 0, a list is separated by
 * commas, and an empty variable counts as none; so are the fallbacks of the
 * tables written.  In the file a flag is a boolean, a number a number, a list
 * an array of strings.  --config itself works where a table has it as a row
 * (OPT_STR); it cannot stand in the file. */
#ifndef CONFD_CORE_OPTS_H
#define CONFD_CORE_OPTS_H

#include "core/slice.h"

enum opt_kind {
	OPT_FLAG, /* bool */
	OPT_STR,  /* const char * */
	OPT_U64,  /* uint64_t; decimal, within [min, max] */
	OPT_LIST, /* struct opt_list; may be repeated; "" is refused */
};

#define OPT_LIST_MAX 64

struct opt_list {
	const char *v[OPT_LIST_MAX];
	size_t n;
};

enum opt_flags {
	OPT_REQUIRED = 1, /* refuse to start without it */
	OPT_HIDDEN = 2,	  /* between our own processes: not in help or docs */
	OPT_NO_ENV = 4,	  /* not taken from environment and --config */
};

struct opt {
	const char *name;     /* without the dashes */
	const char *arg;      /* upper-case name of the value; NULL: flag */
	const char *help;     /* one line */
	const char *fallback; /* default as text, or NULL */
	enum opt_kind kind;
	unsigned flags;
	size_t at;	   /* offset in the applet's options struct */
	uint64_t min, max; /* OPT_U64; max of 0: no bound */
};

/* Rows of a table: OPT_ROW(struct as_opts, store, OPT_STR, "DIR:PATH", ...) */
#define OPT_AT(type, member) .at = offsetof(type, member)

struct opt_table {
	const struct opt *rows;
	size_t n;
};

struct opt_args {
	const char *operands[OPT_LIST_MAX];
	size_t n;
};

/* Parse argv (without the applet's and verb's names).  tables: n_tables
 * tables, all writing into `into`; the later ones are shared options.
 * Strings point into argv, the environment or a file image that lives to the
 * end of the process.  E_USAGE with a hint (and the near option, if any);
 * E_CONF for a bad --config file.  Sets *help when --help was given (then
 * required options are not checked, nor is anything else).
 *
 * into is zeroed, or holds what an option without a fallback shall be, and
 * is of no use after a failure. */
enum status opts_parse(const struct opt_table *tables, size_t n_tables,
		       int argc, char *const *argv, void *into,
		       struct opt_args *args, bool *help, struct err *err);

/* Append the aligned help of a table: two spaces, --name ARG, help. */
struct buf;
void opts_help(const struct opt_table *table, struct buf *out);

/* The near name in a list, or NULL when nothing is near. */
const char *opts_near(const char *name, const char *const *names, size_t n);

#endif
