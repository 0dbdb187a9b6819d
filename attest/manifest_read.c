#include "attest/manifest_read.h"

#include "core/cleanup.h"
#include "core/text.h"

#define SHOWN 40 /* characters of a string in an error */

/* What a node is, for an error: its value where that is short. */
static void describe(const struct json *j, struct buf *out)
{
	uint64_t number;
	struct err ignored; /* then it is described by its kind */

	switch (json_kind(j)) {
	case JSON_STRING:
		buf_put_str(out, "\"");
		text_escape(out, slice_sub(json_str(j), 0, SHOWN));
		buf_put_str(out, json_str(j).len > SHOWN ? "...\"" : "\"");
		return;
	case JSON_NUMBER:
		if (json_u64(j, 0, UINT64_MAX, &number, &ignored) == OK)
			buf_putf(out, "%llu", (unsigned long long)number);
		else
			buf_put_str(out, "another number");
		return;
	case JSON_BOOL:
		buf_put_str(out, json_bool(j) ? "true" : "false");
		return;
	case JSON_NULL:
	case JSON_ARRAY:
	case JSON_OBJECT:
		buf_put_str(out, json_count(j) == 0 && json_kind(j) != JSON_NULL
					 ? "an empty one"
					 : json_kind_name(json_kind(j)));
		return;
	}
}

enum status manifest_expected(const struct json *j, const char *what,
			      struct err *err)
{
	auto_buf struct buf found = buf_make(256);
	const char *path = json_path(j);

	describe(j, &found);
	const char *text = buf_cstr(&found);
	return err_set(err, E_CONF, "%s: expected %s, found %s",
		       path[0] == '\0' ? "the manifest" : path, what,
		       text == NULL ? "something else" : text);
}

static enum status no_memory(struct err *err)
{
	return err_set(err, E_NOMEM, "manifest: no memory");
}

enum status manifest_copy(struct slice s, char **to, struct err *err)
{
	char *copy = mem_strdup((const char *)s.p, s.len);

	if (copy == NULL)
		return no_memory(err);
	mem_free(*to);
	*to = copy;
	return OK;
}

/* ---- Objects ---- */

static enum status missing(const struct json *obj,
			   const struct manifest_row *row, struct err *err)
{
	const char *path = json_path(obj);

	return err_set(err, E_CONF, "%s%s%s: expected %s, found nothing", path,
		       path[0] == '\0' ? "" : ".", row->name, row->what);
}

static enum status check_known(const struct json *j,
			       const struct manifest_shape *shape,
			       struct err *err)
{
	const char *names[32];

	if (shape->n > countof(names))
		return no_memory(err);
	for (size_t i = 0; i < shape->n; i++)
		names[i] = shape->row[i].name;
	if (json_only(j, names, shape->n, err) == OK)
		return OK;
	err->code = E_CONF;
	return E_CONF;
}

enum status manifest_read_object(const struct json *j,
				 const struct manifest_shape *shape, void *base,
				 struct err *err)
{
	if (json_kind(j) != JSON_OBJECT)
		return manifest_expected(j, "an object", err);
	TRY(check_known(j, shape, err));
	for (size_t i = 0; i < shape->n; i++) {
		const struct manifest_row *row = &shape->row[i];
		const struct json *member = json_get(j, row->name);

		if (member == NULL && row->required)
			return missing(j, row, err);
		if (member != NULL)
			TRY(row->read(member, row, (uint8_t *)base + row->at,
				      err));
	}
	if (json_count(j) == 0)
		return manifest_expected(j, "an object with a member or more",
					 err);
	return OK;
}

enum status manifest_read_inner(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	return manifest_read_object(j, row->arg, to, err);
}

enum status manifest_alloc(const struct json *j, const char *what,
			   enum json_kind kind, size_t size, size_t *n,
			   void **items, struct err *err)
{
	if (json_kind(j) != kind || json_count(j) == 0)
		return manifest_expected(j, what, err);
	if (json_count(j) > MANIFEST_LIST_MAX)
		return err_set(err, E_CONF,
			       "%s: expected at most %d entries, found %zu",
			       json_path(j), MANIFEST_LIST_MAX, json_count(j));
	void *mem = mem_calloc(json_count(j), size);
	if (mem == NULL)
		return no_memory(err);
	*items = mem;
	*n = json_count(j);
	return OK;
}

/* ---- Values ---- */

enum status manifest_read_bool(const struct json *j,
			       const struct manifest_row *row, void *to,
			       struct err *err)
{
	if (json_kind(j) != JSON_BOOL)
		return manifest_expected(j, row->what, err);
	*(bool *)to = json_bool(j);
	return OK;
}

static enum status read_number(const struct json *j,
			       const struct manifest_row *row, uint64_t *out,
			       struct err *err)
{
	const struct manifest_range *range = row->arg;

	if (json_kind(j) != JSON_NUMBER ||
	    json_u64(j, range->min, range->max, out, err) != OK)
		return manifest_expected(j, row->what, err);
	return OK;
}

enum status manifest_read_u8(const struct json *j,
			     const struct manifest_row *row, void *to,
			     struct err *err)
{
	uint64_t v;

	TRY(read_number(j, row, &v, err));
	*(uint8_t *)to = (uint8_t)v;
	return OK;
}

enum status manifest_read_u32(const struct json *j,
			      const struct manifest_row *row, void *to,
			      struct err *err)
{
	uint64_t v;

	TRY(read_number(j, row, &v, err));
	*(uint32_t *)to = (uint32_t)v;
	return OK;
}

enum status manifest_read_u64(const struct json *j,
			      const struct manifest_row *row, void *to,
			      struct err *err)
{
	return read_number(j, row, to, err);
}

enum status manifest_read_text(const struct json *j,
			       const struct manifest_row *row, void *to,
			       struct err *err)
{
	const struct manifest_test *test = row->arg;

	if (json_kind(j) != JSON_STRING || !test->accepts(json_str(j)))
		return manifest_expected(j, row->what, err);
	return manifest_copy(json_str(j), to, err);
}

enum status manifest_read_word(const struct json *j,
			       const struct manifest_row *row, void *to,
			       struct err *err)
{
	const struct manifest_words *words = row->arg;

	for (size_t i = 0; i < words->n; i++)
		if (json_kind(j) == JSON_STRING &&
		    slice_eq_str(json_str(j), words->word[i])) {
			*(unsigned int *)to = (unsigned int)i;
			return OK;
		}
	return manifest_expected(j, row->what, err);
}

static enum status read_hex(const struct json *j,
			    const struct manifest_row *row, uint8_t *to,
			    size_t len, struct err *err)
{
	if (json_kind(j) != JSON_STRING ||
	    text_unhex(json_str(j), to, len, row->name, err) != OK)
		return manifest_expected(j, row->what, err);
	return OK;
}

enum status manifest_read_hex32(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	return read_hex(j, row, to, 32, err);
}

enum status manifest_read_hex16(const struct json *j,
				const struct manifest_row *row, void *to,
				struct err *err)
{
	return read_hex(j, row, to, 16, err);
}

enum status manifest_read_word64(const struct json *j,
				 const struct manifest_row *row, void *to,
				 struct err *err)
{
	uint8_t bytes[8];

	TRY(read_hex(j, row, bytes, sizeof(bytes), err));
	struct cursor c = cursor_make(slice_of(bytes));
	*(uint64_t *)to = cursor_u64be(&c);
	return OK;
}

enum status manifest_read_bit(const struct json *j,
			      const struct manifest_row *row, void *to,
			      struct err *err)
{
	const uint64_t *bit = row->arg;
	struct manifest_bits *bits = to;
	bool one;

	TRY(manifest_read_bool(j, row, &one, err));
	if (one)
		bits->set |= *bit;
	else
		bits->clear |= *bit;
	return OK;
}

enum status manifest_read_time(const struct json *j,
			       const struct manifest_row *row, void *to,
			       struct err *err)
{
	if (json_kind(j) != JSON_STRING ||
	    text_untime(json_str(j), to, err) != OK)
		return manifest_expected(j, row->what, err);
	return OK;
}

/* ---- Lists ---- */

static enum status twice(const struct json *j, struct err *err)
{
	return manifest_expected(j, "every entry once", err);
}

enum status manifest_read_strings(const struct json *j,
				  const struct manifest_row *row, void *to,
				  struct err *err)
{
	const struct manifest_list *rule = row->arg;
	struct manifest_strings *out = to;
	void *items;
	size_t n, i = 0;

	if (rule->may_be_empty && json_kind(j) == JSON_ARRAY &&
	    json_count(j) == 0)
		return OK;
	TRY(manifest_alloc(j, row->what, JSON_ARRAY, sizeof(*out->item), &n,
			   &items, err));
	*out = (struct manifest_strings){ n, items };
	for (const struct json *e = json_first(j); e != NULL;
	     e = json_next(e), i++) {
		struct manifest_strings before = { i, out->item };

		if (json_kind(e) != JSON_STRING || !rule->accepts(json_str(e)))
			return manifest_expected(e, rule->what, err);
		if (manifest_strings_have(&before, json_str(e)))
			return twice(e, err);
		TRY(manifest_copy(json_str(e), &out->item[i], err));
	}
	return OK;
}

static enum status read_digest(const struct json *j,
			       const struct manifest_lengths *rule,
			       struct manifest_digest *out, struct err *err)
{
	struct slice text = json_str(j);
	size_t len = text.len / 2;

	if (json_kind(j) != JSON_STRING || len == 0 ||
	    (len != rule->len && len != rule->or_len) ||
	    text_unhex(text, out->value, len, "", err) != OK)
		return manifest_expected(j, rule->what, err);
	out->len = (uint8_t)len;
	return OK;
}

enum status manifest_read_digests(const struct json *j,
				  const struct manifest_row *row, void *to,
				  struct err *err)
{
	const struct manifest_lengths *rule = row->arg;
	struct manifest_digests *out = to;
	void *items;
	size_t n, i = 0;

	TRY(manifest_alloc(j, row->what, JSON_ARRAY, sizeof(*out->item), &n,
			   &items, err));
	*out = (struct manifest_digests){ n, items };
	for (const struct json *e = json_first(j); e != NULL;
	     e = json_next(e), i++) {
		struct manifest_digests before = { i, out->item };
		struct manifest_digest *d = &out->item[i];

		TRY(read_digest(e, rule, d, err));
		if (manifest_digests_have(&before,
					  slice_make(d->value, d->len)))
			return twice(e, err);
	}
	return OK;
}

bool manifest_strings_have(const struct manifest_strings *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq_str(s, l->item[i]))
			return true;
	return false;
}

bool manifest_digests_have(const struct manifest_digests *l, struct slice s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq(s, slice_make(l->item[i].value, l->item[i].len)))
			return true;
	return false;
}

bool manifest_is_name(struct slice s)
{
	return text_is_name(s);
}

void manifest_strings_done(struct manifest_strings *l)
{
	for (size_t i = 0; i < l->n; i++)
		mem_free(l->item[i]);
	mem_free(l->item);
	*l = (struct manifest_strings){ 0 };
}

void manifest_digests_done(struct manifest_digests *l)
{
	mem_free(l->item);
	*l = (struct manifest_digests){ 0 };
}
