#include "core/json.h"

#include <cjson/cJSON.h>
#include <inttypes.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/json_check.h"
#include "core/text.h"

/* The tree is cJSON's.  Ours lies over it, one node a value in document
 * order, since cJSON's has neither parents nor lengths nor exact integers.
 * So the first child of a container is the node behind it. */
struct json {
	struct json_tree *tree;
	const cJSON *item;
	const struct json *parent; /* NULL for the root */
	const struct json *next;   /* the next of the same parent, or NULL */
	struct slice str;	   /* of a string */
	uint64_t whole;		   /* of a number that is_whole */
	uint32_t count;		   /* children */
	uint32_t index;		   /* among its parent's */
	uint32_t at;		   /* where it begins in the text */
	enum json_kind kind;
	bool is_whole; /* a number of digits alone, below 2^64 */
};

struct json_tree {
	cJSON *items;
	char **paths; /* one a node, made when somebody asks; NULL before */
	size_t n;
	struct json nodes[];
};

/* ---- building ------------------------------------------------------------ */

static void *hook_alloc(size_t n)
{
	return mem_alloc(n);
}

static void hook_free(void *p)
{
	mem_free(p);
}

static void install_hooks(void)
{
	static bool done;
	cJSON_Hooks hooks = { .malloc_fn = hook_alloc, .free_fn = hook_free };

	if (done)
		return;
	cJSON_InitHooks(&hooks);
	done = true;
}

static enum json_kind kind_of(const cJSON *item)
{
	switch (item->type & 0xff) {
	case cJSON_False:
	case cJSON_True:
		return JSON_BOOL;
	case cJSON_Number:
		return JSON_NUMBER;
	case cJSON_String:
		return JSON_STRING;
	case cJSON_Array:
		return JSON_ARRAY;
	case cJSON_Object:
		return JSON_OBJECT;
	default:
		return JSON_NULL;
	}
}

/* The number at the front of text, which was checked. */
static struct slice number_text(struct slice text)
{
	size_t n = 0;

	while (n < text.len && text.p[n] != '\0' &&
	       strchr("0123456789+-.eE", text.p[n]) != NULL)
		n++;
	return slice_sub(text, 0, n);
}

struct builder {
	struct json_tree *tree;
	struct slice text;
	const struct json_places *places;
	size_t n; /* nodes made */
};

/* Make the nodes of item and of all in it; false when cJSON saw more values
 * than the checker.  As deep as the checker lets it be. */
static bool build(struct builder *b, const cJSON *item,
		  const struct json *parent, uint32_t index)
{
	if (b->n == b->tree->n)
		return false;

	uint32_t at = b->places->at[b->n];
	struct json *j = &b->tree->nodes[b->n++];
	*j = (struct json){
		.tree = b->tree,
		.item = item,
		.parent = parent,
		.index = index,
		.at = at,
		.kind = kind_of(item),
	};
	if (j->kind == JSON_STRING)
		j->str = slice_str(item->valuestring);
	if (j->kind == JSON_NUMBER)
		j->is_whole = slice_u64(number_text(slice_from(b->text, at)),
					&j->whole);

	struct json *last = NULL;
	for (const cJSON *c = item->child; c != NULL; c = c->next) {
		struct json *child = &b->tree->nodes[b->n];

		if (!build(b, c, j, j->count++))
			return false;
		if (last != NULL)
			last->next = child;
		last = child;
	}
	return true;
}

static void tree_free(struct json_tree *t)
{
	if (t == NULL)
		return;
	for (size_t i = 0; t->paths != NULL && i < t->n; i++)
		mem_free(t->paths[i]);
	mem_free(t->paths);
	cJSON_Delete(t->items);
	mem_free(t);
}

static void tree_freep(struct json_tree **t)
{
	tree_free(*t);
}

static enum status parse_checked(struct slice text,
				 const struct json_places *places,
				 struct json **out, struct err *err)
{
	size_t size = sizeof(struct json_tree) +
		      places->n * sizeof(struct json); /* n is capped */
	__attribute__((cleanup(tree_freep))) struct json_tree *t =
		mem_alloc(size);

	if (t == NULL)
		return err_set(err, E_NOMEM, "no memory for JSON");
	install_hooks();
	t->n = places->n;
	t->items = cJSON_ParseWithLengthOpts((const char *)text.p, text.len,
					     NULL, false);
	if (t->items == NULL)
		return err_set(err, E_NOMEM, "no memory for JSON");

	struct builder b = { .tree = t, .text = text, .places = places };
	if (!build(&b, t->items, NULL, 0) || b.n != t->n)
		return err_set(err, E_PARSE,
			       "JSON that the checker and the "
			       "parser read in two ways");
	*out = take(t)->nodes;
	return OK;
}

enum status json_parse(struct slice text, struct json **out, struct err *err)
{
	struct json_places places = { 0 };
	enum status status =
		json_check_places(text, JSON_MAX_DEPTH, &places, err);

	if (status == OK)
		status = parse_checked(text, &places, out, err);
	mem_free(places.at);
	return status;
}

void json_free(struct json *root)
{
	if (root != NULL)
		tree_free(root->tree);
}

struct slice json_span(struct slice text, const struct json *j)
{
	struct slice rest = slice_from(text, j->at);
	size_t depth = 0;
	bool in_string = false;

	if (j->kind != JSON_OBJECT && j->kind != JSON_ARRAY)
		return slice_sub(rest, 0, 0);
	for (size_t i = 0; i < rest.len; i++) {
		uint8_t c = rest.p[i];

		if (in_string && c == '\\')
			i++;
		else if (c == '"')
			in_string = !in_string;
		else if (!in_string && (c == '{' || c == '['))
			depth++;
		else if (!in_string && (c == '}' || c == ']') && --depth == 0)
			return slice_sub(rest, 0, i + 1);
	}
	return slice_sub(rest, 0, 0); /* not the text that was parsed */
}

const char *json_library(void)
{
	return cJSON_Version();
}

/* ---- paths --------------------------------------------------------------- */

static bool is_simple(struct slice name)
{
	static const char more[] = "-_/:@+";

	for (size_t i = 0; i < name.len; i++) {
		uint8_t c = name.p[i];
		bool alnum = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
			     (c >= '0' && c <= '9');

		if (!alnum && strchr(more, c) == NULL) /* c is not NUL */
			return false;
	}
	return name.len > 0;
}

static void put_step_name(struct buf *out, struct slice name, bool first)
{
	if (is_simple(name)) {
		buf_put_str(out, first ? "" : ".");
		buf_put(out, name);
		return;
	}
	buf_put_str(out, "[\"");
	text_escape(out, name);
	buf_put_str(out, "\"]");
}

/* What a node adds to its parent's path. */
static void put_step(struct buf *out, const struct json *j)
{
	if (j->parent->kind == JSON_ARRAY)
		buf_putf(out, "[%" PRIu32 "]", j->index);
	else
		put_step_name(out, json_name(j), j->parent->parent == NULL);
}

static void put_path(struct buf *out, const struct json *j)
{
	if (j->parent == NULL)
		return;
	put_path(out, j->parent);
	put_step(out, j);
}

/* The longest path there can be: each byte of its names as \xNN. */
#define PATH_MAX_LEN (5 * (size_t)JSON_MAX_SIZE)

const char *json_path(const struct json *j)
{
	struct json_tree *t = j->tree;
	char **slot;

	if (t->paths == NULL)
		t->paths = mem_calloc(t->n, sizeof(*t->paths));
	if (t->paths == NULL)
		return "?";
	slot = &t->paths[j - t->nodes];
	if (*slot != NULL)
		return *slot;

	auto_buf struct buf out = buf_make(PATH_MAX_LEN);
	put_path(&out, j);
	struct slice path = buf_slice(&out);
	*slot = out.bad ? NULL : mem_strdup((const char *)path.p, path.len);
	return *slot == NULL ? "?" : *slot;
}

/* The child of j that path leads to or through; *path is then behind it. */
static const struct json *follow(const struct json *j, struct slice *path)
{
	for (const struct json *c = json_first(j); c != NULL; c = c->next) {
		auto_buf struct buf step = buf_make(PATH_MAX_LEN);

		put_step(&step, c);
		struct slice rest = slice_from(*path, step.len);
		if (!step.bad && slice_starts(*path, buf_slice(&step)) &&
		    (rest.len == 0 || rest.p[0] == '.' || rest.p[0] == '[')) {
			*path = rest;
			return c;
		}
	}
	return NULL;
}

/* A member stands where its name does: on the same line as the end of that
 * name, which is before the colon. */
static size_t place_of(struct slice text, const struct json *j)
{
	size_t at = j->at;

	if (j->parent == NULL || j->parent->kind != JSON_OBJECT)
		return at;
	while (at > 0 && text.p[at - 1] != '"')
		at--;
	return at;
}

size_t json_line_of(struct slice text, const char *path)
{
	auto_json struct json *root = NULL;
	struct slice rest = slice_str(path);
	const struct json *j;
	struct err ignored; /* no text, no line */

	if (json_parse(text, &root, &ignored) != OK)
		return 0;
	j = root;
	while (j != NULL && rest.len > 0)
		j = follow(j, &rest);
	return j == NULL ? 0 : json_check_line(text, place_of(text, j));
}

/* ---- looking ------------------------------------------------------------- */

enum json_kind json_kind(const struct json *j)
{
	return j->kind;
}

const char *json_kind_name(enum json_kind k)
{
	static const char *const names[] = {
		[JSON_NULL] = "null",	    [JSON_BOOL] = "true or false",
		[JSON_NUMBER] = "a number", [JSON_STRING] = "a string",
		[JSON_ARRAY] = "an array",  [JSON_OBJECT] = "an object",
	};

	return names[k];
}

const struct json *json_first(const struct json *j)
{
	return j->count == 0 ? NULL : j + 1;
}

const struct json *json_next(const struct json *j)
{
	return j->next;
}

size_t json_count(const struct json *j)
{
	return j->count;
}

struct slice json_name(const struct json *member)
{
	return slice_str(member->item->string); /* NULL for all others */
}

const struct json *json_get(const struct json *obj, const char *name)
{
	if (obj->kind != JSON_OBJECT)
		return NULL;
	for (const struct json *c = json_first(obj); c != NULL; c = c->next)
		if (strcmp(c->item->string, name) == 0)
			return c;
	return NULL;
}

struct slice json_str(const struct json *j)
{
	return j->str;
}

bool json_bool(const struct json *j)
{
	return (j->item->type & 0xff) == cJSON_True;
}

/* ---- expecting ----------------------------------------------------------- */

/* How a path is called in a message. */
static const char *called(const char *path)
{
	return path[0] == '\0' ? "the whole text" : path;
}

static const char *where(const struct json *j)
{
	return called(json_path(j));
}

#define NEAR 2 /* edits that a slip of the pen may be away */

static const char *nearest(struct slice name, const char *const *names,
			   size_t n)
{
	const char *best = NULL;
	size_t best_distance = NEAR + 1;

	for (size_t i = 0; i < n; i++) {
		size_t distance = text_distance(name, slice_str(names[i]));

		if (distance < best_distance) {
			best_distance = distance;
			best = names[i];
		}
	}
	return best;
}

static bool is_listed(struct slice name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++)
		if (slice_eq_str(name, names[i]))
			return true;
	return false;
}

enum status json_only(const struct json *obj, const char *const *names,
		      size_t n, struct err *err)
{
	TRY(json_want(obj, JSON_OBJECT, err));
	for (const struct json *c = json_first(obj); c != NULL; c = c->next) {
		if (is_listed(json_name(c), names, n))
			continue;
		const char *near = nearest(json_name(c), names, n);
		if (near != NULL)
			return err_set(err, E_PARSE,
				       "%s: no such member; did you mean %s?",
				       where(c), near);
		return err_set(err, E_PARSE, "%s: no such member", where(c));
	}
	return OK;
}

enum status json_want(const struct json *j, enum json_kind kind,
		      struct err *err)
{
	if (j == NULL)
		return err_set(err, E_PARSE, "expected %s, found nothing",
			       json_kind_name(kind));
	if (j->kind != kind)
		return err_set(err, E_PARSE, "%s: expected %s, found %s",
			       where(j), json_kind_name(kind),
			       json_kind_name(j->kind));
	return OK;
}

enum status json_want_member(const struct json *obj, const char *name,
			     enum json_kind kind, const struct json **out,
			     struct err *err)
{
	TRY(json_want(obj, JSON_OBJECT, err));
	const struct json *j = json_get(obj, name);
	if (j == NULL)
		return err_set(err, E_PARSE, "%s%s%s: missing, expected %s",
			       json_path(obj), obj->parent == NULL ? "" : ".",
			       name, json_kind_name(kind));
	TRY(json_want(j, kind, err));
	*out = j;
	return OK;
}

enum status json_want_str(const struct json *obj, const char *name,
			  struct slice *out, struct err *err)
{
	const struct json *j;

	TRY(json_want_member(obj, name, JSON_STRING, &j, err));
	*out = j->str;
	return OK;
}

enum status json_want_bool(const struct json *obj, const char *name, bool *out,
			   struct err *err)
{
	const struct json *j;

	TRY(json_want_member(obj, name, JSON_BOOL, &j, err));
	*out = json_bool(j);
	return OK;
}

enum status json_u64(const struct json *j, uint64_t min, uint64_t max,
		     uint64_t *out, struct err *err)
{
	TRY(json_want(j, JSON_NUMBER, err));
	if (!j->is_whole)
		return err_set(err, E_PARSE,
			       "%s: expected a whole number from %" PRIu64
			       " to %" PRIu64 " in plain digits, found %g",
			       where(j), min, max, j->item->valuedouble);
	if (j->whole < min || j->whole > max)
		return err_set(err, E_PARSE,
			       "%s: expected a number from %" PRIu64
			       " to %" PRIu64 ", found %" PRIu64,
			       where(j), min, max, j->whole);
	*out = j->whole;
	return OK;
}

enum status json_want_u64(const struct json *obj, const char *name,
			  uint64_t min, uint64_t max, uint64_t *out,
			  struct err *err)
{
	const struct json *j;

	TRY(json_want_member(obj, name, JSON_NUMBER, &j, err));
	return json_u64(j, min, max, out, err);
}

enum status json_want_hex(const struct json *obj, const char *name,
			  uint8_t *out, size_t len, struct err *err)
{
	const struct json *j;

	TRY(json_want_member(obj, name, JSON_STRING, &j, err));
	return text_unhex(j->str, out, len, where(j), err);
}

enum status json_want_base64(const struct json *obj, const char *name,
			     struct buf *out, struct err *err)
{
	const struct json *j;

	TRY(json_want_member(obj, name, JSON_STRING, &j, err));
	return text_unbase64(j->str, out, where(j), err);
}
