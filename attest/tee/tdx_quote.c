#include "attest/tee/tdx_quote.h"

#include <assert.h>

#include "core/cleanup.h"

#define HEADER_LEN 48
#define BODY_10_LEN 584
#define BODY_15_LEN 648
#define QE_REPORT_LEN 384
#define KEY_ECDSA_P256 2
#define TEE_TDX 0x81
#define CERT_QE_REPORT 6 /* the QE's report and what certifies it */
#define CERT_PCK_CHAIN 5 /* PEM: PCK certificate, its CA, the root */

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__,
	      "fields are copied as they lie");

/* clang-format off */
static const uint8_t intel_qe[16] = {
	0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9,
	0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
};

/* One row a field: where it lies, and where we keep it. */
struct field { uint16_t at, len, to; };

#define FIELD(s, at, m) \
	{ at, sizeof(((struct s *)0)->m), offsetof(struct s, m) }
static const struct field td_fields[] = {
	FIELD(tdx_td, 0, tee_tcb_svn),
	FIELD(tdx_td, 16, mrseam),
	FIELD(tdx_td, 64, mrsignerseam),
	FIELD(tdx_td, 112, seam_attributes),
	FIELD(tdx_td, 120, attributes),
	FIELD(tdx_td, 128, xfam),
	FIELD(tdx_td, 136, mrtd),
	FIELD(tdx_td, 184, mrconfigid),
	FIELD(tdx_td, 232, mrowner),
	FIELD(tdx_td, 280, mrownerconfig),
	FIELD(tdx_td, 328, rtmr),
	FIELD(tdx_td, 520, report_data),
	FIELD(tdx_td, 584, tee_tcb_svn2),
	FIELD(tdx_td, 600, mrservicetd),
};

static const struct field qe_fields[] = {
	FIELD(tdx_qe, 0, cpu_svn),
	FIELD(tdx_qe, 16, miscselect),
	FIELD(tdx_qe, 48, attributes),
	FIELD(tdx_qe, 64, mrenclave),
	FIELD(tdx_qe, 128, mrsigner),
	FIELD(tdx_qe, 256, isv_prod_id),
	FIELD(tdx_qe, 258, isv_svn),
	FIELD(tdx_qe, 320, report_data),
};

/* Reserved in the QE's report. */
static const struct { uint16_t from, to; } qe_reserved[] = {
	{ 20, 32 }, { 96, 128 }, { 160, 192 }, { 262, 304 },
};

/* What the lengths of a body are, by its type. */
static const struct { enum tdx_body type; uint16_t len; } bodies[] = {
	{ TDX_BODY_10, BODY_10_LEN },
	{ TDX_BODY_15, BODY_15_LEN },
};
/* clang-format on */

/* Copy the fields that lie within raw; those behind it stay as they are. */
static void copy_fields(const struct field *fields, size_t n, struct slice raw,
			void *to)
{
	for (size_t i = 0; i < n; i++)
		if (fields[i].at + fields[i].len <= raw.len)
			memcpy((uint8_t *)to + fields[i].to,
			       raw.p + fields[i].at, fields[i].len);
}

static enum status cut_short(const char *where, struct err *err)
{
	return err_set(err, E_PARSE, "tdx quote: it ends within the %s", where);
}

static enum status want(uint32_t found, uint32_t expected, const char *what,
			struct err *err)
{
	if (found == expected)
		return OK;
	return err_set(err, E_PARSE, "tdx quote: expected %s %#x, found %#x",
		       what, expected, found);
}

static enum status parse_header(struct cursor *c, struct tdx_quote *q,
				struct err *err)
{
	q->version = cursor_u16le(c);
	uint16_t key_type = cursor_u16le(c);
	uint32_t tee = cursor_u32le(c);
	uint32_t reserved = cursor_u32le(c);
	struct slice vendor = cursor_bytes(c, sizeof(intel_qe));
	struct slice user = cursor_bytes(c, sizeof(q->user_data));

	if (c->bad)
		return cut_short("header", err);
	if (q->version != 4 && q->version != 5)
		return err_set(err, E_PARSE,
			       "tdx quote: expected version 4 or 5, found %u",
			       q->version);
	TRY(want(key_type, KEY_ECDSA_P256, "key type", err));
	TRY(want(tee, TEE_TDX, "TEE type", err));
	TRY(want(reserved, 0, "reserved header bytes", err));
	if (!slice_eq(vendor, slice_of(intel_qe)))
		return err_set(err, E_PARSE,
			       "tdx quote: expected Intel's quoting enclave, "
			       "found another vendor's");
	memcpy(q->user_data, user.p, user.len);
	return OK;
}

/* Version 5 says what its body is; that of version 4 is of one kind. */
static enum status parse_body_type(struct cursor *c, struct tdx_quote *q,
				   size_t *len, struct err *err)
{
	uint16_t type = TDX_BODY_10;
	uint32_t said = BODY_10_LEN;

	if (q->version == 5) {
		type = cursor_u16le(c);
		said = cursor_u32le(c);
	}
	if (c->bad)
		return cut_short("body's type", err);
	for (size_t i = 0; i < countof(bodies); i++) {
		if (bodies[i].type != type)
			continue;
		q->body = bodies[i].type;
		*len = bodies[i].len;
		return want(said, bodies[i].len, "a body of size", err);
	}
	return err_set(err, E_PARSE,
		       "tdx quote: expected a body of type 2 or 3 (a TD "
		       "report), found %u",
		       type);
}

static enum status parse_body(struct cursor *c, struct tdx_quote *q,
			      struct err *err)
{
	size_t len = 0;

	TRY(parse_body_type(c, q, &len, err));
	struct slice body = cursor_bytes(c, len);
	if (c->bad)
		return cut_short("TD report", err);
	copy_fields(td_fields, countof(td_fields), body, &q->td);
	return OK;
}

/* The u16 type and u32 length in front of certification data. */
static enum status parse_cert_head(struct cursor *c, uint16_t type,
				   const char *what, struct err *err)
{
	uint16_t found = cursor_u16le(c);
	uint32_t len = cursor_u32le(c);

	if (c->bad)
		return cut_short("certification data", err);
	if (found != type)
		return err_set(err, E_PARSE,
			       "tdx quote: expected certification data of "
			       "type %u (%s), found type %u",
			       type, what, found);
	if (len != c->rest.len)
		return err_set(err, E_PARSE,
			       "tdx quote: expected %zu bytes of "
			       "certification data of type %u, found a length "
			       "of %u",
			       c->rest.len, type, len);
	return OK;
}

static enum status parse_qe_report(struct tdx_quote *q, struct err *err)
{
	for (size_t i = 0; i < countof(qe_reserved); i++)
		if (!all_zero(q->qe_report.p + qe_reserved[i].from,
			      qe_reserved[i].to - qe_reserved[i].from))
			return err_set(err, E_PARSE,
				       "tdx quote: expected zero in the "
				       "reserved bytes at %u of the quoting "
				       "enclave's report, found others",
				       qe_reserved[i].from);
	copy_fields(qe_fields, countof(qe_fields), q->qe_report, &q->qe);
	return OK;
}

/* The signature, the key that made it, and what certifies that key. */
static enum status parse_signature_data(struct slice data, struct tdx_quote *q,
					struct err *err)
{
	struct cursor c = cursor_make(data);

	q->signature = cursor_bytes(&c, 64);
	q->key = cursor_bytes(&c, 64);
	TRY(parse_cert_head(&c, CERT_QE_REPORT, "the quoting enclave's report",
			    err));
	q->qe_report = cursor_bytes(&c, QE_REPORT_LEN);
	q->qe_signature = cursor_bytes(&c, 64);
	q->auth = cursor_bytes(&c, cursor_u16le(&c));
	if (c.bad)
		return cut_short("quoting enclave's report", err);
	TRY(parse_cert_head(&c, CERT_PCK_CHAIN, "a PCK certificate chain",
			    err));
	q->pem = c.rest;
	/* Some quoting libraries count the string's NUL, others do not. */
	if (q->pem.len > 0 && q->pem.p[q->pem.len - 1] == '\0')
		q->pem.len--;
	return parse_qe_report(q, err);
}

enum status tdx_quote_parse(struct slice raw, struct tdx_quote *out,
			    struct err *err)
{
	struct cursor c = cursor_make(raw);
	struct tdx_quote q = { 0 };

	if (raw.len > TDX_QUOTE_MAX)
		return err_set(err, E_LIMIT,
			       "tdx quote: %zu bytes, want at most %u", raw.len,
			       TDX_QUOTE_MAX);
	TRY(parse_header(&c, &q, err));
	TRY(parse_body(&c, &q, err));
	q.signed_part = slice_sub(raw, 0, raw.len - c.rest.len);

	uint32_t len = cursor_u32le(&c);
	struct slice data = cursor_bytes(&c, len);
	if (c.bad)
		return err_set(err, E_PARSE,
			       "tdx quote: expected signature data of the "
			       "length that stands there, found less");
	TRY(parse_signature_data(data, &q, err));
	if (!all_zero(c.rest.p, c.rest.len))
		return err_set(err, E_PARSE,
			       "tdx quote: expected nothing but zeros behind "
			       "the quote, found other bytes");
	q.whole = slice_sub(raw, 0, raw.len - c.rest.len);
	*out = q;
	return OK;
}
