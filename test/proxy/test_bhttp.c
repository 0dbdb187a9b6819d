#include "proxy/bhttp.h"

#include <stdlib.h>

#include "core/cleanup.h"
#include "core/mem.h"
#include "test/core/hex.h"
#include "test/test.h"

/* What a reader says of a message, as text: one line an event, data joined.
 * "!" and the status name at the end when it was refused. */
struct told {
	struct buf text;
	enum status status;
	bool data;
};

static void tell_head(struct told *t, const char *what,
		      const struct bhttp_head *h)
{
	buf_putf(&t->text, "%s ", what);
	if (h->method.len > 0)
		buf_putf(&t->text, "%.*s %.*s %.*s %.*s", SLICE_FMT(h->method),
			 SLICE_FMT(h->scheme), SLICE_FMT(h->authority),
			 SLICE_FMT(h->path));
	else
		buf_putf(&t->text, "%u", h->status);
	if (h->length != BHTTP_NO_LENGTH)
		buf_putf(&t->text, " %llu", (unsigned long long)h->length);
	for (size_t i = 0; i < h->n; i++)
		buf_putf(&t->text, "\n %.*s: %.*s", SLICE_FMT(h->h[i].name),
			 SLICE_FMT(h->h[i].value));
	buf_put_str(&t->text, "\n");
}

static void tell(struct told *t, const struct bhttp_event *ev)
{
	if (t->data && ev->kind != BHTTP_DATA)
		buf_put_str(&t->text, "\n");
	if (ev->kind == BHTTP_HEAD)
		tell_head(t, "head", ev->head);
	else if (ev->kind == BHTTP_INTERIM)
		tell_head(t, "interim", ev->head);
	else if (ev->kind == BHTTP_DATA)
		buf_put(&t->text, ev->data);
	else
		buf_putf(&t->text, "end %zu\n", ev->trailers);
	t->data = ev->kind == BHTTP_DATA;
}

/* Feed part, in a block of its own so that reading beyond it shows. */
static enum status feed(struct bhttp_reader *r, struct slice part, bool last,
			struct told *t, struct err *err)
{
	auto_mem uint8_t *copy = mem_must(part.len);
	struct slice in = slice_make(copy, part.len);
	struct bhttp_event ev;
	size_t used;

	if (part.len > 0)
		memcpy(copy, part.p, part.len);
	do {
		TRY(bhttp_next(r, in, last, &used, &ev, err));
		in = slice_from(in, used);
		if (ev.kind != BHTTP_MORE)
			tell(t, &ev);
	} while (ev.kind != BHTTP_MORE && ev.kind != BHTTP_END);
	EXPECT(in.len == 0);
	EXPECT(!last || ev.kind == BHTTP_END);
	return OK;
}

/* Read message in pieces of cut bytes. */
static void read_cut(struct slice message, bool response, size_t cut,
		     uint64_t max, struct told *t)
{
	auto_bhttp_reader struct bhttp_reader r;
	struct err err;

	if (response)
		bhttp_init_response(&r, max);
	else
		bhttp_init_request(&r, max);
	*t = (struct told){ .text = buf_make(1 << 20), .status = OK };
	while (message.len > cut && t->status == OK) {
		t->status =
			feed(&r, slice_sub(message, 0, cut), false, t, &err);
		message = slice_from(message, cut);
	}
	if (t->status == OK)
		t->status = feed(&r, message, true, t, &err);
	if (t->status != OK) {
		struct bhttp_event ev;
		size_t used;

		EXPECT(err.code == t->status && err.text[0] != '\0');
		EXPECT(bhttp_next(&r, S(""), true, &used, &ev, &err) ==
		       t->status);
		buf_putf(&t->text, "%s! %s\n", t->data ? "\n" : "",
			 status_name(t->status));
	}
}

/* Read it in pieces of every size up to 40, and whole; all must tell want. */
static bool reads(struct slice message, bool response, const char *want)
{
	for (size_t cut = 1; cut <= 41; cut++) {
		struct told t;

		read_cut(message, response, cut == 41 ? SIZE_MAX : cut, 10000,
			 &t);
		auto_buf struct buf text = t.text;
		if (!test_str_eq(__FILE__, __LINE__, "what was read",
				 buf_cstr(&text), want))
			return false;
	}
	return true;
}

static enum status verdict(struct slice message, bool response)
{
	struct told t;

	read_cut(message, response, SIZE_MAX, 10000, &t);
	buf_done(&t.text);
	return t.status;
}

/* RFC 9292 section 5.1. */
static const char known_request[] =
	"0003474554056874747073000a2f68656c6c6f2e747874406c0a757365722d61"
	"67656e74346375726c2f372e31362e33206c69626375726c2f372e31362e3320"
	"4f70656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f77"
	"77772e6578616d706c652e636f6d0f6163636570742d6c616e67756167650665"
	"6e2c206d690000";
static const char indeterminate_request[] =
	"0203474554056874747073000a2f68656c6c6f2e7478740a757365722d616765"
	"6e74346375726c2f372e31362e33206c69626375726c2f372e31362e33204f70"
	"656e53534c2f302e392e376c207a6c69622f312e322e3304686f73740f777777"
	"2e6578616d706c652e636f6d0f6163636570742d6c616e677561676506656e2c"
	"206d6900000000000000000000000000";
#define HELLO_HEADERS                                                  \
	"\n user-agent: curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l "    \
	"zlib/1.2.3\n host: www.example.com\n accept-language: en, mi" \
	"\nend 0\n"

/* RFC 9292 section 5.2. */
static const char indeterminate_response[] =
	"0340660772756e6e696e670a22736c65657020313522004067046c696e6b233c"
	"2f7374796c652e6373733e3b2072656c3d7072656c6f61643b2061733d737479"
	"6c65046c696e6b243c2f7363726970742e6a733e3b2072656c3d7072656c6f61"
	"643b2061733d7363726970740040c804646174651d4d6f6e2c203237204a756c"
	"20323030392031323a32383a353320474d540673657276657206417061636865"
	"0d6c6173742d6d6f6469666965641d5765642c203232204a756c203230303920"
	"31393a31353a353620474d5404657461671422333461613338372d642d313536"
	"3865623030220d6163636570742d72616e6765730562797465730e636f6e7465"
	"6e742d6c656e67746802353104766172790f4163636570742d456e636f64696e"
	"670c636f6e74656e742d747970650a746578742f706c61696e003348656c6c6f"
	"20576f726c6421204d7920636f6e74656e7420696e636c756465732061207472"
	"61696c696e672043524c462e0d0a0000";
static const char known_response[] =
	"0140c8001d5468697320636f6e74656e7420636f6e7461696e732043524c462e"
	"0d0a0d07747261696c65720474657874";

TEST(reads_the_known_length_request_of_the_rfc)
{
	struct hex m = hex(known_request);

	CHECK(reads(hex_slice(&m), false,
		    "head GET https  /hello.txt 0" HELLO_HEADERS));
}

TEST(reads_the_indeterminate_length_request_of_the_rfc)
{
	struct hex m = hex(indeterminate_request);

	CHECK(reads(hex_slice(&m), false,
		    "head GET https  /hello.txt" HELLO_HEADERS));
}

TEST(reads_the_indeterminate_length_response_of_the_rfc)
{
	struct hex m = hex(indeterminate_response);

	CHECK(reads(hex_slice(&m), true,
		    "interim 102\n running: \"sleep 15\"\n"
		    "interim 103\n"
		    " link: </style.css>; rel=preload; as=style\n"
		    " link: </script.js>; rel=preload; as=script\n"
		    "head 200 51\n date: Mon, 27 Jul 2009 12:28:53 GMT\n"
		    " server: Apache\n"
		    " last-modified: Wed, 22 Jul 2009 19:15:56 GMT\n"
		    " etag: \"34aa387-d-1568eb00\"\n accept-ranges: bytes\n"
		    " content-length: 51\n vary: Accept-Encoding\n"
		    " content-type: text/plain\n"
		    "Hello World! My content includes a trailing CRLF.\r\n\n"
		    "end 0\n"));
}

TEST(reads_the_known_length_response_of_the_rfc)
{
	struct hex m = hex(known_response);

	CHECK(reads(hex_slice(&m), true,
		    "head 200 29\nThis content contains CRLF.\r\n\nend 1\n"));
}

/* Every prefix of the message: those of the listed lengths are complete, all
 * others are cut short. */
static bool complete_at(struct slice m, bool response, const size_t *lengths,
			size_t n)
{
	for (size_t len = 0; len <= m.len; len++) {
		bool whole = false;

		for (size_t i = 0; i < n; i++)
			whole |= len == lengths[i];
		if (!EXPECT(verdict(slice_sub(m, 0, len), response) ==
			    (whole ? OK : E_PARSE)))
			return false;
	}
	return true;
}

TEST(only_an_empty_tail_may_be_left_out)
{
	struct hex m = hex(known_request);
	size_t all = m.len;

	/* Behind the control data, the fields, the content, and whole. */
	CHECK(complete_at(hex_slice(&m), false,
			  (size_t[]){ 23, all - 2, all - 1, all }, 4));

	m = hex(indeterminate_request);
	all = m.len - 12; /* of them 10 are padding */
	CHECK(complete_at(hex_slice(&m), false,
			  (size_t[]){ 23, all, all + 1, all + 2, all + 3,
				      all + 4, all + 5, all + 6, all + 7,
				      all + 8, all + 9, all + 10, all + 11,
				      all + 12 },
			  14));

	m = hex(known_response); /* has a trailer */
	CHECK(complete_at(hex_slice(&m), true, (size_t[]){ 3, 4, 34, m.len },
			  4));

	/* Behind the final status; or before the content, as the answer to
	 * HEAD; or before the trailers. */
	m = hex(indeterminate_response);
	CHECK(complete_at(hex_slice(&m), true,
			  (size_t[]){ 111, m.len - 54, m.len - 1, m.len }, 4));
}

/* Messages by hand. */

static void str(struct buf *b, const char *s)
{
	buf_put_varint(b, strlen(s));
	buf_put_str(b, s);
}

static struct buf message(uint8_t framing)
{
	struct buf b = buf_make(1 << 20);

	buf_put_u8(&b, framing);
	return b;
}

static struct buf request(uint8_t framing)
{
	struct buf b = message(framing);

	str(&b, "POST");
	str(&b, "https");
	str(&b, "example.com");
	str(&b, "/v1/x?y");
	return b;
}

/* name, value, name, value, NULL; both forms. */
static void section(struct buf *b, uint8_t framing, const char *const *fields)
{
	auto_buf struct buf f = buf_make(1 << 20);

	for (; *fields != NULL; fields++)
		str(&f, *fields);
	if (framing < 2)
		buf_put_varint(b, f.len);
	buf_put(b, buf_slice(&f));
	if (framing >= 2)
		buf_put_u8(b, 0);
}

/* The verdict on a request with these fields, in both forms alike. */
static enum status fields(const char *const *list)
{
	enum status got[2];

	for (uint8_t i = 0; i < 2; i++) {
		auto_buf struct buf b = request(2 * i);

		section(&b, 2 * i, list);
		got[i] = verdict(buf_slice(&b), false);
	}
	EXPECT(got[0] == got[1]);
	return got[0];
}
#define FIELDS(...) fields((const char *const[]){ __VA_ARGS__, NULL })

TEST(field_names_are_lower_case_tokens)
{
	CHECK(FIELDS("a", "b") == OK);
	CHECK(FIELDS("a!#$%&'*+-.^_`|~09z", "") == OK);
	CHECK(FIELDS("A", "b") == E_PARSE);
	CHECK(FIELDS("content-Type", "b") == E_PARSE);
	CHECK(FIELDS("a b", "c") == E_PARSE);
	CHECK(FIELDS("a:", "c") == E_PARSE);
	CHECK(FIELDS("a\r\nb", "c") == E_PARSE);
	CHECK(FIELDS("caf\xc3\xa9", "c") == E_PARSE);
}

TEST(pseudo_fields_and_fields_of_connections_are_refused)
{
	static const char *const names[] = {
		":method",	    ":scheme",
		":authority",	    ":path",
		":status",	    ":protocol",
		"connection",	    "keep-alive",
		"proxy-connection", "transfer-encoding",
		"upgrade",	    "te",
	};

	for (size_t i = 0; i < countof(names); i++)
		CHECK(FIELDS(names[i], "x") == E_PARSE);
	CHECK(FIELDS("te", "trailers") == E_PARSE);
	CHECK(FIELDS("tea", "x") == OK);
}

TEST(field_values_have_no_control_bytes_and_no_space_at_the_ends)
{
	CHECK(FIELDS("a", "") == OK);
	CHECK(FIELDS("a", "b c\td") == OK);
	CHECK(FIELDS("a", "caf\xc3\xa9") == OK);
	CHECK(FIELDS("a", " b") == E_PARSE);
	CHECK(FIELDS("a", "b\t") == E_PARSE);
	CHECK(FIELDS("a", "b\r\nc: d") == E_PARSE);
	CHECK(FIELDS("a", "b\nc") == E_PARSE);
	CHECK(FIELDS("a", "b\rc") == E_PARSE);
	CHECK(FIELDS("a", "\x01") == E_PARSE);
	CHECK(FIELDS("a", "\x7f") == E_PARSE);

	auto_buf struct buf b = request(2);
	str(&b, "a");
	buf_put(&b, S("\003x\0y\0"));
	CHECK(verdict(buf_slice(&b), false) == E_PARSE);
}

TEST(host_must_be_one_and_agree_with_the_authority)
{
	CHECK(FIELDS("host", "example.com") == OK);
	CHECK(FIELDS("host", "EXAMPLE.com") == OK);
	CHECK(FIELDS("host", "example.com:443") == E_PARSE);
	CHECK(FIELDS("host", "evil.com") == E_PARSE);
	CHECK(FIELDS("host", "") == E_PARSE);
	CHECK(FIELDS("host", "example.com", "host", "example.com") == E_PARSE);
}

TEST(content_length_must_be_one_and_a_number)
{
	CHECK(FIELDS("content-length", "0") == OK);
	CHECK(FIELDS("content-length", "1") == E_PARSE); /* there is none */
	CHECK(FIELDS("content-length", "+0") == E_PARSE);
	CHECK(FIELDS("content-length", "0, 0") == E_PARSE);
	CHECK(FIELDS("content-length", "") == E_PARSE);
	CHECK(FIELDS("content-length", "0x0") == E_PARSE);
	CHECK(FIELDS("content-length", "0", "content-length", "0") == E_PARSE);
	CHECK(FIELDS("content-length", "18446744073709551616") == E_PARSE);
}

TEST(content_type_must_be_one)
{
	CHECK(FIELDS("content-type", "application/json") == OK);
	CHECK(FIELDS("content-type", "a/b", "content-type", "a/b") == E_PARSE);
}

/* A request of these four strings. */
static enum status control(const char *method, const char *scheme,
			   const char *authority, const char *path)
{
	auto_buf struct buf b = message(0);

	str(&b, method);
	str(&b, scheme);
	str(&b, authority);
	str(&b, path);
	return verdict(buf_slice(&b), false);
}

TEST(control_data_is_origin_form_and_nothing_else)
{
	CHECK(control("GET", "https", "", "/") == OK);
	CHECK(control("GET", "http", "a.example:80", "/x?y=%20") == OK);
	CHECK(control("GET", "http", "[::1]:80", "/") == OK);
	CHECK(control("", "https", "a", "/") == E_PARSE);
	CHECK(control("get", "https", "a", "/") == E_PARSE);
	CHECK(control("GET ", "https", "a", "/") == E_PARSE);
	CHECK(control("CONNECT", "https", "a", "/") == E_PARSE);
	CHECK(control("GET", "", "a", "/") == E_PARSE);
	CHECK(control("GET", "HTTPS", "a", "/") == E_PARSE);
	CHECK(control("GET", "file", "a", "/") == E_PARSE);
	CHECK(control("GET", "https", "a/b", "/") == E_PARSE);
	CHECK(control("GET", "https", "u@a", "/") == E_PARSE);
	CHECK(control("GET", "https", "a b", "/") == E_PARSE);
	CHECK(control("GET", "https", "a\r\nb", "/") == E_PARSE);
	CHECK(control("GET", "https", "a", "") == E_PARSE);
	CHECK(control("GET", "https", "a", "*") == E_PARSE);
	CHECK(control("GET", "https", "a", "http://b/") == E_PARSE);
	CHECK(control("GET", "https", "a", "/ HTTP/1.1\r\n") == E_PARSE);
	CHECK(control("GET", "https", "a", "/#f") == E_PARSE);
}

TEST(framings_other_than_the_four_are_refused)
{
	for (unsigned i = 0; i < 64; i++) {
		auto_buf struct buf b = request((uint8_t)i);

		CHECK((verdict(buf_slice(&b), false) == OK) ==
		      (i == 0 || i == 2));
		CHECK(verdict(buf_slice(&b), true) == E_PARSE);
	}
	CHECK(verdict(S("\x40\x01\x40\xc8"), true) == OK); /* two bytes */
	CHECK(verdict(S("\x41\x01\x40\xc8"), true) == E_PARSE);
	CHECK(verdict(S("\x01\x40\xc8"), false) == E_PARSE);
}

TEST(a_status_must_be_final_at_last)
{
	for (unsigned status = 0; status < 700; status++) {
		auto_buf struct buf b = message(1);

		buf_put_varint(&b, status);
		CHECK((verdict(buf_slice(&b), true) == OK) ==
		      (status >= 200 && status <= 599));
	}
	CHECK(verdict(S("\x03\x40\x64\x00\x40\xc8"), true) == OK);
	CHECK(verdict(S("\x03\x40\x65\x00\x40\xc8"), true) == E_PARSE); /*101*/
}

TEST(interim_responses_are_counted)
{
	for (unsigned n = 16; n <= 17; n++) {
		auto_buf struct buf b = message(3);

		for (unsigned i = 0; i < n; i++)
			buf_put(&b, S("\x40\x64\0"));
		buf_put(&b, S("\x40\xc8"));
		CHECK(verdict(buf_slice(&b), true) == (n == 16 ? OK : E_LIMIT));
	}
}

TEST(integers_may_take_more_bytes_than_they_need)
{
	CHECK(reads(S("\xc0\0\0\0\0\0\0\3\x80\0\0\xc8\x80\0\0\1a\x40\1b"
		      "\x80\0\0\0\xc0\0\0\0\0\0\0\1x\x40\0\x40\0"),
		    true, "head 200\n a: b\nx\nend 0\n"));
}

TEST(content_in_chunks_is_joined_and_empty_ones_end_it)
{
	CHECK(reads(S("\3\x40\xc8\0\3abc\1d\2ef\0\0"), true,
		    "head 200\nabcdef\nend 0\n"));
	CHECK(reads(S("\3\x40\xc8\0\3abc\0\1t\1v\0\0\0"), true,
		    "head 200\nabc\nend 1\n"));
	CHECK(reads(S("\3\x40\xc8\0\3abc\0"), true, "head 200\nabc\nend 0\n"));
	CHECK(reads(S("\3\x40\xc8\0\3abc"), true, "head 200\nabc\n! parse\n"));
	CHECK(reads(S("\1\x40\xc8\0\3ab"), true, "head 200 3\nab\n! parse\n"));
}

TEST(padding_is_zeros)
{
	CHECK(reads(S("\1\x40\xc8\0\0\0\0\0\0\0"), true,
		    "head 200 0\nend 0\n"));
	CHECK(reads(S("\1\x40\xc8\0\0\0\0\0\1\0"), true,
		    "head 200 0\n! parse\n"));
}

TEST(content_length_must_be_the_length)
{
#define CL     \
	"\x0e" \
	"content-length\1"
	CHECK(reads(S("\3\x40\xc8" CL "3\0\1a\2bc\0"), true,
		    "head 200 3\n content-length: 3\nabc\nend 0\n"));
	CHECK(reads(S("\3\x40\xc8" CL "3\0\1a\3bcd\0"), true,
		    "head 200 3\n content-length: 3\na\n! parse\n"));
	CHECK(reads(S("\3\x40\xc8" CL "3\0\1a\1b\0"), true,
		    "head 200 3\n content-length: 3\nab\n! parse\n"));
	CHECK(reads(S("\1\x40\xc8\x11" CL "3\3abc"), true,
		    "head 200 3\n content-length: 3\nabc\nend 0\n"));
	CHECK(reads(S("\1\x40\xc8\x11" CL "3\4abcd"), true, "! parse\n"));
	/* As an answer to HEAD has it. */
	CHECK(reads(S("\1\x40\xc8\x11" CL "3"), true,
		    "head 200 3\n content-length: 3\nend 0\n"));
	CHECK(reads(S("\3\x40\xc8" CL "3\0"), true,
		    "head 200 3\n content-length: 3\nend 0\n"));

	auto_buf struct buf b = request(2); /* but a request does not */
	buf_put(&b, S(CL "3\0"));
	CHECK(verdict(buf_slice(&b), false) == E_PARSE);
}

TEST(a_known_section_holds_whole_fields)
{
	CHECK(verdict(S("\1\x40\xc8\4\1a\1b\0\0"), true) == OK);
	CHECK(verdict(S("\1\x40\xc8\3\1a\1b\0\0"), true) == E_PARSE);
	CHECK(verdict(S("\1\x40\xc8\2\1a\1b\0\0"), true) == E_PARSE);
	CHECK(verdict(S("\1\x40\xc8\1\1a\1b\0\0"), true) == E_PARSE);
	CHECK(verdict(S("\1\x40\xc8\5\1a\1b\0\0"), true) == E_PARSE);
	CHECK(verdict(S("\1\x40\xc8\2\0\1b\0\0"), true) == E_PARSE);
	/* Lengths near 2^62 do not wrap. */
	CHECK(verdict(S("\1\x40\xc8\x0a\1a\xff\xff\xff\xff\xff\xff\xff\xff"),
		      true) == E_PARSE);
}

TEST(trailers_are_checked_like_headers)
{
	CHECK(verdict(S("\3\x40\xc8\0\0\1a\1b\0"), true) == OK);
	CHECK(verdict(S("\3\x40\xc8\0\0\1A\1b\0"), true) == E_PARSE);
	CHECK(verdict(S("\3\x40\xc8\0\0\2:a\1b\0"), true) == E_PARSE);
	CHECK(verdict(S("\3\x40\xc8\0\0\1a\1\n\0"), true) == E_PARSE);
	CHECK(verdict(S("\3\x40\xc8\0\0\1a\1b"), true) == E_PARSE);
}

/* n fields a: b. */
static enum status many(uint8_t framing, size_t n)
{
	auto_buf struct buf b = message(framing);

	buf_put_varint(&b, 200);
	if (framing < 2)
		buf_put_varint(&b, 4 * n);
	for (size_t i = 0; i < n; i++)
		buf_put(&b, S("\1a\1b"));
	buf_put_u8(&b, 0);
	return verdict(buf_slice(&b), true);
}

TEST(the_number_of_fields_is_limited)
{
	CHECK(many(1, 100) == OK);
	CHECK(many(3, 100) == OK);
	CHECK(many(1, 101) == E_LIMIT);
	CHECK(many(3, 101) == E_LIMIT);
}

/* One field whose value has n bytes. */
static enum status large(uint8_t framing, size_t n)
{
	auto_mem char *value = mem_must(n + 1);
	auto_buf struct buf b = message(framing);

	memset(value, 'x', n);
	buf_put_varint(&b, 200);
	section(&b, framing, (const char *const[]){ "a", value, NULL });
	return verdict(buf_slice(&b), true);
}

TEST(the_size_of_fields_is_limited)
{
	size_t fits = BHTTP_MAX_FIELDS - 2 - 4; /* name, length of value */

	CHECK(large(1, fits) == OK);
	CHECK(large(1, fits + 1) == E_LIMIT);
	CHECK(large(3, fits - 1) == OK); /* the terminator counts */
	CHECK(large(3, fits + 1) == E_LIMIT);
	CHECK(large(3, 200000) == E_LIMIT);
}

TEST(the_size_of_control_data_is_limited)
{
	for (size_t n = 8000; n <= 8300; n++) {
		auto_mem char *path = mem_must(n + 1);

		memset(path, '/', n);
		CHECK(control("GET", "https", "", path) ==
		      (n <= BHTTP_MAX_CONTROL - 4 - 6 - 1 - 2 ? OK : E_LIMIT));
	}
	CHECK(verdict(S("\0\xff\xff\xff\xff\xff\xff\xff\xff"), false) ==
	      E_LIMIT);
}

TEST(the_content_is_limited)
{
	struct told t;

	read_cut(S("\1\x40\xc8\0\4abcd"), true, 1, 4, &t);
	CHECK(t.status == OK);
	buf_done(&t.text);
	read_cut(S("\1\x40\xc8\0\5abcde"), true, 1, 4, &t);
	CHECK(t.status == E_LIMIT);
	buf_done(&t.text);
	read_cut(S("\3\x40\xc8\0\2ab\2cd\0"), true, 1, 4, &t);
	CHECK(t.status == OK);
	buf_done(&t.text);
	read_cut(S("\3\x40\xc8\0\2ab\2cd\1e\0"), true, 1, 4, &t);
	CHECK(t.status == E_LIMIT);
	CHECK_STR_EQ(buf_cstr(&t.text), "head 200\nabcd\n! limit\n");
	buf_done(&t.text);
}

TEST(the_limit_may_change_when_the_head_is_known)
{
	auto_bhttp_reader struct bhttp_reader r;
	struct bhttp_event ev;
	struct err err;
	size_t used;

	bhttp_init_response(&r, UINT64_MAX);
	CHECK(bhttp_next(&r, S("\1\x40\xc8\0\4abcd"), true, &used, &ev, &err) ==
	      OK);
	CHECK(ev.kind == BHTTP_HEAD && used == 5);
	CHECK(bhttp_limit(&r, 4, &err) == OK);
	CHECK(bhttp_limit(&r, 3, &err) == E_LIMIT);
	CHECK(bhttp_next(&r, S("abcd"), true, &used, &ev, &err) == E_LIMIT);
}

TEST(a_field_is_found_by_its_name)
{
	struct http_header h[] = { { S("a"), S("1") },
				   { S("b"), S("2") },
				   { S("b"), S("3") } };
	struct bhttp_head head = { .h = h, .n = countof(h) };

	CHECK(slice_eq_str(bhttp_get(&head, "b"), "2"));
	CHECK(bhttp_get(&head, "c").p == NULL);
}

/* Writing. */

/* S() is no constant. */
#define LIT(text)                                         \
	{                                                 \
		(const uint8_t *)(text), sizeof(text) - 1 \
	}
static const struct http_header two[] = { { LIT("Content-Type"), LIT(" a/b ") },
					  { LIT("x"), LIT("") } };
#define WANT_TWO "\n content-type: a/b\n x: \n"

TEST(a_request_written_in_parts_reads_back)
{
	auto_buf struct buf b = buf_make(1000);
	struct bhttp_head head = { .method = S("POST"),
				   .scheme = S("https"),
				   .path = S("/a?b"),
				   .h = two,
				   .n = countof(two) };
	struct err err;

	CHECK(bhttp_put_head(&b, &head, true, &err) == OK);
	bhttp_put_content(&b, S("abc"));
	bhttp_put_content(&b, S(""));
	bhttp_put_content_size(&b, 2);
	buf_put(&b, S("de"));
	bhttp_put_end(&b, 0);
	CHECK(reads(buf_slice(&b), false,
		    "head POST https  /a?b" WANT_TWO "abcde\nend 0\n"));
	CHECK(slice_starts(buf_slice(&b), S("\2\4POST\5https\0\4/a?b\x0c"
					    "content-type\3a/b"
					    "\1x\0\0\3abc\2de\0\0")));
}

TEST(a_response_written_in_parts_reads_back)
{
	auto_buf struct buf b = buf_make(1000);
	struct bhttp_head head = { .status = 103 };
	struct err err;

	CHECK(bhttp_put_head(&b, &head, true, &err) == OK);
	head = (struct bhttp_head){ .status = 200, .h = two, .n = 2 };
	CHECK(bhttp_put_head(&b, &head, false, &err) == OK);
	bhttp_put_end(&b, 100);
	CHECK(reads(buf_slice(&b), true,
		    "interim 103\nhead 200" WANT_TWO "end 0\n"));
	CHECK(all_zero(b.mem + b.len - 102, 102));
}

TEST(a_whole_message_reads_back)
{
	auto_buf struct buf b = buf_make(1000);
	struct http_header cl = { S("content-length"), S("2") };
	struct bhttp_head head = { .status = 404, .h = two, .n = 2 };
	struct err err;

	CHECK(bhttp_put_whole(&b, &head, S("hi"), &err) == OK);
	CHECK(reads(buf_slice(&b), true, "head 404 2" WANT_TWO "hi\nend 0\n"));
	buf_clear(&b);
	head = (struct bhttp_head){ .method = S("GET"),
				    .scheme = S("http"),
				    .authority = S("a"),
				    .path = S("/"),
				    .h = &cl,
				    .n = 1 };
	CHECK(bhttp_put_whole(&b, &head, S("hi"), &err) == OK);
	CHECK(reads(buf_slice(&b), false,
		    "head GET http a / 2\n content-length: 2\nhi\nend 0\n"));
	CHECK(bhttp_put_whole(&b, &head, S("hello"), &err) == E_PARSE);
}

TEST(the_examples_of_the_rfc_are_written_alike)
{
	const struct http_header h[] = {
		{ S("User-Agent"),
		  S("curl/7.16.3 libcurl/7.16.3 OpenSSL/0.9.7l zlib/1.2.3") },
		{ S("Host"), S("www.example.com") },
		{ S("Accept-Language"), S("en, mi") },
	};
	struct bhttp_head head = { .method = S("GET"),
				   .scheme = S("https"),
				   .path = S("/hello.txt"),
				   .h = h,
				   .n = countof(h) };
	auto_buf struct buf b = buf_make(1000);
	struct err err;

	CHECK(bhttp_put_whole(&b, &head, S(""), &err) == OK);
	CHECK(hex_is(b.mem, b.len, known_request));
	buf_clear(&b);
	CHECK(bhttp_put_head(&b, &head, true, &err) == OK);
	bhttp_put_end(&b, 10);
	CHECK(hex_is(b.mem, b.len, indeterminate_request));
}

/* What must not be written leaves out as it was. */
static bool refuses_to_write(const struct bhttp_head *head, enum status want)
{
	auto_buf struct buf b = buf_make(1 << 20);
	struct err err;

	buf_put_str(&b, "before");
	return EXPECT(bhttp_put_head(&b, head, true, &err) == want) &&
	       EXPECT(bhttp_put_whole(&b, head, S(""), &err) == want) &&
	       EXPECT(slice_eq_str(buf_slice(&b), "before") && !b.bad);
}

TEST(what_a_reader_refuses_is_not_written)
{
	const struct http_header bad[] = {
		{ S("a b"), S("x") },
		{ S(""), S("x") },
		{ S("a"), S("x\r\ny: z") },
		{ S("Transfer-Encoding"), S("chunked") },
		{ S("Content-Length"), S("-1") },
	};
	struct http_header many_fields[101];
	struct bhttp_head head = { .status = 200, .n = 1 };

	for (size_t i = 0; i < countof(bad); i++) {
		head.h = &bad[i];
		CHECK(refuses_to_write(&head, E_PARSE));
	}
	for (size_t i = 0; i < countof(many_fields); i++)
		many_fields[i] = two[1];
	head = (struct bhttp_head){ .status = 200, .h = many_fields, .n = 101 };
	CHECK(refuses_to_write(&head, E_LIMIT));
	CHECK(refuses_to_write(&(struct bhttp_head){ .status = 101 }, E_PARSE));
	CHECK(refuses_to_write(&(struct bhttp_head){ .status = 0 }, E_PARSE));
	CHECK(refuses_to_write(&(struct bhttp_head){ .method = S("GET"),
						     .scheme = S("https"),
						     .path = S("x") },
			       E_PARSE));
}

TEST(a_full_buffer_is_left_as_it_was)
{
	struct bhttp_head head = { .status = 200, .h = two, .n = 2 };
	struct err err;

	for (size_t max = 1; max < 24; max++) {
		auto_buf struct buf b = buf_make(max);

		buf_put_str(&b, "x");
		CHECK(bhttp_put_head(&b, &head, true, &err) == E_LIMIT);
		CHECK(bhttp_put_whole(&b, &head, S(""), &err) == E_LIMIT);
		CHECK(slice_eq_str(buf_slice(&b), "x") && !b.bad);
	}
}
