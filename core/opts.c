#include "core/opts.h"

#include <stdint.h>
#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/json.h"
#include "core/mem.h"
#include "core/text.h"

#define ROWS_MAX 160		/* of all tables together */
#define CONFIG_LIMIT (1u << 20) /* bytes */
#define ENV_NAME_LIMIT 80

/* Where a value came from; each is asked only for what is still unset. */
enum source { UNSET, ARGV, ENVIRONMENT, CONFIG, FALLBACK };

struct parse {
	const struct opt *row[ROWS_MAX];
	enum source set[ROWS_MAX];
	size_t n;
	uint8_t *into;
	struct opt_args *args;
};

/* A place from which a text came, for messages. */
struct origin {
	enum source source;
	const char *name; /* "--store", "CONFD_STORE" */
};

static void collect_rows(struct parse *p, const struct opt_table *tables,
			 size_t n_tables)
{
	for (size_t t = 0; t < n_tables; t++)
		for (size_t i = 0; i < tables[t].n; i++) {
			if (p->n == ROWS_MAX)
				abort(); /* our own tables outgrew us */
			p->row[p->n++] = &tables[t].rows[i];
		}
}

static size_t find_row(const struct parse *p, struct slice name)
{
	size_t i = 0;

	while (i < p->n && !slice_eq_str(name, p->row[i]->name))
		i++;
	return i;
}

/* Texts from the file live to the end of the process, like argv. */
static const char *keep(struct slice s)
{
	static struct kept {
		struct kept *next;
		char text[];
	} * all;
	struct kept *k = mem_must(sizeof(*k) + s.len + 1);

	if (s.len > 0)
		memcpy(k->text, s.p, s.len);
	k->next = all;
	all = k;
	return k->text;
}

/* The typed members of the applet's struct.  Their offsets are from
 * offsetof() on members of these very types. */
static void store_flag(struct parse *p, size_t i, bool v)
{
	memcpy(p->into + p->row[i]->at, &v, sizeof(v));
}

static void store_str(struct parse *p, size_t i, const char *v)
{
	memcpy(p->into + p->row[i]->at, &v, sizeof(v));
}

static void store_u64(struct parse *p, size_t i, uint64_t v)
{
	memcpy(p->into + p->row[i]->at, &v, sizeof(v));
}

static struct opt_list *list_of(struct parse *p, size_t i)
{
	return (struct opt_list *)(void *)(p->into + p->row[i]->at);
}

/* A better source begins a list anew. */
static void begin(struct parse *p, size_t i, enum source source)
{
	if (p->row[i]->kind == OPT_LIST && p->set[i] != source)
		list_of(p, i)->n = 0;
	p->set[i] = source;
}

static enum status code_of(struct origin from)
{
	return from.source == CONFIG ? E_CONF : E_USAGE;
}

static enum status add_item(struct parse *p, size_t i, const char *text,
			    struct origin from, struct err *err)
{
	struct opt_list *list = list_of(p, i);

	if (text[0] == '\0')
		return err_set(err, code_of(from),
			       "%s: an empty %s is not allowed", from.name,
			       p->row[i]->arg);
	if (list->n == OPT_LIST_MAX)
		return err_set(err, code_of(from), "%s: more than %d of them",
			       from.name, OPT_LIST_MAX);
	list->v[list->n++] = text;
	return OK;
}

static uint64_t most_of(const struct opt *row)
{
	return row->max == 0 ? UINT64_MAX : row->max;
}

static enum status set_u64(struct parse *p, size_t i, const char *text,
			   struct origin from, struct err *err)
{
	const struct opt *row = p->row[i];
	uint64_t v;

	if (slice_u64(slice_str(text), &v) && v >= row->min &&
	    v <= most_of(row)) {
		store_u64(p, i, v);
		return OK;
	}
	if (row->max == 0)
		return err_set(err, E_USAGE,
			       "%s: want a number of at least %llu, not \"%s\"",
			       from.name, (unsigned long long)row->min, text);
	return err_set(err, E_USAGE,
		       "%s: want a number from %llu to %llu, not \"%s\"",
		       from.name, (unsigned long long)row->min,
		       (unsigned long long)row->max, text);
}

static enum status set_flag(struct parse *p, size_t i, const char *text,
			    struct origin from, struct err *err)
{
	bool yes = strcmp(text, "true") == 0 || strcmp(text, "1") == 0;

	if (!yes && strcmp(text, "false") != 0 && strcmp(text, "0") != 0)
		return err_set(err, E_USAGE,
			       "%s: want true or false, not \"%s\"", from.name,
			       text);
	store_flag(p, i, yes);
	return OK;
}

static enum status set_list(struct parse *p, size_t i, const char *text,
			    struct origin from, struct err *err)
{
	struct slice rest = slice_str(text), item;

	while (slice_split(&rest, ',', &item))
		TRY(add_item(p, i, keep(item), from, err));
	return OK;
}

/* A whole value as text: of the environment or a fallback. */
static enum status set_text(struct parse *p, size_t i, const char *text,
			    struct origin from, struct err *err)
{
	begin(p, i, from.source);
	switch (p->row[i]->kind) {
	case OPT_FLAG:
		return set_flag(p, i, text, from, err);
	case OPT_U64:
		return set_u64(p, i, text, from, err);
	case OPT_LIST:
		return set_list(p, i, text, from, err);
	case OPT_STR:
		store_str(p, i, text);
		return OK;
	}
	abort(); /* no such kind */
}

/* The command line. */

const char *opts_near(const char *name, const char *const *names, size_t n)
{
	struct slice wanted = slice_str(name);
	size_t best = 1 + wanted.len / 4; /* more is another word */
	const char *near = NULL;

	for (size_t i = 0; i < n; i++) {
		struct slice have = slice_str(names[i]);
		size_t d = text_distance(wanted, have);

		/* The beginning of a word is as near as one slip. */
		if (wanted.len >= 3 && d > 1 && slice_starts(have, wanted))
			d = 1;
		if (d < best || (d == best && near == NULL)) {
			best = d;
			near = names[i];
		}
	}
	return near;
}

static enum status unknown_option(const struct parse *p, struct slice name,
				  struct err *err)
{
	const char *names[ROWS_MAX];
	char text[64];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if ((p->row[i]->flags & OPT_HIDDEN) == 0)
			names[n++] = p->row[i]->name;
	(void)snprintf(text, sizeof(text), "%.*s",
		       SLICE_FMT(slice_sub(name, 0, sizeof(text) - 1)));
	const char *near = opts_near(text, names, n);
	if (near == NULL)
		return err_set(err, E_USAGE,
			       "unknown option --%s; --help lists them", text);
	return err_set(err, E_USAGE, "unknown option --%s; did you mean --%s?",
		       text, near);
}

/* One option of the command line, cut at its "=". */
struct given {
	size_t row;
	const char *dashed; /* for messages */
	const char *value;  /* behind "=", or NULL */
	bool no;	    /* --no-flag */
};

static enum status find_given(const struct parse *p, const char *arg,
			      char dashed[static ENV_NAME_LIMIT],
			      struct given *out, struct err *err)
{
	struct slice rest = slice_str(arg + 2);
	size_t at = slice_find(rest, '=');
	struct slice name = slice_sub(rest, 0, at);
	struct slice no = S("no-");

	*out = (struct given){ .row = find_row(p, name), .dashed = dashed };
	if (at < rest.len)
		out->value = arg + 2 + at + 1;
	if (out->row == p->n && slice_starts(name, no)) {
		out->row = find_row(p, slice_from(name, no.len));
		out->no = true;
	}
	if (out->row == p->n || (out->no && p->row[out->row]->kind != OPT_FLAG))
		return unknown_option(p, name, err);
	(void)snprintf(dashed, ENV_NAME_LIMIT, "--%s", p->row[out->row]->name);
	return OK;
}

/* The value behind "=", or else the next word, which *i then counts. */
static enum status value_of(const struct parse *p, const struct given *g,
			    int argc, char *const *argv, int *i,
			    const char **out, struct err *err)
{
	const char *arg = p->row[g->row]->arg;
	const char *next = *i + 1 < argc ? argv[*i + 1] : NULL;

	*out = g->value;
	if (g->value != NULL)
		return OK;
	if (next == NULL)
		return err_set(err, E_USAGE, "%s wants %s behind it", g->dashed,
			       arg);
	/* More likely forgotten than meant. */
	if (strncmp(next, "--", 2) == 0)
		return err_set(err, E_USAGE,
			       "%s wants %s behind it, not %s (%s=%s, if you "
			       "mean that)",
			       g->dashed, arg, next, g->dashed, next);
	++*i;
	*out = next;
	return OK;
}

static enum status take_option(struct parse *p, int argc, char *const *argv,
			       int *at, struct err *err)
{
	char dashed[ENV_NAME_LIMIT];
	struct given g;
	const char *value;

	TRY(find_given(p, argv[*at], dashed, &g, err));
	enum opt_kind kind = p->row[g.row]->kind;
	bool again = p->set[g.row] == ARGV;
	struct origin from = { ARGV, dashed };

	if (kind == OPT_FLAG) {
		if (g.value != NULL)
			return err_set(err, E_USAGE, "%s takes no value",
				       dashed);
		begin(p, g.row, ARGV);
		store_flag(p, g.row, !g.no);
		return OK;
	}
	TRY(value_of(p, &g, argc, argv, at, &value, err));
	if (kind == OPT_LIST) {
		begin(p, g.row, ARGV);
		return add_item(p, g.row, value, from, err);
	}
	if (again)
		return err_set(err, E_USAGE, "%s is given twice", dashed);
	return set_text(p, g.row, value, from, err);
}

static enum status take_operand(struct parse *p, const char *arg,
				struct err *err)
{
	if (p->args->n == OPT_LIST_MAX)
		return err_set(err, E_USAGE, "more than %d operands",
			       OPT_LIST_MAX);
	p->args->operands[p->args->n++] = arg;
	return OK;
}

static enum status parse_argv(struct parse *p, int argc, char *const *argv,
			      struct err *err)
{
	bool options = true;

	for (int i = 0; i < argc; i++) {
		const char *arg = argv[i];

		if (!options || arg[0] != '-' || arg[1] == '\0')
			TRY(take_operand(p, arg, err));
		else if (strcmp(arg, "--") == 0)
			options = false;
		else if (arg[1] == '-')
			TRY(take_option(p, argc, argv, &i, err));
		else
			return err_set(err, E_USAGE,
				       "%s: options have long names only, with "
				       "two dashes; --help lists them",
				       arg);
	}
	return OK;
}

static bool asks_help(int argc, char *const *argv)
{
	for (int i = 0; i < argc && strcmp(argv[i], "--") != 0; i++)
		if (strcmp(argv[i], "--help") == 0)
			return true;
	return false;
}

/* The environment. */

static void env_name(const struct opt *row, char out[static ENV_NAME_LIMIT])
{
	(void)snprintf(out, ENV_NAME_LIMIT, "CONFD_%s", row->name);
	for (char *c = out; *c != '\0'; c++) {
		if (*c == '-')
			*c = '_';
		else if (*c >= 'a' && *c <= 'z')
			*c = (char)(*c - ('a' - 'A'));
	}
}

static enum status parse_env(struct parse *p, struct err *err)
{
	char name[ENV_NAME_LIMIT];

	for (size_t i = 0; i < p->n; i++) {
		if (p->set[i] != UNSET || (p->row[i]->flags & OPT_NO_ENV) != 0)
			continue;
		env_name(p->row[i], name);
		const char *text = getenv(name);
		if (text != NULL && text[0] != '\0')
			TRY(set_text(p, i, text,
				     (struct origin){ ENVIRONMENT, name },
				     err));
	}
	return OK;
}

/* The configuration file. */

static bool may_be_in_file(const struct opt *row)
{
	return (row->flags & OPT_NO_ENV) == 0 &&
	       strcmp(row->name, "config") != 0;
}

static enum status set_json_list(struct parse *p, size_t i,
				 const struct json *member, bool use,
				 struct err *err)
{
	struct origin from = { CONFIG, p->row[i]->name };

	TRY(json_want(member, JSON_ARRAY, err));
	for (const struct json *j = json_first(member); j != NULL;
	     j = json_next(j)) {
		TRY(json_want(j, JSON_STRING, err));
		if (use)
			TRY(add_item(p, i, keep(json_str(j)), from, err));
	}
	return OK;
}

/* Checked also where a better source has spoken; used where none has. */
static enum status set_json(struct parse *p, size_t i,
			    const struct json *member, struct err *err)
{
	const struct opt *row = p->row[i];
	bool use = p->set[i] == UNSET;
	uint64_t number;

	if (use)
		begin(p, i, CONFIG);
	switch (row->kind) {
	case OPT_FLAG:
		TRY(json_want(member, JSON_BOOL, err));
		if (use)
			store_flag(p, i, json_bool(member));
		return OK;
	case OPT_U64:
		TRY(json_u64(member, row->min, most_of(row), &number, err));
		if (use)
			store_u64(p, i, number);
		return OK;
	case OPT_LIST:
		return set_json_list(p, i, member, use, err);
	case OPT_STR:
		TRY(json_want(member, JSON_STRING, err));
		if (use)
			store_str(p, i, keep(json_str(member)));
		return OK;
	}
	abort(); /* no such kind */
}

static enum status set_members(struct parse *p, const struct json *root,
			       struct err *err)
{
	const char *names[ROWS_MAX];
	size_t n = 0;

	for (size_t i = 0; i < p->n; i++)
		if (may_be_in_file(p->row[i]))
			names[n++] = p->row[i]->name;
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, n, err));
	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j))
		TRY(set_json(p, find_row(p, json_name(j)), j, err));
	return OK;
}

/* Any failure is the file's. */
static enum status config_failed(const char *path, struct err *err)
{
	(void)err_wrap(err, "--config %s", path);
	err->code = E_CONF;
	return E_CONF;
}

static enum status parse_config(struct parse *p, struct err *err)
{
	size_t i = find_row(p, S("config"));
	auto_buf struct buf text = buf_make(CONFIG_LIMIT);
	auto_json struct json *root = NULL;
	const char *path;

	if (i == p->n || p->set[i] == UNSET)
		return OK;
	memcpy(&path, p->into + p->row[i]->at, sizeof(path));
	if (file_read(path, &text, err) != OK ||
	    json_parse(buf_slice(&text), &root, err) != OK ||
	    set_members(p, root, err) != OK)
		return config_failed(path, err);
	return OK;
}

/* What nobody said. */
static enum status finish(struct parse *p, struct err *err)
{
	char name[ENV_NAME_LIMIT];

	for (size_t i = 0; i < p->n; i++) {
		const struct opt *row = p->row[i];

		if (p->set[i] != UNSET)
			continue;
		if (row->fallback != NULL)
			TRY(set_text(p, i, row->fallback,
				     (struct origin){ FALLBACK, row->name },
				     err));
		else if ((row->flags & OPT_REQUIRED) != 0 &&
			 (row->flags & OPT_NO_ENV) != 0)
			return err_set(err, E_USAGE, "--%s %s is required",
				       row->name, row->arg);
		else if ((row->flags & OPT_REQUIRED) != 0) {
			env_name(row, name);
			return err_set(err, E_USAGE,
				       "--%s %s (or %s) is required", row->name,
				       row->arg, name);
		}
	}
	return OK;
}

enum status opts_parse(const struct opt_table *tables, size_t n_tables,
		       int argc, char *const *argv, void *into,
		       struct opt_args *args, bool *help, struct err *err)
{
	struct parse p = { .into = into, .args = args };

	args->n = 0;
	*help = asks_help(argc, argv);
	if (*help)
		return OK;
	collect_rows(&p, tables, n_tables);
	TRY(parse_argv(&p, argc, argv, err));
	TRY(parse_env(&p, err));
	TRY(parse_config(&p, err));
	return finish(&p, err);
}

/* Help. */

#define HELP_GAP 2 /* spaces before the option, and before its help */

static size_t option_width(const struct opt *row)
{
	size_t arg = row->arg == NULL ? 0 : 1 + strlen(row->arg);

	return HELP_GAP + 2 + strlen(row->name) + arg + HELP_GAP;
}

static void put_spaces(struct buf *out, size_t n)
{
	for (; n > 0; n--)
		buf_put_u8(out, ' ');
}

static void put_row(const struct opt *row, size_t column, struct buf *out)
{
	put_spaces(out, HELP_GAP);
	buf_putf(out, "--%s%s%s", row->name, row->arg == NULL ? "" : " ",
		 row->arg == NULL ? "" : row->arg);
	put_spaces(out, HELP_GAP + column - option_width(row));
	buf_put_str(out, row->help);
	if (row->fallback != NULL && row->fallback[0] != '\0' &&
	    row->kind != OPT_FLAG)
		buf_putf(out, " (default %s)", row->fallback);
	if ((row->flags & OPT_REQUIRED) != 0)
		buf_put_str(out, " (required)");
	buf_put_u8(out, '\n');
}

void opts_help(const struct opt_table *table, struct buf *out)
{
	size_t column = 0;

	for (size_t i = 0; i < table->n; i++) {
		size_t width = option_width(&table->rows[i]);

		if ((table->rows[i].flags & OPT_HIDDEN) == 0 && width > column)
			column = width;
	}
	for (size_t i = 0; i < table->n; i++)
		if ((table->rows[i].flags & OPT_HIDDEN) == 0)
			put_row(&table->rows[i], column, out);
}
