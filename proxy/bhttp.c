#include "proxy/bhttp.h"

#include "core/cleanup.h"
#include "proxy/bhttp_rules.h"

/* A message is a sequence of integers (RFC 9000 section 16), each of which
 * says something by itself or is the length of the bytes behind it.  A state
 * is the integer that comes next; the rows below say what to do with it. */
enum state {
	FRAMING,
	METHOD,
	SCHEME,
	AUTHORITY,
	PATH,
	STATUS,
	SECTION, /* length of a section, known form */
	NAME,
	VALUE,
	CONTENT, /* length of the content, known form */
	CHUNK,	 /* length of a chunk of it, indeterminate form */
	BYTES,	 /* of the content: no integer */
	PADDING, /* the same */
};

struct row {
	/* An integer that says something by itself, or NULL. */
	enum status (*number)(struct bhttp_reader *r, uint64_t n,
			      struct bhttp_event *ev, struct err *err);
	/* The string behind an integer that is a length, or NULL. */
	enum status (*text)(struct bhttp_reader *r, struct slice s,
			    struct bhttp_event *ev, struct err *err);
};

static enum status refuse(enum status code, const char *why, struct err *err)
{
	return err_set(err, code, "binary http: %s", why);
}

static void init(struct bhttp_reader *r, bool response, uint64_t max)
{
	memset(r, 0, sizeof(*r));
	r->response = response;
	r->content_max = max;
	r->length = BHTTP_NO_LENGTH;
	/* Never reached: spend() counts the same bytes. */
	r->buf = buf_make(BHTTP_MAX_CONTROL + BHTTP_MAX_FIELDS);
	r->tail = buf_make(BHTTP_MAX_FIELDS);
}

void bhttp_init_request(struct bhttp_reader *r, uint64_t content_max)
{
	init(r, false, content_max);
}

void bhttp_init_response(struct bhttp_reader *r, uint64_t content_max)
{
	init(r, true, content_max);
}

void bhttp_done(struct bhttp_reader *r)
{
	buf_done(&r->buf);
	buf_done(&r->tail);
	explicit_bzero(r, sizeof(*r));
}

/* The head. */

static size_t control_strings(const struct bhttp_reader *r)
{
	return r->response ? 0 : 4;
}

static struct slice string(const struct bhttp_reader *r, size_t i)
{
	return slice_sub(buf_slice(&r->buf), r->at[i], r->at[i + 1] - r->at[i]);
}

/* Check what was read, once nothing of it can move any more. */
static enum status make_head(struct bhttp_reader *r, struct err *err)
{
	size_t first = control_strings(r);
	struct bhttp_head *h = &r->head;

	*h = (struct bhttp_head){ .status = r->status, .h = r->h };
	if (!r->response) {
		h->method = string(r, 0);
		h->scheme = string(r, 1);
		h->authority = string(r, 2);
		h->path = string(r, 3);
	}
	h->n = (r->strings - first) / 2;
	for (size_t i = 0; i < h->n; i++)
		r->h[i] = (struct http_header){ string(r, first + 2 * i),
						string(r, first + 2 * i + 1) };
	TRY(bhttp_rules_head(h, r->response, &r->length, err));
	h->length = r->length;
	return OK;
}

static enum status interim(struct bhttp_reader *r, struct bhttp_event *ev,
			   struct err *err)
{
	if (r->interim++ == BHTTP_MAX_INTERIM)
		return refuse(E_LIMIT, "too many interim responses", err);
	TRY(make_head(r, err));
	r->state = STATUS;
	ev->kind = BHTTP_INTERIM;
	ev->head = &r->head;
	return OK;
}

/* The head of the message proper; total is what the framing says of the
 * content.  A response to HEAD, or a 304, may announce content and have
 * none. */
static enum status final_head(struct bhttp_reader *r, uint64_t total,
			      struct bhttp_event *ev, struct err *err)
{
	TRY(make_head(r, err));
	if (r->length == BHTTP_NO_LENGTH)
		r->head.length = r->length = total;
	else if (total != BHTTP_NO_LENGTH && total != r->length &&
		 !(r->response && total == 0))
		return refuse(E_PARSE, "content-length is not the length", err);
	TRY(bhttp_limit(r, r->content_max, err));
	ev->kind = BHTTP_HEAD;
	ev->head = &r->head;
	return OK;
}

/* Sections. */

/* Bytes of control data or fields: what the section has left of them. */
static enum status spend(struct bhttp_reader *r, uint64_t n, struct err *err)
{
	if (n > r->section && r->known && r->state >= NAME)
		return refuse(E_PARSE, "a field runs past its section", err);
	if (n > r->section)
		return refuse(E_LIMIT, "control data or fields too large", err);
	r->section -= n;
	return OK;
}

static void begin_section(struct bhttp_reader *r)
{
	r->state = r->known ? SECTION : NAME;
	r->section = BHTTP_MAX_FIELDS;
}

static enum status end_section(struct bhttp_reader *r, struct bhttp_event *ev,
			       struct err *err)
{
	if (r->trailer) {
		r->state = PADDING;
		return OK;
	}
	if (r->response && r->status < 200)
		return interim(r, ev, err);
	if (r->known) {
		r->state = CONTENT;
		return OK;
	}
	r->state = CHUNK;
	return final_head(r, BHTTP_NO_LENGTH, ev, err);
}

static enum status on_section(struct bhttp_reader *r, uint64_t n,
			      struct bhttp_event *ev, struct err *err)
{
	if (n > BHTTP_MAX_FIELDS)
		return refuse(E_LIMIT, "control data or fields too large", err);
	if (n == 0)
		return end_section(r, ev, err);
	r->section = n;
	r->state = NAME;
	return OK;
}

static enum status on_name(struct bhttp_reader *r, struct slice name,
			   struct bhttp_event *ev, struct err *err)
{
	size_t fields = r->trailer ? r->trailers
				   : (r->strings - control_strings(r)) / 2;

	if (name.len == 0) {
		if (r->known)
			return refuse(E_PARSE, "an empty field name", err);
		if (!r->trailer)
			r->strings--; /* the terminator is no string */
		return end_section(r, ev, err);
	}
	if (fields == HTTP_MAX_HEADERS)
		return refuse(E_LIMIT, "too many fields", err);
	for (size_t i = 0; i < name.len; i++)
		if (name.p[i] >= 'A' && name.p[i] <= 'Z')
			return refuse(E_PARSE,
				      "a field name that is not in lower case",
				      err);
	r->state = VALUE;
	return bhttp_rules_field(name, (struct slice){ NULL, 0 }, err);
}

static enum status on_value(struct bhttp_reader *r, struct slice value,
			    struct bhttp_event *ev, struct err *err)
{
	TRY(bhttp_rules_field(S("x"), value, err));
	if (r->trailer)
		r->trailers++;
	r->state = NAME;
	return r->known && r->section == 0 ? end_section(r, ev, err) : OK;
}

/* Control data. */

static enum status on_framing(struct bhttp_reader *r, uint64_t n,
			      struct bhttp_event *ev, struct err *err)
{
	(void)ev;
	if (n > 3)
		return refuse(E_PARSE, "an unknown framing", err);
	if (((n & 1) != 0) != r->response)
		return refuse(E_PARSE,
			      r->response ? "a request, want a response"
					  : "a response, want a request",
			      err);
	r->known = n < 2;
	r->section = BHTTP_MAX_CONTROL;
	r->state = r->response ? STATUS : METHOD;
	return OK;
}

static enum status on_control(struct bhttp_reader *r, struct slice s,
			      struct bhttp_event *ev, struct err *err)
{
	(void)s, (void)ev, (void)err;
	if (r->state == PATH)
		begin_section(r);
	else
		r->state++;
	return OK;
}

static enum status on_status(struct bhttp_reader *r, uint64_t n,
			     struct bhttp_event *ev, struct err *err)
{
	(void)ev;
	if (n < 100 || n > 599 || n == 101)
		return refuse(E_PARSE, "a status that is not taken here", err);
	r->status = (unsigned)n;
	buf_clear(&r->buf); /* of the interim head before */
	r->strings = 0;
	begin_section(r);
	return OK;
}

/* Content. */

enum status bhttp_limit(struct bhttp_reader *r, uint64_t content_max,
			struct err *err)
{
	uint64_t least = r->content + r->left;

	r->content_max = content_max;
	/* A response that announces content may have none. */
	if (!r->response && r->length != BHTTP_NO_LENGTH && least < r->length)
		least = r->length;
	if (r->failed == OK && least > content_max)
		r->failed = E_LIMIT;
	if (r->failed == OK)
		return OK;
	return err_set(err, r->failed,
		       "binary http: more content than the %llu bytes allowed",
		       (unsigned long long)content_max);
}

static void begin_trailer(struct bhttp_reader *r)
{
	r->trailer = true;
	begin_section(r);
}

/* A stretch of n bytes of content comes next. */
static enum status begin_bytes(struct bhttp_reader *r, uint64_t n,
			       struct err *err)
{
	if (r->length != BHTTP_NO_LENGTH && n > r->length - r->content)
		return refuse(E_PARSE, "more content than content-length", err);
	r->left = n;
	r->state = BYTES;
	return bhttp_limit(r, r->content_max, err);
}

static enum status on_content(struct bhttp_reader *r, uint64_t n,
			      struct bhttp_event *ev, struct err *err)
{
	TRY(final_head(r, n, ev, err));
	if (n > 0)
		return begin_bytes(r, n, err);
	begin_trailer(r);
	return OK;
}

static enum status on_chunk(struct bhttp_reader *r, uint64_t n,
			    struct bhttp_event *ev, struct err *err)
{
	(void)ev;
	if (n > 0)
		return begin_bytes(r, n, err);
	if (r->length != BHTTP_NO_LENGTH && r->content != r->length &&
	    !(r->response && r->content == 0))
		return refuse(E_PARSE, "less content than content-length", err);
	begin_trailer(r);
	return OK;
}

static void take_bytes(struct bhttp_reader *r, struct slice *in,
		       struct bhttp_event *ev)
{
	size_t n = in->len < r->left ? in->len : (size_t)r->left;

	ev->kind = BHTTP_DATA;
	ev->data = slice_sub(*in, 0, n);
	*in = slice_from(*in, n);
	r->content += n;
	r->left -= n;
	if (r->left > 0)
		return;
	if (r->known)
		begin_trailer(r);
	else
		r->state = CHUNK;
}

/* The machine. */

static const struct row rows[] = {
	[FRAMING] = { on_framing, NULL }, [METHOD] = { NULL, on_control },
	[SCHEME] = { NULL, on_control },  [AUTHORITY] = { NULL, on_control },
	[PATH] = { NULL, on_control },	  [STATUS] = { on_status, NULL },
	[SECTION] = { on_section, NULL }, [NAME] = { NULL, on_name },
	[VALUE] = { NULL, on_value },	  [CONTENT] = { on_content, NULL },
	[CHUNK] = { on_chunk, NULL },
};

/* All of the string is there. */
static enum status end_text(struct bhttp_reader *r, struct bhttp_event *ev,
			    struct err *err)
{
	struct slice s = buf_slice(&r->tail);

	r->text = false;
	if (!r->trailer) {
		r->at[++r->strings] = (uint32_t)r->buf.len;
		s = string(r, r->strings - 1);
	}
	TRY(rows[r->state].text(r, s, ev, err));
	buf_clear(&r->tail);
	return OK;
}

static enum status take_text(struct bhttp_reader *r, struct slice *in,
			     struct bhttp_event *ev, struct err *err)
{
	struct buf *to = r->trailer ? &r->tail : &r->buf;
	size_t n = in->len < r->want ? in->len : (size_t)r->want;

	buf_put(to, slice_sub(*in, 0, n));
	TRY(buf_check(to, "binary http: head", err));
	*in = slice_from(*in, n);
	r->want -= n;
	return r->want == 0 ? end_text(r, ev, err) : OK;
}

static enum status on_number(struct bhttp_reader *r, uint64_t n,
			     struct bhttp_event *ev, struct err *err)
{
	r->have = 0;
	r->number = 0;
	if (rows[r->state].number != NULL)
		return rows[r->state].number(r, n, ev, err);
	TRY(spend(r, n, err));
	r->want = n;
	r->text = true;
	return n == 0 ? end_text(r, ev, err) : OK;
}

static enum status take_number(struct bhttp_reader *r, struct slice *in,
			       struct bhttp_event *ev, struct err *err)
{
	uint8_t b = in->p[0];

	*in = slice_from(*in, 1);
	if (r->have == 0) {
		r->need = (uint8_t)(1 << (b >> 6));
		b &= 0x3f;
		if (rows[r->state].text != NULL)
			TRY(spend(r, r->need, err));
	}
	r->number = r->number << 8 | b;
	if (++r->have < r->need)
		return OK;
	return on_number(r, r->number, ev, err);
}

static enum status take_padding(struct slice *in, struct err *err)
{
	if (!all_zero(in->p, in->len))
		return refuse(E_PARSE, "padding that is not zero", err);
	*in = slice_from(*in, in->len);
	return OK;
}

/* The input ended.  An empty tail may be left out, which is as good as a zero
 * (RFC 9292 section 3.8); anything else may not. */
static enum status take_end(struct bhttp_reader *r, struct bhttp_event *ev,
			    struct err *err)
{
	bool begun = r->have > 0 || r->text;
	bool empty = r->trailer ? r->trailers == 0
				: r->strings == control_strings(r);

	if (r->state == PADDING) {
		ev->kind = BHTTP_END;
		ev->trailers = r->trailers;
		return OK;
	}
	if (!begun && (r->state == SECTION || r->state == CONTENT ||
		       (r->state == NAME && !r->known && empty) ||
		       (r->state == CHUNK && r->content == 0)))
		return on_number(r, 0, ev, err);
	return refuse(E_PARSE, "the message is cut short", err);
}

static enum status run(struct bhttp_reader *r, struct slice *in, bool last,
		       struct bhttp_event *ev, struct err *err)
{
	while (ev->kind == BHTTP_MORE) {
		if (in->len == 0 && !last)
			return OK;
		if (in->len == 0)
			TRY(take_end(r, ev, err));
		else if (r->state == BYTES)
			take_bytes(r, in, ev);
		else if (r->state == PADDING)
			TRY(take_padding(in, err));
		else if (r->text)
			TRY(take_text(r, in, ev, err));
		else
			TRY(take_number(r, in, ev, err));
	}
	return OK;
}

enum status bhttp_next(struct bhttp_reader *r, struct slice in, bool last,
		       size_t *used, struct bhttp_event *ev, struct err *err)
{
	struct bhttp_event event = { .kind = BHTTP_MORE };
	struct slice rest = in;

	if (r->failed != OK)
		return refuse(r->failed, "the message was refused before", err);
	r->failed = run(r, &rest, last, &event, err);
	if (r->failed != OK)
		return r->failed;
	*used = in.len - rest.len;
	*ev = event;
	return OK;
}

struct slice bhttp_get(const struct bhttp_head *head, const char *name)
{
	for (size_t i = 0; i < head->n; i++)
		if (slice_eq_nocase(head->h[i].name, slice_str(name)))
			return head->h[i].value;
	return (struct slice){ NULL, 0 };
}
