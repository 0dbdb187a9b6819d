#include "core/io/http_write.h"

#include <inttypes.h>
#include <stdio.h>

#include "core/cleanup.h"
#include "core/io/http_head.h"

/* clang-format off */
/* The phrases of RFC 9110 section 15, and those of RFC 6585 and 8470. */
static const struct { unsigned status; const char *reason; } reasons[] = {
	{ 100, "Continue" },
	{ 102, "Processing" },
	{ 103, "Early Hints" },
	{ 200, "OK" },
	{ 201, "Created" },
	{ 202, "Accepted" },
	{ 203, "Non-Authoritative Information" },
	{ 204, "No Content" },
	{ 205, "Reset Content" },
	{ 206, "Partial Content" },
	{ 300, "Multiple Choices" },
	{ 301, "Moved Permanently" },
	{ 302, "Found" },
	{ 303, "See Other" },
	{ 304, "Not Modified" },
	{ 307, "Temporary Redirect" },
	{ 308, "Permanent Redirect" },
	{ 400, "Bad Request" },
	{ 401, "Unauthorized" },
	{ 402, "Payment Required" },
	{ 403, "Forbidden" },
	{ 404, "Not Found" },
	{ 405, "Method Not Allowed" },
	{ 406, "Not Acceptable" },
	{ 407, "Proxy Authentication Required" },
	{ 408, "Request Timeout" },
	{ 409, "Conflict" },
	{ 410, "Gone" },
	{ 411, "Length Required" },
	{ 412, "Precondition Failed" },
	{ 413, "Content Too Large" },
	{ 414, "URI Too Long" },
	{ 415, "Unsupported Media Type" },
	{ 416, "Range Not Satisfiable" },
	{ 417, "Expectation Failed" },
	{ 421, "Misdirected Request" },
	{ 422, "Unprocessable Content" },
	{ 425, "Too Early" },
	{ 426, "Upgrade Required" },
	{ 428, "Precondition Required" },
	{ 429, "Too Many Requests" },
	{ 431, "Request Header Fields Too Large" },
	{ 500, "Internal Server Error" },
	{ 501, "Not Implemented" },
	{ 502, "Bad Gateway" },
	{ 503, "Service Unavailable" },
	{ 504, "Gateway Timeout" },
	{ 505, "HTTP Version Not Supported" },
};
/* clang-format on */

const char *http_write_reason(unsigned status)
{
	for (size_t i = 0; i < countof(reasons); i++)
		if (reasons[i].status == status)
			return reasons[i].reason;
	return "Unknown";
}

/* The parts and a CRLF, or nothing at all. */
static enum status put_line(struct buf *out, const struct slice *parts,
			    size_t n, struct err *err)
{
	size_t len = 2;

	for (size_t i = 0; i < n; i++)
		if (__builtin_add_overflow(len, parts[i].len, &len))
			len = SIZE_MAX;
	if (buf_room(out, len) == NULL)
		return buf_check(out, "http head", err);

	for (size_t i = 0; i < n; i++)
		buf_put(out, parts[i]);
	buf_put(out, S("\r\n"));
	return OK;
}

enum status http_write_request(struct buf *out, struct slice method,
			       struct slice target, struct err *err)
{
	if (!http_is_method(method))
		return err_set(err, E_PARSE,
			       "http request to send: expected "
			       "a method of upper-case letters");
	if (!http_is_target(target))
		return err_set(err, E_PARSE,
			       "http request to send: expected "
			       "a target that begins with / and "
			       "is printable ASCII");

	const struct slice parts[] = { method, S(" "), target, S(" HTTP/1.1") };
	return put_line(out, parts, countof(parts), err);
}

enum status http_write_response(struct buf *out, unsigned status,
				struct err *err)
{
	char code[16];

	if (status < 100 || status > 599)
		return err_set(err, E_PARSE,
			       "http response to send: status "
			       "%u, expected 100 to 599",
			       status);
	(void)snprintf(code, sizeof(code), "%u ", status);

	const struct slice parts[] = { S("HTTP/1.1 "), slice_str(code),
				       slice_str(http_write_reason(status)) };
	return put_line(out, parts, countof(parts), err);
}

enum status http_write_field(struct buf *out, struct slice name,
			     struct slice value, struct err *err)
{
	if (!http_is_token(name))
		return err_set(err, E_PARSE,
			       "http header to send: expected a "
			       "name of token characters");
	if (!http_is_value(value))
		return err_set(err, E_PARSE,
			       "http header %.*s to send: a "
			       "control byte in its value",
			       name.len < 64 ? (int)name.len : 64,
			       (const char *)name.p);

	const struct slice parts[] = { name, S(": "), slice_trim(value) };
	return put_line(out, parts, countof(parts), err);
}

enum status http_write_header(struct buf *out, const char *name,
			      struct slice value, struct err *err)
{
	return http_write_field(out, slice_str(name), value, err);
}

enum status http_write_u64(struct buf *out, const char *name, uint64_t value,
			   struct err *err)
{
	char digits[24];

	(void)snprintf(digits, sizeof(digits), "%" PRIu64, value);
	return http_write_header(out, name, slice_str(digits), err);
}

enum status http_write_end(struct buf *out, struct err *err)
{
	return put_line(out, NULL, 0, err);
}

struct slice http_write_chunk(char room[static HTTP_WRITE_CHUNK_SIZE],
			      size_t len)
{
	(void)snprintf(room, HTTP_WRITE_CHUNK_SIZE, "%zx\r\n", len);
	return slice_str(room);
}
