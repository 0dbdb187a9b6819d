/* confd worker: gives evidence to the attestation service, gets keys for its
 * group, and runs workloads behind proxies that have these keys. */
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "cmd/crew.h"
#include "cmd/tee_opts.h"
#include "cmd/worker_keeper.h"
#include "cmd/worker_net.h"
#include "core/cleanup.h"
#include "core/text.h"

struct worker_opts {
	struct common_opts common;
	const char *api;
	const char *as;
	const char *collateral;
	const char *gpu_helper;
	const char *group;
	const char *manifest;
	const char *name;
	const char *ready_file;
	const char *role;
	const char *sim_root;
	const char *tee;
	const char *trust_root;
	const char *tsm_root;
	uint64_t drain;
};

static const struct opt rows[] = {
	{ .name = "api",
	  .arg = "ADDR:PORT",
	  .help = "where operators reach it; port 0 takes any",
	  .fallback = ":9444",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, api) },
	{ .name = "as",
	  .arg = "HOST:PORT",
	  .help = "the attestation service (port 9443 by default)",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct worker_opts, as) },
	TEE_COLLATERAL_ROW(struct worker_opts, collateral),
	{ .name = "drain",
	  .arg = "SECONDS",
	  .help = "how long proxies may finish answers when told to stop",
	  .fallback = "30",
	  .kind = OPT_U64,
	  .max = 3600,
	  OPT_AT(struct worker_opts, drain) },
	TEE_GPU_HELPER_ROW(struct worker_opts, gpu_helper),
	{ .name = "group",
	  .arg = "NAME",
	  .help = "worker group of the manifest to belong to",
	  .fallback = "default",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, group) },
	{ .name = "manifest",
	  .arg = "FILE",
	  .help = "the manifest that must be in force; by default the one "
		  "that the service serves",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, manifest) },
	{ .name = "name",
	  .arg = "NAME",
	  .help = "what to be called in lists and certificates",
	  .fallback = "worker",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, name) },
	{ .name = "ready-file",
	  .arg = "FILE",
	  .help = "write pid and API address here when it has its lease",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, ready_file) },
	CREW_ROLE_ROW(struct worker_opts),
	{ .name = "sim-root",
	  .arg = "FILE",
	  .help = "root of the software TEE (confd key sim-root)",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, sim_root) },
	{ .name = "tee",
	  .arg = "NAME",
	  .help = "which TEE to use; by default the one that is there",
	  .kind = OPT_STR,
	  OPT_AT(struct worker_opts, tee) },
	ASK_TRUST_ROW(struct worker_opts, trust_root),
	TEE_TSM_ROOT_ROW(struct worker_opts, tsm_root),
};

static enum status check_name(const char *option, const char *value,
			      struct err *err)
{
	if (text_is_name(slice_str(value)))
		return OK;
	return err_set(err, E_USAGE,
		       "--%s '%s': expected 1 to 64 of a-z 0-9 . _ -, a letter "
		       "or digit first",
		       option, value);
}

static enum status run_net(const struct worker_opts *o, struct err *err)
{
	struct tee_roots trust;
	const struct worker_net_settings s = {
		.as = o->as, .group = o->group, .name = o->name, .trust = &trust
	};

	TRY(ask_load_roots(o->trust_root, &trust, err));
	return worker_net_run(&s, err);
}

static enum status run_keeper(const struct worker_opts *o, struct err *err)
{
	const struct worker_settings s = {
		.as = o->as,
		.api = o->api,
		.group = o->group,
		.name = o->name,
		.manifest = o->manifest,
		.tee = o->tee,
		.trust_root = o->trust_root,
		.tee_settings = { .sim_root = o->sim_root,
				  .tsm_root = o->tsm_root,
				  .collateral = o->collateral,
				  .gpu_helper = o->gpu_helper },
		.ready_file = o->ready_file,
		.drain = o->drain,
	};

	return worker_keeper_run(&s, err);
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct worker_opts *o = opts;

	(void)args;
	TRY(check_name("group", o->group, err));
	TRY(check_name("name", o->name, err));
	if (o->role == NULL)
		return run_keeper(o, err);
	if (strcmp(o->role, "net") == 0)
		return run_net(o, err);
	return err_set(err, E_USAGE, "no role '%s'", o->role);
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct worker_opts), .run = run },
};

const struct applet applet_worker = {
	.name = "worker",
	.summary = "runs workloads with the keys of its group",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS | IS_DAEMON,
	VERBS(verbs),
};
