#include "attest/tee/gpu_device.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "core/cleanup.h"
#include "core/clock.h"
#include "core/file.h"
#include "core/json.h"
#include "core/text.h"
#include "sandbox/confine.h"
#include "test/attest/tee/gpu_forge.h"
#include "test/attest/vectors/gpu_vectors.h"
#include "test/test.h"

#define TEXT_MAX (2u << 20)

/* ---- A machine with GPUs ---- */

/* Forged once; a report of a nonce is made for each test. */
static struct gpu_forge vendor;
static struct gpu_forge_device device[2];
static const uint8_t nonce[32] = { 0xda, 1, 2, [31] = 0xad };

static void make_devices(void)
{
	static bool made;

	if (made)
		return;
	gpu_forge_make(GPU_FORGE_GH100, &vendor);
	for (uint8_t i = 0; i < countof(device); i++)
		gpu_forge_device(&vendor, (uint8_t)(i + 1), &device[i]);
	made = true;
}

static void make_report(size_t i, const uint8_t *of, struct buf *out)
{
	make_devices();
	struct gpu_forge_report r = gpu_forge_plain(&device[i]);

	memcpy(r.nonce, of, sizeof(r.nonce));
	gpu_forge_report(&device[i], &r, out);
}

/* One member of the helper's list; NULL leaves a member out. */
struct said {
	const char *arch;
	struct slice report, chain;
	const char *rims; /* JSON */
	const char *more; /* a member's name */
};

static void put_said(struct json_out *w, const struct said *s)
{
	json_open_object(w, NULL);
	if (s->arch != NULL)
		json_put_cstr(w, "arch", s->arch);
	json_put_base64(w, "report", s->report);
	json_put_str(w, "chain", s->chain);
	if (s->rims != NULL)
		json_put_raw(w, "rims", slice_str(s->rims));
	if (s->more != NULL)
		json_put_u64(w, s->more, 1);
	json_close_object(w);
}

static void put_all(const struct said *s, size_t n, struct buf *out)
{
	struct json_out w = { .buf = out };

	json_open_object(&w, NULL);
	json_put_u64(&w, "v", 1);
	json_open_array(&w, "gpus");
	for (size_t i = 0; i < n; i++)
		put_said(&w, &s[i]);
	json_close_array(&w);
	json_close_object(&w);
}

/* A helper: a shell script of this line, beside a file "out" with text. */
static void make_helper(const char *line, struct slice text, char path[512])
{
	char script[2048], out[512];
	struct err err;

	(void)snprintf(out, sizeof(out), "%s/out", test_dir());
	(void)snprintf(path, 512, "%s/helper", test_dir());
	(void)snprintf(script, sizeof(script), "#!/bin/sh\ndir=%s\n%s\n",
		       test_dir(), line);
	EXPECT(file_write(out, text, 0600, &err) == OK);
	EXPECT(file_write(path, slice_str(script), 0700, &err) == OK);
}

static enum status issue(const char *line, struct slice text, int64_t ms,
			 struct evidence *e, struct err *err)
{
	char path[512];
	const struct gpu_device_settings s = { .helper = path,
					       .timeout_ms = ms };

	make_helper(line, text, path);
	return gpu_device_issue(&s, nonce, e, err);
}

#define CAT "cat $dir/out"

/* ---- Issuing ---- */

TEST(issues_what_a_verifier_takes)
{
	auto_evidence struct evidence e;
	auto_buf struct buf text = buf_make(TEXT_MAX);
	struct buf report[2] = { buf_make(TEXT_MAX), buf_make(TEXT_MAX) };
	struct said said[2] = { 0 };
	struct err err;

	evidence_init(&e);
	for (size_t i = 0; i < 2; i++) {
		make_report(i, nonce, &report[i]);
		buf_put(&report[i], S("\0\0\0")); /* the driver's buffer */
		said[i] = (struct said){ .arch = "hopper",
					 .report = buf_slice(&report[i]),
					 .chain = buf_slice(&device[i].chain) };
	}
	said[1].rims = "{\"driver\":\"<x/>\"}";
	put_all(said, 2, &text);
	CHECK(issue(CAT, buf_slice(&text), 0, &e, &err) == OK);
	CHECK_EQ_U64(e.n_gpus, 2);
	for (size_t i = 0; i < 2; i++) {
		auto_trace struct trace t = { 0 };
		struct gpu_claims claims;
		struct gpu_case c = gpu_forge_case(&vendor, &device[i],
						   &e.gpu[i].report, nonce);

		c.chain = buf_slice(&e.gpu[i].chain);
		CHECK(gpu_verify(&c, &t, &claims, &err) == OK);
		CHECK_STR_EQ(e.gpu[i].arch, "hopper");
		CHECK_EQ_U64(e.gpu[i].report.len, report[i].len - 3);
		CHECK_EQ_U64(e.gpu[i].rims.n, i);
		buf_done(&report[i]);
	}
	CHECK(slice_eq_str(evidence_text(&e.gpu[1].rims, "driver"), "<x/>"));
}

TEST(tells_the_helper_the_nonce_and_nothing_else)
{
	auto_evidence struct evidence e;
	auto_buf struct buf said = buf_make(TEXT_MAX);
	char hex[65], path[512], expected[128];
	struct err err;

	evidence_init(&e);
	CHECK(issue("{ echo \"$# $1 $2\"; env | grep -v -e ^PWD= -e ^_= "
		    "-e ^SHLVL= -e ^OLDPWD=; cat; ls /proc/$$/fd; } "
		    ">$dir/said; exit 3",
		    S(""), 0, &e, &err) == E_IO);
	CHECK(strstr(err.text, "found 3") != NULL);
	(void)snprintf(path, sizeof(path), "%s/said", test_dir());
	CHECK(file_read(path, &said, &err) == OK);
	text_hex_into(hex, sizeof(hex), slice_of(nonce));
	(void)snprintf(expected, sizeof(expected), "2 --nonce %s\n", hex);
	CHECK(slice_starts(buf_slice(&said), slice_str(expected)));
	/* Behind it: the descriptors 0, 1, 2 and those of the shell. */
	struct slice rest = slice_from(buf_slice(&said), strlen(expected));
	CHECK(slice_starts(rest, S("0\n1\n")));
}

TEST(ignores_what_a_helper_wrote_that_failed)
{
	static const struct {
		const char *line;
		enum status status;
		const char *text; /* in the error */
	} rows[] = {
		{ CAT "; exit 1", E_IO, "found 1" },
		{ CAT "; kill -9 $$", E_IO, "signal 9" },
		{ "exit 0", E_PARSE, "" },
		{ CAT "; " CAT, E_PARSE, "" },
		{ CAT "; echo x", E_PARSE, "" },
		{ "while :; do " CAT "; done", E_LIMIT, "" },
		{ "exec 1>&-; exit 4", E_IO, "found 4" },
	};
	auto_buf struct buf report = buf_make(TEXT_MAX);
	auto_buf struct buf text = buf_make(TEXT_MAX);
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	make_report(0, nonce, &report);
	const struct said said = { .arch = "hopper",
				   .report = buf_slice(&report),
				   .chain = buf_slice(&device[0].chain) };
	put_all(&said, 1, &text);
	for (size_t i = 0; i < countof(rows); i++) {
		CHECK_EQ_U64(issue(rows[i].line, buf_slice(&text), 0, &e, &err),
			     rows[i].status);
		CHECK(strstr(err.text, rows[i].text) != NULL);
		CHECK(e.n_gpus == 0 && e.gpu == NULL);
	}
}

TEST(does_not_wait_for_ever)
{
	static const char *const lines[] = { "exec sleep 100",
					     "exec 1>&-; exec sleep 100",
					     CAT "; exec sleep 100" };
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	for (size_t i = 0; i < countof(lines); i++) {
		int64_t start = clock_mono_ms();

		CHECK(issue(lines[i], S("{}"), 100, &e, &err) == E_UNAVAIL);
		CHECK(clock_mono_ms() - start < 20000);
		CHECK_EQ_U64(e.n_gpus, 0);
	}
}

TEST(does_not_wait_for_what_a_helper_leaves_behind)
{
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	CHECK(issue("sleep 3 & " CAT "; exit 0", S("{}"), 60000, &e, &err) ==
	      E_PARSE);
}

TEST(wants_a_program_that_can_be_run)
{
	static const char *const helpers[] = { "", "helper", "/nonexistent",
					       "/dev/null" };
	struct gpu_device_settings s = { 0 };
	auto_evidence struct evidence e;
	struct err err;

	evidence_init(&e);
	CHECK(gpu_device_check(&s, &err) == E_NOTFOUND);
	CHECK(gpu_device_issue(&s, nonce, &e, &err) == E_NOTFOUND);
	for (size_t i = 0; i < countof(helpers); i++) {
		s.helper = helpers[i];
		CHECK(gpu_device_check(&s, &err) == E_CONF);
		CHECK(gpu_device_issue(&s, nonce, &e, &err) == E_CONF);
	}
	/* A directory passes for a program until it is started. */
	s.helper = test_dir();
	CHECK(gpu_device_issue(&s, nonce, &e, &err) == E_PERM);
	CHECK_EQ_U64(e.n_gpus, 0);
}

/* Exits with 0 when a worker's keeper can ask. */
static void issue_confined(void *text)
{
	struct evidence e;
	struct err err;

	evidence_init(&e);
	if (confine(PROFILE_WORKER_KEEPER, NULL, 0, &err) != OK)
		_exit(2);
	enum status status = issue(CAT, *(struct slice *)text, 0, &e, &err);
	_exit(status != OK || e.n_gpus != 1);
}

TEST(issues_in_the_confinement_of_a_worker)
{
	auto_buf struct buf report = buf_make(TEXT_MAX);
	auto_buf struct buf text = buf_make(TEXT_MAX);

	make_report(0, nonce, &report);
	const struct said said = { .arch = "hopper",
				   .report = buf_slice(&report),
				   .chain = buf_slice(&device[0].chain) };
	put_all(&said, 1, &text);
	struct slice whole = buf_slice(&text);
	(void)test_dir(); /* ours, not the child's */
	CHECK(test_signal_of(issue_confined, &whole) == 0);
}

/* ---- Parsing ---- */

static enum status parse(const struct said *s, size_t n, struct err *err)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);
	auto_evidence struct evidence e;

	evidence_init(&e);
	put_all(s, n, &text);
	enum status status = gpu_device_parse(buf_slice(&text), nonce, &e, err);
	EXPECT((status == OK) == (e.n_gpus > 0));
	return status;
}

TEST(takes_as_many_gpus_as_evidence_has)
{
	auto_buf struct buf report = buf_make(TEXT_MAX);
	struct said said[EVIDENCE_GPUS_MAX + 1];
	struct err err;

	make_report(0, nonce, &report);
	for (size_t i = 0; i < countof(said); i++)
		said[i] = (struct said){ .arch = "hopper",
					 .report = buf_slice(&report),
					 .chain = S("-----BEGIN CERTIFICATE"
						    "-----\n") };
	CHECK(parse(said, 0, &err) == E_NOTFOUND);
	CHECK(parse(said, EVIDENCE_GPUS_MAX, &err) == OK);
	CHECK(parse(said, countof(said), &err) == E_LIMIT);
}

TEST(refuses_members_of_another_form)
{
	auto_buf struct buf report = buf_make(TEXT_MAX);
	auto_buf struct buf other = buf_make(TEXT_MAX);
	uint8_t stale[32] = { 1 };
	static const uint8_t large[GPU_REPORT_MAX + 1];
	struct err err;

	make_report(0, nonce, &report);
	make_report(0, stale, &other);
	struct slice whole = buf_slice(&report);
	const struct said good = { .arch = "hopper",
				   .report = whole,
				   .chain = buf_slice(&device[0].chain) };
	struct said bad[12];
	for (size_t i = 0; i < countof(bad); i++)
		bad[i] = good;
	CHECK(parse(&good, 1, &err) == OK);

	size_t n = 0;
	bad[n++].arch = NULL;
	bad[n++].arch = "Hopper!";
	bad[n++].arch = "";
	bad[n++].report = (struct slice){ 0 };
	bad[n++].report = slice_sub(whole, 0, whole.len - 1);
	bad[n++].chain = (struct slice){ 0 };
	bad[n++].chain = S("-----BEGIN PRIVATE KEY-----\n");
	bad[n++].more = "uuid";
	bad[n++].rims = "[]";
	bad[n++].rims = "{\"driver\":1}";
	bad[n++].rims = "{\"Driver\":\"\"}";
	bad[n++].rims = "{\"a\":\"\\u0000\"}";
	for (size_t i = 0; i < n; i++) {
		const struct said both[] = { good, bad[i] };

		CHECK(parse(both, 2, &err) == E_PARSE);
	}
	bad[0] = good;
	bad[0].report = slice_of(large);
	CHECK(parse(bad, 1, &err) == E_LIMIT);
	bad[0].report = buf_slice(&other);
	CHECK(parse(bad, 1, &err) == E_CONFLICT);
	CHECK(strstr(err.text, "gpus[0].report") != NULL);
}

TEST(refuses_texts_of_another_form)
{
	static const char *const texts[] = {
		"",
		"[]",
		"{}",
		"{\"v\":1}",
		"{\"gpus\":[]}",
		"{\"v\":2,\"gpus\":[]}",
		"{\"v\":\"1\",\"gpus\":[]}",
		"{\"v\":1,\"gpus\":{}}",
		"{\"v\":1,\"gpus\":[1]}",
		"{\"v\":1,\"gpus\":[{}]}",
		"{\"v\":1,\"gpus\":[],\"error\":\"\"}",
		"{\"v\":1,\"v\":1,\"gpus\":[]}",
	};

	for (size_t i = 0; i < countof(texts); i++) {
		auto_evidence struct evidence e;
		struct err err;

		evidence_init(&e);
		CHECK(gpu_device_parse(slice_str(texts[i]), nonce, &e, &err) ==
		      E_PARSE);
		CHECK(e.n_gpus == 0 && e.gpu == NULL);
	}
}

/* ---- Genuine ones ---- */

static void issue_vector(struct gpu_vector *v)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);
	auto_evidence struct evidence e;
	struct gpu_report r;
	struct err err;
	char path[512];
	const struct gpu_device_settings s = { .helper = path };
	const struct said said = { .arch = "hopper",
				   .report = buf_slice(&v->report),
				   .chain = buf_slice(&v->chain) };

	evidence_init(&e);
	if (gpu_report_parse(said.report, &r, &err) != OK)
		return;
	put_all(&said, 1, &text);
	make_helper(CAT, buf_slice(&text), path);
	if (!EXPECT(gpu_device_issue(&s, r.nonce, &e, &err) == OK)) {
		printf("%s: %s\n", v->name, err.text);
		return;
	}
	EXPECT(slice_eq(buf_slice(&e.gpu[0].report),
			slice_sub(said.report, 0,
				  said.report.len - r.padding)));
	EXPECT(slice_eq(buf_slice(&e.gpu[0].chain), said.chain));
}

TEST(gives_genuine_reports_as_they_are)
{
	if (gpu_vectors_folder() == NULL)
		SKIP("no vectors");
	CHECK(gpu_vectors_each(issue_vector) > 0);
}

/* ---- The helper for NVML ---- */

TEST(understands_the_helper_for_nvml)
{
	const char *build = getenv("BUILD") == NULL ? "build" : getenv("BUILD");
	char helper[512], library[512], line[2048], path[512];
	auto_evidence struct evidence e;
	auto_buf struct buf report = buf_make(TEXT_MAX);
	uint8_t other[32] = { 0 };
	struct err err;

	evidence_init(&e);
	(void)snprintf(helper, sizeof(helper), "%s/confd-gpu-helper", build);
	(void)snprintf(library, sizeof(library), "%s/test/fake/nvml.so", build);
	if (access(helper, X_OK) < 0 || access(library, R_OK) < 0)
		SKIP("no helper for NVML is built");

	/* Signed for our nonce, which the library puts in once more. */
	make_report(0, nonce, &report);
	(void)snprintf(path, sizeof(path), "%s/0.report", test_dir());
	CHECK(file_write(path, buf_slice(&report), 0600, &err) == OK);
	(void)snprintf(path, sizeof(path), "%s/0.chain", test_dir());
	CHECK(file_write(path, buf_slice(&device[0].chain), 0600, &err) == OK);
	(void)snprintf(line, sizeof(line),
		       "FAKE_NVML=$dir exec %s --library %s \"$@\"", helper,
		       library);
	CHECK(issue(line, S(""), 0, &e, &err) == OK);
	CHECK_EQ_U64(e.n_gpus, 1);
	CHECK_STR_EQ(e.gpu[0].arch, "hopper");
	CHECK(slice_eq(buf_slice(&e.gpu[0].report), buf_slice(&report)));
	CHECK(slice_eq(buf_slice(&e.gpu[0].chain),
		       buf_slice(&device[0].chain)));

	make_helper(line, S(""), path);
	const struct gpu_device_settings s = { .helper = path };
	auto_evidence struct evidence again;
	evidence_init(&again);
	CHECK(gpu_device_issue(&s, other, &again, &err) == OK);
	CHECK(memcmp(buf_slice(&again.gpu[0].report).p + 4, other, 32) == 0);
}
