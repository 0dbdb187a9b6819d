/* A workload that plays roles in a sandbox, for tests; "sandbox_guest ROLE
 * ARG", the roles are in the table at the end. */
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(a) (sizeof(a) / sizeof((a)[0]))

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

static int send_info(pid_t pid, int signo)
{
	siginfo_t info = { .si_signo = signo, .si_code = SI_QUEUE };

	return (int)syscall(SYS_rt_sigqueueinfo, pid, signo, &info);
}

static int send_by_pidfd(pid_t pid, int signo)
{
	int fd = (int)syscall(SYS_pidfd_open, pid, 0);

	return (int)syscall(SYS_pidfd_send_signal, fd, signo, NULL, 0);
}

static const char *outcome(int rc)
{
	return rc < 0 ? strerrorname_np(errno) : "success";
}

/* What happens to who signals the first process, in every way. */
static int kill_main(char **argv)
{
	int signo = number(argv[0]);

	printf("kill %s\n", outcome(kill(1, signo)));
	printf("tkill %s\n", outcome((int)syscall(SYS_tkill, 1, signo)));
	printf("tgkill %s\n", outcome((int)syscall(SYS_tgkill, 1, 1, signo)));
	printf("queue %s\n", outcome(send_info(1, signo)));
	printf("pidfd %s\n", outcome(send_by_pidfd(1, signo)));
	return 0;
}

static const struct {
	const char *name;
	int n_args;
	int (*run)(char **argv);
} roles[] = {
	{ "serve", 1, serve_main },   { "exit", 1, exit_main },
	{ "crash", 0, crash_main },   { "sleep", 1, sleep_main },
	{ "stay", 1, stay_main },     { "orphan", 1, orphan_main },
	{ "eat", 1, eat_main },	      { "forks", 1, forks_main },
	{ "fill", 1, fill_main },     { "print", 1, print_main },
	{ "cat", 1, cat_main },	      { "kill", 1, kill_main },
	{ "answer", 1, answer_main },
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
