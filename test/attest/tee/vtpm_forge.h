/* Evidence of a vTPM, made and signed here: whole, and good until a test
 * changes it. */
#ifndef CONFD_TEST_ATTEST_TEE_VTPM_FORGE_H
#define CONFD_TEST_ATTEST_TEE_VTPM_FORGE_H

#include "attest/tee/vtpm.h"

#define VTPM_FORGE_RUNTIME_AT 1236 /* in the HCL report */

/* Set it, then vtpm_forge_make. */
struct vtpm_forge {
	enum vtpm_cpu cpu;
	const char *runtime; /* NULL: with the key that signs */
	uint8_t pcr[VTPM_PCRS][32];
	uint32_t selected;
	struct slice nonce;
	struct buf hcl, quote, signature, pcrs;
};

/* What makes good evidence of SNP. */
void vtpm_forge_init(struct vtpm_forge *f);
void vtpm_forge_done(struct vtpm_forge *f);
#define auto_vtpm_forge __attribute__((cleanup(vtpm_forge_done)))

void vtpm_forge_make(struct vtpm_forge *f);

/* Sign the quote as it is now. */
void vtpm_forge_sign(struct vtpm_forge *f);

/* The HCL report's runtime data, with its key as "n". */
void vtpm_forge_runtime(struct buf *out);

/* Hash the HCL report's runtime data into its report data. */
void vtpm_forge_bind(struct vtpm_forge *f);

/* The case of it: borrowed from f, without nonce and TD quote. */
struct vtpm_case vtpm_forge_case(const struct vtpm_forge *f);

/* The bytes of a buffer, to be changed. */
static inline uint8_t *vtpm_forge_at(struct buf *b, size_t at)
{
	return b->mem + b->head + at;
}

#endif
