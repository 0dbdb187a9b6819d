/* What other processes took: CPU time of all their threads by schedstat,
 * which has nanoseconds where others have ticks, and resident memory. */
#ifndef CONFD_TEST_BENCH_PROC_H
#define CONFD_TEST_BENCH_PROC_H

#include <dirent.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PROC_MAX 16

struct procs {
	size_t n;
	unsigned long pid[PROC_MAX];
	uint64_t cpu[PROC_MAX]; /* ns */
	uint64_t rss[PROC_MAX]; /* KiB */
};

/* From "PID,PID,...". */
static inline void procs_parse(struct procs *p, const char *text)
{
	for (char *end; *text != '\0' && p->n < PROC_MAX; text = end) {
		p->pid[p->n++] = strtoul(text, &end, 10);
		if (end == text)
			break;
		end += *end == ',';
	}
}

/* The number behind this beginning of a line of a file; 0: there is none. */
static inline uint64_t procs_number(const char *path, const char *front)
{
	char line[256];
	uint64_t n = 0;
	FILE *f = fopen(path, "re");

	if (f == NULL)
		return 0;
	while (n == 0 && fgets(line, sizeof(line), f) != NULL)
		if (strncmp(line, front, strlen(front)) == 0)
			n = strtoull(line + strlen(front), NULL, 10);
	(void)fclose(f);
	return n;
}

static inline uint64_t procs_cpu(unsigned long pid)
{
	char path[128];
	uint64_t sum = 0;

	(void)snprintf(path, sizeof(path), "/proc/%lu/task", pid);
	DIR *tasks = opendir(path);
	if (tasks == NULL)
		return 0;
	for (const struct dirent *e; (e = readdir(tasks)) != NULL;) {
		if (e->d_name[0] == '.')
			continue;
		(void)snprintf(path, sizeof(path),
			       "/proc/%lu/task/%.20s/schedstat", pid,
			       e->d_name);
		sum += procs_number(path, "");
	}
	(void)closedir(tasks);
	return sum;
}

static inline void procs_begin(struct procs *p)
{
	for (size_t i = 0; i < p->n; i++)
		p->cpu[i] = procs_cpu(p->pid[i]);
}

static inline void procs_end(struct procs *p)
{
	char path[64];

	for (size_t i = 0; i < p->n; i++) {
		p->cpu[i] = procs_cpu(p->pid[i]) - p->cpu[i];
		(void)snprintf(path, sizeof(path), "/proc/%lu/status",
			       p->pid[i]);
		p->rss[i] = procs_number(path, "VmRSS:");
	}
}

/* Elements of a JSON array. */
static inline void procs_print(const struct procs *p)
{
	for (size_t i = 0; i < p->n; i++)
		printf("%s{\"pid\":%lu,\"cpu_us\":%.1f,\"rss_kib\":%llu}",
		       i > 0 ? "," : "", p->pid[i], (double)p->cpu[i] / 1e3,
		       (unsigned long long)p->rss[i]);
}

#endif
