#include "test/attest/vectors/gpu_vectors.h"

#include <dirent.h>
#include <stdarg.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/test.h"

const char *gpu_vectors_folder(void)
{
	static char path[512];
	const char *folder = getenv("CONFD_VECTORS");

	(void)snprintf(path, sizeof(path), "%s/gpu",
		       folder == NULL ? "../shared/vectors" : folder);
	return access(path, R_OK) == 0 ? path : NULL;
}

bool gpu_vectors_read(const char *name, struct buf *out)
{
	char path[1024];
	struct err err;

	(void)snprintf(path, sizeof(path), "%s/%s", gpu_vectors_folder(), name);
	buf_clear(out);
	return file_read(path, out, &err) == OK;
}

struct json *gpu_vectors_json(const char *name)
{
	auto_buf struct buf text = buf_make(GPU_VECTOR_FILE_MAX);
	struct json *j = NULL;
	struct err err;

	if (!EXPECT(gpu_vectors_read(name, &text)) ||
	    !EXPECT(json_parse(buf_slice(&text), &j, &err) == OK))
		printf("%s\n", name);
	return j;
}

int64_t gpu_vectors_time(struct slice text)
{
	char copy[TEXT_TIME_SIZE] = { 0 };
	int64_t at = 0;
	struct err err;

	(void)snprintf(copy, sizeof(copy), "%.*sZ",
		       SLICE_FMT(slice_sub(text, 0, 19)));
	copy[10] = 'T';
	EXPECT(text_untime(slice_str(copy), &at, &err) == OK);
	return at;
}

const struct json *gpu_vectors_at(const struct json *j, ...)
{
	const char *name;
	va_list ap;

	va_start(ap, j);
	while (j != NULL && (name = va_arg(ap, const char *)) != NULL)
		j = json_kind(j) == JSON_OBJECT ? json_get(j, name) : NULL;
	va_end(ap);
	return j;
}

bool gpu_vectors_load(const char *name, struct gpu_vector *v)
{
	const struct {
		const char *file;
		struct buf *to;
	} files[] = {
		{ "report.bin", &v->report },
		{ "gpu_cert_chain.pem", &v->chain },
		{ "driver_rim.xml", &v->driver_rim },
		{ "vbios_rim.xml", &v->vbios_rim },
	};
	char path[512];
	struct err err;

	*v = (struct gpu_vector){ 0 };
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	for (size_t i = 0; i < countof(files); i++) {
		*files[i].to = buf_make(GPU_VECTOR_FILE_MAX);
		(void)snprintf(path, sizeof(path), "%s/%s", name,
			       files[i].file);
		(void)gpu_vectors_read(path, files[i].to);
	}
	(void)snprintf(path, sizeof(path), "%s/case.json", name);
	v->json = gpu_vectors_json(path);
	if (v->json == NULL)
		return false;
	v->now = gpu_vectors_time(
		json_str(json_get(v->json, "verification_time")));
	return EXPECT(json_want_hex(v->json, "nonce", v->nonce,
				    sizeof(v->nonce), &err) == OK);
}

void gpu_vectors_done(struct gpu_vector *v)
{
	json_free(v->json);
	buf_done(&v->report);
	buf_done(&v->chain);
	buf_done(&v->driver_rim);
	buf_done(&v->vbios_rim);
}

static int is_case(const struct dirent *e)
{
	return e->d_name[0] != '.' && e->d_name[0] != '_' &&
	       strchr(e->d_name, '.') != strrchr(e->d_name, '\0') &&
	       strcmp(e->d_name, "NEGATIVE_RULES.json") != 0;
}

size_t gpu_vectors_each(void (*fn)(struct gpu_vector *v))
{
	struct dirent **list = NULL;
	int n = scandir(gpu_vectors_folder(), &list, is_case, alphasort);

	for (int i = 0; i < n; i++) {
		auto_gpu_vector struct gpu_vector v = { 0 };

		if (gpu_vectors_load(list[i]->d_name, &v))
			fn(&v);
		free(list[i]);
	}
	free(list);
	return n < 0 ? 0 : (size_t)n;
}

struct gpu_case gpu_vectors_case(const struct gpu_vector *v)
{
	return (struct gpu_case){
		.report = buf_slice(&v->report),
		.chain = buf_slice(&v->chain),
		.driver_rim = buf_slice(&v->driver_rim),
		.vbios_rim = buf_slice(&v->vbios_rim),
		.nonce = v->nonce,
		.now = v->now,
	};
}

enum status gpu_vectors_verify(const struct gpu_vector *v, struct trace *t,
			       struct gpu_claims *claims)
{
	struct gpu_case c = gpu_vectors_case(v);
	struct gpu_claims own;
	struct err err;

	return gpu_verify(&c, t, claims == NULL ? &own : claims, &err);
}

/* clang-format off */
/* Which steps a reason code of the vectors stands for; * for any. */
static const struct {
	const char *code, *step;
} reasons[] = {
	{ "FORMAT", "gpu.report.form" },
	{ "FORMAT", "gpu.driver_rim.form" },
	{ "FORMAT", "gpu.vbios_rim.form" },
	{ "REPORT_SIGNATURE", "gpu.report.signature" },
	{ "NONCE_MISMATCH", "gpu.report.nonce" },
	{ "FWID_MISMATCH", "gpu.report.fwid" },
	{ "GPU_CHAIN_LENGTH", "gpu.chain.form" },
	{ "GPU_CHAIN_LENGTH or accept with local root", "gpu.chain.form" },
	{ "GPU_CHAIN", "gpu.chain.form" },
	{ "GPU_CHAIN", "gpu.chain.root" },
	{ "GPU_CHAIN", "gpu.chain.signatures" },
	{ "GPU_CHAIN", "gpu.chain.device" },
	{ "MEASUREMENT_MISMATCH", "gpu.measurements" },
	{ "DRIVER_RIM_SIGNATURE", "gpu.driver_rim.signature" },
	{ "VBIOS_RIM_SIGNATURE", "gpu.vbios_rim.signature" },
	/* A signature that was taken away is a form that is not there. */
	{ "RIM_SIGNATURE", "gpu.driver_rim.signature" },
	{ "RIM_SIGNATURE", "gpu.vbios_rim.signature" },
	{ "RIM_SIGNATURE", "gpu.driver_rim.form" },
	{ "RIM_SIGNATURE", "gpu.vbios_rim.form" },
	{ "RIM_VERSION", "gpu.driver_rim.version" },
	{ "RIM_VERSION", "gpu.vbios_rim.version" },
	{ "RIM_CHAIN", "gpu.driver_rim.chain" },
	{ "RIM_CHAIN", "gpu.vbios_rim.chain" },
	{ "RIM_CERT_TIME", "gpu.driver_rim.validity" },
	{ "RIM_CERT_TIME", "gpu.vbios_rim.validity" },
};
/* clang-format on */

static bool stands_for(struct slice code, const char *step)
{
	for (size_t i = 0; i < countof(reasons); i++)
		if (slice_eq_str(code, reasons[i].code) &&
		    strcmp(step, reasons[i].step) == 0)
			return true;
	return false;
}

bool gpu_vectors_explains(const struct json *codes, const struct trace *t)
{
	for (size_t i = 0; i < t->n; i++)
		for (const struct json *c = json_first(codes); c != NULL;
		     c = json_next(c))
			if (t->step[i].outcome == TRACE_FAILED &&
			    stands_for(json_str(c), t->step[i].rule->step))
				return true;
	return false;
}
