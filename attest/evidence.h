/* The evidence bundle: what travels between who attests and who verifies.
 * Only form here; nothing in it is true until verifier.h says so.
 * Form: confd-attest(7), EVIDENCE BUNDLE. */
#ifndef CONFD_ATTEST_EVIDENCE_H
#define CONFD_ATTEST_EVIDENCE_H

#include "attest/statement.h"
#include "core/buf.h"

#define EVIDENCE_MAX (1u << 20)		/* bytes of the JSON text */
#define EVIDENCE_REPORT_MAX (64u << 10) /* bytes of one report */
#define EVIDENCE_TEXT_MAX (256u << 10)	/* bytes of one text inside */
#define EVIDENCE_COLLATERAL_MAX 32	/* members of one object of texts */
#define EVIDENCE_LOGS_MAX 1
#define EVIDENCE_LOG_MAX (128u << 10) /* bytes of one event log */
#define EVIDENCE_GPUS_MAX 16
#define EVIDENCE_OCSP_MAX 16		  /* responses of one GPU */
#define EVIDENCE_OCSP_LEN_MAX (16u << 10) /* bytes of one */

/* A named text, such as "chain": certificates in PEM. */
struct evidence_text {
	char *name; /* 1 to 64 of a-z 0-9 . _ - */
	struct buf text;
};

struct evidence_texts {
	size_t n;
	struct evidence_text *item;
};

struct evidence_gpu {
	char *arch; /* a name of ours, such as "hopper" */
	struct buf report;
	struct buf chain; /* PEM */
	struct evidence_texts rims;
	size_t n_ocsp;
	struct buf *ocsp; /* responses, DER */
};

/* A bundle; owns all of it. */
struct evidence {
	struct buf statement; /* the exact bytes */
	char *tee;	      /* a name of ours; may be one nobody knows */
	struct buf report;
	struct evidence_texts collateral;
	size_t n_logs;	 /* event logs of the boot (tee/eventlog.h), whole */
	struct buf *log; /* in binary form */
	size_t n_gpus;
	struct evidence_gpu *gpu;
};

/* An empty bundle, to be filled in; allocates nothing. */
void evidence_init(struct evidence *e);
void evidence_done(struct evidence *e);
#define auto_evidence __attribute__((cleanup(evidence_done)))

/* Set the TEE's name; copies. */
enum status evidence_set_tee(struct evidence *e, const char *tee,
			     struct err *err);

/* Add a text to one of its objects; copies.  E_CONFLICT when the name is
 * taken, E_LIMIT beyond the caps, E_PARSE for what is no name. */
enum status evidence_add_text(struct evidence_texts *t, struct slice name,
			      struct slice text, struct err *err);

/* The text of that name, until t changes; empty when there is none. */
struct slice evidence_text(const struct evidence_texts *t, const char *name);

/* The first text whose name is not one of n; NULL: each has one of them. */
const char *evidence_text_other(const struct evidence_texts *t,
				const char *const *names, size_t n);

/* Give the text of one name another; nothing when there is none.  to must not
 * be taken. */
enum status evidence_rename_text(struct evidence_texts *t, const char *from,
				 const char *to, struct err *err);

/* Add an event log; copies.  E_LIMIT beyond the caps, E_PARSE when empty. */
enum status evidence_add_log(struct evidence *e, struct slice log,
			     struct err *err);

/* Add a response about certificates of a GPU, from a list that this function
 * alone has made; as evidence_add_log. */
enum status evidence_add_ocsp(struct evidence_gpu *g, struct slice der,
			      struct err *err);

/* Append the bundle as JSON.  E_LIMIT when it would pass EVIDENCE_MAX or
 * out's cap; nothing is appended then. */
enum status evidence_write(const struct evidence *e, struct buf *out,
			   struct err *err);

/* Read a bundle, strictly: known members only, every cap kept.
 *
 * in	untrusted, any length; not referred to after the return.
 * out	done or never used; written only on OK, then the caller's to done.
 *
 * E_PARSE	not of the form.
 * E_LIMIT	more of something than the caps above. */
enum status evidence_parse(struct slice in, struct evidence *out,
			   struct err *err);

#endif
