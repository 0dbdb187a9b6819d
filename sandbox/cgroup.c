#include "sandbox/cgroup.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "core/buf.h"
#include "core/cleanup.h"
#include "core/file.h"

#define MOUNT "/sys/fs/cgroup"
#define TEXT_MAX (64u << 10)
#define REMOVE_TRIES 50
#define REMOVE_PAUSE_NS 2000000 /* 2 ms: ended processes leave with a delay */

/* A directory of ours, for one controller or, with version 2, for both. */
struct place {
	char dir[PATH_MAX]; /* empty: none */
};

struct cgroup {
	struct place memory, pids;
	const char *oom_file; /* in memory.dir; has a line "oom_kill N" */
	struct cgroup_state state;
};

/* One write; cgroup files take a value whole or not at all. */
static bool put(const char *dir, const char *file, const char *value)
{
	char path[PATH_MAX + NAME_MAX];

	(void)snprintf(path, sizeof(path), "%s/%s", dir, file);
	auto_fd int fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	return write(fd, value, strlen(value)) == (ssize_t)strlen(value);
}

static bool put_number(const char *dir, const char *file, uint64_t n)
{
	char value[24];

	(void)snprintf(value, sizeof(value), "%llu", (unsigned long long)n);
	return put(dir, file, value);
}

static bool is_cgroup2(const char *dir)
{
	struct statfs s;

	return statfs(dir, &s) == 0 && s.f_type == CGROUP2_SUPER_MAGIC;
}

/* Our own path in a controller's hierarchy ("" means version 2), from lines
 * "N:CONTROLLERS:PATH".  False when there is none. */
static bool own_path(const char *controller, char *out, size_t size)
{
	struct err err;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct slice rest, line, number, name;

	if (file_read("/proc/self/cgroup", &text, &err) != OK)
		return false;
	rest = buf_slice(&text);
	while (slice_split(&rest, '\n', &line)) {
		if (!slice_split(&line, ':', &number) ||
		    !slice_split(&line, ':', &name) ||
		    !slice_eq_str(name, controller))
			continue;
		int n = snprintf(out, size, "%.*s",
				 slice_eq_str(line, "/") ? 0 : (int)line.len,
				 (const char *)line.p);
		return n >= 0 && (size_t)n < size;
	}
	return false;
}

/* The process that made a group of ours, from its name; 0: not ours. */
static pid_t maker_of(const char *name)
{
	struct slice rest = slice_str(name), part;
	uint64_t pid = 0;

	if (!slice_split(&rest, '-', &part) || !slice_eq_str(part, "confd") ||
	    !slice_split(&rest, '-', &part) || !slice_u64(part, &pid) ||
	    pid > INT_MAX)
		return 0;
	return (pid_t)pid;
}

static void close_dir(DIR **d)
{
	if (*d != NULL)
		(void)closedir(*d);
}

/* Remove the groups of those of us that were killed before they could. */
static void sweep(const char *base)
{
	__attribute__((cleanup(close_dir))) DIR *d = opendir(base);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		pid_t pid = maker_of(e->d_name);

		if (pid > 0 && kill(pid, 0) < 0 && errno == ESRCH)
			(void)unlinkat(dirfd(d), e->d_name, AT_REMOVEDIR);
	}
}

/* Make base/name, anew if one was left behind. */
static bool make(struct place *p, const char *base, const char *name)
{
	sweep(base);
	int n = snprintf(p->dir, sizeof(p->dir), "%s/%s", base, name);

	if (n > 0 && (size_t)n < sizeof(p->dir)) {
		(void)rmdir(p->dir); /* fails where there is none */
		if (mkdir(p->dir, 0755) == 0)
			return true;
	}
	p->dir[0] = '\0';
	return false;
}

/* Version 1: below our own group, so that our limits bind it as well. */
static bool make_v1(struct place *p, const char *controller, const char *name)
{
	char own[PATH_MAX / 2], base[PATH_MAX];

	if (!own_path(controller, own, sizeof(own)))
		return false;
	(void)snprintf(base, sizeof(base), MOUNT "/%s%s", controller, own);
	if (make(p, base, name))
		return true;
	/* In a container the path may be one that only the host sees. */
	(void)snprintf(base, sizeof(base), MOUNT "/%s", controller);
	return access(base, W_OK) == 0 && make(p, base, name);
}

static void setup_v1(struct cgroup *g, const char *name, uint64_t memory,
		     uint64_t pids)
{
	const char *dir = g->memory.dir;

	if (memory > 0 && make_v1(&g->memory, "memory", name)) {
		g->state.memory =
			put_number(dir, "memory.limit_in_bytes", memory);
		/* Not every kernel counts swap. */
		(void)put_number(dir, "memory.memsw.limit_in_bytes", memory);
		(void)put(dir, "memory.swappiness", "0");
	}
	if (pids > 0 && make_v1(&g->pids, "pids", name))
		g->state.pids = put_number(g->pids.dir, "pids.max", pids);
	g->oom_file = "memory.oom_control";
}

/* Version 2: a group with controllers may hold no process itself, unless it
 * is the root.  So below our own group, or else beside it. */
static bool make_v2(struct place *p, const char *name)
{
	char base[PATH_MAX / 2 + sizeof(MOUNT)], own[PATH_MAX / 2];

	if (!own_path("", own, sizeof(own)))
		return false;
	(void)snprintf(base, sizeof(base), MOUNT "%s", own);
	for (int level = 0; level < 2; level++) {
		if (put(base, "cgroup.subtree_control", "+memory +pids") &&
		    make(p, base, name))
			return true;
		char *slash = strrchr(base, '/');
		if (slash == NULL || slash < base + strlen(MOUNT))
			return false;
		*slash = '\0';
	}
	return false;
}

static void setup_v2(struct cgroup *g, const char *name, uint64_t memory,
		     uint64_t pids)
{
	const char *dir = g->memory.dir;

	if (!make_v2(&g->memory, name))
		return;
	if (memory > 0) {
		g->state.memory = put_number(dir, "memory.max", memory);
		(void)put(dir, "memory.swap.max", "0");
	}
	if (pids > 0)
		g->state.pids = put_number(dir, "pids.max", pids);
	g->oom_file = "memory.events";
}

void cgroup_new(const char *name, uint64_t memory_bytes, uint64_t pids,
		struct cgroup **out)
{
	struct cgroup *g = mem_must(sizeof(*g));
	char unique[128];

	(void)snprintf(unique, sizeof(unique), "confd-%d-%.64s", (int)getpid(),
		       name);
	if (is_cgroup2(MOUNT))
		setup_v2(g, unique, memory_bytes, pids);
	else
		setup_v1(g, unique, memory_bytes, pids);
	*out = g;
}

enum status cgroup_add(struct cgroup *g, pid_t pid, struct err *err)
{
	const struct place *places[] = { &g->memory, &g->pids };

	for (size_t i = 0; i < countof(places); i++) {
		const char *dir = places[i]->dir;
		if (dir[0] != '\0' &&
		    !put_number(dir, "cgroup.procs", (uint64_t)pid))
			return err_errno(err, "%s/cgroup.procs", dir);
	}
	return OK;
}

struct cgroup_state cgroup_get(const struct cgroup *g)
{
	return g->state;
}

bool cgroup_was_starved(const struct cgroup *g)
{
	struct err err;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	char path[PATH_MAX + NAME_MAX];
	struct slice rest, line, word;
	uint64_t n = 0;

	if (g->memory.dir[0] == '\0')
		return false;
	(void)snprintf(path, sizeof(path), "%s/%s", g->memory.dir, g->oom_file);
	if (file_read(path, &text, &err) != OK)
		return false;
	rest = buf_slice(&text);
	while (slice_split(&rest, '\n', &line))
		if (slice_split(&line, ' ', &word) &&
		    slice_eq_str(word, "oom_kill") && slice_u64(line, &n))
			return n > 0;
	return false;
}

static void remove_place(struct place *p)
{
	static const struct timespec pause = { .tv_nsec = REMOVE_PAUSE_NS };

	for (int i = 0; i < REMOVE_TRIES && p->dir[0] != '\0'; i++) {
		if (rmdir(p->dir) == 0 || errno != EBUSY)
			p->dir[0] = '\0';
		else
			(void)nanosleep(&pause, NULL);
	}
}

void cgroup_free(struct cgroup *g)
{
	if (g == NULL)
		return;
	remove_place(&g->memory);
	remove_place(&g->pids);
	mem_free(g);
}
