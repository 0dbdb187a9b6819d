#include "attest/measure_tdx.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

#define GIB (UINT64_C(1) << 30)

static uint8_t image[OVMF_FORGE_LEN];

static struct measure_tdx_case usual(void)
{
	ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
	return (struct measure_tdx_case){ .firmware = slice_of(image),
					  .memory = 4 * GIB,
					  .cmdline = "" };
}

static bool hex_is(struct slice found, const char *want)
{
	char hex[2 * MEASURE_TDX_LEN + 1];

	text_hex_into(hex, sizeof(hex), found);
	if (strcmp(hex, want) != 0)
		printf("found %s\n", hex);
	return strcmp(hex, want) == 0;
}

/* Computed apart, from the specification, in Python. */
TEST(mrtd_follows_the_specification_in_both_orders)
{
	struct measure_tdx_case in = usual();
	struct measure_tdx out;
	struct err err;

	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(hex_is(slice_of(out.mrtd),
		     "5f2219eefb628205068e2830094a1bc374758cce5f23c199"
		     "9ca66b0afa172dda63e35c96a76d025d7a6f5bfa7849c38b"));
	in.order = MEASURE_TDX_BY_SECTION;
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(hex_is(slice_of(out.mrtd),
		     "d450c61464978e8ade4840f9ce67afc7311a6f13f4db2c28"
		     "8f2687f2e826269575d7dbc111a6eb90b24f8c34949ea160"));
}

/* Only the contents of sections that say so, and where all sections are. */
TEST(mrtd_covers_the_code_and_where_sections_lie)
{
	struct measure_tdx_case in = usual();
	struct measure_tdx want, found;
	struct err err;

	CHECK(measure_tdx_registers(&in, &want, &err) == OK);
	image[0] ^= 1; /* a variable */
	CHECK(measure_tdx_registers(&in, &found, &err) == OK);
	CHECK(memcmp(want.mrtd, found.mrtd, 48) == 0);
	image[0] ^= 1;
	image[0x1000] ^= 1; /* code */
	CHECK(measure_tdx_registers(&in, &found, &err) == OK);
	CHECK(memcmp(want.mrtd, found.mrtd, 48) != 0);
	struct ovmf_forge f = ovmf_forge_usual;
	f.tdvf[3].gpa = 0x80c000;
	f.tdvf[3].size = 0x1000;
	ovmf_forge_image(&f, image, sizeof(image));
	CHECK(measure_tdx_registers(&in, &found, &err) == OK);
	CHECK(memcmp(want.mrtd, found.mrtd, 48) != 0);
}

/* These digests stand in genuine logs: of machines of 2 and 64 GiB with the
 * sections of OVMF. */
TEST(the_list_of_memory_is_that_of_genuine_machines)
{
	struct measure_tdvf t;
	uint8_t out[MEASURE_TDX_LEN];
	struct err err;

	(void)usual();
	CHECK(measure_tdvf_parse(slice_of(image), &t, &err) == OK);
	CHECK(measure_tdx_hob(&t, 2 * GIB, out, &err) == OK);
	CHECK(hex_is(slice_of(out),
		     "0b8772e5b0b41b83e6044a68397e02f49fb47066b4fbe4917ea2c45c"
		     "64f323fdacbb37948f821ebaf8bc9c938ba8a749"));
	CHECK(measure_tdx_hob(&t, 64 * GIB, out, &err) == OK);
	CHECK(hex_is(slice_of(out),
		     "8ae1e425351df7992c444586eff99d35af3b779aa2b0e981cb4b73bc"
		     "5b279f2ade19b6a62a203fc3c3bbdaae80af596d"));
}

TEST(refuses_memory_that_cannot_be)
{
	struct measure_tdvf t;
	uint8_t out[MEASURE_TDX_LEN];
	struct err err;

	(void)usual();
	CHECK(measure_tdvf_parse(slice_of(image), &t, &err) == OK);
	CHECK(measure_tdx_hob(&t, GIB + 1, out, &err) == E_PARSE);
	CHECK(measure_tdx_hob(&t, 0x81f000, out, &err) == E_PARSE);
	CHECK(measure_tdx_hob(&t, 0x820000, out, &err) == OK);
	CHECK(measure_tdx_hob(&t, UINT64_C(1) << 47, out, &err) == E_PARSE);
	t.section[4].type = MEASURE_TDVF_TEMP_MEM; /* nowhere to put it */
	CHECK(measure_tdx_hob(&t, GIB, out, &err) == E_PARSE);
}

/* The steps of firmware as genuine logs have them, and UTF-16 by hand. */
TEST(rtmr1_and_rtmr2_follow_from_the_payload)
{
	static const uint8_t wide[] = { 'q', 0, ' ', 0, 'i', 0, 'n', 0,
					'i', 0, 't', 0, 'r', 0, 'd', 0,
					'=', 0, 'i', 0, 'n', 0, 'i', 0,
					't', 0, 'r', 0, 'd', 0, 0,   0 };
	struct measure_tdx_case in = usual();
	struct measure_tdx out;
	uint8_t line[48], want[48] = { 0 };
	struct err err;

	in.has_kernel = in.has_initrd = true;
	in.cmdline = "q";
	memset(in.kernel, 1, 48);
	memset(in.initrd, 2, 48);
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(!out.known[0] && out.known[1] && out.known[2]);

	sha384(slice_of(wide), line);
	const struct slice first[] = { slice_of(want), slice_of(line) };
	hash_parts(HASH_SHA384, first, 2, want);
	const struct slice second[] = { slice_of(want), slice_of(in.initrd) };
	hash_parts(HASH_SHA384, second, 2, want);
	CHECK(memcmp(want, out.rtmr[2], 48) == 0);

	size_t steps = 0;
	for (size_t i = 0; i < out.n; i++)
		if (out.event[i].rtmr == 1 && steps++ == 1)
			CHECK(hex_is(slice_of(out.event[i].digest),
				     "77a0dab2312b4e1e57a84d865a21e5b2ee8d677a"
				     "21012ada819d0a98988078d3d740f6346bfe0aba"
				     "a938ca20439a8d71"));
	CHECK_EQ_U64(steps, 5);
	in.separator_in_rtmr0 = true;
	uint8_t before[48];
	memcpy(before, out.rtmr[1], 48);
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(memcmp(before, out.rtmr[1], 48) != 0);
}

TEST(what_is_not_determined_is_not_told)
{
	struct measure_tdx_case in = usual();
	struct measure_tdx out;
	struct err err;

	in.memory = 0;
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(!out.known[0] && !out.known[1] && !out.known[2]);
	CHECK(all_zero(out.rtmr, sizeof(out.rtmr)));
	CHECK(!out.event[0].known && out.event[1].known);
	in.td_shim = true;
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK_EQ_U64(out.n, 0);
	CHECK(!all_zero(out.mrtd, sizeof(out.mrtd)));
}

TEST(refuses_command_lines_that_firmware_cannot_widen)
{
	struct measure_tdx_case in = usual();
	struct measure_tdx out = { .n = 7 };
	struct err err;
	char text[MEASURE_TDX_CMDLINE + 2];

	in.has_kernel = true;
	in.cmdline = "caf\xc3\xa9";
	CHECK(measure_tdx_registers(&in, &out, &err) == E_PARSE);
	in.cmdline = "a\nb";
	CHECK(measure_tdx_registers(&in, &out, &err) == E_PARSE);
	memset(text, 'a', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	in.cmdline = text;
	CHECK(measure_tdx_registers(&in, &out, &err) == E_LIMIT);
	CHECK_EQ_U64(out.n, 7);
	text[MEASURE_TDX_CMDLINE] = '\0';
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
}

TEST(a_log_must_have_what_is_replaced)
{
	struct measure_tdx_case in = usual();
	struct eventlog_event events[3] = {
		{ .mr = 1, .type = 0x8000000b },
		{ .mr = 1, .type = 0x8000000a },
		{ .mr = 1, .type = EVENTLOG_SEPARATOR },
	};
	struct eventlog log = { .kind = EVENTLOG_CC, .n = 3, .event = events };
	struct measure_tdx out;
	struct err err;

	for (size_t i = 0; i < 3; i++)
		events[i].digest[0] = slice_of(in.kernel);
	in.log = &log;
	CHECK(measure_tdx_registers(&in, &out, &err) == OK);
	CHECK(out.known[0]);
	log.n = 1;
	CHECK(measure_tdx_registers(&in, &out, &err) == E_PARSE);
	log.n = 3;
	events[2].type = 0x8000000a;
	CHECK(measure_tdx_registers(&in, &out, &err) == E_PARSE);
	log.kind = EVENTLOG_TPM;
	CHECK(measure_tdx_registers(&in, &out, &err) == E_PARSE);
}
