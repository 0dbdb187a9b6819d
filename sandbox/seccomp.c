#include "sandbox/seccomp.h"

#include <errno.h>
#include <linux/audit.h>
#include <seccomp.h>
#include <stdio.h>
#include <sys/prctl.h>

#include "core/cleanup.h"
#include "core/slice.h"

/* Calls with these numbers are later (Linux 6.5 and on; the same on all
 * architectures) than any that a row names: they are answered as unknown,
 * whatever names libseccomp has by then. */
#define LATER_FROM 451 /* cachestat */
#define LATER_END 640

#define NAME_SIZE 40 /* of a system call */

static void release(scmp_filter_ctx *f)
{
	if (*f != NULL)
		seccomp_release(*f);
}
#define auto_filter __attribute__((cleanup(release)))

/* libseccomp answers with a negative errno. */
static enum status failed(int rc, struct slice what, struct err *err)
{
	errno = -rc;
	return err_errno(err, "system call filter: %.*s", SLICE_FMT(what));
}

static struct scmp_arg_cmp compare(const struct profile_test *t)
{
	return (struct scmp_arg_cmp){
		.arg = t->arg - 1u,
		.op = t->differs ? SCMP_CMP_NE : SCMP_CMP_MASKED_EQ,
		.datum_a = t->differs ? t->value : t->mask,
		.datum_b = t->value
	};
}

/* The number of a call; -1 where this architecture has none. */
static int number(struct slice call)
{
	char name[NAME_SIZE] = "";

	memcpy(name, call.p, call.len < NAME_SIZE ? call.len : NAME_SIZE - 1);
	int nr = seccomp_syscall_resolve_name(name);
	return nr < 0 ? -1 : nr;
}

/* Allow one call, at times or always. */
static enum status allow(scmp_filter_ctx f, const struct profile_row *row,
			 struct slice call, struct err *err)
{
	struct scmp_arg_cmp cmp[countof(row->test)];
	uint32_t act = row->ignored ? SCMP_ACT_ERRNO(0) : SCMP_ACT_ALLOW;
	unsigned n = 0;
	int nr = number(call);

	if (nr < 0)
		return OK;
	while (n < countof(row->test) && row->test[n].arg != 0) {
		cmp[n] = compare(&row->test[n]);
		n++;
	}
	int rc = seccomp_rule_add_array(f, act, nr, n, cmp);
	return rc < 0 ? failed(rc, call, err) : OK;
}

static enum status add_allowed(scmp_filter_ctx f, const struct profile *p,
			       struct err *err)
{
	size_t n;
	const struct profile_row *rows = profile_rows(&n);
	struct slice rest, call;

	for (size_t i = 0; i < n; i++) {
		if ((rows[i].groups & p->groups) == 0)
			continue;
		rest = slice_str(rows[i].calls);
		while (slice_split(&rest, ' ', &call))
			TRY(allow(f, &rows[i], call, err));
	}
	return OK;
}

static enum status refuse(scmp_filter_ctx f, uint32_t action, int nr,
			  struct slice what, struct err *err)
{
	int rc = nr < 0 ? 0 : seccomp_rule_add(f, action, nr, 0);

	/* An action that is the default already needs no rule. */
	return rc < 0 && rc != -EACCES ? failed(rc, what, err) : OK;
}

static bool has_word(const char *words, struct slice word)
{
	struct slice rest = slice_str(words), one;

	while (slice_split(&rest, ' ', &one))
		if (slice_eq(one, word))
			return true;
	return false;
}

/* True when some row of the profile allows the call, if only at times. */
static bool allows(const struct profile *p, struct slice call)
{
	size_t n;
	const struct profile_row *rows = profile_rows(&n);

	for (size_t i = 0; i < n; i++)
		if ((rows[i].groups & p->groups) != 0 &&
		    has_word(rows[i].calls, call))
			return true;
	return false;
}

static enum status add_intruders(scmp_filter_ctx f, const struct profile *p,
				 struct err *err)
{
	uint32_t act = p->kill ? SCMP_ACT_KILL_PROCESS : SCMP_ACT_ERRNO(EPERM);
	struct slice rest = slice_str(profile_intruders()), call;

	while (slice_split(&rest, ' ', &call))
		if (!allows(p, call))
			TRY(refuse(f, act, number(call), call, err));
	return OK;
}

static enum status add_unknown(scmp_filter_ctx f, struct err *err)
{
	const uint32_t enosys = SCMP_ACT_ERRNO(ENOSYS);

	TRY(refuse(f, enosys, number(S("clone3")), S("clone3"), err));
	for (int nr = LATER_FROM; nr < LATER_END; nr++)
		TRY(refuse(f, enosys, nr, S("later calls"), err));
	return OK;
}

static enum status load(scmp_filter_ctx f, struct err *err)
{
	int rc = seccomp_attr_set(f, SCMP_FLTATR_ACT_BADARCH,
				  SCMP_ACT_KILL_PROCESS);
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_NNP, 1);
	/* A tree of comparisons rather than a list of three hundred. */
	if (rc == 0)
		rc = seccomp_attr_set(f, SCMP_FLTATR_CTL_OPTIMIZE, 2);
	if (rc == 0)
		rc = seccomp_load(f);
	return rc < 0 ? failed(rc, S("load"), err) : OK;
}

enum status seccomp_apply(const struct profile *p, struct err *err)
{
	bool open = p->other == PROFILE_ALLOW;
	auto_filter scmp_filter_ctx f =
		seccomp_init(open ? SCMP_ACT_ALLOW : SCMP_ACT_ERRNO(EPERM));
	if (f == NULL)
		return err_set(err, E_UNAVAIL,
			       "system call filter: this kernel or "
			       "architecture has none");
	TRY(add_intruders(f, p, err));
	if (!open) {
		TRY(add_allowed(f, p, err));
		TRY(add_unknown(f, err));
	}
	return load(f, err);
}

const char *seccomp_library(void)
{
	static char text[24];
	const struct scmp_version *v = seccomp_version();

	(void)snprintf(text, sizeof(text), "%u.%u.%u", v->major, v->minor,
		       v->micro);
	return text;
}
