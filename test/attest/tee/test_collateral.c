#include "attest/tee/collateral.h"

#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/attest/hw_world.h"
#include "test/test.h"

static const char *path_of(const char *name)
{
	static char path[4200];

	(void)snprintf(path, sizeof(path), "%s/%s", test_dir(), name);
	return path;
}

static void put(const char *name, struct slice content)
{
	struct err err;

	EXPECT(file_write(path_of(name), content, 0644, &err) == OK);
}

static void gone(const char *name)
{
	EXPECT(unlink(path_of(name)) == 0);
}

/* The evidence of a machine before collateral: report, and GPUs without
 * reference values. */
static void bare(struct hw_world *w, struct evidence *e)
{
	struct err err;

	evidence_init(e);
	EXPECT(evidence_parse(buf_slice(&w->bundle), e, &err) == OK);
	for (size_t i = 0; i < e->collateral.n; i++) {
		mem_free(e->collateral.item[i].name);
		buf_done(&e->collateral.item[i].text);
	}
	e->collateral.n = 0;
	for (size_t g = 0; g < e->n_gpus; g++) {
		for (size_t i = 0; i < e->gpu[g].rims.n; i++) {
			mem_free(e->gpu[g].rims.item[i].name);
			buf_done(&e->gpu[g].rims.item[i].text);
		}
		e->gpu[g].rims.n = 0;
		for (size_t i = 0; i < e->gpu[g].n_ocsp; i++)
			buf_done(&e->gpu[g].ocsp[i]);
		mem_free(e->gpu[g].ocsp);
		e->gpu[g].ocsp = NULL;
		e->gpu[g].n_ocsp = 0;
	}
}

/* Whether the bundle with the folder's collateral is accepted. */
static enum status judge_with(struct hw_world *w)
{
	struct err err;

	evidence_done(&w->evidence);
	bare(w, &w->evidence);
	if (collateral_add(test_dir(), &w->evidence, &err) != OK) {
		printf("\t%s\n", err.text);
		return err.code;
	}
	hw_rewrite(w);
	return hw_judge(w);
}

/* Refused, with this file's name, and as the keeper's to mend. */
static bool blames(struct hw_world *w, const char *name)
{
	auto_evidence struct evidence e;
	struct err err = { 0 };

	bare(w, &e);
	return EXPECT(collateral_add(test_dir(), &e, &err) == E_CONF) &&
	       EXPECT(err.code == E_CONF) &&
	       EXPECT(strstr(err.text, name) != NULL);
}

static void put_snp(const struct hw_world *w)
{
	put("vcek.der", buf_slice(&w->snp_made.leaf));
	put("cert_chain.pem", buf_slice(&w->snp_made.chain));
	put("crl.der", buf_slice(&w->snp_made.crl));
}

static void put_tdx(const struct tdx_forge *f)
{
	put("tcb_info.json", buf_slice(&f->tcb_info));
	put("tcbSignChain.pem", buf_slice(&f->tcb_info_chain));
	put("identity", buf_slice(&f->qe_identity));
	put("IntelSGXRootCA.der", buf_slice(&f->root_crl));
	put("pck_crl.der", buf_slice(&f->pck_crl));
	put("SGX-PCK-CRL-Issuer-Chain", buf_slice(&f->pck_crl_chain));
}

TEST(gives_an_snp_machine_what_its_host_did_not)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	put_snp(&w);
	CHECK(judge_with(&w) == OK);
	CHECK_EQ_U64(w.evidence.collateral.n, 3);
}

TEST(gives_a_tdx_machine_intels_documents_by_any_of_their_names)
{
	auto_hw struct hw_world w;
	auto_buf struct buf hex = buf_make(65536);

	hw_tdx(&w);
	put_tdx(&w.tdx);
	CHECK(judge_with(&w) == OK);
	CHECK_EQ_U64(w.evidence.collateral.n, 7);
	/* As the service gives it where nobody asks for another form. */
	text_hex(&hex, buf_slice(&w.tdx.pck_crl));
	buf_put_str(&hex, "\n");
	gone("pck_crl.der");
	put("pckcrl", buf_slice(&hex));
	hw_attest(&w);
	CHECK(judge_with(&w) == OK);
}

TEST(gives_gpus_reference_values_and_responses)
{
	auto_hw struct hw_world w;

	hw_tdx(&w);
	hw_gpus(&w, 2);
	put_tdx(&w.tdx);
	put("driver_rim.xml", buf_slice(&w.vendor.driver_rim));
	put("vbios_rim.xml", buf_slice(&w.vendor.vbios_rim));
	CHECK(mkdir(path_of("ocsp"), 0755) == 0);
	for (size_t i = 0; i < w.evidence.gpu[0].n_ocsp; i++) {
		char name[64];

		(void)snprintf(name, sizeof(name), "ocsp/%zu", i);
		put(name, buf_slice(&w.evidence.gpu[0].ocsp[i]));
	}
	/* The second device's own certificate; the rest is shared. */
	put("ocsp/second.der", buf_slice(&w.evidence.gpu[1].ocsp[0]));
	put("ocsp/.half-written", S("not yet"));
	CHECK(judge_with(&w) == OK);
	CHECK_EQ_U64(w.evidence.gpu[0].n_ocsp, 7);
	CHECK_EQ_U64(w.evidence.gpu[1].rims.n, 2);
	put("ocsp/junk", S("junk"));
	CHECK(blames(&w, "ocsp/junk"));
	gone("ocsp/junk");
	put("driver_rim.xml", S("<x/>"));
	CHECK(blames(&w, "driver_rim.xml"));
}

TEST(of_two_keys_only_the_one_that_signed_is_given)
{
	auto_hw struct hw_world w;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	put_snp(&w);
	put("vlek.der", buf_slice(&w.snp_made.leaf));
	CHECK(judge_with(&w) == OK);
	CHECK(evidence_text(&w.evidence.collateral, "vlek").len == 0);
	/* The folder of the other kind alone has nothing for it. */
	gone("vcek.der");
	CHECK(judge_with(&w) != OK);
	CHECK(evidence_text(&w.evidence.collateral, "vlek").len == 0);
}

TEST(what_came_with_the_report_stays)
{
	auto_hw struct hw_world w;
	auto_evidence struct evidence e;
	struct err err;

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	put("crl.der", S("junk, that nobody reads"));
	put("vcek.pem", S("the same"));
	put("chain.pem", S("the same"));
	evidence_init(&e);
	CHECK(evidence_parse(buf_slice(&w.bundle), &e, &err) == OK);
	CHECK(collateral_add(test_dir(), &e, &err) == OK);
	CHECK_EQ_U64(e.collateral.n, 3);
}

TEST(an_empty_folder_and_other_files_give_nothing)
{
	auto_hw struct hw_world w;
	auto_evidence struct evidence e;
	struct err err = { 0 };

	hw_snp(&w, SNP_GENOA, SNP_KEY_VCEK, 3);
	bare(&w, &e);
	put("tcb_info.json", S("of another maker"));
	put("driver_rim.xml", S("there is no GPU"));
	CHECK(collateral_add(test_dir(), &e, &err) == OK);
	CHECK(e.collateral.n == 0 && err.code == OK);
}

TEST(names_a_file_that_is_malformed_too_large_or_there_twice)
{
	auto_buf struct buf large = buf_make(EVIDENCE_TEXT_MAX + 1);
	auto_hw struct hw_world w;

	hw_tdx(&w);
	while (large.len < large.max)
		buf_put_u8(&large, ' ');
	put_tdx(&w.tdx);
	put("tcb_info.json", buf_slice(&large));
	CHECK(blames(&w, "tcb_info.json"));
	put("tcb_info.json", S("[1]"));
	CHECK(blames(&w, "tcb_info.json"));
	put("tcb_info.json", S(""));
	CHECK(blames(&w, "tcb_info.json"));
	put("tcb_info.json", buf_slice(&w.tdx.tcb_info));
	put("tcb", buf_slice(&w.tdx.tcb_info));
	CHECK(blames(&w, "found both"));
	gone("tcb");
	put("pck_crl.der", S("00"));
	CHECK(blames(&w, "pck_crl.der"));
	put("pck_crl.der", buf_slice(&w.tdx.pck_crl));
	put("tcbSignChain.pem", S("-----BEGIN CERTIFICATE-----\n"));
	CHECK(blames(&w, "tcbSignChain.pem"));
	put("tcbSignChain.pem", S("%ff\xff"));
	CHECK(blames(&w, "tcbSignChain.pem"));
	gone("tcbSignChain.pem");
	CHECK(mkdir(path_of("tcbSignChain.pem"), 0755) == 0);
	CHECK(blames(&w, "tcbSignChain.pem"));
}

TEST(a_folder_that_is_none_is_told_at_once)
{
	struct err err;

	CHECK(collateral_check(test_dir(), &err) == OK);
	CHECK(collateral_check(path_of("absent"), &err) == E_CONF);
	CHECK(strstr(err.text, "absent") != NULL);
	put("file", S("x"));
	CHECK(collateral_check(path_of("file"), &err) == E_CONF);
}

TEST(finds_the_file_of_a_thing)
{
	char path[COLLATERAL_PATH_MAX];
	struct err err;

	put("qeIdentity.json", S("{}"));
	CHECK(collateral_find(test_dir(), "tdx", "qe_identity", path, &err) ==
	      OK);
	CHECK_STR_EQ(path, path_of("qeIdentity.json"));
	CHECK(collateral_find(test_dir(), "tdx", "tcb_info", path, &err) ==
	      E_NOTFOUND);
	CHECK(collateral_find(test_dir(), "tdx", "nothing", path, &err) ==
	      E_NOTFOUND);
	put("identity", S("{}"));
	CHECK(collateral_find(test_dir(), "tdx", "qe_identity", path, &err) ==
	      E_CONF);
}
