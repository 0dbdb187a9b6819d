/* Run inside a sandbox: tries the ways out, and prints a line for each: "ok
 * NAME", or "LEAK NAME: found, wanted".  Exit status: 1 if any leaked.
 *
 * It uses no library but the C library, so that it runs in an empty root.
 * What the host has listening is told in HOST_PORT and HOST_ABSTRACT; its
 * namespaces, as the links in /proc/self/ns say them, in HOST_NS; HOST_CORE is
 * there when the starter's limit of core dumps was not 0. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <linux/securebits.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#include "test/hostile/sandbox_calls.h"

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

static int leaks;

static const char *name_of(int error)
{
	const char *name = error == 0 ? "success" : strerrorname_np(error);

	return name == NULL ? "?" : name;
}

/* An attempt must have failed with one of two errors. */
static void must_fail(const char *name, int error, int want, int or_want)
{
	if (error != 0 && (want == ANY || error == want || error == or_want)) {
		printf("ok %s\n", name);
		return;
	}
	leaks++;
	printf("LEAK %s: %s, wanted %s\n", name, name_of(error),
	       want == ANY ? "a failure" : name_of(want));
}

static void must_hold(const char *name, int held, const char *found)
{
	leaks += !held;
	printf("%s %s%s%s\n", held ? "ok" : "LEAK", name, held ? "" : ": ",
	       held ? "" : found);
}

/* Sockets. */

static int dial(int family, const void *addr, socklen_t len, int type)
{
	int error = 0, fd = socket(family, type, 0);

	if (fd < 0)
		return errno;
	if (connect(fd, addr, len) < 0)
		error = errno;
	(void)close(fd);
	return error;
}

static int dial4(const char *host, uint16_t port, int type)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(port) };

	(void)inet_pton(AF_INET, host, &a.sin_addr);
	return dial(AF_INET, &a, sizeof(a), type);
}

static int dial6(const char *host, uint16_t port)
{
	struct sockaddr_in6 a = { .sin6_family = AF_INET6,
				  .sin6_port = htons(port) };

	(void)inet_pton(AF_INET6, host, &a.sin6_addr);
	return dial(AF_INET6, &a, sizeof(a), SOCK_STREAM);
}

static int dial_abstract(const char *name)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	size_t n = strlen(name);

	memcpy(a.sun_path + 1, name, n);
	return dial(AF_UNIX, &a, (socklen_t)(sizeof(sa_family_t) + 1 + n),
		    SOCK_STREAM);
}

static int broadcast(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons(9),
				 .sin_addr = { INADDR_NONE } };
	int on = 1, error = 0, fd = socket(AF_INET, SOCK_DGRAM, 0);

	(void)setsockopt(fd, SOL_SOCKET, SO_BROADCAST, &on, sizeof(on));
	if (sendto(fd, "x", 1, 0, (const struct sockaddr *)&a, sizeof(a)) < 0)
		error = errno;
	(void)close(fd);
	return error;
}

static int make_socket(int family, int type, int proto)
{
	int fd = socket(family, type, proto);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static const struct {
	const char *name;
	int family, type, proto;
} sockets[] = {
	{ "AF_VSOCK", 40, SOCK_STREAM, 0 },
	{ "AF_PACKET", AF_PACKET, SOCK_RAW, 0 },
	{ "AF_PACKET datagram", AF_PACKET, SOCK_DGRAM, 0 },
	{ "raw ICMP", AF_INET, SOCK_RAW, 1 },
	{ "raw TCP", AF_INET, SOCK_RAW, 6 },
	{ "raw IPv6", AF_INET6, SOCK_RAW, 58 },
	{ "ping socket", AF_INET, SOCK_DGRAM, 1 },
	{ "netlink uevent", AF_NETLINK, SOCK_RAW, NETLINK_KOBJECT_UEVENT },
	{ "netlink audit", AF_NETLINK, SOCK_RAW, NETLINK_AUDIT },
	{ "netlink netfilter", AF_NETLINK, SOCK_RAW, NETLINK_NETFILTER },
	{ "netlink xfrm", AF_NETLINK, SOCK_RAW, NETLINK_XFRM },
	{ "netlink sock_diag", AF_NETLINK, SOCK_RAW, NETLINK_SOCK_DIAG },
	{ "netlink generic", AF_NETLINK, SOCK_RAW, NETLINK_GENERIC },
	{ "AF_ALG", AF_ALG, SOCK_SEQPACKET, 0 },
	{ "AF_BLUETOOTH", AF_BLUETOOTH, SOCK_RAW, 0 },
	{ "AF_CAN", AF_CAN, SOCK_RAW, 0 },
	{ "AF_XDP", 44, SOCK_RAW, 0 },
	{ "AF_TIPC", AF_TIPC, SOCK_STREAM, 0 },
	{ "AF_RDS", AF_RDS, SOCK_SEQPACKET, 0 },
	{ "AF_KEY", AF_KEY, SOCK_RAW, 2 },
	{ "AF_SMC", 43, SOCK_STREAM, 0 },
	{ "AF_QIPCRTR", 42, SOCK_DGRAM, 0 },
	{ "MPTCP", AF_INET, SOCK_STREAM, 262 },
	{ "SCTP", AF_INET, SOCK_STREAM, 132 },
	{ "DCCP", AF_INET, 6, 33 },
	{ "UDPLITE", AF_INET, SOCK_DGRAM, 136 },
};

static void probe_network(void)
{
	const char *port = getenv("HOST_PORT");
	const char *abstract = getenv("HOST_ABSTRACT");

	must_fail("TCP outside", dial4("192.0.2.1", 80, SOCK_STREAM),
		  ENETUNREACH, 0);
	must_fail("UDP outside", dial4("192.0.2.1", 53, SOCK_DGRAM),
		  ENETUNREACH, 0);
	must_fail("broadcast", broadcast(), ENETUNREACH, 0);
	must_fail("cloud metadata", dial4("169.254.169.254", 80, SOCK_STREAM),
		  ENETUNREACH, 0);
	must_fail("IPv6 outside", dial6("2001:db8::1", 80), ENETUNREACH,
		  EADDRNOTAVAIL);
	if (port != NULL)
		must_fail("host's loopback port",
			  dial4("127.0.0.1", (uint16_t)strtoul(port, NULL, 10),
				SOCK_STREAM),
			  ECONNREFUSED, 0);
	if (abstract != NULL)
		must_fail("host's abstract socket", dial_abstract(abstract),
			  ECONNREFUSED, EPERM);
	for (size_t i = 0; i < COUNT(sockets); i++)
		must_fail(sockets[i].name,
			  make_socket(sockets[i].family, sockets[i].type,
				      sockets[i].proto),
			  EPERM, EAFNOSUPPORT);
	must_hold("netlink routes may be asked",
		  make_socket(AF_NETLINK, SOCK_RAW, NETLINK_ROUTE) == 0, "no");
}

static void probe_interfaces(void)
{
	struct if_nameindex *list = if_nameindex();
	char found[256] = "";
	size_t used = 0;

	for (size_t i = 0; list != NULL && list[i].if_index != 0; i++)
		used += (size_t)snprintf(found + used, sizeof(found) - used,
					 "%s ", list[i].if_name);
	must_hold("interfaces are lo alone", strcmp(found, "lo ") == 0, found);
}

static void probe_own_loopback(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int ok = bind(fd, (const struct sockaddr *)&a, len) == 0 &&
		 listen(fd, 1) == 0 &&
		 getsockname(fd, (struct sockaddr *)&a, &len) == 0 &&
		 dial(AF_INET, &a, sizeof(a), SOCK_STREAM) == 0;

	(void)close(fd);
	must_hold("own loopback works", ok, strerror(errno));
}

static void probe_calls(void)
{
	for (size_t i = 0; i < COUNT(calls); i++) {
		const struct call *c = &calls[i];
		long got = syscall(c->nr, c->arg[0], c->arg[1], c->arg[2],
				   c->arg[3], c->arg[4]);
		int error = got < 0 ? errno : 0;

		if (c->nr == SYS_clone && got == 0)
			_exit(0);
		must_fail(c->name, error, c->want, 0);
	}
}

/* The signal that ends fn in a child. */
static int signal_of(void (*fn)(void))
{
	int status = 0;
	pid_t pid = fork();

	if (pid == 0) {
		fn();
		_exit(0);
	}
	(void)waitpid(pid, &status, 0);
	return WIFSIGNALED(status) ? WTERMSIG(status) : 0;
}

#ifdef __x86_64__
static void call_int80(void)
{
	long nr = 20; /* getpid of i386 */

	__asm__ volatile("int $0x80" : "+a"(nr) : : "memory");
}

static void call_x32(void)
{
	(void)syscall(0x40000000 | SYS_getpid);
}

static void probe_other_abis(void)
{
	must_hold("int 0x80 kills", signal_of(call_int80) == SIGSYS, "alive");
	must_hold("x32 kills", signal_of(call_x32) == SIGSYS, "alive");
}
#else
static void probe_other_abis(void)
{
	(void)signal_of;
}
#endif

/* Files. */

static int open_for(const char *path, int flags)
{
	int fd = open(path, flags | O_CLOEXEC, 0600);

	if (fd < 0)
		return errno;
	(void)close(fd);
	return 0;
}

static const struct {
	const char *path;
	int flags, want, or_want;
} opens[] = {
	{ "/x", O_WRONLY | O_CREAT, EROFS, 0 },
	{ "/usr/x", O_WRONLY | O_CREAT, EROFS, ENOENT },
	{ "/etc/x", O_WRONLY | O_CREAT, EROFS, ENOENT },
	{ "/dev/x", O_WRONLY | O_CREAT, EROFS, 0 },
	{ "/.confd/confd", O_WRONLY, EROFS, EACCES },
	{ "/.confd/x", O_WRONLY | O_CREAT, EROFS, 0 },
	{ "/proc/sys/kernel/hostname", O_WRONLY, EROFS, EACCES },
	{ "/proc/sys/kernel/core_pattern", O_WRONLY, EROFS, EACCES },
	{ "/proc/sys/kernel/modprobe", O_WRONLY, ANY, 0 },
	{ "/proc/sys/net/ipv4/ip_forward", O_WRONLY, EROFS, EACCES },
	{ "/proc/sys/vm/drop_caches", O_WRONLY, EROFS, EACCES },
	{ "/proc/self/oom_score_adj", O_WRONLY, EROFS, EACCES },
	{ "/proc/self/mem", O_RDWR, EROFS, 0 },
	{ "/proc/self/uid_map", O_WRONLY, EROFS, 0 },
	{ "/proc/self/attr/current", O_WRONLY, EROFS, ENOENT },
	{ "/proc/self/coredump_filter", O_WRONLY, EROFS, ENOENT },
	{ "/proc/self/timens_offsets", O_WRONLY, EROFS, ENOENT },
	{ "/proc/1/environ", O_RDONLY, EACCES, ENOENT },
	{ "/proc/1/mem", O_RDONLY, EACCES, ENOENT },
	{ "/proc/1/root/x", O_RDONLY, EACCES, ENOENT },
	{ "/proc/1/exe", O_RDONLY, EACCES, ENOENT },
	{ "/proc/1/fd/3", O_RDONLY, EACCES, ENOENT },
	{ "/home", O_RDONLY, ENOENT, 0 },
	{ "/root", O_RDONLY, ENOENT, 0 },
	{ "/var", O_RDONLY, ENOENT, 0 },
	{ "/boot", O_RDONLY, ENOENT, 0 },
	{ "/mnt", O_RDONLY, ENOENT, 0 },
	{ "/run", O_RDONLY, ENOENT, 0 },
	{ "/etc/shadow", O_RDONLY, ENOENT, 0 },
	{ "/etc/ssl/private", O_RDONLY, ENOENT, 0 },
	{ "/etc/machine-id", O_RDONLY, ENOENT, 0 },
	{ "/sys", O_RDONLY, ENOENT, 0 },
	{ "/sys/kernel/config/tsm", O_RDONLY, ENOENT, 0 },
	{ "/sys/kernel/uevent_helper", O_WRONLY, ENOENT, 0 },
	{ "/sys/fs/cgroup", O_RDONLY, ENOENT, 0 },
	{ "/dev/sev-guest", O_RDWR, ENOENT, 0 },
	{ "/dev/tdx_guest", O_RDWR, ENOENT, 0 },
	{ "/dev/tpm0", O_RDWR, ENOENT, 0 },
	{ "/dev/tpmrm0", O_RDWR, ENOENT, 0 },
	{ "/dev/vsock", O_RDWR, ENOENT, 0 },
	{ "/dev/kvm", O_RDWR, ENOENT, 0 },
	{ "/dev/vda", O_RDONLY, ENOENT, 0 },
	{ "/dev/mem", O_RDONLY, ENOENT, 0 },
	{ "/dev/kmsg", O_RDONLY, ENOENT, 0 },
	{ "/dev/fuse", O_RDWR, ENOENT, 0 },
	{ "/dev/net/tun", O_RDWR, ENOENT, 0 },
	{ "/dev/mapper/control", O_RDWR, ENOENT, 0 },
	{ "/dev/loop-control", O_RDWR, ENOENT, 0 },
	{ "/dev/tty", O_RDWR, ENOENT, 0 },
	{ "/dev/console", O_RDWR, ENOENT, 0 },
	{ "/dev/ptmx", O_RDWR, ENOENT, 0 },
};

/* True when a directory has no entry, or a file no byte. */
static int is_empty(const char *path)
{
	char bytes[512];
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n = fd < 0 ? 0 : read(fd, bytes, sizeof(bytes));

	/* Of a directory: what "." and ".." take. */
	if (n < 0 && errno == EISDIR)
		n = syscall(SYS_getdents64, fd, bytes, sizeof(bytes)) > 48;
	if (fd >= 0)
		(void)close(fd);
	return n == 0;
}

/* All that /proc has of the machine. */
static void probe_proc(void)
{
	static const char kept[] = " . .. cpuinfo filesystems loadavg meminfo "
				   "mounts net self stat sys thread-self "
				   "uptime version ";
	char path[300], word[300];
	DIR *d = opendir("/proc");
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(path, sizeof(path), "/proc/%s", e->d_name);
		(void)snprintf(word, sizeof(word), " %s ", e->d_name);
		if (strchr("0123456789", e->d_name[0]) == NULL &&
		    strstr(kept, word) == NULL)
			must_hold(path, is_empty(path), "has content");
	}
	if (d != NULL)
		(void)closedir(d);
	must_hold("/proc/sys/dev", is_empty("/proc/sys/dev"), "has content");
}

static size_t settings, open_settings;

static int see_setting(const char *path, const struct stat *st, int kind,
		       struct FTW *where)
{
	(void)st;
	(void)where;
	settings += kind == FTW_F;
	open_settings += kind == FTW_F && open_for(path, O_WRONLY) == 0;
	return 0;
}

static void probe_settings(void)
{
	(void)nftw("/proc/sys", see_setting, 16, FTW_PHYS);
	must_hold("settings of the kernel cannot be changed",
		  settings > 100 && open_settings == 0, "some can");
}

static int has_option(const char *options, const char *one)
{
	char all[300], with[32];

	(void)snprintf(all, sizeof(all), ",%s,", options);
	(void)snprintf(with, sizeof(with), ",%s,", one);
	return strstr(all, with) != NULL;
}

/* What a mount must have: nothing is written but in scratch space, nothing
 * set-uid, and no device but those of /dev (and of what they mask). */
static int is_safe(const char *root, const char *at, const char *options)
{
	static const char nodes[] = " /null /zero /full /random /urandom ";
	char word[64];
	int scratch = strcmp(at, "/tmp") == 0 || strcmp(at, "/dev/shm") == 0;

	(void)snprintf(word, sizeof(word), " %.60s ", root);
	return has_option(options, "nosuid") &&
	       (scratch || has_option(options, "ro")) &&
	       (!scratch || has_option(options, "noexec")) &&
	       (has_option(options, "nodev") || strstr(nodes, word) != NULL);
}

static void probe_mounts(void)
{
	char line[1024], root[256], at[256], options[256];
	FILE *f = fopen("/proc/self/mountinfo", "re");
	int n = 0;

	while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
		n++;
		if (sscanf(line, "%*s %*s %*s %255s %255s %255s", root, at,
			   options) != 3 ||
		    !is_safe(root, at, options))
			must_hold("mounts are read-only", 0, line);
	}
	if (f != NULL)
		(void)fclose(f);
	must_hold("mounts are told", n > 10, "no");
}

static void probe_scratch(const char *path)
{
	struct statvfs v = { 0 };

	must_hold("files of scratch space are limited",
		  statvfs(path, &v) == 0 && v.f_files > 0 &&
			  v.f_files <= v.f_blocks * v.f_bsize / 4096,
		  path);
}

static void probe_files(void)
{
	for (size_t i = 0; i < COUNT(opens); i++)
		must_fail(opens[i].path,
			  open_for(opens[i].path, opens[i].flags),
			  opens[i].want, opens[i].or_want);
	must_hold("/tmp can be written",
		  open_for("/tmp/file", O_WRONLY | O_CREAT) == 0, "no");
	must_hold("/dev/shm can be written",
		  open_for("/dev/shm/file", O_WRONLY | O_CREAT) == 0, "no");
	must_hold("/dev/null can be written",
		  open_for("/dev/null", O_WRONLY) == 0, "no");
	must_fail("touch /dev/null",
		  utimensat(AT_FDCWD, "/dev/null", NULL, 0) < 0 ? errno : 0,
		  EROFS, 0);
	must_fail("make a device",
		  mknod("/tmp/mem", S_IFCHR | 0600, 0x101) < 0 ? errno : 0,
		  EPERM, 0);
	probe_scratch("/tmp");
	probe_scratch("/dev/shm");
}

static void copy_self(const char *to)
{
	static char bytes[65536];
	int in = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 04755);
	ssize_t n;

	while ((n = read(in, bytes, sizeof(bytes))) > 0)
		if (write(out, bytes, (size_t)n) != n)
			break;
	(void)close(in);
	(void)close(out);
	(void)chmod(to, 04755);
}

static void probe_exec_from(const char *to)
{
	char *const argv[] = { (char[]){ "x" }, NULL };

	copy_self(to);
	must_fail(to, execve(to, argv, argv + 1) < 0 ? errno : 0, EACCES, 0);
	(void)unlink(to);
}

/* All entries of a directory must be in the list. */
static void probe_list(const char *path, const char *allowed)
{
	char word[300], found[1024] = "";
	size_t used = 0;
	DIR *d = opendir(path);
	const struct dirent *e;

	while (d != NULL && (e = readdir(d)) != NULL) {
		(void)snprintf(word, sizeof(word), " %s ", e->d_name);
		if (strstr(allowed, word) == NULL && used < 512)
			used += (size_t)snprintf(
				found + used, sizeof(found) - used, "%s", word);
	}
	if (d != NULL)
		(void)closedir(d);
	must_hold(path, d != NULL && used == 0, found);
}

static int is_number(const char *s)
{
	return s[0] != '\0' && strspn(s, "0123456789") == strlen(s);
}

static void probe_pids(void)
{
	DIR *d = opendir("/proc");
	const struct dirent *e;
	int others = 0;

	while (d != NULL && (e = readdir(d)) != NULL)
		others += is_number(e->d_name) &&
			  strtol(e->d_name, NULL, 10) != getpid();
	if (d != NULL)
		(void)closedir(d);
	must_hold("no process but our own is seen", d != NULL && others == 0,
		  "others");
}

/* What this process is. */

static void status_line(const char *name, char *out, size_t size)
{
	char line[256];
	size_t n = strlen(name);
	FILE *f = fopen("/proc/self/status", "re");

	out[0] = '\0';
	while (f != NULL && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, name, n) == 0 && line[n] == ':')
			(void)snprintf(out, size, "%s",
				       line + n + 1 +
					       strspn(line + n + 1, "\t "));
	out[strcspn(out, "\n")] = '\0';
	if (f != NULL)
		(void)fclose(f);
}

static const struct {
	const char *name, *want;
} wanted[] = {
	{ "CapInh", "0000000000000000" },
	{ "CapPrm", "0000000000000000" },
	{ "CapEff", "0000000000000000" },
	{ "CapBnd", "0000000000000000" },
	{ "CapAmb", "0000000000000000" },
	{ "NoNewPrivs", "1" },
	{ "Seccomp", "2" },
};

/* Where our user lies on the host: never at 0. */
static void probe_uid(void)
{
	char line[128] = "";
	unsigned inside = 0, outside = 0, n = 0;
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f != NULL) {
		(void)!fgets(line, sizeof(line), f);
		(void)fclose(f);
	}
	must_hold("uid is 1000", getuid() == 1000 && geteuid() == 1000,
		  "other");
	must_hold("gid is 1000", getgid() == 1000 && getegid() == 1000,
		  "other");
	must_hold("host uid is not 0",
		  sscanf(line, "%u %u %u", &inside, &outside, &n) == 3 &&
			  outside != 0,
		  line);
}

/* Then there is a user 0 inside. */
static int is_started_by_root(void)
{
	char first[32] = "";
	FILE *f = fopen("/proc/self/uid_map", "re");

	if (f != NULL) {
		(void)!fgets(first, sizeof(first), f);
		(void)fclose(f);
	}
	return strtol(first, NULL, 10) == 0;
}

/* Only root can give up the starter's. */
static void probe_groups(void)
{
	if (is_started_by_root())
		must_hold("no other groups", getgroups(0, NULL) == 0, "some");
}

static const char *const namespaces[] = { "cgroup", "ipc",  "mnt", "net",
					  "pid",    "user", "uts" };

static void probe_namespaces(void)
{
	const char *host = getenv("HOST_NS");
	char path[64], link[64];

	for (size_t i = 0; host != NULL && i < COUNT(namespaces); i++) {
		(void)snprintf(path, sizeof(path), "/proc/self/ns/%s",
			       namespaces[i]);
		ssize_t n = readlink(path, link, sizeof(link) - 1);
		link[n < 0 ? 0 : n] = '\0';
		must_hold(path, n > 0 && strstr(host, link) == NULL,
			  "the host's");
	}
}

static void probe_fds(void)
{
	char found[256] = "";
	size_t used = 0;

	for (int fd = 0; fd < 1024 && used < 200; fd++)
		if (fcntl(fd, F_GETFD) >= 0)
			used += (size_t)snprintf(
				found + used, sizeof(found) - used, "%d ", fd);
	must_hold("descriptors are 0 1 2", strcmp(found, "0 1 2 ") == 0, found);
}

static void probe_env(void)
{
	static const char *const known[] = {
		"PATH=",      "HOME=",	  "HOST_PORT=",	  "HOST_ABSTRACT=",
		"HOST_CORE=", "HOST_NS=", "ASAN_OPTIONS="
	};

	for (char **e = environ; *e != NULL; e++) {
		int ok = 0;

		for (size_t i = 0; i < COUNT(known); i++)
			ok |= strncmp(*e, known[i], strlen(known[i])) == 0;
		must_hold("environment is what was listed", ok, *e);
	}
	const char *home = getenv("HOME");
	must_hold("HOME is /tmp", home != NULL && strcmp(home, "/tmp") == 0,
		  "other");
}

static int raise_nofile(void)
{
	struct rlimit r;

	(void)getrlimit(RLIMIT_NOFILE, &r);
	r.rlim_max++;
	return setrlimit(RLIMIT_NOFILE, &r) < 0 ? errno : 0;
}

/* With a limit of 0 the kernel still feeds a program of the host. */
static void probe_core(void)
{
	struct rlimit core = { 2, 2 }, none = { 0, 0 };
	char filter[32] = "";
	FILE *f = fopen("/proc/self/coredump_filter", "re");
	int status = 0;
	pid_t pid = fork();

	if (pid == 0)
		abort();
	(void)waitpid(pid, &status, 0);
	if (f != NULL) {
		(void)!fgets(filter, sizeof(filter), f);
		(void)fclose(f);
	}
	(void)getrlimit(RLIMIT_CORE, &core);
	rlim_t before = core.rlim_max;
	(void)syscall(SYS_setrlimit, RLIMIT_CORE, &none);
	(void)syscall(SYS_prlimit64, 0, RLIMIT_CORE, &none, NULL);
	(void)syscall(SYS_prlimit64, 0, HIGH_BITS | RLIMIT_CORE, &none, NULL);
	(void)getrlimit(RLIMIT_CORE, &core);
	must_hold("limit of core dumps",
		  before == 1 || (before == 0 && getenv("HOST_CORE") == NULL),
		  "not 1");
	must_hold("limit of core dumps stays", core.rlim_max == before, "no");
	must_hold("no memory in core dumps", strtoul(filter, NULL, 16) == 0,
		  filter);
	must_hold("a crash dumps no core",
		  WIFSIGNALED(status) && !WCOREDUMP(status), "it does");
}

static int take_capability(void)
{
	struct __user_cap_header_struct head = {
		.version = _LINUX_CAPABILITY_VERSION_3
	};
	struct __user_cap_data_struct all[2] = { { 1, 1, 0 }, { 0, 0, 0 } };

	return syscall(SYS_capset, &head, all) < 0 ? errno : 0;
}

static void probe_self(void)
{
	struct utsname u = { 0 };
	char found[128];
	struct sched_param fifo = { .sched_priority = 1 };

	for (size_t i = 0; i < COUNT(wanted); i++) {
		status_line(wanted[i].name, found, sizeof(found));
		must_hold(wanted[i].name, strcmp(found, wanted[i].want) == 0,
			  found);
	}
	(void)uname(&u);
	must_hold("host name", strcmp(u.nodename, "sandbox") == 0, u.nodename);
	must_hold("secure bits are locked",
		  (prctl(PR_GET_SECUREBITS) &
		   (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED)) ==
			  (SECBIT_NOROOT | SECBIT_NOROOT_LOCKED),
		  "no");
	must_fail("SCHED_FIFO",
		  sched_setscheduler(0, SCHED_FIFO, &fifo) < 0 ? errno : 0,
		  EPERM, 0);
	must_fail("nice -10", setpriority(PRIO_PROCESS, 0, -10) < 0 ? errno : 0,
		  EACCES, EPERM);
	must_fail("more descriptors", raise_nofile(), EPERM, 0);
	must_fail("take a capability", take_capability(), EPERM, 0);
}

int main(void)
{
	probe_fds(); /* first, before we open any */
	probe_network();
	probe_interfaces();
	probe_own_loopback();
	probe_calls();
	probe_other_abis();
	probe_files();
	probe_exec_from("/tmp/exec");
	probe_exec_from("/dev/shm/exec");
	probe_list("/",
		   " . .. bin lib lib32 lib64 libx32 sbin usr etc proc dev "
		   "tmp .confd probe ");
	probe_list("/dev",
		   " . .. null zero full random urandom fd stdin stdout "
		   "stderr shm ");
	probe_proc();
	probe_settings();
	probe_mounts();
	probe_pids();
	probe_uid();
	probe_groups();
	probe_namespaces();
	probe_env();
	probe_self();
	probe_core();
	return leaks > 0;
}
