#include "cmd/workload_scan.h"

#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/file.h"
#include "test/test.h"

#define SCRIPT "#!/bin/sh\nexit 0\n"

/* A file at test_dir()/path with these bytes; directories as needed. */
static void put(const char *path, struct slice bytes)
{
	char at[512];
	struct err err;

	(void)snprintf(at, sizeof(at), "%s", test_dir());
	for (const char *p = path; *p != '\0';) {
		size_t n = strcspn(p, "/");
		size_t len = strlen(at);

		(void)snprintf(at + len, sizeof(at) - len, "/%.*s", (int)n, p);
		p += n;
		if (*p == '\0')
			break;
		p++;
		(void)mkdir(at, 0755); /* may be there */
	}
	EXPECT(file_write(at, bytes, 0755, &err) == OK);
}

static void link_to(const char *target, const char *name)
{
	char at[512];

	(void)snprintf(at, sizeof(at), "%s/%s", test_dir(), name);
	EXPECT(symlink(target, at) == 0);
}

/* Of our own program, which the tests are linked into. */
static struct slice elf(struct buf *b)
{
	struct err err;

	EXPECT(file_read("/proc/self/exe", b, &err) == OK);
	return buf_slice(b);
}

static enum status scan(const char *root, const char *command, bool want_tree,
			struct workload_facts *out, struct err *err)
{
	auto_workload_request struct workload_request r = { 0 };
	auto_workload_scan struct workload_scan *s = NULL;
	enum status st;

	if (root != NULL)
		r.root = mem_strdup(root, strlen(root));
	TRY(workload_request_add(&r.command, slice_str(command), "command",
				 err));
	TRY(workload_scan_new(&r, true, want_tree, &s, err));
	do
		st = workload_scan_step(s, 1u << 20, out, err);
	while (st == E_AGAIN);
	return st;
}

TEST(finds_out_the_digest_of_the_command)
{
	struct workload_facts f;
	uint8_t want[32];
	struct err err;

	put("bin/server", S(SCRIPT));
	sha256(S(SCRIPT), want);
	CHECK(scan(test_dir(), "/bin/server", false, &f, &err) == OK);
	CHECK(f.has_command && memcmp(f.command, want, 32) == 0);
	CHECK(!f.has_tree);
}

TEST(a_script_of_a_root_is_not_alone)
{
	auto_buf struct buf b = buf_make(256u << 20);
	struct workload_facts f;
	struct err err;

	put("bin/server", S(SCRIPT));
	put("bin/dynamic", elf(&b));
	CHECK(scan(test_dir(), "/bin/server", false, &f, &err) == OK);
	CHECK(!f.alone);
	/* Of the worker's own programs none has to be told apart. */
	CHECK(scan(NULL, "/bin/sh", false, &f, &err) == OK);
	CHECK(f.alone);
}

TEST(a_tree_is_found_out_only_where_there_is_a_root)
{
	struct workload_facts f;
	struct err err;

	put("bin/server", S(SCRIPT));
	CHECK(scan(test_dir(), "/bin/server", true, &f, &err) == OK);
	CHECK(f.has_command && f.has_tree);
	CHECK(scan(NULL, "/bin/sh", true, &f, &err) == OK);
	CHECK(f.has_command && !f.has_tree);
}

/* /proc/self/cwd/server of the root would be /server of the sandbox. */
TEST(a_command_where_the_sandbox_has_its_own_is_refused)
{
	static const char *const paths[] = { "/proc/self/cwd/server",
					     "/tmp/server", "/dev/server",
					     "/sys/server", "/.confd/server" };
	struct workload_facts f;
	struct err err;

	for (size_t i = 0; i < countof(paths); i++) {
		put(paths[i] + 1, S(SCRIPT));
		CHECK(scan(test_dir(), paths[i], false, &f, &err) == E_CONF);
		CHECK(strstr(err.text, "keep programs elsewhere") != NULL);
	}
}

TEST(nor_may_a_link_lead_there)
{
	struct workload_facts f;
	struct err err;

	put("proc/self/cwd/server", S(SCRIPT));
	put("bin/other", S(SCRIPT));
	link_to("/proc/self/cwd/server", "server");
	link_to("../proc/self/cwd", "bin/dir");
	link_to("other", "bin/fine");
	CHECK(scan(test_dir(), "/server", false, &f, &err) == E_CONF);
	CHECK(scan(test_dir(), "/bin/dir/server", false, &f, &err) == E_CONF);
	CHECK(scan(test_dir(), "/bin/fine", false, &f, &err) == OK);
}

TEST(a_link_does_not_lead_out_of_the_root)
{
	struct workload_facts f;
	struct err err;

	put("bin/x", S(SCRIPT));
	link_to("/bin/sh", "sh");
	CHECK(scan(test_dir(), "/sh", false, &f, &err) == E_NOTFOUND);
}

TEST(what_is_not_there_is_told_with_its_member)
{
	struct workload_facts f;
	struct err err;

	CHECK(scan(NULL, "/nonexistent/x", false, &f, &err) == E_NOTFOUND);
	CHECK(strstr(err.text, "command: ") == err.text);
	CHECK(scan("/nonexistent", "/x", true, &f, &err) == E_NOTFOUND);
	CHECK(scan(NULL, "/bin", false, &f, &err) == E_CONF);
}

TEST(the_shim_is_our_own_program_whatever_the_root_has)
{
	auto_buf struct buf b = buf_make(256u << 20);
	struct workload_facts f;
	uint8_t want[32];
	struct err err;

	put(".confd/confd", S(SCRIPT));
	sha256(elf(&b), want);
	CHECK(scan(test_dir(), "/.confd/confd", false, &f, &err) == OK);
	CHECK(f.alone && memcmp(f.command, want, 32) == 0);
}
