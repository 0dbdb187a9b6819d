/* Firmware images to measure: pages of a pattern, with OVMF's table of GUIDs
 * and the metadata that are asked for. */
#ifndef CONFD_TEST_ATTEST_OVMF_FORGE_H
#define CONFD_TEST_ATTEST_OVMF_FORGE_H

#include "attest/measure_ovmf.h"

#define OVMF_FORGE_LEN 0x4000u
#define OVMF_FORGE_SEV 0x400u  /* distance of the metadata from the end */
#define OVMF_FORGE_TDVF 0x800u /* at most 16 sections */

struct ovmf_forge_tdvf {
	uint32_t at, len;
	uint64_t gpa, size;
	uint32_t type, attributes;
};

/* What the image says. */
struct ovmf_forge {
	bool no_reset, no_hashes, no_sev, no_tdvf, twice;
	uint32_t hashes_gpa, hashes_size;
	size_t n_sev, n_tdvf;
	struct measure_sev_section sev[8];
	struct ovmf_forge_tdvf tdvf[8];
};

/* What an image of OVMF for both says, in small. */
extern const struct ovmf_forge ovmf_forge_usual;

/* Write an image of len bytes, at least OVMF_FORGE_LEN. */
void ovmf_forge_image(const struct ovmf_forge *f, uint8_t *image, size_t len);

/* Little-endian numbers. */
void ovmf_forge_put(uint8_t *p, uint64_t v, size_t bytes);

#endif
