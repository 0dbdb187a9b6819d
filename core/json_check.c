#include "core/json_check.h"

#include <stdlib.h>

#include "core/cleanup.h"

/* One name of an object that is still open. */
struct name {
	uint64_t hash;	  /* of the name without escapes */
	const uint8_t *p; /* between its quotes, as written */
	uint32_t len;
};

/* One open container. */
struct level {
	uint32_t first; /* index in names of its first */
	bool object;
};

struct checker {
	const uint8_t *p; /* the next byte */
	const uint8_t *end;
	struct slice text;
	size_t depth, max_depth;
	struct level levels[JSON_DEPTH_CEILING];
	struct name *names; /* of all open objects, the innermost last */
	size_t n_names, cap_names;
	size_t n_values, cap_values;
	struct json_places *places; /* NULL when nobody wants to know */
};

/* ---- failures ------------------------------------------------------------ */

size_t json_check_line(struct slice text, size_t offset)
{
	struct slice before = slice_sub(text, 0, offset);
	size_t line = 1;

	for (size_t i = 0; i < before.len; i++)
		line += before.p[i] == '\n';
	return line;
}

/* In characters, from 1. */
static size_t column_of(struct slice text, size_t offset)
{
	size_t column = 1;

	while (offset > 0 && text.p[offset - 1] != '\n') {
		offset--;
		column += (text.p[offset] & 0xc0) != 0x80;
	}
	return column;
}

static enum status fail_at(const struct checker *c, const uint8_t *at,
			   enum status code, const char *why, struct err *err)
{
	size_t offset = (size_t)(at - c->text.p);

	return err_set(err, code, "line %zu, column %zu: %s",
		       json_check_line(c->text, offset),
		       column_of(c->text, offset), why);
}

/* Expected something that is not here. */
static enum status fail(const struct checker *c, const char *why,
			struct err *err)
{
	if (c->p == c->end)
		why = "the text ends in the middle";
	return fail_at(c, c->p, E_PARSE, why, err);
}

/* ---- strings ------------------------------------------------------------- */

static bool in_range(uint8_t c, uint8_t low, uint8_t high)
{
	return c >= low && c <= high;
}

/* Table 3-7 of the Unicode standard: only the second byte has limits that
 * depend on the first. */
size_t json_check_utf8(struct slice s)
{
	uint8_t b = s.p[0];
	size_t n = b < 0x80   ? 1
		   : b < 0xc2 ? 0
		   : b < 0xe0 ? 2
		   : b < 0xf0 ? 3
		   : b < 0xf5 ? 4
			      : 0;

	if (n < 2)
		return n;
	if (s.len < n)
		return 0;

	uint8_t low = b == 0xe0 ? 0xa0 : b == 0xf0 ? 0x90 : 0x80;
	uint8_t high = b == 0xed ? 0x9f : b == 0xf4 ? 0x8f : 0xbf;
	if (!in_range(s.p[1], low, high))
		return 0;
	for (size_t i = 2; i < n; i++)
		if (!in_range(s.p[i], 0x80, 0xbf))
			return 0;
	return n;
}

#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

/* None of the eight bytes ends a string, begins an escape, is a control byte
 * or is not ASCII. */
static bool all_plain(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	uint64_t quote = w ^ EACH('"');
	uint64_t slash = w ^ EACH('\\');
	return (((quote - EACH(1)) | (slash - EACH(1)) | (w - EACH(0x20)) | w) &
		EACH(0x80)) == 0;
}

static bool is_plain(uint8_t c)
{
	return in_range(c, 0x20, 0x7f) && c != '"' && c != '\\';
}

static const uint8_t *skip_plain(const uint8_t *p, const uint8_t *end)
{
	while (end - p >= 8 && all_plain(p))
		p += 8;
	while (p < end && is_plain(*p))
		p++;
	return p;
}

static int hex_digit(uint8_t c)
{
	if (in_range(c, '0', '9'))
		return c - '0';
	if (in_range(c, 'a', 'f'))
		return c - 'a' + 10;
	if (in_range(c, 'A', 'F'))
		return c - 'A' + 10;
	return -1;
}

/* Four hex digits at p, or -1. */
static int32_t hex4(const uint8_t *p, const uint8_t *end)
{
	int32_t v = 0;

	if (end - p < 4)
		return -1;
	for (size_t i = 0; i < 4; i++) {
		int digit = hex_digit(p[i]);

		if (digit < 0)
			return -1;
		v = v << 4 | digit;
	}
	return v;
}

static bool is_high(int32_t unit)
{
	return unit >= 0xd800 && unit < 0xdc00;
}

static bool is_low(int32_t unit)
{
	return unit >= 0xdc00 && unit < 0xe000;
}

/* \uXXXX, with its second half where it is the first of a pair. */
static enum status take_unicode(struct checker *c, struct err *err)
{
	int32_t unit = hex4(c->p + 2, c->end);

	if (unit < 0)
		return fail_at(c, c->p, E_PARSE,
			       "expected four hex digits behind \\u", err);
	if (unit == 0)
		return fail_at(c, c->p, E_PARSE, "a NUL in a string", err);
	if (is_low(unit))
		return fail_at(c, c->p, E_PARSE, "half a surrogate pair", err);
	c->p += 6;
	if (!is_high(unit))
		return OK;

	bool pair = c->end - c->p >= 6 && c->p[0] == '\\' && c->p[1] == 'u' &&
		    is_low(hex4(c->p + 2, c->end));
	if (!pair)
		return fail(c, "half a surrogate pair", err);
	c->p += 6;
	return OK;
}

static enum status take_escape(struct checker *c, struct err *err)
{
	uint8_t what = c->end - c->p < 2 ? '\0' : c->p[1];

	if (what == 'u')
		return take_unicode(c, err);
	if (what == '\0' || strchr("\"\\/bfnrt", what) == NULL)
		return fail_at(c, c->p, E_PARSE, "an escape that JSON has not",
			       err);
	c->p += 2;
	return OK;
}

/* One character that is not plain: an escape or UTF-8. */
static enum status take_special(struct checker *c, struct err *err)
{
	struct slice rest = slice_make(c->p, (size_t)(c->end - c->p));

	if (*c->p == '\\')
		return take_escape(c, err);
	if (*c->p < 0x20)
		return fail(c, "a control byte in a string: escape it", err);

	size_t n = json_check_utf8(rest);
	if (n == 0)
		return fail(c, "a string that is not UTF-8", err);
	c->p += n;
	return OK;
}

/* A string whose opening quote is at p. */
static enum status take_string(struct checker *c, struct slice *body,
			       bool *escaped, struct err *err)
{
	const uint8_t *start = ++c->p;
	bool seen = false;

	for (;;) {
		c->p = skip_plain(c->p, c->end);
		if (c->p == c->end)
			return fail(c, "", err);
		if (*c->p == '"')
			break;
		seen = seen || *c->p == '\\';
		TRY(take_special(c, err));
	}
	*body = slice_make(start, (size_t)(c->p - start));
	*escaped = seen;
	c->p++;
	return OK;
}

/* ---- member names -------------------------------------------------------- */

/* Write a code point as UTF-8; returns its bytes. */
static size_t put_utf8(uint32_t v, uint8_t out[4])
{
	static const uint8_t mark[] = { 0, 0, 0xc0, 0xe0, 0xf0 };
	size_t n = v < 0x80 ? 1 : v < 0x800 ? 2 : v < 0x10000 ? 3 : 4;

	for (size_t i = n - 1; i > 0; i--, v >>= 6)
		out[i] = (uint8_t)(0x80 | (v & 0x3f));
	out[0] = (uint8_t)(mark[n == 1 ? 0 : n] | v);
	return n;
}

/* Take one character off a string that was checked, without its escape;
 * returns its bytes in out. */
static size_t next_char(struct slice *s, uint8_t out[4])
{
	static const char from[] = "bfnrt", to[] = "\b\f\n\r\t";
	const uint8_t *p = s->p;
	size_t used = 2;
	size_t n = 1;

	if (p[0] != '\\') {
		used = 1;
		out[0] = p[0];
	} else if (p[1] != 'u') {
		const char *at = strchr(from, p[1]);
		out[0] = at == NULL ? p[1] : (uint8_t)to[at - from];
	} else {
		uint32_t v = (uint32_t)hex4(p + 2, p + 6);
		bool pair = is_high((int32_t)v);

		if (pair)
			v = 0x10000 + ((v - 0xd800) << 10) +
			    (uint32_t)hex4(p + 8, p + 12) - 0xdc00;
		used = pair ? 12 : 6;
		n = put_utf8(v, out);
	}
	*s = slice_from(*s, used);
	return n;
}

/* FNV-1a, 64 bits.  It only sorts: names that are made to collide are told
 * apart by their bytes. */
#define FNV_START UINT64_C(0xcbf29ce484222325)
#define FNV_PRIME UINT64_C(0x100000001b3)

static uint64_t hash_more(uint64_t hash, const uint8_t *p, size_t n)
{
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ p[i]) * FNV_PRIME;
	return hash;
}

/* The bytes of a checked string, without its escapes, one after another. */
struct bytes {
	struct slice rest;
	uint8_t ch[4];
	size_t at, n; /* in ch */
};

static int next_byte(struct bytes *b)
{
	if (b->at == b->n) {
		if (b->rest.len == 0)
			return -1;
		b->n = next_char(&b->rest, b->ch);
		b->at = 0;
	}
	return b->ch[b->at++];
}

static uint64_t hash_name(struct slice body, bool escaped)
{
	struct bytes bytes = { .rest = body };
	uint64_t hash = FNV_START;

	if (!escaped)
		return hash_more(hash, body.p, body.len);
	for (int b = next_byte(&bytes); b >= 0; b = next_byte(&bytes))
		hash = hash_more(hash, &(uint8_t){ (uint8_t)b }, 1);
	return hash;
}

static int compare_bytes(const struct name *a, const struct name *b)
{
	struct bytes left = { .rest = slice_make(a->p, a->len) };
	struct bytes right = { .rest = slice_make(b->p, b->len) };
	int x, y;

	do {
		x = next_byte(&left);
		y = next_byte(&right);
	} while (x == y && x >= 0);
	return (x > y) - (x < y);
}

static int compare_names(const void *left, const void *right)
{
	const struct name *a = left, *b = right;

	if (a->hash != b->hash)
		return a->hash < b->hash ? -1 : 1;
	return compare_bytes(a, b);
}

/* Two equal names among n, or NULL: the later one in the text. */
static const uint8_t *find_twice(struct name *names, size_t n)
{
	qsort(names, n, sizeof(*names), compare_names);
	for (size_t i = 1; i < n; i++)
		if (compare_names(&names[i - 1], &names[i]) == 0)
			return names[i].p > names[i - 1].p ? names[i].p
							   : names[i - 1].p;
	return NULL;
}

/* The same without sorting, for the few names that most objects have. */
#define FEW 8

static const uint8_t *find_twice_of_few(const struct name *names, size_t n)
{
	for (size_t i = 1; i < n; i++)
		for (size_t k = 0; k < i; k++)
			if (names[i].hash == names[k].hash &&
			    compare_bytes(&names[i], &names[k]) == 0)
				return names[i].p;
	return NULL;
}

static enum status add_name(struct checker *c, struct slice body, bool escaped,
			    struct err *err)
{
	if (c->n_names == c->cap_names) {
		size_t cap = c->cap_names == 0 ? 32 : 2 * c->cap_names;
		void *names = mem_realloc(c->names, cap * sizeof(*c->names));

		if (names == NULL)
			return err_set(err, E_NOMEM, "no memory for JSON");
		c->names = names;
		c->cap_names = cap;
	}
	c->names[c->n_names++] = (struct name){
		.hash = hash_name(body, escaped),
		.p = body.p,
		.len = (uint32_t)body.len, /* within JSON_MAX_SIZE */
	};
	return OK;
}

/* ---- values -------------------------------------------------------------- */

static void skip_space(struct checker *c)
{
	while (c->p < c->end && (*c->p == ' ' || *c->p == '\n' ||
				 *c->p == '\r' || *c->p == '\t'))
		c->p++;
}

static bool take_byte(struct checker *c, uint8_t byte)
{
	skip_space(c);
	if (c->p == c->end || *c->p != byte)
		return false;
	c->p++;
	return true;
}

/* A name and its colon. */
static enum status take_name(struct checker *c, struct err *err)
{
	struct slice body;
	bool escaped;

	skip_space(c);
	if (c->p == c->end || *c->p != '"')
		return fail(c, "expected a member name in quotes", err);
	TRY(take_string(c, &body, &escaped, err));
	TRY(add_name(c, body, escaped, err));
	if (!take_byte(c, ':'))
		return fail(c, "expected a colon behind a member name", err);
	return OK;
}

static enum status open_level(struct checker *c, bool object, struct err *err)
{
	if (c->depth == c->max_depth)
		return fail_at(c, c->p, E_LIMIT, "nested too deeply", err);
	c->levels[c->depth++] = (struct level){
		.first = (uint32_t)c->n_names,
		.object = object,
	};
	c->p++;
	return OK;
}

static enum status close_level(struct checker *c, struct err *err)
{
	size_t first = c->levels[--c->depth].first;
	size_t n = c->n_names - first;
	const uint8_t *twice = NULL;

	if (n > FEW)
		twice = find_twice(c->names + first, n);
	else if (n > 1)
		twice = find_twice_of_few(c->names + first, n);
	if (twice != NULL)
		return fail_at(c, twice - 1, E_PARSE,
			       "a member name that was there before", err);
	c->n_names = first;
	return OK;
}

static size_t skip_digits(struct checker *c)
{
	const uint8_t *start = c->p;

	while (c->p < c->end && in_range(*c->p, '0', '9'))
		c->p++;
	return (size_t)(c->p - start);
}

static bool skip_either(struct checker *c, uint8_t a, uint8_t b)
{
	if (c->p == c->end || (*c->p != a && *c->p != b))
		return false;
	c->p++;
	return true;
}

/* Digits behind a point or in an exponent. */
static enum status want_digits(struct checker *c, struct err *err)
{
	return skip_digits(c) > 0 ? OK : fail(c, "expected a digit", err);
}

static enum status take_number(struct checker *c, struct err *err)
{
	const uint8_t *start = c->p;

	(void)skip_either(c, '-', '-');
	/* No digit may follow a leading zero; the caller sees that one. */
	if (!skip_either(c, '0', '0'))
		TRY(want_digits(c, err));
	if (skip_either(c, '.', '.'))
		TRY(want_digits(c, err));
	if (skip_either(c, 'e', 'E')) {
		(void)skip_either(c, '+', '-');
		TRY(want_digits(c, err));
	}
	if (c->p - start > JSON_MAX_NUMBER)
		return fail_at(c, start, E_LIMIT, "a number that is too long",
			       err);
	return OK;
}

static enum status take_word(struct checker *c, struct err *err)
{
	static const char *const words[] = { "true", "false", "null" };
	struct slice rest = slice_make(c->p, (size_t)(c->end - c->p));

	for (size_t i = 0; i < countof(words); i++)
		if (slice_starts(rest, slice_str(words[i]))) {
			c->p += strlen(words[i]);
			return OK;
		}
	return fail(c, "expected a value", err);
}

static enum status take_scalar(struct checker *c, struct err *err)
{
	struct slice body;
	bool escaped;

	if (*c->p == '"')
		return take_string(c, &body, &escaped, err);
	if (*c->p == '-' || in_range(*c->p, '0', '9'))
		return take_number(c, err);
	return take_word(c, err);
}

/* Count the value that begins at p, and note its place. */
static enum status note_value(struct checker *c, struct err *err)
{
	if (c->n_values == JSON_MAX_VALUES)
		return fail_at(c, c->p, E_LIMIT, "too many values", err);
	if (c->places == NULL) {
		c->n_values++;
		return OK;
	}
	if (c->n_values == c->cap_values) {
		size_t cap = c->cap_values == 0 ? 64 : 2 * c->cap_values;
		void *at = mem_realloc(c->places->at, cap * sizeof(uint32_t));

		if (at == NULL)
			return err_set(err, E_NOMEM, "no memory for JSON");
		c->places->at = at;
		c->cap_values = cap;
	}
	c->places->at[c->n_values++] = (uint32_t)(c->p - c->text.p);
	return OK;
}

/* A scalar, an empty container, or the head of one that is not empty: up to
 * where its first element begins, and then *more. */
static enum status take_value(struct checker *c, bool *more, struct err *err)
{
	skip_space(c);
	if (c->p == c->end)
		return fail(c, "", err);
	TRY(note_value(c, err));
	*more = false;
	if (*c->p != '{' && *c->p != '[')
		return take_scalar(c, err);

	bool object = *c->p == '{';
	TRY(open_level(c, object, err));
	if (take_byte(c, object ? '}' : ']'))
		return close_level(c, err);
	*more = true;
	return object ? take_name(c, err) : OK;
}

/* Behind a value: the ends of what ends here, then the comma (*more) or the
 * end of the text. */
static enum status take_after(struct checker *c, bool *more, struct err *err)
{
	while (c->depth > 0) {
		bool object = c->levels[c->depth - 1].object;

		if (take_byte(c, ',')) {
			*more = true;
			return object ? take_name(c, err) : OK;
		}
		if (!take_byte(c, object ? '}' : ']'))
			return fail(c,
				    object ? "expected a comma or }"
					   : "expected a comma or ]",
				    err);
		TRY(close_level(c, err));
	}
	skip_space(c);
	if (c->p != c->end)
		return fail(c, "expected nothing more", err);
	return OK;
}

static enum status check_text(struct checker *c, struct err *err)
{
	bool more = true;

	if (slice_starts(c->text, S("\xef\xbb\xbf")))
		return fail(c, "a byte order mark: save the text without", err);
	while (more) {
		TRY(take_value(c, &more, err));
		if (!more)
			TRY(take_after(c, &more, err));
	}
	return OK;
}

enum status json_check_places(struct slice text, size_t max_depth,
			      struct json_places *places, struct err *err)
{
	size_t depth = max_depth == 0 ? JSON_MAX_DEPTH : max_depth;

	if (text.len > JSON_MAX_SIZE)
		return err_set(err, E_LIMIT,
			       "JSON of %zu bytes, at most %u "
			       "are taken",
			       text.len, JSON_MAX_SIZE);
	if (text.len == 0)
		text = S(""); /* p may be NULL */

	struct checker c = {
		.p = text.p,
		.end = text.p + text.len,
		.text = text,
		.max_depth =
			depth < JSON_DEPTH_CEILING ? depth : JSON_DEPTH_CEILING,
		.places = places,
	};
	enum status status = check_text(&c, err);

	mem_free(c.names);
	if (places != NULL)
		places->n = c.n_values;
	return status;
}

enum status json_check(struct slice text, size_t max_depth, struct err *err)
{
	return json_check_places(text, max_depth, NULL, err);
}
