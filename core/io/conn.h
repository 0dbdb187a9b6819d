/* A stream connection: TCP or unix, plain or TLS, with back-pressure in both
 * directions.
 *
 * Input is offered to data() in order; what it does not take is kept (up to
 * CONN_IN_MAX) and offered again with more, or after conn_resume().  While
 * paused, or while the input is full, nothing is read from the peer, so its
 * TCP window closes.  Output is queued by conn_write(); a writer that sees
 * conn_full() stops until drained() comes. */
#ifndef CONFD_CORE_IO_CONN_H
#define CONFD_CORE_IO_CONN_H

#include <sys/types.h>

#include "core/io/addr.h"
#include "core/io/loop.h"
#include "core/io/tls.h"

#define CONN_IN_MAX (64u << 10)	   /* unread input kept a connection */
#define CONN_OUT_HIGH (256u << 10) /* conn_full() from here on */
#define CONN_OUT_LOW (64u << 10)   /* drained() below this */

struct conn;

/* All but closed may be NULL.  A callback may call anything on the
 * connection, conn_free included; after closed() no callback comes. */
struct conn_events {
	/* Connected and, with TLS, handshake done.  Comes once for every
	 * connection, accepted plain ones included, from the loop. */
	void (*ready)(void *ctx);

	/* Input; returns how many bytes it took. */
	size_t (*data)(void *ctx, struct slice in);

	/* The output queue fell to CONN_OUT_LOW or less after it was full. */
	void (*drained)(void *ctx);

	/* The peer ended its direction cleanly (FIN, with TLS close_notify)
	 * and all input before it was taken, or refused: what data() leaves
	 * while not paused will never become more, and eof() comes with it
	 * still kept.  So who merely cannot take input now pauses. Writing may
	 * go on. */
	void (*eof)(void *ctx);

	/* It is over: why->code is OK after conn_close() has flushed, else
	 * E_IO (reset, truncated TLS, time-out), E_CRYPTO (TLS), E_UNAVAIL
	 * (cannot connect; text names the address).  The caller still owns
	 * the connection and calls conn_free. */
	void (*closed)(void *ctx, const struct err *why);
};

/* Begin to connect.  tls NULL: plain (then to->tls must be false).  Failure
 * to connect comes by closed(), later. timeout_ms bounds connect plus
 * handshake; 0: 30 s.  What is written before ready() is sent then. */
enum status conn_connect(struct loop *l, const struct addr *to, struct tls *tls,
			 int64_t timeout_ms, const struct conn_events *ev,
			 void *ctx, struct conn **out, struct err *err);

/* Wrap a connected stream socket, which becomes the connection's on OK.
 * handshake_timeout_ms of 0: 10 s.  tls may be of a server or of a client. */
enum status conn_adopt(struct loop *l, int fd, struct tls *tls,
		       int64_t handshake_timeout_ms,
		       const struct conn_events *ev, void *ctx,
		       struct conn **out, struct err *err);

/* Replace the callbacks; input kept so far, and an eof() that came already,
 * is offered to the new ones. */
void conn_handlers(struct conn *c, const struct conn_events *ev, void *ctx);

/* Queue a copy.  Ignored once closing.  The queue is bounded by the caller's
 * respect for conn_full(); a hard cap of 4 MiB + one call breaks the
 * connection with E_LIMIT.  Small writes made within one callback leave
 * together when it returns; large ones are offered to the kernel at once. */
void conn_write(struct conn *c, struct slice s);
bool conn_full(const struct conn *c);
size_t conn_pending(const struct conn *c); /* bytes not yet with the kernel */

void conn_pause(struct conn *c);
void conn_resume(struct conn *c);

/* Flush, then end our direction, then closed(OK).  Gives up after 5 s.
 * Input is thrown away from here on; closed() waits up to 1 s for the peer's
 * end, since closing over unread input would take back what was sent. */
void conn_close(struct conn *c);

/* End only our direction after flushing (FIN or close_notify); reading goes
 * on. */
void conn_shutdown(struct conn *c);

/* Break it now, so that the peer sees an error and no clean end (RST, no
 * close_notify); no closed() follows. Then free it.  Without TLS, a unix
 * socket knows no RST: its peer sees an end. */
void conn_abort(struct conn *c);

/* Release; breaks it first if it is still open.  Safe within callbacks. */
void conn_free(struct conn *c);

/* No byte in either direction for ms: closed(E_IO, idle).  0: no limit. */
void conn_idle_limit(struct conn *c, int64_t ms);

/* With TLS, after ready(): see core/io/tls.h.  conn_peer_spki is false when
 * the peer has no certificate. */
bool conn_is_tls(const struct conn *c);
struct slice conn_peer_cert(const struct conn *c);
bool conn_peer_spki(const struct conn *c, uint8_t sha256[static 32]);
enum status conn_exporter(struct conn *c, const char *label,
			  struct slice context, uint8_t *out, size_t len,
			  struct err *err);

/* "127.0.0.1:5000" of the peer, "unix" for unix sockets; for logs. */
const char *conn_peer_text(const struct conn *c);

/* Only for core/io/listener: told when c is freed. */
void conn_on_free(struct conn *c, void (*gone)(void *ctx), void *ctx);

/* Listening. */
struct listener;

struct listener_settings {
	size_t max_conns;     /* further ones wait in the backlog; 0: 10,000 */
	bool reuse_port;      /* share the port with other processes */
	mode_t unix_mode;     /* of a unix socket; 0: 0600 */
	int64_t handshake_ms; /* 0: 10 s */
};

/* accepted() owns the connection that it gets, and gives it callbacks by
 * conn_handlers() before it returns; tls NULL: plain.  With TLS the handshake
 * is still to come, and is rationed, so that a rush of new connections leaves
 * running ones their share.  A path of a unix socket that nobody listens on
 * is replaced, and removed by listener_close; one that is served is refused
 * (E_CONFLICT).  The host is a number, localhost, or empty: all interfaces,
 * of IPv6 and IPv4.  set may be NULL. */
enum status listener_open(struct loop *l, const struct addr *at,
			  struct tls *tls, const struct listener_settings *set,
			  void (*accepted)(void *ctx, struct conn *c),
			  void *ctx, struct listener **out, struct err *err);

/* On a socket that listens already (made by a parent with privilege). */
enum status listener_adopt(struct loop *l, int fd, struct tls *tls,
			   const struct listener_settings *set,
			   void (*accepted)(void *ctx, struct conn *c),
			   void *ctx, struct listener **out, struct err *err);

/* Bind and listen only; the descriptor is the caller's. */
enum status listener_bind(const struct addr *at,
			  const struct listener_settings *set, int *fd,
			  struct err *err);

/* Where a bound socket is, with the port that the kernel chose. */
enum status listener_bound(int fd, struct addr *out, struct err *err);

/* New connections use this from now on (certificate renewal). */
void listener_set_tls(struct listener *ls, struct tls *tls);

/* The bound address, with the port that the kernel chose for port 0. */
void listener_addr(const struct listener *ls, struct addr *out);

/* A connection that counts against max_conns tells so when it is freed;
 * nothing to do for the caller. Stop accepting; open connections live on. */
void listener_close(struct listener *ls);

#endif
