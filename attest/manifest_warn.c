/* What a manifest may say, but hardly should: one row a sentence. */
#include "attest/manifest.h"
#include "core/cleanup.h"

/* ---- Of the whole ---- */

static bool no_admins(const struct manifest *m)
{
	return m->admins.n == 0;
}

static bool one_admin(const struct manifest *m)
{
	return m->admins.n > 1 && m->admins.threshold == 1;
}

static bool every_admin(const struct manifest *m)
{
	return m->admins.n > 1 && m->admins.threshold == m->admins.n;
}

static bool no_recovery(const struct manifest *m)
{
	return m->recovery.n == 0;
}

static bool one_recovery(const struct manifest *m)
{
	return m->recovery.n > 1 && m->recovery.threshold == 1;
}

static bool unbuilt_recovery(const struct manifest *m)
{
	return m->recovery.n > 0;
}

static bool unbuilt_exchange(const struct manifest *m)
{
	return m->client_exchange;
}

static bool unbuilt_models(const struct manifest *m)
{
	return m->n_models > 0;
}

static bool no_workers(const struct manifest *m)
{
	return m->n_workers == 0;
}

static bool no_operators(const struct manifest *m)
{
	return m->operators.n == 0 && m->n_workers > 0;
}

/* clang-format off */
static const struct {
	bool (*holds)(const struct manifest *m);
	const char *sentence;
} of_whole[] = {
	{ no_admins, "admins: there are none, so this manifest can never be "
	  "updated" },
	{ one_admin, "admins.threshold: any one admin alone can change all of "
	  "this" },
	{ every_admin, "admins.threshold: the loss of one admin's key ends "
	  "all updates" },
	{ no_recovery, "recovery: there are no keys, so secrets are lost when "
	  "no attestation service can open its stored state any more" },
	{ unbuilt_recovery, "recovery: it is not built yet: a state that no "
	  "service can open is lost all the same" },
	{ unbuilt_exchange, "secrets.client_exchange: it is not built yet, and "
	  "changes nothing" },
	{ unbuilt_models, "models: disks are not built yet: workloads of the "
	  "groups that have them are refused" },
	{ one_recovery, "recovery.threshold: any one recovery key alone opens "
	  "the seed" },
	{ no_workers, "workers: there are none, so nothing can serve" },
	{ no_operators, "operators: there are none, so nobody can start "
	  "workloads through the worker API" },
};
/* clang-format on */

/* ---- Of a policy ---- */

static bool is_sim(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SIM;
}

static bool lets_debug(const struct manifest_policy *p)
{
	return (p->tee == MANIFEST_SNP && p->snp.debug) ||
	       (p->tee == MANIFEST_TDX && p->tdx.debug) ||
	       (p->tee == MANIFEST_SIM && p->sim.debug);
}

static bool lets_migrate(const struct manifest_policy *p)
{
	return (p->tee == MANIFEST_SNP && p->snp.migrate) ||
	       (p->tee == MANIFEST_TDX && p->tdx.migratable);
}

static bool lets_smt(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.smt;
}

static bool lets_cxl(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.cxl;
}

static bool has_vmpl(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.vmpl != 0;
}

static bool lets_vlek(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.csp_ids.n > 0;
}

static bool lets_masked(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.masked_chip_id;
}

static bool lets_provisional(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && p->snp.provisional;
}

static bool no_crl(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_SNP && !p->snp.crl;
}

static bool any_tcb(const struct manifest_policy *p)
{
	const struct manifest_snp *s = &p->snp;

	return p->tee == MANIFEST_SNP && s->min_bootloader == 0 &&
	       s->min_tee == 0 && s->min_snp == 0 && s->min_microcode == 0;
}

static bool lets_sept_ve(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_TDX && p->tdx.sept_ve;
}

static bool lets_weak_tcb(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_TDX &&
	       (p->tdx.tcb_status.n > 1 ||
		!manifest_strings_have(&p->tdx.tcb_status, S("UpToDate")));
}

static bool lets_advisories(const struct manifest_policy *p)
{
	return p->tee == MANIFEST_TDX && p->tdx.advisories.n > 0;
}

static bool lets_unknown(const struct manifest_policy *p)
{
	return p->has_gpus && p->gpus.ocsp_unknown;
}

static bool has_grace(const struct manifest_policy *p)
{
	return p->has_gpus && p->gpus.ocsp_revoked_grace > 0;
}

/* clang-format off */
static const struct {
	bool (*holds)(const struct manifest_policy *p);
	const char *sentence;
} of_policy[] = {
	{ is_sim, "the software TEE protects nothing: whoever runs the machine "
	  "can read all of it" },
	{ lets_debug, "debug is tolerated: the host can read all memory" },
	{ lets_migrate, "migration is tolerated: the host can move the "
	  "machine's memory elsewhere" },
	{ lets_smt, "SMT is tolerated: other tenants may share a core" },
	{ lets_cxl, "memory and devices over CXL are tolerated: they are "
	  "outside of the processor's package" },
	{ has_vmpl, "vmpl is not 0: something more privileged runs beside "
	  "it" },
	{ lets_vlek, "csp_ids: a provider's key signs for any of its machines, "
	  "not for one processor" },
	{ lets_masked, "a report that does not name its processor is "
	  "tolerated" },
	{ lets_provisional, "provisional firmware is tolerated: the host can "
	  "take the update back" },
	{ no_crl, "crl: AMD's revocation list is not asked for, so a revoked "
	  "signer would be believed" },
	{ any_tcb, "min_tcb asks for nothing: firmware of any age is "
	  "tolerated" },
	{ lets_sept_ve, "sept_ve is tolerated: the host can make the "
	  "machine's pages fault as it runs" },
	{ lets_weak_tcb, "a platform that is not UpToDate is tolerated" },
	{ lets_advisories, "advisories are tolerated: known weaknesses of the "
	  "platform" },
	{ lets_unknown, "a GPU whose revocation is unknown is tolerated" },
	{ has_grace, "a revoked GPU is tolerated for some hours" },
};
/* clang-format on */

static bool is_used(const struct manifest *m, const char *policy)
{
	struct slice name = slice_str(policy);

	if (manifest_strings_have(&m->as_policies, name))
		return true;
	for (size_t i = 0; i < m->n_workers; i++)
		if (manifest_strings_have(&m->worker[i].policies, name))
			return true;
	return false;
}

/* ---- Of a worker group ---- */

static bool runs_any(const struct manifest_worker *w)
{
	return w->images_any;
}

static bool serves_outside(const struct manifest_worker *w)
{
	for (size_t i = 0; i < w->images.n; i++)
		if (slice_starts(slice_str(w->images.item[i]), S("upstream:")))
			return true;
	return false;
}

static bool runs_nothing(const struct manifest_worker *w)
{
	return !w->images_any && w->images.n == 0;
}

static bool logs_plain(const struct manifest_worker *w)
{
	return w->logs == MANIFEST_LOGS_PLAIN;
}

static bool unbuilt_runtime(const struct manifest_worker *w)
{
	return strcmp(w->runtime, "native") != 0;
}

static bool unbuilt_logs(const struct manifest_worker *w)
{
	return w->logs == MANIFEST_LOGS_SEALED;
}

static bool unbuilt_adapter(const struct manifest_worker *w)
{
	return w->adapters.n > 1 ||
	       !manifest_strings_have(&w->adapters, S("openai"));
}

static bool unbuilt_salt(const struct manifest_worker *w)
{
	return w->cache_salt != MANIFEST_SALT_OFF;
}

static bool shares_cache(const struct manifest_worker *w)
{
	return w->cache_salt == MANIFEST_SALT_OFF;
}

/* clang-format off */
static const struct {
	bool (*holds)(const struct manifest_worker *w);
	const char *sentence;
} of_worker[] = {
	{ runs_any, "images is any: operators may run any program on prompts" },
	{ serves_outside, "images has an upstream: a server outside the "
	  "sandbox, which nothing verifies or confines, reads the prompts" },
	{ runs_nothing, "images: there are none, so nothing may run" },
	{ logs_plain, "logs are plain: operators can read what a workload "
	  "prints, which may be prompts" },
	{ unbuilt_runtime, "runtime: only native is built yet: workloads are "
	  "refused" },
	{ unbuilt_logs, "logs: sealed is not built yet: only workloads "
	  "that ask for logs off are run" },
	{ unbuilt_adapter, "adapters: only openai is built yet: the others are "
	  "refused" },
	{ unbuilt_salt, "cache_salt: only off is built yet: workloads are "
	  "refused" },
	{ shares_cache, "cache_salt is off: if the engine shares prefix "
	  "caches, users can tell by time what others asked" },
};
/* clang-format on */

static bool model_used(const struct manifest *m, const char *model)
{
	for (size_t i = 0; i < m->n_workers; i++)
		if (manifest_strings_have(&m->worker[i].models,
					  slice_str(model)))
			return true;
	return false;
}

static void warn_policies(const struct manifest *m, struct buf *out)
{
	for (size_t i = 0; i < m->n_policies; i++) {
		const struct manifest_policy *p = &m->policy[i];

		for (size_t k = 0; k < countof(of_policy); k++)
			if (of_policy[k].holds(p))
				buf_putf(out, "policies.%s: %s\n", p->name,
					 of_policy[k].sentence);
		if (!is_used(m, p->name))
			buf_putf(out, "policies.%s: nothing uses it\n",
				 p->name);
	}
}

static void warn_workers(const struct manifest *m, struct buf *out)
{
	for (size_t i = 0; i < m->n_workers; i++)
		for (size_t k = 0; k < countof(of_worker); k++)
			if (of_worker[k].holds(&m->worker[i]))
				buf_putf(out, "workers.%s: %s\n",
					 m->worker[i].name,
					 of_worker[k].sentence);
}

void manifest_warnings(const struct manifest *m, struct buf *out)
{
	for (size_t i = 0; i < countof(of_whole); i++)
		if (of_whole[i].holds(m))
			buf_putf(out, "%s\n", of_whole[i].sentence);
	warn_policies(m, out);
	warn_workers(m, out);
	for (size_t i = 0; i < m->n_models; i++)
		if (!model_used(m, m->model[i].name))
			buf_putf(out, "models.%s: no worker group serves it\n",
				 m->model[i].name);
}
