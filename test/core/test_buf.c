#include "core/buf.h"

#include <signal.h>

#include "core/cleanup.h"
#include "core/mem.h"
#include "test/test.h"

static bool holds(const struct buf *b, struct slice want)
{
	return slice_eq(buf_slice(b), want);
}

TEST(an_empty_buffer_holds_nothing)
{
	auto_buf struct buf b = buf_make(10);
	struct err err;

	CHECK(b.mem == NULL && buf_slice(&b).len == 0 && !b.bad);
	CHECK(buf_check(&b, "x", &err) == OK);
	buf_consume(&b, 0);
	buf_clear(&b);
	buf_cut(&b, 0);
	CHECK_STR_EQ(buf_cstr(&b), "");
	CHECK(b.len == 0);
}

TEST(appends_in_order)
{
	auto_buf struct buf b = buf_make(100);

	buf_put(&b, S("ab"));
	buf_put_str(&b, "cd");
	buf_put(&b, slice_make(NULL, 0));
	buf_put_u8(&b, 0xff);
	buf_put_u16be(&b, 0x0102);
	buf_put_u32be(&b, 0x03040506);
	buf_put_u64be(&b, 0x0708090a0b0c0d0e);
	buf_put_field(&b, S("xy"));
	buf_putf(&b, "%d-%s", 7, "z");
	CHECK(!b.bad);
	CHECK(holds(&b, S("abcd\xff\1\2\3\4\5\6\7\x08\x09\x0a\x0b\x0c\x0d\x0e"
			  "\0\0\0\2xy7-z")));
}

TEST(the_cap_is_exact)
{
	for (size_t max = 0; max < 200; max++) {
		auto_buf struct buf b = buf_make(max);

		for (size_t i = 0; i < max; i++)
			buf_put_u8(&b, (uint8_t)i);
		CHECK(!b.bad && b.len == max);
		CHECK(buf_cstr(&b) != NULL); /* the NUL is not counted */
		buf_put(&b, S(""));
		CHECK(!b.bad);
		buf_put_u8(&b, 1);
		CHECK(b.bad && b.len == max);
	}
}

TEST(a_fault_sticks_and_is_told_once)
{
	auto_buf struct buf b = buf_make(4);
	struct err err;

	buf_put(&b, S("abc"));
	buf_put(&b, S("de"));
	buf_put(&b, S("f")); /* would fit */
	CHECK(b.bad && holds(&b, S("abc")));
	CHECK(buf_room(&b, 0) == NULL && buf_cstr(&b) == NULL);
	CHECK(buf_check(&b, "header", &err) == E_LIMIT);
	CHECK_STR_EQ(err.text, "header: more than 4 bytes");
	buf_clear(&b);
	buf_put(&b, S("wxyz"));
	CHECK(!b.bad && holds(&b, S("wxyz")));
}

TEST(what_does_not_fit_leaves_no_part_of_itself)
{
	auto_buf struct buf b = buf_make(8);

	buf_put(&b, S("abc"));
	buf_put_field(&b, S("xy")); /* its length alone would fit */
	CHECK(b.bad && holds(&b, S("abc")));
	buf_cut(&b, 3);
	buf_putf(&b, "%s", "123456");
	CHECK(b.bad && holds(&b, S("abc")));
	buf_cut(&b, 3);
	buf_put_u64be(&b, 1);
	CHECK(b.bad && holds(&b, S("abc")));
	buf_cut(&b, 3);
	buf_put_field(&b, S("x"));
	CHECK(!b.bad && b.len == 8);
}

TEST(lengths_near_the_end_of_numbers_do_not_wrap)
{
	static const uint8_t byte = 1;
	auto_buf struct buf b = buf_make(SIZE_MAX);

	buf_put_u8(&b, 1);
	CHECK(buf_room(&b, SIZE_MAX) == NULL && b.bad && b.len == 1);
	buf_cut(&b, 1);
	CHECK(buf_room(&b, SIZE_MAX - 1) == NULL && b.bad);
	buf_cut(&b, 1);
	buf_put_field(&b, slice_make(&byte, (size_t)UINT32_MAX + 1));
	CHECK(b.bad && b.len == 1);
	buf_cut(&b, 1);
	buf_put_u8(&b, 2);
	CHECK(!b.bad && b.len == 2);
}

TEST(room_becomes_valid_as_far_as_it_is_grown)
{
	auto_buf struct buf b = buf_make(100);
	uint8_t *p = buf_room(&b, 50);

	CHECK(p != NULL && b.len == 0);
	memcpy(p, "hello", 5);
	buf_grow(&b, 5);
	CHECK(holds(&b, S("hello")));
	CHECK(buf_room(&b, 96) == NULL && b.bad);
}

static void grow_too_far(void *arg)
{
	auto_buf struct buf b = buf_make(100);

	(void)arg;
	(void)buf_room(&b, 10);
	buf_grow(&b, 101);
}

static void consume_too_much(void *arg)
{
	auto_buf struct buf b = buf_make(100);

	(void)arg;
	buf_put(&b, S("abc"));
	buf_consume(&b, 4);
}

TEST(counts_that_cannot_be_end_the_process)
{
	CHECK(test_signal_of(grow_too_far, NULL) == SIGABRT);
	CHECK(test_signal_of(consume_too_much, NULL) == SIGABRT);
}

TEST(a_queue_keeps_order_while_it_moves)
{
	auto_buf struct buf b = buf_make(1000);
	uint8_t in = 0, out = 0;

	for (size_t round = 0; round < 5000; round++) {
		for (size_t i = 0; i < round % 7 && b.len < 1000; i++)
			buf_put_u8(&b, in++);
		for (size_t i = 0; i < round % 5 && b.len > 0; i++) {
			CHECK(buf_slice(&b).p[0] == out);
			out++;
			buf_consume(&b, 1);
		}
		CHECK(!b.bad);
	}
	CHECK(b.len > 900 && (uint8_t)(in - out) == (uint8_t)b.len);
	CHECK(b.cap <= 2000);
}

TEST(a_full_queue_that_is_nibbled_moves_seldom)
{
	auto_buf struct buf b = buf_make(1 << 16);
	size_t moves = 0;

	memset(buf_room(&b, 1 << 16), 1, 1 << 16);
	buf_grow(&b, 1 << 16);
	for (size_t i = 0; i < 1 << 18; i++) {
		size_t head = b.head;

		buf_consume(&b, 1);
		buf_put_u8(&b, 1);
		moves += b.head < head + 1;
		CHECK(b.len == 1 << 16 && !b.bad);
	}
	CHECK(moves <= 6);
}

TEST(what_is_consumed_last_is_wiped)
{
	auto_buf struct buf b = buf_make(100);

	buf_put(&b, S("plaintext"));
	buf_consume(&b, 5);
	buf_consume(&b, 4);
	CHECK(b.len == 0 && b.head == 0 && b.cap >= 9);
	CHECK(all_zero(b.mem, b.cap));
}

TEST(moving_wipes_where_the_bytes_were)
{
	auto_buf struct buf b = buf_make(64);

	for (size_t i = 0; i < 64; i++)
		buf_put_u8(&b, 0xaa);
	buf_consume(&b, 40);
	buf_put_u8(&b, 0xbb); /* no room behind: the rest moves down */
	CHECK(b.head == 0 && b.len == 25 && b.mem[24] == 0xbb);
	CHECK(all_zero(b.mem + 25, b.cap - 25));
}

TEST(cutting_and_clearing_wipe_at_once)
{
	auto_buf struct buf b = buf_make(100);

	buf_put(&b, S("public secret"));
	buf_cut(&b, 7);
	CHECK(holds(&b, S("public ")));
	CHECK(all_zero(b.mem + 7, b.cap - 7));
	buf_cut(&b, 50); /* longer than it is: nothing */
	CHECK(b.len == 7);
	buf_consume(&b, 2);
	buf_cut(&b, 3);
	CHECK(holds(&b, S("bli")));
	buf_clear(&b);
	CHECK(b.len == 0 && b.cap > 0 && all_zero(b.mem, b.cap));
}

TEST(done_leaves_an_empty_usable_buffer)
{
	struct buf b = buf_make(5);

	buf_put(&b, S("abcdef"));
	buf_done(&b);
	CHECK(b.mem == NULL && b.len == 0 && !b.bad && b.max == 5);
	buf_put(&b, S("abcde"));
	CHECK(holds(&b, S("abcde")));
	buf_done(&b);
	buf_done(&b);
}

TEST(cstr_ends_the_text_without_counting)
{
	auto_buf struct buf b = buf_make(1000);

	for (size_t i = 0; i < 300; i++) {
		const char *s = buf_cstr(&b);

		CHECK(s != NULL && strlen(s) == i && b.len == i);
		buf_put_u8(&b, 'x');
	}
	buf_consume(&b, 299);
	CHECK_STR_EQ(buf_cstr(&b), "x");
}

TEST(formats_of_every_length_fit_or_fail)
{
	char text[151];

	memset(text, 'y', sizeof(text));
	for (size_t n = 0; n <= 150; n++) {
		auto_buf struct buf b = buf_make(100);

		buf_putf(&b, "%.*s", (int)n, text);
		CHECK(b.bad == (n > 100));
		CHECK(b.len == (n > 100 ? 0 : n));
	}
}

/* RFC 9000 section 16: the shortest of 1, 2, 4 and 8 bytes. */
TEST(varints_are_shortest_and_read_back)
{
	static const struct {
		uint64_t value;
		size_t len;
	} rows[] = {
		{ 0, 1 },	   { 63, 1 },
		{ 64, 2 },	   { 16383, 2 },
		{ 16384, 4 },	   { 1073741823, 4 },
		{ 1073741824, 8 }, { (UINT64_C(1) << 62) - 1, 8 },
	};

	for (size_t i = 0; i < countof(rows); i++) {
		auto_buf struct buf b = buf_make(8);

		buf_put_varint(&b, rows[i].value);
		CHECK_EQ_U64(b.len, rows[i].len);
		struct cursor c = cursor_make(buf_slice(&b));
		CHECK_EQ_U64(cursor_varint(&c), rows[i].value);
		CHECK(!c.bad && c.rest.len == 0);
	}
}

TEST(a_varint_of_more_than_62_bits_is_a_fault)
{
	static const uint64_t over[] = { UINT64_C(1) << 62, UINT64_C(1) << 63,
					 UINT64_MAX };

	for (size_t i = 0; i < countof(over); i++) {
		auto_buf struct buf b = buf_make(8);

		buf_put_varint(&b, over[i]);
		CHECK(b.bad && b.len == 0);
	}
}

TEST(fields_read_back)
{
	auto_buf struct buf b = buf_make(100);
	struct err err;

	buf_put_field(&b, S("one"));
	buf_put_field(&b, S(""));
	struct cursor c = cursor_make(buf_slice(&b));
	CHECK(slice_eq_str(cursor_field(&c), "one"));
	CHECK(cursor_field(&c).len == 0);
	CHECK(cursor_end(&c, "fields", &err) == OK);
}
