/* confd: one executable, many applets. */
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "cmd/applet.h"

static int unknown(const char *name)
{
	const char *near = applet_near(name);

	(void)fprintf(stderr, "confd: no applet '%s'", name);
	if (near != NULL)
		(void)fprintf(stderr, "; did you mean '%s'?", near);
	(void)fprintf(stderr, "\nSee 'confd help'.\n");
	return status_exit_code(E_USAGE);
}

/* Options of confd itself are served by the help applet. */
static const char *own_option(const char *arg)
{
	static const char *const own[] = { "--version", "--install",
					   "--completion", NULL };

	for (size_t i = 0; own[i] != NULL; i++)
		if (strncmp(arg, own[i], strlen(own[i])) == 0)
			return own[i];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *slash = argc > 0 ? strrchr(argv[0], '/') : NULL;
	const char *name = slash != NULL ? slash + 1
			   : argc > 0	 ? argv[0]
					 : "confd";
	const struct applet *a = applet_find(name);

	if (a != NULL)
		return applet_run(a, argc, argv);
	if (argc < 2 || strcmp(argv[1], "--help") == 0 ||
	    strcmp(argv[1], "-h") == 0)
		return applet_run(applet_find("help"), argc < 2 ? argc : 1,
				  argv);
	if (own_option(argv[1]) != NULL)
		return applet_run(applet_find("help"), argc, argv);
	a = applet_find(argv[1]);
	if (a == NULL)
		return unknown(argv[1]);
	return applet_run(a, argc - 1, argv + 1);
}
