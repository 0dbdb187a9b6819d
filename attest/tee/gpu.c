#include "attest/tee/gpu.h"

#include <assert.h>

#include "core/cleanup.h"

#define SOURCE "confd-attest(7), GPUS"

static_assert(CLAIMS_GPUS_MAX >= EVIDENCE_GPUS_MAX, "room for each");
static_assert(GPU_OCSP_MAX >= EVIDENCE_OCSP_MAX, "room for each");

/* clang-format off */
static const struct trace_rule
rule_device = { "gpu", E_PARSE,
	"the bundle has a text about a device that nobody knows", SOURCE },
rule_arch = { "gpu.arch", E_CRYPTO,
	"the device is of another architecture than the bundle says", SOURCE };

static const char *const texts[] = { "driver", "vbios" };

const char *const gpu_mandatory[] = { "gpu", "gpu.arch" };
/* clang-format on */
const size_t gpu_n_mandatory = countof(gpu_mandatory);

/* Where the steps of number i begin, and that we know all that came. */
static bool begin(const struct evidence *e, size_t i, struct trace *t)
{
	const char *other =
		evidence_text_other(&e->gpu[i].rims, texts, countof(texts));

	trace_expect(t, "reference values of driver and vbios");
	trace_find(t, "device %zu of %zu, %s: %s", i + 1, e->n_gpus,
		   e->gpu[i].arch, other == NULL ? "the same" : other);
	return trace_step(t, &rule_device, other == NULL);
}

/* What the certificates say, against what the bundle does. */
static bool check_arch(const struct evidence_gpu *g, const struct gpu_claims *f,
		       struct trace *t)
{
	const char *found = gpu_arch_name(f->id.arch);

	trace_expect(t, "%s", g->arch);
	trace_find(t, "%s", found);
	return trace_step(t, &rule_arch, strcmp(g->arch, found) == 0);
}

static struct gpu_case make_case(const struct tee_case *c,
				 const struct evidence_gpu *g,
				 struct slice *ocsp)
{
	for (size_t i = 0; i < g->n_ocsp; i++)
		ocsp[i] = buf_slice(&g->ocsp[i]);
	return (struct gpu_case){
		.report = buf_slice(&g->report),
		.chain = buf_slice(&g->chain),
		.driver_rim = evidence_text(&g->rims, "driver"),
		.vbios_rim = evidence_text(&g->rims, "vbios"),
		.ocsp = ocsp,
		.n_ocsp = g->n_ocsp,
		.roots = c->trust_roots,
		.n_roots = c->n_trust_roots,
		.rim_roots = c->trust_roots,
		.n_rim_roots = c->n_trust_roots,
		.now = c->now,
	};
}

enum status gpu_verify_all(const struct tee_case *c, struct trace *trace,
			   struct claims *claims, struct err *err)
{
	const struct evidence *e = c->evidence;
	auto_gpu_rim_cache struct gpu_rim_cache own = { 0 };
	struct gpu_claims *found = claims->gpu;
	struct slice ocsp[EVIDENCE_OCSP_MAX];
	uint8_t nonce[GPU_NONCE_LEN];

	gpu_verify_nonce(buf_slice(&e->report), nonce);
	for (size_t i = 0; i < e->n_gpus; i++) {
		struct gpu_case gc = make_case(c, &e->gpu[i], ocsp);

		gc.nonce = nonce;
		gc.cache = c->cache == NULL ? &own : &c->cache->rims;
		if (!begin(e, i, trace))
			return trace_error(trace, err);
		TRY(gpu_verify(&gc, trace, &found[i], err));
		if (!check_arch(&e->gpu[i], &found[i], trace))
			return trace_error(trace, err);
	}
	claims->n_gpus = e->n_gpus;
	for (size_t i = 0; i < e->n_gpus; i++)
		if (found[i].valid_until < claims->valid_until)
			claims->valid_until = found[i].valid_until;
	return OK;
}
