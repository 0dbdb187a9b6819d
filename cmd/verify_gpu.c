/* confd verify gpu: the report of one NVIDIA GPU or NVSwitch. */
#include "attest/tee/gpu_policy.h"
#include "cmd/verify_input.h"
#include "cmd/verify_session.h"
#include "core/cleanup.h"
#include "core/text.h"

/* ---- Claims ---- */

static const struct gpu_claims *of(const void *claims)
{
	return claims;
}

static void put_arch(const void *claims, struct buf *out)
{
	buf_put_str(out, gpu_arch_name(of(claims)->id.arch));
}

static void put_chip(const void *claims, struct buf *out)
{
	text_escape(out, slice_str(of(claims)->id.chip));
}

static void put_driver(const void *claims, struct buf *out)
{
	text_escape(out, slice_str(of(claims)->driver));
}

static void put_vbios(const void *claims, struct buf *out)
{
	text_escape(out, slice_str(of(claims)->vbios));
}

static void put_status(enum gpu_status s, struct buf *out)
{
	static const char *const names[] = {
		[GPU_STATUS_NONE] = "not told",
		[GPU_STATUS_OFF] = "off",
		[GPU_STATUS_ON] = "on",
	};

	buf_put_str(out, names[s]);
}

static void put_nvdec0(const void *claims, struct buf *out)
{
	put_status(of(claims)->nvdec0, out);
}

static void put_ppcie(const void *claims, struct buf *out)
{
	put_status(of(claims)->ppcie, out);
}

static void put_feature(const void *claims, struct buf *out)
{
	static const char *const names[] = {
		[GPU_FEATURE_SINGLE] = "single",
		[GPU_FEATURE_MULTI] = "multi",
		[GPU_FEATURE_PPCIE] = "protected pcie",
		[GPU_FEATURE_NONE] = "not told",
	};

	buf_put_str(out, names[of(claims)->feature]);
}

/* The worst of all certificates. */
static void put_revocation(const void *claims, struct buf *out)
{
	static const enum gpu_revocation worse[] = { GPU_REVOCATION_REVOKED,
						     GPU_REVOCATION_UNKNOWN,
						     GPU_REVOCATION_STALE,
						     GPU_REVOCATION_MISSING };
	const struct gpu_claims *c = of(claims);

	for (size_t k = 0; k < countof(worse); k++)
		for (size_t i = 0; i < c->n_certificates; i++)
			if (c->certificate[i].revocation == worse[k]) {
				buf_put_str(out, gpu_revocation_name(worse[k]));
				return;
			}
	buf_put_str(out, "good");
}

static void put_pdis(const uint8_t (*pdi)[GPU_PDI_LEN], size_t n,
		     struct buf *out)
{
	for (size_t i = 0; i < n; i++) {
		if (i > 0)
			buf_put_str(out, ",");
		text_hex(out, slice_make(pdi[i], GPU_PDI_LEN));
	}
}

static void put_switches(const void *claims, struct buf *out)
{
	put_pdis(of(claims)->pdi, of(claims)->n_pdis, out);
}

static void put_peers(const void *claims, struct buf *out)
{
	put_pdis(of(claims)->peer, of(claims)->n_peers, out);
}

static bool has_driver(const void *claims)
{
	return of(claims)->driver[0] != '\0';
}

static bool has_fwid(const void *claims)
{
	return of(claims)->has_fwid;
}

/* clang-format off */
#define IN(n, k, m) \
	{ CLAIM_ROW(n, k), CLAIM_AT(struct gpu_claims, m) }
#define SAID(n, f) { CLAIM_ROW(n, CLAIM_TEXT), .text = f }

static const struct verify_claim rows[] = {
	SAID("arch", put_arch),
	SAID("chip", put_chip),
	IN("switch", CLAIM_FLAG, id.is_switch),
	IN("device", CLAIM_BYTES, id.device),
	IN("leaf", CLAIM_BYTES, id.leaf),
	IN("pdi", CLAIM_BYTES, id.pdi),
	{ CLAIM_ROW("driver", CLAIM_TEXT), .text = put_driver,
	  .has = has_driver },
	SAID("vbios", put_vbios),
	{ CLAIM_ROW("fwid", CLAIM_BYTES),
	  CLAIM_AT(struct gpu_claims, fwid), .has = has_fwid },
	SAID("nvdec0", put_nvdec0),
	SAID("protected_pcie", put_ppcie),
	SAID("feature", put_feature),
	{ CLAIM_ROW("switches", CLAIM_LIST), .text = put_switches },
	{ CLAIM_ROW("peers", CLAIM_LIST), .text = put_peers },
	IN("nonce", CLAIM_BYTES, nonce),
	IN("measurements", CLAIM_UINT, n_measurements),
	IN("nvdec0_skipped", CLAIM_FLAG, nvdec0_skipped),
	{ CLAIM_ROW("revocation", CLAIM_TEXT), .text = put_revocation,
	  .open = "missing" },
	IN("root", CLAIM_BYTES, root),
	IN("rim_root", CLAIM_BYTES, rim_root),
	IN("root_pinned", CLAIM_FLAG, root_pinned),
	IN("report", CLAIM_BYTES, report),
	IN("valid_until", CLAIM_TIME, valid_until),
};
/* clang-format on */

const struct verify_claims verify_gpu_claims = { "gpu", rows, countof(rows) };

/* ---- Reference values ---- */

enum role { DRIVER, VBIOS, ROLES };

/* A VBIOS's version has four dots, "96.00.5E.00.01", a driver's one or two. */
static enum role role_by_form(const char *version)
{
	size_t dots = 0;

	for (; *version != '\0'; version++)
		dots += *version == '.';
	return dots == 4 ? VBIOS : DRIVER;
}

/* What a file is for; one that cannot be read is for what is still missing,
 * so that it is refused there.  *exact: of the version that is reported. */
static enum role role_of(struct slice xml, const struct gpu_report *r,
			 bool have_driver, bool *exact)
{
	auto_gpu_rim struct gpu_rim *rim = NULL;
	struct err err;

	*exact = false;
	if (gpu_rim_parse(xml, &rim, &err) != OK)
		return have_driver ? VBIOS : DRIVER;
	struct slice version = slice_str(rim->version);
	bool vbios = slice_eq_nocase(version, slice_str(r->vbios));
	*exact = vbios || slice_eq_nocase(version, slice_str(r->driver));
	return *exact ? (vbios ? VBIOS : DRIVER) : role_by_form(rim->version);
}

/* One that is missing although there is a file that is for nothing: then that
 * was meant, and is refused there. */
static void fill_gaps(const struct buf *rim, size_t n, bool is_switch,
		      struct slice out[ROLES])
{
	for (size_t i = 0; i < n; i++) {
		struct slice xml = buf_slice(&rim[i]);
		bool used = slice_eq(xml, out[VBIOS]) ||
			    (!is_switch && slice_eq(xml, out[DRIVER]));
		enum role role = out[VBIOS].len == 0 ? VBIOS : DRIVER;

		if (!used && out[role].len == 0)
			out[role] = xml;
	}
}

/* Of several for one role, that of the right version; or else the first. */
static void pick_rims(const struct buf *rim, size_t n,
		      const struct gpu_report *r, struct slice out[ROLES])
{
	bool have[ROLES] = { false };

	for (size_t i = 0; i < n; i++) {
		struct slice xml = buf_slice(&rim[i]);
		bool exact = false;
		enum role role = role_of(xml, r, out[DRIVER].len > 0, &exact);

		if (out[role].len > 0 && (have[role] || !exact))
			continue;
		out[role] = xml;
		have[role] = exact;
	}
	fill_gaps(rim, n, r->driver[0] == '\0', out);
}

/* ---- Policy ---- */

static bool has_gpus(const struct manifest_policy *p)
{
	return p->has_gpus;
}

static void say_unproven(struct verify *v, const struct gpu_claims *c,
			 bool unknown_tolerated)
{
	if (!c->root_pinned)
		verify_unproven(v, "any protection by hardware: a root is one "
				   "that was named here, not NVIDIA's");
	if (unknown_tolerated)
		verify_unproven(v, "that no certificate was revoked: that is "
				   "tolerated here");
	verify_unproven(v, "which machine the device is in, and that it is the "
			   "one that a program there uses: a CPU's evidence "
			   "with this device's (verify bundle) says that");
	verify_unproven(v, "how many devices there are: one was judged, by "
			   "itself");
}

static void judge(struct verify *v, const struct gpu_claims *c)
{
	const char *revocation =
		verify_claims_expected(&v->expects, "revocation");
	struct gpu_policy p;

	if (v->policy != NULL) {
		gpu_policy_from_manifest(&v->policy->gpus, &p);
		p.count = 0; /* one is judged, of however many */
	} else {
		gpu_policy_defaults(&p);
		p.ocsp_unknown = revocation != NULL &&
				 (strcmp(revocation, "missing") == 0 ||
				  strcmp(revocation, "stale") == 0 ||
				  strcmp(revocation, "unknown") == 0);
	}
	(void)gpu_policy_holds(&p, c, 1, &v->trace);
	say_unproven(v, c, p.ocsp_unknown);
}

/* ---- The verb ---- */

struct files {
	struct buf report, chain;
	struct buf rim[OPT_LIST_MAX], ocsp[OPT_LIST_MAX];
	struct slice response[OPT_LIST_MAX];
};

static void files_done(struct files *f)
{
	buf_done(&f->report);
	buf_done(&f->chain);
	for (size_t i = 0; i < OPT_LIST_MAX; i++) {
		buf_done(&f->rim[i]);
		buf_done(&f->ocsp[i]);
	}
}

static enum status read_files(const struct verify_opts *o, const char *report,
			      struct files *f, struct err *err)
{
	TRY(verify_input_read(report, VERIFY_BYTES, &f->report, err));
	TRY(verify_input_collateral(o->chain, VERIFY_CERTS, &f->chain, err));
	for (size_t i = 0; i < o->rim.n; i++)
		TRY(verify_input_collateral(o->rim.v[i], VERIFY_CERTS,
					    &f->rim[i], err));
	for (size_t i = 0; i < o->ocsp.n; i++) {
		TRY(verify_input_collateral(o->ocsp.v[i], VERIFY_CERTS,
					    &f->ocsp[i], err));
		f->response[i] = buf_slice(&f->ocsp[i]);
	}
	return OK;
}

static enum status read_nonce(const struct verify_opts *o,
			      uint8_t out[static GPU_NONCE_LEN],
			      struct err *err)
{
	size_t len = 0;

	if (o->nonce == NULL)
		return OK;
	TRY(verify_input_hex("nonce", o->nonce, out, GPU_NONCE_LEN, &len, err));
	if (len == GPU_NONCE_LEN)
		return OK;
	return err_set(err, E_USAGE,
		       "--nonce: expected %d hex digits, found "
		       "%zu",
		       2 * GPU_NONCE_LEN, 2 * len);
}

/* Which reference values are for this report. */
static void choose_rims(const struct verify_opts *o, const struct files *f,
			struct gpu_case *c)
{
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	struct slice rim[ROLES] = { 0 };
	struct err err;

	if (gpu_report_parse(c->report, r, &err) != OK)
		memset(r, 0, sizeof(*r));
	pick_rims(f->rim, o->rim.n, r, rim);
	c->driver_rim = rim[DRIVER];
	c->vbios_rim = rim[VBIOS];
}

enum status verify_gpu_run(void *opts, const struct opt_args *args,
			   struct err *err)
{
	const struct verify_opts *o = opts;
	auto_verify struct verify v;
	__attribute__((cleanup(files_done))) struct files f = { 0 };
	auto_mem struct gpu_claims *claims = mem_must(sizeof(*claims));
	uint8_t nonce[GPU_NONCE_LEN] = { 0 };

	TRY(verify_begin(&v, o, &verify_gpu_claims, has_gpus, err));
	TRY(read_nonce(o, nonce, err));
	if (read_files(o, args->operands[0], &f, err) != OK)
		return verify_unread(o, verify_gpu_claims.tee, err);
	struct gpu_case c = {
		.report = buf_slice(&f.report),
		.chain = buf_slice(&f.chain),
		.ocsp = f.response,
		.n_ocsp = o->ocsp.n,
		.nonce = o->nonce == NULL ? NULL : nonce,
		.roots = (const uint8_t(*)[32])v.roots.spki,
		.n_roots = v.roots.n,
		.rim_roots = (const uint8_t(*)[32])v.roots.spki,
		.n_rim_roots = v.roots.n,
		.now = v.now,
	};
	choose_rims(o, &f, &c);
	bool genuine = gpu_verify(&c, &v.trace, claims, err) == OK;
	if (genuine)
		judge(&v, claims);
	return verify_conclude(&v, &verify_gpu_claims, genuine ? claims : NULL,
			       gpu_verify_mandatory, gpu_verify_n_mandatory,
			       err);
}
