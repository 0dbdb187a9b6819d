#include "sandbox/spec.h"

#include <limits.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/text.h"

#define MEMORY_MIB_MIN 16 /* the shim alone needs some */
#define PIDS_MIN 8

bool spec_is_path(const char *path)
{
	if (path == NULL || path[0] != '/' || strlen(path) >= PATH_MAX)
		return false;
	for (const char *p = path; *p != '\0'; p++)
		if ((unsigned char)*p < 0x20 || *p == 0x7f)
			return false;
	if (path[1] == '\0')
		return true;

	struct slice rest = slice_from(slice_str(path), 1), part;
	while (slice_split(&rest, '/', &part))
		if (part.len == 0 || slice_eq_str(part, ".") ||
		    slice_eq_str(part, ".."))
			return false;
	return path[strlen(path) - 1] != '/';
}

static enum status check_path(const char *what, const char *path,
			      struct err *err)
{
	if (spec_is_path(path))
		return OK;
	return err_set(err, E_CONF,
		       "workload: %s is '%s', want an absolute path without "
		       "'.', '..' or empty parts",
		       what, path == NULL ? "" : path);
}

/* The host's own root would bring its sockets (/run), homes and secrets. */
static enum status check_root(const char *root, struct err *err)
{
	if (strcmp(root, "/") == 0)
		return err_set(err, E_CONF,
			       "workload: root is /, want an unpacked root "
			       "file system; leave it out to use the host's "
			       "programs");
	return check_path("root", root, err);
}

/* Count words and add up their bytes. */
static size_t count(const char *const *words, size_t *bytes)
{
	size_t n = 0;

	for (; words != NULL && words[n] != NULL; n++)
		*bytes += strlen(words[n]) + 1;
	return n;
}

static enum status check_words(const struct sandbox_spec *spec, struct err *err)
{
	size_t bytes = 0;
	size_t n_args = count(spec->argv, &bytes);
	size_t n_env = count(spec->env, &bytes);

	if (n_args == 0)
		return err_set(err, E_CONF, "workload: no command");
	if (n_args > SPEC_ARGS_MAX)
		return err_set(err, E_CONF,
			       "workload: command of %zu words, at most %d",
			       n_args, SPEC_ARGS_MAX);
	if (n_env > SPEC_ENV_MAX)
		return err_set(err, E_CONF,
			       "workload: %zu variables, at most %d", n_env,
			       SPEC_ENV_MAX);
	if (bytes > SPEC_TEXT_MAX)
		return err_set(err, E_CONF,
			       "workload: command and variables of %zu bytes, "
			       "at most %u",
			       bytes, SPEC_TEXT_MAX);
	return check_path("command", spec->argv[0], err);
}

static bool is_letter(char c)
{
	return (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') || c == '_';
}

/* NAME=value, the name as a shell would take it.  The value may be secret,
 * so messages show only the name. */
static enum status check_variable(const char *v, struct err *err)
{
	size_t n = strcspn(v, "=");
	bool ok = v[n] == '=' && is_letter(v[0]);

	for (size_t i = 1; i < n; i++)
		ok = ok && (is_letter(v[i]) || (v[i] >= '0' && v[i] <= '9'));
	if (ok)
		return OK;
	return err_set(err, E_CONF,
		       "workload: variable '%.*s', want NAME=value with a name "
		       "of letters, digits and _",
		       n > 64 ? 64 : (int)n, v);
}

static enum status check_mounts(const struct sandbox_spec *spec,
				struct err *err)
{
	static const char *const ours[] = { "/proc", "/dev", "/sys", "/.confd",
					    "/tmp" };

	if (spec->n_mounts > SPEC_MOUNTS_MAX)
		return err_set(err, E_CONF, "workload: %zu mounts, at most %d",
			       spec->n_mounts, SPEC_MOUNTS_MAX);
	for (size_t i = 0; i < spec->n_mounts; i++) {
		const char *to = spec->mounts[i].to;

		TRY(check_path("mount source", spec->mounts[i].from, err));
		TRY(check_path("mount target", to, err));
		if (to[1] == '\0')
			return err_set(err, E_CONF, "workload: mount over /");
		for (size_t k = 0; k < countof(ours); k++) {
			size_t n = strlen(ours[k]);
			if (strncmp(to, ours[k], n) == 0 &&
			    (to[n] == '/' || to[n] == '\0'))
				return err_set(err, E_CONF,
					       "workload: mount over %s",
					       ours[k]);
		}
	}
	return OK;
}

static enum status check_limits(const struct sandbox_limits *l, struct err *err)
{
	const struct {
		const char *name;
		uint64_t value, min, max;
	} rows[] = {
		{ "memory_mib", l->memory_mib, MEMORY_MIB_MIN, 16u << 20 },
		{ "pids", l->pids, PIDS_MIN, 4u << 20 },
		{ "tmpfs_mib", l->tmpfs_mib, 1, 16u << 20 },
		{ "nofile", l->nofile, 32, 1u << 20 },
	};

	for (size_t i = 0; i < countof(rows); i++)
		if (rows[i].value != 0 && (rows[i].value < rows[i].min ||
					   rows[i].value > rows[i].max))
			return err_set(err, E_CONF,
				       "workload: limit %s is %llu, want %llu "
				       "to %llu",
				       rows[i].name,
				       (unsigned long long)rows[i].value,
				       (unsigned long long)rows[i].min,
				       (unsigned long long)rows[i].max);
	return OK;
}

enum status spec_check(const struct sandbox_spec *spec, struct err *err)
{
	if (!text_is_name(slice_str(spec->name)))
		return err_set(err, E_CONF,
			       "workload: name '%.64s', want 1 to 64 of a-z "
			       "0-9 . _ -",
			       spec->name == NULL ? "" : spec->name);
	TRY(check_words(spec, err));
	for (size_t i = 0; spec->env != NULL && spec->env[i] != NULL; i++)
		TRY(check_variable(spec->env[i], err));
	if (spec->root != NULL)
		TRY(check_root(spec->root, err));
	if (spec->cwd != NULL)
		TRY(check_path("cwd", spec->cwd, err));
	if (spec->port == 0)
		return err_set(err, E_CONF, "workload: no port");
	if (spec->logs != SPEC_LOGS_OFF && spec->logs != SPEC_LOGS_PLAIN)
		return err_set(err, E_CONF, "workload: unknown log policy");
	TRY(check_mounts(spec, err));
	return check_limits(&spec->limits, err);
}

static uint64_t half_of_memory_mib(void)
{
	long pages = sysconf(_SC_PHYS_PAGES), size = sysconf(_SC_PAGESIZE);

	if (pages <= 0 || size <= 0)
		return 1024;
	return (uint64_t)pages * (uint64_t)size / 2 >> 20;
}

struct sandbox_limits spec_limits(const struct sandbox_spec *spec)
{
	struct sandbox_limits l = spec->limits;

	if (l.memory_mib == 0)
		l.memory_mib = half_of_memory_mib();
	if (l.pids == 0)
		l.pids = 1024;
	if (l.tmpfs_mib == 0)
		l.tmpfs_mib = 64;
	if (l.nofile == 0)
		l.nofile = 4096;
	return l;
}
