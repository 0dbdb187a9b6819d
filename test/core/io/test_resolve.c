#include "core/io/resolve.h"

#include <arpa/inet.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/dial.h"
#include "test/core/io/pair.h"

static bool known(const char *host, struct resolve_list *out)
{
	struct addr a = { .port = 80 };

	(void)snprintf(a.host, sizeof(a.host), "%s", host);
	return resolve_known(&a, out);
}

TEST(numbers_and_localhost_are_known)
{
	struct resolve_list l;

	CHECK(known("127.0.0.9", &l));
	CHECK(l.n == 1 && l.at[0].in.sin_family == AF_INET);
	CHECK(ntohl(l.at[0].in.sin_addr.s_addr) == 0x7f000009);
	CHECK(ntohs(l.at[0].in.sin_port) == 80);
	CHECK(known("2001:db8::1", &l));
	CHECK(l.n == 1 && l.at[0].in6.sin6_family == AF_INET6);
	CHECK(known("localhost", &l));
	CHECK_EQ_U64(l.n, 2);
	CHECK(known("LOCALHOST.", &l));
	CHECK(known("a.localhost", &l));
	CHECK(!known("localhost.example", &l));
	CHECK(!known("notlocalhost", &l));
	CHECK(!known(".localhost", &l));
	CHECK(!known("a.example", &l));
	CHECK(!known("", &l));
}

TEST(socket_addresses_and_back)
{
	static const char *const texts[] = {
		"127.0.0.1:5",
		"[::1]:6",
		"unix:/run/x",
		"unix:@abstract",
	};

	for (size_t i = 0; i < countof(texts); i++) {
		struct resolve_list l;
		struct addr a, back;
		struct err err;
		char text[ADDR_TEXT_SIZE];

		CHECK(addr_parse(texts[i], 0, &a, &err) == OK);
		CHECK(resolve_known(&a, &l));
		resolve_reverse(&l.at[0], &back);
		addr_text(&back, text);
		CHECK_STR_EQ(text, texts[i]);
	}
}

TEST(an_ipv4_peer_of_a_dual_socket_looks_like_ipv4)
{
	struct resolve_list l;
	struct addr back;

	CHECK(known("::ffff:10.1.2.3", &l));
	resolve_reverse(&l.at[0], &back);
	CHECK_STR_EQ(back.host, "10.1.2.3");
}

/* A DNS server with one answer, on loopback. */
struct server {
	int fd;
	struct loop_fd *watch;
	unsigned asked;
	bool silent;
	bool nobody; /* NXDOMAIN */
	char addr[ADDR_TEXT_SIZE];
};

/* One answer, 127.0.0.1, to A questions and none to others (RFC 1035 s4). */
static void serve(void *ctx, unsigned what)
{
	/* clang-format off */
	static const uint8_t answer[] = {
		0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 127, 0, 0, 1,
	};
	/* clang-format on */
	struct server *s = ctx;
	struct sockaddr_in from;
	socklen_t len = sizeof(from);
	uint8_t m[600];

	(void)what;
	ssize_t n = recvfrom(s->fd, m, 512, 0, (struct sockaddr *)&from, &len);
	s->asked++;
	if (n < 17 || s->silent)
		return;
	size_t at = 12; /* behind the header: the question's name and type */
	while (at < (size_t)n && m[at] != 0)
		at += m[at] + 1u;
	bool is_a = m[at + 2] == 1;
	at += 5; /* 0, type, class */
	m[2] = 0x81;
	m[3] = s->nobody ? 0x83 : 0x80;
	m[6] = m[8] = m[9] = m[10] = m[11] = 0;
	m[7] = is_a && !s->nobody;
	if (m[7] != 0) {
		memcpy(m + at, answer, sizeof(answer));
		at += sizeof(answer);
	}
	(void)sendto(s->fd, m, at, 0, (struct sockaddr *)&from, len);
}

static bool server_start(struct server *s, struct loop *l)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(in);

	*s = (struct server){ .fd = socket(AF_INET, SOCK_DGRAM, 0) };
	if (!EXPECT(s->fd >= 0 &&
		    bind(s->fd, (struct sockaddr *)&in, len) == 0 &&
		    getsockname(s->fd, (struct sockaddr *)&in, &len) == 0))
		return false;
	(void)snprintf(s->addr, sizeof(s->addr), "127.0.0.1:%u",
		       ntohs(in.sin_port));
	s->watch = loop_fd_new(l, s->fd, serve, s);
	loop_fd_want(s->watch, LOOP_READ);
	return true;
}

static void server_stop(struct server *s)
{
	loop_fd_free(s->watch);
	(void)close(s->fd);
}

struct asked {
	unsigned calls;
	struct resolve_list list;
	struct err why;
};

static void done(void *ctx, const struct resolve_list *list,
		 const struct err *why)
{
	struct asked *a = ctx;

	a->calls++;
	if (list != NULL)
		a->list = *list;
	a->why = *why;
}

TEST(a_name_is_asked_of_the_server)
{
	struct addr name = { .host = "model.example", .port = 443 };
	struct asked a = { 0 };
	struct server s;
	struct loop *l;
	struct resolve *r;
	struct err err;

	CHECK(loop_new(&l, &err) == OK && server_start(&s, l));
	CHECK(resolve_setup(l, s.addr, &err) == OK);
	CHECK(resolve_setup(l, s.addr, &err) == E_USAGE);
	CHECK(resolve_start(l, &name, done, &a, &r, &err) == OK);
	CHECK_EQ_U64(a.calls, 0);
	RUN_UNTIL(l, a.calls == 1);
	CHECK_EQ_U64(a.list.n, 1);
	CHECK(ntohl(a.list.at[0].in.sin_addr.s_addr) == INADDR_LOOPBACK);
	CHECK(ntohs(a.list.at[0].in.sin_port) == 443);
	CHECK(s.asked >= 1);
	server_stop(&s);
	loop_free(l);
}

TEST(a_name_that_does_not_exist_is_unavailable)
{
	struct addr name = { .host = "nobody.example", .port = 443 };
	struct asked a = { 0 };
	struct server s;
	struct loop *l;
	struct resolve *r;
	struct err err;

	CHECK(loop_new(&l, &err) == OK && server_start(&s, l));
	s.nobody = true;
	CHECK(resolve_setup(l, s.addr, &err) == OK);
	CHECK(resolve_start(l, &name, done, &a, &r, &err) == OK);
	RUN_UNTIL(l, a.calls == 1);
	CHECK(a.why.code == E_UNAVAIL);
	CHECK(strstr(a.why.text, "nobody.example") != NULL);
	CHECK_EQ_U64(a.list.n, 0);
	server_stop(&s);
	loop_free(l);
}

TEST(a_lookup_can_be_cancelled_at_any_time)
{
	struct addr names[] = { { .host = "model.example", .port = 443 },
				{ .host = "127.0.0.1", .port = 443 } };
	struct asked a = { 0 };
	struct server s;
	struct loop *l;
	struct resolve *r;
	struct err err;

	CHECK(loop_new(&l, &err) == OK && server_start(&s, l));
	CHECK(resolve_setup(l, s.addr, &err) == OK);
	for (size_t i = 0; i < countof(names); i++)
		for (unsigned turns = 0; turns < 2; turns++) {
			CHECK(resolve_start(l, &names[i], done, &a, &r, &err) ==
			      OK);
			if (i == 0 && turns > 0)
				loop_run_once(l, 50);
			if (a.calls == 0)
				resolve_cancel(r);
			run_for(l, 10);
			CHECK_EQ_U64(a.calls, 0);
		}
	resolve_cancel(NULL);
	/* and when the loop never runs again */
	s.silent = true;
	CHECK(resolve_start(l, &names[0], done, &a, &r, &err) == OK);
	loop_run_once(l, 0);
	resolve_cancel(r);
	server_stop(&s);
	loop_free(l);
	CHECK_EQ_U64(a.calls, 0);
}

TEST(a_bad_server_is_a_usage_error)
{
	struct loop *l;
	struct err err;

	CHECK(loop_new(&l, &err) == OK);
	CHECK(resolve_setup(l, "not an address", &err) == E_USAGE);
	CHECK(resolve_setup(l, NULL, &err) == OK);
	loop_free(l);
}

TEST(a_connection_by_name_works)
{
	struct pair p;
	struct server s;
	struct err err;

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(server_start(&s, p.loop));
	CHECK(resolve_setup(p.loop, s.addr, &err) == OK);
	(void)snprintf(p.at.host, sizeof(p.at.host), "server.example");
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.a.readies == 1);
	CHECK(strstr(conn_peer_text(p.a.c), "127.0.0.1:") != NULL);
	server_stop(&s);
	pair_done(&p);
}

TEST(a_silent_name_server_times_out_and_may_be_left)
{
	struct pair p;
	struct server s;
	struct err err;

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(server_start(&s, p.loop));
	s.silent = true;
	CHECK(resolve_setup(p.loop, s.addr, &err) == OK);
	(void)snprintf(p.at.host, sizeof(p.at.host), "server.example");
	CHECK(conn_connect(p.loop, &p.at, NULL, 60, &end_events, &p.a, &p.a.c,
			   &err) == OK);
	RUN_UNTIL(p.loop, p.a.closes == 1);
	CHECK(p.a.why.code == E_UNAVAIL);
	CHECK(strstr(p.a.why.text, "60 ms") != NULL);
	end_done(&p.a);

	CHECK(pair_connect(&p)); /* freed while it asks */
	loop_run_once(p.loop, 0);
	server_stop(&s);
	pair_done(&p);
}

TEST(the_second_address_is_tried_when_the_first_refuses)
{
	struct pair p;

	CHECK(pair_listen(&p, TCP, NULL)); /* of IPv4 alone */
	(void)snprintf(p.at.host, sizeof(p.at.host), "localhost");
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.a.readies == 1);
	pair_done(&p);
}
