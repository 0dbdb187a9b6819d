/* confd workload: the operator's side of the worker API.  The attestation
 * service is verified first; its key set names the mesh CA, under which the
 * worker must have a certificate before anything is sent to it. */
#include <stdio.h>

#include "cmd/applet.h"
#include "cmd/ask.h"
#include "cmd/digest.h"
#include "cmd/workload_request.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

#define API_PORT 9444
#define ANSWER_MAX (4u << 20)
#define ANSWER_MS 900000 /* digests of a large root take their time */
#define FOLLOW_MS 500

/* ---- options ------------------------------------------------------------ */

struct reach_opts {
	struct common_opts common;
	struct ask_opts ask;
	const char *worker;
	bool json;
};

struct run_opts {
	struct reach_opts reach;
	struct opt_list adapter, env;
	const char *listen;
	const char *logs;
	const char *root;
	const char *upstream;
	uint64_t memory, pids, port;
};

struct logs_opts {
	struct reach_opts reach;
	bool follow;
};

struct digest_opts {
	struct common_opts common;
	const char *command;
	const char *dir;
};

/* clang-format off */
#define WORKER_ROW(type, r)                                              \
	{ .name = "worker", .arg = "HOST:PORT",                          \
	  .help = "the worker's API (port 9444 by default)",             \
	  .kind = OPT_STR, .flags = OPT_REQUIRED, OPT_AT(type, r worker) }
#define JSON_ROW(type, r)                                                \
	{ .name = "json", .help = "print the worker's answer as JSON",   \
	  .kind = OPT_FLAG, OPT_AT(type, r json) }
/* clang-format on */

static const struct opt run_rows[] = {
	{ .name = "adapter",
	  .arg = "NAME",
	  .help = "an API that its proxy speaks (openai by default)",
	  .kind = OPT_LIST,
	  OPT_AT(struct run_opts, adapter) },
	ASK_AS_ROW(struct run_opts, reach.ask),
	ASK_CERT_ROW(struct run_opts, reach.ask),
	{ .name = "env",
	  .arg = "NAME=VALUE",
	  .help = "a variable of the command's environment",
	  .kind = OPT_LIST,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct run_opts, env) },
	JSON_ROW(struct run_opts, reach.),
	ASK_KEY_ROW(struct run_opts, reach.ask),
	{ .name = "listen",
	  .arg = "URL",
	  .help = "where its proxy serves: https://ADDR:PORT, or http:// "
		  "behind a load balancer",
	  .fallback = "https://:8443",
	  .kind = OPT_STR,
	  OPT_AT(struct run_opts, listen) },
	{ .name = "logs",
	  .arg = "WHERE",
	  .help = "what it prints: off or plain, as the manifest lets",
	  .kind = OPT_STR,
	  OPT_AT(struct run_opts, logs) },
	ASK_MANIFEST_ROW(struct run_opts, reach.ask),
	{ .name = "memory",
	  .arg = "MIB",
	  .help = "limit of its memory; half of the machine's by default",
	  .kind = OPT_U64,
	  .max = 1u << 24,
	  OPT_AT(struct run_opts, memory) },
	{ .name = "pids",
	  .arg = "N",
	  .help = "limit of its processes and threads; 1024 by default",
	  .kind = OPT_U64,
	  .max = 1u << 22,
	  OPT_AT(struct run_opts, pids) },
	{ .name = "port",
	  .arg = "PORT",
	  .help = "where the command listens, on 127.0.0.1 of its sandbox",
	  .kind = OPT_U64,
	  .max = 65535,
	  OPT_AT(struct run_opts, port) },
	{ .name = "root",
	  .arg = "DIR",
	  .help = "root file system, on the worker; without: the worker's own "
		  "programs",
	  .kind = OPT_STR,
	  OPT_AT(struct run_opts, root) },
	{ .name = "upstream",
	  .arg = "URL",
	  .help = "in place of a command: a server that runs already "
		  "(http://HOST:PORT, unix:PATH)",
	  .kind = OPT_STR,
	  OPT_AT(struct run_opts, upstream) },
	WORKER_ROW(struct run_opts, reach.),
};

static const struct opt reach_rows[] = {
	ASK_AS_ROW(struct reach_opts, ask),
	ASK_CERT_ROW(struct reach_opts, ask),
	JSON_ROW(struct reach_opts, ),
	ASK_KEY_ROW(struct reach_opts, ask),
	ASK_MANIFEST_ROW(struct reach_opts, ask),
	WORKER_ROW(struct reach_opts, ),
};

static const struct opt logs_rows[] = {
	ASK_AS_ROW(struct logs_opts, reach.ask),
	ASK_CERT_ROW(struct logs_opts, reach.ask),
	{ .name = "follow",
	  .help = "go on until it has ended",
	  .kind = OPT_FLAG,
	  OPT_AT(struct logs_opts, follow) },
	ASK_KEY_ROW(struct logs_opts, reach.ask),
	ASK_MANIFEST_ROW(struct logs_opts, reach.ask),
	WORKER_ROW(struct logs_opts, reach.),
};

static const struct opt digest_rows[] = {
	{ .name = "command",
	  .arg = "FILE",
	  .help = "a program: prints command:DIGEST",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct digest_opts, command) },
	{ .name = "dir",
	  .arg = "DIR",
	  .help = "a root file system: prints dir:DIGEST",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct digest_opts, dir) },
};

/* ---- the connection ----------------------------------------------------- */

/* A worker that belongs to the verified service's mesh. */
struct session {
	struct ask as;
	struct http_client *client;

	/* The answer under way. */
	bool done;
	struct err err;
	unsigned status;
	struct buf body;
	uint64_t log_next;
	char state[16];
};

static void session_done(struct session *s)
{
	http_client_free(s->client);
	buf_done(&s->body);
	ask_done(&s->as);
}
#define auto_session __attribute__((cleanup(session_done)))

static enum status make_tls(const struct session *s, struct tls **out,
			    struct err *err)
{
	const struct buf *ca = &peer_keys(s->as.peer)->mesh_ca;
	const struct tls_settings t = {
		.chain = { x509_der(s->as.identity.cert) },
		.n_chain = 1,
		.key = s->as.identity.key,
		.roots = { buf_slice(ca) },
		.n_roots = 1,
		.any_name = true,
	};

	if (ca->len == 0)
		return err_set(err, E_UNAVAIL,
			       "the attestation service has no mesh CA yet");
	return tls_new(&t, out, err);
}

static enum status open_session(const struct reach_opts *o, struct session *s,
				struct err *err)
{
	struct http_client_settings set = { .head_ms = ANSWER_MS,
					    .max_body = ANSWER_MAX };

	*s = (struct session){ .body = buf_make(ANSWER_MAX) };
	if (o->ask.cert == NULL)
		return err_set(err, E_USAGE,
			       "--cert and --key are missing: the certificate "
			       "of an operator of the manifest");
	TRY(addr_parse(o->worker, API_PORT, &set.to, err));
	set.to.tls = true;
	TRY(ask_open(&o->ask,
		     o->ask.manifest != NULL ? PEER_PINNED : PEER_SERVED,
		     &s->as, err));
	TRY(make_tls(s, &set.tls, err));
	enum status st = http_client_new(s->as.loop, &set, &s->client, err);
	tls_unref(set.tls);
	return st;
}

static void on_head(void *ctx, const struct http_head *head)
{
	struct session *s = ctx;

	s->status = head->status;
	/* Only logs have these two. */
	(void)slice_u64(http_head_get(head, "confd-log-next"), &s->log_next);
	(void)snprintf(s->state, sizeof(s->state), "%.*s",
		       SLICE_FMT(http_head_get(head, "confd-state")));
}

static void on_body(void *ctx, struct slice part)
{
	struct session *s = ctx;

	buf_put(&s->body, part);
}

static void finish(struct session *s)
{
	s->done = true;
	loop_stop(s->as.loop);
}

static void on_end(void *ctx)
{
	finish(ctx);
}

static void on_failed(void *ctx, const struct err *why, bool sent)
{
	struct session *s = ctx;

	(void)sent;
	s->err = *why;
	finish(s);
}

static const struct http_client_events events = {
	.head = on_head,
	.body = on_body,
	.end = on_end,
	.failed = on_failed,
};

/* 403 is said to strangers and, as type urn:confd:error:policy, of what the
 * manifest does not allow. */
static bool is_policy(struct slice body)
{
	auto_json struct json *root = NULL;
	struct err ignored; /* a refusal without a document is one as well */
	struct slice type;

	return json_parse(body, &root, &ignored) == OK &&
	       json_kind(root) == JSON_OBJECT &&
	       json_want_str(root, "type", &type, &ignored) == OK &&
	       slice_eq(type, S("urn:confd:error:policy"));
}

static enum status check_answer(const struct session *s, struct err *err)
{
	struct slice body = buf_slice(&s->body);

	if (peer_refusal("worker", s->status, body, err) == OK)
		return buf_check(&s->body, "answer", err);
	if (err->code == E_PERM && is_policy(body))
		err->code = E_POLICY;
	return err->code;
}

/* One exchange; the answer is in s->body. */
static enum status call(struct session *s, const char *method,
			struct slice target, struct slice body, struct err *err)
{
	const struct http_header type = { S("content-type"),
					  S("application/json") };

	s->done = false;
	s->err = (struct err){ 0 };
	buf_clear(&s->body);
	TRY(http_client_begin(s->client, method, target, &type,
			      body.len > 0 ? 1 : 0, body.len, &events, s, err));
	if (body.len > 0) {
		http_client_body(s->client, body);
		http_client_body_end(s->client);
	}
	while (!s->done)
		loop_run_once(s->as.loop, -1);
	*err = s->err;
	if (err->code != OK)
		return err_wrap(err, "worker");
	return check_answer(s, err);
}

/* ---- printing ----------------------------------------------------------- */

static struct slice text_member(const struct json *j, const char *name)
{
	const struct json *m = json_get(j, name);

	return m != NULL ? json_str(m) : S("");
}

static void put_joined(const struct json *list, struct buf *out)
{
	const struct json *first = list != NULL ? json_first(list) : NULL;

	for (const struct json *j = first; j != NULL; j = json_next(j)) {
		if (j != first)
			buf_put_u8(out, ' ');
		text_escape(out, json_str(j));
	}
}

/* "model  running  https://127.0.0.1:8443  openai  /bin/server --x" */
static void print_line(const struct json *j)
{
	auto_buf struct buf adapters = buf_make(ANSWER_MAX);
	auto_buf struct buf what = buf_make(ANSWER_MAX);
	struct slice up = text_member(j, "upstream");
	const struct json *tls = json_get(j, "tls");
	struct slice address = text_member(j, "address");
	char url[340] = "-";

	put_joined(json_get(j, "adapters"), &adapters);
	if (up.len > 0)
		text_escape(&what, up);
	else
		put_joined(json_get(j, "command"), &what);
	if (address.len > 0)
		(void)snprintf(url, sizeof(url), "%s://%.*s",
			       tls != NULL && json_bool(tls) ? "https" : "http",
			       SLICE_FMT(address));
	printf("%-16.*s %-9.*s %-30s %-8s %.60s\n",
	       SLICE_FMT(text_member(j, "name")),
	       SLICE_FMT(text_member(j, "state")), url, buf_cstr(&adapters),
	       buf_cstr(&what));
	if (text_member(j, "error").len > 0) {
		buf_clear(&what);
		text_escape(&what, text_member(j, "error"));
		printf("%-16s %s\n", "", buf_cstr(&what));
	}
}

static enum status print_answer(const struct reach_opts *o, struct session *s,
				struct err *err)
{
	auto_json struct json *root = NULL;

	TRY(json_parse(buf_slice(&s->body), &root, err));
	if (o->json) {
		printf("%s\n", buf_cstr(&s->body));
		return OK;
	}
	if (json_kind(root) != JSON_ARRAY) {
		print_line(root);
		return OK;
	}
	if (json_count(root) == 0)
		printf("no workloads\n");
	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j))
		print_line(j);
	return OK;
}

/* Text of a program that nobody vouches for, for a terminal: printable
 * characters, tabs and line ends as they are, all else as \xNN. */
static void put_safe(struct slice s, struct buf *out)
{
	for (size_t i = 0; i < s.len;) {
		size_t n = text_utf8_len(slice_from(s, i));
		uint8_t c = s.p[i];
		/* U+0080 to U+009F are controls, too: c2 80 to c2 9f. */
		bool control = n == 2 && c == 0xc2 && s.p[i + 1] < 0xa0;
		bool plain = n == 1 ? (c >= ' ' && c != 0x7f) || c == '\n' ||
					      c == '\t'
				    : n > 1 && !control;

		if (n == 0)
			n = 1;
		for (size_t k = 0; k < n; k++) {
			if (plain)
				buf_put_u8(out, s.p[i + k]);
			else
				buf_putf(out, "\\x%02x", s.p[i + k]);
		}
		i += n;
	}
}

static enum status print_log(struct slice bytes, struct err *err)
{
	auto_buf struct buf safe = buf_make(4 * ANSWER_MAX);

	if (isatty(STDOUT_FILENO) == 1) {
		put_safe(bytes, &safe);
		bytes = buf_slice(&safe);
	}
	if (bytes.len > 0 && fwrite(bytes.p, 1, bytes.len, stdout) != bytes.len)
		return err_errno(err, "standard output");
	(void)fflush(stdout);
	return OK;
}

/* ---- run ---------------------------------------------------------------- */

static enum status add_all(const struct opt_list *from, const char *what,
			   struct workload_words *to, struct err *err)
{
	for (size_t i = 0; i < from->n; i++)
		TRY(workload_request_add(to, slice_str(from->v[i]), what, err));
	return OK;
}

static enum status check_env(const struct opt_list *env, struct err *err)
{
	for (size_t i = 0; i < env->n; i++)
		if (strchr(env->v[i], '=') == NULL)
			return err_set(err, E_USAGE,
				       "--env '%s': expected NAME=VALUE",
				       env->v[i]);
	return OK;
}

static char *copy(const char *s)
{
	return s != NULL ? mem_strdup(s, strlen(s)) : NULL;
}

static enum status take_logs(const char *s, struct workload_request *r,
			     struct err *err)
{
	if (s == NULL)
		return OK;
	if (strcmp(s, "off") != 0 && strcmp(s, "plain") != 0)
		return err_set(err, E_USAGE,
			       "--logs '%s': expected off or plain", s);
	r->logs = s[0] == 'o' ? WORKLOAD_LOGS_OFF : WORKLOAD_LOGS_PLAIN;
	return OK;
}

/* The request of the command line; operands: NAME COMMAND ARG... */
static enum status make_request(const struct run_opts *o,
				const struct opt_args *args,
				struct workload_request *r, struct err *err)
{
	TRY(check_env(&o->env, err));
	TRY(take_logs(o->logs, r, err));
	r->name = copy(args->operands[0]);
	r->root = copy(o->root);
	r->listen = copy(o->listen);
	r->upstream = copy(o->upstream);
	r->port = (uint16_t)o->port;
	r->memory_mib = o->memory;
	r->pids = o->pids;
	for (size_t i = 1; i < args->n; i++)
		TRY(workload_request_add(&r->command,
					 slice_str(args->operands[i]),
					 "command", err));
	TRY(add_all(&o->env, "env", &r->env, err));
	TRY(add_all(&o->adapter, "adapters", &r->adapters, err));
	/* What is malformed here stands on the command line. */
	if (workload_request_check(r, err) == OK)
		return OK;
	err->code = E_USAGE;
	return E_USAGE;
}

static enum status run_run(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct run_opts *o = opts;
	auto_workload_request struct workload_request r = { 0 };
	auto_session struct session s = { 0 };
	auto_buf struct buf body = buf_make(ANSWER_MAX);

	TRY(make_request(o, args, &r, err));
	workload_request_write(&r, &body);
	TRY(buf_check(&body, "request", err));
	TRY(open_session(&o->reach, &s, err));
	TRY(call(&s, "POST", S("/v1/workloads"), buf_slice(&body), err));
	return print_answer(&o->reach, &s, err);
}

/* ---- the others --------------------------------------------------------- */

static enum status target_of(const struct opt_args *args, const char *action,
			     struct buf *out, struct err *err)
{
	if (!text_is_name(slice_str(args->operands[0])))
		return err_set(err, E_USAGE,
			       "'%s': expected the name of a workload",
			       args->operands[0]);
	buf_putf(out, "/v1/workloads/%s%s", args->operands[0], action);
	return OK;
}

static enum status run_ps(void *opts, const struct opt_args *args,
			  struct err *err)
{
	const struct reach_opts *o = opts;
	auto_session struct session s = { 0 };

	(void)args;
	TRY(open_session(o, &s, err));
	TRY(call(&s, "GET", S("/v1/workloads"), S(""), err));
	return print_answer(o, &s, err);
}

static enum status run_action(const struct reach_opts *o,
			      const struct opt_args *args, const char *method,
			      const char *action, struct session *s,
			      struct err *err)
{
	auto_buf struct buf target = buf_make(256);

	TRY(target_of(args, action, &target, err));
	TRY(open_session(o, s, err));
	return call(s, method, buf_slice(&target), S(""), err);
}

static enum status run_stop(void *opts, const struct opt_args *args,
			    struct err *err)
{
	auto_session struct session s = { 0 };

	TRY(run_action(opts, args, "POST", "/stop", &s, err));
	return print_answer(opts, &s, err);
}

static enum status run_start(void *opts, const struct opt_args *args,
			     struct err *err)
{
	auto_session struct session s = { 0 };

	TRY(run_action(opts, args, "POST", "/start", &s, err));
	return print_answer(opts, &s, err);
}

static enum status run_rm(void *opts, const struct opt_args *args,
			  struct err *err)
{
	auto_session struct session s = { 0 };

	return run_action(opts, args, "DELETE", "", &s, err);
}

static void wake(void *ctx)
{
	loop_stop(ctx);
}

/* Ask again and again for what came since, until the workload has ended. */
static enum status follow(struct session *s, const struct buf *target,
			  struct err *err)
{
	struct loop_timer *timer = loop_timer_new(s->as.loop, wake, s->as.loop);
	enum status st = OK;

	while (st == OK && strcmp(s->state, "stopped") != 0 &&
	       strcmp(s->state, "failed") != 0) {
		auto_buf struct buf next = buf_make(512);

		loop_timer_arm(timer, FOLLOW_MS);
		loop_run(s->as.loop);
		buf_put(&next, buf_slice(target));
		buf_putf(&next, "?from=%llu", (unsigned long long)s->log_next);
		st = call(s, "GET", buf_slice(&next), S(""), err);
		if (st == OK)
			st = print_log(buf_slice(&s->body), err);
	}
	loop_timer_free(timer);
	return st;
}

static enum status run_logs(void *opts, const struct opt_args *args,
			    struct err *err)
{
	const struct logs_opts *o = opts;
	auto_session struct session s = { 0 };
	auto_buf struct buf target = buf_make(256);

	TRY(target_of(args, "/logs", &target, err));
	TRY(open_session(&o->reach, &s, err));
	TRY(call(&s, "GET", buf_slice(&target), S(""), err));
	TRY(print_log(buf_slice(&s.body), err));
	return o->follow ? follow(&s, &target, err) : OK;
}

static enum status run_digest(void *opts, const struct opt_args *args,
			      struct err *err)
{
	const struct digest_opts *o = opts;
	auto_digest struct digest *d = NULL;
	uint8_t digest[32];
	char hex[65];

	(void)args;
	if ((o->command == NULL) == (o->dir == NULL))
		return err_set(err, E_USAGE,
			       "expected either --command FILE or --dir DIR");
	if (o->command != NULL)
		TRY(digest_file_new(NULL, o->command, &d, err));
	else
		TRY(digest_tree_new(o->dir, &d, err));
	TRY(digest_finish(d, digest, err));
	text_hex_into(hex, sizeof(hex), slice_of(digest));
	printf("%s:%s\n", o->command != NULL ? "command" : "dir", hex);
	return OK;
}

/* ---- the table ---------------------------------------------------------- */

#define ONE .operands = "NAME", .min_operands = 1, .max_operands = 1

static const struct verb verbs[] = {
	{ .name = "digest",
	  .summary = "print what a manifest calls a program or a root",
	  OPTS(digest_rows),
	  .opts_size = sizeof(struct digest_opts),
	  .run = run_digest },
	{ .name = "logs",
	  .summary = "print what a workload has printed",
	  ONE,
	  OPTS(logs_rows),
	  .opts_size = sizeof(struct logs_opts),
	  .run = run_logs },
	{ .name = "ps",
	  .summary = "list the workloads of a worker",
	  OPTS(reach_rows),
	  .opts_size = sizeof(struct reach_opts),
	  .run = run_ps },
	{ .name = "rm",
	  .summary = "stop a workload and forget it",
	  ONE,
	  OPTS(reach_rows),
	  .opts_size = sizeof(struct reach_opts),
	  .run = run_rm },
	{ .name = "run",
	  .summary = "create a workload and start it",
	  .operands = "NAME -- COMMAND [ARG...]",
	  .min_operands = 1,
	  .max_operands = OPT_LIST_MAX,
	  OPTS(run_rows),
	  .opts_size = sizeof(struct run_opts),
	  .run = run_run },
	{ .name = "start",
	  .summary = "start a workload again",
	  ONE,
	  OPTS(reach_rows),
	  .opts_size = sizeof(struct reach_opts),
	  .run = run_start },
	{ .name = "stop",
	  .summary = "stop a workload, letting answers finish",
	  ONE,
	  OPTS(reach_rows),
	  .opts_size = sizeof(struct reach_opts),
	  .run = run_stop },
};

const struct applet applet_workload = {
	.name = "workload",
	.summary = "run and manage workloads on a worker",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS,
	VERBS(verbs),
};
