#include "attest/tee/tdx_match.h"

#include "core/cleanup.h"
#include "core/text.h"

/* TEE_TCB_SVN: what its first bytes are. */
enum { SVN_MODULE = 0, SVN_MODULE_VERSION = 1, SVN_LOADER = 2 };

/* ---- The TDX module ---- */

/* The identity of modules of that version; NULL: none. */
static const struct tdx_module *find_module(const struct tdx_tcb_info *t,
					    uint8_t version)
{
	for (size_t i = 0; i < t->n_modules; i++)
		if (t->identity[i].version == version)
			return &t->identity[i];
	return NULL;
}

/* The newest level that this version reaches; NULL: none. */
static const struct tdx_isv_level *find_level(const struct tdx_isv_levels *l,
					      uint16_t isv_svn)
{
	for (size_t i = 0; i < l->n; i++)
		if (isv_svn >= l->level[i].isv_svn)
			return &l->level[i];
	return NULL;
}

static enum status check_signer(const struct tdx_module *module,
				const struct tdx_td *td, struct err *err)
{
	uint8_t found[8];

	if (memcmp(module->mrsigner, td->mrsignerseam,
		   sizeof(td->mrsignerseam)) != 0)
		return err_set(err, E_CRYPTO,
			       "MRSIGNERSEAM is not the signer that Intel "
			       "names for this TDX module");
	if (td->seam_attributes != 0)
		return err_set(err, E_CRYPTO,
			       "SEAMATTRIBUTES: expected zero, found %#llx",
			       (unsigned long long)td->seam_attributes);
	memcpy(found, &td->seam_attributes, sizeof(found));
	if (memcmp(found, module->attributes, sizeof(found)) != 0)
		return err_set(err, E_CRYPTO,
			       "SEAMATTRIBUTES are not those that Intel names "
			       "for this TDX module");
	return OK;
}

enum status tdx_match_module(const struct tdx_tcb_info *t,
			     const struct tdx_td *td, struct tdx_match *m,
			     struct err *err)
{
	uint8_t version = td->tee_tcb_svn[SVN_MODULE_VERSION];
	uint8_t svn = td->tee_tcb_svn[SVN_MODULE];
	const struct tdx_module *module = &t->module;
	const struct tdx_isv_level *level = NULL;

	if (version > 0)
		module = find_module(t, version);
	if (module == NULL)
		return err_set(err, E_CRYPTO,
			       "the TCB info has no identity TDX_%02X of the "
			       "TDX module",
			       version);
	TRY(check_signer(module, td, err));
	if (version > 0) {
		level = find_level(&module->levels, svn);
		if (level == NULL)
			return err_set(err, E_CRYPTO,
				       "TDX_%02X of version %u reaches no "
				       "level of the TCB info",
				       version, svn);
	}
	m->module = module;
	m->module_level = level;
	m->module_status = level == NULL ? TDX_UP_TO_DATE : level->status;
	return OK;
}

/* ---- The platform ---- */

/* Whether each of those from `from` on is at least as new. */
static bool reaches(const uint8_t have[static 16],
		    const uint8_t want[static 16], size_t from)
{
	for (size_t i = from; i < 16; i++)
		if (have[i] < want[i])
			return false;
	return true;
}

enum status tdx_match_levels(const struct tdx_tcb_info *t,
			     const struct tdx_pck *pck, const struct tdx_td *td,
			     struct tdx_match *m, struct err *err)
{
	const uint8_t *svn = td->tee_tcb_svn;
	/* The first two are the module's, which has levels of its own unless
	 * it is of version 0. */
	size_t from = svn[SVN_MODULE_VERSION] > 0 ? SVN_LOADER : 0;
	const struct tdx_tcb_level *sgx = NULL, *tdx = NULL;

	for (size_t i = 0; i < t->n_levels && tdx == NULL; i++) {
		const struct tdx_tcb_level *l = &t->level[i];

		if (!reaches(pck->cpu_svn, l->sgx, 0) ||
		    pck->pce_svn < l->pce_svn)
			continue;
		if (sgx == NULL)
			sgx = l;
		if (reaches(svn, l->tdx, from))
			tdx = l;
	}
	if (tdx == NULL)
		return err_set(err, E_CRYPTO,
			       "the platform reaches no level of the TCB info "
			       "by its %s components",
			       sgx == NULL ? "SGX" : "TDX");
	m->sgx = sgx;
	m->tdx = tdx;
	return OK;
}

/* ---- The quoting enclave ---- */

/* Whether the bits that count are the same. */
static bool eq_masked(const uint8_t *have, const uint8_t *want,
		      const uint8_t *mask, size_t len)
{
	for (size_t i = 0; i < len; i++)
		if ((have[i] & mask[i]) != want[i])
			return false;
	return true;
}

enum status tdx_match_qe(const struct tdx_qe_identity *id,
			 const struct tdx_qe *qe, struct err *err)
{
	const struct {
		const char *what;
		bool same;
	} members[] = {
		{ "MISCSELECT",
		  eq_masked(qe->miscselect, id->miscselect, id->miscselect_mask,
			    sizeof(id->miscselect)) },
		{ "ATTRIBUTES",
		  eq_masked(qe->attributes, id->attributes, id->attributes_mask,
			    sizeof(id->attributes)) },
		{ "MRSIGNER", memcmp(qe->mrsigner, id->mrsigner,
				     sizeof(id->mrsigner)) == 0 },
		{ "ISVPRODID", qe->isv_prod_id == id->isv_prod_id },
	};

	for (size_t i = 0; i < countof(members); i++)
		if (!members[i].same)
			return err_set(err, E_CRYPTO,
				       "its %s is not that of Intel's",
				       members[i].what);
	return OK;
}

enum status tdx_match_qe_level(const struct tdx_qe_identity *id,
			       const struct tdx_qe *qe, struct tdx_match *m,
			       struct err *err)
{
	m->qe_level = find_level(&id->levels, qe->isv_svn);
	if (m->qe_level != NULL)
		return OK;
	return err_set(err, E_CRYPTO, "version %u reaches no level",
		       qe->isv_svn);
}

/* ---- All in all ---- */

enum tdx_status tdx_match_merge(enum tdx_status platform, enum tdx_status part)
{
	/* What a part that is out of date makes of the platform. */
	static const enum tdx_status out_of_date[] = {
		[TDX_UP_TO_DATE] = TDX_OUT_OF_DATE,
		[TDX_SW_HARDENING_NEEDED] = TDX_OUT_OF_DATE,
		[TDX_CONFIGURATION_NEEDED] =
			TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
		[TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED] =
			TDX_OUT_OF_DATE_CONFIGURATION_NEEDED,
	};

	if (part == TDX_REVOKED)
		return TDX_REVOKED;
	if (part == TDX_OUT_OF_DATE && platform < countof(out_of_date) &&
	    out_of_date[platform] != TDX_STATUS_NONE)
		return out_of_date[platform];
	return platform;
}

static bool is_configuration(enum tdx_status s)
{
	return s == TDX_CONFIGURATION_NEEDED ||
	       s == TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED ||
	       s == TDX_OUT_OF_DATE_CONFIGURATION_NEEDED;
}

/* Only the module under which the TD was launched is old: nothing else is. */
static bool may_advise_relaunch(const struct tdx_match *m)
{
	return (m->platform == TDX_OUT_OF_DATE ||
		m->platform == TDX_OUT_OF_DATE_CONFIGURATION_NEEDED) &&
	       m->module_status == TDX_OUT_OF_DATE &&
	       m->sgx->status >= TDX_UP_TO_DATE &&
	       m->sgx->status <= TDX_CONFIGURATION_AND_SW_HARDENING_NEEDED &&
	       m->qe_level->status == TDX_UP_TO_DATE;
}

/* Whether what runs now is the newest that Intel names. */
static enum status check_current(const struct tdx_tcb_info *t,
				 const uint8_t svn[static 16], bool *newest,
				 struct err *err)
{
	const uint8_t *level = t->level[0].tdx;
	uint8_t version = svn[SVN_MODULE_VERSION];
	uint16_t module = level[SVN_MODULE];

	if (version > 0) {
		const struct tdx_module *now = find_module(t, version);

		if (now == NULL)
			return err_set(err, E_CRYPTO,
				       "the TCB info has no identity TDX_%02X "
				       "of the TDX module that runs now",
				       version);
		module = now->levels.level[0].isv_svn;
	}
	*newest = svn[SVN_MODULE] >= module &&
		  svn[SVN_LOADER] >= level[SVN_LOADER];
	return OK;
}

enum status tdx_match_status(const struct tdx_tcb_info *t, enum tdx_body body,
			     const struct tdx_td *td, struct tdx_match *m,
			     struct err *err)
{
	bool newest = false;

	m->platform = tdx_match_merge(m->tdx->status, m->module_status);
	if (body == TDX_BODY_15 && may_advise_relaunch(m))
		TRY(check_current(t, td->tee_tcb_svn2, &newest, err));
	if (newest &&
	    (is_configuration(m->sgx->status) || is_configuration(m->platform)))
		m->platform = TDX_TD_RELAUNCH_ADVISED_CONFIGURATION_NEEDED;
	else if (newest)
		m->platform = TDX_TD_RELAUNCH_ADVISED;
	m->status = tdx_match_merge(m->platform, m->qe_level->status);
	return OK;
}
