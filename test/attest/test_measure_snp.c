/* The digests are those that sev-snp-measure 0.0.13 computes of the same
 * images. */
#include "attest/measure_snp.h"

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"
#include "test/attest/ovmf_forge.h"
#include "test/test.h"

static uint8_t image[OVMF_FORGE_LEN];

static struct measure_snp_case usual(void)
{
	struct measure_snp_case in = { .ovmf = slice_of(image),
				       .vcpus = 2,
				       .features = MEASURE_SNP_FEATURES };

	ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
	EXPECT(measure_snp_vcpu("EPYC-v4", &in.vcpu_signature));
	return in;
}

static void add_kernel(struct measure_snp_case *in)
{
	in->has_kernel = true;
	sha256(S("kernel"), in->kernel);
	sha256(S("initrd"), in->initrd);
	sha256(S("console=ttyS0\0"), in->cmdline);
}

static bool digest_is(const struct measure_snp_case *in, const char *want)
{
	uint8_t digest[MEASURE_SNP_LEN];
	char hex[2 * MEASURE_SNP_LEN + 1];
	struct err err;

	if (measure_snp_digest(in, digest, &err) != OK)
		return false;
	text_hex_into(hex, sizeof(hex), slice_of(digest));
	if (strcmp(hex, want) != 0)
		printf("found %s\n", hex);
	return strcmp(hex, want) == 0;
}

TEST(digest_is_what_others_compute)
{
	struct measure_snp_case in = usual();

	CHECK(digest_is(&in,
			"2f7b444dbf68e82732416b3a647e8d3aad8f0aedaa4a5106"
			"5aef3071434044052538c12e8237e783213e8a26ba64eb76"));
	add_kernel(&in);
	CHECK(digest_is(&in,
			"fc8cc420e74b8c72da07586df627bd85d9a033fd3e223fd6"
			"57e3fcfc7900fec4b37d198d4c5a7b1d86d758f7244b3d34"));
	in.vcpus = 1;
	in.features = 0x21;
	CHECK(measure_snp_vcpu("EPYC-Genoa", &in.vcpu_signature));
	CHECK(digest_is(&in,
			"40a8d02d345e1af51c964f3a5ebb0222666a4a1cb5f4113f"
			"9033fd6d11353b3446fcea3f7214afd54a83e17e83078298"));
}

TEST(digest_for_other_vmms_is_what_others_compute)
{
	struct measure_snp_case in = usual();

	in.vmm = MEASURE_SNP_EC2;
	CHECK(digest_is(&in,
			"dce14b9ef6b0d812103f44488128ce0f29a76f069700b055"
			"e3a95297b724fcec15ab92b667f1b41df7d7884676caff01"));
	in.vmm = MEASURE_SNP_GCE;
	CHECK(digest_is(&in,
			"5cd1e56e9ec673d16235f75592c1ea503e8360cae5d067b5"
			"d555d18d2c607b2ccff00beb89310d003299ce09304f2794"));
}

/* Everything that a guest is started with changes the digest. */
TEST(every_input_counts)
{
	struct measure_snp_case in = usual();
	uint8_t seen[10][MEASURE_SNP_LEN];
	struct err err;

	add_kernel(&in);
	for (size_t i = 0; i < countof(seen); i++) {
		struct measure_snp_case c = in;

		ovmf_forge_image(&ovmf_forge_usual, image, sizeof(image));
		image[0] ^= i == 1;
		c.vcpus += i == 2;
		c.vcpu_signature ^= i == 3;
		c.features ^= i == 4 ? 0x20 : 0;
		c.kernel[0] ^= i == 5;
		c.initrd[0] ^= i == 6;
		c.cmdline[0] ^= i == 7;
		c.has_kernel = i != 8;
		c.vmm = i == 9 ? MEASURE_SNP_EC2 : MEASURE_SNP_QEMU;
		CHECK(measure_snp_digest(&c, seen[i], &err) == OK);
		for (size_t k = 0; k < i; k++)
			CHECK(memcmp(seen[i], seen[k], MEASURE_SNP_LEN) != 0);
	}
}

TEST(refuses_what_the_image_cannot_do)
{
	struct measure_snp_case in = usual();
	struct ovmf_forge f = ovmf_forge_usual;
	uint8_t digest[MEASURE_SNP_LEN] = { 7 };
	struct err err;

	f.no_sev = true;
	ovmf_forge_image(&f, image, sizeof(image));
	CHECK(measure_snp_digest(&in, digest, &err) == E_PARSE);

	f = ovmf_forge_usual;
	f.no_reset = true;
	ovmf_forge_image(&f, image, sizeof(image));
	CHECK(measure_snp_digest(&in, digest, &err) == E_PARSE);
	CHECK_EQ_U64(digest[0], 7);
	in.vcpus = 1;
	CHECK(measure_snp_digest(&in, digest, &err) == OK);

	in.vcpus = 0;
	CHECK(measure_snp_digest(&in, digest, &err) == E_USAGE);
	in.vcpus = MEASURE_SNP_VCPUS + 1;
	CHECK(measure_snp_digest(&in, digest, &err) == E_USAGE);
}

TEST(refuses_a_kernel_without_a_place_for_its_hashes)
{
	struct measure_snp_case in = usual();
	uint8_t digest[MEASURE_SNP_LEN];
	struct err err;

	add_kernel(&in);
	for (unsigned i = 0; i < 6; i++) {
		struct ovmf_forge f = ovmf_forge_usual;

		f.no_hashes = i == 1;
		f.n_sev -= i == 2;		     /* no page for it */
		f.hashes_gpa += i == 3 ? 0x1000 : 0; /* in another page */
		f.hashes_gpa += i == 4 ? 0x3c0 : 0;  /* not all in it */
		f.hashes_size = i == 5 ? 175 : f.hashes_size;
		ovmf_forge_image(&f, image, sizeof(image));
		CHECK((measure_snp_digest(&in, digest, &err) == OK) ==
		      (i == 0));
	}
}

TEST(processors_have_the_signatures_of_their_types)
{
	uint32_t v = 7;

	CHECK(measure_snp_vcpu("EPYC", &v) && v == 0x800f12);
	CHECK(measure_snp_vcpu("EPYC-v1", &v) && v == 0x800f12);
	CHECK(measure_snp_vcpu("EPYC-IBPB", &v) && v == 0x800f12);
	CHECK(measure_snp_vcpu("EPYC-Rome-v3", &v) && v == 0x830f10);
	CHECK(measure_snp_vcpu("EPYC-Milan", &v) && v == 0xa00f11);
	CHECK(measure_snp_vcpu("EPYC-Milan-v2", &v) && v == 0xa00f11);
	CHECK(measure_snp_vcpu("EPYC-Genoa", &v) && v == 0xa10f10);
	CHECK(measure_snp_vcpu("EPYC-Turin", &v) && v == 0xb00f00);
	v = 7;
	CHECK(!measure_snp_vcpu("", &v) && !measure_snp_vcpu("epyc", &v));
	CHECK(!measure_snp_vcpu("EPYC-", &v) &&
	      !measure_snp_vcpu("EPYC-v", &v));
	CHECK(!measure_snp_vcpu("EPYC-v0", &v));
	CHECK(!measure_snp_vcpu("EPYC-v01", &v));
	CHECK(!measure_snp_vcpu("EPYC-v99", &v));
	CHECK(!measure_snp_vcpu("EPYC-IBPB-v1", &v) && v == 7);
	CHECK_EQ_U64(measure_snp_signature(6, 0x8f, 8), 0x806f8);
}

/* Debian's images, where they are installed: version by version. */
TEST(digests_of_debians_images_are_what_others_compute)
{
	static const char path[] = "/usr/share/ovmf/OVMF.amdsev.fd";
	/* SHA-256 of the image, and the digest of 4 processors EPYC-v4. */
	static const char *const known[][2] = {
		{ "3e4fd0b3fe3b2dbe481c3d9e99418a034174f26cbe1f55aa"
		  "212b0f18c12d2d6f",
		  "13a6ae9fbaa31c91ade309c36bd5214729438abac318e011"
		  "76e02a97b8bec11a4bce86b4d2b1fba2ec0481dd24ff525f" }, /* 2026.08+ds-2 */
	};
	auto_buf struct buf file = buf_make(MEASURE_OVMF_MAX);
	struct err err;

	if (access(path, R_OK) != 0)
		SKIP("Debian's package ovmf-amdsev is not installed");
	CHECK(file_read(path, &file, &err) == OK);
	uint8_t found[32];
	char hex[65];
	sha256(buf_slice(&file), found);
	text_hex_into(hex, sizeof(hex), slice_of(found));
	for (size_t i = 0; i < countof(known); i++) {
		struct measure_snp_case in = {
			.ovmf = buf_slice(&file),
			.vcpus = 4,
			.vcpu_signature = measure_snp_signature(23, 1, 2),
			.features = MEASURE_SNP_FEATURES,
		};

		if (strcmp(hex, known[i][0]) != 0)
			continue;
		CHECK(digest_is(&in, known[i][1]));
		return;
	}
	SKIP("another version of ovmf-amdsev than those known here");
}
