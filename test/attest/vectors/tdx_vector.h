/* The cases of TDX in ../shared/vectors (or $CONFD_VECTORS): what the tests of
 * them share. */
#ifndef CONFD_TEST_ATTEST_VECTORS_TDX_VECTOR_H
#define CONFD_TEST_ATTEST_VECTORS_TDX_VECTOR_H

#include "attest/tee/tdx_policy.h"

#define TDX_VECTOR_FILE_MAX (1u << 20)

enum tdx_vector_file {
	QUOTE,
	TCB,
	TCB_CHAIN,
	QE,
	QE_CHAIN,
	ROOT_CRL,
	PCK_CRL,
	PCK_CHAIN,
	FILES
};

extern const char *const tdx_vector_file_names[FILES];

/* A case: its description and files. */
struct tdx_vector {
	char name[256];
	const char *kind;
	struct buf text, file[FILES];
	struct json *json;
	uint8_t root[1][32]; /* that is believed beside Intel's */
	size_t n_roots;
};

void tdx_vector_done(struct tdx_vector *v);
#define auto_tdx_vector __attribute__((cleanup(tdx_vector_done)))

/* Whether there are cases of this kind here. */
bool tdx_vector_there(const char *kind);

/* Read KIND/NAME/FILE; false when it is not there. */
bool tdx_vector_file(const char *kind, const char *name, const char *file,
		     struct buf *out);

/* Read a case; false when it is none. */
bool tdx_vector_load(struct tdx_vector *v, const char *kind, const char *name);

/* Read the collateral in `dir` below the case, "." for its own. */
void tdx_vector_collateral(struct tdx_vector *v, struct slice dir);

/* What is verified of it: borrowed. */
struct tdx_case tdx_vector_case(const struct tdx_vector *v, int64_t now);

/* Call fn for each case of a kind, in the order of their names; how many. */
size_t tdx_vector_each(const char *kind, void (*fn)(struct tdx_vector *v));

/* Members of descriptions: a string, or empty; a time. */
struct slice tdx_vector_str(const struct json *obj, const char *name);
int64_t tdx_vector_time(const struct json *obj, const char *name);

/* Whether the step of that name failed; one for that reason of the cases;
 * one for each reason of a list, and none of time that is not in it. */
bool tdx_vector_failed(const struct trace *t, const char *step);
bool tdx_vector_failed_for(const struct trace *t, struct slice reason);
bool tdx_vector_same_reasons(const struct trace *t, const struct json *reasons);
size_t tdx_vector_n_failed(const struct trace *t);

/* Whether a list of strings has it. */
bool tdx_vector_listed(const struct json *reasons, const char *reason);

/* The table of outcomes. */
enum {
	EVALUATION,
	SHIFT,
	ALONE,
	PADDED,
	SPOILT,
	COLLATERAL,
	SYNTH,
	FLAGS,
	TDX_ROWS
};
struct tdx_row {
	const char *kind;
	size_t genuine, stale, refused, wrong;
};
extern struct tdx_row tdx_table[TDX_ROWS];
extern struct err tdx_vector_err; /* of the last verification */

/* Count an outcome in a row; says which when it is not right. */
void tdx_vector_count(size_t row, enum status status, bool right,
		      const struct tdx_vector *v, const char *what);

/* Print rows from to (to - 1). */
void tdx_vector_print(size_t from, size_t to);

#endif
