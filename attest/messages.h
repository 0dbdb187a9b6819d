/* What the roles of the attestation service say to each other (core/io/chan).
 * Integers are big-endian; "field" is a u32 length and bytes (core/buf). */
#ifndef CONFD_ATTEST_MESSAGES_H
#define CONFD_ATTEST_MESSAGES_H

enum {
	/* net to keeper; each begins with u32 id, which the reply repeats. */
	MSG_ATTEST = 1,	  /* 32 nonce, 32 exporter, 32 spki */
	MSG_INIT = 2,	  /* field manifest, field sealed secrets */
	MSG_NONCE = 3,	  /* nothing */
	MSG_REGISTER = 4, /* u8 renew, 32 nonce, 32 exporter, 32 spki, field
			     group, field name, field keys, field bundle */
	MSG_WORKERS = 5,  /* nothing */

	/* keeper to net. */
	MSG_PUBLIC = 17, /* u8 state, 32 head, u64 log size, 32 log root, field
			    manifest, field key set: what anybody may know;
			    comes first, and again when it changes */
	MSG_REPLY = 18,	 /* u32 id, u8 status, field: error text, or what
			    follows for OK:
			    ATTEST	field bundle, field key set
			    INIT	nothing
			    NONCE	32 nonce
			    REGISTER	field lease id, u64 expires, u64
					seconds, field certificates, field
					sealed secrets
			    WORKERS	a JSON array */

	/* keeper to judge. */
	MSG_CASE = 33, /* u32 id, 32 each: nonce, exporter, spki, digest of
			  keys, u64 now, field roots for tests (32 each), field
			  manifest, field group, field bundle */
	/* judge to keeper. */
	MSG_VERDICT = 34, /* u32 id, u8 status, field error text, field packed
			     verdict, 32 SHA-256 of the statement */
};

enum service_state { STATE_UNINITIALIZED, STATE_SERVING, STATE_SEALED };

#define MSG_BODY_MAX (2u << 20) /* bytes; a request's body is at most half */
#define NONCE_SECONDS 60
#define GROUP_NAME_MAX 64
#define SERVICE_BODY_MAX (1u << 20) /* bytes of a request */

#endif
