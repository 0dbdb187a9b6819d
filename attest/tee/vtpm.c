#include "attest/tee/vtpm.h"

#include "attest/tee/snp_report.h"
#include "attest/tee/tdx_quote.h"
#include "core/cleanup.h"
#include "core/text.h"
#include "core/x509.h"

#define AREA_LEN SNP_REPORT_LEN /* bytes, of either kind of report */
#define TDREPORT_LEN 1024
#define HEAD_LEN 32	 /* before the area */
#define DATA_HEAD_LEN 20 /* between area and runtime data */
#define SNP_DATA_AT 0x50 /* report data, in the area */
#define TDX_DATA_AT 128
#define DATA_LEN 64
#define QUOTE_MAGIC 0xff544347 /* TPM_GENERATED_VALUE */
#define QUOTE_TYPE 0x8018      /* TPM_ST_ATTEST_QUOTE */
#define ALG_SHA256 0x000b
#define NAME_MAX_LEN 68 /* bytes of a TPM2B_NAME */
#define AK_BYTES 256
#define MASK_TEXT 96 /* "0-3,7,9-23": at most 12 ranges */

#define HCL "Azure, guest attestation design, attestation report"
#define TPM "TPM 2.0 Library, Part 2, TPMS_ATTEST"

/* clang-format off */
static const struct trace_rule
rule_hcl = { "vtpm.hcl.form", E_PARSE,
	"the HCL report is not of a form that we know", HCL },
rule_ak = { "vtpm.ak", E_PARSE,
	"the runtime data do not name one attestation key as they should",
	HCL },
rule_binding = { "vtpm.binding", E_CRYPTO,
	"the CPU's report is not about these runtime data", HCL },
rule_td_quote = { "vtpm.binding.quote", E_CRYPTO,
	"the TD quote is not about these runtime data", HCL },
rule_quote = { "vtpm.quote.form", E_PARSE,
	"the TPM's quote is not of a form that we know", TPM },
rule_signature = { "vtpm.quote.signature", E_CRYPTO,
	"the quote is not signed by the attestation key", TPM },
rule_nonce = { "vtpm.quote.nonce", E_CRYPTO,
	"the quote was not made for this nonce", TPM },
rule_values = { "vtpm.pcrs.form", E_PARSE,
	"the PCR values are not of their form", "confd-verify(1)" },
rule_pcrs = { "vtpm.quote.pcrs", E_CRYPTO,
	"the PCR values are not those that were quoted", TPM };

const char *const vtpm_verify_mandatory[] = {
	"vtpm.hcl.form", "vtpm.ak", "vtpm.binding", "vtpm.quote.form",
	"vtpm.quote.signature", "vtpm.pcrs.form", "vtpm.quote.pcrs",
};
/* clang-format on */
const size_t vtpm_verify_n_mandatory = countof(vtpm_verify_mandatory);

/* ---- The HCL report ---- */

static enum status parse_head(struct cursor *c, uint32_t *size, struct err *err)
{
	struct slice magic = cursor_bytes(c, 4);
	uint32_t version = cursor_u32le(c);

	*size = cursor_u32le(c);
	uint32_t type = cursor_u32le(c);
	uint32_t status = cursor_u32le(c);
	struct slice reserved = cursor_bytes(c, 12);
	if (c->bad || !slice_eq(magic, S("HCLA")))
		return err_set(err, E_PARSE,
			       "HCL report: expected HCLA at the start");
	if (version < 1 || version > 2)
		return err_set(err, E_PARSE,
			       "HCL report: expected version 1 or 2, found %u",
			       version);
	if (type != 2 || status != 0 || !all_zero(reserved.p, reserved.len))
		return err_set(err, E_PARSE,
			       "HCL report: expected type 2, status 0 and "
			       "reserved bytes of zero, found type %u, "
			       "status %u",
			       type, status);
	return OK;
}

static enum status parse_data(struct cursor *c, uint32_t size,
			      struct vtpm_hcl *out, struct err *err)
{
	uint32_t data_size = cursor_u32le(c);
	uint32_t version = cursor_u32le(c);
	uint32_t cpu = cursor_u32le(c);
	uint32_t hash = cursor_u32le(c);
	uint32_t var_size = cursor_u32le(c);

	if (version != 1 || hash != 1 || (cpu != VTPM_SNP && cpu != VTPM_TDX))
		return err_set(err, E_PARSE,
			       "HCL report: expected data version 1, report "
			       "type 2 (SNP) or 4 (TDX), hash type 1 "
			       "(SHA-256), found %u, %u, %u",
			       version, cpu, hash);
	if (var_size > VTPM_HCL_MAX || data_size != DATA_HEAD_LEN + var_size ||
	    size != HEAD_LEN + AREA_LEN + data_size || var_size > c->rest.len)
		return err_set(err, E_PARSE,
			       "HCL report: its sizes do not fit: %u in all, "
			       "%u with the data's head, %u of runtime data",
			       size, data_size, var_size);
	out->cpu = (enum vtpm_cpu)cpu;
	out->runtime = cursor_bytes(c, var_size);
	return OK;
}

enum status vtpm_parse_hcl(struct slice raw, struct vtpm_hcl *out,
			   struct err *err)
{
	struct cursor c = cursor_make(raw);
	struct vtpm_hcl h = { 0 };
	uint32_t size;

	if (raw.len > VTPM_HCL_MAX ||
	    raw.len < HEAD_LEN + AREA_LEN + DATA_HEAD_LEN)
		return err_set(err, E_PARSE,
			       "HCL report: expected %d to %d bytes, found %zu",
			       HEAD_LEN + AREA_LEN + DATA_HEAD_LEN,
			       VTPM_HCL_MAX, raw.len);
	TRY(parse_head(&c, &size, err));
	struct slice area = cursor_bytes(&c, AREA_LEN);
	TRY(parse_data(&c, size, &h, err));
	if (!all_zero(c.rest.p, c.rest.len))
		return err_set(err, E_PARSE,
			       "HCL report: there is something behind the "
			       "runtime data");
	bool tdx = h.cpu == VTPM_TDX;
	h.report = slice_sub(area, 0, tdx ? TDREPORT_LEN : SNP_REPORT_LEN);
	struct slice rest = slice_from(area, h.report.len);
	if (!all_zero(rest.p, rest.len))
		return err_set(err, E_PARSE,
			       "HCL report: there is something behind the "
			       "TDREPORT");
	h.report_data =
		slice_sub(area, tdx ? TDX_DATA_AT : SNP_DATA_AT, DATA_LEN);
	*out = h;
	return OK;
}

/* ---- The quote ---- */

/* A u16be length and that many bytes (TPM2B). */
static struct slice take_2b(struct cursor *c)
{
	return cursor_bytes(c, cursor_u16be(c));
}

/* One bank of 24 PCRs: what PC Client TPMs have. */
static enum status parse_selection(struct cursor *c, uint32_t *selected,
				   struct err *err)
{
	uint32_t count = cursor_u32be(c);
	uint16_t alg = cursor_u16be(c);
	uint8_t size = cursor_u8(c);

	if (count != 1 || alg != ALG_SHA256 || size != VTPM_PCRS / 8)
		return err_set(err, E_PARSE,
			       "quote: expected one selection of PCRs, of "
			       "SHA-256, in 3 bytes, found %u, the first of "
			       "algorithm %#x in %u bytes",
			       count, alg, size);
	*selected = 0;
	for (unsigned i = 0; i < VTPM_PCRS / 8; i++)
		*selected |= (uint32_t)cursor_u8(c) << 8 * i;
	if (*selected == 0)
		return err_set(err, E_PARSE, "quote: expected some PCR");
	return OK;
}

enum status vtpm_parse_quote(struct slice raw, struct vtpm_quote *out,
			     struct err *err)
{
	struct cursor c = cursor_make(raw);
	struct vtpm_quote q = { 0 };
	uint32_t magic = cursor_u32be(&c);
	uint16_t type = cursor_u16be(&c);

	if (magic != QUOTE_MAGIC || type != QUOTE_TYPE)
		return err_set(err, E_PARSE,
			       "quote: expected magic %#x and type %#x, found "
			       "%#x and %#x",
			       QUOTE_MAGIC, QUOTE_TYPE, magic, type);
	struct slice signer = take_2b(&c);
	q.nonce = take_2b(&c);
	q.clock = cursor_u64be(&c);
	q.resets = cursor_u32be(&c);
	q.restarts = cursor_u32be(&c);
	uint8_t safe = cursor_u8(&c);
	(void)cursor_u64be(&c); /* firmware version */
	if (c.bad || signer.len > NAME_MAX_LEN ||
	    q.nonce.len > VTPM_NONCE_MAX || safe > 1)
		return err_set(err, E_PARSE,
			       "quote: a length or flag is not possible");
	TRY(parse_selection(&c, &q.selected, err));
	q.digest = take_2b(&c);
	TRY(cursor_end(&c, "quote", err));
	if (q.digest.len != 32)
		return err_set(err, E_PARSE,
			       "quote: expected a digest of 32 bytes, found "
			       "%zu",
			       q.digest.len);
	*out = q;
	return OK;
}

/* PCR numbers as ranges. */
static void mask_text(uint32_t mask, char out[static MASK_TEXT])
{
	size_t at = 0;

	out[0] = '\0';
	for (unsigned i = 0; i < VTPM_PCRS; i++) {
		unsigned first = i;

		if ((mask >> i & 1) == 0)
			continue;
		while (i + 1 < VTPM_PCRS && (mask >> (i + 1) & 1) != 0)
			i++;
		at += (size_t)snprintf(out + at, MASK_TEXT - at,
				       i > first ? "%s%u-%u" : "%s%u",
				       at > 0 ? "," : "", first, i);
	}
}

/* ---- The attestation key ---- */

static enum status find_ak(const struct json *root, const struct json **out,
			   struct err *err)
{
	const struct json *keys, *found = NULL;

	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_member(root, "keys", JSON_ARRAY, &keys, err));
	for (const struct json *k = json_first(keys); k != NULL;
	     k = json_next(k)) {
		struct slice kid;

		TRY(json_want(k, JSON_OBJECT, err));
		TRY(json_want_str(k, "kid", &kid, err));
		if (!slice_eq_str(kid, "HCLAkPub"))
			continue;
		if (found != NULL)
			return err_set(err, E_PARSE,
				       "runtime data: HCLAkPub is there twice");
		found = k;
	}
	if (found == NULL)
		return err_set(err, E_PARSE,
			       "runtime data: expected a key of kid HCLAkPub");
	*out = found;
	return OK;
}

static enum status parse_ak(struct slice runtime, struct buf *n,
			    struct err *err)
{
	struct json *tree = NULL;
	const struct json *ak;
	struct slice kty, exponent, modulus;

	TRY(json_parse(runtime, &tree, err));
	auto_json struct json *root = tree;
	TRY(find_ak(root, &ak, err));
	TRY(json_want_str(ak, "kty", &kty, err));
	TRY(json_want_str(ak, "e", &exponent, err));
	TRY(json_want_str(ak, "n", &modulus, err));
	if (!slice_eq_str(kty, "RSA") || !slice_eq_str(exponent, "AQAB"))
		return err_set(err, E_PARSE,
			       "HCLAkPub: expected kty RSA and e AQAB");
	TRY(text_unbase64url(modulus, n, "HCLAkPub's n", err));
	if (n->len != AK_BYTES || (buf_slice(n).p[0] & 0x80) == 0)
		return err_set(err, E_PARSE,
			       "HCLAkPub: expected n of 2048 bits, found %zu "
			       "bytes",
			       n->len);
	return OK;
}

/* ---- The PCR values ---- */

struct values {
	uint32_t given; /* bit i: there is a value */
	uint8_t pcr[VTPM_PCRS][32];
};

static enum status parse_values(struct slice text, struct values *out,
				struct err *err)
{
	struct json *tree = NULL;
	const struct json *list;
	struct slice bank;
	size_t i = 0;

	TRY(json_parse(text, &tree, err));
	auto_json struct json *root = tree;
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_want_str(root, "bank", &bank, err));
	TRY(json_want_member(root, "pcrs", JSON_ARRAY, &list, err));
	if (!slice_eq_str(bank, "sha256") || json_count(list) > VTPM_PCRS)
		return err_set(err, E_PARSE,
			       "PCR values: expected those of bank sha256, "
			       "%d at most",
			       VTPM_PCRS);
	for (const struct json *p = json_first(list); p != NULL;
	     p = json_next(p), i++) {
		if (json_kind(p) == JSON_NULL)
			continue;
		TRY(json_want(p, JSON_STRING, err));
		TRY(text_unhex(json_str(p), out->pcr[i], 32, "a PCR value",
			       err));
		out->given |= 1u << i;
	}
	return OK;
}

/* ---- Steps ---- */

static bool read_hcl(const struct vtpm_case *c, struct vtpm_hcl *hcl,
		     struct trace *t)
{
	struct err err;

	trace_expect(t, "an HCL report of SNP or TDX, and zeros behind it");
	if (vtpm_parse_hcl(c->hcl, hcl, &err) != OK) {
		trace_step_err(t, &rule_hcl, &err);
		return false;
	}
	trace_find(t, "one of %s, runtime data of %zu bytes",
		   hcl->cpu == VTPM_SNP ? "SNP" : "TDX", hcl->runtime.len);
	return trace_step(t, &rule_hcl, true);
}

static bool read_ak(const struct vtpm_hcl *hcl, struct buf *n, struct trace *t)
{
	struct err err;

	trace_expect(t, "runtime data with one key HCLAkPub, RSA of 2048 bits");
	if (parse_ak(hcl->runtime, n, &err) != OK) {
		trace_step_err(t, &rule_ak, &err);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, &rule_ak, true);
}

/* The CPU's report of the TD is the quote; the HCL has the TDREPORT that it
 * was made from, which only that machine could check. */
static bool check_binding(const struct vtpm_case *c, const struct vtpm_hcl *hcl,
			  struct trace *t)
{
	uint8_t want[DATA_LEN] = { 0 };
	struct tdx_quote quote;
	struct err err;

	sha256(hcl->runtime, want);
	bool good = trace_step_bytes(t, &rule_binding, slice_of(want),
				     hcl->report_data);
	if (hcl->cpu != VTPM_TDX)
		return good;
	if (c->td_quote.len == 0) {
		trace_expect_bytes(t, slice_of(want));
		trace_find(t, "no TD quote was given");
		trace_step_unchecked(t, &rule_td_quote);
		return false;
	}
	if (tdx_quote_parse(c->td_quote, &quote, &err) != OK) {
		trace_expect_bytes(t, slice_of(want));
		trace_step_err(t, &rule_td_quote, &err);
		return false;
	}
	return trace_step_bytes(t, &rule_td_quote, slice_of(want),
				slice_of(quote.td.report_data)) &&
	       good;
}

static bool read_quote(const struct vtpm_case *c, struct vtpm_quote *q,
		       struct trace *t)
{
	char pcrs[MASK_TEXT];
	struct err err;

	trace_expect(t, "a TPM's quote of PCRs of one SHA-256 bank");
	if (c->quote.len == 0) {
		trace_find(t, "no quote was given");
		trace_step_unchecked(t, &rule_quote);
		return false;
	}
	if (vtpm_parse_quote(c->quote, q, &err) != OK) {
		trace_step_err(t, &rule_quote, &err);
		return false;
	}
	mask_text(q->selected, pcrs);
	trace_find(t,
		   "PCRs %s, on for %llu s, %u resets, %u restarts, nonce %s",
		   pcrs, (unsigned long long)(q->clock / 1000), q->resets,
		   q->restarts, q->nonce.len == 0 ? "none" : "");
	trace_find_bytes(t, q->nonce);
	return trace_step(t, &rule_quote, true);
}

static bool check_signature(const struct vtpm_case *c, struct slice n,
			    struct trace *t)
{
	static const uint8_t exponent[] = { 1, 0, 1 }; /* AQAB */
	struct err err;

	trace_expect(t, "RSASSA-PKCS1-v1_5 with SHA-256 by HCLAkPub");
	if (c->quote.len == 0 || c->signature.len == 0) {
		trace_find(t, "no %s was given",
			   c->quote.len == 0 ? "quote" : "signature");
		trace_step_unchecked(t, &rule_signature);
		return false;
	}
	bool good = x509_verify_rsa(n, slice_of(exponent), HASH_SHA256,
				    c->quote, c->signature, &err) == OK;
	trace_find(t, good ? "the same" : "another signature");
	return trace_step(t, &rule_signature, good);
}

static bool read_values(const struct vtpm_case *c, struct values *v,
			struct trace *t)
{
	char pcrs[MASK_TEXT];
	struct err err;

	trace_expect(t, "values of the SHA-256 bank");
	if (c->pcrs.len == 0) {
		trace_find(t, "no PCR values were given");
		trace_step_unchecked(t, &rule_values);
		return false;
	}
	if (parse_values(c->pcrs, v, &err) != OK) {
		trace_step_err(t, &rule_values, &err);
		return false;
	}
	mask_text(v->given, pcrs);
	trace_find(t, "PCRs %s", v->given == 0 ? "none" : pcrs);
	return trace_step(t, &rule_values, true);
}

/* A value that is not selected is of nobody's: it is forgotten. */
static bool check_pcrs(const struct vtpm_quote *q, struct values *v,
		       struct trace *t)
{
	uint32_t missing = q->selected & ~v->given;
	uint32_t dropped = v->given & ~q->selected;
	struct slice part[VTPM_PCRS];
	char pcrs[MASK_TEXT];
	uint8_t digest[32];
	size_t n = 0;

	for (unsigned i = 0; i < VTPM_PCRS; i++)
		if ((q->selected >> i & 1) != 0)
			part[n++] = slice_of(v->pcr[i]);
		else
			memset(v->pcr[i], 0, sizeof(v->pcr[i]));
	trace_expect_bytes(t, q->digest);
	mask_text(q->selected, pcrs);
	trace_expect(t, " over PCRs %s", pcrs);
	if (missing != 0) {
		mask_text(missing, pcrs);
		trace_find(t, "no value of PCR %s", pcrs);
		trace_step_unchecked(t, &rule_pcrs);
		return false;
	}
	hash_parts(HASH_SHA256, part, n, digest);
	trace_find_bytes(t, slice_of(digest));
	mask_text(dropped, pcrs);
	if (dropped != 0)
		trace_find(t, "; not quoted and so not believed: PCR %s", pcrs);
	return trace_step(t, &rule_pcrs,
			  slice_eq_ct(slice_of(digest), q->digest));
}

/* ---- All of it ---- */

static void fill_claims(const struct vtpm_case *c, const struct vtpm_hcl *hcl,
			const struct vtpm_quote *q, const struct values *v,
			struct vtpm_claims *out)
{
	*out = (struct vtpm_claims){
		.cpu = hcl->cpu,
		.nonce_len = q->nonce.len,
		.selected = q->selected,
		.clock = q->clock,
		.resets = q->resets,
		.restarts = q->restarts,
		.report = hcl->cpu == VTPM_TDX ? c->td_quote : hcl->report,
	};
	sha256(hcl->runtime, out->runtime);
	if (q->nonce.len > 0)
		memcpy(out->nonce, q->nonce.p, q->nonce.len);
	memcpy(out->pcr, v->pcr, sizeof(out->pcr));
}

enum status vtpm_verify(const struct vtpm_case *c, struct trace *trace,
			struct vtpm_claims *out, struct err *err)
{
	auto_buf struct buf n = buf_make(2 * AK_BYTES);
	struct vtpm_hcl hcl;
	struct vtpm_quote quote;
	struct values values = { 0 };

	bool has_hcl = read_hcl(c, &hcl, trace);
	bool has_ak = has_hcl && read_ak(&hcl, &n, trace);
	bool good = has_ak;
	if (has_hcl)
		good &= check_binding(c, &hcl, trace);
	bool has_quote = read_quote(c, &quote, trace);
	if (has_ak)
		good &= check_signature(c, buf_slice(&n), trace);
	if (has_quote && c->nonce.len > 0)
		good &= trace_step_bytes(trace, &rule_nonce, c->nonce,
					 quote.nonce);
	bool has_values = read_values(c, &values, trace);
	if (has_quote && has_values)
		good &= check_pcrs(&quote, &values, trace);
	if (!good || !has_quote || !has_values)
		return trace_error(trace, err);
	fill_claims(c, &hcl, &quote, &values, out);
	return OK;
}
