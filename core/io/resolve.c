#include "core/io/resolve.h"

#include <arpa/inet.h>
#include <event2/dns.h>
#include <event2/util.h>
#include <stddef.h>

#include "core/mem.h"

#define RESOLV_CONF "/etc/resolv.conf"

/* One lookup.  Once it is cancelled it belongs to libevent, which always
 * calls back, if only to say so. */
struct resolve {
	struct loop *loop;
	struct loop_task tell;
	struct evdns_getaddrinfo_request *request; /* NULL: none under way */
	bool cancelled;
	void (*done)(void *ctx, const struct resolve_list *list,
		     const struct err *why);
	void *ctx;
	struct addr what;
	struct resolve_list list;
	struct err why;
};

static void add_v4(struct resolve_list *l, struct in_addr ip, uint16_t port)
{
	struct resolve_addr *a = &l->at[l->n++];

	a->in = (struct sockaddr_in){ .sin_family = AF_INET,
				      .sin_port = htons(port),
				      .sin_addr = ip };
	a->len = sizeof(a->in);
}

static void add_v6(struct resolve_list *l, struct in6_addr ip, uint16_t port)
{
	struct resolve_addr *a = &l->at[l->n++];

	a->in6 = (struct sockaddr_in6){ .sin6_family = AF_INET6,
					.sin6_port = htons(port),
					.sin6_addr = ip };
	a->len = sizeof(a->in6);
}

/* An abstract name begins with a NUL, which is written '@', and has none at
 * its end. */
static void add_unix(struct resolve_list *l, const char *path)
{
	struct resolve_addr *a = &l->at[l->n++];
	size_t len = strnlen(path, sizeof(a->un.sun_path) - 1);

	a->un = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(a->un.sun_path, path, len);
	a->len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (path[0] == '@')
		a->un.sun_path[0] = '\0';
	else
		a->len++;
}

static bool is_localhost(const char *host)
{
	static const char suffix[] = ".localhost";
	struct slice s = slice_str(host);

	if (s.len > 0 && s.p[s.len - 1] == '.')
		s.len--;
	if (slice_eq_nocase(s, S("localhost")))
		return true;
	return s.len > sizeof(suffix) - 1 &&
	       slice_eq_nocase(slice_from(s, s.len - (sizeof(suffix) - 1)),
			       S(".localhost"));
}

bool resolve_known(const struct addr *a, struct resolve_list *out)
{
	struct in_addr v4 = { htonl(INADDR_LOOPBACK) };
	struct in6_addr v6 = in6addr_loopback;

	out->n = 0;
	if (a->is_unix) {
		add_unix(out, a->host);
	} else if (inet_pton(AF_INET, a->host, &v4) == 1) {
		add_v4(out, v4, a->port);
	} else if (inet_pton(AF_INET6, a->host, &v6) == 1) {
		add_v6(out, v6, a->port);
	} else if (is_localhost(a->host)) {
		add_v6(out, v6, a->port);
		add_v4(out, v4, a->port);
	}
	return out->n > 0;
}

static void reverse_unix(const struct resolve_addr *sa, struct addr *out)
{
	size_t base = offsetof(struct sockaddr_un, sun_path);
	size_t len = sa->len > base ? sa->len - base : 0;

	out->is_unix = true;
	if (len > sizeof(sa->un.sun_path))
		len = sizeof(sa->un.sun_path);
	memcpy(out->host, sa->un.sun_path, len);
	if (len > 0 && out->host[0] == '\0')
		out->host[0] = '@';
}

void resolve_reverse(const struct resolve_addr *sa, struct addr *out)
{
	*out = (struct addr){ 0 };
	if (sa->sa.sa_family == AF_UNIX) {
		reverse_unix(sa, out);
	} else if (sa->sa.sa_family == AF_INET) {
		(void)inet_ntop(AF_INET, &sa->in.sin_addr, out->host,
				sizeof(out->host));
		out->port = ntohs(sa->in.sin_port);
	} else if (sa->sa.sa_family == AF_INET6) {
		const struct in6_addr *ip = &sa->in6.sin6_addr;

		/* A dual-stack socket shows peers of IPv4 like this. */
		if (IN6_IS_ADDR_V4MAPPED(ip))
			(void)inet_ntop(AF_INET, &ip->s6_addr[12], out->host,
					sizeof(out->host));
		else
			(void)inet_ntop(AF_INET6, ip, out->host,
					sizeof(out->host));
		out->port = ntohs(sa->in6.sin6_port);
	}
}

/* The resolver of a loop. */

static void free_dns(void *dns)
{
	evdns_base_free(dns, 1); /* fails what is under way */
}

/* resolv.conf may be missing or empty: then libevent asks 127.0.0.1, as the
 * C library does. */
static bool load_system(struct evdns_base *dns)
{
	enum { LOADED = 0, NO_FILE = 1, NO_SERVERS = 6 }; /* event2/dns.h */
	int rc =
		evdns_base_resolv_conf_parse(dns, DNS_OPTIONS_ALL, RESOLV_CONF);

	return rc == LOADED || rc == NO_FILE || rc == NO_SERVERS;
}

enum status resolve_setup(struct loop *l, const char *server, struct err *err)
{
	if (loop_kept(l) != NULL)
		return err_set(err, E_USAGE, "the resolver is set up already");

	/* Its sockets must not keep a loop alive that waits for nothing. */
	struct evdns_base *dns =
		evdns_base_new(loop_base(l), EVDNS_BASE_DISABLE_WHEN_INACTIVE);
	if (dns == NULL)
		return err_set(err, E_IO, "cannot make a resolver");
	if (server == NULL && !load_system(dns)) {
		free_dns(dns);
		return err_set(err, E_IO, "cannot read " RESOLV_CONF);
	}
	if (server != NULL && evdns_base_nameserver_ip_add(dns, server) != 0) {
		free_dns(dns);
		return err_set(err, E_USAGE,
			       "%s: want a name server as ADDRESS:PORT",
			       server);
	}
	loop_keep(l, dns, free_dns);
	return OK;
}

/* Looking up. */

static void tell(void *ctx)
{
	struct resolve *r = ctx;

	r->done(r->ctx, r->list.n > 0 ? &r->list : NULL, &r->why);
	mem_free(r);
}

static void take_results(struct resolve *r, const struct evutil_addrinfo *ai)
{
	for (; ai != NULL && r->list.n < RESOLVE_MAX; ai = ai->ai_next) {
		struct resolve_addr a;

		if (ai->ai_addrlen > sizeof(a.in6))
			continue;
		memcpy(&a, ai->ai_addr, ai->ai_addrlen);
		if (a.sa.sa_family == AF_INET)
			add_v4(&r->list, a.in.sin_addr, r->what.port);
		else if (a.sa.sa_family == AF_INET6)
			add_v6(&r->list, a.in6.sin6_addr, r->what.port);
	}
}

static void answered(int result, struct evutil_addrinfo *ai, void *ctx)
{
	struct resolve *r = ctx;

	r->request = NULL;
	if (r->cancelled) {
		mem_free(r);
	} else {
		take_results(r, ai);
		if (r->list.n == 0)
			(void)err_set(&r->why, E_UNAVAIL,
				      "cannot resolve %s: %s", r->what.host,
				      result == 0
					      ? "it has no address"
					      : evutil_gai_strerror(result));
		loop_task_post(r->loop, &r->tell);
	}
	if (ai != NULL)
		evutil_freeaddrinfo(ai);
}

static void ask(struct resolve *r)
{
	struct evutil_addrinfo hints = { .ai_family = AF_UNSPEC,
					 .ai_socktype = SOCK_STREAM,
					 .ai_protocol = IPPROTO_TCP };

	struct evdns_getaddrinfo_request *request = evdns_getaddrinfo(
		loop_kept(r->loop), r->what.host, NULL, &hints, answered, r);
	if (request != NULL)
		r->request = request; /* else answered() came already */
}

enum status resolve_start(struct loop *l, const struct addr *a,
			  void (*done)(void *ctx,
				       const struct resolve_list *list,
				       const struct err *why),
			  void *ctx, struct resolve **out, struct err *err)
{
	struct resolve_list known;
	bool is_known = resolve_known(a, &known);

	if (!is_known && loop_kept(l) == NULL)
		TRY(resolve_setup(l, NULL, err));

	struct resolve *r = mem_must(sizeof(*r));
	r->loop = l;
	r->tell.run = tell;
	r->tell.ctx = r;
	r->done = done;
	r->ctx = ctx;
	r->what = *a;
	if (is_known) {
		r->list = known;
		loop_task_post(l, &r->tell);
	} else {
		ask(r);
	}
	*out = r;
	return OK;
}

void resolve_cancel(struct resolve *r)
{
	if (r == NULL)
		return;
	if (r->request == NULL) {
		loop_task_drop(&r->tell);
		mem_free(r);
		return;
	}
	r->cancelled = true;
	evdns_getaddrinfo_cancel(r->request); /* answered() frees it */
}
