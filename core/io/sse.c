#include "core/io/sse.h"

/* Both words of eight bytes with c in each, and with the top bit in each. */
#define EACH(c) (UINT64_C(0x0101010101010101) * (c))
#define TOPS EACH(0x80)

/* Some byte of w is zero. */
static bool has_zero(uint64_t w)
{
	return ((w - EACH(1)) & ~w & TOPS) != 0;
}

static bool is_line_end(uint8_t c)
{
	return c == '\n' || c == '\r';
}

/* Index of the first CR or LF, or s.len.  Two searches by memchr would look
 * at all of a stream that has only one of them for each of its lines. */
static size_t find_line_end(struct slice s)
{
	size_t i = 0;

	for (; i + 8 <= s.len; i += 8) {
		uint64_t w;

		memcpy(&w, s.p + i, sizeof(w));
		if (has_zero(w ^ EACH('\n')) || has_zero(w ^ EACH('\r')))
			break;
	}
	while (i < s.len && !is_line_end(s.p[i]))
		i++;
	return i;
}

/* Bytes of the line end that begins at s: 1, or 2 for CRLF. */
static size_t line_end_len(struct slice s)
{
	return s.len >= 2 && s.p[0] == '\r' && s.p[1] == '\n' ? 2 : 1;
}

/* Take the rest of a line with its end, if that is there; true when the line
 * is empty and so ends an event. */
static bool take_line(struct sse_scan *scan, struct slice in, size_t *at)
{
	struct slice rest = slice_from(in, *at);
	size_t n = find_line_end(rest);
	bool empty = n == 0 && !scan->text;

	*at += n;
	scan->cr = false;
	scan->text = scan->text || n > 0;
	scan->open = scan->open || n > 0;
	if (n == rest.len)
		return false;

	*at += line_end_len(slice_from(rest, n));
	scan->text = false;
	scan->cr = in.p[*at - 1] == '\r';
	return empty;
}

enum status sse_scan_next(struct sse_scan *scan, struct slice in, size_t *used,
			  bool *end, struct err *err)
{
	struct sse_scan now = *scan;
	bool ended = false;
	size_t at = 0;

	if (now.cr && in.len > 0) {
		at = in.p[0] == '\n'; /* the rest of that line end */
		now.cr = false;
	}
	while (!ended && at < in.len)
		ended = take_line(&now, in, &at);

	if (at > now.max - now.size) {
		scan->size = scan->max; /* stays full: every call fails */
		return err_set(err, E_LIMIT, "an event of more than %zu bytes",
			       scan->max);
	}
	now.size = ended ? 0 : now.size + at;
	now.open = now.open && !ended;
	*scan = now;
	*used = at;
	*end = ended;
	return OK;
}

bool sse_scan_partial(const struct sse_scan *scan)
{
	return scan->open;
}

bool sse_next_field(struct slice *event, struct slice *name,
		    struct slice *value)
{
	while (event->len > 0 && is_line_end(event->p[0]))
		*event = slice_from(*event, 1);
	if (event->len == 0)
		return false;

	size_t n = find_line_end(*event);
	struct slice line = slice_sub(*event, 0, n);
	*event = slice_from(*event, n + 1); /* an LF behind CR is passed over */

	size_t colon = slice_find(line, ':');
	*name = slice_sub(line, 0, colon);
	*value = slice_from(line, colon + 1);
	if (value->len > 0 && value->p[0] == ' ')
		*value = slice_from(*value, 1);
	return true;
}
