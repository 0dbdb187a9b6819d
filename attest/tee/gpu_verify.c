#include "attest/tee/gpu_verify.h"

#include "attest/tee/gpu_verify_ocsp.h"
#include "attest/tee/gpu_verify_rim.h"
#include "core/cleanup.h"
#include "core/text.h"

#define SPDM "DMTF DSP0274 1.1 s10.11"
#define DICE "TCG DICE Attestation Architecture 1.1"
#define X509 "RFC 5280 s6.1"
#define NVIDIA "NVIDIA attestation, device identity"
#define DESIGN "confd-attest(7), GPUS"
#define FWID_DRIVER 560 /* Hopper drivers from here on report a FWID */

/* SHA-256 of the SubjectPublicKeyInfo of "NVIDIA Device Identity CA". */
static const uint8_t device_root[32] = {
	0xa9, 0x0c, 0x4e, 0xb5, 0xac, 0xfd, 0x3e, 0x3d, 0x03, 0xa2, 0x5d,
	0xb6, 0xa2, 0x6b, 0x84, 0xf7, 0x20, 0xad, 0x05, 0x03, 0x19, 0x6c,
	0x62, 0x7c, 0x21, 0xdd, 0xd4, 0x8d, 0xd8, 0x5b, 0x06, 0xa4,
};

/* clang-format off */
static const struct trace_rule
rule_form = { "gpu.report.form", E_PARSE,
	"the report is not an SPDM request and response that we know", SPDM },
rule_certificates = { "gpu.chain.form", E_PARSE,
	"the chain is not a device's five certificates", NVIDIA },
rule_root = { "gpu.chain.root", E_CRYPTO,
	"the chain does not end in NVIDIA's root for devices", NVIDIA },
rule_links = { "gpu.chain.signatures", E_CRYPTO,
	"a certificate of the chain is not signed by the next", X509 },
rule_names = { "gpu.chain.device", E_CRYPTO,
	"the chain is not one of a chip that we know", NVIDIA },
rule_validity = { "gpu.chain.validity", E_STALE,
	"a certificate of the chain is out of its time", X509 },
rule_signature = { "gpu.report.signature", E_CRYPTO,
	"the report is not signed by the device's key", SPDM },
rule_nonce = { "gpu.report.nonce", E_CRYPTO,
	"the report was not made for this request", DESIGN },
rule_fwid = { "gpu.report.fwid", E_CRYPTO,
	"the report's firmware is not that of the certificate", DICE },
rule_versions = { "gpu.report.versions", E_CRYPTO,
	"the report does not say what it must of the device", NVIDIA };

const char *const gpu_verify_mandatory[] = {
	"gpu.report.form", "gpu.chain.form", "gpu.chain.root",
	"gpu.chain.signatures", "gpu.chain.device", "gpu.chain.validity",
	"gpu.report.signature", "gpu.report.nonce", "gpu.report.fwid",
	"gpu.report.versions", "gpu.vbios_rim.form",
	"gpu.vbios_rim.signature", "gpu.vbios_rim.chain",
	"gpu.vbios_rim.validity", "gpu.vbios_rim.version",
	"gpu.measurements", "gpu.ocsp",
};
/* clang-format on */
const size_t gpu_verify_n_mandatory = countof(gpu_verify_mandatory);

void gpu_verify_nonce(struct slice cpu_report,
		      uint8_t out[static GPU_NONCE_LEN])
{
	const struct slice parts[] = { { (const uint8_t *)"confd-gpu-v1",
					 sizeof("confd-gpu-v1") },
				       cpu_report };

	hash_parts(HASH_SHA256, parts, countof(parts), out);
}

/* ---- The chain ---- */

static bool check_root(const struct gpu_case *c, const struct gpu_chain *chain,
		       struct trace *t, struct gpu_claims *found)
{
	uint8_t *root = found->root;

	x509_spki_sha256(chain->cert[GPU_CHAIN_ROOT], root);
	found->root_pinned = memcmp(root, device_root, 32) == 0;
	bool named = found->root_pinned;
	for (size_t i = 0; i < c->n_roots; i++)
		named |= memcmp(root, c->roots[i], 32) == 0;
	trace_expect_bytes(t, slice_of(device_root));
	if (c->n_roots > 0)
		trace_expect(t, " or %zu named for tests", c->n_roots);
	trace_find_bytes(t, slice_make(root, 32));
	return trace_step(t, &rule_root, named);
}

static bool check_links(const struct gpu_chain *chain, struct trace *t)
{
	struct err err;

	trace_expect(t, "each signed by the next, the root by itself");
	if (gpu_chain_check(chain, &err) != OK) {
		trace_step_err(t, &rule_links, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_links, true);
}

static bool check_device(const struct gpu_chain *chain, struct trace *t,
			 struct gpu_identity *id)
{
	struct err err;

	trace_expect(t, "firmware, device, plant and identity of one chip");
	if (gpu_chain_identify(chain, id, &err) != OK) {
		trace_step_err(t, &rule_names, &err);
		return false;
	}
	trace_find(t, "%s, %s, device ", id->chip, gpu_arch_name(id->arch));
	trace_find_bytes(t, slice_of(id->pdi));
	return trace_step(t, &rule_names, true);
}

/* The times of n certificates: a step, and the first end. */
void gpu_verify_times(struct x509 *const *cert, size_t n, int64_t now,
		      const struct trace_rule *rule, struct trace *t,
		      int64_t *valid_until)
{
	int64_t from = INT64_MIN, to = INT64_MAX;
	char text[3][TEXT_TIME_SIZE];

	for (size_t i = 0; i < n; i++) {
		int64_t not_before = x509_not_before(cert[i]);
		int64_t not_after = x509_not_after(cert[i]);

		from = not_before > from ? not_before : from;
		to = not_after < to ? not_after : to;
	}
	text_time(text[0], from);
	text_time(text[1], to);
	text_time(text[2], now);
	trace_expect(t, "a time from %s to %s", text[0], text[1]);
	trace_find(t, "%s", text[2]);
	(void)trace_step(t, rule, from <= now && now <= to);
	if (to < *valid_until)
		*valid_until = to;
}

/* ---- The report ---- */

static bool read_report(const struct gpu_case *c, struct trace *t,
			struct gpu_report *r)
{
	struct err err;

	trace_expect(t, "SPDM 1.1 measurements, signed, all of them");
	if (gpu_report_parse(c->report, r, &err) != OK) {
		trace_step_err(t, &rule_form, &err);
		return false;
	}
	trace_find(t, "%zu measurements", r->n_blocks);
	if (r->padding > 0)
		trace_find(t, ", %zu zero bytes behind the signature left out",
			   r->padding);
	return trace_step(t, &rule_form, true);
}

static bool read_chain(const struct gpu_case *c, struct trace *t,
		       struct gpu_chain *chain)
{
	struct err err;

	trace_expect(t, "%d certificates", GPU_CHAIN_LEN);
	if (gpu_chain_parse(c->chain, chain, &err) != OK) {
		trace_step_err(t, &rule_certificates, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_certificates, true);
}

/* By the leaf and no other, over request and response as received. */
static bool check_signature(const struct gpu_report *r,
			    const struct gpu_chain *chain, struct trace *t)
{
	auto_buf struct buf der = buf_make(GPU_SIGNATURE_LEN + 16);
	size_t half = GPU_SIGNATURE_LEN / 2;
	struct err err;

	trace_expect(t, "ECDSA P-384 with SHA-384 by the leaf's key");
	der_put_ecdsa(&der, slice_sub(r->signature, 0, half),
		      slice_from(r->signature, half));
	if (spki_verify(x509_spki(chain->cert[GPU_CHAIN_LEAF]), r->signed_part,
			buf_slice(&der), &err) != OK) {
		trace_step_err(t, &rule_signature, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_signature, true);
}

static void check_nonce(const struct gpu_case *c, const struct gpu_report *r,
			struct trace *t)
{
	if (c->nonce != NULL) {
		(void)trace_step_bytes(t, &rule_nonce,
				       slice_make(c->nonce, GPU_NONCE_LEN),
				       slice_of(r->nonce));
		return;
	}
	trace_expect(t, "the nonce that was sent");
	trace_find(t, "nobody says which that was; the report has ");
	trace_find_bytes(t, slice_of(r->nonce));
	trace_step_unchecked(t, &rule_nonce);
}

/* Whether reports of such a device have a FWID: to leave it out must not pass
 * for old firmware. */
static bool must_have_fwid(const struct gpu_report *r,
			   const struct gpu_identity *id)
{
	struct slice major = slice_str(r->driver);
	uint64_t n;

	major = slice_sub(major, 0, slice_find(major, '.'));
	if (id->is_switch)
		return false;
	return id->arch != GPU_ARCH_HOPPER || !slice_u64(major, &n) ||
	       n >= FWID_DRIVER;
}

static void check_fwid(const struct gpu_report *r,
		       const struct gpu_chain *chain,
		       const struct gpu_identity *id, struct trace *t)
{
	uint8_t fwid[GPU_VALUE_LEN];
	struct err err;

	if (gpu_chain_fwid(chain, fwid, &err) != OK) {
		trace_step_err(t, &rule_fwid, &err);
		return;
	}
	if (r->has_fwid) {
		(void)trace_step_bytes(t, &rule_fwid, slice_of(fwid),
				       slice_of(r->fwid));
		return;
	}
	trace_expect(t, "%s",
		     must_have_fwid(r, id) ? "a FWID" : "a FWID or none");
	trace_find(t, "none");
	(void)trace_step(t, &rule_fwid, !must_have_fwid(r, id));
}

/* Versions of all firmware, and of a switch that it is the one that the
 * certificates name. */
static void check_versions(const struct gpu_report *r,
			   const struct gpu_identity *id, struct trace *t)
{
	bool driver = r->driver[0] != '\0';
	bool same = r->n_pdis == 1 &&
		    memcmp(r->pdi[0], id->pdi, sizeof(id->pdi)) == 0;

	trace_expect(t, "%s",
		     id->is_switch ? "a VBIOS's version, the device's "
				     "identifier, no driver"
				   : "a driver's and a VBIOS's "
				     "version");
	trace_find(t, "driver %s, VBIOS %s%s", driver ? r->driver : "none",
		   r->vbios[0] == '\0' ? "none" : r->vbios,
		   id->is_switch && !same ? ", another identifier" : "");
	(void)trace_step(t, &rule_versions,
			 r->vbios[0] != '\0' && driver != id->is_switch &&
				 (!id->is_switch || same));
}

/* ---- All of it ---- */

static void fill_claims(const struct gpu_case *c, const struct gpu_report *r,
			struct gpu_claims *out)
{
	memcpy(out->driver, r->driver, sizeof(out->driver));
	memcpy(out->vbios, r->vbios, sizeof(out->vbios));
	out->has_fwid = r->has_fwid;
	memcpy(out->fwid, r->fwid, sizeof(out->fwid));
	out->nvdec0 = r->nvdec0;
	out->ppcie = r->ppcie;
	out->feature = r->feature;
	out->n_pdis = r->n_pdis;
	memcpy(out->pdi, r->pdi, sizeof(out->pdi));
	out->n_peers = r->n_peers;
	memcpy(out->peer, r->peer, sizeof(out->peer));
	memcpy(out->nonce, r->nonce, sizeof(out->nonce));
	sha256(r->signed_part, out->report);
	out->now = c->now;
}

/* The first step from `from` on that did not hold: as trace_error(), but of
 * this device alone. */
static enum status outcome(const struct trace *t, size_t from, struct err *err)
{
	const struct trace_step *failed = NULL, *unchecked = NULL;

	for (size_t i = from; i < t->n; i++) {
		const struct trace_step *s = &t->step[i];

		if (s->outcome == TRACE_FAILED && failed == NULL)
			failed = s;
		if (s->outcome == TRACE_NOT_CHECKED && unchecked == NULL)
			unchecked = s;
	}
	if (failed != NULL)
		return err_set(err, failed->rule->code,
			       "%s: %s: expected %s, found %s",
			       failed->rule->step, failed->rule->refusal,
			       failed->expected, failed->found);
	if (unchecked != NULL)
		return err_set(err, E_STALE, "%s: not checked: %s",
			       unchecked->rule->step, unchecked->found);
	if (t->bad)
		return err_set(err, E_LIMIT,
			       "the verification took more than %d steps",
			       TRACE_STEPS_MAX);
	return OK;
}

/* What rests on a report and a chain that could be read.  A signature that
 * fails ends it: the rest would be about nobody's words. */
static void check_all(const struct gpu_case *c, const struct gpu_report *r,
		      const struct gpu_chain *chain,
		      struct gpu_rim_cache *cache, struct trace *t,
		      struct gpu_claims *found)
{
	struct gpu_rims rims = { 0 };

	bool trusted = check_root(c, chain, t, found);
	trusted &= check_links(chain, t);
	trusted &= check_device(chain, t, &found->id);
	gpu_verify_times(chain->cert, chain->n, c->now, &rule_validity, t,
			 &found->valid_until);
	if (!check_signature(r, chain, t) || !trusted)
		return;
	check_nonce(c, r, t);
	check_fwid(r, chain, &found->id, t);
	check_versions(r, &found->id, t);
	gpu_verify_rims(c, r, cache, &rims, t, found);
	gpu_verify_ocsp(c, chain, &rims, t, found);
}

enum status gpu_verify(const struct gpu_case *c, struct trace *trace,
		       struct gpu_claims *out, struct err *err)
{
	size_t from = trace->n;
	auto_gpu_rim_cache struct gpu_rim_cache own = { 0 };
	auto_gpu_chain struct gpu_chain chain = { 0 };
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	auto_mem struct gpu_claims *found = mem_must(sizeof(*found));

	found->valid_until = INT64_MAX;
	if (read_report(c, trace, r) && read_chain(c, trace, &chain))
		check_all(c, r, &chain, c->cache == NULL ? &own : c->cache,
			  trace, found);
	TRY(outcome(trace, from, err));
	fill_claims(c, r, found);
	*out = *found;
	return OK;
}
