/* HTTP/1.1 heads and chunks into a buffer.
 *
 * Every name and value is checked against the same rules as when reading
 * (core/io/http_parse.h), so bytes of a peer cannot add a line to a head.
 * A call that fails leaves the buffer as it was; E_PARSE is a name or value
 * that must not be written, E_LIMIT a buffer that is full (and bad).
 *
 * A head is: one start line, any number of headers, http_write_end(). */
#ifndef CONFD_CORE_IO_HTTP_WRITE_H
#define CONFD_CORE_IO_HTTP_WRITE_H

#include "core/buf.h"

/* "METHOD target HTTP/1.1". */
enum status http_write_request(struct buf *out, struct slice method,
			       struct slice target, struct err *err);

/* "HTTP/1.1 status Reason", with the reason of http_write_reason().
 * status: 100 to 599. */
enum status http_write_response(struct buf *out, unsigned status,
				struct err *err);

/* "name: value".  White space at the ends of value is dropped. */
enum status http_write_header(struct buf *out, const char *name,
			      struct slice value, struct err *err);

/* The same with a name that is not a constant, such as one passed on. */
enum status http_write_field(struct buf *out, struct slice name,
			     struct slice value, struct err *err);

/* "name: 123". */
enum status http_write_u64(struct buf *out, const char *name, uint64_t value,
			   struct err *err);

/* The empty line that ends a head. */
enum status http_write_end(struct buf *out, struct err *err);

/* The size line before a chunk of len bytes, which is not 0; it lies in room.
 * The bytes and a CRLF go behind it. */
#define HTTP_WRITE_CHUNK_SIZE 24
struct slice http_write_chunk(char room[static HTTP_WRITE_CHUNK_SIZE],
			      size_t len);

/* The end of a chunked body, without trailers. */
#define HTTP_WRITE_LAST_CHUNK S("0\r\n\r\n")

/* The usual reason phrase of a status; "Unknown" when there is none. */
const char *http_write_reason(unsigned status);

#endif
