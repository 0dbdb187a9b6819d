/* The certificate table that the host hands to a guest beside an extended
 * report: where which certificate lies.
 *
 * Source: AMD 56421, "GHCB Standardization", SNP Extended Guest Request,
 * table of {GUID, offset, length}, ended by an entry of zeros.  All of it is
 * the host's word: the certificates are verified like any others. */
#ifndef CONFD_ATTEST_TEE_SNP_CERTS_TABLE_H
#define CONFD_ATTEST_TEE_SNP_CERTS_TABLE_H

#include "core/slice.h"

#define SNP_CERTS_TABLE_MAX (1u << 20) /* bytes */
#define SNP_CERTS_TABLE_ENTRIES_MAX 64
#define SNP_CERTS_TABLE_ENTRY_LEN 24 /* bytes: GUID 16, offset 4, length 4 */

enum snp_certs_entry {
	SNP_ENTRY_VCEK,
	SNP_ENTRY_VLEK,
	SNP_ENTRY_ASK, /* or ASVK */
	SNP_ENTRY_ARK,
	SNP_ENTRY_CRL,
};
#define SNP_ENTRIES 5

struct snp_certs_table {
	struct slice entry[SNP_ENTRIES]; /* DER or PEM; empty: not there */
	size_t unknown;			 /* entries of other GUIDs */
};

/* Find the certificates in a table.
 *
 * raw	untrusted, any length; out's slices point into it.  Nothing at all is
 *	a table without entries: many hosts give none.
 * out	written only on OK.
 *
 * E_PARSE	no closing entry, an entry that lies outside of the table or
 *		on its head, an empty one, or a GUID that is there twice.
 * E_LIMIT	more bytes or entries than the limits above. */
enum status snp_certs_table_parse(struct slice raw, struct snp_certs_table *out,
				  struct err *err);

/* "VCEK" and so on, and the GUID's bytes, in the order of its text. */
const char *snp_certs_table_name(enum snp_certs_entry e);
const uint8_t *snp_certs_table_guid(enum snp_certs_entry e); /* 16 bytes */

#endif
