#include "cmd/applet.h"

#include <assert.h>
#include <signal.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/log.h"
#include "core/secret.h"

extern const struct applet applet_as, applet_worker, applet_proxy,
	applet_client, applet_init, applet_manifest, applet_status,
	applet_workload, applet_verify, applet_measure, applet_key, applet_demo,
	applet_doctor, applet_shim, applet_help;

const struct applet *const applets[] = {
	&applet_as,	&applet_worker,	  &applet_proxy,  &applet_client,
	&applet_init,	&applet_manifest, &applet_status, &applet_workload,
	&applet_verify, &applet_measure,  &applet_key,	  &applet_demo,
	&applet_doctor, &applet_shim,	  &applet_help,
};
const size_t n_applets = countof(applets);

static const struct opt common_rows[] = {
	{ .name = "config",
	  .arg = "FILE",
	  .help = "options as a JSON object, by their names here",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct common_opts, config) },
	{ .name = "verbose",
	  .help = "say more",
	  .kind = OPT_FLAG,
	  OPT_AT(struct common_opts, verbose) },
	{ .name = "quiet",
	  .help = "say only what went wrong",
	  .kind = OPT_FLAG,
	  OPT_AT(struct common_opts, quiet) },
	{ .name = "log",
	  .arg = "FORMAT",
	  .help = "form of log lines: text or json",
	  .fallback = "text",
	  .kind = OPT_STR,
	  OPT_AT(struct common_opts, log) },
};
const struct opt_table applet_common = { common_rows, countof(common_rows) };

const struct applet *applet_find(const char *name)
{
	static const char prefix[] = "confd-";

	if (strncmp(name, prefix, sizeof(prefix) - 1) == 0)
		name += sizeof(prefix) - 1;
	for (size_t i = 0; i < n_applets; i++)
		if (strcmp(applets[i]->name, name) == 0)
			return applets[i];
	return NULL;
}

const char *applet_near(const char *name)
{
	const char *names[32];
	size_t n = 0;

	static_assert(countof(applets) <= countof(names), "room for all names");
	for (size_t i = 0; i < n_applets; i++)
		if ((applets[i]->needs & IS_INTERNAL) == 0)
			names[n++] = applets[i]->name;
	return opts_near(name, names, n);
}

static bool has_verbs(const struct applet *a)
{
	return a->n_verbs > 0 && a->verbs[0].name != NULL;
}

/* " VERB [options] OPERANDS" */
static void usage_line(const struct applet *a, const struct verb *v,
		       struct buf *out)
{
	buf_putf(out, "  confd %s", a->name);
	if (v->name != NULL)
		buf_putf(out, " %s", v->name);
	buf_put_str(out, " [options]");
	if (v->operands != NULL)
		buf_putf(out, " %s", v->operands);
	buf_put_str(out, "\n");
}

static void usage_of_verb(const struct applet *a, const struct verb *v,
			  struct buf *out)
{
	if (v->name != NULL)
		buf_putf(out, "\n%s: %s\n", v->name, v->summary);
	else
		buf_put_str(out, "\n");
	usage_line(a, v, out);
	opts_help(&v->opts, out);
}

void applet_usage(const struct applet *a, struct buf *out)
{
	buf_putf(out, "confd %s: %s\n", a->name, a->summary);
	for (size_t i = 0; i < a->n_verbs; i++)
		usage_of_verb(a, &a->verbs[i], out);
	buf_put_str(out, "\nOptions of every applet:\n");
	opts_help(&applet_common, out);
	buf_put_str(out, "  --help  this text\n");
	buf_putf(out, "\nMore: man confd-%s\n", a->name);
}

static void print_usage(const struct applet *a, FILE *to)
{
	auto_buf struct buf text = buf_make(64u << 10);

	applet_usage(a, &text);
	(void)fwrite(buf_slice(&text).p, 1, text.len, to);
}

static int complain(const struct applet *a, const struct err *err)
{
	(void)fflush(stdout);
	(void)fprintf(stderr, "confd %s: %s\n", a->name, err->text);
	return status_exit_code(err->code);
}

static const struct verb *pick_verb(const struct applet *a, const char *name,
				    struct err *err)
{
	const char *names[32];

	for (size_t i = 0; i < a->n_verbs; i++) {
		names[i] = a->verbs[i].name;
		if (name != NULL && strcmp(name, names[i]) == 0)
			return &a->verbs[i];
	}
	const char *near =
		opts_near(name == NULL ? "" : name, names, a->n_verbs);
	if (name == NULL)
		(void)err_set(err, E_USAGE,
			      "what shall it do? Verbs are listed by "
			      "'confd %s --help'",
			      a->name);
	else
		(void)err_set(err, E_USAGE,
			      "no verb '%s'%s%s%s; see "
			      "'confd %s --help'",
			      name, near != NULL ? "; did you mean '" : "",
			      near != NULL ? near : "", near != NULL ? "'" : "",
			      a->name);
	return NULL;
}

static enum status set_up(const struct applet *a,
			  const struct common_opts *common, struct err *err)
{
	bool json = strcmp(common->log, "json") == 0;

	if (!json && strcmp(common->log, "text") != 0)
		return err_set(err, E_USAGE,
			       "--log '%s': expected text or json",
			       common->log);
	if (common->verbose && common->quiet)
		return err_set(err, E_USAGE,
			       "--verbose and --quiet exclude each other");
	enum log_level least = common->verbose ? LOG_DEBUG
			       : common->quiet ? LOG_WARN
					       : LOG_INFO;
	log_setup(least, json, a->name);
	/* There is nothing to read anew, and a terminal that closes must not end
	 * it; those that have something take it up themselves. */
	if ((a->needs & IS_DAEMON) != 0)
		(void)signal(SIGHUP, SIG_IGN);
	if ((a->needs & NEEDS_SECRETS) != 0)
		TRY(secret_harden_process(err));
	if ((a->needs & NEEDS_CRYPTO) != 0)
		TRY(crypto_setup(err));
	return OK;
}

static enum status check_operands(const struct applet *a, const struct verb *v,
				  const struct opt_args *args, struct err *err)
{
	if (args->n >= v->min_operands && args->n <= v->max_operands)
		return OK;
	return err_set(err, E_USAGE,
		       "%zu operand%s, expected %s; see 'confd %s --help'",
		       args->n, args->n == 1 ? "" : "s",
		       v->operands != NULL ? v->operands : "none", a->name);
}

static enum status run_verb(const struct applet *a, const struct verb *v,
			    int argc, char *const *argv, struct err *err)
{
	const struct opt_table tables[] = { v->opts, applet_common };
	auto_mem void *opts = mem_must(v->opts_size);
	struct opt_args args = { 0 };
	bool help = false;

	TRY(opts_parse(tables, countof(tables), argc, argv, opts, &args, &help,
		       err));
	if (help) {
		print_usage(a, stdout);
		return OK;
	}
	TRY(check_operands(a, v, &args, err));
	TRY(set_up(a, opts, err));
	TRY(v->run(opts, &args, err));
	if (fflush(stdout) != 0 || ferror(stdout))
		return err_set(err, E_IO, "standard output: %s",
			       "not all could be written");
	return OK;
}

int applet_run(const struct applet *a, int argc, char *const *argv)
{
	const struct verb *v = &a->verbs[0];
	struct err err = { 0 };
	int skip = 1;

	if (has_verbs(a)) {
		const char *name = argc > 1 ? argv[1] : NULL;

		if (name != NULL && strcmp(name, "--help") == 0) {
			print_usage(a, stdout);
			return 0;
		}
		v = pick_verb(a, name, &err);
		if (v == NULL)
			return complain(a, &err);
		skip = 2;
	}
	if (run_verb(a, v, argc - skip, argv + skip, &err) != OK)
		return complain(a, &err);
	return 0;
}
