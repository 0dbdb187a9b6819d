/* The DER cursor: every reader over the same bytes, and their sum. */
#include "core/der.h"
#include "test/fuzz/fuzz.h"

/* A slice that was given lies within what was read. */
static void within(struct slice part, struct slice all)
{
	require(part.len == 0 ||
		(part.p >= all.p && part.p + part.len <= all.p + all.len));
}

/* Values one after another, and those within, as deep as they go; the first
 * of each, so that the work is bounded. */
static void walk(struct slice in)
{
	for (size_t depth = 0; depth < 64 && in.len > 0; depth++) {
		struct der d = der_make(in);
		struct slice first = { 0 };
		uint8_t tag;

		while (der_more(&d)) {
			size_t before = d.rest.len;
			struct slice v = der_any(&d, &tag);

			within(v, in);
			require(d.bad || d.rest.len < before);
			if (first.len == 0 && (tag & 0x20) != 0)
				first = v;
		}
		in = first;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice in = slice_make(data, size);
	struct der d[9];
	char text[DER_OID_TEXT];
	struct err err;

	walk(in);
	for (size_t i = 0; i < 9; i++)
		d[i] = der_make(in);
	within(der_integer(&d[0]), in);
	require(der_u64(&d[1], 1000) <= 1000);
	(void)der_enumerated(&d[2]);
	(void)der_boolean(&d[3]);
	der_null(&d[4]);
	within(der_bits(&d[5]), in);
	struct slice oid = der_oid(&d[6]);
	der_oid_text(oid, text);
	require(strlen(text) < sizeof(text));
	(void)der_time(&d[7]);
	within(der_whole(&d[8], DER_SEQUENCE), in);
	for (size_t i = 0; i < 9; i++)
		require((der_end(&d[i], "input", &err) == OK) ==
			(!d[i].bad && d[i].rest.len == 0));
	return 0;
}
