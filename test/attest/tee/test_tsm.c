#include "attest/tee/tsm.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "test/attest/tee/tsm_fake.h"
#include "test/test.h"

#define PROVIDER "sev_guest"

static uint8_t template[256];
static const uint8_t data[TSM_DATA_LEN] = { 0xda, 1, 2, [63] = 0xad };

/* A provider with levels, a report with the data at 80, a table beside it. */
static struct tsm_fake_options plain(void)
{
	memset(template, 0x5a, sizeof(template));
	return (struct tsm_fake_options){ .provider = PROVIDER,
					  .levels = true,
					  .floor = "2",
					  .out = slice_of(template),
					  .data_at = 80,
					  .aux = S("beside it") };
}

struct result {
	enum status opened, status;
	struct err err;
	struct buf report, aux;
	unsigned int floor;
};

static void result_done(struct result *r)
{
	buf_done(&r->report);
	buf_done(&r->aux);
}
#define auto_result __attribute__((cleanup(result_done)))

/* Open, and ask for one report. */
static struct result ask(const struct tsm_fake *f, size_t max)
{
	struct result r = { .report = buf_make(max), .aux = buf_make(max) };
	auto_tsm struct tsm *t = NULL;

	buf_put(&r.report, S("old"));
	buf_put(&r.aux, S("old"));
	r.opened = tsm_open(tsm_fake_root(f), PROVIDER, &t, &r.err);
	if (r.opened != OK)
		return r;
	r.floor = tsm_floor(t);
	r.status = tsm_report(t, data, &r.report, &r.aux, &r.err);
	return r;
}

static bool none_left(const struct tsm_fake *f)
{
	const struct tsm_fake_counts *c = tsm_fake_counts(f);

	return c->made > 0 && c->made == c->removed;
}

TEST(gives_a_report_of_the_data_and_what_is_beside_it)
{
	const struct tsm_fake_options o = plain();
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.opened == OK && r.status == OK);
	CHECK_EQ_U64(r.floor, 2);
	struct slice report = buf_slice(&r.report);
	CHECK_EQ_U64(report.len, sizeof(template));
	CHECK(memcmp(report.p + 80, data, sizeof(data)) == 0);
	CHECK(slice_eq(slice_sub(report, 0, 80), slice_make(template, 80)));
	CHECK(slice_eq(buf_slice(&r.aux), o.aux));
	CHECK_STR_EQ(tsm_fake_counts(f)->level, "2");
	CHECK_EQ_U64(tsm_fake_counts(f)->in_len, 64);
	CHECK(none_left(f));
	CHECK_EQ_U64(tsm_fake_counts(f)->made, 2); /* to look, and to ask */
}

TEST(writes_no_level_where_there_are_none)
{
	struct tsm_fake_options o = plain();
	o.levels = false;
	o.no_aux = true;
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.status == OK && r.opened == OK);
	CHECK_EQ_U64(r.floor, 0);
	CHECK_EQ_U64(r.aux.len, 0);
	CHECK_STR_EQ(tsm_fake_counts(f)->level, "");
}

TEST(each_report_has_an_entry_of_its_own)
{
	const struct tsm_fake_options o = plain();
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	auto_tsm struct tsm *t = NULL;
	auto_buf struct buf report = buf_make(1000);
	uint8_t other[TSM_DATA_LEN] = { 9 };
	struct err err;
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	CHECK(tsm_open(tsm_fake_root(f), PROVIDER, &t, &err) == OK);
	CHECK_STR_EQ(tsm_root(t), tsm_fake_root(f));
	for (int i = 0; i < 5; i++) {
		other[1] = (uint8_t)i;
		CHECK(tsm_report(t, other, &report, NULL, &err) == OK);
		CHECK(memcmp(buf_slice(&report).p + 80, other, 64) == 0);
	}
	CHECK_EQ_U64(tsm_fake_counts(f)->made, 6);
	CHECK(none_left(f));
}

TEST(refuses_another_provider)
{
	struct tsm_fake_options o = plain();
	o.provider = "tdx_guest";
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.opened == E_NOTFOUND);
	CHECK(strstr(r.err.text, "tdx_guest") != NULL);
	CHECK(none_left(f));
}

TEST(says_that_there_is_no_interface)
{
	auto_tsm struct tsm *t = NULL;
	char path[600];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/none", test_dir());
	CHECK(tsm_open(path, PROVIDER, &t, &err) == E_NOTFOUND);
	CHECK(t == NULL);
	/* A directory that makes no attributes. */
	CHECK(tsm_open(test_dir(), PROVIDER, &t, &err) == E_NOTFOUND);
	CHECK(t == NULL);
}

TEST(asks_again_while_it_is_busy)
{
	static const int errors[] = { EBUSY, EAGAIN, EINTR };

	for (size_t i = 0; i < countof(errors); i++) {
		struct tsm_fake_options o = plain();
		o.busy = 2;
		o.error = errors[i];
		o.refused = 1;
		o.removing_busy = true;
		auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
		if (f == NULL)
			SKIP(TSM_FAKE_SKIP);
		auto_result struct result r = ask(f, 1000);
		CHECK(r.opened == OK && r.status == OK);
		CHECK(none_left(f));
		CHECK_EQ_U64(tsm_fake_counts(f)->made, 4);
	}
}

TEST(gives_up_when_it_stays_busy)
{
	struct tsm_fake_options o = plain();
	o.busy = 1000;
	o.error = EBUSY;
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	int64_t start = clock_mono_ms();
	auto_result struct result r = ask(f, 1000);
	CHECK(r.status == E_UNAVAIL && r.err.code == E_UNAVAIL);
	CHECK(strstr(r.err.text, "busy") != NULL);
	CHECK_EQ_U64(r.report.len, 0);
	CHECK_EQ_U64(r.aux.len, 0);
	CHECK(none_left(f));
	CHECK_EQ_U64(tsm_fake_counts(f)->made, 11);
	CHECK(clock_mono_ms() - start < 20000);
}

TEST(does_not_ask_again_after_another_failure)
{
	struct tsm_fake_options o = plain();
	o.busy = 1;
	o.error = EIO;
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.status == E_IO);
	CHECK_EQ_U64(tsm_fake_counts(f)->made, 2);
	CHECK(none_left(f));
}

TEST(does_not_take_a_report_that_somebody_else_may_have_made)
{
	const struct tsm_fake_options races[] = { { .raced = 2 },
						  { .late = 2 },
						  { .lost = 2 } };

	for (size_t i = 0; i < countof(races); i++) {
		struct tsm_fake_options o = plain();
		o.raced = races[i].raced;
		o.late = races[i].late;
		o.lost = races[i].lost;
		auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
		if (f == NULL)
			SKIP(TSM_FAKE_SKIP);
		auto_result struct result r = ask(f, 1000);
		CHECK(r.status == OK); /* the third time */
		CHECK_EQ_U64(tsm_fake_counts(f)->made, 4);
		CHECK(none_left(f));
	}
}

TEST(gives_up_when_somebody_always_writes_between)
{
	struct tsm_fake_options o = plain();
	o.late = 1000;
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.status == E_CONFLICT);
	CHECK_EQ_U64(r.report.len, 0);
	CHECK_EQ_U64(r.aux.len, 0);
	CHECK(none_left(f));
}

TEST(keeps_the_caps)
{
	static uint8_t large[TSM_BLOB_MAX + 1];
	static const size_t caps[][2] = {
		/* cap, status of a report of 256 bytes */
		{ 255, E_LIMIT },
		{ 256, OK },
		{ 100, E_LIMIT },
		{ 0, E_LIMIT }
	};
	struct tsm_fake_options o = plain();

	for (size_t i = 0; i < countof(caps); i++) {
		o.aux = (struct slice){ 0 };
		auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
		if (f == NULL)
			SKIP(TSM_FAKE_SKIP);
		auto_result struct result r = ask(f, caps[i][0]);
		CHECK_EQ_U64(r.status, caps[i][1]);
		CHECK(none_left(f));
	}
	o.out = slice_of(large);
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);
	auto_result struct result r = ask(f, 10 * TSM_BLOB_MAX);
	CHECK(r.status == E_LIMIT);
	CHECK(none_left(f));
}

TEST(takes_a_report_as_large_as_allowed)
{
	static uint8_t large[TSM_BLOB_MAX];
	struct tsm_fake_options o = plain();
	o.out = slice_of(large);
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 10 * TSM_BLOB_MAX);
	CHECK(r.status == OK);
	CHECK_EQ_U64(r.report.len, TSM_BLOB_MAX);
}

TEST(refuses_an_empty_report)
{
	struct tsm_fake_options o = plain();
	o.out = (struct slice){ 0 };
	auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
	if (f == NULL)
		SKIP(TSM_FAKE_SKIP);

	auto_result struct result r = ask(f, 1000);
	CHECK(r.status == E_PARSE);
	CHECK_EQ_U64(r.aux.len, 0);
	CHECK(none_left(f));
}

TEST(refuses_attributes_that_are_no_numbers)
{
	static const char *const texts[] = {
		"", "-1", " 1", "0x1", "1 ", "99999999999999999999999", "4"
	};

	for (size_t i = 0; i < countof(texts); i++) {
		struct tsm_fake_options o = plain();
		o.floor = texts[i];
		auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
		if (f == NULL)
			SKIP(TSM_FAKE_SKIP);
		auto_result struct result r = ask(f, 1000);
		CHECK(r.opened == E_PARSE);
		CHECK(none_left(f));
	}
	for (size_t i = 0; i + 1 < countof(texts); i++) {
		struct tsm_fake_options o = plain();
		o.generation = texts[i];
		auto_tsm_fake struct tsm_fake *f = tsm_fake_start(&o);
		auto_result struct result r = ask(f, 1000);
		CHECK(r.opened == OK && r.status == E_PARSE);
		CHECK(none_left(f));
	}
}

TEST(pauses_are_bounded)
{
	unsigned int n = 8;

	CHECK(tsm_again(&n));
	CHECK_EQ_U64(n, 9);
	CHECK(!tsm_again(&n));
	CHECK_EQ_U64(n, 9);
	CHECK(tsm_is_busy(EINTR) && !tsm_is_busy(EIO) && !tsm_is_busy(0));
}
