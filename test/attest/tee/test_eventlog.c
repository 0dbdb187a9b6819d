#include "attest/tee/eventlog.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

/* A log being written. */
struct draft {
	uint8_t bytes[8192];
	size_t len;
	size_t spec; /* where the algorithms are */
	uint32_t n_algs;
	uint16_t alg[EVENTLOG_ALGS_MAX];
};

static void put(struct draft *d, uint64_t v, size_t bytes)
{
	ovmf_forge_put(d->bytes + d->len, v, bytes);
	d->len += bytes;
}

static void put_bytes(struct draft *d, struct slice s)
{
	memcpy(d->bytes + d->len, s.p, s.len);
	d->len += s.len;
}

static size_t len_of(uint16_t alg)
{
	return alg == EVENTLOG_SHA1	? 20
	       : alg == EVENTLOG_SHA384 ? 48
	       : alg == EVENTLOG_SHA512 ? 64
					: 32;
}

static void begin(struct draft *d, const uint16_t *algs, uint32_t n)
{
	memset(d, 0, sizeof(*d));
	put(d, 0, 4);
	put(d, EVENTLOG_NO_ACTION, 4);
	put(d, 0, 8);
	put(d, 0, 8);
	put(d, 0, 4);
	put(d, 29 + 4 * n, 4);
	put_bytes(d, S("Spec ID Event03\0"));
	put(d, 0, 4);	       /* client */
	put(d, 0x02000200, 4); /* 2.0, 64 bits */
	d->spec = d->len;
	put(d, n, 4);
	for (uint32_t i = 0; i < n; i++) {
		put(d, algs[i], 2);
		put(d, len_of(algs[i]), 2);
		d->alg[i] = algs[i];
	}
	put(d, 0, 1); /* nothing of the vendor's */
	d->n_algs = n;
}

static void begin_cc(struct draft *d)
{
	static const uint16_t algs[] = { EVENTLOG_SHA384 };

	begin(d, algs, 1);
}

static void begin_tpm(struct draft *d)
{
	static const uint16_t algs[] = { EVENTLOG_SHA1, EVENTLOG_SHA256,
					 EVENTLOG_SHA384 };

	begin(d, algs, 3);
}

/* An event whose digests are those of `hashed`. */
static void event(struct draft *d, uint32_t mr, uint32_t type,
		  struct slice hashed, struct slice data)
{
	put(d, mr, 4);
	put(d, type, 4);
	put(d, d->n_algs, 4);
	for (uint32_t i = 0; i < d->n_algs; i++) {
		uint8_t digest[HASH_MAX] = { 0 };

		if (d->alg[i] == EVENTLOG_SHA256)
			sha256(hashed, digest);
		else if (d->alg[i] == EVENTLOG_SHA384)
			sha384(hashed, digest);
		put(d, d->alg[i], 2);
		put_bytes(d, slice_make(digest, len_of(d->alg[i])));
	}
	put(d, data.len, 4);
	put_bytes(d, data);
}

static enum status parse(const struct draft *d, enum eventlog_kind kind,
			 struct eventlog *out)
{
	struct err err;

	return eventlog_parse(slice_make(d->bytes, d->len), kind, out, &err);
}

/* Parse, check the status, forget. */
static bool gives(const struct draft *d, enum eventlog_kind kind,
		  enum status want)
{
	auto_eventlog struct eventlog l = { 0 };

	return parse(d, kind, &l) == want;
}

/* ---- Reading ---- */

TEST(reads_events_in_order)
{
	struct draft d;
	auto_eventlog struct eventlog l = { 0 };

	begin_cc(&d);
	event(&d, 1, 0x80000001, S("a"), S("a"));
	event(&d, 4, EVENTLOG_SEPARATOR, S("b"), S("cd"));
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	CHECK_EQ_U64(l.n, 2);
	CHECK_EQ_U64(l.end, d.len);
	CHECK(l.event[1].mr == 4 && l.event[1].type == EVENTLOG_SEPARATOR);
	CHECK(slice_eq_str(l.event[1].data, "cd"));
	CHECK_EQ_U64(l.event[1].digest[0].len, 48);
}

TEST(takes_fill_behind_the_events_and_nothing_else)
{
	struct draft d;

	begin_cc(&d);
	event(&d, 1, 5, S("a"), S("a"));
	size_t end = d.len;
	for (size_t n = 1; n < 100; n++) {
		d.len = end + n;
		memset(d.bytes + end, 0, n);
		CHECK(gives(&d, EVENTLOG_CC, OK));
		memset(d.bytes + end, 0xff, n / 2 + 1);
		CHECK(gives(&d, EVENTLOG_CC, OK));
		d.bytes[end + n - 1] = 0x41;
		CHECK(gives(&d, EVENTLOG_CC, E_PARSE));
	}
}

TEST(refuses_every_cut)
{
	struct draft d;

	begin_cc(&d);
	size_t first = d.len;
	event(&d, 1, 5, S("a"), S("abc"));
	size_t whole = d.len;
	for (d.len = 0; d.len < whole; d.len++)
		CHECK(gives(&d, EVENTLOG_CC, d.len == first ? OK : E_PARSE));
}

TEST(refuses_another_first_event)
{
	struct draft d;

	/* Register, type, SHA-1, length, name and platform; not errata. */
	for (size_t i = 0; i < 60; i++)
		for (unsigned bit = 0; bit < 8; bit++) {
			bool free = (i == 0 && bit == 0) || i == 54 ||
				    (i == 48 && bit == 0) ||
				    (i == 55 && bit < 2);

			begin_cc(&d);
			d.bytes[i] ^= (uint8_t)(1u << bit);
			if (!free)
				CHECK(gives(&d, EVENTLOG_CC, E_PARSE));
		}
	begin_tpm(&d);
	d.bytes[0] = 1; /* what firmware for TDX may write */
	CHECK(gives(&d, EVENTLOG_TPM, E_PARSE));
}

TEST(refuses_algorithms_not_known_twice_or_none)
{
	static const uint16_t twice[] = { EVENTLOG_SHA256, EVENTLOG_SHA256 };
	static const uint16_t other[] = { 0x7777 };
	static const uint16_t all[] = { EVENTLOG_SHA1, EVENTLOG_SHA256,
					EVENTLOG_SHA384, EVENTLOG_SHA512,
					EVENTLOG_SM3 };
	struct draft d;

	begin(&d, twice, 2);
	CHECK(gives(&d, EVENTLOG_TPM, E_PARSE));
	begin(&d, other, 1);
	CHECK(gives(&d, EVENTLOG_TPM, E_PARSE));
	begin(&d, other, 0);
	CHECK(gives(&d, EVENTLOG_TPM, E_PARSE));
	begin(&d, all, 5);
	event(&d, 0, 5, S("a"), S("a"));
	CHECK(gives(&d, EVENTLOG_TPM, OK));
	CHECK(gives(&d, EVENTLOG_CC, E_PARSE)); /* more than SHA-384 */
	begin_cc(&d);
	ovmf_forge_put(d.bytes + d.spec + 6, 32, 2); /* SHA-384 of 32 bytes */
	CHECK(gives(&d, EVENTLOG_CC, E_PARSE));
}

TEST(refuses_digests_missing_twice_or_of_another_algorithm)
{
	struct draft d;
	size_t at;

	begin_tpm(&d);
	at = d.len;
	event(&d, 0, 5, S("a"), S("a"));
	CHECK(gives(&d, EVENTLOG_TPM, OK));
	for (uint32_t n = 0; n < 9; n++) {
		ovmf_forge_put(d.bytes + at + 8, n, 4);
		CHECK(gives(&d, EVENTLOG_TPM, n == 3 ? OK : E_PARSE));
	}
	ovmf_forge_put(d.bytes + at + 8, 3, 4);
	for (uint32_t id = 0; id < 32; id++) {
		ovmf_forge_put(d.bytes + at + 12, id, 2);
		CHECK(gives(&d, EVENTLOG_TPM,
			    id == EVENTLOG_SHA1 ? OK : E_PARSE));
	}
}

TEST(refuses_registers_that_do_not_exist)
{
	struct draft d;

	for (uint32_t mr = 0; mr < 40; mr++) {
		begin_cc(&d);
		event(&d, mr, 5, S("a"), S("a"));
		CHECK(gives(&d, EVENTLOG_CC, mr <= 4 ? OK : E_PARSE));
		begin_tpm(&d);
		event(&d, mr, 5, S("a"), S("a"));
		CHECK(gives(&d, EVENTLOG_TPM, mr <= 23 ? OK : E_PARSE));
	}
}

TEST(refuses_too_much)
{
	auto_mem uint8_t *big = mem_must(EVENTLOG_MAX + 1);
	struct eventlog l = { .n = 7 };
	struct draft d;
	struct err err;

	CHECK(eventlog_parse(slice_make(big, EVENTLOG_MAX + 1), EVENTLOG_CC, &l,
			     &err) == E_LIMIT);
	CHECK(eventlog_parse_json(slice_make(big, EVENTLOG_MAX + 1), &l,
				  &err) == E_LIMIT);
	begin_cc(&d);
	size_t first = d.len;
	event(&d, 1, 5, S("a"), S(""));
	size_t one = d.len - first;
	memcpy(big, d.bytes, first);
	for (size_t i = 0; i <= EVENTLOG_EVENTS_MAX; i++)
		memcpy(big + first + i * one, d.bytes + first, one);
	CHECK(eventlog_parse(
		      slice_make(big, first + (EVENTLOG_EVENTS_MAX + 1) * one),
		      EVENTLOG_CC, &l, &err) == E_LIMIT);
	CHECK_EQ_U64(l.n, 7);
	CHECK(eventlog_parse(slice_make(big, first + EVENTLOG_EVENTS_MAX * one),
			     EVENTLOG_CC, &l, &err) == OK);
	eventlog_done(&l);
}

TEST(reads_the_length_of_a_ccel_table)
{
	uint8_t raw[57] = "CCEL";
	uint64_t len = 7;
	struct err err;

	raw[4] = 56;
	raw[36] = 2;
	raw[40] = 0x10;
	raw[9] = (uint8_t)(0 - ('C' + 'C' + 'E' + 'L' + 56 + 2 + 0x10));
	CHECK(eventlog_parse_ccel(slice_make(raw, 56), &len, &err) == OK);
	CHECK_EQ_U64(len, 0x10);
	for (size_t n = 0; n < 58; n++)
		if (n != 56)
			CHECK(eventlog_parse_ccel(slice_make(raw, n), &len,
						  &err) == E_PARSE);
	for (size_t i = 0; i < 56; i++) {
		raw[i] ^= 1; /* the checksum covers all */
		CHECK(eventlog_parse_ccel(slice_make(raw, 56), &len, &err) ==
		      E_PARSE);
		raw[i] ^= 1;
	}
	raw[36]--; /* SEV: none is known */
	raw[9]++;
	CHECK(eventlog_parse_ccel(slice_make(raw, 56), &len, &err) == E_PARSE);
}

/* ---- Replaying ---- */

static void chain(uint8_t value[static 48], struct slice hashed)
{
	uint8_t digest[48];

	sha384(hashed, digest);
	const struct slice parts[] = { slice_make(value, 48),
				       slice_of(digest) };
	hash_parts(HASH_SHA384, parts, 2, value);
}

TEST(replay_extends_register_by_register)
{
	struct draft d;
	auto_eventlog struct eventlog l = { 0 };
	struct eventlog_registers r;
	uint8_t want[48] = { 0 };
	struct err err;

	begin_cc(&d);
	event(&d, 0, EVENTLOG_NO_ACTION, S("x"), S("x")); /* told only */
	event(&d, 2, 5, S("a"), S("a"));
	event(&d, 1, 5, S("b"), S("b"));
	event(&d, 2, EVENTLOG_NO_ACTION, S("x"), S("x"));
	event(&d, 2, 5, S("c"), S("c"));
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	CHECK(eventlog_replay(&l, HASH_SHA384, &r, &err) == OK);
	chain(want, S("a"));
	chain(want, S("c"));
	CHECK(memcmp(r.reg[1].value, want, 48) == 0);
	CHECK(r.n == 4 && r.reg[1].events == 2 && r.reg[0].events == 1);
	CHECK(r.reg[2].events == 0 && all_zero(r.reg[2].value, 48));
	CHECK(eventlog_replay(&l, HASH_SHA256, &r, &err) == E_NOTFOUND);
}

TEST(replay_refuses_what_cannot_be_extended)
{
	struct eventlog_registers r = { .n = 7 };
	struct err err;

	for (uint32_t mr = 0; mr < 24; mr++) {
		auto_eventlog struct eventlog l = { 0 };
		struct draft d;

		begin_tpm(&d);
		event(&d, mr, 5, S("a"), S("a"));
		CHECK(parse(&d, EVENTLOG_TPM, &l) == OK);
		bool late = mr >= 17 && mr <= 22;
		CHECK(eventlog_replay(&l, HASH_SHA256, &r, &err) ==
		      (late ? E_PARSE : OK));
	}
	auto_eventlog struct eventlog l = { 0 };
	struct draft d;
	begin_cc(&d);
	event(&d, 0, 5, S("a"), S("a")); /* MRTD */
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	CHECK(eventlog_replay(&l, HASH_SHA384, &r, &err) == E_PARSE);
}

static enum status locality(const struct slice *told, size_t n, bool late,
			    struct eventlog_registers *r)
{
	auto_eventlog struct eventlog l = { 0 };
	struct draft d;
	struct err err;

	begin_tpm(&d);
	if (late)
		event(&d, 0, 5, S("a"), S("a"));
	for (size_t i = 0; i < n; i++)
		event(&d, 0, EVENTLOG_NO_ACTION, S(""), told[i]);
	if (!EXPECT(parse(&d, EVENTLOG_TPM, &l) == OK))
		return E_PARSE;
	return eventlog_replay(&l, HASH_SHA256, r, &err);
}

TEST(pcr_0_starts_from_the_locality)
{
	struct slice told[] = { S("StartupLocality\0\3"),
				S("StartupLocality\0\3") };
	struct eventlog_registers r;

	CHECK(locality(told, 1, false, &r) == OK);
	CHECK(r.locality == 3 && r.reg[0].value[31] == 3);
	CHECK(all_zero(r.reg[0].value, 31) && r.reg[0].events == 0);
	CHECK(locality(told, 2, false, &r) == E_PARSE); /* twice */
	CHECK(locality(told, 1, true, &r) == E_PARSE);	/* too late */
	told[0] = S("StartupLocality\0\1");
	CHECK(locality(told, 1, false, &r) == E_PARSE); /* cannot be */
	told[0] = S("StartupLocality\0");
	CHECK(locality(told, 1, false, &r) == E_PARSE);
	told[0] = S("StartupLocality\0\3\3");
	CHECK(locality(told, 1, false, &r) == E_PARSE);
	told[0] = S("StartupLocalitx\0\3");
	CHECK(locality(told, 1, false, &r) == OK && r.locality == 0);
}

/* ---- What is proven ---- */

static const struct {
	uint32_t type;
	struct slice hashed, data, proven;
	bool honest;
} cases[] = {
	/* The data are hashed, or the event lies. */
	{ 4, S_INIT("\0\0\0\0"), S_INIT("\0\0\0\0"), S_INIT("\0\0\0\0"), true },
	{ 4, S_INIT("\0\0\0\0"), S_INIT("\0\0\0\1"), S_INIT(""), false },
	{ 4, S_INIT("\1\0\0\0"), S_INIT("broken"), S_INIT(""), true },
	{ 0x80000007, S_INIT("Exit"), S_INIT("Exit"), S_INIT("Exit"), true },
	{ 0x80000007, S_INIT("Exit"), S_INIT("Exi"), S_INIT(""), false },
	{ 0x80000001, S_INIT("db"), S_INIT("dc"), S_INIT(""), false },
	{ 0x800000e0, S_INIT("db"), S_INIT("dc"), S_INIT(""), false },
	{ 0x80000006, S_INIT("gpt"), S_INIT("gpu"), S_INIT(""), false },
	{ 8, S_INIT("1.0"), S_INIT("1.1"), S_INIT(""), false },
	/* Of something else, or perhaps of the data. */
	{ 0x80000003, S_INIT("image"), S_INIT("path"), S_INIT(""), true },
	{ 0x80000003, S_INIT("path"), S_INIT("path"), S_INIT(""), true },
	{ 10, S_INIT("table"), S_INIT("ACPI DATA"), S_INIT(""), true },
	{ 6, S_INIT("tag"), S_INIT("tag"), S_INIT("tag"), true },
	{ 0x12345678, S_INIT("a"), S_INIT("a"), S_INIT("a"), true },
	{ 0x12345678, S_INIT("a"), S_INIT("b"), S_INIT(""), true },
	/* Told, not measured. */
	{ 3, S_INIT("a"), S_INIT("a"), S_INIT(""), true },
	/* GRUB hashes the line, and writes what it is in front. */
	{ 13, S_INIT("set a=b"), S_INIT("grub_cmd: set a=b\0"),
	  S_INIT("set a=b"), true },
	{ 13, S_INIT("/vmlinuz"), S_INIT("kernel_cmdline: /vmlinuz\0"),
	  S_INIT("/vmlinuz"), true },
	{ 13, S_INIT("evil"), S_INIT("other_prefix: evil\0"), S_INIT(""),
	  true },
	{ 13, S_INIT("good"), S_INIT("grub_cmd: evil\0"), S_INIT(""), true },
	{ 13, S_INIT("x\0"), S_INIT("x\0"), S_INIT("x\0"), true },
};

TEST(only_what_was_hashed_is_proven)
{
	for (size_t i = 0; i < countof(cases); i++) {
		auto_eventlog struct eventlog l = { 0 };
		struct draft d;

		begin_tpm(&d);
		event(&d, 1, cases[i].type, cases[i].hashed, cases[i].data);
		CHECK(parse(&d, EVENTLOG_TPM, &l) == OK);
		CHECK(slice_eq(eventlog_event_proven(&l, &l.event[0],
						     HASH_SHA256),
			       cases[i].proven));
		CHECK(eventlog_event_honest(&l, &l.event[0], HASH_SHA256) ==
		      cases[i].honest);
		CHECK(eventlog_event_proven(&l, &l.event[0], HASH_SHA512).len ==
		      0);
	}
}

/* UEFI_VARIABLE_DATA: some firmware hashes all of it, some the value. */
TEST(a_boot_variable_is_proven_whole_or_by_its_value)
{
	uint8_t data[16 + 16 + 4 + 3] = { 0 };
	struct slice whole = slice_of(data);

	data[16] = 2; /* characters of the name */
	data[24] = 3; /* bytes of the value */
	memcpy(data + 32, "B\0o\0val", 7);
	for (unsigned i = 0; i < 4; i++) {
		auto_eventlog struct eventlog l = { 0 };
		struct draft d;

		data[24] = i == 2 ? 4 : 3; /* a length that lies */
		event((begin_cc(&d), &d), 1, 0x80000002,
		      i == 0   ? whole
		      : i == 3 ? S("another")
			       : S("val"),
		      whole);
		CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
		struct slice got =
			eventlog_event_proven(&l, &l.event[0], HASH_SHA384);
		CHECK_EQ_U64(got.len, i == 0 ? whole.len : i == 1 ? 3 : 0);
		CHECK(eventlog_event_honest(&l, &l.event[0], HASH_SHA384) ==
		      (i < 2));
	}
}

TEST(types_have_names)
{
	CHECK_STR_EQ(eventlog_type_name(4), "EV_SEPARATOR");
	CHECK_STR_EQ(eventlog_type_name(0x800000e0),
		     "EV_EFI_VARIABLE_AUTHORITY");
	CHECK(eventlog_type_name(0x12345678) == NULL);
}

/* ---- Judging ---- */

TEST(a_log_is_judged_by_the_registers_of_a_quote)
{
	auto_eventlog struct eventlog l = { 0 };
	auto_trace struct trace t = { 0 };
	uint8_t rtmr[4][48] = { 0 };
	struct draft d;
	struct err err;

	begin_cc(&d);
	event(&d, 1, 5, S("a"), S("a"));
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	chain(rtmr[0], S("a"));
	rtmr[3][0] = 1;
	trace_init(&t);
	CHECK(eventlog_verify_rtmrs(&l, rtmr, 7, &t, &err) == OK);
	CHECK_EQ_U64(t.n, 5);
	CHECK(trace_has(&t, "eventlog.replay") &&
	      trace_has(&t, "eventlog.data") &&
	      trace_has(&t, "eventlog.rtmr2"));
	CHECK(!trace_has(&t, "eventlog.rtmr3"));
	CHECK(eventlog_verify_rtmrs(&l, rtmr, 15, &t, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "eventlog.rtmr3") != NULL);
	const struct slice pcr[EVENTLOG_PCRS] = { 0 };
	CHECK(eventlog_verify_pcrs(&l, HASH_SHA384, pcr, 0, &t, &err) ==
	      E_PARSE);
}

TEST(each_register_of_a_quote_counts)
{
	auto_eventlog struct eventlog l = { 0 };
	struct draft d;
	struct err err;

	begin_cc(&d);
	event(&d, 1, 5, S("a"), S("a"));
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	for (size_t i = 0; i < 4; i++) {
		auto_trace struct trace t = { 0 };
		uint8_t rtmr[4][48] = { 0 };
		char step[32];

		chain(rtmr[0], S("a"));
		rtmr[i][47] ^= 1;
		(void)snprintf(step, sizeof(step), "eventlog.rtmr%zu", i);
		CHECK(eventlog_verify_rtmrs(&l, rtmr, 15, &t, &err) ==
		      E_CRYPTO);
		CHECK_STR_EQ(trace_first_failure(&t)->rule->step, step);
	}
}

/* Such a log is compared with nothing: no step of it may look as if it were. */
TEST(a_log_that_cannot_be_replayed_fails_a_step_of_its_own)
{
	auto_eventlog struct eventlog l = { 0 };
	auto_trace struct trace t = { 0 };
	const uint8_t rtmr[4][48] = { 0 };
	struct draft d;
	struct err err;

	begin_cc(&d);
	event(&d, 0, 5, S("a"), S("a")); /* into MRTD */
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	CHECK(eventlog_verify_rtmrs(&l, rtmr, 15, &t, &err) == E_PARSE);
	CHECK(t.n == 1);
	CHECK_STR_EQ(trace_first_failure(&t)->rule->step, "eventlog.replay");
	CHECK(strstr(t.step[0].found, "MRTD") != NULL);
}

TEST(data_that_were_changed_are_seen)
{
	auto_eventlog struct eventlog l = { 0 };
	auto_trace struct trace t = { 0 };
	uint8_t rtmr[4][48] = { 0 };
	struct draft d;
	struct err err;

	begin_cc(&d);
	event(&d, 1, 0x80000001, S("secure"), S("Secure"));
	CHECK(parse(&d, EVENTLOG_CC, &l) == OK);
	chain(rtmr[0], S("secure"));
	trace_init(&t);
	CHECK(eventlog_verify_rtmrs(&l, rtmr, 15, &t, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "eventlog.data") != NULL);
}

TEST(a_log_is_judged_by_the_pcrs_of_a_quote)
{
	auto_eventlog struct eventlog l = { 0 };
	auto_trace struct trace t = { 0 };
	struct slice pcr[EVENTLOG_PCRS] = { 0 };
	uint8_t value[32] = { 0 }, digest[32];
	struct draft d;
	struct err err;

	begin_tpm(&d);
	event(&d, 7, 5, S("a"), S("a"));
	CHECK(parse(&d, EVENTLOG_TPM, &l) == OK);
	sha256(S("a"), digest);
	const struct slice parts[] = { slice_of(value), slice_of(digest) };
	hash_parts(HASH_SHA256, parts, 2, value);
	pcr[7] = slice_of(value);
	trace_init(&t);
	CHECK(eventlog_verify_pcrs(&l, HASH_SHA256, pcr, 1u << 7, &t, &err) ==
	      OK);
	CHECK(eventlog_verify_pcrs(&l, HASH_SHA256, pcr, 3u << 7, &t, &err) ==
	      E_CRYPTO); /* PCR 8 was not given */
	uint8_t rtmr[4][48] = { 0 };
	CHECK(eventlog_verify_rtmrs(&l, rtmr, 1, &t, &err) == E_PARSE);
}

/* ---- JSON ---- */

/* SHA-384("\1\0\0\10:app-id:\252") */
#define DSTACK(digest)                                             \
	"{\"imr\":3,\"event_type\":134217729,\"digest\":\"" digest \
	"\",\"event\":\"app-id\",\"event_payload\":\"aa\"}"

TEST(digests_of_dstacks_events_are_computed)
{
	auto_eventlog struct eventlog l = { 0 };
	uint8_t want[48];
	struct err err;

	CHECK(eventlog_parse_json(S("[" DSTACK("") "]"), &l, &err) == OK);
	CHECK(l.n == 1 && l.event[0].mr == 4);
	sha384(S("\x01\x00\x00\x08:app-id:\xaa"), want);
	CHECK(slice_eq(l.event[0].digest[0], slice_of(want)));
	CHECK(slice_eq(eventlog_event_proven(&l, &l.event[0], HASH_SHA384),
		       S("\xaa")));
	CHECK(slice_eq_str(l.event[0].name, "app-id"));
}

TEST(a_digest_of_another_content_is_refused)
{
	auto_buf struct buf text = buf_make(4096);
	struct eventlog l = { .n = 7 };
	uint8_t want[48];
	struct err err;

	sha384(S("\x01\x00\x00\x08:app-id:\xaa"), want);
	for (unsigned i = 0; i < 2; i++) {
		buf_clear(&text);
		want[47] ^= (uint8_t)i;
		buf_put_str(&text, "[{\"imr\":3,\"event_type\":134217729,"
				   "\"digest\":\"");
		text_hex(&text, slice_of(want));
		buf_put_str(&text, "\",\"event\":\"app-id\","
				   "\"event_payload\":\"aa\"}]");
		CHECK(eventlog_parse_json(buf_slice(&text), &l, &err) ==
		      (i == 0 ? OK : E_CRYPTO));
		if (i == 0)
			eventlog_done(&l);
	}
	CHECK(eventlog_parse_json(S("[" DSTACK("00") "]"), &l, &err) ==
	      E_CRYPTO);
}

TEST(refuses_json_that_is_not_such_a_log)
{
	static const struct slice bad[] = {
		S_INIT(""),
		S_INIT("{}"),
		S_INIT("[1]"),
		S_INIT("[{}]"),
		S_INIT("[{\"imr\":4,\"event_type\":1,\"digest\":\"\","
		       "\"event\":\"\",\"event_payload\":\"\"}]"),
		S_INIT("[{\"imr\":0,\"event_type\":4294967296,\"digest\":\"\","
		       "\"event\":\"\",\"event_payload\":\"\"}]"),
		/* Only dstack's own may leave the digest out. */
		S_INIT("[{\"imr\":0,\"event_type\":4,\"digest\":\"\","
		       "\"event\":\"\",\"event_payload\":\"00000000\"}]"),
		S_INIT("[{\"imr\":0,\"event_type\":4,\"digest\":\"00\","
		       "\"event\":\"\",\"event_payload\":\"0\"}]"),
		S_INIT("[{\"imr\":3,\"event_type\":134217729,\"digest\":\"\","
		       "\"event\":\"a\",\"event_payload\":\"AA\"}]"),
		S_INIT("[{\"imr\":3,\"event_type\":134217729,\"digest\":\"\","
		       "\"event\":\"a\",\"event_payload\":\"\",\"x\":1}]"),
		S_INIT("[{\"imr\":3,\"imr\":2,\"event_type\":134217729,"
		       "\"digest\":\"\",\"event\":\"a\","
		       "\"event_payload\":\"\"}]"),
	};
	struct eventlog l = { .n = 7 };
	struct err err;

	for (size_t i = 0; i < countof(bad); i++)
		CHECK(eventlog_parse_json(bad[i], &l, &err) != OK);
	CHECK_EQ_U64(l.n, 7);
	CHECK(eventlog_parse_json(S("[]"), &l, &err) == OK);
	CHECK_EQ_U64(l.n, 0);
	eventlog_done(&l);
}
