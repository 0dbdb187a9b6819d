#include "core/io/sse.h"

#include "core/buf.h"
#include "test/fuzz/fuzz.h"

static void put_fields(struct buf *log, struct slice event)
{
	struct slice name, value;
	size_t was = log->len;

	while (sse_next_field(&event, &name, &value)) {
		buf_put_field(log, name);
		buf_put_field(log, value);
	}
	if (log->len > was)
		buf_put_str(log, "end");
}

/* Pieces of step bytes; the fields of whole events go to log. */
static void play(struct slice text, size_t step, struct buf *log)
{
	struct sse_scan scan = sse_scan_make(SIZE_MAX);
	auto_buf struct buf event = buf_make(1 << 24);
	struct err err;

	for (size_t at = 0; at < text.len;) {
		struct slice piece = slice_sub(text, at, step);
		bool end = false;
		size_t used = 0;

		require(sse_scan_next(&scan, piece, &used, &end, &err) == OK);
		require(used <= piece.len && used > 0);
		require(end || used == piece.len);
		buf_put(&event, slice_sub(piece, 0, used));
		at += used;
		if (end) {
			put_fields(log, buf_slice(&event));
			buf_clear(&event);
		}
	}
	buf_put_u8(log, sse_scan_partial(&scan));
}

/* The events are the same wherever the stream is cut; with a limit no more
 * than that is ever taken. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_buf struct buf whole = buf_make(1 << 24);
	auto_buf struct buf cut = buf_make(1 << 24);
	struct err err;
	size_t used, total = 0;
	bool end = false;

	if (size < 2)
		return 0;
	struct slice text = slice_make(data + 1, size - 1);
	play(text, text.len, &whole);
	play(text, 1 + data[0] % 16, &cut);
	require(slice_eq(buf_slice(&whole), buf_slice(&cut)));

	struct sse_scan scan = sse_scan_make(data[0]);
	while (text.len > 0 &&
	       sse_scan_next(&scan, text, &used, &end, &err) == OK) {
		total = end ? 0 : total + used;
		require(used <= data[0] && total <= data[0]);
		text = slice_from(text, used);
	}
	return 0;
}
