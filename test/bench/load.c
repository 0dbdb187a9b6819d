/* A load generator: HTTP/1.1, one process, one core.
 *
 *	load --mode req|sse|hold|shake --at HOST:PORT [--conns N] [--count N]
 *	     [--seconds S] [--warm S] [--body BYTES] [--events N] [--every US]
 *	     [--tls 1] [--pids PID,PID,...]
 *	load --mode start --at FILE -- COMMAND...
 *	load --mode accept --at HOST:PORT -- COMMAND...
 *
 * req	each connection sends a chat of BYTES and waits for the answer, again
 *	and again; latency is from the first byte sent to the last received.
 * sse	each connection asks the mock for a stream of N events, one each US
 *	microseconds; latency is from the time in an event to its arrival.
 * hold	as sse, but the streams are begun a few at a time, and left when the
 *	head of each has come and the seconds have passed.
 * shake	TLS connections, one after the other: made, and broken.
 * start, accept	run the command; latency is from exec until FILE is
 *	there, or until it accepts a connection; then it is ended.
 *
 * With --count so many requests are made in all, and all are counted.  Without,
 * what is counted begins after the warm-up; then requests under way are
 * waited for.  --tls 1 speaks TLS 1.3 to whoever it is.  One line of JSON is printed: units (requests or events) in the
 * counted time, per_second, latencies in microseconds, errors, and for each
 * PID the CPU time that it took meanwhile and its memory at the end.  Any
 * error, such as a status but 200 or an event too few, makes the exit
 * status 1. */
#include "test/bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "core/cleanup.h"
#include "core/io/http_parse.h"
#include "core/io/tls.h"
#include "test/bench/proc.h"
#include "test/bench/times.h"

#define IN_SIZE (64u << 10)
#define LINE_MAX 1024 /* bytes of an event's line that are looked at */
#define DRAIN_NS 10000000000u
#define COUNT_NS 120000000000u /* for all that --count asks for */
#define HOLD_NS 280000000000u  /* for the streams to begin */
#define REQUEST_MAX (256u << 20)
#define START_NS 10000000000u
#define HOLD_WIDTH 32 /* streams that are being begun at once */

struct settings {
	const char *mode, *at, *pids;
	double seconds, warm;
	uint64_t conns, count, body, events, every, tls;
	char *const *command;
};

struct user {
	int fd;
	struct tls_session *session; /* NULL: plain */
	bool busy;
	size_t sent; /* of the request */
	uint64_t began;
	uint64_t events;
	bool done; /* the stream said [DONE] */
	struct http_parser parser;
	size_t line_len;
	char line[LINE_MAX];
};

struct load {
	const struct settings *set;
	bool stream;
	bool hold;
	int epoll;
	struct tls *tls;
	struct user *user;
	size_t n_users;
	struct buf request;
	uint64_t from, until; /* what is counted; ns */
	uint64_t units, errors;
	uint64_t left; /* requests to make yet */
	size_t busy;
	struct times times;
};

/* ---- errors -------------------------------------------------------------- */

static void fail(struct load *l, struct user *u, const char *why)
{
	if (l->errors++ < 5)
		(void)fprintf(stderr, "load: %s\n", why);
	if (u->busy)
		l->busy--;
	u->busy = false;
	tls_session_free(take(u->session));
	(void)close(u->fd);
	u->fd = -1;
}

/* ---- bytes --------------------------------------------------------------- */

static long session_send(void *ctx, const uint8_t *p, size_t n)
{
	const struct user *u = ctx;
	ssize_t sent = send(u->fd, p, n, MSG_NOSIGNAL);

	if (sent < 0)
		return errno == EAGAIN ? TLS_AGAIN : TLS_FAIL;
	return sent;
}

static long session_recv(void *ctx, uint8_t *p, size_t n)
{
	const struct user *u = ctx;
	ssize_t got = recv(u->fd, p, n, 0);

	if (got < 0)
		return errno == EAGAIN ? TLS_AGAIN : TLS_FAIL;
	return got;
}

/* As send and recv. */
static ssize_t give(struct user *u, struct slice s)
{
	struct err err;
	size_t n;

	if (u->session == NULL)
		return send(u->fd, s.p, s.len, MSG_NOSIGNAL);
	enum status st = tls_session_write(u->session, s, &n, &err);
	errno = st == E_AGAIN ? EAGAIN : EIO;
	return st == OK ? (ssize_t)n : -1;
}

static ssize_t take_in(struct user *u, uint8_t *to, size_t max)
{
	struct err err;
	size_t n;

	if (u->session == NULL)
		return recv(u->fd, to, max, 0);
	enum status st = tls_session_read(u->session, to, max, &n, &err);
	errno = st == E_AGAIN ? EAGAIN : EIO;
	return st == OK ? (ssize_t)n : -1;
}

static void use_tls(struct load *l)
{
	static const struct tls_settings set = { .server = false };
	struct err err;

	bench_must(crypto_setup(&err), &err);
	bench_must(tls_new(&set, &l->tls, &err), &err);
}

/* Connect, with a handshake where there is TLS; both are waited for. */
static void make_connection(struct load *l, struct user *u)
{
	struct sockaddr_in at = bench_address(l->set->at);
	struct tls_transport io = { session_send, session_recv, u };
	struct err err;

	u->fd = bench_socket();
	if (connect(u->fd, (struct sockaddr *)&at, sizeof(at)) < 0)
		bench_die(l->set->at);
	if (l->tls == NULL)
		return;
	bench_must(tls_session_new(l->tls, NULL, io, &u->session, &err), &err);
	bench_must(tls_session_handshake(u->session, &err), &err);
}

/* ---- requests ------------------------------------------------------------ */

/* A chat with a body of this many bytes, or a few more. */
static void make_request(struct load *l)
{
	const struct settings *s = l->set;
	auto_buf struct buf body = buf_make(REQUEST_MAX);

	buf_put_str(&body, "{\"model\":\"bench\",");
	if (l->stream)
		buf_putf(&body,
			 "\"stream\":true,\"bench_events\":%llu,"
			 "\"bench_every\":%llu,",
			 (unsigned long long)s->events,
			 (unsigned long long)s->every);
	buf_put_str(&body, "\"temperature\":0.7,\"seed\":9007199254740993,"
			   "\"messages\":[{\"role\":\"user\",\"content\":\"");
	while (body.len + 4 < s->body)
		buf_put_str(&body, "lorem ipsum ");
	buf_put_str(&body, "\"}]}");
	l->request = buf_make(REQUEST_MAX);
	buf_putf(&l->request,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: %s\r\n"
		 "Content-Type: application/json\r\nAuthorization: Bearer "
		 "none\r\nContent-Length: %zu\r\n\r\n",
		 s->at, body.len);
	buf_put(&l->request, buf_slice(&body));
}

/* Send what is left of the request. */
static void push(struct load *l, struct user *u)
{
	while (u->sent < l->request.len) {
		struct slice rest = slice_from(buf_slice(&l->request), u->sent);
		ssize_t n = give(u, rest);
		if (n < 0 && errno == EAGAIN) {
			bench_watch(l->epoll, EPOLL_CTL_MOD, u->fd,
				    EPOLLIN | EPOLLOUT, u);
			return;
		}
		if (n < 0) {
			fail(l, u, "the connection broke while sending");
			return;
		}
		u->sent += (size_t)n;
	}
}

static void ask(struct load *l, struct user *u)
{
	uint64_t now = bench_now();

	if (now >= l->until || l->left == 0)
		return;
	l->left--;
	u->busy = true;
	l->busy++;
	u->began = now;
	u->sent = 0;
	u->events = 0;
	u->done = false;
	u->line_len = 0;
	push(l, u);
}

static void count(struct load *l, uint64_t began, uint64_t now)
{
	if (now < l->from || now >= l->until || l->hold)
		return;
	l->units++;
	times_add(&l->times, now > began ? now - began : 0);
}

/* ---- answers ------------------------------------------------------------- */

static void on_line(struct load *l, struct user *u, uint64_t now)
{
	static const char mark[] = "\"content\":\"@";

	u->line[u->line_len] = '\0';
	const char *at = strstr(u->line, mark);
	if (at != NULL) {
		u->events++;
		count(l, strtoull(at + sizeof(mark) - 1, NULL, 10), now);
	} else if (strstr(u->line, "[DONE]") != NULL) {
		u->done = true;
	}
	u->line_len = 0;
}

/* What does not fit in a line is of no interest. */
static void on_stream(struct load *l, struct user *u, struct slice data,
		      uint64_t now)
{
	while (data.len > 0) {
		size_t n = slice_find(data, '\n');
		size_t room = LINE_MAX - 1 - u->line_len;
		size_t part = n < room ? n : room;
		memcpy(u->line + u->line_len, data.p, part);
		u->line_len += part;
		if (n == data.len)
			return;
		on_line(l, u, now);
		data = slice_from(data, n + 1);
	}
}

static void on_end(struct load *l, struct user *u, uint64_t now)
{
	if (l->stream && (!u->done || u->events != l->set->events)) {
		fail(l, u, "a stream had not all of its events");
		return;
	}
	if (!l->stream)
		count(l, u->began, now);
	u->busy = false;
	l->busy--;
	ask(l, u);
}

static void add_user(struct load *l);

/* A stream is there, and stays: on to the next one. */
static void on_held(struct load *l, struct user *u, uint64_t now)
{
	l->units++;
	times_add(&l->times, now - u->began);
	if (l->n_users < l->set->conns)
		add_user(l);
}

/* One event of the parser; false when there is no more to do. */
static bool on_event(struct load *l, struct user *u,
		     const struct http_event *ev, uint64_t now)
{
	if (ev->kind == HTTP_MORE)
		return false;
	if (ev->kind == HTTP_HEAD && ev->head->status != 200) {
		fail(l, u, "an answer with another status than 200");
		return false;
	}
	if (ev->kind == HTTP_HEAD && l->hold)
		on_held(l, u, now);
	if (ev->kind == HTTP_DATA && l->stream)
		on_stream(l, u, ev->data, now);
	if (ev->kind == HTTP_END)
		on_end(l, u, now);
	return u->busy;
}

static void parse(struct load *l, struct user *u, struct slice in)
{
	uint64_t now = bench_now();
	struct http_event ev;
	struct err err;
	size_t used;

	do {
		if (http_parse_next(&u->parser, in, &used, &ev, &err) != OK) {
			fail(l, u, err.text);
			return;
		}
		in = slice_from(in, used);
	} while (on_event(l, u, &ev, now));
}

/* A session may hold more than the socket does. */
static void on_user(struct load *l, struct user *u)
{
	static uint8_t in[IN_SIZE];

	do {
		ssize_t n = take_in(u, in, sizeof(in));
		if (n < 0 && errno == EAGAIN)
			return;
		if (n <= 0 || !u->busy) {
			fail(l, u, "the connection was closed");
			return;
		}
		parse(l, u, slice_make(in, (size_t)n));
	} while (u->session != NULL);
}

/* ---- the run ------------------------------------------------------------- */

static void turn(struct load *l, int wait_ms)
{
	struct epoll_event ev[BENCH_EPOLL_MAX];
	int n = epoll_wait(l->epoll, ev, BENCH_EPOLL_MAX, wait_ms);

	for (int i = 0; i < n; i++) {
		struct user *u = ev[i].data.ptr;
		if (u->fd >= 0 && (ev[i].events & EPOLLOUT) != 0) {
			bench_watch(l->epoll, EPOLL_CTL_MOD, u->fd, EPOLLIN, u);
			push(l, u);
		}
		if (u->fd >= 0 && (ev[i].events & ~(uint32_t)EPOLLOUT) != 0)
			on_user(l, u);
	}
}

/* Streams that are held begin at once. */
static void add_user(struct load *l)
{
	struct user *u = &l->user[l->n_users++];

	make_connection(l, u);
	if (fcntl(u->fd, F_SETFL, O_NONBLOCK) < 0)
		bench_die(l->set->at);
	http_parse_init_response(&u->parser, 0, UINT64_MAX);
	bench_watch(l->epoll, EPOLL_CTL_ADD, u->fd, EPOLLIN, u);
	if (l->hold)
		ask(l, u);
}

static void connect_all(struct load *l)
{
	uint64_t n = l->set->conns;

	l->epoll = epoll_create1(EPOLL_CLOEXEC);
	l->user = mem_calloc(n, sizeof(*l->user));
	if (l->epoll < 0 || l->user == NULL)
		bench_die("start");
	while (l->n_users < (l->hold && n > HOLD_WIDTH ? HOLD_WIDTH : n))
		add_user(l);
}

static void run_until(struct load *l, uint64_t end)
{
	for (uint64_t now = bench_now(); now < end; now = bench_now())
		turn(l, (int)((end - now) / 1000000 + 1));
}

static void print_result(const struct load *l, const struct procs *p)
{
	double seconds = (double)(l->until - l->from) / 1e9;

	printf("{\"mode\":\"%s\",\"conns\":%llu,\"units\":%llu,"
	       "\"per_second\":%.1f,",
	       l->set->mode, (unsigned long long)l->set->conns,
	       (unsigned long long)l->units, (double)l->units / seconds);
	times_print(&l->times);
	printf(",\"errors\":%llu,\"procs\":[", (unsigned long long)l->errors);
	procs_print(p);
	printf("]}\n");
}

static void ask_all(struct load *l)
{
	for (size_t i = 0; i < l->n_users; i++)
		ask(l, &l->user[i]);
}

static void drain(struct load *l, uint64_t ns)
{
	uint64_t end = bench_now() + ns;

	while (l->busy > 0 && bench_now() < end)
		turn(l, 100);
	l->errors += l->busy;
}

static void run_timed(struct load *l, struct procs *procs)
{
	const struct settings *s = l->set;

	connect_all(l);
	l->left = UINT64_MAX;
	l->from = bench_now() + (uint64_t)(s->warm * 1e9);
	l->until = l->from + (uint64_t)(s->seconds * 1e9);
	ask_all(l);
	run_until(l, l->from);
	procs_begin(procs);
	run_until(l, l->until);
	procs_end(procs);
	drain(l, DRAIN_NS);
}

static void run_counted(struct load *l, struct procs *procs)
{
	connect_all(l);
	l->left = l->set->count;
	l->until = UINT64_MAX;
	procs_begin(procs);
	l->from = bench_now();
	ask_all(l);
	drain(l, COUNT_NS);
	l->until = bench_now();
	procs_end(procs);
}

static void run_held(struct load *l, struct procs *procs)
{
	uint64_t end = bench_now() + HOLD_NS;

	l->left = UINT64_MAX;
	l->until = UINT64_MAX;
	procs_begin(procs);
	l->from = bench_now();
	connect_all(l);
	while (l->units < l->set->conns && l->errors == 0 && bench_now() < end)
		turn(l, 100);
	l->until = bench_now();
	run_until(l, l->until + (uint64_t)(l->set->seconds * 1e9));
	procs_end(procs);
	l->errors += l->units < l->set->conns;
}

static void run_shakes(struct load *l, struct procs *procs)
{
	struct user u = { 0 };

	use_tls(l);
	make_connection(l, &u); /* to warm up */
	procs_begin(procs);
	l->from = bench_now();
	l->until = l->from + (uint64_t)(l->set->seconds * 1e9);
	for (uint64_t now = l->from; now < l->until; l->units++) {
		tls_session_free(take(u.session));
		(void)close(u.fd);
		make_connection(l, &u);
		times_add(&l->times, bench_now() - now);
		now = bench_now();
	}
	l->until = bench_now();
	procs_end(procs);
}

static int run_load(const struct settings *s)
{
	static struct load l;
	struct procs procs = { 0 };

	l.set = s;
	l.hold = strcmp(s->mode, "hold") == 0;
	l.stream = l.hold || strcmp(s->mode, "sse") == 0;
	procs_parse(&procs, s->pids);
	if (s->tls > 0)
		use_tls(&l);
	make_request(&l);
	if (l.hold)
		run_held(&l, &procs);
	else if (strcmp(s->mode, "shake") == 0)
		run_shakes(&l, &procs);
	else if (s->count > 0)
		run_counted(&l, &procs);
	else
		run_timed(&l, &procs);
	print_result(&l, &procs);
	return l.errors == 0 ? 0 : 1;
}

/* ---- starting a program -------------------------------------------------- */

static bool is_there(const char *file)
{
	return access(file, F_OK) == 0;
}

static bool accepts(const char *where)
{
	struct sockaddr_in at = bench_address(where);
	int fd = bench_socket();
	bool ok = connect(fd, (struct sockaddr *)&at, sizeof(at)) == 0;

	(void)close(fd);
	return ok;
}

static int run_start(const struct settings *s, bool (*up)(const char *at))
{
	const struct timespec pause = { .tv_nsec = 20000 };
	static struct times times;
	int status;
	uint64_t began = bench_now();
	pid_t pid = fork();

	if (pid < 0)
		bench_die("fork");
	if (pid == 0) {
		(void)execv(s->command[0], s->command);
		_exit(127);
	}
	while (!up(s->at)) {
		if (waitpid(pid, &status, WNOHANG) == pid ||
		    bench_now() - began > START_NS) {
			(void)fprintf(stderr, "load: %s does not serve\n",
				      s->command[0]);
			return 1;
		}
		(void)nanosleep(&pause, NULL);
	}
	times_add(&times, bench_now() - began);
	(void)kill(pid, SIGTERM);
	(void)waitpid(pid, &status, 0);
	printf("{\"mode\":\"%s\",", s->mode);
	times_print(&times);
	printf(",\"errors\":0}\n");
	return 0;
}

/* ---- options ------------------------------------------------------------- */

static bool read_option(struct settings *s, const char *name, const char *value)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
		double *seconds;
	} known[] = {
		{ "--mode", &s->mode, NULL, NULL },
		{ "--at", &s->at, NULL, NULL },
		{ "--pids", &s->pids, NULL, NULL },
		{ "--conns", NULL, &s->conns, NULL },
		{ "--count", NULL, &s->count, NULL },
		{ "--tls", NULL, &s->tls, NULL },
		{ "--body", NULL, &s->body, NULL },
		{ "--events", NULL, &s->events, NULL },
		{ "--every", NULL, &s->every, NULL },
		{ "--seconds", NULL, NULL, &s->seconds },
		{ "--warm", NULL, NULL, &s->warm },
	};

	for (size_t i = 0; i < countof(known); i++) {
		if (strcmp(name, known[i].name) != 0 || value == NULL)
			continue;
		if (known[i].number != NULL)
			return slice_u64(slice_str(value), known[i].number);
		if (known[i].seconds != NULL)
			*known[i].seconds = strtod(value, NULL);
		else
			*known[i].text = value;
		return true;
	}
	return false;
}

int main(int argc, char **argv)
{
	struct settings s = { .mode = "req",
			      .at = "127.0.0.1:8080",
			      .pids = "",
			      .seconds = 2,
			      .warm = 0.5,
			      .conns = 32,
			      .body = 1024,
			      .events = 50,
			      .every = 20000 };
	int i = 1;

	for (; i < argc && strcmp(argv[i], "--") != 0; i += 2)
		if (!read_option(&s, argv[i], argv[i + 1]))
			return 64;
	s.command = argv + (i < argc ? i + 1 : argc);
	bool file = strcmp(s.mode, "start") == 0;
	if (!file && strcmp(s.mode, "accept") != 0)
		return run_load(&s);
	return s.command[0] == NULL ? 64
				    : run_start(&s, file ? is_there : accepts);
}
