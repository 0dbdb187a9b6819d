/* The cases of NVIDIA devices among the vectors: read from their folders,
 * changed, and verified. */
#ifndef CONFD_TEST_ATTEST_VECTORS_GPU_VECTORS_H
#define CONFD_TEST_ATTEST_VECTORS_GPU_VECTORS_H

#include "attest/tee/gpu_policy.h"
#include "core/json.h"

#define GPU_VECTOR_FILE_MAX (256u << 10)

/* One case.  A file that it does not have is an empty buffer. */
struct gpu_vector {
	char name[128];
	struct json *json; /* case.json */
	struct buf report, chain, driver_rim, vbios_rim;
	uint8_t nonce[GPU_NONCE_LEN];
	int64_t now;
};

/* The folder of these vectors, or NULL when it is not there. */
const char *gpu_vectors_folder(void);

/* Read a file of it ("CASE/report.bin"); true when it is there. */
bool gpu_vectors_read(const char *name, struct buf *out);

/* Parse a JSON file of it, or NULL. */
struct json *gpu_vectors_json(const char *name);

/* Read the case of this name. */
bool gpu_vectors_load(const char *name, struct gpu_vector *v);
void gpu_vectors_done(struct gpu_vector *v);
#define auto_gpu_vector __attribute__((cleanup(gpu_vectors_done)))

/* Call fn for every case, in order of the names; how many. */
size_t gpu_vectors_each(void (*fn)(struct gpu_vector *v));

/* What is verified of it as it is now. */
struct gpu_case gpu_vectors_case(const struct gpu_vector *v);

/* Verify it; claims may be NULL. */
enum status gpu_vectors_verify(const struct gpu_vector *v, struct trace *t,
			       struct gpu_claims *claims);

/* Whether a step that failed is one that a reason code of this list stands
 * for. */
bool gpu_vectors_explains(const struct json *codes, const struct trace *t);

/* A member of an object at this path of names, ended by NULL. */
const struct json *gpu_vectors_at(const struct json *j, ...);

/* A time as text: RFC 3339, or with a space and without Z. */
int64_t gpu_vectors_time(struct slice text);

#endif
