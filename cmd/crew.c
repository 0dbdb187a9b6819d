#include "cmd/crew.h"

#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/json.h"
#include "core/log.h"

#define FOLLOW_MS 2000
#define NOBODY 65534

struct member {
	struct crew *crew;
	struct proc *proc;
	const char *role;
	bool ended;
};

struct crew {
	struct loop *loop;
	const char *name;
	struct member member[CREW_MAX];
	size_t n;
	bool stopping; /* one has ended, or was told to */
	bool told;     /* by crew_stop */
	bool forced;   /* all were signalled */
	struct loop_timer *follow;
	void (*stopped)(void *ctx);
	void *ctx;
	struct err end;
	unsigned weight; /* of end */
};

static void stop_rest(void *ctx)
{
	struct crew *c = ctx;

	c->forced = true;
	for (size_t i = 0; i < c->n; i++)
		proc_stop(c->member[i].proc, FOLLOW_MS);
}

enum status crew_new(struct loop *l, const char *name,
		     void (*stopped)(void *ctx), void *ctx, struct crew **out,
		     struct err *err)
{
	(void)err;
	struct crew *c = mem_must(sizeof(*c));

	c->loop = l;
	c->name = name;
	c->stopped = stopped;
	c->ctx = ctx;
	c->follow = loop_timer_new(l, stop_rest, c);
	*out = c;
	return OK;
}

static bool all_ended(const struct crew *c)
{
	for (size_t i = 0; i < c->n; i++)
		if (!c->member[i].ended)
			return false;
	return true;
}

/* The outcome that a role's exit status tells of; E_IO where none does. */
static enum status outcome_of(int exit_status)
{
	static const enum status told[] = { E_USAGE,   E_CONF,	E_PERM,
					    E_POLICY,  E_STALE, E_UNAVAIL,
					    E_CONFLICT };

	for (size_t i = 0; i < countof(told); i++)
		if (status_exit_code(told[i]) == exit_status)
			return told[i];
	return E_IO;
}

/* How much an end explains: that a channel closed is what the others say of
 * it, in whatever order the kernel tells of them. */
static unsigned weight(int status)
{
	if (WIFSIGNALED(status))
		return 3;
	return outcome_of(WEXITSTATUS(status)) != E_IO ? 2 : 1;
}

static void say_why(struct crew *c, const struct member *m, int status)
{
	unsigned w = weight(status);

	if (w <= c->weight)
		return;
	c->weight = w;
	if (WIFSIGNALED(status))
		(void)err_set(&c->end, E_IO, "role %s ended by signal %d",
			      m->role, WTERMSIG(status));
	else
		(void)err_set(&c->end, outcome_of(WEXITSTATUS(status)),
			      "role %s ended with status %d", m->role,
			      WEXITSTATUS(status));
}

/* Whether the first role ended as crew_stop told it: the signal may come
 * before it listens for it. */
static bool as_told(int status)
{
	return WIFEXITED(status) ? WEXITSTATUS(status) == 0
				 : WTERMSIG(status) == SIGTERM;
}

/* Whether nobody meant it to end, or not so. */
static bool is_failure(const struct crew *c, const struct member *m, int status)
{
	if (c->told)
		return m == &c->member[0] && !as_told(status);
	return !c->forced;
}

static void exited(void *ctx, int status)
{
	struct member *m = ctx;
	struct crew *c = m->crew;

	m->ended = true;
	if (is_failure(c, m, status))
		say_why(c, m, status);
	c->stopping = true;
	/* The others see their channels close; give them a moment. */
	loop_timer_arm(c->follow, FOLLOW_MS / 4);
	if (all_ended(c))
		c->stopped(c->ctx);
}

/* The arguments that every role gets; how many. */
static size_t common_args(const struct crew *c, const struct crew_role *r,
			  const char *argv[CREW_ARGS_MAX])
{
	size_t n = 0;

	argv[n++] = "confd";
	argv[n++] = c->name;
	argv[n++] = "--role";
	argv[n++] = r->role;
	argv[n++] = "--log";
	argv[n++] = log_is_json() ? "json" : "text";
	if (log_least() != LOG_INFO)
		argv[n++] = log_least() == LOG_DEBUG ? "--verbose" : "--quiet";
	return n;
}

static enum status make_argv(const struct crew *c, const struct crew_role *r,
			     const char *argv[CREW_ARGS_MAX], struct err *err)
{
	size_t n = common_args(c, r, argv);

	for (size_t i = 0; r->args != NULL && r->args[i] != NULL; i++) {
		if (n == CREW_ARGS_MAX - 1)
			return err_set(err, E_LIMIT,
				       "role %s: more than %d arguments",
				       r->role, CREW_ARGS_MAX - 1);
		argv[n++] = r->args[i];
	}
	argv[n] = NULL;
	return OK;
}

enum status crew_start(struct crew *c, const struct crew_role *r,
		       struct err *err)
{
	const char *argv[CREW_ARGS_MAX];
	struct proc_spec spec = { .argv = argv,
				  .n_fds = r->n_fds,
				  .out_fd = -1,
				  .err_fd = -1,
				  .uid = r->keep_user ? 0 : NOBODY,
				  .gid = r->keep_user ? 0 : NOBODY,
				  .new_net = r->no_network,
				  .new_group = true };

	if (c->n == CREW_MAX || r->n_fds > PROC_FDS_MAX)
		return err_set(err, E_LIMIT,
			       "role %s: one role or descriptor too many",
			       r->role);
	TRY(make_argv(c, r, argv, err));
	memcpy(spec.fds, r->fds, r->n_fds * sizeof(int));
	struct member *m = &c->member[c->n];
	m->crew = c;
	m->role = r->role;
	TRY(proc_start(c->loop, &spec, exited, m, &m->proc, err));
	c->n++;
	return OK;
}

void crew_stop(struct crew *c, int64_t ms)
{
	if (c->stopping) {
		stop_rest(c);
		return;
	}
	c->stopping = c->told = true;
	if (c->n == 0)
		c->stopped(c->ctx);
	else
		proc_stop(c->member[0].proc, ms);
}

const struct err *crew_end(const struct crew *c)
{
	return &c->end;
}

void crew_free(struct crew *c)
{
	if (c == NULL)
		return;
	loop_timer_free(c->follow);
	for (size_t i = 0; i < c->n; i++)
		proc_free(c->member[i].proc);
	mem_free(c);
}

enum status crew_ready(const char *path, const char *what, const char *address,
		       struct err *err)
{
	auto_buf struct buf text = buf_make(4096);
	struct json_out w = { .buf = &text };

	proc_notify("READY=1");
	if (path == NULL)
		return OK;
	json_open_object(&w, NULL);
	json_put_u64(&w, "pid", (uint64_t)getpid());
	json_put_cstr(&w, what, address);
	json_close_object(&w);
	buf_put_u8(&text, '\n');
	return file_write(path, buf_slice(&text), 0644, err);
}

void crew_not_ready(const char *path)
{
	proc_notify("STOPPING=1");
	if (path != NULL)
		(void)unlink(path);
}

void crew_raise_files(void)
{
	struct rlimit r;

	if (getrlimit(RLIMIT_NOFILE, &r) == 0) {
		r.rlim_cur = r.rlim_max;
		(void)setrlimit(RLIMIT_NOFILE, &r);
	}
}
