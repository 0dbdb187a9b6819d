#include "core/io/store.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"

#define SCHEME_DIR "dir:"
#define KEY_PARTS_MAX 8

struct store {
	char *dir;
	int lock; /* the directory, open; flock(2) on it while we use it */
};

/* Whoever may read the parents learns no more than that there is a store. */
static enum status make_parents(const char *dir, struct err *err)
{
	auto_buf struct buf path = buf_make(PATH_MAX);

	for (const char *at = strchr(dir + 1, '/'); at != NULL;
	     at = strchr(at + 1, '/')) {
		buf_clear(&path);
		buf_put(&path, slice_make(dir, (size_t)(at - dir)));
		TRY(buf_check(&path, "store path", err));
		if (mkdir(buf_cstr(&path), 0755) < 0 && errno != EEXIST)
			return err_errno(err, "cannot make directory %s",
					 buf_cstr(&path));
	}
	return OK;
}

/* Two services on one state would each undo what the other wrote.  The lock
 * goes with the process, however it ends. */
static enum status lock_dir(const char *dir, int *out, struct err *err)
{
	auto_fd int fd =
		open(dir, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "cannot open %s", dir);
	if (flock(fd, LOCK_EX | LOCK_NB) < 0 && errno == EWOULDBLOCK)
		return err_set(err, E_CONFLICT,
			       "store %s: another process uses it; stop that "
			       "one, or give each its own directory",
			       dir);
	*out = take_fd(&fd); /* file systems without locks have to do */
	return OK;
}

enum status store_open(const char *url, struct store **out, struct err *err)
{
	if (!slice_starts(slice_str(url), S(SCHEME_DIR)) ||
	    url[sizeof(SCHEME_DIR) - 1] == '\0')
		return err_set(err, E_USAGE,
			       "store '%s': expected dir:PATH, such as "
			       "dir:/var/lib/confd",
			       url);

	const char *dir = url + sizeof(SCHEME_DIR) - 1;
	auto_fd int lock = -1;
	TRY(make_parents(dir, err));
	TRY(file_make_dir(dir, 0700, err));
	TRY(lock_dir(dir, &lock, err));

	struct store *s = mem_must(sizeof(*s));
	s->lock = take_fd(&lock);
	s->dir = mem_must(strlen(dir) + 1);
	memcpy(s->dir, dir, strlen(dir) + 1);
	*out = s;
	return OK;
}

void store_free(struct store *s)
{
	if (s == NULL)
		return;
	(void)close(s->lock);
	mem_free(s->dir);
	mem_free(s);
}

static enum status check_key(const char *key, struct err *err)
{
	struct slice rest = slice_str(key);
	struct slice part;
	size_t parts = 0;
	bool good = rest.len > 0 && rest.p[rest.len - 1] != '/';

	while (good && slice_split(&rest, '/', &part))
		good = text_is_name(part) && ++parts <= KEY_PARTS_MAX;
	if (good)
		return OK;
	return err_set(err, E_USAGE,
		       "store key '%s': expected 1 to %d names with '/' "
		       "between them",
		       key, KEY_PARTS_MAX);
}

/* The file of a key.  Each part but the last names a directory, made when
 * make is set. */
static enum status key_path(const struct store *s, const char *key, bool make,
			    struct buf *path, struct err *err)
{
	struct slice rest = slice_str(key);
	struct slice part;

	TRY(check_key(key, err));
	buf_put_str(path, s->dir);
	for (size_t i = 0; slice_split(&rest, '/', &part); i++) {
		if (make && i > 0)
			TRY(file_make_dir(buf_cstr(path), 0700, err));
		buf_put_u8(path, '/');
		buf_put(path, part);
		TRY(buf_check(path, "store path", err));
	}
	(void)buf_cstr(path); /* leaves its NUL behind the bytes */
	return OK;
}

enum status store_get(struct store *s, const char *key, struct buf *out,
		      struct err *err)
{
	auto_buf struct buf path = buf_make(PATH_MAX);

	TRY(key_path(s, key, false, &path, err));
	return file_read(buf_cstr(&path), out, err);
}

enum status store_put(struct store *s, const char *key, struct slice value,
		      struct err *err)
{
	auto_buf struct buf path = buf_make(PATH_MAX);

	if (value.len > STORE_VALUE_MAX)
		return err_set(err, E_LIMIT,
			       "store value of '%s': %zu bytes, want up to %u",
			       key, value.len, STORE_VALUE_MAX);
	TRY(key_path(s, key, true, &path, err));
	return file_write(buf_cstr(&path), value, 0600, err);
}

enum status store_delete(struct store *s, const char *key, struct err *err)
{
	auto_buf struct buf path = buf_make(PATH_MAX);

	TRY(key_path(s, key, false, &path, err));
	if (unlink(buf_cstr(&path)) < 0)
		return err_errno(err, "remove %s", buf_cstr(&path));
	return OK;
}
