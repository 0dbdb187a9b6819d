#include "attest/tee/gpu_device.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#include "attest/tee/gpu_report.h"
#include "core/cleanup.h"
#include "core/io/proc.h"
#include "core/json.h"
#include "core/text.h"

#define VERSION 1
#define CHUNK 4096
#define PEM_BEGIN S("-----BEGIN CERTIFICATE-----")

static_assert(GPU_DEVICE_NONCE_LEN == GPU_NONCE_LEN, "one nonce");

/* ---- What it wrote ---- */

static enum status read_report(const struct json *j, const uint8_t *nonce,
			       struct buf *out, struct err *err)
{
	auto_buf struct buf raw = buf_make(GPU_REPORT_MAX);
	struct gpu_report r;

	TRY(json_want_base64(j, "report", &raw, err));
	if (gpu_report_parse(buf_slice(&raw), &r, err) != OK)
		return err_wrap(err, "%s.report", json_path(j));
	if (memcmp(r.nonce, nonce, GPU_NONCE_LEN) != 0)
		return err_set(err, E_CONFLICT,
			       "%s.report: expected our nonce in it, found "
			       "another",
			       json_path(j));
	/* Without the rest of the driver's buffer. */
	*out = buf_make(EVIDENCE_REPORT_MAX);
	buf_put(out, slice_sub(buf_slice(&raw), 0, raw.len - r.padding));
	return buf_check(out, "GPU report", err);
}

static enum status read_chain(const struct json *j, struct buf *out,
			      struct err *err)
{
	struct slice text;

	TRY(json_want_str(j, "chain", &text, err));
	if (!slice_starts(text, PEM_BEGIN))
		return err_set(err, E_PARSE,
			       "%s.chain: expected certificates in PEM, found "
			       "other text",
			       json_path(j));
	*out = buf_make(EVIDENCE_TEXT_MAX);
	buf_put(out, text);
	return buf_check(out, "GPU chain", err);
}

static enum status read_arch(const struct json *j, char **out, struct err *err)
{
	struct slice name;

	TRY(json_want_str(j, "arch", &name, err));
	if (!text_is_name(name))
		return err_set(err, E_PARSE,
			       "%s.arch: expected a name, found other text",
			       json_path(j));
	*out = mem_must(name.len + 1);
	memcpy(*out, name.p, name.len);
	return OK;
}

static enum status read_rims(const struct json *j, struct evidence_texts *out,
			     struct err *err)
{
	const struct json *rims = json_get(j, "rims");

	if (rims == NULL)
		return OK;
	TRY(json_want(rims, JSON_OBJECT, err));
	for (const struct json *m = json_first(rims); m != NULL;
	     m = json_next(m)) {
		TRY(json_want(m, JSON_STRING, err));
		TRY(evidence_add_text(out, json_name(m), json_str(m), err));
	}
	return OK;
}

static enum status read_gpu(const struct json *j, const uint8_t *nonce,
			    struct evidence_gpu *g, struct err *err)
{
	static const char *const names[] = { "arch", "report", "chain",
					     "rims" };

	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_only(j, names, countof(names), err));
	TRY(read_arch(j, &g->arch, err));
	TRY(read_report(j, nonce, &g->report, err));
	TRY(read_chain(j, &g->chain, err));
	return read_rims(j, &g->rims, err);
}

static enum status read_gpus(const struct json *list, const uint8_t *nonce,
			     struct evidence *e, struct err *err)
{
	size_t n = json_count(list);

	if (n == 0)
		return err_set(err, E_NOTFOUND,
			       "expected the GPUs of this machine, found "
			       "none");
	if (n > EVIDENCE_GPUS_MAX)
		return err_set(err, E_LIMIT,
			       "expected at most %d GPUs, found %zu",
			       EVIDENCE_GPUS_MAX, n);
	e->gpu = mem_must(n * sizeof(*e->gpu));
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j))
		TRY(read_gpu(j, nonce, &e->gpu[e->n_gpus++], err));
	return OK;
}

enum status gpu_device_parse(struct slice text,
			     const uint8_t nonce[static GPU_DEVICE_NONCE_LEN],
			     struct evidence *out, struct err *err)
{
	static const char *const names[] = { "v", "gpus" };
	auto_json struct json *root = NULL;
	auto_evidence struct evidence e;
	const struct json *list;
	uint64_t version;

	evidence_init(&e);
	TRY(json_parse(text, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	TRY(json_only(root, names, countof(names), err));
	TRY(json_want_u64(root, "v", VERSION, VERSION, &version, err));
	TRY(json_want_member(root, "gpus", JSON_ARRAY, &list, err));
	TRY(read_gpus(list, nonce, &e, err));
	out->n_gpus = e.n_gpus;
	out->gpu = take(e.gpu);
	e.n_gpus = 0;
	return OK;
}

/* ---- Running it ---- */

struct run {
	struct loop *loop;
	struct loop_fd *output;
	int fd; /* the reading end of its standard output */
	struct buf text;
	int wait_status;
	bool ended, late, failed;
};

/* All that is there now; false at its end. */
static bool drain(struct run *r)
{
	uint8_t chunk[CHUNK];
	ssize_t n;

	while ((n = read(r->fd, chunk, sizeof(chunk))) > 0 && !r->text.bad)
		buf_put(&r->text, slice_make(chunk, (size_t)n));
	r->failed |= n < 0 && errno != EAGAIN && errno != EINTR;
	return n != 0;
}

static void on_output(void *ctx, unsigned what)
{
	struct run *r = ctx;

	(void)what;
	if (!drain(r))
		loop_fd_want(r->output, 0); /* now only its exit counts */
	if (r->text.bad || r->failed)
		loop_stop(r->loop);
}

static void on_exited(void *ctx, int wait_status)
{
	struct run *r = ctx;

	r->ended = true;
	r->wait_status = wait_status;
	loop_stop(r->loop);
}

static void on_late(void *ctx)
{
	struct run *r = ctx;

	r->late = true;
	loop_stop(r->loop);
}

/* Until it ended, or has to. */
static void attend(struct run *r, int64_t ms)
{
	struct loop_timer *timer = loop_timer_new(r->loop, on_late, r);

	r->output = loop_fd_new(r->loop, r->fd, on_output, r);
	loop_timer_arm(timer, ms);
	loop_fd_want(r->output, LOOP_READ);
	loop_run(r->loop);
	if (r->ended)
		(void)drain(r); /* what it wrote last */
	loop_fd_free(r->output);
	loop_timer_free(timer);
}

static enum status judge(const struct run *r, const char *helper, int64_t ms,
			 struct err *err)
{
	TRY(buf_check(&r->text, helper, err));
	if (r->late)
		return err_set(err, E_UNAVAIL,
			       "%s: expected it to end within %lld ms", helper,
			       (long long)ms);
	if (r->failed)
		return err_set(err, E_IO, "%s: cannot read its output", helper);
	if (WIFSIGNALED(r->wait_status))
		return err_set(err, E_IO, "%s: ended by signal %d", helper,
			       WTERMSIG(r->wait_status));
	if (WEXITSTATUS(r->wait_status) != 0)
		return err_set(err, E_IO,
			       "%s: expected exit status 0, found %d: what it "
			       "said is in the log",
			       helper, WEXITSTATUS(r->wait_status));
	return OK;
}

/* Start it, and hold the reading end alone. */
static enum status start(struct run *r, const char *helper,
			 const uint8_t *nonce, struct proc **out,
			 struct err *err)
{
	char hex[2 * GPU_DEVICE_NONCE_LEN + 1];
	const char *const argv[] = { helper, "--nonce", hex, NULL };
	int fds[2];

	text_hex_into(hex, sizeof(hex),
		      slice_make(nonce, GPU_DEVICE_NONCE_LEN));
	if (pipe2(fds, O_CLOEXEC) < 0)
		return err_errno(err, "%s: pipe", helper);
	r->fd = fds[0];
	auto_fd int writing = fds[1];
	if (fcntl(r->fd, F_SETFL, O_NONBLOCK) < 0)
		return err_errno(err, "%s: pipe", helper);
	const struct proc_spec spec = {
		.path = helper, .argv = argv, .out_fd = writing, .err_fd = -1
	};
	return proc_start(r->loop, &spec, on_exited, r, out, err);
}

static void run_done(struct run *r)
{
	buf_done(&r->text);
	cleanup_fd(&r->fd);
	loop_free(r->loop);
}
#define auto_run __attribute__((cleanup(run_done)))

enum status gpu_device_check(const struct gpu_device_settings *s,
			     struct err *err)
{
	if (s->helper == NULL)
		return err_set(err, E_NOTFOUND,
			       "no GPUs: no helper is named for them");
	if (s->helper[0] != '/')
		return err_set(err, E_CONF,
			       "GPU helper %s: expected a path from the root",
			       s->helper);
	if (access(s->helper, X_OK) == 0)
		return OK;
	return err_set(err, E_CONF,
		       "GPU helper %s: expected a program, found: %s",
		       s->helper, strerror(errno));
}

enum status gpu_device_issue(const struct gpu_device_settings *s,
			     const uint8_t nonce[static GPU_DEVICE_NONCE_LEN],
			     struct evidence *out, struct err *err)
{
	auto_run struct run r = { .fd = -1,
				  .text = buf_make(GPU_DEVICE_OUTPUT_MAX) };
	int64_t ms = s->timeout_ms > 0 ? s->timeout_ms : GPU_DEVICE_TIMEOUT_MS;
	struct proc *p = NULL;

	TRY(gpu_device_check(s, err));
	TRY(loop_new(&r.loop, err));
	TRY(start(&r, s->helper, nonce, &p, err));
	attend(&r, ms);
	proc_free(p); /* kills it where it still runs */
	TRY(judge(&r, s->helper, ms, err));
	if (gpu_device_parse(buf_slice(&r.text), nonce, out, err) != OK)
		return err_wrap(err, "%s", s->helper);
	return OK;
}
