#include "attest/measure_ovmf.h"

#include "core/cleanup.h"

#define TABLE_END 32   /* bytes behind the table */
#define ENTRY_HEAD 18  /* u16 length, GUID: behind an entry's data */
#define ENTRIES_MAX 64 /* of the table */
#define SEV_HEAD 16    /* of the metadata: signature and three numbers */
#define SEV_SECTION 12 /* gpa, size, type */
#define FOUR_GIB (UINT64_C(1) << 32)

/* clang-format off */
/* GUIDs as they lie in memory. */
static const uint8_t guid_footer[16] = { /* 96b582de-1fb2-45f7-... */
	0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
	0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
static const uint8_t guid_reset[16] = { /* 00f771de-1a7e-4fcb-... */
	0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
	0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e };
static const uint8_t guid_hashes[16] = { /* 7255371f-3a3b-4b04-... */
	0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
	0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 };
static const uint8_t guid_sev[16] = { /* dc886566-984a-4798-... */
	0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
	0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc };
static const uint8_t guid_tdvf[16] = { /* e47a6535-984a-4798-... */
	0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
	0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };

/* What is kept of an entry: a row a GUID. */
struct row {
	const uint8_t *guid;
	const char *name;
	size_t len; /* bytes of data */
	enum status (*read)(struct measure_ovmf *o, struct cursor *c,
			    struct err *err);
};
/* clang-format on */

static enum status refuse(struct err *err, const char *what)
{
	return err_set(err, E_PARSE, "firmware image: %s", what);
}

static enum status read_reset(struct measure_ovmf *o, struct cursor *c,
			      struct err *err)
{
	(void)err;
	o->reset_eip = cursor_u32le(c);
	o->has_reset = true;
	return OK;
}

static enum status read_hashes(struct measure_ovmf *o, struct cursor *c,
			       struct err *err)
{
	(void)err;
	o->hashes_gpa = cursor_u32le(c);
	o->hashes_size = cursor_u32le(c);
	o->has_hashes = o->hashes_gpa != 0;
	return OK;
}

/* A u32 distance from the image's end, to at least `least` bytes there. */
static enum status read_distance(const struct measure_ovmf *o, struct cursor *c,
				 size_t least, size_t *at, struct err *err)
{
	uint32_t distance = cursor_u32le(c);

	if (distance > o->image.len || distance < least)
		return err_set(err, E_PARSE,
			       "firmware image: expected metadata within its "
			       "%zu bytes, found them %u before its end",
			       o->image.len, distance);
	*at = o->image.len - distance;
	return OK;
}

static bool is_sev_type(uint32_t type)
{
	return (type >= MEASURE_SEV_MEMORY && type <= MEASURE_SEV_CAA) ||
	       type == MEASURE_SEV_HASHES;
}

static enum status check_section(const struct measure_ovmf *o,
				 const struct measure_sev_section *s,
				 struct err *err)
{
	uint64_t end = (uint64_t)s->gpa + s->size;

	if (!is_sev_type(s->type))
		return err_set(err, E_PARSE,
			       "firmware image: expected SEV sections of known "
			       "types, found type %u",
			       s->type);
	if (s->gpa % MEASURE_PAGE != 0 || s->size % MEASURE_PAGE != 0)
		return refuse(err, "expected SEV sections of whole pages, "
				   "found another");
	if (end > o->gpa)
		return refuse(err, "expected SEV sections below the image, "
				   "found one above or in it");
	for (size_t i = 0; i < o->n_sections; i++)
		if (s->gpa < (uint64_t)o->section[i].gpa + o->section[i].size &&
		    o->section[i].gpa < end)
			return refuse(err, "expected SEV sections apart from "
					   "one another, found two that "
					   "overlap");
	return OK;
}

/* OvmfSevMetadata: signature, length, version, number of sections. */
static enum status read_sev(struct measure_ovmf *o, struct cursor *entry,
			    struct err *err)
{
	size_t at = 0;

	TRY(read_distance(o, entry, SEV_HEAD, &at, err));
	struct cursor c = cursor_make(slice_from(o->image, at));
	struct slice signature = cursor_bytes(&c, 4);
	uint32_t len = cursor_u32le(&c);
	uint32_t version = cursor_u32le(&c);
	uint32_t n = cursor_u32le(&c);

	if (!slice_eq(signature, S("ASEV")) || version != 1)
		return refuse(err, "expected SEV metadata of version 1, found "
				   "others");
	if (n > MEASURE_OVMF_SECTIONS || len != SEV_HEAD + n * SEV_SECTION)
		return err_set(err, E_PARSE,
			       "firmware image: expected SEV metadata of at "
			       "most %d sections that fill their length, "
			       "found %u in %u bytes",
			       MEASURE_OVMF_SECTIONS, n, len);
	for (uint32_t i = 0; i < n; i++) {
		struct measure_sev_section s;

		s.gpa = cursor_u32le(&c);
		s.size = cursor_u32le(&c);
		s.type = cursor_u32le(&c);
		if (c.bad)
			return refuse(err, "it ends within the SEV metadata");
		TRY(check_section(o, &s, err));
		o->section[o->n_sections++] = s;
	}
	o->has_sev = true;
	return OK;
}

static enum status read_tdvf(struct measure_ovmf *o, struct cursor *c,
			     struct err *err)
{
	TRY(read_distance(o, c, SEV_HEAD, &o->tdvf_at, err));
	o->has_tdvf = true;
	return OK;
}

static const struct row rows[] = {
	{ guid_reset, "the reset block", 4, read_reset },
	{ guid_hashes, "the table of hashes", 8, read_hashes },
	{ guid_sev, "SEV metadata", 4, read_sev },
	{ guid_tdvf, "TDX metadata", 4, read_tdvf },
};

/* One entry: data, then length and GUID.  Others' entries are passed over;
 * seen has a bit a row. */
static enum status read_entry(struct measure_ovmf *o, struct slice guid,
			      struct slice data, unsigned *seen,
			      struct err *err)
{
	for (size_t i = 0; i < countof(rows); i++) {
		struct cursor c = cursor_make(data);

		if (!slice_eq(guid, slice_make(rows[i].guid, 16)))
			continue;
		if (data.len != rows[i].len || (*seen >> i & 1) != 0)
			return err_set(err, E_PARSE,
				       "firmware image: expected %s once with "
				       "%zu bytes in the table, found %zu "
				       "bytes, or twice",
				       rows[i].name, rows[i].len, data.len);
		*seen |= 1u << i;
		return rows[i].read(o, &c, err);
	}
	return OK;
}

/* The last length and GUID in s. */
static struct slice take_head(struct slice *s, size_t *len)
{
	struct cursor c = cursor_make(slice_from(*s, s->len - ENTRY_HEAD));

	*len = cursor_u16le(&c);
	s->len -= ENTRY_HEAD;
	return cursor_bytes(&c, 16);
}

/* From the end to the beginning, as the table is meant to be read. */
static enum status read_table(struct measure_ovmf *o, struct slice table,
			      struct err *err)
{
	unsigned seen = 0;

	for (size_t i = 0; table.len > 0; i++) {
		size_t len = 0;

		if (table.len < ENTRY_HEAD || i == ENTRIES_MAX)
			return refuse(err, "its table does not end where its "
					   "length says");
		struct slice guid = take_head(&table, &len);
		if (len < ENTRY_HEAD || len - ENTRY_HEAD > table.len)
			return refuse(err, "an entry of its table is longer "
					   "than the table");
		size_t start = table.len - (len - ENTRY_HEAD);
		TRY(read_entry(o, guid, slice_from(table, start), &seen, err));
		table.len = start;
	}
	return OK;
}

enum status measure_ovmf_parse(struct slice image, struct measure_ovmf *out,
			       struct err *err)
{
	struct measure_ovmf o = { .image = image };
	size_t len = 0;

	if (image.len > MEASURE_OVMF_MAX)
		return err_set(err, E_LIMIT,
			       "firmware image: %zu bytes, want at most %u",
			       image.len, MEASURE_OVMF_MAX);
	if (image.len < MEASURE_PAGE || image.len % MEASURE_PAGE != 0)
		return err_set(err, E_PARSE,
			       "firmware image: expected whole pages of 4096 "
			       "bytes, found %zu bytes",
			       image.len);
	o.gpa = FOUR_GIB - image.len;
	struct slice rest = slice_sub(image, 0, image.len - TABLE_END);
	struct slice guid = take_head(&rest, &len);
	if (!slice_eq(guid, slice_of(guid_footer)))
		return refuse(err, "expected OVMF's table of GUIDs 32 bytes "
				   "before its end, found none");
	if (len < ENTRY_HEAD || len - ENTRY_HEAD > rest.len)
		return refuse(err, "its table is longer than the image");
	TRY(read_table(&o, slice_from(rest, rest.len - (len - ENTRY_HEAD)),
		       err));
	*out = o;
	return OK;
}
