/* First: a member of its is named as a function that is banned later on. */
#include <linux/fuse.h>

#include "test/attest/tee/tsm_fake.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/io/fdpass.h"

#define ROOT_NODE 1u
#define NODES 16u /* of one entry: itself, and behind it its attributes */
#define ENTRIES 64u
#define MESSAGE (1u << 17)
#define REPORT_MAX (1u << 16) /* bytes of one that is signed here */
#define TEXT 64		      /* bytes of an attribute that is text */

enum attribute {
	A_DIR,
	A_PROVIDER,
	A_GENERATION,
	A_FLOOR,
	A_LEVEL,
	A_IN,
	A_OUT,
	A_AUX,
	ATTRIBUTES
};

static const char *const names[ATTRIBUTES] = {
	[A_PROVIDER] = "provider",
	[A_GENERATION] = "generation",
	[A_FLOOR] = "privlevel_floor",
	[A_LEVEL] = "privlevel",
	[A_IN] = "inblob",
	[A_OUT] = "outblob",
	[A_AUX] = "auxblob",
};

struct fake_entry {
	bool used;
	char name[64];
	uint64_t generation;
	size_t in_len, pending; /* bytes in inblob; of a write not closed */
	uint8_t in[64];
	bool reported;
};

struct tsm_fake {
	struct tsm_fake_options o;
	struct tsm_fake_counts counts;
	pid_t pid;
	int mount;
	char root[64];
	/* The child's. */
	int dev;
	struct fake_entry entry[ENTRIES]; /* by serial number */
	size_t n;
	uint8_t *out;
	size_t out_len;
};

/* ---- Replies ---- */

static void reply(struct tsm_fake *f, uint64_t unique, int error,
		  const void *body, size_t len)
{
	static uint8_t message[MESSAGE];
	struct fuse_out_header h = { .len = (uint32_t)(sizeof(h) + len),
				     .error = -error,
				     .unique = unique };

	memcpy(message, &h, sizeof(h));
	if (len > 0)
		memcpy(message + sizeof(h), body, len);
	/* One that was interrupted is gone, which is no failure. */
	(void)!write(f->dev, message, h.len);
}

static void fill_attr(uint64_t node, struct fuse_attr *a)
{
	bool dir = node == ROOT_NODE || node % NODES == A_DIR;

	a->ino = node;
	a->mode = dir ? S_IFDIR | 0755 : S_IFREG | 0600;
	a->nlink = 1;
	a->uid = geteuid();
	a->gid = getegid();
	a->size = 1u << 20;
	a->blksize = 4096;
}

static void reply_entry(struct tsm_fake *f, uint64_t unique, uint64_t node)
{
	struct fuse_entry_out out = { .nodeid = node };

	fill_attr(node, &out.attr);
	reply(f, unique, 0, &out, sizeof(out));
}

/* ---- Entries ---- */

static uint64_t node_of(size_t serial, enum attribute a)
{
	return (serial + 1) * NODES + a;
}

static struct fake_entry *entry_at(struct tsm_fake *f, uint64_t node)
{
	size_t serial = (size_t)(node / NODES) - 1;

	return node >= NODES && serial < f->n && f->entry[serial].used
		       ? &f->entry[serial]
		       : NULL;
}

static size_t find_entry(struct tsm_fake *f, const char *name)
{
	size_t i = 0;

	while (i < f->n &&
	       !(f->entry[i].used && strcmp(f->entry[i].name, name) == 0))
		i++;
	return i;
}

static bool is_there(const struct tsm_fake *f, enum attribute a)
{
	if (a == A_FLOOR || a == A_LEVEL)
		return f->o.levels;
	return a != A_AUX || !f->o.no_aux;
}

static void on_lookup(struct tsm_fake *f, const struct fuse_in_header *h,
		      const void *body)
{
	if (h->nodeid == ROOT_NODE) {
		size_t i = find_entry(f, body);

		if (i < f->n)
			reply_entry(f, h->unique, node_of(i, A_DIR));
		else
			reply(f, h->unique, ENOENT, NULL, 0);
		return;
	}
	for (unsigned int a = A_PROVIDER; a < ATTRIBUTES; a++) {
		if (strcmp(names[a], body) == 0 && is_there(f, a) &&
		    entry_at(f, h->nodeid) != NULL) {
			reply_entry(f, h->unique, h->nodeid + a);
			return;
		}
	}
	reply(f, h->unique, ENOENT, NULL, 0);
}

static void on_mkdir(struct tsm_fake *f, const struct fuse_in_header *h,
		     const void *body)
{
	const char *name = (const char *)body + sizeof(struct fuse_mkdir_in);

	if (f->o.refused > 0 || f->n == ENTRIES) {
		f->o.refused -= f->o.refused > 0;
		reply(f, h->unique, EBUSY, NULL, 0);
		return;
	}
	struct fake_entry *e = &f->entry[f->n++];
	e->used = true;
	(void)snprintf(e->name, sizeof(e->name), "%s", name);
	f->counts.made++;
	reply_entry(f, h->unique, node_of(f->n - 1, A_DIR));
}

static void on_rmdir(struct tsm_fake *f, const struct fuse_in_header *h,
		     const void *body)
{
	size_t i = find_entry(f, body);

	if (i == f->n || f->o.removing_busy) {
		f->o.removing_busy = false;
		reply(f, h->unique, i == f->n ? ENOENT : EBUSY, NULL, 0);
		return;
	}
	f->entry[i].used = false;
	f->counts.removed++;
	reply(f, h->unique, 0, NULL, 0);
}

/* ---- Attributes ---- */

static bool take_one(unsigned int *n)
{
	if (*n == 0)
		return false;
	--*n;
	return true;
}

/* What it says; an errno. */
static int make_report(struct tsm_fake *f, struct fake_entry *e)
{
	const struct tsm_fake_options *o = &f->o;

	if (e->in_len == 0)
		return EINVAL;
	if (e->reported)
		return 0;
	if (take_one(&f->o.busy))
		return o->error;
	if (o->sign != NULL)
		f->out_len = o->sign(o->ctx, e->in, f->out, REPORT_MAX);
	else if (o->out.len > 0)
		memcpy(f->out, o->out.p, o->out.len);
	if (!o->data_fixed && o->out.len >= o->data_at + sizeof(e->in))
		memcpy(f->out + o->data_at, e->in, sizeof(e->in));
	f->counts.reports++;
	e->reported = true;
	e->generation += take_one(&f->o.late);
	return 0;
}

static int content(struct tsm_fake *f, struct fake_entry *e, enum attribute a,
		   char text[static TEXT], struct slice *out)
{
	const char *line = f->o.provider;

	(void)snprintf(text, TEXT, "%llu", (unsigned long long)e->generation);
	if (a == A_OUT) {
		int error = make_report(f, e);

		*out = slice_make(f->out, f->out_len);
		return error;
	}
	if (a == A_AUX) {
		*out = f->o.aux;
		return make_report(f, e);
	}
	if (a == A_GENERATION)
		line = f->o.generation != NULL ? f->o.generation : text;
	else if (a == A_FLOOR)
		line = f->o.floor;
	else if (a != A_PROVIDER)
		return EACCES;
	char whole[TEXT];
	(void)snprintf(whole, sizeof(whole), "%.60s\n", line);
	memcpy(text, whole, sizeof(whole));
	*out = slice_str(text);
	return 0;
}

static void on_read(struct tsm_fake *f, const struct fuse_in_header *h,
		    const void *body)
{
	const struct fuse_read_in *in = body;
	struct fake_entry *e = entry_at(f, h->nodeid);
	struct slice all = { 0 };
	char text[TEXT];
	int error = e == NULL ? ENOENT
			      : content(f, e, h->nodeid % NODES, text, &all);

	all = slice_sub(all, in->offset, in->size);
	reply(f, h->unique, error, all.p, error == 0 ? all.len : 0);
}

static void count_write(struct fake_entry *e)
{
	e->generation++;
	e->reported = false;
}

static int put_level(struct tsm_fake *f, struct fake_entry *e, const char *text,
		     size_t len)
{
	(void)snprintf(f->counts.level, sizeof(f->counts.level), "%.*s",
		       (int)len, text);
	/* One digit each. */
	if (len != 1 || f->counts.level[0] < f->o.floor[0])
		return EINVAL;
	count_write(e);
	return 0;
}

static void on_write(struct tsm_fake *f, const struct fuse_in_header *h,
		     const void *body)
{
	const struct fuse_write_in *in = body;
	struct fake_entry *e = entry_at(f, h->nodeid);
	struct fuse_write_out out = { .size = in->size };
	enum attribute a = h->nodeid % NODES;
	int error = EACCES;

	if (e == NULL)
		error = ENOENT;
	else if (a == A_LEVEL)
		error = put_level(f, e, (const char *)(in + 1), in->size);
	else if (a == A_IN && in->offset + in->size > sizeof(e->in))
		error = EFBIG;
	else if (a == A_IN) {
		memcpy(e->in + in->offset, in + 1, in->size);
		e->pending = in->offset + in->size;
		error = 0;
	}
	reply(f, h->unique, error, &out, error == 0 ? sizeof(out) : 0);
}

/* A descriptor is closed. */
static void on_flush(struct tsm_fake *f, const struct fuse_in_header *h,
		     const void *body)
{
	(void)body;
	struct fake_entry *e = entry_at(f, h->nodeid);

	if (e != NULL && e->pending > 0) {
		if (!take_one(&f->o.lost)) {
			e->in_len = f->counts.in_len = e->pending;
			count_write(e);
		}
		e->pending = 0;
		if (take_one(&f->o.raced))
			count_write(e);
	}
	reply(f, h->unique, 0, NULL, 0);
}

/* ---- Serving ---- */

static void on_init(struct tsm_fake *f, const struct fuse_in_header *h,
		    const void *body)
{
	(void)body;
	const struct fuse_init_out out = { .major = FUSE_KERNEL_VERSION,
					   .minor = FUSE_KERNEL_MINOR_VERSION,
					   .max_write = 4096,
					   .max_background = 8,
					   .congestion_threshold = 8 };

	reply(f, h->unique, 0, &out, sizeof(out));
}

static void on_getattr(struct tsm_fake *f, const struct fuse_in_header *h,
		       const void *body)
{
	(void)body;
	struct fuse_attr_out out = { 0 };

	fill_attr(h->nodeid, &out.attr);
	reply(f, h->unique, 0, &out, sizeof(out));
}

static void on_open(struct tsm_fake *f, const struct fuse_in_header *h,
		    const void *body)
{
	(void)body;
	/* Nothing is cached, so that each call comes here. */
	const struct fuse_open_out out = { .open_flags = FOPEN_DIRECT_IO };

	reply(f, h->unique, 0, &out, sizeof(out));
}

static void on_release(struct tsm_fake *f, const struct fuse_in_header *h,
		       const void *body)
{
	(void)body;
	reply(f, h->unique, 0, NULL, 0);
}

/* Not answered. */
static void on_silent(struct tsm_fake *f, const struct fuse_in_header *h,
		      const void *body)
{
	(void)f;
	(void)h;
	(void)body;
}

/* clang-format off */
static const struct {
	uint32_t opcode;
	void (*on)(struct tsm_fake *f, const struct fuse_in_header *h,
		   const void *body);
} calls[] = {
	{ FUSE_INIT, on_init },
	{ FUSE_LOOKUP, on_lookup },
	{ FUSE_GETATTR, on_getattr },
	{ FUSE_MKDIR, on_mkdir },
	{ FUSE_RMDIR, on_rmdir },
	{ FUSE_OPEN, on_open },
	{ FUSE_OPENDIR, on_open },
	{ FUSE_READ, on_read },
	{ FUSE_WRITE, on_write },
	{ FUSE_FLUSH, on_flush },
	{ FUSE_RELEASE, on_release },
	{ FUSE_RELEASEDIR, on_release },
	{ FUSE_FORGET, on_silent },
	{ FUSE_BATCH_FORGET, on_silent },
	{ FUSE_INTERRUPT, on_silent },
};
/* clang-format on */

static void serve_one(struct tsm_fake *f, const struct fuse_in_header *h,
		      const void *body)
{
	for (size_t i = 0; i < countof(calls); i++) {
		if (calls[i].opcode != h->opcode)
			continue;
		calls[i].on(f, h, body);
		return;
	}
	reply(f, h->unique, ENOSYS, NULL, 0);
}

static __attribute__((noreturn)) void serve(struct tsm_fake *f)
{
	static _Alignas(8) uint8_t message[MESSAGE];
	ssize_t n;

	f->out_len = f->o.out.len;
	f->out = mem_must(f->out_len > REPORT_MAX ? f->out_len : REPORT_MAX);
	for (;;) {
		n = read(f->dev, message, sizeof(message) - 1);
		if (n < 0 && errno != EINTR && errno != ENOENT)
			_exit(0); /* the mount is gone */
		if (n < (ssize_t)sizeof(struct fuse_in_header))
			continue;
		message[n] = '\0';
		serve_one(f, (const void *)message,
			  message + sizeof(struct fuse_in_header));
	}
}

/* ---- Mounting ---- */

static bool put_file(const char *path, const char *text)
{
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);

	return fd >= 0 &&
	       write(fd, text, strlen(text)) == (ssize_t)strlen(text);
}

/* Who is not root is, in a namespace of his own. */
static bool gain_mounting(void)
{
	char map[64];
	unsigned int uid = geteuid(), gid = getegid();

	if (uid == 0)
		return true;
	if (unshare(CLONE_NEWUSER | CLONE_NEWNS) < 0)
		return false;
	(void)snprintf(map, sizeof(map), "%u %u 1", uid, uid);
	if (!put_file("/proc/self/uid_map", map) ||
	    !put_file("/proc/self/setgroups", "deny"))
		return false;
	(void)snprintf(map, sizeof(map), "%u %u 1", gid, gid);
	return put_file("/proc/self/gid_map", map);
}

static bool set(int fs, const char *key, const char *fmt, unsigned int value)
{
	char text[32];

	(void)snprintf(text, sizeof(text), fmt[1] == 'o' ? "%o" : "%u", value);
	return syscall(SYS_fsconfig, fs, FSCONFIG_SET_STRING, key, text, 0) ==
	       0;
}

/* A mount that no path leads to; or -1. */
static int mount_it(int dev)
{
	auto_fd int fs = (int)syscall(SYS_fsopen, "fuse", FSOPEN_CLOEXEC);

	if (fs < 0 || !set(fs, "fd", "%u", (unsigned int)dev) ||
	    !set(fs, "rootmode", "%o", S_IFDIR) ||
	    !set(fs, "user_id", "%u", geteuid()) ||
	    !set(fs, "group_id", "%u", getegid()) ||
	    syscall(SYS_fsconfig, fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
		return -1;
	return (int)syscall(SYS_fsmount, fs, FSMOUNT_CLOEXEC, 0);
}

static __attribute__((noreturn)) void child(struct tsm_fake *f, int to)
{
	struct err err;

	(void)prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!gain_mounting())
		_exit(1);
	f->dev = open("/dev/fuse", O_RDWR | O_CLOEXEC);
	int mount = f->dev < 0 ? -1 : mount_it(f->dev);
	if (mount < 0 || fdpass_send(to, mount, &err) != OK)
		_exit(1);
	(void)close(mount);
	(void)close(to);
	serve(f);
}

struct tsm_fake *tsm_fake_start(const struct tsm_fake_options *o)
{
	int pair[2];
	struct stat st;
	struct err err;
	struct tsm_fake *f = mmap(NULL, sizeof(*f), PROT_READ | PROT_WRITE,
				  MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	if (f == MAP_FAILED ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) < 0)
		abort();
	f->o = *o;
	pid_t pid = fork();
	if (pid < 0)
		abort();
	if (pid == 0) {
		(void)close(pair[0]);
		child(f, pair[1]);
	}
	f->pid = pid; /* not before: the child shares it */
	(void)close(pair[1]);
	f->mount = -1;
	enum status status = fdpass_recv(pair[0], &f->mount, &err);
	(void)close(pair[0]);
	/* Once looked at, the root is ours; before, it is nobody's. */
	if (status != OK || fstat(f->mount, &st) < 0) {
		tsm_fake_stop(f);
		return NULL;
	}
	(void)snprintf(f->root, sizeof(f->root), "/proc/self/fd/%d", f->mount);
	return f;
}

void tsm_fake_stop(struct tsm_fake *f)
{
	if (f == NULL)
		return;
	(void)kill(f->pid, SIGKILL);
	while (waitpid(f->pid, NULL, 0) < 0 && errno == EINTR)
		continue;
	if (f->mount >= 0)
		(void)close(f->mount);
	(void)munmap(f, sizeof(*f));
}

const char *tsm_fake_root(const struct tsm_fake *f)
{
	return f->root;
}

const struct tsm_fake_counts *tsm_fake_counts(const struct tsm_fake *f)
{
	return &f->counts;
}
