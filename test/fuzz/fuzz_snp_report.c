/* SEV-SNP reports, and the parts of a TCB. */
#include "attest/tee/snp_report.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is accepted says nothing in the places that are reserved. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct snp_report r;
	struct snp_tcb tcb;
	char text[SNP_TCB_TEXT];
	enum snp_product p;
	struct err err;

	if (snp_report_parse(slice_make(data, size), &r, &err) != OK)
		return 0;
	if (size != SNP_REPORT_LEN || r.version < 2 || r.version > 5 ||
	    !all_zero(data + 0x330, 0x170) || !all_zero(data + 0x208, 0x98) ||
	    (r.policy & SNP_POLICY_RESERVED) != 0)
		abort();
	if (!snp_report_product(&r, &p))
		p = SNP_TURIN;
	if (snp_report_tcb(r.reported_tcb, p, &tcb, &err) == OK) {
		snp_report_tcb_text(&tcb, p, text);
		if (!snp_report_tcb_eq(&tcb, &tcb))
			abort();
	}
	return 0;
}
