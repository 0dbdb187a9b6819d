/* An NVML that is none: a library of the functions that confd-gpu-helper
 * wants, for as many GPUs as there are files N.report in $FAKE_NVML, each with
 * its N.chain and, where it is no Hopper, the number of its architecture in
 * N.arch.  A report gets the caller's nonce, where a request has it, unless
 * $FAKE_NVML_FIXED is set.  $FAKE_NVML_FAIL names a function that fails. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FAILED 999
#define AT_NONCE 4

struct certificate {
	unsigned int certs_len, chain_len;
	uint8_t certs[0x1000], chain[0x1400];
};

struct report {
	unsigned int has_cec, len, cec_len;
	uint8_t nonce[32];
	uint8_t report[0x2000], cec_report[0x1000];
};

int nvmlInit_v2(void);
int nvmlShutdown(void);
const char *nvmlErrorString(int rc);
int nvmlDeviceGetCount_v2(unsigned int *n);
int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **gpu);
int nvmlDeviceGetArchitecture(void *gpu, unsigned int *arch);
int nvmlDeviceGetConfComputeGpuCertificate(void *gpu, struct certificate *c);
int nvmlDeviceGetConfComputeGpuAttestationReport(void *gpu, struct report *r);

static int fails(const char *function)
{
	const char *name = getenv("FAKE_NVML_FAIL");

	return name != NULL && strcmp(name, function) == 0 ? FAILED : 0;
}

/* Bytes of the file of a GPU, read; 0: it is not there. */
static size_t read_file(size_t gpu, const char *what, void *out, size_t max)
{
	const char *dir = getenv("FAKE_NVML");
	char path[512];

	snprintf(path, sizeof(path), "%s/%zu.%s", dir == NULL ? "." : dir, gpu,
		 what);
	FILE *in = fopen(path, "re");
	if (in == NULL)
		return 0;
	size_t n = fread(out, 1, max, in);
	fclose(in);
	return n;
}

/* Handles are numbers from 1. */
static size_t index_of(const void *gpu)
{
	return (size_t)(uintptr_t)gpu - 1;
}

int nvmlInit_v2(void)
{
	return fails("init");
}

int nvmlShutdown(void)
{
	return 0;
}

const char *nvmlErrorString(int rc)
{
	return rc == FAILED ? "Unknown Error" : "Success";
}

int nvmlDeviceGetCount_v2(unsigned int *n)
{
	uint8_t byte;

	for (*n = 0; read_file(*n, "report", &byte, 1) == 1; ++*n)
		continue;
	return fails("count");
}

int nvmlDeviceGetHandleByIndex_v2(unsigned int i, void **gpu)
{
	*gpu = (void *)(uintptr_t)(i + 1);
	return fails("handle");
}

int nvmlDeviceGetArchitecture(void *gpu, unsigned int *arch)
{
	char text[8] = "";

	*arch = 9;
	if (read_file(index_of(gpu), "arch", text, sizeof(text) - 1) > 0)
		*arch = (unsigned int)strtoul(text, NULL, 10);
	return fails("arch");
}

int nvmlDeviceGetConfComputeGpuCertificate(void *gpu, struct certificate *c)
{
	c->chain_len = (unsigned int)read_file(index_of(gpu), "chain", c->chain,
					       sizeof(c->chain));
	return fails("chain");
}

int nvmlDeviceGetConfComputeGpuAttestationReport(void *gpu, struct report *r)
{
	r->len = (unsigned int)read_file(index_of(gpu), "report", r->report,
					 sizeof(r->report));
	if (getenv("FAKE_NVML_FIXED") == NULL)
		memcpy(r->report + AT_NONCE, r->nonce, sizeof(r->nonce));
	return fails("report");
}
