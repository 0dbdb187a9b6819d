/* confd as: the attestation service; this process starts and watches its
 * roles, and holds nothing itself. */
#include <assert.h>
#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>

#include "attest/judge.h"
#include "attest/keeper.h"
#include "attest/service.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "cmd/crew.h"
#include "cmd/tee_opts.h"
#include "core/cleanup.h"
#include "core/io/chan.h"
#include "core/io/conn.h"
#include "core/log.h"
#include "proxy/ohttp.h"
#include "sandbox/confine.h"

#define PORT 9443
#define KEEPER_ARGS 16

struct as_opts {
	struct common_opts common;
	const char *collateral;
	const char *listen;
	const char *store;
	const char *tee;
	const char *trust_root;
	const char *sim_root;
	const char *tsm_root;
	const char *ready_file;
	const char *role;
	uint64_t drain;
};

static const struct opt rows[] = {
	TEE_COLLATERAL_ROW(struct as_opts, collateral),
	CREW_DRAIN_ROW(struct as_opts),
	{ .name = "listen",
	  .arg = "ADDR:PORT",
	  .help = "where to serve; port 0 takes any",
	  .fallback = ":9443",
	  .kind = OPT_STR,
	  OPT_AT(struct as_opts, listen) },
	CREW_READY_FILE_ROW(struct as_opts),
	CREW_ROLE_ROW(struct as_opts),
	{ .name = "sim-root",
	  .arg = "FILE",
	  .help = "root of the software TEE (confd key sim-root)",
	  .kind = OPT_STR,
	  OPT_AT(struct as_opts, sim_root) },
	{ .name = "store",
	  .arg = "URL",
	  .help = "where the sealed state is kept: dir:PATH, or memory",
	  .fallback = "dir:/var/lib/confd/as",
	  .kind = OPT_STR,
	  OPT_AT(struct as_opts, store) },
	{ .name = "tee",
	  .arg = "NAME",
	  .help = "which TEE to use; by default the one that is there",
	  .kind = OPT_STR,
	  OPT_AT(struct as_opts, tee) },
	ASK_TRUST_ROW(struct as_opts, trust_root),
	TEE_TSM_ROOT_ROW(struct as_opts, tsm_root),
};

/* ---- roles -------------------------------------------------------------- */

static enum status confine_judge(struct err *err)
{
	return confine(PROFILE_AS_JUDGE, NULL, 0, err);
}

static enum status run_judge(const struct as_opts *o, struct err *err)
{
	(void)o;
	TRY(confine_judge(err));
	return judge_run(3, err);
}

static enum status confine_keeper(const struct keeper_settings *s,
				  const char *folder, struct err *err)
{
	struct landlock_path paths[3];
	size_t n = 0;

	if (slice_starts(slice_str(s->store), S("dir:")))
		paths[n++] = (struct landlock_path){
			.path = s->store + sizeof("dir:") - 1, .write = true
		};
	if (folder != NULL)
		paths[n++] =
			(struct landlock_path){ .path = folder, .write = true };
	if (s->tee.collateral != NULL)
		paths[n++] =
			(struct landlock_path){ .path = s->tee.collateral };
	return confine(PROFILE_AS_KEEPER, n == 0 ? NULL : paths, n, err);
}

static enum status run_keeper(const struct as_opts *o, struct err *err)
{
	struct tee_roots trust;
	struct keeper_settings s = {
		.groups = { .keypair = ohttp_key_from_ikm,
			    .put_config = ohttp_keys_put },
		.tee = { .sim_root = o->sim_root,
			 .tsm_root = o->tsm_root,
			 .collateral = o->collateral },
		.tee_name = o->tee,
		.trust = &trust,
		.store = o->store,
		.net = 3,
		.judge = 4,
		.confine = confine_keeper,
	};

	TRY(ask_load_roots(o->trust_root, &trust, err));
	return keeper_run(&s, err);
}

static enum status confine_net(struct err *err)
{
	return confine(PROFILE_AS_NET, NULL, 0, err);
}

/* The parent waits for one byte on descriptor 5. */
static void tell_ready(const struct addr *at)
{
	(void)at;
	if (write(5, "r", 1) == 1)
		(void)close(5);
}

static enum status run_net(const struct as_opts *o, struct err *err)
{
	const struct service_settings s = {
		.keeper = 3,
		.listener = 4,
		.drain_ms = (int64_t)o->drain * 1000,
		.confine = confine_net,
		.ready = tell_ready,
	};

	return service_run(&s, err);
}

static const struct role {
	const char *name;
	const char *log; /* what it is called in log lines */
	enum status (*run)(const struct as_opts *o, struct err *err);
} roles[] = {
	{ "judge", "as/judge", run_judge },
	{ "keeper", "as/keeper", run_keeper },
	{ "net", "as/net", run_net },
};

static enum status run_role(const struct as_opts *o, struct err *err)
{
	for (size_t i = 0; i < countof(roles); i++) {
		if (strcmp(o->role, roles[i].name) != 0)
			continue;
		log_setup(log_least(), log_is_json(), roles[i].log);
		return roles[i].run(o, err);
	}
	return err_set(err, E_USAGE, "no role '%s'", o->role);
}

/* ---- the parent --------------------------------------------------------- */

/* Descriptors that are handed to the roles; all are closed afterwards. */
struct wires {
	int listener;
	int net[2];   /* net, keeper */
	int judge[2]; /* keeper, judge */
	int ready[2]; /* ours, net's */
};

struct parent {
	struct loop *loop;
	struct crew *crew;
	struct loop_fd *ready;
	struct wires w;
	const struct as_opts *o;
	char address[ADDR_TEXT_SIZE];
	struct err end;
};

static void close_pair(int fds[2])
{
	cleanup_fd(&fds[0]);
	cleanup_fd(&fds[1]);
}

static void close_wires(struct wires *w)
{
	cleanup_fd(&w->listener);
	close_pair(w->net);
	close_pair(w->judge);
	close_pair(w->ready);
}

static enum status bind_listener(struct parent *p, struct err *err)
{
	const struct listener_settings set = { 0 };
	struct addr at;

	TRY(addr_parse(p->o->listen, PORT, &at, err));
	TRY(listener_bind(&at, &set, &p->w.listener, err));
	TRY(listener_bound(p->w.listener, &at, err));
	addr_text(&at, p->address);
	return OK;
}

static enum status make_wires(struct parent *p, struct err *err)
{
	TRY(bind_listener(p, err));
	TRY(chan_pair(p->w.net, err));
	TRY(chan_pair(p->w.judge, err));
	return chan_pair(p->w.ready, err);
}

/* What the keeper is told, as far as we were. */
static void keeper_args(const struct as_opts *o, const char *args[KEEPER_ARGS])
{
	const struct {
		const char *name, *value;
	} given[] = {
		{ "--store", o->store },
		{ "--tee", o->tee },
		{ "--sim-root", o->sim_root },
		{ "--tsm-root", o->tsm_root },
		{ "--collateral", o->collateral },
		{ "--trust-root", o->trust_root },
	};
	size_t n = 0;

	static_assert(2 * countof(given) < KEEPER_ARGS, "room for all");
	for (size_t i = 0; i < countof(given); i++) {
		if (given[i].value == NULL)
			continue;
		args[n++] = given[i].name;
		args[n++] = given[i].value;
	}
	args[n] = NULL;
}

/* Net is the first: it is told to stop, the others follow. */
static enum status start_roles(struct parent *p, struct err *err)
{
	char drain[24];
	const char *net_args[] = { "--drain", drain, NULL };
	const char *args[KEEPER_ARGS];
	const int net_fds[] = { p->w.net[0], p->w.listener, p->w.ready[1] };
	const int keeper_fds[] = { p->w.net[1], p->w.judge[0] };
	const int judge_fds[] = { p->w.judge[1] };

	keeper_args(p->o, args);
	(void)snprintf(drain, sizeof(drain), "%llu",
		       (unsigned long long)p->o->drain);
	const struct crew_role crew[] = {
		{ "net", net_args, net_fds, countof(net_fds), false, true },
		{ "keeper", args, keeper_fds, countof(keeper_fds), true, true },
		{ "judge", NULL, judge_fds, countof(judge_fds), false, true },
	};
	for (size_t i = 0; i < countof(crew); i++)
		TRY(crew_start(p->crew, &crew[i], err));
	return OK;
}

static void on_ready(void *ctx, unsigned what)
{
	struct parent *p = ctx;
	char byte;

	(void)what;
	ssize_t n = read(p->w.ready[0], &byte, 1);
	loop_fd_want(p->ready, 0);
	if (n != 1)
		return; /* net has ended: the crew tells */
	log_info("serving", LOG_CSTR("address", p->address));
	if (crew_ready(p->o->ready_file, "listen", p->address, &p->end) != OK)
		crew_stop(p->crew, 0);
}

static void on_signal(void *ctx)
{
	struct parent *p = ctx;

	crew_stop(p->crew, (int64_t)p->o->drain * 1000 + 1000);
}

static void on_stopped(void *ctx)
{
	struct parent *p = ctx;

	loop_stop(p->loop);
}

static enum status supervise(struct parent *p, struct err *err)
{
	TRY(make_wires(p, err));
	TRY(start_roles(p, err));

	int ready = take_fd(&p->w.ready[0]);
	close_wires(&p->w);
	p->w.ready[0] = ready;
	p->ready = loop_fd_new(p->loop, ready, on_ready, p);
	loop_fd_want(p->ready, LOOP_READ);
	struct loop_signal *term =
		loop_signal_new(p->loop, SIGTERM, on_signal, p);
	struct loop_signal *intr =
		loop_signal_new(p->loop, SIGINT, on_signal, p);
	loop_run(p->loop);
	loop_signal_free(term);
	loop_signal_free(intr);
	loop_fd_free(p->ready);
	crew_not_ready(p->o->ready_file);
	*err = p->end.code != OK ? p->end : *crew_end(p->crew);
	return err->code;
}

static enum status run_parent(const struct as_opts *o, struct err *err)
{
	struct parent p = { .w = { .listener = -1,
				   .net = { -1, -1 },
				   .judge = { -1, -1 },
				   .ready = { -1, -1 } },
			    .o = o };

	/* One of an earlier process says nothing about this one. */
	if (o->ready_file != NULL)
		(void)unlink(o->ready_file);
	TRY(loop_new(&p.loop, err));
	enum status st = crew_new(p.loop, "as", on_stopped, &p, &p.crew, err);
	if (st == OK)
		st = supervise(&p, err);
	close_wires(&p.w);
	crew_free(p.crew);
	loop_free(p.loop);
	return st;
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct as_opts *o = opts;

	(void)args;
	return o->role != NULL ? run_role(o, err) : run_parent(o, err);
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct as_opts), .run = run },
};

const struct applet applet_as = {
	.name = "as",
	.summary = "attestation service: releases secrets to what it verified",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS | IS_DAEMON,
	VERBS(verbs),
};
