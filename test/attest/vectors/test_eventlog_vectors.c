/* Every event log among the vectors: read, replayed, compared with the
 * registers that are known, and, where there is a quote, with that; each of
 * them changed and cut. */
#include <dirent.h>
#include <stdlib.h>

#include "attest/measure_tdx.h"
#include "attest/tee/eventlog.h"
#include "attest/tee/tdx_quote.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

#define FILE_MAX (1u << 20)
#define BLOCK 64 /* events of a table */

static const char *folder(void)
{
	const char *given = getenv("CONFD_VECTORS");

	if (given == NULL)
		given = "../shared/vectors";
	return access(given, R_OK) == 0 ? given : NULL;
}

static bool read_file(const char *kind, const char *name, const char *file,
		      struct buf *out)
{
	char path[1024];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/%s/%s/%s", folder(), kind, name,
		       file);
	buf_clear(out);
	return file_read(path, out, &err) == OK;
}

/* A case: its log, and what is known of the registers. */
struct vector {
	struct buf text, raw, quote, table;
	struct json *json;
	struct eventlog log;
	bool is_json;
};

static void vector_done(struct vector *v)
{
	buf_done(&v->text);
	buf_done(&v->raw);
	buf_done(&v->quote);
	buf_done(&v->table);
	json_free(v->json);
	eventlog_done(&v->log);
}
#define auto_vector __attribute__((cleanup(vector_done)))

static enum status parse_log(const struct vector *v, struct slice raw,
			     struct eventlog *out)
{
	struct slice tpm = S("tpm");
	const struct json *kind = json_get(v->json, "log_kind");
	struct err err;

	if (v->is_json)
		return eventlog_parse_json(raw, out, &err);
	return eventlog_parse(raw,
			      kind != NULL && slice_eq(json_str(kind), tpm)
				      ? EVENTLOG_TPM
				      : EVENTLOG_CC,
			      out, &err);
}

/* False when the case has no log. */
static bool load(struct vector *v, const char *kind, const char *name)
{
	struct err err;

	*v = (struct vector){ .text = buf_make(FILE_MAX),
			      .raw = buf_make(FILE_MAX),
			      .quote = buf_make(FILE_MAX),
			      .table = buf_make(FILE_MAX) };
	if (!read_file(kind, name, "case.json", &v->text) ||
	    !EXPECT(json_parse(buf_slice(&v->text), &v->json, &err) == OK))
		return false;
	(void)read_file(kind, name, "quote.bin", &v->quote);
	(void)read_file(kind, name, "ccel_table.bin", &v->table);
	v->is_json = read_file(kind, name, "event_log.json", &v->raw);
	if (!v->is_json && !read_file(kind, name, "log.bin", &v->raw) &&
	    !read_file(kind, name, "ccel_data.bin", &v->raw))
		return false;
	if (!EXPECT(parse_log(v, buf_slice(&v->raw), &v->log) == OK))
		printf("%s/%s\n", kind, name);
	return v->log.n > 0;
}

/* Where case.json tells of the log. */
static const struct json *about(const struct vector *v)
{
	const struct json *inner = json_get(v->json, "event_log");

	return inner != NULL ? inner : v->json;
}

static bool register_is(const struct eventlog_registers *r, size_t at,
			const struct json *want)
{
	char hex[2 * HASH_MAX + 1];

	text_hex_into(hex, sizeof(hex),
		      slice_make(r->reg[at].value, hash_len(r->alg)));
	return slice_eq_str(json_str(want), hex);
}

/* One bank: all registers told, and no other was extended. */
static size_t check_bank(const struct vector *v, enum hash_alg alg,
			 const struct json *want, const char *prefix)
{
	struct eventlog_registers r;
	struct err err;
	size_t n = 0;

	if (!EXPECT(eventlog_replay(&v->log, alg, &r, &err) == OK))
		return 0;
	for (size_t i = 0; i < r.n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "%s%zu", prefix, i);
		const struct json *told = json_get(want, name);
		if (told == NULL) {
			EXPECT(r.reg[i].events == 0);
			continue;
		}
		EXPECT(register_is(&r, i, told));
		n++;
	}
	EXPECT(n == json_count(want));
	return n;
}

static size_t check_registers(const struct vector *v)
{
	static const struct {
		const char *name;
		enum hash_alg alg;
	} banks[] = { { "sha256", HASH_SHA256 }, { "sha384", HASH_SHA384 } };
	const struct json *pcrs = json_get(v->json, "replayed_pcrs");
	size_t n = 0;

	if (pcrs == NULL)
		return check_bank(v, HASH_SHA384,
				  json_get(about(v), "replayed"), "rtmr");
	for (size_t i = 0; i < countof(banks); i++)
		n += check_bank(v, banks[i].alg, json_get(pcrs, banks[i].name),
				"");
	return n;
}

static void check_numbers(const struct vector *v)
{
	const struct json *end = json_get(about(v), "end_offset");
	uint64_t n = 0;
	struct err err;

	EXPECT(json_want_u64(about(v), "events", 0, 9999, &n, &err) == OK);
	EXPECT(v->log.n == n);
	if (end != NULL)
		EXPECT(json_u64(end, 0, FILE_MAX, &n, &err) == OK &&
		       v->log.end == n);
}

/* The log leads to the registers that the quote signs. */
static bool check_quote(const struct vector *v)
{
	auto_trace struct trace t = { 0 };
	struct tdx_quote q;
	struct err err;

	trace_init(&t);
	if (v->quote.len == 0)
		return false;
	if (EXPECT(tdx_quote_parse(buf_slice(&v->quote), &q, &err) == OK) &&
	    !EXPECT(eventlog_verify_rtmrs(&v->log, q.td.rtmr, 15, &t, &err) ==
		    OK))
		printf("%s\n", err.text);
	for (size_t i = 0; i < EVENTLOG_RTMRS; i++) {
		q.td.rtmr[i][47] ^= 1;
		EXPECT(eventlog_verify_rtmrs(&v->log, q.td.rtmr, 15, &t,
					     &err) == E_CRYPTO);
		q.td.rtmr[i][47] ^= 1;
	}
	return true;
}

/* How many events' data are proven; and all are honest. */
static size_t count_proven(const struct vector *v)
{
	size_t n = 0;

	for (size_t i = 0; i < v->log.n; i++) {
		EXPECT(eventlog_event_honest(&v->log, &v->log.event[i],
					     HASH_SHA384));
		n += eventlog_event_proven(&v->log, &v->log.event[i],
					   HASH_SHA384)
			     .len > 0;
	}
	return n;
}

static size_t each(const char *kind,
		   void (*fn)(const char *kind, const char *name,
			      const struct vector *v))
{
	char path[512];
	struct dirent **list = NULL;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", folder(), kind);
	int found = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		auto_vector struct vector v = { 0 };

		if (list[i]->d_name[0] != '.' && list[i]->d_name[0] != '_' &&
		    list[i]->d_type == DT_DIR &&
		    load(&v, kind, list[i]->d_name)) {
			fn(kind, list[i]->d_name, &v);
			n++;
		}
		free(list[i]); /* scandir's own */
	}
	free(list);
	return n;
}

static void check_case(const char *kind, const char *name,
		       const struct vector *v)
{
	size_t registers = check_registers(v);
	bool quote = check_quote(v);

	check_numbers(v);
	if (v->table.len > 0) {
		uint64_t len = 0;
		struct err err;

		EXPECT(eventlog_parse_ccel(buf_slice(&v->table), &len, &err) ==
		       OK);
		EXPECT(len >= v->log.end);
	}
	printf("    %-9s %-34s %3zu events, %3zu proven, %2zu registers%s\n",
	       kind, name, v->log.n, count_proven(v), registers,
	       quote ? ", as quoted" : "");
}

TEST(every_log_leads_to_the_registers_that_are_known)
{
	if (folder() == NULL)
		SKIP("no vectors: set CONFD_VECTORS");
	printf("  event logs: ok is read, honest, and right in every "
	       "register\n");
	CHECK_EQ_U64(each("eventlog", check_case), 5);
	CHECK_EQ_U64(each("tdx", check_case), 3);
}

/* ---- Changed ---- */

/* What became of the changes of one log. */
struct tally {
	size_t refused, other, dishonest, opaque, told;
};

/* A byte is part of something that a matching replay proves, or it is not:
 * changed, the log is refused, leads elsewhere, or is seen to lie; or it is in
 * data that nothing proves. */
static void judge(const struct vector *v, struct slice raw,
		  const struct eventlog_registers *want, enum hash_alg alg,
		  struct tally *n)
{
	auto_eventlog struct eventlog l = { 0 };
	struct eventlog_registers r;
	struct err err;

	if (parse_log(v, raw, &l) != OK ||
	    eventlog_replay(&l, alg, &r, &err) != OK) {
		n->refused++;
		return;
	}
	if (memcmp(&r.reg, &want->reg, sizeof(r.reg)) != 0) {
		n->other++;
		return;
	}
	size_t proven = 0;
	for (size_t i = 0; i < l.n; i++) {
		if (!eventlog_event_honest(&l, &l.event[i], alg)) {
			n->dishonest++;
			return;
		}
		proven += eventlog_event_proven(&l, &l.event[i], alg).len > 0;
	}
	if (proven == count_proven(v))
		n->told++; /* what is proven is what it was */
	else
		n->opaque++; /* less is proven than was */
}

static void change(const char *kind, const char *name, const struct vector *v)
{
	auto_mem uint8_t *copy = mem_must(v->raw.len);
	struct slice raw = buf_slice(&v->raw);
	struct eventlog_registers want;
	struct tally n = { 0 };
	struct err err;

	if (!EXPECT(eventlog_replay(&v->log, HASH_SHA384, &want, &err) == OK))
		return;
	memcpy(copy, raw.p, raw.len);
	size_t step = raw.len / 150 + 1; /* a hundred places of each */
	for (size_t i = 0; i < raw.len; i += step) {
		copy[i] ^= 1;
		judge(v, slice_make(copy, raw.len), &want, HASH_SHA384, &n);
		copy[i] ^= 1;
	}
	printf("    %-9s %-34s refused %zu, other registers %zu, seen to lie "
	       "%zu, not proven any more %zu, told only %zu\n",
	       kind, name, n.refused, n.other, n.dishonest, n.opaque, n.told);
	EXPECT(n.refused > 0 && n.other > 0);
}

TEST(what_is_changed_in_a_log_is_refused_or_not_proven)
{
	if (folder() == NULL)
		SKIP("no vectors: set CONFD_VECTORS");
	printf("  one byte changed, at a hundred places or so:\n");
	(void)each("eventlog", change);
	(void)each("tdx", change);
}

/* A digest, or the head of an event, is never another unseen. */
static void change_digests(const char *kind, const char *name,
			   const struct vector *v)
{
	auto_mem uint8_t *copy = mem_must(v->raw.len);
	struct eventlog_registers want, r;
	struct err err;

	(void)kind;
	(void)name;
	if (v->is_json ||
	    !EXPECT(eventlog_replay(&v->log, HASH_SHA384, &want, &err) == OK))
		return;
	memcpy(copy, buf_slice(&v->raw).p, v->raw.len);
	for (size_t i = 0; i < v->log.n; i++) {
		const struct eventlog_event *e = &v->log.event[i];
		size_t sha384_at = v->log.n_algs == 1 ? 0 : 2;
		uint8_t *at =
			copy + (e->digest[sha384_at].p - buf_slice(&v->raw).p);

		if (e->type == EVENTLOG_NO_ACTION)
			continue;
		for (size_t k = 0; k < 48; k++) {
			auto_eventlog struct eventlog l = { 0 };

			at[k] ^= (uint8_t)(1u << (k % 8));
			bool same =
				parse_log(v, slice_make(copy, v->raw.len),
					  &l) == OK &&
				eventlog_replay(&l, HASH_SHA384, &r, &err) ==
					OK &&
				memcmp(&r.reg, &want.reg, sizeof(r.reg)) == 0;
			at[k] ^= (uint8_t)(1u << (k % 8));
			if (!EXPECT(!same))
				return;
			k += v->log.n > BLOCK ? 11 : 3;
		}
	}
}

TEST(every_digest_counts)
{
	if (folder() == NULL)
		SKIP("no vectors: set CONFD_VECTORS");
	(void)each("eventlog", change_digests);
	(void)each("tdx", change_digests);
}

static void cut(const char *kind, const char *name, const struct vector *v)
{
	struct eventlog_registers want, r;
	struct err err;

	(void)kind;
	(void)name;
	if (!EXPECT(eventlog_replay(&v->log, HASH_SHA384, &want, &err) == OK))
		return;
	for (size_t len = 0; len < v->log.end; len += 1 + len / 97) {
		auto_eventlog struct eventlog l = { 0 };

		if (parse_log(v, slice_sub(buf_slice(&v->raw), 0, len), &l) !=
		    OK)
			continue;
		/* Cut between two events it is a log, of another boot. */
		if (EXPECT(eventlog_replay(&l, HASH_SHA384, &r, &err) == OK))
			EXPECT(memcmp(&r.reg, &want.reg, sizeof(r.reg)) != 0);
	}
}

TEST(a_log_that_is_cut_leads_elsewhere)
{
	if (folder() == NULL)
		SKIP("no vectors: set CONFD_VECTORS");
	(void)each("eventlog", cut);
	(void)each("tdx", cut);
}

/* ---- Measured ---- */

/* The volume of variables of Debian's OVMF, as of others: empty. */
static void make_variables(uint8_t *p, size_t len)
{
	static const uint8_t head[] = {
		0,    0,    0,	  0,	0,    0,    0,	  0,	0,    0,
		0,    0,    0,	  0,	0,    0,    0x8d, 0x2b, 0xf1, 0xff,
		0x96, 0x76, 0x8b, 0x4c, 0xa9, 0x85, 0x27, 0x47, 0x07, 0x5b,
		0x4f, 0x50, 0x00, 0x40, 0x08, 0x00, 0,	  0,	0,    0,
		0x5f, 0x46, 0x56, 0x48, 0xff, 0xfe, 0x04, 0x00, 0x48, 0x00,
		0xaf, 0xb8, 0x00, 0x00, 0x00, 0x02, 0x84, 0x00, 0x00, 0x00,
		0x00, 0x10, 0,	  0,	0,    0,    0,	  0,	0,    0,
		0,    0,    0x78, 0x2c, 0xf3, 0xaa, 0x7b, 0x94, 0x9a, 0x43,
		0xa1, 0x80, 0x2e, 0x14, 0x4e, 0xc3, 0x77, 0x92, 0xb8, 0xff,
		0x03, 0x00, 0x5a, 0xfe, 0,    0,    0,	  0,	0,    0,
	};
	static const uint8_t spare[] = {
		0x2b, 0x29, 0x58, 0x9e, 0x68, 0x7c, 0x7d, 0x49,
		0xa0, 0xce, 0x65, 0x00, 0xfd, 0x9f, 0x1b, 0x95,
		0x2c, 0xaf, 0x2c, 0x64, 0xfe, 0xff, 0xff, 0xff,
		0xe0, 0x0f, 0,	  0,	0,    0,    0,	  0,
	};

	memset(p, 0xff, len);
	memcpy(p, head, sizeof(head));
	memcpy(p + 0x41000, spare, sizeof(spare));
}

/* A genuine quote's RTMR0 from the size of its memory and the variables of
 * OVMF: of the log, only what the VMM made is taken. */
TEST(rtmr0_of_a_genuine_quote_is_computed)
{
	const size_t variables = 0x84000, len = variables + 0x4000;
	auto_mem uint8_t *image = mem_must(len);
	struct ovmf_forge f = ovmf_forge_usual;
	auto_vector struct vector v = { 0 };
	struct measure_tdx out;
	struct tdx_quote q;
	struct err err;

	if (folder() == NULL)
		SKIP("no vectors: set CONFD_VECTORS");
	CHECK(load(&v, "tdx", "v4-90c06f00-dstack-cbdb5b2f"));
	f.tdvf[0] = (struct ovmf_forge_tdvf){ 0x84000, 0x4000, 0xffffc000,
					      0x4000,  0,      1 };
	f.tdvf[1] = (struct ovmf_forge_tdvf){ 0,       0x84000, 0xfff78000,
					      0x84000, 1,	0 };
	ovmf_forge_image(&f, image, len);
	make_variables(image, variables);
	const struct measure_tdx_case in = { .firmware = slice_make(image, len),
					     .memory = UINT64_C(64) << 30,
					     .cmdline = "",
					     .log = &v.log };
	struct eventlog_event *hob = &v.log.event[0], *cfv = &v.log.event[1];
	static const uint8_t none[48];
	CHECK(hob->type == 0x8000000b && cfv->type == 0x8000000a);
	hob->digest[0] = cfv->digest[0] = slice_of(none); /* not taken */
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(tdx_quote_parse(buf_slice(&v.quote), &q, &err) == OK);
	CHECK(out.known[0] && memcmp(out.rtmr[0], q.td.rtmr[0], 48) == 0);
}
