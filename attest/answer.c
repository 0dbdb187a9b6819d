#include "attest/answer.h"

#include "attest/evidence.h"
#include "attest/keyset.h"
#include "core/cleanup.h"
#include "core/json.h"

void answer_init(struct answer *a)
{
	*a = (struct answer){ .bundle = buf_make(EVIDENCE_MAX),
			      .keys = buf_make(KEYSET_MAX),
			      .state = "" };
}

void answer_done(struct answer *a)
{
	buf_done(&a->bundle);
	buf_done(&a->keys);
	answer_init(a);
}

/* "manifest": null, or {"digest","generation","head"}. */
static enum status read_manifest_ref(struct answer *a, const struct json *j,
				     struct err *err)
{
	static const char *const names[] = { "digest", "generation", "head" };

	if (j == NULL || json_kind(j) == JSON_NULL)
		return OK;
	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, names, countof(names), err));
	TRY(json_want_hex(j, "digest", a->digest, 32, err));
	TRY(json_want_u64(j, "generation", 1, UINT32_MAX, &a->generation, err));
	TRY(json_want_hex(j, "head", a->head, 32, err));
	a->has_manifest = true;
	return OK;
}

static enum status read_log(struct answer *a, const struct json *j,
			    struct err *err)
{
	static const char *const names[] = { "root", "size" };

	TRY(json_only(j, names, countof(names), err));
	TRY(json_want_u64(j, "size", 0, 1ull << 53, &a->log_size, err));
	return json_want_hex(j, "root", a->log_root, 32, err);
}

static enum status read_state(struct answer *a, const struct json *root,
			      struct err *err)
{
	static const char *const states[] = { "uninitialized", "serving",
					      "sealed" };
	struct slice s;

	TRY(json_want_str(root, "state", &s, err));
	for (size_t i = 0; i < countof(states); i++)
		if (slice_eq_str(s, states[i]))
			a->state = states[i];
	if (a->state[0] == '\0')
		return err_set(err, E_PARSE,
			       "state: expected uninitialized, serving or "
			       "sealed");
	if (a->has_manifest != (strcmp(a->state, "serving") == 0))
		return err_set(err, E_PARSE, "state: expected %s, found %s",
			       a->has_manifest ? "serving, for it has a "
						 "manifest"
					       : "another, for it has no "
						 "manifest",
			       a->state);
	return OK;
}

static enum status read_all(struct answer *a, struct slice in, struct err *err)
{
	static const char *const names[] = { "bundle", "keys", "log",
					     "manifest", "state" };
	auto_json struct json *root = NULL;
	const struct json *bundle, *log;
	struct slice keys;

	TRY(json_parse(in, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_member(root, "bundle", JSON_OBJECT, &bundle, err));
	TRY(json_want_member(root, "log", JSON_OBJECT, &log, err));
	TRY(json_want_str(root, "keys", &keys, err));
	TRY(read_manifest_ref(a, json_get(root, "manifest"), err));
	TRY(read_state(a, root, err));
	TRY(read_log(a, log, err));

	buf_put(&a->bundle, json_span(in, bundle));
	buf_put(&a->keys, keys);
	TRY(buf_check(&a->bundle, "evidence bundle", err));
	return buf_check(&a->keys, "key set", err);
}

enum status answer_parse(struct slice in, struct answer *out, struct err *err)
{
	auto_answer struct answer a;

	answer_init(&a);
	TRY(read_all(&a, in, err));
	answer_done(out);
	*out = a;
	answer_init(&a); /* its buffers are out's now */
	return OK;
}
