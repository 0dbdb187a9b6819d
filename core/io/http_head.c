#include "core/io/http_head.h"

#define METHOD_MAX 32 /* letters */
#define VERSION_LEN 8 /* "HTTP/1.1" */

/* ---- what bytes may be where --------------------------------------------- */

static bool is_upper(uint8_t c)
{
	return c >= 'A' && c <= 'Z';
}

static bool is_digit(uint8_t c)
{
	return c >= '0' && c <= '9';
}

static bool is_alnum(uint8_t c)
{
	return is_upper(c) || (c >= 'a' && c <= 'z') || is_digit(c);
}

static bool is_one_of(uint8_t c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

/* tchar of RFC 9110 section 5.6.2, a bit a byte: !#$%&'*+-. and digits;
 * letters, ^ and _; letters, `, | and ~. */
static const uint32_t token_bits[8] = {
	0,
	0x03ff6cfa,
	0xc7fffffe,
	0x57ffffff,
};

bool http_is_token(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if ((token_bits[s.p[i] >> 5] >> (s.p[i] & 31) & 1) == 0)
			return false;
	return s.len > 0;
}

#define EACH(c) (UINT64_C(0x0101010101010101) * (c))

/* None of eight bytes is below 0x20 or is 0x7f. */
static bool all_visible(const uint8_t *p)
{
	uint64_t w;

	memcpy(&w, p, sizeof(w));
	uint64_t del = w ^ EACH(0x7f);
	uint64_t bad = ((w - EACH(0x20)) & ~w) | ((del - EACH(1)) & ~del);
	return (bad & EACH(0x80)) == 0;
}

bool http_is_value(struct slice s)
{
	size_t i = 0;

	while (i < s.len) {
		if (s.len - i >= 8 && all_visible(s.p + i)) {
			i += 8;
			continue;
		}
		if ((s.p[i] < 0x20 && s.p[i] != '\t') || s.p[i] == 0x7f)
			return false;
		i++;
	}
	return true;
}

bool http_is_method(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_upper(s.p[i]))
			return false;
	return s.len > 0 && s.len <= METHOD_MAX;
}

bool http_is_target(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (s.p[i] <= 0x20 || s.p[i] >= 0x7f || s.p[i] == '#')
			return false;
	return s.len > 0 && s.len <= HTTP_MAX_TARGET && s.p[0] == '/';
}

/* uri-host and port of RFC 3986: no user, path, space or comma list. */
static bool is_host(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (!is_alnum(s.p[i]) &&
		    !is_one_of(s.p[i], "-._~:[]%!$&'()*+;="))
			return false;
	return s.len > 0;
}

/* ---- looking into a head ------------------------------------------------- */

struct slice http_head_get(const struct http_head *head, const char *name)
{
	struct slice want = slice_str(name);

	for (size_t i = 0; i < head->n; i++)
		if (slice_eq_nocase(head->h[i].name, want))
			return head->h[i].value;
	return slice_make(NULL, 0);
}

size_t http_head_count(const struct http_head *head, const char *name)
{
	struct slice want = slice_str(name);
	size_t n = 0;

	for (size_t i = 0; i < head->n; i++)
		n += slice_eq_nocase(head->h[i].name, want);
	return n;
}

static bool list_has(struct slice list, struct slice token)
{
	struct slice part;

	while (slice_split(&list, ',', &part))
		if (slice_eq_nocase(slice_trim(part), token))
			return true;
	return false;
}

bool http_head_list_has(const struct http_head *head, const char *name,
			const char *token)
{
	struct slice want = slice_str(name);

	for (size_t i = 0; i < head->n; i++)
		if (slice_eq_nocase(head->h[i].name, want) &&
		    list_has(head->h[i].value, slice_str(token)))
			return true;
	return false;
}

enum status http_head_bad(struct http_head_reader *r, unsigned status,
			  const char *why, struct err *err)
{
	bool large = status == 413 || status == 414 || status == 431;

	r->status = status;
	return err_set(err, large ? E_LIMIT : E_PARSE, "http %s: %s",
		       r->response ? "response" : "request", why);
}

/* ---- the start line ------------------------------------------------------ */

/* "HTTP/1.0" or "HTTP/1.1". */
static enum status parse_version(struct http_head_reader *r, struct slice s,
				 struct err *err)
{
	bool form = s.len == VERSION_LEN && slice_starts(s, S("HTTP/")) &&
		    is_digit(s.p[5]) && s.p[6] == '.' && is_digit(s.p[7]);

	if (!form)
		return http_head_bad(
			r, 400, "expected HTTP/1.1 in the first line", err);
	if (s.p[5] != '1' || s.p[7] > '1')
		return http_head_bad(
			r, 505,
			"a version that is neither HTTP/1.1 nor HTTP/1.0", err);
	r->head->minor = s.p[7] == '1';
	return OK;
}

static enum status parse_request_line(struct http_head_reader *r,
				      struct slice line, struct err *err)
{
	struct slice rest = line;
	struct slice method = { 0 }, target = { 0 };

	(void)slice_split(&rest, ' ', &method); /* all of it, without one */
	if (!http_is_method(method))
		return http_head_bad(
			r, 400, "expected a method of upper-case letters", err);
	(void)slice_split(&rest, ' ', &target);
	TRY(parse_version(r, rest, err));
	if (target.len > HTTP_MAX_TARGET)
		return http_head_bad(r, 414, "the target is too long", err);
	if (!http_is_target(target))
		return http_head_bad(
			r, 400,
			"expected a target of printable ASCII from / on", err);
	r->head->method = method;
	r->head->target = target;
	return OK;
}

/* "HTTP/1.1 200 Reason": the space before an empty reason is not optional. */
static enum status parse_status_line(struct http_head_reader *r,
				     struct slice line, struct err *err)
{
	struct slice code = slice_sub(line, VERSION_LEN + 1, 3);
	struct slice reason = slice_from(line, VERSION_LEN + 5);
	uint64_t status;

	TRY(parse_version(r, slice_sub(line, 0, VERSION_LEN), err));
	if (line.len < VERSION_LEN + 5 || line.p[VERSION_LEN] != ' ' ||
	    line.p[VERSION_LEN + 4] != ' ' || !slice_u64(code, &status))
		return http_head_bad(
			r, 400, "expected ' 200 ' or such behind the version",
			err);
	if (status < 100 || status > 599)
		return http_head_bad(r, 400, "a status outside 100 to 599",
				     err);
	if (!http_is_value(reason))
		return http_head_bad(r, 400, "a control byte in the reason",
				     err);
	r->head->status = (unsigned)status;
	r->head->reason = reason;
	return OK;
}

enum status http_head_start(struct http_head_reader *r, struct slice line,
			    struct err *err)
{
	return r->response ? parse_status_line(r, line, err)
			   : parse_request_line(r, line, err);
}

/* ---- header lines -------------------------------------------------------- */

enum status http_head_line(struct http_head_reader *r, struct slice line,
			   struct http_header *out, struct err *err)
{
	size_t colon = slice_find(line, ':');
	struct http_header h = {
		.name = slice_sub(line, 0, colon),
		.value = slice_trim(slice_from(line, colon + 1)),
	};

	if (line.len > 0 && is_one_of(line.p[0], " \t"))
		return http_head_bad(
			r, 400, "a header line that begins with white space",
			err);
	if (colon == line.len)
		return http_head_bad(r, 400, "a header line without a colon",
				     err);
	if (!http_is_token(h.name))
		return http_head_bad(
			r, 400,
			"expected a header name with a colon right behind",
			err);
	if (!http_is_value(h.value))
		return http_head_bad(r, 400, "a control byte in a header value",
				     err);
	*out = h;
	return OK;
}

/* Take a line without its CRLF; *line is empty at the end of the head. */
static enum status next_line(struct http_head_reader *r, struct slice *rest,
			     struct slice *line, struct err *err)
{
	struct slice l = { 0 };

	(void)slice_split(rest, '\n', &l);
	if (l.len == 0 || l.p[l.len - 1] != '\r')
		return http_head_bad(r, 400, "a line that does not end in CRLF",
				     err);
	*line = slice_sub(l, 0, l.len - 1);
	return OK;
}

static enum status parse_headers(struct http_head_reader *r, struct slice lines,
				 struct err *err)
{
	struct http_head *head = r->head;
	struct slice line;

	for (;;) {
		TRY(next_line(r, &lines, &line, err));
		if (line.len == 0)
			return OK;
		if (head->n == HTTP_MAX_HEADERS)
			return http_head_bad(r, 431, "too many headers", err);
		TRY(http_head_line(r, line, &head->h[head->n], err));
		head->n++;
	}
}

/* ---- what the headers mean for the framing ------------------------------- */

struct framing {
	bool chunked;
	bool has_length;
	uint64_t length;
};

static enum status parse_encoding(struct http_head_reader *r, struct framing *f,
				  struct err *err)
{
	const struct http_head *head = r->head;
	size_t n = http_head_count(head, "transfer-encoding");

	if (n == 0)
		return OK;
	if (head->minor == 0)
		return http_head_bad(r, 400, "Transfer-Encoding in HTTP/1.0",
				     err);
	if (n > 1)
		return http_head_bad(r, 400, "more than one Transfer-Encoding",
				     err);
	if (!slice_eq_nocase(http_head_get(head, "transfer-encoding"),
			     S("chunked")))
		return http_head_bad(
			r, 501, "a Transfer-Encoding other than chunked", err);
	f->chunked = true;
	return OK;
}

static enum status parse_length(struct http_head_reader *r, struct framing *f,
				struct err *err)
{
	const struct http_head *head = r->head;
	size_t n = http_head_count(head, "content-length");

	if (n == 0)
		return OK;
	if (n > 1)
		return http_head_bad(r, 400, "more than one Content-Length",
				     err);
	if (f->chunked)
		return http_head_bad(
			r, 400, "both Content-Length and Transfer-Encoding",
			err);
	if (!slice_u64(http_head_get(head, "content-length"), &f->length))
		return http_head_bad(r, 400,
				     "expected digits in Content-Length", err);
	f->has_length = true;
	return OK;
}

static void set_keep_alive(struct http_head *head)
{
	bool close = http_head_list_has(head, "connection", "close");
	bool keep = head->minor == 1 ||
		    http_head_list_has(head, "connection", "keep-alive");

	head->keep_alive = keep && !close && head->body != HTTP_UNTIL_CLOSE;
}

static enum status check_host(struct http_head_reader *r, struct err *err)
{
	const struct http_head *head = r->head;
	size_t n = http_head_count(head, "host");

	if (n > 1)
		return http_head_bad(r, 400, "more than one Host", err);
	if (n == 0 && head->minor == 1)
		return http_head_bad(r, 400, "no Host", err);
	if (n == 1 && !is_host(http_head_get(head, "host")))
		return http_head_bad(
			r, 400, "expected a host and perhaps a port in Host",
			err);
	return OK;
}

static enum status check_expect(struct http_head_reader *r, struct err *err)
{
	struct http_head *head = r->head;
	size_t n = http_head_count(head, "expect");

	if (n == 0)
		return OK;
	if (n > 1 ||
	    !slice_eq_nocase(http_head_get(head, "expect"), S("100-continue")))
		return http_head_bad(
			r, 417, "an expectation other than 100-continue", err);
	/* RFC 9110 section 10.1.1: not for HTTP/1.0, nor without a body. */
	head->expect_continue = head->minor == 1 && head->body != HTTP_NO_BODY;
	return OK;
}

static enum status finish_request(struct http_head_reader *r,
				  const struct framing *f, struct err *err)
{
	TRY(check_host(r, err));
	r->head->body = f->chunked	? HTTP_CHUNKED
			: f->has_length ? HTTP_LENGTH
					: HTTP_NO_BODY;
	return check_expect(r, err);
}

static enum status finish_response(struct http_head_reader *r,
				   const struct framing *f, struct err *err)
{
	struct http_head *head = r->head;
	bool bare = head->status < 200 || head->status == 204;

	if (head->status == 101)
		return http_head_bad(
			r, 502, "101 without being asked for another protocol",
			err);
	/* RFC 9112 section 6.1, 9110 section 8.6: these must announce none,
	 * and one that came all the same would be read as a response. */
	if (bare && (f->chunked || f->length > 0))
		return http_head_bad(
			r, 502, "a body announced where the status allows none",
			err);

	head->body = bare || r->to_head || head->status == 304 ? HTTP_NO_BODY
		     : f->chunked			       ? HTTP_CHUNKED
		     : f->has_length			       ? HTTP_LENGTH
				     : HTTP_UNTIL_CLOSE;
	return OK;
}

enum status http_head_parse(struct http_head_reader *r, struct slice bytes,
			    struct err *err)
{
	struct slice rest = bytes;
	struct slice start;
	struct framing f = { 0 };

	r->head->n = 0;
	r->head->expect_continue = false;
	TRY(next_line(r, &rest, &start, err));
	TRY(http_head_start(r, start, err));
	TRY(parse_headers(r, rest, err));
	TRY(parse_encoding(r, &f, err));
	TRY(parse_length(r, &f, err));
	TRY(r->response ? finish_response(r, &f, err)
			: finish_request(r, &f, err));
	r->head->length = f.length;
	set_keep_alive(r->head);
	return OK;
}
