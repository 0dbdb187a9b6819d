/* One verification from the command line: what was asked for, the steps taken,
 * and how the verdict is told. */
#ifndef CONFD_CMD_VERIFY_SESSION_H
#define CONFD_CMD_VERIFY_SESSION_H

#include "attest/manifest.h"
#include "attest/tee/tee.h"
#include "cmd/verify.h"
#include "cmd/verify_claims.h"

struct verify {
	const struct verify_opts *o;
	int64_t now; /* unix seconds, of --at */
	struct manifest *manifest;
	const struct manifest_policy *policy; /* NULL: the defaults */
	struct tee_roots roots;		      /* of --trust-root */
	struct verify_expects expects;
	struct trace trace;

	/* What an ok does not prove: a sentence a line. */
	struct buf unproven;
};

/* Begin: the options that all verbs about one kind of evidence have.
 *
 * allowed	whether a policy of a manifest is about that kind.
 *
 * E_USAGE, E_CONF, or as file_read; verify_done in any case. */
enum status verify_begin(struct verify *v, const struct verify_opts *o,
			 const struct verify_claims *claims,
			 bool (*allowed)(const struct manifest_policy *p),
			 struct err *err);
void verify_done(struct verify *v);
#define auto_verify __attribute__((cleanup(verify_done)))

/* --at, or now. */
enum status verify_time(const struct verify_opts *o, int64_t *out,
			struct err *err);

/* Say what is not proven; no full stop. */
void verify_unproven(struct verify *v, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));

/* Whether --expect names that claim. */
bool verify_asked(const struct verify *v, const char *claim);

/* The verdict on evidence of one kind.  Without claims (it is not genuine, as
 * err says) the policy is not asked any more; with them the steps decide, the
 * n mandatory ones among them.  Prints, and returns what becomes the exit
 * code. */
enum status verify_conclude(struct verify *v, const struct verify_claims *table,
			    const void *claims, const char *const *mandatory,
			    size_t n, struct err *err);

/* The verdict where a file could not be taken for evidence or collateral, as
 * err says: one that is empty or too large is judged (E_STALE: not checked;
 * E_LIMIT: refused), and that is printed; nothing is for any other failure.
 *
 * tee	NULL where it is not known. */
enum status verify_unread(const struct verify_opts *o, const char *tee,
			  struct err *err);

/* A report to print. */
struct verify_report {
	const struct verify_opts *o;
	const char *tee; /* NULL: not known */
	const struct trace *trace;
	struct slice unproven;
	void (*write_claims)(const void *ctx, struct json_out *w);
	void (*print_claims)(const void *ctx, struct buf *out);
	const void *ctx; /* NULL: no claims that are verified */
};

/* Print it, by the outcome in err; returns err->code. */
enum status verify_print(const struct verify_report *r, struct err *err);

#endif
