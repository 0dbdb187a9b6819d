/* PEM (RFC 7468): DER as base64 between two marks that say what it is.
 *
 * Strict: padded base64 with nothing but white space in it, and no headers.
 * A label is what stands in the marks, such as "CERTIFICATE"; at most
 * PEM_LABEL_MAX characters.  The decoded bytes are appended to a buffer whose
 * max bounds them; on failure it holds what it held. */
#ifndef CONFD_CORE_PEM_H
#define CONFD_CORE_PEM_H

#include "core/buf.h"

#define PEM_LABEL_MAX 32

/* Append one block, in lines of 64 characters. */
void pem_put(struct buf *out, const char *label, struct slice der);

/* Where the first block of this label begins; in.len when there is none. */
size_t pem_find(struct slice in, const char *label);

/* Read what is either DER, which begins with a SEQUENCE and is taken as it
 * is, or PEM of exactly one block with only white space around it.
 *
 * E_PARSE	neither.
 * E_LIMIT	more than der->max bytes, or than twice as many characters. */
enum status pem_parse(struct slice in, const char *label, struct buf *der,
		      struct err *err);

/* Take the next block off the front of *rest, with the text before it, which
 * is ignored.  *rest changes only on OK.
 *
 * E_NOTFOUND	no block any more.
 * E_PARSE	the next block has another label, or no end, or is malformed.
 * E_LIMIT	as pem_parse. */
enum status pem_next(struct slice *rest, const char *label, struct buf *der,
		     struct err *err);

#endif
