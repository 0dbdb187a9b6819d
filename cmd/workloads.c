#include "cmd/workloads.h"

#include <assert.h>

#include "core/cleanup.h"

#define ANSWER_MAX (2u << 20)

enum pending { NONE, RUN, STOP, START, REMOVE };

struct entry {
	struct workloads *set;
	struct entry *next;
	struct workload_life *life;

	/* The operation under way. */
	enum pending pending;
	uint32_t id;
};

struct workloads {
	struct workloads_settings settings;
	struct workload_world world;
	struct entry *first;
	size_t n;
	void (*stopped)(void *ctx); /* not NULL: ending */
	void *ctx;
	struct loop_task tell;
};

static void reply(struct workloads *w, uint32_t id, const struct err *err,
		  struct slice answer)
{
	w->settings.reply(w->settings.ctx, id, err, answer);
}

static void refuse(struct workloads *w, uint32_t id, enum status code,
		   const char *text)
{
	struct err err;

	(void)err_set(&err, code, "%s", text);
	reply(w, id, &err, S(""));
}

static void reply_life(struct workloads *w, uint32_t id,
		       const struct workload_life *l)
{
	auto_buf struct buf text = buf_make(ANSWER_MAX);
	struct json_out out = { .buf = &text };
	struct err err = { 0 };

	workload_life_write(l, &out);
	(void)buf_check(&text, "answer", &err);
	reply(w, id, &err, buf_slice(&text));
}

/* ---- entries ------------------------------------------------------------ */

static struct entry *find(struct workloads *w, struct slice name)
{
	for (struct entry *e = w->first; e != NULL; e = e->next)
		if (slice_eq_str(name, workload_life_name(e->life)))
			return e;
	return NULL;
}

static void drop(struct entry *e)
{
	struct entry **at = &e->set->first;

	while (*at != e)
		at = &(*at)->next;
	*at = e->next;
	e->set->n--;
	workload_life_free(e->life);
	mem_free(e);
}

static unsigned free_slot(const struct workloads *w)
{
	uint64_t used = 0;

	static_assert(WORKLOADS_MAX < 64, "a bit for each");
	for (const struct entry *e = w->first; e != NULL; e = e->next)
		used |= UINT64_C(1) << workload_life_slot(e->life);
	return (unsigned)__builtin_ctzll(~used);
}

static void tell_stopped(void *ctx)
{
	struct workloads *w = ctx;

	w->stopped(w->ctx);
}

static bool is_active(const struct entry *e)
{
	enum workload_state s = workload_life_state(e->life);

	return s != WORKLOAD_STOPPED && s != WORKLOAD_FAILED;
}

static void look_whether_stopped(struct workloads *w)
{
	if (w->stopped == NULL)
		return;
	for (const struct entry *e = w->first; e != NULL; e = e->next)
		if (is_active(e))
			return;
	loop_task_post(w->world.loop, &w->tell);
}

/* The outcome of what was asked for; the entry may be gone then. */
static void conclude(struct entry *e)
{
	struct workloads *w = e->set;
	enum pending was = e->pending;
	enum workload_state state = workload_life_state(e->life);
	struct err err = *workload_life_error(e->life);
	struct err fine = { 0 };

	e->pending = NONE;
	if ((was == RUN || was == START) && state == WORKLOAD_FAILED)
		reply(w, e->id, &err, S(""));
	else if (was == REMOVE)
		reply(w, e->id, &fine, S(""));
	else if (was != NONE)
		reply_life(w, e->id, e->life);
	if (was == REMOVE || (was == RUN && state == WORKLOAD_FAILED))
		drop(e);
}

static void on_settled(void *ctx)
{
	struct entry *e = ctx;
	struct workloads *w = e->set;

	conclude(e);
	look_whether_stopped(w);
}

/* ---- operations --------------------------------------------------------- */

static enum status admit(struct workloads *w, const struct workload_request *r,
			 struct err *err)
{
	if (w->stopped != NULL)
		return err_set(err, E_UNAVAIL, "this worker is ending");
	if (w->world.keys == NULL)
		return err_set(err, E_UNAVAIL,
			       "this worker has no lease of the attestation "
			       "service now");
	if (find(w, slice_str(r->name)) != NULL)
		return err_set(err, E_CONFLICT,
			       "a workload '%s' exists already; remove it, or "
			       "take another name",
			       r->name);
	if (w->n == WORKLOADS_MAX)
		return err_set(err, E_UNAVAIL,
			       "this worker has %d workloads, and takes no "
			       "more",
			       WORKLOADS_MAX);
	return OK;
}

void workloads_run(struct workloads *w, uint32_t id, struct slice request)
{
	auto_workload_request struct workload_request r = { 0 };
	struct err err;

	if (workload_request_unpack(request, &r, &err) != OK ||
	    admit(w, &r, &err) != OK) {
		reply(w, id, &err, S(""));
		return;
	}
	struct entry *e = mem_must(sizeof(*e));
	e->set = w;
	e->pending = RUN;
	e->id = id;
	e->life = workload_life_new(&w->world, &r, free_slot(w), on_settled, e);
	e->next = w->first;
	w->first = e;
	w->n++;
}

static void do_list(struct workloads *w, uint32_t id)
{
	auto_buf struct buf text = buf_make(ANSWER_MAX);
	struct json_out out = { .buf = &text };
	struct err err = { 0 };

	json_open_array(&out, NULL);
	for (const struct entry *e = w->first; e != NULL; e = e->next)
		workload_life_write(e->life, &out);
	json_close_array(&out);
	(void)buf_check(&text, "list of workloads", &err);
	reply(w, id, &err, buf_slice(&text));
}

static void do_get(struct entry *e, uint32_t id, uint64_t from)
{
	(void)from;
	reply_life(e->set, id, e->life);
}

static void do_logs(struct entry *e, uint32_t id, uint64_t from)
{
	auto_buf struct buf bytes = buf_make(ANSWER_MAX);
	auto_buf struct buf out = buf_make(ANSWER_MAX);
	enum workload_state state = workload_life_state(e->life);
	struct err err = { 0 };

	buf_put_u64be(&out, workload_life_logs(e->life, from, &bytes));
	buf_put_field(&out, slice_str(workload_state_name(state)));
	buf_put_field(&out, buf_slice(&bytes));
	(void)buf_check(&out, "log", &err);
	reply(e->set, id, &err, buf_slice(&out));
}

/* Remember who is to be told; false when that was refused. */
static bool begin(struct entry *e, uint32_t id, enum pending what)
{
	enum workload_state s = workload_life_state(e->life);

	if (e->pending != NONE || s == WORKLOAD_STARTING ||
	    s == WORKLOAD_STOPPING) {
		refuse(e->set, id, E_CONFLICT,
		       "it is just being started or stopped; try again");
		return false;
	}
	e->pending = what;
	e->id = id;
	return true;
}

/* Have it ended, if it has not, to be concluded then. */
static void end(struct entry *e, uint32_t id, enum pending what)
{
	if (!begin(e, id, what))
		return;
	if (is_active(e))
		workload_life_stop(e->life);
	else
		conclude(e);
}

static void do_stop(struct entry *e, uint32_t id, uint64_t from)
{
	(void)from;
	end(e, id, STOP);
}

static void do_remove(struct entry *e, uint32_t id, uint64_t from)
{
	(void)from;
	end(e, id, REMOVE);
}

static void do_start(struct entry *e, uint32_t id, uint64_t from)
{
	(void)from;
	if (e->set->stopped != NULL) {
		refuse(e->set, id, E_UNAVAIL, "this worker is ending");
		return;
	}
	if (!begin(e, id, START))
		return;
	if (is_active(e))
		conclude(e);
	else
		workload_life_start(e->life);
}

void workloads_do(struct workloads *w, uint32_t id, enum worker_op op,
		  struct slice name, uint64_t from)
{
	static void (*const ops[WORKER_OPS])(struct entry * e, uint32_t id,
					     uint64_t from) = {
		[WORKER_GET] = do_get,	   [WORKER_STOP] = do_stop,
		[WORKER_START] = do_start, [WORKER_REMOVE] = do_remove,
		[WORKER_LOGS] = do_logs,
	};
	struct entry *e = find(w, name);

	if (op == WORKER_LIST)
		do_list(w, id);
	else if ((size_t)op >= countof(ops))
		refuse(w, id, E_PARSE, "no such operation");
	else if (e == NULL)
		refuse(w, id, E_NOTFOUND, "no workload of that name");
	else
		ops[op](e, id, from);
}

/* ---- the lease ---------------------------------------------------------- */

static void replace(struct secret **old, struct secret **by)
{
	secret_free(*old);
	*old = take(*by);
}

enum status workloads_lease(struct workloads *w,
			    const struct manifest_worker *by, struct slice keys,
			    struct slice tls, int64_t expires, struct err *err)
{
	auto_secret struct secret *new_keys = NULL;
	auto_secret struct secret *new_tls = NULL;
	struct entry *next;

	TRY(secret_copy(keys, &new_keys, err));
	TRY(secret_copy(tls, &new_tls, err));
	replace(&w->world.keys, &new_keys);
	replace(&w->world.tls, &new_tls);
	w->world.by = by;
	w->world.expires = expires;
	for (struct entry *e = w->first; e != NULL; e = next) {
		next = e->next;
		workload_life_send(e->life);
		workload_life_judge(e->life);
	}
	return OK;
}

void workloads_lapse(struct workloads *w)
{
	secret_free(take(w->world.keys));
	secret_free(take(w->world.tls));
	w->world.by = NULL;
	w->world.expires = 0;
	for (struct entry *e = w->first; e != NULL; e = e->next)
		workload_life_send(e->life);
}

/* ---- beginning and end -------------------------------------------------- */

struct workloads *workloads_new(struct loop *l,
				const struct workloads_settings *s)
{
	struct workloads *w = mem_must(sizeof(*w));

	w->settings = *s;
	w->world.loop = l;
	w->world.program = s->program;
	w->world.runtime = s->runtime;
	w->world.drain = s->drain;
	w->tell = (struct loop_task){ .run = tell_stopped, .ctx = w };
	return w;
}

void workloads_stop(struct workloads *w, void (*stopped)(void *ctx), void *ctx)
{
	struct entry *next;

	w->stopped = stopped;
	w->ctx = ctx;
	for (struct entry *e = w->first; e != NULL; e = next) {
		next = e->next;
		workload_life_stop(e->life);
	}
	look_whether_stopped(w);
}

void workloads_free(struct workloads *w)
{
	if (w == NULL)
		return;
	loop_task_drop(&w->tell);
	while (w->first != NULL)
		drop(w->first);
	secret_free(w->world.keys);
	secret_free(w->world.tls);
	mem_free(w);
}
