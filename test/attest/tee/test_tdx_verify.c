#include "attest/tee/tdx_verify.h"

#include "core/cleanup.h"
#include "test/attest/tee/tdx_forge.h"
#include "test/test.h"

#define NOW INT64_C(1771000000) /* February 2026 */
#define DAY ((int64_t)24 * 60 * 60)

static struct tdx_claims claims; /* of the last that was genuine */

/* The step that is to blame, or "". */
static char blamed[64];

static enum status judge(const struct tdx_case *c)
{
	auto_trace struct trace t = { 0 };
	struct err err = { 0 };

	enum status status = tdx_verify(c, &t, &claims, &err);
	const struct trace_step *s = trace_first_failure(&t);
	(void)snprintf(blamed, sizeof(blamed), "%s",
		       s == NULL ? "" : s->rule->step);
	if (status == OK)
		EXPECT(trace_ok(&t, tdx_verify_mandatory,
				tdx_verify_n_mandatory));
	else
		EXPECT(!trace_ok(&t, tdx_verify_mandatory,
				 tdx_verify_n_mandatory));
	return status;
}

static enum status judge_forged(struct tdx_forge *f)
{
	tdx_forge_make(f);
	struct tdx_case c = tdx_forge_case(f);
	return judge(&c);
}

TEST(what_we_forge_is_genuine_under_our_root_alone)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	CHECK(claims.status == TDX_UP_TO_DATE);
	CHECK(claims.advisories.n == 0 && claims.evaluation == 18);
	CHECK(memcmp(claims.root, f.root[0], 32) == 0);
	CHECK(claims.valid_until == f.o.next);
	CHECK(claims.td.mrtd[0] == 1 && claims.pck.fmspc[0] == 0x90);
	struct tdx_case c = tdx_forge_case(&f);
	c.n_roots = 0;
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.chain.root");
}

TEST(versions_and_bodies_are_read)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	f.o.version = 5;
	CHECK(judge_forged(&f) == OK);
	CHECK(claims.version == 5 && claims.body == TDX_BODY_10);
	f.o.body = TDX_BODY_15;
	f.o.td.mrservicetd[47] = 8;
	CHECK(judge_forged(&f) == OK);
	CHECK(claims.body == TDX_BODY_15 && claims.td.mrservicetd[47] == 8);
	f.o.ca_name = "Intel SGX PCK Processor CA";
	CHECK(judge_forged(&f) == OK && claims.processor_ca);
}

/* ---- One thing wrong ---- */

/* Check that what `o` says is refused so. */
#define REFUSED(change, code, step)                 \
	do {                                        \
		auto_tdx_forge struct tdx_forge f;  \
		tdx_forge_init(&f, NOW);            \
		struct tdx_forge_options *o = &f.o; \
		change;                             \
		CHECK(judge_forged(&f) == (code));  \
		CHECK_STR_EQ(blamed, step);         \
	} while (0)

TEST(names_of_certificates_are_asked)
{
	REFUSED(o->pck_name = "Intel SGX PCK Certificate 2", E_CRYPTO,
		"tdx.chain.names");
	REFUSED(o->ca_name = "Intel SGX PCK CA", E_CRYPTO, "tdx.chain.names");
	REFUSED(o->root_name = "Intel SGX Root", E_CRYPTO, "tdx.chain.names");
	REFUSED(o->signer_name = "Intel SGX PCK Platform CA", E_CRYPTO,
		"tdx.tcb_info.chain");
}

TEST(each_link_of_the_quote_is_checked)
{
	REFUSED(o->pck_by_root = true, E_CRYPTO, "tdx.chain");
	REFUSED(o->pck_plain = true, E_PARSE, "tdx.pck");
	REFUSED(o->pck_other_key = true, E_CRYPTO, "tdx.qe.signature");
	REFUSED(o->qe_upper = 1, E_CRYPTO, "tdx.qe.binding");
	REFUSED(o->pck_until = NOW - 1, E_CRYPTO, "tdx.chain.time");
}

TEST(collateral_of_another_platform_is_refused)
{
	REFUSED(o->other_fmspc = true, E_CRYPTO, "tdx.tcb_info.fmspc");
	REFUSED(o->other_pce_id = true, E_CRYPTO, "tdx.tcb_info.pce_id");
	REFUSED(o->signer_until = NOW - 1, E_STALE, "tdx.signers.time");
}

/* Change one byte, which must be there. */
static void spoil(struct buf *b, size_t at)
{
	if (EXPECT(at < b->len))
		b->mem[b->head + at] ^= 1;
}

TEST(what_is_changed_after_it_was_signed_is_refused)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	struct tdx_case c = tdx_forge_case(&f);
	spoil(&f.quote, 30); /* what the QE's host wrote into the header */
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.signature");
	spoil(&f.quote, 30);
	spoil(&f.quote, 0);
	CHECK(judge(&c) == E_PARSE);
	CHECK_STR_EQ(blamed, "tdx.quote");
	spoil(&f.quote, 0);
	size_t number = slice_search(buf_slice(&f.tcb_info),
				     S("tcbEvaluationDataNumber\":")) +
			26;
	spoil(&f.tcb_info, number);
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.tcb_info.signature");
	spoil(&f.tcb_info, number);
	number = slice_search(buf_slice(&f.qe_identity),
			      S("tcbEvaluationDataNumber\":")) +
		 26;
	spoil(&f.qe_identity, number);
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.qe_identity.signature");
	spoil(&f.qe_identity, number);
	CHECK(judge(&c) == OK);
}

TEST(lists_that_are_none_are_refused)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	tdx_forge_make(&f);
	struct tdx_case c = tdx_forge_case(&f);
	c.input.root_ca_crl = slice_sub(c.input.root_ca_crl, 0, 40);
	CHECK(judge(&c) == E_PARSE);
	CHECK_STR_EQ(blamed, "tdx.root_crl.form");
	c = tdx_forge_case(&f);
	c.input.pck_crl = S("30zz");
	CHECK(judge(&c) == E_PARSE);
	CHECK_STR_EQ(blamed, "tdx.pck_crl.form");
}

TEST(what_is_revoked_is_refused)
{
	REFUSED(o->revoke_pck = true, E_CRYPTO, "tdx.pck_crl.pck");
	REFUSED(o->revoke_ca = true, E_CRYPTO, "tdx.root_crl.ca");
	REFUSED(o->revoke_signer = true, E_CRYPTO, "tdx.root_crl.signers");
	REFUSED(o->crl_by_root = true, E_CRYPTO, "tdx.pck_crl.signature");
}

TEST(the_module_has_to_be_known)
{
	REFUSED(o->module_id = "TDX_02", E_CRYPTO, "tdx.module");
	REFUSED(o->td.tee_tcb_svn[0] = 2, E_CRYPTO, "tdx.module");
	REFUSED(o->td.mrsignerseam[47] = 1, E_CRYPTO, "tdx.module");
	REFUSED(o->td.seam_attributes = 1, E_CRYPTO, "tdx.module");
	REFUSED(o->module_id = "TDX_1", E_PARSE, "tdx.tcb_info.form");
}

TEST(the_platform_has_to_reach_a_level)
{
	REFUSED(o->pck.cpu_svn[0] = 1, E_CRYPTO, "tdx.level");
	REFUSED(o->pck.pce_svn = 10, E_CRYPTO, "tdx.level");
	REFUSED(o->td.tee_tcb_svn[2] = 1, E_CRYPTO, "tdx.level");
}

TEST(the_quoting_enclave_has_to_be_intels)
{
	REFUSED(o->qe.mrsigner[31] = 0, E_CRYPTO, "tdx.qe.identity");
	REFUSED(o->qe.isv_prod_id = 1, E_CRYPTO, "tdx.qe.identity");
	REFUSED(o->qe.attributes[0] |= 2, E_CRYPTO, "tdx.qe.identity");
	REFUSED(o->qe.miscselect[3] = 1, E_CRYPTO, "tdx.qe.identity");
	REFUSED(o->qe.isv_svn = 3, E_CRYPTO, "tdx.qe.level");
}

TEST(statuses_that_mean_nothing_are_refused)
{
	REFUSED(o->level[0].status = "Fine", E_PARSE, "tdx.tcb_info.form");
	REFUSED(o->level[0].status = "TDRelaunchAdvised", E_PARSE,
		"tdx.tcb_info.form");
	REFUSED(o->module[0].status = "SWHardeningNeeded", E_PARSE,
		"tdx.tcb_info.form");
	REFUSED(o->qe_level[0].status = "ConfigurationNeeded", E_PARSE,
		"tdx.qe_identity.form");
	REFUSED(o->level[1].advisories = "[\"intel\"]", E_PARSE,
		"tdx.tcb_info.form");
	REFUSED(o->n_levels = 0, E_PARSE, "tdx.tcb_info.form");
}

TEST(times_are_bounds_that_belong_to_it)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	struct tdx_case c = tdx_forge_case(&f);
	c.now = f.o.next;
	CHECK(judge(&c) == OK);
	c.now = f.o.next + 1;
	CHECK(judge(&c) == E_STALE);
	CHECK_STR_EQ(blamed, "tdx.tcb_info.time");
	c.now = f.o.issued;
	CHECK(judge(&c) == OK);
	c.now = f.o.issued - 1;
	CHECK(judge(&c) == E_STALE);
}

TEST(any_piece_missing_is_stale_and_never_ok)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	struct slice none = { 0 };
	for (size_t i = 0; i < 6; i++) {
		struct tdx_case c = tdx_forge_case(&f);
		struct slice *const piece[] = {
			&c.input.tcb_info,    &c.input.tcb_info_chain,
			&c.input.qe_identity, &c.input.qe_identity_chain,
			&c.input.root_ca_crl, &c.input.pck_crl,
		};

		*piece[i] = none;
		CHECK(judge(&c) == E_STALE);
	}
	struct tdx_case c = tdx_forge_case(&f);
	c.input.pck_crl_chain = none;
	CHECK(judge(&c) == OK); /* the quote has it */
	c.input = (struct tdx_collateral_input){ 0 };
	CHECK(judge(&c) == E_STALE);
}

TEST(collateral_under_another_root_is_refused)
{
	auto_tdx_forge struct tdx_forge f;
	auto_tdx_forge struct tdx_forge other;

	tdx_forge_init(&f, NOW);
	tdx_forge_init(&other, NOW);
	CHECK(judge_forged(&f) == OK);
	CHECK(judge_forged(&other) == OK);
	struct tdx_case c = tdx_forge_case(&f);
	uint8_t both[2][32];
	memcpy(both[0], f.root[0], 32);
	memcpy(both[1], other.root[0], 32);
	c.roots = both;
	c.n_roots = 2;
	CHECK(judge(&c) == OK);
	/* Believed as it is, but not for this quote. */
	c.input = tdx_forge_case(&other).input;
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.collateral.root");
	struct tdx_case d = tdx_forge_case(&f);
	d.input.qe_identity = buf_slice(&other.qe_identity);
	CHECK(judge(&d) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.qe_identity.signature");
	d = tdx_forge_case(&f);
	d.input.pck_crl_chain = buf_slice(&other.pck_crl_chain);
	CHECK(judge(&d) == E_CRYPTO);
}

TEST(collateral_that_was_read_once_serves_many)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	struct tdx_case c = tdx_forge_case(&f);
	auto_tdx_collateral struct tdx_collateral *col =
		tdx_collateral_new(&c.input);
	c.collateral = col;
	c.input = (struct tdx_collateral_input){ 0 };
	size_t verified = col->verified.n;
	CHECK(judge(&c) == OK);
	CHECK(judge(&c) == OK);
	CHECK(col->verified.n == verified); /* nothing was learnt */
	c.now = f.o.next + 1;
	CHECK(judge(&c) == E_STALE);
	f.o.revoke_pck = true; /* of an old list nothing is forgotten */
	CHECK(judge_forged(&f) == E_CRYPTO);
}

TEST(text_around_the_certificates_is_refused)
{
	auto_tdx_forge struct tdx_forge f;

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	/* The newline behind the last certificate. */
	uint8_t *end = buf_room(&f.quote, 0) - 1;
	struct tdx_case c = tdx_forge_case(&f);
	CHECK(*end == '\n');
	*end = 'x';
	CHECK(judge(&c) == E_PARSE);
	*end = ' ';
	CHECK(judge(&c) == OK);
	*end = '\0';
	CHECK(judge(&c) == OK);
}

TEST(the_chain_may_be_escaped_as_headers_have_it)
{
	auto_tdx_forge struct tdx_forge f;
	auto_buf struct buf escaped = buf_make(1 << 16);

	tdx_forge_init(&f, NOW);
	CHECK(judge_forged(&f) == OK);
	struct tdx_case c = tdx_forge_case(&f);
	struct slice pem = c.input.tcb_info_chain;
	for (size_t i = 0; i < pem.len; i++) {
		uint8_t b = pem.p[i];

		if (b == '\n' || b == ' ' || b == '+' || b == '/' || b == '=')
			buf_putf(&escaped, "%%%02X", b);
		else
			buf_put_u8(&escaped, b);
	}
	c.input.tcb_info_chain = buf_slice(&escaped);
	CHECK(judge(&c) == OK);
	buf_put_str(&escaped, "%2");
	c.input.tcb_info_chain = buf_slice(&escaped);
	CHECK(judge(&c) == E_CRYPTO);
	CHECK_STR_EQ(blamed, "tdx.tcb_info.chain");
}

/* ---- Statuses ---- */

#define STATUS(change, expected)                                        \
	do {                                                            \
		auto_tdx_forge struct tdx_forge f;                      \
		tdx_forge_init(&f, NOW);                                \
		struct tdx_forge_options *o = &f.o;                     \
		change;                                                 \
		CHECK(judge_forged(&f) == OK);                          \
		CHECK_STR_EQ(tdx_status_name(claims.status), expected); \
	} while (0)

TEST(statuses_are_merged_to_the_worst)
{
	STATUS(o->pck.cpu_svn[0] = 2, "OutOfDate");
	CHECK_STR_EQ(claims.advisories.id[0], "INTEL-SA-00837");
	STATUS(o->td.tee_tcb_svn[0] = 3, "OutOfDate");
	CHECK(claims.advisories.n == 1 &&
	      claims.module_status == TDX_OUT_OF_DATE);
	CHECK_STR_EQ(claims.advisories.id[0], "INTEL-SA-01036");
	STATUS(o->qe.isv_svn = 5, "OutOfDate");
	CHECK_STR_EQ(claims.advisories.id[0], "INTEL-SA-00477");
	STATUS(o->level[0].status = "SWHardeningNeeded", "SWHardeningNeeded");
	STATUS(
		{
			o->level[0].status = "ConfigurationNeeded";
			o->qe.isv_svn = 5;
		},
		"OutOfDateConfigurationNeeded");
	STATUS(
		{
			o->level[0].status =
				"ConfigurationAndSWHardeningNeeded";
			o->td.tee_tcb_svn[0] = 4;
		},
		"OutOfDateConfigurationNeeded");
	STATUS(o->module[0].status = "Revoked", "Revoked");
	STATUS(o->qe_level[0].status = "Revoked", "Revoked");
	STATUS(o->level[0].status = "Revoked", "Revoked");
}

TEST(levels_are_tried_newest_first_however_they_are_served)
{
	STATUS(
		{
			struct tdx_forge_level l = o->level[0];
			o->level[0] = o->level[1];
			o->level[1] = l;
			struct tdx_forge_isv m = o->module[0];
			o->module[0] = o->module[1];
			o->module[1] = m;
		},
		"UpToDate");
}

/* The first two components are the module's and have levels of their own,
 * but of version 0. */
TEST(components_of_the_module_count_only_in_version_0)
{
	STATUS(o->td.tee_tcb_svn[0] = 8, "UpToDate");
	REFUSED(o->td.tee_tcb_svn[1] = 0, E_CRYPTO, "tdx.level");
	STATUS(
		{
			o->td.tee_tcb_svn[1] = 0;
			o->td.tee_tcb_svn[0] = 9;
		},
		"UpToDate");
}

static void relaunch(struct tdx_forge_options *o)
{
	const uint8_t now[] = { 5, 1, 3 };

	o->version = 5;
	o->body = TDX_BODY_15;
	o->td.tee_tcb_svn[0] = 3;
	memcpy(o->td.tee_tcb_svn2, now, sizeof(now));
}

TEST(a_relaunch_is_advised_where_only_the_launching_module_is_old)
{
	STATUS(relaunch(o), "TDRelaunchAdvised");
	STATUS(
		{
			relaunch(o);
			o->level[0].status = "ConfigurationNeeded";
		},
		"TDRelaunchAdvisedConfigurationNeeded");
	STATUS(
		{
			relaunch(o);
			o->td.tee_tcb_svn2[0] = 4;
		},
		"OutOfDate");
	STATUS(
		{
			relaunch(o);
			o->td.tee_tcb_svn2[2] = 2;
		},
		"OutOfDate");
	STATUS(
		{
			relaunch(o);
			o->qe.isv_svn = 5;
		},
		"OutOfDate");
	STATUS(
		{
			relaunch(o);
			o->pck.cpu_svn[0] = 2;
		},
		"OutOfDate");
	STATUS(
		{
			relaunch(o);
			o->body = TDX_BODY_10;
		},
		"OutOfDate");
	REFUSED(
		{
			relaunch(o);
			o->td.tee_tcb_svn2[1] = 2;
		},
		E_CRYPTO, "tdx.status");
	STATUS(
		{
			relaunch(o);
			o->td.tee_tcb_svn2[1] = 0;
			o->td.tee_tcb_svn2[0] = 9;
		},
		"TDRelaunchAdvised");
}
