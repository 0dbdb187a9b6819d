/* The registers of an Intel TDX guest, as far as what it is started with
 * determines them.
 *
 *	MRTD	the firmware, page by page: determined.
 *	RTMR0	the firmware's view of the machine: what memory there is (QEMU
 *		says it so that it can be computed), its variables
 *		(determined), ACPI tables and boot variables (the VMM's: taken
 *		from the log of a boot that is trusted, or not known).
 *	RTMR1	kernel and the firmware's steps: determined for OVMF and
 *		-kernel.
 *	RTMR2	command line and initrd, by the kernel's EFI stub: determined.
 *	RTMR3	what the guest extends later: not computed.
 *
 * For td-shim only MRTD is computed.
 *
 * Sources: Intel TDX Module Base Architecture Specification, 12.2
 * (measurement); Intel TDX Virtual Firmware Design Guide, 8 (measurement) and
 * 12 (kernel image); UEFI PI 1.8 volume 3, 5 (HOBs); edk2, SecurityPkg and
 * OvmfPkg; Linux, drivers/firmware/efi/libstub. */
#ifndef CONFD_ATTEST_MEASURE_TDX_H
#define CONFD_ATTEST_MEASURE_TDX_H

#include "attest/measure_ovmf.h"
#include "attest/tee/eventlog.h"

#define MEASURE_TDX_LEN 48
#define MEASURE_TDX_RTMRS 3
#define MEASURE_TDX_EVENTS 24
#define MEASURE_TDX_CMDLINE 4096 /* characters */

/* How a VMM adds pages of a section and their contents. */
enum measure_tdx_order {
	MEASURE_TDX_BY_PAGE,	/* each page, then its contents: Linux's KVM */
	MEASURE_TDX_BY_SECTION, /* all pages first: older patches */
};

struct measure_tdx_case {
	struct slice firmware;
	enum measure_tdx_order order;
	bool td_shim;		    /* not OVMF */
	uint64_t memory;	    /* bytes; 0: not known */
	bool has_kernel;	    /* -kernel */
	bool has_initrd;	    /* -initrd */
	bool separator_in_rtmr0;    /* older OVMF */
	uint8_t kernel[48];	    /* measure_pe_sha384 */
	uint8_t initrd[48];	    /* SHA-384 */
	const char *cmdline;	    /* -append; "" for none */
	const struct eventlog *log; /* of a boot that is trusted, or NULL */
};

/* One event that leads to a register. */
struct measure_tdx_event {
	unsigned rtmr;
	const char *what; /* a literal */
	bool known;
	uint8_t digest[MEASURE_TDX_LEN];
};

struct measure_tdx {
	uint8_t mrtd[MEASURE_TDX_LEN];
	size_t n;
	struct measure_tdx_event event[MEASURE_TDX_EVENTS];
	bool known[MEASURE_TDX_RTMRS];
	uint8_t rtmr[MEASURE_TDX_RTMRS][MEASURE_TDX_LEN];
};

/* Compute what can be computed.  E_PARSE, E_LIMIT: the firmware is not one
 * for TDX, its command line is not ASCII or too long, the memory is not whole
 * pages or does not hold the firmware's sections, or the log has not the one
 * event each that is replaced. */
enum status measure_tdx_registers(const struct measure_tdx_case *in,
				  struct measure_tdx *out, struct err *err);

/* SHA-384 of the list of HOBs by which QEMU's q35 says what memory there is,
 * as the firmware measures it: without the entry that ends it. */
enum status measure_tdx_hob(const struct measure_tdvf *t, uint64_t memory,
			    uint8_t out[static MEASURE_TDX_LEN],
			    struct err *err);

#endif
