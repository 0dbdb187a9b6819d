#include "proxy/vet.h"

#include "core/cleanup.h"
#include "test/test.h"

#define CHAT "/v1/chat/completions"

static const struct route *route(const char *method, const char *path)
{
	const struct adapter_set set = { .a = { &adapter_openai }, .n = 1 };

	return adapter_find(&set, slice_str(method), slice_str(path)).route;
}

/* The code of what is wrong with a request of one header; "" for nothing. */
static const char *request(const struct route *r, const char *name,
			   const char *value)
{
	const struct http_header h = { slice_str(name), slice_str(value) };
	const struct bhttp_head head = { .h = &h, .n = name != NULL };
	const struct vet_problem *p = vet_request(&head, r);

	return p == NULL ? "" : p->code;
}

TEST(requests_need_the_media_type_of_their_route)
{
	const struct route *chat = route("POST", CHAT);
	const struct route *audio = route("POST", "/v1/audio/transcriptions");
	const struct route *models = route("GET", "/v1/models");

	CHECK_STR_EQ(request(chat, "content-type", "application/json"), "");
	CHECK_STR_EQ(request(chat, "content-type",
			     "Application/JSON ; charset=utf-8"),
		     "");
	CHECK_STR_EQ(request(chat, "content-type", "application/json5"),
		     "unsupported_media_type");
	CHECK_STR_EQ(request(chat, "content-type", ""),
		     "unsupported_media_type");
	CHECK_STR_EQ(request(chat, NULL, NULL), "unsupported_media_type");
	CHECK_STR_EQ(request(audio, "content-type",
			     "multipart/form-data; boundary=x"),
		     "");
	CHECK_STR_EQ(request(audio, "content-type", "multipart/form-data"),
		     "unsupported_media_type");
	CHECK_STR_EQ(request(models, NULL, NULL), "");
	CHECK_STR_EQ(request(models, "content-type", "x/y"), "");
}

TEST(what_is_no_route_is_not_found_whatever_its_headers)
{
	CHECK(route("GET", CHAT) == NULL);
	CHECK_STR_EQ(request(NULL, "content-encoding", "gzip"), "not_found");
}

TEST(headers_that_make_another_request_of_it_are_refused)
{
	const struct route *models = route("GET", "/v1/models");

	CHECK_STR_EQ(request(models, "x-http-method-override", "DELETE"),
		     "header_not_allowed");
	CHECK_STR_EQ(request(models, "content-encoding", "gzip"),
		     "header_not_allowed");
	CHECK_STR_EQ(request(models, "content-encoding", "identity"), "");
}

static const char *answer(unsigned status, enum http_body body, uint64_t length,
			  const char *type)
{
	struct http_head head = {
		.status = status, .body = body, .length = length, .n = 1
	};
	const struct vet_problem *p;

	head.h[0] = (struct http_header){ S("Content-Type"), slice_str(type) };
	p = vet_answer(&head, 1000);
	return p == NULL ? "" : p->code;
}

TEST(answers_pass_only_when_their_end_can_be_seen)
{
	const char *json = "application/json";
	const char *events = "text/event-stream; charset=utf-8";

	CHECK_STR_EQ(answer(200, HTTP_LENGTH, 1000, json), "");
	CHECK_STR_EQ(answer(200, HTTP_CHUNKED, 0, json), "");
	CHECK_STR_EQ(answer(204, HTTP_NO_BODY, 0, json), "");
	CHECK_STR_EQ(answer(500, HTTP_LENGTH, 0, json), "");
	CHECK_STR_EQ(answer(200, HTTP_UNTIL_CLOSE, 0, json),
		     "upstream_invalid");
	CHECK_STR_EQ(answer(200, HTTP_UNTIL_CLOSE, 0, events),
		     "upstream_invalid");
	for (unsigned status = 300; status < 400; status++)
		CHECK_STR_EQ(answer(status, HTTP_LENGTH, 0, json),
			     "upstream_invalid");
	CHECK_STR_EQ(answer(200, HTTP_LENGTH, 1001, json),
		     "upstream_too_large");
	/* Events are counted one by one. */
	CHECK_STR_EQ(answer(200, HTTP_LENGTH, 1001, events), "");
}

TEST(a_stream_of_events_that_is_encoded_is_no_stream_to_us)
{
	struct http_head head = { .n = 1 };

	head.h[0] = (struct http_header){ S("content-type"),
					  S("TEXT/event-stream") };
	CHECK(vet_is_events(&head));
	head.h[1] = (struct http_header){ S("Content-Encoding"), S("gzip") };
	head.n = 2;
	CHECK(!vet_is_events(&head));
}
