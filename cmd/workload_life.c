#include "cmd/workload_life.h"

#include <sys/socket.h>
#include <sys/wait.h>

#include "cmd/workload_rules.h"
#include "core/cleanup.h"
#include "core/io/chan.h"
#include "core/io/conn.h"
#include "core/io/proc.h"
#include "core/log.h"
#include "proxy/messages.h"
#include "sandbox/namespace.h"
#include "sandbox/supervise.h"

#define NOBODY 65534
#define READY_MS 10000	     /* for the proxy to serve */
#define GRACE_MS 5000	     /* for a workload that is told to end */
#define ORPHAN_MS 2000	     /* for a proxy whose workload has ended */
#define SCAN_STEP (4u << 20) /* bytes read before others have their turn */
#define ARGS_MAX 48
#define LAST_WORDS 200 /* bytes of output that tell why it ended at once */

struct workload_life {
	const struct workload_world *world;
	struct workload_request request;
	unsigned slot;
	void (*settled)(void *ctx);
	void *ctx;

	enum workload_state state;
	enum workload_state result; /* when stopping has come to its end */
	const char *end; /* how it ended by itself; NULL: it did not */
	struct err why;

	struct loop_timer *step;     /* of the scan */
	struct loop_timer *deadline; /* for the proxy to serve */
	struct workload_scan *scan;
	struct workload_facts facts;
	char address[ADDR_TEXT_SIZE];
	bool tls;

	struct proc *proxy;
	bool proxy_ended;
	struct chan *chan;
	struct supervise *sandbox; /* stays when it has ended: the log */
	int link; /* the proxy's end, held so that the sandbox is not killed
		   * before it was told to end */
};

const char *workload_state_name(enum workload_state s)
{
	static const char *const names[] = {
		[WORKLOAD_STARTING] = "starting",
		[WORKLOAD_RUNNING] = "running",
		[WORKLOAD_STOPPING] = "stopping",
		[WORKLOAD_STOPPED] = "stopped",
		[WORKLOAD_FAILED] = "failed",
	};

	return (size_t)s < countof(names) ? names[s] : "unknown";
}

/* ---- ending ------------------------------------------------------------- */

static void release(struct workload_life *l)
{
	loop_timer_disarm(l->step);
	loop_timer_disarm(l->deadline);
	workload_scan_free(take(l->scan));
	proc_free(take(l->proxy));
	chan_free(take(l->chan));
	cleanup_fd(&l->link);
	l->link = -1;
}

static bool sandbox_runs(const struct workload_life *l)
{
	return l->sandbox != NULL &&
	       supervise_get_state(l->sandbox) == SUPERVISE_RUNNING;
}

static void settle(struct workload_life *l, enum workload_state state)
{
	release(l);
	l->state = state;
	l->settled(l->ctx);
}

/* It could not be started. */
static void fail(struct workload_life *l, const struct err *why)
{
	l->why = *why;
	l->end = "start";
	log_warn("workload-not-started", LOG_CSTR("name", l->request.name),
		 LOG_ERR(why));
	if (sandbox_runs(l))
		supervise_free(take(l->sandbox));
	settle(l, WORKLOAD_FAILED);
}

static void end_stopping(struct workload_life *l)
{
	const struct log_field fields[] = {
		LOG_CSTR("name", l->request.name),
		LOG_CSTR("state", workload_state_name(l->result)),
		LOG_CSTR("end", l->end != NULL ? l->end : "stopped"),
		LOG_END_,
	};

	log_event(l->result == WORKLOAD_FAILED ? LOG_WARN : LOG_INFO,
		  "workload-ended", fields);
	settle(l, l->result);
}

/* First the proxy ends, then the sandbox. */
static void go_on_stopping(struct workload_life *l)
{
	if (!l->proxy_ended)
		return;
	if (sandbox_runs(l))
		supervise_stop(l->sandbox,
			       l->result == WORKLOAD_STOPPED ? GRACE_MS : 0);
	else
		end_stopping(l);
}

static void begin_stopping(struct workload_life *l, enum workload_state result,
			   const char *end, int64_t proxy_ms)
{
	l->state = WORKLOAD_STOPPING;
	l->result = result;
	l->end = end;
	if (l->proxy_ended)
		go_on_stopping(l);
	else
		proc_stop(l->proxy, proxy_ms);
}

static void on_proxy_exited(void *ctx, int wait_status)
{
	struct workload_life *l = ctx;
	struct err err;

	l->proxy_ended = true;
	chan_free(take(l->chan));
	if (l->state == WORKLOAD_STARTING) {
		(void)err_set(&err, E_IO, "its proxy ended with %s %d",
			      WIFSIGNALED(wait_status) ? "signal" : "status",
			      WIFSIGNALED(wait_status)
				      ? WTERMSIG(wait_status)
				      : WEXITSTATUS(wait_status));
		fail(l, &err);
	} else if (l->state == WORKLOAD_RUNNING) {
		begin_stopping(l, WORKLOAD_FAILED, "proxy", 0);
	} else {
		go_on_stopping(l);
	}
}

/* A proxy that closes its channel, or talks out of turn, is no good. */
static void on_chan_gone(void *ctx, const struct err *why)
{
	struct workload_life *l = ctx;

	(void)why;
	chan_free(take(l->chan));
	if (l->state != WORKLOAD_STOPPING)
		proc_stop(l->proxy, ORPHAN_MS);
}

/* The end of what it printed, where operators may read it, as one line. */
static void put_last_words(const struct workload_life *l, struct buf *out)
{
	auto_buf struct buf all = buf_make(SUPERVISE_LOG_MAX);

	(void)supervise_logs(l->sandbox, &all);
	struct slice s = buf_slice(&all);
	while (s.len > 0 && s.p[s.len - 1] <= ' ')
		s.len--;
	if (s.len == 0)
		return;
	if (s.len > LAST_WORDS)
		s = slice_from(s, s.len - LAST_WORDS);
	buf_put_str(out, ": ");
	for (size_t i = 0; i < s.len; i++)
		buf_put_u8(out, s.p[i] == '\n' ? ' ' : s.p[i]);
}

static void on_sandbox_changed(void *ctx)
{
	struct workload_life *l = ctx;
	bool well = supervise_get_state(l->sandbox) == SUPERVISE_STOPPED;
	const char *end = runtime_end_name(supervise_get_end(l->sandbox));
	auto_buf struct buf words = buf_make(ERR_TEXT_MAX);
	struct err err;

	if (l->state == WORKLOAD_STARTING) {
		put_last_words(l, &words);
		(void)err_set(&err, E_CONFLICT,
			      "the command ended at once (%s)%.*s", end,
			      (int)words.len, buf_cstr(&words));
		fail(l, &err);
	} else if (l->state == WORKLOAD_RUNNING) {
		begin_stopping(l, well ? WORKLOAD_STOPPED : WORKLOAD_FAILED,
			       end, ORPHAN_MS);
	} else {
		go_on_stopping(l);
	}
}

/* ---- the proxy ---------------------------------------------------------- */

static void send_secret(struct workload_life *l, uint32_t type,
			const struct secret *s)
{
	if (s != NULL)
		chan_send(l->chan, type, secret_slice(s), -1);
}

void workload_life_send(struct workload_life *l)
{
	const struct workload_world *w = l->world;
	auto_buf struct buf until = buf_make(PROXY_LEASE_LEN);

	if (l->chan == NULL)
		return;
	if (l->tls)
		send_secret(l, MSG_TLS, w->tls);
	send_secret(l, MSG_KEYS, w->keys);
	buf_put_u64be(&until, w->keys != NULL ? (uint64_t)w->expires : 0);
	chan_send(l->chan, MSG_LEASE, buf_slice(&until), -1);
}

static enum status allowed(const struct workload_life *l, struct err *err)
{
	const struct manifest_worker *by = l->world->by;

	if (by == NULL || l->world->keys == NULL)
		return err_set(err, E_UNAVAIL,
			       "this worker has no lease of the attestation "
			       "service now");
	TRY(workload_rules_check(by, &l->request, err));
	return workload_rules_image(by, &l->request, &l->facts, err);
}

static void on_ready(void *ctx, struct slice body, int fd)
{
	struct workload_life *l = ctx;
	struct err err;

	(void)body;
	(void)fd;
	if (l->state != WORKLOAD_STARTING)
		return;
	/* The manifest may have changed since it was launched. */
	if (allowed(l, &err) != OK) {
		fail(l, &err);
		return;
	}
	loop_timer_disarm(l->deadline);
	l->state = WORKLOAD_RUNNING;
	log_info("workload-running", LOG_CSTR("name", l->request.name),
		 LOG_CSTR("address", l->address));
	l->settled(l->ctx);
}

static const struct chan_row rows[] = {
	{ MSG_READY, 0, 0, false, on_ready },
};

static void on_deadline(void *ctx)
{
	struct workload_life *l = ctx;
	struct err err;

	(void)err_set(&err, E_UNAVAIL, "its proxy does not serve after %d s",
		      READY_MS / 1000);
	fail(l, &err);
}

static void make_argv(const struct workload_life *l, const char *drain,
		      const char *argv[ARGS_MAX])
{
	const struct workload_words *a = &l->request.adapters;
	size_t n = 0;

	argv[n++] = "confd";
	argv[n++] = "proxy";
	argv[n++] = "--role";
	argv[n++] = "net";
	argv[n++] = "--log";
	argv[n++] = log_is_json() ? "json" : "text";
	if (log_least() != LOG_INFO)
		argv[n++] = log_least() == LOG_DEBUG ? "--verbose" : "--quiet";
	argv[n++] = "--drain";
	argv[n++] = drain;
	if (!l->tls)
		argv[n++] = "--plain";
	if (l->request.upstream != NULL) {
		argv[n++] = "--upstream";
		argv[n++] = l->request.upstream;
	}
	for (size_t i = 0; i < a->n && n + 3 <= ARGS_MAX; i++) {
		argv[n++] = "--adapter";
		argv[n++] = a->word[i];
	}
	argv[n] = NULL;
}

/* A server on TCP, or at a name in the network namespace's own space, is not
 * to be reached from an empty namespace. */
static bool needs_network(const struct workload_life *l)
{
	const char *up = l->request.upstream;

	return up != NULL && !slice_starts(slice_str(up), S("unix:/"));
}

static enum status start_proxy(struct workload_life *l, int listener,
			       struct err *err)
{
	const char *argv[ARGS_MAX];
	char drain[24];
	int fds[2];

	TRY(chan_pair(fds, err));
	auto_fd int ours = fds[0], theirs = fds[1];
	struct proc_spec spec = {
		.path = l->world->program,
		.argv = argv,
		.fds = { theirs, listener, l->link },
		.n_fds = l->link >= 0 ? 3 : 2,
		.out_fd = -1,
		.err_fd = -1,
		.uid = NOBODY,
		.gid = NOBODY,
		.new_net = !needs_network(l),
		.new_group = true,
	};

	(void)snprintf(drain, sizeof(drain), "%llu",
		       (unsigned long long)l->world->drain);
	make_argv(l, drain, argv);
	TRY(chan_new(l->world->loop, ours, rows, countof(rows), on_chan_gone, l,
		     &l->chan, err));
	(void)take_fd(&ours);
	return proc_start(l->world->loop, &spec, on_proxy_exited, l, &l->proxy,
			  err);
}

/* ---- starting ----------------------------------------------------------- */

static enum status bind_listener(struct workload_life *l, int *out,
				 struct err *err)
{
	const struct listener_settings set = { 0 };
	auto_fd int fd = -1;
	struct addr at;

	TRY(workload_request_listen(&l->request, &at, err));
	l->tls = at.tls;
	TRY(listener_bind(&at, &set, &fd, err));
	TRY(listener_bound(fd, &at, err));
	addr_text(&at, l->address);
	*out = take_fd(&fd);
	return OK;
}

static enum status start_sandbox(struct workload_life *l, struct err *err)
{
	const struct workload_request *r = &l->request;
	const struct workload_world *w = l->world;
	struct runtime_settings set = w->runtime;
	struct sandbox_spec spec = {
		.name = r->name,
		.argv = (const char *const *)r->command.word,
		.env = (const char *const *)r->env.word,
		.root = r->root,
		.port = r->port,
		.limits = { .memory_mib = r->memory_mib, .pids = r->pids },
		.logs = workload_rules_logs(w->by, r),
	};
	int fds[2];

	supervise_free(take(l->sandbox));
	if (r->upstream != NULL)
		return OK;
	if (set.id_base == 0)
		set.id_base = RUNTIME_ID_BASE;
	set.id_base += l->slot * NAMESPACE_IDS;
	TRY(chan_pair(fds, err));
	auto_fd int theirs = fds[0];
	l->link = fds[1];
	return supervise_start(w->loop, &set, &spec, theirs, on_sandbox_changed,
			       l, &l->sandbox, err);
}

static enum status launch(struct workload_life *l, struct err *err)
{
	auto_fd int listener = -1;

	TRY(bind_listener(l, &listener, err));
	TRY(start_sandbox(l, err));
	TRY(start_proxy(l, listener, err));
	workload_life_send(l);
	loop_timer_arm(l->deadline, READY_MS);
	return OK;
}

static enum status begin_scan(struct workload_life *l, struct err *err)
{
	const struct manifest_worker *by = l->world->by;

	if (by != NULL)
		TRY(workload_rules_check(by, &l->request, err));
	return workload_scan_new(
		&l->request, by != NULL && workload_rules_want(by, "command:"),
		by != NULL && workload_rules_want(by, "dir:"), &l->scan, err);
}

/* E_AGAIN until it was launched. */
static enum status take_step(struct workload_life *l, struct err *err)
{
	if (l->scan == NULL) {
		TRY(begin_scan(l, err));
		return E_AGAIN;
	}
	TRY(workload_scan_step(l->scan, SCAN_STEP, &l->facts, err));
	workload_scan_free(take(l->scan));
	TRY(allowed(l, err));
	return launch(l, err);
}

static void on_step(void *ctx)
{
	struct workload_life *l = ctx;
	struct err err = { 0 };
	enum status s = take_step(l, &err);

	if (s == E_AGAIN)
		loop_timer_arm(l->step, 0);
	else if (s != OK)
		fail(l, &err);
}

void workload_life_start(struct workload_life *l)
{
	if (l->state != WORKLOAD_STOPPED && l->state != WORKLOAD_FAILED)
		return;
	l->state = WORKLOAD_STARTING;
	l->facts = (struct workload_facts){ 0 };
	l->why = (struct err){ 0 };
	l->end = NULL;
	l->proxy_ended = false;
	loop_timer_arm(l->step, 0);
}

void workload_life_stop(struct workload_life *l)
{
	int64_t ms = (int64_t)l->world->drain * 1000 + 1000;
	struct err err;

	if (l->state == WORKLOAD_RUNNING) {
		begin_stopping(l, WORKLOAD_STOPPED, NULL, ms);
	} else if (l->state == WORKLOAD_STARTING) {
		(void)err_set(&err, E_UNAVAIL,
			      "told to stop while it was started");
		fail(l, &err);
	}
}

void workload_life_judge(struct workload_life *l)
{
	struct err err;

	/* One that is being started is judged when its files are known. */
	if (l->state != WORKLOAD_RUNNING || allowed(l, &err) == OK)
		return;
	log_warn("workload-not-allowed", LOG_CSTR("name", l->request.name),
		 LOG_ERR(&err));
	l->why = err;
	begin_stopping(l, WORKLOAD_FAILED, "policy", ORPHAN_MS);
}

struct workload_life *workload_life_new(const struct workload_world *w,
					struct workload_request *r,
					unsigned slot,
					void (*settled)(void *ctx), void *ctx)
{
	struct workload_life *l = mem_must(sizeof(*l));

	l->world = w;
	l->request = *r;
	*r = (struct workload_request){ 0 };
	l->slot = slot;
	l->settled = settled;
	l->ctx = ctx;
	l->link = -1;
	l->step = loop_timer_new(w->loop, on_step, l);
	l->deadline = loop_timer_new(w->loop, on_deadline, l);
	l->state = WORKLOAD_STOPPED;
	workload_life_start(l);
	return l;
}

void workload_life_free(struct workload_life *l)
{
	if (l == NULL)
		return;
	release(l);
	supervise_free(l->sandbox);
	loop_timer_free(l->step);
	loop_timer_free(l->deadline);
	workload_request_done(&l->request);
	mem_free(l);
}

/* ---- telling ------------------------------------------------------------ */

const char *workload_life_name(const struct workload_life *l)
{
	return l->request.name;
}

unsigned workload_life_slot(const struct workload_life *l)
{
	return l->slot;
}

enum workload_state workload_life_state(const struct workload_life *l)
{
	return l->state;
}

const struct err *workload_life_error(const struct workload_life *l)
{
	return &l->why;
}

static void put_words(struct json_out *w, const char *name,
		      const struct workload_words *words)
{
	json_open_array(w, name);
	for (size_t i = 0; i < words->n; i++)
		json_put_cstr(w, NULL, words->word[i]);
	json_close_array(w);
}

static void put_limits(const struct workload_life *l, struct json_out *w)
{
	struct cgroup_state s = supervise_get_limits(l->sandbox);

	json_open_object(w, "limits");
	json_put_bool(w, "memory", s.memory);
	json_put_bool(w, "pids", s.pids);
	json_close_object(w);
}

void workload_life_write(const struct workload_life *l, struct json_out *w)
{
	json_open_object(w, NULL);
	json_put_cstr(w, "name", l->request.name);
	json_put_cstr(w, "state", workload_state_name(l->state));
	json_put_cstr(w, "address", l->address);
	json_put_bool(w, "tls", l->tls);
	put_words(w, "adapters", &l->request.adapters);
	if (l->request.upstream != NULL)
		json_put_cstr(w, "upstream", l->request.upstream);
	else
		put_words(w, "command", &l->request.command);
	if (l->sandbox != NULL)
		put_limits(l, w);
	if (l->end != NULL)
		json_put_cstr(w, "end", l->end);
	if (l->why.code != OK)
		json_put_cstr(w, "error", l->why.text);
	json_close_object(w);
}

uint64_t workload_life_logs(const struct workload_life *l, uint64_t from,
			    struct buf *out)
{
	auto_buf struct buf all = buf_make(SUPERVISE_LOG_MAX);
	uint64_t dropped;

	if (l->sandbox == NULL)
		return 0;
	dropped = supervise_logs(l->sandbox, &all);
	if (from < dropped)
		from = dropped;
	if (from > dropped + all.len)
		from = dropped + all.len;
	buf_put(out, slice_from(buf_slice(&all), (size_t)(from - dropped)));
	return from;
}
