/* What the worker and a proxy say to each other over the inherited chan
 * (core/io/chan.h): descriptor 3 of `confd proxy --role net`.  Descriptor 4 is
 * the listening socket (already bound), 5 the link to the sandbox's shim
 * (absent where --upstream names an address).
 *
 * Nothing else goes either way, and the proxy sends nothing that the worker
 * must parse.  The end of the chan is the end of the lease: the proxy wipes
 * its keys, finishes the streams that run, and exits. */
#ifndef CONFD_PROXY_MESSAGES_H
#define CONFD_PROXY_MESSAGES_H

#include "core/io/chan.h"

enum proxy_message {
	/* Worker to proxy. */

	/* Replaces all keys; the body is the layout of core/keybox.h.  Keys of
	 * an older revision than those that are there are refused. */
	MSG_KEYS = 0x70726f01,

	/* u64, big-endian: until when, in unix seconds, the keys may be used.
	 * 0: it has ended; they are wiped at once.  Requests are served only
	 * while there are keys and a lease that has not ended.  After an end
	 * both messages are needed again, in any order. */
	MSG_LEASE,

	/* Fields (core/buf): certificate chain in PEM, leaf first; private key
	 * in PEM.  For connections made from now on.  Until the first one
	 * comes the proxy uses a self-signed certificate.  Not with --plain. */
	MSG_TLS,

	/* Empty.  Stop accepting, finish streams (--drain), exit: the same as
	 * SIGTERM. */
	MSG_STOP,

	/* Proxy to worker. */

	/* Empty, once: it has locked itself down and serves.  It answers 503
	 * until it has keys and a lease. */
	MSG_READY,
};

#define PROXY_LEASE_LEN 8	   /* bytes of MSG_LEASE */
#define PROXY_KEYS_MAX (16u << 10) /* bytes of MSG_KEYS: more than any keybox */
#define PROXY_TLS_MAX (64u << 10)  /* bytes of MSG_TLS */

/* Descriptors of a proxy that a worker starts. */
#define PROXY_FD_CHAN 3
#define PROXY_FD_LISTEN 4
#define PROXY_FD_LINK 5

#endif
