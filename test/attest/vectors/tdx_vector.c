#include "test/attest/vectors/tdx_vector.h"

#include <dirent.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

#define FILE_MAX TDX_VECTOR_FILE_MAX
#define PATH_SIZE 512

static const char *top(void)
{
	const char *named = getenv("CONFD_VECTORS");

	return named != NULL ? named : "../shared/vectors";
}

/* ---- Files ---- */

/* Read top/kind/name/file; false when it is not there. */
bool tdx_vector_file(const char *kind, const char *name, const char *file,
		     struct buf *out)
{
	char path[PATH_SIZE];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/%s/%s/%s", top(), kind, name,
		       file);
	buf_clear(out);
	return file_read(path, out, &err) == OK;
}

bool tdx_vector_there(const char *kind)
{
	char path[PATH_SIZE];

	(void)snprintf(path, sizeof(path), "%s/%s", top(), kind);
	return access(path, R_OK) == 0;
}

const char *const tdx_vector_file_names[FILES] = {
	[QUOTE] = "quote.bin",
	[TCB] = "tcb_info.json",
	[TCB_CHAIN] = "tcb_info_issuer_chain.pem",
	[QE] = "qe_identity.json",
	[QE_CHAIN] = "qe_identity_issuer_chain.pem",
	[ROOT_CRL] = "root_ca_crl.der",
	[PCK_CRL] = "pck_crl.der",
	[PCK_CHAIN] = "pck_chain.pem", /* of the quote: leaf, CA, root */
};

void tdx_vector_done(struct tdx_vector *v)
{
	json_free(v->json);
	buf_done(&v->text);
	for (size_t i = 0; i < FILES; i++)
		buf_done(&v->file[i]);
}

struct slice tdx_vector_str(const struct json *obj, const char *name)
{
	const struct json *j = obj == NULL ? NULL : json_get(obj, name);

	return j == NULL ? (struct slice){ 0 } : json_str(j);
}

/* The collateral in `dir` below the case, "." for its own. */
void tdx_vector_collateral(struct tdx_vector *v, struct slice dir)
{
	char name[PATH_SIZE];

	for (size_t i = TCB; i <= PCK_CRL; i++) {
		(void)snprintf(name, sizeof(name), "%.*s/%s", SLICE_FMT(dir),
			       tdx_vector_file_names[i]);
		(void)tdx_vector_file(v->kind, v->name, name, &v->file[i]);
	}
}

static void load_root(struct tdx_vector *v)
{
	auto_buf struct buf pem = buf_make(FILE_MAX);
	auto_x509 struct x509 *cert = NULL;
	struct err err;

	if (tdx_vector_file(v->kind, v->name, "root.pem", &pem) &&
	    x509_parse(buf_slice(&pem), &cert, &err) == OK) {
		x509_spki_sha256(cert, v->root[0]);
		v->n_roots = 1;
	}
}

bool tdx_vector_load(struct tdx_vector *v, const char *kind, const char *name)
{
	struct err err;

	*v = (struct tdx_vector){ .kind = kind, .text = buf_make(FILE_MAX) };
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	for (size_t i = 0; i < FILES; i++)
		v->file[i] = buf_make(FILE_MAX);
	if (!tdx_vector_file(kind, name, "case.json", &v->text) ||
	    !EXPECT(json_parse(buf_slice(&v->text), &v->json, &err) == OK) ||
	    !tdx_vector_file(kind, name, tdx_vector_file_names[QUOTE],
			     &v->file[QUOTE]))
		return false;
	(void)tdx_vector_file(kind, name, tdx_vector_file_names[PCK_CHAIN],
			      &v->file[PCK_CHAIN]);
	tdx_vector_collateral(v, S("."));
	load_root(v);
	return true;
}

/* The chain behind its first certificate, as the service has it. */
static struct slice ca_chain(const struct buf *pem)
{
	struct slice end = S("-----END CERTIFICATE-----\n");
	struct slice all = buf_slice(pem);

	return slice_from(all, slice_search(all, end) + end.len);
}

struct tdx_case tdx_vector_case(const struct tdx_vector *v, int64_t now)
{
	const struct buf *f = v->file;

	return (struct tdx_case){
		.quote = buf_slice(&f[QUOTE]),
		.input = {
			.tcb_info = buf_slice(&f[TCB]),
			.tcb_info_chain = buf_slice(&f[TCB_CHAIN]),
			.qe_identity = buf_slice(&f[QE]),
			.qe_identity_chain = buf_slice(&f[QE_CHAIN]),
			.root_ca_crl = buf_slice(&f[ROOT_CRL]),
			.pck_crl = buf_slice(&f[PCK_CRL]),
			.pck_crl_chain = ca_chain(&f[PCK_CHAIN]),
		},
		.roots = v->root,
		.n_roots = v->n_roots,
		.now = now,
	};
}

/* Call fn for each case of a kind, in the order of their names. */
size_t tdx_vector_each(const char *kind, void (*fn)(struct tdx_vector *v))
{
	char path[PATH_SIZE];
	struct dirent **entry;
	size_t n_cases = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", top(), kind);
	int n = scandir(path, &entry, NULL, alphasort);
	for (int i = 0; i < n; i++) {
		auto_tdx_vector struct tdx_vector v = { 0 };
		const char *name = entry[i]->d_name;

		if (name[0] != '.' && name[0] != '_' &&
		    tdx_vector_load(&v, kind, name)) {
			fn(&v);
			n_cases++;
		}
		free(entry[i]);
	}
	if (n >= 0)
		free(entry);
	return n_cases;
}

/* ---- Reasons ---- */

/* Which of our tdx_vector_steps fail for a reason of the cases. */
static const struct {
	const char *reason, *step;
} tdx_vector_steps[] = {
	{ "FORMAT", "tdx.quote" },
	{ "FORMAT", "tdx.chain.form" },
	{ "FORMAT", "tdx.root_crl.form" },
	{ "FORMAT", "tdx.pck_crl.form" },
	{ "HEADER", "tdx.quote" },
	{ "QUOTE_SIGNATURE", "tdx.signature" },
	{ "QE_REPORT_SIGNATURE", "tdx.qe.signature" },
	{ "QE_REPORT_DATA", "tdx.qe.binding" },
	{ "PCK_CHAIN", "tdx.chain" },
	{ "PCK_CHAIN", "tdx.chain.form" },
	{ "ROOT_UNTRUSTED", "tdx.chain.root" },
	{ "PCK_TIME", "tdx.chain.time" },
	{ "CRL_TIME", "tdx.root_crl.time" },
	{ "CRL_TIME", "tdx.pck_crl.time" },
	{ "TCB_INFO_TIME", "tdx.tcb_info.time" },
	{ "QE_IDENTITY_TIME", "tdx.qe_identity.time" },
	{ "TCB_SIGNER_TIME", "tdx.signers.time" },
	{ "TCB_INFO_CHAIN", "tdx.tcb_info.chain" },
	{ "TCB_INFO_SIGNATURE", "tdx.tcb_info.signature" },
	{ "QE_IDENTITY_SIGNATURE", "tdx.qe_identity.signature" },
	{ "QE_IDENTITY_ID", "tdx.qe_identity.form" },
	{ "PCK_CRL", "tdx.pck_crl.signature" },
	{ "ROOT_CRL", "tdx.root_crl.signature" },
	{ "TCB:TCB_INFO_MISMATCH", "tdx.tcb_info.form" },
	{ "TCB:TCB_INFO_MISMATCH", "tdx.tcb_info.fmspc" },
	{ "TCB:QE_IDENTITY_MISMATCH", "tdx.qe.identity" },
	{ "TCB:QE_IDENTITY_MISMATCH", "tdx.qe_identity.form" },
	{ "TCB:TCB_NOT_SUPPORTED", "tdx.level" },
	{ "TCB:TDX_MODULE_MISMATCH", "tdx.module" },
	/* Flags of policy. */
	{ "TD_DEBUG", "policy.debug" },
	{ "SEPT_VE_DISABLE_CLEAR", "policy.sept_ve_disable" },
	{ "TD_ATTRIBUTES_RESERVED_OR_UNKNOWN(0x80)", "policy.attributes" },
	{ "TD_ATTRIBUTES_RESERVED_OR_UNKNOWN(0x20000000)",
	  "policy.migratable" },
	{ "XFAM_FP_SSE_CLEAR", "policy.xfam.fixed" },
};

static const struct trace_step *find_step(const struct trace *t,
					  const char *name)
{
	for (size_t i = 0; i < t->n; i++)
		if (strcmp(t->step[i].rule->step, name) == 0)
			return &t->step[i];
	return NULL;
}

bool tdx_vector_failed(const struct trace *t, const char *name)
{
	const struct trace_step *s = find_step(t, name);

	return s != NULL && s->outcome == TRACE_FAILED;
}

/* Whether some step failed for that reason. */
bool tdx_vector_failed_for(const struct trace *t, struct slice reason)
{
	for (size_t i = 0; i < countof(tdx_vector_steps); i++)
		if (slice_eq_str(reason, tdx_vector_steps[i].reason) &&
		    tdx_vector_failed(t, tdx_vector_steps[i].step))
			return true;
	return false;
}

bool tdx_vector_listed(const struct json *reasons, const char *reason)
{
	for (const struct json *j = json_first(reasons); j != NULL;
	     j = json_next(j))
		if (slice_eq_str(json_str(j), reason))
			return true;
	return false;
}

size_t tdx_vector_n_failed(const struct trace *t)
{
	size_t n = 0;

	for (size_t i = 0; i < t->n; i++)
		n += t->step[i].outcome == TRACE_FAILED;
	return n;
}

/* ---- The table ---- */

struct tdx_row tdx_table[TDX_ROWS] = {
	{ .kind = "evaluations" },   { .kind = "other times" },
	{ .kind = "no collateral" }, { .kind = "padded" },
	{ .kind = "spoilt quotes" }, { .kind = "spoilt collateral" },
	{ .kind = "synthetic" },     { .kind = "policy flags" },
};

struct err tdx_vector_err;

void tdx_vector_count(size_t row, enum status status, bool right,
		      const struct tdx_vector *v, const char *what)
{
	tdx_table[row].genuine += status == OK;
	tdx_table[row].stale += status == E_STALE;
	tdx_table[row].refused += status != OK && status != E_STALE;
	tdx_table[row].wrong += !right;
	if (!EXPECT(right))
		printf("  %s/%s: %s: %s: %s\n", v->kind, v->name, what,
		       status_name(status),
		       status == OK ? "" : tdx_vector_err.text);
}

/* Exactly the reasons that are listed, of those that are of time. */
bool tdx_vector_same_reasons(const struct trace *t, const struct json *reasons)
{
	for (const struct json *j = json_first(reasons); j != NULL;
	     j = json_next(j))
		if (!tdx_vector_failed_for(t, json_str(j))) {
			printf("  no step for %.*s\n", SLICE_FMT(json_str(j)));
			return false;
		}
	for (size_t i = 0; i < countof(tdx_vector_steps); i++)
		if (tdx_vector_failed(t, tdx_vector_steps[i].step) &&
		    strstr(tdx_vector_steps[i].reason, "TIME") != NULL &&
		    !tdx_vector_listed(reasons, tdx_vector_steps[i].reason)) {
			printf("  but %s\n", tdx_vector_steps[i].step);
			return false;
		}
	return true;
}

int64_t tdx_vector_time(const struct json *j, const char *name)
{
	int64_t at = 0;
	struct err err;

	(void)EXPECT(text_untime(tdx_vector_str(j, name), &at, &err) == OK);
	return at;
}

void tdx_vector_print(size_t from, size_t to)
{
	printf("  %-18s %8s %8s %8s %8s\n", "tdx", "genuine", "stale",
	       "refused", "wrong");
	for (size_t i = from; i < to; i++)
		printf("  %-18s %8zu %8zu %8zu %8zu\n", tdx_table[i].kind,
		       tdx_table[i].genuine, tdx_table[i].stale,
		       tdx_table[i].refused, tdx_table[i].wrong);
}
