/* A model server to measure with, as lean as it can be: the shapes of the
 * OpenAI API, one process, one core.
 *
 *	mock [HOST:PORT]	127.0.0.1:0 by default
 *
 * prints the port when it listens.  A request whose body has "stream":true is
 * answered with a stream of "bench_events" events, one each "bench_every"
 * microseconds (0: as fast as they are taken), members of the same body; the
 * streams begin spread over that time.  Each event's content begins with @
 * and the time it was made, CLOCK_MONOTONIC in ns as 20 digits, so that it
 * survives any encryption on the way.  Other requests get 0.8 KB of JSON. */
#include "test/bench/bench.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/timerfd.h>

#include "core/cleanup.h"
#include "core/io/http_parse.h"

#define EVENTS 50
#define EVERY_US 20000
#define IN_SIZE (64u << 10)
#define BODY_SEEN 4096 /* bytes of a body that are looked at */
#define EVENT_SIZE 512 /* more than any event, with its framing */
#define BATCH 16       /* events written at once when not paced */
#define NO_STREAM UINT64_MAX

struct peer {
	int fd;
	bool blocked; /* waits until the socket takes more */
	bool gone;    /* freed when this turn is over */
	struct http_parser parser;
	char body[BODY_SEEN + 1]; /* how it begins */
	size_t body_len;
	uint64_t left;	/* events to come; NO_STREAM: none is under way */
	uint64_t every; /* ns */
	uint64_t due;	/* when the next event is made */
	struct peer *next, *prev; /* among those with a time, by it */
	size_t out_len, out_at;
	char out[BATCH * EVENT_SIZE];
};

struct mock {
	int epoll, listener, timer;
	struct peer first; /* ends the ring of those with a time */
	struct peer *dead;
	unsigned streams; /* begun so far */
};

static const char event_front[] =
	"data: {\"id\":\"chatcmpl-bench\",\"object\":\"chat.completion.chunk\","
	"\"created\":1790000000,\"model\":\"bench\",\"choices\":[{\"index\":0,"
	"\"delta\":{\"role\":\"assistant\",\"content\":\"@";
static const char event_back[] =
	" and a few words\"},\"logprobs\":null,\"finish_reason\":null}],"
	"\"usage\":null}\n\n";

/* ---- the ring of those with a time --------------------------------------- */

static void ring_out(struct peer *p)
{
	if (p->next == NULL)
		return;
	p->next->prev = p->prev;
	p->prev->next = p->next;
	p->next = NULL;
	p->prev = NULL;
}

/* Behind all that are due no later: mostly that is the end. */
static void ring_in(struct mock *m, struct peer *p)
{
	struct peer *at = m->first.prev;

	while (at != &m->first && at->due > p->due)
		at = at->prev;
	p->next = at->next;
	p->prev = at;
	at->next->prev = p;
	at->next = p;
}

static void set_timer(const struct mock *m)
{
	struct itimerspec when = { 0 };
	const struct peer *p = m->first.next;

	if (p != &m->first) {
		when.it_value.tv_sec = (time_t)(p->due / 1000000000u);
		when.it_value.tv_nsec = (long)(p->due % 1000000000u);
	}
	if (timerfd_settime(m->timer, TFD_TIMER_ABSTIME, &when, NULL) < 0)
		bench_die("timerfd_settime");
}

/* ---- answers ------------------------------------------------------------- */

static void drop(struct mock *m, struct peer *p)
{
	if (p->gone)
		return;
	p->gone = true;
	ring_out(p);
	(void)close(p->fd);
	p->next = m->dead;
	m->dead = p;
}

static void bury(struct mock *m)
{
	while (m->dead != NULL) {
		struct peer *p = m->dead;
		m->dead = p->next;
		http_parse_done(&p->parser);
		mem_free(p);
	}
}

static void put(struct peer *p, const void *bytes, size_t n)
{
	if (n > sizeof(p->out) - p->out_len)
		abort(); /* EVENT_SIZE or BATCH is wrong */
	memcpy(p->out + p->out_len, bytes, n);
	p->out_len += n;
}

static void put_event(struct peer *p)
{
	char digits[BENCH_STAMP_LEN + 1];
	char size[16];
	size_t n =
		sizeof(event_front) + sizeof(event_back) - 2 + BENCH_STAMP_LEN;
	int k = snprintf(size, sizeof(size), "%zx\r\n", n);

	(void)snprintf(digits, sizeof(digits), "%020llu",
		       (unsigned long long)bench_now());
	put(p, size, (size_t)k);
	put(p, event_front, sizeof(event_front) - 1);
	put(p, digits, BENCH_STAMP_LEN);
	put(p, event_back, sizeof(event_back) - 1);
	put(p, "\r\n", 2);
}

static void put_end(struct peer *p)
{
	static const char end[] = "e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n";

	put(p, end, sizeof(end) - 1);
	p->left = NO_STREAM;
}

/* Write what there is; false when the socket takes no more now, or the peer
 * is gone. */
static bool flush(struct mock *m, struct peer *p)
{
	while (p->out_at < p->out_len) {
		ssize_t n = send(p->fd, p->out + p->out_at,
				 p->out_len - p->out_at, MSG_NOSIGNAL);
		if (n < 0 && errno == EAGAIN) {
			if (!p->blocked)
				bench_watch(m->epoll, EPOLL_CTL_MOD, p->fd,
					    EPOLLIN | EPOLLOUT, p);
			p->blocked = true;
			return false;
		}
		if (n < 0) {
			drop(m, p);
			return false;
		}
		p->out_at += (size_t)n;
	}
	p->out_at = 0;
	p->out_len = 0;
	if (p->blocked)
		bench_watch(m->epoll, EPOLL_CTL_MOD, p->fd, EPOLLIN, p);
	p->blocked = false;
	return true;
}

/* Whatever the stream has to say now. */
static void go_on(struct mock *m, struct peer *p)
{
	while (flush(m, p) && p->left != NO_STREAM) {
		if (p->every > 0 && p->left > 0 && p->due > bench_now()) {
			ring_in(m, p);
			return;
		}
		size_t n = p->every > 0 ? 1 : BATCH - 1;
		for (; n > 0 && p->left > 0; n--) {
			put_event(p);
			p->left--;
			p->due += p->every;
		}
		if (p->left == 0)
			put_end(p);
	}
}

static uint64_t member(const struct peer *p, const char *name,
		       uint64_t otherwise)
{
	const char *at = strstr(p->body, name);

	return at == NULL ? otherwise : strtoull(at + strlen(name), NULL, 10);
}

static void answer_stream(struct mock *m, struct peer *p)
{
	static const char head[] =
		"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
		"Transfer-Encoding: chunked\r\n\r\n";

	p->left = member(p, "\"bench_events\":", EVENTS);
	p->every = member(p, "\"bench_every\":", EVERY_US) * 1000;
	/* Multiples of the golden ratio spread evenly, however many. */
	double turn = m->streams++ * 0.6180339887;
	p->due = bench_now() +
		 (uint64_t)((turn - (double)(uint64_t)turn) * (double)p->every);
	put(p, head, sizeof(head) - 1);
	go_on(m, p);
}

static void answer(struct mock *m, struct peer *p)
{
	static char whole[2048];
	static int len;

	p->body[p->body_len] = '\0';
	if (strstr(p->body, "\"stream\":true") != NULL) {
		answer_stream(m, p);
		return;
	}
	if (len == 0) {
		char body[1024];
		int n = snprintf(body, sizeof(body),
				 "{\"id\":\"chatcmpl-bench\",\"object\":"
				 "\"chat.completion\",\"created\":1790000000,"
				 "\"model\":\"bench\",\"choices\":[{\"index\":0"
				 ",\"message\":{\"role\":\"assistant\","
				 "\"content\":\"%0600d\"},\"finish_reason\":"
				 "\"stop\"}],\"usage\":{\"prompt_tokens\":200,"
				 "\"completion_tokens\":150}}",
				 0);
		len = snprintf(whole, sizeof(whole),
			       "HTTP/1.1 200 OK\r\nContent-Type: "
			       "application/json\r\nContent-Length: %d\r\n\r\n"
			       "%s",
			       n, body);
	}
	put(p, whole, (size_t)len);
	(void)flush(m, p);
}

/* ---- requests ------------------------------------------------------------ */

static void feed(struct mock *m, struct peer *p, struct slice in)
{
	struct http_event ev;
	struct err err;
	size_t used;

	for (;;) {
		bench_must(http_parse_next(&p->parser, in, &used, &ev, &err),
			   &err);
		in = slice_from(in, used);
		if (ev.kind == HTTP_MORE)
			return;
		if (ev.kind == HTTP_HEAD)
			p->body_len = 0;
		if (ev.kind == HTTP_DATA) {
			struct slice part =
				slice_sub(ev.data, 0, BODY_SEEN - p->body_len);
			memcpy(p->body + p->body_len, part.p, part.len);
			p->body_len += part.len;
		}
		if (ev.kind == HTTP_END)
			answer(m, p);
		if (p->gone)
			return;
	}
}

static void on_peer(struct mock *m, struct peer *p, uint32_t what)
{
	static uint8_t in[IN_SIZE];

	if (p->gone)
		return;
	if ((what & EPOLLOUT) != 0)
		go_on(m, p);
	if (p->gone || (what & ~(uint32_t)EPOLLOUT) == 0)
		return;
	ssize_t n = recv(p->fd, in, sizeof(in), 0);
	if (n > 0)
		feed(m, p, slice_make(in, (size_t)n));
	else if (n == 0 || errno != EAGAIN)
		drop(m, p);
}

static void on_listener(struct mock *m)
{
	int one = 1;
	int fd = accept4(m->listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);

	if (fd < 0)
		return; /* it left already */
	(void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	struct peer *p = mem_must(sizeof(*p));
	p->fd = fd;
	p->left = NO_STREAM;
	http_parse_init_request(&p->parser, 0, UINT64_MAX);
	bench_watch(m->epoll, EPOLL_CTL_ADD, fd, EPOLLIN, p);
}

static void on_time(struct mock *m)
{
	uint64_t now = bench_now();

	while (m->first.next != &m->first && m->first.next->due <= now) {
		struct peer *p = m->first.next;
		ring_out(p);
		go_on(m, p);
	}
}

static void start(struct mock *m, const char *where)
{
	struct sockaddr_in at = bench_address(where);
	socklen_t len = sizeof(at);
	int one = 1;

	m->first.next = &m->first;
	m->first.prev = &m->first;
	m->listener = bench_socket();
	if (setsockopt(m->listener, SOL_SOCKET, SO_REUSEADDR, &one,
		       sizeof(one)) < 0 ||
	    bind(m->listener, (struct sockaddr *)&at, len) < 0 ||
	    listen(m->listener, 4096) < 0 ||
	    fcntl(m->listener, F_SETFL, O_NONBLOCK) < 0 ||
	    getsockname(m->listener, (struct sockaddr *)&at, &len) < 0)
		bench_die(where);
	m->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	m->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (m->timer < 0 || m->epoll < 0)
		bench_die("epoll");
	bench_watch(m->epoll, EPOLL_CTL_ADD, m->listener, EPOLLIN,
		    &m->listener);
	bench_watch(m->epoll, EPOLL_CTL_ADD, m->timer, EPOLLIN, &m->timer);
	printf("%u\n", ntohs(at.sin_port));
	(void)fflush(stdout);
}

static void turn(struct mock *m)
{
	struct epoll_event ev[BENCH_EPOLL_MAX];

	set_timer(m);
	int n = epoll_wait(m->epoll, ev, BENCH_EPOLL_MAX, -1);
	for (int i = 0; i < n; i++) {
		if (ev[i].data.ptr == &m->listener)
			on_listener(m);
		else if (ev[i].data.ptr == &m->timer)
			on_time(m);
		else
			on_peer(m, ev[i].data.ptr, ev[i].events);
	}
	bury(m);
}

int main(int argc, char **argv)
{
	static struct mock m;

	if (signal(SIGPIPE, SIG_IGN) == SIG_ERR)
		bench_die("signal");
	start(&m, argc > 1 ? argv[1] : "127.0.0.1:0");
	for (;;)
		turn(&m);
}
