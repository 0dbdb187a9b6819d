/* confd init: verify an attestation service, then hand it static secrets and
 * the manifest, in one step, over the connection that was verified. */
#include <stdio.h>

#include "attest/vault.h"
#include "cmd/applet.h"
#include "cmd/ask.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/hpke.h"
#include "core/json.h"
#include "core/keybox.h"
#include "core/text.h"

#define BODY_MAX (1u << 20)

struct init_opts {
	struct common_opts common;
	struct ask_opts ask;
	struct opt_list secret;
	bool json;
};

static const struct opt rows[] = {
	ASK_AS_ROW(struct init_opts, ask),
	ASK_CERT_ROW(struct init_opts, ask),
	{ .name = "json",
	  .help = "print digest and chain head as JSON",
	  .kind = OPT_FLAG,
	  OPT_AT(struct init_opts, json) },
	ASK_KEY_ROW(struct init_opts, ask),
	ASK_MANIFEST_ROW(struct init_opts, ask),
	{ .name = "secret",
	  .arg = "NAME=@FILE",
	  .help = "a static inference secret (16 to 64 bytes) that the "
		  "manifest names",
	  .kind = OPT_LIST,
	  .flags = OPT_NO_ENV,
	  OPT_AT(struct init_opts, secret) },
	ASK_TRUST_ROW(struct init_opts, ask.trust_root),
};

/* Put "NAME":"<base64>" of NAME=@FILE. */
static enum status put_secret(const struct manifest *m, const char *arg,
			      struct json_out *w, struct err *err)
{
	auto_secret struct secret *value = NULL;
	struct slice rest = slice_str(arg);
	struct slice name = { 0 };

	(void)slice_split(&rest, '=', &name);
	if (rest.len < 2 || rest.p[0] != '@')
		return err_set(err, E_USAGE,
			       "--secret '%.*s': expected NAME=@FILE; a secret "
			       "itself does not belong on a command line",
			       SLICE_FMT(name));
	if (!manifest_strings_have(&m->static_secrets, name))
		return err_set(err, E_CONF,
			       "secret '%.*s' is not in the manifest's "
			       "secrets.static",
			       SLICE_FMT(name));
	if (file_read_secret((const char *)rest.p + 1, KEYBOX_VALUE_MAX, &value,
			     err) != OK)
		return err_wrap(err, "secret '%.*s', of 16 to %d bytes",
				SLICE_FMT(name), KEYBOX_VALUE_MAX);
	if (secret_slice(value).len < 16)
		return err_set(err, E_CONF,
			       "secret '%.*s': %zu bytes, expected 16 to %d",
			       SLICE_FMT(name), secret_slice(value).len,
			       KEYBOX_VALUE_MAX);
	auto_buf struct buf key = buf_make(128);
	buf_put(&key, name);
	json_put_base64(w, buf_cstr(&key), secret_slice(value));
	return OK;
}

/* The secrets as JSON, sealed to the key that the service attested. */
static enum status seal_secrets(const struct init_opts *o, const struct ask *a,
				struct buf *out, struct err *err)
{
	auto_buf struct buf plain = buf_make(64u << 10);
	struct json_out w = { .buf = &plain };

	json_open_object(&w, NULL);
	for (size_t i = 0; i < o->secret.n; i++)
		TRY(put_secret(a->manifest, o->secret.v[i], &w, err));
	json_close_object(&w);
	TRY(buf_check(&plain, "secrets", err));
	return hpke_seal_to(peer_keys(a->peer)->hpke, S(VAULT_INIT_INFO),
			    slice_of(a->manifest->digest), buf_slice(&plain),
			    out, err);
}

/* What --secret names, up to the '='. */
static struct slice name_of(const char *arg)
{
	struct slice rest = slice_str(arg);
	struct slice name = { 0 };

	(void)slice_split(&rest, '=', &name);
	return name;
}

/* As many as the manifest names, and none twice; put_secret sees to it that
 * each is one of those. */
static enum status check_names(const struct init_opts *o,
			       const struct manifest *m, struct err *err)
{
	for (size_t i = 0; i < o->secret.n; i++)
		for (size_t j = 0; j < i; j++)
			if (slice_eq(name_of(o->secret.v[i]),
				     name_of(o->secret.v[j])))
				return err_set(
					err, E_USAGE,
					"--secret '%.*s': given twice",
					SLICE_FMT(name_of(o->secret.v[i])));
	if (m->static_secrets.n != o->secret.n)
		return err_set(err, E_USAGE,
			       "the manifest names %zu static secrets, %zu "
			       "were given with --secret",
			       m->static_secrets.n, o->secret.n);
	return OK;
}

static enum status make_body(const struct init_opts *o, const struct ask *a,
			     struct buf *body, struct err *err)
{
	auto_buf struct buf sealed = buf_make(128u << 10);
	struct json_out w = { .buf = body };

	TRY(check_names(o, a->manifest, err));
	json_open_object(&w, NULL);
	json_put_base64(&w, "manifest", buf_slice(&a->manifest->text));
	if (o->secret.n > 0) {
		TRY(seal_secrets(o, a, &sealed, err));
		json_put_base64(&w, "secrets", buf_slice(&sealed));
	}
	json_close_object(&w);
	return buf_check(body, "request", err);
}

/* The service must have set what we gave it. */
static enum status check_answer(struct slice answer, const struct manifest *m,
				uint8_t head[static 32], struct err *err)
{
	static const char *const names[] = { "digest", "generation", "head" };
	auto_json struct json *root = NULL;
	uint64_t generation;
	uint8_t digest[32];

	TRY(json_parse(answer, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_hex(root, "digest", digest, sizeof(digest), err));
	TRY(json_want_hex(root, "head", head, 32, err));
	TRY(json_want_u64(root, "generation", m->generation, m->generation,
			  &generation, err));
	if (memcmp(digest, m->digest, sizeof(digest)) != 0)
		return err_set(err, E_CRYPTO,
			       "the service says that it has set another "
			       "manifest than the one given");
	return OK;
}

static void print_json(const struct manifest *m, const uint8_t head[static 32])
{
	auto_buf struct buf text = buf_make(1024);
	struct json_out w = { .buf = &text };

	json_open_object(&w, NULL);
	json_put_hex(&w, "digest", slice_of(m->digest));
	json_put_u64(&w, "generation", m->generation);
	json_put_hex(&w, "head", slice_make(head, 32));
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

static void print_text(const struct ask *a)
{
	const struct manifest *m = a->manifest;
	char digest[65];

	text_hex_into(digest, sizeof(digest), slice_of(m->digest));
	printf("The attestation service is genuine (%s) and was initialized.\n"
	       "Manifest %s, generation %llu, digest %s\n",
	       peer_claims(a->peer)->tee, m->name,
	       (unsigned long long)m->generation, digest);
}

static enum status run(void *opts, const struct opt_args *args, struct err *err)
{
	const struct init_opts *o = opts;
	auto_ask struct ask a = { 0 };
	auto_buf struct buf body = buf_make(BODY_MAX);
	auto_buf struct buf answer = buf_make(64u << 10);
	uint8_t head[32];

	(void)args;
	if (o->ask.manifest == NULL)
		return err_set(err, E_USAGE,
			       "--manifest is missing: the manifest to set, "
			       "which also says what the service must be");
	TRY(ask_open(&o->ask, PEER_UNINITIALIZED, &a, err));
	TRY(make_body(o, &a, &body, err));
	TRY(ask_call(&a, "POST", "/v1/init", buf_slice(&body), &answer, err));
	TRY(check_answer(buf_slice(&answer), a.manifest, head, err));
	if (o->json)
		print_json(a.manifest, head);
	else
		print_text(&a);
	return OK;
}

static const struct verb verbs[] = {
	{ OPTS(rows), .opts_size = sizeof(struct init_opts), .run = run },
};

const struct applet applet_init = {
	.name = "init",
	.summary = "verify an attestation service, set secrets and manifest",
	.needs = NEEDS_CRYPTO | NEEDS_SECRETS,
	VERBS(verbs),
};
