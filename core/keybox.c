#include "core/keybox.h"

#include "core/cleanup.h"

#define KEYBOX_VERSION 1

enum status keybox_new(struct keybox **out, struct err *err)
{
	struct secret *pages;

	TRY(secret_new(sizeof(struct keybox), &pages, err));

	/* secret_bytes() is aligned for any type. */
	struct keybox *box = (void *)secret_bytes(pages);
	box->pages = pages;
	*out = box;
	return OK;
}

void keybox_free(struct keybox *box)
{
	if (box != NULL)
		secret_free(box->pages);
}

void keybox_write(const struct keybox *box, struct buf *out)
{
	buf_put_u8(out, KEYBOX_VERSION);
	buf_put_u64be(out, box->revision);

	buf_put_u16be(out, (uint16_t)box->n_keys);
	for (size_t i = 0; i < box->n_keys; i++) {
		const struct keybox_key *k = &box->keys[i];

		buf_put_u8(out, k->id);
		buf_put_u64be(out, (uint64_t)k->not_before);
		buf_put_u64be(out, (uint64_t)k->not_after);
		buf_put(out, slice_of(k->priv));
	}

	buf_put_u16be(out, (uint16_t)box->n_statics);
	for (size_t i = 0; i < box->n_statics; i++) {
		const struct keybox_static *s = &box->statics[i];

		buf_put_field(out, slice_str(s->name));
		buf_put_field(out, slice_make(s->value, s->len));
	}
}

static bool key_is_new(const struct keybox *box, uint8_t id)
{
	for (size_t i = 0; i < box->n_keys; i++)
		if (box->keys[i].id == id)
			return false;
	return true;
}

static enum status read_key(struct cursor *c, struct keybox *box,
			    struct err *err)
{
	struct keybox_key *k = &box->keys[box->n_keys];
	uint8_t id = cursor_u8(c);
	uint64_t from = cursor_u64be(c);
	uint64_t until = cursor_u64be(c);
	struct slice priv = cursor_bytes(c, sizeof(k->priv));

	if (c->bad)
		return cursor_end(c, "keys of the group", err);
	if (from >= until || until > INT64_MAX)
		return err_set(err, E_PARSE,
			       "key %u of the group: ends before it begins",
			       id);
	if (!key_is_new(box, id))
		return err_set(err, E_PARSE, "key %u of the group: twice", id);

	k->id = id;
	k->not_before = (int64_t)from;
	k->not_after = (int64_t)until;
	memcpy(k->priv, priv.p, sizeof(k->priv));
	box->n_keys++;
	return OK;
}

static bool static_is_new(const struct keybox *box, struct slice name)
{
	for (size_t i = 0; i < box->n_statics; i++)
		if (slice_eq_str(name, box->statics[i].name))
			return false;
	return true;
}

static enum status read_static(struct cursor *c, struct keybox *box,
			       struct err *err)
{
	struct keybox_static *s = &box->statics[box->n_statics];
	struct slice name = cursor_field(c);
	struct slice value = cursor_field(c);

	if (c->bad)
		return cursor_end(c, "static secrets", err);
	if (name.len == 0 || name.len >= sizeof(s->name) ||
	    memchr(name.p, 0, name.len) != NULL || !static_is_new(box, name))
		return err_set(err, E_PARSE,
			       "static secret %zu: bad or repeated name",
			       box->n_statics);
	if (value.len == 0 || value.len > sizeof(s->value))
		return err_set(err, E_PARSE,
			       "static secret %zu: %zu bytes, want 1 to %d",
			       box->n_statics, value.len, KEYBOX_VALUE_MAX);

	memcpy(s->name, name.p, name.len);
	s->name[name.len] = '\0';
	memcpy(s->value, value.p, value.len);
	s->len = value.len;
	box->n_statics++;
	return OK;
}

static enum status read_all(struct cursor *c, struct keybox *box,
			    struct err *err)
{
	uint8_t version = cursor_u8(c);
	if (!c->bad && version != KEYBOX_VERSION)
		return err_set(err, E_PARSE, "key box: version %u, want %d",
			       version, KEYBOX_VERSION);

	box->revision = cursor_u64be(c);
	size_t n = cursor_u16be(c);
	if (n > KEYBOX_KEYS_MAX)
		return err_set(err, E_LIMIT, "key box: %zu keys, want up to %d",
			       n, KEYBOX_KEYS_MAX);
	while (box->n_keys < n)
		TRY(read_key(c, box, err));

	n = cursor_u16be(c);
	if (n > KEYBOX_STATIC_MAX)
		return err_set(err, E_LIMIT,
			       "key box: %zu static secrets, want up to %d", n,
			       KEYBOX_STATIC_MAX);
	while (box->n_statics < n)
		TRY(read_static(c, box, err));
	return cursor_end(c, "key box", err);
}

enum status keybox_read(struct slice in, struct keybox *out, struct err *err)
{
	auto_keybox struct keybox *box = NULL;
	struct cursor c = cursor_make(in);

	TRY(keybox_new(&box, err));
	TRY(read_all(&c, box, err));

	struct secret *pages = out->pages;
	*out = *box;
	out->pages = pages;
	return OK;
}
