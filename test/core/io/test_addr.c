#include "core/io/addr.h"

#include "core/cleanup.h"
#include "test/test.h"

struct good {
	const char *text;
	uint16_t default_port;
	const char *host;
	uint16_t port;
	bool is_unix;
	const char *back; /* by addr_text */
};

static void check_good(const struct good *g)
{
	struct addr a;
	struct err err = { 0 };
	char text[ADDR_TEXT_SIZE];

	if (!EXPECT(addr_parse(g->text, g->default_port, &a, &err) == OK)) {
		printf("%s: %s\n", g->text, err.text);
		return;
	}
	addr_text(&a, text);
	if (!EXPECT(strcmp(a.host, g->host) == 0) ||
	    !EXPECT(a.port == g->port) || !EXPECT(a.is_unix == g->is_unix) ||
	    !EXPECT(strcmp(text, g->back) == 0) || !EXPECT(!a.tls))
		printf("%s\n", g->text);
}

TEST(reads_each_form)
{
	static const struct good good[] = {
		{ "127.0.0.1:80", 0, "127.0.0.1", 80, false, "127.0.0.1:80" },
		{ "127.0.0.1", 81, "127.0.0.1", 81, false, "127.0.0.1:81" },
		{ "a.example:0", 9, "a.example", 0, false, "a.example:0" },
		{ "a.example.:65535", 0, "a.example.", 65535, false,
		  "a.example.:65535" },
		{ "my_host-1:5", 0, "my_host-1", 5, false, "my_host-1:5" },
		{ "1and1.com:5", 0, "1and1.com", 5, false, "1and1.com:5" },
		{ "[::1]:80", 0, "::1", 80, false, "[::1]:80" },
		{ "[2001:db8::7]", 443, "2001:db8::7", 443, false,
		  "[2001:db8::7]:443" },
		{ ":8080", 0, "", 8080, false, ":8080" },
		{ "unix:/run/x", 0, "/run/x", 0, true, "unix:/run/x" },
		{ "unix:@name", 0, "@name", 0, true, "unix:@name" },
	};

	for (size_t i = 0; i < countof(good); i++)
		check_good(&good[i]);
}

TEST(refuses_everything_else)
{
	static const char *const bad[] = {
		"",	      ":",	     "host",	   "host:",
		"host:65536", "host:-1",     "host:+1",	   "host: 1",
		"host:1 ",    "host:080000", "host:http",  "host:1:2",
		"::1",	      "::1:80",	     "[::1]80",	   "[::1]",
		"[::1:80",    "[::1]]:80",   "[a.b]:80",   "[1.2.3.4]:80",
		"[]:80",      "[::1%lo]:80", "1.2.3:80",   "1.2.3.256:80",
		"1.2.3.4.:8", "a..b:80",     ".a:80",	   "a..:80",
		"-a:80",      "a-:80",	     "a b:80",	   "a/b:80",
		"user@a:80",  "a%20:80",     "\xc3\xa9:1", "*:80",
		"unix:",      "unix:/",	     "unix:@",	   "unix:relative",
		"http://a:1", "0x7f.1:80",   "unix:80",
	};
	struct addr a = { .port = 77 };
	struct err err;

	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(addr_parse(bad[i], 0, &a, &err) == E_USAGE))
			printf("accepted: %s\n", bad[i]);
	CHECK_EQ_U64(a.port, 77); /* untouched */
}

TEST(long_names_and_paths_are_refused_not_cut)
{
	char text[600] = "unix:/";
	struct addr a;
	struct err err;

	memset(text + 6, 'x', 106);
	CHECK(addr_parse(text, 0, &a, &err) == OK);
	CHECK_EQ_U64(strlen(a.host), 107);
	text[112] = 'x';
	CHECK(addr_parse(text, 0, &a, &err) == E_USAGE);

	memset(text, 'x', 63);
	memcpy(text + 63, ".y:1", 5);
	CHECK(addr_parse(text, 0, &a, &err) == OK);
	memset(text, 'x', 64);
	memcpy(text + 64, ".y:1", 5);
	CHECK(addr_parse(text, 0, &a, &err) == E_USAGE);

	for (size_t i = 0; i < 500; i++)
		text[i] = i % 2 ? '.' : 'x';
	memcpy(text + 253, ":1", 3);
	CHECK(addr_parse(text, 0, &a, &err) == OK);
	memcpy(text + 255, ":1", 3);
	text[253] = '.';
	text[254] = 'x';
	CHECK(addr_parse(text, 0, &a, &err) == E_USAGE);
	memset(text, 'x', sizeof(text) - 1);
	CHECK(addr_parse(text, 1, &a, &err) == E_USAGE);
}

TEST(urls_have_the_ports_of_their_scheme)
{
	static const struct {
		const char *text;
		const char *back;
		bool tls;
	} good[] = {
		{ "http://a.example", "a.example:80", false },
		{ "https://a.example", "a.example:443", true },
		{ "HTTPS://a.example:8443", "a.example:8443", true },
		{ "http://127.0.0.1:8000/", "127.0.0.1:8000", false },
		{ "http://[::1]", "[::1]:80", false },
		{ "a.example:9", "a.example:9", false },
		{ "unix:/run/x", "unix:/run/x", false },
	};
	char text[ADDR_TEXT_SIZE];
	struct addr a;
	struct err err;

	for (size_t i = 0; i < countof(good); i++) {
		CHECK(addr_parse_url(good[i].text, &a, &err) == OK);
		addr_text(&a, text);
		CHECK_STR_EQ(text, good[i].back);
		CHECK(a.tls == good[i].tls);
	}
}

TEST(urls_with_more_than_an_origin_are_refused)
{
	static const char *const bad[] = {
		"http://",
		"http:///",
		"http://a/v1",
		"http://a//",
		"http://a?x",
		"http://a#x",
		"http://u:p@a",
		"http://:80",
		"https://:443",
		"ftp://a",
		"http:a",
		"http:/a",
		"a.example",
		":80",
		"",
		"http://a:0x50",
		"https://a:99999",
		"http://[::1",
		"http://a.example:/",
		"httpss://a",
		"unix:x",
		"a.example:9/",
		"http://unix",
	};
	struct addr a = { .port = 77 };
	struct err err;

	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(addr_parse_url(bad[i], &a, &err) == E_USAGE))
			printf("accepted: %s\n", bad[i]);
	CHECK_EQ_U64(a.port, 77);
}
