/* confd proxy: the encryption proxy of one workload.  The net role is all of
 * it; a worker starts that role itself, and where the proxy stands alone this
 * process does, and hands over the keys that it reads from a file. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "cmd/applet.h"
#include "cmd/crew.h"
#include "cmd/request_log.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/identity.h"
#include "core/io/chan.h"
#include "core/io/conn.h"
#include "core/io/resolve.h"
#include "core/keybox.h"
#include "core/log.h"
#include "proxy/endpoint.h"
#include "proxy/messages.h"
#include "sandbox/confine.h"

#define PORT 8443
#define CONNECT_MS 10000
#define MIB 1048576u
#define WHOLE_MAX (16u * MIB) /* bytes of a message/ohttp-req */
#define CHAIN_MAX 4	      /* certificates */
#define SELF_SIGNED_DAYS 3650
#define STOP_SLACK_MS 1000 /* for the role, beyond the draining */

struct proxy_opts {
	struct common_opts common;
	struct opt_list adapters;
	const char *cert;
	uint64_t drain;		 /* seconds */
	uint64_t header_timeout; /* seconds */
	uint64_t idle;		 /* seconds */
	const char *key;
	const char *keys;
	const char *listen;
	uint64_t max_answer; /* MiB */
	uint64_t max_body;   /* MiB */
	uint64_t max_conns;
	bool plain;
	const char *ready_file;
	const char *role;
	uint64_t timeout; /* seconds */
	const char *upstream;
};

static const struct opt rows[] = {
	{ .name = "adapter",
	  .arg = "NAME",
	  .help = "an API whose routes are served; may be repeated",
	  .fallback = "openai",
	  .kind = OPT_LIST,
	  OPT_AT(struct proxy_opts, adapters) },
	{ .name = "cert",
	  .arg = "FILE",
	  .help = "TLS certificate chain (PEM); self-signed without",
	  .kind = OPT_STR,
	  OPT_AT(struct proxy_opts, cert) },
	CREW_DRAIN_ROW(struct proxy_opts),
	{ .name = "header-timeout",
	  .arg = "SECONDS",
	  .help = "how long the head of a request may take",
	  .fallback = "60",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 3600,
	  OPT_AT(struct proxy_opts, header_timeout) },
	{ .name = "idle",
	  .arg = "SECONDS",
	  .help = "silence in the middle of a message that ends it",
	  .fallback = "300",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 86400,
	  OPT_AT(struct proxy_opts, idle) },
	{ .name = "key",
	  .arg = "FILE",
	  .help = "private key of --cert",
	  .kind = OPT_STR,
	  OPT_AT(struct proxy_opts, key) },
	{ .name = "keys",
	  .arg = "FILE",
	  .help = "keys to open requests with (confd key ohttp)",
	  .kind = OPT_STR,
	  OPT_AT(struct proxy_opts, keys) },
	{ .name = "listen",
	  .arg = "URL",
	  .help = "https://ADDR:PORT or http://ADDR:PORT; port 0 takes any",
	  .fallback = "https://:8443",
	  .kind = OPT_STR,
	  OPT_AT(struct proxy_opts, listen) },
	{ .name = "max-answer",
	  .arg = "MIB",
	  .help = "largest answer that is no stream",
	  .fallback = "128",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 1u << 20,
	  OPT_AT(struct proxy_opts, max_answer) },
	{ .name = "max-body",
	  .arg = "MIB",
	  .help = "largest request",
	  .fallback = "128",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 1u << 20,
	  OPT_AT(struct proxy_opts, max_body) },
	{ .name = "max-conns",
	  .arg = "N",
	  .help = "connections at once; further ones wait",
	  .fallback = "10000",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 1u << 20,
	  OPT_AT(struct proxy_opts, max_conns) },
	{ .name = "plain",
	  .help = "no TLS on the inherited socket",
	  .kind = OPT_FLAG,
	  .flags = OPT_HIDDEN | OPT_NO_ENV,
	  OPT_AT(struct proxy_opts, plain) },
	CREW_READY_FILE_ROW(struct proxy_opts),
	CREW_ROLE_ROW(struct proxy_opts),
	{ .name = "timeout",
	  .arg = "SECONDS",
	  .help = "how long the model server may take to begin its answer",
	  .fallback = "600",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 86400,
	  OPT_AT(struct proxy_opts, timeout) },
	{ .name = "upstream",
	  .arg = "URL",
	  .help = "the model server: http://HOST:PORT or unix:PATH",
	  .kind = OPT_STR,
	  OPT_AT(struct proxy_opts, upstream) },
};

/* ---- the net role ------------------------------------------------------------- */

struct net {
	const struct proxy_opts *o;
	struct loop *loop;
	struct chan *chan;
	struct adapter_set adapters;
	struct endpoint *endpoint;
	struct listener *listener;
	struct tls *tls; /* NULL: plain */
	struct loop_timer *late;
	bool stopping;
};

static void on_drained(void *ctx)
{
	struct net *n = ctx;

	loop_stop(n->loop);
}

static void stop(void *ctx)
{
	struct net *n = ctx;

	if (n->stopping) {
		loop_stop(n->loop);
		return;
	}
	n->stopping = true;
	log_debug("draining", LOG_U64("conns", endpoint_conns(n->endpoint)));
	listener_close(take(n->listener));
	loop_timer_arm(n->late, (int64_t)n->o->drain * 1000);
	endpoint_drain(n->endpoint, on_drained, n);
}

static void on_late(void *ctx)
{
	struct net *n = ctx;

	log_warn("drain-too-slow",
		 LOG_U64("conns", endpoint_conns(n->endpoint)));
	loop_stop(n->loop);
}

/* What the worker says. */

static void on_keys(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;
	struct err err;

	(void)fd;
	if (endpoint_keys(n->endpoint, body, &err) != OK)
		log_error("keys-refused", LOG_ERR(&err));
	else
		log_debug("keys-loaded");
}

static void on_lease(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;
	struct cursor c = cursor_make(body);
	uint64_t until = cursor_u64be(&c);

	(void)fd;
	endpoint_lease(n->endpoint,
		       until > INT64_MAX ? INT64_MAX : (int64_t)until);
	if (until == 0)
		log_info("lease-ended");
}

static enum status make_tls(struct slice chain, struct slice key,
			    struct tls **out, struct err *err)
{
	auto_keypair struct keypair *pair = NULL;
	struct x509 *certs[CHAIN_MAX];
	struct tls_settings set = { .server = true };

	TRY(keypair_parse(key, &pair, err));
	enum status st =
		x509_parse_chain(chain, certs, CHAIN_MAX, &set.n_chain, err);
	for (size_t i = 0; i < set.n_chain; i++)
		set.chain[i] = x509_der(certs[i]);
	set.key = pair;
	if (st == OK)
		st = tls_new(&set, out, err);
	for (size_t i = 0; i < set.n_chain; i++)
		x509_free(certs[i]);
	return st;
}

static void use_tls(struct net *n, struct tls *tls)
{
	tls_unref(n->tls);
	n->tls = tls;
	if (n->listener != NULL)
		listener_set_tls(n->listener, tls);
}

static void on_tls(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;
	struct cursor c = cursor_make(body);
	struct slice chain = cursor_field(&c);
	struct slice key = cursor_field(&c);
	struct tls *tls;
	struct err err;

	(void)fd;
	if (n->o->plain)
		return;
	if (cursor_end(&c, "certificate", &err) != OK ||
	    make_tls(chain, key, &tls, &err) != OK)
		log_error("certificate-refused", LOG_ERR(&err));
	else
		use_tls(n, tls);
}

static void on_stop(void *ctx, struct slice body, int fd)
{
	(void)body;
	(void)fd;
	stop(ctx);
}

static const struct chan_row net_rows[] = {
	{ MSG_KEYS, 1, PROXY_KEYS_MAX, false, on_keys },
	{ MSG_LEASE, PROXY_LEASE_LEN, PROXY_LEASE_LEN, false, on_lease },
	{ MSG_TLS, 1, PROXY_TLS_MAX, false, on_tls },
	{ MSG_STOP, 0, 0, false, on_stop },
};

/* Without a worker there is no lease. */
static void on_chan_gone(void *ctx, const struct err *why)
{
	struct net *n = ctx;

	(void)why;
	endpoint_lease(n->endpoint, 0);
	if (!n->stopping)
		stop(n);
}

/* Making it. */

static enum status set_upstream(const struct proxy_opts *o,
				struct forward_to *to, struct err *err)
{
	if (o->upstream == NULL) {
		to->by_link = true;
		to->link = PROXY_FD_LINK;
		if (fcntl(to->link, F_SETFL, O_NONBLOCK) < 0)
			return err_errno(err, "descriptor %d, the link",
					 to->link);
		return OK;
	}
	TRY(addr_parse_url(o->upstream, &to->at, err));
	if (to->at.tls)
		return err_set(err, E_USAGE,
			       "--upstream %s: expected http:// or unix:, for "
			       "a server on this machine; TLS is not spoken to "
			       "it",
			       o->upstream);
	return OK;
}

/* Name servers are read from files, while there still are any. */
static enum status prepare_names(struct net *n, const struct forward_to *to,
				 struct err *err)
{
	struct resolve_list known;

	if (to->by_link || resolve_known(&to->at, &known))
		return OK;
	return resolve_setup(n->loop, NULL, err);
}

static enum status make_endpoint(struct net *n, struct err *err)
{
	const struct proxy_opts *o = n->o;
	int64_t idle = (int64_t)o->idle * 1000;
	struct endpoint_settings set = {
		.loop = n->loop,
		.adapters = &n->adapters,
		.workload = { .loop = n->loop,
			      .connect_ms = CONNECT_MS,
			      .head_ms = (int64_t)o->timeout * 1000,
			      .idle_ms = idle },
		/* So that it is the workload's silence that is seen. */
		.http = { .head_ms = (int64_t)o->header_timeout * 1000,
			  .idle_ms = idle + 5000 },
		.max_request = o->max_body * MIB,
		.max_response = o->max_answer * MIB,
		.max_whole = WHOLE_MAX,
		.done = request_log,
		.ctx = n,
	};

	for (size_t i = 0; i < o->adapters.n; i++)
		TRY(adapter_enable(&n->adapters, slice_str(o->adapters.v[i]),
				   err));
	TRY(set_upstream(o, &set.workload, err));
	TRY(prepare_names(n, &set.workload, err));
	return endpoint_new(&set, &n->endpoint, err);
}

static enum status make_self_signed(struct net *n, struct err *err)
{
	auto_identity struct identity id = { 0 };
	struct tls_settings set = { .server = true, .n_chain = 1 };

	TRY(identity_new("confd-proxy", SELF_SIGNED_DAYS, &id, err));
	set.chain[0] = x509_der(id.cert);
	set.key = id.key;
	return tls_new(&set, &n->tls, err);
}

static enum status make_net(struct net *n, struct err *err)
{
	const struct listener_settings set = { .max_conns = n->o->max_conns };

	crew_raise_files();
	TRY(loop_new(&n->loop, err));
	n->late = loop_timer_new(n->loop, on_late, n);
	TRY(make_endpoint(n, err));
	if (!n->o->plain)
		TRY(make_self_signed(n, err));
	TRY(listener_adopt(n->loop, PROXY_FD_LISTEN, n->tls, &set,
			   endpoint_accept, n->endpoint, &n->listener, err));
	return chan_new(n->loop, PROXY_FD_CHAN, net_rows, countof(net_rows),
			on_chan_gone, n, &n->chan, err);
}

static void free_net(struct net *n)
{
	chan_free(n->chan);
	if (n->listener != NULL)
		listener_close(n->listener);
	endpoint_free(n->endpoint);
	tls_unref(n->tls);
	loop_timer_free(n->late);
	loop_free(n->loop);
}

static enum status serve_net(struct net *n, struct err *err)
{
	TRY(make_net(n, err));
	TRY(confine(PROFILE_PROXY, NULL, 0, err));

	struct loop_signal *term = loop_signal_new(n->loop, SIGTERM, stop, n);
	struct loop_signal *intr = loop_signal_new(n->loop, SIGINT, stop, n);
	chan_send(n->chan, MSG_READY, (struct slice){ 0 }, -1);
	loop_run(n->loop);
	loop_signal_free(term);
	loop_signal_free(intr);
	return OK;
}

static enum status run_net(const struct proxy_opts *o, struct err *err)
{
	struct net n = { .o = o };

	log_setup(log_least(), log_is_json(), "proxy/net");
	enum status st = serve_net(&n, err);
	free_net(&n);
	return st;
}

/* ---- standing alone -------------------------------------------------------------- */

struct parent {
	const struct proxy_opts *o;
	struct loop *loop;
	struct crew *crew;
	struct chan *chan;
	int listener;
	int pair[2]; /* ours, the role's */
	bool plain;
	char address[ADDR_TEXT_SIZE];
	struct err end;
};

static enum status check_opts(const struct proxy_opts *o, struct err *err)
{
	if (o->upstream == NULL)
		return err_set(err, E_USAGE,
			       "--upstream is missing: the model server, such "
			       "as http://127.0.0.1:8000");
	if (o->keys == NULL)
		return err_set(err, E_USAGE,
			       "--keys is missing: a file made by 'confd key "
			       "ohttp'; under a worker the keys come from it");
	if ((o->cert == NULL) != (o->key == NULL))
		return err_set(err, E_USAGE,
			       "--cert and --key go together: one is missing");
	return OK;
}

/* https://ADDR:PORT or http://ADDR:PORT, where ADDR may be empty. */
static enum status parse_listen(struct parent *p, struct addr *at,
				struct err *err)
{
	struct slice url = slice_str(p->o->listen);
	const char *rest = p->o->listen;

	p->plain = slice_starts(url, S("http://"));
	if (p->plain)
		rest += sizeof("http://") - 1;
	else if (slice_starts(url, S("https://")))
		rest += sizeof("https://") - 1;
	else
		return err_set(err, E_USAGE,
			       "--listen '%s': expected https://ADDR:PORT or "
			       "http://ADDR:PORT",
			       p->o->listen);
	if (p->plain && p->o->cert != NULL)
		return err_set(err, E_USAGE,
			       "--cert is of no use with --listen %s",
			       p->o->listen);
	return addr_parse(rest, PORT, at, err);
}

static enum status bind_listener(struct parent *p, struct err *err)
{
	const struct listener_settings set = { 0 };
	struct addr at;

	TRY(parse_listen(p, &at, err));
	TRY(listener_bind(&at, &set, &p->listener, err));
	TRY(listener_bound(p->listener, &at, err));
	addr_text(&at, p->address);
	return OK;
}

static enum status send_keys(struct parent *p, struct err *err)
{
	auto_secret struct secret *text = NULL;
	auto_keybox struct keybox *box = NULL;
	uint8_t until[PROXY_LEASE_LEN];

	TRY(file_read_secret(p->o->keys, PROXY_KEYS_MAX, &text, err));
	TRY(keybox_new(&box, err));
	if (keybox_read(secret_slice(text), box, err) != OK)
		return err_set(err, E_CONF,
			       "%s: expected a file made by 'confd key ohttp'",
			       p->o->keys);
	memset(until, 0xff, sizeof(until)); /* nobody leases them */
	chan_send(p->chan, MSG_KEYS, secret_slice(text), -1);
	chan_send(p->chan, MSG_LEASE, slice_of(until), -1);
	return OK;
}

static enum status send_tls(struct parent *p, struct err *err)
{
	auto_secret struct secret *key = NULL;
	auto_buf struct buf chain = buf_make(PROXY_TLS_MAX / 2);
	auto_buf struct buf body = buf_make(PROXY_TLS_MAX);
	auto_identity struct identity id = { 0 };

	if (p->o->cert == NULL)
		return OK;
	/* Do they fit?  The role could only complain. */
	TRY(identity_load(p->o->cert, p->o->key, &id, err));
	TRY(file_read(p->o->cert, &chain, err));
	TRY(file_read_secret(p->o->key, PROXY_TLS_MAX / 4, &key, err));
	buf_put_field(&body, buf_slice(&chain));
	buf_put_field(&body, secret_slice(key));
	TRY(buf_check(&body, "certificate", err));
	chan_send(p->chan, MSG_TLS, buf_slice(&body), -1);
	return OK;
}

static void on_ready(void *ctx, struct slice body, int fd)
{
	struct parent *p = ctx;

	(void)body;
	(void)fd;
	log_info("serving", LOG_CSTR("address", p->address),
		 LOG_BOOL("tls", !p->plain));
	if (crew_ready(p->o->ready_file, "listen", p->address, &p->end) != OK)
		crew_stop(p->crew, 0);
}

static const struct chan_row parent_rows[] = {
	{ MSG_READY, 0, 0, false, on_ready },
};

static void on_role_gone(void *ctx, const struct err *why)
{
	(void)ctx; /* the crew tells */
	(void)why;
}

#define ARG_SIZE 64
#define NUMBERS 7

/* The role gets what it needs; adapters are "--adapter=NAME". */
static enum status start_role(struct parent *p, struct err *err)
{
	const struct proxy_opts *o = p->o;
	const struct {
		const char *name;
		uint64_t value;
	} numbers[NUMBERS] = {
		{ "drain", o->drain },
		{ "header-timeout", o->header_timeout },
		{ "idle", o->idle },
		{ "timeout", o->timeout },
		{ "max-answer", o->max_answer },
		{ "max-body", o->max_body },
		{ "max-conns", o->max_conns },
	};
	char text[NUMBERS + ADAPTER_MAX][ARG_SIZE];
	const char *args[NUMBERS + ADAPTER_MAX + 4] = { "--upstream",
							o->upstream };
	size_t n = 2;

	for (size_t i = 0; i < NUMBERS; i++) {
		(void)snprintf(text[i], ARG_SIZE, "--%s=%llu", numbers[i].name,
			       (unsigned long long)numbers[i].value);
		args[n++] = text[i];
	}
	for (size_t i = 0; i < o->adapters.n && i < ADAPTER_MAX; i++) {
		(void)snprintf(text[NUMBERS + i], ARG_SIZE, "--adapter=%s",
			       o->adapters.v[i]);
		args[n++] = text[NUMBERS + i];
	}
	if (p->plain)
		args[n++] = "--plain";

	const int fds[] = { p->pair[1], p->listener };
	const struct crew_role role = {
		.role = "net", .args = args, .fds = fds, .n_fds = countof(fds)
	};
	return crew_start(p->crew, &role, err);
}

static void on_signal(void *ctx)
{
	struct parent *p = ctx;

	crew_stop(p->crew, (int64_t)p->o->drain * 1000 + STOP_SLACK_MS);
}

static void on_hangup(void *ctx)
{
	struct parent *p = ctx;
	struct err err;

	if (send_keys(p, &err) != OK || send_tls(p, &err) != OK)
		log_error("reload-failed", LOG_ERR(&err));
	else
		log_info("reloaded");
}

static void on_stopped(void *ctx)
{
	struct parent *p = ctx;

	loop_stop(p->loop);
}

static enum status prepare(struct parent *p, struct err *err)
{
	struct adapter_set unused = { .n = 0 };
	struct forward_to to = { 0 };

	TRY(check_opts(p->o, err));
	TRY(set_upstream(p->o, &to, err));
	for (size_t i = 0; i < p->o->adapters.n; i++)
		TRY(adapter_enable(&unused, slice_str(p->o->adapters.v[i]),
				   err));
	TRY(bind_listener(p, err));
	TRY(loop_new(&p->loop, err));
	TRY(crew_new(p->loop, "proxy", on_stopped, p, &p->crew, err));
	TRY(chan_pair(p->pair, err));
	TRY(chan_new(p->loop, p->pair[0], parent_rows, countof(parent_rows),
		     on_role_gone, p, &p->chan, err));
	p->pair[0] = -1;
	TRY(send_tls(p, err));
	TRY(send_keys(p, err));
	TRY(start_role(p, err));
	cleanup_fd(&p->pair[1]);
	cleanup_fd(&p->listener);
	p->pair[1] = -1;
	p->listener = -1;
	return OK;
}

static enum status supervise(struct parent *p, struct err *err)
{
	static const int signals[] = { SIGTERM, SIGINT };
	struct loop_signal *watch[countof(signals)];
	struct loop_signal *hangup;

	TRY(prepare(p, err));
	for (size_t i = 0; i < countof(signals); i++)
		watch[i] = loop_signal_new(p->loop, signals[i], on_signal, p);
	hangup = loop_signal_new(p->loop, SIGHUP, on_hangup, p);
	loop_run(p->loop);
	for (size_t i = 0; i < countof(signals); i++)
		loop_signal_free(watch[i]);
	loop_signal_free(hangup);
	crew_not_ready(p->o->ready_file);
	*err = p->end.code != OK ? p->end : *crew_end(p->crew);
	return err->code;
}

static enum status run_parent(const struct proxy_opts *o, struct err *err)
{
	struct parent p = { .o = o, .listener = -1, .pair = { -1, -1 } };
	enum status st = supervise(&p, err);

	chan_free(p.chan);
	cleanup_fd(&p.pair[0]);
	cleanup_fd(&p.pair[1]);
	cleanup_fd(&p.listener);
	crew_free(p.crew);
	loop_free(p.loop);
	return st;
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct proxy_opts *o = opts;

	(void)args;
	if (o->role == NULL)
		return run_parent(o, err);
	if (strcmp(o->role, "net") == 0)
		return run_net(o, err);
	return err_set(err, E_USAGE, "no role '%s'", o->role);
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct proxy_opts), .run = run },
};

const struct applet applet_proxy = {
	.name = "proxy",
	.summary = "opens sealed requests for one workload, seals its answers",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS | IS_DAEMON,
	VERBS(verbs),
};
