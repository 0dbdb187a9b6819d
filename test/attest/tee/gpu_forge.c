#include "test/attest/tee/gpu_forge.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/test.h"

#define SWID "http://standards.iso.org/iso/19770/-2/2015/schema.xsd"
#define DSIG "http://www.w3.org/2000/09/xmldsig#"
#define SHA384_SPACE "http://www.w3.org/2001/04/xmlenc#sha384"
#define C14N11 "http://www.w3.org/2006/12/xml-c14n11"
#define MORE "http://www.w3.org/2001/04/xmldsig-more#"
#define BLOCKS_GPU 64
#define BLOCKS_SWITCH 31

/* clang-format off */
static const struct {
	const char *leaf, *device, *provisioner, *identity, *product, *edition;
	bool tcb_info;
} chips[] = {
	[GPU_FORGE_GH100] = { "GH100 A01 GSP FMC LF", "GH100 A01 GSP BROM",
		"NVIDIA GH100 Provisioner ICA 1", "NVIDIA GH100 Identity",
		"GH100", "GPU", false },
	[GPU_FORGE_GB100] = { "GB100 A01 GSP FMC LF", "GB100 A01 GSP BROM",
		"NVIDIA GB100 Provisioner ICA 00000", "NVIDIA GB100 Identity",
		"GB100", "GPU", true },
	[GPU_FORGE_LS10] = { "LS_10 A01 FSP FMC LF", "LS_10 A01 FSP BROM",
		"NVIDIA LS_10 Provisioner ICA 1", "NVIDIA GH100 Identity",
		"LS10", "SWITCH", false },
};
/* clang-format on */

static bool is_switch(enum gpu_forge_chip chip)
{
	return chip == GPU_FORGE_LS10;
}

/* ---- The vendor ---- */

static void make_ca(const char *name, const struct pki_cert *issuer,
		    struct pki_cert *out)
{
	const struct pki_spec s = { .name = name,
				    .ca = true,
				    .usage = PKI_CERTIFIES };

	pki_make(&s, issuer, out);
}

static void root_id(const struct pki_cert *root, uint8_t out[static 32])
{
	auto_x509 struct x509 *c = pki_x509(root);

	x509_spki_sha256(c, out);
}

void gpu_forge_make(enum gpu_forge_chip chip, struct gpu_forge *f)
{
	const struct pki_spec signer = { .name = "RIM L4 Signer",
					 .usage = PKI_SIGNS };

	*f = (struct gpu_forge){ .chip = chip,
				 .driver_rim = buf_make(GPU_FORGE_MAX),
				 .vbios_rim = buf_make(GPU_FORGE_MAX) };
	make_ca("Forged Device Identity CA", NULL, &f->root);
	make_ca(chips[chip].identity, &f->root, &f->identity);
	make_ca(chips[chip].provisioner, &f->identity, &f->provisioner);
	make_ca("Forged RIM Root CA", NULL, &f->rim_root);
	make_ca("Forged RIM CA", &f->rim_root, &f->rim_ca);
	make_ca("Forged RIM L3", &f->rim_ca, &f->rim_l3);
	pki_make(&signer, &f->rim_l3, &f->rim_signer);
	root_id(&f->root, f->roots[0]);
	root_id(&f->rim_root, f->rim_roots[0]);
	struct gpu_forge_rim driver = gpu_forge_rim_plain(f, false);
	struct gpu_forge_rim vbios = gpu_forge_rim_plain(f, true);
	gpu_forge_rim(f, &driver, &f->driver_rim);
	gpu_forge_rim(f, &vbios, &f->vbios_rim);
}

void gpu_forge_done(struct gpu_forge *f)
{
	struct pki_cert *all[] = { &f->root,	  &f->identity, &f->provisioner,
				   &f->rim_root,  &f->rim_ca,	&f->rim_l3,
				   &f->rim_signer };

	for (size_t i = 0; i < countof(all); i++)
		pki_done(all[i]);
	buf_done(&f->driver_rim);
	buf_done(&f->vbios_rim);
}

/* ---- A device ---- */

static void put_fwid(struct buf *out, struct slice digest)
{
	auto_buf struct buf b = buf_make(GPU_FORGE_MAX);

	pki_put_oid(&b, "2.16.840.1.101.3.4.2.2");
	pki_put(&b, DER_OCTET_STRING, digest);
	pki_put(out, DER_SEQUENCE, buf_slice(&b));
}

/* CompositeDeviceID, or TcbInfo with a second digest behind the first. */
static void put_fwid_extension(const struct gpu_forge_device *d,
			       const struct pki_cert *device, struct buf *out)
{
	static const uint8_t one[] = { DER_INTEGER, 1, 1 };
	static const uint8_t zeros[GPU_VALUE_LEN];
	auto_buf struct buf b = buf_make(GPU_FORGE_MAX);
	auto_buf struct buf list = buf_make(GPU_FORGE_MAX);
	struct err err;

	put_fwid(&list, slice_of(d->fwid));
	if (chips[d->chip].tcb_info) {
		put_fwid(&list, slice_of(zeros));
		pki_put(&b, DER_CONTEXT | 0, S("NVIDIA"));
		pki_put(&b, DER_CONTEXT | 1, S("GB100 A01 GSP"));
		pki_put(&b, DER_CONSTRUCTED | 6, buf_slice(&list));
		pki_put(&b, DER_CONTEXT | 8, slice_of(zeros));
	} else {
		buf_put(&b, slice_of(one));
		EXPECT(keypair_spki(device->key, &b, &err) == OK);
		buf_put(&b, buf_slice(&list));
	}
	pki_put(out, DER_SEQUENCE, buf_slice(&b));
}

void gpu_forge_device(const struct gpu_forge *f, uint8_t id,
		      struct gpu_forge_device *d)
{
	const struct pki_cert *chain[] = { &d->leaf, &d->device,
					   &f->provisioner, &f->identity,
					   &f->root };
	uint8_t serial[] = { 0x41, 0x10, 2, 3, 4, 5, 6, 7, id };
	auto_buf struct buf fwid = buf_make(GPU_FORGE_MAX);

	*d = (struct gpu_forge_device){ .chip = f->chip,
					.chain = buf_make(GPU_FORGE_MAX) };
	memcpy(d->pdi, serial + 1, sizeof(d->pdi));
	memset(d->fwid, 0xf0 ^ id, sizeof(d->fwid));
	const struct pki_spec device = { .name = chips[f->chip].device,
					 .serial = slice_of(serial),
					 .ca = true,
					 .usage = 0x04 };
	pki_make(&device, &f->provisioner, &d->device);
	put_fwid_extension(d, &d->device, &fwid);
	const struct pki_spec leaf = {
		.name = chips[f->chip].leaf,
		.usage = PKI_SIGNS,
		.extension = chips[f->chip].tcb_info ? "2.23.133.5.4.1.1"
						     : "2.23.133.5.4.1",
		.ext_value = buf_slice(&fwid),
	};
	pki_make(&leaf, &d->device, &d->leaf);
	for (size_t i = 0; i < countof(chain); i++)
		x509_pem(buf_slice(&chain[i]->der), &d->chain);
}

void gpu_forge_device_done(struct gpu_forge_device *d)
{
	pki_done(&d->device);
	pki_done(&d->leaf);
	buf_done(&d->chain);
}

/* ---- Reports ---- */

struct gpu_forge_report gpu_forge_plain(const struct gpu_forge_device *d)
{
	struct gpu_forge_report r = {
		.driver = is_switch(d->chip) ? NULL : GPU_FORGE_DRIVER,
		.vbios = { 0x96, 0x00, 0x74, 0x00, 0x1a },
		.fwid = !is_switch(d->chip),
		.nvdec0 = is_switch(d->chip) ? 0 : 0x55,
		.feature = -1,
		.changed = 0xff,
	};

	memset(r.nonce, 0x5a, sizeof(r.nonce));
	return r;
}

static void put_u16le(struct buf *out, size_t v)
{
	buf_put_u8(out, v & 0xff);
	buf_put_u8(out, (uint8_t)(v >> 8));
}

static void put_field(struct buf *out, uint16_t type, struct slice data)
{
	put_u16le(out, type);
	put_u16le(out, data.len);
	buf_put(out, data);
}

/* What is measured at an index of reference values. */
static void value_of(size_t index, uint8_t out[static GPU_VALUE_LEN])
{
	memset(out, (int)index + 1, GPU_VALUE_LEN);
}

static void put_blocks(const struct gpu_forge_device *d,
		       const struct gpu_forge_report *r, struct buf *out)
{
	size_t n = is_switch(d->chip) ? BLOCKS_SWITCH : BLOCKS_GPU;
	auto_buf struct buf b = buf_make(GPU_FORGE_MAX);
	uint8_t value[GPU_VALUE_LEN];

	for (size_t i = 0; i < n; i++) {
		value_of(i == r->changed ? 200 : i, value);
		buf_put_u8(&b, (uint8_t)(i + 1));
		buf_put_u8(&b, 1);
		put_u16le(&b, 3 + GPU_VALUE_LEN);
		buf_put_u8(&b, 1);
		put_u16le(&b, GPU_VALUE_LEN);
		buf_put(&b, slice_of(value));
	}
	buf_put_u8(out, (uint8_t)n);
	put_u16le(out, b.len);
	buf_put_u8(out, 0);
	buf_put(out, buf_slice(&b));
}

static void put_switch_fields(const struct gpu_forge_device *d,
			      const struct gpu_forge_report *r, struct buf *out)
{
	uint8_t map[64 + 64] = { 0 };

	put_field(out, 6, S(GPU_FORGE_VBIOS));
	put_field(out, 22, slice_of(d->pdi));
	memcpy(map, r->pdi, 64);
	put_field(out, 26, slice_of(map));
}

static void put_gpu_fields(const struct gpu_forge_device *d,
			   const struct gpu_forge_report *r, struct buf *out)
{
	const uint8_t *v = r->vbios;
	const uint8_t vbios[] = { v[3], v[2], v[1], v[0], v[4], 0, 0, 0 };
	uint8_t fwid[GPU_VALUE_LEN];

	memcpy(fwid, d->fwid, sizeof(fwid));
	fwid[47] ^= r->other_fwid;
	put_field(out, 6, slice_of(vbios));
	if (r->driver != NULL)
		put_field(out, 3, slice_make(r->driver, strlen(r->driver) + 1));
	if (r->fwid)
		put_field(out, 20, slice_of(fwid));
	if (r->ppcie != 0)
		put_field(out, 21, slice_make(&r->ppcie, 1));
	if (r->nvdec0 != 0)
		put_field(out, 11, slice_make(&r->nvdec0, 1));
	if (r->n_pdis > 0)
		put_field(out, 22, slice_make(r->pdi, r->n_pdis * GPU_PDI_LEN));
	if (r->feature >= 0) {
		const uint8_t feature[] = { (uint8_t)r->feature, 0 };

		put_field(out, 36, slice_of(feature));
	}
}

/* An ECDSA signature as r and s of 48 bytes each. */
static void put_raw_signature(const struct keypair *key, struct slice msg,
			      struct buf *out)
{
	auto_buf struct buf der = buf_make(256);
	struct err err;

	EXPECT(keypair_sign(key, msg, &der, &err) == OK);
	struct der whole = der_make(buf_slice(&der));
	struct der s = der_enter(&whole, DER_SEQUENCE);
	for (int i = 0; i < 2; i++) {
		struct slice n = der_integer(&s);

		for (size_t pad = n.len; pad < 48; pad++)
			buf_put_u8(out, 0);
		buf_put(out, n);
	}
}

void gpu_forge_report(const struct gpu_forge_device *d,
		      const struct gpu_forge_report *r, struct buf *out)
{
	static const uint8_t request[] = { 0x11, 0xe0, 1, 0xff };
	static const uint8_t response[] = { 0x11, 0x60, 0, 0 };
	static const uint8_t nonce[GPU_NONCE_LEN] = { 7 };
	auto_buf struct buf opaque = buf_make(GPU_FORGE_MAX);

	buf_put(out, slice_of(request));
	buf_put(out, slice_of(r->nonce));
	buf_put_u8(out, 0);
	buf_put(out, slice_of(response));
	put_blocks(d, r, out);
	buf_put(out, slice_of(nonce));
	if (is_switch(d->chip))
		put_switch_fields(d, r, &opaque);
	else
		put_gpu_fields(d, r, &opaque);
	buf_put(&opaque, r->more);
	put_u16le(out, opaque.len);
	buf_put(out, buf_slice(&opaque));
	put_raw_signature(d->leaf.key, buf_slice(out), out);
}

/* ---- Reference values ---- */

struct gpu_forge_rim gpu_forge_rim_plain(const struct gpu_forge *f, bool vbios)
{
	return (struct gpu_forge_rim){
		.vbios = vbios,
		.version = vbios ? GPU_FORGE_VBIOS : GPU_FORGE_DRIVER,
		.product = chips[f->chip].product,
		.edition = chips[f->chip].edition,
	};
}

/* A GPU's driver has the odd indices, all else is the VBIOS's. */
static bool is_active(const struct gpu_forge *f, const struct gpu_forge_rim *r,
		      size_t index)
{
	if (r->none_active)
		return false;
	return r->conflict || is_switch(f->chip) ||
	       (index % 2 == 1) != r->vbios;
}

/* As canonical as it gets, so that it is what is signed. */
static void put_rows(const struct gpu_forge *f, const struct gpu_forge_rim *r,
		     struct buf *out)
{
	size_t n = is_switch(f->chip) ? BLOCKS_SWITCH : BLOCKS_GPU;

	for (size_t i = 0; i < n; i++) {
		uint8_t value[GPU_VALUE_LEN], other[GPU_VALUE_LEN] = { 0 };
		char hex[2][2 * GPU_VALUE_LEN + 1];

		value_of(i, value);
		text_hex_into(hex[0], sizeof(hex[0]), slice_of(other));
		text_hex_into(hex[1], sizeof(hex[1]), slice_of(value));
		buf_putf(out,
			 "\n<Resource active=\"%s\" alternatives=\"2\" "
			 "index=\"%zu\" name=\"Measurement_%zu\" size=\"48\" "
			 "type=\"Measurement\" ns2:Hash0=\"%s\" "
			 "ns2:Hash1=\"%s\"></Resource>",
			 is_active(f, r, i) ? "True" : "False", i, i, hex[0],
			 hex[1]);
	}
}

static void put_head(const struct gpu_forge *f, const struct gpu_forge_rim *r,
		     struct buf *out)
{
	buf_putf(out,
		 "<SoftwareIdentity xmlns=\"" SWID
		 "\" xmlns:ns2=\"" SHA384_SPACE
		 "\" name=\"%s\">\n<Entity name=\"Forger\"></Entity>\n"
		 "<Meta colloquialVersion=\"%s\" edition=\"%s\" "
		 "product=\"%s\"></Meta>\n<Payload>",
		 r->product, r->version, r->edition, r->product);
	put_rows(f, r, out);
	buf_put_str(out, r->payload == NULL ? "" : r->payload);
	buf_put_str(out, "</Payload>\n");
}

/* SignedInfo with these attributes in its tag. */
static void put_signed_info(const char *attrs, struct slice digest,
			    struct buf *out)
{
	buf_putf(out,
		 "<ds:SignedInfo%s><ds:CanonicalizationMethod "
		 "Algorithm=\"" C14N11
		 "\"></ds:CanonicalizationMethod><ds:SignatureMethod "
		 "Algorithm=\"" MORE
		 "ecdsa-sha384\"></ds:SignatureMethod><ds:Reference "
		 "URI=\"\"><ds:Transforms><ds:Transform Algorithm=\"" DSIG
		 "enveloped-signature\"></ds:Transform><ds:Transform "
		 "Algorithm=\"" C14N11
		 "\"></ds:Transform></ds:Transforms><ds:DigestMethod "
		 "Algorithm=\"" MORE
		 "sha384\"></ds:DigestMethod><ds:DigestValue>",
		 attrs);
	text_base64(out, digest);
	buf_put_str(out, "</ds:DigestValue></ds:Reference></ds:SignedInfo>");
}

static void put_signature(const struct gpu_forge *f, const struct pki_cert *by,
			  struct slice digest, struct buf *out)
{
	const struct pki_cert *certs[] = { by, &f->rim_l3, &f->rim_ca,
					   &f->rim_root };
	auto_buf struct buf info = buf_make(GPU_FORGE_MAX);
	auto_buf struct buf raw = buf_make(256);

	put_signed_info(" xmlns=\"" SWID "\" xmlns:ds=\"" DSIG
			"\" xmlns:ns2=\"" SHA384_SPACE "\"",
			digest, &info);
	put_raw_signature(by->key, buf_slice(&info), &raw);
	buf_put_str(out, "<ds:Signature xmlns:ds=\"" DSIG "\">");
	put_signed_info("", digest, out);
	buf_put_str(out, "<ds:SignatureValue>");
	text_base64(out, buf_slice(&raw));
	buf_put_str(out, "</ds:SignatureValue><ds:KeyInfo><ds:X509Data>");
	for (size_t i = 0; i < countof(certs); i++) {
		buf_put_str(out, "<ds:X509Certificate>\n");
		text_base64(out, buf_slice(&certs[i]->der));
		buf_put_str(out, "\n</ds:X509Certificate>");
	}
	buf_put_str(out, "</ds:X509Data></ds:KeyInfo></ds:Signature>");
}

void gpu_forge_rim(const struct gpu_forge *f, const struct gpu_forge_rim *r,
		   struct buf *out)
{
	auto_buf struct buf whole = buf_make(GPU_FORGE_MAX);
	uint8_t digest[GPU_VALUE_LEN];

	put_head(f, r, out);
	buf_put(&whole, buf_slice(out));
	buf_put_str(&whole, "</SoftwareIdentity>");
	sha384(buf_slice(&whole), digest);
	put_signature(f, r->signer == NULL ? &f->rim_signer : r->signer,
		      slice_of(digest), out);
	buf_put_str(out, "</SoftwareIdentity>\n");
	EXPECT(!out->bad);
}

struct gpu_case gpu_forge_case(const struct gpu_forge *f,
			       const struct gpu_forge_device *d,
			       const struct buf *report, const uint8_t *nonce)
{
	return (struct gpu_case){
		.report = buf_slice(report),
		.chain = buf_slice(&d->chain),
		.driver_rim =
			is_switch(f->chip) ? S("") : buf_slice(&f->driver_rim),
		.vbios_rim = buf_slice(&f->vbios_rim),
		.nonce = nonce,
		.roots = f->roots,
		.n_roots = 1,
		.rim_roots = f->rim_roots,
		.n_rim_roots = 1,
		.now = GPU_FORGE_NOW,
	};
}
