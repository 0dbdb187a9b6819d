#include "cmd/verify_default.h"

#include "attest/policy.h"
#include "attest/tee/gpu_policy.h"

static const struct trace_rule rule_sim = {
	"policy.root", E_POLICY,
	"the software TEE counts only where a manifest names its root",
	"confd-manifest(5), POLICIES"
};

static void judge(const struct verify_expects *e, const struct claims *c,
		  struct trace *t)
{
	struct gpu_policy gpus;

	if (strcmp(c->tee, "snp") == 0)
		verify_snp_default(e, &c->snp, t);
	else if (strcmp(c->tee, "tdx") == 0)
		verify_tdx_default(e, &c->tdx, t);
	else
		(void)trace_step(t, &rule_sim, false);
	if (c->n_gpus == 0)
		return;
	gpu_policy_defaults(&gpus);
	(void)gpu_policy_holds(&gpus, c->gpu, c->n_gpus, t);
}

enum status verify_default_judge(const struct verifier_case *c,
				 const struct verify_expects *e,
				 struct trace *t, struct claims *claims,
				 bool *genuine, struct err *err)
{
	*genuine = verifier_establish(c, t, claims, err) == OK;
	if (!*genuine)
		return err->code;
	judge(e, claims, t);
	return policy_complete(t, claims) ? OK : trace_error(t, err);
}
