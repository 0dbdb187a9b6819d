#include "sandbox/shim.h"

#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/io/fdpass.h"
#include "sandbox/landlock.h"
#include "sandbox/relay.h"

#define EXIT_SHIM 125
#define EXIT_NOT_EXECUTABLE 126
#define EXIT_NOT_FOUND 127
#define EXIT_SIGNAL 128 /* plus its number */

#define RELAYS_MAX 4096
#define SPARE_FDS 32 /* that relays leave for everything else */
#define ACCEPT_BATCH 32
#define DRAIN_MS 500 /* for what an ended workload has sent already */

struct entry {
	struct relay *relay; /* NULL: free */
	struct shim *shim;
};

struct shim {
	struct loop *loop;
	uint16_t port;
	pid_t workload;
	int exit_status; /* of the workload; -1: it runs */
	struct loop_fd *link;
	struct loop_signal *child, *term;
	struct loop_timer *drained;
	struct entry *entries;
	size_t n_entries, n_relays;
};

static int say(const char *what, const char *why)
{
	(void)fprintf(stderr, "confd shim: %s: %s\n", what, why);
	return EXIT_SHIM;
}

/* The workload.  It gets 0, 1 and 2, and nothing of the shim. */
static __attribute__((noreturn)) void become(pid_t shim, char *const *argv,
					     char *const *env)
{
	struct err err;
	sigset_t none;

	(void)sigemptyset(&none);
	(void)sigprocmask(SIG_SETMASK, &none, NULL);
	for (int s = 1; s < 32; s++)
		(void)signal(s, SIG_DFL); /* fails for KILL and STOP only */
	(void)setsid();
	/* As first process the shim takes all along; elsewhere this does. */
	if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != shim)
		_exit(say("start", "the shim is gone"));
	if (close_range(3, ~0u, 0) < 0)
		_exit(say("close_range", strerror(errno)));
	/* It may signal its own, and not the shim. */
	if (landlock_scope(&err) != OK)
		_exit(say("landlock", err.text));
	(void)execve(argv[0], argv, env);
	int code = errno == ENOENT || errno == ENOTDIR ? EXIT_NOT_FOUND
						       : EXIT_NOT_EXECUTABLE;
	(void)say(argv[0], strerror(errno));
	_exit(code);
}

static void relay_over(void *ctx)
{
	struct entry *e = ctx;

	relay_free(e->relay);
	e->relay = NULL;
	if (--e->shim->n_relays == 0 && e->shim->exit_status >= 0)
		loop_stop(e->shim->loop);
}

static struct entry *free_entry(struct shim *s)
{
	for (size_t i = 0; i < s->n_entries; i++)
		if (s->entries[i].relay == NULL)
			return &s->entries[i];
	return NULL;
}

/* A connection to the workload, begun; -1 when it is refused at once. */
static int dial(uint16_t port)
{
	struct sockaddr_in to = { .sin_family = AF_INET,
				  .sin_port = htons(port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };

	auto_fd int fd =
		socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0)
		return -1;
	if (connect(fd, (const struct sockaddr *)&to, sizeof(to)) < 0 &&
	    errno != EINPROGRESS)
		return -1;
	return take_fd(&fd);
}

static bool is_stream(int fd)
{
	int type = 0, family = 0;
	socklen_t len = sizeof(int);

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       getsockopt(fd, SOL_SOCKET, SO_DOMAIN, &family, &len) == 0 &&
	       type == SOCK_STREAM && family == AF_UNIX &&
	       fcntl(fd, F_SETFL, O_NONBLOCK) == 0;
}

/* Relay one passed descriptor; what cannot be relayed is closed, which its
 * other end sees. */
static void take_in(struct shim *s, int passed)
{
	struct err err;
	auto_fd int fd = passed;
	struct entry *e = free_entry(s);

	if (e == NULL || !is_stream(fd))
		return;
	auto_fd int to = dial(s->port);
	if (to < 0)
		return;
	e->shim = s;
	if (relay_new(s->loop, take_fd(&fd), take_fd(&to), relay_over, e,
		      &e->relay, &err) == OK)
		s->n_relays++;
}

static void link_ready(void *ctx, unsigned what)
{
	struct shim *s = ctx;
	struct err err;

	(void)what;
	for (int i = 0; i < ACCEPT_BATCH; i++) {
		int fd = -1;
		enum status st = fdpass_recv(SHIM_LINK_FD, &fd, &err);

		if (st == OK)
			take_in(s, fd);
		if (st == E_AGAIN)
			return;
		/* The proxy and the worker are gone. */
		if (st == E_IO)
			loop_stop(s->loop);
		if (st != OK && st != E_PARSE)
			return;
	}
}

static int status_of(int wait_status)
{
	if (WIFSIGNALED(wait_status))
		return EXIT_SIGNAL + WTERMSIG(wait_status);
	return WEXITSTATUS(wait_status);
}

/* As first process we inherit everybody's orphans. */
static void reap(void *ctx)
{
	struct shim *s = ctx;
	int wait_status;
	pid_t pid;

	while ((pid = waitpid(-1, &wait_status, WNOHANG)) > 0) {
		if (pid != s->workload)
			continue;
		s->exit_status = status_of(wait_status);
		if (s->n_relays == 0)
			loop_stop(s->loop);
		loop_timer_arm(s->drained, DRAIN_MS);
	}
}

static void drained(void *ctx)
{
	const struct shim *s = ctx;

	loop_stop(s->loop);
}

static void terminate(void *ctx)
{
	const struct shim *s = ctx;

	(void)kill(-s->workload, SIGTERM);
	(void)kill(s->workload, SIGTERM);
}

static size_t relays_allowed(void)
{
	struct rlimit files;

	if (getrlimit(RLIMIT_NOFILE, &files) < 0 ||
	    files.rlim_cur <= SPARE_FDS + 2)
		return 1;
	size_t n = (size_t)(files.rlim_cur - SPARE_FDS) / 2;
	return n < RELAYS_MAX ? n : RELAYS_MAX;
}

/* Signals are watched before there is a child whose end they tell. */
static enum status set_up(struct shim *s, struct err *err)
{
	/* Before anything else could get that number. */
	if (fcntl(SHIM_LINK_FD, F_SETFD, FD_CLOEXEC) < 0 ||
	    fcntl(SHIM_LINK_FD, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, "no link at descriptor %d", SHIM_LINK_FD);
	TRY(loop_new(&s->loop, err));
	s->n_entries = relays_allowed();
	s->entries = mem_must(s->n_entries * sizeof(s->entries[0]));
	s->child = loop_signal_new(s->loop, SIGCHLD, reap, s);
	s->term = loop_signal_new(s->loop, SIGTERM, terminate, s);
	s->drained = loop_timer_new(s->loop, drained, s);
	(void)signal(SIGPIPE, SIG_IGN);
	s->link = loop_fd_new(s->loop, SHIM_LINK_FD, link_ready, s);
	loop_fd_want(s->link, LOOP_READ);
	/* The workload has our user: it may not look into us, not even where
	 * it could ptrace. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) < 0)
		return err_errno(err, "cannot become undumpable");
	return OK;
}

static void tear_down(struct shim *s)
{
	for (size_t i = 0; i < s->n_entries; i++)
		relay_free(s->entries[i].relay);
	mem_free(s->entries);
	loop_fd_free(s->link);
	loop_signal_free(s->child);
	loop_signal_free(s->term);
	loop_timer_free(s->drained);
	loop_free(s->loop);
}

int shim_main(uint16_t port, char *const *argv, char *const *env)
{
	struct shim s = { .port = port, .exit_status = -1 };
	struct err err;

	if (set_up(&s, &err) != OK)
		return say("start", err.text);
	pid_t self = getpid();
	s.workload = fork();
	if (s.workload < 0)
		return say("fork", strerror(errno));
	if (s.workload == 0)
		become(self, argv, env);

	loop_run(s.loop);
	/* As first process, our end is the end of all others; elsewhere at
	 * least the workload's group has to go. */
	(void)kill(-s.workload, SIGKILL);
	(void)kill(s.workload, SIGKILL);
	tear_down(&s);
	return s.exit_status >= 0 ? s.exit_status : EXIT_SIGNAL + SIGKILL;
}
