#include "attest/tee/snp_verify.h"

#include "attest/tee/snp_chain.h"
#include "core/cleanup.h"
#include "test/attest/tee/snp_forge.h"
#include "test/test.h"

/* Verify a case: the status, and that it says why in the step named. */
static bool ends(const struct snp_case *c, enum status want, const char *step)
{
	auto_trace struct trace t;
	struct snp_claims claims = { .product = SNP_PRODUCTS };
	struct err err = { 0 };

	trace_init(&t);
	enum status status = snp_verify(c, &t, &claims, &err);
	bool good = status == want;
	if (want == OK) {
		good &= trace_ok(&t, snp_verify_mandatory,
				 snp_verify_n_mandatory);
	} else {
		const struct trace_step *failed = trace_first_failure(&t);

		good &= failed != NULL && strcmp(failed->rule->step, step) == 0;
		good &= claims.product == SNP_PRODUCTS; /* untouched */
	}
	if (!good)
		printf("%s: %s\n", step == NULL ? "OK" : step, err.text);
	return good;
}

static bool forged_ends(const struct snp_forge *f, enum status want,
			const char *step)
{
	auto_forged struct snp_forged made;

	snp_forge_make(f, &made);
	const struct snp_case c = snp_forge_case(&made);
	return ends(&c, want, step);
}

/* ---- What is genuine ---- */

TEST(every_product_key_and_version_verifies)
{
	struct snp_forge f;

	for (size_t p = 0; p < SNP_PRODUCTS; p++)
		for (size_t k = 0; k < SNP_KEYS; k++)
			for (uint32_t v = 2; v <= 5; v++) {
				snp_forge_init(&f, (enum snp_product)p,
					       (enum snp_key)k, v);
				CHECK(forged_ends(&f, OK, NULL));
			}
}

TEST(claims_are_what_was_signed)
{
	auto_trace struct trace t;
	auto_forged struct snp_forged made;
	struct snp_claims claims;
	struct snp_forge f;
	struct err err;

	trace_init(&t);
	snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 5);
	f.crl = true;
	snp_forge_make(&f, &made);
	const struct snp_case c = snp_forge_case(&made);
	CHECK(snp_verify(&c, &t, &claims, &err) == OK);
	CHECK(claims.product == SNP_TURIN && claims.report.version == 5);
	CHECK(snp_report_tcb_eq(&claims.launch_tcb, &f.key.tcb));
	CHECK(claims.reported_tcb.fmc == 1 && claims.key.hwid_len == 8);
	CHECK(!claims.chip_masked && !claims.root_pinned && claims.crl);
	CHECK(memcmp(claims.root, made.root[0], 32) == 0);
	CHECK(claims.crl_next_update == f.next_update);
	CHECK(claims.valid_until == f.next_update);
	CHECK(snp_verify_chip(&claims).p[0] == 0xc5);
	CHECK(trace_has(&t, "snp.crl.revoked"));
}

/* A forger's root is nothing without being named. */
TEST(a_root_that_nobody_named_is_refused)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	c.n_roots = 0;
	CHECK(ends(&c, E_CRYPTO, "snp.chain.root"));
	uint8_t other[2][32] = { 0 };
	memcpy(other[0], snp_chain_pin(SNP_GENOA), 32);
	c.roots = other;
	c.n_roots = 2;
	CHECK(ends(&c, E_CRYPTO, "snp.chain.root"));
}

/* The last byte is of the signature. */
static void spoil(struct buf *der)
{
	der->mem[der->head + der->len - 1] ^= 1;
}

TEST(each_certificate_must_be_signed_by_the_one_above)
{
	auto_forged struct snp_forged made;
	auto_buf struct buf chain = buf_make(16384);
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	const struct {
		struct buf *of;
		const char *step;
	} rows[] = { { &made.ark, "snp.chain.ark" },
		     { &made.signer, "snp.chain.signer" },
		     { &made.leaf, "snp.chain.leaf" } };

	for (size_t i = 0; i < countof(rows); i++) {
		spoil(rows[i].of);
		buf_clear(&chain);
		buf_put(&chain, buf_slice(&made.signer));
		buf_put(&chain, buf_slice(&made.ark));
		c.collateral.chain = buf_slice(&chain);
		CHECK(ends(&c, E_CRYPTO, rows[i].step));
		spoil(rows[i].of);
	}
}

TEST(what_is_not_of_the_form_is_refused)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.without = "3.8";
	CHECK(forged_ends(&f, E_PARSE, "snp.key.form"));
	f.without = NULL;
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	c.report.len--;
	CHECK(ends(&c, E_PARSE, "snp.report.form"));
}

/* ---- What is missing ---- */

TEST(what_is_missing_is_not_judged)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	c.collateral.leaf = (struct slice){ 0 };
	CHECK(ends(&c, E_STALE, "snp.certs.leaf"));
	c = snp_forge_case(&made);
	c.collateral.chain = buf_slice(&made.ark);
	CHECK(ends(&c, E_STALE, "snp.certs.signer"));
	c.collateral.chain = buf_slice(&made.signer);
	CHECK(ends(&c, E_STALE, "snp.certs.root"));
	c.collateral = (struct snp_collateral){ .table = { 0 } };
	CHECK(ends(&c, E_STALE, "snp.certs.leaf"));
	c.collateral.table = buf_slice(&made.table);
	CHECK(ends(&c, OK, NULL));
}

TEST(certificates_of_the_other_kind_are_refused)
{
	auto_forged struct snp_forged vcek, vlek;
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &vcek);
	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VLEK, 3);
	snp_forge_make(&f, &vlek);
	struct snp_case c = snp_forge_case(&vcek);
	c.collateral.leaf = buf_slice(&vlek.leaf);
	CHECK(ends(&c, E_CRYPTO, "snp.certs.leaf"));
	c = snp_forge_case(&vcek);
	c.collateral.chain = buf_slice(&vlek.chain);
	CHECK(ends(&c, E_CRYPTO, "snp.certs.signer"));
}

/* The ASK must not make VLEKs, nor the ASVK VCEKs. */
TEST(a_key_below_the_signer_of_the_other_kind_is_refused)
{
	auto_forged struct snp_forged wrong, right;
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VLEK, 3);
	snp_forge_make(&f, &right);
	f.signer = SNP_KEY_VCEK;
	snp_forge_make(&f, &wrong);
	struct snp_case c = snp_forge_case(&wrong);
	CHECK(ends(&c, E_CRYPTO, "snp.certs.signer"));
	c.collateral.chain = buf_slice(&right.chain);
	CHECK(ends(&c, E_CRYPTO, "snp.chain.leaf"));
}

/* ---- What is not genuine ---- */

TEST(a_masked_or_missing_key_is_refused)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	for (uint32_t key = 0; key < 32; key++) {
		f.report.key_info = key;
		bool masked = (key & 2) != 0, vcek = key >> 2 == 0;

		CHECK(forged_ends(&f, vcek && !masked ? OK : E_CRYPTO,
				  key >> 2 > 1 || masked ? "snp.report.key"
							 : "snp.certs.leaf"));
	}
}

TEST(a_processor_of_another_product_is_refused)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.report.cpuid[1] = 0xa0; /* Bergamo */
	CHECK(forged_ends(&f, E_CRYPTO, "snp.chain.product"));
	f.report.cpuid[1] = 0xf0;
	CHECK(forged_ends(&f, E_CRYPTO, "snp.report.product"));
	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	f.report.cpuid[1] = 0xa0;
	CHECK(forged_ends(&f, OK, NULL));
	(void)snprintf(f.key.product, sizeof(f.key.product), "Siena");
	CHECK(forged_ends(&f, OK, NULL));
	(void)snprintf(f.key.product, sizeof(f.key.product), "Milan-B0");
	CHECK(forged_ends(&f, E_CRYPTO, "snp.key.product"));
}

TEST(a_leaf_of_another_name_is_refused)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.leaf_name = "SEV-VLEK";
	CHECK(forged_ends(&f, E_CRYPTO, "snp.certs.leaf"));
	f.leaf_name = "SEV-VCEKS";
	CHECK(forged_ends(&f, E_PARSE, "snp.certs.form"));
}

TEST(another_salt_is_not_amds)
{
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.salt_len = 32;
	CHECK(forged_ends(&f, E_CRYPTO, "snp.chain.algorithm"));
}

TEST(every_part_of_the_tcb_is_bound_to_the_key)
{
	struct snp_forge f;

	for (size_t part = 0; part < sizeof(struct snp_tcb); part++) {
		for (int up = -1; up <= 1; up += 2) {
			snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 3);
			struct snp_tcb t = f.key.tcb;

			((uint8_t *)&t)[part] =
				(uint8_t)(((uint8_t *)&t)[part] + up);
			snp_forge_tcb(&t, SNP_TURIN, f.report.reported_tcb);
			CHECK(forged_ends(&f, E_CRYPTO, "snp.key.tcb"));
		}
	}
}

TEST(tcbs_out_of_order_are_refused)
{
	struct snp_forge f;
	struct snp_tcb more;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	more = f.key.tcb;
	more.snp++;
	snp_forge_tcb(&more, SNP_GENOA, f.report.current_tcb);
	CHECK(forged_ends(&f, OK, NULL)); /* provisional firmware */
	snp_forge_tcb(&more, SNP_GENOA, f.report.committed_tcb);
	CHECK(forged_ends(&f, OK, NULL));
	more.microcode++;
	snp_forge_tcb(&more, SNP_GENOA, f.report.committed_tcb);
	CHECK(forged_ends(&f, E_CRYPTO, "snp.tcb.order"));
	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	more = f.key.tcb;
	more.bootloader--;
	more.microcode++; /* as a number it would be more */
	snp_forge_tcb(&more, SNP_GENOA, f.report.committed_tcb);
	snp_forge_tcb(&more, SNP_GENOA, f.report.current_tcb);
	CHECK(forged_ends(&f, E_CRYPTO, "snp.tcb.order"));
}

TEST(reserved_bytes_of_every_tcb_are_refused)
{
	static const size_t at[] = { offsetof(struct snp_report, current_tcb),
				     offsetof(struct snp_report, reported_tcb),
				     offsetof(struct snp_report, committed_tcb),
				     offsetof(struct snp_report, launch_tcb) };
	struct snp_forge f;

	for (size_t i = 0; i < countof(at); i++) {
		snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
		((uint8_t *)&f.report)[at[i] + 3] = 1;
		CHECK(forged_ends(&f, E_PARSE, "snp.tcb.form"));
		snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 3);
		((uint8_t *)&f.report)[at[i] + 5] = 1;
		CHECK(forged_ends(&f, E_PARSE, "snp.tcb.form"));
	}
}

TEST(every_byte_of_the_chip_id_is_bound_to_a_vcek)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_TURIN, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	for (size_t i = 0; i < sizeof(f.report.chip_id); i++) {
		struct snp_case c = snp_forge_case(&made);

		f.report.chip_id[i] ^= 1;
		snp_forge_report(&f, made.report);
		f.report.chip_id[i] ^= 1;
		CHECK(ends(&c, E_CRYPTO, "snp.key.chip"));
	}
}

/* Masked is told apart, and a chip of zeros is not every chip. */
TEST(a_masked_chip_id_is_claimed_as_such)
{
	auto_forged struct snp_forged made;
	auto_trace struct trace t;
	struct snp_claims claims;
	struct snp_forge f;
	struct err err;

	trace_init(&t);
	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	memset(f.report.chip_id, 0, sizeof(f.report.chip_id));
	snp_forge_make(&f, &made);
	const struct snp_case c = snp_forge_case(&made);
	CHECK(snp_verify(&c, &t, &claims, &err) == OK);
	CHECK(claims.chip_masked);
	CHECK(snp_verify_chip(&claims).p[0] == 0xc5);
}

TEST(a_vlek_says_its_provider_and_no_chip)
{
	auto_forged struct snp_forged made;
	auto_trace struct trace t;
	struct snp_claims claims;
	struct snp_forge f;
	struct err err;

	trace_init(&t);
	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VLEK, 3);
	snp_forge_make(&f, &made);
	const struct snp_case c = snp_forge_case(&made);
	CHECK(snp_verify(&c, &t, &claims, &err) == OK);
	CHECK_STR_EQ(claims.key.csp_id, "CN=cc-forged.example");
	CHECK(claims.chip_masked && snp_verify_chip(&claims).len == 0);
}

TEST(a_signature_of_zeros_or_of_another_report_is_refused)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;
	uint8_t other[SNP_REPORT_LEN];

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	const struct snp_case c = snp_forge_case(&made);
	f.report.guest_svn++;
	snp_forge_report(&f, other);
	memcpy(made.report + SNP_SIGNED_LEN, other + SNP_SIGNED_LEN,
	       SNP_REPORT_LEN - SNP_SIGNED_LEN);
	CHECK(ends(&c, E_CRYPTO, "snp.report.signature"));
	memset(made.report + SNP_SIGNED_LEN, 0,
	       SNP_REPORT_LEN - SNP_SIGNED_LEN);
	CHECK(ends(&c, E_CRYPTO, "snp.report.signature"));
	memset(made.report + SNP_SIGNED_LEN, 0xff, SNP_NUMBER_LEN);
	CHECK(ends(&c, E_CRYPTO, "snp.report.signature"));
}

/* ---- Times and revocation ---- */

TEST(certificates_out_of_their_time_are_not_judged)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	c.now = f.not_before;
	CHECK(ends(&c, OK, NULL));
	c.now--;
	CHECK(ends(&c, E_STALE, "snp.chain.time"));
	c.now = f.not_after;
	CHECK(ends(&c, OK, NULL));
	c.now++;
	CHECK(ends(&c, E_STALE, "snp.chain.time"));
	/* What is not genuine is not genuine at any time. */
	made.report[SNP_SIGNED_LEN] ^= 1;
	CHECK(ends(&c, E_CRYPTO, "snp.report.signature"));
}

TEST(a_revocation_list_counts_when_it_is_there)
{
	static const struct {
		uint32_t serial;
		enum status want;
	} rows[] = {
		{ SNP_FORGE_SIGNER_SERIAL, E_CRYPTO },
		{ SNP_FORGE_ARK_SERIAL, E_CRYPTO },
		{ SNP_FORGE_SIGNER_SERIAL + 1, OK },
		{ 0, OK }, /* the leaf's: it is of another issuer */
	};
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VLEK, 3);
	f.crl = true;
	CHECK(forged_ends(&f, OK, NULL));
	f.n_revoked = 2;
	f.revoked[0] = 77;
	for (size_t i = 0; i < countof(rows); i++) {
		f.revoked[1] = rows[i].serial;
		CHECK(forged_ends(&f, rows[i].want, "snp.crl.revoked"));
	}
}

TEST(a_revocation_list_out_of_its_time_is_not_judged)
{
	auto_forged struct snp_forged made;
	struct snp_forge f;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.crl = true;
	f.this_update = SNP_FORGE_NOW - 10;
	f.next_update = SNP_FORGE_NOW + 10;
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	CHECK(ends(&c, OK, NULL));
	c.now = f.next_update + 1;
	CHECK(ends(&c, E_STALE, "snp.crl.time"));
	c.now = f.this_update - 1;
	CHECK(ends(&c, E_STALE, "snp.crl.time"));
}

TEST(a_revocation_list_of_another_root_is_refused)
{
	auto_forged struct snp_forged made, other;
	struct snp_forge f;

	snp_forge_init(&f, SNP_GENOA, SNP_KEY_VCEK, 3);
	f.crl = true;
	snp_forge_make(&f, &other);
	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.crl = true;
	snp_forge_make(&f, &made);
	struct snp_case c = snp_forge_case(&made);
	c.collateral.crl = buf_slice(&other.crl);
	CHECK(ends(&c, E_CRYPTO, "snp.crl.signature"));
	made.crl.mem[made.crl.head + made.crl.len - 1] ^= 1;
	c.collateral.crl = buf_slice(&made.crl);
	CHECK(ends(&c, E_CRYPTO, "snp.crl.signature"));
}

/* ---- Issuers that are kept ---- */

TEST(issuers_that_are_kept_stand_for_what_comes_along)
{
	auto_forged struct snp_forged made;
	struct snp_certs *kept = NULL;
	struct snp_forge f;
	struct err err;

	snp_forge_init(&f, SNP_MILAN, SNP_KEY_VCEK, 3);
	f.crl = true;
	f.n_revoked = 1;
	f.revoked[0] = SNP_FORGE_SIGNER_SERIAL;
	snp_forge_make(&f, &made);
	const struct snp_collateral in = { .chain = buf_slice(&made.chain),
					   .crl = buf_slice(&made.crl) };
	CHECK(snp_certs_new(&in, &kept, &err) == OK);
	auto_snp_certs struct snp_certs *certs = kept;
	struct snp_case c = snp_forge_case(&made);
	c.issuers = certs;
	c.collateral.chain = S("not looked at");
	c.collateral.crl = (struct slice){ 0 }; /* leaving it out won't help */
	CHECK(ends(&c, E_CRYPTO, "snp.crl.revoked"));
	x509_crl_free(take(certs->crl));
	CHECK(ends(&c, OK, NULL));
	CHECK(certs->ark_signed && certs->signer_signed[SNP_KEY_VCEK]);
	CHECK(!certs->signer_signed[SNP_KEY_VLEK]);
	c.n_roots = 0;
	CHECK(ends(&c, E_CRYPTO, "snp.chain.root"));
}
