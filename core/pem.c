#include "core/pem.h"

#include <assert.h>

#include "core/der.h"
#include "core/text.h"

#define LINE 64 /* characters */
#define MARK_SIZE (PEM_LABEL_MAX + sizeof("-----BEGIN -----"))

struct block {
	struct slice before, body, after;
};

/* The line that begins or ends a block, without its newline. */
static struct slice mark(char room[static MARK_SIZE], const char *edge,
			 const char *label)
{
	int n = snprintf(room, MARK_SIZE, "-----%s %s-----", edge, label);

	assert(n > 0 && (size_t)n < MARK_SIZE);
	return slice_make(room, (size_t)n);
}

void pem_put(struct buf *out, const char *label, struct slice der)
{
	auto_buf struct buf base64 = buf_make(der.len * 2 + 4);

	text_base64(&base64, der);
	out->bad |= base64.bad;
	struct slice text = buf_slice(&base64);
	buf_putf(out, "-----BEGIN %s-----\n", label);
	for (size_t at = 0; at < text.len; at += LINE) {
		buf_put(out, slice_sub(text, at, LINE));
		buf_put_u8(out, '\n');
	}
	buf_putf(out, "-----END %s-----\n", label);
}

size_t pem_find(struct slice in, const char *label)
{
	char begin[MARK_SIZE];

	return slice_search(in, mark(begin, "BEGIN", label));
}

static enum status find(struct slice in, const char *label, struct block *out,
			struct err *err)
{
	char begin_room[MARK_SIZE], end_room[MARK_SIZE];
	struct slice begin = mark(begin_room, "BEGIN", label);
	struct slice end = mark(end_room, "END", label);
	size_t at = slice_search(in, S("-----BEGIN "));
	struct slice rest = slice_from(in, at);

	if (rest.len == 0)
		return err_set(err, E_NOTFOUND, "PEM: no %s in it", label);
	if (!slice_starts(rest, begin))
		return err_set(err, E_PARSE,
			       "PEM: expected %s only, found a block of "
			       "another kind",
			       label);
	rest = slice_from(rest, begin.len);
	size_t len = slice_search(rest, end);
	if (len == rest.len)
		return err_set(err, E_PARSE, "PEM: a %s without its END line",
			       label);
	*out = (struct block){ .before = slice_sub(in, 0, at),
			       .body = slice_sub(rest, 0, len),
			       .after = slice_from(rest, len + end.len) };
	return OK;
}

static enum status decode(struct slice body, const char *label, struct buf *der,
			  struct err *err)
{
	if (body.len / 2 > der->max)
		return err_set(err, E_LIMIT, "PEM: a %s of %zu characters",
			       label, body.len);
	return text_unbase64_spaced(body, der, label, err);
}

static bool is_space(struct slice s)
{
	return slice_span(s, TEXT_SPACE) == s.len;
}

enum status pem_parse(struct slice in, const char *label, struct buf *der,
		      struct err *err)
{
	struct block b;

	if (in.len > 0 && in.p[0] == DER_SEQUENCE) {
		buf_put(der, in);
		return buf_check(der, label, err);
	}
	if (find(in, label, &b, err) != OK || !is_space(b.before) ||
	    !is_space(b.after))
		return err_set(err, E_PARSE,
			       "expected DER, or PEM with one block \"%s\" and "
			       "nothing else",
			       label);
	return decode(b.body, label, der, err);
}

enum status pem_next(struct slice *rest, const char *label, struct buf *der,
		     struct err *err)
{
	struct block b;

	TRY(find(*rest, label, &b, err));
	TRY(decode(b.body, label, der, err));
	*rest = b.after;
	return OK;
}
