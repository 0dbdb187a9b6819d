#include "cmd/digest.h"

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

/* A path in the test's directory; of eight, in turn. */
static const char *at(const char *name)
{
	static char path[8][512];
	static unsigned turn;
	char *p = path[turn++ % 8];

	(void)snprintf(p, sizeof(path[0]), "%s/%s", test_dir(), name);
	return p;
}

static void put(const char *name, struct slice text, mode_t mode)
{
	struct err err;

	EXPECT(file_write(at(name), text, mode, &err) == OK);
}

static void make_dir(const char *name, mode_t mode)
{
	EXPECT(mkdir(at(name), mode) == 0);
	EXPECT(chmod(at(name), mode) == 0);
}

static enum status tree(const char *name, uint8_t out[32])
{
	auto_digest struct digest *d = NULL;
	struct err err;

	if (digest_tree_new(at(name), &d, &err) != OK)
		return err.code;
	return digest_finish(d, out, &err);
}

static enum status file_in(const char *root, const char *path, uint8_t out[32])
{
	auto_digest struct digest *d = NULL;
	struct err err;

	if (digest_file_new(root, path, &d, &err) != OK)
		return err.code;
	return digest_finish(d, out, &err);
}

/* A tree of one of each kind. */
static void make_tree(const char *root)
{
	char path[128];

	make_dir(root, 0755);
	(void)snprintf(path, sizeof(path), "%s/bin", root);
	make_dir(path, 0755);
	(void)snprintf(path, sizeof(path), "%s/bin/a", root);
	put(path, S("program"), 0755);
	(void)snprintf(path, sizeof(path), "%s/b", root);
	put(path, S(""), 0644);
	(void)snprintf(path, sizeof(path), "%s/l", root);
	EXPECT(symlink("bin/a", at(path)) == 0);
}

TEST(a_file_has_the_sha256_of_its_bytes)
{
	uint8_t want[32], got[32];

	put("f", S("abc"), 0644);
	sha256(S("abc"), want);
	CHECK(file_in(test_dir(), "/f", got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
	CHECK(file_in(NULL, at("f"), got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
}

TEST(steps_of_any_size_give_the_same)
{
	static uint8_t bytes[700000];
	uint8_t want[32], got[32];
	auto_digest struct digest *d = NULL;
	struct err err;
	unsigned again = 0;

	memset(bytes, 'x', sizeof(bytes));
	put("big", slice_of(bytes), 0644);
	sha256(slice_of(bytes), want);
	CHECK(digest_file_new(NULL, at("big"), &d, &err) == OK);
	while (digest_step(d, 1, got, &err) == E_AGAIN)
		again++;
	CHECK(again >= 2);
	CHECK(memcmp(want, got, 32) == 0);
}

TEST(a_link_leads_nowhere_outside_the_root)
{
	uint8_t want[32], got[32];

	make_dir("root", 0755);
	put("secret", S("outside"), 0644);
	put("root/secret", S("inside"), 0644);
	sha256(S("inside"), want);
	CHECK(symlink("/secret", at("root/absolute")) == 0);
	CHECK(symlink("../../../secret", at("root/up")) == 0);
	CHECK(file_in(at("root"), "/absolute", got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
	CHECK(file_in(at("root"), "/up", got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
	CHECK(file_in(at("root"), "/../secret", got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
}

TEST(refuses_what_is_no_regular_file)
{
	uint8_t got[32] = { 7 };

	make_dir("dir", 0755);
	CHECK(mkfifo(at("pipe"), 0644) == 0);
	CHECK(file_in(test_dir(), "/dir", got) == E_CONF);
	CHECK(file_in(test_dir(), "/pipe", got) == E_CONF);
	CHECK(file_in(test_dir(), "/none", got) == E_NOTFOUND);
	CHECK(file_in(at("none"), "/f", got) == E_NOTFOUND);
	CHECK(got[0] == 7);
}

TEST(our_own_program_is_the_one_that_runs)
{
	uint8_t want[32], got[32];
	auto_digest struct digest *d = NULL;
	struct err err;

	CHECK(file_in(NULL, "/proc/self/exe", want) == OK);
	CHECK(digest_self_new(&d, &err) == OK);
	CHECK(digest_finish(d, got, &err) == OK);
	CHECK(memcmp(want, got, 32) == 0);
}

/* The form that confd-workload(1) gives, byte by byte. */
TEST(a_tree_is_hashed_as_documented)
{
	auto_buf struct buf b = buf_make(4096);
	uint8_t want[32], got[32], content[32];

	make_tree("t");
	buf_put(&b, S("confd-tree-v1\0"));
	buf_put(&b, S("d\0\0\0\0"));
	buf_put_u32be(&b, 0755);
	buf_put(&b, S("f\0\0\0\1b"));
	buf_put_u32be(&b, 0644);
	buf_put_u64be(&b, 0);
	sha256(S(""), content);
	buf_put(&b, slice_of(content));
	buf_put(&b, S("d\0\0\0\3bin"));
	buf_put_u32be(&b, 0755);
	buf_put(&b, S("f\0\0\0\5bin/a"));
	buf_put_u32be(&b, 0755);
	buf_put_u64be(&b, 7);
	sha256(S("program"), content);
	buf_put(&b, slice_of(content));
	buf_put(&b, S("l\0\0\0\1l"));
	buf_put_u32be(&b, 0);
	buf_put_field(&b, S("bin/a"));
	sha256(buf_slice(&b), want);
	CHECK(tree("t", got) == OK);
	CHECK(memcmp(want, got, 32) == 0);
}

TEST(two_trees_alike_have_one_digest)
{
	uint8_t one[32], two[32];

	make_tree("t1");
	make_tree("t2");
	CHECK(tree("t1", one) == OK);
	CHECK(tree("t2", two) == OK);
	CHECK(memcmp(one, two, 32) == 0);
}

/* Each change of the tree, and the way back. */
static bool changes(const char *root, void (*change)(void))
{
	uint8_t before[32], after[32];

	EXPECT(tree(root, before) == OK);
	change();
	EXPECT(tree(root, after) == OK);
	return memcmp(before, after, 32) != 0;
}

static void change_content(void)
{
	put("t/bin/a", S("Program"), 0755);
}

static void change_mode(void)
{
	EXPECT(chmod(at("t/b"), 0600) == 0);
}

static void change_link(void)
{
	EXPECT(unlink(at("t/l")) == 0 && symlink("bin/b", at("t/l")) == 0);
}

static void change_name(void)
{
	EXPECT(rename(at("t/b"), at("t/c")) == 0);
}

static void change_depth(void)
{
	EXPECT(rename(at("t/bin/a"), at("t/a")) == 0);
}

static void add_dir(void)
{
	make_dir("t/empty", 0755);
}

static void change_root_mode(void)
{
	EXPECT(chmod(at("t"), 0700) == 0);
}

TEST(every_change_of_a_tree_changes_its_digest)
{
	static void (*const all[])(void) = {
		change_content, change_mode, change_link,      change_name,
		change_depth,	add_dir,     change_root_mode,
	};

	make_tree("t");
	for (size_t i = 0; i < countof(all); i++)
		CHECK(changes("t", all[i]));
}

static void add_replaced(void)
{
	make_dir("t/proc", 0755);
	make_dir("t/dev", 0755);
	EXPECT(mkfifo(at("t/dev/null"), 0644) == 0);
	make_dir("t/.confd", 0755);
	put("t/.confd/confd", S("not ours"), 0755);
}

static void add_below(void)
{
	make_dir("t/bin/proc", 0755);
}

TEST(what_a_sandbox_replaces_does_not_count_but_only_at_the_top)
{
	make_tree("t");
	CHECK(!changes("t", add_replaced));
	CHECK(changes("t", add_below));
}

TEST(a_tree_with_a_pipe_in_it_is_refused)
{
	uint8_t got[32];

	make_tree("t");
	CHECK(mkfifo(at("t/bin/p"), 0644) == 0);
	CHECK(tree("t", got) == E_CONF);
	CHECK(tree("none", got) == E_NOTFOUND);
}

TEST(a_tree_that_is_too_deep_is_refused)
{
	char path[4 * DIGEST_DEPTH_MAX] = "t";
	uint8_t got[32];

	make_dir("t", 0755);
	for (unsigned i = 1; i < DIGEST_DEPTH_MAX; i++) {
		(void)snprintf(path + 2 * i - 1, sizeof(path) - 2 * i, "/d");
		make_dir(path, 0755);
	}
	CHECK(tree("t", got) == OK);
	(void)snprintf(path + strlen(path), 4, "/d");
	make_dir(path, 0755);
	CHECK(tree("t", got) == E_LIMIT);
}

/* ---- ELF ---- */

static struct slice elf(uint8_t out[256], uint32_t second)
{
	Elf64_Ehdr head = { .e_ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64,
					 ELFDATA2LSB, 1 },
			    .e_type = ET_DYN,
			    .e_phoff = sizeof(head),
			    .e_phentsize = sizeof(Elf64_Phdr),
			    .e_phnum = 2 };
	Elf64_Phdr part[2] = { { .p_type = PT_LOAD }, { .p_type = second } };

	memcpy(out, &head, sizeof(head));
	memcpy(out + sizeof(head), part, sizeof(part));
	return slice_make(out, sizeof(head) + sizeof(part));
}

static enum status is_static(struct slice bytes, bool *out)
{
	auto_digest struct digest *d = NULL;
	struct err err;

	put("program", bytes, 0755);
	EXPECT(digest_file_new(NULL, at("program"), &d, &err) == OK);
	return digest_is_static(d, out, &err);
}

TEST(a_program_without_an_interpreter_is_static)
{
	uint8_t bytes[256];
	bool yes;

	CHECK(is_static(elf(bytes, PT_LOAD), &yes) == OK && yes);
	CHECK(is_static(elf(bytes, PT_INTERP), &yes) == OK && !yes);
}

TEST(a_script_is_not_static)
{
	bool yes = true;

	CHECK(is_static(S("#!/bin/sh\nexit 0\n"), &yes) == OK && !yes);
	yes = true;
	CHECK(is_static(S(""), &yes) == OK && !yes);
}

TEST(elf_headers_that_are_cut_or_odd_are_refused)
{
	uint8_t bytes[256];
	struct slice whole = elf(bytes, PT_LOAD);
	bool yes = true;

	CHECK(is_static(slice_sub(whole, 0, whole.len - 1), &yes) == E_CONF);
	CHECK(!yes);
	bytes[offsetof(Elf64_Ehdr, e_phentsize)] = 1;
	CHECK(is_static(whole, &yes) == E_CONF);
	whole = elf(bytes, PT_LOAD);
	memset(bytes + offsetof(Elf64_Ehdr, e_phoff), 0xff, 8);
	CHECK(is_static(whole, &yes) == E_CONF || !yes);
	whole = elf(bytes, PT_LOAD);
	bytes[EI_CLASS] = ELFCLASS32;
	yes = true;
	CHECK(is_static(whole, &yes) == OK && !yes);
}
