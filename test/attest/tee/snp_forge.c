#include "test/attest/tee/snp_forge.h"

#include <stdlib.h>

#include "attest/tee/snp_certs_table.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "test/attest/tee/snp_forge_rsa.h"

#define CERT_MAX 4096
#define ARC "1.3.6.1.4.1.3704.1."
#define YEAR_2020 1577836800
#define YEAR_2029 1861920000
#define YEAR_2045 2366841600
#define SALT_LEN 48
#define EC_SEED S("the chip's key of a forger, 32 or more bytes")

static void require(bool held)
{
	if (!held)
		abort();
}

/* ---- DER ---- */

static void put_tlv(struct buf *out, uint8_t tag, struct slice content)
{
	buf_put_u8(out, tag);
	if (content.len >= 0x100) {
		buf_put_u8(out, 0x82);
		buf_put_u16be(out, (uint16_t)content.len);
	} else {
		if (content.len >= 0x80)
			buf_put_u8(out, 0x81);
		buf_put_u8(out, (uint8_t)content.len);
	}
	buf_put(out, content);
}

static void put_buf(struct buf *out, uint8_t tag, const struct buf *content)
{
	put_tlv(out, tag, buf_slice(content));
}

static void put_number(struct buf *out, struct slice n)
{
	auto_buf struct buf v = buf_make(CERT_MAX);

	while (n.len > 1 && n.p[0] == 0)
		n = slice_from(n, 1);
	if ((n.p[0] & 0x80) != 0)
		buf_put_u8(&v, 0);
	buf_put(&v, n);
	put_buf(out, DER_INTEGER, &v);
}

static void put_u32(struct buf *out, uint32_t n)
{
	auto_buf struct buf v = buf_make(4);

	buf_put_u32be(&v, n);
	put_number(out, buf_slice(&v));
}

static void put_oid(struct buf *out, const char *dotted)
{
	auto_buf struct buf v = buf_make(CERT_MAX);
	struct slice rest = slice_str(dotted), part;
	uint64_t first = 0, n = 0;

	for (size_t i = 0; slice_split(&rest, '.', &part); i++) {
		require(slice_u64(part, &n) && n < 1u << 21);
		if (i == 0) {
			first = n;
			continue;
		}
		if (i == 1)
			n += 40 * first;
		for (int shift = 14; shift > 0; shift -= 7)
			if (n >> shift != 0)
				buf_put_u8(&v, (uint8_t)(0x80 | n >> shift));
		buf_put_u8(&v, (uint8_t)(n & 0x7f));
	}
	put_buf(out, DER_OID, &v);
}

static void put_bits(struct buf *out, struct slice bytes)
{
	auto_buf struct buf v = buf_make(CERT_MAX);

	buf_put_u8(&v, 0);
	buf_put(&v, bytes);
	put_buf(out, DER_BIT_STRING, &v);
}

/* UTCTime: "300101000000Z" of "2030-01-01T00:00:00Z". */
static void put_time(struct buf *out, int64_t at)
{
	static const uint8_t from[] = {
		2, 3, 5, 6, 8, 9, 11, 12, 14, 15, 17, 18
	};
	char text[TEXT_TIME_SIZE];
	uint8_t utc[13];

	text_time(text, at);
	for (size_t i = 0; i < sizeof(from); i++)
		utc[i] = (uint8_t)text[from[i]];
	utc[12] = 'Z';
	put_tlv(out, DER_UTC_TIME, slice_of(utc));
}

/* One RDN of a name. */
static void put_rdn(struct buf *out, const char *oid, uint8_t tag,
		    const char *text)
{
	auto_buf struct buf pair = buf_make(CERT_MAX), seq = buf_make(CERT_MAX);

	put_oid(&pair, oid);
	put_tlv(&pair, tag, slice_str(text));
	put_buf(&seq, DER_SEQUENCE, &pair);
	put_buf(out, DER_SET, &seq);
}

static void put_name(struct buf *out, const char *common_name)
{
	auto_buf struct buf n = buf_make(CERT_MAX);

	put_rdn(&n, "2.5.4.11", DER_UTF8_STRING, "Engineering");
	put_rdn(&n, "2.5.4.6", DER_PRINTABLE_STRING, "US");
	put_rdn(&n, "2.5.4.7", DER_UTF8_STRING, "Santa Clara");
	put_rdn(&n, "2.5.4.8", DER_UTF8_STRING, "CA");
	put_rdn(&n, "2.5.4.10", DER_UTF8_STRING, "Advanced Micro Devices");
	put_rdn(&n, "2.5.4.3", DER_UTF8_STRING, common_name);
	put_buf(out, DER_SEQUENCE, &n);
}

/* RSA-PSS with SHA-384 and MGF1 SHA-384 (RFC 4055 s3.1), the salt's length
 * last. */
static void put_alg(struct buf *out, size_t salt_len)
{
	static const uint8_t head[] = {
		0x30, 0x41, 0x06, 0x09, 0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d,
		0x01, 0x01, 0x0a, 0x30, 0x34, 0xa0, 0x0f, 0x30, 0x0d, 0x06,
		0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
		0x05, 0x00, 0xa1, 0x1c, 0x30, 0x1a, 0x06, 0x09, 0x2a, 0x86,
		0x48, 0x86, 0xf7, 0x0d, 0x01, 0x01, 0x08, 0x30, 0x0d, 0x06,
		0x09, 0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, 0x02,
		0x05, 0x00, 0xa2, 0x03, 0x02, 0x01,
	};

	buf_put(out, slice_of(head));
	buf_put_u8(out, (uint8_t)salt_len);
}

static void put_extension(struct buf *out, const char *oid, bool critical,
			  struct slice value)
{
	auto_buf struct buf e = buf_make(CERT_MAX);

	put_oid(&e, oid);
	if (critical)
		put_tlv(&e, DER_BOOLEAN, S("\xff"));
	put_tlv(&e, DER_OCTET_STRING, value);
	put_buf(out, DER_SEQUENCE, &e);
}

/* What is signed, its algorithm and signature: a certificate or a list. */
static void put_signed(struct buf *out, const struct buf *content,
		       const struct snp_forge_key *key, size_t salt_len)
{
	auto_buf struct buf all = buf_make(2 * CERT_MAX);
	uint8_t sig[SNP_FORGE_SIGNATURE_LEN];

	put_buf(&all, DER_SEQUENCE, content);
	snp_forge_rsa_sign(key, buf_slice(&all), salt_len, sig);
	put_alg(&all, salt_len);
	put_bits(&all, slice_of(sig));
	put_buf(out, DER_SEQUENCE, &all);
	require(!all.bad && !out->bad);
}

/* ---- Certificates ---- */

struct certificate {
	uint32_t serial;
	const char *issuer, *subject;
	int64_t not_before, not_after;
	struct slice spki, extensions;	 /* DER; extensions one after another */
	const struct snp_forge_key *key; /* the issuer's */
	size_t salt_len;
};

static void put_certificate(struct buf *out, const struct certificate *c)
{
	auto_buf struct buf t = buf_make(CERT_MAX), part = buf_make(CERT_MAX);
	auto_buf struct buf list = buf_make(CERT_MAX);

	put_tlv(&t, DER_CONSTRUCTED | 0, S("\x02\x01\x02")); /* version 3 */
	put_u32(&t, c->serial);
	put_alg(&t, c->salt_len);
	put_name(&t, c->issuer);
	put_time(&part, c->not_before);
	put_time(&part, c->not_after);
	put_buf(&t, DER_SEQUENCE, &part);
	put_name(&t, c->subject);
	buf_put(&t, c->spki);
	put_tlv(&list, DER_SEQUENCE, c->extensions);
	put_buf(&t, DER_CONSTRUCTED | 3, &list);
	require(!t.bad);
	put_signed(out, &t, c->key, c->salt_len);
}

static void put_rsa_spki(struct buf *out, const struct snp_forge_key *key)
{
	auto_buf struct buf all = buf_make(CERT_MAX), id = buf_make(CERT_MAX);
	auto_buf struct buf n = buf_make(CERT_MAX), pair = buf_make(CERT_MAX);

	put_oid(&id, "1.2.840.113549.1.1.1");
	put_tlv(&id, DER_NULL, S(""));
	put_buf(&all, DER_SEQUENCE, &id);
	put_number(&pair, slice_of(key->n));
	put_u32(&pair, 65537);
	put_buf(&n, DER_SEQUENCE, &pair);
	put_bits(&all, buf_slice(&n));
	put_buf(out, DER_SEQUENCE, &all);
}

/* A CA's: basicConstraints, and keyCertSign with cRLSign. */
static void put_ca(struct buf *out, uint32_t serial, const char *issuer,
		   const char *subject, const struct snp_forge_key *own,
		   const struct snp_forge_key *key)
{
	auto_buf struct buf spki = buf_make(CERT_MAX), ext = buf_make(CERT_MAX);

	put_rsa_spki(&spki, own);
	put_extension(&ext, "2.5.29.19", true, S("\x30\x03\x01\x01\xff"));
	put_extension(&ext, "2.5.29.15", true, S("\x03\x02\x01\x06"));
	const struct certificate c = {
		.serial = serial,
		.issuer = issuer,
		.subject = subject,
		.not_before = YEAR_2020,
		.not_after = YEAR_2045,
		.spki = buf_slice(&spki),
		.extensions = buf_slice(&ext),
		.key = key,
		.salt_len = SALT_LEN,
	};
	put_certificate(out, &c);
}

struct names {
	char ark[32], signer[32];
};

static struct names names_of(enum snp_product p, enum snp_key kind)
{
	struct names n;

	(void)snprintf(n.ark, sizeof(n.ark), "ARK-%s",
		       snp_report_product_name(p));
	(void)snprintf(n.signer, sizeof(n.signer), "SEV-%s%s",
		       kind == SNP_KEY_VLEK ? "VLEK-" : "",
		       snp_report_product_name(p));
	return n;
}

/* ---- The leaf ---- */

static void put_level(struct buf *out, const struct snp_forge *f,
		      const char *number, uint8_t level)
{
	auto_buf struct buf v = buf_make(8);
	char oid[64];

	if (f->without != NULL && strcmp(f->without, number) == 0)
		return;
	(void)snprintf(oid, sizeof(oid), ARC "%s", number);
	put_u32(&v, level);
	put_extension(out, oid, false, buf_slice(&v));
}

static void put_owner(struct buf *out, const struct snp_forge *f)
{
	auto_buf struct buf v = buf_make(CERT_MAX);

	if (f->key.hwid_len > 0)
		put_extension(out, ARC "4", false,
			      slice_make(f->key.hwid, f->key.hwid_len));
	if (f->key.csp_id[0] != '\0') {
		put_tlv(&v, DER_IA5_STRING, slice_str(f->key.csp_id));
		put_extension(out, ARC "5", false, buf_slice(&v));
	}
}

static void put_leaf_extensions(struct buf *out, const struct snp_forge *f)
{
	const struct snp_tcb *t = &f->key.tcb;
	auto_buf struct buf v = buf_make(CERT_MAX);

	put_level(out, f, "1", f->key.struct_version);
	if (f->without == NULL || strcmp(f->without, "2") != 0) {
		put_tlv(&v, DER_IA5_STRING, slice_str(f->key.product));
		put_extension(out, ARC "2", false, buf_slice(&v));
	}
	if (f->key.struct_version != 0)
		put_level(out, f, "3.9", t->fmc);
	put_level(out, f, "3.1", t->bootloader);
	put_level(out, f, "3.2", t->tee);
	put_level(out, f, "3.3", t->snp);
	put_level(out, f, "3.5", 0);
	put_level(out, f, "3.8", t->microcode);
	put_owner(out, f);
	if (f->beside != NULL)
		put_level(out, f, f->beside, 1);
}

static struct keypair *leaf_key(void)
{
	struct keypair *key = NULL;
	struct err err;

	require(keypair_from_seed(KEY_P384, EC_SEED, &key, &err) == OK);
	return key;
}

static void put_leaf(struct buf *out, const struct snp_forge *f)
{
	struct names n = names_of(f->product, f->signer);
	auto_keypair struct keypair *key = leaf_key();
	auto_buf struct buf spki = buf_make(CERT_MAX), ext = buf_make(CERT_MAX);
	const char *name =
		f->key.kind == SNP_KEY_VLEK ? "SEV-VLEK" : "SEV-VCEK";
	struct err err;

	require(keypair_spki(key, &spki, &err) == OK);
	put_leaf_extensions(&ext, f);
	const struct certificate c = {
		.serial = 0,
		.issuer = n.signer,
		.subject = f->leaf_name != NULL ? f->leaf_name : name,
		.not_before = f->not_before,
		.not_after = f->not_after,
		.spki = buf_slice(&spki),
		.extensions = buf_slice(&ext),
		.key = &snp_forge_key_ask,
		.salt_len = f->salt_len,
	};
	put_certificate(out, &c);
}

/* ---- The list ---- */

static void put_crl(struct buf *out, const struct snp_forge *f)
{
	auto_buf struct buf t = buf_make(CERT_MAX), list = buf_make(CERT_MAX);

	put_u32(&t, 1); /* version 2 */
	put_alg(&t, SALT_LEN);
	put_name(&t, names_of(f->product, f->signer).ark);
	put_time(&t, f->this_update);
	put_time(&t, f->next_update);
	for (size_t i = 0; i < f->n_revoked; i++) {
		auto_buf struct buf entry = buf_make(64);

		put_u32(&entry, f->revoked[i]);
		put_time(&entry, f->this_update);
		put_buf(&list, DER_SEQUENCE, &entry);
	}
	if (f->n_revoked > 0)
		put_buf(&t, DER_SEQUENCE, &list);
	put_signed(out, &t, &snp_forge_key_ark, SALT_LEN);
}

/* ---- The report ---- */

void snp_forge_tcb(const struct snp_tcb *t, enum snp_product p,
		   uint8_t out[static 8])
{
	memset(out, 0, 8);
	if (p == SNP_TURIN) {
		out[0] = t->fmc;
		out[1] = t->bootloader;
		out[2] = t->tee;
		out[3] = t->snp;
	} else {
		out[0] = t->bootloader;
		out[1] = t->tee;
		out[6] = t->snp;
	}
	out[7] = t->microcode;
}

#define PUT(at, member) memcpy(out + (at), &r->member, sizeof(r->member))
static void write_report(const struct snp_report *r,
			 uint8_t out[static SNP_REPORT_LEN])
{
	memset(out, 0, SNP_REPORT_LEN);
	PUT(0x000, version);
	PUT(0x004, guest_svn);
	PUT(0x008, policy);
	PUT(0x010, family_id);
	PUT(0x020, image_id);
	PUT(0x030, vmpl);
	PUT(0x034, signature_algo);
	PUT(0x038, current_tcb);
	PUT(0x040, platform_info);
	PUT(0x048, key_info);
	PUT(0x050, report_data);
	PUT(0x090, measurement);
	PUT(0x0c0, host_data);
	PUT(0x0e0, id_key_digest);
	PUT(0x110, author_key_digest);
	PUT(0x140, report_id);
	PUT(0x160, report_id_ma);
	PUT(0x180, reported_tcb);
	PUT(0x188, cpuid);
	PUT(0x1a0, chip_id);
	PUT(0x1e0, committed_tcb);
	PUT(0x1e8, current);
	PUT(0x1ec, committed);
	PUT(0x1f0, launch_tcb);
	PUT(0x1f8, launch_mit_vector);
	PUT(0x200, current_mit_vector);
}

/* r and s of a signature in DER, each 48 bytes of 72, little-endian. */
static void write_signature(struct slice der, uint8_t *out)
{
	struct der whole = der_make(der);
	struct der pair = der_enter(&whole, DER_SEQUENCE);

	for (int i = 0; i < 2; i++) {
		struct slice n = der_integer(&pair);

		require(!pair.bad && n.len <= SNP_NUMBER_LEN);
		for (size_t j = 0; j < n.len; j++)
			out[72 * i + (int)j] = n.p[n.len - 1 - j];
	}
}

void snp_forge_report(const struct snp_forge *f,
		      uint8_t out[static SNP_REPORT_LEN])
{
	auto_keypair struct keypair *key = leaf_key();
	auto_buf struct buf sig = buf_make(256);
	struct err err;

	write_report(&f->report, out);
	require(keypair_sign(key, slice_make(out, SNP_SIGNED_LEN), &sig,
			     &err) == OK);
	write_signature(buf_slice(&sig), out + SNP_SIGNED_LEN);
}

/* ---- All of it ---- */

static void init_report(struct snp_forge *f, uint32_t version)
{
	static const uint8_t cpus[SNP_PRODUCTS][3] = {
		[SNP_MILAN] = { 0x19, 0x01, 1 },
		[SNP_GENOA] = { 0x19, 0x11, 1 },
		[SNP_TURIN] = { 0x1a, 0x02, 1 },
	};
	struct snp_report *r = &f->report;

	r->version = version;
	r->policy = SNP_POLICY_ONE | SNP_POLICY_SMT | 0x1f;
	r->signature_algo = 1;
	r->platform_info =
		SNP_PLATFORM_SMT | SNP_PLATFORM_ECC | SNP_PLATFORM_ALIAS_CHECK;
	r->key_info = (uint32_t)f->key.kind << 2;
	memset(r->report_data, 0x33, sizeof(r->report_data));
	memset(r->measurement, 0x11, sizeof(r->measurement));
	memset(r->host_data, 0x22, sizeof(r->host_data));
	memset(r->report_id, 0x44, sizeof(r->report_id));
	memset(r->report_id_ma, 0xff, sizeof(r->report_id_ma));
	if (version >= 3)
		memcpy(r->cpuid, cpus[f->product], sizeof(r->cpuid));
	memcpy(r->chip_id, f->key.hwid, sizeof(r->chip_id));
	r->current = r->committed = (struct snp_firmware){ 40, 55, 1 };
	snp_forge_tcb(&f->key.tcb, f->product, r->current_tcb);
	memcpy(r->reported_tcb, r->current_tcb, 8);
	memcpy(r->committed_tcb, r->current_tcb, 8);
	memcpy(r->launch_tcb, r->current_tcb, 8);
	if (version >= 5)
		r->launch_mit_vector = r->current_mit_vector = 0x0b;
}

void snp_forge_init(struct snp_forge *f, enum snp_product product,
		    enum snp_key key, uint32_t version)
{
	*f = (struct snp_forge){
		.key = { .kind = key,
			 .struct_version = product == SNP_TURIN,
			 .tcb = { product == SNP_TURIN, 9, 1, 23, 130 } },
		.product = product,
		.signer = key,
		.salt_len = SALT_LEN,
		.not_before = YEAR_2029,
		.not_after = YEAR_2045 - 1,
		.this_update = YEAR_2029,
		.next_update = SNP_FORGE_NOW + 86400,
	};
	(void)snprintf(f->key.product, sizeof(f->key.product), "%s",
		       snp_report_product_name(product));
	if (key == SNP_KEY_VCEK) {
		f->key.hwid_len = product == SNP_TURIN ? 8 : 64;
		memset(f->key.hwid, 0xc5, f->key.hwid_len);
	} else {
		(void)snprintf(f->key.csp_id, sizeof(f->key.csp_id),
			       "CN=cc-forged.example");
	}
	init_report(f, version);
}

static void put_u32le(struct buf *out, size_t n)
{
	for (int i = 0; i < 4; i++)
		buf_put_u8(out, (uint8_t)(n >> 8 * i));
}

static void make_table(struct snp_forged *f, enum snp_key kind)
{
	const struct {
		enum snp_certs_entry entry;
		const struct buf *content;
	} rows[] = {
		{ kind == SNP_KEY_VLEK ? SNP_ENTRY_VLEK : SNP_ENTRY_VCEK,
		  &f->leaf },
		{ SNP_ENTRY_ASK, &f->signer },
		{ SNP_ENTRY_ARK, &f->ark },
		{ SNP_ENTRY_CRL, &f->crl },
	};
	static const uint8_t last[SNP_CERTS_TABLE_ENTRY_LEN];
	size_t n = f->crl.len > 0 ? countof(rows) : countof(rows) - 1;
	size_t at = (n + 1) * SNP_CERTS_TABLE_ENTRY_LEN;

	for (size_t i = 0; i < n; i++) {
		buf_put(&f->table,
			slice_make(snp_certs_table_guid(rows[i].entry), 16));
		put_u32le(&f->table, at);
		put_u32le(&f->table, rows[i].content->len);
		at += rows[i].content->len;
	}
	buf_put(&f->table, slice_of(last));
	for (size_t i = 0; i < n; i++)
		buf_put(&f->table, buf_slice(rows[i].content));
}

void snp_forge_make(const struct snp_forge *f, struct snp_forged *out)
{
	struct names n = names_of(f->product, f->signer);
	auto_buf struct buf spki = buf_make(CERT_MAX);

	memset(out, 0, sizeof(*out));
	out->leaf = out->signer = out->ark = out->crl = buf_make(CERT_MAX);
	out->chain = out->table = buf_make(8 * CERT_MAX);
	put_ca(&out->ark, SNP_FORGE_ARK_SERIAL, n.ark, n.ark,
	       &snp_forge_key_ark, &snp_forge_key_ark);
	put_ca(&out->signer, SNP_FORGE_SIGNER_SERIAL, n.ark, n.signer,
	       &snp_forge_key_ask, &snp_forge_key_ark);
	put_leaf(&out->leaf, f);
	if (f->crl)
		put_crl(&out->crl, f);
	x509_pem(buf_slice(&out->signer), &out->chain);
	x509_pem(buf_slice(&out->ark), &out->chain);
	make_table(out, f->key.kind);
	put_rsa_spki(&spki, &snp_forge_key_ark);
	sha256(buf_slice(&spki), out->root[0]);
	snp_forge_report(f, out->report);
	require(!out->chain.bad && !out->table.bad && !spki.bad);
}

void snp_forged_done(struct snp_forged *out)
{
	buf_done(&out->leaf);
	buf_done(&out->signer);
	buf_done(&out->ark);
	buf_done(&out->crl);
	buf_done(&out->chain);
	buf_done(&out->table);
}

struct snp_case snp_forge_case(const struct snp_forged *f)
{
	return (struct snp_case){
		.report = slice_of(f->report),
		.collateral = { .leaf = buf_slice(&f->leaf),
				.chain = buf_slice(&f->chain),
				.crl = buf_slice(&f->crl) },
		.roots = f->root,
		.n_roots = 1,
		.now = SNP_FORGE_NOW,
	};
}
