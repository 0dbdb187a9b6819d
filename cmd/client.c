/* confd client: a local endpoint that verifies, then encrypts.  One process:
 * it verifies the attestation service before it serves, takes the group's keys
 * from what was attested, and does so again before they are ten minutes old. */
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cmd/applet.h"
#include "cmd/ask.h"
#include "cmd/crew.h"
#include "cmd/request_log.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/io/resolve.h"
#include "core/log.h"
#include "core/x509.h"
#include "proxy/tunnel.h"
#include "sandbox/confine.h"

#define PORT 8080
#define MIB 1048576u
#define EPOCH 3600	     /* seconds that a group key is the present one */
#define KEYS_MS (600 * 1000) /* how long keys are used without a new look */
#define LOOK_MS (480 * 1000) /* when to look anew */
#define FRESH_MS 2000	     /* keys that are not asked for once more */
#define RETRY_MS 5000	     /* after a failure */
#define REFUSED_MS 30000     /* after a refusal */
#define IDLE_MAX 64	     /* unused connections to the endpoint */
#define IDLE_MS 20000	     /* and how long they are kept */
#define CONNECT_MS 10000
#define CONNECT_SLACK_MS 5000
#define SLACK_MS 10000 /* so that the proxy's own time-outs come first */
#define SILENCE_MS 300000
#define CA_MAX (256u << 10) /* bytes of --endpoint-ca */
#define ROOTS_MAX 8

struct client_opts {
	struct common_opts common;
	struct opt_list adapters;
	const char *as;
	uint64_t drain; /* seconds */
	const char *endpoint;
	const char *endpoint_ca;
	const char *group;
	const char *listen;
	const char *manifest;
	uint64_t max_body; /* MiB */
	const char *ready_file;
	uint64_t timeout; /* seconds */
	const char *trust_root;
};

static const struct opt rows[] = {
	{ .name = "adapter",
	  .arg = "NAME",
	  .help = "an API whose routes are taken; may be repeated",
	  .fallback = "openai",
	  .kind = OPT_LIST,
	  OPT_AT(struct client_opts, adapters) },
	{ .name = "as",
	  .arg = "HOST:PORT",
	  .help = "the attestation service (port 9443 by default)",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct client_opts, as) },
	CREW_DRAIN_ROW(struct client_opts),
	{ .name = "endpoint",
	  .arg = "URL",
	  .help = "where sealed requests go: https://HOST[:PORT] or http://",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct client_opts, endpoint) },
	{ .name = "endpoint-ca",
	  .arg = "FILE",
	  .help = "roots (PEM) that the endpoint's certificate must lead to",
	  .kind = OPT_STR,
	  OPT_AT(struct client_opts, endpoint_ca) },
	{ .name = "group",
	  .arg = "NAME",
	  .help = "the worker group to ask, where the manifest has several",
	  .kind = OPT_STR,
	  OPT_AT(struct client_opts, group) },
	{ .name = "listen",
	  .arg = "ADDR:PORT",
	  .help = "where to serve local programs; port 0 takes any",
	  .fallback = "127.0.0.1:8080",
	  .kind = OPT_STR,
	  OPT_AT(struct client_opts, listen) },
	{ .name = "manifest",
	  .arg = "FILE",
	  .help = "the manifest that must be in force",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct client_opts, manifest) },
	{ .name = "max-body",
	  .arg = "MIB",
	  .help = "largest request",
	  .fallback = "128",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 1u << 20,
	  OPT_AT(struct client_opts, max_body) },
	CREW_READY_FILE_ROW(struct client_opts),
	{ .name = "timeout",
	  .arg = "SECONDS",
	  .help = "how long the endpoint may take to begin its answer",
	  .fallback = "600",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 86400,
	  OPT_AT(struct client_opts, timeout) },
	ASK_TRUST_ROW(struct client_opts, trust_root),
};

struct client {
	const struct client_opts *o;
	struct tee_roots trust;
	struct loop *loop;
	struct manifest *manifest;
	const char *group;

	/* The endpoint. */
	struct adapter_set adapters;
	struct tls *tls;
	struct addr endpoint;
	struct http_pool *pool;
	struct tunnel *tunnel;
	int bound;	   /* the socket that will be the listener, or -1 */
	struct addr local; /* where it is */
	ino_t inode;	   /* of its path, which is to be removed; 0: none */
	struct listener *listener;

	/* Verification. */
	struct addr as;
	struct peer *peer;	     /* one is under way */
	bool starting;		     /* and is the first */
	int64_t verified_at;	     /* clock_mono_ms of the last time */
	struct loop_timer *again;    /* the next one */
	struct loop_timer *expiry;   /* the end of the keys */
	struct loop_task fresh_task; /* they were asked for too often */

	struct loop_timer *late;
	bool stopping;
	struct err end;
};

/* ---- verifying -------------------------------------------------------------- */

/* Before the keys are too old, and when the service has its next ones: by its
 * clock, which this one may be behind. */
static int64_t next_look(void)
{
	int64_t epoch = (EPOCH - clock_wall() % EPOCH + 5) * 1000;

	return epoch < LOOK_MS ? epoch : LOOK_MS;
}

static enum status take_keys(struct client *c, struct err *err)
{
	struct slice keys =
		keyset_as_ohttp(peer_keys(c->peer), slice_str(c->group));

	if (keys.len == 0)
		return err_set(err, E_STALE,
			       "the attestation service has no keys for group "
			       "%s (state %s)",
			       c->group, peer_state(c->peer));
	return tunnel_keys(c->tunnel, keys, err);
}

static void use_keys(struct client *c)
{
	c->verified_at = clock_mono_ms();
	loop_timer_arm(c->again, next_look());
	loop_timer_arm(c->expiry, KEYS_MS);
	log_debug("verified", LOG_CSTR("group", c->group));
}

/* Not to be reached says nothing of the keys; a refusal does. */
static void lose_keys(struct client *c, const struct err *why)
{
	bool refused = why->code != E_UNAVAIL && why->code != E_IO;

	log_warn("verification-failed", LOG_ERR(why));
	if (refused) {
		tunnel_forget(c->tunnel);
		loop_timer_disarm(c->expiry);
	}
	tunnel_no_keys(c->tunnel);
	loop_timer_arm(c->again, refused ? REFUSED_MS : RETRY_MS);
}

static void on_verified(void *ctx, const struct err *why)
{
	struct client *c = ctx;
	struct err err = *why;

	if (err.code == OK)
		(void)take_keys(c, &err);
	peer_free(take(c->peer));
	if (err.code == OK)
		use_keys(c);
	else if (!c->starting)
		lose_keys(c, &err);
	if (c->starting) {
		ask_refused(&err); /* an answer of no form is a refusal */
		c->end = err;
		loop_stop(c->loop);
	}
}

static enum status verify(struct client *c, struct err *err)
{
	const struct peer_settings s = { .to = c->as,
					 .expect = PEER_PINNED,
					 .manifest = c->manifest,
					 .trust = &c->trust };

	if (c->peer != NULL)
		return OK;
	return peer_open(c->loop, &s, on_verified, c, &c->peer, err);
}

static void on_again(void *ctx)
{
	struct client *c = ctx;
	struct err err;

	if (verify(c, &err) != OK)
		lose_keys(c, &err);
}

static void on_expiry(void *ctx)
{
	struct client *c = ctx;

	log_warn("keys-expired");
	tunnel_forget(c->tunnel);
}

static void on_fresh(void *ctx)
{
	struct client *c = ctx;

	tunnel_no_keys(c->tunnel);
}

/* A proxy does not know the key.  It may be the proxy that is behind: the
 * service is not asked all the time because of it. */
static void want_keys(void *ctx)
{
	struct client *c = ctx;

	if (c->peer != NULL)
		return;
	if (clock_mono_ms() - c->verified_at < FRESH_MS)
		loop_task_post(c->loop, &c->fresh_task);
	else
		loop_timer_arm(c->again, 0);
}

/* ---- set-up -------------------------------------------------------------------- */

static enum status pick_group(struct client *c, struct err *err)
{
	const struct manifest *m = c->manifest;

	c->group = c->o->group;
	if (c->group == NULL && m->n_workers == 1)
		c->group = m->worker[0].name;
	if (c->group == NULL)
		return err_set(err, E_USAGE,
			       "--group is missing: the manifest has %zu "
			       "worker groups",
			       m->n_workers);
	if (manifest_find_worker(m, slice_str(c->group)) == NULL)
		return err_set(err, E_USAGE,
			       "--group %s: the manifest %s has no such "
			       "worker group",
			       c->group, m->name);
	return OK;
}

static enum status make_tls(struct client *c, struct err *err)
{
	auto_buf struct buf pem = buf_make(CA_MAX);
	struct x509 *roots[ROOTS_MAX];
	struct tls_settings set = { 0 };
	enum status st = OK;

	if (c->o->endpoint_ca != NULL) {
		TRY(ask_read(c->o->endpoint_ca, &pem, err));
		st = x509_parse_chain(buf_slice(&pem), roots, ROOTS_MAX,
				      &set.n_roots, err);
		if (st != OK)
			(void)err_wrap(err, "%s", c->o->endpoint_ca);
	}
	for (size_t i = 0; i < set.n_roots; i++)
		set.roots[i] = x509_der(roots[i]);
	if (st == OK)
		st = tls_new(&set, &c->tls, err);
	for (size_t i = 0; i < set.n_roots; i++)
		x509_free(roots[i]);
	return st;
}

static enum status make_pool(struct client *c, struct err *err)
{
	struct http_client_settings set = {
		.connect_ms = CONNECT_MS + CONNECT_SLACK_MS,
		.max_body = UINT64_MAX,
	};

	if (addr_parse_url(c->o->endpoint, &c->endpoint, err) != OK)
		return err_wrap(err, "--endpoint: expected https://HOST[:PORT] "
				     "or http://HOST[:PORT]");
	set.to = c->endpoint;
	if (!set.to.tls && c->o->endpoint_ca != NULL)
		return err_set(err, E_USAGE,
			       "--endpoint-ca is of no use with --endpoint %s",
			       c->o->endpoint);
	if (set.to.tls)
		TRY(make_tls(c, err));
	set.tls = c->tls;
	return http_pool_new(c->loop, &set, IDLE_MAX, IDLE_MS, &c->pool, err);
}

static enum status make_tunnel(struct client *c, struct err *err)
{
	const struct tunnel_settings set = {
		.loop = c->loop,
		.adapters = &c->adapters,
		.endpoint = { .loop = c->loop,
			      .pool = c->pool,
			      .connect_ms = CONNECT_MS,
			      .head_ms =
				      (int64_t)c->o->timeout * 1000 + SLACK_MS,
			      .idle_ms = SILENCE_MS + SLACK_MS },
		.http = { .body = c->o->max_body * MIB,
			  .idle_ms = SILENCE_MS + 2 * SLACK_MS },
		.want_keys = want_keys,
		.done = request_log,
		.ctx = c,
	};

	for (size_t i = 0; i < c->o->adapters.n; i++)
		TRY(adapter_enable(&c->adapters, slice_str(c->o->adapters.v[i]),
				   err));
	return tunnel_new(&set, &c->tunnel, err);
}

static void on_late(void *ctx)
{
	struct client *c = ctx;

	log_warn("drain-too-slow");
	loop_stop(c->loop);
}

static enum status set_up(struct client *c, struct err *err)
{
	TRY(addr_parse(c->o->as, ASK_PORT, &c->as, err));
	TRY(ask_load_manifest(c->o->manifest, &c->manifest, err));
	TRY(ask_load_roots(c->o->trust_root, &c->trust, err));
	TRY(pick_group(c, err));
	TRY(loop_new(&c->loop, err));
	c->again = loop_timer_new(c->loop, on_again, c);
	c->expiry = loop_timer_new(c->loop, on_expiry, c);
	c->late = loop_timer_new(c->loop, on_late, c);
	c->fresh_task = (struct loop_task){ .run = on_fresh, .ctx = c };
	TRY(make_pool(c, err));
	return make_tunnel(c, err);
}

/* ---- serving ---------------------------------------------------------------------- */

/* Name servers are read from files, while there still are any. */
static enum status prepare_names(const struct client *c, struct err *err)
{
	struct resolve_list known;

	if (resolve_known(&c->as, &known) &&
	    resolve_known(&c->endpoint, &known))
		return OK;
	return resolve_setup(c->loop, NULL, err);
}

/* The directory of a file that is written or removed later. */
static enum status keep_dir(const char *file, struct buf *dir,
			    struct landlock_path *out, struct err *err)
{
	struct slice path = slice_str(file);
	size_t n = path.len;

	while (n > 0 && path.p[n - 1] != '/')
		n--;
	buf_put(dir, n == 0 ? S(".") : slice_sub(path, 0, n));
	*out = (struct landlock_path){ .path = buf_cstr(dir), .write = true };
	if (out->path == NULL)
		return err_set(err, E_USAGE, "a path is too long");
	return OK;
}

/* From here on no files but the --ready-file and the socket. */
static enum status lock_down(const struct client *c, struct err *err)
{
	struct landlock_path paths[2];
	auto_buf struct buf ready = buf_make(4096);
	auto_buf struct buf socket = buf_make(4096);
	size_t n = 0;

	TRY(prepare_names(c, err));
	if (c->o->ready_file != NULL)
		TRY(keep_dir(c->o->ready_file, &ready, &paths[n++], err));
	if (c->inode != 0)
		TRY(keep_dir(c->local.host, &socket, &paths[n++], err));
	return confine(PROFILE_CLIENT, n == 0 ? NULL : paths, n, err);
}

static enum status verify_first(struct client *c, struct err *err)
{
	c->starting = true;
	TRY(verify(c, err));
	loop_run(c->loop);
	c->starting = false;
	*err = c->end;
	return err->code;
}

static bool is_loopback(const char *host)
{
	return strcmp(host, "localhost") == 0 || strcmp(host, "::1") == 0 ||
	       slice_starts(slice_str(host), S("127."));
}

/* Before the confinement, which forbids it.  Whoever connects now waits until
 * the service is verified. */
static enum status bind_here(struct client *c, struct err *err)
{
	struct stat st;

	TRY(addr_parse(c->o->listen, PORT, &c->local, err));
	TRY(listener_bind(&c->local, NULL, &c->bound, err));
	if (c->local.is_unix && c->local.host[0] != '@' &&
	    lstat(c->local.host, &st) == 0)
		c->inode = st.st_ino;
	return OK;
}

/* Failing leaves a stale socket, which the next one replaces. */
static void remove_socket(const struct client *c)
{
	struct stat st;

	if (c->inode != 0 && lstat(c->local.host, &st) == 0 &&
	    st.st_ino == c->inode)
		(void)unlink(c->local.host);
}

static enum status listen_here(struct client *c, struct err *err)
{
	char text[ADDR_TEXT_SIZE];
	struct addr at;

	TRY(listener_adopt(c->loop, c->bound, NULL, NULL, tunnel_accept,
			   c->tunnel, &c->listener, err));
	(void)take_fd(&c->bound);
	listener_addr(c->listener, &at);
	addr_text(&at, text);
	if (!at.is_unix && !is_loopback(at.host))
		log_warn("plaintext-beyond-this-machine",
			 LOG_CSTR("address", text));
	log_info("serving", LOG_CSTR("address", text),
		 LOG_CSTR("group", c->group));
	return crew_ready(c->o->ready_file, "listen", text, err);
}

static void on_drained(void *ctx)
{
	struct client *c = ctx;

	loop_stop(c->loop);
}

static void on_signal(void *ctx)
{
	struct client *c = ctx;

	if (c->stopping || c->listener == NULL) {
		c->stopping = true;
		loop_stop(c->loop);
		return;
	}
	c->stopping = true;
	listener_close(take(c->listener));
	loop_timer_arm(c->late, (int64_t)c->o->drain * 1000);
	tunnel_drain(c->tunnel, on_drained, c);
}

static enum status serve(struct client *c, struct err *err)
{
	TRY(verify_first(c, err));
	if (c->stopping)
		return OK;
	TRY(listen_here(c, err));
	loop_run(c->loop);
	crew_not_ready(c->o->ready_file);
	return OK;
}

static enum status run_client(struct client *c, struct err *err)
{
	crew_raise_files();
	TRY(set_up(c, err));
	TRY(bind_here(c, err));
	TRY(lock_down(c, err));

	struct loop_signal *term =
		loop_signal_new(c->loop, SIGTERM, on_signal, c);
	struct loop_signal *intr =
		loop_signal_new(c->loop, SIGINT, on_signal, c);
	enum status st = serve(c, err);
	loop_signal_free(term);
	loop_signal_free(intr);
	return st;
}

static void free_client(struct client *c)
{
	if (c->listener != NULL)
		listener_close(c->listener);
	if (c->bound >= 0)
		(void)close(c->bound);
	remove_socket(c);
	peer_free(c->peer);
	tunnel_free(c->tunnel);
	http_pool_free(c->pool);
	tls_unref(c->tls);
	loop_timer_free(c->again);
	loop_timer_free(c->expiry);
	loop_timer_free(c->late);
	loop_task_drop(&c->fresh_task);
	manifest_free(c->manifest);
	loop_free(c->loop);
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	struct client c = { .o = opts, .bound = -1 };

	(void)args;
	enum status st = run_client(&c, err);
	free_client(&c);
	return st;
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct client_opts), .run = run },
};

const struct applet applet_client = {
	.name = "client",
	.summary = "local endpoint that verifies, then encrypts",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS | IS_DAEMON,
	VERBS(verbs),
};
