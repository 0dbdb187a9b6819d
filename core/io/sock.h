/* The bytes below a connection: a stream socket, with or without a TLS
 * session, and no callbacks.  Only for core/io/conn.
 *
 * Ciphertext that was read and not asked for, or made and not sent, is kept
 * here; plaintext never is. */
#ifndef CONFD_CORE_IO_SOCK_H
#define CONFD_CORE_IO_SOCK_H

#include "core/buf.h"
#include "core/io/tls.h"

/* Look freely, change nothing. */
struct sock {
	int fd;			     /* -1: closed */
	struct tls_session *session; /* NULL: plain */
	struct buf raw;		     /* read and not decrypted */
	struct slice cipher;	     /* what the session may read just now */
	bool cipher_end;	     /* and after it the stream ends */
	struct buf wire;	     /* encrypted and not sent */
	bool blocked;		     /* until sock_unblock: it was full */
	int error;		     /* errno of a failed write, 0: none */
	bool notified;		     /* close_notify is made */
	bool fin;		     /* our direction has ended */
	int64_t last_byte;	     /* clock_mono_ms, either direction */
};

/* A connected, non-blocking descriptor, which is s's on OK.  host as for
 * tls_session_new; tls NULL: plain. */
enum status sock_open(struct sock *s, int fd, struct tls *tls, const char *host,
		      struct err *err);

/* Close the descriptor, with a reset if so wanted; the session stays, for the
 * certificate of the peer.  sock_done releases the rest.  s may be all zeros
 * with fd -1. */
void sock_close(struct sock *s, bool reset);
void sock_done(struct sock *s);

/* E_AGAIN: wait for more, or for room.  readable: read the socket, once. */
enum status sock_handshake(struct sock *s, bool readable, struct err *err);

/* Up to max bytes, which may be none; *end becomes true at a clean end of the
 * peer's direction.  With a failure too, the *n bytes before it are good.
 * When all of max came there may be more, of which the socket does not tell:
 * ask again. */
enum status sock_read(struct sock *s, bool readable, uint8_t *p, size_t max,
		      size_t *n, bool *end, struct err *err);

/* Read and forget; true when the peer ended or broke its direction. */
bool sock_skip(struct sock *s);

/* Take off the front of *in what the kernel takes now, or up to 64 KiB more
 * with TLS. Until sock_unblock it takes nothing once it was full. */
enum status sock_write(struct sock *s, struct slice *in, struct err *err);
void sock_unblock(struct sock *s); /* the socket is writable */

/* With everything flushed, end our direction: with TLS by close_notify, and
 * by FIN if there is no TLS or for_good.  What could not leave at once is in
 * wire: then call it again after sock_unblock. */
enum status sock_end(struct sock *s, bool for_good, struct err *err);

/* True when the peer has reset the connection, without reading. */
bool sock_is_reset(const struct sock *s);

#endif
