/* What the fuzz targets have in common. */
#ifndef CONFD_TEST_FUZZ_FUZZ_H
#define CONFD_TEST_FUZZ_FUZZ_H

#include <stdlib.h>

#include "core/crypto.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What has to hold, or the input is a finding. */
static inline void require(bool held)
{
	if (!held)
		abort();
}

/* clang-format off */
/* In a target that verifies signatures. */
#define FUZZ_WITH_CRYPTO                                                    \
	int LLVMFuzzerInitialize(int *argc, char ***argv);                  \
	int LLVMFuzzerInitialize(int *argc, char ***argv)                   \
	{                                                                   \
		struct err err;                                             \
                                                                            \
		(void)argc;                                                 \
		(void)argv;                                                 \
		return crypto_setup(&err) == OK ? 0 : 1;                    \
	}
/* clang-format on */

#endif
