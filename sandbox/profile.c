#include "sandbox/profile.h"

#include <assert.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>

#include "core/cleanup.h"

#define BASE PROFILE_BASE
#define STREAM PROFILE_STREAM
#define ACCEPT PROFILE_ACCEPT
#define DIAL PROFILE_DIAL
#define PASS PROFILE_PASS
#define READ PROFILE_READ
#define STORE PROFILE_STORE
#define SPAWN PROFILE_SPAWN
#define GUEST PROFILE_GUEST
#define TEE PROFILE_TEE
#define ALL (~0u)

static_assert(RLIMIT_CORE == 4, "SET_LIMIT names all others by their bits");

/* Arguments of int that the kernel cuts to 32 bits, compared as it does. */
#define IS(index, v)                                          \
	{                                                     \
		.arg = (index) + 1, .mask = ~0u, .value = (v) \
	}
#define BITS(index, m, v)                                     \
	{                                                     \
		.arg = (index) + 1, .mask = (m), .value = (v) \
	}

/* A pointer that is not given, and one that is. */
#define NULL_AT(index)                            \
	{                                         \
		.arg = (index) + 1, .mask = ~0ull \
	}
#define GIVEN_AT(index)                             \
	{                                           \
		.arg = (index) + 1, .differs = true \
	}

/* Namespaces that clone(2) can make.  CLONE_NEWTIME has no bit there. */
#define CLONE_NAMESPACES                                               \
	(CLONE_NEWNS | CLONE_NEWCGROUP | CLONE_NEWUTS | CLONE_NEWIPC | \
	 CLONE_NEWUSER | CLONE_NEWPID | CLONE_NEWNET)

#define SOCKET_TYPE 0xf /* without SOCK_CLOEXEC, SOCK_NONBLOCK */
#define FCNTL_OLD 64	/* commands below it are of the process's own files */
#define OPEN_CHANGES (O_ACCMODE | O_CREAT | O_TRUNC)

/* linux/sev-guest.h and linux/tdx-guest.h: asking for a report. */
#define SNP_GET_REPORT 0xc0205300
#define SNP_GET_DERIVED_KEY 0xc0205301
#define SNP_GET_EXT_REPORT 0xc0205302
#define TDX_CMD_GET_REPORT0 0xc4405401

/* clang-format off */
static const struct profile profiles[PROFILE_COUNT] = {
	[PROFILE_WORKLOAD] = {
		.name = "workload",
		.groups = BASE | STREAM | ACCEPT | PASS | READ | STORE | GUEST,
	},
	[PROFILE_AS_NET] = {
		.name = "as-net",
		.groups = BASE | STREAM | ACCEPT,
		.kill = true, .no_files = true,
	},
	[PROFILE_AS_KEEPER] = {
		.name = "as-keeper",
		.groups = BASE | STREAM | READ | STORE | TEE,
		.kill = true, .landlock = true,
	},
	[PROFILE_AS_JUDGE] = {
		.name = "as-judge",
		.groups = BASE | STREAM,
		.kill = true, .no_files = true,
	},
	[PROFILE_WORKER_NET] = {
		.name = "worker-net",
		.groups = BASE | STREAM | ACCEPT | DIAL,
		.kill = true, .no_files = true,
	},
	/* No Landlock: under it nothing can be mounted. */
	[PROFILE_WORKER_KEEPER] = {
		.name = "worker-keeper",
		.groups = ALL & ~GUEST,
		.other = PROFILE_ALLOW,
	},
	[PROFILE_PROXY] = {
		.name = "proxy",
		.groups = BASE | STREAM | ACCEPT | DIAL | PASS,
		.kill = true, .no_files = true,
	},
	[PROFILE_CLIENT] = {
		.name = "client",
		.groups = BASE | STREAM | ACCEPT | DIAL | READ | STORE,
		.kill = true, .landlock = true,
	},
};

#define CALLS(groups_, calls_) { .groups = (groups_), .calls = calls_ }
#define WHERE(groups_, call_, ...) \
	{ .groups = (groups_), .calls = call_, .test = { __VA_ARGS__ } }
#define IGNORE(groups_, call_, ...) \
	{ .groups = (groups_), .calls = call_, .ignored = true, \
	  .test = { __VA_ARGS__ } }
static const struct profile_row rows[] = {
	/* Memory.  Ours never make code; a just-in-time compiler does. */
	CALLS(ALL,
	      "brk madvise membarrier mlock mlock2 mremap munlock "
	      "munmap"),
	CALLS(GUEST,
	      "mincore mlockall mmap mprotect msync munlockall "
	      "pkey_alloc pkey_free pkey_mprotect get_mempolicy mbind "
	      "set_mempolicy"),
	WHERE(BASE, "mmap", BITS(2, PROT_EXEC, 0)),
	WHERE(BASE, "mprotect", BITS(2, PROT_EXEC, 0)),

	/* Time. */
	CALLS(ALL,
	      "clock_getres clock_gettime clock_nanosleep gettimeofday "
	      "nanosleep time times timerfd_create timerfd_gettime "
	      "timerfd_settime"),
	CALLS(GUEST,
	      "alarm getitimer setitimer timer_create timer_delete "
	      "timer_getoverrun timer_gettime timer_settime"),

	/* Waiting. */
	CALLS(GUEST, "epoll_create eventfd futex_waitv signalfd"),
	CALLS(ALL,
	      "epoll_create1 epoll_ctl epoll_pwait epoll_pwait2 "
	      "epoll_wait eventfd2 futex poll ppoll pselect6 select "
	      "signalfd4"),

	/* This process. */
	CALLS(ALL,
	      "arch_prctl exit exit_group get_robust_list getcpu "
	      "getegid geteuid getgid getgroups getpgid getpgrp getpid "
	      "getppid getrandom getresgid getresuid getrlimit "
	      "getrusage getsid gettid getuid"),
	CALLS(GUEST,
	      "capget capset get_thread_area getpriority ioprio_get "
	      "ioprio_set landlock_add_rule landlock_create_ruleset "
	      "landlock_restrict_self"),
	CALLS(GUEST,
	      "prctl rt_sigqueueinfo rt_tgsigqueueinfo "
	      "sched_get_priority_max sched_get_priority_min "
	      "sched_getattr sched_getparam sched_getscheduler "
	      "sched_rr_get_interval sched_setaffinity sched_setattr "
	      "sched_setparam sched_setscheduler seccomp "
	      "set_thread_area setfsgid setfsuid setgid setgroups "
	      "setpriority setregid setresgid setresuid setreuid setuid"),
	CALLS(ALL,
	      "restart_syscall rseq rt_sigaction rt_sigpending "
	      "rt_sigprocmask rt_sigreturn rt_sigsuspend "
	      "rt_sigtimedwait sched_getaffinity sched_yield "
	      "set_robust_list set_tid_address sigaltstack "
	      "sysinfo tgkill umask uname"),
	/* Asking for the execution domain, and setting the normal one; the
	 * others weaken the address space. */
	WHERE(GUEST, "personality", IS(0, 0xffffffff)),
	WHERE(GUEST, "personality", IS(0, 0)),
	WHERE(BASE, "prctl", IS(0, PR_SET_NAME)),
	WHERE(BASE, "prctl", IS(0, PR_GET_DUMPABLE)),
	WHERE(BASE, "prlimit64", IS(0, 0), NULL_AT(2)),
	WHERE(GUEST, "prlimit64", NULL_AT(2)),
	/* All limits but RLIMIT_CORE, 4, which many set to 0: then a crash
	 * would feed a program of the host (core_pattern). */
#define SET_LIMIT(mask, value)                           \
	WHERE(GUEST, "prlimit64", BITS(1, mask, value)), \
	WHERE(GUEST, "setrlimit", BITS(0, mask, value))
	SET_LIMIT(1u, 1u),
	SET_LIMIT(2u, 2u),
	SET_LIMIT(4u, 0u),
	SET_LIMIT(8u, 8u),
	IGNORE(GUEST, "prlimit64", IS(1, RLIMIT_CORE), GIVEN_AT(2)),
	IGNORE(GUEST, "setrlimit", IS(0, RLIMIT_CORE)),

	/* Descriptors. */
	CALLS(ALL,
	      "close close_range dup dup2 dup3 fstat lseek pipe2 "
	      "read readv write writev"),
	CALLS(GUEST,
	      "pipe preadv preadv2 pwritev pwritev2 sendfile splice tee "
	      "vmsplice copy_file_range memfd_create"),
	/* Without leases and F_NOTIFY, which reach others through a file. */
	WHERE(ALL, "fcntl", BITS(1, ~(FCNTL_OLD - 1u), 0)),
	WHERE(ALL, "fcntl", IS(1, F_DUPFD_CLOEXEC)),
	WHERE(GUEST, "fcntl", IS(1, F_SETPIPE_SZ)),
	WHERE(GUEST, "fcntl", BITS(1, ~7u, F_GETPIPE_SZ)), /* and seals */
	WHERE(BASE, "newfstatat", BITS(3, AT_EMPTY_PATH, AT_EMPTY_PATH)),

	/* Sockets that are there. */
	CALLS(STREAM,
	      "getpeername getsockname getsockopt recvfrom recvmsg "
	      "sendmsg sendto setsockopt shutdown"),
	CALLS(GUEST, "recvmmsg sendmmsg"),

	/* New ones.  Everything else that socket(2) can make is not confined
	 * by the network namespace (AF_VSOCK), or is a way to talk to the
	 * kernel that nobody here needs. */
#define INTERNET(family, type, proto)                                \
	WHERE(DIAL | GUEST, "socket", IS(0, family),                 \
	      BITS(1, SOCKET_TYPE, type), IS(2, proto))
	INTERNET(AF_INET, SOCK_STREAM, 0),
	INTERNET(AF_INET, SOCK_STREAM, 6), /* IPPROTO_TCP */
	INTERNET(AF_INET, SOCK_DGRAM, 0),
	INTERNET(AF_INET, SOCK_DGRAM, 17), /* IPPROTO_UDP */
	INTERNET(AF_INET6, SOCK_STREAM, 0),
	INTERNET(AF_INET6, SOCK_STREAM, 6),
	INTERNET(AF_INET6, SOCK_DGRAM, 0),
	INTERNET(AF_INET6, SOCK_DGRAM, 17),
	CALLS(ACCEPT, "accept accept4 listen"),
	CALLS(GUEST, "bind"),
	CALLS(DIAL | GUEST, "connect"),
	WHERE(PASS, "socketpair", IS(0, AF_UNIX)),
	WHERE(DIAL | GUEST, "socket", IS(0, AF_UNIX)),
	WHERE(GUEST, "socket", IS(0, AF_NETLINK), IS(2, 0)), /* routes */

	/* Controls, by name: TIOCSTI and TIOCLINUX type for the user, and
	 * drivers' own are a wide field. */
	WHERE(ALL, "ioctl", IS(1, FIONREAD)),
	WHERE(ALL, "ioctl", IS(1, FIONBIO)),
	WHERE(ALL, "ioctl", IS(1, FIOCLEX)),
	WHERE(ALL, "ioctl", IS(1, TCGETS)),
	WHERE(GUEST, "ioctl", IS(1, FIONCLEX)),
	WHERE(GUEST, "ioctl", IS(1, FIOASYNC)),
	WHERE(GUEST, "ioctl", IS(1, TCSETS)),
	WHERE(GUEST, "ioctl", IS(1, TCSETSW)),
	WHERE(GUEST, "ioctl", IS(1, TCSETSF)),
	WHERE(GUEST, "ioctl", IS(1, TIOCGPGRP)),
	WHERE(GUEST, "ioctl", IS(1, TIOCSPGRP)),
	WHERE(GUEST, "ioctl", IS(1, TIOCGWINSZ)),
	WHERE(GUEST, "ioctl", IS(1, TIOCOUTQ)),
	WHERE(GUEST, "ioctl", IS(1, SIOCATMARK)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFNAME)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFCONF)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFFLAGS)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFADDR)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFBRDADDR)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFNETMASK)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFMTU)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFHWADDR)),
	WHERE(GUEST, "ioctl", IS(1, SIOCGIFINDEX)),
	WHERE(TEE, "ioctl", IS(1, SNP_GET_REPORT)),
	WHERE(TEE, "ioctl", IS(1, SNP_GET_DERIVED_KEY)),
	WHERE(TEE, "ioctl", IS(1, SNP_GET_EXT_REPORT)),
	WHERE(TEE, "ioctl", IS(1, TDX_CMD_GET_REPORT0)),

	/* Files, read. */
	CALLS(READ,
	      "access faccessat faccessat2 fadvise64 fstatfs getcwd "
	      "getdents64 lstat newfstatat pread64 readlink readlinkat "
	      "stat statfs statx"),
	CALLS(GUEST,
	      "chdir fchdir fgetxattr flistxattr getdents getxattr "
	      "lgetxattr listxattr llistxattr openat2 readahead"),
	WHERE(READ, "open", BITS(1, OPEN_CHANGES, O_RDONLY)),
	WHERE(READ, "openat", BITS(2, OPEN_CHANGES, O_RDONLY)),

	/* Files, changed. */
	CALLS(STORE,
	      "chmod fallocate fchmod fchmodat fdatasync flock fsync "
	      "ftruncate link linkat mkdir mkdirat open openat pwrite64 "
	      "rename renameat renameat2 rmdir unlink unlinkat"),
	CALLS(GUEST,
	      "chown creat fchown fchownat fremovexattr fsetxattr "
	      "futimesat lchown lremovexattr lsetxattr mknod mknodat "
	      "removexattr setxattr symlink symlinkat sync "
	      "sync_file_range syncfs truncate utime utimensat utimes"),

	/* Processes. */
	CALLS(SPAWN, "clone"),
	CALLS(SPAWN | GUEST,
	      "execve execveat fork kill pidfd_open pidfd_send_signal "
	      "setpgid setsid vfork wait4 waitid"),
	CALLS(GUEST, "tkill"),
	WHERE(GUEST, "clone", BITS(0, CLONE_NAMESPACES, 0)),

	/* Between them; in a namespace of their own. */
	CALLS(GUEST,
	      "mq_getsetattr mq_notify mq_open mq_timedreceive "
	      "mq_timedsend mq_unlink msgctl msgget msgrcv msgsnd "
	      "semctl semget semop semtimedop shmat shmctl shmdt shmget"),

	/* Sandboxes are built with these. */
	CALLS(SPAWN,
	      "chroot fsconfig fsmount fsopen mount mount_setattr "
	      "move_mount open_tree pivot_root setdomainname "
	      "sethostname umount2 unshare"),
};

/* Nothing of ours makes these by mistake: a process that does is no longer
 * ours. */
static const char intruders[] =
	"acct add_key adjtimex bpf chroot clock_adjtime clock_settime "
	"delete_module execve execveat fanotify_init finit_module "
	"fsconfig fsmount fsopen fspick init_module io_uring_enter "
	"io_uring_register io_uring_setup ioperm iopl kcmp "
	"kexec_file_load kexec_load keyctl lookup_dcookie "
	"memfd_secret mount mount_setattr move_mount move_pages "
	"name_to_handle_at nfsservctl open_by_handle_at open_tree "
	"perf_event_open pidfd_getfd pivot_root process_madvise "
	"process_vm_readv process_vm_writev ptrace quotactl "
	"quotactl_fd reboot request_key setdomainname sethostname "
	"setns settimeofday swapoff swapon syslog umount2 unshare "
	"userfaultfd vhangup";
/* clang-format on */

const struct profile *profile_get(enum profile_id id)
{
	return &profiles[id < PROFILE_COUNT ? id : PROFILE_AS_JUDGE];
}

const struct profile_row *profile_rows(size_t *n)
{
	*n = countof(rows);
	return rows;
}

const char *profile_intruders(void)
{
	return intruders;
}
