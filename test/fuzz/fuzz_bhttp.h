/* What the two fuzzers of Binary HTTP share: a message must read the same
 * however it is cut, and what was read must be written, and read the same
 * again. */
#ifndef CONFD_TEST_FUZZ_FUZZ_BHTTP_H
#define CONFD_TEST_FUZZ_FUZZ_BHTTP_H

#include <stdlib.h>

#include "core/cleanup.h"
#include "proxy/bhttp.h"

#define CONTENT_MAX 100000

static inline void fuzz_must(bool held)
{
	if (!held)
		abort();
}

/* What was read, in a form that can be compared. */
static inline void fuzz_note_head(struct buf *out, const struct bhttp_head *h)
{
	buf_put_u32be(out, h->status);
	buf_put_u64be(out, h->length);
	buf_put_field(out, h->method);
	buf_put_field(out, h->scheme);
	buf_put_field(out, h->authority);
	buf_put_field(out, h->path);
	for (size_t i = 0; i < h->n; i++) {
		buf_put_field(out, h->h[i].name);
		buf_put_field(out, h->h[i].value);
	}
}

struct fuzz_read {
	struct bhttp_reader r;
	struct buf note; /* the heads */
	struct buf content;
	struct buf again; /* the message written anew, up to its content */
	bool ended;
};

static inline void fuzz_take(struct fuzz_read *f, const struct bhttp_event *ev)
{
	struct err err;

	if (ev->kind == BHTTP_DATA) {
		fuzz_must(ev->data.len > 0);
		buf_put(&f->content, ev->data);
	}
	f->ended = ev->kind == BHTTP_END;
	if (ev->kind != BHTTP_HEAD && ev->kind != BHTTP_INTERIM)
		return;
	fuzz_must(bhttp_put_head(&f->again, ev->head, f->note.len == 0, &err) ==
		  OK);
	fuzz_note_head(&f->note, ev->head);
}

/* One piece, in a block of its own so that reading beyond it shows. */
static inline enum status fuzz_piece(struct fuzz_read *f, struct slice piece,
				     bool last)
{
	auto_mem uint8_t *copy = mem_must(piece.len);
	struct slice in = slice_make(copy, piece.len);
	struct bhttp_event ev;
	struct err err;
	size_t used;

	if (piece.len > 0)
		memcpy(copy, piece.p, piece.len);
	do {
		TRY(bhttp_next(&f->r, in, last, &used, &ev, &err));
		fuzz_must(used <= in.len);
		in = slice_from(in, used);
		fuzz_take(f, &ev);
	} while (ev.kind != BHTTP_MORE && ev.kind != BHTTP_END);
	fuzz_must(in.len == 0 && (ev.kind == BHTTP_END) == last);
	return OK;
}

static inline enum status fuzz_read(struct fuzz_read *f, bool response,
				    struct slice in, size_t cut)
{
	enum status status = OK;

	*f = (struct fuzz_read){ .note = buf_make(1 << 22),
				 .content = buf_make(1 << 22),
				 .again = buf_make(1 << 22) };
	if (response)
		bhttp_init_response(&f->r, CONTENT_MAX);
	else
		bhttp_init_request(&f->r, CONTENT_MAX);
	while (status == OK && in.len > cut) {
		status = fuzz_piece(f, slice_sub(in, 0, cut), false);
		in = slice_from(in, cut);
	}
	if (status == OK)
		status = fuzz_piece(f, in, true);
	return status;
}

static inline void fuzz_done(struct fuzz_read *f)
{
	bhttp_done(&f->r);
	buf_done(&f->note);
	buf_done(&f->content);
	buf_done(&f->again);
}

static inline void fuzz_same(const struct fuzz_read *a,
			     const struct fuzz_read *b)
{
	fuzz_must(a->ended == b->ended);
	fuzz_must(slice_eq(buf_slice(&a->note), buf_slice(&b->note)));
	fuzz_must(slice_eq(buf_slice(&a->content), buf_slice(&b->content)));
}

/* The first byte says how to cut the rest. */
static inline void fuzz_bhttp(bool response, struct slice in)
{
	static struct fuzz_read whole, cut, again;
	size_t n = in.len > 0 ? (size_t)in.p[0] + 1 : 1;

	in = slice_from(in, 1);
	enum status status = fuzz_read(&whole, response, in, SIZE_MAX);
	fuzz_must(fuzz_read(&cut, response, in, n) == status);
	fuzz_same(&whole, &cut);
	fuzz_done(&cut);
	if (status == OK) {
		bhttp_put_content(&whole.again, buf_slice(&whole.content));
		bhttp_put_end(&whole.again, n);
		fuzz_must(buf_slice(&whole.again).len > 0);
		/* Only what the framing announced is not written again. */
		fuzz_must(fuzz_read(&again, response, buf_slice(&whole.again),
				    n) == OK);
		fuzz_must(slice_eq(buf_slice(&whole.content),
				   buf_slice(&again.content)));
		fuzz_must(whole.note.len == again.note.len);
		fuzz_done(&again);
	}
	fuzz_done(&whole);
}

#endif
