#include "cmd/digest.h"

#include <dirent.h>
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/openat2.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/crypto.h"

#define TREE_TAG "confd-tree-v1"
#define MODE_BITS 07777
#define READ_STEP (256u << 10)
#define ENTRY_COST 4096 /* bytes that opening one file counts as */
#define SEGMENTS_MAX 64 /* program headers that are looked at */

/* A directory on the way down: what of it is still to come. */
struct level {
	int fd;
	size_t path_len; /* of the walk's path, up to this directory */
	char **name;	 /* sorted; those from next on are still there */
	size_t n, next;
};

struct digest {
	bool tree;
	struct hash *whole;

	/* The file being read. */
	int fd; /* -1: none */
	struct hash *file;
	uint64_t size, left;
	uint32_t mode;

	/* The tree. */
	struct level level[DIGEST_DEPTH_MAX];
	size_t depth;
	size_t names; /* bytes of names in all levels */
	struct buf path;
	uint8_t *chunk;
};

/* ---- opening ------------------------------------------------------------ */

static int open_in(int dir, const char *path, int flags, uint64_t resolve)
{
	const struct open_how how = {
		.flags = (unsigned)(flags | O_RDONLY | O_CLOEXEC | O_NOCTTY),
		.resolve = resolve,
	};

	return (int)syscall(SYS_openat2, dir, path, &how, sizeof(how));
}

static struct digest *make(bool tree)
{
	struct digest *d = mem_must(sizeof(*d));

	d->tree = tree;
	d->fd = -1;
	d->path = buf_make(PATH_MAX);
	d->chunk = mem_must(READ_STEP);
	d->whole = hash_new(HASH_SHA256);
	return d;
}

/* fd becomes the digest's; never a pipe that nobody writes to. */
static enum status begin_file(struct digest *d, int opened, const char *name,
			      struct err *err)
{
	auto_fd int fd = opened;
	struct stat st;

	if (fd < 0)
		return err_errno(err, "%s", name);
	if (fstat(fd, &st) < 0)
		return err_errno(err, "stat %s", name);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_CONF, "%s: not a regular file", name);
	d->size = d->left = (uint64_t)st.st_size;
	d->mode = (uint32_t)st.st_mode & MODE_BITS;
	d->fd = take_fd(&fd);
	d->file = hash_new(HASH_SHA256);
	return OK;
}

enum status digest_file_new(const char *root, const char *path,
			    struct digest **out, struct err *err)
{
	auto_fd int dir = open(root != NULL ? root : "/",
			       O_PATH | O_DIRECTORY | O_CLOEXEC);
	auto_digest struct digest *d = make(false);

	if (dir < 0)
		return err_errno(err, "%s", root != NULL ? root : "/");
	TRY(begin_file(d,
		       root == NULL ? open_in(AT_FDCWD, path, O_NONBLOCK, 0)
				    : open_in(dir, path, O_NONBLOCK,
					      RESOLVE_IN_ROOT |
						      RESOLVE_NO_MAGICLINKS),
		       path, err));
	*out = take(d);
	return OK;
}

enum status digest_self_new(struct digest **out, struct err *err)
{
	auto_digest struct digest *d = make(false);

	TRY(begin_file(d, open("/proc/self/exe", O_RDONLY | O_CLOEXEC),
		       "our own program", err));
	*out = take(d);
	return OK;
}

/* ---- one file ----------------------------------------------------------- */

static void end_file(struct digest *d)
{
	cleanup_fd(&d->fd);
	d->fd = -1;
	hash_free(take(d->file));
}

/* OK at its end, E_AGAIN before. */
static enum status read_file(struct digest *d, size_t *budget, struct err *err)
{
	while (d->left > 0) {
		size_t want = d->left < READ_STEP ? (size_t)d->left : READ_STEP;
		ssize_t n = pread(d->fd, d->chunk, want,
				  (off_t)(d->size - d->left));

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "read %s", buf_cstr(&d->path));
		if (n == 0)
			return err_set(err, E_CONFLICT,
				       "%s: became shorter while it was read",
				       buf_cstr(&d->path));
		hash_add(d->file, slice_make(d->chunk, (size_t)n));
		d->left -= (uint64_t)n;
		*budget -= (size_t)n < *budget ? (size_t)n : *budget;
		if (*budget == 0)
			return E_AGAIN;
	}
	return OK;
}

/* ---- a tree ------------------------------------------------------------- */

static void add_record(struct digest *d, char type, uint32_t mode)
{
	auto_buf struct buf b = buf_make(PATH_MAX + 64);

	buf_put_u8(&b, (uint8_t)type);
	buf_put_field(&b, buf_slice(&d->path));
	buf_put_u32be(&b, mode);
	hash_add(d->whole, buf_slice(&b));
}

static void add_file(struct digest *d)
{
	auto_buf struct buf b = buf_make(64);
	uint8_t content[32];

	hash_finish(d->file, content);
	add_record(d, 'f', d->mode);
	buf_put_u64be(&b, d->size);
	buf_put(&b, slice_of(content));
	hash_add(d->whole, buf_slice(&b));
}

static enum status add_link(struct digest *d, int dir, const char *name,
			    struct err *err)
{
	auto_buf struct buf b = buf_make(PATH_MAX + 64);
	char target[PATH_MAX];
	ssize_t n = readlinkat(dir, name, target, sizeof(target));

	if (n < 0)
		return err_errno(err, "readlink %s", buf_cstr(&d->path));
	add_record(d, 'l', 0);
	buf_put_field(&b, slice_make(target, (size_t)n));
	hash_add(d->whole, buf_slice(&b));
	return OK;
}

/* What a sandbox has of its own (sandbox/mounts.c). */
static bool is_replaced(const char *name)
{
	static const char *const own[] = { "proc", "sys", "dev", "tmp",
					   ".confd" };

	for (size_t i = 0; i < countof(own); i++)
		if (strcmp(name, own[i]) == 0)
			return true;
	return false;
}

static int compare(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

static void release_level(struct digest *d, struct level *l)
{
	for (size_t i = l->next; i < l->n; i++) {
		d->names -= strlen(l->name[i]) + 1;
		mem_free(l->name[i]);
	}
	mem_free(l->name);
	(void)close(l->fd);
}

static enum status keep_name(struct digest *d, struct level *l, size_t *room,
			     const char *name, struct err *err)
{
	size_t len = strlen(name);

	d->names += len + 1;
	if (d->names > DIGEST_NAMES_MAX)
		return err_set(err, E_LIMIT,
			       "%s: more than %u bytes of names to sort",
			       buf_cstr(&d->path), DIGEST_NAMES_MAX);
	if (l->n == *room) {
		*room = *room == 0 ? 64 : *room * 2;
		char **more = mem_realloc(l->name, *room * sizeof(*more));
		if (more == NULL)
			return err_set(err, E_NOMEM, "no memory for names");
		l->name = more;
	}
	l->name[l->n] = mem_strdup(name, len);
	if (l->name[l->n] == NULL)
		return err_set(err, E_NOMEM, "no memory for names");
	l->n++;
	return OK;
}

/* The names in the directory, sorted by their bytes. */
static enum status list(struct digest *d, struct level *l, struct err *err)
{
	bool top = d->depth == 1;
	int copy = fcntl(l->fd, F_DUPFD_CLOEXEC, 0);
	__attribute__((cleanup(close_dir))) DIR *dir =
		copy < 0 ? NULL : fdopendir(copy);
	const struct dirent *e;
	size_t room = 0;

	if (dir == NULL)
		return err_errno(err, "list %s", buf_cstr(&d->path));
	while ((errno = 0, e = readdir(dir)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 ||
		    strcmp(e->d_name, "..") == 0 ||
		    (top && is_replaced(e->d_name)))
			continue;
		TRY(keep_name(d, l, &room, e->d_name, err));
	}
	if (errno != 0)
		return err_errno(err, "list %s", buf_cstr(&d->path));
	if (l->n > 0)
		qsort(l->name, l->n, sizeof(*l->name), compare);
	return OK;
}

static enum status descend(struct digest *d, int opened, struct err *err)
{
	auto_fd int fd = opened;
	struct stat st;

	if (fd < 0 || fstat(fd, &st) < 0)
		return err_errno(err, "%s", buf_cstr(&d->path));
	if (d->depth == DIGEST_DEPTH_MAX)
		return err_set(err, E_LIMIT,
			       "%s: more than %d directories in one another",
			       buf_cstr(&d->path), DIGEST_DEPTH_MAX);
	struct level *l = &d->level[d->depth++];
	*l = (struct level){ .fd = take_fd(&fd), .path_len = d->path.len };
	add_record(d, 'd', (uint32_t)st.st_mode & MODE_BITS);
	return list(d, l, err);
}

enum status digest_tree_new(const char *root, struct digest **out,
			    struct err *err)
{
	auto_digest struct digest *d = make(true);

	hash_add(d->whole, S(TREE_TAG "\0"));
	int fd = open(root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "%s", root);
	TRY(descend(d, fd, err));
	*out = take(d);
	return OK;
}

/* One entry by its kind; a file stays open to be read. */
static enum status enter(struct digest *d, int dir, const char *name,
			 struct err *err)
{
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "stat %s", buf_cstr(&d->path));
	if (S_ISLNK(st.st_mode))
		return add_link(d, dir, name, err);
	if (S_ISDIR(st.st_mode))
		return descend(d,
			       open_in(dir, name, O_DIRECTORY | O_NOFOLLOW, 0),
			       err);
	if (!S_ISREG(st.st_mode))
		return err_set(err, E_CONF,
			       "%s: neither a file, a directory nor a link; "
			       "remove it",
			       buf_cstr(&d->path));
	return begin_file(d, open_in(dir, name, O_NOFOLLOW | O_NONBLOCK, 0),
			  buf_cstr(&d->path), err);
}

/* The next entry of the deepest directory. */
static enum status next_entry(struct digest *d, struct err *err)
{
	struct level *l = &d->level[d->depth - 1];

	if (l->next == l->n) {
		release_level(d, l);
		d->depth--;
		return OK;
	}
	auto_mem char *name = l->name[l->next++];
	d->names -= strlen(name) + 1;
	buf_cut(&d->path, l->path_len);
	if (l->path_len > 0)
		buf_put_u8(&d->path, '/');
	buf_put_str(&d->path, name);
	TRY(buf_check(&d->path, "path in the tree", err));
	return enter(d, l->fd, name, err);
}

static enum status step_tree(struct digest *d, size_t budget, struct err *err)
{
	for (;;) {
		if (d->fd >= 0) {
			TRY(read_file(d, &budget, err));
			add_file(d);
			end_file(d);
		}
		if (d->depth == 0)
			return OK;
		if (budget < ENTRY_COST)
			return E_AGAIN;
		budget -= ENTRY_COST;
		TRY(next_entry(d, err));
	}
}

/* ---- both --------------------------------------------------------------- */

enum status digest_step(struct digest *d, size_t bytes, uint8_t out[static 32],
			struct err *err)
{
	if (bytes < 2 * ENTRY_COST)
		bytes = 2 * ENTRY_COST;
	if (d->tree) {
		TRY(step_tree(d, bytes, err));
		hash_finish(d->whole, out);
	} else {
		TRY(read_file(d, &bytes, err));
		hash_finish(d->file, out);
	}
	return OK;
}

enum status digest_finish(struct digest *d, uint8_t out[static 32],
			  struct err *err)
{
	enum status s;

	do
		s = digest_step(d, READ_STEP, out, err);
	while (s == E_AGAIN);
	return s;
}

void digest_free(struct digest *d)
{
	if (d == NULL)
		return;
	end_file(d);
	while (d->depth > 0)
		release_level(d, &d->level[--d->depth]);
	hash_free(d->whole);
	buf_done(&d->path);
	mem_free(d->chunk);
	mem_free(d);
}

/* ---- where a file lies --------------------------------------------------- */

/* The path of an open file, without links. */
static enum status path_of(int fd, char out[static PATH_MAX], struct err *err)
{
	char link[40];

	(void)snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	ssize_t n = readlink(link, out, PATH_MAX - 1);
	if (n < 0)
		return err_errno(err, "readlink %s", link);
	out[n] = '\0';
	return OK;
}

enum status digest_is_replaced(const struct digest *d, const char *root,
			       bool *out, struct err *err)
{
	char top[PATH_MAX], path[PATH_MAX], first[NAME_MAX + 1];
	auto_fd int dir = open(root != NULL ? root : "/",
			       O_PATH | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_errno(err, "%s", root != NULL ? root : "/");
	TRY(path_of(dir, top, err));
	TRY(path_of(d->fd, path, err));
	size_t n = strcmp(top, "/") == 0 ? 0 : strlen(top);
	if (strncmp(path, top, n) != 0 || path[n] != '/')
		return err_set(err, E_CONF, "%s: not below %s", path, top);
	(void)snprintf(first, sizeof(first), "%.*s",
		       (int)strcspn(path + n + 1, "/"), path + n + 1);
	*out = is_replaced(first);
	return OK;
}

/* ---- ELF ---------------------------------------------------------------- */

static bool read_at(const struct digest *d, void *out, size_t n, uint64_t at)
{
	return at <= INT64_MAX - n &&
	       pread(d->fd, out, n, (off_t)at) == (ssize_t)n;
}

/* Source: System V ABI, "Program Loading"; 64-bit, in this machine's order,
 * as the kernel wants it. */
enum status digest_is_static(const struct digest *d, bool *out, struct err *err)
{
	Elf64_Ehdr head;
	Elf64_Phdr part;

	*out = false;
	if (!read_at(d, &head, sizeof(head), 0) ||
	    memcmp(head.e_ident, ELFMAG, SELFMAG) != 0 ||
	    head.e_ident[EI_CLASS] != ELFCLASS64)
		return OK;
	if (head.e_phentsize != sizeof(part) || head.e_phnum > SEGMENTS_MAX)
		return err_set(err, E_CONF,
			       "the program's ELF headers are not as expected");
	for (uint64_t i = 0; i < head.e_phnum; i++) {
		if (!read_at(d, &part, sizeof(part),
			     head.e_phoff + i * sizeof(part)))
			return err_set(err, E_CONF,
				       "the program's ELF headers are cut "
				       "short");
		if (part.p_type == PT_INTERP)
			return OK;
	}
	*out = true;
	return OK;
}
