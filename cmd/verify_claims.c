#include "cmd/verify_claims.h"

#include <inttypes.h>

#include "core/cleanup.h"
#include "core/text.h"

#define TEXT_MAX 8192 /* bytes of a claim as text */

/* ---- As text ---- */

static uint64_t number_at(const uint8_t *p, size_t len)
{
	union {
		uint8_t u8;
		uint16_t u16;
		uint32_t u32;
		uint64_t u64;
	} v = { .u64 = 0 };

	memcpy(&v, p, len);
	switch (len) {
	case sizeof(v.u8):
		return v.u8;
	case sizeof(v.u16):
		return v.u16;
	case sizeof(v.u32):
		return v.u32;
	default:
		return v.u64;
	}
}

static bool flag_at(const struct verify_claim *row, const uint8_t *p)
{
	bool flag;

	if (row->kind == CLAIM_BIT)
		return (number_at(p, sizeof(uint64_t)) & row->bit) != 0;
	memcpy(&flag, p, sizeof(flag));
	return flag;
}

static void put_time(const uint8_t *p, struct buf *out)
{
	char text[TEXT_TIME_SIZE];
	int64_t at;

	memcpy(&at, p, sizeof(at));
	text_time(text, at);
	buf_put_str(out, text);
}

bool verify_claims_text(const struct verify_claim *row, const void *claims,
			struct buf *out)
{
	const uint8_t *p = (const uint8_t *)claims + row->at;

	if (row->has != NULL && !row->has(claims))
		return false;
	switch (row->kind) {
	case CLAIM_BYTES:
		text_hex(out, slice_make(p, row->len));
		break;
	case CLAIM_UINT:
		buf_putf(out, "%" PRIu64, number_at(p, row->len));
		break;
	case CLAIM_MASK:
		buf_putf(out, "0x%016" PRIx64, number_at(p, sizeof(uint64_t)));
		break;
	case CLAIM_BIT:
	case CLAIM_FLAG:
		buf_put_str(out, flag_at(row, p) ? "true" : "false");
		break;
	case CLAIM_TIME:
		put_time(p, out);
		break;
	case CLAIM_TEXT:
	case CLAIM_LIST:
		row->text(claims, out);
		break;
	}
	return true;
}

/* ---- What is expected ---- */

static const struct verify_claim *find(const struct verify_claims *t,
				       struct slice name)
{
	for (size_t i = 0; i < t->n; i++)
		if (slice_eq_str(name, t->rows[i].name))
			return &t->rows[i];
	return NULL;
}

static enum status unknown(const struct verify_claims *t, const char *arg,
			   struct slice name, struct err *err)
{
	const char *names[128];
	char wanted[64];
	size_t n = t->n < countof(names) ? t->n : countof(names);

	for (size_t i = 0; i < n; i++)
		names[i] = t->rows[i].name;
	(void)snprintf(wanted, sizeof(wanted), "%.*s", SLICE_FMT(name));
	const char *near = opts_near(wanted, names, n);
	return err_set(err, E_USAGE,
		       "--expect '%s': %s evidence has no claim of that "
		       "name%s%s%s (--json shows all)",
		       arg, t->tee, near == NULL ? "" : ": did you mean '",
		       near == NULL ? "" : near, near == NULL ? "" : "'?");
}

static bool read_hex(struct slice in, size_t len, char out[VERIFY_EXPECT_MAX])
{
	static const char digits[] = "0123456789abcdefABCDEF";

	if (in.len != 2 * len || slice_span(in, slice_str(digits)) != in.len)
		return false;
	for (size_t i = 0; i < in.len; i++)
		out[i] = (char)(in.p[i] >= 'A' && in.p[i] <= 'F'
					? in.p[i] - 'A' + 'a'
					: in.p[i]);
	out[in.len] = '\0';
	return true;
}

/* Decimal, or "0x" and up to 16 digits. */
static bool read_number(struct slice in, uint64_t *out)
{
	char *end = NULL;
	char text[24];

	if (!slice_starts(in, S("0x")))
		return slice_u64(in, out);
	in = slice_from(in, 2);
	if (in.len == 0 || in.len > 16)
		return false;
	(void)snprintf(text, sizeof(text), "%.*s", SLICE_FMT(in));
	*out = strtoull(text, &end, 16);
	return *end == '\0' && text[0] != '-' && text[0] != '+' &&
	       text[0] != ' ';
}

static bool read_time(struct slice in, char out[VERIFY_EXPECT_MAX])
{
	struct err err;
	int64_t at = 0;

	if (text_untime(in, &at, &err) != OK)
		return false;
	text_time(out, at);
	return true;
}

static const char *const forms[] = {
	[CLAIM_UINT] = "a number",
	[CLAIM_MASK] = "a number, such as 0x30000",
	[CLAIM_BIT] = "true or false",
	[CLAIM_FLAG] = "true or false",
	[CLAIM_TIME] = "a time such as 2026-11-21T12:00:00Z",
	[CLAIM_TEXT] = "a text of at most 511 bytes",
	[CLAIM_LIST] = "texts separated by commas",
};

/* The value in the form in which the claim is shown. */
static bool canonical(const struct verify_claim *row, struct slice in,
		      char out[VERIFY_EXPECT_MAX])
{
	uint64_t v = 0;

	switch (row->kind) {
	case CLAIM_BYTES:
		return read_hex(in, row->len, out);
	case CLAIM_UINT:
	case CLAIM_MASK:
		if (!read_number(in, &v))
			return false;
		(void)snprintf(out, VERIFY_EXPECT_MAX,
			       row->kind == CLAIM_UINT ? "%" PRIu64
						       : "0x%016" PRIx64,
			       v);
		return true;
	case CLAIM_BIT:
	case CLAIM_FLAG:
		if (!slice_eq_str(in, "true") && !slice_eq_str(in, "false"))
			return false;
		break;
	case CLAIM_TIME:
		return read_time(in, out);
	case CLAIM_TEXT:
	case CLAIM_LIST:
		break;
	}
	(void)snprintf(out, VERIFY_EXPECT_MAX, "%.*s", SLICE_FMT(in));
	return in.len < VERIFY_EXPECT_MAX;
}

enum status verify_claims_expect(const struct verify_claims *t, const char *arg,
				 struct verify_expects *out, struct err *err)
{
	struct slice rest = slice_str(arg);
	struct slice name = { 0 };
	char bytes[48];

	if (slice_find(rest, '=') == rest.len)
		return err_set(err, E_USAGE,
			       "--expect '%s': expected NAME=VALUE", arg);
	(void)slice_split(&rest, '=', &name);
	const struct verify_claim *row = find(t, name);
	if (row == NULL)
		return unknown(t, arg, name, err);
	if (verify_claims_expected(out, row->name) != NULL)
		return err_set(err, E_USAGE, "--expect %s: given twice",
			       row->name);
	struct verify_expect *e = &out->item[out->n];
	if (canonical(row, rest, e->value)) {
		e->row = row;
		out->n++;
		return OK;
	}
	(void)snprintf(bytes, sizeof(bytes), "%zu hex digits", 2 * row->len);
	return err_set(err, E_USAGE, "--expect '%s': expected %s", arg,
		       row->kind == CLAIM_BYTES ? bytes : forms[row->kind]);
}

const char *verify_claims_expected(const struct verify_expects *e,
				   const char *name)
{
	for (size_t i = 0; i < e->n; i++)
		if (strcmp(e->item[i].row->name, name) == 0)
			return e->item[i].value;
	return NULL;
}

bool verify_claims_expects(const struct verify_expects *e, const char *name,
			   const char *value)
{
	const char *found = verify_claims_expected(e, name);

	return found != NULL && strcmp(found, value) == 0;
}

/* Whether each item of a is one of b's. */
static bool within(struct slice a, struct slice b)
{
	struct slice item = { 0 }, rest, other = { 0 };

	while (slice_split(&a, ',', &item)) {
		bool there = false;

		rest = b;
		while (!there && slice_split(&rest, ',', &other))
			there = slice_eq_nocase(item, other);
		if (!there)
			return false;
	}
	return true;
}

static bool same(const struct verify_claim *row, struct slice a, struct slice b)
{
	if (row->kind == CLAIM_LIST)
		return within(a, b) && within(b, a);
	return slice_eq_nocase(a, b);
}

static void check_one(const struct verify_expect *e, const void *claims,
		      struct trace *t)
{
	auto_buf struct buf found = buf_make(TEXT_MAX);
	struct slice value = slice_str(e->value);

	trace_expect(t, "%s", value.len == 0 ? "none" : e->value);
	if (claims == NULL) {
		trace_find(t, "nothing that is verified");
		trace_step_unchecked(t, &e->row->rule);
		return;
	}
	bool there = verify_claims_text(e->row, claims, &found);
	trace_find(t, "%s",
		   found.len > 0 ? buf_cstr(&found)
		   : there	 ? "none"
				 : "evidence that does not say it");
	bool holds = there && same(e->row, value, buf_slice(&found));
	if (!holds && e->row->open != NULL &&
	    slice_eq_str(buf_slice(&found), e->row->open))
		trace_step_unchecked(t, &e->row->rule);
	else
		(void)trace_step(t, &e->row->rule, holds);
}

void verify_claims_check(const struct verify_expects *e, const void *claims,
			 struct trace *t)
{
	for (size_t i = 0; i < e->n; i++)
		check_one(&e->item[i], claims, t);
}

/* ---- All of them ---- */

static void write_list(const char *name, struct slice items, struct json_out *w)
{
	struct slice item = { 0 };

	json_open_array(w, name);
	while (slice_split(&items, ',', &item))
		json_put_str(w, NULL, item);
	json_close_array(w);
}

static void write_one(const struct verify_claim *row, const char *name,
		      const void *claims, struct json_out *w)
{
	auto_buf struct buf text = buf_make(TEXT_MAX);
	const uint8_t *p = (const uint8_t *)claims + row->at;

	if (!verify_claims_text(row, claims, &text))
		return;
	switch (row->kind) {
	case CLAIM_UINT:
		json_put_u64(w, name, number_at(p, row->len));
		break;
	case CLAIM_BIT:
	case CLAIM_FLAG:
		json_put_bool(w, name, flag_at(row, p));
		break;
	case CLAIM_LIST:
		write_list(name, buf_slice(&text), w);
		break;
	default:
		json_put_str(w, name, buf_slice(&text));
	}
}

/* Open and close the objects that rows with a dot stand in. */
static void enter(const char **group, const char *name, struct json_out *w)
{
	const char *dot = strchr(name, '.');
	size_t n = dot == NULL ? 0 : (size_t)(dot - name) + 1;
	char open[32];

	if (*group != NULL && (n == 0 || strncmp(*group, name, n) != 0)) {
		json_close_object(w);
		*group = NULL;
	}
	if (n == 0 || *group != NULL)
		return;
	(void)snprintf(open, sizeof(open), "%.*s", (int)n - 1, name);
	json_open_object(w, open);
	*group = name;
}

void verify_claims_write(const struct verify_claims *t, const void *claims,
			 struct json_out *w)
{
	const char *group = NULL;

	for (size_t i = 0; i < t->n; i++) {
		const char *name = t->rows[i].name;
		const char *dot = strchr(name, '.');

		enter(&group, name, w);
		write_one(&t->rows[i], dot == NULL ? name : dot + 1, claims, w);
	}
	if (group != NULL)
		json_close_object(w);
}

void verify_claims_print(const struct verify_claims *t, const void *claims,
			 struct buf *out)
{
	for (size_t i = 0; i < t->n; i++) {
		auto_buf struct buf text = buf_make(TEXT_MAX);

		if (!verify_claims_text(&t->rows[i], claims, &text))
			continue;
		buf_putf(out, "claim        %s: %s\n", t->rows[i].name,
			 text.len > 0 ? buf_cstr(&text) : "none");
	}
}
