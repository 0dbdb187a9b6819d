#include <stdint.h>
#include <stdlib.h>

#include "attest/tee/tdx_match.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool sorted(const struct tdx_isv_levels *l)
{
	for (size_t i = 1; i < l->n; i++)
		if (l->level[i - 1].isv_svn < l->level[i].isv_svn)
			return false;
	return l->n > 0 && l->n <= TDX_TCB_ISV_LEVELS_MAX;
}

/* The first bytes are versions to look for in what the rest says. */
static void match(const struct tdx_tcb_info *t, const uint8_t *data,
		  size_t size)
{
	struct tdx_td td = { 0 };
	struct tdx_pck pck = { 0 };
	struct tdx_match m = { 0 };
	struct tdx_isv_level qe = { .status = TDX_UP_TO_DATE };
	struct err err;

	for (size_t i = 0; i < 16; i++) {
		td.tee_tcb_svn[i] = i < size ? data[i] : 0;
		td.tee_tcb_svn2[i] = i < size ? data[size - 1 - i] : 0;
		pck.cpu_svn[i] = 0xff;
	}
	pck.pce_svn = 0xffff;
	m.qe_level = &qe;
	if (tdx_match_module(t, &td, &m, &err) == OK &&
	    tdx_match_levels(t, &pck, &td, &m, &err) == OK &&
	    tdx_match_status(t, TDX_BODY_15, &td, &m, &err) == OK &&
	    m.status == TDX_STATUS_NONE)
		abort();
}

/* Both documents from the same bytes: at most one takes them. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct slice text = slice_make(data, size);
	auto_tdx_tcb_info struct tdx_tcb_info *t = NULL;
	auto_tdx_qe_identity struct tdx_qe_identity *q = NULL;
	struct tdx_signed over;
	struct err err;

	if (tdx_tcb_info_parse(text, &t, &over, &err) == OK) {
		if (t->n_levels == 0 || over.bytes.len >= size)
			abort();
		for (size_t i = 0; i < t->n_modules; i++)
			if (!sorted(&t->identity[i].levels))
				abort();
		match(t, data, size);
	}
	if (tdx_qe_identity_parse(text, &q, &over, &err) == OK &&
	    (t != NULL || !sorted(&q->levels)))
		abort();
	return 0;
}
