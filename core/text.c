#include "core/text.h"

#include <endian.h>
#include <stdint.h>
#include <stdlib.h>

#include "core/cleanup.h"

/* Hex and base64 go through a word of eight digits at a time, as arithmetic
 * on its bytes: neither a branch nor an address depends on the data, and it
 * is no slower than looking digits up. */

#define ALWAYS_INLINE static inline __attribute__((always_inline))
#define EACH(byte) (0x0101010101010101u * (uint64_t)(byte))

/* count characters from first on stand for the digits from value on. */
struct range {
	uint8_t first, value, count;
};

struct base {
	unsigned bits;	       /* a digit */
	unsigned bytes;	       /* in eight digits */
	struct range range[5]; /* a count of 0 is none */
};

/* clang-format off */
static const struct base hex = { 4, 4, {
	{ '0', 0, 10 }, { 'a', 10, 6 },
} };
static const struct base base64 = { 6, 6, {
	{ 'A', 0, 26 }, { 'a', 26, 26 }, { '0', 52, 10 }, { '+', 62, 1 },
	{ '/', 63, 1 },
} };
static const struct base base64url = { 6, 6, {
	{ 'A', 0, 26 }, { 'a', 26, 26 }, { '0', 52, 10 }, { '-', 62, 1 },
	{ '_', 63, 1 },
} };
/* clang-format on */

/* 1 in each byte of x that is at least `least`; all below 128. */
ALWAYS_INLINE uint64_t at_least(uint64_t x, unsigned least)
{
	return (x + EACH(128 - least)) >> 7 & EACH(1);
}

/* The bytes of x in [from, from + count), moved to `to`, and the others 0.
 * Sets all bits of those bytes in *hit. */
ALWAYS_INLINE uint64_t move(uint64_t x, unsigned from, unsigned to,
			    unsigned count, uint64_t *hit)
{
	uint64_t in = at_least(x, from) - at_least(x, from + count);
	uint64_t mask = in * 255;

	*hit |= mask;
	return (x & mask) - in * from + in * to;
}

ALWAYS_INLINE uint64_t to_chars(const struct range *r, uint64_t x)
{
	uint64_t hit = 0;

	return move(x, r[0].value, r[0].first, r[0].count, &hit) |
	       move(x, r[1].value, r[1].first, r[1].count, &hit) |
	       move(x, r[2].value, r[2].first, r[2].count, &hit) |
	       move(x, r[3].value, r[3].first, r[3].count, &hit) |
	       move(x, r[4].value, r[4].first, r[4].count, &hit);
}

/* Sets bits of *bad where a byte is no character of the base. */
ALWAYS_INLINE uint64_t to_digits(const struct range *r, uint64_t chars,
				 uint64_t *bad)
{
	uint64_t hit = 0, high = chars & EACH(0x80), x = chars ^ high;

	x = move(x, r[0].first, r[0].value, r[0].count, &hit) |
	    move(x, r[1].first, r[1].value, r[1].count, &hit) |
	    move(x, r[2].first, r[2].value, r[2].count, &hit) |
	    move(x, r[3].first, r[3].value, r[3].count, &hit) |
	    move(x, r[4].first, r[4].value, r[4].count, &hit);
	*bad |= ~hit | high;
	return x;
}

/* In each lane of 2 * half bits, move `bits` bits up to the upper half. */
ALWAYS_INLINE uint64_t part(uint64_t x, uint64_t lanes, unsigned half,
			    unsigned bits)
{
	uint64_t low = lanes * ((UINT64_C(1) << bits) - 1);

	return (x << (half - bits) & low << half) | (x & low);
}

/* The reverse. */
ALWAYS_INLINE uint64_t join(uint64_t x, uint64_t lanes, unsigned half,
			    unsigned bits)
{
	uint64_t low = lanes * ((UINT64_C(1) << bits) - 1);

	return (x >> (half - bits) & low << bits) | (x & low);
}

#define LANES_64 UINT64_C(1)
#define LANES_32 UINT64_C(0x0000000100000001)
#define LANES_16 UINT64_C(0x0001000100010001)

/* n bytes, at most b->bytes, to n_chars characters. */
ALWAYS_INLINE void encode_block(const struct base *b, const uint8_t *in,
				size_t n, uint8_t *out, size_t n_chars)
{
	uint64_t x = 0;

	memcpy(&x, in, n);
	x = be64toh(x) >> (64 - 8 * b->bytes);
	x = part(x, LANES_64, 32, 4 * b->bits);
	x = part(x, LANES_32, 16, 2 * b->bits);
	x = part(x, LANES_16, 8, b->bits);
	x = htobe64(to_chars(b->range, x));
	memcpy(out, &x, n_chars);
}

/* Digits that n bytes take, without padding; n is below SIZE_MAX / 8. */
ALWAYS_INLINE size_t digits_for(const struct base *b, size_t n)
{
	return (n * 8 + b->bits - 1) / b->bits;
}

ALWAYS_INLINE void encode(const struct base *b, struct slice in, uint8_t *out)
{
	const uint8_t *p = in.p;
	size_t left = in.len;

	for (; left >= b->bytes; left -= b->bytes, p += b->bytes, out += 8)
		encode_block(b, p, b->bytes, out, 8);
	if (left > 0)
		encode_block(b, p, left, out, digits_for(b, left));
}

/* n characters, at most 8, to their n * bits / 8 bytes; bits left over must
 * be zero. */
ALWAYS_INLINE void decode_block(const struct base *b, const uint8_t *in,
				size_t n, uint8_t *out, size_t n_bytes,
				uint64_t *bad)
{
	uint64_t x = EACH(b->range[0].first); /* zeros */

	memcpy(&x, in, n);
	x = to_digits(b->range, be64toh(x), bad);
	x = join(x, LANES_16, 8, b->bits);
	x = join(x, LANES_32, 16, 2 * b->bits);
	x = join(x, LANES_64, 32, 4 * b->bits);
	x <<= 64 - 8 * b->bytes;
	*bad |= x & UINT64_MAX >> 8 * n_bytes;
	x = htobe64(x);
	if (out != NULL)
		memcpy(out, &x, n_bytes);
}

/* Whether all of it was right; out NULL only finds that out. */
ALWAYS_INLINE bool decode(const struct base *b, struct slice in, uint8_t *out)
{
	const uint8_t *p = in.p;
	size_t left = in.len;
	uint64_t bad = 0;

	for (; left >= 8; left -= 8, p += 8) {
		decode_block(b, p, 8, out, b->bytes, &bad);
		out = out == NULL ? NULL : out + b->bytes;
	}
	if (left > 0)
		decode_block(b, p, left, out, left * b->bits / 8, &bad);
	return bad == 0;
}

void text_hex(struct buf *out, struct slice in)
{
	/* A length that cannot be doubled does not fit either. */
	size_t n = in.len > SIZE_MAX / 8 ? SIZE_MAX : 2 * in.len;
	uint8_t *to = buf_room(out, n);

	if (to == NULL)
		return;
	encode(&hex, in, to);
	buf_grow(out, n);
}

void text_hex_into(char *out, size_t out_size, struct slice in)
{
	if (out_size == 0 || in.len > (out_size - 1) / 2)
		abort(); /* the caller's array is too small */
	encode(&hex, in, (uint8_t *)out);
	out[2 * in.len] = '\0';
}

enum status text_unhex(struct slice in, uint8_t *out, size_t len,
		       const char *what, struct err *err)
{
	if (in.len % 2 != 0 || in.len / 2 != len)
		return err_set(err, E_PARSE,
			       "%s: %zu characters, want %zu of lower-case hex",
			       what, in.len, 2 * len);
	if (!decode(&hex, in, NULL))
		return err_set(err, E_PARSE, "%s: not lower-case hex", what);
	if (len > 0)
		(void)decode(&hex, in, out); /* checked just now */
	return OK;
}

/* Append in as digits of b, and '=' up to a multiple of `multiple`. */
ALWAYS_INLINE void put_base64(struct buf *out, const struct base *b,
			      struct slice in, size_t multiple)
{
	if (in.len > SIZE_MAX / 16) {
		out->bad = true;
		return;
	}
	size_t n = digits_for(b, in.len);
	size_t padding = (multiple - n % multiple) % multiple;
	uint8_t *to = buf_room(out, n + padding);
	if (to == NULL)
		return;
	encode(b, in, to);
	for (size_t i = 0; i < padding; i++)
		to[n + i] = '=';
	buf_grow(out, n + padding);
}

void text_base64(struct buf *out, struct slice in)
{
	put_base64(out, &base64, in, 4);
}

void text_base64url(struct buf *out, struct slice in)
{
	put_base64(out, &base64url, in, 1);
}

/* Append what the digits stand for.  One digit alone stands for nothing. */
ALWAYS_INLINE enum status put_decoded(const struct base *b, struct slice in,
				      struct buf *out, const char *what,
				      struct err *err)
{
	size_t n = in.len / 4 * 3 + in.len % 4 * 6 / 8;

	if (in.len % 4 == 1)
		return err_set(err, E_PARSE, "%s: base64 cut short", what);
	uint8_t *to = buf_room(out, n);
	if (to == NULL)
		return buf_check(out, what, err);
	if (!decode(b, in, to)) {
		explicit_bzero(to, n);
		return err_set(err, E_PARSE, "%s: not canonical base64", what);
	}
	buf_grow(out, n);
	return OK;
}

enum status text_unbase64(struct slice in, struct buf *out, const char *what,
			  struct err *err)
{
	struct slice digits = in;

	if (in.len % 4 != 0)
		return err_set(err, E_PARSE,
			       "%s: %zu characters of base64, want a multiple "
			       "of 4 (padded with =)",
			       what, in.len);
	for (size_t i = 0; i < 2; i++)
		if (digits.len > 0 && digits.p[digits.len - 1] == '=')
			digits.len--;
	return put_decoded(&base64, digits, out, what, err);
}

/* How much stands before the next white space, of which none is above ' '. */
static size_t line_len(struct slice in)
{
	size_t n = 0;

	while (n < in.len && (in.p[n] > ' ' ||
			      slice_span(slice_from(in, n), TEXT_SPACE) == 0))
		n++;
	return n;
}

enum status text_unbase64_spaced(struct slice in, struct buf *out,
				 const char *what, struct err *err)
{
	auto_buf struct buf packed = buf_make(in.len);

	while (in.len > 0) {
		size_t line = line_len(in);

		buf_put(&packed, slice_sub(in, 0, line));
		in = slice_from(in, line);
		in = slice_from(in, slice_span(in, TEXT_SPACE));
	}
	TRY(buf_check(&packed, what, err));
	return text_unbase64(buf_slice(&packed), out, what, err);
}

enum status text_unbase64url(struct slice in, struct buf *out, const char *what,
			     struct err *err)
{
	return put_decoded(&base64url, in, out, what, err);
}

static bool is_plain(uint8_t c)
{
	return c >= ' ' && c <= '~' && c != '"' && c != '\\';
}

void text_escape(struct buf *out, struct slice s)
{
	while (s.len > 0) {
		size_t plain = 0;

		while (plain < s.len && is_plain(s.p[plain]))
			plain++;
		buf_put(out, slice_sub(s, 0, plain));
		s = slice_from(s, plain);
		if (s.len == 0)
			return;
		buf_put_str(out, "\\x");
		text_hex(out, slice_sub(s, 0, 1));
		s = slice_from(s, 1);
	}
}

/* The calendar below counts years from March, so that the leap day is the
 * last of its year; a month then begins (153 * month + 2) / 5 days into it.
 * Day 0 is 1 March of the year 0. */
#define DAYS_TO_1970 719468
#define DAYS_IN_400_YEARS 146097

struct date {
	uint32_t year, month, day; /* of March-based years; month, day from 0 */
};

static struct date date_of(uint32_t days)
{
	uint32_t era = days / DAYS_IN_400_YEARS;
	uint32_t day = days % DAYS_IN_400_YEARS;
	uint32_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;

	day -= 365 * year + year / 4 - year / 100;
	uint32_t month = (5 * day + 2) / 153;
	return (struct date){ era * 400 + year, month,
			      day - (153 * month + 2) / 5 };
}

static uint32_t days_of(struct date d)
{
	uint32_t year = d.year % 400;

	return d.year / 400 * DAYS_IN_400_YEARS + 365 * year + year / 4 -
	       year / 100 + (153 * d.month + 2) / 5 + d.day;
}

#define TIME_LAST INT64_C(253402300799) /* 9999-12-31T23:59:59Z */

/* The fields of a time: where their digits stand. */
static const struct {
	size_t at, len;
} time_fields[] = { { 0, 4 },  { 5, 2 },  { 8, 2 },
		    { 11, 2 }, { 14, 2 }, { 17, 2 } };
static const char time_form[TEXT_TIME_SIZE] = "0000-00-00T00:00:00Z";

void text_time(char out[TEXT_TIME_SIZE], int64_t unix_seconds)
{
	uint64_t t = unix_seconds < 0		? 0
		     : unix_seconds > TIME_LAST ? (uint64_t)TIME_LAST
						: (uint64_t)unix_seconds;
	struct date d = date_of((uint32_t)(t / 86400) + DAYS_TO_1970);
	uint32_t s = (uint32_t)(t % 86400);
	uint32_t value[] = { d.year + (d.month >= 10),
			     (d.month + 2) % 12 + 1,
			     d.day + 1,
			     s / 3600,
			     s / 60 % 60,
			     s % 60 };

	memcpy(out, time_form, TEXT_TIME_SIZE);
	for (size_t i = 0; i < countof(time_fields); i++)
		for (size_t n = time_fields[i].len; n > 0; n--) {
			out[time_fields[i].at + n - 1] =
				(char)('0' + value[i] % 10);
			value[i] /= 10;
		}
}

enum status text_untime(struct slice in, int64_t *out, struct err *err)
{
	uint64_t value[countof(time_fields)];
	bool good = in.len == TEXT_TIME_SIZE - 1;
	char again[TEXT_TIME_SIZE];
	int64_t t = 0;

	for (size_t i = 0; good && i < countof(time_fields); i++)
		good = slice_u64(slice_sub(in, time_fields[i].at,
					   time_fields[i].len),
				 &value[i]);
	if (good) {
		uint32_t month = (uint32_t)value[1] + 9; /* since March */
		uint32_t year = (uint32_t)value[0] + month / 12;
		struct date d = { year == 0 ? 0 : year - 1, month % 12,
				  (uint32_t)value[2] - 1 };

		t = ((int64_t)days_of(d) - DAYS_TO_1970) * 86400 +
		    (int64_t)(value[3] * 3600 + value[4] * 60 + value[5]);
		text_time(again, t);
		/* A day or hour that does not exist reads differently. */
		good = slice_eq_str(in, again);
	}
	if (!good)
		return err_set(err, E_PARSE,
			       "\"%.*s\" is no time such as "
			       "2026-11-21T09:00:00Z (UTC, 1970 to 9999)",
			       (int)slice_sub(in, 0, 40).len,
			       (const char *)in.p);
	*out = t;
	return OK;
}

/* Unicode 15, table 3-7: what may follow which first byte. */
static const struct {
	uint8_t first_from, first_to, second_from, second_to, len;
} utf8_forms[] = {
	{ 0x00, 0x7f, 0x00, 0x00, 1 }, { 0xc2, 0xdf, 0x80, 0xbf, 2 },
	{ 0xe0, 0xe0, 0xa0, 0xbf, 3 }, { 0xe1, 0xec, 0x80, 0xbf, 3 },
	{ 0xed, 0xed, 0x80, 0x9f, 3 }, { 0xee, 0xef, 0x80, 0xbf, 3 },
	{ 0xf0, 0xf0, 0x90, 0xbf, 4 }, { 0xf1, 0xf3, 0x80, 0xbf, 4 },
	{ 0xf4, 0xf4, 0x80, 0x8f, 4 },
};

static bool is_between(uint8_t c, uint8_t from, uint8_t to)
{
	return c >= from && c <= to;
}

size_t text_utf8_len(struct slice s)
{
	size_t i = 0;

	if (s.len == 0)
		return 0;
	while (i < countof(utf8_forms) &&
	       !is_between(s.p[0], utf8_forms[i].first_from,
			   utf8_forms[i].first_to))
		i++;
	if (i == countof(utf8_forms) || s.len < utf8_forms[i].len)
		return 0;
	if (utf8_forms[i].len > 1 &&
	    !is_between(s.p[1], utf8_forms[i].second_from,
			utf8_forms[i].second_to))
		return 0;
	for (size_t at = 2; at < utf8_forms[i].len; at++)
		if (!is_between(s.p[at], 0x80, 0xbf))
			return 0;
	return utf8_forms[i].len;
}

/* Bytes at the front that are ASCII for certain, eight at a time. */
static size_t ascii_run(struct slice s)
{
	size_t n = 0;
	uint64_t x;

	for (; s.len - n >= sizeof(x); n += sizeof(x)) {
		memcpy(&x, s.p + n, sizeof(x));
		if ((x & EACH(0x80)) != 0)
			break;
	}
	return n;
}

bool text_is_utf8(struct slice s)
{
	while (s.len > 0) {
		size_t n = ascii_run(s);

		if (n == 0)
			n = text_utf8_len(s);
		if (n == 0)
			return false;
		s = slice_from(s, n);
	}
	return true;
}

#define DISTANCE_MAX 32

static size_t min(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* One row of the table: a[0..i] against every beginning of b.  before and
 * before2 are the rows for i - 1 and i - 2. */
static void distance_row(struct slice a, struct slice b, size_t i,
			 const size_t *before2, const size_t *before,
			 size_t *row)
{
	row[0] = i;
	for (size_t j = 1; j <= b.len; j++) {
		size_t replaced = before[j - 1] + (a.p[i - 1] != b.p[j - 1]);

		row[j] = min(replaced, min(before[j], row[j - 1]) + 1);
		if (i > 1 && j > 1 && a.p[i - 1] == b.p[j - 2] &&
		    a.p[i - 2] == b.p[j - 1])
			row[j] = min(row[j], before2[j - 2] + 1);
	}
}

size_t text_distance(struct slice a, struct slice b)
{
	size_t rows[3][DISTANCE_MAX + 1] = { 0 };

	a = slice_sub(a, 0, DISTANCE_MAX);
	b = slice_sub(b, 0, DISTANCE_MAX);
	for (size_t j = 0; j <= b.len; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a.len; i++)
		distance_row(a, b, i, rows[(i + 1) % 3], rows[(i + 2) % 3],
			     rows[i % 3]);
	return rows[a.len % 3][b.len];
}

static bool is_name_first(uint8_t c)
{
	return is_between(c, 'a', 'z') || is_between(c, '0', '9');
}

bool text_is_name(struct slice s)
{
	if (s.len < 1 || s.len > 64 || !is_name_first(s.p[0]))
		return false;
	for (size_t i = 1; i < s.len; i++)
		if (!is_name_first(s.p[i]) && s.p[i] != '.' && s.p[i] != '_' &&
		    s.p[i] != '-')
			return false;
	return true;
}
