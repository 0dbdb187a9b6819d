/* The trace of a verification: every step with what was expected, what was
 * found and where the rule stands.  `verify` prints it, the API returns it,
 * the portal draws it; and the verdict follows from it alone: every step ok,
 * and all the mandatory ones there.
 *
 * A step may belong to one of several policies that are tried; such steps are
 * shown, and what counts is the one step that says whether any accepted.
 *
 * Texts come from peers: they are escaped and cut here. */
#ifndef CONFD_ATTEST_TRACE_H
#define CONFD_ATTEST_TRACE_H

#include "core/buf.h"
#include "core/json.h"

#define TRACE_STEPS_MAX 2048
#define TRACE_TEXT_MAX 320 /* bytes of an expected or found text */

/* One rule: a row of some module's table of rules. */
struct trace_rule {
	const char *step;    /* its stable name: "statement.nonce" */
	enum status code;    /* what the verification ends with if it fails */
	const char *refusal; /* one sentence for people, no full stop */
	const char *source;  /* where the rule stands: "confd-attest(7)" */
};

enum trace_outcome { TRACE_OK, TRACE_FAILED, TRACE_NOT_CHECKED };

struct trace_step {
	const struct trace_rule *rule;
	enum trace_outcome outcome;
	char *policy; /* the alternative that it belongs to, or NULL */
	char *expected;
	char *found;
};

struct trace {
	size_t n;
	struct trace_step *step; /* in order; read only */
	size_t cap;		 /* private */
	bool bad;		 /* a step did not fit: never ok again */
	char *policy;		 /* private: alternative being tried */
	char expected[TRACE_TEXT_MAX + 1]; /* private: of the next step */
	char found[TRACE_TEXT_MAX + 1];
};

/* An empty trace; allocates nothing. */
void trace_init(struct trace *t);
void trace_done(struct trace *t);
#define auto_trace __attribute__((cleanup(trace_done)))

/* Say what the next step expects and what it finds; adds to what was said
 * since the last step.  Escaped; cut with "..." at TRACE_TEXT_MAX. */
void trace_expect(struct trace *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void trace_find(struct trace *t, const char *fmt, ...)
	__attribute__((format(printf, 2, 3)));
void trace_expect_bytes(struct trace *t, struct slice s); /* as hex */
void trace_find_bytes(struct trace *t, struct slice s);

/* Append the step, with the texts said since the last one; returns held.
 * rule is static. */
bool trace_step(struct trace *t, const struct trace_rule *rule, bool held);

/* Append a step that compares bytes in constant time. */
bool trace_step_bytes(struct trace *t, const struct trace_rule *rule,
		      struct slice expected, struct slice found);

/* Append a step that fails with found text taken from err. */
void trace_step_err(struct trace *t, const struct trace_rule *rule,
		    const struct err *err);

/* Append a step that could not be checked, found says why: never ok. */
void trace_step_unchecked(struct trace *t, const struct trace_rule *rule);

/* Steps from here on belong to this alternative; NULL ends that. */
void trace_policy(struct trace *t, const char *name);

/* Append the steps of another trace, as they are. */
void trace_append(struct trace *t, const struct trace *from);

/* True when a step of this name, outside alternatives, is there and ok. */
bool trace_has(const struct trace *t, const char *step);

/* True when every step outside alternatives is ok, and every one of the n
 * mandatory names is there; an empty trace is not ok. */
bool trace_ok(const struct trace *t, const char *const *mandatory, size_t n);

/* True when every step of this alternative is ok and there is one. */
bool trace_policy_ok(const struct trace *t, const char *policy);

/* The first step of this alternative that is not ok, or NULL. */
const struct trace_step *trace_policy_failure(const struct trace *t,
					      const char *policy);

/* The first step outside alternatives that failed, or else the first that was
 * not checked, or NULL. */
const struct trace_step *trace_first_failure(const struct trace *t);

/* Turn the first failure into err: "STEP: SENTENCE: expected ..., found ...",
 * its rule's code (E_STALE where it was not checked).  E_CRYPTO when there is
 * no failed step: a trace that is not ok is never OK. */
enum status trace_error(const struct trace *t, struct err *err);

/* "ok", "failed", "not checked". */
const char *trace_outcome_name(enum trace_outcome o);

/* As the JSON array `name` of {step, ok, outcome, expected, found, source,
 * policy?, refusal?}. */
void trace_write(const struct trace *t, const char *name, struct json_out *out);

/* For people, a line a step. */
void trace_print(const struct trace *t, struct buf *out);

#endif
