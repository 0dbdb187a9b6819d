#include "attest/tee/sim.h"

#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/x509.h"
#include "test/attest/sim_world.h"
#include "test/test.h"

/* ---- The report's form ---- */

/* A report with every reserved byte zero and a mark in fields we keep. */
static void make(uint8_t raw[static SIM_REPORT_LEN])
{
	const struct sim_report r = {
		.debug = true,
		.svn = 0x01020304,
		.measurement = { [0] = 1, [47] = 2 },
		.report_data = { [0] = 3, [63] = 4 },
		.chip_id = { [0] = 5, [31] = 6 },
	};

	memset(raw, 0, SIM_REPORT_LEN);
	sim_report_write(&r, raw);
	raw[193] = 3; /* length of the signature */
	memcpy(raw + 194, "sig", 3);
}

static enum status parse(const uint8_t *raw, size_t len, struct sim_report *out)
{
	struct err err;

	return sim_report_parse(slice_make(raw, len), out, &err);
}

TEST(reads_each_field_from_its_offset)
{
	uint8_t raw[SIM_REPORT_LEN];
	struct sim_report r;

	make(raw);
	CHECK(memcmp(raw, "confdsim\0\0\0\1\0\0\0\1\1\2\3\4\0\0\0\0", 24) == 0);
	CHECK(raw[24] == 1 && raw[71] == 2 && raw[72] == 3 && raw[135] == 4);
	CHECK(raw[136] == 5 && raw[167] == 6);
	CHECK(parse(raw, sizeof(raw), &r) == OK);
	CHECK(r.debug && r.svn == 0x01020304);
	CHECK(r.measurement[0] == 1 && r.measurement[47] == 2);
	CHECK(r.report_data[0] == 3 && r.report_data[63] == 4);
	CHECK(r.chip_id[0] == 5 && r.chip_id[31] == 6);
	CHECK(r.sig_len == 3 && memcmp(r.sig, "sig", 3) == 0);
}

TEST(refuses_every_other_length)
{
	uint8_t raw[SIM_REPORT_LEN + 1] = { 0 };
	struct sim_report r = { .svn = 77 };

	make(raw);
	for (size_t len = 0; len <= sizeof(raw); len++)
		if (len != SIM_REPORT_LEN)
			CHECK(parse(raw, len, &r) == E_PARSE);
	CHECK(r.svn == 77); /* untouched on failure */
}

TEST(refuses_each_bit_of_magic_version_flags_and_reserved_bytes)
{
	static const struct {
		size_t from, to;
	} fixed[] = {
		{ 0, 15 }, { 20, 24 }, { 168, 192 }, { 197, 298 }, { 298, 304 },
	};
	uint8_t raw[SIM_REPORT_LEN];
	struct sim_report r;

	for (size_t k = 0; k < countof(fixed); k++)
		for (size_t i = 8 * fixed[k].from; i < 8 * fixed[k].to; i++) {
			make(raw);
			raw[i / 8] ^= (uint8_t)(1u << i % 8);
			CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
		}
	for (uint8_t flags = 2; flags != 0; flags = (uint8_t)(flags << 1)) {
		make(raw);
		raw[15] |= flags;
		CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
	}
}

TEST(refuses_a_signature_of_no_bytes_or_too_many)
{
	uint8_t raw[SIM_REPORT_LEN];
	struct sim_report r;

	make(raw);
	raw[193] = 0;
	CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
	raw[193] = SIM_SIGNATURE_MAX;
	CHECK(parse(raw, sizeof(raw), &r) == OK);
	raw[193] = SIM_SIGNATURE_MAX + 1;
	CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
	raw[192] = 1;
	raw[193] = 3;
	CHECK(parse(raw, sizeof(raw), &r) == E_PARSE);
}

/* ---- Verifying ---- */

/* Judge with one bit of the report changed. */
static bool refused_with_bit(struct world *w, size_t i, uint8_t bit)
{
	uint8_t raw[SIM_REPORT_LEN];

	memcpy(raw, buf_slice(&w->evidence.report).p, sizeof(raw));
	raw[i] ^= bit;
	buf_clear(&w->evidence.report);
	buf_put(&w->evidence.report, slice_of(raw));
	world_rewrite(w);
	enum status status = world_judge(w);
	raw[i] ^= bit;
	buf_clear(&w->evidence.report);
	buf_put(&w->evidence.report, slice_of(raw));
	return EXPECT(status == E_PARSE || status == E_CRYPTO) &&
	       EXPECT(w->verdict == NULL);
}

TEST(a_report_with_any_byte_changed_is_refused)
{
	auto_world struct world w;

	world_init(&w);
	for (size_t i = 0; i < SIM_REPORT_LEN; i += test_stride(3))
		CHECK(refused_with_bit(&w, i, (uint8_t)(1u << i % 8)));
	world_rewrite(&w);
	CHECK(world_judge(&w) == OK);
}

TEST(a_report_cut_or_extended_is_refused)
{
	auto_world struct world w;
	uint8_t raw[SIM_REPORT_LEN + 8] = { 0 };

	world_init(&w);
	memcpy(raw, buf_slice(&w.evidence.report).p, SIM_REPORT_LEN);
	for (size_t n = 1; n <= sizeof(raw); n++) {
		if (n == SIM_REPORT_LEN)
			continue;
		buf_clear(&w.evidence.report);
		buf_put(&w.evidence.report, slice_make(raw, n));
		world_rewrite(&w);
		CHECK(world_judge(&w) == E_PARSE);
		CHECK(world_refused(&w, E_PARSE, "sim.form"));
	}
}

/* Put another chain into the bundle. */
static void set_chain(struct world *w, const char *name, struct slice pem)
{
	struct evidence_text *t = &w->evidence.collateral.item[0];
	struct err err;

	mem_free(t->name);
	t->name = mem_strdup(name, strlen(name));
	buf_clear(&t->text);
	buf_put(&t->text, pem);
	EXPECT(buf_check(&t->text, "chain", &err) == OK);
	world_rewrite(w);
}

/* The n-th certificate of a chain, with its PEM lines. */
static struct slice certificate(struct slice pem, size_t n)
{
	struct slice end = S("-----END CERTIFICATE-----\n");

	for (; n > 0; n--)
		pem = slice_from(pem, slice_search(pem, end) + end.len);
	return slice_sub(pem, 0, slice_search(pem, end) + end.len);
}

TEST(a_chain_of_other_certificates_is_refused)
{
	auto_world struct world w;
	auto_buf struct buf good = buf_make(16384), bad = buf_make(16384);

	world_init(&w);
	buf_put(&good, evidence_text(&w.evidence.collateral, "chain"));
	struct slice device = certificate(buf_slice(&good), 0);
	struct slice root = certificate(buf_slice(&good), 1);

	set_chain(&w, "chain", device);
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));

	set_chain(&w, "chain", S("no PEM at all"));
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));

	set_chain(&w, "certs", buf_slice(&good));
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));

	buf_put(&bad, root); /* the wrong way round */
	buf_put(&bad, device);
	set_chain(&w, "chain", buf_slice(&bad));
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "sim.root"));

	buf_clear(&bad); /* the root as the device */
	buf_put(&bad, root);
	buf_put(&bad, root);
	set_chain(&w, "chain", buf_slice(&bad));
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "sim.chip_id"));

	buf_put(&bad, root); /* one more than there may be */
	set_chain(&w, "chain", buf_slice(&bad));
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));
}

TEST(more_collateral_than_the_chain_is_refused)
{
	auto_world struct world w;
	struct err err;

	world_init(&w);
	CHECK(evidence_add_text(&w.evidence.collateral, S("more"), S("x"),
				&err) == OK);
	world_rewrite(&w);
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));
}

/* Both roots have the same name: the signature has to tell. */
TEST(a_device_of_another_root_with_our_root_behind_it_is_refused)
{
	auto_world struct world w;
	auto_buf struct buf ours = buf_make(16384), bad = buf_make(16384);
	struct err err;

	world_init(&w);
	buf_put(&ours, evidence_text(&w.evidence.collateral, "chain"));
	buf_clear(&w.root);
	CHECK(sim_root_new(WORLD_NOW, &w.root, &err) == OK);
	world_attest(&w);
	buf_put(&bad,
		certificate(evidence_text(&w.evidence.collateral, "chain"), 0));
	buf_put(&bad, certificate(buf_slice(&ours), 1));
	set_chain(&w, "chain", buf_slice(&bad));
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "sim.chain"));
}

TEST(a_report_of_another_device_of_the_same_root_is_refused)
{
	auto_world struct world w;
	auto_buf struct buf other = buf_make(16384);

	world_init(&w);
	buf_put(&other, evidence_text(&w.evidence.collateral, "chain"));
	world_attest(&w); /* a new device */
	set_chain(&w, "chain", buf_slice(&other));
	CHECK(world_judge(&w) == E_CRYPTO);
	CHECK(world_refused(&w, E_CRYPTO, "sim.chip_id"));
}

/* ---- Roots and devices ---- */

TEST(a_root_is_a_key_and_a_certificate_with_a_stable_digest)
{
	auto_buf struct buf pem = buf_make(16384);
	uint8_t whole[32], alone[32], other[32];
	struct err err;

	CHECK(sim_root_new(WORLD_NOW, &pem, &err) == OK);
	CHECK(sim_root_digest(buf_slice(&pem), whole, &err) == OK);
	size_t at = slice_search(buf_slice(&pem), S("-----BEGIN CERT"));
	CHECK(at > 0 && at < pem.len);
	CHECK(sim_root_digest(slice_from(buf_slice(&pem), at), alone, &err) ==
	      OK);
	CHECK(memcmp(whole, alone, 32) == 0);
	CHECK(sim_root_digest(slice_sub(buf_slice(&pem), 0, at), other, &err) ==
	      E_PARSE);
	buf_clear(&pem);
	CHECK(sim_root_new(WORLD_NOW, &pem, &err) == OK);
	CHECK(sim_root_digest(buf_slice(&pem), other, &err) == OK);
	CHECK(memcmp(whole, other, 32) != 0);
}

TEST(no_device_without_a_whole_root)
{
	auto_world struct world w;
	auto_sim_device struct sim_device *d = NULL;
	struct err err;

	world_init(&w);
	struct slice pem = buf_slice(&w.root);
	size_t at = slice_search(pem, S("-----BEGIN CERT"));
	CHECK(sim_device_new(slice_from(pem, at), &w.options, &d, &err) != OK);
	CHECK(sim_device_new(slice_sub(pem, 0, at), &w.options, &d, &err) !=
	      OK);
	CHECK(sim_device_new(S(""), &w.options, &d, &err) != OK);
	CHECK(d == NULL);
}

TEST(text_around_the_certificates_is_refused)
{
	auto_world struct world w;
	auto_buf struct buf good = buf_make(16384), bad = buf_make(16384);

	world_init(&w);
	buf_put(&good, evidence_text(&w.evidence.collateral, "chain"));
	buf_put_str(&bad, "\n");
	buf_put(&bad, buf_slice(&good));
	set_chain(&w, "chain", buf_slice(&bad));
	CHECK(world_judge(&w) == E_PARSE);
	CHECK(world_refused(&w, E_PARSE, "sim.certificates"));
	buf_put_str(&good, "x");
	set_chain(&w, "chain", buf_slice(&good));
	CHECK(world_judge(&w) == E_PARSE);
}

static void seal_key(const struct world *w, uint8_t out[static 32])
{
	auto_sim_device struct sim_device *d = NULL;
	struct err err;

	EXPECT(sim_device_new(buf_slice(&w->root), &w->options, &d, &err) ==
	       OK);
	if (d != NULL)
		sim_device_seal_key(d, out);
}

TEST(the_sealing_key_outlives_the_device_but_not_a_change)
{
	auto_world struct world w;
	uint8_t first[32] = { 0 }, again[32] = { 0 }, other[32] = { 0 };
	struct err err;

	world_init(&w);
	seal_key(&w, first);
	seal_key(&w, again);
	CHECK(memcmp(first, again, 32) == 0);
	w.options.measurement[0] ^= 1;
	seal_key(&w, other);
	CHECK(memcmp(first, other, 32) != 0);
	w.options.measurement[0] ^= 1;
	w.options.debug = true;
	seal_key(&w, other);
	CHECK(memcmp(first, other, 32) != 0);
	w.options.debug = false;
	buf_clear(&w.root);
	CHECK(sim_root_new(WORLD_NOW, &w.root, &err) == OK);
	seal_key(&w, other);
	CHECK(memcmp(first, other, 32) != 0);
}

TEST(measures_files_and_itself)
{
	char path[4200];
	uint8_t got[48], want[48];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/file", test_dir());
	CHECK(file_write(path, S("program"), 0600, &err) == OK);
	CHECK(sim_measure_file(path, got, &err) == OK);
	sha384(S("program"), want);
	CHECK(memcmp(got, want, 48) == 0);
	CHECK(sim_measure_self(got, &err) == OK);
	CHECK(memcmp(got, want, 48) != 0);
	CHECK(sim_measure_file("/nonexistent", got, &err) == E_NOTFOUND);
}
