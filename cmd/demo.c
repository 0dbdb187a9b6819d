/* confd demo: all roles at once, as separate processes on loopback, with the
 * very commands that an admin, an operator and a user would give. */
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "cmd/applet.h"
#include "cmd/demo_ask.h"
#include "cmd/demo_model.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/io/addr.h"
#include "core/io/loop.h"
#include "core/io/proc.h"
#include "core/json.h"
#include "core/log.h"
#include "core/text.h"
#include "sandbox/cgroup.h"

#define CLIENT_PORT 8080
#define READY_MS 20000
#define STEP_MS 20000
#define STOP_MS 10000
#define POLL_MS 20
#define SWEEPS 10 /* POLL_MS apart */
#define PATH_SIZE 256
#define GROUP "demo"
#define DRAIN "2" /* seconds */
#define OUTPUT_MAX (64u << 10)
#define MODEL_NAME_MAX 200

struct demo_opts {
	struct common_opts common;
	const char *dir;
	const char *listen;
	const char *upstream;
	const char *via;
	const char *ready_file;
	const char *ask;
	const char *role;
	uint64_t port;
};

static const struct opt rows[] = {
	{ .name = "ask",
	  .arg = "TEXT",
	  .help = "send one chat, print the answer, and end",
	  .kind = OPT_STR,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct demo_opts, ask) },
	{ .name = "dir",
	  .arg = "DIR",
	  .help = "keep keys, manifest and state here, and go on with those "
		  "of an earlier demo; by default a directory that is "
		  "removed at the end",
	  .kind = OPT_STR,
	  OPT_AT(struct demo_opts, dir) },
	{ .name = "listen",
	  .arg = "ADDR:PORT",
	  .help = "where the client serves",
	  .fallback = "127.0.0.1:8080",
	  .kind = OPT_STR,
	  OPT_AT(struct demo_opts, listen) },
	{ .name = "port",
	  .arg = "PORT",
	  .help = "of the model's role",
	  .fallback = "8000",
	  .kind = OPT_U64,
	  .flags = OPT_HIDDEN | OPT_NO_ENV,
	  .min = 1,
	  .max = 65535,
	  OPT_AT(struct demo_opts, port) },
	{ .name = "ready-file",
	  .arg = "FILE",
	  .help = "write addresses and pids here, as JSON, when all serve",
	  .kind = OPT_STR,
	  OPT_AT(struct demo_opts, ready_file) },
	{ .name = "role",
	  .arg = "ROLE",
	  .help = "which of its own processes to be",
	  .kind = OPT_STR,
	  .flags = OPT_HIDDEN | OPT_NO_ENV,
	  OPT_AT(struct demo_opts, role) },
	{ .name = "upstream",
	  .arg = "URL",
	  .help = "an inference server (http://HOST:PORT or unix:PATH) in "
		  "place of the built-in model",
	  .kind = OPT_STR,
	  OPT_AT(struct demo_opts, upstream) },
	{ .name = "via",
	  .arg = "URL",
	  .help = "reach the proxy through this address, such as a load "
		  "balancer's; with http:// the proxy listens in clear",
	  .kind = OPT_STR,
	  OPT_AT(struct demo_opts, via) },
};

enum daemon { AS, WORKER, CLIENT, DAEMONS };

static const char *const names[DAEMONS] = { "as", "worker", "client" };

struct running {
	struct demo *demo;
	struct proc *proc;
	bool ended;
	int wait_status;
	char ready[PATH_SIZE]; /* its --ready-file */
	char address[320];     /* from there */
};

struct demo {
	const struct demo_opts *o;
	struct loop *loop;
	char dir[PATH_SIZE - 32];
	bool own_dir; /* made by us: removed at the end */
	bool kept;    /* the state of an earlier demo is in dir */
	struct running d[DAEMONS];
	bool halt; /* a signal came, or a daemon ended by itself */
	bool stopping;
	char proxy[320];
	unsigned step;
};

/* A path in the directory; of eight buffers, in turn. */
static const char *in_dir(const struct demo *d, const char *name)
{
	static char path[8][PATH_SIZE];
	static unsigned turn;
	char *p = path[turn++ % countof(path)];

	(void)snprintf(p, PATH_SIZE, "%s/%s", d->dir, name);
	return p;
}

static bool has(const struct demo *d, const char *name)
{
	return access(in_dir(d, name), F_OK) == 0;
}

static void say(struct demo *d, const char *what)
{
	if (!d->o->common.quiet)
		(void)fprintf(stderr, "[%u/7] %s\n", ++d->step, what);
}

/* ---- how it went ---------------------------------------------------------- */

/* The outcome that a process tells of by its exit status. */
static enum status outcome_of(int wait_status)
{
	static const enum status told[] = { E_USAGE, E_CONF,	E_PERM,
					    E_IO,    E_UNAVAIL, E_POLICY,
					    E_STALE, E_CONFLICT };

	for (size_t i = 0; WIFEXITED(wait_status) && i < countof(told); i++)
		if (status_exit_code(told[i]) == WEXITSTATUS(wait_status))
			return told[i];
	return E_UNAVAIL;
}

/* Why d->halt is set: OK for a signal. */
static enum status why_halted(const struct demo *d, struct err *err)
{
	for (size_t i = 0; i < DAEMONS; i++) {
		const struct running *r = &d->d[i];

		if (!r->ended)
			continue;
		if (WIFSIGNALED(r->wait_status))
			return err_set(err, E_UNAVAIL,
				       "'confd %s' was killed by signal %d",
				       names[i], WTERMSIG(r->wait_status));
		return err_set(err, outcome_of(r->wait_status),
			       "'confd %s' ended: see above", names[i]);
	}
	return OK;
}

static enum status halted(const struct demo *d, struct err *err)
{
	TRY(why_halted(d, err));
	return err_set(err, E_AGAIN, "interrupted");
}

/* ---- one command, to its end -------------------------------------------- */

struct command {
	struct demo *demo;
	int status;
	bool ended;
};

static void command_ended(void *ctx, int wait_status)
{
	struct command *c = ctx;

	c->status = wait_status;
	c->ended = true;
}

static void read_all(int fd, struct buf *out)
{
	uint8_t part[4096];
	ssize_t n;

	while ((n = read(fd, part, sizeof(part))) > 0)
		buf_put(out, slice_make(part, (size_t)n));
}

static enum status wait_command(struct demo *d, struct command *c,
				const char *name, struct err *err)
{
	int64_t end = clock_mono_ms() + STEP_MS;

	while (!c->ended && !d->halt && clock_mono_ms() < end)
		loop_run_once(d->loop, POLL_MS);
	if (d->halt)
		return halted(d, err);
	if (!c->ended)
		return err_set(err, E_UNAVAIL, "'confd %s' did not end in %d s",
			       name, STEP_MS / 1000);
	if (!WIFEXITED(c->status) || WEXITSTATUS(c->status) != 0)
		return err_set(err, outcome_of(c->status),
			       "'confd %s' failed: see above", name);
	return OK;
}

/* Run `confd ARGS...`; what it prints is appended to out. */
static enum status command(struct demo *d, const char *const *argv,
			   struct buf *out, struct err *err)
{
	struct command c = { .demo = d };
	struct proc *proc = NULL;
	int fds[2];

	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, "pipe");
	auto_fd int from = fds[0];
	struct proc_spec spec = {
		.argv = argv, .out_fd = fds[1], .err_fd = -1, .new_group = true
	};
	enum status st =
		proc_start(d->loop, &spec, command_ended, &c, &proc, err);
	(void)close(fds[1]);
	TRY(st);
	st = wait_command(d, &c, argv[1], err);
	proc_free(proc);
	if (st == OK)
		read_all(from, out);
	return st;
}

static enum status quiet_command(struct demo *d, const char *const *argv,
				 struct err *err)
{
	auto_buf struct buf out = buf_make(OUTPUT_MAX);

	return command(d, argv, &out, err);
}

/* ---- daemons ------------------------------------------------------------ */

static void daemon_ended(void *ctx, int wait_status)
{
	struct running *r = ctx;

	r->wait_status = wait_status;
	r->ended = true;
	if (!r->demo->stopping)
		r->demo->halt = true;
}

/* The address in a --ready-file; E_AGAIN while there is none. */
static enum status read_ready(struct running *r, const char *member,
			      struct err *err)
{
	auto_buf struct buf text = buf_make(OUTPUT_MAX);
	auto_json struct json *root = NULL;
	struct slice address;

	if (file_read(r->ready, &text, err) != OK)
		return E_AGAIN;
	TRY(json_parse(buf_slice(&text), &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_str(root, member, &address, err));
	(void)snprintf(r->address, sizeof(r->address), "%.*s",
		       SLICE_FMT(address));
	return OK;
}

static enum status start_daemon(struct demo *d, enum daemon which,
				const char *const *argv, const char *member,
				struct err *err)
{
	struct running *r = &d->d[which];
	struct proc_spec spec = {
		.argv = argv, .out_fd = -1, .err_fd = -1, .new_group = true
	};
	int64_t end = clock_mono_ms() + READY_MS;
	enum status st = E_AGAIN;

	r->demo = d;
	/* One of an earlier demo says nothing about this one. */
	(void)unlink(r->ready);
	TRY(proc_start(d->loop, &spec, daemon_ended, r, &r->proc, err));
	while (st == E_AGAIN && !d->halt && clock_mono_ms() < end) {
		loop_run_once(d->loop, POLL_MS);
		st = read_ready(r, member, err);
	}
	if (d->halt)
		return halted(d, err);
	if (st == E_AGAIN)
		return err_set(err, E_UNAVAIL,
			       "'confd %s' did not serve in %d s", names[which],
			       READY_MS / 1000);
	return st;
}

/* Common options, so that the daemons speak as the demo was told to. */
static const char *loudness(const struct demo *d)
{
	return d->o->common.verbose ? "--verbose" : "--quiet";
}

/* ---- the steps ---------------------------------------------------------- */

static enum status make_keys(struct demo *d, struct err *err)
{
	const char *root[] = {
		"confd", "key", "sim-root", "--out", in_dir(d, "sim-root.pem"),
		NULL
	};
	const char *operator[] = { "confd",
				   "key",
				   "generate",
				   "--name",
				   "operator",
				   "--key",
				   in_dir(d, "operator.key"),
				   "--cert",
				   in_dir(d, "operator.pem"),
				   NULL };

	say(d, "keys: root of the software TEE, operator");
	if (!has(d, "sim-root.pem"))
		TRY(quiet_command(d, root, err));
	return has(d, "operator.key") ? OK : quiet_command(d, operator, err);
}

/* "command:<sha256 of our own program>", or "upstream:URL". */
static enum status image_of(const struct demo *d, char *out, size_t size,
			    struct err *err)
{
	auto_buf struct buf self = buf_make(256u << 20);
	uint8_t digest[32];
	char hex[65];

	if (d->o->upstream != NULL) {
		(void)snprintf(out, size, "upstream:%s", d->o->upstream);
		return OK;
	}
	TRY(file_read("/proc/self/exe", &self, err));
	sha256(buf_slice(&self), digest);
	text_hex_into(hex, sizeof(hex), slice_of(digest));
	(void)snprintf(out, size, "command:%s", hex);
	return OK;
}

static enum status make_manifest(struct demo *d, struct err *err)
{
	char image[512], operator[PATH_SIZE + 16];
	const char *argv[] = { "confd",
			       "manifest",
			       "generate",
			       "--quiet",
			       "--name",
			       "demo",
			       "--group",
			       GROUP,
			       "--sim-root",
			       in_dir(d, "sim-root.pem"),
			       "--image",
			       image,
			       "--operator",
			       operator,
			       "--logs",
			       "plain",
			       "--out",
			       in_dir(d, "manifest.json"),
			       NULL };

	say(d, "manifest: what may run, and who may start it");
	if (has(d, "manifest.json"))
		return OK;
	(void)snprintf(operator, sizeof(operator), "operator=%s",
		       in_dir(d, "operator.pem"));
	TRY(image_of(d, image, sizeof(image), err));
	return quiet_command(d, argv, err);
}

static enum status start_as(struct demo *d, struct err *err)
{
	char store[PATH_SIZE + 8];
	struct running *r = &d->d[AS];
	const char *argv[] = { "confd",	       "as",
			       "--listen",     "127.0.0.1:0",
			       "--store",      store,
			       "--tee",	       "sim",
			       "--sim-root",   in_dir(d, "sim-root.pem"),
			       "--ready-file", r->ready,
			       "--drain",      DRAIN,
			       loudness(d),    NULL };

	say(d, "confd as: the attestation service");
	d->kept = has(d, "as/state");
	(void)snprintf(store, sizeof(store), "dir:%s", in_dir(d, "as"));
	(void)snprintf(r->ready, sizeof(r->ready), "%s", in_dir(d, "as.ready"));
	return start_daemon(d, AS, argv, "listen", err);
}

static enum status init(struct demo *d, struct err *err)
{
	const char *argv[] = { "confd",	     d->kept ? "status" : "init",
			       "--as",	     d->d[AS].address,
			       "--manifest", in_dir(d, "manifest.json"),
			       NULL };

	say(d, d->kept ? "confd status: the manifest of an earlier demo holds"
		       : "confd init: the admin verifies it and sets the "
			 "manifest");
	enum status st = quiet_command(d, argv, err);
	if (st == OK || !d->kept || d->halt)
		return st;
	return err_set(err, st,
		       "%s has the state of an earlier demo, which cannot go "
		       "on (a changed program cannot open it): remove it, or "
		       "take another --dir",
		       d->dir);
}

static enum status start_worker(struct demo *d, struct err *err)
{
	struct running *r = &d->d[WORKER];
	const char *argv[] = { "confd",	       "worker",
			       "--as",	       d->d[AS].address,
			       "--group",      GROUP,
			       "--name",       "worker-1",
			       "--manifest",   in_dir(d, "manifest.json"),
			       "--tee",	       "sim",
			       "--sim-root",   in_dir(d, "sim-root.pem"),
			       "--api",	       "127.0.0.1:0",
			       "--ready-file", r->ready,
			       "--drain",      DRAIN,
			       loudness(d),    NULL };

	say(d, "confd worker: gives evidence, gets a lease and keys");
	(void)snprintf(r->ready, sizeof(r->ready), "%s",
		       in_dir(d, "worker.ready"));
	return start_daemon(d, WORKER, argv, "api", err);
}

static bool proxy_in_clear(const struct demo *d)
{
	return d->o->via != NULL &&
	       slice_starts(slice_str(d->o->via), S("http://"));
}

/* Where the proxy listens: the member "address" of the answer. */
static enum status take_proxy(struct demo *d, const struct buf *answer,
			      struct err *err)
{
	auto_json struct json *root = NULL;
	struct slice address;

	TRY(json_parse(buf_slice(answer), &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_str(root, "address", &address, err));
	(void)snprintf(d->proxy, sizeof(d->proxy), "%.*s", SLICE_FMT(address));
	return OK;
}

static enum status run_workload(struct demo *d, struct err *err)
{
	auto_buf struct buf answer = buf_make(OUTPUT_MAX);
	const char *argv[32] = { "confd",
				 "workload",
				 "run",
				 "model",
				 "--worker",
				 d->d[WORKER].address,
				 "--as",
				 d->d[AS].address,
				 "--manifest",
				 in_dir(d, "manifest.json"),
				 "--cert",
				 in_dir(d, "operator.pem"),
				 "--key",
				 in_dir(d, "operator.key"),
				 "--json",
				 "--listen",
				 proxy_in_clear(d) ? "http://127.0.0.1:0"
						   : "https://127.0.0.1:0" };
	static const char *const model[] = {
		"--port", "8000",  "--",     "/.confd/confd", "demo",
		"--role", "model", "--port", "8000"
	};
	size_t n = 0;

	while (argv[n] != NULL)
		n++;
	if (d->o->upstream != NULL) {
		argv[n++] = "--upstream";
		argv[n++] = d->o->upstream;
	} else {
		for (size_t i = 0; i < countof(model); i++)
			argv[n++] = model[i];
	}
	say(d,
	    d->o->upstream != NULL
		    ? "confd workload run: a proxy before your server"
		    : "confd workload run: the model in a sandbox, its proxy "
		      "beside it");
	TRY(command(d, argv, &answer, err));
	return take_proxy(d, &answer, err);
}

static enum status start_client(struct demo *d, struct err *err)
{
	char endpoint[330];
	struct running *r = &d->d[CLIENT];
	const char *argv[] = {
		"confd",	"client",
		"--listen",	d->o->listen,
		"--as",		d->d[AS].address,
		"--manifest",	in_dir(d, "manifest.json"),
		"--endpoint",	d->o->via != NULL ? d->o->via : endpoint,
		"--ready-file", r->ready,
		"--drain",	DRAIN,
		loudness(d),	NULL
	};

	say(d, "confd client: verifies, then encrypts");
	(void)snprintf(endpoint, sizeof(endpoint), "https://%s", d->proxy);
	(void)snprintf(r->ready, sizeof(r->ready), "%s",
		       in_dir(d, "client.ready"));
	return start_daemon(d, CLIENT, argv, "listen", err);
}

/* ---- telling ------------------------------------------------------------ */

/* Printable, and nothing that JSON or a shell's single quotes change. */
static bool is_plain(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~' || s.p[i] == '"' ||
		    s.p[i] == '\'' || s.p[i] == '\\')
			return false;
	return s.len > 0;
}

/* What the curl line asks for: the first model that is listed, where its name
 * needs no quoting. */
static const char *model_name(struct demo *d, struct buf *name)
{
	struct err ignored; /* it stays a word to be replaced */

	if (d->o->upstream == NULL)
		return DEMO_MODEL_NAME;
	if (demo_ask_model(d->loop, d->d[CLIENT].address, &d->halt, name,
			   &ignored) != OK ||
	    !is_plain(buf_slice(name)))
		return "MODEL";
	return buf_cstr(name);
}

static void print_where(struct demo *d)
{
	auto_buf struct buf name = buf_make(MODEL_NAME_MAX);
	const char *at = d->d[CLIENT].address;

	printf("\nINSECURE DEMO: a software TEE, which protects nothing from "
	       "this machine's owner.\n\n"
	       "Point any OpenAI client at http://%s/v1 (any API key), or:\n\n"
	       "  curl -N http://%s/v1/chat/completions -H 'content-type: "
	       "application/json' \\\n"
	       "    -d '{\"model\":\"%s\",\"stream\":true,\"messages\":"
	       "[{\"role\":\"user\",\"content\":\"Hello\"}]}'\n\n"
	       "Ctrl-C stops everything.\n",
	       at, at, model_name(d, &name));
	(void)fflush(stdout);
}

static enum status write_ready(const struct demo *d, struct err *err)
{
	auto_buf struct buf text = buf_make(OUTPUT_MAX);
	struct json_out w = { .buf = &text };

	if (d->o->ready_file == NULL)
		return OK;
	json_open_object(&w, NULL);
	json_put_cstr(&w, "client", d->d[CLIENT].address);
	json_put_cstr(&w, "as", d->d[AS].address);
	json_put_cstr(&w, "proxy", d->proxy);
	json_put_cstr(&w, "worker", d->d[WORKER].address);
	json_put_cstr(&w, "dir", d->dir);
	json_open_object(&w, "pids");
	for (size_t i = 0; i < DAEMONS; i++)
		json_put_u64(&w, names[i], (uint64_t)proc_pid(d->d[i].proc));
	json_put_u64(&w, "demo", (uint64_t)getpid());
	json_close_object(&w);
	json_close_object(&w);
	buf_put_u8(&text, '\n');
	return file_write(d->o->ready_file, buf_slice(&text), 0644, err);
}

/* ---- beginning and end -------------------------------------------------- */

static enum status make_dir(struct demo *d, struct err *err)
{
	const char *tmp = getenv("TMPDIR");

	if (d->o->dir != NULL) {
		if (strlen(d->o->dir) >= sizeof(d->dir))
			return err_set(err, E_USAGE, "--dir: too long");
		(void)snprintf(d->dir, sizeof(d->dir), "%s", d->o->dir);
		return file_make_dir(d->dir, 0700, err);
	}
	if (tmp == NULL || strlen(tmp) > 100)
		tmp = "/tmp";
	(void)snprintf(d->dir, sizeof(d->dir), "%s/confd-demo-XXXXXX", tmp);
	if (mkdtemp(d->dir) == NULL)
		return err_errno(err, "make a directory in %s", tmp);
	d->own_dir = true;
	return OK;
}

static void stop_all(struct demo *d)
{
	d->stopping = true;
	for (size_t i = DAEMONS; i-- > 0;) {
		struct running *r = &d->d[i];
		int64_t end = clock_mono_ms() + STOP_MS;

		if (r->proc == NULL)
			continue;
		proc_stop(r->proc, STOP_MS - 1000);
		while (!r->ended && clock_mono_ms() < end)
			loop_run_once(d->loop, POLL_MS);
		proc_free(r->proc);
	}
}

/* A worker that was killed leaves the groups of its sandboxes; whoever makes
 * the next one removes them (sandbox/cgroup.h), once they are empty. */
static void sweep_groups(struct demo *d)
{
	for (int i = 0; i < SWEEPS; i++) {
		struct cgroup *g;

		loop_run_once(d->loop, POLL_MS);
		cgroup_new("demo", UINT64_C(1) << 30, 64, &g);
		cgroup_free(g);
	}
}

static void clean_up(struct demo *d)
{
	struct err err;

	if (d->d[WORKER].ended && WIFSIGNALED(d->d[WORKER].wait_status))
		sweep_groups(d);

	if (d->o->ready_file != NULL)
		(void)unlink(d->o->ready_file);
	if (d->own_dir && file_remove_tree(d->dir, &err) != OK)
		log_warn("left-behind", LOG_CSTR("dir", d->dir), LOG_ERR(&err));
}

static void on_signal(void *ctx)
{
	struct demo *d = ctx;

	d->halt = true;
	loop_stop(d->loop);
}

static enum status set_up(struct demo *d, struct err *err)
{
	static enum status (*const steps[])(struct demo * d,
					    struct err * err) = {
		make_keys,    make_manifest, start_as,	   init,
		start_worker, run_workload,  start_client,
	};

	for (size_t i = 0; i < countof(steps); i++)
		TRY(steps[i](d, err));
	return write_ready(d, err);
}

static enum status serve(struct demo *d, struct err *err)
{
	if (d->o->ask != NULL)
		return demo_ask(d->loop, d->d[CLIENT].address, d->o->ask,
				&d->halt, err);
	print_where(d);
	while (!d->halt)
		loop_run_once(d->loop, 1000);
	return why_halted(d, err);
}

static enum status check_opts(const struct demo_opts *o, struct err *err)
{
	struct slice via = slice_str(o->via), up = slice_str(o->upstream);
	struct err inner;
	struct addr at;

	if (o->upstream != NULL &&
	    ((!slice_starts(up, S("http://")) &&
	      !slice_starts(up, S("unix:"))) ||
	     addr_parse_url(o->upstream, &at, &inner) != OK))
		return err_set(err, E_USAGE,
			       "--upstream '%s': expected http://HOST:PORT or "
			       "unix:PATH",
			       o->upstream);
	if (o->via != NULL && ((!slice_starts(via, S("http://")) &&
				!slice_starts(via, S("https://"))) ||
			       addr_parse_url(o->via, &at, &inner) != OK))
		return err_set(err, E_USAGE,
			       "--via '%s': expected http://HOST:PORT or "
			       "https://HOST:PORT",
			       o->via);
	return addr_parse(o->listen, CLIENT_PORT, &at, err);
}

static enum status run_demo(const struct demo_opts *o, struct err *err)
{
	static const int signals[] = { SIGINT, SIGTERM, SIGHUP };
	struct loop_signal *watch[countof(signals)];
	struct demo d = { .o = o };

	TRY(check_opts(o, err));
	TRY(loop_new(&d.loop, err));
	for (size_t i = 0; i < countof(signals); i++)
		watch[i] = loop_signal_new(d.loop, signals[i], on_signal, &d);
	enum status st = make_dir(&d, err);
	if (st == OK)
		st = set_up(&d, err);
	if (st == OK)
		st = serve(&d, err);
	stop_all(&d);
	clean_up(&d);
	for (size_t i = 0; i < countof(signals); i++)
		loop_signal_free(watch[i]);
	loop_free(d.loop);
	return st;
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct demo_opts *o = opts;

	(void)args;
	if (o->role == NULL)
		return run_demo(o, err);
	if (strcmp(o->role, "model") != 0)
		return err_set(err, E_USAGE, "no role '%s'", o->role);
	return demo_model_run((uint16_t)o->port, err);
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct demo_opts), .run = run },
};

const struct applet applet_demo = {
	.name = "demo",
	.summary = "everything at once on a software TEE, with a demo model",
	.needs = NEEDS_CRYPTO,
	VERBS(verbs),
};
