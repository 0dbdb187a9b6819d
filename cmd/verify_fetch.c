/* confd verify fetch-collateral: which of the makers' services would be asked
 * for what is missing beside this evidence. */
#include <stdarg.h>

#include "attest/tee/gpu_chain.h"
#include "attest/tee/snp_report.h"
#include "attest/tee/tdx_pck.h"
#include "attest/tee/tdx_quote.h"
#include "cmd/verify.h"
#include "cmd/verify_input.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

#define KDS "https://kdsintf.amd.com"
#define PCS "https://api.trustedservices.intel.com"
#define PCS_ROOT "https://certificates.trustedservices.intel.com"
#define RIMS "https://rim.attestation.nvidia.com/v1/rim/"
#define OCSP "https://ocsp.ndis.nvidia.com/"
#define URLS_MAX 16
#define URL_SIZE 512

/* One request; texts are literals but for the address. */
struct url {
	const char *what;   /* it gives */
	const char *method; /* "GET", "POST" */
	const char *file;   /* option or name under which verify takes it */
	char address[URL_SIZE];
};

struct urls {
	const char *tee;
	size_t n;
	struct url url[URLS_MAX];
};

__attribute__((format(printf, 4, 5))) static void add(struct urls *u,
						      const char *what,
						      const char *file,
						      const char *fmt, ...)
{
	va_list ap;

	if (u->n == URLS_MAX)
		return;
	struct url *to = &u->url[u->n++];
	*to = (struct url){ .what = what, .method = "GET", .file = file };
	va_start(ap, fmt);
	(void)vsnprintf(to->address, sizeof(to->address), fmt, ap);
	va_end(ap);
}

/* ---- AMD 57230, VCEK Certificate and KDS Interface ---- */

static void add_vcek(struct urls *u, const struct snp_report *r,
		     enum snp_product p, struct err *err)
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
	add(u, "VCEK certificate", "--vcek",
	    KDS "/vcek/v1/%s/%s?%sblSPL=%02u&teeSPL=%02u&snpSPL=%02u&"
		"ucodeSPL=%02u",
	    snp_report_product_name(p), chip, fmc, tcb.bootloader, tcb.tee,
	    tcb.snp, tcb.microcode);
}

static void add_snp(struct urls *u, const struct snp_report *r,
		    enum snp_product p, struct err *err)
{
	bool vlek = snp_report_signing_key(r) == SNP_KEY_VLEK;
	const char *key = vlek ? "vlek" : "vcek";
	const char *name = snp_report_product_name(p);

	/* A VLEK's certificate is given out by the provider alone. */
	if (!vlek)
		add_vcek(u, r, p, err);
	add(u, vlek ? "ASVK and ARK" : "ASK and ARK", "--chain",
	    KDS "/%s/v1/%s/cert_chain", key, name);
	add(u, "revocation list", "--crl", KDS "/%s/v1/%s/crl", key, name);
}

static enum status look_snp(struct slice in, struct urls *u, struct err *err)
{
	struct snp_report r;
	enum snp_product p;

	TRY(snp_report_parse(in, &r, err));
	u->tee = "snp";
	if (snp_report_product(&r, &p)) {
		add_snp(u, &r, p, err);
		return OK;
	}
	/* Version 2 does not name its product: it is one of these. */
	add_snp(u, &r, SNP_MILAN, err);
	add_snp(u, &r, SNP_GENOA, err);
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
	add(u, "TCB info; its chain is in TCB-Info-Issuer-Chain",
	    "tcb_info.json, tcb_info_issuer_chain.pem",
	    PCS "/tdx/certification/v4/tcb?fmspc=%s", fmspc);
	add(u, "QE identity; its chain is in SGX-Enclave-Identity-Issuer-Chain",
	    "qe_identity.json, qe_identity_issuer_chain.pem",
	    PCS "/tdx/certification/v4/qe/identity");
	add(u, "revocation list of PCK certificates", "pck_crl.der",
	    PCS "/sgx/certification/v4/pckcrl?ca=%s&encoding=der",
	    processor ? "processor" : "platform");
	add(u, "revocation list of the root", "root_ca_crl.der",
	    PCS_ROOT "/IntelSGXRootCA.der");
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
		add(u, "driver's reference values", "--rim",
		    RIMS "NV_GPU_DRIVER_GH100_%s", r->driver);
	if (id == NULL)
		add(u,
		    "driver's reference values, of a Blackwell GPU (its CHIP stands in --chain)",
		    "--rim", RIMS "NV_GPU_CC_DRIVER_CHIP_%s", r->driver);
	else if (id->arch == GPU_ARCH_BLACKWELL)
		add(u, "driver's reference values", "--rim",
		    RIMS "NV_GPU_CC_DRIVER_%s_%s", id->chip, r->driver);
}

static enum status look_gpu(struct slice in, struct slice pem, struct urls *u,
			    struct err *err)
{
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	auto_gpu_chain struct gpu_chain chain = { 0 };
	struct gpu_identity id;
	char vbios[URL_SIZE / 2];

	TRY(gpu_report_parse(in, r, err));
	u->tee = "gpu";
	if (pem.len > 0) {
		TRY(gpu_chain_parse(pem, &chain, err));
		TRY(gpu_chain_identify(&chain, &id, err));
	}
	add_driver(u, r, chain.n > 0 ? &id : NULL);
	gpu_report_vbios_id(r, vbios, sizeof(vbios));
	upper(vbios);
	add(u, "VBIOS's reference values", "--rim", RIMS "%s", vbios);
	add(u,
	    "OCSP response about each certificate but the leaf and the "
	    "roots",
	    "--ocsp", OCSP);
	u->url[u->n - 1].method = "POST";
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

static void print_json(const struct urls *u)
{
	auto_buf struct buf text = buf_make(64u << 10);
	struct json_out w = { .buf = &text };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "tee", u->tee);
	json_open_array(&w, "urls");
	for (size_t i = 0; i < u->n; i++) {
		json_open_object(&w, NULL);
		json_put_cstr(&w, "what", u->url[i].what);
		json_put_cstr(&w, "method", u->url[i].method);
		json_put_cstr(&w, "url", u->url[i].address);
		json_put_cstr(&w, "file", u->url[i].file);
		json_close_object(&w);
	}
	json_close_array(&w);
	json_close_object(&w);
	printf("%s\n", buf_cstr(&text));
}

static void print_lines(const struct urls *u)
{
	for (size_t i = 0; i < u->n; i++)
		printf("%s: for %s\n  %s %s\n", u->url[i].what, u->url[i].file,
		       u->url[i].method, u->url[i].address);
}

enum status verify_fetch_run(void *opts, const struct opt_args *args,
			     struct err *err)
{
	const struct verify_opts *o = opts;
	auto_buf struct buf in = { 0 };
	auto_buf struct buf chain = { 0 };
	auto_mem struct urls *u = mem_must(sizeof(*u));

	*u = (struct urls){ 0 };
	TRY(verify_input_read(args->operands[0], VERIFY_BYTES, &in, err));
	TRY(verify_input_read(o->chain, VERIFY_CERTS, &chain, err));
	TRY(look(buf_slice(&in), buf_slice(&chain), u, err));
	if (o->json)
		print_json(u);
	else
		print_lines(u);
	if (!o->online)
		return OK;
	return err_set(err, E_UNAVAIL,
		       "--online: not built: this program has no HTTPS client "
		       "for public servers; fetch the addresses above by other "
		       "means, and give verify the files");
}
