#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/io/conn.h"
#include "core/io/dial.h"
#include "core/io/resolve.h"

#define ACCEPTS_A_TURN 16
#define PAUSE_MS 100 /* without descriptors or memory for more */
#define MAX_CONNS 10000
#define UNIX_MODE 0600
#define BACKLOG 4096 /* the kernel lowers it to net.core.somaxconn */

struct listener {
	struct loop *loop;
	size_t refs; /* the owner, each connection, and who is at work */
	int fd;	     /* -1: closed */
	struct loop_fd *watch;
	struct loop_timer *timer; /* runs while accepting is paused */
	bool pausing;
	struct tls *tls;
	struct listener_settings set;
	size_t conns;
	void (*accepted)(void *ctx, struct conn *c);
	void *ctx;

	char path[sizeof(((struct sockaddr_un *)0)->sun_path)]; /* to remove */
	dev_t dev; /* if it is still the one that we made */
	ino_t ino;
};

/* Binding. */

static enum status bind_error(const struct addr *at, struct err *err)
{
	char text[ADDR_TEXT_SIZE];

	addr_text(at, text);
	if (errno == EADDRINUSE)
		return err_set(err, E_CONFLICT,
			       "cannot listen on %s: the address is in use",
			       text);
	return err_errno(err, "cannot listen on %s", text);
}

static enum status stream_socket(int family, int *out, struct err *err)
{
	*out = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	return *out >= 0 ? OK : err_errno(err, "socket");
}

/* Make way for a new socket at a path where an old one lies that nobody
 * serves any more.  Anything else there stays. */
static enum status remove_stale(const struct resolve_addr *sa,
				const struct addr *at, struct err *err)
{
	auto_fd int fd = -1;
	struct stat st;

	if (lstat(at->host, &st) < 0)
		return errno == ENOENT ? OK : bind_error(at, err);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, E_CONFLICT,
			       "cannot listen on unix:%s: a file that is no "
			       "socket is in the way",
			       at->host);
	TRY(stream_socket(AF_UNIX, &fd, err));
	if (connect(fd, &sa->sa, sa->len) == 0 || errno != ECONNREFUSED)
		return err_set(err, E_CONFLICT,
			       "cannot listen on unix:%s: it is served by "
			       "another process",
			       at->host);
	return unlink(at->host) == 0 || errno == ENOENT ? OK
							: bind_error(at, err);
}

static enum status bind_unix(const struct addr *at, mode_t mode, int *out,
			     struct err *err)
{
	struct resolve_list known;
	auto_fd int fd = -1;
	bool abstract = at->host[0] == '@';

	(void)resolve_known(at, &known); /* a unix address always is */
	if (!abstract)
		TRY(remove_stale(&known.at[0], at, err));
	TRY(stream_socket(AF_UNIX, &fd, err));
	/* At no time can more people connect than shall. */
	mode_t old = umask(~mode & 0777);
	int rc = bind(fd, &known.at[0].sa, known.at[0].len);
	(void)umask(old);
	if (rc < 0 || listen(fd, BACKLOG) < 0)
		return bind_error(at, err);
	*out = take_fd(&fd);
	return OK;
}

static enum status bind_inet(const struct addr *at,
			     const struct resolve_addr *sa, bool dual,
			     bool reuse_port, int *out, struct err *err)
{
	auto_fd int fd = -1;
	int one = 1;
	int only = !dual;

	TRY(stream_socket(sa->sa.sa_family, &fd, err));
	dial_tune(fd); /* what is accepted inherits it */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
	    (reuse_port &&
	     setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof(one)) < 0) ||
	    (sa->sa.sa_family == AF_INET6 &&
	     setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &only, sizeof(only)) <
		     0) ||
	    bind(fd, &sa->sa, sa->len) < 0 || listen(fd, BACKLOG) < 0)
		return bind_error(at, err);
	*out = take_fd(&fd);
	return OK;
}

/* All interfaces: one socket for IPv6 and IPv4, or of IPv4 where the kernel
 * has no IPv6. */
static enum status bind_any(const struct addr *at, bool reuse_port, int *out,
			    struct err *err)
{
	struct addr any = { .host = "::", .port = at->port };
	struct resolve_list known;

	(void)resolve_known(&any, &known);
	enum status st =
		bind_inet(at, &known.at[0], true, reuse_port, out, err);
	if (st != E_IO)
		return st;

	any = (struct addr){ .host = "0.0.0.0", .port = at->port };
	(void)resolve_known(&any, &known);
	return bind_inet(at, &known.at[0], false, reuse_port, out, err);
}

enum status listener_bind(const struct addr *at,
			  const struct listener_settings *set, int *fd,
			  struct err *err)
{
	struct resolve_list known;
	bool reuse = set != NULL && set->reuse_port;
	mode_t mode = set == NULL ? 0 : set->unix_mode;

	if (at->is_unix)
		return bind_unix(at, mode == 0 ? UNIX_MODE : mode, fd, err);
	if (at->host[0] == '\0')
		return bind_any(at, reuse, fd, err);
	if (!resolve_known(at, &known))
		return err_set(err, E_USAGE,
			       "cannot listen on %s: want the number of an "
			       "address of this machine, or none for all",
			       at->host);
	/* Of localhost, which is both, the one that all programs know. */
	return bind_inet(at, &known.at[known.n - 1], false, reuse, fd, err);
}

/* Accepting. */

static void unref(struct listener *ls)
{
	if (--ls->refs == 0)
		mem_free(ls);
}

static void watch(struct listener *ls)
{
	bool open = !ls->pausing && ls->conns < ls->set.max_conns;

	if (ls->watch != NULL)
		loop_fd_want(ls->watch, open ? LOOP_READ : 0);
}

static void conn_gone(void *ctx)
{
	struct listener *ls = ctx;

	ls->conns--;
	watch(ls);
	unref(ls);
}

static void hand_over(struct listener *ls, int fd)
{
	static const struct conn_events none = { 0 };
	auto_fd int mine = fd;
	struct conn *c;
	struct err err;

	/* Fails only when the peer has gone already, or without memory. */
	if (conn_adopt(ls->loop, fd, ls->tls, ls->set.handshake_ms, &none, NULL,
		       &c, &err) != OK)
		return;
	(void)take_fd(&mine);
	ls->conns++;
	ls->refs++;
	conn_on_free(c, conn_gone, ls);
	ls->accepted(ls->ctx, c);
}

static void pause_accepting(struct listener *ls)
{
	ls->pausing = true;
	loop_timer_arm(ls->timer, PAUSE_MS);
}

static void timer_fired(void *ctx)
{
	struct listener *ls = ctx;

	ls->pausing = false;
	watch(ls);
}

/* False when there is nothing more to accept now.  Out of descriptors or
 * memory, the same connection would be reported again and again. */
static bool accept_one(struct listener *ls)
{
	int fd = accept4(ls->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd >= 0) {
		hand_over(ls, fd);
		return true;
	}
	if (errno == ECONNABORTED || errno == EINTR)
		return true; /* that one is gone, the next may be well */
	if (errno != EAGAIN)
		pause_accepting(ls);
	return false;
}

static void on_ready(void *ctx, unsigned what)
{
	struct listener *ls = ctx;

	(void)what;
	ls->refs++;
	for (size_t i = 0; i < ACCEPTS_A_TURN; i++)
		if (ls->fd < 0 || ls->conns >= ls->set.max_conns ||
		    !accept_one(ls))
			break;
	watch(ls);
	unref(ls);
}

/* Opening and closing. */

enum status listener_adopt(struct loop *l, int fd, struct tls *tls,
			   const struct listener_settings *set,
			   void (*accepted)(void *ctx, struct conn *c),
			   void *ctx, struct listener **out, struct err *err)
{
	int listens = 0;
	socklen_t len = sizeof(listens);

	if (getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listens, &len) < 0)
		return err_errno(err, "descriptor %d to listen on", fd);
	if (!listens)
		return err_set(err, E_CONF, "descriptor %d does not listen",
			       fd);
	if (fcntl(fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, "descriptor %d to listen on", fd);

	struct listener *ls = mem_must(sizeof(*ls));
	ls->loop = l;
	ls->refs = 1;
	ls->fd = fd;
	ls->tls = tls == NULL ? NULL : tls_ref(tls);
	if (set != NULL)
		ls->set = *set;
	if (ls->set.max_conns == 0)
		ls->set.max_conns = MAX_CONNS;
	ls->accepted = accepted;
	ls->ctx = ctx;
	ls->timer = loop_timer_new(l, timer_fired, ls);
	ls->watch = loop_fd_new(l, fd, on_ready, ls);
	watch(ls);
	*out = ls;
	return OK;
}

/* Remember the socket's file, so that it can be removed and no other one. */
static void own_path(struct listener *ls, const struct addr *at)
{
	struct stat st;

	if (!at->is_unix || at->host[0] == '@' || lstat(at->host, &st) < 0)
		return;
	ls->dev = st.st_dev;
	ls->ino = st.st_ino;
	(void)snprintf(ls->path, sizeof(ls->path), "%.*s",
		       (int)sizeof(ls->path) - 1, at->host);
}

static void remove_path(const struct listener *ls)
{
	struct stat st;

	/* Failing leaves a stale socket, which the next one replaces. */
	if (ls->path[0] != '\0' && lstat(ls->path, &st) == 0 &&
	    st.st_dev == ls->dev && st.st_ino == ls->ino)
		(void)unlink(ls->path);
}

enum status listener_open(struct loop *l, const struct addr *at,
			  struct tls *tls, const struct listener_settings *set,
			  void (*accepted)(void *ctx, struct conn *c),
			  void *ctx, struct listener **out, struct err *err)
{
	auto_fd int fd = -1;
	struct listener *ls;

	TRY(listener_bind(at, set, &fd, err));
	TRY(listener_adopt(l, fd, tls, set, accepted, ctx, &ls, err));
	(void)take_fd(&fd);
	own_path(ls, at);
	*out = ls;
	return OK;
}

void listener_set_tls(struct listener *ls, struct tls *tls)
{
	struct tls *old = ls->tls;

	ls->tls = tls == NULL ? NULL : tls_ref(tls);
	tls_unref(old);
}

enum status listener_bound(int fd, struct addr *out, struct err *err)
{
	struct resolve_addr sa = { .len = sizeof(sa.un) };
	struct addr at = { 0 };

	if (getsockname(fd, &sa.sa, &sa.len) < 0)
		return err_errno(err, "getsockname");
	resolve_reverse(&sa, &at);
	*out = at;
	return OK;
}

void listener_addr(const struct listener *ls, struct addr *out)
{
	struct err ignored;

	*out = (struct addr){ 0 };
	(void)listener_bound(ls->fd, out, &ignored);
}

void listener_close(struct listener *ls)
{
	if (ls == NULL)
		return;
	remove_path(ls);
	loop_fd_free(take(ls->watch));
	loop_timer_free(take(ls->timer));
	cleanup_fd(&ls->fd);
	ls->fd = -1;
	tls_unref(take(ls->tls));
	unref(ls);
}
