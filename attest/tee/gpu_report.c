#include "attest/tee/gpu_report.h"

#include <assert.h>
#include <stdio.h>

#include "core/cleanup.h"

#define SPDM_VERSION 0x11 /* 1.1; later ones sign another text */
#define GET_MEASUREMENTS 0xe0
#define MEASUREMENTS 0x60
#define WITH_SIGNATURE 0x01
#define ALL_MEASUREMENTS 0xff
#define SLOT 0		  /* of the certificate chain */
#define SPEC_DMTF 0x01	  /* how a measurement is laid out */
#define RAW_VALUE 0x80	  /* bit of a value's type: not a digest */
#define FIELD_INVALID 255 /* a type that is never written */
#define STATUS_ON 0xaa
#define STATUS_OFF 0x55

/* One field of the opaque data that we read. */
typedef bool field_reader(struct gpu_report *r, struct slice data, size_t to);

/* ---- Opaque fields ---- */

/* Printable ASCII, padded by NULs to any length. */
static bool read_text(struct gpu_report *r, struct slice data, size_t to)
{
	char *out = (char *)r + to;

	while (data.len > 0 && data.p[data.len - 1] == 0)
		data.len--;
	if (data.len > GPU_TEXT_MAX)
		return false;
	for (size_t i = 0; i < data.len; i++)
		if (data.p[i] <= ' ' || data.p[i] > '~')
			return false;
	if (data.len > 0)
		memcpy(out, data.p, data.len);
	return true;
}

/* A GPU's is a number, a switch's the text of it. */
static bool read_vbios(struct gpu_report *r, struct slice data, size_t to)
{
	const uint8_t *b = data.p;

	if (data.len != 8)
		return read_text(r, data, to);
	(void)snprintf(r->vbios, sizeof(r->vbios), "%02X.%02X.%02X.%02X.%02X",
		       b[3], b[2], b[1], b[0], b[4]);
	return all_zero(b + 5, 3);
}

static bool read_fwid(struct gpu_report *r, struct slice data, size_t to)
{
	(void)to;
	if (data.len != sizeof(r->fwid))
		return false;
	r->has_fwid = true;
	memcpy(r->fwid, data.p, data.len);
	return true;
}

static bool read_switch(struct gpu_report *r, struct slice data, size_t to)
{
	enum gpu_status *out = (void *)((char *)r + to);

	if (data.len != 1 ||
	    (data.p[0] != STATUS_ON && data.p[0] != STATUS_OFF))
		return false;
	*out = data.p[0] == STATUS_ON ? GPU_STATUS_ON : GPU_STATUS_OFF;
	return true;
}

static bool read_feature(struct gpu_report *r, struct slice data, size_t to)
{
	(void)to;
	if (data.len != 2 || data.p[1] != 0 || data.p[0] >= GPU_FEATURE_NONE)
		return false;
	r->feature = (enum gpu_feature)data.p[0];
	return true;
}

static bool read_pdis(struct gpu_report *r, struct slice data, size_t to)
{
	(void)to;
	if (data.len == 0 || data.len % GPU_PDI_LEN != 0 ||
	    data.len > sizeof(r->pdi))
		return false;
	r->n_pdis = data.len / GPU_PDI_LEN;
	memcpy(r->pdi, data.p, data.len);
	return true;
}

/* The GPUs, then a map of the switch's ports, which we do not need. */
static bool read_peers(struct gpu_report *r, struct slice data, size_t to)
{
	(void)to;
	if (data.len < sizeof(r->peer))
		return false;
	r->n_peers = GPU_PEERS;
	memcpy(r->peer, data.p, sizeof(r->peer));
	return true;
}

/* clang-format off */
#define AT(m) offsetof(struct gpu_report, m)
static const struct {
	uint16_t type;
	const char *name; /* the vendor's */
	field_reader *read;
	size_t to;
} fields[] = {
	{ 3, "DRIVER_VERSION", read_text, AT(driver) },
	{ 6, "VBIOS_VERSION", read_vbios, AT(vbios) },
	{ 11, "NVDEC0_STATUS", read_switch, AT(nvdec0) },
	{ 15, "CHIP_SKU", read_text, AT(chip_sku) },
	{ 17, "PROJECT", read_text, AT(project) },
	{ 18, "PROJECT_SKU", read_text, AT(project_sku) },
	{ 20, "FWID", read_fwid, 0 },
	{ 21, "PROTECTED_PCIE_STATUS", read_switch, AT(ppcie) },
	{ 22, "SWITCH_PDI", read_pdis, 0 },
	{ 26, "SWITCH_GPU_PDIS", read_peers, 0 },
	{ 36, "FEATURE_FLAG", read_feature, 0 },
};
/* clang-format on */

static_assert(countof(fields) <= 32, "fields that were seen are bits");

/* One field; of a type that we do not read, nothing: newer firmware has more,
 * and none of ours is changed by it. */
static enum status read_field(struct gpu_report *r, uint16_t type,
			      struct slice data, uint32_t *seen,
			      struct err *err)
{
	size_t i = 0;

	if (type == FIELD_INVALID)
		return err_set(err, E_PARSE, "gpu report: a field of type %u",
			       type);
	while (i < countof(fields) && fields[i].type != type)
		i++;
	if (i == countof(fields))
		return OK;
	if ((*seen & 1u << i) != 0)
		return err_set(err, E_PARSE, "gpu report: %s is there twice",
			       fields[i].name);
	*seen |= 1u << i;
	if (!fields[i].read(r, data, fields[i].to))
		return err_set(err, E_PARSE,
			       "gpu report: %s of %zu bytes is not of the "
			       "form that is known",
			       fields[i].name, data.len);
	return OK;
}

static enum status read_opaque(struct gpu_report *r, struct slice in,
			       struct err *err)
{
	struct cursor c = cursor_make(in);
	uint32_t seen = 0;

	r->feature = GPU_FEATURE_NONE;
	while (!c.bad && c.rest.len > 0) {
		uint16_t type = cursor_u16le(&c);
		struct slice data = cursor_bytes(&c, cursor_u16le(&c));

		if (!c.bad)
			TRY(read_field(r, type, data, &seen, err));
	}
	return cursor_end(&c, "gpu report: opaque data", err);
}

/* ---- Measurements ---- */

static enum status read_block(struct cursor *c, struct gpu_report *r,
			      struct err *err)
{
	struct gpu_block *b = &r->block[r->n_blocks];

	b->index = cursor_u8(c);
	uint8_t spec = cursor_u8(c);
	uint16_t size = cursor_u16le(c);
	uint8_t type = cursor_u8(c);
	uint16_t value_size = cursor_u16le(c);
	struct slice value = cursor_bytes(c, value_size);
	if (c->bad || spec != SPEC_DMTF || size != 3 + value_size)
		return err_set(err, E_PARSE,
			       "gpu report: measurement %u is not a DMTF "
			       "measurement, or its lengths do not fit",
			       b->index);
	if ((type & RAW_VALUE) != 0 || value.len != GPU_VALUE_LEN)
		return err_set(err, E_PARSE,
			       "gpu report: measurement %u: expected a digest "
			       "of %d bytes, found type %#x of %zu",
			       b->index, GPU_VALUE_LEN, type, value.len);
	if (b->index == 0 || (r->n_blocks > 0 && b->index <= b[-1].index))
		return err_set(err, E_PARSE,
			       "gpu report: measurement %u is out of order",
			       b->index);
	memcpy(b->value, value.p, value.len);
	r->n_blocks++;
	return OK;
}

static enum status read_blocks(struct gpu_report *r, struct slice record,
			       size_t n, struct err *err)
{
	struct cursor c = cursor_make(record);

	if (n == 0)
		return err_set(err, E_PARSE, "gpu report: no measurements");
	if (n > GPU_BLOCKS_MAX)
		return err_set(err, E_LIMIT,
			       "gpu report: %zu measurements, want at most %d",
			       n, GPU_BLOCKS_MAX);
	while (r->n_blocks < n)
		TRY(read_block(&c, r, err));
	return cursor_end(&c, "gpu report: measurements", err);
}

/* ---- Request and response ---- */

/* clang-format off */
/* Bytes whose value is fixed: version, code, param1, param2 of each. */
static const uint8_t request_head[] = {
	SPDM_VERSION, GET_MEASUREMENTS, WITH_SIGNATURE, ALL_MEASUREMENTS };
static const uint8_t response_head[] = {
	SPDM_VERSION, MEASUREMENTS, 0, SLOT };
/* clang-format on */

static enum status want_head(struct cursor *c, struct slice want,
			     const char *what, struct err *err)
{
	struct slice found = cursor_bytes(c, want.len);

	if (slice_eq(found, want))
		return OK;
	return err_set(err, E_PARSE,
		       "gpu report: not an SPDM 1.1 %s over all measurements",
		       what);
}

static enum status read_request(struct cursor *c, struct gpu_report *r,
				struct err *err)
{
	TRY(want_head(c, slice_of(request_head), "request for a signature",
		      err));
	struct slice nonce = cursor_bytes(c, GPU_NONCE_LEN);
	uint8_t slot = cursor_u8(c);
	if (c->bad || slot != SLOT)
		return err_set(err, E_PARSE,
			       "gpu report: expected a request for slot %d",
			       SLOT);
	memcpy(r->nonce, nonce.p, nonce.len);
	return OK;
}

static size_t cursor_u24le(struct cursor *c)
{
	size_t low = cursor_u16le(c);

	return low | (size_t)cursor_u8(c) << 16;
}

static enum status read_response(struct cursor *c, struct gpu_report *r,
				 struct err *err)
{
	TRY(want_head(c, slice_of(response_head), "response", err));
	uint8_t n = cursor_u8(c);
	struct slice record = cursor_bytes(c, cursor_u24le(c));
	(void)cursor_bytes(c, GPU_NONCE_LEN); /* the device's */
	struct slice opaque = cursor_bytes(c, cursor_u16le(c));
	if (c->bad)
		return err_set(err, E_PARSE,
			       "gpu report: lengths go beyond its end");
	TRY(read_blocks(r, record, n, err));
	return read_opaque(r, opaque, err);
}

static enum status read_end(struct cursor *c, struct slice raw,
			    struct gpu_report *r, struct err *err)
{
	r->signed_part = slice_sub(raw, 0, raw.len - c->rest.len);
	r->signature = cursor_bytes(c, GPU_SIGNATURE_LEN);
	r->padding = c->rest.len;
	if (c->bad)
		return err_set(err, E_PARSE,
			       "gpu report: expected a signature of %d bytes "
			       "at its end",
			       GPU_SIGNATURE_LEN);
	if (!all_zero(c->rest.p, c->rest.len))
		return err_set(err, E_PARSE,
			       "gpu report: expected nothing but zero behind "
			       "the signature, found %zu other bytes",
			       c->rest.len);
	return OK;
}

enum status gpu_report_parse(struct slice raw, struct gpu_report *out,
			     struct err *err)
{
	struct gpu_report r = { 0 };
	struct cursor c = cursor_make(raw);

	if (raw.len > GPU_REPORT_MAX)
		return err_set(err, E_LIMIT,
			       "gpu report: %zu bytes, want at most %d",
			       raw.len, GPU_REPORT_MAX);
	TRY(read_request(&c, &r, err));
	TRY(read_response(&c, &r, err));
	TRY(read_end(&c, raw, &r, err));
	*out = r;
	return OK;
}

/* ---- What it says ---- */

const struct gpu_block *gpu_report_block(const struct gpu_report *r,
					 unsigned int rim_index)
{
	for (size_t i = 0; i < r->n_blocks; i++)
		if (r->block[i].index == rim_index + 1)
			return &r->block[i];
	return NULL;
}

void gpu_report_vbios_id(const struct gpu_report *r, char *out, size_t size)
{
	char version[GPU_TEXT_MAX + 1];
	size_t n = 0;

	for (const char *p = r->vbios; *p != '\0'; p++)
		if (*p != '.')
			version[n++] = *p;
	version[n] = '\0';
	(void)snprintf(out, size, "NV_GPU_VBIOS_%s_%s_%s_%s", r->project,
		       r->project_sku, r->chip_sku, version);
}
