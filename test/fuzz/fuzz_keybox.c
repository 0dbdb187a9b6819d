#include <stdint.h>
#include <stdlib.h>

#include "core/keybox.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted is exactly what the writer makes of it. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_keybox struct keybox *box = NULL;
	auto_buf struct buf again = buf_make(1u << 20);
	struct slice in = slice_make(data, size);
	struct err err;

	if (keybox_new(&box, &err) != OK || keybox_read(in, box, &err) != OK)
		return 0;
	keybox_write(box, &again);
	if (!slice_eq(in, buf_slice(&again)))
		abort();
	return 0;
}
