#include "attest/trace.h"

#include <stdarg.h>

#include "core/cleanup.h"
#include "core/text.h"

static const char *const outcome_names[] = {
	[TRACE_OK] = "ok",
	[TRACE_FAILED] = "failed",
	[TRACE_NOT_CHECKED] = "not checked",
};

void trace_init(struct trace *t)
{
	*t = (struct trace){ 0 };
}

void trace_done(struct trace *t)
{
	for (size_t i = 0; i < t->n; i++) {
		mem_free(t->step[i].policy);
		mem_free(t->step[i].expected);
		mem_free(t->step[i].found);
	}
	mem_free(t->step);
	mem_free(t->policy);
	trace_init(t);
}

/* Append escaped text to one of the two texts of the next step. */
static void say(char to[static TRACE_TEXT_MAX + 1], struct slice text)
{
	auto_buf struct buf escaped = buf_make(4 * TRACE_TEXT_MAX);
	struct slice rest = slice_sub(text, 0, TRACE_TEXT_MAX);
	size_t have = strlen(to);
	size_t room = TRACE_TEXT_MAX - have;

	/* Quotes stay: they end nothing on a line, and JSON escapes them. */
	while (rest.len > 0) {
		size_t at = slice_find(rest, '"');

		text_escape(&escaped, slice_sub(rest, 0, at));
		if (at < rest.len)
			buf_put_u8(&escaped, '"');
		rest = slice_from(rest, at + 1);
	}
	size_t n = escaped.len < room ? escaped.len : room;
	if (n > 0)
		memcpy(to + have, buf_slice(&escaped).p, n);
	to[have + n] = '\0';
	if (text.len > TRACE_TEXT_MAX || escaped.len > room)
		memcpy(to + TRACE_TEXT_MAX - 3, "...", 4);
}

__attribute__((format(printf, 2, 0))) static void say_format(
	char to[static TRACE_TEXT_MAX + 1], const char *fmt, va_list ap)
{
	char text[TRACE_TEXT_MAX + 2]; /* one more: longer ones are seen */

	int n = vsnprintf(text, sizeof(text), fmt, ap);
	say(to, slice_make(text, n < 0 ? 0 : strlen(text)));
}

void trace_expect(struct trace *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_format(t->expected, fmt, ap);
	va_end(ap);
}

void trace_find(struct trace *t, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	say_format(t->found, fmt, ap);
	va_end(ap);
}

static void say_bytes(char to[static TRACE_TEXT_MAX + 1], struct slice s)
{
	char hex[TRACE_TEXT_MAX + 2];
	struct slice shown = slice_sub(s, 0, TRACE_TEXT_MAX / 2);

	text_hex_into(hex, sizeof(hex), shown);
	say(to, slice_str(hex));
	if (shown.len < s.len)
		memcpy(to + TRACE_TEXT_MAX - 3, "...", 4);
}

void trace_expect_bytes(struct trace *t, struct slice s)
{
	say_bytes(t->expected, s);
}

void trace_find_bytes(struct trace *t, struct slice s)
{
	say_bytes(t->found, s);
}

/* Room for one more step; false at the cap or without memory. */
static bool make_room(struct trace *t)
{
	if (t->n < t->cap)
		return true;
	if (t->cap >= TRACE_STEPS_MAX)
		return false;

	size_t cap = t->cap == 0 ? 16 : 2 * t->cap;
	struct trace_step *step = mem_realloc(t->step, cap * sizeof(*step));
	if (step == NULL)
		return false;
	t->step = step;
	t->cap = cap;
	return true;
}

/* Append the step; without room for it the trace is bad. */
static void add(struct trace *t, const struct trace_rule *rule,
		enum trace_outcome outcome)
{
	auto_mem char *policy = NULL;
	auto_mem char *expected = mem_strdup(t->expected, strlen(t->expected));
	auto_mem char *found = mem_strdup(t->found, strlen(t->found));

	if (t->policy != NULL)
		policy = mem_strdup(t->policy, strlen(t->policy));
	t->expected[0] = '\0';
	t->found[0] = '\0';
	if (expected == NULL || found == NULL ||
	    (t->policy != NULL && policy == NULL) || !make_room(t)) {
		t->bad = true;
		return;
	}
	t->step[t->n++] = (struct trace_step){
		.rule = rule,
		.outcome = outcome,
		.policy = take(policy),
		.expected = take(expected),
		.found = take(found),
	};
}

bool trace_step(struct trace *t, const struct trace_rule *rule, bool held)
{
	add(t, rule, held ? TRACE_OK : TRACE_FAILED);
	return held;
}

bool trace_step_bytes(struct trace *t, const struct trace_rule *rule,
		      struct slice expected, struct slice found)
{
	trace_expect_bytes(t, expected);
	trace_find_bytes(t, found);
	return trace_step(t, rule, slice_eq_ct(expected, found));
}

void trace_step_err(struct trace *t, const struct trace_rule *rule,
		    const struct err *err)
{
	trace_find(t, "%s", err->text);
	add(t, rule, TRACE_FAILED);
}

void trace_step_unchecked(struct trace *t, const struct trace_rule *rule)
{
	add(t, rule, TRACE_NOT_CHECKED);
}

static void copy_text(char to[static TRACE_TEXT_MAX + 1], const char *text)
{
	(void)snprintf(to, TRACE_TEXT_MAX + 1, "%s", text);
}

void trace_append(struct trace *t, const struct trace *from)
{
	for (size_t i = 0; i < from->n; i++) {
		const struct trace_step *s = &from->step[i];

		trace_policy(t, s->policy);
		copy_text(t->expected, s->expected);
		copy_text(t->found, s->found);
		add(t, s->rule, s->outcome);
	}
	trace_policy(t, NULL);
	t->bad |= from->bad;
}

void trace_policy(struct trace *t, const char *name)
{
	mem_free(t->policy);
	t->policy = NULL;
	if (name == NULL)
		return;
	t->policy = mem_strdup(name, strlen(name));
	if (t->policy == NULL)
		t->bad = true;
}

bool trace_has(const struct trace *t, const char *step)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->step[i].policy == NULL &&
		    t->step[i].outcome == TRACE_OK &&
		    strcmp(t->step[i].rule->step, step) == 0)
			return true;
	return false;
}

bool trace_ok(const struct trace *t, const char *const *mandatory, size_t n)
{
	if (t->bad || t->n == 0)
		return false;
	for (size_t i = 0; i < t->n; i++)
		if (t->step[i].policy == NULL && t->step[i].outcome != TRACE_OK)
			return false;
	for (size_t i = 0; i < n; i++)
		if (!trace_has(t, mandatory[i]))
			return false;
	return true;
}

static bool belongs(const struct trace_step *s, const char *policy)
{
	return s->policy != NULL && strcmp(s->policy, policy) == 0;
}

const struct trace_step *trace_policy_failure(const struct trace *t,
					      const char *policy)
{
	for (size_t i = 0; i < t->n; i++)
		if (belongs(&t->step[i], policy) &&
		    t->step[i].outcome != TRACE_OK)
			return &t->step[i];
	return NULL;
}

bool trace_policy_ok(const struct trace *t, const char *policy)
{
	size_t steps = 0;

	for (size_t i = 0; i < t->n; i++)
		if (belongs(&t->step[i], policy))
			steps++;
	return steps > 0 && !t->bad && trace_policy_failure(t, policy) == NULL;
}

static const struct trace_step *first(const struct trace *t,
				      enum trace_outcome outcome)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->step[i].policy == NULL && t->step[i].outcome == outcome)
			return &t->step[i];
	return NULL;
}

const struct trace_step *trace_first_failure(const struct trace *t)
{
	const struct trace_step *failed = first(t, TRACE_FAILED);

	return failed != NULL ? failed : first(t, TRACE_NOT_CHECKED);
}

enum status trace_error(const struct trace *t, struct err *err)
{
	const struct trace_step *s = trace_first_failure(t);

	if (s == NULL && t->bad)
		return err_set(err, E_LIMIT,
			       "the verification took more than %d steps",
			       TRACE_STEPS_MAX);
	if (s == NULL)
		return err_set(err, E_CRYPTO,
			       "the verification is incomplete: a mandatory "
			       "step is missing");
	if (s->outcome == TRACE_NOT_CHECKED)
		return err_set(err, E_STALE, "%s: not checked: %s",
			       s->rule->step, s->found);
	if (s->expected[0] == '\0')
		return err_set(err, s->rule->code, "%s: %s: %s", s->rule->step,
			       s->rule->refusal, s->found);
	return err_set(err, s->rule->code, "%s: %s: expected %s, found %s",
		       s->rule->step, s->rule->refusal, s->expected, s->found);
}

const char *trace_outcome_name(enum trace_outcome o)
{
	return (size_t)o < countof(outcome_names) ? outcome_names[o]
						  : "unknown";
}

static void write_step(const struct trace_step *s, struct json_out *out)
{
	json_open_object(out, NULL);
	json_put_cstr(out, "step", s->rule->step);
	json_put_bool(out, "ok", s->outcome == TRACE_OK);
	json_put_cstr(out, "outcome", trace_outcome_name(s->outcome));
	json_put_cstr(out, "expected", s->expected);
	json_put_cstr(out, "found", s->found);
	json_put_cstr(out, "source", s->rule->source);
	if (s->policy != NULL)
		json_put_cstr(out, "policy", s->policy);
	if (s->outcome == TRACE_FAILED)
		json_put_cstr(out, "refusal", s->rule->refusal);
	json_close_object(out);
}

void trace_write(const struct trace *t, const char *name, struct json_out *out)
{
	json_open_array(out, name);
	for (size_t i = 0; i < t->n; i++)
		write_step(&t->step[i], out);
	json_close_array(out);
}

/* One value where both are the same, so that what differs stands out. */
static void print_found(const struct trace_step *s, struct buf *out)
{
	if (s->outcome == TRACE_OK && (strcmp(s->expected, s->found) == 0 ||
				       strcmp(s->found, "the same") == 0)) {
		if (s->expected[0] != '\0')
			buf_putf(out, ": as expected, %s", s->expected);
		return;
	}
	if (s->expected[0] != '\0')
		buf_putf(out, ": expected %s", s->expected);
	if (s->found[0] != '\0')
		buf_putf(out, "%s %s", s->expected[0] == '\0' ? ":" : ", found",
			 s->found);
}

static void print_step(const struct trace_step *s, struct buf *out)
{
	buf_putf(out, "%-11s  %s", trace_outcome_name(s->outcome),
		 s->rule->step);
	if (s->policy != NULL)
		buf_putf(out, " [policy %s]", s->policy);
	if (s->outcome == TRACE_FAILED)
		buf_putf(out, ": %s", s->rule->refusal);
	print_found(s, out);
	buf_putf(out, " (%s)\n", s->rule->source);
}

void trace_print(const struct trace *t, struct buf *out)
{
	for (size_t i = 0; i < t->n; i++)
		print_step(&t->step[i], out);
}
