/* What decodes must encode to the same again; what is judged as text must be
 * text; an error text never holds a control byte. */
#include "core/text.h"
#include "test/fuzz/fuzz.h"

static void try_base64(struct slice in)
{
	auto_buf struct buf plain = buf_make(in.len), again = buf_make(in.len);
	struct err err;

	if (text_unbase64(in, &plain, "fuzz", &err) == OK) {
		text_base64(&again, buf_slice(&plain));
		require(slice_eq(buf_slice(&again), in));
	}
	buf_clear(&plain);
	buf_clear(&again);
	if (text_unbase64url(in, &plain, "fuzz", &err) == OK) {
		text_base64url(&again, buf_slice(&plain));
		require(slice_eq(buf_slice(&again), in));
	}
}

static void try_hex(struct slice in)
{
	auto_buf struct buf again = buf_make(in.len);
	uint8_t plain[256];
	struct err err;

	if (in.len / 2 > sizeof(plain))
		return;
	if (text_unhex(in, plain, in.len / 2, "fuzz", &err) != OK)
		return;
	text_hex(&again, slice_make(plain, in.len / 2));
	require(slice_eq(buf_slice(&again), in));
}

static void try_time(struct slice in)
{
	char again[TEXT_TIME_SIZE];
	struct err err;
	int64_t t;

	if (text_untime(in, &t, &err) != OK)
		return;
	text_time(again, t);
	require(slice_eq_str(in, again));
}

static void try_utf8(struct slice in)
{
	struct slice rest = in;
	size_t n;

	while ((n = text_utf8_len(rest)) > 0)
		rest = slice_from(rest, n);
	require((rest.len == 0) == text_is_utf8(in));
}

static void try_escapes(struct slice in)
{
	auto_buf struct buf out = buf_make(4 * in.len);
	struct err err;

	text_escape(&out, in);
	require(!out.bad);
	for (size_t i = 0; i < out.len; i++)
		require(out.mem[i] >= ' ' && out.mem[i] <= '~');

	(void)err_set(&err, E_PARSE, "%.*s", SLICE_FMT(in));
	require(text_is_utf8(slice_str(err.text)));
	for (const char *c = err.text; *c != '\0'; c++)
		require((uint8_t)*c >= ' ' && *c != 0x7f);
}

/* The first half against the second. */
static void try_distance(struct slice in)
{
	struct slice a = slice_sub(in, 0, in.len / 2);
	struct slice b = slice_from(in, in.len / 2);

	require(text_distance(a, b) == text_distance(b, a));
	require(text_distance(a, a) == 0);
	require(text_distance(a, b) <= 32);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);

	try_base64(in);
	try_hex(in);
	try_time(in);
	try_utf8(in);
	try_escapes(in);
	try_distance(in);
	return 0;
}
