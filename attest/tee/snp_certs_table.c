#include "attest/tee/snp_certs_table.h"

#include "core/cleanup.h"

#define GUID_LEN 16

/* clang-format off */
/* 63da758d-e664-4564-adc5-f4b93be8accd and so on, as their text reads. */
static const struct { const char *name; uint8_t guid[GUID_LEN]; }
known[SNP_ENTRIES] = {
	[SNP_ENTRY_VCEK] = { "VCEK",
		{ 0x63, 0xda, 0x75, 0x8d, 0xe6, 0x64, 0x45, 0x64,
		  0xad, 0xc5, 0xf4, 0xb9, 0x3b, 0xe8, 0xac, 0xcd } },
	[SNP_ENTRY_VLEK] = { "VLEK",
		{ 0xa8, 0x07, 0x4b, 0xc2, 0xa2, 0x5a, 0x48, 0x3e,
		  0xaa, 0xe6, 0x39, 0xc0, 0x45, 0xa0, 0xb8, 0xa1 } },
	[SNP_ENTRY_ASK] = { "ASK",
		{ 0x4a, 0xb7, 0xb3, 0x79, 0xbb, 0xac, 0x4f, 0xe4,
		  0xa0, 0x2f, 0x05, 0xae, 0xf3, 0x27, 0xc7, 0x82 } },
	[SNP_ENTRY_ARK] = { "ARK",
		{ 0xc0, 0xb4, 0x06, 0xa4, 0xa8, 0x03, 0x49, 0x52,
		  0x97, 0x43, 0x3f, 0xb6, 0x01, 0x4c, 0xd0, 0xae } },
	[SNP_ENTRY_CRL] = { "CRL",
		{ 0x92, 0xf8, 0x1b, 0xc3, 0x58, 0x11, 0x4d, 0x3d,
		  0x97, 0xff, 0xd1, 0x9f, 0x88, 0xdc, 0x67, 0xea } },
};
/* clang-format on */

struct entry {
	struct slice guid;
	uint32_t at, len;
};

static struct entry next_entry(struct cursor *c)
{
	struct entry e = { .guid = cursor_bytes(c, GUID_LEN) };

	e.at = cursor_u32le(c);
	e.len = cursor_u32le(c);
	return e;
}

static bool is_last(const struct entry *e)
{
	return all_zero(e->guid.p, GUID_LEN) && e->at == 0 && e->len == 0;
}

/* The bytes of the head, with the entry that closes it. */
static enum status read_head(struct slice raw, size_t *head, struct err *err)
{
	struct cursor c = cursor_make(raw);

	for (size_t n = 0; n <= SNP_CERTS_TABLE_ENTRIES_MAX; n++) {
		struct entry e = next_entry(&c);

		if (c.bad)
			return err_set(err, E_PARSE,
				       "certificate table: expected an entry "
				       "of zeros at its end, found none in "
				       "%zu bytes",
				       raw.len);
		if (!is_last(&e))
			continue;
		*head = raw.len - c.rest.len;
		return OK;
	}
	return err_set(err, E_LIMIT, "certificate table: more than %d entries",
		       SNP_CERTS_TABLE_ENTRIES_MAX);
}

static size_t find_known(struct slice guid)
{
	size_t i = 0;

	while (i < countof(known) && !slice_eq(guid, slice_of(known[i].guid)))
		i++;
	return i;
}

static enum status add_entry(struct slice raw, size_t head,
			     const struct entry *e, struct snp_certs_table *t,
			     struct err *err)
{
	size_t i = find_known(e->guid);
	const char *name = i < countof(known) ? known[i].name : "unknown";

	/* In 64 bits, where the sum of two 32-bit numbers does not wrap. */
	if (e->at < head || (uint64_t)e->at + e->len > raw.len)
		return err_set(err, E_PARSE,
			       "certificate table: %s: expected it within "
			       "bytes %zu to %zu, found %u bytes at %u",
			       name, head, raw.len, e->len, e->at);
	if (i == countof(known)) {
		t->unknown++;
		return OK;
	}
	if (t->entry[i].len != 0 || e->len == 0)
		return err_set(err, E_PARSE,
			       "certificate table: %s: expected one, found %s",
			       name, e->len == 0 ? "an empty one" : "two");
	t->entry[i] = slice_sub(raw, e->at, e->len);
	return OK;
}

enum status snp_certs_table_parse(struct slice raw, struct snp_certs_table *out,
				  struct err *err)
{
	struct snp_certs_table t = { 0 };
	struct cursor c = cursor_make(raw);
	size_t head = 0;

	if (raw.len > SNP_CERTS_TABLE_MAX)
		return err_set(err, E_LIMIT,
			       "certificate table: expected at most %u bytes, "
			       "found %zu",
			       SNP_CERTS_TABLE_MAX, raw.len);
	if (raw.len > 0)
		TRY(read_head(raw, &head, err));
	for (size_t at = SNP_CERTS_TABLE_ENTRY_LEN; at < head;
	     at += SNP_CERTS_TABLE_ENTRY_LEN) {
		struct entry e = next_entry(&c);

		TRY(add_entry(raw, head, &e, &t, err));
	}
	*out = t;
	return OK;
}

const char *snp_certs_table_name(enum snp_certs_entry e)
{
	return known[e].name;
}

const uint8_t *snp_certs_table_guid(enum snp_certs_entry e)
{
	return known[e].guid;
}
