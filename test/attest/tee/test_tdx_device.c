#include "attest/tee/tdx_device.h"

#include <errno.h>

#include "attest/tee/tdx_quote.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "test/attest/tee/log_forge.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/attest/tee/tsm_fake.h"
#include "test/attest/vectors/tdx_vector.h"
#include "test/test.h"

#define NOW 1893456000 /* 2030-01-01 */

/* A provider of this quote, whatever it is asked. */
static struct tsm_fake_options fixed(struct slice quote)
{
	return (struct tsm_fake_options){ .provider = "tdx_guest",
					  .no_aux = true,
					  .out = quote,
					  .data_fixed = true };
}

/* Issue of what a fake gives; *ran is false where there cannot be one. */
static enum status issue(const struct tsm_fake_options *o, const uint8_t *data,
			 struct evidence *e, bool *ran, struct err *err)
{
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(o);
	auto_tdx_device struct tdx_device *d = NULL;

	*ran = f != NULL;
	if (f == NULL)
		return err_set(err, E_NOTFOUND, TSM_FAKE_SKIP);
	const struct tdx_device_settings s = { .tsm_root = tsm_fake_root(f) };
	TRY(tdx_device_open(&s, &d, err));
	enum status status = tdx_device_issue(d, data, e, err);
	EXPECT(tsm_fake_counts(f)->made == tsm_fake_counts(f)->removed);
	return status;
}

static void make(struct tdx_forge *forge, uint16_t version)
{
	tdx_forge_init(forge, NOW);
	forge->o.version = version;
	if (version == 5)
		forge->o.body = TDX_BODY_15;
	memset(forge->o.td.report_data, 0xda, 64);
	tdx_forge_make(forge);
}

TEST(issues_a_quote_that_verifies_without_what_is_behind_it)
{
	static const uint16_t versions[] = { 4, 5 };

	for (size_t i = 0; i < countof(versions); i++) {
		auto_tdx_forge struct tdx_forge forge = { 0 };
		auto_buf struct buf padded = buf_make(TDX_QUOTE_MAX);
		auto_evidence struct evidence e;
		auto_trace struct trace trace;
		struct tdx_claims claims;
		static const uint8_t zeros[3000];
		struct err err;
		bool ran;

		evidence_init(&e);
		trace_init(&trace);
		make(&forge, versions[i]);
		buf_put(&padded, buf_slice(&forge.quote));
		buf_put(&padded, slice_of(zeros));
		const struct tsm_fake_options o = fixed(buf_slice(&padded));
		enum status status =
			issue(&o, forge.o.td.report_data, &e, &ran, &err);
		if (!ran)
			SKIP(TSM_FAKE_SKIP);
		CHECK(status == OK);
		CHECK(slice_eq(buf_slice(&e.report), buf_slice(&forge.quote)));
		CHECK_EQ_U64(e.collateral.n, 0);
		struct tdx_case c = tdx_forge_case(&forge);
		c.quote = buf_slice(&e.report);
		CHECK(tdx_verify(&c, &trace, &claims, &err) == OK);
	}
}

TEST(has_the_data_signed_that_it_is_given)
{
	auto_tdx_forge struct tdx_forge forge = { 0 };
	auto_evidence struct evidence e;
	uint8_t data[64] = { 5, [63] = 7 };
	struct err err;
	bool ran;

	evidence_init(&e);
	make(&forge, 4);
	struct tsm_fake_options o = fixed(buf_slice(&forge.quote));
	o.data_fixed = false;
	o.data_at = 48 + 520;
	enum status status = issue(&o, data, &e, &ran, &err);
	if (!ran)
		SKIP(TSM_FAKE_SKIP);
	CHECK(status == OK);
	CHECK(memcmp(buf_slice(&e.report).p + 48 + 520, data, 64) == 0);
}

TEST(refuses_what_is_no_quote_of_our_data)
{
	auto_tdx_forge struct tdx_forge forge = { 0 };
	auto_evidence struct evidence e;
	static const uint8_t large[TDX_QUOTE_MAX + 1];
	uint8_t data[64];
	struct err err;
	bool ran;

	evidence_init(&e);
	make(&forge, 4);
	memcpy(data, forge.o.td.report_data, sizeof(data));
	for (size_t i = 0; i < sizeof(data); i += 63) {
		const struct tsm_fake_options o =
			fixed(buf_slice(&forge.quote));
		data[i] ^= 1;
		enum status status = issue(&o, data, &e, &ran, &err);
		data[i] ^= 1;
		if (!ran)
			SKIP(TSM_FAKE_SKIP);
		CHECK(status == E_CONFLICT && e.report.len == 0);
	}
	struct tsm_fake_options o = fixed(
		slice_make(buf_slice(&forge.quote).p, forge.quote.len - 1));
	CHECK(issue(&o, data, &e, &ran, &err) == E_PARSE);
	o = fixed(slice_make(large, 1024)); /* as long as a TDREPORT */
	CHECK(issue(&o, data, &e, &ran, &err) == E_PARSE);
	o = fixed(slice_of(large));
	CHECK(issue(&o, data, &e, &ran, &err) == E_LIMIT);
	CHECK_EQ_U64(e.report.len, 0);
}

TEST(finds_it_and_says_what_is_missing)
{
	static const struct tdx_device_settings none = {
		.tsm_root = "/nonexistent", .path = "/nonexistent/tdx"
	};
	const struct tdx_device_settings no_tsm = { .tsm_root = "/nonexistent",
						    .path = "/dev/null" };
	auto_tdx_device struct tdx_device *d = NULL;
	struct err err;

	CHECK(tdx_device_detect(&none, &err) == E_NOTFOUND);
	CHECK(tdx_device_open(&none, &d, &err) == E_NOTFOUND);
	CHECK(tdx_device_detect(&no_tsm, &err) == OK);
	CHECK(tdx_device_open(&no_tsm, &d, &err) == E_NOTFOUND && d == NULL);
	CHECK(strstr(err.text, "6.7") != NULL);

	struct tsm_fake_options o = fixed(S("x"));
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	o.provider = "sev_guest";
	auto_tsm_fake struct tsm_fake *other = tsm_fake_start(&o);
	if (f == NULL || other == NULL)
		SKIP(TSM_FAKE_SKIP);
	struct tdx_device_settings s = none;
	s.tsm_root = tsm_fake_root(other);
	CHECK(tdx_device_detect(&s, &err) == E_NOTFOUND);
	CHECK(tdx_device_open(&s, &d, &err) == E_NOTFOUND && d == NULL);
	s.tsm_root = tsm_fake_root(f);
	CHECK(tdx_device_detect(&s, &err) == OK);
	CHECK(tdx_device_open(&s, &d, &err) == OK);
	CHECK_STR_EQ(tdx_device_folder(d), tsm_fake_root(f));

	uint8_t key[32];
	CHECK(tdx_device_seal_key(d, key, &err) == E_NOTFOUND);
}

/* A quote of a machine, as that gave it. */
static size_t n_issued;
static void issue_vector(struct tdx_vector *v)
{
	struct slice quote = buf_slice(&v->file[QUOTE]);
	auto_evidence struct evidence e;
	struct tdx_quote q;
	struct err err;
	bool ran;

	evidence_init(&e);
	if (tdx_quote_parse(quote, &q, &err) != OK)
		return;
	const struct tsm_fake_options o = fixed(quote);
	enum status status = issue(&o, q.td.report_data, &e, &ran, &err);
	if (!ran)
		return;
	EXPECT(status == OK);
	EXPECT(slice_eq(buf_slice(&e.report), q.whole));
	n_issued++;
}

TEST(gives_genuine_quotes_as_they_are)
{
	if (!tdx_vector_there("tdx"))
		SKIP("no vectors");
	n_issued = 0;
	CHECK(tdx_vector_each("tdx", issue_vector) > 0);
	if (n_issued == 0)
		SKIP(TSM_FAKE_SKIP);
	CHECK(n_issued > 10);
}

/* ---- The event log ---- */

/* Evidence of a machine whose log this is; registers: it leads to them. */
static enum status issue_logged(struct slice log, bool registers,
				struct evidence *e, bool *ran, struct err *err)
{
	auto_tdx_forge struct tdx_forge forge = { 0 };
	char path[4200];

	(void)snprintf(path, sizeof(path), "%s/log", test_dir());
	TRY(file_write(path, log, 0600, err));
	make(&forge, 4);
	if (registers)
		log_forge_registers(forge.o.td.rtmr);
	tdx_forge_make(&forge);
	const struct tsm_fake_options o = fixed(buf_slice(&forge.quote));
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	auto_tdx_device struct tdx_device *d = NULL;
	*ran = f != NULL;
	if (f == NULL)
		return err_set(err, E_NOTFOUND, TSM_FAKE_SKIP);
	const struct tdx_device_settings s = { .tsm_root = tsm_fake_root(f),
					       .log = path };
	TRY(tdx_device_open(&s, &d, err));
	return tdx_device_issue(d, forge.o.td.report_data, e, err);
}

TEST(the_log_is_given_without_its_fill)
{
	auto_evidence struct evidence e;
	auto_buf struct buf log = buf_make(1u << 16), area = buf_make(1u << 16);
	struct err err;
	bool ran;

	evidence_init(&e);
	log_forge(&log);
	buf_put(&area, buf_slice(&log));
	while (area.len < area.max)
		buf_put_u8(&area, 0xff);
	enum status status =
		issue_logged(buf_slice(&area), true, &e, &ran, &err);
	if (!ran)
		SKIP(TSM_FAKE_SKIP);
	CHECK(status == OK && e.n_logs == 1);
	CHECK(slice_eq(buf_slice(&e.log[0]), buf_slice(&log)));
}

TEST(a_log_that_would_be_refused_is_left_out)
{
	auto_buf struct buf log = buf_make(4096), large = buf_make(1u << 21);
	struct err err;
	bool ran = true;

	log_forge(&log);
	while (large.len <= EVENTLOG_MAX)
		buf_put(&large, buf_slice(&log));
	const struct {
		struct slice log;
		bool registers;
	} cases[] = {
		{ buf_slice(&log), false },
		{ slice_sub(buf_slice(&log), 0, log.len - 1), true },
		{ S(""), true },
		{ S("junk"), true },
		{ buf_slice(&large), true },
	};
	for (size_t i = 0; i < countof(cases); i++) {
		auto_evidence struct evidence e;

		evidence_init(&e);
		enum status status = issue_logged(
			cases[i].log, cases[i].registers, &e, &ran, &err);
		if (!ran)
			SKIP(TSM_FAKE_SKIP);
		CHECK(status == OK);
		CHECK(e.report.len > 0 && e.n_logs == 0);
	}
}
