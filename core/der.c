#include "core/der.h"

#include "core/cleanup.h"

#define LONG_FORM 0x80	/* of a length: the low bits count its bytes */
#define MULTI_BYTE 0x1f /* of a tag: more bytes follow */
#define LENGTH_BYTES 4	/* that a length may have: 4 GiB is enough */
#define BASE128_BITS 7	/* a byte of an object identifier */
#define BASE128_MORE 0x80
#define ECDSA_MAX 100 /* bytes of one number of a signature */

/* ---- Tag and length ---- */

/* The length behind the tag, in the shortest of its forms. */
static size_t read_length(struct cursor *c)
{
	uint8_t first = cursor_u8(c);
	size_t n = first & (LONG_FORM - 1), len = 0;

	if (first < LONG_FORM)
		return first;
	if (n == 0 || n > LENGTH_BYTES) {
		c->bad = true;
		return 0;
	}
	for (size_t i = 0; i < n; i++)
		len = len << 8 | cursor_u8(c);
	if (len < LONG_FORM || len >> (8 * (n - 1)) == 0)
		c->bad = true;
	return len;
}

/* Take the next value off d; its tag, content and length with the header. */
static bool next(struct der *d, uint8_t *tag, struct slice *content,
		 struct slice *whole)
{
	struct cursor c = cursor_make(d->rest);

	*tag = cursor_u8(&c);
	*content = cursor_bytes(&c, read_length(&c));
	if ((*tag & MULTI_BYTE) == MULTI_BYTE)
		c.bad = true;
	if (d->bad || c.bad) {
		d->bad = true;
		*content = *whole = (struct slice){ 0 };
		return false;
	}
	*whole = slice_sub(d->rest, 0, d->rest.len - c.rest.len);
	d->rest = c.rest;
	return true;
}

bool der_more(const struct der *d)
{
	return !d->bad && d->rest.len > 0;
}

bool der_is(const struct der *d, uint8_t tag)
{
	return der_more(d) && d->rest.p[0] == tag;
}

struct slice der_any(struct der *d, uint8_t *tag)
{
	struct slice content, whole;

	if (!next(d, tag, &content, &whole))
		*tag = 0;
	return content;
}

/* The next value, which must have this tag. */
static void expect(struct der *d, uint8_t tag, struct slice *content,
		   struct slice *whole)
{
	uint8_t found;

	if (!der_is(d, tag))
		d->bad = true;
	(void)next(d, &found, content, whole);
}

struct slice der_get(struct der *d, uint8_t tag)
{
	struct slice content, whole;

	expect(d, tag, &content, &whole);
	return content;
}

struct slice der_whole(struct der *d, uint8_t tag)
{
	struct slice content, whole;

	expect(d, tag, &content, &whole);
	return whole;
}

struct der der_enter(struct der *d, uint8_t tag)
{
	struct der inner = der_make(der_get(d, tag));

	inner.bad = d->bad;
	return inner;
}

void der_leave(struct der *d, const struct der *inner)
{
	if (inner->bad || inner->rest.len != 0)
		d->bad = true;
}

enum status der_end(const struct der *d, const char *what, struct err *err)
{
	if (d->bad)
		return err_set(err, E_PARSE,
			       "%s: not the DER that was expected", what);
	if (d->rest.len != 0)
		return err_set(err, E_PARSE, "%s: %zu bytes behind its end",
			       what, d->rest.len);
	return OK;
}

/* ---- Values ---- */

struct slice der_integer(struct der *d)
{
	struct slice v = der_get(d, DER_INTEGER);

	/* Negative, or a zero in front that changes nothing. */
	if (v.len == 0 || (v.p[0] & 0x80) != 0 ||
	    (v.len > 1 && v.p[0] == 0 && (v.p[1] & 0x80) == 0)) {
		d->bad = true;
		return (struct slice){ 0 };
	}
	return v.len > 1 && v.p[0] == 0 ? slice_from(v, 1) : v;
}

uint64_t der_u64(struct der *d, uint64_t max)
{
	struct slice v = der_integer(d);
	uint64_t n = 0;

	for (size_t i = 0; i < v.len && v.len <= sizeof(n); i++)
		n = n << 8 | v.p[i];
	if (v.len <= sizeof(n) && n <= max)
		return n;
	d->bad = true;
	return 0;
}

uint8_t der_enumerated(struct der *d)
{
	struct slice v = der_get(d, DER_ENUMERATED);

	if (v.len == 1 && v.p[0] < 0x80)
		return v.p[0];
	d->bad = true;
	return 0;
}

bool der_boolean(struct der *d)
{
	struct slice v = der_get(d, DER_BOOLEAN);

	if (v.len == 1 && (v.p[0] == 0 || v.p[0] == 0xff))
		return v.p[0] != 0;
	d->bad = true;
	return false;
}

void der_null(struct der *d)
{
	if (der_get(d, DER_NULL).len != 0)
		d->bad = true;
}

struct slice der_bits(struct der *d)
{
	struct slice v = der_get(d, DER_BIT_STRING);

	/* The first byte counts the bits of the last that do not count. */
	if (v.len == 0 || v.p[0] != 0) {
		d->bad = true;
		return (struct slice){ 0 };
	}
	return slice_from(v, 1);
}

struct slice der_oid(struct der *d)
{
	struct slice v = der_get(d, DER_OID);
	bool starts = true; /* a number does */

	for (size_t i = 0; i < v.len; i++) {
		if (starts && v.p[i] == BASE128_MORE)
			d->bad = true; /* a zero in front */
		starts = (v.p[i] & BASE128_MORE) == 0;
	}
	if (v.len == 0 || !starts)
		d->bad = true;
	return d->bad ? (struct slice){ 0 } : v;
}

/* ---- Times ---- */

/* Two digits. */
static int two(struct cursor *c)
{
	uint8_t high = cursor_u8(c), low = cursor_u8(c);

	if (high < '0' || high > '9' || low < '0' || low > '9')
		c->bad = true;
	return (high - '0') * 10 + (low - '0');
}

static bool is_date(const struct tm *tm)
{
	static const int days[] = { 31, 29, 31, 30, 31, 30,
				    31, 31, 30, 31, 30, 31 };
	int year = tm->tm_year + 1900;
	bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);

	return tm->tm_mon >= 0 && tm->tm_mon < 12 && tm->tm_mday >= 1 &&
	       tm->tm_mday <= days[tm->tm_mon] &&
	       (tm->tm_mon != 1 || tm->tm_mday != 29 || leap) &&
	       tm->tm_hour < 24 && tm->tm_min < 60 && tm->tm_sec < 60;
}

int64_t der_time(struct der *d)
{
	bool utc = der_is(d, DER_UTC_TIME);
	struct cursor c = cursor_make(
		der_get(d, utc ? DER_UTC_TIME : DER_GENERALIZED_TIME));
	struct tm tm = { 0 };

	/* Years since 1900; of two digits, those below 50 are of 20xx. */
	if (!utc)
		tm.tm_year = two(&c) * 100 - 1900;
	tm.tm_year += two(&c);
	if (utc && tm.tm_year < 50)
		tm.tm_year += 100;
	tm.tm_mon = two(&c) - 1;
	tm.tm_mday = two(&c);
	tm.tm_hour = two(&c);
	tm.tm_min = two(&c);
	tm.tm_sec = two(&c);
	if (cursor_u8(&c) != 'Z' || c.bad || c.rest.len != 0 || !is_date(&tm)) {
		d->bad = true;
		return 0;
	}
	return timegm(&tm);
}

/* ---- Object identifiers ---- */

/* The next number of an object identifier; false at its end, or when the
 * number is larger than any that is in use. */
static bool next_arc(struct slice *oid, uint64_t *arc)
{
	uint64_t v = 0;

	while (oid->len > 0 && v >> (64 - BASE128_BITS) == 0) {
		uint8_t byte = oid->p[0];

		*oid = slice_from(*oid, 1);
		v = v << BASE128_BITS | (byte & (BASE128_MORE - 1));
		if ((byte & BASE128_MORE) == 0) {
			*arc = v;
			return true;
		}
	}
	return false;
}

/* Write the dotted text to out, as snprintf(3) cuts it; whether it fitted
 * and the identifier is well formed. */
static bool write_oid(struct slice oid, char *out, size_t size)
{
	size_t len = 0;
	uint64_t arc;
	bool whole = oid.len > 0;

	out[0] = '\0';
	for (bool first = true; whole && oid.len > 0; first = false) {
		if (!next_arc(&oid, &arc))
			return false;
		/* The first two are in one number: 40 * first + second. */
		uint64_t top = arc < 80 ? arc / 40 : 2;
		int n = first ? snprintf(out + len, size - len, "%llu.%llu",
					 (unsigned long long)top,
					 (unsigned long long)(arc - 40 * top))
			      : snprintf(out + len, size - len, ".%llu",
					 (unsigned long long)arc);
		whole = n > 0 && (size_t)n < size - len;
		len += whole ? (size_t)n : 0;
	}
	return whole;
}

static bool next_number(struct slice *dotted, uint64_t *out)
{
	struct slice number;

	return slice_split(dotted, '.', &number) && slice_u64(number, out);
}

bool der_oid_is(struct slice oid, const char *dotted)
{
	struct slice rest = slice_str(dotted);
	uint64_t top, want, arc;

	if (!next_number(&rest, &top) || !next_number(&rest, &want) ||
	    top > 2 || want > UINT64_MAX - 80 || (top < 2 && want >= 40))
		return false;
	want += 40 * top; /* the first two are in one number */
	while (next_arc(&oid, &arc) && arc == want) {
		if (oid.len == 0 || !next_number(&rest, &want))
			return oid.len == 0 && rest.len == 0;
	}
	return false;
}

void der_oid_text(struct slice oid, char out[static DER_OID_TEXT])
{
	(void)write_oid(oid, out, DER_OID_TEXT);
}

/* ---- Writing ---- */

/* The INTEGER's length, without needless zeros and with one where the first
 * bit would make it negative. */
static struct slice trim(struct slice n, bool *pad)
{
	while (n.len > 0 && n.p[0] == 0)
		n = slice_from(n, 1);
	*pad = n.len == 0 || (n.p[0] & 0x80) != 0;
	return n;
}

/* len: less than 256. */
static void put_length(struct buf *out, size_t len)
{
	if (len >= LONG_FORM)
		buf_put_u8(out, LONG_FORM | 1);
	buf_put_u8(out, (uint8_t)len);
}

static void put_integer(struct buf *out, struct slice n, bool pad)
{
	buf_put_u8(out, DER_INTEGER);
	put_length(out, n.len + pad);
	if (pad)
		buf_put_u8(out, 0);
	buf_put(out, n);
}

void der_put_ecdsa(struct buf *out, struct slice r, struct slice s)
{
	bool pad_r, pad_s;

	r = trim(r, &pad_r);
	s = trim(s, &pad_s);
	/* No curve of ours has numbers of so many bytes. */
	if (r.len + pad_r > ECDSA_MAX || s.len + pad_s > ECDSA_MAX) {
		out->bad = true;
		return;
	}
	buf_put_u8(out, DER_SEQUENCE);
	put_length(out, 4 + r.len + pad_r + s.len + pad_s);
	put_integer(out, r, pad_r);
	put_integer(out, s, pad_s);
}
