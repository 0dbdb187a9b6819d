/* Every case of Azure's vTPM among the vectors, every mutation that their
 * rules name, and good quotes changed in every place. */
#include "attest/tee/vtpm.h"

#include <dirent.h>

#include "attest/tee/snp_verify.h"
#include "core/cleanup.h"
#include "test/attest/vectors/snp_vectors.h"
#include "test/test.h"

#define NO_FOLDER "the vectors are not there (CONFD_VECTORS)"
#define NOW INT64_C(1767225600) /* 2026-01-01 */
#define CASES_MAX 16
#define RUNTIME_AT 1236

enum file { HCL, QUOTE, SIGNATURE, PCRS, TD_QUOTE, VCEK, CHAIN, FILES };

static const char *const names[FILES] = {
	[HCL] = "hcl_report.bin",
	[QUOTE] = "tpm_quote_msg.bin",
	[SIGNATURE] = "tpm_quote_sig.bin",
	[PCRS] = "pcrs.json",
	[TD_QUOTE] = "td_quote.bin",
	[VCEK] = "vcek.der",
	[CHAIN] = "../../roots/amd_ask_milan.pem",
};

struct vector {
	char path[768], name[256];
	struct buf file[FILES]; /* what is not there is empty */
	struct json *json;
	uint8_t nonce[VTPM_NONCE_MAX];
	size_t nonce_len;
};

static struct {
	size_t n;
	struct vector at[CASES_MAX];
} all;

static void unload(void)
{
	for (size_t i = 0; i < all.n; i++) {
		json_free(all.at[i].json);
		for (size_t k = 0; k < FILES; k++)
			buf_done(&all.at[i].file[k]);
	}
	all.n = 0;
}

/* The nonce that case.json expects, if there is a quote. */
static void read_nonce(struct vector *v)
{
	const struct json *expect = json_get(v->json, "expect");
	const struct json *nonce = json_get(expect, "nonce");
	struct err err;

	if (nonce == NULL || json_kind(nonce) != JSON_STRING)
		return;
	v->nonce_len = json_str(nonce).len / 2;
	EXPECT(json_want_hex(expect, "nonce", v->nonce, v->nonce_len, &err) ==
	       OK);
}

static void load_one(const char *name)
{
	struct vector *v = &all.at[all.n];
	auto_buf struct buf ark = buf_make(SNP_VECTOR_FILE_MAX);

	*v = (struct vector){ 0 };
	(void)snprintf(v->name, sizeof(v->name), "%s", name);
	(void)snprintf(v->path, sizeof(v->path), "%s/vtpm/%s",
		       snp_vectors_folder(), name);
	for (size_t k = 0; k < FILES; k++) {
		v->file[k] = buf_make(SNP_VECTOR_FILE_MAX);
		(void)snp_vectors_read(v->path, names[k], &v->file[k]);
	}
	(void)snp_vectors_read(v->path, "../../roots/amd_ark_milan.pem", &ark);
	buf_put(&v->file[CHAIN], buf_slice(&ark));
	v->json = snp_vectors_json(v->path, "case.json");
	all.n++;
	read_nonce(v);
}

static bool load(void)
{
	struct dirent **list = NULL;
	char path[512];

	if (snp_vectors_folder() == NULL)
		return false;
	(void)snprintf(path, sizeof(path), "%s/vtpm", snp_vectors_folder());
	int found = scandir(path, &list, NULL, alphasort);
	for (int i = 0; i < found; i++) {
		if (list[i]->d_name[0] != '.' && all.n < CASES_MAX)
			load_one(list[i]->d_name);
		(free)(list[i]); /* scandir's own */
	}
	(free)(list);
	return all.n > 0;
}

static struct vtpm_case case_of(const struct vector *v)
{
	return (struct vtpm_case){
		.hcl = buf_slice(&v->file[HCL]),
		.quote = buf_slice(&v->file[QUOTE]),
		.signature = buf_slice(&v->file[SIGNATURE]),
		.pcrs = buf_slice(&v->file[PCRS]),
		.td_quote = buf_slice(&v->file[TD_QUOTE]),
		.nonce = slice_make(v->nonce, v->nonce_len),
	};
}

static uint8_t *byte_of(struct vector *v, enum file f, size_t at)
{
	return v->file[f].mem + v->file[f].head + at;
}

static enum status verify(const struct vtpm_case *c, struct trace *t)
{
	struct vtpm_claims claims;
	struct err err = { 0 };

	return vtpm_verify(c, t, &claims, &err);
}

static enum status outcome(const struct vtpm_case *c)
{
	auto_trace struct trace t;

	trace_init(&t);
	return verify(c, &t);
}

static bool failed(const struct trace *t, const char *step)
{
	for (size_t i = 0; i < t->n; i++)
		if (t->step[i].outcome == TRACE_FAILED &&
		    strcmp(t->step[i].rule->step, step) == 0)
			return true;
	return false;
}

/* ---- Cases ---- */

static enum status verify_cpu(const struct vector *v, struct slice report)
{
	auto_trace struct trace t;
	struct snp_claims claims;
	struct err err = { 0 };
	const struct snp_case c = {
		.report = report,
		.collateral = { .leaf = buf_slice(&v->file[VCEK]),
				.chain = buf_slice(&v->file[CHAIN]) },
		.now = NOW,
	};

	trace_init(&t);
	return snp_verify(&c, &t, &claims, &err);
}

/* Without a quote what is there has to hold, and the rest to be open. */
static void run_case(const struct vector *v)
{
	const struct vtpm_case c = case_of(v);
	auto_trace struct trace t;
	struct vtpm_hcl hcl;
	struct err err;
	bool whole = c.quote.len > 0;

	trace_init(&t);
	enum status status = verify(&c, &t);
	printf("%-32s %s\n", v->name,
	       status == OK ? "ok" : "incomplete, as it has no quote");
	EXPECT(status == (whole ? OK : E_STALE));
	EXPECT(trace_has(&t, "vtpm.quote.nonce") == whole);
	EXPECT(trace_has(&t, "vtpm.hcl.form") && trace_has(&t, "vtpm.ak") &&
	       trace_has(&t, "vtpm.binding"));
	EXPECT(trace_has(&t, "vtpm.binding.quote") == (c.td_quote.len > 0));
	if (!EXPECT(vtpm_parse_hcl(c.hcl, &hcl, &err) == OK))
		return;
	EXPECT((hcl.cpu == VTPM_SNP) ==
	       (json_get(v->json, "snp_fields") != NULL));
	if (v->file[VCEK].len > 0)
		EXPECT(verify_cpu(v, hcl.report) == OK);
}

TEST(every_case_is_judged_as_it_says)
{
	if (!load())
		SKIP(NO_FOLDER);
	for (size_t i = 0; i < all.n; i++)
		run_case(&all.at[i]);
	EXPECT(all.n >= 6);
	unload();
}

/* ---- The rules of what is refused ---- */

/* The byte of n in the HCL report's runtime data. */
static size_t modulus_of(const struct vector *v)
{
	return slice_search(buf_slice(&v->file[HCL]), S("\"n\":\"")) + 40;
}

/* clang-format off */
static const struct rule {
	const char *id;
	enum file file;
	size_t at;
	size_t (*where)(const struct vector *v); /* in place of at */
	uint8_t bits;
	const char *step; /* that fails */
	bool needs_quote;
} rules[] = {
	{ "msg_flip_extra_data", QUOTE, 44, NULL, 1,
	  "vtpm.quote.signature", true },
	{ "msg_magic", QUOTE, 0, NULL, 1, "vtpm.quote.form", true },
	{ "msg_magic", QUOTE, 0, NULL, 1, "vtpm.quote.signature", true },
	{ "msg_type", QUOTE, 5, NULL, 0x18 ^ 0x17, "vtpm.quote.form", true },
	{ "msg_type", QUOTE, 5, NULL, 0x18 ^ 0x17,
	  "vtpm.quote.signature", true },
	{ "sig_flip", SIGNATURE, 255, NULL, 1, "vtpm.quote.signature", true },
	{ "pcr_edit", PCRS, 40, NULL, 1, "vtpm.quote.pcrs", true },
	{ "runtime_data_edit", HCL, 0, modulus_of, 1, "vtpm.binding", false },
};
/* clang-format on */

static bool run_rule(struct vector *v, const struct rule *r)
{
	auto_trace struct trace t;
	size_t at = r->where != NULL ? r->where(v) : r->at;
	const struct vtpm_case c = case_of(v);

	trace_init(&t);
	*byte_of(v, r->file, at) ^= r->bits;
	enum status status = verify(&c, &t);
	*byte_of(v, r->file, at) ^= r->bits;
	return EXPECT(status == E_CRYPTO || status == E_PARSE) &&
	       EXPECT(failed(&t, r->step));
}

static bool run_nonce(const struct vector *v)
{
	auto_trace struct trace t;
	struct vtpm_case c = case_of(v);

	trace_init(&t);
	c.nonce = S("another");
	return EXPECT(verify(&c, &t) == E_CRYPTO) &&
	       EXPECT(failed(&t, "vtpm.quote.nonce"));
}

/* Every other's. */
static bool run_other_vm(const struct vector *v)
{
	bool good = true;

	for (size_t i = 0; i < all.n; i++) {
		auto_trace struct trace t;
		struct vtpm_case c = case_of(v);

		if (&all.at[i] == v)
			continue;
		trace_init(&t);
		c.hcl = buf_slice(&all.at[i].file[HCL]);
		good &= EXPECT(verify(&c, &t) == E_CRYPTO) &&
			EXPECT(failed(&t, "vtpm.quote.signature"));
	}
	return good;
}

/* The quotes there select all PCRs, so there is none to edit: test_vtpm.c has
 * a quote of some. */
static bool run_unselected(const struct vector *v)
{
	const struct vtpm_case c = case_of(v);
	struct vtpm_quote q;
	struct err err;

	return EXPECT(vtpm_parse_quote(c.quote, &q, &err) == OK) &&
	       EXPECT(q.selected == 0xffffff);
}

static bool run_id(struct vector *v, struct slice id, bool *ran)
{
	bool good = true, quoted = v->file[QUOTE].len > 0;

	*ran = false;
	for (size_t i = 0; i < countof(rules); i++) {
		if (!slice_eq_str(id, rules[i].id) ||
		    (rules[i].needs_quote && !quoted))
			continue;
		good &= run_rule(v, &rules[i]);
		*ran = true;
	}
	if (*ran || !quoted)
		return good;
	*ran = true;
	if (slice_eq_str(id, "nonce_differs"))
		return run_nonce(v);
	if (slice_eq_str(id, "hcl_of_other_vm"))
		return run_other_vm(v);
	return EXPECT(slice_eq_str(id, "pcr_unselected_edit")) &&
	       run_unselected(v);
}

TEST(every_rule_of_what_is_refused_holds)
{
	if (!load())
		SKIP(NO_FOLDER);
	size_t run = 0;
	for (size_t i = 0; i < all.n; i++) {
		const struct json *list =
			json_get(all.at[i].json, "negative_rules");

		for (const struct json *r = json_first(list); r != NULL;
		     r = json_next(r)) {
			struct slice id = json_str(json_get(r, "id"));
			bool ran, good = run_id(&all.at[i], id, &ran);

			run += ran ? 1 : 0;
			printf("%-32s %-20.*s %s\n", all.at[i].name,
			       SLICE_FMT(id),
			       !ran   ? "has no quote"
			       : good ? "ok"
				      : "WRONG");
		}
	}
	EXPECT(run >= 38);
	unload();
}

/* ---- Every place ---- */

/* Nothing of these is taken when a byte of it is changed or it is cut. */
static void change(struct vector *v, enum file f, size_t from, size_t len)
{
	const struct vtpm_case c = case_of(v);

	for (size_t at = from; at < from + len; at++) {
		uint8_t bit = (uint8_t)(1u << at % 8);

		*byte_of(v, f, at) ^= bit;
		if (!EXPECT(outcome(&c) != OK))
			printf("%s, %s: byte %zu\n", v->name, names[f], at);
		*byte_of(v, f, at) ^= bit;
	}
}

static void cut(struct vector *v, enum file f, size_t from)
{
	for (size_t len = from; len < v->file[f].len; len++) {
		struct vtpm_case c = case_of(v);
		struct slice *const part[] = { [HCL] = &c.hcl,
					       [QUOTE] = &c.quote,
					       [SIGNATURE] = &c.signature };

		part[f]->len = len;
		if (!EXPECT(outcome(&c) != OK) ||
		    !EXPECT(len == 0 || outcome(&c) != E_STALE))
			printf("%s, %s: cut at %zu\n", v->name, names[f], len);
	}
}

TEST(no_byte_of_quote_signature_or_head_can_be_changed)
{
	if (!load())
		SKIP(NO_FOLDER);
	for (size_t i = 0; i < all.n; i++) {
		struct vector *v = &all.at[i];
		const struct vtpm_case c = case_of(v);

		if (c.quote.len == 0)
			continue;
		EXPECT(outcome(&c) == OK);
		change(v, QUOTE, 0, c.quote.len);
		change(v, SIGNATURE, 0, c.signature.len);
		change(v, HCL, 0, 32);
		change(v, HCL, RUNTIME_AT - 20, 20);
		EXPECT(outcome(&c) == OK);
	}
	unload();
}

TEST(quote_signature_and_hcl_report_are_refused_when_cut)
{
	if (!load())
		SKIP(NO_FOLDER);
	for (size_t i = 0; i < all.n; i++) {
		struct vector *v = &all.at[i];

		if (v->file[QUOTE].len == 0)
			continue;
		cut(v, QUOTE, 0);
		cut(v, SIGNATURE, 0);
		/* Behind the runtime data there are zeros only. */
		while (v->file[HCL].len > 0 &&
		       *byte_of(v, HCL, v->file[HCL].len - 1) == 0)
			buf_cut(&v->file[HCL], v->file[HCL].len - 1);
		cut(v, HCL, 0);
	}
	unload();
}
