/* What sandbox_probe asks the kernel for. */
#ifndef CONFD_TEST_HOSTILE_SANDBOX_CALLS_H
#define CONFD_TEST_HOSTILE_SANDBOX_CALLS_H

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/personality.h>
#include <sys/syscall.h>

#define ANY (-1) /* any failure will do */

#define HIGH_BITS 0xffffffff00000000ul

/* System calls that must not be there, with arguments that do no harm. */

static const struct call {
	const char *name;
	long nr;
	int want;
	long arg[5];
} calls[] = {
	{ "unshare user", SYS_unshare, EPERM, { CLONE_NEWUSER } },
	{ "unshare net", SYS_unshare, EPERM, { CLONE_NEWNET } },
	{ "unshare mount", SYS_unshare, EPERM, { CLONE_NEWNS } },
	{ "unshare pid", SYS_unshare, EPERM, { CLONE_NEWPID } },
	{ "unshare ipc", SYS_unshare, EPERM, { CLONE_NEWIPC } },
	{ "unshare uts", SYS_unshare, EPERM, { CLONE_NEWUTS } },
	{ "unshare cgroup", SYS_unshare, EPERM, { CLONE_NEWCGROUP } },
	{ "unshare time", SYS_unshare, EPERM, { 0x80 } },
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
	{ "ptrace seize", SYS_ptrace, EPERM, { 0x4206, 1 } },
	{ "process_mrelease", SYS_process_mrelease, EPERM, { 0 } },
	{ "fspick", SYS_fspick, EPERM, { AT_FDCWD, (long)"/" } },
	{ "inotify_init1", SYS_inotify_init1, EPERM, { 0 } },
	{ "F_NOTIFY", SYS_fcntl, EPERM, { 0, F_NOTIFY, DN_ACCESS } },
	{ "F_SETLEASE", SYS_fcntl, EPERM, { 0, F_SETLEASE, F_RDLCK } },
	{ "statmount", 457, ENOSYS, { 0 } },
	{ "listmount", 458, ENOSYS, { 0 } },
	{ "open_tree_attr", 467, ENOSYS, { 0 } },
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

#endif
