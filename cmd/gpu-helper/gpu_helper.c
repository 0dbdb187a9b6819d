/* confd-gpu-helper: asks NVIDIA's library for the GPUs' signed reports.
 *
 *	confd-gpu-helper --nonce HEX [--library PATH]
 *
 * A program of its own, and not static: NVML comes with the driver and has to
 * be loaded at run time.  What it writes is defined in gpu_device.h.
 *
 * Source: NVML API reference, Confidential Compute (driver 535 and later). */
#include <dlfcn.h>
#include <stdio.h>

#include "attest/tee/gpu_device.h"
#include "core/cleanup.h"
#include "core/json.h"
#include "core/text.h"

#define LIBRARY "libnvidia-ml.so.1"
#define CHAIN_MAX 0x1400  /* NVML_GPU_ATTESTATION_CERT_CHAIN_SIZE */
#define REPORT_MAX 0x2000 /* NVML_CC_GPU_ATTESTATION_REPORT_SIZE */

struct certificate {
	unsigned int certs_len, chain_len;
	uint8_t certs[0x1000], chain[CHAIN_MAX];
};

struct report {
	unsigned int has_cec, len, cec_len;
	uint8_t nonce[GPU_DEVICE_NONCE_LEN];
	uint8_t report[REPORT_MAX], cec_report[0x1000];
};

/* Its functions; they return 0 or a number that text() explains. */
struct nvml {
	int (*init)(void);
	int (*shutdown)(void);
	const char *(*text)(int rc);
	int (*count)(unsigned int *n);
	int (*handle)(unsigned int i, void **gpu);
	int (*arch)(void *gpu, unsigned int *arch);
	int (*chain)(void *gpu, struct certificate *c);
	int (*report)(void *gpu, struct report *r);
};

/* clang-format off */
#define FUNCTION(m, symbol) { offsetof(struct nvml, m), symbol }
static const struct { size_t at; const char *symbol; } functions[] = {
	FUNCTION(init, "nvmlInit_v2"),
	FUNCTION(shutdown, "nvmlShutdown"),
	FUNCTION(text, "nvmlErrorString"),
	FUNCTION(count, "nvmlDeviceGetCount_v2"),
	FUNCTION(handle, "nvmlDeviceGetHandleByIndex_v2"),
	FUNCTION(arch, "nvmlDeviceGetArchitecture"),
	FUNCTION(chain, "nvmlDeviceGetConfComputeGpuCertificate"),
	FUNCTION(report, "nvmlDeviceGetConfComputeGpuAttestationReport"),
};

/* NVML_DEVICE_ARCH_*: those that attest. */
static const struct { unsigned int arch; const char *name; } archs[] = {
	{ 9, "hopper" },
	{ 10, "blackwell" },
};
/* clang-format on */

static enum status load(const char *path, struct nvml *out, struct err *err)
{
	void *lib = dlopen(path, RTLD_NOW | RTLD_LOCAL);

	if (lib == NULL)
		return err_set(err, E_NOTFOUND, "cannot load %s: %s", path,
			       dlerror());
	for (size_t i = 0; i < countof(functions); i++) {
		void *f = dlsym(lib, functions[i].symbol);

		if (f == NULL)
			return err_set(err, E_NOTFOUND,
				       "%s has no %s: a driver of 535 or newer "
				       "is needed",
				       path, functions[i].symbol);
		memcpy((uint8_t *)out + functions[i].at, &f, sizeof(f));
	}
	return OK;
}

static enum status check(const struct nvml *nv, int rc, const char *what,
			 struct err *err)
{
	if (rc == 0)
		return OK;
	return err_set(err, E_IO, "%s: %s", what, nv->text(rc));
}

static enum status put_arch(const struct nvml *nv, void *gpu,
			    struct json_out *w, struct err *err)
{
	unsigned int arch = 0;

	TRY(check(nv, nv->arch(gpu, &arch), "architecture", err));
	for (size_t i = 0; i < countof(archs); i++) {
		if (archs[i].arch != arch)
			continue;
		json_put_cstr(w, "arch", archs[i].name);
		return OK;
	}
	return err_set(err, E_NOTFOUND,
		       "architecture: expected Hopper or Blackwell, found %u",
		       arch);
}

static enum status put_report(const struct nvml *nv, void *gpu,
			      const uint8_t *nonce, struct json_out *w,
			      struct err *err)
{
	auto_mem struct report *r = mem_must(sizeof(*r));

	memcpy(r->nonce, nonce, sizeof(r->nonce));
	TRY(check(nv, nv->report(gpu, r), "attestation report", err));
	if (r->len == 0 || r->len > sizeof(r->report))
		return err_set(err, E_PARSE,
			       "attestation report: expected 1 to %zu bytes, "
			       "found %u",
			       sizeof(r->report), r->len);
	json_put_base64(w, "report", slice_make(r->report, r->len));
	return OK;
}

static enum status put_chain(const struct nvml *nv, void *gpu,
			     struct json_out *w, struct err *err)
{
	auto_mem struct certificate *c = mem_must(sizeof(*c));

	TRY(check(nv, nv->chain(gpu, c), "certificates", err));
	if (c->chain_len == 0 || c->chain_len > sizeof(c->chain))
		return err_set(err, E_PARSE,
			       "certificates: expected 1 to %zu bytes, found "
			       "%u",
			       sizeof(c->chain), c->chain_len);
	/* Some drivers count the NUL behind the text. */
	struct slice text = slice_make(c->chain, c->chain_len);
	json_put_str(w, "chain", slice_sub(text, 0, slice_find(text, '\0')));
	return OK;
}

static enum status put_gpu(const struct nvml *nv, unsigned int i,
			   const uint8_t *nonce, struct json_out *w,
			   struct err *err)
{
	void *gpu = NULL;

	TRY(check(nv, nv->handle(i, &gpu), "handle", err));
	json_open_object(w, NULL);
	TRY(put_arch(nv, gpu, w, err));
	TRY(put_report(nv, gpu, nonce, w, err));
	TRY(put_chain(nv, gpu, w, err));
	json_close_object(w);
	return OK;
}

static enum status put_gpus(const struct nvml *nv, const uint8_t *nonce,
			    struct buf *out, struct err *err)
{
	struct json_out w = { .buf = out };
	unsigned int n = 0;

	TRY(check(nv, nv->count(&n), "count of GPUs", err));
	json_open_object(&w, NULL);
	json_put_u64(&w, "v", 1);
	json_open_array(&w, "gpus");
	for (unsigned int i = 0; i < n; i++)
		if (put_gpu(nv, i, nonce, &w, err) != OK)
			return err_wrap(err, "GPU %u", i);
	json_close_array(&w);
	json_close_object(&w);
	return buf_check(out, "evidence of GPUs", err);
}

static enum status ask(const char *library, const uint8_t *nonce,
		       struct err *err)
{
	auto_buf struct buf out = buf_make(GPU_DEVICE_OUTPUT_MAX);
	struct nvml nv = { 0 };

	TRY(load(library, &nv, err));
	TRY(check(&nv, nv.init(), "NVML", err));
	enum status status = put_gpus(&nv, nonce, &out, err);
	(void)nv.shutdown(); /* nothing depends on it */
	TRY(status);
	if (fwrite(buf_slice(&out).p, 1, out.len, stdout) != out.len ||
	    fflush(stdout) != 0)
		return err_errno(err, "standard output");
	return OK;
}

/* One of "--name VALUE"; NULL: not given. */
static const char *option(int argc, char **argv, const char *name)
{
	for (int i = 1; i + 1 < argc; i += 2)
		if (strcmp(argv[i], name) == 0)
			return argv[i + 1];
	return NULL;
}

int main(int argc, char **argv)
{
	const char *nonce = option(argc, argv, "--nonce");
	const char *library = option(argc, argv, "--library");
	uint8_t bytes[GPU_DEVICE_NONCE_LEN];
	struct err err;

	if (nonce == NULL || argc != (library == NULL ? 3 : 5)) {
		fprintf(stderr, "usage: confd-gpu-helper --nonce HEX "
				"[--library PATH]\n");
		return 64;
	}
	enum status status = text_unhex(slice_str(nonce), bytes, sizeof(bytes),
					"--nonce", &err);
	if (status == OK)
		status = ask(library == NULL ? LIBRARY : library, bytes, &err);
	if (status == OK)
		return 0;
	fprintf(stderr, "confd-gpu-helper: %s\n", err.text);
	return status_exit_code(status);
}
