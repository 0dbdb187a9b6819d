#include "test/attest/ovmf_forge.h"

/* clang-format off */
const struct ovmf_forge ovmf_forge_usual = {
	.hashes_gpa = 0x810c00,
	.hashes_size = 0x400,
	.n_sev = 6,
	.sev = {
		{ 0x800000, 0x2000, 1 }, { 0x80d000, 0x1000, 2 },
		{ 0x80e000, 0x1000, 3 }, { 0x80f000, 0x1000, 4 },
		{ 0x811000, 0x3000, 1 }, { 0x810000, 0x1000, 16 },
	},
	.n_tdvf = 6,
	.tdvf = {
		{ 0x1000, 0x3000, 0xffffd000, 0x3000, 0, 1 },
		{ 0, 0x1000, 0xffffc000, 0x1000, 1, 0 },
		{ 0, 0, 0x810000, 0x10000, 3, 0 },
		{ 0, 0, 0x80b000, 0x2000, 3, 0 },
		{ 0, 0, 0x809000, 0x2000, 2, 0 },
		{ 0, 0, 0x800000, 0x6000, 3, 0 },
	},
};

static const uint8_t guid_footer[16] = {
	0xde, 0x82, 0xb5, 0x96, 0xb2, 0x1f, 0xf7, 0x45,
	0xba, 0xea, 0xa3, 0x66, 0xc5, 0x5a, 0x08, 0x2d };
static const uint8_t guid_reset[16] = {
	0xde, 0x71, 0xf7, 0x00, 0x7e, 0x1a, 0xcb, 0x4f,
	0x89, 0x0e, 0x68, 0xc7, 0x7e, 0x2f, 0xb4, 0x4e };
static const uint8_t guid_hashes[16] = {
	0x1f, 0x37, 0x55, 0x72, 0x3b, 0x3a, 0x04, 0x4b,
	0x92, 0x7b, 0x1d, 0xa6, 0xef, 0xa8, 0xd4, 0x54 };
static const uint8_t guid_sev[16] = {
	0x66, 0x65, 0x88, 0xdc, 0x4a, 0x98, 0x98, 0x47,
	0xa7, 0x5e, 0x55, 0x85, 0xa7, 0xbf, 0x67, 0xcc };
static const uint8_t guid_tdvf[16] = {
	0x35, 0x65, 0x7a, 0xe4, 0x4a, 0x98, 0x98, 0x47,
	0x86, 0x5e, 0x46, 0x85, 0xa7, 0xbf, 0x8e, 0xc2 };
/* clang-format on */

void ovmf_forge_put(uint8_t *p, uint64_t v, size_t bytes)
{
	for (size_t i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> (8 * i));
}

/* An entry below *end, which moves down. */
static void entry(uint8_t **end, const uint8_t guid[static 16], uint64_t v,
		  size_t len)
{
	memcpy(*end - 16, guid, 16);
	ovmf_forge_put(*end - 18, len + 18, 2);
	ovmf_forge_put(*end - 18 - len, v, len);
	*end -= len + 18;
}

static void put_sev(const struct ovmf_forge *f, uint8_t *p)
{
	memcpy(p, "ASEV", 4);
	ovmf_forge_put(p + 4, 16 + 12 * f->n_sev, 4);
	ovmf_forge_put(p + 8, 1, 4);
	ovmf_forge_put(p + 12, f->n_sev, 4);
	for (size_t i = 0; i < f->n_sev; i++) {
		ovmf_forge_put(p + 16 + 12 * i, f->sev[i].gpa, 4);
		ovmf_forge_put(p + 20 + 12 * i, f->sev[i].size, 4);
		ovmf_forge_put(p + 24 + 12 * i, f->sev[i].type, 4);
	}
}

static void put_tdvf(const struct ovmf_forge *f, uint8_t *p)
{
	memcpy(p, "TDVF", 4);
	ovmf_forge_put(p + 4, 16 + 32 * f->n_tdvf, 4);
	ovmf_forge_put(p + 8, 1, 4);
	ovmf_forge_put(p + 12, f->n_tdvf, 4);
	for (size_t i = 0; i < f->n_tdvf; i++) {
		const struct ovmf_forge_tdvf *s = &f->tdvf[i];
		uint8_t *to = p + 16 + 32 * i;

		ovmf_forge_put(to, s->at, 4);
		ovmf_forge_put(to + 4, s->len, 4);
		ovmf_forge_put(to + 8, s->gpa, 8);
		ovmf_forge_put(to + 16, s->size, 8);
		ovmf_forge_put(to + 24, s->type, 4);
		ovmf_forge_put(to + 28, s->attributes, 4);
	}
}

void ovmf_forge_image(const struct ovmf_forge *f, uint8_t *image, size_t len)
{
	uint8_t *table = image + len - 32 - 18;
	uint8_t *end = table;

	for (size_t i = 0; i < len; i++)
		image[i] = (uint8_t)(i * 7 + (i >> 8));
	if (!f->no_reset)
		entry(&end, guid_reset, 0x80b004, 4);
	if (!f->no_hashes)
		entry(&end, guid_hashes,
		      f->hashes_gpa | (uint64_t)f->hashes_size << 32, 8);
	if (!f->no_sev)
		entry(&end, guid_sev, OVMF_FORGE_SEV, 4);
	if (f->twice)
		entry(&end, guid_sev, OVMF_FORGE_SEV, 4);
	if (!f->no_tdvf)
		entry(&end, guid_tdvf, OVMF_FORGE_TDVF, 4);
	memcpy(table + 2, guid_footer, 16);
	ovmf_forge_put(table, (uint64_t)(table - end) + 18, 2);
	put_sev(f, image + len - OVMF_FORGE_SEV);
	put_tdvf(f, image + len - OVMF_FORGE_TDVF);
}
