#include "attest/statement.h"

#include <assert.h>

#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/json.h"
#include "core/text.h"

#define TAG "confd-statement-v1" /* with its NUL: the 0x00 behind it */
#define VERSION "1"

/* clang-format off */
/* exporter_optional: evidence that is read later, by whoever holds it, has no
 * connection to be bound to. */
static const struct { const char *name; bool exporter_optional; } purposes[] = {
	[PURPOSE_AS]        = { "as",        false },
	[PURPOSE_WORKER]    = { "worker",    false },
	[PURPOSE_AS_PEER]   = { "as-peer",   false },
	[PURPOSE_RECEIPT]   = { "receipt",   true },
	[PURPOSE_DISK]      = { "disk",      false },
	[PURPOSE_USER_DATA] = { "user-data", true },
};
static_assert(countof(purposes) == PURPOSE_COUNT, "a row for each purpose");

enum form { FORM_DIGEST, FORM_OPTIONAL_DIGEST, FORM_PURPOSE, FORM_VERSION };

#define AT(m) offsetof(struct statement, m)
/* The members in canonical order. has: where we keep that it is not "none". */
static const struct { const char *name; enum form form; size_t at, has; }
members[] = {
	{ "exporter", FORM_OPTIONAL_DIGEST, AT(exporter), AT(has_exporter) },
	{ "keys",     FORM_DIGEST,          AT(keys),     0 },
	{ "manifest", FORM_OPTIONAL_DIGEST, AT(manifest), AT(has_manifest) },
	{ "nonce",    FORM_DIGEST,          AT(nonce),    0 },
	{ "purpose",  FORM_PURPOSE,         0,            0 },
	{ "spki",     FORM_DIGEST,          AT(spki),     0 },
	{ "v",        FORM_VERSION,         0,            0 },
};
static_assert(AT(has_exporter) > 0 && AT(has_manifest) > 0, "0: never none");
/* clang-format on */

const char *statement_purpose_name(enum purpose p)
{
	return (size_t)p < countof(purposes) ? purposes[p].name : "unknown";
}

bool statement_purpose_find(struct slice name, enum purpose *out)
{
	for (size_t i = 0; i < countof(purposes); i++)
		if (slice_eq_str(name, purposes[i].name)) {
			*out = (enum purpose)i;
			return true;
		}
	return false;
}

/* Only where there is no connection that it could be bound to may a statement
 * say "none". */
static bool exporter_optional(enum purpose p)
{
	return (size_t)p < countof(purposes) && purposes[p].exporter_optional;
}

static enum status check_exporter(const struct statement *s, struct err *err)
{
	if (s->has_exporter || exporter_optional(s->purpose))
		return OK;
	return err_set(err, E_POLICY,
		       "statement: evidence for purpose %s has to be bound to "
		       "a connection: expected an exporter, found none",
		       statement_purpose_name(s->purpose));
}

static void write_member(const struct statement *s, size_t i,
			 struct json_out *w)
{
	const uint8_t *at = (const uint8_t *)s + members[i].at;
	const uint8_t *has = (const uint8_t *)s + members[i].has;

	switch (members[i].form) {
	case FORM_OPTIONAL_DIGEST:
		if (!*(const bool *)has) {
			json_put_cstr(w, members[i].name, "none");
			return;
		}
		[[fallthrough]];
	case FORM_DIGEST:
		json_put_hex(w, members[i].name, slice_make(at, 32));
		return;
	case FORM_PURPOSE:
		json_put_cstr(w, members[i].name,
			      statement_purpose_name(s->purpose));
		return;
	case FORM_VERSION:
		json_put_cstr(w, members[i].name, VERSION);
		return;
	}
}

enum status statement_write(const struct statement *s, struct buf *out,
			    struct err *err)
{
	struct json_out w = { .buf = out };
	size_t before = out->len;

	TRY(check_exporter(s, err));
	TRY(buf_check(out, "statement", err));
	json_open_object(&w, NULL);
	for (size_t i = 0; i < countof(members); i++)
		write_member(s, i, &w);
	json_close_object(&w);
	enum status status = buf_check(out, "statement", err);
	if (status != OK)
		buf_cut(out, before);
	return status;
}

static enum status read_purpose(const struct json *obj, struct statement *s,
				struct err *err)
{
	struct slice name;

	TRY(json_want_str(obj, "purpose", &name, err));
	if (statement_purpose_find(name, &s->purpose))
		return OK;
	return err_set(err, E_PARSE,
		       "purpose: expected one that we know, "
		       "found \"%.*s\"",
		       SLICE_FMT(name));
}

static enum status read_member(const struct json *obj, size_t i,
			       struct statement *s, struct err *err)
{
	uint8_t *at = (uint8_t *)s + members[i].at;
	bool *has = (bool *)((uint8_t *)s + members[i].has);
	const char *name = members[i].name;
	struct slice text;

	switch (members[i].form) {
	case FORM_OPTIONAL_DIGEST:
		TRY(json_want_str(obj, name, &text, err));
		*has = !slice_eq_str(text, "none");
		return *has ? json_want_hex(obj, name, at, 32, err) : OK;
	case FORM_DIGEST:
		return json_want_hex(obj, name, at, 32, err);
	case FORM_PURPOSE:
		return read_purpose(obj, s, err);
	case FORM_VERSION:
		TRY(json_want_str(obj, name, &text, err));
		if (slice_eq_str(text, VERSION))
			return OK;
		return err_set(err, E_PARSE,
			       "v: expected \"" VERSION "\", found \"%.*s\"",
			       SLICE_FMT(text));
	}
	return err_set(err, E_PARSE, "%s: no such form", name);
}

/* The values, whatever the bytes between them. */
static enum status read_all(struct slice in, struct statement *s,
			    struct err *err)
{
	auto_json struct json *root = NULL;
	const char *names[countof(members)];

	TRY(json_parse(in, &root, err));
	TRY(json_want(root, JSON_OBJECT, err));
	for (size_t i = 0; i < countof(members); i++)
		names[i] = members[i].name;
	TRY(json_only(root, names, countof(names), err));
	for (size_t i = 0; i < countof(members); i++)
		TRY(read_member(root, i, s, err));
	return OK;
}

static enum status check_canonical(struct slice in, const struct statement *s,
				   struct err *err)
{
	auto_buf struct buf again = buf_make(STATEMENT_MAX);

	TRY(statement_write(s, &again, err));
	if (slice_eq(in, buf_slice(&again)))
		return OK;
	return err_set(err, E_PARSE,
		       "statement: expected the canonical form (members "
		       "sorted, no white space, no escapes), found another");
}

enum status statement_parse(struct slice in, struct statement *out,
			    struct err *err)
{
	struct statement s = { 0 };

	if (in.len > STATEMENT_MAX)
		return err_set(err, E_PARSE,
			       "statement: expected at most %d bytes, found "
			       "%zu",
			       STATEMENT_MAX, in.len);
	if (read_all(in, &s, err) != OK) {
		err->code = E_PARSE;
		return err_wrap(err, "statement");
	}
	TRY(check_canonical(in, &s, err));
	*out = s;
	return OK;
}

void statement_report_data(struct slice bytes,
			   uint8_t out[static STATEMENT_REPORT_DATA_LEN])
{
	const struct slice parts[] = { slice_make(TAG, sizeof(TAG)), bytes };

	hash_parts(HASH_SHA512, parts, countof(parts), out);
}
