#include "attest/tee/snp_certs.h"

#include "attest/tee/snp_certs_key.h"
#include "attest/tee/snp_certs_table.h"
#include "core/cleanup.h"

void snp_certs_free(struct snp_certs *c)
{
	if (c == NULL)
		return;
	for (size_t i = 0; i < SNP_KEYS; i++) {
		x509_free(c->leaf[i]);
		x509_free(c->signer[i]);
	}
	x509_free(c->ark);
	x509_crl_free(c->crl);
	mem_free(c);
}

/* ---- Sorting ---- */

/* Where a certificate of this name belongs, or NULL. */
static struct x509 **place(struct snp_certs *c, const struct x509 *cert)
{
	struct slice name = x509_common_name(cert);
	enum snp_key kind;

	if (snp_certs_key_kind(cert, &kind))
		return &c->leaf[kind];
	if (slice_starts(name, S("ARK-")))
		return &c->ark;
	if (slice_starts(name, S("SEV-VLEK-")))
		return &c->signer[SNP_KEY_VLEK];
	if (slice_starts(name, S("SEV-")))
		return &c->signer[SNP_KEY_VCEK];
	return NULL;
}

/* Takes cert on OK; the same one twice is kept once. */
static enum status add(struct snp_certs *c, struct x509 *cert, struct err *err)
{
	struct slice name = slice_sub(x509_common_name(cert), 0, 64);
	struct x509 **at = place(c, cert);

	if (at == NULL)
		return err_set(err, E_PARSE,
			       "certificate \"%.*s\": expected SEV-VCEK, "
			       "SEV-VLEK, SEV-PRODUCT, SEV-VLEK-PRODUCT or "
			       "ARK-PRODUCT",
			       SLICE_FMT(name));
	if (*at != NULL && !slice_eq(x509_der(*at), x509_der(cert)))
		return err_set(err, E_PARSE,
			       "certificate \"%.*s\": expected one of its "
			       "kind, found two that differ",
			       SLICE_FMT(name));
	x509_free(*at);
	*at = cert;
	return OK;
}

static enum status add_all(struct snp_certs *c, struct x509 **list, size_t n,
			   struct err *err)
{
	enum status status = OK;

	for (size_t i = 0; i < n; i++) {
		if (status == OK)
			status = add(c, list[i], err);
		if (status != OK)
			x509_free(take(list[i]));
	}
	return status;
}

/* ---- Reading ---- */

/* DER certificates, one directly after another. */
static enum status parse_der(struct slice in, struct x509 **list, size_t *n,
			     struct err *err)
{
	struct der d = der_make(in);

	while (der_more(&d)) {
		struct slice one = der_whole(&d, DER_SEQUENCE);

		if (*n == SNP_CHAIN_MAX)
			return err_set(err, E_LIMIT,
				       "more than %d certificates",
				       SNP_CHAIN_MAX);
		if (!d.bad) {
			TRY(x509_parse(one, &list[*n], err));
			++*n;
		}
	}
	return der_end(&d, "certificate", err);
}

/* Certificates in DER or PEM into c. */
static enum status read_some(struct snp_certs *c, struct slice in,
			     const char *what, struct err *err)
{
	struct x509 *list[SNP_CHAIN_MAX] = { 0 };
	enum status status;
	size_t n = 0;

	if (in.p[0] == DER_SEQUENCE)
		status = parse_der(in, list, &n, err);
	else
		status = x509_parse_chain(in, list, SNP_CHAIN_MAX, &n, err);
	if (status == OK) {
		status = add_all(c, list, n, err);
	} else {
		for (size_t i = 0; i < n; i++)
			x509_free(list[i]);
	}
	return status == OK ? OK : err_wrap(err, "%s", what);
}

static bool has_leaf(const struct snp_certs *c)
{
	return c->leaf[SNP_KEY_VCEK] != NULL || c->leaf[SNP_KEY_VLEK] != NULL;
}

static bool has_issuer(const struct snp_certs *c)
{
	return c->ark != NULL || c->signer[SNP_KEY_VCEK] != NULL ||
	       c->signer[SNP_KEY_VLEK] != NULL;
}

static enum status read_leaf(struct snp_certs *c, struct slice in,
			     struct err *err)
{
	TRY(read_some(c, in, "leaf certificate", err));
	bool one = (c->leaf[SNP_KEY_VCEK] == NULL) !=
		   (c->leaf[SNP_KEY_VLEK] == NULL);

	if (one && !has_issuer(c))
		return OK;
	return err_set(err, E_PARSE,
		       "leaf certificate: expected one VCEK or VLEK and "
		       "nothing else");
}

static enum status read_crl(struct snp_certs *c, struct slice in,
			    struct err *err)
{
	if (x509_crl_parse(in, &c->crl, err) != OK)
		return err_wrap(err, "revocation list");
	return OK;
}

/* What the host's table has and nothing else gave. */
static enum status read_table(struct snp_certs *c, struct slice raw,
			      struct err *err)
{
	struct snp_certs_table t;
	bool wanted[SNP_ENTRIES] = {
		[SNP_ENTRY_VCEK] = !has_leaf(c),
		[SNP_ENTRY_VLEK] = !has_leaf(c),
		[SNP_ENTRY_ASK] = !has_issuer(c),
		[SNP_ENTRY_ARK] = !has_issuer(c),
	};

	TRY(snp_certs_table_parse(raw, &t, err));
	for (size_t i = 0; i < SNP_ENTRIES; i++)
		if (wanted[i] && t.entry[i].len > 0)
			TRY(read_some(
				c, t.entry[i],
				snp_certs_table_name((enum snp_certs_entry)i),
				err));
	if (c->crl == NULL && t.entry[SNP_ENTRY_CRL].len > 0)
		return read_crl(c, t.entry[SNP_ENTRY_CRL], err);
	return OK;
}

enum status snp_certs_new(const struct snp_collateral *in,
			  struct snp_certs **out, struct err *err)
{
	auto_snp_certs struct snp_certs *c = mem_must(sizeof(*c));

	if (in->leaf.len > 0)
		TRY(read_leaf(c, in->leaf, err));
	if (in->chain.len > 0)
		TRY(read_some(c, in->chain, "chain", err));
	if (in->crl.len > 0)
		TRY(read_crl(c, in->crl, err));
	TRY(read_table(c, in->table, err));
	*out = take(c);
	return OK;
}
