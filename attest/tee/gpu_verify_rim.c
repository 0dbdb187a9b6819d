#include "attest/tee/gpu_verify_rim.h"

#include "core/cleanup.h"

#define SWID "ISO/IEC 19770-2:2015, TCG RIM Information Model 1.01"
#define XMLDSIG "W3C XML Signature 1.1, Canonical XML 1.1"
#define X509 "RFC 5280 s6.1"
#define NVIDIA "NVIDIA attestation, reference values"
#define NVDEC0_INDEX 35 /* measured only while the decoder is on */

/* SHA-256 of the SubjectPublicKeyInfo of "NVIDIA CoRIM signing Root CA". */
static const uint8_t rim_root[32] = {
	0xde, 0xc1, 0xdc, 0x31, 0x64, 0x77, 0xaa, 0x85, 0x1e, 0xeb, 0xdf,
	0x51, 0x32, 0x7a, 0xe9, 0xf8, 0x64, 0xbc, 0x8d, 0x89, 0x25, 0x46,
	0x57, 0xed, 0x1e, 0x7e, 0xb9, 0x16, 0x8a, 0xf1, 0xe1, 0xa3,
};

/* clang-format off */
/* The rules of each: form, signature, chain, validity, version. */
struct rules {
	struct trace_rule form, signature, chain, validity, version;
};
#define RULES(step, of)                                                      \
	{ { "gpu." step ".form", E_PARSE,                                    \
	    "the " of "'s reference values are not of the form we know",     \
	    SWID },                                                          \
	  { "gpu." step ".signature", E_CRYPTO,                              \
	    "the " of "'s reference values are not as they were signed",     \
	    XMLDSIG },                                                       \
	  { "gpu." step ".chain", E_CRYPTO,                                  \
	    "the " of "'s reference values are not signed by NVIDIA",        \
	    X509 },                                                          \
	  { "gpu." step ".validity", E_STALE,                                \
	    "a certificate of the " of "'s reference values is out of its "  \
	    "time", X509 },                                                  \
	  { "gpu." step ".version", E_CRYPTO,                                \
	    "the " of "'s reference values are of another version or chip",  \
	    NVIDIA } }
static const struct rules rules[GPU_RIM_ROLES] = {
	[GPU_RIM_DRIVER] = RULES("driver_rim", "driver"),
	[GPU_RIM_VBIOS] = RULES("vbios_rim", "VBIOS"),
};

static const struct trace_rule
rule_measurements = { "gpu.measurements", E_CRYPTO,
	"what was measured is not what NVIDIA published", NVIDIA };
/* clang-format on */

/* ---- One manifest ---- */

static bool check_signed(const struct gpu_rim *r, const struct trace_rule *rule,
			 struct trace *t)
{
	if (!slice_eq(slice_of(r->digest), slice_of(r->signed_digest)))
		return trace_step_bytes(t, rule, slice_of(r->signed_digest),
					slice_of(r->digest));
	trace_expect(t, "ECDSA P-384 with SHA-384 by the signer's key");
	if (r->signature.code != OK) {
		trace_step_err(t, rule, &r->signature);
		return false;
	}
	trace_find(t, "the same");
	return trace_step(t, rule, true);
}

static bool check_chain(const struct gpu_case *c, const struct gpu_rim *r,
			const struct trace_rule *rule, struct trace *t,
			struct gpu_claims *found)
{
	uint8_t root[32];

	x509_spki_sha256(r->cert[GPU_RIM_CERTS - 1], root);
	bool pinned = memcmp(root, rim_root, sizeof(root)) == 0;
	bool named = pinned;
	for (size_t i = 0; i < c->n_rim_roots; i++)
		named |= memcmp(root, c->rim_roots[i], sizeof(root)) == 0;
	memcpy(found->rim_root, root, sizeof(root));
	found->root_pinned &= pinned;
	trace_expect(t, "signer to root ");
	trace_expect_bytes(t, slice_of(rim_root));
	if (r->chain.code != OK) {
		trace_step_err(t, rule, &r->chain);
		return false;
	}
	trace_find(t, "signer to root ");
	trace_find_bytes(t, slice_of(root));
	return trace_step(t, rule, named);
}

/* Of the signed report's version, and of its chip: a family's manifests are
 * named for the family or for one chip of it. */
static bool check_version(const struct gpu_rim *r, const char *version,
			  const struct gpu_identity *id,
			  const struct trace_rule *rule, struct trace *t)
{
	const char *edition = id->is_switch ? "SWITCH" : "GPU";

	trace_expect(t, "%s, %s, %s", version, id->product, edition);
	trace_find(t, "%s, %s, %s", r->version, r->product, r->edition);
	return trace_step(t, rule,
			  slice_eq_nocase(slice_str(r->version),
					  slice_str(version)) &&
				  slice_starts(slice_str(r->product),
					       slice_str(id->product)) &&
				  strcmp(r->edition, edition) == 0);
}

/* All steps of one; NULL when it is not to be believed.  Out of its time it
 * is compared all the same: the step says that it does not count. */
static const struct gpu_rim *check_rim(const struct gpu_case *c,
				       struct slice in, const char *version,
				       const struct rules *rule,
				       struct gpu_rim_cache *cache,
				       struct trace *t,
				       struct gpu_claims *found)
{
	const struct gpu_rim *r;
	struct err err;

	trace_expect(t, "a signed manifest for version %s", version);
	if (in.len == 0) {
		trace_find(t, "none");
		trace_step_unchecked(t, &rule->form);
		return NULL;
	}
	if (gpu_rim_cache_get(cache, in, &r, &err) != OK) {
		trace_step_err(t, &rule->form, &err);
		return NULL;
	}
	trace_find(t, "one for %s, of %zu measurements", r->version,
		   r->n_active);
	bool held = trace_step(t, &rule->form, true);
	held &= check_signed(r, &rule->signature, t);
	held &= check_chain(c, r, &rule->chain, t, found);
	gpu_verify_times(r->cert, GPU_RIM_CERTS, c->now, &rule->validity, t,
			 &found->valid_until);
	held &= check_version(r, version, &found->id, &rule->version, t);
	return held ? r : NULL;
}

/* ---- Comparing ---- */

struct comparison {
	size_t compared, different;
	unsigned int first; /* index of the first that differs */
	bool skipped;	    /* NVDEC0's */
};

static bool is_one_of(const struct gpu_rim_row *row,
		      const struct gpu_block *block)
{
	bool found = false;

	for (size_t i = 0; block != NULL && i < row->n; i++)
		found |=
			memcmp(block->value, row->value[i], GPU_VALUE_LEN) == 0;
	return found;
}

static void compare_row(const struct gpu_report *r,
			const struct gpu_rim_row *row, struct comparison *c)
{
	if (row->index == NVDEC0_INDEX && r->nvdec0 == GPU_STATUS_OFF) {
		c->skipped = true;
		return;
	}
	c->compared++;
	if (is_one_of(row, gpu_report_block(r, row->index)))
		return;
	if (c->different++ == 0)
		c->first = row->index;
}

static bool is_active(const struct gpu_rim *rim, uint8_t index)
{
	for (size_t i = 0; i < rim->n_rows; i++)
		if (rim->row[i].index == index)
			return rim->row[i].active;
	return false;
}

static struct comparison compare(const struct gpu_report *r,
				 const struct gpu_rims *rims)
{
	struct comparison c = { 0 };

	for (size_t k = 0; k < GPU_RIM_ROLES; k++)
		for (size_t i = 0;
		     rims->of[k] != NULL && i < rims->of[k]->n_rows; i++)
			if (rims->of[k]->row[i].active)
				compare_row(r, &rims->of[k]->row[i], &c);
	return c;
}

/* The first index that both say is theirs; -1: none. */
static int find_conflict(const struct gpu_rims *rims)
{
	const struct gpu_rim *a = rims->of[GPU_RIM_DRIVER];
	const struct gpu_rim *b = rims->of[GPU_RIM_VBIOS];

	for (size_t i = 0; a != NULL && b != NULL && i < a->n_rows; i++)
		if (a->row[i].active && is_active(b, a->row[i].index))
			return a->row[i].index;
	return -1;
}

static void check_measurements(const struct gpu_report *r,
			       const struct gpu_rims *rims, bool complete,
			       struct trace *t, struct gpu_claims *found)
{
	int conflict = find_conflict(rims);
	struct comparison c = compare(r, rims);

	trace_expect(t, "each active index of both manifests to have one of "
			"its values");
	trace_find(t, "%zu compared, %zu different", c.compared, c.different);
	if (c.different > 0)
		trace_find(t, ", the first at index %u", c.first);
	if (conflict >= 0)
		trace_find(t, ", index %d is in both", conflict);
	if (c.skipped)
		trace_find(t, ", index %d left out: NVDEC0 is off",
			   NVDEC0_INDEX);
	found->n_measurements = c.compared;
	found->nvdec0_skipped = c.skipped;
	if (complete || c.different > 0 || conflict >= 0) {
		(void)trace_step(t, &rule_measurements,
				 c.compared > 0 && c.different == 0 &&
					 conflict < 0);
		return;
	}
	trace_find(t, "; a manifest is missing or not to be believed");
	trace_step_unchecked(t, &rule_measurements);
}

void gpu_verify_rims(const struct gpu_case *c, const struct gpu_report *r,
		     struct gpu_rim_cache *cache, struct gpu_rims *rims,
		     struct trace *t, struct gpu_claims *found)
{
	bool is_switch = found->id.is_switch;

	if (!is_switch)
		rims->of[GPU_RIM_DRIVER] =
			check_rim(c, c->driver_rim, r->driver,
				  &rules[GPU_RIM_DRIVER], cache, t, found);
	rims->of[GPU_RIM_VBIOS] =
		check_rim(c, c->vbios_rim, r->vbios, &rules[GPU_RIM_VBIOS],
			  cache, t, found);
	bool complete = rims->of[GPU_RIM_VBIOS] != NULL &&
			(is_switch || rims->of[GPU_RIM_DRIVER] != NULL);
	check_measurements(r, rims, complete, t, found);
}
