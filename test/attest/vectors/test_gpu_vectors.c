/* Every case and every signed manifest of the vectors; and every rule of
 * NEGATIVE_RULES.json on every case that it fits. */
#include <inttypes.h>
#include <stdlib.h>

#include "core/cleanup.h"
#include "core/file.h"
#include "core/text.h"
#include "test/attest/vectors/gpu_vectors.h"
#include "test/test.h"

#define NO_VECTORS "the vectors are not here"

/* ---- Cases ---- */

static void print_trace(const struct trace *t)
{
	auto_buf struct buf text = buf_make(1u << 20);

	trace_print(t, &text);
	printf("%s", buf_cstr(&text));
}

/* What the case says must come out. */
static enum status wanted(const struct gpu_vector *v)
{
	struct slice overall =
		json_str(gpu_vectors_at(v->json, "expect", "overall", NULL));

	if (slice_eq_str(overall, "accept"))
		return OK;
	if (slice_eq_str(overall, "reject"))
		return E_CRYPTO;
	return slice_starts(overall, S("report valid; no RIM")) ? E_STALE
								: E_USAGE;
}

/* The report's own layer: what comes before reference values. */
static bool report_layer(const struct trace *t)
{
	static const char *const steps[] = {
		"gpu.report.form",	"gpu.chain.form",
		"gpu.chain.root",	"gpu.chain.signatures",
		"gpu.chain.device",	"gpu.chain.validity",
		"gpu.report.signature", "gpu.report.nonce",
		"gpu.report.fwid",	"gpu.report.versions",
	};

	for (size_t i = 0; i < countof(steps); i++)
		if (!trace_has(t, steps[i]))
			return false;
	return true;
}

static void check_case(struct gpu_vector *v)
{
	auto_trace struct trace t = { 0 };
	struct gpu_claims c = { 0 };
	enum status got = gpu_vectors_verify(v, &t, &c);
	const struct json *expect = json_get(v->json, "expect");
	bool layer = slice_eq_str(json_str(json_get(expect, "report_layer")),
				  "valid");
	const struct json *reasons = json_get(expect, "reasons");

	bool right = EXPECT(got == wanted(v)) &&
		     EXPECT(report_layer(&t) == layer) &&
		     EXPECT(json_count(reasons) == 0 ||
			    gpu_vectors_explains(reasons, &t));
	printf("%-4s gpu  %-36s %-8s %s\n", right ? "ok" : "BAD", v->name,
	       status_name(got),
	       got == OK ? "" : trace_first_failure(&t)->rule->step);
	if (!right)
		print_trace(&t);
	if (got == OK)
		EXPECT(slice_eq_str(
			json_str(json_get(v->json, "vbios_version")), c.vbios));
}

TEST(every_gpu_case_comes_out_as_it_says)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	CHECK(gpu_vectors_each(check_case) >= 9);
}

/* ---- Fields ---- */

static void check_fields(struct gpu_vector *v)
{
	auto_mem struct gpu_report *r = mem_must(sizeof(*r));
	struct slice driver = json_str(json_get(v->json, "driver_version"));
	struct slice vbios = json_str(json_get(v->json, "vbios_version"));
	const struct json *blocks = json_get(v->json, "measurement_blocks");
	struct err err;

	if (!EXPECT(gpu_report_parse(buf_slice(&v->report), r, &err) == OK))
		return;
	EXPECT(slice_eq(driver, slice_str(r->driver)));
	EXPECT(slice_eq(vbios, slice_str(r->vbios)));
	EXPECT(json_count(blocks) == r->n_blocks);
	for (const struct json *b = json_first(blocks); b != NULL;
	     b = json_next(b)) {
		uint8_t value[GPU_VALUE_LEN];
		uint64_t index = 0;

		EXPECT(slice_u64(json_name(b), &index));
		const struct gpu_block *block =
			gpu_report_block(r, (unsigned)index - 1);
		EXPECT(json_want_hex(b, "value", value, sizeof(value), &err) ==
		       OK);
		EXPECT(block != NULL &&
		       memcmp(block->value, value, sizeof(value)) == 0);
	}
	const struct json *flag =
		gpu_vectors_at(v->json, "flags", "protected_pcie_status", NULL);
	bool ppcie = flag != NULL && slice_eq_str(json_str(flag), "ENABLED");
	EXPECT(ppcie == (r->ppcie == GPU_STATUS_ON));
}

TEST(every_gpu_report_says_what_the_case_has)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	CHECK(gpu_vectors_each(check_fields) >= 9);
}

/* ---- Signed manifests ---- */

static uint8_t rim_root[32];

static void read_rim_root(void)
{
	auto_buf struct buf pem = buf_make(GPU_VECTOR_FILE_MAX);
	auto_x509 struct x509 *c = NULL;
	struct err err;

	EXPECT(gpu_vectors_read("../roots/nvidia_rim_root.pem", &pem));
	EXPECT(x509_parse(buf_slice(&pem), &c, &err) == OK);
	x509_spki_sha256(c, rim_root);
}

static bool in_time(const struct gpu_rim *r, int64_t at)
{
	bool in = true;

	for (size_t i = 0; i < GPU_RIM_CERTS; i++)
		in &= x509_not_before(r->cert[i]) <= at &&
		      at <= x509_not_after(r->cert[i]);
	return in;
}

/* The digests and lengths that another implementation found. */
static void check_canonical(const struct json *row, const struct gpu_rim *r)
{
	const struct json *x = json_get(row, "xmldsig");
	uint8_t digest[GPU_VALUE_LEN], info[GPU_VALUE_LEN];
	uint64_t len;
	struct err err;

	EXPECT(json_want_hex(x, "computed_digest", digest, sizeof(digest),
			     &err) == OK);
	EXPECT(memcmp(digest, r->digest, sizeof(digest)) == 0);
	EXPECT(json_want_hex(x, "digest_value", digest, sizeof(digest), &err) ==
	       OK);
	EXPECT(memcmp(digest, r->signed_digest, sizeof(digest)) == 0);
	EXPECT(json_want_u64(x, "signed_info_c14n_len", 0, UINT32_MAX, &len,
			     &err) == OK);
	EXPECT(r->signed_info.len == len);
	EXPECT(json_want_hex(x, "signed_info_sha384", digest, sizeof(digest),
			     &err) == OK);
	sha384(buf_slice(&r->signed_info), info);
	EXPECT(memcmp(digest, info, sizeof(digest)) == 0);
	EXPECT(json_want_u64(row, "active_measurements", 0, 256, &len, &err) ==
	       OK);
	EXPECT(r->n_active == len);
}

static void check_rim(const struct json *row)
{
	auto_buf struct buf xml = buf_make(GPU_VECTOR_FILE_MAX);
	auto_gpu_rim struct gpu_rim *r = NULL;
	struct slice name = json_str(json_get(row, "file"));
	bool valid = json_kind(json_get(row, "expect")) == JSON_STRING;
	char path[256];
	struct err err;

	(void)snprintf(path, sizeof(path), "_rims/%.*s", SLICE_FMT(name));
	EXPECT(gpu_vectors_read(path, &xml));
	const char *what = "ok";
	if (gpu_rim_parse(buf_slice(&xml), &r, &err) != OK) {
		/* The one of a debugging PKI has two certificates, not four. */
		what = err.text;
		EXPECT(!valid);
		EXPECT(strstr(err.text, "Certificate") != NULL);
	} else {
		uint8_t root[32];

		check_canonical(row, r);
		gpu_rim_judge(r);
		x509_spki_sha256(r->cert[GPU_RIM_CERTS - 1], root);
		if (memcmp(r->digest, r->signed_digest, GPU_VALUE_LEN) != 0)
			what = "digest";
		else if (r->signature.code != OK)
			what = "signature";
		else if (r->chain.code != OK || memcmp(root, rim_root, 32) != 0)
			what = "chain";
		else if (!in_time(r, gpu_vectors_time(json_str(json_get(
					     row, "verification_time")))))
			what = "time";
		EXPECT(valid == (strcmp(what, "ok") == 0));
		EXPECT(slice_eq_nocase(
			json_str(json_get(row, "colloquial_version")),
			slice_str(r->version)));
	}
	printf("rim  %-30.*s %-7s %s\n", SLICE_FMT(name),
	       valid ? "valid" : "refused", what);
}

TEST(every_signed_manifest_comes_out_as_it_says)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_json struct json *index = gpu_vectors_json("_rims/INDEX.json");

	read_rim_root();
	CHECK(json_count(index) >= 19);
	for (const struct json *row = json_first(index); row != NULL;
	     row = json_next(row))
		check_rim(row);
}

/* ---- Rules: the tally ---- */

static struct tally {
	char id[64];
	size_t applied, wrong;
} tallies[64];
static size_t n_tallies;

static struct tally *tally_of(struct slice id)
{
	for (size_t i = 0; i < n_tallies; i++)
		if (slice_eq_str(id, tallies[i].id))
			return &tallies[i];
	struct tally *t = &tallies[n_tallies++];
	(void)snprintf(t->id, sizeof(t->id), "%.*s", SLICE_FMT(id));
	return t;
}

/* A changed case has to be refused, not merely left open, for one of the
 * rule's reasons. */
static void expect_refused(const struct json *rule, const struct gpu_vector *v,
			   const struct gpu_case *c)
{
	auto_trace struct trace t = { 0 };
	struct gpu_claims claims = { .n_measurements = 7777 };
	struct tally *count = tally_of(json_str(json_get(rule, "id")));
	struct err err;
	enum status got = gpu_verify(c, &t, &claims, &err);

	count->applied++;
	bool right = (got == E_CRYPTO || got == E_PARSE) &&
		     claims.n_measurements == 7777 &&
		     gpu_vectors_explains(json_get(rule, "expect"), &t);
	if (EXPECT(right))
		return;
	count->wrong++;
	printf("%s on %s: %s\n", count->id, v->name, status_name(got));
	print_trace(&t);
}

static void print_tallies(const char *kind)
{
	for (size_t i = 0; i < n_tallies; i++)
		printf("%-10s %-34s applied %2zu  refused %2zu\n", kind,
		       tallies[i].id, tallies[i].applied,
		       tallies[i].applied - tallies[i].wrong);
	n_tallies = 0;
	memset(tallies, 0, sizeof(tallies));
}

/* ---- Rules about reports ---- */

static const struct json *rules;

static size_t offset_of(const struct gpu_vector *v, const struct json *rule)
{
	struct slice base = json_str(json_get(rule, "base"));
	char name[64];
	uint64_t at = 0, offset = 0;
	struct err err;

	(void)snprintf(name, sizeof(name), "%.*s", SLICE_FMT(base));
	EXPECT(json_u64(json_first(
				gpu_vectors_at(v->json, "layout", name, NULL)),
			0, 8192, &at, &err) == OK);
	EXPECT(json_want_u64(rule, "offset", 0, 8192, &offset, &err) == OK);
	return at + offset;
}

static void change_bytes(const struct gpu_vector *v, const struct json *rule,
			 uint8_t *p)
{
	uint8_t value[256];
	struct slice hex = json_str(json_get(rule, "value"));
	size_t at = offset_of(v, rule);
	bool flip = slice_eq_str(json_str(json_get(rule, "op")), "xor");
	struct err err;

	EXPECT(text_unhex(hex, value, hex.len / 2, "value", &err) == OK);
	for (size_t i = 0; i < hex.len / 2; i++)
		p[at + i] = flip ? p[at + i] ^ value[i] : value[i];
}

static void apply_report_rule(const struct gpu_vector *v,
			      const struct json *rule)
{
	struct slice op = json_str(json_get(rule, "op"));
	struct gpu_case c = gpu_vectors_case(v);
	auto_buf struct buf copy = buf_make(GPU_VECTOR_FILE_MAX);
	uint8_t other[GPU_NONCE_LEN] = { 1 };

	buf_put(&copy, c.report);
	if (slice_eq_str(op, "policy")) {
		c.nonce = other;
	} else if (slice_eq_str(op, "truncate_frac")) {
		/* With it the bytes of padding, which say nothing. */
		while (copy.len > 1 && copy.mem[copy.head + copy.len - 1] == 0)
			buf_cut(&copy, copy.len - 1);
		buf_cut(&copy, copy.len - 1);
	} else if (slice_eq_str(op, "replace_ascii")) {
		struct slice driver =
			json_str(json_get(v->json, "driver_version"));
		size_t at = slice_search(buf_slice(&copy), driver);

		if (driver.len == 0)
			return; /* a switch has no driver */
		copy.mem[copy.head + at] ^= 1;
	} else {
		change_bytes(v, rule, copy.mem + copy.head);
	}
	c.report = buf_slice(&copy);
	expect_refused(rule, v, &c);
}

static bool is_genuine(const struct gpu_vector *v)
{
	return slice_eq_str(json_str(gpu_vectors_at(v->json, "expect",
						    "report_layer", NULL)),
			    "valid");
}

static void apply_report_rules(struct gpu_vector *v)
{
	if (!is_genuine(v))
		return;
	for (const struct json *r = json_first(json_get(rules, "report_rules"));
	     r != NULL; r = json_next(r))
		apply_report_rule(v, r);
}

TEST(every_rule_about_gpu_reports_is_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_json struct json *all = gpu_vectors_json("NEGATIVE_RULES.json");

	rules = all;
	(void)gpu_vectors_each(apply_report_rules);
	CHECK(n_tallies == json_count(json_get(all, "report_rules")));
	print_tallies("report");
}

/* ---- Rules about chains ---- */

#define BEGIN S("-----BEGIN CERTIFICATE-----")
#define END S("-----END CERTIFICATE-----")

/* The PEM block of this number. */
static struct slice block_of(struct slice pem, size_t n)
{
	for (;; n--) {
		size_t end = slice_search(pem, END) + END.len;

		if (n == 0)
			return slice_sub(pem, slice_search(pem, BEGIN), end);
		pem = slice_from(pem, end);
	}
}

/* Another case's chain. */
static void other_chain(const struct gpu_vector *v, struct buf *out)
{
	bool second = strcmp(v->name, "h100-drv590.12-ppcie-a") == 0;

	EXPECT(gpu_vectors_read(
		second ? "h100-drv590.12-ppcie-c/gpu_cert_chain.pem"
		       : "h100-drv590.12-ppcie-a/gpu_cert_chain.pem",
		out));
}

static void apply_chain_rule(const struct gpu_vector *v,
			     const struct json *rule)
{
	struct slice op = json_str(json_get(rule, "op"));
	const struct json *with = json_get(rule, "with");
	struct gpu_case c = gpu_vectors_case(v);
	auto_buf struct buf pem = buf_make(GPU_VECTOR_FILE_MAX);
	auto_buf struct buf other = buf_make(GPU_VECTOR_FILE_MAX);
	uint64_t index = 99;
	struct err err;

	if (json_get(rule, "index") != NULL)
		EXPECT(json_want_u64(rule, "index", 0, 4, &index, &err) == OK);
	if (with != NULL && slice_starts(json_str(with), S("roots/")))
		EXPECT(gpu_vectors_read("../roots/nvidia_rim_root.pem",
					&other));
	else
		other_chain(v, &other);
	bool drop = slice_eq_str(op, "drop_cert");
	for (size_t i = 0; i < 5; i++) {
		size_t at = slice_eq_str(op, "reverse") ? 4 - i : i;

		if (i != index)
			buf_put(&pem, block_of(c.chain, at));
		else if (!drop)
			buf_put(&pem, block_of(buf_slice(&other), 0));
		buf_put(&pem, S("\n"));
	}
	if (slice_eq_str(op, "replace_file"))
		buf_cut(&pem, 0), buf_put(&pem, buf_slice(&other));
	if (slice_eq_str(op, "truncate"))
		buf_cut(&pem, 0);
	c.chain = buf_slice(&pem);
	expect_refused(rule, v, &c);
}

static void apply_chain_rules(struct gpu_vector *v)
{
	if (!is_genuine(v))
		return;
	for (const struct json *r = json_first(json_get(rules, "chain_rules"));
	     r != NULL; r = json_next(r))
		apply_chain_rule(v, r);
}

TEST(every_rule_about_gpu_chains_is_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_json struct json *all = gpu_vectors_json("NEGATIVE_RULES.json");

	rules = all;
	(void)gpu_vectors_each(apply_chain_rules);
	CHECK(n_tallies == json_count(json_get(all, "chain_rules")));
	print_tallies("chain");
}

/* Five certificates that are each signed by the next, but begin with the
 * device's: its key signs firmware keys, never reports. */
TEST(a_chain_with_the_root_twice_does_not_make_a_signer_of_the_device)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;
	auto_trace struct trace t = { 0 };
	auto_buf struct buf pem = buf_make(GPU_VECTOR_FILE_MAX);
	struct gpu_claims claims;
	struct err err;

	CHECK(gpu_vectors_load("h100-drv545.00-full-match", &v));
	struct gpu_case c = gpu_vectors_case(&v);
	for (size_t i = 1; i < 5; i++)
		buf_put(&pem, block_of(c.chain, i));
	buf_put(&pem, block_of(c.chain, 4));
	c.chain = buf_slice(&pem);
	CHECK(gpu_verify(&c, &t, &claims, &err) == E_CRYPTO);
	CHECK(trace_has(&t, "gpu.chain.root"));
	CHECK(trace_has(&t, "gpu.chain.signatures"));
	CHECK(!trace_has(&t, "gpu.chain.device"));
	CHECK(!trace_has(&t, "gpu.report.signature"));
}

/* ---- Rules about manifests ---- */

/* Replace the first `from` behind the first `behind` by `to`. */
static bool replace(struct buf *b, const char *behind, const char *from,
		    const char *to)
{
	auto_buf struct buf copy = buf_make(GPU_VECTOR_FILE_MAX);
	struct slice s = buf_slice(b);
	size_t start = slice_search(s, slice_str(behind));
	size_t at = start + slice_search(slice_from(s, start), slice_str(from));

	if (!EXPECT(at < s.len))
		return false;
	buf_put(&copy, slice_sub(s, 0, at));
	buf_put(&copy, slice_str(to));
	buf_put(&copy, slice_from(s, at + strlen(from)));
	buf_clear(b);
	buf_put(b, buf_slice(&copy));
	return true;
}

/* Change the character behind `mark` to another of its kind. */
static void change_char(struct buf *b, const char *behind, const char *mark)
{
	struct slice s = buf_slice(b);
	size_t at = slice_search(s, slice_str(behind));

	at += slice_search(slice_from(s, at), slice_str(mark)) + strlen(mark);
	uint8_t *p = b->mem + b->head + at;
	*p = *p == '1' ? '2' : '1';
}

static void remove_between(struct buf *b, const char *from, const char *to)
{
	auto_buf struct buf copy = buf_make(GPU_VECTOR_FILE_MAX);
	struct slice s = buf_slice(b);
	size_t at = slice_search(s, slice_str(from));
	size_t end = slice_search(s, slice_str(to)) + strlen(to);

	buf_put(&copy, slice_sub(s, 0, at));
	buf_put(&copy, slice_from(s, end));
	buf_clear(b);
	buf_put(b, buf_slice(&copy));
}

static void edit_hash(struct buf *b)
{
	change_char(b, "active=\"True\"", "Hash0=\"");
}

static void edit_active(struct buf *b)
{
	(void)replace(b, "", "active=\"True\"", "active=\"False\"");
}

static void edit_version(struct buf *b)
{
	change_char(b, "", "colloquialVersion=\"");
}

static void edit_signature(struct buf *b)
{
	change_char(b, "", "<ds:SignatureValue>");
}

static void remove_signature(struct buf *b)
{
	remove_between(b, "<ds:Signature ", "</ds:Signature>");
}

static void add_payload(struct buf *b)
{
	(void)replace(b, "", "<ns0:Payload",
		      "<ns0:Payload><ns0:Resource type=\"Measurement\" "
		      "index=\"0\" active=\"True\" alternatives=\"1\" "
		      "size=\"48\"/></ns0:Payload>\n    <ns0:Payload");
}

static void add_doctype(struct buf *b)
{
	(void)replace(b, "", "<SoftwareIdentity",
		      "<!DOCTYPE x [<!ENTITY e \"True\">]>\n<SoftwareIdentity");
}

/* The root of devices in the place of the root of manifests. */
static void other_root(struct buf *b)
{
	auto_buf struct buf pem = buf_make(GPU_VECTOR_FILE_MAX);
	struct slice s = buf_slice(b);
	size_t at = 0;

	EXPECT(gpu_vectors_read("../roots/nvidia_device_identity_root.pem",
				&pem));
	struct slice body = block_of(buf_slice(&pem), 0);
	body = slice_sub(body, BEGIN.len, body.len - BEGIN.len - END.len);
	for (int i = 0; i < 4; i++)
		at += slice_search(slice_from(s, at), S("<ds:X509Cert")) + 1;
	at += sizeof("ds:X509Certificate>") - 1;
	auto_buf struct buf copy = buf_make(GPU_VECTOR_FILE_MAX);
	buf_put(&copy, slice_sub(s, 0, at));
	buf_put(&copy, body);
	buf_put(&copy, slice_from(s, at + slice_find(slice_from(s, at), '<')));
	buf_clear(b);
	buf_put(b, buf_slice(&copy));
}

/* clang-format off */
static const struct {
	const char *id;
	void (*edit)(struct buf *b);
	const char *why; /* it cannot be applied here */
} rim_edits[] = {
	{ "hash_edit", edit_hash, NULL },
	{ "deactivate", edit_active, NULL },
	{ "version_edit", edit_version, NULL },
	{ "signature_value_edit", edit_signature, NULL },
	{ "signature_removed", remove_signature, NULL },
	{ "second_payload_before_signed", add_payload, NULL },
	{ "entity_expansion", add_doctype, NULL },
	/* Roots are pinned and cannot be taken away, so it is put into the
	 * manifest instead. */
	{ "device_identity_as_rim_root", other_root, NULL },
	{ "keyinfo_self_signed", NULL, "in test_gpu_verify.c, with a PKI of "
	  "our own" },
	{ "swap_rims", NULL, "below" },
	{ "after_leaf_expiry", NULL, "below" },
};
/* clang-format on */

static void apply_edit(const struct json *rule, struct gpu_vector *v,
		       bool vbios, void (*edit)(struct buf *b))
{
	struct buf *b = vbios ? &v->vbios_rim : &v->driver_rim;
	auto_buf struct buf copy = buf_make(GPU_VECTOR_FILE_MAX);

	if (b->len == 0)
		return;
	buf_put(&copy, buf_slice(b));
	edit(b);
	struct gpu_case c = gpu_vectors_case(v);
	expect_refused(rule, v, &c);
	buf_clear(b);
	buf_put(b, buf_slice(&copy));
}

static void apply_rim_rules(struct gpu_vector *v)
{
	if (wanted(v) != OK)
		return;
	for (const struct json *r = json_first(json_get(rules, "rim_rules"));
	     r != NULL; r = json_next(r)) {
		size_t i = 0;

		while (i < countof(rim_edits) &&
		       !slice_eq_str(json_str(json_get(r, "id")),
				     rim_edits[i].id))
			i++;
		if (!EXPECT(i < countof(rim_edits)))
			continue;
		if (rim_edits[i].edit == NULL) {
			printf("rim  %s: %s\n", rim_edits[i].id,
			       rim_edits[i].why);
			continue;
		}
		apply_edit(r, v, false, rim_edits[i].edit);
		apply_edit(r, v, true, rim_edits[i].edit);
	}
}

TEST(every_rule_about_manifests_is_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_json struct json *all = gpu_vectors_json("NEGATIVE_RULES.json");

	rules = all;
	(void)gpu_vectors_each(apply_rim_rules);
	CHECK(n_tallies == 8);
	print_tallies("rim");
}

TEST(manifests_in_each_others_place_are_refused)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;
	auto_trace struct trace t = { 0 };
	struct gpu_claims claims;
	struct err err;

	CHECK(gpu_vectors_load("h100-drv545.00-full-match", &v));
	struct gpu_case c = gpu_vectors_case(&v);
	struct slice driver = c.driver_rim;
	c.driver_rim = c.vbios_rim;
	c.vbios_rim = driver;
	CHECK(gpu_verify(&c, &t, &claims, &err) == E_CRYPTO);
	CHECK(strstr(err.text, "gpu.driver_rim.version") != NULL);
}

/* A second behind the signer's time it is no longer judged. */
TEST(manifests_count_until_their_signer_expires)
{
	static const struct {
		const char *name;
		int64_t end;
	} rows[] = {
		{ "h100-drv545.00-full-match", 1750585134 },
		{ "ls10-switch-full-match", 1779299946 },
	};

	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	for (size_t i = 0; i < countof(rows); i++) {
		auto_gpu_vector struct gpu_vector v;
		auto_trace struct trace t = { 0 }, late = { 0 };
		struct gpu_claims claims;

		CHECK(gpu_vectors_load(rows[i].name, &v));
		v.now = rows[i].end;
		CHECK(gpu_vectors_verify(&v, &t, &claims) == OK);
		CHECK_EQ_U64(claims.valid_until, rows[i].end);
		v.now++;
		CHECK(gpu_vectors_verify(&v, &late, &claims) == E_STALE);
		CHECK(strcmp(trace_first_failure(&late)->rule->step,
			     "gpu.vbios_rim.validity") == 0);
	}
}

TEST(what_is_missing_is_never_taken_for_good)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;
	struct gpu_claims claims;
	struct err err;

	CHECK(gpu_vectors_load("h100-drv545.00-full-match", &v));
	for (int i = 0; i < 3; i++) {
		auto_trace struct trace t = { 0 };
		struct gpu_case c = gpu_vectors_case(&v);

		if (i == 0)
			c.nonce = NULL;
		if (i == 1)
			c.driver_rim = S("");
		if (i == 2)
			c.vbios_rim = S("");
		CHECK(gpu_verify(&c, &t, &claims, &err) == E_STALE);
		CHECK(trace_first_failure(&t)->outcome == TRACE_NOT_CHECKED);
	}
}

/* By default nobody accepts what nobody says is not revoked. */
TEST(a_genuine_gpu_needs_word_of_its_revocation)
{
	if (gpu_vectors_folder() == NULL)
		SKIP(NO_VECTORS);
	auto_gpu_vector struct gpu_vector v;
	auto_trace struct trace t = { 0 }, p = { 0 }, q = { 0 };
	struct gpu_claims claims;
	struct gpu_policy policy;

	CHECK(gpu_vectors_load("h100-drv545.00-full-match", &v));
	CHECK(gpu_vectors_verify(&v, &t, &claims) == OK);
	CHECK(trace_ok(&t, gpu_verify_mandatory, gpu_verify_n_mandatory));
	CHECK(claims.n_measurements == 32 && claims.nvdec0_skipped);
	CHECK(claims.n_certificates == 9 && claims.root_pinned);
	gpu_policy_defaults(&policy);
	CHECK(!gpu_policy_holds(&policy, &claims, 1, &p));
	CHECK(strcmp(trace_first_failure(&p)->rule->step,
		     "gpu.policy.revocation") == 0);
	CHECK(trace_first_failure(&p)->outcome == TRACE_NOT_CHECKED);
	policy.ocsp_unknown = true;
	CHECK(gpu_policy_holds(&policy, &claims, 1, &q));
}
