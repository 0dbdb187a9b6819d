/* What the two fuzzers of sealed messages share.
 *
 * The input is a recipe: byte 0 holds flags, byte 1 how to cut, bytes 2 to 4
 * where to change a byte of the sealed message and to what; then parts to
 * seal, each behind a length byte.  Read back they must give the same bytes;
 * changed, a prefix of them and no end.  Or the rest is taken as the sealed
 * message itself. */
#ifndef CONFD_TEST_FUZZ_FUZZ_OHTTP_H
#define CONFD_TEST_FUZZ_FUZZ_OHTTP_H

#include <stdlib.h>

#include "core/cleanup.h"
#include "proxy/ohttp.h"

#define FUZZ_CHUNKED 1
#define FUZZ_AES128 2
#define FUZZ_CHANGE 4
#define FUZZ_RAW 8
#define FUZZ_STRETCH 16 /* parts 300 times as long */

struct fuzz_recipe {
	uint8_t flags, cut, change;
	uint16_t at;
	struct slice rest;
};

static inline void fuzz_must(bool held)
{
	if (!held)
		abort();
}

static inline struct fuzz_recipe fuzz_recipe(struct slice in)
{
	struct cursor c = cursor_make(in);
	struct fuzz_recipe r = { .flags = cursor_u8(&c) };

	r.cut = cursor_u8(&c);
	r.at = cursor_u16be(&c);
	r.change = cursor_u8(&c);
	r.rest = c.rest;
	return r;
}

static inline enum status fuzz_find(void *ctx, const struct ohttp_header *h,
				    struct ohttp_key *out, struct err *err)
{
	static const uint8_t key[32] = { 1 };
	static uint8_t pub[32];

	(void)ctx, (void)h, (void)err;
	x25519_public(key, pub);
	*out = (struct ohttp_key){ key, pub };
	return OK;
}

/* Both sides of an exchange; the key is one of those above. */
struct fuzz_pair {
	struct ohttp_client *c;
	struct ohttp_server *s;
};

static inline struct fuzz_pair fuzz_pair(const struct fuzz_recipe *r)
{
	static const uint8_t key[32] = { 1 };
	static const uint8_t ikm[32] = { 2 };
	const struct slice ikm_slice = slice_of(ikm);
	const struct ohttp_server_keys keys = { .find = fuzz_find };
	enum ohttp_form form =
		(r->flags & FUZZ_CHUNKED) != 0 ? OHTTP_CHUNKED : OHTTP_WHOLE;
	uint16_t aead = (r->flags & FUZZ_AES128) != 0 ? HPKE_AEAD_AES128
						      : HPKE_AEAD_AES256;
	static struct ohttp_config config = { .id = 1 };
	struct fuzz_pair p;
	struct err err;

	if (all_zero(config.pub, sizeof(config.pub)))
		x25519_public(key, config.pub);
	fuzz_must(ohttp_client_new(&config, aead, form, NULL, &ikm_slice, &p.c,
				   &err) == OK);
	fuzz_must(ohttp_server_new(form, &keys, NULL, &p.s, &err) == OK);
	return p;
}

static inline void fuzz_pair_done(struct fuzz_pair *p)
{
	ohttp_client_free(p->c);
	ohttp_server_free(p->s);
}

static inline enum status fuzz_seal(struct fuzz_pair *p, bool answer,
				    struct slice part, bool final,
				    struct buf *out)
{
	struct err err;

	return answer ? ohttp_server_seal(p->s, part, final, out, &err)
		      : ohttp_client_seal(p->c, part, final, out, &err);
}

/* Seal the parts of the recipe; their plaintext goes to plain. */
static inline void fuzz_seal_parts(const struct fuzz_recipe *r,
				   struct fuzz_pair *p, bool answer,
				   struct buf *wire, struct buf *plain)
{
	struct cursor c = cursor_make(r->rest);

	while (c.rest.len > 0) {
		size_t n = cursor_u8(&c);
		struct slice part = slice_sub(c.rest, 0, n);
		size_t at = plain->len;

		c.rest = slice_from(c.rest, n);
		for (int i = (r->flags & FUZZ_STRETCH) != 0 ? 300 : 1; i > 0;
		     i--)
			buf_put(plain, part);
		fuzz_must(!plain->bad);
		fuzz_must(fuzz_seal(p, answer, slice_from(buf_slice(plain), at),
				    c.rest.len == 0, wire) == OK);
	}
	if (r->rest.len == 0)
		fuzz_must(fuzz_seal(p, answer, S(""), true, wire) == OK);
}

static inline enum status fuzz_open_piece(struct fuzz_pair *p, bool answer,
					  struct slice piece, bool last,
					  struct buf *out)
{
	auto_mem uint8_t *copy = mem_must(piece.len);
	struct slice in = slice_make(copy, piece.len);
	struct ohttp_event ev;
	struct err err;
	size_t used;

	if (piece.len > 0)
		memcpy(copy, piece.p, piece.len);
	do {
		TRY(answer ? ohttp_client_open(p->c, in, last, &used, &ev, &err)
			   : ohttp_server_open(p->s, in, last, &used, &ev,
					       &err));
		fuzz_must(used <= in.len);
		in = slice_from(in, used);
		if (ev.kind == OHTTP_DATA) {
			fuzz_must(ev.plain.len > 0);
			buf_put(out, ev.plain);
		}
	} while (ev.kind == OHTTP_DATA);
	fuzz_must(in.len == 0 && (ev.kind == OHTTP_END) == last);
	return OK;
}

static inline enum status fuzz_open(const struct fuzz_recipe *r,
				    struct fuzz_pair *p, bool answer,
				    struct slice in, struct buf *out)
{
	size_t cut =
		r->cut == 0 ? SIZE_MAX : (size_t)r->cut * (in.len / 2000 + 1);

	while (in.len > cut) {
		TRY(fuzz_open_piece(p, answer, slice_sub(in, 0, cut), false,
				    out));
		in = slice_from(in, cut);
	}
	return fuzz_open_piece(p, answer, in, true, out);
}

static inline void fuzz_judge(const struct fuzz_recipe *r, enum status got,
			      bool changed, const struct buf *plain,
			      const struct buf *out)
{
	if ((r->flags & FUZZ_RAW) != 0)
		return;
	if (changed)
		fuzz_must(got != OK &&
			  slice_starts(buf_slice(plain), buf_slice(out)));
	else
		fuzz_must(got == OK &&
			  slice_eq(buf_slice(plain), buf_slice(out)));
}

/* Change a byte; not those of lengths, which have several right forms.  They
 * cannot be told from here, so the first byte that is changed lies in the
 * prefix, or anywhere in the bytes that end the message. */
static inline bool fuzz_change(const struct fuzz_recipe *r, struct buf *wire,
			       size_t prefix)
{
	size_t at = r->at % (prefix + 16);

	if ((r->flags & (FUZZ_CHANGE | FUZZ_RAW)) != FUZZ_CHANGE ||
	    r->change == 0)
		return false;
	if (at >= prefix)
		at = wire->len - 16 + (at - prefix);
	auto_buf struct buf next = buf_make(wire->max);
	buf_put(&next, slice_sub(buf_slice(wire), 0, at));
	buf_put_u8(&next, buf_slice(wire).p[at] ^ r->change);
	buf_put(&next, slice_from(buf_slice(wire), at + 1));
	struct buf old = *wire;
	*wire = next;
	next = old;
	return true;
}

#endif
