#include "attest/keyset.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/json.h"
#include "core/text.h"

#define VERSION 1

void keyset_as_init(struct keyset_as *k)
{
	*k = (struct keyset_as){ .mesh_ca = buf_make(KEYSET_CERT_MAX) };
}

void keyset_as_done(struct keyset_as *k)
{
	for (size_t i = 0; i < k->n_groups; i++)
		buf_done(&k->group[i].ohttp);
	mem_free(k->group);
	buf_done(&k->mesh_ca);
	keyset_as_init(k);
}

void keyset_worker_init(struct keyset_worker *k)
{
	*k = (struct keyset_worker){ .tls = buf_make(KEYSET_CERT_MAX) };
}

void keyset_worker_done(struct keyset_worker *k)
{
	buf_done(&k->tls);
	keyset_worker_init(k);
}

/* Where the group is, or has to come to stay sorted. */
static size_t position(const struct keyset_as *k, const char *name, bool *there)
{
	size_t i = 0;

	while (i < k->n_groups && strcmp(k->group[i].name, name) < 0)
		i++;
	*there = i < k->n_groups && strcmp(k->group[i].name, name) == 0;
	return i;
}

/* Open a gap at i for a group that is not there. */
static enum status insert(struct keyset_as *k, size_t i, const char *name,
			  struct err *err)
{
	size_t size = sizeof(*k->group);

	if (k->n_groups == KEYSET_GROUPS_MAX)
		return err_set(err, E_LIMIT,
			       "key set: expected at most %d groups",
			       KEYSET_GROUPS_MAX);
	struct keyset_group *group =
		mem_realloc(k->group, (k->n_groups + 1) * size);
	if (group == NULL)
		return err_set(err, E_NOMEM, "key set: no memory");
	k->group = group;
	memmove(group + i + 1, group + i, (k->n_groups - i) * size);
	group[i] = (struct keyset_group){ .ohttp = buf_make(KEYSET_OHTTP_MAX) };
	memcpy(group[i].name, name, strlen(name) + 1);
	k->n_groups++;
	return OK;
}

enum status keyset_as_add(struct keyset_as *k, struct slice name,
			  struct slice ohttp, struct err *err)
{
	char text[sizeof(k->group->name)] = { 0 };
	bool there;

	if (!text_is_name(name) || name.len >= sizeof(text))
		return err_set(err, E_PARSE,
			       "key set: expected the name of a group, found "
			       "\"%.*s\"",
			       SLICE_FMT(slice_sub(name, 0, 64)));
	memcpy(text, name.p, name.len);
	if (ohttp.len == 0)
		return err_set(err, E_PARSE,
			       "key set: group %s: expected keys, found none",
			       text);
	if (ohttp.len > KEYSET_OHTTP_MAX)
		return err_set(err, E_LIMIT,
			       "key set: group %s: expected at most %d bytes "
			       "of keys, found %zu",
			       text, KEYSET_OHTTP_MAX, ohttp.len);

	size_t i = position(k, text, &there);
	if (!there)
		TRY(insert(k, i, text, err));
	buf_clear(&k->group[i].ohttp);
	buf_put(&k->group[i].ohttp, ohttp);
	return buf_check(&k->group[i].ohttp, "key set", err);
}

struct slice keyset_as_ohttp(const struct keyset_as *k, struct slice name)
{
	for (size_t i = 0; i < k->n_groups; i++)
		if (slice_eq_str(name, k->group[i].name))
			return buf_slice(&k->group[i].ohttp);
	return (struct slice){ 0 };
}

/* Check what was appended since `before`; take it back when it is too much. */
static enum status finish(struct buf *out, size_t before, struct err *err)
{
	if (!out->bad && out->len - before <= KEYSET_MAX)
		return OK;
	buf_cut(out, before);
	return err_set(err, E_LIMIT, "key set: more than fits");
}

enum status keyset_as_write(const struct keyset_as *k, struct buf *out,
			    struct err *err)
{
	struct json_out w = { .buf = out };
	size_t before = out->len;

	TRY(buf_check(out, "key set", err));
	json_open_object(&w, NULL);
	json_put_hex(&w, "hpke", slice_of(k->hpke));
	if (k->mesh_ca.len > 0)
		json_put_base64(&w, "mesh_ca", buf_slice(&k->mesh_ca));
	json_open_object(&w, "ohttp");
	for (size_t i = 0; i < k->n_groups; i++)
		json_put_base64(&w, k->group[i].name,
				buf_slice(&k->group[i].ohttp));
	json_close_object(&w);
	json_put_u64(&w, "v", VERSION);
	json_close_object(&w);
	return finish(out, before, err);
}

enum status keyset_worker_write(const struct keyset_worker *k, struct buf *out,
				struct err *err)
{
	struct json_out w = { .buf = out };
	size_t before = out->len;

	TRY(buf_check(out, "key set", err));
	if (k->tls.len == 0)
		return err_set(err, E_PARSE,
			       "key set: tls: expected a key, found none");
	json_open_object(&w, NULL);
	json_put_hex(&w, "hpke", slice_of(k->hpke));
	json_put_base64(&w, "tls", buf_slice(&k->tls));
	json_put_u64(&w, "v", VERSION);
	json_close_object(&w);
	return finish(out, before, err);
}

/* Parse and check what both sets have: known members, hpke, v. */
static enum status open_set(struct slice in, const char *const *names, size_t n,
			    struct json **root, uint8_t hpke[32],
			    struct err *err)
{
	auto_json struct json *j = NULL;
	uint64_t version;

	if (in.len > KEYSET_MAX)
		return err_set(err, E_LIMIT,
			       "expected at most %u bytes, found "
			       "%zu",
			       KEYSET_MAX, in.len);
	TRY(json_parse(in, &j, err));
	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, names, n, err));
	TRY(json_want_u64(j, "v", VERSION, VERSION, &version, err));
	TRY(json_want_hex(j, "hpke", hpke, 32, err));
	*root = take(j);
	return OK;
}

static enum status read_group(struct keyset_as *k, const struct json *member,
			      struct err *err)
{
	auto_buf struct buf ohttp = buf_make(KEYSET_OHTTP_MAX);

	TRY(json_want(member, JSON_STRING, err));
	TRY(text_unbase64(json_str(member), &ohttp, json_path(member), err));
	return keyset_as_add(k, json_name(member), buf_slice(&ohttp), err);
}

static enum status read_as(struct slice in, struct keyset_as *k,
			   struct err *err)
{
	static const char *const names[] = { "hpke", "mesh_ca", "ohttp", "v" };
	auto_json struct json *root = NULL;
	const struct json *groups;

	TRY(open_set(in, names, countof(names), &root, k->hpke, err));
	if (json_get(root, "mesh_ca") != NULL)
		TRY(json_want_base64(root, "mesh_ca", &k->mesh_ca, err));
	TRY(json_want_member(root, "ohttp", JSON_OBJECT, &groups, err));
	for (const struct json *g = json_first(groups); g != NULL;
	     g = json_next(g))
		TRY(read_group(k, g, err));
	return OK;
}

static enum status read_worker(struct slice in, struct keyset_worker *k,
			       struct err *err)
{
	static const char *const names[] = { "hpke", "tls", "v" };
	auto_json struct json *root = NULL;

	TRY(open_set(in, names, countof(names), &root, k->hpke, err));
	return json_want_base64(root, "tls", &k->tls, err);
}

static enum status check_canonical(struct slice in, const struct buf *again,
				   struct err *err)
{
	if (slice_eq(in, buf_slice(again)))
		return OK;
	return err_set(err, E_PARSE,
		       "key set: expected the canonical form (members and "
		       "groups in order, no white space), found another");
}

enum status keyset_as_parse(struct slice in, struct keyset_as *out,
			    struct err *err)
{
	auto_buf struct buf again = buf_make(KEYSET_MAX);
	auto_keyset_as struct keyset_as k;

	keyset_as_init(&k);
	if (read_as(in, &k, err) != OK)
		return err_wrap(err, "key set");
	TRY(keyset_as_write(&k, &again, err));
	TRY(check_canonical(in, &again, err));
	*out = k;
	keyset_as_init(&k);
	return OK;
}

enum status keyset_worker_parse(struct slice in, struct keyset_worker *out,
				struct err *err)
{
	auto_buf struct buf again = buf_make(KEYSET_MAX);
	auto_keyset_worker struct keyset_worker k;

	keyset_worker_init(&k);
	if (read_worker(in, &k, err) != OK)
		return err_wrap(err, "key set");
	TRY(keyset_worker_write(&k, &again, err));
	TRY(check_canonical(in, &again, err));
	*out = k;
	keyset_worker_init(&k);
	return OK;
}

void keyset_digest(struct slice text, uint8_t out[static 32])
{
	sha256(text, out);
}
