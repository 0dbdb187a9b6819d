/* ASN.1 in DER (X.690), read strictly: a cursor over one value after another.
 *
 * Like struct cursor it has a sticky fault: what is not of the expected tag or
 * form reads as empty or zero and sets bad, and der_end() reports it once.
 * Lengths must be written in their shortest form and lie within what holds
 * them; tags have one byte.  Nothing recurses and nothing allocates: slices
 * point into the source. */
#ifndef CONFD_CORE_DER_H
#define CONFD_CORE_DER_H

#include "core/buf.h"

/* The tags that we meet. */
enum {
	DER_BOOLEAN = 0x01,
	DER_INTEGER = 0x02,
	DER_BIT_STRING = 0x03,
	DER_OCTET_STRING = 0x04,
	DER_NULL = 0x05,
	DER_OID = 0x06,
	DER_ENUMERATED = 0x0a,
	DER_UTF8_STRING = 0x0c,
	DER_PRINTABLE_STRING = 0x13,
	DER_IA5_STRING = 0x16,
	DER_UTC_TIME = 0x17,
	DER_GENERALIZED_TIME = 0x18,
	DER_SEQUENCE = 0x30,
	DER_SET = 0x31,
	DER_CONTEXT = 0x80,	/* [n] IMPLICIT, primitive: DER_CONTEXT | n */
	DER_CONSTRUCTED = 0xa0, /* [n] with values in it: this | n */
};

struct der {
	struct slice rest;
	bool bad;
};

static inline struct der der_make(struct slice s)
{
	return (struct der){ s, false };
}

/* True while nothing failed and something is left: what loops ask. */
bool der_more(const struct der *d);

/* True when a value of this tag is next. */
bool der_is(const struct der *d, uint8_t tag);

/* The content of the next value, which must have this tag. */
struct slice der_get(struct der *d, uint8_t tag);

/* The content of the next value and its tag, whatever it is. */
struct slice der_any(struct der *d, uint8_t *tag);

/* The next value whole, with tag and length; it must have this tag. */
struct slice der_whole(struct der *d, uint8_t tag);

/* A cursor over the content of the next value, of this tag; bad with d. */
struct der der_enter(struct der *d, uint8_t tag);

/* Done with a cursor that der_enter gave: d is bad unless it was read to its
 * end without a fault. */
void der_leave(struct der *d, const struct der *inner);

/* OK when nothing failed and nothing is left, else E_PARSE with what in the
 * text. */
enum status der_end(const struct der *d, const char *what, struct err *err);

/* An INTEGER of zero or more, in its shortest form: the magnitude, big-endian,
 * without the zero byte in front (zero is one zero byte). */
struct slice der_integer(struct der *d);

/* The same of at most 64 bits, or less than max + 1. */
uint64_t der_u64(struct der *d, uint64_t max);

/* An ENUMERATED from 0 to 127. */
uint8_t der_enumerated(struct der *d);

/* 0x00 or 0xff, nothing else. */
bool der_boolean(struct der *d);

void der_null(struct der *d);

/* A BIT STRING of whole bytes. */
struct slice der_bits(struct der *d);

/* The content of an OBJECT IDENTIFIER that is well formed. */
struct slice der_oid(struct der *d);

/* UTCTime or GeneralizedTime in the forms of RFC 5280 s4.1.2.5 (seconds, "Z",
 * no fraction), as unix seconds; UTCTime's years are 1950 to 2049. */
int64_t der_time(struct der *d);

/* Whether this content of an OBJECT IDENTIFIER is that of the dotted text,
 * "1.2.840.113549". */
bool der_oid_is(struct slice oid, const char *dotted);

/* Write it as dotted text, for people; cut when it does not fit. */
#define DER_OID_TEXT 64
void der_oid_text(struct slice oid, char out[static DER_OID_TEXT]);

/* Append the DER form of an ECDSA signature (RFC 3279 s2.2.3), of r and s
 * big-endian of any length, with or without zeros in front. */
void der_put_ecdsa(struct buf *out, struct slice r, struct slice s);

#endif
