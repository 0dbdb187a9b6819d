#include "core/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"

#define READ_CHUNK 65536 /* bytes a read asks for */
#define PATH_LIMIT 4096	 /* bytes, PATH_MAX */

static void cleanup_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}
#define auto_dir __attribute__((cleanup(cleanup_dir)))

static ssize_t read_some(int fd, void *to, size_t n)
{
	ssize_t got;

	do
		got = read(fd, to, n);
	while (got < 0 && errno == EINTR);
	return got;
}

/* The number in "-" or /dev/fd/N, or -1 for another path. */
static int inherited_fd(const char *path)
{
	struct slice s = slice_str(path), prefix = S("/dev/fd/");
	uint64_t n;

	if (strcmp(path, "-") == 0)
		return STDIN_FILENO;
	if (!slice_starts(s, prefix) ||
	    !slice_u64(slice_from(s, prefix.len), &n) || n > INT32_MAX)
		return -1;
	return (int)n;
}

/* Opened without waiting for the other end of a FIFO; only regular files and
 * descriptors that we were given are read. */
static enum status open_to_read(const char *path, int *out, struct stat *st,
				struct err *err)
{
	int given = inherited_fd(path);
	auto_fd int fd = given >= 0 ? fcntl(given, F_DUPFD_CLOEXEC, 3)
				    : open(path, O_RDONLY | O_CLOEXEC |
							 O_NOCTTY | O_NONBLOCK);

	if (fd < 0)
		return err_errno(err, "cannot open %s", path);
	if (fstat(fd, st) < 0)
		return err_errno(err, "cannot stat %s", path);
	if (given < 0 && !S_ISREG(st->st_mode))
		return err_set(err, E_IO, "%s is not a regular file", path);
	if (S_ISDIR(st->st_mode))
		return err_set(err, E_IO, "%s is a directory", path);
	*out = take_fd(&fd);
	return OK;
}

/* One byte more than fits, if the file has it, is read to find out. */
static enum status read_all(int fd, const char *path, size_t expected,
			    struct buf *out, struct err *err)
{
	uint8_t beyond;

	for (;;) {
		size_t room = out->max - out->len;
		size_t n = expected > READ_CHUNK ? expected : READ_CHUNK;
		uint8_t *to = &beyond;

		n = n < room ? n : room;
		if (n > 0)
			to = buf_room(out, n);
		if (to == NULL)
			return err_set(err, E_NOMEM, "%s: no memory", path);
		ssize_t got = read_some(fd, to, n > 0 ? n : 1);
		if (got < 0)
			return err_errno(err, "cannot read %s", path);
		if (got == 0)
			return OK;
		if (n == 0)
			return err_set(err, E_LIMIT,
				       "%s: larger than the %zu bytes we take",
				       path, out->max);
		buf_grow(out, (size_t)got);
		expected = 0;
	}
}

enum status file_read(const char *path, struct buf *out, struct err *err)
{
	auto_fd int fd = -1;
	size_t before = out->len;
	struct stat st;

	TRY(buf_check(out, path, err));
	TRY(open_to_read(path, &fd, &st, err));
	/* A byte more than its size, to meet the end in the same read. */
	size_t expected = st.st_size > 0 ? (size_t)st.st_size + 1 : 0;
	enum status status = read_all(fd, path, expected, out, err);
	if (status != OK)
		buf_cut(out, before);
	return status;
}

/* Refused unless only we (and root) can have read or written it. */
static enum status check_private(const char *path, const struct stat *st,
				 struct err *err)
{
	unsigned mode = st->st_mode & 07777;

	if (!S_ISREG(st->st_mode))
		return err_set(err, E_PERM,
			       "%s is not a regular file (- reads a secret "
			       "from the standard input)",
			       path);
	if (st->st_uid != geteuid() && st->st_uid != 0)
		return err_set(err, E_PERM,
			       "%s belongs to user %u, who could change it: "
			       "chown %u %s",
			       path, st->st_uid, geteuid(), path);
	if ((mode & 077) != 0)
		return err_set(err, E_PERM,
			       "%s has mode %04o, so others can use it: "
			       "chmod %o %s",
			       path, mode, mode & 0700, path);
	return OK;
}

/* Read up to the size of into; *n says how much there was, at most one byte
 * more than fits. */
static enum status read_secret(int fd, const char *path, struct secret *into,
			       size_t *n, struct err *err)
{
	struct slice room = secret_slice(into);
	size_t has = 0;
	uint8_t beyond;
	ssize_t got = 1;

	while (got > 0 && has < room.len) {
		got = read_some(fd, secret_bytes(into) + has, room.len - has);
		has += got > 0 ? (size_t)got : 0;
	}
	if (got > 0)
		got = read_some(fd, &beyond, 1);
	if (got < 0)
		return err_errno(err, "cannot read %s", path);
	explicit_bzero(&beyond, 1);
	*n = has + (size_t)got;
	return OK;
}

enum status file_read_secret(const char *path, size_t max, struct secret **out,
			     struct err *err)
{
	auto_fd int fd = -1;
	auto_secret struct secret *all = NULL;
	struct stat st;
	size_t n = 0;

	TRY(open_to_read(path, &fd, &st, err));
	if (strcmp(path, "-") != 0)
		TRY(check_private(path, &st, err));
	/* What cannot be known beforehand is read into as much as may be. */
	bool known = S_ISREG(st.st_mode) && st.st_size > 0 &&
		     (uint64_t)st.st_size < max;
	TRY(secret_new(known ? (size_t)st.st_size : max, &all, err));
	TRY(read_secret(fd, path, all, &n, err));
	if (n == 0)
		return err_set(err, E_PARSE, "%s is empty, want a secret",
			       path);
	if (n > secret_slice(all).len)
		return err_set(err, E_LIMIT, "%s: more than %zu bytes", path,
			       secret_slice(all).len);
	if (n < secret_slice(all).len)
		return secret_copy(slice_sub(secret_slice(all), 0, n), out,
				   err);
	*out = take(all);
	return OK;
}

enum status file_write_fd(int fd, struct slice data, struct err *err)
{
	while (data.len > 0) {
		ssize_t n = write(fd, data.p, data.len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "cannot write");
		data = slice_from(data, (size_t)n);
	}
	return OK;
}

/* A file on its way to a name: its directory, and what it is called there
 * now and in the end. */
struct draft {
	int dir; /* -1: none */
	char temporary[32];
	bool written; /* temporary exists */
	struct buf dir_path;
	const char *name; /* in the caller's path */
};

static void draft_done(struct draft *d)
{
	if (d->written)
		(void)unlinkat(d->dir, d->temporary, 0);
	cleanup_fd(&d->dir);
	buf_done(&d->dir_path);
}
#define auto_draft __attribute__((cleanup(draft_done)))

static enum status draft_open(struct draft *d, const char *path,
			      struct err *err)
{
	const char *slash = strrchr(path, '/');

	d->name = slash == NULL ? path : slash + 1;
	if (d->name[0] == '\0')
		return err_set(err, E_IO, "\"%s\" names no file", path);
	if (slash == NULL)
		buf_put_str(&d->dir_path, ".");
	else /* with its slash, so that "/x" is in "/" */
		buf_put(&d->dir_path,
			slice_make(path, (size_t)(slash - path) + 1));
	const char *dir = buf_cstr(&d->dir_path);
	if (dir == NULL)
		return err_set(err, E_IO, "path longer than %d", PATH_LIMIT);
	d->dir = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (d->dir < 0)
		return err_errno(err, "cannot open %s", dir);
	return OK;
}

/* A name that nobody else makes: ours, counted, and never taken twice. */
static int open_temporary(struct draft *d)
{
	static unsigned count;

	for (unsigned attempt = 0; attempt < 100; attempt++) {
		(void)snprintf(d->temporary, sizeof(d->temporary), ".tmp-%d-%u",
			       (int)getpid(), count++);
		int fd = openat(d->dir, d->temporary,
				O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC |
					O_NOFOLLOW,
				0600);
		if (fd >= 0 || errno != EEXIST)
			return fd;
	}
	return -1;
}

static enum status draft_write(struct draft *d, const char *path,
			       struct slice data, mode_t mode, struct err *err)
{
	auto_fd int fd = open_temporary(d);

	if (fd < 0)
		return err_errno(err, "cannot make a file beside %s", path);
	d->written = true;
	if (file_write_fd(fd, data, err) != OK)
		return err_wrap(err, "%s", path);
	if (fchmod(fd, mode) < 0)
		return err_errno(err, "cannot set the mode of %s", path);
	if (fsync(fd) < 0)
		return err_errno(err, "cannot fsync %s", path);
	return OK;
}

/* Some file systems have no RENAME_NOREPLACE, and others no links. */
static int rename_new(const struct draft *d)
{
	if (renameat2(d->dir, d->temporary, d->dir, d->name,
		      RENAME_NOREPLACE) == 0)
		return 0;
	if (errno != EINVAL && errno != ENOSYS)
		return -1;
	if (linkat(d->dir, d->temporary, d->dir, d->name, 0) < 0)
		return -1;
	return unlinkat(d->dir, d->temporary, 0);
}

static enum status write_file(const char *path, struct slice data, mode_t mode,
			      bool replace, struct err *err)
{
	auto_draft struct draft d = { .dir = -1,
				      .dir_path = buf_make(PATH_LIMIT) };

	TRY(draft_open(&d, path, err));
	TRY(draft_write(&d, path, data, mode, err));
	int failed = replace ? renameat(d.dir, d.temporary, d.dir, d.name)
			     : rename_new(&d);
	if (failed != 0 && !replace && errno == EEXIST)
		return err_set(err, E_CONFLICT, "%s exists already", path);
	if (failed != 0)
		return err_errno(err, "cannot rename a file to %s", path);
	d.written = false;
	/* Directories of some file systems cannot be synced. */
	if (fsync(d.dir) < 0 && errno != EINVAL && errno != EROFS)
		return err_errno(err,
				 "%s is written, but cannot fsync its "
				 "directory",
				 path);
	return OK;
}

enum status file_write(const char *path, struct slice data, mode_t mode,
		       struct err *err)
{
	return write_file(path, data, mode, true, err);
}

enum status file_create(const char *path, struct slice data, mode_t mode,
			struct err *err)
{
	return write_file(path, data, mode, false, err);
}

static enum status check_dir(const char *path, const struct stat *st,
			     mode_t mode, struct err *err)
{
	if (st->st_uid != geteuid())
		return err_set(err, E_PERM,
			       "%s belongs to user %u, not to us (%u)", path,
			       st->st_uid, geteuid());
	if ((st->st_mode & 0777 & ~mode) != 0)
		return err_set(err, E_PERM,
			       "%s has mode %04o, want %04o at most: name a "
			       "directory for this alone, or chmod %o %s",
			       path, st->st_mode & 07777, mode,
			       st->st_mode & mode, path);
	return OK;
}

enum status file_make_dir(const char *path, mode_t mode, struct err *err)
{
	bool made = mkdir(path, mode) == 0;
	struct stat st;

	if (!made && errno != EEXIST)
		return err_errno(err, "cannot make directory %s", path);
	/* Whatever the umask took. */
	if (made && fchmodat(AT_FDCWD, path, mode, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "cannot set the mode of %s", path);
	if (lstat(path, &st) < 0)
		return err_errno(err, "cannot stat %s", path);
	if (!S_ISDIR(st.st_mode))
		return err_set(err, E_PERM, "%s is not a directory", path);
	return check_dir(path, &st, mode, err);
}

/* Removing a tree: what is inside a directory inside the top moves up into
 * the top before the directory goes.  So no depth of a hostile tree takes
 * stack, descriptors or path length.
 *
 * Mounts stay: rmdir(2) and rename(2) refuse mount points with EBUSY, and no
 * directory is opened before rmdir has refused it for being full. */
struct removal {
	const char *path;
	int top;
	unsigned moved; /* names given so far */
};

#define MOVE_ATTEMPTS (1u << 24) /* names that are taken already */
#define PASSES_MAX (1u << 24)	 /* each takes at least one level off */

static enum status removal_failed(const struct removal *r, const char *name,
				  struct err *err)
{
	if (errno == EBUSY)
		return err_set(err, E_CONFLICT,
			       "%s in %s is mounted or in use: umount it", name,
			       r->path);
	return err_errno(err, "cannot remove %s in %s", name, r->path);
}

/* Remove what is no directory, or an empty one; *full for another one. */
static enum status remove_easy(const struct removal *r, int dir,
			       const char *name, bool *full, struct err *err)
{
	*full = false;
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return OK;
	if (errno != EISDIR)
		return removal_failed(r, name, err);
	if (unlinkat(dir, name, AT_REMOVEDIR) == 0 || errno == ENOENT)
		return OK;
	*full = errno == ENOTEMPTY || errno == EEXIST;
	return *full ? OK : removal_failed(r, name, err);
}

/* Images have directories that their owner cannot write. */
static void make_writable(int dir, const char *name)
{
	if (fchmodat(dir, name, 0700, AT_SYMLINK_NOFOLLOW) < 0)
		return; /* what needs it fails, and says so */
}

static enum status move_up(struct removal *r, int dir, const char *name,
			   struct err *err)
{
	char to[32];

	make_writable(dir, name);
	for (unsigned attempt = 0; attempt < MOVE_ATTEMPTS; attempt++) {
		(void)snprintf(to, sizeof(to), ".moved-%u", r->moved++);
		if (renameat(dir, name, r->top, to) == 0)
			return OK;
		if (errno != ENOTEMPTY && errno != EEXIST && errno != ENOTDIR)
			break;
	}
	return removal_failed(r, name, err);
}

static enum status open_dir(const struct removal *r, int dir, const char *name,
			    DIR **out, struct err *err)
{
	auto_fd int fd = openat(
		dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "cannot open %s in %s", name, r->path);
	*out = fdopendir(fd);
	if (*out == NULL)
		return err_errno(err, "cannot read %s in %s", name, r->path);
	(void)take_fd(&fd); /* the DIR has it now */
	return OK;
}

/* The next name but "." and ".."; *name NULL at the end. */
static enum status next_name(const struct removal *r, DIR *d, const char **name,
			     struct err *err)
{
	const struct dirent *entry;

	do {
		errno = 0;
		entry = readdir(d);
	} while (entry != NULL && (strcmp(entry->d_name, ".") == 0 ||
				   strcmp(entry->d_name, "..") == 0));
	if (entry == NULL && errno != 0)
		return err_errno(err, "cannot list %s", r->path);
	*name = entry == NULL ? NULL : entry->d_name;
	return OK;
}

/* Empty and remove the directory `name` in top. */
static enum status remove_full(struct removal *r, const char *name,
			       struct err *err)
{
	auto_dir DIR *d = NULL;
	const char *inner = NULL;
	bool full;

	make_writable(r->top, name);
	TRY(open_dir(r, r->top, name, &d, err));
	for (;;) {
		TRY(next_name(r, d, &inner, err));
		if (inner == NULL)
			break;
		TRY(remove_easy(r, dirfd(d), inner, &full, err));
		if (full)
			TRY(move_up(r, dirfd(d), inner, err));
	}
	if (unlinkat(r->top, name, AT_REMOVEDIR) < 0)
		return removal_failed(r, name, err);
	return OK;
}

/* Each name in top once; *n counts them. */
static enum status remove_pass(struct removal *r, size_t *n, struct err *err)
{
	auto_dir DIR *d = NULL;
	const char *name = NULL;
	bool full;

	*n = 0;
	TRY(open_dir(r, r->top, ".", &d, err));
	for (;;) {
		TRY(next_name(r, d, &name, err));
		if (name == NULL)
			return OK;
		++*n;
		TRY(remove_easy(r, r->top, name, &full, err));
		if (full)
			TRY(remove_full(r, name, err));
	}
}

enum status file_remove_tree(const char *path, struct err *err)
{
	auto_fd int top =
		open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	struct removal r = { .path = path, .top = top };
	size_t n = 1;

	if (top < 0)
		return err_errno(err, "cannot open directory %s", path);
	if (rmdir(path) == 0)
		return OK;
	if (errno != ENOTEMPTY && errno != EEXIST)
		return removal_failed(&r, ".", err);
	(void)fchmod(top, 0700); /* as make_writable */
	for (unsigned pass = 0; n > 0 && pass < PASSES_MAX; pass++)
		TRY(remove_pass(&r, &n, err));
	if (rmdir(path) < 0)
		return removal_failed(&r, ".", err);
	return OK;
}
