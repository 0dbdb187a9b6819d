#include "attest/measure_pe.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

#define IMAGE_LEN 0x2208
#define AT 0x80 /* of the PE header */
#define OPT (AT + 24)

static uint8_t image[IMAGE_LEN];

/* PE32+: headers of 0x400 bytes, sections at 0x1400 and 0x400 (in this
 * order), 0x200 bytes behind them and 8 bytes of certificates. */
static void make(void)
{
	for (size_t i = 0; i < sizeof(image); i++)
		image[i] = (uint8_t)(i * 3 + (i >> 8));
	memcpy(image, "MZ", 2);
	ovmf_forge_put(image + 0x3c, AT, 4);
	memset(image + AT, 0, 0x400 - AT);
	memcpy(image + AT, "PE\0\0", 4);
	ovmf_forge_put(image + AT + 4, 0x8664, 2);
	ovmf_forge_put(image + AT + 6, 3, 2); /* sections */
	ovmf_forge_put(image + AT + 20, 112 + 16 * 8, 2);
	ovmf_forge_put(image + OPT, 0x20b, 2);
	ovmf_forge_put(image + OPT + 32, 0x1000, 4);
	ovmf_forge_put(image + OPT + 36, 0x200, 4);
	ovmf_forge_put(image + OPT + 56, 0x4000, 4);
	ovmf_forge_put(image + OPT + 60, 0x400, 4);
	ovmf_forge_put(image + OPT + 64, 0x12345678, 4); /* checksum */
	ovmf_forge_put(image + OPT + 108, 16, 4);
	ovmf_forge_put(image + OPT + 112 + 32, IMAGE_LEN - 8, 4);
	ovmf_forge_put(image + OPT + 112 + 36, 8, 4);
	static const uint32_t sections[3][2] = { { 0x1400, 0xc00 },
						 { 0, 0 },
						 { 0x400, 0x1000 } };
	for (size_t i = 0; i < 3; i++) {
		uint8_t *s = image + OPT + 240 + 40 * i;

		memcpy(s, ".text", 5);
		ovmf_forge_put(s + 8, sections[i][1], 4);
		ovmf_forge_put(s + 12, 0x1000 * (i + 1), 4);
		ovmf_forge_put(s + 16, sections[i][1], 4);
		ovmf_forge_put(s + 20, sections[i][0], 4);
	}
}

static enum status hash(uint8_t out[static 48])
{
	struct err err;

	return measure_pe_sha384(slice_of(image), (struct slice){ 0 }, out,
				 &err);
}

/* Computed apart, from the source, in Python. */
TEST(digest_is_what_others_compute)
{
	uint8_t out[48];
	char hex[97];

	make();
	CHECK(hash(out) == OK);
	text_hex_into(hex, sizeof(hex), slice_of(out));
	CHECK_STR_EQ(hex, "bdfe69c2c29719d3bed06e0888649ad107f348a689521eb8"
			  "c28d85c5400da5716c9fb7d3cdfd98f5cad284237221d1cb");
}

/* Everything counts but the checksum, the certificates and their entry. */
TEST(every_byte_counts_that_should)
{
	uint8_t want[48], found[48];

	make();
	CHECK(hash(want) == OK);
	for (size_t i = 0; i < sizeof(image); i++) {
		bool free = (i >= OPT + 64 && i < OPT + 68) ||
			    (i >= OPT + 144 && i < OPT + 152) ||
			    i >= sizeof(image) - 8;

		image[i] ^= 0x10;
		enum status s = hash(found);
		bool same = s == OK && memcmp(want, found, 48) == 0;
		image[i] ^= 0x10;
		/* Another length of the table moves what is covered. */
		if (i >= OPT + 148 && i < OPT + 152)
			continue;
		CHECK(same == free);
	}
}

TEST(a_head_stands_in_for_the_first_bytes)
{
	uint8_t head[MEASURE_PE_HEAD], want[48], found[48];
	struct err err;

	make();
	image[0x900] ^= 1;
	CHECK(hash(want) == OK);
	memcpy(head, image, sizeof(head));
	image[0x900] ^= 1;
	CHECK(measure_pe_sha384(slice_of(image), slice_of(head), found, &err) ==
	      OK);
	CHECK(memcmp(want, found, 48) == 0);
	CHECK(measure_pe_sha384(slice_make(image, 100), slice_of(head), found,
				&err) == E_PARSE);
}

TEST(refuses_every_shorter_image)
{
	uint8_t out[48] = { 7 };
	struct err err;

	make();
	for (size_t len = 0; len < 0x2000; len++)
		CHECK(measure_pe_sha384(slice_make(image, len),
					(struct slice){ 0 }, out,
					&err) == E_PARSE);
	CHECK_EQ_U64(out[0], 7);
}

TEST(refuses_headers_that_lie)
{
	static const struct {
		size_t at, len;
		uint64_t value;
	} bad[] = {
		{ 0, 2, 0x5a4e },		  /* not MZ */
		{ 0x3c, 4, 0xfffffff0 },	  /* header outside */
		{ AT, 4, 0x4551 },		  /* not PE */
		{ AT + 6, 2, 97 },		  /* too many sections */
		{ AT + 20, 2, 95 },		  /* optional header cut off */
		{ AT + 20, 2, 0xffff },		  /* table outside */
		{ OPT, 2, 0x30b },		  /* neither PE32 nor PE32+ */
		{ OPT + 60, 4, 0x100 },		  /* headers end in the table */
		{ OPT + 60, 4, IMAGE_LEN + 1 },	  /* headers outside */
		{ OPT + 240 + 16, 4, IMAGE_LEN }, /* section past the end */
		{ OPT + 240 + 20, 4, 0xfffffff0 },
		{ OPT + 320 + 16, 4, 0x1e00 },	 /* they overlap */
		{ OPT + 148, 4, IMAGE_LEN + 1 }, /* certificates: too many */
	};
	uint8_t out[48];

	for (size_t i = 0; i < countof(bad); i++) {
		make();
		CHECK(hash(out) == OK);
		ovmf_forge_put(image + bad[i].at, bad[i].value, bad[i].len);
		CHECK(hash(out) == E_PARSE);
	}
}

/* ---- The setup header ---- */

static void make_kernel(uint8_t *k, size_t len)
{
	memset(k, 0x55, len);
	memcpy(k + 0x202, "HdrS", 4);
	ovmf_forge_put(k + 0x206, 0x20f, 2);
	k[0x211] = 1;
	ovmf_forge_put(k + 0x22c, 0x7fffffff, 4);
	ovmf_forge_put(k + 0x236, 0x3f, 2);
}

static uint32_t le32(const uint8_t *p)
{
	struct cursor c = cursor_make(slice_make(p, 4));

	return cursor_u32le(&c);
}

TEST(the_setup_header_is_filled_in_as_qemu_does)
{
	uint8_t kernel[MEASURE_PE_HEAD], head[MEASURE_PE_HEAD];
	struct err err;
	size_t changed = 0;

	make_kernel(kernel, sizeof(kernel));
	CHECK(measure_pe_linux_head(slice_of(kernel), 0x100001,
				    UINT64_C(4) << 30, head, &err) == OK);
	CHECK(head[0x210] == 0xb0 && head[0x211] == 0x81);
	CHECK(head[0x224] == 0x00 && head[0x225] == 0xfe);
	CHECK_EQ_U64(le32(head + 0x228), 0x20000);
	CHECK_EQ_U64(le32(head + 0x21c), 0x100001);
	CHECK_EQ_U64(le32(head + 0x218),
		     (0x80000000 - 0x28000 - 1 - 0x100001) & ~0xfffu);
	for (size_t i = 0; i < sizeof(head); i++)
		changed +=
			head[i] != kernel[i] && !((i >= 0x210 && i < 0x212) ||
						  (i >= 0x218 && i < 0x220) ||
						  (i >= 0x224 && i < 0x226) ||
						  (i >= 0x228 && i < 0x22c));
	CHECK_EQ_U64(changed, 0);
}

TEST(the_place_of_the_initrd_depends_on_little_memory)
{
	uint8_t kernel[MEASURE_PE_HEAD], head[MEASURE_PE_HEAD];
	struct err err;

	make_kernel(kernel, sizeof(kernel));
	CHECK(measure_pe_linux_head(slice_of(kernel), 0x1000, UINT64_C(1) << 30,
				    head, &err) == OK);
	CHECK_EQ_U64(le32(head + 0x218), 0x3ffd6000);
	CHECK(measure_pe_linux_head(slice_of(kernel), UINT64_C(1) << 30,
				    UINT64_C(1) << 30, head, &err) == E_LIMIT);
	CHECK(measure_pe_linux_head(slice_of(kernel), 1, 0x28000, head, &err) ==
	      E_LIMIT);
	kernel[0x236] = 0x01; /* it has a limit of its own */
	ovmf_forge_put(kernel + 0x22c, 0x37ffffff, 4);
	CHECK(measure_pe_linux_head(slice_of(kernel), 0x1000, UINT64_C(4) << 30,
				    head, &err) == OK);
	CHECK_EQ_U64(le32(head + 0x218), 0x37ffe000);
}

TEST(refuses_what_is_no_kernel_of_today)
{
	uint8_t kernel[MEASURE_PE_HEAD], head[MEASURE_PE_HEAD];
	struct err err;

	make_kernel(kernel, sizeof(kernel));
	CHECK(measure_pe_linux_head(slice_make(kernel, sizeof(kernel) - 1), 0,
				    1u << 30, head, &err) == E_PARSE);
	kernel[0x206] = 11;
	CHECK(measure_pe_linux_head(slice_of(kernel), 0, 1u << 30, head,
				    &err) == E_PARSE);
	kernel[0x206] = 12;
	CHECK(measure_pe_linux_head(slice_of(kernel), 0, 1u << 30, head,
				    &err) == OK);
	kernel[0x211] = 0; /* not loaded high: a zImage */
	CHECK(measure_pe_linux_head(slice_of(kernel), 0, 1u << 30, head,
				    &err) == E_PARSE);
	kernel[0x211] = 1;
	kernel[0x202] = 'h';
	CHECK(measure_pe_linux_head(slice_of(kernel), 0, 1u << 30, head,
				    &err) == E_PARSE);
}
