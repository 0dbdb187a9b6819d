#include "attest/service.h"

#include <signal.h>

#include "attest/evidence.h"
#include "attest/keyset.h"
#include "attest/manifest.h"
#include "attest/messages.h"
#include "attest/pending.h"
#include "attest/problem.h"
#include "attest/statement.h"
#include "core/cleanup.h"
#include "core/identity.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"

#define NO_CERTIFICATE \
	"a worker shows a client certificate of its own key; found none"
#define CERT_DAYS 3650
#define TARGET_OHTTP "/v1/ohttp-keys/"
#define SMALL_BODY_MAX 4096 /* bytes: a nonce */

/* What strangers can have us keep: large bodies that are coming in, and
 * requests that the keeper has not answered.  Beyond, 503. */
#define UPLOADS_MAX 1024
#define PENDING_MAX 512
#define PENDING_BYTES_MAX (32u << 20) /* a channel queues twice as much */

struct service {
	struct loop *loop;
	struct chan *keeper;
	struct http_server *server;
	struct listener *listener;
	struct identity identity;
	uint8_t spki[32];	/* of our TLS key */
	struct pending pending; /* calls that the keeper answers */
	size_t uploads;
	const struct service_settings *set;
	struct loop_timer *drain;

	/* What the keeper published last. */
	bool published;
	enum service_state state;
	uint8_t head[32];
	uint64_t log_size;
	uint8_t log_root[32];
	struct manifest *manifest;
	struct keyset_as keys;
	struct err end;
};

static void on_reply(void *ctx, struct slice body, int fd)
{
	struct service *s = ctx;

	(void)fd;
	pending_reply(&s->pending, body);
}

/* ---- large bodies ------------------------------------------------------- */

static void on_upload_gone(void *ctx, const struct err *why)
{
	struct service *s = ctx;

	(void)why;
	s->uploads--;
}

static const struct http_call_events uploading = { .gone = on_upload_gone };
static const struct http_call_events uploaded = { 0 };

static void upload(struct service *s, struct http_call *call,
		   void (*whole)(void *ctx, struct http_call *call,
				 struct slice body))
{
	if (s->uploads == UPLOADS_MAX) {
		problem_refuse(call, E_UNAVAIL, "busy; try again in a second");
		return;
	}
	s->uploads++;
	http_call_own(call, &uploading, s);
	http_call_collect(call, SERVICE_BODY_MAX, whole, s);
}

/* It is here whole. */
static void upload_done(struct service *s, struct http_call *call)
{
	s->uploads--;
	http_call_own(call, &uploaded, NULL);
}

/* ---- small parts of answers --------------------------------------------- */

static void reply_json(struct http_call *call, const struct buf *body)
{
	if (body->bad)
		problem_refuse(call, E_LIMIT, "the answer is too large");
	else
		http_call_reply(call, 200, "application/json", buf_slice(body),
				NULL, 0);
}

static void put_manifest(const struct service *s, struct json_out *w)
{
	if (s->manifest == NULL) {
		json_put_null(w, "manifest");
		return;
	}
	json_open_object(w, "manifest");
	json_put_hex(w, "digest", slice_of(s->manifest->digest));
	json_put_u64(w, "generation", s->manifest->generation);
	json_put_hex(w, "head", slice_of(s->head));
	json_close_object(w);
}

static void put_log(const struct service *s, struct json_out *w,
		    const char *name)
{
	json_open_object(w, name);
	json_put_u64(w, "size", s->log_size);
	json_put_hex(w, "root", slice_of(s->log_root));
	json_close_object(w);
}

/* ---- POST /v1/attest ---------------------------------------------------- */

static void answer_attest(void *ctx, struct http_call *call,
			  struct cursor *payload)
{
	const struct service *s = ctx;
	static const char *const states[] = {
		[STATE_UNINITIALIZED] = "uninitialized",
		[STATE_SERVING] = "serving",
		[STATE_SEALED] = "sealed",
	};
	struct slice bundle = cursor_field(payload);
	struct slice keys = cursor_field(payload);
	auto_buf struct buf body = buf_make(2 * MSG_BODY_MAX);
	struct json_out w = { .buf = &body };

	json_open_object(&w, NULL);
	json_put_raw(&w, "bundle", bundle);
	json_put_str(&w, "keys", keys);
	put_manifest(s, &w);
	put_log(s, &w, "log");
	json_put_cstr(&w, "state", states[s->state]);
	json_close_object(&w);
	reply_json(call, &body);
}

/* The nonce of the body, and this connection's exporter for it. */
static enum status connection_nonce(struct http_call *call,
				    const struct json *root, struct buf *out,
				    uint8_t nonce[static 32], struct err *err)
{
	uint8_t exporter[32];

	TRY(json_want_hex(root, "nonce", nonce, 32, err));
	TRY(conn_exporter(http_call_conn(call), STATEMENT_EXPORTER_LABEL,
			  slice_make(nonce, 32), exporter, sizeof(exporter),
			  err));
	buf_put(out, slice_make(nonce, 32));
	buf_put(out, slice_of(exporter));
	return OK;
}

static enum status read_attest(struct service *s, struct http_call *call,
			       struct slice body, struct buf *out,
			       struct err *err)
{
	static const char *const names[] = { "nonce" };
	auto_json struct json *root = NULL;
	uint8_t nonce[32];

	TRY(json_parse(body, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(connection_nonce(call, root, out, nonce, err));
	buf_put(out, slice_of(s->spki));
	return OK;
}

static void on_attest(void *ctx, struct http_call *call, struct slice body)
{
	struct service *s = ctx;
	auto_buf struct buf out = buf_make(256);
	struct err err = { 0 };

	if (read_attest(s, call, body, &out, &err) != OK)
		problem_reply(call, &err);
	else
		pending_ask_in_turn(&s->pending, call, MSG_ATTEST,
				    buf_slice(&out), answer_attest);
}

/* ---- POST /v1/init ------------------------------------------------------ */

static void answer_init(void *ctx, struct http_call *call,
			struct cursor *payload)
{
	const struct service *s = ctx;
	auto_buf struct buf body = buf_make(4096);
	struct json_out w = { .buf = &body };

	(void)payload;
	json_open_object(&w, NULL);
	json_put_hex(&w, "digest", slice_of(s->manifest->digest));
	json_put_u64(&w, "generation", s->manifest->generation);
	json_put_hex(&w, "head", slice_of(s->head));
	json_close_object(&w);
	reply_json(call, &body);
}

static enum status read_init(struct slice body, struct buf *out,
			     struct err *err)
{
	static const char *const names[] = { "manifest", "secrets" };
	auto_json struct json *root = NULL;
	auto_buf struct buf manifest = buf_make(MANIFEST_MAX);
	auto_buf struct buf secrets = buf_make(256u << 10);

	TRY(json_parse(body, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_base64(root, "manifest", &manifest, err));
	if (json_get(root, "secrets") != NULL)
		TRY(json_want_base64(root, "secrets", &secrets, err));
	buf_put_field(out, buf_slice(&manifest));
	buf_put_field(out, buf_slice(&secrets));
	return buf_check(out, "request", err);
}

static void on_init(void *ctx, struct http_call *call, struct slice body)
{
	struct service *s = ctx;
	auto_buf struct buf out = buf_make(MSG_BODY_MAX - 64);
	struct err err = { 0 };

	upload_done(s, call);
	if (read_init(body, &out, &err) != OK)
		problem_reply(call, &err);
	else
		pending_ask(&s->pending, call, MSG_INIT, buf_slice(&out),
			    answer_init);
}

/* ---- GET /v1/nonce, POST /v1/workers ------------------------------------ */

static void answer_nonce(void *ctx, struct http_call *call,
			 struct cursor *payload)
{
	auto_buf struct buf body = buf_make(256);
	struct json_out w = { .buf = &body };

	(void)ctx;
	json_open_object(&w, NULL);
	json_put_hex(&w, "nonce", cursor_bytes(payload, 32));
	json_put_u64(&w, "expires", NONCE_SECONDS);
	json_close_object(&w);
	reply_json(call, &body);
}

static void answer_register(void *ctx, struct http_call *call,
			    struct cursor *payload)
{
	const struct service *s = ctx;
	struct slice id = cursor_field(payload);
	uint64_t expires = cursor_u64be(payload);
	uint64_t seconds = cursor_u64be(payload);
	struct slice certs = cursor_field(payload);
	struct slice sealed = cursor_field(payload);
	auto_buf struct buf body = buf_make(MSG_BODY_MAX);
	struct json_out w = { .buf = &body };

	json_open_object(&w, NULL);
	json_open_object(&w, "lease");
	json_put_str(&w, "id", id);
	json_put_u64(&w, "expires", expires);
	json_put_u64(&w, "seconds", seconds);
	json_close_object(&w);
	json_put_str(&w, "certificate", certs);
	json_put_base64(&w, "secrets", sealed);
	put_manifest(s, &w);
	json_close_object(&w);
	reply_json(call, &body);
}

static enum status read_register(struct http_call *call, struct slice body,
				 struct buf *out, struct err *err)
{
	static const char *const names[] = { "bundle", "group", "keys", "name",
					     "nonce" };
	auto_json struct json *root = NULL;
	const struct json *bundle;
	struct slice group, name, keys;
	uint8_t nonce[32], spki[32];

	if (!conn_peer_spki(http_call_conn(call), spki))
		return err_set(err, E_PERM, "%s", NO_CERTIFICATE);
	TRY(json_parse(body, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_str(root, "group", &group, err));
	TRY(json_want_str(root, "name", &name, err));
	TRY(json_want_str(root, "keys", &keys, err));
	TRY(json_want_member(root, "bundle", JSON_OBJECT, &bundle, err));
	TRY(connection_nonce(call, root, out, nonce, err));
	buf_put(out, slice_of(spki));
	buf_put_field(out, group);
	buf_put_field(out, name);
	buf_put_field(out, keys);
	buf_put_field(out, json_span(body, bundle));
	return buf_check(out, "request", err);
}

static void take_worker(struct service *s, struct http_call *call,
			struct slice body, bool renew)
{
	auto_buf struct buf out = buf_make(MSG_BODY_MAX - 64);
	struct err err = { 0 };

	upload_done(s, call);
	buf_put_u8(&out, renew);
	if (read_register(call, body, &out, &err) != OK)
		problem_reply(call, &err);
	else
		pending_ask(&s->pending, call, MSG_REGISTER, buf_slice(&out),
			    answer_register);
}

static void on_register(void *ctx, struct http_call *call, struct slice body)
{
	take_worker(ctx, call, body, false);
}

static void on_renew(void *ctx, struct http_call *call, struct slice body)
{
	take_worker(ctx, call, body, true);
}

/* ---- routes without a body ---------------------------------------------- */

static void get_nonce(struct service *s, struct http_call *call,
		      const struct http_head *head)
{
	(void)head;
	pending_ask(&s->pending, call, MSG_NONCE, S(""), answer_nonce);
}

static void get_manifest(struct service *s, struct http_call *call,
			 const struct http_head *head)
{
	(void)head;
	http_call_reply(call, 200, "application/json",
			buf_slice(&s->manifest->text), NULL, 0);
}

static void get_manifests(struct service *s, struct http_call *call,
			  const struct http_head *head)
{
	auto_buf struct buf body = buf_make(MSG_BODY_MAX);
	struct json_out w = { .buf = &body };

	(void)head;
	json_open_object(&w, NULL);
	json_open_array(&w, "manifests");
	json_put_base64(&w, NULL, buf_slice(&s->manifest->text));
	json_close_array(&w);
	json_close_object(&w);
	reply_json(call, &body);
}

static void get_ohttp_keys(struct service *s, struct http_call *call,
			   const struct http_head *head)
{
	struct slice group = slice_from(head->target, sizeof(TARGET_OHTTP) - 1);
	struct slice keys = keyset_as_ohttp(&s->keys, group);

	if (keys.len == 0)
		problem_refuse(call, E_NOTFOUND, "no such worker group");
	else
		http_call_reply(call, 200, "application/ohttp-keys", keys, NULL,
				0);
}

static void answer_workers(void *ctx, struct http_call *call,
			   struct cursor *payload)
{
	(void)ctx;
	http_call_reply(call, 200, "application/json", payload->rest, NULL, 0);
}

static void get_workers(struct service *s, struct http_call *call,
			const struct http_head *head)
{
	uint8_t spki[32];

	(void)head;
	if (!conn_peer_spki(http_call_conn(call), spki) ||
	    (manifest_find_key(&s->manifest->admins, spki) == NULL &&
	     manifest_find_key(&s->manifest->operators, spki) == NULL))
		problem_refuse(
			call, E_PERM,
			"only for admins and operators of the manifest, by "
			"their client certificate");
	else
		pending_ask(&s->pending, call, MSG_WORKERS, S(""),
			    answer_workers);
}

static void get_log(struct service *s, struct http_call *call,
		    const struct http_head *head)
{
	auto_buf struct buf body = buf_make(256);
	struct json_out w = { .buf = &body };

	(void)head;
	put_log(s, &w, NULL);
	reply_json(call, &body);
}

static void get_health(struct service *s, struct http_call *call,
		       const struct http_head *head)
{
	(void)s;
	(void)head;
	http_call_reply(call, 200, "text/plain", S("ok\n"), NULL, 0);
}

/* ---- the table ---------------------------------------------------------- */

static const struct route {
	const char *method;
	const char *path;  /* a trailing "/" takes what follows, too */
	bool serving_only; /* 503 in other states */
	bool large;	   /* its body is an upload() */
	bool worker;	   /* for who shows a certificate */
	void (*with_body)(void *ctx, struct http_call *call, struct slice body);
	void (*without)(struct service *s, struct http_call *call,
			const struct http_head *head);
} routes[] = {
	{ "POST", "/v1/attest", false, false, false, on_attest, NULL },
	{ "POST", "/v1/init", false, true, false, on_init, NULL },
	{ "GET", "/v1/manifest", true, false, false, NULL, get_manifest },
	{ "GET", "/v1/manifests", true, false, false, NULL, get_manifests },
	{ "GET", "/v1/nonce", true, false, false, NULL, get_nonce },
	{ "POST", "/v1/workers", true, true, true, on_register, NULL },
	{ "POST", "/v1/workers/renew", true, true, true, on_renew, NULL },
	{ "GET", "/v1/workers", true, false, false, NULL, get_workers },
	{ "GET", TARGET_OHTTP, true, false, false, NULL, get_ohttp_keys },
	{ "GET", "/v1/log", true, false, false, NULL, get_log },
	{ "GET", "/healthz", false, false, false, NULL, get_health },
	{ "GET", "/readyz", true, false, false, NULL, get_health },
};

static bool path_fits(const char *path, struct slice target)
{
	struct slice p = slice_str(path);

	if (p.p[p.len - 1] == '/')
		return target.len > p.len && slice_starts(target, p);
	return slice_eq(target, p);
}

static const struct route *find_route(const struct http_head *head)
{
	for (size_t i = 0; i < countof(routes); i++)
		if (path_fits(routes[i].path, head->target) &&
		    slice_eq_str(head->method, routes[i].method))
			return &routes[i];
	return NULL;
}

/* No such path, or it is there for other methods. */
static void refuse_route(struct http_call *call, const struct http_head *head)
{
	auto_buf struct buf allow = buf_make(64);

	for (size_t i = 0; i < countof(routes); i++)
		if (path_fits(routes[i].path, head->target))
			buf_putf(&allow, "%s%s", allow.len > 0 ? ", " : "",
				 routes[i].method);
	if (allow.len > 0)
		problem_reply_method(call, buf_slice(&allow));
	else
		problem_refuse(call, E_NOTFOUND,
			       "no such path; see confd-as(8)");
}

/* What needs no look at the body to be refused is refused before it comes. */
static bool refuse_early(const struct service *s, struct http_call *call,
			 const struct http_head *head, const struct route *r)
{
	uint8_t spki[32];

	if (problem_refuse_type(call, head))
		return true;
	if (r->with_body == on_init && s->state != STATE_UNINITIALIZED)
		problem_refuse(call, E_CONFLICT,
			       s->state == STATE_SEALED
				       ? "sealed: it has to be recovered"
				       : "initialized already");
	else if (r->worker && !conn_peer_spki(http_call_conn(call), spki))
		problem_refuse(call, E_PERM, NO_CERTIFICATE);
	else
		return false;
	return true;
}

static void take_body(struct service *s, struct http_call *call,
		      const struct http_head *head, const struct route *r)
{
	if (refuse_early(s, call, head, r))
		return;
	if (r->large)
		upload(s, call, r->with_body);
	else
		http_call_collect(call, SMALL_BODY_MAX, r->with_body, s);
}

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct service *s = ctx;
	const struct route *r = find_route(head);

	if (r == NULL)
		refuse_route(call, head);
	else if (r->serving_only && s->state != STATE_SERVING)
		problem_refuse(call, E_UNAVAIL,
			       s->state == STATE_SEALED
				       ? "sealed: it has to be recovered"
				       : "not initialized: run 'confd init'");
	else if (r->with_body != NULL)
		take_body(s, call, head, r);
	else
		r->without(s, call, head);
}

/* ---- running ------------------------------------------------------------ */

static enum status read_public(struct service *s, struct slice body,
			       struct err *err)
{
	struct cursor in = cursor_make(body);
	uint8_t state = cursor_u8(&in);
	struct slice head = cursor_bytes(&in, 32);
	uint64_t log_size = cursor_u64be(&in);
	struct slice root = cursor_bytes(&in, 32);
	struct slice manifest = cursor_field(&in);
	struct slice keys = cursor_field(&in);
	struct keyset_as parsed;

	TRY(cursor_end(&in, "keeper's state", err));
	if (state > STATE_SEALED ||
	    (state == STATE_SERVING) != (manifest.len > 0))
		return err_set(err, E_PARSE, "keeper's state %u: no such",
			       state);
	keyset_as_init(&parsed);
	TRY(keyset_as_parse(keys, &parsed, err));
	keyset_as_done(&s->keys);
	s->keys = parsed;
	manifest_free(take(s->manifest));
	if (manifest.len > 0)
		TRY(manifest_parse(manifest, "manifest", &s->manifest, err));
	s->state = (enum service_state)state;
	s->log_size = log_size;
	memcpy(s->head, head.p, sizeof(s->head));
	memcpy(s->log_root, root.p, sizeof(s->log_root));
	return OK;
}

static enum status begin_serving(struct service *s, struct err *err);

static void on_public(void *ctx, struct slice body, int fd)
{
	struct service *s = ctx;

	(void)fd;
	enum status st = read_public(s, body, &s->end);
	if (st == OK && !s->published) {
		s->published = true;
		st = begin_serving(s, &s->end);
	}
	if (st != OK)
		loop_stop(s->loop);
}

static void on_keeper_gone(void *ctx, const struct err *why)
{
	struct service *s = ctx;

	(void)err_set(&s->end, E_IO, "the keeper is gone: %s", why->text);
	loop_stop(s->loop);
}

static const struct chan_row rows[] = {
	{ MSG_PUBLIC, 81, MSG_BODY_MAX, false, on_public },
	{ MSG_REPLY, 5, MSG_BODY_MAX, false, on_reply },
};

static enum status make_tls(struct service *s, struct tls **out,
			    struct err *err)
{
	struct tls_settings t = { .server = true, .ask_client = true };

	TRY(identity_new("confd as", CERT_DAYS, &s->identity, err));
	x509_spki_sha256(s->identity.cert, s->spki);
	t.chain[0] = x509_der(s->identity.cert);
	t.n_chain = 1;
	t.key = s->identity.key;
	return tls_new(&t, out, err);
}

static enum status begin_serving(struct service *s, struct err *err)
{
	static const struct http_server_events events = {
		.on_call = on_call,
		.on_error = problem_on_error,
	};
	const struct http_limits limits = { .body = SERVICE_BODY_MAX,
					    .idle_ms = 60000 };
	const struct listener_settings set = { 0 };
	struct tls *tls = NULL;
	struct addr at;

	TRY(http_server_new(s->loop, &limits, &events, s, &s->server, err));
	TRY(make_tls(s, &tls, err));
	enum status st = s->set->confine(err);
	if (st == OK)
		st = listener_adopt(s->loop, s->set->listener, tls, &set,
				    http_server_accept, s->server, &s->listener,
				    err);
	tls_unref(tls);
	TRY(st);
	listener_addr(s->listener, &at);
	s->set->ready(&at);
	return OK;
}

static void stop_now(void *ctx)
{
	struct service *s = ctx;

	loop_stop(s->loop);
}

static void on_term(void *ctx)
{
	struct service *s = ctx;

	if (s->listener == NULL || s->drain != NULL) {
		loop_stop(s->loop);
		return;
	}
	listener_close(take(s->listener));
	s->drain = loop_timer_new(s->loop, stop_now, s);
	loop_timer_arm(s->drain, s->set->drain_ms);
	http_server_drain(s->server, stop_now, s);
}

static void close_all(struct service *s)
{
	if (s->drain != NULL)
		loop_timer_free(s->drain);
	if (s->listener != NULL)
		listener_close(s->listener);
	if (s->server != NULL)
		http_server_free(s->server);
	pending_done(&s->pending);
	chan_free(s->keeper);
	identity_done(&s->identity);
	manifest_free(s->manifest);
	keyset_as_done(&s->keys);
	loop_free(s->loop);
}

enum status service_run(const struct service_settings *set, struct err *err)
{
	struct service s = { .set = set,
			     .pending = { .max = PENDING_MAX,
					  .max_bytes = PENDING_BYTES_MAX,
					  .hide_faults = true } };

	s.pending.ctx = &s;
	keyset_as_init(&s.keys);
	TRY(loop_new(&s.loop, err));
	TRY(chan_new(s.loop, set->keeper, rows, countof(rows), on_keeper_gone,
		     &s, &s.keeper, err));
	s.pending.chan = s.keeper;
	struct loop_signal *term =
		loop_signal_new(s.loop, SIGTERM, on_term, &s);
	loop_run(s.loop);
	loop_signal_free(term);
	close_all(&s);
	*err = s.end;
	return err->code;
}
