#include "test/sandbox/box.h"

#include <limits.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/io/fdpass.h"
#include "test/test.h"

const char *box_program(const char *name)
{
	static struct {
		const char *name;
		char path[PATH_MAX];
	} found[8];
	const char *build = getenv("BUILD");
	char path[PATH_MAX];
	size_t i = 0;

	while (i < countof(found) - 1 && found[i].name != NULL &&
	       strcmp(found[i].name, name) != 0)
		i++;
	(void)snprintf(path, sizeof(path), "%s/test/%s",
		       build != NULL ? build : "build", name);
	found[i].name = name;
	return realpath(path, found[i].path);
}

const char *box_missing(void)
{
	if (box_program("hostile/sandbox_probe") == NULL ||
	    box_program("fake/sandbox_guest") == NULL ||
	    box_program("fake/shim_main") == NULL)
		return "test/hostile and test/fake are not built ($BUILD)";
	return NULL;
}

static void changed(void *ctx)
{
	struct box *b = ctx;

	b->changed++;
}

void box_init(struct box *b, const char *role, const char *arg)
{
	bool is_probe = role != NULL && strcmp(role, "leaks") == 0;
	const char *program = box_program(is_probe ? "hostile/sandbox_probe"
						   : "fake/sandbox_guest");

	*b = (struct box){
		.link = -1,
		.argv = { "/probe", role, arg },
		.env = { "ASAN_OPTIONS=detect_leaks=0" },
		.settings = { .shim = box_program("fake/shim_main") },
		.spec = {
			.name = "box",
			.port = BOX_PORT,
			.logs = SPEC_LOGS_PLAIN,
			.limits = { .memory_mib = 512, .pids = 256 },
			.mounts = { { .from = program,
				      .to = "/probe",
				      .programs = true } },
			.n_mounts = 1,
		},
	};
}

bool box_start(struct box *b)
{
	int pair[2];

	b->spec.argv = b->argv;
	b->spec.env = b->env;
	if (b->loop == NULL && !EXPECT(loop_new(&b->loop, &b->err) == OK))
		return false;
	if (!EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ==
		    0))
		return false;
	b->link = pair[0];
	auto_fd int theirs = pair[1];
	if (supervise_start(b->loop, &b->settings, &b->spec, theirs, changed, b,
			    &b->s, &b->err) != OK) {
		b->s = NULL;
		return false;
	}
	return true;
}

bool box_wait(struct box *b, int64_t ms)
{
	int64_t end = clock_mono_ms() + ms;

	while (supervise_get_state(b->s) == SUPERVISE_RUNNING &&
	       clock_mono_ms() < end)
		loop_run_once(b->loop, 20);
	return supervise_get_state(b->s) != SUPERVISE_RUNNING;
}

const char *box_output(const struct box *b, struct buf *out)
{
	buf_clear(out);
	(void)supervise_logs(b->s, out);
	return buf_cstr(out);
}

bool box_printed(struct box *b, const char *text, int64_t ms)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	int64_t end = clock_mono_ms() + ms;

	while (clock_mono_ms() < end) {
		if (strstr(box_output(b, &out), text) != NULL)
			return true;
		loop_run_once(b->loop, 10);
	}
	return false;
}

#define WALLS_MIN 200 /* so that a probe that ends early has not held */

bool box_held(const struct box *b)
{
	auto_buf struct buf out = buf_make(SUPERVISE_LOG_MAX + 1);
	struct slice rest = slice_str(box_output(b, &out)), line;
	size_t held = 0, leaks = 0;

	while (slice_split(&rest, '\n', &line)) {
		held += slice_starts(line, S("ok "));
		if (!slice_starts(line, S("LEAK ")))
			continue;
		leaks++;
		printf("\t%.*s\n", SLICE_FMT(line));
	}
	return leaks == 0 && held >= WALLS_MIN;
}

int box_dial(struct box *b)
{
	const struct timeval limit = { .tv_sec = 5 };
	int pair[2];

	if (!EXPECT(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair) ==
		    0))
		return -1;
	EXPECT(fdpass_send(b->link, pair[1], &b->err) == OK);
	(void)close(pair[1]);
	(void)setsockopt(pair[0], SOL_SOCKET, SO_RCVTIMEO, &limit,
			 sizeof(limit));
	return pair[0];
}

void box_done(struct box *b)
{
	supervise_free(b->s);
	if (b->link >= 0)
		(void)close(b->link);
	loop_free(b->loop);
}
