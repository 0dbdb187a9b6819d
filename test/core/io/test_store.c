#include "core/io/store.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "test/test.h"

/* A fresh directory and its store. */
struct fixture {
	char dir[64];
	char url[80];
	struct store *s;
};

static void begin(struct fixture *f)
{
	struct err err;

	(void)snprintf(f->dir, sizeof(f->dir), "/tmp/confd-store-XXXXXX");
	EXPECT(mkdtemp(f->dir) != NULL);
	(void)snprintf(f->url, sizeof(f->url), "dir:%s", f->dir);
	EXPECT(store_open(f->url, &f->s, &err) == OK);
}

static void end(struct fixture *f)
{
	struct err err;

	store_free(f->s);
	EXPECT(file_remove_tree(f->dir, &err) == OK);
}

TEST(what_is_put_is_got_also_after_reopening)
{
	struct fixture f;
	struct err err;
	auto_buf struct buf got = buf_make(STORE_VALUE_MAX);

	begin(&f);
	EXPECT(store_put(f.s, "state", S("one"), &err) == OK);
	EXPECT(store_put(f.s, "group/llama/key", S("k"), &err) == OK);
	EXPECT(store_put(f.s, "state", S("two"), &err) == OK);
	store_free(f.s);
	EXPECT(store_open(f.url, &f.s, &err) == OK);
	EXPECT(store_get(f.s, "state", &got, &err) == OK);
	EXPECT(slice_eq(buf_slice(&got), S("two")));
	buf_clear(&got);
	EXPECT(store_get(f.s, "group/llama/key", &got, &err) == OK);
	EXPECT(slice_eq(buf_slice(&got), S("k")));
	EXPECT(store_delete(f.s, "state", &err) == OK);
	EXPECT(store_get(f.s, "state", &got, &err) == E_NOTFOUND);
	end(&f);
}

TEST(keys_cannot_leave_the_directory)
{
	static const char *const bad[] = { "",	   "..", "../x", "a/../b", "/a",
					   "a//b", "a/", "A",	 "a b" };
	struct fixture f;
	struct err err;

	begin(&f);
	for (size_t i = 0; i < countof(bad); i++)
		EXPECT(store_put(f.s, bad[i], S("x"), &err) == E_USAGE);
	end(&f);
}

TEST(a_directory_that_others_can_enter_is_refused)
{
	struct fixture f;
	struct err err;
	struct store *s = NULL;

	begin(&f);
	EXPECT(chmod(f.dir, 0755) == 0);
	EXPECT(store_open(f.url, &s, &err) != OK && s == NULL);
	EXPECT(store_open("etcd://x", &s, &err) == E_USAGE);
	EXPECT(store_open("dir:", &s, &err) == E_USAGE);
	end(&f);
}

TEST(a_put_that_fails_leaves_the_old_value)
{
	struct fixture f;
	struct err err;
	auto_buf struct buf got = buf_make(STORE_VALUE_MAX);
	uint8_t *big = mem_must(STORE_VALUE_MAX + 1);

	begin(&f);
	EXPECT(store_put(f.s, "state", S("old"), &err) == OK);
	EXPECT(store_put(f.s, "state", slice_make(big, STORE_VALUE_MAX + 1),
			 &err) == E_LIMIT);
	EXPECT(store_get(f.s, "state", &got, &err) == OK);
	EXPECT(slice_eq(buf_slice(&got), S("old")));
	mem_free(big);
	end(&f);
}
