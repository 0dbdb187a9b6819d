/* The life of workloads, against proxies that are shell scripts; those with a
 * sandbox need the program itself ($CONFD) and a machine that lets them. */
#include "cmd/workloads.h"

#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/crypto.h"
#include "core/file.h"
#include "proxy/messages.h"
#include "test/test.h"

#define WAIT_MS 5000

/* What a proxy says when it serves: an empty MSG_READY. */
#define SAY_READY "printf 'pro\\005\\000\\000\\000\\000' >&3\n"

static char native[] = "native", group[] = "g", openai[] = "openai";
static char upstream[] = "upstream:http://127.0.0.1:9";
static char by_path[] = "upstream:unix:/m";

struct bench {
	struct loop *loop;
	struct workloads *set;
	struct manifest_worker by;
	char program[256], dir[200];

	/* The last outcome. */
	unsigned outcomes;
	uint32_t id;
	enum status code;
	struct buf answer;
	bool stopped;
};

static void outcome(void *ctx, uint32_t id, const struct err *err,
		    struct slice answer)
{
	struct bench *b = ctx;

	b->outcomes++;
	b->id = id;
	b->code = err->code;
	buf_clear(&b->answer);
	buf_put(&b->answer, err->code == OK ? answer : slice_str(err->text));
}

/* Proxies are this script, which may write into b->dir. */
static void bench_open(struct bench *b, const char *script)
{
	static char *adapters[] = { openai }, *images[] = { upstream, by_path };
	struct workloads_settings s = { .reply = outcome, .ctx = b };
	auto_buf struct buf text = buf_make(4096);
	struct err err;

	*b = (struct bench){ .answer = buf_make(1u << 20) };
	b->by = (struct manifest_worker){ .name = group,
					  .images = { 2, images },
					  .images_any = true,
					  .adapters = { 1, adapters },
					  .runtime = native };
	(void)snprintf(b->dir, sizeof(b->dir), "%s/out", test_dir());
	EXPECT(chmod(test_dir(), 0755) == 0);
	EXPECT(mkdir(b->dir, 0777) == 0 && chmod(b->dir, 0777) == 0);
	(void)snprintf(b->program, sizeof(b->program), "%s/proxy", test_dir());
	buf_putf(&text, "#!/bin/sh\ncd %s\n%s", b->dir, script);
	EXPECT(file_write(b->program, buf_slice(&text), 0755, &err) == OK);
	s.program = b->program;
	s.runtime.shim = getenv("CONFD");
	EXPECT(loop_new(&b->loop, &err) == OK);
	b->set = workloads_new(b->loop, &s);
}

static void bench_close(struct bench *b)
{
	workloads_free(b->set);
	loop_free(b->loop);
	buf_done(&b->answer);
}
#define auto_bench __attribute__((cleanup(bench_close)))

static void lease(struct bench *b)
{
	struct err err;

	EXPECT(workloads_lease(b->set, &b->by, S("the keys"), S("the cert"),
			       clock_wall() + 60, &err) == OK);
}

/* Until n outcomes have come, or too long. */
static bool wait_outcome(struct bench *b, unsigned n)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (b->outcomes < n && clock_mono_ms() < end)
		loop_run_once(b->loop, 20);
	return EXPECT(b->outcomes == n);
}

static void ask_run(struct bench *b, const char *json)
{
	auto_workload_request struct workload_request r = { 0 };
	auto_buf struct buf packed = buf_make(1u << 16);
	struct err err;

	EXPECT(workload_request_parse(slice_str(json), &r, &err) == OK);
	workload_request_pack(&r, &packed);
	workloads_run(b->set, 1, buf_slice(&packed));
}

static enum status run(struct bench *b, const char *json)
{
	unsigned n = b->outcomes + 1;

	ask_run(b, json);
	return wait_outcome(b, n) ? b->code : E_AGAIN;
}

static enum status op(struct bench *b, enum worker_op what, const char *name)
{
	unsigned n = b->outcomes + 1;

	workloads_do(b->set, 2, what, slice_str(name), 0);
	return wait_outcome(b, n) ? b->code : E_AGAIN;
}

/* The answer says so of the workload. */
static bool says(const struct bench *b, const char *part)
{
	struct slice s = buf_slice(&b->answer);
	bool found = slice_search(s, slice_str(part)) < s.len;

	if (!found)
		(void)fprintf(stderr, "  %.*s\n", SLICE_FMT(s));
	return found;
}

/* Ask for the workload until its answer says so. */
static bool becomes(struct bench *b, const char *part)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (clock_mono_ms() < end) {
		struct slice s;

		if (op(b, WORKER_GET, "m") != OK)
			return false;
		s = buf_slice(&b->answer);
		if (slice_search(s, slice_str(part)) < s.len)
			return true;
		loop_run_once(b->loop, 20);
	}
	return says(b, part);
}

/* Ask for its log until it has said so. */
static bool printed(struct bench *b, struct slice text)
{
	int64_t end = clock_mono_ms() + WAIT_MS;

	while (clock_mono_ms() < end) {
		if (op(b, WORKER_LOGS, "m") != OK)
			return false;
		if (slice_search(buf_slice(&b->answer), text) < b->answer.len)
			return true;
		loop_run_once(b->loop, 20);
	}
	return false;
}

/* What a proxy wrote into a file, once it ends as wanted. */
static bool wrote(struct bench *b, const char *file, struct slice want)
{
	int64_t end = clock_mono_ms() + WAIT_MS;
	char path[256];

	(void)snprintf(path, sizeof(path), "%s/%s", b->dir, file);
	while (clock_mono_ms() < end) {
		auto_buf struct buf text = buf_make(1u << 16);
		struct err err;

		if (file_read(path, &text, &err) == OK &&
		    slice_search(buf_slice(&text), want) < text.len)
			return true;
		loop_run_once(b->loop, 20);
	}
	return false;
}

/* A directory can be removed only then. */
static bool is_empty(const char *dir)
{
	return rmdir(dir) == 0;
}

#define UPSTREAM                                               \
	"{\"name\":\"m\",\"upstream\":\"http://127.0.0.1:9\"," \
	"\"listen\":\"https://127.0.0.1:0\"}"

/* Serves until it is told to end. */
static const char good[] =
	"echo \"$*\" >args\n" SAY_READY "exec /bin/cat <&3 >chan\n";

TEST(runs_a_proxy_before_an_upstream)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(b.id == 1);
	CHECK(says(&b, "\"state\":\"running\""));
	CHECK(says(&b, "\"address\":\"127.0.0.1:"));
	CHECK(wrote(&b, "args",
		    S("proxy --role net --log text --drain 0 --upstream "
		      "http://127.0.0.1:9 --adapter openai")));
}

TEST(the_proxy_gets_keys_certificate_and_lease)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(wrote(&b, "chan", S("pro\3\0\0\0\10the cert")));
	CHECK(wrote(&b, "chan", S("pro\1\0\0\0\10the keys")));
	CHECK(wrote(&b, "chan", S("pro\2\0\0\0\10")));
}

TEST(a_proxy_in_clear_gets_no_certificate)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, "{\"name\":\"m\",\"upstream\":\"unix:/m\","
		      "\"listen\":\"http://127.0.0.1:0\"}") == OK);
	CHECK(wrote(&b, "args", S("--plain")));
	CHECK(wrote(&b, "chan", S("the keys")));
	CHECK(says(&b, "\"tls\":false"));
}

TEST(a_lease_that_ends_is_told_and_nothing_new_starts)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	CHECK(run(&b, UPSTREAM) == E_UNAVAIL);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	workloads_lapse(b.set);
	CHECK(wrote(&b, "chan", S("pro\2\0\0\0\10\0\0\0\0\0\0\0\0")));
	CHECK(op(&b, WORKER_GET, "m") == OK);
	CHECK(says(&b, "\"state\":\"running\""));
	CHECK(op(&b, WORKER_STOP, "m") == OK);
	CHECK(op(&b, WORKER_START, "m") == E_UNAVAIL);
	lease(&b);
	CHECK(op(&b, WORKER_START, "m") == OK);
	CHECK(says(&b, "\"state\":\"running\""));
}

TEST(names_are_unique_and_free_again_after_removal)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(run(&b, UPSTREAM) == E_CONFLICT);
	CHECK(op(&b, WORKER_REMOVE, "m") == OK);
	CHECK(b.answer.len == 0);
	CHECK(op(&b, WORKER_GET, "m") == E_NOTFOUND);
	CHECK(op(&b, WORKER_LIST, "") == OK);
	CHECK(says(&b, "[]"));
	CHECK(run(&b, UPSTREAM) == OK);
}

TEST(a_name_is_taken_from_the_first_moment_on)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	ask_run(&b, UPSTREAM);
	CHECK(run(&b, UPSTREAM) == E_CONFLICT);
	CHECK(op(&b, WORKER_STOP, "m") == E_CONFLICT);
	CHECK(wait_outcome(&b, 3));
	CHECK(b.code == OK);
}

TEST(stop_and_start_twice_are_once)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(op(&b, WORKER_START, "m") == OK);
	CHECK(says(&b, "\"state\":\"running\""));
	CHECK(op(&b, WORKER_STOP, "m") == OK);
	CHECK(says(&b, "\"state\":\"stopped\""));
	CHECK(op(&b, WORKER_STOP, "m") == OK);
	CHECK(op(&b, WORKER_START, "m") == OK);
	CHECK(says(&b, "\"state\":\"running\""));
	CHECK(op(&b, WORKER_STOP, "none") == E_NOTFOUND);
	CHECK(op(&b, WORKER_OPS, "m") == E_PARSE);
}

TEST(a_proxy_that_ends_fails_its_workload)
{
	auto_bench struct bench b;

	bench_open(&b, SAY_READY "sleep 0.3\nexit 0\n");
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(becomes(&b, "\"state\":\"failed\""));
	CHECK(says(&b, "\"end\":\"proxy\""));
}

TEST(a_proxy_that_never_serves_leaves_nothing)
{
	auto_bench struct bench b;

	bench_open(&b, "exit 3\n");
	lease(&b);
	CHECK(run(&b, UPSTREAM) == E_IO);
	CHECK(says(&b, "status 3"));
	CHECK(op(&b, WORKER_GET, "m") == E_NOTFOUND);
}

TEST(a_proxy_that_talks_out_of_turn_is_stopped)
{
	auto_bench struct bench b;

	bench_open(&b, SAY_READY "printf 'pro\\001\\000\\000\\000\\000' >&3\n"
				 "exec /bin/sleep 100\n");
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	CHECK(becomes(&b, "\"state\":\"failed\""));
}

TEST(what_the_manifest_no_longer_allows_is_stopped)
{
	auto_bench struct bench b;
	struct manifest_worker tighter;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	tighter = b.by;
	tighter.images_any = false;
	tighter.images.n = 0;
	b.by = tighter;
	lease(&b);
	CHECK(becomes(&b, "\"state\":\"failed\""));
	CHECK(says(&b, "\"end\":\"policy\""));
	CHECK(op(&b, WORKER_START, "m") == E_POLICY);
	CHECK(op(&b, WORKER_GET, "m") == OK);
}

TEST(what_is_not_allowed_starts_no_process)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	b.by.images_any = false;
	b.by.images.n = 0;
	lease(&b);
	CHECK(run(&b, UPSTREAM) == E_POLICY);
	CHECK(op(&b, WORKER_LIST, "") == OK);
	CHECK(says(&b, "[]"));
	CHECK(is_empty(b.dir));
}

TEST(an_address_in_use_is_refused)
{
	auto_bench struct bench b;
	char json[256], *port;
	const char *answer;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	answer = buf_cstr(&b.answer);
	port = strstr(answer, "127.0.0.1:");
	CHECK(port != NULL);
	(void)snprintf(json, sizeof(json),
		       "{\"name\":\"n\",\"upstream\":\"unix:/m\","
		       "\"listen\":\"https://127.0.0.1:%lu\"}",
		       strtoul(port + 10, NULL, 10));
	CHECK(run(&b, json) != OK);
	CHECK(op(&b, WORKER_GET, "n") == E_NOTFOUND);
}

TEST(bytes_that_are_no_request_are_refused)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	lease(&b);
	workloads_run(b.set, 5, S("nonsense"));
	CHECK(b.outcomes == 1 && b.id == 5 && b.code == E_PARSE);
}

static void note_stopped(void *ctx)
{
	struct bench *b = ctx;

	b->stopped = true;
}

TEST(at_the_end_all_are_stopped_and_nothing_new_begins)
{
	auto_bench struct bench b;
	int64_t end = clock_mono_ms() + WAIT_MS;

	bench_open(&b, good);
	lease(&b);
	CHECK(run(&b, UPSTREAM) == OK);
	ask_run(&b, "{\"name\":\"late\",\"upstream\":\"unix:/m\","
		    "\"listen\":\"https://127.0.0.1:0\"}");
	workloads_stop(b.set, note_stopped, &b);
	CHECK(b.code == E_UNAVAIL); /* the late one */
	CHECK(run(&b, "{\"name\":\"n\",\"upstream\":\"unix:/m\"}") ==
	      E_UNAVAIL);
	while (!b.stopped && clock_mono_ms() < end)
		loop_run_once(b.loop, 20);
	CHECK(b.stopped);
	CHECK(op(&b, WORKER_GET, "m") == OK);
	CHECK(says(&b, "\"state\":\"stopped\""));
}

TEST(there_is_a_limit)
{
	auto_bench struct bench b;
	char json[256];

	bench_open(&b, good);
	lease(&b);
	for (unsigned i = 0; i < WORKLOADS_MAX; i++) {
		(void)snprintf(json, sizeof(json),
			       "{\"name\":\"m%u\",\"upstream\":\"unix:/m\","
			       "\"listen\":\"https://127.0.0.1:0\"}",
			       i);
		ask_run(&b, json);
	}
	CHECK(b.outcomes == 0);
	ask_run(&b, UPSTREAM);
	CHECK(b.outcomes == 1 && b.code == E_UNAVAIL);
}

/* ---- with a sandbox ----------------------------------------------------- */

#define SANDBOX(command)                                      \
	"{\"name\":\"m\",\"port\":8000,\"command\":[" command \
	"],\"listen\":\"https://127.0.0.1:0\"}"

/* Whether it could be tried at all here. */
static bool no_sandbox(const struct bench *b)
{
	return b->code == E_PERM || b->code == E_UNAVAIL;
}

TEST(a_sandbox_and_its_proxy_run_and_end_together)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	if (getenv("CONFD") == NULL)
		SKIP("$CONFD is not set");
	b.by.logs = MANIFEST_LOGS_PLAIN;
	lease(&b);
	enum status s = run(&b, SANDBOX("\"/bin/sh\",\"-c\","
					"\"echo hello; exec sleep 100\""));
	if (no_sandbox(&b))
		SKIP("no sandboxes on this machine");
	CHECK(s == OK);
	CHECK(says(&b, "\"state\":\"running\""));
	CHECK(printed(&b, S("hello")));
	CHECK(op(&b, WORKER_STOP, "m") == OK);
	CHECK(says(&b, "\"state\":\"stopped\""));
	CHECK(printed(&b, S("hello"))); /* still */
	CHECK(op(&b, WORKER_START, "m") == OK);
	CHECK(op(&b, WORKER_REMOVE, "m") == OK);
}

TEST(a_workload_that_ends_takes_its_proxy_along)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	if (getenv("CONFD") == NULL)
		SKIP("$CONFD is not set");
	lease(&b);
	enum status s =
		run(&b, SANDBOX("\"/bin/sh\",\"-c\",\"sleep 0.3; exit 7\""));
	if (no_sandbox(&b))
		SKIP("no sandboxes on this machine");
	CHECK(s == OK);
	CHECK(becomes(&b, "\"state\":\"failed\""));
	CHECK(says(&b, "\"end\":\"error\""));
	CHECK(op(&b, WORKER_LOGS, "m") == OK);
}

TEST(without_logs_in_the_manifest_nothing_is_kept)
{
	auto_bench struct bench b;

	bench_open(&b, good);
	if (getenv("CONFD") == NULL)
		SKIP("$CONFD is not set");
	lease(&b);
	enum status s = run(&b, SANDBOX("\"/bin/sh\",\"-c\","
					"\"echo hello; sleep 0.2\""));
	if (no_sandbox(&b))
		SKIP("no sandboxes on this machine");
	CHECK(s == OK);
	CHECK(becomes(&b, "\"state\":\"stopped\"")); /* by itself */
	CHECK(op(&b, WORKER_LOGS, "m") == OK);
	CHECK(slice_search(buf_slice(&b.answer), S("hello")) == b.answer.len);
}

TEST(a_command_that_cannot_run_is_no_success)
{
	auto_bench struct bench b;

	/* The proxy serves a moment later, so the end is seen first. */
	bench_open(&b, "/bin/sleep 1\n" SAY_READY "exec /bin/cat <&3 >chan\n");
	if (getenv("CONFD") == NULL)
		SKIP("$CONFD is not set");
	lease(&b);
	enum status s = run(&b, SANDBOX("\"/bin/none\""));
	if (no_sandbox(&b))
		SKIP("no sandboxes on this machine");
	CHECK(s == E_CONFLICT);
	CHECK(says(&b, "not-run"));
	CHECK(op(&b, WORKER_GET, "m") == E_NOTFOUND);
}
