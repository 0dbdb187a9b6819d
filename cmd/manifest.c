/* confd manifest: write one, check one, fetch the one in force. */
#include <stdio.h>

#include "attest/manifest.h"
#include "attest/tee/sim.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/buf.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/identity.h"
#include "core/json.h"
#include "core/text.h"

/* generate */
struct generate_opts {
	struct common_opts common;
	const char *name;
	const char *group;
	const char *sim_root;
	const char *program;
	const char *out;
	const char *logs;
	struct opt_list adapter, image, operator, admin, secret;
	uint64_t lease;
	uint64_t threshold;
};

static const struct opt generate_rows[] = {
	{ .name = "adapter",
	  .arg = "NAME",
	  .help = "an API that the group's proxies speak (openai)",
	  .kind = OPT_LIST,
	  OPT_AT(struct generate_opts, adapter) },
	{ .name = "admin",
	  .arg = "NAME=FILE",
	  .help = "certificate of an admin who may update the manifest",
	  .kind = OPT_LIST,
	  OPT_AT(struct generate_opts, admin) },
	{ .name = "group",
	  .arg = "NAME",
	  .help = "name of the worker group",
	  .fallback = "default",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, group) },
	{ .name = "image",
	  .arg = "DIGEST",
	  .help = "what workers may run; see confd-manifest(5)",
	  .kind = OPT_LIST,
	  OPT_AT(struct generate_opts, image) },
	{ .name = "lease",
	  .arg = "SECONDS",
	  .help = "how long a worker keeps its keys without renewal",
	  .fallback = "600",
	  .kind = OPT_U64,
	  .min = 10,
	  .max = 86400,
	  OPT_AT(struct generate_opts, lease) },
	{ .name = "logs",
	  .arg = "WHERE",
	  .help = "output of workloads: off, plain or sealed",
	  .fallback = "off",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, logs) },
	{ .name = "name",
	  .arg = "NAME",
	  .help = "name of the deployment",
	  .fallback = "confd",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, name) },
	{ .name = "operator",
	  .arg = "NAME=FILE",
	  .help = "certificate of an operator who may start workloads",
	  .kind = OPT_LIST,
	  OPT_AT(struct generate_opts, operator) },
	{ .name = "out",
	  .arg = "FILE",
	  .help = "write here instead of the standard output",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, out) },
	{ .name = "program",
	  .arg = "FILE",
	  .help = "the confd that runs in the TEEs; this one by default",
	  .kind = OPT_STR,
	  OPT_AT(struct generate_opts, program) },
	{ .name = "secret",
	  .arg = "NAME",
	  .help = "name of a static inference secret, given at init",
	  .kind = OPT_LIST,
	  OPT_AT(struct generate_opts, secret) },
	{ .name = "sim-root",
	  .arg = "FILE",
	  .help = "root of the software TEEs (confd key sim-root), or its "
		  "fingerprint",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct generate_opts, sim_root) },
	{ .name = "threshold",
	  .arg = "N",
	  .help = "how many admins must sign an update",
	  .fallback = "1",
	  .kind = OPT_U64,
	  .min = 1,
	  .max = 1024,
	  OPT_AT(struct generate_opts, threshold) },
};

/* The fingerprint given, or that of the root in the file. */
static enum status root_digest(const char *given, uint8_t out[static 32],
			       struct err *err)
{
	auto_buf struct buf pem = buf_make(64u << 10);
	struct err not_hex;

	if (text_unhex(slice_str(given), out, 32, "root", &not_hex) == OK)
		return OK;
	TRY(ask_read(given, &pem, err));
	return sim_root_digest(buf_slice(&pem), out, err);
}

static enum status put_policy(struct json_out *w, const struct generate_opts *o,
			      struct err *err)
{
	uint8_t root[32];
	uint8_t measurement[SIM_MEASUREMENT_LEN];

	TRY(root_digest(o->sim_root, root, err));
	TRY(sim_measure_file(o->program != NULL ? o->program : "/proc/self/exe",
			     measurement, err));
	json_open_object(w, "policies");
	json_open_object(w, "sim");
	json_put_cstr(w, "tee", "sim");
	json_put_hex(w, "root", slice_of(root));
	json_open_array(w, "measurements");
	json_put_hex(w, NULL, slice_of(measurement));
	json_close_array(w);
	json_close_object(w);
	json_close_object(w);
	return OK;
}

static void put_list(struct json_out *w, const char *name,
		     const struct opt_list *l, const char *fallback)
{
	json_open_array(w, name);
	for (size_t i = 0; i < l->n; i++)
		json_put_cstr(w, NULL, l->v[i]);
	if (l->n == 0 && fallback != NULL)
		json_put_cstr(w, NULL, fallback);
	json_close_array(w);
}

static void put_worker(struct json_out *w, const struct generate_opts *o)
{
	static const struct opt_list sim = { .v = { "sim" }, .n = 1 };

	json_open_object(w, "attestation_service");
	put_list(w, "policies", &sim, NULL);
	json_close_object(w);

	json_open_object(w, "workers");
	json_open_object(w, o->group);
	put_list(w, "policies", &sim, NULL);
	if (o->image.n > 0)
		put_list(w, "images", &o->image, NULL);
	put_list(w, "adapters", &o->adapter, "openai");
	json_put_cstr(w, "runtime", "native");
	json_put_cstr(w, "logs", o->logs);
	json_close_object(w);
	json_close_object(w);
}

/* [{"name":NAME,"spki_sha256":fingerprint of FILE},...] */
static enum status put_people(struct json_out *w, const char *name,
			      const struct opt_list *people, struct err *err)
{
	json_open_array(w, name);
	for (size_t i = 0; i < people->n; i++) {
		struct slice rest = slice_str(people->v[i]);
		struct slice who;
		uint8_t digest[32];

		(void)slice_split(&rest, '=', &who);
		if (rest.len == 0)
			return err_set(err, E_USAGE, "'%s': expected NAME=FILE",
				       people->v[i]);
		TRY(identity_cert_fingerprint((const char *)rest.p, digest,
					      err));
		json_open_object(w, NULL);
		json_put_str(w, "name", who);
		json_put_hex(w, "spki_sha256", slice_of(digest));
		json_close_object(w);
	}
	json_close_array(w);
	return OK;
}

static enum status put_rest(struct json_out *w, const struct generate_opts *o,
			    struct err *err)
{
	if (o->admin.n > 0) {
		json_open_object(w, "admins");
		TRY(put_people(w, "keys", &o->admin, err));
		json_put_u64(w, "threshold", o->threshold);
		json_close_object(w);
	}
	if (o->operator.n> 0)
		TRY(put_people(w, "operators", &o->operator, err));
	if (o->secret.n > 0) {
		json_open_object(w, "secrets");
		put_list(w, "static", &o->secret, NULL);
		json_close_object(w);
	}
	json_open_object(w, "leases");
	json_put_u64(w, "worker", o->lease);
	json_put_u64(w, "certificate", o->lease > 1800 ? o->lease * 2 : 3600);
	json_close_object(w);
	return OK;
}

static enum status write_manifest(const struct generate_opts *o,
				  struct buf *out, struct err *err)
{
	auto_buf struct buf flat = buf_make(MANIFEST_MAX);
	struct json_out w = { .buf = &flat };

	json_open_object(&w, NULL);
	json_put_u64(&w, "version", 1);
	json_put_cstr(&w, "name", o->name);
	json_put_u64(&w, "generation", 1);
	TRY(put_policy(&w, o, err));
	put_worker(&w, o);
	TRY(put_rest(&w, o, err));
	json_close_object(&w);
	TRY(buf_check(&flat, "manifest", err));
	json_indent(buf_slice(&flat), out);
	return buf_check(out, "manifest", err);
}

static void warn(const struct common_opts *common, const struct manifest *m)
{
	auto_buf struct buf text = buf_make(64u << 10);

	if (common->quiet)
		return;
	manifest_warnings(m, &text);
	if (text.len > 0)
		(void)fprintf(stderr, "%s", buf_cstr(&text));
}

static enum status run_generate(void *opts, const struct opt_args *args,
				struct err *err)
{
	const struct generate_opts *o = opts;
	auto_buf struct buf text = buf_make(MANIFEST_MAX);
	auto_manifest struct manifest *m = NULL;

	(void)args;
	TRY(write_manifest(o, &text, err));
	TRY(manifest_parse(buf_slice(&text), "generated manifest", &m, err));
	warn(&o->common, m);
	if (o->out != NULL)
		return file_create(o->out, buf_slice(&text), 0644, err);
	(void)fwrite(buf_slice(&text).p, 1, text.len, stdout);
	return OK;
}

/* check */
struct check_opts {
	struct common_opts common;
	bool json;
};

static const struct opt check_rows[] = {
	{ .name = "json",
	  .help = "print name, generation and digest as JSON",
	  .kind = OPT_FLAG,
	  OPT_AT(struct check_opts, json) },
};

static enum status run_check(void *opts, const struct opt_args *args,
			     struct err *err)
{
	const struct check_opts *o = opts;
	auto_buf struct buf text = buf_make(MANIFEST_MAX);
	auto_buf struct buf out = buf_make(4096);
	auto_manifest struct manifest *m = NULL;
	struct json_out w = { .buf = &out };
	char digest[65];

	TRY(ask_read(args->operands[0], &text, err));
	TRY(manifest_parse(buf_slice(&text), args->operands[0], &m, err));
	TRY(manifest_check(m, err));
	warn(&o->common, m);
	text_hex_into(digest, sizeof(digest), slice_of(m->digest));
	if (!o->json) {
		printf("%s: ok, %s generation %llu, digest %s\n",
		       args->operands[0], m->name,
		       (unsigned long long)m->generation, digest);
		return OK;
	}
	json_open_object(&w, NULL);
	json_put_cstr(&w, "name", m->name);
	json_put_u64(&w, "generation", m->generation);
	json_put_cstr(&w, "digest", digest);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&out));
	return OK;
}

/* get */
struct get_opts {
	struct common_opts common;
	struct ask_opts ask;
	const char *out;
};

static const struct opt get_rows[] = {
	ASK_ROWS(struct get_opts, ask),
	{ .name = "out",
	  .arg = "FILE",
	  .help = "write here instead of the standard output",
	  .kind = OPT_STR,
	  OPT_AT(struct get_opts, out) },
};

static enum status run_get(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct get_opts *o = opts;
	auto_buf struct buf text = buf_make(MANIFEST_MAX);

	(void)args;
	TRY(ask_manifest(&o->ask, &text, err));
	if (o->out != NULL)
		return file_create(o->out, buf_slice(&text), 0644, err);
	(void)fwrite(buf_slice(&text).p, 1, text.len, stdout);
	return OK;
}

static const struct verb verbs[] = {
	{ .name = "generate",
	  .summary = "write a manifest for software TEEs to begin with",
	  OPTS(generate_rows),
	  .opts_size = sizeof(struct generate_opts),
	  .run = run_generate },
	{ .name = "check",
	  .operands = "FILE",
	  .summary = "check a manifest and print its digest",
	  OPTS(check_rows),
	  .opts_size = sizeof(struct check_opts),
	  .min_operands = 1,
	  .max_operands = 1,
	  .run = run_check },
	{ .name = "get",
	  .summary = "verify an attestation service and print its manifest",
	  OPTS(get_rows),
	  .opts_size = sizeof(struct get_opts),
	  .run = run_get },
};

const struct applet applet_manifest = {
	.name = "manifest",
	.summary = "generate, check or fetch a manifest",
	.needs = NEEDS_CRYPTO,
	VERBS(verbs),
};
