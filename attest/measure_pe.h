/* The digest of a PE image as UEFI measures one: Authenticode's, without the
 * checksum, the entry of the certificate table and the table itself.
 *
 * A file whose length is no multiple of 8 is not padded: signing tools do that,
 * firmware does not.
 *
 * Source: Microsoft, "Windows Authenticode Portable Executable Signature
 * Format", "Calculating the PE Image Hash"; as edk2 computes it. */
#ifndef CONFD_ATTEST_MEASURE_PE_H
#define CONFD_ATTEST_MEASURE_PE_H

#include "core/slice.h"

#define MEASURE_PE_HEAD 4096u /* bytes that a VMM may have changed */

/* Digest of an image, SHA-384.
 *
 * image	untrusted, any length.
 * head	bytes that stand in for the first ones of the image; or empty.
 *
 * E_PARSE	not a PE image, or one whose sections lie outside it. */
enum status measure_pe_sha384(struct slice image, struct slice head,
			      uint8_t out[static 48], struct err *err);

/* The first bytes of a Linux kernel as QEMU hands it on where it fills in the
 * setup header (Linux, Documentation/arch/x86/boot.rst): who loads it, heap,
 * command line, and where it put the initrd.
 *
 * kernel	the file.
 * initrd_len	bytes of the initrd; 0 for none.
 * memory	bytes of the guest's memory; with an initrd below 2.75 GiB the
 *		place of it depends on that.
 *
 * E_PARSE	not a kernel of boot protocol 2.12 or later.
 * E_LIMIT	the initrd does not fit. */
enum status measure_pe_linux_head(struct slice kernel, uint64_t initrd_len,
				  uint64_t memory,
				  uint8_t head[static MEASURE_PE_HEAD],
				  struct err *err);

#endif
