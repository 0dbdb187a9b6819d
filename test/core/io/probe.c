#include "test/core/io/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>

#include "core/cleanup.h"

/* ---- a client against a socket that says whatever the test likes ------------ */

static void on_head(void *ctx, const struct http_head *head)
{
	struct probe *r = ctx;

	r->heads++;
	r->status = head->status;
	if (r->pause_head)
		http_client_pause(r->c);
	if (r->free_in_head)
		http_client_free(take(r->c));
}

static void on_body(void *ctx, struct slice part)
{
	struct probe *r = ctx;

	buf_put(&r->body, part);
	r->body_len += part.len;
	if (r->pause_body)
		http_client_pause(r->c);
}

static void on_end(void *ctx)
{
	struct probe *r = ctx;

	r->ends++;
	if (r->free_in_end)
		http_client_free(take(r->c));
	else if (r->again_in_end && http_client_reusable(r->c) && r->ends < 3)
		(void)probe_get(r);
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct probe *r = ctx;

	r->fails++;
	r->why = *why;
	r->sent = sent;
	EXPECT(why->code != OK && why->text[0] != '\0');
}

static void on_drained(void *ctx)
{
	struct probe *r = ctx;

	r->drains++;
}

const struct http_client_events probe_events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
	.drained = on_drained,
};

void probe_nonblocking(int fd)
{
	EXPECT(fcntl(fd, F_SETFL, O_NONBLOCK) == 0);
}

bool probe_open(struct probe *r)
{
	struct sockaddr_in at = { .sin_family = AF_INET,
				  .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(at);
	struct err err;

	*r = (struct probe){ .fd = -1,
			     .in = buf_make(1 << 20),
			     .body = buf_make(1 << 20) };
	r->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (!EXPECT(loop_new(&r->l, &err) == OK) ||
	    !EXPECT(bind(r->listener, (struct sockaddr *)&at, len) == 0) ||
	    !EXPECT(listen(r->listener, 16) == 0) ||
	    !EXPECT(getsockname(r->listener, (struct sockaddr *)&at, &len) ==
		    0))
		return false;
	probe_nonblocking(r->listener);
	r->set = (struct http_client_settings){
		.to = { .host = "127.0.0.1", .port = ntohs(at.sin_port) },
	};
	return true;
}

bool probe_again(struct probe *r)
{
	struct err err;

	http_client_free(take(r->c));
	cleanup_fd(&r->fd);
	r->fd = -1;
	r->fin = r->reset = false;
	buf_clear(&r->in);
	r->heads = r->ends = r->fails = 0;
	r->body_len = 0;
	buf_clear(&r->body);
	return EXPECT(http_client_new(r->l, &r->set, &r->c, &err) == OK);
}

bool probe_connect(struct probe *r)
{
	return probe_open(r) && probe_again(r);
}

void probe_close(struct probe *r)
{
	http_client_free(r->c);
	cleanup_fd(&r->fd);
	cleanup_fd(&r->listener);
	loop_free(r->l);
	buf_done(&r->in);
	buf_done(&r->body);
}

void probe_serve(struct probe *r)
{
	static uint8_t bytes[65536];
	ssize_t n;

	if (r->fd < 0) {
		r->fd = accept(r->listener, NULL, NULL);
		if (r->fd >= 0)
			probe_nonblocking(r->fd);
	}
	if (r->fd < 0 || r->fin || r->reset)
		return;
	while ((n = recv(r->fd, bytes, sizeof(bytes), 0)) > 0)
		buf_put(&r->in, slice_make(bytes, (size_t)n));
	r->fin = n == 0;
	r->reset = n < 0 && errno != EAGAIN;
}

void probe_run(struct probe *r, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	do {
		loop_run_once(r->l, 2);
		probe_serve(r);
	} while (clock_mono_ms() < end);
}

bool probe_end(struct probe *r)
{
	unsigned before = r->ends + r->fails;
	int64_t end = clock_mono_ms() + LONG;

	while (r->ends + r->fails == before && clock_mono_ms() < end) {
		loop_run_once(r->l, 2);
		probe_serve(r);
	}
	return r->ends + r->fails > before;
}

bool probe_asked(const struct probe *r, const char *text)
{
	struct slice s = buf_slice(&r->in);

	return slice_search(s, slice_str(text)) < s.len;
}

bool probe_hear(struct probe *r, const char *text)
{
	int64_t end = clock_mono_ms() + LONG;

	while (!probe_asked(r, text) && clock_mono_ms() < end) {
		loop_run_once(r->l, 2);
		probe_serve(r);
	}
	return probe_asked(r, text);
}

bool probe_say(struct probe *r, const char *text)
{
	size_t len = strlen(text);

	return EXPECT(send(r->fd, text, len, MSG_NOSIGNAL) == (ssize_t)len);
}

bool probe_get(struct probe *r)
{
	struct err err;

	return EXPECT(http_client_begin(r->c, "GET", S("/x"), NULL, 0, 0,
					&probe_events, r, &err) == OK);
}

bool probe_exchange(struct probe *r, const char *answer)
{
	buf_clear(&r->in);
	buf_clear(&r->body);
	return probe_get(r) && EXPECT(probe_hear(r, "\r\n\r\n")) &&
	       probe_say(r, answer);
}

bool probe_body_is(const struct probe *r, const char *text)
{
	return slice_eq_str(buf_slice(&r->body), text);
}
