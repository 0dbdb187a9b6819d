#include "core/opts.h"

#include <stdlib.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/file.h"
#include "test/test.h"

struct opts {
	const char *store;
	const char *name;
	const char *config;
	uint64_t lease;
	uint64_t port;
	bool fast;
	bool slow;
	struct opt_list model;
	struct opt_list adapter;
	uint64_t channel;
	const char *key;
};

/* clang-format off */
static const struct opt rows[] = {
	{ .name = "store", .arg = "DIR:PATH", .help = "Where state is kept",
	  .kind = OPT_STR, .fallback = "dir:/var/lib/confd",
	  OPT_AT(struct opts, store) },
	{ .name = "lease", .arg = "SECONDS", .help = "Life of a lease",
	  .kind = OPT_U64, .fallback = "600", .min = 60, .max = 86400,
	  OPT_AT(struct opts, lease) },
	{ .name = "port", .arg = "PORT", .help = "Where to listen",
	  .kind = OPT_U64, .min = 1, OPT_AT(struct opts, port) },
	{ .name = "fast", .help = "Be quick about it", .kind = OPT_FLAG,
	  OPT_AT(struct opts, fast) },
	{ .name = "slow", .help = "Take care", .kind = OPT_FLAG,
	  .fallback = "true", OPT_AT(struct opts, slow) },
	{ .name = "model", .arg = "NAME", .help = "A model",
	  .kind = OPT_LIST, OPT_AT(struct opts, model) },
	{ .name = "adapter", .arg = "NAME", .help = "An API",
	  .kind = OPT_LIST, .fallback = "openai,anthropic",
	  OPT_AT(struct opts, adapter) },
};
static const struct opt shared_rows[] = {
	{ .name = "config", .arg = "FILE", .help = "Options as JSON",
	  .kind = OPT_STR, OPT_AT(struct opts, config) },
	{ .name = "log-name", .arg = "NAME", .help = "Name in logs",
	  .kind = OPT_STR, OPT_AT(struct opts, name) },
	{ .name = "channel", .arg = "FD", .help = "Between roles",
	  .kind = OPT_U64, .flags = OPT_HIDDEN | OPT_NO_ENV,
	  OPT_AT(struct opts, channel) },
};
static const struct opt inner_rows[] = {
	{ .name = "fd", .arg = "FD", .help = "From the parent",
	  .kind = OPT_U64, .flags = OPT_REQUIRED | OPT_NO_ENV,
	  OPT_AT(struct opts, channel) },
};
static const struct opt required_rows[] = {
	{ .name = "key", .arg = "FILE", .help = "The key",
	  .kind = OPT_STR, .flags = OPT_REQUIRED, OPT_AT(struct opts, key) },
};
/* clang-format on */

static const struct opt_table tables[] = {
	{ rows, countof(rows) },
	{ shared_rows, countof(shared_rows) },
	{ required_rows, countof(required_rows) },
	{ inner_rows, countof(inner_rows) },
};

/* Of the last parse. */
static struct opts o;
static struct opt_args operands;
static bool help;
static struct err err;

#define WORDS_MAX (2 * OPT_LIST_MAX + 4)

struct words {
	const char *w[WORDS_MAX]; /* to the first NULL */
};

static enum status parse_words(size_t n_tables, struct words words)
{
	static char *argv[WORDS_MAX]; /* main() gets them so */
	int argc = 0;

	memcpy(argv, words.w, sizeof(argv));
	while (argv[argc] != NULL)
		argc++;
	memset(&o, 0, sizeof(o));
	operands.n = 99;
	help = true;
	return opts_parse(tables, n_tables, argc, argv, &o, &operands, &help,
			  &err);
}

/* clang-format off */
#define PARSE(...) parse_words(2, (struct words){ { __VA_ARGS__ } })
#define PARSE_REQUIRED(...) parse_words(3, (struct words){ { __VA_ARGS__ } })
/* clang-format on */

static bool says(const char *part)
{
	return strstr(err.text, part) != NULL;
}

TEST(nothing_given_leaves_fallbacks)
{
	CHECK(PARSE(NULL) == OK);
	CHECK_STR_EQ(o.store, "dir:/var/lib/confd");
	CHECK(o.lease == 600 && o.port == 0 && !o.fast && o.slow);
	CHECK(o.model.n == 0 && o.adapter.n == 2);
	CHECK_STR_EQ(o.adapter.v[0], "openai");
	CHECK_STR_EQ(o.adapter.v[1], "anthropic");
	CHECK(operands.n == 0 && !help);
}

TEST(values_stand_behind_a_space_or_an_equals_sign)
{
	CHECK(PARSE("--store", "a", "--lease=61", "--fast", "--no-slow",
		    "--model", "x", "--model=y=z", "--port", "1") == OK);
	CHECK_STR_EQ(o.store, "a");
	CHECK(o.lease == 61 && o.port == 1 && o.fast && !o.slow);
	CHECK(o.model.n == 2);
	CHECK_STR_EQ(o.model.v[0], "x");
	CHECK_STR_EQ(o.model.v[1], "y=z");
	CHECK(PARSE("--store=") == OK);
	CHECK_STR_EQ(o.store, "");
	CHECK(PARSE("--store", "-") == OK);
	CHECK_STR_EQ(o.store, "-");
	CHECK(PARSE("--store", "-x") == OK);
	CHECK(PARSE("--store=--x") == OK);
	CHECK_STR_EQ(o.store, "--x");
}

TEST(operands_may_stand_between_options)
{
	CHECK(PARSE("one", "--fast", "two", "-", "--", "--slow", "--") == OK);
	CHECK(operands.n == 5 && o.fast);
	CHECK_STR_EQ(operands.operands[0], "one");
	CHECK_STR_EQ(operands.operands[1], "two");
	CHECK_STR_EQ(operands.operands[2], "-");
	CHECK_STR_EQ(operands.operands[3], "--slow");
	CHECK_STR_EQ(operands.operands[4], "--");
}

TEST(of_contrary_flags_the_last_counts)
{
	CHECK(PARSE("--fast", "--no-fast") == OK && !o.fast);
	CHECK(PARSE("--no-fast", "--fast") == OK && o.fast);
}

TEST(an_unknown_option_names_the_near_one)
{
	CHECK(PARSE("--stroe", "x") == E_USAGE);
	CHECK_STR_EQ(err.text, "unknown option --stroe; did you mean --store?");
	CHECK(PARSE("--log_name=x") == E_USAGE && says("--log-name"));
	CHECK(PARSE("--adap=x") == E_USAGE && says("mean --adapter?"));
	CHECK(PARSE("--xyzzy") == E_USAGE && says("--help"));
	CHECK(PARSE("--no-store") == E_USAGE);
	CHECK(PARSE("--chanel=1") == E_USAGE && !says("mean --channel"));
	CHECK(PARSE("--=x") == E_USAGE);
	CHECK(PARSE("---fast") == E_USAGE);
	CHECK(PARSE("--key=x") == E_USAGE); /* of a table not given */
}

TEST(short_options_are_refused)
{
	CHECK(PARSE("-f") == E_USAGE);
	CHECK(PARSE("-fast") == E_USAGE && says("two dashes"));
}

TEST(a_missing_value_is_not_made_of_the_next_option)
{
	CHECK(PARSE("--store") == E_USAGE);
	CHECK_STR_EQ(err.text, "--store wants DIR:PATH behind it");
	CHECK(PARSE("--store", "--fast") == E_USAGE);
	CHECK(says("--store=--fast"));
	CHECK(PARSE("--store", "--", "x") == E_USAGE);
}

TEST(flags_take_no_value)
{
	CHECK(PARSE("--fast=true") == E_USAGE && says("takes no value"));
	CHECK(PARSE("--fast=") == E_USAGE);
	CHECK(PARSE("--no-fast=1") == E_USAGE);
}

TEST(single_values_are_not_given_twice)
{
	CHECK(PARSE("--store=a", "--store=b") == E_USAGE);
	CHECK_STR_EQ(err.text, "--store is given twice");
	CHECK(PARSE("--lease=61", "--lease=61") == E_USAGE);
}

TEST(numbers_are_decimal_and_within_bounds)
{
	static const char *const bad[] = {
		"",	"59",  "86401", "-60",	 "+60",
		"0x60", "60 ", "6e1",	"sixty", "18446744073709551676"
	};

	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(PARSE("--lease", bad[i]) == E_USAGE);
		CHECK(says("--lease: want a number from 60 to 86400"));
	}
	CHECK(PARSE("--lease", "60") == OK && o.lease == 60);
	CHECK(PARSE("--lease", "86400") == OK && o.lease == 86400);
	CHECK(PARSE("--port", "0") == E_USAGE && says("at least 1, not \"0\""));
	CHECK(PARSE("--port", "18446744073709551615") == OK &&
	      o.port == UINT64_MAX);
}

TEST(lists_have_no_empty_items_and_an_end)
{
	struct words words = { 0 };

	CHECK(PARSE("--model", "") == E_USAGE && says("--model"));
	for (size_t i = 0; i < OPT_LIST_MAX; i++)
		words.w[i] = "--model=x";
	CHECK(parse_words(2, words) == OK && o.model.n == OPT_LIST_MAX);
	words.w[OPT_LIST_MAX] = "--model=x";
	CHECK(parse_words(2, words) == E_USAGE && says("more than 64"));
}

TEST(operands_have_an_end)
{
	struct words words = { 0 };

	for (size_t i = 0; i < OPT_LIST_MAX; i++)
		words.w[i] = "x";
	CHECK(parse_words(2, words) == OK && operands.n == OPT_LIST_MAX);
	words.w[OPT_LIST_MAX] = "x";
	CHECK(parse_words(2, words) == E_USAGE && says("operands"));
}

TEST(given_lists_replace_fallback_lists)
{
	CHECK(PARSE("--adapter", "tgi") == OK);
	CHECK(o.adapter.n == 1);
	CHECK_STR_EQ(o.adapter.v[0], "tgi");
}

TEST(required_options_are_required)
{
	CHECK(PARSE_REQUIRED("--fast") == E_USAGE);
	CHECK_STR_EQ(err.text, "--key FILE (or CONFD_KEY) is required");
	CHECK(PARSE_REQUIRED("--key=x") == OK);
	CHECK_STR_EQ(o.key, "x");
	(void)setenv("CONFD_FD", "3", 1);
	enum status s = parse_words(4, (struct words){ { "--key=x" } });
	(void)unsetenv("CONFD_FD");
	CHECK(s == E_USAGE);
	CHECK_STR_EQ(err.text, "--fd FD is required");
}

TEST(help_needs_nothing_else)
{
	CHECK(PARSE_REQUIRED("--help") == OK && help);
	CHECK(PARSE_REQUIRED("verb", "--bogus", "--help") == OK && help);
	CHECK(PARSE("--", "--help") == OK && !help);
	CHECK(operands.n == 1);
	CHECK(PARSE("--help=x") == E_USAGE && !help);
}

/* One variable, for one parse. */
static enum status parse_with_env(const char *name, const char *value,
				  const char *arg)
{
	(void)setenv(name, value, 1);
	enum status s = PARSE(arg);
	(void)unsetenv(name);
	return s;
}

TEST(the_environment_is_asked_for_what_is_not_given)
{
	CHECK(parse_with_env("CONFD_LEASE", "70", NULL) == OK);
	CHECK(o.lease == 70);
	CHECK(parse_with_env("CONFD_LEASE", "70", "--lease=80") == OK);
	CHECK(o.lease == 80);
	CHECK(parse_with_env("CONFD_LEASE", "bad", "--lease=80") == OK);
	CHECK(parse_with_env("CONFD_LEASE", "bad", NULL) == E_USAGE);
	CHECK(says("CONFD_LEASE: want a number from 60"));
	CHECK(parse_with_env("CONFD_LEASE", "", NULL) == OK);
	CHECK(o.lease == 600);
	CHECK(parse_with_env("CONFD_LOG_NAME", "x", NULL) == OK);
	CHECK_STR_EQ(o.name, "x");
}

TEST(flags_in_the_environment_are_true_or_false)
{
	CHECK(parse_with_env("CONFD_FAST", "true", NULL) == OK && o.fast);
	CHECK(parse_with_env("CONFD_FAST", "1", NULL) == OK && o.fast);
	CHECK(parse_with_env("CONFD_SLOW", "false", NULL) == OK && !o.slow);
	CHECK(parse_with_env("CONFD_SLOW", "0", NULL) == OK && !o.slow);
	CHECK(parse_with_env("CONFD_FAST", "yes", NULL) == E_USAGE);
	CHECK(says("CONFD_FAST: want true or false, not \"yes\""));
	CHECK(parse_with_env("CONFD_FAST", "true", "--no-fast") == OK);
	CHECK(!o.fast);
}

TEST(lists_in_the_environment_are_cut_at_commas)
{
	CHECK(parse_with_env("CONFD_MODEL", "a,b=c d", NULL) == OK);
	CHECK(o.model.n == 2);
	CHECK_STR_EQ(o.model.v[0], "a");
	CHECK_STR_EQ(o.model.v[1], "b=c d");
	CHECK(parse_with_env("CONFD_MODEL", "a,,b", NULL) == E_USAGE);
	CHECK(parse_with_env("CONFD_MODEL", "a,b", "--model=z") == OK);
	CHECK(o.model.n == 1);
	CHECK_STR_EQ(o.model.v[0], "z");
}

TEST(some_options_are_not_taken_from_the_environment)
{
	CHECK(parse_with_env("CONFD_CHANNEL", "3", NULL) == OK);
	CHECK(o.channel == 0);
	CHECK(PARSE("--channel=3") == OK && o.channel == 3);
}

/* Parse with this text in the file of --config. */
static enum status parse_with_config(const char *json, const char *arg)
{
	static char option[600];
	char path[500];

	(void)snprintf(path, sizeof(path), "%s/c.json", test_dir());
	EXPECT(file_write(path, slice_str(json), 0600, &err) == OK);
	(void)snprintf(option, sizeof(option), "--config=%s", path);
	return PARSE(option, arg);
}

TEST(the_file_is_asked_last)
{
	CHECK(parse_with_config("{\"store\":\"s\",\"lease\":99,\"fast\":true,"
				"\"slow\":false,\"model\":[\"a,b\",\"c\"],"
				"\"adapter\":[],\"log-name\":\"\\u00e9\"}",
				NULL) == OK);
	CHECK_STR_EQ(o.store, "s");
	CHECK(o.lease == 99 && o.fast && !o.slow && o.model.n == 2);
	CHECK_STR_EQ(o.model.v[0], "a,b");
	CHECK_STR_EQ(o.model.v[1], "c");
	CHECK(o.adapter.n == 0); /* said to be none: no fallback */
	CHECK_STR_EQ(o.name, "\xc3\xa9");
}

TEST(the_command_line_and_the_environment_overrule_the_file)
{
	static const char json[] = "{\"lease\":99,\"model\":[\"a\",\"b\"]}";

	CHECK(parse_with_config(json, "--lease=80") == OK && o.lease == 80);
	CHECK(parse_with_config(json, "--model=z") == OK);
	CHECK(o.model.n == 1 && o.lease == 99);
	(void)setenv("CONFD_LEASE", "70", 1);
	enum status s = parse_with_config(json, NULL);
	(void)unsetenv("CONFD_LEASE");
	CHECK(s == OK && o.lease == 70);
}

TEST(the_file_may_be_named_by_the_environment)
{
	char path[500];

	(void)snprintf(path, sizeof(path), "%s/c.json", test_dir());
	CHECK(file_write(path, S("{\"lease\":99}"), 0600, &err) == OK);
	CHECK(parse_with_env("CONFD_CONFIG", path, NULL) == OK);
	CHECK(o.lease == 99);
}

TEST(a_bad_file_is_a_configuration_error)
{
	static const char *const bad[] = {
		"",
		"[]",
		"{",
		"{\"lease\":99} x",
		"{\"lease\":\"99\"}",
		"{\"lease\":59}",
		"{\"lease\":99.5}",
		"{\"lease\":99,\"lease\":99}",
		"{\"fast\":\"true\"}",
		"{\"fast\":1}",
		"{\"store\":1}",
		"{\"store\":null}",
		"{\"model\":\"a\"}",
		"{\"model\":[1]}",
		"{\"model\":[\"\"]}",
		"{\"Lease\":99}",
		"{\"unknown\":1}",
		"{\"channel\":3}",
		"{\"config\":\"x\"}",
		"{\"key\":\"of a table not given\"}",
	};

	for (size_t i = 0; i < countof(bad); i++) {
		CHECK(parse_with_config(bad[i], NULL) == E_CONF);
		CHECK(err.code == E_CONF && says("--config /"));
	}
	CHECK(parse_with_config("{\"leese\":1}", NULL) == E_CONF &&
	      says("lease"));
	CHECK(PARSE("--config=/nonexistent/file") == E_CONF);
	CHECK(PARSE("--config=/") == E_CONF);
}

TEST(the_file_is_checked_also_where_it_is_overruled)
{
	CHECK(parse_with_config("{\"lease\":1}", "--lease=80") == E_CONF);
	CHECK(parse_with_config("{\"model\":[1]}", "--model=a") == E_CONF);
}

TEST(help_text_is_aligned_and_hides_what_is_hidden)
{
	auto_buf struct buf b = buf_make(2000);

	opts_help(&tables[1], &b);
	CHECK_STR_EQ(buf_cstr(&b), "  --config FILE    Options as JSON\n"
				   "  --log-name NAME  Name in logs\n");
	buf_clear(&b);
	opts_help(&tables[2], &b);
	CHECK_STR_EQ(buf_cstr(&b), "  --key FILE  The key (required)\n");
	buf_clear(&b);
	opts_help(&tables[0], &b);
	CHECK(slice_starts(buf_slice(&b),
			   S("  --store DIR:PATH  Where state is kept "
			     "(default dir:/var/lib/confd)\n"
			     "  --lease SECONDS   Life of a lease "
			     "(default 600)\n"
			     "  --port PORT       Where to listen\n"
			     "  --fast            Be quick about it\n")));
}

TEST(near_is_near)
{
	static const char *const names[] = { "as",     "worker", "proxy",
					     "client", "status", "secret" };
	static const struct {
		const char *name, *near;
	} pairs[] = {
		{ "wroker", "worker" },	 { "workers", "worker" },
		{ "prox", "proxy" },	 { "cli", "client" },
		{ "satus", "status" },	 { "sa", "as" },
		{ "secert", "secret" },	 { "frobnicate", NULL },
		{ "x", NULL },		 { "", NULL },
		{ "proxyworker", NULL },
	};

	for (size_t i = 0; i < countof(pairs); i++)
		CHECK_STR_EQ(opts_near(pairs[i].name, names, countof(names)),
			     pairs[i].near);
	CHECK(opts_near("as", names, 0) == NULL);
}
