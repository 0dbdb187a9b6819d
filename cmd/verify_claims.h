/* Claims by name: what genuine evidence says, as a table with a row for each
 * thing, from which they are written and compared with --expect. */
#ifndef CONFD_CMD_VERIFY_CLAIMS_H
#define CONFD_CMD_VERIFY_CLAIMS_H

#include "attest/trace.h"
#include "core/opts.h"

enum verify_kind {
	CLAIM_BYTES, /* len bytes; shown as hex */
	CLAIM_UINT,  /* of len bytes, as it lies in memory */
	CLAIM_MASK,  /* uint64_t; "0x" and 16 digits: too wide for JSON */
	CLAIM_BIT,   /* whether that bit of an uint64_t is on */
	CLAIM_FLAG,  /* bool */
	CLAIM_TIME,  /* int64_t, unix seconds; shown as RFC 3339 */
	CLAIM_TEXT,  /* what text() appends */
	CLAIM_LIST,  /* what text() appends, items separated by commas */
};

/* One claim. */
struct verify_claim {
	struct trace_rule rule; /* of --expect: step "expect.NAME" */

	/* Such as "measurement"; with a dot, "GROUP.NAME": rows of a group
	 * stand together and become an object. */
	const char *name;
	enum verify_kind kind;
	size_t at, len; /* in the struct of claims */
	uint64_t bit;
	void (*text)(const void *claims, struct buf *out);
	bool (*has)(const void *claims); /* NULL: always */

	/* NULL, or the text that says that nothing is known: to expect
	 * another leaves a step that is not checked. */
	const char *open;
};

/* clang-format off */
#define CLAIM_ROW(n, k) \
	.rule = { "expect." n, E_POLICY, \
		  "this is not what --expect says", "confd-verify(1)" }, \
	.name = n, .kind = k
#define CLAIM_AT(type, member) \
	.at = offsetof(type, member), .len = sizeof(((type *)0)->member)
/* clang-format on */

/* The claims of one kind of evidence. */
struct verify_claims {
	const char *tee;
	const struct verify_claim *rows;
	size_t n;
};

extern const struct verify_claims verify_snp_claims; /* struct snp_claims */
extern const struct verify_claims verify_tdx_claims; /* struct tdx_claims */
extern const struct verify_claims verify_gpu_claims; /* struct gpu_claims */

/* One --expect, in the form in which claims are shown. */
#define VERIFY_EXPECT_MAX 512
struct verify_expect {
	const struct verify_claim *row;
	char value[VERIFY_EXPECT_MAX];
};

struct verify_expects {
	size_t n;
	struct verify_expect item[OPT_LIST_MAX];
};

/* Read "NAME=VALUE".  E_USAGE when there is no such claim (with the near name)
 * or the value is not of its form. */
enum status verify_claims_expect(const struct verify_claims *t, const char *arg,
				 struct verify_expects *out, struct err *err);

/* What is expected of the claim of that name; NULL: nothing. */
const char *verify_claims_expected(const struct verify_expects *e,
				   const char *name);

/* Whether exactly that is expected. */
bool verify_claims_expects(const struct verify_expects *e, const char *name,
			   const char *value);

/* Append what the claims say, as text; false, and nothing appended, where
 * evidence like this does not say it. */
bool verify_claims_text(const struct verify_claim *row, const void *claims,
			struct buf *out);

/* Compare: a step for each expectation; not checked without claims. */
void verify_claims_check(const struct verify_expects *e, const void *claims,
			 struct trace *t);

/* As the members of the JSON object that is open. */
void verify_claims_write(const struct verify_claims *t, const void *claims,
			 struct json_out *w);

/* For people: a line each. */
void verify_claims_print(const struct verify_claims *t, const void *claims,
			 struct buf *out);

#endif
