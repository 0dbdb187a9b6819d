#include "test/attest/tee/log_forge.h"

#include <stdlib.h>

#include "core/cleanup.h"

#define MAX 4096
#define LAST 3 /* the register mr of RTMR2 */

static void put_le(struct buf *out, uint64_t v, int bytes)
{
	for (int i = 0; i < bytes; i++)
		buf_put_u8(out, (uint8_t)(v >> 8 * i));
}

/* TCG PFP 10.2.1 and 10.4.5.1: the event that names the algorithms. */
static void put_head(struct buf *out)
{
	static const uint8_t no_digest[20];

	put_le(out, 1, 4);
	put_le(out, EVENTLOG_NO_ACTION, 4);
	buf_put(out, slice_of(no_digest));
	put_le(out, 33, 4);
	buf_put(out, S("Spec ID Event03\0"));
	put_le(out, 0, 4);
	put_le(out, 0x02000200, 4);
	put_le(out, 1, 4);
	put_le(out, EVENTLOG_SHA384, 2);
	put_le(out, 48, 2);
	put_le(out, 0, 1);
}

void log_forge(struct buf *out)
{
	uint8_t digest[48];

	put_head(out);
	for (uint32_t mr = 1; mr <= LAST; mr++) {
		const uint8_t data[] = { 0, 0, 0, (uint8_t)mr };

		sha384(slice_of(data), digest);
		put_le(out, mr, 4);
		put_le(out, EVENTLOG_SEPARATOR, 4);
		put_le(out, 1, 4);
		put_le(out, EVENTLOG_SHA384, 2);
		buf_put(out, slice_of(digest));
		put_le(out, sizeof(data), 4);
		buf_put(out, slice_of(data));
	}
}

void log_forge_registers(uint8_t rtmr[static EVENTLOG_RTMRS][48])
{
	auto_buf struct buf raw = buf_make(MAX);
	auto_eventlog struct eventlog log = { 0 };
	struct eventlog_registers r;
	struct err err;

	log_forge(&raw);
	if (eventlog_parse(buf_slice(&raw), EVENTLOG_CC, &log, &err) != OK ||
	    eventlog_replay(&log, HASH_SHA384, &r, &err) != OK)
		abort();
	for (size_t i = 0; i < EVENTLOG_RTMRS; i++)
		memcpy(rtmr[i], r.reg[i].value, 48);
}
