#include "core/json.h"
#include "test/fuzz/fuzz.h"

/* Write a tree out again, as deep as it may be. */
static void write_out(struct json_out *w, const struct json *j)
{
	struct slice name = json_name(j);
	auto_buf struct buf copy = buf_make(JSON_MAX_SIZE);
	struct err err;
	uint64_t number = 0;

	buf_put(&copy, name);
	const char *n = name.p == NULL ? NULL : buf_cstr(&copy);
	switch (json_kind(j)) {
	case JSON_NULL:
		json_put_null(w, n);
		return;
	case JSON_BOOL:
		json_put_bool(w, n, json_bool(j));
		return;
	case JSON_NUMBER:
		(void)json_u64(j, 0, UINT64_MAX, &number, &err);
		json_put_u64(w, n, number);
		return;
	case JSON_STRING:
		json_put_str(w, n, json_str(j));
		return;
	case JSON_ARRAY:
		json_open_array(w, n);
		break;
	case JSON_OBJECT:
		json_open_object(w, n);
		break;
	}
	for (const struct json *c = json_first(j); c != NULL; c = json_next(c))
		write_out(w, c);
	if (json_kind(j) == JSON_ARRAY)
		json_close_array(w);
	else
		json_close_object(w);
}

/* The same tree, but for numbers that are not plain integers. */
static void compare(const struct json *a, const struct json *b)
{
	require(json_kind(a) == json_kind(b));
	require(json_count(a) == json_count(b));
	require(slice_eq(json_name(a), json_name(b)));
	require(slice_eq(json_str(a), json_str(b)));
	require(json_bool(a) == json_bool(b));

	const struct json *d = json_first(b);
	for (const struct json *c = json_first(a); c != NULL;
	     c = json_next(c)) {
		compare(c, d);
		d = json_next(d);
	}
	require(d == NULL);
}

/* Checker and parser agree; a tree survives being written and read; each
 * member at the top is found by its path. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(data, size);
	auto_json struct json *root = NULL;
	auto_json struct json *again = NULL;
	struct err err;

	enum status checked = json_check(text, 0, &err);
	enum status parsed = json_parse(text, &root, &err);
	require(checked == parsed);
	if (parsed != OK)
		return 0;

	auto_buf struct buf out = buf_make(JSON_MAX_SIZE);
	struct json_out w = { .buf = &out };
	write_out(&w, root);
	require(!out.bad && json_parse(buf_slice(&out), &again, &err) == OK);
	compare(root, again);

	for (const struct json *c = json_first(root); c != NULL && size < 4096;
	     c = json_next(c))
		require(json_line_of(text, json_path(c)) > 0);
	return 0;
}
