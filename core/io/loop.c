#include "core/io/loop.h"

#include <event2/event.h>
#include <event2/event_struct.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>
#include <unistd.h>

#include "core/mem.h"
#include "core/slice.h"

struct loop {
	struct event_base *base;
	struct loop_task tasks; /* head of a ring */
	struct loop_task mark;	/* in it: those behind it run the next time */
	uint64_t turn;
	size_t users; /* the owner, and each object made on it */
	bool stop;

	void *kept;
	void (*kept_done)(void *obj);
};

/* libevent reports through these; a library of ours says nothing, and what
 * libevent calls fatal (no memory, no epoll) cannot be survived. */
static void say_nothing(int severity, const char *text)
{
	(void)severity;
	(void)text;
}

static void give_up(int code)
{
	(void)code;
	abort();
}

static struct event_base *make_base(void)
{
	static bool prepared;

	if (!prepared) {
		event_set_mem_functions(mem_alloc, mem_realloc, mem_free);
		event_set_log_callback(say_nothing);
		event_set_fatal_callback(give_up);
		prepared = true;
	}

	struct event_config *conf = event_config_new();
	if (conf == NULL)
		return NULL;
	/* The environment must not choose how we wait. */
	event_config_set_flag(conf, EVENT_BASE_FLAG_NOLOCK |
					    EVENT_BASE_FLAG_IGNORE_ENV);
	struct event_base *base = event_base_new_with_config(conf);
	event_config_free(conf);
	return base;
}

enum status loop_new(struct loop **out, struct err *err)
{
	struct event_base *base = make_base();

	if (base == NULL)
		return err_set(err, E_IO,
			       "cannot make an event loop: no epoll "
			       "descriptor or no memory");

	/* Who reads our log may leave: that is no reason to end. */
	(void)signal(SIGPIPE, SIG_IGN);

	struct loop *l = mem_must(sizeof(*l));
	l->base = base;
	l->users = 1;
	l->tasks.next = l->tasks.prev = &l->tasks;
	*out = l;
	return OK;
}

static struct loop *use(struct loop *l)
{
	l->users++;
	return l;
}

/* What was made on a loop may outlive loop_free: the last one out ends it. */
static void unuse(struct loop *l)
{
	if (--l->users > 0)
		return;
	if (l->kept_done != NULL) {
		l->kept_done(l->kept);
		/* The resolver frees what it cancelled from the loop. */
		(void)event_base_loop(l->base, EVLOOP_NONBLOCK);
	}
	event_base_free(l->base);
	mem_free(l);
}

void loop_free(struct loop *l)
{
	if (l != NULL)
		unuse(l);
}

void *loop_base(struct loop *l)
{
	return l->base;
}

void loop_keep(struct loop *l, void *obj, void (*done)(void *obj))
{
	l->kept = obj;
	l->kept_done = done;
}

void *loop_kept(const struct loop *l)
{
	return l->kept;
}

uint64_t loop_turn(const struct loop *l)
{
	return l->turn;
}

/* Tasks. */

void loop_task_post(struct loop *l, struct loop_task *t)
{
	if (t->next != NULL)
		return;
	t->next = &l->tasks;
	t->prev = l->tasks.prev;
	t->prev->next = t;
	l->tasks.prev = t;
}

void loop_task_drop(struct loop_task *t)
{
	if (t->next == NULL)
		return;
	t->next->prev = t->prev;
	t->prev->next = t->next;
	t->next = t->prev = NULL;
}

static bool have_tasks(const struct loop *l)
{
	return l->tasks.next != &l->tasks;
}

/* Run the tasks that wait now, and not those that they post: two that post
 * each other would keep everybody else from running. */
static void run_tasks(struct loop *l)
{
	if (!have_tasks(l))
		return;
	loop_task_post(l, &l->mark);
	while (l->tasks.next != &l->mark) {
		struct loop_task *t = l->tasks.next;

		loop_task_drop(t);
		t->run(t->ctx);
	}
	loop_task_drop(&l->mark);
}

/* Running. */

/* One look for events, and what follows from them. */
static void turn(struct loop *l)
{
	int flags = EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY;

	l->turn++;
	run_tasks(l);
	if (l->stop)
		return;
	if (have_tasks(l))
		flags = EVLOOP_NONBLOCK;
	if (event_base_loop(l->base, flags) < 0)
		abort(); /* epoll itself fails: nothing can be waited for */
}

void loop_run(struct loop *l)
{
	use(l);
	while (!l->stop)
		turn(l);
	l->stop = false;
	unuse(l);
}

static struct timeval to_timeval(int64_t ms)
{
	if (ms < 0)
		ms = 0;
	return (struct timeval){ .tv_sec = ms / 1000,
				 .tv_usec = ms % 1000 * 1000 };
}

static void nothing(evutil_socket_t fd, short what, void *ctx)
{
	(void)fd;
	(void)what;
	(void)ctx;
}

void loop_run_once(struct loop *l, int64_t ms)
{
	struct event limit;
	struct timeval tv = to_timeval(ms);

	use(l);
	evtimer_assign(&limit, l->base, nothing, NULL);
	if (ms >= 0)
		(void)evtimer_add(&limit, &tv); /* fails only without memory */
	if (!l->stop)
		turn(l);
	run_tasks(l);
	l->stop = false;
	(void)evtimer_del(&limit);
	unuse(l);
}

void loop_stop(struct loop *l)
{
	l->stop = true;
	(void)event_base_loopbreak(l->base);
}

/* Adding an event fails only without memory or descriptors for it, and then
 * somebody would wait for ever. */
static void add(struct event *ev, const struct timeval *tv)
{
	if (event_add(ev, tv) < 0)
		abort();
}

/* Timers. */

struct loop_timer {
	struct event ev;
	struct loop *loop;
	void (*fire)(void *ctx);
	void *ctx;
};

static void timer_fires(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_timer *t = ctx;
	struct loop *l = use(t->loop);

	(void)fd;
	(void)what;
	t->fire(t->ctx);
	run_tasks(l);
	unuse(l);
}

struct loop_timer *loop_timer_new(struct loop *l, void (*fire)(void *ctx),
				  void *ctx)
{
	struct loop_timer *t = mem_must(sizeof(*t));

	t->loop = use(l);
	t->fire = fire;
	t->ctx = ctx;
	evtimer_assign(&t->ev, l->base, timer_fires, t);
	return t;
}

void loop_timer_arm(struct loop_timer *t, int64_t ms)
{
	struct timeval tv = to_timeval(ms);

	add(&t->ev, &tv);
}

void loop_timer_disarm(struct loop_timer *t)
{
	(void)evtimer_del(&t->ev);
}

void loop_timer_free(struct loop_timer *t)
{
	if (t == NULL)
		return;
	(void)evtimer_del(&t->ev);
	unuse(t->loop);
	mem_free(t);
}

/* Descriptors.  Two events, since changing what one event waits for costs two
 * system calls, and adding or removing one of two costs one. */

struct loop_fd {
	struct event rd, wr;
	struct loop *loop;
	unsigned want;
	void (*ready)(void *ctx, unsigned what);
	void *ctx;
};

static void fd_ready(evutil_socket_t fd, short what, void *ctx)
{
	struct loop_fd *f = ctx;
	struct loop *l = use(f->loop);

	(void)fd;
	f->ready(f->ctx, what & EV_READ ? LOOP_READ : LOOP_WRITE);
	run_tasks(l);
	unuse(l);
}

struct loop_fd *loop_fd_new(struct loop *l, int fd,
			    void (*ready)(void *ctx, unsigned what), void *ctx)
{
	struct loop_fd *f = mem_must(sizeof(*f));

	f->loop = use(l);
	f->ready = ready;
	f->ctx = ctx;
	event_assign(&f->rd, l->base, fd, EV_READ | EV_PERSIST, fd_ready, f);
	event_assign(&f->wr, l->base, fd, EV_WRITE | EV_PERSIST, fd_ready, f);
	return f;
}

static void want_one(struct event *ev, bool was, bool is)
{
	if (is && !was)
		add(ev, NULL);
	else if (was && !is)
		(void)event_del(ev);
}

void loop_fd_want(struct loop_fd *f, unsigned what)
{
	want_one(&f->rd, f->want & LOOP_READ, what & LOOP_READ);
	want_one(&f->wr, f->want & LOOP_WRITE, what & LOOP_WRITE);
	f->want = what;
}

void loop_fd_free(struct loop_fd *f)
{
	if (f == NULL)
		return;
	loop_fd_want(f, 0);
	unuse(f->loop);
	mem_free(f);
}

/* Signals. */

struct loop_signal {
	struct event ev;
	struct loop *loop;
	void (*fire)(void *ctx);
	void *ctx;
};

static void signal_fires(evutil_socket_t signo, short what, void *ctx)
{
	struct loop_signal *s = ctx;
	struct loop *l = use(s->loop);

	(void)signo;
	(void)what;
	s->fire(s->ctx);
	run_tasks(l);
	unuse(l);
}

struct loop_signal *loop_signal_new(struct loop *l, int signo,
				    void (*fire)(void *ctx), void *ctx)
{
	struct loop_signal *s = mem_must(sizeof(*s));

	s->loop = use(l);
	s->fire = fire;
	s->ctx = ctx;
	evsignal_assign(&s->ev, l->base, signo, signal_fires, s);
	add(&s->ev, NULL);
	return s;
}

void loop_signal_free(struct loop_signal *s)
{
	if (s == NULL)
		return;
	(void)evsignal_del(&s->ev);
	unuse(s->loop);
	mem_free(s);
}

const char *loop_library(void)
{
	return event_get_version();
}
