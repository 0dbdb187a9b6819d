#include "cmd/verify_session.h"

#include <stdarg.h>

#include "cmd/ask.h"
#include "cmd/verify_input.h"
#include "core/cleanup.h"
#include "core/clock.h"
#include "core/text.h"

#define REPORT_MAX (4u << 20) /* bytes printed */

static const struct trace_rule rule_policy = { "policy", E_POLICY,
					       "the policy does not allow it",
					       "confd-verify(1)" },
			       rule_input = { "input", E_LIMIT,
					      "a file is larger than any "
					      "such evidence",
					      "confd-verify(1)" };

/* ---- What was asked for ---- */

enum status verify_time(const struct verify_opts *o, int64_t *out,
			struct err *err)
{
	*out = clock_wall();
	if (o->at == NULL || text_untime(slice_str(o->at), out, err) == OK)
		return OK;
	return err_set(err, E_USAGE,
		       "--at '%s': expected a time such as "
		       "2026-11-21T12:00:00Z",
		       o->at);
}

/* The policy of that name; without a name the only one of that kind. */
static enum status pick_policy(struct verify *v,
			       const struct verify_claims *claims,
			       bool (*allowed)(const struct manifest_policy *p),
			       struct err *err)
{
	const struct manifest *m = v->manifest;
	const char *name = v->o->policy;
	size_t n = 0;

	for (size_t i = 0; i < m->n_policies; i++) {
		const struct manifest_policy *p = &m->policy[i];

		if (!allowed(p) || (name != NULL && strcmp(name, p->name) != 0))
			continue;
		v->policy = p;
		n++;
	}
	if (n == 1)
		return OK;
	if (name != NULL)
		return err_set(err, E_USAGE,
			       "--policy '%s': the manifest has no policy of "
			       "that name for %s evidence",
			       name, claims->tee);
	return err_set(err, E_USAGE,
		       "expected --policy: the manifest has %zu policies for "
		       "%s evidence",
		       n, claims->tee);
}

enum status verify_begin(struct verify *v, const struct verify_opts *o,
			 const struct verify_claims *claims,
			 bool (*allowed)(const struct manifest_policy *p),
			 struct err *err)
{
	*v = (struct verify){ .o = o, .unproven = buf_make(64u << 10) };
	trace_init(&v->trace);
	TRY(verify_time(o, &v->now, err));
	for (size_t i = 0; i < o->expect.n; i++)
		TRY(verify_claims_expect(claims, o->expect.v[i], &v->expects,
					 err));
	TRY(verify_input_roots(&o->trust_root, &v->roots, err));
	if (o->manifest == NULL && o->policy != NULL)
		return err_set(err, E_USAGE,
			       "--policy: expected --manifest too, which has "
			       "it");
	if (o->manifest == NULL)
		return OK;
	TRY(ask_load_manifest(o->manifest, &v->manifest, err));
	return pick_policy(v, claims, allowed, err);
}

void verify_done(struct verify *v)
{
	manifest_free(v->manifest);
	trace_done(&v->trace);
	buf_done(&v->unproven);
}

void verify_unproven(struct verify *v, const char *fmt, ...)
{
	char line[512];
	va_list ap;

	va_start(ap, fmt);
	(void)vsnprintf(line, sizeof(line), fmt, ap);
	va_end(ap);
	buf_putf(&v->unproven, "%s\n", line);
}

bool verify_asked(const struct verify *v, const char *claim)
{
	return verify_claims_expected(&v->expects, claim) != NULL;
}

/* ---- Telling it ---- */

static const char *verdict_word(enum status code)
{
	switch (code) {
	case OK:
		return "ok";
	case E_STALE:
		return "incomplete";
	default:
		return "refused";
	}
}

static void print_json(const struct verify_report *r, const struct err *err)
{
	auto_buf struct buf text = buf_make(REPORT_MAX);
	struct json_out w = { .buf = &text };
	struct slice lines = r->unproven, line = { 0 };

	json_open_object(&w, NULL);
	json_put_cstr(&w, "verdict", verdict_word(err->code));
	if (r->tee == NULL)
		json_put_null(&w, "tee");
	else
		json_put_cstr(&w, "tee", r->tee);
	if (r->ctx != NULL)
		r->write_claims(r->ctx, &w);
	else {
		json_open_object(&w, "claims");
		json_close_object(&w);
	}
	trace_write(r->trace, "trace", &w);
	if (err->code != OK)
		json_put_cstr(&w, "reason", err->text);
	json_open_array(&w, "not_proven");
	while (err->code == OK && slice_split(&lines, '\n', &line))
		json_put_str(&w, NULL, line);
	json_close_array(&w);
	json_close_object(&w);
	printf("%s\n", text.bad ? "{}" : buf_cstr(&text));
}

static void print_verdict(const struct verify_report *r, const struct err *err)
{
	struct slice lines = r->unproven, line = { 0 };

	switch (err->code) {
	case OK:
		printf("\nok: the evidence is genuine (%s), and all that was "
		       "asked of it holds.\n",
		       r->tee);
		while (slice_split(&lines, '\n', &line))
			printf("Not proven: %.*s.\n", SLICE_FMT(line));
		return;
	case E_STALE:
		printf("\nincomplete: nothing speaks against the evidence, but "
		       "not everything could be checked, so nothing is proven. "
		       "The steps that are not ok say what is missing or out "
		       "of its time.\n");
		return;
	case E_POLICY:
		printf("\nrefused: genuine evidence, but not of what is "
		       "allowed or expected.\n");
		return;
	default:
		printf("\nrefused: this is not genuine evidence, or not made "
		       "for this. Nothing that it says is proven.\n");
	}
}

enum status verify_print(const struct verify_report *r, struct err *err)
{
	auto_buf struct buf text = buf_make(REPORT_MAX);

	ask_refused(err);
	if (r->o->json) {
		print_json(r, err);
		return err->code;
	}
	trace_print(r->trace, &text);
	if (r->ctx != NULL && r->o->common.verbose)
		r->print_claims(r->ctx, &text);
	printf("%s", text.len > 0 ? buf_cstr(&text) : "");
	print_verdict(r, err);
	return err->code;
}

enum status verify_unread(const struct verify_opts *o, const char *tee,
			  struct err *err)
{
	auto_trace struct trace t;
	const struct verify_report r = { .o = o, .tee = tee, .trace = &t };
	const struct err why = *err;

	trace_init(&t);
	if (why.code != E_STALE && why.code != E_LIMIT)
		return err->code;
	trace_expect(&t, "files that are neither empty nor too large");
	if (why.code == E_STALE) {
		trace_find(&t, "%s", why.text);
		trace_step_unchecked(&t, &rule_input);
	} else {
		trace_step_err(&t, &rule_input, &why);
	}
	return verify_print(&r, err);
}

/* ---- Evidence of one kind ---- */

struct table_claims {
	const struct verify_claims *table;
	const void *claims;
};

static void write_table(const void *ctx, struct json_out *w)
{
	const struct table_claims *c = ctx;

	json_open_object(w, "claims");
	verify_claims_write(c->table, c->claims, w);
	json_close_object(w);
}

static void print_table(const void *ctx, struct buf *out)
{
	const struct table_claims *c = ctx;

	verify_claims_print(c->table, c->claims, out);
}

/* What holds of all evidence that hardware signed. */
static void add_common(struct verify *v)
{
	if (v->o->at != NULL)
		verify_unproven(v,
				"that this holds now: it was judged as of "
				"%s",
				v->o->at);
	verify_unproven(v, "what the measured program does: that follows from "
			   "building it from source and comparing the "
			   "measurements");
}

enum status verify_conclude(struct verify *v, const struct verify_claims *table,
			    const void *claims, const char *const *mandatory,
			    size_t n, struct err *err)
{
	const struct table_claims c = { table, claims };
	const struct verify_report r = {
		.o = v->o,
		.tee = table->tee,
		.trace = &v->trace,
		.write_claims = write_table,
		.print_claims = print_table,
		.ctx = claims == NULL ? NULL : &c,
	};

	if (claims == NULL) {
		trace_find(&v->trace, "evidence that is not verified");
		trace_step_unchecked(&v->trace, &rule_policy);
	}
	verify_claims_check(&v->expects, claims, &v->trace);
	if (claims != NULL) {
		*err = (struct err){ 0 };
		if (!trace_ok(&v->trace, mandatory, n))
			(void)trace_error(&v->trace, err);
		add_common(v);
	}
	struct verify_report whole = r;
	whole.unproven = buf_slice(&v->unproven);
	return verify_print(&whole, err);
}
