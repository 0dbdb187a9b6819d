#include "test/attest/tee/tdx_forge.h"

#include <stdlib.h>
#include <time.h>

#include "core/cleanup.h"
#include "core/text.h"

#define ROOM (64u << 10)
#define DAY ((int64_t)24 * 60 * 60)

static void must(bool good)
{
	if (!good)
		abort();
}

/* ---- DER ---- */

static void put(struct buf *out, uint8_t tag, struct slice content)
{
	must(content.len < 0x10000);
	buf_put_u8(out, tag);
	if (content.len >= 0x100) {
		buf_put_u8(out, 0x82);
		buf_put_u8(out, (uint8_t)(content.len >> 8));
	} else if (content.len >= 0x80) {
		buf_put_u8(out, 0x81);
	}
	buf_put_u8(out, (uint8_t)content.len);
	buf_put(out, content);
}

/* Wrap what is in `inner` and leave it empty. */
static void wrap(struct buf *out, uint8_t tag, struct buf *inner)
{
	put(out, tag, buf_slice(inner));
	buf_clear(inner);
}

static void put_u16(struct buf *out, unsigned v)
{
	uint8_t bytes[] = { 0, (uint8_t)(v >> 8), (uint8_t)v };
	size_t skip = v < 0x80 ? 2 : v < 0x8000 ? 1 : 0;

	put(out, DER_INTEGER, slice_from(slice_of(bytes), skip));
}

/* ecdsa-with-SHA256 */
static const uint8_t alg[] = { 0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86,
			       0x48, 0xce, 0x3d, 0x04, 0x03, 0x02 };

static void put_name(struct buf *out, const char *cn)
{
	static const uint8_t oid[] = { 0x06, 0x03, 0x55, 0x04, 0x03 };
	auto_buf struct buf a = buf_make(ROOM);
	auto_buf struct buf b = buf_make(ROOM);

	buf_put(&a, slice_of(oid));
	put(&a, DER_UTF8_STRING, slice_str(cn));
	wrap(&b, DER_SEQUENCE, &a);
	wrap(&a, DER_SET, &b);
	wrap(out, DER_SEQUENCE, &a);
}

static void put_time(struct buf *out, int64_t at)
{
	char text[32];
	time_t t = at;
	struct tm tm;

	must(gmtime_r(&t, &tm) != NULL &&
	     strftime(text, sizeof(text), "%Y%m%d%H%M%SZ", &tm) == 15);
	put(out, DER_GENERALIZED_TIME, slice_str(text));
}

static void put_extension(struct buf *out, struct slice oid, bool critical,
			  struct slice value)
{
	auto_buf struct buf e = buf_make(ROOM);
	uint8_t yes = 0xff;

	put(&e, DER_OID, oid);
	if (critical)
		put(&e, DER_BOOLEAN, slice_make(&yes, 1));
	put(&e, DER_OCTET_STRING, value);
	wrap(out, DER_SEQUENCE, &e);
}

/* ---- The SGX extension ---- */

/* An identifier below 1.2.840.113741.1.13.1: of one number, or two. */
static void put_sgx_oid(struct buf *out, uint8_t parent, uint8_t number)
{
	uint8_t oid[] = { 0x2a, 0x86, 0x48, 0x86,   0xf8,  0x4d,
			  0x01, 0x0d, 0x01, parent, number };

	put(out, DER_OID,
	    slice_make(oid, number == 0 ? sizeof(oid) - 1 : sizeof(oid)));
}

static void put_octets(struct buf *out, uint8_t parent, uint8_t number,
		       struct slice value)
{
	auto_buf struct buf m = buf_make(ROOM);

	put_sgx_oid(&m, parent, number);
	put(&m, DER_OCTET_STRING, value);
	wrap(out, DER_SEQUENCE, &m);
}

static void put_svn(struct buf *out, uint8_t number, unsigned v)
{
	auto_buf struct buf m = buf_make(ROOM);

	put_sgx_oid(&m, 2, number);
	put_u16(&m, v);
	wrap(out, DER_SEQUENCE, &m);
}

static void put_configuration(struct buf *out, const struct tdx_pck *p)
{
	const bool flags[] = { p->dynamic_platform, p->cached_keys, p->smt };
	auto_buf struct buf list = buf_make(ROOM);
	auto_buf struct buf member = buf_make(ROOM);

	for (uint8_t i = 0; i < countof(flags); i++) {
		uint8_t value = flags[i] ? 0xff : 0;

		put_sgx_oid(&member, 7, (uint8_t)(i + 1));
		put(&member, DER_BOOLEAN, slice_make(&value, 1));
		wrap(&list, DER_SEQUENCE, &member);
	}
	put_sgx_oid(&member, 7, 0);
	wrap(&member, DER_SEQUENCE, &list);
	wrap(out, DER_SEQUENCE, &member);
}

static void put_sgx(struct buf *out, const struct tdx_pck *p)
{
	auto_buf struct buf all = buf_make(ROOM);
	auto_buf struct buf tcb = buf_make(ROOM);
	auto_buf struct buf member = buf_make(ROOM);

	for (uint8_t i = 0; i < 16; i++)
		put_svn(&tcb, (uint8_t)(i + 1), p->cpu_svn[i]);
	put_svn(&tcb, 17, p->pce_svn);
	put_octets(&tcb, 2, 18, slice_of(p->cpu_svn));
	put_octets(&all, 1, 0, slice_of(p->ppid));
	put_sgx_oid(&member, 2, 0);
	wrap(&member, DER_SEQUENCE, &tcb);
	wrap(&all, DER_SEQUENCE, &member);
	put_octets(&all, 3, 0, slice_of(p->pce_id));
	put_octets(&all, 4, 0, slice_of(p->fmspc));
	put_sgx_oid(&member, 5, 0);
	put(&member, DER_ENUMERATED, slice_make(&p->sgx_type, 1));
	wrap(&all, DER_SEQUENCE, &member);
	if (p->has_instance)
		put_octets(&all, 6, 0, slice_of(p->instance));
	if (p->has_configuration)
		put_configuration(&all, p);
	wrap(out, DER_SEQUENCE, &all);
}

/* ---- Certificates and CRLs ---- */

/* Signed by key: content, alg, signature as a SEQUENCE. */
static void put_signed(struct buf *out, struct slice content,
		       const struct keypair *key)
{
	auto_buf struct buf all = buf_make(ROOM);
	auto_buf struct buf sig = buf_make(ROOM);
	struct err err;

	buf_put_u8(&sig, 0); /* bits that do not count */
	must(keypair_sign(key, content, &sig, &err) == OK);
	buf_put(&all, content);
	buf_put(&all, slice_of(alg));
	wrap(&all, DER_BIT_STRING, &sig);
	wrap(out, DER_SEQUENCE, &all);
}

static void put_extensions(struct buf *out, const struct tdx_forge *f,
			   enum tdx_forge_key who)
{
	static const uint8_t basic[] = { 0x55, 0x1d, 0x13 },
			     usage[] = { 0x55, 0x1d, 0x0f },
			     sgx[] = { 0x2a, 0x86, 0x48, 0x86, 0xf8,
				       0x4d, 0x01, 0x0d, 0x01 },
			     is_ca[] = { 0x30, 0x03, 0x01, 0x01, 0xff },
			     not_ca[] = { 0x30, 0x00 },
			     signs_certs[] = { 0x03, 0x02, 0x01, 0x06 },
			     signs[] = { 0x03, 0x02, 0x07, 0x80 };
	auto_buf struct buf list = buf_make(ROOM);
	auto_buf struct buf value = buf_make(ROOM);
	bool ca = who == TDX_FORGE_ROOT || who == TDX_FORGE_CA;

	put_extension(&list, slice_of(basic), true,
		      ca ? slice_of(is_ca) : slice_of(not_ca));
	put_extension(&list, slice_of(usage), true,
		      ca ? slice_of(signs_certs) : slice_of(signs));
	if (who == TDX_FORGE_PCK && !f->o.pck_plain) {
		put_sgx(&value, &f->o.pck);
		put_extension(&list, slice_of(sgx), false, buf_slice(&value));
		buf_clear(&value);
	}
	wrap(&value, DER_SEQUENCE, &list);
	wrap(out, DER_CONSTRUCTED | 3, &value);
}

static const char *name_of(const struct tdx_forge *f, enum tdx_forge_key who)
{
	const char *const names[] = {
		[TDX_FORGE_ROOT] = f->o.root_name,
		[TDX_FORGE_CA] = f->o.ca_name,
		[TDX_FORGE_PCK] = f->o.pck_name,
		[TDX_FORGE_SIGNER] = f->o.signer_name,
	};

	return names[who];
}

/* The serial number is the role. */
static void make_cert(struct tdx_forge *f, enum tdx_forge_key who,
		      enum tdx_forge_key issuer)
{
	static const uint8_t v3[] = { 0xa0, 0x03, 0x02, 0x01, 0x02 };
	auto_buf struct buf tbs = buf_make(ROOM);
	auto_buf struct buf part = buf_make(ROOM);

	buf_put(&part, slice_of(v3));
	put_u16(&part, who + 1);
	buf_put(&part, slice_of(alg));
	put_name(&part, name_of(f, issuer));
	put_time(&tbs, f->o.now - 30 * DAY);
	put_time(&tbs, who == TDX_FORGE_PCK	 ? f->o.pck_until
		       : who == TDX_FORGE_SIGNER ? f->o.signer_until
						 : f->o.now + 365 * DAY);
	wrap(&part, DER_SEQUENCE, &tbs);
	put_name(&part, name_of(f, who));
	buf_put(&part, buf_slice(&f->spki[who]));
	put_extensions(&part, f, who);
	wrap(&tbs, DER_SEQUENCE, &part);
	buf_clear(&f->cert[who]);
	if (who == TDX_FORGE_PCK && f->o.pck_by_root)
		issuer = TDX_FORGE_ROOT;
	put_signed(&f->cert[who], buf_slice(&tbs), f->key[issuer]);
}

static void put_revoked(struct buf *out, const struct tdx_forge *f,
			enum tdx_forge_key who)
{
	auto_buf struct buf entry = buf_make(ROOM);

	put_u16(&entry, who + 1);
	put_time(&entry, f->o.issued);
	wrap(out, DER_SEQUENCE, &entry);
}

static void make_crl(const struct tdx_forge *f, enum tdx_forge_key issuer,
		     struct buf *revoked, struct buf *out)
{
	auto_buf struct buf part = buf_make(ROOM);
	auto_buf struct buf tbs = buf_make(ROOM);

	put_u16(&part, 1); /* version 2 */
	buf_put(&part, slice_of(alg));
	put_name(&part, name_of(f, issuer));
	put_time(&part, f->o.issued);
	put_time(&part, f->o.next);
	if (revoked->len > 0)
		wrap(&part, DER_SEQUENCE, revoked);
	wrap(&tbs, DER_SEQUENCE, &part);
	buf_clear(out);
	put_signed(out, buf_slice(&tbs), f->key[issuer]);
}

static void make_crls(struct tdx_forge *f)
{
	auto_buf struct buf revoked = buf_make(ROOM);

	if (f->o.revoke_ca)
		put_revoked(&revoked, f, TDX_FORGE_CA);
	if (f->o.revoke_signer)
		put_revoked(&revoked, f, TDX_FORGE_SIGNER);
	make_crl(f, TDX_FORGE_ROOT, &revoked, &f->root_crl);
	buf_clear(&revoked);
	if (f->o.revoke_pck)
		put_revoked(&revoked, f, TDX_FORGE_PCK);
	make_crl(f, f->o.crl_by_root ? TDX_FORGE_ROOT : TDX_FORGE_CA, &revoked,
		 &f->pck_crl);
}

/* ---- Signatures of r, s ---- */

static void put_number(struct buf *out, struct slice n)
{
	for (size_t i = n.len; i < 32; i++)
		buf_put_u8(out, 0);
	buf_put(out, n);
}

static void sign_raw(const struct keypair *key, struct slice message,
		     struct buf *out)
{
	auto_buf struct buf sig = buf_make(ROOM);
	struct err err;

	must(keypair_sign(key, message, &sig, &err) == OK);
	struct der d = der_make(buf_slice(&sig));
	struct der rs = der_enter(&d, DER_SEQUENCE);
	put_number(out, der_integer(&rs));
	put_number(out, der_integer(&rs));
	must(!rs.bad);
}

/* ---- Documents ---- */

static void put_components(struct buf *out, const char *name, unsigned first,
			   unsigned third)
{
	buf_putf(out, "\"%s\":[", name);
	for (size_t i = 0; i < 16; i++)
		buf_putf(out, "%s{\"svn\":%u}", i == 0 ? "" : ",",
			 i == 0	  ? first
			 : i == 2 ? third
				  : 0);
	buf_put_str(out, "]");
}

static void put_status(struct buf *out, const char *status,
		       const char *advisories)
{
	buf_putf(out,
		 "\"tcbDate\":\"2024-03-13T00:00:00Z\",\"tcbStatus\":\"%s\"",
		 status);
	if (advisories != NULL)
		buf_putf(out, ",\"advisoryIDs\":%s", advisories);
	buf_put_str(out, "}");
}

static void put_levels(struct buf *out, const struct tdx_forge_options *o)
{
	buf_put_str(out, "\"tcbLevels\":[");
	for (size_t i = 0; i < o->n_levels; i++) {
		const struct tdx_forge_level *l = &o->level[i];

		buf_putf(out, "%s{\"tcb\":{", i == 0 ? "" : ",");
		put_components(out, "sgxtcbcomponents", l->sgx, 0);
		buf_putf(out, ",\"pcesvn\":%u,", l->pce);
		put_components(out, "tdxtcbcomponents", l->module, l->loader);
		buf_put_str(out, "},");
		put_status(out, l->status, l->advisories);
	}
	buf_put_str(out, "]");
}

static void put_isv_levels(struct buf *out, const struct tdx_forge_isv *l,
			   size_t n)
{
	buf_put_str(out, "\"tcbLevels\":[");
	for (size_t i = 0; i < n; i++) {
		buf_putf(out, "%s{\"tcb\":{\"isvsvn\":%u},", i == 0 ? "" : ",",
			 l[i].svn);
		put_status(out, l[i].status, l[i].advisories);
	}
	buf_put_str(out, "]");
}

static void put_validity(struct buf *out, const struct tdx_forge_options *o)
{
	char issued[TEXT_TIME_SIZE], next[TEXT_TIME_SIZE];

	text_time(issued, o->issued);
	text_time(next, o->next);
	buf_putf(out,
		 "\"issueDate\":\"%s\",\"nextUpdate\":\"%s\","
		 "\"tcbEvaluationDataNumber\":%u,",
		 issued, next, o->evaluation);
}

static void put_module(struct buf *out)
{
	char zeros[97];

	memset(zeros, '0', 96);
	zeros[96] = '\0';
	buf_putf(out,
		 "\"mrsigner\":\"%s\",\"attributes\":\"%.16s\","
		 "\"attributesMask\":\"FFFFFFFFFFFFFFFF\"",
		 zeros, zeros);
}

/* {"NAME":BODY,"signature":HEX} */
static void sign_document(const struct tdx_forge *f, const char *name,
			  struct slice body, struct buf *out)
{
	auto_buf struct buf sig = buf_make(ROOM);

	sign_raw(f->key[TDX_FORGE_SIGNER], body, &sig);
	buf_clear(out);
	buf_putf(out, "{\"%s\":", name);
	buf_put(out, body);
	buf_put_str(out, ",\"signature\":\"");
	text_hex(out, buf_slice(&sig));
	buf_put_str(out, "\"}");
}

static void make_tcb_info(struct tdx_forge *f)
{
	const struct tdx_forge_options *o = &f->o;
	auto_buf struct buf b = buf_make(ROOM);
	uint8_t fmspc[6], pce_id[2];

	buf_put_str(&b, "{\"id\":\"TDX\",\"version\":3,");
	put_validity(&b, o);
	memcpy(fmspc, o->pck.fmspc, sizeof(fmspc));
	memcpy(pce_id, o->pck.pce_id, sizeof(pce_id));
	fmspc[5] ^= o->other_fmspc;
	pce_id[1] ^= o->other_pce_id;
	buf_put_str(&b, "\"fmspc\":\"");
	text_hex(&b, slice_of(fmspc));
	buf_put_str(&b, "\",\"pceId\":\"");
	text_hex(&b, slice_of(pce_id));
	buf_put_str(&b, "\",\"tcbType\":0,\"tdxModule\":{");
	put_module(&b);
	buf_putf(&b, "},\"tdxModuleIdentities\":[{\"id\":\"%s\",",
		 o->module_id);
	put_module(&b);
	buf_put_str(&b, ",");
	put_isv_levels(&b, o->module, o->n_module);
	buf_put_str(&b, "}],");
	put_levels(&b, o);
	buf_put_str(&b, "}");
	sign_document(f, "tcbInfo", buf_slice(&b), &f->tcb_info);
}

static void make_qe_identity(struct tdx_forge *f)
{
	const struct tdx_forge_options *o = &f->o;
	auto_buf struct buf b = buf_make(ROOM);

	buf_put_str(&b, "{\"id\":\"TD_QE\",\"version\":2,");
	put_validity(&b, o);
	buf_put_str(&b, "\"miscselect\":\"00000000\","
			"\"miscselectMask\":\"FFFFFFFF\",\"attributes\":"
			"\"11000000000000000000000000000000\","
			"\"attributesMask\":"
			"\"FBFFFFFFFFFFFFFF0000000000000000\",\"mrsigner\":\"");
	for (size_t i = 0; i < 32; i++)
		buf_put_str(&b, "DC");
	buf_put_str(&b, "\",\"isvprodid\":2,");
	put_isv_levels(&b, o->qe_level, o->n_qe);
	buf_put_str(&b, "}");
	sign_document(f, "enclaveIdentity", buf_slice(&b), &f->qe_identity);
}

/* ---- The quote ---- */

static void put_le(struct buf *out, uint64_t v, size_t n)
{
	for (size_t i = 0; i < n; i++, v >>= 8)
		buf_put_u8(out, (uint8_t)v);
}

static void put_zeros(struct buf *out, size_t n)
{
	put_le(out, 0, n < 8 ? n : 8);
	if (n > 8)
		put_zeros(out, n - 8);
}

static void put_td(struct buf *out, const struct tdx_forge_options *o)
{
	const struct tdx_td *td = &o->td;

	buf_put(out, slice_of(td->tee_tcb_svn));
	buf_put(out, slice_of(td->mrseam));
	buf_put(out, slice_of(td->mrsignerseam));
	put_le(out, td->seam_attributes, 8);
	put_le(out, td->attributes, 8);
	put_le(out, td->xfam, 8);
	buf_put(out, slice_of(td->mrtd));
	buf_put(out, slice_of(td->mrconfigid));
	buf_put(out, slice_of(td->mrowner));
	buf_put(out, slice_of(td->mrownerconfig));
	for (size_t i = 0; i < 4; i++)
		buf_put(out, slice_of(td->rtmr[i]));
	buf_put(out, slice_of(td->report_data));
	if (o->body == TDX_BODY_15) {
		buf_put(out, slice_of(td->tee_tcb_svn2));
		buf_put(out, slice_of(td->mrservicetd));
	}
}

/* What the quote's signature is over. */
static void put_report(struct buf *out, const struct tdx_forge_options *o)
{
	static const uint8_t intel_qe[] = { 0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c,
					    0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3,
					    0x95, 0x7f, 0x06, 0x07 };

	put_le(out, o->version, 2);
	put_le(out, 2, 2);
	put_le(out, 0x81, 4);
	put_le(out, 0, 4);
	buf_put(out, slice_of(intel_qe));
	put_zeros(out, 20);
	if (o->version == 5) {
		put_le(out, o->body, 2);
		put_le(out, o->body == TDX_BODY_15 ? 648 : 584, 4);
	}
	put_td(out, o);
}

static void put_qe_report(struct buf *out, const struct tdx_forge *f,
			  struct slice key, struct slice auth)
{
	const struct tdx_qe *qe = &f->o.qe;
	const struct slice parts[] = { key, auth };
	uint8_t data[64] = { 0 };

	hash_parts(HASH_SHA256, parts, countof(parts), data);
	data[63] = f->o.qe_upper;
	buf_put(out, slice_of(qe->cpu_svn));
	buf_put(out, slice_of(qe->miscselect));
	put_zeros(out, 28);
	buf_put(out, slice_of(qe->attributes));
	buf_put(out, slice_of(qe->mrenclave));
	put_zeros(out, 32);
	buf_put(out, slice_of(qe->mrsigner));
	put_zeros(out, 96);
	put_le(out, qe->isv_prod_id, 2);
	put_le(out, qe->isv_svn, 2);
	put_zeros(out, 60);
	buf_put(out, slice_of(data));
}

static void make_quote(struct tdx_forge *f)
{
	auto_buf struct buf report = buf_make(ROOM);
	auto_buf struct buf data = buf_make(ROOM);
	auto_buf struct buf qe = buf_make(ROOM);
	auto_buf struct buf pem = buf_make(ROOM);
	struct slice auth = S("32 bytes that say nothing at all");
	struct slice key = slice_from(buf_slice(&f->spki[TDX_FORGE_AK]), 27);

	put_report(&report, &f->o);
	sign_raw(f->key[TDX_FORGE_AK], buf_slice(&report), &data);
	buf_put(&data, key);
	put_qe_report(&qe, f, key, auth);
	sign_raw(f->key[f->o.pck_other_key ? TDX_FORGE_CA : TDX_FORGE_PCK],
		 buf_slice(&qe), &qe);
	put_le(&qe, auth.len, 2);
	buf_put(&qe, auth);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_PCK]), &pem);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_CA]), &pem);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_ROOT]), &pem);
	put_le(&qe, 5, 2);
	put_le(&qe, pem.len, 4);
	buf_put(&qe, buf_slice(&pem));
	put_le(&data, 6, 2);
	put_le(&data, qe.len, 4);
	buf_put(&data, buf_slice(&qe));
	buf_clear(&f->quote);
	buf_put(&f->quote, buf_slice(&report));
	put_le(&f->quote, data.len, 4);
	buf_put(&f->quote, buf_slice(&data));
}

/* ---- All of it ---- */

static const struct tdx_forge_options good = {
	.version = 4,
	.body = TDX_BODY_10,
	.td = { .tee_tcb_svn = { 5, 1, 3 },
		.attributes = TDX_ATTR_SEPT_VE_DISABLE,
		.xfam = 0xe7,
		.mrtd = { 1 },
		.rtmr = { { 2 }, { 3 }, { 4 }, { 5 } } },
	.qe = { .attributes = { 0x11 }, .isv_prod_id = 2, .isv_svn = 6 },
	.pck = { .ppid = { 7 },
		 .cpu_svn = { 3 },
		 .pce_svn = 13,
		 .fmspc = { 0x90, 0xc0, 0x6f },
		 .sgx_type = 1,
		 .has_instance = true,
		 .instance = { 9 } },
	.pck_name = "Intel SGX PCK Certificate",
	.ca_name = "Intel SGX PCK Platform CA",
	.root_name = "Intel SGX Root CA",
	.signer_name = "Intel SGX TCB Signing",
	.n_levels = 2,
	.level = { { .sgx = 3,
		     .module = 9,
		     .loader = 3,
		     .pce = 13,
		     .status = "UpToDate" },
		   { .sgx = 2,
		     .module = 9,
		     .loader = 2,
		     .pce = 11,
		     .status = "OutOfDate",
		     .advisories = "[\"INTEL-SA-00837\"]" } },
	.n_module = 2,
	.module = { { 5, "UpToDate", NULL },
		    { 3, "OutOfDate", "[\"INTEL-SA-01036\"]" } },
	.n_qe = 2,
	.qe_level = { { 6, "UpToDate", NULL },
		      { 4, "OutOfDate", "[\"INTEL-SA-00477\"]" } },
	.module_id = "TDX_01",
	.evaluation = 18,
};

void tdx_forge_init(struct tdx_forge *f, int64_t now)
{
	struct err err;

	*f = (struct tdx_forge){ .o = good };
	f->o.now = now;
	f->o.pck_until = now + 300 * DAY;
	f->o.signer_until = now + 365 * DAY;
	f->o.issued = now - DAY;
	f->o.next = now + 29 * DAY;
	memset(f->o.qe.mrsigner, 0xdc, sizeof(f->o.qe.mrsigner));
	for (size_t i = 0; i < TDX_FORGE_KEYS; i++) {
		f->spki[i] = buf_make(ROOM);
		must(keypair_new(KEY_P256, &f->key[i], &err) == OK);
		must(keypair_spki(f->key[i], &f->spki[i], &err) == OK);
	}
	for (size_t i = 0; i < TDX_FORGE_AK; i++)
		f->cert[i] = buf_make(ROOM);
	sha256(buf_slice(&f->spki[TDX_FORGE_ROOT]), f->root[0]);
	struct buf *const all[] = { &f->quote,		&f->tcb_info,
				    &f->tcb_info_chain, &f->qe_identity,
				    &f->root_crl,	&f->pck_crl,
				    &f->pck_crl_chain };
	for (size_t i = 0; i < countof(all); i++)
		*all[i] = buf_make(ROOM);
}

void tdx_forge_done(struct tdx_forge *f)
{
	struct buf *const all[] = { &f->quote,		&f->tcb_info,
				    &f->tcb_info_chain, &f->qe_identity,
				    &f->root_crl,	&f->pck_crl,
				    &f->pck_crl_chain };

	for (size_t i = 0; i < TDX_FORGE_KEYS; i++) {
		keypair_free(f->key[i]);
		buf_done(&f->spki[i]);
	}
	for (size_t i = 0; i < TDX_FORGE_AK; i++)
		buf_done(&f->cert[i]);
	for (size_t i = 0; i < countof(all); i++)
		buf_done(all[i]);
}

void tdx_forge_make(struct tdx_forge *f)
{
	make_cert(f, TDX_FORGE_ROOT, TDX_FORGE_ROOT);
	make_cert(f, TDX_FORGE_CA, TDX_FORGE_ROOT);
	make_cert(f, TDX_FORGE_SIGNER, TDX_FORGE_ROOT);
	make_cert(f, TDX_FORGE_PCK, TDX_FORGE_CA);
	make_crls(f);
	make_tcb_info(f);
	make_qe_identity(f);
	make_quote(f);
	buf_clear(&f->tcb_info_chain);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_SIGNER]), &f->tcb_info_chain);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_ROOT]), &f->tcb_info_chain);
	buf_clear(&f->pck_crl_chain);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_CA]), &f->pck_crl_chain);
	x509_pem(buf_slice(&f->cert[TDX_FORGE_ROOT]), &f->pck_crl_chain);
}

struct tdx_case tdx_forge_case(const struct tdx_forge *f)
{
	return (struct tdx_case){
		.quote = buf_slice(&f->quote),
		.input = {
			.tcb_info = buf_slice(&f->tcb_info),
			.tcb_info_chain = buf_slice(&f->tcb_info_chain),
			.qe_identity = buf_slice(&f->qe_identity),
			.qe_identity_chain = buf_slice(&f->tcb_info_chain),
			.root_ca_crl = buf_slice(&f->root_crl),
			.pck_crl = buf_slice(&f->pck_crl),
			.pck_crl_chain = buf_slice(&f->pck_crl_chain),
		},
		.roots = f->root,
		.n_roots = 1,
		.now = f->o.now,
	};
}
