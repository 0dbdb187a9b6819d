/* What the two processes of a worker say to each other (core/io/chan):
 * the keeper, which has TEE, secrets and sandboxes, and net, which has the
 * network.  Integers are big-endian; "field" is a u32 length and bytes. */
#ifndef CONFD_CMD_WORKER_MESSAGES_H
#define CONFD_CMD_WORKER_MESSAGES_H

enum {
	/* keeper to net */
	WORKER_IDENTITY = 1, /* field key PEM, field certificate DER: the key
				that evidence binds; field pinned manifest
				(empty: none); comes first */
	WORKER_EVIDENCE = 2, /* u8 status; OK: field bundle, field key set;
				else field error text */
	WORKER_SERVE = 3,    /* the lease is good: field certificates PEM, field
				manifest; again at each renewal */
	WORKER_LAPSED = 4,   /* nothing: the lease has ended */
	WORKER_REPLY = 5,    /* u32 id, u8 status; OK: as the request says;
				else field error text */
	/* net to keeper */
	WORKER_WANT = 17, /* 32 each: nonce, exporter, spki, manifest digest */
	WORKER_LEASED = 18, /* u64 seconds, field certificates PEM, field sealed
			       secrets, field manifest */
	WORKER_SERVING = 19, /* nothing: the API is open; once */
	WORKER_RUN = 20,     /* u32 id, then a packed workload_request; answered
				by JSON */
	WORKER_DO = 21,	     /* u32 id, u8 what (enum worker_op), u64 from,
				field name; answered by JSON, nothing for
				REMOVE, and for LOGS by u64 number of the first
				byte, field state, field bytes */
	WORKER_REFUSED = 22, /* u8 status, field text: the first registration
				was refused, and trying again is no use */
};

enum worker_op {
	WORKER_LIST,
	WORKER_GET,
	WORKER_STOP,
	WORKER_START,
	WORKER_REMOVE,
	WORKER_LOGS,
	WORKER_OPS
};

#define WORKER_BODY_MAX (1u << 20) /* bytes of a request of the API */
#define WORKER_MESSAGE_MAX (3u << 20)

#endif
