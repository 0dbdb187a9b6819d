#include <fcntl.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "core/cleanup.h"
#include "core/io/conn.h"
#include "test/core/io/pair.h"

#define CLIENTS 4

/* Several clients of one listener. */
struct many {
	struct pair p; /* its loop and listener */
	struct end clients[CLIENTS];
	struct end served[CLIENTS];
	size_t n;
	struct listener *ls;
	bool close_in_accept;
};

static void many_accepted(void *ctx, struct conn *c)
{
	struct many *m = ctx;
	struct end *e = &m->served[m->n++ % CLIENTS];

	end_done(e);
	end_init(e);
	e->c = c;
	conn_handlers(c, &end_events, e);
	if (m->close_in_accept)
		listener_close(take(m->ls));
}

static bool many_open(struct many *m, const struct listener_settings *set)
{
	struct err err;

	*m = (struct many){ 0 };
	for (size_t i = 0; i < CLIENTS; i++) {
		end_init(&m->clients[i]);
		end_init(&m->served[i]);
	}
	if (!pair_listen(&m->p, TCP, NULL))
		return false;
	m->p.at = (struct addr){ .host = "127.0.0.1" };
	if (!EXPECT(listener_open(m->p.loop, &m->p.at, NULL, set, many_accepted,
				  m, &m->ls, &err) == OK))
		return false;
	listener_addr(m->ls, &m->p.at);
	return true;
}

static void many_connect(struct many *m)
{
	struct err err;

	for (size_t i = 0; i < CLIENTS; i++)
		(void)EXPECT(conn_connect(m->p.loop, &m->p.at, NULL, 3000,
					  &end_events, &m->clients[i],
					  &m->clients[i].c, &err) == OK);
}

static void many_done(struct many *m)
{
	for (size_t i = 0; i < CLIENTS; i++) {
		end_done(&m->clients[i]);
		end_done(&m->served[i]);
	}
	listener_close(m->ls);
	pair_done(&m->p);
}

TEST(no_more_connections_than_allowed_are_accepted)
{
	struct listener_settings set = { .max_conns = 2 };
	struct many m;

	CHECK(many_open(&m, &set));
	many_connect(&m);
	RUN_UNTIL(m.p.loop, m.n == 2);
	run_for(m.p.loop, 30);
	CHECK_EQ_U64(m.n, 2);

	conn_free(take(m.served[0].c)); /* makes room for one */
	RUN_UNTIL(m.p.loop, m.n == 3);
	run_for(m.p.loop, 30);
	CHECK_EQ_U64(m.n, 3);
	many_done(&m);
}

TEST(connections_outlive_their_listener)
{
	struct many m;

	CHECK(many_open(&m, NULL));
	many_connect(&m);
	RUN_UNTIL(m.p.loop, m.n == CLIENTS);
	listener_close(take(m.ls));
	m.served[0].echo = true;
	conn_write(m.clients[0].c, S("x"));
	RUN_UNTIL(m.p.loop, m.clients[0].got.len == 1);
	many_done(&m);
}

TEST(a_listener_may_be_closed_in_its_callback)
{
	struct many m;

	CHECK(many_open(&m, NULL));
	m.close_in_accept = true;
	many_connect(&m);
	RUN_UNTIL(m.p.loop, m.n == 1);
	run_for(m.p.loop, 20);
	CHECK_EQ_U64(m.n, 1);
	many_done(&m);
}

/* A client that needs no loop: the kernel completes it. */
static int raw_client(const struct addr *at)
{
	struct sockaddr_in in = { .sin_family = AF_INET,
				  .sin_port = htons(at->port),
				  .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)EXPECT(fd >= 0 &&
		     connect(fd, (struct sockaddr *)&in, sizeof(in)) == 0);
	return fd;
}

TEST(out_of_descriptors_it_waits_and_goes_on)
{
	struct rlimit old, none;
	struct many m;

	CHECK(many_open(&m, NULL));
	int fd = raw_client(&m.p.at);
	CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
	none = old;
	none.rlim_cur = 0;
	CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
	uint64_t turns = loop_turn(m.p.loop);
	run_for(m.p.loop, 150);
	turns = loop_turn(m.p.loop) - turns;
	CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
	CHECK_EQ_U64(m.n, 0);
	CHECK(turns > 1 && turns < 20); /* tried again, and did not spin */
	RUN_UNTIL(m.p.loop, m.n == 1);
	(void)close(fd);
	many_done(&m);
}

TEST(at_most_sixteen_are_accepted_a_turn)
{
	struct many m;
	int fds[40];

	CHECK(many_open(&m, NULL));
	for (size_t i = 0; i < countof(fds); i++)
		fds[i] = raw_client(&m.p.at);
	loop_run_once(m.p.loop, 100);
	CHECK_EQ_U64(m.n, 16);
	RUN_UNTIL(m.p.loop, m.n == countof(fds));
	for (size_t i = 0; i < countof(fds); i++)
		(void)close(fds[i]);
	many_done(&m);
}

TEST(a_stale_unix_socket_is_replaced_and_a_live_one_is_not)
{
	struct pair p;
	struct listener *second = NULL;
	struct err err;
	struct stat st;

	CHECK(pair_listen(&p, UNIX, NULL));
	CHECK(listener_open(p.loop, &p.at, NULL, NULL, NULL, NULL, &second,
			    &err) == E_CONFLICT);
	CHECK(second == NULL);
	CHECK(pair_connect(&p)); /* the first still serves */
	RUN_UNTIL(p.loop, p.b.readies == 1);
	listener_close(p.ls);
	p.ls = NULL;
	CHECK(lstat(p.at.host, &st) < 0); /* removed */

	/* Left behind by a process that died. */
	int fd = -1;
	CHECK(listener_bind(&p.at, NULL, &fd, &err) == OK);
	(void)close(fd);
	CHECK(lstat(p.at.host, &st) == 0);
	CHECK(listener_bind(&p.at, NULL, &fd, &err) == OK);
	(void)close(fd);
	pair_done(&p);
}

TEST(a_file_that_is_no_socket_stays)
{
	struct addr at = { .is_unix = true };
	struct err err;
	struct stat st;
	int fd = -1;

	(void)snprintf(at.host, sizeof(at.host), "%s/file", test_dir());
	int file = open(at.host, O_CREAT | O_WRONLY | O_CLOEXEC, 0600);
	CHECK(file >= 0);
	(void)close(file);
	CHECK(listener_bind(&at, NULL, &fd, &err) == E_CONFLICT);
	CHECK(fd == -1);
	CHECK(lstat(at.host, &st) == 0 && S_ISREG(st.st_mode));
}

TEST(close_does_not_remove_the_socket_of_somebody_else)
{
	struct pair p;
	struct err err;
	struct stat st;
	int fd = -1;

	CHECK(pair_listen(&p, UNIX, NULL));
	CHECK(unlink(p.at.host) == 0);
	CHECK(listener_bind(&p.at, NULL, &fd, &err) == OK);
	listener_close(p.ls);
	p.ls = NULL;
	CHECK(lstat(p.at.host, &st) == 0);
	(void)close(fd);
	pair_done(&p);
}

TEST(a_unix_socket_has_the_mode_that_was_asked_for)
{
	static const struct {
		mode_t ask, get;
	} modes[] = { { 0, 0600 }, { 0660, 0660 }, { 0666, 0666 } };

	for (size_t i = 0; i < countof(modes); i++) {
		struct listener_settings set = { .unix_mode = modes[i].ask };
		struct pair p;
		struct stat st;

		CHECK(pair_listen(&p, UNIX, &set));
		CHECK(lstat(p.at.host, &st) == 0);
		CHECK_EQ_U64(st.st_mode & 0777, modes[i].get);
		pair_done(&p);
	}
}

TEST(an_abstract_socket_works)
{
	struct addr at = { .is_unix = true };
	struct pair p;
	struct err err;
	int fd = -1;

	CHECK(pair_listen(&p, TCP, NULL));
	listener_close(take(p.ls));
	(void)snprintf(at.host, sizeof(at.host), "@confd-test-%d", getpid());
	p.at = at;
	CHECK(listener_bind(&at, NULL, &fd, &err) == OK);
	CHECK(listener_bind(&at, NULL, &fd, &err) == E_CONFLICT);
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.a.readies == 1);
	(void)close(fd);
	pair_done(&p);
}

TEST(a_port_in_use_is_a_conflict)
{
	struct listener_settings shared = { .reuse_port = true };
	struct addr at = { .host = "127.0.0.1" };
	struct pair p;
	struct err err;
	int fd = -1;
	int other = -1;

	CHECK(pair_listen(&p, TCP, &shared));
	at.port = p.at.port;
	CHECK(listener_bind(&at, NULL, &fd, &err) == E_CONFLICT);
	CHECK(fd == -1);
	char text[ADDR_TEXT_SIZE];
	addr_text(&at, text);
	CHECK(strstr(err.text, text) != NULL);
	(void)snprintf(at.host, sizeof(at.host), "0.0.0.0");
	CHECK(listener_bind(&at, &shared, &other, &err) == OK);
	(void)close(other);
	pair_done(&p);
}

TEST(no_host_means_all_interfaces)
{
	struct addr at = { 0 };
	struct pair p;
	struct err err;
	int fd = -1;

	CHECK(pair_listen(&p, TCP, NULL));
	listener_close(take(p.ls));
	CHECK(listener_bind(&at, NULL, &fd, &err) == OK);
	struct listener *ls = NULL;
	CHECK(listener_adopt(p.loop, fd, NULL, NULL, NULL, NULL, &ls, &err) ==
	      OK);
	listener_addr(ls, &at);
	p.at.port = at.port;
	listener_close(ls);
	CHECK(listener_bind(&(struct addr){ .port = at.port }, NULL, &fd,
			    &err) == OK);
	CHECK(pair_connect(&p)); /* by IPv4 */
	RUN_UNTIL(p.loop, p.a.readies == 1);
	end_done(&p.a);
	if (strcmp(at.host, "::") == 0) {
		(void)snprintf(p.at.host, sizeof(p.at.host), "::1");
		CHECK(pair_connect(&p));
		RUN_UNTIL(p.loop, p.a.readies + p.a.closes > 0);
		CHECK(p.a.readies > 0 || p.a.why.code == E_UNAVAIL);
	}
	(void)close(fd);
	pair_done(&p);
}

TEST(names_are_not_listened_on)
{
	struct addr at = { .host = "a.example", .port = 1 };
	struct addr local = { .host = "localhost" };
	struct err err;
	int fd = -1;

	CHECK(listener_bind(&at, NULL, &fd, &err) == E_USAGE);
	CHECK(listener_bind(&local, NULL, &fd, &err) == OK);
	(void)close(fd);
}

TEST(only_a_listening_socket_is_adopted)
{
	struct listener *ls = NULL;
	struct pair p;
	struct err err;
	int fd[2];

	CHECK(pair_listen(&p, TCP, NULL));
	CHECK(socketpair(AF_UNIX, SOCK_STREAM, 0, fd) == 0);
	CHECK(listener_adopt(p.loop, fd[0], NULL, NULL, NULL, NULL, &ls,
			     &err) == E_CONF);
	CHECK(listener_adopt(p.loop, -1, NULL, NULL, NULL, NULL, &ls, &err) ==
	      E_IO);
	CHECK(ls == NULL);
	(void)close(fd[0]);
	(void)close(fd[1]);
	pair_done(&p);
}

TEST(a_renewed_certificate_is_shown_to_new_connections)
{
	struct pair_identity renewed;
	struct pair p;

	CHECK(pair_open(&p, TLS));
	CHECK(slice_eq(conn_peer_cert(p.a.c), buf_slice(&p.id.der)));
	pair_identity_make(&renewed, "server.example", NULL);
	struct tls *t = pair_identity_server(&renewed, false);
	listener_set_tls(p.ls, t);
	tls_unref(t);
	end_done(&p.a);
	p.a.readies = 0;
	CHECK(pair_connect(&p));
	RUN_UNTIL(p.loop, p.a.readies == 1);
	CHECK(slice_eq(conn_peer_cert(p.a.c), buf_slice(&renewed.der)));
	pair_identity_done(&renewed);
	pair_done(&p);
}
