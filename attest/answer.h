/* What an attestation service answers to POST /v1/attest, as its verifiers
 * read it.  Only form here: nothing in it is true until the bundle was judged
 * (attest/verifier.h) against the very connection that it came over.
 * Form: confd-as(8), ENDPOINTS. */
#ifndef CONFD_ATTEST_ANSWER_H
#define CONFD_ATTEST_ANSWER_H

#include "core/buf.h"

#define ANSWER_MAX (4u << 20) /* bytes: bundle, key set and their encoding */

struct answer {
	struct buf bundle; /* evidence, as it came */
	struct buf keys;   /* text of the key set, as it came */
	const char *state; /* "uninitialized", "serving", "sealed"; a literal */
	bool has_manifest; /* when it is serving, and only then */
	uint8_t digest[32];
	uint64_t generation;
	uint8_t head[32]; /* of the manifest chain; zero: none */
	uint64_t log_size;
	uint8_t log_root[32];
};

/* Empty; allocates nothing. */
void answer_init(struct answer *a);
void answer_done(struct answer *a);
#define auto_answer __attribute__((cleanup(answer_done)))

/* Read an answer, strictly.
 *
 * in	untrusted, any length; not referred to after the return.
 * out	initialised or done; written only on OK, then the caller's to done.
 *
 * E_PARSE	not of the form, or with a manifest and not serving, or the
 *		other way round.
 * E_LIMIT	a part is larger than evidence or a key set may be. */
enum status answer_parse(struct slice in, struct answer *out, struct err *err);

#endif
