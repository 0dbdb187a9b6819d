#include "proxy/vet.h"

#include "core/cleanup.h"

static const struct vet_problem not_found = {
	404, "not_found", "This method and path are not served here."
};
static const struct vet_problem bad_header = {
	400, "header_not_allowed",
	"The request has a header that is not allowed here, such as "
	"Content-Encoding or one that overrides method or path."
};
static const struct vet_problem bad_type = {
	400, "unsupported_media_type",
	"This route needs another Content-Type: application/json, or "
	"multipart/form-data with a boundary for uploads."
};
const struct vet_problem vet_answer_bad = {
	502, "upstream_invalid",
	"The model server's answer is not one that may be passed on."
};
const struct vet_problem vet_answer_large = {
	502, "upstream_too_large",
	"The model server's answer is larger than is passed on."
};

static bool media_type_is(struct slice value, const char *want)
{
	struct slice type = slice_sub(value, 0, slice_find(value, ';'));

	return slice_eq_nocase(slice_trim(type), slice_str(want));
}

/* The field is there once: Binary HTTP with two is not taken. */
static bool type_fits(const struct bhttp_head *head, enum route_body want)
{
	struct slice type = bhttp_get(head, "content-type");

	if (want == ROUTE_JSON)
		return media_type_is(type, "application/json");
	if (want == ROUTE_MULTIPART)
		return media_type_is(type, "multipart/form-data") &&
		       slice_search(type, S("boundary=")) < type.len;
	return true;
}

static bool headers_fit(const struct bhttp_head *head)
{
	for (size_t i = 0; i < head->n; i++)
		if (adapter_request_header(head->h[i].name, head->h[i].value) ==
		    HEADER_REFUSE)
			return false;
	return true;
}

const struct vet_problem *vet_request(const struct bhttp_head *head,
				      const struct route *route)
{
	if (route == NULL)
		return &not_found;
	if (!headers_fit(head))
		return &bad_header;
	return type_fits(head, route->body) ? NULL : &bad_type;
}

bool vet_is_events(const struct http_head *head)
{
	return media_type_is(http_head_get(head, "content-type"),
			     "text/event-stream") &&
	       http_head_count(head, "content-encoding") == 0;
}

const struct vet_problem *vet_answer(const struct http_head *head, uint64_t max)
{
	/* Redirects are for nobody to follow; an answer that lasts until the
	 * connection closes cannot be told from one that was cut off. */
	if ((head->status >= 300 && head->status < 400) ||
	    head->body == HTTP_UNTIL_CLOSE)
		return &vet_answer_bad;
	if (!vet_is_events(head) && head->body == HTTP_LENGTH &&
	    head->length > max)
		return &vet_answer_large;
	return NULL;
}
