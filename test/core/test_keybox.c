#include "core/keybox.h"

#include "core/cleanup.h"
#include "test/test.h"

/* One group key and one static secret. */
static void make(struct keybox *box)
{
	box->revision = 7;
	box->n_keys = 1;
	box->keys[0] = (struct keybox_key){ .id = 9,
					    .not_before = 100,
					    .not_after = 200,
					    .priv = { 1, 2, 3 } };
	box->n_statics = 1;
	memcpy(box->statics[0].name, "team-a", 7);
	memcpy(box->statics[0].value, "0123456789abcdef", 16);
	box->statics[0].len = 16;
}

/* The layout of make(), and reading any prefix or change of it. */
static void layout(struct buf *out)
{
	auto_keybox struct keybox *box = NULL;
	struct err err;

	EXPECT(keybox_new(&box, &err) == OK);
	make(box);
	keybox_write(box, out);
}

static enum status read_back(struct slice in, struct keybox *box)
{
	struct err err;

	return keybox_read(in, box, &err);
}

TEST(what_is_written_is_read)
{
	auto_buf struct buf b = buf_make(4096);
	auto_keybox struct keybox *box = NULL;
	struct err err;

	layout(&b);
	CHECK(keybox_new(&box, &err) == OK);
	CHECK(read_back(buf_slice(&b), box) == OK);
	CHECK(box->revision == 7 && box->n_keys == 1 && box->n_statics == 1);
	CHECK(box->keys[0].id == 9 && box->keys[0].not_after == 200);
	CHECK(box->keys[0].priv[2] == 3);
	CHECK(strcmp(box->statics[0].name, "team-a") == 0);
	CHECK(box->statics[0].len == 16);
}

TEST(every_other_length_is_refused_and_changes_nothing)
{
	auto_buf struct buf b = buf_make(4096);
	auto_keybox struct keybox *box = NULL;
	struct err err;

	layout(&b);
	CHECK(keybox_new(&box, &err) == OK);
	box->revision = 77;
	for (size_t n = 0; n < b.len; n++)
		CHECK(read_back(slice_sub(buf_slice(&b), 0, n), box) != OK);
	buf_put_u8(&b, 0);
	CHECK(read_back(buf_slice(&b), box) == E_PARSE);
	CHECK(box->revision == 77 && box->n_keys == 0);
}

TEST(wrong_versions_counts_times_and_repeats_are_refused)
{
	/* Offset and new value of one byte of the layout. */
	static const struct {
		size_t at;
		uint8_t v;
	} bad[] = {
		{ 0, 2 },    /* version */
		{ 9, 1 },    /* 257 keys */
		{ 10, 9 },   /* 9 keys */
		{ 12, 255 }, /* begins after its end */
		{ 20, 255 }, /* ends beyond time */
	};
	auto_keybox struct keybox *box = NULL;
	struct err err;

	CHECK(keybox_new(&box, &err) == OK);
	for (size_t i = 0; i < countof(bad); i++) {
		auto_buf struct buf b = buf_make(4096);
		auto_buf struct buf m = buf_make(4096);

		layout(&b);
		buf_put(&m, slice_sub(buf_slice(&b), 0, bad[i].at));
		buf_put_u8(&m, bad[i].v);
		buf_put(&m, slice_from(buf_slice(&b), bad[i].at + 1));
		CHECK(read_back(buf_slice(&m), box) != OK);
	}
}

TEST(two_keys_of_one_id_are_refused)
{
	auto_buf struct buf b = buf_make(4096);
	auto_keybox struct keybox *box = NULL;
	struct err err;

	CHECK(keybox_new(&box, &err) == OK);
	make(box);
	box->keys[1] = box->keys[0];
	box->n_keys = 2;
	keybox_write(box, &b);
	CHECK(read_back(buf_slice(&b), box) == E_PARSE);
}
