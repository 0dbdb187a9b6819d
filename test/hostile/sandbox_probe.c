/* Run inside a sandbox: tries the ways out, and plays a workload.
 *
 *	sandbox_probe leaks	one line an attempt: "ok NAME", or "LEAK NAME:
 *				found, wanted"; exit status: 1 if any leaked
 *	sandbox_probe ...	the other roles are in the table at the end
 *
 * It uses no library but the C library, so that it runs in an empty root.
 * What the host has listening is told in HOST_PORT and HOST_ABSTRACT. */
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/netlink.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/un.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))
#define ANY (-1) /* any failure will do */

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

/* System calls that must not be there, with arguments that do no harm. */

#define HIGH_BITS 0xffffffff00000000ul

static const struct call {
	const char *name;
	long nr;
	int want;
	long arg[5];
} calls[] = {
	{ "unshare user", SYS_unshare, EPERM, { CLONE_NEWUSER } },
	{ "unshare net", SYS_unshare, EPERM, { CLONE_NEWNET } },
	{ "unshare mount", SYS_unshare, EPERM, { CLONE_NEWNS } },
	{ "unshare nothing", SYS_unshare, EPERM, { 0 } },
	{ "clone user", SYS_clone, EPERM, { CLONE_NEWUSER | SIGCHLD } },
	{ "clone net, high bits",
	  SYS_clone,
	  EPERM,
	  { (long)(HIGH_BITS | CLONE_NEWNET | SIGCHLD) } },
	{ "clone3", SYS_clone3, ENOSYS, { 0, 88 } },
	{ "setns", SYS_setns, EPERM, { 0 } },
	{ "mount tmpfs",
	  SYS_mount,
	  EPERM,
	  { (long)"tmpfs", (long)"/tmp", (long)"tmpfs" } },
	{ "remount root", SYS_mount, EPERM, { 0, (long)"/", 0, 0x1020 } },
	{ "umount", SYS_umount2, EPERM, { (long)"/proc", 2 } },
	{ "fsopen", SYS_fsopen, EPERM, { (long)"tmpfs" } },
	{ "open_tree", SYS_open_tree, EPERM, { AT_FDCWD, (long)"/", 1 } },
	{ "move_mount", SYS_move_mount, EPERM, { 0, (long)"", 0, (long)"" } },
	{ "mount_setattr", SYS_mount_setattr, EPERM, { AT_FDCWD, (long)"/" } },
	{ "pivot_root", SYS_pivot_root, EPERM, { (long)".", (long)"." } },
	{ "chroot", SYS_chroot, EPERM, { (long)"/tmp" } },
	{ "open_by_handle_at", SYS_open_by_handle_at, EPERM, { 0 } },
	{ "name_to_handle_at", SYS_name_to_handle_at, EPERM, { 0 } },
	{ "ptrace traceme", SYS_ptrace, EPERM, { 0 } },
	{ "ptrace attach", SYS_ptrace, EPERM, { 16, 1 } },
	{ "process_vm_readv", SYS_process_vm_readv, EPERM, { 1 } },
	{ "process_vm_writev", SYS_process_vm_writev, EPERM, { 1 } },
	{ "pidfd_getfd", SYS_pidfd_getfd, EPERM, { 0, 3 } },
	{ "kcmp", SYS_kcmp, EPERM, { 1, 1 } },
	{ "perf_event_open", SYS_perf_event_open, EPERM, { 0, 0, -1, -1 } },
	{ "bpf", SYS_bpf, EPERM, { 0 } },
	{ "userfaultfd", SYS_userfaultfd, EPERM, { 0 } },
	{ "userfaultfd user mode", SYS_userfaultfd, EPERM, { 1 } },
	{ "io_uring_setup", SYS_io_uring_setup, EPERM, { 1 } },
	{ "add_key", SYS_add_key, EPERM, { 0 } },
	{ "keyctl", SYS_keyctl, EPERM, { 0, -3 } },
	{ "request_key", SYS_request_key, EPERM, { 0 } },
	{ "kexec_file_load", SYS_kexec_file_load, EPERM, { -1, -1 } },
	{ "init_module", SYS_init_module, EPERM, { 0 } },
	{ "finit_module", SYS_finit_module, EPERM, { -1 } },
	{ "delete_module", SYS_delete_module, EPERM, { 0 } },
	{ "reboot", SYS_reboot, EPERM, { 0 } },
	{ "swapon", SYS_swapon, EPERM, { 0 } },
	{ "acct", SYS_acct, EPERM, { (long)"/tmp/x" } },
	{ "syslog", SYS_syslog, EPERM, { 10 } },
	{ "clock_settime", SYS_clock_settime, EPERM, { 0 } },
	{ "adjtimex", SYS_adjtimex, EPERM, { 0 } },
	{ "sethostname", SYS_sethostname, EPERM, { (long)"x", 1 } },
	{ "fanotify_init", SYS_fanotify_init, EPERM, { 0 } },
	{ "quotactl", SYS_quotactl, EPERM, { 0 } },
	{ "move_pages", SYS_move_pages, EPERM, { 0 } },
	{ "memfd_secret", SYS_memfd_secret, EPERM, { 0 } },
	{ "process_madvise", SYS_process_madvise, EPERM, { 0 } },
	{ "vhangup", SYS_vhangup, EPERM, { 0 } },
	{ "a call of the future", 555, ENOSYS, { 0 } },
	{ "READ_IMPLIES_EXEC", SYS_personality, EPERM, { READ_IMPLIES_EXEC } },
	{ "ADDR_NO_RANDOMIZE", SYS_personality, EPERM, { ADDR_NO_RANDOMIZE } },
	{ "TIOCSTI", SYS_ioctl, EPERM, { 0, TIOCSTI, (long)"x" } },
	{ "TIOCSTI, high bits",
	  SYS_ioctl,
	  EPERM,
	  { 0, (long)(HIGH_BITS | TIOCSTI), (long)"x" } },
	{ "TIOCLINUX", SYS_ioctl, EPERM, { 0, 0x541c, (long)"\2" } },
	{ "setuid 0", SYS_setuid, ANY, { 0 } },
	{ "setgroups", SYS_setgroups, EPERM, { 0 } },
	{ "socketpair of VSOCK", SYS_socketpair, EPERM, { 40, 1 } },
#ifdef __x86_64__
	{ "iopl", SYS_iopl, EPERM, { 3 } },
	{ "ioperm", SYS_ioperm, EPERM, { 0x80, 1, 1 } },
	{ "modify_ldt", SYS_modify_ldt, EPERM, { 0 } },
	{ "kexec_load", SYS_kexec_load, EPERM, { 0 } },
	{ "lookup_dcookie", SYS_lookup_dcookie, EPERM, { 0 } },
#endif
};

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

/* A file that must read as empty, or not be there. */
static const char *const masked[] = {
	"/proc/kcore",	    "/proc/kmsg",	   "/proc/kallsyms",
	"/proc/keys",	    "/proc/timer_list",	   "/proc/cmdline",
	"/proc/config.gz",  "/proc/modules",	   "/proc/iomem",
	"/proc/interrupts", "/proc/sysrq-trigger",
};

static void probe_masked(void)
{
	char byte;

	for (size_t i = 0; i < COUNT(masked); i++) {
		int fd = open(masked[i], O_RDONLY | O_CLOEXEC);
		ssize_t n = fd < 0 ? 0 : read(fd, &byte, 1);

		if (fd >= 0)
			(void)close(fd);
		must_hold(masked[i], n == 0, "has content");
	}
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
	must_fail("make a device",
		  mknod("/tmp/mem", S_IFCHR | 0600, 0x101) < 0 ? errno : 0,
		  EPERM, 0);
	probe_masked();
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
} status[] = {
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
	static const char *const known[] = { "PATH=", "HOME=", "HOST_PORT=",
					     "HOST_ABSTRACT=",
					     "ASAN_OPTIONS=" };

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
	struct rlimit core = { 1, 1 };
	struct utsname u = { 0 };
	char found[128];
	struct sched_param fifo = { .sched_priority = 1 };

	for (size_t i = 0; i < COUNT(status); i++) {
		status_line(status[i].name, found, sizeof(found));
		must_hold(status[i].name, strcmp(found, status[i].want) == 0,
			  found);
	}
	(void)getrlimit(RLIMIT_CORE, &core);
	must_hold("no core dumps", core.rlim_cur == 0 && core.rlim_max == 0,
		  "allowed");
	(void)uname(&u);
	must_hold("host name", strcmp(u.nodename, "sandbox") == 0, u.nodename);
	must_fail("SCHED_FIFO",
		  sched_setscheduler(0, SCHED_FIFO, &fifo) < 0 ? errno : 0,
		  EPERM, 0);
	must_fail("nice -10", setpriority(PRIO_PROCESS, 0, -10) < 0 ? errno : 0,
		  EACCES, EPERM);
	must_fail("more descriptors", raise_nofile(), EPERM, 0);
	must_fail("take a capability", take_capability(), EPERM, 0);
}

static int leaks_main(char **argv)
{
	(void)argv;
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
	probe_pids();
	probe_uid();
	probe_env();
	probe_self();
	return leaks > 0;
}

/* Workloads. */

static void break_now(int fd)
{
	struct linger hard = { 1, 0 };

	(void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard));
	_exit(0);
}

/* Echo, unless the first byte asks for something else: R, break at once; W,
 * say nothing and print how the peer went; C, count until it ends. */
static void serve_one(int fd)
{
	static char bytes[65536];
	size_t total = 0;
	char mode = 'E';
	ssize_t n;

	while ((n = read(fd, bytes, sizeof(bytes))) > 0) {
		if (total == 0)
			mode = bytes[0];
		total += (size_t)n;
		if (mode == 'R')
			break_now(fd);
		if (mode != 'W' && mode != 'C' &&
		    write(fd, bytes, (size_t)n) != n)
			break;
	}
	if (mode == 'W')
		printf("gone %s\n", n == 0 ? "eof" : strerrorname_np(errno));
	if (mode == 'C')
		(void)dprintf(fd, "counted %zu", total);
	(void)fflush(stdout);
	_exit(0);
}

static int number(const char *s)
{
	return (int)strtol(s, NULL, 10);
}

/* A server, a process a connection. */
static int serve_main(char **argv)
{
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)number(argv[0])),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int on = 1, s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	(void)signal(SIGCHLD, SIG_IGN);
	(void)setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(s, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(s, 512) < 0) {
		perror("listen");
		return 1;
	}
	printf("serving\n");
	(void)fflush(stdout);
	for (;;) {
		int fd = accept4(s, NULL, NULL, SOCK_CLOEXEC);

		if (fd >= 0 && fork() == 0)
			serve_one(fd);
		if (fd >= 0)
			(void)close(fd);
	}
}

/* Answer one connection with much, and end. */
static int answer_main(char **argv)
{
	static char bytes[300000];
	struct sockaddr_in a = { .sin_family = AF_INET,
				 .sin_port = htons((uint16_t)number(argv[0])),
				 .sin_addr = { htonl(INADDR_LOOPBACK) } };
	int s = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (bind(s, (const struct sockaddr *)&a, sizeof(a)) < 0 ||
	    listen(s, 1) < 0)
		return 1;
	printf("serving\n");
	(void)fflush(stdout);
	int fd = accept(s, NULL, NULL);
	if (read(fd, bytes, 1) != 1)
		return 2;
	return send(fd, bytes, sizeof(bytes), 0) != (ssize_t)sizeof(bytes);
}

static int exit_main(char **argv)
{
	return number(argv[0]);
}

static int crash_main(char **argv)
{
	(void)argv;
	abort();
}

static int sleep_main(char **argv)
{
	printf("sleeping\n");
	(void)fflush(stdout);
	(void)sleep((unsigned)number(argv[0]));
	return 0;
}

/* Deaf to SIGTERM. */
static int stay_main(char **argv)
{
	(void)signal(SIGTERM, SIG_IGN);
	return sleep_main(argv);
}

/* Leave a process behind that nobody waits for. */
static int orphan_main(char **argv)
{
	if (fork() == 0) {
		(void)setsid();
		(void)sleep(60);
		_exit(0);
	}
	return exit_main(argv);
}

static int eat_main(char **argv)
{
	size_t n = (size_t)number(argv[0]) << 20;
	char *p = mmap(NULL, n, PROT_READ | PROT_WRITE,
		       MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	if (p == MAP_FAILED)
		return 2;
	memset(p, 1, n);
	return 0;
}

/* Fork until it is refused; say how many. */
static int forks_main(char **argv)
{
	int n = 0, max = number(argv[0]);

	while (n < max) {
		pid_t pid = fork();

		if (pid == 0) {
			(void)pause();
			_exit(0);
		}
		if (pid < 0)
			break;
		n++;
	}
	printf("forks %d\n", n);
	return 0;
}

/* Fill /tmp until it is full; say how much it took. */
static int fill_main(char **argv)
{
	static char mib[1 << 20];
	int fd = open("/tmp/fill", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
	int n = 0, max = number(argv[0]);

	while (n < max && write(fd, mib, sizeof(mib)) == (ssize_t)sizeof(mib))
		n++;
	printf("filled %d\n", n);
	return 0;
}

static int print_main(char **argv)
{
	int n = number(argv[0]);

	for (int i = 0; i < n; i++)
		printf("line %d of what the workload prints\n", i);
	return 0;
}

static int cat_main(char **argv)
{
	char bytes[4096];
	ssize_t n;
	int fd = open(argv[0], O_RDONLY | O_CLOEXEC);

	if (fd < 0) {
		printf("cat: %s\n", strerrorname_np(errno));
		return 1;
	}
	while ((n = read(fd, bytes, sizeof(bytes))) > 0)
		if (write(1, bytes, (size_t)n) != n)
			return 1;
	return 0;
}

/* What happens to who signals the first process. */
static int kill_main(char **argv)
{
	int error = kill(1, number(argv[0])) < 0 ? errno : 0;

	printf("kill %s\n", name_of(error));
	return 0;
}

static const struct {
	const char *name;
	int n_args;
	int (*run)(char **argv);
} roles[] = {
	{ "leaks", 0, leaks_main },   { "serve", 1, serve_main },
	{ "exit", 1, exit_main },     { "crash", 0, crash_main },
	{ "sleep", 1, sleep_main },   { "stay", 1, stay_main },
	{ "orphan", 1, orphan_main }, { "eat", 1, eat_main },
	{ "forks", 1, forks_main },   { "fill", 1, fill_main },
	{ "print", 1, print_main },   { "cat", 1, cat_main },
	{ "kill", 1, kill_main },     { "answer", 1, answer_main },
};

int main(int argc, char **argv)
{
	for (size_t i = 0; argc > 1 && i < COUNT(roles); i++)
		if (strcmp(argv[1], roles[i].name) == 0 &&
		    argc == 2 + roles[i].n_args)
			return roles[i].run(argv + 2);
	(void)fprintf(stderr, "no such role\n");
	return 64;
}
