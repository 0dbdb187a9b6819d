#include "sandbox/landlock.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/landlock.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "core/cleanup.h"

/* Source: Documentation/userspace-api/landlock.rst.  Spelled out here, since
 * the headers we build with may be older than the kernel we run on. */
#define FS_EXECUTE (1ull << 0)
#define FS_WRITE_FILE (1ull << 1)
#define FS_READ_FILE (1ull << 2)
#define FS_READ_DIR (1ull << 3)
#define FS_REMOVE_DIR (1ull << 4)
#define FS_REMOVE_FILE (1ull << 5)
#define FS_MAKE_DIR (1ull << 7)
#define FS_MAKE_REG (1ull << 8)
#define FS_REFER (1ull << 13)		/* from version 2 */
#define FS_TRUNCATE (1ull << 14)	/* 3 */
#define FS_IOCTL_DEV (1ull << 15)	/* 5 */
#define SCOPE_ABSTRACT_UNIX (1ull << 0) /* 6 */
#define SCOPE_SIGNAL (1ull << 1)	/* 6 */
#define SCOPE_FROM 6

#define READ_FILE_RIGHTS FS_READ_FILE
#define READ_DIR_RIGHTS (FS_READ_FILE | FS_READ_DIR)
#define WRITE_FILE_RIGHTS (FS_WRITE_FILE | FS_TRUNCATE)
/* Sockets, devices and links are never made. */
#define WRITE_DIR_RIGHTS                                                    \
	(WRITE_FILE_RIGHTS | FS_REMOVE_DIR | FS_REMOVE_FILE | FS_MAKE_DIR | \
	 FS_MAKE_REG | FS_REFER)

/* struct landlock_ruleset_attr of version 6. */
struct ruleset {
	uint64_t fs, net, scoped;
};

/* Bytes of struct ruleset, and the file rights, that each version knows. */
static const struct {
	size_t size;
	uint64_t fs;
} versions[] = {
	{ 0, 0 },
	{ 8, FS_REFER - 1 },
	{ 8, FS_TRUNCATE - 1 },
	{ 8, FS_IOCTL_DEV - 1 },
	{ 16, FS_IOCTL_DEV - 1 },
	{ 16, (FS_IOCTL_DEV << 1) - 1 },
	{ 24, (FS_IOCTL_DEV << 1) - 1 },
};

int landlock_version(void)
{
	long v = syscall(SYS_landlock_create_ruleset, NULL, 0,
			 LANDLOCK_CREATE_RULESET_VERSION);

	return v > 0 ? (int)v : 0;
}

static size_t known(int version)
{
	size_t v = (size_t)version;

	return v < countof(versions) ? v : countof(versions) - 1;
}

static enum status add_path(int ruleset, const struct landlock_path *p,
			    uint64_t handled, struct err *err)
{
	auto_fd int fd = open(p->path, O_PATH | O_CLOEXEC);
	if (fd < 0)
		return err_errno(err, "confine to %s", p->path);
	struct stat st;
	if (fstat(fd, &st) < 0)
		return err_errno(err, "confine to %s", p->path);

	uint64_t rights =
		S_ISDIR(st.st_mode) ? READ_DIR_RIGHTS : READ_FILE_RIGHTS;
	if (p->write)
		rights |= S_ISDIR(st.st_mode) ? WRITE_DIR_RIGHTS
					      : WRITE_FILE_RIGHTS;
	if (p->write && S_ISCHR(st.st_mode))
		rights |= FS_IOCTL_DEV;
	struct landlock_path_beneath_attr attr = { .allowed_access =
							   rights & handled,
						   .parent_fd = fd };
	if (syscall(SYS_landlock_add_rule, ruleset, LANDLOCK_RULE_PATH_BENEATH,
		    &attr, 0) < 0)
		return err_errno(err, "landlock rule for %s", p->path);
	return OK;
}

static enum status enforce(int ruleset, struct err *err)
{
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
		return err_errno(err, "no_new_privs");
	if (syscall(SYS_landlock_restrict_self, ruleset, 0) < 0)
		return err_errno(err, "landlock_restrict_self");
	return OK;
}

enum status landlock_restrict(const struct landlock_path *paths, size_t n,
			      struct err *err)
{
	size_t v = known(landlock_version());
	struct ruleset attr = { .fs = versions[v].fs,
				.scoped = v < SCOPE_FROM ? 0 : SCOPE_SIGNAL };

	if (v == 0)
		return OK;
	auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attr,
				      versions[v].size, 0);
	if (fd < 0)
		return err_errno(err, "landlock_create_ruleset");
	for (size_t i = 0; i < n; i++)
		TRY(add_path(fd, &paths[i], attr.fs, err));
	return enforce(fd, err);
}

enum status landlock_scope(struct err *err)
{
	struct ruleset attr = { .scoped = SCOPE_ABSTRACT_UNIX | SCOPE_SIGNAL };

	if (landlock_version() < SCOPE_FROM)
		return OK;
	auto_fd int fd = (int)syscall(SYS_landlock_create_ruleset, &attr,
				      sizeof(attr), 0);
	if (fd < 0)
		return err_errno(err, "landlock_create_ruleset");
	return enforce(fd, err);
}
