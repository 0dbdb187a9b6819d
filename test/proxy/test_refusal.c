#include "proxy/refusal.h"

#include "core/json.h"
#include "test/proxy/visit.h"
#include "test/proxy/world.h"

TEST(a_problem_document_has_what_its_rfc_asks_for)
{
	static const struct refusal r = { 409, "urn:confd:error:replay",
					  "It was \"here\" before.", "5" };
	auto_buf struct buf out = buf_make(4096);

	refusal_put(&out, &r);
	CHECK(slice_eq_str(buf_slice(&out),
			   "{\"type\":\"urn:confd:error:replay\","
			   "\"title\":\"Conflict\",\"status\":409,"
			   "\"detail\":\"It was \\\"here\\\" before.\"}"));
}

/* The server's own refusals. */
static void own(unsigned status, const char *type)
{
	auto_buf struct buf out = buf_make(4096);
	const char *media = NULL;
	char want[80];

	refusal_on_error(NULL, status, "a reason", &media, &out);
	(void)snprintf(want, sizeof(want), "{\"type\":\"%s\",", type);
	(void)EXPECT(slice_starts(buf_slice(&out), slice_str(want)));
	(void)EXPECT(buf_has(&out, "\"detail\":\"a reason\""));
	(void)EXPECT(media != NULL &&
		     slice_eq_str(slice_str(media), REFUSAL_TYPE));
}

TEST(what_the_server_refuses_has_a_type_of_its_own)
{
	own(400, "urn:confd:error:malformed");
	own(408, "urn:confd:error:slow");
	own(413, "urn:confd:error:too-large");
	own(417, "urn:confd:error:malformed");
	own(431, "urn:confd:error:too-large");
	own(500, "urn:confd:error:internal");
	own(501, "urn:confd:error:malformed");
	own(503, "urn:confd:error:unavailable");
	own(505, "urn:confd:error:malformed");
}

/* A server that refuses everything in one of two ways. */
struct refuser {
	struct loop *loop;
	struct addr at;
	struct http_server *server;
	struct listener *listener;
	const struct refusal *r;
	const struct refusal_api *api;
};

static void on_call(void *ctx, struct http_call *call,
		    const struct http_head *head)
{
	struct refuser *f = ctx;

	(void)head;
	if (f->r != NULL)
		refusal_reply(call, f->r);
	else
		refusal_reply_api(call, &adapter_openai, f->api);
}

static const struct http_server_events server_callbacks = { .on_call =
								    on_call };

static bool refuser_start(struct refuser *f)
{
	struct addr any;
	struct err err;

	*f = (struct refuser){ .loop = NULL };
	if (!EXPECT(loop_new(&f->loop, &err) == OK) ||
	    !EXPECT(addr_parse("127.0.0.1:0", 0, &any, &err) == OK) ||
	    !EXPECT(http_server_new(f->loop, NULL, &server_callbacks, f,
				    &f->server, &err) == OK) ||
	    !EXPECT(listener_open(f->loop, &any, NULL, NULL, http_server_accept,
				  f->server, &f->listener, &err) == OK))
		return false;
	listener_addr(f->listener, &f->at);
	return true;
}

static void refuser_stop(struct refuser *f)
{
	listener_close(f->listener);
	http_server_free(f->server);
	loop_free(f->loop);
}

TEST(headers_are_sent_where_they_are_meant)
{
	static const struct refusal plain = { 404, "urn:x", "d", NULL };
	static const struct refusal later = { 503, "urn:x", "d", "7" };
	static const struct refusal_api api = { .status = 400,
						.message = "m",
						.code = "c" };
	static const struct refusal_api full = { .status = 502,
						 .message = "m",
						 .code = "c",
						 .retry = "9",
						 .unauthentic = true,
						 .final = true };
	struct refuser f;
	struct visit v;

	CHECK(refuser_start(&f));
	visit_init(&v, f.loop, &f.at);
	f.r = &plain;
	(void)visit_run(&v, "GET", "/", NULL, S(""), 404);
	(void)EXPECT(visit_head_says(&v, "content-type: " REFUSAL_TYPE "\n"));
	(void)EXPECT(visit_head_says(&v, "cache-control: no-store\n"));
	(void)EXPECT(!visit_head_says(&v, "retry-after"));
	f.r = &later;
	(void)visit_run(&v, "GET", "/", NULL, S(""), 503);
	(void)EXPECT(visit_head_says(&v, "retry-after: 7\n"));
	f.r = NULL;
	f.api = &api;
	(void)visit_run(&v, "GET", "/", NULL, S(""), 400);
	(void)EXPECT(visit_head_says(&v, "content-type: application/json\n"));
	(void)EXPECT(visit_says(&v, "\"code\":\"c\""));
	(void)EXPECT(!visit_head_says(&v, "retry"));
	(void)EXPECT(!visit_head_says(&v, "confd"));
	f.api = &full;
	(void)visit_run(&v, "GET", "/", NULL, S(""), 502);
	(void)EXPECT(visit_head_says(&v, "retry-after: 9\n"));
	(void)EXPECT(visit_head_says(&v, "x-should-retry: false\n"));
	(void)EXPECT(visit_head_says(&v, "confd-authenticated: no\n"));
	visit_done(&v);
	refuser_stop(&f);
}
