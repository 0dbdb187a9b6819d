/* The statement: what a TEE signs for us, beside what it says of itself.
 *
 * A flat JSON object of strings in one canonical form, bound into the report:
 * the verifier hashes the bytes that came, and only then reads them.
 * Form and meaning: confd-attest(7), STATEMENT. */
#ifndef CONFD_ATTEST_STATEMENT_H
#define CONFD_ATTEST_STATEMENT_H

#include "core/buf.h"

#define STATEMENT_MAX 512	     /* bytes; the form needs less */
#define STATEMENT_REPORT_DATA_LEN 64 /* bytes: SHA-512 */
#define STATEMENT_EXPORTER_LABEL "EXPORTER-confd-attest"

/* What evidence is for: evidence for one is refused for another. */
enum purpose {
	PURPOSE_AS,	   /* an attestation service, to users and admins */
	PURPOSE_WORKER,	   /* a worker, to the attestation service */
	PURPOSE_AS_PEER,   /* an attestation service, to another for the seed */
	PURPOSE_RECEIPT,   /* a proxy's key for receipts */
	PURPOSE_DISK,	   /* a worker that asks for a disk's key */
	PURPOSE_USER_DATA, /* a workload, about data of its own */
	PURPOSE_COUNT
};

struct statement {
	enum purpose purpose;
	bool has_exporter; /* false: "none" */
	bool has_manifest; /* false: "none", before one is set */
	uint8_t nonce[32];
	uint8_t exporter[32]; /* of the TLS connection; context is the nonce */
	uint8_t spki[32]; /* SHA-256 of the TLS key's SubjectPublicKeyInfo */
	uint8_t keys[32]; /* SHA-256 of the published key set, keyset.h */
	uint8_t manifest[32]; /* SHA-256 of the manifest in force */
};

/* "as", "worker", "as-peer", "receipt", "disk", "user-data". */
const char *statement_purpose_name(enum purpose p);

/* The purpose of that name; false, and *out untouched, when none has it. */
bool statement_purpose_find(struct slice name, enum purpose *out);

/* Append the canonical bytes.  E_POLICY when there is no exporter and the
 * purpose wants one, E_LIMIT when out is full; nothing is appended then. */
enum status statement_write(const struct statement *s, struct buf *out,
			    struct err *err);

/* Read exactly what statement_write makes of the same values.
 *
 * in	untrusted, any length; not referred to after the return.
 * out	written only on OK.
 *
 * E_PARSE	not these members, a value of another form, or any byte that
 *		differs from the canonical form.
 * E_POLICY	well formed, but exporter "none" where purpose forbids it. */
enum status statement_parse(struct slice in, struct statement *out,
			    struct err *err);

/* SHA-512("confd-statement-v1" || 0x00 || bytes): what goes into a report,
 * over the bytes as they are. */
void statement_report_data(struct slice bytes,
			   uint8_t out[static STATEMENT_REPORT_DATA_LEN]);

#endif
