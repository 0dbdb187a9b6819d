#include "proxy/ohttp_chunk.h"

#include "core/cleanup.h"

#define WHOLE_MAX ((size_t)128 << 20) /* bytes of plaintext */

static struct slice final_aad(enum ohttp_form form)
{
	return form == OHTTP_CHUNKED ? S("final") : S("");
}

/* What we take in one piece, with the tag. */
static size_t piece_max(size_t limit, size_t least, size_t otherwise)
{
	size_t n = limit == 0 ? otherwise : limit < least ? least : limit;

	return n > SIZE_MAX - GCM_TAG_LEN ? SIZE_MAX : n + GCM_TAG_LEN;
}

/* The AEAD. */

enum status ohttp_aead_init(struct ohttp_aead *a, struct slice key,
			    const uint8_t nonce[static GCM_IV_LEN],
			    struct err *err)
{
	struct gcm *gcm;

	TRY(gcm_new(key, &gcm, err));
	*a = (struct ohttp_aead){ .gcm = gcm };
	memcpy(a->nonce, nonce, sizeof(a->nonce));
	return OK;
}

void ohttp_aead_done(struct ohttp_aead *a)
{
	gcm_free(a->gcm);
	explicit_bzero(a, sizeof(*a));
}

/* nonce XOR counter, the counter in network byte order on the right. */
static enum status next_iv(const struct ohttp_aead *a, uint8_t iv[GCM_IV_LEN],
			   struct err *err)
{
	if (a->counter == UINT64_MAX)
		return err_set(err, E_LIMIT,
			       "sealed message: no chunk numbers "
			       "are left");
	memcpy(iv, a->nonce, GCM_IV_LEN);
	for (size_t i = 0; i < 8; i++)
		iv[GCM_IV_LEN - 1 - i] ^= (uint8_t)(a->counter >> 8 * i);
	return OK;
}

static enum status aead_seal(struct ohttp_aead *a, struct slice aad,
			     struct slice in, uint8_t *out, struct err *err)
{
	uint8_t iv[GCM_IV_LEN];

	if (a->hpke != NULL)
		return hpke_seal(a->hpke, aad, in, out, err);
	TRY(next_iv(a, iv, err));
	gcm_seal(a->gcm, iv, aad, in, out);
	a->counter++;
	return OK;
}

static enum status aead_open(struct ohttp_aead *a, struct slice aad,
			     struct slice in, uint8_t *out, struct err *err)
{
	uint8_t iv[GCM_IV_LEN];

	if (a->hpke != NULL)
		return hpke_open(a->hpke, aad, in, out, err);
	TRY(next_iv(a, iv, err));
	TRY(gcm_open(a->gcm, iv, aad, in, out, err));
	a->counter++;
	return OK;
}

/* Sealing. */

void ohttp_sealer_init(struct ohttp_sealer *s, enum ohttp_form form,
		       const struct ohttp_limits *limits)
{
	size_t limit = limits == NULL ? 0 : limits->message;

	*s = (struct ohttp_sealer){ .form = form };
	s->hold = buf_make(limit == 0 ? WHOLE_MAX : limit);
}

void ohttp_sealer_prefix(struct ohttp_sealer *s, struct slice prefix)
{
	memcpy(s->prefix, prefix.p, prefix.len);
	s->prefix_len = prefix.len;
}

void ohttp_sealer_done(struct ohttp_sealer *s)
{
	ohttp_aead_done(&s->aead);
	buf_done(&s->hold);
}

static enum status put_piece(struct ohttp_sealer *s, struct slice aad,
			     struct slice plain, struct buf *out,
			     struct err *err)
{
	size_t n = plain.len + GCM_TAG_LEN;
	uint8_t *room = buf_room(out, n);

	if (room == NULL)
		return buf_check(out, "sealed message", err);
	TRY(aead_seal(&s->aead, aad, plain, room, err));
	buf_grow(out, n);
	return OK;
}

static enum status put_chunks(struct ohttp_sealer *s, struct slice plain,
			      bool final, struct buf *out, struct err *err)
{
	while (plain.len > OHTTP_CHUNK || (!final && plain.len > 0)) {
		struct slice part = slice_sub(plain, 0, OHTTP_CHUNK);

		buf_put_varint(out, part.len + GCM_TAG_LEN);
		TRY(put_piece(s, S(""), part, out, err));
		plain = slice_from(plain, part.len);
	}
	if (!final)
		return OK;
	buf_put_varint(out, 0);
	return put_piece(s, final_aad(s->form), plain, out, err);
}

/* A whole message is held until its last part, unless that is all of it. */
static enum status put_whole(struct ohttp_sealer *s, struct slice plain,
			     bool final, struct buf *out, struct err *err)
{
	if (final && s->hold.len == 0 && plain.len <= s->hold.max)
		return put_piece(s, final_aad(s->form), plain, out, err);
	buf_put(&s->hold, plain);
	TRY(buf_check(&s->hold, "message", err));
	if (!final)
		return OK;
	TRY(put_piece(s, final_aad(s->form), buf_slice(&s->hold), out, err));
	buf_done(&s->hold);
	return OK;
}

static enum status put(struct ohttp_sealer *s, struct slice plain, bool final,
		       struct buf *out, struct err *err)
{
	bool whole = s->form == OHTTP_WHOLE;

	if (!s->begun && (final || !whole)) {
		buf_put(out, slice_make(s->prefix, s->prefix_len));
		s->begun = true;
	}
	TRY(whole ? put_whole(s, plain, final, out, err)
		  : put_chunks(s, plain, final, out, err));
	s->ended = final;
	return buf_check(out, "sealed message", err);
}

enum status ohttp_sealer_put(struct ohttp_sealer *s, struct slice plain,
			     bool final, struct buf *out, struct err *err)
{
	size_t at = out->len;

	if (s->failed != OK)
		return err_set(err, s->failed,
			       "sealed message: it has failed before");
	if (plain.len == 0 && !final)
		return OK;
	if (s->ended)
		return err_set(err, E_CONFLICT,
			       "sealed message: it has ended already");
	s->failed = put(s, plain, final, out, err);
	if (s->failed != OK)
		buf_cut(out, at);
	return s->failed;
}

/* Opening. */

enum state { PREFIX, LENGTH, CHUNK, FINAL, ENDED };

void ohttp_opener_init(struct ohttp_opener *o, enum ohttp_form form,
		       const struct ohttp_limits *limits, size_t prefix_len)
{
	struct ohttp_limits l = { 0 };

	if (limits != NULL)
		l = *limits;
	*o = (struct ohttp_opener){ .form = form, .prefix_len = prefix_len };
	o->chunk_max = piece_max(l.chunk, OHTTP_CHUNK, OHTTP_CHUNK);
	o->final_max = form == OHTTP_CHUNKED
			       ? o->chunk_max
			       : piece_max(l.message, 0, WHOLE_MAX);
	o->work = buf_make(o->final_max < OHTTP_PREFIX_MAX ? OHTTP_PREFIX_MAX
							   : o->final_max);
}

void ohttp_opener_done(struct ohttp_opener *o)
{
	ohttp_aead_done(&o->aead);
	buf_done(&o->work);
}

static enum status cut_off(struct err *err)
{
	return err_set(err, E_IO,
		       "sealed message: it was cut off before its end");
}

/* A piece with its tag: in, or what was gathered in work when in.p is NULL.
 * Either way the plaintext comes to lie in work. */
static enum status open_piece(struct ohttp_opener *o, struct slice in,
			      bool final, struct ohttp_event *ev,
			      struct err *err)
{
	bool gathered = in.p == NULL;
	size_t sealed = gathered ? o->work.len : in.len;

	if (sealed < GCM_TAG_LEN + (final ? 0 : 1))
		return err_set(err, E_CRYPTO,
			       "sealed message: a chunk of %zu bytes, too few "
			       "for one",
			       sealed);

	size_t n = sealed - GCM_TAG_LEN;
	uint8_t *to = buf_room(&o->work, gathered ? 0 : n);
	if (to == NULL)
		return buf_check(&o->work, "sealed chunk", err);
	if (gathered) {
		to -= sealed; /* in place */
		in = slice_make(to, sealed);
	}
	TRY(aead_open(&o->aead, final ? final_aad(o->form) : S(""), in, to,
		      err));
	if (gathered)
		buf_cut(&o->work, n);
	else
		buf_grow(&o->work, n);
	if (!o->fresh && o->on_fresh != NULL)
		TRY(o->on_fresh(o->ctx, err));
	o->fresh = true;
	o->given = true;
	ev->plain = slice_make(to, n);
	ev->kind = n > 0 ? OHTTP_DATA : OHTTP_MORE;
	return OK;
}

static enum status take_prefix(struct ohttp_opener *o, struct slice *in,
			       struct err *err)
{
	size_t n = o->prefix_len - o->work.len;
	struct slice part = slice_sub(*in, 0, n);

	buf_put(&o->work, part);
	*in = slice_from(*in, part.len);
	if (o->work.len < o->prefix_len)
		return OK;
	TRY(o->on_prefix(o->ctx, buf_slice(&o->work), err));
	buf_clear(&o->work);
	o->state = o->form == OHTTP_CHUNKED ? LENGTH : FINAL;
	return OK;
}

/* An integer of RFC 9000 section 16; the first two bits say how long. */
static enum status take_length(struct ohttp_opener *o, struct slice *in,
			       struct err *err)
{
	uint8_t b = in->p[0];

	*in = slice_from(*in, 1);
	if (o->have == 0) {
		o->need = (uint8_t)(1 << (b >> 6));
		o->length = 0;
		b &= 0x3f;
	}
	o->length = o->length << 8 | b;
	if (++o->have < o->need)
		return OK;
	o->have = 0;
	o->state = o->length == 0 ? FINAL : CHUNK;
	if (o->length > o->chunk_max)
		return err_set(err, E_LIMIT,
			       "sealed message: a chunk of %llu bytes, want "
			       "at most %zu",
			       (unsigned long long)o->length, o->chunk_max);
	return OK;
}

static enum status take_chunk(struct ohttp_opener *o, struct slice *in,
			      struct ohttp_event *ev, struct err *err)
{
	struct slice part = slice_sub(*in, 0, (size_t)o->length - o->work.len);

	*in = slice_from(*in, part.len);
	if (part.len == o->length) {
		o->state = LENGTH;
		return open_piece(o, part, false, ev, err);
	}
	buf_put(&o->work, part);
	TRY(buf_check(&o->work, "sealed chunk", err));
	if (o->work.len < o->length)
		return OK;
	o->state = LENGTH;
	return open_piece(o, (struct slice){ NULL, 0 }, false, ev, err);
}

/* All the rest is one piece, and only the end of the stream ends it. */
static enum status take_final(struct ohttp_opener *o, struct slice *in,
			      bool last, struct ohttp_event *ev,
			      struct err *err)
{
	struct slice part = *in;

	*in = slice_from(*in, in->len);
	if (part.len > o->final_max - o->work.len)
		return err_set(err, E_LIMIT,
			       "sealed message: more than the %zu bytes that "
			       "are taken in one piece",
			       o->final_max);
	if (last && o->work.len + part.len < GCM_TAG_LEN)
		return cut_off(err);
	if (!last || o->work.len > 0) {
		buf_put(&o->work, part);
		TRY(buf_check(&o->work, "sealed message", err));
		part = (struct slice){ NULL, 0 };
	}
	if (!last)
		return OK;
	TRY(open_piece(o, part, true, ev, err));
	o->state = ENDED;
	return OK;
}

static enum status step(struct ohttp_opener *o, struct slice *in, bool last,
			struct ohttp_event *ev, struct err *err)
{
	if (o->state == FINAL)
		return take_final(o, in, last, ev, err);
	if (in->len == 0)
		return cut_off(err);
	if (o->state == PREFIX)
		return take_prefix(o, in, err);
	if (o->state == LENGTH)
		return take_length(o, in, err);
	return take_chunk(o, in, ev, err);
}

static enum status run(struct ohttp_opener *o, struct slice *in, bool last,
		       struct ohttp_event *ev, struct err *err)
{
	while (ev->kind == OHTTP_MORE) {
		if (o->state == ENDED && in->len > 0)
			return err_set(err, E_PARSE,
				       "sealed message: bytes "
				       "behind its end");
		if (o->state == ENDED)
			ev->kind = OHTTP_END;
		else if (in->len == 0 && !last)
			return OK;
		else
			TRY(step(o, in, last, ev, err));
	}
	return OK;
}

/* The plaintext given last is not needed any more. */
static void forget_given(struct ohttp_opener *o)
{
	if (!o->given)
		return;
	/* Streams of small events keep their memory, the rest gives it up. */
	if (o->state == ENDED || o->work.len > OHTTP_CHUNK)
		buf_done(&o->work);
	else
		buf_clear(&o->work);
	o->given = false;
}

enum status ohttp_opener_next(struct ohttp_opener *o, struct slice in,
			      bool last, size_t *used, struct ohttp_event *ev,
			      struct err *err)
{
	struct ohttp_event event = { .kind = OHTTP_MORE };
	struct slice rest = in;

	if (o->failed != OK)
		return err_set(err, o->failed,
			       "sealed message: it was refused before");
	forget_given(o);
	o->failed = run(o, &rest, last, &event, err);
	if (o->failed != OK) {
		buf_done(&o->work);
		return o->failed;
	}
	*used = in.len - rest.len;
	*ev = event;
	return OK;
}
