#include "core/json.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/json_check.h"
#include "core/text.h"

/* ---- strings ------------------------------------------------------------- */

static bool is_plain(uint8_t c)
{
	return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

/* One character that may not stand as it is; returns its bytes in s. */
static size_t put_special(struct buf *out, struct slice s)
{
	static const char from[] = "\"\\\b\f\n\r\t", to[] = "\"\\bfnrt";
	uint8_t c = s.p[0];
	const char *at = c == '\0' ? NULL : strchr(from, c);
	size_t n = json_check_utf8(s);

	if (at != NULL)
		buf_putf(out, "\\%c", to[at - from]);
	else if (c < 0x20)
		buf_putf(out, "\\u%04x", c);
	else if (n > 0)
		buf_put(out, slice_sub(s, 0, n));
	else
		buf_put(out, S("\xef\xbf\xbd")); /* U+FFFD */
	return n == 0 ? 1 : n;
}

static void put_string(struct buf *out, struct slice s)
{
	buf_put_u8(out, '"');
	while (s.len > 0 && !out->bad) {
		size_t n = 0;

		while (n < s.len && is_plain(s.p[n]))
			n++;
		buf_put(out, slice_sub(s, 0, n));
		s = slice_from(s, n);
		if (s.len > 0)
			s = slice_from(s, put_special(out, s));
	}
	buf_put_u8(out, '"');
}

/* ---- values -------------------------------------------------------------- */

/* What comes before a value; the value itself comes next. */
static void put_name(struct json_out *w, const char *name)
{
	if (w->comma)
		buf_put_u8(w->buf, ',');
	w->comma = true;
	if (name == NULL)
		return;
	put_string(w->buf, slice_str(name));
	buf_put_u8(w->buf, ':');
}

static void put_plain(struct json_out *w, const char *name, const char *value)
{
	put_name(w, name);
	buf_put_str(w->buf, value);
}

void json_open_object(struct json_out *w, const char *name)
{
	put_plain(w, name, "{");
	w->comma = false;
}

void json_open_array(struct json_out *w, const char *name)
{
	put_plain(w, name, "[");
	w->comma = false;
}

void json_close_object(struct json_out *w)
{
	buf_put_u8(w->buf, '}');
	w->comma = true;
}

void json_close_array(struct json_out *w)
{
	buf_put_u8(w->buf, ']');
	w->comma = true;
}

void json_put_str(struct json_out *w, const char *name, struct slice s)
{
	put_name(w, name);
	put_string(w->buf, s);
}

void json_put_cstr(struct json_out *w, const char *name, const char *s)
{
	json_put_str(w, name, slice_str(s));
}

void json_put_u64(struct json_out *w, const char *name, uint64_t v)
{
	put_name(w, name);
	buf_putf(w->buf, "%" PRIu64, v);
}

void json_put_i64(struct json_out *w, const char *name, int64_t v)
{
	put_name(w, name);
	buf_putf(w->buf, "%" PRId64, v);
}

void json_put_bool(struct json_out *w, const char *name, bool v)
{
	put_plain(w, name, v ? "true" : "false");
}

void json_put_null(struct json_out *w, const char *name)
{
	put_plain(w, name, "null");
}

void json_put_hex(struct json_out *w, const char *name, struct slice s)
{
	put_plain(w, name, "\"");
	text_hex(w->buf, s);
	buf_put_u8(w->buf, '"');
}

void json_put_base64(struct json_out *w, const char *name, struct slice s)
{
	put_plain(w, name, "\"");
	text_base64(w->buf, s);
	buf_put_u8(w->buf, '"');
}

void json_put_raw(struct json_out *w, const char *name, struct slice json)
{
	put_name(w, name);
	buf_put(w->buf, json);
}

/* ---- for people ---------------------------------------------------------- */

static void break_line(struct buf *out, size_t depth)
{
	buf_put_u8(out, '\n');
	for (size_t i = 0; i < depth; i++)
		buf_put_u8(out, '\t');
}

/* The string at the front of s, with its quotes. */
static size_t string_len(struct slice s)
{
	size_t i = 1;

	while (i < s.len && s.p[i] != '"')
		i += s.p[i] == '\\' ? 2 : 1;
	return i + 1;
}

/* One byte outside strings; returns the depth behind it. */
static size_t indent_byte(struct buf *out, uint8_t c, bool empty, size_t depth)
{
	bool opens = c == '{' || c == '[';
	bool closes = c == '}' || c == ']';

	if (closes)
		depth--;
	if (closes && !empty)
		break_line(out, depth);
	buf_put_u8(out, c);
	if (c == ':')
		buf_put_u8(out, ' ');
	return opens ? depth + 1 : depth;
}

void json_indent(struct slice text, struct buf *out)
{
	size_t depth = 0;
	uint8_t last = '\0'; /* outside strings, without white space */

	while (text.len > 0 && !out->bad) {
		uint8_t c = text.p[0];
		size_t n = c == '"' ? string_len(text) : 1;
		bool space = c == ' ' || c == '\t' || c == '\n' || c == '\r';
		bool closes = c == '}' || c == ']';
		bool after_open = last == '{' || last == '[';

		if (!space && (last == ',' || (after_open && !closes)))
			break_line(out, depth);
		if (c == '"')
			buf_put(out, slice_sub(text, 0, n));
		else if (!space)
			depth = indent_byte(out, c, after_open, depth);
		if (!space)
			last = c;
		text = slice_from(text, n);
	}
	buf_put_u8(out, '\n');
}
