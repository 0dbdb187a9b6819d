/* confd verify: judge evidence, and show every step. */
#include <stdio.h>

#include "attest/evidence.h"
#include "attest/verifier.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"

#define REPORT_MAX (2u << 20)

struct verify_opts {
	struct common_opts common;
	bool json;
	const char *manifest;
	const char *group;
	const char *purpose;
	const char *at;
	struct opt_list expect;
};

static const struct opt service_rows[] = {
	{ .name = "json",
	  .help = "print verdict, claims and trace as JSON",
	  .kind = OPT_FLAG,
	  OPT_AT(struct verify_opts, json) },
	{ .name = "manifest",
	  .arg = "FILE",
	  .help = "the manifest that must be in force",
	  .kind = OPT_STR,
	  OPT_AT(struct verify_opts, manifest) },
};

static const struct opt bundle_rows[] = {
	{ .name = "at",
	  .arg = "TIME",
	  .help = "judge as of this time (RFC 3339, UTC) instead of now",
	  .kind = OPT_STR,
	  OPT_AT(struct verify_opts, at) },
	{ .name = "expect",
	  .arg = "NAME=HEX",
	  .help = "what the statement must say: nonce, exporter, spki, keys or "
		  "manifest; 'none' where that is meant",
	  .kind = OPT_LIST,
	  OPT_AT(struct verify_opts, expect) },
	{ .name = "group",
	  .arg = "NAME",
	  .help = "judge by the policies of this worker group instead of the "
		  "attestation service's",
	  .kind = OPT_STR,
	  OPT_AT(struct verify_opts, group) },
	{ .name = "json",
	  .help = "print verdict, claims and trace as JSON",
	  .kind = OPT_FLAG,
	  OPT_AT(struct verify_opts, json) },
	{ .name = "manifest",
	  .arg = "FILE",
	  .help = "the manifest that says what is allowed",
	  .kind = OPT_STR,
	  .flags = OPT_REQUIRED,
	  OPT_AT(struct verify_opts, manifest) },
	{ .name = "purpose",
	  .arg = "PURPOSE",
	  .help = "what the evidence must have been made for",
	  .fallback = "as",
	  .kind = OPT_STR,
	  OPT_AT(struct verify_opts, purpose) },
};

static const char *verdict_word(enum status code)
{
	switch (code) {
	case OK:
		return "ok";
	case E_STALE:
		return "incomplete";
	default:
		return "refused";
	}
}

static void print_json(const struct trace *t, const struct claims *c,
		       const struct err *err)
{
	auto_buf struct buf text = buf_make(REPORT_MAX);
	struct json_out w = { .buf = &text };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "verdict", verdict_word(err->code));
	if (err->code == OK) {
		json_put_cstr(&w, "tee", c->tee);
		claims_write(c, "claims", &w);
	} else
		json_put_cstr(&w, "reason", err->text);
	trace_write(t, "trace", &w);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

/* Plain words of what an ok means, and of what it does not. */
static void print_meaning(const struct claims *c, bool pinned)
{
	printf("\nok: the evidence is genuine (%s), fresh, bound to what was "
	       "expected, and allowed by the manifest.\n",
	       c->tee);
	if (!pinned)
		printf("Not proven: that this is the manifest you want. It is "
		       "the one that the service itself serves; compare its "
		       "digest, or give --manifest.\n");
	if (strcmp(c->tee, "sim") == 0)
		printf("Not proven: any protection by hardware. This is the "
		       "software TEE; whoever holds its root key or the "
		       "machine can do as they like.\n");
	else
		printf("Not proven: what the measured program does; that "
		       "follows from building it from source and comparing "
		       "the measurement.\n");
}

static enum status report(const struct verify_opts *o, const struct trace *t,
			  const struct claims *c, bool pinned, struct err *err)
{
	auto_buf struct buf text = buf_make(REPORT_MAX);

	if (o->json)
		print_json(t, c, err);
	else {
		trace_print(t, &text);
		printf("%s", text.len > 0 ? buf_cstr(&text) : "");
		if (err->code == OK)
			print_meaning(c, pinned);
	}
	return err->code;
}

static enum status run_service(void *opts, const struct opt_args *args,
			       struct err *err)
{
	const struct verify_opts *o = opts;
	struct ask_opts ask = { .as = args->operands[0],
				.manifest = o->manifest };
	auto_ask struct ask a = { 0 };
	bool pinned = o->manifest != NULL;

	(void)ask_open(&ask, pinned ? PEER_PINNED : PEER_SERVED, &a, err);
	if (a.peer == NULL || err->code == E_UNAVAIL || err->code == E_IO)
		return err->code; /* nothing was judged */
	return report(o, peer_trace(a.peer), peer_claims(a.peer), pinned, err);
}

/* NAME=HEX or NAME=none into the case. */
static enum status take_expectation(const char *arg, struct verifier_case *c,
				    struct err *err)
{
	const struct {
		const char *name;
		struct expect *to;
	} members[] = {
		{ "nonce", &c->nonce },	      { "exporter", &c->exporter },
		{ "spki", &c->spki },	      { "keys", &c->keys },
		{ "manifest", &c->manifest },
	};
	struct slice rest = slice_str(arg);
	struct slice name = { 0 };
	uint8_t bytes[32];

	(void)slice_split(&rest, '=', &name);
	for (size_t i = 0; i < countof(members); i++) {
		if (!slice_eq_str(name, members[i].name))
			continue;
		if (slice_eq_str(rest, "none")) {
			*members[i].to = expect_none();
			return OK;
		}
		if (text_unhex(rest, bytes, sizeof(bytes), "", err) != OK)
			break;
		*members[i].to = expect_bytes(bytes);
		return OK;
	}
	return err_set(err, E_USAGE,
		       "--expect '%s': expected nonce, exporter, spki, keys or "
		       "manifest, then '=' and 64 hex digits or 'none'",
		       arg);
}

static enum status pick_policies(const struct verify_opts *o,
				 const struct manifest *m,
				 struct verifier_case *c, struct err *err)
{
	c->by = m;
	c->policies = &m->as_policies;
	if (o->group == NULL)
		return OK;
	const struct manifest_worker *w =
		manifest_find_worker(m, slice_str(o->group));
	if (w == NULL)
		return err_set(err, E_USAGE,
			       "--group '%s': not in the manifest", o->group);
	c->policies = &w->policies;
	return OK;
}

static enum status fill_case(const struct verify_opts *o,
			     struct verifier_case *c, struct err *err)
{
	c->now = clock_wall();
	if (o->at != NULL && text_untime(slice_str(o->at), &c->now, err) != OK)
		return err_set(err, E_USAGE,
			       "--at '%s': expected a time such as "
			       "2026-11-21T12:00:00Z",
			       o->at);
	if (!statement_purpose_find(slice_str(o->purpose), &c->purpose))
		return err_set(err, E_USAGE,
			       "--purpose '%s': expected as, worker, as-peer, "
			       "receipt, disk or user-data",
			       o->purpose);
	for (size_t i = 0; i < o->expect.n; i++)
		TRY(take_expectation(o->expect.v[i], c, err));
	return OK;
}

static enum status run_bundle(void *opts, const struct opt_args *args,
			      struct err *err)
{
	const struct verify_opts *o = opts;
	auto_manifest struct manifest *m = NULL;
	auto_buf struct buf bundle = buf_make(EVIDENCE_MAX);
	auto_trace struct trace trace;
	auto_verdict struct verdict *verdict = NULL;
	struct verifier_case c = { 0 };
	struct claims claims = { 0 };

	trace_init(&trace);
	TRY(ask_load_manifest(o->manifest, &m, err));
	TRY(manifest_check(m, err));
	TRY(pick_policies(o, m, &c, err));
	TRY(fill_case(o, &c, err));
	TRY(file_read(args->operands[0], &bundle, err));
	c.bundle = buf_slice(&bundle);
	if (verifier_judge(&c, &trace, &claims, &verdict, err) != OK)
		ask_refused(err);
	return report(o, &trace, &claims, true, err);
}

static const struct verb verbs[] = {
	{ .name = "bundle",
	  .operands = "FILE",
	  .summary = "judge an evidence bundle in a file",
	  OPTS(bundle_rows),
	  .opts_size = sizeof(struct verify_opts),
	  .min_operands = 1,
	  .max_operands = 1,
	  .run = run_bundle },
	{ .name = "service",
	  .operands = "HOST:PORT",
	  .summary = "judge a live attestation service",
	  OPTS(service_rows),
	  .opts_size = sizeof(struct verify_opts),
	  .min_operands = 1,
	  .max_operands = 1,
	  .run = run_service },
};

const struct applet applet_verify = {
	.name = "verify",
	.summary = "judge evidence or a live service, step by step",
	.needs = NEEDS_CRYPTO,
	VERBS(verbs),
};
