#include "test/attest/vectors/snp_vectors.h"

#include <dirent.h>
#include <stdlib.h>

#include "attest/tee/snp_certs_table.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

const char *snp_vectors_folder(void)
{
	const char *folder = getenv("CONFD_VECTORS");

	if (folder == NULL)
		folder = "../shared/vectors";
	return access(folder, R_OK) == 0 ? folder : NULL;
}

bool snp_vectors_read(const char *folder, const char *name, struct buf *out)
{
	char path[1024];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/%s", folder, name);
	buf_clear(out);
	return file_read(path, out, &err) == OK;
}

struct json *snp_vectors_json(const char *folder, const char *name)
{
	auto_buf struct buf text = buf_make(SNP_VECTOR_FILE_MAX);
	struct json *j = NULL;
	struct err err;

	if (!EXPECT(snp_vectors_read(folder, name, &text)) ||
	    !EXPECT(json_parse(buf_slice(&text), &j, &err) == OK))
		printf("%s/%s\n", folder, name);
	return j;
}

int64_t snp_vectors_time(struct slice text)
{
	int64_t at = 0;
	struct err err;

	EXPECT(text_untime(text, &at, &err) == OK);
	return at;
}

/* ---- Cases ---- */

static bool read_root(struct snp_vector *v)
{
	struct x509 *c = NULL;
	struct err err;

	if (!EXPECT(x509_parse(buf_slice(&v->ark), &c, &err) == OK))
		return false;
	x509_spki_sha256(c, v->root[0]);
	x509_free(c);
	return true;
}

bool snp_vectors_load(const char *kind, const char *name, struct snp_vector *v)
{
	const struct {
		const char *file;
		struct buf *to;
	} files[] = {
		{ "report.bin", &v->report }, { "ask.pem", &v->ask },
		{ "ark.pem", &v->ark },	      { "crl.der", &v->crl },
		{ "auxblob.bin", &v->table },
	};

	*v = (struct snp_vector){ .trust_ark = strcmp(kind, "snp") != 0 };
	(void)snprintf(v->path, sizeof(v->path), "%s/%s/%s",
		       snp_vectors_folder(), kind, name);
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	v->leaf = buf_make(SNP_VECTOR_FILE_MAX);
	for (size_t i = 0; i < countof(files); i++) {
		*files[i].to = buf_make(SNP_VECTOR_FILE_MAX);
		(void)snp_vectors_read(v->path, files[i].file, files[i].to);
	}
	v->vlek = snp_vectors_read(v->path, "vlek.der", &v->leaf);
	if (!v->vlek)
		(void)snp_vectors_read(v->path, "vcek.der", &v->leaf);
	v->json = snp_vectors_json(v->path, "case.json");
	if (!EXPECT(v->json != NULL && v->report.len > 0))
		return false;
	const struct json *now = json_get(v->json, "verification_time");
	v->now = now == NULL ? 0 : snp_vectors_time(json_str(now));
	return !v->trust_ark || read_root(v);
}

void snp_vectors_done(struct snp_vector *v)
{
	buf_done(&v->report);
	buf_done(&v->leaf);
	buf_done(&v->ask);
	buf_done(&v->ark);
	buf_done(&v->crl);
	buf_done(&v->table);
	json_free(v->json);
	v->json = NULL;
}

size_t snp_vectors_each(const char *kind, void (*fn)(struct snp_vector *v))
{
	char path[512];
	struct dirent **list = NULL;
	size_t n = 0;

	(void)snprintf(path, sizeof(path), "%s/%s", snp_vectors_folder(), kind);
	int found = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		auto_vector struct snp_vector v = { 0 };

		if (list[i]->d_name[0] != '.' && list[i]->d_type == DT_DIR &&
		    snp_vectors_load(kind, list[i]->d_name, &v)) {
			fn(&v);
			n++;
		}
		(free)(list[i]); /* scandir's own */
	}
	(free)(list);
	return n;
}

/* Some tables hold a VCEK alone. */
static bool has_issuers(const struct snp_collateral *c)
{
	struct snp_certs_table t;
	struct err err;

	return c->table.len > 0 &&
	       (snp_certs_table_parse(c->table, &t, &err) != OK ||
		t.entry[SNP_ENTRY_ASK].len > 0);
}

enum status snp_vectors_verify(const struct snp_vector *v, unsigned with,
			       struct snp_certs *issuers, struct trace *t,
			       struct snp_claims *claims)
{
	auto_buf struct buf chain = buf_make(2 * SNP_VECTOR_FILE_MAX);
	struct snp_claims unused;
	struct err err = { 0 };
	struct snp_case c = {
		.report = buf_slice(&v->report),
		.issuers = issuers,
		.roots = v->root,
		.n_roots = v->trust_ark ? 1 : 0,
		.now = v->now,
	};

	buf_put(&chain, buf_slice(&v->ask));
	buf_put(&chain, buf_slice(&v->ark));
	if ((with & SNP_BY_TABLE) != 0)
		c.collateral.table = buf_slice(&v->table);
	else
		c.collateral.leaf = buf_slice(&v->leaf);
	if (!has_issuers(&c.collateral))
		c.collateral.chain = buf_slice(&chain);
	if ((with & SNP_WITH_CRL) != 0)
		c.collateral.crl = buf_slice(&v->crl);
	return snp_verify(&c, t, claims == NULL ? &unused : claims, &err);
}

/* ---- Reasons ---- */

/* clang-format off */
/* The vectors' reason codes, and the steps that are about them; one code may
 * have several. */
static const struct { const char *code, *step; } reasons[] = {
	{ "FORMAT_LENGTH", "snp.report.form" },
	{ "FORMAT_VERSION", "snp.report.form" },
	{ "FORMAT_RESERVED", "snp.report.form" },
	{ "POLICY_RESERVED", "snp.report.form" },
	{ "SIGALGO", "snp.report.form" },
	{ "SIG_PADDING", "snp.report.form" },
	{ "SIGNING_KEY", "snp.report.key" },
	{ "KEY_KIND_MISMATCH", "snp.report.key" },
	{ "KEY_KIND_MISMATCH", "snp.certs.leaf" },
	{ "NO_LEAF_CERT", "snp.certs.leaf" },
	{ "SIGNATURE", "snp.report.signature" },
	{ "TCB_MISMATCH", "snp.key.tcb" },
	{ "TCB_RESERVED", "snp.tcb.form" },
	{ "CHIP_ID_MISMATCH", "snp.key.chip" },
	{ "PRODUCT_MISMATCH", "snp.report.product" },
	{ "PRODUCT_MISMATCH", "snp.chain.product" },
	{ "PRODUCT_MISMATCH", "snp.key.product" },
	{ "CERT_PARSE", "snp.certs.form" },
	{ "CERT_PARSE", "snp.key.form" },
	{ "AUXBLOB_FORMAT", "snp.certs.form" },
	{ "CERT_CHAIN", "snp.certs.signer" },
	{ "CERT_CHAIN", "snp.chain.root" },
	{ "CERT_CHAIN", "snp.chain.product" },
	{ "CERT_CHAIN", "snp.chain.algorithm" },
	{ "CERT_CHAIN", "snp.chain.ark" },
	{ "CERT_CHAIN", "snp.chain.signer" },
	{ "CERT_CHAIN", "snp.chain.leaf" },
	{ "CERT_TIME", "snp.chain.time" },
	{ "CRL_TIME", "snp.crl.time" },
	{ "POLICY_DEBUG", "policy.debug" },
	{ "VMPL", "policy.vmpl" },
};
/* clang-format on */

static bool stands_for(struct slice code, const char *step)
{
	for (size_t i = 0; i < countof(reasons); i++)
		if (slice_eq_str(code, reasons[i].code) &&
		    strcmp(step, reasons[i].step) == 0)
			return true;
	return false;
}

bool snp_vectors_explains(const struct json *codes, const struct trace *t)
{
	for (size_t i = 0; i < t->n; i++) {
		if (t->step[i].outcome == TRACE_OK)
			continue;
		for (const struct json *c = json_first(codes); c != NULL;
		     c = json_next(c))
			if (stands_for(json_str(c), t->step[i].rule->step))
				return true;
	}
	return false;
}
