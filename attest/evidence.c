#include "attest/evidence.h"

#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

#define VERSION 1

static void texts_done(struct evidence_texts *t)
{
	for (size_t i = 0; i < t->n; i++) {
		mem_free(t->item[i].name);
		buf_done(&t->item[i].text);
	}
	mem_free(t->item);
	*t = (struct evidence_texts){ 0 };
}

static void gpu_done(struct evidence_gpu *g)
{
	mem_free(g->arch);
	buf_done(&g->report);
	buf_done(&g->chain);
	texts_done(&g->rims);
	for (size_t i = 0; i < g->n_ocsp; i++)
		buf_done(&g->ocsp[i]);
	mem_free(g->ocsp);
}

void evidence_init(struct evidence *e)
{
	*e = (struct evidence){
		.statement = buf_make(STATEMENT_MAX),
		.report = buf_make(EVIDENCE_REPORT_MAX),
	};
}

void evidence_done(struct evidence *e)
{
	buf_done(&e->statement);
	buf_done(&e->report);
	mem_free(e->tee);
	texts_done(&e->collateral);
	for (size_t i = 0; i < e->n_logs; i++)
		buf_done(&e->log[i]);
	mem_free(e->log);
	for (size_t i = 0; i < e->n_gpus; i++)
		gpu_done(&e->gpu[i]);
	mem_free(e->gpu);
	evidence_init(e);
}

/* A copy of a name of ours, over the old one. */
static enum status set_name(char **to, struct slice name, const char *what,
			    struct err *err)
{
	if (!text_is_name(name))
		return err_set(err, E_PARSE,
			       "%s: expected a name (a-z 0-9 . _ -), found "
			       "\"%.*s\"",
			       what, SLICE_FMT(slice_sub(name, 0, 64)));
	char *copy = mem_strdup((const char *)name.p, name.len);
	if (copy == NULL)
		return err_set(err, E_NOMEM, "%s: no memory", what);
	mem_free(*to);
	*to = copy;
	return OK;
}

enum status evidence_set_tee(struct evidence *e, const char *tee,
			     struct err *err)
{
	return set_name(&e->tee, slice_str(tee), "tee", err);
}

struct slice evidence_text(const struct evidence_texts *t, const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->item[i].name, name) == 0)
			return buf_slice(&t->item[i].text);
	return (struct slice){ 0 };
}

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (strcmp(name, names[i]) == 0)
			return true;
	return false;
}

const char *evidence_text_other(const struct evidence_texts *t,
				const char *const *names, size_t n)
{
	for (size_t i = 0; i < t->n; i++)
		if (!is_one_of(t->item[i].name, names, n))
			return t->item[i].name;
	return NULL;
}

enum status evidence_rename_text(struct evidence_texts *t, const char *from,
				 const char *to, struct err *err)
{
	if (evidence_text(t, to).len > 0)
		return err_set(err, E_CONFLICT, "%s: there is one already", to);
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->item[i].name, from) == 0)
			return set_name(&t->item[i].name, slice_str(to), from,
					err);
	return OK;
}

static enum status check_text(struct slice name, struct slice text,
			      struct err *err)
{
	if (text.len > EVIDENCE_TEXT_MAX)
		return err_set(err, E_LIMIT,
			       "%.*s: expected at most %u bytes, found %zu",
			       SLICE_FMT(name), EVIDENCE_TEXT_MAX, text.len);
	if (!text_is_utf8(text) || slice_find(text, '\0') < text.len)
		return err_set(err, E_PARSE,
			       "%.*s: expected text, found other bytes",
			       SLICE_FMT(name));
	return OK;
}

static bool texts_have(const struct evidence_texts *t, struct slice name)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq_str(name, t->item[i].name))
			return true;
	return false;
}

static enum status grow_texts(struct evidence_texts *t, struct err *err)
{
	if (t->n == EVIDENCE_COLLATERAL_MAX)
		return err_set(err, E_LIMIT,
			       "collateral: expected at most %d texts",
			       EVIDENCE_COLLATERAL_MAX);
	struct evidence_text *item =
		mem_realloc(t->item, (t->n + 1) * sizeof(*item));
	if (item == NULL)
		return err_set(err, E_NOMEM, "collateral: no memory");
	t->item = item;
	return OK;
}

enum status evidence_add_text(struct evidence_texts *t, struct slice name,
			      struct slice text, struct err *err)
{
	auto_mem char *copy = NULL;
	auto_buf struct buf bytes = buf_make(EVIDENCE_TEXT_MAX);

	TRY(set_name(&copy, name, "collateral", err));
	TRY(check_text(name, text, err));
	if (texts_have(t, name))
		return err_set(err, E_CONFLICT, "%s: there is one already",
			       copy);
	buf_put(&bytes, text);
	TRY(buf_check(&bytes, copy, err));
	TRY(grow_texts(t, err));
	t->item[t->n++] = (struct evidence_text){ take(copy), bytes };
	bytes = buf_make(0);
	return OK;
}

/* Add to a list of at most max elements of at most cap bytes. */
static enum status add_bytes(struct buf **list, size_t *n, size_t max,
			     size_t cap, const char *what, struct slice bytes,
			     struct err *err)
{
	if (bytes.len == 0)
		return err_set(err, E_PARSE, "%s: expected bytes, found none",
			       what);
	if (bytes.len > cap)
		return err_set(err, E_LIMIT,
			       "%s: expected at most %zu bytes, found %zu",
			       what, cap, bytes.len);
	if (*n == max)
		return err_set(err, E_LIMIT, "%s: expected at most %zu of them",
			       what, max);
	if (*list == NULL)
		*list = mem_must(max * sizeof(**list));
	struct buf *to = &(*list)[(*n)++];
	*to = buf_make(cap);
	buf_put(to, bytes);
	return buf_check(to, what, err);
}

enum status evidence_add_log(struct evidence *e, struct slice log,
			     struct err *err)
{
	return add_bytes(&e->log, &e->n_logs, EVIDENCE_LOGS_MAX,
			 EVIDENCE_LOG_MAX, "event log", log, err);
}

enum status evidence_add_ocsp(struct evidence_gpu *g, struct slice der,
			      struct err *err)
{
	return add_bytes(&g->ocsp, &g->n_ocsp, EVIDENCE_OCSP_MAX,
			 EVIDENCE_OCSP_LEN_MAX, "OCSP response", der, err);
}

static void write_texts(const struct evidence_texts *t, const char *name,
			struct json_out *w)
{
	json_open_object(w, name);
	for (size_t i = 0; i < t->n; i++)
		json_put_str(w, t->item[i].name, buf_slice(&t->item[i].text));
	json_close_object(w);
}

static void write_list(const struct buf *list, size_t n, const char *name,
		       struct json_out *w)
{
	json_open_array(w, name);
	for (size_t i = 0; i < n; i++)
		json_put_base64(w, NULL, buf_slice(&list[i]));
	json_close_array(w);
}

static void write_gpus(const struct evidence *e, struct json_out *w)
{
	json_open_array(w, "gpus");
	for (size_t i = 0; i < e->n_gpus; i++) {
		const struct evidence_gpu *g = &e->gpu[i];

		json_open_object(w, NULL);
		json_put_cstr(w, "arch", g->arch);
		json_put_base64(w, "report", buf_slice(&g->report));
		json_put_str(w, "chain", buf_slice(&g->chain));
		write_texts(&g->rims, "rims", w);
		if (g->n_ocsp > 0)
			write_list(g->ocsp, g->n_ocsp, "ocsp", w);
		json_close_object(w);
	}
	json_close_array(w);
}

static void write_bundle(const struct evidence *e, struct json_out *w)
{
	json_open_object(w, NULL);
	json_put_u64(w, "v", VERSION);
	json_put_str(w, "statement", buf_slice(&e->statement));
	json_put_cstr(w, "tee", e->tee);
	json_put_base64(w, "report", buf_slice(&e->report));
	write_texts(&e->collateral, "collateral", w);
	if (e->n_logs > 0)
		write_list(e->log, e->n_logs, "event_log", w);
	if (e->n_gpus > 0)
		write_gpus(e, w);
	json_close_object(w);
}

enum status evidence_write(const struct evidence *e, struct buf *out,
			   struct err *err)
{
	struct json_out w = { .buf = out };
	size_t before = out->len;

	TRY(buf_check(out, "evidence", err));
	if (e->tee == NULL || e->report.len == 0 || e->statement.len == 0)
		return err_set(err, E_PARSE,
			       "evidence: expected a statement, "
			       "a TEE and a report, found less");
	TRY(check_text(S("statement"), buf_slice(&e->statement), err));
	write_bundle(e, &w);
	if (!out->bad && out->len - before <= EVIDENCE_MAX)
		return OK;
	buf_cut(out, before);
	return err_set(err, E_LIMIT, "evidence: more than fits");
}

/* A required base64 member of 1 to max bytes. */
static enum status read_bytes(const struct json *obj, const char *name,
			      size_t max, struct buf *out, struct err *err)
{
	*out = buf_make(max);
	TRY(json_want_base64(obj, name, out, err));
	if (out->len > 0)
		return OK;
	return err_set(err, E_PARSE, "%s: expected bytes, found none", name);
}

/* A required string member of at most max bytes. */
static enum status read_text(const struct json *obj, const char *name,
			     size_t max, struct buf *out, struct err *err)
{
	struct slice text;

	*out = buf_make(max);
	TRY(json_want_str(obj, name, &text, err));
	buf_put(out, text);
	return buf_check(out, name, err);
}

static enum status read_name(const struct json *obj, const char *name,
			     char **out, struct err *err)
{
	struct slice text;

	TRY(json_want_str(obj, name, &text, err));
	return set_name(out, text, name, err);
}

static enum status read_texts(const struct json *obj, const char *name,
			      struct evidence_texts *out, struct err *err)
{
	const struct json *texts;

	TRY(json_want_member(obj, name, JSON_OBJECT, &texts, err));
	for (const struct json *t = json_first(texts); t != NULL;
	     t = json_next(t)) {
		TRY(json_want(t, JSON_STRING, err));
		TRY(evidence_add_text(out, json_name(t), json_str(t), err));
	}
	return OK;
}

/* Room for the elements of an optional list of 1 to max; none when the member
 * is not there.  *list has the node to walk, *mem zeroed elements. */
static enum status open_list(const struct json *obj, const char *name,
			     size_t max, size_t size, const struct json **list,
			     void **mem, struct err *err)
{
	*list = NULL;
	if (json_get(obj, name) == NULL)
		return OK;
	TRY(json_want_member(obj, name, JSON_ARRAY, list, err));
	size_t n = json_count(*list);
	if (n == 0)
		return err_set(err, E_PARSE,
			       "%s: expected something in it, found an empty "
			       "list",
			       name);
	if (n > max)
		return err_set(err, E_LIMIT,
			       "%s: expected at most %zu, found %zu", name, max,
			       n);
	*mem = mem_calloc(n, size);
	if (*mem == NULL)
		return err_set(err, E_NOMEM, "%s: no memory", name);
	return OK;
}

/* The first of a list that may not be there. */
static const struct json *first(const struct json *list)
{
	return list == NULL ? NULL : json_first(list);
}

/* An optional list of base64, 1 to max strings of 1 to len bytes each. */
static enum status read_list(const struct json *obj, const char *name,
			     size_t max, size_t len, struct buf **out,
			     size_t *n, struct err *err)
{
	const struct json *list;
	void *mem = NULL;

	TRY(open_list(obj, name, max, sizeof(**out), &list, &mem, err));
	*out = mem;
	for (const struct json *j = first(list); j != NULL; j = json_next(j)) {
		struct buf *to = &(*out)[(*n)++];

		*to = buf_make(len);
		TRY(json_want(j, JSON_STRING, err));
		TRY(text_unbase64(json_str(j), to, json_path(j), err));
		if (to->len == 0)
			return err_set(err, E_PARSE,
				       "%s: expected bytes, found none",
				       json_path(j));
	}
	return OK;
}

static enum status read_gpu(const struct json *j, struct evidence_gpu *g,
			    struct err *err)
{
	static const char *const names[] = { "arch", "report", "chain", "rims",
					     "ocsp" };

	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, names, countof(names), err));
	TRY(read_name(j, "arch", &g->arch, err));
	TRY(read_bytes(j, "report", EVIDENCE_REPORT_MAX, &g->report, err));
	TRY(read_text(j, "chain", EVIDENCE_TEXT_MAX, &g->chain, err));
	TRY(read_texts(j, "rims", &g->rims, err));
	return read_list(j, "ocsp", EVIDENCE_OCSP_MAX, EVIDENCE_OCSP_LEN_MAX,
			 &g->ocsp, &g->n_ocsp, err);
}

static enum status read_gpus(const struct json *root, struct evidence *e,
			     struct err *err)
{
	const struct json *list;
	void *mem = NULL;

	TRY(open_list(root, "gpus", EVIDENCE_GPUS_MAX, sizeof(*e->gpu), &list,
		      &mem, err));
	e->gpu = mem;
	for (const struct json *j = first(list); j != NULL; j = json_next(j))
		TRY(read_gpu(j, &e->gpu[e->n_gpus++], err));
	return OK;
}

static enum status read_bundle(const struct json *root, struct evidence *e,
			       struct err *err)
{
	static const char *const names[] = { "v",	   "statement",
					     "tee",	   "report",
					     "collateral", "event_log",
					     "gpus" };
	uint64_t version;

	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_u64(root, "v", VERSION, VERSION, &version, err));
	TRY(read_text(root, "statement", STATEMENT_MAX, &e->statement, err));
	TRY(read_name(root, "tee", &e->tee, err));
	TRY(read_bytes(root, "report", EVIDENCE_REPORT_MAX, &e->report, err));
	TRY(read_texts(root, "collateral", &e->collateral, err));
	TRY(read_list(root, "event_log", EVIDENCE_LOGS_MAX, EVIDENCE_LOG_MAX,
		      &e->log, &e->n_logs, err));
	return read_gpus(root, e, err);
}

enum status evidence_parse(struct slice in, struct evidence *out,
			   struct err *err)
{
	auto_json struct json *root = NULL;
	auto_evidence struct evidence e;

	evidence_init(&e);
	if (in.len > EVIDENCE_MAX)
		return err_set(err, E_LIMIT,
			       "evidence: expected at most %u bytes, found "
			       "%zu",
			       EVIDENCE_MAX, in.len);
	if (json_parse(in, &root, err) != OK ||
	    read_bundle(root, &e, err) != OK)
		return err_wrap(err, "evidence");
	*out = e;
	evidence_init(&e);
	return OK;
}
