#include "attest/tee/gpu_rim.h"

#include "attest/tee/gpu_xml.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "core/x509_usage.h"

#define SWID "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define SHA384_SPACE "http://www.w3.org/2001/04/xmlenc#sha384"
#define C14N11 "http://www.w3.org/2006/12/xml-c14n11"
#define ENVELOPED "http://www.w3.org/2000/09/xmldsig#enveloped-signature"
#define ECDSA_SHA384 "http://www.w3.org/2001/04/xmldsig-more#ecdsa-sha384"
#define DIGEST_SHA384 "http://www.w3.org/2001/04/xmldsig-more#sha384"
#define VALUE_MAX 6144 /* bytes of one value in base64 */
#define SIGNED_INFO_MAX 8192
#define SIGNATURE_LEN 96 /* r and s, big-endian (RFC 6931 s2.3.6) */

void gpu_rim_free(struct gpu_rim *r)
{
	if (r == NULL)
		return;
	for (size_t i = 0; i < GPU_RIM_CERTS; i++)
		x509_free(r->cert[i]);
	buf_done(&r->signed_info);
	buf_done(&r->signed_by);
	mem_free(r->values);
	mem_free(r);
}

/* ---- Small parts ---- */

static enum status refuse(struct err *err, const struct gpu_xml_node *n,
			  const char *what)
{
	return err_set(err, E_PARSE, "RIM: %.*s: %s",
		       SLICE_FMT(slice_sub(n->local, 0, 40)), what);
}

/* An element of this name that has this many attributes and nothing but
 * elements in it. */
static enum status want(const struct gpu_xml_node *n,
			const struct gpu_xml_node *parent, const char *uri,
			const char *local, struct err *err)
{
	if (!gpu_xml_is(n, uri, local))
		return err_set(
			err, E_PARSE,
			"RIM: %.*s: expected %s there, found %.*s",
			SLICE_FMT(slice_sub(parent->local, 0, 40)), local,
			SLICE_FMT(n == NULL ? S("nothing")
					    : slice_sub(n->local, 0, 40)));
	return OK;
}

/* An attribute's value as a text of ours: printable, at most GPU_TEXT_MAX. */
static enum status want_text(const struct gpu_xml_node *n, const char *name,
			     char out[static GPU_TEXT_MAX + 1], struct err *err)
{
	const struct gpu_xml_attr *a = gpu_xml_attr(n, NULL, name);

	if (a == NULL || a->value.len == 0 || a->value.len > GPU_TEXT_MAX)
		return err_set(err, E_PARSE,
			       "RIM: %.*s: expected %s of 1 to %d characters",
			       SLICE_FMT(slice_sub(n->local, 0, 40)), name,
			       GPU_TEXT_MAX);
	memcpy(out, a->value.p, a->value.len);
	out[a->value.len] = '\0';
	return OK;
}

static enum status want_number(const struct gpu_xml_node *n, const char *name,
			       uint64_t max, uint64_t *out, struct err *err)
{
	const struct gpu_xml_attr *a = gpu_xml_attr(n, NULL, name);

	if (a == NULL || !slice_u64(a->value, out) || *out > max)
		return err_set(err, E_PARSE,
			       "RIM: %.*s: expected %s from 0 to %llu",
			       SLICE_FMT(slice_sub(n->local, 0, 40)), name,
			       (unsigned long long)max);
	return OK;
}

/* Base64 as the text of n, white space in it allowed. */
static enum status want_base64(const struct gpu_xml_node *n, struct buf *out,
			       struct err *err)
{
	struct slice text;

	if (n->n_attrs != 0 || !gpu_xml_text(n, &text))
		return refuse(err, n, "expected base64 alone");
	return text_unbase64_spaced(text, out, "RIM: base64", err);
}

/* ---- Reference values ---- */

static enum status unhex(struct slice hex, uint8_t out[static GPU_VALUE_LEN],
			 struct err *err)
{
	uint8_t lower[2 * GPU_VALUE_LEN];

	if (hex.len != sizeof(lower))
		return err_set(err, E_PARSE,
			       "RIM: a value: expected %zu hex digits, found "
			       "%zu",
			       sizeof(lower), hex.len);
	for (size_t i = 0; i < hex.len; i++)
		lower[i] = hex.p[i] >= 'A' && hex.p[i] <= 'F'
				   ? (uint8_t)(hex.p[i] - 'A' + 'a')
				   : hex.p[i];
	return text_unhex(slice_of(lower), out, GPU_VALUE_LEN, "RIM: a value",
			  err);
}

/* Hash0 to HashN-1, all of the SHA-384 name space, and no others in it. */
static enum status read_values(struct gpu_rim *r, const struct gpu_xml_node *n,
			       struct gpu_rim_row *row, size_t *used,
			       struct err *err)
{
	size_t there = 0;

	for (size_t i = 0; i < n->n_attrs; i++)
		there += slice_eq_str(n->attr[i].uri, SHA384_SPACE);
	if (there != row->n)
		return refuse(err, n,
			      "expected as many values as there are "
			      "alternatives");
	if (row->n > GPU_RIM_VALUES_MAX - *used)
		return err_set(err, E_LIMIT, "RIM: more than %d values",
			       GPU_RIM_VALUES_MAX);
	row->value = &r->values[*used];
	for (size_t i = 0; i < row->n; i++) {
		char name[32];

		(void)snprintf(name, sizeof(name), "Hash%zu", i);
		const struct gpu_xml_attr *a =
			gpu_xml_attr(n, SHA384_SPACE, name);
		if (a == NULL)
			return refuse(err, n, "a value is missing");
		TRY(unhex(a->value, r->values[(*used)++], err));
	}
	return OK;
}

static enum status read_active(const struct gpu_xml_node *n, bool *out,
			       struct err *err)
{
	const struct gpu_xml_attr *a = gpu_xml_attr(n, NULL, "active");

	*out = a != NULL && slice_eq_str(a->value, "True");
	if (a == NULL || (!*out && !slice_eq_str(a->value, "False")))
		return refuse(err, n, "expected active to be True or False");
	return OK;
}

static enum status read_row(struct gpu_rim *r, const struct gpu_xml_node *n,
			    size_t *used, struct err *err)
{
	struct gpu_rim_row *row = &r->row[r->n_rows];
	const struct gpu_xml_attr *type = gpu_xml_attr(n, NULL, "type");
	uint64_t index, size, alternatives;

	if (type == NULL || !slice_eq_str(type->value, "Measurement") ||
	    n->first != NULL)
		return refuse(err, n,
			      "expected an empty one of type "
			      "Measurement");
	TRY(want_number(n, "index", UINT8_MAX - 1, &index, err));
	TRY(want_number(n, "size", GPU_VALUE_LEN, &size, err));
	TRY(want_number(n, "alternatives", GPU_RIM_ALTERNATIVES, &alternatives,
			err));
	TRY(read_active(n, &row->active, err));
	if (size != GPU_VALUE_LEN || alternatives == 0)
		return refuse(err, n, "expected one value or more of SHA-384");
	if (r->n_rows > 0 && index <= row[-1].index)
		return refuse(err, n,
			      "a measurement is there twice or out of "
			      "order");
	row->index = (uint8_t)index;
	row->n = alternatives;
	TRY(read_values(r, n, row, used, err));
	r->n_active += row->active;
	r->n_rows++;
	return OK;
}

static enum status read_payload(struct gpu_rim *r, const struct gpu_xml_node *n,
				struct err *err)
{
	size_t used = 0;

	r->values = mem_calloc(GPU_RIM_VALUES_MAX, sizeof(*r->values));
	if (r->values == NULL)
		return err_set(err, E_NOMEM, "RIM: no memory");
	for (const struct gpu_xml_node *c = gpu_xml_first(n); c != NULL;
	     c = gpu_xml_next(c)) {
		TRY(want(c, n, SWID, "Resource", err));
		if (r->n_rows == GPU_RIM_ROWS_MAX)
			return err_set(err, E_LIMIT,
				       "RIM: more than %d measurements",
				       GPU_RIM_ROWS_MAX);
		TRY(read_row(r, c, &used, err));
	}
	if (r->n_active == 0)
		return refuse(err, n, "no measurement is active");
	return OK;
}

/* ---- The signature's form ---- */

/* An empty element whose one attribute is Algorithm, with this value. */
static enum status want_algorithm(const struct gpu_xml_node *n,
				  const struct gpu_xml_node *parent,
				  const char *local, const char *value,
				  struct err *err)
{
	TRY(want(n, parent, DSIG, local, err));
	const struct gpu_xml_attr *a = gpu_xml_attr(n, NULL, "Algorithm");
	if (a == NULL || n->n_attrs != 1 || n->first != NULL ||
	    !slice_eq_str(a->value, value))
		return err_set(err, E_PARSE, "RIM: %s: expected %s", local,
			       value);
	return OK;
}

/* Two transforms, in this order, and no more. */
static enum status read_transforms(const struct gpu_xml_node *n,
				   struct err *err)
{
	const struct gpu_xml_node *one = gpu_xml_first(n);

	TRY(want_algorithm(one, n, "Transform", ENVELOPED, err));
	const struct gpu_xml_node *two = gpu_xml_next(one);
	TRY(want_algorithm(two, n, "Transform", C14N11, err));
	if (gpu_xml_next(two) != NULL || n->n_attrs != 0)
		return refuse(err, n, "expected two transforms alone");
	return OK;
}

static enum status read_reference(struct gpu_rim *r,
				  const struct gpu_xml_node *n, struct err *err)
{
	const struct gpu_xml_attr *uri = gpu_xml_attr(n, NULL, "URI");
	const struct gpu_xml_node *c = gpu_xml_first(n);
	auto_buf struct buf digest = buf_make(VALUE_MAX);

	if (uri == NULL || uri->value.len != 0 || n->n_attrs != 1)
		return refuse(err, n, "expected URI=\"\", the whole document");
	TRY(want(c, n, DSIG, "Transforms", err));
	TRY(read_transforms(c, err));
	c = gpu_xml_next(c);
	TRY(want_algorithm(c, n, "DigestMethod", DIGEST_SHA384, err));
	c = gpu_xml_next(c);
	TRY(want(c, n, DSIG, "DigestValue", err));
	TRY(want_base64(c, &digest, err));
	if (gpu_xml_next(c) != NULL || digest.len != sizeof(r->signed_digest))
		return refuse(err, n, "expected one SHA-384 digest at its end");
	memcpy(r->signed_digest, buf_slice(&digest).p, digest.len);
	return OK;
}

static enum status read_signed_info(struct gpu_rim *r,
				    const struct gpu_xml_node *n,
				    struct err *err)
{
	const struct gpu_xml_node *c = gpu_xml_first(n);

	TRY(want_algorithm(c, n, "CanonicalizationMethod", C14N11, err));
	c = gpu_xml_next(c);
	TRY(want_algorithm(c, n, "SignatureMethod", ECDSA_SHA384, err));
	c = gpu_xml_next(c);
	TRY(want(c, n, DSIG, "Reference", err));
	TRY(read_reference(r, c, err));
	if (gpu_xml_next(c) != NULL || n->n_attrs != 0)
		return refuse(err, n, "expected one reference alone");
	gpu_xml_canonical(n, NULL, &r->signed_info);
	return buf_check(&r->signed_info, "RIM: SignedInfo", err);
}

static enum status read_certs(struct gpu_rim *r, const struct gpu_xml_node *n,
			      struct err *err)
{
	const struct gpu_xml_node *c = gpu_xml_first(n);

	for (size_t i = 0; i < GPU_RIM_CERTS; i++, c = gpu_xml_next(c)) {
		auto_buf struct buf der = buf_make(VALUE_MAX);

		TRY(want(c, n, DSIG, "X509Certificate", err));
		TRY(want_base64(c, &der, err));
		if (der.len == 0 || buf_slice(&der).p[0] != DER_SEQUENCE)
			return refuse(err, c, "expected DER");
		if (x509_parse(buf_slice(&der), &r->cert[i], err) != OK)
			return err_wrap(err, "RIM");
	}
	if (c != NULL || n->n_attrs != 0)
		return err_set(err, E_PARSE,
			       "RIM: expected %d certificates alone",
			       GPU_RIM_CERTS);
	return OK;
}

static enum status read_key_info(struct gpu_rim *r,
				 const struct gpu_xml_node *n, struct err *err)
{
	const struct gpu_xml_node *data = gpu_xml_first(n);

	TRY(want(data, n, DSIG, "X509Data", err));
	if (gpu_xml_next(data) != NULL || n->n_attrs != 0)
		return refuse(err, n, "expected X509Data alone");
	return read_certs(r, data, err);
}

static enum status read_signature(struct gpu_rim *r,
				  const struct gpu_xml_node *n, struct err *err)
{
	const struct gpu_xml_node *c = gpu_xml_first(n);
	auto_buf struct buf raw = buf_make(VALUE_MAX);

	TRY(want(c, n, DSIG, "SignedInfo", err));
	TRY(read_signed_info(r, c, err));
	c = gpu_xml_next(c);
	TRY(want(c, n, DSIG, "SignatureValue", err));
	TRY(want_base64(c, &raw, err));
	if (raw.len != SIGNATURE_LEN)
		return refuse(err, c, "expected 96 bytes: ECDSA P-384");
	der_put_ecdsa(&r->signed_by, slice_sub(buf_slice(&raw), 0, 48),
		      slice_from(buf_slice(&raw), 48));
	c = gpu_xml_next(c);
	TRY(want(c, n, DSIG, "KeyInfo", err));
	TRY(read_key_info(r, c, err));
	if (gpu_xml_next(c) != NULL || n->n_attrs != 0)
		return refuse(err, n, "expected nothing else in it");
	return buf_check(&r->signed_by, "RIM: SignatureValue", err);
}

/* ---- The document ---- */

/* Where n ends and the next element begins, in the order of the document;
 * NULL behind the last. */
static const struct gpu_xml_node *walk(const struct gpu_xml_node *n)
{
	if (gpu_xml_first(n) != NULL)
		return gpu_xml_first(n);
	while (n != NULL && gpu_xml_next(n) == NULL)
		n = n->parent;
	return n == NULL ? NULL : gpu_xml_next(n);
}

/* No element has an identifier that a reference could point to, and text
 * stands only where it is read. */
static enum status check_everywhere(const struct gpu_xml_node *root,
				    struct err *err)
{
	for (const struct gpu_xml_node *n = root; n != NULL; n = walk(n)) {
		for (size_t i = 0; i < n->n_attrs; i++)
			if (slice_eq_nocase(n->attr[i].local, S("id")))
				return refuse(err, n, "has an attribute Id");
		if (gpu_xml_first(n) != NULL && !gpu_xml_no_text(n))
			return refuse(err, n, "has text between elements");
	}
	return OK;
}

static enum status read_meta(struct gpu_rim *r, const struct gpu_xml_node *n,
			     struct err *err)
{
	TRY(want_text(n, "colloquialVersion", r->version, err));
	TRY(want_text(n, "edition", r->edition, err));
	return want_text(n, "product", r->product, err);
}

/* Entity, Meta, Payload, Signature: each once, in this order. */
static enum status read_tag(struct gpu_rim *r, const struct gpu_xml_node *root,
			    struct err *err)
{
	const struct gpu_xml_node *c = gpu_xml_first(root);
	const struct gpu_xml_attr *name = gpu_xml_attr(root, NULL, "name");

	TRY(want(c, root, SWID, "Entity", err));
	if (c->first != NULL)
		return refuse(err, c, "expected to be empty");
	c = gpu_xml_next(c);
	TRY(want(c, root, SWID, "Meta", err));
	if (c->first != NULL)
		return refuse(err, c, "expected to be empty");
	TRY(read_meta(r, c, err));
	if (name == NULL || !slice_eq_str(name->value, r->product))
		return refuse(err, root, "expected the product as its name");
	c = gpu_xml_next(c);
	TRY(want(c, root, SWID, "Payload", err));
	TRY(read_payload(r, c, err));
	c = gpu_xml_next(c);
	TRY(want(c, root, DSIG, "Signature", err));
	TRY(read_signature(r, c, err));
	if (gpu_xml_next(c) != NULL)
		return refuse(err, root, "expected the signature at its end");

	auto_buf struct buf canonical = buf_make(GPU_XML_MAX);
	gpu_xml_canonical(root, c, &canonical);
	TRY(buf_check(&canonical, "RIM: canonical form", err));
	sha384(buf_slice(&canonical), r->digest);
	return OK;
}

enum status gpu_rim_parse(struct slice in, struct gpu_rim **out,
			  struct err *err)
{
	auto_gpu_xml struct gpu_xml *x = NULL;
	auto_gpu_rim struct gpu_rim *r = mem_must(sizeof(*r));

	r->signed_info = buf_make(SIGNED_INFO_MAX);
	r->signed_by = buf_make(SIGNED_INFO_MAX);
	TRY(gpu_xml_parse(in, &x, err));
	const struct gpu_xml_node *root = gpu_xml_root(x);
	if (!gpu_xml_is(root, SWID, "SoftwareIdentity"))
		return refuse(err, root, "expected SoftwareIdentity of SWID");
	TRY(check_everywhere(root, err));
	TRY(read_tag(r, root, err));
	*out = take(r);
	return OK;
}

/* ---- Judging ---- */

/* Its key is P-384, and signs data but no certificates. */
static enum status check_signer(const struct gpu_rim *r, struct err *err)
{
	size_t bits;

	if (x509_key(r->cert[0], &bits) != X509_KEY_EC || bits != 384)
		return err_set(err, E_CRYPTO,
			       "RIM: the signer's key is not P-384");
	TRY(x509_usage_signs(r->cert[0], err));
	if (x509_usage_is_ca(r->cert[0]))
		return err_set(err, E_CRYPTO, "RIM: the signer is a CA");
	return OK;
}

static enum status check_chain(const struct gpu_rim *r, struct err *err)
{
	for (size_t i = 0; i < GPU_RIM_CERTS; i++) {
		size_t above = i + 1 < GPU_RIM_CERTS ? i + 1 : i;
		enum status s = x509_verify(r->cert[i], r->cert[above],
					    x509_not_before(r->cert[i]), err);

		if (s != OK && s != E_STALE)
			return s;
	}
	return check_signer(r, err);
}

void gpu_rim_judge(struct gpu_rim *r)
{
	if (r->judged)
		return;
	r->judged = true;
	r->chain.code = check_chain(r, &r->chain);
	r->signature.code =
		spki_verify(x509_spki(r->cert[0]), buf_slice(&r->signed_info),
			    buf_slice(&r->signed_by), &r->signature);
}

/* ---- The cache ---- */

void gpu_rim_cache_done(struct gpu_rim_cache *c)
{
	while (c->n > 0) {
		c->n--;
		gpu_rim_free(take(c->item[c->n].rim));
	}
}

/* Move item i to the front. */
static void use(struct gpu_rim_cache *c, size_t i)
{
	struct gpu_rim_cached used = c->item[i];

	memmove(&c->item[1], &c->item[0], i * sizeof(c->item[0]));
	c->item[0] = used;
}

static bool is_good(const struct gpu_rim *r)
{
	return r->chain.code == OK && r->signature.code == OK;
}

enum status gpu_rim_cache_get(struct gpu_rim_cache *c, struct slice in,
			      const struct gpu_rim **out, struct err *err)
{
	struct gpu_rim *r = NULL;
	uint8_t id[32];
	size_t i = 0;

	sha256(in, id);
	while (i < c->n && memcmp(c->item[i].id, id, sizeof(id)) != 0)
		i++;
	if (i < c->n && !is_good(c->item[i].rim)) {
		/* A failure is not kept: it may have been for want of memory. */
		c->item[i].rim->judged = false;
		gpu_rim_judge(c->item[i].rim);
	}
	if (i == c->n) {
		TRY(gpu_rim_parse(in, &r, err));
		gpu_rim_judge(r);
		if (c->n == GPU_RIM_CACHE)
			gpu_rim_free(c->item[--i].rim);
		else
			c->n++;
		memcpy(c->item[i].id, id, sizeof(id));
		c->item[i].rim = r;
	}
	use(c, i);
	*out = c->item[0].rim;
	return OK;
}
