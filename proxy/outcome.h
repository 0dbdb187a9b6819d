/* What became of a request, for a log: nothing that the user chose. */
#ifndef CONFD_PROXY_OUTCOME_H
#define CONFD_PROXY_OUTCOME_H

#include <stdbool.h>
#include <stdint.h>

struct outcome {
	const char *route; /* the path of the table, NULL: came to none */
	unsigned status;   /* inside, or as answered; 0: not at all */
	bool sealed;	   /* status is the one inside */
	bool complete;	   /* the answer was handed over whole */
	bool again;	   /* by a client: it was sent a second time */
	uint64_t bytes_in, bytes_out; /* sealed: received, sent */
	int64_t ms;
	char error[160]; /* of the connection onwards, or empty */
};

#endif
