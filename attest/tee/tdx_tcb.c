#include "attest/tee/tdx_tcb.h"

#include "core/cleanup.h"
#include "core/text.h"

#define HEX_MAX 64 /* bytes of the longest member in hex */

static const char *const names[] = {
	[TDX_STATUS_NONE] = "none",
	[TDX_UP_TO_DATE] = "UpToDate",
	[TDX_SW_HARDENING_NEEDED] = "SWHardeningNeeded",
	[TDX_CONFIGURATION_NEEDED] = "ConfigurationNeeded",
	[TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
		"ConfigurationAndSWHardeningNeeded",
	[TDX_OUT_OF_DATE] = "OutOfDate",
	[TDX_OUT_OF_DATE_CONFIGURATION_NEEDED] = "OutOfDateConfigurationNeeded",
	[TDX_REVOKED] = "Revoked",
	[TDX_TD_RELAUNCH_ADVISED] = "TDRelaunchAdvised",
	[TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED] =
		"TDRelaunchAdvisedConfigurationNeeded",
};

const char *tdx_status_name(enum tdx_status s)
{
	return (size_t)s < countof(names) ? names[s] : names[TDX_STATUS_NONE];
}

/* ---- Members ---- */

/* Hex in either case: Intel writes both. */
static enum status want_hex(const struct json *obj, const char *name,
			    uint8_t *out, size_t len, struct err *err)
{
	struct slice s;
	char lower[2 * HEX_MAX];

	TRY(json_want_str(obj, name, &s, err));
	if (s.len != 2 * len)
		return err_set(err, E_PARSE,
			       "%s.%s: expected %zu hex digits, found %zu "
			       "characters",
			       json_path(obj), name, 2 * len, s.len);
	for (size_t i = 0; i < s.len; i++) {
		bool upper = s.p[i] >= 'A' && s.p[i] <= 'F';

		lower[i] = (char)(upper ? s.p[i] + ('a' - 'A') : s.p[i]);
	}
	if (text_unhex(slice_make(lower, s.len), out, len, name, err) != OK)
		return err_wrap(err, "%s", json_path(obj));
	return OK;
}

static enum status want_time(const struct json *obj, const char *name,
			     int64_t *out, struct err *err)
{
	struct slice s;

	TRY(json_want_str(obj, name, &s, err));
	if (text_untime(s, out, err) != OK)
		return err_wrap(err, "%s.%s", json_path(obj), name);
	return OK;
}

static enum status want_u16(const struct json *obj, const char *name,
			    uint16_t *out, struct err *err)
{
	uint64_t v;

	TRY(json_want_u64(obj, name, 0, UINT16_MAX, &v, err));
	*out = (uint16_t)v;
	return OK;
}

/* What a document says it is; another is for something else. */
static enum status want_kind(const struct json *obj, const char *id,
			     uint64_t version, struct err *err)
{
	struct slice found;
	uint64_t v;

	TRY(json_want_u64(obj, "version", 0, UINT32_MAX, &v, err));
	if (v != version)
		return err_set(err, E_PARSE,
			       "%s.version: expected %llu, found %llu",
			       json_path(obj), (unsigned long long)version,
			       (unsigned long long)v);
	TRY(json_want_str(obj, "id", &found, err));
	if (!slice_eq_str(found, id))
		return err_set(err, E_PARSE,
			       "%s.id: expected %s, found \"%.*s\"",
			       json_path(obj), id,
			       SLICE_FMT(slice_sub(found, 0, 16)));
	return OK;
}

static enum status want_evaluation(const struct json *obj, uint32_t *out,
				   struct err *err)
{
	uint64_t v;

	TRY(json_want_u64(obj, "tcbEvaluationDataNumber", 0, UINT32_MAX, &v,
			  err));
	*out = (uint32_t)v;
	return OK;
}

/* The list of that name, of 1 to max; the next one of json_first. */
static enum status want_list(const struct json *obj, const char *name,
			     size_t max, const struct json **out,
			     struct err *err)
{
	TRY(json_want_member(obj, name, JSON_ARRAY, out, err));
	if (json_count(*out) > max)
		return err_set(err, E_LIMIT,
			       "%s: expected at most %zu, found %zu",
			       json_path(*out), max, json_count(*out));
	if (json_count(*out) == 0)
		return err_set(err, E_PARSE, "%s: expected some, found none",
			       json_path(*out));
	return OK;
}

/* Capital letters, digits and "-": what may be shown as it is. */
static bool is_advisory(struct slice s)
{
	for (size_t i = 0; i < s.len; i++)
		if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-", s.p[i]) ==
			    NULL ||
		    s.p[i] == '\0')
			return false;
	return s.len > 0 && s.len < TDX_ADVISORY_SIZE;
}

static enum status read_advisories(const struct json *level,
				   const struct json **out, struct err *err)
{
	*out = json_get(level, "advisoryIDs");
	if (*out == NULL)
		return OK;
	TRY(json_want(*out, JSON_ARRAY, err));
	if (json_count(*out) > TDX_ADVISORIES_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d advisories",
			       json_path(*out), TDX_ADVISORIES_MAX);
	for (const struct json *a = json_first(*out); a != NULL;
	     a = json_next(a)) {
		TRY(json_want(a, JSON_STRING, err));
		if (!is_advisory(json_str(a)))
			return err_set(err, E_PARSE,
				       "%s: expected an advisory such as "
				       "INTEL-SA-00837",
				       json_path(a));
	}
	return OK;
}

/* Of the statuses up to `last`. */
static enum status read_status(const struct json *level, enum tdx_status *out,
			       struct err *err)
{
	struct slice s;

	TRY(json_want_str(level, "tcbStatus", &s, err));
	for (size_t i = TDX_UP_TO_DATE; i <= TDX_REVOKED; i++)
		if (slice_eq_str(s, names[i])) {
			*out = (enum tdx_status)i;
			return OK;
		}
	return err_set(err, E_PARSE,
		       "%s.tcbStatus: expected a status that is known, found "
		       "\"%.*s\"",
		       json_path(level), SLICE_FMT(slice_sub(s, 0, 40)));
}

/* ---- Levels ---- */

/* Modules and enclaves are not configured: any other status would be one
 * whose meaning for the platform nobody says. */
static enum status read_isv_level(const struct json *j,
				  struct tdx_isv_level *out, struct err *err)
{
	const struct json *tcb;

	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_want_member(j, "tcb", JSON_OBJECT, &tcb, err));
	TRY(want_u16(tcb, "isvsvn", &out->isv_svn, err));
	TRY(want_time(j, "tcbDate", &out->date, err));
	TRY(read_status(j, &out->status, err));
	if (out->status != TDX_UP_TO_DATE && out->status != TDX_OUT_OF_DATE &&
	    out->status != TDX_REVOKED)
		return err_set(err, E_PARSE,
			       "%s.tcbStatus: expected UpToDate, OutOfDate or "
			       "Revoked, found %s",
			       json_path(j), tdx_status_name(out->status));
	return read_advisories(j, &out->advisories, err);
}

/* Put level i in its place among those before it, which are in order. */
static void sort_isv_level(struct tdx_isv_level *level, size_t i)
{
	struct tdx_isv_level l = level[i];

	for (; i > 0 && level[i - 1].isv_svn < l.isv_svn; i--)
		level[i] = level[i - 1];
	level[i] = l;
}

static enum status read_isv_levels(const struct json *obj,
				   struct tdx_isv_levels *out, struct err *err)
{
	const struct json *list;

	TRY(want_list(obj, "tcbLevels", TDX_TCB_ISV_LEVELS_MAX, &list, err));
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j)) {
		TRY(read_isv_level(j, &out->level[out->n], err));
		sort_isv_level(out->level, out->n++);
	}
	return OK;
}

/* Exactly 16 of {"svn":N}. */
static enum status read_components(const struct json *tcb, const char *name,
				   uint8_t out[static 16], struct err *err)
{
	const struct json *list;
	size_t i = 0;
	uint64_t v;

	TRY(json_want_member(tcb, name, JSON_ARRAY, &list, err));
	if (json_count(list) != 16)
		return err_set(err, E_PARSE,
			       "%s: expected 16 components, found %zu",
			       json_path(list), json_count(list));
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j)) {
		TRY(json_want(j, JSON_OBJECT, err));
		TRY(json_want_u64(j, "svn", 0, UINT8_MAX, &v, err));
		out[i++] = (uint8_t)v;
	}
	return OK;
}

static enum status read_level(const struct json *j, struct tdx_tcb_level *out,
			      struct err *err)
{
	const struct json *tcb;

	TRY(json_want(j, JSON_OBJECT, err));
	TRY(json_want_member(j, "tcb", JSON_OBJECT, &tcb, err));
	TRY(read_components(tcb, "sgxtcbcomponents", out->sgx, err));
	TRY(read_components(tcb, "tdxtcbcomponents", out->tdx, err));
	TRY(want_u16(tcb, "pcesvn", &out->pce_svn, err));
	TRY(want_time(j, "tcbDate", &out->date, err));
	TRY(read_status(j, &out->status, err));
	return read_advisories(j, &out->advisories, err);
}

/* The order that levels are tried in: newest first. */
static bool is_newer(const struct tdx_tcb_level *a,
		     const struct tdx_tcb_level *b)
{
	int sgx = memcmp(a->sgx, b->sgx, sizeof(a->sgx));

	if (sgx != 0)
		return sgx > 0;
	if (a->pce_svn != b->pce_svn)
		return a->pce_svn > b->pce_svn;
	return memcmp(a->tdx, b->tdx, sizeof(a->tdx)) > 0;
}

static enum status read_levels(const struct json *obj, struct tdx_tcb_info *t,
			       struct err *err)
{
	const struct json *list;

	TRY(want_list(obj, "tcbLevels", TDX_TCB_LEVELS_MAX, &list, err));
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j)) {
		struct tdx_tcb_level level = { 0 };
		size_t i = t->n_levels++;

		TRY(read_level(j, &level, err));
		for (; i > 0 && is_newer(&level, &t->level[i - 1]); i--)
			t->level[i] = t->level[i - 1];
		t->level[i] = level;
	}
	return OK;
}

/* ---- Modules ---- */

static enum status read_module(const struct json *j, struct tdx_module *m,
			       struct err *err)
{
	TRY(json_want(j, JSON_OBJECT, err));
	TRY(want_hex(j, "mrsigner", m->mrsigner, sizeof(m->mrsigner), err));
	TRY(want_hex(j, "attributes", m->attributes, sizeof(m->attributes),
		     err));
	return want_hex(j, "attributesMask", m->attributes_mask,
			sizeof(m->attributes_mask), err);
}

/* "TDX_01", in either case; the number is of two hex digits. */
static enum status read_module_id(const struct json *j, uint8_t *version,
				  struct err *err)
{
	struct slice id;
	char digits[3];

	TRY(json_want_str(j, "id", &id, err));
	for (unsigned v = 0; v <= UINT8_MAX; v++) {
		(void)snprintf(digits, sizeof(digits), "%02X", v);
		if (id.len == 6 &&
		    slice_eq_nocase(slice_sub(id, 0, 4), S("TDX_")) &&
		    slice_eq_nocase(slice_from(id, 4), slice_str(digits))) {
			*version = (uint8_t)v;
			return OK;
		}
	}
	return err_set(err, E_PARSE,
		       "%s.id: expected TDX_ and two hex digits, found "
		       "\"%.*s\"",
		       json_path(j), SLICE_FMT(slice_sub(id, 0, 16)));
}

static enum status read_identity(const struct json *j, struct tdx_tcb_info *t,
				 struct err *err)
{
	struct tdx_module *m = &t->identity[t->n_modules];

	TRY(read_module(j, m, err));
	TRY(read_module_id(j, &m->version, err));
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->identity[i].version == m->version)
			return err_set(err, E_PARSE,
				       "%s.id: expected one identity for each "
				       "module, found TDX_%02X twice",
				       json_path(j), m->version);
	TRY(read_isv_levels(j, &m->levels, err));
	t->n_modules++;
	return OK;
}

/* The list came with TDX 1.5 and may be absent. */
static enum status read_identities(const struct json *obj,
				   struct tdx_tcb_info *t, struct err *err)
{
	const struct json *list = json_get(obj, "tdxModuleIdentities");

	if (list == NULL)
		return OK;
	TRY(json_want(list, JSON_ARRAY, err));
	if (json_count(list) > TDX_TCB_MODULES_MAX)
		return err_set(err, E_LIMIT, "%s: more than %d modules",
			       json_path(list), TDX_TCB_MODULES_MAX);
	for (const struct json *j = json_first(list); j != NULL;
	     j = json_next(j))
		TRY(read_identity(j, t, err));
	return OK;
}

/* ---- Documents ---- */

/* {"NAME":{...},"signature":"..."} and nothing else. */
static enum status read_document(struct slice text, const char *name,
				 struct json **root, const struct json **body,
				 struct tdx_signed *over, struct err *err)
{
	const char *const only[] = { name, "signature" };

	if (text.len > TDX_TCB_JSON_MAX)
		return err_set(err, E_LIMIT, "%s: %zu bytes, want at most %u",
			       name, text.len, TDX_TCB_JSON_MAX);
	if (json_parse(text, root, err) != OK)
		return err_wrap(err, "%s", name);
	TRY(json_want(*root, JSON_OBJECT, err));
	TRY(json_only(*root, only, countof(only), err));
	TRY(json_want_member(*root, name, JSON_OBJECT, body, err));
	/* In one case only: it is under no signature itself. */
	TRY(json_want_hex(*root, "signature", over->signature,
			  sizeof(over->signature), err));
	over->bytes = json_span(text, *body);
	return OK;
}

static enum status read_validity(const struct json *obj, int64_t *issued,
				 int64_t *next, struct err *err)
{
	TRY(want_time(obj, "issueDate", issued, err));
	TRY(want_time(obj, "nextUpdate", next, err));
	if (*next < *issued)
		return err_set(err, E_PARSE,
			       "%s.nextUpdate: expected a time after "
			       "issueDate, found one before",
			       json_path(obj));
	return OK;
}

static enum status read_tcb_info(const struct json *obj, struct tdx_tcb_info *t,
				 struct err *err)
{
	const struct json *module;
	uint64_t type;

	TRY(want_kind(obj, "TDX", 3, err));
	TRY(read_validity(obj, &t->issued, &t->next, err));
	TRY(want_hex(obj, "fmspc", t->fmspc, sizeof(t->fmspc), err));
	TRY(want_hex(obj, "pceId", t->pce_id, sizeof(t->pce_id), err));
	/* 0: components are compared one by one; there is no other yet. */
	TRY(json_want_u64(obj, "tcbType", 0, 0, &type, err));
	TRY(want_evaluation(obj, &t->evaluation, err));
	TRY(json_want_member(obj, "tdxModule", JSON_OBJECT, &module, err));
	TRY(read_module(module, &t->module, err));
	TRY(read_identities(obj, t, err));
	return read_levels(obj, t, err);
}

enum status tdx_tcb_info_parse(struct slice text, struct tdx_tcb_info **out,
			       struct tdx_signed *over, struct err *err)
{
	const struct json *body;
	struct tdx_signed found;
	auto_tdx_tcb_info struct tdx_tcb_info *t = mem_must(sizeof(*t));

	TRY(read_document(text, "tcbInfo", &t->root, &body, &found, err));
	TRY(read_tcb_info(body, t, err));
	*over = found;
	*out = take(t);
	return OK;
}

void tdx_tcb_info_free(struct tdx_tcb_info *t)
{
	if (t == NULL)
		return;
	json_free(t->root);
	mem_free(t);
}

/* A value and the mask of its bits that count. */
static enum status want_masked(const struct json *obj, const char *name,
			       const char *mask_name, uint8_t *value,
			       uint8_t *mask, size_t len, struct err *err)
{
	TRY(want_hex(obj, name, value, len, err));
	return want_hex(obj, mask_name, mask, len, err);
}

static enum status read_qe_identity(const struct json *obj,
				    struct tdx_qe_identity *q, struct err *err)
{
	TRY(want_kind(obj, "TD_QE", 2, err));
	TRY(read_validity(obj, &q->issued, &q->next, err));
	TRY(want_evaluation(obj, &q->evaluation, err));
	TRY(want_masked(obj, "miscselect", "miscselectMask", q->miscselect,
			q->miscselect_mask, sizeof(q->miscselect), err));
	TRY(want_masked(obj, "attributes", "attributesMask", q->attributes,
			q->attributes_mask, sizeof(q->attributes), err));
	TRY(want_hex(obj, "mrsigner", q->mrsigner, sizeof(q->mrsigner), err));
	TRY(want_u16(obj, "isvprodid", &q->isv_prod_id, err));
	return read_isv_levels(obj, &q->levels, err);
}

enum status tdx_qe_identity_parse(struct slice text,
				  struct tdx_qe_identity **out,
				  struct tdx_signed *over, struct err *err)
{
	const struct json *body;
	struct tdx_signed found;
	auto_tdx_qe_identity struct tdx_qe_identity *q = mem_must(sizeof(*q));

	TRY(read_document(text, "enclaveIdentity", &q->root, &body, &found,
			  err));
	TRY(read_qe_identity(body, q, err));
	*over = found;
	*out = take(q);
	return OK;
}

void tdx_qe_identity_free(struct tdx_qe_identity *q)
{
	if (q == NULL)
		return;
	json_free(q->root);
	mem_free(q);
}
