#include "attest/keeper_state.h"

#include <signal.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "test/attest/as_world.h"

#define NOW INT64_C(1790000000)

/* A keeper's state in a directory of its own. */
struct bench {
	struct as_world w;
	struct tee_device *tee;
	struct keeper_state s;
	char dir[4200], url[4300], file[4300];
	struct err err;
};

static void bench_done(struct bench *b)
{
	keeper_state_done(&b->s);
	tee_device_close(b->tee);
	as_world_done(&b->w);
}
#define auto_bench __attribute__((cleanup(bench_done)))

/* Open with the software TEE's root that is in the file now. */
static enum status reopen(struct bench *b)
{
	const struct tee_settings set = { .sim_root = b->w.root_path };

	keeper_state_done(&b->s);
	tee_device_close(take(b->tee));
	EXPECT(tee_device_open(&set, "sim", &b->tee, &b->err) == OK);
	EXPECT(vault_new(&as_world_groups, &b->s.vault, &b->err) == OK);
	return keeper_state_open(&b->s, b->url, b->tee, &b->err);
}

static void bench_new(struct bench *b)
{
	*b = (struct bench){ 0 };
	as_world_init(&b->w);
	(void)snprintf(b->dir, sizeof(b->dir), "%s/a/store", test_dir());
	(void)snprintf(b->url, sizeof(b->url), "dir:%s", b->dir);
	(void)snprintf(b->file, sizeof(b->file), "%s/state", b->dir);
	EXPECT(reopen(b) == OK);
}

/* A manifest with no secrets, so that nothing has to be sealed. */
static void initialize(struct bench *b)
{
	const char *m = buf_cstr(&b->w.manifest_text);
	const char *from = strstr(m, "\"secrets\"");
	const char *to = strstr(m, "\"leases\"");
	auto_buf struct buf text = buf_make(MANIFEST_MAX);

	buf_put(&text, slice_make(m, (size_t)(from - m)));
	buf_put_str(&text, to);
	EXPECT(vault_init(b->s.vault, buf_slice(&text), S(""), NOW, &b->err) ==
	       OK);
	releaselog_add(&b->s.log, "manifest",
		       vault_manifest(b->s.vault)->digest);
	manifest_chain_add(&b->s.chain, vault_manifest(b->s.vault)->digest);
}

static void read_file(const struct bench *b, struct buf *out)
{
	struct err err;

	buf_clear(out);
	EXPECT(file_read(b->file, out, &err) == OK);
}

static void write_it(const struct bench *b, struct slice text)
{
	struct err err;

	EXPECT(file_write(b->file, text, 0600, &err) == OK);
}

TEST(what_was_saved_is_there_after_a_restart)
{
	auto_bench struct bench b;
	struct manifest_chain chain;
	struct releaselog log;

	bench_new(&b);
	CHECK(keeper_state_name(&b.s) == STATE_UNINITIALIZED);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	chain = b.s.chain;
	log = b.s.log;
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SERVING);
	CHECK(b.s.revision == 1);
	CHECK(chain.length == b.s.chain.length);
	CHECK(memcmp(chain.head, b.s.chain.head, 32) == 0);
	CHECK(releaselog_size(&b.s.log) == 1 &&
	      releaselog_size(&log) == releaselog_size(&b.s.log));
	CHECK(keeper_state_save(&b.s, &b.err) == OK && b.s.revision == 2);
}

TEST(nothing_of_it_stands_in_the_file_in_clear)
{
	auto_bench struct bench b;
	auto_buf struct buf text = buf_make(STORE_VALUE_MAX);
	struct stat st;

	bench_new(&b);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	read_file(&b, &text);
	CHECK(memmem(buf_slice(&text).p, text.len, "PRIVATE KEY", 11) == NULL);
	CHECK(memmem(buf_slice(&text).p, text.len, "\"policies\"", 10) == NULL);
	CHECK(stat(b.file, &st) == 0 && (st.st_mode & 0777) == 0600);
	CHECK(stat(b.dir, &st) == 0 && (st.st_mode & 0777) == 0700);
}

TEST(a_state_damaged_cut_or_extended_anywhere_is_sealed_and_left_alone)
{
	auto_bench struct bench b;
	auto_buf struct buf good = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf bad = buf_make(STORE_VALUE_MAX);

	bench_new(&b);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	read_file(&b, &good);
	for (size_t i = 0; i < good.len; i += i < 40 ? 8 : 1499) {
		buf_clear(&bad);
		buf_put(&bad, buf_slice(&good));
		bad.mem[bad.head + i] ^= 0x10;
		write_it(&b, buf_slice(&bad));
		CHECK(reopen(&b) == OK);
		CHECK(keeper_state_name(&b.s) == STATE_SEALED);
		CHECK(b.s.why_sealed.text[0] != '\0');
	}
	for (size_t n = 0; n < good.len; n += n < 40 ? 8 : 1499) {
		write_it(&b, slice_sub(buf_slice(&good), 0, n));
		CHECK(reopen(&b) == OK);
		CHECK(keeper_state_name(&b.s) == STATE_SEALED);
	}
	buf_put_u8(&good, 0);
	write_it(&b, buf_slice(&good));
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SEALED);
	CHECK(vault_manifest(b.s.vault) == NULL && b.s.chain.length == 0);
	read_file(&b, &bad);
	CHECK(slice_eq(buf_slice(&bad), buf_slice(&good)));
}

TEST(another_machine_cannot_open_it)
{
	auto_bench struct bench b;
	auto_buf struct buf root = buf_make(16384);

	bench_new(&b);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	CHECK(sim_root_new(b.w.options.not_before, &root, &b.err) == OK);
	CHECK(file_write(b.w.root_path, buf_slice(&root), 0600, &b.err) == OK);
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SEALED);

	/* And again for the one that can. */
	CHECK(file_write(b.w.root_path, buf_slice(&b.w.root), 0600, &b.err) ==
	      OK);
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SERVING);
}

/* CAVEATS of confd-as(8): nobody but the store knows which is the latest. */
TEST(an_older_state_of_the_same_key_opens_as_what_it_was)
{
	auto_bench struct bench b;
	auto_buf struct buf old = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf mixed = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf latest = buf_make(STORE_VALUE_MAX);

	bench_new(&b);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	read_file(&b, &old);
	releaselog_add(&b.s.log, "release", b.s.chain.head);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	read_file(&b, &latest);
	write_it(&b, buf_slice(&old));
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SERVING);
	CHECK(b.s.revision == 1 && releaselog_size(&b.s.log) == 1);

	/* But it cannot be passed off as a later one: version and revision of
	 * one, the rest of the other. */
	buf_put(&mixed, slice_sub(buf_slice(&latest), 0, 9));
	buf_put(&mixed, slice_from(buf_slice(&old), 9));
	write_it(&b, buf_slice(&mixed));
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_SEALED);
}

TEST(a_full_disk_is_told_and_leaves_the_last_state)
{
	auto_bench struct bench b;
	auto_buf struct buf before = buf_make(STORE_VALUE_MAX);
	auto_buf struct buf after = buf_make(STORE_VALUE_MAX);
	struct rlimit was, small;

	bench_new(&b);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	read_file(&b, &before);
	releaselog_add(&b.s.log, "release", b.s.chain.head);
	CHECK(getrlimit(RLIMIT_FSIZE, &was) == 0);
	small = was;
	small.rlim_cur = 100;
	void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
	EXPECT(setrlimit(RLIMIT_FSIZE, &small) == 0);
	enum status st = keeper_state_save(&b.s, &b.err);
	EXPECT(setrlimit(RLIMIT_FSIZE, &was) == 0);
	(void)signal(SIGXFSZ, handler);
	CHECK(st == E_IO);
	CHECK(b.s.revision == 1);
	read_file(&b, &after);
	CHECK(slice_eq(buf_slice(&before), buf_slice(&after)));
	CHECK(keeper_state_save(&b.s, &b.err) == OK && b.s.revision == 2);
}

TEST(a_directory_that_is_gone_is_told)
{
	auto_bench struct bench b;

	bench_new(&b);
	initialize(&b);
	CHECK(file_remove_tree(b.dir, &b.err) == OK);
	CHECK(keeper_state_save(&b.s, &b.err) == E_NOTFOUND);
	CHECK(strstr(b.err.text, "store") != NULL);
	CHECK(b.s.revision == 0);
}

TEST(two_cannot_have_one_store)
{
	auto_bench struct bench b;
	struct store *second = NULL;

	bench_new(&b);
	CHECK(store_open(b.url, &second, &b.err) == E_CONFLICT);
	CHECK(second == NULL);
	keeper_state_done(&b.s);
	CHECK(store_open(b.url, &second, &b.err) == OK);
	store_free(second);
}

TEST(what_a_failed_first_save_left_is_forgotten)
{
	auto_bench struct bench b;

	bench_new(&b);
	keeper_state_forget(&b.s); /* nothing there: no harm */
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	keeper_state_forget(&b.s);
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_UNINITIALIZED);
}

TEST(memory_keeps_nothing_and_other_stores_are_refused)
{
	auto_bench struct bench b;

	bench_new(&b);
	(void)snprintf(b.url, sizeof(b.url), "memory");
	CHECK(reopen(&b) == OK);
	initialize(&b);
	CHECK(keeper_state_save(&b.s, &b.err) == OK);
	CHECK(reopen(&b) == OK);
	CHECK(keeper_state_name(&b.s) == STATE_UNINITIALIZED);
	(void)snprintf(b.url, sizeof(b.url), "etcd://127.0.0.1:2379");
	CHECK(reopen(&b) == E_USAGE);
	(void)snprintf(b.url, sizeof(b.url), "Memory");
	CHECK(reopen(&b) == E_USAGE);
}
