/* The grammar of the manifest, but for policies: manifest_policies.c. */
#include "attest/manifest_read.h"
#include "core/cleanup.h"
#include "core/io/addr.h"
#include "core/text.h"

#define WORKER_LEASE 600       /* seconds, unless the manifest says */
#define CERTIFICATE_LEASE 3600 /* seconds, the same */
#define EXCHANGE_TTL 3600      /* seconds, the same */
#define GENERATION_MAX (UINT64_C(1) << 53) /* exact in every JSON reader */
#define RUNTIME_MAX 255			   /* bytes of a path */
#define UPSTREAM_MAX 255		   /* bytes of a URL */

static const char *const logs_names[] = {
	[MANIFEST_LOGS_OFF] = "off",
	[MANIFEST_LOGS_PLAIN] = "plain",
	[MANIFEST_LOGS_SEALED] = "sealed",
};
static const char *const salt_names[] = {
	[MANIFEST_SALT_OFF] = "off",
	[MANIFEST_SALT_KEY] = "per-key",
	[MANIFEST_SALT_REQUEST] = "per-request",
};

const char *manifest_logs_name(enum manifest_logs logs)
{
	return (size_t)logs < countof(logs_names) ? logs_names[logs]
						  : "unknown";
}

const char *manifest_salt_name(enum manifest_salt salt)
{
	return (size_t)salt < countof(salt_names) ? salt_names[salt]
						  : "unknown";
}

/* ---- What texts may be ---- */

static bool is_hash(struct slice s)
{
	return slice_eq_str(s, "sha256");
}

static bool is_adapter(struct slice s)
{
	static const char *const words[] = { "openai", "anthropic", "triton",
					     "tgi", "raw" };

	for (size_t i = 0; i < countof(words); i++)
		if (slice_eq_str(s, words[i]))
			return true;
	return false;
}

/* "/usr/bin/runsc": absolute, printable, nothing to resolve in it. */
static bool is_absolute_path(struct slice s)
{
	struct slice rest = slice_from(s, 1), part;

	if (s.len < 2 || s.len > RUNTIME_MAX || s.p[0] != '/' ||
	    s.p[s.len - 1] == '/')
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	while (slice_split(&rest, '/', &part))
		if (part.len == 0 || slice_eq_str(part, ".") ||
		    slice_eq_str(part, ".."))
			return false;
	return true;
}

static bool is_runtime(struct slice s)
{
	return slice_eq_str(s, "native") || slice_eq_str(s, "gvisor") ||
	       is_absolute_path(s);
}

/* "http://HOST:PORT" or "unix:PATH": what a proxy may have as its server. */
static bool is_upstream(struct slice s)
{
	char url[UPSTREAM_MAX + 1];
	struct err ignored; /* the answer is enough */
	struct addr at;

	if ((!slice_starts(s, S("http://")) && !slice_starts(s, S("unix:"))) ||
	    s.len > UPSTREAM_MAX)
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= ' ' || s.p[i] > '~')
			return false;
	(void)snprintf(url, sizeof(url), "%.*s", SLICE_FMT(s));
	return addr_parse_url(url, &at, &ignored) == OK;
}

static bool is_image(struct slice s)
{
	const struct slice upstream = S("upstream:");
	static const char *const kinds[] = { "sha256:", "command:", "dir:" };
	uint8_t digest[32];
	struct err ignored; /* the answer is enough */

	for (size_t i = 0; i < countof(kinds); i++) {
		struct slice kind = slice_str(kinds[i]);

		if (slice_starts(s, kind))
			return text_unhex(slice_from(s, kind.len), digest,
					  sizeof(digest), "", &ignored) == OK;
	}
	if (slice_starts(s, upstream))
		return is_upstream(slice_from(s, upstream.len));
	return slice_eq_str(s, "any");
}

/* ---- The tables ---- */

/* clang-format off */
#define SECONDS(name, min, max) \
	static const struct manifest_range name = { min, max }
SECONDS(worker_lease, 10, 86400);
SECONDS(certificate_lease, 10, 604800);
SECONDS(exchange_ttl, 60, 86400);
static const struct manifest_range one = { 1, 1 };
static const struct manifest_range generation = { 1, GENERATION_MAX };
static const struct manifest_range threshold = { 1, MANIFEST_LIST_MAX };

#define NAME "a name (1 to 64 of a-z 0-9 . _ -, a letter or digit first)"
#define NAMES "a list of names"
static const struct manifest_test name_test = { manifest_is_name };
static const struct manifest_test hash_test = { is_hash };
static const struct manifest_test runtime_test = { is_runtime };
static const struct manifest_test any_test = { text_is_utf8 };
static const struct manifest_list names = { false, manifest_is_name, NAME };
static const struct manifest_list adapters = {
	false, is_adapter, "openai, anthropic, triton, tgi or raw" };
static const struct manifest_list images = { false, is_image,
	"sha256:, command: or dir: and 64 lower-case hex digits, upstream: and "
	"http://HOST:PORT or unix:PATH, or any" };
static const struct manifest_words logs = { countof(logs_names), logs_names };
static const struct manifest_words salts = { countof(salt_names), salt_names };

#define AT(m) offsetof(struct manifest_key, m)
static const struct manifest_row person_rows[] = {
	MUST("name", text, AT(name), NAME, &name_test),
	MUST("spki_sha256", hex32, AT(value),
	     "64 lower-case hex digits, the SHA-256 of the public key", NULL),
};
static const struct manifest_shape person = MANIFEST_SHAPE(person_rows);

static const struct manifest_row recovery_key_rows[] = {
	MUST("name", text, AT(name), NAME, &name_test),
	MUST("public_key", hex32, AT(value),
	     "64 lower-case hex digits, an X25519 public key", NULL),
};
static const struct manifest_shape recovery_key =
	MANIFEST_SHAPE(recovery_key_rows);
#undef AT

#define AT(m) offsetof(struct manifest_worker, m)
static const struct manifest_row worker_rows[] = {
	MUST("policies", strings, AT(policies), NAMES, &names),
	MAY("models", strings, AT(models), NAMES, &names),
	MAY("images", strings, AT(images), "a list of digests", &images),
	MUST("adapters", strings, AT(adapters), "a list of adapters",
	     &adapters),
	MAY("runtime", text, AT(runtime),
	    "native, gvisor or an absolute path", &runtime_test),
	MAY("logs", word, AT(logs), "off, plain or sealed", &logs),
	MAY("cache_salt", word, AT(cache_salt),
	    "off, per-key or per-request", &salts),
};
static const struct manifest_shape worker = MANIFEST_SHAPE(worker_rows);
#undef AT

#define AT(m) offsetof(struct manifest_model, m)
static const struct manifest_row model_rows[] = {
	MUST("verity_root", hex32, AT(verity_root),
	     "64 lower-case hex digits", NULL),
	MUST("hash", text, AT(hash), "sha256", &hash_test),
	MAY("key", text, AT(key), "model/ and the model's name", &any_test),
};
static const struct manifest_shape model = MANIFEST_SHAPE(model_rows);
#undef AT

static manifest_reader read_version, read_policies, read_workers, read_models,
	read_keys;

#define AT(m) offsetof(struct manifest, m)
#define KEYS(name, must, m, what, shape) \
	{ name, must, read_keys, AT(m), what, shape }

static const struct manifest_row as_rows[] = {
	MUST("policies", strings, AT(as_policies), NAMES, &names),
};
static const struct manifest_shape as = MANIFEST_SHAPE(as_rows);

static const struct manifest_row admins_rows[] = {
	KEYS("keys", true, admins, "a list of admins' keys", &person),
	MUST("threshold", u32, AT(admins.threshold),
	     "a number from 1 to the number of keys", &threshold),
};
static const struct manifest_shape admins = MANIFEST_SHAPE(admins_rows);

static const struct manifest_row recovery_rows[] = {
	KEYS("keys", true, recovery, "a list of recovery keys", &recovery_key),
	MUST("threshold", u32, AT(recovery.threshold),
	     "a number from 1 to the number of keys", &threshold),
};
static const struct manifest_shape recovery = MANIFEST_SHAPE(recovery_rows);

static const struct manifest_row exchange_rows[] = {
	MUST("enabled", bool, AT(client_exchange), "true or false", NULL),
	MAY("ttl", u32, AT(client_exchange_ttl), "seconds from 60 to 86400",
	    &exchange_ttl),
};
static const struct manifest_shape exchange = MANIFEST_SHAPE(exchange_rows);

static const struct manifest_row secrets_rows[] = {
	MAY("static", strings, AT(static_secrets), NAMES, &names),
	MAY("client_exchange", inner, 0, "an object", &exchange),
};
static const struct manifest_shape secrets = MANIFEST_SHAPE(secrets_rows);

static const struct manifest_row leases_rows[] = {
	MAY("worker", u32, AT(lease_worker), "seconds from 10 to 86400",
	    &worker_lease),
	MAY("certificate", u32, AT(lease_certificate),
	    "seconds from 10 to 604800", &certificate_lease),
};
static const struct manifest_shape leases = MANIFEST_SHAPE(leases_rows);

static const struct manifest_row top_rows[] = {
	{ "version", true, read_version, 0, "1", &one },
	MUST("name", text, AT(name), NAME, &name_test),
	MUST("generation", u64, AT(generation), "a number from 1 on",
	     &generation),
	{ "policies", true, read_policies, 0, "an object of policies", NULL },
	MUST("attestation_service", inner, 0, "an object", &as),
	{ "workers", false, read_workers, 0, "an object of worker groups",
	  NULL },
	{ "models", false, read_models, 0, "an object of models", NULL },
	MAY("admins", inner, 0, "an object", &admins),
	KEYS("operators", false, operators, "a list of operators' keys",
	     &person),
	MAY("recovery", inner, 0, "an object", &recovery),
	MAY("secrets", inner, 0, "an object", &secrets),
	MAY("leases", inner, 0, "an object", &leases),
};
static const struct manifest_shape top = MANIFEST_SHAPE(top_rows);
#undef AT
/* clang-format on */

/* ---- Readers of sections ---- */

static enum status read_version(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	uint64_t version;

	(void)to;
	return manifest_read_u64(j, row, &version, err);
}

static enum status read_policies(const struct json *j,
				 const struct manifest_row *row, void *to,
				 struct err *err)
{
	(void)row;
	return manifest_read_policies(j, to, err);
}

/* The name of a member of an object of ours. */
static enum status read_key_name(const struct json *j, char **to,
				 struct err *err)
{
	if (!text_is_name(json_name(j)))
		return err_set(err, E_CONF,
			       "%s: expected " NAME ", found another",
			       json_path(j));
	return manifest_copy(json_name(j), to, err);
}

/* The single entry "any" becomes a flag, so that no code takes it for a
 * digest. */
static enum status settle_images(const struct json *j,
				 struct manifest_worker *w, struct err *err)
{
	w->images_any = manifest_strings_have(&w->images, S("any"));
	if (!w->images_any)
		return OK;
	if (w->images.n > 1)
		return manifest_expected(json_get(j, "images"),
					 "any to stand alone", err);
	manifest_strings_done(&w->images);
	return OK;
}

static enum status read_worker(const struct json *j, struct manifest_worker *w,
			       struct err *err)
{
	TRY(read_key_name(j, &w->name, err));
	TRY(manifest_copy(S("native"), &w->runtime, err));
	TRY(manifest_read_object(j, &worker, w, err));
	return settle_images(j, w, err);
}

static enum status read_workers(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	struct manifest *m = to;
	void *items;
	size_t i = 0;

	TRY(manifest_alloc(j, row->what, JSON_OBJECT, sizeof(*m->worker),
			   &m->n_workers, &items, err));
	m->worker = items;
	for (const struct json *w = json_first(j); w != NULL; w = json_next(w))
		TRY(read_worker(w, &m->worker[i++], err));
	return OK;
}

static enum status read_model(const struct json *j, struct manifest_model *o,
			      struct err *err)
{
	struct slice prefix = S("model/");

	TRY(read_key_name(j, &o->name, err));
	TRY(manifest_read_object(j, &model, o, err));
	if (o->key == NULL)
		return OK;
	struct slice key = slice_str(o->key);
	if (slice_starts(key, prefix) &&
	    slice_eq_str(slice_from(key, prefix.len), o->name))
		return OK;
	return manifest_expected(json_get(j, "key"),
				 "model/ and the model's name", err);
}

static enum status read_models(const struct json *j,
			       const struct manifest_row *row, void *to,
			       struct err *err)
{
	struct manifest *m = to;
	void *items;
	size_t i = 0;

	TRY(manifest_alloc(j, row->what, JSON_OBJECT, sizeof(*m->model),
			   &m->n_models, &items, err));
	m->model = items;
	for (const struct json *o = json_first(j); o != NULL; o = json_next(o))
		TRY(read_model(o, &m->model[i++], err));
	return OK;
}

/* Keys of different people: no name and no key twice, and none all zero,
 * which would be nobody's. */
static enum status check_key(const struct json *j,
			     const struct manifest_keys *before,
			     const struct manifest_key *key, struct err *err)
{
	if (all_zero(key->value, sizeof(key->value)))
		return err_set(err, E_CONF, "%s: expected a key, found zeros",
			       json_path(j));
	for (size_t i = 0; i < before->n; i++)
		if (strcmp(before->item[i].name, key->name) == 0 ||
		    memcmp(before->item[i].value, key->value, 32) == 0)
			return err_set(err, E_CONF,
				       "%s: expected every name and key once, "
				       "found that of %s again",
				       json_path(j), before->item[i].name);
	return OK;
}

static enum status read_keys(const struct json *j,
			     const struct manifest_row *row, void *to,
			     struct err *err)
{
	struct manifest_keys *out = to;
	void *items;
	size_t n, i = 0;

	TRY(manifest_alloc(j, row->what, JSON_ARRAY, sizeof(*out->item), &n,
			   &items, err));
	out->n = n;
	out->item = items;
	for (const struct json *k = json_first(j); k != NULL;
	     k = json_next(k), i++) {
		const struct manifest_keys before = { i, out->item, 0 };

		TRY(manifest_read_object(k, row->arg, &out->item[i], err));
		TRY(check_key(k, &before, &out->item[i], err));
	}
	return OK;
}

/* ---- What holds between members ---- */

static enum status check_threshold(const struct manifest_keys *k,
				   const char *section, struct err *err)
{
	if (k->threshold <= k->n)
		return OK;
	return err_set(err, E_CONF,
		       "%s.threshold: expected a number from 1 to %zu, the "
		       "number of keys, found %u",
		       section, k->n, k->threshold);
}

static enum status check_policies(const struct manifest *m,
				  const struct manifest_strings *l,
				  const char *section, const char *group,
				  struct err *err)
{
	for (size_t i = 0; i < l->n; i++)
		if (manifest_find_policy(m, slice_str(l->item[i])) == NULL)
			return err_set(err, E_CONF,
				       "%s%s.policies[%zu]: expected the name "
				       "of a policy, found \"%s\"",
				       section, group, i, l->item[i]);
	return OK;
}

static enum status check_worker(const struct manifest *m,
				const struct manifest_worker *w,
				struct err *err)
{
	TRY(check_policies(m, &w->policies, "workers.", w->name, err));
	for (size_t i = 0; i < w->models.n; i++)
		if (manifest_find_model(m, slice_str(w->models.item[i])) ==
		    NULL)
			return err_set(err, E_CONF,
				       "workers.%s.models[%zu]: expected the "
				       "name of a model, found \"%s\"",
				       w->name, i, w->models.item[i]);
	return OK;
}

static enum status check_leases(struct manifest *m, struct err *err)
{
	if (m->lease_certificate == 0)
		m->lease_certificate = m->lease_worker > CERTIFICATE_LEASE
					       ? m->lease_worker
					       : CERTIFICATE_LEASE;
	if (m->lease_certificate >= m->lease_worker)
		return OK;
	return err_set(err, E_CONF,
		       "leases.certificate: expected at least leases.worker, "
		       "%u seconds, found %u",
		       m->lease_worker, m->lease_certificate);
}

static enum status check_whole(struct manifest *m, struct err *err)
{
	TRY(check_policies(m, &m->as_policies, "attestation_service", "", err));
	for (size_t i = 0; i < m->n_workers; i++)
		TRY(check_worker(m, &m->worker[i], err));
	TRY(check_threshold(&m->admins, "admins", err));
	TRY(check_threshold(&m->recovery, "recovery", err));
	return check_leases(m, err);
}

/* ---- Errors with a line ---- */

/* "line N, column M: why" of the JSON parser: N, and text from "column". */
static bool grammar_line(struct slice text, uint64_t *line, struct slice *rest)
{
	struct slice prefix = S("line ");

	if (!slice_starts(text, prefix))
		return false;
	struct slice after = slice_from(text, prefix.len);
	size_t comma = slice_find(after, ',');
	*rest = slice_from(after, comma + 2);
	return slice_u64(slice_sub(after, 0, comma), line);
}

/* The line of the member that the error begins with, or of the nearest thing
 * around it that is there. */
static size_t member_line(struct slice text, struct slice error)
{
	char path[ERR_TEXT_MAX] = { 0 };
	size_t len = slice_search(error, S(": "));

	memcpy(path, error.p, len < sizeof(path) ? len : 0);
	while (path[0] != '\0') {
		size_t line = json_line_of(text, path);
		char *dot = strrchr(path, '.');

		if (line > 0)
			return line;
		if (dot == NULL)
			break;
		*dot = '\0';
	}
	return 1;
}

static enum status place(struct slice text, const char *file, struct err *err)
{
	struct err was = *err;
	struct slice error = slice_str(was.text), rest;
	uint64_t line;

	if (was.code == E_NOMEM)
		return E_NOMEM;
	if (grammar_line(error, &line, &rest))
		return err_set(err, E_CONF, "%s:%llu: %.*s", file,
			       (unsigned long long)line, SLICE_FMT(rest));
	return err_set(err, E_CONF, "%s:%zu: %s", file,
		       member_line(text, error), was.text);
}

static enum status read_all(struct slice text, struct manifest *m,
			    struct err *err)
{
	auto_json struct json *root = NULL;

	TRY(json_parse(text, &root, err));
	TRY(manifest_read_object(root, &top, m, err));
	return check_whole(m, err);
}

enum status manifest_parse(struct slice text, const char *file,
			   struct manifest **out, struct err *err)
{
	if (text.len > MANIFEST_MAX)
		return err_set(err, E_CONF,
			       "%s: expected at most %u bytes, found %zu", file,
			       MANIFEST_MAX, text.len);

	auto_manifest struct manifest *m = mem_must(sizeof(*m));
	m->text = buf_make(MANIFEST_MAX);
	m->lease_worker = WORKER_LEASE;
	m->client_exchange_ttl = EXCHANGE_TTL;
	buf_put(&m->text, text);
	TRY(buf_check(&m->text, file, err));
	manifest_digest(text, m->digest);
	if (read_all(text, m, err) != OK)
		return place(text, file, err);
	*out = take(m);
	return OK;
}
