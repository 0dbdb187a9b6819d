/* confd verify fetch-collateral: which of the makers' services would be asked
 * for what is missing beside this evidence. */
#include <stdarg.h>

#include "attest/tee/gpu_chain.h"
#include "attest/tee/snp_report.h"
#include "attest/tee/tdx_pck.h"
#include "attest/tee/tdx_quote.h"
#include "cmd/fetch.h"
#include "cmd/verify.h"
#include "cmd/verify_input.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/io/http_head.h"
#include "core/json.h"
#include "core/ocsp.h"
#include "core/text.h"

#define KDS "https://kdsintf.amd.com"
#define PCS "https://api.trustedservices.intel.com"
#define PCS_ROOT "https://certificates.trustedservices.intel.com"
#define RIMS "https://rim.attestation.nvidia.com/v1/rim/"
#define OCSP "https://ocsp.ndis.nvidia.com/"
#define URLS_MAX 24
#define URL_SIZE 512

/* A thing that a maker's service gives, and where it goes. */
struct thing {
	const char *what;
	const char *for_; /* option or name under which verify takes it */
	const char *file; /* that it is saved as; NULL: it is not asked for */

	/* A header of the answer that comes with it, and its file. */
	const char *header, *header_file;
	enum { AS_IT_IS, RIM_IN_JSON } form;
};

/* clang-format off */
#define THING(w, f, ...) { .what = w, .for_ = f, __VA_ARGS__ }
static const struct thing
snp_vcek = THING("VCEK certificate", "--vcek", .file = "vcek.der"),
snp_ask = THING("ASK and ARK", "--chain", .file = "cert_chain.pem"),
snp_asvk = THING("ASVK and ARK", "--chain", .file = "cert_chain.pem"),
snp_crl = THING("revocation list", "--crl", .file = "crl.der"),
tdx_tcb = THING("TCB info; its chain is in TCB-Info-Issuer-Chain",
	"tcb_info.json, tcb_info_issuer_chain.pem",
	.file = "tcb_info.json",
	.header = "TCB-Info-Issuer-Chain",
	.header_file = "tcb_info_issuer_chain.pem"),
tdx_qe = THING("QE identity; its chain is in SGX-Enclave-Identity-Issuer-Chain",
	"qe_identity.json, qe_identity_issuer_chain.pem",
	.file = "qe_identity.json",
	.header = "SGX-Enclave-Identity-Issuer-Chain",
	.header_file = "qe_identity_issuer_chain.pem"),
tdx_pck_crl = THING("revocation list of PCK certificates", "pck_crl.der",
	.file = "pck_crl.der",
	.header = "SGX-PCK-CRL-Issuer-Chain",
	.header_file = "pck_crl_issuer_chain.pem"),
tdx_root_crl = THING("revocation list of the root", "root_ca_crl.der",
	.file = "root_ca_crl.der"),
gpu_driver = THING("driver's reference values", "--rim",
	.file = "driver_rim.xml", .form = RIM_IN_JSON),
gpu_driver_blackwell = THING("driver's reference values, of a Blackwell GPU "
	"(its CHIP stands in --chain)", "--rim", .file = NULL),
gpu_vbios = THING("VBIOS's reference values", "--rim",
	.file = "vbios_rim.xml", .form = RIM_IN_JSON),
gpu_ocsp = THING("OCSP response about each certificate but the leaf and the "
	"roots", "--ocsp", .file = "ocsp");
/* clang-format on */

/* One request. */
struct url {
	const struct thing *thing;
	const char *product; /* not NULL: if the report is of this one */
	char address[URL_SIZE];
	bool saved;
	struct err failed; /* if it was tried, and not saved */
};

struct urls {
	const char *tee;
	struct gpu_chain chain; /* of "gpu" */
	size_t n;
	struct url url[URLS_MAX];
};

static void urls_free(struct urls **u)
{
	gpu_chain_done(&(*u)->chain);
	mem_free(*u);
}

__attribute__((format(printf, 4, 5))) static void add(struct urls *u,
						      const struct thing *t,
						      const char *product,
						      const char *fmt, ...)
{
	va_list ap;

	if (u->n == URLS_MAX)
		return;
	struct url *to = &u->url[u->n++];
	*to = (struct url){ .thing = t, .product = product };
	va_start(ap, fmt);
	(void)vsnprintf(to->address, sizeof(to->address), fmt, ap);
	va_end(ap);
}

static bool is_post(const struct url *u)
{
	return u->thing == &gpu_ocsp;
}

/* ---- AMD 57230, VCEK Certificate and KDS Interface ---- */

static void add_vcek(struct urls *u, const struct snp_report *r,
		     enum snp_product p, const char *guess, struct err *err)
{
	size_t id_len = p == SNP_TURIN ? 8 : sizeof(r->chip_id);
	char chip[2 * sizeof(r->chip_id) + 1];
	char fmc[16] = "";
	struct snp_tcb tcb;

	if (snp_report_tcb(r->reported_tcb, p, &tcb, err) != OK)
		return;
	if (p == SNP_TURIN)
		(void)snprintf(fmc, sizeof(fmc), "fmcSPL=%02u&", tcb.fmc);
	text_hex_into(chip, sizeof(chip), slice_make(r->chip_id, id_len));
	if (all_zero(r->chip_id, sizeof(r->chip_id)))
		(void)snprintf(chip, sizeof(chip), "CHIP-ID-IS-MASKED");
	add(u, &snp_vcek, guess,
	    KDS "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&"
		"ucodeSPL=%02u",
	    snp_report_product_name(p), chip, fmc, tcb.bootloader, tcb.tee,
	    tcb.snp, tcb.microcode);
}

/* guess: NULL, or the product if that is not known. */
static void add_snp(struct urls *u, const struct snp_report *r,
		    enum snp_product p, const char *guess, struct err *err)
{
	bool vlek = snp_report_signing_key(r) == SNP_KEY_VLEK;
	const char *key = vlek ? "vlek" : "vcek";
	const char *name = snp_report_product_name(p);

	/* A VLEK's certificate is given out by the provider alone. */
	if (!vlek)
		add_vcek(u, r, p, guess, err);
	add(u, vlek ? &snp_asvk : &snp_ask, guess, KDS "/%s/v1/%s/cert_chain",
	    key, name);
	add(u, &snp_crl, guess, KDS "/%s/v1/%s/crl", key, name);
}

static enum status look_snp(struct slice in, struct urls *u, struct err *err)
{
	struct snp_report r;
	enum snp_product p;

	TRY(snp_report_parse(in, &r, err));
	u->tee = "snp";
	if (snp_report_product(&r, &p)) {
		add_snp(u, &r, p, NULL, err);
		return OK;
	}
	/* Version 2 does not name its product: it is one of these. */
	add_snp(u, &r, SNP_MILAN, snp_report_product_name(SNP_MILAN), err);
	add_snp(u, &r, SNP_GENOA, snp_report_product_name(SNP_GENOA), err);
	return OK;
}

/* ---- Intel PCS API v4 ---- */

struct pck_chain {
	struct x509 *cert[3];
	size_t n;
};

static void pck_chain_done(struct pck_chain *c)
{
	for (size_t i = 0; i < c->n; i++)
		x509_free(c->cert[i]);
}

static enum status look_tdx(struct slice in, struct urls *u, struct err *err)
{
	__attribute__((cleanup(pck_chain_done))) struct pck_chain c = { 0 };
	struct tdx_quote q;
	struct tdx_pck pck;
	struct slice extension;
	char fmspc[2 * sizeof(pck.fmspc) + 1];

	TRY(tdx_quote_parse(in, &q, err));
	u->tee = "tdx";
	TRY(x509_parse_chain(q.pem, c.cert, countof(c.cert), &c.n, err));
	TRY(x509_extension(c.cert[0], TDX_PCK_EXTENSION, &extension, err));
	TRY(tdx_pck_parse(extension, &pck, err));
	text_hex_into(fmspc, sizeof(fmspc), slice_of(pck.fmspc));
	bool processor = c.n > 1 && slice_eq_str(x509_common_name(c.cert[1]),
						 "Intel SGX PCK Processor CA");
	add(u, &tdx_tcb, NULL, PCS "/tdx/certification/v4/tcb?fmspc=%s", fmspc);
	add(u, &tdx_qe, NULL, PCS "/tdx/certification/v4/qe/identity");
	add(u, &tdx_pck_crl, NULL,
	    PCS "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
	    processor ? "processor" : "platform");
	add(u, &tdx_root_crl, NULL, PCS_ROOT "/IntelSGXRootCA.der");
	return OK;
}

/* ---- NVIDIA ---- */

static void upper(char *s)
{
	for (; *s != '\0'; s++)
		if (*s >= 'a' && *s <= 'z')
			*s = (char)(*s - 'a' + 'A');
}

/* The chip stands in the certificates alone; without them both names that a
 * driver's reference values may have are shown. */
static void add_driver(struct urls *u, const struct gpu_report *r,
		       const struct gpu_identity *id)
{
	if (r->driver[0] == '\0')
		return;
	if (id == NULL || id->arch == GPU_ARCH_HOPPER)
		add(u, &gpu_driver, NULL, RIMS "NV_GPU_DRIVER_GH100_%s",
		    r->driver);
	if (id == NULL)
		add(u, &gpu_driver_blackwell, NULL,
		    RIMS "NV_GPU_CC_DRIVER_CHIP_%s", r->driver);
	else if (id->arch == GPU_ARCH_BLACKWELL)
		add(u, &gpu_driver, NULL, RIMS "NV_GPU_CC_DRIVER_%s_%s",
		    id->chip, r->driver);
}

static enum status look_gpu(struct slice in, struct slice pem, struct urls *u,
			    struct err *err)
{
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	struct gpu_identity id;
	char vbios[URL_SIZE / 2];

	TRY(gpu_report_parse(in, r, err));
	u->tee = "gpu";
	if (pem.len > 0) {
		TRY(gpu_chain_parse(pem, &u->chain, err));
		TRY(gpu_chain_identify(&u->chain, &id, err));
	}
	add_driver(u, r, u->chain.n > 0 ? &id : NULL);
	gpu_report_vbios_id(r, vbios, sizeof(vbios));
	upper(vbios);
	add(u, &gpu_vbios, NULL, RIMS "%s", vbios);
	add(u, &gpu_ocsp, NULL, OCSP);
	return OK;
}

/* ---- The verb ---- */

static enum status look(struct slice in, struct slice chain, struct urls *u,
			struct err *err)
{
	struct err why;

	if (in.len == SNP_REPORT_LEN)
		return look_snp(in, u, err);
	if (look_tdx(in, u, &why) == OK)
		return OK;
	if (u->tee == NULL && look_gpu(in, chain, u, &why) == OK)
		return OK;
	if (u->tee != NULL)
		return err_set(err, E_PARSE, "%s evidence: %s", u->tee,
			       why.text);
	return err_set(err, E_PARSE,
		       "expected an SEV-SNP report, a TDX quote or the report "
		       "of an NVIDIA device, found %zu bytes of something else",
		       in.len);
}

/* ---- Fetching ---- */

static enum status save(const char *folder, const char *file, struct slice data,
			struct err *err)
{
	char path[4096];

	if ((size_t)snprintf(path, sizeof(path), "%s/%s", folder, file) >=
	    sizeof(path))
		return err_set(err, E_USAGE, "--out: too long a name");
	return file_write(path, data, 0644, err);
}

/* NVIDIA's service: {"id":…,"rim":base64,…}. */
static enum status unwrap_rim(struct buf *body, struct err *err)
{
	auto_json struct json *root = NULL;
	auto_buf struct buf rim = buf_make(FETCH_MAX);
	struct slice text;

	TRY(json_parse(buf_slice(body), &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_str(root, "rim", &text, err));
	TRY(text_unbase64(text, &rim, "rim", err));
	buf_clear(body);
	buf_put(body, buf_slice(&rim));
	return buf_check(body, "the reference values", err);
}

static enum status get(struct fetch *f, const char *folder, const struct url *u,
		       struct err *err)
{
	const struct thing *t = u->thing;
	const struct fetch_request r = { .url = u->address,
					 .header = t->header };
	auto_buf struct buf body = buf_make(FETCH_MAX);
	auto_buf struct buf header = buf_make(HTTP_MAX_HEAD);

	TRY(fetch_ask(f, &r, &body, &header, err));
	if (t->form == RIM_IN_JSON)
		TRY(unwrap_rim(&body, err));
	TRY(save(folder, t->file, buf_slice(&body), err));
	return t->header == NULL
		       ? OK
		       : save(folder, t->header_file, buf_slice(&header), err);
}

/* One response for each certificate between the device's and the root. */
static enum status ask_responder(struct fetch *f, const char *folder,
				 const struct url *u, const struct gpu_chain *c,
				 struct err *err)
{
	char path[4096];

	if (c->n == 0)
		return err_set(err, E_USAGE,
			       "which certificates to ask about stands in "
			       "--chain");
	(void)snprintf(path, sizeof(path), "%s/%s", folder, u->thing->file);
	TRY(file_make_dir(path, 0755, err));
	for (size_t i = 1; i + 1 < c->n; i++) {
		auto_buf struct buf request = buf_make(512);
		auto_buf struct buf body = buf_make(FETCH_MAX);
		char file[32];

		TRY(ocsp_request(c->cert[i], c->cert[i + 1], &request, err));
		const struct fetch_request r = {
			.url = u->address,
			.content_type = "application/ocsp-request",
			.body = buf_slice(&request),
		};
		TRY(fetch_ask(f, &r, &body, NULL, err));
		(void)snprintf(file, sizeof(file), "%s/%zu.der", u->thing->file,
			       i);
		TRY(save(folder, file, buf_slice(&body), err));
	}
	return OK;
}

/* The product is the one for which there is a VCEK.  A VLEK, which is not
 * asked for, does not tell. */
static bool is_ruled_out(const struct urls *u, size_t i)
{
	const char *product = u->url[i].product;

	if (product != NULL && u->url[0].thing != &snp_vcek)
		return true;
	for (size_t k = 0; product != NULL && k < i; k++)
		if (u->url[k].product != NULL &&
		    (u->url[k].product == product) != u->url[k].saved)
			return true;
	return false;
}

/* Where several products were thought of, one of them was it. */
static enum status check_guess(const struct urls *u, struct err *err)
{
	bool guessed = false, saved = false;

	for (size_t i = 0; i < u->n; i++) {
		guessed |= u->url[i].product != NULL;
		saved |= u->url[i].saved;
	}
	if (!guessed || saved)
		return OK;
	return err_set(err, E_UNAVAIL,
		       "the report does not name its product, and no VCEK was "
		       "found for those that it may be of: %s",
		       u->url[0].failed.code == OK ? "it is signed by a VLEK"
						   : u->url[0].failed.text);
}

static enum status fetch_all(const struct verify_opts *o, struct urls *u,
			     struct err *err)
{
	auto_fetch struct fetch f = { 0 };
	const struct url *failed = NULL;

	TRY(fetch_open(o->ca, o->mirror, &f, err));
	TRY(file_make_dir(o->out, 0755, err));
	for (size_t i = 0; i < u->n; i++) {
		struct url *to = &u->url[i];

		if (to->thing->file == NULL || is_ruled_out(u, i))
			continue;
		enum status st = is_post(to)
					 ? ask_responder(&f, o->out, to,
							 &u->chain, &to->failed)
					 : get(&f, o->out, to, &to->failed);
		to->saved = st == OK;
		if (st != OK && failed == NULL &&
		    (to->product == NULL || to->thing != &snp_vcek))
			failed = to;
	}
	if (failed == NULL)
		return check_guess(u, err);
	return err_set(err, E_UNAVAIL, "%s: %s", failed->address,
		       failed->failed.text);
}

static void print_json(const struct urls *u)
{
	auto_buf struct buf text = buf_make(64u << 10);
	struct json_out w = { .buf = &text };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "tee", u->tee);
	json_open_array(&w, "urls");
	for (size_t i = 0; i < u->n; i++) {
		json_open_object(&w, NULL);
		const struct url *at = &u->url[i];

		json_put_cstr(&w, "what", at->thing->what);
		json_put_cstr(&w, "method", is_post(at) ? "POST" : "GET");
		json_put_cstr(&w, "url", at->address);
		json_put_cstr(&w, "file", at->thing->for_);
		if (at->saved)
			json_put_cstr(&w, "saved", at->thing->file);
		if (at->failed.code != OK)
			json_put_cstr(&w, "failed", at->failed.text);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

static void print_lines(const struct urls *u)
{
	for (size_t i = 0; i < u->n; i++) {
		const struct url *at = &u->url[i];

		printf("%s: for %s\n  %s %s\n", at->thing->what,
		       at->thing->for_, is_post(at) ? "POST" : "GET",
		       at->address);
		if (at->saved)
			printf("  saved: %s\n", at->thing->file);
		if (at->failed.code != OK)
			printf("  failed: %s\n", at->failed.text);
	}
}

enum status verify_fetch_run(void *opts, const struct opt_args *args,
			     struct err *err)
{
	const struct verify_opts *o = opts;
	auto_buf struct buf in = { 0 };
	auto_buf struct buf chain = { 0 };
	__attribute__((cleanup(urls_free))) struct urls *u =
		mem_must(sizeof(*u));

	if (o->online != (o->out != NULL))
		return err_set(err, E_USAGE,
			       "--online and --out go together: one is "
			       "missing");
	TRY(verify_input_read(args->operands[0], VERIFY_BYTES, &in, err));
	TRY(verify_input_read(o->chain, VERIFY_CERTS, &chain, err));
	TRY(look(buf_slice(&in), buf_slice(&chain), u, err));
	enum status st = o->online ? fetch_all(o, u, err) : OK;
	if (o->json)
		print_json(u);
	else
		print_lines(u);
	return st;
}
