/* dstack's event log.  Its own events carry all that was hashed; those of the
 * firmware come without their data, or with the first bytes of them. */
#include "attest/tee/eventlog.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

static const char *const members[] = { "imr", "event_type", "digest", "event",
				       "event_payload" };

/* Memory for what was decoded; it never is more than the text. */
struct arena {
	uint8_t *p;
	size_t left;
};

static uint8_t *arena_take(struct arena *a, size_t n)
{
	uint8_t *p = a->p;

	if (n > a->left)
		abort(); /* two digits of text make one byte */
	a->p += n;
	a->left -= n;
	return p;
}

static enum status decode(struct arena *a, struct slice hex, const char *what,
			  struct slice *out, struct err *err)
{
	size_t n = hex.len / 2;
	uint8_t *p = arena_take(a, n);

	TRY(text_unhex(hex, p, n, what, err));
	*out = slice_make(p, n);
	return OK;
}

/* SHA-384(type, ":", name, ":", payload): dstack's events. */
static void hash_dstack(const struct eventlog_event *e, uint8_t out[static 48])
{
	const uint8_t type[4] = { (uint8_t)e->type, (uint8_t)(e->type >> 8),
				  (uint8_t)(e->type >> 16),
				  (uint8_t)(e->type >> 24) };
	const struct slice parts[] = { slice_of(type), S(":"), e->name, S(":"),
				       e->data };

	hash_parts(HASH_SHA384, parts, countof(parts), out);
}

static enum status check_dstack(struct arena *a, struct eventlog_event *e,
				size_t at, struct err *err)
{
	uint8_t want[48];

	hash_dstack(e, want);
	if (e->digest[0].len == 0) {
		uint8_t *p = arena_take(a, sizeof(want));

		memcpy(p, want, sizeof(want));
		e->digest[0] = slice_make(p, sizeof(want));
	}
	if (!slice_eq(e->digest[0], slice_of(want)))
		return err_set(err, E_CRYPTO,
			       "event log: event %zu: its digest is not that "
			       "of its name and payload",
			       at);
	return OK;
}

static enum status read_event(const struct json *j, size_t at, struct arena *a,
			      struct eventlog_event *e, struct err *err)
{
	struct slice digest, name, payload;
	uint64_t imr = 0, type = 0;

	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, members, countof(members), err));
	TRY(json_want_u64(j, "imr", 0, EVENTLOG_RTMRS - 1, &imr, err));
	TRY(json_want_u64(j, "event_type", 0, UINT32_MAX, &type, err));
	TRY(json_want_str(j, "digest", &digest, err));
	TRY(json_want_str(j, "event", &name, err));
	TRY(json_want_str(j, "event_payload", &payload, err));
	TRY(decode(a, payload, "event_payload", &e->data, err));
	TRY(decode(a, digest, "digest", &e->digest[0], err));
	e->mr = (uint32_t)imr + 1;
	e->type = (uint32_t)type;
	if (name.len > 0) {
		uint8_t *p = arena_take(a, name.len);

		memcpy(p, name.p, name.len);
		e->name = slice_make(p, name.len);
	}
	if (e->type == EVENTLOG_DSTACK)
		return check_dstack(a, e, at, err);
	if (e->digest[0].len != 48)
		return err_set(err, E_PARSE,
			       "event log: event %zu: expected a digest of 48 "
			       "bytes, found %zu",
			       at, e->digest[0].len);
	return OK;
}

static enum status read_all(const struct json *root, struct arena *a,
			    struct eventlog *l, struct err *err)
{
	for (const struct json *j = json_first(root); j != NULL;
	     j = json_next(j)) {
		TRY(read_event(j, l->n + 1, a, &l->event[l->n], err));
		l->n++;
	}
	return OK;
}

enum status eventlog_parse_json(struct slice raw, struct eventlog *out,
				struct err *err)
{
	auto_eventlog struct eventlog l = {
		.kind = EVENTLOG_JSON,
		.n_algs = 1,
		.alg = { { EVENTLOG_SHA384, 48 } },
		.end = raw.len,
	};
	auto_json struct json *root = NULL;

	if (raw.len > EVENTLOG_MAX)
		return err_set(err, E_LIMIT,
			       "event log: %zu bytes, want at most %u", raw.len,
			       EVENTLOG_MAX);
	TRY(json_parse(raw, &root, err));
	TRY(json_want(root, JSON_ARRAY, err));
	size_t n = json_count(root);
	if (n > EVENTLOG_EVENTS_MAX)
		return err_set(err, E_LIMIT, "event log: more than %d events",
			       EVENTLOG_EVENTS_MAX);
	/* Each event may get a digest that the text leaves out. */
	size_t room = raw.len + n * 48;
	l.event = mem_calloc(n == 0 ? 1 : n, sizeof(*l.event));
	l.arena = mem_alloc(room);
	if (l.event == NULL || l.arena == NULL)
		return err_set(err, E_NOMEM, "event log: no memory");
	struct arena a = { l.arena, room };
	TRY(read_all(root, &a, &l, err));
	*out = l;
	l = (struct eventlog){ 0 }; /* it is the caller's now */
	return OK;
}
