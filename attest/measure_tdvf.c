/* The TDVF descriptor: the sections of firmware for TDX. */
#include "attest/measure_ovmf.h"
#include "core/cleanup.h"

#define HEAD 16	   /* signature, length, version, number of sections */
#define SECTION 32 /* bytes of one */
#define OLD_OFFSET 32
#define ADDRESS_MAX (UINT64_C(1) << 52)
#define ADDED_MAX (UINT64_C(4) << 30) /* bytes that may be added at start */

static enum status refuse(struct err *err, size_t at, const char *what)
{
	return err_set(err, E_PARSE, "TDX metadata: section %zu: %s", at + 1,
		       what);
}

static bool overlaps(const struct measure_tdvf_section *a,
		     const struct measure_tdvf_section *b)
{
	return a->gpa < b->gpa + b->size && b->gpa < a->gpa + a->size;
}

static enum status check_attributes(const struct measure_tdvf_section *s,
				    size_t at, struct err *err)
{
	bool extends = (s->attributes & MEASURE_TDVF_MR_EXTEND) != 0;
	bool later = (s->attributes & MEASURE_TDVF_PAGE_AUG) != 0;

	if (s->type > MEASURE_TDVF_TD_INFO)
		return refuse(err, at, "expected a known type, found another");
	if (s->attributes > (MEASURE_TDVF_MR_EXTEND | MEASURE_TDVF_PAGE_AUG))
		return refuse(err, at,
			      "expected known attributes, found "
			      "others");
	if (extends && (later || s->data.len == 0))
		return refuse(err, at,
			      "expected contents there at the start "
			      "where they are measured, found none");
	return OK;
}

static enum status check_section(const struct measure_tdvf *t,
				 const struct measure_tdvf_section *s,
				 uint64_t *added, struct err *err)
{
	if (s->gpa % MEASURE_PAGE != 0 || s->size % MEASURE_PAGE != 0 ||
	    s->gpa > ADDRESS_MAX || s->size > ADDRESS_MAX)
		return refuse(err, t->n_sections,
			      "expected whole pages of the guest, found "
			      "others");
	if (s->data.len > s->size)
		return refuse(err, t->n_sections,
			      "expected room for its contents, found less");
	TRY(check_attributes(s, t->n_sections, err));
	for (size_t i = 0; i < t->n_sections; i++)
		if (overlaps(s, &t->section[i]))
			return refuse(err, t->n_sections,
				      "expected memory of its own, found that "
				      "of another section");
	if ((s->attributes & MEASURE_TDVF_PAGE_AUG) == 0)
		*added += s->size;
	if (*added > ADDED_MAX)
		return err_set(err, E_LIMIT,
			       "TDX metadata: more than 4 GiB to add at the "
			       "start");
	return OK;
}

static enum status read_sections(struct slice image, struct cursor *c,
				 uint32_t n, struct measure_tdvf *t,
				 struct err *err)
{
	uint64_t added = 0;

	for (uint32_t i = 0; i < n; i++) {
		struct measure_tdvf_section s = { 0 };
		uint32_t at = cursor_u32le(c);
		uint32_t len = cursor_u32le(c);

		s.gpa = cursor_u64le(c);
		s.size = cursor_u64le(c);
		s.type = cursor_u32le(c);
		s.attributes = cursor_u32le(c);
		if (c->bad)
			return refuse(err, i, "the image ends within it");
		if (at > image.len || len > image.len - at)
			return refuse(err, i,
				      "expected contents within the "
				      "image, found them outside");
		s.data = slice_sub(image, at, len);
		TRY(check_section(t, &s, &added, err));
		t->section[t->n_sections++] = s;
	}
	return OK;
}

static enum status read_descriptor(struct slice image, size_t at,
				   struct measure_tdvf *t, struct err *err)
{
	struct cursor c = cursor_make(slice_from(image, at));
	struct slice signature = cursor_bytes(&c, 4);
	uint32_t len = cursor_u32le(&c);
	uint32_t version = cursor_u32le(&c);
	uint32_t n = cursor_u32le(&c);

	if (!slice_eq(signature, S("TDVF")) || version != 1)
		return err_set(err, E_PARSE,
			       "TDX metadata: expected a TDVF descriptor of "
			       "version 1, found another");
	if (n == 0 || n > MEASURE_OVMF_SECTIONS || len != HEAD + n * SECTION)
		return err_set(err, E_PARSE,
			       "TDX metadata: expected 1 to %d sections that "
			       "fill their length, found %u in %u bytes",
			       MEASURE_OVMF_SECTIONS, n, len);
	return read_sections(image, &c, n, t, err);
}

/* Where td-shim's first releases say that the descriptor is. */
static enum status find_old(struct slice image, size_t *at, struct err *err)
{
	struct cursor c =
		cursor_make(slice_from(image, image.len - OLD_OFFSET));
	uint32_t offset = cursor_u32le(&c);

	if (offset > image.len - HEAD ||
	    !slice_eq(slice_sub(image, offset, 4), S("TDVF")))
		return err_set(err, E_PARSE,
			       "firmware image: expected metadata for TDX, "
			       "found none");
	*at = offset;
	return OK;
}

enum status measure_tdvf_parse(struct slice image, struct measure_tdvf *out,
			       struct err *err)
{
	struct measure_tdvf t = { 0 };
	struct measure_ovmf o;
	struct err table;
	size_t at = 0;

	enum status status = measure_ovmf_parse(image, &o, &table);
	if (status == OK && o.has_tdvf)
		at = o.tdvf_at;
	else if (image.len < MEASURE_PAGE || image.len > MEASURE_OVMF_MAX)
		return err_set(err, status == OK ? E_PARSE : status, "%s",
			       table.text);
	else
		TRY(find_old(image, &at, err));
	TRY(read_descriptor(image, at, &t, err));
	*out = t;
	return OK;
}

const struct measure_tdvf_section *measure_tdvf_find(
	const struct measure_tdvf *t, uint32_t type)
{
	const struct measure_tdvf_section *found = NULL;

	for (size_t i = 0; i < t->n_sections; i++) {
		if (t->section[i].type != type)
			continue;
		if (found != NULL)
			return NULL;
		found = &t->section[i];
	}
	return found;
}
