#include "attest/tee/collateral.h"

#include <dirent.h>
#include <errno.h>

#include "attest/tee/gpu_rim.h"
#include "attest/tee/snp_report.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/json.h"
#include "core/ocsp.h"
#include "core/text.h"
#include "core/x509_crl.h"

#define CHAIN_MAX 8
#define NAMES 3
#define GPU "gpu"
#define OCSP_FOLDER "ocsp"

/* ---- Forms ---- */

/* DER or PEM in, PEM out. */
static enum status form_cert(struct slice raw, struct buf *out, struct err *err)
{
	auto_x509 struct x509 *cert = NULL;

	TRY(x509_parse(raw, &cert, err));
	x509_pem(x509_der(cert), out);
	return OK;
}

static enum status form_chain(struct slice raw, struct buf *out,
			      struct err *err)
{
	struct x509 *cert[CHAIN_MAX];
	size_t n = 0;

	buf_put(out, raw);
	/* With the escapes of an HTTP header: the verifier undoes them. */
	if (slice_find(raw, '%') < raw.len)
		return OK;
	TRY(x509_parse_chain(raw, cert, countof(cert), &n, err));
	for (size_t i = 0; i < n; i++)
		x509_free(cert[i]);
	return OK;
}

/* DER, PEM, or DER in hex as Intel's service has it. */
static enum status form_crl(struct slice raw, struct buf *out, struct err *err)
{
	auto_x509_crl struct x509_crl *crl = NULL;
	auto_mem uint8_t *der = mem_must(raw.len / 2 + 1);
	struct err unused;

	if (x509_crl_parse(raw, &crl, err) != OK) {
		while (raw.len > 0 && raw.p[raw.len - 1] <= ' ')
			raw.len--;
		if (raw.len % 2 != 0 ||
		    text_unhex(raw, der, raw.len / 2, "list", &unused) != OK)
			return err->code;
		TRY(x509_crl_parse(slice_make(der, raw.len / 2), &crl, err));
	}
	x509_crl_pem(x509_crl_der(crl), out);
	return OK;
}

/* Exactly as it was served: its signature is over its bytes. */
static enum status form_json(struct slice raw, struct buf *out, struct err *err)
{
	auto_json struct json *root = NULL;

	TRY(json_parse(raw, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	buf_put(out, raw);
	return OK;
}

static enum status form_rim(struct slice raw, struct buf *out, struct err *err)
{
	auto_gpu_rim struct gpu_rim *rim = NULL;

	TRY(gpu_rim_parse(raw, &rim, err));
	buf_put(out, raw);
	return OK;
}

static enum status form_ocsp(struct slice raw, struct buf *out, struct err *err)
{
	auto_ocsp struct ocsp *response = NULL;

	TRY(ocsp_parse(raw, &response, err));
	buf_put(out, ocsp_der(response));
	return OK;
}

/* clang-format off */
/* A thing, and what its file may be called: as a tree of samples has it, as
 * the service's path or header is called, and as the maker's own verification
 * library does. */
static const struct row {
	const char *tee, *text;
	enum status (*form)(struct slice raw, struct buf *out, struct err *err);
	const char *names[NAMES];
} rows[] = {
	{ "snp", "vcek", form_cert, { "vcek.der", "vcek.pem" } },
	{ "snp", "vlek", form_cert, { "vlek.der", "vlek.pem" } },
	{ "snp", "chain", form_chain,
		{ "cert_chain.pem", "cert_chain", "chain.pem" } },
	{ "snp", "crl", form_crl, { "crl.der", "crl", "crl.pem" } },
	{ "tdx", "tcb_info", form_json,
		{ "tcb_info.json", "tcb", "tcbInfo.json" } },
	{ "tdx", "tcb_info_chain", form_chain,
		{ "tcb_info_issuer_chain.pem", "TCB-Info-Issuer-Chain",
		  "tcbSignChain.pem" } },
	{ "tdx", "qe_identity", form_json,
		{ "qe_identity.json", "identity", "qeIdentity.json" } },
	{ "tdx", "qe_identity_chain", form_chain,
		{ "qe_identity_issuer_chain.pem",
		  "SGX-Enclave-Identity-Issuer-Chain", "tcbSignChain.pem" } },
	{ "tdx", "root_ca_crl", form_crl,
		{ "root_ca_crl.der", "IntelSGXRootCA.der", "rootCaCrl.der" } },
	{ "tdx", "pck_crl", form_crl,
		{ "pck_crl.der", "pckcrl", "intermediateCaCrl.der" } },
	{ "tdx", "pck_crl_chain", form_chain,
		{ "pck_crl_issuer_chain.pem", "SGX-PCK-CRL-Issuer-Chain",
		  "pckCrlIssuerChain.pem" } },
	{ GPU, "driver", form_rim, { "driver_rim.xml" } },
	{ GPU, "vbios", form_rim, { "vbios_rim.xml" } },
};
/* clang-format on */

/* ---- Files ---- */

/* Whatever it is about, it is for who keeps the folder to mend. */
static enum status blame(const char *path, struct err *err)
{
	if (err->code != E_NOMEM)
		err->code = E_CONF;
	return err_wrap(err, "collateral %s", path);
}

enum status collateral_check(const char *folder, struct err *err)
{
	DIR *d = opendir(folder);

	if (d == NULL)
		return err_set(err, E_CONF,
			       "collateral %s: expected a folder, found: %s",
			       folder, strerror(errno));
	(void)closedir(d);
	return OK;
}

static enum status find(const char *folder, const struct row *r,
			char path[static COLLATERAL_PATH_MAX], struct err *err)
{
	char at[COLLATERAL_PATH_MAX];
	const char *seen = NULL;

	for (size_t i = 0; i < NAMES && r->names[i] != NULL; i++) {
		(void)snprintf(at, sizeof(at), "%s/%s", folder, r->names[i]);
		if (access(at, F_OK) != 0)
			continue;
		if (seen != NULL)
			return err_set(err, E_CONF,
				       "collateral %s: expected %s or %s, "
				       "found both",
				       folder, seen, r->names[i]);
		seen = r->names[i];
		memcpy(path, at, sizeof(at));
	}
	if (seen == NULL)
		return err_set(err, E_NOTFOUND, "collateral %s: no %s", folder,
			       r->names[0]);
	return OK;
}

enum status collateral_find(const char *folder, const char *tee,
			    const char *text,
			    char path[static COLLATERAL_PATH_MAX],
			    struct err *err)
{
	for (size_t i = 0; i < countof(rows); i++)
		if (strcmp(rows[i].tee, tee) == 0 &&
		    strcmp(rows[i].text, text) == 0)
			return find(folder, &rows[i], path, err);
	return err_set(err, E_NOTFOUND, "collateral: %s has no %s", tee, text);
}

/* A file in the form in which it travels. */
static enum status load(const char *path,
			enum status (*form)(struct slice raw, struct buf *out,
					    struct err *err),
			struct buf *out, struct err *err)
{
	auto_buf struct buf raw = buf_make(EVIDENCE_TEXT_MAX);

	TRY(file_read(path, &raw, err));
	TRY(form(buf_slice(&raw), out, err));
	return buf_check(out, "it", err);
}

static enum status add_text(const char *folder, const struct row *r,
			    struct evidence_texts *to, struct err *err)
{
	auto_buf struct buf text = buf_make(EVIDENCE_TEXT_MAX);
	char path[COLLATERAL_PATH_MAX];
	struct err why;

	if (evidence_text(to, r->text).len > 0)
		return OK;
	if (find(folder, r, path, &why) != OK) {
		if (why.code == E_NOTFOUND)
			return OK;
		*err = why;
		return why.code;
	}
	if (load(path, r->form, &text, err) != OK ||
	    evidence_add_text(to, slice_str(r->text), buf_slice(&text), err) !=
		    OK)
		return blame(path, err);
	return OK;
}

/* ---- Responses about revocation ---- */

static enum status add_ocsp(const char *path, struct evidence *e,
			    struct err *err)
{
	auto_buf struct buf der = buf_make(EVIDENCE_OCSP_LEN_MAX);

	if (load(path, form_ocsp, &der, err) != OK)
		return blame(path, err);
	for (size_t i = 0; i < e->n_gpus; i++)
		if (evidence_add_ocsp(&e->gpu[i], buf_slice(&der), err) != OK)
			return blame(path, err);
	return OK;
}

static void close_folder(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* All files of a folder, but those whose names begin with a dot. */
static enum status add_responses(const char *folder, struct evidence *e,
				 struct err *err)
{
	char path[COLLATERAL_PATH_MAX], at[COLLATERAL_PATH_MAX + 300];
	const struct dirent *entry;

	(void)snprintf(path, sizeof(path), "%s/" OCSP_FOLDER, folder);
	__attribute__((cleanup(close_folder))) DIR *d = opendir(path);
	if (d == NULL && errno == ENOENT)
		return OK;
	if (d == NULL) {
		(void)err_errno(err, "cannot open it");
		return blame(path, err);
	}
	while ((entry = readdir(d)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		(void)snprintf(at, sizeof(at), "%s/%s", path, entry->d_name);
		TRY(add_ocsp(at, e, err));
	}
	return OK;
}

/* ---- Together ---- */

/* Of a chip's two keys only the certificate of the one that signed. */
static bool is_wanted(const struct row *r, const struct evidence *e)
{
	struct snp_report report;
	struct err unused;

	if (r->form != form_cert)
		return true;
	return snp_report_parse(buf_slice(&e->report), &report, &unused) ==
		       OK &&
	       (snp_report_signing_key(&report) == SNP_KEY_VLEK) ==
		       (strcmp(r->text, "vlek") == 0);
}

enum status collateral_add(const char *folder, struct evidence *e,
			   struct err *err)
{
	for (size_t i = 0; i < countof(rows); i++) {
		const struct row *r = &rows[i];

		if (strcmp(r->tee, e->tee) == 0 && is_wanted(r, e))
			TRY(add_text(folder, r, &e->collateral, err));
		for (size_t g = 0; g < e->n_gpus; g++)
			if (strcmp(r->tee, GPU) == 0)
				TRY(add_text(folder, r, &e->gpu[g].rims, err));
	}
	return e->n_gpus == 0 ? OK : add_responses(folder, e, err);
}
