#include "sandbox/mounts.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/syscall.h>

#include "core/cleanup.h"
#include "sandbox/namespace.h"

#define TREES_MAX 256
#define FILES_PER_MIB 256 /* of scratch: empty ones take memory, too */

#define READ_ONLY (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV)
#define NO_PROGRAMS (READ_ONLY | MOUNT_ATTR_NOEXEC)
/* Read-only is the node, not what it leads to. */
#define DEVICE (MOUNT_ATTR_RDONLY | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)
#define SCRATCH (MS_NOSUID | MS_NODEV | MS_NOEXEC)

/* A copy of a mounted tree, or a symbolic link, and where it goes. */
struct tree {
	int fd; /* -1: a link */
	bool is_dir;
	const char *to;	  /* absolute, inside */
	const char *link; /* what the link says */
};

/* Of the one sandbox that this process is about to become. */
static struct tree trees[TREES_MAX];
static size_t n_trees;
static int proc_fd = -1;

/* What programs need of the host, where no root file system is given.  A
 * name that ends in * is a prefix. */
static const char *const host_top[] = { "bin",	"lib", "lib32", "lib64",
					"sbin", "usr", NULL };
static const char *const host_etc[] = {
	"alternatives", "fonts",	   "java*",	"ld.so.*", "localtime",
	"mime.types",	"nsswitch*",	   "protocols", "python*", "services",
	"timezone",	"ca-certificates", NULL
};
static const char *const host_ssl[] = { "certs", "openssl*", NULL };

/* Ours, whatever a root file system has there. */
static const char *const own_top[] = { "proc", "sys",	 "dev",
				       "tmp",  ".confd", NULL };

static const char *const devices[] = { "null", "zero", "full", "random",
				       "urandom" };

/* Files of /etc that tell of the host, as the sandbox has them. */
static const struct {
	const char *path, *text;
} own_etc[] = {
	{ "/etc/hosts", "127.0.0.1 localhost sandbox\n::1 localhost\n" },
	{ "/etc/passwd", "root:x:0:0:root:/tmp:/bin/sh\n"
			 "workload:x:1000:1000:workload:/tmp:/bin/sh\n"
			 "nobody:x:65534:65534:nobody:/tmp:/bin/false\n" },
	{ "/etc/group", "root:x:0:\nworkload:x:1000:\nnogroup:x:65534:\n" },
};

/* Links of /dev. */
static const struct {
	const char *path, *to;
} dev_links[] = {
	{ "/dev/fd", "/proc/self/fd" },
	{ "/dev/stdin", "/proc/self/fd/0" },
	{ "/dev/stdout", "/proc/self/fd/1" },
	{ "/dev/stderr", "/proc/self/fd/2" },
};

/* What /proc keeps beside the processes: programs need it to size themselves.
 * All else there tells of the machine, or will with the next kernel, and is
 * masked.  /proc as a whole is read-only. */
static const char *const proc_kept[] = { "cpuinfo", "filesystems", "loadavg",
					 "meminfo", "stat",	   "sys",
					 "uptime",  "version",	   NULL };

static bool listed(const char *const *list, const char *name)
{
	for (; *list != NULL; list++) {
		size_t n = strcspn(*list, "*");
		bool prefix = (*list)[n] == '*';

		if (strncmp(*list, name, n) == 0 && (prefix || name[n] == '\0'))
			return true;
	}
	return false;
}

static enum status set_attributes(int fd, const char *what, uint64_t attr,
				  struct err *err)
{
	struct mount_attr m = { .attr_set = attr, .propagation = MS_PRIVATE };

	if (mount_setattr(fd, "", AT_EMPTY_PATH | AT_RECURSIVE, &m,
			  sizeof(m)) == 0)
		return OK;
	if (errno == ENOSYS)
		return err_set(err, E_UNAVAIL,
			       "sandbox: this kernel cannot make whole trees "
			       "read-only; Linux 5.12 or newer is needed");
	return err_errno(err, "sandbox: make %s read-only", what);
}

static enum status add(struct tree t, struct err *err)
{
	if (n_trees == TREES_MAX)
		return err_set(err, E_LIMIT,
			       "sandbox: more than %d entries to mount",
			       TREES_MAX);
	trees[n_trees++] = t;
	return OK;
}

/* Copy the tree at dir/name for `to`.  flags: AT_SYMLINK_NOFOLLOW or 0. */
static enum status copy_tree(int dir, const char *name, unsigned flags,
			     const char *to, uint64_t attr, struct err *err)
{
	struct stat st;
	int fd = open_tree(dir, name,
			   OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | AT_RECURSIVE |
				   AT_NO_AUTOMOUNT | flags);

	if (fd < 0 && errno == EPERM)
		return namespace_refused("copy a mount", errno, err);
	if (fd < 0)
		return err_errno(err, "sandbox: mount %s at %s", name, to);
	if (fstat(fd, &st) < 0)
		return err_errno(err, "sandbox: stat %s", name);
	TRY(set_attributes(fd, name, attr, err));
	return add((struct tree){ .fd = fd,
				  .is_dir = S_ISDIR(st.st_mode),
				  .to = to },
		   err);
}

static enum status copy_link(int dir, const char *name, const char *to,
			     struct err *err)
{
	char text[PATH_MAX];
	ssize_t n = readlinkat(dir, name, text, sizeof(text));

	if (n < 0)
		return err_errno(err, "sandbox: readlink %s", name);
	return add((struct tree){ .fd = -1,
				  .to = to,
				  .link = mem_strdup(text, (size_t)n) },
		   err);
}

/* One entry of a directory that is taken apart. */
static enum status copy_entry(int dir, const char *prefix, const char *name,
			      struct err *err)
{
	char to[PATH_MAX];
	struct stat st;

	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return err_errno(err, "sandbox: stat %s%s", prefix, name);
	(void)snprintf(to, sizeof(to), "%s%s", prefix, name);
	const char *kept = mem_strdup(to, strlen(to));
	if (S_ISLNK(st.st_mode))
		return copy_link(dir, name, kept, err);
	if (!S_ISDIR(st.st_mode) && !S_ISREG(st.st_mode))
		return OK; /* sockets, pipes and devices stay outside */
	return copy_tree(dir, name, AT_SYMLINK_NOFOLLOW, kept, READ_ONLY, err);
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Copy the entries of path that are in `only`, if given, and not in `but`. */
static enum status copy_entries(const char *path, const char *prefix,
				const char *const *only, const char *const *but,
				struct err *err)
{
	__attribute__((cleanup(close_dir))) DIR *d = opendir(path);
	const struct dirent *e;

	if (d == NULL)
		return err_errno(err, "sandbox: root file system %s", path);
	while ((e = readdir(d)) != NULL) {
		if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
			continue;
		if ((only != NULL && !listed(only, e->d_name)) ||
		    listed(but, e->d_name))
			continue;
		TRY(copy_entry(dirfd(d), prefix, e->d_name, err));
	}
	return OK;
}

/* Whatever leads there, such as /proc/self/root or a link: the host's own root
 * would bring its sockets, homes and secrets, and /proc or /sys its state. */
static enum status check_own_root(const char *path, struct err *err)
{
	static const long host[] = { PROC_SUPER_MAGIC, SYSFS_MAGIC,
				     CGROUP_SUPER_MAGIC, CGROUP2_SUPER_MAGIC };
	struct stat top, st;
	struct statfs fs;

	if (stat("/", &top) < 0 || stat(path, &st) < 0 || statfs(path, &fs) < 0)
		return err_errno(err, "sandbox: root file system %s", path);
	if (st.st_dev == top.st_dev && st.st_ino == top.st_ino)
		return err_set(err, E_CONF,
			       "workload: root %s is the worker's own root, "
			       "want an unpacked root file system; leave it "
			       "out to use the host's programs",
			       path);
	for (size_t i = 0; i < countof(host); i++)
		if (fs.f_type == host[i])
			return err_set(err, E_CONF,
				       "workload: root %s is of the worker's "
				       "kernel, want an unpacked root file "
				       "system",
				       path);
	return OK;
}

static enum status copy_root(const struct sandbox_spec *spec, struct err *err)
{
	if (spec->root != NULL) {
		TRY(check_own_root(spec->root, err));
		return copy_entries(spec->root, "/", NULL, own_top, err);
	}
	TRY(copy_entries("/", "/", host_top, own_top, err));
	TRY(copy_entries("/etc", "/etc/", host_etc, own_top, err));
	if (access("/etc/ssl", F_OK) < 0)
		return OK;
	/* Not /etc/ssl/private. */
	return copy_entries("/etc/ssl", "/etc/ssl/", host_ssl, own_top, err);
}

static bool is_below(const char *path, const char *dir)
{
	size_t n = strlen(dir);

	return strncmp(path, dir, n) == 0 &&
	       (path[n] == '/' || path[n] == '\0');
}

/* The command, where the host's root is used and it lies elsewhere. */
static enum status copy_command(const struct sandbox_spec *spec,
				struct err *err)
{
	const char *path = spec->argv[0];
	char top[NAME_MAX + 1];
	struct stat st;

	(void)snprintf(top, sizeof(top), "%.*s", (int)strcspn(path + 1, "/"),
		       path + 1);
	if (spec->root != NULL || listed(host_top, top) ||
	    is_below(path, "/etc") || is_below(path, MOUNTS_SHIM))
		return OK;
	if (listed(own_top, top))
		return err_set(err, E_CONF,
			       "sandbox: command %s: /%s of the sandbox is its "
			       "own; keep programs elsewhere",
			       path, top);
	for (size_t i = 0; i < spec->n_mounts; i++)
		if (is_below(path, spec->mounts[i].to))
			return OK;
	/* A directory would bring all that is below it. */
	if (stat(path, &st) == 0 && !S_ISREG(st.st_mode))
		return err_set(err, E_CONF, "sandbox: command %s is not a file",
			       path);
	return copy_tree(AT_FDCWD, path, 0, path, READ_ONLY, err);
}

/* Our own program by its path, but only if it is still the same file: an
 * upgrade may have put another one there. */
static enum status copy_shim(const char *shim, struct err *err)
{
	char path[PATH_MAX] = "";
	struct stat running, found;

	if (shim != NULL)
		return copy_tree(AT_FDCWD, shim, 0, MOUNTS_SHIM, READ_ONLY,
				 err);
	if (readlink("/proc/self/exe", path, sizeof(path) - 1) < 0 ||
	    stat("/proc/self/exe", &running) < 0)
		return err_errno(err, "sandbox: our own program");
	TRY(copy_tree(AT_FDCWD, path, 0, MOUNTS_SHIM, READ_ONLY, err));
	if (fstat(trees[n_trees - 1].fd, &found) < 0 ||
	    found.st_ino != running.st_ino || found.st_dev != running.st_dev)
		return err_set(err, E_CONFLICT,
			       "sandbox: %s was replaced while it runs; "
			       "restart confd",
			       path);
	return OK;
}

static enum status copy_devices(struct err *err)
{
	static char to[countof(devices)][32];

	for (size_t i = 0; i < countof(devices); i++) {
		(void)snprintf(to[i], sizeof(to[i]), "/dev/%s", devices[i]);
		TRY(copy_tree(AT_FDCWD, to[i], 0, to[i], DEVICE, err));
	}
	return OK;
}

/* A /proc of the sandbox's processes only.  Refused where the caller's own is
 * masked, as in most containers: then there is no sandbox. */
static enum status open_proc(struct err *err)
{
	auto_fd int fs = fsopen("proc", FSOPEN_CLOEXEC);

	if (fs < 0 ||
	    fsconfig(fs, FSCONFIG_SET_STRING, "hidepid", "invisible", 0) < 0 ||
	    fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return namespace_refused("a fresh /proc", errno, err);
	proc_fd = fsmount(fs, FSMOUNT_CLOEXEC, NO_PROGRAMS);
	if (proc_fd < 0)
		return namespace_refused("a fresh /proc", errno, err);
	return OK;
}

enum status mounts_collect(const struct sandbox_spec *spec, const char *shim,
			   struct err *err)
{
	if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
		return namespace_refused("private mounts", errno, err);
	TRY(open_proc(err));
	TRY(copy_root(spec, err));
	TRY(copy_shim(shim, err));
	TRY(copy_devices(err));
	TRY(copy_command(spec, err));
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const struct sandbox_mount *m = &spec->mounts[i];

		TRY(copy_tree(AT_FDCWD, m->from, 0, m->to,
			      m->programs ? READ_ONLY : NO_PROGRAMS, err));
	}
	return OK;
}

/* Directories down to path; the last part too if it is to be one. */
static enum status make_dirs(const char *path, bool whole, struct err *err)
{
	char part[PATH_MAX];

	for (const char *p = path + 1;; p++) {
		if (*p != '/' && *p != '\0')
			continue;
		if (*p == '\0' && !whole)
			return OK;
		(void)snprintf(part, sizeof(part), "%.*s", (int)(p - path),
			       path);
		if (mkdir(part, 0755) < 0 && errno != EEXIST)
			return err_errno(err,
					 "sandbox: make %s (mount below a top "
					 "directory that the root file system "
					 "does not have)",
					 part);
		if (*p == '\0')
			return OK;
	}
}

static enum status make_file(const char *path, const char *text,
			     struct err *err)
{
	auto_fd int fd =
		open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);

	if (fd < 0 || write(fd, text, strlen(text)) != (ssize_t)strlen(text))
		return err_errno(err, "sandbox: make %s", path);
	return OK;
}

static enum status place(const struct tree *t, struct err *err)
{
	TRY(make_dirs(t->to, t->fd >= 0 && t->is_dir, err));
	if (t->fd < 0) {
		if (symlink(t->link, t->to) < 0)
			return err_errno(err, "sandbox: link %s", t->to);
		return OK;
	}
	if (!t->is_dir && access(t->to, F_OK) < 0)
		TRY(make_file(t->to, "", err));
	if (move_mount(t->fd, "", AT_FDCWD, t->to, MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, "sandbox: mount at %s", t->to);
	(void)close(t->fd);
	return OK;
}

/* /proc is where the new root is put for a moment: it is there everywhere. */
static enum status enter_root(struct err *err)
{
	if (mount("tmpfs", "/proc", "tmpfs", SCRATCH,
		  "size=1m,nr_inodes=1k,mode=0755") < 0)
		return namespace_refused("a root of its own", errno, err);
	if (chdir("/proc") < 0 || syscall(SYS_pivot_root, ".", ".") < 0 ||
	    umount2(".", MNT_DETACH) < 0 || chdir("/") < 0)
		return err_errno(err, "sandbox: leave the old root");
	return OK;
}

static enum status mask(const char *path, bool is_dir, struct err *err)
{
	int rc = is_dir ? mount("tmpfs", path, "tmpfs", SCRATCH | MS_RDONLY,
				"size=4k,nr_inodes=1,mode=0555")
			: mount("/dev/null", path, NULL, MS_BIND, NULL);

	if (rc < 0 && errno != ENOENT)
		return err_errno(err, "sandbox: mask %s", path);
	return OK;
}

/* Links (self, net) lead to processes, as numbers do. */
static enum status mask_machine(struct err *err)
{
	__attribute__((cleanup(close_dir))) DIR *d = opendir("/proc");
	const struct dirent *e;
	char path[PATH_MAX];

	if (d == NULL)
		return err_errno(err, "sandbox: read /proc");
	while ((e = readdir(d)) != NULL) {
		if (e->d_type == DT_LNK || listed(proc_kept, e->d_name) ||
		    strchr(".0123456789", e->d_name[0]) != NULL)
			continue;
		(void)snprintf(path, sizeof(path), "/proc/%s", e->d_name);
		TRY(mask(path, e->d_type == DT_DIR, err));
	}
	return mask("/proc/sys/dev", true, err);
}

static enum status place_proc(struct err *err)
{
	TRY(make_dirs("/proc", true, err));
	if (move_mount(proc_fd, "", AT_FDCWD, "/proc",
		       MOVE_MOUNT_F_EMPTY_PATH) < 0)
		return err_errno(err, "sandbox: mount /proc");
	(void)close(proc_fd);
	return mask_machine(err);
}

static enum status place_scratch(const char *path, uint64_t mib,
				 struct err *err)
{
	char options[96];

	(void)snprintf(options, sizeof(options),
		       "size=%llum,nr_inodes=%llu,mode=1777",
		       (unsigned long long)mib,
		       (unsigned long long)mib * FILES_PER_MIB);
	TRY(make_dirs(path, true, err));
	if (mount("tmpfs", path, "tmpfs", SCRATCH, options) < 0)
		return err_errno(err, "sandbox: mount %s", path);
	return OK;
}

static enum status place_own(const struct sandbox_spec *spec, struct err *err)
{
	TRY(make_dirs("/dev", true, err));
	for (size_t i = 0; i < countof(dev_links); i++)
		if (symlink(dev_links[i].to, dev_links[i].path) < 0)
			return err_errno(err, "sandbox: link %s",
					 dev_links[i].path);
	if (spec->root != NULL)
		return OK;
	TRY(make_dirs("/etc", true, err));
	for (size_t i = 0; i < countof(own_etc); i++)
		TRY(make_file(own_etc[i].path, own_etc[i].text, err));
	return OK;
}

enum status mounts_place(const struct sandbox_spec *spec, struct err *err)
{
	struct mount_attr closed = { .attr_set = MOUNT_ATTR_RDONLY };
	uint64_t mib = spec_limits(spec).tmpfs_mib;

	TRY(enter_root(err));
	TRY(place_own(spec, err));
	for (size_t i = 0; i < n_trees; i++)
		TRY(place(&trees[i], err));
	TRY(place_proc(err));
	TRY(place_scratch("/tmp", mib, err));
	TRY(place_scratch("/dev/shm", mib, err));
	if (mount_setattr(AT_FDCWD, "/", 0, &closed, sizeof(closed)) < 0)
		return err_errno(err, "sandbox: close the root");
	return OK;
}
