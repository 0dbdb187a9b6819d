/* The ways to spoil a genuine TDX quote or its collateral that the vectors
 * list, each applied to every case: refused, and for the reason. */
#include "core/cleanup.h"
#include "core/crypto.h"
#include "core/text.h"
#include "test/attest/vectors/tdx_vector.h"
#include "test/test.h"

#define FILE_MAX TDX_VECTOR_FILE_MAX

/* ---- Spoilt quotes ---- */

static struct json *rules; /* of the file of rules being run */

/* Load a file of rules of the kind's directory. */
static bool load_rules(const char *file)
{
	auto_buf struct buf text = buf_make(FILE_MAX);
	struct err err;

	json_free(rules);
	rules = NULL;
	return tdx_vector_file("tdx", ".", file, &text) &&
	       EXPECT(json_parse(buf_slice(&text), &rules, &err) == OK);
}

static int64_t number(const struct json *j)
{
	/* json_u64 takes none below zero. */
	if (json_kind(j) != JSON_NUMBER)
		return 0;
	uint64_t v = 0;
	struct err err;

	return json_u64(j, 0, INT32_MAX, &v, &err) == OK ? (int64_t)v : -1;
}

/* "add" of less than zero: as the file has them. */
static int64_t addend(const struct json *rule)
{
	if (slice_eq_str(tdx_vector_str(rule, "id"), "qe_auth_len_31"))
		return -1;
	if (slice_eq_str(tdx_vector_str(rule, "id"), "pck_len_short"))
		return -400;
	return number(json_get(rule, "value"));
}

static bool spoil_bytes(uint8_t *p, const struct json *rule, struct slice op)
{
	struct slice value = tdx_vector_str(rule, "value");
	uint8_t bytes[64];
	struct err err;

	if (value.len == 0 || value.len > 2 * sizeof(bytes) ||
	    text_unhex(value, bytes, value.len / 2, "value", &err) != OK)
		return false;
	if (slice_eq_str(op, "xor"))
		*p ^= bytes[0];
	else
		memcpy(p, bytes, value.len / 2);
	return true;
}

/* Apply one rule to the quote in q; false when it cannot be. */
static bool spoil(const struct tdx_vector *v, const struct json *rule,
		  struct buf *q)
{
	const struct json *base = json_get(rule, "base");
	struct slice op = tdx_vector_str(rule, "op");
	uint8_t *all = buf_room(q, 0);

	if (slice_eq_str(op, "truncate_frac")) {
		struct slice id = tdx_vector_str(rule, "id");
		buf_cut(q, slice_eq_str(id, "empty")	       ? 0
			   : slice_eq_str(id, "truncate_half") ? q->len / 2
							       : q->len - 1);
		return true;
	}
	char name[64];
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(json_str(base)));
	const struct json *place = json_get(json_get(v->json, "layout"), name);
	if (place == NULL)
		return false;
	size_t at = (size_t)(number(json_first(place)) +
			     number(json_get(rule, "offset")));
	uint64_t width = (uint64_t)number(json_next(json_first(place)));
	uint8_t *p = all - q->len + at;
	if (slice_eq_str(op, "pemflip")) {
		*p = *p == 'A' ? 'B' : 'A';
		return true;
	}
	if (!slice_eq_str(op, "add"))
		return spoil_bytes(p, rule, op);
	uint64_t n = 0;
	memcpy(&n, p, width <= 4 ? width : 4);
	n += (uint64_t)addend(rule);
	memcpy(p, &n, width <= 4 ? width : 4);
	return true;
}

/* Each rule is applied to some of the cases, by turns. */
#define TURNS 4
static size_t turn;

static bool is_its_turn(size_t rule)
{
	return (turn + rule) % test_stride(TURNS) == 0;
}

static void run_spoilt(struct tdx_vector *v)
{
	size_t n_rule = 0;

	const struct json *alone = json_get(v->json, "signature_only");

	if (json_get(v->json, "layout") == NULL || alone == NULL)
		return;
	struct tdx_case c = tdx_vector_case(v, tdx_vector_time(alone, "at"));
	auto_tdx_collateral struct tdx_collateral *collateral =
		tdx_collateral_new(&c.input);
	c.collateral = collateral;
	for (const struct json *r = json_first(json_get(rules, "rules"));
	     r != NULL; r = json_next(r)) {
		auto_buf struct buf q = buf_make(FILE_MAX);
		struct tdx_claims claims;
		auto_trace struct trace t = { 0 };
		bool because = false;

		if (!is_its_turn(n_rule++))
			continue;
		buf_put(&q, buf_slice(&v->file[QUOTE]));
		if (!EXPECT(spoil(v, r, &q)))
			continue;
		c.quote = buf_slice(&q);
		enum status status =
			tdx_verify(&c, &t, &claims, &tdx_vector_err);
		for (const struct json *e =
			     json_first(json_get(r, "expect_any"));
		     e != NULL; e = json_next(e))
			because |= tdx_vector_failed_for(&t, json_str(e));
		char id[64];
		(void)snprintf(id, sizeof(id), "%.*s",
			       SLICE_FMT(tdx_vector_str(r, "id")));
		tdx_vector_count(SPOILT, status, status != OK && because, v,
				 id);
	}
	turn++;
}

TEST(every_spoilt_quote_is_refused_for_its_reason)
{
	if (!tdx_vector_there("tdx"))
		SKIP("no vectors");
	CHECK(load_rules("NEGATIVE_RULES.json"));
	CHECK(tdx_vector_each("tdx", run_spoilt) >= 26);
	json_free(rules);
	rules = NULL;
	tdx_vector_print(SPOILT, COLLATERAL);
	CHECK(tdx_table[SPOILT].wrong == 0);
}

/* ---- Spoilt collateral ---- */

static size_t file_of(struct slice name)
{
	for (size_t i = 0; i < FILES; i++)
		if (slice_eq_str(name, tdx_vector_file_names[i]))
			return i;
	return FILES;
}

/* Replace a by b, in all places or the first. */
static bool replace(struct buf *b, struct slice from, struct slice to, bool all)
{
	auto_buf struct buf out = buf_make(FILE_MAX);
	struct slice rest = buf_slice(b);
	size_t n = 0;

	while (n == 0 || all) {
		size_t at = slice_search(rest, from);

		if (at == rest.len)
			break;
		buf_put(&out, slice_sub(rest, 0, at));
		buf_put(&out, to);
		rest = slice_from(rest, at + from.len);
		n++;
	}
	buf_put(&out, rest);
	buf_clear(b);
	buf_put(b, buf_slice(&out));
	return n > 0;
}

/* Apply one rule; false when it changes nothing here. */
static bool spoil_collateral(struct tdx_vector *v, const struct json *rule)
{
	size_t i = file_of(tdx_vector_str(rule, "file"));
	struct slice op = tdx_vector_str(rule, "op");
	struct slice a = tdx_vector_str(rule, "a"),
		     b = tdx_vector_str(rule, "b");
	struct buf *f = &v->file[i];
	char name[64];

	if (slice_eq_str(op, "replace") || slice_eq_str(op, "regex") ||
	    slice_eq_str(op, "replace1"))
		return replace(f, a, b, slice_eq_str(op, "replace"));
	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(a));
	if (slice_eq_str(op, "swap"))
		return tdx_vector_file("tdx", "_extra_collateral", name, f);
	if (slice_eq_str(op, "swapself")) {
		buf_clear(f);
		buf_put(f, buf_slice(&v->file[file_of(a)]));
		return true;
	}
	/* sigflip: a digit of the signature; xorlast: the last byte. */
	uint8_t *end = buf_room(f, 0);
	if (slice_eq_str(op, "xorlast")) {
		end[-1] ^= 1;
		return true;
	}
	size_t at = slice_search(buf_slice(f), S("\"signature\":\""));
	uint8_t *digit = end - f->len + at + 13 + 20;
	*digit = *digit == '0' ? '1' : '0';
	return at < f->len;
}

static size_t n_swapped_to_the_same; /* the file was the right one here */

static void run_collateral(struct tdx_vector *v)
{
	const struct json *list = json_get(v->json, "evaluations");
	size_t n_rule = 0;

	if (list == NULL || json_count(list) == 0)
		return;
	for (const struct json *r = json_first(json_get(rules, "rules"));
	     r != NULL; r = json_next(r)) {
		struct tdx_claims claims;
		auto_trace struct trace t = { 0 };
		auto_buf struct buf before = buf_make(FILE_MAX);
		bool because = false;
		char id[64];

		if (!is_its_turn(n_rule++))
			continue;
		tdx_vector_collateral(v, S("."));
		size_t i = file_of(tdx_vector_str(r, "file"));
		buf_put(&before, buf_slice(&v->file[i]));
		if (!spoil_collateral(v, r) ||
		    slice_eq(buf_slice(&before), buf_slice(&v->file[i]))) {
			n_swapped_to_the_same++;
			continue;
		}
		struct tdx_case c = tdx_vector_case(
			v, tdx_vector_time(json_first(list), "at"));
		enum status status =
			tdx_verify(&c, &t, &claims, &tdx_vector_err);
		for (const struct json *e =
			     json_first(json_get(r, "expect_any"));
		     e != NULL; e = json_next(e))
			because |= tdx_vector_failed_for(&t, json_str(e));
		(void)snprintf(id, sizeof(id), "%.*s",
			       SLICE_FMT(tdx_vector_str(r, "id")));
		tdx_vector_count(COLLATERAL, status, status != OK && because, v,
				 id);
	}
	turn++;
}

TEST(all_spoilt_collateral_is_refused_for_its_reason)
{
	if (!tdx_vector_there("tdx"))
		SKIP("no vectors");
	CHECK(load_rules("COLLATERAL_RULES.json"));
	CHECK(tdx_vector_each("tdx", run_collateral) >= 26);
	json_free(rules);
	rules = NULL;
	tdx_vector_print(COLLATERAL, SYNTH);
	printf("  rules that change nothing in a case (no such text in it, or "
	       "the same file): %zu\n",
	       n_swapped_to_the_same);
	CHECK(tdx_table[COLLATERAL].wrong == 0);
}
