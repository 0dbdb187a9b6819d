/* confd status: what an attestation service says of itself, verified; and its
 * workers, for those whom the manifest knows. */
#include <stdio.h>

#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/json.h"
#include "core/text.h"

#define ANSWER_MAX (2u << 20)

struct status_opts {
	struct common_opts common;
	struct ask_opts ask;
	bool json;
};

static const struct opt rows[] = {
	ASK_AS_ROW(struct status_opts, ask),
	ASK_CERT_ROW(struct status_opts, ask),
	{ .name = "json",
	  .help = "print as JSON",
	  .kind = OPT_FLAG,
	  OPT_AT(struct status_opts, json) },
	ASK_KEY_ROW(struct status_opts, ask),
	ASK_MANIFEST_ROW(struct status_opts, ask),
};

static void print_json(const struct ask *a, struct slice workers)
{
	auto_buf struct buf text = buf_make(2 * ANSWER_MAX);
	struct json_out w = { .buf = &text };
	const struct manifest *m = peer_manifest(a->peer);

	json_open_object(&w, NULL);
	json_put_cstr(&w, "state", peer_state(a->peer));
	json_put_cstr(&w, "tee", peer_claims(a->peer)->tee);
	json_put_bool(&w, "pinned", a->manifest != NULL);
	json_open_object(&w, "manifest");
	json_put_cstr(&w, "name", m->name);
	json_put_u64(&w, "generation", m->generation);
	json_put_hex(&w, "digest", slice_of(m->digest));
	json_put_hex(&w, "head", slice_make(peer_chain_head(a->peer), 32));
	json_close_object(&w);
	json_open_object(&w, "log");
	json_put_u64(&w, "size", peer_log_size(a->peer));
	json_put_hex(&w, "root", slice_make(peer_log_root(a->peer), 32));
	json_close_object(&w);
	if (workers.len > 0)
		json_put_raw(&w, "workers", workers);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

static enum status print_worker(const struct json *j, struct err *err)
{
	struct slice name, group;
	uint64_t expires;

	TRY(json_want_str(j, "name", &name, err));
	TRY(json_want_str(j, "group", &group, err));
	TRY(json_want_u64(j, "expires", 0, 1ull << 53, &expires, err));
	if (!text_is_name(name) || !text_is_name(group))
		return err_set(err, E_PARSE,
			       "list of workers: a name or group that is none");
	printf("worker   %.*s in group %.*s, lease for %lld s more\n",
	       SLICE_FMT(name), SLICE_FMT(group),
	       (long long)((int64_t)expires - clock_wall()));
	return OK;
}

static enum status print_workers(struct slice text, struct err *err)
{
	auto_json struct json *root = NULL;

	TRY(json_parse(text, &root, err));
	TRY(json_want(root, JSON_ARRAY, err));
	if (json_count(root) == 0)
		printf("worker   none\n");
	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j))
		TRY(print_worker(j, err));
	return OK;
}

static void print_service(const struct ask *a)
{
	const struct manifest *m = peer_manifest(a->peer);
	char digest[65];

	text_hex_into(digest, sizeof(digest), slice_of(m->digest));
	printf("service  %s, genuine (%s)%s\n", peer_state(a->peer),
	       peer_claims(a->peer)->tee,
	       a->manifest != NULL
		       ? ""
		       : "; judged by the manifest that it serves: compare the "
			 "digest, or give --manifest");
	printf("manifest %s, generation %llu, digest %s\n", m->name,
	       (unsigned long long)m->generation, digest);
	printf("log      %llu entries\n",
	       (unsigned long long)peer_log_size(a->peer));
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct status_opts *o = opts;
	auto_ask struct ask a = { 0 };
	auto_buf struct buf workers = buf_make(ANSWER_MAX);

	(void)args;
	TRY(ask_open(&o->ask,
		     o->ask.manifest != NULL ? PEER_PINNED : PEER_SERVED, &a,
		     err));
	if (a.identity.cert != NULL)
		TRY(ask_call(&a, "GET", "/v1/workers", S(""), &workers, err));
	if (workers.len > 0)
		TRY(json_check(buf_slice(&workers), 0, err));
	if (o->json) {
		print_json(&a, buf_slice(&workers));
		return OK;
	}
	print_service(&a);
	if (workers.len > 0)
		TRY(print_workers(buf_slice(&workers), err));
	else
		printf("worker   (give --cert and --key of an admin or "
		       "operator to see them)\n");
	return OK;
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct status_opts), .run = run },
};

const struct applet applet_status = {
	.name = "status",
	.summary = "show an attestation service, its manifest and workers",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS,
	VERBS(verbs),
};
