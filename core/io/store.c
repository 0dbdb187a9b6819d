#include "core/io/store.h"

#include <errno.h>
#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"

#define SCHEME_DIR "dir:"
#define KEY_PARTS_MAX 8

struct store {
	char *dir;
};

enum status store_open(const char *url, struct store **out, struct err *err)
{
	if (!slice_starts(slice_str(url), S(SCHEME_DIR)) ||
	    url[sizeof(SCHEME_DIR) - 1] == '\0')
		return err_set(err, E_USAGE,
			       "store '%s': expected dir:PATH, such as "
			       "dir:/var/lib/confd",
			       url);

	const char *dir = url + sizeof(SCHEME_DIR) - 1;
	TRY(file_make_dir(dir, 0700, err));

	struct store *s = mem_must(sizeof(*s));
	s->dir = mem_must(strlen(dir) + 1);
	memcpy(s->dir, dir, strlen(dir) + 1);
	*out = s;
	return OK;
}

void store_free(struct store *s)
{
	if (s == NULL)
		return;
	mem_free(s->dir);
	mem_free(s);
}

/* Walk the parts of key; each but the last names a directory, made when
 * make is set.  path becomes the whole path. */
static enum status key_path(const struct store *s, const char *key, bool make,
			    struct buf *path, struct err *err)
{
	struct slice rest = slice_str(key);
	struct slice part;
	size_t parts = 0;

	buf_put_str(path, s->dir);
	while (slice_split(&rest, '/', &part)) {
		if (!text_is_name(part) || ++parts > KEY_PARTS_MAX)
			return err_set(err, E_USAGE, "store key '%s': bad name",
				       key);
		if (make && parts > 1)
			TRY(file_make_dir(buf_cstr(path), 0700, err));
		buf_put_u8(path, '/');
		buf_put(path, part);
	}
	if (parts == 0)
		return err_set(err, E_USAGE, "store key: empty");
	TRY(buf_check(path, "store path", err));
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
