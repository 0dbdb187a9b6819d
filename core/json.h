/* Strict JSON in, exact JSON out.
 *
 * Reading: RFC 8259 and no more: valid UTF-8, no BOM, no duplicate member
 * names (after unescaping), no trailing bytes, no lone surrogates, no NUL in
 * a string, depth, size and number of values capped, integers only where
 * integers are asked for (no point, exponent or sign) and exact to 64 bits.
 * Member names are case-sensitive.  cJSON builds the tree; every check that
 * it does not make is made before it sees a byte.
 *
 * Every json_want_* error names the member by its whole path, such as
 * policies.as.vmpl, what was expected and what was found. */
#ifndef CONFD_CORE_JSON_H
#define CONFD_CORE_JSON_H

#include "core/buf.h"

#define JSON_MAX_DEPTH 32
#define JSON_DEPTH_CEILING 256	   /* the most one can ask json_check() for */
#define JSON_MAX_SIZE (16u << 20)  /* bytes */
#define JSON_MAX_VALUES (1u << 18) /* bounds the memory of a tree */
#define JSON_MAX_NUMBER 63	   /* characters; cJSON reads no more */

struct json; /* one node; belongs to its root */

enum json_kind {
	JSON_NULL,
	JSON_BOOL,
	JSON_NUMBER,
	JSON_STRING,
	JSON_ARRAY,
	JSON_OBJECT
};

/* Check only, without building anything: the same verdict as json_parse.
 * max_depth of 0 means JSON_MAX_DEPTH; more than JSON_DEPTH_CEILING is as
 * much as that. */
enum status json_check(struct slice text, size_t max_depth, struct err *err);

/* Parse; the root owns everything and copies what it needs from text.
 * E_PARSE or E_LIMIT, with line and column (in characters) but nothing of
 * what stands there; E_NOMEM. */
enum status json_parse(struct slice text, struct json **out, struct err *err);
void json_free(struct json *root);
static inline void json_freep(struct json **j)
{
	json_free(*j);
}
#define auto_json __attribute__((cleanup(json_freep)))

enum json_kind json_kind(const struct json *j);
const char *json_kind_name(enum json_kind k); /* "a string", "an object" */

/* The path of a node from its root ("" for the root), until json_free:
 * policies.as.vmpl, workers.llama.images[2].  A name that is not letters,
 * digits, - _ / : @ + alone is written as ["a name"]. */
const char *json_path(const struct json *j);

/* Line (from 1) in text where the member of this path stands; 0 when it is
 * not there.  For error messages about files. */
size_t json_line_of(struct slice text, const char *path);

/* Member of an object, or NULL. */
const struct json *json_get(const struct json *obj, const char *name);

/* Walk an array or object in document order; NULL at the end. */
const struct json *json_first(const struct json *j);
const struct json *json_next(const struct json *j);
size_t json_count(const struct json *j);

/* Name of a member of an object; empty for others. */
struct slice json_name(const struct json *member);

/* Values; only for nodes of the kind (otherwise empty, false). */
struct slice json_str(const struct json *j);
bool json_bool(const struct json *j);

/* The bytes of an object or array as they stand in text, which must be the
 * one that was parsed; empty for other kinds. */
struct slice json_span(struct slice text, const struct json *j);

/* ---- What was expected.  Each of these fails with E_PARSE. ---- */

/* Refuse members of obj that are not in names (suggesting the near one). */
enum status json_only(const struct json *obj, const char *const *names,
		      size_t n, struct err *err);

/* Node of a kind: checks j itself (NULL is refused as missing). */
enum status json_want(const struct json *j, enum json_kind kind,
		      struct err *err);

/* Required members. */
enum status json_want_member(const struct json *obj, const char *name,
			     enum json_kind kind, const struct json **out,
			     struct err *err);
enum status json_want_str(const struct json *obj, const char *name,
			  struct slice *out, struct err *err);
enum status json_want_u64(const struct json *obj, const char *name,
			  uint64_t min, uint64_t max, uint64_t *out,
			  struct err *err);
enum status json_want_bool(const struct json *obj, const char *name, bool *out,
			   struct err *err);

/* A string member of exactly 2 * len lower-case hex characters. */
enum status json_want_hex(const struct json *obj, const char *name,
			  uint8_t *out, size_t len, struct err *err);

/* A string member of padded base64, decoded. */
enum status json_want_base64(const struct json *obj, const char *name,
			     struct buf *out, struct err *err);

/* The integer value of a number node. */
enum status json_u64(const struct json *j, uint64_t min, uint64_t max,
		     uint64_t *out, struct err *err);

/* Writing.  Values follow one another; commas are put where they belong.
 * Strings must be UTF-8; what is not is written as U+FFFD. */
struct json_out {
	struct buf *buf; /* where it goes; its cap and fault apply */
	bool comma;	 /* private */
};

void json_open_object(struct json_out *w, const char *name);
void json_open_array(struct json_out *w, const char *name);
void json_close_object(struct json_out *w);
void json_close_array(struct json_out *w);

/* name NULL for elements of arrays and the root. */
void json_put_str(struct json_out *w, const char *name, struct slice s);
void json_put_cstr(struct json_out *w, const char *name, const char *s);
void json_put_u64(struct json_out *w, const char *name, uint64_t v);
void json_put_i64(struct json_out *w, const char *name, int64_t v);
void json_put_bool(struct json_out *w, const char *name, bool v);
void json_put_null(struct json_out *w, const char *name);
void json_put_hex(struct json_out *w, const char *name, struct slice s);
void json_put_base64(struct json_out *w, const char *name, struct slice s);
/* Version of cJSON, for --version. */
const char *json_library(void);

/* Append a text that json_check() takes with line breaks and tabs, for people
 * to read and edit. */
void json_indent(struct slice text, struct buf *out);

/* Already JSON: copied as it is. */
void json_put_raw(struct json_out *w, const char *name, struct slice json);

#endif
