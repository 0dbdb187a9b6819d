#include "sandbox/spec.h"

#include <limits.h>

#include "core/cleanup.h"
#include "test/test.h"

static const char *const argv[] = { "/bin/true", NULL };

static struct sandbox_spec good(void)
{
	return (struct sandbox_spec){ .name = "llama-1",
				      .argv = argv,
				      .port = 8000 };
}

static enum status check(struct sandbox_spec s)
{
	struct err err;

	return spec_check(&s, &err);
}

TEST(takes_the_least_that_a_workload_needs)
{
	CHECK(check(good()) == OK);
}

TEST(paths_are_absolute_and_without_turns)
{
	static const char *const bad[] = {
		"",	"a",	 "./a",	  "/a/",    "//",    "/a//b",
		"/a/.", "/a/..", "/../a", "/a/./b", "/a\nb", "/a\x7f"
	};
	static const char *const fine[] = { "/",    "/a",   "/a/b", "/.a",
					    "/..a", "/a b", "/a..b" };
	char longest[PATH_MAX + 1];

	for (size_t i = 0; i < countof(bad); i++)
		if (!EXPECT(!spec_is_path(bad[i])))
			printf("\t'%s'\n", bad[i]);
	for (size_t i = 0; i < countof(fine); i++)
		if (!EXPECT(spec_is_path(fine[i])))
			printf("\t'%s'\n", fine[i]);
	CHECK(!spec_is_path(NULL));
	memset(longest, 'a', sizeof(longest));
	longest[0] = '/';
	longest[PATH_MAX] = '\0';
	CHECK(!spec_is_path(longest));
	longest[PATH_MAX - 1] = '\0';
	CHECK(spec_is_path(longest));
}

TEST(names_are_ours)
{
	static const char *const bad[] = { NULL, "",	"-a", "a/b",
					   "..", "A b", "a\n" };
	struct sandbox_spec s = good();

	for (size_t i = 0; i < countof(bad); i++) {
		s.name = bad[i];
		EXPECT(check(s) == E_CONF);
	}
}

TEST(a_command_is_an_absolute_path_and_not_too_long)
{
	static const char *const none[] = { NULL };
	static const char *const relative[] = { "bin/true", NULL };
	const char *many[SPEC_ARGS_MAX + 2] = { 0 };
	struct sandbox_spec s = good();

	s.argv = NULL;
	CHECK(check(s) == E_CONF);
	s.argv = none;
	CHECK(check(s) == E_CONF);
	s.argv = relative;
	CHECK(check(s) == E_CONF);
	for (size_t i = 0; i <= SPEC_ARGS_MAX; i++)
		many[i] = "/a";
	s.argv = many;
	CHECK(check(s) == E_CONF);
	many[SPEC_ARGS_MAX] = NULL;
	CHECK(check(s) == OK);
}

TEST(all_text_together_is_bounded)
{
	static char text[SPEC_TEXT_MAX];
	const char *const words[] = { "/a", text, NULL };
	struct sandbox_spec s = good();

	memset(text, 'x', sizeof(text) - 1);
	s.argv = words;
	CHECK(check(s) == E_CONF);
	text[sizeof(text) - 8] = '\0';
	CHECK(check(s) == OK);
}

TEST(variables_have_names_and_errors_do_not_show_their_values)
{
	static const char *const bad[] = { "",	    "A",     "=x",   "1A=x",
					   "A-B=x", "A B=x", "A\n=x" };
	static const char *const fine[] = { "A=", "_a1=b=c", "HF_HOME=/m" };
	struct sandbox_spec s = good();
	struct err err;

	for (size_t i = 0; i < countof(bad); i++) {
		s.env = (const char *const[]){ bad[i], NULL };
		EXPECT(check(s) == E_CONF);
	}
	for (size_t i = 0; i < countof(fine); i++) {
		s.env = (const char *const[]){ fine[i], NULL };
		EXPECT(check(s) == OK);
	}
	s.env = (const char *const[]){ "A-B=hunter2", NULL };
	CHECK(spec_check(&s, &err) == E_CONF);
	CHECK(strstr(err.text, "hunter2") == NULL);
	CHECK(strstr(err.text, "A-B") != NULL);
}

TEST(root_cwd_and_port_are_checked)
{
	struct sandbox_spec s = good();

	s.root = "/";
	CHECK(check(s) == E_CONF);
	s.root = "var/lib";
	CHECK(check(s) == E_CONF);
	s = good();
	s.cwd = "/a/../b";
	CHECK(check(s) == E_CONF);
	s = good();
	s.port = 0;
	CHECK(check(s) == E_CONF);
	s = good();
	s.logs = (enum spec_logs)7;
	CHECK(check(s) == E_CONF);
}

TEST(mounts_do_not_cover_what_is_ours)
{
	static const char *const bad[] = { "/",	     "/proc", "/proc/sys",
					   "/dev/x", "/sys",  "/.confd/confd",
					   "/tmp",   "x",     NULL };
	static const char *const fine[] = { "/models", "/procs", "/opt/model",
					    "/devices" };
	struct sandbox_spec s = good();

	s.n_mounts = 1;
	for (size_t i = 0; i < countof(bad); i++) {
		s.mounts[0] = (struct sandbox_mount){ "/m", bad[i], false };
		EXPECT(check(s) == E_CONF);
	}
	for (size_t i = 0; i < countof(fine); i++) {
		s.mounts[0] = (struct sandbox_mount){ "/m", fine[i], false };
		EXPECT(check(s) == OK);
	}
	s.mounts[0].from = "relative";
	CHECK(check(s) == E_CONF);
	s.n_mounts = SPEC_MOUNTS_MAX + 1;
	CHECK(check(s) == E_CONF);
}

TEST(limits_have_bounds_on_both_sides)
{
	struct sandbox_spec s = good();

	s.limits.memory_mib = 15;
	CHECK(check(s) == E_CONF);
	s.limits.memory_mib = 16;
	CHECK(check(s) == OK);
	s.limits.memory_mib = UINT64_MAX;
	CHECK(check(s) == E_CONF);
	s = good();
	s.limits.pids = 7;
	CHECK(check(s) == E_CONF);
	s = good();
	s.limits.nofile = 31;
	CHECK(check(s) == E_CONF);
	s = good();
	s.limits.tmpfs_mib = UINT64_MAX;
	CHECK(check(s) == E_CONF);
}

TEST(limits_that_are_not_given_have_a_value)
{
	struct sandbox_spec s = good();

	s.limits.pids = 99;
	const struct sandbox_limits l = spec_limits(&s);
	CHECK(l.memory_mib > 0 && l.tmpfs_mib > 0 && l.nofile > 0);
	CHECK_EQ_U64(l.pids, 99);
}
