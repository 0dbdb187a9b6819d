/* The list of HOBs that QEMU gives to TDX firmware: memory that is there, and
 * which of it the TD has accepted already (the firmware's own sections). */
#include "attest/measure_tdx.h"
#include "core/cleanup.h"

#define GIB_4 (UINT64_C(4) << 30)
#define LOW_SPLIT UINT64_C(0xb0000000) /* q35: below, memory is in one part */
#define LOW_MAX UINT64_C(0x80000000)   /* above, so much is below 4 GiB */
#define MEMORY_MAX (UINT64_C(1) << 46)

#define HOB_HANDOFF 1
#define HOB_RESOURCE 3
#define RESOURCE_MEMORY 0
#define RESOURCE_UNACCEPTED 7
#define RESOURCE_PRESENT 7u /* present, initialised, tested */

static void put_le(struct buf *b, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		buf_put_u8(b, (uint8_t)(v >> (8 * i)));
}

static void put_head(struct buf *b, uint16_t type, uint16_t len)
{
	put_le(b, type, 2);
	put_le(b, len, 2);
	put_le(b, 0, 4);
}

static void put_resource(struct buf *b, uint32_t type, uint64_t at,
			 uint64_t len)
{
	if (len == 0)
		return;
	put_head(b, HOB_RESOURCE, 48);
	put_le(b, 0, 8); /* owner: nobody */
	put_le(b, 0, 8);
	put_le(b, type, 4);
	put_le(b, RESOURCE_PRESENT, 4);
	put_le(b, at, 8);
	put_le(b, len, 8);
}

/* EFI_HOB_HANDOFF_INFO_TABLE; end is where the list's last entry ends. */
static void put_handoff(struct buf *b, uint64_t end)
{
	put_head(b, HOB_HANDOFF, 56);
	put_le(b, 9, 4); /* version of the PI's HOBs */
	put_le(b, 0, 4); /* boot mode */
	for (size_t i = 0; i < 4; i++)
		put_le(b, 0, 8); /* memory for the firmware: none is named */
	put_le(b, end, 8);
}

static bool is_accepted(const struct measure_tdvf_section *s)
{
	return s->type == MEASURE_TDVF_HOB || s->type == MEASURE_TDVF_TEMP_MEM;
}

/* The accepted section that begins first at or after `from`. */
static const struct measure_tdvf_section *next_accepted(
	const struct measure_tdvf *t, uint64_t from)
{
	const struct measure_tdvf_section *first = NULL;

	for (size_t i = 0; i < t->n_sections; i++) {
		const struct measure_tdvf_section *s = &t->section[i];

		if (is_accepted(s) && s->size > 0 && s->gpa >= from &&
		    (first == NULL || s->gpa < first->gpa))
			first = s;
	}
	return first;
}

/* All sections are in the memory below 4 GiB; the rest is not accepted. */
static enum status put_low(struct buf *b, const struct measure_tdvf *t,
			   uint64_t low, struct err *err)
{
	const struct measure_tdvf_section *s = NULL;
	uint64_t at = 0;

	while ((s = next_accepted(t, at)) != NULL) {
		if (s->gpa + s->size > low)
			return err_set(err, E_PARSE,
				       "memory: expected room for the "
				       "firmware's sections, found too "
				       "little");
		put_resource(b, RESOURCE_UNACCEPTED, at, s->gpa - at);
		put_resource(b, RESOURCE_MEMORY, s->gpa, s->size);
		at = s->gpa + s->size;
	}
	put_resource(b, RESOURCE_UNACCEPTED, at, low - at);
	return OK;
}

enum status measure_tdx_hob(const struct measure_tdvf *t, uint64_t memory,
			    uint8_t out[static MEASURE_TDX_LEN],
			    struct err *err)
{
	const struct measure_tdvf_section *hob =
		measure_tdvf_find(t, MEASURE_TDVF_HOB);
	uint64_t low = memory < LOW_SPLIT ? memory : LOW_MAX;
	auto_buf struct buf resources = buf_make(64u << 10);
	auto_buf struct buf list = buf_make(64u << 10);

	if (hob == NULL)
		return err_set(err, E_PARSE,
			       "TDX metadata: expected one section for the "
			       "list of memory (TD HOB), found none or more");
	if (memory % MEASURE_PAGE != 0 || memory > MEMORY_MAX)
		return err_set(err, E_PARSE,
			       "memory: expected whole pages of 4096 bytes, at "
			       "most 64 TiB");
	TRY(put_low(&resources, t, low, err));
	put_resource(&resources, RESOURCE_UNACCEPTED, GIB_4, memory - low);
	/* The pointer counts the entry that ends the list, 8 bytes. */
	put_handoff(&list, hob->gpa + 56 + resources.len + 8);
	buf_put(&list, buf_slice(&resources));
	TRY(buf_check(&list, "TD HOB", err));
	sha384(buf_slice(&list), out);
	return OK;
}
