/* Every case of SEV-SNP among the vectors, every mutation that their rules
 * name, and every pairing with another's certificates. */
#include "test/attest/vectors/snp_vectors.h"

#include "core/cleanup.h"
#include "core/text.h"
#include "test/test.h"

#define NO_FOLDER "the vectors are not there (CONFD_VECTORS)"

/* ---- The table of what came out ---- */

enum { GENUINE, REFUSED, NOT_JUDGED, WRONG, NOT_APPLICABLE, N_OUTCOMES };

static struct {
	char kind[48];
	unsigned n[N_OUTCOMES];
} table[96];
static size_t n_kinds;

static void count(const char *kind, int outcome)
{
	size_t i = 0;

	while (i < n_kinds && strcmp(table[i].kind, kind) != 0)
		i++;
	if (i == countof(table))
		return;
	if (i == n_kinds)
		(void)snprintf(table[n_kinds++].kind, sizeof(table[0].kind),
			       "%s", kind);
	table[i].n[outcome]++;
}

static void print_table(const char *title)
{
	printf("%-32s %8s %8s %8s %8s %8s\n", title, "genuine", "refused",
	       "unjudged", "WRONG", "no case");
	for (size_t i = 0; i < n_kinds; i++)
		printf("  %-30s %8u %8u %8u %8u %8u\n", table[i].kind,
		       table[i].n[GENUINE], table[i].n[REFUSED],
		       table[i].n[NOT_JUDGED], table[i].n[WRONG],
		       table[i].n[NOT_APPLICABLE]);
	n_kinds = 0;
	memset(table, 0, sizeof(table));
}

static int outcome_of(enum status status)
{
	if (status == OK)
		return GENUINE;
	return status == E_STALE ? NOT_JUDGED : REFUSED;
}

static void complain(const struct snp_vector *v, const char *what,
		     const struct trace *t)
{
	struct err err = { 0 };

	(void)trace_error(t, &err);
	printf("%s: %s: %s\n", v->name, what, err.text);
}

/* Verify, and compare with the codes expected: none means genuine. */
static bool expect_codes(const struct snp_vector *v, unsigned with,
			 struct snp_certs *issuers, const struct json *codes,
			 const char *kind)
{
	auto_trace struct trace t;

	trace_init(&t);
	enum status status = snp_vectors_verify(v, with, issuers, &t, NULL);
	bool good = json_count(codes) == 0
			    ? status == OK
			    : status != OK && snp_vectors_explains(codes, &t);
	count(kind, good ? outcome_of(status) : WRONG);
	if (!EXPECT(good))
		complain(v, kind, &t);
	return good;
}

/* ---- Cases ---- */

/* What the case says of a field, as hex. */
static void expect_field(const struct snp_vector *v, const char *name,
			 struct slice found)
{
	char hex[2 * 64 + 1];
	const struct json *want = json_get(json_get(v->json, "fields"), name);

	text_hex_into(hex, sizeof(hex), found);
	if (want != NULL && !EXPECT(slice_eq_str(json_str(want), hex)))
		printf("%s: %s\n", v->name, name);
}

static void expect_number(const struct snp_vector *v, const char *name,
			  uint64_t found)
{
	char text[32];
	uint64_t n = 0;
	struct err err;
	const struct json *want = json_get(json_get(v->json, "fields"), name);

	if (!EXPECT(want != NULL))
		return;
	(void)snprintf(text, sizeof(text), "0x%016llx",
		       (unsigned long long)found);
	bool same = json_kind(want) == JSON_NUMBER
			    ? json_u64(want, 0, UINT64_MAX, &n, &err) == OK &&
				      n == found
			    : slice_eq_str(json_str(want), text);
	if (!EXPECT(same))
		printf("%s: %s\n", v->name, name);
}

static void check_fields(struct snp_vector *v)
{
	struct snp_report r;
	struct err err;
	const struct json *reasons =
		json_get(json_get(v->json, "expect"), "reasons");

	if (snp_report_parse(buf_slice(&v->report), &r, &err) != OK) {
		/* Only where the case is about the form. */
		const struct json *first = json_first(reasons);
		EXPECT(first != NULL &&
		       slice_eq_str(json_str(first), "POLICY_RESERVED"));
		count(v->name, NOT_APPLICABLE);
		return;
	}
	const struct {
		const char *name;
		struct slice found;
	} rows[] = {
		{ "family_id", slice_of(r.family_id) },
		{ "image_id", slice_of(r.image_id) },
		{ "report_data", slice_of(r.report_data) },
		{ "measurement", slice_of(r.measurement) },
		{ "host_data", slice_of(r.host_data) },
		{ "id_key_digest", slice_of(r.id_key_digest) },
		{ "author_key_digest", slice_of(r.author_key_digest) },
		{ "report_id", slice_of(r.report_id) },
		{ "report_id_ma", slice_of(r.report_id_ma) },
		{ "chip_id", slice_of(r.chip_id) },
		{ "current_tcb_hex", slice_of(r.current_tcb) },
		{ "reported_tcb_hex", slice_of(r.reported_tcb) },
		{ "committed_tcb_hex", slice_of(r.committed_tcb) },
		{ "launch_tcb_hex", slice_of(r.launch_tcb) },
	};
	const struct {
		const char *name;
		uint64_t found;
	} numbers[] = {
		{ "version", r.version },
		{ "guest_svn", r.guest_svn },
		{ "policy", r.policy },
		{ "vmpl", r.vmpl },
		{ "platform_info", r.platform_info },
		{ "cpuid_fam_id", r.cpuid[0] },
		{ "cpuid_mod_id", r.cpuid[1] },
		{ "cpuid_step", r.cpuid[2] },
		{ "current_build", r.current.build },
		{ "current_minor", r.current.minor },
		{ "current_major", r.current.major },
		{ "committed_build", r.committed.build },
		{ "launch_mit_vector", r.launch_mit_vector },
		{ "current_mit_vector", r.current_mit_vector },
	};

	for (size_t i = 0; i < countof(rows); i++)
		expect_field(v, rows[i].name, rows[i].found);
	for (size_t i = 0; i < countof(numbers); i++)
		expect_number(v, numbers[i].name, numbers[i].found);
	count(v->vlek ? "VLEK" : "VCEK", GENUINE);
}

TEST(every_snp_vector_is_read_as_it_says)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_each("snp", check_fields) > 0);
	CHECK(snp_vectors_each("snp_synth", check_fields) > 0);
	print_table("SEV-SNP: fields");
}

/* "cannot verify" are reports without certificates: not judged. */
static void check_case(struct snp_vector *v)
{
	const struct json *expect = json_get(v->json, "expect");
	const struct json *reasons = json_get(expect, "reasons");
	unsigned with = v->crl.len > 0 ? SNP_WITH_CRL : 0;
	char kind[48];

	(void)snprintf(kind, sizeof(kind), "%.*s v%u %s, CRL %s",
		       SLICE_FMT(json_str(json_get(v->json, "product"))),
		       buf_slice(&v->report).p[0], v->vlek ? "VLEK" : "VCEK",
		       with == 0 ? "none" : "given");
	(void)expect_codes(v, with, NULL, reasons, kind);
	if (v->table.len > 0)
		(void)expect_codes(v, with | SNP_BY_TABLE, NULL, reasons,
				   "by certificate table");
	if (!v->trust_ark)
		return;
	/* The same without trust in its own root. */
	v->trust_ark = false;
	(void)expect_codes(
		v, with, NULL,
		json_count(reasons) > 0 && v->report.len > 0 &&
				slice_eq_str(json_str(json_first(reasons)),
					     "POLICY_RESERVED")
			? reasons
			: json_get(expect, "with_amd_roots"),
		"own root, not trusted");
}

TEST(every_snp_vector_is_judged_as_expected)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_each("snp", check_case) > 0);
	CHECK(snp_vectors_each("snp_synth", check_case) > 0);
	print_table("SEV-SNP: kind of case");
}

static bool has_flag(const struct snp_vector *v, const char *flag)
{
	const struct json *flags = json_get(v->json, "policy_flags");

	if (flags == NULL)
		flags = json_get(json_get(v->json, "expect"), "policy_flags");
	for (const struct json *f = flags == NULL ? NULL : json_first(flags);
	     f != NULL; f = json_next(f))
		if (slice_eq_str(json_str(f), flag))
			return true;
	return false;
}

/* What the defaults refuse is what the case flags, and nothing more. */
static void check_policy(struct snp_vector *v)
{
	auto_trace struct trace t;
	struct snp_policy p;
	struct snp_claims claims;

	trace_init(&t);
	snp_policy_defaults(&p);
	if (snp_vectors_verify(v, 0, NULL, &t, &claims) != OK)
		return;
	bool debug = has_flag(v, "POLICY_DEBUG");
	bool vmpl = has_flag(v, "VMPL_NONZERO");
	bool held = snp_policy_holds(&p, &claims, &t);
	bool good = held == !(debug || vmpl) &&
		    trace_has(&t, "policy.debug") == !debug &&
		    trace_has(&t, "policy.vmpl") == !vmpl;

	count(debug	? "debugging on"
	      : vmpl	? "VMPL 1"
	      : v->vlek ? "VLEK"
			: "others",
	      !good  ? WRONG
	      : held ? GENUINE
		     : REFUSED);
	EXPECT(good);

	p.provisional = false;
	held = snp_policy_holds(&p, &claims, &t);
	EXPECT(trace_has(&t, "policy.provisional"));
	EXPECT(held == !(debug || vmpl ||
			 has_flag(v, "COMMITTED_NE_CURRENT(provisional "
				     "firmware)")));
	EXPECT(claims.chip_masked == has_flag(v, "CHIP_ID_MASKED"));
}

TEST(the_defaults_refuse_what_the_vectors_flag)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_each("snp", check_policy) > 0);
	CHECK(snp_vectors_each("snp_synth", check_policy) > 0);
	print_table("SEV-SNP: default policy");
}

/* ---- Times, and other certificates of the same key ---- */

static void check_times(struct snp_vector *v)
{
	const struct json *list = json_get(v->json, "times");

	for (const struct json *at = list == NULL ? NULL : json_first(list);
	     at != NULL; at = json_next(at)) {
		v->now = snp_vectors_time(json_str(json_get(at, "at")));
		(void)expect_codes(v, 0, NULL,
				   json_get(at, "expect_without_crl"),
				   "at a time, without CRL");
		if (v->crl.len > 0)
			(void)expect_codes(v, SNP_WITH_CRL, NULL,
					   json_get(at, "expect"),
					   "at a time, with CRL");
	}
}

static void check_alternates(struct snp_vector *v)
{
	const struct json *list = json_get(v->json, "alternate_leaf_certs");

	for (const struct json *a = list == NULL ? NULL : json_first(list);
	     a != NULL; a = json_next(a)) {
		char name[64];

		(void)snprintf(name, sizeof(name), "%.*s",
			       SLICE_FMT(json_str(json_get(a, "file"))));
		EXPECT(snp_vectors_read(v->path, name, &v->leaf));
		v->now = snp_vectors_time(json_str(json_get(a, "not_before")));
		(void)expect_codes(v, 0, NULL, json_get(a, "expect"),
				   "another VCEK of the same key");
	}
}

TEST(every_snp_vector_is_judged_at_its_times)
{
	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	CHECK(snp_vectors_each("snp", check_times) > 0);
	CHECK(snp_vectors_each("snp", check_alternates) > 0);
	print_table("SEV-SNP: times");
}

/* ---- Rules ---- */

static size_t unhex(struct slice hex, uint8_t *out, size_t size)
{
	struct err err;

	EXPECT(hex.len / 2 <= size);
	EXPECT(text_unhex(hex, out, hex.len / 2, "value", &err) == OK);
	return hex.len / 2;
}

/* The bytes of buf, to be changed; a negative offset counts from the end. */
static uint8_t *at_offset(struct buf *b, const struct json *rule, size_t len)
{
	const struct json *j = json_get(rule, "offset");
	uint64_t at = b->len - 1; /* the one rule with a negative one says -1 */
	struct err err;

	if (json_u64(j, 0, UINT32_MAX, &at, &err) != OK)
		at = b->len - 1;
	EXPECT(at + len <= b->len);
	return b->mem + b->head + at;
}

typedef bool mutation(struct snp_vector *v, struct buf *b,
		      const struct json *rule);

static bool op_set(struct snp_vector *v, struct buf *b, const struct json *rule)
{
	uint8_t value[256];
	size_t n =
		unhex(json_str(json_get(rule, "value")), value, sizeof(value));
	uint8_t *at = at_offset(b, rule, n);
	bool changes = memcmp(at, value, n) != 0;

	(void)v;
	memcpy(at, value, n);
	return changes;
}

static bool op_xor(struct snp_vector *v, struct buf *b, const struct json *rule)
{
	uint8_t value[256];
	size_t n =
		unhex(json_str(json_get(rule, "value")), value, sizeof(value));
	uint8_t *at = at_offset(b, rule, n);

	(void)v;
	for (size_t i = 0; i < n; i++)
		at[i] ^= value[i];
	return true;
}

static bool op_truncate(struct snp_vector *v, struct buf *b,
			const struct json *rule)
{
	uint64_t len = 0;
	struct err err;

	(void)v;
	EXPECT(json_want_u64(rule, "length", 0, b->len - 1, &len, &err) == OK);
	buf_cut(b, len);
	return true;
}

static bool op_append(struct snp_vector *v, struct buf *b,
		      const struct json *rule)
{
	uint8_t value[256];
	size_t n =
		unhex(json_str(json_get(rule, "value")), value, sizeof(value));

	(void)v;
	buf_put(b, slice_make(value, n));
	return true;
}

/* The serial number's last byte, which stands behind the version. */
static bool op_serial(struct snp_vector *v, struct buf *b,
		      const struct json *rule)
{
	struct x509 *c = NULL;
	struct err err;

	(void)v;
	(void)rule;
	if (!EXPECT(x509_parse(buf_slice(b), &c, &err) == OK))
		return false;
	struct slice serial = x509_serial(c);
	size_t at = (size_t)(serial.p - x509_der(c).p) + serial.len - 1;
	b->mem[b->head + at] ^= 1;
	x509_free(c);
	return true;
}

static bool op_replace(struct snp_vector *v, struct buf *b,
		       const struct json *rule)
{
	bool milan =
		slice_eq_str(json_str(json_get(v->json, "product")), "Milan");
	char path[512];

	(void)rule; /* "amd_ask_OTHER.pem" */
	(void)snprintf(path, sizeof(path), "%s/roots", snp_vectors_folder());
	return EXPECT(snp_vectors_read(
		path, milan ? "amd_ask_genoa.pem" : "amd_ask_milan.pem", b));
}

static bool op_time(struct snp_vector *v, struct buf *b,
		    const struct json *rule)
{
	bool before = slice_starts(json_str(json_get(rule, "value")),
				   S("leaf.not_before"));
	struct x509 *c = NULL;
	struct err err;

	(void)b;
	if (!EXPECT(x509_parse(buf_slice(&v->leaf), &c, &err) == OK))
		return false;
	v->now = before ? x509_not_before(c) - 1 : x509_not_after(c) + 1;
	x509_free(c);
	return true;
}

static const struct {
	const char *op;
	mutation *apply;
} ops[] = {
	{ "set", op_set },
	{ "xor", op_xor },
	{ "truncate", op_truncate },
	{ "append", op_append },
	{ "xor_tbs_serial", op_serial },
	{ "replace_with", op_replace },
	{ "time", op_time },
};

static struct buf *file_of(struct snp_vector *v, struct slice name)
{
	const struct {
		const char *name;
		struct buf *file;
	} files[] = {
		{ "report.bin", &v->report }, { "LEAF", &v->leaf },
		{ "ask.pem", &v->ask },	      { "auxblob.bin", &v->table },
		{ "case.json", &v->report }, /* of "time": unused */
	};

	for (size_t i = 0; i < countof(files); i++)
		if (slice_eq_str(name, files[i].name))
			return files[i].file;
	return NULL;
}

/* Apply one rule to the case, which is loaded for it alone. */
static bool apply(struct snp_vector *v, const struct json *rule)
{
	struct buf *file = file_of(v, json_str(json_get(rule, "file")));
	struct slice op = json_str(json_get(rule, "op"));

	for (size_t i = 0; i < countof(ops); i++)
		if (file != NULL && slice_eq_str(op, ops[i].op))
			return ops[i].apply(v, file, rule);
	EXPECT(false);
	return false;
}

static struct json *rules;

static void copy(const struct snp_vector *from, struct snp_vector *to)
{
	const struct buf *src[] = { &from->report, &from->leaf, &from->ask,
				    &from->ark,	   &from->crl,	&from->table };
	struct buf *dst[] = { &to->report, &to->leaf, &to->ask,
			      &to->ark,	   &to->crl,  &to->table };

	*to = *from;
	for (size_t i = 0; i < countof(src); i++) {
		*dst[i] = buf_make(SNP_VECTOR_FILE_MAX);
		buf_put(dst[i], buf_slice(src[i]));
	}
}

static void copy_done(struct snp_vector *v)
{
	v->json = NULL; /* belongs to the original */
	snp_vectors_done(v);
}
#define auto_copy __attribute__((cleanup(copy_done)))

static void check_rules(struct snp_vector *v, const struct json *list,
			unsigned with)
{
	static size_t turn; /* each rule on some of the vectors */
	size_t n_rule = turn++;

	for (const struct json *r = json_first(list); r != NULL;
	     r = json_next(r)) {
		auto_copy struct snp_vector changed = { 0 };
		char id[48];

		if (n_rule++ % test_stride(3) != 0)
			continue;
		(void)snprintf(id, sizeof(id), "%.*s",
			       SLICE_FMT(json_str(json_get(r, "id"))));
		copy(v, &changed);
		if (apply(&changed, r))
			(void)expect_codes(&changed, with, NULL,
					   json_get(r, "expect"), id);
		else
			count(id, NOT_APPLICABLE); /* changes nothing */
	}
}

static bool is_valid(const struct snp_vector *v)
{
	return slice_eq_str(json_str(json_get(json_get(v->json, "expect"),
					      "signature_layer")),
			    "valid");
}

static void check_all_rules(struct snp_vector *v)
{
	if (!is_valid(v))
		return;
	check_rules(v, json_get(rules, "rules"), 0);
	if (v->table.len > 0)
		check_rules(v, json_get(rules, "auxblob_rules"), SNP_BY_TABLE);
}

TEST(every_rule_refuses_every_good_snp_vector)
{
	char path[512];

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	(void)snprintf(path, sizeof(path), "%s/snp", snp_vectors_folder());
	rules = snp_vectors_json(path, "NEGATIVE_RULES.json");
	CHECK(rules != NULL);
	EXPECT(snp_vectors_each("snp", check_all_rules) > 0);
	print_table("SEV-SNP: rule");
	json_free(take(rules));
}

/* ---- Pairs ---- */

TEST(no_report_goes_with_certificates_of_another)
{
	char path[512];

	if (snp_vectors_folder() == NULL)
		SKIP(NO_FOLDER);
	(void)snprintf(path, sizeof(path), "%s/snp", snp_vectors_folder());
	auto_json struct json *pairs =
		snp_vectors_json(path, "CROSS_PAIRS.json");
	CHECK(pairs != NULL && json_count(pairs) > 0);
	for (const struct json *p = json_first(pairs); p != NULL;
	     p = json_next(p)) {
		auto_vector struct snp_vector report = { 0 }, certs = { 0 };
		char name[2][128], why[48];

		(void)snprintf(name[0], sizeof(name[0]), "%.*s",
			       SLICE_FMT(json_str(json_get(p, "report"))));
		(void)snprintf(name[1], sizeof(name[1]), "%.*s",
			       SLICE_FMT(json_str(json_get(p, "certs_from"))));
		(void)snprintf(why, sizeof(why), "%.*s",
			       SLICE_FMT(json_str(json_get(p, "why"))));
		CHECK(snp_vectors_load("snp", name[0], &report));
		CHECK(snp_vectors_load("snp", name[1], &certs));
		struct buf swap = certs.report;
		certs.report = report.report;
		report.report = swap;
		certs.now = snp_vectors_time(
			json_str(json_get(p, "verification_time")));
		(void)expect_codes(&certs, 0, NULL, json_get(p, "expect"), why);
	}
	print_table("SEV-SNP: certificates of another");
}
