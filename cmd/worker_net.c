#include "cmd/worker_net.h"

#include <signal.h>

#include "attest/enrol.h"
#include "attest/pending.h"
#include "attest/problem.h"
#include "cmd/ask.h"
#include "cmd/worker_messages.h"
#include "cmd/workload_request.h"
#include "core/cleanup.h"
#include "core/identity.h"
#include "core/io/chan.h"
#include "core/io/http_server.h"
#include "core/io/resolve.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "sandbox/confine.h"

#define IDENTITY_MS 10000
#define DRAIN_MS 2000
#define CHAIN_MAX 4
#define PENDING_MAX 256
#define PENDING_BYTES_MAX (8u << 20)
#define API_IDLE_MS 900000 /* digests of a large root take their time */
#define WORKLOADS "/v1/workloads"

struct net {
	const struct worker_net_settings *set;
	struct loop *loop;
	struct chan *keeper;
	struct identity identity;
	struct manifest *pin;
	struct addr as;
	struct enrol *enrol;

	/* The API; open from the first lease on. */
	struct http_server *server;
	struct listener *listener;
	struct loop_timer *drain;
	bool leased;
	struct manifest *manifest; /* whose operators may ask */
	struct pending pending;	   /* calls that the keeper answers */
	struct err end;
};

static void on_reply(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;

	(void)fd;
	pending_reply(&n->pending, body);
}

/* ---- answers ------------------------------------------------------------ */

static void answer_json(void *ctx, struct http_call *call,
			struct cursor *payload)
{
	(void)ctx;
	http_call_reply(call, 200, "application/json", payload->rest, NULL, 0);
}

static void answer_created(void *ctx, struct http_call *call,
			   struct cursor *payload)
{
	(void)ctx;
	http_call_reply(call, 201, "application/json", payload->rest, NULL, 0);
}

static void answer_removed(void *ctx, struct http_call *call,
			   struct cursor *payload)
{
	(void)ctx;
	(void)payload;
	http_call_reply(call, 204, NULL, S(""), NULL, 0);
}

/* The bytes as they were printed: nothing here reads them. */
static void answer_logs(void *ctx, struct http_call *call,
			struct cursor *payload)
{
	uint64_t from = cursor_u64be(payload);
	struct slice state = cursor_field(payload);
	struct slice bytes = cursor_field(payload);
	char first[24], next[24];

	(void)ctx;
	(void)snprintf(first, sizeof(first), "%llu", (unsigned long long)from);
	(void)snprintf(next, sizeof(next), "%llu",
		       (unsigned long long)(from + bytes.len));
	const struct http_header h[] = {
		{ S("confd-log-from"), slice_str(first) },
		{ S("confd-log-next"), slice_str(next) },
		{ S("confd-state"), state },
		{ S("x-content-type-options"), S("nosniff") },
	};
	http_call_reply(call, 200, "application/octet-stream", bytes, h,
			countof(h));
}

/* ---- routes ------------------------------------------------------------- */

/* A request line, taken apart. */
struct target {
	struct slice name;   /* of the workload; empty: all of them */
	struct slice action; /* behind the name; empty: none */
	struct slice query;  /* behind '?' */
};

static bool split_target(struct slice target, struct target *out)
{
	struct slice rest = target, path = { 0 };
	struct target t = { 0 };

	(void)slice_split(&rest, '?', &path);
	t.query = rest;
	if (!slice_starts(path, S(WORKLOADS)))
		return false;
	path = slice_from(path, sizeof(WORKLOADS) - 1);
	if (path.len > 0) {
		if (path.p[0] != '/')
			return false;
		path = slice_from(path, 1);
		t.name = slice_sub(path, 0, slice_find(path, '/'));
		t.action = slice_from(path, t.name.len);
		if (!text_is_name(t.name))
			return false;
	}
	*out = t;
	return true;
}

static const struct route {
	const char *method;
	bool named;	    /* a workload's name stands in the path */
	const char *action; /* behind it */
	enum worker_op op;  /* WORKER_OPS: create one */
	pending_answer *answer;
} routes[] = {
	{ "GET", false, "", WORKER_LIST, answer_json },
	{ "POST", false, "", WORKER_OPS, answer_created },
	{ "GET", true, "", WORKER_GET, answer_json },
	{ "DELETE", true, "", WORKER_REMOVE, answer_removed },
	{ "POST", true, "/stop", WORKER_STOP, answer_json },
	{ "POST", true, "/start", WORKER_START, answer_json },
	{ "GET", true, "/logs", WORKER_LOGS, answer_logs },
};

static bool route_fits(const struct route *r, const struct target *t)
{
	return r->named == (t->name.len > 0) &&
	       slice_eq_str(t->action, r->action);
}

static const struct route *find_route(const struct http_head *head,
				      const struct target *t)
{
	for (size_t i = 0; i < countof(routes); i++)
		if (route_fits(&routes[i], t) &&
		    slice_eq_str(head->method, routes[i].method))
			return &routes[i];
	return NULL;
}

/* The path is there for other methods, if for any. */
static void refuse_route(struct http_call *call, const struct target *t)
{
	auto_buf struct buf allow = buf_make(64);

	for (size_t i = 0; t != NULL && i < countof(routes); i++)
		if (route_fits(&routes[i], t))
			buf_putf(&allow, "%s%s", allow.len > 0 ? ", " : "",
				 routes[i].method);
	if (allow.len > 0)
		problem_reply_method(call, buf_slice(&allow));
	else
		problem_refuse(call, E_NOTFOUND,
			       "no such path; see confd-worker(8)");
}

/* "from=N", for logs only. */
static enum status read_query(const struct route *r, const struct target *t,
			      uint64_t *from, struct err *err)
{
	struct slice key = S("from=");

	*from = 0;
	if (t->query.len == 0)
		return OK;
	if (r->op == WORKER_LOGS && slice_starts(t->query, key) &&
	    slice_u64(slice_from(t->query, key.len), from))
		return OK;
	return err_set(err, E_PARSE,
		       "query: expected none, or from=NUMBER for logs");
}

static bool is_operator(const struct net *n, struct http_call *call)
{
	uint8_t spki[32];

	return conn_peer_spki(http_call_conn(call), spki) &&
	       manifest_find_key(&n->manifest->operators, spki) != NULL;
}

static void on_create(void *ctx, struct http_call *call, struct slice body)
{
	struct net *n = ctx;
	auto_workload_request struct workload_request r = { 0 };
	auto_buf struct buf out = buf_make(WORKER_BODY_MAX - 64);
	struct err err = { 0 };

	if (workload_request_parse(body, &r, &err) == OK) {
		workload_request_pack(&r, &out);
		(void)buf_check(&out, "request", &err);
	}
	if (err.code != OK)
		problem_reply(call, &err);
	else
		pending_ask(&n->pending, call, WORKER_RUN, buf_slice(&out),
			    answer_created);
}

/* "application/json", whatever parameters follow. */
static bool is_json(const struct http_head *head)
{
	struct slice rest = http_head_get(head, "content-type");
	struct slice type = { 0 };

	(void)slice_split(&rest, ';', &type);
	return slice_eq_nocase(slice_trim(type), S("application/json"));
}

static void create(struct net *n, struct http_call *call,
		   const struct http_head *head)
{
	auto_buf struct buf body = buf_make(4096);

	if (is_json(head)) {
		http_call_collect(call, WORKER_BODY_MAX / 2, on_create, n);
		return;
	}
	problem_write(&body, 415, E_PARSE,
		      "expected content-type: application/json");
	http_call_reply(call, 415, PROBLEM_TYPE, buf_slice(&body), NULL, 0);
}

static void ask_op(struct net *n, struct http_call *call, const struct route *r,
		   const struct target *t, uint64_t from)
{
	auto_buf struct buf out = buf_make(1024);

	buf_put_u8(&out, (uint8_t)r->op);
	buf_put_u64be(&out, from);
	buf_put_field(&out, t->name);
	pending_ask(&n->pending, call, WORKER_DO, buf_slice(&out), r->answer);
}

static void get_health(struct http_call *call, bool good)
{
	if (good)
		http_call_reply(call, 200, "text/plain", S("ok\n"), NULL, 0);
	else
		problem_refuse(call, E_UNAVAIL, "the lease has ended");
}

static void serve_route(struct net *n, struct http_call *call,
			const struct http_head *head, const struct route *r,
			const struct target *t)
{
	struct err err;
	uint64_t from;

	if (read_query(r, t, &from, &err) != OK)
		problem_reply(call, &err);
	else if (r->op == WORKER_OPS)
		create(n, call, head);
	else
		ask_op(n, call, r, t, from);
}

/* Who is no operator learns nothing but that. */
static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct net *n = ctx;
	const struct route *r = NULL;
	struct target t = { 0 };
	bool get = slice_eq_str(head->method, "GET");
	bool known = split_target(head->target, &t);

	if (known)
		r = find_route(head, &t);
	if (get && slice_eq_str(head->target, "/healthz"))
		get_health(call, true);
	else if (get && slice_eq_str(head->target, "/readyz"))
		get_health(call, n->leased);
	else if (!is_operator(n, call))
		problem_refuse(
			call, E_PERM,
			"only for operators of the manifest, by their client "
			"certificate");
	else if (r == NULL)
		refuse_route(call, known ? &t : NULL);
	else
		serve_route(n, call, head, r, &t);
}

/* ---- the API ------------------------------------------------------------ */

static enum status make_tls(const struct net *n, struct slice pem,
			    struct tls **out, struct err *err)
{
	struct tls_settings t = { .server = true,
				  .ask_client = true,
				  .key = n->identity.key };
	struct x509 *chain[CHAIN_MAX] = { NULL };
	size_t count = 0;

	TRY(x509_parse_chain(pem, chain, CHAIN_MAX, &count, err));
	for (size_t i = 0; i < count; i++)
		t.chain[i] = x509_der(chain[i]);
	t.n_chain = count;
	enum status s = tls_new(&t, out, err);
	for (size_t i = 0; i < count; i++)
		x509_free(chain[i]);
	return s;
}

static enum status open_api(struct net *n, struct tls *tls, struct err *err)
{
	static const struct http_server_events events = {
		.on_call = on_call,
		.on_error = problem_on_error,
	};
	const struct http_limits limits = { .body = WORKER_BODY_MAX / 2,
					    .idle_ms = API_IDLE_MS };
	const struct listener_settings set = { .max_conns = 256 };

	TRY(http_server_new(n->loop, &limits, &events, n, &n->server, err));
	TRY(listener_adopt(n->loop, WORKER_NET_LISTEN, tls, &set,
			   http_server_accept, n->server, &n->listener, err));
	chan_send(n->keeper, WORKER_SERVING, S(""), -1);
	return OK;
}

static enum status serve(struct net *n, struct slice body, struct err *err)
{
	struct cursor in = cursor_make(body);
	struct slice certs = cursor_field(&in);
	struct slice text = cursor_field(&in);
	struct manifest *m = NULL;
	struct tls *tls = NULL;
	enum status s = OK;

	TRY(cursor_end(&in, "lease", err));
	TRY(make_tls(n, certs, &tls, err));
	s = manifest_parse(text, "manifest in force", &m, err);
	if (s == OK) {
		manifest_free(n->manifest);
		n->manifest = m;
		n->leased = true;
		if (n->listener != NULL)
			listener_set_tls(n->listener, tls);
		else if (n->drain == NULL)
			s = open_api(n, tls, err);
	}
	tls_unref(tls);
	return s;
}

static void on_serve(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;

	(void)fd;
	if (serve(n, body, &n->end) != OK)
		loop_stop(n->loop);
}

static void on_lapsed(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;

	(void)body;
	(void)fd;
	n->leased = false;
}

/* ---- enrolling ---------------------------------------------------------- */

static void want_evidence(void *ctx, const struct statement *s)
{
	struct net *n = ctx;
	auto_buf struct buf out = buf_make(128);

	buf_put(&out, slice_of(s->nonce));
	buf_put(&out, slice_of(s->exporter));
	buf_put(&out, slice_of(s->spki));
	buf_put(&out, slice_of(s->manifest));
	chan_send(n->keeper, WORKER_WANT, buf_slice(&out), -1);
}

static void leased(void *ctx, const struct enrol_lease *l)
{
	struct net *n = ctx;
	auto_buf struct buf out = buf_make(WORKER_MESSAGE_MAX);

	buf_put_u64be(&out, l->seconds);
	buf_put_field(&out, l->certificate);
	buf_put_field(&out, l->secrets);
	buf_put_field(&out, buf_slice(&l->manifest->text));
	chan_send(n->keeper, WORKER_LEASED, buf_slice(&out), -1);
}

/* The service has judged us, or we the service: that will be the same the
 * next time.  All else (nobody answers, no manifest yet) may pass. */
static bool is_final(enum status code)
{
	return code == E_PERM || code == E_POLICY || code == E_CRYPTO;
}

static void failed(void *ctx, const struct err *why, int64_t retry_ms)
{
	struct net *n = ctx;

	/* With a lease the manifest may change back before it ends. */
	if (n->manifest == NULL && is_final(why->code)) {
		auto_buf struct buf out = buf_make(ERR_TEXT_MAX + 16);

		buf_put_u8(&out, (uint8_t)why->code);
		buf_put_field(&out, slice_str(why->text));
		chan_send(n->keeper, WORKER_REFUSED, buf_slice(&out), -1);
		return;
	}
	log_warn("registration-failed", LOG_ERR(why),
		 LOG_I64("retry_ms", retry_ms));
}

static void on_evidence(void *ctx, struct slice body, int fd)
{
	struct net *n = ctx;
	struct cursor in = cursor_make(body);
	enum status code = (enum status)cursor_u8(&in);
	struct slice first = cursor_field(&in);
	struct err err;

	(void)fd;
	if (code != OK) {
		(void)err_set(&err, code, "%.*s", SLICE_FMT(first));
		enrol_no_evidence(n->enrol, &err);
		return;
	}
	struct slice keys = cursor_field(&in);
	enrol_evidence(n->enrol, first, keys);
}

static const struct chan_row rows[] = {
	{ WORKER_EVIDENCE, 5, WORKER_MESSAGE_MAX, false, on_evidence },
	{ WORKER_SERVE, 8, WORKER_MESSAGE_MAX, false, on_serve },
	{ WORKER_LAPSED, 0, 0, false, on_lapsed },
	{ WORKER_REPLY, 5, WORKER_MESSAGE_MAX, false, on_reply },
};

/* ---- running ------------------------------------------------------------ */

static enum status read_identity(struct net *n, struct err *err)
{
	auto_buf struct buf body = buf_make(WORKER_MESSAGE_MAX);

	TRY(chan_recv_now(WORKER_NET_CHAN, IDENTITY_MS, WORKER_IDENTITY, &body,
			  NULL, err));
	struct cursor in = cursor_make(buf_slice(&body));
	struct slice key = cursor_field(&in);
	struct slice cert = cursor_field(&in);
	struct slice pin = cursor_field(&in);
	TRY(cursor_end(&in, "identity", err));
	TRY(keypair_parse(key, &n->identity.key, err));
	TRY(x509_parse(cert, &n->identity.cert, err));
	if (pin.len == 0)
		return OK;
	return manifest_parse(pin, "--manifest", &n->pin, err);
}

static void on_keeper_gone(void *ctx, const struct err *why)
{
	struct net *n = ctx;

	(void)err_set(&n->end, E_IO, "the keeper is gone: %s", why->text);
	loop_stop(n->loop);
}

static void stop_now(void *ctx)
{
	struct net *n = ctx;

	loop_stop(n->loop);
}

static void on_term(void *ctx)
{
	struct net *n = ctx;

	if (n->listener == NULL) {
		loop_stop(n->loop);
		return;
	}
	listener_close(take(n->listener));
	n->drain = loop_timer_new(n->loop, stop_now, n);
	loop_timer_arm(n->drain, DRAIN_MS);
	http_server_drain(n->server, stop_now, n);
}

static enum status set_up(struct net *n, struct err *err)
{
	static const struct enrol_events events = {
		.want_evidence = want_evidence,
		.leased = leased,
		.failed = failed,
	};
	struct resolve_list known;

	TRY(addr_parse(n->set->as, ASK_PORT, &n->as, err));
	TRY(loop_new(&n->loop, err));
	if (!resolve_known(&n->as, &known))
		TRY(resolve_setup(n->loop, NULL, err));
	TRY(confine(PROFILE_WORKER_NET, NULL, 0, err));
	TRY(read_identity(n, err));
	TRY(chan_new(n->loop, WORKER_NET_CHAN, rows, countof(rows),
		     on_keeper_gone, n, &n->keeper, err));
	n->pending = (struct pending){ .chan = n->keeper,
				       .max = PENDING_MAX,
				       .max_bytes = PENDING_BYTES_MAX };
	const struct enrol_settings s = {
		.as = n->as,
		.pin = n->pin,
		.group = n->set->group,
		.name = n->set->name,
		.cert = n->identity.cert,
		.key = n->identity.key,
		.trust = n->set->trust,
		.events = &events,
		.ctx = n,
	};
	return enrol_new(n->loop, &s, &n->enrol, err);
}

static void close_all(struct net *n)
{
	enrol_free(n->enrol);
	if (n->listener != NULL)
		listener_close(n->listener);
	if (n->server != NULL)
		http_server_free(n->server);
	loop_timer_free(n->drain);
	pending_done(&n->pending);
	chan_free(n->keeper);
	identity_done(&n->identity);
	manifest_free(n->pin);
	manifest_free(n->manifest);
	loop_free(n->loop);
}

enum status worker_net_run(const struct worker_net_settings *s, struct err *err)
{
	struct net n = { .set = s };
	enum status st = set_up(&n, err);

	if (st == OK) {
		struct loop_signal *term =
			loop_signal_new(n.loop, SIGTERM, on_term, &n);

		loop_run(n.loop);
		loop_signal_free(term);
		*err = n.end;
		st = err->code;
	}
	close_all(&n);
	return st;
}
