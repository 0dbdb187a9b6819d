#include "test/attest/hw_world.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "core/pem.h"
#include "core/text.h"
#include "test/test.h"

/* Making a world cannot fail unless the code is broken: then stop. */
static void must(enum status status, const struct err *err)
{
	if (status == OK)
		return;
	(void)fprintf(stderr, "world: %s\n", err->text);
	abort();
}

/* ---- Evidence ---- */

static void add(struct evidence_texts *to, const char *name, struct slice text)
{
	struct err err;

	must(evidence_add_text(to, slice_str(name), text, &err), &err);
}

static void add_pem(struct evidence_texts *to, const char *name,
		    const char *label, const struct buf *der)
{
	auto_buf struct buf pem = buf_make(EVIDENCE_TEXT_MAX);

	if (der->len == 0)
		return;
	pem_put(&pem, label, buf_slice(der));
	add(to, name, buf_slice(&pem));
}

static void issue_snp(struct hw_world *w, const uint8_t data[64],
		      struct evidence *e)
{
	struct snp_forged *made = &w->snp_made;

	snp_forged_done(made);
	memcpy(w->snp.report.report_data, data, 64);
	snp_forge_make(&w->snp, made);
	buf_put(&e->report, slice_of(made->report));
	add_pem(&e->collateral,
		w->snp.key.kind == SNP_KEY_VLEK ? "vlek" : "vcek",
		"CERTIFICATE", &made->leaf);
	add(&e->collateral, "chain", buf_slice(&made->chain));
	add_pem(&e->collateral, "crl", "X509 CRL", &made->crl);
	memcpy(w->roots[0], made->root[0], 32);
}

static void issue_tdx(struct hw_world *w, const uint8_t data[64],
		      struct evidence *e)
{
	struct tdx_forge *f = &w->tdx;

	memcpy(f->o.td.report_data, data, 64);
	tdx_forge_make(f);
	buf_put(&e->report, buf_slice(&f->quote));
	add(&e->collateral, "tcb_info", buf_slice(&f->tcb_info));
	add(&e->collateral, "tcb_info_chain", buf_slice(&f->tcb_info_chain));
	add(&e->collateral, "qe_identity", buf_slice(&f->qe_identity));
	add(&e->collateral, "qe_identity_chain", buf_slice(&f->tcb_info_chain));
	add_pem(&e->collateral, "root_ca_crl", "X509 CRL", &f->root_crl);
	add_pem(&e->collateral, "pck_crl", "X509 CRL", &f->pck_crl);
	add(&e->collateral, "pck_crl_chain", buf_slice(&f->pck_crl_chain));
	memcpy(w->roots[0], f->root[0], 32);
}

void hw_issue(struct hw_world *w, struct evidence *e)
{
	uint8_t data[STATEMENT_REPORT_DATA_LEN];
	struct err err;

	statement_report_data(buf_slice(&e->statement), data);
	must(evidence_set_tee(e, w->is_tdx ? "tdx" : "snp", &err), &err);
	if (w->is_tdx)
		issue_tdx(w, data, e);
	else
		issue_snp(w, data, e);
}

/* Every certificate of the device whose revocation counts is good. */
static void add_ocsp(const struct hw_world *w, const struct gpu_forge_device *d,
		     struct evidence_gpu *g)
{
	const struct gpu_forge *f = &w->vendor;
	const struct {
		const struct pki_cert *cert, *issuer;
	} pairs[] = {
		{ &d->device, &f->provisioner },
		{ &f->provisioner, &f->identity },
		{ &f->identity, &f->root },
		{ &f->rim_signer, &f->rim_l3 },
		{ &f->rim_l3, &f->rim_ca },
		{ &f->rim_ca, &f->rim_root },
	};
	const struct pki_ocsp good = pki_ocsp_good();

	g->ocsp = mem_must(countof(pairs) * sizeof(*g->ocsp));
	for (size_t i = 0; i < countof(pairs); i++) {
		g->ocsp[i] = buf_make(EVIDENCE_OCSP_LEN_MAX);
		pki_ocsp(&good, pairs[i].cert, pairs[i].issuer, &g->ocsp[i]);
		g->n_ocsp++;
	}
}

static void issue_gpu(struct hw_world *w, struct evidence *e, size_t i)
{
	const struct gpu_forge_device *d = &w->device[i];
	struct gpu_forge_report r = gpu_forge_plain(d);
	struct evidence_gpu *g = &e->gpu[i];

	gpu_verify_nonce(buf_slice(&e->report), r.nonce);
	g->arch = mem_strdup("hopper", 6);
	g->report = buf_make(EVIDENCE_REPORT_MAX);
	g->chain = buf_make(EVIDENCE_TEXT_MAX);
	gpu_forge_report(d, &r, &g->report);
	buf_put(&g->chain, buf_slice(&d->chain));
	add(&g->rims, "driver", buf_slice(&w->vendor.driver_rim));
	add(&g->rims, "vbios", buf_slice(&w->vendor.vbios_rim));
	if (w->ocsp)
		add_ocsp(w, d, g);
}

void hw_rewrite(struct hw_world *w)
{
	struct err err;

	buf_clear(&w->bundle);
	must(evidence_write(&w->evidence, &w->bundle, &err), &err);
	w->vc.bundle = buf_slice(&w->bundle);
}

void hw_attest(struct hw_world *w)
{
	struct evidence *e = &w->evidence;
	struct err err;

	evidence_done(e);
	must(statement_write(&w->statement, &e->statement, &err), &err);
	hw_issue(w, e);
	if (w->n_gpus > 0)
		e->gpu = mem_must(w->n_gpus * sizeof(*e->gpu));
	for (size_t i = 0; i < w->n_gpus; i++, e->n_gpus++)
		issue_gpu(w, e, i);
	hw_rewrite(w);
}

/* ---- The policy ---- */

static void put_hex(struct buf *out, const char *before, struct slice bytes,
		    const char *after)
{
	buf_put_str(out, before);
	text_hex(out, bytes);
	buf_put_str(out, after);
}

static void snp_members(const struct hw_world *w, struct buf *out)
{
	put_hex(out, "\"measurements\":[\"",
		slice_of(w->snp.report.measurement), "\"],");
	buf_putf(out,
		 "\"products\":[\"%s\"],\"min_tcb\":{\"bootloader\":9,"
		 "\"tee\":1,\"snp\":23,\"microcode\":130},"
		 "\"guest_policy\":{\"smt\":true}",
		 snp_report_product_name(w->snp.product));
	if (w->snp.key.kind == SNP_KEY_VLEK)
		buf_putf(out, ",\"csp_ids\":[\"%s\"]", w->snp.key.csp_id);
}

static void tdx_members(const struct hw_world *w, struct buf *out)
{
	const struct tdx_td *td = &w->tdx.o.td;

	put_hex(out, "\"mrtd\":[\"", slice_of(td->mrtd), "\"],\"rtmrs\":{");
	for (size_t i = 0; i < countof(td->rtmr); i++) {
		buf_putf(out, "%s\"%zu\":[\"", i == 0 ? "" : ",", i);
		put_hex(out, "", slice_of(td->rtmr[i]), "\"]");
	}
	buf_put_str(out, "},\"tcb_status\":[\"UpToDate\"]");
}

void hw_members(const struct hw_world *w, struct buf *out)
{
	buf_putf(out, "{\"tee\":\"%s\",", w->is_tdx ? "tdx" : "snp");
	if (w->is_tdx)
		tdx_members(w, out);
	else
		snp_members(w, out);
}

/* Take a member that more has, too, out of the good ones: up to the next that
 * begins at the same depth. */
static void drop_members(struct buf *good, const char *more)
{
	const char *end = strchr(more, ':');
	char name[64];

	if (more[0] == '\0' || end == NULL)
		return;
	(void)snprintf(name, sizeof(name), ",%.*s:", (int)(end - more - 1),
		       more + 1);
	struct slice text = buf_slice(good);
	size_t at = slice_search(text, slice_str(name)), to = at + 1;
	int depth = 0;
	if (at == text.len)
		return;
	for (; to < text.len && (depth > 0 || text.p[to] != ','); to++)
		depth += (text.p[to] == '{' || text.p[to] == '[') -
			 (text.p[to] == '}' || text.p[to] == ']');
	auto_buf struct buf rest = buf_make(MANIFEST_MAX);
	buf_put(&rest, slice_from(text, to));
	buf_cut(good, at);
	buf_put(good, buf_slice(&rest));
}

static void put_gpus(const struct hw_world *w, struct buf *out)
{
	if (w->n_gpus > 0)
		buf_putf(out,
			 ",\"gpus\":{\"arch\":[\"hopper\"],\"count\":%zu,"
			 "\"drivers\":[\"" GPU_FORGE_DRIVER
			 "\"],\"vbios\":[\"" GPU_FORGE_VBIOS "\"]}",
			 w->n_gpus);
}

void hw_policy(struct hw_world *w, const char *more)
{
	auto_buf struct buf good = buf_make(MANIFEST_MAX);
	struct err err;

	hw_members(w, &good);
	put_gpus(w, &good);
	drop_members(&good, more);
	buf_clear(&w->manifest_text);
	buf_put_str(&w->manifest_text,
		    "{\"version\":1,\"name\":\"test\",\"generation\":1,"
		    "\"policies\":{\"p\":");
	buf_put(&w->manifest_text, buf_slice(&good));
	buf_putf(&w->manifest_text,
		 "%s}},\"attestation_service\":{\"policies\":[\"p\"]},"
		 "\"workers\":{\"llama\":{\"policies\":[\"p\"],"
		 "\"adapters\":[\"openai\"]}}}",
		 more);
	manifest_free(w->manifest);
	w->manifest = NULL;
	must(manifest_parse(buf_slice(&w->manifest_text), "test", &w->manifest,
			    &err),
	     &err);
	w->vc.by = w->manifest;
	w->vc.policies = &w->manifest->as_policies;
}

/* ---- The world ---- */

/* What the verifier expects is what the statement says. */
static void expect_all(struct hw_world *w)
{
	const struct statement *s = &w->statement;

	w->vc.purpose = s->purpose;
	w->vc.nonce = expect_bytes(s->nonce);
	w->vc.exporter = expect_bytes(s->exporter);
	w->vc.spki = expect_bytes(s->spki);
	w->vc.keys = expect_bytes(s->keys);
	w->vc.manifest = expect_bytes(s->manifest);
	w->vc.now = HW_NOW;
}

static void init(struct hw_world *w)
{
	*w = (struct hw_world){ .manifest_text = buf_make(MANIFEST_MAX),
				.bundle = buf_make(EVIDENCE_MAX) };
	evidence_init(&w->evidence);
	trace_init(&w->trace);
	w->statement = (struct statement){ .purpose = PURPOSE_WORKER,
					   .has_exporter = true,
					   .has_manifest = true };
	memset(w->statement.nonce, 1, 32);
	memset(w->statement.exporter, 2, 32);
	memset(w->statement.spki, 3, 32);
	memset(w->statement.keys, 4, 32);
	memset(w->statement.manifest, 5, 32);
	expect_all(w);
	w->vc.trust_roots = (const uint8_t(*)[32])w->roots;
	w->vc.n_trust_roots = 1;
}

void hw_snp(struct hw_world *w, enum snp_product product, enum snp_key key,
	    uint32_t version)
{
	init(w);
	snp_forge_init(&w->snp, product, key, version);
	w->snp.crl = true;
	hw_policy(w, "");
	hw_attest(w);
}

void hw_tdx(struct hw_world *w)
{
	hw_tdx_at(w, HW_NOW);
}

void hw_tdx_at(struct hw_world *w, int64_t now)
{
	init(w);
	w->is_tdx = true;
	w->vc.now = now;
	tdx_forge_init(&w->tdx, now);
	hw_policy(w, "");
	hw_attest(w);
}

void hw_gpus(struct hw_world *w, size_t n)
{
	gpu_forge_make(GPU_FORGE_GH100, &w->vendor);
	w->has_vendor = true;
	for (w->n_gpus = 0; w->n_gpus < n; w->n_gpus++)
		gpu_forge_device(&w->vendor, (uint8_t)(w->n_gpus + 1),
				 &w->device[w->n_gpus]);
	w->ocsp = true;
	memcpy(w->roots[1], w->vendor.roots[0], 32);
	memcpy(w->roots[2], w->vendor.rim_roots[0], 32);
	w->vc.n_trust_roots = 3;
	hw_policy(w, "");
	hw_attest(w);
}

void hw_done(struct hw_world *w)
{
	snp_forged_done(&w->snp_made);
	if (w->is_tdx)
		tdx_forge_done(&w->tdx);
	for (size_t i = 0; i < w->n_gpus; i++)
		gpu_forge_device_done(&w->device[i]);
	if (w->has_vendor)
		gpu_forge_done(&w->vendor);
	evidence_done(&w->evidence);
	buf_done(&w->bundle);
	buf_done(&w->manifest_text);
	manifest_free(w->manifest);
	trace_done(&w->trace);
	verdict_free(w->verdict);
}

enum status hw_judge(struct hw_world *w)
{
	verdict_free(w->verdict);
	w->verdict = NULL;
	w->claims = (struct claims){ .vmpl = 77 };
	w->err = (struct err){ 0 };
	return verifier_judge(&w->vc, &w->trace, &w->claims, &w->verdict,
			      &w->err);
}

bool hw_refused(const struct hw_world *w, enum status code, const char *step)
{
	const struct trace_step *s = trace_first_failure(&w->trace);
	bool of_policy = strstr(step, "policy.") != NULL &&
			 strcmp(step, "tee.policy") != 0;

	return EXPECT(w->err.code == code) && EXPECT(s != NULL) &&
	       test_str_eq(__FILE__, __LINE__, "first failure", s->rule->step,
			   of_policy ? "policy" : step) &&
	       EXPECT(w->verdict == NULL) && EXPECT(w->claims.vmpl == 77) &&
	       EXPECT(strstr(w->err.text, step) != NULL);
}
