#include "cmd/completion.h"

#include <stdio.h>

#include "cmd/applet.h"
#include "core/cleanup.h"

static bool shown(const struct applet *a)
{
	return (a->needs & IS_INTERNAL) == 0;
}

/* The words that may follow an applet's name: its verbs and options. */
static void print_options(const struct opt_table *t, const char *prefix,
			  const char *end)
{
	for (size_t i = 0; i < t->n; i++)
		if ((t->rows[i].flags & OPT_HIDDEN) == 0)
			printf("%s--%s%s", prefix, t->rows[i].name, end);
}

static void print_words(const struct applet *a)
{
	for (size_t i = 0; i < a->n_verbs; i++) {
		if (a->verbs[i].name != NULL)
			printf(" %s", a->verbs[i].name);
		print_options(&a->verbs[i].opts, " ", "");
	}
	print_options(&applet_common, " ", "");
	printf(" --help");
}

static void print_bash_line(const char *applet, const char *verb,
			    const struct opt_table *t)
{
	printf("\t\t'%s %s') words='", applet, verb);
	print_options(t, "", " ");
	print_options(&applet_common, "", " ");
	printf("--help' ;;\n");
}

/* One line a verb; before there is one, its name is what is asked for. */
static void print_bash_applet(const struct applet *a)
{
	if (a->verbs[0].name == NULL) {
		print_bash_line(a->name, "", &a->verbs[0].opts);
		return;
	}
	printf("\t\t'%s ') words='", a->name);
	for (size_t i = 0; i < a->n_verbs; i++)
		printf("%s ", a->verbs[i].name);
	printf("--help' ;;\n");
	for (size_t i = 0; i < a->n_verbs; i++)
		print_bash_line(a->name, a->verbs[i].name, &a->verbs[i].opts);
}

/* What follows an option may be its value: that is left to the shell, which
 * completes files. */
static void print_bash(void)
{
	int bar = 0;

	printf("# bash completion of confd\n"
	       "_confd()\n{\n"
	       "\tlocal cur=${COMP_WORDS[COMP_CWORD]} words= verb=\n"
	       "\tlocal prev=${COMP_WORDS[COMP_CWORD-1]}\n"
	       "\tCOMPREPLY=()\n"
	       "\t[[ $prev == --* && $cur != -* ]] && return\n"
	       "\tif [ \"$COMP_CWORD\" -eq 1 ]; then\n"
	       "\t\twords='");
	for (size_t i = 0; i < n_applets; i++)
		if (shown(applets[i]))
			printf("%s ", applets[i]->name);
	printf("--version --help --install'\n\telse\n"
	       "\t\t[ \"$COMP_CWORD\" -gt 2 ] && verb=${COMP_WORDS[2]}\n"
	       "\t\tcase ${COMP_WORDS[1]} in\n\t\t");
	for (size_t i = 0; i < n_applets; i++)
		if (shown(applets[i]) && applets[i]->verbs[0].name == NULL)
			printf("%s%s", bar++ > 0 ? "|" : "", applets[i]->name);
	printf(") verb= ;;\n\t\tesac\n"
	       "\t\tcase \"${COMP_WORDS[1]} $verb\" in\n");
	for (size_t i = 0; i < n_applets; i++)
		if (shown(applets[i]))
			print_bash_applet(applets[i]);
	printf("\t\tesac\n\tfi\n"
	       "\tmapfile -t COMPREPLY < <(compgen -W \"$words\" -- \"$cur\")\n"
	       "}\ncomplete -o default -F _confd confd\n");
}

static void print_zsh(void)
{
	printf("#compdef confd\n"
	       "local -a applets rest\n"
	       "applets=(\n");
	for (size_t i = 0; i < n_applets; i++)
		if (shown(applets[i]))
			printf("\t'%s:%s'\n", applets[i]->name,
			       applets[i]->summary);
	printf(")\nif (( CURRENT == 2 )); then\n"
	       "\t_describe applet applets\n\treturn\nfi\n"
	       "case $words[2] in\n");
	for (size_t i = 0; i < n_applets; i++) {
		if (!shown(applets[i]))
			continue;
		printf("%s) rest=(", applets[i]->name);
		print_words(applets[i]);
		printf(") ;;\n");
	}
	printf("esac\ncompadd -a rest\n_files\n");
}

static void print_fish(void)
{
	for (size_t i = 0; i < n_applets; i++) {
		const struct applet *a = applets[i];

		if (!shown(a))
			continue;
		printf("complete -c confd -n __fish_use_subcommand -a %s "
		       "-d '%s'\n",
		       a->name, a->summary);
		printf("complete -c confd -n '__fish_seen_subcommand_from %s' "
		       "-a '",
		       a->name);
		print_words(a);
		printf("'\n");
	}
}

enum status completion_print(const char *shell, struct err *err)
{
	static const struct {
		const char *shell;
		void (*print)(void);
	} shells[] = {
		{ "bash", print_bash },
		{ "zsh", print_zsh },
		{ "fish", print_fish },
	};

	for (size_t i = 0; i < countof(shells); i++) {
		if (strcmp(shell, shells[i].shell) == 0) {
			shells[i].print();
			return OK;
		}
	}
	return err_set(err, E_USAGE,
		       "--completion '%s': expected bash, zsh or fish", shell);
}
