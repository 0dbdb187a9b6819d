#include "attest/tee/snp_certs_key.h"

#include "core/cleanup.h"

#define ARC "1.3.6.1.4.1.3704.1."
#define STRUCT_OLD 0
#define STRUCT_TURIN 1
#define P384_BITS 384

static const char *const common_names[SNP_KEYS] = {
	[SNP_KEY_VCEK] = "SEV-VCEK",
	[SNP_KEY_VLEK] = "SEV-VLEK",
};

/* clang-format off */
/* The security patch levels, each an INTEGER.  Those without a place must be
 * zero where they are there. */
#define NOWHERE SIZE_MAX
#define IN_OLD 1   /* structure version 0 must have it */
#define IN_TURIN 2 /* structure version 1 must have it */
static const struct { const char *oid; size_t to; unsigned must; } levels[] = {
	{ ARC "3.1", offsetof(struct snp_tcb, bootloader), IN_OLD | IN_TURIN },
	{ ARC "3.2", offsetof(struct snp_tcb, tee), IN_OLD | IN_TURIN },
	{ ARC "3.3", offsetof(struct snp_tcb, snp), IN_OLD | IN_TURIN },
	{ ARC "3.4", NOWHERE, 0 },
	{ ARC "3.5", NOWHERE, 0 },
	{ ARC "3.6", NOWHERE, 0 },
	{ ARC "3.7", NOWHERE, 0 },
	{ ARC "3.8", offsetof(struct snp_tcb, microcode), IN_OLD | IN_TURIN },
	{ ARC "3.9", offsetof(struct snp_tcb, fmc), IN_TURIN },
};

/* What products call themselves, and how their certificates are made. */
static const struct { const char *name; enum snp_product product; } names[] = {
	{ "Milan", SNP_MILAN },
	{ "Genoa", SNP_GENOA },
	{ "Bergamo", SNP_GENOA },
	{ "Siena", SNP_GENOA },
	{ "Turin", SNP_TURIN },
};
static const struct { uint8_t struct_version; size_t hwid_len; }
forms[SNP_PRODUCTS] = {
	[SNP_MILAN] = { STRUCT_OLD, 64 },
	[SNP_GENOA] = { STRUCT_OLD, 64 },
	[SNP_TURIN] = { STRUCT_TURIN, 8 },
};
/* clang-format on */

bool snp_certs_key_kind(const struct x509 *c, enum snp_key *out)
{
	for (size_t i = 0; i < countof(common_names); i++) {
		if (!slice_eq_str(x509_common_name(c), common_names[i]))
			continue;
		*out = (enum snp_key)i;
		return true;
	}
	return false;
}

/* An extension that is one INTEGER; *there false when it does not exist. */
static enum status read_u8(const struct x509 *c, const char *oid, uint8_t *out,
			   bool *there, struct err *err)
{
	struct slice value;
	enum status status = x509_extension(c, oid, &value, err);

	*there = status == OK;
	if (status == E_NOTFOUND)
		return OK;
	TRY(status);
	struct der d = der_make(value);
	*out = (uint8_t)der_u64(&d, UINT8_MAX);
	return der_end(&d, oid, err);
}

/* An extension that is one IA5String, for a text of size bytes. */
static enum status read_text(const struct x509 *c, const char *oid, char *out,
			     size_t size, struct err *err)
{
	struct slice value;

	TRY(x509_extension(c, oid, &value, err));
	struct der d = der_make(value);
	struct slice text = der_get(&d, DER_IA5_STRING);
	TRY(der_end(&d, oid, err));
	if (text.len == 0 || text.len >= size)
		return err_set(err, E_PARSE,
			       "%s: expected 1 to %zu characters, found %zu",
			       oid, size - 1, text.len);
	for (size_t i = 0; i < text.len; i++)
		if (text.p[i] < 0x20 || text.p[i] > 0x7e)
			return err_set(err, E_PARSE,
				       "%s: expected printable ASCII", oid);
	memcpy(out, text.p, text.len);
	out[text.len] = '\0';
	return OK;
}

static enum status read_version(const struct x509 *c, struct snp_certs_key *k,
				struct err *err)
{
	bool there;

	TRY(read_u8(c, ARC "1", &k->struct_version, &there, err));
	if (!there || k->struct_version > STRUCT_TURIN)
		return err_set(err, E_PARSE,
			       ARC "1: expected a structure version of %d or "
				   "%d, found %s",
			       STRUCT_OLD, STRUCT_TURIN,
			       there ? "another" : "none");
	return OK;
}

static enum status read_levels(const struct x509 *c, struct snp_certs_key *k,
			       struct err *err)
{
	unsigned form = k->struct_version == STRUCT_TURIN ? IN_TURIN : IN_OLD;

	for (size_t i = 0; i < countof(levels); i++) {
		bool there, must = (levels[i].must & form) != 0;
		uint8_t level = 0;

		TRY(read_u8(c, levels[i].oid, &level, &there, err));
		if (must && !there)
			return err_set(err, E_PARSE,
				       "%s: expected a security patch level, "
				       "found none",
				       levels[i].oid);
		if (!must && level != 0)
			return err_set(err, E_PARSE,
				       "%s: expected 0 or nothing, found %u",
				       levels[i].oid, level);
		if (must)
			((uint8_t *)&k->tcb)[levels[i].to] = level;
	}
	return OK;
}

/* The chip of a VCEK: bare bytes, without a tag. */
static enum status read_hwid(const struct x509 *c, struct snp_certs_key *k,
			     struct err *err)
{
	struct slice id;

	TRY(x509_extension(c, ARC "4", &id, err));
	if (id.len != 8 && id.len != sizeof(k->hwid))
		return err_set(err, E_PARSE,
			       ARC "4: expected a chip id of 64 or 8 bytes, "
				   "found %zu",
			       id.len);
	memcpy(k->hwid, id.p, id.len);
	k->hwid_len = id.len;
	return OK;
}

/* What only the other kind has, so that one is never taken for the other. */
static enum status refuse_other(const struct x509 *c, const char *oid,
				struct err *err)
{
	struct slice value;
	enum status status = x509_extension(c, oid, &value, err);

	if (status == E_NOTFOUND)
		return OK;
	if (status == OK)
		return err_set(err, E_PARSE,
			       "%s: expected none in a certificate of this "
			       "kind, found one",
			       oid);
	return status;
}

static enum status read_owner(const struct x509 *c, struct snp_certs_key *k,
			      struct err *err)
{
	if (k->kind == SNP_KEY_VCEK) {
		TRY(read_hwid(c, k, err));
		return refuse_other(c, ARC "5", err);
	}
	TRY(read_text(c, ARC "5", k->csp_id, sizeof(k->csp_id), err));
	return refuse_other(c, ARC "4", err);
}

/* Without an extension that must be there a certificate is malformed. */
static enum status read_all(const struct x509 *c, struct snp_certs_key *k,
			    struct err *err)
{
	size_t bits;

	if (!snp_certs_key_kind(c, &k->kind))
		return err_set(
			err, E_PARSE,
			"expected the common name SEV-VCEK or "
			"SEV-VLEK, found \"%.*s\"",
			SLICE_FMT(slice_sub(x509_common_name(c), 0, 64)));
	if (x509_key(c, &bits) != X509_KEY_EC || bits != P384_BITS)
		return err_set(err, E_PARSE,
			       "expected a key on P-384, found one of %zu "
			       "bits",
			       bits);
	TRY(read_version(c, k, err));
	TRY(read_text(c, ARC "2", k->product, sizeof(k->product), err));
	TRY(read_levels(c, k, err));
	return read_owner(c, k, err);
}

enum status snp_certs_key_parse(const struct x509 *c, struct snp_certs_key *out,
				struct err *err)
{
	struct snp_certs_key k = { 0 };

	if (read_all(c, &k, err) != OK) {
		err->code = E_PARSE; /* also for what is not there */
		return err_wrap(err, "certificate of the signing key");
	}
	*out = k;
	return OK;
}

bool snp_certs_key_is_of(const struct snp_certs_key *k, enum snp_product p)
{
	size_t len = strcspn(k->product, "-");
	bool named = false;

	for (size_t i = 0; i < countof(names); i++)
		named |= names[i].product == p &&
			 strlen(names[i].name) == len &&
			 memcmp(names[i].name, k->product, len) == 0;
	return named && k->struct_version == forms[p].struct_version &&
	       (k->kind == SNP_KEY_VLEK || k->hwid_len == forms[p].hwid_len);
}
