#include "attest/tee/gpu_verify_ocsp.h"

#include <assert.h>

#include "core/cleanup.h"
#include "core/ocsp.h"

/* clang-format off */
static const struct trace_rule
rule_ocsp = { "gpu.ocsp", E_CRYPTO,
	"a response about revocation is not genuine", "RFC 6960 s3.2" };

static const char *const names[] = {
	[GPU_REVOCATION_GOOD] = "good",
	[GPU_REVOCATION_MISSING] = "missing",
	[GPU_REVOCATION_STALE] = "stale",
	[GPU_REVOCATION_UNKNOWN] = "unknown",
	[GPU_REVOCATION_REVOKED] = "revoked",
};

static const char *const chain_names[GPU_CHAIN_LEN] = {
	[GPU_CHAIN_DEVICE] = "device",
	[GPU_CHAIN_PROVISIONER] = "provisioner",
	[GPU_CHAIN_IDENTITY] = "chip identity",
};

static const char *const rim_names[GPU_RIM_ROLES][GPU_RIM_CERTS - 1] = {
	[GPU_RIM_DRIVER] = { "driver RIM: signer", "driver RIM: intermediate",
			     "driver RIM: chip's CA" },
	[GPU_RIM_VBIOS] = { "VBIOS RIM: signer", "VBIOS RIM: intermediate",
			    "VBIOS RIM: chip's CA" },
};
/* clang-format on */

static_assert(GPU_CERTIFICATES_MAX ==
		      GPU_CHAIN_LEN - 2 + GPU_RIM_ROLES * (GPU_RIM_CERTS - 1),
	      "a place for each");

const char *gpu_revocation_name(enum gpu_revocation r)
{
	return (size_t)r < countof(names) ? names[r] : "unknown";
}

/* A certificate and who issued it; beside the claim of the same number. */
struct target {
	const struct x509 *cert, *issuer;
};

static void add_target(struct target *target, struct gpu_claims *found,
		       const char *what, struct x509 *const *cert)
{
	size_t i = found->n_certificates++;

	target[i] = (struct target){ cert[0], cert[1] };
	found->certificate[i] = (struct gpu_certificate){
		.what = what,
		.revocation = GPU_REVOCATION_MISSING,
	};
}

static void find_targets(struct target *target, const struct gpu_chain *chain,
			 const struct gpu_rims *rims, struct gpu_claims *found)
{
	for (size_t i = GPU_CHAIN_DEVICE; i < GPU_CHAIN_ROOT; i++)
		add_target(target, found, chain_names[i], &chain->cert[i]);
	for (size_t k = 0; k < GPU_RIM_ROLES; k++)
		for (size_t i = 0; rims->of[k] != NULL && i + 1 < GPU_RIM_CERTS;
		     i++)
			add_target(target, found, rim_names[k][i],
				   &rims->of[k]->cert[i]);
}

/* What an answer means at that time.  Once revoked is revoked, however old
 * the answer is. */
static struct gpu_certificate read_answer(const struct ocsp_answer *a,
					  const char *what, bool stale,
					  int64_t now)
{
	struct gpu_certificate c = { .what = what };
	struct err err;

	stale |= ocsp_current(a, now, &err) != OK;
	if (a->status == OCSP_REVOKED) {
		c.revocation = GPU_REVOCATION_REVOKED;
		c.revoked_at = a->revoked_at;
		c.reason = a->reason;
	} else if (stale) {
		c.revocation = GPU_REVOCATION_STALE;
	} else if (a->status == OCSP_GOOD) {
		c.revocation = GPU_REVOCATION_GOOD;
		c.until = a->next_update;
	} else {
		c.revocation = GPU_REVOCATION_UNKNOWN;
	}
	return c;
}

/* Which of two counts: the worse, but an old answer never against a valid
 * one. Of two revocations, the earlier. */
static bool is_worse(const struct gpu_certificate *a,
		     const struct gpu_certificate *b)
{
	static const int order[] = {
		[GPU_REVOCATION_MISSING] = 0, [GPU_REVOCATION_STALE] = 1,
		[GPU_REVOCATION_GOOD] = 2,    [GPU_REVOCATION_UNKNOWN] = 3,
		[GPU_REVOCATION_REVOKED] = 4,
	};
	int x = order[a->revocation], y = order[b->revocation];

	if (x == y && a->revocation == GPU_REVOCATION_REVOKED)
		return a->revoked_at < b->revoked_at;
	return x > y;
}

/* What one response says of one certificate, if anything. */
static enum status use_response(const struct ocsp *o, const struct target *at,
				int64_t now, struct gpu_certificate *claim,
				struct err *err)
{
	struct ocsp_answer answer;
	struct err late;

	enum status status = ocsp_find(o, at->cert, at->issuer, &answer, err);
	if (status == E_NOTFOUND)
		return OK;
	if (status != OK)
		return status;
	enum status by = ocsp_verify(o, at->issuer, now, &late);
	if (by != OK && by != E_STALE)
		return err_set(err, by, "%s: %s", claim->what, late.text);
	struct gpu_certificate said =
		read_answer(&answer, claim->what, by == E_STALE, now);
	if (is_worse(&said, claim))
		*claim = said;
	return OK;
}

static enum status use_one(struct slice in, const struct target *target,
			   int64_t now, struct gpu_claims *found,
			   struct err *err)
{
	auto_ocsp struct ocsp *o = NULL;
	enum status status = ocsp_parse(in, &o, err);

	if (status == E_STALE)
		return OK; /* the responder had no answer */
	if (status != OK)
		return status;
	for (size_t i = 0; i < found->n_certificates; i++)
		TRY(use_response(o, &target[i], now, &found->certificate[i],
				 err));
	return OK;
}

static enum status use_all(const struct gpu_case *c,
			   const struct target *target,
			   struct gpu_claims *found, struct err *err)
{
	if (c->n_ocsp > GPU_OCSP_MAX)
		return err_set(err, E_LIMIT,
			       "OCSP: expected at most %d responses, found "
			       "%zu",
			       GPU_OCSP_MAX, c->n_ocsp);
	for (size_t i = 0; i < c->n_ocsp; i++)
		TRY(use_one(c->ocsp[i], target, c->now, found, err));
	return OK;
}

/* Good answers bound how long what was verified stays so. */
static size_t count_good(struct gpu_claims *found)
{
	size_t n = 0;

	for (size_t i = 0; i < found->n_certificates; i++) {
		if (found->certificate[i].revocation != GPU_REVOCATION_GOOD)
			continue;
		n++;
		if (found->certificate[i].until < found->valid_until)
			found->valid_until = found->certificate[i].until;
	}
	return n;
}

void gpu_verify_ocsp(const struct gpu_case *c, const struct gpu_chain *chain,
		     const struct gpu_rims *rims, struct trace *t,
		     struct gpu_claims *found)
{
	struct target target[GPU_CERTIFICATES_MAX];
	struct err err;

	find_targets(target, chain, rims, found);
	trace_expect(t, "responses, if any, signed by a certificate's issuer "
			"or its responder");
	if (use_all(c, target, found, &err) != OK) {
		trace_step_err(t, &rule_ocsp, &err);
		return;
	}
	trace_find(
		t,
		"%zu responses; of %zu certificates %zu are known to be good",
		c->n_ocsp, found->n_certificates, count_good(found));
	(void)trace_step(t, &rule_ocsp, true);
}
