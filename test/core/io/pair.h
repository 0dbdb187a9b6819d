/* For tests: two ends of a connection in one loop, and certificates. */
#ifndef CONFD_TEST_CORE_IO_PAIR_H
#define CONFD_TEST_CORE_IO_PAIR_H

#include "core/clock.h"
#include "core/io/conn.h"
#include "test/test.h"

/* Where an end frees its connection. */
enum spot { NOWHERE, IN_READY, IN_DATA, IN_DRAINED, IN_EOF, IN_CLOSED };

/* What has happened to one end, and how it behaves. */
struct end {
	struct conn *c;
	struct buf got; /* what it took */
	size_t take;	/* the most it takes a call */
	bool hold;	/* takes nothing and does not pause */
	bool echo;
	enum spot frees;

	unsigned readies, calls, drains, eofs, closes;
	size_t offered; /* length of the latest offer */
	struct err why;
};

extern const struct conn_events end_events;
void end_init(struct end *e);
void end_done(struct end *e);

/* A self-made identity. */
struct pair_identity {
	struct keypair *key;
	struct buf der;
};
void pair_identity_make(struct pair_identity *id, const char *name,
			const struct pair_identity *issuer);
void pair_identity_done(struct pair_identity *id);
struct tls *pair_identity_server(const struct pair_identity *id,
				 bool ask_client);
struct tls *pair_identity_client(const struct pair_identity *id,
				 const struct pair_identity *root,
				 bool any_name);

enum kind { TCP, UNIX, TLS, KINDS };

struct pair {
	struct loop *loop;
	struct listener *ls;
	struct addr at;
	struct tls *tls_a, *tls_b;
	struct pair_identity id;
	struct end a; /* connects */
	struct end b; /* is accepted: the latest */
	unsigned accepted;
};

/* A listener of that kind.  Then connect a to it; open does both, and waits
 * until both are ready. */
bool pair_listen(struct pair *p, enum kind kind,
		 const struct listener_settings *set);
bool pair_connect(struct pair *p);
bool pair_open(struct pair *p, enum kind kind);
void pair_done(struct pair *p);

/* Write all of it as fast as conn_full() allows; true when all was taken. */
bool end_pump(struct end *e, size_t *left);

/* Append n bytes in which no two places near each other look alike. */
void end_pattern(struct buf *b, size_t n);

/* Run the loop until expr holds, for up to 5 s; whether it holds then. */
/* clang-format off */
#define RUN_UNTIL(loop_, expr)                                       \
	__extension__({                                              \
		int64_t until_ = clock_mono_ms() + 5000;             \
		while (!(expr) && clock_mono_ms() < until_)          \
			loop_run_once((loop_), 20);                  \
		EXPECT(expr);                                        \
	})
/* clang-format on */

/* Run the loop for so long. */
void run_for(struct loop *l, int64_t ms);

#endif
