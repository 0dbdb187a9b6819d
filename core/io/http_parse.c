#include "core/io/http_parse.h"

#define CHUNK_DIGITS_MAX 16  /* hex digits: what 64 bits hold */
#define HEAD_KEEP (4u << 10) /* bytes of memory kept between messages */

enum state {
	AT_IDLE, /* no byte of a message seen */
	AT_HEAD,
	AT_LENGTH, /* in a body of known length */
	AT_CLOSE,  /* in a body that ends with the stream */
	AT_SIZE,   /* in the digits of a chunk size */
	AT_SIZE_LF,
	AT_CHUNK,
	AT_CHUNK_CR, /* behind the bytes of a chunk */
	AT_CHUNK_LF,
	AT_TRAILER,
	AT_END,	 /* complete, not reported yet */
	AT_LAST, /* complete, and none may follow */
	AT_FAILED,
	STATES
};

/* ---- setting up ---------------------------------------------------------- */

static void init(struct http_parser *p, size_t head_max, uint64_t body_max)
{
	*p = (struct http_parser){
		.head_max = head_max == 0 ? HTTP_MAX_HEAD : head_max,
		.body_max = body_max,
		.limit = body_max,
	};
	p->buf = buf_make(p->head_max);
	p->trailer = buf_make(HTTP_MAX_TRAILER);
}

void http_parse_init_request(struct http_parser *p, size_t head_max,
			     uint64_t body_max)
{
	init(p, head_max, body_max);
}

void http_parse_init_response(struct http_parser *p, size_t head_max,
			      uint64_t body_max)
{
	init(p, head_max, body_max);
	p->response = true;
}

void http_parse_done(struct http_parser *p)
{
	buf_done(&p->buf);
	buf_done(&p->trailer);
	p->state = AT_FAILED; /* until it is prepared again */
}

void http_parse_expect(struct http_parser *p, struct slice method)
{
	p->to_head = slice_eq(method, S("HEAD"));
}

bool http_parse_idle(const struct http_parser *p)
{
	return (p->state == AT_IDLE && p->interim == 0) || p->state == AT_LAST;
}

unsigned http_parse_status(const struct http_parser *p)
{
	return p->status;
}

static struct http_head_reader reader(struct http_parser *p)
{
	return (struct http_head_reader){
		.head = &p->head,
		.response = p->response,
		.to_head = p->to_head,
	};
}

/* Fail for good, the way that the rules for heads do. */
static enum status failed(struct http_parser *p, unsigned status,
			  enum status code)
{
	p->state = AT_FAILED;
	p->status = p->response ? 502 : status;
	return code;
}

static enum status refuse(struct http_parser *p, unsigned status,
			  const char *why, struct err *err)
{
	struct http_head_reader r = reader(p);

	return failed(p, status, http_head_bad(&r, status, why, err));
}

static enum status refuse_memory(struct http_parser *p, struct err *err)
{
	return failed(p, 503,
		      err_set(err, E_NOMEM, "http: no memory for a head"));
}

static unsigned char body_state(const struct http_head *head)
{
	static const unsigned char first[] = {
		[HTTP_NO_BODY] = AT_END,
		[HTTP_LENGTH] = AT_LENGTH,
		[HTTP_CHUNKED] = AT_SIZE,
		[HTTP_UNTIL_CLOSE] = AT_CLOSE,
	};

	if (head->body == HTTP_LENGTH && head->length == 0)
		return AT_END;
	return first[head->body];
}

/* The whole head is in buf. */
static enum status finish_head(struct http_parser *p, struct http_event *ev,
			       struct err *err)
{
	struct http_head_reader r = reader(p);
	struct http_head *head = &p->head;

	enum status code = http_head_parse(&r, buf_slice(&p->buf), err);
	if (code != OK)
		return failed(p, r.status, code);
	if (head->body == HTTP_LENGTH && head->length > p->limit)
		return refuse(p, 413, "the body is too large", err);

	ev->head = head;
	if (p->response && head->status < 200) {
		if (++p->interim > HTTP_MAX_INTERIM)
			return refuse(p, 431, "too many 1xx heads", err);
		ev->kind = HTTP_INTERIM;
		p->state = AT_IDLE;
		return OK;
	}
	ev->kind = HTTP_HEAD;
	p->left = head->body == HTTP_LENGTH ? head->length : 0;
	p->to_head = false;
	p->interim = 0;
	p->state = body_state(head);
	return OK;
}

/* ---- steps: one a state -------------------------------------------------- */

/* Each uses up bytes of in (not empty, save at AT_END), or changes the
 * state, or makes an event. */

static enum status step_idle(struct http_parser *p, struct slice in,
			     size_t *used, struct http_event *ev,
			     struct err *err)
{
	(void)used;
	(void)ev;
	/* Seen at once, so that TLS or another protocol by mistake does not
	 * wait for a line end. */
	if (in.p[0] < 'A' || in.p[0] > 'Z')
		return refuse(
			p, 400,
			"expected a message to begin with a capital letter",
			err);
	if (p->buf.len > HEAD_KEEP)
		buf_done(&p->buf);
	buf_clear(&p->buf);
	buf_clear(&p->trailer);
	p->line = 0;
	p->limit = p->body_max;
	p->body_len = 0;
	p->left = 0;
	p->digits = 0;
	p->trailers = 0;
	p->trailer_len = 0;
	p->state = AT_HEAD;
	return OK;
}

/* Move bytes up to and including the next LF into b; *whole when one came.
 * The caller has seen to it that they fit. */
static void take_line(struct buf *b, struct slice in, size_t n, bool *whole)
{
	buf_put(b, slice_sub(in, 0, n));
	*whole = n > 0 && in.p[n - 1] == '\n';
}

/* Length of in up to and including its first LF, or all of it. */
static size_t line_len(struct slice in)
{
	size_t at = slice_find(in, '\n');

	return at == in.len ? at : at + 1;
}

static bool ends_in_crlf(struct slice line)
{
	return line.len >= 2 && line.p[line.len - 2] == '\r';
}

static enum status end_head_line(struct http_parser *p, struct http_event *ev,
				 struct err *err)
{
	struct slice line = slice_from(buf_slice(&p->buf), p->line);
	bool first = p->line == 0;

	if (!ends_in_crlf(line))
		return refuse(p, 400,
			      "a line of the head that does not end in CRLF",
			      err);
	p->line += line.len;
	line.len -= 2;
	if (!first)
		return line.len == 0 ? finish_head(p, ev, err) : OK;

	/* At once, since there may never be another line (HTTP/0.9). */
	struct http_head_reader r = reader(p);
	enum status code = http_head_start(&r, line, err);
	return code == OK ? OK : failed(p, r.status, code);
}

static enum status step_head(struct http_parser *p, struct slice in,
			     size_t *used, struct http_event *ev,
			     struct err *err)
{
	size_t n = line_len(in);
	bool whole;

	if (n > p->head_max - p->buf.len) {
		bool start = p->line == 0 && !p->response;

		return refuse(p, start ? 414 : 431, "the head is too large",
			      err);
	}
	take_line(&p->buf, in, n, &whole);
	if (p->buf.bad)
		return refuse_memory(p, err);
	*used = n;
	return whole ? end_head_line(p, ev, err) : OK;
}

static enum status step_body(struct http_parser *p, struct slice in,
			     size_t *used, struct http_event *ev,
			     unsigned char then)
{
	size_t n = in.len < p->left ? in.len : (size_t)p->left;

	ev->kind = HTTP_DATA;
	ev->data = slice_sub(in, 0, n);
	*used = n;
	p->body_len += n;
	p->left -= n;
	if (p->left == 0)
		p->state = then;
	return OK;
}

static enum status step_length(struct http_parser *p, struct slice in,
			       size_t *used, struct http_event *ev,
			       struct err *err)
{
	(void)err;
	return step_body(p, in, used, ev, AT_END);
}

static enum status step_close(struct http_parser *p, struct slice in,
			      size_t *used, struct http_event *ev,
			      struct err *err)
{
	if (in.len > p->limit - p->body_len)
		return refuse(p, 413, "the body is too large", err);
	p->left = in.len;
	return step_body(p, in, used, ev, AT_CLOSE);
}

static int hex_digit(uint8_t c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	if (c >= 'A' && c <= 'F')
		return c - 'A' + 10;
	return -1;
}

static enum status step_size(struct http_parser *p, struct slice in,
			     size_t *used, struct http_event *ev,
			     struct err *err)
{
	int digit = hex_digit(in.p[0]);

	(void)ev;
	*used = 1;
	if (digit >= 0 && p->digits < CHUNK_DIGITS_MAX) {
		p->left = p->left << 4 | (uint64_t)digit;
		p->digits++;
		return OK;
	}
	if (in.p[0] == '\r' && p->digits > 0) {
		p->state = AT_SIZE_LF;
		return OK;
	}
	if (in.p[0] == ';' || in.p[0] == ' ' || in.p[0] == '\t')
		return refuse(p, 400,
			      "a chunk extension or space, neither is taken",
			      err);
	return refuse(p, 400,
		      "expected 1 to 16 hex digits and CRLF (chunk size)", err);
}

static enum status step_size_lf(struct http_parser *p, struct slice in,
				size_t *used, struct http_event *ev,
				struct err *err)
{
	(void)ev;
	*used = 1;
	if (in.p[0] != '\n')
		return refuse(p, 400,
			      "expected LF behind the CR of a chunk size", err);
	if (p->left > p->limit - p->body_len)
		return refuse(p, 413, "the body is too large", err);
	p->digits = 0;
	p->state = p->left == 0 ? AT_TRAILER : AT_CHUNK;
	return OK;
}

static enum status step_chunk(struct http_parser *p, struct slice in,
			      size_t *used, struct http_event *ev,
			      struct err *err)
{
	(void)err;
	return step_body(p, in, used, ev, AT_CHUNK_CR);
}

static enum status step_chunk_end(struct http_parser *p, struct slice in,
				  size_t *used, struct http_event *ev,
				  struct err *err)
{
	bool cr = p->state == AT_CHUNK_CR;

	(void)ev;
	*used = 1;
	if (in.p[0] != (cr ? '\r' : '\n'))
		return refuse(p, 400,
			      "expected CRLF behind the bytes of a chunk", err);
	p->state = cr ? AT_CHUNK_LF : AT_SIZE;
	return OK;
}

static enum status end_trailer_line(struct http_parser *p, struct err *err)
{
	struct slice line = buf_slice(&p->trailer);
	struct http_header dropped;

	if (!ends_in_crlf(line))
		return refuse(p, 400,
			      "a trailer line that does not end in CRLF", err);
	line.len -= 2;
	if (line.len == 0) {
		p->state = AT_END;
		return OK;
	}
	if (p->trailers == HTTP_MAX_HEADERS)
		return refuse(p, 431, "too many trailers", err);

	struct http_head_reader r = reader(p);
	enum status code = http_head_line(&r, line, &dropped, err);
	if (code != OK)
		return failed(p, r.status, code);
	p->trailers++;
	buf_clear(&p->trailer);
	return OK;
}

static enum status step_trailer(struct http_parser *p, struct slice in,
				size_t *used, struct http_event *ev,
				struct err *err)
{
	size_t n = line_len(in);
	bool whole;

	(void)ev;
	if (n > HTTP_MAX_TRAILER - p->trailer_len)
		return refuse(p, 431, "the trailers are too large", err);
	take_line(&p->trailer, in, n, &whole);
	if (p->trailer.bad)
		return refuse_memory(p, err);
	p->trailer_len += n;
	*used = n;
	return whole ? end_trailer_line(p, err) : OK;
}

static enum status step_end(struct http_parser *p, struct slice in,
			    size_t *used, struct http_event *ev,
			    struct err *err)
{
	(void)in;
	(void)used;
	(void)err;
	ev->kind = HTTP_END;
	ev->trailers = p->trailers;
	p->state = p->head.keep_alive ? AT_IDLE : AT_LAST;
	return OK;
}

static enum status step_last(struct http_parser *p, struct slice in,
			     size_t *used, struct http_event *ev,
			     struct err *err)
{
	(void)in;
	(void)used;
	(void)ev;
	return refuse(p, 400, "bytes behind the last message of the connection",
		      err);
}

typedef enum status step_fn(struct http_parser *, struct slice, size_t *,
			    struct http_event *, struct err *);

static step_fn *const steps[STATES] = {
	[AT_IDLE] = step_idle,
	[AT_HEAD] = step_head,
	[AT_LENGTH] = step_length,
	[AT_CLOSE] = step_close,
	[AT_SIZE] = step_size,
	[AT_SIZE_LF] = step_size_lf,
	[AT_CHUNK] = step_chunk,
	[AT_CHUNK_CR] = step_chunk_end,
	[AT_CHUNK_LF] = step_chunk_end,
	[AT_TRAILER] = step_trailer,
	[AT_END] = step_end,
	[AT_LAST] = step_last,
};

enum status http_parse_next(struct http_parser *p, struct slice in,
			    size_t *used, struct http_event *ev,
			    struct err *err)
{
	struct http_event e = { .kind = HTTP_MORE };
	size_t at = 0;

	if (p->state == AT_FAILED)
		return err_set(err, E_PARSE,
			       "http: the parser has failed before");
	while (e.kind == HTTP_MORE && (at < in.len || p->state == AT_END)) {
		size_t n = 0;

		TRY(steps[p->state](p, slice_from(in, at), &n, &e, err));
		at += n;
	}
	*used = at;
	*ev = e;
	return OK;
}

enum status http_parse_limit_body(struct http_parser *p, uint64_t body_max,
				  struct err *err)
{
	uint64_t rest =
		p->state == AT_LENGTH || p->state == AT_CHUNK ? p->left : 0;

	if (p->state == AT_FAILED)
		return err_set(err, E_PARSE,
			       "http: the parser has failed before");
	p->limit = body_max;
	if (p->body_len > body_max || rest > body_max - p->body_len)
		return refuse(p, 413, "the body is too large", err);
	return OK;
}

enum status http_parse_eof(const struct http_parser *p, struct err *err)
{
	const char *what = p->response ? "response" : "request";

	if (http_parse_idle(p) || p->state == AT_CLOSE || p->state == AT_END)
		return OK;
	if (p->state == AT_FAILED)
		return err_set(err, E_PARSE, "http %s: failed before", what);
	return err_set(err, E_PARSE, "http %s: the stream ended in the %s",
		       what,
		       p->state <= AT_HEAD ? "head" : "body: it is cut off");
}
