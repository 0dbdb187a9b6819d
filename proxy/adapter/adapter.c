#include "proxy/adapter/adapter.h"

#include "core/cleanup.h"

static const struct adapter *const adapters[] = {
	&adapter_openai,
};

/* Which are enabled. */

static void put_names(struct buf *out)
{
	for (size_t i = 0; i < countof(adapters); i++)
		buf_putf(out, "%s%s", i == 0 ? "" : ", ", adapters[i]->name);
}

enum status adapter_enable(struct adapter_set *set, struct slice name,
			   struct err *err)
{
	const struct adapter *found = NULL;
	auto_buf struct buf names = buf_make(200);

	for (size_t i = 0; i < countof(adapters); i++)
		if (slice_eq_str(name, adapters[i]->name))
			found = adapters[i];
	if (found == NULL) {
		put_names(&names);
		return err_set(err, E_NOTFOUND,
			       "adapter \"%.*s\": there is none; want one of "
			       "%s",
			       SLICE_FMT(slice_sub(name, 0, 40)),
			       buf_cstr(&names));
	}
	for (size_t i = 0; i < set->n; i++)
		if (set->a[i] == found)
			return err_set(err, E_CONFLICT,
				       "adapter \"%s\": enabled twice",
				       found->name);
	if (set->n == ADAPTER_MAX)
		return err_set(err, E_LIMIT, "more than %d adapters",
			       ADAPTER_MAX);
	set->a[set->n++] = found;
	return OK;
}

/* Paths. */

static bool is_id_byte(uint8_t c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("._~:@-", c) != NULL);
}

/* One segment that cannot be read as anything else. */
static bool is_id(struct slice s)
{
	if (s.len < 1 || s.len > 128 || slice_eq_str(s, ".") ||
	    slice_eq_str(s, ".."))
		return false;
	for (size_t i = 0; i < s.len; i++)
		if (!is_id_byte(s.p[i]))
			return false;
	return true;
}

/* Take a segment off the front of *rest, up to "/" or its encoding. */
static bool take_id(struct slice *rest)
{
	size_t n = 0;

	while (n < rest->len && rest->p[n] != '/' && rest->p[n] != '%')
		n++;
	bool good = is_id(slice_sub(*rest, 0, n));
	*rest = slice_from(*rest, n);
	return good;
}

/* One or more segments; at the end of one, "/" or "%2F" and another one. */
static bool is_rest(struct slice s)
{
	while (take_id(&s)) {
		if (s.len == 0)
			return true;
		if (s.p[0] == '/')
			s = slice_from(s, 1);
		else if (slice_eq_nocase(slice_sub(s, 0, 3), S("%2f")))
			s = slice_from(s, 3);
		else
			return false;
	}
	return false;
}

/* Byte for byte; nothing is decoded, and no slash is left out or doubled. */
static bool path_fits(struct slice path, struct slice pattern)
{
	while (pattern.len > 0) {
		size_t n = 1;

		if (slice_eq_str(pattern, "{rest}"))
			return is_rest(path);
		if (slice_starts(pattern, S("{id}"))) {
			n = slice_find(path, '/');
			if (!is_id(slice_sub(path, 0, n)))
				return false;
			pattern = slice_from(pattern, sizeof("{id}") - 1);
		} else {
			if (path.len == 0 || path.p[0] != pattern.p[0])
				return false;
			pattern = slice_from(pattern, 1);
		}
		path = slice_from(path, n);
	}
	return path.len == 0;
}

static bool fits(const struct route *r, struct slice method, struct slice path,
		 bool query)
{
	return slice_eq_str(method, r->method) &&
	       (!query || (r->flags & ROUTE_QUERY) != 0) &&
	       path_fits(path, slice_str(r->path));
}

static const struct route *find(const struct adapter *a, struct slice method,
				struct slice target)
{
	struct slice path = slice_sub(target, 0, slice_find(target, '?'));

	for (size_t i = 0; i < a->n_routes; i++)
		if (fits(&a->routes[i], method, path, path.len < target.len))
			return &a->routes[i];
	return NULL;
}

/* Has it a route that begins with the same two segments? */
static bool knows_beginning(const struct adapter *a, struct slice target)
{
	for (size_t i = 0; i < a->n_routes; i++) {
		struct slice path = slice_str(a->routes[i].path);
		size_t first = slice_find(slice_from(path, 1), '/') + 1;
		size_t second = slice_find(slice_from(path, first + 1), '/');

		if (slice_starts(target,
				 slice_sub(path, 0, first + 1 + second)))
			return true;
	}
	return false;
}

struct adapter_match adapter_find(const struct adapter_set *set,
				  struct slice method, struct slice target)
{
	struct adapter_match m = { NULL, NULL };

	for (size_t i = 0; i < set->n; i++) {
		const struct route *r = find(set->a[i], method, target);

		if (r != NULL)
			return (struct adapter_match){ set->a[i], r };
		if (m.adapter == NULL && knows_beginning(set->a[i], target))
			m.adapter = set->a[i];
	}
	if (m.adapter == NULL && set->n > 0)
		m.adapter = set->a[0];
	return m;
}

/* Headers.  A name that ends in "*" stands for all that begin so. */

struct rule {
	const char *name;
	enum adapter_header what;
};

static const struct rule request_rules[] = {
	/* Of a connection: RFC 9110 section 7.6.1. */
	{ "connection", HEADER_DROP },
	{ "keep-alive", HEADER_DROP },
	{ "proxy-connection", HEADER_DROP },
	{ "proxy-authenticate", HEADER_DROP },
	{ "proxy-authorization", HEADER_DROP },
	{ "te", HEADER_DROP },
	{ "trailer", HEADER_DROP },
	{ "transfer-encoding", HEADER_DROP },
	{ "http2-settings", HEADER_DROP },
	{ "alt-used", HEADER_DROP },
	/* Written anew, or dealt with by us. */
	{ "host", HEADER_DROP },
	{ "content-length", HEADER_DROP },
	{ "expect", HEADER_DROP },
	{ "max-forwards", HEADER_DROP },
	{ "date", HEADER_DROP },
	{ "incremental", HEADER_DROP },
	/* The workload has no business with who asks from where. */
	{ "forwarded", HEADER_DROP },
	{ "via", HEADER_DROP },
	{ "x-forwarded-*", HEADER_DROP },
	{ "x-real-ip", HEADER_DROP },
	{ "x-client-ip", HEADER_DROP },
	{ "true-client-ip", HEADER_DROP },
	{ "cf-*", HEADER_DROP },
	{ "cookie", HEADER_DROP },
	{ "origin", HEADER_DROP },
	{ "referer", HEADER_DROP },
	{ "sec-*", HEADER_DROP },
	{ "confd-*", HEADER_DROP },
	{ "privatemode-*", HEADER_DROP },
	/* Only we say who was verified. */
	{ "x-confd-*", HEADER_REFUSE },
	{ "x-attestation*", HEADER_REFUSE },
	/* Some servers take another method, path or body from these. */
	{ "upgrade", HEADER_REFUSE },
	{ "x-http-method", HEADER_REFUSE },
	{ "x-http-method-override", HEADER_REFUSE },
	{ "x-method-override", HEADER_REFUSE },
	{ "x-original-url", HEADER_REFUSE },
	{ "x-original-uri", HEADER_REFUSE },
	{ "x-rewrite-url", HEADER_REFUSE },
	{ "range", HEADER_DROP },
	{ "if-*", HEADER_DROP },
};

/* What clients of the APIs read, and nothing that a workload could use to
 * reach around them (redirects, cookies, links, trailers, new protocols). */
static const struct rule answer_rules[] = {
	{ "content-type", HEADER_PASS },
	{ "content-encoding", HEADER_PASS },
	{ "content-language", HEADER_PASS },
	{ "content-disposition", HEADER_PASS },
	{ "cache-control", HEADER_PASS },
	{ "retry-after", HEADER_PASS },
	{ "retry-after-ms", HEADER_PASS },
	{ "request-id", HEADER_PASS },
	{ "x-request-id", HEADER_PASS },
	{ "x-should-retry", HEADER_PASS },
	{ "x-ratelimit-*", HEADER_PASS },
	{ "openai-*", HEADER_PASS },
	{ "anthropic-*", HEADER_PASS },
	{ "x-compute-*", HEADER_PASS }, /* text-generation-inference */
	{ "x-total-time", HEADER_PASS },
	{ "x-validation-time", HEADER_PASS },
	{ "x-queue-time", HEADER_PASS },
	{ "x-inference-time", HEADER_PASS },
	{ "x-time-per-token", HEADER_PASS },
	{ "x-prompt-tokens", HEADER_PASS },
	{ "x-generated-tokens", HEADER_PASS },
	{ "inference-header-content-length", HEADER_PASS }, /* Triton */
	{ "warning", HEADER_PASS },
};

static bool rule_is_for(const struct rule *r, struct slice name)
{
	struct slice want = slice_str(r->name);

	if (want.p[want.len - 1] == '*') {
		want.len--;
		name = slice_sub(name, 0, want.len);
	}
	return slice_eq_nocase(name, want);
}

static enum adapter_header judge(const struct rule *rules, size_t n,
				 struct slice name,
				 enum adapter_header otherwise)
{
	for (size_t i = 0; i < n; i++)
		if (rule_is_for(&rules[i], name))
			return rules[i].what;
	return otherwise;
}

enum adapter_header adapter_request_header(struct slice name,
					   struct slice value)
{
	/* A body that we cannot look into would pass our checks unseen. */
	if (slice_eq_nocase(name, S("content-encoding")))
		return slice_eq_nocase(value, S("identity")) ? HEADER_DROP
							     : HEADER_REFUSE;
	return judge(request_rules, countof(request_rules), name, HEADER_PASS);
}

enum adapter_header adapter_response_header(struct slice name)
{
	return judge(answer_rules, countof(answer_rules), name, HEADER_DROP);
}
