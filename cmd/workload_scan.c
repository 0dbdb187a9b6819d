#include "cmd/workload_scan.h"

#include "cmd/digest.h"
#include "core/cleanup.h"
#include "sandbox/mounts.h"

struct workload_scan {
	struct digest *command, *tree; /* NULL: not wanted, or done */
	struct workload_facts facts;
};

/* The program that is executed for argv[0] in the sandbox. */
static enum status open_command(const struct workload_request *r,
				struct workload_scan *s, struct err *err)
{
	const char *path = r->command.word[0];
	bool replaced;

	s->facts.alone = true;
	/* Ours, whatever root has there. */
	if (strcmp(path, MOUNTS_SHIM) == 0)
		return digest_self_new(&s->command, err);
	TRY(digest_file_new(r->root, path, &s->command, err));
	TRY(digest_is_replaced(s->command, r->root, &replaced, err));
	if (replaced)
		return err_set(err, E_CONF,
			       "%s: of proc, sys, dev, tmp and .confd a "
			       "sandbox has its own; keep programs elsewhere",
			       path);
	if (r->root == NULL)
		return OK;
	return digest_is_static(s->command, &s->facts.alone, err);
}

enum status workload_scan_new(const struct workload_request *r,
			      bool want_command, bool want_tree,
			      struct workload_scan **out, struct err *err)
{
	auto_workload_scan struct workload_scan *s = mem_must(sizeof(*s));

	if (want_command && r->command.n > 0 && open_command(r, s, err) != OK)
		return err_wrap(err, "command");
	if (want_tree && r->root != NULL &&
	    digest_tree_new(r->root, &s->tree, err) != OK)
		return err_wrap(err, "root");
	*out = take(s);
	return OK;
}

enum status workload_scan_step(struct workload_scan *s, size_t bytes,
			       struct workload_facts *out, struct err *err)
{
	if (s->command != NULL) {
		TRY(digest_step(s->command, bytes, s->facts.command, err));
		s->facts.has_command = true;
		digest_free(take(s->command));
		return E_AGAIN;
	}
	if (s->tree != NULL) {
		TRY(digest_step(s->tree, bytes, s->facts.tree, err));
		s->facts.has_tree = true;
		digest_free(take(s->tree));
	}
	*out = s->facts;
	return OK;
}

void workload_scan_free(struct workload_scan *s)
{
	if (s == NULL)
		return;
	digest_free(s->command);
	digest_free(s->tree);
	mem_free(s);
}
