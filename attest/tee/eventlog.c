#include "attest/tee/eventlog.h"

#include "core/cleanup.h"

#define HEADER_LEN 32 /* of the first event: register, type, SHA-1, length */
#define SHA1_LEN 20
#define FIRST_EVENTS 64 /* room for so many; grows by doubling */
#define CCEL_LEN 56
#define CCEL_TDX 2

/* clang-format off */
static const struct eventlog_alg known_algs[] = {
	{ EVENTLOG_SHA1, 20 },	 { EVENTLOG_SHA256, 32 },
	{ EVENTLOG_SHA384, 48 }, { EVENTLOG_SHA512, 64 },
	{ EVENTLOG_SM3, 32 },
};
/* clang-format on */

void eventlog_done(struct eventlog *l)
{
	mem_free(l->event);
	mem_free(l->arena);
	*l = (struct eventlog){ 0 };
}

static enum status refuse(struct err *err, const char *what)
{
	return err_set(err, E_PARSE, "event log: %s", what);
}

static enum status refuse_event(const struct eventlog *l, struct err *err,
				const char *what)
{
	return err_set(err, E_PARSE, "event log: event %zu: %s", l->n + 1,
		       what);
}

/* The place of an algorithm in the log, or n_algs. */
static size_t alg_index(const struct eventlog *l, uint16_t id)
{
	size_t i = 0;

	while (i < l->n_algs && l->alg[i].id != id)
		i++;
	return i;
}

static bool is_known(uint16_t id, uint16_t len)
{
	for (size_t i = 0; i < countof(known_algs); i++)
		if (known_algs[i].id == id)
			return known_algs[i].len == len;
	return false;
}

static enum status parse_algs(struct cursor *c, struct eventlog *l,
			      struct err *err)
{
	uint32_t n = cursor_u32le(c);

	if (n == 0 || n > EVENTLOG_ALGS_MAX)
		return err_set(err, E_PARSE,
			       "event log: expected 1 to %d hash algorithms, "
			       "found %u",
			       EVENTLOG_ALGS_MAX, n);
	for (uint32_t i = 0; i < n; i++) {
		uint16_t id = cursor_u16le(c);
		uint16_t len = cursor_u16le(c);

		if (!is_known(id, len) || alg_index(l, id) < l->n_algs)
			return err_set(err, E_PARSE,
				       "event log: expected a known hash "
				       "algorithm, each once, found %#x with "
				       "%u bytes",
				       id, len);
		l->alg[l->n_algs++] = (struct eventlog_alg){ id, len };
	}
	return OK;
}

/* TCG_EfiSpecIDEvent: how to read the events that follow. */
static enum status parse_spec_id(struct slice data, struct eventlog *l,
				 struct err *err)
{
	struct cursor c = cursor_make(data);
	struct slice signature = cursor_bytes(&c, 16);

	if (!slice_eq(signature, S("Spec ID Event03\0")))
		return refuse(err, "expected \"Spec ID Event03\" as the first "
				   "event, found another");
	uint32_t platform = cursor_u32le(&c);
	uint8_t minor = cursor_u8(&c);
	uint8_t major = cursor_u8(&c);
	uint8_t errata = cursor_u8(&c);
	uint8_t uintn = cursor_u8(&c);

	if (major != 2 || minor != 0)
		return err_set(err, E_PARSE,
			       "event log: expected version 2.0, found %u.%u",
			       major, minor);
	(void)errata; /* says nothing on the form */
	if (platform > 1 || uintn < 1 || uintn > 2)
		return refuse(err, "expected a client or a server of 32 or 64 "
				   "bits in the first event, found neither");
	TRY(parse_algs(&c, l, err));
	(void)cursor_bytes(&c, cursor_u8(&c)); /* the vendor's, says nothing */
	return cursor_end(&c, "event log: first event", err);
}

/* TCG_PCClientPCREvent.  Firmware for TDX puts it in register 0 or 1. */
static enum status parse_header(struct cursor *c, struct eventlog *l,
				struct err *err)
{
	uint32_t mr = cursor_u32le(c);
	uint32_t type = cursor_u32le(c);
	struct slice sha1 = cursor_bytes(c, SHA1_LEN);
	struct slice data = cursor_bytes(c, cursor_u32le(c));

	if (c->bad)
		return refuse(err, "it ends within the first event");
	if (mr > (l->kind == EVENTLOG_CC ? 1 : 0) ||
	    type != EVENTLOG_NO_ACTION || !all_zero(sha1.p, sha1.len))
		return refuse(err, "expected EV_NO_ACTION with a digest of "
				   "zeros as the first event, found another");
	TRY(parse_spec_id(data, l, err));
	if (l->kind == EVENTLOG_CC &&
	    (l->n_algs != 1 || l->alg[0].id != EVENTLOG_SHA384))
		return refuse(err, "expected SHA-384 and no other algorithm "
				   "in a log for TDX");
	return OK;
}

static enum status parse_digests(struct cursor *c, const struct eventlog *l,
				 struct eventlog_event *e, struct err *err)
{
	uint32_t n = cursor_u32le(c);

	if (c->bad || n != l->n_algs)
		return err_set(err, E_PARSE,
			       "event log: event %zu: expected a digest of "
			       "each of %zu algorithms, found %u",
			       l->n + 1, l->n_algs, n);
	for (uint32_t i = 0; i < n; i++) {
		size_t at = alg_index(l, cursor_u16le(c));

		if (at == l->n_algs || e->digest[at].p != NULL)
			return refuse_event(l, err,
					    "expected a digest of each "
					    "algorithm announced, found one "
					    "twice or of another");
		e->digest[at] = cursor_bytes(c, l->alg[at].len);
	}
	return OK;
}

/* TCG_PCR_EVENT2 or, which is the same, CC_EVENT. */
static enum status parse_event(struct cursor *c, const struct eventlog *l,
			       struct eventlog_event *e, struct err *err)
{
	uint32_t registers =
		l->kind == EVENTLOG_CC ? EVENTLOG_RTMRS + 1 : EVENTLOG_PCRS;

	e->mr = cursor_u32le(c);
	e->type = cursor_u32le(c);
	if (!c->bad && e->mr >= registers)
		return err_set(err, E_PARSE,
			       "event log: event %zu: expected a register "
			       "below %u, found %u",
			       l->n + 1, registers, e->mr);
	TRY(parse_digests(c, l, e, err));
	e->data = cursor_bytes(c, cursor_u32le(c));
	if (c->bad)
		return refuse_event(l, err, "the log ends within it");
	return OK;
}

/* Bytes 0xff, then bytes 0: what an area is filled with. */
static bool is_fill(struct slice s)
{
	size_t i = 0;

	while (i < s.len && s.p[i] == 0xff)
		i++;
	return all_zero(s.p + i, s.len - i);
}

static enum status append(struct eventlog *l, size_t *cap,
			  const struct eventlog_event *e, struct err *err)
{
	if (l->n == EVENTLOG_EVENTS_MAX)
		return err_set(err, E_LIMIT, "event log: more than %d events",
			       EVENTLOG_EVENTS_MAX);
	if (l->n == *cap) {
		size_t more = *cap == 0 ? FIRST_EVENTS : *cap * 2;
		void *moved = mem_realloc(l->event, more * sizeof(*e));

		if (moved == NULL)
			return err_set(err, E_NOMEM, "event log: no memory");
		l->event = moved;
		*cap = more;
	}
	l->event[l->n++] = *e;
	return OK;
}

static enum status parse_all(struct slice raw, struct eventlog *l,
			     struct err *err)
{
	struct cursor c = cursor_make(raw);
	size_t cap = 0;

	TRY(parse_header(&c, l, err));
	while (c.rest.len > 0 && !is_fill(c.rest)) {
		struct eventlog_event e = { 0 };

		TRY(parse_event(&c, l, &e, err));
		TRY(append(l, &cap, &e, err));
	}
	l->end = raw.len - c.rest.len;
	return OK;
}

enum status eventlog_parse(struct slice raw, enum eventlog_kind kind,
			   struct eventlog *out, struct err *err)
{
	struct eventlog l = { .kind = kind };

	if (raw.len > EVENTLOG_MAX)
		return err_set(err, E_LIMIT,
			       "event log: %zu bytes, want at most %u", raw.len,
			       EVENTLOG_MAX);
	enum status status = parse_all(raw, &l, err);
	if (status != OK) {
		eventlog_done(&l);
		return status;
	}
	*out = l;
	return OK;
}

enum status eventlog_parse_ccel(struct slice raw, uint64_t *log_len,
				struct err *err)
{
	struct cursor c = cursor_make(raw);
	uint8_t sum = 0;

	for (size_t i = 0; i < raw.len; i++)
		sum = (uint8_t)(sum + raw.p[i]);
	struct slice name = cursor_bytes(&c, 4);
	uint32_t len = cursor_u32le(&c);
	(void)cursor_bytes(&c, 28); /* revision, sum, names of the maker */
	uint8_t type = cursor_u8(&c);
	(void)cursor_bytes(&c, 3); /* subtype, reserved */
	uint64_t area = cursor_u64le(&c);
	(void)cursor_u64le(&c); /* address in the machine */

	TRY(cursor_end(&c, "ACPI table CCEL", err));
	if (!slice_eq(name, S("CCEL")) || len != CCEL_LEN || sum != 0)
		return err_set(err, E_PARSE,
			       "ACPI table CCEL: expected its name, a length "
			       "of %d and a right checksum",
			       CCEL_LEN);
	if (type != CCEL_TDX)
		return err_set(err, E_PARSE,
			       "ACPI table CCEL: expected type %d (TDX), "
			       "found %u",
			       CCEL_TDX, type);
	*log_len = area;
	return OK;
}
