#include "sandbox/supervise.h"

#include <errno.h>
#include <fcntl.h>

#include "core/cleanup.h"

#define READ_STEP 4096u
#define READS_A_TURN 16 /* so that a talker does not keep the loop */

/* A workload that runs when nobody reads its pipe any more would hang, so it
 * is read to the end whatever the policy. */
struct supervise {
	struct runtime *runtime;
	enum supervise_state state;
	enum runtime_end end;
	struct cgroup_state limits;
	bool stopped_by_us;
	void (*changed)(void *ctx);
	void *ctx;

	int pipe; /* our end of stdout and stderr; -1: none */
	struct loop_fd *watch;
	struct buf log;
	uint64_t dropped;
};

const char *supervise_state_name(enum supervise_state state)
{
	static const char *const names[] = {
		[SUPERVISE_RUNNING] = "running",
		[SUPERVISE_STOPPED] = "stopped",
		[SUPERVISE_FAILED] = "failed",
	};

	return (size_t)state < countof(names) ? names[state] : "unknown";
}

/* The last SUPERVISE_LOG_MAX bytes are kept. */
static void keep(struct supervise *s, struct slice bytes)
{
	size_t over = 0;

	if (s->log.len + bytes.len > SUPERVISE_LOG_MAX)
		over = s->log.len + bytes.len - SUPERVISE_LOG_MAX;
	s->dropped += over;
	buf_consume(&s->log, over);
	buf_put(&s->log, bytes);
}

static void close_pipe(struct supervise *s)
{
	loop_fd_free(s->watch);
	s->watch = NULL;
	if (s->pipe >= 0)
		(void)close(s->pipe);
	s->pipe = -1;
}

/* Take some of what was printed; false when nothing is there. */
static bool read_some(struct supervise *s)
{
	uint8_t bytes[READ_STEP];
	ssize_t n = read(s->pipe, bytes, sizeof(bytes));

	if (n > 0) {
		keep(s, slice_make(bytes, (size_t)n));
		explicit_bzero(bytes, (size_t)n);
		return true;
	}
	if (n == 0 || (errno != EAGAIN && errno != EINTR))
		close_pipe(s);
	return false;
}

static void pipe_ready(void *ctx, unsigned what)
{
	struct supervise *s = ctx;

	(void)what;
	for (int i = 0; i < READS_A_TURN; i++)
		if (!read_some(s))
			break;
}

static void ended(void *ctx, enum runtime_end end)
{
	struct supervise *s = ctx;
	bool well = s->stopped_by_us || end == RUNTIME_END_OK;

	s->state = well ? SUPERVISE_STOPPED : SUPERVISE_FAILED;
	s->end = end;
	/* All of its processes are gone: what is left is in the pipe. */
	while (s->pipe >= 0 && read_some(s))
		continue;
	close_pipe(s);
	if (s->changed != NULL)
		s->changed(s->ctx);
}

static enum status open_pipe(struct supervise *s, struct loop *l,
			     enum spec_logs logs, int *theirs, struct err *err)
{
	int fds[2];

	if (logs == SPEC_LOGS_OFF)
		return OK;
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, "workload: pipe");
	s->pipe = fds[0];
	*theirs = fds[1];
	if (fcntl(s->pipe, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, "workload: pipe");
	s->watch = loop_fd_new(l, s->pipe, pipe_ready, s);
	loop_fd_want(s->watch, LOOP_READ);
	return OK;
}

static void supervise_freep(struct supervise **s)
{
	supervise_free(*s);
}

enum status supervise_start(struct loop *l, const struct runtime_settings *set,
			    const struct sandbox_spec *spec, int link,
			    void (*changed)(void *ctx), void *ctx,
			    struct supervise **out, struct err *err)
{
	__attribute__((cleanup(supervise_freep))) struct supervise *s =
		mem_must(sizeof(*s));
	auto_fd int theirs = -1;

	*s = (struct supervise){ .changed = changed,
				 .ctx = ctx,
				 .pipe = -1,
				 .log = buf_make(SUPERVISE_LOG_MAX) };
	TRY(open_pipe(s, l, spec->logs, &theirs, err));
	TRY(runtime_start(l, set, spec, link, theirs, theirs, ended, s,
			  &s->runtime, err));
	s->limits = runtime_limits(s->runtime);
	*out = take(s);
	return OK;
}

enum supervise_state supervise_get_state(const struct supervise *s)
{
	return s->state;
}

enum runtime_end supervise_get_end(const struct supervise *s)
{
	return s->end;
}

struct cgroup_state supervise_get_limits(const struct supervise *s)
{
	return s->limits;
}

uint64_t supervise_logs(const struct supervise *s, struct buf *out)
{
	buf_put(out, buf_slice(&s->log));
	return s->dropped;
}

void supervise_stop(struct supervise *s, int64_t ms)
{
	if (s->state != SUPERVISE_RUNNING)
		return;
	s->stopped_by_us = true;
	runtime_stop(s->runtime, ms);
}

void supervise_free(struct supervise *s)
{
	if (s == NULL)
		return;
	runtime_free(s->runtime);
	close_pipe(s);
	buf_done(&s->log);
	mem_free(s);
}
