#include <stdlib.h>

#include "core/cleanup.h"
#include "proxy/adapter/adapter.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(struct slice s, struct slice what)
{
	return slice_search(s, what) < s.len;
}

/* Method, space, target.  A target with a route can be read in one way. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const struct adapter_set set = { .a = { &adapter_openai },
						.n = 1 };
	struct slice in = slice_make(data, size);
	size_t space = slice_find(in, ' ');
	struct slice target = slice_from(in, space + 1);
	struct adapter_match m =
		adapter_find(&set, slice_sub(in, 0, space), target);

	if (m.adapter != &adapter_openai)
		abort();
	if (m.route == NULL)
		return 0;
	struct slice path = slice_sub(target, 0, slice_find(target, '?'));
	if (path.len < target.len && (m.route->flags & ROUTE_QUERY) == 0)
		abort();
	if (path.p[0] != '/' || path.p[path.len - 1] == '/' ||
	    has(path, S("//")) || has(path, S("/../")) || has(path, S("/./")) ||
	    has(path, S("\\")) || has(path, S("%2e")) || has(path, S("%25")) ||
	    has(path, S("%00")) || has(path, S(" ")))
		abort();
	return 0;
}
