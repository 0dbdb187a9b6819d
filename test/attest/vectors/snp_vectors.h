/* The cases of SEV-SNP among the vectors: read from their folders, changed,
 * and verified.  Nothing of the project's other tests needs them. */
#ifndef CONFD_TEST_ATTEST_VECTORS_SNP_VECTORS_H
#define CONFD_TEST_ATTEST_VECTORS_SNP_VECTORS_H

#include "attest/tee/snp_policy.h"
#include "core/json.h"

#define SNP_VECTOR_FILE_MAX (256u << 10)

/* One case.  A file that it does not have is an empty buffer. */
struct snp_vector {
	char path[512]; /* of its folder */
	char name[128];
	struct json *json; /* case.json */
	struct buf report, leaf, ask, ark, crl, table;
	bool vlek;
	bool trust_ark;	     /* its own root is trusted, too */
	uint8_t root[1][32]; /* that root */
	int64_t now;
};

/* The folder of all vectors, or NULL when it is not there. */
const char *snp_vectors_folder(void);

/* Read a file of a folder into out; true when it is there. */
bool snp_vectors_read(const char *folder, const char *name, struct buf *out);

/* Parse the JSON file of this name of the folder, or NULL. */
struct json *snp_vectors_json(const char *folder, const char *name);

/* Read the case KIND/NAME; kind "snp" or "snp_synth". */
bool snp_vectors_load(const char *kind, const char *name, struct snp_vector *v);
void snp_vectors_done(struct snp_vector *v);
#define auto_vector __attribute__((cleanup(snp_vectors_done)))

/* Call fn for every case of the kind, in order of the names. */
size_t snp_vectors_each(const char *kind, void (*fn)(struct snp_vector *v));

/* Which of the case's files to hand over. */
enum { SNP_WITH_CRL = 1, SNP_BY_TABLE = 2 };

/* Verify it as it is now; what is NULL is not wanted. */
enum status snp_vectors_verify(const struct snp_vector *v, unsigned with,
			       struct snp_certs *issuers, struct trace *t,
			       struct snp_claims *claims);

/* Whether a step that failed or was not checked is one that the reason codes
 * of this list stand for. */
bool snp_vectors_explains(const struct json *codes, const struct trace *t);

/* A time as text, RFC 3339. */
int64_t snp_vectors_time(struct slice text);

#endif
