/* A configfs-tsm that is none: a file system of our own (FUSE) which behaves
 * as the kernel's report interface does, served by a child.  What the code
 * under test does with it are real system calls on real paths.
 *
 * As there: an entry is born with its attributes and goes with them; inblob is
 * taken when it is closed, errors of which nobody hears; each write counts;
 * reading outblob makes the report. */
#ifndef CONFD_TEST_ATTEST_TEE_TSM_FAKE_H
#define CONFD_TEST_ATTEST_TEE_TSM_FAKE_H

#include "core/slice.h"

/* How it behaves; all zero but provider is a plain one without levels. */
struct tsm_fake_options {
	const char *provider; /* "sev_guest" */
	bool levels;	      /* has privlevel, privlevel_floor */
	const char *floor;    /* the text in privlevel_floor */
	bool no_aux;	      /* has no auxblob */
	struct slice out;     /* the report */
	size_t data_at;	      /* of it: where the caller's data goes */
	bool data_fixed;      /* ... or does not */
	struct slice aux;

	/* NULL, or what makes the report in place of out: it returns the
	 * length, at most max.  In the child. */
	size_t (*sign)(void *ctx, const uint8_t data[64], uint8_t *out,
		       size_t max);
	void *ctx;

	/* How often something goes wrong before it goes well. */
	unsigned int busy; /* reading outblob fails with error */
	int error;
	unsigned int raced;	/* somebody writes before the report */
	unsigned int late;	/* ... and after it */
	unsigned int lost;	/* our inblob is not taken */
	unsigned int refused;	/* making an entry fails with EBUSY */
	const char *generation; /* this text in its place; or NULL */
	bool removing_busy;	/* the first removal fails with EBUSY */
};

/* What happened. */
struct tsm_fake_counts {
	unsigned int made, removed; /* entries */
	unsigned int reports;
	char level[8]; /* last written */
	size_t in_len; /* bytes last written to inblob */
};

struct tsm_fake;

/* Start; NULL where the machine cannot (then skip). */
struct tsm_fake *tsm_fake_start(const struct tsm_fake_options *o);
void tsm_fake_stop(struct tsm_fake *f);
static inline void tsm_fake_stopp(struct tsm_fake **f)
{
	tsm_fake_stop(*f);
}
#define auto_tsm_fake __attribute__((cleanup(tsm_fake_stopp)))

/* Where it lies. */
const char *tsm_fake_root(const struct tsm_fake *f);

/* Shared with the child, and current. */
const struct tsm_fake_counts *tsm_fake_counts(const struct tsm_fake *f);

#define TSM_FAKE_SKIP "no FUSE here"

#endif
