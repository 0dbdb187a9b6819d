/* What reading untrusted bytes costs, in CPU time of this thread: "NAME RATE
 * UNIT TIME" a line. */
#include "core/cleanup.h"
#include "core/io/http_parse.h"
#include "core/io/sse.h"
#include "core/json.h"
#include "core/text.h"
#include "proxy/adapter/adapter.h"
#include "proxy/bhttp.h"
#include "test/bench/bench.h"

#define CHAT 1024
#define PROMPT 100000
#define EVENTS 32
#define EVENT_LEN 290

static char chat[CHAT + 1], prompt[PROMPT + 1];
static struct buf request, answer, message, events, coded;
static struct err err;

/* ---- JSON ---------------------------------------------------------------- */

static void check_json(size_t n, const char *text, size_t len)
{
	for (size_t i = 0; i < n; i++)
		bench_must(json_check(slice_make(text, len), 0, &err), &err);
}

static void check_chat(size_t n)
{
	check_json(n, chat, CHAT);
}

static void check_prompt(size_t n)
{
	check_json(n, prompt, PROMPT);
}

static void parse_chat(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		auto_json struct json *root = NULL;
		bench_must(json_parse(slice_make(chat, CHAT), &root, &err),
			   &err);
	}
}

/* ---- HTTP ---------------------------------------------------------------- */

static void read_all(struct http_parser *p, struct slice in)
{
	struct http_event ev = { .kind = HTTP_MORE };

	for (size_t used; ev.kind != HTTP_END; in = slice_from(in, used))
		bench_must(http_parse_next(p, in, &used, &ev, &err), &err);
}

static void parse_request(size_t n)
{
	auto_http_parser struct http_parser p;

	http_parse_init_request(&p, 0, UINT64_MAX);
	for (size_t i = 0; i < n; i++)
		read_all(&p, buf_slice(&request));
}

static void parse_answer(size_t n)
{
	auto_http_parser struct http_parser p;

	http_parse_init_response(&p, 0, UINT64_MAX);
	for (size_t i = 0; i < n; i++)
		read_all(&p, buf_slice(&answer));
}

static const struct http_header headers[] = {
	{ S_INIT("content-type"), S_INIT("application/json") },
	{ S_INIT("accept"), S_INIT("text/event-stream, application/json") },
	{ S_INIT("user-agent"), S_INIT("OpenAI/Python 1.52.0") },
	{ S_INIT("x-stainless-lang"), S_INIT("python") },
	{ S_INIT("x-stainless-os"), S_INIT("Linux") },
};

static void write_binary(size_t n)
{
	const struct bhttp_head head = {
		.method = S("POST"),
		.scheme = S("https"),
		.authority = S("api.example"),
		.path = S("/v1/chat/completions"),
		.h = headers,
		.n = countof(headers),
	};

	for (size_t i = 0; i < n; i++) {
		buf_clear(&message);
		bench_must(bhttp_put_head(&message, &head, true, &err), &err);
		bhttp_put_content(&message, slice_make(chat, CHAT));
		bhttp_put_end(&message, 0);
	}
}

static void read_binary(size_t n)
{
	write_binary(1);
	for (size_t i = 0; i < n; i++) {
		auto_bhttp_reader struct bhttp_reader r;
		struct slice in = buf_slice(&message);
		struct bhttp_event ev = { .kind = BHTTP_MORE };
		bhttp_init_request(&r, UINT64_MAX);
		for (size_t used; ev.kind != BHTTP_END;
		     in = slice_from(in, used))
			bench_must(bhttp_next(&r, in, true, &used, &ev, &err),
				   &err);
	}
}

/* ---- the rest ------------------------------------------------------------ */

static void scan_events(size_t n)
{
	struct sse_scan scan = sse_scan_make(1u << 20);
	bool end;

	for (size_t i = 0; i < n; i++) {
		struct slice in = buf_slice(&events);
		for (size_t used; in.len > 0; in = slice_from(in, used))
			bench_must(sse_scan_next(&scan, in, &used, &end, &err),
				   &err);
	}
}

static void find_route(size_t n)
{
	struct adapter_set set = { .n = 0 };

	bench_must(adapter_enable(&set, S("openai"), &err), &err);
	for (size_t i = 0; i < n; i++)
		if (adapter_find(&set, S("POST"), S("/v1/chat/completions"))
			    .route == NULL)
			abort();
}

static void code_base64(size_t n)
{
	for (size_t i = 0; i < n; i++) {
		buf_clear(&coded);
		text_base64(&coded, slice_make(prompt, PROMPT));
	}
}

/* clang-format off */
/* Bytes of a message are those of its content: the head comes on top. */
static const struct bench_row rows[] = {
	{ "json_check_1k", check_chat, CHAT },
	{ "json_check_100k", check_prompt, PROMPT },
	{ "json_parse_1k", parse_chat, CHAT },
	{ "http_request_1k", parse_request, CHAT },
	{ "http_answer_chunked_1k", parse_answer, CHAT },
	{ "bhttp_write_1k", write_binary, CHAT },
	{ "bhttp_read_1k", read_binary, CHAT },
	{ "sse_scan", scan_events, (size_t)EVENTS * EVENT_LEN },
	{ "route", find_route, 0 },
	{ "base64_100k", code_base64, PROMPT },
};
/* clang-format on */

/* A chat of exactly len bytes, with prose of more than ASCII. */
static void make_chat(char *out, size_t len)
{
	static const char front[] =
		"{\"model\":\"bench\",\"temperature\":0.7,\"stream\":true,"
		"\"seed\":9007199254740993,\"messages\":[{\"role\":\"user\","
		"\"content\":\"";
	static const char prose[] = "Gr\xc3\xbc\xc3\x9f"
				    "e an alle, \\\"lorem\\\" ipsum "
				    "dolor sit amet\\n";
	static const char back[] = "\"}]}";
	size_t at = sizeof(front) - 1;

	memset(out, ' ', len + 1);
	memcpy(out, front, at);
	for (; at + sizeof(prose) + sizeof(back) < len; at += sizeof(prose) - 1)
		memcpy(out + at, prose, sizeof(prose) - 1);
	memcpy(out + len - sizeof(back) + 1, back, sizeof(back));
}

static void make_messages(void)
{
	buf_putf(&request,
		 "POST /v1/chat/completions HTTP/1.1\r\nHost: 127.0.0.1:8080"
		 "\r\nContent-Length: %d\r\n",
		 CHAT);
	for (size_t i = 0; i < countof(headers); i++)
		buf_putf(&request, "%.*s: %.*s\r\n", SLICE_FMT(headers[i].name),
			 SLICE_FMT(headers[i].value));
	buf_put_str(&request, "\r\n");
	buf_put(&request, slice_make(chat, CHAT));
	buf_putf(&answer,
		 "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n"
		 "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n0\r\n\r\n",
		 CHAT, chat);
	for (size_t i = 0; i < EVENTS; i++)
		buf_putf(&events, "data: %0*zu\n\n", EVENT_LEN - 8, i);
}

int main(void)
{
	make_chat(chat, CHAT);
	make_chat(prompt, PROMPT);
	request = buf_make(1u << 20);
	answer = buf_make(1u << 20);
	message = buf_make(1u << 20);
	events = buf_make(1u << 20);
	coded = buf_make(1u << 20);
	make_messages();
	bench_table(rows, countof(rows));
	return 0;
}
