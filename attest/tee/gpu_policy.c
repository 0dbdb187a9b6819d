#include "attest/tee/gpu_policy.h"

#include "core/cleanup.h"
#include "core/text.h"

#define SOURCE "confd-manifest(5), gpus"
#define FABRIC "NVIDIA protected PCIe, topology"
#define HOUR 3600
#define PDIS_MAX 64 /* switches of one machine */

enum outcome { NOT_ASKED, REFUSED, HOLDS, NOT_CHECKED };

struct set {
	const struct gpu_claims *device;
	size_t n;
};

/* A rule says what it expects and finds, unless nobody asked. */
typedef enum outcome row_check(const struct gpu_policy *p, const struct set *s,
			       struct trace *t);

static size_t count_gpus(const struct set *s)
{
	size_t n = 0;

	for (size_t i = 0; i < s->n; i++)
		n += !s->device[i].id.is_switch;
	return n;
}

static enum outcome check_count(const struct gpu_policy *p, const struct set *s,
				struct trace *t)
{
	size_t n = count_gpus(s);

	if (p->count == 0)
		return NOT_ASKED;
	trace_expect(t, "%u GPUs", p->count);
	trace_find(t, "%zu", n);
	return n == p->count ? HOLDS : REFUSED;
}

/* By the keys that the vendor certified: nothing that a device tells. */
static enum outcome check_distinct(const struct gpu_policy *p,
				   const struct set *s, struct trace *t)
{
	(void)p;
	trace_expect(t, "certificates of as many devices");
	for (size_t i = 0; i < s->n; i++) {
		for (size_t j = 0; j < i; j++) {
			const struct gpu_identity *a = &s->device[i].id;
			const struct gpu_identity *b = &s->device[j].id;

			if (memcmp(a->device, b->device, 32) != 0 &&
			    memcmp(a->leaf, b->leaf, 32) != 0)
				continue;
			trace_find(t, "numbers %zu and %zu are one: ", j + 1,
				   i + 1);
			trace_find_bytes(t, slice_of(a->pdi));
			return REFUSED;
		}
	}
	trace_find(t, "%zu devices", s->n);
	return s->n > 0 ? HOLDS : REFUSED;
}

/* ---- Lists ---- */

static void expect_listed(struct trace *t, const struct manifest_strings *l)
{
	for (size_t i = 0; i < l->n; i++)
		trace_expect(t, "%s%s", i == 0 ? "" : " or ", l->item[i]);
	if (l->n == 0)
		trace_expect(t, "nothing: the list is empty");
}

/* Versions have hex digits, written small or large. */
static bool is_listed(const struct manifest_strings *l, const char *s)
{
	for (size_t i = 0; i < l->n; i++)
		if (slice_eq_nocase(slice_str(l->item[i]), slice_str(s)))
			return true;
	return false;
}

typedef const char *text_of(const struct gpu_claims *c);

static const char *arch_of(const struct gpu_claims *c)
{
	return gpu_arch_name(c->id.arch);
}

static const char *driver_of(const struct gpu_claims *c)
{
	return c->driver;
}

static const char *vbios_of(const struct gpu_claims *c)
{
	return c->vbios;
}

static enum outcome check_list(const struct manifest_strings *l,
			       const struct set *s, text_of *text,
			       bool switches, struct trace *t)
{
	if (l == NULL)
		return NOT_ASKED;
	expect_listed(t, l);
	for (size_t i = 0; i < s->n; i++) {
		const struct gpu_claims *c = &s->device[i];

		if ((c->id.is_switch && !switches) || is_listed(l, text(c)))
			continue;
		trace_find(t, "%s of device ", text(c));
		trace_find_bytes(t, slice_of(c->id.pdi));
		return REFUSED;
	}
	trace_find(t, "nothing else");
	return HOLDS;
}

static enum outcome check_arch(const struct gpu_policy *p, const struct set *s,
			       struct trace *t)
{
	return check_list(p->arch, s, arch_of, false, t);
}

static enum outcome check_drivers(const struct gpu_policy *p,
				  const struct set *s, struct trace *t)
{
	return check_list(p->drivers, s, driver_of, false, t);
}

static enum outcome check_vbios(const struct gpu_policy *p, const struct set *s,
				struct trace *t)
{
	return check_list(p->vbios, s, vbios_of, true, t);
}

/* ---- Revocation ---- */

static bool is_tolerated(const struct gpu_policy *p,
			 const struct gpu_certificate *c, int64_t now)
{
	if (c->revocation == GPU_REVOCATION_GOOD)
		return true;
	if (c->revocation != GPU_REVOCATION_REVOKED)
		return p->ocsp_unknown;
	int64_t grace = (int64_t)p->ocsp_revoked_grace * HOUR;
	return grace > 0 && now - c->revoked_at < grace;
}

static void find_revocation(struct trace *t, const struct gpu_claims *d,
			    const struct gpu_certificate *c)
{
	char when[TEXT_TIME_SIZE];

	trace_find(t, "%s's certificate: answer %s", c->what,
		   gpu_revocation_name(c->revocation));
	if (c->revocation == GPU_REVOCATION_REVOKED) {
		text_time(when, c->revoked_at);
		trace_find(t, " at %s", when);
	}
	trace_find(t, ", of device ");
	trace_find_bytes(t, slice_of(d->id.pdi));
}

/* How bad it is: what is known to be bad comes before what is not known. */
static int badness(const struct gpu_certificate *c)
{
	return c->revocation == GPU_REVOCATION_REVOKED	 ? 3
	       : c->revocation == GPU_REVOCATION_UNKNOWN ? 2
							 : 1;
}

static enum outcome check_revocation(const struct gpu_policy *p,
				     const struct set *s, struct trace *t)
{
	const struct gpu_certificate *worst = NULL;
	const struct gpu_claims *of = NULL;
	size_t tolerated = 0;

	for (size_t i = 0; i < s->n; i++) {
		const struct gpu_claims *d = &s->device[i];

		for (size_t k = 0; k < d->n_certificates; k++) {
			const struct gpu_certificate *c = &d->certificate[k];

			tolerated += c->revocation != GPU_REVOCATION_GOOD;
			if (is_tolerated(p, c, d->now) ||
			    (worst != NULL && badness(c) <= badness(worst)))
				continue;
			worst = c;
			of = d;
		}
	}
	trace_expect(t, "each certificate not to be revoked%s%s",
		     p->ocsp_unknown ? ", or not to be known" : "",
		     p->ocsp_revoked_grace > 0 ? ", or not for long" : "");
	if (worst == NULL) {
		trace_find(t,
			   tolerated == 0 ? "the same"
					  : "%zu that are tolerated",
			   tolerated);
		return HOLDS;
	}
	find_revocation(t, of, worst);
	return badness(worst) > 1 ? REFUSED : NOT_CHECKED;
}

/* ---- The fabric ---- */

struct pdis {
	size_t n;
	uint8_t pdi[PDIS_MAX][GPU_PDI_LEN];
};

static bool has_pdi(const struct pdis *l, const uint8_t *pdi)
{
	for (size_t i = 0; i < l->n; i++)
		if (memcmp(l->pdi[i], pdi, GPU_PDI_LEN) == 0)
			return true;
	return false;
}

static void add_pdi(struct pdis *l, const uint8_t *pdi)
{
	if (!has_pdi(l, pdi) && l->n < PDIS_MAX)
		memcpy(l->pdi[l->n++], pdi, GPU_PDI_LEN);
}

static bool same_pdis(const struct pdis *a, const struct pdis *b)
{
	for (size_t i = 0; i < a->n; i++)
		if (!has_pdi(b, a->pdi[i]))
			return false;
	return a->n == b->n;
}

/* Neighbours, each once, in the order of bytes that a device has for itself;
 * without the places that are not in use. */
static struct pdis neighbours(const uint8_t (*pdi)[GPU_PDI_LEN], size_t n)
{
	static const uint8_t unused[GPU_PDI_LEN] = { 0xff, 0xff, 0xff, 0xff,
						     0xff, 0xff, 0xff, 0xff };
	struct pdis l = { 0 };

	for (size_t i = 0; i < n; i++) {
		uint8_t turned[GPU_PDI_LEN];

		for (size_t k = 0; k < GPU_PDI_LEN; k++)
			turned[k] = pdi[i][GPU_PDI_LEN - 1 - k];
		if (!all_zero(turned, sizeof(turned)) &&
		    memcmp(turned, unused, sizeof(unused)) != 0)
			add_pdi(&l, turned);
	}
	return l;
}

static bool is_ppcie(const struct gpu_claims *c)
{
	return c->ppcie == GPU_STATUS_ON || c->feature == GPU_FEATURE_PPCIE;
}

/* Every GPU is linked to exactly the switches that were verified. */
static const char *check_gpus(const struct set *s, const struct pdis *switches)
{
	for (size_t i = 0; i < s->n; i++) {
		const struct gpu_claims *c = &s->device[i];
		struct pdis l = neighbours(c->pdi, c->n_pdis);

		if (c->id.is_switch)
			continue;
		if (!is_ppcie(c))
			return "a GPU that is not on protected PCIe";
		if (!same_pdis(&l, switches))
			return "a GPU with links to other switches";
	}
	return NULL;
}

/* Every switch is linked to the same GPUs, as many as were verified. */
static const char *check_switches(const struct set *s)
{
	struct pdis first = { 0 };

	for (size_t i = 0; i < s->n; i++) {
		const struct gpu_claims *c = &s->device[i];
		struct pdis l = neighbours(c->peer, c->n_peers);

		if (!c->id.is_switch)
			continue;
		if (l.n != count_gpus(s))
			return "a switch with links to another number of GPUs";
		if (first.n > 0 && !same_pdis(&l, &first))
			return "switches with links to different GPUs";
		first = l;
	}
	return NULL;
}

/* Links between GPUs on protected PCIe are in clear: such a GPU counts only
 * together with all GPUs and switches that its links lead to. */
static enum outcome check_fabric(const struct gpu_policy *p,
				 const struct set *s, struct trace *t)
{
	struct pdis switches = { 0 };
	size_t n = 0;

	(void)p;
	for (size_t i = 0; i < s->n; i++) {
		n += !s->device[i].id.is_switch && is_ppcie(&s->device[i]);
		if (s->device[i].id.is_switch)
			add_pdi(&switches, s->device[i].id.pdi);
	}
	trace_expect(t, "no GPU on protected PCIe, or all with their switches");
	if (n == 0) {
		trace_find(t, "no GPU on protected PCIe");
		return HOLDS;
	}
	const char *wrong = switches.n == 0 ? "GPUs without switches"
					    : check_gpus(s, &switches);
	if (wrong == NULL)
		wrong = check_switches(s);
	if (wrong == NULL)
		trace_find(t, "%zu GPUs, %zu switches", n, switches.n);
	else
		trace_find(t, "%s", wrong);
	return wrong == NULL ? HOLDS : REFUSED;
}

/* ---- All of them ---- */

/* clang-format off */
static const struct {
	struct trace_rule rule;
	row_check *check;
} rows[] = {
	{ { "gpu.policy.count", E_POLICY,
	    "the machine has another number of GPUs", SOURCE }, check_count },
	{ { "gpu.policy.distinct", E_POLICY,
	    "one device stands for several", SOURCE }, check_distinct },
	{ { "gpu.policy.arch", E_POLICY,
	    "a GPU is of another architecture", SOURCE }, check_arch },
	{ { "gpu.policy.drivers", E_POLICY,
	    "a GPU has another driver", SOURCE }, check_drivers },
	{ { "gpu.policy.vbios", E_POLICY,
	    "a device has another VBIOS", SOURCE }, check_vbios },
	{ { "gpu.policy.revocation", E_POLICY,
	    "a certificate is revoked, or its issuer does not know it",
	    SOURCE ", ocsp" }, check_revocation },
	{ { "gpu.policy.fabric", E_POLICY,
	    "a GPU shares its links with devices that were not verified",
	    FABRIC }, check_fabric },
};
/* clang-format on */

void gpu_policy_defaults(struct gpu_policy *p)
{
	*p = (struct gpu_policy){ 0 };
}

void gpu_policy_from_manifest(const struct manifest_gpus *m,
			      struct gpu_policy *p)
{
	*p = (struct gpu_policy){
		.arch = &m->arch,
		.drivers = &m->drivers,
		.vbios = &m->vbios,
		.count = m->count,
		.ocsp_unknown = m->ocsp_unknown,
		.ocsp_revoked_grace = m->ocsp_revoked_grace,
	};
}

bool gpu_policy_holds(const struct gpu_policy *p,
		      const struct gpu_claims *device, size_t n,
		      struct trace *t)
{
	const struct set set = { device, n };
	bool all = true;

	for (size_t i = 0; i < countof(rows); i++) {
		enum outcome o = rows[i].check(p, &set, t);

		if (o == NOT_ASKED)
			continue;
		all &= o == HOLDS;
		if (o == NOT_CHECKED)
			trace_step_unchecked(t, &rows[i].rule);
		else
			(void)trace_step(t, &rows[i].rule, o == HOLDS);
	}
	return all;
}
