#include <stdlib.h>

#include "core/cleanup.h"
#include "core/io/addr.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What was read can be written, and reads as the same again. */
static void check(const struct addr *a)
{
	char text[ADDR_TEXT_SIZE];
	struct addr again;
	struct err err;

	addr_text(a, text);
	if (strlen(a->host) >= sizeof(a->host) ||
	    addr_parse(text, 0, &again, &err) != OK ||
	    strcmp(a->host, again.host) != 0 || a->port != again.port ||
	    a->is_unix != again.is_unix)
		abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	auto_mem char *text = mem_strdup((const char *)data, size);
	struct addr a;
	struct err err;

	if (text == NULL)
		return 0;
	if (addr_parse(text, 0, &a, &err) == OK)
		check(&a);
	if (addr_parse(text, 443, &a, &err) == OK)
		check(&a);
	if (addr_parse_url(text, &a, &err) == OK)
		check(&a);
	return 0;
}
