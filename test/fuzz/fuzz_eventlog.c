/* Event logs in both forms; what is proven lies in the log, and a replay is
 * the same each time. */
#include "attest/tee/eventlog.h"
#include "test/fuzz/fuzz.h"

FUZZ_WITH_CRYPTO

static bool inside(struct slice part, struct slice whole)
{
	return part.len == 0 ||
	       (part.p >= whole.p && part.len <= whole.len &&
		(size_t)(part.p - whole.p) <= whole.len - part.len);
}

static void check(const struct eventlog *l, enum hash_alg alg)
{
	struct eventlog_registers a, b;
	struct err err;

	for (size_t i = 0; i < l->n; i++) {
		const struct eventlog_event *e = &l->event[i];
		struct slice part = eventlog_event_proven(l, e, alg);

		if (!inside(part, e->data))
			abort();
		if (part.len > 0 && !eventlog_event_honest(l, e, alg))
			abort();
	}
	enum status s = eventlog_replay(l, alg, &a, &err);
	if (s != eventlog_replay(l, alg, &b, &err))
		abort();
	if (s == OK && memcmp(a.reg, b.reg, sizeof(a.reg)) != 0)
		abort();
}

static void check_all(struct eventlog *l, size_t size)
{
	if (l->end > size || l->n > EVENTLOG_EVENTS_MAX)
		abort();
	check(l, HASH_SHA256);
	check(l, HASH_SHA384);
	eventlog_done(l);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice raw = slice_make(data, size);
	uint64_t len;
	struct eventlog l;
	struct err err;

	if (eventlog_parse(raw, EVENTLOG_CC, &l, &err) == OK)
		check_all(&l, size);
	if (eventlog_parse(raw, EVENTLOG_TPM, &l, &err) == OK)
		check_all(&l, size);
	if (eventlog_parse_json(raw, &l, &err) == OK)
		check_all(&l, size);
	(void)eventlog_parse_ccel(raw, &len, &err);
	return 0;
}
