/* confd help: what there is; and --version, --install, --completion. */
#include <errno.h>
#include <stdio.h>
#include <unistd.h>

#include "attest/tee/tee.h"
#include "build/version.h"
#include "cmd/applet.h"
#include "cmd/completion.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/io/loop.h"
#include "core/json.h"
#include "sandbox/seccomp.h"

struct help_opts {
	struct common_opts common;
	bool version;
	const char *install;
	const char *completion;
};

static const struct opt rows[] = {
	{ .name = "completion",
	  .arg = "SHELL",
	  .help = "print a completion script for bash, zsh or fish",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct help_opts, completion) },
	{ .name = "install",
	  .arg = "DIR",
	  .help = "make the symlinks confd-APPLET in DIR",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct help_opts, install) },
	{ .name = "version",
	  .help = "print version, commit and libraries",
	  .kind = OPT_FLAG,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct help_opts, version) },
};

static void print_version(void)
{
	printf("confd %s (%s)\n", CONFD_VERSION, CONFD_COMMIT);
	printf("libraries: %s, libevent %s, cJSON %s, libseccomp %s\n",
	       crypto_library(), loop_library(), json_library(),
	       seccomp_library());
	printf("software TEE (sim): %s\n",
	       tee_find(S("sim"))->missing == NULL
		       ? "compiled in, for tests and demonstrations"
		       : "not compiled in");
}

static void print_overview(void)
{
	printf("confd: confidential AI inference in one executable\n\n"
	       "usage: confd APPLET [options]\n\n");
	for (size_t i = 0; i < n_applets; i++)
		if ((applets[i]->needs & IS_INTERNAL) == 0)
			printf("  %-9s %s\n", applets[i]->name,
			       applets[i]->summary);
	printf("\n'confd help APPLET' and 'confd APPLET --help' tell more, "
	       "'man confd' all.\n"
	       "'confd demo' shows it working on this machine.\n");
}

/* Links beside each other point at the file name only, so that the
 * directory can be moved. */
static enum status make_link(const char *target, const char *dir,
			     const char *name, struct err *err)
{
	auto_buf struct buf path = buf_make(4096);

	buf_putf(&path, "%s/confd-%s", dir, name);
	TRY(buf_check(&path, "path", err));
	const char *link = buf_cstr(&path);
	if (unlink(link) < 0 && errno != ENOENT)
		return err_errno(err, "replace %s", link);
	if (symlink(target, link) < 0)
		return err_errno(err, "make %s", link);
	return OK;
}

static enum status install(const char *dir, struct err *err)
{
	char self[4096];
	auto_buf struct buf own = buf_make(4096);
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);

	if (n < 0)
		return err_errno(err, "read /proc/self/exe");
	self[n] = '\0';
	buf_putf(&own, "%s/confd", dir);
	TRY(buf_check(&own, "path", err));
	const char *target = access(buf_cstr(&own), X_OK) == 0 ? "confd" : self;

	for (size_t i = 0; i < n_applets; i++)
		if ((applets[i]->needs & IS_INTERNAL) == 0)
			TRY(make_link(target, dir, applets[i]->name, err));
	return OK;
}

static enum status help_applet(const char *name, struct err *err)
{
	auto_buf struct buf text = buf_make(64u << 10);
	const struct applet *a = applet_find(name);
	const char *near = applet_near(name);

	if (a == NULL)
		return err_set(err, E_USAGE, "no applet '%s'%s%s%s", name,
			       near != NULL ? "; did you mean '" : "",
			       near != NULL ? near : "",
			       near != NULL ? "'?" : "");
	applet_usage(a, &text);
	(void)fwrite(buf_slice(&text).p, 1, text.len, stdout);
	return OK;
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct help_opts *o = opts;

	if (o->version) {
		print_version();
		return OK;
	}
	if (o->install != NULL)
		return install(o->install, err);
	if (o->completion != NULL)
		return completion_print(o->completion, err);
	if (args->n > 0)
		return help_applet(args->operands[0], err);
	print_overview();
	return OK;
}

static const struct verb verbs[] = {
	{ .operands = "[APPLET]",
	  OPTS(rows),
	  .opts_size = sizeof(struct help_opts),
	  .max_operands = 1,
	  .run = run },
};

const struct applet applet_help = {
	.name = "help",
	.summary = "list the applets, or explain one",
	VERBS(verbs),
};
