#include "attest/measure_pe.h"

#include "core/cleanup.h"
#include "core/crypto.h"

#define SECTION_LEN 40
#define SECTIONS_MAX 96 /* what loaders take */
#define DIRECTORY_SECURITY 4
#define INITRD_ABOVE_4G 2u /* xloadflags, bit 1: no limit of its own */
#define ACPI_DATA 0x28000u /* QEMU keeps so much below the end of memory */
#define LOW_SPLIT UINT64_C(0xb0000000) /* q35: below, memory is in one part */
#define LOW_MAX UINT64_C(0x80000000)   /* above, so much is below 4 GiB */

struct pe {
	struct slice image, head;
	struct hash *h;
	size_t checksum;	/* offsets */
	size_t certificates;	/* of the directory's entry; 0: there is none */
	size_t certificate_len; /* bytes of the table */
	size_t headers;		/* bytes */
	size_t table;		/* of sections */
	size_t n_sections;
	struct {
		size_t at, len;
	} section[SECTIONS_MAX];
};

static void done(struct pe *pe)
{
	hash_free(pe->h);
}

static enum status refuse(struct err *err, const char *what)
{
	return err_set(err, E_PARSE, "PE image: %s", what);
}

/* From `at` up to `end`, the head from where it is. */
static void add(struct pe *pe, size_t at, size_t end)
{
	if (at < pe->head.len) {
		size_t stop = end < pe->head.len ? end : pe->head.len;

		hash_add(pe->h, slice_sub(pe->head, at, stop - at));
		at = stop;
	}
	if (at < end)
		hash_add(pe->h, slice_sub(pe->image, at, end - at));
}

/* The optional header tells the rest: where it lies in two sizes of it. */
static enum status parse_optional(struct pe *pe, size_t at, size_t len,
				  struct err *err)
{
	struct cursor c = cursor_make(slice_sub(pe->image, at, len));
	uint16_t magic = cursor_u16le(&c);
	size_t count_at = magic == 0x20b ? 108 : 92;

	if (magic != 0x20b && magic != 0x10b)
		return refuse(err, "expected PE32 or PE32+, found another");
	(void)cursor_bytes(&c, 58);
	pe->headers = cursor_u32le(&c);
	pe->checksum = at + 64;
	c = cursor_make(slice_sub(pe->image, at + count_at, len - count_at));
	uint32_t n = cursor_u32le(&c);
	if (len < count_at || c.bad)
		return refuse(err, "its optional header is cut off");
	if (n <= DIRECTORY_SECURITY)
		return OK;
	(void)cursor_bytes(&c, (size_t)DIRECTORY_SECURITY * 8);
	(void)cursor_u32le(&c); /* offset of the table: it is at the end */
	pe->certificate_len = cursor_u32le(&c);
	if (c.bad)
		return refuse(err, "its optional header is cut off");
	pe->certificates = at + count_at + 4 + (size_t)DIRECTORY_SECURITY * 8;
	return OK;
}

static enum status parse_headers(struct pe *pe, struct err *err)
{
	struct cursor c = cursor_make(slice_from(pe->image, 0x3c));
	size_t at = cursor_u32le(&c);

	c = cursor_make(slice_from(pe->image, at));
	struct slice signature = cursor_bytes(&c, 4);
	(void)cursor_u16le(&c); /* machine */
	pe->n_sections = cursor_u16le(&c);
	(void)cursor_bytes(&c, 12);
	size_t len = cursor_u16le(&c);
	(void)cursor_u16le(&c);
	if (c.bad || !slice_starts(pe->image, S("MZ")) ||
	    !slice_eq(signature, S("PE\0\0")))
		return refuse(err, "expected the headers of one, found "
				   "others");
	if (pe->n_sections > SECTIONS_MAX)
		return refuse(err, "expected at most 96 sections, found more");
	if (len < 96)
		return refuse(err, "its optional header is cut off");
	TRY(parse_optional(pe, at + 24, len, err));
	pe->table = at + 24 + len;
	if (pe->headers > pe->image.len ||
	    pe->headers < pe->table + pe->n_sections * SECTION_LEN)
		return refuse(err, "expected headers within the image that "
				   "hold its sections' table, found others");
	return OK;
}

/* Into the order of the file; few, so simply. */
static void insert(struct pe *pe, size_t n, size_t at, size_t len)
{
	size_t to = 0;

	while (to < n && pe->section[to].at <= at)
		to++;
	memmove(&pe->section[to + 1], &pe->section[to],
		(n - to) * sizeof(pe->section[0]));
	pe->section[to].at = at;
	pe->section[to].len = len;
}

static enum status parse_sections(struct pe *pe, struct err *err)
{
	struct cursor c = cursor_make(slice_from(pe->image, pe->table));
	size_t kept = 0;

	for (size_t i = 0; i < pe->n_sections; i++) {
		(void)cursor_bytes(&c, 16);
		size_t len = cursor_u32le(&c);
		size_t at = cursor_u32le(&c);
		(void)cursor_bytes(&c, 16);
		if (len == 0)
			continue;
		if (at > pe->image.len || len > pe->image.len - at)
			return refuse(err, "a section lies outside it");
		insert(pe, kept++, at, len);
	}
	pe->n_sections = kept;
	return OK;
}

static enum status hash_all(struct pe *pe, struct err *err)
{
	size_t hashed = pe->headers;
	size_t from = pe->checksum + 4;

	add(pe, 0, pe->checksum);
	if (pe->certificates != 0) {
		add(pe, from, pe->certificates);
		from = pe->certificates + 8;
	}
	add(pe, from, pe->headers);
	for (size_t i = 0; i < pe->n_sections; i++) {
		add(pe, pe->section[i].at,
		    pe->section[i].at + pe->section[i].len);
		hashed += pe->section[i].len;
	}
	if (hashed > pe->image.len || pe->certificate_len > pe->image.len)
		return refuse(err, "its sections overlap");
	/* What lies behind the sections, without the certificates. */
	if (pe->image.len - hashed > pe->certificate_len)
		add(pe, hashed, pe->image.len - pe->certificate_len);
	return OK;
}

enum status measure_pe_sha384(struct slice image, struct slice head,
			      uint8_t out[static 48], struct err *err)
{
	__attribute__((cleanup(done))) struct pe pe = { .image = image,
							.head = head };

	if (head.len > image.len)
		return refuse(err, "it is shorter than its first page");
	TRY(parse_headers(&pe, err));
	TRY(parse_sections(&pe, err));
	pe.h = hash_new(HASH_SHA384);
	TRY(hash_all(&pe, err));
	hash_finish(pe.h, out);
	return OK;
}

static void put_le32(uint8_t *p, uint64_t v)
{
	for (size_t i = 0; i < 4; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* As high as it may lie, on a page. */
static enum status place_initrd(uint8_t *head, uint64_t len, uint64_t memory,
				struct err *err)
{
	uint64_t low = memory < LOW_SPLIT ? memory : LOW_MAX;
	uint64_t max = UINT32_MAX;

	if ((head[0x236] & INITRD_ABOVE_4G) == 0) {
		struct cursor c = cursor_make(slice_make(head + 0x22c, 4));

		max = cursor_u32le(&c);
	}
	if (low <= ACPI_DATA)
		return err_set(err, E_LIMIT,
			       "expected memory for a kernel, "
			       "found too little");
	if (max >= low - ACPI_DATA)
		max = low - ACPI_DATA - 1;
	if (len >= max)
		return err_set(err, E_LIMIT,
			       "the initrd does not fit into the guest's "
			       "memory");
	put_le32(head + 0x218, (max - len) & ~UINT64_C(4095));
	put_le32(head + 0x21c, len);
	return OK;
}

enum status measure_pe_linux_head(struct slice kernel, uint64_t initrd_len,
				  uint64_t memory,
				  uint8_t head[static MEASURE_PE_HEAD],
				  struct err *err)
{
	const uint32_t real = 0x10000, cmdline = 0x20000;
	const uint32_t heap_end = cmdline - real - 0x200;

	if (kernel.len < MEASURE_PE_HEAD ||
	    !slice_eq(slice_sub(kernel, 0x202, 4), S("HdrS")) ||
	    kernel.p[0x207] < 2 ||
	    (kernel.p[0x207] == 2 && kernel.p[0x206] < 12) ||
	    (kernel.p[0x211] & 1) == 0)
		return err_set(err, E_PARSE,
			       "kernel: expected a bzImage of boot protocol "
			       "2.12 or later, found another");
	memcpy(head, kernel.p, MEASURE_PE_HEAD);
	head[0x210] = 0xb0;			  /* type_of_loader: QEMU */
	head[0x211] |= 0x80;			  /* loadflags: CAN_USE_HEAP */
	head[0x224] = (uint8_t)(heap_end & 0xff); /* heap_end_ptr, 16 bits */
	head[0x225] = (uint8_t)(heap_end >> 8);
	put_le32(head + 0x228, cmdline);
	if (initrd_len == 0)
		return OK;
	return place_initrd(head, initrd_len, memory, err);
}
